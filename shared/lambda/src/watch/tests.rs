//! The watch of a service in memory: what it reports over sweeps, signals and vigils, and what it says of itself.

use guardrail::{Event, Finding, Heartbeat, Quantity};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::CallErrorKind;
use crate::fakes::service::{FakeSandbox, FakeWatch, SEE, signal, sweep};
use crate::fakes::{block_on, failed};

const NOON: &str = "2026-11-21T12:00:00Z";

/// A sandbox, and a watch of it that stays warm until it is told otherwise.
struct Stage {
    sandbox: FakeSandbox,
    watch: FakeWatch,
}

impl Stage {
    fn new(settings: &[(&str, &str)]) -> Self {
        let sandbox = FakeSandbox::at(NOON);
        for (setting, value) in settings {
            sandbox.put(setting, value);
        }
        Self { watch: sandbox.watch(false), sandbox }
    }

    fn cold_start(&mut self) {
        self.watch = self.sandbox.watch(self.watch.settings.vigil);
    }

    fn handle(&mut self, event: serde_json::Value) -> Result<(), Problems> {
        let invocation = self.sandbox.invocation(event);
        block_on(self.watch.handle(invocation))
    }

    fn sweep(&mut self) -> Result<(), Problems> {
        self.handle(sweep())
    }

    /// A sweep a minute later.
    fn next_sweep(&mut self) {
        self.sandbox.pass(60);
        self.sweep().unwrap();
    }

    /// The findings of one guardrail published since this was last asked, as `resource/level`.
    fn found(&self, guardrail: &str) -> Vec<String> {
        self.take(guardrail).into_iter().map(|seen| format!("{}/{}", seen.resource.id, seen.level.percent)).collect()
    }

    /// The findings of one guardrail published since this was last asked.
    fn take(&self, guardrail: &str) -> Vec<Finding> {
        let findings = self.sandbox.findings().into_iter().filter(|finding| finding.guardrail == guardrail).collect();
        self.sandbox.bus.events.borrow_mut().retain(|event| match event {
            Event::Finding(finding) => finding.guardrail != guardrail,
            _ => true,
        });
        findings
    }

    /// A cluster of this instance type.
    fn typed(&self, cluster: &str, instance_type: &str) {
        self.sandbox.service.change(cluster, |seen| seen.words(Measure::InstanceTypes, [instance_type]));
    }
}

fn seconds_after_noon(moment: Timestamp) -> i64 {
    moment.duration_since(NOON.parse().unwrap()).as_secs()
}

#[test]
fn the_newest_beyond_the_cap_are_found_by_sweeps_and_by_signals() {
    let mut stage = Stage::new(&[("emr-cluster-count/limit", "2"), ("emr-cluster-count/mode", "enforce")]);
    for (cluster, age) in [("c1", 30), ("c2", 20), ("c3", 10)] {
        stage.sandbox.service.cluster(cluster, age);
    }
    stage.sweep().unwrap();
    assert_eq!(stage.found("emr-cluster-count"), ["111111111111/80", "c3/100"]);

    stage.sandbox.service.cluster("c4", 0);
    stage.handle(signal(&["c1", "c2", "c3", "c4"])).unwrap();
    assert_eq!(stage.found("emr-cluster-count"), ["c4/100"], "what is known is not found again");

    // Those that are left are asked for again under their ids, and nobody else.
    stage.sandbox.service.end("c3");
    stage.next_sweep();
    assert_eq!(stage.found("emr-cluster-count"), ["c4/100"]);
    stage.sandbox.service.end("c4");
    stage.next_sweep();
    assert_eq!(stage.found("emr-cluster-count"), Vec::<String>::new());
}

#[test]
fn a_count_that_nears_its_cap_is_told_once_for_each_episode() {
    let mut stage = Stage::new(&[("emr-cluster-count/limit", "5")]);
    for cluster in ["c1", "c2", "c3"] {
        stage.sandbox.service.cluster(cluster, 10);
    }
    let mut at_four = Vec::new();
    for round in 0..3 {
        stage.next_sweep();
        assert_eq!(stage.found("emr-cluster-count"), Vec::<String>::new(), "three of five are no notice");
        // Its members come and go, the function starts anew, and it is one episode all the while.
        for member in 0..40 {
            stage.sandbox.service.cluster(&format!("of-{round}-{member}"), 0);
            if member % 7 == 6 {
                stage.cold_start();
            }
            stage.next_sweep();
            stage.handle(signal(&["c1", &format!("of-{round}-{member}")])).unwrap();
            stage.sandbox.service.end(&format!("of-{round}-{member}"));
        }
        let told = stage.take("emr-cluster-count");
        let [notice] = told.as_slice() else { panic!("round {round}: {told:?}") };
        assert_eq!(notice.message, "sandbox `111111111111` has 4 clusters, 5 are allowed at once");
        assert!(!notice.wants_action() && notice.owner.is_none());
        at_four.push((notice.episode.unwrap(), notice.header.id.clone()));
    }
    for (round, (episode, id)) in at_four.iter().enumerate() {
        // Each round is 41 sweeps, the second of which is the first with four.
        assert_eq!(seconds_after_noon(*episode), i64::try_from(round).unwrap() * 41 * 60 + 120);
        assert_eq!(*id, format!("emr-cluster-count/111111111111/80/{episode}"));
    }
}

