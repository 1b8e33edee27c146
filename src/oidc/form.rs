//! An `application/x-www-form-urlencoded` body to send: codes, verifiers and tokens, so it is never printed and is wiped.

use std::borrow::Cow;
use std::fmt;

use url::form_urlencoded::Serializer;

use crate::base::secret::Secret;

/// The media type of [`Form::encode`].
pub const FORM_MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// Names and values in written order.
#[derive(Clone, Default)]
pub struct Form(Vec<(Cow<'static, str>, Secret<String>)>);

impl Form {
    /// No parameters yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.push(name, value);
        self
    }

    /// Adds a parameter if there is a value for it.
    #[must_use]
    pub fn with_some<V: Into<String>>(self, name: &'static str, value: Option<V>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a parameter.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.0.push((name.into(), Secret::new(value.into())));
    }

    /// The value of the first parameter of that name.
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.expose().as_str())
    }

    /// The body.
    pub fn encode(&self) -> Secret<String> {
        // Wide enough for most, so that no half-written copy is left behind when the text grows.
        let length: usize =
            self.0.iter().map(|(name, value)| 3 * (name.len() + value.expose().len()) + 2).sum();
        let mut text = Serializer::new(String::with_capacity(length));
        text.extend_pairs(self.0.iter().map(|(name, value)| (name, value.expose())));
        Secret::new(text.finish())
    }
}

/// Prints the names alone.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Row x052.
    #[test]
    fn every_character_survives_the_encoding() {
        let hostile = "a+b%c:d e&f=g\r\nh\u{e9}";
        let body = Form::new().with("client_secret", hostile).with("x", "y").encode();
        assert_eq!(body.expose(), "client_secret=a%2Bb%25c%3Ad+e%26f%3Dg%0D%0Ah%C3%A9&x=y");
    }

    #[test]
    fn debug_text_shows_the_names_alone() {
        let form = Form::new().with("code", "secret").with_some("scope", None::<String>);
        assert_eq!(format!("{form:?}"), r#"{"code"}"#);
        assert_eq!(form.value("code"), Some("secret"));
    }
}
