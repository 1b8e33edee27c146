//! Files that load, and what comes out.

use std::time::Duration;

use http::Method;

use super::*;
use crate::gate::{Access, CredentialKind, InboundCredential, Match, RouteId};
use crate::serve::listener::ListenAddress;
use crate::serve::settings::{Server, UpstreamHost};
use crate::token::{Algorithm, TypeRule};

pub(super) fn good(text: &str) -> Settings {
    let world = world();
    load_in(&world, text).unwrap_or_else(|problems| panic!("{problems}")).settings
}

pub(super) fn warnings(text: &str) -> Vec<String> {
    let world = world();
    let loaded = load_in(&world, text).unwrap_or_else(|problems| panic!("{problems}"));
    loaded
        .warnings
        .iter()
        .map(|warning| format!("{}: {}", warning.path(), warning.message()))
        .collect()
}

#[test]
fn every_good_example_loads() {
    let world = world();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/good");
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if let Err(problems) = load_in(&world, &fs::read_to_string(&path).unwrap()) {
            panic!("{}: {problems}", path.display());
        }
        count += 1;
    }
    assert!(count >= 3);
}

#[test]
fn the_smallest_file_asks_everybody_for_an_identity() {
    let Settings { process, service } = good(SMALL);
    assert_eq!(process.listeners[0].address, ListenAddress::Tcp("127.0.0.1:8080".parse().unwrap()));
    assert_eq!(process.admin, Some(ListenAddress::Tcp("127.0.0.1:9180".parse().unwrap())));
    let upstream = &service.upstreams[0];
    assert_eq!(upstream.servers, [Server::Tcp { host: "127.0.0.1".into(), port: 3000 }]);
    assert_eq!((upstream.host.clone(), upstream.tls.is_none()), (UpstreamHost::Preserve, true));
    let [route] = service.policy.routes.as_slice() else { panic!("{:?}", service.policy.routes) };
    assert_eq!(route.access, Access::Required);
    assert_eq!(&*route.name, "/*");
    let found = service.policy.table.find("any.host", b"/x/y", &Method::DELETE);
    assert_eq!(found, Match::Route(RouteId(0)));
}

#[test]
fn a_provider_has_strict_defaults() {
    let provider = good(SMALL).service.policy.providers.remove(0);
    assert_eq!(provider.cookies, ["sso"]);
    assert_eq!(provider.rules.audiences, ["web"]);
    assert_eq!(provider.rules.clients, None);
    assert_eq!(provider.rules.types, TypeRule::Any);
    assert_eq!(provider.rules.leeway, Duration::from_secs(60));
    let algorithms: Vec<_> = provider.rules.algorithms.iter().collect();
    use Algorithm::{EdDSA, Es256, Es384, Ps256, Rs256};
    assert_eq!(algorithms, [Rs256, Ps256, Es256, Es384, EdDSA]);
}

#[test]
fn an_openid_client_is_its_own_audience() {
    let text = SMALL.replace("audience: web", "client_id: web");
    assert_eq!(good(&text).service.policy.providers[0].rules.audiences, ["web"]);
}

#[test]
fn short_and_long_form_mix() {
    let text = format!(
        "{SMALL}routes:\n  - match: {{ paths: /open/* }}\n    access: public\n  - access: required\n"
    );
    let policy = good(&text).service.policy;
    assert_eq!(policy.routes.len(), 2);
    assert_eq!(policy.table.find("h", b"/open/x", &Method::GET), Match::Route(RouteId(0)));
    assert_eq!(policy.table.find("h", b"/else", &Method::GET), Match::Route(RouteId(1)));
    assert_eq!((&*policy.routes[0].name, &*policy.routes[1].name), ("/open/*", "/*"));
}

