//! URLs that sidegate fetches, or sends browsers to.

use url::Url;

use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::remote::egress::{Egress, EgressError, is_loopback, permit};

/// What anybody on the way could do if a URL were plain http.
#[derive(Clone, Copy, Debug)]
pub(super) enum Harm {
    /// To what is said to a provider.
    Exchange,
    /// To the keys of a provider.
    Keys,
}

impl Harm {
    const fn text(self) -> &'static str {
        match self {
            Self::Exchange => "read and change what is said",
            Self::Keys => "replace the keys",
        }
    }
}

/// A URL that sidegate may fetch: https, or http on this machine.
pub(super) fn outbound(
    text: &str,
    harm: Harm,
    path: &KeyPath,
    report: &mut Report,
) -> Option<Url> {
    let Ok(url) = Url::parse(text) else {
        report.refuse(
            path,
            format!("`{text}` is no URL"),
            "write an address such as https://login.example.com",
        );
        return None;
    };
    let Err(error) = permit(&url, Egress::Configured) else { return Some(url) };
    let (message, remedy) = match error {
        EgressError::PlainHttp { host } => (
            format!("plain http to `{host}`: anybody on the way could {}", harm.text()),
            format!("write {}", text.replacen("http://", "https://", 1)),
        ),
        EgressError::Credentials => {
            (String::from("the URL has a user name or password in it"), String::from("remove it"))
        }
        other => (other.to_string(), String::from("write an https:// address")),
    };
    report.refuse(path, message, remedy);
    None
}

/// An absolute address that a browser may be sent to: https, or http on this machine, and nothing that is shown as another.
pub(super) fn for_browsers(text: &str, path: &KeyPath, report: &mut Report) -> Option<Url> {
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>'));
    let url = Url::parse(text).ok().filter(|url| {
        let secure = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
        secure && plain && url.has_host() && url.username().is_empty() && url.password().is_none()
    });
    if url.is_none() {
        let message = format!("`{text}` is no absolute https address");
        report.refuse(path, message, "write an address such as https://www.example.com/bye");
    }
    url
}
