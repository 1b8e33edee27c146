//! Words that mean something outside the file: names, header names, cookie names, origins, URLs.
//!
//! Each function gives the typed word, or notes in the report what is wrong with it.

use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::structure::nearest;
use http::Method;
use http::header::HeaderName;
use url::Url;

/// The longest name of a provider, an upstream, a listener or a route.
const MAX_NAME: usize = 64;

/// Fields that belong to the connection, to the message's framing or to the proxy: no claim may speak through them.
const RESERVED_HEADERS: &[&str] = &[
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
];

/// A name that logs, metrics and URLs can carry.
pub(super) fn label(name: &str, path: &KeyPath, report: &mut Report) -> Option<String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.len() <= MAX_NAME && name.bytes().all(allowed) {
        return Some(name.to_owned());
    }
    let message = format!("`{name}` cannot be a name");
    report.refuse(
        path,
        message,
        format!("write letters, digits, `-`, `_` and `.`, {MAX_NAME} at most"),
    );
    None
}

/// The place of `name` among `known`.
pub(super) fn find(
    noun: &str,
    name: &str,
    known: &[String],
    path: &KeyPath,
    report: &mut Report,
) -> Option<usize> {
    let found = known.iter().position(|candidate| candidate == name);
    if found.is_none() {
        let remedy = match (nearest(name, known.iter().map(String::as_str)), known) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, []) => format!("define an {noun} of that name"),
            (None, known) => format!("write one of: {}", known.join(", ")),
        };
        report.refuse(path, format!("there is no {noun} `{name}`"), remedy);
    }
    found
}

/// A header that may carry what we say or what a client offers.
pub(super) fn header(name: &str, path: &KeyPath, report: &mut Report) -> Option<HeaderName> {
    let Ok(header) = HeaderName::try_from(name) else {
        report.refuse(
            path,
            format!("`{name}` is no header name"),
            "write letters, digits and `-`, such as X-User",
        );
        return None;
    };
    if RESERVED_HEADERS.contains(&header.as_str()) {
        let message = format!("`{name}` belongs to HTTP or to the proxy itself");
        report.refuse(path, message, "use a name of its own, such as X-User");
        return None;
    }
    Some(header)
}

/// The spelling under which CGI servers see a header: names that share it are one name to them.
pub(super) fn folded(header: &HeaderName) -> String {
    header.as_str().replace(['_', '.'], "-")
}

/// A cookie name ([RFC 6265 §4.1.1](https://www.rfc-editor.org/rfc/rfc6265#section-4.1.1)).
pub(super) fn cookie(name: &str, path: &KeyPath, report: &mut Report) -> Option<String> {
    let separator = |b: u8| br#"()<>@,;:\"/[]?={}"#.contains(&b);
    if name.is_empty() || name.bytes().any(|b| !b.is_ascii_graphic() || separator(b)) {
        report.refuse(
            path,
            format!("`{name}` is no cookie name"),
            "write the bare name of the cookie, such as sso",
        );
        return None;
    }
    if is_own_cookie(name) {
        let message = format!("`{name}` is a name of sidegate's own cookies");
        report.refuse(path, message, "let the login service use another name");
        return None;
    }
    Some(name.to_owned())
}

/// Names that sidegate keeps for its own sessions, in any case: some servers fold it.
fn is_own_cookie(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let bare =
        name.strip_prefix("__host-").or_else(|| name.strip_prefix("__secure-")).unwrap_or(&name);
    bare.starts_with("sidegate")
}

/// A method, in the upper case that standard methods have.
pub(super) fn method(name: &str, path: &KeyPath, report: &mut Report) -> Option<Method> {
    let upper = name.to_ascii_uppercase();
    if upper != name {
        report.refuse(
            path,
            format!("`{name}` is not a method: methods are case-sensitive"),
            format!("write {upper}"),
        );
        return None;
    }
    if matches!(name, "TRACE" | "CONNECT") {
        report.refuse(path, format!("{name} is always refused"), "remove it");
        return None;
    }
    let parsed = Method::try_from(name).ok();
    if parsed.is_none() {
        report.refuse(path, format!("`{name}` is no method"), "write a method such as GET or POST");
    }
    parsed
}

