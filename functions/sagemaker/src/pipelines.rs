//! Pipelines and their executions: the port, and what SageMaker answers.

use aws_sdk_sagemaker::operation::describe_pipeline_execution::DescribePipelineExecutionOutput;
use aws_sdk_sagemaker::types::{
    PipelineExecutionSummary, PipelineSummary, SortOrder, SortPipelineExecutionsBy, UserContext,
};
use jiff::Timestamp;
use lambda::CallError;
use lambda::aws::instant;

use crate::client::{PAGE, SageMakerClient, judgeable};
use crate::line::Page;

pub(crate) mod look;

/// The kind of resource that a pipeline is.
pub(crate) const PIPELINE: &str = "pipeline";

/// The kind of resource that an execution is.
pub(crate) const EXECUTION: &str = "pipeline execution";

pub(crate) const LIST_PIPELINES: &str = "sagemaker:ListPipelines";
pub(crate) const DESCRIBE_PIPELINE: &str = "sagemaker:DescribePipeline";
pub(crate) const LIST_EXECUTIONS: &str = "sagemaker:ListPipelineExecutions";
pub(crate) const DESCRIBE_EXECUTION: &str = "sagemaker:DescribePipelineExecution";
pub(crate) const STOP_EXECUTION: &str = "sagemaker:StopPipelineExecution";

/// A pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// How its ARN ends, which is its name in lower case for most. The ids of its executions begin with it.
    pub key: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its latest execution began, if there was one.
    pub last_execution: Option<Timestamp>,
}

/// An execution of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Its ARN after `:pipeline/`: `<pipeline>/execution/<id>`.
    pub id: String,
    /// Its state in SageMaker's words.
    pub state: String,
    /// When it was started.
    pub started_at: Timestamp,
}

/// An execution, asked about by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedExecution {
    /// The execution.
    pub execution: Execution,
    /// Who started it.
    pub created_by: Option<String>,
}

/// Sees pipelines.
pub trait Pipelines {
    /// A page of all pipelines.
    fn pipelines(&self, from: Option<String>) -> impl Future<Output = Result<Page<Pipeline>, CallError>>;

    /// The name of the pipeline whose ARN ends so.
    fn pipeline_name(&self, key: &str) -> impl Future<Output = Result<Option<String>, CallError>>;

    /// A page of a pipeline's executions, newest first.
    fn executions(
        &self,
        pipeline: &str,
        from: Option<String>,
    ) -> impl Future<Output = Result<Page<Execution>, CallError>>;

    /// An execution by its id.
    fn execution(&self, id: &str) -> impl Future<Output = Result<Option<DescribedExecution>, CallError>>;
}

/// Stops executions of pipelines.
pub trait StopExecutions: Pipelines {
    /// Tells an execution to stop.
    fn stop_execution(&self, id: &str) -> impl Future<Output = Result<(), CallError>>;
}

impl Pipelines for SageMakerClient {
    async fn pipelines(&self, from: Option<String>) -> Result<Page<Pipeline>, CallError> {
        let list = self.sdk.list_pipelines().max_results(PAGE).set_next_token(from).send();
        let page = list.await.map_err(|error| CallError::of(LIST_PIPELINES, &error))?;
        Ok(Page::new(
            page.pipeline_summaries
                .unwrap_or_default()
                .into_iter()
                .filter_map(|seen| judgeable(PIPELINE, pipeline(seen))),
            page.next_token,
        ))
    }

    async fn pipeline_name(&self, key: &str) -> Result<Option<String>, CallError> {
        let describe = self.sdk.describe_pipeline().pipeline_name(self.arn(&format!("pipeline/{key}"))).send();
        let answer = describe.await.map_err(|error| CallError::of(DESCRIBE_PIPELINE, &error))?;
        Ok(answer.pipeline_name)
    }

    async fn executions(&self, pipeline: &str, from: Option<String>) -> Result<Page<Execution>, CallError> {
        let list = self
            .sdk
            .list_pipeline_executions()
            .pipeline_name(pipeline)
            .sort_by(SortPipelineExecutionsBy::CreationTime)
            .sort_order(SortOrder::Descending)
            .max_results(PAGE)
            .set_next_token(from)
            .send();
        let page = list.await.map_err(|error| CallError::of(LIST_EXECUTIONS, &error))?;
        let executions = page.pipeline_execution_summaries.unwrap_or_default();
        Ok(Page::new(executions.into_iter().filter_map(|seen| judgeable(EXECUTION, execution(seen))), page.next_token))
    }

    async fn execution(&self, id: &str) -> Result<Option<DescribedExecution>, CallError> {
        let arn = self.arn(&format!("pipeline/{id}"));
        let describe = self.sdk.describe_pipeline_execution().pipeline_execution_arn(arn).send();
        let answer = describe.await.map_err(|error| CallError::of(DESCRIBE_EXECUTION, &error))?;
        Ok(described(id, answer))
    }
}

impl StopExecutions for SageMakerClient {
    async fn stop_execution(&self, id: &str) -> Result<(), CallError> {
        let stop = self
            .sdk
            .stop_pipeline_execution()
            .pipeline_execution_arn(self.arn(&format!("pipeline/{id}")))
            .client_request_token(request_token(id))
            .send();
        stop.await.map(drop).map_err(|error| CallError::of(STOP_EXECUTION, &error))
    }
}

/// The same execution is stopped under the same token always, so that a repeated order is one order. SageMaker asks for
/// 32 to 128 characters.
fn request_token(id: &str) -> String {
    let execution = id.rsplit('/').next().unwrap_or_default();
    let token = format!("sandbox-guardrails-stop-pipeline-execution-{execution}");
    token.chars().take(128).collect()
}

fn pipeline(summary: PipelineSummary) -> Option<Pipeline> {
    let (_, key) = summary.pipeline_arn.as_deref()?.split_once(":pipeline/")?;
    Some(Pipeline {
        key: key.to_owned(),
        name: summary.pipeline_name?,
        created_at: summary.creation_time.and_then(instant)?,
        last_execution: summary.last_execution_time.and_then(instant),
    })
}

fn execution(summary: PipelineExecutionSummary) -> Option<Execution> {
    let (_, id) = summary.pipeline_execution_arn.as_deref()?.split_once(":pipeline/")?;
    Some(Execution {
        id: id.to_owned(),
        state: summary.pipeline_execution_status?.as_str().to_owned(),
        started_at: summary.start_time.and_then(instant)?,
    })
}

fn described(id: &str, answer: DescribePipelineExecutionOutput) -> Option<DescribedExecution> {
    let execution = Execution {
        id: id.to_owned(),
        state: answer.pipeline_execution_status?.as_str().to_owned(),
        started_at: answer.creation_time.and_then(instant)?,
    };
    Some(DescribedExecution { execution, created_by: answer.created_by.and_then(name_of) })
}

/// Who a user is: the profile in Studio, else the source identity, else the last step of the ARN, which is the name of
/// a session or of a user.
fn name_of(user: UserContext) -> Option<String> {
    let named = |name: Option<String>| name.filter(|name| !name.is_empty());
    named(user.user_profile_name).or_else(|| {
        let identity = user.iam_identity?;
        named(identity.source_identity).or_else(|| named(identity.arn?.rsplit('/').next().map(str::to_owned)))
    })
}

#[cfg(test)]
mod tests;
