//! `sidegate snippet`: the configuration of a front proxy, filled in from Sidegate's own.

mod facts;
mod kind;
mod render;

use anyhow::anyhow;

use self::facts::Facts;
use self::kind::Kind;
use crate::cli::output::print;
use crate::cli::{ConfigFile, Failure};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The proxy in front
    #[arg(value_enum)]
    kind: Kind,
    #[command(flatten)]
    config: ConfigFile,
    /// One file of several, by its name; left out: all of them, each below its name
    #[arg(long, value_name = "FILE")]
    part: Option<String>,
}

pub(crate) fn main(arguments: &Arguments) -> Result<(), Failure> {
    let kind = arguments.kind;
    // A misspelt part is told before anything about the configuration.
    let files = match &arguments.part {
        Some(name) => vec![kind.file(name).ok_or_else(|| unknown_part(kind, name))?],
        None => kind.files().iter().collect(),
    };
    let loaded = arguments.config.load()?;
    let facts = Facts::new(&loaded.settings, kind);
    for warning in &facts.warnings {
        eprintln!("sidegate: warning: {warning}");
    }
    let text = match files.as_slice() {
        [only] => render::file(only, &facts)?,
        several => render::files(several, &facts)?,
    };
    Ok(print(&text)?)
}

fn unknown_part(kind: Kind, name: &str) -> Failure {
    let names: Vec<&str> = kind.files().iter().map(|file| file.name).collect();
    Failure::Usage(anyhow!("there is no part `{name}`; expected one of {}", names.join(", ")))
}

#[cfg(test)]
mod tests;
