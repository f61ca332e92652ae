//! Systems Manager's change calendars: what they say at which instant, and when they say so by themselves.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use workload_simulator::{CalendarEvent, CalendarKind, CalendarSpec, CalendarState, Simulator, SsmHandle};

use crate::support::{ACCOUNT, Client, OTHER, REGION, eventually, start};

fn ssm_of(simulator: &Simulator) -> SsmHandle {
    simulator.world().account(ACCOUNT, REGION).ssm()
}

fn client_of(simulator: &Simulator) -> Client {
    Client::new(simulator).service("AmazonSSM")
}

fn event(from: &str, until: &str) -> CalendarEvent {
    CalendarEvent { from: from.parse().unwrap(), until: until.parse().unwrap() }
}

#[tokio::test]
async fn a_calendar_is_what_its_events_make_of_it() {
    let simulator = start();
    let (client, ssm) = (client_of(&simulator), ssm_of(&simulator));
    // Christmas twice, overlapping, and New Year's day.
    let events = vec![
        event("2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z"),
        event("2026-12-24T12:00:00Z", "2026-12-25T12:00:00Z"),
        event("2026-12-25T00:00:00Z", "2026-12-26T00:00:00Z"),
    ];
    ssm.close_during("holidays", events.clone());
    let kind = CalendarKind::DefaultClosed;
    ssm.set_calendar(CalendarSpec { name: "opposite".to_owned(), kind, events });
    ssm.close_during("maintenance", vec![event("2026-12-26T00:00:00Z", "2026-12-26T06:00:00Z")]);

    let check = async |names: &[&str], at: &str, state: &str, next: Option<&str>| {
        let output = client.ok("GetCalendarState", json!({ "CalendarNames": names, "AtTime": at })).await;
        assert_eq!((&output["State"], output.get("NextTransitionTime").and_then(Value::as_str)), (&json!(state), next));
    };
    let holidays = ["holidays"];
    check(&holidays, "2026-12-24T11:59:59Z", "OPEN", Some("2026-12-24T12:00:00Z")).await;
    check(&holidays, "2026-12-24T12:00:00Z", "CLOSED", Some("2026-12-26T00:00:00Z")).await;
    check(&holidays, "2026-12-24T13:00:00+0100", "CLOSED", Some("2026-12-26T00:00:00Z")).await;
    check(&holidays, "2026-12-25T23:59:59Z", "CLOSED", Some("2026-12-26T00:00:00Z")).await;
    check(&holidays, "2026-12-26T00:00:00Z", "OPEN", Some("2027-01-01T00:00:00Z")).await;
    check(&holidays, "2027-01-02T00:00:00Z", "OPEN", None).await;
    check(&["opposite"], "2026-12-24T12:00:00Z", "OPEN", Some("2026-12-26T00:00:00Z")).await;
    check(&["opposite"], "2027-01-02T00:00:00Z", "CLOSED", None).await;
    // Together they are open only when all are.
    check(&["holidays", "maintenance"], "2026-12-25T06:00:00Z", "CLOSED", Some("2026-12-26T06:00:00Z")).await;
    check(&["holidays", "opposite"], "2026-12-25T06:00:00Z", "CLOSED", None).await;
    let arn = format!("arn:aws:ssm:{REGION}:{ACCOUNT}:document/holidays");
    check(&[&arn], "2026-12-26T00:00:00Z", "OPEN", Some("2027-01-01T00:00:00Z")).await;
}

#[tokio::test]
async fn what_is_no_calendar_is_refused() {
    let simulator = start();
    let (client, ssm) = (client_of(&simulator), ssm_of(&simulator));
    let calendar = |name: &str, kind| CalendarSpec { name: name.to_owned(), kind, ..CalendarSpec::default() };
    ssm.set_calendar(calendar("foreign", CalendarKind::Unsupported));
    ssm.set_calendar(calendar("runbook", CalendarKind::OtherDocument));
    ssm.set_calendar(CalendarSpec::default());
    assert_eq!(ssm.state("holidays"), Some(CalendarState::Open));
    assert_eq!((ssm.state("foreign"), ssm.state("none")), (None, None));
    assert!(ssm.delete_calendar("holidays") && !ssm.delete_calendar("holidays"));
    for (name, code) in [
        ("holidays", "InvalidDocument"),
        ("foreign", "UnsupportedCalendarException"),
        ("runbook", "InvalidDocumentType"),
    ] {
        let (refused, message) = client.refused("GetCalendarState", json!({ "CalendarNames": [name] })).await;
        assert_eq!(refused, code, "{message}");
        let stranger = Client::of(&simulator, OTHER).service("AmazonSSM");
        let (refused, _) = stranger.refused("GetCalendarState", json!({ "CalendarNames": [name] })).await;
        assert_eq!(refused, "InvalidDocument");
    }
    for input in [json!({}), json!({ "CalendarNames": [] }), json!({ "CalendarNames": ["foreign"], "AtTime": "noon" })]
    {
        assert_eq!(client.refused("GetCalendarState", input).await.0, "ValidationException");
    }
    assert_eq!(client.refused("GetParameter", json!({ "Name": "x" })).await.0, "UnknownOperationException");
}

#[expect(clippy::disallowed_methods, reason = "the test waits for what happens soon")]
fn now() -> Timestamp {
    Timestamp::now()
}

#[tokio::test]
async fn a_transition_is_announced_when_it_comes() {
    let simulator = start();
    let ssm = ssm_of(&simulator);
    let from = now() + Duration::from_millis(150);
    let soon = CalendarEvent { from, until: from + Duration::from_millis(150) };
    let past = CalendarEvent { from: from - Duration::from_secs(90), until: from - Duration::from_secs(60) };
    ssm.close_during("holidays", vec![past, soon]);
    assert_eq!(ssm.state("holidays"), Some(CalendarState::Open));
    eventually("it closes", || ssm.state("holidays").filter(|state| *state == CalendarState::Closed)).await;
    eventually("it opens", || ssm.state("holidays").filter(|state| *state == CalendarState::Open)).await;
    let announced = || simulator.world().events().stats().happened;
    eventually("both are announced", || (announced() == 2).then_some(())).await;
}

#[tokio::test]
async fn a_bench_sets_calendars_over_http() {
    let simulator = start();
    let client = client_of(&simulator);
    let routes = format!("accounts/{ACCOUNT}/{REGION}/ssm/calendars");
    let spec = json!({ "name": "quarter-end", "kind": "DEFAULT_CLOSED" });
    assert_eq!(client.control("POST", &routes, Some(spec)).await, (201, json!({ "name": "quarter-end" })));
    let one = format!("{routes}/quarter-end");
    assert_eq!(client.control("GET", &one, None).await, (200, json!({ "state": "CLOSED" })));
    assert_eq!(client.control("DELETE", &one, None).await.0, 200);
    assert_eq!(client.control("DELETE", &one, None).await.0, 404);
    assert_eq!(client.control("POST", &routes, Some(json!({ "title": "x" }))).await.0, 422);
}
