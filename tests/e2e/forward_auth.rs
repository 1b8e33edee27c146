//! The door `forward_auth`: questions of the proxies in front, in the dialect of each, and people who sign in through them.

use std::path::Path;

use serde_json::json;
use tokio::net::UnixStream;

use crate::support::doors::{Doors, Front, id};
use crate::support::jar::From;
use crate::support::person::Person;
use crate::support::process::Sidegate;
use crate::support::raw::{Connection, get, request};
use crate::support::signing_in::{PASSWORD, Setting, WANTED, soon};
use crate::support::wire::Wire;

const ROUTES: &str = "
identity: { claims: { X-Department: department } }
routes:
  - { name: public, match: { paths: /public/* }, access: public }
  - { name: guests, match: { paths: /guests/* }, access: optional }
  - { name: admin, match: { paths: /admin/* }, require: { groups_any: [admin] } }
  - { name: ws, match: { paths: /ws/* }, upgrades: [websocket] }
  - { name: here, match: { paths: /here/* }, identity: { authorization: remove, cookie: remove } }
  - { name: answered, match: { paths: /answered/* }, preflight: { origins: ['https://a.test'], methods: GET } }
  - { name: forwarded, match: { paths: /forwarded/* }, preflight: forward }
  - { name: rest, match: { paths: /* } }
";

const NAMES: [&str; 5] = [
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-department",
];

#[tokio::test]
async fn whoever_may_pass_is_named_in_every_header_there_is() {
    let doors = Doors::open(ROUTES).await;
    let token = doors.issuer.token("ada");
    for front in Front::ALL {
        let answer = doors.ask(front, &get("/x?y").bearer(&token).header("Cookie", "a=1")).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{front:?}: {answer:?}");
        let found = NAMES.map(|name| answer.header(name));
        let (mail, user) = (Some("ada@example.test"), Some("ada"));
        assert_eq!(found, [user, mail, Some("staff"), user, Some("")], "{front:?}");
        assert_eq!(answer.header("cookie"), Some("a=1"));
        assert_eq!(answer.header("authorization").unwrap(), format!("Bearer {token}"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let line = doors.line(&id(&answer)).await;
        let told = ["door", "listener", "method", "host", "path", "route", "outcome", "subject"];
        let told = told.map(|name| line[name].as_str().unwrap());
        assert_eq!(
            told,
            ["forward_auth", "asked", "GET", "app.test", "/x", "rest", "allow", "ada"]
        );
        assert_eq!((&line["status"], &line["client"]), (&json!(200), &json!("127.0.0.1")));
    }
}

/// CVE-2026-30851: what is not said would be left as the client wrote it.
#[tokio::test]
async fn nobody_is_named_by_empty_headers() {
    let doors = Doors::open(ROUTES).await;
    let eve = doors.issuer.token_with("eve", |claims| {
        claims.as_object_mut().unwrap().retain(|name, _| name != "email" && name != "groups");
    });
    for front in Front::ALL {
        for asked in [get("/public/x"), get("/guests/x"), get("/guests/x").cookie("garbage")] {
            let forged = NAMES.iter().fold(asked, |asked, name| asked.header(name, "forged"));
            let answer = doors.ask(front, &forged).await;
            assert_eq!(answer.status, 200, "{front:?}: {answer:?}");
            assert_eq!(NAMES.map(|name| answer.header(name)), [Some(""); 5], "{front:?}");
            assert_eq!(answer.header("authorization"), Some(""));
        }
        let forged = get("/x").bearer(&eve).header("X-Forwarded-Email", "forged");
        let answer = doors.ask(front, &forged).await;
        let found = NAMES.map(|name| answer.header(name));
        assert_eq!(found, [Some("eve"), Some(""), Some(""), Some("eve"), Some("")], "{front:?}");
    }
}

#[tokio::test]
async fn credentials_stay_here_where_the_route_says_so() {
    let doors = Doors::open(ROUTES).await;
    let token = doors.issuer.token("ada");
    for front in Front::ALL {
        let answer = doors.ask(front, &get("/here/x").bearer(&token)).await;
        assert_eq!((answer.header("authorization"), answer.header("cookie")), (Some(""), Some("")));
        // A proof is a part of the credential, and goes the same way.
        for (path, left) in [("/here/x", ""), ("/public/x", "proof")] {
            let answer = doors.ask(front, &get(path).cookie(&token).header("DPoP", "proof")).await;
            assert_eq!((answer.status, answer.header("dpop")), (200, Some(left)), "{front:?}");
        }
        let cookies = format!("a=1; sso={token}; b=2");
        let answer = doors.ask(front, &get("/here/x").header("Cookie", &cookies)).await;
        assert_eq!((answer.status, answer.header("cookie")), (200, Some("a=1; b=2")), "{front:?}");
        let answer = doors.ask(front, &get("/x").header("Cookie", &cookies)).await;
        assert_eq!(answer.header("cookie"), Some(cookies.as_str()), "{front:?}");
    }
}

#[tokio::test]
async fn each_front_is_told_in_statuses_that_it_knows() {
    let doors = Doors::open(ROUTES).await;
    let token = doors.issuer.token("ada");
    let expired = doors.issuer.token_with("ada", |claims| claims["exp"] = 1.into());
    let preflight = |path: &str| {
        request("OPTIONS", path)
            .header("Origin", "https://a.test")
            .header("Access-Control-Request-Method", "GET")
    };
    for front in Front::ALL {
        let or = |other: u16, nginx: u16| if front.is_nginx() { nginx } else { other };
        for (asked, status) in [
            (get("/x"), 401),
            (get("/x").bearer(&expired), 401),
            (get("/x").navigation(), or(302, 401)),
            (get("/admin/x").bearer(&token), 403),
            (get("/public/../x"), or(400, 403)),
            (get("/x").bearer(&token).bearer(&token), or(400, 403)),
            (get("/x").host("a, b"), or(400, 403)),
            (request("TRACE", "/x"), or(405, 403)),
            (preflight("/forwarded/x"), 200),
            (preflight("/answered/x"), 403),
            (preflight("/x"), 401),
            (get("/.auth/login"), 403),
            (get("/.auth/logout").bearer(&token), 403),
        ] {
            let answer = doors.ask(front, &asked).await;
            assert_eq!(answer.status, status, "{front:?}: {asked:?}: {answer:?}");
            assert_eq!(answer.status == 401, answer.header("www-authenticate").is_some());
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert!(answer.status == 200 || answer.header("x-forwarded-user").is_none());
        }
    }
}

#[tokio::test]
async fn what_only_sidegate_can_answer_is_refused_by_name() {
    let doors = Doors::open(ROUTES).await;
    for path in ["/.auth/login", "/.auth/verify/nginx"] {
        let answer = doors.ask(Front::Traefik, &get(path)).await;
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (403, Some("own_answer_needed"))
        );
        let line = doors.line(&id(&answer)).await;
        assert_eq!((&line["outcome"], &line["path"]), (&json!("refuse"), &json!(path)));
    }
}

#[tokio::test]
async fn people_are_led_to_the_login_page_and_back_to_where_they_were() {
    let doors = Doors::open(ROUTES).await;
    let wanted = "?rd=https%3A%2F%2Fapp%2Etest%3A8443%2Fa%3Fb%3Dc";
    for front in Front::ALL {
        let answer = doors.ask(front, &get("/a?b=c").host("app.test:8443").navigation()).await;
        let location = answer.header("location").unwrap();
        assert!(location.ends_with(wanted), "{front:?}: {location}");
        let program = doors.ask(front, &get("/a?b=c")).await;
        assert_eq!(program.header("location"), None);
        assert_eq!(program.body.is_empty(), front.is_nginx());
    }
}

#[tokio::test]
async fn terms_narrow_what_the_route_allows() {
    let doors = Doors::open(ROUTES).await;
    let (ada, now) = (doors.issuer.token("ada"), sidegate::clock::Clock::system().now().as_secs());
    let fresh = doors.issuer.token_with("ada", |claims| claims["auth_time"] = now.into());
    let fronts = Front::ALL.into_iter().filter(|front| *front != Front::Envoy);
    for front in fronts {
        let ask = async |asked, query: &str| {
            front.question_on(&asked, query).send(doors.asked).await.status
        };
        let ada = || get("/x").bearer(&ada);
        for (query, status) in [
            ("?groups=admin", 403),
            ("?groups=admin,staff", 200),
            ("?allowed_groups=staff", 200),
            ("?emails=ADA@example.test", 200),
            ("?email_domains=other.test", 403),
            ("?roles=x", 403),
            ("?scopes=x", 403),
            ("?route=rest", 200),
            ("?route=admin", 403),
            ("?max_auth_age=10m", 401),
        ] {
            assert_eq!(ask(ada(), query).await, status, "{front:?} {query}");
        }
        assert_eq!(ask(get("/x").bearer(&fresh), "?max_auth_age=10m").await, 200);
        assert_eq!(ask(get("/public/x"), "?groups=staff").await, 401, "no guest meets a rule");
        let refused = if front.is_nginx() { 403 } else { 400 };
        for query in ["?groups=", "?group=staff", "?groups=a&groups=staff", "?rd=/x"] {
            assert_eq!(ask(ada(), query).await, refused, "{front:?} {query}");
        }
    }
    // With Envoy the query is the client's.
    let asked = get("/x?groups=admin&route=admin").bearer(&ada);
    assert_eq!(doors.ask(Front::Envoy, &asked).await.status, 200);
    assert_eq!(
        doors.ask(Front::Envoy, &get("/admin/x?route=public").bearer(&ada)).await.status,
        403
    );
}

#[tokio::test]
async fn one_connection_carries_many_questions() {
    let doors = Doors::open(ROUTES).await;
    let users = ["ada", "bob"].map(|user| (user, doors.issuer.token(user)));
    let mut connection = Connection::open(doors.asked).await;
    for turn in 0..200_usize {
        let (user, token) = &users[turn * 7 % 13 % 2];
        let front = Front::ALL[turn % Front::ALL.len()];
        let asked = if turn % 3 == 0 { get("/x").cookie(token) } else { get("/x").bearer(token) };
        connection.send(&front.question(&asked).bytes()).await;
        let answer = connection.answer().await.expect("the connection lives on");
        assert_eq!((answer.status, answer.header("x-forwarded-user")), (200, Some(*user)));
        let forbidden = front.question(&get("/admin/x").bearer(token));
        connection.send(&forbidden.bytes()).await;
        assert_eq!(connection.answer().await.expect("it lives on").status, 403);
        connection.send(&front.question(&get("/public/x").cookie(token)).bytes()).await;
        let answer = connection.answer().await.expect("it lives on");
        assert_eq!((answer.status, answer.header("x-forwarded-user")), (200, Some("")));
    }
}

/// A body is not waited for: a proxy that passes `Content-Length` on and no body would wait for ever.
#[tokio::test]
async fn a_question_is_answered_without_its_body() {
    let doors = Doors::open(ROUTES).await;
    let asked = Front::Nginx.question(&request("POST", "/x").bearer(&doors.issuer.token("ada")));
    let answer = asked.header("Content-Length", "100000").send(doors.asked).await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
}

#[tokio::test]
async fn nothing_else_is_there() {
    let doors = Doors::open(ROUTES).await;
    let token = doors.issuer.token("ada");
    for path in ["/", "/public/x", "/.auth/verify/apache", "/.auth/verify/nginx/x", "/.authx"] {
        let answer = get(path).bearer(&token).send(doors.asked).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    let keys = get("/.auth/jwks").send(doors.asked).await;
    assert_eq!((keys.status, keys.json()["keys"].is_array()), (200, true));
    assert!(doors.upstream.requests().is_empty());
}

#[tokio::test]
async fn whoever_may_open_the_socket_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let doors = Doors::open(ROUTES).await;
    let socket = folder.path().join("asked.sock");
    let listeners = format!(
        "admin: none\nlisteners: [{{ name: asked, address: 'unix:{}', door: forward_auth }}]\n\
         routes: [{{ name: all, access: public, match: {{ paths: /* }} }}]\n",
        socket.display()
    );
    let sidegate = Sidegate::run(&listeners);
    let listens = |line: &str| line.contains("\"listening\"").then_some(());
    sidegate.program.wait_for(listens).await;
    assert_eq!(over(&socket, &Front::Caddy.question(&get("/x")).bytes()).await, 200);
    assert_eq!(over(&socket, &get("/.auth/verify/caddy").bytes()).await, 400);
    drop(doors);
}

async fn over(socket: &Path, question: &[u8]) -> u16 {
    let mut wire = Wire::over(UnixStream::connect(socket).await.unwrap());
    wire.send(question).await;
    wire.head().await.status().unwrap()
}

/// nginx asks, is told where to sign in, and the browser goes there and back through the same listener.
#[tokio::test]
async fn a_person_signs_in_and_the_session_goes_on() {
    let listen = "{ address: 127.0.0.1:0, door: forward_auth }";
    let Some(setting) = Setting::at(listen, "", "", json!({})).await else { return };
    setting.provider.limit_access_tokens(1).await;
    let address = setting.sidegate.address().await;
    let host = setting.site.strip_prefix("https://").unwrap();
    let asked = get(WANTED).host(host);
    let answer = Front::Nginx.question(&asked.clone().navigation()).send(address).await;
    let location = answer.header("location").unwrap().to_owned();
    assert!(
        answer.status == 401 && location.starts_with(&setting.url("/.auth/login?")),
        "{location}"
    );
    let person = Person::new();
    let login = person.open(&location).await;
    let back = person.fill_in(&login, &[("login", "ada"), ("password", PASSWORD)]).await;
    // The page is the app's; at this listener there is nothing.
    assert_eq!((back.status, back.url.as_str()), (404, setting.url(WANTED).as_str()));
    let cookies = || person.jar().sent(&back.url, From::Own).unwrap();
    soon(async || {
        let asked = asked.clone().header("Cookie", &cookies());
        let answer = Front::Nginx.question(&asked).send(address).await;
        assert_eq!((answer.status, answer.header("x-forwarded-user")), (200, Some("ada")));
        assert_eq!(answer.header("cookie"), Some(""), "our own cookies are not the app's");
        let renewed = answer.values("set-cookie");
        assert_eq!(renewed.first().copied(), answer.header("x-sidegate-set-cookie-1"));
        let traefik = Front::Traefik.question(&asked).send(address).await;
        assert_eq!(traefik.header("x-sidegate-set-cookie-1"), None);
        !renewed.is_empty()
    })
    .await;
}
