//! What the echo app shows of a request, and what it keeps to itself.

use super::*;
use crate::demo::addresses::samples;

fn request(path: &str, headers: &[(&'static str, &'static str)]) -> Request {
    let mut request = http::Request::builder().uri(path).body(Vec::new()).unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_static(value));
    }
    request
}

fn answer(path: &str, headers: &[(&'static str, &'static str)]) -> String {
    match EchoApp::new(&samples()).answer(&request(path, headers)) {
        Answer::Whole(response) => String::from_utf8(response.into_body()).unwrap(),
        other => panic!("expected a page at once, found {other:?}"),
    }
}

const ADA: [(&str, &str); 2] = [("x-forwarded-user", "ada"), ("x-forwarded-groups", "admin,staff")];

#[test]
fn page_shows_who_is_calling_and_what_is_absent() {
    let page = answer("/admin?x=1", &ADA);
    for part in ["Hello, ada", "X-Forwarded-Groups", "GET", "&#x2f;admin?x=1", "absent"] {
        assert!(page.contains(part), "{part} is missing in:\n{page}");
    }
}

#[test]
fn page_greets_a_stranger_without_a_name() {
    assert!(answer("/public", &[]).contains("Hello, stranger"));
}

#[test]
fn values_cannot_become_markup() {
    let page = answer(
        "/?x='",
        &[("x-forwarded-user", "<script>alert(1)</script>"), ("x-test", "\"'><img src=x>")],
    );
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains("<img src"), "{page}");
}

#[test]
fn credentials_are_counted_and_not_shown() {
    let secrets = [
        ("cookie", "sso=verysecret"),
        ("authorization", "Bearer verysecret"),
        ("x-assertion", "eyJhbGciOiJFUzI1NiJ9.verysecret.verysecret"),
        ("accept", "application/json"),
    ];
    for text in [answer("/", &secrets), answer("/", &secrets[..3])] {
        assert!(!text.contains("verysecret"), "{text}");
        assert!(text.contains("present (14 bytes)"), "{text}");
        assert!(text.contains("present (42 bytes)"), "{text}");
    }
}

#[test]
fn programs_get_json() {
    let body = answer("/orders?id=7", &[ADA[0], ADA[1], ("accept", "application/json")]);
    let document: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(document["target"], "/orders?id=7");
    assert_eq!(document["identity"]["X-Forwarded-User"], "ada");
    assert_eq!(document["identity"]["X-Forwarded-Email"], serde_json::Value::Null);
}

#[test]
fn browsers_get_the_page_even_if_they_would_take_json() {
    assert!(
        answer("/", &[("accept", "text/html,application/json;q=0.5")])
            .starts_with("<!doctype html>")
    );
}

#[test]
fn values_that_are_not_text_do_not_harm() {
    let mut request = request("/", &[]);
    request
        .headers_mut()
        .insert("x-forwarded-user", HeaderValue::from_bytes(b"ad\xff\xe4").unwrap());
    assert!(matches!(EchoApp::new(&samples()).answer(&request), Answer::Whole(_)));
}