#[test]
fn a_condition_that_clears_and_comes_back_is_a_new_finding() {
    let mut stage = Stage::new(&[]);
    stage.sandbox.service.cluster("c1", 10);
    for (minute, instance_type, found) in [
        (1, "m5.xlarge", 0),
        (2, "p4d.24xlarge", 1),
        (3, "p4d.24xlarge", 0),
        (4, "p3.2xlarge", 0),
        (5, "m5.xlarge", 0),
        (6, "p4d.24xlarge", 1),
        (7, "p4d.24xlarge", 0),
    ] {
        stage.typed("c1", instance_type);
        stage.next_sweep();
        let findings = stage.take("emr-instance-types");
        assert_eq!(findings.len(), found, "minute {minute}");
        for finding in findings {
            assert_eq!(seconds_after_noon(finding.episode.unwrap()), minute * 60);
            assert!(finding.header.id.ends_with(&format!("c1/100/{}", finding.episode.unwrap())));
        }
    }
}

/// A wrong cluster is seen wrong, then seen `between`, then wrong again: is that a new finding?
fn check_episode(between: impl FnOnce(&mut Stage), again: bool) {
    let mut stage = Stage::new(&[]);
    stage.sandbox.service.cluster("c1", 10);
    stage.typed("c1", "p4d.24xlarge");
    stage.next_sweep();
    assert_eq!(stage.found("emr-instance-types"), ["c1/100"]);
    between(&mut stage);
    stage.sandbox.service.hide([]);
    stage.sandbox.service.show_partly([]);
    stage.typed("c1", "p4d.24xlarge");
    stage.next_sweep();
    assert_eq!(stage.found("emr-instance-types").len(), usize::from(again));
}

#[test]
fn only_a_whole_view_ends_an_episode() {
    let hidden = |stage: &mut Stage| stage.sandbox.service.hide(["c1".to_owned()]);
    check_episode(
        |stage| {
            hidden(stage);
            stage.next_sweep();
        },
        true,
    );
    // It could not be read, and everything else was.
    check_episode(
        |stage| {
            stage.sandbox.service.leave_unread(["c1".to_owned()]);
            stage.next_sweep();
            stage.sandbox.service.leave_unread([]);
        },
        false,
    );
    // Some clusters could not be listed, which says nothing of whether the condition lasts.
    check_episode(
        |stage| {
            hidden(stage);
            stage.sandbox.service.show_partly(["cluster"]);
            stage.next_sweep();
        },
        false,
    );
    // What is not seen wholly are the steps; the clusters are.
    check_episode(
        |stage| {
            hidden(stage);
            stage.sandbox.service.show_partly(["step", "pending step"]);
            stage.next_sweep();
        },
        true,
    );
    check_episode(
        |stage| {
            stage.sandbox.service.fail(SEE, CallErrorKind::Throttled, 1);
            stage.sandbox.pass(60);
            stage.sweep().unwrap_err();
        },
        false,
    );
    // A signal looks at what it names and at nothing else.
    check_episode(
        |stage| {
            stage.typed("c1", "m5.xlarge");
            stage.handle(signal(&["c1"])).unwrap();
        },
        false,
    );
    check_episode(|stage| stage.handle(signal(&[])).unwrap(), false);
}

