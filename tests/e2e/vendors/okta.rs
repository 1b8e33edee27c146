//! Okta: sessions that outlive the browser and those that do not, and what a page asks of a sign-in.

use serde_json::{Value, json};

use super::app::{App, HOME, Plan, visits_to};
use crate::support::person::{Page, Person};
use crate::support::vendors::{Tenant, is_asked, sign_in_on, sign_in_strongly_on, tenants};

/// At the custom authorization server.
pub(super) fn head(tenant: &Tenant) -> String {
    format!("name: okta\ntype: okta\nissuer: {}/oauth2/default\n", tenant.origin)
}

/// At the organization itself.
pub(super) fn org_head(tenant: &Tenant) -> String {
    format!("name: okta\ntype: okta\nissuer: {}\n", tenant.origin)
}

pub(super) async fn app(name: &str, tenant: &Tenant, plan: Plan<'_>) -> App {
    App::start(name, tenant, &head(tenant), plan).await
}

/// S-K1: where the session at Okta ends with the browser, so does the one here; where it does not, nobody is asked.
#[tokio::test]
async fn s_k1_after_the_browser_was_closed_the_kind_of_session_decides() {
    // What Okta has, what is written here, whether somebody is asked afterwards, and how often the browser visits Okta.
    let kinds = [
        (false, "", true, 1),
        (true, "", false, 1),
        (true, "cookie: { persistent: true }\n", false, 0),
        // Written against the advice: the session here outlives Okta's.
        (false, "cookie: { persistent: true }\n", false, 0),
    ];
    for (persistent, session, asked, visits) in kinds {
        let Some([okta]) = tenants(["okta"]).await else { return };
        okta.set(json!({ "persistent": persistent })).await;
        let one = app("app1", &okta, Plan { session, ..Plan::default() }).await;
        let ada = Person::new();
        one.sign_in(&ada, "ada").await;
        one.knows(&ada, "00uada").await;
        ada.restart();
        let page = ada.open(&one.url(HOME)).await;
        assert_eq!(is_asked(&page), asked, "{persistent} {session}: {page:#?}");
        assert_eq!(visits_to(&page, &okta), visits, "{persistent} {session}: {page:#?}");
        assert_eq!(okta.count("login").await, 1);
    }
}

