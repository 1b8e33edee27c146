//! Okta: clearing the session, which takes an ID token that has not run out, and being told in a frame.

use std::time::Duration;

use serde_json::json;

use super::app::{App, HOUR, Plan, later};
use super::okta::{app, head};
use crate::support::clock::Clock;
use crate::support::http::client;
use crate::support::person::{Page, Person, Stop, Visit};
use crate::support::signing_in::soon;
use crate::support::vendors::{Tenant, tenants};

/// Signs out; where that leads at Okta first, if it leads there, and where it ends.
async fn signed_out(app: &App, person: &Person) -> (Option<url::Url>, Page) {
    let stop = |visit: &Visit| visit.url.path().ends_with("/logout") && !app.has(&visit.url);
    match person.visit_until(app.sign_out(), stop).await {
        Stop::Before(visit) => {
            let url = visit.url.clone();
            (Some(url), person.visit(visit).await)
        }
        Stop::At(page) => (None, page),
    }
}

fn is_signed_out(page: &Page) {
    assert_eq!((page.status, page.url.path()), (200, "/.auth/signed-out"), "{page:#?}");
}

fn parameter(url: &url::Url, wanted: &str) -> Option<String> {
    url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
}

/// S-K4: right after signing in, the ID token of the sign-in is the hint; the refresh token is withdrawn.
#[tokio::test]
async fn s_k4_signing_out_clears_the_session_at_okta() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let one = app("app1", &okta, Plan::default()).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    let tokens = okta.count("token").await;
    let (url, page) = signed_out(&one, &ada).await;
    let url = url.unwrap();
    assert_eq!(url.path(), "/oauth2/default/v1/logout");
    let back = one.url("/.auth/signed-out");
    assert_eq!(parameter(&url, "post_logout_redirect_uri"), Some(back));
    assert!(parameter(&url, "id_token_hint").is_some() && parameter(&url, "state").is_some());
    is_signed_out(&page);
    assert_eq!((okta.count("token").await, okta.sessions().await), (tokens, 0));
    soon(async || okta.count("revocation").await == 1).await;
    let withdrawn = okta.last("revocation").await;
    assert_eq!(
        (withdrawn.param("token_type_hint"), withdrawn.refused()),
        (Some("refresh_token"), None)
    );
    one.asks(&ada).await;
}

/// S-K4: the ID token has run out, and Okta would show an error page: a fresh one is got first.
#[tokio::test]
async fn s_k4_an_id_token_that_has_run_out_is_replaced_first() {
    let Some(clock) = Clock::start() else { return };
    let Some([okta]) = tenants(["okta"]).await else { return };
    // Access tokens that outlive ID tokens: otherwise the session would have been renewed meanwhile, with a new one.
    okta.set(json!({ "expires_in": 86_400 })).await;
    let one = app("app1", &okta, Plan { clock: Some(&clock), ..Plan::default() }).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    later(&clock, &okta, HOUR + Duration::from_secs(60)).await;
    one.knows(&ada, "00uada").await;
    let before = okta.count("token").await;
    let (url, page) = signed_out(&one, &ada).await;
    assert!(url.is_some(), "{page:#?}");
    is_signed_out(&page);
    let refreshed = okta.last("token").await;
    assert_eq!(
        (okta.count("token").await, refreshed.param("grant_type")),
        (before + 1, Some("refresh_token"))
    );
    assert_eq!(okta.last("end_session").await.refused(), None);
    assert_eq!(okta.sessions().await, 0);
    one.asks(&ada).await;
}

/// S-K4: there is no way to a fresh one. The session here ends, Okta is left alone, and the log says so.
#[tokio::test]
async fn s_k4_without_a_way_to_a_fresh_hint_only_the_session_here_ends() {
    let Some(clock) = Clock::start() else { return };
    let Some([okta]) = tenants(["okta"]).await else { return };
    let plan =
        Plan { provider: "scopes: [openid, email]\n", clock: Some(&clock), ..Plan::default() };
    let one = app("app1", &okta, plan).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    later(&clock, &okta, HOUR + Duration::from_secs(60)).await;
    let (url, page) = signed_out(&one, &ada).await;
    assert_eq!(url, None);
    is_signed_out(&page);
    assert_eq!((one.user(&ada).await, okta.count("end_session").await), (None, 0));
    one.logs("there is no ID token that has not run out").await;
    // As it must be expected, and as the log warns: Okta still knows them.
    one.knows(&ada, "00uada").await;
}

