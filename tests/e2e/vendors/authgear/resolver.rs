//! The resolver as the judge of what comes: all four credentials, whom they name, and what happens where it does not answer.

use serde_json::json;

use crate::support::authgear::{App, Authgear, WEB};
use crate::support::raw::{Answer, Request, get};
use crate::support::signing_in::soon;

const RESOLVED: &str = "resolver: { RESOLVER }";

async fn resolved(rest: &str) -> Option<(Authgear, App)> {
    let authgear = Authgear::start().await?;
    authgear.register(WEB, &[], &json!({})).await;
    let app = authgear.app("app1.edge.test", RESOLVED, rest).await;
    Some((authgear, app))
}

async fn ask(app: &App, request: Request) -> Answer {
    app.ask(request).await
}

fn user(answer: &Answer) -> Option<&str> {
    (answer.status == 200).then(|| answer.body.split('|').next().unwrap_or_default())
}

#[tokio::test]
async fn s_ag2_the_verdict_becomes_the_headers_of_the_app() {
    let Some((authgear, app)) = resolved("").await else { return };
    let told =
        json!({ "sub": "ada", "amr": ["pwd", "otp"], "roles": ["stock.view", "stock.edit"] });
    authgear.tell("user", &told).await;
    let session = authgear.session("ada").await;
    let answer = ask(&app, get("/").header("Cookie", &format!("session={session}"))).await;
    assert_eq!(answer.body, "ada|pwd otp|stock.view,stock.edit|false|true", "{}", app.log());
    authgear.tell("settings", &json!({ "amr_separator": "," })).await;
    let session = authgear.session("ada").await;
    let answer = ask(&app, get("/").header("Cookie", &format!("session={session}"))).await;
    assert_eq!(answer.body, "ada|pwd otp|stock.view,stock.edit|false|true");
}

#[tokio::test]
async fn s_ag2_the_resolver_sees_its_own_cookies_and_no_others() {
    let Some((authgear, app)) = resolved("").await else { return };
    let session = authgear.session("ada").await;
    let cookie = format!("theme=dark; session={session}; cart=42");
    let answer = ask(&app, get("/").header("Cookie", &cookie).header("X-Secret", "1")).await;
    assert_eq!(user(&answer), Some("ada"));
    let log = authgear.tell("log", &json!({})).await;
    let seen = log.as_array().unwrap().last().unwrap()["headers"].clone();
    assert_eq!(seen["cookie"], format!("session={session}"));
    assert!(seen["x-secret"].is_null() && seen["authorization"].is_null(), "{seen}");
}

#[tokio::test]
async fn s_ag2_who_offers_nothing_causes_no_question_and_gets_401() {
    let Some((authgear, app)) = resolved("").await else { return };
    let answer = ask(&app, get("/").header("Cookie", "theme=dark")).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"sidegate\""));
    assert_eq!(authgear.count("/_resolver/resolve").await, 0);
}

#[tokio::test]
async fn s_ag2_a_bad_bearer_token_is_called_invalid_and_a_bad_cookie_is_cleared() {
    let Some((_authgear, app)) = resolved("").await else { return };
    let answer = ask(&app, get("/").bearer("made-up")).await;
    let invalid = "Bearer realm=\"sidegate\", error=\"invalid_token\"";
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some(invalid)));
    let answer = ask(&app, get("/").header("Cookie", "session=made-up")).await;
    assert_eq!(answer.status, 401);
    let cleared = answer.values("set-cookie");
    assert!(cleared.len() == 1 && cleared[0].starts_with("session=; Path=/; Domain=edge.test;"));
    // The resolver does not clear this one, and nothing is made up for it.
    let answer = ask(&app, get("/").header("Cookie", "app_access_token=made-up")).await;
    assert_eq!((answer.status, answer.values("set-cookie").len()), (401, 0));
}

#[tokio::test]
async fn s_ag2_guests_pass_optional_routes_without_the_cookie_that_does_not_hold() {
    let rest = "routes: [{ name: all, match: { paths: /* }, access: optional }]\n";
    let Some((_authgear, app)) = resolved(rest).await else { return };
    let answer = ask(&app, get("/").header("Cookie", "session=made-up")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "||||"));
    assert_eq!(answer.values("set-cookie").len(), 1, "{answer:?}");
    let answer = ask(&app, get("/").bearer("made-up")).await;
    assert_eq!(answer.status, 401);
}

