//! Cookies of our own: how they are named, written and read. What their values mean is decided elsewhere.
//!
//! A value that one cookie cannot hold is cut into chunks `name`, `name_1`, …; the first then begins with their number and a dot,
//! so that a missing chunk is noticed and one left over from before does no harm.

use std::borrow::Cow;
use std::time::Duration;

use cookie::{Cookie, CookieBuilder};
use http::header::{self, HeaderMap, HeaderValue};

use crate::base::cookie::CookiePairs;
use crate::base::host::Authority;
use crate::base::scheme::Scheme;
use crate::session::seal::{Purpose, SealContext};

pub use cookie::SameSite;

/// How many cookies one value may take.
pub const MAX_CHUNKS: usize = 5;

/// The longest `Set-Cookie` value we write. Browsers take 4096 bytes of name and value
/// ([RFC 6265 §6.1](https://www.rfc-editor.org/rfc/rfc6265#section-6.1)), some count the attributes too.
const MAX_LINE: usize = 3800;

/// Which hosts get a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every host below this domain, and the domain itself.
    Domain(String),
    /// The host that set it, alone.
    Host,
}

/// A cookie of ours: name and attributes. Deleting uses the very attributes of setting, or browsers would keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieSpec {
    name: String,
    scope: Scope,
    secure: bool,
    same_site: SameSite,
    path: String,
}

/// Why a cookie cannot be named or placed like that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CookieNameError {
    /// Not a host name, or an address.
    #[error(
        "`{0}` is no cookie domain: expected a host name with a dot in it, such as example.com"
    )]
    Domain(String),
    /// Not a token of [RFC 9110 §5.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2), or with a prefix of its own.
    #[error(
        "`{0}` is no cookie name: expected letters, digits, `-`, `_` or `.`, without `__Host-` and `__Secure-`, which are added"
    )]
    Name(String),
}

/// A value is longer than all chunks together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cookie of {found} bytes, expected {limit} at most; keep fewer claims, or keep sessions in a store"
)]
pub struct CookieTooLarge {
    /// How many bytes the value has.
    pub found: usize,
    /// How many fit.
    pub limit: usize,
}

/// Why a cookie that was sent cannot be read. It is of no use, and should be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CookieError {
    /// Two of one name: another host of the domain may have set one of them.
    #[error("two cookies of one name")]
    Duplicate,
    /// A chunk is missing.
    #[error("a part of the cookie is missing")]
    Incomplete,
    /// Not ASCII, or chunks that cannot be.
    #[error("the cookie's text is malformed")]
    Malformed,
}

/// The value of a cookie that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieText<'a> {
    /// The value, whole.
    pub value: Cow<'a, str>,
    /// How many cookies to delete or overwrite to be rid of it.
    pub chunks: usize,
}

impl CookieSpec {
    /// The cookie of sessions, `name` without prefix.
    ///
    /// # Errors
    /// [`CookieNameError`] when `name` or the domain cannot stand in a cookie.
    pub fn session(name: &str, scope: Scope, scheme: Scheme) -> Result<Self, CookieNameError> {
        let prefixed = name.get(..2).is_some_and(|start| start == "__");
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > 64 || prefixed || !name.bytes().all(plain) {
            return Err(CookieNameError::Name(name.to_owned()));
        }
        Ok(Self::new(name, domain(scope)?, scheme, SameSite::Lax, "/"))
    }

    /// Whether browsers send it only with requests that began on the same site.
    pub fn is_strict(&self) -> bool {
        self.same_site == SameSite::Strict
    }

    /// The same cookie, sent along with other requests from other sites than those of `Lax`.
    pub fn with_same_site(self, same_site: SameSite) -> Self {
        // Browsers drop `SameSite=None` without `Secure`.
        let same_site =
            if same_site == SameSite::None && !self.secure { SameSite::Lax } else { same_site };
        Self { same_site, ..self }
    }

    /// The cookie in which the sign-in page remembers a browser, for the endpoints below `prefix`.
    pub fn hint(prefix: &str, scheme: Scheme) -> Self {
        Self::new("sidegate_hint", Scope::Host, scheme, SameSite::Lax, prefix)
    }

