//! Auth0: signing out of the app, of Auth0, and of the identity provider behind it.

use serde_json::{Value, json};
use sidegate::clock::Clock;

use super::app::{App, HOME, Plan};
use super::auth0::{head, post};
use crate::support::person::{Page, Person, Stop, Visit};
use crate::support::signing_in::soon;
use crate::support::vendors::{Tenant, sign_in_on, tenants};

async fn app(name: &str, tenant: &Tenant, plan: Plan<'_>) -> App {
    App::start(name, tenant, &head(tenant), Plan { registration: post(), ..plan }).await
}

/// Where signing out leads first.
async fn leads_to(app: &App, person: &Person) -> url::Url {
    let stop = |visit: &Visit| visit.url.path().ends_with("/logout") && !app.has(&visit.url);
    match person.visit_until(app.sign_out(), stop).await {
        Stop::Before(visit) => visit.url,
        Stop::At(page) => panic!("Auth0 is not told: {page:#?}"),
    }
}

fn is_signed_out(app: &App, page: &Page) {
    let seen = (page.status, page.url.path(), page.url.host_str());
    let host = format!("{}.edge.test", app.name);
    assert_eq!(seen, (200, "/.auth/signed-out", Some(host.as_str())), "{page:#?}");
}

/// The parameters of an address, in order, and those without a value as they are written.
fn parameters(url: &url::Url) -> Vec<(String, String)> {
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// S-Z3, layers one and two, by the endpoint of the standard: the address to the letter, and the other app is told.
#[tokio::test]
async fn s_z3_by_the_endpoint_of_the_standard_every_app_is_signed_out() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let one = app("app1", &auth0, Plan::default()).await;
    let two = app("app2", &auth0, Plan::default()).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    two.knows(&ada, "auth0|ada").await;
    let url = leads_to(&one, &ada).await;
    let names: Vec<String> = parameters(&url).into_iter().map(|(name, _)| name).collect();
    assert_eq!(url.path(), "/oidc/logout");
    assert_eq!(names, ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"]);
    assert_eq!(one.user(&ada).await, None);
    assert_eq!(two.user(&ada).await.as_deref(), Some("auth0|ada"), "Auth0 has not been told yet");
    let page = ada.open(url.as_str()).await;
    is_signed_out(&one, &page);
    is_out_everywhere(&auth0, &two, &ada).await;
    assert_eq!(auth0.federated().await, Vec::<Value>::new());
    one.asks(&ada).await;
}

/// Once both apps have answered Auth0's message, the other one lets `person` in no more: not for a second, and not for one request.
async fn is_out_everywhere(auth0: &Tenant, other: &App, person: &Person) {
    soon(async || auth0.logouts().await.len() >= 2).await;
    assert_eq!(other.user(person).await, None);
    let statuses: Vec<Value> =
        auth0.logouts().await.iter().map(|told| told["status"].clone()).collect();
    assert_eq!(statuses, [200, 200], "no session of that name is no failure");
    other.asks(person).await;
}

/// S-Z3, layers one to three, by Auth0's own endpoint: tenants without the other one, with a bare `federated`.
#[tokio::test]
async fn s_z3_by_auth0s_own_endpoint_with_and_without_the_identity_provider_behind_it() {
    for (lines, end) in [("", ""), ("logout_params: { federated: \"\" }\n", "&federated")] {
        let Some([auth0]) = tenants(["auth0"]).await else { return };
        auth0.set(json!({ "end_session_discovery": false })).await;
        let plan = Plan { provider: lines, ..Plan::default() };
        let one = app("app1", &auth0, plan).await;
        let two = app("app2", &auth0, Plan::default()).await;
        let ada = Person::new();
        one.sign_in(&ada, "ada").await;
        two.knows(&ada, "auth0|ada").await;
        let url = leads_to(&one, &ada).await;
        let back: String =
            url::form_urlencoded::byte_serialize(one.url("/.auth/signed-out").as_bytes()).collect();
        let wanted = format!("{}/v2/logout?client_id=app1&returnTo={back}{end}", auth0.origin);
        assert_eq!(url.as_str(), wanted);
        let page = ada.open(url.as_str()).await;
        is_signed_out(&one, &page);
        is_out_everywhere(&auth0, &two, &ada).await;
        assert_eq!(auth0.federated().await.len(), usize::from(!end.is_empty()));
    }
}

/// S-Z3, layer three by the endpoint of the standard, which takes a value.
#[tokio::test]
async fn s_z3_by_the_endpoint_of_the_standard_with_the_identity_provider_behind_it() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let lines = "logout_params: { federated: \"true\" }\n";
    let one = app("app1", &auth0, Plan { provider: lines, ..Plan::default() }).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    let url = leads_to(&one, &ada).await;
    assert!(parameters(&url).contains(&("federated".to_owned(), "true".to_owned())), "{url}");
    let page = ada.open(url.as_str()).await;
    is_signed_out(&one, &page);
    assert_eq!(auth0.federated().await, ["ada"]);
}

