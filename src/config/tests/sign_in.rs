//! Files by which people sign in, and what comes out.

use std::collections::BTreeSet;
use std::time::Duration;

use super::good::{good, warnings};
use super::*;
use crate::gate::{
    CredentialKind, Dpop, Introspection, NonceRule, ProviderId, Scheme, SessionsKept, Silent,
};
use crate::identity::ClaimPath;
use crate::oidc::authorization::ResponseMode;
use crate::oidc::client::ClientAuthentication;
use crate::remote::provider::MetadataSource;
use crate::remote::relying_party::PushedRequests;
use crate::remote::sessions::{Readiness, RedisAddress, StoreSettings, Topology};
use crate::serve::settings::{ServiceSettings, SignInSettings};
use crate::session::{Limits, Prompt};

const SHORT: &str = "
listen: 127.0.0.1:8080
upstream: http://127.0.0.1:3000
provider:
  issuer: https://login.example.com
  client_id: web
  client_secret: { file: /run/secrets/client_secret }
session:
  keys: [{ file: /run/secrets/session_key }]
";

fn service(text: &str) -> ServiceSettings {
    good(text).service
}

fn sign_in(text: &str) -> SignInSettings {
    service(text).sign_in.expect("people sign in")
}

/// The short file with `line` in its provider.
fn with_provider(line: &str) -> String {
    SHORT.replace("  client_id: web\n", &format!("  client_id: web\n  {line}\n"))
}

fn name(text: &str) -> ClaimPath {
    ClaimPath::Name(text.to_owned())
}

#[test]
fn the_short_file_signs_people_in_without_another_key() {
    assert_eq!(warnings(SHORT), [""; 0]);
    let ServiceSettings { policy, sign_in, .. } = service(SHORT);
    let settings = sign_in.unwrap();
    let [party] = settings.parties.as_slice() else { panic!("{:?}", settings.parties) };
    assert_eq!(
        (party.provider, party.name.as_str(), party.title.as_str()),
        (ProviderId(0), "default", "login.example.com")
    );
    let client = &party.relying_party;
    assert!(matches!(client.registration.authentication, ClientAuthentication::Basic(_)));
    assert_eq!(client.scopes, ["openid", "profile", "email"]);
    assert_eq!(client.metadata.source, MetadataSource::Discovery);
    assert_eq!(client.pushed_requests, PushedRequests::Auto);
    assert_eq!(client.response_mode, ResponseMode::Query);
    assert!(!client.userinfo && settings.sign_out.at_provider && settings.keeps_fragments);
    assert!(!settings.persistent && matches!(settings.store, StoreSettings::Cookie));
    let sessions = policy.sessions.unwrap();
    assert_eq!(sessions.cookie(Scheme::Https, "app.example.com").name(), "__Host-sidegate");
    assert_eq!(sessions.cookie(Scheme::Http, "app.example.com").name(), "sidegate");
    assert_eq!((sessions.limits, sessions.kept), (Limits::default(), SessionsKept::InCookie));
    assert_eq!(policy.providers[0].relying_party.as_ref().unwrap().client, "web");
    assert!(policy.routes[0].accepts.contains(CredentialKind::Session));
    assert!(policy.nonces.is_none());
}

#[test]
fn without_sessions_or_without_a_client_nobody_signs_in() {
    let no_session = SHORT.replace("session:\n  keys: [{ file: /run/secrets/session_key }]\n", "");
    let settings = service(&no_session);
    assert!(settings.sign_in.is_none() && settings.policy.sessions.is_none());
    assert!(settings.policy.providers[0].relying_party.is_none());
    let no_client = format!("{SMALL}session: {{ keys: [{{ file: /run/secrets/session_key }}] }}\n");
    let settings = service(&no_client);
    assert!(settings.sign_in.is_none() && settings.policy.sessions.is_none());
    assert_eq!(warnings(&no_client), ["session: nobody signs in here: no provider has a client"]);
}

#[test]
fn a_login_page_of_its_own_goes_on_to_lead_people_there() {
    let text = with_provider("login_url: https://login.example.com/in?rd={return_to}");
    let settings = service(&text);
    assert!(settings.sign_in.is_none() && settings.policy.providers[0].relying_party.is_none());
    assert!(warnings(&text)[0].starts_with("provider.login_url: people sign in at this page"));
}

