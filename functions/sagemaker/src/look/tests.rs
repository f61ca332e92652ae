//! The whole of SageMaker in memory: cold and warm sweeps, large accounts, too little time, events.

use std::time::Duration;

use guardrail::Configuration;
use lambda::fakes::block_on;
use serde_json::Value;

use super::*;
use crate::fakes::{FakeSageMaker, ago, configured, ids, minutes, now, only, operations};
use crate::studio::AppOwner;

const RUN: SignedDuration = SignedDuration::from_secs(50);

fn sweep(sight: &mut SageMaker<FakeSageMaker>, configuration: &Configuration, at: Timestamp) -> Seen {
    block_on(sight.sweep(Wanted::new(Service::SageMaker, configuration), at, at + RUN))
}

fn signal(sight: &mut SageMaker<FakeSageMaker>, configuration: &Configuration, sample: &str) -> Seen {
    let path = format!("{}/../../events/sagemaker-watch/{sample}.json", env!("CARGO_MANIFEST_DIR"));
    let event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let event = lambda::trigger::envelope(&event).unwrap();
    block_on(sight.signal(&event, Wanted::new(Service::SageMaker, configuration), now()))
}

/// One of everything.
fn one_of_each() -> FakeSageMaker {
    let sagemaker = FakeSageMaker::default();
    sagemaker.pipeline("Churn");
    sagemaker.execution("Churn", "e1", minutes(30), "Executing");
    for kind in JobKind::ALL {
        sagemaker.job(kind, "fit", minutes(30), &[("ml.m5.xlarge", 1)]);
    }
    sagemaker.notebook("ana", minutes(30), "InService");
    sagemaker.app("d-1", AppOwner::Space("lab".to_owned()), minutes(30), "InService");
    sagemaker.space("d-1", "lab", minutes(30));
    sagemaker.domain("d-1", "VpcOnly", minutes(30));
    sagemaker.endpoint("churn", minutes(30), "InService");
    sagemaker.package("churn", 1, minutes(30), models::Provenance::default());
    sagemaker
}

#[test]
fn a_cold_sweep_sees_everything_and_a_warm_one_asks_for_what_can_change() {
    let sagemaker = one_of_each();
    let (mut sight, configuration) = (SageMaker::new(sagemaker.clone()), Configuration::default());
    let seen = sweep(&mut sight, &configuration, now());
    assert!(seen.problems.is_empty(), "{}", seen.problems);
    let kinds: BTreeSet<_> = seen.observations.iter().map(|seen| seen.resource.kind.clone()).collect();
    let measured: BTreeSet<_> = Service::SageMaker
        .guardrails()
        .flat_map(|guardrail| guardrail.resources)
        .map(|kind| (*kind).to_owned())
        .collect();
    assert_eq!(kinds, measured, "every kind that is measured is seen");
    assert_eq!(seen.whole.iter().map(|kind| (*kind).to_owned()).collect::<BTreeSet<_>>(), measured);
    // Tags are not read where nothing depends on them; names are known from the lists.
    let called = sagemaker.calls();
    assert_eq!(called.values().sum::<usize>(), 21);
    let declared = crate::client::SageMakerClient::WATCH_ACTIONS;
    assert!(operations(&called).iter().all(|operation| declared.contains(operation)));

    let warm = sweep(&mut sight, &configuration, now() + minutes(1));
    assert_eq!(warm.observations, seen.observations);
    assert_eq!(warm.whole, seen.whole);
    let lists = ["ListPipelines", "ListPipelineExecutions", "ListNotebookInstances", "ListApps", "ListEndpoints"];
    let lists = lists.into_iter().map(|list| format!("sagemaker:{list}"));
    let lists = lists.chain(JobKind::ALL.into_iter().map(|kind| kind.list_action().to_owned()));
    let called = sagemaker.calls();
    assert!(called.values().all(|calls| *calls == 1), "{called:?}");
    assert_eq!(called.into_keys().map(str::to_owned).collect::<BTreeSet<_>>(), lists.collect());
}