#[test]
fn an_expired_exemption_is_found_once_and_not_honoured() {
    let mut stage = Stage::new(&[("emr-cluster-age/limit", "1h"), ("emr-cluster-age/mode", "enforce")]);
    let exemption = |expires: &str| {
        json!({"resource": "c1", "owner": "jo@bank", "reason": "year end", "expires": expires}).to_string()
    };
    let name = "/sandbox-guardrails/exemptions/year-end";
    stage.sandbox.parameters.put(name, &exemption("2026-11-21T12:05:00Z"));
    stage.sandbox.service.cluster("c1", 2 * 3600);
    let exempt: Vec<_> = (0..4)
        .flat_map(|_| {
            stage.next_sweep();
            stage.take("emr-cluster-age")
        })
        .collect();
    assert_eq!(exempt.len(), 3, "each level once");
    assert!(exempt.iter().all(|finding| finding.exemption.as_deref() == Some("year-end") && !finding.wants_action()));
    assert_eq!(stage.found("exemption-expired"), Vec::<String>::new());

    for minute in 5..60 {
        if minute % 10 == 0 {
            stage.cold_start();
        }
        stage.next_sweep();
        let breaches = stage.take("emr-cluster-age");
        assert!(breaches.iter().all(|finding| finding.wants_action()), "minute {minute}: {breaches:?}");
        assert!(!breaches.is_empty(), "minute {minute}");
    }
    let told = stage.take("exemption-expired");
    let [expired] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(expired.header.id, "exemption-expired/year-end/100/2026-11-21T12:05:00Z");
    assert_eq!(expired.owner.as_deref(), Some("jo@bank"));
    assert_eq!((expired.service, expired.mode), (Service::Exemptions, guardrail::Mode::Observe));
    assert!(!expired.wants_action());

    // One that is renewed and expires again is another finding.
    stage.sandbox.parameters.put(name, &exemption("2026-11-21T13:02:00Z"));
    stage.next_sweep();
    assert_eq!(stage.found("exemption-expired"), Vec::<String>::new());
    stage.sandbox.pass(120);
    stage.sweep().unwrap();
    assert_eq!(stage.found("exemption-expired"), ["year-end/100"]);
}

#[test]
fn whoever_does_not_want_to_know_of_expired_exemptions_switches_their_guardrail_off() {
    let mut stage = Stage::new(&[]);
    let exemption = json!({"resource": "c1", "owner": "jo", "reason": "x", "expires": "2026-01-01T00:00:00Z"});
    stage.sandbox.parameters.put("/sandbox-guardrails/exemptions/old", &exemption.to_string());
    stage.sandbox.parameters.put("/sandbox-guardrails/exemptions/exemption-expired/mode", "off");
    stage.sweep().unwrap();
    assert_eq!(stage.found("exemption-expired"), Vec::<String>::new());
}

proptest! {
    /// A part of the clusters has fewer beyond the cap than the whole, and never others.
    #[test]
    fn what_is_beyond_the_cap_of_a_part_is_beyond_that_of_the_whole(
        ages in proptest::collection::vec(0_i64..100, 0..12),
        hidden in proptest::collection::vec(any::<bool>(), 12),
        limit in 1_u64..6,
    ) {
        let beyond = |hide: bool| {
            let limit = limit.to_string();
            let mut stage = Stage::new(&[("emr-cluster-count/limit", &limit), ("emr-cluster-count/mode", "enforce")]);
            for (cluster, age) in ages.iter().enumerate() {
                stage.sandbox.service.cluster(&format!("c{cluster}"), *age);
            }
            if hide {
                let hidden = hidden.iter().enumerate().filter(|(_, hidden)| **hidden);
                stage.sandbox.service.hide(hidden.map(|(cluster, _)| format!("c{cluster}")));
                stage.sandbox.service.show_partly(["cluster"]);
            }
            stage.sweep().unwrap();
            let findings = stage.take("emr-cluster-count").into_iter();
            findings.filter(Finding::wants_action).map(|breach| breach.resource.id).collect::<BTreeSet<_>>()
        };
        let (part, whole) = (beyond(true), beyond(false));
        prop_assert!(part.is_subset(&whole), "{:?} of {:?}", part, whole);
        prop_assert_eq!(whole.len(), ages.len().saturating_sub(usize::try_from(limit).unwrap()));
    }
}

