//! Another window, step by step: what is refused, what is set, and what is in force in the end.

use guardrail::availability::{Availability, Change};
use lambda::fakes::service::sandbox as here;

use super::*;
use crate::book::Lock;
use crate::fakes::FakeSandbox;

fn sandbox() -> FakeSandbox {
    FakeSandbox::at("2026-11-23T11:00:00Z")
}

fn document() -> Value {
    json!({"time_zone": "Europe/Madrid", "open": [{"days": ["mon"], "from": "08:00", "to": "20:00"}]})
}

/// The hub's command for this window, given at this minute past ten.
fn requested(window: &Value, minute: i64) -> Value {
    json!({
        "source": "sandbox.guardrails",
        "detail-type": "Availability Update Requested",
        "account": "999999999999",
        "detail": {
            "schema_version": "1",
            "id": format!("command/{minute}"),
            "sandbox": here(),
            "occurred_at": format!("2026-11-23T10:{minute:02}:00Z"),
            "requested_by": "jo",
            "window": window,
        },
    })
}

fn validate(sandbox: &FakeSandbox, event: &Value) -> Value {
    sandbox.update(json!({"step": "validate", "execution": "arn:x:1", "event": event})).unwrap()
}

fn step(sandbox: &FakeSandbox, step: &str, change: &Value) -> Result<Value, Problems> {
    sandbox.update(json!({"step": step, "execution": "arn:x:1", "change": change}))
}

/// The change that a good command asks for.
fn change(sandbox: &FakeSandbox, window: &Value, minute: i64) -> Value {
    let answer = validate(sandbox, &requested(window, minute));
    assert_eq!(answer["outcome"], "valid");
    answer["change"].clone()
}

/// All steps of the workflow for a good command.
fn update(sandbox: &FakeSandbox, window: &Value, minute: i64) {
    let change = change(sandbox, window, minute);
    for name in ["schedules", "store", "report"] {
        assert_eq!(step(sandbox, name, &change), Ok(json!({"outcome": "done"})), "{name}");
    }
}

fn in_force(sandbox: &FakeSandbox) -> Option<WindowInForce> {
    sandbox.book.get(Page::Window)
}

#[test]
fn a_good_window_is_scheduled_stored_and_told() {
    let sandbox = sandbox();
    let change = change(&sandbox, &document(), 1);
    assert_eq!((sandbox.book.writes(), sandbox.schedules.told()), (0, vec![]), "validating changes nothing");
    let expected = WindowInForce {
        document: Some(document()),
        command: "command/1".to_owned(),
        occurred_at: "2026-11-23T10:01:00Z".parse().unwrap(),
        requested_by: "jo".to_owned(),
    };
    assert_eq!(change, serde_json::to_value(&expected).unwrap());

    for _ in 0..2 {
        assert_eq!(step(&sandbox, "schedules", &change), Ok(json!({"outcome": "done"})));
        let set = [
            "availability-opens 2026-11-30T07:00:00Z Europe/Madrid",
            "availability-closes 2026-11-23T19:00:00Z Europe/Madrid",
            "availability-warns 2026-11-23T18:30:00Z Europe/Madrid",
        ];
        assert_eq!(sandbox.schedules.told(), set);
    }
    assert_eq!(in_force(&sandbox), None, "a schedule only wakes: what is in force is what is stored");
    for _ in 0..2 {
        assert_eq!(step(&sandbox, "store", &change), Ok(json!({"outcome": "done"})));
        assert_eq!((in_force(&sandbox), sandbox.book.writes()), (Some(expected.clone()), 1));
        assert_eq!(step(&sandbox, "report", &change), Ok(json!({"outcome": "done"})));
    }
    let [told] = sandbox.changes().try_into().unwrap();
    assert_eq!((told.change, told.message.as_str()), (Change::WindowUpdated, "another window is in force, by jo"));
    assert_eq!(
        (told.header.id.as_str(), told.requested_by.as_deref()),
        ("availability/window_updated/command/1", Some("jo"))
    );
}

#[test]
fn null_takes_the_window_away() {
    let sandbox = sandbox();
    update(&sandbox, &document(), 1);
    update(&sandbox, &Value::Null, 2);
    assert_eq!(in_force(&sandbox).unwrap().document, None);
    assert_eq!(sandbox.schedules.told(), [""; 0]);
    let told = "the window was taken away by jo: the sandbox is always open";
    assert_eq!(sandbox.told().last().unwrap(), told);
}

