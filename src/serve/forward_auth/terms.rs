//! The terms in the query of a question: what whoever configured the front proxy asks of callers at this place.
//!
//! They narrow what the route allows. A word that is not understood, or that would ask for nothing, is a refusal: a rule that
//! is written down must hold.

use std::borrow::Cow;
use std::time::Duration;

use url::form_urlencoded;

use crate::gate::{Reason, Rule, Terms};

/// The terms that `query` states, if any.
///
/// # Errors
/// [`Reason::TermsMalformed`] for a parameter that is unknown, repeated, empty, or has a value that is none.
pub(crate) fn read(query: &[u8]) -> Result<Option<Terms>, Reason> {
    if query.is_empty() {
        return Ok(None);
    }
    let mut reader = Reader::default();
    for (name, value) in form_urlencoded::parse(query) {
        reader.parameter(&name, &value).map_err(|Malformed| Reason::TermsMalformed)?;
    }
    reader.terms().map(Some).map_err(|Malformed| Reason::TermsMalformed)
}

struct Malformed;

#[derive(Default)]
struct Reader {
    route: Option<String>,
    rule: Rule,
    /// Whether mail addresses, or domains, came under the names of oauth2-proxy.
    foreign: [bool; 2],
}

impl Reader {
    /// oauth2-proxy's names stand beside ours, so that its configurations go on.
    fn parameter(&mut self, name: &str, value: &str) -> Result<(), Malformed> {
        let rule = &mut self.rule;
        match name {
            "route" if self.route.is_none() && !value.is_empty() => {
                self.route = Some(value.to_owned());
                Ok(())
            }
            "groups" | "allowed_groups" => list(&mut rule.groups_any, value),
            "roles" => list(&mut rule.roles_any, value),
            "scopes" => list(&mut rule.scopes_all, value),
            "amr" => list(&mut rule.amr_any, value),
            "acr" => list(&mut rule.acr_any, value),
            "emails" => list(&mut rule.emails, &lower(value)),
            "email_domains" => list(&mut rule.email_domains, &lower(value)),
            "allowed_emails" => {
                self.foreign[0] = true;
                list(&mut rule.emails, &lower(value))
            }
            "allowed_email_domains" => {
                self.foreign[1] = true;
                list(&mut rule.email_domains, &lower(value))
            }
            "max_auth_age" if rule.max_auth_age.is_none() => {
                rule.max_auth_age = Some(span(value).ok_or(Malformed)?);
                Ok(())
            }
            _ => Err(Malformed),
        }
    }

    /// Of a list of addresses and one of domains, ours let a caller pass who is on either; oauth2-proxy asks for both.
    fn terms(self) -> Result<Terms, Malformed> {
        let both = !self.rule.emails.is_empty() && !self.rule.email_domains.is_empty();
        if both && self.foreign != [false, false] {
            return Err(Malformed);
        }
        let rule = (self.rule != Rule::default()).then_some(self.rule);
        Ok(Terms { route: self.route, rule })
    }
}

/// The items of a list, separated by commas. An empty one would be held by whoever has an empty claim.
fn list(into: &mut Vec<String>, value: &str) -> Result<(), Malformed> {
    if !into.is_empty() {
        return Err(Malformed);
    }
    for item in value.split(',').map(str::trim) {
        if item.is_empty() {
            return Err(Malformed);
        }
        into.push(item.to_owned());
    }
    Ok(())
}

/// Addresses and domains are compared without regard to case.
fn lower(value: &str) -> Cow<'_, str> {
    if value.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(value.to_ascii_lowercase())
    } else {
        Cow::Borrowed(value)
    }
}

/// A time with its unit, as in `90s`, `10m`, `12h` or `30d`.
fn span(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(unit)?))
}