#[test]
fn what_no_guardrail_wants_is_not_asked_for() {
    let sagemaker = one_of_each();
    for (kinds, calls) in [
        (&["pipeline"][..], 1),
        (&["pipeline execution"], 3),
        (&["notebook instance"], 2),
        (&["app"], 1),
        (&["space"], 1),
        (&["domain"], 2),
        (&["endpoint"], 1),
        (&["model package"], 2),
    ] {
        let seen = sweep(&mut SageMaker::new(sagemaker.clone()), &only(kinds), now());
        assert!(seen.whole.iter().any(|kind| kinds.contains(kind)));
        assert_eq!(sagemaker.calls().values().sum::<usize>(), calls, "{kinds:?}");
    }
    // Jobs without guardrails of what they hold: their lists only.
    let off: Vec<(&str, &str)> = vec![
        ("/sandbox-guardrails/sagemaker/sagemaker-job-instance-types/mode", "off"),
        ("/sandbox-guardrails/sagemaker/sagemaker-job-gpus/mode", "off"),
    ];
    sweep(&mut SageMaker::new(sagemaker.clone()), &configured(&off), now());
    assert!(!operations(&sagemaker.calls()).contains("sagemaker:DescribeTrainingJob"));
    let everything: Vec<String> =
        Service::SageMaker.guardrails().map(|guardrail| format!("{}/mode", guardrail.parameter_path())).collect();
    let off: Vec<_> = everything.iter().map(|name| (name.as_str(), "off")).collect();
    assert!(sweep(&mut SageMaker::new(sagemaker.clone()), &configured(&off), now()).observations.is_empty());
    assert!(sagemaker.calls().is_empty());
}

#[test]
fn tags_are_read_where_something_depends_on_them() {
    let sagemaker = one_of_each();
    sagemaker.tag("space/d-1/lab", "owner", "jo");
    let limit = [("/sandbox-guardrails/sagemaker/sagemaker-notebook-uptime/limit/owner/jo", "2h")];
    let seen = sweep(&mut SageMaker::new(sagemaker.clone()), &configured(&limit), now());
    let space = seen.observations.iter().find(|seen| seen.resource.kind == SPACE).unwrap();
    assert_eq!(space.owner.as_deref(), Some("jo"), "the tag, and not the profile `ana`");
    // Five jobs, a notebook instance, an application, a space and an endpoint.
    assert_eq!(sagemaker.calls().get("sagemaker:ListTags"), Some(&9));
}

/// A sweep, and how long it took.
fn timed(sight: &mut SageMaker<FakeSageMaker>, configuration: &Configuration, at: Timestamp) -> (Seen, Duration) {
    block_on(async {
        let began = tokio::time::Instant::now();
        let seen = sight.sweep(Wanted::new(Service::SageMaker, configuration), at, at + RUN).await;
        (seen, began.elapsed())
    })
}

#[test]
fn a_large_account_is_swept_in_time() {
    let sagemaker = FakeSageMaker::default();
    for number in 0..2_000 {
        let name = format!("Pipeline{number:04}");
        sagemaker.pipeline(&name);
        let age = minutes(24 * 60 * i64::from(number / 10)) + minutes(1);
        sagemaker.execution(&name, "e1", age, if number < 100 { "Executing" } else { "Succeeded" });
    }
    for kind in JobKind::ALL {
        for number in 0..40 {
            sagemaker.job(kind, &format!("{number:02}"), minutes(5), &[("ml.m5.xlarge", 1)]);
        }
    }
    sagemaker.take(Duration::from_millis(50));
    let (mut sight, configuration) = (SageMaker::new(sagemaker.clone()), Configuration::default());
    let (seen, took) = timed(&mut sight, &configuration, now());
    assert!(seen.problems.is_empty(), "{}", seen.problems);
    assert_eq!(seen.observations.len(), 2_000 + 100 + 200);
    assert!(took < Duration::from_secs(30), "it took {took:?}");
    assert!(sagemaker.most_under_way() <= 8);
    // Lists of pipelines, those that ran within 28 days, owners, jobs and their instances, and each other list once.
    assert_eq!(sagemaker.calls().values().sum::<usize>(), 20 + 280 + 100 + 5 + 160 + 6);

    let (seen, took) = timed(&mut sight, &configuration, now() + minutes(1));
    assert_eq!(seen.observations.len(), 2_300);
    assert!(took < Duration::from_secs(12), "it took {took:?}");
    assert_eq!(sagemaker.calls().values().sum::<usize>(), 20 + 100 + 5 + 3);
}

