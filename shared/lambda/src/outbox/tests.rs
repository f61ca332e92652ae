//! The outbox over a ledger and a bus in memory: each finding once, whatever fails in between.

mod crashes;
mod episodes;

use guardrail::Mode;

use super::*;
use crate::fakes::{FakeBus, FakeLedger, at, block_on, breach};

/// When the breaches of these tests are first seen.
const START: i64 = 1800;

/// A ledger and a bus, and a run over them that has just started.
struct Stage {
    ledger: FakeLedger,
    bus: FakeBus,
    outbox: Outbox<FakeLedger, FakeBus>,
}

impl Stage {
    fn new() -> Self {
        let (ledger, bus) = (FakeLedger::default(), FakeBus::default());
        Self { outbox: Outbox::new(ledger.clone(), bus.clone()), ledger, bus }
    }

    /// Another run, which remembers nothing.
    fn cold_start(&mut self) {
        self.outbox = Outbox::new(self.ledger.clone(), self.bus.clone());
    }

    fn report(&mut self, findings: &[Finding], second: i64) -> Result<usize, Problems> {
        block_on(self.outbox.report(findings.to_vec(), at(second)))
    }

    fn repair(&mut self, second: i64) -> Result<usize, Problems> {
        block_on(self.outbox.repair(at(second)))
    }

    /// The queries published, in order.
    fn published(&self) -> Vec<String> {
        self.bus.ids().iter().map(|id| id.split('/').nth(1).unwrap().to_owned()).collect()
    }

    /// The queries that wait to be published.
    fn pending(&self) -> Vec<String> {
        let pending = self.ledger.ids().into_iter().filter(|(_, pending)| *pending);
        pending.map(|(id, _)| id.split('/').nth(1).unwrap().to_owned()).collect()
    }
}

fn id(query: &str) -> String {
    breach(query, at(START)).header.id
}

/// Breaches of these queries, seen at this second.
fn breaches(queries: &[&str], second: i64) -> Vec<Finding> {
    queries.iter().map(|query| breach(query, at(second))).collect()
}

#[test]
fn a_finding_is_recorded_published_and_marked() {
    let mut stage = Stage::new();
    assert_eq!(stage.report(&breaches(&["q1", "q2"], START), START), Ok(2));
    assert_eq!(stage.published(), ["q1", "q2"]);
    assert_eq!(stage.ledger.ids(), [(id("q1"), false), (id("q2"), false)]);
    assert_eq!(stage.report(&[], START + 1), Ok(0));
}

#[test]
fn a_finding_that_the_ledger_knows_is_not_published_again() {
    let mut stage = Stage::new();
    for run in 0..4 {
        if run % 2 == 0 {
            stage.cold_start();
        }
        let second = START + run * 10;
        assert_eq!(stage.report(&breaches(&["q1"], second), second), Ok(usize::from(run == 0)), "run {run}");
    }
    assert_eq!(stage.published(), ["q1"]);
}

#[test]
fn a_crash_between_ledger_and_publish_is_repaired_by_the_next_run() {
    let mut stage = Stage::new();
    let event = Event::from(breach("q1", at(START)));
    block_on(stage.ledger.record(&event, at(START))).unwrap();
    // A younger entry may still be on its way.
    assert_eq!(stage.repair(START + 10), Ok(0));
    assert_eq!(stage.published(), Vec::<String>::new());
    assert_eq!(stage.repair(START + 11), Ok(1));
    assert_eq!(*stage.bus.events.borrow(), [event]);
    assert_eq!(stage.repair(START + 22), Ok(0));
}

#[test]
fn what_the_bus_refuses_stays_pending_and_the_rest_is_published() {
    let mut stage = Stage::new();
    stage.bus.refuse(&[&id("q2")]);
    let problems = stage.report(&breaches(&["q1", "q2", "q3"], START), START).unwrap_err();
    assert_eq!(problems.worst(), "Unavailable");
    assert_eq!((stage.published(), stage.pending()), (vec!["q1".to_owned(), "q3".to_owned()], vec!["q2".to_owned()]));
    stage.repair(START + 11).unwrap_err();
    stage.bus.refuse(&[]);
    assert_eq!(stage.repair(START + 22), Ok(1));
    assert_eq!((stage.published(), stage.pending()), (vec!["q1".into(), "q3".into(), "q2".into()], vec![]));
}

