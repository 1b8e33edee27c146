//! Tokens and keys as the standards, other libraries and attackers write them, through the public interface.
//!
//! Each attack is named for its advisory or its class. What single functions do is tested beside them.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod attacks;
mod foreign;
mod rfc;
mod selection;
mod support;
