//! What Athena is asked and answers, recorded: a question from its table to its sums, and each way that it can fail.

use guardrail::Amount;
use jiff::SignedDuration;
use jiff::civil::date;
use lambda::fakes::replay::{Answer, Replay};
use lambda::fakes::{ManualClock, block_on};
use serde_json::{Value, json};
use spend::{Charges, Dimensions};

use super::*;

const START_OF_RUN: &str = "2026-11-20T09:30:00Z";

fn settings() -> Option<AthenaSettings> {
    let [workgroup, database, table] = ["spend", "costs", "export"].map(str::to_owned);
    Some(AthenaSettings { workgroup, database, table })
}

fn question() -> Question {
    Question {
        charges: Charges::Unblended,
        exclude: [].into(),
        by: Dimensions { account: true, service: false, owner: false, day: false },
        owner_tag: "owner".to_owned(),
        usage: false,
    }
}

/// Asks the question, with a minute's time.
fn ask(answers: impl IntoIterator<Item = Answer>) -> (Result<Summary, CallError>, Vec<(String, Value)>) {
    ask_of(settings(), answers)
}

fn ask_of(
    settings: Option<AthenaSettings>,
    answers: impl IntoIterator<Item = Answer>,
) -> (Result<Summary, CallError>, Vec<(String, Value)>) {
    let (replay, aws) = Replay::of(answers);
    let clock = ManualClock::at(START_OF_RUN);
    let deadline = clock.now() + SignedDuration::from_secs(60);
    let queries = AthenaQueries::new(&aws, settings, clock);
    let answer = block_on(queries.summarise(&question(), date(2026, 11, 1), deadline));
    (answer, replay.requests())
}

fn table() -> Answer {
    let column = |name: &str, kind: &str| json!({"Name": name, "Type": kind});
    let columns = [
        column("bill_billing_period_start_date", "timestamp"),
        column("line_item_usage_account_id", "string"),
        column("line_item_currency_code", "string"),
        column("line_item_unblended_cost", "double"),
    ];
    let parts = [column("billing_period", "string")];
    Answer::ok(&json!({"TableMetadata": {"Name": "export", "Columns": columns, "PartitionKeys": parts}}))
}

fn started() -> Answer {
    Answer::ok(&json!({"QueryExecutionId": "q-1"}))
}

fn state(state: &str) -> Answer {
    Answer::ok(&json!({"QueryExecution": {"Status": {"State": state}}}))
}

fn succeeded(location: &str) -> Answer {
    let result = json!({"OutputLocation": location});
    let status = json!({"State": "SUCCEEDED"});
    Answer::ok(&json!({"QueryExecution": {"Status": status, "ResultConfiguration": result}}))
}

fn failed(state: &str, reason: &str, retryable: bool) -> Answer {
    let error = json!({"ErrorCategory": 2, "Retryable": retryable});
    let status = json!({"State": state, "StateChangeReason": reason, "AthenaError": error});
    Answer::ok(&json!({"QueryExecution": {"Status": status}}))
}

/// The result's file as it is asked for: its head, its first bytes, and all of it, once for its sums and once for its
/// number of lines.
fn result(csv: &str) -> Vec<Answer> {
    let headers = vec![
        ("content-length", csv.len().to_string()),
        ("etag", "\"r-1\"".to_owned()),
        ("last-modified", "Fri, 20 Nov 2026 09:30:00 GMT".to_owned()),
    ];
    let content = |bytes: usize| Answer::Http(206, csv.get(..bytes).unwrap_or_default().to_owned());
    vec![Answer::Headed(200, headers, String::new()), content(4), content(csv.len()), content(csv.len())]
}

const CSV: &str = concat!(
    r#""line_item_unblended_cost","line_item_currency_code","bill_billing_period_start_date","#,
    r#""line_item_usage_account_id","lines""#,
    "\n",
    r#""1.250000000000000000","USD","2026-11-01","111111111111","40""#,
    "\n",
    r#""0.000000018100000000","USD","2026-11-01","222222222222","2""#,
    "\n",
);