#[test]
fn an_account_that_is_too_large_for_one_run_is_seen_over_several() {
    let sagemaker = FakeSageMaker::default();
    for number in 0..2_000 {
        let name = format!("Pipeline{number:04}");
        sagemaker.pipeline(&name);
        sagemaker.execution(&name, "e1", minutes(number), if number < 10 { "Executing" } else { "Succeeded" });
    }
    let (mut sight, configuration) = (SageMaker::new(sagemaker.clone()), only(&["pipeline execution"]));
    let mut read = 0;
    for run in 0..3 {
        let (seen, _) = timed(&mut sight, &configuration, now() + minutes(run));
        let executions = seen.observations.iter().filter(|seen| seen.resource.kind == EXECUTION).count();
        assert_eq!(executions, 10, "what ran last is read first");
        assert_eq!((seen.whole.contains(EXECUTION), seen.problems.is_empty()), (run == 2, run == 2), "run {run}");
        read += sagemaker.calls().remove("sagemaker:ListPipelineExecutions").unwrap_or_default();
    }
    assert_eq!(read, 2_000 + 10 + 10, "nothing is read twice but what runs");
}

#[test]
fn a_sweep_that_runs_out_of_time_says_so_and_goes_on_at_the_next() {
    let sagemaker = FakeSageMaker::default();
    for number in 0..100 {
        let name = format!("p{number:02}");
        sagemaker.pipeline(&name);
        sagemaker.execution(&name, "e1", minutes(1), "Executing");
    }
    sagemaker.take(Duration::from_secs(1));
    let (mut sight, configuration) = (SageMaker::new(sagemaker.clone()), only(&["pipeline execution"]));
    let mut sweep = |seconds: i64| {
        let deadline = now() + SignedDuration::from_secs(seconds);
        block_on(sight.sweep(Wanted::new(Service::SageMaker, &configuration), now(), deadline))
    };
    let seen = sweep(6);
    assert!(!seen.whole.contains(EXECUTION));
    let said = seen.problems.to_string();
    assert!(said.contains("the time of this run was up") && said.contains("more of the kind"), "{said}");
    let executions = |seen: &Seen| seen.observations.iter().filter(|seen| seen.resource.kind == EXECUTION).count();
    assert_eq!(executions(&seen), 24, "three rounds of eight, and between them who started each");
    let seen = sweep(60);
    assert!(seen.problems.is_empty(), "{}", seen.problems);
    assert_eq!(executions(&seen), 100);
    // No call at all where there is no time left.
    sagemaker.calls();
    assert!(!sweep(0).problems.is_empty());
    assert!(sagemaker.calls().is_empty());
}

#[test]
fn areas_that_cannot_be_seen_hide_no_other() {
    let sagemaker = one_of_each();
    for operation in ["sagemaker:ListPipelines", "sagemaker:ListApps", "sagemaker:ListModelPackages"] {
        sagemaker.fail(operation, None, CallErrorKind::Denied, 1);
    }
    let seen = sweep(&mut SageMaker::new(sagemaker), &Configuration::default(), now());
    assert_eq!(seen.problems.worst(), "AccessDenied");
    let kinds: BTreeSet<_> = seen.observations.iter().map(|seen| seen.resource.kind.as_str()).collect();
    assert!(kinds.contains("training job") && kinds.contains(NOTEBOOK) && kinds.contains(SPACE));
    for kind in [PIPELINE, EXECUTION, APP, PACKAGE, GROUP] {
        assert!(!seen.whole.contains(kind) && !kinds.contains(kind), "{kind}");
    }
}

