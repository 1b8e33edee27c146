//! Addresses that open apps: the files by which phones know the apps of a host, and the links themselves.
//!
//! Phones read the files without cookies and follow no redirect. A link is for an app, and holds what only that may have: where a
//! browser comes with one, it gets a page that leads nowhere, and nothing of the query goes any further, sign-ins included.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use crate::gate::Reason;
use crate::serve::reply::{Asker, Reply};
use crate::serve::settings::AppLinks;

const APPLE: [&str; 2] = ["/.well-known/apple-app-site-association", "/apple-app-site-association"];
const ANDROID: &str = "/.well-known/assetlinks.json";

/// What a browser sees at a link.
const PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
<title>Open in the app</title>\n<p>This address opens an app, and the app is not on this device. You can close this page.</p>\n</html>\n";
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// What is at an address.
enum Found<'a> {
    File(&'a Bytes),
    Link,
}

impl AppLinks {
    /// Whether `path` is answered here.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.at(path).is_some()
    }

    /// The answer at `path`, if there is one.
    pub(crate) fn answer(&self, method: &Method, path: &str, asker: Asker<'_>) -> Option<Reply> {
        let found = self.at(path)?;
        if *method != Method::GET && *method != Method::HEAD {
            let reply = Reply::refusal(Reason::MethodNotAllowed, asker);
            return Some(reply.replacing(header::ALLOW, HeaderValue::from_static("GET, HEAD")));
        }
        Some(match found {
            Found::File(json) => file(json),
            Found::Link => {
                Reply::page(StatusCode::OK, PAGE.to_owned(), HeaderValue::from_static(POLICY))
            }
        })
    }

    fn at(&self, path: &str) -> Option<Found<'_>> {
        if APPLE.contains(&path) {
            return self.apple.as_ref().map(Found::File);
        }
        if path == ANDROID {
            return self.android.as_ref().map(Found::File);
        }
        self.paths.iter().any(|link| link == path).then_some(Found::Link)
    }
}

fn file(json: &Bytes) -> Reply {
    let fields: [(HeaderName, &'static str); 2] =
        [(header::CONTENT_TYPE, "application/json"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    let reply = Reply { body: json.clone(), ..Reply::empty(StatusCode::OK) };
    let reply =
        reply.replacing(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    fields
        .into_iter()
        .fold(reply, |reply, (name, value)| reply.with(name, HeaderValue::from_static(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::pages::{Language, Pages};
    use crate::serve::reply::Audience;

    fn links() -> AppLinks {
        AppLinks {
            apple: Some(Bytes::from_static(b"{}")),
            android: None,
            paths: vec!["/authorize".to_owned()],
        }
    }

    fn answer(method: &Method, path: &str) -> Option<Reply> {
        let pages = Pages::built_in();
        let (audience, language) = (Audience::Person, Language::default());
        links().answer(method, path, Asker { audience, language, pages: &pages, request_id: "r1" })
    }

    fn field(reply: &Reply, name: &HeaderName) -> Option<String> {
        let found = reply.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn files_are_json_for_everybody() {
        for path in APPLE {
            let reply = answer(&Method::GET, path).unwrap();
            let kind = field(&reply, &header::CONTENT_TYPE);
            assert_eq!((reply.status.as_u16(), kind.as_deref()), (200, Some("application/json")));
            assert_eq!((&reply.body[..], field(&reply, &header::SET_COOKIE)), (&b"{}"[..], None));
        }
        assert!(answer(&Method::GET, ANDROID).is_none(), "none is configured");
    }

    #[test]
    fn a_link_is_a_page_that_leads_nowhere() {
        let reply = answer(&Method::GET, "/authorize").unwrap();
        assert_eq!((reply.status.as_u16(), field(&reply, &header::LOCATION)), (200, None));
        for (name, value) in [
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
        ] {
            assert_eq!(field(&reply, &name).as_deref(), Some(value));
        }
        assert!(!String::from_utf8_lossy(&reply.body).contains("href"));
    }

    #[test]
    fn other_methods_are_refused_and_other_paths_are_not_ours() {
        assert_eq!(answer(&Method::POST, "/authorize").unwrap().status, 405);
        for path in ["/authorize/", "/Authorize", "/", "/.well-known/openid-configuration"] {
            assert!(answer(&Method::GET, path).is_none(), "{path}");
        }
    }
}
