//! Gauges of each service, and when there are none.

use guardrail::{Configuration, catalogue};

use super::*;

const MORNING: &str = "2026-11-21T09:00:00Z";

fn of(kind: &str, id: &str) -> Observation {
    Observation::new(kind, id, "RUNNING", MORNING.parse().unwrap())
}

fn sized(kind: &str, id: &str, measure: Measure, size: u64) -> Observation {
    of(kind, id).amount(measure, Quantity::Count(size))
}

fn scanned(workgroup: &str, bytes: u64) -> Observation {
    of("workgroup", workgroup).amount(Measure::DailyBytesScanned, Quantity::Bytes(bytes))
}

/// What a sweep tells that saw these resources, all of their kinds wholly but those `hidden`.
#[track_caller]
fn check(service: Service, observations: Vec<Observation>, hidden: &[&str], expected: &[(&str, u64)]) {
    check_with(&Configuration::default(), service, observations, hidden, expected);
}

#[track_caller]
fn check_with(
    configuration: &Configuration,
    service: Service,
    observations: Vec<Observation>,
    hidden: &[&str],
    expected: &[(&str, u64)],
) {
    let now = MORNING.parse().unwrap();
    let gauges = gauges(Wanted::new(service, configuration), service, &seen(service, observations, hidden), now, now);
    assert_eq!(gauges, expected.iter().copied().collect());
}

fn seen(service: Service, observations: Vec<Observation>, hidden: &[&str]) -> Seen {
    let kinds = service.guardrails().flat_map(|guardrail| guardrail.resources).copied();
    let whole = kinds.filter(|kind| !hidden.contains(kind)).collect();
    Seen { observations, whole, ..Seen::default() }
}

#[test]
fn clusters_are_paid_by_their_instances() {
    let clusters = || {
        vec![
            sized("cluster", "j-1", Measure::Instances, 3),
            sized("cluster", "j-2", Measure::Instances, 20),
            of("step", "s"),
        ]
    };
    check(Service::Emr, clusters(), &[], &[("instances", 23), ("running", 2)]);
    check(Service::Emr, clusters(), &["step", "pending step"], &[("instances", 23), ("running", 2)]);
    check(Service::Emr, clusters(), &["cluster"], &[]);
    check(Service::Emr, vec![], &[], &[("instances", 0), ("running", 0)]);
    // Nobody knows how many instances one of them has.
    let unread = clusters().into_iter().chain([of("cluster", "j-3")]).collect();
    check(Service::Emr, unread, &[], &[("running", 3)]);
}

#[test]
fn sessions_and_job_runs_are_paid_by_their_dpus() {
    let running = || vec![sized("session", "s", Measure::Dpus, 5), sized("job run", "etl/jr", Measure::Dpus, 10)];
    check(Service::Glue, running(), &[], &[("dpus", 15), ("running", 2)]);
    check(Service::Glue, running(), &["session"], &[]);
    check(Service::Glue, vec![of("job run", "etl/jr")], &[], &[("running", 1)]);
}

#[test]
fn what_sagemaker_runs_is_paid_by_its_instances_and_only_once() {
    let job = |count| sized("training job", "training-job/fit", Measure::Instances, count);
    let running = vec![
        job(8),
        of("notebook instance", "lab"),
        of("app", "d-1/ana/JupyterLab/default"),
        of("endpoint", "endpoint/try"),
        // These are paid for by the jobs that they start.
        of("pipeline execution", "nightly/1"),
        of("tuning job", "hyper-parameter-tuning-job/best"),
        of("space", "d-1/ana"),
    ];
    check(Service::SageMaker, running, &["model package"], &[("instances", 11), ("running", 4)]);
    check(Service::SageMaker, vec![of("training job", "training-job/fit")], &[], &[("running", 1)]);
    check(Service::SageMaker, vec![job(8)], &["app"], &[]);
}

#[test]
fn athena_is_paid_by_what_was_scanned_today() {
    let settings = of("workgroup", "quiet").words(Measure::ScanCutoff, ["set"]);
    let day = || vec![scanned("ana", 70), scanned("bob", 5), settings.clone(), of("query", "q-1")];
    check(Service::Athena, day(), &[], &[("bytes_scanned_today", 75), ("running", 1)]);
    check(Service::Athena, vec![], &[], &[("bytes_scanned_today", 0), ("running", 0)]);
    check(Service::Athena, day(), &["workgroup"], &[("running", 1)]);
    check(
        Service::Athena,
        vec![scanned("ana", u64::MAX), scanned("bob", 5)],
        &["query"],
        &[("bytes_scanned_today", u64::MAX)],
    );

    let off = [("/sandbox-guardrails/athena/athena-workgroup-daily-bytes/mode", "off")];
    let (configuration, faults) = Configuration::read(off);
    assert!(faults.is_empty());
    check_with(&configuration, Service::Athena, vec![settings, of("query", "q-1")], &[], &[("running", 1)]);
}

#[test]
fn a_sweep_across_midnight_tells_no_bytes_of_yesterday_as_those_of_today() {
    let configuration = Configuration::default();
    let seen = seen(Service::Athena, vec![scanned("ana", 70)], &[]);
    for (begun_at, now, told) in [
        ("2026-11-20T23:59:58Z", "2026-11-20T23:59:59.999Z", true),
        ("2026-11-20T23:59:58Z", "2026-11-21T00:00:00Z", false),
        ("2026-11-21T00:00:00Z", "2026-11-21T00:00:02Z", true),
    ] {
        let wanted = Wanted::new(Service::Athena, &configuration);
        let gauges = gauges(wanted, Service::Athena, &seen, begun_at.parse().unwrap(), now.parse().unwrap());
        assert_eq!(gauges.contains_key("bytes_scanned_today"), told, "{begun_at} {now}");
    }
}

#[test]
fn every_kind_that_is_paid_for_is_one_of_the_catalogue() {
    for service in Service::GOVERNED {
        let paid = Paid::of(service);
        for kind in paid.kinds.iter().chain(paid.single) {
            assert!(paid.kinds.contains(kind), "{kind}");
            assert!(
                catalogue::all().any(|guardrail| guardrail.service == service && guardrail.measures(kind)),
                "{kind}"
            );
        }
    }
}
