//! The enforce of a service in memory, asked by a watch of the same: it acts on what is a breach now, once.

mod batches;
mod races;

use guardrail::{Measure, Observation, ScopeKind};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::fakes::service::{FakeSandbox, FakeService, Manners, ORDER, SEE, delivered, signal, sweep};
use crate::fakes::{block_on, failed};

/// A sandbox, swept by a watch that has just started and enforced by functions that have.
struct Stage {
    sandbox: FakeSandbox,
}

impl Stage {
    fn new(settings: &[(&str, &str)]) -> Self {
        let sandbox = FakeSandbox::at("2026-11-21T12:00:00Z");
        for (setting, value) in settings {
            sandbox.put(setting, value);
        }
        Self { sandbox }
    }

    /// A sandbox whose clusters may live for an hour, enforced, with one of an hour and forty minutes.
    fn with_an_old_cluster() -> Self {
        let stage = Self::new(&[("emr-cluster-age/limit", "1h"), ("emr-cluster-age/mode", "enforce")]);
        stage.service().cluster("c1", 6000);
        stage
    }

    fn service(&self) -> &FakeService {
        &self.sandbox.service
    }

    /// The breaches that a sweep now asks an action for.
    fn sweep(&self) -> Vec<Finding> {
        let before = self.sandbox.findings().len();
        block_on(self.sandbox.watch(false).handle(self.sandbox.invocation(sweep()))).unwrap();
        let new = self.sandbox.findings().into_iter().skip(before);
        new.filter(|finding| finding.wants_action() && !finding.held_back).collect()
    }

    /// The only breach that a sweep now asks an action for.
    fn breach(&self) -> Finding {
        let breaches = self.sweep();
        let [breach] = breaches.as_slice() else { panic!("{breaches:?}") };
        breach.clone()
    }

    fn handle(&self, event: Value) -> Result<(), Problems> {
        block_on(self.sandbox.enforce().handle(self.sandbox.invocation(event)))
    }

    fn enforce(&self, finding: &Finding) -> Result<(), Problems> {
        self.handle(delivered(finding))
    }

    fn outcomes(&self) -> Vec<Outcome> {
        self.sandbox.actions().into_iter().map(|action| action.outcome).collect()
    }

    /// The resources that were told anything, with the attempts.
    fn told(&self) -> Vec<(String, Vec<u32>)> {
        self.service().told().into_iter().collect()
    }
}

fn told(ids: &[&str]) -> Vec<(String, Vec<u32>)> {
    ids.iter().map(|id| ((*id).to_owned(), vec![0])).collect()
}

/// An old cluster is found, something happens, and the enforce comes: how does that end?
fn check(change: impl FnOnce(&Stage), outcome: Outcome, reason: &str) {
    let stage = Stage::with_an_old_cluster();
    let breach = stage.breach();
    change(&stage);
    let orders = stage.told();
    stage.enforce(&breach).unwrap();
    let actions = stage.sandbox.actions();
    let [action] = actions.as_slice() else { panic!("{reason}: {actions:?}") };
    assert_eq!((action.outcome, action.reason.as_str()), (outcome, reason));
    assert_eq!(
        (action.header.id.as_str(), action.finding.as_str()),
        ("emr-cluster-age/c1/100/terminate", &*breach.header.id)
    );
    assert_eq!(action.action, ActionKind::Terminate);
    let expected = if outcome == Outcome::Done { told(&["c1"]) } else { orders };
    assert_eq!(stage.told(), expected, "{reason}");
    assert_eq!(block_on(stage.sandbox.ledger.find(&action.header.id)), Ok(Some(action.clone().into())));
}

