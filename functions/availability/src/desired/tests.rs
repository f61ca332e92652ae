//! What should be, by locks, window and calendar.

use serde_json::{Value, json};

use super::*;
use crate::book::Lock;

fn locks(locks: &[(&str, bool)]) -> Locks {
    let lock = |name: &str, held| Lock {
        held,
        reason: format!("reason of {name}"),
        requested_by: format!("{name}-keeper"),
        occurred_at: Timestamp::UNIX_EPOCH,
    };
    locks.iter().map(|(name, held)| ((*name).to_owned(), lock(name, *held))).collect()
}

fn document() -> Value {
    json!({
        "time_zone": "Europe/Madrid",
        "open": [
            {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "20:00"},
            {"days": ["sat"], "from": "22:00", "to": "06:00"},
        ],
        "closed_dates": ["2026-12-25"],
        "extensions": [{"from": "2026-11-23T20:00", "until": "2026-11-23T22:00", "reason": "quarter end"}],
        "closures": [{"from": "2026-11-24T12:00", "until": "2026-11-24T13:00", "reason": "maintenance"}],
    })
}

/// Noon of a Monday in winter, in Madrid.
const NOON: &str = "2026-11-23T11:00:00Z";

fn check(held: &[(&str, bool)], calendar: Calendar, now: &str, state: State, why: &str, who: Option<&str>) {
    let window = Window::from_json(&document()).unwrap();
    let wanted = desired(&locks(held), Some(&window), calendar, now.parse().unwrap());
    assert_eq!(wanted, Desired { state, why: why.to_owned(), requested_by: who.map(str::to_owned) }, "{now}");
}

#[test]
fn locks_are_above_the_window_whatever_it_says() {
    let (none, open, closed) = (Calendar::None, State::Open, State::Closed);
    check(&[], none, NOON, open, "rule `open[0]` of its window", None);
    check(&[("budget", false)], none, NOON, open, "rule `open[0]` of its window", None);
    let budget = "lock `budget`: reason of budget";
    check(&[("budget", true)], none, NOON, closed, budget, Some("budget-keeper"));
    check(&[("budget", true)], none, "2026-11-23T19:30:00Z", closed, budget, Some("budget-keeper"));
    check(
        &[("audit", false), ("budget", true), ("security", true)],
        none,
        NOON,
        closed,
        "lock `budget`: reason of budget; lock `security`: reason of security",
        Some("budget-keeper"),
    );
}

#[test]
fn every_entry_of_a_window_is_named_as_the_reason() {
    for (now, state, why) in [
        ("2026-11-23T06:59:59Z", State::Closed, "no rule of its window opens it now"),
        ("2026-11-23T07:00:00Z", State::Open, "rule `open[0]` of its window"),
        ("2026-11-23T18:59:59Z", State::Open, "rule `open[0]` of its window"),
        ("2026-11-23T19:00:00Z", State::Open, "extension `extensions[0]`: quarter end"),
        ("2026-11-23T21:00:00Z", State::Closed, "no rule of its window opens it now"),
        ("2026-11-24T11:00:00Z", State::Closed, "closure `closures[0]`: maintenance"),
        ("2026-11-24T12:00:00Z", State::Open, "rule `open[0]` of its window"),
        ("2026-11-29T04:59:59Z", State::Open, "rule `open[1]` of its window"),
        ("2026-12-25T11:00:00Z", State::Closed, "closed date `closed_dates[0]`"),
    ] {
        check(&[], Calendar::None, now, state, why, None);
    }
}

#[test]
fn a_calendar_closes_what_rules_open_and_nothing_else() {
    let closed = Calendar::Closed;
    check(&[], Calendar::Open, NOON, State::Open, "rule `open[0]` of its window", None);
    check(&[], closed, NOON, State::Closed, "its calendar says closed", None);
    check(&[], closed, "2026-11-23T19:30:00Z", State::Open, "extension `extensions[0]`: quarter end", None);
    check(&[], Calendar::Open, "2026-11-23T22:00:00Z", State::Closed, "no rule of its window opens it now", None);
}

#[test]
fn without_a_window_it_is_open_but_for_locks() {
    let now = NOON.parse().unwrap();
    let open = desired(&locks(&[("budget", false)]), None, Calendar::None, now);
    assert_eq!((open.state, open.why.as_str()), (State::Open, "it has no window and no lock"));
    assert_eq!(desired(&locks(&[("budget", true)]), None, Calendar::None, now).state, State::Closed);
}

#[test]
fn only_locks_that_are_held_hold() {
    assert_eq!(held(&Locks::new()), None);
    assert_eq!(held(&locks(&[("a", false), ("b", false)])), None);
    assert_eq!(held(&locks(&[("a", false), ("b", true)])).unwrap().why, "lock `b`: reason of b");
}
