//! `make bench`: what the guardrails cost in time, memory, calls and money, measured in one run on the local stage.
//!
//! Times depend on the machine, so they are printed beside their aim and never fail the bench. Calls do not: a broken
//! promise of calls does, and so does whatever could not be measured.

#![expect(clippy::indexing_slicing, reason = "a missing key of a `serde_json::Value` reads as null")]

mod calls;
mod cost;
mod overrun;
mod process;
mod programs;
mod report;
mod runtime_api;
mod scene;
mod server;
mod spend;
mod start;
mod sweep;
mod tally;
mod windows;

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use serde_json::json;
use stage::{Options, Stage, StageError};
use workload_simulator::Settings;

use crate::programs::Programs;
use crate::report::{Check, Part};

/// Measures the guardrails on the local stage, beside a Python twin and a function that does nothing.
///
/// The Makefile says where things are: STAGE_BINARIES is the folder of the release binaries, which are measured and also
/// deployed on the stage; STAGE_PYTHON runs the stage and the twin.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Arguments {
    /// Measure only this; may be given several times. Without it everything is measured, in about a quarter of an hour.
    #[arg(long, value_enum)]
    only: Vec<Measured>,
    /// The folder of the twin's Python packages: `package`, its own, and `runtime`, which Lambda brings.
    #[arg(long, value_name = "FOLDER")]
    twin: PathBuf,
    /// The folder of what the cost reader is held against: `package`, Python's, and `exports`, made up and kept.
    #[arg(long, value_name = "FOLDER")]
    peers: PathBuf,
    /// How often each process is started.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// How many lines the cost reader reads, as Parquet; as CSV a tenth of them.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    lines: u64,
    /// Write the figures to this file too, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Arguments {
    /// Whether something of this kind is to be measured.
    fn wants(&self, is_it: impl FnMut(Measured) -> bool) -> bool {
        self.only.is_empty() || self.only.iter().copied().any(is_it)
    }
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measured {
    /// Start, answers, memory and package sizes, beside the twin and the floor.
    Start,
    /// Calls of a sweep over 10,000 queries.
    Calls,
    /// A sweep of a sandbox with 2,000 pipelines and 200 jobs, and of 40 clusters, and of 200 Glue jobs.
    Sweep,
    /// How long queries run past their limit.
    Overrun,
    /// Another window for 250 sandboxes.
    Windows,
    /// The cost of one sandbox-month.
    Cost,
    /// Reading a cost export of 10 million lines, beside DuckDB and Polars.
    Spend,
}

/// Something that could not be measured.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Fault(String);

impl Fault {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    fn of(what: impl fmt::Display, fault: impl fmt::Display) -> Self {
        Self(format!("{what}: {fault}"))
    }
}

impl From<StageError> for Fault {
    fn from(error: StageError) -> Self {
        Self(error.to_string())
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(parts) if parts.iter().flat_map(|part| &part.checks).any(Check::broken) => {
            eprintln!("bench: a promise is broken, see above");
            ExitCode::FAILURE
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("bench: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<Vec<Part>, Fault> {
    let programs = Programs::find(&arguments.twin)?;
    let began = Instant::now();
    let mut parts = Vec::new();
    if arguments.wants(|part| part != Measured::Spend) {
        parts.extend(on_the_stage(arguments, &programs, began)?);
    }
    if arguments.wants(|part| part == Measured::Spend) {
        let progress = |what: &str| progress(began, what);
        parts.push(shown(spend::measure(&programs, &arguments.peers, arguments.lines, progress)?)?);
    }
    if let Some(path) = &arguments.json {
        let figures = json!({"rounds": arguments.rounds, "parts": parts}).to_string();
        std::fs::write(path, figures).map_err(|error| Fault::of(path.display(), error))?;
    }
    progress(began, "done");
    Ok(parts)
}

/// What is measured of functions, with the stage for AWS.
fn on_the_stage(arguments: &Arguments, programs: &Programs, began: Instant) -> Result<Vec<Part>, Fault> {
    let wanted = |wanted| arguments.wants(|part| part == wanted);
    progress(began, "starting the stage");
    let stage = Stage::start(Options::default())?;
    let mut parts = Vec::new();
    if wanted(Measured::Start) {
        parts.push(shown(start::measure(&stage, programs, arguments.rounds, |what| progress(began, what))?)?);
    }
    if wanted(Measured::Calls) || wanted(Measured::Sweep) {
        let held = Settings { rate_limits: true, latency: calls::LATENCY, ..Settings::default() };
        let held = Stage::start(Options { simulator: held, ..Options::default() })?;
        if wanted(Measured::Calls) {
            progress(began, "sweeping over 10,000 queries");
            parts.push(shown(calls::measure(&stage, &held, |what| progress(began, what))?)?);
        }
        if wanted(Measured::Sweep) {
            parts.push(shown(sweep::measure(&held, programs, |what| progress(began, what))?)?);
        }
    }
    if wanted(Measured::Overrun) {
        parts.push(shown(overrun::measure(&stage, |what| progress(began, what))?)?);
    }
    if wanted(Measured::Windows) {
        progress(began, "deploying 250 sandboxes");
        parts.push(shown(windows::measure(|what| progress(began, what))?)?);
    }
    if wanted(Measured::Cost) {
        progress(began, "measuring what is billed");
        parts.push(shown(cost::measure(&stage, programs, |what| progress(began, what))?)?);
    }
    Ok(parts)
}

/// Prints a part as soon as it is measured.
fn shown(part: Part) -> Result<Part, Fault> {
    let mut out = std::io::stdout().lock();
    write!(out, "{part}").and_then(|()| out.flush()).map_err(|error| Fault::of("standard output", error))?;
    Ok(part)
}

fn progress(began: Instant, what: &str) {
    eprintln!("[{:>4} s] {what}", began.elapsed().as_secs());
}

/// Milliseconds as the figures have them: whole microseconds.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
