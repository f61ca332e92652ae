//! Pipelines and their executions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::listing::{Listed, Order, Request, Rules, Sort, list};
use super::names::Maker;
use super::workload::{Body, Change, Life, State, Workload, is_terminal};
use super::{SageMaker, Tags, add, invalid, not_found, trail_tags};
use crate::clock;
use crate::events::ServiceEvent;
use crate::input::Input;
use crate::protocol::AwsError;

const LIST_PIPELINES: Rules = Rules {
    member: "PipelineSummaries",
    created: ["CreatedAfter", "CreatedBefore"],
    sorts: &[("CreationTime", Sort::CreationTime), ("Name", Sort::Name)],
    order: Order::Descending,
    ..Rules::PLAIN
};
const LIST_EXECUTIONS: Rules = Rules {
    member: "PipelineExecutionSummaries",
    created: ["CreatedAfter", "CreatedBefore"],
    sorts: &[("CreationTime", Sort::CreationTime), ("PipelineExecutionArn", Sort::Arn)],
    order: Order::Descending,
    ..Rules::PLAIN
};
/// How long before its first execution a pipeline that a handle makes up was created.
const HEAD_START: Duration = Duration::from_secs(60 * 60);

/// What a `ClientRequestToken` has started or stopped: the operation, and what it was asked to work on and answered.
pub(super) type Tokens = HashMap<(&'static str, String), (Arc<str>, Arc<str>)>;

/// An execution to be started, possibly in the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExecutionSpec {
    /// The pipeline it is of; created when it does not exist.
    pub pipeline: String,
    /// Its display name; made up as AWS does unless given.
    pub display_name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// How long ago it was started.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub age: Duration,
    /// How long it runs; until it is stopped when not given.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub runs_for: Option<Duration>,
    /// Whether it ends badly.
    pub fails: bool,
    /// How long it goes on after it was told to stop, as one with a callback or Lambda step does.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub stopping_takes: Duration,
    /// A state to show instead of `Executing`, known to AWS or not.
    pub raw_state: Option<String>,
    /// The IAM principal that started it, an ARN or the plain name of a user; the account's root when not given.
    pub started_by: Option<String>,
    /// The Studio user profile it was started from, in the first domain.
    pub user_profile: Option<String>,
}

