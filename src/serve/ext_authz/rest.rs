//! Fields of one name that Envoy has joined by commas, taken apart where they carry credentials: two tokens must not be judged as
//! one that is malformed, nor a cookie of ours be overlooked behind another's.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use smallvec::{SmallVec, smallvec};

use crate::gate::{Policy, Provider, Reason};

static AUTHORIZATION: HeaderName = header::AUTHORIZATION;
static COOKIE: HeaderName = header::COOKIE;

/// What `value` of the field `name` was before it was joined, as far as that matters.
fn parts_of(policy: &Policy, name: &HeaderName, value: Bytes) -> SmallVec<[Bytes; 2]> {
    if !value.contains(&b',') {
        return smallvec![value];
    }
    if name == header::AUTHORIZATION {
        return split(&value, begins_with_scheme);
    }
    if name == header::COOKIE {
        return split(&value, |rest| begins_with_credential(policy, rest));
    }
    let carries_token = policy.providers.iter().any(|provider| provider.headers.contains(name));
    if carries_token { split(&value, |_| true) } else { smallvec![value] }
}

/// Takes apart what was joined in `headers`.
///
/// # Errors
/// Where that makes more fields than there can be.
pub(super) fn take_apart(policy: &Policy, headers: &mut HeaderMap) -> Result<(), Reason> {
    let carriers = policy.providers.iter().flat_map(|provider| &provider.headers);
    for name in [&AUTHORIZATION, &COOKIE].into_iter().chain(carriers) {
        if !headers.get_all(name).iter().any(|value| value.as_bytes().contains(&b',')) {
            continue;
        }
        let values: Vec<HeaderValue> = headers.get_all(name).iter().cloned().collect();
        headers.remove(name);
        for value in values {
            add(policy, headers, name, Bytes::copy_from_slice(value.as_bytes()))?;
        }
    }
    Ok(())
}

/// Adds `value` to `headers` under `name`, taken apart.
///
/// # Errors
/// Where it is no value, which Envoy does not pass on, or makes too many.
pub(super) fn add(
    policy: &Policy,
    headers: &mut HeaderMap,
    name: &HeaderName,
    value: Bytes,
) -> Result<(), Reason> {
    for part in parts_of(policy, name, value) {
        let part = HeaderValue::from_maybe_shared(part).map_err(|_| Reason::ForwardedIncomplete)?;
        let added = headers.try_append(name.clone(), part);
        added.map_err(|_| Reason::HeadersTooLarge)?;
    }
    Ok(())
}

/// `value`, cut at each comma behind which another field begins.
fn split(value: &Bytes, begins: impl Fn(&[u8]) -> bool) -> SmallVec<[Bytes; 2]> {
    let mut parts = SmallVec::<[Bytes; 2]>::new();
    let mut start = 0;
    for (index, _) in value.iter().enumerate().filter(|(_, b)| **b == b',') {
        if begins(value[index + 1..].trim_ascii_start()) {
            parts.push(value.slice(start..index));
            start = index + 1;
        }
    }
    parts.push(value.slice(start..));
    parts.into_iter().map(|part| part.slice_ref(part.trim_ascii())).collect()
}

/// Whether another credential begins here, and not a parameter such as `realm="x"` of the last one
/// ([RFC 9110 §11.4](https://www.rfc-editor.org/rfc/rfc9110#section-11.4)).
fn begins_with_scheme(rest: &[u8]) -> bool {
    let word = rest.split(|b| matches!(b, b' ' | b',' | b'=')).next().unwrap_or_default();
    let behind = rest.get(word.len());
    !word.is_empty() && behind != Some(&b'=')
}

/// Whether a pair begins here whose name is that of a credential.
fn begins_with_credential(policy: &Policy, rest: &[u8]) -> bool {
    let name = rest.split(|b| matches!(b, b'=' | b';' | b',')).next().unwrap_or_default();
    let carries = |known: &String| known.as_bytes() == name;
    let mut cookies = policy.providers.iter().flat_map(Provider::cookie_names);
    policy.is_own_cookie(name) || cookies.any(carries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_authorization(value: &'static str) -> Vec<Bytes> {
        split(&Bytes::from_static(value.as_bytes()), begins_with_scheme).into_vec()
    }

    #[test]
    fn two_credentials_are_two() {
        for value in ["Bearer a,Bearer b", "Bearer a, Bearer b", "Basic a,DPoP b", "Bearer a,b"] {
            assert_eq!(split_authorization(value).len(), 2, "{value}");
        }
        assert_eq!(split_authorization("Bearer a,Bearer b"), ["Bearer a", "Bearer b"]);
        assert_eq!(split_authorization("Bearer a,Bearer b,Bearer c").len(), 3);
        assert_eq!(split_authorization("Bearer a,,"), ["Bearer a,,"]);
    }

    #[test]
    fn the_parameters_of_one_credential_stay_together() {
        let value = "Digest username=\"ada\", realm=\"r\",nc=1";
        assert_eq!(split_authorization(value), [value]);
        assert_eq!(split_authorization("Bearer a"), ["Bearer a"]);
        assert_eq!(split_authorization(""), [""]);
    }

    #[test]
    fn a_value_is_cut_where_another_begins_and_nowhere_else() {
        let begins = |rest: &[u8]| rest.starts_with(b"sso=");
        let parts = split(&Bytes::from_static(b"a=1,2; b={\"c\":1,\"d\":2}, sso=x,sso=y"), begins);
        assert_eq!(parts.into_vec(), ["a=1,2; b={\"c\":1,\"d\":2}", "sso=x", "sso=y"]);
    }
}
