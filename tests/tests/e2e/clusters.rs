//! EMR: clusters and steps over their limits, and a storm of clusters.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use stage::running::wait_for;
use stage::{Sandbox, SandboxOptions};
use workload_simulator::{ClusterSpec, ClusterState, ClusterView, InstanceRole, InstanceSpec, StepSpec, StepState};

use crate::{actions, enforcing, findings, minutes, outcome, path, sandbox};

fn cluster(sandbox: &Sandbox, age: Duration) -> String {
    sandbox.emr.start(ClusterSpec { age, ..ClusterSpec::default() })
}

fn view(sandbox: &Sandbox, cluster: &str) -> ClusterView {
    sandbox.emr.cluster(cluster).unwrap()
}

fn sweep(sandbox: &Sandbox) {
    sandbox.send("emr-watch", "sweep").unwrap();
}

fn alive(cluster: &ClusterView) -> bool {
    !cluster.state.is_terminal() && cluster.state != ClusterState::Terminating
}

#[test]
fn of_forty_clusters_started_within_a_second_exactly_the_five_oldest_survive() {
    let options = SandboxOptions::default()
        .with(&format!("{}/limit", path("emr-cluster-count")), "5")
        .with(&format!("{}/mode", path("emr-cluster-count")), "enforce")
        .with(&format!("{}/max_actions", path("emr-cluster-count")), "40");
    let sandbox = sandbox(&options);
    // Each tells of itself twice and out of order, so watches and enforces run side by side.
    let clusters: Vec<String> = (0..40)
        .map(|_| {
            std::thread::sleep(Duration::from_millis(10));
            cluster(&sandbox, Duration::ZERO)
        })
        .collect();
    let survivors = || -> Vec<&String> { clusters.iter().filter(|id| alive(&view(&sandbox, id))).collect() };
    wait_for("five clusters to be left", Duration::from_secs(90), || {
        // What the belt or a busy moment left over is the next sweep's.
        sweep(&sandbox);
        (survivors().len() <= 5).then_some(())
    })
    .unwrap();
    assert_eq!(survivors(), clusters.iter().take(5).collect::<Vec<_>>());
    for id in clusters.iter().take(5) {
        assert_eq!(view(&sandbox, id).terminate_calls, 0, "`{id}` is within the cap and was told to terminate");
    }
    for id in clusters.iter().skip(5) {
        outcome(&sandbox, "emr-cluster-count", id, "done");
        assert_eq!(view(&sandbox, id).terminate_calls, 1, "`{id}` was told more than once");
    }
}

#[test]
fn an_old_cluster_is_terminated_once_and_a_younger_one_is_not() {
    let sandbox = enforcing(&[("emr-cluster-age", "1h")]);
    let (old, young) = (cluster(&sandbox, minutes(61)), cluster(&sandbox, minutes(40)));
    sweep(&sandbox);
    let action = outcome(&sandbox, "emr-cluster-age", &old, "done");
    assert_eq!(action["action"], "terminate");
    sweep(&sandbox);
    assert!(!alive(&view(&sandbox, &old)) && alive(&view(&sandbox, &young)));
    assert_eq!(view(&sandbox, &old).terminate_calls, 1);
    assert!(actions(&sandbox, "emr-cluster-age", &young).is_empty());
}

#[test]
fn an_idle_cluster_is_terminated_and_one_that_works_is_not() {
    let sandbox = enforcing(&[("emr-cluster-idle-time", "30m")]);
    let (idle, busy) = (cluster(&sandbox, minutes(50)), cluster(&sandbox, minutes(50)));
    sandbox.emr.add_step(StepSpec { cluster: busy.clone(), age: minutes(45), ..StepSpec::default() }).unwrap();
    sweep(&sandbox);
    outcome(&sandbox, "emr-cluster-idle-time", &idle, "done");
    assert!(alive(&view(&sandbox, &busy)));
}

