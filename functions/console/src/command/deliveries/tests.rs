//! What DynamoDB is asked and what it answers, recorded: new and known commands, batches, rows it did not get to.

use std::iter::repeat_n;

use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay, Request};
use serde_json::json;

use super::*;
use crate::command::asked::{Asked, Order};

const TABLE: &str = "sandbox-guardrails-console";

fn at(instant: &str) -> Timestamp {
    instant.parse().unwrap()
}

fn command() -> Command {
    Command {
        id: "c-1".to_owned(),
        what: json!({"command": "lock", "lock": "budget", "reason": "spent", "requested_by": "jo"}),
        requested_by: "jo".to_owned(),
        asked_at: at("2026-11-20T09:30:00.5Z"),
    }
}

fn sandbox(number: usize) -> Sandbox {
    let account = format!("{number:012}");
    Sandbox { alias: format!("alias-{number}"), region: "eu-west-1".to_owned(), account }
}

fn delivery(number: usize, status: Status) -> Delivery {
    let asked = json!({
        "command": "lock", "lock": "budget", "reason": "spent", "requested_by": "jo", "sandboxes": "all"
    });
    let Order::ToSandboxes(task, _) = Asked::read(&asked).unwrap().order else { panic!("{asked}") };
    let event = task.event("c-1", "jo", &sandbox(number), at("2026-11-20T09:30:00.5Z"));
    Delivery::of(&event, status)
}

fn table(answers: impl IntoIterator<Item = Answer>) -> (Replay, CommandTable) {
    let (replay, aws) = Replay::of(answers);
    (replay, CommandTable::new(&aws, TABLE))
}

/// The sort keys and partition keys that each request is about.
fn asked_for(requests: Vec<Request>) -> Vec<(String, Vec<String>)> {
    let places = |(operation, body): Request| {
        let entries = match operation.as_str() {
            "BatchWriteItem" => body["RequestItems"][TABLE].clone(),
            _ => body["RequestItems"][TABLE]["Keys"].clone(),
        };
        let place = |entry: &Value| {
            let row = entry.pointer("/PutRequest/Item").unwrap_or(entry);
            format!("{} {}", row["pk"]["S"].as_str().unwrap(), row["sk"]["S"].as_str().unwrap())
        };
        (operation, entries.as_array().unwrap().iter().map(place).collect())
    };
    requests.into_iter().map(places).collect()
}

fn places(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("{number:012}/eu-west-1 command/c-1")).collect()
}

#[test]
fn a_new_command_is_entered_whole_unless_its_id_is_taken() {
    let (replay, table) = table([Answer::ok(&json!({}))]);
    assert_eq!(block_on(table.begin(&command())), Ok(None));
    let item = json!({
        "pk": {"S": "command"}, "sk": {"S": "c-1"}, "id": {"S": "c-1"},
        "command": {"S": "lock"}, "lock": {"S": "budget"}, "reason": {"S": "spent"}, "requested_by": {"S": "jo"},
        "occurred_at": {"N": "1795167000500"}, "expires_at": {"N": "1829727000"},
        "detail": {"S": command().what.to_string()}
    });
    let expected = json!({
        "TableName": TABLE, "Item": item, "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD"
    });
    assert_eq!(replay.requests(), [("PutItem".to_owned(), expected)]);
}

#[test]
fn what_stands_under_an_id_is_told() {
    let check = |item: Value, expected: Result<Option<Known>, &str>| {
        let taken = Answer::error(400, "ConditionalCheckFailedException", &json!({"Item": item}));
        let (_, table) = table([taken]);
        assert_eq!(block_on(table.begin(&command())).map_err(|error| error.message), expected.map_err(str::to_owned));
    };
    let what = json!({"command": "release"});
    let stands = json!({"occurred_at": {"N": "1795167000500"}, "detail": {"S": what.to_string()}});
    check(stands, Ok(Some(Known { what, asked_at: at("2026-11-20T09:30:00.5Z") })));
    let unreadable = "command `c-1` cannot be read back";
    check(json!({"occurred_at": {"N": "1795167000500"}}), Err(unreadable));
    check(json!({"occurred_at": {"S": "soon"}, "detail": {"S": "{}"}}), Err(unreadable));
}