#[test]
fn an_event_is_a_reason_to_look() {
    let (sagemaker, configuration) = (one_of_each(), Configuration::default());
    sagemaker.pipeline("Nightly");
    sagemaker.execution("Nightly", "p0a1b2c3d4e5", minutes(1), "Executing");
    for (kind, name) in [
        (JobKind::Training, "churn-fit-01"),
        (JobKind::Processing, "churn-prepare-01"),
        (JobKind::Transform, "churn-score-01"),
        (JobKind::Tuning, "churn-tune-01"),
    ] {
        sagemaker.job(kind, name, minutes(1), &[]);
    }
    sagemaker.notebook("AnaNotebook", minutes(1), "InService");
    let mut sight = SageMaker::new(sagemaker.clone());
    for (sample, id) in [
        ("execution-executing", "nightly/execution/p0a1b2c3d4e5"),
        ("training-job-in-progress", "training-job/churn-fit-01"),
        ("processing-job-in-progress", "processing-job/churn-prepare-01"),
        ("transform-job-in-progress", "transform-job/churn-score-01"),
        ("tuning-job-in-progress", "hyper-parameter-tuning-job/churn-tune-01"),
        ("notebook-in-service", "AnaNotebook"),
        ("endpoint-in-service", "endpoint/churn"),
    ] {
        let seen = signal(&mut sight, &configuration, sample);
        assert!(seen.problems.is_empty(), "{sample}");
        assert!(ids(&seen.observations).contains(&id), "{sample}: {:?}", ids(&seen.observations));
        assert!((1..=2).contains(&sagemaker.calls().values().sum::<usize>()), "{sample}");
        assert!(signal(&mut sight, &only(&[SPACE]), sample).observations.is_empty());
        assert!(sagemaker.calls().is_empty(), "{sample} is not wanted");
    }
}

#[test]
fn an_event_of_what_has_ended_or_that_says_nothing_is_no_reason_to_look() {
    let (sagemaker, configuration) = (one_of_each(), Configuration::default());
    let mut sight = SageMaker::new(sagemaker.clone());
    for sample in [
        "execution-succeeded",
        "training-job-completed",
        "notebook-stopped",
        "endpoint-deleting",
        "malformed",
        "step-status",
    ] {
        let seen = signal(&mut sight, &configuration, sample);
        assert!(seen.observations.is_empty() && seen.problems.is_empty(), "{sample}");
        assert!(sagemaker.calls().is_empty(), "{sample}");
    }
    let seen = signal(&mut sight, &configuration, "execution-unknown");
    assert!(seen.observations.is_empty() && seen.problems.is_empty());
}

#[test]
fn resources_looked_at_again_cost_a_call_each() {
    let (sagemaker, configuration) = (one_of_each(), Configuration::default());
    let mut sight = SageMaker::new(sagemaker.clone());
    let all = sweep(&mut sight, &configuration, now()).observations;
    sagemaker.calls();
    let mut again = |kinds: &[&str]| {
        let resources: Vec<Resource> =
            all.iter().map(|seen| seen.resource.clone()).filter(|seen| kinds.contains(&seen.kind.as_str())).collect();
        let wanted = Wanted::new(Service::SageMaker, &configuration);
        let seen = block_on(sight.again(&resources, wanted, now()));
        assert_eq!(seen.observations.len(), resources.len(), "{kinds:?}");
        assert!(seen.whole.is_empty() && seen.problems.is_empty());
        assert_eq!(seen.observations.first().map(|seen| seen.started_at), Some(ago(minutes(30))));
        sagemaker.calls().values().sum::<usize>()
    };
    assert_eq!(again(&[EXECUTION, "training job", NOTEBOOK, APP]), 4);
    assert_eq!(again(&["automl job"]), 1);
    assert_eq!(again(&[ENDPOINT]), 1);
    // What moves slowly is as it was.
    assert_eq!(again(&[SPACE]), 0);
}
