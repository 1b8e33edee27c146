//! `require`: what a route asks of its callers.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::compile::times;
use crate::config::file::{List, Require};
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::units::Span;
use crate::gate::Rule;
use crate::identity::ClaimPath;

/// The rule that `written` is; no rule at all where nothing is written.
pub(super) fn compile(written: Option<&Require>, path: &KeyPath, report: &mut Report) -> Rule {
    let Some(written) = written else { return Rule::default() };
    let domain = |text: &str, path: &KeyPath, report: &mut Report| email_domain(text, path, report);
    let address = |text: &str, path: &KeyPath, report: &mut Report| email(text, path, report);
    Rule {
        groups_any: texts(written.groups_any.as_ref()),
        groups_all: texts(written.groups_all.as_ref()),
        roles_any: texts(written.roles_any.as_ref()),
        roles_all: texts(written.roles_all.as_ref()),
        scopes_any: scopes(written.scopes_any.as_ref(), &path.key("scopes_any"), report),
        scopes_all: scopes(written.scopes_all.as_ref(), &path.key("scopes_all"), report),
        claims: claims(written.claims.as_ref(), &path.key("claims"), report),
        email_domains: each(
            written.email_domains.as_ref(),
            &path.key("email_domains"),
            report,
            domain,
        ),
        emails: each(written.emails.as_ref(), &path.key("emails"), report, address),
        subjects: texts(written.subjects.as_ref()),
        max_auth_age: written.max_auth_age.and_then(|age| {
            times::span(
                age,
                Span::secs(1),
                Span::secs(3650 * 86_400),
                &path.key("max_auth_age"),
                report,
            )
        }),
        amr_any: texts(written.amr_any.as_ref()),
        amr_all: texts(written.amr_all.as_ref()),
        acr_any: texts(written.acr_any.as_ref()),
    }
}

fn texts(list: Option<&List<String>>) -> Vec<String> {
    list.map(|list| list.0.clone()).unwrap_or_default()
}

fn each(
    list: Option<&List<String>>,
    path: &KeyPath,
    report: &mut Report,
    read: impl Fn(&str, &KeyPath, &mut Report) -> Option<String>,
) -> Vec<String> {
    let items = list.iter().flat_map(|list| list.0.iter().enumerate());
    items.filter_map(|(index, text)| read(text, &path.index(index), report)).collect()
}

/// Scopes are words ([RFC 6749 §3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)): one with a space in it is in no token.
pub(super) fn scopes(list: Option<&List<String>>, path: &KeyPath, report: &mut Report) -> Vec<String> {
    each(list, path, report, |text, path, report| {
        if text.contains(char::is_whitespace) {
            let words: Vec<&str> = text.split_whitespace().collect();
            let remedy = format!("write one entry for each: [{}]", words.join(", "));
            report.refuse(path, format!("`{text}` is several scopes"), remedy);
            return None;
        }
        Some(text.to_owned())
    })
}

fn email_domain(text: &str, path: &KeyPath, report: &mut Report) -> Option<String> {
    let name = text.strip_prefix('@').unwrap_or(text);
    let plain = name.contains('.')
        && !name.contains(['@', '*', ' ', '/'])
        && !name.starts_with('.')
        && !name.ends_with('.');
    if !plain {
        report.refuse(
            path,
            format!("`{text}` is no mail domain"),
            "write a domain such as example.com; each subdomain is one of its own",
        );
        return None;
    }
    Some(name.to_lowercase())
}

fn email(text: &str, path: &KeyPath, report: &mut Report) -> Option<String> {
    let parts = text.split_once('@');
    let plain = parts.is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !domain.contains('@')
            && !text.contains([' ', '*'])
    });
    if !plain {
        report.refuse(
            path,
            format!("`{text}` is no mail address"),
            "write an address such as ada@example.com",
        );
        return None;
    }
    Some(text.to_lowercase())
}

fn claims(
    written: Option<&BTreeMap<String, List<Value>>>,
    path: &KeyPath,
    report: &mut Report,
) -> Vec<(ClaimPath, Vec<Value>)> {
    let entries = written.into_iter().flatten();
    entries
        .filter_map(|(name, values)| {
            Some((claim(name, &path.key(name), report)?, values.0.clone()))
        })
        .collect()
}

/// A claim name or JSON Pointer.
pub(super) fn claim(text: &str, path: &KeyPath, report: &mut Report) -> Option<ClaimPath> {
    let found = ClaimPath::parse(text);
    if found.is_err() {
        let message = format!("`{text}` is neither a claim name nor a JSON Pointer");
        report.refuse(
            path,
            message,
            "write the exact name of the claim, or a pointer such as /realm_access/roles",
        );
    }
    found.ok()
}