#[test]
fn a_delivery_says_where_it_stands_and_nothing_that_is_over() {
    let check = |status: Status, word: &str, beside: &[(&str, Value)]| {
        let (replay, table) = table([Answer::ok(&json!({"UnprocessedItems": {}}))]);
        block_on(table.note(&[delivery(7, status)])).unwrap();
        let mut row = json!({
            "pk": {"S": "000000000007/eu-west-1"}, "sk": {"S": "command/c-1"}, "id": {"S": "command/c-1"},
            "command": {"S": "c-1"}, "detail_type": {"S": "Sandbox Lock Requested"},
            "account": {"S": "000000000007"}, "region": {"S": "eu-west-1"}, "alias": {"S": "alias-7"},
            "lock": {"S": "budget"}, "reason": {"S": "spent"}, "requested_by": {"S": "jo"},
            "status": {"S": word}, "occurred_at": {"N": "1795167000500"}, "expires_at": {"N": "1829727000"}
        });
        row.as_object_mut().unwrap().extend(beside.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let expected = json!({"RequestItems": {TABLE: [{"PutRequest": {"Item": row}}]}});
        assert_eq!(replay.requests(), [("BatchWriteItem".to_owned(), expected)]);
    };
    check(Status::Pending, "pending", &[]);
    check(Status::Sent(at("2026-11-20T09:30:02Z")), "sent", &[("sent_at", json!({"N": "1795167002000"}))]);
    check(Status::Failed("no such bus".to_owned()), "failed", &[("why", json!({"S": "no such bus"}))]);
}

#[test]
fn rows_are_written_in_batches_until_all_are() {
    let all: Vec<_> = (0..30).map(|number| delivery(number, Status::Pending)).collect();
    let row = |number: usize| {
        let row = item(place_of(&sandbox(number)), "command/c-1".to_owned(), []);
        let row: serde_json::Map<_, _> = row.into_iter().map(|(k, v)| (k, json!({"S": v.as_s().unwrap()}))).collect();
        json!({"PutRequest": {"Item": row}})
    };
    let part = |left: &[usize]| {
        let left: Vec<Value> = left.iter().map(|number| row(*number)).collect();
        Answer::ok(&json!({"UnprocessedItems": {TABLE: left}}))
    };
    let none = || Answer::ok(&json!({"UnprocessedItems": {}}));
    let (replay, written) = table([part(&[3, 24]), part(&[24]), none(), none()]);
    block_on(written.note(&all)).unwrap();
    let batches: Vec<_> = asked_for(replay.requests()).into_iter().map(|(_, places)| places).collect();
    assert_eq!(batches, [places(0..25), places([3, 24]), places([24]), places(25..30)]);

    let (replay, stuck) = table(repeat_n(part(&[3]), 6));
    let error = block_on(stuck.note(&all)).unwrap_err();
    assert_eq!((error.operation, error.kind), ("dynamodb:BatchWriteItem", CallErrorKind::Throttled));
    assert_eq!(error.message, "DynamoDB did not get to 1 rows");
    assert_eq!(replay.requests().len(), 6);
    let (replay, nothing) = table([]);
    assert_eq!((block_on(nothing.note(&[])), replay.requests().len()), (Ok(()), 0));
}

#[test]
fn those_who_were_reached_are_read_from_every_batch() {
    let among: Vec<_> = (0..101).map(sandbox).collect();
    let row = |number: usize, status: &str| json!({"account": {"S": sandbox(number).account}, "status": {"S": status}});
    let key = |number: usize| json!({"pk": {"S": place_of(&sandbox(number))}, "sk": {"S": "command/c-1"}});
    let first = json!({
        "Responses": {TABLE: [row(0, "sent"), row(1, "pending"), row(2, "failed")]},
        "UnprocessedKeys": {TABLE: {"Keys": [key(3), key(4)]}}
    });
    let second = json!({"Responses": {TABLE: [row(3, "sent")]}, "UnprocessedKeys": {}});
    let third = json!({"Responses": {TABLE: [row(100, "sent")]}, "UnprocessedKeys": {}});
    let (replay, table) = table([first, second, third].map(|answer| Answer::ok(&answer)));
    let reached = block_on(table.reached("c-1", &among)).unwrap();
    assert_eq!(reached.into_iter().collect::<Vec<_>>(), [0, 3, 100].map(|number| sandbox(number).account));
    let requests = replay.requests();
    assert_eq!(requests[0].1["RequestItems"][TABLE]["ConsistentRead"], true);
    let batches: Vec<_> = asked_for(requests).into_iter().map(|(_, places)| places).collect();
    assert_eq!(batches, [places(0..100), places([3, 4]), places([100])]);
}

#[test]
fn failures_name_the_call_that_failed() {
    let denied = || Answer::error(400, "AccessDeniedException", &Value::Null);
    let check = |error: CallError, operation: &str| {
        assert_eq!((error.operation, error.kind), (operation, CallErrorKind::Denied));
    };
    check(block_on(table([denied()]).1.begin(&command())).unwrap_err(), "dynamodb:PutItem");
    check(block_on(table([denied()]).1.note(&[delivery(1, Status::Pending)])).unwrap_err(), "dynamodb:BatchWriteItem");
    check(block_on(table([denied()]).1.reached("c-1", &[sandbox(1)])).unwrap_err(), "dynamodb:BatchGetItem");
}

/// The budget of a unit, and the command that sets it.
fn budget() -> (Command, Budget) {
    let asked = json!({
        "command": "budget", "limit": "18000 USD/quarter", "mode": null, "reason": "agreed", "requested_by": "jo",
        "business_unit": "retail"
    });
    let asked = Asked::read(&asked).unwrap();
    let Order::Budget(budget) = asked.order.clone() else { panic!("{asked:?}") };
    (Command { what: asked.what(), ..command() }, budget)
}

#[test]
fn a_budget_stands_until_a_newer_command_sets_it() {
    let (command, budget) = budget();
    let check = |answer: Answer, expected: Result<bool, CallErrorKind>| {
        let (replay, table) = table([answer]);
        let stands = block_on(table.stands("business-unit/retail", &command, &budget));
        assert_eq!(stands.map_err(|error| error.kind), expected);
        let item = json!({
            "pk": {"S": "budget"}, "sk": {"S": "business-unit/retail"}, "id": {"S": "c-1"},
            "business_unit": {"S": "retail"}, "limit": {"S": "18000 USD/quarter"}, "mode": {"S": "none"},
            "reason": {"S": "agreed"}, "requested_by": {"S": "jo"}, "occurred_at": {"N": "1795167000500"}
        });
        let expected = json!({
            "TableName": TABLE, "Item": item,
            "ConditionExpression": "attribute_not_exists(pk) OR occurred_at <= :asked_at",
            "ExpressionAttributeValues": {":asked_at": {"N": "1795167000500"}}
        });
        assert_eq!(replay.requests(), [("PutItem".to_owned(), expected)]);
    };
    check(Answer::ok(&json!({})), Ok(true));
    check(Answer::error(400, "ConditionalCheckFailedException", &json!({})), Ok(false));
    check(Answer::error(400, "AccessDeniedException", &json!({})), Err(CallErrorKind::Denied));
}

#[test]
fn a_budget_is_part_of_its_sandboxs_timeline_and_of_the_commands() {
    let (command, budget) = budget();
    let answers = [Answer::ok(&json!({"UnprocessedItems": {}})), Answer::ok(&json!({}))];
    let (replay, table) = table(answers);
    let status = Status::Sent(at("2026-11-20T09:30:02Z"));
    block_on(table.note(&[Delivery::of_budget(&command, &budget, &sandbox(7), status)])).unwrap();
    assert_eq!(block_on(table.begin(&command)), Ok(None));
    let row = json!({
        "pk": {"S": "000000000007/eu-west-1"}, "sk": {"S": "command/c-1"}, "id": {"S": "command/c-1"},
        "command": {"S": "c-1"}, "detail_type": {"S": "Budget Set"},
        "account": {"S": "000000000007"}, "region": {"S": "eu-west-1"}, "alias": {"S": "alias-7"},
        "limit": {"S": "18000 USD/quarter"}, "mode": {"S": "none"}, "reason": {"S": "agreed"},
        "requested_by": {"S": "jo"}, "status": {"S": "sent"}, "sent_at": {"N": "1795167002000"},
        "occurred_at": {"N": "1795167000500"}, "expires_at": {"N": "1829727000"}
    });
    let entered = json!({
        "pk": {"S": "command"}, "sk": {"S": "c-1"}, "id": {"S": "c-1"}, "command": {"S": "budget"},
        "business_unit": {"S": "retail"}, "limit": {"S": "18000 USD/quarter"}, "reason": {"S": "agreed"},
        "requested_by": {"S": "jo"}, "occurred_at": {"N": "1795167000500"}, "expires_at": {"N": "1829727000"},
        "detail": {"S": command.what.to_string()}
    });
    let requests = replay.requests();
    assert_eq!(requests[0].1, json!({"RequestItems": {TABLE: [{"PutRequest": {"Item": row}}]}}));
    assert_eq!(requests[1].1["Item"], entered);
}
