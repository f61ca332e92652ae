//! The enforce over a hub in memory: a finding comes, something has happened meanwhile, and how does that end?

mod crashes;

use std::collections::BTreeSet;

use guardrail::availability::SandboxLockRequested;
use lambda::fakes::block_on;
use lambda::fakes::interrupted::Mortality;
use serde_json::json;

use super::*;
use crate::fakes::console::Obeys;
use crate::fakes::{FakeHub, RETAIL, STRANGER, TRADING, day, moment, sandbox, told_by};

const MORNING: &str = "2026-11-10T06:00:00Z";

/// November of an account, on one service.
fn deliver(hub: &FakeHub, version: &str, cost: &str) {
    hub.pass(60);
    let lines =
        [(RETAIL, "AmazonSageMaker", "jo", "2026-11-09", cost), (RETAIL, "AmazonS3", "", "2026-11-09", "1.005")];
    let key = hub.exports.deliver("2026-11", version, &lines);
    hub.landed(&key).unwrap();
}

/// A hub with a budget of 1000 USD, of which a sandbox has spent 2100.
fn stage() -> FakeHub {
    let hub = FakeHub::at(MORNING);
    hub.put("limit", "1000 USD");
    hub.put("mode", "enforce");
    deliver(&hub, "run-1", "2098.995");
    hub.pass(1);
    hub
}

/// The last breach told that asks for a lock.
fn breach(hub: &FakeHub) -> Finding {
    let mut findings = hub.findings("spend-budget").into_iter();
    findings.rfind(|finding| finding.wants_action() && !finding.held_back).expect("a breach")
}

/// The commands sent so far: the Region and the bus of each, and the command.
fn sent(hub: &FakeHub) -> Vec<(String, String, SandboxLockRequested)> {
    let sent = hub.buses.sent.borrow();
    let command = |(region, bus, event): &(String, String, Event)| match event {
        Event::SandboxLockRequested(command) => (region.clone(), bus.clone(), command.clone()),
        other => panic!("{other:?}"),
    };
    sent.iter().map(command).collect()
}

/// The outcomes told so far.
fn outcomes(hub: &FakeHub) -> Vec<Outcome> {
    hub.actions().into_iter().map(|action| action.outcome).collect()
}

fn settled(hub: &FakeHub) -> bool {
    let november = guardrail::Per::Month.period(day("2026-11-01"));
    hub.account(RETAIL).reached(november, 200).is_some_and(|reached| reached.settled_at.is_some())
}

/// Something that happens to a hub.
type Change = fn(&FakeHub);

/// A breach is found, something happens, and the enforce comes: how does that end, and is anything sent?
fn check(change: impl FnOnce(&FakeHub), outcome: Outcome, reason: &str) {
    let hub = stage();
    let breach = breach(&hub);
    change(&hub);
    hub.enforce(&breach).unwrap();
    let actions = hub.actions();
    let [action] = actions.as_slice() else { panic!("{reason}: {actions:?}") };
    assert_eq!((action.outcome, action.reason.as_str()), (outcome, reason));
    assert_eq!(action.header.id, format!("spend-budget/{RETAIL}/200/2026-11-01T00:00:00Z/lock"));
    assert_eq!((&action.header.sandbox, action.action), (&sandbox(RETAIL), ActionKind::Lock));
    assert_eq!(sent(&hub).len(), usize::from(outcome == Outcome::Done), "{reason}");
    assert_eq!(settled(&hub), outcome == Outcome::Done, "{reason}");
}

const LOCKED: &str = "the sandbox is locked: `retail` has spent 2100.00 USD of its budget of 1000.00 USD/month \
                      (200 % reached), most of it on AmazonSageMaker: 2099.00";

