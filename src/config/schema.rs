//! The JSON Schema of the configuration file: what editors read, and what the structure check walks.

use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::Value;

use crate::config::file::File;

/// The schema of the configuration file as JSON text, in JSON Schema draft 2020-12.
///
/// Editors with a YAML language server complete and check against it.
pub fn schema() -> String {
    // A JSON value of text and numbers alone always has a text.
    serde_json::to_string_pretty(&*SCHEMA).unwrap_or_default()
}

/// The same as a value.
pub(crate) static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().with_transform(Tidy);
    settings.into_generator().into_root_schema_for::<File>().to_value()
});

/// Makes the schema say what the reader accepts: no `null`, no empty text, no Rust number formats.
#[derive(Clone, Debug)]
struct Tidy;

impl Transform for Tidy {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        drop_null(schema);
        drop_noise(schema);
        join_lines(schema);
        if schema.get("type").is_some_and(|kind| kind == "string") && is_free_text(schema) {
            schema.insert("minLength".to_owned(), 1.into());
        }
    }
}

fn is_free_text(schema: &Schema) -> bool {
    ["enum", "const", "pattern", "minLength"].iter().all(|key| schema.get(*key).is_none())
}

/// `null` is how an optional key looks to the generator. Written, it would be a forgotten value.
fn drop_null(schema: &mut Schema) {
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(options)) = schema.get_mut("anyOf") else { return };
    options.retain(|option| option.get("type").is_none_or(|kind| kind != "null"));
    if let [Value::Object(only)] = options.as_slice() {
        let only = only.clone();
        schema.remove("anyOf");
        for (key, value) in only {
            if schema.get(&key).is_none() {
                schema.insert(key, value);
            }
        }
    }
}

/// Comments end their lines where the source does; readers of a description have lines of their own.
fn join_lines(schema: &mut Schema) {
    let Some(Value::String(text)) = schema.get_mut("description") else { return };
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
    *text = paragraphs.collect::<Vec<_>>().join("\n\n");
}

fn drop_noise(schema: &mut Schema) {
    schema.remove("format");
    let says_nothing = |value: &Value| value.is_null() || value.is_object();
    if schema.get("default").is_some_and(says_nothing) {
        schema.remove("default");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each_object(value: &Value, visit: &mut dyn FnMut(&serde_json::Map<String, Value>)) {
        match value {
            Value::Object(map) => {
                visit(map);
                map.values().for_each(|value| each_object(value, visit));
            }
            Value::Array(items) => items.iter().for_each(|item| each_object(item, visit)),
            _ => {}
        }
    }

    #[test]
    fn the_schema_names_its_draft_and_title() {
        assert_eq!(SCHEMA["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(SCHEMA["title"], "Sidegate configuration");
        assert_eq!(SCHEMA["additionalProperties"], false);
    }

    #[test]
    fn every_key_is_described() {
        each_object(&SCHEMA, &mut |map| {
            let Some(Value::Object(keys)) = map.get("properties") else { return };
            for (key, schema) in keys {
                assert!(schema.get("description").is_some(), "{key} has no description");
            }
        });
    }

    #[test]
    fn every_key_has_a_default_an_example_or_choices() {
        each_object(&SCHEMA, &mut |map| {
            let Some(Value::Object(keys)) = map.get("properties") else { return };
            for (key, schema) in keys {
                let plain = schema
                    .get("type")
                    .is_some_and(|kind| kind == "string" || kind == "integer" || kind == "number");
                let says = ["default", "examples", "enum", "oneOf", "pattern"]
                    .iter()
                    .any(|word| schema.get(word).is_some());
                assert!(!plain || says, "{key} has neither default nor example");
            }
        });
    }

    #[test]
    fn a_description_has_no_line_ends_of_the_source() {
        let address = &SCHEMA["$defs"]["Listener"]["properties"]["address"]["description"];
        let text = address.as_str().unwrap();
        assert!(text.ends_with("Port 0 takes any free port and logs it."), "{text}");
    }

    #[test]
    fn an_empty_value_is_not_allowed_anywhere() {
        let text = schema();
        assert!(!text.contains("\"null\"") && !text.contains(": null"), "{text}");
    }

    #[test]
    fn defaults_are_written_as_people_write_them() {
        let limits = &SCHEMA["$defs"]["Limits"]["properties"];
        assert_eq!(limits["header_bytes"]["default"], "64KiB");
        let timeouts = &SCHEMA["$defs"]["Timeouts"]["properties"];
        assert_eq!(timeouts["idle"]["default"], "1m15s");
    }
}
