//! Questions by gRPC from a client that says whatever it likes: what is in doubt is refused, and nothing breaks.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue};
use envoy_types::pb::google::protobuf::value::Kind;
use serde_json::json;
use tokio::net::TcpStream;
use tonic::Code;

use crate::support::check::{Asker, Question, code, status, values};
use crate::support::process::Sidegate;
use crate::support::site::configuration;
use crate::support::tokens::Issuer;

const ROUTES: &str = "
listeners: [{ name: authz, address: '127.0.0.1:0', door: ext_authz }]
trusted_proxies: [127.0.0.1/32]
routes:
  - { name: public, match: { paths: /public/* }, access: public }
  - { name: post, match: { paths: /post/* }, access: public, limits: { body: 1KiB } }
  - { name: admins, match: { paths: /admin/* }, require: { groups_any: [admins] } }
  - { name: kept, match: { paths: /kept/* }, identity: { authorization: remove } }
  - { name: rest, match: { paths: /* } }
";

/// Sidegate, and who asks it.
struct Desk {
    issuer: Issuer,
    sidegate: Sidegate,
    address: SocketAddr,
    asker: Asker,
}

async fn desk() -> Desk {
    let issuer = Issuer::new();
    let sidegate = Sidegate::run(&configuration("http://127.0.0.1:9", &issuer, ROUTES));
    let address = sidegate.address().await;
    Desk { issuer, sidegate, address, asker: Asker::at(address).await }
}

fn get(target: &str) -> Question {
    Question::about("GET", target)
}

#[tokio::test]
async fn an_identity_is_handed_over_and_what_the_client_says_of_it_is_removed() {
    let desk = desk().await;
    let question = get("/x")
        .bearer(&desk.issuer.token("ada"))
        .header("x-forwarded-user", "eve")
        .header("x_forwarded_user", "eve")
        .header("x.auth.user", "eve")
        .header("x-forwarded-host", "evil.test")
        .header("x-forwarded-for", "192.0.2.7")
        .header("x-request-id", "7c1b");
    let ok = desk.asker.allowed(question).await;
    assert_eq!(values(&ok.headers, "x-forwarded-user"), ["ada"]);
    assert_eq!(values(&ok.headers, "x-forwarded-email"), ["ada@example.test"]);
    assert!(ok.headers.iter().all(|field| field.append_action == 2), "{:?}", ok.headers);
    let mut removed = ok.headers_to_remove;
    removed.sort();
    let expected = ["x-forwarded-host", "x.auth.user", "x_forwarded_user"];
    assert_eq!(removed, expected);
    let line =
        desk.sidegate.program.wait_for(|line| line.contains("7c1b").then(|| line.to_owned()));
    let line: serde_json::Value = serde_json::from_str(&line.await).unwrap();
    let told = ["door", "outcome", "route", "subject", "client", "request_id", "host", "path"]
        .map(|name| line[name].as_str().unwrap());
    assert_eq!(told, ["ext_authz", "allow", "rest", "ada", "192.0.2.7", "7c1b", "app.test", "/x"]);
    assert_eq!(line["status"], 200);
}

#[tokio::test]
async fn headers_without_a_value_are_removed_even_where_the_client_sent_none() {
    let desk = desk().await;
    let token = desk.issuer.token_with("ada", |claims| claims["email"] = json!(null));
    let ok = desk.asker.allowed(get("/x").bearer(&token)).await;
    assert!(ok.headers_to_remove.contains(&"x-forwarded-email".to_owned()), "{ok:?}");
    let ok = desk.asker.allowed(get("/public/x")).await;
    for name in ["user", "email", "groups", "preferred-username"] {
        assert!(ok.headers_to_remove.contains(&format!("x-forwarded-{name}")), "{ok:?}");
    }
}

#[tokio::test]
async fn envoy_learns_who_the_caller_is() {
    let desk = desk().await;
    let token = desk.issuer.token_with("ada", |claims| claims["acr"] = json!("gold"));
    let answer = desk.asker.ask(get("/x").bearer(&token)).await;
    let fields = answer.dynamic_metadata.unwrap().fields;
    let text = |name: &str| match fields[name].kind.as_ref().unwrap() {
        Kind::StringValue(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    let told = ["sub", "provider", "route", "email", "acr"].map(text);
    assert_eq!(told, ["ada", "login", "rest", "ada@example.test", "gold"]);
    let Some(Kind::NumberValue(expires)) = fields["exp"].kind else { panic!("{fields:?}") };
    assert!(expires > 1.7e9);
    let Some(Kind::ListValue(groups)) = &fields["groups"].kind else { panic!("{fields:?}") };
    assert_eq!(groups.values.len(), 1);
    let public = desk.asker.ask(get("/public/x")).await.dynamic_metadata.unwrap().fields;
    assert_eq!(public.keys().collect::<Vec<_>>(), ["route"]);
}

#[tokio::test]
async fn refusals_have_the_status_of_inline_and_the_code_of_grpc() {
    let desk = desk().await;
    let ada = desk.issuer.token("ada");
    let navigation =
        get("/x?y=1").header("accept", "text/html").header("sec-fetch-mode", "navigate");
    let cases = [
        (get("/x"), Code::Unauthenticated, 401),
        (get("/x").bearer("garbage"), Code::Unauthenticated, 401),
        (navigation.clone(), Code::Unauthenticated, 302),
        (get("/admin/x").bearer(&ada), Code::PermissionDenied, 403),
        (get("/public/..%2fadmin").bearer(&ada), Code::PermissionDenied, 400),
        (get("/.auth/jwks"), Code::PermissionDenied, 200),
        (get("/.auth/nothing"), Code::PermissionDenied, 404),
    ];
    for (question, code, expected) in cases {
        let (found, denied) = desk.asker.denied(question.clone()).await;
        assert_eq!((found, status(&denied)), (code as i32, expected), "{question:?}: {denied:?}");
    }
    let (_, denied) = desk.asker.denied(navigation).await;
    let location = "https://login.test/signin?rd=https%3A%2F%2Fapp%2Etest%2Fx%3Fy%3D1";
    assert_eq!(values(&denied.headers, "location"), [location]);
    let (_, denied) = desk.asker.denied(get("/x")).await;
    assert_eq!(values(&denied.headers, "www-authenticate"), ["Bearer realm=\"sidegate\""]);
    assert!(denied.body.contains("login_required"), "{denied:?}");
}

#[tokio::test]
async fn what_is_told_in_part_or_in_two_ways_is_refused() {
    let desk = desk().await;
    let public = || get("/public/x");
    assert_eq!(code(&desk.asker.ask(public()).await), 0, "the question that is changed below");
    let both = public().header("a", "1").raw("a", b"1");
    let value = HeaderValue { key: "a".into(), value: "1".into(), raw_value: b"2".to_vec() };
    let twice = public().with(|http| http.header_map = Some(HeaderMap { headers: vec![value] }));
    let mut nothing = public();
    nothing.attributes.request = None;
    let cases = [
        (nothing, "forwarded_incomplete"),
        (public().with(|http| http.method.clear()), "forwarded_incomplete"),
        (public().with(|http| http.host.clear()), "forwarded_incomplete"),
        (public().with(|http| http.path.clear()), "forwarded_incomplete"),
        (public().with(|http| http.scheme.clear()), "forwarded_incomplete"),
        (public().with(|http| http.scheme = "ftp".into()), "forwarded_incomplete"),
        (public().header("a b", "1"), "forwarded_incomplete"),
        (public().header("", "1"), "forwarded_incomplete"),
        (public().header("a", "1\r\nb: 2"), "forwarded_incomplete"),
        (public().raw("a", b"1\x00"), "forwarded_incomplete"),
        (both, "forwarded_mixed"),
        (twice, "forwarded_mixed"),
        (public().header(":path", "/admin/x"), "forwarded_mixed"),
        (public().header(":method", "POST"), "forwarded_mixed"),
        (public().header(":authority", "evil.test"), "forwarded_mixed"),
        (public().header(":protocol", "websocket"), "forwarded_mixed"),
        (public().header("host", "evil.test"), "forwarded_mixed"),
        (public().header("Host", "evil.test"), "forwarded_mixed"),
        (public().with(|http| http.method = "CONNECT".into()), "method_not_allowed"),
        (public().with(|http| http.method = "TRACE".into()), "method_not_allowed"),
        (public().with(|http| http.method = "G ET".into()), "method_not_allowed"),
        (public().with(|http| http.method = "get".into()), "method_not_allowed"),
        (public().with(|http| http.host = "app.test, evil.test".into()), "malformed_host"),
        (public().with(|http| http.host = "app.test/evil".into()), "malformed_host"),
        (public().with(|http| http.path = "*".into()), "malformed_target"),
        (public().with(|http| http.path = "http://app.test/public/x".into()), "malformed_target"),
        (public().with(|http| http.path = "/public/x#y".into()), "malformed_target"),
        (public().with(|http| http.path = "/public/caf\u{e9}".into()), "malformed_target"),
        (public().header("content-length", "5,5"), "malformed_framing"),
    ];
    for (question, reason) in cases {
        let (_, denied) = desk.asker.denied(question.clone()).await;
        assert!(status(&denied) >= 400 && denied.body.contains(reason), "{question:?}: {denied:?}");
    }
    let agreeing =
        [(":path", "/public/x"), (":method", "GET"), (":scheme", "https"), ("host", "app.test")];
    let question =
        agreeing.iter().fold(public(), |question, (name, value)| question.header(name, value));
    assert_eq!(code(&desk.asker.ask(question).await), 0);
}

#[tokio::test]
async fn too_much_of_anything_is_refused() {
    let desk = desk().await;
    let many = |count| (0..count).fold(get("/public/x"), |q, n| q.header(&format!("x-{n}"), "1"));
    for question in [many(200), many(40_000), get("/public/x").header("x", &"x".repeat(100_000))] {
        let (_, denied) = desk.asker.denied(question).await;
        assert_eq!(status(&denied), 431, "{denied:?}");
    }
    let commas = get("/x").header("authorization", &"Bearer x,".repeat(3_000));
    assert!(status(&desk.asker.denied(commas).await.1) >= 400);
    let (_, denied) = desk.asker.denied(get("/post/x").header("content-length", "1025")).await;
    assert_eq!(status(&denied), 413);
    let body = get("/public/x").with(|http| http.raw_body = vec![0; 2 << 20]);
    assert!(desk.asker.try_ask(body).await.is_err());
    assert_eq!(code(&desk.asker.ask(get("/public/x")).await), 0, "it is still there");
}

/// CVE-2020-25017, CVE-2021-32777: fields that were joined are no better than fields that were not.
#[tokio::test]
async fn joined_credentials_are_judged_as_if_they_had_come_apart() {
    let desk = desk().await;
    let ada = desk.issuer.token("ada");
    let joined = get("/x").header("authorization", &format!("Bearer {ada},Bearer {ada}"));
    let bearer = format!("Bearer {ada}");
    let apart = get("/x").raw("authorization", bearer.as_bytes()).raw("authorization", b"Bearer x");
    let cookies = get("/x").header("cookie", &format!("sso={ada},sso=x"));
    let crumbs = get("/x").raw("cookie", b"sso=x").raw("cookie", format!("sso={ada}").as_bytes());
    for (question, reason) in [
        (joined, "several_credentials"),
        (apart, "several_credentials"),
        (cookies, "several_cookies"),
        (crumbs, "several_cookies"),
    ] {
        let (_, denied) = desk.asker.denied(question.clone()).await;
        assert!(denied.body.contains(reason), "{question:?}: {denied:?}");
        assert_eq!(status(&denied), 400);
    }
    let one = get("/x").header("cookie", &format!("prefs=a,b; theme=dark,sso={ada}"));
    let ok = desk.asker.allowed(one).await;
    assert_eq!(values(&ok.headers, "x-forwarded-user"), ["ada"]);
}

#[tokio::test]
async fn credentials_stay_here_where_the_route_says_so() {
    let desk = desk().await;
    let question = get("/kept/x").bearer(&desk.issuer.token("ada")).header("cookie", "a=b");
    let ok = desk.asker.allowed(question).await;
    assert!(ok.headers_to_remove.contains(&"authorization".to_owned()), "{ok:?}");
    assert_eq!(values(&ok.headers, "cookie"), Vec::<&str>::new(), "it stays as it is");
}

#[tokio::test]
async fn the_configuration_of_envoy_narrows_and_never_widens() {
    let desk = desk().await;
    let ada = desk.issuer.token("ada");
    let own = |name: &str, value: &str| get("/x").bearer(&ada).context(name, value);
    for (name, value) in [("groups", "staff"), ("groups", "admins,staff"), ("route", "public")] {
        desk.asker.allowed(own(name, value)).await;
    }
    for (name, value, expected) in [
        ("groups", "admins", 403),
        ("roles", "x", 403),
        ("emails", "eve@example.test", 403),
        ("email_domains", "evil.test", 403),
        ("scopes", "write", 403),
        ("route", "admins", 403),
        ("route", "nowhere", 404),
        ("groups", "", 400),
        ("group", "staff", 400),
        ("max_auth_age", "10", 400),
    ] {
        let (_, denied) = desk.asker.denied(own(name, value)).await;
        assert_eq!(status(&denied), expected, "{name}={value}: {denied:?}");
    }
    let (_, denied) = desk.asker.denied(get("/public/x").context("groups", "staff")).await;
    assert_eq!(status(&denied), 401, "nobody passes a demand without an identity");
}

/// CVE-2026-40575: an empty list trusts nobody, and neither does one that the peer is not on.
#[tokio::test]
async fn strangers_are_told_nothing() {
    let desk = desk().await;
    let stranger = Asker::from(Ipv4Addr::new(127, 0, 0, 2), desk.address).await;
    let error = stranger.try_ask(get("/public/x")).await.unwrap_err();
    assert_eq!(error.code(), Code::PermissionDenied);
    let line = desk
        .sidegate
        .program
        .wait_for(|line| line.contains("untrusted_peer").then(|| line.to_owned()));
    assert!(line.await.contains("\"client\":\"127.0.0.2\""));
}

/// By HTTP/2 only gRPC is answered: its status is always 200, which by HTTP would let any request pass.
#[tokio::test]
async fn other_requests_by_http_2_are_refused() {
    let desk = desk().await;
    let stream = TcpStream::connect(desk.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for (method, path, kind) in [
        ("GET", "/public/x", "text/plain"),
        ("POST", "/envoy.service.auth.v3.Authorization/Check", "text/plain"),
        ("GET", "/envoy.service.auth.v3.Authorization/Check", "application/grpc"),
        ("POST", "/envoy.service.auth.v2.Authorization/Check", "application/grpc"),
    ] {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://app.test{path}"))
            .header("content-type", kind)
            .header("x-forwarded-proto", "https")
            .body(())
            .unwrap();
        let (answer, mut body) = client.send_request(request, false).unwrap();
        body.send_data(Bytes::new(), true).unwrap();
        assert_eq!(answer.await.unwrap().status(), 403, "{method} {path} {kind}");
    }
}
