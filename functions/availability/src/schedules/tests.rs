//! How schedules are made, changed and taken away, against recorded answers of EventBridge Scheduler.

use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::{Value, json};

use super::*;

const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111111111111:function:sandbox-guardrails-availability-reconcile";
const ROLE: &str = "arn:aws:iam::111111111111:role/sandbox-guardrails/sweep";

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn madrid() -> TimeZone {
    zone("Europe/Madrid")
}

fn target(wake: Wake) -> Value {
    json!({
        "Arn": FUNCTION,
        "RoleArn": ROLE,
        "Input": format!(r#"{{"reconcile":"{}"}}"#, wake.name()),
        "RetryPolicy": {"MaximumEventAgeInSeconds": 900, "MaximumRetryAttempts": 5},
    })
}

/// A schedule as Scheduler tells of it.
fn stands(wake: Wake, expression: &str, zone: &str) -> Answer {
    Answer::ok(&json!({
        "Name": wake.name(), "GroupName": "g", "ScheduleExpression": expression, "ScheduleExpressionTimezone": zone,
        "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target(wake), "State": "ENABLED",
    }))
}

fn error(code: &str) -> Answer {
    let status = match code {
        "ResourceNotFoundException" => 404,
        "ConflictException" => 409,
        _ => 400,
    };
    Answer::error(status, code, &json!({"Message": "as recorded"}))
}

fn missing() -> Answer {
    error("ResourceNotFoundException")
}

fn written() -> Answer {
    Answer::ok(&json!({"ScheduleArn": "arn:x"}))
}

/// Sets the closing to a moment, in Madrid; gives what came of it and the bodies of the requests. Those of GET and
/// DELETE have none.
fn set(
    at: Option<&str>,
    answers: impl IntoIterator<Item = Answer>,
) -> (Result<(), (&'static str, CallErrorKind)>, Vec<Value>) {
    let (replay, aws) = Replay::of(answers);
    let place = Place { group: "g".to_owned(), role: ROLE.to_owned(), function: FUNCTION.to_owned() };
    let scheduler = Scheduler::new(&aws, place);
    let set = block_on(scheduler.set(Wake::Closes, at.map(|at| at.parse().unwrap()), &madrid()));
    let requests = replay.requests().into_iter().map(|(_, body)| body).collect();
    (set.map_err(|error| (error.operation, error.kind)), requests)
}

const CLOSING: &str = "2026-11-23T19:00:00Z";

#[test]
fn a_schedule_that_is_missing_is_made_in_the_zone_of_the_window() {
    let (set, requests) = set(Some(CLOSING), [missing(), written()]);
    assert_eq!(set, Ok(()));
    let [get, create] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(*get, Value::Null);
    let mut create = create.clone();
    assert!(create.as_object_mut().unwrap().remove("ClientToken").is_some());
    let expected = json!({
        "GroupName": "g",
        "ScheduleExpression": "at(2026-11-23T20:00:00)",
        "ScheduleExpressionTimezone": "Europe/Madrid",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": target(Wake::Closes),
    });
    assert_eq!(create, expected);
}

#[test]
fn a_schedule_is_changed_only_where_it_differs() {
    let (same, zone) = ("at(2026-11-23T20:00:00)", "Europe/Madrid");
    let mut elsewhere = target(Wake::Closes);
    elsewhere["Arn"] = json!("arn:other");
    let other_target = Answer::ok(&json!({
        "ScheduleExpression": same, "ScheduleExpressionTimezone": zone, "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": elsewhere,
    }));
    for (stands, calls) in [
        (stands(Wake::Closes, same, zone), 1),
        (stands(Wake::Closes, "at(2026-11-23T21:00:00)", zone), 2),
        (stands(Wake::Closes, same, "UTC"), 2),
        (stands(Wake::Opens, same, zone), 2),
        (other_target, 2),
    ] {
        let (set, requests) = set(Some(CLOSING), [stands, written()]);
        assert_eq!((set, requests.len()), (Ok(()), calls));
        if let [_, update] = requests.as_slice() {
            assert_eq!(update["ScheduleExpression"], same);
            assert_eq!(update["ScheduleExpressionTimezone"], zone);
            assert_eq!(update["Target"], target(Wake::Closes));
        }
    }
}

#[test]
fn a_schedule_without_a_moment_is_taken_away_if_it_is_there() {
    let there = || stands(Wake::Closes, "at(2026-11-23T20:00:00)", "Europe/Madrid");
    let gone = Answer::ok(&json!({}));
    assert_eq!(set(None, [missing()]), (Ok(()), vec![Value::Null]));
    assert_eq!(set(None, [there(), gone]), (Ok(()), vec![Value::Null, Value::Null]));
    assert_eq!(set(None, [there(), missing()]).0, Ok(()), "another run was first");
    let denied = (DELETE, CallErrorKind::Denied);
    assert_eq!(set(None, [there(), error("AccessDeniedException")]).0, Err(denied));
}

#[test]
fn a_call_that_fails_is_named() {
    let denied = || error("AccessDeniedException");
    let other = || stands(Wake::Closes, "at(2026-01-01T00:00:00)", "UTC");
    assert_eq!(set(Some(CLOSING), [denied()]).0, Err((GET, CallErrorKind::Denied)));
    assert_eq!(set(Some(CLOSING), [missing(), denied()]).0, Err((CREATE, CallErrorKind::Denied)));
    assert_eq!(set(Some(CLOSING), [other(), denied()]).0, Err((UPDATE, CallErrorKind::Denied)));
    assert_eq!(set(Some(CLOSING), [missing(), error("ConflictException")]).0, Ok(()), "another run made it");
}

#[test]
fn a_moment_is_told_in_local_time_but_for_the_hour_that_its_zone_repeats() {
    for (moment, name, expression, told_in) in [
        ("2026-07-01T18:00:00Z", "Europe/Madrid", "at(2026-07-01T20:00:00)", "Europe/Madrid"),
        // Clocks go from 03:00 back to 02:00 at 01:00 UTC: 02:00 to 03:00 is there twice.
        ("2026-10-24T23:59:00Z", "Europe/Madrid", "at(2026-10-25T01:59:00)", "Europe/Madrid"),
        ("2026-10-25T00:00:00Z", "Europe/Madrid", "at(2026-10-25T00:00:00)", "UTC"),
        ("2026-10-25T00:30:00Z", "Europe/Madrid", "at(2026-10-25T00:30:00)", "UTC"),
        ("2026-10-25T01:30:00Z", "Europe/Madrid", "at(2026-10-25T01:30:00)", "UTC"),
        ("2026-10-25T02:00:00Z", "Europe/Madrid", "at(2026-10-25T03:00:00)", "Europe/Madrid"),
        // Clocks go from 02:00 to 03:00: the first instant that exists.
        ("2026-03-29T01:00:00Z", "Europe/Madrid", "at(2026-03-29T03:00:00)", "Europe/Madrid"),
        ("2026-04-04T15:15:00Z", "Australia/Lord_Howe", "at(2026-04-04T15:15:00)", "UTC"),
        ("2026-11-23T06:15:00Z", "Asia/Kathmandu", "at(2026-11-23T12:00:00)", "Asia/Kathmandu"),
        ("2026-11-23T06:15:00Z", "UTC", "at(2026-11-23T06:15:00)", "UTC"),
    ] {
        let told = Moment::of(moment.parse().unwrap(), &zone(name));
        assert_eq!((told.expression.as_str(), told.zone.as_str()), (expression, told_in), "{moment}");
    }
}

#[test]
fn a_schedule_that_cannot_be_set_keeps_none_of_the_others_back() {
    use crate::fakes::{FakeSchedules, now};
    use crate::plan::plan;

    let document = json!({"time_zone": "Europe/Madrid", "open": [{"days": ["mon"], "from": "08:00", "to": "20:00"}]});
    let window = Window::from_json(&document).unwrap();
    let plan =
        plan(Some(&window), None, &[jiff::SignedDuration::from_mins(5)], "2026-11-23T12:00:00Z".parse().unwrap());
    let schedules = FakeSchedules::default();
    assert_eq!(now(set_schedules(&schedules, Some(&window), &plan)), Ok(()));
    let opens = "availability-opens 2026-11-30T07:00:00Z Europe/Madrid";
    let warns = "availability-warns 2026-11-23T18:55:00Z Europe/Madrid";
    assert_eq!(schedules.told(), [opens, "availability-closes 2026-11-23T19:00:00Z Europe/Madrid", warns]);
    assert_eq!(now(set_schedules(&schedules, None, &Plan::default())), Ok(()));
    assert_eq!(schedules.told(), [""; 0]);
    schedules.fail(Wake::Closes);
    assert!(now(set_schedules(&schedules, Some(&window), &plan)).is_err());
    assert_eq!(schedules.told(), [opens, warns]);
}
