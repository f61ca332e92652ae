//! What Glue answers, recorded, and what we take it for: sessions, jobs and their runs, orders that come too late.

use lambda::fakes::replay::{Answer, Replay};
use lambda::fakes::{ManualClock, block_on};
use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-11-21T20:00:00Z";

/// Glue over these answers, at [`NOW`].
fn glue(answers: impl IntoIterator<Item = Answer>) -> (Glue<ManualClock>, Replay) {
    let (replay, aws) = Replay::of(answers);
    (Glue::new(&aws, ManualClock::at(NOW)), replay)
}

fn request(operation: &str, body: Value) -> (String, Value) {
    (operation.to_owned(), body)
}

fn sessions(sessions: &[(&str, &str)]) -> Answer {
    let session = |(id, status): &(&str, &str)| json!({"Id": id, "Status": status});
    Answer::ok(&json!({"Sessions": sessions.iter().map(session).collect::<Vec<_>>()}))
}

fn jobs(names: &[&str]) -> Answer {
    Answer::ok(&json!({"JobNames": names}))
}

/// A run that was started so many seconds before [`NOW`].
fn run(id: &str, state: &str, age: i64) -> Value {
    let started = NOW.parse::<Timestamp>().unwrap().as_second() - age;
    json!({"Id": id, "JobName": "ignored", "JobRunState": state, "StartedOn": started})
}

fn runs(runs: &[Value]) -> Answer {
    Answer::ok(&json!({"JobRuns": runs}))
}

fn found(kind: &str, id: &str, state: &str, phase: Phase) -> Item {
    let resource = Resource { kind: kind.to_owned(), id: id.to_owned() };
    Item { resource, phase, state: state.to_owned(), finishes: kind == JOB_RUN, memo: None }
}

/// Sessions that get these answers are these.
fn check_sessions(answers: impl IntoIterator<Item = Answer>, expected: &[Item]) -> Vec<(String, Value)> {
    let (glue, replay) = glue(answers);
    assert_eq!(block_on(glue.sessions()), Ok(expected.to_vec()));
    replay.requests()
}

/// Runs that get these answers are these.
fn check_runs(answers: impl IntoIterator<Item = Answer>, expected: &[Item]) -> Vec<(String, Value)> {
    let (glue, replay) = glue(answers);
    assert_eq!(block_on(glue.runs()), Ok(expected.to_vec()));
    replay.requests()
}

#[test]
fn sessions_are_listed_page_by_page() {
    let requests = check_sessions(
        [
            Answer::ok(&json!({"Sessions": [{"Id": "a", "Status": "READY"}, {"Id": "b"}], "NextToken": "page-2"})),
            sessions(&[("c", "STOPPED"), ("d", "STOPPING")]),
        ],
        &[
            found("session", "a", "READY", Phase::On),
            found("session", "b", "none", Phase::On),
            found("session", "d", "STOPPING", Phase::TurningOff),
        ],
    );
    assert_eq!(
        requests,
        [
            request("ListSessions", json!({"MaxResults": 1000})),
            request("ListSessions", json!({"MaxResults": 1000, "NextToken": "page-2"})),
        ]
    );
}

#[test]
fn runs_are_read_for_every_job() {
    let requests = check_runs(
        [
            Answer::ok(&json!({"JobNames": ["etl"], "NextToken": "page-2"})),
            jobs(&["nightly/load"]),
            runs(&[run("jr_2", "RUNNING", 60), run("jr_1", "SUCCEEDED", 600)]),
            runs(&[run("jr_3", "STOPPING", 60)]),
        ],
        &[
            found("job run", "etl/jr_2", "RUNNING", Phase::On),
            found("job run", "nightly/load/jr_3", "STOPPING", Phase::TurningOff),
        ],
    );
    assert_eq!(
        requests,
        [
            request("ListJobs", json!({"MaxResults": 1000})),
            request("ListJobs", json!({"MaxResults": 1000, "NextToken": "page-2"})),
            request("GetJobRuns", json!({"JobName": "etl", "MaxResults": 200})),
            request("GetJobRuns", json!({"JobName": "nightly/load", "MaxResults": 200})),
        ]
    );
}

