//! What is billed for one service in a month: measured durations, calls and log lines times what the month holds.

use std::time::Duration;

use serde_json::{Value, json};

use super::prices::{Money, Month, Table};
use crate::tally::Counts;
use crate::{Fault, micros};

/// With this much memory, in MB, a function has a whole processor, and with less so much less of one.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
const MEMORY_OF_A_PROCESSOR: u64 = 1_769;

/// How often a finding's entry is written, and how often it is told. It is entered and marked as published; then its
/// owner is found, and it is entered and marked again. Entering it writes to the table and to the index of what waits;
/// between waiting for the bus and waiting for the owner it leaves the index and enters it anew.
const WRITES_OF_A_FINDING: u64 = 2 + 3 + 3 + 2;
const TOLD: u64 = 2;

/// An action's entry: the table and the index, and both again when it is published. Before that it is claimed.
const WRITES_OF_AN_ACTION: u64 = 4;

/// Findings of a resource that runs into its limit.
const FINDINGS: u64 = 3;

/// What one kind of invocation was measured to take.
#[derive(Clone, Debug, Default)]
pub(super) struct Invocation {
    pub(super) waited: Duration,
    pub(super) computed: Duration,
    pub(super) calls: Counts,
    pub(super) log_bytes: u64,
}

impl Invocation {
    /// How long it takes in a function of so much memory.
    pub(super) fn takes(&self, memory: u64) -> Duration {
        let slower = u32::try_from(MEMORY_OF_A_PROCESSOR.div_ceil(memory.max(1))).unwrap_or(u32::MAX);
        self.waited + self.computed * slower
    }

    /// As Lambda bills it: whole milliseconds, rounded up.
    fn milliseconds(&self, memory: u64) -> u64 {
        micros(self.takes(memory)).div_ceil(1_000)
    }

    fn calls(&self, operation: &str) -> u64 {
        self.calls.get(operation).copied().unwrap_or_default()
    }

    pub(super) fn figures(&self) -> Value {
        json!({
            "waited_us": micros(self.waited), "computed_us": micros(self.computed), "calls": self.calls,
            "log_bytes": self.log_bytes,
        })
    }
}

/// What was measured of one service's two functions.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    pub(super) service: &'static str,
    /// MB.
    pub(super) watch_memory: u64,
    /// MB.
    pub(super) enforce_memory: u64,
    pub(super) cold: Invocation,
    pub(super) sweep: Invocation,
    pub(super) signal: Invocation,
    pub(super) stop: Invocation,
    /// The largest entry of a finding.
    pub(super) finding_bytes: u64,
}

/// What is billed.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) what: &'static str,
    pub(super) cost: Money,
}

/// The bill of one service for a month, with the price of a GB-second of that name.
pub(super) fn lines(table: &Table, month: &Month, of: &Measured, gb_second: &str) -> Result<Vec<Line>, Fault> {
    let here = month.service(of.service)?;
    let (sweeps, stops) = (here.sweeps, here.at_limit);
    let findings = FINDINGS * here.at_limit;
    let counted = |what, count: u64, name: &str| {
        let price = table.price(name)?;
        Ok::<_, Fault>(Line { what, cost: Money(u128::from(count) * price.usd.0 / price.per) })
    };
    let awake = |what, milliseconds: u64, memory: u64| {
        let price = table.price(gb_second)?;
        let megabyte_milliseconds = u128::from(milliseconds) * u128::from(memory);
        Ok::<_, Fault>(Line { what, cost: Money(megabyte_milliseconds * price.usd.0 / price.per / 1_024 / 1_000) })
    };
    let watch = |what, times: u64, invocation: &Invocation| {
        awake(what, times * invocation.milliseconds(of.watch_memory), of.watch_memory)
    };
    let warm_sweeps = sweeps.saturating_sub(month.cold_starts);
    let kilobytes = of.finding_bytes.div_ceil(1_024);
    // A read of the index is eventually consistent and costs half a unit, one of the table that must be current a whole.
    let queries = sweeps * of.sweep.calls("Query") + month.owners_asked + here.at_limit;
    let reads = queries.div_ceil(2) + stops * of.stop.calls("GetItem");
    let entries = findings * WRITES_OF_A_FINDING + stops * WRITES_OF_AN_ACTION;
    let writes = month.heartbeats + sweeps * of.sweep.calls("UpdateItem") + entries * kilobytes + stops;
    let events = month.heartbeats + findings * TOLD + stops;
    let log = warm_sweeps * of.sweep.log_bytes
        + month.cold_starts * of.cold.log_bytes
        + here.signals * of.signal.log_bytes
        + stops * of.stop.log_bytes;
    Ok(vec![
        counted("Lambda, invocations", sweeps + here.signals + stops, "lambda_request")?,
        watch("Lambda, sweeps", warm_sweeps, &of.sweep)?,
        watch("Lambda, sweeps after a cold start", month.cold_starts, &of.cold)?,
        watch("Lambda, signals", here.signals, &of.signal)?,
        awake("Lambda, vigils", here.at_limit * here.vigil_seconds * 1_000, of.watch_memory)?,
        awake("Lambda, stops", stops * of.stop.milliseconds(of.enforce_memory), of.enforce_memory)?,
        counted("DynamoDB, writes", writes, "dynamodb_write")?,
        counted("DynamoDB, reads", reads, "dynamodb_read")?,
        counted("EventBridge, events put", events, "custom_event")?,
        counted("EventBridge, events to the hub", events, "cross_account_event")?,
        counted("Scheduler, sweeps", if month.scheduled_by_rules { 0 } else { sweeps }, "schedule_invocation")?,
        counted("CloudWatch Logs, ingestion", log, "log_byte")?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_table_holds_what_is_billed() {
        let table = Table::read().unwrap();
        for service in ["athena", "emr", "sagemaker", "glue"] {
            let measured = Measured { service, watch_memory: 128, enforce_memory: 128, ..Measured::default() };
            for gb_second in ["lambda_gb_second_arm64", "lambda_gb_second_x86_64"] {
                assert_eq!(lines(&table, &table.month, &measured, gb_second).unwrap().len(), 12, "{service}");
            }
        }
        assert_eq!(table.month.services.len(), 4);
    }

    #[test]
    fn less_memory_is_less_of_a_processor() {
        let invocation = Invocation { computed: Duration::from_millis(1), ..Invocation::default() };
        assert_eq!([128, 256, 1_769].map(|memory| invocation.milliseconds(memory)), [14, 7, 1]);
    }
}
