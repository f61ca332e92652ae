//! The cost of one sandbox-month, from measured durations, calls and log lines and the dated prices in `prices.toml`.
//!
//! Money is counted in whole picodollars: the price of a GB-second has ten decimals.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use stage::deploy::sample_event;
use stage::template::repository;
use stage::{Sandbox, Stage};
use workload_simulator::QuerySpec;

use crate::process::{Process, Program};
use crate::programs::Programs;
use crate::report::{Check, Part, Rows, median, time};
use crate::start::{empty_ledger, prepare};
use crate::tally::{Counts, Tally};
use crate::{Fault, micros};

const ACCOUNT: &str = "200000000301";
const PICODOLLARS: u128 = 1_000_000_000_000;

/// How often each kind of invocation is measured.
const ANSWERS: u32 = 15;

/// What CloudWatch Logs counts for each line beside its text.
const BYTES_A_LINE: u64 = 26;

/// A function of 128 MB has this part of a processor, which one of 1,769 MB has whole, so what it computes takes so
/// many times as long. <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
const PROCESSOR: u32 = 14;

/// The functions have 128 MB, an eighth of a GB.
const PARTS_OF_A_GB: u128 = 8;

/// `tests/bench/prices.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    region: String,
    read_on: String,
    target_usd: Money,
    prices: BTreeMap<String, Price>,
    month: Month,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    usd: Money,
    per: u128,
    page: String,
    confirmed_by: String,
    free: String,
}

/// What a sandbox does in a month.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Month {
    sweeps: u64,
    heartbeats: u64,
    queries: u64,
    queries_at_limit: u64,
    vigil_seconds: u64,
    call_milliseconds: u64,
}

/// Picodollars.
#[derive(Clone, Copy, Debug)]
struct Money(u128);

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let well_formed = !whole.is_empty() && fraction.len() <= 12;
        let picodollars = well_formed.then(|| format!("{whole}{fraction:0<12}").parse().ok()).flatten();
        picodollars.map(Self).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an amount in dollars")))
    }
}

impl Money {
    /// In dollars, every decimal.
    fn exactly(self) -> String {
        let text = format!("{}.{:012}", self.0 / PICODOLLARS, self.0 % PICODOLLARS);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// In dollars with four decimals.
    fn text(self) -> String {
        let rounded = (self.0 + PICODOLLARS / 20_000) / (PICODOLLARS / 10_000);
        format!("${}.{:04}", rounded / 10_000, rounded % 10_000)
    }
}

/// What one kind of invocation was measured to take.
#[derive(Debug)]
struct Invocation {
    took: Duration,
    calls: Counts,
    log_bytes: u64,
}

impl Invocation {
    fn milliseconds(&self) -> u64 {
        // Lambda bills whole milliseconds, rounded up.
        micros(self.took).div_ceil(1_000)
    }

    fn calls(&self, operation: &str) -> u64 {
        self.calls.get(operation).copied().unwrap_or_default()
    }

