//! What Envoy is told to change of a request that may pass: fields to set, and fields to remove.
//!
//! The same that the proxy door does by itself: foreign claims to identity go in every spelling, cookies of our own stay here.

use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};

use crate::base::time::Timestamp;
use crate::gate::Permit;
use crate::serve::ext_authz::asked::Asked;
use crate::serve::ext_authz::judge::Id;
use crate::serve::forwarded::{Origin, X_FORWARDED_FOR, X_FORWARDED_PROTO};
use crate::serve::handed::{self, HandedIdentity};
use crate::serve::outbound::kept_here;
use crate::serve::request_id::X_REQUEST_ID;
use crate::serve::runtime::Runtime;
use crate::token::SigningError;

/// See the module's text. No name is both set and removed: Envoy removes last.
#[derive(Debug, Default)]
pub(super) struct Handed {
    /// In place of what the client sent.
    pub(super) set: Vec<(HeaderName, HeaderValue)>,
    pub(super) remove: Vec<HeaderName>,
    /// `Set-Cookie` for the answer of the app.
    pub(super) cookies: Vec<HeaderValue>,
}

impl Handed {
    /// The changes of what was `asked` under `permit`, but for cookies of the answer. A request that has no id gets `id`.
    pub(super) fn of(
        runtime: &Runtime,
        permit: &Permit,
        asked: &Asked,
        id: &Id,
        now: Timestamp,
    ) -> Result<Self, SigningError> {
        let mut handed = Self::default();
        for (name, value) in HandedIdentity::of(runtime, permit, now)?.iter() {
            if value.is_empty() {
                handed.remove.push(name.clone());
            } else {
                handed.set.push((name.clone(), value.clone()));
            }
        }
        handed.strip(runtime, &asked.headers);
        handed.client(asked);
        handed.credentials(runtime, permit, &asked.headers);
        if !asked.headers.contains_key(X_REQUEST_ID) {
            handed.set.push((X_REQUEST_ID, id.header()));
        }
        Ok(handed)
    }

    /// Takes away what only sidegate may say, and what proxies say of a request and its client. What a proxy before Envoy may say is
    /// judged here; the app is told by Envoy alone.
    fn strip(&mut self, runtime: &Runtime, headers: &HeaderMap) {
        let forwarded =
            |name: &HeaderName| runtime.forwarded_names.contains(name) && !is_of_envoy(name);
        for name in headers.keys() {
            if runtime.policy.managed.contains(name) || forwarded(name) {
                self.remove(name);
            }
        }
    }

    /// Tells the app of the client that Envoy met, where that is nobody to be believed: Envoy itself leaves what such a client says of
    /// others in the list, and adds to it.
    fn client(&mut self, asked: &Asked) {
        let Origin { client, trusted, .. } = asked.origin;
        if trusted || !asked.headers.contains_key(X_FORWARDED_FOR) {
            return;
        }
        match client.map(|address| HeaderValue::try_from(address.to_string())) {
            Some(Ok(address)) => self.set.push((X_FORWARDED_FOR, address)),
            _ => self.remove(&X_FORWARDED_FOR),
        }
    }

    fn credentials(&mut self, runtime: &Runtime, permit: &Permit, headers: &HeaderMap) {
        for name in kept_here(permit, &runtime.policy).filter(|name| headers.contains_key(*name)) {
            self.remove(name);
        }
        let mut cookies = headers.get_all(header::COOKIE).iter();
        let (Some(first), second) = (cookies.next(), cookies.next()) else { return };
        let left = handed::cookie(runtime, permit, headers);
        if left.is_empty() {
            self.remove(&header::COOKIE);
        } else if second.is_some() || left != first {
            self.set.push((header::COOKIE, left));
        }
    }

    fn remove(&mut self, name: &HeaderName) {
        if !self.remove.contains(name) && !self.set.iter().any(|(set, _)| set == name) {
            self.remove.push(name.clone());
        }
    }
}

/// Names that Envoy sets itself, whatever its client sent, unless it is told to trust that.
fn is_of_envoy(name: &HeaderName) -> bool {
    [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_REQUEST_ID].contains(name)
}