#[test]
fn what_is_a_breach_now_is_locked_and_everything_else_is_spared_and_told_why() {
    check(|_| {}, Outcome::Done, LOCKED);
    check(|hub| hub.put("limit", "1050 USD"), Outcome::Done, &LOCKED.replace("1000.00", "1050.00"));
    check(
        |hub| hub.put("limit", "1050.01 USD"),
        Outcome::Refused,
        "judged again, 2100.00 USD of 1050.01 USD/month do not reach 200 %",
    );
    check(
        |hub| hub.put(&format!("limit/{RETAIL}"), "3000 USD"),
        Outcome::Refused,
        "judged again, 2100.00 USD of 3000.00 USD/month do not reach 200 %",
    );
    check(|hub| hub.put("mode", "observe"), Outcome::ObservedOnly, "the mode is `observe`");
    check(|hub| hub.put("mode", "off"), Outcome::ObservedOnly, "the mode is `off`");
    check(|hub| hub.put(&format!("mode/{RETAIL}"), "observe"), Outcome::ObservedOnly, "the mode is `observe`");
    let exemption = r#"{"resource": "1111*", "owner": "jo", "reason": "year end", "expires": "2027-01-31T00:00:00Z"}"#;
    check(
        |hub| hub.parameters.put("/sandbox-guardrails/exemptions/year-end", exemption),
        Outcome::Exempt,
        "exemption `year-end` covers the sandbox",
    );
    check(|hub| hub.put("levels", "50,100,200"), Outcome::Refused, "the level does not lock any more");
    check(
        |hub| hub.put("levels", "50,100"),
        Outcome::Refused,
        "judged again, 2100.00 USD of 1000.00 USD/month do not reach 200 %",
    );
    check(
        |hub| hub.put("limit", "1000 EUR"),
        Outcome::Refused,
        "its budget is 1000.00 EUR/month, and its bill is in USD",
    );
    check(
        |hub| deliver(hub, "run-2", "500"),
        Outcome::Refused,
        "judged again, 501.00 USD of 1000.00 USD/month do not reach 200 %",
    );
    check(
        |hub| {
            hub.put("limit", "3000 USD");
            hub.meter(crate::fakes::parameter_changed()).unwrap();
        },
        Outcome::Refused,
        "its budget's period is over, or the level was cleared by another budget",
    );
    check(
        |hub| hub.console.heartbeats.borrow_mut().clear(),
        Outcome::Refused,
        "`111111111111` is no sandbox that the hub knows",
    );
    check(
        |hub| hub.clock.set(moment("2027-03-01T00:00:00Z")),
        Outcome::Refused,
        "its budget's period is over, or the level was cleared by another budget",
    );
}

#[test]
fn an_ended_month_is_held_against_the_budget_that_it_had() {
    check(
        |hub| {
            hub.clock.set(moment("2026-12-05T06:00:00Z"));
            hub.put("limit", "1000000 USD");
        },
        Outcome::Done,
        LOCKED,
    );
}

#[test]
fn the_command_goes_to_the_sandboxs_bus_with_its_reason() {
    let hub = stage();
    hub.enforce(&breach(&hub)).unwrap();
    let sent = sent(&hub);
    let [(region, bus, command)] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!(
        (region.as_str(), bus.as_str()),
        ("eu-west-1", "arn:aws:events:eu-west-1:111111111111:event-bus/sandbox-guardrails")
    );
    assert_eq!(command.header.id, "command/budget-111111111111-200-20261101T000000");
    assert_eq!((command.lock.as_str(), command.requested_by.as_str()), ("budget", "spend-enforce"));
    assert_eq!(format!("the sandbox is locked: {}", command.reason), LOCKED);
    let asked = hub.account(RETAIL).periods.into_values().next().unwrap().levels.remove(&200).unwrap().asked.unwrap();
    assert_eq!((command.header.occurred_at, &command.reason), (asked.at, &asked.reason));
    assert_eq!(asked.at, moment("2026-11-10T06:01:01Z"));
    let action = hub.actions().pop().unwrap();
    assert_eq!(action.measured.unwrap().to_string(), "2100.00 USD");
    assert_eq!(action.limit.unwrap().to_string(), "1000.00 USD/month");
}