#[test]
fn what_is_a_breach_now_is_acted_on_and_everything_else_is_spared_and_told_why() {
    check(|_| {}, Outcome::Done, "the cluster was terminated: it has run 1h 40m of the 1h allowed");
    check(
        |stage| stage.sandbox.put("emr-cluster-age/limit", "6000s"),
        Outcome::Done,
        "the cluster was terminated: it has run 1h 40m of the 1h 40m allowed",
    );
    check(
        |stage| stage.sandbox.put("emr-cluster-age/limit", "6001s"),
        Outcome::Refused,
        "the cluster is within its limit: it has run 1h 40m of the 1h 40m 1s allowed",
    );
    check(
        |stage| stage.sandbox.put("emr-cluster-age/mode", "observe"),
        Outcome::ObservedOnly,
        "the mode is `observe`; it has run 1h 40m of the 1h allowed",
    );
    check(|stage| stage.sandbox.put("emr-cluster-age/mode", "off"), Outcome::ObservedOnly, "the mode is `off`");
    let exemption = r#"{"resource":"c*","owner":"jo","reason":"year end","expires":"2027-01-31T00:00:00Z"}"#;
    check(
        |stage| stage.sandbox.parameters.put("/sandbox-guardrails/exemptions/year-end", exemption),
        Outcome::Exempt,
        "exemption `year-end` covers the cluster; it has run 1h 40m of the 1h allowed",
    );
    check(|stage| stage.service().end("c1"), Outcome::AlreadyGone, "the cluster has already ended: TERMINATED");
    check(|stage| stage.service().give_order("c1"), Outcome::AlreadyGone, "the cluster is already ending: TERMINATING");
    check(|stage| stage.service().forget("c1"), Outcome::Refused, "Amazon EMR does not know this cluster");
    check(
        |stage| stage.service().behave(Manners { refuses: Some("it is protected".to_owned()), ..Manners::default() }),
        Outcome::Refused,
        "it is protected; it has run 1h 40m of the 1h allowed",
    );
}

#[test]
fn what_was_spared_is_acted_on_as_soon_as_it_is_a_breach_again() {
    let stage = Stage::with_an_old_cluster();
    let breach = stage.breach();
    for (mode, times) in [("observe", 3), ("enforce", 1)] {
        stage.sandbox.put("emr-cluster-age/mode", mode);
        for _ in 0..times {
            stage.sandbox.pass(1);
            stage.enforce(&breach).unwrap();
        }
    }
    assert_eq!(stage.outcomes(), [Outcome::ObservedOnly, Outcome::Done], "what is on record is not told again");
    assert_eq!(stage.told(), told(&["c1"]));
}

#[test]
fn what_is_not_measured_any_more_is_spared() {
    let stage = Stage::new(&[("emr-cluster-idle-time/limit", "10m"), ("emr-cluster-idle-time/mode", "enforce")]);
    stage.service().cluster("c1", 3600);
    let since = stage.sandbox.clock.now() - SignedDuration::from_hours(1);
    stage.service().change("c1", |seen| seen.since(Measure::IdleTime, since));
    let breach = stage.breach();
    // A step has begun since: the cluster is busy.
    stage.service().cluster("c1", 3600);
    stage.enforce(&breach).unwrap();
    let [action] = &stage.sandbox.actions()[..] else { panic!() };
    assert_eq!((action.outcome, action.reason.as_str()), (Outcome::Refused, "nothing is measured of this cluster now"));
    assert_eq!(stage.told(), []);
}

#[test]
fn a_repeated_finding_is_acted_on_once() {
    let stage = Stage::with_an_old_cluster();
    let breach = stage.breach();
    for _ in 0..3 {
        stage.enforce(&breach).unwrap();
        stage.sandbox.pass(300);
    }
    assert_eq!((stage.outcomes(), stage.told()), (vec![Outcome::Done], told(&["c1"])));
}

#[test]
fn findings_that_ask_for_nothing_this_function_does_are_ignored() {
    let stage = Stage::new(&[("emr-cluster-count/limit", "2"), ("emr-cluster-count/mode", "enforce")]);
    for cluster in ["c1", "c2", "c3"] {
        stage.service().cluster(cluster, 10);
        stage.service().change(cluster, |seen| seen.words(Measure::Release, ["emr-4.1.0"]));
    }
    let breach = stage.breach();
    let findings = stage.sandbox.findings();
    let find = |guardrail: &str, kind: &str| {
        let wanted = |finding: &&Finding| finding.guardrail == guardrail && finding.resource.kind == kind;
        delivered(findings.iter().find(wanted).unwrap())
    };
    let changed = |at: &str, value: Value| {
        let mut event = delivered(&breach);
        *event.pointer_mut(at).unwrap() = value;
        event
    };
    for (why, event) in [
        ("a guardrail that only reports", find("emr-release", "cluster")),
        ("a count that nears its cap", find("emr-cluster-count", "sandbox")),
        ("another account", changed("/account", json!("222222222222"))),
        ("no account", changed("/account", Value::Null)),
        ("an unknown guardrail", changed("/detail/guardrail", json!("emr-cluster-colour"))),
        ("another service", changed("/detail/guardrail", json!("athena-query-runtime"))),
        ("another kind of resource", changed("/detail/resource/kind", json!("step"))),
        ("no resource", changed("/detail/resource", json!("c3"))),
        ("no finding", changed("/detail", json!([]))),
        ("no event", json!({"detail": {}})),
        ("a signal", signal(&["c3"])),
        ("nothing", Value::Null),
    ] {
        assert_eq!(stage.handle(event), Ok(()), "{why}");
        assert_eq!((stage.told(), stage.sandbox.actions()), (vec![], vec![]), "{why}");
    }
    stage.enforce(&breach).unwrap();
    assert_eq!(stage.told(), told(&["c3"]));
}

