//! What the login service answers, request by request, without a socket.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde_json::json;

use super::*;
use crate::base::time::Timestamp;
use crate::demo::addresses::samples;
use crate::remote::http::ClientSettings;

const NOW: u64 = 1_800_000_000;

fn service() -> LoginService {
    let client = Client::new(&ClientSettings::default()).unwrap();
    let clock = Clock::fixed(Timestamp::from_secs(NOW));
    LoginService::new(&samples(), &Secrets::generate().unwrap(), clock, client).unwrap()
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
        "iss": "http://127.0.0.1:9090", "aud": "sso", "sub": "ada", "name": "Ada Lovelace",
        "preferred_username": "ada", "email": "ada@example.com", "email_verified": true, "groups": ["admin", "staff"],
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
    assert!(
        policy.contains("form-action 'self' http://127.0.0.1:8080 http://localhost:8080;"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[test]
fn other_sites_cannot_post_to_it() {
    let service = service();
    for target in ["/signin", "/signout", "/rotate", "/bearer?user=ada", "/login?"] {
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
    assert_eq!(answer.headers().get_all(header::SET_COOKIE).iter().count(), 2);
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
    let answer = post("/bearer?user=bob", "");
    let said = claims(text(&answer));
    assert_eq!((said["sub"].as_str(), said["exp"].as_u64()), (Some("bob"), Some(NOW + 3600)));
    assert_eq!(post("/bearer?user=eve", "").status(), StatusCode::BAD_REQUEST);
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

const REQUEST: &str = "client_id=demo&redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2F.auth%2Fcallback%2Fdemo\
    &response_type=code&scope=openid&state=s%26s&nonce=n&code_challenge_method=S256\
    &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[test]
fn the_page_of_a_request_keeps_it_and_its_form_leads_back_with_a_code() {
    let service = service();
    let page = service.respond(&request(Method::GET, &format!("/authorize?{REQUEST}"), ""));
    assert_eq!(page.status(), StatusCode::OK);
    let action = text(&page).split("action=\"").nth(1).unwrap().split('"').next().unwrap();
    let action = action.replace("&amp;", "&").replace("&#x2f;", "/");
    assert_eq!(action, format!("/login?{REQUEST}"));
    let answer = |body: &str| service.respond(&request(Method::POST, &action, body));
    let wrong = answer("user=bob&password=guess");
    assert_eq!(wrong.status(), StatusCode::FORBIDDEN);
    assert!(text(&wrong).contains(r#"value="bob" checked"#) && !text(&wrong).contains("guess"));
    assert!(!wrong.headers().contains_key(header::SET_COOKIE));
    let right = answer("user=bob&password=demo");
    assert_eq!(right.status(), StatusCode::SEE_OTHER);
    let location = field(right.headers(), header::LOCATION);
    assert!(location.starts_with("http://127.0.0.1:8080/.auth/callback/demo?code="), "{location}");
    assert!(location.contains("&state=s%26s&"), "{location}");

    let cookie = field(right.headers(), header::SET_COOKIE);
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=28800"), "{cookie}");
    let mut again = request(Method::GET, &format!("/authorize?{REQUEST}"), "");
    let pair = cookie.split(';').next().unwrap().parse().unwrap();
    again.headers_mut().insert(header::COOKIE, pair);
    assert_eq!(service.respond(&again).status(), StatusCode::SEE_OTHER);
}

#[test]
fn a_step_up_asks_for_the_code_alone() {
    let service = service();
    let signed_in = service.respond(&request(Method::POST, "/signin", "user=bob&password=demo"));
    let mut cookies = signed_in.headers().get_all(header::SET_COOKIE).iter();
    let pair = cookies.next_back().unwrap().to_str().unwrap().split(';').next().unwrap().to_owned();
    let target = format!("/authorize?{REQUEST}&acr_values=mfa");
    let mut request = request(Method::GET, &target, "");
    request.headers_mut().insert(header::COOKIE, pair.parse().unwrap());
    let page = service.respond(&request);
    assert!(text(&page).contains("One more step") && text(&page).contains("Bob Marsh"));
    assert!(!text(&page).contains("Ada Lovelace") && !text(&page).contains(r#"name="password""#));
}

#[test]
fn a_request_from_nobody_known_gets_a_page_and_no_redirect() {
    let page = get("/authorize?client_id=evil&redirect_uri=https%3A%2F%2Fevil.example%2F");
    assert_eq!(page.status(), StatusCode::BAD_REQUEST);
    assert!(!page.headers().contains_key(header::LOCATION));
    assert!(!text(&page).contains("evil"));
}

#[test]
fn programs_hear_why_in_the_words_of_the_standard() {
    let service = service();
    let ask = |path: &str, kind: &'static str| {
        let mut request =
            request(Method::POST, path, "grant_type=authorization_code&code=x&token=x");
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        service.respond(&request)
    };
    for path in ["/token", "/revoke"] {
        let answer = ask(path, "application/x-www-form-urlencoded; charset=utf-8");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(field(answer.headers(), header::WWW_AUTHENTICATE), "Basic realm=\"demo\"");
        assert_eq!(field(answer.headers(), header::CACHE_CONTROL), "no-store");
        assert!(text(&answer).contains(r#""error":"invalid_client""#), "{}", text(&answer));
        let unread = ask(path, "application/json");
        assert!(text(&unread).contains(r#""error":"invalid_request""#), "{}", text(&unread));
    }
    let answer = get("/userinfo");
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(field(answer.headers(), header::WWW_AUTHENTICATE), "Bearer error=\"invalid_token\"");
}

#[test]
fn the_metadata_is_what_a_relying_party_needs() {
    let found = get("/.well-known/openid-configuration");
    let metadata = crate::oidc::discovery::parse(found.body(), "http://127.0.0.1:9090").unwrap();
    assert!(metadata.iss_parameter && metadata.backchannel_logout_session);
    let at = |url: &Option<Url>| url.as_ref().map(|url| url.path().to_owned()).unwrap();
    let endpoints = &metadata.endpoints;
    for url in [
        &endpoints.authorization,
        &endpoints.token,
        &endpoints.userinfo,
        &endpoints.end_session,
        &endpoints.revocation,
    ] {
        assert!(Endpoint::at(&at(url)).is_some(), "{url:?}");
    }
}
