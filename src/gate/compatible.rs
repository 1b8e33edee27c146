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

/// The names that a configuration made for Authgear's resolver copies, in place of what a client sent: those of its documents, which
/// forget the roles.
pub const AUTHGEAR_COPIED: [&str; 8] = [
    "x-authgear-session-valid",
    "x-authgear-user-id",
    "x-authgear-user-anonymous",
    "x-authgear-user-verified",
    "x-authgear-session-acr",
    "x-authgear-session-amr",
    "x-authgear-session-authenticated-at",
    "x-authgear-user-can-reauthenticate",
];

/// What Authgear's resolver would say of a caller.
#[derive(Clone, Copy, Debug)]
pub enum Resolution<'a> {
    /// Something was offered, and none of it lets the caller pass.
    Invalid,
    /// Nothing was offered.
    Nobody,
    /// It is somebody.
    Valid {
        /// Who.
        identity: &'a Identity,
        /// Whether the caller could be asked for a newer sign-in.
        can_sign_in_again: bool,
    },
}

/// The headers by which Authgear's resolver says who calls, each of its names once: those that it would leave out are empty. What
/// Authgear itself says of a person, in a claim of its own, is told as it stands.
pub fn authgear_headers(resolution: Resolution<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let (valid, known) = match resolution {
        Resolution::Invalid => ("false", None),
        Resolution::Nobody => ("", None),
        Resolution::Valid { identity, can_sign_in_again } => {
            ("true", Some((identity, can_sign_in_again)))
        }
    };
    let text = |source: HeaderSource| known.map(|(it, _)| source.text(it)).unwrap_or_default();
    let word = |name: &str, usual: &dyn Fn(&Identity, bool) -> bool| {
        let told =
            known.map(|(it, again)| authgear_claim(it, name).unwrap_or_else(|| usual(it, again)));
        told.map(|fact| fact.to_string()).unwrap_or_default()
    };
    let rows = [
        ("x-authgear-session-valid", valid.to_owned()),
        ("x-authgear-user-id", text(HeaderSource::User)),
        ("x-authgear-user-anonymous", word("is_anonymous", &|_, _| false)),
        ("x-authgear-user-verified", word("is_verified", &|it, _| is_verified(it))),
        ("x-authgear-session-acr", text(HeaderSource::ContextClass)),
        ("x-authgear-session-amr", text(HeaderSource::Methods)),
        ("x-authgear-session-authenticated-at", text(HeaderSource::AuthenticatedAt)),
        ("x-authgear-user-can-reauthenticate", word("can_reauthenticate", &|_, again| again)),
        ("x-authgear-user-roles", text(HeaderSource::Roles)),
    ];
    let field = |(name, text): (&'static str, String)| {
        // What sources write is visible ASCII and inner spaces.
        let value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        (HeaderName::from_static(name), value)
    };
    rows.into_iter().map(field).collect()
}

/// The claims by which Authgear tells, yes or no, what a person is.
pub const AUTHGEAR_CLAIMS: [&str; 3] = ["is_anonymous", "is_verified", "can_reauthenticate"];

/// The claim called `name` by Authgear.
pub fn authgear_claim_path(name: &str) -> ClaimPath {
    ClaimPath::Name(format!("https://authgear.com/claims/user/{name}"))
}

fn authgear_claim(identity: &Identity, name: &str) -> Option<bool> {
    authgear_claim_path(name).find(identity.claims())?.as_bool()
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

    fn told(identity: &Identity, can_sign_in_again: bool) -> Vec<String> {
        lines(Resolution::Valid { identity, can_sign_in_again })
    }

    fn lines(resolution: Resolution<'_>) -> Vec<String> {
        let told = authgear_headers(resolution).into_iter();
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
            told(&ada, true),
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
        assert_eq!(told(&bob, false)[3], "user-verified: false");
        let eve = identity(json!({ "sub": "eve", "phone_number_verified": true }));
        assert_eq!(told(&eve, false)[3], "user-verified: true");
    }

    #[test]
    fn what_authgear_says_of_a_person_is_told_as_it_stands() {
        let guest = identity(json!({
            "sub": "guest", "email_verified": true, "https://authgear.com/claims/user/is_anonymous": true,
            "https://authgear.com/claims/user/is_verified": false,
            "https://authgear.com/claims/user/can_reauthenticate": false,
        }));
        let told = told(&guest, true);
        let expected = ["user-anonymous: true", "user-verified: false"];
        assert_eq!(
            (&told[2..4], &*told[7]),
            (&expected.map(String::from)[..], "user-can-reauthenticate: false")
        );
    }

    /// A name that is left out is one that a client may send itself.
    #[test]
    fn the_resolver_leaves_no_name_out_where_nobody_is_signed_in() {
        let ada = told(&identity(json!({ "sub": "ada" })), true);
        for (resolution, valid) in
            [(Resolution::Nobody, "session-valid: "), (Resolution::Invalid, "session-valid: false")]
        {
            let nobody = lines(resolution);
            assert_eq!((nobody.len(), nobody[0].as_str()), (ada.len(), valid));
            assert!(nobody[1..].iter().all(|line| line.ends_with(": ")), "{nobody:?}");
        }
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
