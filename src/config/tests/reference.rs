//! `config.yaml` at the top of the project: it loads, and it has every key there is.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::*;
use crate::config::schema::SCHEMA;

const REFERENCE: &str = include_str!("../../../config.yaml");

/// The blocks of lines that begin with `#?`.
fn alternatives() -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut in_block = false;
    for line in REFERENCE.lines() {
        let line = line.strip_prefix("#?");
        match line {
            Some(line) if in_block => {
                let block = blocks.last_mut().unwrap();
                block.push('\n');
                block.push_str(line);
            }
            Some(line) => blocks.push(line.to_owned()),
            None => {}
        }
        in_block = line.is_some();
    }
    blocks
}

#[test]
fn the_reference_loads_without_a_warning() {
    let loaded = load_text("config.yaml", REFERENCE, Path::new("/"), |_| None).unwrap();
    assert_eq!(loaded.warnings.to_string(), "");
    assert!(loaded.files.is_empty());
}

#[test]
fn every_alternative_of_the_reference_loads() {
    let world = world();
    let blocks = alternatives();
    assert!(blocks.len() > 5);
    for block in blocks {
        if let Err(problems) = load_in(&world, &small_with(&block)) {
            panic!("{block}\n\n{problems}");
        }
    }
}

#[test]
fn the_reference_has_every_key() {
    let mut seen = BTreeSet::new();
    let texts = alternatives().into_iter().chain([REFERENCE.to_owned()]);
    for text in texts {
        let value: Value = serde_yaml::from_str(&text).unwrap();
        mark(&SCHEMA, &value, "File", &mut seen);
    }
    let missing: Vec<String> = all_keys().difference(&seen).cloned().collect();
    assert!(missing.is_empty(), "config.yaml does not have: {missing:?}");
}

/// `Type.key` for every key of the schema.
fn all_keys() -> BTreeSet<String> {
    let mut keys = keys_of("File", &SCHEMA);
    for (name, schema) in SCHEMA["$defs"].as_object().unwrap() {
        keys.extend(keys_of(name, schema));
    }
    keys
}

fn keys_of(name: &str, schema: &Value) -> BTreeSet<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(key, _)| format!("{name}.{key}")).collect()
}

/// Notes the keys of `value`, and of everything below it.
fn mark(schema: &Value, value: &Value, name: &str, seen: &mut BTreeSet<String>) {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let name = target.rsplit('/').next().unwrap();
        return mark(&SCHEMA["$defs"][name], value, name, seen);
    }
    for option in
        ["anyOf", "oneOf"].iter().filter_map(|word| schema.get(word)?.as_array()).flatten()
    {
        mark(option, value, name, seen);
    }
    match value {
        Value::Array(items) => {
            if let Some(inner) = schema.get("items") {
                items.iter().for_each(|item| mark(inner, item, name, seen));
            }
        }
        Value::Object(map) => mark_keys(schema, map, name, seen),
        _ => {}
    }
}

fn mark_keys(schema: &Value, map: &Map<String, Value>, name: &str, seen: &mut BTreeSet<String>) {
    let Some(known) = schema.get("properties") else { return };
    for (key, value) in map {
        if let Some(inner) = known.get(key) {
            seen.insert(format!("{name}.{key}"));
            mark(inner, value, name, seen);
        }
    }
}

/// Where the reference shows a default, it is the default.
#[test]
fn defaults_of_the_reference_are_the_defaults() {
    let value: Value = serde_yaml::from_str(REFERENCE).unwrap();
    for (section, name) in
        [("limits", "Limits"), ("timeouts", "Timeouts"), ("cache", "Cache"), ("log", "Log")]
    {
        let properties = SCHEMA["$defs"][name]["properties"].as_object().unwrap();
        for (key, shown) in value[section].as_object().unwrap() {
            let default = &properties[key]["default"];
            let same = shown == default
                || in_seconds(shown).is_some_and(|s| Some(s) == in_seconds(default));
            assert!(same, "{section}.{key}: {shown} is not the default, {default}");
        }
    }
}

fn in_seconds(value: &Value) -> Option<u64> {
    units::Span::parse(value.as_str()?).ok().map(|span| span.0.as_secs())
}
