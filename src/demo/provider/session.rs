//! Who is signed in at the provider, browser by browser.

use super::super::people::Person;
use super::super::tokens::Strength;
use crate::base::time::Timestamp;

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(super) struct SignedIn {
    /// The name of the session in tokens, which is not the one in the cookie.
    pub(super) sid: String,
    pub(super) person: &'static Person,
    /// When the password was typed last.
    pub(super) since: Timestamp,
    pub(super) strength: Strength,
    /// Whether the client was given tokens, so that it must be told of the end.
    pub(super) is_known_to_client: bool,
}