const ROUTES: &str = "
routes:
  - { name: second, match: { paths: /second/* }, sign_in: { silent: only } }
  - { name: again, match: { paths: /again/* }, sign_in: { prompt: login } }
  - name: strong
    match: { paths: /strong/* }
    require: { acr_any: [\"urn:okta:loa:2fa:any\"] }
  - { name: fresh, match: { paths: /fresh/* }, require: { max_auth_age: 5m } }
  - { name: rest, match: { paths: /* } }
";

fn is_at(page: &Page, status: u16, path: &str) {
    assert_eq!((page.status, page.url.path()), (status, path), "{page:#?}");
}

/// S-K3: `prompt=login` asks whoever is signed in at Okta, and `prompt=none` nobody.
#[tokio::test]
async fn s_k3_a_page_says_whether_people_are_asked() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let one = app("app1", &okta, Plan { rest: ROUTES, ..Plan::default() }).await;
    let two = app("app2", &okta, Plan { rest: ROUTES, ..Plan::default() }).await;
    // No session, `prompt=login`: asked. With one, also; without the prompt, not.
    let ada = Person::new();
    let login = ada.open(&one.url("/again/room")).await;
    assert_eq!(okta.last("authorization").await.param("prompt"), Some("login"));
    is_at(&sign_in_on(&login, &ada, "ada").await, 200, "/again/room");
    two.knows(&ada, "00uada").await;
    ada.change_jar(|jar| jar.forget(|kept| kept.domain == "app2.edge.test"));
    let login = ada.open(&two.url("/again/room")).await;
    is_at(&sign_in_on(&login, &ada, "ada").await, 200, "/again/room");
    assert_eq!(okta.count("login").await, 2);
    // `prompt=none`, with a session and without.
    let page = ada.open(&one.url("/.auth/login?prompt=none&return_to=%2Fhome")).await;
    is_at(&page, 200, "/home");
    let page = Person::new().open(&one.url("/.auth/login?prompt=none&return_to=%2Fhome")).await;
    assert!(is_asked(&page), "{page:#?}");
    // A person who wants to be somebody else.
    let login = ada.open(&one.url("/.auth/login?prompt=login&return_to=%2Fhome")).await;
    is_at(&sign_in_on(&login, &ada, "bob").await, 200, "/home");
    assert_eq!(one.user(&ada).await.as_deref(), Some("00ubob"));
}

/// S-K3: an app that may be used only after another one never asks; it lets in whoever is signed in at Okta.
#[tokio::test]
async fn s_k3_an_app_that_asks_nobody_takes_who_is_signed_in_elsewhere() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let one = app("app1", &okta, Plan::default()).await;
    let two = app("app2", &okta, Plan { rest: ROUTES, ..Plan::default() }).await;
    let ada = Person::new();
    let page = ada.open(&two.url("/second/room")).await;
    is_at(&page, 403, "/second/room");
    assert_eq!(visits_to(&page, &okta), 1, "{page:#?}");
    // Asked once, then not for a while.
    is_at(&ada.open(&two.url("/second/room")).await, 403, "/second/room");
    assert_eq!(okta.count("authorization").await, 1);
    one.sign_in(&ada, "ada").await;
    // Who comes back by the page's own link need not wait until then.
    let page = ada.open(&two.url("/.auth/login?prompt=none&return_to=%2Fsecond%2Froom")).await;
    is_at(&page, 200, "/second/room");
    assert_eq!(okta.count("login").await, 1);
}

/// S-K3: the assurance that a page asks for is asked of Okta and checked afterwards; who cannot give it is told so once.
#[tokio::test]
async fn s_k3_the_assurance_that_a_page_asks_for() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let one = app("app1", &okta, Plan { rest: ROUTES, ..Plan::default() }).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    let login = ada.open(&one.url("/strong/room")).await;
    assert_eq!(okta.last("authorization").await.param("acr_values"), Some("urn:okta:loa:2fa:any"));
    is_at(&sign_in_strongly_on(&login, &ada, "ada").await, 200, "/strong/room");
    // `unmet_authentication_requirements`
    let bob = Person::new();
    one.sign_in(&bob, "bob").await;
    let login = bob.open(&one.url("/strong/room")).await;
    let page = sign_in_strongly_on(&login, &bob, "bob").await;
    is_at(&page, 403, "/.auth/callback/okta");
    one.logs("too_weak").await;
    one.knows(&bob, "00ubob").await;
    // Scripts are told what would be enough.
    let page = bob.fetch(&one.url("/strong/room")).await;
    assert_eq!(page.status, 401, "{page:#?}");
    let challenge = page.header("www-authenticate").unwrap();
    for part in ["insufficient_user_authentication", "acr_values=\"urn:okta:loa:2fa:any\""] {
        assert!(challenge.contains(part), "{challenge}");
    }
}

/// S-K3: a page that wants a recent sign-in asks Okta for one, also of who is signed in there.
#[tokio::test]
async fn s_k3_a_recent_sign_in() {
    let Some(clock) = crate::support::clock::Clock::start() else { return };
    let Some([okta]) = tenants(["okta"]).await else { return };
    let one =
        app("app1", &okta, Plan { rest: ROUTES, clock: Some(&clock), ..Plan::default() }).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    is_at(&ada.open(&one.url("/fresh/room")).await, 200, "/fresh/room");
    super::app::later(&clock, &okta, std::time::Duration::from_secs(600)).await;
    one.knows(&ada, "00uada").await;
    let login = ada.open(&one.url("/fresh/room")).await;
    assert_eq!(okta.last("authorization").await.param("max_age"), Some("300"));
    is_at(&sign_in_on(&login, &ada, "ada").await, 200, "/fresh/room");
}

/// An access token of each authorization server, got by a client of its own, and who it is for the app.
#[tokio::test]
async fn s_k2_one_person_has_one_name_whichever_way_they_come() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let lines = "audience: api://default\nscopes: [openid, email, groups]\n";
    let one = app("app1", &okta, Plan { provider: lines, ..Plan::default() }).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    let token = super::okta_native::Phone::new(&okta, "first").await.access_token("ada").await;
    let (status, who) = one.with_token(&token).await;
    assert_eq!((status, who.split(';').next()), (200, Some("00uada")), "{who}");
    // Somebody else's client is nobody's business unless it is listed.
    let lines = "audience: api://default\nclients: [app2]\n";
    let two = app("app2", &okta, Plan { provider: lines, ..Plan::default() }).await;
    assert_eq!(two.with_token(&token).await.0, 401);
}

/// Scopes of Okta's tokens are a list called `scp`.
#[tokio::test]
async fn s_k2_rules_on_scopes_read_those_of_oktas_tokens() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let rest = "
routes:
  - { name: groups, match: { paths: /groups/* }, require: { scopes_all: [openid, groups] } }
  - { name: rest, match: { paths: /* } }
";
    let lines = "audience: api://default\nclients: [first]\n";
    let one = app("app1", &okta, Plan { provider: lines, rest, ..Plan::default() }).await;
    let phone = super::okta_native::Phone::new(&okta, "first").await;
    for (scopes, status) in [("openid groups", 200), ("openid email", 403)] {
        let tokens = phone.sign_in("ada", scopes).await;
        let token = tokens["access_token"].as_str().unwrap();
        assert_eq!(one.with_token_at("/groups/x", token).await.0, status, "{scopes}");
        assert_eq!(one.with_token(token).await.0, 200, "{scopes}");
    }
}

/// A thousand requests with a token that was never seen are one question to Okta.
#[tokio::test]
async fn s_k2_a_thousand_requests_with_one_token_are_one_question() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let lines = format!("audience: {}\n", okta.origin);
    let plan = Plan { provider: &lines, ..Plan::default() };
    let one = App::start("app1", &okta, &org_head(&okta), plan).await;
    let phone = super::okta_native::Phone::at_organization(&okta, "first").await;
    let token = phone.access_token("ada").await;
    let (client, url) = (crate::support::http::client(), one.url("/api"));
    let ask = async || client.get(&url).bearer_auth(&token).send().await.unwrap().status();
    let all = futures_util::future::join_all((0..1_000).map(|_| ask())).await;
    assert!(all.iter().all(|status| *status == 200), "{all:?}");
    assert_eq!(okta.count("introspection").await, 1);
}

/// The organization's own tokens: nobody but it can read them, and its keys are not fetched over and over for their sake.
#[tokio::test]
async fn s_k2_tokens_of_the_organization_are_judged_by_it_alone() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let lines = format!("audience: {}\nintrospection: {{ cache: 1s }}\n", okta.origin);
    let plan = Plan { provider: &lines, ..Plan::default() };
    let one = App::start("app1", &okta, &org_head(&okta), plan).await;
    one.sign_in(&Person::new(), "ada").await;
    let phone = super::okta_native::Phone::at_organization(&okta, "first").await;
    let tokens = phone.sign_in("ada", "openid offline_access").await;
    let token = tokens["access_token"].as_str().unwrap();
    let (fetched, begun) = (okta.count("jwks").await, tokio::time::Instant::now());
    for _ in 0..20 {
        let (status, who) = one.with_token(token).await;
        assert_eq!((status, who.split(';').next()), (200, Some("00uada")), "{who}");
    }
    let asked = u64::try_from(okta.count("introspection").await).unwrap();
    assert!(asked <= 2 + begun.elapsed().as_secs(), "asked {asked} times");
    assert_eq!(
        okta.count("jwks").await,
        fetched,
        "the keys were fetched for a token that is not ours to read"
    );
    let asked = okta.last("introspection").await;
    assert_eq!(asked.param("token_type_hint"), Some("access_token"));
    // Withdrawn: over within the interval. Trouble there: nobody passes.
    phone.revoke(token).await;
    crate::support::signing_in::soon(async || one.with_token(token).await.0 == 401).await;
    for status in [401, 429, 500] {
        okta.set(json!({ "introspection_status": status })).await;
        let other = phone.sign_in("bob", "openid").await;
        let seen = one.with_token(other["access_token"].as_str().unwrap()).await.0;
        assert_eq!(seen, 503, "introspection answers {status}");
        okta.set(json!({ "introspection_status": Value::Null })).await;
    }
}
