//! Tokens of Authgear's apps: JWTs judged here, pre-authenticated addresses, and single sign-on between apps and browsers.

use serde_json::{Value, json};
use url::Url;

use crate::support::authgear::{App, Authgear, WEB};
use crate::support::person::{Person, Stop, Visit, filled_in};
use crate::support::raw::{Answer, Request, get};
use crate::support::signing_in::soon;

const JWT: &str = "verify: jwt";
const NATIVE: &str = "NATIVE";

async fn ask(app: &App, request: Request) -> Answer {
    app.ask(request).await
}

fn identity_fields(app: &App) -> Vec<String> {
    let request = app.upstream.requests().pop().unwrap();
    let head = String::from_utf8(request.head).unwrap();
    let mut fields: Vec<String> = head
        .lines()
        .filter(|line| line.to_ascii_lowercase().starts_with("x-authgear-"))
        .map(str::to_owned)
        .collect();
    fields.sort();
    fields
}

#[tokio::test]
async fn s_ag3_a_jwt_and_the_resolver_say_the_same() {
    let Some(authgear) = Authgear::start().await else { return };
    authgear.register(WEB, &[], &json!({ "issue_jwt_access_token": true })).await;
    let told = json!({ "sub": "ada", "amr": ["pwd", "otp", "mfa"], "roles": ["stock.view", "stock.edit"], "verified": false });
    authgear.tell("user", &told).await;
    let grant = authgear.grant("ada", WEB).await;
    let token = grant["access_token"].as_str().unwrap();
    let mut seen = Vec::new();
    for lines in [JWT, "resolver: { RESOLVER }", "verify: jwt+resolver\nresolver: { RESOLVER }"] {
        let app = authgear.app("api.edge.test", lines, "").await;
        let answer = ask(&app, get("/").bearer(token)).await;
        assert_eq!(answer.status, 200, "{lines}: {answer:?}\n{}", app.log());
        seen.push(identity_fields(&app));
    }
    assert_eq!(seen[0].len(), 8, "{seen:#?}");
    assert_eq!((&seen[0], &seen[0]), (&seen[1], &seen[2]));
}

#[tokio::test]
async fn s_ag3_id_tokens_and_tokens_of_other_apps_are_no_credentials() {
    let Some(authgear) = Authgear::start().await else { return };
    authgear.register(WEB, &[], &json!({ "issue_jwt_access_token": true })).await;
    authgear.register("OTHER", &[], &json!({ "issue_jwt_access_token": true })).await;
    let app = authgear.app("api.edge.test", "verify: jwt\nclients: [WEB1]", "").await;
    let (ours, others) = (authgear.grant("ada", WEB).await, authgear.grant("ada", "OTHER").await);
    let text = |grant: &Value, member: &str| grant[member].as_str().unwrap().to_owned();
    assert_eq!(ask(&app, get("/").bearer(&text(&ours, "access_token"))).await.status, 200);
    assert_eq!(ask(&app, get("/").bearer(&text(&ours, "id_token"))).await.status, 401);
    assert_eq!(ask(&app, get("/").bearer(&text(&others, "access_token"))).await.status, 401);
}

/// A JWT of somebody whose session has ended holds until it expires; with the resolver asked too, no longer than that takes.
#[tokio::test]
async fn s_ag3_a_jwt_that_was_revoked_is_noticed_within_the_interval() {
    let Some(authgear) = Authgear::start().await else { return };
    authgear.register(WEB, &[], &json!({ "issue_jwt_access_token": true })).await;
    let plain = authgear.app("api.edge.test", JWT, "").await;
    let both = "verify: jwt+resolver\nresolver: { RESOLVER, recheck: 1s, cache_invalid: 1s }";
    let both = authgear.app("api.edge.test", both, "").await;
    let grant = authgear.grant("ada", WEB).await;
    let token = grant["access_token"].as_str().unwrap();
    for app in [&plain, &both] {
        assert_eq!(ask(app, get("/").bearer(token)).await.status, 200, "{}", app.log());
    }
    // A token that does not hold here is none of the resolver's business.
    let asked = authgear.count("/_resolver/resolve").await;
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (first, rest) = signature.split_at(1);
    let forged = format!("{signed}.{}{rest}", if first == "A" { "B" } else { "A" });
    assert_eq!(ask(&both, get("/").bearer(&forged)).await.status, 401);
    assert_eq!(authgear.count("/_resolver/resolve").await, asked);
    let refresh = grant["refresh_token"].as_str().unwrap();
    authgear.post("/oauth2/revoke", &[("token", refresh), ("client_id", WEB)]).await;
    soon(async || ask(&both, get("/").bearer(token)).await.status == 401).await;
    assert_eq!(ask(&plain, get("/").bearer(token)).await.status, 200);
}