/// S-Z3, layer one alone: Auth0 hears nothing, and the next page needs no question.
#[tokio::test]
async fn s_z3_the_app_alone_is_signed_out_where_that_is_wanted() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let rest = "sign_out: { provider: never }\n";
    let one = app("app1", &auth0, Plan { rest, ..Plan::default() }).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    let page = ada.visit(one.sign_out()).await;
    is_signed_out(&one, &page);
    assert_eq!(one.user(&ada).await, None);
    assert_eq!((auth0.count("end_session").await, auth0.count("v2_logout").await), (0, 0));
    one.knows(&ada, "auth0|ada").await;
    assert_eq!(auth0.count("login").await, 1);
}

/// S-Z3: whatever else ends the session there (an administrator, a changed password), the apps hear of it.
#[tokio::test]
async fn s_z3_a_session_that_auth0_ends_is_over_within_a_second() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let one = app("app1", &auth0, Plan::default()).await;
    let two = app("app2", &auth0, Plan::default()).await;
    let (ada, bob) = (Person::new(), Person::new());
    one.sign_in(&ada, "ada").await;
    two.knows(&ada, "auth0|ada").await;
    one.sign_in(&bob, "bob").await;
    auth0.end("ada").await;
    is_out_everywhere(&auth0, &two, &ada).await;
    assert_eq!(one.user(&ada).await, None);
    assert_eq!(one.user(&bob).await.as_deref(), Some("auth0|bob"));
}

/// S-Z3: what is wrong with each logout token that ends nothing.
#[tokio::test]
async fn s_z3_forged_logout_tokens_end_nothing() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let one = app("app1", &auth0, Plan::default()).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    let sid = auth0.sid().await;
    let now = Clock::system().now().as_secs();
    let forged = [
        ("alg none", json!({ "form": "unsigned" })),
        ("the published key as a secret", json!({ "form": "hs256" })),
        ("a broken signature", json!({ "form": "tampered" })),
        ("for another client", json!({ "claims": { "aud": "app2" } })),
        ("an issuer without its slash", json!({ "claims": { "iss": auth0.origin } })),
        ("no events", json!({ "remove": ["events"] })),
        ("another event", json!({ "claims": { "events": { "urn:other": {} } } })),
        ("a nonce", json!({ "claims": { "nonce": "n" } })),
        ("expired", json!({ "claims": { "exp": now - 120 } })),
        ("no end", json!({ "remove": ["exp"] })),
        ("issued in the future", json!({ "claims": { "iat": now + 3600, "exp": now + 3720 } })),
        ("issued long ago", json!({ "claims": { "iat": now - 3600 } })),
        ("no jti", json!({ "remove": ["jti"] })),
        ("about nobody", json!({ "remove": ["sid", "sub"] })),
        ("typed as an access token", json!({ "header": { "typ": "at+jwt" } })),
        ("an ID token", json!({ "replay": true })),
    ];
    for (what, told) in forged {
        let mut whole = json!({ "client_id": "app1", "sub": "ada", "sid": sid });
        for (name, value) in told.as_object().unwrap() {
            whole[name] = value.clone();
        }
        let token = auth0.logout_token(whole).await;
        let answer = auth0.deliver("app1", &token).await;
        assert_eq!(answer["status"], 400, "{what}: {answer}");
        assert_eq!(answer["headers"]["cache-control"], "no-store", "{what}");
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["error"], "invalid_request", "{what}");
        assert_eq!(one.user(&ada).await.as_deref(), Some("auth0|ada"), "{what}");
    }
    // Of a session that is not here: nothing to do is done. A token is good once.
    let token =
        auth0.logout_token(json!({ "client_id": "app1", "sub": "bob", "sid": "another" })).await;
    assert_eq!(auth0.deliver("app1", &token).await["status"], 200);
    assert_eq!(auth0.deliver("app1", &token).await["status"], 400);
    assert_eq!(one.user(&ada).await.as_deref(), Some("auth0|ada"));
    let token = auth0.logout_token(json!({ "client_id": "app1", "sub": "ada", "sid": sid })).await;
    assert_eq!(auth0.deliver("app1", &token).await["status"], 200);
    assert_eq!(one.user(&ada).await, None);
}

/// S-Z3: the message overtakes the end of the sign-in. Nothing comes of that sign-in, and the next one is as any other.
#[tokio::test]
async fn s_z3_a_logout_that_overtakes_the_sign_in_wins() {
    let Some([auth0]) = tenants(["auth0"]).await else { return };
    let one = app("app1", &auth0, Plan::default()).await;
    let ada = Person::new();
    let login = ada.open(&one.url(HOME)).await;
    let fields = [("username", "ada"), ("password", "password")];
    let form = crate::support::person::filled_in(&login, &fields);
    let stop = |visit: &Visit| visit.url.path() == "/.auth/callback/auth0";
    let Stop::Before(callback) = ada.visit_until(form, stop).await else {
        panic!("there is no answer")
    };
    auth0.end("ada").await;
    soon(async || !auth0.logouts().await.is_empty()).await;
    let page = ada.visit(callback).await;
    assert_eq!(page.status, 403, "{page:#?}");
    one.logs("signed_out_meanwhile").await;
    assert_eq!(one.user(&ada).await, None);
    let login = one.asks(&ada).await;
    let page = sign_in_on(&login, &ada, "ada").await;
    one.shows(&page, "auth0|ada");
}
