//! What Glue answers about jobs and their runs, recorded, and what we take it for: pages, states, refusals, failures.

use std::iter::repeat_n;

use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::{Value, json};

use super::*;

/// Glue over these answers.
fn glue(answers: impl IntoIterator<Item = Answer>) -> (GlueClient, Replay) {
    let (replay, aws) = Replay::of(answers);
    (GlueClient::new(&aws, "111111111111"), replay)
}

fn request(operation: &str, body: Value) -> (String, Value) {
    (operation.to_owned(), body)
}

fn id(run: &str) -> RunId {
    RunId { job: "clicks".to_owned(), run: run.to_owned() }
}

/// A run as Glue sends it.
fn recorded(run: &str, state: &str) -> Value {
    json!({
        "Id": run, "Attempt": 0, "JobName": "clicks", "JobMode": "SCRIPT", "StartedOn": 1_795_262_400.123,
        "LastModifiedOn": 1_795_262_431.9, "JobRunState": state, "Arguments": {"--job-bookmark-option": "enable"},
        "PredecessorRuns": [], "AllocatedCapacity": 10, "ExecutionTime": 31, "Timeout": 480, "MaxCapacity": 10.0,
        "WorkerType": "G.1X", "NumberOfWorkers": 10, "LogGroupName": "/aws-glue/jobs", "GlueVersion": "5.0",
    })
}

/// The same as we take it.
fn taken(run: &str, state: &str, phase: Phase, known: bool) -> Run {
    Run {
        id: id(run),
        state: State { name: state.to_owned(), phase, known },
        started_at: "2026-11-21T12:00:00.123Z".parse().unwrap(),
        capacity: Capacity { dpus: Some(10), unknown_worker_type: None },
    }
}

#[test]
fn ids_hold_job_and_run() {
    let resource = |kind: &str, id: &str| Resource { kind: kind.to_owned(), id: id.to_owned() };
    assert_eq!(RunId::parse("clicks/jr_1"), Some(id("jr_1")));
    assert_eq!(RunId::parse("web/clicks/jr_1"), Some(RunId { job: "web/clicks".into(), run: "jr_1".into() }));
    for text in ["jr_1", "/jr_1", "clicks/", ""] {
        assert_eq!(RunId::parse(text), None, "{text}");
    }
    assert_eq!(id("jr_1").to_string(), "clicks/jr_1");
    assert_eq!(RunId::of(&resource(JOB_RUN, "clicks/jr_1")), Some(id("jr_1")));
    assert_eq!(RunId::of(&resource("session", "clicks/jr_1")), None);
}

#[test]
fn jobs_are_listed_by_name_one_page_at_a_time() {
    let (glue, replay) =
        glue([Answer::ok(&json!({"JobNames": ["clicks", "visits"], "NextToken": "page-2"})), Answer::ok(&json!({}))]);
    let first = block_on(glue.jobs(None)).unwrap();
    let jobs = vec!["clicks".to_owned(), "visits".to_owned()];
    assert_eq!(first, JobPage { jobs, next: Some("page-2".to_owned()) });
    assert_eq!(block_on(glue.jobs(first.next.as_deref())), Ok(JobPage::default()));
    assert_eq!(
        replay.requests(),
        [
            request("ListJobs", json!({"MaxResults": 1000})),
            request("ListJobs", json!({"MaxResults": 1000, "NextToken": "page-2"})),
        ]
    );
}

#[test]
fn runs_are_listed_one_page_at_a_time_and_the_unreadable_is_named() {
    let mut bare = recorded("jr_2", "RUNNING");
    bare.as_object_mut().unwrap().remove("StartedOn");
    let (glue, replay) = glue([
        Answer::ok(&json!({"JobRuns": [recorded("jr_3", "RUNNING"), bare], "NextToken": "page-2"})),
        Answer::ok(&json!({})),
        Answer::error(400, "EntityNotFoundException", &Value::Null),
    ]);
    let first = block_on(glue.runs("clicks", 25, None)).unwrap().unwrap();
    let runs = vec![taken("jr_3", "RUNNING", Phase::Active, true)];
    assert_eq!(first, RunPage { runs, unread: vec![id("jr_2")], next: Some("page-2".to_owned()) });
    assert_eq!(block_on(glue.runs("clicks", 200, first.next.as_deref())), Ok(Some(RunPage::default())));
    assert_eq!(block_on(glue.runs("clicks", 200, None)), Ok(None));
    assert_eq!(
        replay.requests()[..2],
        [
            request("GetJobRuns", json!({"JobName": "clicks", "MaxResults": 25})),
            request("GetJobRuns", json!({"JobName": "clicks", "MaxResults": 200, "NextToken": "page-2"})),
        ]
    );
}

/// A run in this state is in this phase.
fn check_state(state: &str, phase: Phase, known: bool) {
    let (glue, _) = glue([Answer::ok(&json!({"JobRun": recorded("jr_1", state)}))]);
    assert_eq!(block_on(glue.run(&id("jr_1"))), Ok(Some(taken("jr_1", state, phase, known))), "{state}");
    assert_eq!(Run::has_ended_in(state), phase == Phase::Ended, "{state}");
}

#[test]
fn every_state_has_its_phase_and_an_unknown_one_is_active() {
    check_state("STARTING", Phase::Active, true);
    check_state("RUNNING", Phase::Active, true);
    check_state("WAITING", Phase::Active, true);
    check_state("STOPPING", Phase::Ending, true);
    check_state("STOPPED", Phase::Ended, true);
    check_state("SUCCEEDED", Phase::Ended, true);
    check_state("FAILED", Phase::Ended, true);
    check_state("TIMEOUT", Phase::Ended, true);
    check_state("ERROR", Phase::Ended, true);
    check_state("EXPIRED", Phase::Ended, true);
    check_state("PAUSED", Phase::Active, false);
}

