//! The claims of a token as they were written, and how single values are read. What they must say is in `rules`.

use crate::base::time::Timestamp;
use crate::token::error::TokenError;
use serde_json::{Map, Value};

/// The largest date that is read: 2^53, beyond which a JSON number is not exact everywhere.
const LAST_DATE: f64 = 9_007_199_254_740_992.0;

/// A set of claims: names are distinct, values are as the issuer wrote them.
///
/// Says nothing about trust: claims may be believed if they come out of a
/// [`VerifiedToken`](crate::token::VerifiedToken).
#[derive(Clone, PartialEq, Eq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// The value of the claim `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The value of the claim `name` if it is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// All of them.
    pub const fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The claim `name` as a date, `None` if there is no such claim.
    ///
    /// # Errors
    ///
    /// [`TokenError::BadClaim`] for anything but a number from 0 to 2^53
    /// (`NumericDate`, [RFC 7519 §2](https://www.rfc-editor.org/rfc/rfc7519#section-2)); `null` is no number either.
    pub fn date(&self, name: &'static str) -> Result<Option<Timestamp>, TokenError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let expected = "a number of seconds since 1970";
        numeric_date(value).map(Some).ok_or(TokenError::BadClaim { name, expected })
    }

    /// The claim `name` as a string, `None` if there is no such claim.
    ///
    /// # Errors
    ///
    /// [`TokenError::BadClaim`] if it is something else.
    pub fn string(&self, name: &'static str) -> Result<Option<&str>, TokenError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(TokenError::BadClaim { name, expected: "a string" }),
        }
    }
}

impl From<Map<String, Value>> for Claims {
    fn from(members: Map<String, Value>) -> Self {
        Self(members)
    }
}

/// Prints the names alone: values may be personal.
impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Fractions of a second are dropped, as the clock's are.
fn numeric_date(value: &Value) -> Option<Timestamp> {
    if let Some(seconds) = value.as_u64() {
        return (seconds <= 1 << 53).then_some(Timestamp::from_secs(seconds));
    }
    let seconds = value.as_f64().filter(|seconds| (0.0..=LAST_DATE).contains(seconds))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 2^53, checked above; dropping the fraction is wanted"
    )]
    Some(Timestamp::from_secs(seconds as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(value: Value) -> Claims {
        let Value::Object(members) = value else { panic!("not an object") };
        Claims::from(members)
    }

    #[test]
    fn dates_are_whole_or_broken_seconds() {
        for (value, seconds) in [
            (json!(0), 0),
            (json!(1_700_000_000), 1_700_000_000),
            (json!(5.9), 5),
            (json!(1.7e9), 1_700_000_000),
            (json!(1_u64 << 53), 1 << 53),
        ] {
            assert_eq!(
                claims(json!({ "exp": value })).date("exp"),
                Ok(Some(Timestamp::from_secs(seconds)))
            );
        }
        assert_eq!(claims(json!({})).date("exp"), Ok(None));
    }

    #[test]
    fn what_is_no_date_is_never_taken_for_an_absent_one() {
        for value in [
            json!("1700000000"),
            json!(-1),
            json!(-0.5),
            json!(1e300),
            json!((1_u64 << 53) + 1),
            json!(u64::MAX),
            json!(null),
            json!(true),
            json!([1]),
            json!({}),
        ] {
            let error = claims(json!({ "exp": value })).date("exp").unwrap_err();
            assert_eq!(error.label(), "token_bad_claim", "{value}");
        }
    }

    #[test]
    fn debug_text_shows_no_value() {
        assert_eq!(format!("{:?}", claims(json!({ "sub": "ada" }))), r#"{"sub"}"#);
    }

    #[test]
    fn text_is_for_strings_alone() {
        let claims = claims(json!({ "sub": "ada", "age": 36 }));
        assert_eq!(
            (claims.text("sub"), claims.text("age"), claims.text("x")),
            (Some("ada"), None, None)
        );
        assert_eq!(claims.get("age"), Some(&json!(36)));
    }
}