#[test]
fn a_level_by_estimate_is_judged_again_by_estimate() {
    let hub = FakeHub::at(MORNING);
    hub.put("limit", "1000 USD");
    hub.put("mode", "enforce");
    hub.put("levels", "100,120:lock:estimated");
    // 980 in seven days: at half past two in the afternoon it is 84.6 more.
    deliver(&hub, "run-1", "978.995");
    hub.clock.set(moment("2026-11-11T14:30:00Z"));
    hub.sweep().unwrap();
    let finding = breach(&hub);
    hub.put(&format!("limit/{TRADING}"), "1 USD");
    hub.enforce(&finding).unwrap();
    let action = hub.actions().pop().unwrap();
    assert_eq!(action.outcome, Outcome::Done);
    assert!(
        action.reason.contains("by estimate of its budget of 1000.00 USD/month (120 % reached)"),
        "{}",
        action.reason
    );
    // A delivery says that it was less.
    let hub_again = hub;
    deliver(&hub_again, "run-2", "10");
    let before = hub_again.actions().len();
    hub_again.enforce(&finding).unwrap();
    assert_eq!(hub_again.actions().len(), before + 1);
    assert_eq!(outcomes(&hub_again).pop(), Some(Outcome::Refused));
}

#[test]
fn findings_that_ask_for_nothing_or_were_never_told_lead_to_nothing() {
    let hub = stage();
    let finding = breach(&hub);
    let change = |change: fn(&mut Finding)| {
        let mut changed = finding.clone();
        change(&mut changed);
        told_by("999999999999", changed)
    };
    for (what, event) in [
        ("no event", json!({"source": 7})),
        ("not a finding", json!({"source": "x", "detail-type": "Guardrail Finding", "detail": {}})),
        ("another event", told_by("1", hub.spends().remove(0))),
        ("another guardrail", change(|finding| finding.guardrail = "emr-cluster-age".to_owned())),
        ("only reported", change(|finding| finding.action = ActionKind::Report)),
        ("only observed", change(|finding| finding.mode = Mode::Observe)),
        ("exempt", change(|finding| finding.exemption = Some("x".to_owned()))),
        ("a notice", change(|finding| finding.level.severity = guardrail::Severity::Notice)),
        ("another level's id", change(|finding| finding.level.percent = 100)),
        ("another sandbox's id", change(|finding| finding.resource.id = TRADING.to_owned())),
    ] {
        let mut enforce = hub.enforce_through(&Mortality::default());
        block_on(enforce.handle(hub.invocation(event))).unwrap();
        assert_eq!((sent(&hub).len(), hub.actions().len()), (0, 0), "{what}");
    }
    // Forged ones are refused.
    for (forge, why) in [
        (
            (|finding| finding.resource.id = STRANGER.to_owned()) as fn(&mut Finding),
            "`333333333333` is no sandbox that the hub knows",
        ),
        (|finding| finding.resource.id = TRADING.to_owned(), "`222222222222` has no figures"),
        (
            |finding| finding.episode = Some(moment("2026-10-01T00:00:00Z")),
            "its budget's period is over, or the level was cleared by another budget",
        ),
        (|finding| finding.level.percent = 100, "the level does not lock any more"),
        (
            |finding| finding.level.percent = 300,
            "its budget's period is over, or the level was cleared by another budget",
        ),
    ] {
        let mut forged = finding.clone();
        forge(&mut forged);
        forged.header.id = Finding::id_of(&SPEND_BUDGET, &forged.resource, forged.level, forged.episode);
        hub.pass(1);
        hub.enforce(&forged).unwrap();
        let action = hub.actions().pop().unwrap();
        assert_eq!((action.outcome, action.reason.as_str()), (Outcome::Refused, why));
    }
    assert_eq!(sent(&hub).len(), 0);
}

