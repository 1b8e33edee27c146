//! Auth0: how long its session lives, and whether somebody has one.

use std::time::Duration;

use serde_json::json;

use super::app::{App, DAY, HOME, HOUR, Plan, later, visits_to};
use crate::support::clock::Clock;
use crate::support::person::Person;
use crate::support::vendors::{Tenant, is_asked, sign_in_on, sign_in_strongly_on, tenants};

/// A week of sessions here, as there.
const WEEK: &str = "idle: 7d\nabsolute: 7d\n";

pub(super) fn head(tenant: &Tenant) -> String {
    format!("name: auth0\ntype: auth0\nissuer: {}/\nclient_auth: post\n", tenant.origin)
}

pub(super) fn post() -> serde_json::Value {
    json!({ "token_endpoint_auth_method": "client_secret_post" })
}

async fn app(name: &str, tenant: &Tenant, plan: Plan<'_>) -> App {
    App::start(name, tenant, &head(tenant), Plan { registration: post(), ..plan }).await
}

/// S-Z1: whoever comes by daily keeps the session at Auth0, which would end after three days of rest, and nothing keeps it
/// beyond the seventh day.
#[tokio::test]
async fn s_z1_activity_in_the_app_keeps_the_session_at_auth0_until_the_seventh_day() {
    let Some(clock) = Clock::start() else { return };
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let plan = Plan { session: WEEK, clock: Some(&clock), ..Plan::default() };
    let one = app("app1", &auth0, plan.clone()).await;
    let two = app("app2", &auth0, plan).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    for day in [2, 4, 6] {
        later(&clock, &auth0, DAY * day).await;
        let page = one.knows(&ada, "auth0|ada").await;
        assert!(visits_to(&page, &auth0) > 0, "Auth0 was not visited on day {day}: {page:#?}");
        assert_eq!(auth0.count("login").await, 1);
        // Once: the next page comes straight from the app.
        assert_eq!(one.knows(&ada, "auth0|ada").await.trail.len(), 1);
    }
    // Six days after the sign-in, and never more than two of rest: the other app needs no question.
    two.knows(&ada, "auth0|ada").await;
    later(&clock, &auth0, DAY * 7).await;
    one.asks(&ada).await;
}

/// S-Z1, without: three days of rest at Auth0 end its session, however busy the app was.
#[tokio::test]
async fn s_z1_without_it_three_days_of_rest_end_the_session_at_auth0() {
    let Some(clock) = Clock::start() else { return };
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let plan = Plan { session: WEEK, clock: Some(&clock), ..Plan::default() };
    let one = app("app1", &auth0, Plan { provider: "keep_alive: 30d\n", ..plan.clone() }).await;
    let two = app("app2", &auth0, plan.clone()).await;
    let three = app("app3", &auth0, plan).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    later(&clock, &auth0, DAY * 2).await;
    two.knows(&ada, "auth0|ada").await;
    later(&clock, &auth0, DAY * 4).await;
    assert_eq!(one.knows(&ada, "auth0|ada").await.trail.len(), 1);
    later(&clock, &auth0, DAY * 5).await;
    three.asks(&ada).await;
    one.knows(&ada, "auth0|ada").await;
}

/// S-Z1: a session that Auth0 will not go on with stays what it was here, and Auth0 is left in peace for a while.
#[tokio::test]
async fn s_z1_a_no_to_keeping_it_alive_ends_nothing_and_is_not_asked_for_again() {
    let Some(clock) = Clock::start() else { return };
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let plan = Plan { session: WEEK, clock: Some(&clock), ..Plan::default() };
    let one = app("app1", &auth0, plan).await;
    for told in
        [json!({ "silent_error": "login_required" }), json!({ "silent_error": "server_error" })]
    {
        let ada = Person::new();
        later(&clock, &auth0, Duration::ZERO).await;
        auth0.set(json!({ "silent_error": null })).await;
        one.sign_in(&ada, "ada").await;
        later(&clock, &auth0, DAY * 2).await;
        auth0.set(told.clone()).await;
        let page = one.knows(&ada, "auth0|ada").await;
        assert!(visits_to(&page, &auth0) > 0, "{told}: {page:#?}");
        assert_eq!(one.knows(&ada, "auth0|ada").await.trail.len(), 1, "{told}");
        // Scripts are never sent anywhere.
        ada.change_jar(|jar| jar.forget(|kept| kept.name.contains("probe")));
        assert_eq!(one.user(&ada).await.as_deref(), Some("auth0|ada"), "{told}");
    }
}

