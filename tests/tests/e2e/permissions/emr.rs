//! What the roles of EMR's functions need.

use stage::Sandbox;
use workload_simulator::{ClusterSpec, StepSpec};

use super::{Run, breach, check, demanding, sweep};
use crate::{minutes, path, sandbox};

/// A cluster over its limit; in instance groups unless otherwise said.
fn cluster(sandbox: &Sandbox, spec: ClusterSpec) -> String {
    sandbox.emr.start(ClusterSpec { age: minutes(61), ..spec })
}

#[test]
fn the_watch_of_emr_fails_without_any_one_of_its_actions() {
    let sandbox = sandbox(&demanding(&[("emr-cluster-age", "1h")]));
    // Within their limit, so that they stay.
    for fleets in [false, true] {
        sandbox.emr.start(ClusterSpec { age: minutes(10), fleets, ..ClusterSpec::default() });
    }
    let runs = [
        Run::new(&[], |sandbox| {
            cluster(sandbox, ClusterSpec::default());
            sweep("emr-watch")
        }),
        Run::new(emr::clusters::ElasticMapReduce::WATCH_ACTIONS, |_| sweep("emr-watch")),
    ];
    check(&sandbox, "emr-watch", emr::watch::ACTIONS, &runs);
}

#[test]
fn the_enforce_of_emr_fails_without_any_one_of_its_actions() {
    let lift = format!("{}/termination_protection", path("emr-cluster-age"));
    let options = demanding(&[
        ("emr-cluster-age", "1h"),
        ("emr-cluster-count", "1"),
        ("emr-cluster-instances", "2"),
        ("emr-step-runtime", "10m"),
        ("emr-auto-termination", "set"),
    ]);
    let sandbox = sandbox(&options.with(&lift, "lift"));
    // The oldest, which a count keeps.
    sandbox.emr.start(ClusterSpec { age: minutes(90), ..ClusterSpec::default() });
    let runs = [
        Run::new(
            &[
                "elasticmapreduce:DescribeCluster",
                "elasticmapreduce:SetTerminationProtection",
                "elasticmapreduce:TerminateJobFlows",
            ],
            |sandbox| {
                let spec = ClusterSpec { termination_protected: true, ..ClusterSpec::default() };
                breach(sandbox, "emr-cluster-age", &cluster(sandbox, spec))
            },
        ),
        Run::new(&["elasticmapreduce:ListClusters"], |sandbox| {
            breach(sandbox, "emr-cluster-count", &cluster(sandbox, ClusterSpec::default()))
        }),
        Run::new(&["elasticmapreduce:ListInstanceGroups"], |sandbox| {
            breach(sandbox, "emr-cluster-instances", &cluster(sandbox, ClusterSpec::default()))
        }),
        Run::new(&["elasticmapreduce:ListInstances"], |sandbox| {
            let spec = ClusterSpec { fleets: true, ..ClusterSpec::default() };
            breach(sandbox, "emr-cluster-instances", &cluster(sandbox, spec))
        }),
        Run::new(&["elasticmapreduce:ListSteps", "elasticmapreduce:CancelSteps"], |sandbox| {
            let host = cluster(sandbox, ClusterSpec::default());
            let spec = StepSpec { cluster: host.clone(), age: minutes(11), ..StepSpec::default() };
            let step = sandbox.emr.add_step(spec).unwrap();
            breach(sandbox, "emr-step-runtime", &format!("{host}/{step}"))
        }),
        Run::new(
            &["elasticmapreduce:GetAutoTerminationPolicy", "elasticmapreduce:PutAutoTerminationPolicy"],
            |sandbox| breach(sandbox, "emr-auto-termination", &cluster(sandbox, ClusterSpec::default())),
        ),
    ];
    check(&sandbox, "emr-enforce", emr::enforce::ACTIONS, &runs);
}
