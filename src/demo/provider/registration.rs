//! The one client of the provider: sidegate.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use url::{Url, form_urlencoded};

use super::super::addresses::{Addresses, CLIENT_ID};
use crate::base::secret::Secret;

/// What the provider knows of its client.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) id: &'static str,
    secret: Secret<String>,
    redirect_uris: Vec<String>,
    post_logout_uris: Vec<String>,
    /// Where logouts are told.
    pub(super) backchannel_logout_uri: Url,
}

impl Registration {
    /// Sidegate at these addresses, by number and by name: a browser may have been told either.
    pub(super) fn new(addresses: &Addresses, secret: Secret<String>) -> Self {
        let origins = [addresses.app_url(), format!("http://localhost:{}", addresses.app.port())];
        let each = |path: &str| origins.iter().map(|origin| format!("{origin}{path}")).collect();
        let logout = format!("{}/.auth/backchannel-logout/{CLIENT_ID}", addresses.app_url());
        Self {
            id: CLIENT_ID,
            secret,
            redirect_uris: each("/.auth/callback/demo"),
            post_logout_uris: each("/.auth/signed-out"),
            backchannel_logout_uri: Url::parse(&logout)
                .expect("`http://`, a socket address and a path make a URL"),
        }
    }

    /// The registered address that `text` is, byte for byte
    /// ([RFC 9700 §2.1](https://www.rfc-editor.org/rfc/rfc9700#section-2.1)).
    pub(super) fn redirect_uri(&self, text: &str) -> Option<&str> {
        self.redirect_uris.iter().find(|known| *known == text).map(String::as_str)
    }

    /// The same for where a sign-out leads.
    pub(super) fn post_logout_uri(&self, text: &str) -> Option<&str> {
        self.post_logout_uris.iter().find(|known| *known == text).map(String::as_str)
    }

    /// Whether the request is the client's, by `client_secret_basic`
    /// ([RFC 6749 §2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
    pub(super) fn has_authenticated(&self, headers: &HeaderMap) -> bool {
        let mut fields = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return false };
        let Some((id, secret)) = field.to_str().ok().and_then(credentials) else { return false };
        let secret = verify_slices_are_equal(secret.as_bytes(), self.secret.expose().as_bytes());
        id == self.id && secret.is_ok()
    }
}

fn credentials(field: &str) -> Option<(String, String)> {
    let (scheme, encoded) = field.split_once(' ')?;
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    scheme.eq_ignore_ascii_case("Basic").then(|| (unescape(id), unescape(secret)))
}

/// Both halves are form-encoded before they are joined. A text without `=` and `&` is one name.
fn unescape(text: &str) -> String {
    form_urlencoded::parse(text.as_bytes()).next().map_or(String::new(), |(name, _)| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::addresses::samples;

    fn authenticates(fields: &[&str]) -> bool {
        let registration = Registration::new(&samples(), Secret::new("s3 cret+".to_owned()));
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(header::AUTHORIZATION, field.parse().unwrap());
        }
        registration.has_authenticated(&headers)
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn only_the_secret_in_a_header_proves_the_client() {
        let right = basic("demo:s3+cret%2B");
        assert!(authenticates(&[&right]));
        assert!(!authenticates(&[]));
        assert!(!authenticates(&[&right, &right]));
        for wrong in ["demo:s3+cret", "demo:", "other:s3+cret%2B", "demo", "demo:s3 cret+x"] {
            assert!(!authenticates(&[&basic(wrong)]), "{wrong}");
        }
        assert!(!authenticates(&["Bearer s3+cret%2B"]));
    }

    #[test]
    fn addresses_are_compared_byte_for_byte() {
        let registration = Registration::new(&samples(), Secret::new(String::new()));
        for known in ["http://127.0.0.1:8080", "http://localhost:8080"] {
            assert!(registration.redirect_uri(&format!("{known}/.auth/callback/demo")).is_some());
            assert!(registration.post_logout_uri(&format!("{known}/.auth/signed-out")).is_some());
        }
        for other in [
            "http://127.0.0.1:8080/.auth/callback/demo/",
            "HTTP://127.0.0.1:8080/.auth/callback/demo",
            "",
        ] {
            assert_eq!(registration.redirect_uri(other), None, "{other}");
        }
    }
}
