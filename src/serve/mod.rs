//! Inbound IO: the only modules that accept connections.

pub mod admin;
pub mod drain;
pub mod guard;
pub mod listener;
pub mod tls;
