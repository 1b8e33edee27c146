//! What every case plays on: a provider, an app that says who it was told is calling, sidegate between them, and a person.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::row::Plan;
use crate::support::misbehaving::{CLIENT_ID, CLIENT_SECRET, Misbehaving, Provider};
use crate::support::person::{Page, Person, Stop, Visit};
use crate::support::process::{PATIENCE, Sidegate};
use crate::support::upstream::{Recorded, Upstream};

/// The name of the provider in the configuration.
pub(super) const NAME: &str = "main";
/// The page that people want to see.
pub(super) const WANTED: &str = "/wanted?x=1";
/// 32 bytes for everybody to see.
pub(super) const KEY: &str = "1f8a04c3b97d52e6f0419b2dc875ae3360d1f2849c5b7ea613d8402f9ce75ba6";

/// How long nothing is looked at while something is waited for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// The running parts of one case.
pub(super) struct Stage {
    configuration: String,
    pub(super) provider: Provider,
    /// Further providers.
    pub(super) others: Vec<Provider>,
    pub(super) upstream: Upstream,
    pub(super) sidegate: Sidegate,
    pub(super) address: SocketAddr,
    /// The origin at which people reach sidegate.
    pub(super) site: String,
    pub(super) person: Person,
}

impl Stage {
    /// Starts everything as `plan` says, with a provider of this `name`.
    pub(super) async fn start(program: &Misbehaving, name: &str, plan: Plan) -> Self {
        let provider = program.provider(name);
        if plan.settings.is_object() {
            provider.set(plan.settings.clone()).await;
        }
        if plan.told.is_object() {
            provider.misbehave(plan.told.clone()).await;
        }
        let upstream = Upstream::answering(who).await;
        let configuration = configuration(&upstream, &provider, name, &plan);
        let sidegate = Sidegate::run(&configuration);
        let address = sidegate.address().await;
        let site = format!("https://app.test:{}", address.port());
        provider.register(&site, NAME, &plan.registration).await;
        let mut others = Vec::new();
        for other in plan.others {
            others.push(program.provider(&format!("{name}-{other}")));
            others.last().unwrap().register(&site, other, &json!({})).await;
        }
        Self {
            configuration,
            provider,
            others,
            upstream,
            sidegate,
            address,
            site,
            person: Person::new(),
        }
    }

    /// `path` of the site.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }

    /// Wants to see the page, and signs in on the way.
    pub(super) async fn sign_in(&self) -> Page {
        self.person.sign_in(&self.site, WANTED).await
    }

    /// Asserts that signing in leads to the page; the page.
    pub(super) async fn is_accepted(&self) -> Page {
        let page = self.sign_in().await;
        self.shows(&page, "ada");
        page
    }

    /// Asserts that `page` is the wanted one and for `user`.
    pub(super) fn shows(&self, page: &Page, user: &str) {
        let seen = (page.status, page.url.as_str(), page.body.split('|').next());
        assert_eq!(seen, (200, self.url(WANTED).as_str(), Some(user)), "{page:#?}");
    }

    /// Asserts that signing in ends on an error page, and that nothing came of it; the page.
    pub(super) async fn is_refused(&self) -> Page {
        let page = self.sign_in().await;
        self.is_error(&page);
        self.nobody_is_signed_in().await;
        let authorizations = self.provider.count("authorization").await;
        assert_eq!(authorizations, 1, "sign-in was tried {authorizations} times");
        assert_eq!(self.provider.count("userinfo").await, 0, "the identity was used");
        page
    }

    /// Asserts that signing in ends on an error page and with nobody signed in, however often the provider was asked.
    pub(super) async fn is_turned_away(&self) -> Page {
        let page = self.sign_in().await;
        self.is_error(&page);
        self.nobody_is_signed_in().await;
        page
    }

    /// Asserts that signing in is not possible at the moment, and that the page says when to try again.
    pub(super) async fn is_unavailable(&self) {
        let page = self.is_turned_away().await;
        assert_eq!(page.status, 503, "{page:#?}");
        let seconds = page.header("retry-after").and_then(|value| value.parse::<u32>().ok());
        assert!(seconds.is_some_and(|seconds| (1..=60).contains(&seconds)), "{page:#?}");
        assert_eq!(self.provider.count("authorization").await, 0);
    }

