//! What is billed in a month: measured durations, calls and log lines times what the month holds.

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
    pub(super) fn milliseconds(&self, memory: u64) -> u64 {
        micros(self.takes(memory)).div_ceil(1_000)
    }

    /// How often it calls an operation.
    pub(super) fn calls(&self, operation: &str) -> u64 {
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

/// What is billed, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Invocations,
    Sweeps,
    ColdSweeps,
    Signals,
    Vigils,
    Stops,
    Steps,
    Turning,
    Transitions,
    Writes,
    Reads,
    Events,
    EventsToHub,
    Schedules,
    Logs,
}

impl Item {
    pub(super) const ALL: [Self; 15] = [
        Self::Invocations,
        Self::Sweeps,
        Self::ColdSweeps,
        Self::Signals,
        Self::Vigils,
        Self::Stops,
        Self::Steps,
        Self::Turning,
        Self::Transitions,
        Self::Writes,
        Self::Reads,
        Self::Events,
        Self::EventsToHub,
        Self::Schedules,
        Self::Logs,
    ];

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Invocations => "Lambda, invocations",
            Self::Sweeps => "Lambda, sweeps",
            Self::ColdSweeps => "Lambda, sweeps after a cold start",
            Self::Signals => "Lambda, signals",
            Self::Vigils => "Lambda, vigils",
            Self::Stops => "Lambda, stops",
            Self::Steps => "Lambda, steps of workflows",
            Self::Turning => "Lambda, looking at what is turning off or on",
            Self::Transitions => "Step Functions, state transitions",
            Self::Writes => "DynamoDB, writes",
            Self::Reads => "DynamoDB, reads",
            Self::Events => "EventBridge, events put",
            Self::EventsToHub => "EventBridge, events to the hub",
            Self::Schedules => "Scheduler, invocations",
            Self::Logs => "CloudWatch Logs, ingestion",
        }
    }
}

/// A line of a bill.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) item: Item,
    pub(super) cost: Money,
}

/// The prices that a bill is made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prices<'a> {
    pub(super) table: &'a Table,
    /// The name of the price of a GB-second.
    pub(super) gb_second: &'a str,
}

impl Prices<'_> {
    /// So many of what has a price of this name.
    pub(super) fn counted(self, item: Item, count: u64, name: &str) -> Result<Line, Fault> {
        let price = self.table.price(name)?;
        Ok(Line { item, cost: Money(u128::from(count) * price.usd.0 / price.per) })
    }

    /// So many milliseconds of a function with so many MB.
    pub(super) fn awake(self, item: Item, milliseconds: u64, memory: u64) -> Result<Line, Fault> {
        let price = self.table.price(self.gb_second)?;
        let megabyte_milliseconds = u128::from(milliseconds) * u128::from(memory);
        Ok(Line { item, cost: Money(megabyte_milliseconds * price.usd.0 / price.per / 1_024 / 1_000) })
    }
}

/// The bill of one service for a month.
pub(super) fn lines(prices: Prices<'_>, month: &Month, of: &Measured) -> Result<Vec<Line>, Fault> {
    let here = month.service(of.service)?;
    let (sweeps, stops) = (here.sweeps, here.at_limit);
    let findings = FINDINGS * here.at_limit;
    let watch = |item, times: u64, invocation: &Invocation| {
        prices.awake(item, times * invocation.milliseconds(of.watch_memory), of.watch_memory)
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
        prices.counted(Item::Invocations, sweeps + here.signals + stops, "lambda_request")?,
        watch(Item::Sweeps, warm_sweeps, &of.sweep)?,
        watch(Item::ColdSweeps, month.cold_starts, &of.cold)?,
        watch(Item::Signals, here.signals, &of.signal)?,
        prices.awake(Item::Vigils, here.at_limit * here.vigil_seconds * 1_000, of.watch_memory)?,
        prices.awake(Item::Stops, stops * of.stop.milliseconds(of.enforce_memory), of.enforce_memory)?,
        prices.counted(Item::Writes, writes, "dynamodb_write")?,
        prices.counted(Item::Reads, reads, "dynamodb_read")?,
        prices.counted(Item::Events, events, "custom_event")?,
        prices.counted(Item::EventsToHub, events, "cross_account_event")?,
        prices.counted(Item::Schedules, if month.scheduled_by_rules { 0 } else { sweeps }, "schedule_invocation")?,
        prices.counted(Item::Logs, log, "log_byte")?,
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
                let prices = Prices { table: &table, gb_second };
                assert_eq!(lines(prices, &table.month, &measured).unwrap().len(), 12, "{service}");
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
