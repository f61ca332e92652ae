//! Many beyond one cap: one run deals with all that were asked for, and with nothing else.

use super::*;

/// A sandbox with a cap of three clusters, enforced, and these many, `c1` the oldest.
fn storm(clusters: usize, settings: &[(&str, &str)]) -> Stage {
    let stage = Stage::new(&[("emr-cluster-count/limit", "3"), ("emr-cluster-count/mode", "enforce")]);
    for (setting, value) in settings {
        stage.sandbox.put(setting, value);
    }
    for cluster in 1..=clusters {
        stage.service().cluster(&format!("c{cluster}"), 600 - i64::try_from(cluster).unwrap());
    }
    stage
}

fn ids(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.resource.id.as_str()).collect()
}

#[test]
fn one_run_deals_with_all_that_were_asked_for() {
    let stage = storm(6, &[]);
    let breaches = stage.sweep();
    assert_eq!(ids(&breaches), ["c6", "c5", "c4"]);
    stage.enforce(&breaches[1]).unwrap();
    assert_eq!(stage.told(), told(&["c4", "c5", "c6"]));
    let mut actions = stage.sandbox.actions();
    actions.sort_by(|a, b| b.resource.cmp(&a.resource));
    for (action, breach) in actions.iter().zip(&breaches) {
        assert_eq!(action.finding, breach.header.id);
        assert_eq!(action.header.id, format!("{}/terminate", breach.header.id));
        assert_eq!(action.outcome, Outcome::Done);
        let reason = "the cluster was terminated: it is one of 6 where 3 are allowed, and newer than the 3 that stay";
        assert_eq!(action.reason, reason);
        assert_eq!((&action.limit, &action.measured), (&Some(Quantity::Count(3)), &Some(Quantity::Count(6))));
    }
    // The others find that it is done, and nobody is told anything twice.
    for breach in breaches.iter().chain(&breaches) {
        stage.enforce(breach).unwrap();
        stage.sandbox.pass(100);
    }
    assert_eq!((stage.told(), stage.outcomes().len()), (told(&["c4", "c5", "c6"]), 3));
}

#[test]
fn what_nobody_has_asked_for_is_left_alone() {
    let stage = storm(5, &[]);
    let breaches = stage.sweep();
    // It is beyond the cap too, but no watch has seen it.
    stage.service().cluster("c6", 0);
    stage.enforce(&breaches[0]).unwrap();
    assert_eq!(stage.told(), told(&["c4", "c5"]));
    stage.sandbox.pass(60);
    stage.enforce(&stage.breach()).unwrap();
    assert_eq!(stage.told(), told(&["c4", "c5", "c6"]));
}

#[test]
fn what_was_held_back_waits_for_its_turn() {
    let stage = storm(8, &[("emr-cluster-count/max_actions", "2")]);
    let breaches = stage.sweep();
    assert_eq!(ids(&breaches), ["c8", "c7"]);
    // There is room for more by now, but more were not asked for.
    stage.sandbox.put("emr-cluster-count/max_actions", "20");
    stage.enforce(&breaches[1]).unwrap();
    assert_eq!(stage.told(), told(&["c7", "c8"]));
    stage.sandbox.pass(60);
    stage.sandbox.put("emr-cluster-count/max_actions", "2");
    let breaches = stage.sweep();
    assert_eq!(ids(&breaches), ["c6", "c5"]);
    stage.enforce(&breaches[0]).unwrap();
    assert_eq!(stage.told(), told(&["c5", "c6", "c7", "c8"]));
    stage.sandbox.pass(60);
    stage.enforce(&stage.breach()).unwrap();
    assert_eq!(stage.service().active(), ["c1", "c2", "c3"]);
}

#[test]
fn one_run_deals_with_no_more_than_it_may() {
    for (max_actions, expected) in [("1", vec!["c4"]), ("2", vec!["c4", "c8"]), ("4", vec!["c4", "c6", "c7", "c8"])] {
        let stage = storm(8, &[]);
        let breaches = stage.sweep();
        assert_eq!(breaches.len(), 5);
        stage.sandbox.put("emr-cluster-count/max_actions", max_actions);
        stage.enforce(&breaches[4]).unwrap();
        assert_eq!(stage.told(), told(&expected), "at most {max_actions}: its own and the newest");
    }
}

