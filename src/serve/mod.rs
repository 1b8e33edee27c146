//! Inbound IO: accepts connections, has each request judged, forwards what may pass and answers the rest.
//!
//! [`Bound`] listens, so that bind errors come before anything else; [`Server`] serves, reloads and stops.

pub mod drain;
mod edge_session;
pub mod ext_authz;
pub mod guard;
mod hook;
pub mod keys;
pub mod listener;
pub(crate) mod screen;
pub mod settings;
pub mod tls;

mod admin;
mod answer;
mod answers;
mod app_links;
mod assertions;
mod callers;
mod context;
mod failure;
mod field_lines;
mod forward_auth;
pub(crate) mod forwarded;
mod gatekeeper;
mod handed;
mod inlet;
mod observer;
mod outbound;
mod own;
pub mod pages;
mod proxy;
mod readiness;
mod reception;
mod reply;
mod request_id;
mod runtime;
mod server;
mod story;
mod terms;
mod upstream;
mod view;
mod watch;

pub use forward_auth::{Dialect, Original, SubRequest};
pub use runtime::StartError;
pub use server::{Bound, ListenError, Server};
