//! What Athena answers, recorded, and what we take it for: pages, states, ids it cannot look up, failures.

use std::iter::repeat_n;

use lambda::CallErrorKind;
use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::{Value, json};

use super::*;

const SUBMITTED: &str = "2025-11-21T10:00:00.123Z";

/// Athena over these answers.
fn athena(answers: impl IntoIterator<Item = Answer>) -> (Athena, Replay) {
    let (replay, aws) = Replay::of(answers);
    (Athena::new(&aws), replay)
}

fn request(operation: &str, body: Value) -> (String, Value) {
    (operation.to_owned(), body)
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn workgroups_are_read_page_by_page() {
    let workgroup = |name: &str| {
        json!({
            "Name": name, "State": "ENABLED", "Description": "", "CreationTime": 1_567_159_291.603,
            "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"},
        })
    };
    let (athena, replay) = athena([
        Answer::ok(&json!({"WorkGroups": [workgroup("primary"), workgroup("etl")], "NextToken": "page-2"})),
        Answer::ok(&json!({"WorkGroups": [workgroup("ad-hoc")]})),
    ]);
    assert_eq!(block_on(athena.workgroups()), Ok(ids(&["primary", "etl", "ad-hoc"])));
    assert_eq!(
        replay.requests(),
        [request("ListWorkGroups", json!({})), request("ListWorkGroups", json!({"NextToken": "page-2"}))]
    );
}

#[test]
fn a_history_is_listed_one_page_at_a_time() {
    let (athena, replay) = athena([
        Answer::ok(&json!({"QueryExecutionIds": ["q3", "q2"], "NextToken": "page-2"})),
        Answer::ok(&json!({"QueryExecutionIds": ["q1"]})),
        Answer::ok(&json!({"QueryExecutionIds": []})),
    ]);
    let first = block_on(athena.list("etl", None)).unwrap();
    assert_eq!(first, Page { ids: ids(&["q3", "q2"]), next: Some("page-2".to_owned()) });
    assert_eq!(block_on(athena.list("etl", first.next.as_deref())), Ok(Page { ids: ids(&["q1"]), next: None }));
    assert_eq!(block_on(athena.list("empty", None)), Ok(Page::default()));
    // Without MaxResults a page has Athena's maximum, `BATCH`.
    assert_eq!(
        replay.requests(),
        [
            request("ListQueryExecutions", json!({"WorkGroup": "etl"})),
            request("ListQueryExecutions", json!({"WorkGroup": "etl", "NextToken": "page-2"})),
            request("ListQueryExecutions", json!({"WorkGroup": "empty"})),
        ]
    );
}

/// A query execution as Athena sends it.
fn execution(id: &str, state: &str) -> Value {
    let mut execution = json!({
        "QueryExecutionId": id,
        "Query": "SELECT count(*) FROM clicks, visits",
        "StatementType": "DML",
        "SubstatementType": "SELECT",
        "ResultConfiguration": {"OutputLocation": format!("s3://results/{id}.csv")},
        "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": false}},
        "QueryExecutionContext": {"Database": "web", "Catalog": "awsdatacatalog"},
        "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"},
        "WorkGroup": "etl",
        "Status": {"State": state, "SubmissionDateTime": 1_763_719_200.123},
        "Statistics": {"EngineExecutionTimeInMillis": 1_680_000, "DataScannedInBytes": 397_917_982_675_i64},
    });
    if ["SUCCEEDED", "FAILED", "CANCELLED"].contains(&state) {
        execution["Status"]["CompletionDateTime"] = json!(1_763_720_000.5);
    }
    execution
}

/// A query in this state has ended, or not.
fn check_state(state: &str, ended: bool) {
    let (athena, _) = athena([Answer::ok(&json!({"QueryExecutions": [execution("q1", state)]}))]);
    let query = Query {
        id: "q1".to_owned(),
        workgroup: "etl".to_owned(),
        state: state.to_owned(),
        ended,
        submitted_at: SUBMITTED.parse().unwrap(),
        scanned: Some(397_917_982_675),
    };
    let batch = Batch { queries: vec![query], ..Batch::default() };
    assert_eq!(block_on(athena.get(&ids(&["q1"]))), Ok(batch), "{state}");
}

