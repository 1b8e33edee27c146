//! The gate's decisions, from a request to its answer; one file for each subject, one place that knows the gate's interface.

mod access;
mod bearer;
mod confirmation;
mod cookies;
mod credentials;
mod dpop;
mod fixture;
mod hosts;
mod identity_headers;
mod introspection;
mod keys;
mod navigation;
mod optional;
mod paths;
mod preflight;
mod properties;
mod providers;
mod remembered;
mod renewal;
mod resolver;
mod session;
mod shared;
mod silent;
mod step_up;
mod terms;
mod upgrades;
