//! What Systems Manager answers about calendars, recorded.

use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::{Value, json};

use super::*;

fn check(answer: Answer, expected: Result<Calendar, (CallErrorKind, &str)>) {
    let (replay, aws) = Replay::of([answer]);
    let state = block_on(ChangeCalendars::new(&aws).state("bank-holidays"));
    let state = state.map_err(|error| {
        assert_eq!(error.operation, "ssm:GetCalendarState");
        (error.kind, error.message)
    });
    assert_eq!(state, expected.map_err(|(kind, message)| (kind, message.to_owned())));
    let asked = json!({"CalendarNames": ["bank-holidays"]});
    assert_eq!(replay.requests(), [("GetCalendarState".to_owned(), asked)]);
}

#[test]
fn a_calendar_is_open_or_closed_and_anything_else_is_an_error() {
    let state = |state: &str| Answer::ok(&json!({"State": state, "AtTime": "2026-12-24T13:00:00Z"}));
    check(state("OPEN"), Ok(Calendar::Open));
    check(state("CLOSED"), Ok(Calendar::Closed));
    let expected = "calendar `bank-holidays` is Some(Unknown(UnknownVariantValue(\"AJAR\"))), expected OPEN or CLOSED";
    check(state("AJAR"), Err((CallErrorKind::Invalid, expected)));
    let expected = "calendar `bank-holidays` is None, expected OPEN or CLOSED";
    check(Answer::ok(&json!({})), Err((CallErrorKind::Invalid, expected)));
    let error = |code: &str| Answer::error(400, code, &Value::Null);
    check(error("InvalidDocument"), Err((CallErrorKind::Invalid, "InvalidDocument: as recorded")));
    check(error("AccessDeniedException"), Err((CallErrorKind::Denied, "AccessDeniedException: as recorded")));
}
