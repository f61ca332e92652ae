//! The enforce against an Athena in memory: it stops what is over its limit, once, and nothing else.

use std::sync::atomic::{AtomicU32, Ordering};

use guardrail::{Event, Outcome, Service};
use jiff::SignedDuration;
use lambda::enforce::Enforce;
use lambda::fakes::{FakeBus, FakeLedger, FakeParameters, ManualClock, block_on};
use lambda::ledger::{Claim, Ledger};
use lambda::{CallErrorKind, Clock, Handler, Invocation, Outbox, Parameters, Problems};
use serde_json::Value;

use crate::fakes::{FakeAthena, LIMIT, MODE, sandbox};
use crate::stop::Stopper;

const QUERY: &str = "0d5c1a3b-7f43-4b0e-8a1d-2f6f1c9e0a01";

/// A sandbox with a limit of ten minutes, enforced.
struct Stage {
    clock: ManualClock,
    athena: FakeAthena,
    parameters: FakeParameters,
    ledger: FakeLedger,
    bus: FakeBus,
}

impl Stage {
    fn new() -> Self {
        let clock = ManualClock::at("2026-11-21T12:00:00Z");
        let athena = FakeAthena::new(&clock);
        let parameters = FakeParameters::default();
        parameters.put(LIMIT, "10m");
        parameters.put(MODE, "enforce");
        Self { clock, athena, parameters, ledger: FakeLedger::default(), bus: FakeBus::default() }
    }

    /// Another run of the function: it remembers nothing.
    fn function(&self) -> Enforce<Stopper<FakeAthena, ManualClock>, FakeParameters, FakeLedger, FakeBus, ManualClock> {
        Enforce {
            act: Stopper::new(self.athena.clone(), self.clock.clone()),
            parameters: Parameters::new(self.parameters.clone(), Service::Athena),
            outbox: Outbox::new(self.ledger.clone(), self.bus.clone()),
            clock: self.clock.clone(),
            sandbox: sandbox(),
        }
    }

    fn invocation(&self, name: &str) -> Invocation {
        let path = format!("{}/../../events/athena-enforce/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let now = self.clock.now();
        // Every run has an id of its own.
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let id = format!("run-{}", RUNS.fetch_add(1, Ordering::Relaxed));
        Invocation { id, event, now, deadline: now + SignedDuration::from_secs(55) }
    }

    fn handle(&self, name: &str) -> Result<(), Problems> {
        block_on(self.function().handle(self.invocation(name)))
    }

    fn wait(&self, seconds: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_secs(seconds));
    }

    /// The outcomes published, in order.
    fn outcomes(&self) -> Vec<Outcome> {
        let events = self.bus.events.borrow();
        events.iter().map(|event| if let Event::Action(action) = event { action.outcome } else { panic!() }).collect()
    }
}

fn check(stage: &Stage, stops: usize, outcome: Outcome, reason: &str) {
    stage.handle("breach").unwrap();
    assert_eq!(stage.athena.stops(QUERY), stops);
    let Some(Event::Action(action)) = stage.bus.events.borrow().last().cloned() else { panic!("no action was told") };
    assert_eq!((action.outcome, action.reason.as_str()), (outcome, reason));
    assert_eq!(action.header.id, format!("athena-query-runtime/{QUERY}/100/stop"));
    assert_eq!(stage.ledger.ids(), [(action.header.id, false)]);
}

#[test]
fn a_query_over_its_limit_is_stopped_and_verified() {
    let stage = Stage::new();
    stage.athena.query("etl", QUERY, 601, None);
    check(&stage, 1, Outcome::Done, "the query was stopped: it has run 10m 1s of the 10m allowed");
}

#[test]
fn exactly_at_the_limit_is_a_breach_and_just_below_is_not() {
    let stage = Stage::new();
    stage.athena.query("etl", QUERY, 600, None);
    check(&stage, 1, Outcome::Done, "the query was stopped: it has run 10m of the 10m allowed");
    let stage = Stage::new();
    stage.athena.query("etl", QUERY, 599, None);
    check(&stage, 0, Outcome::Refused, "the query is within its limit: it has run 9m 59s of the 10m allowed");
}

