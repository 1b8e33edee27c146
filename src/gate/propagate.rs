//! Header names that only sidegate may set: removed from every request, in every spelling that some server folds together.

use std::collections::HashSet;

use ahash::RandomState;
use http::header::{HeaderMap, HeaderName};
use smallvec::SmallVec;

/// Identity headers of this and other products: whoever sends one is no authority on it.
const BUILT_IN: &[&str] = &[
    "cf-access-authenticated-user-email",
    "cf-access-jwt-assertion",
    "oidc-access-token",
    "oidc-claim-email",
    "oidc-claim-sub",
    "remote-email",
    "remote-groups",
    "remote-name",
    "remote-user",
    "ssl-client-cert",
    "ssl-client-dn",
    "ssl-client-s-dn",
    "ssl-client-subject-dn",
    "ssl-client-verify",
    "x-access-token",
    "x-amzn-oidc-accesstoken",
    "x-amzn-oidc-data",
    "x-amzn-oidc-identity",
    "x-auth-email",
    "x-auth-groups",
    "x-auth-request-access-token",
    "x-auth-request-email",
    "x-auth-request-groups",
    "x-auth-request-preferred-username",
    "x-auth-request-redirect",
    "x-auth-request-user",
    "x-auth-roles",
    "x-auth-user",
    "x-auth-username",
    "x-authenticated-user",
    "x-authenticated-userid",
    "x-authgear-session-acr",
    "x-authgear-session-amr",
    "x-authgear-session-authenticated-at",
    "x-authgear-session-valid",
    "x-authgear-user-anonymous",
    "x-authgear-user-can-reauthenticate",
    "x-authgear-user-id",
    "x-authgear-user-roles",
    "x-authgear-user-verified",
    "x-authentik-email",
    "x-authentik-groups",
    "x-authentik-jwt",
    "x-authentik-name",
    "x-authentik-uid",
    "x-authentik-username",
    "x-client-cert",
    "x-client-verify",
    "x-consumer-custom-id",
    "x-consumer-id",
    "x-consumer-username",
    "x-email",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-original-path",
    "x-forwarded-access-token",
    "x-forwarded-client-cert",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-forwarded-roles",
    "x-forwarded-user",
    "x-goog-authenticated-user-email",
    "x-goog-authenticated-user-id",
    "x-goog-iap-jwt-assertion",
    "x-groups",
    "x-jwt-assertion",
    "x-ms-client-principal",
    "x-ms-client-principal-id",
    "x-ms-client-principal-name",
    "x-ms-token-aad-access-token",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-pomerium-assertion",
    "x-pomerium-claim-email",
    "x-pomerium-jwt-assertion",
    "x-remote-email",
    "x-remote-group",
    "x-remote-groups",
    "x-remote-user",
    "x-rewrite-url",
    "x-roles",
    "x-sidegate-assertion",
    "x-skipper-proxy",
    "x-ssl-client-cert",
    "x-ssl-client-dn",
    "x-ssl-client-verify",
    "x-token-email",
    "x-token-subject",
    "x-user",
    "x-user-email",
    "x-user-groups",
    "x-user-id",
    "x-user-roles",
    "x-username",
    "x-vouch-user",
    "x-webauth-email",
    "x-webauth-groups",
    "x-webauth-name",
    "x-webauth-role",
    "x-webauth-user",
];

/// Names that begin like this are another product's alone, those of its future versions too; folded.
const PREFIXES: &[&[u8]] = &[X_AUTHGEAR];

const X_AUTHGEAR: &[u8] = b"x-authgear-";

/// Whether `name` is one by which Authgear's resolver speaks, in any spelling.
pub fn is_authgears(name: &HeaderName) -> bool {
    begins(name.as_str().as_bytes(), X_AUTHGEAR)
}

/// Whether `name` is longer than `prefix`, which is folded, and begins with it.
fn begins(name: &[u8], prefix: &[u8]) -> bool {
    name.len() > prefix.len() && prefix.iter().zip(name).all(|(a, b)| *a == fold(*b))
}

/// Names by which some frameworks let a header replace the method; they would undo rules on methods.
pub const METHOD_OVERRIDES: &[&str] =
    &["x-http-method", "x-http-method-override", "x-method-override"];

/// The longest name that is managed.
const MAX_NAME: usize = 64;

/// A set of header names, each in all spellings that fold to the same CGI variable
/// ([RFC 3875 §4.1.18](https://www.rfc-editor.org/rfc/rfc3875#section-4.1.18)).
#[derive(Debug)]
pub struct ManagedNames {
    folded: HashSet<Box<[u8]>, RandomState>,
    /// How further names begin, folded.
    prefixes: &'static [&'static [u8]],
    /// Bit n: some name has n bytes. Most names of a request fail here.
    lengths: u128,
}