/// An app signs in in the system's browser; a web app of another domain then needs no password, unless it wants none of that.
#[tokio::test]
async fn s_ag4_a_sign_in_of_an_app_is_one_of_the_browser() {
    for (sso, asks) in [(true, false), (false, true)] {
        let Some(authgear) = Authgear::start().await else { return };
        let lines = format!(
            "client_id: WEB1\nclient_secret: {{ value: s }}\nsso_enabled: {sso}\nid_token_algorithms: [RS256]"
        );
        let app = authgear.app("app.other.test", &lines, "").await;
        authgear.register(WEB, &[&app.site], &json!({ "client_secret": "s" })).await;
        let more = json!({ "redirect_uris": ["https://native.test/done"] });
        authgear.register(NATIVE, &[], &more).await;
        let ada = Person::new();
        sign_in_natively(&authgear, &ada).await;
        let page = ada.open(&app.url("/reports")).await;
        if asks {
            assert!(page.body.contains("Authgear login"), "{page:#?}");
        } else {
            assert_eq!(page.status, 200, "{page:#?}\n{}", app.log());
            assert!(page.body.starts_with("ada|"), "{page:#?}");
        }
        let log = authgear.tell("log", &json!({})).await;
        let asked = log
            .as_array()
            .unwrap()
            .iter()
            .rev()
            .find(|seen| seen["endpoint"] == "/oauth2/authorize");
        let query = asked.unwrap()["query"].as_str().unwrap().to_owned();
        assert!(query.contains(&format!("x_sso_enabled={sso}")), "{query}");
        assert_eq!(query.contains("x_suppress_idp_session_cookie=true"), !sso, "{query}");
    }
}

/// Whoever signs out of the app signs out of the web app that was signed in with it: its next renewal is refused.
#[tokio::test]
async fn s_ag4_signing_out_of_the_app_ends_the_session_of_the_web_app_elsewhere() {
    let Some(authgear) = Authgear::start().await else { return };
    let lines = "client_id: WEB1\nclient_secret: { value: s }\nsso_enabled: true";
    let app = authgear.app("app.other.test", lines, "").await;
    authgear.register(WEB, &[&app.site], &json!({ "client_secret": "s" })).await;
    let more = json!({ "redirect_uris": ["https://native.test/done"] });
    authgear.register(NATIVE, &[], &more).await;
    authgear.tell("settings", &json!({ "expires_in": 2 })).await;
    let ada = Person::new();
    let code = sign_in_natively(&authgear, &ada).await;
    let native = authgear
        .token(&[
            ("grant_type", "authorization_code"),
            ("client_id", NATIVE),
            ("code", &code),
            ("redirect_uri", "https://native.test/done"),
            ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        ])
        .await;
    let page = ada.open(&app.url("/reports")).await;
    assert_eq!(page.status, 200, "{page:#?}\n{}", app.log());
    let renewed = async || authgear.count("/oauth2/token").await;
    let before = renewed().await;
    let api = app.url("/api");
    soon(async || ada.fetch(&api).await.status == 200 && renewed().await > before).await;
    let refresh = native["refresh_token"].as_str().unwrap();
    authgear.post("/oauth2/revoke", &[("token", refresh), ("client_id", NATIVE)]).await;
    soon(async || ada.fetch(&api).await.status == 401).await;
    let page = ada.open(&app.url("/reports")).await;
    assert!(page.body.contains("Authgear login"), "{page:#?}");
}

