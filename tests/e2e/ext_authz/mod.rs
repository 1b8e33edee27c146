//! The `ext_authz` door: asked by a client that says whatever it likes, and by a real Envoy.

mod by_http;
mod calls;
mod envoy;
mod scene;
mod signing_in;
mod spoofing;
