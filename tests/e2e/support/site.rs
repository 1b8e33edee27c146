//! A whole site: an upstream, a login service's key, and sidegate before it.

use std::net::SocketAddr;

use super::oidc_provider::{self, OidcProvider};
use super::process::Sidegate;
use super::raw::{Answer, Request};
use super::tokens::{AUDIENCE, ISSUER, Issuer};
use super::upstream::{Recorded, Upstream};

/// Every path needs an identity, but `/public`.
pub(crate) const PUBLIC_AND_REST: &str = "
routes:
  - { name: public, match: { paths: /public/* }, access: public }
  - { name: rest, match: { paths: /* } }
";

/// The running parts.
pub(crate) struct Site {
    pub(crate) upstream: Upstream,
    pub(crate) issuer: Issuer,
    pub(crate) sidegate: Sidegate,
    pub(crate) address: SocketAddr,
}

impl Site {
    /// A site whose upstream answers everything with `ok`, configured as `rest` says.
    pub(crate) async fn start(rest: &str) -> Self {
        Self::before(Upstream::start().await, rest).await
    }

    /// As [`start`](Self::start), before `upstream`.
    pub(crate) async fn before(upstream: Upstream, rest: &str) -> Self {
        let issuer = Issuer::new();
        let sidegate = Sidegate::run(&configuration(&upstream.url(), &issuer, rest));
        let address = sidegate.address().await;
        Self { upstream, issuer, sidegate, address }
    }

    /// The answer to `request`.
    pub(crate) async fn ask(&self, request: Request) -> Answer {
        request.send(self.address).await
    }

    /// What arrived upstream of `request`, which is let through.
    pub(crate) async fn forwarded(&self, request: Request) -> Recorded {
        let before = self.upstream.requests().len();
        let answer = self.ask(request.clone()).await;
        assert_eq!(answer.status, 200, "{request:?}: {answer:?}");
        let requests = self.upstream.requests();
        assert_eq!(requests.len(), before + 1, "{request:?}");
        requests[before].clone()
    }

    /// Asserts that `request` is refused and that nothing of it went upstream; the answer.
    pub(crate) async fn refused(&self, request: Request) -> Answer {
        let before = self.upstream.requests().len();
        let answer = self.ask(request.clone()).await;
        assert!((400..500).contains(&answer.status), "{request:?}: {answer:?}");
        self.nothing_since(before, &format!("{request:?}"));
        answer
    }

    /// Asserts that the upstream got no request after the first `before`, and none that it had to complain about.
    pub(crate) fn nothing_since(&self, before: usize, what: &str) {
        let requests = self.upstream.requests();
        assert_eq!(requests.len(), before, "{what}: {:?}", requests.last());
        assert_eq!(self.upstream.violations(), Vec::<String>::new(), "{what}");
    }
}

/// A file for `upstream`, written as there, and the provider `issuer`, with `rest` behind.
pub(crate) fn configuration(upstream: &str, issuer: &Issuer, rest: &str) -> String {
    let listen = if rest.contains("\nlisteners:") { "" } else { "listen: 127.0.0.1:0\n" };
    let admin = if rest.contains("\nadmin:") { "" } else { "admin: none\n" };
    format!(
        "{listen}{admin}upstream: {upstream}\nprovider:\n  name: login\n  type: jwt\n  issuer: {ISSUER}\n  \
         audience: {AUDIENCE}\n  cookie: sso\n  login_url: {ISSUER}/signin?rd={{return_to}}\n  jwks: {}\n{rest}",
        issuer.jwks()
    )
}

/// `sidegate run` before a recording upstream that wants tokens of the real provider.
pub(crate) async fn before_provider(
    provider: &OidcProvider,
    rest: &str,
) -> (Upstream, Sidegate, SocketAddr) {
    let upstream = Upstream::start().await;
    let configuration = format!(
        "listen: 127.0.0.1:0\nadmin: none\nupstream: {}\nprovider:\n  issuer: {}\n  audience: {}\n{rest}",
        upstream.url(),
        provider.issuer,
        oidc_provider::AUDIENCE
    );
    let sidegate = Sidegate::run(&configuration);
    let address = sidegate.address().await;
    (upstream, sidegate, address)
}
