//! Several systems at once: answers of one for another, and one that is down.

use serde_json::json;

use super::app::{App, HOME, Plan};
use crate::support::misbehaving::Misbehaving;
use crate::support::person::{Page, Person, Stop, Visit, filled_in};
use crate::support::vendors::{Tenant, sign_in_on, tenants};

const NAMES: [&str; 5] = ["auth0", "authgear", "mosaic", "okta", "other"];
const SECRET: &str = "a secret of the client";

/// Five providers, one app, and somebody who attacks.
struct Five {
    app: App,
    auth0: Tenant,
    mosaic: Tenant,
    okta: Tenant,
    /// Providers with the ways of the standard, where the others stand in for.
    plain: Misbehaving,
}

impl Five {
    async fn start() -> Option<Self> {
        let [auth0, mosaic, okta] = tenants(["auth0", "mosaic", "okta"]).await?;
        let plain = Misbehaving::start_at_edge().await?;
        let issuer = |name: &str| match name {
            "auth0" => format!("type: auth0, issuer: \"{}/\"", auth0.origin),
            "mosaic" => of_mosaic(&mosaic.origin),
            "okta" => format!("type: okta, issuer: \"{}/oauth2/default\"", okta.origin),
            other => format!("issuer: \"{}\"", plain.provider(other).issuer),
        };
        let sections: String = NAMES
            .iter()
            .map(|name| {
                let issuer = issuer(name);
                format!(
                    "  - {{ name: {name}, {issuer}, client_id: app1, client_secret: {{ value: {SECRET} }} }}\n"
                )
            })
            .collect();
        let app = App::run("app1", &format!("providers:\n{sections}"), &Plan::default()).await;
        auth0.register(app.registration("auth0", &json!({}))).await;
        okta.register(app.registration("okta", &json!({}))).await;
        let by_form = json!({ "token_endpoint_auth_method": "client_secret_post" });
        mosaic.register(app.registration("mosaic", &by_form)).await;
        for name in ["authgear", "other"] {
            let more = json!({
                "client_id": "app1",
                "client_secret": SECRET,
                "token_endpoint_auth_method": "client_secret_basic",
            });
            plain.provider(name).register(&app.site, name, &more).await;
        }
        Some(Self { app, auth0, mosaic, okta, plain })
    }

    fn login(&self, name: &str) -> String {
        self.app.url(&format!("/.auth/login?provider={name}&return_to=%2Fhome%3Fx%3D1"))
    }

    /// The answer of the provider called `name` to a sign-in, before the app sees it.
    async fn answer(&self, person: &Person, name: &str) -> Visit {
        let stop = |visit: &Visit| visit.url.path().starts_with("/.auth/callback/");
        match person.visit_until(Visit::typed(&self.login(name)), stop).await {
            Stop::Before(visit) => visit,
            Stop::At(login) => {
                let form = filled_in(&login, &[("username", "ada"), ("password", "password")]);
                match person.visit_until(form, stop).await {
                    Stop::Before(visit) => visit,
                    Stop::At(page) => panic!("{name} gives no answer: {page:#?}"),
                }
            }
        }
    }

    /// How many codes were shown to any provider.
    async fn redeemed(&self) -> usize {
        let mut sum = self.auth0.count("token").await
            + self.mosaic.count("token").await
            + self.okta.count("token").await;
        for name in ["authgear", "other"] {
            sum += self.plain.provider(name).count("token").await;
        }
        sum
    }
}

/// Its issuer says nothing of where it is.
fn of_mosaic(origin: &str) -> String {
    format!(
        "type: mosaic, issuer: \"https://userid.security\", client_auth: post, jwks_uri: \"{origin}/cis/oidc/jwks\", \
         endpoints: {{ authorization: \"{origin}/cis/oidc/auth\", token: \"{origin}/oidc/token\", userinfo: \"{origin}/cis/me\", \
         end_session: \"{origin}/cis/oidc/session/end\", revocation: \"{origin}/oidc/token/revocation\" }}"
    )
}

fn parameter(url: &url::Url, wanted: &str) -> String {
    let found = url.query_pairs().find(|(name, _)| name == wanted);
    found.unwrap_or_else(|| panic!("no {wanted}: {url}")).1.into_owned()
}

/// `answer`, at the callback of `name`, with `changes` of its parameters; an empty one is left out.
fn changed(answer: &Visit, name: &str, changes: &[(&str, &str)]) -> Visit {
    let mut url = answer.url.clone();
    url.set_path(&format!("/.auth/callback/{name}"));
    let mut pairs: Vec<(String, String)> =
        url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    for (name, value) in changes {
        pairs.retain(|(found, _)| found != name);
        if !value.is_empty() {
            pairs.push(((*name).to_owned(), (*value).to_owned()));
        }
    }
    url.query_pairs_mut().clear().extend_pairs(pairs);
    Visit { url, ..answer.clone() }
}

