//! The cost reader on a large export, beside DuckDB and Polars; on CSV beside decompression alone.

mod contest;
mod exports;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use guardrail::money::Amount;
use serde_json::{Map, Value, json};

use self::contest::{Contender, Peer, Run, gzip};
use self::exports::{Export, Exports};
use crate::programs::Programs;
use crate::report::{Check, Part, Rows, decimal, median, memory, size, time};
use crate::{Fault, micros};

/// How often each is asked; every time in a process of its own.
const ROUNDS: usize = 7;

/// What the issue asks for that brought budgets.
const PEAK_KIB: u64 = 256_000_000 / 1_024;
const OF_DECOMPRESSION: u128 = 80;

/// CSV is ten times as long as Parquet, and takes ten times as long for everyone: one line in so many is enough of it.
const FEWER_IN_CSV: u64 = 10;

/// Measures it with an export of so many lines.
pub(crate) fn measure(programs: &Programs, peers: &Path, lines: u64, progress: impl Fn(&str)) -> Result<Part, Fault> {
    let exports = Exports::new(&peers.join("exports"))?;
    let parquet = exports.of(lines, "parquet", &progress)?;
    let csv = exports.of((lines / FEWER_IN_CSV).max(1), "csv.gz", &progress)?;
    let mut contenders = vec![Contender::ours(programs, "sums")];
    for peer in [Peer::DuckDb, Peer::DuckDbDecimals, Peer::Polars] {
        contenders.push(Contender::peer(peer, peers)?);
    }
    let [ours, duckdb, ..] = contenders.as_slice() else { return Err(Fault::new("nobody is asked")) };
    let inflate = Contender::ours(programs, "inflate");

    progress("spend: holding the sums against each other");
    let sums = ours.sums(&parquet.path)?;
    let mut differing = 0;
    for other in contenders.iter().skip(1) {
        differing += disagreements(&sums, &other.sums(&parquet.path)?);
    }
    differing += disagreements(&ours.sums(&csv.path)?, &duckdb.sums(&csv.path)?);

    let mut runs: BTreeMap<&str, Vec<Run>> = BTreeMap::new();
    let [mut read, mut inflated] = [const { Vec::new() }; 2];
    let mut unzipped = Vec::new();
    for round in 1..=ROUNDS {
        progress(&format!("spend: round {round} of {ROUNDS}"));
        for contender in &contenders {
            runs.entry(contender.name).or_default().push(contender.run(&parquet.path)?);
        }
        read.push(ours.run(&csv.path)?);
        inflated.push(inflate.run(&csv.path)?);
        unzipped.push(gzip(&csv.path)?);
    }
    let of = |contender: &Contender| Medians::of(runs.get(contender.name).map(Vec::as_slice).unwrap_or_default());
    let [read, inflated] = [Medians::of(&read), Medians::of(&inflated)];
    let unzipped = median(&unzipped);

    let asked: Vec<(&Contender, Medians)> = contenders.iter().map(|contender| (contender, of(contender))).collect();
    let (reader, fastest) = (of(ours), of(duckdb).question);
    let percent = inflated.question.as_micros() * 100 / read.question.as_micros().max(1);
    let checks = vec![
        Check::promise("sums that differ by half a cent or more from those of DuckDB or Polars", differing, 0),
        Check::aim(
            "the reader, of DuckDB's time for the same question",
            ratio(reader.question, fastest),
            "≤ 1.00 ×",
            reader.question <= fastest,
        ),
        Check::aim("the reader, peak memory", memory(reader.peak_kib), "≤ 256.0 MB", reader.peak_kib <= PEAK_KIB),
        Check::aim(
            "the reader on CSV.gz, of the speed of decompression alone",
            format!("{percent} %"),
            format!("≥ {OF_DECOMPRESSION} %"),
            percent >= OF_DECOMPRESSION,
        ),
    ];
    let figures = json!({
        "lines": parquet.lines, "parquet_bytes": parquet.bytes, "sums": sums.len(), "rounds": ROUNDS,
        "parquet": asked.iter().map(|(contender, medians)| (contender.name.to_owned(), medians.figures()))
            .collect::<Map<_, _>>(),
        "csv_lines": csv.lines, "csv_bytes": csv.bytes, "text_bytes": inflated.bytes,
        "csv": {"reader": read.figures(), "decompression": inflated.figures(), "gzip_us": micros(unzipped)},
    });
    Ok(Part {
        title: "Reading a cost export",
        notes: notes(&parquet, &csv, sums.len(), inflated.bytes),
        tables: vec![of_parquet(&asked, fastest), of_csv(csv.lines, read, inflated, unzipped)],
        checks,
        figures,
    })
}

fn of_parquet(asked: &[(&Contender, Medians)], fastest: Duration) -> Rows {
    let mut table = Rows::new([
        "account × service × day, medians",
        "question",
        "of DuckDB's",
        "processor",
        "process",
        "peak memory",
        "exact",
    ]);
    for (contender, medians) in asked {
        table.push([
            contender.name.to_owned(),
            time(medians.question),
            ratio(medians.question, fastest),
            time(medians.processor),
            time(medians.process),
            memory(medians.peak_kib),
            contender.exact.to_owned(),
        ]);
    }
    table
}

