//! What `PutEvents` is asked and what it answers, recorded: batches, partial failures, refusals.

use std::iter::repeat_n;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
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

/// The bus of the sandbox with this number.
fn bus(number: usize) -> String {
    format!("arn:aws:events:eu-west-1:{number:012}:event-bus/sandbox-guardrails")
}

/// Publishes an event for each of so many sandboxes; gives the refusals, the sandboxes of each request, and the seconds
/// that it took.
fn publish_to(
    sandboxes: usize,
    within: u64,
    answers: impl IntoIterator<Item = Answer>,
) -> (Vec<(usize, CallErrorKind)>, Vec<Vec<usize>>, u64) {
    let events: Vec<_> = small(sandboxes).into_iter().enumerate().map(|(n, event)| (bus(n), event)).collect();
    let (replay, aws) = Replay::of(answers);
    let (refused, took) = block_on(async {
        let began = Instant::now();
        let buses = EventBuses::new(&aws);
        let refused = buses.publish_to("eu-west-1", &events, Duration::from_secs(within)).await;
        (refused, began.elapsed().as_secs())
    });
    let held = |(_, body): Request| {
        let bus = |entry: &Value| entry["EventBusName"].as_str().unwrap().split(':').nth(4).unwrap().parse().unwrap();
        body["Entries"].as_array().unwrap().iter().map(bus).collect()
    };
    let refused = refused.into_iter().map(|(index, error)| (index, error.kind)).collect();
    (refused, replay.requests().into_iter().map(held).collect(), took)
}

fn sandboxes(numbers: impl IntoIterator<Item = usize>) -> Vec<usize> {
    numbers.into_iter().collect()
}

#[test]
fn events_for_many_buses_share_their_calls() {
    let (refused, requests, _) = publish_to(23, 60, [accepts(10), accepts(10), accepts(3)]);
    assert_eq!((refused, requests), (vec![], vec![sandboxes(0..10), sandboxes(10..20), sandboxes(20..23)]));
}

#[test]
fn what_is_throttled_goes_again_when_every_batch_had_its_turn() {
    let (throttled, internal) = (Some("ThrottlingException"), Some("InternalFailure"));
    let first = answer(&[None, throttled, None, None, None, None, None, None, None, internal]);
    let (refused, requests, took) = publish_to(12, 60, [first, answer(&[throttled, None]), accepts(3)]);
    assert_eq!((refused, took), (vec![], 0));
    assert_eq!(requests, [sandboxes(0..10), sandboxes(10..12), sandboxes([1, 9, 10])]);
}

#[test]
fn a_throttled_call_is_made_again_beyond_the_attempts_of_the_sdk() {
    for lost in [Answer::error(400, "ThrottlingException", &Value::Null), Answer::error(500, "X", &Value::Null)] {
        let (refused, requests, _) = publish_to(12, 60, repeat_n(lost, 6).chain([accepts(2), accepts(10)]));
        assert_eq!(refused, []);
        assert_eq!(requests.last(), Some(&sandboxes(0..10)));
    }
}

#[test]
fn a_call_that_is_refused_for_good_is_made_once() {
    let denied = Answer::error(400, "AccessDeniedException", &Value::Null);
    let (refused, requests, _) = publish_to(11, 60, [denied, accepts(1)]);
    assert_eq!(refused, (0..10).map(|index| (index, CallErrorKind::Denied)).collect::<Vec<_>>());
    assert_eq!(requests.len(), 2);
}

#[test]
fn patience_ends_and_what_is_left_comes_back() {
    // One entry is throttled each time: it is put again until the time is up and not a second longer.
    let stubborn = || answer(&[Some("ThrottlingException")]);
    for within in [1, 10, 60] {
        let answers = [answer(&[None, Some("ThrottlingException")])].into_iter().chain(repeat_n(stubborn(), 100));
        let (refused, requests, took) = publish_to(2, within, answers);
        assert_eq!(refused, [(1, CallErrorKind::Throttled)]);
        assert!(took <= within && took + 5 >= within, "{took} s of {within} s");
        assert!(requests.len() > 3 && requests.len() < 40, "{} requests in {within} s", requests.len());
    }
}

#[test]
fn calls_that_are_never_answered_do_not_outlast_the_time() {
    let (refused, requests, took) = publish_to(12, 5, [Answer::Silence, accepts(2)]);
    assert_eq!(refused.len(), 12, "there was no time for the second batch");
    assert!(refused.iter().all(|(_, kind)| *kind == CallErrorKind::Unavailable));
    assert_eq!((requests.len(), took), (1, 5));
}

/// Accepts one entry each time and keeps where it was asked.
#[derive(Clone, Debug, Default)]
struct Endpoint(Arc<Mutex<Vec<String>>>);

impl HttpConnector for Endpoint {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.0.lock().unwrap().push(request.uri().to_owned());
        let body = json!({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}).to_string();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(StatusCode::try_from(200).unwrap(), SdkBody::from(body))))
    }
}

#[test]
fn a_bus_is_reached_in_its_own_region() {
    let endpoint = Endpoint::default();
    let connector = SharedHttpConnector::new(endpoint.clone());
    let aws = Aws::through(http_client_fn(move |_, _| connector.clone()));
    let events = [(bus(1), small(1).remove(0))];
    let refused = block_on(EventBuses::new(&aws).publish_to("us-east-2", &events, Duration::from_secs(1)));
    assert_eq!(refused, []);
    assert_eq!(*endpoint.0.lock().unwrap(), ["https://events.us-east-2.amazonaws.com/"]);
}