#[test]
fn whoever_has_made_room_by_ending_spares_the_others() {
    let stage = storm(5, &[]);
    let breaches = stage.sweep();
    stage.service().end("c1");
    stage.enforce(&breaches[1]).unwrap();
    let [action] = &stage.sandbox.actions()[..] else { panic!() };
    let reason = "the cluster is within its limit: it is one of 4 where 3 are allowed, and among those that stay";
    assert_eq!((action.outcome, action.resource.id.as_str(), action.reason.as_str()), (Outcome::Refused, "c4", reason));
    stage.enforce(&breaches[0]).unwrap();
    assert_eq!(stage.service().active(), ["c2", "c3", "c4"]);
}

#[test]
fn what_is_exempt_or_only_observed_is_no_part_of_the_batch() {
    let stage = storm(7, &[("emr-cluster-count/mode/user-type/guest", "observe")]);
    stage.service().change("c6", |seen| seen.within(ScopeKind::UserType, Some("guest")));
    let breaches = stage.sweep();
    assert_eq!(ids(&breaches), ["c7", "c5", "c4"]);
    let exemption = r#"{"resource":"c5","owner":"jo","reason":"year end","expires":"2027-01-31T00:00:00Z"}"#;
    stage.sandbox.parameters.put("/sandbox-guardrails/exemptions/year-end", exemption);
    stage.enforce(&breaches[0]).unwrap();
    assert_eq!(stage.told(), told(&["c4", "c7"]));
    stage.enforce(&breaches[1]).unwrap();
    let spared = stage.sandbox.actions().pop().unwrap();
    assert_eq!((spared.outcome, spared.reason.as_str()), (Outcome::Exempt, "exemption `year-end` covers the cluster"));
}

#[test]
fn one_that_another_run_is_dealing_with_is_left_to_it() {
    let stage = storm(6, &[]);
    let breaches = stage.sweep();
    let action = format!("{}/terminate", breaches[1].header.id);
    let now = stage.sandbox.clock.now();
    let claim = Claim { id: &action, holder: "another run", until: now + SignedDuration::from_secs(175) };
    assert_eq!(block_on(stage.sandbox.ledger.claim(&claim, now)), Ok(true));
    stage.enforce(&breaches[0]).unwrap();
    assert_eq!(stage.told(), told(&["c4", "c6"]));
}

#[test]
fn one_that_fails_does_not_keep_the_others_from_being_dealt_with() {
    let stage = storm(6, &[]);
    let breaches = stage.sweep();
    stage.service().fail(ORDER, CallErrorKind::Throttled, 1);
    assert_eq!(stage.enforce(&breaches[0]), Err(failed(ORDER, CallErrorKind::Throttled).into()));
    assert_eq!(stage.told(), told(&["c4", "c5"]));
    stage.sandbox.pass(60);
    stage.enforce(&breaches[0]).unwrap();
    assert_eq!(stage.told(), told(&["c4", "c5", "c6"]));
    assert_eq!(stage.outcomes(), [Outcome::Failed, Outcome::Done, Outcome::Done, Outcome::Done]);
}

#[test]
fn a_ledger_that_cannot_be_asked_about_the_others_leaves_them_to_their_own_findings() {
    let stage = storm(6, &[]);
    let breaches = stage.sweep();
    stage.sandbox.ledger.corrupt(&breaches[2].header.id);
    stage.enforce(&breaches[0]).unwrap();
    assert!(stage.told().contains(&("c6".to_owned(), vec![0])), "{:?}", stage.told());
    let again = stage.enforce(&breaches[2]);
    assert_eq!(again.unwrap_err().worst(), "Invalid");
}

#[test]
fn steps_are_counted_in_their_cluster() {
    let stage = Stage::new(&[
        ("emr-pending-steps/limit", "2"),
        ("emr-pending-steps/mode", "enforce"),
        ("emr-pending-steps/limit/j-2", "3"),
    ]);
    for (cluster, step) in [("j-1", 1), ("j-1", 2), ("j-1", 3), ("j-2", 1), ("j-2", 2), ("j-2", 3), ("j-2", 4)] {
        let started_at = stage.sandbox.clock.now() - SignedDuration::from_secs(60 - step);
        let step = Observation::new("pending step", format!("{cluster}/s-{step}"), "PENDING", started_at);
        stage.service().hold(step.within(ScopeKind::Cluster, Some(cluster)));
    }
    let breaches = stage.sweep();
    stage.enforce(&breaches[0]).unwrap();
    assert_eq!(stage.told(), told(&["j-1/s-3", "j-2/s-4"]));
}
