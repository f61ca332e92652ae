//! EMR in memory as an enforce sees it and acts on it.

use guardrail::judge::assess;
use guardrail::{Event, Finding, Measure, catalogue};
use lambda::fakes::block_on;

use super::*;
use crate::clusters::Details;
use crate::fakes::{FakeCluster, FakeEmr, NOW, ago, configuration, resource};

/// An enforce of one guardrail under these settings.
struct Stage {
    fake: FakeEmr,
    emr: Emr<FakeEmr>,
    policy: Policy,
}

impl Stage {
    fn new(guardrail: &str, settings: &[(&str, &str)]) -> Self {
        let fake = FakeEmr::default();
        let policy = configuration(settings).policy(catalogue::find(guardrail).unwrap());
        Self { emr: Emr::new(fake.clone()), fake, policy }
    }

    fn try_look(&mut self, kind: &str, ids: &[&str], with_peers: bool) -> Result<Look, CallError> {
        let resources: Vec<Resource> = ids.iter().map(|id| resource(kind, id)).collect();
        block_on(self.emr.look(&self.policy, &resources, with_peers, NOW.parse().unwrap()))
    }

    fn look(&mut self, kind: &str, ids: &[&str]) -> Look {
        self.try_look(kind, ids, false).unwrap()
    }

    fn act(&mut self, kind: &str, ids: &[&str], attempt: u32) -> Vec<Outcome> {
        let resources: Vec<Resource> = ids.iter().map(|id| resource(kind, id)).collect();
        block_on(self.emr.act(&self.policy, &resources, attempt))
    }
}

fn refused(reason: &str) -> Outcome {
    Ok(Acted::Refused(reason.to_owned()))
}

fn found(look: &Look) -> Vec<(&str, Found)> {
    look.found.iter().map(|(id, found)| (id.as_str(), found.clone())).collect()
}

const PROTECTED: &str = "the cluster has termination protection, and `termination_protection` is `respect`";

#[test]
fn clusters_are_found_as_they_are() {
    let mut stage = Stage::new("emr-cluster-age", &[]);
    for (id, state) in [("j-1", "RUNNING"), ("j-2", "TERMINATING"), ("j-3", "TERMINATED"), ("j-4", "RESIZING")] {
        stage.fake.cluster(id, state, |cluster| cluster.tag("owner", "ana"));
    }
    let look = stage.look("cluster", &["j-1", "j-2", "j-3", "j-4", "j-5"]);
    let expected = [
        ("j-1", Found::Active),
        ("j-2", Found::Ending("TERMINATING".to_owned())),
        ("j-3", Found::Ended("TERMINATED".to_owned())),
        ("j-4", Found::Active),
        ("j-5", Found::Unknown),
    ];
    assert_eq!(found(&look), expected);
    assert_eq!(look.observations.len(), 2);
    assert_eq!(look.observations[0].owner.as_deref(), Some("ana"));
    assert_eq!(stage.fake.calls(), BTreeMap::from([("DescribeCluster", 5)]));
    assert_eq!(stage.fake.most_at_once(), 2);
}

