//! Single sign-on of Auth0, Authgear, Mosaic and Okta through sidegate: what their documents promise, played through with strict stand-ins,
//! by TLS and at names of the [edge](crate::support::edge), as outside.
//!
//! The names of the tests are those of the acceptance scenarios: `s_ag1` to `s_ag8` are Authgear's, `s_z1` to `s_z3` Auth0's, `s_k1` to
//! `s_k4` Okta's, `s_t1` to `s_t4` Mosaic's, `s_x1` and `s_x2` of several providers at once.

mod app;
mod auth0;
mod auth0_logout;
mod auth0_tokens;
mod authgear;
mod browser;
mod edge;
mod exchange;
mod independent;
mod mixed;
mod mosaic;
mod mosaic_back_channel;
mod mosaic_limits;
mod mosaic_replicas;
mod mosaic_stand;
mod okta;
mod okta_logout;
mod okta_native;
mod tenant_checks;
mod tenants;
mod transcripts;
mod types;
