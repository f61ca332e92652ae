//! A window for 250 sandboxes at once, from the hub, while one call in ten is throttled: how long until the last of them
//! goes by it, whether any was forgotten, and whether anything failed or was told twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use stage::running::wait_for;
use stage::{Fault as StageFault, Hub, Options, Sandbox, SandboxOptions, Stage};

use crate::report::{Check, Part, Rows, median, percentile, time};
use crate::{Fault, micros};

/// How many sandboxes there are.
const SANDBOXES: usize = 250;

/// One call of a function in so many is throttled.
const THROTTLED_ONE_IN: u32 = 10;

/// What the issue asks for that brought availability windows.
const AT_MOST: Duration = Duration::from_secs(300);

/// When it is given up.
const PATIENCE: Duration = Duration::from_secs(900);

/// How many sandboxes' workflows go on at once, the others waiting to begin: AWS has processors for each account, and
/// this machine a few for all of them.
const AT_ONCE: u32 = 16;

/// Between two looks at the hub's table, so that looking takes little from what is measured.
const PAUSE: Duration = Duration::from_secs(1);

const HUB: &str = "990000000000";
const COMMAND: &str = "bench-window";

/// What a sandbox needs to take a window: nothing of the watches, which are idle here.
pub(crate) const ONLY: &[&str] = &[
    "AvailabilityStep",
    "AvailabilityUpdate",
    "AvailabilityReconcile",
    "StopWorkflow",
    "StartWorkflow",
    "UpdateWorkflow",
    "UpdateRequested",
    "GuardrailBusTakesCommandsFromHub",
    "GuardrailBusTakesNothingFromUsers",
    "ForwardToHub",
];

/// Measures it on a stage of its own, whose workflows wait and retry as long as on AWS.
pub(crate) fn measure(progress: impl Fn(&str)) -> Result<Part, Fault> {
    let stage = Stage::start(Options { auth: true, executions_at_once: Some(AT_ONCE), ..Options::default() })?;
    let ids: Vec<String> = (1..=SANDBOXES).map(|number| format!("3{number:011}")).collect();
    let accounts: Vec<&str> = ids.iter().map(String::as_str).collect();
    let hub = stage.deploy_hub(HUB, &accounts)?;
    let mut sandboxes = Vec::with_capacity(ids.len());
    for (number, id) in (1..).zip(&ids) {
        let options = SandboxOptions { only: ONLY, ..SandboxOptions::default() };
        sandboxes.push(stage.deploy_sandbox(id, &format!("sandbox-{number}"), &hub, &options)?);
        if number % 50 == 0 {
            progress(&format!("windows: {number} of {SANDBOXES} sandboxes are deployed"));
        }
    }

    progress("windows: one window for all of them");
    stage.throttle(&StageFault::throttling("*", "*", THROTTLED_ONE_IN))?;
    let began = Instant::now();
    let asked = json!({
        "command": "availability_update", "id": COMMAND, "sandboxes": ids, "window": window(), "requested_by": "bench",
    });
    let sent = hub.account.invoke("sandbox-guardrails-console-command", &asked)?;
    let sent_after = began.elapsed();
    let all_answered = wait_for("every sandbox's answer at the hub", PATIENCE, || {
        let answers = answers(&hub).ok()?;
        if answers.len() < SANDBOXES {
            std::thread::sleep(PAUSE);
        }
        (answers.len() >= SANDBOXES).then_some(())
    });
    let told_after = began.elapsed();
    let faults = stage.end_faults()?;

    progress("windows: looking at what each sandbox goes by");
    let answers = answers(&hub)?;
    let last = percentile(&answers, 100);
    let calls: u32 = faults.iter().map(|fault| fault.matched).sum();
    let throttled: u32 = faults.iter().map(|fault| fault.refused).sum();
    let mut table = Rows::new([
        "sandboxes",
        "all sent after",
        "half go by it after",
        "all go by it after",
        "all told after",
        "calls",
        "throttled",
    ]);
    table.push([
        SANDBOXES.to_string(),
        time(sent_after),
        time(median(&answers)),
        time(last),
        time(told_after),
        calls.to_string(),
        throttled.to_string(),
    ]);

    let found: Result<Vec<Found>, Fault> = sandboxes.iter().map(Found::of).collect();
    let found = found?;
    let without = |is_so: fn(&Found) -> bool| count(found.iter().filter(|found| !is_so(found)).count());
    let told = told(&hub)?;
    let not_reached = sent["failed"].as_array().map_or(SANDBOXES, Vec::len);
    let checks = vec![
        Check::aim("until the last sandbox goes by its new window", time(last), "≤ 300 s", last <= AT_MOST),
        Check::promise("sandboxes that could not be sent to", count(not_reached), 0),
        Check::promise("sandboxes that do not go by their new window", without(|found| found.goes_by_it), 0),
        Check::promise("sandboxes whose workflow did not run once, to its end", without(|found| found.ran_once), 0),
        Check::promise("sandboxes that still have something to tell", without(|found| found.told_all), 0),
        Check::promise("sandboxes of which the hub was not told once", count(SANDBOXES - told.once), 0),
        Check::promise("failures and rejections that the hub was told of", count(told.failures), 0),
    ];
    let in_vain = all_answered.err().map(|error| error.to_string()).into_iter();
    let notes = in_vain.chain([
        format!(
            "each of the {SANDBOXES} accounts has its own bus, table, functions, roles, state machines and schedules, IAM \
             enforced; all of them, and the AWS that they call, share the processors of this machine, on which {AT_ONCE} \
             workflows go on at once"
        ),
        format!(
            "one call of a function or of a workflow in {THROTTLED_ONE_IN} is refused as throttled, whatever it calls; \
             retries wait as long as on AWS"
        ),
        "from the moment when the hub's console-command is asked until the sandbox has stored the window, set its \
         schedules, been reconciled and entered its answer; told is when the hub's table has the answers of all"
            .to_owned(),
    ]);
    Ok(Part {
        title: "A new window for 250 sandboxes",
        notes: notes.collect(),
        tables: vec![table],
        checks,
        figures: json!({
            "sandboxes": SANDBOXES, "sent_us": micros(sent_after), "half_us": micros(median(&answers)),
            "all_us": micros(last), "told_us": micros(told_after), "calls": calls, "throttled": throttled,
        }),
    })
}

