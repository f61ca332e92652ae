//! The pages: changed over what was read and nothing else, in memory and against recorded answers of DynamoDB.

use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::fakes::pages::Pages;
use crate::fakes::replay::{Answer, Replay};
use crate::fakes::{at, block_on};

const NOTICE: &str = "availability/notice";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Notice {
    closes_at: Timestamp,
}

fn notice(second: i64) -> Notice {
    Notice { closes_at: at(second) }
}

fn content(notice: &Notice) -> Value {
    serde_json::to_value(notice).unwrap()
}

fn ids<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
    ids.map(str::to_owned).into()
}

#[test]
fn a_change_sees_what_stands_there_and_writes_over_that_version_only() {
    let book = Pages::default();
    let write = |to: i64| block_on(change(&book, NOTICE, |known: Option<Notice>| (Some(notice(to)), known)));
    assert_eq!(write(1), Ok(None));
    assert_eq!(write(2), Ok(Some(notice(1))));
    assert_eq!(book.get(NOTICE), Some(notice(2)));
    let over = |page: &str, over| block_on(book.write(page, &content(&notice(9)), over, None));
    assert_eq!(over(NOTICE, 1), Ok(false), "the second version stands there");
    assert_eq!(over("availability/window", 1), Ok(false), "none stands there");
    let left = block_on(change(&book, NOTICE, |known: Option<Notice>| (None, known)));
    assert_eq!((left, book.writes()), (Ok(Some(notice(2))), 2), "what leaves a page as it is writes nothing");
}

#[test]
fn a_change_begins_again_from_what_others_wrote_and_gives_up_some_time() {
    for (conflicts, times, outcome) in [(0, 1, true), (1, 2, true), (7, 8, true), (8, 8, false)] {
        let book = Pages::default();
        book.conflict(conflicts);
        let mut called = 0;
        let changed = block_on(change(&book, NOTICE, |_: Option<Notice>| {
            called += 1;
            (Some(notice(1)), ())
        }));
        assert_eq!((called, changed.is_ok()), (times, outcome), "{conflicts}");
        if let Err(error) = changed {
            assert_eq!(error.kind, CallErrorKind::Unavailable);
        }
    }
}

#[test]
fn a_page_is_kept_for_ever_or_until_a_moment() {
    let book = Pages::default();
    block_on(change(&book, "usage/last", |_: Option<Notice>| (Some(notice(1)), ()))).unwrap();
    block_on(change_until(&book, "usage/1", at(90), |_: Option<Notice>| (Some(notice(1)), ()))).unwrap();
    let expected = [("usage/1", Some(at(90))), ("usage/last", None)];
    assert_eq!(book.all(), expected.map(|(page, until)| (page.to_owned(), until)).into());
}

#[test]
fn many_pages_are_read_at_once_and_those_never_written_are_none() {
    let book = Pages::default();
    book.put("a", &notice(1));
    book.put("b", &notice(2));
    let read = |wanted| block_on(read_all::<Notice>(&book, &wanted));
    assert_eq!(read(ids([])), Ok(BTreeMap::new()));
    assert_eq!(read(ids(["b", "c"])), Ok(BTreeMap::from([("b".to_owned(), notice(2))])));
    book.put("c", &json!({"closes_at": "tomorrow"}));
    let error = read(ids(["b", "c"])).unwrap_err();
    assert!(error.message.starts_with("ledger entry `c`: `closes_at`: "), "{}", error.message);
}

#[test]
fn a_page_that_cannot_be_read_is_an_error_that_names_it() {
    let book = Pages::default();
    book.put(NOTICE, &json!({"closes_at": "tomorrow"}));
    let error = block_on(read::<Notice>(&book, NOTICE)).unwrap_err();
    assert_eq!((error.operation, error.kind), ("dynamodb:GetItem", CallErrorKind::Invalid));
    assert!(error.message.starts_with("ledger entry `availability/notice`: `closes_at`: "), "{}", error.message);
    let changed = block_on(change(&book, NOTICE, |_: Option<Notice>| (Some(notice(1)), ())));
    assert!(changed.is_err(), "what cannot be read is not written over");
    book.fail(true, false);
    assert_eq!(block_on(read::<Notice>(&book, "availability/locks")).unwrap_err().kind, CallErrorKind::Unavailable);
}