/// A session in this state is in this phase, or has ended.
fn check_session(state: &str, phase: Option<Phase>) {
    let expected: Vec<Item> = phase.into_iter().map(|phase| found(SESSION, "a", state, phase)).collect();
    check_sessions([sessions(&[("a", state)])], &expected);
}

/// A run in this state is in this phase, or has ended.
fn check_run(state: &str, phase: Option<Phase>) {
    let expected: Vec<Item> = phase.into_iter().map(|phase| found(JOB_RUN, "etl/jr_1", state, phase)).collect();
    check_runs([jobs(&["etl"]), runs(&[run("jr_1", state, 60)])], &expected);
}

#[test]
fn every_state_has_its_phase_and_an_unknown_one_is_on() {
    check_session("PROVISIONING", Some(Phase::On));
    check_session("READY", Some(Phase::On));
    check_session("STOPPING", Some(Phase::TurningOff));
    check_session("STOPPED", None);
    check_session("FAILED", None);
    check_session("TIMEOUT", None);
    check_session("HIBERNATING", Some(Phase::On));
    check_run("STARTING", Some(Phase::On));
    check_run("RUNNING", Some(Phase::On));
    check_run("WAITING", Some(Phase::On));
    check_run("STOPPING", Some(Phase::TurningOff));
    check_run("STOPPED", None);
    check_run("SUCCEEDED", None);
    check_run("FAILED", None);
    check_run("TIMEOUT", None);
    check_run("ERROR", None);
    check_run("EXPIRED", None);
    check_run("PAUSED", Some(Phase::On));
}

/// Runs of a job are read behind a page whose last was started so many seconds ago, or not.
fn check_horizon(age: i64, reads_on: bool) {
    let page = json!({"JobRuns": [run("jr_9", "SUCCEEDED", 60), run("jr_8", "FAILED", age)], "NextToken": "page-2"});
    let mut answers = vec![jobs(&["etl"]), Answer::ok(&page)];
    answers.extend(reads_on.then(|| runs(&[run("jr_7", "RUNNING", age)])));
    let expected: Vec<Item> = reads_on.then(|| found(JOB_RUN, "etl/jr_7", "RUNNING", Phase::On)).into_iter().collect();
    assert_eq!(check_runs(answers, &expected).len(), if reads_on { 3 } else { 2 }, "{age}");
}

#[test]
fn runs_are_read_as_far_back_as_one_can_be_active() {
    const EIGHT_DAYS: i64 = 8 * 24 * 60 * 60;
    check_horizon(60, true);
    check_horizon(EIGHT_DAYS, true);
    check_horizon(EIGHT_DAYS + 1, false);
}

#[test]
fn a_job_that_was_deleted_since_has_no_runs() {
    let gone = Answer::error(400, "EntityNotFoundException", &Value::Null);
    check_runs([jobs(&["etl", "nightly"]), gone, runs(&[])], &[]);
}

/// A look that gets these answers fails with this.
fn check_failure(answers: impl IntoIterator<Item = Answer>, operation: &str) {
    let (glue, _) = glue(answers);
    let problem = block_on(glue.look()).unwrap_err().into_first().unwrap();
    assert_eq!((problem.operation, problem.kind), (operation, CallErrorKind::Denied), "{problem}");
}

#[test]
fn what_is_not_seen_wholly_is_not_seen_at_all() {
    let denied = || Answer::error(400, "AccessDeniedException", &Value::Null);
    check_failure([denied(), jobs(&[])], LIST_SESSIONS);
    check_failure([sessions(&[("a", "READY")]), denied()], LIST_JOBS);
    check_failure([sessions(&[]), jobs(&["etl", "nightly"]), runs(&[]), denied()], GET_JOB_RUNS);
    check_failure([sessions(&[]), jobs(&["etl", "nightly"]), denied(), runs(&[])], GET_JOB_RUNS);
}

#[test]
fn a_look_sees_sessions_and_runs() {
    let (glue, _) = glue([sessions(&[("a", "READY")]), jobs(&["etl"]), runs(&[run("jr_1", "RUNNING", 60)])]);
    let expected = vec![found(SESSION, "a", "READY", Phase::On), found(JOB_RUN, "etl/jr_1", "RUNNING", Phase::On)];
    assert_eq!(block_on(glue.look()), Ok(expected));
}

