//! The real program with real parts around it: providers, upstreams, clients and a browser. A list of modules.

#![allow(
    clippy::unwrap_used,
    reason = "all of it is test code, which `allow-unwrap-in-tests` sees in test functions only"
)]

mod demo;
mod peers;
mod proxy;
mod support;
