//! What is told of spend beside the figures: when it is told again, what is estimated, and what actions saved.

use guardrail::{Action, ActionKind, Outcome, Resource, Service};

use super::*;
use crate::fakes::told_by;

/// An action of a sandbox's own guardrails, that has ended like this.
fn action(account: &str, id: &str, outcome: Outcome) -> Action {
    Action {
        header: Header::new(format!("emr-cluster-age/{id}/100/terminate"), &sandbox(account), moment(MORNING)),
        finding: format!("emr-cluster-age/{id}/100"),
        guardrail: "emr-cluster-age".to_owned(),
        service: Service::Emr,
        resource: Resource { kind: "cluster".to_owned(), id: id.to_owned() },
        scope: None,
        owner: None,
        action: ActionKind::Terminate,
        outcome,
        reason: "the cluster was terminated".to_owned(),
        limit: Some(guardrail::Quantity::Duration(SignedDuration::from_hours(1))),
        measured: Some(guardrail::Quantity::Duration(SignedDuration::from_hours(2))),
    }
}

/// What EMR cost on a day: `Hrs` of it, one for each line.
fn emr<'a>(account: &'a str, day: &'a str, cost: &'a str) -> Line<'a> {
    (account, "ElasticMapReduce", "jo", day, cost)
}

/// What was last told of an account's month.
fn last(hub: &FakeHub, account: &str, month: &str) -> guardrail::SandboxSpend {
    let of = |told: &guardrail::SandboxSpend| {
        told.header.sandbox.account == account && told.header.id == format!("spend/{month}")
    };
    hub.spends().into_iter().rfind(of).unwrap()
}

#[test]
fn what_is_estimated_is_told_each_hour_and_what_has_ended_is_not_told_again() {
    let hub = stage();
    hub.pass(60);
    hub.exports.deliver("2026-10", "closing", &[spent_before(RETAIL, "900")]);
    let key = hub.exports.deliver("2026-11", "run-1", &[spent(RETAIL, "70")]);
    hub.landed(&key).unwrap();
    for _ in 0..24 {
        hub.next_sweep();
    }
    let told: Vec<(String, bool)> =
        hub.spends().into_iter().map(|told| (told.header.id, told.estimate.is_some())).collect();
    let november = ("spend/2026-11".to_owned(), true);
    assert_eq!(told, [("spend/2026-10".to_owned(), false), november.clone(), november.clone(), november]);
    let estimate = last(&hub, RETAIL, "2026-11").estimate.unwrap();
    assert_eq!((estimate.since, estimate.until), (moment("2026-11-10T00:00:00Z"), moment("2026-11-10T08:01:00Z")));
    // Ten a day for eight hours and a minute.
    assert_eq!(estimate.amount.to_string(), "3.340278");
}

#[test]
fn a_month_is_told_of_for_62_days_after_its_end() {
    for (now, told) in [("2027-01-01T06:00:00Z", 1), ("2027-01-03T06:00:00Z", 0)] {
        let hub = stage();
        hub.clock.set(moment(now));
        let key = hub.exports.deliver("2026-10", "late", &[spent_before(RETAIL, "900")]);
        hub.landed(&key).unwrap();
        assert_eq!(hub.spends().len(), told, "{now}");
    }
}

#[test]
fn an_account_that_is_not_in_the_newest_delivery_is_estimated_since_that_one() {
    let hub = stage();
    hub.pass(60);
    hub.exports.deliver("2026-10", "closing", &[spent_before(TRADING, "310")]);
    let key = hub.exports.deliver("2026-11", "run-1", &[spent(RETAIL, "70")]);
    hub.landed(&key).unwrap();
    // The export knows that it has spent nothing until the 10th: what its days of October cost is not spent in
    // November.
    hub.put(&format!("levels/{TRADING}"), "1:estimated,100");
    hub.pass(60);
    hub.meter(parameter_changed()).unwrap();
    assert_eq!(hub.levels(), [""; 0]);
}