#[test]
fn a_question_is_put_to_the_table_and_its_result_read_from_the_bucket() {
    let mut answers = vec![table(), started(), state("QUEUED"), state("RUNNING")];
    answers.push(succeeded("s3://results/spend/q-1.csv"));
    answers.extend(result(CSV));
    let (answer, requests) = ask(answers);
    let summary = answer.unwrap();
    let sums: Vec<(&str, String)> =
        summary.sums.iter().map(|(key, amount)| (key.account.as_str(), amount.to_string())).collect();
    assert_eq!(sums, [("111111111111", "1.25".to_owned()), ("222222222222", "0.0000000181".to_owned())]);
    assert_eq!((summary.lines, summary.total()), (42, "1.2500000181".parse::<Amount>().unwrap()));

    let asked: Vec<&str> = requests.iter().map(|(operation, _)| operation.as_str()).collect();
    let file = "https://results.s3.eu-west-1.amazonaws.com/spend/q-1.csv";
    let (head, get) = (format!("HEAD {file}"), format!("GET {file}?x-id=GetObject"));
    let look = "GetQueryExecution";
    assert_eq!(asked, ["GetTableMetadata", "StartQueryExecution", look, look, look, &head, &get, &get, &get]);
    let described = json!({"CatalogName": "AwsDataCatalog", "DatabaseName": "costs", "TableName": "export"});
    assert_eq!(requests[0].1, described);
    let start = &requests[1].1;
    assert_eq!(start["QueryExecutionContext"], json!({"Catalog": "AwsDataCatalog", "Database": "costs"}));
    assert_eq!(start["WorkGroup"], "spend");
    assert!(start["ClientRequestToken"].as_str().unwrap().len() >= 32, "the same query is started once");
    let sql = start["QueryString"].as_str().unwrap();
    assert!(sql.contains(r#"FROM "costs"."export""#) && sql.contains(r#""billing_period" IN ('2026-11')"#), "{sql}");
    assert_eq!(requests[2].1, json!({"QueryExecutionId": "q-1"}));
}

#[test]
fn throttling_is_waited_out() {
    let throttled = || Answer::error(400, "TooManyRequestsException", &Value::Null);
    let mut answers = vec![throttled(), table(), throttled(), started(), throttled()];
    answers.push(succeeded("s3://results/q-1.csv"));
    answers.extend(result(CSV));
    assert_eq!(ask(answers).0.map(|summary| summary.lines), Ok(42));
    let (answer, _) = ask(vec![throttled(); 6]);
    assert_eq!(answer.map_err(|error| (error.operation, error.kind)), Err((DESCRIBE, CallErrorKind::Throttled)));
}

#[test]
fn a_query_that_fails_says_why() {
    let check = |ended: Answer, kind: CallErrorKind, message: &str| {
        let (answer, requests) = ask([table(), started(), ended]);
        let error = answer.unwrap_err();
        assert_eq!((error.kind, error.message.as_str(), requests.len()), (kind, message, 3), "and is not stopped");
    };
    let overflow = "NUMERIC_VALUE_OUT_OF_RANGE: Decimal overflow";
    check(failed("FAILED", overflow, false), CallErrorKind::Invalid, &format!("query `q-1` is FAILED: {overflow}"));
    check(failed("FAILED", "slow down", true), CallErrorKind::Unavailable, "query `q-1` is FAILED: slow down");
    let denied = "Insufficient permissions to execute the query.";
    check(failed("FAILED", denied, false), CallErrorKind::Denied, &format!("query `q-1` is FAILED: {denied}"));
    let cancelled = "query `q-1` is CANCELLED: by somebody";
    check(failed("CANCELLED", "by somebody", false), CallErrorKind::Unavailable, cancelled);
    let nowhere = "the result of query `q-1` is in no bucket; the workgroup must write it to one";
    check(state("SUCCEEDED"), CallErrorKind::Invalid, nowhere);
}

#[test]
fn a_query_that_cannot_be_looked_at_is_stopped() {
    let denied = || Answer::error(400, "AccessDeniedException", &Value::Null);
    for stopped in [Answer::ok(&json!({})), denied()] {
        let (answer, requests) = ask([table(), started(), state("RUNNING"), denied(), stopped]);
        assert_eq!(answer.map_err(|error| (error.operation, error.kind)), Err((LOOK, CallErrorKind::Denied)));
        assert_eq!(requests.last().unwrap(), &("StopQueryExecution".to_owned(), json!({"QueryExecutionId": "q-1"})));
    }
}

#[test]
fn a_query_that_does_not_end_in_time_is_stopped() {
    let looks = std::iter::repeat_with(|| state("RUNNING"));
    let (answer, requests) =
        ask([table(), started()].into_iter().chain(looks.take(17)).chain([Answer::ok(&json!({}))]));
    let error = answer.unwrap_err();
    assert_eq!((error.operation, error.kind), (LOOK, CallErrorKind::Unavailable));
    assert_eq!(error.message, "query `q-1` has not ended in the time that there was");
    assert_eq!(requests.last().unwrap().0, "StopQueryExecution");
}

#[test]
fn a_table_that_is_not_the_exports_is_told_before_anything_is_asked() {
    let check = |answer: Answer, kind: CallErrorKind, message: &str| {
        let (answer, requests) = ask([answer]);
        let error = answer.unwrap_err();
        assert_eq!((error.operation, error.kind, requests.len()), (DESCRIBE, kind, 1));
        assert!(error.message.starts_with(message), "{}", error.message);
    };
    let other = Answer::ok(&json!({"TableMetadata": {"Name": "export", "Columns": [{"Name": "a"}]}}));
    let unknown = "`table costs.export`: it is no cost export that is known: its columns begin with `a`";
    check(other, CallErrorKind::Invalid, unknown);
    check(Answer::error(400, "MetadataException", &Value::Null), CallErrorKind::Invalid, "MetadataException");
    check(Answer::error(400, "AccessDeniedException", &Value::Null), CallErrorKind::Denied, "AccessDenied");
}

#[test]
fn a_result_that_cannot_be_read_is_an_error() {
    let check = |rest: Vec<Answer>, kind: CallErrorKind, message: &str| {
        let answers = [table(), started(), succeeded("s3://results/q-1.csv")].into_iter().chain(rest);
        let error = ask(answers).0.unwrap_err();
        assert_eq!((error.operation, error.kind, error.message.as_str()), (GET_OBJECT, kind, message));
    };
    let gone = vec![Answer::Http(404, String::new())];
    check(gone, CallErrorKind::Missing, "the result of query `q-1` is not at `s3://results/q-1.csv`");
    let header = CSV.lines().next().unwrap();
    let empty = "`table costs.export`: it cannot be read: it has no lines of 2026-11; are its partitions known?";
    check(result(&format!("{header}\n")), CallErrorKind::Unavailable, empty);
}

#[test]
fn without_settings_every_question_is_refused() {
    let (answer, requests) = ask_of(None, []);
    let error = answer.unwrap_err();
    assert!(error.message.contains("`ATHENA_WORKGROUP`") && requests.is_empty(), "{error}");
    assert_eq!(error.kind, CallErrorKind::Invalid);
}