    /// Chooses the prefix that makes browsers hold others to our attributes
    /// ([RFC 6265bis §4.1.3](https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3)).
    pub(super) fn new(
        name: &str,
        scope: Scope,
        scheme: Scheme,
        same_site: SameSite,
        path: &str,
    ) -> Self {
        let secure = scheme == Scheme::Https;
        let prefix = match (secure, &scope, path) {
            (false, _, _) => "",
            (true, Scope::Host, "/") => "__Host-",
            (true, _, _) => "__Secure-",
        };
        // Browsers drop `SameSite=None` without `Secure`.
        let same_site = if secure { same_site } else { SameSite::Lax };
        let name = format!("{prefix}{name}");
        Self { name, scope, secure, same_site, path: path.to_owned() }
    }

    /// The name, with its prefix; that of the first chunk.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a cookie called `name` is this one or a chunk of it: nothing an upstream should see.
    pub fn covers(&self, name: &[u8]) -> bool {
        chunk_of(name, self.name.as_bytes()).is_some_and(|(_, rest)| rest.is_empty())
    }

    /// Whether browsers send it to `host`, which is without port and in lower case, when some host of its domain has set it. One
    /// without a domain goes to whichever host sets it.
    pub fn reaches(&self, host: &str) -> bool {
        match &self.scope {
            Scope::Domain(domain) => host
                .strip_suffix(domain.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
            Scope::Host => true,
        }
    }

    /// The domain whose hosts share it, if they do.
    pub fn domain(&self) -> Option<&str> {
        match &self.scope {
            Scope::Domain(domain) => Some(domain),
            Scope::Host => None,
        }
    }

    /// Where values of this cookie belong, for a request to `host`, which is without port and in lower case.
    pub fn context<'a>(&'a self, purpose: Purpose, host: &'a str) -> SealContext<'a> {
        let scope = match &self.scope {
            Scope::Domain(domain) => domain,
            Scope::Host => host,
        };
        SealContext { purpose, name: &self.name, scope }
    }

    /// The `Set-Cookie` values that keep `value`, a sealed text, for `max_age` or as long as the browser runs, and delete what is
    /// left of `chunks_present` from before.
    ///
    /// # Errors
    /// [`CookieTooLarge`].
    pub fn write(
        &self,
        value: &str,
        max_age: Option<Duration>,
        chunks_present: usize,
    ) -> Result<Vec<HeaderValue>, CookieTooLarge> {
        let room = MAX_LINE.saturating_sub(line(self.builder(MAX_CHUNKS - 1, "", max_age)).len());
        let mut lines = Vec::with_capacity(1);
        if value.len() <= room {
            lines.push(line(self.builder(0, value, max_age)));
        } else {
            for (index, chunk) in chunks(value, room)?.iter().enumerate() {
                lines.push(line(self.builder(index, chunk, max_age)));
            }
        }
        lines.extend(self.deletions(lines.len(), chunks_present));
        Ok(lines)
    }

    /// The `Set-Cookie` values that delete it, and `chunks_present` chunks of it.
    pub fn clear(&self, chunks_present: usize) -> Vec<HeaderValue> {
        self.deletions(0, chunks_present.max(1)).collect()
    }

    /// The value that `headers` carry, `None` if there is none or an empty one.
    ///
    /// # Errors
    /// [`CookieError`] when there is something under the name that is no value of ours.
    pub fn read<'a>(&self, headers: &'a HeaderMap) -> Result<Option<CookieText<'a>>, CookieError> {
        let found = self.find(headers)?;
        let chunks = found.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let Some(first) = found[0] else {
            return if chunks == 0 { Ok(None) } else { Err(CookieError::Incomplete) };
        };
        let Some((count, start)) = first.split_once('.') else {
            return Ok(Some(CookieText { value: Cow::Borrowed(first), chunks }));
        };
        let count: usize = count.parse().map_err(|_| CookieError::Malformed)?;
        if !(2..=MAX_CHUNKS).contains(&count) {
            return Err(CookieError::Malformed);
        }
        let mut value = start.to_owned();
        for chunk in &found[1..count] {
            value.push_str(chunk.ok_or(CookieError::Incomplete)?);
        }
        Ok(Some(CookieText { value: Cow::Owned(value), chunks }))
    }

    /// How many cookies to delete to be rid of whatever `headers` carry under the name, readable or not.
    pub fn chunks_present(&self, headers: &HeaderMap) -> usize {
        self.parts(headers).map(|(index, _)| index + 1).max().unwrap_or(0)
    }

    fn find<'a>(
        &self,
        headers: &'a HeaderMap,
    ) -> Result<[Option<&'a str>; MAX_CHUNKS], CookieError> {
        let mut found = [None; MAX_CHUNKS];
        for (index, value) in self.parts(headers) {
            let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii());
            if found[index].replace(text.ok_or(CookieError::Malformed)?).is_some() {
                return Err(CookieError::Duplicate);
            }
        }
        Ok(found.map(|value| value.filter(|text| !text.is_empty())))
    }

    /// The chunks in `headers`, by index below [`MAX_CHUNKS`].
    fn parts<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = (usize, &'a [u8])> {
        let fields = headers.get_all(header::COOKIE).iter();
        fields.flat_map(|field| CookiePairs::new(field.as_bytes())).filter_map(|pair| {
            let (index, rest) = chunk_of(pair, self.name.as_bytes())?;
            Some((index, rest.strip_prefix(b"=")?))
        })
    }

    fn builder<'a>(
        &'a self,
        index: usize,
        value: &'a str,
        max_age: Option<Duration>,
    ) -> CookieBuilder<'a> {
        let name = match index {
            0 => Cow::Borrowed(self.name.as_str()),
            _ => Cow::Owned(format!("{}_{index}", self.name)),
        };
        let mut builder = Cookie::build((name, value))
            .path(self.path.as_str())
            .secure(self.secure)
            .http_only(true)
            .same_site(self.same_site);
        if let Scope::Domain(domain) = &self.scope {
            builder = builder.domain(domain.as_str());
        }
        if let Some(max_age) = max_age {
            let seconds = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
            builder = builder.max_age(cookie::time::Duration::seconds(seconds));
        }
        builder
    }

    fn deletions(&self, from: usize, to: usize) -> impl Iterator<Item = HeaderValue> {
        (from..to.min(MAX_CHUNKS)).map(|index| line(self.builder(index, "", Some(Duration::ZERO))))
    }
}

