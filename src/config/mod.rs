//! The configuration: from a YAML file to typed settings, or to all that is wrong with it.
//!
//! [`load`] reads the text (`yaml`), checks it against the schema of the file (`structure`), and compiles
//! it (`compile`). Each stage tells all problems it finds, with key, line and remedy. What does not fit the schema is mended or
//! set aside (`mend`), so that the next stage can look at the rest. `check`, `run` and a reload all come through here. Nothing is opened or fetched over the network.

mod compile;
mod file;
mod inputs;
mod mend;
mod path;
mod problem;
mod schema;
mod secret;
mod structure;
pub mod types;
mod units;
mod yaml;

pub use problem::{Problem, Problems, Warnings};
pub use schema::schema;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::config::file::File;
use crate::config::inputs::Inputs;
use crate::config::problem::Report;
use crate::serve::settings::Settings;

/// A configuration that holds.
#[derive(Debug)]
pub struct Loaded {
    /// What the program is to run with.
    pub settings: Settings,
    /// What is worth a second look.
    pub warnings: Warnings,
    /// The files beside the configuration that it was made from: a change of one of them changes it. Certificates and key sets,
    /// which are watched by those who use them, are not among them.
    pub files: Vec<PathBuf>,
    /// What the types of providers set where the file says nothing.
    pub filled: Vec<types::Filled>,
}

/// Loads the configuration file at `path`. Relative paths in it begin at its directory; secrets may come from the environment of
/// the process.
///
/// # Errors
///
/// All [`Problems`] of the file, also when it cannot be read.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    let name = path.display().to_string();
    let refuse = |problem| Problems::new(&name, vec![problem]);
    let bytes = read(path).map_err(|error| {
        let message = format!("cannot read the file: {}", inputs::reason(&error));
        refuse(Problem::of_file(
            message,
            "name the file with -c, readable for the user that sidegate runs as",
        ))
    })?;
    let text = String::from_utf8(bytes).map_err(|error| refuse(not_text(&error)))?;
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    compile_text(&name, &text, Inputs::new(directory, |name| env::var(name).ok()))
}

/// The bytes of the file, which may be a pipe; one byte more than is accepted says that there is more.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(yaml::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Loads the configuration in `text`, which messages call `name`. Relative paths begin at `directory`; variables come from
/// `environment`.
///
/// # Errors
///
/// All [`Problems`] of the text.
pub fn load_text(
    name: &str,
    text: &str,
    directory: &Path,
    environment: impl Fn(&str) -> Option<String> + 'static,
) -> Result<Loaded, Problems> {
    compile_text(name, text, Inputs::new(directory, environment))
}

fn compile_text(name: &str, text: &str, mut inputs: Inputs) -> Result<Loaded, Problems> {
    let yaml::Document { mut value, lines, problems } =
        yaml::parse(text).map_err(|problems| Problems::new(name, problems))?;
    let mut report = Report::new(lines);
    problems.into_iter().for_each(|problem| report.add(problem));
    let aside = mend::mend(&schema::SCHEMA, &mut value, &mut report);
    let filled = types::fill(&mut value);
    let mut compiling = report.beside();
    let settings = typed(value, &mut compiling)
        .and_then(|file| compile::compile(file, &mut inputs, &mut compiling));
    report.join(compiling, |path| !aside.may_concern(path));
    let settings = settings.filter(|_| report.is_clean());
    let (problems, warnings) = report.into_parts();
    match settings {
        Some(settings) => Ok(Loaded {
            settings,
            warnings: Warnings::new(name, warnings),
            files: inputs.into_files(),
            filled,
        }),
        None => Err(Problems::new(name, problems).with_inputs(inputs.into_files())),
    }
}

/// The typed file. What the schema lets through can be read; if that were ever untrue, the reader's own words must do.
fn typed(value: serde_json::Value, report: &mut Report) -> Option<File> {
    let read = serde_json::from_value(value);
    read.map_err(|error| {
        let message = format!("cannot be understood: {error}");
        report.refuse(
            &path::KeyPath::root(),
            message,
            "compare it with the reference, config.yaml",
        );
    })
    .ok()
}

fn not_text(error: &std::string::FromUtf8Error) -> Problem {
    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = good.iter().filter(|b| **b == b'\n').count() + 1;
    Problem::at_line(line, "is not UTF-8 text", "save the file as UTF-8")
}

#[cfg(test)]
mod tests;
