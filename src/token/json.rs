//! JSON objects whose names are distinct at every depth.
//!
//! Two readers of a repeated name may see different values, so there is none
//! ([RFC 8725 §2.4](https://www.rfc-editor.org/rfc/rfc8725#section-2.4); RFC 7515 §4 and RFC 7519 §4 leave the choice).
//! Depth is bounded by the parser, at 128.

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// The object that `bytes` hold; `None` for anything else, bytes after it included.
pub fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(bytes) {
        Ok(Distinct(Value::Object(members))) => Some(members),
        _ => None,
    }
}

/// A JSON value without a repeated name in it.
struct Distinct(Value);

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DistinctVisitor).map(Self)
    }
}

struct DistinctVisitor;

impl<'de> Visitor<'de> for DistinctVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value with distinct names")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Distinct(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Distinct(value))) = members.next_entry::<String, _>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("name occurs twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> bool {
        object(text.as_bytes()).is_none()
    }

    #[test]
    fn an_object_is_read_as_it_stands() {
        let text =
            r#"{"a":1,"b":-2,"c":1.5,"d":"é\n","e":[true,null,{"a":{}}],"f":18446744073709551615}"#;
        let plain: Map<String, Value> = serde_json::from_str(text).unwrap();
        assert_eq!(object(text.as_bytes()), Some(plain));
    }

    #[test]
    fn a_repeated_name_is_refused_at_any_depth_and_in_any_spelling() {
        assert!(refused(r#"{"a":1,"a":1}"#));
        assert!(refused(r#"{"a":1,"\u0061":2}"#));
        assert!(refused(r#"{"x":[{"a":1,"a":2}]}"#));
        assert!(!refused(r#"{"a":{"a":1},"A":2}"#));
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for text in [
            "",
            "[]",
            "null",
            "1",
            r#""a""#,
            "{}x",
            "{}{}",
            "{",
            "\u{feff}{}",
            r#"{"a":1e400}"#,
            "{a:1}",
            "{'a':1}",
            "{\"a\":NaN}",
        ] {
            assert!(refused(text), "{text}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_none());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(!refused(&nested(100)));
        assert!(refused(&nested(128)));
        assert!(refused(&nested(100_000)));
    }
}
