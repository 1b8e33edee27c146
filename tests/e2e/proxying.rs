//! Messages pass unchanged but for what a proxy must change: the host, hop-by-hop fields, and who is behind the request.

use crate::support::raw::{Request, get, request};
use crate::support::site::Site;
use crate::support::stage::{Front, OK, OPEN, Stage};
use crate::support::upstream::Upstream;
use crate::support::wire::{Head, Wire};

/// A client's connection, and the upstream's on which `asked` has arrived.
struct Exchange {
    stage: Stage,
    _front: Front,
    client: Wire,
    upstream: Wire,
    arrived: Head,
}

impl Exchange {
    async fn of(asked: &Request) -> Self {
        Self::of_bytes(&asked.bytes()).await
    }

    /// On connections that have carried an exchange before: what is plain goes the short way. A body of unknown length goes by
    /// another connection.
    async fn of_bytes(bytes: &[u8]) -> Self {
        let stage = Stage::open().await;
        let front = Front::start(&stage.url, OPEN).await;
        let (mut client, mut upstream) = stage.kept(&front).await;
        client.send(bytes).await;
        let arrived = tokio::select! {
            arrived = upstream.head() => arrived,
            (other, arrived) = stage.request() => {
                upstream = other;
                arrived
            }
        };
        Self { stage, _front: front, client, upstream, arrived }
    }

    /// What the client gets for `answer`, whose body is whole.
    async fn answer(&mut self, answer: &str) -> (Head, Vec<u8>) {
        self.upstream.send(answer).await;
        let head = self.client.head().await;
        let body = self.client.body(&head).await.unwrap();
        (head, body)
    }

    /// Asserts that both connections carry another exchange.
    async fn goes_on(mut self) {
        self.client.send(get("/next").bytes()).await;
        assert_eq!(self.upstream.head().await.line(), "GET /next HTTP/1.1");
        assert_eq!(self.answer(OK).await.1, b"ok");
        self.stage.is_alone();
    }
}

#[tokio::test]
async fn the_host_is_the_clients_the_servers_or_a_name() {
    let upstream = Upstream::start().await;
    let server = upstream.address.to_string();
    for (host, expected) in [
        ("", "app.test:8443"),
        (", host: preserve", "app.test:8443"),
        (", host: server", server.as_str()),
        (", host: app.internal", "app.internal"),
        (", host: 'app.internal:81'", "app.internal:81"),
    ] {
        let written = format!("{{ servers: '{}'{host} }}", upstream.url());
        let front = Front::start(&written, OPEN).await;
        let answer = get("/x").host("app.test:8443").send(front.address).await;
        assert_eq!(answer.status, 200, "{host}");
        let arrived = upstream.requests().last().unwrap().clone();
        assert_eq!(arrived.values("host"), [expected], "{host}");
        assert_eq!(arrived.values("x-forwarded-host"), ["app.test:8443"], "{host}");
    }
    assert_eq!(upstream.violations(), [""; 0]);
}

