//! Executions of pipelines, which SageMaker lists one pipeline at a time and in all states together.

use aws_sdk_sagemaker::types::{SortOrder, SortPipelineExecutionsBy};
use futures_util::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use lambda::aws::instant;
use lambda::{CallError, Problems};

use super::{CALLS_AT_ONCE, Jobs, PAGE, item, refusal};
use crate::part::{Item, Phase};

/// The kind of resource that an execution is.
pub(super) const EXECUTION: &str = "pipeline execution";

const LIST_PIPELINES: &str = "sagemaker:ListPipelines";
const LIST_EXECUTIONS: &str = "sagemaker:ListPipelineExecutions";
const DESCRIBE_EXECUTION: &str = "sagemaker:DescribePipelineExecution";
const STOP_EXECUTION: &str = "sagemaker:StopPipelineExecution";

/// The longest that an execution can live, 672 hours.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-feature-processor-quotas.html>
const LONGEST: SignedDuration = SignedDuration::from_hours(672);

impl Jobs {
    /// The executions that are under way.
    ///
    /// None that began 672 hours before the latest one can be, so nothing is read beyond: neither pipelines that ran last
    /// before that, nor older pages of the others. The one exception is an older execution that somebody has retried;
    /// what it runs are jobs, which are seen and stopped by themselves.
    pub(super) async fn executions(&self) -> Result<Vec<Item>, Problems> {
        let pipelines = self.pipelines().await?;
        let latest = pipelines.iter().map(|(_, last)| *last).max();
        let Some(latest) = latest else { return Ok(Vec::new()) };
        let horizon = latest.checked_sub(LONGEST).unwrap_or(Timestamp::MIN);
        let due = pipelines.into_iter().filter(|(_, last)| *last >= horizon);
        let reads = stream::iter(due).map(|(pipeline, _)| self.executions_of(pipeline, horizon));
        let mut problems = Problems::default();
        let mut items = Vec::new();
        for read in reads.buffered(CALLS_AT_ONCE).collect::<Vec<_>>().await {
            items.extend(problems.keep(read).unwrap_or_default());
        }
        problems.into_result().map(|()| items)
    }

    /// The names of all pipelines that were ever executed, with the beginning of their latest execution.
    async fn pipelines(&self) -> Result<Vec<(String, Timestamp)>, CallError> {
        let mut pipelines = Vec::new();
        let mut from = None;
        loop {
            let list = self.client.list_pipelines().max_results(PAGE).set_next_token(from).send();
            let page = list.await.map_err(|error| CallError::of(LIST_PIPELINES, &error))?;
            for seen in page.pipeline_summaries.unwrap_or_default() {
                let Some(last) = seen.last_execution_time.and_then(instant) else { continue };
                let name = seen.pipeline_name.ok_or_else(|| refusal::incomplete(LIST_PIPELINES, "a name"))?;
                pipelines.push((name, last));
            }
            from = page.next_token.filter(|next| !next.is_empty());
            if from.is_none() {
                return Ok(pipelines);
            }
        }
    }

    /// A pipeline's executions that are under way, read newest first to those that began before `horizon`.
    async fn executions_of(&self, pipeline: String, horizon: Timestamp) -> Result<Vec<Item>, CallError> {
        let mut items = Vec::new();
        let mut from = None;
        loop {
            let list = self
                .client
                .list_pipeline_executions()
                .pipeline_name(&pipeline)
                .sort_by(SortPipelineExecutionsBy::CreationTime)
                .sort_order(SortOrder::Descending)
                .max_results(PAGE)
                .set_next_token(from);
            let page = match list.send().await {
                Ok(page) => page,
                // A pipeline that executes cannot be deleted; one that was deleted meanwhile has nothing under way.
                Err(error) => {
                    return refusal::missing_or(CallError::of(LIST_EXECUTIONS, &error)).map(|()| Vec::new());
                }
            };
            let mut oldest = None;
            for seen in page.pipeline_execution_summaries.unwrap_or_default() {
                let id = seen.pipeline_execution_arn.as_deref().and_then(|arn| arn.split_once(":pipeline/"));
                let (Some((_, id)), Some(state)) = (id, seen.pipeline_execution_status) else {
                    return Err(refusal::incomplete(LIST_EXECUTIONS, "an ARN or a state"));
                };
                items.extend(item(EXECUTION, id.to_owned(), state.as_str().to_owned(), phase_of));
                oldest = seen.start_time.and_then(instant);
            }
            from = page.next_token.filter(|next| !next.is_empty());
            if from.is_none() || oldest.is_some_and(|oldest| oldest < horizon) {
                return Ok(items);
            }
        }
    }

    /// The state of an execution.
    pub(super) async fn execution_state(&self, id: &str) -> Result<String, CallError> {
        let describe = self.client.describe_pipeline_execution().pipeline_execution_arn(self.arn(id)).send();
        let answer = describe.await.map_err(|error| CallError::of(DESCRIBE_EXECUTION, &error))?;
        let state = answer.pipeline_execution_status;
        state.map(|state| state.as_str().to_owned()).ok_or_else(|| refusal::incomplete(DESCRIBE_EXECUTION, "a state"))
    }

    /// Tells an execution to stop.
    pub(super) async fn stop_execution(&self, id: &str, now: Timestamp) -> Result<(), CallError> {
        let stop = self.client.stop_pipeline_execution().pipeline_execution_arn(self.arn(id));
        let stop = stop.client_request_token(request_token(id, now)).send().await;
        stop.map(drop).map_err(|error| CallError::of(STOP_EXECUTION, &error))
    }

    fn arn(&self, id: &str) -> String {
        format!("{}pipeline/{id}", self.arns)
    }
}

/// An order is one order however often it is sent. An execution that was stopped can be retried under the same ARN, so a
/// later closing is another one. SageMaker asks for 32 to 128 characters.
fn request_token(id: &str, now: Timestamp) -> String {
    let execution = id.rsplit('/').next().unwrap_or_default();
    let token = format!("sandbox-guardrails-closing-{}-{execution}", now.as_second());
    token.chars().take(128).collect()
}

/// Where an execution in this state stands.
pub(super) fn phase_of(state: &str) -> Phase {
    match state {
        "Executing" => Phase::On,
        "Stopping" => Phase::TurningOff,
        "Stopped" | "Failed" | "Succeeded" | "CompletedWithFailures" => Phase::Off,
        // It may run: better told to stop in vain than overlooked.
        _ => {
            tracing::warn!(resource.kind = EXECUTION, resource.state = state, "state is unknown and counts as on");
            Phase::On
        }
    }
}
