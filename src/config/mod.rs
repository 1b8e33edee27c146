//! The configuration: from a YAML file to typed settings, or to all that is wrong with it.

mod path;
mod problem;
mod units;
mod yaml;
