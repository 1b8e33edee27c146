//! The bodies of our own answers: a page for people, JSON for programs. Everything shown is escaped by the template engine.
//!
//! Templates and texts are part of the program; a directory of the operator's may replace any of them.

mod texts;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use http::StatusCode;
use minijinja::{Environment, Value, context};
use serde_json::Map;

use crate::gate::Reason;

pub(crate) use texts::{Language, Texts};

/// Every template; the suffix turns escaping on.
const TEMPLATES: [(&str, &str); 6] = [
    ("chooser.html", include_str!("templates/chooser.html")),
    ("layout.html", include_str!("templates/layout.html")),
    ("leaving.html", include_str!("templates/leaving.html")),
    ("message.html", include_str!("templates/message.html")),
    ("sessions.html", include_str!("templates/sessions.html")),
    ("sign_out.html", include_str!("templates/sign_out.html")),
];

/// The longest template or table of texts that is read from a directory, in bytes.
const MAX_FILE_BYTES: u64 = 256 << 10;

/// Templates and texts.
#[derive(Debug)]
pub struct Pages {
    templates: Environment<'static>,
    texts: Texts,
}

/// Why templates of the operator's cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// A table of texts is no JSON object of strings.
    #[error("{} is not a JSON object of texts", path.display())]
    BadTexts {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A template does not parse.
    #[error("{} is not a template that can be rendered", path.display())]
    BadTemplate {
        /// The file.
        path: PathBuf,
        /// What the engine says.
        source: minijinja::Error,
    },
    /// A file is longer than anyone would write.
    #[error("{} is longer than {MAX_FILE_BYTES} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A file or the directory cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// What an answer says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Explanation<'a> {
    /// A stable word, for programs and for finding texts.
    pub(crate) code: &'a str,
    /// A sentence in English, in lower case and without a period.
    pub(crate) message: &'a str,
    /// What the page's texts are found by, if not by the code.
    pub(crate) key: Option<&'a str>,
    /// The key of the page's title, if not that of the status.
    pub(crate) title: Option<&'a str>,
    /// What an operator may want to know: a figure, a name.
    pub(crate) detail: Option<&'a str>,
    /// Who the person is signed in as.
    pub(crate) user: Option<&'a str>,
    /// The person's mail address.
    pub(crate) email: Option<&'a str>,
    /// Where a person can sign in, or go on.
    pub(crate) link: Option<&'a str>,
    /// The key of the link's words, if not the usual ones.
    pub(crate) link_text: Option<&'a str>,
    /// Whether the link opens beside the page: what was typed into a form is one step back from here.
    pub(crate) new_tab: bool,
}

impl Explanation<'_> {
    /// What a reason says by itself.
    pub(crate) fn of(reason: Reason) -> Self {
        Self { code: reason.label(), message: reason.public_text(), ..Self::default() }
    }
}

/// One way to sign in.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// What people know it by.
    pub(crate) title: String,
    /// Where it begins.
    pub(crate) link: String,
    /// Whether it was used last time.
    pub(crate) preferred: bool,
}

/// Who is asked to confirm a sign-out, and where each answer leads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignOutForm<'a> {
    pub(crate) action: &'a str,
    pub(crate) cancel: &'a str,
    pub(crate) return_to: Option<&'a str>,
}

/// One of a person's own sessions.
#[derive(Clone, Debug)]
pub(crate) struct OwnSession {
    /// What forms call it.
    pub(crate) alias: String,
    /// Whether it is the one that the page is shown to.
    pub(crate) current: bool,
    /// The browser and its system.
    pub(crate) device: Option<String>,
    /// Where it began.
    pub(crate) host: Option<String>,
    /// When it began.
    pub(crate) started: Option<String>,
    /// When it was used last.
    pub(crate) used: String,
}

/// A page that takes the browser on, and lets a script do it without losing the fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving<'a> {
    pub(crate) link: &'a str,
    pub(crate) key: &'a str,
    pub(crate) script: &'a str,
}

impl Pages {
    /// The built-in ones.
    pub fn built_in() -> Self {
        let mut templates = Environment::new();
        for (name, source) in TEMPLATES {
            let added = templates.add_template(name, source);
            added.expect("the built-in templates parse: each is rendered in a test");
        }
        Self { templates, texts: Texts::built_in() }
    }

    /// The built-in ones, with what `directory` has instead: templates by their names, and texts as `texts.LANGUAGE.json`.
    ///
    /// # Errors
    ///
    /// [`PagesError`] for a file that cannot be read or used.
    pub fn load(directory: &Path) -> Result<Self, PagesError> {
        let mut pages = Self::built_in();
        let unreadable = |path: &Path, source| PagesError::Unreadable { path: path.into(), source };
        let entries = fs::read_dir(directory).map_err(|error| unreadable(directory, error))?;
        for entry in entries {
            let path = entry.map_err(|error| unreadable(directory, error))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if TEMPLATES.iter().any(|(known, _)| *known == name) {
                pages.replace(name.to_owned(), &path)?;
            } else if let Some(language) = texts_of(name) {
                let texts = serde_json::from_str(&read(&path)?);
                let texts =
                    texts.map_err(|source| PagesError::BadTexts { path: path.clone(), source })?;
                pages.texts.add(language, texts);
            }
        }
        Ok(pages)
    }

    fn replace(&mut self, name: String, path: &Path) -> Result<(), PagesError> {
        let text = read(path)?;
        let added = self.templates.add_template_owned(name, text);
        added.map_err(|source| PagesError::BadTemplate { path: path.into(), source })
    }

    /// The texts.
    pub(crate) const fn texts(&self) -> &Texts {
        &self.texts
    }

