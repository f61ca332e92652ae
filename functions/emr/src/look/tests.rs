//! EMR in memory as a watch sees it: what it observes, with which calls, and what it makes of failures and signals.

use std::collections::BTreeSet;

use guardrail::{Observation, Quantity, Reading, ScopeKind};
use lambda::fakes::block_on;
use serde_json::Value;

use super::*;
use crate::fakes::{FakeEmr, NOW, ago, configuration, resource};

const ALL: &[&str] = &["cluster", "step", "pending step"];
const OTHERS_OFF: &[(&str, &str)] = &[
    ("emr-cluster-count/mode", "off"),
    ("emr-cluster-age/mode", "off"),
    ("emr-cluster-idle-time/mode", "off"),
    ("emr-step-runtime/mode", "off"),
    ("emr-pending-steps/mode", "off"),
    ("emr-cluster-instances/mode", "off"),
    ("emr-cluster-vcpus/mode", "off"),
    ("emr-instance-types/mode", "off"),
    ("emr-release/mode", "off"),
    ("emr-auto-termination/mode", "off"),
    ("emr-security-configuration/mode", "off"),
];

/// Every guardrail off but these, and these settings.
fn only<'a>(guardrails: &[&str], settings: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let off = OTHERS_OFF.iter().filter(|(name, _)| !guardrails.iter().any(|id| *name == format!("{id}/mode")));
    off.chain(settings).copied().collect()
}

/// A watch that may be warm, under one configuration.
struct Stage {
    fake: FakeEmr,
    emr: Emr<FakeEmr>,
    configuration: guardrail::Configuration,
    now: Timestamp,
}

impl Stage {
    fn new(parameters: &[(&str, &str)]) -> Self {
        let fake = FakeEmr::default();
        let emr = Emr::new(fake.clone());
        Self { fake, emr, configuration: configuration(parameters), now: NOW.parse().unwrap() }
    }

    fn sweep(&mut self) -> Seen {
        self.sweep_for(175)
    }

    fn sweep_for(&mut self, seconds: i64) -> Seen {
        let wanted = Wanted::new(Service::Emr, &self.configuration);
        block_on(self.emr.sweep(wanted, self.now, self.now + SignedDuration::from_secs(seconds)))
    }

    fn signal(&mut self, sample: &str) -> Seen {
        let path = format!("{}/../../events/emr-watch/{sample}.json", env!("CARGO_MANIFEST_DIR"));
        let event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let event = lambda::trigger::envelope(&event).unwrap();
        block_on(self.emr.signal(&event, Wanted::new(Service::Emr, &self.configuration), self.now))
    }

    fn again(&mut self, resources: &[Resource]) -> Seen {
        block_on(self.emr.again(resources, Wanted::new(Service::Emr, &self.configuration), self.now))
    }

    fn wait(&mut self, minutes: i64) {
        self.now += SignedDuration::from_mins(minutes);
    }

