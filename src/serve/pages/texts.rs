//! What pages say, in every language there is. English is complete; where another language lacks a text, English stands in.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::{self, HeaderValue};

/// The texts that are part of the program, English first.
const BUILT_IN: [(&str, &str); 2] =
    [("en", include_str!("texts/en.json")), ("de", include_str!("texts/de.json"))];

/// Languages that one request may name before the rest is not read.
const MAX_WISHES: usize = 16;

type Table = BTreeMap<String, String>;

/// The texts of every language.
#[derive(Clone, Debug)]
pub(crate) struct Texts(Vec<(String, Table)>);

/// One of the languages that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Language(usize);

impl Texts {
    /// The built-in ones.
    pub(super) fn built_in() -> Self {
        let parse = |(language, text): &(&str, &str)| {
            let table = serde_json::from_str(text);
            ((*language).to_owned(), table.expect("built-in texts parse: a test reads them"))
        };
        Self(BUILT_IN.iter().map(parse).collect())
    }

    /// Adds texts, or replaces some of a language that is there.
    pub(super) fn add(&mut self, language: &str, texts: Table) {
        match self.0.iter_mut().find(|(known, _)| known == language) {
            Some((_, table)) => table.extend(texts),
            None => self.0.push((language.to_owned(), texts)),
        }
    }

    /// The language that a request likes best of those there are
    /// ([RFC 9110 §12.5.4](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.4)); a region counts as its language.
    pub(crate) fn language(&self, headers: &HeaderMap) -> Language {
        let field = headers.get(header::ACCEPT_LANGUAGE).map(HeaderValue::as_bytes);
        let field = field.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        let mut best: Option<(u16, usize)> = None;
        for wish in field.split(',').take(MAX_WISHES) {
            let (range, weight) = weighed(wish);
            let primary = range.split('-').next().unwrap_or_default();
            let known = self.0.iter().position(|(code, _)| code.eq_ignore_ascii_case(primary));
            if let Some(index) = known.filter(|_| weight > best.map_or(0, |(weight, _)| weight)) {
                best = Some((weight, index));
            }
        }
        Language(best.map_or(0, |(_, index)| index))
    }

    /// The language's code, for the page's `lang`.
    pub(super) fn code(&self, language: Language) -> &str {
        self.0.get(language.0).map_or("en", |(code, _)| code)
    }

    /// The text of that key.
    pub(super) fn find(&self, language: Language, key: &str) -> Option<&str> {
        let in_table = |index: usize| self.0.get(index)?.1.get(key).map(String::as_str);
        in_table(language.0).or_else(|| in_table(0))
    }

    /// All texts whose keys have no dot: those that templates name themselves.
    pub(super) fn words(&self, language: Language) -> BTreeMap<&str, &str> {
        let of = |index: usize| self.0.get(index).into_iter().flat_map(|(_, table)| table);
        let all = of(0).chain(of(language.0)).filter(|(key, _)| !key.contains(['.', ' ']));
        all.map(|(key, text)| (key.as_str(), text.as_str())).collect()
    }
}

/// A language range and its weight in thousandths.
fn weighed(wish: &str) -> (&str, u16) {
    let (range, parameter) = wish.split_once(';').unwrap_or((wish, ""));
    let weight = parameter.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.parse::<f32>().ok());
    let weight = weight.filter(|q| (0.0..=1.0).contains(q)).unwrap_or_default();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1000: checked above"
    )]
    (range.trim(), (weight * 1000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Reason;

    fn chosen(wishes: &str) -> String {
        let texts = Texts::built_in();
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_str(wishes).unwrap());
        texts.code(texts.language(&headers)).to_owned()
    }

    #[test]
    fn the_best_liked_language_that_there_is() {
        for (wishes, expected) in [
            ("de", "de"),
            ("de-AT,en;q=0.5", "de"),
            ("fr, de;q=0.4, en;q=0.8", "en"),
            ("fr", "en"),
            ("de;q=0, en", "en"),
            ("de;q=nan", "en"),
            ("*", "en"),
            ("", "en"),
            ("DE", "de"),
        ] {
            assert_eq!(chosen(wishes), expected, "{wishes}");
        }
    }

    #[test]
    fn languages_have_the_same_texts() {
        let texts = Texts::built_in();
        let german = &texts.0[1].1;
        for key in texts.0[0].1.keys() {
            assert!(german.contains_key(key), "de.json has no `{key}`");
        }
        for reason in Reason::ALL.iter().filter(|reason| !reason.public_text().is_empty()) {
            let (text, key) = (reason.public_text(), format!("message.{}", reason.label()));
            let known = german.contains_key(text) || german.contains_key(&key);
            assert!(known, "de.json has no `{text}`");
        }
    }

    #[test]
    fn a_missing_text_is_english() {
        let mut texts = Texts::built_in();
        texts.add("fr", BTreeMap::from([("sign_in".into(), "Se connecter".into())]));
        let french = Language(2);
        assert_eq!(texts.find(french, "sign_in"), Some("Se connecter"));
        assert_eq!(texts.find(french, "sign_out"), Some("Sign out"));
        assert_eq!(texts.words(french)["sign_in"], "Se connecter");
    }
}
