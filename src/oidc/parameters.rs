//! Parameters that a browser or a provider sends us in a query or a form, read strictly: what two readers could understand
//! differently is refused.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

/// How many parameters are read at most.
const MAX_PARAMETERS: usize = 40;

/// Why parameters cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// An incomplete `%`, or bytes that are not UTF-8.
    #[error("a parameter is not percent-encoded UTF-8")]
    BadEncoding,
    /// Two readers may take different ones.
    #[error("a parameter occurs twice")]
    Duplicate,
    /// More than is read.
    #[error("the parameters are longer or more than what is read")]
    TooLarge,
}

/// The parameters of one message, each name once.
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads `text`, at most `max_bytes` of it, as `application/x-www-form-urlencoded`. Empty parts are skipped.
    pub(super) fn parse(text: &str, max_bytes: usize) -> Result<Self, ParameterError> {
        if text.len() > max_bytes {
            return Err(ParameterError::TooLarge);
        }
        let mut parameters = BTreeMap::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if parameters.len() >= MAX_PARAMETERS {
                return Err(ParameterError::TooLarge);
            }
            if parameters.insert(decode(name)?, decode(value)?).is_some() {
                return Err(ParameterError::Duplicate);
            }
        }
        Ok(Self(parameters))
    }

    /// Takes a parameter out; an empty one is none
    /// ([RFC 6749 §3.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.1)).
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }
}

fn decode(text: &str) -> Result<String, ParameterError> {
    if !is_well_encoded(text.as_bytes()) {
        return Err(ParameterError::BadEncoding);
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| ParameterError::BadEncoding)
}

/// Whether each `%` is followed by two hexadecimal digits: decoders differ in what they make of others.
fn is_well_encoded(text: &[u8]) -> bool {
    text.iter().enumerate().filter(|(_, byte)| **byte == b'%').all(|(at, _)| {
        text.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Whether the text is one line of visible ASCII, spaces included: what may become part of a message of ours.
pub(super) fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

/// The text for people to read: without control characters, at most `max_chars` long.
pub(super) fn cleaned(text: &str, max_chars: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(max_chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> Option<ParameterError> {
        Parameters::parse(text, 1000).err()
    }

    #[test]
    fn parameters_are_decoded_once() {
        let mut parameters = Parameters::parse("a=1+2%2B%2541&&b=%C3%A9&c=x=y&d=&e", 1000).unwrap();
        assert_eq!(parameters.take("a").as_deref(), Some("1 2+%41"));
        assert_eq!(parameters.take("b").as_deref(), Some("\u{e9}"));
        assert_eq!(parameters.take("c").as_deref(), Some("x=y"));
        assert_eq!(
            (parameters.take("d"), parameters.take("e"), parameters.take("f")),
            (None, None, None)
        );
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for text in ["a=%", "a=%4", "a=%zz", "a=%ff", "%=1", "a=%c0%af", "a=%+1"] {
            assert_eq!(error(text), Some(ParameterError::BadEncoding), "{text}");
        }
        for text in ["a=1&a=1", "a=1&%61=2", "a&a", "b=1&a=&a=1"] {
            assert_eq!(error(text), Some(ParameterError::Duplicate), "{text}");
        }
    }

    #[test]
    fn there_is_an_end_to_reading() {
        assert_eq!(error(&"x".repeat(1000)), None);
        assert_eq!(error(&"x".repeat(1001)), Some(ParameterError::TooLarge));
        let many = |count: usize| (0..count).map(|n| format!("{n}&")).collect::<String>();
        assert_eq!(error(&many(40)), None);
        assert_eq!(error(&many(41)), Some(ParameterError::TooLarge));
    }
}
