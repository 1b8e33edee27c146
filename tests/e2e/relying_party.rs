//! Sign-in, renewal and sign-out with a real provider that knows nothing of us: npm `oidc-provider`.

use serde_json::json;

use url::Url;

use crate::support::person::{Person, Visit, says};
use crate::support::signing_in::{CLIENT_ID, PASSWORD, Setting, WANTED, soon};

#[tokio::test]
async fn people_sign_in_and_the_app_knows_who_they_are() {
    let scopes = "scopes: [openid, email, groups]";
    let Some(setting) = Setting::start(scopes, "", json!({})).await else { return };
    let (ada, bob) = (Person::new(), Person::new());
    let page = setting.sign_in(&ada, "ada").await;
    setting.shows(&page, "ada");
    assert_eq!(page.body, "ada|ada@example.test|admin,staff");
    let page = setting.sign_in(&bob, "bob").await;
    assert_eq!(page.body, "bob|bob@example.test|staff");
    assert_eq!(setting.user(&ada).await.as_deref(), Some("ada"));
    assert_eq!(setting.user(&Person::new()).await, None);
}

#[tokio::test]
async fn every_way_to_be_a_client_works() {
    let ways = [
        ("", json!({})),
        ("client_auth: post", json!({ "token_endpoint_auth_method": "client_secret_post" })),
        (
            "client_auth: none",
            json!({ "token_endpoint_auth_method": "none", "client_secret": null }),
        ),
        ("response_mode: form_post", json!({})),
        ("pushed_requests: always", json!({ "require_pushed_authorization_requests": true })),
        ("pushed_requests: never", json!({})),
        ("userinfo: always", json!({})),
    ];
    for (lines, mut more) in ways {
        let mut registration = json!({});
        for (name, value) in more.as_object_mut().unwrap().iter_mut() {
            registration[name] = value.take();
        }
        let Some(setting) = Setting::start(lines, "", registration).await else { return };
        let page = setting.sign_in(&Person::new(), "ada").await;
        setting.shows(&page, "ada");
    }
}

#[tokio::test]
async fn id_tokens_of_every_algorithm_are_taken() {
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let lines = format!("id_token_algorithms: [{algorithm}]");
        let more = json!({ "id_token_signed_response_alg": algorithm });
        let Some(setting) = Setting::start(&lines, "", more).await else { return };
        let page = setting.sign_in(&Person::new(), "ada").await;
        setting.shows(&page, "ada");
    }
}

#[tokio::test]
async fn a_session_is_renewed_with_rotating_refresh_tokens() {
    let Some(setting) = Setting::start("", "", json!({})).await else { return };
    setting.provider.limit_access_tokens(1).await;
    let person = Person::new();
    let page = setting.sign_in(&person, "ada").await;
    setting.shows(&page, "ada");
    let first = setting.provider.requests("/token").await;
    // The provider ends the whole family when an old token comes again: the third renewal shows that none did.
    soon(async || {
        assert_eq!(setting.user(&person).await.as_deref(), Some("ada"));
        setting.provider.requests("/token").await >= first + 3
    })
    .await;
    assert_eq!(setting.user(&person).await.as_deref(), Some("ada"));
}

#[tokio::test]
async fn signing_out_ends_the_session_here_and_there() {
    let Some(setting) = Setting::start("", "", json!({})).await else { return };
    let person = Person::new();
    let page = setting.sign_in(&person, "ada").await;
    setting.shows(&page, "ada");
    let confirm = person.open(&setting.url("/.auth/logout")).await;
    assert_eq!(
        setting.user(&person).await.as_deref(),
        Some("ada"),
        "asking is not yet signing out"
    );
    let asked = person.fill_in(&confirm, &[]).await;
    assert!(asked.body.contains("Sign out?"), "{asked:#?}");
    assert_eq!(setting.user(&person).await, None);
    let end = person.fill_in(&asked, &[]).await;
    assert_eq!((end.status, end.url.path()), (200, "/.auth/signed-out"), "{end:#?}");
    let again = person.open(&setting.url(WANTED)).await;
    assert!(again.body.contains("Sign in at the provider"), "{again:#?}");
}

#[tokio::test]
async fn signing_out_at_the_provider_ends_the_session_here() {
    let Some(setting) = Setting::start("", "", json!({})).await else { return };
    let (person, other) = (Person::new(), Person::new());
    let page = setting.sign_in(&person, "ada").await;
    setting.shows(&page, "ada");
    let page = setting.sign_in(&other, "ada").await;
    setting.shows(&page, "ada");
    // Without a hint, as somebody would who has typed the address.
    let end = person.open(&format!("{}/session/end", setting.provider.issuer)).await;
    let page = person.fill_in(&end, &[]).await;
    assert!(page.status < 400, "{page:#?}");
    soon(async || setting.provider.logouts().await.as_array().is_some_and(|all| !all.is_empty()))
        .await;
    let logouts = setting.provider.logouts().await;
    assert_eq!(logouts, json!([{ "client": CLIENT_ID, "done": true }]));
    assert_eq!(setting.user(&person).await, None);
    assert_eq!(
        setting.user(&other).await.as_deref(),
        Some("ada"),
        "another session of the same person"
    );
}