#[test]
fn each_guardrail_has_a_belt_of_its_own() {
    let mut stage = Stage::new(&[
        ("emr-cluster-age/limit", "1h"),
        ("emr-cluster-age/levels", "100"),
        ("emr-cluster-age/mode", "enforce"),
        ("emr-cluster-age/max_actions", "1"),
        ("emr-cluster-idle-time/limit", "10m"),
        ("emr-cluster-idle-time/levels", "100"),
        ("emr-cluster-idle-time/mode", "enforce"),
        ("emr-cluster-idle-time/max_actions", "2"),
    ]);
    let idle_since: Timestamp = "2026-11-21T11:00:00Z".parse().unwrap();
    for (cluster, hours) in [("c1", 2), ("c2", 4), ("c3", 3)] {
        stage.sandbox.service.cluster(cluster, hours * 3600);
        stage.sandbox.service.change(cluster, |seen| seen.since(Measure::IdleTime, idle_since));
    }
    let let_through = |stage: &Stage, guardrail: &str| {
        let (held_back, through): (Vec<_>, Vec<_>) =
            stage.take(guardrail).into_iter().partition(|finding| finding.held_back);
        let ids = |findings: Vec<Finding>| findings.into_iter().map(|finding| finding.resource.id).collect::<Vec<_>>();
        (ids(through), ids(held_back))
    };
    let of = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    stage.sweep().unwrap();
    assert_eq!(let_through(&stage, "emr-cluster-age"), (of(&["c2"]), of(&["c3", "c1"])), "the oldest is the worst");
    assert_eq!(let_through(&stage, "emr-cluster-idle-time"), (of(&["c1", "c2"]), of(&["c3"])));
    // The next run has belts of its own; what was held back comes through when there is room.
    stage.sandbox.service.end("c2");
    stage.next_sweep();
    assert_eq!(let_through(&stage, "emr-cluster-age"), (of(&["c3"]), of(&[])));
    assert_eq!(let_through(&stage, "emr-cluster-idle-time"), (of(&["c1", "c3"]), of(&[])));
}

#[test]
fn a_vigil_waits_for_every_guardrail_of_a_resource() {
    let mut stage = Stage::new(&[
        ("emr-cluster-age/limit", "10m"),
        ("emr-cluster-age/levels", "100"),
        ("emr-cluster-age/mode", "enforce"),
        ("emr-cluster-idle-time/limit", "5m"),
        ("emr-cluster-idle-time/mode", "enforce"),
        ("emr-cluster-idle-time/levels", "100"),
    ]);
    stage.watch.settings.vigil = true;
    // It reaches its age in 10 s and its idle time in 40 s; another one has more time than the vigil.
    stage.sandbox.service.cluster("c1", 590);
    let idle_since: Timestamp = "2026-11-21T11:55:40Z".parse().unwrap();
    stage.sandbox.service.change("c1", |seen| seen.since(Measure::IdleTime, idle_since));
    stage.sandbox.service.cluster("c2", 479);
    stage.sweep().unwrap();
    let moments: Vec<_> = stage
        .sandbox
        .findings()
        .iter()
        .map(|finding| {
            (finding.guardrail.clone(), finding.resource.id.clone(), seconds_after_noon(finding.header.occurred_at))
        })
        .collect();
    let of = |guardrail: &str, second| (guardrail.to_owned(), "c1".to_owned(), second);
    assert_eq!(moments, [of("emr-cluster-age", 10), of("emr-cluster-idle-time", 40)]);
    assert_eq!(seconds_after_noon(stage.sandbox.clock.now()), 40, "nothing else is waited for");
}

#[test]
fn what_ends_during_a_vigil_is_not_found() {
    let mut stage = Stage::new(&[("emr-cluster-age/limit", "10m"), ("emr-cluster-age/mode", "enforce")]);
    stage.watch.settings.vigil = true;
    stage.sandbox.service.cluster("c1", 590);
    stage.sandbox.service.cluster("c2", 580);
    stage.sandbox.service.end_at("c1", "2026-11-21T12:00:09Z".parse().unwrap());
    stage.sweep().unwrap();
    let breaches = stage.found("emr-cluster-age").into_iter().filter(|found| found.ends_with("/100"));
    assert_eq!(breaches.collect::<Vec<_>>(), ["c2/100"]);
    assert_eq!(seconds_after_noon(stage.sandbox.clock.now()), 20);
}

#[test]
fn a_sign_of_life_says_what_was_seen() {
    let mut stage = Stage::new(&[("emr-cluster-age/limit", "1h")]);
    stage.sandbox.service.slow_down(SignedDuration::from_millis(1_500));
    stage.sandbox.service.cluster("c1", 2 * 3600);
    stage.sandbox.service.cluster("c2", 60);
    stage.sandbox.service.hold(Observation::new("step", "c1/s1", "RUNNING", stage.sandbox.clock.now()));
    stage.sweep().unwrap();
    let last = stage.sandbox.bus.events.borrow().last().cloned();
    let Some(Event::Heartbeat(Heartbeat { header, function, saw, took, calls })) = last else { panic!("{last:?}") };
    assert_eq!((header.id.as_str(), function.as_str()), ("heartbeat/emr-watch", "emr-watch"));
    let saw: Vec<_> = saw.iter().map(|(of, count)| (of.as_str(), *count)).collect();
    let seen = [("active", 3), ("cluster", 2), ("findings", 3), ("pending step", 0), ("running", 2), ("step", 1)];
    assert_eq!(saw, seen, "instances that were not read are none that can be told");
    assert_eq!((took, calls), (SignedDuration::from_millis(1_500), 0), "a fake makes no calls");
}

