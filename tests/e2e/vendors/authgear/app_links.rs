//! Apps that sign in through other apps: the files and links on the way, and what the tokens at its end are good for.

use serde_json::{Value, json};
use sidegate::clock::Clock;
use url::Url;

use crate::support::authgear::{App, Authgear};
use crate::support::person::{Person, Stop, Visit, filled_in};
use crate::support::raw::{Answer, Connection, Request, get, request};
use crate::support::tokens::Issuer;

const LINKS: &str = "app_links:\n  apple: { text: '{\"applinks\": {\"details\": []}}' }\n  android: { text: '[]' }\n  paths: [/authorize, /redirect]\n";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn ask(app: &App, request: Request) -> Answer {
    app.ask(request).await
}

#[tokio::test]
async fn s_ag5_phones_get_their_files_on_every_host_and_without_the_app() {
    let Some(authgear) = Authgear::start().await else { return };
    let app = authgear.app("a.edge.test", "resolver: { RESOLVER }", LINKS).await;
    for host in ["a.edge.test", "b.edge.test", "elsewhere.other.test"] {
        for (path, body) in [
            ("/.well-known/apple-app-site-association", "{\"applinks\": {\"details\": []}}"),
            ("/apple-app-site-association", "{\"applinks\": {\"details\": []}}"),
            ("/.well-known/assetlinks.json", "[]"),
        ] {
            let answer = ask(&app, get(path).host(host).navigation()).await;
            let kind = answer.header("content-type");
            assert_eq!((answer.status, kind), (200, Some("application/json")), "{answer:?}");
            assert_eq!(answer.body, body);
            assert_eq!((answer.header("location"), answer.header("set-cookie")), (None, None));
            let head = head_of(&app, path, host).await;
            assert!(
                head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"),
                "{head}"
            );
        }
    }
    assert!(app.upstream.requests().is_empty());
    assert_eq!(authgear.count("/_resolver/resolve").await, 0);
}

/// All that is answered to HEAD.
async fn head_of(app: &App, path: &str, host: &str) -> String {
    let mut connection = Connection::open_at_edge(app.sidegate.listener("edge").await, host).await;
    let head = request("HEAD", path).host(host).header("Connection", "close");
    connection.send(&head.bytes()).await;
    String::from_utf8(connection.rest().await).unwrap()
}

#[tokio::test]
async fn s_ag5_a_file_that_is_left_out_may_be_the_apps_own() {
    let Some(authgear) = Authgear::start().await else { return };
    let rest = "app_links: { paths: [/authorize] }\nroutes:\n  - { name: files, match: { paths: /.well-known/assetlinks.json }, access: public }\n  - { name: rest, match: { paths: /* } }\n";
    let app = authgear.app("a.edge.test", "resolver: { RESOLVER }", rest).await;
    assert_eq!(ask(&app, get("/.well-known/assetlinks.json")).await.status, 200);
    assert_eq!(app.upstream.only_request().target(), "/.well-known/assetlinks.json");
    assert_eq!(ask(&app, get("/.well-known/apple-app-site-association")).await.status, 401);
}

#[tokio::test]
async fn s_ag5_a_link_in_a_browser_leads_nowhere_and_is_not_kept() {
    let Some(authgear) = Authgear::start().await else { return };
    let lines = "client_id: WEB1\nresponse_type: none\nresolver: { RESOLVER }";
    let rest = format!("{LINKS}log: {{ requests: all }}\n");
    let app = authgear.app("a.edge.test", lines, &rest).await;
    authgear.register("WEB1", &[&app.site], &json!({})).await;
    let query =
        "client_id=APP_B&redirect_uri=https%3A%2F%2Fevil.test&state=s3cret-state&code=s3cret-code";
    for path in ["/authorize", "/redirect"] {
        for cookie in ["theme=dark", "session=made-up"] {
            let link = get(&format!("{path}?{query}")).navigation().header("Cookie", cookie);
            let answer = ask(&app, link).await;
            assert_eq!((answer.status, answer.header("location")), (200, None), "{answer:?}");
            assert_eq!(answer.header("set-cookie"), None);
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
            let policy = "default-src 'none'; frame-ancestors 'none'";
            assert_eq!(answer.header("content-security-policy"), Some(policy));
            assert!(!answer.body.contains("s3cret") && !answer.body.contains("evil"));
        }
        assert_eq!(ask(&app, request("POST", path)).await.status, 405);
    }
    assert!(app.upstream.requests().is_empty());
    assert_eq!(authgear.count("/_resolver/resolve").await, 0);
    // A request whose line in the log comes behind theirs.
    ask(&app, get("/last")).await;
    app.sidegate.program.wait_for(|line| line.contains("/last").then_some(())).await;
    let log = app.log();
    assert!(log.contains("/authorize") && !log.contains("s3cret"), "{log}");
}

