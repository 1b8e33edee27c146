//! Leaf types that every layer shares. Pure: no IO, no clock, no randomness.

pub mod client_certificate;
pub mod cookie;
pub mod egress;
pub(crate) mod field_line;
pub mod host;
pub mod prompt;
pub mod scheme;
pub mod secret;
pub mod time;
