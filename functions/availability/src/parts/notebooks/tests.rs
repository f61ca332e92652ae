//! What SageMaker answers about notebook instances, recorded, and what it comes to.

use aws_sdk_sagemaker::types::NotebookInstanceStatus;
use lambda::fakes::replay::{Answer, Replay};
use lambda::fakes::{at, block_on};
use serde_json::Value;

use super::*;

fn notebooks(answers: impl IntoIterator<Item = Answer>) -> (Notebooks, Replay) {
    let (replay, aws) = Replay::of(answers);
    (Notebooks::new(&aws), replay)
}

fn sent(name: &str, state: &str) -> Value {
    json!({"NotebookInstanceName": name, "NotebookInstanceStatus": state, "NotebookInstanceArn": format!("arn:{name}")})
}

fn refused(message: &str) -> Answer {
    Answer::error(400, "ValidationException", &json!({"message": message}))
}

fn turned_off(name: &str) -> TurnedOff {
    TurnedOff { resource: Resource { kind: NOTEBOOK.to_owned(), id: name.to_owned() }, memo: json!({}) }
}

#[test]
fn every_state_has_its_phase() {
    let of_mine = |state: &str| match state {
        "InService" | "InMaintenance" | "PendingMaintenance" | "Hibernating" => Phase::On,
        "Pending" => Phase::TurningOn,
        "Stopping" | "Deleting" => Phase::TurningOff,
        "Stopped" | "Failed" | "Updating" => Phase::Off,
        other => panic!("`{other}` is new: say where it stands"),
    };
    let known = NotebookInstanceStatus::values().iter().copied().chain(["Hibernating"]);
    for state in known {
        let (notebooks, _) = notebooks([Answer::ok(&json!({"NotebookInstances": [sent("Ana", state)]}))]);
        let expected = Item {
            resource: Resource { kind: "notebook instance".to_owned(), id: "Ana".to_owned() },
            phase: of_mine(state),
            state: state.to_owned(),
            finishes: false,
            memo: (state != "Deleting").then(|| json!({})),
        };
        assert_eq!(block_on(notebooks.look()), Ok(vec![expected]), "{state}");
    }
}

#[test]
fn all_pages_are_looked_at() {
    let (notebooks, replay) = notebooks([
        Answer::error(400, "ThrottlingException", &Value::Null),
        Answer::ok(&json!({"NotebookInstances": [sent("Ana", "InService")], "NextToken": "2"})),
        Answer::ok(&json!({"NotebookInstances": [sent("Jo", "Stopped")], "NextToken": ""})),
    ]);
    let names = block_on(notebooks.look()).map(|items| items.into_iter().map(|item| item.resource.id).collect());
    assert_eq!(names, Ok(vec!["Ana".to_owned(), "Jo".to_owned()]));
    let (first, second) = (json!({"MaxResults": 100}), json!({"MaxResults": 100, "NextToken": "2"}));
    let list = || "ListNotebookInstances".to_owned();
    assert_eq!(replay.requests(), [(list(), first.clone()), (list(), first), (list(), second)]);
}

#[test]
fn what_is_not_seen_wholly_never_passes_for_closed() {
    let page = || Answer::ok(&json!({"NotebookInstances": [sent("Ana", "Stopped")], "NextToken": "2"}));
    let denied = || Answer::error(400, "AccessDeniedException", &Value::Null);
    for (answers, kind) in [
        (vec![denied()], CallErrorKind::Denied),
        (vec![page(), denied()], CallErrorKind::Denied),
        (vec![Answer::ok(&json!({"NotebookInstances": [{"NotebookInstanceName": "x"}]}))], CallErrorKind::Unavailable),
    ] {
        let (notebooks, _) = notebooks(answers);
        let problem = block_on(notebooks.look()).unwrap_err().into_first().unwrap();
        assert_eq!((problem.operation, problem.kind), ("sagemaker:ListNotebookInstances", kind));
    }
}

