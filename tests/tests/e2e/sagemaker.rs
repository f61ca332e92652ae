//! SageMaker: pipelines, jobs, notebooks and Studio over their limits, and settings that should not be.

use std::time::Duration;

use stage::{Sandbox, SandboxOptions};
use workload_simulator::{
    AppSpec, DomainSpec, EndpointSpec, ExecutionSpec, JobKind, JobSpec, ModelApproval, ModelPackageSpec, NotebookSpec,
    SpaceSpec,
};

use crate::{actions, enforcing, findings, minutes, outcome, path, sandbox};

fn sweep(sandbox: &Sandbox) {
    sandbox.send("sagemaker-watch", "sweep").unwrap();
}

/// What a resource is called in findings: its ARN after this.
fn after(arn: &str, marker: &str) -> String {
    arn.split_once(marker).unwrap_or_else(|| panic!("`{arn}` has `{marker}`")).1.to_owned()
}

fn stop_calls(sandbox: &Sandbox, arn: &str) -> u32 {
    sandbox.sagemaker.workload(arn).unwrap().stop_calls
}

#[test]
fn of_a_storm_of_executions_the_oldest_stay() {
    let guardrail = "sagemaker-pipeline-concurrent-executions";
    let sandbox = enforcing(&[(guardrail, "3")]);
    let start = |pipeline: &str, age: Duration| {
        std::thread::sleep(Duration::from_millis(3));
        sandbox.sagemaker.start_execution(ExecutionSpec {
            pipeline: pipeline.to_owned(),
            age,
            ..ExecutionSpec::default()
        })
    };
    let old: Vec<String> = (0..2).map(|n| start("retrain", minutes(30 - n))).collect();
    let storm: Vec<String> = (0..10).map(|_| start("retrain", Duration::ZERO)).collect();
    let other = start("score", Duration::ZERO);
    sweep(&sandbox);
    for arn in storm.iter().skip(1) {
        let action = outcome(&sandbox, guardrail, &after(arn, ":pipeline/"), "done");
        assert_eq!(action["action"], "stop_execution");
        assert_eq!(stop_calls(&sandbox, arn), 1);
    }
    for arn in old.iter().chain(storm.first()).chain([&other]) {
        assert_eq!(stop_calls(&sandbox, arn), 0, "{arn}");
        assert!(actions(&sandbox, guardrail, &after(arn, ":pipeline/")).is_empty());
    }
}

#[test]
fn a_long_execution_is_stopped_and_its_finding_names_who_started_it() {
    let sandbox = enforcing(&[("sagemaker-execution-runtime", "1h")]);
    let arn = sandbox.sagemaker.start_execution(ExecutionSpec {
        pipeline: "retrain".to_owned(),
        age: minutes(61),
        user_profile: Some("ana".to_owned()),
        ..ExecutionSpec::default()
    });
    sweep(&sandbox);
    outcome(&sandbox, "sagemaker-execution-runtime", &after(&arn, ":pipeline/"), "done");
    let found = findings(&sandbox, "sagemaker-execution-runtime");
    assert!(found.iter().all(|(_, finding)| finding["owner"] == "ana"), "{found:?}");
}

#[test]
fn jobs_of_every_kind_are_stopped_at_their_limit_once() {
    let kinds = [
        (JobKind::Training, "sagemaker-training-runtime", "training-job/"),
        (JobKind::Processing, "sagemaker-processing-runtime", "processing-job/"),
        (JobKind::Transform, "sagemaker-transform-runtime", "transform-job/"),
        (JobKind::HyperParameterTuning, "sagemaker-tuning-runtime", "hyper-parameter-tuning-job/"),
        (JobKind::AutoMl, "sagemaker-automl-runtime", "automl-job/"),
    ];
    let limits: Vec<(&str, &str)> = kinds.iter().map(|(_, guardrail, _)| (*guardrail, "1h")).collect();
    let sandbox = enforcing(&limits);
    let start = |kind: JobKind, age: u64| {
        sandbox.sagemaker.start_job(JobSpec { kind, age: minutes(age), ..JobSpec::default() })
    };
    let jobs = kinds.map(|(kind, guardrail, prefix)| (guardrail, prefix, start(kind, 61), start(kind, 30)));
    sweep(&sandbox);
    for (guardrail, prefix, long, short) in &jobs {
        let id = format!("{prefix}{}", after(long, prefix));
        let action = outcome(&sandbox, guardrail, &id, "done");
        assert_eq!(action["action"], "stop_job");
        assert_eq!((stop_calls(&sandbox, long), stop_calls(&sandbox, short)), (1, 0), "{guardrail}");
    }
    sweep(&sandbox);
    assert!(jobs.iter().all(|(.., long, _)| stop_calls(&sandbox, long) == 1));
}

#[test]
fn a_notebook_that_is_up_too_long_is_stopped_and_when_started_again_has_its_time_anew() {
    let sandbox = enforcing(&[("sagemaker-notebook-uptime", "1h")]);
    let notebook = |name: &str, age: u64| {
        let spec = NotebookSpec { name: name.to_owned(), age: minutes(age), ..NotebookSpec::default() };
        sandbox.sagemaker.start_notebook(spec)
    };
    let (long, short) = (notebook("long", 61), notebook("short", 30));
    sweep(&sandbox);
    let action = outcome(&sandbox, "sagemaker-notebook-uptime", "long", "done");
    assert_eq!(action["action"], "stop_notebook");
    assert_eq!((stop_calls(&sandbox, &long), stop_calls(&sandbox, &short)), (1, 0));
}

