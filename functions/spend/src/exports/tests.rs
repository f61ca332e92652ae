//! What lies in the bucket, against recorded answers of S3: pages, what is looked for, what is denied.

use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::{Value, json};

use super::*;

const HOST: &str = "https://cost-exports.s3.eu-west-1.amazonaws.com";

fn bucket(prefix: &str, answers: impl IntoIterator<Item = Answer>) -> (Replay, ExportBucket) {
    let (replay, aws) = Replay::of(answers);
    (replay, ExportBucket::new(&aws, "cost-exports", prefix))
}

/// A page of a list: key, time, size.
fn page(files: &[(&str, &str, u64)], next: Option<&str>) -> Answer {
    let files: String = files
        .iter()
        .map(|(key, modified, size)| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>&quot;e-{size}&quot;</ETag>\
                 <Size>{size}</Size></Contents>"
            )
        })
        .collect();
    let next = next.map(|token| format!("<NextContinuationToken>{token}</NextContinuationToken>")).unwrap_or_default();
    let truncated = !next.is_empty();
    let list = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
           <IsTruncated>{truncated}</IsTruncated>{next}{files}</ListBucketResult>"#
    );
    Answer::Http(200, list)
}

fn refusal(status: u16, code: &str) -> Answer {
    Answer::Http(status, format!("<Error><Code>{code}</Code><Message>as recorded</Message></Error>"))
}

fn head(size: u64) -> Answer {
    let headers = vec![
        ("content-length", size.to_string()),
        ("etag", "\"e-1\"".to_owned()),
        ("last-modified", "Fri, 20 Nov 2026 09:30:00 GMT".to_owned()),
    ];
    Answer::Headed(200, headers, String::new())
}

fn landed(key: &str, modified: &str, bytes: u64) -> Landed {
    Landed { key: key.to_owned(), etag: format!("e-{bytes}"), modified: modified.parse().unwrap(), bytes }
}

#[test]
fn every_page_is_listed_and_the_oldest_comes_first() {
    let first = [
        ("exports/daily/metadata/b-Manifest.json", "2026-11-20T09:30:00.000Z", 2),
        ("exports/daily/data/b.snappy.parquet", "2026-11-20T09:29:00.000Z", 9),
    ];
    let second = [("exports/daily/metadata/a-Manifest.json", "2026-11-20T04:30:00.000Z", 1)];
    let (replay, bucket) = bucket("/exports", [page(&first, Some("t/1")), page(&second, None)]);
    let expected = [
        landed("exports/daily/metadata/a-Manifest.json", "2026-11-20T04:30:00Z", 1),
        landed("exports/daily/metadata/b-Manifest.json", "2026-11-20T09:30:00Z", 2),
    ];
    assert_eq!(block_on(bucket.landed(&["-Manifest.json"])), Ok(expected.to_vec()));
    let requests: Vec<String> = replay.requests().into_iter().map(|(asked, _)| asked).collect();
    let list = format!("GET {HOST}/?list-type=2");
    assert_eq!(
        requests,
        [format!("{list}&prefix=exports%2F"), format!("{list}&prefix=exports%2F&continuation-token=t%2F1")]
    );
}

#[test]
fn files_are_looked_for_by_any_ending_and_anywhere_without_a_prefix() {
    let files = [
        ("2026-11.parquet", "2026-11-20T09:30:00.000Z", 1),
        ("2026-11.csv.gz", "2026-11-20T09:30:00.000Z", 2),
        ("readme.txt", "2026-11-20T09:30:00.000Z", 3),
    ];
    let (replay, bucket) = bucket("", [page(&files, None)]);
    let found = block_on(bucket.landed(&[".parquet", ".csv.gz"])).unwrap();
    let keys: Vec<&str> = found.iter().map(|landed| landed.key.as_str()).collect();
    assert_eq!(keys, ["2026-11.csv.gz", "2026-11.parquet"]);
    assert_eq!(replay.requests()[0].0, format!("GET {HOST}/?list-type=2&prefix="));
}

