//! The real program with real parts around it: providers, upstreams, clients and a browser. A list of modules.

#![allow(
    clippy::unwrap_used,
    reason = "all of it is test code, which `allow-unwrap-in-tests` sees in test functions only"
)]

mod admin;
mod assertions;
mod both_ways;
mod browser_pages;
mod browser_sign_in;
mod command_line;
mod compatible;
mod compatible_nginx;
mod conformance;
mod connections;
mod credentials;
mod deadlines;
mod demo;
mod deploying;
mod doors;
mod explaining;
mod ext_authz;
mod forward_auth;
mod forward_auth_http2;
mod forward_auth_spoofing;
mod forwarded;
mod framing;
mod fronts;
mod hosts;
mod http2;
mod http2_floods;
mod identity_headers;
mod keys;
mod limits;
mod logs;
mod paths;
mod peers;
mod possession;
mod proxy;
mod proxying;
mod redirects;
mod reloading;
mod relying_party;
mod relying_party_faults;
mod relying_party_peers;
mod remembered;
mod replicas;
mod sign_out;
mod socket_activation;
mod stopping;
mod streaming;
mod support;
mod tls;
mod under_load;
mod upgrades;
mod upstreams;
mod vendors;
mod websockets;