/// CVE-2025-64484 and kin: no spelling of what the resolver says comes from outside.
#[tokio::test]
async fn s_ag2a_no_header_of_the_resolver_comes_from_outside() {
    let rest = "routes: [{ name: all, match: { paths: /* }, access: optional }]\n";
    let Some((authgear, app)) = resolved(rest).await else { return };
    let session = authgear.session("ada").await;
    let names = [
        "session-valid",
        "user-id",
        "user-anonymous",
        "user-verified",
        "user-can-reauthenticate",
        "session-amr",
        "session-acr",
        "session-authenticated-at",
        "user-roles",
        "user-future",
    ];
    for cookie in [None, Some(format!("session={session}"))] {
        for name in names {
            let name = format!("x-authgear-{name}");
            let spellings = [
                name.clone(),
                name.to_uppercase(),
                name.replace('-', "_"),
                name.replace('-', "."),
                name.replacen("authgear-", "Authgear_", 1),
                name.replacen("x-", "X_", 1),
            ];
            let mut request = get("/");
            for spelling in &spellings {
                request = request.header(spelling, "planted");
            }
            if let Some(cookie) = &cookie {
                request = request.header("Cookie", cookie);
            }
            let answer = ask(&app, request).await;
            assert_eq!(answer.status, 200, "{name}: {answer:?}");
            let requests = app.upstream.requests();
            let head = String::from_utf8_lossy(&requests.last().unwrap().head).into_owned();
            assert!(!head.contains("planted"), "{name}: {head}");
        }
    }
}

/// Each of the four credentials absent, Ada's, Bob's or made up, in every combination and all on one cache: whoever the server's
/// own order finds, and nobody else.
#[tokio::test]
async fn s_ag2b_no_combination_of_credentials_is_another_persons() {
    let Some((authgear, app)) = resolved("").await else { return };
    let mut known = Vec::new();
    for name in ["ada", "bob"] {
        let mut of = Vec::new();
        for kind in ["bearer", "app_session", "app_access_token"] {
            let grant = authgear.grant(name, WEB).await;
            let member = if kind == "app_session" { "refresh_token" } else { "access_token" };
            of.push(grant[member].as_str().unwrap().to_owned());
        }
        of.push(authgear.session(name).await);
        known.push(of);
    }
    let value = |choice: usize, place: usize| match choice {
        0 => None,
        3 => Some(format!("made-up-{place}")),
        person => Some(known[person - 1][place].clone()),
    };
    for _round in 0..2 {
        for number in 0..256_usize {
            let choices = [number & 3, (number >> 2) & 3, (number >> 4) & 3, (number >> 6) & 3];
            let expected = choices.iter().find(|choice| matches!(**choice, 1 | 2));
            let expected = expected.map(|choice| if *choice == 1 { "ada" } else { "bob" });
            let mut request = get("/");
            if let Some(token) = value(choices[0], 0) {
                request = request.bearer(&token);
            }
            let names = ["app_session", "app_access_token", "session"];
            let cookies = names.iter().enumerate().filter_map(|(index, name)| {
                Some(format!("{name}={}", value(choices[index + 1], index + 1)?))
            });
            // In another order than the server's: the order in which a browser sends them says nothing.
            let mut cookies: Vec<String> = cookies.collect();
            cookies.reverse();
            if !cookies.is_empty() {
                request = request.header("Cookie", &cookies.join("; "));
            }
            let answer = ask(&app, request).await;
            assert_eq!(user(&answer), expected, "{choices:?}: {answer:?}\n{}", app.log());
        }
    }
}

#[tokio::test]
async fn s_ag2_a_resolver_that_does_not_answer_is_no_verdict() {
    let Some((authgear, app)) = resolved("").await else { return };
    let faults = [
        json!({ "status": 500 }),
        json!({ "status": 404 }),
        json!({ "status": 302, "location": "https://elsewhere.test/" }),
        json!({ "status": 204 }),
        json!({ "headers": { "x-authgear-user-verified": "perhaps" } }),
        json!({ "hang": true }),
    ];
    for fault in faults {
        authgear.tell("settings", &json!({ "fault": fault })).await;
        let session = authgear.session("ada").await;
        for request in [get("/"), get("/").navigation()] {
            let answer = ask(&app, request.header("Cookie", &format!("session={session}"))).await;
            assert_eq!(answer.status, 503, "{fault}: {answer:?}");
        }
    }
    assert!(app.upstream.requests().is_empty());
    authgear.tell("settings", &json!({ "fault": null })).await;
    let session = authgear.session("ada").await;
    let answer = ask(&app, get("/").header("Cookie", &format!("session={session}"))).await;
    assert_eq!(user(&answer), Some("ada"), "{}", app.log());
}

