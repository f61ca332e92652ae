//! What the roles of SageMaker's functions need.

use std::time::Duration;

use serde_json::{Value, json};
use stage::deploy::sample_event;
use stage::{Sandbox, SandboxOptions};
use workload_simulator::{
    AppSpec, DomainSpec, EndpointSpec, ExecutionSpec, JobKind, JobSpec, ModelApproval, ModelPackageSpec, NotebookSpec,
    SpaceSpec,
};

use super::{Run, SOON, breach, check, demanding, sweep, unique};
use crate::{minutes, sandbox};

const JOBS: [JobKind; 5] =
    [JobKind::Training, JobKind::Processing, JobKind::Transform, JobKind::HyperParameterTuning, JobKind::AutoMl];

/// What a resource is called in findings.
fn id(arn: &str) -> String {
    let id = arn.rsplit(':').next().unwrap();
    id.strip_prefix("pipeline/").unwrap_or(id).to_owned()
}

fn job(sandbox: &Sandbox, kind: JobKind, age: Duration) -> String {
    // It ends by itself, so that what earlier runs have left behind does not slow down later ones.
    let runs_for = Some(age + Duration::from_secs(30));
    sandbox.sagemaker.start_job(JobSpec { kind, age, runs_for, ..JobSpec::default() })
}

/// The breach of a guardrail by a job over its limit.
fn overdue(sandbox: &Sandbox, guardrail: &str, kind: JobKind) -> Value {
    breach(sandbox, guardrail, &id(&job(sandbox, kind, minutes(61))))
}

fn execution(sandbox: &Sandbox) -> String {
    let spec = ExecutionSpec { pipeline: "retrain".to_owned(), age: minutes(61), ..ExecutionSpec::default() };
    sandbox.sagemaker.start_execution(spec)
}

fn notebook(sandbox: &Sandbox) -> String {
    let spec = NotebookSpec {
        name: unique("notebook"),
        age: minutes(61),
        internet: false,
        root: false,
        ..NotebookSpec::default()
    };
    let name = spec.name.clone();
    sandbox.sagemaker.start_notebook(spec);
    name
}

/// One of everything, young and as it should be.
fn one_of_everything(sandbox: &Sandbox) {
    let (services, age) = (&sandbox.sagemaker, minutes(10));
    services.start_execution(ExecutionSpec { age, ..ExecutionSpec::default() });
    for kind in JOBS {
        services.start_job(JobSpec { kind, age, ..JobSpec::default() });
    }
    services.start_notebook(NotebookSpec { age, internet: false, root: false, ..NotebookSpec::default() });
    let domain = services.create_domain(DomainSpec { age, vpc_only: true, ..DomainSpec::default() });
    services.start_app(AppSpec { domain: Some(domain.clone()), age, ..AppSpec::default() });
    services.create_space(SpaceSpec { domain: Some(domain), age, ..SpaceSpec::default() });
    services.start_endpoint(EndpointSpec { age, ..EndpointSpec::default() });
    services.register_model(ModelPackageSpec {
        age,
        approval: ModelApproval::Approved,
        approval_age: Some(minutes(5)),
        registered_by: Some("ana".to_owned()),
        approved_by: Some("jo".to_owned()),
        ..ModelPackageSpec::default()
    });
}

#[test]
fn the_watch_of_sagemaker_fails_without_any_one_of_its_actions() {
    let options = demanding(&[("sagemaker-training-runtime", "1h"), ("sagemaker-automl-runtime", "1h")]);
    let sandbox = sandbox(&SandboxOptions { vigil: true, ..options });
    one_of_everything(&sandbox);
    let runs = [
        Run::new(&[], |sandbox| {
            job(sandbox, JobKind::Training, minutes(61));
            sweep("sagemaker-watch")
        }),
        // An event tells a pipeline by its ARN, which does not tell its name.
        Run::new(&["sagemaker:DescribePipeline"], |sandbox| {
            let mut event = sample_event("sagemaker-watch", "execution-executing").unwrap();
            event["account"] = json!(sandbox.account.id);
            event["detail"]["pipelineExecutionArn"] = json!(execution(sandbox));
            event
        }),
        // An AutoML job announces nothing, and its description tells no instances: it is read by itself only when a
        // vigil has waited for it.
        Run::on_vigil(&["sagemaker:DescribeAutoMLJobV2"], |sandbox| {
            job(sandbox, JobKind::AutoMl, minutes(60) - SOON);
            sweep("sagemaker-watch")
        }),
        Run::new(sagemaker::client::SageMakerClient::WATCH_ACTIONS, |_| sweep("sagemaker-watch")),
    ];
    check(&sandbox, "sagemaker-watch", sagemaker::watch::ACTIONS, &runs);
}

