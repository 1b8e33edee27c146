//! The shape of a YAML document, with lines: what the text says before anybody asks what it means.
//!
//! Built without recursion and bounded in depth and in size after aliases, so that no text can
//! make later walks long.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use crate::config::problem::Problem;

/// How deep a document may be nested.
const MAX_DEPTH: usize = 32;

/// How many values a document may have once every alias is written out.
const MAX_VALUES: usize = 100_000;

/// A value that aliases may share.
pub(super) type Shared = Rc<Node>;

/// One value.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it begins, counted from one.
    pub(super) line: usize,
    pub(super) shape: Shape,
    /// How many values it is, itself and aliases included.
    weight: usize,
}

#[derive(Debug)]
pub(super) enum Shape {
    List(Vec<Shared>),
    Map(Vec<Entry>),
    Text { text: String, style: Style },
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// As it is: it may be read as a number, a truth or nothing.
    Plain,
    /// In quotes or as a block: a text whatever it looks like.
    Quoted,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Shared,
}

impl Entry {
    /// Where a person looks for the value: the text itself, or the key above a list or mapping.
    pub(super) fn line_of_value(&self) -> usize {
        match self.value.shape {
            Shape::Text { .. } if self.value.line > 0 => self.value.line,
            _ => self.line,
        }
    }
}

/// Reads the one document of `text`, and tells which keys are written twice. Of such keys the first is in the document.
///
/// # Errors
///
/// The first problem of another kind.
pub(super) fn read(text: &str) -> Result<(Shared, Vec<Problem>), Problem> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| not_yaml(&error, text))?;
        builder.take(event, span)?;
    }
    match builder.root {
        Some(root) => Ok((root, builder.duplicates)),
        None => Err(Problem::of_file("the file is empty", "begin with the reference, config.yaml")),
    }
}

fn not_yaml(error: &ScanError, text: &str) -> Problem {
    let line = error.marker().line();
    let message = format!("is not YAML: {}", error.info());
    let written = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let remedy = if written.contains("{return_to}") {
        "put the address in quotes: here its braces would be a mapping"
    } else {
        "look for a missing quote, bracket, colon or indentation here or just above"
    };
    Problem::at_line(line, message, remedy)
}

/// A list or mapping that has not ended yet.
struct Open {
    line: usize,
    anchor: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Shared>),
    Map { entries: Vec<Entry>, key: Option<(String, usize)>, first: HashMap<String, usize> },
}

#[derive(Default)]
struct Builder {
    root: Option<Shared>,
    open: Vec<Open>,
    anchors: HashMap<usize, Shared>,
    duplicates: Vec<Problem>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let line = span.start.line();
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => self.begin_document(line),
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => Err(Problem::at_line(
                line,
                "has a YAML tag",
                "remove the word that begins with `!`",
            )),
            Event::Scalar(text, style, anchor, None) => {
                let style = if style == ScalarStyle::Plain { Style::Plain } else { Style::Quoted };
                let shape = Shape::Text { text: text.into_owned(), style };
                self.add(Node { line, shape, weight: 1 }, anchor)
            }
            Event::Alias(anchor) => self.repeat(anchor, line),
            Event::SequenceStart(anchor, None) => self.begin(line, anchor, Kind::List(Vec::new())),
            Event::MappingStart(anchor, None) => self.begin(
                line,
                anchor,
                Kind::Map { entries: Vec::new(), key: None, first: HashMap::new() },
            ),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
        }
    }

    fn begin_document(&self, line: usize) -> Result<(), Problem> {
        if self.root.is_none() {
            return Ok(());
        }
        Err(Problem::at_line(
            line,
            "begins a second document",
            "keep one document: remove the `---`",
        ))
    }

    fn begin(&mut self, line: usize, anchor: usize, kind: Kind) -> Result<(), Problem> {
        if self.open.len() == MAX_DEPTH {
            let message = format!("is nested deeper than {MAX_DEPTH} levels");
            return Err(Problem::at_line(
                line,
                message,
                "nothing here is that deep: look for a stray `[` or `{`",
            ));
        }
        if matches!(self.open.last(), Some(Open { kind: Kind::Map { key: None, .. }, .. })) {
            return Err(no_text_key(line));
        }
        self.open.push(Open { line, anchor, kind });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(Open { line, anchor, kind }) = self.open.pop() else { return Ok(()) };
        let (shape, weight) = match kind {
            Kind::List(items) => {
                let weight =
                    items.iter().fold(1, |sum: usize, item| sum.saturating_add(item.weight));
                (Shape::List(items), weight)
            }
            Kind::Map { entries, .. } => {
                let weight = entries
                    .iter()
                    .fold(1, |sum: usize, entry| sum.saturating_add(entry.value.weight));
                (Shape::Map(entries), weight)
            }
        };
        self.add(Node { line, shape, weight }, anchor)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let line = node.line;
        self.place(node, line)
    }

    fn repeat(&mut self, anchor: usize, line: usize) -> Result<(), Problem> {
        // The parser knows an alias only after its anchor; an anchor that is still open contains its alias.
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Problem::at_line(
                line,
                "is an alias inside its own anchor",
                "write the value out",
            ));
        };
        self.place(Rc::clone(node), line)
    }

    fn place(&mut self, node: Shared, line: usize) -> Result<(), Problem> {
        if node.weight > MAX_VALUES {
            let message =
                format!("has more than {MAX_VALUES} values once its aliases are written out");
            return Err(Problem::at_line(line, message, "use fewer aliases"));
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(Kind::List(items)) => items.push(node),
            Some(Kind::Map { entries, key, first }) => match key.take() {
                None => *key = Some((key_text(&node, line)?, line)),
                Some((key, line)) => {
                    if let Some(known) = first.get(&key) {
                        self.duplicates.push(duplicate(&key, line, *known));
                        return Ok(());
                    }
                    first.insert(key.clone(), line);
                    entries.push(Entry { key, line, value: node });
                }
            },
        }
        Ok(())
    }
}

fn key_text(node: &Node, line: usize) -> Result<String, Problem> {
    match &node.shape {
        Shape::Text { text, style: Style::Plain } if text == "<<" => Err(Problem::at_line(
            line,
            "is a merge key, which readers treat differently",
            "write the keys out",
        )),
        Shape::Text { text, .. } => Ok(text.clone()),
        Shape::List(_) | Shape::Map(_) => Err(no_text_key(line)),
    }
}

fn no_text_key(line: usize) -> Problem {
    Problem::at_line(
        line,
        "has a key that is not text",
        "put texts with braces or brackets in quotes",
    )
}

fn duplicate(key: &str, line: usize, first: usize) -> Problem {
    Problem::at_line(
        line,
        format!("`{key}` is written twice, first on line {first}"),
        "keep one of the two",
    )
}
