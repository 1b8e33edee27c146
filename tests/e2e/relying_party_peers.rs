//! The providers and the people of the sign-in tests, each tried for what it promises. No sidegate runs here: a relying
//! party is played by hand, so that a failure says who is wrong.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use url::Url;

use crate::support::http::{client, json as body};
use crate::support::jar::{From, Jar};
use crate::support::misbehaving::{CLIENT_ID, CLIENT_SECRET, Misbehaving, Provider};
use crate::support::oidc_provider::OidcProvider;
use crate::support::person::{Person, Stop, Visit};

const SITE: &str = "http://app.test:1";
const CALLBACK: &str = "http://app.test:1/.auth/callback/main";
/// The real provider takes ASCII only (RFC 6749 appendix A.2).
const PLAIN_SECRET: &str = "a secret";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The parameters of a good authorization request.
fn request(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    let mut all: Vec<(String, String)> = [
        ("client_id", CLIENT_ID),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid email groups"),
        ("state", "a-state"),
        ("nonce", "a-nonce-of-some-length"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, value) in changes {
        all.retain(|(found, _)| found != name);
        if !value.is_empty() {
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
    }
    all
}

fn address(endpoint: &str, changes: &[(&str, &str)]) -> String {
    Url::parse_with_params(endpoint, request(changes)).unwrap().into()
}

/// The answer to the client, without delivering it.
async fn answer(person: &Person, address: &str) -> Option<Url> {
    let stop = |visit: &Visit| visit.url.as_str().starts_with(CALLBACK);
    match person.visit_until(Visit::typed(address), stop).await {
        Stop::Before(visit) if visit.form.is_empty() => Some(visit.url),
        Stop::Before(visit) => Some(Url::parse_with_params(CALLBACK, visit.form).unwrap()),
        Stop::At(_) => None,
    }
}

fn param(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

fn basic(id: &str, secret: &str) -> String {
    let encode =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

async fn post(url: &str, authorization: &str, form: &[(&str, &str)]) -> (u16, Value) {
    let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = client()
        .post(url)
        .header("authorization", authorization)
        .header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(text).send().await.unwrap();
    (response.status().as_u16(), body(response).await)
}

async fn redeem(token_endpoint: &str, code: &str) -> (u16, Value) {
    redeem_with(CLIENT_SECRET, token_endpoint, code).await
}

async fn redeem_with(secret: &str, token_endpoint: &str, code: &str) -> (u16, Value) {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    post(token_endpoint, &basic(CLIENT_ID, secret), &form).await
}

async fn started() -> Option<(Misbehaving, Provider)> {
    let program = Misbehaving::start().await?;
    let provider = program.provider("one");
    provider.register(SITE, "main", &json!({})).await;
    Some((program, provider))
}

fn claims(tokens: &Value) -> Value {
    let token = tokens["id_token"].as_str().unwrap_or_else(|| panic!("no ID token: {tokens}"));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap())
        .unwrap()
}

#[tokio::test]
async fn the_strict_provider_signs_in_who_asks_rightly() {
    let Some((_program, provider)) = started().await else { return };
    let (person, authorize) = (Person::new(), format!("{}/authorize", provider.issuer));
    for mode in ["query", "form_post"] {
        let landed =
            answer(&person, &address(&authorize, &[("response_mode", mode)])).await.unwrap();
        assert_eq!(param(&landed, "state").as_deref(), Some("a-state"));
        assert_eq!(param(&landed, "iss"), Some(provider.issuer.clone()));
        let code = param(&landed, "code").unwrap();
        let token_endpoint = format!("{}/token", provider.issuer);
        let (status, tokens) = redeem(&token_endpoint, &code).await;
        assert_eq!((status, tokens["token_type"].as_str()), (200, Some("Bearer")));
        let claims = claims(&tokens);
        assert_eq!((claims["sub"].as_str(), claims["aud"].as_str()), (Some("ada"), Some("web")));
        assert_eq!(claims["sid"], provider.sid().await);
        let (status, again) = redeem(&token_endpoint, &code).await;
        assert_eq!((status, again["error"].as_str()), (400, Some("invalid_grant")));
    }
}

#[tokio::test]
async fn the_strict_provider_refuses_what_is_not_right() {
    let Some((_program, provider)) = started().await else { return };
    let authorize = format!("{}/authorize", provider.issuer);
    let unredirected =
        [("client_id", "other"), ("redirect_uri", "http://app.test:1/"), ("redirect_uri", "")];
    for change in unredirected {
        let page = Person::new().open(&address(&authorize, &[change])).await;
        assert_eq!((page.status, page.trail.len()), (400, 1), "{change:?}");
    }
    let wrong = [
        ("response_type", "token"),
        ("response_mode", "fragment"),
        ("scope", "email"),
        ("scope", "openid openid"),
        ("state", ""),
        ("nonce", ""),
        ("code_challenge", "short"),
        ("code_challenge_method", "plain"),
        ("prompt", "none login"),
        ("prompt", "maybe"),
        ("max_age", "soon"),
        ("prompt", "none"),
    ];
    for change in wrong {
        let landed = answer(&Person::new(), &address(&authorize, &[change])).await.unwrap();
        assert!(
            param(&landed, "error").is_some() && param(&landed, "code").is_none(),
            "{change:?}: {landed}"
        );
    }
    let token_endpoint = format!("{}/token", provider.issuer);
    for authorization in
        [basic(CLIENT_ID, "guess"), basic("other", CLIENT_SECRET), "Basic d2ViOmEgYg==".to_owned()]
    {
        let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
        let (status, error) = post(&token_endpoint, &authorization, &form).await;
        assert_eq!(
            (status, error["error"].as_str()),
            (401, Some("invalid_client")),
            "{authorization}"
        );
    }
    assert!(
        provider
            .log()
            .await
            .iter()
            .all(|seen| { seen.refused().is_some() || seen.param("prompt") == Some("none") })
    );
}

#[tokio::test]
async fn the_strict_provider_ends_a_family_whose_refresh_token_is_used_twice() {
    let Some((_program, provider)) = started().await else { return };
    provider.set(json!({ "refresh": "always" })).await;
    let authorize = format!("{}/authorize", provider.issuer);
    let landed = answer(&Person::new(), &address(&authorize, &[])).await.unwrap();
    let token_endpoint = format!("{}/token", provider.issuer);
    let (_, first) = redeem(&token_endpoint, &param(&landed, "code").unwrap()).await;
    let refresh = async |tokens: &Value| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ];
        post(&token_endpoint, &basic(CLIENT_ID, CLIENT_SECRET), &form).await
    };
    let (status, second) = refresh(&first).await;
    assert_eq!(status, 200);
    assert_eq!(refresh(&first).await.0, 400);
    assert_eq!(refresh(&second).await.0, 400);
}

#[tokio::test]
async fn the_strict_provider_refuses_a_misbehaviour_that_is_misspelt() {
    let Some((_program, provider)) = started().await else { return };
    let url = format!("{}/test/misbehave", provider.issuer);
    for told in [json!({ "id_token": { "wrong-iss": true } }), json!({ "id-token": {} })] {
        let response = client().post(&url).body(told.to_string()).send().await.unwrap();
        assert_eq!(response.status(), 400, "{told}");
    }
    provider.misbehave(json!({ "id_token": { "invalid-iss": true } })).await;
}

#[tokio::test]
async fn the_real_provider_signs_people_in_and_out() {
    let Some(provider) = OidcProvider::start().await else { return };
    provider
        .register(&json!({
            "client_id": CLIENT_ID, "client_secret": PLAIN_SECRET, "redirect_uris": [CALLBACK],
            "post_logout_redirect_uris": [CALLBACK], "backchannel_logout_uri": format!("{SITE}/bye"),
        }))
        .await;
    let (person, auth) = (Person::new(), format!("{}/auth", provider.issuer));
    let silent = answer(&person, &address(&auth, &[("prompt", "none")])).await.unwrap();
    assert_eq!(param(&silent, "error").as_deref(), Some("login_required"));
    let login = person.open(&address(&auth, &[])).await;
    let refused = person.fill_in(&login, &[("login", "ada"), ("password", "guess")]).await;
    assert_eq!(refused.status, 403);
    let typed = [("login", "ada"), ("password", "password")];
    let stop = |visit: &Visit| visit.url.as_str().starts_with(CALLBACK);
    let visit = crate::support::person::filled_in(&refused, &typed);
    let Stop::Before(landed) = person.visit_until(visit, stop).await else { panic!("no answer") };
    let code = param(&landed.url, "code").unwrap();
    let (status, tokens) =
        redeem_with(PLAIN_SECRET, &format!("{}/token", provider.issuer), &code).await;
    assert_eq!(status, 200, "{tokens}");
    let claims = claims(&tokens);
    assert_eq!(claims["groups"], json!(["admin", "staff"]));
    assert_eq!((claims["acr"].as_str(), &claims["amr"]), (Some("pwd"), &json!(["pwd"])));
    assert!(claims["sid"].is_string() && tokens["refresh_token"].is_string(), "{claims} {tokens}");
    assert!(
        answer(&person, &address(&auth, &[("prompt", "none")]))
            .await
            .is_some_and(|url| param(&url, "code").is_some())
    );
    assert!(answer(&person, &address(&auth, &[("acr_values", "mfa")])).await.is_none());
    let end = [
        ("id_token_hint", tokens["id_token"].as_str().unwrap()),
        ("post_logout_redirect_uri", CALLBACK),
        ("state", "bye"),
    ];
    let end = Url::parse_with_params(&format!("{}/session/end", provider.issuer), end).unwrap();
    let page = person.open(end.as_str()).await;
    let visit = crate::support::person::filled_in(&page, &[]);
    let Stop::Before(left) = person.visit_until(visit, stop).await else { panic!("no way back") };
    assert_eq!(param(&left.url, "state").as_deref(), Some("bye"));
    // Nobody listens there: it was tried.
    let logouts = provider.logouts().await;
    assert_eq!((&logouts[0]["client"], &logouts[0]["done"]), (&json!(CLIENT_ID), &json!(false)));
    let silent = answer(&person, &address(&auth, &[("prompt", "none")])).await.unwrap();
    assert_eq!(param(&silent, "error").as_deref(), Some("login_required"));
}

#[test]
fn a_jar_keeps_and_sends_as_browsers_do() {
    let url = |text: &str| Url::parse(text).unwrap();
    let here = url("http://a.site.test:81/.auth/login");
    let mut jar = Jar::default();
    for field in [
        "whole=1; Path=/",
        "own=2; Path=/.auth; HttpOnly; SameSite=Strict",
        "default=3",
        "apex=4; Domain=site.test; Path=/; Max-Age=60; SameSite=Lax",
    ] {
        assert_eq!(jar.take(&here, field), Ok(()), "{field}");
    }
    for field in [
        "x=1; Secure",
        "x=1; SameSite=None",
        "__Host-x=1; Path=/",
        "__Secure-x=1",
        "x=1; Domain=other.test",
        "x=1; Domain=te.test",
        "x=1; Domain=test",
        "__HOST-x=1; Path=/",
    ] {
        assert!(jar.take(&here, field).is_err(), "{field}");
    }
    let sent = |jar: &Jar, to: &str, from| jar.sent(&url(to), from).unwrap_or_default();
    assert_eq!(
        sent(&jar, "http://a.site.test:82/.auth/x", From::Own),
        "own=2; default=3; whole=1; apex=4"
    );
    assert_eq!(sent(&jar, "http://a.site.test/.authority", From::Own), "whole=1; apex=4");
    assert_eq!(sent(&jar, "http://b.site.test/", From::Own), "apex=4");
    assert_eq!(
        sent(&jar, "http://a.site.test/.auth", From::ForeignLink),
        "default=3; whole=1; apex=4"
    );
    assert_eq!(sent(&jar, "http://a.site.test/.auth", From::ForeignPage), "");
    assert_eq!(jar.take(&here, "whole=; Path=/; Max-Age=0"), Ok(()));
    jar.forget(|kept| !kept.persistent);
    assert_eq!(sent(&jar, "http://a.site.test/.auth", From::Own), "apex=4");
    let secure = url("https://a.site.test/");
    for field in
        ["__Host-x=1; Path=/; Secure", "y=1; Path=/; Secure", "apex=5; Domain=site.test; Path=/"]
    {
        assert_eq!(jar.take(&secure, field), Ok(()), "{field}");
    }
    for field in ["__Host-x=1; Path=/; Secure; Domain=site.test", "__Host-x=1; Path=/x; Secure"] {
        assert!(jar.take(&secure, field).is_err(), "{field}");
    }
    // What came by TLS goes by TLS, and is not replaced from outside of it. One that was replaced is as old as it was.
    assert!(jar.take(&here, "y=2; Path=/").is_err());
    assert_eq!(sent(&jar, "http://a.site.test/", From::Own), "apex=5");
    assert_eq!(sent(&jar, "https://a.site.test/", From::Own), "apex=5; __Host-x=1; y=1");
    assert_eq!(sent(&jar, "https://b.site.test/", From::Own), "apex=5");
}