/// A window is wrong: is it refused, with all of these named, and nothing changed?
fn check(document: &Value, faults: &[&str]) {
    let sandbox = sandbox();
    update(&sandbox, &self::document(), 1);
    let (before, schedules) = (in_force(&sandbox), sandbox.schedules.told());
    for _ in 0..2 {
        let answer = validate(&sandbox, &requested(document, 2));
        assert_eq!(answer, json!({"outcome": "refused", "change": null}), "{document}");
    }
    let [rejected] = sandbox.rejected().try_into().unwrap();
    for fault in faults {
        assert!(rejected.expected.contains(fault), "`{fault}` is not in: {}", rejected.expected);
    }
    assert_eq!(rejected.parameter, "/sandbox-guardrails/availability/window");
    assert_eq!(rejected.in_force, "the window of 2026-11-23T10:01:00Z, set by jo");
    assert_eq!(rejected.header.id, "configuration/availability/window/command/2");
    assert!(rejected.value.chars().count() <= 200);
    assert_eq!((in_force(&sandbox), sandbox.schedules.told()), (before, schedules));
}

#[test]
fn every_fault_is_named_and_nothing_changes() {
    let with = |key: &str, value: Value| {
        let mut document = document();
        document[key] = value;
        document
    };
    let rule = |key: &str, value: Value| {
        let mut document = document();
        document["open"][0][key] = value;
        document
    };
    check(&with("time_zone", json!("Europe/Madrit")), &["`time_zone`", "Europe/Madrit"]);
    check(&with("holidays", json!([])), &["`holidays`"]);
    check(&rule("to", json!("25:00")), &["`open[0].to`", "`25:00`"]);
    check(&rule("from", json!("20:00")), &["`open[0].to`"]);
    check(&rule("days", json!([])), &["`open[0].days`"]);
    check(&with("closed_dates", json!([{"from": "2027-01-02", "to": "2026-12-30"}])), &["`closed_dates[0]"]);
    let backwards = json!([{"from": "2026-11-23T22:00", "until": "2026-11-23T20:00", "reason": "r"}]);
    check(&with("extensions", backwards), &["`extensions[0]"]);
    check(&json!("open"), &["document"]);
    check(
        &json!({
            "time_zone": "Mars/Olympus", "colour": "red",
            "open": [{"days": ["mon"], "from": "08:00", "to": "25:00"}, {"days": [], "from": "08:00", "to": "08:00"}],
        }),
        &["`time_zone`", "`colour`", "`open[0].to`", "`open[1].days`", "`open[1].to`"],
    );
}

#[test]
fn without_a_window_before_the_rejection_says_so() {
    let sandbox = sandbox();
    validate(&sandbox, &requested(&json!({}), 1));
    let [rejected] = sandbox.rejected().try_into().unwrap();
    assert_eq!(rejected.in_force, "no window: the sandbox is open unless it is locked");
    assert_eq!(rejected.value, "{}");
}

#[test]
fn four_hundred_rules_are_a_window() {
    let rules: Vec<Value> = (0..400)
        .map(|rule| json!({"days": ["mon"], "from": format!("{:02}:{:02}", rule / 60, rule % 60), "to": "20:00"}))
        .collect();
    let sandbox = sandbox();
    update(&sandbox, &json!({"time_zone": "Europe/Madrid", "open": rules}), 1);
    assert_eq!(in_force(&sandbox).unwrap().document.unwrap()["open"].as_array().unwrap().len(), 400);
}

/// An event that is no command for this sandbox is ignored, without a word to anybody.
#[test]
fn what_is_not_meant_for_this_sandbox_is_ignored() {
    let changed = |path: &str, value: Value| {
        let mut event = requested(&document(), 1);
        *event.pointer_mut(path).unwrap() = value;
        event
    };
    let mut without_window = requested(&document(), 1);
    without_window["detail"].as_object_mut().unwrap().remove("window");
    for event in [
        changed("/detail/sandbox/account", json!("222222222222")),
        changed("/detail/sandbox/region", json!("eu-west-3")),
        changed("/detail/occurred_at", json!("soon")),
        changed("/detail", json!([])),
        changed("/detail-type", json!("Sandbox Lock Requested")),
        changed("/detail-type", json!("Something Else")),
        without_window,
        json!({}),
        json!(null),
    ] {
        let sandbox = sandbox();
        assert_eq!(validate(&sandbox, &event), json!({"outcome": "ignored", "change": null}), "{event}");
        assert!(sandbox.bus.ids().is_empty());
    }
}

