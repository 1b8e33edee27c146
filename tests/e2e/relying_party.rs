//! Sign-in, renewal and sign-out with a real provider that knows nothing of us: npm `oidc-provider`.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::oidc_provider::OidcProvider;
use crate::support::person::{Page, Person};
use crate::support::process::{PATIENCE, Sidegate};
use crate::support::upstream::{Recorded, Upstream};

const CLIENT_ID: &str = "web";
const CLIENT_SECRET: &str = "a secret of the client: 100% + more";
const KEY: &str = "1f8a04c3b97d52e6f0419b2dc875ae3360d1f2849c5b7ea613d8402f9ce75ba6";
const WANTED: &str = "/wanted?x=1";
const PASSWORD: &str = "password";

/// The provider, an app that says who is calling, and sidegate between them, reached at `site`.
struct Setting {
    provider: OidcProvider,
    sidegate: Sidegate,
    site: String,
    _upstream: Upstream,
}

impl Setting {
    /// With `lines` in the provider's section, `rest` at the end, and `more` in the client's registration.
    async fn start(lines: &str, rest: &str, more: Value) -> Option<Self> {
        let provider = OidcProvider::start().await?;
        let upstream = Upstream::answering(who).await;
        let lines: String = lines.lines().map(|line| format!("  {line}\n")).collect();
        let secret = if lines.contains("client_auth: none") {
            String::new()
        } else {
            format!("  client_secret: {{ value: {} }}\n", json!(CLIENT_SECRET))
        };
        let sidegate = Sidegate::run(&format!(
            "listen: 127.0.0.1:0\nadmin: none\ntrusted_proxies: [127.0.0.1/32]\nupstream: {}\nprovider:\n  name: main\n  \
             issuer: {}\n  client_id: {CLIENT_ID}\n{secret}{lines}session:\n  keys: [{{ value: \"{KEY}\" }}]\n{rest}",
            upstream.url(),
            provider.issuer,
        ));
        let address = sidegate.address().await;
        provider.register(&registration(address, &more)).await;
        let site = format!("https://app.test:{}", address.port());
        Some(Self { provider, sidegate, site, _upstream: upstream })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }

    /// Opens the page and signs in as `user` on the provider's page.
    async fn sign_in(&self, person: &Person, user: &str) -> Page {
        let login = person.open(&self.url(WANTED)).await;
        assert!(login.body.contains("Sign in at the provider"), "{login:#?}");
        person.fill_in(&login, &[("login", user), ("password", PASSWORD)]).await
    }

    /// Asserts that `page` is the wanted one, for `user`.
    fn shows(&self, page: &Page, user: &str) {
        let seen = (page.status, page.url.as_str(), page.body.split('|').next());
        let log = self.sidegate.program.output();
        assert_eq!(seen, (200, self.url(WANTED).as_str(), Some(user)), "{page:#?}\n{log}");
        assert_eq!(page.refused_cookies, Vec::<String>::new());
    }

    /// Who the app says `person` is, asked by a script.
    async fn user(&self, person: &Person) -> Option<String> {
        let page = person.fetch(&self.url("/api")).await;
        (page.status == 200).then(|| page.body.split('|').next().unwrap().to_owned())
    }
}

fn registration(address: SocketAddr, more: &Value) -> Value {
    let site = format!("https://app.test:{}", address.port());
    let mut registration = json!({
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [format!("{site}/.auth/callback/main")],
        "post_logout_redirect_uris": [format!("{site}/.auth/signed-out")],
        "backchannel_logout_uri": format!("http://{address}/.auth/backchannel-logout/main"),
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        registration[name] = value.clone();
    }
    registration
}

/// `user|email|groups`, as the app is told.
fn who(request: &Recorded) -> Vec<u8> {
    let field = |name| request.values(name).join("+");
    let body = ["x-forwarded-user", "x-forwarded-email", "x-forwarded-groups"].map(field).join("|");
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Waits until `holds`.
async fn soon(holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes true");
}

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
