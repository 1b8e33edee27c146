//! YAML text to a plain value, and the line of everything in it.
//!
//! Two parsers read the text: one tells where things stand, the other what they are. Where the two
//! disagree the file is refused, for a reader might disagree too. Of YAML only what a
//! configuration needs is accepted: one document, text as keys, no tags, no merge keys, aliases
//! within bounds. What the keys mean is decided elsewhere.

mod tree;

use serde_json::{Map, Value};
use serde_yaml::Value as Yaml;

use crate::config::path::KeyPath;
use crate::config::problem::{Lines, Problem};
use crate::config::yaml::tree::{Node, Shape, Style};

/// The largest file that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// A file as it was written: its value, and where each part of it stands.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) value: Value,
    pub(crate) lines: Lines,
    /// The keys that are written twice, of which the first counts here: such a file is to be refused, and the rest of it can still
    /// be looked at.
    pub(crate) problems: Vec<Problem>,
}

/// Reads `text`.
///
/// # Errors
///
/// What leaves nothing to look at any further.
pub(crate) fn parse(text: &str) -> Result<Document, Vec<Problem>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    check_text(text).map_err(|problem| vec![problem])?;
    let (root, problems) = tree::read(text).map_err(|problem| vec![problem])?;
    let yaml = if problems.is_empty() {
        serde_yaml::from_str(text).map_err(|error| vec![disputed(&error)])?
    } else {
        alone(&root)
    };
    let mut reader = Reader::default();
    let value = reader.value(&root, &yaml, &KeyPath::root());
    if reader.problems.is_empty() {
        return Ok(Document { value, lines: reader.lines, problems });
    }
    Err([problems, reader.problems].concat())
}

/// What one parser alone makes of a text that the other refuses as a whole. Only for looking on: nothing runs with it.
fn alone(node: &Node) -> Yaml {
    match &node.shape {
        Shape::List(items) => Yaml::Sequence(items.iter().map(|item| alone(item)).collect()),
        Shape::Map(entries) => Yaml::Mapping(
            entries
                .iter()
                .map(|entry| (Yaml::String(entry.key.clone()), alone(&entry.value)))
                .collect(),
        ),
        Shape::Text { text, style: Style::Quoted } => Yaml::String(text.clone()),
        Shape::Text { text, style: Style::Plain } => match serde_yaml::from_str(text) {
            Ok(scalar @ (Yaml::Null | Yaml::Bool(_) | Yaml::Number(_))) => scalar,
            _ => Yaml::String(text.clone()),
        },
    }
}

/// Refuses what no parser needs to see: too much of it, and characters that no editor shows.
fn check_text(text: &str) -> Result<(), Problem> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has more than the {MAX_BYTES} bytes that are read");
        return Err(Problem::of_file(message, "split what is generated from what is configured"));
    }
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        check_line(line, index + 1)?;
    }
    Ok(())
}

fn check_line(line: &str, number: usize) -> Result<(), Problem> {
    if let Some(odd) = line.chars().find(|c| is_odd(*c)) {
        let message = format!("has the character U+{:04X}, which no editor shows", u32::from(odd));
        return Err(Problem::at_line(
            number,
            message,
            "delete it, or write it as an escape in double quotes",
        ));
    }
    let indentation = line.len() - line.trim_start_matches([' ', '\t']).len();
    if line[..indentation].contains('\t') && !line.trim().is_empty() {
        return Err(Problem::at_line(number, "is indented with a tab", "indent with spaces"));
    }
    Ok(())
}