#[tokio::test]
async fn the_upstream_learns_who_is_behind_the_request() {
    let site = Site::start(OPEN).await;
    let arrived = site.forwarded(get("/x?y=1")).await;
    assert_eq!(arrived.request_line(), "GET /x?y=1 HTTP/1.1");
    assert_eq!(arrived.values("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(arrived.values("x-forwarded-proto"), ["http"]);
    assert_eq!(arrived.values("x-forwarded-host"), ["app.test"]);
    assert_eq!(arrived.values("x-request-id")[0].len(), 32);
    let again = site.forwarded(get("/x")).await;
    assert_ne!(arrived.values("x-request-id"), again.values("x-request-id"));
}

#[tokio::test]
async fn credentials_and_cookies_are_kept_or_removed_as_configured() {
    for (identity, kept) in
        [("", true), ("identity: { authorization: remove, cookie: remove }", false)]
    {
        let site = Site::start(&format!("\n{identity}\nroutes: [{{ name: all }}]\n")).await;
        let token = site.issuer.token("ada");
        let arrived = site.forwarded(get("/x").bearer(&token).header("Cookie", "a=1; b=2")).await;
        let bearer = format!("Bearer {token}");
        assert_eq!(arrived.values("authorization"), if kept { vec![bearer] } else { vec![] });
        assert_eq!(arrived.values("cookie"), ["a=1; b=2"]);
        let cookies = format!("a=1; sso={token}; b=2");
        let arrived = site.forwarded(get("/x").header("Cookie", &cookies)).await;
        assert_eq!(arrived.values("cookie"), if kept { [cookies.as_str()] } else { ["a=1; b=2"] });
        assert_eq!(arrived.values("x-forwarded-user"), ["ada"]);
    }
}

#[tokio::test]
async fn an_answer_arrives_as_it_was_sent() {
    for status in [200, 201, 302, 401, 404, 418, 500, 503, 599] {
        let mut exchange = Exchange::of(&get("/x")).await;
        let answer = format!(
            "HTTP/1.1 {status} Whatever\r\nServer: app/1\r\nSet-Cookie: a=1; Path=/\r\nCache-Control: public, max-age=60\r\n\
             Set-Cookie: b=2\r\nETag: \"x\"\r\nLocation: /elsewhere\r\nVary: Accept\r\nX-Empty:\r\nContent-Length: 4\r\n\r\nb\0dy"
        );
        let (head, body) = exchange.answer(&answer).await;
        assert_eq!((head.status(), body.as_slice()), (Some(status), b"b\0dy".as_slice()));
        assert_eq!(head.values("set-cookie"), ["a=1; Path=/", "b=2"]);
        for (name, value) in [
            ("server", "app/1"),
            ("cache-control", "public, max-age=60"),
            ("etag", "\"x\""),
            ("location", "/elsewhere"),
            ("vary", "Accept"),
            ("x-empty", ""),
        ] {
            assert_eq!(head.value(name), Some(value), "{status}");
        }
        exchange.goes_on().await;
    }
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let asked = request("REPORT", "/a/b?c=%20&d=+")
        .header("Accept", "text/x, */*;q=0.1")
        .header("X-Twice", "1")
        .header("X-Twice", "2")
        .header("User-Agent", "test/1")
        .header("Range", "bytes=0-1")
        .header("If-None-Match", "\"x\"")
        .header("Accept-Encoding", "gzip, br")
        .header("Content-Type", "text/x")
        .header("Content-Length", "3");
    let mut exchange = Exchange::of_bytes(&[asked.bytes(), b"abc".to_vec()].concat()).await;
    let arrived = &exchange.arrived;
    assert_eq!(arrived.line(), "REPORT /a/b?c=%20&d=+ HTTP/1.1");
    assert_eq!(arrived.values("x-twice"), ["1", "2"]);
    for (name, value) in [
        ("accept", "text/x, */*;q=0.1"),
        ("user-agent", "test/1"),
        ("range", "bytes=0-1"),
        ("if-none-match", "\"x\""),
        ("accept-encoding", "gzip, br"),
        ("content-type", "text/x"),
        ("content-length", "3"),
    ] {
        assert_eq!(arrived.value(name), Some(value));
    }
    assert_eq!(exchange.upstream.exactly(3).await, b"abc");
    assert_eq!(exchange.answer(OK).await.1, b"ok");
    exchange.goes_on().await;
}

/// RFC 9110 §7.6.1: what concerns one connection stays on it.
#[tokio::test]
async fn fields_about_a_connection_do_not_pass() {
    let asked = get("/x")
        .header("Connection", "keep-alive, X-Hop")
        .header("X-Hop", "1")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Connection", "keep-alive")
        .header("TE", "trailers");
    let mut exchange = Exchange::of(&asked).await;
    for name in ["x-hop", "keep-alive", "proxy-connection"] {
        assert_eq!(exchange.arrived.values(name), [""; 0], "{name}");
    }
    let answer = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok";
    let (head, _) = exchange.answer(answer).await;
    assert_eq!(head.values("keep-alive"), [""; 0]);
    exchange.goes_on().await;
}

/// RFC 9112 §6.3: these answers have no body, whatever their fields say.
#[tokio::test]
async fn answers_without_a_body_end_with_their_header() {
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\n\r\n"),
        ("HEAD", "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"),
        ("DELETE", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("OPTIONS", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let mut exchange = Exchange::of(&request(method, "/x")).await;
        assert!(exchange.arrived.line().starts_with(method));
        exchange.upstream.send(answer).await;
        let head = exchange.client.head().await;
        assert_eq!(head.status().unwrap().to_string(), answer[9..12], "{answer}");
        if let Some(length) = head.value("content-length") {
            assert!(
                answer.contains(&format!("Content-Length: {length}\r\n")),
                "{answer}: {head:?}"
            );
        }
        exchange.goes_on().await;
    }
}

/// RFC 9110 §10.1.1: the client waits with its body until the app wants it.
#[tokio::test]
async fn a_client_may_ask_before_it_sends_its_body() {
    let asked =
        request("POST", "/x").header("Expect", "100-continue").header("Content-Length", "3");
    let mut exchange = Exchange::of(&asked).await;
    assert_eq!(exchange.arrived.value("expect"), Some("100-continue"));
    exchange.upstream.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(exchange.client.head().await.status(), Some(100));
    exchange.client.send("abc").await;
    assert_eq!(exchange.upstream.exactly(3).await, b"abc");
    let (head, body) = exchange.answer(OK).await;
    assert_eq!((head.status(), body), (Some(200), b"ok".to_vec()));
    // An app that does not want the body says so at once.
    let mut exchange = Exchange::of(&asked).await;
    exchange
        .upstream
        .send("HTTP/1.1 417 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        .await;
    let head = exchange.client.head().await;
    assert_eq!(
        (head.status(), exchange.client.body(&head).await.unwrap()),
        (Some(417), b"no".to_vec())
    );
}

/// RFC 8297: hints pass ahead of the answer.
#[tokio::test]
async fn early_hints_arrive_before_the_answer() {
    let mut exchange = Exchange::of(&get("/x")).await;
    for link in ["</a.css>; rel=preload", "</b.css>; rel=preload"] {
        exchange.upstream.send(format!("HTTP/1.1 103 Early Hints\r\nLink: {link}\r\n\r\n")).await;
        let hints = exchange.client.head().await;
        assert_eq!((hints.status(), hints.value("link")), (Some(103), Some(link)));
    }
    let (head, body) = exchange.answer(OK).await;
    assert_eq!((head.status(), body), (Some(200), b"ok".to_vec()));
    exchange.goes_on().await;
}

/// Trailers are dropped in both directions, as RFC 9110 §6.5.1 allows; the message before them is whole.
#[tokio::test]
async fn trailers_end_a_message_and_go_no_further() {
    let head = request("POST", "/x").header("Transfer-Encoding", "chunked").bytes();
    let bytes = [head, b"3\r\nabc\r\n0\r\nX-Forwarded-User: root\r\n\r\n".to_vec()].concat();
    let mut exchange = Exchange::of_bytes(&bytes).await;
    assert_eq!(exchange.arrived.values("x-forwarded-user"), [""; 0]);
    assert_eq!(exchange.upstream.chunk().await.unwrap(), b"abc");
    assert_eq!(exchange.upstream.exactly(5).await, b"0\r\n\r\n");
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n";
    let (_, body) = exchange.answer(answer).await;
    assert_eq!(body, b"ok");
}

/// RFC 9112 §6.1: no chunks for who cannot know them, and an end by the end of the connection.
#[tokio::test]
async fn a_client_of_http_1_0_is_answered_without_chunks() {
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n";
    for (connection, answer) in [("close", OK), ("close", chunked), ("keep-alive", chunked)] {
        let asked =
            format!("GET /x HTTP/1.0\r\nHost: app.test\r\nConnection: {connection}\r\n\r\n");
        let mut exchange = Exchange::of_bytes(asked.as_bytes()).await;
        assert_eq!(exchange.arrived.line(), "GET /x HTTP/1.1");
        exchange.upstream.send(answer).await;
        let head = exchange.client.head().await;
        assert_eq!(head.values("transfer-encoding"), [""; 0], "{head:?}");
        assert_eq!(exchange.client.rest().await.unwrap(), b"ok", "{answer}");
    }
}
