//! Locks as the hub requests and releases them: entered once, in the order in which they were given.

use guardrail::availability::Change;

use super::*;

/// A command about the lock `budget`, given at this minute past eleven.
fn command(verb: &str, minute: i64) -> Value {
    json!({
        "source": "sandbox.guardrails",
        "detail-type": format!("Sandbox Lock {verb}"),
        "account": "999999999999",
        "detail": {
            "schema_version": "1",
            "id": format!("command/{verb}-{minute}"),
            "sandbox": {"account": "111111111111", "region": "eu-west-1", "alias": "marketing"},
            "occurred_at": format!("2026-11-23T11:{minute:02}:00Z"),
            "lock": "budget",
            "reason": format!("{verb} at {minute}"),
            "requested_by": "meter",
        },
    })
}

/// These commands come in this order: is the sandbox locked in the end, what was told, and what was started?
fn check(commands: &[Value], is_locked: bool, told: &[(Change, &str)], workflows: &[&str]) {
    let sandbox = FakeSandbox::at(NOON);
    for command in commands {
        let answer = sandbox.reconcile(command.clone()).unwrap();
        let execution = answer["started"].as_str().unwrap_or_default();
        if !execution.is_empty() {
            // It runs to its end at once.
            let state = if execution.contains("stop") { Closed } else { Open };
            put_standing(&sandbox, state, None);
        }
    }
    let locks: Locks = sandbox.book.get(Page::Locks).unwrap_or_default();
    assert_eq!(held(&locks).is_some(), is_locked);
    let changes: Vec<_> = sandbox.changes().into_iter().map(|told| (told.change, told.message)).collect();
    let expected: Vec<_> = told.iter().map(|(change, message)| (*change, (*message).to_owned())).collect();
    assert_eq!(changes, expected);
    let names = started(&sandbox).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names, workflows);
}

const LOCKED: (Change, &str) = (Change::Locked, "lock `budget` was set by meter: Requested at 1");
const RELEASED: (Change, &str) = (Change::LockReleased, "lock `budget` was released by meter: Released at 2");

#[test]
fn a_lock_closes_at_once_and_its_release_opens() {
    let (request, release) = (|| command("Requested", 1), || command("Released", 2));
    let (stop, start) = ("stop-1-20261123T1100", "start-8-20261123T1100");
    check(&[request()], true, &[LOCKED], &[stop]);
    check(&[request(), release()], false, &[LOCKED, RELEASED], &[start, stop]);
    // The same command twice is one; an older one that comes late changes and tells nothing.
    check(&[request(), request()], true, &[LOCKED], &[stop]);
    check(&[release(), request()], false, &[RELEASED], &[]);
    check(&[request(), release(), request()], false, &[LOCKED, RELEASED], &[start, stop]);
    check(&[request(), release(), release()], false, &[LOCKED, RELEASED], &[start, stop]);
    let again = (Change::Locked, "lock `budget` was set by meter: Requested at 3");
    check(&[request(), command("Requested", 3), release()], true, &[LOCKED, again], &[stop]);
}

#[test]
fn two_locks_are_both_to_be_released() {
    let mut other = command("Requested", 3);
    other["detail"]["lock"] = json!("audit");
    let told = [LOCKED, (Change::Locked, "lock `audit` was set by meter: Requested at 3"), RELEASED];
    check(&[command("Requested", 1), other, command("Released", 2)], true, &told, &["stop-1-20261123T1100"]);
}

#[test]
fn commands_for_others_and_malformed_ones_are_ignored() {
    let changed = |path: &str, value: Value| {
        let mut command = command("Requested", 1);
        *command.pointer_mut(path).unwrap() = value;
        command
    };
    for command in [
        changed("/detail/sandbox/account", json!("222222222222")),
        changed("/detail/sandbox/region", json!("eu-west-3")),
        changed("/detail/occurred_at", json!("soon")),
        changed("/detail/lock", json!(7)),
        changed("/detail", json!("locked")),
        changed("/detail-type", json!("Sandbox Lock Considered")),
        changed("/detail-type", json!("Guardrail Finding")),
        changed("/source", json!(null)),
    ] {
        check(&[command], false, &[], &[]);
    }
}

#[test]
fn a_lock_is_entered_before_anything_else_can_go_wrong() {
    let sandbox = sandbox(NOON);
    sandbox.parameters.deny();
    sandbox.reconcile(command("Requested", 1)).unwrap_err();
    assert!(held(&sandbox.book.get(Page::Locks).unwrap()).is_some());
    assert_eq!(sandbox.told(), [LOCKED.1]);
}

#[test]
fn a_lock_that_was_entered_and_not_told_is_told_by_the_next_try() {
    let sandbox = sandbox(NOON);
    sandbox.ledger.fail_next(1);
    assert!(sandbox.reconcile(command("Requested", 1)).is_err());
    assert_eq!((sandbox.told().len(), started(&sandbox).len()), (0, 1), "it closes all the same");
    sandbox.reconcile(command("Requested", 1)).unwrap();
    assert_eq!(sandbox.told(), [LOCKED.1]);
}

#[test]
fn the_reason_and_who_are_in_what_is_told() {
    let sandbox = sandbox(NOON);
    sandbox.reconcile(command("Requested", 1)).unwrap();
    let [told] = sandbox.changes().try_into().unwrap();
    assert_eq!((told.reason.as_deref(), told.requested_by.as_deref()), (Some("Requested at 1"), Some("meter")));
    assert_eq!((told.lock.as_deref(), told.state), (Some("budget"), Open));
    assert_eq!(told.header.occurred_at, "2026-11-23T11:01:00Z".parse().unwrap());
}
