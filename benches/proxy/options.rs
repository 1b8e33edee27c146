//! The command line of the benchmark.

use std::net::SocketAddr;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

/// What this process is to do.
pub(crate) enum Command {
    /// Be the bare pingora proxy: the benchmark starts itself again for that.
    Bare {
        /// Where to listen, on 127.0.0.1.
        port: u16,
        /// Where to send everything.
        upstream: SocketAddr,
    },
    /// Run the benchmark.
    Measure(Options),
    /// Started by `cargo test --all-targets`, which is no place to measure.
    Nothing,
}

/// How long and what to measure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Rounds over all cases; the table shows the median.
    pub(crate) rounds: usize,
    /// How long each case is loaded in each round.
    pub(crate) seconds: u64,
    /// How many distinct tokens the identity cache meets.
    pub(crate) tokens: u64,
    /// How many idle connections are held.
    pub(crate) connections: usize,
    /// How often each start is timed.
    pub(crate) starts: usize,
    /// Only cases and sections whose name contains one of these; empty means all.
    only: Vec<String>,
}

impl Options {
    const FULL: Self = Self {
        rounds: 5,
        seconds: 4,
        tokens: 200_000,
        connections: 2_000,
        starts: 11,
        only: Vec::new(),
    };
    const QUICK: Self = Self {
        rounds: 1,
        seconds: 1,
        tokens: 10_000,
        connections: 500,
        starts: 3,
        only: Vec::new(),
    };

    /// Whether the case or section called `name` is to be measured.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }
}

impl Command {
    /// Reads the arguments after the program's name.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let arguments: Vec<String> = arguments.collect();
        if let [role, port, upstream] = arguments.as_slice()
            && role == "--bare"
        {
            return Ok(Self::Bare { port: port.parse()?, upstream: upstream.parse()? });
        }
        // Cargo passes `--bench` when it benches, and nothing when it tests.
        if !arguments.iter().any(|argument| argument == "--bench") {
            return Ok(Self::Nothing);
        }
        options(arguments).map(Self::Measure)
    }
}

fn options(arguments: Vec<String>) -> Result<Options> {
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let mut options = if quick { Options::QUICK } else { Options::FULL };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" | "--quick" => {}
            "--connections" => options.connections = value(&argument, arguments.next())?,
            "--only" => options.only.push(value(&argument, arguments.next())?),
            "--rounds" => options.rounds = value(&argument, arguments.next())?,
            "--seconds" => options.seconds = value(&argument, arguments.next())?,
            "--starts" => options.starts = value(&argument, arguments.next())?,
            "--tokens" => options.tokens = value(&argument, arguments.next())?,
            other => bail!(
                "unknown option {other}; known: --quick, --only NAME, --rounds N, --seconds N, --connections N, --starts N, --tokens N"
            ),
        }
    }
    Ok(options)
}

fn value<T>(name: &str, text: Option<String>) -> Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = text.with_context(|| format!("{name} needs a value"))?;
    text.parse().with_context(|| format!("{name} does not take {text:?}"))
}
