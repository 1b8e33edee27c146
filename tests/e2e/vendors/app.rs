//! An app of a site, behind a sidegate of its own.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::clock::Clock;
use crate::support::edge;
use crate::support::http::client;
use crate::support::person::{Page, Person, Visit};
use crate::support::process::Sidegate;
use crate::support::signing_in::soon;
use crate::support::upstream::{Recorded, Upstream};
use crate::support::vendors::{Tenant, is_asked, sign_in_on};

const SECRET: &str = "a secret of the client";
pub(super) const KEY: &str = "1f8a04c3b97d52e6f0419b2dc875ae3360d1f2849c5b7ea613d8402f9ce75ba6";
pub(super) const DAY: Duration = Duration::from_secs(86_400);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
/// What people sign in for.
pub(super) const HOME: &str = "/home?x=1";

/// The parts of a configuration that differ.
#[derive(Clone, Default)]
pub(super) struct Plan<'a> {
    /// Lines of the section of the provider.
    pub(super) provider: &'a str,
    /// Lines of the section `session`.
    pub(super) session: &'a str,
    /// Sections.
    pub(super) rest: &'a str,
    /// More of the client's registration.
    pub(super) registration: Value,
    /// What the app's name ends in, if not `edge.test`.
    pub(super) domain: Option<&'a str>,
    /// The clock, if it is not the machine's.
    pub(super) clock: Option<&'a Clock>,
}

/// A running app.
pub(super) struct App {
    /// What it is called, and its client there.
    pub(super) name: String,
    pub(super) sidegate: Sidegate,
    /// The origin at which people reach it.
    pub(super) site: String,
    _upstream: Upstream,
}

impl App {
    /// The app called `name` at `https://NAME.edge.test`, a client of `tenant`, whose section begins with `head`.
    pub(super) async fn start(name: &str, tenant: &Tenant, head: &str, plan: Plan<'_>) -> Self {
        let section = format!(
            "  client_id: {name}\n  client_secret: {{ value: {SECRET} }}\n{}",
            indented(plan.provider)
        );
        let providers = format!("provider:\n{}{section}", indented(head));
        let app = Self::run(name, &providers, &plan).await;
        tenant.register(app.registration(&provider_of(head), &plan.registration)).await;
        app
    }

    /// The same with the sections of providers as they are, registered nowhere.
    pub(super) async fn run(name: &str, providers: &str, plan: &Plan<'_>) -> Self {
        let upstream = Upstream::answering(who).await;
        let configuration = format!(
            "upstream: {}\n{providers}session:\n  \
             keys: [{{ value: \"{KEY}\" }}]\n{}{}",
            upstream.url(),
            indented(plan.session),
            plan.rest
        );
        let environment = plan.clock.map(Clock::environment).unwrap_or_default();
        let sidegate = edge::sidegate(&configuration, environment);
        let address = sidegate.listener("edge").await;
        let domain = plan.domain.unwrap_or("edge.test");
        let site = format!("https://{name}.{domain}:{}", address.port());
        Self { name: name.to_owned(), sidegate, site, _upstream: upstream }
    }

    /// What is registered of it at the provider called `provider` here, with what `more` says.
    pub(super) fn registration(&self, provider: &str, more: &Value) -> Value {
        let site = &self.site;
        let mut registration = json!({
            "client_id": self.name,
            "client_secret": SECRET,
            "redirect_uris": [format!("{site}/.auth/callback/{provider}")],
            "post_logout_redirect_uris": [format!("{site}/.auth/signed-out")],
            "backchannel_logout_uri": format!("{site}/.auth/backchannel-logout/{provider}"),
            "frontchannel_logout_uri": format!("{site}/.auth/frontchannel-logout/{provider}"),
        });
        for (member, value) in more.as_object().into_iter().flatten() {
            registration[member] = value.clone();
        }
        registration
    }

    /// `path` of the site.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }

    /// Whether `url` is of the site.
    pub(super) fn has(&self, url: &url::Url) -> bool {
        url.as_str().starts_with(&self.site)
    }

    /// Opens the page and signs in as `user` on the provider's page.
    pub(super) async fn sign_in(&self, person: &Person, user: &str) -> Page {
        let login = person.open(&self.url(HOME)).await;
        let page = sign_in_on(&login, person, user).await;
        // Auth0 names people `auth0|ada`, Okta `00uada`.
        let shown = page.body.split(';').next().filter(|shown| shown.ends_with(user));
        self.shows(&page, shown.unwrap_or(user));
        page
    }

    /// Asserts that `page` is the wanted one, for `user`.
    pub(super) fn shows(&self, page: &Page, user: &str) {
        let seen = (page.status, page.url.as_str(), page.body.split(';').next());
        let log = self.sidegate.program.output();
        assert_eq!(seen, (200, self.url(HOME).as_str(), Some(user)), "{page:#?}\n{log}");
        assert_eq!(page.refused_cookies, Vec::<String>::new());
    }

    /// Opens the page, which is shown to `user` without a question.
    pub(super) async fn knows(&self, person: &Person, user: &str) -> Page {
        let page = person.open(&self.url(HOME)).await;
        self.shows(&page, user);
        page
    }

    /// Opens the page, and is asked to sign in.
    pub(super) async fn asks(&self, person: &Person) -> Page {
        let page = person.open(&self.url(HOME)).await;
        assert!(is_asked(&page), "{page:#?}\n{}", self.sidegate.program.output());
        page
    }

    /// Who the app says `person` is, asked by a script.
    pub(super) async fn user(&self, person: &Person) -> Option<String> {
        let page = person.fetch(&self.url("/api")).await;
        (page.status == 200).then(|| page.body.split(';').next().unwrap().to_owned())
    }

    /// The form that signs out, as a page of the app has it.
    pub(super) fn sign_out(&self) -> Visit {
        let page = url::Url::parse(&self.url("/")).unwrap();
        Visit::post(&self.url("/.auth/logout"), &page, Vec::new())
    }

    /// The status of, and the words that the app says about, a request with `token`.
    pub(super) async fn with_token(&self, token: &str) -> (u16, String) {
        self.with_token_at("/api", token).await
    }

    /// The same at `path`.
    pub(super) async fn with_token_at(&self, path: &str, token: &str) -> (u16, String) {
        let request = client().get(self.url(path)).bearer_auth(token);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Whether the log has `words`.
    pub(super) fn logged(&self, words: &str) -> bool {
        self.sidegate.program.output().contains(words)
    }

    /// Waits until its log says `words`: lines come after what they tell of.
    pub(super) async fn logs(&self, words: &str) {
        soon(async || self.logged(words)).await;
    }
}

fn provider_of(head: &str) -> String {
    let name = head.lines().find_map(|line| line.strip_prefix("name: "));
    name.unwrap_or("default").to_owned()
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("  {line}\n")).collect()
}

/// `user;email;groups;roles`, as the app is told.
pub(super) fn who(request: &Recorded) -> Vec<u8> {
    let field = |name| request.values(name).join("+");
    let names = ["x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-roles"];
    let body = names.map(field).join(";");
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Sets the clocks of a tenant and of sidegate to so long after now.
pub(super) async fn later(clock: &Clock, tenant: &Tenant, ahead: Duration) {
    clock.set(ahead);
    tenant.clock(ahead).await;
}

/// How often the addresses of `page` lead to the provider.
pub(super) fn visits_to(page: &Page, tenant: &Tenant) -> usize {
    page.trail.iter().filter(|url| url.as_str().starts_with(&tenant.origin)).count()
}
