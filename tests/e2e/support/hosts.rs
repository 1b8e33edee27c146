//! Many apps behind one sidegate, and one host where people sign in for all of them.

use std::time::Duration;

use serde_json::json;
use sidegate::base::host::Authority;
use sidegate::base::scheme::Scheme;
use sidegate::base::secret::Secret;
use sidegate::base::time::Timestamp;
use sidegate::clock::Clock;
use sidegate::session::{
    AllowedHosts, AttemptCookies, AttemptId, Departure, Handover, Origin, Parcel, Referral,
    ReturnTo, SealingKeys,
};

use super::jar::Kept;
use super::oidc_provider::OidcProvider;
use super::person::{Page, Person, Stop, Visit};
use super::ports::free_address;
use super::process::Sidegate;
use super::upstream::{Recorded, Upstream};

const SECRET: &str = "a secret of the client";
const KEY: &str = "1f8a04c3b97d52e6f0419b2dc875ae3360d1f2849c5b7ea613d8402f9ce75ba6";

/// The host where people sign in.
pub(crate) const AUTH: &str = "auth.one.test";
/// An app below the same domain, and one more.
pub(crate) const ONE: &str = "app.one.test";
pub(crate) const MORE: &str = "more.one.test";
/// Apps of other domains.
pub(crate) const TWO: &str = "app.two.test";
pub(crate) const THREE: &str = "app.three.test";

