//! Three apps of one tenant of Mosaic behind one sidegate, and their login service.

use serde_json::{Value, json};

use super::app::{HOME, KEY, who};
use crate::support::clock::Clock;
use crate::support::edge;
use crate::support::http::client;
use crate::support::person::{Page, Person, Stop, Visit, filled_in};
use crate::support::process::Sidegate;
use crate::support::upstream::{Recorded, Upstream};
use crate::support::vendors::{Tenant, is_asked, tenants};

/// What the login service proves itself with.
pub(super) const SECRET: &str = "a secret of the login service, which is long";
const CLIENT_SECRET: &str = "a secret of the client";
/// Where the tenant is, and the login service.
const IDP: &str = "mosaic.idp.test";
/// The first two take any proof, the last one a second factor.
pub(super) const APPS: [&str; 3] = ["app1", "app2", "app3"];

const ROUTES: &str = "
routes:
  - { name: app1, match: { hosts: [app1.edge.test] }, providers: [app1], upstream: app }
  - { name: app2, match: { hosts: [app2.edge.test] }, providers: [app2], upstream: app }
  - { name: app3, match: { hosts: [app3.edge.test] }, providers: [app3], upstream: app, require: { amr_any: [mfa] } }
  - { name: login, match: { hosts: [login.edge.test] }, access: public, upstream: login }
";

/// The running parts.
pub(super) struct Stand {
    pub(super) tenant: Tenant,
    pub(super) sidegate: Sidegate,
    port: u16,
    _upstream: Upstream,
}

impl Stand {
    /// With these lines in the section `session`; nothing where a peer is missing.
    pub(super) async fn start(session: &str, clock: Option<&Clock>) -> Option<Self> {
        let [tenant] = tenants(["mosaic"]).await?;
        Some(Self::start_on(&tenant, session, clock).await)
    }

    /// One more sidegate for the same tenant, which the login service hands sessions in to from now on.
    pub(super) async fn start_on(tenant: &Tenant, session: &str, clock: Option<&Clock>) -> Self {
        let upstream = Upstream::answering(app).await;
        let providers: String = APPS.iter().map(|name| section(name, tenant)).collect();
        let configuration = format!(
            "upstreams:\n  - {{ name: app, servers: \"{}\" }}\n  \
             - {{ name: login, servers: \"{}\", tls: {{ ca: EDGE/ca.crt, server_name: {IDP} }}, login_service: true }}\n\
             providers:\n{providers}session:\n  keys: [{{ value: \"{KEY}\" }}]\n  cookie: {{ domain: edge.test }}\n{session}{ROUTES}",
            upstream.url(),
            tenant.origin.replacen(IDP, "127.0.0.1", 1),
        );
        let environment = clock.map(Clock::environment).unwrap_or_default();
        let sidegate = edge::sidegate(&configuration, environment);
        let port = sidegate.listener("edge").await.port();
        let stand = Self { tenant: tenant.clone(), sidegate, port, _upstream: upstream };
        for name in APPS {
            let registration = json!({
                "client_id": name,
                "client_secret": CLIENT_SECRET,
                "token_endpoint_auth_method": "client_secret_post",
                "redirect_uris": [stand.url(name, &format!("/.auth/callback/{name}"))],
            });
            tenant.register(registration).await;
        }
        let sidegate = stand.url("login", "");
        tenant.set(json!({ "sidegate": sidegate, "secret": SECRET })).await;
        stand
    }

    /// `path` at the host called `name`.
    pub(super) fn url(&self, name: &str, path: &str) -> String {
        format!("https://{name}.edge.test:{}{path}", self.port)
    }

    /// Opens the page of the app.
    pub(super) async fn open(&self, person: &Person, name: &str) -> Page {
        person.open(&self.url(name, HOME)).await
    }

    /// Opens the page of the app and signs in with a password.
    pub(super) async fn sign_in(&self, person: &Person, name: &str) -> Page {
        let login = self.open(person, name).await;
        assert!(is_asked(&login), "{login:#?}\n{}", self.log());
        let page = person.fill_in(&login, &[("username", "ada"), ("password", "password")]).await;
        self.shows(&page, name);
        page
    }

    /// Asserts that `page` is the app's, for Ada.
    pub(super) fn shows(&self, page: &Page, name: &str) {
        let seen = (page.status, page.url.as_str(), page.body.split(';').next());
        assert_eq!(
            seen,
            (200, self.url(name, HOME).as_str(), Some("ada")),
            "{page:#?}\n{}",
            self.log()
        );
        assert_eq!(page.refused_cookies, Vec::<String>::new());
    }

