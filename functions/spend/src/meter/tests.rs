//! The meter over a hub in memory: what a delivery leads to, and what it costs to look when nothing came.

mod budgets;
mod crashes;
mod deliveries;
mod telling;

use std::cell::Cell;
use std::rc::Rc;

use guardrail::Amount;
use lambda::fakes::block_on;
use lambda::fakes::interrupted::{Interruption, Mortality};
use serde_json::json;

use super::*;
use crate::fakes::exports::Line;
use crate::fakes::{
    FakeHub, RETAIL, STRANGER, TRADING, day, hub as hub_itself, moment, object_created, parameter_changed, sandbox,
    sweep,
};

/// When deliveries of these tests land first.
const MORNING: &str = "2026-11-10T06:00:00Z";

/// A hub at that moment with a budget of 1000 USD for everybody, that may be enforced.
fn stage() -> FakeHub {
    let hub = FakeHub::at(MORNING);
    hub.put("limit", "1000 USD");
    hub.put("mode", "enforce");
    hub
}

/// Something that happens to a hub.
type Change = fn(&FakeHub);

/// A fault of a hub that begins, or ends.
type Fault = fn(&FakeHub, bool);

/// Lets something fail during one step of a run, after so many.
#[derive(Clone, Debug)]
struct Flaky {
    hub: FakeHub,
    fault: Fault,
    left: Rc<Cell<Option<u32>>>,
}

impl Flaky {
    /// Nothing fails until it is said when.
    fn new(hub: &FakeHub, fault: Fault) -> Self {
        Self { hub: hub.clone(), fault, left: Rc::default() }
    }
}

impl Interruption for Flaky {
    async fn befall(&self) {
        (self.fault)(&self.hub, self.left.get() == Some(0));
        self.left.set(self.left.get().and_then(|left| left.checked_sub(1)));
    }
}

/// What an account has spent on SageMaker on the 9th, as a line.
fn spent<'a>(account: &'a str, cost: &'a str) -> Line<'a> {
    (account, "AmazonSageMaker", "jo", "2026-11-09", cost)
}

/// The same of October's last day.
fn spent_before<'a>(account: &'a str, cost: &'a str) -> Line<'a> {
    (account, "AmazonSageMaker", "jo", "2026-10-31", cost)
}