#[test]
fn every_repetition_is_the_same_command() {
    let hub = stage();
    hub.console.behave(&sandbox(RETAIL), Obeys::Never);
    for round in 0..4 {
        let problems = hub.enforce(&breach(&hub)).unwrap_err();
        assert!(problems.all(CallErrorKind::NotVerified), "{problems}");
        let action = hub.actions().pop().unwrap();
        assert_eq!(action.outcome, Outcome::Failed);
        assert_eq!(
            action.reason,
            "the sandbox could not be locked and will be tried again: `events:PutEvents` failed (NotVerified): \
             `retail` has not said that it is locked; it is asked again"
        );
        assert_eq!((sent(&hub).len(), settled(&hub)), (round + 1, false));
        // More is spent, and the meter asks again.
        deliver(&hub, &format!("run-{}", round + 2), &format!("{}", 3000 + round));
        hub.next_sweep();
    }
    hub.console.behave(&sandbox(RETAIL), Obeys::AfterLooks(7));
    hub.enforce(&breach(&hub)).unwrap();
    let commands: BTreeSet<String> =
        sent(&hub).into_iter().map(|(.., command)| serde_json::to_string(&command).unwrap()).collect();
    assert_eq!((sent(&hub).len(), commands.len()), (5, 1));
    assert_eq!((outcomes(&hub).pop(), settled(&hub)), (Some(Outcome::Done), true));
    // From now on nobody is asked, and who is asked all the same does nothing.
    let last = breach(&hub);
    hub.bus.take();
    hub.next_sweep();
    assert_eq!(hub.levels(), [""; 0]);
    hub.enforce(&last).unwrap();
    assert_eq!((hub.actions().len(), sent(&hub).len()), (0, 5));
}

#[test]
fn a_lock_that_was_released_since_is_settled_and_not_set_again() {
    let hub = stage();
    hub.console.behave(&sandbox(RETAIL), Obeys::Never);
    hub.enforce(&breach(&hub)).unwrap_err();
    // The sandbox was locked after all, and somebody released it before anybody saw it.
    hub.pass(10);
    hub.console.command(&sandbox(RETAIL), false, hub.clock.now());
    hub.next_sweep();
    hub.enforce(&breach(&hub)).unwrap();
    let action = hub.actions().pop().unwrap();
    assert_eq!(action.outcome, Outcome::Done);
    assert!(
        action.reason.starts_with("the lock was released since it was asked for: `retail` has spent"),
        "{}",
        action.reason
    );
    assert_eq!((sent(&hub).len(), hub.console.locked(), settled(&hub)), (1, vec![], true));
    hub.bus.take();
    for _ in 0..3 {
        hub.next_sweep();
    }
    assert_eq!(hub.levels(), [""; 0]);
}

#[test]
fn a_release_before_it_was_asked_for_counts_for_nothing() {
    let hub = stage();
    hub.console.command(&sandbox(RETAIL), false, moment("2026-11-10T06:01:00Z"));
    hub.enforce(&breach(&hub)).unwrap();
    assert_eq!((sent(&hub).len(), hub.console.locked()), (1, vec![format!("{RETAIL}/eu-west-1")]));
}

#[test]
fn a_sandbox_that_somebody_locks_since_is_locked() {
    let hub = stage();
    hub.console.behave(&sandbox(RETAIL), Obeys::Never);
    hub.enforce(&breach(&hub)).unwrap_err();
    hub.pass(10);
    hub.console.command(&sandbox(RETAIL), true, hub.clock.now());
    hub.next_sweep();
    hub.enforce(&breach(&hub)).unwrap();
    assert_eq!((outcomes(&hub).pop(), sent(&hub).len(), settled(&hub)), (Some(Outcome::Done), 1, true));
}

#[test]
fn two_levels_that_lock_are_both_settled_by_the_later_command() {
    let hub = FakeHub::at(MORNING);
    hub.put("limit", "1000 USD");
    hub.put("mode", "enforce");
    hub.put("levels", "100,150:lock,200:lock");
    deliver(&hub, "run-1", "2100");
    let breaches: Vec<Finding> = hub.findings("spend-budget").into_iter().filter(Finding::wants_action).collect();
    assert_eq!(breaches.len(), 2);
    // The sandbox hears of both before anybody has seen it locked.
    hub.console.behave(&sandbox(RETAIL), Obeys::Never);
    for breach in &breaches {
        hub.pass(1);
        hub.enforce(breach).unwrap_err();
    }
    hub.console.behave(&sandbox(RETAIL), Obeys::AtOnce);
    for breach in breaches.iter().rev() {
        hub.enforce(breach).unwrap();
    }
    assert_eq!(outcomes(&hub).split_off(2), [Outcome::Done; 2]);
    assert_eq!(sent(&hub).len(), 3, "the later command holds for both");
}

