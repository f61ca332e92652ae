//! What an event of SageMaker names.
//!
//! Events come at the best of efforts, some of them twice; an event is a reason to look and nothing more.
//! <https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html>

use lambda::trigger::Envelope;

use crate::endpoints::ENDPOINT;
use crate::jobs::JobKind;
use crate::life;
use crate::notebooks::NOTEBOOK;
use crate::pipelines::EXECUTION;

/// What an event names, if it may be active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// An execution, by id.
    Execution(String),
    /// A job, by name.
    Job(JobKind, String),
    /// A notebook instance, by name.
    Notebook(String),
    /// Some endpoint: one call sees them all.
    Endpoint,
}

impl Named {
    pub(super) const fn resource_kind(&self) -> &'static str {
        match self {
            Self::Execution(_) => EXECUTION,
            Self::Job(kind, _) => kind.resource(),
            Self::Notebook(_) => NOTEBOOK,
            Self::Endpoint => ENDPOINT,
        }
    }
}

/// The jobs that have events, with the members that tell name and state. AutoML jobs have none.
const JOBS: [(&str, JobKind, &str, &str); 4] = [
    ("SageMaker Training Job State Change", JobKind::Training, "TrainingJobName", "TrainingJobStatus"),
    ("SageMaker Processing Job State Change", JobKind::Processing, "ProcessingJobName", "ProcessingJobStatus"),
    ("SageMaker Transform Job State Change", JobKind::Transform, "TransformJobName", "TransformJobStatus"),
    (
        "SageMaker HyperParameter Tuning Job State Change",
        JobKind::Tuning,
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobStatus",
    ),
];

/// Reads what an event names; `None` for what has ended, and for a malformed event, which is logged.
pub(super) fn read(event: &Envelope) -> Option<Named> {
    let text = |member: &str| {
        let text = event.detail.get(member).and_then(serde_json::Value::as_str);
        if text.is_none() {
            tracing::warn!(
                event.detail_type = event.detail_type,
                event.member = member,
                "event is malformed and was ignored"
            );
        }
        text
    };
    match event.detail_type.as_str() {
        "SageMaker Model Building Pipeline Execution Status Change" => {
            let (arn, state) = (text("pipelineExecutionArn")?, text("currentPipelineExecutionStatus")?);
            let Some((_, id)) = arn.split_once(":pipeline/") else {
                tracing::warn!(event.detail_type = event.detail_type, "event names no pipeline and was ignored");
                return None;
            };
            life::is_active(EXECUTION, state).then(|| Named::Execution(id.to_owned()))
        }
        "SageMaker Notebook Instance State Change" => {
            let (name, state) = (text("NotebookInstanceName")?, text("NotebookInstanceStatus")?);
            life::is_active(NOTEBOOK, state).then(|| Named::Notebook(name.to_owned()))
        }
        // Events write `IN_SERVICE` where calls write `InService`.
        "SageMaker Endpoint State Change" => {
            let state = text("EndpointStatus")?.to_ascii_uppercase();
            (!matches!(state.as_str(), "DELETING" | "DELETED")).then_some(Named::Endpoint)
        }
        other => {
            let job = JOBS.into_iter().find(|(detail_type, ..)| *detail_type == other);
            let Some((_, kind, name, state)) = job else {
                tracing::warn!(event.detail_type = other, "event is of an unknown kind and was ignored");
                return None;
            };
            let (name, state) = (text(name)?, text(state)?);
            life::is_active(kind.resource(), state).then(|| Named::Job(kind, name.to_owned()))
        }
    }
}
