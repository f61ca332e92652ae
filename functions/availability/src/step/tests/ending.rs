//! How workflows end: what is verified, what is told, and what is begun again.

use guardrail::availability::Change;

use super::*;

fn ends(workflow: Workflow, turn: u64, results: &Value) -> Value {
    json!({"step": "end", "workflow": workflow, "execution": "x", "turn": turn, "results": results})
}

fn failed_part() -> Value {
    let cause = r#"{"errorType":"AccessDenied","errorMessage":"not authorized"}"#;
    json!([
        {"part": "studio", "outcome": "done"},
        {"part": "rds", "outcome": "failed", "error": {"Error": "AccessDenied", "Cause": cause}},
        {"part": "emr", "outcome": "failed", "error": {"Error": "States.Timeout", "Cause": ""}},
    ])
}

/// A workflow has begun; how does it end with these results?
fn check(workflow: Workflow, results: &Value, outcome: &str, state: Availability, change: Change, told: &str) {
    let sandbox = sandbox();
    let turn = begin(&sandbox, workflow);
    for _ in 0..2 {
        assert_eq!(sandbox.step(ends(workflow, turn, results)), Ok(json!({"outcome": outcome})));
    }
    let standing = standing(&sandbox);
    assert_eq!((standing.state, standing.failure.is_some()), (state, outcome == "failed"));
    let changes = sandbox.changes().split_off(1);
    let ids: BTreeSet<&str> = changes.iter().map(|told| told.header.id.as_str()).collect();
    assert_eq!(ids.len(), 1, "told again under the same id at most");
    assert_eq!((changes[0].change, changes[0].state, changes[0].message.as_str()), (change, state, told));
}

#[test]
fn a_workflow_ends_where_it_was_to_go_and_a_start_also_with_a_part_that_failed() {
    let all = json!([{"part": "studio", "outcome": "done"}, {"part": "rds", "outcome": "done"}]);
    check(Workflow::Stop, &all, "done", Availability::Closed, Change::Closed, "the sandbox is closed: it is time");
    check(Workflow::Start, &all, "done", Availability::Open, Change::Opened, "the sandbox is open: it is time");
    check(
        Workflow::Stop,
        &failed_part(),
        "failed",
        Availability::Closing,
        Change::Failed,
        "the sandbox could not be brought to closed: rds: not authorized; emr: States.Timeout; it is tried again",
    );
    check(
        Workflow::Start,
        &failed_part(),
        "failed",
        Availability::Open,
        Change::Failed,
        "the sandbox could not be brought to open: rds: not authorized; emr: States.Timeout; it is tried again",
    );
}

#[test]
fn a_workflow_that_was_superseded_ends_without_a_word() {
    let sandbox = sandbox();
    let stop = begin(&sandbox, Workflow::Stop);
    begin(&sandbox, Workflow::Start);
    let (before, told) = (standing(&sandbox), sandbox.told());
    for results in [json!([]), failed_part()] {
        assert_eq!(sandbox.step(ends(Workflow::Stop, stop, &results)), Ok(json!({"outcome": "superseded"})));
    }
    let fail = json!({"step": "fail", "workflow": "stop", "execution": "x", "error": {"Error": "Unavailable"}});
    assert_eq!(sandbox.step(fail), Ok(json!({"outcome": "superseded"})));
    assert_eq!((standing(&sandbox), sandbox.told()), (before, told));
}

#[test]
fn a_failure_is_kept_and_told_and_a_later_success_forgets_it() {
    let sandbox = sandbox();
    let turn = begin(&sandbox, Workflow::Stop);
    let execution = standing(&sandbox).execution;
    let cause = json!({"errorType": "NotVerified", "errorMessage": "access is not off wholly: `ana`"}).to_string();
    let error = json!({"Error": "NotVerified", "Cause": cause});
    let fail = json!({"step": "fail", "workflow": "stop", "execution": execution, "error": error});
    assert_eq!(sandbox.step(fail), Ok(json!({"outcome": "failed"})));
    let failed = standing(&sandbox);
    assert_eq!(failed.state, Availability::Closing, "it is neither open nor closed");
    assert_eq!(failed.failure.as_deref(), Some("access is not off wholly: `ana`"));
    assert_eq!(
        sandbox.told().last().unwrap(),
        "the sandbox could not be brought to closed: access is not off wholly: `ana`; it is tried again"
    );
    sandbox.step(ends(Workflow::Stop, turn, &json!([]))).unwrap();
    assert_eq!((standing(&sandbox).state, standing(&sandbox).failure), (Availability::Closed, None));
}

#[test]
fn an_error_of_step_functions_is_one_sentence() {
    for (error, sentence) in [
        (json!({"Error": "E", "Cause": r#"{"errorMessage":"why"}"#}), "why"),
        (json!({"Error": "E", "Cause": r#"{"errorType":"T"}"#}), r#"{"errorType":"T"}"#),
        (json!({"Error": "States.Timeout", "Cause": ""}), "States.Timeout"),
        (json!({"Error": "States.Timeout"}), "States.Timeout"),
        (json!({"Error": "E", "Cause": "it was so"}), "it was so"),
        (json!({}), "unknown error"),
        (json!(null), "unknown error"),
    ] {
        assert_eq!(sentence_of(&error), sentence, "{error}");
    }
}

#[test]
fn access_is_verified_by_looking_at_the_roles_again() {
    let sandbox = sandbox();
    sandbox.board.put_on(&["access/ana", "access/jo"]);
    let turn = begin(&sandbox, Workflow::Stop);
    finish(&sandbox, Workflow::Stop, turn, Part::Access).unwrap();
    let verify = |workflow, turn| sandbox.step(about("verify", workflow, turn, Part::Access));
    assert_eq!(verify(Workflow::Stop, turn), Ok(json!({"outcome": "done", "part": "access", "wait": 0})));
    sandbox.board.put("access/new", Phase::On);
    let not_so = (CallErrorKind::NotVerified, "access is not off wholly: `new`".to_owned());
    assert_eq!(problem(verify(Workflow::Stop, turn)), not_so);

    let start = begin(&sandbox, Workflow::Start);
    let not_so = (CallErrorKind::NotVerified, "access is not on wholly: `ana`, `jo`".to_owned());
    assert_eq!(problem(verify(Workflow::Start, start)), not_so);
    finish(&sandbox, Workflow::Start, start, Part::Access).unwrap();
    assert_eq!(verify(Workflow::Start, start).unwrap()["outcome"], "done");
    assert_eq!(verify(Workflow::Stop, turn).unwrap()["outcome"], "superseded");
    sandbox.board.fail("access", CallErrorKind::Denied, 0, 1);
    assert_eq!(problem(verify(Workflow::Start, start)).0, CallErrorKind::Denied);
}
