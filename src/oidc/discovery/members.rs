//! The members of a metadata document, none of them twice, and how they are read.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use crate::oidc::discovery::MetadataError;

/// The members of a JSON object, none of them twice: two readers of a doubled member may see different values.
pub(super) struct Members(BTreeMap<String, Value>);

impl Members {
    /// Reads a document.
    pub(super) fn parse(document: &[u8]) -> Result<Self, MetadataError> {
        serde_json::from_slice(document).map_err(MetadataError::NotJson)
    }

    /// A string, if the member is there.
    pub(super) fn text(&self, member: &'static str) -> Result<Option<&str>, MetadataError> {
        match self.value(member) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(member, kind(other), "a string")),
        }
    }

    /// A boolean, false if the member is not there.
    pub(super) fn flag(&self, member: &'static str) -> Result<bool, MetadataError> {
        match self.value(member) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(wrong(member, kind(other), "a boolean")),
        }
    }

    /// A list of strings, if the member is there.
    pub(super) fn names(&self, member: &'static str) -> Result<Option<Vec<String>>, MetadataError> {
        const EXPECTED: &str = "an array of strings";
        let Some(value) = self.value(member) else { return Ok(None) };
        let Value::Array(items) = value else { return Err(wrong(member, kind(value), EXPECTED)) };
        let names: Option<Vec<String>> =
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        names.map(Some).ok_or_else(|| wrong(member, "an array of other things", EXPECTED))
    }

    fn value(&self, member: &str) -> Option<&Value> {
        self.0.get(member).filter(|value| !value.is_null())
    }
}

const fn wrong(member: &'static str, found: &'static str, expected: &'static str) -> MetadataError {
    MetadataError::WrongType { member, found, expected }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "an array",
        Value::Bool(_) => "a boolean",
        Value::Null => "null",
        Value::Number(_) => "a number",
        Value::Object(_) => "an object",
        Value::String(_) => "a string",
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the member {name:?} occurs twice")));
            }
            members.insert(name, value);
        }
        Ok(Members(members))
    }
}
