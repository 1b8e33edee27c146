//! What Authgear's resolver answers: who sends the credentials that it was shown.
//!
//! It always answers 200. No header at all means that it saw no credential; `X-Authgear-Session-Valid: false` that none of those
//! it saw is good. What it says of a person is told as the claims that its own access tokens have, so that rules and headers see
//! the same whichever way a caller was found.

use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::token::Claims;

/// The prefix of the claims by which Authgear tells what a person is.
const CLAIMS: &str = "https://authgear.com/claims/user/";

const SESSION_VALID: HeaderName = HeaderName::from_static("x-authgear-session-valid");
const USER_ID: HeaderName = HeaderName::from_static("x-authgear-user-id");
const USER_ANONYMOUS: HeaderName = HeaderName::from_static("x-authgear-user-anonymous");
const USER_VERIFIED: HeaderName = HeaderName::from_static("x-authgear-user-verified");
const USER_CAN_REAUTHENTICATE: HeaderName =
    HeaderName::from_static("x-authgear-user-can-reauthenticate");
const USER_ROLES: HeaderName = HeaderName::from_static("x-authgear-user-roles");
const SESSION_AMR: HeaderName = HeaderName::from_static("x-authgear-session-amr");
const AUTHENTICATED_AT: HeaderName = HeaderName::from_static("x-authgear-session-authenticated-at");

/// The fields of its answer that are read.
pub const FIELDS: [HeaderName; 9] = [
    SESSION_VALID,
    USER_ID,
    USER_ANONYMOUS,
    USER_VERIFIED,
    USER_CAN_REAUTHENTICATE,
    USER_ROLES,
    SESSION_AMR,
    AUTHENTICATED_AT,
    header::SET_COOKIE,
];

/// What the resolver says.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// It saw credentials, and none is good.
    Invalid {
        /// Its `Set-Cookie` fields for cookies of the list.
        clear: Vec<HeaderValue>,
    },
    /// It saw no credential.
    SawNone,
    /// It knows the caller.
    Valid(Claims),
}

/// Why an answer says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolverError {
    /// A field has a value that it cannot have.
    #[error("the resolver's answer has a `{0}` that cannot be read")]
    BadField(&'static str),
    /// A field that every such answer has is not there.
    #[error("the resolver's answer has no `{0}`")]
    MissingField(&'static str),
    /// A field that there may be once is there more than once.
    #[error("the resolver's answer has `{0}` more than once")]
    Repeated(&'static str),
}

/// Reads the fields of an answer with status 200. Of its `Set-Cookie` fields only those that delete one of `cookies` count.
///
/// # Errors
/// [`ResolverError`] for whatever is neither yes nor no: nobody is let in, or signed out, for it.
pub fn read(fields: &HeaderMap, cookies: &[String]) -> Result<Resolved, ResolverError> {
    match flag(fields, &SESSION_VALID, "X-Authgear-Session-Valid")? {
        None => Ok(Resolved::SawNone),
        Some(false) => Ok(Resolved::Invalid { clear: clearing(fields, cookies) }),
        Some(true) => Ok(Resolved::Valid(claims(fields)?)),
    }
}

fn claims(fields: &HeaderMap) -> Result<Claims, ResolverError> {
    const ID: &str = "X-Authgear-User-Id";
    let id = text(fields, &USER_ID, ID)?.filter(|id| !id.is_empty());
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), id.ok_or(ResolverError::MissingField(ID))?.into());
    for (name, title, claim) in [
        (&USER_ANONYMOUS, "X-Authgear-User-Anonymous", "is_anonymous"),
        (&USER_VERIFIED, "X-Authgear-User-Verified", "is_verified"),
        (&USER_CAN_REAUTHENTICATE, "X-Authgear-User-Can-Reauthenticate", "can_reauthenticate"),
    ] {
        if let Some(said) = flag(fields, name, title)? {
            claims.insert(format!("{CLAIMS}{claim}"), said.into());
        }
    }
    if let Some(roles) = text(fields, &USER_ROLES, "X-Authgear-User-Roles")? {
        insert_list(&mut claims, format!("{CLAIMS}roles"), roles.split(','));
    }
    // The server writes spaces, its documents say commas: no name of a method has either.
    if let Some(methods) = text(fields, &SESSION_AMR, "X-Authgear-Session-Amr")? {
        insert_list(&mut claims, "amr".to_owned(), methods.split([' ', ',']));
    }
    const AT: &str = "X-Authgear-Session-Authenticated-At";
    if let Some(seconds) = text(fields, &AUTHENTICATED_AT, AT)? {
        let seconds: u64 = seconds.parse().map_err(|_| ResolverError::BadField(AT))?;
        claims.insert("auth_time".to_owned(), seconds.into());
    }
    Ok(Claims::from(claims))
}

/// An empty list is left out, as access tokens have it.
fn insert_list<'t>(
    claims: &mut Map<String, Value>,
    name: String,
    items: impl Iterator<Item = &'t str>,
) {
    let items: Vec<Value> =
        items.map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect();
    if !items.is_empty() {
        claims.insert(name, Value::Array(items));
    }
}

