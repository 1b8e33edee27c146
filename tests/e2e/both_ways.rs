//! A request reaches the app the same whether it goes the short way, on a connection that is kept, or the usual one; and
//! its answer reaches the client.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

use crate::support::raw::{Request, get, request};
use crate::support::site::Site;
use crate::support::stage::{Front, OK, OPEN, Stage};
use crate::support::upstream::{Recorded, Upstream};
use crate::support::wire::Wire;

const RULES: &str = "
identity: { claims: { X-Department: department } }
routes:
  - { name: public, match: { paths: /public/* }, access: public }
  - { name: guests, match: { paths: /guests/* }, access: optional, identity: { cookie: remove, authorization: remove } }
  - { name: rest, match: { paths: /* } }
";

/// Fields that have to be treated with care, and some that have not.
const FIELDS: &[(&str, &str)] = &[
    ("Accept", "*/*"),
    ("accept-LANGUAGE", "de"),
    ("Accept", ""),
    ("Cookie", "a=1; b=2"),
    ("cookie", "c=3"),
    ("Cookie", "; ;"),
    ("Connection", "keep-alive"),
    ("connection", "X-Department"),
    ("Connection", "keep-alive, Accept"),
    ("Keep-Alive", "timeout=5"),
    ("TE", "trailers"),
    ("Proxy-Authorization", "Basic eA=="),
    ("Upgrade", "h2c"),
    ("Content-Length", "0"),
    ("Forwarded", "for=192.0.2.1;proto=https"),
    ("X-Forwarded-For", "192.0.2.1"),
    ("x_forwarded_for", "192.0.2.2"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "other.test"),
    ("X-Forwarded-User", "mallory"),
    ("X-Department", "board"),
    ("X-Request-Id", "given-0123456789"),
    ("X-Real-IP", "192.0.2.3"),
    ("X-Odd", "a\tb \u{e9} c"),
];

/// Which configurations are compared, by what is added to the rules.
const KINDS: [&str; 2] = ["", "trusted_proxies: [127.0.0.1]\n"];

const CASES: u32 = 150;

/// Two sites that differ in whether the upstream keeps its connections.
struct Pair {
    keeping: Site,
    closing: Site,
}

impl Pair {
    async fn start(more: &str) -> Self {
        let rules = format!("{RULES}{more}");
        let keeping = Site::start(&rules).await;
        let closing = Upstream::answering(|_| {
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok".to_vec()
        });
        let closing = Site::before(closing.await, &rules).await;
        Self { keeping, closing }
    }

    /// Sends `request` to both, with the token of each one's issuer if it `is_signed_in`.
    async fn compare(&self, request: &Request, is_signed_in: bool) {
        // The first connection is made the usual way; those after it are kept.
        let warm = get("/public/warm");
        assert_eq!(self.keeping.ask(warm).await.status, 200);
        let mut seen = Vec::new();
        for site in [&self.keeping, &self.closing] {
            let token = site.issuer.token("ada");
            let request =
                if is_signed_in { request.clone().bearer(&token) } else { request.clone() };
            let before = site.upstream.requests().len();
            let answer = site.ask(request).await;
            let arrived = site.upstream.requests().split_off(before);
            let arrived: Vec<_> = arrived.iter().map(|one| plain(one, &token)).collect();
            seen.push((answer.status, arrived));
            assert_eq!(site.upstream.violations(), Vec::<String>::new());
        }
        assert_eq!(seen[0], seen[1], "{request:?}");
    }
}

/// The lines of `arrived` in an order of their own, without what differs between any two requests.
fn plain(arrived: &Recorded, token: &str) -> Vec<String> {
    let head = String::from_utf8_lossy(&arrived.head).replace(token, "TOKEN");
    let lines = head.trim_end().split("\r\n").map(|line| match line.split_once(": ") {
        Some((name, value)) => (name.to_ascii_lowercase(), value.to_owned()),
        None => (String::new(), line.to_owned()),
    });
    // Ours is another each time; one that was given is not.
    let is_own_id = |name: &str, value: &str| name == "x-request-id" && value != "given-0123456789";
    let lines = lines.filter(|(name, value)| !is_own_id(name, value) && name != "host");
    let mut lines: Vec<_> = lines.map(|(name, value)| format!("{name}: {value}")).collect();
    // Fields of one name keep their order.
    lines.sort_by(|a, b| a.split(':').next().cmp(&b.split(':').next()));
    lines
}

fn requests() -> impl Strategy<Value = (Request, bool)> {
    let method = prop::sample::select(vec!["GET", "GET", "OPTIONS", "DELETE"]);
    let target = prop::sample::select(vec!["/public/a?b=c", "/guests/%41", "/x", "/x?q=%2f"]);
    let fields = prop::sample::subsequence(FIELDS.to_vec(), 0..6);
    (method, target, fields, any::<bool>()).prop_map(|(method, target, fields, is_signed_in)| {
        let start = request(method, target).host("app.test");
        let all = fields.into_iter().fold(start, |all, (name, value)| all.header(name, value));
        (all, is_signed_in)
    })
}

#[test]
fn a_request_arrives_the_same_by_both_ways() {
    let runtime = Runtime::new().unwrap();
    for more in KINDS {
        let pair = runtime.block_on(Pair::start(more));
        let mut runner = TestRunner::new(Config { cases: CASES, ..Config::default() });
        let result = runner.run(&requests(), |(request, is_signed_in)| {
            runtime.block_on(pair.compare(&request, is_signed_in));
            Ok(())
        });
        assert!(result.is_ok(), "{more}: {result:?}");
    }
}

/// A client and an upstream between which an exchange has been: the next one goes the short way.
struct Kept {
    stage: Stage,
    front: Front,
    client: Wire,
    upstream: Wire,
}

impl Kept {
    async fn start() -> Self {
        let stage = Stage::open().await;
        let front = Front::start(&stage.url, OPEN).await;
        let (client, upstream) = stage.kept(&front).await;
        Self { stage, front, client, upstream }
    }

    async fn ask(&mut self, method: &str, answer: &str) {
        self.client.send(request(method, "/x").bytes()).await;
        self.upstream.head().await;
        self.upstream.send(answer).await;
    }

    /// Asserts that both connections carry another exchange.
    async fn goes_on(mut self) {
        self.ask("GET", OK).await;
        assert_eq!(self.client.answer().await.1, "ok");
        self.stage.is_alone();
    }
}

#[tokio::test]
async fn an_answer_without_a_body_ends_with_its_header() {
    let answers = [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304),
        ("OPTIONS", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
    ];
    for (method, answer, status) in answers {
        let mut kept = Kept::start().await;
        kept.ask(method, answer).await;
        let head = kept.client.head().await;
        assert_eq!(head.status(), Some(status), "{method} {answer}");
        kept.goes_on().await;
    }
}

/// RFC 9112 §6.3: only the end of the upstream's connection tells where this body ends; the client's connection goes on.
#[tokio::test]
async fn a_body_that_ends_with_its_connection_is_sent_in_chunks() {
    let mut kept = Kept::start().await;
    kept.ask("GET", "HTTP/1.1 200 OK\r\n\r\nhalf").await;
    let head = kept.client.head().await;
    assert_eq!(head.value("transfer-encoding"), Some("chunked"));
    assert_eq!(kept.client.chunk().await.unwrap(), b"half");
    drop(kept.upstream);
    assert_eq!(kept.client.chunk().await.unwrap(), b"");
    kept.client.send(get("/next").bytes()).await;
    let (mut upstream, _) = kept.stage.request().await;
    upstream.send(OK).await;
    assert_eq!(kept.client.answer().await.1, "ok");
}

#[tokio::test]
async fn a_chunked_answer_comes_as_it_is_written() {
    let mut kept = Kept::start().await;
    kept.ask("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
    kept.client.head().await;
    assert_eq!(kept.client.chunk().await.unwrap(), b"one");
    kept.upstream.send("3\r\ntwo\r\n0\r\n\r\n").await;
    assert_eq!(kept.client.chunk().await.unwrap(), b"two");
    assert_eq!(kept.client.chunk().await.unwrap(), b"");
    kept.goes_on().await;
}

/// What was cut off must not look whole.
#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_client() {
    let mut kept = Kept::start().await;
    kept.ask("GET", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    let head = kept.client.head().await;
    drop(kept.upstream);
    assert_eq!(kept.client.body(&head).await.unwrap_err().0, b"half");
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_exchange_along() {
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"] {
        let mut kept = Kept::start().await;
        kept.ask("GET", answer).await;
        if !answer.is_empty() {
            kept.client.head().await;
        }
        drop(kept.client);
        kept.upstream.ended().await;
        let mut client = kept.front.send(&get("/next")).await;
        let (mut upstream, _) = kept.stage.request().await;
        upstream.send(OK).await;
        assert_eq!(client.answer().await.1, "ok");
    }
}

/// An upgrade that nobody asked for, two lengths, a line that is none: nothing of it reaches the client.
#[tokio::test]
async fn an_answer_that_cannot_be_right_is_a_bad_gateway() {
    let answers = [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        "nothing like it\r\n\r\n",
    ];
    for answer in answers {
        let mut kept = Kept::start().await;
        kept.ask("GET", answer).await;
        assert_eq!(kept.client.head().await.status(), Some(502), "{answer}");
        kept.upstream.ended().await;
    }
}

/// What comes behind an answer belongs to nobody.
#[tokio::test]
async fn a_connection_with_more_than_its_answer_is_not_used_again() {
    let mut kept = Kept::start().await;
    kept.ask("GET", &format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")).await;
    assert_eq!(kept.client.answer().await.1, "ok");
    kept.client.send(get("/next").bytes()).await;
    let (mut upstream, _) = kept.stage.request().await;
    upstream.send(OK).await;
    assert_eq!(kept.client.answer().await.1, "ok");
}