#[test]
fn a_sign_of_life_says_what_is_paid_for() {
    let mut stage = Stage::new(&[]);
    for (cluster, instances) in [("c1", 3), ("c2", 20)] {
        stage.sandbox.service.cluster(cluster, 60);
        let counted = Quantity::Count(instances);
        stage.sandbox.service.change(cluster, |seen| seen.amount(Measure::Instances, counted));
    }
    let told = |stage: &Stage| match stage.sandbox.bus.events.borrow().last() {
        Some(Event::Heartbeat(heartbeat)) => heartbeat.saw.clone(),
        last => panic!("{last:?}"),
    };
    stage.sweep().unwrap();
    let saw = told(&stage);
    assert_eq!((saw.get("instances"), saw.get("running")), (Some(&23), Some(&2)));

    // Some clusters may be missing, so nobody knows.
    stage.sandbox.service.show_partly(["cluster"]);
    stage.sandbox.pass(300);
    stage.sweep().unwrap();
    let saw = told(&stage);
    assert_eq!((saw.get("instances"), saw.get("running"), saw.get("active")), (None, None, Some(&2)));
}

#[test]
fn a_watch_that_cannot_see_fails_and_gives_no_sign_of_life() {
    let mut stage = Stage::new(&[]);
    stage.sandbox.service.cluster("c1", 10);
    stage.sandbox.service.fail(SEE, CallErrorKind::Denied, 2);
    assert_eq!(stage.sweep(), Err(failed(SEE, CallErrorKind::Denied).into()));
    assert_eq!(stage.handle(signal(&["c1"])), Err(failed(SEE, CallErrorKind::Denied).into()));
    assert_eq!(stage.sandbox.bus.ids(), Vec::<String>::new());
    stage.sweep().unwrap();
    assert_eq!(stage.sandbox.bus.ids(), ["heartbeat/emr-watch"]);
}

#[test]
fn a_look_that_fails_during_a_vigil_is_tried_again_and_fails_the_run_only_if_it_goes_on() {
    // The vigil is over two minutes after the sweep, and a second is let go by after each failure.
    for (failures, second) in [(1, 11), (200, 121)] {
        let mut stage = Stage::new(&[("emr-cluster-age/limit", "10m"), ("emr-cluster-age/mode", "enforce")]);
        stage.sandbox.service.cluster("c1", 590);
        stage.sweep().unwrap();
        stage.watch.settings.vigil = true;
        stage.sandbox.service.fail_later(SEE, CallErrorKind::Throttled, 1, failures);
        let swept = stage.sweep();
        assert_eq!(swept.is_ok(), failures == 1, "{swept:?}");
        assert_eq!(stage.found("emr-cluster-age").contains(&"c1/100".to_owned()), failures == 1);
        assert_eq!(seconds_after_noon(stage.sandbox.clock.now()), second);
    }
}

#[test]
fn an_owner_follows_in_the_same_sweep_where_cloudtrail_knows() {
    let mut stage = Stage::new(&[("emr-cluster-age/limit", "1h"), ("emr-cluster-age/levels", "100")]);
    // The function has just learnt that there is nobody to look for.
    stage.sweep().unwrap();
    stage.sandbox.service.cluster("c1", 2 * 3600);
    let started_at = stage.sandbox.clock.now() - SignedDuration::from_hours(2);
    let record = json!({
        "eventName": "RunJobFlow",
        "userIdentity": {"type": "IAMUser", "userName": "ana", "arn": "arn:aws:iam::111111111111:user/ana"},
        "responseElements": {"jobFlowId": "c1"},
    });
    stage.sandbox.trail.deliver(started_at, record);
    stage.sandbox.clock.step_by(SignedDuration::from_millis(1));
    stage.sweep().unwrap();
    let told: Vec<_> = stage.take("emr-cluster-age").into_iter().map(|finding| finding.owner).collect();
    assert_eq!(told, [None, Some("ana".to_owned())]);
}

#[test]
fn a_denied_trail_fails_the_sweep_but_takes_nothing_from_it() {
    let mut stage = Stage::new(&[("emr-cluster-age/limit", "1h"), ("emr-cluster-age/levels", "100")]);
    stage.sandbox.service.cluster("c1", 2 * 3600);
    stage.sandbox.trail.fail(Some(CallErrorKind::Denied));
    assert_eq!(stage.sweep(), Err(failed("cloudtrail:LookupEvents", CallErrorKind::Denied).into()));
    assert_eq!(stage.found("emr-cluster-age"), ["c1/100"]);
}
