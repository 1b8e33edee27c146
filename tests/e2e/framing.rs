//! Requests whose bytes two servers could read as different requests: refused, or passed on in one clear form. The rows
//! measured on the bare proxy library are named after it.

use crate::support::raw::{Answer, Connection, get, request};
use crate::support::site::{PUBLIC_AND_REST, Site};

/// What came of `bytes`, sent on one connection.
struct Outcome {
    answer: Option<Answer>,
    /// What the upstream got: request line and body of each.
    arrived: Vec<(String, String)>,
}

async fn send(site: &Site, bytes: &[u8]) -> Outcome {
    let before = site.upstream.requests().len();
    let mut connection = Connection::open(site.address).await;
    connection.send(bytes).await;
    let answer = connection.answer().await;
    let arrived = site.upstream.requests().into_iter().skip(before);
    let arrived = arrived
        .map(|request| {
            (request.request_line(), String::from_utf8_lossy(&request.body).into_owned())
        })
        .collect();
    assert_eq!(
        site.upstream.violations(),
        Vec::<String>::new(),
        "{}",
        String::from_utf8_lossy(bytes)
    );
    Outcome { answer, arrived }
}

/// Asserts that `bytes` are refused with one of `statuses`, or by closing the connection.
async fn refused(site: &Site, bytes: &str, statuses: &[u16]) {
    let outcome = send(site, bytes.as_bytes()).await;
    let status = outcome.answer.as_ref().map(|answer| answer.status);
    assert!(
        status.is_none_or(|status| statuses.contains(&status)),
        "{bytes:?}: {:?}",
        outcome.answer
    );
    assert_eq!(outcome.arrived, [], "{bytes:?}");
}

fn post(fields: &str, body: &str) -> String {
    format!("POST /public/x HTTP/1.1\r\nHost: app.test\r\n{fields}\r\n\r\n{body}")
}

/// pingora 0.9.1 forwards `Content-Length: 5, 5` as it is, and equal duplicates as two lines.
#[tokio::test]
async fn only_one_content_length_of_digits_passes() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let doubtful = [
        "Content-Length: 5, 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 0\r\nContent-Length: 5",
        "Content-Length: 5,0",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 5e0",
        "Content-Length:",
        "Content-Length: 99999999999999999999",
        "Content-Length : 5",
        " Content-Length: 5",
    ];
    for fields in doubtful {
        refused(&site, &post(fields, "hello"), &[400]).await;
    }
    let outcome = send(&site, post("Content-Length: 5", "hello").as_bytes()).await;
    assert_eq!(outcome.arrived, [("POST /public/x HTTP/1.1".to_owned(), "hello".to_owned())]);
    let outcome = send(&site, post("Content-Length: 005", "hello").as_bytes()).await;
    assert!(outcome.arrived.iter().all(|(_, body)| body == "hello"), "{:?}", outcome.arrived);
}

/// pingora issue 945: `Transfer-Encoding` wins over `Content-Length`; then one request arrives and the connection ends.
#[tokio::test]
async fn a_length_beside_chunks_never_makes_two_requests() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let inner = "GET /public/smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n";
    let bodies = [
        ("Content-Length: 4\r\nTransfer-Encoding: chunked", format!("0\r\n\r\n{inner}")),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4", format!("0\r\n\r\n{inner}")),
        ("Content-Length: 60\r\nTransfer-Encoding: chunked", format!("0\r\n\r\n{inner}")),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\nContent-Length: 6",
            format!("0\r\n\r\n{inner}"),
        ),
    ];
    for (fields, body) in bodies {
        let before = site.upstream.requests().len();
        let mut connection = Connection::open(site.address).await;
        connection.send(post(fields, &body).as_bytes()).await;
        let answer = connection.answer().await;
        let rest = connection.rest().await;
        let arrived = site.upstream.requests().len() - before;
        let status = answer.map_or(400, |answer| answer.status);
        assert!(
            matches!((status, arrived), (400, 0) | (200, 1)),
            "{fields}: {status}, {arrived} arrived"
        );
        assert_eq!(String::from_utf8_lossy(&rest), "", "{fields}");
    }
    assert_eq!(site.upstream.violations(), Vec::<String>::new());
}