fn flag(
    fields: &HeaderMap,
    name: &HeaderName,
    title: &'static str,
) -> Result<Option<bool>, ResolverError> {
    match text(fields, name, title)? {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(ResolverError::BadField(title)),
    }
}

fn text<'f>(
    fields: &'f HeaderMap,
    name: &HeaderName,
    title: &'static str,
) -> Result<Option<&'f str>, ResolverError> {
    let mut values = fields.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ResolverError::Repeated(title));
    }
    value.to_str().map(|text| Some(text.trim())).map_err(|_| ResolverError::BadField(title))
}

/// Only what deletes: a resolver has no reason to set a cookie in somebody's browser.
fn clearing(fields: &HeaderMap, cookies: &[String]) -> Vec<HeaderValue> {
    let clears = |field: &&HeaderValue| {
        let Some((name, rest)) = field.to_str().ok().and_then(|text| text.split_once('=')) else {
            return false;
        };
        let empty = rest.split(';').next().unwrap_or_default().trim_matches([' ', '"']).is_empty();
        empty && cookies.iter().any(|known| known == name.trim())
    };
    fields.get_all(header::SET_COOKIE).iter().filter(clears).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(fields: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = fields.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        pairs.fold(HeaderMap::new(), |mut map, (name, value)| {
            map.append(name, value);
            map
        })
    }

    fn read(fields: &[(&'static str, &str)]) -> Result<Resolved, ResolverError> {
        super::read(&answer(fields), &["session".to_owned(), "app_session".to_owned()])
    }

    #[test]
    fn a_valid_answer_becomes_the_claims_of_an_access_token() {
        let read = read(&[
            ("x-authgear-session-valid", "true"),
            ("x-authgear-user-id", "acdc0d99-f784-43d5-b53d-70f3506dfbf7"),
            ("x-authgear-user-anonymous", "false"),
            ("x-authgear-user-verified", "true"),
            ("x-authgear-user-can-reauthenticate", "true"),
            ("x-authgear-user-roles", "stock.view,stock.edit"),
            ("x-authgear-session-amr", "pwd otp mfa"),
            ("x-authgear-session-authenticated-at", "1767225600"),
        ]);
        let Ok(Resolved::Valid(claims)) = read else { panic!("{read:?}") };
        let expected = json!({
            "sub": "acdc0d99-f784-43d5-b53d-70f3506dfbf7",
            "https://authgear.com/claims/user/is_anonymous": false,
            "https://authgear.com/claims/user/is_verified": true,
            "https://authgear.com/claims/user/can_reauthenticate": true,
            "https://authgear.com/claims/user/roles": ["stock.view", "stock.edit"],
            "amr": ["pwd", "otp", "mfa"],
            "auth_time": 1_767_225_600,
        });
        assert_eq!(serde_json::to_value(claims.as_map()).unwrap(), expected);
    }

    #[test]
    fn methods_come_with_spaces_or_commas_and_may_be_none() {
        for (text, amr) in [
            ("pwd otp", json!(["pwd", "otp"])),
            ("pwd,otp", json!(["pwd", "otp"])),
            ("pwd, otp", json!(["pwd", "otp"])),
            ("", json!(null)),
        ] {
            let read = read(&[
                ("x-authgear-session-valid", "true"),
                ("x-authgear-user-id", "ada"),
                ("x-authgear-session-amr", text),
            ]);
            let Ok(Resolved::Valid(claims)) = read else { panic!("{read:?}") };
            assert_eq!(claims.get("amr").cloned().unwrap_or_default(), amr, "{text:?}");
        }
    }

    #[test]
    fn no_header_is_no_credential_and_false_is_none_that_is_good() {
        assert!(matches!(read(&[]), Ok(Resolved::SawNone)));
        let no = read(&[
            ("x-authgear-session-valid", "false"),
            ("set-cookie", "session=; Path=/; Domain=example.com; HttpOnly"),
            ("set-cookie", "app_session=\"\"; Path=/"),
            ("set-cookie", "session=planted; Path=/"),
            ("set-cookie", "other=; Path=/"),
        ]);
        let Ok(Resolved::Invalid { clear }) = no else { panic!("{no:?}") };
        assert_eq!(
            clear,
            ["session=; Path=/; Domain=example.com; HttpOnly", "app_session=\"\"; Path=/"]
        );
    }

    #[test]
    fn what_is_neither_yes_nor_no_is_an_error() {
        for fields in [
            &[("x-authgear-session-valid", "yes")][..],
            &[("x-authgear-session-valid", "true"), ("x-authgear-session-valid", "true")],
            &[("x-authgear-session-valid", "true")],
            &[("x-authgear-session-valid", "true"), ("x-authgear-user-id", "")],
            &[
                ("x-authgear-session-valid", "true"),
                ("x-authgear-user-id", "ada"),
                ("x-authgear-user-id", "bob"),
            ],
            &[
                ("x-authgear-session-valid", "true"),
                ("x-authgear-user-id", "ada"),
                ("x-authgear-user-anonymous", "0"),
            ],
            &[
                ("x-authgear-session-valid", "true"),
                ("x-authgear-user-id", "ada"),
                ("x-authgear-session-authenticated-at", "now"),
            ],
        ] {
            assert!(read(fields).is_err(), "{fields:?}");
        }
    }
}
