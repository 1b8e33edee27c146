//! A request to an endpoint of our own, and what it has with it: the session of its browser above all.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use url::form_urlencoded;

use crate::base::time::Timestamp;
use crate::gate::{RequestView, SessionPolicy};
use crate::remote::sessions::{Place, StoreError};
use crate::serve::own::desk::Desk;
use crate::serve::reply::{Asker, Reply};
use crate::serve::runtime::Runtime;
use crate::session::{
    AttemptCookies, CookieError, CookieSpec, Ended, Hint, Life, OpenError, Origin, ReturnTo,
    SameSite, Session, SessionError, Ticket,
};

/// See the module's text.
pub(crate) struct Visit<'a> {
    pub(crate) runtime: &'a Arc<Runtime>,
    pub(crate) desk: &'a Desk,
    pub(crate) sessions: &'a SessionPolicy,
    pub(crate) request: RequestView<'a>,
    pub(crate) now: Timestamp,
    pub(crate) asker: Asker<'a>,
    /// The form, if the endpoint reads one.
    pub(crate) body: &'a [u8],
}

/// The session of a browser that visits us.
#[derive(Clone, Debug)]
pub(crate) struct Present {
    pub(crate) session: Arc<Session>,
    pub(crate) ticket: Option<Ticket>,
}

/// Why a browser has no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// No cookie.
    NoCookie,
    /// Its cookie is none of ours, or damaged.
    Malformed,
    /// It was sealed with a key that we do not have.
    OtherKeys,
    /// Its time is over.
    Over,
    /// It was ended, or its provider is not configured any more.
    Ended,
    /// Nobody can tell: the store does not answer.
    Unknown,
}

impl From<CookieError> for Absent {
    fn from(_: CookieError) -> Self {
        Self::Malformed
    }
}

impl From<SessionError> for Absent {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Open(OpenError::UnknownKey) => Self::OtherKeys,
            SessionError::Decode(_) | SessionError::Open(_) => Self::Malformed,
        }
    }
}

impl From<StoreError> for Absent {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Unknown,
            StoreError::Damaged | StoreError::TooLarge(_) => Self::Malformed,
            StoreError::Ended => Self::Ended,
        }
    }
}

impl From<Ended> for Absent {
    fn from(_: Ended) -> Self {
        Self::Over
    }
}