/// A window that opens and closes daily, so that there is something to schedule.
fn window() -> Value {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    json!({"time_zone": "Europe/Madrid", "open": [{"days": days, "from": "00:00", "to": "23:59"}]})
}

/// What is found in a sandbox afterwards.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// It has stored the window and will be woken when it closes, in its zone.
    goes_by_it: bool,
    /// The workflow ran once and succeeded.
    ran_once: bool,
    /// Nothing in its ledger waits to be published.
    told_all: bool,
}

impl Found {
    fn of(sandbox: &Sandbox) -> Result<Self, Fault> {
        let ledger = sandbox.ledger()?;
        let stored = ledger
            .iter()
            .any(|entry| text(entry, "id") == "availability/window" && text(entry, "content").contains(COMMAND));
        // A sandbox that has no such schedule was forgotten, and is counted as that.
        let schedule = sandbox.account.schedule("sandbox-guardrails", "availability-closes").unwrap_or_default();
        let at = schedule["ScheduleExpression"].as_str().unwrap_or_default();
        let wakes = schedule["ScheduleExpressionTimezone"] == "Europe/Madrid" && at.ends_with("T23:59:00)");
        let executions = sandbox.account.executions("sandbox-guardrails-update")?;
        Ok(Self {
            goes_by_it: stored && wakes,
            ran_once: matches!(executions.as_slice(), [only] if only.status == "SUCCEEDED"),
            told_all: !ledger.iter().any(|entry| entry.contains_key("outbox")),
        })
    }
}

/// How long after the command each sandbox that has answered it did.
fn answers(hub: &Hub) -> Result<Vec<Duration>, Fault> {
    let rows = hub.table()?;
    let at = |row: &Map<String, Value>| row.get("occurred_at").and_then(Value::as_u64);
    let asked_at = rows.iter().find(|row| text(row, "pk") == "command").and_then(at);
    let asked_at = asked_at.ok_or_else(|| Fault::new("the hub does not know of its command"))?;
    let answer = format!("command/{COMMAND}/answer");
    let answers = rows.iter().filter(|row| text(row, "sk") == answer).filter_map(at);
    Ok(answers.map(|at| Duration::from_millis(at.saturating_sub(asked_at))).collect())
}

/// What the hub was told.
#[derive(Clone, Copy, Debug)]
struct Told {
    /// The sandboxes that told of their new window exactly once.
    once: usize,
    /// What tells of something that failed, or was rejected.
    failures: usize,
}

fn told(hub: &Hub) -> Result<Told, Fault> {
    let rows = hub.table()?;
    let begins = |row: &&Map<String, Value>, kind: &str| text(row, "sk").starts_with(kind);
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| begins(row, "availability/window_updated/")) {
        *times.entry(text(row, "pk")).or_default() += 1;
    }
    let failures = rows.iter().filter(|row| {
        begins(row, "availability/failed/") || begins(row, "configuration/") || text(row, "sk").ends_with("/failure")
    });
    Ok(Told { once: times.values().filter(|times| **times == 1).count(), failures: failures.count() })
}

fn count(sandboxes: usize) -> u64 {
    u64::try_from(sandboxes).unwrap_or(u64::MAX)
}

fn text<'a>(row: &'a Map<String, Value>, key: &str) -> &'a str {
    row.get(key).and_then(Value::as_str).unwrap_or_default()
}