/// App B has app A, where somebody is signed in, approve its sign-in. Its token is good, and as weak as it is.
#[tokio::test]
async fn s_ag5_a_token_that_another_app_approved_is_good_but_not_strong() {
    let Some(authgear) = Authgear::start().await else { return };
    let jwt = json!({ "issue_jwt_access_token": true, "x_app2app_enabled": true });
    for (id, uri) in
        [("APP_A", "https://a.native.test/done"), ("APP_B", "https://b.edge.test/redirect")]
    {
        let mut client = jwt.clone();
        client["redirect_uris"] = json!([uri]);
        authgear.register(id, &[], &client).await;
    }
    authgear.tell("user", &json!({ "sub": "ada", "amr": ["pwd", "otp", "mfa"] })).await;
    let rest = "app_links: { paths: [/authorize, /redirect] }\nroutes:\n  - { name: strong, match: { paths: /strong }, require: { amr_any: mfa } }\n  - { name: fresh, match: { paths: /fresh }, require: { max_auth_age: 10m } }\n  - { name: rest, match: { paths: /* } }\n";
    let judged_here =
        authgear.app("api.edge.test", "verify: jwt\nclients: [APP_A, APP_B]", rest).await;
    let resolved = authgear.app("api.edge.test", "resolver: { RESOLVER }", rest).await;

    let device = Issuer::new();
    let of_a = sign_in_to_a(&authgear, &device).await;
    let refresh = of_a["refresh_token"].as_str().unwrap();
    let approval = device_jwt(&authgear, &device, "approve").await;
    let approve = [
        ("grant_type", "urn:authgear:params:oauth:grant-type:app2app-request"),
        ("client_id", "APP_B"),
        ("jwt", approval.as_str()),
        ("refresh_token", refresh),
        ("redirect_uri", "https://b.edge.test/redirect"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let code = authgear.token(&approve).await["code"].as_str().unwrap().to_owned();
    // Its challenge is used up: what B's app could have copied is of no use.
    assert_eq!(authgear.token(&approve).await["error"], "invalid_request");
    // Where app B is missing, its link comes to a browser, and uses nothing up.
    let link = get(&format!("/redirect?code={code}&state=s1")).host("b.edge.test");
    let shown = ask(&resolved, link.navigation()).await;
    assert_eq!((shown.status, shown.header("location")), (200, None), "{shown:?}");
    let of_b = authgear
        .token(&[
            ("grant_type", "authorization_code"),
            ("client_id", "APP_B"),
            ("code", &code),
            ("redirect_uri", "https://b.edge.test/redirect"),
            ("code_verifier", VERIFIER),
        ])
        .await;
    for app in [&judged_here, &resolved] {
        let token = |grant: &Value| grant["access_token"].as_str().unwrap().to_owned();
        for path in ["/", "/strong", "/fresh"] {
            let answer = ask(app, get(path).bearer(&token(&of_a))).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}\n{}", app.log());
        }
        assert_eq!(ask(app, get("/").bearer(&token(&of_b))).await.status, 200);
        for path in ["/strong", "/fresh"] {
            let answer = ask(app, get(path).bearer(&token(&of_b))).await;
            let said = answer.header("www-authenticate").unwrap_or_default();
            assert_eq!(answer.status, 401, "{path}: {answer:?}");
            assert!(said.contains("error=\"insufficient_user_authentication\""), "{said}");
        }
    }
}

/// The tokens of app A, whose login binds the key of its device.
async fn sign_in_to_a(authgear: &Authgear, device: &Issuer) -> Value {
    let mut url = Url::parse(&format!("{}/oauth2/authorize", authgear.issuer)).unwrap();
    url.query_pairs_mut().extend_pairs([
        ("client_id", "APP_A"),
        ("response_type", "code"),
        ("redirect_uri", "https://a.native.test/done"),
        ("scope", "openid offline_access"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("x_sso_enabled", "true"),
    ]);
    let person = Person::new();
    let login = person.open(url.as_str()).await;
    let stop = |visit: &Visit| visit.url.host_str() == Some("a.native.test");
    let form = filled_in(&login, &[("login", "ada")]);
    let Stop::Before(back) = person.visit_until(form, stop).await else { panic!("no code") };
    let code = back.url.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let setup = device_jwt(authgear, device, "setup").await;
    authgear
        .token(&[
            ("grant_type", "authorization_code"),
            ("client_id", "APP_A"),
            ("code", &code),
            ("redirect_uri", "https://a.native.test/done"),
            ("code_verifier", VERIFIER),
            ("x_app2app_device_key_jwt", &setup),
        ])
        .await
}

/// What a device signs with its key, for a challenge that was just asked for.
async fn device_jwt(authgear: &Authgear, device: &Issuer, action: &str) -> String {
    let asked = authgear.post("/oauth2/challenge", &[]).await;
    let challenge = crate::support::http::json(asked).await["result"]["token"].clone();
    let now = Clock::system().now().as_secs();
    let mut header = device.header();
    header["typ"] = json!("vnd.authgear.app2app-request");
    header["kid"] = json!("device-key-1");
    header["jwk"] = device.jwk().clone();
    let claims = json!({ "iat": now, "exp": now + 60, "challenge": challenge, "action": action });
    device.sign(&header, &claims)
}
