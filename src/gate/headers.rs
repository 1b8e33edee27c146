//! Which facts about a caller go upstream in which header, and how values are written.

use http::header::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::gate::compatible::authgear_claim_path;
use crate::identity::{ClaimPath, Identity};

/// A plan, by its place among the distinct plans of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlanId(pub u16);

/// The identity headers of a route. Routes with the same headers share one plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderPlan {
    /// Which of the policy's plans this is.
    pub id: PlanId,
    /// Name and source, in the order they are sent.
    pub fields: Vec<(HeaderName, HeaderSource)>,
}

/// A fact about a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderSource {
    /// When the caller signed in: seconds since the epoch.
    AuthenticatedAt,
    /// Any claim.
    Claim(ClaimPath),
    /// The authentication context class, `acr`.
    ContextClass,
    /// The mail address, unless the provider says that it is not verified.
    Email,
    /// When the proof ends: seconds since the epoch.
    Expires,
    /// Groups, separated by commas.
    Groups,
    /// The issuer.
    Issuer,
    /// The authentication methods, `amr`, separated by spaces.
    Methods,
    /// The full name.
    Name,
    /// The short name; the user where there is none.
    PreferredUsername,
    /// Roles, separated by commas.
    Roles,
    /// Scopes, separated by spaces.
    Scopes,
    /// The word `true`.
    True,
    /// What apps know the caller by.
    User,
}

/// The longest value that is sent; a longer one is a refusal, since servers cut or drop such headers.
pub(super) const MAX_VALUE_BYTES: usize = 16 * 1024;

/// A header would be longer than [`MAX_VALUE_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValueTooLong;

impl HeaderPlan {
    /// The headers for `identity`; a fact that is absent gives none.
    pub(super) fn render(
        &self,
        identity: &Identity,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, ValueTooLong> {
        let mut fields = Vec::with_capacity(self.fields.len());
        for (name, source) in &self.fields {
            let text = source.text(identity);
            if text.is_empty() {
                continue;
            }
            if text.len() > MAX_VALUE_BYTES {
                return Err(ValueTooLong);
            }
            // What `encode` lets through is visible ASCII and inner spaces: always a header value.
            let value = HeaderValue::try_from(text).map_err(|_| ValueTooLong)?;
            fields.push((name.clone(), value));
        }
        Ok(fields)
    }
}

impl HeaderSource {
    /// The fact as it stands in a header; empty where it is absent.
    pub(super) fn text(&self, identity: &Identity) -> String {
        let time = |seconds: Option<u64>| seconds.map(|s| s.to_string()).unwrap_or_default();
        let one = |text: Option<&str>| encode(text.unwrap_or_default(), "");
        match self {
            Self::AuthenticatedAt => time(identity.authenticated_at().map(|t| t.as_secs())),
            Self::Claim(path) => path.find(identity.claims()).map(claim).unwrap_or_default(),
            Self::ContextClass => one(identity.context_class()),
            Self::Email => one(identity.trusted_email()),
            Self::Expires => identity.expires().to_string(),
            Self::Groups => join(identity.groups(), ","),
            Self::Issuer => one(Some(identity.issuer())),
            Self::Methods => join(&identity.methods(), " "),
            Self::Name => one(identity.name()),
            Self::PreferredUsername => {
                one(Some(identity.preferred_username().unwrap_or_else(|| identity.user())))
            }
            Self::Roles => join(identity.roles(), ","),
            Self::Scopes => join(identity.scopes(), " "),
            Self::True => "true".to_owned(),
            Self::User => one(Some(identity.user())),
        }
    }
}

fn join<T: AsRef<str>>(items: &[T], separator: &str) -> String {
    let encoded: Vec<String> = items.iter().map(|item| encode(item.as_ref(), separator)).collect();
    encoded.join(separator)
}

fn claim(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => encode(text, ""),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) if items.iter().all(|item| !item.is_array() && !item.is_object()) => {
            let texts: Vec<String> = items
                .iter()
                .map(|item| encode(item.as_str().unwrap_or(&item.to_string()), ","))
                .collect();
            texts.join(",")
        }
        Value::Array(_) | Value::Object(_) => encode(&value.to_string(), ""),
    }
}

