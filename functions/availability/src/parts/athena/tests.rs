//! What Athena answers, recorded, and what we take it for: workgroups, histories, states, what it does not know.

use lambda::fakes::replay::{Answer, Replay};
use lambda::fakes::{ManualClock, block_on};
use serde_json::Value;

use super::*;

/// Ten hours after this a query that was submitted then cannot run any more.
const NOW: &str = "2026-11-21T20:00:00Z";

/// Athena over these answers, at [`NOW`].
fn athena(answers: impl IntoIterator<Item = Answer>) -> (Athena<ManualClock>, Replay) {
    let (replay, aws) = Replay::of(answers);
    (Athena::new(&aws, ManualClock::at(NOW)), replay)
}

fn request(operation: &str, body: Value) -> (String, Value) {
    (operation.to_owned(), body)
}

fn workgroups(workgroups: &[(&str, &str)]) -> Answer {
    let workgroup = |(name, state): &(&str, &str)| json!({"Name": name, "State": state});
    Answer::ok(&json!({"WorkGroups": workgroups.iter().map(workgroup).collect::<Vec<_>>()}))
}

fn history(ids: &[&str]) -> Answer {
    Answer::ok(&json!({"QueryExecutionIds": ids}))
}

/// A query that was submitted so many seconds before [`NOW`].
fn query(id: &str, state: &str, age: i64) -> Value {
    let submitted = NOW.parse::<Timestamp>().unwrap().as_second() - age;
    json!({"QueryExecutionId": id, "WorkGroup": "etl", "Status": {"State": state, "SubmissionDateTime": submitted}})
}

fn queries(queries: &[Value]) -> Answer {
    Answer::ok(&json!({"QueryExecutions": queries, "UnprocessedQueryExecutionIds": []}))
}

fn found(kind: &str, id: &str, state: &str, phase: Phase) -> Item {
    let resource = Resource { kind: kind.to_owned(), id: id.to_owned() };
    let is_query = kind == QUERY;
    Item { resource, phase, state: state.to_owned(), finishes: is_query, memo: (!is_query).then(|| json!({})) }
}

/// A look that gets these answers finds these.
fn check_look(answers: impl IntoIterator<Item = Answer>, expected: &[Item]) -> Vec<(String, Value)> {
    let (athena, replay) = athena(answers);
    assert_eq!(block_on(athena.look()), Ok(expected.to_vec()));
    replay.requests()
}

#[test]
fn workgroups_come_before_the_queries_of_all_of_them() {
    let requests = check_look(
        [
            Answer::ok(&json!({"WorkGroups": [{"Name": "primary", "State": "ENABLED"}], "NextToken": "page-2"})),
            workgroups(&[("etl", "DISABLED")]),
            history(&["q-1"]),
            queries(&[query("q-1", "RUNNING", 60)]),
            history(&["q-2", "q-3"]),
            queries(&[query("q-2", "QUEUED", 1), query("q-3", "SUCCEEDED", 90)]),
        ],
        &[
            found("workgroup", "primary", "ENABLED", Phase::On),
            found("workgroup", "etl", "DISABLED", Phase::Off),
            found("query", "q-1", "RUNNING", Phase::On),
            found("query", "q-2", "QUEUED", Phase::On),
        ],
    );
    assert_eq!(
        requests,
        [
            request("ListWorkGroups", json!({})),
            request("ListWorkGroups", json!({"NextToken": "page-2"})),
            request("ListQueryExecutions", json!({"WorkGroup": "primary"})),
            request("BatchGetQueryExecution", json!({"QueryExecutionIds": ["q-1"]})),
            request("ListQueryExecutions", json!({"WorkGroup": "etl"})),
            request("BatchGetQueryExecution", json!({"QueryExecutionIds": ["q-2", "q-3"]})),
        ]
    );
}

/// A workgroup in this state is in this phase.
fn check_workgroup(state: &str, phase: Phase) {
    check_look([workgroups(&[("etl", state)]), history(&[])], &[found("workgroup", "etl", state, phase)]);
}

/// A query in this state is on, or not there.
fn check_query(state: &str, is_on: bool) {
    let mut expected = vec![found("workgroup", "etl", "ENABLED", Phase::On)];
    expected.extend(is_on.then(|| found("query", "q-1", state, Phase::On)));
    let answers = [workgroups(&[("etl", "ENABLED")]), history(&["q-1"]), queries(&[query("q-1", state, 60)])];
    check_look(answers, &expected);
}

#[test]
fn every_state_has_its_phase_and_an_unknown_one_is_on() {
    check_workgroup("ENABLED", Phase::On);
    check_workgroup("DISABLED", Phase::Off);
    check_workgroup("DRAINING", Phase::On);
    check_query("QUEUED", true);
    check_query("RUNNING", true);
    check_query("SUCCEEDED", false);
    check_query("FAILED", false);
    check_query("CANCELLED", false);
    check_query("PAUSED", true);
}

/// A history is read behind a page whose last query was submitted so many seconds ago, or not.
fn check_horizon(age: i64, reads_on: bool) {
    let page = Answer::ok(&json!({"QueryExecutionIds": ["q-1", "q-2"], "NextToken": "page-2"}));
    let listed = queries(&[query("q-1", "SUCCEEDED", 60), query("q-2", "SUCCEEDED", age)]);
    let older = [history(&["q-3"]), queries(&[query("q-3", "RUNNING", age)])];
    let mut answers = vec![workgroups(&[("etl", "ENABLED")]), page, listed];
    let mut expected = vec![found("workgroup", "etl", "ENABLED", Phase::On)];
    if reads_on {
        answers.extend(older);
        expected.push(found("query", "q-3", "RUNNING", Phase::On));
    }
    let requests = check_look(answers, &expected);
    let pages = requests.iter().filter(|(operation, _)| operation == "ListQueryExecutions").count();
    assert_eq!(pages, if reads_on { 2 } else { 1 }, "{age}");
}

