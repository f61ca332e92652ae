//! The turn: who gets it, who does not, and what the workflow is to deal with.

use guardrail::availability::Change;

use super::*;
use crate::book::Lock;

const SERVICES: [&str; 7] = ["studio", "notebooks", "jobs", "emr", "athena", "glue", "rds"];

fn lock(held: bool) -> Locks {
    let occurred_at = "2026-11-23T18:00:00Z".parse().unwrap();
    let lock = Lock { held, reason: "too dear".to_owned(), requested_by: "meter".to_owned(), occurred_at };
    Locks::from([("budget".to_owned(), lock)])
}

#[test]
fn the_first_workflow_takes_the_first_turn_and_says_why() {
    for (workflow, state, told) in [
        (Workflow::Stop, Availability::Closing, "the sandbox is closing: it is time"),
        (Workflow::Start, Availability::Opening, "the sandbox is opening: it is time"),
    ] {
        let sandbox = sandbox();
        let now = sandbox.clock.now();
        let answer = sandbox.step(begins(&sandbox, workflow, "a")).unwrap();
        assert_eq!(answer, json!({"outcome": "begun", "turn": 1, "parts": SERVICES}));
        let expected = Standing {
            state,
            workflow,
            turn: 1,
            execution: execution(workflow, "a"),
            asked_at: now,
            began_at: now,
            reason: Some("it is time".to_owned()),
            requested_by: None,
            failure: None,
        };
        assert_eq!(standing(&sandbox), expected);
        assert_eq!(sandbox.told(), [told]);
        let [change] = sandbox.changes().try_into().unwrap();
        assert_eq!((change.state, change.execution), (state, Some(expected.execution)));
    }
}

#[test]
fn the_same_execution_may_begin_again_and_nothing_happens_twice() {
    let sandbox = sandbox();
    let step = begins(&sandbox, Workflow::Stop, "a");
    let first = sandbox.step(step.clone());
    sandbox.pass(60);
    let writes = sandbox.book.writes();
    assert_eq!(sandbox.step(step), first);
    assert_eq!((sandbox.book.writes(), sandbox.told().len()), (writes, 1));
}

/// A workflow has begun that was asked for at 19:00; what becomes of another, asked for so many seconds later?
fn check(first: Workflow, second: Workflow, later: i64, outcome: &str) {
    let sandbox = sandbox();
    sandbox.step(begins(&sandbox, first, "a")).unwrap();
    let before = standing(&sandbox);
    sandbox.pass(later);
    let step = begins(&sandbox, second, "b");
    sandbox.pass(60 - later);
    let answer = sandbox.step(step).unwrap();
    let (now, turn) = (standing(&sandbox), answer["turn"].as_u64().unwrap());
    assert_eq!(answer["outcome"], outcome, "{first:?}, {second:?}, {later}");
    if outcome == "begun" {
        assert_eq!((now.workflow, now.turn, turn), (second, 2, 2));
        let began_at = if first == second { before.began_at } else { now.asked_at };
        assert_eq!(now.began_at, began_at, "the grace time counts from when it first went this way");
        assert_eq!(sandbox.told().len(), 2);
    } else {
        assert_eq!((now, turn), (before, 0));
        assert_eq!(answer["parts"], json!([]));
        assert_eq!(sandbox.told().len(), 1, "what does nothing tells nothing");
    }
}

#[test]
fn the_workflow_that_was_asked_for_last_has_the_turn_whichever_begins_last() {
    for first in [Workflow::Stop, Workflow::Start] {
        for second in [Workflow::Stop, Workflow::Start] {
            check(first, second, 1, "begun");
            check(first, second, 0, "begun");
            check(first, second, -1, "superseded");
        }
    }
}

#[test]
fn a_start_is_refused_while_a_lock_is_held_and_a_stop_is_not() {
    for (workflow, held, outcome) in
        [(Workflow::Start, true, "refused"), (Workflow::Start, false, "begun"), (Workflow::Stop, true, "begun")]
    {
        let sandbox = sandbox();
        run(&sandbox, Workflow::Stop);
        let (before, told) = (standing(&sandbox), sandbox.told().len());
        sandbox.book.put(Page::Locks, &lock(held));
        sandbox.pass(1);
        let step = begins(&sandbox, workflow, "again");
        for _ in 0..2 {
            assert_eq!(sandbox.step(step.clone()).unwrap()["outcome"], outcome, "{workflow:?}, {held}");
        }
        let new = sandbox.changes().split_off(told);
        assert_eq!(new.len(), 1, "it is told once");
        if outcome == "refused" {
            assert_eq!(standing(&sandbox), before);
            assert_eq!(
                new[0].message,
                "the sandbox stays closed: lock `budget`: too dear; release the lock to open it"
            );
            let who = new[0].requested_by.as_deref();
            assert_eq!((new[0].change, new[0].state, who), (Change::Refused, Availability::Closed, Some("meter")));
        }
    }
}

#[test]
fn parts_that_closing_leaves_alone_are_not_closed_and_are_opened_all_the_same() {
    let sandbox = sandbox();
    for (part, manner) in [("rds", "leave"), ("jobs", "finish"), ("studio", "stop"), ("emr", "leave")] {
        sandbox.put(part, manner);
    }
    let stop = sandbox.step(begins(&sandbox, Workflow::Stop, "a")).unwrap();
    assert_eq!(stop["parts"], json!(["studio", "notebooks", "jobs", "athena", "glue"]));
    sandbox.pass(1);
    let start = sandbox.step(begins(&sandbox, Workflow::Start, "b")).unwrap();
    assert_eq!(start["parts"], json!(SERVICES));
}

#[test]
fn whoever_asks_and_why_are_told_as_far_as_they_are_known() {
    for (input, told) in [
        (json!({"reason": "r", "requested_by": "jo"}), "the sandbox is closing: r (asked for by jo)"),
        (json!({"requested_by": "jo"}), "the sandbox is closing, asked for by jo"),
        (json!({}), "the sandbox is closing, as its workflow was started by hand"),
    ] {
        let sandbox = sandbox();
        let mut step = begins(&sandbox, Workflow::Stop, "a");
        step["input"] = input;
        sandbox.step(step).unwrap();
        assert_eq!(sandbox.told(), [told]);
    }
}

#[test]
fn an_input_of_other_keys_is_refused_by_name() {
    let sandbox = sandbox();
    let mut step = begins(&sandbox, Workflow::Stop, "a");
    step["input"] = json!({"force": true});
    let (kind, message) = problem(sandbox.step(step));
    assert_eq!(kind, CallErrorKind::Invalid);
    assert!(message.contains("`force`"), "{message}");
    assert_eq!(sandbox.book.get::<Standing>(Page::Standing), None);
}

#[test]
fn what_somebody_else_writes_meanwhile_is_not_written_over() {
    let sandbox = sandbox();
    begin(&sandbox, Workflow::Stop);
    sandbox.book.conflict(3);
    assert_eq!(begin(&sandbox, Workflow::Start), 2);
    sandbox.book.conflict(100);
    sandbox.pass(1);
    let (kind, message) = problem(sandbox.step(begins(&sandbox, Workflow::Stop, "c")));
    assert_eq!(kind, CallErrorKind::Unavailable);
    assert_eq!(message, "`availability/standing` is changed by others all the time");
}
