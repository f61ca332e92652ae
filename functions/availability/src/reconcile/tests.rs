//! A sandbox that stands somewhere, with a window and locks that want it somewhere: what is started, told and set.

mod locks;
mod warnings;

use jiff::SignedDuration;
use lambda::fakes::failed;

use super::*;
use crate::fakes::{FakeSandbox, Obeys, execution, resource};
use crate::schedules::Wake;

/// Noon of a Monday in winter, in Madrid: the window is open until 20:00.
const NOON: &str = "2026-11-23T11:00:00Z";

/// The evening of that day: it is closed.
const EVENING: &str = "2026-11-23T19:10:00Z";

fn document() -> Value {
    json!({
        "time_zone": "Europe/Madrid",
        "open": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "20:00"}],
    })
}

/// An empty sandbox with this window, that was never closed nor opened.
fn sandbox(now: &str) -> FakeSandbox {
    let sandbox = FakeSandbox::at(now);
    put_window(&sandbox, document());
    sandbox
}

fn put_window(sandbox: &FakeSandbox, document: Value) {
    let document = Some(document).filter(|document| !document.is_null());
    let occurred_at = "2026-11-20T09:00:00Z".parse().unwrap();
    let in_force = WindowInForce { document, command: "c".to_owned(), occurred_at, requested_by: "jo".to_owned() };
    sandbox.book.put(Page::Window, &in_force);
}

/// The sandbox was last brought here, or is on its way, in its seventh turn.
fn put_standing(sandbox: &FakeSandbox, state: Availability, failure: Option<&str>) {
    let workflow = match state {
        Availability::Closing | Availability::Closed => Workflow::Stop,
        Availability::Opening | Availability::Open => Workflow::Start,
    };
    let at = "2026-11-23T06:00:00Z".parse().unwrap();
    let standing = Standing {
        state,
        workflow,
        turn: 7,
        execution: execution(workflow, "seventh"),
        asked_at: at,
        began_at: at,
        reason: None,
        requested_by: None,
        failure: failure.map(str::to_owned),
    };
    sandbox.book.put(Page::Standing, &standing);
}

fn put_lock(sandbox: &FakeSandbox, held: bool) {
    let occurred_at = "2026-11-23T06:00:00Z".parse().unwrap();
    let lock = Lock { held, reason: "too dear".to_owned(), requested_by: "meter".to_owned(), occurred_at };
    sandbox.book.put(Page::Locks, &Locks::from([("budget".to_owned(), lock)]));
}

fn reconcile(sandbox: &FakeSandbox) -> Result<Value, Problems> {
    sandbox.reconcile(json!({"reconcile": "availability-closes"}))
}

/// The executions started, with the reason of each.
fn started(sandbox: &FakeSandbox) -> Vec<(String, String)> {
    let started = sandbox.workflows.started.borrow();
    let name = |arn: &String| arn.rsplit(':').next().unwrap().to_owned();
    started.iter().map(|(arn, input)| (name(arn), input.reason.clone().unwrap())).collect()
}

/// A sandbox at this moment, in which something happened: what does reconcile start, and why?
fn check(now: &str, happened: impl FnOnce(&FakeSandbox), name: &str, reason: &str) {
    let sandbox = sandbox(now);
    happened(&sandbox);
    let answer = reconcile(&sandbox).unwrap();
    assert_eq!(answer["outcome"], "done");
    if name.is_empty() {
        assert_eq!((started(&sandbox), &answer["started"]), (vec![], &Value::Null), "{answer}");
        return;
    }
    assert_eq!(started(&sandbox), [(name.to_owned(), reason.to_owned())]);
    assert!(answer["started"].as_str().unwrap().ends_with(name), "{answer}");
    // Whoever sees the same in the same minute starts the same.
    sandbox.clock.set(now.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(59));
    reconcile(&sandbox).unwrap();
    assert_eq!(started(&sandbox).len(), 1);
}

const BY_RULE: &str = "rule `open[0]` of its window";
const NO_RULE: &str = "no rule of its window opens it now";

use Availability::{Closed, Closing, Open, Opening};