    fn figures(&self) -> Value {
        json!({"took_us": micros(self.took), "calls": self.calls, "log_bytes": self.log_bytes})
    }
}

/// What is billed.
struct Line {
    what: &'static str,
    quantity: String,
    cost: Money,
}

/// Measures what is billed and prices it.
pub(crate) fn measure(stage: &Stage, programs: &Programs) -> Result<Part, Fault> {
    let table = prices()?;
    let month = &table.month;
    let sandbox = prepare(stage, ACCOUNT)?;
    let tally = Tally::start(stage.endpoint(), Duration::from_millis(month.call_milliseconds))?;
    let watch = programs.ours("athena-watch", ACCOUNT);
    let sweep = warm(&watch, &tally, &sample_event("athena-watch", "sweep")?)?;
    let finding_bytes = entry_bytes(&sandbox)?;
    let mut running = sample_event("athena-watch", "query-running")?;
    let active = sandbox.athena.active().first().map(|query| query.id.clone());
    running["detail"]["queryExecutionId"] = json!(active.ok_or_else(|| Fault::new("no query is active"))?);
    let signal = warm(&watch, &tally, &running)?;
    let stop = stop(&sandbox, &programs.ours("athena-enforce", ACCOUNT), &tally)?;

    let arm64 = lines(&table, &sweep, &signal, &stop, finding_bytes, "lambda_gb_second_arm64")?;
    let x86_64 = lines(&table, &sweep, &signal, &stop, finding_bytes, "lambda_gb_second_x86_64")?;
    let sum = |lines: &[Line]| Money(lines.iter().map(|line| line.cost.0).sum());
    let (total, total_x86_64) = (sum(&arm64), sum(&x86_64));

    let mut rows = Rows::new(["one sandbox and month, arm64", "quantity", "USD", "of the sum"]);
    for line in &arm64 {
        let share = format!("{} %", line.cost.0 * 100 / total.0.max(1));
        rows.push([line.what.to_owned(), line.quantity.clone(), line.cost.text(), share]);
    }
    rows.push(["sum".to_owned(), String::new(), total.text(), "100 %".to_owned()]);

    let mut basis = Rows::new(["measured", "took", "calls", "log"]);
    for (what, invocation) in
        [("a warm sweep", &sweep), ("a warm signal", &signal), ("a stop, cold, start and verification included", &stop)]
    {
        let calls = invocation.calls.values().sum::<u64>().to_string();
        basis.push([what.to_owned(), time(invocation.took), calls, format!("{} B", invocation.log_bytes)]);
    }

    let mut sources = Rows::new(["list price", "USD", "per", "AWS's page", "confirmed by", "free, not deducted"]);
    for (name, price) in &table.prices {
        sources.push([
            name.clone(),
            price.usd.exactly(),
            price.per.to_string(),
            bare(&price.page),
            bare(&price.confirmed_by),
            price.free.clone(),
        ]);
    }

    let checks = [("arm64", total), ("x86_64", total_x86_64)].map(|(architecture, total)| {
        let expected = format!("≤ {}", table.target_usd.text());
        let met = total.0 <= table.target_usd.0;
        Check::aim(format!("one sandbox-month, {architecture}"), total.text(), expected, met)
    });
    let at_limit = queries_that_fit(&table, &arm64, total);
    Ok(Part {
        title: "Cost of one sandbox-month",
        notes: vec![
            format!(
                "list prices of {} read on {}, no free tier deducted (tests/bench/prices.toml); they are confirmed by the \
                 pages named and were not compared with AWS's own",
                table.region, table.read_on
            ),
            format!(
                "assumed: {} sweeps, {} queries with 2 signals each, {} of them run into their limit with {} s of vigil, \
                 3 findings and a stop each; every call to AWS takes {} ms more than on the stage",
                month.sweeps, month.queries, month.queries_at_limit, month.vigil_seconds, month.call_milliseconds
            ),
            format!("the target would hold up to {at_limit} queries a month that run into their limit"),
            "free and therefore not listed: standard parameters, Athena's own calls, events of AWS's services"
                .to_owned(),
            format!(
                "warm durations are the time of the calls and {PROCESSOR} times the processor time, because 128 MB come \
                 with so small a part of a processor"
            ),
        ],
        figures: json!({
            "sum_picodollars": {"arm64": total.0.to_string(), "x86_64": total_x86_64.0.to_string()},
            "sweep": sweep.figures(), "signal": signal.figures(), "stop": stop.figures(),
            "finding_bytes": finding_bytes, "sweep_calls_in_all": sweep.calls.values().sum::<u64>(),
        }),
        tables: vec![rows, basis, sources],
        checks: checks.into(),
    })
}

fn prices() -> Result<Table, Fault> {
    let path = repository().join("tests/bench/prices.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| Fault::of(path.display(), error))?;
    toml::from_str(&text).map_err(|error| Fault::of(path.display(), error))
}

/// What is billed for a month.
fn lines(
    table: &Table,
    sweep: &Invocation,
    signal: &Invocation,
    stop: &Invocation,
    finding_bytes: u64,
    gb_second: &'static str,
) -> Result<Vec<Line>, Fault> {
    let month = &table.month;
    let signals = 2 * month.queries;
    let stops = month.queries_at_limit;
    let findings = 3 * month.queries_at_limit;
    let price = |name: &'static str| {
        table.prices.get(name).ok_or_else(|| Fault::new(format!("prices.toml has no price `{name}`")))
    };
    let counted = |what, count: u64, unit: &str, name: &'static str| {
        let price = price(name)?;
        let cost = Money(u128::from(count) * price.usd.0 / price.per);
        Ok::<_, Fault>(Line { what, quantity: format!("{count} {unit}"), cost })
    };
    let awake = |what, milliseconds: u64| {
        let price = price(gb_second)?;
        let cost = Money(u128::from(milliseconds) * price.usd.0 / price.per / PARTS_OF_A_GB / 1_000);
        Ok::<_, Fault>(Line { what, quantity: format!("{} s", milliseconds / 1_000), cost })
    };
    // A read of the index is eventually consistent and costs half a unit, one of the table that must be current a whole.
    let reads = (month.sweeps * sweep.calls("Query")).div_ceil(2) + stops * stop.calls("GetItem");
    // An entry is written to the table and to the index of what is pending, and both again when it was published; a
    // conditional write costs a unit also when its condition does not hold, as a heartbeat's that is not due.
    let entry = 4 * finding_bytes.div_ceil(1_024);
    let writes = month.sweeps * sweep.calls("UpdateItem") + findings * entry + stops * (1 + entry);
    let events = month.heartbeats + findings + stops;
    let log = month.sweeps * sweep.log_bytes + signals * signal.log_bytes + stops * stop.log_bytes;
    Ok(vec![
        counted("Lambda, invocations", month.sweeps + signals + stops, "requests", "lambda_request")?,
        awake("Lambda, sweeps", month.sweeps * sweep.milliseconds())?,
        awake("Lambda, signals", signals * signal.milliseconds())?,
        awake("Lambda, vigils", month.queries_at_limit * month.vigil_seconds * 1_000)?,
        awake("Lambda, stops", stops * stop.milliseconds())?,
        counted("DynamoDB, writes", writes, "units", "dynamodb_write")?,
        counted("DynamoDB, reads", reads, "units", "dynamodb_read")?,
        counted("EventBridge, events put", events, "events", "custom_event")?,
        counted("EventBridge, events to the hub", events, "events", "cross_account_event")?,
        counted("Scheduler, sweeps", month.sweeps, "invocations", "schedule_invocation")?,
        counted("CloudWatch Logs, ingestion", log, "bytes", "log_byte")?,
    ])
}