/// An origin as browsers write it ([RFC 6454 §6.2](https://www.rfc-editor.org/rfc/rfc6454#section-6.2)).
pub(super) fn origin(text: &str, path: &KeyPath, report: &mut Report) -> Option<String> {
    if text == "*" || text == "null" {
        let message = format!("`{text}` stands for pages of strangers");
        report.refuse(path, message, "list the origins, such as https://app.example.com");
        return None;
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(serialised) = url.map(|url| url.origin().ascii_serialization()) else {
        report.refuse(
            path,
            format!("`{text}` is no origin"),
            "write scheme and host, such as https://app.example.com",
        );
        return None;
    };
    if serialised != text {
        report.refuse(
            path,
            format!("`{text}` is not how browsers write an origin"),
            format!("write {serialised}"),
        );
        return None;
    }
    Some(serialised)
}

/// The prefix of sidegate's own endpoints: a plain path of at least one segment, without a slash at its end.
pub(super) fn prefix(text: &str, path: &KeyPath, report: &mut Report) -> Option<String> {
    let remedy = "write a path of its own, such as /.auth";
    if text.trim_end_matches('/').is_empty() {
        report.refuse(
            path,
            format!("`{text}` covers every path: no request would reach an upstream"),
            remedy,
        );
        return None;
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    let segment =
        |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain);
    let holds = text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment));
    if !holds {
        report.refuse(path, format!("`{text}` is no plain path"), remedy);
        return None;
    }
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Lines;

    fn refused<T: std::fmt::Debug>(
        read: impl FnOnce(&KeyPath, &mut Report) -> Option<T>,
    ) -> Option<(String, String)> {
        let mut report = Report::new(Lines::default());
        let value = read(&KeyPath::root(), &mut report);
        let (problems, _) = report.into_parts();
        assert_eq!(value.is_none(), !problems.is_empty(), "{value:?} {problems:?}");
        problems.first().map(|p| (p.message().to_owned(), p.remedy().to_owned()))
    }

    #[test]
    fn headers_of_the_connection_and_of_the_proxy_are_reserved() {
        for name in [
            "Host",
            "connection",
            "Transfer-Encoding",
            "Content-Length",
            "X-Forwarded-For",
            "Cookie",
        ] {
            assert!(
                refused(|p, r| header(name, p, r))
                    .unwrap()
                    .0
                    .ends_with("belongs to HTTP or to the proxy itself")
            );
        }
        assert!(refused(|p, r| header("X User", p, r)).is_some());
        assert_eq!(refused(|p, r| header("X-User", p, r)), None);
    }

    #[test]
    fn cookie_names_are_tokens_and_not_our_own() {
        for name in ["a b", "a=b", "a;b", "é", "a\"", "__Host-sidegate", "Sidegate_x"] {
            assert!(refused(|p, r| cookie(name, p, r)).is_some(), "{name}");
        }
        for name in ["sso", "__Host-sso", "a.b-c_d"] {
            assert_eq!(refused(|p, r| cookie(name, p, r)), None, "{name}");
        }
    }

    #[test]
    fn methods_are_upper_case() {
        assert_eq!(refused(|p, r| method("get", p, r)).unwrap().1, "write GET");
        assert_eq!(refused(|p, r| method("TRACE", p, r)).unwrap().0, "TRACE is always refused");
        assert_eq!(refused(|p, r| method("PROPFIND", p, r)), None);
        assert!(refused(|p, r| method("A B", p, r)).is_some());
    }

    #[test]
    fn origins_are_written_as_browsers_do() {
        assert_eq!(refused(|p, r| origin("https://a.example", p, r)), None);
        assert_eq!(refused(|p, r| origin("http://a.example:8080", p, r)), None);
        for text in ["https://A.example/", "https://a.example:443", "https://a.example/x"] {
            assert_eq!(
                refused(|p, r| origin(text, p, r)).unwrap().1,
                "write https://a.example",
                "{text}"
            );
        }
        for text in ["*", "null", "a.example", "ftp://a.example"] {
            assert!(refused(|p, r| origin(text, p, r)).is_some(), "{text}");
        }
    }

    #[test]
    fn the_prefix_is_a_path_of_its_own() {
        assert_eq!(refused(|p, r| prefix("/.auth", p, r)), None);
        assert_eq!(refused(|p, r| prefix("/internal/auth", p, r)), None);
        assert!(refused(|p, r| prefix("/", p, r)).unwrap().0.starts_with("`/` covers every path"));
        for text in ["auth", "/auth/", "/a//b", "/a/../b", "/a%2f", "/a*", "/é"] {
            assert!(refused(|p, r| prefix(text, p, r)).is_some(), "{text}");
        }
    }

    #[test]
    fn an_unknown_name_leads_to_the_known_ones() {
        let known = ["app".to_owned(), "api".to_owned()];
        let lookup =
            |name: &'static str| refused(|p, r| find("upstream", name, &known, p, r)).unwrap();
        assert_eq!(
            lookup("ap"),
            ("there is no upstream `ap`".to_owned(), "did you mean `app`?".to_owned())
        );
        assert_eq!(lookup("web").1, "write one of: app, api");
    }
}