#[test]
fn a_sandbox_that_is_where_it_should_be_is_left_alone() {
    check(NOON, |_| {}, "", "");
    check(NOON, |sandbox| put_standing(sandbox, Open, None), "", "");
    check(EVENING, |sandbox| put_standing(sandbox, Closed, None), "", "");
    let runs = |sandbox: &FakeSandbox, state| {
        put_standing(sandbox, state, None);
        sandbox.workflows.run(&sandbox.book.get::<Standing>(Page::Standing).unwrap().execution);
    };
    check(NOON, |sandbox| runs(sandbox, Opening), "", "");
    check(EVENING, |sandbox| runs(sandbox, Closing), "", "");
}

#[test]
fn the_workflow_that_is_missing_is_started_with_its_reason() {
    // A schedule was missed, or this is the first closing of all.
    check(EVENING, |_| {}, "stop-1-20261123T1910", NO_RULE);
    check(EVENING, |sandbox| put_standing(sandbox, Open, None), "stop-8-20261123T1910", NO_RULE);
    check(EVENING, |sandbox| put_standing(sandbox, Opening, None), "stop-8-20261123T1910", NO_RULE);
    check(NOON, |sandbox| put_standing(sandbox, Closed, None), "start-8-20261123T1100", BY_RULE);
    check(NOON, |sandbox| put_standing(sandbox, Closing, None), "start-8-20261123T1100", BY_RULE);
    // A workflow was killed half-way.
    check(EVENING, |sandbox| put_standing(sandbox, Closing, None), "stop-8-20261123T1910", NO_RULE);
    check(NOON, |sandbox| put_standing(sandbox, Opening, None), "start-8-20261123T1100", BY_RULE);
    // It ended and reported a failure.
    let after = |state, failure| move |sandbox: &FakeSandbox| put_standing(sandbox, state, Some(failure));
    let again = "rule `open[0]` of its window; before, rds: not authorized";
    check(NOON, after(Open, "rds: not authorized"), "start-8-20261123T1100", again);
    check(EVENING, after(Closing, "x"), "stop-8-20261123T1910", NO_RULE);
    // A window was taken away while it was closed.
    let taken_away = |sandbox: &FakeSandbox| {
        put_window(sandbox, Value::Null);
        put_standing(sandbox, Closed, None);
    };
    check(EVENING, taken_away, "start-8-20261123T1910", "it has no window and no lock");
}

#[test]
fn what_is_on_in_a_closed_sandbox_is_closed_again() {
    let with = |name: &'static str, phase| {
        move |sandbox: &FakeSandbox| {
            put_standing(sandbox, Closed, None);
            sandbox.board.put(name, phase);
        }
    };
    let stop = "stop-8-20261123T1910";
    // AWS starts a database again after seven days; a role is made while the sandbox is closed.
    let found = |what: &str| format!("{NO_RULE}; found on: {what}");
    check(EVENING, with("rds/d", Phase::On), stop, &found("database `d`"));
    check(EVENING, with("rds/d", Phase::TurningOn), stop, &found("database `d`"));
    check(EVENING, with("access/new", Phase::On), stop, &found("role `new`"));
    check(EVENING, with("rds/d", Phase::TurningOff), "", "");
    check(EVENING, with("rds/d", Phase::Off), "", "");
    let many = |sandbox: &FakeSandbox| {
        put_standing(sandbox, Closed, None);
        sandbox.board.put_on(&["jobs/1", "jobs/2", "jobs/3", "jobs/4", "jobs/5", "jobs/6", "emr/c"]);
    };
    check(EVENING, many, stop, &found("job `1`, job `2`, job `3`, job `4`, job `5`, cluster `c`"));
}

#[test]
fn what_closing_leaves_does_not_close_the_sandbox_again_and_again() {
    check(
        EVENING,
        |sandbox| {
            put_standing(sandbox, Closed, None);
            sandbox.put("rds", "leave");
            sandbox.board.put_on(&["rds/d"]);
        },
        "",
        "",
    );
    check(
        EVENING,
        |sandbox| {
            put_standing(sandbox, Closed, None);
            let refused = vec![(resource(Part::Rds, "d"), "it has a replica".to_owned())];
            sandbox.book.put(Page::Part(Part::Rds), &Record { turn: 7, refused, ..Record::default() });
            sandbox.board.put_on(&["rds/d"]);
            sandbox.board.behave("rds/d", Obeys::Refuses("it has a replica"));
        },
        "",
        "",
    );
}