#[test]
fn a_limit_raised_since_the_finding_spares_the_query() {
    let stage = Stage::new();
    stage.athena.query("etl", QUERY, 601, None);
    stage.parameters.put(&format!("{LIMIT}/etl"), "1h");
    check(&stage, 0, Outcome::Refused, "the query is within its limit: it has run 10m 1s of the 1h allowed");
}

#[test]
fn exempt_observed_and_ended_queries_are_spared_and_it_is_said_why() {
    let stage = Stage::new();
    stage.athena.query("etl", QUERY, 601, None);
    let exemption = r#"{"resource":"0d5c*","owner":"jo@bank","reason":"year end","expires":"2027-01-31T00:00:00Z"}"#;
    stage.parameters.put("/sandbox-guardrails/exemptions/year-end", exemption);
    check(&stage, 0, Outcome::Exempt, "exemption `year-end` covers the query; it has run 10m 1s of the 10m allowed");

    let modes =
        [("observe", "the mode is `observe`; it has run 10m 1s of the 10m allowed"), ("off", "the mode is `off`")];
    for (mode, reason) in modes {
        let stage = Stage::new();
        stage.athena.query("etl", QUERY, 601, None);
        stage.parameters.put(MODE, mode);
        check(&stage, 0, Outcome::ObservedOnly, reason);
    }

    let stage = Stage::new();
    stage.athena.query("etl", QUERY, 601, Some(0));
    check(&stage, 0, Outcome::AlreadyGone, "the query has already ended: SUCCEEDED");
}

#[test]
fn a_forged_or_foreign_or_malformed_finding_stops_nothing() {
    let stage = Stage::new();
    stage.athena.query("etl", QUERY, 601, None);
    for (name, outcomes) in [
        ("forged", vec![Outcome::Refused]),
        ("other-account", vec![]),
        ("malformed", vec![]),
        ("unknown-guardrail", vec![]),
    ] {
        stage.bus.events.borrow_mut().clear();
        stage.handle(name).unwrap();
        assert_eq!(stage.outcomes(), outcomes, "{name}");
    }
    assert_eq!(stage.athena.stops(QUERY), 0);
}

#[test]
fn a_duplicate_breach_stops_nothing_again() {
    let stage = Stage::new();
    stage.athena.query("etl", QUERY, 601, None);
    for _ in 0..3 {
        stage.handle("breach").unwrap();
        stage.wait(120);
    }
    assert_eq!(stage.athena.count("athena:StopQueryExecution"), 1);
    assert_eq!(stage.outcomes(), [Outcome::Done]);
}

#[test]
fn two_runs_at_once_stop_a_query_once() {
    let stage = Stage::new();
    stage.athena.query("etl", QUERY, 601, None);
    let (mut one, mut other) = (stage.function(), stage.function());
    let both =
        futures_util::future::join(one.handle(stage.invocation("breach")), other.handle(stage.invocation("breach")));
    let (one, other) = block_on(both);
    one.and(other).unwrap();
    assert_eq!(stage.athena.count("athena:StopQueryExecution"), 1);
    assert_eq!(stage.outcomes(), [Outcome::Done]);
}

#[test]
fn a_stop_that_fails_is_told_and_tried_again() {
    let stage = Stage::new();
    stage.athena.query("etl", QUERY, 601, None);
    stage.athena.fail("athena:StopQueryExecution", CallErrorKind::Throttled, 1);
    assert_eq!(stage.handle("breach").unwrap_err().worst(), "Throttled");
    stage.wait(1);
    stage.handle("breach").unwrap();
    assert_eq!(stage.outcomes(), [Outcome::Failed, Outcome::Done]);
}

