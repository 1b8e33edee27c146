//! Credentials: what kinds there are, and who may vouch for one. How they are read out of a request is in `offer`.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::gate::facts::ProviderId;
use crate::gate::policy::{Dpop, Provider};

/// How a credential came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// `Authorization: Bearer` ([RFC 6750 §2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
    Bearer,
    /// An SSO cookie that is itself a token.
    Cookie,
    /// `Authorization: DPoP` with a proof beside it
    /// ([RFC 9449 §7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)).
    Dpop,
    /// Another header that the provider's configuration names.
    Header,
    /// All that a provider's resolver is shown of a request: its cookies, and a token if there is one.
    Resolved,
    /// The cookie of a session of our own.
    Session,
}

impl CredentialKind {
    /// The word of configuration, logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Cookie => "cookie",
            Self::Dpop => "dpop",
            Self::Header => "header",
            Self::Resolved => "resolver",
            Self::Session => "session",
        }
    }

    /// Whether browsers send it along by themselves, whichever page makes the request.
    pub const fn is_ambient(self) -> bool {
        matches!(self, Self::Cookie | Self::Resolved | Self::Session)
    }
}

/// The kinds a route accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialKinds(u8);

impl CredentialKinds {
    /// Every kind there is.
    pub const ALL: Self = Self(0b11_1111);

    /// Whether `kind` is among them.
    pub const fn contains(self, kind: CredentialKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

impl FromIterator<CredentialKind> for CredentialKinds {
    fn from_iter<I: IntoIterator<Item = CredentialKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u8))
    }
}

/// A credential and who may vouch for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential<'a> {
    kind: CredentialKind,
    /// Owned where a cookie came in several pieces.
    token: Cow<'a, str>,
    proof: Option<&'a str>,
    providers: Providers,
}

/// Providers, in the order of the route.
pub(super) type Providers = SmallVec<[ProviderId; 4]>;

impl<'a> Credential<'a> {
    /// One that came alone.
    pub(super) fn new(
        kind: CredentialKind,
        token: impl Into<Cow<'a, str>>,
        providers: Providers,
    ) -> Self {
        Self { kind, token: token.into(), proof: None, providers }
    }

    /// The same with a proof of possession.
    pub(super) fn with_proof(self, proof: &'a str) -> Self {
        Self { proof: Some(proof), ..self }
    }

    /// Lets another provider vouch for it, too.
    pub(super) fn also_of(&mut self, provider: ProviderId) {
        self.providers.push(provider);
    }

    /// How it came.
    pub const fn kind(&self) -> CredentialKind {
        self.kind
    }

    /// The token as offered. A secret: it may be judged and hashed, never written anywhere.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The proof of possession that came along.
    pub(super) const fn proof(&self) -> Option<&'a str> {
        self.proof
    }

    /// The providers that may have issued it, here and in this way.
    pub fn providers(&self) -> &[ProviderId] {
        &self.providers
    }
}

impl Provider {
    /// The kinds of credential that this provider's tokens can come as: for the configuration's warnings.
    pub fn kinds(&self) -> CredentialKinds {
        let cookies = !self.cookies.is_empty() || self.resolver.is_some();
        let cookie = cookies.then_some(CredentialKind::Cookie);
        let header = (!self.headers.is_empty()).then_some(CredentialKind::Header);
        let dpop = (self.dpop != Dpop::Off).then_some(CredentialKind::Dpop);
        let session = self.relying_party.is_some().then_some(CredentialKind::Session);
        let named = [cookie, dpop, header, session].into_iter().flatten();
        [CredentialKind::Bearer].into_iter().chain(named).collect()
    }
}