/// Control characters, and line ends that only some readers take for one.
fn is_odd(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn disputed(error: &serde_yaml::Error) -> Problem {
    let remedy = "write it more plainly: quote texts that have `:`, `#`, `*` or `&` in them";
    match error.location() {
        Some(place) => {
            Problem::at_line(place.line(), format!("is not plain YAML: {error}"), remedy)
        }
        None => Problem::of_file(format!("is not plain YAML: {error}"), remedy),
    }
}

/// Walks both readings of a document side by side.
#[derive(Default)]
struct Reader {
    lines: Lines,
    problems: Vec<Problem>,
}

impl Reader {
    fn value(&mut self, node: &Node, yaml: &Yaml, path: &KeyPath) -> Value {
        match (&node.shape, yaml) {
            (Shape::List(items), Yaml::Sequence(values)) if items.len() == values.len() => {
                self.list(items.iter().zip(values), path)
            }
            (Shape::Map(entries), Yaml::Mapping(values)) if entries.len() == values.len() => {
                let pairs = entries.iter().zip(values);
                self.map(pairs.map(|(entry, (key, value))| (entry, key, value)), path)
            }
            (Shape::Text { text, style }, _) => self.scalar(node, text, *style, yaml),
            _ => self.dispute(node),
        }
    }

    fn list<'a>(
        &mut self,
        items: impl Iterator<Item = (&'a tree::Shared, &'a Yaml)>,
        path: &KeyPath,
    ) -> Value {
        let read = |(index, (node, yaml)): (usize, (&tree::Shared, &Yaml))| {
            let path = path.index(index);
            self.lines.record(path.clone(), node.line);
            self.value(node, yaml, &path)
        };
        Value::Array(items.enumerate().map(read).collect())
    }

    fn map<'a>(
        &mut self,
        entries: impl Iterator<Item = (&'a tree::Entry, &'a Yaml, &'a Yaml)>,
        path: &KeyPath,
    ) -> Value {
        let mut map = Map::new();
        for (entry, key, yaml) in entries {
            if key.as_str() != Some(&entry.key) {
                self.odd_key(entry, key);
                continue;
            }
            let path = path.key(&entry.key);
            self.lines.record(path.clone(), entry.line_of_value());
            let value = self.value(&entry.value, yaml, &path);
            map.insert(entry.key.clone(), value);
        }
        Value::Object(map)
    }

    fn odd_key(&mut self, entry: &tree::Entry, key: &Yaml) {
        let problem = match key {
            Yaml::String(_) => disagreement(entry.line),
            _ => Problem::at_line(
                entry.line,
                format!("the key `{}` is not text", entry.key),
                format!("put it in quotes: \"{}\"", entry.key),
            ),
        };
        self.problems.push(problem);
    }

    fn scalar(&mut self, node: &Node, text: &str, style: Style, yaml: &Yaml) -> Value {
        match yaml {
            Yaml::String(value) if value == text => Value::String(value.clone()),
            Yaml::Null if style == Style::Plain => Value::Null,
            Yaml::Bool(value) if style == Style::Plain => Value::Bool(*value),
            Yaml::Number(number) if style == Style::Plain => self.number(node, text, number),
            _ => self.dispute(node),
        }
    }

    fn number(&mut self, node: &Node, text: &str, number: &serde_yaml::Number) -> Value {
        // `010` is eight to some and ten to others, `1_000` a text to some; `0x10` surprises everyone.
        let plain_decimal =
            number.to_string() == text || text.parse::<f64>().ok() == number.as_f64();
        let value = serde_json::to_value(number).unwrap_or(Value::Null);
        if !value.is_number() || !plain_decimal || text.starts_with('+') {
            let message = format!("`{text}` can be read in several ways");
            self.problems.push(Problem::at_line(
                node.line,
                message,
                "write a plain decimal number, or put it in quotes",
            ));
        }
        value
    }

    fn dispute(&mut self, node: &Node) -> Value {
        self.problems.push(disagreement(node.line));
        Value::Null
    }
}

fn disagreement(line: usize) -> Problem {
    Problem::at_line(
        line,
        "can be read in several ways",
        "write it more plainly: quote texts, and write lists and mappings on lines of their own",
    )
}

#[cfg(test)]
mod tests;