impl Default for ExecutionSpec {
    /// An execution of `pipeline` that starts now and runs until it is stopped.
    fn default() -> ExecutionSpec {
        ExecutionSpec {
            pipeline: "pipeline".to_owned(),
            display_name: None,
            description: None,
            age: Duration::ZERO,
            runs_for: None,
            fails: false,
            stopping_takes: Duration::ZERO,
            raw_state: None,
            started_by: None,
            user_profile: None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Pipeline {
    arn: Arc<str>,
    name: String,
    created_at: Timestamp,
    last_execution_at: Option<Timestamp>,
}

impl Listed for Pipeline {
    fn id(&self) -> &str {
        &self.arn
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn status(&self, _now: Timestamp) -> &'static str {
        "Active"
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn modified_at(&self, _now: Timestamp) -> Timestamp {
        self.created_at
    }
}

/// What an execution has of its own.
#[derive(Debug)]
pub(super) struct Execution {
    pipeline: Arc<str>,
    description: Option<String>,
}

impl Execution {
    /// <https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html#eventbridge-pipeline>
    pub(super) fn event(&self, workload: &Workload, change: &Change) -> ServiceEvent {
        let mut detail = json!({
            "pipelineArn": *self.pipeline,
            "pipelineExecutionArn": *workload.arn,
            "pipelineExecutionDisplayName": *workload.name,
            "currentPipelineExecutionStatus": change.to,
            "executionStartTime": whole_seconds(workload.created_at),
        });
        add(&mut detail, "pipelineExecutionDescription", self.description.as_deref());
        add(&mut detail, "previousPipelineExecutionStatus", change.from.as_deref());
        add(&mut detail, "executionEndTime", is_terminal(&change.to).then(|| whole_seconds(change.at)));
        ServiceEvent {
            source: "aws.sagemaker",
            detail_type: "SageMaker Model Building Pipeline Execution Status Change",
            at: change.at,
            resources: vec![self.pipeline.to_string(), workload.arn.to_string()],
            detail,
        }
    }
}

/// `2021-03-15T16:03:13Z`, as the events of executions write their times.
fn whole_seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl SageMaker {
    pub(super) fn list_pipelines(&self, request: Request<'_>) -> Result<Value, AwsError> {
        let prefix = request.input.text("PipelineNamePrefix", 1..=256)?.unwrap_or_default();
        let pipelines = self.pipelines.values().filter(|pipeline| pipeline.name.starts_with(prefix));
        list(&LIST_PIPELINES, request, pipelines, |pipeline| {
            let mut summary = json!({
                "PipelineArn": *pipeline.arn,
                "PipelineName": pipeline.name,
                "PipelineDisplayName": pipeline.name,
                "RoleArn": self.names.role(),
                "CreationTime": clock::epoch_seconds(pipeline.created_at),
                "LastModifiedTime": clock::epoch_seconds(pipeline.created_at),
            });
            add(&mut summary, "LastExecutionTime", pipeline.last_execution_at.map(clock::epoch_seconds));
            summary
        })
    }

    pub(super) fn describe_pipeline(&self, request: Request<'_>) -> Result<Value, AwsError> {
        let pipeline = self.pipeline(request.input)?;
        let mut output = json!({
            "PipelineArn": *pipeline.arn,
            "PipelineName": pipeline.name,
            "PipelineDisplayName": pipeline.name,
            "PipelineDefinition": "{\"Version\":\"2020-12-01\",\"Steps\":[]}",
            "RoleArn": self.names.role(),
            "PipelineStatus": "Active",
            "CreationTime": clock::epoch_seconds(pipeline.created_at),
            "LastModifiedTime": clock::epoch_seconds(pipeline.created_at),
        });
        add(&mut output, "LastRunTime", pipeline.last_execution_at.map(clock::epoch_seconds));
        Ok(output)
    }

    pub(super) fn list_pipeline_executions(&self, request: Request<'_>) -> Result<Value, AwsError> {
        let pipeline = self.pipeline(request.input)?;
        let executions = self.under(&format!("pipeline/{}/execution/", pipeline.name));
        list(&LIST_EXECUTIONS, request, executions, |execution| {
            let state = execution.state(request.now);
            let mut summary = json!({
                "PipelineExecutionArn": *execution.arn,
                "StartTime": clock::epoch_seconds(execution.created_at),
                "PipelineExecutionStatus": state,
                "PipelineExecutionDisplayName": *execution.name,
            });
            if let Body::Execution(own) = &execution.body {
                add(&mut summary, "PipelineExecutionDescription", own.description.as_deref());
            }
            add(&mut summary, "PipelineExecutionFailureReason", (state == "Failed").then_some(FAILURE));
            summary
        })
    }

    pub(super) fn describe_pipeline_execution(&self, request: Request<'_>) -> Result<Value, AwsError> {
        let execution = self.execution(request.input)?;
        let Body::Execution(own) = &execution.body else { return Err(no_execution(&execution.arn)) };
        let state = execution.state(request.now);
        let maker = self.names.user_context(&execution.maker);
        let mut output = json!({
            "PipelineArn": *own.pipeline,
            "PipelineExecutionArn": *execution.arn,
            "PipelineExecutionDisplayName": *execution.name,
            "PipelineExecutionStatus": state,
            "CreationTime": clock::epoch_seconds(execution.created_at),
            "LastModifiedTime": clock::epoch_seconds(execution.life.since(request.now)),
            "CreatedBy": maker,
            "LastModifiedBy": maker,
        });
        add(&mut output, "PipelineExecutionDescription", own.description.as_deref());
        add(&mut output, "FailureReason", (state == "Failed").then_some(FAILURE));
        Ok(output)
    }

    pub(super) fn start_pipeline_execution(&mut self, request: Request<'_>) -> Result<Value, AwsError> {
        let Request { input, now, .. } = request;
        let pipeline = self.pipeline(input)?;
        let (arn, name) = (Arc::clone(&pipeline.arn), pipeline.name.clone());
        let display_name = input.text("PipelineExecutionDisplayName", 1..=82)?.map(str::to_owned);
        let description = input.text("PipelineExecutionDescription", 0..=3_072)?.map(str::to_owned);
        let execution = self.once("StartPipelineExecution", input, &arn, |sagemaker, token| {
            let spec = ExecutionSpec { pipeline: name, display_name, description, ..ExecutionSpec::default() };
            Ok(sagemaker.start_execution(&spec, Some(token), now))
        })?;
        Ok(json!({ "PipelineExecutionArn": *execution }))
    }

    pub(super) fn stop_pipeline_execution(&mut self, request: Request<'_>) -> Result<Value, AwsError> {
        let Request { input, now, .. } = request;
        let arn = Arc::clone(&self.execution(input)?.arn);
        self.once("StopPipelineExecution", input, &arn, |sagemaker, _| {
            let stopped = sagemaker.interfere(&arn, |execution| {
                if execution.state(now) == "Executing" {
                    execution.life.stop(now, "Stopping", "Stopped");
                    return true;
                }
                execution.life.stop_in_vain();
                false
            });
            if stopped == Some(true) {
                Ok(Arc::clone(&arn))
            } else {
                Err(invalid("Only pipelines with 'Executing' status can be stopped"))
            }
        })?;
        Ok(json!({ "PipelineExecutionArn": *arn }))
    }

    /// Does something unless its token has done it already; answers what it answered then.
    fn once(
        &mut self,
        operation: &'static str,
        input: Input<'_>,
        on: &Arc<str>,
        act: impl FnOnce(&mut SageMaker, &str) -> Result<Arc<str>, AwsError>,
    ) -> Result<Arc<str>, AwsError> {
        let token = input.required_text("ClientRequestToken", 32..=128)?;
        match self.tokens.get(&(operation, token.to_owned())) {
            Some((former, answer)) if former == on => Ok(Arc::clone(answer)),
            Some(_) => {
                let message = "The ClientRequestToken was used for another request.";
                Err(AwsError::modelled(400, "ConflictException", message, &[]))
            }
            None => {
                let answer = act(self, token)?;
                self.tokens.insert((operation, token.to_owned()), (Arc::clone(on), Arc::clone(&answer)));
                Ok(answer)
            }
        }
    }

    /// The pipeline a request names, by its name or its ARN.
    fn pipeline(&self, input: Input<'_>) -> Result<&Pipeline, AwsError> {
        let name = input.required_text("PipelineName", 1..=2_048)?;
        let arn = if name.starts_with("arn:") {
            name.to_lowercase().into()
        } else {
            self.names.arn(&format!("pipeline/{name}"))
        };
        self.pipelines.get(&arn).ok_or_else(|| not_found(&format!("Pipeline '{arn}' does not exist.")))
    }

    fn execution(&self, input: Input<'_>) -> Result<&Workload, AwsError> {
        let member = "PipelineExecutionArn";
        let arn = input.required_text(member, 0..=2_048)?;
        if !(arn.starts_with("arn:aws") && arn.contains(":pipeline/") && arn.contains("/execution/")) {
            let pattern = r"^arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:pipeline\/.*\/execution\/.*$";
            return Err(input.unmatched(member, pattern));
        }
        self.workloads.get(arn).ok_or_else(|| no_execution(arn))
    }

    /// The pipeline of that name, as its ARN; it is created when it does not exist.
    pub(super) fn ensure_pipeline(&mut self, name: &str, created_at: Timestamp, tags: &Tags) -> Arc<str> {
        let arn = self.names.arn(&format!("pipeline/{name}"));
        if !self.pipelines.contains_key(&arn) {
            let pipeline =
                Pipeline { arn: Arc::clone(&arn), name: name.to_owned(), created_at, last_execution_at: None };
            self.pipelines.insert(Arc::clone(&arn), pipeline);
            self.tags.insert(Arc::clone(&arn), tags.clone());
            let request = json!({
                "pipelineName": name,
                "roleArn": self.names.role(),
                "tags": trail_tags(tags),
            });
            self.note("CreatePipeline", created_at, None, request, ("PipelineArn", &arn));
        }
        arn
    }

    /// Starts an execution as `spec` says, and the pipeline it needs.
    pub(super) fn start_execution(&mut self, spec: &ExecutionSpec, token: Option<&str>, now: Timestamp) -> Arc<str> {
        let created_at = clock::before(now, spec.age);
        let pipeline = self.ensure_pipeline(&spec.pipeline, clock::before(created_at, HEAD_START), &Tags::new());
        if let Some(pipeline) = self.pipelines.get_mut(&pipeline) {
            pipeline.last_execution_at = pipeline.last_execution_at.max(Some(created_at));
        }
        // Twelve small letters and digits, as AWS makes them.
        let id: String = Uuid::new_v4().simple().to_string().chars().take(12).collect();
        let arn = self.names.arn(&format!("pipeline/{}/execution/{id}", spec.pipeline));
        let name = spec.display_name.clone().unwrap_or_else(|| format!("execution-{}", created_at.as_millisecond()));
        let state = spec.raw_state.clone().map_or(State::Borrowed("Executing"), State::Owned);
        let end = if spec.fails { "Failed" } else { "Succeeded" };
        let request = json!({
            "pipelineName": spec.pipeline,
            "pipelineExecutionDisplayName": name,
            "clientRequestToken": token.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned),
        });
        self.note(
            "StartPipelineExecution",
            created_at,
            spec.started_by.as_deref(),
            request,
            ("PipelineExecutionArn", &arn),
        );
        let profile = spec.user_profile.clone().map(|profile| (self.first_domain(now), profile));
        self.begin(Workload {
            arn,
            name: name.into(),
            created_at,
            maker: Maker { by: spec.started_by.clone(), profile, ..Maker::default() },
            life: Life::new(Life::running(created_at, state, spec.runs_for, end), spec.stopping_takes, now),
            body: Body::Execution(Execution { pipeline, description: spec.description.clone() }),
        })
    }

    /// Makes up `count` pipelines, each with one execution that succeeded within a second: the first `recent` of them
    /// ran `recent_age` ago, the others `old_age` ago. Answers their names.
    pub(super) fn seed_pipelines(
        &mut self,
        count: usize,
        recent: usize,
        [recent_age, old_age]: [Duration; 2],
        now: Timestamp,
    ) -> Vec<String> {
        let least = Duration::from_millis(1);
        (0..count)
            .map(|index| {
                // However young, it ended before now: what ends now would still be announced.
                let age = if index < recent { recent_age } else { old_age }.max(least);
                let spec = ExecutionSpec {
                    pipeline: format!("pipeline-{index:05}"),
                    age,
                    runs_for: Some(Duration::from_secs(1).min(age.saturating_sub(least))),
                    ..ExecutionSpec::default()
                };
                self.start_execution(&spec, None, now);
                spec.pipeline
            })
            .collect()
    }
}

/// Why every execution that fails does.
const FAILURE: &str = "Step failure: One or multiple steps failed.";

fn no_execution(arn: &str) -> AwsError {
    not_found(&format!("Pipeline execution with ARN {arn} does not exist."))
}
