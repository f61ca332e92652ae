//! What lies ahead at moments around openings, closings and warnings.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn window(document: &Value) -> Window {
    Window::from_json(document).unwrap()
}

/// Open on Mondays from 8 to 20 and on Tuesdays for ten minutes, in UTC.
fn mondays() -> Window {
    window(&json!({
        "time_zone": "UTC",
        "open": [
            {"days": ["mon"], "from": "08:00", "to": "20:00"},
            {"days": ["tue"], "from": "08:00", "to": "08:10"},
        ],
    }))
}

fn wanted(state: State) -> Desired {
    Desired { state, why: String::new(), requested_by: None }
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn at(text: &str) -> Option<Timestamp> {
    (text != "-").then(|| format!("2026-11-{text}Z").parse().unwrap())
}

/// At a moment of November 2026: the next closing, the next opening, the minutes of the warning due, the next warning.
fn check(now: &str, state: State, closes_at: &str, opens_at: &str, due: Option<i64>, warns_at: &str) {
    let warnings = [minutes(30), minutes(5)];
    let plan = plan(Some(&mondays()), Some(&wanted(state)), &warnings, at(now).unwrap());
    assert_eq!((plan.closes_at, plan.opens_at), (at(closes_at), at(opens_at)), "{now}");
    assert_eq!((plan.warning_due, plan.warns_at), (due.map(minutes), at(warns_at)), "{now}");
    let wakes = [(Wake::Opens, at(opens_at)), (Wake::Closes, at(closes_at)), (Wake::Warns, at(warns_at))];
    assert_eq!(plan.wakes(), wakes, "{now}");
}

#[test]
fn warnings_are_due_from_their_moment_on_and_the_latest_stands_for_those_before() {
    let (open, closed) = (State::Open, State::Closed);
    let (closes, opens) = ("23T20:00", "24T08:00");
    check("23T07:59:59", closed, closes, "23T08:00", None, "23T19:30");
    check("23T08:00", open, closes, opens, None, "23T19:30");
    check("23T19:29:59", open, closes, opens, None, "23T19:30");
    check("23T19:30", open, closes, opens, Some(30), "23T19:55");
    check("23T19:54:59", open, closes, opens, Some(30), "23T19:55");
    check("23T19:55", open, closes, opens, Some(5), "-");
    check("23T19:59:59", open, closes, opens, Some(5), "-");
    // It opens for less time than the first warning takes: that is due with the opening.
    check("23T20:00", closed, "24T08:10", "24T08:00", None, "24T08:00");
    check("24T08:00", open, "24T08:10", "30T08:00", Some(30), "24T08:05");
    check("24T08:05", open, "24T08:10", "30T08:00", Some(5), "-");
}

#[test]
fn who_has_no_access_is_not_warned() {
    // Open by its window, and closed by a lock or a calendar.
    check("23T19:40", State::Closed, "23T20:00", "24T08:00", None, "23T19:55");
    let unknown = plan(Some(&mondays()), None, &[minutes(30)], at("23T19:40").unwrap());
    assert_eq!(unknown.warning_due, None);
    assert!(!unknown.stays_open_past(at("23T19:50").unwrap()), "what is not known calls nothing off");
}

#[test]
fn without_a_window_or_a_change_nothing_lies_ahead() {
    let now = at("23T12:00").unwrap();
    let never = plan(None, Some(&wanted(State::Open)), &[minutes(30)], now);
    let always = window(
        &json!({"time_zone": "UTC", "open": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "to": "24:00"}]}),
    );
    for plan in [never, plan(Some(&always), Some(&wanted(State::Open)), &[minutes(30)], now)] {
        assert_eq!(plan, Plan { is_open: true, ..Plan::default() });
        assert_eq!(plan.wakes().map(|(_, at)| at), [None; 3]);
        assert!(plan.stays_open_past(now), "a closing that was announced does not come");
    }
}

#[test]
fn a_closing_does_not_come_when_the_sandbox_is_open_and_closes_later() {
    let now = at("23T19:40").unwrap();
    let plan = |state| plan(Some(&mondays()), Some(&wanted(state)), &[], now);
    for (announced, state, stays) in [
        ("23T19:50", State::Open, true),
        ("23T20:00", State::Open, false),
        ("23T20:10", State::Open, false),
        ("23T19:50", State::Closed, false),
    ] {
        assert_eq!(plan(state).stays_open_past(at(announced).unwrap()), stays, "{announced}, {state}");
    }
}

proptest! {
    /// Whoever is woken at every moment that is planned hears every warning of every closing, each at its time.
    #[test]
    fn whoever_is_woken_as_planned_misses_no_warning(
        from in 0_i8..23,
        length in 1_i64..20,
        zone in prop_oneof![Just("UTC"), Just("Europe/Madrid"), Just("America/St_Johns"), Just("Australia/Lord_Howe")],
        warnings in proptest::collection::btree_set(1_i64..120, 1..4),
        start in 1_767_225_600_i64..1_798_761_600,
    ) {
        let to = format!("{:02}:30", (i64::from(from) + length) % 24);
        let open = json!([{"days": ["mon", "wed", "sat", "sun"], "from": format!("{from:02}:00"), "to": to}]);
        let window = window(&json!({"time_zone": zone, "open": open}));
        let warnings: Vec<SignedDuration> = warnings.into_iter().rev().map(minutes).collect();
        let mut now = Timestamp::from_second(start).unwrap();
        let mut heard = Vec::new();
        for _ in 0..40 {
            let plan = plan(Some(&window), Some(&wanted(window.state_at(now))), &warnings, now);
            let closes_at = plan.closes_at.unwrap();
            if let Some(warning) = plan.warning_due {
                heard.push((closes_at, warning));
                prop_assert!(closes_at.duration_since(now) <= warning);
            }
            prop_assert!(plan.wakes().iter().flat_map(|(_, at)| at).all(|at| *at > now));
            if plan.closes_at < plan.opens_at && heard.last().is_none_or(|(at, _)| *at != closes_at) {
                let earliest = warnings.iter().max().unwrap();
                prop_assert!(closes_at.duration_since(now) > *earliest, "open and not warned at {}", now);
            }
            now = plan.wakes().iter().filter_map(|(_, at)| *at).min().unwrap();
        }
        let closings = heard.iter().map(|(at, _)| at).collect::<std::collections::BTreeSet<_>>().len();
        prop_assert!(closings >= 4, "{} closings were announced", closings);
    }
}
