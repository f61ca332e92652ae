//! Availability: sandboxes close and open in order, as their windows and their locks say, and heal.
//!
//! Windows are built around now, so that the hour at which the suite runs makes no difference.

mod closing;
mod healing;
mod locking;
mod opening;
mod racing;
mod scene;
mod sparing;
mod updating;
mod warning;

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use serde_json::{Map, Value, json};
use stage::running::wait_for;
use stage::timeline::now;
use stage::{Account, Execution, Occurrence, Sandbox, StageError, allowed};

use crate::hub;

/// The longest that anything of a workflow takes on a busy machine.
const AT_MOST: Duration = Duration::from_secs(180);

/// Where the users' roles are, unless a setting says otherwise.
const USERS: &str = "/sandbox-users/";

/// The function that turns things off and on.
const STEP: &str = availability::step::FUNCTION;

/// The zone of the windows.
const ZONE: &str = "Europe/Madrid";

/// Opens the sandbox at all times.
pub(crate) fn always_open() -> Value {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    json!({"time_zone": ZONE, "open": [{"days": days, "from": "00:00", "to": "24:00"}]})
}

/// The same, closed for maintenance now.
fn in_maintenance() -> Value {
    let mut window = always_open();
    window["closures"] = json!([{"from": local(-24 * 60), "until": local(24 * 60), "reason": "maintenance"}]);
    window
}

/// Opens the sandbox from yesterday until so many minutes from now, and at no other time.
fn extended(minutes: i64) -> Value {
    let extension = json!({"from": local(-24 * 60), "until": local(minutes), "reason": "quarter end"});
    json!({"time_zone": ZONE, "open": [], "extensions": [extension]})
}

/// The moment so many minutes from now, as people in the zone read it; windows know no seconds.
fn local(minutes: i64) -> String {
    let moment = now().checked_add(SignedDuration::from_mins(minutes)).unwrap();
    in_zone(moment, ZONE).strftime("%Y-%m-%dT%H:%M").to_string()
}

fn in_zone(moment: Timestamp, zone: &str) -> Zoned {
    moment.to_zoned(TimeZone::get(zone).unwrap())
}

/// Puts a window into force from the hub, and waits until the sandbox has accepted it.
fn set_window(sandbox: &Sandbox, command: &str, window: &Value) {
    hub().request_window(sandbox, &format!("command/{command}"), window).unwrap();
    let answer = answer(sandbox, command);
    assert_eq!(answer["status"], "accepted", "{answer:?}");
}

/// What the sandbox answers to a command.
fn answer(sandbox: &Sandbox, command: &str) -> Map<String, Value> {
    wait_for_row(sandbox, &format!("command/{command}/answer"), |_| true)
}

/// Waits until the hub shows the sandbox in this state, and gives the row that says so.
fn await_state(sandbox: &Sandbox, state: &str) -> Map<String, Value> {
    wait_for_row(sandbox, "availability", |row| row["state"] == state)
}

/// Waits until the hub has a row with just this key that is as wanted, and gives it.
fn wait_for_row(sandbox: &Sandbox, key: &str, wanted: impl Fn(&Map<String, Value>) -> bool) -> Map<String, Value> {
    let row = wait_for(&format!("row `{key}` at the hub"), AT_MOST, || row(sandbox, key).filter(&wanted));
    row.unwrap_or_else(|error| panic!("{error}; {}", what_is(sandbox)))
}

/// The hub's row about a sandbox with just this key, if there is one.
fn row(sandbox: &Sandbox, key: &str) -> Option<Map<String, Value>> {
    hub().row(sandbox, key).unwrap()
}

/// What is known of a sandbox, for whoever reads why a test failed.
fn what_is(sandbox: &Sandbox) -> String {
    let mut rows = hub().rows(sandbox).unwrap();
    rows.sort_by_key(|row| row.get("occurred_at").and_then(Value::as_u64));
    let told = rows.iter().map(|row| format!("\n  {} {}", row["sk"], row.get("message").unwrap_or(&row["detail"])));
    let workflows = ["update", "stop", "start"].into_iter().flat_map(|workflow| sandbox.workflows(workflow).unwrap());
    let workflows = workflows.map(|listed| {
        let seen = sandbox.account.execution(&listed.arn).unwrap();
        let failures = failures(sandbox, &seen.arn);
        format!("\n  {} {} {:?} {:?} {failures:?}", seen.arn, seen.status, seen.cause, seen.output)
    });
    format!("the hub knows{}\nworkflows{}", told.collect::<String>(), workflows.collect::<String>())
}

