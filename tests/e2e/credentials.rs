//! Bearer tokens and cookies that must not count, and what is said about those that do not: nothing but that they do not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::support::forgeries::{forgeries, misfits, rubbish};
use crate::support::oidc_provider::OidcProvider;
use crate::support::process::Sidegate;
use crate::support::raw::{Answer, Request, get};
use crate::support::site::{PUBLIC_AND_REST, Site, before_provider};
use crate::support::tokens::{ISSUER, Issuer, part};
use crate::support::upstream::Upstream;

/// All that a client can see of a refusal, but for what differs between any two answers.
fn visible(answer: &Answer) -> (u16, Vec<String>, Value) {
    let own = |line: &&str| {
        !line.to_lowercase().starts_with("x-request-id:")
            && !line.to_lowercase().starts_with("date:")
    };
    let head = answer.head.lines().filter(own).map(str::to_owned).collect();
    let mut body = answer.json();
    body.as_object_mut().unwrap().remove("request_id");
    (answer.status, head, body)
}

/// CVE-2015-9235, CVE-2016-10555, CVE-2018-0114, CVE-2022-21449, CVE-2025-59420, CVE-2026-25537, CVE-2026-29000,
/// CVE-2025-30204, CVE-2022-29226, and verbose answers: no bad token counts, and none is told from another.
#[tokio::test]
async fn every_bad_token_gets_the_same_401_and_goes_nowhere() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let first = visible(&site.refused(get("/x").bearer("x")).await);
    assert_eq!(first.0, 401);
    let all = [forgeries(&site.issuer), misfits(&site.issuer), rubbish()].concat();
    for (what, token) in &all {
        let answer = site.refused(get("/x").bearer(token)).await;
        assert_eq!(visible(&answer), first, "{what}");
        let challenge = answer.header("www-authenticate").unwrap();
        assert_eq!(challenge, "Bearer realm=\"sidegate\", error=\"invalid_token\"", "{what}");
    }
    assert_eq!(
        site.forwarded(get("/x").bearer(&site.issuer.token("ada")))
            .await
            .values("x-forwarded-user"),
        ["ada"]
    );
}

/// CVE-2026-25748: a broken cookie is nobody, never somebody without a name.
#[tokio::test]
async fn a_bad_cookie_is_no_identity() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let all = [forgeries(&site.issuer), misfits(&site.issuer), rubbish()].concat();
    for (what, token) in all.iter().filter(|(_, token)| token.len() < 30_000) {
        let answer = site.refused(get("/x").cookie(token)).await;
        assert_eq!(answer.status, 401, "{what}");
        assert_eq!(site.ask(get("/x").cookie(token).navigation()).await.status, 302, "{what}");
    }
    site.nothing_since(0, "bad cookies");
}

#[tokio::test]
async fn a_bad_bearer_token_never_falls_back_to_a_good_cookie() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let good = site.issuer.token("ada");
    let expired = site.issuer.token_with("ada", |claims| claims["exp"] = 1.into());
    for authorization in [
        format!("Bearer {expired}"),
        "Bearer x".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        String::new(),
        "Basic YWRhOmFkYQ==".to_owned(),
        "Digest username=\"ada\"".to_owned(),
        "Negotiate TlRMTVNTUAAB".to_owned(),
        format!("DPoP {good}"),
        good.clone(),
        format!("Bearer\t{good}"),
        format!("Bearer {good} {good}"),
        format!("Bearer {good},Bearer {good}"),
        format!("Bearer {good}, Basic eA=="),
        format!("Token {good}"),
        "Bearer caf\u{e9}".to_owned(),
    ] {
        for asked in [get("/x"), get("/x").navigation()] {
            let asked = asked.header("Authorization", &authorization).cookie(&good);
            assert_eq!(site.refused(asked).await.status, 401, "{authorization}");
        }
    }
    let arrived = site.forwarded(get("/x").bearer(&site.issuer.token("bob")).cookie(&good)).await;
    assert_eq!(arrived.values("x-forwarded-user"), ["bob"]);
    for scheme in ["bearer", "BEARER", "bEaReR", "Bearer  "] {
        let arrived =
            site.forwarded(get("/x").header("Authorization", &format!("{scheme} {good}"))).await;
        assert_eq!(arrived.values("x-forwarded-user"), ["ada"], "{scheme}");
    }
}