#[test]
fn a_studio_app_that_is_up_too_long_is_deleted() {
    let sandbox = enforcing(&[("sagemaker-app-uptime", "1h")]);
    let domain = sandbox.sagemaker.create_domain(DomainSpec { age: minutes(500), ..DomainSpec::default() });
    let app = |profile: &str, age: u64| {
        sandbox.sagemaker.start_app(AppSpec {
            domain: Some(domain.clone()),
            user_profile: Some(profile.to_owned()),
            age: minutes(age),
            ..AppSpec::default()
        })
    };
    let (long, short) = (app("ana", 61), app("jo", 30));
    sweep(&sandbox);
    // ARNs of Studio are written small; names are not.
    let action = outcome(&sandbox, "sagemaker-app-uptime", &format!("{domain}/ana/JupyterLab/default"), "done");
    assert_eq!(action["action"], "delete_app");
    assert_eq!((stop_calls(&sandbox, &long), stop_calls(&sandbox, &short)), (1, 0));
}

#[test]
fn many_jobs_dear_instances_and_gpus_are_found() {
    let sandbox = sandbox(
        &SandboxOptions::default()
            .with(&format!("{}/limit", path("sagemaker-concurrent-jobs")), "2")
            .with(&format!("{}/limit", path("sagemaker-job-gpus")), "8"),
    );
    let job = |kind: JobKind, age: u64, instance_type: &str, instance_count: u32| {
        let instance_type = instance_type.to_owned();
        let spec = JobSpec { kind, age: minutes(age), instance_type, instance_count, ..JobSpec::default() };
        sandbox.sagemaker.start_job(spec)
    };
    job(JobKind::Processing, 30, "ml.m5.xlarge", 1);
    job(JobKind::Training, 20, "ml.g5.48xlarge", 1);
    let newest = job(JobKind::Training, 10, "ml.p4d.24xlarge", 2);
    sweep(&sandbox);
    let id = format!("training-job/{}", after(&newest, "training-job/"));
    for guardrail in ["sagemaker-concurrent-jobs", "sagemaker-job-instance-types", "sagemaker-job-gpus"] {
        let breaches = findings(&sandbox, guardrail).into_iter();
        let breaches = breaches.filter(|(_, finding)| finding["level"]["percent"] == 100);
        let breaches: Vec<String> =
            breaches.map(|(_, finding)| finding["resource"]["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(breaches, [id.as_str()], "{guardrail}");
    }
    assert_eq!(stop_calls(&sandbox, &newest), 0, "only observed");
}

#[test]
fn settings_that_should_not_be_and_models_that_nobody_looks_after_are_found() {
    let sandbox = sandbox(&SandboxOptions::default());
    let notebook = |name: &str, open: bool| {
        sandbox.sagemaker.start_notebook(NotebookSpec {
            name: name.to_owned(),
            internet: open,
            root: open,
            age: minutes(5),
            ..NotebookSpec::default()
        })
    };
    notebook("open", true);
    notebook("closed", false);
    let domain = |vpc_only: bool| {
        sandbox.sagemaker.create_domain(DomainSpec { vpc_only, age: minutes(5), ..DomainSpec::default() })
    };
    let (public, _) = (domain(false), domain(true));
    let model = |group: &str, days: u64, by: &str| {
        sandbox.sagemaker.register_model(ModelPackageSpec {
            group: Some(group.to_owned()),
            age: minutes(days * 24 * 60 + 60),
            approval: ModelApproval::Approved,
            approval_age: Some(minutes(days * 24 * 60)),
            registered_by: Some("ana".to_owned()),
            approved_by: Some(by.to_owned()),
            ..ModelPackageSpec::default()
        })
    };
    for (group, days, approved_by) in [("churn", 400, "jo"), ("fraud", 10, "ana"), ("score", 10, "jo")] {
        model(group, days, approved_by);
    }
    sandbox.sagemaker.start_endpoint(EndpointSpec {
        name: "trial".to_owned(),
        age: minutes(8 * 24 * 60),
        ..EndpointSpec::default()
    });
    sandbox.sagemaker.create_space(SpaceSpec {
        domain: Some(public.clone()),
        name: "forgotten".to_owned(),
        age: minutes(200 * 24 * 60),
        ..SpaceSpec::default()
    });
    sweep(&sandbox);
    let breaches = |guardrail: &str| -> Vec<String> {
        let found = findings(&sandbox, guardrail).into_iter().filter(|(_, finding)| finding["level"]["percent"] == 100);
        found.map(|(_, finding)| finding["resource"]["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(breaches("sagemaker-notebook-internet"), ["open"]);
    assert_eq!(breaches("sagemaker-notebook-root-access"), ["open"]);
    assert_eq!(breaches("sagemaker-domain-network"), [public.as_str()]);
    assert_eq!(breaches("sagemaker-stale-models"), ["churn"]);
    let self_approved = breaches("sagemaker-self-approval");
    assert!(self_approved.len() == 1 && self_approved[0].starts_with("fraud/"), "{self_approved:?}");
    assert_eq!(breaches("sagemaker-endpoint-age"), ["endpoint/trial"]);
    assert_eq!(breaches("sagemaker-space-age"), [format!("{public}/forgotten")]);
}
