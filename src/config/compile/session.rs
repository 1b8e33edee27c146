//! `session`: keys, cookie, lifetimes, and where sessions are kept.

use std::net::IpAddr;

use psl::Psl;

use crate::base::secret::Secret as Hidden;
use crate::config::compile::{address, files, remote_store, times};
use crate::config::file::{
    Access, CredentialWord, File, Route, SameSiteWord, Secret, Session as Written, SessionCookie,
    Store, StoreSection, StoreWord,
};
use crate::config::inputs::Inputs;
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::secret;
use crate::config::units::{Size, Span};
use crate::gate::{Provider, Scheme, SessionPolicy, SessionsKept};
use crate::oidc::authorization::ResponseMode;
use crate::remote::sessions::StoreSettings;
use crate::serve::settings::{ListenerSettings, PartySettings};
use crate::session::{CookieNameError, CookieSpec, Limits, SameSite, Scope, SealingKeys};

/// The cookie that says that a provider was asked in vain.
const PROBE_COOKIE: &str = "sidegate_probe";

/// What comes of the section.
pub(super) struct Compiled {
    pub(super) policy: SessionPolicy,
    pub(super) store: StoreSettings,
    pub(super) revocations_file: Option<std::path::PathBuf>,
    pub(super) persistent: bool,
    /// The cookies on http and https for hosts that the domain does not reach, if there is one.
    pub(super) apart: Option<(CookieSpec, CookieSpec)>,
    /// The first key, for what is derived from it.
    pub(super) first_key: Hidden<[u8; 32]>,
}

