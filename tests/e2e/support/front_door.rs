//! What a browser meets: real providers, an app with a few pages, and sidegate before it as `http://localhost`.

use serde_json::json;

use super::oidc_provider::OidcProvider;
use super::process::Sidegate;
use super::upstream::{Recorded, Upstream};
use super::webdriver::Browser;

const KEY: &str = "1f8a04c3b97d52e6f0419b2dc875ae3360d1f2849c5b7ea613d8402f9ce75ba6";
const SECRET: &str = "a secret of the client";

/// Where the app is for everyone, asks for a second factor, for a group, or for nothing.
const ROUTES: &str = "
routes:
  - { name: admin, match: { paths: /admin/* }, require: { groups_any: [admin] } }
  - name: strong
    match: { paths: /strong/* }
    require: { amr_any: [otp] }
    sign_in: { acr_values: [mfa] }
  - { name: open, match: { paths: /open/* }, access: optional, sign_in: { silent: probe } }
  - { name: rest, match: { paths: /* } }
";

/// The running parts.
pub(crate) struct FrontDoor {
    pub(crate) providers: Vec<OidcProvider>,
    pub(crate) sidegate: Sidegate,
    /// Scheme and authority of the app.
    pub(crate) site: String,
    _upstream: Upstream,
}

impl FrontDoor {
    /// With a provider for each of `names`, and `session` in the section of that name.
    pub(crate) async fn start(names: &[&str], session: &str) -> Option<Self> {
        let upstream = Upstream::answering(page).await;
        let mut providers = Vec::new();
        let mut sections = String::new();
        for name in names {
            let provider = OidcProvider::start().await?;
            let issuer = &provider.issuer;
            sections += &format!(
                "  - {{ name: {name}, title: The {name} login, issuer: \"{issuer}\", client_id: web, \
                 client_secret: {{ value: {SECRET} }}, scopes: [openid, email, groups] }}\n"
            );
            providers.push(provider);
        }
        let sidegate = Sidegate::run(&format!(
            "listen: 127.0.0.1:0\nadmin: none\nupstream: {}\nproviders:\n{sections}session:\n  \
             keys: [{{ value: \"{KEY}\" }}]\n{session}{ROUTES}",
            upstream.url()
        ));
        let address = sidegate.address().await;
        let site = format!("http://localhost:{}", address.port());
        for (name, provider) in names.iter().zip(&providers) {
            provider
                .register(&json!({
                    "client_id": "web",
                    "client_secret": SECRET,
                    "redirect_uris": [format!("{site}/.auth/callback/{name}")],
                    "post_logout_redirect_uris": [format!("{site}/.auth/signed-out")],
                    "backchannel_logout_uri": format!("http://{address}/.auth/backchannel-logout/{name}"),
                }))
                .await;
        }
        Some(Self { providers, sidegate, site, _upstream: upstream })
    }

    /// The address of `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }

    /// Waits for the page of the provider at `index`.
    pub(crate) async fn is_asked_by(&self, browser: &Browser, index: usize) {
        let interaction = format!("{}/interaction/", self.providers[index].issuer);
        browser.reaches(|url| url.starts_with(&interaction)).await;
    }

    /// Fills in the page of the first provider.
    pub(crate) async fn sign_in(&self, browser: &Browser, user: &str) {
        self.sign_in_at(browser, 0, user).await;
    }

    /// Fills in the page of the provider at `index`.
    pub(crate) async fn sign_in_at(&self, browser: &Browser, index: usize, user: &str) {
        self.is_asked_by(browser, index).await;
        browser.fill_in("#login", user).await;
        browser.fill_in("#password", "password").await;
        browser.click("button[type=submit]").await;
    }

    /// Waits until the app greets `user` at `path`, which may have a fragment.
    pub(crate) async fn greets(&self, browser: &Browser, path: &str, user: &str) {
        let wanted = self.url(path);
        let log = || self.sidegate.program.output();
        browser.arrives(&wanted, log).await;
        browser.shows("h1", &format!("Hello, {user}")).await;
    }
}

/// A page that greets the caller, with a form and the script of the session.
fn page(request: &Recorded) -> Vec<u8> {
    let user = request.values("x-forwarded-user").join("+");
    let user = if user.is_empty() { "stranger" } else { user.as_str() };
    let script = if request.target().starts_with("/watched") {
        "<script>document.addEventListener('sidegate:expiring', e => document.title = 'expiring');
         document.addEventListener('sidegate:expired', e => document.title = 'expired');</script>
         <script src=/.auth/session.js data-warn=1000000 defer></script>"
    } else {
        ""
    };
    let method = request.request_line();
    let body = format!(
        "<!doctype html><html lang=en><title>App</title>{script}<h1>Hello, {user}</h1><p id=method>{}</p>\
         <form method=post action=/sent><input id=text name=text><button>Send</button></form></html>",
        method.split(' ').next().unwrap_or_default()
    );
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}
