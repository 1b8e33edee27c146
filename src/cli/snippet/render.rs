//! Templates filled in with facts.

use anyhow::Context;
use minijinja::{Environment, UndefinedBehavior, Value};
use serde_json::Value as Json;

use super::facts::Facts;
use super::kind::{File, Text};

/// Several files, each below its name.
pub(super) fn files(files: &[&File], facts: &Facts) -> anyhow::Result<String> {
    let mut parts = Vec::new();
    for file in files {
        let text = self::file(file, facts)?;
        parts.push(format!("{} ==== {} ====\n\n{text}", file.comment, file.name));
    }
    Ok(parts.join("\n"))
}

/// One file.
pub(super) fn file(file: &File, facts: &Facts) -> anyhow::Result<String> {
    let template = match file.text {
        Text::Template(template) => template,
        Text::Whole(text) => return Ok(text.to_owned()),
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("variable", |name: &str| name.to_ascii_lowercase().replace('-', "_"));
    environment.add_filter("pattern", |name: &str| name.replace('-', "."));
    let text = environment.render_str(template, value(serde_json::to_value(facts)?));
    let text = text.with_context(|| format!("the template of {} is broken", file.name))?;
    Ok(format!("{}\n", text.trim_end()))
}

/// The same for templates.
fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(flag) => Value::from(flag),
        Json::Number(number) => Value::from(number.to_string()),
        Json::String(text) => Value::from(text),
        Json::Array(items) => items.into_iter().map(value).collect(),
        Json::Object(members) => {
            Value::from_pairs(members.into_iter().map(|(name, member)| (name, value(member))))
        }
    }
}
