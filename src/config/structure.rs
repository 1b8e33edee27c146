//! The structure of a file against its schema: unknown keys, missing keys, wrong types, unknown words.
//!
//! Walks the value and the schema together and reports everything at once, with the remedy. What
//! comes through can be read into the typed file; what it means is not looked at.

mod hint;

pub(crate) use hint::nearest;

use serde_json::{Map, Value};

use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::units::{Size, Span, UNIT_KEYWORD, UnitError};

type Schema = Map<String, Value>;

/// Checks `value`, the whole file, against `schema`, and reports what does not fit.
pub(crate) fn check(schema: &Value, value: &Value, report: &mut Report) {
    let mut walker = Walker { root: schema, report };
    walker.visit(schema, value, &KeyPath::root());
}

struct Walker<'s, 'r> {
    root: &'s Value,
    report: &'r mut Report,
}

impl<'s> Walker<'s, '_> {
    fn visit(&mut self, schema: &'s Value, value: &Value, path: &KeyPath) {
        let Some(schema) = self.resolve(schema) else { return };
        if value.is_null() {
            return self.report.refuse(
                path,
                "is empty",
                hint::example(schema, "give it a value, or remove the key"),
            );
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
        let remedy = match (remark, nearest(word, choice.words.iter().copied())) {
            (Some(remark), _) => remark.to_owned(),
            (None, Some(near)) => format!("did you mean `{near}`?"),
            (None, None) => format!("write {}", choice.expectations().join(" or ")),
        };
        self.report.refuse(path, message, remedy);
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
        let remedy = match hint::closest(key, here.chain(below)) {
            Some((near, None)) => format!("did you mean `{near}`?"),
            Some((near, Some(above))) => format!("`{near}` belongs under `{above}`"),
            None => {
                let known: Vec<&str> = properties(schema).map(|(name, _)| name).collect();
                format!("remove it; known here are: {}", known.join(", "))
            }
        };
        self.report.refuse(&path.key(key), "unknown key", remedy);
    }

    fn missing_keys(&mut self, schema: &'s Schema, map: &Map<String, Value>, path: &KeyPath) {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for key in required.filter_map(Value::as_str).filter(|key| !map.contains_key(*key)) {
            let inner = schema
                .get("properties")
                .and_then(|known| known.get(key))
                .and_then(|inner| self.resolve_beside(inner));
            let remedy = inner
                .and_then(|inner| hint::line(key, inner))
                .unwrap_or_else(|| format!("add `{key}:`"));
            self.report.refuse(path, format!("the key `{key}` is missing"), remedy);
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
            self.report.refuse(
                path,
                "has several keys where one is wanted",
                format!("keep one of: {}", names()),
            );
        } else if bound("minProperties").is_some_and(|least| found < least) {
            self.report.refuse(path, "is empty", format!("write one of: {}", names()));
        }
    }

    fn list(&mut self, schema: &'s Schema, items: &[Value], path: &KeyPath) {
        if items.is_empty() && schema.contains_key("minItems") {
            self.report.refuse(path, "is an empty list", "list at least one, or remove the key");
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
            return self.report.refuse(
                path,
                "is empty text",
                hint::example(schema, "write something, or remove it"),
            );
        }
        let unit = match schema.get(UNIT_KEYWORD).and_then(Value::as_str) {
            Some("duration") => Span::parse(text).err(),
            Some("size") => Size::parse(text).err(),
            _ => None,
        };
        if let Some(UnitError { message, remedy }) = unit {
            self.report.refuse(path, message, remedy);
        }
    }

    fn number(&mut self, schema: &'s Schema, number: &serde_json::Number, path: &KeyPath) {
        let bound = |word| schema.get(word).and_then(Value::as_f64);
        let found = number.as_f64().unwrap_or(f64::NAN);
        if let Some(least) = bound("minimum").filter(|least| found < *least) {
            self.report.refuse(
                path,
                format!("{number} is too small"),
                format!("write {least} or more"),
            );
        }
        if let Some(most) = bound("maximum").filter(|most| found > *most) {
            self.report.refuse(
                path,
                format!("{number} is too large"),
                format!("write {most} or less"),
            );
        }
    }

    fn wrong_type(&mut self, schema: &'s Schema, expected: &str, value: &Value, path: &KeyPath) {
        let unit = schema.get(UNIT_KEYWORD).and_then(Value::as_str);
        if let (Some(unit), Value::Number(number)) = (unit, value) {
            let symbol = if unit == "size" { "B" } else { "s" };
            let others = if unit == "size" { "KiB, MiB, GiB, KB, MB, GB" } else { "ms, m, h, d" };
            let remedy = format!("write {number}{symbol}, or another of {others}");
            return self.report.refuse(path, format!("{number} has no unit"), remedy);
        }
        let message = format!("is {}, expected {expected}", kind(value));
        self.report.refuse(path, message, hint::conversion(schema, expected, value));
    }
}

/// The alternatives of a schema: words that may be written, and shapes of other values.
#[derive(Default)]
struct Choice<'s> {
    words: Vec<&'s str>,
    shapes: Vec<&'s Schema>,
    remarks: Vec<&'s Value>,
}

impl<'s> Choice<'s> {
    fn of(walker: &Walker<'s, '_>, schema: &'s Schema) -> Self {
        let mut choice = Self::default();
        if ["anyOf", "oneOf", "enum", "const"].iter().any(|word| schema.contains_key(*word)) {
            choice.gather(walker, schema);
        }
        choice
    }

    fn gather(&mut self, walker: &Walker<'s, '_>, schema: &'s Schema) {
        self.remarks.extend(schema.get("x-remarks"));
        let words = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        let words = words.chain(schema.get("const")).filter_map(Value::as_str);
        let before = self.words.len();
        self.words.extend(words);
        let options =
            ["anyOf", "oneOf"].iter().filter_map(|word| schema.get(*word)?.as_array()).flatten();
        let options: Vec<_> = options.filter_map(|option| walker.resolve(option)).collect();
        if options.is_empty() && before == self.words.len() {
            self.shapes.push(schema);
        }
        options.into_iter().for_each(|option| self.gather(walker, option));
    }

    fn expectations(&self) -> Vec<String> {
        let mut nouns: Vec<String> = Vec::new();
        if !self.words.is_empty() {
            nouns.push(format!("one of: {}", self.words.join(", ")));
        }
        for noun in self.shapes.iter().map(|shape| noun(shape)) {
            if !nouns.iter().any(|known| known == noun) {
                nouns.push(noun.to_owned());
            }
        }
        nouns
    }

    fn remark(&self, word: &str) -> Option<&'s str> {
        self.remarks.iter().find_map(|remarks| remarks.get(word)?.as_str())
    }
}

fn remark<'s>(schema: &'s Schema, word: &str) -> Option<&'s str> {
    schema.get("x-remarks")?.get(word)?.as_str()
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