const ROUTES: &str = "
routes:
  - name: strong
    match: { hosts: app.two.test, paths: /strong/* }
    require: { amr_any: [otp] }
    sign_in: { acr_values: [mfa] }
  - { name: open, match: { hosts: [app.two.test, app.one.test], paths: /open/* }, access: optional, sign_in: { silent: probe } }
  - { name: apps, match: { hosts: [app.one.test, more.one.test, app.two.test, app.three.test] } }
  - { name: any, match: { paths: /any } }
";

/// The running parts.
pub(crate) struct Hosts {
    pub(crate) provider: OidcProvider,
    /// One more, called `other`, where people choose.
    other: Option<OidcProvider>,
    pub(crate) sidegate: Sidegate,
    /// Scheme, and what the names of hosts end in.
    place: (&'static str, &'static str),
    port: u16,
    configuration: String,
    _upstream: Upstream,
}

impl Hosts {
    /// With `session` in the section of that name.
    pub(crate) async fn start(session: &str) -> Option<Self> {
        Self::start_in(("https", "test"), session, None).await
    }

    /// The same where people choose between two providers.
    pub(crate) async fn start_with_choice(session: &str) -> Option<Self> {
        let other = OidcProvider::start().await?;
        Self::start_in(("https", "test"), session, Some(other)).await
    }

    /// For a real browser, which takes names that end in `localhost` for this machine, and trusts them without TLS.
    pub(crate) async fn start_for_browser() -> Option<Self> {
        Self::start_in(("http", "localhost"), "", None).await
    }

    async fn start_in(
        place: (&'static str, &'static str),
        session: &str,
        other: Option<OidcProvider>,
    ) -> Option<Self> {
        let provider = OidcProvider::start().await?;
        let upstream = Upstream::answering(who).await;
        let (scheme, top) = place;
        let names = [("main", Some(&provider)), ("other", other.as_ref())];
        let providers: String =
            names.iter().filter_map(|(name, peer)| Some(section(name, (*peer)?))).collect();
        // The file has to name it, and after a crash it is the same.
        let address = free_address();
        let configuration = format!(
            "listen: {address}\nadmin: none\ntrusted_proxies: [127.0.0.1/32]\nupstream: {}\nproviders:\n{providers}session:\n  \
             keys: [{{ value: \"{KEY}\" }}]\n{session}sign_in: {{ host: \"{scheme}://{AUTH}\" }}{ROUTES}",
            upstream.url(),
        );
        let configuration = configuration.replace(".test", &format!(".{top}"));
        let (home, port) = (AUTH.replace(".test", &format!(".{top}")), address.port());
        let configuration = configuration.replacen(&home, &format!("{home}:{port}"), 1);
        let sidegate = Sidegate::run(&configuration);
        sidegate.address().await;
        let hosts =
            Self { provider, other, sidegate, place, port, configuration, _upstream: upstream };
        hosts.register("main", &hosts.provider).await;
        if let Some(other) = &hosts.other {
            hosts.register("other", other).await;
        }
        Some(hosts)
    }

    async fn register(&self, name: &str, provider: &OidcProvider) {
        let registration = json!({
            "client_id": "web",
            "client_secret": SECRET,
            "redirect_uris": [self.url(AUTH, &format!("/.auth/callback/{name}"))],
            "post_logout_redirect_uris": [self.url(AUTH, "/.auth/signed-out")],
            "backchannel_logout_uri": format!("http://127.0.0.1:{}/.auth/backchannel-logout/{name}", self.port),
        });
        provider.register(&registration).await;
    }

    /// The address of `path` at `host`.
    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        let (scheme, top) = self.place;
        format!("{scheme}://{}:{}{path}", host.replace(".test", &format!(".{top}")), self.port)
    }

    /// Kills sidegate and starts it again where it was.
    pub(crate) async fn crash(self) -> Self {
        let sidegate = self.sidegate.crash(&self.configuration).await;
        sidegate.address().await;
        Self { sidegate, ..self }
    }

    /// Opens `path` of `host` and fills in the provider's page.
    pub(crate) async fn sign_in(&self, person: &Person, host: &str, path: &str) -> Page {
        let login = person.open(&self.url(host, path)).await;
        let log = self.sidegate.program.output();
        assert!(login.body.contains("Sign in at the provider"), "{login:#?}\n{log}");
        let page = person.fill_in(&login, &[("login", "ada"), ("password", "password")]).await;
        self.shows(&page, host, path);
        page
    }

    /// Asserts that `page` is `path` of `host`, for Ada.
    pub(crate) fn shows(&self, page: &Page, host: &str, path: &str) {
        let seen = (page.status, page.url.as_str(), page.body.as_str());
        let log = self.sidegate.program.output();
        assert_eq!(seen, (200, self.url(host, path).as_str(), "ada"), "{page:#?}\n{log}");
        assert_eq!(page.refused_cookies, Vec::<String>::new());
    }

    /// Who the app at `host` says `person` is, asked by a script; empty for nobody.
    pub(crate) async fn user(&self, person: &Person, host: &str) -> String {
        let page = person.fetch(&self.url(host, "/api")).await;
        if page.status == 200 { page.body } else { String::new() }
    }

    /// How often the provider was asked to sign somebody in.
    pub(crate) async fn asked(&self) -> u64 {
        self.provider.requests("/auth").await
    }

    /// The visit that brings `person`'s session to `host`, stopped before it is made.
    pub(crate) async fn handover(&self, person: &Person, host: &str) -> Visit {
        let stop = |visit: &Visit| visit.url.path() == "/.auth/handover";
        match person.visit_until(Visit::typed(&self.url(host, "/wanted")), stop).await {
            Stop::Before(visit) => visit,
            Stop::At(page) => panic!("nothing was handed over: {page:#?}"),
        }
    }

    /// A code for nobody at `host` that is `age` old, and the departure that it is for in `person`'s browser.
    pub(crate) fn forged(&self, person: &Person, host: &str, age: Duration) -> Visit {
        let text: Vec<u8> = (0..32)
            .map(|index| u8::from_str_radix(&KEY[2 * index..2 * index + 2], 16).unwrap())
            .collect();
        let keys = SealingKeys::new(&[Secret::new(text.try_into().unwrap())]).unwrap();
        let now = Clock::system().now();
        let (id, origin) = (AttemptId::from_bytes([7; 16]), self.url(host, ""));
        let authority = format!("{host}:{}", self.port);
        let own = Origin::new(Scheme::Https, &Authority::parse(&authority).unwrap()).unwrap();
        let return_to =
            ReturnTo::parse("/wanted", &own, &AllowedHosts::new(Vec::new(), "/.auth")).unwrap();
        let departure = Departure { id, return_to: return_to.clone(), created: now };
        let spec = AttemptCookies::departures("/.auth", Scheme::Https).spec(id);
        person.change_jar(|jar| {
            jar.put(Kept {
                name: spec.name().to_owned(),
                value: departure.seal(&keys, &spec, host, [1; 12]),
                domain: host.to_owned(),
                host_only: true,
                path: "/.auth".to_owned(),
                secure: true,
                http_only: true,
                same_site: None,
                persistent: true,
            });
        });
        let created = Timestamp::from_secs(now.as_secs() - age.as_secs());
        let referral = Referral { departure: id, origin: origin.clone(), created };
        let handover = Handover::new([9; 16], &referral, &return_to, Parcel::Nobody, created);
        let code = handover.seal(&keys, &origin, [2; 12]).unwrap();
        Visit::typed(&format!("{origin}/.auth/handover?code={code}"))
    }
}

/// A provider of the configuration.
fn section(name: &str, provider: &OidcProvider) -> String {
    format!(
        "  - {{ name: {name}, title: The {name} login, issuer: \"{}\", client_id: web, client_secret: {{ value: {SECRET} }}, \
         scopes: [openid, email, groups] }}\n",
        provider.issuer
    )
}

/// The user alone, as the app is told.
fn who(request: &Recorded) -> Vec<u8> {
    let body = request.values("x-forwarded-user").join("+");
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
