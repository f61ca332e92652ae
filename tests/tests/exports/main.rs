//! Whether the stage answers about cost exports as AWS does: events of their files, rights to them, Athena over them.
//!
//! The end-to-end suite believes the stage; this holds the stage to what AWS documents.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod events;
mod files;
mod queries;
mod rights;

use std::sync::OnceLock;
use std::time::Duration;

use jiff::civil::{Date, date};
use serde_json::{Value, json};
use stage::exports::{Line, RESULTS, WORKGROUP};
use stage::running::wait_for;
use stage::{Account, Hub, Options, Stage, StageError};
use workload_simulator::{EventFaults, Settings};

const HUB: &str = "999999999999";
const MARKETING: &str = "111122223333";
const RETAIL: &str = "444455556666";
const NOVEMBER: Date = date(2026, 11, 1);

/// A stage with a hub.
fn raise(event_faults: EventFaults) -> (Stage, Hub) {
    let simulator = Settings { event_faults, ..Settings::default() };
    let stage = Stage::start(Options { auth: true, simulator, ..Options::default() }).unwrap();
    let hub = stage.hub_account(HUB).unwrap();
    (stage, hub)
}

/// One hub for most tests, each of which has a month of its own.
fn hub() -> &'static Hub {
    static SHARED: OnceLock<(Stage, Hub)> = OnceLock::new();
    &SHARED.get_or_init(|| raise(EventFaults::default())).1
}

/// What two sandboxes spent in the first days of a month: 30.30000001810000000004 of the first, 12345.678901234567 less
/// than nothing of the second.
fn lines(month: Date) -> Vec<Line> {
    let later = month.tomorrow().unwrap();
    vec![
        Line::new(MARKETING, "AmazonSageMaker", month, "10.1").by("ann").used("4.5", "Hrs"),
        Line::new(MARKETING, "AmazonSageMaker", month, "20.2").by("O\"Brien, \u{e9}"),
        Line::new(MARKETING, "AWSGlue", month, "1.81E-8"),
        Line::new(MARKETING, "AWSGlue", later, "4e-20").of_kind("Tax"),
        Line::new(RETAIL, "AWSGlue", later, "-12345.678901234567").of_kind("Credit").by("ann"),
    ]
}

/// Runs a query as the caller; gives the result's CSV, or why there is none.
fn query(caller: &Account, sql: &str) -> Result<String, String> {
    let refused = |error: StageError| error.to_string();
    let asked = json!({"QueryString": sql, "WorkGroup": WORKGROUP});
    let started = caller.json("athena", "AmazonAthena.StartQueryExecution", &asked).map_err(refused)?;
    let id = json!({"QueryExecutionId": started["QueryExecutionId"]});
    let ended = wait_for("the query", Duration::from_secs(20), || {
        let answer = caller.json("athena", "AmazonAthena.GetQueryExecution", &id);
        let seen = match answer {
            Ok(answer) => answer["QueryExecution"].clone(),
            Err(error) => return Some(Err(refused(error))),
        };
        ["SUCCEEDED", "FAILED"].contains(&seen["Status"]["State"].as_str()?).then_some(Ok(seen))
    });
    let ended: Value = ended.unwrap()?;
    if ended["Status"]["State"] == "FAILED" {
        return Err(ended["Status"]["StateChangeReason"].as_str().unwrap().to_owned());
    }
    let place = ended["ResultConfiguration"]["OutputLocation"].as_str().unwrap();
    let key = place.strip_prefix(&format!("s3://{RESULTS}/")).expect("the workgroup says where results lie");
    caller.object(RESULTS, key).map_err(refused)
}
