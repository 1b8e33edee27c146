//! A request to an endpoint of our own, and what it has with it: the session of its browser above all.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use url::form_urlencoded;

use crate::base::time::Timestamp;
use crate::gate::{Home, RequestView, SessionPolicy};
use crate::remote::sessions::{Place, StoreError};
use crate::serve::own::desk::Desk;
use crate::serve::own::failure::Failure;
use crate::serve::own::login::Refused;
use crate::serve::reply::{Asker, Reply};
use crate::serve::runtime::Runtime;
use crate::session::{
    AttemptCookies, CookieError, CookieSpec, Ended, Hint, Life, OpenError, Origin, ReturnTo,
    ReturnToError, SameSite, Session, SessionError, SessionId, Ticket,
};

/// Where oauth2-proxy is told which address was wanted.
const X_AUTH_REQUEST_REDIRECT: HeaderName = HeaderName::from_static("x-auth-request-redirect");

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
            StoreError::Late | StoreError::Unavailable(_) => Self::Unknown,
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

    /// Where people sign in, if that is another host.
    pub(crate) fn home(&self) -> Option<&'a Home> {
        self.sessions.home_of(self.host())
    }

    /// Whether people sign in here for other hosts too.
    pub(crate) fn is_home(&self) -> bool {
        self.sessions.home.as_ref().is_some_and(|home| home.host == self.host())
    }

    /// Scheme and authority of where people sign in, here or elsewhere: what providers are told.
    pub(crate) fn desk_base(&self) -> String {
        self.sessions.home.as_ref().map_or_else(|| self.base(), |home| home.origin.clone())
    }

    /// The prefix of our endpoints.
    pub(crate) fn prefix(&self) -> &'a str {
        &self.runtime.policy.prefix
    }

    /// The query, without its question mark.
    pub(crate) fn query(&self) -> &'a str {
        self.request.target.written().split_once('?').map_or("", |(_, query)| query)
    }

    /// Where a parameter says to return to, or else the root. Where people sign in for all hosts there may be no page at the root,
    /// and who names a host that nobody signs in for has made a mistake.
    pub(crate) fn return_to(&self, text: Option<&str>) -> Result<ReturnTo, Refused> {
        let Some(origin) = self.origin() else { return Ok(ReturnTo::root()) };
        let found = text.map(|text| ReturnTo::parse(text, &origin, &self.desk.return_hosts));
        match found {
            Some(Ok(return_to)) => Ok(return_to),
            Some(Err(error @ ReturnToError::Foreign)) if self.is_home() => {
                Err(Refused::Failed(Failure::UnknownHost, Some(error.to_string())))
            }
            None | Some(Err(_)) => Ok(ReturnTo::root()),
        }
    }

    /// Where to return to in the words of oauth2-proxy: a parameter, or what a proxy in front says of the address that was wanted.
    /// Anybody may say so; it is judged like any other.
    pub(crate) fn foreign_return_to(&self) -> Result<Option<Cow<'a, str>>, Repeated> {
        if !self.runtime.policy.compatible.oauth2_proxy {
            return Ok(None);
        }
        let told = self.headers().get(X_AUTH_REQUEST_REDIRECT);
        let told = told.and_then(|told| told.to_str().ok()).map(Cow::Borrowed);
        Ok(only(self.query().as_bytes(), "rd")?.or(told))
    }

    /// The cookie of sessions.
    pub(crate) fn cookie(&self) -> &'a CookieSpec {
        self.sessions.cookie(self.request.scheme, self.host())
    }

    /// The cookies of attempts that end with a redirect, or with a posted form.
    pub(crate) fn attempts(&self, same_site: SameSite) -> AttemptCookies {
        AttemptCookies::new(self.prefix(), self.request.scheme, same_site)
    }

    /// The cookies of sign-ins that are left to another host.
    pub(crate) fn departures(&self) -> AttemptCookies {
        AttemptCookies::departures(self.prefix(), self.request.scheme)
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
            let ticket =
                Ticket::open(&self.sessions.keys, self.cookie(), self.host(), &text.value)?;
            let session = self.desk.sessions.load(&ticket, self.now).await?.ok_or(Absent::Ended)?;
            Present { session: Arc::new(session), ticket: Some(ticket) }
        } else {
            let session =
                Session::open(&self.sessions.keys, self.cookie(), self.host(), &text.value)?;
            Present { session: Arc::new(session), ticket: None }
        };
        self.living(found)
    }

    /// The session, if it lives.
    pub(crate) fn living(&self, found: Present) -> Result<Present, Absent> {
        match found.session.life(&self.sessions.limits, self.now) {
            Life::Over(ended) => Err(ended.into()),
            Life::Good { .. } | Life::Touch => self.known(found),
        }
    }

    /// The session that this browser came with and that a new one replaces. One that was handed on may be in use at another host
    /// still, when nobody used it here for too long.
    pub(crate) async fn former(&self) -> Option<SessionId> {
        if let Ok(present) = self.present().await {
            return Some(present.session.id);
        }
        self.sessions.home.as_ref().filter(|_| !self.desk.sessions.are_stored())?;
        let text = self.cookie().read(self.headers()).ok()??;
        let session =
            Session::open(&self.sessions.keys, self.cookie(), self.host(), &text.value).ok()?;
        (self.now < session.ends).then_some(session.id)
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

    /// Whether the browser says that this is to be the page it shows next.
    pub(crate) fn is_navigation(&self) -> bool {
        let is = |name: &'static str, value: &str| {
            self.headers().get(name).is_some_and(|found| found.as_bytes() == value.as_bytes())
        };
        is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document")
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
    /// A page without referrers sends its forms with the origin `null`
    /// ([Fetch](https://fetch.spec.whatwg.org/#append-a-request-origin-header)), as frames in sandboxes do; those are of another
    /// site, though.
    pub(crate) fn comes_from_ourselves(&self) -> bool {
        let own = self.origin().map(|origin| origin.text());
        let origin = self.headers().get(header::ORIGIN).map(HeaderValue::as_bytes);
        let site = self.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
        let same_origin = origin.is_some() && origin == own.as_deref().map(str::as_bytes);
        match (site, origin) {
            (Some(site), None) => site == b"same-origin",
            (Some(site), Some(origin)) => {
                site == b"same-origin" && (same_origin || origin == b"null")
            }
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
