//! Which claims a session keeps: those that routes, rules and headers ask for, so that its cookie stays small.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::identity::ClaimPath;
use crate::token::Claims;

/// Kept always: who it is, and how and when they proved it.
const ALWAYS: [&str; 5] = ["acr", "amr", "auth_time", "email_verified", "sub"];

/// How strong a proof was.
const STRENGTH: [&str; 2] = ["acr", "amr"];

/// What the configuration asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Claims that are kept whole.
    pub paths: Vec<ClaimPath>,
    /// Lists of which only these values are kept: a person's groups may be hundreds, those that routes ask for are few. Ignored
    /// for a claim that is also kept whole; a claim that is no list is kept as it is.
    pub values: Vec<(ClaimPath, BTreeSet<String>)>,
}

/// What is left of `claims` when only `keep` is kept, each value where it stood.
pub fn keep_claims(claims: &Claims, keep: &Keep) -> Claims {
    let mut kept = Map::new();
    let source = claims.as_map();
    for (path, _) in &keep.values {
        let steps = steps(path);
        let asked = keep.values.iter().filter(|(other, _)| self::steps(other) == steps);
        let asked: BTreeSet<&str> =
            asked.flat_map(|(_, values)| values).map(String::as_str).collect();
        copy(source, &mut kept, &steps, &|value| reduced(value, &asked));
    }
    for path in &keep.paths {
        copy(source, &mut kept, &steps(path), &Value::clone);
    }
    for name in ALWAYS {
        copy(source, &mut kept, &[name.to_owned()], &Value::clone);
    }
    Claims::from(kept)
}

/// `claims` with what `before` says of how and when the person proved who they are, where `claims` say nothing of it. Both must be
/// of one authentication: some providers tell its strength at the sign-in alone, and not again when a token is renewed.
pub fn carry_strength(claims: Claims, before: &Claims) -> Claims {
    let told = STRENGTH.iter().any(|name| claims.get(name).is_some());
    if told {
        return claims;
    }
    let mut all = claims.as_map().clone();
    for name in STRENGTH.into_iter().chain(["auth_time"]) {
        if let (None, Some(value)) = (all.get(name), before.get(name)) {
            all.insert(name.to_owned(), value.clone());
        }
    }
    Claims::from(all)
}

/// The names on the way to a value, outermost first.
fn steps(path: &ClaimPath) -> Vec<String> {
    match path {
        ClaimPath::Name(name) => vec![name.clone()],
        ClaimPath::Pointer(pointer) => {
            let tokens = pointer.split('/').skip(1);
            tokens.map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
        }
    }
}

/// Copies the value at `steps`, changed by `change`, with the objects around it. A way that goes on inside a list takes the whole
/// list along.
fn copy(
    source: &Map<String, Value>,
    target: &mut Map<String, Value>,
    steps: &[String],
    change: &dyn Fn(&Value) -> Value,
) {
    let Some((step, rest)) = steps.split_first() else { return };
    match (source.get(step), rest) {
        (None | Some(Value::Null), _) => {}
        (Some(Value::Object(inner)), [_, ..]) => {
            let place = target.entry(step).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(place) = place {
                copy(inner, place, rest, change);
            }
        }
        (Some(value), []) => {
            target.insert(step.clone(), change(value));
        }
        (Some(value), [_, ..]) => {
            target.insert(step.clone(), value.clone());
        }
    }
}

/// A list without the values that nobody asks for. A text stays whole: cut at its spaces, the group `my admins` would become
/// another one.
fn reduced(value: &Value, asked: &BTreeSet<&str>) -> Value {
    let Value::Array(values) = value else { return value.clone() };
    let wanted = |value: &&Value| match value {
        Value::String(text) => asked.contains(text.as_str()),
        Value::Number(number) => asked.contains(number.to_string().as_str()),
        Value::Bool(truth) => asked.contains(truth.to_string().as_str()),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    };
    Value::Array(values.iter().filter(wanted).cloned().collect())
}

#[cfg(test)]
mod tests;