    /// Opens the page of the app, which is shown to Ada at once.
    pub(super) async fn knows(&self, person: &Person, name: &str) {
        let page = self.open(person, name).await;
        self.shows(&page, name);
        assert_eq!(page.trail.len(), 1, "{page:#?}");
    }

    /// Opens the page of the app, and is asked to sign in.
    pub(super) async fn asks(&self, person: &Person, name: &str) -> Page {
        let page = self.open(person, name).await;
        assert!(is_asked(&page), "{page:#?}\n{}", self.log());
        page
    }

    /// The status of a request by a script of the app.
    pub(super) async fn status(&self, person: &Person, name: &str) -> u16 {
        person.fetch(&self.url(name, "/api")).await.status
    }

    /// Signs out at the app.
    pub(super) async fn sign_out(&self, person: &Person, name: &str) -> Page {
        let page = url::Url::parse(&self.url(name, "/")).unwrap();
        let form = Visit::post(&self.url(name, "/.auth/logout"), &page, Vec::new());
        person.visit(form).await
    }

    /// How often sessions were asked about.
    pub(super) async fn asked(&self) -> usize {
        self.tenant.count("session_authenticate").await
    }

    pub(super) fn log(&self) -> String {
        self.sidegate.program.output()
    }

    /// What the login service says to sidegate, and the answer.
    pub(super) async fn say(&self, path: &str, secret: &str, body: &Value) -> (u16, Value) {
        let request = client()
            .post(self.url("login", &format!("/.auth/{path}")))
            .bearer_auth(secret)
            .header("content-type", "application/json")
            .body(body.to_string());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
    }

    /// The address with which `person`, who has begun a sign-in at the app, would come from the login service with that session.
    pub(super) async fn handed_in(&self, person: &Person, name: &str, session: &str) -> String {
        let login = self.asks(person, name).await;
        let parameter = |wanted: &str| {
            let found = login.url.query_pairs().find(|(name, _)| name == wanted);
            found.unwrap_or_else(|| panic!("no {wanted}: {}", login.url)).1.into_owned()
        };
        let body = json!({ "provider": name, "session_id": session, "state": parameter("state") });
        let (status, told) = self.say("sessions", SECRET, &body).await;
        assert_eq!(status, 200, "{told}");
        format!("{}?handle={}", parameter("adopt"), told["handle"].as_str().unwrap())
    }

    /// Signs in with a password, and stops on the way back to sidegate.
    pub(super) async fn handle(&self, person: &Person, name: &str) -> Visit {
        let login = self.asks(person, name).await;
        let form = filled_in(&login, &[("username", "ada"), ("password", "password")]);
        let stop = |visit: &Visit| visit.url.path() == "/.auth/adopt";
        match person.visit_until(form, stop).await {
            Stop::Before(visit) => visit,
            Stop::At(page) => panic!("no handle: {page:#?}"),
        }
    }
}

fn section(name: &str, Tenant { origin, .. }: &Tenant) -> String {
    format!(
        "  - name: {name}
    type: mosaic
    issuer: https://userid.security
    client_id: {name}
    client_secret: {{ value: {CLIENT_SECRET} }}
    client_auth: post
    jwks_uri: {origin}/cis/oidc/jwks
    endpoints:
      authorization: {origin}/cis/oidc/auth
      token: {origin}/oidc/token
      userinfo: {origin}/cis/me
      end_session: {origin}/cis/oidc/session/end
      revocation: {origin}/oidc/token/revocation
      session_authenticate: {origin}/cis/v1/auth/session/authenticate
      session_logout: {origin}/cis/v1/auth/session/logout
    backend_sessions:
      login_url: {origin}/signin?app={name}
      secret: {{ value: \"{SECRET}\" }}
      tenant: acme
      resource: https://api.acme.test
"
    )
}

/// The app, which says who it is told somebody is; at `/leaking` it takes itself for a login service.
fn app(request: &Recorded) -> Vec<u8> {
    if request.target() != "/leaking" {
        return who(request);
    }
    let header = r#"X-Edge-Session: {"provider":"app1","session_id":"leaked"}"#;
    format!("HTTP/1.1 200 OK\r\n{header}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}