#[test]
fn a_history_is_read_as_far_back_as_a_query_can_run() {
    const TEN_HOURS: i64 = 10 * 60 * 60;
    check_horizon(60, true);
    check_horizon(TEN_HOURS, true);
    check_horizon(TEN_HOURS + 1, false);
}

#[test]
fn what_has_gone_meanwhile_is_no_problem() {
    let gone = Answer::error(400, "InvalidRequestException", &json!({"message": "WorkGroup etl is not found."}));
    let etl = found("workgroup", "etl", "ENABLED", Phase::On);
    check_look([workgroups(&[("etl", "ENABLED")]), gone], std::slice::from_ref(&etl));
    let unknown = json!([{"QueryExecutionId": "q-1", "ErrorCode": "INVALID_QUERY_EXECUTION_ID"}]);
    let batch = Answer::ok(&json!({"QueryExecutions": [], "UnprocessedQueryExecutionIds": unknown}));
    check_look([workgroups(&[("etl", "ENABLED")]), history(&["q-1"]), batch], &[etl]);
}

/// A look that gets these answers fails so.
fn check_failure(answers: impl IntoIterator<Item = Answer>, operation: &str, kind: CallErrorKind) {
    let (athena, _) = athena(answers);
    let problem = block_on(athena.look()).unwrap_err().into_first().unwrap();
    assert_eq!((problem.operation, problem.kind), (operation, kind), "{problem}");
}

#[test]
fn what_is_not_seen_wholly_is_not_seen_at_all() {
    let denied = || Answer::error(400, "AccessDeniedException", &Value::Null);
    let two = || workgroups(&[("etl", "DISABLED"), ("ad-hoc", "DISABLED")]);
    check_failure([denied()], LIST_WORK_GROUPS, CallErrorKind::Denied);
    check_failure([two(), history(&[]), denied()], LIST_QUERY_EXECUTIONS, CallErrorKind::Denied);
    check_failure([two(), denied(), history(&[])], LIST_QUERY_EXECUTIONS, CallErrorKind::Denied);
    let throttled = json!([{"QueryExecutionId": "q-1", "ErrorCode": "INTERNAL_FAILURE"}]);
    let batch = Answer::ok(&json!({"QueryExecutions": [], "UnprocessedQueryExecutionIds": throttled}));
    let one = workgroups(&[("etl", "DISABLED")]);
    check_failure([one, history(&["q-1"]), batch], BATCH_GET_QUERY_EXECUTION, CallErrorKind::Unavailable);
}

/// Turning something off that gets this answer asks for this and ends so.
fn check_off(kind: &str, answer: Answer, asked: (String, Value), expected: Result<Turned, CallErrorKind>) {
    let (athena, replay) = athena([answer.clone()]);
    let outcome = block_on(athena.turn_off(&found(kind, "x", "", Phase::On), Timestamp::UNIX_EPOCH));
    assert_eq!(outcome.map_err(|problem| problem.kind), expected, "{answer:?}");
    assert_eq!(replay.requests(), [asked]);
}

#[test]
fn workgroups_are_disabled_and_queries_stopped() {
    let disable = || request("UpdateWorkGroup", json!({"WorkGroup": "x", "State": "DISABLED"}));
    let stop = || request("StopQueryExecution", json!({"QueryExecutionId": "x"}));
    let refusal = |sentence: &str| Answer::error(400, "InvalidRequestException", &json!({"message": sentence}));
    let denied = || Answer::error(400, "AccessDeniedException", &Value::Null);
    check_off(WORKGROUP, Answer::ok(&json!({})), disable(), Ok(Turned::Told));
    check_off(WORKGROUP, refusal("WorkGroup x is not found."), disable(), Ok(Turned::Gone));
    check_off(WORKGROUP, refusal("WorkGroup cannot be updated"), disable(), Err(CallErrorKind::Invalid));
    check_off(WORKGROUP, denied(), disable(), Err(CallErrorKind::Denied));
    check_off(QUERY, Answer::ok(&json!({})), stop(), Ok(Turned::Told));
    check_off(QUERY, refusal("QueryExecution x was not found"), stop(), Ok(Turned::Gone));
    check_off(QUERY, denied(), stop(), Err(CallErrorKind::Denied));
}

/// Turning something on that gets these answers ends so.
fn check_on(kind: &str, answers: &[Answer], expected: Result<Turned, CallErrorKind>) -> Vec<(String, Value)> {
    let (athena, replay) = athena(answers.to_vec());
    let item = TurnedOff { resource: found(kind, "x", "", Phase::Off).resource, memo: json!({}) };
    assert_eq!(block_on(athena.turn_on(&item)).map_err(|problem| problem.kind), expected, "{answers:?}");
    replay.requests()
}

#[test]
fn workgroups_are_enabled_again_and_queries_are_not() {
    let requests = check_on(WORKGROUP, &[Answer::ok(&json!({}))], Ok(Turned::Told));
    assert_eq!(requests, [request("UpdateWorkGroup", json!({"WorkGroup": "x", "State": "ENABLED"}))]);
    let gone = Answer::error(400, "InvalidRequestException", &json!({"message": "WorkGroup x is not found."}));
    check_on(WORKGROUP, &[gone], Ok(Turned::Gone));
    let ended = Turned::Refused("a query that was stopped does not go on".to_owned());
    assert_eq!(check_on(QUERY, &[], Ok(ended)), []);
}