/// CVE-2020-25017: which of two would count is nobody's guess.
#[tokio::test]
async fn two_explicit_credentials_are_refused_whatever_they_are() {
    let (ada, bob) = (Issuer::new(), Issuer::new());
    let upstream = Upstream::start().await;
    let provider = |name: &str, issuer: &str, keys: &Issuer| {
        let jwks = keys.jwks();
        format!(
            "  - {{ name: {name}, type: jwt, issuer: '{issuer}', audience: web, headers: [X-{name}-Token], jwks: {jwks} }}\n"
        )
    };
    let configuration = format!(
        "listen: 127.0.0.1:0\nadmin: none\nupstream: {}\nproviders:\n{}{}",
        upstream.url(),
        provider("First", ISSUER, &ada),
        provider("Second", "https://second.test", &bob)
    );
    let sidegate = Sidegate::run(&configuration);
    let address = sidegate.address().await;
    let (first, second) = (
        ada.token("ada"),
        bob.token_with("bob", |claims| claims["iss"] = "https://second.test".into()),
    );
    let pairs = [
        get("/x").bearer(&first).bearer(&first),
        get("/x").bearer(&first).bearer(&second),
        get("/x").bearer("x").bearer(&first),
        get("/x").bearer(&first).header("X-First-Token", &first),
        get("/x").bearer(&first).header("X-Second-Token", &second),
        get("/x").header("X-First-Token", &first).header("X-Second-Token", &second),
        get("/x").header("X-First-Token", &first).header("X-First-Token", &first),
        get("/x").header("Authorization", "Basic eA==").bearer(&first),
    ];
    for pair in pairs {
        let answer = pair.send(address).await;
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (400, Some("several_credentials")),
            "{pair:?}"
        );
    }
    assert!(upstream.requests().is_empty());
    for (single, user) in [
        (get("/x").bearer(&first), "ada"),
        (get("/x").bearer(&second), "bob"),
        (get("/x").header("X-First-Token", &first), "ada"),
        (get("/x").header("x-second-token", &second), "bob"),
    ] {
        assert_eq!(single.send(address).await.status, 200, "{single:?}");
        assert_eq!(upstream.requests().last().unwrap().values("x-forwarded-user"), [user]);
    }
    // A header is one provider's: another's token in it does not count.
    assert_eq!(get("/x").header("X-First-Token", &second).send(address).await.status, 401);
}

/// Cookie tossing and sandwiching: names are exact octets, and two of one name are refused.
#[tokio::test]
async fn cookies_are_read_exactly() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let (ada, bob) = (site.issuer.token("ada"), site.issuer.token("bob"));
    let with = |cookie: String| get("/x").header("Cookie", &cookie);
    for cookie in [
        format!("sso={ada}"),
        format!("a=1; sso={ada}; b=2"),
        format!("a=1;sso={ada}"),
        format!(";;;=; sso={ada} ;"),
        format!("xsso={bob}; sso={ada}; ssox={bob}; SSO={bob}; sso2={bob}"),
        format!("$Version=1; sso={ada}"),
        format!("a=\"; sso={ada}; b=\""),
        format!("caf\u{e9}=\u{1f600}; sso={ada}"),
    ] {
        assert_eq!(
            site.forwarded(with(cookie.clone())).await.values("x-forwarded-user"),
            ["ada"],
            "{cookie}"
        );
    }
    for cookie in [
        format!("sso=\"{ada}\""),
        format!("sso ={ada}"),
        format!("SSO={ada}"),
        format!("\u{2000}sso={ada}"),
        format!("sso={ada}, b=2"),
        format!("sso[]={ada}"),
        format!("%73so={ada}"),
        "sso".to_owned(),
        "sso=".to_owned(),
        format!("sso=={ada}"),
        format!("sso={ada}\u{e9}"),
        format!("sso={ada}."),
        "sso=;=;;;==".to_owned(),
    ] {
        assert_eq!(site.refused(with(cookie.clone())).await.status, 401, "{cookie}");
    }
    for asked in [
        with(format!("sso={ada}; sso={bob}")),
        with(format!("sso={ada}; sso={ada}")),
        with(format!("sso=; sso={ada}")),
        with(format!("sso={ada}; a=1; sso=x")),
        with(format!("sso={ada}")).header("Cookie", &format!("sso={bob}")),
    ] {
        let answer = site.refused(asked).await;
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (400, Some("several_cookies"))
        );
    }
    let arrived =
        site.forwarded(with("a=1".to_owned()).header("Cookie", &format!("sso={ada}"))).await;
    assert_eq!(arrived.values("cookie"), [format!("a=1; sso={ada}")]);
}