/// S-Z1: Auth0 says when sessions have to be over (`session_expiry`).
#[tokio::test]
async fn s_z1_the_tenant_says_when_the_session_is_over() {
    let Some(clock) = Clock::start() else { return };
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    auth0.set(json!({ "session_expiry": 4 * 3600, "absolute": 4 * 3600 })).await;
    let plan = Plan { session: WEEK, clock: Some(&clock), ..Plan::default() };
    let one = app("app1", &auth0, plan).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    later(&clock, &auth0, HOUR * 3).await;
    one.knows(&ada, "auth0|ada").await;
    later(&clock, &auth0, HOUR * 4).await;
    assert_eq!(one.user(&ada).await, None);
    one.asks(&ada).await;
}

const ROUTES: &str = "
routes:
  - { name: open, match: { paths: /open/* }, access: optional, sign_in: { silent: probe, probe_interval: 30m } }
  - { name: rest, match: { paths: /* } }
";

/// S-Z2: what becomes of each answer to the question whether somebody has a session at Auth0.
#[tokio::test]
async fn s_z2_the_probe_never_loops_and_never_shows_more_than_the_answer() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let one = app("app1", &auth0, Plan { rest: ROUTES, ..Plan::default() }).await;
    let needs_person = [
        "login_required",
        "consent_required",
        "interaction_required",
        "account_selection_required",
    ];
    for error in needs_person {
        auth0.set(json!({ "silent_error": error })).await;
        let before = auth0.count("authorization").await;
        let guest = Person::new();
        let page = guest.open(&one.url("/open/page")).await;
        // Back at the page, and not a word of the answer in its address.
        assert_eq!(
            (page.status, page.url.as_str()),
            (200, one.url("/open/page").as_str()),
            "{error}"
        );
        assert_eq!(page.body, ";;;", "{error}");
        assert_eq!(guest.open(&one.url("/open/page")).await.trail.len(), 1, "{error}: asked twice");
        assert_eq!(auth0.count("authorization").await, before + 1, "{error}");
        assert_eq!(auth0.last("authorization").await.param("prompt"), Some("none"));
        // Where an identity is required, people are asked, probed or not.
        let asked = one.asks(&guest).await;
        assert_eq!(visits_to(&asked, &auth0), 1, "{error}: {asked:#?}");
        let asked =
            Person::new().open(&one.url("/.auth/login?prompt=none&return_to=%2Fhome")).await;
        assert!(is_asked(&asked), "{error}: {asked:#?}");
        assert_eq!(visits_to(&asked, &auth0), 2, "{error}: {asked:#?}");
    }
    for error in ["access_denied", "unauthorized", "server_error", "temporarily_unavailable"] {
        auth0.set(json!({ "silent_error": error })).await;
        for path in ["/open/page", "/.auth/login?prompt=none&return_to=%2Fhome"] {
            let guest = Person::new();
            let page = guest.open(&one.url(path)).await;
            assert!(page.status >= 400, "{error} at {path}: {page:#?}");
            assert_eq!(visits_to(&page, &auth0), 1, "{error} at {path}: {page:#?}");
            // A fault there keeps nobody from a page that takes guests.
            let page = guest.open(&one.url("/open/page")).await;
            assert_eq!((page.status, page.trail.len()), (200, 1), "{error} at {path}: {page:#?}");
        }
    }
}

/// S-Z2: programs, scripts and frames are never led away, and asking for one's own session asks nobody else.
#[tokio::test]
async fn s_z2_only_pages_are_probed_and_the_own_session_is_told_without_asking_auth0() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let one = app("app1", &auth0, Plan { rest: ROUTES, ..Plan::default() }).await;
    let ada = Person::new();
    let page = ada.fetch(&one.url("/open/page")).await;
    assert_eq!((page.status, page.body.as_str()), (200, ";;;"), "{page:#?}");
    one.sign_in(&ada, "ada").await;
    let before = auth0.log().await.len();
    for _ in 0..20 {
        let told: serde_json::Value =
            serde_json::from_str(&ada.fetch(&one.url("/.auth/session")).await.body).unwrap();
        assert_eq!((&told["authenticated"], &told["subject"]), (&true.into(), &"auth0|ada".into()));
    }
    assert_eq!(auth0.log().await.len(), before);
}

/// S-Z2: who has a session at Auth0 is known without a question, on the first page of an app never seen before.
#[tokio::test]
async fn s_z2_who_is_signed_in_at_auth0_is_known() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let one = app("app1", &auth0, Plan { rest: ROUTES, ..Plan::default() }).await;
    let two = app("app2", &auth0, Plan { rest: ROUTES, ..Plan::default() }).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    let page = ada.open(&two.url("/open/page")).await;
    assert_eq!(
        (page.status, page.body.as_str()),
        (200, "auth0|ada;ada@example.test;;"),
        "{page:#?}"
    );
    assert_eq!(auth0.count("login").await, 1);
}

/// Access tokens of programs, in both profiles, and claims whose names are URLs.
#[tokio::test]
async fn s_z3_claims_by_their_exact_names_and_tokens_of_both_profiles() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    auth0
        .person(json!({ "sub": "ada", "custom": { "https://app.example.com/roles": ["admin"] } }))
        .await;
    let lines = "audience: https://api.edge.test\nauthorize_params: { audience: https://api.edge.test }\n\
                 claims: { roles: \"https://app.example.com/roles\" }\n";
    let rest = "
identity: { claims: { X-Roles: \"https://app.example.com/roles\" } }
routes:
  - { name: all, match: { paths: /* }, require: { roles_any: [admin] } }
";
    let one = app("app1", &auth0, Plan { provider: lines, rest, ..Plan::default() }).await;
    let ada = Person::new();
    let login = ada.open(&one.url(HOME)).await;
    let page = sign_in_on(&login, &ada, "ada").await;
    assert_eq!(
        (page.status, page.body.as_str()),
        (200, "auth0|ada;ada@example.test;;admin"),
        "{page:#?}"
    );
    assert_eq!(auth0.last("authorization").await.param("audience"), Some("https://api.edge.test"));
}

/// Auth0 says how strong a sign-in was when it happens, and never again: what it said holds for as long as its session.
#[tokio::test]
async fn s_z3_a_second_factor_is_remembered_through_silent_sign_ins() {
    let Some(clock) = Clock::start() else { return };
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let rest = "
routes:
  - name: strong
    match: { paths: /strong/* }
    require: { amr_any: [mfa] }
    sign_in: { acr_values: [\"http://schemas.openid.net/pape/policies/2007/06/multi-factor\"] }
  - { name: rest, match: { paths: /* } }
";
    let plan = Plan { session: WEEK, clock: Some(&clock), rest, ..Plan::default() };
    let one = app("app1", &auth0, plan).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    let login = ada.open(&one.url("/strong/room")).await;
    let page = sign_in_strongly_on(&login, &ada, "ada").await;
    assert_eq!((page.status, page.url.path()), (200, "/strong/room"), "{page:#?}");
    later(&clock, &auth0, DAY * 2).await;
    one.knows(&ada, "auth0|ada").await;
    let page = ada.open(&one.url("/strong/room")).await;
    assert_eq!((page.status, page.trail.len()), (200, 1), "{page:#?}");
    // Somebody else's, or a weaker one, is none.
    let bob = Person::new();
    let login = bob.open(&one.url(HOME)).await;
    let page = sign_in_on(&login, &bob, "bob").await;
    one.shows(&page, "auth0|bob");
    let login = bob.open(&one.url("/strong/room")).await;
    let page = sign_in_on(&login, &bob, "bob").await;
    assert_eq!((page.status, page.url.host_str()), (403, Some("app1.edge.test")), "{page:#?}");
}

/// Organizations: an ID token of another one, or of none, signs nobody in.
#[tokio::test]
async fn s_z3_only_members_of_the_organization_sign_in() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let lines = |params: &str| format!("{params}id_token_claims: {{ org_id: org_9ybs }}\n");
    let asked = lines("authorize_params: { organization: org_9ybs }\n");
    let one = app("app1", &auth0, Plan { provider: &asked, ..Plan::default() }).await;
    one.sign_in(&Person::new(), "ada").await;
    assert_eq!(auth0.last("authorization").await.param("organization"), Some("org_9ybs"));
    let not_asked = lines("");
    let two = app("app2", &auth0, Plan { provider: &not_asked, ..Plan::default() }).await;
    let ada = Person::new();
    let login = ada.open(&two.url(HOME)).await;
    let page = sign_in_on(&login, &ada, "ada").await;
    assert_eq!((page.status, two.user(&ada).await), (502, None), "{page:#?}");
    two.logs("org_id").await;
}