    #[track_caller]
    fn check_calls(&self, expected: &[(&'static str, usize)]) {
        assert_eq!(self.fake.calls(), expected.iter().copied().collect());
    }
}

/// What was seen, as `kind id`, in order.
fn names(seen: &Seen) -> Vec<String> {
    let names = seen.observations.iter().map(|seen| format!("{} {}", seen.resource.kind, seen.resource.id));
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

fn find<'a>(seen: &'a Seen, id: &str) -> &'a Observation {
    seen.observations.iter().find(|seen| seen.resource.id == id).unwrap()
}

fn words(words: &[&str]) -> Option<Reading> {
    Some(Reading::Words(words.iter().map(|word| (*word).to_owned()).collect()))
}

#[test]
fn a_sweep_sees_clusters_and_steps_with_all_their_readings() {
    let mut stage = Stage::new(&[]);
    stage.fake.cluster("j-busy", "RUNNING", |cluster| {
        cluster.tag("owner", "ana");
        cluster.tag("cluster-template", "spark-small");
        cluster.tag("user-type", "scientist");
        cluster.tag("Name", "nightly");
        cluster.details.has_security_configuration = true;
        cluster.has_policy = true;
        cluster.instances.insert("c4.8xlarge".to_owned(), 1);
        cluster.step("s-done", "COMPLETED", 90);
        cluster.step("s-run", "RUNNING", 30);
        cluster.step("s-ending", "CANCEL_PENDING", 30);
        cluster.step("s-wait", "PENDING", 10);
    });
    stage.fake.cluster("j-ending", "TERMINATING", |_| {});
    let seen = stage.sweep();
    assert!(seen.problems.is_empty());
    assert_eq!(names(&seen), ["cluster j-busy", "pending step j-busy/s-wait", "step j-busy/s-run"]);
    assert_eq!(seen.whole, ALL.iter().copied().collect());
    assert_eq!(seen.saw, BTreeMap::from([("clusters", 1), ("steps", 1), ("pending steps", 1)]));

    let cluster = find(&seen, "j-busy");
    assert_eq!((cluster.state.as_str(), cluster.started_at), ("RUNNING", ago(120)));
    assert_eq!(cluster.owner.as_deref(), Some("ana"));
    let reading = |measure| cluster.readings.get(&measure).cloned();
    assert_eq!(reading(Measure::Instances), Some(Reading::Amount(Quantity::Count(3))));
    assert_eq!(reading(Measure::Vcpus), Some(Reading::Amount(Quantity::Count(44))));
    assert_eq!(reading(Measure::InstanceTypes), words(&["c4.8xlarge", "m5.xlarge"]));
    assert_eq!(reading(Measure::Release), words(&["emr-7.1.0"]));
    assert_eq!(reading(Measure::AutoTermination), words(&["set"]));
    assert_eq!(reading(Measure::SecurityConfiguration), words(&["set"]));
    assert_eq!(reading(Measure::IdleTime), None, "it works");

    let step = find(&seen, "j-busy/s-run");
    assert_eq!((step.started_at, step.owner.as_deref()), (ago(30), Some("ana")));
    let tags = BTreeMap::from([
        (ScopeKind::Owner, "ana".to_owned()),
        (ScopeKind::Template, "spark-small".to_owned()),
        (ScopeKind::UserType, "scientist".to_owned()),
    ]);
    assert_eq!(step.scopes, tags);
    let pending = find(&seen, "j-busy/s-wait");
    assert_eq!((pending.started_at, pending.scopes.get(&ScopeKind::Cluster)), (ago(10), Some(&"j-busy".to_owned())));
}

#[test]
fn a_cold_sweep_reads_each_cluster_once_and_a_warm_one_only_what_changes() {
    let mut stage = Stage::new(&[]);
    for n in 0..7 {
        stage.fake.cluster(&format!("j-{n}"), "RUNNING", |cluster| {
            cluster.has_policy = true;
            if n == 0 {
                cluster.details.kept_in = crate::clusters::Collection::Fleets;
            }
        });
    }
    stage.sweep();
    stage.check_calls(&[
        ("ListClusters", 3),
        ("DescribeCluster", 7),
        ("ListInstanceGroups", 6),
        ("ListInstances", 1),
        ("GetAutoTerminationPolicy", 7),
        ("ListSteps", 7),
    ]);
    assert_eq!(stage.fake.most_at_once(), 2);
    stage.wait(1);
    assert_eq!(stage.sweep().observations.len(), 7);
    stage.check_calls(&[("ListClusters", 3), ("ListSteps", 7)]);
    stage.wait(5);
    stage.sweep();
    stage.check_calls(&[("ListClusters", 3), ("ListInstanceGroups", 6), ("ListInstances", 1), ("ListSteps", 7)]);
    stage.wait(15);
    stage.sweep();
    stage.check_calls(&[
        ("ListClusters", 3),
        ("ListInstanceGroups", 6),
        ("ListInstances", 1),
        ("GetAutoTerminationPolicy", 7),
        ("ListSteps", 7),
    ]);
    // What has gone is forgotten, and what comes is read.
    (0..7).for_each(|n| stage.fake.become_state(&format!("j-{n}"), "TERMINATED"));
    stage.fake.cluster("j-new", "STARTING", |cluster| cluster.cluster.ready_at = None);
    stage.sweep();
    stage.check_calls(&[
        ("ListClusters", 1),
        ("DescribeCluster", 1),
        ("ListInstanceGroups", 1),
        ("GetAutoTerminationPolicy", 1),
        ("ListSteps", 1),
    ]);
    assert_eq!(stage.emr.memory.keys().collect::<Vec<_>>(), ["j-new"]);
    // Its instances come up until it is ready; a policy that is missing is looked for each time.
    stage.fake.change("j-new", |cluster| cluster.cluster.ready_at = Some(ago(0)));
    stage.wait(1);
    stage.sweep();
    stage.check_calls(&[
        ("ListClusters", 1),
        ("ListInstanceGroups", 1),
        ("GetAutoTerminationPolicy", 1),
        ("ListSteps", 1),
    ]);
    stage.wait(60);
    stage.sweep();
    assert_eq!(stage.fake.calls().get("DescribeCluster"), Some(&1), "tags can be changed");
}

#[test]
fn calls_that_no_guardrail_wants_are_not_made() {
    let check = |guardrails: &[&str], settings: &[(&str, &str)], calls: &[(&'static str, usize)]| {
        let mut stage = Stage::new(&only(guardrails, settings));
        stage.fake.cluster("j-1", "WAITING", |_| {});
        let seen = stage.sweep();
        assert!(seen.problems.is_empty());
        stage.check_calls(calls);
        seen
    };
    assert!(check(&[], &[], &[]).whole.is_empty());
    let seen = check(&["emr-cluster-count", "emr-cluster-age"], &[], &[("ListClusters", 1)]);
    assert_eq!((names(&seen), seen.whole), (vec!["cluster j-1".to_owned()], BTreeSet::from(["cluster"])));
    check(&["emr-cluster-idle-time"], &[], &[("ListClusters", 1), ("ListSteps", 1)]);
    let seen = check(&["emr-step-runtime"], &[], &[("ListClusters", 1), ("ListSteps", 1)]);
    assert_eq!(seen.whole, BTreeSet::from(["step"]));
    check(&["emr-release"], &[], &[("ListClusters", 1), ("DescribeCluster", 1)]);
    let by_tag = [("emr-cluster-age/limit/user-type/engineer", "2h")];
    check(&["emr-cluster-age"], &by_tag, &[("ListClusters", 1), ("DescribeCluster", 1)]);
    let calls = [("ListClusters", 1), ("DescribeCluster", 1), ("ListInstanceGroups", 1)];
    check(&["emr-cluster-vcpus"], &[], &calls);
    let calls = [("ListClusters", 1), ("DescribeCluster", 1), ("GetAutoTerminationPolicy", 1)];
    check(&["emr-auto-termination"], &[], &calls);
}

/// The moment from which the cluster is idle when it looks like this.
fn idle_since(state: &str, shape: impl FnOnce(&mut crate::fakes::FakeCluster)) -> Option<Timestamp> {
    let mut stage = Stage::new(&only(&["emr-cluster-idle-time"], &[]));
    stage.fake.cluster("j-1", state, shape);
    let seen = stage.sweep();
    find(&seen, "j-1").moment(Measure::IdleTime)
}

#[test]
fn a_cluster_is_idle_while_it_waits_and_no_step_has_run() {
    assert_eq!(idle_since("RUNNING", |_| {}), None);
    assert_eq!(idle_since("WAITING", |_| {}), Some(ago(120)));
    let since = idle_since("WAITING", |cluster| {
        cluster.step("s-1", "COMPLETED", 60);
        cluster.step("s-2", "FAILED", 31);
        cluster.step("s-3", "CANCELLED", 40);
    });
    assert_eq!(since, Some(ago(30)), "the last to end, not the last to begin");
    for state in ["PENDING", "RUNNING", "SUSPENDED", "CANCEL_PENDING"] {
        assert_eq!(idle_since("WAITING", |cluster| cluster.step("s-1", state, 5)), None, "{state}");
    }
    let unready = idle_since("WAITING", |cluster| cluster.cluster.ready_at = None);
    assert_eq!(unready, None, "nothing tells since when");
}

#[test]
fn a_step_that_came_and_went_between_two_sweeps_is_not_missed() {
    let mut stage = Stage::new(&only(&["emr-cluster-idle-time"], &[]));
    stage.fake.cluster("j-1", "WAITING", |_| {});
    assert_eq!(find(&stage.sweep(), "j-1").moment(Measure::IdleTime), Some(ago(120)));
    stage.fake.change("j-1", |cluster| cluster.step("s-1", "COMPLETED", 3));
    assert_eq!(find(&stage.sweep(), "j-1").moment(Measure::IdleTime), Some(ago(2)));
}

#[test]
fn active_steps_beyond_the_newest_page_are_seen() {
    let mut stage = Stage::new(&[]);
    stage.fake.cluster("j-1", "WAITING", |cluster| {
        for n in 0..FakeEmr::PAGE + 2 {
            cluster.step(&format!("s-{n}"), "PENDING", 5);
        }
    });
    assert_eq!(stage.sweep().saw.get("pending steps"), Some(&5));
    assert_eq!(stage.fake.calls().get("ListSteps"), Some(&2));
}

/// The auto-termination reading of a cluster like this, and whether EMR was asked for it.
fn check_auto_termination(
    expected: Option<&str>,
    asked: bool,
    shape: impl FnOnce(&mut crate::fakes::FakeCluster),
    refuse: bool,
) {
    let mut stage = Stage::new(&only(&["emr-auto-termination"], &[]));
    stage.fake.cluster("j-1", "RUNNING", shape);
    if refuse {
        stage.fake.fail("GetAutoTerminationPolicy", None, CallErrorKind::Invalid, 1);
    }
    let seen = stage.sweep();
    assert!(seen.problems.is_empty());
    let reading = find(&seen, "j-1").readings.get(&Measure::AutoTermination).cloned();
    assert_eq!(reading, expected.and_then(|word| words(&[word])));
    assert_eq!(stage.fake.calls().contains_key("GetAutoTerminationPolicy"), asked);
}

#[test]
fn only_releases_that_know_auto_termination_are_held_to_it() {
    check_auto_termination(Some("set"), true, |cluster| cluster.has_policy = true, false);
    check_auto_termination(Some("missing"), true, |_| {}, false);
    check_auto_termination(Some("missing"), true, |_| {}, true);
    check_auto_termination(Some("set"), false, |cluster| cluster.details.ends_after_last_step = true, false);
    check_auto_termination(None, false, |cluster| cluster.details.release = Some("emr-5.29.0".to_owned()), false);
    check_auto_termination(None, false, |cluster| cluster.details.release = None, false);
}

#[test]
fn vcpus_of_an_unknown_type_are_left_out_and_the_rest_is_read() {
    let mut stage = Stage::new(&[]);
    stage.fake.cluster("j-1", "RUNNING", |cluster| cluster.instances.extend([("x99.huge".to_owned(), 1)]));
    stage.fake.cluster("j-2", "RUNNING", |cluster| cluster.instances.extend([("x99.huge".to_owned(), 0)]));
    let seen = stage.sweep();
    assert!(seen.problems.is_empty());
    assert_eq!(find(&seen, "j-1").readings.get(&Measure::Vcpus), None);
    let instances = Some(&Reading::Amount(Quantity::Count(3)));
    assert_eq!(find(&seen, "j-1").readings.get(&Measure::Instances), instances);
    let vcpus = Some(&Reading::Amount(Quantity::Count(8)));
    assert_eq!(find(&seen, "j-2").readings.get(&Measure::Vcpus), vcpus, "none of it runs");
}

#[test]
fn states_that_this_version_does_not_know_count_as_active() {
    let mut stage = Stage::new(&[]);
    stage.fake.cluster("j-1", "RESIZING", |cluster| cluster.step("s-1", "SUSPENDED", 20));
    let seen = stage.sweep();
    assert_eq!(names(&seen), ["cluster j-1", "step j-1/s-1"]);
    assert_eq!(find(&seen, "j-1/s-1").state, "SUSPENDED");
}

/// A sweep of `j-1` and `j-2` in which an operation is denied for `j-1`.
fn denied(operation: &'static str, parameters: &[(&str, &str)]) -> Seen {
    let mut stage = Stage::new(parameters);
    for id in ["j-1", "j-2"] {
        stage.fake.cluster(id, "RUNNING", |cluster| cluster.step("s-1", "RUNNING", 5));
    }
    stage.fake.fail(operation, Some("j-1"), CallErrorKind::Denied, 9);
    let seen = stage.sweep();
    assert_eq!(seen.problems.worst(), "AccessDenied", "{operation}");
    assert!(seen.unseen.contains("j-1"), "{operation}");
    assert_eq!(find(&seen, "j-2").readings.len(), 6, "{operation}: the other cluster is read all the same");
    seen
}

#[test]
fn what_cannot_be_read_of_one_cluster_does_not_hide_the_rest() {
    let seen = denied("ListInstanceGroups", &[]);
    assert_eq!((seen.observations.len(), seen.whole), (4, ALL.iter().copied().collect()));
    let seen = denied("GetAutoTerminationPolicy", &[]);
    assert_eq!((seen.observations.len(), seen.whole), (4, ALL.iter().copied().collect()));
    let seen = denied("ListSteps", &[]);
    assert_eq!((names(&seen).len(), seen.whole), (3, BTreeSet::from(["cluster"])));
    let seen = denied("DescribeCluster", &[]);
    assert_eq!((seen.observations.len(), seen.whole), (4, ALL.iter().copied().collect()));
    // Where limits depend on tags, a cluster whose tags are unknown is not held against any.
    let seen = denied("DescribeCluster", &[("emr-cluster-age/limit/user-type/engineer", "2h")]);
    assert_eq!(names(&seen), ["cluster j-2", "step j-2/s-1"]);
    assert!(seen.whole.is_empty());
}

#[test]
fn a_reading_that_cannot_be_refreshed_is_kept_and_the_problem_told() {
    let mut stage = Stage::new(&[]);
    stage.fake.cluster("j-1", "RUNNING", |_| {});
    stage.sweep();
    stage.wait(6);
    stage.fake.fail("ListInstanceGroups", None, CallErrorKind::Unavailable, 1);
    let seen = stage.sweep();
    assert_eq!(seen.problems.worst(), "Unavailable");
    assert!(find(&seen, "j-1").readings.contains_key(&Measure::Vcpus));
}

#[test]
fn what_emr_refuses_for_its_haste_is_asked_again_until_it_answers_or_patience_ends() {
    let mut stage = Stage::new(&[]);
    for n in 0..5 {
        stage.fake.cluster(&format!("j-{n}"), "RUNNING", |_| {});
    }
    for operation in ["ListClusters", "DescribeCluster", "ListSteps", "ListInstanceGroups"] {
        stage.fake.fail(operation, None, CallErrorKind::Throttled, 4);
    }
    let seen = stage.sweep();
    assert_eq!((seen.observations.len(), seen.problems.worst()), (5, "None"));
    stage.fake.fail("ListClusters", None, CallErrorKind::Throttled, 100);
    assert_eq!(stage.sweep().problems.worst(), "Throttled");
}

#[test]
fn a_list_that_breaks_off_is_not_whole_and_forgets_nothing() {
    let mut stage = Stage::new(&[]);
    for n in 0..5 {
        stage.fake.cluster(&format!("j-{n}"), "RUNNING", |_| {});
    }
    stage.sweep();
    stage.fake.fail("ListClusters", None, CallErrorKind::Unavailable, 1);
    let seen = stage.sweep();
    assert_eq!((seen.observations.len(), seen.problems.worst()), (0, "Unavailable"));
    assert!(seen.whole.is_empty());
    assert_eq!(stage.emr.memory.len(), 5);
}

#[test]
fn a_cluster_that_goes_during_the_sweep_is_no_problem() {
    let mut stage = Stage::new(&[]);
    stage.fake.cluster("j-1", "RUNNING", |_| {});
    stage.fake.fail("ListSteps", None, CallErrorKind::Missing, 1);
    let seen = stage.sweep();
    assert!(seen.problems.is_empty() && seen.observations.is_empty());
    assert_eq!(seen.whole, ALL.iter().copied().collect());
}

#[test]
fn a_thing_without_its_time_is_not_judged_and_not_taken_for_gone() {
    let mut stage = Stage::new(&[]);
    stage.fake.cluster("j-1", "RUNNING", |cluster| {
        cluster.cluster.created_at = None;
        cluster.step("s-1", "RUNNING", 5);
        (cluster.steps[0].created_at, cluster.steps[0].started_at) = (None, None);
    });
    let seen = stage.sweep();
    assert!(seen.observations.is_empty() && seen.whole.is_empty());
    assert_eq!(seen.unseen, BTreeSet::from(["j-1".to_owned(), "j-1/s-1".to_owned()]));
}

#[test]
fn a_sweep_stops_in_time_and_says_so() {
    let mut stage = Stage::new(&[]);
    for n in 0..9 {
        stage.fake.cluster(&format!("j-{n}"), "RUNNING", |_| {});
    }
    stage.fake.latency(Duration::from_secs(5));
    let seen = stage.sweep_for(60);
    assert!(seen.problems.to_string().contains("not all clusters were looked at in time"), "{}", seen.problems);
    assert!((1..9).contains(&seen.observations.len()) && seen.whole.is_empty());
    // What was read is remembered, so that the next sweep gets further.
    stage.fake.latency(Duration::from_millis(50));
    assert!(stage.sweep().problems.is_empty());
}

#[test]
fn a_new_cluster_is_counted_at_once_with_one_list() {
    let mut stage = Stage::new(&[]);
    stage.fake.cluster("j-2AXXXXXXGAPLF", "STARTING", |cluster| cluster.cluster.ready_at = None);
    stage.fake.cluster("j-other", "RUNNING", |cluster| cluster.step("s-1", "RUNNING", 5));
    let seen = stage.signal("cluster-starting");
    assert_eq!(names(&seen), ["cluster j-2AXXXXXXGAPLF", "cluster j-other"]);
    assert_eq!(seen.whole, BTreeSet::from(["cluster"]));
    stage.check_calls(&[
        ("ListClusters", 1),
        ("DescribeCluster", 1),
        ("ListInstanceGroups", 1),
        ("GetAutoTerminationPolicy", 1),
    ]);
    assert_eq!(find(&seen, "j-other").readings.len(), 0);
}

#[test]
fn a_cluster_that_begins_to_wait_tells_since_when_it_is_idle() {
    let mut stage = Stage::new(&[]);
    stage.fake.cluster("j-2AXXXXXXGAPLF", "WAITING", |cluster| cluster.step("s-1", "COMPLETED", 2));
    stage.sweep();
    stage.fake.calls();
    let seen = stage.signal("cluster-waiting");
    assert_eq!(find(&seen, "j-2AXXXXXXGAPLF").moment(Measure::IdleTime), Some(ago(1)));
    stage.check_calls(&[("ListClusters", 1), ("ListSteps", 1), ("GetAutoTerminationPolicy", 1)]);
}

#[test]
fn others_are_counted_with_their_tags_where_limits_depend_on_them() {
    let mut stage = Stage::new(&only(&["emr-cluster-count"], &[("emr-cluster-count/limit/user-type/engineer", "9")]));
    stage.fake.cluster("j-2AXXXXXXGAPLF", "STARTING", |_| {});
    stage.fake.cluster("j-other", "RUNNING", |cluster| cluster.tag("user-type", "engineer"));
    let seen = stage.signal("cluster-running");
    assert_eq!(find(&seen, "j-other").scopes.get(&ScopeKind::UserType).map(String::as_str), Some("engineer"));
    stage.check_calls(&[("ListClusters", 1), ("DescribeCluster", 2)]);
}

#[test]
fn a_step_signal_looks_at_the_steps_of_its_cluster() {
    for sample in ["step-pending", "step-running"] {
        let mut stage = Stage::new(&[]);
        stage.fake.cluster("j-2AXXXXXXGAPLF", "RUNNING", |cluster| {
            cluster.step("s-1", "RUNNING", 3);
            cluster.step("s-2", "PENDING", 2);
        });
        let seen = stage.signal(sample);
        assert_eq!(names(&seen), ["pending step j-2AXXXXXXGAPLF/s-2", "step j-2AXXXXXXGAPLF/s-1"], "{sample}");
        assert!(seen.whole.is_empty(), "the steps of other clusters were not looked at");
        stage.check_calls(&[("ListSteps", 1)]);
    }
    let mut stage = Stage::new(&only(&["emr-step-runtime"], &[]));
    stage.fake.cluster("j-2AXXXXXXGAPLF", "RUNNING", |_| {});
    stage.signal("step-pending");
    stage.check_calls(&[]);
}

#[test]
fn signals_that_say_nothing_see_nothing() {
    for sample in ["malformed", "cluster-terminated", "step-completed", "limit-changed"] {
        let mut stage = Stage::new(&[]);
        stage.fake.cluster("j-2AXXXXXXGAPLF", "RUNNING", |cluster| cluster.step("s-1", "RUNNING", 3));
        let seen = stage.signal(sample);
        assert!(seen.observations.is_empty() && seen.problems.is_empty(), "{sample}");
        stage.check_calls(&[]);
    }
    // Signals of what has gone meanwhile, too.
    for sample in ["cluster-starting", "step-running"] {
        let seen = Stage::new(&[]).signal(sample);
        assert!(seen.observations.is_empty() && seen.problems.is_empty(), "{sample}");
    }
}

#[test]
fn what_is_due_is_looked_at_again_with_few_calls() {
    let mut stage = Stage::new(&[]);
    stage.fake.cluster("j-1", "WAITING", |_| {});
    stage.fake.cluster("j-2", "RUNNING", |cluster| {
        for n in 0..12 {
            cluster.step(&format!("s-{n}"), "RUNNING", 60);
        }
        cluster.step("s-done", "COMPLETED", 60);
    });
    let mut due: Vec<Resource> = (0..12).map(|n| resource("step", &format!("j-2/s-{n}"))).collect();
    due.extend([resource("step", "j-2/s-done"), resource("cluster", "j-1"), resource("cluster", "j-gone")]);
    let seen = stage.again(&due);
    assert_eq!(seen.observations.len(), 13);
    assert!(seen.problems.is_empty() && seen.unseen.is_empty() && seen.whole.is_empty());
    assert_eq!(find(&seen, "j-1").moment(Measure::IdleTime), Some(ago(120)));
    stage.check_calls(&[("ListClusters", 1), ("ListSteps", 3)]);

    // An id that EMR does not know does not hide the others.
    let seen = stage.again(&[resource("step", "j-2/s-1"), resource("step", "j-2/s-nil"), resource("step", "j-9/s-1")]);
    assert_eq!(names(&seen), ["step j-2/s-1"]);
    assert!(seen.problems.is_empty());
}

#[test]
fn what_could_not_be_looked_at_again_stays_due() {
    let mut stage = Stage::new(&[]);
    stage.fake.cluster("j-1", "WAITING", |cluster| cluster.step("s-1", "RUNNING", 60));
    let due = [resource("cluster", "j-1"), resource("step", "j-1/s-1")];
    for operation in ["ListClusters", "ListSteps"] {
        stage.fake.fail(operation, None, CallErrorKind::Unavailable, 2);
    }
    let seen = stage.again(&due);
    assert_eq!(seen.unseen, BTreeSet::from(["j-1".to_owned(), "j-1/s-1".to_owned()]));
    assert!(!seen.problems.is_empty());
}
