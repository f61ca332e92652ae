//! What Parameter Store is asked and what it answers, recorded.

use lambda::CallErrorKind;
use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::json;

use super::*;

const NAME: &str = "/sandbox-guardrails/spend/spend-budget/limit/111111111111";

fn parameters(answers: impl IntoIterator<Item = Answer>) -> (Replay, BudgetParameters) {
    let (replay, aws) = Replay::of(answers);
    (replay, BudgetParameters::new(&aws))
}

#[test]
fn a_parameter_is_set_over_what_it_was_with_the_reason_beside_it() {
    let (replay, parameters) = parameters([Answer::ok(&json!({"Version": 3, "Tier": "Standard"}))]);
    let why = format!("jo: {}", "w".repeat(1100));
    block_on(parameters.set(NAME, "1500.00 USD/month", &why)).unwrap();
    let expected = json!({
        "Name": NAME, "Value": "1500.00 USD/month", "Type": "String", "Overwrite": true,
        "Description": why.get(..1024).unwrap()
    });
    assert_eq!(replay.requests(), [("PutParameter".to_owned(), expected)]);
}

#[test]
fn a_parameter_that_is_not_there_is_away() {
    let missing = Answer::error(400, "ParameterNotFound", &json!({}));
    let (replay, parameters) = parameters([Answer::ok(&json!({})), missing]);
    for _ in 0..2 {
        block_on(parameters.take_away(NAME)).unwrap();
    }
    let expected = ("DeleteParameter".to_owned(), json!({ "Name": NAME }));
    assert_eq!(replay.requests(), [expected.clone(), expected]);
}

#[test]
fn what_is_denied_says_so() {
    let denied = || Answer::error(400, "AccessDeniedException", &json!({"message": "not authorized"}));
    let (_, parameters) = parameters([denied(), denied()]);
    let set = block_on(parameters.set(NAME, "1500 USD", "jo")).unwrap_err();
    let away = block_on(parameters.take_away(NAME)).unwrap_err();
    assert_eq!((set.operation, set.kind), (PUT, CallErrorKind::Denied));
    assert_eq!((away.operation, away.kind), (DELETE, CallErrorKind::Denied));
}
