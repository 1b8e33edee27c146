//! Where a browser may be sent after sign-in and sign-out: back to us, or to hosts that the configuration names.
//!
//! Anybody can choose such an address, which is how proxies become open redirects. So it is resolved as browsers resolve it
//! ([WHATWG URL](https://url.spec.whatwg.org/)), compared by origin, and sent in the form that was compared.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::base::host::{Authority, HostPattern};
use crate::base::scheme::Scheme;

/// Longer addresses are given up.
const MAX_BYTES: usize = 2048;

/// Where the browser is: the scheme and authority of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(Url);

/// The authority makes no URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host of the request is no host of a URL")]
pub struct OriginError;

/// What may be gone back to besides the origin itself, and what not even there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts {
    hosts: Vec<HostPattern>,
    prefix: String,
}

/// An address that leads to our own origin, or to an allowed one. Only this module makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(String);

/// Why a text is no address to return to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReturnToError {
    /// Neither a path nor an absolute address with `http://` or `https://`.
    #[error("the return address is no path and no http(s) URL")]
    Form,
    /// It leads to a host that is not ours.
    #[error("the return address leads to another host")]
    Foreign,
    /// It has characters that browsers drop or turn into others.
    #[error("the return address has control characters, backslashes or stray spaces")]
    Hostile,
    /// It is one of our own endpoints, which would lead in a circle.
    #[error("the return address is an endpoint of the proxy itself")]
    OwnEndpoint,
    /// It is longer than 2048 bytes.
    #[error("the return address is longer than 2048 bytes")]
    TooLong,
    /// It names a user.
    #[error("the return address has user information")]
    UserInformation,
}

impl Origin {
    /// The origin of a request.
    ///
    /// # Errors
    /// [`OriginError`] for hosts that a URL cannot have.
    pub fn new(scheme: Scheme, authority: &Authority<'_>) -> Result<Self, OriginError> {
        let host = authority.host();
        let port = authority.port().map(|port| format!(":{port}")).unwrap_or_default();
        let url = Url::parse(&format!("{}://{host}{port}/", scheme.as_str()));
        // A host that a browser writes otherwise, 0x7f.1 for instance, would compare unequal to itself.
        url.ok().filter(|url| url.host_str() == Some(host)).map(Self).ok_or(OriginError)
    }

    /// As a browser serialises it, without a slash: `https://app.example.com:8443`.
    pub fn text(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

impl AllowedHosts {
    /// Allows `hosts`, but nowhere the endpoints below `prefix`, such as `/.auth`.
    pub fn new(hosts: Vec<HostPattern>, prefix: &str) -> Self {
        Self { hosts, prefix: prefix.trim_end_matches('/').to_owned() }
    }

    /// Whether `host`, without port and in lower case, is one of them.
    pub fn has(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| matches(pattern, host))
    }

    fn admits(&self, url: &Url, own: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let scheme = url.scheme() == "https" || url.scheme() == own.scheme();
        let port = url.port().is_none() || url.port() == own.port();
        let host = host.strip_suffix('.').unwrap_or(host);
        scheme && port && self.has(host)
    }

    /// Whether the path is an endpoint of ours under any reading: percent-encoding undone, slashes folded, case aside.
    fn is_own(&self, path: &str) -> bool {
        let decoded = percent_decode_str(path).decode_utf8_lossy().to_ascii_lowercase();
        let folded = decoded.split('/').filter(|segment| !segment.is_empty());
        let prefix = self.prefix.to_ascii_lowercase();
        let mut own = prefix.split('/').filter(|segment| !segment.is_empty()).peekable();
        own.peek().is_some() && {
            let segments: Vec<&str> = folded.collect();
            let own: Vec<&str> = own.collect();
            segments.starts_with(&own)
        }
    }
}

impl ReturnTo {
    /// Reads `text`, a path or an absolute address, on a page of `own`.
    ///
    /// # Errors
    /// [`ReturnToError`] for all that may lead elsewhere, and for our own endpoints.
    pub fn parse(text: &str, own: &Origin, allowed: &AllowedHosts) -> Result<Self, ReturnToError> {
        if text.len() > MAX_BYTES {
            return Err(ReturnToError::TooLong);
        }
        let hostile = |c: char| c.is_control() || c == '\\' || (c.is_whitespace() && c != ' ');
        if text.contains(hostile) || text.trim() != text {
            return Err(ReturnToError::Hostile);
        }
        if !is_path(text) && !is_absolute(text) {
            return Err(ReturnToError::Form);
        }
        let url = own.0.join(text).map_err(|_| ReturnToError::Form)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ReturnToError::UserInformation);
        }
        let at_home = url.origin() == own.0.origin();
        if !at_home && !allowed.admits(&url, &own.0) {
            return Err(ReturnToError::Foreign);
        }
        if allowed.is_own(url.path()) {
            return Err(ReturnToError::OwnEndpoint);
        }
        let address = if at_home { &url[url::Position::BeforePath..] } else { url.as_str() };
        // `/.//evil.example` has become a path that reads as a host.
        if address.starts_with("//") {
            return Err(ReturnToError::Foreign);
        }
        if address.len() > MAX_BYTES {
            return Err(ReturnToError::TooLong);
        }
        Ok(Self(address.to_owned()))
    }

    /// The root of our own origin.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// As it may stand in `Location`: ASCII, a path on our own origin or an absolute address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stays on our own origin.
    pub fn is_local(&self) -> bool {
        self.0.starts_with('/')
    }

    /// Path and query on our own origin, without the fragment: what a route is looked up by. `None` if it leads elsewhere.
    pub fn target(&self) -> Option<&str> {
        self.is_local().then(|| self.0.split('#').next().unwrap_or_default())
    }

    /// An address of at most `limit` bytes that leads to the same place as far as it goes: without fragment, query and path, or
    /// to the root.
    pub(super) fn shortened(&self, limit: usize) -> Self {
        let path = self.0.find("://").map(|at| at + 3);
        let host = path.and_then(|path| Some(path + self.0[path..].find('/')? + 1));
        let query = self.end('?').min(self.end('#'));
        let ends = [Some(self.0.len()), Some(self.end('#')), Some(query), host];
        let fits = ends.into_iter().flatten().find(|end| *end <= limit);
        fits.map_or_else(Self::root, |end| Self(self.0[..end].to_owned()))
    }

    /// Takes back what was sealed after it was parsed.
    pub(super) const fn from_sealed(text: String) -> Self {
        Self(text)
    }

    fn end(&self, at: char) -> usize {
        self.0.find(at).unwrap_or(self.0.len())
    }
}

/// A path of our own; two slashes would begin a host.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//")
}

/// Browsers also read `https:evil`, `https:/evil` and `https:///evil`; nobody else writes that.
fn is_absolute(text: &str) -> bool {
    ["http://", "https://"].iter().any(|start| {
        let found = text.get(..start.len());
        found.is_some_and(|found| found.eq_ignore_ascii_case(start))
            && !text[start.len()..].starts_with('/')
    })
}

fn matches(pattern: &HostPattern, host: &str) -> bool {
    match pattern {
        HostPattern::Any => false,
        HostPattern::Exact(name) => host == name,
        HostPattern::Wildcard(suffix) => {
            host.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.ends_with('.'))
        }
    }
}

#[cfg(test)]
mod tests;