impl<'a> Visit<'a> {
    /// The header fields.
    pub(crate) const fn headers(&self) -> &'a HeaderMap {
        self.request.headers
    }

    /// The host, without port and in lower case: what cookies are bound to.
    pub(crate) fn host(&self) -> &'a str {
        self.request.authority.host()
    }

    /// Scheme and authority, as browsers write them.
    pub(crate) fn origin(&self) -> Option<Origin> {
        Origin::new(self.request.scheme, self.request.authority).ok()
    }

    /// Scheme and authority in a URL, such as `https://app.example.com`.
    pub(crate) fn base(&self) -> String {
        format!("{}://{}", self.request.scheme.as_str(), self.request.authority.written())
    }

    /// The prefix of our endpoints.
    pub(crate) fn prefix(&self) -> &'a str {
        &self.runtime.policy.prefix
    }

    /// The query, without its question mark.
    pub(crate) fn query(&self) -> &'a str {
        self.request.target.written().split_once('?').map_or("", |(_, query)| query)
    }

    /// Where a parameter says to return to, or else the root.
    pub(crate) fn return_to(&self, text: Option<&str>) -> ReturnTo {
        let Some(origin) = self.origin() else { return ReturnTo::root() };
        ReturnTo::local_or_root(text, &origin, &self.desk.return_hosts)
    }

    /// The cookie of sessions.
    pub(crate) const fn cookie(&self) -> &'a CookieSpec {
        self.sessions.cookie(self.request.scheme)
    }

    /// The cookies of attempts that end with a redirect, or with a posted form.
    pub(crate) fn attempts(&self, same_site: SameSite) -> AttemptCookies {
        AttemptCookies::new(self.prefix(), self.request.scheme, same_site)
    }

    /// Where the session's value counts.
    pub(crate) fn place(&self) -> Place<'a> {
        Place { spec: self.cookie(), host: self.host() }
    }

    /// The `Set-Cookie` fields that delete the session's cookie.
    pub(crate) fn clear_session(&self) -> Vec<HeaderValue> {
        self.cookie().clear(self.cookie().chunks_present(self.headers()))
    }

    /// What was remembered of this browser; nothing, if what it sends is not ours.
    pub(crate) fn hint(&self) -> Hint {
        let spec = self.hint_cookie();
        let Ok(Some(text)) = spec.read(self.headers()) else { return Hint::default() };
        Hint::open(&self.sessions.keys, &spec, self.host(), &text.value)
    }

    /// The `Set-Cookie` fields that remember `hint` for a month.
    pub(crate) fn keep_hint(&self, hint: &Hint) -> Vec<HeaderValue> {
        const MONTH: Duration = Duration::from_secs(30 * 86_400);
        let spec = self.hint_cookie();
        let Some(nonce) = self.desk.nonce() else { return Vec::new() };
        let value = hint.seal(&self.sessions.keys, &spec, self.host(), nonce);
        spec.write(&value, Some(MONTH), 0).unwrap_or_default()
    }

    fn hint_cookie(&self) -> CookieSpec {
        CookieSpec::hint(self.prefix(), self.request.scheme)
    }

    /// The session of the browser, if it has one that lives.
    pub(crate) async fn present(&self) -> Result<Present, Absent> {
        let text = self.cookie().read(self.headers())?.ok_or(Absent::NoCookie)?;
        let found = if self.desk.sessions.are_stored() {
            let ticket = Ticket::open(&self.sessions.keys, self.cookie(), self.host(), &text.value)?;
            let session = self.desk.sessions.load(&ticket, self.now).await?.ok_or(Absent::Ended)?;
            Present { session: Arc::new(session), ticket: Some(ticket) }
        } else {
            let session =
                Session::open(&self.sessions.keys, self.cookie(), self.host(), &text.value)?;
            Present { session: Arc::new(session), ticket: None }
        };
        match found.session.life(&self.sessions.limits, self.now) {
            Life::Over(ended) => Err(ended.into()),
            Life::Good { .. } | Life::Touch => self.known(found),
        }
    }

    /// Only a session of a provider and client that are configured, and that nobody ended.
    fn known(&self, found: Present) -> Result<Present, Absent> {
        let session = &found.session;
        let party = self.desk.party_named(&session.provider);
        let ours = party.is_some_and(|party| {
            party.issuer() == session.issuer && party.client_id() == session.client
        });
        let ended = self.desk.revocations.is_revoked(session, self.now);
        if ours && !ended { Ok(found) } else { Err(Absent::Ended) }
    }

    /// Whether this is a browser that shows what it gets as a page, and so runs its scripts.
    pub(crate) fn shows_pages(&self) -> bool {
        let is = |name: HeaderName, value: &str| {
            self.headers().get(name).is_some_and(|found| found.as_bytes() == value.as_bytes())
        };
        is(HeaderName::from_static("sec-fetch-dest"), "document")
            && is(HeaderName::from_static("sec-fetch-mode"), "navigate")
            && is(header::UPGRADE_INSECURE_REQUESTS, "1")
    }

    /// Whether the browser says that one of our own pages sent this: a form of another site cannot make it say so
    /// ([Fetch Metadata](https://www.w3.org/TR/fetch-metadata/), [RFC 6454 §7](https://www.rfc-editor.org/rfc/rfc6454#section-7)).
    pub(crate) fn comes_from_ourselves(&self) -> bool {
        let own = self.origin().map(|origin| origin.text());
        let origin = self.headers().get(header::ORIGIN).map(HeaderValue::as_bytes);
        let site = self.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
        let same_origin = origin.is_some() && origin == own.as_deref().map(str::as_bytes);
        match (site, origin) {
            (Some(site), None) => site == b"same-origin",
            (Some(site), Some(_)) => site == b"same-origin" && same_origin,
            (None, _) => same_origin,
        }
    }
}

/// The value of a form or query parameter; `Err` where it is given more than once.
pub(crate) fn only<'q>(query: &'q [u8], name: &str) -> Result<Option<Cow<'q, str>>, Repeated> {
    let mut values = form_urlencoded::parse(query).filter(|(key, _)| key == name);
    let first = values.next().map(|(_, value)| value);
    if values.next().is_some() { Err(Repeated) } else { Ok(first) }
}

/// A parameter was given more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeated;

impl Reply {
    /// Adds `Set-Cookie` fields.
    pub(crate) fn with_cookies(self, cookies: Vec<HeaderValue>) -> Self {
        cookies.into_iter().fold(self, |reply, cookie| reply.with(header::SET_COOKIE, cookie))
    }
}