#[test]
fn what_the_ledger_refuses_is_not_published_and_is_found_again() {
    let mut stage = Stage::new();
    stage.ledger.fail_next(1);
    assert_eq!(stage.report(&breaches(&["q1", "q2"], START), START).unwrap_err().worst(), "Throttled");
    assert_eq!(stage.published(), ["q2"]);
    assert_eq!(stage.report(&breaches(&["q1", "q2"], START + 1), START + 1), Ok(1));
    assert_eq!(stage.published(), ["q2", "q1"]);
}

#[test]
fn an_entry_that_cannot_be_read_does_not_keep_the_others_from_being_repaired() {
    let mut stage = Stage::new();
    for finding in breaches(&["q1", "q2", "q3"], START) {
        block_on(stage.ledger.record(&finding.into(), at(START))).unwrap();
    }
    stage.ledger.corrupt(&id("q2"));
    assert_eq!(stage.repair(START + 11).unwrap_err().worst(), "Invalid");
    assert_eq!((stage.published(), stage.pending()), (vec!["q1".into(), "q3".into()], vec!["q2".to_owned()]));
}

#[test]
fn a_breach_that_was_held_back_is_published_again_when_it_is_let_through() {
    for cold in [false, true] {
        let mut stage = Stage::new();
        let mut held_back = breaches(&["q1", "q2"], START);
        held_back[1].held_back = true;
        assert_eq!(stage.report(&held_back, START), Ok(2));
        if cold {
            stage.cold_start();
        }
        let still = |second| {
            let mut findings = breaches(&["q1", "q2"], second);
            findings[1].held_back = true;
            findings
        };
        assert_eq!(stage.report(&still(START + 5), START + 5), Ok(0));
        assert_eq!(stage.published(), ["q1", "q2"]);
        assert_eq!(stage.report(&breaches(&["q1", "q2"], START + 10), START + 10), Ok(0));
        assert_eq!(stage.published(), ["q1", "q2", "q2"]);
        let last = stage.bus.events.borrow().last().cloned();
        assert_eq!(last, Some(breach("q2", at(START + 10)).into()));
        assert_eq!(block_on(stage.ledger.find(&id("q2"))), Ok(last));
        assert_eq!(stage.pending(), Vec::<String>::new());
    }
}

/// A finding that is still there after so many seconds is published so many times, whether the run is warm or not.
fn check_asked_again(change: fn(&mut Finding), after: i64, times: usize) {
    for cold in [false, true] {
        let mut stage = Stage::new();
        let finding = |second| {
            let mut finding = breach("q1", at(second));
            change(&mut finding);
            [finding]
        };
        stage.report(&finding(START), START).unwrap();
        if cold {
            stage.cold_start();
        }
        stage.report(&finding(START + after), START + after).unwrap();
        assert_eq!(stage.published().len(), times, "{:?} after {after} s, cold {cold}", finding(START));
    }
}

#[test]
fn an_action_is_asked_for_again_when_the_breach_is_still_there() {
    check_asked_again(|_| {}, 49, 1);
    check_asked_again(|_| {}, 50, 2);
    check_asked_again(|finding| finding.held_back = true, 50, 1);
    check_asked_again(|finding| finding.mode = Mode::Observe, 3600, 1);
    check_asked_again(|finding| finding.exemption = Some("quarter-end".to_owned()), 3600, 1);
    check_asked_again(|finding| finding.level.severity = guardrail::Severity::Warning, 3600, 1);
}

/// A breach without an owner is told to have one, and is asked again a minute later by a run that knows of none, or of
/// another.
fn check_owner(cold: bool, seen: Option<&str>, expected: (&str, Option<&str>)) {
    let mut stage = Stage::new();
    stage.report(&breaches(&["q1"], START), START).unwrap();
    let mut owned = breach("q1", at(START + 5));
    owned.owner = Some("ana".to_owned());
    owned.principal = Some("arn:aws:sts::111111111111:assumed-role/DataScientist/ana".to_owned());
    block_on(stage.outbox.tell(owned.clone(), at(START + 5))).unwrap();
    if cold {
        stage.cold_start();
    }
    let mut again = breach("q1", at(START + 60));
    again.owner = seen.map(str::to_owned);
    assert_eq!(stage.report(&[again.clone()], START + 60), Ok(0));
    (again.owner, again.principal) = (Some(expected.0.to_owned()), expected.1.map(str::to_owned));
    let again = Event::from(again);
    assert_eq!(stage.bus.events.borrow().last(), Some(&again), "cold {cold}, seen {seen:?}");
    assert_eq!(block_on(stage.ledger.find(&id("q1"))), Ok(Some(again)));
    assert!(stage.ledger.entries.borrow().values().all(|entry| !entry.unowned));
}

