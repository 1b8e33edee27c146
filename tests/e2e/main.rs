//! The real program with real parts around it: providers, upstreams, clients and a browser. A list of modules.

mod demo;
mod peers;
mod support;
