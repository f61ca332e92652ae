//! The kinds of jobs, and the calls that each kind has of its own.

use lambda::CallError;

use super::{Jobs, PAGE, refusal};

/// The kinds of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobKind {
    /// Looks for the best model with jobs of its own.
    AutoMl,
    /// Looks for the best hyperparameters with training jobs of its own.
    Tuning,
    /// Trains a model.
    Training,
    /// Prepares data or evaluates a model.
    Processing,
    /// Asks a model about a batch.
    Transform,
}

/// A page of a list of jobs.
pub(super) struct Page {
    /// The name and the state of each, as far as SageMaker tells them.
    pub(super) jobs: Vec<(Option<String>, Option<String>)>,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<String>,
}

impl JobKind {
    /// All of them, those that make others first.
    pub(super) const ALL: [Self; 5] = [Self::AutoMl, Self::Tuning, Self::Training, Self::Processing, Self::Transform];

    /// What its resources are called.
    pub(super) const fn resource(self) -> &'static str {
        match self {
            Self::AutoMl => "automl job",
            Self::Tuning => "tuning job",
            Self::Training => "training job",
            Self::Processing => "processing job",
            Self::Transform => "transform job",
        }
    }

    /// The kind whose resources are called so.
    pub(super) fn of_resource(resource: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.resource() == resource)
    }

    /// What the ends of its ARNs begin with.
    const fn prefix(self) -> &'static str {
        match self {
            Self::AutoMl => "automl-job",
            Self::Tuning => "hyper-parameter-tuning-job",
            Self::Training => "training-job",
            Self::Processing => "processing-job",
            Self::Transform => "transform-job",
        }
    }

    /// The id of the job of this name: `training-job/<name>`.
    pub(super) fn id(self, name: &str) -> String {
        format!("{}/{name}", self.prefix())
    }

    /// The name in such an id.
    pub(super) fn name(self, id: &str) -> &str {
        id.strip_prefix(self.prefix()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(id)
    }

    pub(super) const fn list_action(self) -> &'static str {
        match self {
            Self::AutoMl => "sagemaker:ListAutoMLJobs",
            Self::Tuning => "sagemaker:ListHyperParameterTuningJobs",
            Self::Training => "sagemaker:ListTrainingJobs",
            Self::Processing => "sagemaker:ListProcessingJobs",
            Self::Transform => "sagemaker:ListTransformJobs",
        }
    }

    const fn describe_action(self) -> &'static str {
        match self {
            Self::AutoMl => "sagemaker:DescribeAutoMLJobV2",
            Self::Tuning => "sagemaker:DescribeHyperParameterTuningJob",
            Self::Training => "sagemaker:DescribeTrainingJob",
            Self::Processing => "sagemaker:DescribeProcessingJob",
            Self::Transform => "sagemaker:DescribeTransformJob",
        }
    }

    const fn stop_action(self) -> &'static str {
        match self {
            Self::AutoMl => "sagemaker:StopAutoMLJob",
            Self::Tuning => "sagemaker:StopHyperParameterTuningJob",
            Self::Training => "sagemaker:StopTrainingJob",
            Self::Processing => "sagemaker:StopProcessingJob",
            Self::Transform => "sagemaker:StopTransformJob",
        }
    }
}

impl Jobs {
    /// A page of the jobs of a kind that are in a state.
    pub(super) async fn jobs(&self, kind: JobKind, state: &str, from: Option<String>) -> Result<Page, CallError> {
        // Five calls of one shape, whose answers have no type in common.
        macro_rules! list {
            ($call:ident, $summaries:ident, $name:ident, $state:ident) => {{
                let list = self.client.$call().status_equals(state.into()).max_results(PAGE).set_next_token(from);
                let page = list.send().await.map_err(|error| CallError::of(kind.list_action(), &error))?;
                let jobs = page.$summaries.unwrap_or_default().into_iter();
                let jobs = jobs.map(|seen| (seen.$name, seen.$state.map(|state| state.as_str().to_owned())));
                Ok(Page { jobs: jobs.collect(), next: page.next_token })
            }};
        }
        match kind {
            JobKind::AutoMl => list!(list_auto_ml_jobs, auto_ml_job_summaries, auto_ml_job_name, auto_ml_job_status),
            JobKind::Tuning => list!(
                list_hyper_parameter_tuning_jobs,
                hyper_parameter_tuning_job_summaries,
                hyper_parameter_tuning_job_name,
                hyper_parameter_tuning_job_status
            ),
            JobKind::Training => {
                list!(list_training_jobs, training_job_summaries, training_job_name, training_job_status)
            }
            JobKind::Processing => {
                list!(list_processing_jobs, processing_job_summaries, processing_job_name, processing_job_status)
            }
            JobKind::Transform => {
                list!(list_transform_jobs, transform_job_summaries, transform_job_name, transform_job_status)
            }
        }
    }

    /// The state of a job.
    pub(super) async fn job_state(&self, kind: JobKind, name: &str) -> Result<String, CallError> {
        let action = kind.describe_action();
        macro_rules! describe {
            ($call:ident, $name:ident, $state:ident) => {{
                let answer = self.client.$call().$name(name).send().await;
                let answer = answer.map_err(|error| CallError::of(action, &error))?;
                answer.$state.map(|state| state.as_str().to_owned())
            }};
        }
        let state = match kind {
            JobKind::AutoMl => describe!(describe_auto_ml_job_v2, auto_ml_job_name, auto_ml_job_status),
            JobKind::Tuning => describe!(
                describe_hyper_parameter_tuning_job,
                hyper_parameter_tuning_job_name,
                hyper_parameter_tuning_job_status
            ),
            JobKind::Training => describe!(describe_training_job, training_job_name, training_job_status),
            JobKind::Processing => describe!(describe_processing_job, processing_job_name, processing_job_status),
            JobKind::Transform => describe!(describe_transform_job, transform_job_name, transform_job_status),
        };
        state.ok_or_else(|| refusal::incomplete(action, "a state"))
    }

    /// Tells a job to stop.
    pub(super) async fn stop_job(&self, kind: JobKind, name: &str) -> Result<(), CallError> {
        macro_rules! stop {
            ($call:ident, $name:ident) => {{
                let stop = self.client.$call().$name(name).send().await;
                stop.map(drop).map_err(|error| CallError::of(kind.stop_action(), &error))
            }};
        }
        match kind {
            JobKind::AutoMl => stop!(stop_auto_ml_job, auto_ml_job_name),
            JobKind::Tuning => stop!(stop_hyper_parameter_tuning_job, hyper_parameter_tuning_job_name),
            JobKind::Training => stop!(stop_training_job, training_job_name),
            JobKind::Processing => stop!(stop_processing_job, processing_job_name),
            JobKind::Transform => stop!(stop_transform_job, transform_job_name),
        }
    }
}