#[tokio::test]
async fn s_ag2_a_thousand_requests_with_one_credential_are_one_question() {
    let Some((authgear, app)) = resolved("").await else { return };
    let session = authgear.session("ada").await;
    let address = app.sidegate.listener("edge").await;
    let requests: Vec<_> = (0..1_000)
        .map(|_| {
            let request = get("/").header("Cookie", &format!("session={session}"));
            tokio::spawn(async move { request.send_at_edge(address, "app1.edge.test").await })
        })
        .collect();
    for request in requests {
        assert_eq!(user(&request.await.unwrap()), Some("ada"));
    }
    assert_eq!(authgear.count("/_resolver/resolve").await, 1);
}

#[tokio::test]
async fn s_ag7_the_tokens_of_two_apps_count_and_end_together() {
    let Some(authgear) = Authgear::start().await else { return };
    for id in ["APP_A", "APP_B"] {
        authgear.register(id, &[], &json!({})).await;
    }
    let app = authgear
        .app("app1.edge.test", "resolver: { RESOLVER, cache: 1s, cache_invalid: 1s }", "")
        .await;
    let sso = authgear.session("ada").await;
    let mut grants = Vec::new();
    for id in ["APP_A", "APP_B"] {
        let told = json!({ "sub": "ada", "client_id": id, "sso": sso });
        grants.push(authgear.tell("grant", &told).await);
    }
    let token = |index: usize| grants[index]["access_token"].as_str().unwrap();
    for index in [0, 1] {
        assert_eq!(user(&ask(&app, get("/").bearer(token(index))).await), Some("ada"));
    }
    let refresh = grants[0]["refresh_token"].as_str().unwrap();
    authgear.post("/oauth2/revoke", &[("token", refresh), ("client_id", "APP_A")]).await;
    soon(async || {
        let both = [
            ask(&app, get("/").bearer(token(0))).await,
            ask(&app, get("/").bearer(token(1))).await,
        ];
        both.iter().all(|answer| answer.status == 401)
    })
    .await;
}

/// Somebody anonymous makes an account: the cookie and the name stay, and the rules see it within the interval.
#[tokio::test]
async fn s_ag8_an_anonymous_person_who_is_promoted_passes_within_the_interval() {
    let Some(authgear) = Authgear::start().await else { return };
    let rest = "routes:\n  - { name: known, match: { paths: /known }, require: { claims: { 'https://authgear.com/claims/user/is_anonymous': false } } }\n  - { name: rest, match: { paths: /* } }\n";
    let lines = "resolver: { RESOLVER, cache: 1s, cache_invalid: 1s }";
    let app = authgear.app("app1.edge.test", lines, rest).await;
    let person =
        |anonymous: bool| json!({ "sub": "guest", "anonymous": anonymous, "verified": !anonymous });
    authgear.tell("user", &person(true)).await;
    let cookie = format!("session={}", authgear.session("guest").await);
    let asked = async |path: &str| ask(&app, get(path).header("Cookie", &cookie)).await;
    assert_eq!(
        (asked("/known").await.status, asked("/").await.body),
        (403, "guest|pwd||true|false".into())
    );
    authgear.tell("user", &person(false)).await;
    soon(async || asked("/known").await.status == 200).await;
    assert_eq!(asked("/").await.body, "guest|pwd||false|true");
}

#[tokio::test]
async fn s_ag8_rules_speak_of_roles_and_of_anonymous_people() {
    let rest = "routes:\n  - { name: stock, match: { paths: /stock }, require: { roles_any: stock.edit } }\n  - { name: known, match: { paths: /known }, require: { claims: { 'https://authgear.com/claims/user/is_anonymous': false } } }\n  - { name: rest, match: { paths: /* } }\n";
    let Some((authgear, app)) = resolved(rest).await else { return };
    authgear.tell("user", &json!({ "sub": "ada", "roles": ["stock.edit"] })).await;
    authgear
        .tell("user", &json!({ "sub": "somebody", "anonymous": true, "verified": false }))
        .await;
    for (name, path, status) in [
        ("ada", "/stock", 200),
        ("ada", "/known", 200),
        ("somebody", "/stock", 403),
        ("somebody", "/known", 403),
        ("somebody", "/", 200),
    ] {
        let session = authgear.session(name).await;
        let answer = ask(&app, get(path).header("Cookie", &format!("session={session}"))).await;
        assert_eq!(answer.status, status, "{name} {path}: {answer:?}");
    }
}