    /// Whether there is a text of that key.
    #[cfg(test)]
    pub(crate) fn has_text(&self, key: &str) -> bool {
        self.texts.find(Language::default(), key).is_some()
    }

    /// A page that explains why there is no other.
    pub(crate) fn message(
        &self,
        status: StatusCode,
        explanation: &Explanation<'_>,
        language: Language,
        request_id: &str,
    ) -> String {
        let Explanation {
            code,
            message,
            key,
            title,
            detail,
            user,
            email,
            link,
            link_text,
            new_tab,
        } = *explanation;
        let find = |key: &str| self.texts.find(language, key);
        let key = key.unwrap_or(code);
        let title = title.and_then(find).unwrap_or_else(|| self.title(status, language));
        let message = find(&format!("message.{key}"))
            .or_else(|| find(message))
            .map_or_else(|| sentence(message), str::to_owned);
        let advice = find(&format!("advice.{key}"));
        let usual = if user.is_some() { "sign_in_as_other" } else { "sign_in" };
        let link_text = find(link_text.unwrap_or(usual));
        let status = Some(status.as_u16()).filter(|status| *status >= 400);
        let page = context! { status, title, message, advice, detail, user, email, link, link_text, new_tab, ..self.frame(language, request_id) };
        self.render("message.html", page, title)
    }

    /// The page on which people choose how to sign in; its `script`, if any, keeps fragments.
    pub(crate) fn chooser(
        &self,
        choices: &[Choice],
        script: Option<&str>,
        language: Language,
        request_id: &str,
    ) -> String {
        let title = self.texts.find(language, "title.choose").unwrap_or_default();
        let value = |choice: &Choice| {
            let Choice { title, link, preferred } = choice;
            context! { title, link, preferred }
        };
        let choices: Vec<Value> = choices.iter().map(value).collect();
        let page = context! { title, choices, script, ..self.frame(language, request_id) };
        self.render("chooser.html", page, title)
    }

    /// The page that asks before somebody is signed out.
    pub(crate) fn sign_out(
        &self,
        form: SignOutForm<'_>,
        language: Language,
        request_id: &str,
    ) -> String {
        let SignOutForm { action, cancel, return_to } = form;
        let title = self.texts.find(language, "title.confirm_sign_out").unwrap_or_default();
        let message = self.texts.find(language, "message.confirm_sign_out");
        let page = context! { title, message, action, cancel, return_to, ..self.frame(language, request_id) };
        self.render("sign_out.html", page, title)
    }

    /// The page on which people see their own sessions, whose forms lead to `action`.
    pub(crate) fn own_sessions(
        &self,
        sessions: &[OwnSession],
        action: &str,
        language: Language,
        request_id: &str,
    ) -> String {
        let title = self.texts.find(language, "title.sessions").unwrap_or_default();
        let value = |session: &OwnSession| {
            let OwnSession { alias, current, device, host, started, used } = session;
            context! { alias, current, device, host, started, used }
        };
        let others = sessions.iter().any(|session| !session.current);
        let sessions: Vec<Value> = sessions.iter().map(value).collect();
        let page = context! { title, sessions, others, action, ..self.frame(language, request_id) };
        self.render("sessions.html", page, title)
    }

    /// The page that takes the browser on.
    pub(crate) fn leaving(
        &self,
        leaving: Leaving<'_>,
        language: Language,
        request_id: &str,
    ) -> String {
        let Leaving { link, key, script } = leaving;
        let title = self.texts.find(language, "title.leaving").unwrap_or_default();
        let message = self.texts.find(language, "message.leaving");
        let page =
            context! { title, message, link, key, script, ..self.frame(language, request_id) };
        self.render("leaving.html", page, title)
    }

    fn frame(&self, language: Language, request_id: &str) -> Value {
        let text = Value::from_pairs(self.texts.words(language));
        context! { language => self.texts.code(language), text, request_id }
    }

    /// Falls back to the bare title should a template fail: the operator's may name what is not there.
    fn render(&self, template: &str, values: Value, title: &str) -> String {
        let page = self.templates.get_template(template);
        page.and_then(|template| template.render(values)).unwrap_or_else(|_| title.to_owned())
    }

    fn title(&self, status: StatusCode, language: Language) -> &str {
        let find = |key: &str| self.texts.find(language, key);
        let other = if status.is_server_error() { "title.500" } else { "title.other" };
        find(&format!("title.{}", status.as_u16())).or_else(|| find(other)).unwrap_or_default()
    }
}

fn read(path: &Path) -> Result<String, PagesError> {
    let unreadable = |source| PagesError::Unreadable { path: path.into(), source };
    if fs::metadata(path).map_err(unreadable)?.len() > MAX_FILE_BYTES {
        return Err(PagesError::TooLong { path: path.into() });
    }
    fs::read_to_string(path).map_err(unreadable)
}

/// The language of a table of texts, by its file's name.
fn texts_of(name: &str) -> Option<&str> {
    let language = name.strip_prefix("texts.")?.strip_suffix(".json")?;
    let short = (2..=8).contains(&language.len());
    (short && language.bytes().all(|b| b.is_ascii_lowercase())).then_some(language)
}

/// The body for a program.
pub(crate) fn json(explanation: &Explanation<'_>, request_id: &str) -> String {
    let texts = BTreeMap::from([
        ("error", Some(explanation.code)),
        ("message", Some(explanation.message)),
        ("login_url", explanation.link),
        ("request_id", Some(request_id)),
    ]);
    let members =
        texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into())));
    serde_json::Value::Object(Map::from_iter(members)).to_string()
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests;