#[test]
fn a_run_is_asked_for_by_job_and_id() {
    let (glue, replay) = glue([
        Answer::error(400, "EntityNotFoundException", &Value::Null),
        Answer::ok(&json!({"JobRun": {"Id": "jr_1"}})),
    ]);
    assert_eq!(block_on(glue.run(&id("jr_1"))), Ok(None));
    assert_eq!(block_on(glue.run(&id("jr_1"))).unwrap_err().kind, CallErrorKind::Unavailable);
    assert_eq!(replay.requests()[0], request("GetJobRun", json!({"JobName": "clicks", "RunId": "jr_1"})));
}

#[test]
fn a_python_shell_run_has_a_sixteenth_of_a_dpu_that_counts_as_one() {
    let mut shell = recorded("jr_1", "RUNNING");
    shell["MaxCapacity"] = json!(0.0625);
    for member in ["WorkerType", "NumberOfWorkers"] {
        shell.as_object_mut().unwrap().remove(member);
    }
    let (glue, _) = glue([Answer::ok(&json!({"JobRun": shell}))]);
    assert_eq!(block_on(glue.run(&id("jr_1"))).unwrap().unwrap().capacity.dpus, Some(1));
}

#[test]
fn tags_are_asked_for_by_arn() {
    let (glue, replay) = glue([Answer::ok(&json!({"Tags": {"user-type": "analyst"}}))]);
    let tags = Tags::from([("user-type".to_owned(), "analyst".to_owned())]);
    assert_eq!(block_on(glue.job_tags("clicks")), Ok(tags));
    let arn = json!({"ResourceArn": "arn:aws:glue:eu-west-1:111111111111:job/clicks"});
    assert_eq!(replay.requests(), [request("GetTags", arn)]);
}

#[test]
fn runs_are_stopped_together_and_refusals_are_kept() {
    let refusal = |run: &str, detail: Value| json!({"JobName": "clicks", "JobRunId": run, "ErrorDetail": detail});
    let (glue, replay) = glue([Answer::ok(&json!({
        "SuccessfulSubmissions": [{"JobName": "clicks", "JobRunId": "jr_1"}],
        "Errors": [
            refusal("jr_2", json!({"ErrorCode": "InvalidInputException", "ErrorMessage": "JobRun is not running"})),
            {"JobName": "clicks", "JobRunId": "jr_3"},
        ],
    }))]);
    let runs = ["jr_1", "jr_2", "jr_3"].map(str::to_owned);
    let refused = block_on(glue.stop_runs("clicks", &runs)).unwrap();
    let refused: Vec<_> = refused.iter().map(|(run, error)| (run.as_str(), error.message.as_str())).collect();
    assert_eq!(refused, [("jr_2", "InvalidInputException: JobRun is not running"), ("jr_3", ": ")]);
    let body = json!({"JobName": "clicks", "JobRunIds": ["jr_1", "jr_2", "jr_3"]});
    assert_eq!(replay.requests(), [request("BatchStopJobRun", body)]);
}

#[test]
fn a_call_that_is_throttled_once_succeeds() {
    let (glue, replay) = glue([
        Answer::error(400, "ThrottlingException", &Value::Null),
        Answer::ok(&json!({"JobRuns": [recorded("jr_1", "RUNNING")]})),
    ]);
    assert_eq!(block_on(glue.runs("clicks", 200, None)).map(|page| page.map(|page| page.runs.len())), Ok(Some(1)));
    assert_eq!(replay.requests().len(), 2);
}

/// Every operation that gets this answer to each attempt fails as this kind, under its own name.
fn check_failure(answer: &Answer, kind: CallErrorKind) {
    type Call = fn(&GlueClient) -> Result<(), CallError>;
    let calls: [(&str, Call); 5] = [
        ("glue:ListJobs", |glue| block_on(glue.jobs(None)).map(drop)),
        ("glue:GetJobRuns", |glue| block_on(glue.runs("clicks", 200, None)).map(drop)),
        ("glue:GetJobRun", |glue| block_on(glue.run(&id("jr_1"))).map(drop)),
        ("glue:GetTags", |glue| block_on(glue.job_tags("clicks")).map(drop)),
        ("glue:BatchStopJobRun", |glue| block_on(glue.stop_runs("clicks", &["jr_1".to_owned()])).map(drop)),
    ];
    for (operation, call) in calls {
        let (glue, _) = glue(repeat_n(answer.clone(), 6));
        let error = call(&glue).unwrap_err();
        assert_eq!((error.operation, error.kind), (operation, kind), "{answer:?}: {error}");
    }
}

#[test]
fn failures_have_a_kind() {
    let error = |status, code| Answer::error(status, code, &Value::Null);
    check_failure(&error(400, "ThrottlingException"), CallErrorKind::Throttled);
    check_failure(&error(400, "AccessDeniedException"), CallErrorKind::Denied);
    check_failure(&error(400, "InvalidInputException"), CallErrorKind::Invalid);
    check_failure(&error(500, "InternalServiceException"), CallErrorKind::Unavailable);
    check_failure(&Answer::Lost, CallErrorKind::Unavailable);
    check_failure(&Answer::Silence, CallErrorKind::Unavailable);
}