#[test]
fn a_protected_cluster_is_spared_or_lifted_as_the_parameter_says_and_spoils_nobody() {
    let sandbox = enforcing(&[("emr-cluster-age", "1h")]);
    let protected =
        sandbox.emr.start(ClusterSpec { age: minutes(70), termination_protected: true, ..ClusterSpec::default() });
    let plain = cluster(&sandbox, minutes(65));
    sweep(&sandbox);
    outcome(&sandbox, "emr-cluster-age", &plain, "done");
    let refused = outcome(&sandbox, "emr-cluster-age", &protected, "refused");
    assert!(refused["reason"].as_str().unwrap().contains("protect"), "{refused}");
    assert!(alive(&view(&sandbox, &protected)));

    let choice = format!("{}/termination_protection", path("emr-cluster-age"));
    sandbox.account.put_parameter(&choice, "lift").unwrap();
    let breach = findings(&sandbox, "emr-cluster-age");
    let (_, breach) = breach.iter().find(|(id, _)| *id == format!("{protected}/100")).unwrap();
    let mut event = stage::deploy::sample_event("emr-enforce", "breach").unwrap();
    event["account"] = json!(sandbox.account.id);
    event["detail"] = breach.clone();
    sandbox.invoke("emr-enforce", &event).unwrap();
    outcome(&sandbox, "emr-cluster-age", &protected, "done");
    assert!(!alive(&view(&sandbox, &protected)));
}

#[test]
fn a_stuck_step_is_interrupted_then_ended_by_force_and_its_cluster_lives() {
    let sandbox = enforcing(&[("emr-step-runtime", "10m")]);
    let host = cluster(&sandbox, minutes(30));
    let spec = StepSpec { cluster: host.clone(), age: minutes(12), ignores_interrupt: true, ..StepSpec::default() };
    let step = sandbox.emr.add_step(spec).unwrap();
    sweep(&sandbox);
    let action = outcome(&sandbox, "emr-step-runtime", &format!("{host}/{step}"), "done");
    assert_eq!(action["action"], "cancel_step");
    let seen = sandbox.emr.step(&step).unwrap();
    assert_eq!((seen.state, seen.cancel_calls), (StepState::Cancelled, 2));
    assert!(alive(&view(&sandbox, &host)));
}

#[test]
fn where_a_release_cannot_cancel_a_running_step_escalate_decides() {
    let start = |sandbox: &Sandbox| {
        let release = "emr-5.20.0".to_owned();
        let host = sandbox.emr.start(ClusterSpec { age: minutes(30), release, ..ClusterSpec::default() });
        let spec = StepSpec { cluster: host.clone(), age: minutes(12), ..StepSpec::default() };
        let step = sandbox.emr.add_step(spec).unwrap();
        (host.clone(), format!("{host}/{step}"))
    };
    let sandbox = enforcing(&[("emr-step-runtime", "10m")]);
    let (host, step) = start(&sandbox);
    sweep(&sandbox);
    let refused = outcome(&sandbox, "emr-step-runtime", &step, "refused");
    assert!(refused["reason"].as_str().unwrap().contains("cancel"), "{refused}");
    assert!(alive(&view(&sandbox, &host)));

    let sandbox = enforcing(&[("emr-step-runtime", "10m")]);
    sandbox.account.put_parameter(&format!("{}/escalate", path("emr-step-runtime")), "terminate").unwrap();
    let (host, step) = start(&sandbox);
    sweep(&sandbox);
    let done = outcome(&sandbox, "emr-step-runtime", &step, "done");
    assert_eq!(done["action"], "terminate", "{done}");
    assert!(!alive(&view(&sandbox, &host)));
}

#[test]
fn pending_steps_beyond_their_cap_are_cancelled_newest_first() {
    let sandbox = enforcing(&[("emr-pending-steps", "2")]);
    let host = cluster(&sandbox, minutes(30));
    let steps: Vec<String> = (0..5)
        .map(|n| sandbox.emr.add_step(StepSpec { cluster: host.clone(), age: minutes(20 - n), ..StepSpec::default() }))
        .map(Option::unwrap)
        .collect();
    sweep(&sandbox);
    // The first of them runs, two may wait.
    for step in steps.iter().skip(3) {
        outcome(&sandbox, "emr-pending-steps", &format!("{host}/{step}"), "done");
        assert_eq!(sandbox.emr.step(step).unwrap().state, StepState::Cancelled);
    }
    for step in steps.iter().take(3) {
        assert_eq!(sandbox.emr.step(step).unwrap().cancel_calls, 0, "{step}");
    }
}