#[test]
fn a_role_that_is_blocked_in_an_open_sandbox_is_opened_again() {
    for standing in [None, Some(Open)] {
        let arrange = |sandbox: &FakeSandbox| {
            standing.into_iter().for_each(|state| put_standing(sandbox, state, None));
            sandbox.board.put("access/ana", Phase::Off);
            sandbox.board.put("rds/d", Phase::Off);
        };
        let name = if standing.is_some() { "start-8-20261123T1100" } else { "start-1-20261123T1100" };
        check(NOON, arrange, name, BY_RULE);
    }
    // What users turned off themselves is nobody's business, and no role to look at locks nobody out.
    check(NOON, |sandbox| sandbox.board.put("rds/d", Phase::Off), "", "");
    let no_role = |sandbox: &FakeSandbox| sandbox.board.fail("access", CallErrorKind::Missing, 0, 9);
    check(NOON, no_role, "", "");
}

#[test]
fn locks_are_above_the_window() {
    let locked = "lock `budget`: too dear";
    let at = |state| {
        move |sandbox: &FakeSandbox| {
            put_standing(sandbox, state, None);
            put_lock(sandbox, true);
        }
    };
    check(NOON, at(Open), "stop-8-20261123T1100", locked);
    check(NOON, at(Opening), "stop-8-20261123T1100", locked);
    check(NOON, at(Closed), "", "");
    check(NOON, |sandbox| put_lock(sandbox, false), "", "");
    let released = |sandbox: &FakeSandbox| {
        put_standing(sandbox, Closed, None);
        put_lock(sandbox, false);
    };
    check(NOON, released, "start-8-20261123T1100", BY_RULE);
    check(EVENING, released, "", "");
}

#[test]
fn whoever_locked_it_is_told_to_the_workflow() {
    let sandbox = sandbox(NOON);
    put_lock(&sandbox, true);
    reconcile(&sandbox).unwrap();
    let who: Vec<_> = sandbox.workflows.started.borrow().values().map(|input| input.requested_by.clone()).collect();
    assert_eq!(who, [Some("meter".to_owned())]);
}

#[test]
fn where_nothing_was_ever_set_nothing_is_asked() {
    let sandbox = FakeSandbox::at(NOON);
    sandbox.parameters.deny();
    sandbox.workflows.fail();
    sandbox.board.put("access/ana", Phase::Off);
    assert_eq!(reconcile(&sandbox), Ok(json!({"outcome": "no window"})));
    assert!(sandbox.board.take_looks().is_empty());
    assert_eq!((sandbox.book.writes(), sandbox.schedules.told()), (0, vec![]));
}

#[test]
fn a_calendar_closes_what_rules_open() {
    let named = |calendar: Calendar| {
        move |sandbox: &FakeSandbox| {
            let mut document = document();
            document["calendar"] = json!("holidays");
            put_window(sandbox, document);
            put_standing(sandbox, Open, None);
            sandbox.calendars.0.borrow_mut().insert("holidays".to_owned(), calendar);
        }
    };
    check(NOON, named(Calendar::Open), "", "");
    check(NOON, named(Calendar::Closed), "stop-8-20261123T1100", "its calendar says closed");
    check(EVENING, named(Calendar::Open), "stop-8-20261123T1910", NO_RULE);
}

/// What cannot be read is loud and changes nothing, unless a lock is held.
fn check_unreadable(state: Availability, arrange: impl Fn(&FakeSandbox), kind: CallErrorKind, sets_schedules: bool) {
    for (is_locked, starts) in [(false, 0), (true, usize::from(state == Open))] {
        let sandbox = sandbox(EVENING);
        put_standing(&sandbox, state, None);
        put_lock(&sandbox, is_locked);
        arrange(&sandbox);
        let problems = reconcile(&sandbox).unwrap_err();
        assert!(problems.all(kind), "{problems}");
        assert_eq!(started(&sandbox).len(), starts, "{state:?}, {is_locked}");
        assert_eq!(!sandbox.schedules.told().is_empty(), sets_schedules);
    }
}

