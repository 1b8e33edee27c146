//! What does not fit the schema, made to fit or set aside, so that people are told of the rest of the file at once, too.
//!
//! A mended file is never run: the problems stay. What is found out about it may follow from what was set aside, and is not told
//! then.

use serde_json::Value;

use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::structure;

/// How often a file is looked at again after it was mended: what a misspelt key contains is seen only once that has its right name.
const PASSES: usize = 4;

/// Sections that no other part of the file refers to.
const APART: [&str; 7] = ["admin", "cache", "egress", "limits", "log", "threads", "timeouts"];

/// Sections that are about others, so that what is missing there may seem wrong here.
const ABOUT_OTHERS: [&str; 5] = ["app_links", "compatible_with", "session", "sign_in", "sign_out"];

/// What a route says of itself alone.
const OF_A_ROUTE: [&str; 6] =
    ["identity", "limits", "require", "timeouts", "upgrades", "websocket_origins"];

/// How a place that does not fit is made to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mend {
    /// A key is missing: once nothing else can be done, the whole is set aside.
    Complete,
    /// The default is as good: nothing depends on it.
    Default,
    /// It cannot be said what was meant.
    Drop,
    /// It means nothing.
    Forget,
    /// It was meant to be here.
    Move(KeyPath),
    /// This was meant.
    Put(Value),
}

/// What may depend on something that was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// What is in it, and what it is in.
    Itself,
    /// Other parts of the file, too.
    Others,
}

/// What is not in a mended file as it was written.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    lost: Vec<(KeyPath, Reach)>,
    moved: Vec<KeyPath>,
    replaced: Vec<KeyPath>,
}

/// Reports what of `file` does not fit `schema`, and makes it fit.
pub(crate) fn mend(schema: &Value, file: &mut Value, report: &mut Report) -> Aside {
    let mut aside = Aside::default();
    let mut mends = structure::check(schema, file, report);
    for pass in 0..PASSES {
        if mends.is_empty() {
            break;
        }
        for (path, mend) in mends {
            let mend = if pass > 0 && mend == Mend::Complete { Mend::Drop } else { mend };
            aside.apply(file, path, mend, report);
        }
        let mut again = report.beside();
        mends = structure::check(schema, file, &mut again);
        report.join(again, |path| aside.moved.iter().any(|moved| path.is_within(moved)));
    }
    aside
}

impl Aside {
    /// Whether what is said of `path` may be so only because of what is set aside.
    pub(crate) fn may_concern(&self, path: &KeyPath) -> bool {
        let about_others = is_about_others(path);
        let by_loss = self.lost.iter().any(|(lost, reach)| {
            path.is_within(lost)
                || (lost.is_within(path) && !path.is_root())
                || (*reach == Reach::Others && about_others)
        });
        by_loss || self.replaced.iter().any(|replaced| path.is_within(replaced))
    }

    fn apply(&mut self, file: &mut Value, path: KeyPath, mend: Mend, report: &mut Report) {
        match mend {
            Mend::Complete => {}
            Mend::Default => self.lose(file, &path, Reach::Itself),
            Mend::Drop => {
                let apart = path.keys().next().is_some_and(|section| APART.contains(&section));
                self.lose(file, &path, if apart { Reach::Itself } else { Reach::Others });
            }
            Mend::Forget => drop(take(file, &path)),
            Mend::Move(to) => self.relocate(file, &path, to, report),
            Mend::Put(value) => {
                if let Some(place) = path.find(file) {
                    *place = value;
                }
                self.replaced.push(path);
            }
        }
    }

    /// Takes the nearest key around `path` out; the file as a whole stays what it is.
    fn lose(&mut self, file: &mut Value, path: &KeyPath, reach: Reach) {
        take(file, path);
        let lost = path.nearest_key().map(|(above, name)| above.key(name));
        self.lost.push((lost.unwrap_or_default(), reach));
    }

    fn relocate(&mut self, file: &mut Value, from: &KeyPath, to: KeyPath, report: &mut Report) {
        let Some(value) = take(file, from) else { return };
        let Some((above, name)) = to.nearest_key() else { return };
        if let Some((around, outer)) = above.nearest_key()
            && let Some(Value::Object(around)) = around.find(file)
        {
            around.entry(outer).or_insert_with(|| Value::Object(serde_json::Map::new()));
        }
        if let Some(Value::Object(above)) = above.find(file)
            && !above.contains_key(name)
        {
            above.insert(name.to_owned(), value);
            report.move_lines(from, &to);
            self.moved.push(to);
        }
    }
}

/// Whether what is at `path` can be right or wrong for the sake of another part of the file.
fn is_about_others(path: &KeyPath) -> bool {
    let mut keys = path.keys();
    match (keys.next(), keys.next()) {
        (None, _) | (Some("routes"), None) => true,
        (Some("routes"), Some("match")) => keys.next().is_none(),
        (Some("routes"), Some(key)) => !OF_A_ROUTE.contains(&key),
        (Some(section), _) => ABOUT_OTHERS.contains(&section),
    }
}

/// Takes the nearest key around `path` out of `file`.
fn take(file: &mut Value, path: &KeyPath) -> Option<Value> {
    let (above, name) = path.nearest_key()?;
    above.find(file)?.as_object_mut()?.remove(name)
}
