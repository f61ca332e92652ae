//! The steps of the workflows in a sandbox in memory: what each answers, does, records and tells.

mod begin;
mod ending;
mod off;
mod on;
mod races;

use super::*;
use crate::fakes::{FakeSandbox, Obeys, execution};
use crate::part::Phase;

fn sandbox() -> FakeSandbox {
    FakeSandbox::at("2026-11-23T19:00:00Z")
}

/// The step by which this execution of a workflow begins, asked for now.
fn begins(sandbox: &FakeSandbox, workflow: Workflow, name: &str) -> Value {
    let execution = execution(workflow, name);
    let input = json!({"reason": "it is time", "requested_by": null});
    json!({"step": "begin", "workflow": workflow, "execution": execution, "asked_at": sandbox.clock.now(), "input": input})
}

/// Begins a workflow that is asked for now; gives its turn.
fn begin(sandbox: &FakeSandbox, workflow: Workflow) -> u64 {
    sandbox.pass(1);
    let name = sandbox.clock.now().to_string();
    let answer = sandbox.step(begins(sandbox, workflow, &name)).unwrap();
    assert_eq!(answer["outcome"], "begun");
    answer["turn"].as_u64().unwrap()
}

/// The step that deals with a part (`part`) or looks at it again (`verify`).
fn about(step: &str, workflow: Workflow, turn: u64, part: Part) -> Value {
    json!({"step": step, "workflow": workflow, "execution": execution(workflow, "x"), "turn": turn, "part": part})
}

/// Deals with a part until that is done or fails; gives how often it had to be looked at again.
fn finish(sandbox: &FakeSandbox, workflow: Workflow, turn: u64, part: Part) -> Result<u32, Problems> {
    for round in 0.. {
        let answer = sandbox.step(about("part", workflow, turn, part))?;
        match answer["outcome"].as_str() {
            Some("pending") => sandbox.pass(answer["wait"].as_i64().unwrap()),
            Some("done") => return Ok(round),
            _ => panic!("{answer}"),
        }
    }
    Ok(0)
}

/// Brings a workflow to its end, through all parts in its order; gives its turn.
fn run(sandbox: &FakeSandbox, workflow: Workflow) -> u64 {
    let turn = begin(sandbox, workflow);
    let mut parts = Part::ALL.to_vec();
    if workflow == Workflow::Start {
        parts.rotate_left(1);
    }
    for part in parts {
        finish(sandbox, workflow, turn, part).unwrap();
    }
    let ended =
        sandbox.step(json!({"step": "end", "workflow": workflow, "execution": "x", "turn": turn, "results": []}));
    assert_eq!(ended, Ok(json!({"outcome": "done"})));
    turn
}

fn record(sandbox: &FakeSandbox, part: Part) -> Record {
    sandbox.book.get(Page::Part(part)).unwrap_or_default()
}

/// What opening will turn on again in a part, by id.
fn recorded(sandbox: &FakeSandbox, part: Part) -> Vec<String> {
    record(sandbox, part).turned_off.into_iter().map(|item| item.resource.id).collect()
}

fn standing(sandbox: &FakeSandbox) -> Standing {
    sandbox.book.get(Page::Standing).expect("the sandbox stands somewhere")
}

/// The kind and the text of the only problem.
fn problem(result: Result<Value, Problems>) -> (CallErrorKind, String) {
    let problem = result.unwrap_err().into_first().unwrap();
    (problem.kind, problem.message)
}

#[test]
fn every_sample_is_a_step_but_the_malformed_one() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/availability-step");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let sample: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let read = guardrail::event::read_naming_fields::<Input>(&sample);
        assert_eq!(read.is_ok(), !path.ends_with("malformed.json"), "{}: {read:?}", path.display());
        if read.is_err() {
            let (kind, message) = problem(sandbox().step(sample));
            assert_eq!(kind, CallErrorKind::Invalid);
            assert!(message.starts_with("the step is none: "), "{message}");
        }
    }
}