    /// Asserts that `page` is an error page of our own, safe to show.
    pub(super) fn is_error(&self, page: &Page) {
        let is_error = (400..600).contains(&page.status) && page.status != 500;
        assert!(is_error, "expected an error page, found {page:#?}");
        assert_eq!(page.url.origin(), Url::parse(&self.site).unwrap().origin(), "{page:#?}");
        assert_eq!(page.header("cache-control"), Some("no-store"), "{page:#?}");
        let policy = page.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'"), "{policy:?}: {page:#?}");
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"), "{page:#?}");
    }

    /// Asserts that the person has no session, and that the app saw nobody.
    pub(super) async fn nobody_is_signed_in(&self) {
        assert_eq!(self.user().await, None);
        assert_eq!(self.upstream.requests().len(), 0, "the app was asked");
    }

    /// Who the app says is calling.
    pub(super) async fn user(&self) -> Option<String> {
        self.user_of(&self.person).await
    }

    /// Who the app says `person` is.
    pub(super) async fn user_of(&self, person: &Person) -> Option<String> {
        let page = person.fetch(&self.url("/api")).await;
        match page.status {
            200 => page.body.split('|').next().map(str::to_owned),
            401 => None,
            status => panic!("expected 200 or 401, found {status}: {page:#?}"),
        }
    }

    /// Signs `person` in up to the answer of the provider, which is not delivered.
    pub(super) async fn before_callback(&self, person: &Person, path: &str) -> Visit {
        let callback = self.url("/.auth/callback/");
        let stop = |visit: &Visit| visit.url.as_str().starts_with(&callback);
        match person.visit_until(Visit::typed(&self.url(path)), stop).await {
            Stop::Before(visit) => visit,
            Stop::At(page) => panic!("the provider did not answer: {page:#?}"),
        }
    }

    /// Asserts that no code was redeemed.
    pub(super) async fn no_tokens_were_asked_for(&self) {
        assert_eq!(self.provider.count("token").await, 0, "tokens were asked for");
    }

    /// Asserts that a logout token with `misbehaviour` is refused and ends nothing.
    pub(super) async fn refuses_logout(&self, misbehaviour: Value) {
        self.is_accepted().await;
        let whom =
            json!({ "sub": "ada", "sid": self.provider.sid().await, "misbehaviour": misbehaviour });
        let answer = self.provider.log_out(whom).await;
        is_refusal(&answer);
        assert_eq!(self.user().await.as_deref(), Some("ada"));
    }

    /// Posts the form that signs out, as the page of ours has it; where that leads.
    pub(super) async fn sign_out(&self) -> Page {
        self.person.visit(self.sign_out_form()).await
    }

    /// The form that signs out, about to be posted.
    pub(super) fn sign_out_form(&self) -> Visit {
        let page = Url::parse(&self.site).unwrap();
        Visit::post(&self.url("/.auth/logout"), &page, Vec::new())
    }

    /// Changes the configuration, and waits until it is in force.
    pub(super) async fn reconfigure(&self, change: impl FnOnce(&str) -> String) {
        let before = reloads(&self.sidegate);
        self.sidegate.configure(&change(&self.configuration));
        self.sidegate.program.signal("HUP").await;
        self.soon(async || reloads(&self.sidegate) > before).await;
    }

    /// A sealing key whose bytes are all `byte`.
    pub(super) fn key_of(byte: u8) -> String {
        format!("{byte:02x}").repeat(32)
    }

    /// Asserts that `holds` comes true.
    pub(super) async fn soon(&self, holds: impl AsyncFn() -> bool) {
        let waiting = async {
            while !holds().await {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "it did not come true:\n{}", self.sidegate.program.output());
    }

    /// Asserts what holds after every case: no panic, no secret in the log, framing as it should be.
    pub(super) fn nothing_broke(&self) {
        let output = self.sidegate.program.output();
        assert!(!output.contains("panicked"), "{output}");
        assert!(!output.contains(CLIENT_SECRET) && !output.contains(KEY), "a secret is in the log");
        assert_eq!(self.upstream.violations(), Vec::<String>::new());
    }
}

/// How often the configuration was read again.
fn reloads(sidegate: &Sidegate) -> usize {
    sidegate.program.output().matches("configuration reloaded").count()
}

/// Asserts that the answer to a logout token is 400 and kept by nobody.
pub(super) fn is_refusal(answer: &Value) {
    let seen = (&answer["status"], &answer["headers"]["cache-control"]);
    assert_eq!(seen, (&json!(400), &json!("no-store")), "{answer:#}");
}

/// Changes the parameters in the query of `url`.
pub(super) fn change_query(url: &mut Url, change: impl FnOnce(&mut Vec<(String, String)>)) {
    let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    change(&mut pairs);
    url.query_pairs_mut().clear().extend_pairs(pairs);
}

/// The value of the parameter called `name`.
pub(super) fn param(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

/// What the app answers: who it was told is calling, `user|email|groups`.
fn who(request: &Recorded) -> Vec<u8> {
    let field = |name| request.values(name).join("+");
    let body = ["x-forwarded-user", "x-forwarded-email", "x-forwarded-groups"].map(field).join("|");
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn configuration(upstream: &Upstream, provider: &Provider, name: &str, plan: &Plan) -> String {
    let others: String = plan
        .others
        .iter()
        .map(|other| section(other, &sibling(provider, name, other), ""))
        .collect();
    let issuer = plan.issuer.unwrap_or(&provider.issuer);
    let session = if plan.rest.contains("session:") {
        String::new()
    } else {
        format!("session:\n  keys: [{{ value: \"{KEY}\" }}]\n")
    };
    format!(
        "listen: 127.0.0.1:0\nadmin: none\ntrusted_proxies: [127.0.0.1/32]\nupstream: {}\nproviders:\n{}{others}{session}{}",
        upstream.url(),
        section(NAME, issuer, &plan.provider),
        plan.rest,
    )
}

/// A provider of the configuration.
fn section(name: &str, issuer: &str, lines: &str) -> String {
    let secret = if lines.contains("client_auth: none") || lines.contains("private_key_jwt") {
        String::new()
    } else {
        format!("    client_secret: {{ value: {} }}\n", json!(CLIENT_SECRET))
    };
    format!("  - name: {name}\n    issuer: {issuer}\n    client_id: {CLIENT_ID}\n{secret}{lines}")
}

/// The issuer of the provider called `other` beside `provider`, which is called `name`.
fn sibling(provider: &Provider, name: &str, other: &str) -> String {
    let origin = provider.issuer.strip_suffix(name).unwrap_or_default();
    format!("{origin}{name}-{other}")
}
