//! What DynamoDB is asked for many items, and what it answers, recorded: batches, items it did not get to, refusals.

use std::iter::repeat_n;

use serde_json::{Value, json};

use super::*;
use crate::fakes::block_on;
use crate::fakes::replay::{Answer, Replay};

fn id(number: usize) -> String {
    format!("id-{number}")
}

fn keys(numbers: impl IntoIterator<Item = usize>) -> Vec<Item> {
    numbers.into_iter().map(|number| Item::from([("id".to_owned(), AttributeValue::S(id(number)))])).collect()
}

/// An answer with these items, that leaves those out.
fn answer(items: &[usize], left: impl IntoIterator<Item = usize>) -> Answer {
    let key = |number: usize| json!({"id": {"S": id(number)}});
    let items: Vec<Value> = items.iter().map(|number| key(*number)).collect();
    let left: Vec<Value> = left.into_iter().map(key).collect();
    let unprocessed = if left.is_empty() { json!({}) } else { json!({"table": {"Keys": left}}) };
    Answer::ok(&json!({"Responses": {"table": items}, "UnprocessedKeys": unprocessed}))
}

fn read_through(answers: impl IntoIterator<Item = Answer>, asked: usize) -> (Result<Vec<String>, CallError>, Replay) {
    let (replay, aws) = Replay::of(answers);
    let client = Client::new(aws.config());
    let found = block_on(read(&client, "table", keys(0..asked), &["id", "status"]));
    let ids = |items: Vec<Item>| items.into_iter().map(|item| item["id"].as_s().unwrap().clone()).collect();
    (found.map(ids), replay)
}

/// How many items each call asked for.
fn sizes(replay: &Replay) -> Vec<usize> {
    let keys = |body: &Value| body["RequestItems"]["table"]["Keys"].as_array().unwrap().len();
    replay.requests().iter().map(|(_, body)| keys(body)).collect()
}

#[test]
fn the_attributes_are_named_and_read_consistently() {
    let (found, replay) = read_through([answer(&[0], [])], 1);
    assert_eq!(found, Ok(vec![id(0)]));
    let expected = json!({"RequestItems": {"table": {
        "Keys": [{"id": {"S": "id-0"}}],
        "ProjectionExpression": "#id, #status",
        "ExpressionAttributeNames": {"#id": "id", "#status": "status"},
        "ConsistentRead": true,
    }}});
    assert_eq!(replay.requests(), [("BatchGetItem".to_owned(), expected)]);
}

#[test]
fn a_hundred_are_asked_for_at_a_time_until_all_are_read() {
    let check = |asked: usize, answers: Vec<Answer>, expected_sizes: &[usize], expected: &[usize]| {
        let (found, replay) = read_through(answers, asked);
        assert_eq!(found, Ok(expected.iter().map(|number| id(*number)).collect()), "{asked}");
        assert_eq!(sizes(&replay), expected_sizes, "{asked}");
    };
    check(0, vec![], &[], &[]);
    check(2, vec![answer(&[1], [])], &[2], &[1]);
    check(101, vec![answer(&[7], []), answer(&[100], [])], &[100, 1], &[7, 100]);
    // What it did not get to is asked for with the next ones.
    check(102, vec![answer(&[0], [5, 6]), answer(&[5], [])], &[100, 4], &[0, 5]);
    let none = || answer(&[], 0..3);
    check(3, vec![none(), none(), answer(&[2], [])], &[3, 3, 3], &[2]);
}

#[test]
fn items_that_it_never_gets_to_are_an_error() {
    let (found, replay) = read_through(repeat_n(answer(&[], 0..100), 6), 101);
    let error = found.unwrap_err();
    assert_eq!((error.operation, error.kind), (READ, CallErrorKind::Throttled));
    assert_eq!(error.message, "DynamoDB did not get to 101 items");
    assert_eq!(replay.requests().len(), 6);
}

#[test]
fn a_refusal_names_the_call() {
    let (found, _) = read_through([Answer::error(400, "AccessDeniedException", &Value::Null)], 1);
    assert_eq!(found.map_err(|error| (error.operation, error.kind)), Err((READ, CallErrorKind::Denied)));
    let throttled = repeat_n(Answer::error(400, "ThrottlingException", &Value::Null), 6);
    let (found, _) = read_through(throttled, 1);
    assert_eq!(found.map_err(|error| error.kind), Err(CallErrorKind::Throttled));
}