#[test]
fn the_enforce_of_sagemaker_fails_without_any_one_of_its_actions() {
    let sandbox = sandbox(&demanding(&[
        ("sagemaker-notebook-uptime", "1h"),
        ("sagemaker-notebook-count", "1"),
        ("sagemaker-app-uptime", "1h"),
        ("sagemaker-execution-runtime", "1h"),
        ("sagemaker-concurrent-executions", "1"),
        ("sagemaker-pipeline-concurrent-executions", "1"),
        ("sagemaker-training-runtime", "1h"),
        ("sagemaker-processing-runtime", "1h"),
        ("sagemaker-transform-runtime", "1h"),
        ("sagemaker-tuning-runtime", "1h"),
        ("sagemaker-automl-runtime", "1h"),
        ("sagemaker-concurrent-jobs", "1"),
    ]));
    // The oldest of each, which a count keeps.
    let (services, age) = (&sandbox.sagemaker, minutes(90));
    services.start_notebook(NotebookSpec { age, ..NotebookSpec::default() });
    services.start_execution(ExecutionSpec { pipeline: "retrain".to_owned(), age, ..ExecutionSpec::default() });
    services.start_job(JobSpec { age, ..JobSpec::default() });
    let runs = [
        Run::new(
            &["sagemaker:DescribeNotebookInstance", "sagemaker:ListTags", "sagemaker:StopNotebookInstance"],
            |sandbox| breach(sandbox, "sagemaker-notebook-uptime", &notebook(sandbox)),
        ),
        Run::new(&["sagemaker:ListNotebookInstances"], |sandbox| {
            breach(sandbox, "sagemaker-notebook-count", &notebook(sandbox))
        }),
        Run::new(&["sagemaker:ListApps", "sagemaker:DeleteApp"], |sandbox| {
            let (domain, profile) = ("d-0123456789ab".to_owned(), unique("ana"));
            let app = format!("{domain}/{profile}/JupyterLab/default");
            sandbox.sagemaker.start_app(AppSpec {
                domain: Some(domain),
                user_profile: Some(profile),
                age: minutes(61),
                ..AppSpec::default()
            });
            breach(sandbox, "sagemaker-app-uptime", &app)
        }),
        Run::new(
            &["sagemaker:DescribePipeline", "sagemaker:DescribePipelineExecution", "sagemaker:StopPipelineExecution"],
            |sandbox| breach(sandbox, "sagemaker-execution-runtime", &id(&execution(sandbox))),
        ),
        Run::new(&["sagemaker:ListPipelines"], |sandbox| {
            breach(sandbox, "sagemaker-concurrent-executions", &id(&execution(sandbox)))
        }),
        Run::new(&["sagemaker:ListPipelineExecutions"], |sandbox| {
            breach(sandbox, "sagemaker-pipeline-concurrent-executions", &id(&execution(sandbox)))
        }),
        Run::new(&["sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"], |sandbox| {
            overdue(sandbox, "sagemaker-training-runtime", JobKind::Training)
        }),
        Run::new(&["sagemaker:DescribeProcessingJob", "sagemaker:StopProcessingJob"], |sandbox| {
            overdue(sandbox, "sagemaker-processing-runtime", JobKind::Processing)
        }),
        Run::new(&["sagemaker:DescribeTransformJob", "sagemaker:StopTransformJob"], |sandbox| {
            overdue(sandbox, "sagemaker-transform-runtime", JobKind::Transform)
        }),
        Run::new(&["sagemaker:DescribeHyperParameterTuningJob", "sagemaker:StopHyperParameterTuningJob"], |sandbox| {
            overdue(sandbox, "sagemaker-tuning-runtime", JobKind::HyperParameterTuning)
        }),
        Run::new(&["sagemaker:DescribeAutoMLJobV2", "sagemaker:StopAutoMLJob"], |sandbox| {
            overdue(sandbox, "sagemaker-automl-runtime", JobKind::AutoMl)
        }),
        Run::new(
            &[
                "sagemaker:ListTrainingJobs",
                "sagemaker:ListProcessingJobs",
                "sagemaker:ListTransformJobs",
                "sagemaker:ListHyperParameterTuningJobs",
                "sagemaker:ListAutoMLJobs",
            ],
            |sandbox| overdue(sandbox, "sagemaker-concurrent-jobs", JobKind::Training),
        ),
    ];
    check(&sandbox, "sagemaker-enforce", sagemaker::enforce::ACTIONS, &runs);
}