/// S-K4: the refresh token is refused; the same as without.
#[tokio::test]
async fn s_k4_a_refused_refresh_token_leads_to_no_error_page() {
    let Some(clock) = Clock::start() else { return };
    let Some([okta]) = tenants(["okta"]).await else { return };
    okta.set(json!({ "expires_in": 86_400 })).await;
    let one = app("app1", &okta, Plan { clock: Some(&clock), ..Plan::default() }).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    okta.set(json!({ "down": true })).await;
    later(&clock, &okta, HOUR + Duration::from_secs(60)).await;
    let (url, page) = signed_out(&one, &ada).await;
    assert_eq!(url, None);
    is_signed_out(&page);
    assert_eq!(one.user(&ada).await, None);
}

/// What a frame of Okta's sign-out page gets: no cookie, whatever the browser has.
async fn framed(url: &str) -> reqwest::Response {
    client()
        .get(url)
        .header("sec-fetch-dest", "iframe")
        .header("sec-fetch-site", "cross-site")
        .send()
        .await
        .unwrap()
}

async fn front_channel(tenant: &Tenant, issuer: &str, extra: &str) -> (u16, bool) {
    tenant.set(json!({ "slo_issuer": issuer })).await;
    let plan = Plan { provider: extra, ..Plan::default() };
    let one = App::start("app1", tenant, &head(tenant), plan).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    let sid = tenant.sid().await;
    let frames = tenant.frames(&sid).await;
    let frame = frames.iter().find(|url| url.starts_with(&one.site)).unwrap();
    let response = framed(frame).await;
    let status = response.status().as_u16();
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(!response.headers().contains_key("x-frame-options"));
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert_eq!(policy, format!("default-src 'none'; frame-ancestors {}", tenant.origin));
    (status, one.user(&ada).await.is_none())
}

/// S-K4: the frame ends the session without a cookie, named by `iss` and `sid`; the organization may speak for its servers where
/// the configuration says so.
#[tokio::test]
async fn s_k4_a_frame_without_cookies_ends_the_session_that_it_names() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    assert_eq!(front_channel(&okta, "server", "").await, (200, true));
    let org = format!("logout: {{ frontchannel_issuers: [\"{}\"] }}\n", okta.origin);
    assert_eq!(front_channel(&okta, "org", &org).await, (200, true));
    assert_eq!(front_channel(&okta, "org", "").await, (400, false));
}

/// S-K4: a frame with somebody else's names ends nothing.
#[tokio::test]
async fn s_k4_a_frame_that_names_nothing_right_ends_nothing() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let one = app("app1", &okta, Plan::default()).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    let (sid, iss) = (okta.sid().await, format!("{}/oauth2/default", okta.origin));
    let at = one.url("/.auth/frontchannel-logout/okta");
    let cases = [
        (format!("{at}?iss={iss}&sid=102unknown"), 200),
        (format!("{at}?iss=https%3A%2F%2Fevil.test&sid={sid}"), 400),
        (format!("{at}?sid={sid}"), 400),
        (format!("{at}?iss={iss}"), 400),
        (format!("{at}?iss={iss}&sid={sid}&sid=other"), 400),
        (at.clone(), 200),
    ];
    for (url, wanted) in cases {
        assert_eq!(framed(&url).await.status().as_u16(), wanted, "{url}");
        assert_eq!(one.user(&ada).await.as_deref(), Some("00uada"), "{url}");
    }
    assert_eq!(framed(&format!("{at}?iss={iss}&sid={sid}")).await.status().as_u16(), 200);
    assert_eq!(one.user(&ada).await, None);
}

/// Refresh tokens that rotate, without grace: each is used once. The key of ID tokens rotates meanwhile, too.
#[tokio::test]
async fn s_k4_a_session_is_renewed_by_rotating_refresh_tokens() {
    let Some(clock) = Clock::start() else { return };
    let Some([okta]) = tenants(["okta"]).await else { return };
    okta.set(json!({ "refresh_grace": 0 })).await;
    let one = app("app1", &okta, Plan { clock: Some(&clock), ..Plan::default() }).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    for hour in 1..=3 {
        // Its keys rotate a few times a year; a token may be the first to show the new one.
        if hour == 2 {
            okta.rotate().await;
        }
        later(&clock, &okta, HOUR * hour).await;
        let before = okta.count("token").await;
        soon(async || {
            assert_eq!(one.user(&ada).await.as_deref(), Some("00uada"), "hour {hour}");
            okta.count("token").await > before
        })
        .await;
        assert_eq!(one.user(&ada).await.as_deref(), Some("00uada"), "hour {hour}");
        assert_eq!(okta.count("token").await, before + 1, "hour {hour}");
        assert_eq!(okta.last("token").await.refused(), None);
    }
}
