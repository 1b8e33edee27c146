//! What a front proxy is handed of a permit: the fields that the app is to get instead of what the client sent.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::base::time::Timestamp;
use crate::gate::Permit;
use crate::serve::outbound;
use crate::serve::runtime::Runtime;
use crate::token::SigningError;

/// Every field by which any route tells an identity, empty where this permit has no value: the proxy sets them all, so that nothing
/// of the client's survives.
pub(crate) fn identity(
    runtime: &Runtime,
    permit: &Permit,
    now: Timestamp,
) -> Result<impl Iterator<Item = (HeaderName, HeaderValue)>, SigningError> {
    let assertion = runtime.assertion(permit, now)?;
    let field = move |name: &HeaderName| {
        let mut of_permit = permit.identity_headers().iter().chain(&assertion);
        let found = of_permit.find(|(known, _)| known == name);
        let value = found.map_or(HeaderValue::from_static(""), |(_, value)| value.clone());
        (name.clone(), value)
    };
    Ok(runtime.policy.identity_headers.iter().map(field))
}

/// The `Cookie` that the app is to get: without cookies of our own, and without tokens that the route keeps here; empty if nothing
/// is left.
pub(crate) fn cookie(runtime: &Runtime, permit: &Permit, headers: &HeaderMap) -> HeaderValue {
    let left = outbound::app_cookies(headers, permit, &runtime.policy);
    HeaderValue::from_bytes(&left).unwrap_or(HeaderValue::from_static(""))
}
