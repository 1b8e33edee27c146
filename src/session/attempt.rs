//! A sign-in that was begun: what must be the same when the person comes back from the provider. Each has a cookie of its own, so
//! that tabs do not get in each other's way.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{self, HeaderMap};

use crate::base::cookie::CookiePairs;
use crate::base::prompt::Prompt;
use crate::base::scheme::Scheme;
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::session::cookie::{CookieSpec, SameSite, Scope};
use crate::session::handover::{Departure, Referral};
use crate::session::return_to::ReturnTo;
use crate::session::seal::{Nonce, OpenError, Purpose, SealingKeys};
use crate::session::wire::{DecodeError, Reader, Writer};
use crate::token::sha256_base64url;

const VERSION: u8 = 2;

/// What every attempt's cookie begins with, its prefix apart.
const ATTEMPT: &str = "sidegate_attempt_";

/// The same for sign-ins that were left to another host.
const DEPARTURE: &str = "sidegate_departure_";

/// More attempts than this are not even looked at.
const MAX_SEEN: usize = 64;

/// How many random bytes an attempt is made of.
pub type AttemptEntropy = [u8; 80];

/// Names an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId([u8; 16]);

/// How strongly and how visibly the provider is to ask the person
/// ([OpenID Connect Core §3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `prompt`.
    pub prompt: Option<Prompt>,
    /// `max_age`, whole seconds.
    pub max_age: Option<Duration>,
    /// `acr_values`, best first.
    pub acr_values: Vec<String>,
}

/// A sign-in that was begun.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Names it, in its cookie's name and in `state`.
    pub id: AttemptId,
    /// The provider's name in the configuration.
    pub provider: String,
    /// What the ID token must repeat.
    pub nonce: String,
    /// What the token endpoint must be shown ([RFC 7636 §4.1](https://www.rfc-editor.org/rfc/rfc7636#section-4.1)).
    pub verifier: Secret<String>,
    /// Where the person goes afterwards.
    pub return_to: ReturnTo,
    /// When it was begun.
    pub created: Timestamp,
    /// Whether it takes the place of one that failed, so that it is the last.
    pub restarted: bool,
    /// What the provider was asked for, to be compared with what it did.
    pub asked: Asked,
    /// The redirect URI that was sent, to be sent again.
    pub redirect_uri: String,
    /// The host that wants the session, if another one does.
    pub referral: Option<Referral>,
}

/// What the caller knows of an attempt; the rest is random.
#[derive(Clone, Debug)]
pub struct AttemptStart {
    /// See [`Attempt::provider`].
    pub provider: String,
    /// See [`Attempt::return_to`].
    pub return_to: ReturnTo,
    /// See [`Attempt::created`].
    pub created: Timestamp,
    /// See [`Attempt::restarted`].
    pub restarted: bool,
    /// See [`Attempt::asked`].
    pub asked: Asked,
    /// See [`Attempt::redirect_uri`].
    pub redirect_uri: String,
    /// See [`Attempt::referral`].
    pub referral: Option<Referral>,
}

/// Why a cookie holds no attempt that could still be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttemptError {
    /// It opens, but another version wrote it.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It was begun too long ago.
    #[error("the sign-in was begun more than ten minutes ago")]
    Expired,
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl AttemptId {
    /// Takes in `bytes`, random for a new attempt.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Eight characters of base64url, for the cookie's name.
    pub fn short(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0[..6])
    }
}

impl Attempt {
    /// How long a person may take.
    pub const LIFETIME: Duration = Duration::from_secs(600);

    /// Begins an attempt. `entropy` must come fresh from the system's random generator.
    pub fn new(entropy: &AttemptEntropy, start: AttemptStart) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&entropy[..16]);
        let AttemptStart { provider, return_to, created, restarted, asked, redirect_uri, referral } =
            start;
        Self {
            id: AttemptId(id),
            provider,
            nonce: URL_SAFE_NO_PAD.encode(&entropy[16..48]),
            verifier: Secret::new(URL_SAFE_NO_PAD.encode(&entropy[48..])),
            return_to,
            created,
            restarted,
            asked,
            redirect_uri,
            referral,
        }
    }

    /// The `code_challenge` of method S256 ([RFC 7636 §4.2](https://www.rfc-editor.org/rfc/rfc7636#section-4.2)).
    pub fn challenge(&self) -> String {
        sha256_base64url(self.verifier.expose())
    }

    /// The value of its cookie `spec` for `host`. `nonce` must be random and new.
    pub fn seal(&self, keys: &SealingKeys, spec: &CookieSpec, host: &str, nonce: Nonce) -> String {
        let mut out = Writer::new(VERSION);
        out.raw(&self.id.0);
        out.time(self.created);
        out.text(&self.provider);
        out.text(&self.nonce);
        out.text(self.verifier.expose());
        out.text(self.return_to.as_str());
        out.flag(self.restarted);
        out.option(self.asked.prompt.map(Prompt::name), Writer::text);
        out.option(self.asked.max_age.map(|age| age.as_secs()), Writer::number);
        out.list(&self.asked.acr_values, |out, value| out.text(value));
        out.text(&self.redirect_uri);
        out.option(self.referral.as_ref(), |out, referral| referral.write(out));
        keys.seal(&spec.context(Purpose::Attempt, host), nonce, &out.finish())
    }

    /// Opens the value of the cookie `spec`, sent to `host` at `now`.
    ///
    /// # Errors
    /// [`AttemptError`].
    pub fn open(
        keys: &SealingKeys,
        spec: &CookieSpec,
        host: &str,
        sealed: &str,
        now: Timestamp,
    ) -> Result<Self, AttemptError> {
        let plain = keys.open(&spec.context(Purpose::Attempt, host), sealed)?;
        let mut reader = Reader::new(&plain, VERSION)?;
        let attempt = read(&mut reader)?;
        reader.finish()?;
        let expires = attempt.created + Self::LIFETIME;
        if now >= expires { Err(AttemptError::Expired) } else { Ok(attempt) }
    }
}