#[test]
fn an_older_command_never_replaces_a_newer_one() {
    let sandbox = sandbox();
    let mut newer = document();
    newer["time_zone"] = json!("Europe/Lisbon");
    // Both are validated before either is stored.
    let (older, newer) = (change(&sandbox, &document(), 1), change(&sandbox, &newer, 2));
    assert_eq!(step(&sandbox, "store", &newer), Ok(json!({"outcome": "done"})));
    assert_eq!(step(&sandbox, "store", &older), Ok(json!({"outcome": "stale"})));
    assert_eq!(in_force(&sandbox).unwrap().command, "command/2");
    // The older comes when the newer is in force, wrong or not; the same again is no older.
    for window in [document(), json!({})] {
        assert_eq!(validate(&sandbox, &requested(&window, 1))["outcome"], "stale");
    }
    assert_eq!(validate(&sandbox, &requested(&document(), 2))["outcome"], "valid");
    // Whoever gave it is told once that it came too late.
    let [rejected] = <[_; 1]>::try_from(sandbox.rejected()).unwrap();
    assert_eq!(rejected.header.id, "configuration/availability/window/command/1");
    assert!(rejected.expected.starts_with("a command newer than "), "{}", rejected.expected);
}

#[test]
fn what_another_update_stores_meanwhile_is_seen() {
    let sandbox = sandbox();
    let change = change(&sandbox, &document(), 1);
    sandbox.book.conflict(2);
    assert_eq!(step(&sandbox, "store", &change), Ok(json!({"outcome": "done"})));
    assert_eq!(in_force(&sandbox).unwrap().command, "command/1");
}

#[test]
fn schedules_are_set_whatever_locks_there_are() {
    let sandbox = sandbox();
    let occurred_at = "2026-11-23T06:00:00Z".parse().unwrap();
    let lock = Lock { held: true, reason: "r".to_owned(), requested_by: "m".to_owned(), occurred_at };
    sandbox.book.put(Page::Locks, &Locks::from([("budget".to_owned(), lock)]));
    sandbox.put("warnings", "none");
    let change = change(&sandbox, &document(), 1);
    step(&sandbox, "schedules", &change).unwrap();
    assert_eq!(sandbox.schedules.told().len(), 2, "opening and closing; of no warning is to be woken");
}

#[test]
fn a_step_that_fails_says_so_and_may_be_tried_again() {
    let sandbox = sandbox();
    let change = change(&sandbox, &document(), 1);
    sandbox.schedules.fail(crate::schedules::Wake::Opens);
    let problems = step(&sandbox, "schedules", &change).unwrap_err();
    assert!(problems.all(CallErrorKind::Throttled), "{problems}");
    sandbox.book.fail(false, true);
    assert!(step(&sandbox, "store", &change).is_err());
    sandbox.book.fail(false, false);
    assert_eq!(step(&sandbox, "store", &change), Ok(json!({"outcome": "done"})));
    let mut unknown = change.clone();
    unknown["document"]["time_zone"] = json!("Europe/Atlantis");
    let problems = step(&sandbox, "schedules", &unknown).unwrap_err();
    assert!(problems.all(CallErrorKind::Invalid), "{problems}");
}

#[test]
fn a_failure_for_good_is_told_once() {
    let sandbox = sandbox();
    let cause = json!({"errorMessage": "not authorized"}).to_string();
    let error = json!({"Error": "AccessDenied", "Cause": cause});
    let fail = json!({"step": "fail", "execution": "arn:x:u-1", "error": error});
    for _ in 0..2 {
        assert_eq!(sandbox.update(fail.clone()), Ok(json!({"outcome": "failed"})));
    }
    let [told] = sandbox.changes().try_into().unwrap();
    let message = "the change of the window could not be finished: not authorized; ask for it again";
    assert_eq!((told.change, told.message.as_str(), told.state), (Change::Failed, message, Availability::Open));
    assert_eq!(told.header.id, "availability/failed/update/u-1");
}

#[test]
fn every_sample_is_a_step_but_those_that_are_no_payloads() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/availability-update");
    let mut outcomes = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut sample: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        match name.as_str() {
            // The document by itself, for the command line.
            "window" => continue,
            // What the workflow is started with.
            "requested" => sample = json!({"step": "validate", "execution": "arn:x", "event": sample}),
            _ => {}
        }
        let answer = FakeSandbox::at("2026-11-20T09:31:00Z").update(sample).unwrap();
        outcomes.insert(name, answer["outcome"].as_str().unwrap().to_owned());
    }
    let of = |name: &str| outcomes.get(name).map(String::as_str);
    assert_eq!(
        (of("requested"), of("validate"), of("window-taken-away")),
        (Some("valid"), Some("valid"), Some("valid"))
    );
    assert_eq!((of("two-faults"), of("fail")), (Some("refused"), Some("failed")));
    assert_eq!((of("schedules"), of("store"), of("report")), (Some("done"), Some("done"), Some("done")));
    let (kind, message) = {
        let problem = sandbox().update(json!({"step": "store"})).unwrap_err().into_first().unwrap();
        (problem.kind, problem.message)
    };
    assert_eq!(kind, CallErrorKind::Invalid);
    assert!(message.starts_with("the step is none: "), "{message}");
}
