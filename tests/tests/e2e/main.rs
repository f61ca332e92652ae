//! The system end to end: real templates, real binaries, IAM enforced, on the local stage.
//!
//! All tests share one stage and one hub; each has sandboxes of its own, so they run side by side. Every service event
//! is delivered twice and out of order throughout.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod configuration;
mod enforcing;
mod faults;
mod permissions;
mod watching;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Map, Value};
use stage::running::wait_for;
use stage::{Hub, Options, Sandbox, SandboxOptions, Stage};
use workload_simulator::{EventFaults, QuerySpec, QueryView, Settings};

const HUB: &str = "999999999999";
const SANDBOXES: u32 = 60;

fn account(number: u32) -> String {
    format!("1{number:011}")
}

fn shared() -> &'static (Stage, Hub) {
    static SHARED: OnceLock<(Stage, Hub)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let disorder = EventFaults { copies: 2, reorder_within: Duration::from_millis(200), ..EventFaults::default() };
        let simulator = Settings { event_faults: disorder, ..Settings::default() };
        let stage = Stage::start(Options { auth: true, simulator, ..Options::default() }).unwrap();
        let sandboxes: Vec<String> = (0..SANDBOXES).map(account).collect();
        let sandboxes: Vec<&str> = sandboxes.iter().map(String::as_str).collect();
        let hub = stage.deploy_hub(HUB, &sandboxes).unwrap();
        (stage, hub)
    })
}

fn stage() -> &'static Stage {
    &shared().0
}

fn hub() -> &'static Hub {
    &shared().1
}

/// A new sandbox in an account of its own.
fn sandbox(options: &SandboxOptions) -> Sandbox {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(number < SANDBOXES, "the hub knows {SANDBOXES} sandboxes");
    let id = account(number);
    stage().deploy_sandbox(&id, &format!("sandbox-{number}"), hub(), options).unwrap()
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// Starts a query that was submitted `age` ago and runs until it is stopped.
fn query(sandbox: &Sandbox, workgroup: &str, age: Duration) -> String {
    sandbox.athena.start(QuerySpec { workgroup: workgroup.to_owned(), age, ..QuerySpec::default() })
}

fn view(sandbox: &Sandbox, query: &str) -> QueryView {
    sandbox.athena.query(query).unwrap()
}

/// The levels of a query's findings in the ledger.
fn levels(sandbox: &Sandbox, query: &str) -> Vec<u64> {
    let prefix = format!("athena-query-runtime/{query}/");
    let ids = sandbox.ledger().unwrap().into_iter().filter_map(|entry| entry["id"].as_str().map(str::to_owned));
    let mut levels: Vec<u64> = ids.filter_map(|id| id.strip_prefix(&prefix)?.parse().ok()).collect();
    levels.sort_unstable();
    levels
}

/// The keys of the hub's rows about a sandbox, without those of its health.
fn hub_keys(sandbox: &Sandbox) -> Vec<String> {
    let rows = hub().rows(sandbox).unwrap();
    let mut keys: Vec<String> = rows.iter().filter_map(|row| row["sk"].as_str().map(str::to_owned)).collect();
    keys.sort();
    keys
}

/// Waits until the hub has a row whose key ends like this, and gives it.
fn hub_row(sandbox: &Sandbox, key: &str) -> Map<String, Value> {
    wait_for(&format!("row `{key}` at the hub"), Duration::from_secs(30), || {
        let rows = hub().rows(sandbox).ok()?;
        rows.into_iter().find(|row| row["sk"].as_str().is_some_and(|sk| sk.ends_with(key)))
    })
    .unwrap()
}
