//! Connections to upstreams: kept, chosen, given up and tried again, and what the client is told when none will do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::ports::free_address;
use crate::support::raw::{get, request};
use crate::support::stage::{Front, OK, OPEN, Stage, answering};
use crate::support::wire::Head;

/// An upstream of one server with `more` keys.
fn upstream(server: &str, more: &str) -> String {
    format!("{{ servers: '{server}', {more} }}")
}

async fn status(front: &Front, method: &str) -> Option<u16> {
    let mut wire = front.send(&request(method, "/x")).await;
    wire.answer().await.0.status()
}

/// An address where nobody listens.
fn dead() -> SocketAddr {
    free_address()
}

#[tokio::test]
async fn requests_one_after_the_other_share_one_connection() {
    let stage = Stage::open().await;
    let front = Front::start(&stage.url, OPEN).await;
    let (mut client, mut upstream) = stage.kept(&front).await;
    for number in 0..20 {
        client.send(get(&format!("/{number}")).bytes()).await;
        assert!(upstream.head().await.line().starts_with(&format!("GET /{number} ")));
        upstream.send(OK).await;
        assert_eq!(client.answer().await.1, "ok");
    }
    stage.is_alone();
}

#[tokio::test]
async fn a_connection_that_the_upstream_wants_closed_is_not_used_again() {
    let stage = Stage::open().await;
    let front = Front::start(&stage.url, OPEN).await;
    for _ in 0..2 {
        let mut client = front.send(&get("/x")).await;
        let (mut upstream, _) = stage.request().await;
        upstream.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(client.answer().await.1, "ok");
        upstream.ended().await;
    }
}

#[tokio::test]
async fn an_unused_connection_is_closed_when_its_time_is_over() {
    let stage = Stage::open().await;
    let upstream = upstream(&stage.url, "timeouts: { keep: 300ms }");
    let front = Front::start(&upstream, OPEN).await;
    let mut client = front.send(&get("/x")).await;
    let (mut upstream, _) = stage.request().await;
    let since = Instant::now();
    upstream.send(OK).await;
    client.answer().await;
    upstream.ended().await;
    assert!(since.elapsed() >= Duration::from_millis(300), "{:?}", since.elapsed());
}

#[tokio::test]
async fn an_upstream_may_listen_on_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let stage = Stage::unix(&directory.path().join("app.sock"));
    let front = Front::start(&stage.url, OPEN).await;
    let mut client = front.send(&request("POST", "/x?y").header("Content-Length", "3")).await;
    client.send("abc").await;
    let (mut upstream, asked) = stage.request().await;
    assert_eq!((asked.line(), asked.value("host")), ("POST /x?y HTTP/1.1", Some("app.test")));
    assert_eq!(upstream.body(&asked).await.unwrap(), b"abc");
    upstream.send(OK).await;
    assert_eq!(client.answer().await.1, "ok");
}

/// Whatever the order in which concurrent requests take their turns: a request that finds its server down tries another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_one_of_several_servers_is_down() {
    let (one, two) = (Stage::open().await, Stage::open().await);
    let servers = format!("{{ servers: ['{}', 'http://{}', '{}'] }}", one.url, dead(), two.url);
    answering(one, OK);
    answering(two, OK);
    let front = Arc::new(Front::start(&servers, OPEN).await);
    let mut clients = JoinSet::new();
    for number in 0..8 {
        let front = Arc::clone(&front);
        clients.spawn(async move {
            let mut statuses = Vec::new();
            for _ in 0..40 {
                let method = if number % 2 == 0 { "GET" } else { "DELETE" };
                statuses.push(status(&front, method).await);
            }
            statuses
        });
    }
    let statuses = clients.join_all().await.concat();
    let failed = statuses.iter().filter(|status| **status != Some(200)).count();
    assert_eq!((failed, statuses.len()), (0, 320));
}