#[test]
fn terminal_states_have_ended_and_all_others_have_not() {
    check_state("QUEUED", false);
    check_state("RUNNING", false);
    check_state("SUCCEEDED", true);
    check_state("FAILED", true);
    check_state("CANCELLED", true);
    // One that Athena may learn after us: better judged in vain than overlooked.
    check_state("SUSPENDED", false);
}

#[test]
fn queries_are_asked_for_by_id() {
    let (athena, replay) = athena([Answer::ok(&json!({"QueryExecutions": [], "UnprocessedQueryExecutionIds": []}))]);
    assert_eq!(block_on(athena.get(&ids(&["q1", "q2"]))), Ok(Batch::default()));
    assert_eq!(replay.requests(), [request("BatchGetQueryExecution", json!({"QueryExecutionIds": ["q1", "q2"]}))]);
}

#[test]
fn a_query_without_a_submission_time_is_asked_about_again() {
    let mut early = execution("q1", "QUEUED");
    early["Status"].as_object_mut().unwrap().remove("SubmissionDateTime");
    let (athena, _) = athena([Answer::ok(&json!({"QueryExecutions": [early, execution("q2", "RUNNING")]}))]);
    let batch = block_on(athena.get(&ids(&["q1", "q2"]))).unwrap();
    assert_eq!(batch.unprocessed, ["q1"]);
    assert_eq!(batch.queries.into_iter().map(|query| query.id).collect::<Vec<_>>(), ["q2"]);
}

/// An id that Athena did not process, with this code, is missing for good, or is asked about again.
fn check_unprocessed(code: Option<&str>, missing: bool) {
    let mut unprocessed = json!({"QueryExecutionId": "q1", "ErrorMessage": "QueryExecution q1 was not found"});
    if let Some(code) = code {
        unprocessed["ErrorCode"] = json!(code);
    }
    let answer = json!({"QueryExecutions": [], "UnprocessedQueryExecutionIds": [unprocessed]});
    let (athena, _) = athena([Answer::ok(&answer)]);
    let batch = block_on(athena.get(&ids(&["q1"]))).unwrap();
    let (gone, again) = if missing { (ids(&["q1"]), vec![]) } else { (vec![], ids(&["q1"])) };
    assert_eq!(batch, Batch { queries: vec![], missing: gone, unprocessed: again }, "{code:?}");
}

/// AWS documents no list of these codes, so both its spellings are read.
#[test]
fn unprocessed_ids_are_missing_only_if_athena_says_so() {
    check_unprocessed(Some("INVALID_INPUT"), true);
    check_unprocessed(Some("InvalidRequestException"), true);
    check_unprocessed(Some("NOT_FOUND"), true);
    check_unprocessed(Some("ResourceNotFoundException"), true);
    check_unprocessed(Some("INTERNAL_SERVER_ERROR"), false);
    check_unprocessed(Some("InternalServerException"), false);
    check_unprocessed(Some("ThrottlingException"), false);
    check_unprocessed(Some("AccessDeniedException"), false);
    check_unprocessed(None, false);
}

#[test]
fn a_query_is_told_to_stop() {
    let (athena, replay) = athena([Answer::ok(&json!({}))]);
    assert_eq!(block_on(athena.stop("q1")), Ok(()));
    assert_eq!(replay.requests(), [request("StopQueryExecution", json!({"QueryExecutionId": "q1"}))]);
}

#[test]
fn a_call_that_is_throttled_once_succeeds() {
    let throttled = || Answer::error(400, "ThrottlingException", &Value::Null);
    let (athena, replay) = athena([
        throttled(),
        Answer::ok(&json!({"QueryExecutionIds": ["q1"]})),
        // Athena has a second word for it.
        Answer::error(400, "TooManyRequestsException", &json!({"Reason": "CONCURRENT_QUERY_LIMIT_EXCEEDED"})),
        Answer::ok(&json!({})),
    ]);
    assert_eq!(block_on(athena.list("etl", None)).map(|page| page.ids), Ok(ids(&["q1"])));
    assert_eq!(block_on(athena.stop("q1")), Ok(()));
    assert_eq!(replay.requests().len(), 4);
}

