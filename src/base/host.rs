//! Hosts: the strict reading of a `Host` field or `:authority`, and the patterns that routes match it with.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// The host and port a request names, read strictly
/// ([RFC 9112 §3.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    written: &'a str,
    host: Cow<'a, str>,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads `text`; `None` where two readers could disagree about the host: user information, lists, paths,
    /// an empty name, unusual characters, a port that is no port.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() > 255 + 6 {
            return None;
        }
        let (name, port) = split_port(text)?;
        let host = if name.starts_with('[') { ipv6(name)? } else { registered_name(name)? };
        Some(Self { written: text, host, port })
    }

    /// The authority as the client wrote it: what return addresses are made of.
    pub const fn written(&self) -> &'a str {
        self.written
    }

    /// The host in lower case, without port and trailing dot: what routes are matched with.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if one was written.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }
}

fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let host_end = if text.starts_with('[') {
        text.find(']')? + 1
    } else {
        text.bytes().position(|b| b == b':').unwrap_or(text.len())
    };
    let (host, rest) = text.split_at(host_end);
    let Some(digits) = rest.strip_prefix(':') else {
        return rest.is_empty().then_some((host, None));
    };
    let canonical =
        !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit());
    let port = canonical.then(|| digits.parse::<u16>().ok())??;
    Some((host, Some(port)))
}

fn ipv6(name: &str) -> Option<Cow<'_, str>> {
    let inner = name.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse::<Ipv6Addr>().ok().map(|address| Cow::Owned(format!("[{address}]")))
}

fn registered_name(name: &str) -> Option<Cow<'_, str>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if !is_host_name(name) {
        return None;
    }
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        return Some(Cow::Owned(name.to_ascii_lowercase()));
    }
    Some(Cow::Borrowed(name))
}

/// Letters, digits, `-`, `_` and dots between non-empty labels. Underscores are no host name by the book, but
/// internal names have them.
fn is_host_name(name: &str) -> bool {
    // One pass, since every request pays for it: how long the present label is so far.
    let mut label = 0;
    let allowed = |b: u8| match b {
        b'.' => std::mem::take(&mut label) > 0,
        b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
            label += 1;
            label <= 63
        }
        _ => false,
    };
    name.len() <= 253 && name.bytes().all(allowed) && label > 0
}

/// What a route says about hosts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// Any host at all.
    Any,
    /// Exactly this host.
    Exact(String),
    /// Any host that ends in a dot and this name: at least one label more.
    Wildcard(String),
}

/// Why a text is no host pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no host: expected a name such as app.example.com, or *.example.com")]
pub struct HostPatternError(pub String);

impl HostPattern {
    /// Reads `app.example.com`, `[::1]` or `*.example.com`; case and a trailing dot do not matter.
    pub fn parse(text: &str) -> Result<Self, HostPatternError> {
        let wrong = || HostPatternError(text.to_owned());
        let (wildcard, name) = match text.strip_prefix("*.") {
            Some(suffix) => (true, suffix),
            None => (false, text),
        };
        let authority = Authority::parse(name).ok_or_else(wrong)?;
        if authority.port().is_some() || (wildcard && name.starts_with('[')) {
            return Err(wrong());
        }
        let host = authority.host().to_owned();
        Ok(if wildcard { Self::Wildcard(host) } else { Self::Exact(host) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Option<String> {
        Authority::parse(text).map(|a| a.host().to_owned())
    }

    #[test]
    fn case_port_and_trailing_dot_do_not_change_the_host() {
        for text in
            ["app.example.com", "APP.Example.com", "app.example.com.", "app.example.com:8443"]
        {
            assert_eq!(host(text).as_deref(), Some("app.example.com"), "{text}");
        }
        assert_eq!(host("[0:0::1]:80").as_deref(), Some("[::1]"));
        assert_eq!(Authority::parse("a.test:99").unwrap().port(), Some(99));
    }

    /// Measured in the field: each of these was accepted by a proxy that then routed it somewhere.
    #[test]
    fn whatever_two_readers_could_split_differently_is_no_host() {
        for text in [
            "",
            ".",
            "a..b",
            "a, evil",
            "a/evil",
            "a#evil",
            "a?x",
            "a@b",
            "user:pw@a",
            "[::1",
            "::1",
            "a:99999",
            "a:",
            "a:80:90",
            "a b",
            "a\tb",
            "a%00",
            "\u{e9}.example",
            "a\\b",
            "[::1]x",
            "[fe80::1%25eth0]",
            "a:+80",
            "a;b",
            ".a",
        ] {
            assert_eq!(host(text), None, "{text:?}");
        }
    }

    #[test]
    fn patterns_fold_like_hosts() {
        assert_eq!(
            HostPattern::parse("*.Example.COM").unwrap(),
            HostPattern::Wildcard("example.com".into())
        );
        assert_eq!(
            HostPattern::parse("App.example.com.").unwrap(),
            HostPattern::Exact("app.example.com".into())
        );
        for text in ["*", "a.*.b", "*a.example", "a.example:80", "", "https://a.example"] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }
}
