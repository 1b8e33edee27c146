//! Sidegate: an authentication reverse proxy.
pub mod base;
pub mod clock;
pub mod gate;
pub mod remote;
pub mod token;