#[test]
fn a_client_proves_itself_by_what_it_has() {
    let of = |provider: &str| {
        let registration = sign_in(provider).parties.remove(0).relying_party.registration;
        registration.authentication.name()
    };
    assert_eq!(of(&with_provider("client_auth: post")), "client_secret_post");
    let key = "client_key: { file: /run/secrets/client.pem }";
    let secret = "client_secret: { file: /run/secrets/client_secret }";
    assert_eq!(of(&SHORT.replace(secret, key)), "private_key_jwt");
    assert_eq!(of(&SHORT.replace(secret, "title: A public client")), "none");
}

#[test]
fn openid_is_always_asked_for() {
    let scopes = |line: &str| sign_in(&with_provider(line)).parties.remove(0).relying_party.scopes;
    assert_eq!(scopes("scopes: [groups]"), ["openid", "groups"]);
    assert_eq!(scopes("scopes: [email, openid]"), ["email", "openid"]);
}

#[test]
fn discovery_is_done_without_where_nothing_of_it_is_missing() {
    let source = |lines: &str| {
        sign_in(&with_provider(lines)).parties.remove(0).relying_party.metadata.source
    };
    let endpoints = "endpoints: { authorization: https://l.example/a, token: https://l.example/t }";
    assert_eq!(source(endpoints), MetadataSource::Discovery);
    let keys = format!("{endpoints}\n  jwks_uri: https://l.example/k");
    assert_eq!(source(&keys), MetadataSource::Configured);
}

/// The short file with routes for these hosts, and `host` for signing in.
fn with_host(host: &str, hosts: &str, cookie: &str) -> String {
    format!(
        "{SHORT}  cookie: {{ {cookie} }}\nsign_in: {{ host: \"{host}\" }}\nroutes:\n  - match: {{ hosts: [{hosts}] }}\n"
    )
}

#[test]
fn one_host_signs_in_for_those_that_routes_name() {
    let hosts = "app.example.com, \"*.apps.example.com\", \"*.com\", app.other.example";
    let text = with_host("https://Auth.example.com/", hosts, "domain: example.com");
    assert_eq!(warnings(&text), [""; 0]);
    let ServiceSettings { policy, sign_in, .. } = service(&text);
    let sessions = policy.sessions.unwrap();
    let home = sessions.home.as_ref().unwrap();
    assert_eq!(
        (home.origin.as_str(), home.host.as_str()),
        ("https://auth.example.com", "auth.example.com")
    );
    assert_eq!(sessions.cookie(Scheme::Https, "app.example.com").name(), "__Secure-sidegate");
    assert_eq!(sessions.cookie(Scheme::Https, "app.other.example").name(), "__Host-sidegate");
    assert!(sessions.shares("app.example.com") && !sessions.shares("app.other.example"));
    let allowed = sign_in.unwrap().return_hosts;
    for (host, is_allowed) in [
        ("app.example.com", true),
        ("a.apps.example.com", true),
        ("app.other.example", true),
        ("stranger.com", false),
        ("apps.example.com", false),
    ] {
        assert_eq!(allowed.has(host), is_allowed, "{host}");
    }
    let apart = service(&with_host("https://auth.example.com", "app.example.com", ""));
    let sessions = apart.policy.sessions.unwrap();
    assert!(!sessions.shares("app.example.com") && sessions.home_of("auth.example.com").is_none());
}

#[test]
fn without_a_host_of_its_own_a_sign_in_returns_to_no_other_host() {
    let text = format!("{SHORT}routes:\n  - match: {{ hosts: [app.example.com] }}\n");
    let ServiceSettings { policy, sign_in, .. } = service(&text);
    assert!(policy.sessions.unwrap().home.is_none());
    assert!(!sign_in.unwrap().return_hosts.has("app.example.com"));
}

#[test]
fn a_strict_cookie_is_not_shown_to_the_host_of_sign_ins() {
    let text = with_host("https://auth.example.com", "app.example.com", "same_site: strict");
    assert!(warnings(&text)[0].starts_with("session.cookie.same_site: browsers do not show"));
    let shared = "same_site: strict, domain: example.com";
    assert_eq!(
        warnings(&with_host("https://auth.example.com", "app.example.com", shared)),
        [""; 0]
    );
}

#[test]
fn a_redirect_uri_leads_to_the_callback_of_the_provider() {
    let uri = "redirect_uri: https://app.example.com/.auth/callback/default";
    let party = sign_in(&with_provider(uri)).parties.remove(0);
    assert_eq!(
        party.redirect_uri.as_deref(),
        Some("https://app.example.com/.auth/callback/default")
    );
}

