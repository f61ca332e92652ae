//! What DynamoDB is asked and what it answers, recorded: the conditions are the ledger's promises.

use serde_json::{Value, json};

use super::*;
use crate::fakes::replay::{Answer, Replay, Request};
use crate::fakes::{at, block_on, breach};

const ID: &str = "athena-query-runtime/q1/100";
const NOW: i64 = 1_763_719_200;

fn event() -> Event {
    breach("q1", at(NOW - 5)).into()
}

/// The ledger over these answers, with the requests that came.
fn ledger(answers: impl IntoIterator<Item = Answer>) -> (LedgerTable, impl Fn() -> Vec<Request>) {
    let (replay, aws) = Replay::of(answers);
    (LedgerTable::new(&aws, "ledger"), move || replay.requests())
}

fn done() -> Answer {
    Answer::ok(&json!({}))
}

/// The condition was not met; `rest` holds the item that is there, where it was asked for.
fn refused(rest: Value) -> Answer {
    Answer::error(400, "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", &rest)
}

fn item(event: &Event) -> Value {
    json!({
        "id": {"S": event.header().id},
        "detail_type": {"S": event.detail_type()},
        "detail": {"S": serde_json::to_string(event).unwrap()},
        "occurred_at": {"N": "1763719195000"},
        "recorded_at": {"N": "1763719200000"},
        "outbox": {"S": "pending"},
        // 400 days later.
        "expires_at": {"N": "1798279200"},
    })
}

fn claim_item() -> Value {
    json!({"id": {"S": ID}, "claimed_until": {"N": "1763719230000"}, "expires_at": {"N": "1798279200"}})
}

/// An entry that no version of ours wrote.
fn corrupt_item() -> Value {
    json!({"id": {"S": ID}, "detail_type": {"S": "Guardrail Finding"}, "detail": {"S": "{\"schema_version\":\"1\"}"}})
}

