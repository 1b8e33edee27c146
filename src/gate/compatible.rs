//! Other systems that can be replaced without touching what is around them: their addresses, and names of their own.

use http::header::{HeaderName, HeaderValue};

use crate::gate::headers::HeaderSource;
use crate::identity::{ClaimPath, Identity};

/// Whose addresses are served beside our own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compatible {
    /// `/api/authz/…` of Authelia.
    pub authelia: bool,
    /// `/_resolver/resolve` of Authgear.
    pub authgear: bool,
    /// Those of oauth2-proxy: some behind the prefix, `/ping` and `/ready` elsewhere.
    pub oauth2_proxy: bool,
}

/// Where Authelia is asked.
pub const AUTHELIA: &str = "/api/authz/";

/// Where Authgear's resolver is asked.
pub const AUTHGEAR: &str = "/_resolver/resolve";

impl Compatible {
    /// Whether `path`, which is not behind our prefix, is one of these addresses: to the byte, so that nothing else is taken from
    /// the app.
    pub fn serves(self, path: &[u8]) -> bool {
        (self.oauth2_proxy && matches!(path, b"/ping" | b"/ready"))
            || (self.authelia && path.starts_with(AUTHELIA.as_bytes()))
            || (self.authgear && path == AUTHGEAR.as_bytes())
    }
}

/// The headers by which Authgear's resolver says who calls, each of its names once; `can_sign_in_again` is whether the caller could be
/// asked for a newer sign-in. Without an identity the session is not valid, and the others are empty.
pub fn authgear_headers(
    identity: Option<&Identity>,
    can_sign_in_again: bool,
) -> Vec<(HeaderName, HeaderValue)> {
    let text = |source: HeaderSource| identity.map(|it| source.text(it)).unwrap_or_default();
    let word = |value: fn(bool) -> bool, fact: bool| {
        identity.map(|_| value(fact).to_string()).unwrap_or_default()
    };
    let verified = identity.is_some_and(is_verified);
    let rows = [
        ("x-authgear-session-valid", identity.is_some().to_string()),
        ("x-authgear-user-id", text(HeaderSource::User)),
        ("x-authgear-user-anonymous", word(|_| false, false)),
        ("x-authgear-user-verified", word(|it| it, verified)),
        ("x-authgear-session-acr", text(HeaderSource::ContextClass)),
        ("x-authgear-session-amr", text(HeaderSource::Methods)),
        ("x-authgear-session-authenticated-at", text(HeaderSource::AuthenticatedAt)),
        ("x-authgear-user-can-reauthenticate", word(|it| it, can_sign_in_again)),
        ("x-authgear-user-roles", text(HeaderSource::Roles)),
    ];
    let field = |(name, text): (&'static str, String)| {
        // What sources write is visible ASCII and inner spaces.
        let value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        (HeaderName::from_static(name), value)
    };
    rows.into_iter().map(field).collect()
}

/// Whether the provider says that it has verified an address or a number.
fn is_verified(identity: &Identity) -> bool {
    let says = |name: &str| {
        let path = ClaimPath::Name(name.to_owned());
        path.find(identity.claims()).is_some_and(|value| value == true)
    };
    says("email_verified") || says(PHONE_VERIFIED)
}

/// The claim that says so of a telephone number
/// ([OpenID Connect Core §5.1](https://openid.net/specs/openid-connect-core-1_0.html#StandardClaims)).
pub const PHONE_VERIFIED: &str = "phone_number_verified";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::base::time::Timestamp;
    use crate::identity::ClaimMap;
    use crate::token::Claims;

    fn identity(claims: Value) -> Identity {
        let Value::Object(claims) = claims else { panic!("not an object") };
        let (issuer, ends) = (Arc::from("https://login.example"), Timestamp::from_secs(9));
        Identity::new(issuer, Claims::from(claims), &ClaimMap::default(), ends).unwrap()
    }

    fn told(identity: Option<&Identity>, again: bool) -> Vec<String> {
        let told = authgear_headers(identity, again).into_iter();
        told.map(|(name, value)| {
            let name = name.as_str().strip_prefix("x-authgear-").unwrap().to_owned();
            format!("{name}: {}", value.to_str().unwrap())
        })
        .collect()
    }

    #[test]
    fn the_resolver_says_all_of_a_caller() {
        let ada = identity(json!({
            "sub": "ada", "email_verified": true, "acr": "mfa", "amr": ["pwd", "otp"], "auth_time": 1767225600,
            "roles": ["stock.view", "stock.edit"],
        }));
        assert_eq!(
            told(Some(&ada), true),
            [
                "session-valid: true",
                "user-id: ada",
                "user-anonymous: false",
                "user-verified: true",
                "session-acr: mfa",
                "session-amr: pwd otp",
                "session-authenticated-at: 1767225600",
                "user-can-reauthenticate: true",
                "user-roles: stock.view,stock.edit",
            ]
        );
        let bob = identity(json!({ "sub": "bob", "email_verified": "true" }));
        assert_eq!(told(Some(&bob), false)[3], "user-verified: false");
        let eve = identity(json!({ "sub": "eve", "phone_number_verified": true }));
        assert_eq!(told(Some(&eve), false)[3], "user-verified: true");
    }

    /// A name that is left out is one that a client may send itself.
    #[test]
    fn the_resolver_leaves_no_name_out_where_nobody_is_signed_in() {
        let nobody = told(None, true);
        assert_eq!(nobody.len(), told(Some(&identity(json!({ "sub": "ada" }))), true).len());
        assert_eq!(nobody[0], "session-valid: false");
        assert!(nobody[1..].iter().all(|line| line.ends_with(": ")), "{nobody:?}");
    }

    #[test]
    fn addresses_of_others_are_taken_to_the_byte() {
        let all = Compatible { authelia: true, authgear: true, oauth2_proxy: true };
        for path in ["/ping", "/ready", "/_resolver/resolve", "/api/authz/forward-auth"] {
            assert!(all.serves(path.as_bytes()), "{path}");
            assert!(!Compatible::default().serves(path.as_bytes()), "{path}");
        }
        for path in [
            "/ping/",
            "/pingx",
            "/PING",
            "//ping",
            "/ready/x",
            "/_resolver/resolve/",
            "/api/authz",
            "/",
        ] {
            assert!(!all.serves(path.as_bytes()), "{path}");
        }
    }
}