/// What an order comes to that SageMaker refuses because of `was`, where a second look sees this.
fn settled(order: Order, was: &str, second_look: Answer) -> Result<Turned, CallErrorKind> {
    let (wanted, to) = if order == Order::Off { ("InService", "Stopping") } else { ("Stopped, Failed", "Pending") };
    let refusal = refused(&format!("Status ({was}) not in ([{wanted}]). Unable to transition to ({to}) for Ana"));
    let (notebooks, replay) = notebooks([refusal, second_look]);
    let turned = match order {
        Order::Off => block_on(notebooks.turn_off(&item("Ana".to_owned(), "InService"), at(0))),
        Order::On => block_on(notebooks.turn_on(&turned_off("Ana"))),
    };
    let first = if order == Order::Off { "StopNotebookInstance" } else { "StartNotebookInstance" };
    let name = json!({"NotebookInstanceName": "Ana"});
    assert_eq!(
        replay.requests(),
        [(first.to_owned(), name.clone()), ("DescribeNotebookInstance".to_owned(), name)],
        "{was}"
    );
    turned.map_err(|problem| problem.kind)
}

#[test]
fn an_order_that_is_refused_is_settled_by_a_second_look() {
    let later = Err(CallErrorKind::Invalid);
    for (state, off, on) in [
        // It has come up, or has stopped, since the order was refused.
        ("InService", later.clone(), Ok(Turned::Told)),
        ("Pending", later.clone(), Ok(Turned::Told)),
        ("Stopping", Ok(Turned::Told), later.clone()),
        ("Stopped", Ok(Turned::Told), later.clone()),
        ("Failed", Ok(Turned::Told), later.clone()),
        ("Updating", Ok(Turned::Told), later.clone()),
        ("Deleting", Ok(Turned::Told), later),
    ] {
        assert_eq!(settled(Order::Off, state, Answer::ok(&sent("Ana", state))), off, "{state}");
        assert_eq!(settled(Order::On, state, Answer::ok(&sent("Ana", state))), on, "{state}");
    }
    for order in [Order::Off, Order::On] {
        assert_eq!(settled(order, "Deleting", refused("RecordNotFound")), Ok(Turned::Gone));
        let denied = Answer::error(400, "AccessDeniedException", &Value::Null);
        assert_eq!(settled(order, "Stopping", denied), Err(CallErrorKind::Denied));
    }
}

#[test]
fn an_order_is_taken_missed_refused_or_fails() {
    let failing = |kind| move |problem: CallError| assert_eq!(problem.kind, kind);
    let never = "1 validation error detected";
    let said = Turned::Refused(format!("SageMaker refuses it: ValidationException: {never}"));
    let as_it_was = |state| Answer::ok(&sent("Ana", state));
    // (what it answers, what stopping and starting come to)
    for (answer, expected) in [
        (Answer::ok(&json!({})), Ok(Turned::Told)),
        (refused("RecordNotFound"), Ok(Turned::Gone)),
        (refused(never), Ok(said)),
        (Answer::error(400, "ResourceLimitExceeded", &Value::Null), Err(CallErrorKind::Throttled)),
        (Answer::error(400, "AccessDeniedException", &Value::Null), Err(CallErrorKind::Denied)),
    ] {
        let (stopping, _) = notebooks([answer.clone(), as_it_was("InService")]);
        let (starting, _) = notebooks([answer, as_it_was("Stopped")]);
        let stopped = block_on(stopping.turn_off(&item("Ana".to_owned(), "InService"), at(0)));
        let started = block_on(starting.turn_on(&turned_off("Ana")));
        for turned in [stopped, started] {
            match &expected {
                Ok(expected) => assert_eq!(turned.as_ref(), Ok(expected)),
                Err(kind) => failing(*kind)(turned.unwrap_err()),
            }
        }
    }
}