fn read(reader: &mut Reader<'_>) -> Result<Attempt, DecodeError> {
    let prompt = |text: &str| Prompt::parse(text).ok_or(DecodeError::Malformed);
    Ok(Attempt {
        id: AttemptId(reader.array()?),
        created: reader.time()?,
        provider: reader.string()?,
        nonce: reader.string()?,
        verifier: reader.string().map(Secret::new)?,
        return_to: reader.string().map(ReturnTo::from_sealed)?,
        restarted: reader.flag()?,
        asked: Asked {
            prompt: reader.option(|reader| prompt(reader.text()?))?,
            max_age: reader.option(Reader::number)?.map(Duration::from_secs),
            acr_values: reader.list(32, Reader::string)?,
        },
        redirect_uri: reader.string()?,
        referral: reader.option(Referral::read)?,
    })
}

/// The cookies of attempts, or of departures: one each, seen by our own endpoints alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptCookies {
    name: &'static str,
    base: CookieSpec,
    scheme: Scheme,
    same_site: SameSite,
    path: String,
}

impl AttemptCookies {
    /// Cookies for the endpoints below `prefix`. `same_site` is `Lax`, or `None` where the provider answers with a form that it
    /// makes the browser post ([Form Post](https://openid.net/specs/oauth-v2-form-post-response-mode-1_0.html)).
    pub fn new(prefix: &str, scheme: Scheme, same_site: SameSite) -> Self {
        Self::called(ATTEMPT, prefix, scheme, same_site)
    }

    /// The same for sign-ins that are left to another host, which answers with a link.
    pub fn departures(prefix: &str, scheme: Scheme) -> Self {
        Self::called(DEPARTURE, prefix, scheme, SameSite::Lax)
    }

    fn called(name: &'static str, prefix: &str, scheme: Scheme, same_site: SameSite) -> Self {
        let base = CookieSpec::new(name, Scope::Host, scheme, same_site, prefix);
        Self { name, base, scheme, same_site, path: prefix.to_owned() }
    }

    /// The cookie of the attempt `id`.
    pub fn spec(&self, id: AttemptId) -> CookieSpec {
        self.named(&id.short())
    }

    /// The cookies to delete so that at most `keep` attempts stay: those that do not open or are over, then the oldest. At most
    /// 64 are looked at; the rest goes.
    pub fn surplus(
        &self,
        headers: &HeaderMap,
        keys: &SealingKeys,
        host: &str,
        now: Timestamp,
        keep: usize,
    ) -> Vec<CookieSpec> {
        let mut begun: Vec<(Option<Timestamp>, CookieSpec)> = Vec::new();
        for (short, value) in self.present(headers) {
            let spec = self.named(short);
            if begun.iter().any(|(_, known)| *known == spec) {
                continue;
            }
            let seen = begun.len() < MAX_SEEN;
            let created = seen.then(|| self.created(keys, &spec, host, value, now)).flatten();
            begun.push((created, spec));
            if begun.len() == 2 * MAX_SEEN {
                break;
            }
        }
        begun.sort_by_key(|(created, _)| std::cmp::Reverse(*created));
        let kept = begun.iter().take(keep).take_while(|(created, _)| created.is_some()).count();
        begun.drain(..kept);
        begun.into_iter().map(|(_, spec)| spec).collect()
    }

    /// When what the cookie holds was begun, if it opens and is not over.
    fn created(
        &self,
        keys: &SealingKeys,
        spec: &CookieSpec,
        host: &str,
        value: &str,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if self.name == DEPARTURE {
            let departure = Departure::open(keys, spec, host, value, now);
            return departure.ok().map(|departure| departure.created);
        }
        Attempt::open(keys, spec, host, value, now).ok().map(|attempt| attempt.created)
    }

    /// The attempts' cookies in `headers`: the end of the name, and the value.
    fn present<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = (&'a str, &'a str)> {
        let fields = headers.get_all(header::COOKIE).iter();
        fields.flat_map(|field| CookiePairs::new(field.as_bytes())).filter_map(|pair| {
            let rest = pair.strip_prefix(self.base.name().as_bytes())?;
            let (short, value) = std::str::from_utf8(rest).ok()?.split_once('=')?;
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            (short.len() == 8 && short.bytes().all(plain)).then_some((short, value))
        })
    }

    fn named(&self, short: &str) -> CookieSpec {
        let name = format!("{}{short}", self.name);
        CookieSpec::new(&name, Scope::Host, self.scheme, self.same_site, &self.path)
    }
}

#[cfg(test)]
pub(super) mod tests;
