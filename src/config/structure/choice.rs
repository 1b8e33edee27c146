//! The alternatives of a schema, and what to say where none of them was written.

use serde_json::Value;

use super::{Schema, Walker, noun};

/// The alternatives of a schema: words that may be written, and shapes of other values.
#[derive(Default)]
pub(super) struct Choice<'s> {
    pub(super) words: Vec<&'s str>,
    pub(super) shapes: Vec<&'s Schema>,
    remarks: Vec<&'s Value>,
}

impl<'s> Choice<'s> {
    pub(super) fn of(walker: &Walker<'s, '_>, schema: &'s Schema) -> Self {
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

    pub(super) fn expectations(&self) -> Vec<String> {
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

    pub(super) fn remark(&self, word: &str) -> Option<&'s str> {
        self.remarks.iter().find_map(|remarks| remarks.get(word)?.as_str())
    }
}

pub(super) fn remark<'s>(schema: &'s Schema, word: &str) -> Option<&'s str> {
    schema.get("x-remarks")?.get(word)?.as_str()
}