#[tokio::test]
async fn as_many_servers_are_tried_as_retries_allow() {
    let up = Stage::open().await;
    let url = up.url.clone();
    answering(up, OK);
    for (retries, expected) in [(0, [502, 502, 200]), (1, [502, 200, 200]), (2, [200, 200, 200])] {
        let servers = format!(
            "{{ servers: ['http://{}', 'http://{}', '{url}'], retries: {retries} }}",
            dead(),
            dead()
        );
        let front = Front::start(&servers, OPEN).await;
        for expected in expected {
            assert_eq!(status(&front, "POST").await, Some(expected), "{retries} retries");
        }
    }
}

/// RFC 9110 §9.2.2: the upstream may close a kept connection just as a request is sent on it.
#[tokio::test]
async fn a_get_on_a_kept_connection_that_dies_is_sent_once_more() {
    let stage = Stage::open().await;
    let front = Front::start(&stage.url, OPEN).await;
    let (mut client, mut upstream) = stage.kept(&front).await;
    client.send(get("/second").bytes()).await;
    assert!(upstream.head().await.line().contains("/second"));
    drop(upstream);
    let (mut upstream, again) = stage.request().await;
    assert_eq!(again.line(), "GET /second HTTP/1.1");
    upstream.send(OK).await;
    assert_eq!(client.answer().await.0.status(), Some(200));
    // On a connection of its own there is nothing to hope for from another one.
    client.send(get("/third").bytes()).await;
    assert!(upstream.head().await.line().contains("/third"));
    drop(upstream);
    let (fresh, _) = stage.request().await;
    drop(fresh);
    assert_eq!(client.answer().await.0.status(), Some(502));
    stage.is_alone();
}

/// It may have been done: nobody knows.
#[tokio::test]
async fn what_is_not_safe_to_repeat_is_never_sent_twice() {
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        for body in ["", "abc"] {
            let stage = Stage::open().await;
            let front = Front::start(&stage.url, OPEN).await;
            let (mut client, mut upstream) = stage.kept(&front).await;
            let asked =
                request(method, "/second").header("Content-Length", &body.len().to_string());
            client.send([asked.bytes(), body.into()].concat()).await;
            let head = upstream.head().await;
            assert_eq!(upstream.body(&head).await.unwrap(), body.as_bytes());
            drop(upstream);
            assert_eq!(client.answer().await.0.status(), Some(502), "{method}");
            stage.is_alone();
        }
    }
}

/// An answer of which the client has seen a part cannot be begun anew.
#[tokio::test]
async fn a_get_whose_answer_has_begun_is_not_sent_again() {
    let stage = Stage::open().await;
    let front = Front::start(&stage.url, OPEN).await;
    let (mut client, mut upstream) = stage.kept(&front).await;
    client.send(get("/second").bytes()).await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await;
    let head = client.head().await;
    drop(upstream);
    client.body(&head).await.expect_err("half an answer");
    stage.is_alone();
}

/// How an upstream may fail to answer, and what that is called.
fn failures() -> [(&'static str, u16); 7] {
    [
        ("", 502),
        ("HTTP/1.1 200 OK\r\nContent-Len", 502),
        ("nonsense\r\n\r\n", 502),
        ("HTTP/1.1 200 OK\r\nno field\r\n\r\n", 502),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok", 502),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok", 502),
        ("\u{16}\u{3}\u{1}\u{2}", 502),
    ]
}

#[tokio::test]
async fn an_upstream_that_breaks_off_or_talks_nonsense_is_a_bad_gateway() {
    let stage = Stage::open().await;
    let front = Front::start(&stage.url, OPEN).await;
    for (bytes, status) in failures() {
        let mut client = front.send(&get("/x")).await;
        let (mut upstream, _) = stage.request().await;
        upstream.send(bytes).await;
        drop(upstream);
        let (head, body) = client.answer().await;
        assert_eq!(head.status(), Some(status), "{bytes:?}: {head:?} {body}");
        stage.is_alone();
    }
}

