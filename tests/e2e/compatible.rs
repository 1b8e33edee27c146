//! In place of oauth2-proxy, Authelia and Authgear's resolver: their addresses, answers and names, and what clients can slip past
//! configurations that were written for them.

use std::net::{IpAddr, Ipv4Addr};

use crate::support::doors::Doors;
use crate::support::raw::{Answer, Connection, Request, get, request};

/// Sole routes, and hosts with several.
const ROUTES: &str = "
compatible_with: [oauth2-proxy, authelia, authgear]
routes:
  - { name: app, match: { hosts: [app.test, twin.test] } }
  - { name: open, match: { hosts: mixed.test, paths: /public/* }, access: public }
  - { name: preflight, match: { hosts: mixed.test, paths: /cors/* }, preflight: forward }
  - { name: mixed, match: { hosts: mixed.test } }
  - { name: reading, match: { hosts: methods.test, methods: GET }, access: public }
  - { name: writing, match: { hosts: methods.test } }
  - { name: welcome, match: { hosts: welcome.test }, access: public }
";

const NAMES: [&str; 4] = [
    "x-auth-request-user",
    "x-auth-request-email",
    "x-auth-request-groups",
    "x-auth-request-preferred-username",
];

const AUTHGEAR: [&str; 9] = [
    "session-valid",
    "user-id",
    "user-anonymous",
    "user-verified",
    "session-acr",
    "session-amr",
    "session-authenticated-at",
    "user-can-reauthenticate",
    "user-roles",
];

/// The question of the usual nginx configuration, about `target`.
fn auth(target: &str) -> Request {
    get("/oauth2/auth").header("X-Forwarded-Uri", target)
}

async fn status(doors: &Doors, question: &Request) -> u16 {
    let answers = [question.send(doors.asked).await, question.send(doors.inline).await];
    assert_eq!(answers[0].status, answers[1].status, "{question:?}");
    answers[0].status
}

/// Whether anybody is told.
fn is_named(answer: &Answer) -> bool {
    NAMES.iter().any(|name| answer.header(name).is_some())
}

#[tokio::test]
async fn oauth2_proxys_question_is_answered_with_202_401_or_403() {
    let doors = Doors::open(ROUTES).await;
    let token = doors.issuer.token("ada");
    let answer = auth("/x").bearer(&token).header("Cookie", "a=1").send(doors.asked).await;
    assert_eq!((answer.status, answer.body.as_str()), (202, ""), "{answer:?}");
    let (ada, mail) = (Some("ada"), Some("ada@example.test"));
    assert_eq!(NAMES.map(|name| answer.header(name)), [ada, mail, Some("staff"), ada]);
    // Browsers can ask there too: their scripts must not read what is kept from them.
    assert_eq!((answer.header("cookie"), answer.header("authorization")), (None, None));
    let answer = auth("/x").send(doors.asked).await;
    assert!(answer.status == 401 && !is_named(&answer), "{answer:?}");
    for (query, expected) in [
        ("?allowed_groups=admin,staff", 202),
        ("?allowed_groups=admin", 403),
        ("?allowed_emails=ada%40example.test", 202),
        ("?allowed_email_domains=example.org", 403),
        ("?allowed_gruops=staff", 403),
    ] {
        let question = get(&format!("/oauth2/auth{query}"));
        let question = question.header("X-Forwarded-Uri", "/x").bearer(&token);
        assert_eq!(status(&doors, &question).await, expected, "{query}");
    }
    let nobody = doors.issuer.token_with("bob", |claims| {
        claims.as_object_mut().unwrap().remove("email");
    });
    let answer = auth("/x").bearer(&nobody).send(doors.asked).await;
    assert_eq!((answer.status, answer.header("x-auth-request-email")), (202, Some("")));
}

#[tokio::test]
async fn the_target_is_told_in_one_of_three_ways_or_does_not_matter() {
    let doors = Doors::open(ROUTES).await;
    let mixed = || get("/oauth2/auth").host("mixed.test");
    for (target, expected) in [("/public/x", 202), ("/x", 401), ("/public/../x", 403)] {
        for name in ["X-Forwarded-Uri", "X-Original-URI", "X-Original-URL"] {
            assert_eq!(
                status(&doors, &mixed().header(name, target)).await,
                expected,
                "{name}: {target}"
            );
        }
        let url = format!("https://mixed.test{target}");
        let question = get("/oauth2/auth").host("auth.test").header("X-Original-URL", &url);
        assert_eq!(status(&doors, &question).await, expected, "{url}");
    }
    assert_eq!(status(&doors, &mixed()).await, 403, "nobody says which of the routes");
    let token = doors.issuer.token("ada");
    assert_eq!(
        status(&doors, &get("/oauth2/auth").bearer(&token)).await,
        202,
        "there is one route"
    );
    assert_eq!(status(&doors, &get("/oauth2/auth")).await, 401);
    assert_eq!(status(&doors, &get("/oauth2/auth?route=mixed").host("mixed.test")).await, 403);
    let both = mixed().header("X-Forwarded-Uri", "/public/x").header("X-Original-URI", "/x");
    assert_eq!(status(&doors, &both).await, 403);
    let twice = mixed().header("X-Forwarded-Uri", "/public/x").header("X-Forwarded-Uri", "/x");
    assert_eq!(status(&doors, &twice).await, 403);
}

/// CVE-2026-40575 and its kin: the configuration sets `Host` and one field for the target, and passes on all else that a client sends.
#[tokio::test]
async fn fields_that_the_configuration_leaves_to_clients_open_nothing() {
    let doors = Doors::open(ROUTES).await;
    let mixed = || auth("/x").host("mixed.test");
    for (name, value) in [
        ("X-Forwarded-Host", "welcome.test"),
        ("X-Original-URL", "https://welcome.test/"),
        ("X-Original-URI", "/public/x"),
        ("X-Envoy-Original-Path", "/public/x"),
        ("X-Rewrite-Url", "/public/x"),
    ] {
        assert_eq!(status(&doors, &mixed().header(name, value)).await, 403, "{name}");
    }
    for (name, value) in [("X-Forwarded-Host", "mixed.test"), ("X-Forwarded-Proto", "http")] {
        assert_eq!(status(&doors, &mixed().header(name, value)).await, 401, "{name}");
    }
    let preflight = auth("/cors/x").host("mixed.test").header("X-Forwarded-Method", "OPTIONS");
    let preflight = preflight.header("Origin", "https://a.test");
    let preflight = preflight.header("Access-Control-Request-Method", "GET");
    assert_eq!(status(&doors, &preflight).await, 401);
    // Nobody but the client says that this is a GET.
    let reading = auth("/x").host("methods.test").header("X-Forwarded-Method", "GET");
    assert_eq!(status(&doors, &reading).await, 403);
    assert_eq!(
        status(&doors, &request("POST", "/oauth2/auth").header("X-Forwarded-Uri", "/x")).await,
        401
    );
}

/// As Traefik asks: at the address of the server, with the host of the request beside it.
#[tokio::test]
async fn another_host_counts_where_it_can_change_nothing() {
    let doors = Doors::open(ROUTES).await;
    let asked = |host: &str| auth("/x").host("oauth2-proxy:4180").header("X-Forwarded-Host", host);
    assert_eq!(status(&doors, &asked("app.test")).await, 401);
    assert_eq!(status(&doors, &asked("welcome.test")).await, 202);
    assert_eq!(status(&doors, &asked("stranger.test")).await, 403);
    let twin = auth("/x").host("twin.test").header("X-Forwarded-Host", "app.test");
    assert_eq!(status(&doors, &twin.bearer(&doors.issuer.token("ada"))).await, 202);
}

/// CVE-2026-34457: an answer for whoever calls itself a health check was taken for an answer about the request.
#[tokio::test]
async fn who_watches_is_known_by_the_address_alone() {
    let doors = Doors::open(ROUTES).await;
    for agent in ["GoogleHC/1.0", "kube-probe/1.30", "ELB-HealthChecker/2.0"] {
        assert_eq!(
            status(&doors, &auth("/ping").header("User-Agent", agent)).await,
            401,
            "{agent}"
        );
        assert_eq!(
            status(&doors, &auth("/ready").header("User-Agent", agent)).await,
            401,
            "{agent}"
        );
    }
    for address in [doors.inline, doors.asked] {
        for path in ["/ping", "/ready", "/ping?x"] {
            let answer = get(path).host("stranger.test").send(address).await;
            assert_eq!((answer.status, answer.body.as_str()), (200, "OK"), "{path}");
        }
        for path in ["/ping/", "/pinger", "/ready/x", "/oauth2/ping"] {
            let answer = get(path).send(address).await;
            assert!(matches!(answer.status, 401 | 404), "{path}: {answer:?}");
        }
        assert_eq!(request("POST", "/ping").send(address).await.status, 404);
    }
    assert_eq!(doors.upstream.requests().len(), 0);
}

#[tokio::test]
async fn only_trusted_proxies_may_ask() {
    let doors = Doors::open(ROUTES).await;
    let stranger = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let token = doors.issuer.token("ada");
    for path in [
        "/oauth2/auth",
        "/api/authz/forward-auth",
        "/api/authz/auth-request",
        "/api/authz/ext-authz//x",
        "/_resolver/resolve",
    ] {
        for (question, expected) in [(get(path), 401), (get(path).bearer(&token), 403)] {
            let mut connection = Connection::open_from(stranger, doors.asked).await;
            connection.send(&question.header("X-Forwarded-Uri", "/x").bytes()).await;
            let answer = connection.answer().await.unwrap();
            assert_eq!(answer.status, expected, "{path}: {answer:?}");
            assert!(!answer.head.to_ascii_lowercase().contains("x-authgear"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn authelias_addresses_answer_in_its_words() {
    let routes = ROUTES.replace("[oauth2-proxy, authelia, authgear]", "authelia");
    let doors = Doors::open(&routes).await;
    let token = doors.issuer.token("ada");
    let traefik = |target: &str| {
        get("/api/authz/forward-auth")
            .host("authelia:9091")
            .header("X-Forwarded-Method", "GET")
            .header("X-Forwarded-Proto", "https")
            .header("X-Forwarded-Host", "app.test")
            .header("X-Forwarded-Uri", target)
    };
    let nginx = get("/api/authz/auth-request")
        .host("authelia:9091")
        .header("X-Original-Method", "GET")
        .header("X-Original-URL", "https://app.test/x");
    let envoy = get("/api/authz/ext-authz//x").header("X-Forwarded-Proto", "https");
    for question in [traefik("/x"), nginx.clone(), envoy.clone()] {
        let answer = question.clone().bearer(&token).send(doors.asked).await;
        let told = ["remote-user", "remote-email", "remote-groups", "remote-name"];
        let told = told.map(|name| answer.header(name));
        let expected = [Some("ada"), Some("ada@example.test"), Some("staff"), Some("")];
        assert_eq!((answer.status, told), (200, expected), "{question:?}: {answer:?}");
        assert_eq!(status(&doors, &question).await, 401, "{question:?}");
    }
    let login = "https://login.test/signin?rd=https%3A%2F%2Fapp%2Etest%2Fx";
    let page = traefik("/x").navigation().send(doors.asked).await;
    assert_eq!((page.status, page.header("location")), (302, Some(login)));
    let page = nginx.navigation().send(doors.asked).await;
    assert_eq!((page.status, page.header("location")), (401, Some(login)));
    let page = envoy.navigation().send(doors.asked).await;
    assert_eq!((page.status, page.header("location")), (302, Some(login)));
    // The address ends in a slash, to which the target is added.
    let cut = get("/api/authz/ext-authz/x").header("X-Forwarded-Proto", "https").bearer(&token);
    assert_eq!(status(&doors, &cut).await, 400);
    assert_eq!(status(&doors, &get("/api/authz/other").bearer(&token)).await, 404);
}

fn resolved(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let value = |name: &&str| answer.header(&format!("x-authgear-{name}"));
    AUTHGEAR
        .iter()
        .map(|name| value(name).unwrap_or_else(|| panic!("{name}: {answer:?}")))
        .collect()
}

#[tokio::test]
async fn the_resolver_always_answers_200_and_leaves_no_name_out() {
    let doors = Doors::open(ROUTES).await;
    let nobody = [""; 9];
    let invalid = ["false", "", "", "", "", "", "", "", ""];
    let token = doors.issuer.token_with("ada", |claims| {
        claims["email_verified"] = true.into();
        claims["amr"] = serde_json::json!(["pwd", "otp"]);
        claims["acr"] = "gold".into();
        claims["auth_time"] = 1_767_225_600.into();
        claims["roles"] = serde_json::json!(["stock.view"]);
    });
    let ask = || get("/_resolver/resolve");
    let ada =
        ["true", "ada", "false", "true", "gold", "pwd otp", "1767225600", "false", "stock.view"];
    assert_eq!(resolved(&ask().bearer(&token).send(doors.asked).await), ada);
    let expired = doors.issuer.token_with("ada", |claims| claims["exp"] = 1.into());
    for question in [ask().bearer(&expired), ask().bearer("x")] {
        assert_eq!(resolved(&question.send(doors.asked).await), invalid, "{question:?}");
    }
    for question in [ask(), ask().header("Cookie", "session=x")] {
        assert_eq!(resolved(&question.send(doors.asked).await), nobody, "{question:?}");
    }
    // What clients send beside does not count: neither another host nor names of the answer.
    let spoofed = ask()
        .header("X-Forwarded-Host", "welcome.test")
        .header("X-Forwarded-Uri", "/public/x")
        .header("X-Authgear-User-Id", "root")
        .header("X-Authgear-Session-Valid", "true");
    assert_eq!(resolved(&spoofed.send(doors.asked).await), nobody);
    // The configuration that Authgear documents would pass these on as they came.
    for name in ["X-Authgear-User-Roles", "x_authgear_user_id", "X-Authgear-User-Future"] {
        let answer = ask().bearer(&token).header(name, "admin").send(doors.asked).await;
        assert_eq!(answer.status, 403, "{name}: {answer:?}");
        assert!(!answer.head.to_ascii_lowercase().contains("x-authgear"), "{answer:?}");
    }
    let mixed = ask().host("mixed.test").bearer(&token).send(doors.asked).await;
    assert_eq!(mixed.status, 403, "nobody says which of the routes: {mixed:?}");
}

#[tokio::test]
async fn without_the_word_the_addresses_are_the_apps() {
    let doors = Doors::open("").await;
    let token = doors.issuer.token("ada");
    for path in [
        "/oauth2/auth",
        "/ping",
        "/ready",
        "/oauth2/userinfo",
        "/_resolver/resolve",
        "/api/authz/forward-auth",
    ] {
        assert_eq!(get(path).send(doors.inline).await.status, 401, "{path}");
        assert_eq!(get(path).bearer(&token).send(doors.inline).await.status, 200, "{path}");
        assert_eq!(get(path).bearer(&token).send(doors.asked).await.status, 404, "{path}");
    }
    assert_eq!(doors.upstream.requests().len(), 6);
}
