//! `sidegate schema`: the JSON Schema of the configuration file.

use crate::cli::Failure;
use crate::cli::output::print;
use crate::config;

pub(crate) fn main() -> Result<(), Failure> {
    Ok(print(&format!("{}\n", config::schema().trim_end()))?)
}