/// `None` where the report has a problem.
pub(super) fn compile(
    written: &Written,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<Compiled> {
    let path = KeyPath::root().key("session");
    let keys = keys(&written.keys, &path.key("keys"), inputs, report);
    let cookies = cookies(&written.cookie, &path.key("cookie"), report);
    let limits = limits(written, &path, report);
    let store = store(&written.store, &path.key("store"), inputs, report);
    let store = coordinated(written, store, &path.key("coordination"), inputs, report);
    let file = written.revocations_file.as_ref().map(|file| {
        let harm = "and so sign people out, or bring them back";
        files::own(file, harm, &path.key("revocations_file"), inputs, report)
    });
    let (http, https) = cookies?;
    let (sealing, first_key) = keys?;
    let store = store?;
    let kept = match store {
        StoreSettings::Cookie | StoreSettings::Coordinated(_) => SessionsKept::InCookie,
        StoreSettings::Memory(_) | StoreSettings::Redis(_) => SessionsKept::InStore,
    };
    let probe_cookie = String::from(PROBE_COOKIE);
    Some(Compiled {
        policy: SessionPolicy {
            http,
            https,
            keys: sealing,
            limits: limits?,
            kept,
            probe_cookie,
            home: None,
        },
        apart: written.cookie.domain.as_ref().and_then(|_| apart(&written.cookie)),
        store,
        revocations_file: match file {
            Some(file) => Some(file?),
            None => None,
        },
        persistent: written.cookie.persistent,
        first_key,
    })
}

/// The keys that seal sessions, and the first of them.
fn keys(
    written: &[Secret],
    path: &KeyPath,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<(SealingKeys, Hidden<[u8; 32]>)> {
    let before = report.problems();
    if written.is_empty() {
        let remedy = "make a key with `sidegate keys session` and name its file";
        report.refuse(path, "is an empty list", remedy);
    }
    let mut keys: Vec<Hidden<[u8; 32]>> = Vec::new();
    for (index, written) in written.iter().enumerate() {
        let path = path.index(index);
        let Some(text) = secret::load(written, &path, inputs, report) else { continue };
        let Some(key) = secret::key(&text, &path, report) else { continue };
        if keys.iter().any(|other| other.expose() == key.expose()) {
            report.refuse(&path, "is the same key as one before", "remove it");
        }
        keys.push(key);
    }
    if report.problems() > before {
        return None;
    }
    let remedy = "make keys with `sidegate keys session`";
    let sealing = SealingKeys::new(&keys);
    let sealing = sealing.map_err(|error| report.refuse(path, error.to_string(), remedy)).ok()?;
    Some((sealing, keys.into_iter().next()?))
}

/// The cookies on http and on https.
fn cookies(
    written: &SessionCookie,
    path: &KeyPath,
    report: &mut Report,
) -> Option<(CookieSpec, CookieSpec)> {
    let domain = written.domain.as_ref();
    let domain = domain.map(|domain| check_domain(domain, &path.key("domain"), report));
    let scope = || written.domain.clone().map_or(Scope::Host, Scope::Domain);
    let mut spec = |scheme| match CookieSpec::session(&written.name, scope(), scheme) {
        Ok(spec) => Some(spec.with_same_site(same_site(written.same_site))),
        Err(error @ CookieNameError::Name(_)) => {
            report.refuse(&path.key("name"), error.to_string(), "write a name such as sidegate");
            None
        }
        Err(CookieNameError::Domain(_)) if domain == Some(None) => None,
        Err(error @ CookieNameError::Domain(_)) => {
            report.refuse(&path.key("domain"), error.to_string(), "write a domain of your own");
            None
        }
    };
    let http = spec(Scheme::Http)?;
    let https = spec(Scheme::Https)?;
    (domain != Some(None)).then_some((http, https))
}

/// The same cookies without a domain. That they can be named was seen before.
fn apart(written: &SessionCookie) -> Option<(CookieSpec, CookieSpec)> {
    let spec = |scheme| CookieSpec::session(&written.name, Scope::Host, scheme).ok();
    let same_site = same_site(written.same_site);
    let (http, https) = (spec(Scheme::Http)?, spec(Scheme::Https)?);
    Some((http.with_same_site(same_site), https.with_same_site(same_site)))
}

const fn same_site(word: SameSiteWord) -> SameSite {
    match word {
        SameSiteWord::Lax => SameSite::Lax,
        SameSiteWord::None => SameSite::None,
        SameSiteWord::Strict => SameSite::Strict,
    }
}

/// A cookie for a domain under which strangers have theirs would be shared with them; browsers drop it.
fn check_domain(domain: &str, path: &KeyPath, report: &mut Report) -> Option<()> {
    let plain = domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase();
    if plain.parse::<IpAddr>().is_ok() {
        let message = format!("`{domain}` is an address, which has no hosts below it");
        report.refuse(path, message, "remove `domain`");
        return None;
    }
    if is_public_suffix(&plain) {
        let message = format!("`{domain}` is a public suffix: strangers have hosts below it");
        report.refuse(
            path,
            message,
            format!("write a domain of your own, such as example.{plain}"),
        );
        return None;
    }
    Some(())
}

/// Whether anybody can register names below `domain`, by the public suffix list.
pub(super) fn is_public_suffix(domain: &str) -> bool {
    let suffix = psl::List.suffix(domain.as_bytes());
    suffix.is_some_and(|suffix| suffix.is_known() && suffix.as_bytes() == domain.as_bytes())
}

fn limits(written: &Written, path: &KeyPath, report: &mut Report) -> Option<Limits> {
    let mut within = |key: &str, span: Span, least: u64| {
        times::span(span, Span::secs(least), Span::secs(365 * 86_400), &path.key(key), report)
    };
    let idle = within("idle", written.idle, 60);
    let absolute = within("absolute", written.absolute, 60);
    if let Some(ahead) = written.renew_ahead {
        within("renew_ahead", ahead, 1);
    }
    let (idle, absolute) = (idle?, absolute?);
    if idle > absolute {
        let message = format!("{} is longer than `absolute`, {}", written.idle, written.absolute);
        let remedy = format!("write {} or less, or a longer `absolute`", written.absolute);
        report.refuse(&path.key("idle"), message, remedy);
        return None;
    }
    Some(Limits::new(idle, absolute))
}

fn store(
    written: &Store,
    path: &KeyPath,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<StoreSettings> {
    match written {
        Store::Word(StoreWord::Cookie) => Some(StoreSettings::Cookie),
        Store::Word(StoreWord::Memory) => Some(StoreSettings::Memory(Size::mib(256).0)),
        Store::Section(section) => match &**section {
            StoreSection { redis: Some(redis), .. } => {
                remote_store::compile(redis, &path.key("redis"), inputs, report)
                    .map(StoreSettings::Redis)
            }
            StoreSection { memory: Some(memory), .. } => {
                let path = path.key("memory").key("size");
                times::size(memory.size, Size::mib(1), Size::mib(1 << 20), &path, report)?;
                Some(StoreSettings::Memory(memory.size.0))
            }
            // The structure check lets no empty section through.
            StoreSection { memory: None, redis: None } => Some(StoreSettings::Cookie),
        },
    }
}

/// The store, with what replicas agree on.
fn coordinated(
    written: &Written,
    store: Option<StoreSettings>,
    path: &KeyPath,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<StoreSettings> {
    let Some(coordination) = &written.coordination else { return store };
    let settings = remote_store::compile(&coordination.redis, &path.key("redis"), inputs, report);
    match store? {
        StoreSettings::Cookie | StoreSettings::Coordinated(_) => {
            settings.map(StoreSettings::Coordinated)
        }
        StoreSettings::Memory(_) => {
            let message =
                "sessions are in the memory of one process, which other replicas do not share";
            report.refuse(path, message, "write `store: cookie`, or a store in Redis");
            None
        }
        StoreSettings::Redis(_) => {
            let message = "sessions are in Redis, where replicas agree anyway";
            report.refuse(path, message, "remove it");
            None
        }
    }
}

/// What of the section depends on the rest of the file.
pub(super) fn check(
    written: &Written,
    file: &File,
    listeners: &[ListenerSettings],
    (providers, parties): (&[Provider], &[PartySettings]),
    report: &mut Report,
) {
    let path = KeyPath::root().key("session");
    let has_proxies = !file.trusted_proxies.is_empty();
    let home = file.sign_in.as_ref().and_then(|sign_in| sign_in.host.as_ref());
    if let (Some(domain), None) = (&written.cookie.domain, home) {
        check_hosts(domain, file.routes.as_deref().unwrap_or_default(), &path, report);
    }
    let plain = listeners.iter().filter(|listener| listener.tls.is_none());
    let open: Vec<_> = plain.clone().filter(|one| address::is_remote(&one.address)).collect();
    if let (Some(listener), false) = (open.first(), has_proxies) {
        let message = format!(
            "whoever listens between browsers and {} can take over sessions: it speaks plain http",
            listener.address
        );
        let remedy = "add `tls:` to the listener, or name the proxy in front that speaks https in `trusted_proxies:`";
        report.warn(&path, message, remedy);
    }
    let all_plain = plain.count() == listeners.len();
    if written.cookie.same_site == SameSiteWord::None && all_plain && !has_proxies {
        let message = "browsers take a cookie with `SameSite=None` over https alone";
        let remedy = "add `tls:` to the listener, or `trusted_proxies:`, or remove `same_site`";
        report.refuse(&path.key("cookie").key("same_site"), message, remedy);
    }
    if all_plain && !has_proxies {
        check_forms(parties, report);
    }
    for provider in providers {
        let is_ours = |cookie: &&String| bare(cookie) == written.cookie.name;
        if let Some(cookie) = provider.cookies.iter().find(is_ours) {
            let message = format!("the provider `{}` has a cookie `{cookie}`", provider.name);
            report.refuse(&path.key("cookie").key("name"), message, "write another name");
        }
    }
}

/// A form that another site posts brings no cookie along but one with `SameSite=None`, which needs https.
fn check_forms(parties: &[PartySettings], report: &mut Report) {
    let is_form =
        |party: &&PartySettings| party.relying_party.response_mode == ResponseMode::FormPost;
    for party in parties.iter().filter(is_form) {
        let message = format!(
            "the provider `{}` answers by a form, to which browsers add the cookie of the sign-in over https alone",
            party.name
        );
        let remedy = "add `tls:` to the listener, or `trusted_proxies:`, or remove `response_mode`";
        report.warn(&KeyPath::root().key("session"), message, remedy);
    }
}

/// Browsers drop a cookie that a host sets for a domain which it is not in: nobody could sign in there.
fn check_hosts(domain: &str, routes: &[Route], path: &KeyPath, report: &mut Report) {
    let domain = domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase();
    let takes_sessions = |route: &&Route| {
        let words = route.accepts.as_ref().map(|list| list.0.as_slice());
        let accepted = words.is_none_or(|words| words.contains(&CredentialWord::Session));
        accepted && route.access != Access::Public
    };
    let is_outside = |host: &&String| {
        let host = host.strip_prefix("*.").unwrap_or(host).to_ascii_lowercase();
        !(host == domain || host.ends_with(&format!(".{domain}")))
    };
    let hosts =
        routes.iter().filter(takes_sessions).filter_map(|route| route.r#match.hosts.as_ref());
    if let Some(host) = hosts.flat_map(|list| &list.0).find(is_outside) {
        let message = format!(
            "the host `{host}` of a route is not in `{domain}`: nobody could sign in there"
        );
        let remedy = "remove `domain`, add `host:` to `sign_in:`, or write `accepts:` without `session` in that route";
        report.refuse(&path.key("cookie").key("domain"), message, remedy);
    }
}

fn bare(cookie: &str) -> &str {
    let bare = cookie.strip_prefix("__Host-").or_else(|| cookie.strip_prefix("__Secure-"));
    bare.unwrap_or(cookie)
}