#[test]
fn a_forged_finding_is_a_request_to_look_and_nothing_more() {
    let stage = Stage::with_an_old_cluster();
    stage.service().cluster("young", 60);
    let mut forged = stage.breach();
    forged.resource.id = "young".to_owned();
    stage.enforce(&forged).unwrap();
    assert_eq!((stage.outcomes(), stage.told()), (vec![Outcome::Refused], vec![]));
}

#[test]
fn an_order_that_fails_is_told_fails_the_run_and_is_tried_again() {
    let stage = Stage::with_an_old_cluster();
    let breach = stage.breach();
    stage.service().fail(ORDER, CallErrorKind::Throttled, 3);
    for _ in 0..3 {
        assert_eq!(stage.enforce(&breach), Err(failed(ORDER, CallErrorKind::Throttled).into()));
        // Whoever fails gives its claim back, so that the next one need not wait.
        stage.sandbox.pass(1);
    }
    stage.enforce(&breach).unwrap();
    assert_eq!(stage.outcomes(), [Outcome::Failed, Outcome::Done], "that it fails again is no news");
    let first = &stage.sandbox.actions()[0];
    let reason = format!(
        "the cluster could not be terminated and will be tried again: {}",
        failed(ORDER, CallErrorKind::Throttled)
    );
    assert_eq!(first.reason, reason);
}

#[test]
fn what_cannot_be_seen_or_read_is_not_acted_on() {
    let stage = Stage::with_an_old_cluster();
    let breach = stage.breach();
    stage.service().fail(SEE, CallErrorKind::Denied, 1);
    assert_eq!(stage.enforce(&breach), Err(failed(SEE, CallErrorKind::Denied).into()));
    stage.sandbox.pass(1);
    stage.sandbox.parameters.deny();
    assert_eq!(stage.enforce(&breach).unwrap_err().worst(), "AccessDenied");
    assert_eq!((stage.outcomes(), stage.told()), (vec![Outcome::Failed], vec![]));
}

/// An old cluster's effect comes so late: how does that end, and when?
fn check_effect(delay_ms: i64, outcome: Outcome, seconds: std::ops::RangeInclusive<i64>) {
    let stage = Stage::with_an_old_cluster();
    let breach = stage.breach();
    stage.service().behave(Manners { delay: SignedDuration::from_millis(delay_ms), ..Manners::default() });
    let began = stage.sandbox.clock.now();
    let enforced = stage.enforce(&breach);
    let took = stage.sandbox.clock.now().duration_since(began).as_secs();
    assert_eq!((enforced.is_ok(), stage.outcomes()), (outcome == Outcome::Done, vec![outcome]), "{delay_ms} ms");
    assert!(seconds.contains(&took), "{delay_ms} ms: {took} s");
}

#[test]
fn an_effect_is_waited_for_and_one_that_does_not_come_is_a_failure() {
    check_effect(0, Outcome::Done, 0..=0);
    check_effect(100, Outcome::Done, 0..=0);
    check_effect(5_000, Outcome::Done, 5..=7);
    check_effect(18_000, Outcome::Done, 18..=20);
    check_effect(60_000, Outcome::Failed, 20..=22);
}

#[test]
fn what_did_not_come_in_time_is_looked_at_again() {
    let stage = Stage::with_an_old_cluster();
    let breach = stage.breach();
    stage.service().behave(Manners { delay: SignedDuration::from_secs(60), ..Manners::default() });
    let problems = stage.enforce(&breach).unwrap_err();
    assert!(problems.to_string().contains("cluster `c1` was told to end and has not after 20 s"), "{problems}");
    stage.sandbox.pass(60);
    stage.enforce(&breach).unwrap();
    assert_eq!((stage.outcomes(), stage.told()), (vec![Outcome::Failed, Outcome::AlreadyGone], told(&["c1"])));
}

