//! What the login service answers, request by request, without a socket.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;

use super::*;
use crate::base::time::Timestamp;
use crate::demo::addresses::samples;

const NOW: u64 = 1_800_000_000;

fn service() -> LoginService {
    LoginService::new(&samples(), Clock::fixed(Timestamp::from_secs(NOW))).unwrap()
}

fn request(method: Method, target: &str, body: &str) -> Request {
    http::Request::builder().method(method).uri(target).body(body.as_bytes().to_vec()).unwrap()
}

fn get(target: &str) -> Response<Vec<u8>> {
    service().respond(&request(Method::GET, target, ""))
}

fn post(target: &str, body: &str) -> Response<Vec<u8>> {
    service().respond(&request(Method::POST, target, body))
}

fn text(response: &Response<Vec<u8>>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

fn field(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers[name].to_str().unwrap()
}

fn claims(token: &str) -> serde_json::Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[test]
fn sign_in_page_offers_everybody_and_the_password() {
    let page = get("/signin?rd=http://127.0.0.1:8080/admin");
    assert_eq!(page.status(), StatusCode::OK);
    for part in [
        "Ada Lovelace",
        "Bob Marsh",
        "<code>demo</code>",
        r#"name="rd" value="http:&#x2f;&#x2f;127.0.0.1:8080&#x2f;admin""#,
    ] {
        assert!(text(&page).contains(part), "{part} is missing in:\n{}", text(&page));
    }
}

#[test]
fn sign_in_sets_the_cookie_and_leads_back() {
    let answer =
        post("/signin", "user=ada&password=demo&rd=http%3A%2F%2F127.0.0.1%3A8080%2Fadmin%3Fx%3D1");
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(field(answer.headers(), header::LOCATION), "http://127.0.0.1:8080/admin?x=1");
    assert_eq!(field(answer.headers(), header::CACHE_CONTROL), "no-store");
    let cookie = field(answer.headers(), header::SET_COOKIE);
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Path=/; Max-Age=28800");
    let said = claims(pair.strip_prefix("sso=").unwrap());
    let expected = json!({
        "iss": "http://127.0.0.1:9090", "aud": "demo", "sub": "ada", "name": "Ada Lovelace",
        "preferred_username": "ada", "email": "ada@example.com", "groups": ["admin", "staff"],
        "iat": NOW, "auth_time": NOW, "exp": NOW + 8 * 3600, "amr": ["pwd"],
    });
    assert_eq!(said, expected);
}

#[test]
fn sign_in_with_a_foreign_return_address_stays_here() {
    for rd in [
        "https%3A%2F%2Fevil.example%2F",
        "%2F%2Fevil.example",
        "http%3A%2F%2F127.0.0.1%3A8080%40evil.example",
        "",
    ] {
        let answer = post("/signin", &format!("user=ada&password=demo&rd={rd}"));
        assert_eq!(field(answer.headers(), header::LOCATION), "/welcome", "{rd}");
    }
}

#[test]
fn a_page_asked_for_a_foreign_return_address_says_so_and_forgets_it() {
    let page = get("/signin?rd=https://evil.example/");
    assert!(text(&page).contains("not one of the demo"), "{}", text(&page));
    assert!(!text(&page).contains("evil.example"));
}

#[test]
fn a_wrong_password_sets_no_cookie_and_keeps_what_was_chosen() {
    let page = post("/signin", "user=bob&password=guess&rd=http%3A%2F%2F127.0.0.1%3A8080%2F");
    assert_eq!(page.status(), StatusCode::FORBIDDEN);
    assert!(!page.headers().contains_key(header::SET_COOKIE));
    assert!(text(&page).contains(r#"value="bob" checked"#), "{}", text(&page));
    assert!(text(&page).contains("127.0.0.1:8080"));
    assert!(!text(&page).contains("guess"));
}

#[test]
fn forms_may_lead_to_the_app_and_nowhere_else() {
    let page = get("/signin");
    let policy = field(page.headers(), header::CONTENT_SECURITY_POLICY);
    assert!(policy.contains("form-action 'self' http://127.0.0.1:8080;"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[test]
fn other_sites_cannot_post_to_it() {
    let service = service();
    for target in ["/signin", "/signout", "/rotate", "/token?user=ada"] {
        let mut request = request(Method::POST, target, "user=ada&password=demo");
        request.headers_mut().insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
        assert_eq!(service.respond(&request).status(), StatusCode::FORBIDDEN, "{target}");
    }
}

#[test]
fn signing_out_asks_first_and_then_clears_the_same_cookie() {
    assert!(!get("/signout").headers().contains_key(header::SET_COOKIE));
    let answer = post("/signout", "");
    assert_eq!(
        field(answer.headers(), header::SET_COOKIE),
        "sso=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0"
    );
}

#[test]
fn discovery_leads_to_the_published_key() {
    let service = service();
    let at = |path: &str| service.respond(&request(Method::GET, path, ""));
    let found = at("/.well-known/openid-configuration");
    let metadata: serde_json::Value = serde_json::from_slice(found.body()).unwrap();
    assert_eq!(metadata["issuer"], "http://127.0.0.1:9090");
    assert_eq!(metadata["jwks_uri"], "http://127.0.0.1:9090/jwks.json");
    let published = at("/jwks.json");
    assert_eq!(field(published.headers(), header::CACHE_CONTROL), "public, max-age=300");
    let set: serde_json::Value = serde_json::from_slice(published.body()).unwrap();
    assert_eq!(set["keys"][0]["alg"], "ES256");
    assert!(set["keys"][0].get("d").is_none());
}

#[test]
fn tokens_name_their_person_and_last_an_hour() {
    let answer = post("/token?user=bob", "");
    let said = claims(text(&answer));
    assert_eq!((said["sub"].as_str(), said["exp"].as_u64()), (Some("bob"), Some(NOW + 3600)));
    assert_eq!(post("/token?user=eve", "").status(), StatusCode::BAD_REQUEST);
}

#[test]
fn rotation_keeps_the_old_key_unless_told_to_forget_it() {
    let service = service();
    let keys = || {
        let set = service.respond(&request(Method::GET, "/jwks.json", ""));
        serde_json::from_slice::<serde_json::Value>(set.body()).unwrap()["keys"]
            .as_array()
            .unwrap()
            .len()
    };
    service.respond(&request(Method::POST, "/rotate", ""));
    assert_eq!(keys(), 2);
    service.respond(&request(Method::POST, "/rotate?forget=1", ""));
    assert_eq!(keys(), 1);
}

#[test]
fn unknown_paths_and_wrong_methods_are_refused() {
    assert_eq!(get("/admin").status(), StatusCode::NOT_FOUND);
    let answer = get("/rotate");
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(field(answer.headers(), header::ALLOW), "POST");
}
