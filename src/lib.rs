//! Sidegate: an authentication reverse proxy.
pub mod base;
pub mod serve;
pub mod telemetry;
