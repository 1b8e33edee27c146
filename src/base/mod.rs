//! Leaf types that every layer shares. Pure: no IO, no clock, no randomness.

pub mod client_certificate;
pub mod egress;
pub mod host;
pub mod secret;
pub mod time;
