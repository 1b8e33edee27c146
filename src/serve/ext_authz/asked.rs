//! A request as Envoy tells of it, by whichever flavour: text first, then what the gate looks at.

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, Method};

use crate::base::client_certificate::ClientCertificate;
use crate::base::host::Authority;
use crate::gate::{Reason, RequestView, Target, Terms};
use crate::serve::forwarded::Origin;
use crate::serve::screen::screen;
use crate::serve::settings::RequestLimits;

/// By which Envoy says whether it has read only a part of the body. It lets no client say that.
pub(super) const PARTIAL_BODY: HeaderName = HeaderName::from_static("x-envoy-auth-partial-body");

/// See the module's text.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) host: String,
    /// Path and query, as they go to the app.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) origin: Origin,
    pub(super) certificate: Option<ClientCertificate>,
    pub(super) terms: Option<Terms>,
    /// Why it cannot be judged, whatever else it says.
    pub(super) doubt: Option<Reason>,
}

/// The request's body, as far as Envoy sends it along.
#[derive(Debug)]
pub(super) enum Body {
    /// More than Envoy has read.
    Partial,
    /// All of it, or nothing where Envoy does not send bodies.
    Whole(Bytes),
}

/// The parts of a view that have to be worked out.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) method: Method,
    authority: Authority<'a>,
    target: Target<'a>,
}

impl Asked {
    /// Notes a doubt, unless there was one before.
    pub(super) fn doubts(&mut self, reason: Reason) {
        self.doubt.get_or_insert(reason);
    }
}

impl Body {
    /// The body in `bytes`, of which `headers` say whether they are all.
    pub(super) fn of(bytes: Bytes, headers: &mut HeaderMap) -> Self {
        match headers.remove(PARTIAL_BODY) {
            Some(partial) if partial != "false" => Self::Partial,
            _ => Self::Whole(bytes),
        }
    }

    /// Its length, as far as it is known.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Partial => 0,
            Self::Whole(bytes) => bytes.len(),
        }
    }
}

impl<'a> Parts<'a> {
    /// Screens what was asked, and reads method, host and target as any other door would.
    pub(super) fn of(asked: &'a Asked, limits: &RequestLimits) -> Result<Self, Reason> {
        if let Some(doubt) = asked.doubt {
            return Err(doubt);
        }
        if [&asked.method, &asked.host, &asked.target].into_iter().any(String::is_empty) {
            return Err(Reason::ForwardedIncomplete);
        }
        let method =
            Method::from_bytes(asked.method.as_bytes()).map_err(|_| Reason::MethodNotAllowed)?;
        screen(&method, asked.target.as_bytes(), &asked.headers, limits)?;
        let authority = Authority::parse(&asked.host).ok_or(Reason::MalformedHost)?;
        let target = Target::parse(&asked.target)?;
        Ok(Self { method, authority, target })
    }

    /// The view itself.
    pub(super) fn view(&'a self, asked: &'a Asked) -> RequestView<'a> {
        RequestView {
            method: &self.method,
            scheme: asked.origin.scheme,
            authority: &self.authority,
            target: self.target,
            headers: &asked.headers,
            client: asked.origin.client,
            certificate: asked.certificate.as_ref(),
            relayed: true,
            terms: asked.terms.as_ref(),
            familiar: None,
        }
    }
}