#[test]
fn looks_that_fail_while_an_effect_is_waited_for_are_repeated() {
    for (failures, outcome) in [(3, Outcome::Done), (100, Outcome::Failed)] {
        let stage = Stage::with_an_old_cluster();
        let breach = stage.breach();
        // The first look is the one that decides.
        stage.service().fail_later(SEE, CallErrorKind::Throttled, 1, failures);
        assert_eq!(stage.enforce(&breach).is_ok(), outcome == Outcome::Done);
        assert_eq!((stage.outcomes(), stage.told()), (vec![outcome], told(&["c1"])), "{failures} failures");
    }
}

#[test]
fn a_missing_permission_to_look_whether_it_took_effect_is_said_at_once_and_by_name() {
    let stage = Stage::with_an_old_cluster();
    let breach = stage.breach();
    let now = stage.sandbox.clock.now();
    stage.service().fail_later(SEE, CallErrorKind::Denied, 1, 100);
    let problems = stage.enforce(&breach).unwrap_err();
    assert_eq!((problems.worst(), stage.outcomes()), ("AccessDenied", vec![Outcome::Failed]));
    assert!(stage.sandbox.clock.now().duration_since(now) < SignedDuration::from_secs(1));
}

/// A sandbox whose steps may run for an hour, enforced, with one of two hours.
fn with_a_stuck_step() -> (Stage, Finding) {
    let stage = Stage::new(&[("emr-step-runtime/limit", "1h"), ("emr-step-runtime/mode", "enforce")]);
    let started_at = stage.sandbox.clock.now() - SignedDuration::from_hours(2);
    stage.service().hold(Observation::new("step", "j-1/s-1", "RUNNING", started_at));
    let breach = stage.breach();
    (stage, breach)
}

/// A step that ends with this attempt and no earlier one: which attempts are made, and how does that end?
fn check_attempts(from_attempt: u32, attempts: &[u32], outcome: Outcome) {
    let (stage, breach) = with_a_stuck_step();
    stage.service().behave(Manners { from_attempt, ..Manners::default() });
    assert_eq!(stage.enforce(&breach).is_ok(), outcome == Outcome::Done);
    assert_eq!(stage.told(), [("j-1/s-1".to_owned(), attempts.to_vec())]);
    assert_eq!(stage.outcomes(), [outcome]);
}

#[test]
fn an_order_without_effect_is_given_again_less_gently() {
    check_attempts(0, &[0], Outcome::Done);
    check_attempts(1, &[0, 1], Outcome::Done);
    check_attempts(2, &[0, 1], Outcome::Failed);
}

#[test]
fn a_first_attempt_that_takes_effect_late_is_enough() {
    let (stage, breach) = with_a_stuck_step();
    stage.service().behave(Manners { delay: SignedDuration::from_secs(25), ..Manners::default() });
    stage.enforce(&breach).unwrap();
    assert_eq!(stage.outcomes(), [Outcome::Done]);
    assert!(stage.sandbox.clock.now() <= breach.header.occurred_at + SignedDuration::from_secs(28));
}

#[test]
fn what_was_done_instead_is_what_the_event_says() {
    for from_attempt in [0, 1] {
        let (stage, breach) = with_a_stuck_step();
        let note = "emr-5.20.0 cannot cancel a step that runs, and `escalate` is `terminate`";
        let instead = Some((ActionKind::Terminate, note.to_owned()));
        stage.service().behave(Manners { instead, from_attempt, ..Manners::default() });
        stage.enforce(&breach).unwrap();
        let [action] = &stage.sandbox.actions()[..] else { panic!() };
        assert_eq!((action.action, action.outcome), (ActionKind::Terminate, Outcome::Done));
        assert_eq!(action.reason, format!("the step was terminated: it has run 2h of the 1h allowed; {note}"));
        // What was asked for names it, so that nobody asks twice.
        assert_eq!(action.header.id, "emr-step-runtime/j-1/s-1/100/cancel_step");
    }
}

/// A service that takes orders and answers none.
struct Silent(FakeService);