/// The sandboxes of an account in two Regions.
fn two_regions() -> (FakeHub, Sandbox) {
    let hub = stage();
    let other = Sandbox { region: "us-east-1".to_owned(), alias: "retail-us".to_owned(), ..sandbox(RETAIL) };
    hub.report(other.clone());
    (hub, other)
}

#[test]
fn every_region_of_the_account_is_locked() {
    let (hub, _) = two_regions();
    hub.enforce(&breach(&hub)).unwrap();
    let buses: Vec<String> = sent(&hub).into_iter().map(|(_, bus, _)| bus).collect();
    assert_eq!(
        buses,
        [
            "arn:aws:events:eu-west-1:111111111111:event-bus/sandbox-guardrails",
            "arn:aws:events:us-east-1:111111111111:event-bus/sandbox-guardrails"
        ]
    );
    assert_eq!(hub.console.locked(), [format!("{RETAIL}/eu-west-1"), format!("{RETAIL}/us-east-1")]);
    assert_eq!(outcomes(&hub), [Outcome::Done]);
}

#[test]
fn a_region_that_does_not_answer_or_takes_nothing_does_not_leave_the_others_open() {
    for refuses in [false, true] {
        let (hub, other) = two_regions();
        if refuses {
            hub.buses.refusing.borrow_mut().insert("eu-west-1".to_owned());
        }
        hub.console.behave(&sandbox(RETAIL), Obeys::Never);
        let problems = hub.enforce(&breach(&hub)).unwrap_err();
        assert_eq!(problems.worst(), if refuses { "Throttled" } else { "NotVerified" });
        assert_eq!(hub.console.locked(), [format!("{RETAIL}/us-east-1")]);
        assert_eq!((outcomes(&hub), settled(&hub)), (vec![Outcome::Failed], false));
        // Again: the one that is locked is not asked again.
        hub.buses.refusing.borrow_mut().clear();
        hub.console.behave(&sandbox(RETAIL), Obeys::AtOnce);
        hub.next_sweep();
        hub.enforce(&breach(&hub)).unwrap();
        let to_other = sent(&hub).into_iter().filter(|(region, ..)| *region == other.region).count();
        assert_eq!((to_other, hub.console.locked().len(), settled(&hub)), (1, 2, true));
    }
}

#[test]
fn what_cannot_be_read_locks_nobody_and_is_tried_again() {
    let faults: [(&str, Change); 4] = [
        ("the console's heartbeats", |hub| hub.console.faults.fail("dynamodb:Query", 0, 1)),
        ("the console's locks", |hub| hub.console.faults.fail("dynamodb:GetItem", 0, 1)),
        ("the pages", |hub| hub.book.fail(true, false)),
        ("the pages to be written", |hub| hub.book.fail(false, true)),
    ];
    for (what, fail) in faults {
        let hub = stage();
        fail(&hub);
        hub.enforce(&breach(&hub)).unwrap_err();
        hub.book.fail(false, false);
        assert_eq!((sent(&hub).len(), outcomes(&hub)), (0, vec![Outcome::Failed]), "{what}");
        hub.pass(1);
        hub.enforce(&breach(&hub)).unwrap();
        assert_eq!((sent(&hub).len(), outcomes(&hub).pop()), (1, Some(Outcome::Done)), "{what}");
    }
    // The claim: then nothing at all is done.
    let hub = stage();
    hub.ledger.fail_next(1);
    assert_eq!(hub.enforce(&breach(&hub)).unwrap_err().worst(), "Throttled");
    assert_eq!((sent(&hub).len(), outcomes(&hub)), (0, vec![]));
}
