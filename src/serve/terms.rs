//! The terms under which a front proxy has a request judged, read from pairs of a name and a value. Where the pairs come from, a
//! query or the context of Envoy's filter, is the door's business; so is decoding them.

use std::time::Duration;

use crate::gate::{Rule, Terms};

/// A name that is unknown or repeated, or a value that cannot be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MalformedTerms;

/// Reads `pairs`; none where there are none.
///
/// # Errors
/// Where any pair is in doubt: a front proxy that is misunderstood would let too many pass.
pub(crate) fn read<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Option<Terms>, MalformedTerms> {
    let (mut route, mut rule) = (None, None::<Rule>);
    for (name, value) in pairs {
        if name == "route" {
            put(&mut route, word(value)?)?;
        } else {
            demand(rule.get_or_insert_default(), name, value)?;
        }
    }
    let any = route.is_some() || rule.is_some();
    Ok(any.then_some(Terms { route, rule }))
}

fn demand(rule: &mut Rule, name: &str, value: &str) -> Result<(), MalformedTerms> {
    let list = match name {
        "acr" => &mut rule.acr_any,
        "amr" => &mut rule.amr_any,
        "email_domains" => &mut rule.email_domains,
        "emails" => &mut rule.emails,
        "groups" => &mut rule.groups_any,
        "max_auth_age" => return put(&mut rule.max_auth_age, span(value)?),
        "roles" => &mut rule.roles_any,
        "scopes" => &mut rule.scopes_all,
        _ => return Err(MalformedTerms),
    };
    if !list.is_empty() {
        return Err(MalformedTerms);
    }
    *list = value.split(',').map(word).collect::<Result<_, _>>()?;
    Ok(())
}

fn put<T>(place: &mut Option<T>, value: T) -> Result<(), MalformedTerms> {
    if place.replace(value).is_some() { Err(MalformedTerms) } else { Ok(()) }
}

/// An empty word would be met by an empty claim.
fn word(text: &str) -> Result<String, MalformedTerms> {
    let text = text.trim();
    let plain = !text.is_empty() && !text.chars().any(char::is_control);
    plain.then(|| text.to_owned()).ok_or(MalformedTerms)
}

/// A whole number with its unit, as the configuration has it: `90s`, `10m`, `12h`, `7d`.
fn span(text: &str) -> Result<Duration, MalformedTerms> {
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        _ => return Err(MalformedTerms),
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(MalformedTerms);
    }
    let seconds = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    seconds.map(Duration::from_secs).ok_or(MalformedTerms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(pairs: &[(&str, &str)]) -> Rule {
        read(pairs.iter().copied()).unwrap().unwrap().rule.unwrap()
    }

    #[test]
    fn no_pairs_ask_for_nothing() {
        assert_eq!(read([]), Ok(None));
    }

    #[test]
    fn a_route_alone_asks_for_no_identity() {
        let terms = read([("route", "admin")]).unwrap().unwrap();
        assert_eq!(terms, Terms { route: Some("admin".into()), rule: None });
    }

    #[test]
    fn lists_are_split_at_commas() {
        let found = rule(&[("groups", "admins, staff"), ("scopes", "read,write"), ("acr", "2")]);
        assert_eq!(found.groups_any, ["admins", "staff"]);
        assert_eq!(found.scopes_all, ["read", "write"]);
        assert_eq!(found.acr_any, ["2"]);
        let found = rule(&[("roles", "r"), ("amr", "mfa"), ("emails", "a@b.test")]);
        assert_eq!((found.roles_any, found.amr_any), (vec!["r".into()], vec!["mfa".into()]));
        assert_eq!(found.emails, ["a@b.test"]);
        assert_eq!(rule(&[("email_domains", "b.test")]).email_domains, ["b.test"]);
    }

    #[test]
    fn ages_have_units() {
        let age = |text| rule(&[("max_auth_age", text)]).max_auth_age.unwrap().as_secs();
        assert_eq!([age("90s"), age("10m"), age("2h"), age("1d")], [90, 600, 7_200, 86_400]);
    }

    /// oauth2-proxy #3365: an empty group was met by an empty claim.
    #[test]
    fn any_doubt_is_a_refusal() {
        for pair in [
            ("groups", ""),
            ("groups", "a,,b"),
            ("Groups", "a"),
            ("group", "a"),
            ("", ""),
            ("route", ""),
            ("max_auth_age", "10"),
            ("max_auth_age", "m"),
            ("max_auth_age", "-1m"),
            ("max_auth_age", "1.5h"),
            ("max_auth_age", "99999999999999999999d"),
            ("max_auth_age", "10\u{fc}"),
        ] {
            assert_eq!(read([pair]), Err(MalformedTerms), "{pair:?}");
        }
        assert_eq!(read([("groups", "a\u{0}b")]), Err(MalformedTerms));
        for name in ["route", "groups", "max_auth_age"] {
            assert_eq!(read([(name, "1s"), (name, "1s")]), Err(MalformedTerms), "{name}");
        }
    }
}