/// Stopping something that gets these answers makes these calls and ends so.
fn check_off(kind: &str, id: &str, answers: &[Answer], calls: &[&str], expected: Result<Turned, CallErrorKind>) {
    let (glue, replay) = glue(answers.to_vec());
    let outcome = block_on(glue.turn_off(&found(kind, id, "", Phase::On), Timestamp::UNIX_EPOCH));
    assert_eq!(outcome.map_err(|problem| problem.kind), expected, "{id} {answers:?}");
    let made: Vec<String> = replay.requests().into_iter().map(|(operation, _)| operation).collect();
    assert_eq!(made, calls, "{id} {answers:?}");
}

#[test]
fn a_session_is_stopped_once() {
    let check = |answers: &[Answer], expected| {
        let calls = ["StopSession", "GetSession"];
        check_off(SESSION, "a", answers, &calls[..answers.len()], expected);
    };
    let error = |code: &str| Answer::error(400, code, &Value::Null);
    let session = |status: &str| Answer::ok(&json!({"Session": {"Id": "a", "Status": status}}));
    let late = || error("IllegalSessionStateException");
    check(&[Answer::ok(&json!({"Id": "a"}))], Ok(Turned::Told));
    check(&[late(), session("STOPPING")], Ok(Turned::Told));
    check(&[late(), session("TIMEOUT")], Ok(Turned::Told));
    check(&[late(), session("PROVISIONING")], Err(CallErrorKind::Invalid));
    check(&[error("EntityNotFoundException"), error("EntityNotFoundException")], Ok(Turned::Gone));
    check(&[late(), error("AccessDeniedException")], Err(CallErrorKind::Denied));
    check(&[error("AccessDeniedException")], Err(CallErrorKind::Denied));
}

#[test]
fn a_run_is_stopped_once() {
    let check = |answers: &[Answer], expected| {
        let calls = ["BatchStopJobRun", "GetJobRun"];
        check_off(JOB_RUN, "nightly/load/jr_1", answers, &calls[..answers.len()], expected);
    };
    let error = |code: &str| Answer::error(400, code, &Value::Null);
    let still = |state: &str| Answer::ok(&json!({"JobRun": run("jr_1", state, 60)}));
    let detail = json!({"ErrorCode": "JobRunCannotBeStoppedException", "ErrorMessage": "as recorded"});
    let late =
        || Answer::ok(&json!({"Errors": [{"JobName": "nightly/load", "JobRunId": "jr_1", "ErrorDetail": detail}]}));
    check(&[Answer::ok(&json!({"SuccessfulSubmissions": [{"JobRunId": "jr_1"}], "Errors": []}))], Ok(Turned::Told));
    check(&[late(), still("SUCCEEDED")], Ok(Turned::Told));
    check(&[late(), still("STOPPING")], Ok(Turned::Told));
    check(&[late(), still("RUNNING")], Err(CallErrorKind::Invalid));
    check(&[late(), error("EntityNotFoundException")], Ok(Turned::Gone));
    check(&[error("AccessDeniedException")], Err(CallErrorKind::Denied));
    check_off(JOB_RUN, "nameless", &[], &[], Ok(Turned::Refused("`nameless` names no job run".to_owned())));
}

#[test]
fn a_run_is_stopped_under_its_job() {
    let (glue, replay) = glue([Answer::ok(&json!({}))]);
    let item = found(JOB_RUN, "nightly/load/jr_1", "RUNNING", Phase::On);
    assert_eq!(block_on(glue.turn_off(&item, Timestamp::UNIX_EPOCH)), Ok(Turned::Told));
    let body = json!({"JobName": "nightly/load", "JobRunIds": ["jr_1"]});
    assert_eq!(replay.requests(), [request("BatchStopJobRun", body)]);
}

#[test]
fn nothing_goes_on_that_was_stopped() {
    let (glue, replay) = glue([]);
    let resource = found(SESSION, "a", "", Phase::Off).resource;
    let outcome = block_on(glue.turn_on(&TurnedOff { resource, memo: Value::Null }));
    assert_eq!(outcome, Ok(Turned::Refused("a session that was stopped does not go on".to_owned())));
    assert_eq!(replay.requests(), []);
}
