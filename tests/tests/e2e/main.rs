//! The system end to end: real templates, real binaries, IAM enforced, on the local stage.
//!
//! All tests but those of [`spend`] share one stage and one hub; each has sandboxes of its own, so they run side by side.
//! Every service event is delivered twice and out of order throughout.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod availability;
mod clusters;
mod configuration;
mod enforcing;
mod exempting;
mod faults;
mod glue;
mod owning;
mod permissions;
mod sagemaker;
mod spend;
mod watching;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Map, Value};
use stage::running::wait_for;
use stage::{Hub, Options, Sandbox, SandboxOptions, Stage};
use workload_simulator::{EventFaults, QuerySpec, QueryView, Settings};

const HUB: &str = "999999999999";
const SANDBOXES: u32 = 150;

/// How long a second lasts that a workflow waits, in seconds. What functions and services do takes its real time.
const WAITS: f64 = 0.03;

fn account(number: u32) -> String {
    format!("1{number:011}")
}

fn shared() -> &'static (Stage, Hub) {
    static SHARED: OnceLock<(Stage, Hub)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let disorder = EventFaults { copies: 2, reorder_within: Duration::from_millis(200), ..EventFaults::default() };
        let simulator = Settings { event_faults: disorder, ..Settings::default() };
        let options = Options { auth: true, wait_scale: Some(WAITS), simulator, ..Options::default() };
        let stage = Stage::start(options).unwrap();
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

/// A sandbox in which these guardrails are enforced under these limits.
fn enforcing(limits: &[(&str, &str)]) -> Sandbox {
    sandbox(&limits.iter().fold(SandboxOptions::default(), |options, (guardrail, limit)| {
        let path = path(guardrail);
        options.with(&format!("{path}/limit"), limit).with(&format!("{path}/mode"), "enforce")
    }))
}

/// Where the parameters of a guardrail are.
fn path(guardrail: &str) -> String {
    guardrail::catalogue::find(guardrail)
        .unwrap_or_else(|| panic!("`{guardrail}` is in the catalogue"))
        .parameter_path()
}

/// The actions in the ledger of a guardrail on a resource, in whatever episode, as id and detail.
fn actions(sandbox: &Sandbox, guardrail: &str, resource: &str) -> Vec<(String, Value)> {
    let prefix = format!("{guardrail}/{resource}/100");
    let entries = sandbox.ledger().unwrap().into_iter();
    let actions = entries.filter(|entry| entry.get("detail_type").is_some_and(|kind| kind == "Guardrail Action"));
    let actions = actions.filter_map(|entry| {
        let id = entry["id"].as_str().filter(|id| id.starts_with(&prefix))?;
        Some((id.to_owned(), serde_json::from_str(entry["detail"].as_str()?).ok()?))
    });
    actions.collect()
}

/// Waits until the only action of a guardrail on a resource has this outcome, in the ledger and at the hub, and gives it.
fn outcome(sandbox: &Sandbox, guardrail: &str, resource: &str, outcome: &str) -> Value {
    let what = format!("outcome `{outcome}` of `{guardrail}` on `{resource}`");
    let (id, action) = wait_for(&what, Duration::from_secs(60), || {
        actions(sandbox, guardrail, resource).into_iter().find(|(_, action)| action["outcome"] == outcome)
    })
    .unwrap_or_else(|error| panic!("{error}; there are {:?}", actions(sandbox, guardrail, resource)));
    assert_eq!(actions(sandbox, guardrail, resource).len(), 1, "each is on record once");
    let row = hub_row(sandbox, &format!("action/{id}"));
    wait_for(&format!("{what} at the hub"), Duration::from_secs(20), || {
        let row = hub_row(sandbox, &format!("action/{id}"));
        (row["outcome"] == outcome).then_some(())
    })
    .unwrap_or_else(|error| panic!("{error}; there is {row:?}"));
    action
}

/// The findings in the ledger of a guardrail, as id and detail.
fn findings(sandbox: &Sandbox, guardrail: &str) -> Vec<(String, Value)> {
    let prefix = format!("{guardrail}/");
    let entries = sandbox.ledger().unwrap().into_iter();
    let findings = entries.filter(|entry| entry.get("detail_type").is_some_and(|kind| kind == "Guardrail Finding"));
    let findings = findings.filter_map(|entry| {
        let id = entry["id"].as_str()?.strip_prefix(&prefix)?;
        Some((id.to_owned(), serde_json::from_str(entry["detail"].as_str()?).ok()?))
    });
    findings.collect()
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
