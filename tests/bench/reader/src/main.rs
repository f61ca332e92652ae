//! `bench-reader`: the cost reader and nothing else, so that `make bench` can hold it against DuckDB, Polars and gzip.
//!
//! `bench-reader sums FILE [ROWS]` asks what `tests/bench/peers/peers.py` asks its libraries, and answers as it does:
//! one line of JSON with the time that the question took, the processor time, the most memory that was resident and the
//! number of sums; with ROWS the sums as well. `bench-reader inflate FILE` decompresses with the reader's own decompressor, to nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use spend::{Charges, Dimensions, FileSource, Question, Summary, summarise};

/// As many as the others get.
const THREADS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// What the reader reads and decompresses at a time.
const CHUNK: usize = 1 << 18;

/// Something that cannot be measured.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("usage: bench-reader sums FILE [ROWS] | bench-reader inflate FILE")]
    Usage,
    #[error("the kernel does not tell what the process took")]
    Kernel,
    #[error(transparent)]
    Export(#[from] spend::Fault),
    #[error(transparent)]
    File(#[from] io::Error),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let measured = match arguments.as_slice() {
        ["sums", file] => sums(Path::new(file), None),
        ["sums", file, rows] => sums(Path::new(file), Some(Path::new(rows))),
        ["inflate", file] => inflate(Path::new(file)),
        _ => Err(Fault::Usage),
    };
    match measured.and_then(|measured| Ok(writeln!(io::stdout(), "{measured}")?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("bench-reader: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn sums(file: &Path, rows: Option<&Path>) -> Result<Value, Fault> {
    let began = Instant::now();
    let question = Question {
        charges: Charges::Unblended,
        exclude: BTreeSet::new(),
        by: Dimensions { account: true, service: true, owner: false, day: true },
        owner_tag: "owner".to_owned(),
        usage: false,
    };
    let summary = summarise(&[&FileSource::open(file)?], &question, THREADS, &|_| {})?;
    let told = told(began.elapsed(), "sums", summary.sums.len() as u64)?;
    if let Some(rows) = rows {
        write_rows(&summary, rows)?;
    }
    Ok(told)
}

fn write_rows(summary: &Summary, path: &Path) -> Result<(), Fault> {
    let mut rows = BufWriter::new(File::create(path)?);
    for (key, amount) in &summary.sums {
        writeln!(rows, "{}", json!([key.account, key.service, key.day, amount]))?;
    }
    Ok(rows.flush()?)
}

fn inflate(file: &Path) -> Result<Value, Fault> {
    let began = Instant::now();
    let source = FileSource::open(file)?;
    let mut inflated = MultiGzDecoder::new(spend::Source::stream(&source)?);
    let (mut chunk, mut bytes) = (vec![0; CHUNK], 0_u64);
    loop {
        match inflated.read(&mut chunk)? {
            0 => break,
            read => bytes += u64::try_from(read).unwrap_or_default(),
        }
    }
    told(began.elapsed(), "bytes", bytes)
}

/// What is told of this process: how long it took, by the kernel's account too, and how much came of it.
fn told(took: Duration, what: &str, count: u64) -> Result<Value, Fault> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"));
    let peak_kib: u64 = peak.and_then(|peak| peak.trim().parse().ok()).ok_or(Fault::Kernel)?;
    // Behind the name of the program, in hundredths of a second: of all its threads, in user mode and in the kernel.
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: Vec<u64> = fields.skip(11).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
    let [user, kernel] = ticks.as_slice() else { return Err(Fault::Kernel) };
    let processor_us = (user + kernel) * 10_000;
    Ok(json!({"took_us": took.as_micros(), "processor_us": processor_us, "peak_kib": peak_kib, what: count}))
}
