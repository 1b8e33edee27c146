//! `match`: hosts, paths and methods of a route.

use http::Method;

use crate::base::host::HostPattern;
use crate::config::compile::words;
use crate::config::file::{List, Matcher};
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::gate::{Compatible, PathPattern, PathPatternError};

/// Which requests a route is for.
#[derive(Debug)]
pub(super) struct Matching {
    /// None: every host.
    pub(super) hosts: Vec<HostPattern>,
    /// At least one, unless the report has a problem.
    pub(super) paths: Vec<PathPattern>,
    /// None: every method.
    pub(super) methods: Vec<Method>,
}

impl Matching {
    pub(super) fn read(
        written: &Matcher,
        own: (&str, Compatible),
        path: &KeyPath,
        report: &mut Report,
    ) -> Self {
        let everything = List(vec![String::from("/*")]);
        let paths = written.paths.as_ref().unwrap_or(&everything);
        let one_path =
            |text: &str, path: &KeyPath, report: &mut Report| path_pattern(text, own, path, report);
        Self {
            hosts: each(written.hosts.as_ref(), &path.key("hosts"), report, host_pattern),
            paths: each(Some(paths), &path.key("paths"), report, one_path),
            methods: each(written.methods.as_ref(), &path.key("methods"), report, words::method),
        }
    }
}

fn each<T: PartialEq>(
    list: Option<&List<String>>,
    path: &KeyPath,
    report: &mut Report,
    read: impl Fn(&str, &KeyPath, &mut Report) -> Option<T>,
) -> Vec<T> {
    let mut found = Vec::new();
    for (index, text) in list.iter().flat_map(|list| list.0.iter().enumerate()) {
        let path = path.index(index);
        let Some(item) = read(text, &path, report) else { continue };
        if found.contains(&item) {
            report.refuse(&path, format!("`{text}` is listed twice"), "keep one of the two");
        } else {
            found.push(item);
        }
    }
    found
}

/// A host as routes name it.
pub(super) fn host_pattern(text: &str, path: &KeyPath, report: &mut Report) -> Option<HostPattern> {
    let found = HostPattern::parse(text);
    if found.is_err() {
        let (message, remedy) = explain_host(text);
        report.refuse(path, message, remedy);
    }
    found.ok()
}

fn explain_host(text: &str) -> (String, String) {
    let message = format!("`{text}` is no host");
    if text == "*" {
        return (message, String::from("leave `hosts` out to match every host"));
    }
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        return (format!("`{text}` is a URL, expected a host"), format!("write {host}"));
    }
    if text.contains('*') {
        let message = format!("`{text}` has a `*` where none can be");
        return (message, String::from("write `*.` before a whole name, such as *.example.com"));
    }
    if let Some((host, _port)) = text.rsplit_once(':') {
        return (
            format!("`{text}` has a port, which is not part of the match"),
            format!("write {host}"),
        );
    }
    (message, String::from("write a name such as app.example.com, or *.example.com"))
}

fn path_pattern(
    text: &str,
    (prefix, compatible): (&str, Compatible),
    path: &KeyPath,
    report: &mut Report,
) -> Option<PathPattern> {
    let pattern = match PathPattern::parse(text) {
        Ok(pattern) => pattern,
        Err(error) => {
            let (message, remedy) = explain_path(text, &error);
            report.refuse(path, message, remedy);
            return None;
        }
    };
    if matches!(&pattern, PathPattern::Exact(path) if compatible.serves(path.as_bytes())) {
        let message = format!(
            "`{text}` is an address of a system in `compatible_with`: it would never match"
        );
        report.refuse(path, message, "remove it");
        return None;
    }
    if is_below(&pattern, prefix) {
        let message =
            format!("`{text}` lies under sidegate's own endpoints, {prefix}: it would never match");
        report.refuse(path, message, "use another path, or move the endpoints with `prefix`");
        return None;
    }
    if matches!(&pattern, PathPattern::Regex(expression) if cannot_begin(expression)) {
        let expression = text.trim_start_matches('~').trim();
        let message = format!(
            "`{text}` can match nothing: a pattern covers the path from its first byte, `/`, to its last"
        );
        report.refuse(
            path,
            message,
            format!("write ~ /{expression}, or ~ /.*{expression}.* to find it anywhere"),
        );
        return None;
    }
    Some(pattern)
}