#[test]
fn the_projection_knows_the_window_and_the_lock() {
    let hub = stage();
    deliver(&hub, "run-1", &[spent(RETAIL, "700")]);
    let projected = |hub: &FakeHub| {
        let projection = last(hub, RETAIL, "2026-11").projection.unwrap();
        (projection.amount.whole(), projection.basis)
    };
    let (open, basis) = projected(&hub);
    // A hundred a day until the end of the month.
    assert!((2790..=2800).contains(&open), "{open}");
    assert!(basis.contains("for each of the"), "{basis}");
    let hours = json!({"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "20:00"});
    let document = json!({"time_zone": "UTC", "open": [hours]});
    hub.console.windows.borrow_mut().insert(RETAIL.to_owned(), document);
    hub.pass(3600);
    hub.sweep().unwrap();
    assert!(projected(&hub).1.contains("open hours"), "{}", projected(&hub).1);
    // It is locked as it was asked to be: nothing more is spent.
    deliver(&hub, "run-2", &[spent(RETAIL, "2000")]);
    let mut known = hub.account(RETAIL);
    let asked = crate::figures::Asked { at: hub.clock.now(), reason: "too dear".to_owned() };
    let levels = known.periods.values_mut().flat_map(|judged| judged.levels.values_mut());
    levels.for_each(|level| level.asked = Some(asked.clone()));
    hub.book.put(crate::figures::account_page(RETAIL), &known);
    hub.console.command(&sandbox(RETAIL), true, hub.clock.now());
    hub.pass(3600);
    hub.sweep().unwrap();
    assert!(projected(&hub).1.ends_with("and nothing more while the sandbox is locked"), "{}", projected(&hub).1);
}

#[test]
fn what_an_action_saved_is_told_once_with_the_next_whole_picture() {
    let hub = stage();
    // Three instances of one cluster, two dollars an hour each.
    hub.console.heartbeats.borrow_mut()[0].saw = [("instances".to_owned(), 3), ("running".to_owned(), 1)].into();
    hub.next_sweep();
    hub.pass(300);
    hub.console.heartbeats.borrow_mut()[0].header.occurred_at = hub.clock.now();
    hub.sweep().unwrap();
    let done = action(RETAIL, "j-1", Outcome::Done);
    for _ in 0..3 {
        hub.meter(told_by(RETAIL, done.clone())).unwrap();
    }
    hub.meter(told_by(RETAIL, action(RETAIL, "j-2", Outcome::Failed))).unwrap();
    hub.meter(told_by(TRADING, action(RETAIL, "j-3", Outcome::Done))).unwrap();
    hub.meter(json!({"source": "sandbox.guardrails", "detail-type": "Guardrail Action", "detail": {"id": 7}})).unwrap();
    let waiting: Option<Vec<Action>> = hub.book.get("spend/actions");
    assert_eq!(waiting.unwrap(), std::slice::from_ref(&done));

    deliver(&hub, "run-1", &[emr(RETAIL, "2026-11-08", "2"), emr(RETAIL, "2026-11-09", "2")]);
    let savings = last(&hub, RETAIL, "2026-11").savings;
    // It would have gone on for two hours more.
    assert_eq!((savings.total.to_string().as_str(), savings.actions), ("12", 1), "{savings:?}");
    assert_eq!(savings.greatest[0].action, done.header.id);
    assert_eq!(hub.book.get::<Vec<Action>>("spend/actions"), Some(vec![]));
    // It comes again after it was counted.
    hub.meter(told_by(RETAIL, done)).unwrap();
    deliver(&hub, "run-2", &[emr(RETAIL, "2026-11-08", "2"), emr(RETAIL, "2026-11-09", "2")]);
    assert_eq!(last(&hub, RETAIL, "2026-11").savings, savings);
}

#[test]
fn actions_wait_in_a_room_that_has_an_end() {
    let hub = stage();
    let actions: Vec<Action> = (0..500).map(|number| action(RETAIL, &format!("j-{number}"), Outcome::Done)).collect();
    hub.book.put("spend/actions", &actions);
    hub.meter(told_by(RETAIL, action(RETAIL, "j-500", Outcome::Done))).unwrap();
    assert_eq!(hub.book.get::<Vec<Action>>("spend/actions").unwrap().len(), 500);
}

#[test]
fn a_window_that_is_not_known_does_not_keep_spend_from_being_told() {
    let hub = stage();
    hub.console.windows.borrow_mut().insert(RETAIL.to_owned(), json!({"open": "never"}));
    deliver(&hub, "run-1", &[spent(RETAIL, "700")]);
    assert!(last(&hub, RETAIL, "2026-11").projection.is_some());
}