#[test]
fn sessions_keep_what_routes_and_headers_ask_for_and_no_more() {
    let keep = |addition: &str| sign_in(&format!("{SHORT}{addition}")).keep;
    let always = ["sub", "name", "email", "preferred_username"].map(name).to_vec();
    let nothing = keep("identity: { headers: none }\n");
    assert_eq!((nothing.paths, nothing.values), (always.clone(), vec![]));
    let some = keep(
        "identity: { headers: none, claims: { X-Tenant: tenant } }\nroutes:\n  - match: { paths: /a }\n    \
         require: { groups_any: admins, claims: { plan: gold } }\n  - require: { groups_all: staff, roles_any: editor }\n",
    );
    let values = |of: &[&str]| of.iter().map(|text| (*text).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(
        some.values,
        [(name("groups"), values(&["admins", "staff"])), (name("roles"), values(&["editor"]))]
    );
    assert_eq!(some.paths[4..], [name("tenant"), name("plan")]);
    let all = keep("routes: [{ require: { groups_any: admins } }]\n");
    assert!(all.paths.contains(&name("groups")), "{all:?}");
    let public = keep("routes: [{ access: public }]\n");
    assert_eq!((public.paths, public.values), (always, vec![]));
}

#[test]
fn a_store_is_told_who_we_are() {
    let text = SHORT.replace(
        "session:\n",
        "session:\n  store:\n    redis:\n      url: rediss://store.example.com/2\n      username: us\n      \
         password: { file: /run/secrets/redis_password }\n      prefix: 'a:'\n      timeout: 1s\n",
    );
    let StoreSettings::Redis(redis) = sign_in(&text).store else { panic!("no Redis") };
    let Topology::Single { address, database } = redis.topology else { panic!("no server") };
    assert_eq!(address, RedisAddress::Tls("store.example.com".into(), 6379));
    assert_eq!((database, redis.username.as_deref(), redis.prefix.as_str()), (2, Some("us"), "a:"));
    assert_eq!(redis.password.unwrap().expose(), "hunter2");
    assert_eq!(redis.deadline, Duration::from_secs(1));
    let memory = SHORT.replace("session:\n", "session:\n  store: memory\n");
    let settings = service(&memory);
    assert!(
        matches!(settings.sign_in.unwrap().store, StoreSettings::Memory(bytes) if bytes == 256 << 20)
    );
    assert_eq!(settings.policy.sessions.unwrap().kept, SessionsKept::InStore);
}

#[test]
fn a_store_may_be_many_servers() {
    let with =
        |lines: &str| sign_in(&SHORT.replace("session:\n", &format!("session:\n{lines}"))).store;
    let cluster = "  store: { redis: { cluster: ['rediss://a', 'rediss://b:7000'], required_for_readiness: true } }\n";
    let StoreSettings::Redis(redis) = with(cluster) else { panic!("no Redis") };
    let Topology::Cluster(nodes) = redis.topology else { panic!("no Cluster") };
    let tls = |host: &str, port| RedisAddress::Tls(host.into(), port);
    assert_eq!((nodes, redis.readiness), (vec![tls("a", 6379), tls("b", 7000)], Readiness::Needed));
    let sentinel = "  coordination: { redis: { sentinel: { primary: main, addresses: 'redis://a:26379', database: 3 } } }\n";
    let StoreSettings::Coordinated(redis) = with(sentinel) else { panic!("no coordination") };
    let Topology::Sentinel(sentinels) = redis.topology else { panic!("no Sentinel") };
    assert_eq!((sentinels.primary.as_str(), sentinels.database), ("main", 3));
    assert_eq!(sentinels.addresses, [RedisAddress::Tcp("a".into(), 26379)]);
}

#[test]
fn a_session_for_a_domain_has_another_prefix() {
    let text =
        SHORT.replace("session:\n", "session:\n  cookie: { name: app, domain: example.co.uk }\n");
    let sessions = service(&text).policy.sessions.unwrap();
    assert_eq!(sessions.cookie(Scheme::Https, "app.example.com").name(), "__Secure-app");
}

#[test]
fn a_route_says_how_people_sign_in_there() {
    let text = format!(
        "{SHORT}routes:\n  - sign_in: {{ prompt: login, max_age: 5m, acr_values: [gold] }}\n  - match: {{ paths: /open }}\n    \
         access: optional\n    sign_in: {{ silent: probe, probe_interval: 5m }}\n"
    );
    let routes = service(&text).policy.routes;
    let rule = &routes[0].sign_in;
    assert_eq!((rule.prompt, rule.max_age), (Some(Prompt::Login), Some(Duration::from_secs(300))));
    assert_eq!(
        (rule.silent, rule.acr_values.as_slice()),
        (Silent::Never, &["gold".to_owned()][..])
    );
    assert_eq!(routes[1].sign_in.silent, Silent::Probe { interval: Duration::from_secs(300) });
}

#[test]
fn the_provider_is_asked_about_tokens_only_where_that_is_said() {
    let settings = service(&with_provider("introspection: { cache: 1m }"));
    assert_eq!(settings.policy.providers[0].introspection, Introspection::Opaque);
    assert_eq!(settings.introspections[0].introspection.remember, Duration::from_secs(60));
    let text = with_provider("type: introspection\n  audience: web");
    let settings = service(&text);
    assert_eq!(settings.policy.providers[0].introspection, Introspection::Always);
    assert!(settings.sign_in.is_none());
    assert!(service(SHORT).introspections.is_empty());
}

#[test]
fn nonces_of_proofs_need_no_session() {
    let text = "listen: 127.0.0.1:1\nupstream: http://127.0.0.1:2\nprovider: { issuer: https://l.example, audience: a, dpop: require, dpop_nonce: true }\n";
    let policy = service(text).policy;
    assert_eq!(policy.providers[0].dpop, Dpop::Require(NonceRule::Demanded));
    assert!(policy.nonces.is_some());
}

#[test]
fn sessions_over_plain_http_are_a_warning_where_strangers_can_listen() {
    let open = SHORT.replace("127.0.0.1:8080", "0.0.0.0:8080");
    assert!(
        warnings(&open)[0]
            .starts_with("session: whoever listens between browsers and 0.0.0.0:8080")
    );
    assert_eq!(warnings(&format!("{open}trusted_proxies: [10.0.0.0/8]\n")), [""; 0]);
}

#[test]
fn methods_that_fall_to_an_open_route_are_a_warning() {
    let routes = |more: &str| {
        format!(
            "{SHORT}routes:\n  - match: {{ paths: /admin/*, methods: [GET, POST] }}\n  - match: {{ paths: /* }}\n    access: public\n{more}"
        )
    };
    assert_eq!(
        warnings(&routes("")),
        [
            "routes[0].match.methods: PUT and other methods of /admin/* go to the route `/*`, which is public"
        ]
    );
    let meant = routes("  - match: { paths: /admin/* }\n    access: public\n");
    assert_eq!(warnings(&meant), [""; 0]);
}

#[test]
fn in_place_of_oauth2_proxy_its_callback_prefix_and_headers_are_the_usual_ones() {
    let text = format!("{SHORT}compatible_with: oauth2-proxy\n");
    let ServiceSettings { policy, sign_in, .. } = service(&text);
    assert!(policy.compatible.oauth2_proxy && !policy.compatible.authelia);
    assert_eq!(policy.prefix, "/oauth2");
    assert!(policy.identity_headers.iter().any(|name| name == "x-auth-request-user"));
    let settings = sign_in.unwrap();
    assert!(settings.parties[0].has_sole_callback);
    let own = text.replace(
        "client_id: web",
        "client_id: web\n  redirect_uri: https://app.example.com/oauth2/callback/default",
    );
    assert!(!self::sign_in(&own).parties[0].has_sole_callback);
    let two = text.replace("provider:\n  issuer", "providers:\n- name: other\n  issuer: https://other.example.com\n  client_id: x\n- name: main\n  issuer");
    assert!(self::sign_in(&two).parties.iter().all(|party| !party.has_sole_callback));
    let kept = service(&format!("{text}prefix: /.auth\nidentity: {{ headers: remote }}\n")).policy;
    assert_eq!(kept.prefix, "/.auth");
    assert!(kept.identity_headers.iter().all(|name| name.as_str().starts_with("remote-")));
    let first =
        service(&format!("{SHORT}compatible_with: [authgear, authelia, oauth2-proxy]\n")).policy;
    assert!(first.identity_headers.iter().any(|name| name == "remote-user"));
    assert!(service(SHORT).policy.prefix == "/.auth" && !service(SHORT).policy.compatible.authgear);
}
