//! What Step Functions answers, recorded.

use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::{Value, json};

use super::*;

const MACHINE: &str = "arn:aws:states:eu-west-1:111111111111:stateMachine:sandbox-guardrails";
const EXECUTION: &str = "arn:aws:states:eu-west-1:111111111111:execution:sandbox-guardrails";

fn machines(answer: Answer) -> (StateMachines, Replay) {
    let (replay, aws) = Replay::of([answer]);
    (StateMachines::new(&aws, format!("{MACHINE}-stop"), format!("{MACHINE}-start")), replay)
}

fn error(code: &str) -> Answer {
    Answer::error(400, code, &Value::Null)
}

#[test]
fn the_state_machine_of_the_workflow_is_started_under_the_name() {
    for workflow in [Workflow::Stop, Workflow::Start] {
        let execution = format!("{EXECUTION}-{}:w-3-20261123T1900", workflow.as_str());
        let started = Answer::ok(&json!({"executionArn": execution, "startDate": 1_795_460_400.0}));
        // One that was started already under this name, by another run that saw the same, is as good.
        for answer in [started, error("ExecutionAlreadyExists")] {
            let (machines, replay) = machines(answer);
            let input = WorkflowInput { reason: Some("it is time".to_owned()), requested_by: None };
            let arn = block_on(machines.start(workflow, "w-3-20261123T1900", &input));
            assert_eq!(arn.as_ref(), Ok(&execution));
            let (operation, asked) = replay.requests().remove(0);
            assert_eq!(operation, "StartExecution");
            assert_eq!(asked["stateMachineArn"], format!("{MACHINE}-{}", workflow.as_str()));
            assert_eq!(asked["name"], "w-3-20261123T1900");
            let input: Value = serde_json::from_str(asked["input"].as_str().unwrap()).unwrap();
            assert_eq!(input, json!({"reason": "it is time", "requested_by": null}));
        }
    }
}

#[test]
fn a_start_that_is_refused_otherwise_is_an_error() {
    for (code, kind) in [
        ("StateMachineDoesNotExist", CallErrorKind::Invalid),
        ("StateMachineDeleting", CallErrorKind::Invalid),
        ("ExecutionLimitExceeded", CallErrorKind::Throttled),
        ("AccessDeniedException", CallErrorKind::Denied),
    ] {
        let (machines, _) = machines(error(code));
        let problem = block_on(machines.start(Workflow::Stop, "x", &WorkflowInput::default())).unwrap_err();
        assert_eq!((problem.operation, problem.kind), ("states:StartExecution", kind), "{code}");
    }
}

/// An execution is in this state: is it still under way?
fn check(answer: Answer, expected: Result<bool, CallErrorKind>) {
    let (machines, replay) = machines(answer);
    let runs = block_on(machines.runs("arn:x")).map_err(|error| error.kind);
    assert_eq!(runs, expected);
    let (operation, asked) = replay.requests().remove(0);
    assert_eq!((operation.as_str(), &asked["executionArn"]), ("DescribeExecution", &json!("arn:x")));
}

#[test]
fn only_what_runs_or_is_about_to_runs() {
    for status in ExecutionStatus::values() {
        let answer = Answer::ok(&json!({
            "executionArn": "arn:x", "stateMachineArn": "arn:y", "status": status, "startDate": 1_795_460_400.0
        }));
        let runs = match *status {
            "RUNNING" | "PENDING_REDRIVE" => true,
            "SUCCEEDED" | "FAILED" | "TIMED_OUT" | "ABORTED" => false,
            other => panic!("`{other}` is new: say whether it is under way"),
        };
        check(answer, Ok(runs));
    }
    check(error("ExecutionDoesNotExist"), Ok(false));
    check(error("AccessDeniedException"), Err(CallErrorKind::Denied));
    check(error("InvalidArn"), Err(CallErrorKind::Invalid));
}