#[test]
fn what_cannot_be_read_has_no_opinion_and_is_loud() {
    for state in [Open, Closed] {
        let calendar = |sandbox: &FakeSandbox| {
            let mut document = document();
            document["calendar"] = json!("unknown");
            put_window(sandbox, document);
        };
        check_unreadable(state, calendar, CallErrorKind::Invalid, true);
        let window = |sandbox: &FakeSandbox| {
            let mut document = document();
            document["time_zone"] = json!("Europe/Atlantis");
            put_window(sandbox, document);
        };
        check_unreadable(state, window, CallErrorKind::Invalid, false);
    }
}

#[test]
fn a_part_that_cannot_be_seen_is_loud_and_hides_none_of_the_others() {
    let sandbox = sandbox(EVENING);
    put_standing(&sandbox, Closed, None);
    sandbox.board.fail("access", CallErrorKind::Denied, 0, 1);
    sandbox.board.fail("emr", CallErrorKind::Throttled, 0, 1);
    sandbox.board.put_on(&["rds/d"]);
    let problems = reconcile(&sandbox).unwrap_err();
    assert!(problems.denied(), "{problems}");
    assert_eq!(started(&sandbox).len(), 1, "the database is closed all the same");
    // It would pass for closed otherwise.
    sandbox.board.delete("rds/d");
    sandbox.board.fail("access", CallErrorKind::Denied, 0, 1);
    assert_eq!(reconcile(&sandbox), Err(Problems::from(failed("iam:ListRoles", CallErrorKind::Denied))));
}

#[test]
fn what_cannot_be_set_or_started_is_loud_and_the_rest_is_done() {
    let sandbox = sandbox(EVENING);
    sandbox.workflows.fail();
    sandbox.schedules.fail(Wake::Closes);
    let problems = reconcile(&sandbox).unwrap_err().to_string();
    for call in ["states:StartExecution", "scheduler:GetSchedule"] {
        assert!(problems.contains(call), "{problems}");
    }
    assert_eq!(sandbox.schedules.told().len(), 2, "the other schedules are set");
}

#[test]
fn settings_that_cannot_be_read_stop_it_and_wrong_ones_are_told_once() {
    let sandbox = sandbox(EVENING);
    sandbox.put("grace", "25h");
    for _ in 0..2 {
        reconcile(&sandbox).unwrap();
    }
    let [rejected] = sandbox.rejected().try_into().unwrap();
    assert_eq!(rejected.parameter, "/sandbox-guardrails/availability/grace");
    assert_eq!((rejected.value.as_str(), rejected.in_force.as_str()), ("25h", "1h"));
    sandbox.parameters.deny();
    assert!(reconcile(&sandbox).unwrap_err().denied());
}

#[test]
fn every_sample_is_taken() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/availability-reconcile");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let sample: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let sandbox = sandbox(NOON);
        let answer = sandbox.reconcile(sample).unwrap();
        assert_eq!(answer["outcome"], "done", "{}", path.display());
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_locked = sandbox.book.get::<Locks>(Page::Locks).is_some_and(|locks| held(&locks).is_some());
        assert_eq!(is_locked, name == "lock-requested", "{name}");
        assert_eq!(started(&sandbox).len(), usize::from(is_locked), "{name}");
    }
}

#[test]
fn schedules_wake_it_at_the_next_opening_closing_and_warning() {
    let zone = "Europe/Madrid";
    for (now, opens, closes, warns) in [
        (NOON, "2026-11-24T07:00:00Z", "2026-11-23T19:00:00Z", "2026-11-23T18:30:00Z"),
        (EVENING, "2026-11-24T07:00:00Z", "2026-11-24T19:00:00Z", "2026-11-24T18:30:00Z"),
    ] {
        let sandbox = sandbox(now);
        reconcile(&sandbox).unwrap();
        let expected = [
            format!("availability-opens {opens} {zone}"),
            format!("availability-closes {closes} {zone}"),
            format!("availability-warns {warns} {zone}"),
        ];
        assert_eq!(sandbox.schedules.told(), expected);
        put_window(&sandbox, Value::Null);
        reconcile(&sandbox).unwrap();
        assert_eq!(sandbox.schedules.told(), [""; 0], "without a window nothing is to come");
    }
}