impl ManagedNames {
    /// The built-in names and `more`; with `methods_count`, names that replace the method too.
    pub fn new<'n>(more: impl IntoIterator<Item = &'n HeaderName>, methods: MethodRules) -> Self {
        let overrides = match methods {
            MethodRules::None => &[][..],
            MethodRules::Some => METHOD_OVERRIDES,
        };
        let mut names = Self { prefixes: PREFIXES, ..Self::of(BUILT_IN) };
        let more = more.into_iter().map(HeaderName::as_str);
        overrides.iter().copied().chain(more).for_each(|name| names.insert(name));
        names
    }

    /// Just `names`.
    pub fn of(names: &[&str]) -> Self {
        let mut set = Self { folded: HashSet::default(), prefixes: &[], lengths: 0 };
        names.iter().for_each(|name| set.insert(name));
        set
    }

    fn insert(&mut self, name: &str) {
        self.lengths |= 1 << name.len().min(127);
        self.folded.insert(name.bytes().map(fold).collect());
    }

    /// Whether only sidegate may set `name`.
    pub fn contains(&self, name: &HeaderName) -> bool {
        let bytes = name.as_str().as_bytes();
        if self.prefixes.iter().any(|prefix| begins(bytes, prefix)) {
            return true;
        }
        if self.lengths & 1 << bytes.len().min(127) == 0 {
            return false;
        }
        if bytes.len() > MAX_NAME {
            return self
                .folded
                .contains(bytes.iter().copied().map(fold).collect::<Vec<_>>().as_slice());
        }
        let mut folded = [0; MAX_NAME];
        folded.iter_mut().zip(bytes).for_each(|(to, from)| *to = fold(*from));
        self.folded.contains(&folded[..bytes.len()])
    }

    /// Every name, in lower case and with `-`, sorted.
    pub fn names(&self) -> Vec<String> {
        let text = |name: &[u8]| name.iter().copied().map(char::from).collect::<String>();
        let mut names: Vec<String> = self.folded.iter().map(|name| text(name)).collect();
        names.sort_unstable();
        names
    }

    /// The names in `headers` that must go.
    pub fn found_in(&self, headers: &HeaderMap) -> SmallVec<[HeaderName; 4]> {
        headers.keys().filter(|name| self.contains(name)).cloned().collect()
    }
}

/// Whether any route of a policy names methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodRules {
    /// None does.
    None,
    /// At least one does.
    Some,
}

/// Some servers turn only `-` into `_` for CGI, PHP `.` too, lighttpd and older Apaches whatever is no letter or digit.
const fn fold(b: u8) -> u8 {
    if b.is_ascii_alphanumeric() { b.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn managed(name: &str) -> bool {
        let own = [
            HeaderName::from_static("x-dept"),
            HeaderName::from_bytes("x-long-".repeat(20).as_bytes()).unwrap(),
        ];
        ManagedNames::new(&own, MethodRules::None)
            .contains(&HeaderName::from_bytes(name.as_bytes()).unwrap())
    }

    /// CVE-2025-64484, CVE-2026-54763 and their kin.
    #[test]
    fn every_spelling_that_folds_to_the_same_variable_is_managed() {
        for name in [
            "X-Auth-Request-User",
            "x_auth_request_user",
            "X-Auth_Request-User",
            "X.Auth.Request.User",
            "x-auth.request_user",
            "X~Auth!Request+User",
            "x'auth|request*user",
            "X-Dept",
            "X_DEPT",
            &"x.long_".repeat(20),
            "x-authgear-user-roles",
            "X_Authgear.Whatever-Comes",
        ] {
            assert!(managed(name), "{name}");
        }
    }

    #[test]
    fn each_name_is_listed_once_in_its_plain_spelling() {
        assert_eq!(
            ManagedNames::of(&["x-user", "X_User", "remote-user"]).names(),
            ["remote-user", "x-user"]
        );
    }

    #[test]
    fn other_names_are_left_alone() {
        for name in [
            "accept",
            "x-auth-request-userx",
            "x-authgear-",
            "x-authgear",
            "x-authrequest-user",
            "x-dep",
            "cookie",
            "x-http-method-override",
        ] {
            assert!(!managed(name), "{name}");
        }
    }

    #[test]
    fn names_that_replace_the_method_are_managed_where_methods_matter() {
        let names = ManagedNames::new(&[], MethodRules::Some);
        assert!(names.contains(&HeaderName::from_static("x-http-method-override")));
    }
}
