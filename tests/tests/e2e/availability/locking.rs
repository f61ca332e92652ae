//! Locks: a locked sandbox closes at once and stays closed, whatever its window says.

use guardrail::availability::{SandboxLockReleased, SandboxLockRequested};
use serde_json::Value;
use stage::commands::send;
use stage::{Sandbox, allowed};

use super::scene::Scene;
use super::{
    AT_MOST, always_open, answer, await_state, extended, may_act, reconcile, run, set_window, told, wait_for,
    wait_for_row, what_is,
};
use crate::hub;

const WHY: &str = "210 % of the budget is spent";

fn lock(sandbox: &Sandbox, command: &str, name: &str) {
    hub().request_lock(sandbox, &format!("command/{command}"), name, WHY).unwrap();
    assert_eq!(answer(sandbox, command)["status"], "accepted");
}

fn release(sandbox: &Sandbox, command: &str, name: &str) {
    hub().release_lock(sandbox, &format!("command/{command}"), name, "the budget was raised").unwrap();
    assert_eq!(answer(sandbox, command)["status"], "accepted");
}

#[test]
fn a_lock_closes_at_once_and_nothing_but_its_release_opens() {
    let scene = Scene::full();
    let sandbox = &scene.sandbox;
    let before = scene.states();
    set_window(sandbox, "open", &always_open());
    lock(sandbox, "lock", "budget");
    let row = await_state(sandbox, "closed");
    assert_eq!(row["reason"], format!("lock `budget`: {WHY}"));
    assert_eq!(row["requested_by"], "jo@bank.example");
    scene.is_dark();
    let row = wait_for_row(sandbox, "lock/budget", |row| row["status"] == "held");
    assert_eq!((&row["reason"], &row["requested_by"]), (&WHY.into(), &"jo@bank.example".into()));

    // Neither by hand nor by another window.
    let by_hand = run(sandbox, "start");
    assert_eq!(by_hand.status, "SUCCEEDED");
    let row = wait_for_row(sandbox, &format!("availability/refused/{}", by_hand.name), |_| true);
    assert_eq!(row["message"], format!("the sandbox stays closed: lock `budget`: {WHY}; release the lock to open it"));
    set_window(sandbox, "longer", &extended(24 * 60));
    let reconciled = reconcile(sandbox);
    assert_eq!((&reconciled["desired"], &reconciled["started"]), (&"closed".into(), &Value::Null));
    assert_eq!(sandbox.workflows("start").unwrap().len(), 1, "the one by hand");
    scene.is_dark();

    release(sandbox, "release", "budget");
    await_state(sandbox, "open");
    assert_eq!(scene.states(), before);
    assert!(may_act(&scene.signs_in()));
    let row = wait_for_row(sandbox, "lock/budget", |row| row["status"] == "released");
    assert_eq!(row["reason"], "the budget was raised");
}

#[test]
fn a_sandbox_without_a_window_is_locked_and_opens_when_no_lock_is_left() {
    let scene = Scene::small();
    let sandbox = &scene.sandbox;
    lock(sandbox, "lock-1", "budget");
    lock(sandbox, "lock-2", "incident");
    await_state(sandbox, "closed");
    release(sandbox, "release-1", "budget");
    assert_eq!(reconcile(sandbox)["desired"], "closed");
    scene.is_dark();
    release(sandbox, "release-2", "incident");
    await_state(sandbox, "open");
    assert_eq!(scene.notebook_state(), "InService");
}

#[test]
fn a_release_that_comes_before_its_lock_is_not_undone_by_it() {
    let scene = Scene::small();
    let sandbox = &scene.sandbox;
    let late = sandbox.header("command/late");
    release(sandbox, "release", "budget");
    let detail = SandboxLockRequested {
        header: late,
        lock: "budget".to_owned(),
        reason: WHY.to_owned(),
        requested_by: "jo@bank.example".to_owned(),
    };
    send(&hub().account, sandbox, "Sandbox Lock Requested", &detail).unwrap();
    wait_for("the late lock to be ignored", AT_MOST, || {
        let log = sandbox.account.log("sandbox-guardrails-availability-reconcile").ok()?;
        log.iter().any(|line| line.contains("command/late") && line.contains("was ignored")).then_some(())
    })
    .unwrap();
    assert_eq!(reconcile(sandbox)["desired"], "open");
    assert!(sandbox.workflows("stop").unwrap().is_empty(), "{}", what_is(sandbox));
}

#[test]
fn nobody_but_the_hub_locks_and_releases() {
    let scene = Scene::small();
    let sandbox = &scene.sandbox;
    let (lock, reason, requested_by) = ("budget".to_owned(), WHY.to_owned(), "ana".to_owned());
    let header = sandbox.header("command/forged");
    let request = SandboxLockRequested { header, lock, reason, requested_by };
    let SandboxLockRequested { header, lock, reason, requested_by } = request.clone();
    let release = SandboxLockReleased { header, lock, reason, requested_by };
    let others = crate::stage().account("777777777777");
    for caller in [&scene.user, &others] {
        assert!(!allowed(send(caller, sandbox, "Sandbox Lock Requested", &request)).unwrap());
        assert!(!allowed(send(caller, sandbox, "Sandbox Lock Released", &release)).unwrap());
    }
    // What is meant for another sandbox, or is malformed, locks nothing either.
    for sample in ["lock-requested", "malformed-lock"] {
        sandbox.send("availability-reconcile", sample).unwrap();
    }
    assert_eq!(told(sandbox, "locked"), Vec::<String>::new());
    assert_eq!(reconcile(sandbox)["outcome"], "no window");
    assert!(may_act(&scene.user));
}