#[tokio::test]
async fn a_route_that_asks_for_a_second_factor_gets_it() {
    let routes = "
routes:
  - name: strong
    match: { paths: /strong/* }
    require: { amr_any: [otp] }
    sign_in: { acr_values: [mfa] }
  - { name: rest, match: { paths: /* } }
";
    let Some(setting) = Setting::start("", routes, json!({})).await else { return };
    let person = Person::new();
    let page = setting.sign_in(&person, "ada").await;
    setting.shows(&page, "ada");
    let login = person.open(&setting.url("/strong/room")).await;
    assert!(login.body.contains("Sign in at the provider"), "{login:#?}");
    let typed = [("login", "ada"), ("password", PASSWORD), ("mfa", "on")];
    let page = person.fill_in(&login, &typed).await;
    let seen = (page.status, page.url.path(), page.body.split('|').next());
    assert_eq!(seen, (200, "/strong/room", Some("ada")), "{page:#?}");
}

#[tokio::test]
async fn silent_sign_in_takes_the_session_at_the_provider_or_goes_on_as_a_guest() {
    let routes = "
routes:
  - { name: open, match: { paths: /open/* }, access: optional, sign_in: { silent: probe } }
  - { name: rest, match: { paths: /* } }
";
    let Some(setting) = Setting::start("", routes, json!({})).await else { return };
    let person = Person::new();
    let guest = person.open(&setting.url("/open/page")).await;
    assert_eq!((guest.status, guest.body.as_str()), (200, "||"), "{guest:#?}");
    assert!(guest.trail.iter().any(|url| url.path() == "/auth"), "the provider was not asked");
    let again = person.open(&setting.url("/open/page")).await;
    assert_eq!(
        (again.status, again.trail.len()),
        (200, 1),
        "the provider was asked twice: {again:#?}"
    );
    let page = setting.sign_in(&person, "ada").await;
    setting.shows(&page, "ada");
    person.change_jar(|jar| jar.forget(|kept| kept.domain == "app.test"));
    let known = person.open(&setting.url("/open/page")).await;
    assert!(known.body.starts_with("ada|"), "{known:#?}");
}

#[tokio::test]
async fn while_the_provider_is_down_sessions_go_on_and_sign_in_says_so() {
    let Some(setting) = Setting::start("", "", json!({})).await else { return };
    let person = Person::new();
    let page = setting.sign_in(&person, "ada").await;
    setting.shows(&page, "ada");
    let begun = Person::new();
    let login = begun.open(&setting.url(WANTED)).await;
    setting.provider.fail().await;
    assert_eq!(setting.user(&person).await.as_deref(), Some("ada"));
    setting.provider.recover().await;
    let typed = [("login", "bob"), ("password", PASSWORD)];
    let page = begun.fill_in(&login, &typed).await;
    setting.shows(&page, "bob");
}

/// With `SameSite=Strict` a session comes with no request that began on another site, redirects from there included.
#[tokio::test]
async fn a_strict_cookie_is_there_when_people_come_back_from_the_provider() {
    let probing = "routes: [{ access: optional, sign_in: { silent: probe } }]\n";
    for more in ["", "sign_in: { keep_fragment: false }\n", probing] {
        let rest = format!("  cookie: {{ same_site: strict }}\n{more}");
        let Some(setting) = Setting::start("", &rest, json!({})).await else { return };
        let ada = Person::new();
        let start = setting.url("/.auth/login?return_to=%2Fwanted%3Fx%3D1");
        let login = ada.open(&start).await;
        let typed = [("login", "ada"), ("password", PASSWORD)];
        setting.shows(&ada.fill_in(&login, &typed).await, "ada");
        assert_eq!(setting.user(&ada).await.as_deref(), Some("ada"), "{more}");
        // A link from elsewhere comes without it; who is signed in at the provider need not be asked.
        let elsewhere = Url::parse("https://mail.test/").unwrap();
        let page = ada.visit(Visit::link(&setting.url(WANTED), &elsewhere)).await;
        setting.shows(&page, "ada");
    }
}

/// The session never comes back: whoever is asked learns why, and guests, who are not, stay guests.
#[tokio::test]
async fn nobody_goes_in_circles_for_a_cookie_of_a_domain_that_is_not_this_ones() {
    let rest = "  cookie: { domain: example.test }\nroutes:\n  - { name: own, match: { paths: /own } }\n  \
                - { name: open, match: { paths: /* }, access: optional, sign_in: { silent: probe } }\n";
    let Some(setting) = Setting::start("", rest, json!({})).await else { return };
    let ada = Person::new();
    let open = async || {
        let page = ada.open(&setting.url("/open")).await;
        assert_eq!((page.status, page.body.as_str()), (200, "||"), "{page:#?}");
        page.trail.len()
    };
    assert!(open().await > 1, "the provider was not asked");
    assert_eq!(open().await, 1, "the provider's no was forgotten");
    let login = ada.open(&setting.url("/own")).await;
    let page = ada.fill_in(&login, &[("login", "ada"), ("password", PASSWORD)]).await;
    says(&page, "loop_cookie");
    // Now the provider says yes.
    ada.change_jar(|jar| jar.forget(|kept| kept.name.contains("probe")));
    assert!(open().await > 1, "the provider was not asked");
    assert_eq!(open().await, 1);
}
