//! What strangers and clients say about a request changes nothing, whoever passes it on: the advisories on forwarded headers and
//! identity headers, through the door `forward_auth`.

use serde_json::json;

use crate::support::doors::{Doors, Front, id};
use crate::support::raw::{get, request};

const ROUTES: &str = "
routes:
  - { name: public, match: { paths: /public/* }, access: public }
  - { name: method, match: { paths: /method/*, methods: [GET] }, access: public }
  - { name: ws, match: { paths: /ws/* }, upgrades: [websocket] }
  - { name: rest, match: { paths: /* } }
";

/// CVE-2026-40575, CVE-2026-33495: only trusted proxies are heard, whatever they say.
#[tokio::test]
async fn a_stranger_is_not_heard() {
    let doors = Doors::open(ROUTES).await;
    let token = doors.issuer.token("ada");
    for front in Front::ALL {
        for (asked, status) in [
            (get("/public/x"), 401),
            (get("/public/x").bearer(&token), 403),
            (get("/x").cookie(&token), 403),
        ] {
            let answer = doors.ask_as_stranger(&front.question(&asked)).await;
            assert_eq!(answer.status, status, "{front:?}: {asked:?}: {answer:?}");
            let line = doors.line(&id(&answer)).await;
            assert_eq!(line["reason"], "untrusted_peer");
            assert_eq!(line["client"], "127.0.0.2");
        }
        assert_eq!(doors.ask(front, &get("/public/x")).await.status, 200);
    }
}

#[tokio::test]
async fn a_stranger_finds_no_way_to_be_taken_for_a_proxy() {
    let doors = Doors::open(ROUTES).await;
    for name in ["X-Forwarded-For", "Forwarded", "X-Real-Ip", "True-Client-Ip"] {
        for value in ["127.0.0.1", "for=127.0.0.1", "127.0.0.1, 127.0.0.2", "garbage"] {
            let question = Front::Traefik.question(&get("/public/x").header(name, value));
            let answer = doors.ask_as_stranger(&question).await;
            assert_eq!(answer.status, 401, "{name}: {value}");
        }
    }
}

/// CVE-2026-34457: no client is a health check by its name.
#[tokio::test]
async fn a_user_agent_opens_nothing() {
    let doors = Doors::open(ROUTES).await;
    for agent in ["GoogleHC/1.0", "kube-probe/1.30", "ELB-HealthChecker/2.0"] {
        let asked = get("/x").header("User-Agent", agent);
        for front in Front::ALL {
            assert_eq!(doors.ask(front, &asked).await.status, 401, "{front:?}");
        }
        assert_eq!(
            doors.ask_as_stranger(&get("/.auth/verify").header("User-Agent", agent)).await.status,
            401
        );
        assert_eq!(
            get("/.auth/verify").header("User-Agent", agent).send(doors.asked).await.status,
            400
        );
    }
}

/// Fields by which a client may try to have another request judged. nginx passes on what its configuration does not replace.
const OTHER_REQUESTS: [&str; 8] = [
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Original-URL",
    "X-Original-URI",
    "X-Original-Method",
    "X-Envoy-Original-Path",
    "X-Rewrite-Url",
    "X-Forwarded-Proto",
];

/// CVE-2026-40575, CVE-2023-27487, CVE-2024-45806: a second statement is a refusal, not a choice.
#[tokio::test]
async fn a_request_that_is_told_in_two_ways_is_refused() {
    let doors = Doors::open(ROUTES).await;
    for front in Front::ALL {
        for name in OTHER_REQUESTS {
            let value = if name.ends_with("Method") { "GET" } else { "https://app.test/public/x" };
            let answer = doors.ask(front, &get("/x").header(name, value)).await;
            let line = doors.line(&id(&answer)).await;
            let unread = front.is_nginx() || front == Front::PlainByUrl;
            if name == "X-Forwarded-Proto" && unread {
                assert_eq!((answer.status, &line["reason"]), (401, &json!("missing_credential")));
                continue;
            }
            let refused = if front.is_nginx() { 403 } else { 400 };
            assert_eq!(
                (answer.status, &line["reason"]),
                (refused, &json!("forwarded_mixed")),
                "{front:?} {name}"
            );
            let twice = doors.ask(front, &get("/x").header(name, value).header(name, value)).await;
            assert_eq!(twice.status, refused, "{front:?} {name}");
        }
    }
}

/// CVE-2026-35051, CVE-2026-54764, CVE-2026-39858, CVE-2022-38580: neither names that nobody reads nor other spellings count.
#[tokio::test]
async fn other_names_and_spellings_change_nothing() {
    let doors = Doors::open(ROUTES).await;
    let names = [
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Server",
        "X-Forwarded-Ssl",
        "X-Forwarded-Scheme",
        "X-Original-Host",
        "X-Skipper-Proxy",
        "X-Envoy-Internal",
        "X-Auth-Request-Redirect",
    ];
    let spelled =
        OTHER_REQUESTS.iter().flat_map(|name| ["_", "."].map(|sign| name.replace('-', sign)));
    let all: Vec<String> = names.iter().map(|name| (*name).to_owned()).chain(spelled).collect();
    for front in Front::ALL {
        let plain = doors.ask(front, &get("/a").navigation()).await;
        for name in &all {
            for value in ["/public/x", "GET", "evil.test", "https"] {
                let told = doors.ask(front, &get("/a").navigation().header(name, value)).await;
                let found = (told.status, told.header("location"));
                assert_eq!(found, (plain.status, plain.header("location")), "{front:?} {name}");
            }
            let posted = request("POST", "/method/1").header(name, "GET");
            assert_eq!(doors.ask(front, &posted).await.status, 401, "{front:?} {name}");
        }
    }
}

/// CVE-2025-64484, CVE-2026-54763, CVE-2026-88011, CVE-2026-33433: the proxy replaces the plain name alone, and the app may read
/// the other one.
#[tokio::test]
async fn an_identity_header_in_disguise_is_refused() {
    let doors = Doors::open(ROUTES).await;
    let token = doors.issuer.token("ada");
    for front in Front::ALL {
        let refused = if front.is_nginx() { 403 } else { 400 };
        for name in
            ["x_forwarded_user", "X-Forwarded_User", "X.Forwarded.Email", "X~Forwarded!Groups"]
        {
            for asked in [get("/public/x"), get("/x").bearer(&token)] {
                let answer = doors.ask(front, &asked.header(name, "forged")).await;
                assert_eq!(answer.status, refused, "{front:?} {name}");
                let line = doors.line(&id(&answer)).await;
                assert_eq!(line["reason"], "reserved_field");
            }
        }
        for name in ["x_forwarded_users", "xforwardeduser", "x_department"] {
            let answer = doors.ask(front, &get("/public/x").header(name, "theirs")).await;
            assert_eq!(answer.status, 200, "{front:?} {name}");
        }
    }
}

/// Where routes name methods, the app must not be told another one than was judged.
#[tokio::test]
async fn a_method_in_disguise_is_refused_where_methods_count() {
    let names = ["X-HTTP-Method-Override", "X_HTTP_Method", "X-Method-Override"];
    let doors = Doors::open(ROUTES).await;
    for front in Front::ALL {
        let refused = if front.is_nginx() { 403 } else { 400 };
        for name in names {
            let answer = doors.ask(front, &get("/method/1").header(name, "DELETE")).await;
            assert_eq!(answer.status, refused, "{front:?} {name}");
        }
    }
    let doors = Doors::open(&ROUTES.replace(", methods: [GET]", "")).await;
    let answer = doors.ask(Front::Caddy, &get("/method/1").header(names[0], "DELETE")).await;
    assert_eq!(answer.status, 200);
}

/// CVE-2023-27493: claims end no line.
#[tokio::test]
async fn claims_with_control_bytes_stay_in_their_header() {
    let doors = Doors::open(ROUTES).await;
    for text in ["a\r\nX-Admin: 1", "a\nX-Admin: 1", "nul\0byte", "caf\u{e9} \u{2028}", "ad,min"] {
        let token = doors.issuer.token_with("ada", |claims| {
            claims["sub"] = format!("u{text}").into();
            claims["groups"] = json!([text, "staff"]);
        });
        for front in Front::ALL {
            let answer = doors.ask(front, &get("/x").bearer(&token)).await;
            assert!(matches!(answer.status, 200 | 401 | 403), "{front:?} {text:?}: {answer:?}");
            assert_eq!(answer.header("x-admin"), None, "{front:?} {text:?}");
            assert!(answer.head.bytes().all(|b| matches!(b, b'\r' | b'\n' | b' '..=b'~')));
        }
    }
}

/// CVE-2020-25017, CVE-2026-26308: two credentials, or two lines of one.
#[tokio::test]
async fn several_credentials_are_none() {
    let doors = Doors::open(ROUTES).await;
    let (ada, bob) = (doors.issuer.token("ada"), doors.issuer.token("bob"));
    for front in Front::ALL {
        let refused = if front.is_nginx() { 403 } else { 400 };
        let twice = get("/x").bearer(&ada).bearer(&bob);
        assert_eq!(doors.ask(front, &twice).await.status, refused, "{front:?}");
        let cookies = get("/x").cookie(&ada).cookie(&bob);
        assert_eq!(doors.ask(front, &cookies).await.status, refused, "{front:?}");
    }
}

/// CVE-2023-36456, CVE-2024-47070: garbage about the client skips no check.
#[tokio::test]
async fn garbage_about_the_client_skips_no_check() {
    let doors = Doors::open(ROUTES).await;
    for front in Front::ALL {
        for value in
            ["garbage", "", ",,,", "::ffff:10.0.0.1", "fe80::1%eth0", "127.0.0.1, 10.0.0.1"]
        {
            let asked = get("/x").header("X-Forwarded-For", value);
            assert_eq!(doors.ask(front, &asked).await.status, 401, "{front:?} {value}");
        }
    }
}

/// The spellings of a path in which servers disagree are judged as inline: under one route, or not at all.
#[tokio::test]
async fn no_spelling_of_a_path_slips_through() {
    let doors = Doors::open(ROUTES).await;
    for target in [
        "/public/../x",
        "/public/%2e%2e/x",
        "/public/..%2fx",
        "/public%2f..%2fx",
        "/public/..;/x",
        "//x",
        "/public\\..\\x",
        "/x?/public/",
    ] {
        for front in Front::ALL {
            let answer = doors.ask(front, &get(target)).await;
            assert!(matches!(answer.status, 400 | 401 | 403), "{front:?} {target}: {answer:?}");
        }
    }
}

/// CSWSH: the proxy opens the WebSocket, and keeps `Upgrade` to itself.
#[tokio::test]
async fn handshakes_are_judged_by_their_key() {
    let doors = Doors::open(ROUTES).await;
    let token = doors.issuer.token("ada");
    for front in Front::ALL {
        let ask = async |path: &str, origin: Option<&str>| {
            let asked = get(path).cookie(&token).websocket();
            let asked = match origin {
                Some(origin) => asked.header("Origin", origin),
                None => asked,
            };
            doors.ask(front, &asked).await.status
        };
        assert_eq!(ask("/ws/x", Some("https://app.test")).await, 200, "{front:?}");
        assert_eq!(ask("/ws/x", Some("https://evil.test")).await, 403, "{front:?}");
        assert_eq!(ask("/ws/x", Some("http://app.test")).await, 403, "{front:?}");
        assert_eq!(ask("/ws/x", None).await, 200, "{front:?}");
        assert_eq!(ask("/x", Some("https://app.test")).await, 403, "{front:?}");
        assert_eq!(doors.ask(front, &get("/ws/x").websocket()).await.status, 401, "{front:?}");
    }
}
