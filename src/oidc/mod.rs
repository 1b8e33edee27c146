//! OpenID Connect and OAuth messages of a relying party: built, and parsed. Pure: nothing is sent, the time and every random
//! value are parameters.
//!
//! What comes from a browser or a provider enters through a `parse` or `verify` that returns a narrower type; what must not
//! be printed stays a [`Secret`](crate::base::secret::Secret). When to send what is decided elsewhere.

pub mod authorization;
pub mod backend_session;
pub mod client;
pub mod discovery;
#[cfg(test)]
mod fixture;
mod form;
pub mod grant;
pub mod id_token;
pub mod introspection;
pub mod logout;
mod parameters;
pub mod pushed;
pub mod resolver;
pub mod revocation;
pub mod userinfo;
pub mod webhook;

pub use form::{FORM_MEDIA_TYPE, Form};