/// Writes `text` for a header. Visible ASCII and inner spaces stand for themselves; every other byte of its UTF-8, `%`, spaces
/// at either end and bytes of `separator` become `%XX`. Percent-decoding gives the text back.
fn encode(text: &str, separator: &str) -> String {
    let last = text.len().saturating_sub(1);
    let plain = |index: usize, b: u8| match b {
        b' ' => index != 0 && index != last && separator != " ",
        b'%' => false,
        0x21..=0x7e => !separator.as_bytes().contains(&b),
        _ => false,
    };
    if text.bytes().enumerate().all(|(index, b)| plain(index, b)) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for (index, b) in text.bytes().enumerate() {
        if plain(index, b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

/// A header contract that apps already know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// `X-Authgear-*`: the names of Authgear's resolver.
    Authgear,
    /// `Remote-User`, `Remote-Email`, `Remote-Groups`, `Remote-Name`: Authelia's names.
    Remote,
    /// `X-Auth-Request-*`: oauth2-proxy's names for `auth_request`.
    XAuthRequest,
    /// `X-authentik-*`: authentik's names.
    XAuthentik,
    /// `X-Forwarded-User` and its kin: the default.
    XForwarded,
    /// `X-WEBAUTH-*`: Grafana's auth proxy.
    XWebauth,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 6] = [
        Self::XForwarded,
        Self::XAuthRequest,
        Self::Remote,
        Self::Authgear,
        Self::XAuthentik,
        Self::XWebauth,
    ];

    /// The word of the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authgear => "authgear",
            Self::Remote => "remote",
            Self::XAuthRequest => "x-auth-request",
            Self::XAuthentik => "x-authentik",
            Self::XForwarded => "x-forwarded",
            Self::XWebauth => "x-webauth",
        }
    }

    /// Its headers, in the order they are sent.
    pub fn fields(self) -> Vec<(HeaderName, HeaderSource)> {
        use HeaderSource::{Email, Groups, Name, PreferredUsername, User};
        let rows: &[(&'static str, HeaderSource)] = match self {
            Self::Authgear => return authgear(),
            Self::Remote => &[
                ("remote-user", User),
                ("remote-email", Email),
                ("remote-groups", Groups),
                ("remote-name", Name),
            ],
            Self::XAuthRequest => &[
                ("x-auth-request-user", User),
                ("x-auth-request-email", Email),
                ("x-auth-request-groups", Groups),
                ("x-auth-request-preferred-username", PreferredUsername),
            ],
            Self::XAuthentik => &[
                ("x-authentik-username", PreferredUsername),
                ("x-authentik-uid", User),
                ("x-authentik-email", Email),
                ("x-authentik-groups", Groups),
                ("x-authentik-name", Name),
            ],
            Self::XForwarded => &[
                ("x-forwarded-user", User),
                ("x-forwarded-email", Email),
                ("x-forwarded-groups", Groups),
                ("x-forwarded-preferred-username", PreferredUsername),
            ],
            Self::XWebauth => &[
                ("x-webauth-user", PreferredUsername),
                ("x-webauth-email", Email),
                ("x-webauth-name", Name),
                ("x-webauth-groups", Groups),
            ],
        };
        rows.iter().map(|(name, source)| (HeaderName::from_static(name), source.clone())).collect()
    }
}

/// The names of Authgear's resolver, and the claims that its access tokens have for them.
fn authgear() -> Vec<(HeaderName, HeaderSource)> {
    use HeaderSource::{AuthenticatedAt, Claim, Methods, Roles, True, User};
    let claim = |name: &str| Claim(authgear_claim_path(name));
    let rows = [
        ("x-authgear-session-valid", True),
        ("x-authgear-user-id", User),
        ("x-authgear-user-anonymous", claim("is_anonymous")),
        ("x-authgear-user-verified", claim("is_verified")),
        ("x-authgear-user-can-reauthenticate", claim("can_reauthenticate")),
        ("x-authgear-session-amr", Methods),
        ("x-authgear-session-authenticated-at", AuthenticatedAt),
        ("x-authgear-user-roles", Roles),
    ];
    rows.map(|(name, source)| (HeaderName::from_static(name), source)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visible_ascii_stands_for_itself() {
        assert_eq!(encode("Ada O'Neil <ada@x.test>", ""), "Ada O'Neil <ada@x.test>");
    }

    #[test]
    fn all_else_is_percent_encoded_utf8() {
        assert_eq!(encode("J\u{fc}rgen", ""), "J%C3%BCrgen");
        assert_eq!(encode("100%", ""), "100%25");
        assert_eq!(encode(" a ", ""), "%20a%20");
        assert_eq!(encode("a\r\nX-Admin: 1\0", ""), "a%0D%0AX-Admin: 1%00");
    }

    #[test]
    fn a_separator_inside_an_item_is_encoded() {
        assert_eq!(join(&["a,b", "c d"], ","), "a%2Cb,c d");
        assert_eq!(join(&["a,b", "c d"], " "), "a,b c%20d");
    }

    #[test]
    fn claims_of_every_kind_have_a_spelling() {
        for (json, text) in [
            ("null", ""),
            ("true", "true"),
            ("12.5", "12.5"),
            (r#"["a",1,false]"#, "a,1,false"),
            (r#"{"k":"v\u00e9"}"#, r#"{"k":"v%C3%A9"}"#),
            (r#"[["a"]]"#, r#"[["a"]]"#),
        ] {
            assert_eq!(claim(&serde_json::from_str(json).unwrap()), text, "{json}");
        }
    }

    proptest::proptest! {
        #[test]
        fn percent_decoding_gives_the_text_back(text in "\\PC{0,40}") {
            let encoded = encode(&text, ",");
            let decoded = percent_encoding::percent_decode_str(&encoded).decode_utf8().unwrap().into_owned();
            proptest::prop_assert_eq!(decoded, text);
            proptest::prop_assert!(HeaderValue::try_from(encoded).is_ok());
        }
    }
}