/// What an app does in the system's browser; the code with which that comes back to it.
async fn sign_in_natively(authgear: &Authgear, person: &Person) -> String {
    let mut url = Url::parse(&format!("{}/oauth2/authorize", authgear.issuer)).unwrap();
    url.query_pairs_mut().extend_pairs([
        ("client_id", NATIVE),
        ("response_type", "code"),
        ("redirect_uri", "https://native.test/done"),
        ("scope", "openid offline_access"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
        ("x_sso_enabled", "true"),
    ]);
    let login = person.open(url.as_str()).await;
    let form = filled_in(&login, &[("login", "ada")]);
    let stop = |visit: &Visit| visit.url.host_str() == Some("native.test");
    let Stop::Before(back) = person.visit_until(form, stop).await else { panic!("no code") };
    assert!(person.jar().named("session").is_some());
    back.url.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned()
}

/// An app that opens a page in a browser: signed in with the first request, and not once sent anywhere.
#[tokio::test]
async fn s_ag6_a_pre_authenticated_address_needs_no_redirect() {
    for lines in [
        "resolver: { RESOLVER, cache: 1s, cache_invalid: 1s }",
        "client_id: WEB1\nresponse_type: none\nresolver: { RESOLVER, cache: 1s, cache_invalid: 1s }",
    ] {
        let Some(authgear) = Authgear::start().await else { return };
        let app = authgear.app("www.edge.test", lines, "").await;
        let (person, refresh, opened) = pre_authenticated(&authgear, &app, json!({})).await;
        let page = person.open(&opened).await;
        let [_authorize, arrived] = page.trail.as_slice() else {
            panic!("{page:#?}\n{}", app.log())
        };
        assert_eq!(arrived.as_str(), app.url("/promo?a=1&state=ST"));
        assert!(page.status == 200 && page.body.starts_with("ada|"), "{page:#?}\n{}", app.log());
        assert!(person.jar().named("session").is_none());
        // Once more, and it is used up.
        assert_eq!(Person::new().open(&opened).await.status, 400);
        authgear
            .post("/oauth2/revoke", &[("token", refresh.as_str()), ("client_id", NATIVE)])
            .await;
        soon(async || person.fetch(&app.url("/promo")).await.status == 401).await;
    }
}

#[tokio::test]
async fn s_ag6_a_token_that_is_a_jwt_counts_where_tokens_are_judged_here() {
    let Some(authgear) = Authgear::start().await else { return };
    let app = authgear.app("www.edge.test", "verify: jwt\ncookie: app_access_token", "").await;
    let more = json!({ "issue_jwt_access_token": true });
    let (person, _, opened) = pre_authenticated(&authgear, &app, more).await;
    let page = person.open(&opened).await;
    assert!(page.status == 200 && page.body.starts_with("ada|"), "{page:#?}\n{}", app.log());
    assert_eq!(authgear.count("/_resolver/resolve").await, 0);
}

/// The server's own order: the app's token before the browser's session.
#[tokio::test]
async fn s_ag6_the_token_of_an_app_comes_before_the_session_of_the_browser() {
    let Some(authgear) = Authgear::start().await else { return };
    authgear.register(WEB, &[], &json!({})).await;
    let app = authgear.app("www.edge.test", "resolver: { RESOLVER }", "").await;
    let session = authgear.session("bob").await;
    let grant = authgear.grant("ada", WEB).await;
    let token = grant["access_token"].as_str().unwrap();
    for cookie in [
        format!("session={session}; app_access_token={token}"),
        format!("app_access_token={token}; session={session}"),
    ] {
        let answer = ask(&app, get("/").header("Cookie", &cookie)).await;
        assert!(answer.body.starts_with("ada|"), "{answer:?}");
    }
    let answer = ask(&app, get("/").header("Cookie", &format!("session={session}"))).await;
    assert!(answer.body.starts_with("bob|"), "{answer:?}");
}

/// Ada's app with the web app's address to open; the refresh token of the app.
async fn pre_authenticated(
    authgear: &Authgear,
    app: &App,
    more: Value,
) -> (Person, String, String) {
    let mut web = json!({ "x_pre_authenticated_url_enabled": true, "x_pre_authenticated_url_allowed_origins": [app.site] });
    for (member, value) in more.as_object().unwrap() {
        web[member] = value.clone();
    }
    authgear.register(WEB, &[&app.site], &web).await;
    authgear.register(NATIVE, &[], &json!({ "x_pre_authenticated_url_enabled": true })).await;
    let scope =
        "openid offline_access device_sso https://authgear.com/scopes/pre-authenticated-url";
    let told = json!({ "sub": "ada", "client_id": NATIVE, "scope": scope });
    let grant = authgear.tell("grant", &told).await;
    let text = |value: &Value, member: &str| value[member].as_str().unwrap().to_owned();
    let (id_token, secret) = (text(&grant, "id_token"), text(&grant, "device_secret"));
    let exchanged = authgear
        .token(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("client_id", WEB),
            (
                "requested_token_type",
                "urn:authgear:params:oauth:token-type:pre-authenticated-url-token",
            ),
            ("audience", &authgear.issuer),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
            ("subject_token", &id_token),
            ("actor_token_type", "urn:x-oath:params:oauth:token-type:device-secret"),
            ("actor_token", &secret),
        ])
        .await;
    let mut url = Url::parse(&format!("{}/oauth2/authorize", authgear.issuer)).unwrap();
    url.query_pairs_mut().extend_pairs([
        ("client_id", WEB),
        ("prompt", "none"),
        ("response_mode", "cookie"),
        ("response_type", "urn:authgear:params:oauth:response-type:pre-authenticated-url token"),
        ("id_token_hint", &text(&exchanged, "id_token")),
        ("x_pre_authenticated_url_token", &text(&exchanged, "access_token")),
        ("state", "ST"),
        ("redirect_uri", &app.url("/promo?a=1")),
        ("x_sso_enabled", "false"),
    ]);
    (Person::new(), text(&grant, "refresh_token"), url.into())
}