fn of_csv(lines: u64, read: Medians, inflated: Medians, unzipped: Duration) -> Rows {
    let mut table =
        Rows::new(["CSV.gz, medians", "time", "processor", "lines a second", "MB of text a second", "peak memory"]);
    let gzip = Medians { question: unzipped, ..Medians::default() };
    for (name, medians) in [
        ("the reader: the same sums", read),
        ("its decompressor alone, to nothing", inflated),
        ("gzip -dc, to nothing", gzip),
    ] {
        let took = medians.question;
        let of_itself = |figure: String| if medians.peak_kib > 0 { figure } else { "–".to_owned() };
        table.push([
            name.to_owned(),
            time(took),
            of_itself(time(medians.processor)),
            per_second(lines, took).to_string(),
            (per_second(inflated.bytes, took) / 1_000_000).to_string(),
            of_itself(memory(medians.peak_kib)),
        ]);
    }
    table
}

fn notes(parquet: &Export, csv: &Export, sums: usize, text: u64) -> Vec<String> {
    vec![
        format!(
            "{ROUNDS} interleaved rounds of new processes with two threads each, on files that lie in memory; the \
             question is measured inside the process, from opening the file to having the sums, so without the start of \
             Python, and for the aim as well"
        ),
        format!(
            "Parquet: {} lines with the 127 columns of CUR 2.0 in {}, snappy, row groups of a million lines; {sums} sums",
            parquet.lines,
            size(parquet.bytes),
        ),
        format!(
            "CSV.gz: {} lines of the same in {}, which are {} of text; one thread decompresses and another one reads, so \
             on a machine that is busy with something else the reader loses what it wins by two",
            csv.lines,
            size(csv.bytes),
            size(text),
        ),
        "the reader also reads columns that the question does not name: currency, billing month, type and end of each \
         line, by which it refuses a mixed currency and tells how far the export reaches"
            .to_owned(),
        "the reader adds up every double as its shortest decimal; DuckDB and Polars add up doubles, and DuckDB in a \
         second row decimals of 18 places"
            .to_owned(),
    ]
}

/// Account, service and day.
type Key = [String; 3];

/// How many sums are there on one side only, or differ by half a cent or more.
fn disagreements(ours: &BTreeMap<Key, Amount>, theirs: &BTreeMap<Key, Amount>) -> u64 {
    let half_a_cent = Amount::new(5, 3);
    let differs = |key: &&Key| match (ours.get(*key), theirs.get(*key)) {
        (Some(ours), Some(theirs)) => (ours.clone() - theirs.clone()).abs() >= half_a_cent,
        _ => true,
    };
    let keys: BTreeSet<&Key> = ours.keys().chain(theirs.keys()).collect();
    u64::try_from(keys.iter().filter(|key| differs(key)).count()).unwrap_or(u64::MAX)
}

/// The middle of several runs.
#[derive(Clone, Copy, Debug, Default)]
struct Medians {
    process: Duration,
    question: Duration,
    processor: Duration,
    peak_kib: u64,
    bytes: u64,
}

impl Medians {
    fn of(runs: &[Run]) -> Self {
        let times = |of: fn(&Run) -> Duration| median(&runs.iter().map(of).collect::<Vec<_>>());
        let sizes = |of: fn(&Run) -> u64| median(&runs.iter().map(of).collect::<Vec<_>>());
        Self {
            process: times(|run| run.process),
            question: times(|run| run.question),
            processor: times(|run| run.processor),
            peak_kib: sizes(|run| run.peak_kib),
            bytes: sizes(|run| run.bytes),
        }
    }

    fn figures(&self) -> Value {
        json!({
            "process_us": micros(self.process), "question_us": micros(self.question),
            "processor_us": micros(self.processor), "peak_kib": self.peak_kib,
        })
    }
}

/// How many times `base` fits into `part`, with two decimals.
fn ratio(part: Duration, base: Duration) -> String {
    format!("{} ×", decimal(part.as_micros() * 100 / base.as_micros().max(1), 2, ""))
}

fn per_second(count: u64, took: Duration) -> u128 {
    u128::from(count) * 1_000_000 / took.as_micros().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_agree_to_half_a_cent() {
        let sums = |rows: &[(&str, &str)]| {
            let row = |(account, amount): &(&str, &str)| {
                ([(*account).to_owned(), "AmazonEC2".to_owned(), "2026-11-01".to_owned()], amount.parse().unwrap())
            };
            rows.iter().map(row).collect::<BTreeMap<Key, Amount>>()
        };
        let ours = sums(&[("a", "1.25"), ("b", "-3"), ("c", "0.1")]);
        assert_eq!(disagreements(&ours, &sums(&[("a", "1.2500000004"), ("b", "-3.0049"), ("c", "0.1")])), 0);
        assert_eq!(disagreements(&ours, &sums(&[("a", "1.255"), ("b", "-3"), ("d", "0.1")])), 3);
    }

    #[test]
    fn ratios_and_speeds_read_well() {
        let millis = Duration::from_millis;
        assert_eq!(
            (ratio(millis(460), millis(500)), ratio(millis(3), millis(0))),
            ("0.92 ×".into(), "3000.00 ×".into())
        );
        assert_eq!(per_second(1_000_000, millis(4_000)), 250_000);
    }
}
