//! Warnings of a closing: each once, at its time or as soon as possible, and called off when it does not come.

use guardrail::availability::Change;

use super::*;

/// What was told of closings to come, with the moment of each.
fn warned(sandbox: &FakeSandbox) -> Vec<String> {
    let soon = |change: &Change| matches!(change, Change::ClosingSoon | Change::ClosingCalledOff);
    sandbox.changes().into_iter().filter(|told| soon(&told.change)).map(|told| told.message).collect()
}

/// Reconcile runs at these times of the evening, UTC: what was told in the end? It closes at 19:00, 20:00 in Madrid.
fn check(times: &[&str], messages: &[&str]) {
    let sandbox = sandbox(NOON);
    put_standing(&sandbox, Open, None);
    for time in times {
        sandbox.clock.set(format!("2026-11-23T{time}Z").parse().unwrap());
        reconcile(&sandbox).unwrap();
    }
    assert_eq!(warned(&sandbox), messages, "{times:?}");
}

const AT: &str = "at 20:00 (CET): save your work, or ask for an extension";

#[test]
fn each_warning_is_told_once_at_its_time_or_as_soon_as_possible() {
    let in_30 = &format!("the sandbox closes in 30m, {AT}");
    let in_5 = &format!("the sandbox closes in 5m, {AT}");
    check(&["18:29:59"], &[]);
    check(&["18:30:00"], &[in_30]);
    check(&["18:30:00", "18:31:00", "18:45:00", "18:54:59"], &[in_30]);
    check(&["18:30:00", "18:55:00", "18:59:00"], &[in_30, in_5]);
    // The schedule was missed: the next run tells how much time is left, and only what is still of use.
    check(&["18:43:10"], &[&format!("the sandbox closes in 17m, {AT}")]);
    check(&["18:57:00"], &[&format!("the sandbox closes in 3m, {AT}")]);
    check(&["18:59:59.9"], &[&format!("the sandbox closes in 1m, {AT}")]);
    check(&["19:00:00"], &[]);
}

#[test]
fn a_warning_tells_when_it_closes() {
    let sandbox = sandbox("2026-11-23T18:30:00Z");
    reconcile(&sandbox).unwrap();
    let [told] = sandbox.changes().try_into().unwrap();
    assert_eq!((told.change, told.state), (Change::ClosingSoon, Open));
    assert_eq!(told.at, Some("2026-11-23T19:00:00Z".parse().unwrap()));
    assert_eq!(told.header.id, "availability/closing_soon/2026-11-23T19:00:00Z/30m");
}

#[test]
fn warnings_are_a_setting() {
    for (setting, expected) in [("none", 0), ("15m", 0), ("16m", 1), ("2h,1h", 1)] {
        let sandbox = sandbox("2026-11-23T18:44:30Z");
        sandbox.put("warnings", setting);
        reconcile(&sandbox).unwrap();
        assert_eq!(warned(&sandbox).len(), expected, "{setting}");
    }
}

#[test]
fn who_has_no_access_is_not_warned() {
    let sandbox = sandbox("2026-11-23T18:40:00Z");
    put_lock(&sandbox, true);
    reconcile(&sandbox).unwrap();
    assert_eq!(warned(&sandbox), [""; 0]);
}

/// Users were warned at 18:40 of the closing at 19:00, then the window became this one: what are they told at 18:45?
fn check_change(change: impl FnOnce(&FakeSandbox), messages: &[&str]) {
    let sandbox = sandbox("2026-11-23T18:40:00Z");
    reconcile(&sandbox).unwrap();
    change(&sandbox);
    sandbox.clock.set("2026-11-23T18:45:00Z".parse().unwrap());
    for _ in 0..2 {
        reconcile(&sandbox).unwrap();
    }
    assert_eq!(warned(&sandbox).split_off(1), messages);
}

fn with(key: &str, from: &str, until: &str) -> impl FnOnce(&FakeSandbox) {
    let mut document = document();
    document[key] = json!([{"from": from, "until": until, "reason": "quarter end"}]);
    move |sandbox| put_window(sandbox, document)
}

#[test]
fn a_closing_that_does_not_come_is_called_off_once() {
    let called_off = "the sandbox does not close at 20:00 (CET)";
    check_change(|_| {}, &[]);
    check_change(with("extensions", "2026-11-23T20:00", "2026-11-23T22:00"), &[called_off]);
    check_change(|sandbox| put_window(sandbox, Value::Null), &["the sandbox does not close at 19:00 UTC"]);
    // It is put off by ten minutes, of which users are warned too, or comes earlier.
    let put_off = "the sandbox closes in 25m, at 20:10 (CET): save your work, or ask for an extension";
    check_change(with("extensions", "2026-11-23T20:00", "2026-11-23T20:10"), &[called_off, put_off]);
    let earlier = "the sandbox closes in 5m, at 19:50 (CET): save your work, or ask for an extension";
    check_change(with("closures", "2026-11-23T19:50", "2026-11-23T21:00"), &[earlier]);
    // It has closed before: nobody is told that it will not.
    check_change(with("closures", "2026-11-23T19:45", "2026-11-23T21:00"), &[]);
    check_change(|sandbox| put_lock(sandbox, true), &[]);
}

#[test]
fn a_closing_that_has_come_is_not_called_off() {
    let sandbox = sandbox("2026-11-23T18:40:00Z");
    reconcile(&sandbox).unwrap();
    sandbox.clock.set("2026-11-23T19:00:00Z".parse().unwrap());
    with("extensions", "2026-11-23T20:00", "2026-11-23T22:00")(&sandbox);
    reconcile(&sandbox).unwrap();
    assert_eq!(warned(&sandbox).len(), 1);
}

#[test]
fn a_closing_that_was_called_off_and_comes_after_all_is_announced_again() {
    let sandbox = sandbox("2026-11-23T18:40:00Z");
    for (minute, is_extended, count) in [(40, false, 1), (42, true, 2), (44, false, 3), (46, true, 4), (48, false, 5)] {
        sandbox.clock.set(format!("2026-11-23T18:{minute}:00Z").parse().unwrap());
        match is_extended {
            true => with("extensions", "2026-11-23T20:00", "2026-11-23T22:00")(&sandbox),
            false => put_window(&sandbox, document()),
        }
        for _ in 0..2 {
            reconcile(&sandbox).unwrap();
        }
        assert_eq!(warned(&sandbox).len(), count, "18:{minute}");
    }
}
