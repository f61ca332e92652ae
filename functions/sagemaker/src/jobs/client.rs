//! What SageMaker answers about jobs of each kind.

use aws_sdk_sagemaker::primitives::DateTime;
use aws_sdk_sagemaker::types::{
    AutoMlJobStatus, HyperParameterTrainingJobDefinition, HyperParameterTuningJobStatus, ProcessingClusterConfig,
    ProcessingJobStatus, ResourceConfig, TrainingJobStatus, TransformJobStatus, TransformResources,
};
use lambda::CallError;
use lambda::aws::instant;

use super::{Choices, DescribedJob, Instances, Job, JobKind, Jobs, StopJobs};
use crate::client::{PAGE, SageMakerClient, judgeable};
use crate::line::Page;

/// A job out of the members that a summary and a description have in common.
fn job(
    kind: JobKind,
    name: Option<String>,
    arn: Option<String>,
    state: Option<impl AsRef<str>>,
    created_at: Option<DateTime>,
) -> Option<Job> {
    Some(Job {
        kind,
        name: name?,
        arn: arn?,
        state: state?.as_ref().to_owned(),
        created_at: created_at.and_then(instant)?,
    })
}

impl Jobs for SageMakerClient {
    async fn in_progress(&self, kind: JobKind, from: Option<String>) -> Result<Page<Job>, CallError> {
        let action = kind.list_action();
        // Five calls of one shape, whose answers have no type in common.
        macro_rules! list {
            ($call:ident, $status:expr, $summaries:ident, $name:ident, $arn:ident, $state:ident) => {{
                let list = self.sdk.$call().status_equals($status).max_results(PAGE).set_next_token(from).send();
                let page = list.await.map_err(|error| CallError::of(action, &error))?;
                let jobs = page.$summaries.unwrap_or_default().into_iter();
                let jobs = jobs.map(|seen| job(kind, seen.$name, seen.$arn, seen.$state, seen.creation_time));
                let jobs = jobs.filter_map(|job| judgeable(kind.resource(), job));
                Ok(Page::new(jobs, page.next_token))
            }};
        }
        match kind {
            JobKind::Training => list!(
                list_training_jobs,
                TrainingJobStatus::InProgress,
                training_job_summaries,
                training_job_name,
                training_job_arn,
                training_job_status
            ),
            JobKind::Processing => list!(
                list_processing_jobs,
                ProcessingJobStatus::InProgress,
                processing_job_summaries,
                processing_job_name,
                processing_job_arn,
                processing_job_status
            ),
            JobKind::Transform => list!(
                list_transform_jobs,
                TransformJobStatus::InProgress,
                transform_job_summaries,
                transform_job_name,
                transform_job_arn,
                transform_job_status
            ),
            JobKind::Tuning => list!(
                list_hyper_parameter_tuning_jobs,
                HyperParameterTuningJobStatus::InProgress,
                hyper_parameter_tuning_job_summaries,
                hyper_parameter_tuning_job_name,
                hyper_parameter_tuning_job_arn,
                hyper_parameter_tuning_job_status
            ),
            JobKind::AutoMl => list!(
                list_auto_ml_jobs,
                AutoMlJobStatus::InProgress,
                auto_ml_job_summaries,
                auto_ml_job_name,
                auto_ml_job_arn,
                auto_ml_job_status
            ),
        }
    }

    async fn job(&self, kind: JobKind, name: &str) -> Result<Option<DescribedJob>, CallError> {
        let action = kind.describe_action();
        macro_rules! describe {
            ($call:ident, $set_name:ident, $name:ident, $arn:ident, $state:ident, $instances:expr) => {{
                let answer = self.sdk.$call().$set_name(name).send().await;
                let answer = answer.map_err(|error| CallError::of(action, &error))?;
                let instances = $instances(&answer);
                let job = job(kind, answer.$name, answer.$arn, answer.$state, answer.creation_time);
                Ok(job.map(|job| DescribedJob { job, instances }))
            }};
        }
        match kind {
            JobKind::Training => describe!(
                describe_training_job,
                training_job_name,
                training_job_name,
                training_job_arn,
                training_job_status,
                |answer: &aws_sdk_sagemaker::operation::describe_training_job::DescribeTrainingJobOutput| {
                    answer.resource_config.as_ref().map(of_training).unwrap_or_default()
                }
            ),
            JobKind::Processing => describe!(
                describe_processing_job,
                processing_job_name,
                processing_job_name,
                processing_job_arn,
                processing_job_status,
                |answer: &aws_sdk_sagemaker::operation::describe_processing_job::DescribeProcessingJobOutput| {
                    let cluster = answer.processing_resources.as_ref().and_then(|held| held.cluster_config.as_ref());
                    cluster.map(of_processing).unwrap_or_default()
                }
            ),
            JobKind::Transform => describe!(
                describe_transform_job,
                transform_job_name,
                transform_job_name,
                transform_job_arn,
                transform_job_status,
                |answer: &aws_sdk_sagemaker::operation::describe_transform_job::DescribeTransformJobOutput| {
                    answer.transform_resources.as_ref().map(of_transform).unwrap_or_default()
                }
            ),
            JobKind::Tuning => describe!(
                describe_hyper_parameter_tuning_job,
                hyper_parameter_tuning_job_name,
                hyper_parameter_tuning_job_name,
                hyper_parameter_tuning_job_arn,
                hyper_parameter_tuning_job_status,
                of_tuning
            ),
            JobKind::AutoMl => describe!(
                describe_auto_ml_job_v2,
                auto_ml_job_name,
                auto_ml_job_name,
                auto_ml_job_arn,
                auto_ml_job_status,
                |_: &_| Choices::new()
            ),
        }
    }
}