/// A look of this guardrail measures this of a cluster, with these calls beside describing it.
fn check_measured(guardrail: &str, measure: Measure, calls: &[&'static str]) {
    let mut stage = Stage::new(guardrail, &[]);
    stage.fake.cluster("j-1", "WAITING", |_| {});
    let look = stage.look("cluster", &["j-1"]);
    let now = NOW.parse().unwrap();
    assert_eq!(assess(&stage.policy, &look.observations, now).len(), 1, "{guardrail} measures {measure:?}");
    let calls = calls.iter().chain(&["DescribeCluster"]).map(|call| (*call, 1));
    assert_eq!(stage.fake.calls(), calls.collect(), "{guardrail}");
}

#[test]
fn a_look_reads_what_its_guardrail_measures_and_no_more() {
    check_measured("emr-cluster-age", Measure::ElapsedTime, &[]);
    check_measured("emr-cluster-idle-time", Measure::IdleTime, &["ListSteps"]);
    check_measured("emr-cluster-instances", Measure::Instances, &["ListInstanceGroups"]);
    check_measured("emr-cluster-vcpus", Measure::Vcpus, &["ListInstanceGroups"]);
    check_measured("emr-instance-types", Measure::InstanceTypes, &["ListInstanceGroups"]);
    check_measured("emr-auto-termination", Measure::AutoTermination, &["GetAutoTerminationPolicy"]);
}

#[test]
fn every_cluster_is_counted_again_before_one_is_terminated() {
    let mut stage = Stage::new("emr-cluster-count", &[("emr-cluster-count/limit", "2")]);
    for (id, minutes) in [("j-1", 30), ("j-2", 20), ("j-3", 10), ("j-4", 5)] {
        stage.fake.cluster(id, "RUNNING", |cluster| cluster.cluster.created_at = Some(ago(minutes)));
    }
    stage.fake.become_state("j-2", "TERMINATING");
    let look = stage.try_look("cluster", &["j-4", "j-2"], true).unwrap();
    assert_eq!(found(&look), [("j-2", Found::Ending("TERMINATING".to_owned())), ("j-4", Found::Active)]);
    let now = NOW.parse().unwrap();
    let beyond = assess(&stage.policy, &look.observations, now).into_iter().filter(|seen| seen.breach);
    assert_eq!(beyond.map(|seen| seen.observation.resource.id.clone()).collect::<Vec<_>>(), ["j-4"]);
    let calls = BTreeMap::from([("ListClusters", 1), ("DescribeCluster", 1)]);
    assert_eq!(stage.fake.calls(), calls, "tags matter to no limit");

    // Looking whether it went needs nobody else.
    assert_eq!(stage.look("cluster", &["j-4"]).observations.len(), 1);
    assert_eq!(stage.fake.calls(), BTreeMap::from([("DescribeCluster", 1)]));
}

#[test]
fn clusters_are_counted_with_their_tags_where_an_exemption_depends_on_them() {
    let exemption = r#"{"resource_owner":"ana","owner":"jo","reason":"year end","expires":"2027-01-31T00:00:00Z"}"#;
    let settings = [("emr-cluster-count/limit", "1"), ("exemptions/year-end", exemption)];
    let mut stage = Stage::new("emr-cluster-count", &settings);
    stage.fake.cluster("j-1", "RUNNING", |cluster| cluster.tag("owner", "ana"));
    stage.fake.cluster("j-2", "RUNNING", |_| {});
    let look = stage.try_look("cluster", &["j-2"], true).unwrap();
    let now = NOW.parse().unwrap();
    assert!(assess(&stage.policy, &look.observations, now).iter().all(|seen| !seen.breach));
    assert_eq!(stage.fake.calls(), BTreeMap::from([("ListClusters", 1), ("DescribeCluster", 2)]));
}

#[test]
fn steps_are_found_as_they_are_and_end_with_their_cluster() {
    let mut stage = Stage::new("emr-step-runtime", &[]);
    stage.fake.cluster("j-1", "RUNNING", |cluster| {
        for (id, state) in [
            ("s-1", "RUNNING"),
            ("s-2", "CANCEL_PENDING"),
            ("s-3", "COMPLETED"),
            ("s-4", "SUSPENDED"),
            ("s-5", "PENDING"),
        ] {
            cluster.step(id, state, 30);
        }
    });
    stage.fake.cluster("j-2", "TERMINATING", |cluster| cluster.step("s-1", "RUNNING", 30));
    let ids = ["j-1/s-1", "j-1/s-2", "j-1/s-3", "j-1/s-4", "j-1/s-5", "j-1/s-6", "j-2/s-1", "j-3/s-1", "nonsense"];
    let look = stage.look("step", &ids);
    let expected = [
        ("j-1/s-1", Found::Active),
        ("j-1/s-2", Found::Ending("CANCEL_PENDING".to_owned())),
        ("j-1/s-3", Found::Ended("COMPLETED".to_owned())),
        ("j-1/s-4", Found::Active),
        ("j-1/s-5", Found::Unknown),
        ("j-1/s-6", Found::Unknown),
        ("j-2/s-1", Found::Ending("TERMINATING".to_owned())),
        ("j-3/s-1", Found::Unknown),
        ("nonsense", Found::Unknown),
    ];
    assert_eq!(found(&look), expected);
    assert_eq!(look.observations.len(), 2);
}

#[test]
fn pending_steps_are_counted_again_by_cluster() {
    let mut stage = Stage::new("emr-pending-steps", &[("emr-pending-steps/limit", "2")]);
    stage.fake.cluster("j-1", "RUNNING", |cluster| {
        cluster.step("s-0", "RUNNING", 9);
        for n in 1..=4 {
            cluster.step(&format!("s-{n}"), "PENDING", 9 - n);
        }
        cluster.step("s-5", "CANCELLED", 4);
    });
    let look = stage.try_look("pending step", &["j-1/s-0", "j-1/s-4", "j-1/s-5", "j-9/s-1"], true).unwrap();
    let expected = [
        ("j-1/s-0", Found::Ended("RUNNING".to_owned())),
        ("j-1/s-4", Found::Active),
        ("j-1/s-5", Found::Ended("CANCELLED".to_owned())),
        ("j-9/s-1", Found::Unknown),
    ];
    assert_eq!(found(&look), expected);
    let now = NOW.parse().unwrap();
    let beyond = assess(&stage.policy, &look.observations, now).into_iter().filter(|seen| seen.breach);
    assert_eq!(beyond.map(|seen| seen.observation.resource.id.clone()).collect::<Vec<_>>(), ["j-1/s-3", "j-1/s-4"]);
}

#[test]
fn what_is_of_another_kind_is_unknown_and_what_cannot_be_seen_fails() {
    let mut stage = Stage::new("emr-cluster-age", &[]);
    stage.fake.cluster("j-1", "RUNNING", |cluster| cluster.step("s-1", "RUNNING", 9));
    assert_eq!(found(&stage.look("step", &["j-1/s-1"])), [("j-1/s-1", Found::Unknown)]);
    stage.fake.fail("DescribeCluster", None, CallErrorKind::Denied, 1);
    assert_eq!(stage.try_look("cluster", &["j-1"], false).unwrap_err().kind, CallErrorKind::Denied);
    let mut stage = Stage::new("emr-cluster-count", &[]);
    stage.fake.fail("ListClusters", None, CallErrorKind::Unavailable, 1);
    assert_eq!(stage.try_look("cluster", &["j-1"], true).unwrap_err().kind, CallErrorKind::Unavailable);
}

#[test]
fn clusters_are_terminated_ten_with_one_call() {
    let mut stage = Stage::new("emr-cluster-age", &[]);
    let ids: Vec<String> = (10..22).map(|n| format!("j-{n}")).collect();
    ids.iter().for_each(|id| stage.fake.cluster(id, "RUNNING", |_| {}));
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(stage.act("cluster", &ids, 0), vec![Ok(Acted::told(ActionKind::Terminate)); 12]);
    assert!(ids.iter().all(|id| stage.fake.state(id) == "TERMINATING"));
    assert_eq!(stage.fake.calls(), BTreeMap::from([("TerminateJobFlows", 2)]));
}

#[test]
fn a_protected_cluster_is_respected_and_does_not_save_the_others() {
    let mut stage = Stage::new("emr-cluster-age", &[]);
    stage.fake.cluster("j-1", "RUNNING", |_| {});
    stage.fake.cluster("j-2", "RUNNING", |cluster| cluster.protected = true);
    stage.fake.cluster("j-3", "TERMINATED", |_| {});
    let told = || Ok(Acted::told(ActionKind::Terminate));
    let outcomes = stage.act("cluster", &["j-1", "j-2", "j-3", "j-gone"], 0);
    assert_eq!(outcomes, [told(), refused(PROTECTED), told(), told()]);
    assert_eq!((stage.fake.state("j-1"), stage.fake.state("j-2")), ("TERMINATING".to_owned(), "RUNNING".to_owned()));
}

#[test]
fn protection_is_lifted_where_that_was_chosen() {
    let mut stage = Stage::new("emr-cluster-age", &[("emr-cluster-age/termination_protection", "lift")]);
    stage.fake.cluster("j-1", "RUNNING", |cluster| cluster.protected = true);
    stage.fake.cluster("j-2", "RUNNING", |_| {});
    assert_eq!(stage.act("cluster", &["j-1", "j-2"], 0), vec![Ok(Acted::told(ActionKind::Terminate)); 2]);
    assert_eq!(stage.fake.calls(), BTreeMap::from([("SetTerminationProtection", 1), ("TerminateJobFlows", 1)]));
    assert_eq!(stage.fake.state("j-1"), "TERMINATING");

    // One that has ended cannot be unlocked, and does not save the others.
    stage.fake.cluster("j-1", "TERMINATED", |_| {});
    stage.fake.cluster("j-2", "RUNNING", |cluster| cluster.protected = true);
    assert_eq!(stage.act("cluster", &["j-1", "j-2"], 0), vec![Ok(Acted::told(ActionKind::Terminate)); 2]);
    assert_eq!(stage.fake.state("j-2"), "TERMINATING");
}

#[test]
fn a_call_that_fails_is_an_error_for_each_and_tried_once() {
    let mut stage = Stage::new("emr-cluster-age", &[]);
    stage.fake.cluster("j-1", "RUNNING", |_| {});
    stage.fake.cluster("j-2", "RUNNING", |_| {});
    stage.fake.fail("TerminateJobFlows", None, CallErrorKind::Throttled, 1);
    let outcomes = stage.act("cluster", &["j-1", "j-2"], 0);
    assert!(outcomes.iter().all(|outcome| outcome.as_ref().unwrap_err().kind == CallErrorKind::Throttled));
    assert_eq!(stage.fake.calls(), BTreeMap::from([("TerminateJobFlows", 1)]));
}

fn with_steps(cluster: &mut FakeCluster) {
    cluster.step("s-1", "RUNNING", 90);
    cluster.step("s-deaf", "RUNNING", 90);
    cluster.step("s-done", "COMPLETED", 90);
}

#[test]
fn steps_are_interrupted_first_and_killed_then() {
    let mut stage = Stage::new("emr-step-runtime", &[]);
    assert_eq!(stage.emr.attempts(ActionKind::CancelStep), 2);
    assert_eq!(stage.emr.attempts(ActionKind::Terminate), 1);
    stage.fake.cluster("j-1", "RUNNING", with_steps);
    let ids = ["j-1/s-1", "j-1/s-deaf", "j-1/s-done", "j-9/s-1"];
    stage.look("step", &ids);
    assert_eq!(stage.act("step", &ids, 0), vec![Ok(Acted::told(ActionKind::CancelStep)); 4]);
    assert_eq!(stage.fake.step_state("j-1", "s-1"), "CANCELLED");
    assert_eq!(stage.fake.step_state("j-1", "s-deaf"), "RUNNING");
    assert_eq!(stage.act("step", &["j-1/s-deaf"], 1), [Ok(Acted::told(ActionKind::CancelStep))]);
    assert_eq!(stage.fake.step_state("j-1", "s-deaf"), "CANCELLED");
}

/// What becomes of the running step of a cluster like this, under these settings.
fn cancel(settings: &[(&str, &str)], shape: impl FnOnce(&mut FakeCluster)) -> (Outcome, FakeEmr) {
    let mut stage = Stage::new("emr-step-runtime", settings);
    stage.fake.cluster("j-1", "RUNNING", |cluster| {
        with_steps(cluster);
        shape(cluster);
    });
    stage.look("step", &["j-1/s-1"]);
    (stage.act("step", &["j-1/s-1"], 0).remove(0), stage.fake)
}

fn old(cluster: &mut FakeCluster) {
    cluster.details = Details { release: Some("emr-5.27.0".to_owned()), ..Details::default() };
}

#[test]
fn a_step_that_cannot_be_cancelled_is_reported_or_its_cluster_terminated() {
    let (outcome, fake) = cancel(&[], old);
    assert_eq!(outcome, refused("the release cannot cancel a running step, and `escalate` is `report`"));
    assert!(!fake.calls().contains_key("CancelSteps"));

    let (outcome, _) = cancel(&[], |cluster| cluster.refuses_to_cancel = true);
    assert_eq!(outcome, refused("EMR refused to cancel it (`not now`), and `escalate` is `report`"));

    let escalate = ("emr-step-runtime/escalate", "terminate");
    let (outcome, fake) = cancel(&[escalate], old);
    let note = "the release cannot cancel a running step, and `escalate` is `terminate`".to_owned();
    assert_eq!(outcome, Ok(Acted::Told { action: ActionKind::Terminate, note }));
    assert_eq!(fake.state("j-1"), "TERMINATING");

    let protected = |cluster: &mut FakeCluster| {
        old(cluster);
        cluster.protected = true;
    };
    let (outcome, fake) = cancel(&[escalate], protected);
    assert_eq!(outcome, refused(&format!("the release cannot cancel a running step, and {PROTECTED}")));
    assert_eq!(fake.state("j-1"), "RUNNING");
    let lift = ("emr-step-runtime/termination_protection", "lift");
    assert_eq!(cancel(&[escalate, lift], protected).1.state("j-1"), "TERMINATING");
}

#[test]
fn pending_steps_are_just_cancelled() {
    let mut stage = Stage::new("emr-pending-steps", &[]);
    stage.fake.cluster("j-1", "RUNNING", |cluster| {
        old(cluster);
        (0..300).for_each(|n| cluster.step(&format!("s-{n}"), "PENDING", 9));
    });
    let ids: Vec<String> = (0..300).map(|n| format!("j-1/s-{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(stage.act("pending step", &ids, 0), vec![Ok(Acted::told(ActionKind::CancelStep)); 300]);
    assert_eq!(stage.fake.calls(), BTreeMap::from([("CancelSteps", 2)]));
    assert_eq!(stage.fake.step_state("j-1", "s-299"), "CANCELLED");

    stage.fake.change("j-1", |cluster| {
        cluster.step("s-new", "PENDING", 1);
        cluster.refuses_to_cancel = true;
    });
    let outcome = stage.act("pending step", &["j-1/s-new"], 0).remove(0);
    assert_eq!(outcome.unwrap_err().kind, CallErrorKind::Unavailable, "it is tried again");
}

#[test]
fn a_policy_is_put_and_seen() {
    let mut stage = Stage::new("emr-auto-termination", &[]);
    stage.fake.cluster("j-1", "RUNNING", |_| {});
    stage.fake.cluster("j-2", "RUNNING", |cluster| cluster.takes_policy = false);
    let breaches = |look: &Look, policy: &Policy| {
        assess(policy, &look.observations, NOW.parse().unwrap()).iter().filter(|seen| seen.breach).count()
    };
    let look = stage.look("cluster", &["j-1", "j-2"]);
    assert_eq!(breaches(&look, &stage.policy), 2);
    let outcomes = stage.act("cluster", &["j-1", "j-2", "j-gone"], 0);
    assert_eq!(outcomes[0], Ok(Acted::told(ActionKind::PutPolicy)));
    assert!(matches!(&outcomes[1], Ok(Acted::Refused(reason)) if reason.contains("takes no auto-termination policy")));
    assert_eq!(outcomes[2], Ok(Acted::told(ActionKind::PutPolicy)));
    assert!(stage.fake.has_policy("j-1"));
    let look = stage.look("cluster", &["j-1"]);
    assert_eq!((found(&look), breaches(&look, &stage.policy)), (vec![("j-1", Found::Active)], 0));
}

#[test]
fn a_guardrail_that_only_reports_does_nothing() {
    let mut stage = Stage::new("emr-release", &[]);
    stage.fake.cluster("j-1", "RUNNING", |_| {});
    assert!(matches!(&stage.act("cluster", &["j-1"], 0)[..], [Ok(Acted::Refused(_))]));
    assert_eq!(stage.fake.calls(), BTreeMap::new());
}

/// A sample is the finding of this guardrail, with the id that such a finding has.
fn check_sample(name: &str, guardrail: &str) {
    let path = format!("{}/../../events/emr-enforce/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let event: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let Event::Finding(finding) = Event::from_detail("Guardrail Finding", event["detail"].clone()).unwrap() else {
        panic!("`{name}` is no finding");
    };
    let guardrail = catalogue::find(guardrail).unwrap();
    assert_eq!(
        finding.header.id,
        Finding::id_of(guardrail, &finding.resource, finding.level, finding.episode),
        "{name}"
    );
    assert!(finding.wants_action() && guardrail.measures(&finding.resource.kind), "{name}");
    assert_eq!((finding.action, finding.measure), (guardrail.action, guardrail.measure), "{name}");
}

#[test]
fn samples_are_findings_as_a_watch_makes_them() {
    check_sample("breach", "emr-cluster-age");
    check_sample("other-account", "emr-cluster-age");
    check_sample("step-breach", "emr-step-runtime");
    check_sample("count-breach", "emr-cluster-count");
}
