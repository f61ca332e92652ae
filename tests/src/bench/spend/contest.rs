//! Whoever is asked for the sums of an export, each time in a new process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use guardrail::money::Amount;
use serde::Deserialize;
use stage::running::python;
use stage::template::repository;

use super::Key;
use crate::Fault;
use crate::programs::Programs;

/// Whoever is asked.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) name: &'static str,
    /// Whether its sums are exact.
    pub(super) exact: &'static str,
    command: PathBuf,
    arguments: Vec<String>,
    packages: Option<PathBuf>,
}

/// Who else is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Peer {
    DuckDb,
    DuckDbDecimals,
    Polars,
}

/// What one process took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// From its start to its end.
    pub(super) process: Duration,
    /// The question alone.
    pub(super) question: Duration,
    /// The time that all its threads had a processor for it.
    pub(super) processor: Duration,
    pub(super) peak_kib: u64,
    /// What came out of decompression, where that is what was asked for.
    pub(super) bytes: u64,
}

/// What a process says of itself.
#[derive(Debug, Deserialize)]
struct Told {
    took_us: u64,
    processor_us: u64,
    peak_kib: u64,
    #[serde(default)]
    bytes: u64,
}

impl Contender {
    /// The cost reader.
    pub(super) fn ours(programs: &Programs, what: &str) -> Self {
        let arguments = vec![what.to_owned()];
        Self { name: "the reader", exact: "yes", command: programs.reader(), arguments, packages: None }
    }

    /// A library, as `tests/bench/peers/peers.py` calls it; its packages are below `peers`.
    pub(super) fn peer(peer: Peer, peers: &Path) -> Result<Self, Fault> {
        let (name, word, exact) = match peer {
            Peer::DuckDb => ("DuckDB", "duckdb", "no"),
            Peer::DuckDbDecimals => ("DuckDB, decimals", "duckdb-decimal", "to 18 places"),
            Peer::Polars => ("Polars", "polars", "no"),
        };
        let script = repository().join("tests/bench/peers/peers.py").display().to_string();
        let arguments = vec!["-B".to_owned(), script, word.to_owned()];
        Ok(Self { name, exact, command: python()?, arguments, packages: Some(peers.join("package")) })
    }

    /// Asks for the sums of a file, which are not written down.
    pub(super) fn run(&self, file: &Path) -> Result<Run, Fault> {
        self.ask(file, None)
    }

    /// Asks for the sums of a file.
    pub(super) fn sums(&self, file: &Path) -> Result<BTreeMap<Key, Amount>, Fault> {
        let rows = file.with_extension("rows");
        self.ask(file, Some(&rows))?;
        let fault = |error: String| Fault::of(rows.display(), error);
        let text = std::fs::read_to_string(&rows).map_err(|error| fault(error.to_string()))?;
        std::fs::remove_file(&rows).map_err(|error| fault(error.to_string()))?;
        let row = |line: &str| -> Result<(Key, Amount), serde_json::Error> {
            let (account, service, day, amount) = serde_json::from_str(line)?;
            Ok(([account, service, day], amount))
        };
        text.lines().map(row).collect::<Result<_, _>>().map_err(|error| fault(error.to_string()))
    }

    fn ask(&self, file: &Path, rows: Option<&Path>) -> Result<Run, Fault> {
        let mut command = Command::new(&self.command);
        command.args(&self.arguments).arg(file).args(rows).stdin(Stdio::null()).stderr(Stdio::inherit());
        if let Some(packages) = &self.packages {
            command.env("PYTHONPATH", packages);
        }
        let began = Instant::now();
        let output = command.output().map_err(|error| Fault::of(self.name, error))?;
        let process = began.elapsed();
        if !output.status.success() {
            return Err(Fault::of(self.name, output.status));
        }
        let told: Told = serde_json::from_slice(&output.stdout).map_err(|error| Fault::of(self.name, error))?;
        let [question, processor] = [told.took_us, told.processor_us].map(Duration::from_micros);
        Ok(Run { process, question, processor, peak_kib: told.peak_kib, bytes: told.bytes })
    }
}

/// How long `gzip` decompresses a file, to nothing.
pub(super) fn gzip(file: &Path) -> Result<Duration, Fault> {
    let began = Instant::now();
    let status = Command::new("gzip").arg("-dc").arg(file).stdout(Stdio::null()).status();
    let status = status.map_err(|error| Fault::of("gzip", error))?;
    if status.success() { Ok(began.elapsed()) } else { Err(Fault::of("gzip", status)) }
}
