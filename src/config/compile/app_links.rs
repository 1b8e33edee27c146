//! `app_links`: what phones and browsers are answered about addresses that open apps.

use bytes::Bytes;
use serde_json::Value;

use crate::config::file::{AppLinks as Written, Association};
use crate::config::inputs::{Inputs, reason};
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::serve::settings::AppLinks;

/// What the section says; nothing of what the report has a problem with.
pub(super) fn compile(
    written: Option<&Written>,
    prefix: &str,
    inputs: &mut Inputs,
    report: &mut Report,
) -> AppLinks {
    let Some(written) = written else { return AppLinks::default() };
    let path = KeyPath::root().key("app_links");
    let mut association = |key: &str, written: &Option<Association>, expected: Expected| {
        let text = read(written.as_ref()?, &path.key(key), inputs, report)?;
        well_formed(&text, expected, &path.key(key), report).map(|()| Bytes::from(text))
    };
    let apple = association("apple", &written.apple, Expected::Object);
    let android = association("android", &written.android, Expected::List);
    let paths = &path.key("paths");
    for (index, link) in written.paths.iter().enumerate() {
        check(link, prefix, &paths.index(index), report);
    }
    AppLinks { apple, android, paths: written.paths.clone() }
}

#[derive(Clone, Copy)]
enum Expected {
    List,
    Object,
}

fn read(
    written: &Association,
    path: &KeyPath,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<String> {
    let Some(file) = &written.file else { return written.text.clone() };
    let shown = inputs.resolve(file);
    let path = path.key("file");
    let read = inputs.read(file).map_err(|error| {
        let message = format!("cannot read {}: {}", shown.display(), reason(&error));
        report.refuse(
            &path,
            message,
            "put the JSON there, readable for the user that sidegate runs as",
        );
    });
    String::from_utf8(read.ok()?.bytes.expose().clone()).ok().or_else(|| {
        report.refuse(&path, format!("{} is not text", shown.display()), "put JSON there");
        None
    })
}

/// A phone that cannot read it opens no app, and says so to nobody.
fn well_formed(text: &str, expected: Expected, path: &KeyPath, report: &mut Report) -> Option<()> {
    let (is_fine, what) = match (serde_json::from_str(text), expected) {
        (Err(_), _) => (false, "is no JSON"),
        (Ok(Value::Object(_)), Expected::Object) | (Ok(Value::Array(_)), Expected::List) => {
            (true, "")
        }
        (Ok(_), Expected::Object) => (false, "is no JSON object"),
        (Ok(_), Expected::List) => (false, "is no JSON list"),
    };
    if is_fine {
        return Some(());
    }
    let remedy = match expected {
        Expected::Object => "write what Apple describes, such as {\"applinks\": {\"details\": []}}",
        Expected::List => {
            "write what Google describes, such as [{\"relation\": [], \"target\": {}}]"
        }
    };
    report.refuse(path, what, remedy);
    None
}

fn check(link: &str, prefix: &str, path: &KeyPath, report: &mut Report) {
    let own = link == prefix || link.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    if own {
        let message = format!("`{link}` is an address of sidegate's own: sign-ins would end there");
        report.refuse(path, message, "give the app another path");
        return;
    }
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'*' | b'\\');
    if !link.starts_with('/') || link == "/" || !link.bytes().all(plain) {
        let message = format!("`{link}` is no path of a link: it is taken as it stands");
        report.refuse(
            path,
            message,
            "write a path such as /authorize, without query and wildcards",
        );
    }
}
