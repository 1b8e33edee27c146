//! The configuration: from a YAML file to typed settings, or to all that is wrong with it.

mod file;
mod path;
mod problem;
mod schema;
mod structure;
mod units;
mod yaml;

pub use schema::schema;