impl StopJobs for SageMakerClient {
    async fn stop_job(&self, kind: JobKind, name: &str) -> Result<(), CallError> {
        let action = kind.stop_action();
        macro_rules! stop {
            ($call:ident, $set_name:ident) => {
                self.sdk.$call().$set_name(name).send().await.map(drop).map_err(|error| CallError::of(action, &error))
            };
        }
        match kind {
            JobKind::Training => stop!(stop_training_job, training_job_name),
            JobKind::Processing => stop!(stop_processing_job, processing_job_name),
            JobKind::Transform => stop!(stop_transform_job, transform_job_name),
            JobKind::Tuning => stop!(stop_hyper_parameter_tuning_job, hyper_parameter_tuning_job_name),
            JobKind::AutoMl => stop!(stop_auto_ml_job, auto_ml_job_name),
        }
    }
}

/// Instances of a type; a count that is not given is one. None of a type is nothing, and is also what the SDK makes of
/// an answer that leaves out what SageMaker promises.
fn instances(instance_type: Option<&(impl AsRef<str> + ?Sized)>, count: Option<i32>) -> Option<Instances> {
    let count = count.map_or(1, |count| u64::try_from(count).unwrap_or_default());
    let instance_type = instance_type?.as_ref().to_owned();
    (count > 0).then_some(Instances { instance_type, count })
}

/// What was chosen if SageMaker has chosen, else each of what it may choose.
fn choices(chosen: Option<Instances>, preferences: impl Iterator<Item = Option<Instances>>) -> Choices {
    match chosen {
        Some(chosen) => vec![vec![chosen]],
        None => preferences.flatten().map(|preference| vec![preference]).collect(),
    }
}

fn of_training(held: &ResourceConfig) -> Choices {
    let groups = held.instance_groups.iter().flatten();
    let groups = groups.filter_map(|group| instances(group.instance_type.as_ref(), group.instance_count));
    let fixed: Vec<_> = instances(held.instance_type.as_ref(), held.instance_count).into_iter().chain(groups).collect();
    if !fixed.is_empty() {
        return vec![fixed];
    }
    let preferences = held.instance_preferences.iter().flatten();
    choices(
        instances(held.selected_instance_type.as_ref(), held.selected_instance_count),
        preferences.map(|preferred| instances(preferred.instance_type.as_ref(), preferred.instance_count)),
    )
}

fn of_processing(held: &ProcessingClusterConfig) -> Choices {
    let fixed = instances(held.instance_type.as_ref(), held.instance_count);
    let selected = || instances(held.selected_instance_type.as_ref(), held.selected_instance_count);
    let preferences = held.instance_preferences.iter().flatten();
    choices(
        fixed.or_else(selected),
        preferences.map(|preferred| instances(preferred.instance_type.as_ref(), preferred.instance_count)),
    )
}

fn of_transform(held: &TransformResources) -> Choices {
    instances(held.instance_type.as_ref(), held.instance_count).map(|held| vec![vec![held]]).unwrap_or_default()
}

/// A tuning job holds the instances of as many training jobs as it may run at once, of whichever of its definitions.
fn of_tuning(
    answer: &aws_sdk_sagemaker::operation::describe_hyper_parameter_tuning_job::DescribeHyperParameterTuningJobOutput,
) -> Choices {
    let limits = answer.hyper_parameter_tuning_job_config.as_ref().and_then(|config| config.resource_limits.as_ref());
    let parallel = limits.and_then(|limits| limits.max_parallel_training_jobs).unwrap_or(1);
    let parallel = u64::try_from(parallel).unwrap_or(1);
    let definitions = answer.training_job_definition.iter().chain(answer.training_job_definitions.iter().flatten());
    let mut choices: Choices = definitions.flat_map(of_definition).collect();
    for held in choices.iter_mut().flatten() {
        held.count = held.count.saturating_mul(parallel);
    }
    choices
}

fn of_definition(definition: &HyperParameterTrainingJobDefinition) -> Choices {
    let Some(tuned) = &definition.hyper_parameter_tuning_resource_config else {
        return definition.resource_config.as_ref().map(of_training).unwrap_or_default();
    };
    let configs = tuned.instance_configs.iter().flatten();
    choices(
        instances(tuned.instance_type.as_ref(), tuned.instance_count),
        configs.map(|config| instances(config.instance_type.as_ref(), config.instance_count)),
    )
}