#[tokio::test]
async fn an_answer_with_a_header_beyond_all_bounds_is_a_bad_gateway() {
    let stage = Stage::open().await;
    let front = Front::start(&stage.url, OPEN).await;
    let mut client = front.send(&get("/x")).await;
    let (mut upstream, _) = stage.request().await;
    let field = format!("X-Long: {}\r\n", "a".repeat(1_000));
    // It may be refused before all of it is read.
    let _ = upstream.try_send(format!("HTTP/1.1 200 OK\r\n{}\r\n", field.repeat(2_000))).await;
    assert_eq!(client.answer().await.0.status(), Some(502));
}

fn assert_form(head: &Head, what: &str) {
    assert_eq!(head.value("cache-control"), Some("no-store"), "{what}: {head:?}");
    assert_eq!(head.values("server"), [""; 0], "{what}: {head:?}");
    assert_eq!(head.value("x-content-type-options"), Some("nosniff"), "{what}: {head:?}");
    assert_eq!(head.value("x-request-id").map(str::len), Some(32), "{what}: {head:?}");
}

/// Asks as a program and as a browser; both learn the same in their own way.
async fn told(front: &Front, status: u16, code: &str) {
    let mut wire = front.send(&get("/x")).await;
    let (head, body) = wire.answer().await;
    assert_eq!(head.status(), Some(status), "{head:?} {body}");
    assert_form(&head, code);
    assert_eq!(head.value("content-type"), Some("application/json"));
    let said: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(said["error"], code, "{said}");
    assert_eq!(said["request_id"].as_str(), head.value("x-request-id"));
    let mut wire = front.send(&get("/x").navigation()).await;
    let (head, body) = wire.answer().await;
    assert_eq!(head.status(), Some(status), "{head:?} {body}");
    assert_form(&head, code);
    assert_eq!(head.value("content-type"), Some("text/html; charset=utf-8"));
    assert!(head.value("content-security-policy").unwrap().contains("default-src 'none'"));
    assert!(body.contains(head.value("x-request-id").unwrap()), "{body}");
}

#[tokio::test]
async fn people_and_programs_are_told_what_is_wrong_behind_sidegate() {
    let front = Front::start(&format!("http://{}", dead()), OPEN).await;
    told(&front, 502, "bad_gateway").await;
    let silent = Stage::open().await;
    let front = Front::start(&upstream(&silent.url, "timeouts: { read: 100ms }"), OPEN).await;
    told(&front, 504, "gateway_timeout").await;
    let rest = "admin: none\nlisten: 127.0.0.1:0\nupstream: http://127.0.0.1:1\nprovider: { type: jwt, issuer: 'http://127.0.0.1:1', \
                audience: web }\n";
    let sidegate = crate::support::process::Sidegate::run(rest);
    let address = sidegate.address().await;
    let issuer = crate::support::tokens::Issuer::new();
    let token = issuer.token_with("ada", |claims| claims["iss"] = "http://127.0.0.1:1".into());
    let front = Front { sidegate, address, issuer };
    let asked = get("/x").bearer(&token);
    let mut wire = front.send(&asked).await;
    let (head, body) = wire.answer().await;
    assert_eq!(head.status(), Some(503), "{head:?} {body}");
    assert_form(&head, "503");
    assert_eq!(head.value("retry-after"), Some("5"));
    let said: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(said["request_id"].as_str(), head.value("x-request-id"));
    let mut wire = front.send(&asked.navigation()).await;
    let (head, body) = wire.answer().await;
    assert_eq!(
        (head.status(), head.value("content-type")),
        (Some(503), Some("text/html; charset=utf-8"))
    );
    assert_form(&head, "503");
    assert!(body.contains(head.value("x-request-id").unwrap()), "{body}");
}

#[tokio::test]
async fn what_went_wrong_is_counted_by_kind() {
    let admin = format!("\nadmin: {{ address: '127.0.0.1:0' }}{OPEN}");
    let front = Front::start(&format!("http://{}", dead()), &admin).await;
    assert_eq!(status(&front, "GET").await, Some(502));
    for (kind, expected) in [("connect", 1), ("timeout", 0), ("reset", 0)] {
        let labels = [("upstream", "default"), ("kind", kind)];
        assert_eq!(
            front.count("sidegate_upstream_errors_total", &labels).await,
            expected,
            "{kind}"
        );
    }
}