fn explain_path(text: &str, error: &PathPatternError) -> (String, String) {
    match error {
        PathPatternError::BadRegex { why, .. } => {
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            (
                format!("`{text}` is no regular expression: {why}"),
                String::from("correct it, or write /path/*"),
            )
        }
        PathPatternError::Ambiguous(_) => (
            format!("`{text}` can be read in several ways"),
            String::from(
                "write it without `//`, a dot at the end of a segment, `;`, `\\`, `%`, `?` and `#`, or as ~ REGEX",
            ),
        ),
        PathPatternError::TooLarge { why, .. } => (
            format!("`{text}` is too large a regular expression: {why}"),
            String::from("write several smaller ones, or /path/*"),
        ),
        PathPatternError::Unknown(_) => {
            (format!("`{text}` is no path pattern"), remedy_for_path(text))
        }
    }
}

fn remedy_for_path(text: &str) -> String {
    let usual = "write /path for one path, /path/* for it and all below, or ~ REGEX";
    match text.strip_suffix('*') {
        Some(path) if path.starts_with('/') && !path.contains('*') => {
            format!(
                "write {path}/* for {path} and all below it, or ~ {path}.* for all that begins so"
            )
        }
        _ if text.contains('*') => format!("{usual}; a `*` can only be the last segment"),
        _ if !text.starts_with('/') => format!("write /{}", text.trim()),
        _ => usual.to_owned(),
    }
}

/// Whether everything that the pattern matches is one of sidegate's own endpoints.
fn is_below(pattern: &PathPattern, prefix: &str) -> bool {
    let (PathPattern::Exact(path) | PathPattern::Prefix(path)) = pattern else { return false };
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a regular expression plainly begins with something that no path begins with.
fn cannot_begin(expression: &str) -> bool {
    let first = expression.trim_start_matches('^').chars().next();
    first.is_none_or(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '$'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Lines;

    const OWN: (&str, Compatible) =
        ("/.auth", Compatible { authelia: false, authgear: false, oauth2_proxy: false });

    fn read(hosts: &[&str], paths: &[&str]) -> Vec<(String, String)> {
        let list = |items: &[&str]| {
            (!items.is_empty()).then(|| List(items.iter().map(|s| (*s).to_owned()).collect()))
        };
        let mut report = Report::new(Lines::default());
        let written = Matcher { hosts: list(hosts), paths: list(paths), methods: None };
        Matching::read(&written, OWN, &KeyPath::root(), &mut report);
        report
            .into_parts()
            .0
            .iter()
            .map(|p| (p.message().to_owned(), p.remedy().to_owned()))
            .collect()
    }

    fn remedy(hosts: &[&str], paths: &[&str]) -> String {
        let mut found = read(hosts, paths);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0).1
    }

    #[test]
    fn what_is_left_out_matches_everything() {
        let mut report = Report::new(Lines::default());
        let matching = Matching::read(&Matcher::default(), OWN, &KeyPath::root(), &mut report);
        assert!(report.is_clean());
        assert_eq!(matching.paths, [PathPattern::Prefix(String::new())]);
        assert!(matching.hosts.is_empty() && matching.methods.is_empty());
    }

    #[test]
    fn every_mistaken_host_has_its_remedy() {
        assert_eq!(remedy(&["*"], &[]), "leave `hosts` out to match every host");
        assert_eq!(remedy(&["https://app.example.com/x"], &[]), "write app.example.com");
        assert_eq!(
            remedy(&["app.*.com"], &[]),
            "write `*.` before a whole name, such as *.example.com"
        );
        assert_eq!(remedy(&["app.example.com:8080"], &[]), "write app.example.com");
        assert_eq!(remedy(&["app.example.com", "APP.example.com"], &[]), "keep one of the two");
    }

    #[test]
    fn every_mistaken_path_has_its_remedy() {
        assert_eq!(
            remedy(&[], &["/api*"]),
            "write /api/* for /api and all below it, or ~ /api.* for all that begins so"
        );
        assert!(remedy(&[], &["/a/*/b"]).ends_with("a `*` can only be the last segment"));
        assert_eq!(remedy(&[], &["admin"]), "write /admin");
        assert_eq!(
            remedy(&[], &["~ admin"]),
            "write ~ /admin, or ~ /.*admin.* to find it anywhere"
        );
        assert_eq!(remedy(&[], &["~ ("]), "correct it, or write /path/*");
        assert!(remedy(&[], &["/a/../b"]).starts_with("write it without `//`"));
        assert!(remedy(&[], &["/.auth/x"]).starts_with("use another path"));
        assert_eq!(read(&[], &["/.authx", "/*", "~ ^/x$", "~ (/a|/b)", "~ .*"]), []);
    }
}