/// November is delivered, and the event comes.
fn deliver(hub: &FakeHub, version: &str, lines: &[Line<'_>]) {
    hub.pass(60);
    let key = hub.exports.deliver("2026-11", version, lines);
    hub.landed(&key).unwrap();
}

/// How many files were read.
fn reads(hub: &FakeHub) -> usize {
    hub.exports.reads.borrow().len()
}

/// What was told of spend so far, as `retail 2026-11 500`.
fn spends(hub: &FakeHub) -> Vec<String> {
    let told = hub.spends().into_iter();
    told.map(|told| format!("{} {} {}", told.header.sandbox.alias, told.month.strftime("%Y-%m"), told.reported))
        .collect()
}

#[test]
fn a_delivery_leads_to_figures_findings_and_what_is_told_of_spend() {
    let hub = stage();
    deliver(&hub, "run-1", &[spent(RETAIL, "760.5"), spent(TRADING, "0.01"), spent(STRANGER, "5000")]);
    assert_eq!(hub.levels(), ["retail 50", "retail 75"]);
    assert_eq!(spends(&hub), ["retail 2026-11 760.5", "trading 2026-11 0.01"]);
    assert_eq!((hub.total(RETAIL, "2026-11"), hub.total(STRANGER, "2026-11")), ("760.5".into(), "unknown".into()));
    let told = &hub.spends()[0];
    let budget = told.budget.as_ref().unwrap();
    assert_eq!((budget.percent, budget.level, budget.set_for.as_str()), (76, Some(75), "all"));
    assert_eq!((told.export.as_str(), told.covered_until), ("run-1", moment("2026-11-10T00:00:00Z")));
    assert!(told.estimate.is_some() && told.projection.is_some());
    let finding = &hub.findings("spend-budget")[1];
    assert_eq!(
        finding.message,
        "sandbox `111111111111` has spent 760.50 USD of the 1000.00 USD/month allowed (75 % reached)"
    );
    assert_eq!(hub.heartbeats(), 0, "only sweeps give signs of life");
}

#[test]
fn a_lost_event_is_made_good_by_the_next_sweep() {
    let hub = stage();
    hub.next_sweep();
    hub.exports.deliver("2026-11", "run-1", &[spent(RETAIL, "500")]);
    hub.next_sweep();
    assert_eq!((hub.levels(), spends(&hub)), (vec!["retail 50".to_owned()], vec!["retail 2026-11 500".to_owned()]));
}

#[test]
fn the_same_manifest_twenty_times_is_read_once_and_told_once() {
    let hub = stage();
    hub.pass(60);
    let key = hub.exports.deliver("2026-11", "run-1", &[spent(RETAIL, "2000"), spent(TRADING, "600")]);
    for _ in 0..20 {
        hub.landed(&key).unwrap();
    }
    assert_eq!(reads(&hub), 1);
    let mut levels = hub.levels();
    levels.sort();
    assert_eq!(levels, ["retail 100", "retail 150", "retail 200", "retail 50", "retail 75", "trading 50"]);
    assert_eq!(spends(&hub), ["retail 2026-11 2000", "trading 2026-11 600"]);
    // Each time is later now: only the lock is asked for again, under its id, because nobody has seen it yet.
    let before = hub.bus.take().len();
    assert_eq!(before, 8);
    for _ in 0..20 {
        hub.pass(10);
        hub.landed(&key).unwrap();
    }
    assert_eq!(hub.levels(), ["retail 200"; 4]);
    assert_eq!(reads(&hub), 1);
}

#[test]
fn a_sweep_without_news_makes_few_calls() {
    let hub = stage();
    for number in 0..100 {
        hub.report(sandbox(&format!("4{number:011}")));
    }
    let lines: Vec<(String, &str)> = (0..100).map(|number| (format!("4{number:011}"), "600")).collect();
    let lines: Vec<Line<'_>> = lines.iter().map(|(account, cost)| spent(account, cost)).collect();
    deliver(&hub, "run-1", &lines);
    hub.next_sweep();
    let told = hub.bus.take();
    assert_eq!(told.len(), 100 + 100 + 1, "findings, spend, a sign of life");
    let writes = hub.book.writes();
    for _ in 0..10 {
        hub.next_sweep();
        assert!(hub.bus.take().iter().all(|event| matches!(event, guardrail::Event::Heartbeat(_))));
    }
    // The sampling of what runs stands on one page.
    assert_eq!(hub.book.writes() - writes, 10);
    assert_eq!(reads(&hub), 1);
    // It does not grow with the number of sandboxes.
    hub.pass(60);
    let calls = Calls::default();
    block_on(hub.meter_through(&calls).handle(hub.invocation(sweep()))).unwrap();
    assert_eq!(calls.0.get() / 2, 10);
    // With the hour the whole is estimated anew.
    hub.pass(240);
    hub.sweep().unwrap();
    assert_eq!(hub.bus.take().len(), 101);
}

/// Counts the steps of a run, two for each call.
#[derive(Clone, Debug, Default)]
struct Calls(Rc<Cell<u32>>);

impl Interruption for Calls {
    async fn befall(&self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn signs_of_life_are_given_by_sweeps_that_went_well() {
    let hub = stage();
    hub.next_sweep();
    assert_eq!(hub.heartbeats(), 1);
    hub.pass(60);
    hub.sweep().unwrap();
    assert_eq!(hub.heartbeats(), 1, "not more often than each five minutes");
    let failures: [(&str, Change); 4] = [
        ("the bucket", |hub| hub.exports.faults.fail("s3:ListBucket", 0, 1)),
        ("the console", |hub| hub.console.faults.fail("dynamodb:Query", 0, 1)),
        ("the table", |hub| hub.ledger.fail_next(1)),
        ("the pages", |hub| hub.book.fail(true, false)),
    ];
    for (what, fail) in failures {
        hub.pass(600);
        fail(&hub);
        assert!(hub.sweep().is_err(), "{what}");
        assert_eq!(hub.heartbeats(), 1, "{what}");
        hub.book.fail(false, false);
    }
    hub.next_sweep();
    let events = hub.bus.events();
    let Some(guardrail::Event::Heartbeat(heartbeat)) = events.last() else { panic!("{events:?}") };
    assert_eq!((heartbeat.header.id.as_str(), &heartbeat.header.sandbox), ("heartbeat/spend-meter", &hub_itself()));
    assert_eq!(heartbeat.saw, [("findings".to_owned(), 0), ("sandboxes".to_owned(), 2)].into());
    hub.parameters.deny();
    hub.pass(600);
    assert!(hub.sweep().unwrap_err().denied());
}

#[test]
fn what_cannot_be_listed_does_not_keep_what_is_known_from_being_judged() {
    let hub = stage();
    deliver(&hub, "run-1", &[spent(RETAIL, "400")]);
    hub.put("limit", "800 USD");
    hub.exports.faults.fail("s3:ListBucket", 0, 1);
    hub.pass(60);
    assert!(hub.meter(parameter_changed()).is_err());
    assert_eq!(hub.levels(), ["retail 50"]);
}

#[test]
fn cost_data_that_does_not_come_any_more_is_found_once() {
    let hub = stage();
    deliver(&hub, "run-1", &[spent(RETAIL, "1")]);
    hub.clock.set(moment("2026-11-11T18:00:00Z"));
    hub.sweep().unwrap();
    assert_eq!(hub.findings("spend-data-age").len(), 0, "36 hours are not over");
    for _ in 0..5 {
        hub.next_sweep();
    }
    let found = hub.findings("spend-data-age");
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].message,
        "export `exports/costs` last brought data 36h 4m ago, 36h allowed (100 % reached); reported only"
    );
    assert_eq!(found[0].header.sandbox, hub_itself());
    // It comes again, and stays away again.
    deliver(&hub, "run-2", &[spent(RETAIL, "2")]);
    hub.clock.set(moment("2026-11-14T00:00:00Z"));
    hub.sweep().unwrap();
    let ids: Vec<String> = hub.findings("spend-data-age").into_iter().map(|found| found.header.id).collect();
    assert_eq!(
        ids,
        [
            "spend-data-age/exports/costs/100/2026-11-10T06:01:00Z",
            "spend-data-age/exports/costs/100/2026-11-11T18:26:00Z"
        ]
    );
}

#[test]
fn cost_data_that_never_came_is_found_since_it_was_first_looked_for() {
    let hub = stage();
    for hours in [0, 35, 1] {
        hub.pass(hours * 3600);
        let found = hub.findings("spend-data-age").len();
        assert_eq!(found, 0);
        hub.sweep().unwrap();
    }
    let ids: Vec<String> = hub.findings("spend-data-age").into_iter().map(|found| found.header.id).collect();
    assert_eq!(ids, ["spend-data-age/exports/costs/100/2026-11-10T06:00:00Z"]);
}

#[test]
fn an_event_that_is_none_is_ignored() {
    let hub = stage();
    for event in [json!(null), json!({}), json!({"source": 1})] {
        assert_eq!(hub.meter(event), Ok(()));
    }
    assert_eq!((hub.bus.events().len(), hub.book.writes()), (0, 0));
}

#[test]
fn a_parameter_that_is_not_obeyed_is_told_once() {
    let hub = stage();
    hub.put("limit", "much");
    deliver(&hub, "run-1", &[spent(RETAIL, "500")]);
    hub.next_sweep();
    let rejected = hub.rejected();
    assert_eq!(rejected.len(), 1);
    assert_eq!((rejected[0].value.as_str(), rejected[0].in_force.as_str()), ("much", "1000.00 USD/month"));
    assert_eq!(hub.levels(), ["retail 50"], "the last good budget is in force");
}