/// How many queries could run into their limit in a month before the target is reached, all else being equal.
fn queries_that_fit(table: &Table, lines: &[Line], total: Money) -> u128 {
    let at_limit = u128::from(table.month.queries_at_limit.max(1));
    let vigils = lines.iter().find(|line| line.what == "Lambda, vigils").map_or(0, |line| line.cost.0);
    let left = table.target_usd.0.saturating_sub(total.0 - vigils);
    left * at_limit / vigils.max(1)
}

/// Measures warm answers of one process, as they would take in Lambda.
fn warm(program: &Program, tally: &Tally, event: &Value) -> Result<Invocation, Fault> {
    let mut process = Process::start(program, ACCOUNT, &tally.endpoint(), event)?;
    let mut took = Vec::new();
    let mut calls = Counts::new();
    for _ in 0..ANSWERS {
        tally.take();
        let before = process.computed()?;
        process.answer(event)?;
        let asked = tally.take();
        took.push(asked.waited + process.computed()?.saturating_sub(before) * PROCESSOR);
        calls = asked.calls;
    }
    let log = process.end()?.log;
    Ok(Invocation { took: median(&took), calls, log_bytes: billed(&log) / u64::from(ANSWERS + 1) })
}

/// Measures what it takes to stop a query, from the start of the process.
fn stop(sandbox: &Sandbox, program: &Program, tally: &Tally) -> Result<Invocation, Fault> {
    let mut took = Vec::new();
    let (mut calls, mut log_bytes) = (Counts::new(), 0);
    for _ in 0..3 {
        let age = Duration::from_secs(31 * 60);
        let id = sandbox.athena.start(QuerySpec { age, ..QuerySpec::default() });
        let mut breach = sample_event("athena-enforce", "breach")?;
        breach["account"] = json!(ACCOUNT);
        breach["detail"]["id"] = json!(format!("athena-query-runtime/{id}/100"));
        breach["detail"]["resource"]["id"] = json!(id);
        tally.take();
        let process = Process::start(program, ACCOUNT, &tally.endpoint(), &breach)?;
        took.push(process.first);
        calls = tally.take().calls;
        log_bytes = billed(&process.end()?.log);
        if sandbox.athena.query(&id).is_none_or(|query| query.stop_calls != 1) {
            return Err(Fault::new("the breach that was to be measured stopped no query"));
        }
    }
    empty_ledger(sandbox)?;
    Ok(Invocation { took: median(&took), calls, log_bytes })
}

fn billed(log: &str) -> u64 {
    log.lines().map(|line| line.len() as u64 + BYTES_A_LINE).sum()
}

/// How large DynamoDB takes the largest entry of the ledger for: names and values of its attributes.
fn entry_bytes(sandbox: &Sandbox) -> Result<u64, Fault> {
    let bytes = |entry: &Map<String, Value>| -> usize {
        entry.iter().map(|(name, value)| name.len() + value.as_str().map_or(8, str::len)).sum()
    };
    Ok(sandbox.ledger()?.iter().map(bytes).max().unwrap_or_default() as u64)
}

fn bare(url: &str) -> String {
    url.trim_start_matches("https://").trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Option<Money> {
        serde_json::from_value(json!(text)).ok()
    }

    #[test]
    fn amounts_are_read_to_the_last_decimal() {
        for (text, picodollars) in [("0.0000133334", 13_333_400), ("1.00", PICODOLLARS), ("2", 2 * PICODOLLARS)] {
            assert_eq!(money(text).map(|money| money.0), Some(picodollars), "{text}");
        }
        assert_eq!(money("0.0000133334").map(Money::exactly).as_deref(), Some("0.0000133334"));
        assert_eq!(money("0.14005").map(Money::text).as_deref(), Some("$0.1401"));
        for text in ["", "free", "-1", "1.0000000000001", "0.1.2"] {
            assert!(money(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_price_table_holds_what_is_billed() {
        let table = prices().unwrap();
        let invocation = || Invocation { took: Duration::ZERO, calls: Counts::new(), log_bytes: 0 };
        let all = [invocation(), invocation(), invocation()];
        for gb_second in ["lambda_gb_second_arm64", "lambda_gb_second_x86_64"] {
            let [sweep, signal, stop] = &all;
            assert_eq!(lines(&table, sweep, signal, stop, 0, gb_second).unwrap().len(), 11);
        }
    }
}
