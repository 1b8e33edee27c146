//! What a proxied request costs beside other proxies, and what sidegate weighs.
//!
//! Starts every server itself, on free ports of the loopback interface, and prints tables; docs/performance.md explains the
//! method. A peer that is not installed is skipped by name. Exits with 1 only if a case did not answer 2xx or could not run.

mod bare;
mod cases;
mod client;
mod distinct;
mod load;
mod material;
mod options;
mod peers;
mod process;
mod questions;
mod report;
mod size;
mod startup;
mod stored;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;

use options::{Command, Options};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Command::parse(std::env::args().skip(1)).and_then(obey) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            report::complain(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Whether every answer was 2xx.
fn obey(command: Command) -> Result<bool> {
    match command {
        Command::Bare { port, upstream } => bare::serve(port, upstream),
        Command::Measure(options) => measure(&options),
        Command::Nothing => {
            report::say("nothing measured: run `cargo bench --bench proxy`");
            Ok(true)
        }
    }
}

fn measure(options: &Options) -> Result<bool> {
    process::stay_off_the_server_core();
    let workspace = workspace::Workspace::new()?;
    let material = material::Material::make(workspace.folder())?;
    let upstream = peers::upstream(&workspace, &material)?;
    let redis = stored::redis(&workspace, &material)?;
    let world = peers::World { workspace, material, upstream, redis };
    let sections = [cases::run, size::run, distinct::run, startup::run];
    let mut fine = true;
    for section in sections {
        fine &= section(&world, options)?;
    }
    Ok(fine)
}