#[test]
fn a_new_event_is_recorded_under_the_condition_that_its_id_is_new() {
    let (ledger, requests) = ledger([done()]);
    assert_eq!(block_on(ledger.record(&event(), at(NOW))), Ok(Recorded::New));
    let put = json!({
        "TableName": "ledger",
        "Item": item(&event()),
        "ConditionExpression": "attribute_not_exists(id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    assert_eq!(requests(), [("PutItem".to_owned(), put)]);
}

#[test]
fn an_id_that_is_there_tells_its_event() {
    let known: Event = breach("q1", at(NOW - 60)).into();
    let (recorded, _) = ledger([refused(json!({"Item": item(&known)}))]);
    assert_eq!(block_on(recorded.record(&event(), at(NOW))), Ok(Recorded::Known(Box::new(known))));

    // The first attempt took effect and its answer was lost: what is there is our own.
    let (lost, _) = ledger([Answer::Lost, refused(json!({"Item": item(&event())}))]);
    assert_eq!(block_on(lost.record(&event(), at(NOW))), Ok(Recorded::New));

    // Whatever holds a bare claim writes the event itself.
    let (claimed, _) = ledger([refused(json!({"Item": claim_item()}))]);
    assert_eq!(block_on(claimed.record(&event(), at(NOW))), Ok(Recorded::Known(Box::new(event()))));

    let (corrupt, _) = ledger([refused(json!({"Item": corrupt_item()}))]);
    let error = block_on(corrupt.record(&event(), at(NOW))).unwrap_err();
    assert_eq!((error.operation, error.kind), ("dynamodb:PutItem", CallErrorKind::Invalid));
    assert!(error.message.contains(ID), "{error}");
}

#[test]
fn an_event_supersedes_only_an_older_one() {
    let (ledger, requests) = ledger([done(), refused(json!({"Item": item(&event())}))]);
    assert_eq!(block_on(ledger.supersede(&event(), at(NOW))), Ok(()));
    let put = json!({
        "TableName": "ledger",
        "Item": item(&event()),
        "ConditionExpression": "attribute_not_exists(occurred_at) OR occurred_at < :occurred_at",
        "ExpressionAttributeValues": {":occurred_at": {"N": "1763719195000"}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    assert_eq!(requests(), [("PutItem".to_owned(), put)]);
    assert_eq!(block_on(ledger.supersede(&event(), at(NOW))), Ok(()), "a newer one stays");
}

/// What is asked when this event has been published: `update` is what becomes of its place in the outbox.
fn check_published(event: &Event, update: &str, outbox: Value) {
    let (ledger, requests) = ledger([done(), refused(json!({}))]);
    assert_eq!(block_on(ledger.published(event, at(NOW))), Ok(()));
    let mut values = json!({":now": {"N": "1763719200000"}, ":occurred_at": {"N": "1763719195000"}});
    values.as_object_mut().unwrap().extend(outbox.as_object().unwrap().clone());
    let update = json!({
        "TableName": "ledger",
        "Key": {"id": {"S": event.header().id}},
        "UpdateExpression": update,
        "ConditionExpression": "occurred_at = :occurred_at",
        "ExpressionAttributeValues": values,
    });
    assert_eq!(requests(), [("UpdateItem".to_owned(), update)]);
    assert_eq!(block_on(ledger.published(event, at(NOW))), Ok(()), "another state is in the outbox by now");
}

#[test]
fn only_the_state_that_was_published_leaves_the_outbox() {
    let mut owned = breach("q1", at(NOW - 5));
    owned.owner = Some("jo".to_owned());
    check_published(&owned.into(), "REMOVE outbox SET published_at = :now", json!({}));
    // Nobody creates a sandbox by a call that CloudTrail tells of.
    let mut of_group = breach("q1", at(NOW - 5));
    of_group.resource.kind = "sandbox".to_owned();
    check_published(&of_group.into(), "REMOVE outbox SET published_at = :now", json!({}));
}

#[test]
fn a_finding_whose_owner_may_still_be_told_stays_at_hand() {
    let unowned = json!({":unowned": {"S": "unowned"}});
    check_published(&event(), "SET outbox = :unowned, published_at = :now", unowned);
}

#[test]
fn what_is_pending_is_read_from_the_index_page_by_page() {
    let other: Event = breach("q2", at(NOW - 60)).into();
    let key = json!({"id": {"S": ID}, "outbox": {"S": "pending"}, "recorded_at": {"N": "1763719200000"}});
    let (ledger, requests) = ledger([
        Answer::ok(&json!({"Items": [item(&event()), corrupt_item()], "Count": 2, "LastEvaluatedKey": key})),
        Answer::ok(&json!({"Items": [item(&other)], "Count": 1})),
    ]);
    let pending = block_on(ledger.pending(at(NOW))).unwrap();
    let [Ok(first), Err(corrupt), Ok(second)] = pending.as_slice() else { panic!("{pending:?}") };
    assert_eq!((first, second), (&event(), &other));
    assert_eq!((corrupt.operation, corrupt.kind), ("dynamodb:Query", CallErrorKind::Invalid));
    assert!(corrupt.message.contains(ID), "{corrupt}");

    let mut query = json!({
        "TableName": "ledger",
        "IndexName": "outbox",
        "KeyConditionExpression": "outbox = :waits_for AND recorded_at < :before",
        "ExpressionAttributeValues": {":waits_for": {"S": "pending"}, ":before": {"N": "1763719200000"}},
    });
    let first = ("Query".to_owned(), query.clone());
    query["ExclusiveStartKey"] = key;
    assert_eq!(requests(), [first, ("Query".to_owned(), query)]);
}

/// What looking the id up gives for this answer; `Err` holds what the message must say.
fn check_find(answer: Value, expected: Result<Option<Event>, &str>) {
    let (ledger, requests) = ledger([Answer::ok(&answer)]);
    match (block_on(ledger.find(ID)), expected) {
        (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{answer}"),
        (Err(error), Err(says)) => assert!(error.to_string().contains(says), "{answer}: {error}"),
        (found, expected) => panic!("{answer}: {found:?}, expected {expected:?}"),
    }
    let get = json!({"TableName": "ledger", "Key": {"id": {"S": ID}}, "ConsistentRead": true});
    assert_eq!(requests(), [("GetItem".to_owned(), get)]);
}

#[test]
fn an_event_is_found_by_its_id() {
    check_find(json!({"Item": item(&event())}), Ok(Some(event())));
    check_find(json!({}), Ok(None));
    check_find(json!({"Item": claim_item()}), Ok(None));
    check_find(json!({"Item": corrupt_item()}), Err(ID));
    let mut unknown = corrupt_item();
    unknown["detail_type"] = json!({"S": "Sandbox Mood"});
    check_find(json!({"Item": unknown}), Err("unknown detail type `Sandbox Mood`"));
}

fn claim() -> Claim<'static> {
    Claim { id: ID, holder: "run-1", until: at(NOW + 30) }
}

#[test]
fn a_claim_is_exclusive_until_it_ends() {
    let (ledger, requests) = ledger([done(), refused(json!({})), Answer::Lost, done()]);
    let take = || block_on(ledger.claim(&claim(), at(NOW)));
    assert_eq!(take(), Ok(true));
    let update = json!({
        "TableName": "ledger",
        "Key": {"id": {"S": ID}},
        "UpdateExpression": "SET claimed_until = :until, claimed_by = :holder, expires_at = :expires_at",
        "ConditionExpression": "attribute_not_exists(claimed_until) OR claimed_until <= :now OR claimed_by = :holder",
        "ExpressionAttributeValues": {
            ":now": {"N": "1763719200000"}, ":until": {"N": "1763719230000"}, ":holder": {"S": "run-1"},
            ":expires_at": {"N": "1798279200"},
        },
    });
    assert_eq!(requests(), [("UpdateItem".to_owned(), update)]);
    assert_eq!(take(), Ok(false), "somebody else has it");
    // The first attempt took effect and its answer was lost; the second finds its own claim and the condition holds.
    assert_eq!(take(), Ok(true));
}

const CONDITION: &str = "episode/emr-instance-types/j-1/100";

/// The condition has been seen since the earliest moment that counts, and this is its item.
fn lasting(began: i64) -> Answer {
    let milliseconds = |second: i64| json!({"N": (second * 1000).to_string()});
    Answer::ok(&json!({"Attributes": {
        "id": {"S": CONDITION}, "began_at": milliseconds(began), "seen_at": milliseconds(NOW),
        "expires_at": {"N": "1798279200"},
    }}))
}

/// The two questions of an episode: does it last, does it begin?
fn episode_requests() -> [Request; 2] {
    let ask = |update: &str, condition: &str| {
        let update = json!({
            "TableName": "ledger",
            "Key": {"id": {"S": CONDITION}},
            "UpdateExpression": update,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": {
                ":now": {"N": "1763719200000"}, ":seen_since": {"N": "1763712000000"},
                ":expires_at": {"N": "1798279200"},
            },
            "ReturnValues": "ALL_NEW",
        });
        ("UpdateItem".to_owned(), update)
    };
    [
        ask("SET seen_at = :now, expires_at = :expires_at", "seen_at >= :seen_since"),
        ask(
            "SET began_at = :now, seen_at = :now, expires_at = :expires_at",
            "attribute_not_exists(seen_at) OR seen_at < :seen_since",
        ),
    ]
}

/// With these answers the episode began at this second, or could not be told; so many questions are asked in turn.
fn check_episode(answers: Vec<Answer>, began: Option<i64>) {
    let asked = answers.len();
    let (ledger, requests) = ledger(answers);
    let episode = block_on(ledger.episode(CONDITION, at(NOW - 7200), at(NOW)));
    match (episode, began) {
        (Ok(episode), Some(began)) => assert_eq!(episode, at(began)),
        (Err(error), None) => {
            assert_eq!((error.operation, error.kind), ("dynamodb:UpdateItem", CallErrorKind::Invalid));
            assert!(error.message.contains(CONDITION), "{error}");
        }
        (episode, began) => panic!("{episode:?}, expected {began:?}"),
    }
    let questions: Vec<Request> = episode_requests().into_iter().cycle().take(asked).collect();
    assert_eq!(requests(), questions);
}

#[test]
fn an_episode_lasts_or_begins() {
    check_episode(vec![lasting(NOW - 3600)], Some(NOW - 3600));
    check_episode(vec![refused(json!({})), lasting(NOW)], Some(NOW));
    // Between the two questions somebody else found that it begins.
    check_episode(vec![refused(json!({})), refused(json!({})), lasting(NOW - 1)], Some(NOW - 1));
}

#[test]
fn an_episode_that_neither_lasts_nor_begins_cannot_be_told() {
    let refusals = || [refused(json!({})), refused(json!({}))];
    check_episode(refusals().into_iter().chain(refusals()).collect(), None);
    // An entry that no version of ours wrote says no beginning, or none that can be read.
    for began in [json!(null), json!({"S": "noon"}), json!({"N": "1e300"})] {
        let strange = || Answer::ok(&json!({"Attributes": {"id": {"S": CONDITION}, "began_at": began}}));
        let strange = if began.is_null() { Answer::ok(&json!({"Attributes": {}})) } else { strange() };
        check_episode(vec![strange, refused(json!({})), refused(json!({})), refused(json!({}))], None);
    }
}

/// An update that may find its condition unmet, which is an answer and no failure.
fn check_update(call: impl AsyncFn(&LedgerTable) -> Result<(), CallError>, id: &str, update: Value) {
    let (ledger, requests) = ledger([done(), refused(json!({}))]);
    let mut expected = json!({"TableName": "ledger", "Key": {"id": {"S": id}}});
    expected.as_object_mut().unwrap().extend(update.as_object().unwrap().clone());
    assert_eq!(block_on(call(&ledger)), Ok(()));
    assert_eq!(requests(), [("UpdateItem".to_owned(), expected)]);
    assert_eq!(block_on(call(&ledger)), Ok(()), "there is nothing to change");
}

#[test]
fn only_its_holder_gives_a_claim_back() {
    let update = json!({
        "UpdateExpression": "REMOVE claimed_until, claimed_by",
        "ConditionExpression": "claimed_by = :holder",
        "ExpressionAttributeValues": {":holder": {"S": "run-1"}},
    });
    check_update(async |ledger| ledger.release(&claim()).await, ID, update);
}

#[test]
fn an_episode_ends_where_there_is_one() {
    let update = json!({"UpdateExpression": "REMOVE seen_at", "ConditionExpression": "attribute_exists(id)"});
    check_update(async |ledger| ledger.end_episode(CONDITION).await, CONDITION, update);
}

#[test]
fn only_a_finding_that_waits_for_its_owner_is_given_up() {
    let update = json!({
        "UpdateExpression": "REMOVE outbox",
        "ConditionExpression": "outbox = :unowned",
        "ExpressionAttributeValues": {":unowned": {"S": "unowned"}},
    });
    check_update(async |ledger| ledger.give_up_owner(ID).await, ID, update);
}

#[test]
fn findings_without_an_owner_are_read_page_by_page_and_what_is_corrupt_is_left_out() {
    let unowned = |finding: Finding| {
        let mut item = item(&finding.clone().into());
        item["outbox"] = json!({"S": "unowned"});
        (finding, item)
    };
    let (first, first_item) = unowned(breach("q1", at(NOW - 60)));
    let (second, second_item) = unowned(breach("q2", at(NOW - 60)));
    let key = |id: &str| json!({"id": {"S": id}, "outbox": {"S": "unowned"}, "recorded_at": {"N": "1763719200000"}});
    let (ledger, requests) = ledger([
        Answer::ok(&json!({"Items": [first_item, corrupt_item(), claim_item()], "LastEvaluatedKey": key("a")})),
        // A page may be empty and still not be the last.
        Answer::ok(&json!({"Items": [], "LastEvaluatedKey": key("b")})),
        Answer::ok(&json!({"Items": [second_item]})),
    ]);
    assert_eq!(block_on(ledger.unowned()), Ok(vec![first, second]));

    let mut query = json!({
        "TableName": "ledger",
        "IndexName": "outbox",
        "KeyConditionExpression": "outbox = :waits_for AND recorded_at < :before",
        "ExpressionAttributeValues": {
            ":waits_for": {"S": "unowned"},
            ":before": {"N": Timestamp::MAX.as_millisecond().to_string()},
        },
    });
    let mut asked = vec![("Query".to_owned(), query.clone())];
    for page in ["a", "b"] {
        query["ExclusiveStartKey"] = key(page);
        asked.push(("Query".to_owned(), query.clone()));
    }
    assert_eq!(requests(), asked);
}

#[test]
fn a_call_that_fails_otherwise_is_an_error_of_its_operation() {
    type Call = fn(&LedgerTable) -> Result<(), CallError>;
    let calls: [(&str, Call); 11] = [
        ("dynamodb:PutItem", |ledger| block_on(ledger.record(&event(), at(NOW))).map(drop)),
        ("dynamodb:PutItem", |ledger| block_on(ledger.supersede(&event(), at(NOW)))),
        ("dynamodb:UpdateItem", |ledger| block_on(ledger.published(&event(), at(NOW)))),
        ("dynamodb:UpdateItem", |ledger| block_on(ledger.claim(&claim(), at(NOW))).map(drop)),
        ("dynamodb:UpdateItem", |ledger| block_on(ledger.episode(CONDITION, at(NOW - 7200), at(NOW))).map(drop)),
        ("dynamodb:UpdateItem", |ledger| block_on(ledger.release(&claim()))),
        ("dynamodb:UpdateItem", |ledger| block_on(ledger.end_episode(CONDITION))),
        ("dynamodb:UpdateItem", |ledger| block_on(ledger.give_up_owner(ID))),
        ("dynamodb:Query", |ledger| block_on(ledger.pending(at(NOW))).map(drop)),
        ("dynamodb:Query", |ledger| block_on(ledger.unowned()).map(drop)),
        ("dynamodb:GetItem", |ledger| block_on(ledger.find(ID)).map(drop)),
    ];
    for (operation, call) in calls {
        let denied = Answer::error(400, "com.amazon.coral.service#AccessDeniedException", &Value::Null);
        let (ledger, _) = ledger([denied]);
        let error = call(&ledger).unwrap_err();
        assert_eq!((error.operation, error.kind), (operation, CallErrorKind::Denied));
    }
}