impl Act for Silent {
    const SERVICE: guardrail::Service = <FakeService as Act>::SERVICE;

    async fn look(
        &mut self,
        policy: &Policy,
        resources: &[Resource],
        with_peers: bool,
        now: Timestamp,
    ) -> Result<Look, CallError> {
        Act::look(&mut self.0, policy, resources, with_peers, now).await
    }

    async fn act(&mut self, _: &Policy, _: &[Resource], _: u32) -> Vec<Result<Acted, CallError>> {
        Vec::new()
    }
}

#[test]
fn an_order_without_an_answer_is_a_failure() {
    let stage = Stage::with_an_old_cluster();
    let breach = stage.breach();
    let mut function = stage.sandbox.enforce_through(Silent(stage.service().clone()), stage.sandbox.ledger.clone());
    let problems = block_on(function.handle(stage.sandbox.invocation(delivered(&breach)))).unwrap_err();
    assert_eq!(problems.to_string(), "`terminate` failed (Invalid): the order was not answered");
    assert_eq!(stage.outcomes(), [Outcome::Failed]);
}

/// A sandbox whose clusters have to end by themselves, enforced, with one that does not.
fn with_a_wrong_cluster() -> (Stage, Finding) {
    let stage = Stage::new(&[("emr-auto-termination/mode", "enforce")]);
    stage.service().cluster("c1", 60);
    stage.service().change("c1", |seen| seen.words(Measure::AutoTermination, ["missing"]));
    let breach = stage.breach();
    (stage, breach)
}

#[test]
fn a_setting_is_put_right_on_what_lives_on_and_verified_by_reading_it_again() {
    for (delay, outcome) in [(0, Outcome::Done), (5, Outcome::Done), (60, Outcome::Failed)] {
        let (stage, breach) = with_a_wrong_cluster();
        stage.service().behave(Manners { delay: SignedDuration::from_secs(delay), ..Manners::default() });
        assert_eq!(stage.enforce(&breach).is_ok(), outcome == Outcome::Done, "{delay} s");
        assert_eq!((stage.outcomes(), stage.service().active()), (vec![outcome], vec!["c1".to_owned()]));
    }
    let (stage, breach) = with_a_wrong_cluster();
    stage.service().behave(Manners { from_attempt: 1, ..Manners::default() });
    let problems = stage.enforce(&breach).unwrap_err();
    let missed = "cluster `c1` was given a policy and does not have it after 20 s";
    assert!(problems.to_string().contains(missed), "{problems}");

    let (stage, breach) = with_a_wrong_cluster();
    stage.enforce(&breach).unwrap();
    let reason = "the cluster was given a policy: it has the auto-termination `missing`, allowed is `set`";
    assert_eq!(stage.sandbox.actions()[0].reason, reason);
    stage.sandbox.pass(60);
    assert_eq!(stage.sweep(), []);
}

#[test]
fn what_has_to_end_is_not_taken_for_ended_because_its_reading_is_missing() {
    let stage = Stage::new(&[("emr-instance-types/mode", "enforce")]);
    stage.service().cluster("c1", 60);
    stage.service().change("c1", |seen| seen.words(Measure::InstanceTypes, ["p4d.24xlarge"]));
    let breach = stage.breach();
    stage.service().behave(Manners { from_attempt: 1, unread_after: true, ..Manners::default() });
    stage.enforce(&breach).unwrap_err();
    assert_eq!((stage.outcomes(), stage.service().active()), (vec![Outcome::Failed], vec!["c1".to_owned()]));
}

#[test]
fn what_is_put_wrong_again_before_anybody_saw_it_right_is_put_right_again() {
    let (stage, first) = with_a_wrong_cluster();
    stage.enforce(&first).unwrap();
    stage.service().let_go("c1");
    stage.sandbox.pass(60);
    let again = stage.breach();
    assert_eq!(again.header.id, first.header.id, "it is the same episode for all that is known");
    stage.enforce(&again).unwrap();
    assert_eq!((stage.outcomes(), stage.told()), (vec![Outcome::Done; 2], vec![("c1".to_owned(), vec![0, 0])]));
    // A request that comes late finds it right, which is no news.
    stage.enforce(&again).unwrap();
    assert_eq!((stage.outcomes().len(), stage.told()), (2, vec![("c1".to_owned(), vec![0, 0])]));
}