#[test]
fn a_public_route_has_no_identity_to_tell() {
    let text = format!("{SMALL}identity: {{ assertion: true }}\nroutes: [{{ access: public }}]\n");
    let policy = good(&text).service.policy;
    let route = &policy.routes[0];
    assert!(
        route.headers.fields.is_empty() && route.assertion.is_none() && route.providers.is_empty()
    );
}

#[test]
fn a_route_says_otherwise_key_by_key() {
    let text = format!(
        "{SMALL}identity: {{ claims: {{ X-Dept: dept }}, cookie: remove, assertion: true }}\nroutes:\n  \
         - {{ name: api, identity: {{ headers: remote, authorization: remove }} }}\n"
    );
    let policy = good(&text).service.policy;
    let route = &policy.routes[0];
    let names: Vec<&str> = route.headers.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["remote-user", "remote-email", "remote-groups", "remote-name", "x-dept"]);
    assert_eq!(route.authorization, InboundCredential::Remove);
    assert_eq!(route.sso_cookie, InboundCredential::Remove);
    let assertion = route.assertion.as_ref().unwrap();
    assert_eq!((assertion.audience.as_str(), assertion.lifetime), ("api", Duration::from_secs(60)));
    assert!(policy.managed.contains(&http::HeaderName::from_static("x_dept")));
}

#[test]
fn a_claim_replaces_the_header_of_a_preset() {
    let text = format!("{SMALL}identity: {{ claims: {{ X-Forwarded-User: /employee/number }} }}\n");
    let policy = good(&text).service.policy;
    let users =
        policy.routes[0].headers.fields.iter().filter(|(name, _)| name == "x-forwarded-user");
    assert_eq!(users.count(), 1);
}

#[test]
fn routes_with_the_same_headers_share_a_plan() {
    let routes = "routes: [{ match: { paths: /a } }, { match: { paths: /b } }, { match: { paths: /c }, identity: { headers: none } }]\n";
    let policy = good(&format!("{SMALL}{routes}")).service.policy;
    assert_eq!(policy.plans, 2);
    assert_eq!(policy.routes[0].headers.id, policy.routes[1].headers.id);
}

#[test]
fn accepts_narrows_the_kinds_of_credential() {
    let policy = good(&format!("{SMALL}routes: [{{ accepts: cookie }}]\n")).service.policy;
    let accepts = policy.routes[0].accepts;
    assert!(accepts.contains(CredentialKind::Cookie) && !accepts.contains(CredentialKind::Bearer));
}

#[test]
fn limits_of_a_route_come_before_those_of_all() {
    let text = format!(
        "{SMALL}limits: {{ body: 1MiB }}\ntimeouts: {{ request: 1m }}\nroutes:\n  - match: {{ paths: /up }}\n    \
         limits: {{ body: 1GiB }}\n    timeouts: {{ request: 1h }}\n  - match: {{ paths: /* }}\n"
    );
    let routes = good(&text).service.policy.routes;
    assert_eq!(
        (routes[0].max_body_bytes, routes[0].timeout),
        (Some(1 << 30), Some(Duration::from_secs(3600)))
    );
    assert_eq!(
        (routes[1].max_body_bytes, routes[1].timeout),
        (Some(1 << 20), Some(Duration::from_secs(60)))
    );
}

#[test]
fn one_issuer_may_be_written_once_for_each_audience() {
    let providers = "providers:\n  - { name: a, issuer: https://l.example, audience: web }\n  \
                     - { name: b, issuer: https://l.example, audience: api }\n";
    assert_eq!(good(&small_with(providers)).service.policy.providers.len(), 2);
}

#[test]
fn without_anybody_who_needs_an_identity_there_needs_no_provider() {
    let text = "listen: 127.0.0.1:1\nupstream: http://127.0.0.1:2\nroutes: [{ access: public }]\n";
    assert!(good(text).service.policy.providers.is_empty());
}