#[test]
fn a_stop_without_effect_is_a_failure() {
    let stage = Stage::new();
    stage.athena.query("etl", QUERY, 601, None);
    stage.athena.ignore_stop();
    let problems = stage.handle("breach").unwrap_err();
    assert!(problems.to_string().contains("was told to end and has not after 20 s"), "{problems}");
    assert_eq!(stage.outcomes(), [Outcome::Failed]);
}

#[test]
fn a_run_that_died_holding_its_claim_delays_the_stop_only_until_the_claim_lapses() {
    let stage = Stage::new();
    stage.athena.query("etl", QUERY, 601, None);
    let action = format!("athena-query-runtime/{QUERY}/100/stop");
    let now = stage.clock.now();
    let claim = Claim { id: &action, holder: "a run that died", until: now + SignedDuration::from_secs(55) };
    block_on(stage.ledger.claim(&claim, now)).unwrap();
    stage.handle("breach").unwrap();
    assert_eq!(stage.athena.stops(QUERY), 0);
    stage.wait(56);
    stage.handle("breach").unwrap();
    assert_eq!(stage.athena.stops(QUERY), 1);
}

#[test]
fn what_cannot_be_seen_or_read_is_not_acted_on() {
    let stage = Stage::new();
    stage.athena.query("etl", QUERY, 601, None);
    stage.athena.fail("athena:BatchGetQueryExecution", CallErrorKind::Denied, 1);
    assert_eq!(stage.handle("breach").unwrap_err().worst(), "AccessDenied");
    stage.parameters.deny();
    assert_eq!(stage.handle("breach").unwrap_err().worst(), "AccessDenied");
    assert_eq!(stage.athena.stops(QUERY), 0);
}

#[test]
fn a_mode_changed_to_enforce_is_obeyed_when_the_breach_is_asked_again() {
    let stage = Stage::new();
    stage.athena.query("etl", QUERY, 601, None);
    stage.parameters.put(MODE, "observe");
    stage.handle("breach").unwrap();
    stage.wait(60);
    stage.parameters.put(MODE, "enforce");
    stage.handle("breach").unwrap();
    assert_eq!(stage.outcomes(), [Outcome::ObservedOnly, Outcome::Done]);
}

#[test]
fn beyond_a_workgroups_cap_the_newest_are_stopped_and_the_oldest_stay() {
    let stage = Stage::new();
    let guardrail = "athena-concurrent-queries";
    stage.parameters.put(&format!("/sandbox-guardrails/athena/{guardrail}/limit"), "2");
    stage.parameters.put(&format!("/sandbox-guardrails/athena/{guardrail}/mode"), "enforce");
    for (id, age) in [("oldest", 50), ("second", 40), ("third", 30), ("newest", 20)] {
        stage.athena.query("etl", id, age, None);
    }
    stage.athena.query("adhoc", "elsewhere", 10, None);
    let ask = |id: &str| {
        let mut invocation = stage.invocation("breach");
        invocation.event["detail"]["guardrail"] = guardrail.into();
        invocation.event["detail"]["resource"]["id"] = id.into();
        block_on(stage.function().handle(invocation)).unwrap();
    };
    ["newest", "oldest", "third", "second", "elsewhere"].into_iter().for_each(ask);
    let stops = ["oldest", "second", "third", "newest", "elsewhere"].map(|id| stage.athena.stops(id));
    assert_eq!(stops, [0, 0, 1, 1, 0]);
    let reasons: Vec<String> = stage.bus.events.borrow().iter().map(reason).collect();
    assert_eq!(
        reasons,
        [
            "the query was stopped: it is one of 4 where 2 are allowed, and newer than the 2 that stay",
            "the query is within its limit: it is one of 3 where 2 are allowed, and among those that stay",
            "the query was stopped: it is one of 3 where 2 are allowed, and newer than the 2 that stay",
            "the query is within its limit: it is one of 2 where 2 are allowed, and among those that stay",
            "the query is within its limit: it is one of 1 where 2 are allowed, and among those that stay",
        ]
    );
}

fn reason(event: &Event) -> String {
    if let Event::Action(action) = event { action.reason.clone() } else { panic!("{event:?}") }
}
