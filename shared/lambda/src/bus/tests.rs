//! What `PutEvents` is asked and what it answers, recorded: batches, partial failures, refusals.

use std::iter::repeat_n;

use serde_json::{Value, json};

use super::*;
use crate::fakes::replay::{Answer, Replay, Request};
use crate::fakes::{at, block_on, breach};

/// As many events as messages are given, with those messages; the nth is of query `q<n>`.
fn events(messages: impl IntoIterator<Item = String>) -> Vec<Event> {
    let event = |(index, message)| {
        let mut finding = breach(&format!("q{index}"), at(1800));
        finding.message = message;
        finding.into()
    };
    messages.into_iter().enumerate().map(event).collect()
}

fn small(count: usize) -> Vec<Event> {
    events(repeat_n("over".to_owned(), count))
}

/// An answer that accepts entries where the code is `None`.
fn answer(codes: &[Option<&str>]) -> Answer {
    let entry = |code: &Option<&str>| match code {
        None => json!({"EventId": "11710aed-b79e-4468-a20b-bb3c0c3b4860"}),
        Some(code) => json!({"ErrorCode": code, "ErrorMessage": "as recorded"}),
    };
    let failed = codes.iter().flatten().count();
    Answer::ok(&json!({"FailedEntryCount": failed, "Entries": codes.iter().map(entry).collect::<Vec<_>>()}))
}

fn accepts(count: usize) -> Answer {
    answer(&vec![None; count])
}

/// Publishes; gives the refusals and, for each request, the queries whose events it held.
fn publish(events: &[Event], answers: impl IntoIterator<Item = Answer>) -> (Vec<(usize, CallError)>, Vec<Vec<String>>) {
    let (replay, aws) = Replay::of(answers);
    let refused = block_on(EventBus::new(&aws, "sandbox-guardrails").publish(events));
    let held = |(_, body): Request| {
        let entries = body["Entries"].as_array().unwrap().clone();
        let detail = |entry: Value| serde_json::from_str::<Value>(entry["Detail"].as_str().unwrap()).unwrap();
        entries.into_iter().map(|entry| detail(entry)["resource"]["id"].as_str().unwrap().to_owned()).collect()
    };
    (refused, replay.requests().into_iter().map(held).collect())
}

fn queries(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("q{number}")).collect()
}

#[test]
fn an_entry_names_bus_source_and_detail_type() {
    let (replay, aws) = Replay::of([accepts(1)]);
    let event = Event::from(breach("q0", at(1800)));
    let refused = block_on(EventBus::new(&aws, "sandbox-guardrails").publish(std::slice::from_ref(&event)));
    assert_eq!(refused, []);
    let entry = json!({
        "EventBusName": "sandbox-guardrails",
        "Source": "sandbox.guardrails",
        "DetailType": "Guardrail Finding",
        "Detail": serde_json::to_string(&event).unwrap(),
    });
    assert_eq!(replay.requests(), [("PutEvents".to_owned(), json!({"Entries": [entry]}))]);
}

#[test]
fn events_go_in_batches_of_ten() {
    let (refused, requests) = publish(&small(23), [accepts(10), accepts(10), accepts(3)]);
    assert_eq!(refused, []);
    assert_eq!(requests, [queries(0..10), queries(10..20), queries(20..23)]);
    assert_eq!(publish(&[], []), (vec![], vec![]));
}

#[test]
fn a_batch_stays_below_what_aws_takes() {
    let overhead = {
        let (detail, detail_type) = (serde_json::to_string(&events([String::new()])[0]).unwrap(), "Guardrail Finding");
        SOURCE.len() + detail_type.len() + detail.len()
    };
    let of = |bytes: usize| "x".repeat(bytes - overhead);
    let third = BATCH_BYTES / 3;
    // Three thirds reach the size that must not be reached, unless one is a little smaller.
    let (refused, requests) = publish(&events([of(third), of(third), of(third + 1)]), [accepts(2), accepts(1)]);
    assert_eq!((refused, requests), (vec![], vec![queries(0..2), queries(2..3)]));
    let (refused, requests) = publish(&events([of(third), of(third), of(third)]), [accepts(3)]);
    assert_eq!((refused, requests), (vec![], vec![queries(0..3)]));

    let (refused, requests) =
        publish(&events([of(1000), of(BATCH_BYTES), of(BATCH_BYTES - 1)]), [accepts(1), accepts(1)]);
    assert_eq!(requests, [queries([0]), queries([2])]);
    assert_eq!(refused.len(), 1);
    assert_eq!((refused[0].0, refused[0].1.kind), (1, CallErrorKind::Invalid));
    assert_eq!(
        refused[0].1.message,
        "event `athena-query-runtime/q1/100` has 262144 bytes, must have less than 262144"
    );
}

#[test]
fn only_entries_that_failed_are_put_again() {
    let (throttled, internal) = (Some("ThrottlingException"), Some("InternalFailure"));
    let answers = [answer(&[None, throttled, None, internal]), answer(&[internal, None]), accepts(1)];
    let (refused, requests) = publish(&small(4), answers);
    assert_eq!(refused, []);
    assert_eq!(requests, [queries(0..4), queries([1, 3]), queries([1])]);
}

/// One of three entries gets this code each time; it comes back as this kind after so many attempts.
fn check(code: &str, kind: CallErrorKind, attempts: usize) {
    let again = repeat_n(answer(&[Some(code)]), attempts - 1);
    let (refused, requests) = publish(&small(3), [answer(&[None, Some(code), None])].into_iter().chain(again));
    let message = format!("{code}: as recorded");
    assert_eq!(refused, [(1, CallError { operation: "events:PutEvents", kind, message })]);
    assert_eq!(requests.len(), attempts, "{code}");
}

#[test]
fn entries_refused_for_good_come_back_by_index() {
    check("ThrottlingException", CallErrorKind::Throttled, 4);
    check("InternalFailure", CallErrorKind::Unavailable, 4);
    check("InternalException", CallErrorKind::Unavailable, 4);
    check("AccessDeniedException", CallErrorKind::Denied, 1);
    check("NotAuthorizedForSourceException", CallErrorKind::Denied, 1);
    check("InvalidArgument", CallErrorKind::Invalid, 1);
    check("MalformedDetail", CallErrorKind::Invalid, 1);
}

#[test]
fn what_was_refused_for_good_early_is_not_lost_while_others_are_put_again() {
    let answers = [answer(&[Some("MalformedDetail"), Some("InternalFailure"), None]), accepts(1)];
    let (refused, requests) = publish(&small(3), answers);
    assert_eq!(refused.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0]);
    assert_eq!(requests, [queries(0..3), queries([1])]);
}

#[test]
fn an_entry_without_an_answer_counts_as_refused() {
    let (refused, requests) = publish(&small(3), [accepts(2), accepts(1)]);
    assert_eq!((refused, requests), (vec![], vec![queries(0..3), queries([2])]));
}

#[test]
fn a_failed_call_refuses_its_batch_and_no_other() {
    let throttled = repeat_n(Answer::error(400, "ThrottlingException", &Value::Null), 6);
    let (refused, requests) = publish(&small(12), throttled.chain([accepts(2)]));
    assert_eq!(refused.iter().map(|(index, _)| *index).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert!(refused.iter().all(|(_, error)| error.kind == CallErrorKind::Throttled));
    assert_eq!(requests.last(), Some(&queries(10..12)));
}