#[test]
fn a_list_that_is_refused_or_incomplete_is_an_error() {
    let check = |answers: Vec<Answer>, expected: CallErrorKind| {
        let (_, bucket) = bucket("exports", answers);
        let error = block_on(bucket.landed(&[""])).unwrap_err();
        assert_eq!((error.operation, error.kind), ("s3:ListBucket", expected), "{error}");
    };
    check(vec![refusal(403, "AccessDenied")], CallErrorKind::Denied);
    check(vec![refusal(404, "NoSuchBucket")], CallErrorKind::Missing);
    check(vec![refusal(503, "SlowDown"); 6], CallErrorKind::Throttled);
    check(vec![refusal(500, "InternalError"); 6], CallErrorKind::Unavailable);
    let first = page(&[("a", "2026-11-20T09:30:00.000Z", 1)], Some("t"));
    check(vec![first, refusal(403, "AccessDenied")], CallErrorKind::Denied);
    let no_time = "<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>";
    check(vec![Answer::Http(200, no_time.to_owned())], CallErrorKind::Invalid);
}

#[test]
fn a_listing_that_is_throttled_goes_on() {
    let (replay, bucket) = bucket("exports", [refusal(503, "SlowDown"), page(&[], None)]);
    assert_eq!((block_on(bucket.landed(&[""])), replay.requests().len()), (Ok(vec![]), 2));
}

#[test]
fn what_lies_under_a_key_is_read_whole_as_it_was_found() {
    let (replay, bucket) = bucket("exports", [head(4), Answer::Http(206, "{} \n".to_owned())]);
    let key = "exports/a b-Manifest.json";
    let found = Landed { bytes: 4, ..landed(key, "2026-11-20T09:30:00Z", 1) };
    assert_eq!(block_on(bucket.whole(key)), Ok(Some((found, b"{} \n".to_vec()))));
    let asked = [
        (format!("HEAD {HOST}/exports/a%20b-Manifest.json"), Value::Null),
        (
            format!("GET {HOST}/exports/a%20b-Manifest.json?x-id=GetObject"),
            json!({"range": "bytes=0-3", "if-match": "\"e-1\""}),
        ),
    ];
    assert_eq!(replay.requests(), asked);
    let (_, empty) = self::bucket("exports", [head(0)]);
    assert_eq!(block_on(empty.whole("a")).unwrap().unwrap().1, b"");
}

#[test]
fn a_key_under_which_nothing_lies_is_none_and_what_cannot_be_seen_an_error() {
    let no_body = |status: u16| Answer::Http(status, String::new());
    let check = |answers: Vec<Answer>, expected: Result<bool, (CallErrorKind, &str)>| {
        let (_, bucket) = bucket("exports", answers);
        let found = block_on(bucket.whole("a")).map(|found| found.is_some());
        assert_eq!(
            found,
            expected.map_err(|(kind, message)| CallError {
                operation: "s3:GetObject",
                kind,
                message: message.to_owned(),
            })
        );
    };
    check(vec![no_body(404)], Ok(false));
    check(vec![no_body(403)], Err((CallErrorKind::Denied, "S3 answered with status 403")));
    check(vec![no_body(301)], Err((CallErrorKind::Invalid, "S3 answered with status 301")));
    let replaced = "the file was replaced or deleted while it was read";
    check(vec![head(4), refusal(412, "PreconditionFailed")], Err((CallErrorKind::Missing, replaced)));
    check(vec![head(4), refusal(404, "NoSuchKey")], Err((CallErrorKind::Missing, replaced)));
    check(vec![head(4), Answer::Http(206, "{}".to_owned())], Err((CallErrorKind::Missing, replaced)));
    let headless = Answer::Headed(200, vec![("content-length", "4".to_owned())], String::new());
    check(vec![headless], Err((CallErrorKind::Invalid, "`a` has no length, no time or no ETag")));
}