fn item(id: &str, content: &str, version: &str) -> Value {
    json!({"id": {"S": id}, "content": {"S": content}, "version": {"N": version}})
}

#[test]
fn the_table_is_read_consistently() {
    let stands = content(&notice(5));
    let item = |content: &str, version: &str| Answer::ok(&json!({"Item": item(NOTICE, content, version)}));
    for (answer, expected) in [
        (Answer::ok(&json!({})), Ok(None)),
        (item(&stands.to_string(), "7"), Ok(Some(Read { content: stands.clone(), version: 7 }))),
        (item("{", "7"), Err(CallErrorKind::Invalid)),
        (item("{}", "seven"), Err(CallErrorKind::Invalid)),
        (Answer::ok(&json!({"Item": {"id": {"S": "x"}}})), Err(CallErrorKind::Invalid)),
        (Answer::error(400, "ResourceNotFoundException", &Value::Null), Err(CallErrorKind::Missing)),
        (Answer::error(400, "AccessDeniedException", &Value::Null), Err(CallErrorKind::Denied)),
    ] {
        let (replay, aws) = Replay::of([answer]);
        let read = block_on(BookTable::new(&aws, "ledger").read(NOTICE));
        assert_eq!(read.map_err(|error| error.kind), expected);
        let asked = json!({"TableName": "ledger", "Key": {"id": {"S": NOTICE}}, "ConsistentRead": true});
        assert_eq!(replay.requests(), [("GetItem".to_owned(), asked)]);
    }
}

#[test]
fn the_table_is_written_over_the_version_that_was_read() {
    let content = content(&notice(5));
    for (over, condition, values) in
        [(0, "attribute_not_exists(id)", Value::Null), (7, "version = :over", json!({":over": {"N": "7"}}))]
    {
        for (answer, expected) in [
            (Answer::ok(&json!({})), Ok(true)),
            (Answer::error(400, "ConditionalCheckFailedException", &Value::Null), Ok(false)),
            (Answer::error(400, "AccessDeniedException", &Value::Null), Err(CallErrorKind::Denied)),
        ] {
            let (replay, aws) = Replay::of([answer]);
            let written = block_on(BookTable::new(&aws, "ledger").write(NOTICE, &content, over, None));
            assert_eq!(written.map_err(|error| error.kind), expected);
            let (operation, asked) = replay.requests().remove(0);
            assert_eq!((operation.as_str(), &asked["ConditionExpression"]), ("PutItem", &json!(condition)));
            assert_eq!(asked["ExpressionAttributeValues"], values);
            let expected = item(NOTICE, &content.to_string(), &(over + 1).to_string());
            assert_eq!(asked["Item"], expected, "without an expiry");
        }
    }
}

#[test]
fn the_table_forgets_a_page_when_it_is_told_to() {
    let (replay, aws) = Replay::of([Answer::ok(&json!({}))]);
    let until = at(90) + jiff::SignedDuration::from_millis(999);
    let written = block_on(BookTable::new(&aws, "ledger").write("usage/1", &json!({}), 0, Some(until)));
    assert_eq!(written, Ok(true));
    assert_eq!(replay.requests().remove(0).1["Item"]["expires_at"], json!({"N": "90"}));
}

#[test]
fn the_table_gives_many_pages_at_once() {
    let stands = content(&notice(5));
    let check = |items: Value, expected: Result<BTreeMap<String, Read>, &str>| {
        let (replay, aws) = Replay::of([Answer::ok(&json!({"Responses": {"ledger": items}, "UnprocessedKeys": {}}))]);
        let read = block_on(BookTable::new(&aws, "ledger").read_all(&ids(["a", "b"])));
        assert_eq!(read.map_err(|error| error.message), expected.map_err(str::to_owned));
        let (operation, asked) = replay.requests().remove(0);
        let keys = json!([{"id": {"S": "a"}}, {"id": {"S": "b"}}]);
        assert_eq!((operation.as_str(), &asked["RequestItems"]["ledger"]["Keys"]), ("BatchGetItem", &keys));
    };
    let read = Read { content: stands.clone(), version: 7 };
    check(json!([item("b", &stands.to_string(), "7")]), Ok(BTreeMap::from([("b".to_owned(), read)])));
    check(json!([{"id": {"S": "a"}}]), Err("ledger entry `a`: it has no content or no version"));
}