#[test]
fn a_login_page_of_the_same_host_is_looked_for_on_that_host() {
    let text = small_with(
        "provider: { issuer: https://l.example, audience: web, login_url: '/in?rd={return_to}' }\nroutes:\n  \
         - match: { hosts: [a.example] }\n  - match: { hosts: [a.example], paths: [/in] }\n    access: public\n",
    );
    assert_eq!(good(&text).service.policy.routes.len(), 2);
}

#[test]
fn files_that_were_read_are_named_for_the_reload() {
    let world = world();
    let text = format!("{SMALL}session: {{ keys: [{{ file: /run/secrets/session_key }}] }}\n");
    let files = load_in(&world, &text).unwrap().files;
    assert_eq!(files, [world.path().join("run/secrets/session_key")]);
}

#[test]
fn what_is_risky_but_may_be_meant_is_a_warning() {
    let warn = |addition: &str| warnings(&format!("{SMALL}{addition}"));
    assert_eq!(warn(""), [""; 0]);
    assert_eq!(
        warn("admin: { address: 0.0.0.0:9180 }"),
        ["admin.address: everybody who reaches 0.0.0.0:9180 can read the metrics"]
    );
    assert!(
        warn("trusted_proxies: [128.0.0.0/1]")[0]
            .starts_with("trusted_proxies[0]: `128.0.0.0/1` is a large part")
    );
    let text = SMALL.replace("?rd={return_to}", "");
    assert!(
        warnings(&text)[0].starts_with("provider.login_url: has no `{return_to}`"),
        "{:?}",
        warnings(&text)
    );
    let text = "listen: 127.0.0.1:1\nupstream: http://127.0.0.1:2\nprovider: { issuer: https://l.example, client_id: a, client_secret: { value: x } }\n";
    let found = warnings(text);
    assert!(
        found.iter().any(|w| w.starts_with("provider: nobody can sign in: there is no `session:`")),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|w| w.starts_with("provider.client_secret.value: a secret in the configuration")),
        "{found:?}"
    );
}

/// What a front proxy asks about nobody answers as was meant.
#[test]
fn doors_that_would_refuse_everything_are_a_warning() {
    let doors = |listeners: &str, rest: &str| {
        let provider = "provider: { issuer: https://l.example, audience: a }";
        warnings(&format!("listeners: [{listeners}]\n{provider}\n{rest}"))
    };
    let tcp = "{ address: 127.0.0.1:9000, door: forward_auth }";
    let found = doors(tcp, "");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("listeners[0].door: nobody is believed here"), "{found:?}");
    let trusting = "trusted_proxies: [127.0.0.1]\n";
    assert_eq!(doors(tcp, trusting), [""; 0]);
    assert_eq!(doors("{ address: unix:/run/a.sock, door: forward_auth }", ""), [""; 0]);
    let answering = format!(
        "{trusting}routes: [{{ match: {{ paths: /* }}, preflight: {{ origins: https://a.example, methods: GET }} }}]\n"
    );
    let found = doors(tcp, &answering);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("routes[0].preflight: a proxy in front cannot"), "{found:?}");
    let both = format!("{tcp}, {{ address: 127.0.0.1:8080 }}");
    assert_eq!(doors(&both, &format!("{answering}upstream: http://127.0.0.1:2\n")), [""; 0]);
}

#[test]
fn a_file_is_loaded_from_disk_with_paths_beside_it() {
    let world = world();
    let path = world.path().join("sidegate.yaml");
    fs::write(
        &path,
        format!("{SMALL}session: {{ keys: [{{ file: run/secrets/session_key }}] }}\n"),
    )
    .unwrap();
    assert!(load(&path).is_ok());
    fs::write(&path, b"listen: \xff\n").unwrap();
    let problems = load(&path).unwrap_err().to_string();
    assert!(
        problems.ends_with("line 1: is not UTF-8 text\n    → save the file as UTF-8"),
        "{problems}"
    );
    let missing = load(&world.path().join("none.yaml")).unwrap_err().to_string();
    assert!(missing.contains("cannot read the file: there is no such file"), "{missing}");
}