fn is_refused(page: &Page, what: &str) {
    assert_eq!(page.status, 400, "{what}: {page:#?}");
    assert_eq!(page.header("location"), None, "{what}");
}

/// S-X1: whichever state, code or issuer is swapped between providers, nobody is signed in and no provider is shown a code.
#[tokio::test]
async fn s_x1_an_answer_of_one_provider_is_none_of_another() {
    let Some(five) = Five::start().await else { return };
    for of in NAMES {
        for at in NAMES.into_iter().filter(|at| *at != of) {
            let person = Person::new();
            let theirs = five.answer(&person, of).await;
            let ours = five.answer(&person, at).await;
            let state = parameter(&ours.url, "state");
            let code = parameter(&theirs.url, "code");
            let issuer = theirs.url.query_pairs().find(|(name, _)| name == "iss");
            let issuer = issuer.map(|(_, value)| value.into_owned()).unwrap_or_default();
            let before = five.redeemed().await;
            let mut attacks = vec![
                ("its whole answer", changed(&theirs, at, &[])),
                ("our state at its callback", changed(&theirs, of, &[("state", &state)])),
            ];
            if !issuer.is_empty() {
                let forged = [("code", code.as_str()), ("iss", issuer.as_str())];
                attacks.push(("its code and issuer with our state", changed(&ours, at, &forged)));
            }
            if matches!(at, "authgear" | "other") {
                // Those say who they are, so that an answer which does not is not theirs.
                let forged = [("code", code.as_str()), ("iss", "")];
                attacks.push(("its code without an issuer", changed(&ours, at, &forged)));
            }
            for (what, attack) in attacks {
                let victim = person.twin();
                let page = victim.visit(attack).await;
                is_refused(&page, &format!("{of} for {at}: {what}"));
                assert_eq!(five.redeemed().await, before, "{of} for {at}: {what}");
                assert_eq!(five.app.user(&victim).await, None, "{of} for {at}: {what}");
            }
        }
    }
}

/// S-X1: all five sign people in side by side, each under its own name.
#[tokio::test]
async fn s_x1_all_five_sign_people_in() {
    let Some(five) = Five::start().await else { return };
    for (name, user) in [
        ("auth0", "auth0|ada"),
        ("authgear", "ada"),
        ("mosaic", "ada"),
        ("okta", "00uada"),
        ("other", "ada"),
    ] {
        let person = Person::new();
        let answer = five.answer(&person, name).await;
        let page = person.visit(answer).await;
        five.app.shows(&page, user);
    }
}

/// S-X2: a provider is down. Its sessions go on, nobody new comes in by it, and the other providers do not care.
#[tokio::test]
async fn s_x2_while_one_is_down_its_sessions_go_on_and_nothing_opens() {
    let Some(five) = Five::start().await else { return };
    let (ada, bob) = (Person::new(), Person::new());
    let answer = five.answer(&ada, "okta").await;
    five.app.shows(&ada.visit(answer).await, "00uada");
    let begun = five.answer(&bob, "okta").await;
    five.okta.set(json!({ "down": true })).await;
    five.app.knows(&ada, "00uada").await;
    // The answer of before cannot be redeemed.
    let page = bob.visit(begun).await;
    assert_eq!((page.status, five.app.user(&bob).await), (503, None), "{page:#?}");
    assert!(page.headers.contains_key("retry-after"), "{page:#?}");
    // By another one, they can.
    let login = bob.open(&five.login("auth0")).await;
    five.app.shows(&sign_in_on(&login, &bob, "bob").await, "auth0|bob");
    five.okta.set(json!({ "down": false })).await;
    let login = Person::new();
    let answer = five.answer(&login, "okta").await;
    five.app.shows(&login.visit(answer).await, "00uada");
}

/// S-X2: it was down before anything was known of it.
#[tokio::test]
async fn s_x2_one_that_was_never_reached_signs_nobody_in() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    okta.set(json!({ "down": true })).await;
    let one = super::okta::app("app1", &okta, Plan::default()).await;
    let ada = Person::new();
    let page = ada.open(&one.url(HOME)).await;
    assert_eq!((page.status, one.user(&ada).await), (503, None), "{page:#?}");
    assert!(page.headers.contains_key("retry-after"), "{page:#?}");
    okta.set(json!({ "down": false })).await;
    crate::support::signing_in::soon(async || {
        crate::support::vendors::is_asked(&ada.open(&one.url(HOME)).await)
    })
    .await;
}