/// Reads `pair` as `name` or `name_1` to `name_4`, with what follows.
fn chunk_of<'p>(pair: &'p [u8], name: &[u8]) -> Option<(usize, &'p [u8])> {
    match pair.strip_prefix(name)? {
        [b'_', digit @ b'1'..=b'4', rest @ ..] if rest.is_empty() || rest[0] == b'=' => {
            Some((usize::from(digit - b'0'), rest))
        }
        rest if rest.is_empty() || rest[0] == b'=' => Some((0, rest)),
        _ => None,
    }
}

fn chunks(value: &str, room: usize) -> Result<Vec<Cow<'_, str>>, CookieTooLarge> {
    // Two bytes of the first chunk are the number of chunks and its dot.
    let limit = (room * MAX_CHUNKS).saturating_sub(2);
    let too_large = CookieTooLarge { found: value.len(), limit };
    if value.len() > limit {
        return Err(too_large);
    }
    let (first, mut rest) = value.split_at_checked(room - 2).ok_or(too_large)?;
    let mut chunks = vec![Cow::Owned(format!("{}.{first}", 1 + rest.len().div_ceil(room)))];
    while !rest.is_empty() {
        let (chunk, later) = rest.split_at_checked(room.min(rest.len())).ok_or(too_large)?;
        chunks.push(Cow::Borrowed(chunk));
        rest = later;
    }
    Ok(chunks)
}

fn line(cookie: CookieBuilder<'_>) -> HeaderValue {
    let text = cookie.build().to_string();
    HeaderValue::try_from(text).expect("names, paths and domains are checked, values are base64url")
}

fn domain(scope: Scope) -> Result<Scope, CookieNameError> {
    let Scope::Domain(text) = scope else { return Ok(scope) };
    let plain = text.strip_prefix('.').unwrap_or(&text);
    let numeric = |host: &str| host.ends_with(|c: char| c.is_ascii_digit());
    match Authority::parse(plain) {
        Some(name)
            if name.port().is_none() && name.host().contains('.') && !numeric(name.host()) =>
        {
            Ok(Scope::Domain(name.host().to_owned()))
        }
        _ => Err(CookieNameError::Domain(text)),
    }
}

#[cfg(test)]
mod tests;
