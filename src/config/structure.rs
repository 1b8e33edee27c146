//! The structure of a file against its schema: unknown keys, missing keys, wrong types, unknown words.
//!
//! Walks the value and the schema together and reports everything at once, with the remedy. What
//! comes through can be read into the typed file; what it means is not looked at.

mod choice;
mod hint;

pub(crate) use hint::nearest;

use serde_json::{Map, Value};

use crate::config::mend::Mend;
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::structure::choice::{Choice, remark};
use crate::config::units::{Size, Span, UNIT_KEYWORD, UnitError};

type Schema = Map<String, Value>;

/// Checks `value`, the whole file, against `schema`, reports what does not fit, and says how each of it can be made to.
pub(crate) fn check(schema: &Value, value: &Value, report: &mut Report) -> Vec<(KeyPath, Mend)> {
    let mut walker = Walker { root: schema, report, mends: Vec::new() };
    walker.visit(schema, value, &KeyPath::root());
    walker.mends
}

struct Walker<'s, 'r> {
    root: &'s Value,
    report: &'r mut Report,
    mends: Vec<(KeyPath, Mend)>,
}

impl<'s> Walker<'s, '_> {
    fn visit(&mut self, schema: &'s Value, value: &Value, path: &KeyPath) {
        let Some(schema) = self.resolve(schema) else { return };
        if value.is_null() {
            let remedy = hint::example(schema, "give it a value, or remove the key");
            return self.refuse(path, "is empty", remedy, Mend::Drop);
        }
        let choice = Choice::of(self, schema);
        if choice.words.is_empty() && choice.shapes.is_empty() {
            return self.typed(schema, value, path);
        }
        self.choose(schema, &choice, value, path);
    }

    /// The schema that a reference leads to.
    fn resolve(&self, schema: &'s Value) -> Option<&'s Schema> {
        let schema = schema.as_object()?;
        match schema.get("$ref").and_then(Value::as_str) {
            Some(target) => self.resolve(self.root.pointer(target.trim_start_matches('#'))?),
            None => Some(schema),
        }
    }

    /// One of several alternatives: a known word, or the shape that looks most like what was written.
    fn choose(&mut self, schema: &'s Schema, choice: &Choice<'s>, value: &Value, path: &KeyPath) {
        if value.as_str().is_some_and(|word| choice.words.contains(&word)) {
            return;
        }
        let best = choice.shapes.iter().filter(|shape| fits(shape, value));
        if let Some(shape) = best.max_by_key(|shape| familiarity(shape, value)) {
            return self.typed(shape, value, path);
        }
        if value.is_string() && !choice.words.is_empty() {
            return self.unknown_word(schema, choice, value, path);
        }
        let expected: Vec<String> = choice.expectations();
        self.wrong_type(schema, &expected.join(" or "), value, path);
    }

    fn unknown_word(
        &mut self,
        schema: &'s Schema,
        choice: &Choice<'s>,
        value: &Value,
        path: &KeyPath,
    ) {
        let word = value.as_str().unwrap_or_default();
        let words = choice.words.join(", ");
        let message = format!("`{word}` is none of: {words}");
        let remark = choice.remark(word).or_else(|| remark(schema, word));
        let (remedy, mend) = match (remark, nearest(word, choice.words.iter().copied())) {
            (Some(remark), _) => (remark.to_owned(), Mend::Drop),
            (None, Some(near)) => (format!("did you mean `{near}`?"), Mend::Put(near.into())),
            (None, None) => (format!("write {}", choice.expectations().join(" or ")), Mend::Drop),
        };
        self.refuse(path, message, remedy, mend);
    }

    fn typed(&mut self, schema: &'s Schema, value: &Value, path: &KeyPath) {
        if !fits(schema, value) {
            return self.wrong_type(schema, noun(schema), value, path);
        }
        match value {
            Value::Object(map) => self.mapping(schema, map, path),
            Value::Array(items) => self.list(schema, items, path),
            Value::String(text) => self.text(schema, text, path),
            Value::Number(number) => self.number(schema, number, path),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn mapping(&mut self, schema: &'s Schema, map: &Map<String, Value>, path: &KeyPath) {
        let known = schema.get("properties").and_then(Value::as_object);
        for (key, value) in map {
            match (known.and_then(|known| known.get(key)), schema.get("additionalProperties")) {
                (Some(inner), _) => self.visit(inner, value, &path.key(key)),
                (None, Some(inner @ Value::Object(_))) => self.visit(inner, value, &path.key(key)),
                (None, Some(Value::Bool(true))) => {}
                (None, _) => self.unknown_key(schema, key, path),
            }
        }
        self.missing_keys(schema, map, path);
        self.number_of_keys(schema, map, path);
    }

    fn unknown_key(&mut self, schema: &'s Schema, key: &str, path: &KeyPath) {
        let here = properties(schema).map(|(name, _)| (name, None));
        let below = properties(schema).flat_map(|(above, inner)| {
            let inner = self.resolve(inner).into_iter().flat_map(properties);
            inner.map(move |(name, _)| (name, Some(above)))
        });
        let (remedy, mend) = match hint::closest(key, here.chain(below)) {
            Some((near, None)) => (format!("did you mean `{near}`?"), Mend::Move(path.key(near))),
            Some((near, Some(above))) => {
                let place = path.key(above).key(near);
                (format!("`{near}` belongs under `{above}`"), Mend::Move(place))
            }
            None => {
                let known: Vec<&str> = properties(schema).map(|(name, _)| name).collect();
                (format!("remove it; known here are: {}", known.join(", ")), Mend::Forget)
            }
        };
        self.refuse(&path.key(key), "unknown key", remedy, mend);
    }

    fn missing_keys(&mut self, schema: &'s Schema, map: &Map<String, Value>, path: &KeyPath) {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for key in required.filter_map(Value::as_str).filter(|key| !map.contains_key(*key)) {
            let place = path.key(key);
            if self.mends.iter().any(|(_, mend)| matches!(mend, Mend::Move(to) if *to == place)) {
                // It is there under a name that was told already.
                continue;
            }
            let inner = schema
                .get("properties")
                .and_then(|known| known.get(key))
                .and_then(|inner| self.resolve_beside(inner));
            let remedy = inner
                .and_then(|inner| hint::line(key, inner))
                .unwrap_or_else(|| format!("add `{key}:`"));
            self.refuse(path, format!("the key `{key}` is missing"), remedy, Mend::Complete);
        }
    }

    /// The schema itself where it has examples of its own, else what it refers to.
    fn resolve_beside(&self, schema: &'s Value) -> Option<&'s Schema> {
        let own = schema.as_object()?;
        if own.contains_key("examples") { Some(own) } else { self.resolve(schema) }
    }

    fn number_of_keys(&mut self, schema: &'s Schema, map: &Map<String, Value>, path: &KeyPath) {
        let bound = |word| schema.get(word).and_then(Value::as_u64);
        let found = map.len() as u64;
        let names = || properties(schema).map(|(name, _)| name).collect::<Vec<_>>().join(", ");
        if bound("maxProperties").is_some_and(|most| found > most) {
            let remedy = format!("keep one of: {}", names());
            self.refuse(path, "has several keys where one is wanted", remedy, Mend::Drop);
        } else if bound("minProperties").is_some_and(|least| found < least) {
            self.refuse(path, "is empty", format!("write one of: {}", names()), Mend::Drop);
        }
    }

    fn list(&mut self, schema: &'s Schema, items: &[Value], path: &KeyPath) {
        if items.is_empty() && schema.contains_key("minItems") {
            let remedy = "list at least one, or remove the key";
            self.refuse(path, "is an empty list", remedy, Mend::Drop);
        }
        let Some(inner) = schema.get("items") else { return };
        for (index, item) in items.iter().enumerate() {
            self.visit(inner, item, &path.index(index));
        }
    }

    fn text(&mut self, schema: &'s Schema, text: &str, path: &KeyPath) {
        let may_be_empty = schema.contains_key("enum")
            || schema.get("minLength").and_then(Value::as_u64) == Some(0);
        if text.trim().is_empty() && !may_be_empty {
            let remedy = hint::example(schema, "write something, or remove it");
            return self.refuse(path, "is empty text", remedy, Mend::Drop);
        }
        let unit = match schema.get(UNIT_KEYWORD).and_then(Value::as_str) {
            Some("duration") => Span::parse(text).err(),
            Some("size") => Size::parse(text).err(),
            _ => None,
        };
        if let Some(UnitError { message, remedy }) = unit {
            self.refuse(path, message, remedy, Mend::Default);
        }
    }

    fn number(&mut self, schema: &'s Schema, number: &serde_json::Number, path: &KeyPath) {
        let bound = |word| schema.get(word).and_then(Value::as_f64);
        let found = number.as_f64().unwrap_or(f64::NAN);
        if let Some(least) = bound("minimum").filter(|least| found < *least) {
            let message = format!("{number} is too small");
            self.refuse(path, message, format!("write {least} or more"), Mend::Default);
        }
        if let Some(most) = bound("maximum").filter(|most| found > *most) {
            let message = format!("{number} is too large");
            self.refuse(path, message, format!("write {most} or less"), Mend::Default);
        }
    }

    fn wrong_type(&mut self, schema: &'s Schema, expected: &str, value: &Value, path: &KeyPath) {
        let unit = schema.get(UNIT_KEYWORD).and_then(Value::as_str);
        if let (Some(unit), Value::Number(number)) = (unit, value) {
            let symbol = if unit == "size" { "B" } else { "s" };
            let others = if unit == "size" { "KiB, MiB, GiB, KB, MB, GB" } else { "ms, m, h, d" };
            let remedy = format!("write {number}{symbol}, or another of {others}");
            return self.refuse(path, format!("{number} has no unit"), remedy, Mend::Default);
        }
        let message = format!("is {}, expected {expected}", kind(value));
        let (remedy, mend) = hint::conversion(schema, expected, value);
        self.refuse(path, message, remedy, mend);
    }

    fn refuse(
        &mut self,
        path: &KeyPath,
        message: impl Into<String>,
        remedy: impl Into<String>,
        mend: Mend,
    ) {
        self.report.refuse(path, message, remedy);
        self.mends.push((path.clone(), mend));
    }
}

fn properties(schema: &Schema) -> impl Iterator<Item = (&str, &Value)> {
    let known = schema.get("properties").and_then(Value::as_object);
    known.into_iter().flatten().map(|(name, inner)| (name.as_str(), inner))
}

/// How many of the keys that were written a shape knows.
fn familiarity(shape: &Schema, value: &Value) -> usize {
    let Value::Object(map) = value else { return 0 };
    properties(shape).filter(|(name, _)| map.contains_key(*name)).count()
}

fn fits(schema: &Schema, value: &Value) -> bool {
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    }
}

/// What a schema wants, in words.
fn noun(schema: &Schema) -> &'static str {
    match (
        schema.get("type").and_then(Value::as_str),
        schema.get(UNIT_KEYWORD).and_then(Value::as_str),
    ) {
        (_, Some("duration")) => "a duration such as 30s",
        (_, Some("size")) => "a size such as 64KiB",
        (Some("string"), _) => "text",
        (Some("integer"), _) => "a whole number",
        (Some("number"), _) => "a number",
        (Some("boolean"), _) => "true or false",
        (Some("array"), _) => "a list",
        (Some("object"), _) => "a mapping of keys",
        _ => "something else",
    }
}

/// What a value is, in words.
const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping of keys",
    }
}

#[cfg(test)]
mod tests;
