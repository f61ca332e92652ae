//! Nothing is lost between the ledger and the bus, and nothing is told twice.

use std::time::Duration;

use serde_json::{Map, Value};
use stage::Fault;
use stage::running::wait_for;

use super::repeating::Hearing;
use super::{AT_MOST, METER, Metered, line, month, quiet};

/// The findings of an account that are in the ledger and were not published.
fn pending(hub: &Metered, account: &str) -> usize {
    let prefix = format!("spend-budget/{account}/");
    let pending = |entry: &Map<String, Value>| {
        entry.get("outbox").is_some_and(|outbox| outbox == "pending")
            && entry["id"].as_str().is_some_and(|id| id.starts_with(&prefix))
    };
    hub.hub.account.items("sandbox-guardrails-spend").unwrap().iter().filter(|entry| pending(entry)).count()
}

/// How often each level of an account was told: once.
fn each_once(hearing: &mut Hearing<'_>, account: &str, levels: usize) {
    let told = hearing.of(account);
    let findings: Vec<_> = told.iter().filter(|(id, _)| id.starts_with("spend-budget/")).collect();
    assert_eq!(findings.len(), levels, "{told:#?}");
    assert!(findings.iter().all(|(_, times)| **times == 1), "{told:#?}");
}

#[test]
fn what_a_crash_between_ledger_and_bus_left_is_told_once_by_a_later_sweep() {
    let (hub, _turn) = quiet();
    let payer = hub.payer(&[("limit", "100 USD/month")]);
    let mut hearing = Hearing::begin(hub, "after-a-crash");
    let account = &hub.hub.account;
    let role = account.role_of(METER).unwrap();
    let policy = account.policy(&role, "spend-meter").unwrap();
    account.take_action_away(&role, "spend-meter", "events:PutEvents").unwrap();
    let month = month(0);
    hub.deliver(&payer, month, vec![line(&payer, month, "AWSGlue", "80")]);
    let error = hub.sweep().unwrap_err().to_string();
    assert!(error.contains("AccessDenied") && error.contains("events:PutEvents"), "{error}");
    assert_eq!(pending(hub, &payer), 2, "50 and 75 %");
    assert_eq!(hub.spend(&payer, month), None);
    account.put_policy(&role, "spend-meter", &policy).unwrap();
    let told = wait_for("the repair", Duration::from_secs(40), || {
        hub.sweep().unwrap();
        (pending(hub, &payer) == 0).then_some(())
    });
    told.unwrap_or_else(|error| panic!("{error}; {}", hub.what_is(&payer)));
    hub.await_levels(&payer, &[50, 75]);
    hub.await_spent(&payer, month, "80");
    each_once(&mut hearing, &payer, 2);
}

#[test]
fn throttled_events_are_neither_lost_nor_told_twice() {
    let (hub, _turn) = quiet();
    let payer = hub.payer(&[("limit", "100 USD/month")]);
    let mut hearing = Hearing::begin(hub, "throttled");
    hub.stage.throttle(&Fault::throttling("events", "PutEvents", 2)).unwrap();
    let month = month(0);
    hub.deliver(&payer, month, vec![line(&payer, month, "AWSGlue", "160")]);
    // Whatever a run could not tell, a later one tells.
    let told = wait_for("a good run", AT_MOST, || hub.sweep().ok());
    told.unwrap_or_else(|error| panic!("{error}; {}", hub.what_is(&payer)));
    hub.await_levels(&payer, &[50, 75, 100, 150]);
    hub.await_spent(&payer, month, "160");
    let faults = hub.stage.end_faults().unwrap();
    assert!(faults.iter().any(|fault| fault.refused > 0), "{faults:?}");
    let settled = wait_for("nothing to wait for the bus", AT_MOST, || {
        hub.sweep().unwrap();
        (pending(hub, &payer) == 0).then_some(())
    });
    settled.unwrap_or_else(|error| panic!("{error}; {}", hub.what_is(&payer)));
    each_once(&mut hearing, &payer, 4);
}
