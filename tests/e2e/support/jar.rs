//! The cookies of one browser, kept and sent by the rules of RFC 6265bis, as far as they concern sign-in.
//!
//! Without a clock: a cookie lives until it is replaced, deleted (`Max-Age` of zero, `Expires` in the past) or, one without
//! either, until the browser is closed.

use cookie::{Cookie, SameSite};
use url::{Host, Url};

/// A cookie that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) value: String,
    /// The host that set it, or the domain that it named.
    pub(crate) domain: String,
    /// Whether it goes to no other host than that.
    pub(crate) host_only: bool,
    pub(crate) path: String,
    pub(crate) secure: bool,
    pub(crate) http_only: bool,
    pub(crate) same_site: Option<SameSite>,
    /// Whether it outlives the browser.
    pub(crate) persistent: bool,
}

/// Where a request comes from, which decides what `SameSite` lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// A top-level navigation of another site by a safe method.
    ForeignLink,
    /// Another site by any other way: a form that posts, a frame, a script.
    ForeignPage,
    /// The same site, or the address bar.
    Own,
}

/// The cookies of one browser.
#[derive(Clone, Debug, Default)]
pub(crate) struct Jar {
    kept: Vec<Kept>,
}

impl Jar {
    /// Every cookie, in no order.
    pub(crate) fn all(&self) -> &[Kept] {
        &self.kept
    }

    /// The cookie called `name`, wherever it goes.
    pub(crate) fn named(&self, name: &str) -> Option<&Kept> {
        self.kept.iter().find(|kept| kept.name == name)
    }

    /// Forgets the cookies that `unwanted` picks.
    pub(crate) fn forget(&mut self, unwanted: impl Fn(&Kept) -> bool) {
        self.kept.retain(|kept| !unwanted(kept));
    }

    /// Changes the value of the cookie called `name`, which is there.
    pub(crate) fn tamper(&mut self, name: &str, change: impl FnOnce(&str) -> String) {
        let kept = self.kept.iter_mut().find(|kept| kept.name == name);
        let kept = kept.unwrap_or_else(|| panic!("there is no cookie {name}"));
        kept.value = change(&kept.value);
    }

    /// Puts a cookie in as it is. One that replaces another keeps its age, by which cookies are sorted.
    pub(crate) fn put(&mut self, new: Kept) {
        match self.kept.iter_mut().find(|kept| is_same(kept, &new)) {
            Some(kept) => *kept = new,
            None => self.kept.push(new),
        }
    }

    /// Takes `Set-Cookie` in an answer from `url`, or tells why a browser would not (RFC 6265bis §5.7).
    pub(crate) fn take(&mut self, url: &Url, field: &str) -> Result<(), String> {
        let parsed = Cookie::parse(field).map_err(|error| format!("{error}: {field}"))?;
        let host = url.host_str().unwrap_or_default();
        let domain = parsed.domain().map(str::to_ascii_lowercase);
        if let Some(domain) = &domain
            && !covers(domain, url)
        {
            return Err(format!("{host} may not set a cookie for {domain}"));
        }
        let new = Kept {
            name: parsed.name().to_owned(),
            value: parsed.value().to_owned(),
            host_only: domain.is_none(),
            domain: domain.unwrap_or_else(|| host.to_owned()),
            path: parsed.path().map_or_else(|| default_path(url), str::to_owned),
            secure: parsed.secure().unwrap_or(false),
            http_only: parsed.http_only().unwrap_or(false),
            same_site: parsed.same_site(),
            persistent: parsed.max_age().is_some() || parsed.expires_datetime().is_some(),
        };
        check(&new, url)?;
        self.leave_secure_alone(&new, url)?;
        if is_deletion(&parsed) {
            self.kept.retain(|kept| !is_same(kept, &new));
        } else {
            self.put(new);
        }
        Ok(())
    }

    /// What came by plain http does not stand in the way of a secure cookie (RFC 6265bis §5.7, step 17).
    fn leave_secure_alone(&self, new: &Kept, url: &Url) -> Result<(), String> {
        let is_in_the_way = |kept: &Kept| {
            kept.secure
                && kept.name == new.name
                && covers(&kept.domain, url)
                && is_below(&new.path, &kept.path)
        };
        if url.scheme() != "https" && self.kept.iter().any(is_in_the_way) {
            return Err(format!("{} from {url}: there is a Secure one", new.name));
        }
        Ok(())
    }

    /// The value of `Cookie` in a request for `url` (RFC 6265bis §5.8.3); none if there are no cookies for it.
    pub(crate) fn sent(&self, url: &Url, from: From) -> Option<String> {
        let mut sent: Vec<&Kept> =
            self.kept.iter().filter(|kept| goes_to(kept, url) && comes_from(kept, from)).collect();
        sent.sort_by_key(|kept| std::cmp::Reverse(kept.path.len()));
        let pairs: Vec<String> =
            sent.iter().map(|kept| format!("{}={}", kept.name, kept.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

fn is_same(kept: &Kept, new: &Kept) -> bool {
    kept.name == new.name && kept.domain == new.domain && kept.path == new.path
}

fn is_deletion(parsed: &Cookie<'_>) -> bool {
    let past = parsed.expires_datetime().is_some_and(|expires| expires.unix_timestamp() <= 0);
    parsed.max_age().map_or(past, |age| !age.is_positive())
}

/// What a browser refuses to keep.
fn check(new: &Kept, url: &Url) -> Result<(), String> {
    let complaint = |what: &str| Err(format!("{} from {url}: {what}", new.name));
    if new.secure && url.scheme() != "https" {
        return complaint("Secure over plain http");
    }
    if new.same_site == Some(SameSite::None) && !new.secure {
        return complaint("SameSite=None without Secure");
    }
    let name = new.name.to_ascii_lowercase();
    if name.starts_with("__secure-") && !new.secure {
        return complaint("the prefix asks for Secure");
    }
    if name.starts_with("__host-") && !(new.secure && new.host_only && new.path == "/") {
        return complaint("the prefix asks for Secure, Path=/ and no Domain");
    }
    if new.name.len() + new.value.len() > 4096 {
        return complaint("longer than 4096 bytes");
    }
    Ok(())
}

fn goes_to(kept: &Kept, url: &Url) -> bool {
    let is_host = url.host_str() == Some(kept.domain.as_str());
    let is_covered = is_host || (!kept.host_only && covers(&kept.domain, url));
    is_covered && is_below(url.path(), &kept.path) && (!kept.secure || url.scheme() == "https")
}

/// Whether `path` is `folder` or in it (RFC 6265bis §5.1.4).
fn is_below(path: &str, folder: &str) -> bool {
    let below = path.strip_prefix(folder);
    below.is_some_and(|rest| rest.is_empty() || folder.ends_with('/') || rest.starts_with('/'))
}

/// No `SameSite` is `Lax`, as browsers have it.
fn comes_from(kept: &Kept, from: From) -> bool {
    match kept.same_site.unwrap_or(SameSite::Lax) {
        SameSite::Lax => from != From::ForeignPage,
        SameSite::None => true,
        SameSite::Strict => from == From::Own,
    }
}

/// Whether `domain` is the host of `url` or above it; no domain of one label is, under which everybody may have a name.
fn covers(domain: &str, url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(host)) if host != domain && !domain.contains('.') => false,
        Some(Host::Domain(host)) => {
            host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        }
        _ => url.host_str() == Some(domain),
    }
}

fn default_path(url: &Url) -> String {
    match url.path().rsplit_once('/') {
        Some(("", _)) | None => "/".to_owned(),
        Some((folder, _)) => folder.to_owned(),
    }
}
