//! The terms under which a front proxy has a request judged, read from pairs of a name and a value: what whoever configured it asks
//! of callers at this place. Where the pairs come from, a query or the context of Envoy's filter, is the door's business; so is
//! decoding them.
//!
//! They narrow what the route allows. A word that is not understood, or that would ask for nothing, is a refusal: a rule that is
//! written down must hold.

use std::borrow::Cow;
use std::time::Duration;

use crate::gate::{Reason, Rule, Terms};

/// Reads `pairs`; none where there are none.
///
/// # Errors
/// [`Reason::TermsMalformed`] for a name that is unknown or repeated, or a value that is empty or cannot be meant.
pub(crate) fn read<N: AsRef<str>, V: AsRef<str>>(
    pairs: impl IntoIterator<Item = (N, V)>,
) -> Result<Option<Terms>, Reason> {
    let mut reader = Reader::default();
    for (name, value) in pairs {
        reader.pair(name.as_ref(), value.as_ref()).ok_or(Reason::TermsMalformed)?;
    }
    reader.terms()
}

#[derive(Default)]
struct Reader {
    route: Option<String>,
    rule: Option<Rule>,
    /// Whether addresses or domains came under the names of oauth2-proxy.
    foreign: bool,
}

impl Reader {
    /// Takes one pair; none where it is in doubt. oauth2-proxy's names stand beside ours, so that its configurations go on.
    fn pair(&mut self, name: &str, value: &str) -> Option<()> {
        if name == "route" {
            return put(&mut self.route, word(value)?);
        }
        self.foreign |= matches!(name, "allowed_emails" | "allowed_email_domains");
        let rule = self.rule.get_or_insert_default();
        let (list, value) = match name {
            "acr" => (&mut rule.acr_any, value.into()),
            "amr" => (&mut rule.amr_any, value.into()),
            "allowed_email_domains" | "email_domains" => (&mut rule.email_domains, lower(value)),
            "allowed_emails" | "emails" => (&mut rule.emails, lower(value)),
            "allowed_groups" | "groups" => (&mut rule.groups_any, value.into()),
            "max_auth_age" => return put(&mut rule.max_auth_age, span(value)?),
            "roles" => (&mut rule.roles_any, value.into()),
            "scopes" => (&mut rule.scopes_all, value.into()),
            _ => return None,
        };
        if !list.is_empty() {
            return None;
        }
        *list = value.split(',').map(word).collect::<Option<_>>()?;
        Some(())
    }

    /// What was read. Of a list of addresses and one of domains, ours let a caller pass who is on either; oauth2-proxy asks for
    /// both.
    fn terms(self) -> Result<Option<Terms>, Reason> {
        let Self { route, rule, foreign } = self;
        let both = rule
            .as_ref()
            .is_some_and(|rule| !rule.emails.is_empty() && !rule.email_domains.is_empty());
        if both && foreign {
            return Err(Reason::TermsMalformed);
        }
        let any = route.is_some() || rule.is_some();
        Ok(any.then_some(Terms { route, rule }))
    }
}

fn put<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// An empty word would be met by an empty claim.
fn word(text: &str) -> Option<String> {
    let text = text.trim();
    let plain = !text.is_empty() && !text.chars().any(char::is_control);
    plain.then(|| text.to_owned())
}

/// Addresses and domains are compared without regard to case.
fn lower(value: &str) -> Cow<'_, str> {
    if value.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(value.to_ascii_lowercase())
    } else {
        Cow::Borrowed(value)
    }
}

/// A whole number with its unit, as the configuration has it: `90s`, `10m`, `12h`, `7d`.
fn span(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit).map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
