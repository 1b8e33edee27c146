//! The fields of a query or a form, as decoded text.

use url::form_urlencoded;

use super::site::Request;

/// Names and values in written order. Of a field written twice, the first counts; who is strict asks whether there is one.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Those of the query.
    pub(super) fn of_query(request: &Request) -> Self {
        Self::parse(request.uri().query().unwrap_or("").as_bytes())
    }

    /// Those of the body.
    pub(super) fn of_form(request: &Request) -> Self {
        Self::parse(request.body())
    }

    /// Reads `application/x-www-form-urlencoded` ([WHATWG URL §5.1](https://url.spec.whatwg.org/#urlencoded-parsing)).
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The value of `name`, if it is there and not empty
    /// ([RFC 6749 §3.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.1): a parameter without a value is omitted).
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The words of a value that is a list.
    pub(super) fn words(&self, name: &str) -> Vec<&str> {
        self.value(name).unwrap_or("").split(' ').filter(|word| !word.is_empty()).collect()
    }

    /// Whether any name is there twice.
    pub(super) fn has_repetition(&self) -> bool {
        let earlier = |index: usize| self.0[..index].iter().map(|(name, _)| name);
        self.0.iter().enumerate().any(|(index, (name, _))| earlier(index).any(|one| one == name))
    }

    /// The same fields as a query.
    pub(super) fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_written_the_same_way() {
        let fields = Fields::parse(b"a=%2Fx%3Fy&b=1+2&c=");
        assert_eq!((fields.value("a"), fields.value("c")), (Some("/x?y"), None));
        assert_eq!(fields.words("b"), ["1", "2"]);
        assert_eq!(fields.encode(), "a=%2Fx%3Fy&b=1+2&c=");
    }

    #[test]
    fn a_name_that_is_there_twice_is_noticed() {
        assert!(Fields::parse(b"a=1&b=2&a=1").has_repetition());
        assert!(!Fields::parse(b"a=1&b=1").has_repetition());
    }
}
