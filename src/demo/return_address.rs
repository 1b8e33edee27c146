//! Where a browser may be sent after signing in: to the demo's app and nowhere else.
//!
//! An address that anybody can choose is how login services become open redirects, so it is parsed as browsers parse it
//! ([WHATWG URL](https://url.spec.whatwg.org/)), compared by origin, and sent in the form that was compared.

use url::{Origin, Url};

/// The origins that a return address may have.
#[derive(Clone, Debug)]
pub(super) struct AllowedOrigin(Origin);

/// An absolute address at an allowed origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReturnAddress(Url);

impl AllowedOrigin {
    /// The origin of `url`.
    pub(super) fn of(url: &Url) -> Self {
        Self(url.origin())
    }
}

impl ReturnAddress {
    /// Reads `text`, unless it leads elsewhere than to `allowed`.
    ///
    /// Control characters, spaces and backslashes are refused outright: browsers drop or turn them, and no honest sender
    /// writes them.
    pub(super) fn parse(text: &str, allowed: &AllowedOrigin) -> Option<Self> {
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let named = !url.username().is_empty() || url.password().is_some();
        (url.origin() == allowed.0 && !named).then_some(Self(url))
    }

    /// The address as it may stand in `Location`.
    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<String> {
        let allowed = AllowedOrigin::of(&Url::parse("http://127.0.0.1:8080").unwrap());
        ReturnAddress::parse(text, &allowed).map(|address| address.as_str().to_owned())
    }

    #[test]
    fn addresses_of_the_app_are_kept_with_path_and_query() {
        for text in
            ["http://127.0.0.1:8080/", "http://127.0.0.1:8080/admin?x=1&y=%2F%2Fevil.example"]
        {
            assert_eq!(parse(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn every_other_address_is_refused() {
        let elsewhere = [
            "",
            "/",
            "/admin",
            "//evil.example/",
            "/\\evil.example",
            "\\\\evil.example",
            "https://127.0.0.1:8080/",
            "http://127.0.0.1/",
            "http://127.0.0.1:80801/",
            "http://127.0.0.1:8080.evil.example/",
            "http://127.0.0.1:8080@evil.example/",
            "http://evil.example/http://127.0.0.1:8080/",
            "http://evil.example#127.0.0.1:8080",
            "http://evil.example\\@127.0.0.1:8080/",
            "http://ada@127.0.0.1:8080/",
            "http://:demo@127.0.0.1:8080/",
            "http://localhost:8080/",
            "http://[::1]:8080/",
            "http://127.0.0.1:8080/\r\nSet-Cookie: a=b",
            " http://127.0.0.1:8080/",
            "ht\ntp://127.0.0.1:8080/",
            "javascript:alert(1)",
            "data:text/html,hello",
            "http:evil.example",
        ];
        for text in elsewhere {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_was_compared_is_what_is_sent() {
        assert_eq!(parse("http:127.0.0.1:8080/x").as_deref(), Some("http://127.0.0.1:8080/x"));
        assert_eq!(parse("HTTP://0x7f.1:8080/x").as_deref(), Some("http://127.0.0.1:8080/x"));
    }
}
