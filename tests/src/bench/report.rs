//! What was measured, as tables for people and as JSON for whoever keeps the figures.

use std::fmt;
use std::time::Duration;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;
use serde_json::Value;

/// One part of the bench.
#[derive(Debug, Serialize)]
pub(crate) struct Part {
    pub(crate) title: &'static str,
    /// How it was measured, and what it leaves out.
    pub(crate) notes: Vec<String>,
    pub(crate) tables: Vec<Rows>,
    pub(crate) checks: Vec<Check>,
    /// The measurements themselves, in the units that their names say.
    pub(crate) figures: Value,
}

/// A table; all columns but the first are aligned to the right.
#[derive(Debug, Serialize)]
pub(crate) struct Rows {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// A measurement held against what was aimed for.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) expected: String,
    pub(crate) kind: Kind,
    pub(crate) met: bool,
}

/// What it means when it was not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Times and sizes depend on the machine: a miss is printed and nothing else.
    Aim,
    /// Calls do not: a miss fails the bench.
    Promise,
}

impl Check {
    pub(crate) fn aim(what: impl Into<String>, measured: String, expected: impl Into<String>, met: bool) -> Self {
        Self { what: what.into(), measured, expected: expected.into(), kind: Kind::Aim, met }
    }

    pub(crate) fn promise(what: impl Into<String>, measured: u64, at_most: u64) -> Self {
        let (what, measured_text, expected) = (what.into(), measured.to_string(), format!("≤ {at_most}"));
        Self { what, measured: measured_text, expected, kind: Kind::Promise, met: measured <= at_most }
    }

    /// What could not be measured because it failed.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        let (what, measured, expected) = (what.into(), "failed".to_owned(), "done".to_owned());
        Self { what, measured, expected, kind: Kind::Promise, met: false }
    }

    pub(crate) fn broken(&self) -> bool {
        self.kind == Kind::Promise && !self.met
    }
}

impl Rows {
    pub(crate) fn new<const N: usize>(columns: [&str; N]) -> Self {
        Self { columns: columns.iter().map(|column| (*column).to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn push<const N: usize>(&mut self, row: [String; N]) {
        self.rows.push(row.to_vec());
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(&self.columns);
        table.add_rows(&self.rows);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n{}", self.title, "─".repeat(self.title.chars().count()))?;
        for rows in &self.tables {
            writeln!(f, "{}", rows.table())?;
        }
        if !self.checks.is_empty() {
            let mut table = Rows::new(["", "measured", "aim or promise", "verdict"]);
            for check in &self.checks {
                let verdict = match (check.kind, check.met) {
                    (Kind::Aim, true) => "✓ met",
                    (Kind::Aim, false) => "✗ missed",
                    (Kind::Promise, true) => "✓ kept",
                    (Kind::Promise, false) => "✗ BROKEN",
                };
                table.push([check.what.clone(), check.measured.clone(), check.expected.clone(), verdict.to_owned()]);
            }
            writeln!(f, "{}", table.table())?;
        }
        for note in &self.notes {
            writeln!(f, "  · {note}")?;
        }
        Ok(())
    }
}

/// The middle one; the lower of two.
pub(crate) fn median<T: Ord + Copy + Default>(values: &[T]) -> T {
    percentile(values, 50)
}

/// The nearest rank: the least value that `percent` of all values do not exceed.
pub(crate) fn percentile<T: Ord + Copy + Default>(values: &[T], percent: usize) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// A duration in milliseconds with one decimal, or in seconds with two from ten seconds on.
pub(crate) fn time(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        10_000_000.. => decimal(micros / 10_000, 2, "s"),
        _ => decimal(micros / 100, 1, "ms"),
    }
}

/// KiB as MB with one decimal.
pub(crate) fn memory(kib: u64) -> String {
    decimal(u128::from(kib) * 1_024 / 100_000, 1, "MB")
}

/// Bytes as MB with two decimals.
pub(crate) fn size(bytes: u64) -> String {
    decimal(u128::from(bytes) / 10_000, 2, "MB")
}

/// How many times `part` goes into `whole`, with one decimal.
pub(crate) fn times(whole: u128, part: u128) -> String {
    decimal(whole * 10 / part.max(1), 1, "")
}

/// A whole number of the last of so many decimals, with its unit.
pub(crate) fn decimal(value: u128, places: u32, unit: &str) -> String {
    let scale = 10_u128.pow(places);
    let places = usize::try_from(places).unwrap_or_default();
    let number = format!("{}.{:0places$}", value / scale, value % scale);
    if unit.is_empty() { number } else { format!("{number} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let values: Vec<u64> = (1..=50).rev().collect();
        assert_eq!([1, 50, 98, 99, 100].map(|percent| percentile(&values, percent)), [1, 25, 49, 50, 50]);
        assert_eq!((median(&[7]), median::<u64>(&[])), (7, 0));
    }

    #[test]
    fn quantities_read_well() {
        let micros = Duration::from_micros;
        assert_eq!([micros(49), micros(3_270), micros(10_000_000)].map(time), ["0.0 ms", "3.2 ms", "10.00 s"]);
        assert_eq!(
            (memory(9_570), size(2_999_999), times(401, 10)),
            ("9.7 MB".into(), "2.99 MB".into(), "40.1".into())
        );
    }
}
