//! Budgets from what is asked for to the hub's parameters, whatever fails in between.

use super::*;
use crate::command::budget::Unset;

const PATH: &str = "/sandbox-guardrails/spend/spend-budget";

fn limit_of(account: usize) -> String {
    format!("{PATH}/limit/{account:012}")
}

/// The sample of a sandbox's budget with this limit alone, for these accounts.
fn limit(limit: &Value, accounts: &[usize]) -> Value {
    let mut asked = sample("budget");
    asked["limit"] = limit.clone();
    asked["sandboxes"] = json!(accounts.iter().map(|number| account(*number)).collect::<Vec<_>>());
    for other in ["levels", "mode"] {
        asked.as_object_mut().unwrap().remove(other);
    }
    asked
}

fn set(id: &str, set: usize, failed: Vec<Unset>) -> Answer {
    Answer::Set { accepted: true, id: id.to_owned(), set, failed }
}

impl Hub {
    /// The values of the hub's parameters, by what follows the path of budgets.
    fn parameters(&self) -> BTreeMap<String, String> {
        let parameters = self.parameters.borrow();
        let value = |(name, (value, _)): (&String, &(String, String))| {
            (name.strip_prefix(&format!("{PATH}/")).unwrap().to_owned(), value.clone())
        };
        parameters.iter().map(value).collect()
    }
}

#[test]
fn a_budget_is_set_in_the_hub_and_told_beside_the_sandbox() {
    let hub = Hub::of(1);
    hub.signs.borrow_mut().push(heartbeat(111_111_111_111, "eu-west-1", NOW));
    let answer = hub.ask(&sample("budget"), "r-1").unwrap();
    assert_eq!(answer, set("r-1", 3, vec![]));
    assert_eq!(serde_json::to_value(answer).unwrap(), json!({"accepted": true, "id": "r-1", "set": 3, "failed": []}));
    let expected = [
        ("levels/111111111111", "50,75,100,150,200:lock"),
        ("limit/111111111111", "1500.00 USD/month"),
        ("mode/111111111111", "enforce"),
    ];
    assert_eq!(hub.parameters(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    let why = "jo@bank.example: agreed for 2026 with the head of retail (command r-1)";
    assert!(hub.parameters.borrow().values().all(|(_, known)| known == why));
    assert_eq!(hub.status(111_111_111_111, "r-1"), Some(Status::Sent(NOW.parse().unwrap())));
    assert!(hub.reached().is_empty(), "no sandbox is sent anything");

    assert_eq!(hub.ask(&sample("budget-taken-away"), "r-2").unwrap(), set("r-2", 3, vec![]));
    assert!(hub.parameters().is_empty());
}

#[test]
fn the_budget_of_a_unit_or_of_all_is_nobodys_timeline() {
    let hub = Hub::of(2);
    assert_eq!(hub.ask(&sample("budget-of-unit"), "r-1").unwrap(), set("r-1", 1, vec![]));
    let mut of_all = limit(&json!("900 USD"), &[]);
    of_all["sandboxes"] = json!("all");
    assert_eq!(hub.ask(&of_all, "r-2").unwrap(), set("r-2", 1, vec![]));
    let expected = [("limit", "900 USD"), ("limit/business-unit/retail", "18000 USD/quarter")];
    assert_eq!(hub.parameters(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert!(hub.deliveries.borrow().is_empty());
}

#[test]
fn nothing_is_set_if_there_is_any_fault() {
    let hub = Hub::of(1);
    let Answer::Refused { accepted: false, faults } = hub.ask(&sample("budget-faults"), "r-1").unwrap() else {
        panic!("faults")
    };
    assert_eq!(faults.len(), 6);
    assert!(hub.commands.borrow().is_empty() && hub.parameters.borrow().is_empty() && hub.budgets.borrow().is_empty());
}

#[test]
fn what_was_asked_for_last_stands() {
    let hub = Hub::of(1);
    let (first, second) = (limit(&json!("1000 USD"), &[0, 1]), limit(&json!("2000 USD"), &[1]));
    assert_eq!(hub.ask(&first, "r-1").unwrap(), set("r-1", 2, vec![]));
    let later = "2026-11-20T10:00:00Z";
    assert_eq!(hub.ask_at(&second, "r-2", later).unwrap(), set("r-2", 1, vec![]));
    // Somebody asks for the first again: of the budget that was set since it changes nothing.
    let mut again = first.clone();
    again["id"] = json!("r-1");
    let overtaken = Unset { parameter: limit_of(1), why: "a newer command has set this budget".to_owned() };
    let answer = hub.ask_at(&again, "r-3", "2026-11-20T11:00:00Z").unwrap();
    assert_eq!(answer, set("r-1", 1, vec![overtaken.clone()]));
    let values: Vec<String> = hub.parameters().into_values().collect();
    assert_eq!(values, ["1000 USD", "2000 USD"]);
    assert_eq!(hub.status(1, "r-1"), Some(Status::Failed(overtaken.why)));
    // Something else under the id of the first is a fault.
    let mut other = limit(&json!("3000 USD"), &[0]);
    other["id"] = json!("r-1");
    let message = "is `r-1`, under which something else was asked for before".to_owned();
    assert_eq!(hub.ask(&other, "r-4").unwrap(), refused(vec![Fault { path: "id".to_owned(), message }]));
}

#[test]
fn a_parameter_that_cannot_be_set_keeps_no_other_back_and_is_tried_again() {
    let hub = Hub::of(0);
    hub.failing.set(Some(("ssm:PutParameter", 0)));
    let asked = limit(&json!("1000 USD"), &[0, 1]);
    let why = "`ssm:PutParameter` failed (Throttled): injected by a test".to_owned();
    let failed = [0, 1].map(|number| Unset { parameter: limit_of(number), why: why.clone() });
    assert_eq!(hub.ask(&asked, "r-1").unwrap(), set("r-1", 0, failed.to_vec()));
    assert_eq!(hub.status(0, "r-1"), Some(Status::Failed(why.clone())));
    hub.failing.set(Some(("ssm:PutParameter", 1)));
    let mut again = asked.clone();
    again["id"] = json!("r-1");
    assert_eq!(hub.ask(&again, "r-2").unwrap(), set("r-1", 1, vec![Unset { parameter: limit_of(1), why }]));
    hub.failing.set(None);
    assert_eq!(hub.ask(&again, "r-3").unwrap(), set("r-1", 2, vec![]));
    assert_eq!(hub.status(1, "r-1"), Some(Status::Sent(NOW.parse().unwrap())));
}

#[test]
fn whatever_call_to_the_table_fails_the_same_request_goes_on() {
    for (operation, most) in [("dynamodb:Query", 1), ("dynamodb:PutItem", 3), ("dynamodb:BatchWriteItem", 2)] {
        for succeed in 0..most {
            let hub = Hub::of(2);
            hub.failing.set(Some((operation, succeed)));
            let asked = limit(&json!("1000 USD"), &[0, 1]);
            hub.ask(&asked, "r-1").unwrap_err();
            hub.failing.set(None);
            assert_eq!(hub.ask(&asked, "r-1").unwrap(), set("r-1", 2, vec![]), "{operation} after {succeed}");
            assert_eq!(hub.parameters().len(), 2);
        }
    }
}