#[test]
fn what_was_done_stays_on_record_when_a_late_request_finds_nothing_left_to_do() {
    let stage = Stage::new(&[("emr-instance-types/mode", "enforce")]);
    stage.service().cluster("c1", 60);
    stage.service().change("c1", |seen| seen.words(Measure::InstanceTypes, ["p4d.24xlarge"]));
    let breach = stage.breach();
    for _ in 0..2 {
        stage.enforce(&breach).unwrap();
        stage.sandbox.pass(1);
    }
    stage.service().forget("c1");
    stage.enforce(&breach).unwrap();
    assert_eq!((stage.outcomes(), stage.sandbox.actions().len()), (vec![Outcome::Done], 1));
}

#[test]
fn a_condition_that_comes_back_is_acted_on_again_under_the_id_of_its_episode() {
    let (stage, first) = with_a_wrong_cluster();
    stage.enforce(&first).unwrap();
    stage.sandbox.pass(3 * 3600);
    stage.service().change("c1", |seen| seen.words(Measure::AutoTermination, ["missing"]));
    stage.service().let_go("c1");
    let second = stage.breach();
    stage.enforce(&second).unwrap();
    stage.enforce(&first).unwrap();
    let ids: Vec<_> = stage.sandbox.actions().into_iter().map(|action| action.header.id).collect();
    let id = |began: &str| format!("emr-auto-termination/c1/100/{began}/put_policy");
    assert_eq!(ids, [id("2026-11-21T12:00:00Z"), id(&second.episode.unwrap().to_string())]);
    assert_eq!(stage.told(), [("c1".to_owned(), vec![0, 0])]);
}

/// Who an action's event names, where the service and the finding say so much.
fn check_owner(of_service: Option<&str>, of_finding: Option<&str>, expected: Option<&str>) {
    let stage = Stage::with_an_old_cluster();
    let breach = stage.breach();
    if let Some(owner) = of_finding {
        let mut owned = breach.clone();
        owned.owner = Some(owner.to_owned());
        owned.header.occurred_at = stage.sandbox.clock.now() + SignedDuration::from_secs(1);
        block_on(stage.sandbox.ledger.supersede(&owned.into(), stage.sandbox.clock.now())).unwrap();
    }
    if let Some(owner) = of_service {
        stage.service().change("c1", |seen| seen.tagged([("owner", owner)]));
    }
    // What the request itself says of an owner is not believed.
    let mut forged = breach;
    forged.owner = Some("mallory".to_owned());
    stage.enforce(&forged).unwrap();
    assert_eq!(stage.sandbox.actions()[0].owner.as_deref(), expected);
}

#[test]
fn an_action_names_the_owner_that_its_finding_names() {
    check_owner(None, None, None);
    check_owner(None, Some("ana"), Some("ana"));
    check_owner(Some("jo"), None, Some("jo"));
    check_owner(Some("jo"), Some("ana"), Some("ana"));
}

#[test]
fn an_action_says_what_it_was_held_against() {
    let stage = Stage::new(&[("emr-cluster-age/limit/user-type/student", "1h"), ("emr-cluster-age/mode", "enforce")]);
    stage.service().cluster("c1", 6000);
    stage.service().change("c1", |seen| seen.within(ScopeKind::UserType, Some("student")));
    stage.enforce(&stage.breach()).unwrap();
    let [action] = &stage.sandbox.actions()[..] else { panic!() };
    assert_eq!(action.limit, Some(Quantity::minutes(60)));
    assert_eq!(action.measured, Some(Quantity::minutes(100)));
    assert_eq!(action.scope.as_deref(), Some("student"));
}

#[test]
fn a_run_that_died_holding_its_claim_delays_the_action_only_until_the_claim_lapses() {
    let stage = Stage::with_an_old_cluster();
    let breach = stage.breach();
    let now = stage.sandbox.clock.now();
    let until = now + SignedDuration::from_secs(175);
    let claim = Claim { id: "emr-cluster-age/c1/100/terminate", holder: "a run that died", until };
    assert_eq!(block_on(stage.sandbox.ledger.claim(&claim, now)), Ok(true));
    stage.sandbox.pass(174);
    stage.enforce(&breach).unwrap();
    assert_eq!(stage.told(), []);
    stage.sandbox.pass(1);
    stage.enforce(&breach).unwrap();
    assert_eq!(stage.told(), told(&["c1"]));
}
