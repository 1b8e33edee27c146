//! Remedies: the word that was meant, the line that is missing, the value in its right form.

use serde_json::{Map, Value};

use crate::config::mend::Mend;

/// The longest word that is compared: nobody mistypes more.
const MAX_WORD: usize = 40;

/// The one of `known` that `word` was probably meant to be.
pub(crate) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    closest(word, known.into_iter().map(|candidate| (candidate, ())))
        .map(|(candidate, ())| candidate)
}

/// The same, where each known word brings something along.
pub(super) fn closest<'w, T>(
    word: &str,
    known: impl Iterator<Item = (&'w str, T)>,
) -> Option<(&'w str, T)> {
    let tolerance = (word.chars().count() / 3).clamp(1, 3);
    let folded = fold(word);
    let scored =
        known.map(|(candidate, with)| (distance(&folded, &fold(candidate)), candidate, with));
    let close = scored.filter(|(distance, candidate, _)| {
        *distance <= tolerance && *distance < candidate.chars().count()
    });
    close.min_by_key(|(distance, ..)| *distance).map(|(_, candidate, with)| (candidate, with))
}

fn fold(word: &str) -> Vec<char> {
    let fold = |c: char| if c == '-' { '_' } else { c.to_ascii_lowercase() };
    word.chars().take(MAX_WORD).map(fold).collect()
}

/// How many letters have to be added, removed, replaced or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let replaced = above[j] + usize::from(from != to);
            let mut best = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

/// `write …` with the schema's example, or `otherwise` where it has none.
pub(super) fn example(schema: &Map<String, Value>, otherwise: &str) -> String {
    match first_example(schema) {
        Some(example) => format!("{otherwise}; for example {example}"),
        None => otherwise.to_owned(),
    }
}

/// The line that adds `key`, if its schema has an example.
pub(super) fn line(key: &str, schema: &Map<String, Value>) -> Option<String> {
    first_example(schema).map(|example| format!("add `{key}: {example}`"))
}

fn first_example(schema: &Map<String, Value>) -> Option<String> {
    schema.get("examples")?.as_array()?.first().map(flow)
}

/// How to write `value` so that it is what was expected, and `value` so written.
pub(super) fn conversion(
    schema: &Map<String, Value>,
    expected: &str,
    value: &Value,
) -> (String, Mend) {
    let secret = schema.get("writeOnly").is_some();
    match value {
        Value::Number(port) if let Some(address) = with_port(schema, port) => {
            (format!("write {address}"), Mend::Put(address.into()))
        }
        Value::Number(_) | Value::Bool(_)
            if expected.contains("text") || is_among(value, expected) =>
        {
            let written = if secret { String::new() } else { format!(": \"{value}\"") };
            (format!("put it in quotes{written}"), Mend::Put(value.to_string().into()))
        }
        Value::String(text) if expected == "a whole number" || expected == "a number" => {
            match text.parse::<u64>() {
                Ok(number) => (format!("write {number} without quotes"), Mend::Put(number.into())),
                Err(_) => (String::from("write a number without a unit"), Mend::Drop),
            }
        }
        Value::String(text) if expected == "true or false" => truth(text),
        Value::String(_) if expected == "a list" && lists_text(schema) => {
            (format!("write [{}]", flow(value)), Mend::Put(Value::Array(vec![value.clone()])))
        }
        Value::Object(_) if expected == "a list" => {
            let remedy = "put `- ` before its first key";
            (remedy.to_owned(), Mend::Put(Value::Array(vec![value.clone()])))
        }
        _ => (example(schema, &format!("write {expected}")), Mend::Drop),
    }
}

/// Whether items of the list that `schema` describes are plain texts. What else is written in their place may be a secret.
fn lists_text(schema: &Map<String, Value>) -> bool {
    schema.get("items").and_then(|items| items.get("type")).is_some_and(|kind| kind == "string")
}

/// The example of an address with `port`, where somebody wrote that alone.
fn with_port(schema: &Map<String, Value>, port: &serde_json::Number) -> Option<String> {
    let port = u16::try_from(port.as_u64()?).ok()?;
    let example = schema.get("examples")?.get(0)?.as_str()?;
    let (host, known) = example.rsplit_once(':')?;
    known.parse::<u16>().is_ok().then(|| format!("{host}:{port}"))
}

/// Whether the expected words have one that is spelt like `value`: it only lacks its quotes.
fn is_among(value: &Value, expected: &str) -> bool {
    let words = expected.strip_prefix("one of: ").unwrap_or_default();
    let value = value.to_string();
    words.split(", ").any(|word| word == value)
}

fn truth(text: &str) -> (String, Mend) {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "true" => (String::from("write true"), Mend::Put(true.into())),
        "no" | "off" | "false" => (String::from("write false"), Mend::Put(false.into())),
        _ => (String::from("write true or false"), Mend::Drop),
    }
}

/// A value as one line of YAML.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if needs_quotes(text) => format!("{text:?}"),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{key}: {}", flow(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn needs_quotes(text: &str) -> bool {
    text.starts_with(['*', '&', '!', '[', '{', '~', '%', '@', '`', '"', '\''])
        || text.contains([',', '#', '{'])
        || text.contains(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let known = ["listen", "listeners", "upstream", "upstreams", "provider"];
        assert_eq!(nearest("listner", known), Some("listen"));
        assert_eq!(nearest("listenrs", known), Some("listeners"));
        assert_eq!(nearest("UpStream", known), Some("upstream"));
        assert_eq!(nearest("porvider", known), Some("provider"));
        assert_eq!(nearest("groups-any", ["groups_any"]), Some("groups_any"));
    }

    #[test]
    fn a_word_of_its_own_is_not() {
        assert_eq!(nearest("volumes", ["listen", "upstream", "routes"]), None);
        assert_eq!(nearest("x", ["a"]), None);
        assert_eq!(nearest("", ["a"]), None);
    }

    #[test]
    fn the_distance_counts_edits() {
        let count = |a: &str, b: &str| distance(&fold(a), &fold(b));
        assert_eq!(count("", "abc"), 3);
        assert_eq!(count("kitten", "sitting"), 3);
        assert_eq!(count("ab", "ba"), 1);
    }
}
