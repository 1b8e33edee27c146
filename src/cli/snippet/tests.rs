use std::path::{Path, PathBuf};

use clap::ValueEnum as _;

use super::*;
use crate::config;

/// A file of a folder in `deploy/`.
fn shipped(kind: Kind, name: &str) -> String {
    let folder = kind.to_possible_value().unwrap().get_name().to_owned();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(folder).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// The facts of a configuration, whose secrets are at hand.
fn facts(kind: Kind, configuration: &str) -> Facts {
    let configuration = configuration
        .replace("{ file: /run/secrets/client_secret }", "{ value: a secret of the client }")
        .replace(
            "{ file: /run/secrets/session_key }",
            "{ value: q0Zr1m7x5vPjWn8yTt2kLd4uHc6eXb9aGfOs3iUzR1w }",
        );
    let loaded = config::load_text("test", &configuration, &PathBuf::from("/"), |_| None);
    Facts::new(&loaded.unwrap_or_else(|problems| panic!("{problems}")).settings, kind)
}

/// All files of `kind` for a configuration that ends in `rest`, in one text.
fn printed(kind: Kind, rest: &str) -> (String, Vec<String>) {
    let start = "provider: { name: main, issuer: https://login.example.com, client_id: web }\n";
    let facts = facts(kind, &format!("{start}{rest}"));
    let files: Vec<&kind::File> = kind.files().iter().collect();
    (render::files(&files, &facts).unwrap(), facts.warnings)
}

const TWO_APPS: &str = "
listeners: [{ address: 0.0.0.0:9100, door: forward_auth }, { address: 127.0.0.1:8080, door: proxy }]
trusted_proxies: [10.0.0.0/8]
prefix: /gate
upstreams:
  - { name: shop, servers: [http://10.0.0.7:3000, http://10.0.0.8:3000] }
  - { name: wiki, servers: http://wiki.internal:8080 }
identity: { headers: [remote], claims: { X-Department: department }, assertion: true, authorization: remove }
routes:
  - { name: shop, match: { hosts: [shop.example.com] }, upstream: shop }
  - { name: wikis, match: { hosts: ['*.wiki.example.com'] }, upstream: wiki }
";

/// Those that ask by the door `forward_auth`.
const ASKING: [Kind; 4] = [Kind::Caddy, Kind::Haproxy, Kind::Nginx, Kind::Traefik];

/// What `deploy/` ships is what the command prints for the configuration beside it. `UPDATE=1` writes it.
#[test]
fn shipped_files_are_those_of_the_configuration_beside_them() {
    for kind in Kind::value_variants() {
        let facts = facts(*kind, &shipped(*kind, "config.yaml"));
        assert_eq!(facts.warnings, Vec::<String>::new(), "{kind:?}");
        for file in kind.files() {
            let text = render::file(file, &facts).unwrap();
            if std::env::var_os("UPDATE").is_some() {
                let folder = kind.to_possible_value().unwrap().get_name().to_owned();
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(folder);
                std::fs::write(root.join(file.name), &text).unwrap();
            }
            let found = shipped(*kind, file.name);
            assert!(found == text, "{kind:?}: {} is out of date: UPDATE=1 writes it", file.name);
        }
    }
}

#[test]
fn hosts_apps_prefix_and_address_are_those_of_the_configuration() {
    for kind in ASKING {
        let (text, warnings) = printed(kind, TWO_APPS);
        assert_eq!(warnings, Vec::<String>::new(), "{kind:?}");
        let wanted = [
            "127.0.0.1:9100",
            "shop.example.com",
            "10.0.0.7:3000",
            "10.0.0.8:3000",
            "wiki.internal:8080",
            "/gate/verify",
        ];
        for wanted in wanted {
            assert!(text.contains(wanted), "{kind:?} lacks {wanted}:\n{text}");
        }
        for foreign in ["/.auth", "127.0.0.1:9000", "app.example.com"] {
            assert!(!text.contains(foreign), "{kind:?} has {foreign}:\n{text}");
        }
    }
}

#[test]
fn envoy_and_gateways_get_hosts_prefix_and_the_port_of_ext_authz() {
    let rest = TWO_APPS.replace("forward_auth", "ext_authz");
    for kind in [Kind::Envoy, Kind::GatewayApi, Kind::Istio] {
        let (text, warnings) = printed(kind, &rest);
        assert_eq!(warnings, Vec::<String>::new(), "{kind:?}");
        assert!(text.contains("9100") && !text.contains("9001"), "{kind:?}:\n{text}");
        assert!(!text.contains("/.auth"), "{kind:?}:\n{text}");
    }
    let (text, _) = printed(Kind::Envoy, &rest);
    for wanted in [
        "domains: [\"shop.example.com\", \"shop.example.com:*\"]",
        "domains: [\"*.wiki.example.com\"]",
        "match: { prefix: /gate/ }",
        "address: 10.0.0.8, port_value: 3000",
        "address: wiki.internal, port_value: 8080",
        "type: STRICT_DNS",
    ] {
        assert!(text.contains(wanted), "envoy lacks {wanted}:\n{text}");
    }
    let (text, _) = printed(Kind::GatewayApi, &rest);
    assert!(text.contains("hostnames: [shop.example.com, \"*.wiki.example.com\"]"), "{text}");
}

/// The identity headers of all routes are handed on, and those of other contracts removed.
#[test]
fn identity_headers_are_those_of_the_configuration() {
    for kind in [Kind::Nginx, Kind::Caddy] {
        let (text, _) = printed(kind, TWO_APPS);
        for name in ["Remote-User", "X-Department", "X-Sidegate-Assertion"] {
            let handed = match kind {
                Kind::Nginx => format!("proxy_set_header {name} $sidegate_"),
                _ => format!("{name} {{http.reverse_proxy.header.{name}}}"),
            };
            assert!(text.contains(&handed), "{kind:?} lacks {handed}:\n{text}");
        }
        let removed = match kind {
            Kind::Nginx => "proxy_set_header X-Forwarded-User \"\";",
            _ => "request_header -X-Forwarded-User\n",
        };
        assert!(text.contains(removed), "{kind:?} lacks {removed}:\n{text}");
    }
}

/// Traefik would send an empty `Authorization` to every app: it takes Sidegate's only where a route changes it.
#[test]
fn traefik_takes_the_authorization_only_where_a_route_removes_it() {
    let (text, _) = printed(Kind::Traefik, TWO_APPS);
    assert!(text.contains("|Authorization|"), "{text}");
    let (text, _) =
        printed(Kind::Traefik, &TWO_APPS.replace("authorization: remove", "authorization: keep"));
    assert!(!text.contains("|Authorization|"), "{text}");
}

#[test]
fn a_configuration_that_answers_no_questions_is_warned_about() {
    let inline = "listen: 127.0.0.1:8080\nupstream: http://127.0.0.1:3000\n";
    let (text, warnings) = printed(Kind::Nginx, inline);
    let warned = warnings.join("\n");
    assert!(
        warned.contains("`door: forward_auth`") && warned.contains("`trusted_proxies` is empty"),
        "{warned}"
    );
    assert!(
        text.contains("server 127.0.0.1:9000;") && text.contains("server 127.0.0.1:3000;"),
        "{text}"
    );
    assert!(text.contains("listen 80 default_server;\n        server_name _;"), "{text}");
}

#[test]
fn unix_sockets_are_named_as_each_proxy_has_it_or_refused() {
    let rest = "listeners: [{ address: 'unix:/run/sidegate/questions.sock', door: forward_auth }]\nupstream: unix:/run/app.sock\n";
    let (text, warnings) = printed(Kind::Nginx, rest);
    assert_eq!(warnings, Vec::<String>::new());
    assert!(
        text.contains("server unix:/run/sidegate/questions.sock;")
            && text.contains("server unix:/run/app.sock;"),
        "{text}"
    );
    let (text, warnings) = printed(Kind::Caddy, rest);
    assert_eq!(warnings, Vec::<String>::new());
    assert!(text.contains("reverse_proxy unix//run/sidegate/questions.sock {"), "{text}");
    for kind in [Kind::Traefik, Kind::Haproxy] {
        let (_, warnings) = printed(kind, rest);
        assert!(warnings.join("\n").contains("asks over TCP only"), "{kind:?}: {warnings:?}");
    }
}
