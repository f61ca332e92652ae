//! The pages: changed over what was read and nothing else, in memory and against recorded answers of DynamoDB.

use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::json;

use super::*;
use crate::fakes::{FakeBook, now};

fn notice(second: i64) -> Notice {
    Notice { closes_at: Some(lambda::fakes::at(second)), called_off: 0 }
}

fn content(notice: &Notice) -> Value {
    serde_json::to_value(notice).unwrap()
}

#[test]
fn a_change_sees_what_stands_there_and_writes_over_that_version_only() {
    let book = FakeBook::default();
    let write = |to: i64| {
        now(change(&book, Page::Notice, |known: Option<Notice>| (Some(notice(to)), known.map(|known| known.closes_at))))
    };
    assert_eq!(write(1), Ok(None));
    assert_eq!(write(2), Ok(Some(notice(1).closes_at)));
    assert_eq!(book.get(Page::Notice), Some(notice(2)));
    assert_eq!(now(book.write(Page::Notice, &content(&notice(9)), 1)), Ok(false), "the second version stands there");
    assert_eq!(now(book.write(Page::Window, &json!({}), 1)), Ok(false), "none stands there");
    let left = now(change(&book, Page::Notice, |known: Option<Notice>| (None, known)));
    assert_eq!((left, book.writes()), (Ok(Some(notice(2))), 2), "what leaves a page as it is writes nothing");
}

#[test]
fn a_change_begins_again_from_what_others_wrote_and_gives_up_some_time() {
    for (conflicts, times, outcome) in [(0, 1, true), (1, 2, true), (7, 8, true), (8, 8, false)] {
        let book = FakeBook::default();
        book.conflict(conflicts);
        let mut called = 0;
        let changed = now(change(&book, Page::Notice, |_: Option<Notice>| {
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
fn a_page_that_cannot_be_read_is_an_error_that_names_it() {
    let book = FakeBook::default();
    book.put(Page::Notice, &json!({"closes_at": "tomorrow"}));
    let error = now(read::<Notice>(&book, Page::Notice)).unwrap_err();
    assert_eq!((error.operation, error.kind), ("dynamodb:GetItem", CallErrorKind::Invalid));
    assert!(error.message.starts_with("ledger entry `availability/notice`: `closes_at`: "), "{}", error.message);
    let changed = now(change(&book, Page::Notice, |_: Option<Notice>| (Some(notice(1)), ())));
    assert!(changed.is_err(), "what cannot be read is not written over");
    book.fail(true, false);
    assert_eq!(now(read::<Notice>(&book, Page::Locks)).unwrap_err().kind, CallErrorKind::Unavailable);
}

#[test]
fn every_page_has_an_item_of_its_own() {
    let pages = [Page::Standing, Page::Window, Page::Locks, Page::Notice].into_iter();
    let ids: Vec<String> = pages.chain(Part::ALL.map(Page::Part)).map(Page::id).collect();
    assert_eq!(ids.first().unwrap(), "availability/standing");
    assert_eq!(ids.last().unwrap(), "availability/part/rds");
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
    assert!(ids.iter().all(|id| id.starts_with("availability/")));
}

fn item(content: &str, version: &str) -> Answer {
    Answer::ok(
        &json!({"Item": {"id": {"S": "availability/notice"}, "content": {"S": content}, "version": {"N": version}}}),
    )
}

#[test]
fn the_table_is_read_consistently() {
    let stands = content(&notice(5));
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
        let read = block_on(BookTable::new(&aws, "ledger").read(Page::Notice));
        assert_eq!(read.map_err(|error| error.kind), expected);
        let asked = json!({"TableName": "ledger", "Key": {"id": {"S": "availability/notice"}}, "ConsistentRead": true});
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
            let written = block_on(BookTable::new(&aws, "ledger").write(Page::Notice, &content, over));
            assert_eq!(written.map_err(|error| error.kind), expected);
            let (operation, asked) = replay.requests().remove(0);
            assert_eq!((operation.as_str(), &asked["ConditionExpression"]), ("PutItem", &json!(condition)));
            assert_eq!(asked["ExpressionAttributeValues"], values);
            let item = json!({
                "id": {"S": "availability/notice"},
                "content": {"S": content.to_string()},
                "version": {"N": (over + 1).to_string()},
            });
            assert_eq!(asked["Item"], item, "without an expiry");
        }
    }
}
