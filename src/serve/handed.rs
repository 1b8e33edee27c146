//! What a front proxy is handed of a permit: the fields that the app is to get instead of what the client sent.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::base::field_line;
use crate::base::time::Timestamp;
use crate::gate::{IdentityFields, Permit};
use crate::serve::outbound;
use crate::serve::runtime::Runtime;
use crate::token::SigningError;

/// Every field by which any route tells an identity, empty where a permit has no value: the proxy sets them all, so that nothing of
/// the client's survives.
#[derive(Debug)]
pub(crate) struct HandedIdentity {
    fields: IdentityFields,
    assertion: Option<(HeaderName, HeaderValue)>,
}

static EMPTY: HeaderValue = HeaderValue::from_static("");

impl HandedIdentity {
    /// The fields for `permit`; an error where its assertion cannot be signed.
    pub(crate) fn of(
        runtime: &Runtime,
        permit: &Permit,
        now: Timestamp,
    ) -> Result<Self, SigningError> {
        let assertion = runtime.assertion(permit, now)?;
        let fields = permit.identity_fields().cloned();
        let nobody = || IdentityFields::nobody(&runtime.policy.identity_headers);
        Ok(Self { fields: fields.unwrap_or_else(nobody), assertion })
    }

    /// Each of them, once.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        let set = self.fields.set().iter().map(|(name, value)| (name, value));
        set.chain(self.without_claim())
    }

    /// Each of them as a line.
    pub(crate) fn write(&self, lines: &mut Vec<u8>) {
        lines.extend_from_slice(self.fields.lines());
        for (name, value) in self.without_claim() {
            field_line::append(lines, name, value);
        }
    }

    /// Those for which the caller has no value, the assertion among them.
    fn without_claim(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        let signed = |name: &HeaderName| self.assertion.as_ref().filter(|(known, _)| known == name);
        let value = move |name| signed(name).map_or(&EMPTY, |(_, value)| value);
        self.fields.unset().iter().map(move |name| (name, value(name)))
    }
}

/// The `Cookie` that the app is to get: without cookies of our own, and without tokens that the route keeps here; empty if nothing
/// is left.
pub(crate) fn cookie(runtime: &Runtime, permit: &Permit, headers: &HeaderMap) -> HeaderValue {
    let left = outbound::app_cookies(headers, permit, &runtime.policy);
    HeaderValue::from_bytes(&left).unwrap_or(HeaderValue::from_static(""))
}
