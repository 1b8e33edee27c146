//! What is written about requests: one line of JSON each, whatever their bytes, and never a secret, at any level.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::http::client;
use crate::support::process::Sidegate;
use crate::support::raw::{Connection, Request, ask, get, request};
use crate::support::site::Site;

const TRACE: &str = "
log: { requests: all, level: trace }
admin: { address: 127.0.0.1:0 }
routes:
  - { name: public, match: { paths: /public/* }, access: public }
  - { name: rest, match: { paths: /* } }
";

/// The lines about requests that have been written when the one about request `id` has.
async fn lines(sidegate: &Sidegate, id: &str) -> Vec<Value> {
    sidegate.program.wait_for(|line| line.contains(id).then_some(())).await;
    let output = sidegate.program.output();
    let parsed = output.lines().map(|line| {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    parsed.filter(|line| line.get("outcome").is_some()).collect()
}

/// The id of `asked`: the client is told where sidegate answers, the upstream where it does.
async fn id_of(site: &Site, asked: Request) -> String {
    let answer = site.ask(asked).await;
    let told = answer.header("x-request-id").map(str::to_owned);
    told.unwrap_or_else(|| site.upstream.requests().last().unwrap().values("x-request-id").concat())
}

/// The id of a last request, behind which everything before is written.
async fn last(site: &Site) -> String {
    let answer = site.ask(get("/last")).await;
    answer.header("x-request-id").unwrap().to_owned()
}

/// CVE-2022-23469, oauth2-proxy #3264: tokens, cookies and queries stay out of all output, at the finest level, whether they
/// are good, bad or malformed.
#[tokio::test]
async fn no_secret_is_written_even_at_trace() {
    let site = Site::start(TRACE).await;
    let token =
        site.issuer.token_with("ada", |claims| claims["email"] = "secret-mail@example.test".into());
    let expired = site.issuer.token_with("ada", |claims| claims["exp"] = 1.into());
    let foreign =
        site.issuer.token_with("ada", |claims| claims["iss"] = "https://secret-issuer.test".into());
    let asked = [
        get("/x?code=secret-query&access_token=secret-query").bearer(&token),
        get("/x?secret-query").cookie(&token).header("X-Api-Key", "secret-header"),
        get("/x").bearer(&expired),
        get("/x").bearer(&foreign),
        get("/x").bearer("secret-garbage"),
        get("/x").cookie("secret-garbage"),
        get("/x").bearer(&token).bearer("secret-garbage"),
        get("/x").header("Authorization", "Basic c2VjcmV0LWdhcmJhZ2U="),
        get("/x").header("Authorization", "secret-garbage"),
        get("/x?secret-query#secret-query").navigation(),
        get("/x").header("Referer", "https://a.test/?secret-query"),
        get("/public/x?secret-query").header("Cookie", "session=secret-garbage"),
        get("/x?secret-query").host("a/b").cookie(&token),
        get("http://app.test/x?secret-query").bearer(&token),
        get("http://user:secret-garbage@app.test/x").bearer(&token),
        get("/.auth/x?secret-query"),
        request("TRACE", "/x?secret-query").bearer(&token),
        get("/x?secret-query").header("Content-Length", "5, 5").bearer(&token),
    ];
    for request in asked {
        site.ask(request).await;
    }
    for bytes in [
        "GET /x?secret-query HTTP/9.9\r\nAuthorization: Bearer secret-garbage\r\n\r\n",
        "secret-garbage\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nsecret-garbage\r\n\r\n",
        "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nsecret-garbage\r\n",
    ] {
        let mut connection = Connection::open(site.address).await;
        connection.send(bytes.as_bytes()).await;
        connection.answer().await;
    }
    let id = last(&site).await;
    lines(&site.sidegate, &id).await;
    let output = site.sidegate.program.output();
    let metrics = metrics(&site).await;
    let parts = [&token, &expired, &foreign].into_iter().flat_map(|token| token.split('.'));
    let secrets = parts.chain(["secret-", "c2VjcmV0LWdhcmJhZ2U"]);
    for secret in secrets {
        assert!(!output.contains(secret), "{secret} in:\n{output}");
        assert!(!metrics.contains(secret), "{secret} in:\n{metrics}");
    }
}

async fn metrics(site: &Site) -> String {
    let address = site.sidegate.listener("admin").await;
    client().get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn every_request_has_one_line_with_its_id_and_the_reason() {
    let site = Site::start(TRACE).await;
    let token = site.issuer.token("ada");
    let asked = [
        (get("/x?q").bearer(&token), "allow", "identified", 200),
        (get("/public/x"), "allow", "public", 200),
        (get("/x"), "challenge", "missing_credential", 401),
        (get("/x").bearer("x.y.z"), "challenge", "token_malformed", 401),
        (get("/x").navigation(), "sign_in", "missing_credential", 302),
        (get("/public/../x"), "refuse", "ambiguous_target", 400),
        (get("/x").host("a/b"), "refuse", "malformed_host", 400),
        (request("TRACE", "/x"), "refuse", "method_not_allowed", 405),
    ];
    let mut ids = BTreeSet::new();
    for (request, outcome, reason, status) in asked {
        let id = id_of(&site, request).await;
        let all = lines(&site.sidegate, &id).await;
        let own: Vec<_> = all.iter().filter(|line| line["request_id"] == id.as_str()).collect();
        assert_eq!(own.len(), 1, "{own:?}");
        let line = own[0];
        assert_eq!(
            (line["outcome"].as_str(), line["reason"].as_str()),
            (Some(outcome), Some(reason)),
            "{line}"
        );
        assert_eq!(line["status"], status, "{line}");
        assert!(!line.to_string().contains("?q"), "{line}");
        assert!(ids.insert(id));
    }
    let id = last(&site).await;
    assert_eq!(lines(&site.sidegate, &id).await.len(), ids.len() + 1);
}

/// CVE-2025-25294, CVE-2024-45808: no bytes of a client start a line, end a string, or steer a terminal.
#[tokio::test]
async fn bytes_of_clients_are_never_more_than_text_in_a_line() {
    let site = Site::start(TRACE).await;
    let forged = "\",\"outcome\":\"allow\",\"subject\":\"root\"}{\"x\":\"";
    let asked = [
        get("/x").header("User-Agent", forged),
        get("/x").header("User-Agent", "\u{9b}31m\u{2028}\u{202e}gnp"),
        get("/x").header("User-Agent", "\u{1f600} \\n \\u000a %0a"),
        get("/x%0a%0d%1b[2J"),
        get("/x%22,%22outcome%22:%22allow%22"),
        get(&format!("/x{forged}")),
        get("/x").host(forged),
        get("/x").host("a\u{85}b"),
        request(&format!("GET{}", "A".repeat(5_000)), "/x"),
        get("/x").bearer(&site.issuer.token_with("ada", |claims| {
            claims["sub"] = "a\n{\"outcome\":\"allow\"}\u{1b}[2J\u{2029}".into()
        })),
        get("/x").bearer(&site.issuer.token_with("ada", |claims| claims["sub"] = forged.into())),
    ];
    let subject = "a\u{2029}\u{202e}b";
    let named = site.issuer.token_with("ada", |claims| claims["sub"] = subject.into());
    let asked = asked.into_iter().chain([get("/x").bearer(&named)]).collect::<Vec<_>>();
    let count = asked.len();
    for request in asked {
        site.ask(request).await;
    }
    // What is no header field at all is answered before there is a request to tell of.
    assert_eq!(site.ask(get("/x").header("User-Agent", "\u{1b}[2J")).await.status, 400);
    ask(site.address, b"GET /x HTTP/1.1\r\nHost: a\r\nUser-Agent: \xff\xfe\x80\r\n\r\n").await;
    let id = last(&site).await;
    let lines = lines(&site.sidegate, &id).await;
    assert_eq!(lines.len(), count + 2, "{lines:#?}");
    let output = site.sidegate.program.output();
    let obeyed = |c: char| {
        (c.is_control() && c != '\n') || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}')
    };
    assert!(!output.contains(obeyed), "{output:?}");
    for line in &lines {
        let subject = line["subject"].as_str().unwrap_or_default();
        assert_ne!(subject, "root", "{line}");
        assert!(line.to_string().len() < 4_000, "{line}");
    }
}

/// CVE-2022-24797: what is for operators is on no data port.
#[tokio::test]
async fn operators_pages_are_not_on_the_data_port() {
    let site = Site::start(TRACE).await;
    for path in ["/metrics", "/livez", "/readyz", "/debug", "/.auth/metrics", "/status"] {
        let answer = site.refused(get(path)).await;
        assert!(!answer.body.contains("sidegate_"), "{path}: {answer:?}");
    }
    assert!(metrics(&site).await.contains("sidegate_"));
}
