//! `sidegate schema`: the JSON Schema of the configuration file.

use crate::cli::Failure;
use crate::cli::output::print;
use crate::config;

pub(crate) fn main() -> Result<(), Failure> {
    let schema = serde_json::to_string_pretty(&config::schema())?;
    Ok(print(&format!("{schema}\n"))?)
}
