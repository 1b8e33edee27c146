//! Sidegate: an authentication reverse proxy.
//!
//! A request comes in (`serve`), is judged (`gate`) by what it carries (`token`) and turns out to be someone (`identity`); what must
//! be fetched is fetched (`remote`); what happened is told (`telemetry`). ARCHITECTURE.md has the map and the layering rule.

pub mod base;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod gate;
pub mod identity;
pub mod oidc;
pub mod remote;
pub mod serve;
pub mod session;
pub mod telemetry;
pub mod token;
