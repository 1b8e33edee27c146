//! What the end-to-end tests start and talk to. Everything listens on loopback, on ports that the system picks.

pub(crate) mod certificates;
pub(crate) mod command;
pub(crate) mod forgeries;
pub(crate) mod held;
pub(crate) mod html;
pub(crate) mod http;
pub(crate) mod jar;
pub(crate) mod key_server;
pub(crate) mod metrics;
pub(crate) mod misbehaving;
pub(crate) mod nginx;
pub(crate) mod node;
pub(crate) mod oidc_provider;
pub(crate) mod peer;
pub(crate) mod person;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod site;
pub(crate) mod stage;
pub(crate) mod tokens;
pub(crate) mod upstream;
pub(crate) mod webdriver;
pub(crate) mod wire;