/// RUSTSEC-2025-0037, CVE-2026-2833, CVE-2026-2835, CVE-2022-1705, CVE-2019-16276.
#[tokio::test]
async fn doubtful_transfer_codings_are_refused() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let doubtful = [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunkedx",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding:",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\u{b}: chunked",
    ];
    for fields in doubtful {
        let bytes =
            post(fields, "5\r\nhello\r\n0\r\n\r\nGET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
        refused(&site, &bytes, &[400, 501]).await;
    }
    for fields in ["Transfer-Encoding: chunked", "transfer-encoding:  Chunked "] {
        let outcome = send(&site, post(fields, "5\r\nhello\r\n0\r\n\r\n").as_bytes()).await;
        assert_eq!(outcome.arrived, [("POST /public/x HTTP/1.1".to_owned(), "hello".to_owned())]);
    }
}

/// CVE-2025-22871, CVE-2023-39326: chunks are passed on in clean framing, or not at all.
#[tokio::test]
async fn malformed_chunks_never_reach_the_upstream_as_they_are() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let bodies = [
        "5;ext=1\r\nhello\r\n0\r\n\r\n",
        "05\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff1\r\nhello\r\n0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-Forwarded-User: admin\r\nContent-Length: 9\r\n\r\n",
    ];
    for body in bodies {
        let before = site.upstream.requests().len();
        let mut connection = Connection::open(site.address).await;
        connection.send(post("Transfer-Encoding: chunked", body).as_bytes()).await;
        let answer = connection.answer().await;
        let arrived = site.upstream.requests().split_off(before);
        assert!(arrived.iter().all(|request| request.body == b"hello"), "{body:?}: {arrived:?}");
        let complete = answer.is_some_and(|answer| answer.status == 200);
        assert_eq!(complete, arrived.len() == 1, "{body:?}");
    }
    // A broken body ends its upstream connection: what the upstream complains about is the end, never a chunk.
    let violations = site.upstream.violations();
    assert!(
        violations.iter().all(|what| what.starts_with("the connection ended")),
        "{violations:?}"
    );
    let after = site.forwarded(get("/public/after")).await;
    assert_eq!(after.target(), "/public/after");
}

/// pingora 0.9.1 takes any Host, and none.
#[tokio::test]
async fn a_host_is_one_plain_host() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let hosts = [
        "a, evil",
        "a/evil",
        "a#evil",
        "a?evil",
        "a\\evil",
        "user@a",
        "user:pw@a",
        "[::1",
        "::1",
        "[::1]x",
        "a:",
        "a:b",
        "a:99999",
        "a:-1",
        ":80",
        "",
        " ",
        ".",
        "a..b",
        "a b",
        "a%2fb",
        "*",
        "a;b",
        "a'b",
        "a\"b",
        "a<b",
        "a\u{e9}b",
    ];
    for host in hosts {
        refused(&site, &format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\n\r\n"), &[400]).await;
    }
    refused(&site, "GET /public/x HTTP/1.1\r\n\r\n", &[400]).await;
    refused(&site, "GET /public/x HTTP/1.0\r\n\r\n", &[400]).await;
    refused(&site, "GET /public/x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", &[400]).await;
    refused(&site, "GET /public/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", &[400]).await;
    refused(&site, "GET /public/x HTTP/1.1\r\nHost : a\r\n\r\n", &[400]).await;
    for host in ["a", "a.b:1", "[::1]", "[::1]:80", "127.0.0.1:65535", "under_score"] {
        assert_eq!(site.forwarded(get("/public/x").host(host)).await.values("host"), [host]);
    }
}

/// pingora 0.9.1 forwards absolute-form as it came, and judges `GET admin` as `/`.
#[tokio::test]
async fn only_paths_go_upstream_whatever_form_the_target_had() {
    let site = Site::start(PUBLIC_AND_REST).await;
    for target in ["http://app.test/public/x?a=b", "HTTP://app.test/public/x?a=b"] {
        let arrived = site.forwarded(get(target)).await;
        assert_eq!(
            (arrived.target().as_str(), arrived.values("host")),
            ("/public/x?a=b", vec!["app.test".to_owned()])
        );
    }
    for target in ["http://app.test/admin", "http://app.test", "http://app.test/public/../admin"] {
        site.refused(get(target)).await;
    }
    let strange = [
        "admin",
        "public/x",
        "*",
        "\\admin",
        "?x",
        "http:/public/x",
        "http:///public/x",
        "ftp://app.test/public/x",
        "app.test:80",
        "app.test/public/x",
        "//",
        "http://evil.test@app.test/public/x",
        "file:///public/x",
    ];
    for target in strange {
        site.refused(get(target)).await;
    }
    // Absolute-form that names another host than Host does is judged by one of them, and forwarded as that one.
    let before = site.upstream.requests().len();
    let answer = site.ask(get("http://evil.test/public/x")).await;
    match site.upstream.requests().get(before) {
        None => assert!((400..500).contains(&answer.status)),
        Some(arrived) => assert_eq!(arrived.values("x-forwarded-host"), arrived.values("host")),
    }
}

