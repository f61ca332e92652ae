//! Closing: users lose their way in first, and that is seen before anything is turned off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use stage::Account;
use stage::timeline::now;
use workload_simulator::FaultRule;

use super::scene::Scene;
use super::{
    Without, always_open, await_state, change, ended, failures, in_maintenance, may_act, moment, reconcile, run,
    set_window, told, try_to_act,
};
use crate::stage;

/// A user who keeps trying.
struct Knocking {
    ends: Arc<AtomicBool>,
    tries: JoinHandle<Option<Timestamp>>,
}

impl Knocking {
    fn begin(user: &Account) -> Self {
        let (user, ends) = (user.clone(), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&ends);
        let tries = std::thread::spawn(move || {
            let mut last = None;
            while !told.load(Ordering::Relaxed) {
                let began = now();
                if try_to_act(&user).unwrap() {
                    last = Some(began);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            last
        });
        Self { ends, tries }
    }

    /// When the last try began that was let in.
    fn end(self) -> Timestamp {
        self.ends.store(true, Ordering::Relaxed);
        self.tries.join().unwrap().expect("the user was let in at first")
    }
}

#[test]
fn users_lose_access_before_anything_is_turned_off_and_then_everything_is() {
    let scene = Scene::full();
    let sandbox = &scene.sandbox;
    let knocking = Knocking::begin(&scene.user);
    set_window(sandbox, "close", &in_maintenance());
    let row = await_state(sandbox, "closed");
    let last_let_in = knocking.end();
    assert_eq!(row["reason"], "closure `closures[0]`: maintenance");
    scene.is_dark();

    // Nothing was touched before it was verified that nobody gets in.
    let executions = sandbox.workflows("stop").unwrap();
    assert_eq!(executions.len(), 1, "{executions:?}");
    assert_eq!(ended(sandbox, &executions[0].arn).status, "SUCCEEDED");
    let history = sandbox.account.history(&executions[0].arn).unwrap();
    let verified = moment(&history, "StateExited", "VerifyAccess");
    assert!(moment(&history, "StateEntered", "ClosePart") >= verified);
    let changes = stage().world().calls().changes_by(&sandbox.account.id);
    let first = changes.first().expect("things were turned off");
    assert!(first.arrived_at > verified, "{verified}: {first:?}");
    assert!(last_let_in < first.arrived_at, "let in at {last_let_in}, and {first:?}");

    // The console was told the same, in order.
    let order = told(sandbox, "");
    let place = |key: &str| {
        let key = format!("availability/{key}");
        order.iter().position(|told| *told == key).unwrap_or_else(|| panic!("`{key}` in {order:?}"))
    };
    let access = place("part_closed/000001/access");
    assert!(place("closing/000001") < access);
    for part in ["studio", "notebooks", "jobs", "emr", "athena", "glue", "rds"] {
        let part = place(&format!("part_closed/000001/{part}"));
        assert!(access < part && part < place("closed/000001"), "{order:?}");
    }
    let told = change(sandbox, "part_closed/000001/rds");
    let told: Value = serde_json::from_str(told["detail"].as_str().unwrap()).unwrap();
    let databases = json!(["db-cluster/ledger", "db-instance/orders"]);
    assert_eq!(told["resources"], databases, "what was off already is not turned off");
}

#[test]
fn a_step_that_fails_three_times_is_resumed() {
    let scene = Scene::small();
    let sandbox = &scene.sandbox;
    // The SDK does not try this one again by itself.
    let timeout = FaultRule::error("StopNotebookInstance", "OperationTimeoutException", 400);
    stage().world().faults().add(timeout.of_account(&sandbox.account.id).times(3));
    let execution = run(sandbox, "stop");
    assert_eq!(execution.status, "SUCCEEDED", "{execution:?}");
    assert_eq!(failures(sandbox, &execution.arn).len(), 3);
    await_state(sandbox, "closed");
    scene.is_dark();
}

#[test]
fn a_part_that_fails_for_good_keeps_nothing_else_open_and_is_closed_when_it_can_be() {
    let scene = Scene::full();
    let sandbox = &scene.sandbox;
    set_window(sandbox, "open", &always_open());
    let action = "sagemaker:StopNotebookInstance";
    let without = Without::of(sandbox, action);
    set_window(sandbox, "close", &in_maintenance());

    let row = change(sandbox, "failed/000001");
    assert_eq!(row["state"], "closing");
    let message = row["message"].as_str().unwrap();
    assert!(message.contains("notebooks") && message.contains(action), "{message}");
    let on: Vec<_> = sandbox.sagemaker.active();
    assert!(on.len() == 1 && on[0].name == "explore", "only the notebook is on: {on:?}");
    assert!(!may_act(&scene.user));
    let execution = &sandbox.workflows("stop").unwrap()[0];
    assert_eq!(ended(sandbox, &execution.arn).error.as_deref(), Some("StopFailed"));

    without.give_back();
    let started = reconcile(sandbox)["started"].as_str().unwrap().to_owned();
    assert_eq!(ended(sandbox, &started).status, "SUCCEEDED");
    let row = await_state(sandbox, "closed");
    assert!(row["reason"].as_str().unwrap().starts_with("closure `closures[0]`: maintenance"), "{row:?}");
    scene.is_dark();
}

#[test]
fn while_access_is_not_blocked_no_service_is_touched() {
    let scene = Scene::full();
    let sandbox = &scene.sandbox;
    let action = "iam:PutRolePolicy";
    let before = scene.states();
    let _without = Without::of(sandbox, action);
    let execution = run(sandbox, "stop");
    assert_eq!(execution.error.as_deref(), Some("StopFailed"));
    let message = change(sandbox, "failed/000001")["message"].as_str().unwrap().to_owned();
    assert!(message.contains(action), "{message}");
    assert_eq!(stage().world().calls().changes_by(&sandbox.account.id), []);
    assert_eq!(scene.states(), before);
    assert!(may_act(&scene.user));
}