/// Every operation that gets this answer to each attempt fails as this kind, under its own name.
fn check_failure(answer: &Answer, kind: CallErrorKind) {
    type Call = fn(&Athena) -> Result<(), CallError>;
    let calls: [(&str, Call); 4] = [
        ("athena:ListWorkGroups", |athena| block_on(athena.workgroups()).map(drop)),
        ("athena:ListQueryExecutions", |athena| block_on(athena.list("etl", None)).map(drop)),
        ("athena:BatchGetQueryExecution", |athena| block_on(athena.get(&ids(&["q1"]))).map(drop)),
        ("athena:StopQueryExecution", |athena| block_on(athena.stop("q1"))),
    ];
    for (operation, call) in calls {
        let (athena, _) = athena(repeat_n(answer.clone(), 6));
        let error = call(&athena).unwrap_err();
        assert_eq!((error.operation, error.kind), (operation, kind), "{answer:?}: {error}");
    }
}

#[test]
fn failures_have_a_kind() {
    let error = |status, code| Answer::error(status, code, &Value::Null);
    check_failure(&error(400, "ThrottlingException"), CallErrorKind::Throttled);
    check_failure(&error(400, "TooManyRequestsException"), CallErrorKind::Throttled);
    check_failure(&error(400, "AccessDeniedException"), CallErrorKind::Denied);
    check_failure(&error(400, "InvalidRequestException"), CallErrorKind::Invalid);
    check_failure(&error(500, "InternalServerException"), CallErrorKind::Unavailable);
    check_failure(&Answer::Lost, CallErrorKind::Unavailable);
    check_failure(&Answer::Silence, CallErrorKind::Unavailable);
}

#[test]
fn a_page_of_workgroups_that_fails_fails_the_whole() {
    let (athena, _) = athena([
        Answer::ok(&json!({"WorkGroups": [{"Name": "primary"}], "NextToken": "page-2"})),
        Answer::error(400, "AccessDeniedException", &Value::Null),
    ]);
    assert_eq!(block_on(athena.workgroups()).unwrap_err().kind, CallErrorKind::Denied);
}

/// What is read of a workgroup with these settings.
fn check_workgroup(settings: Value, enforced: bool, cutoff: Option<u64>) {
    let mut workgroup = json!({"Name": "etl", "State": "ENABLED", "CreationTime": 1_763_719_200.123});
    if !settings.is_null() {
        workgroup["Configuration"] = settings;
    }
    let (athena, replay) = athena([Answer::ok(&json!({"WorkGroup": workgroup}))]);
    let (name, state) = ("etl".to_owned(), "ENABLED".to_owned());
    let created_at = Some(SUBMITTED.parse().unwrap());
    assert_eq!(block_on(athena.workgroup("etl")), Ok(Some(Workgroup { name, state, created_at, enforced, cutoff })));
    assert_eq!(replay.requests(), [request("GetWorkGroup", json!({"WorkGroup": "etl"}))]);
}

#[test]
fn settings_of_a_workgroup_are_read_and_hold_unless_they_say_otherwise() {
    check_workgroup(Value::Null, true, None);
    check_workgroup(json!({}), true, None);
    check_workgroup(json!({"EnforceWorkGroupConfiguration": false}), false, None);
    let strict = json!({"EnforceWorkGroupConfiguration": true, "BytesScannedCutoffPerQuery": 10_000_000});
    check_workgroup(strict, true, Some(10_000_000));
}

#[test]
fn a_workgroup_that_has_gone_is_no_failure_and_one_that_cannot_be_read_is() {
    let gone = Answer::error(400, "InvalidRequestException", &json!({"Message": "WorkGroup is not found."}));
    assert_eq!(block_on(athena([gone]).0.workgroup("etl")), Ok(None));
    let denied = Answer::error(400, "AccessDeniedException", &json!({}));
    let problem = block_on(athena([denied]).0.workgroup("etl")).unwrap_err();
    assert_eq!((problem.operation, problem.kind), ("athena:GetWorkGroup", CallErrorKind::Denied));
}