#[tokio::test]
async fn methods_that_are_about_proxies_or_written_oddly_are_refused() {
    let site = Site::start(PUBLIC_AND_REST).await;
    for method in ["TRACE", "get", "Get", "gET", "pOST", "trace", "G3T", "GET!"] {
        let answer = site.refused(request(method, "/public/x")).await;
        assert!(matches!(answer.status, 400 | 405), "{method}: {answer:?}");
    }
    refused(&site, "CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n", &[400, 405])
        .await;
    refused(&site, "CONNECT /public/x HTTP/1.1\r\nHost: app.test\r\n\r\n", &[400, 405]).await;
    refused(&site, "OPTIONS * HTTP/1.1\r\nHost: app.test\r\n\r\n", &[400, 405]).await;
    refused(&site, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400, 405, 505]).await;
    for method in ["GET", "OPTIONS", "DELETE", "PROPFIND", "M-SEARCH"] {
        assert!(
            site.forwarded(request(method, "/public/x")).await.request_line().starts_with(method)
        );
    }
    let trace = site.ask(request("TRACE", "/public/x").header("X-Secret", "mirrored")).await;
    assert!(trace.header("allow").is_some() && !trace.body.contains("mirrored"), "{trace:?}");
}

/// What sidegate reads leniently it passes on strictly, and judges as it passes it on.
#[tokio::test]
async fn lenient_line_ends_and_blanks_are_passed_on_strictly_or_refused() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let protected = [
        "GET /admin HTTP/1.1\nHost: app.test\n\n",
        "GET /admin HTTP/1.1\r\nHost: app.test\n\r\n",
        "GET  /admin HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "GET /admin  HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "GET /admin /public HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "GET\t/admin HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "\r\n\r\nGET /admin HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "GET /admin HTTP/1.1\r\nHost: app.test\r\nX: a\r\n b\r\n\r\n",
        "GET /admin HTTP/1.1\r\nHost: app.test\r\nX-\0: a\r\n\r\n",
        "GET /admin HTTP/1.1\r\nHost: app.test\r\nX: a\0b\r\n\r\n",
        "GET /admin HTTP/1.1\r\nHost: app.test\r\nX: a\rb\r\n\r\n",
        "GET /admin HTTP/1.1\r\n: a\r\nHost: app.test\r\n\r\n",
        "GET /admin HTTP/0.9\r\nHost: app.test\r\n\r\n",
        "GET /admin HTTP/1.2\r\nHost: app.test\r\n\r\n",
        "GET /admin HTTP/3\r\nHost: app.test\r\n\r\n",
        "GET /admin\r\n\r\n",
        "GET /admin http/1.1\r\nHost: app.test\r\n\r\n",
    ];
    for bytes in protected {
        refused(&site, bytes, &[400, 401, 404, 405, 505]).await;
    }
    for bytes in [
        "GET /public/x HTTP/1.1\nHost: app.test\nX: 1\n\n",
        "GET /public/a b HTTP/1.1\r\nHost: app.test\r\n\r\n",
    ] {
        let outcome = send(&site, bytes.as_bytes()).await;
        let lines: Vec<_> = outcome.arrived.iter().map(|(line, _)| line.as_str()).collect();
        assert!(
            matches!(
                lines.as_slice(),
                [] | ["GET /public/x HTTP/1.1" | "GET /public/a%20b HTTP/1.1"]
            ),
            "{bytes:?}: {lines:?}"
        );
    }
}

/// pingora 0.9.1 with h2c hangs on requests shorter than the HTTP/2 preface.
#[tokio::test]
async fn a_very_short_request_is_answered() {
    let site = Site::start(PUBLIC_AND_REST).await;
    for bytes in ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        let outcome = send(&site, bytes.as_bytes()).await;
        assert_eq!(outcome.answer.map(|answer| answer.status), Some(400), "{bytes:?}");
    }
}

/// Too large is said so, and costs the upstream nothing.
#[tokio::test]
async fn headers_beyond_the_bounds_are_refused() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let many = (0..150).fold(get("/public/x"), |asked, n| asked.header(&format!("X-{n}"), "1"));
    let long = get("/public/x").header("X-Long", &"a".repeat(70_000));
    let cookies = get("/public/x").header("Cookie", &"a=1; ".repeat(8_000));
    let target = get(&format!("/public/{}", "a".repeat(20_000)));
    for asked in [many, long, cookies, target] {
        assert_eq!(site.refused(asked).await.status, 431);
    }
}