#[test]
fn a_missing_auto_termination_policy_is_put_and_stays_put() {
    let sandbox = enforcing(&[("emr-auto-termination", "set")]);
    sandbox.account.put_parameter(&format!("{}/idle_timeout", path("emr-auto-termination")), "2h").unwrap();
    let bare = cluster(&sandbox, minutes(10));
    let spec = ClusterSpec { age: minutes(10), auto_termination: Some(minutes(30)), ..ClusterSpec::default() };
    let has_one = sandbox.emr.start(spec);
    sweep(&sandbox);
    let action = outcome(&sandbox, "emr-auto-termination", &bare, "done");
    assert_eq!(action["action"], "put_policy");
    assert_eq!(view(&sandbox, &bare).auto_termination, Some(minutes(120)));
    assert_eq!(view(&sandbox, &has_one).auto_termination, Some(minutes(30)), "what is there is left as it is");
    sweep(&sandbox);
    outcome(&sandbox, "emr-auto-termination", &bare, "done");
}

#[test]
fn size_types_release_and_security_are_found_and_each_scope_has_its_limit() {
    let instances = |count: u32, kind: &str| {
        vec![
            InstanceSpec::new(InstanceRole::Master, "m5.xlarge", 1),
            InstanceSpec::new(InstanceRole::Core, kind, count),
        ]
    };
    let sandbox = sandbox(
        &SandboxOptions::default()
            .with(&format!("{}/limit", path("emr-cluster-instances")), "10")
            .with(&format!("{}/limit/large", path("emr-cluster-instances")), "40")
            .with(&format!("{}/limit/user-type/intern", path("emr-cluster-instances")), "2"),
    );
    let start = |count: u32, kind: &str, tags: &[(&str, &str)]| {
        sandbox.emr.start(ClusterSpec {
            age: minutes(10),
            instances: instances(count, kind),
            tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>(),
            ..ClusterSpec::default()
        })
    };
    let plain = start(12, "m5.xlarge", &[]);
    let large = start(12, "m5.xlarge", &[("cluster-template", "large")]);
    let intern = start(2, "m5.xlarge", &[("user-type", "intern"), ("owner", "sam@bank.example")]);
    let exotic = start(1, "p4d.24xlarge", &[]);
    let old = sandbox.emr.start(ClusterSpec {
        age: minutes(10),
        release: "emr-5.20.0".to_owned(),
        security_configuration: Some("encrypted".to_owned()),
        ..ClusterSpec::default()
    });
    sweep(&sandbox);
    let found = |guardrail: &str| -> Vec<String> {
        let found = findings(&sandbox, guardrail).into_iter().filter(|(_, finding)| finding["level"]["percent"] == 100);
        let mut found: Vec<String> = found.map(|(id, _)| id.split('/').next().unwrap().to_owned()).collect();
        found.sort();
        found
    };
    let expect = |ids: &[&String]| {
        let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(found("emr-cluster-instances"), expect(&[&plain, &intern]));
    assert_eq!(found("emr-instance-types"), expect(&[&exotic]));
    assert_eq!(found("emr-release"), expect(&[&old]));
    assert_eq!(found("emr-security-configuration"), expect(&[&plain, &large, &intern, &exotic]));
    let of_intern = findings(&sandbox, "emr-cluster-instances");
    let of_intern = of_intern.iter().find(|(id, _)| id.starts_with(&intern)).unwrap();
    assert_eq!(of_intern.1["owner"], "sam@bank.example", "the tag says who it is");
    assert!(found("emr-cluster-vcpus").is_empty());
    assert!([&plain, &large, &intern, &exotic, &old].into_iter().all(|id| alive(&view(&sandbox, id))), "only observed");
}

#[test]
fn a_state_that_nobody_knows_is_judged_and_reported_and_breaks_nothing() {
    let sandbox = sandbox(&SandboxOptions::default().with(&format!("{}/limit", path("emr-cluster-age")), "1h"));
    let raw_state = Some("PONDERING".to_owned());
    let strange = sandbox.emr.start(ClusterSpec { age: minutes(70), raw_state, ..ClusterSpec::default() });
    let plain = cluster(&sandbox, minutes(70));
    sweep(&sandbox);
    let found = findings(&sandbox, "emr-cluster-age");
    for id in [&strange, &plain] {
        assert!(found.iter().any(|(found, _)| *found == format!("{id}/100")), "{id}: {found:?}");
    }
    let (_, finding) = found.iter().find(|(found, _)| found.starts_with(&strange)).unwrap();
    assert_eq!(finding["state"], "PONDERING");
}