#[tokio::test]
async fn credentials_count_only_where_they_belong() {
    let routes = "
routes:
  - { name: guests, match: { paths: /guests/* }, access: optional }
  - { name: cookies, match: { paths: /cookies/* }, accepts: [cookie] }
  - { name: tokens, match: { paths: /tokens/* }, accepts: [bearer] }
  - { name: rest, match: { paths: /* } }
";
    let site = Site::start(routes).await;
    let token = site.issuer.token("ada");
    for asked in [
        get(&format!("/x?access_token={token}")),
        get(&format!("/x?sso={token}&token={token}")),
        get("/x").header("X-Access-Token", &token),
        get("/x").header("Proxy-Authorization", &format!("Bearer {token}")),
        get("/x").header("X-Authorization", &format!("Bearer {token}")),
        get("/x").header("Authorization2", &token),
        get("/x").header("Cookie2", &format!("sso={token}")),
        get("/x").header("Set-Cookie", &format!("sso={token}")),
        get("/cookies/x").bearer(&token),
        get("/cookies/x").bearer(&token).cookie(&token),
        get("/tokens/x").cookie(&token),
    ] {
        assert_eq!(site.refused(asked).await.status, 401);
    }
    site.forwarded(get("/cookies/x").cookie(&token)).await;
    site.forwarded(get("/tokens/x").bearer(&token).cookie("garbage")).await;
    assert_eq!(
        site.forwarded(get("/guests/x").bearer(&token)).await.values("x-forwarded-user"),
        ["ada"]
    );
    for guest in [get("/guests/x"), get("/guests/x").cookie("garbage")] {
        assert_eq!(site.forwarded(guest).await.values("x-forwarded-user"), [""; 0]);
    }
    // CVE-2021-21378: on a route for guests, too, an explicit token is valid or refused.
    let foreign =
        site.issuer.token_with("ada", |claims| claims["iss"] = "https://unknown.test".into());
    for asked in [
        get("/guests/x").bearer(&foreign),
        get("/guests/x").bearer("x"),
        get("/guests/x").header("Authorization", "Basic eA=="),
    ] {
        assert_eq!(site.refused(asked).await.status, 401);
    }
}

/// RFC 6750 §3: nothing is called wrong where nothing was offered.
#[tokio::test]
async fn the_challenge_says_error_only_where_something_was_offered() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let nothing = site.refused(get("/x")).await;
    assert_eq!(nothing.header("www-authenticate"), Some("Bearer realm=\"sidegate\""));
    assert_eq!(nothing.json()["error"], "login_required");
    let login = nothing.json()["login_url"].as_str().unwrap().to_owned();
    assert!(login.starts_with(&format!("{ISSUER}/signin?rd=")), "{login}");
    let bad = site.refused(get("/x").bearer("x")).await;
    assert_eq!(
        (bad.json()["error"].as_str(), bad.json()["login_url"].as_str()),
        (Some("invalid_token"), None)
    );
}

fn with_header(token: &str, change: impl FnOnce(&mut Value)) -> String {
    let (header, rest) = token.split_once('.').unwrap();
    let mut header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    change(&mut header);
    format!("{}.{rest}", part(&header))
}

/// The unknown-kid flood (go-oidc #482 and kin): at most one fetch per cooldown, and known keys go on working.
#[tokio::test]
async fn a_flood_of_unknown_keys_costs_the_provider_one_fetch() {
    let Some(provider) = OidcProvider::start().await else { return };
    let cooldown = "  key_refresh: { cooldown: 1h }\n";
    let (upstream, _sidegate, address) = before_provider(&provider, cooldown).await;
    let good = provider.token("ada", "ES256").await;
    assert_eq!(get("/x").bearer(&good).send(address).await.status, 200);
    let before = provider.requests("/jwks").await;
    for n in 0..300 {
        let token = with_header(&good, |header| header["kid"] = format!("unknown-{n}").into());
        assert_eq!(get("/x").bearer(&token).send(address).await.status, 401);
    }
    let after = provider.requests("/jwks").await;
    assert!(after <= before + 1, "{} fetches for 300 tokens", after - before);
    assert_eq!(get("/x").bearer(&good).send(address).await.status, 200);
    assert_eq!(upstream.requests().len(), 2);
}

/// A stranger's issuer, and what a token says about where keys are, cause no request to anywhere.
#[tokio::test]
async fn tokens_of_strangers_cause_no_network() {
    let Some(provider) = OidcProvider::start().await else { return };
    let trap = Upstream::start().await;
    let (upstream, _sidegate, address) = before_provider(&provider, "").await;
    let good = provider.token("ada", "ES256").await;
    assert_eq!(get("/x").bearer(&good).send(address).await.status, 200);
    let count = async || {
        provider.requests("/jwks").await
            + provider.requests("/.well-known/openid-configuration").await
    };
    let before = count().await;
    let stranger = Issuer::new();
    let tricks: Vec<Request> = [
        trap.url(),
        format!("{}/", provider.issuer),
        "https://localhost".to_owned(),
        String::new(),
    ]
    .into_iter()
    .map(|issuer| {
        get("/x").bearer(&stranger.token_with("ada", |claims| claims["iss"] = issuer.into()))
    })
    .collect();
    for trick in tricks {
        assert_eq!(trick.send(address).await.status, 401);
    }
    assert_eq!(count().await, before);
    for name in ["jku", "x5u", "iss", "url"] {
        let token =
            with_header(&good, |header| header[name] = format!("{}/jwks", trap.url()).into());
        assert_eq!(get("/x").bearer(&token).send(address).await.status, 401, "{name}");
    }
    assert!(trap.requests().is_empty());
    assert_eq!(upstream.requests().len(), 1);
}