#[test]
fn an_owner_that_was_told_stays_when_the_breach_is_asked_again() {
    for cold in [false, true] {
        check_owner(cold, None, ("ana", Some("arn:aws:sts::111111111111:assumed-role/DataScientist/ana")));
        // What the service itself says comes first.
        check_owner(cold, Some("jo"), ("jo", None));
    }
}

#[test]
fn a_finding_without_an_owner_stays_at_hand_when_it_is_published() {
    let mut stage = Stage::new();
    let mut owned = breach("q2", at(START));
    owned.owner = Some("jo".to_owned());
    stage.report(&[breach("q1", at(START)), owned], START).unwrap();
    let unowned = block_on(stage.ledger.unowned()).unwrap();
    assert_eq!(unowned, [breach("q1", at(START))]);
}

#[test]
fn what_was_reported_is_remembered_for_a_day() {
    const DAY: i64 = 24 * 3600;
    let mut stage = Stage::new();
    let mut finding = breach("q1", at(START));
    finding.mode = Mode::Observe;
    stage.report(&[finding.clone()], START).unwrap();
    // A ledger that cannot be asked shows whether it was.
    stage.ledger.fail_next(usize::MAX);
    assert_eq!(stage.report(&[finding.clone()], START + DAY - 1), Ok(0));
    stage.report(&[finding], START + DAY).unwrap_err();
}

#[test]
fn tell_supersedes_only_what_is_older() {
    let mut stage = Stage::new();
    let told = |second: i64| Event::from(breach("q1", at(second)));
    let mut tell = |second| block_on(stage.outbox.tell(told(second), at(START + 60)));
    tell(START).unwrap();
    tell(START + 2).unwrap();
    tell(START + 1).unwrap();
    assert_eq!(block_on(stage.ledger.find(&id("q1"))), Ok(Some(told(START + 2))));
    assert_eq!(stage.pending(), Vec::<String>::new());
}

/// A bus that is slow: while an event is on its way there, another run enters a newer state and dies.
struct SlowBus {
    bus: FakeBus,
    ledger: FakeLedger,
    newer: Event,
}

impl Bus for SlowBus {
    async fn publish(&self, events: &[Event]) -> Vec<(usize, CallError)> {
        self.ledger.supersede(&self.newer, self.newer.header().occurred_at).await.unwrap();
        self.bus.publish(events).await
    }
}

#[test]
fn a_newer_state_stays_pending_when_an_older_one_has_been_published() {
    let mut stage = Stage::new();
    let newer = Event::from(breach("q1", at(START + 1)));
    let slow = SlowBus { bus: stage.bus.clone(), ledger: stage.ledger.clone(), newer: newer.clone() };
    let mut outbox = Outbox::new(stage.ledger.clone(), slow);
    assert_eq!(block_on(outbox.report(breaches(&["q1"], START), at(START))), Ok(1));
    assert_eq!(stage.pending(), ["q1"]);
    assert_eq!(stage.repair(START + 12), Ok(1));
    assert_eq!(stage.bus.events.borrow().last(), Some(&newer));
}

#[test]
fn tell_once_publishes_an_id_once() {
    let mut stage = Stage::new();
    for second in [START, START + 60, START + 120] {
        stage.cold_start();
        block_on(stage.outbox.tell_once(breach("q1", at(second)), at(second))).unwrap();
    }
    assert_eq!(*stage.bus.events.borrow(), [breach("q1", at(START)).into()]);
}

#[test]
fn a_pulse_goes_out_once_in_a_period_whoever_asks() {
    let mut stage = Stage::new();
    let period = SignedDuration::from_mins(5);
    let mut pulsed = Vec::new();
    for second in [0, 1, 299, 300, 599, 601].map(|second| START + second) {
        stage.cold_start();
        pulsed.push(block_on(stage.outbox.pulse(breach("q1", at(second)), at(second), period)).unwrap());
    }
    assert_eq!(pulsed, [true, false, false, true, false, true]);
    assert_eq!(stage.published().len(), 3);
    assert_eq!(stage.ledger.ids(), [], "a pulse need not be kept");
}
