//! The command line: what can be asked of the program, and the exit codes: 0 fine, 1 failed, 2 bad usage or bad configuration.

mod check;
mod demo;
mod explain;
mod keys;
mod notify;
mod output;
mod run;
mod schema;
mod sessions;
mod snippet;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config;
use crate::serve::tls;

/// An authentication proxy: checks SSO cookies and bearer tokens at the edge and tells the app who is calling.
#[derive(Debug, Parser)]
#[command(name = "sidegate", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a configuration file by the same code that `run` uses, and say everything that is wrong with it
    Check(check::Arguments),
    /// Start a login service, an app and sidegate before it, on this machine alone, to try things out
    Demo(demo::Arguments),
    /// Show step by step what would be decided for a request, and why, and which headers would go upstream
    Explain(explain::Arguments),
    /// Make a new key: for sessions or for signed assertions
    Keys(keys::Arguments),
    /// Run the proxy
    Run(run::Arguments),
    /// Print the JSON Schema of the configuration file, for editors
    Schema,
    /// List or end the sessions of a store that replicas share
    Sessions(sessions::Arguments),
    /// Print the configuration of a proxy in front that asks sidegate, filled in from the configuration file
    Snippet(snippet::Arguments),
}

/// Why a command ended without success.
enum Failure {
    /// The configuration is wrong: every problem with line and remedy.
    Configuration(config::Problems),
    /// Something else went wrong.
    Other(anyhow::Error),
    /// The command line asks for something that cannot be.
    Usage(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    tls::install_crypto();
    // Bad usage ends here, with exit code 2 and an explanation.
    let done = match Arguments::parse().command {
        Command::Check(arguments) => check::main(&arguments),
        Command::Demo(arguments) => demo::main(&arguments),
        Command::Explain(arguments) => explain::main(&arguments),
        Command::Keys(arguments) => keys::main(&arguments),
        Command::Run(arguments) => run::main(&arguments),
        Command::Schema => schema::main(),
        Command::Sessions(arguments) => sessions::main(&arguments),
        Command::Snippet(arguments) => snippet::main(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Configuration(problems)) => {
            eprintln!("{problems}");
            ExitCode::from(2)
        }
        Err(Failure::Other(error)) => {
            eprintln!("sidegate: {error:#}");
            ExitCode::FAILURE
        }
        Err(Failure::Usage(error)) => {
            eprintln!("sidegate: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Which configuration file a command is about.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration file
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = "config.yaml")]
    path: PathBuf,
}

impl ConfigFile {
    /// Reads it, and tells its warnings.
    fn load(&self) -> Result<config::Loaded, Failure> {
        let loaded = config::load(&self.path).map_err(Failure::Configuration)?;
        if !loaded.warnings.is_empty() {
            eprintln!("{}", loaded.warnings);
        }
        Ok(loaded)
    }
}
