//! The gate's decisions, from a request to its answer; one file for each subject, one place that knows the gate's interface.

mod access;
mod bearer;
mod cookies;
mod credentials;
mod fixture;
mod identity_headers;
mod keys;
mod navigation;
mod optional;
mod paths;
mod preflight;
mod properties;
mod providers;
mod remembered;
mod upgrades;
