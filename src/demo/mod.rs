//! What `sidegate demo` shows: a login service and an app to put sidegate between, in one process, on loopback, offline.
//!
//! The login service stands for the one a company already has: it is a small OpenID provider, sets an SSO cookie that is a
//! JWT for those who come for that, and publishes its keys. The echo app stands for any app that knows nothing of SSO. Nothing that sidegate itself runs on lives
//! here, and nothing here is fit for production: the passwords are printed on the page.

mod addresses;
mod echo;
mod fields;
mod introduction;
mod keys;
mod login;
mod page;
mod people;
mod provider;
mod responses;
mod return_address;
mod site;
mod tokens;

pub use addresses::{Addresses, Secrets};
pub use echo::EchoApp;
pub use introduction::introduction;
pub use login::LoginService;
pub use site::{Answer, Errand, Request, Site, serve};