/// Starts a workflow by hand, and waits until it has ended.
fn run(sandbox: &Sandbox, workflow: &str) -> Execution {
    let execution = sandbox.begin(workflow, &json!({"reason": "a test wants it"})).unwrap();
    ended(sandbox, &execution)
}

/// Waits until an execution has ended, and gives it.
fn ended(sandbox: &Sandbox, execution: &str) -> Execution {
    sandbox.await_end(execution, AT_MOST).unwrap_or_else(|error| panic!("{error}; {}", what_is(sandbox)))
}

/// Lets reconcile run once, on demand; gives its answer.
fn reconcile(sandbox: &Sandbox) -> Value {
    sandbox.account.invoke("sandbox-guardrails-availability-reconcile", &json!({"reconcile": "on demand"})).unwrap()
}

/// When an execution entered or left this state, first.
fn moment(history: &[Occurrence], what: &str, state: &str) -> Timestamp {
    let found = history.iter().find(|seen| seen.kind.ends_with(what) && seen.state.as_deref() == Some(state));
    found.unwrap_or_else(|| panic!("no `{what}` of `{state}` in {history:#?}")).at
}

/// The errors of an execution's tasks, in order.
fn failures(sandbox: &Sandbox, execution: &str) -> Vec<String> {
    let history = sandbox.account.history(execution).unwrap().into_iter();
    let failed = history.filter(|seen| seen.kind == "TaskFailed" || seen.kind == "LambdaFunctionFailed");
    failed.map(|seen| format!("{}: {}", seen.details["error"], seen.details["cause"])).collect()
}

/// Makes a role of users; gives its ARN.
fn users_role(sandbox: &Sandbox, name: &str) -> String {
    sandbox.account.user_role(name, USERS, &[]).unwrap()
}

/// Whether a session of a user may do anything.
fn may_act(session: &Account) -> bool {
    try_to_act(session).unwrap()
}

fn try_to_act(session: &Account) -> Result<bool, StageError> {
    allowed(session.json("athena", "AmazonAthena.ListWorkGroups", &json!({})))
}

/// The step without one of its actions, so that what needs it fails for good.
struct Without<'a> {
    sandbox: &'a Sandbox,
    role: String,
    policy: Value,
}

impl<'a> Without<'a> {
    fn of(sandbox: &'a Sandbox, action: &str) -> Self {
        let role = sandbox.account.role_of(&format!("sandbox-guardrails-{STEP}")).unwrap();
        let policy = sandbox.account.policy(&role, STEP).unwrap();
        sandbox.account.take_action_away(&role, STEP, action).unwrap();
        Self { sandbox, role, policy }
    }

    fn give_back(self) {
        self.sandbox.account.put_policy(&self.role, STEP, &self.policy).unwrap();
    }
}

/// The keys of the hub's rows about changes of availability of this kind, such as `closed`, in the order in which they
/// happened.
fn told(sandbox: &Sandbox, change: &str) -> Vec<String> {
    let mut rows = hub().rows(sandbox).unwrap();
    let prefix = format!("availability/{change}");
    rows.retain(|row| row["sk"].as_str().is_some_and(|sk| sk.starts_with(&prefix)));
    rows.sort_by_key(|row| row["occurred_at"].as_i64());
    rows.iter().map(|row| row["sk"].as_str().unwrap().to_owned()).collect()
}

/// Waits until a change of availability is on the hub's timeline under this key, such as `closed/000001`, and gives it.
fn change(sandbox: &Sandbox, key: &str) -> Map<String, Value> {
    wait_for_row(sandbox, &format!("availability/{key}"), |_| true)
}
