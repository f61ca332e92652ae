//! Jobs of all kinds and executions of pipelines: stopped when the sandbox closes, or let finish. None of them can be
//! turned on again.

use aws_sdk_sagemaker::Client;
use futures_util::stream::{self, StreamExt};
use guardrail::Resource;
use jiff::Timestamp;
use lambda::{Aws, CallError, CallErrorKind, Problems};

use self::kind::JobKind;
use self::pipelines::EXECUTION;
use self::refusal::Order;
use crate::part::{Item, Part, Phase, Switch, Turned, TurnedOff};

mod kind;
mod pipelines;
pub(super) mod refusal;

/// How many things a page holds at most; without asking, SageMaker gives ten.
const PAGE: i32 = 100;

/// Calls under way at once.
const CALLS_AT_ONCE: usize = 4;

/// The jobs and the executions of pipelines of this account.
#[derive(Clone, Debug)]
pub struct Jobs {
    client: Client,
    /// What the ARNs of everything in it begin with. Executions are told to stop by their ARN.
    arns: String,
}

impl Jobs {
    /// The IAM actions that looking needs.
    pub const LOOK_ACTIONS: &[&str] = &[
        "sagemaker:ListPipelines",
        "sagemaker:ListPipelineExecutions",
        "sagemaker:ListAutoMLJobs",
        "sagemaker:ListHyperParameterTuningJobs",
        "sagemaker:ListTrainingJobs",
        "sagemaker:ListProcessingJobs",
        "sagemaker:ListTransformJobs",
    ];

    /// The IAM actions that turning off needs besides.
    pub const TURN_ACTIONS: &[&str] = &[
        "sagemaker:DescribePipelineExecution",
        "sagemaker:StopPipelineExecution",
        "sagemaker:DescribeAutoMLJobV2",
        "sagemaker:StopAutoMLJob",
        "sagemaker:DescribeHyperParameterTuningJob",
        "sagemaker:StopHyperParameterTuningJob",
        "sagemaker:DescribeTrainingJob",
        "sagemaker:StopTrainingJob",
        "sagemaker:DescribeProcessingJob",
        "sagemaker:StopProcessingJob",
        "sagemaker:DescribeTransformJob",
        "sagemaker:StopTransformJob",
    ];

    /// Over a client made from this, for the SageMaker of this account.
    pub fn new(aws: &Aws, account: &str) -> Self {
        let config = aws_sdk_sagemaker::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        let region = aws.config().region().map(|region| region.as_ref().to_owned()).unwrap_or_default();
        let arns = format!("arn:{}:sagemaker:{region}:{account}:", partition(&region));
        Self { client: Client::from_conf(config), arns }
    }

    /// Where it stands now; `None` where it does not exist.
    async fn stands(&self, target: Target<'_>) -> Result<Option<Phase>, CallError> {
        let described = match target {
            Target::Job(kind, name) => self.job_state(kind, name).await.map(|state| job_phase(kind, &state)),
            Target::Execution(id) => self.execution_state(id).await.map(|state| pipelines::phase_of(&state)),
        };
        match described {
            Ok(phase) => Ok(Some(phase)),
            Err(problem) => refusal::missing_or(problem).map(|()| None),
        }
    }

    /// The jobs of a kind that are under way. Those in progress are listed first: a job that begins to stop between the
    /// two lists is on both, and on neither the other way round.
    async fn under_way(&self, kind: JobKind) -> Result<Vec<Item>, CallError> {
        let mut items: Vec<Item> = Vec::new();
        for asked in ["InProgress", "Stopping"] {
            let mut from = None;
            loop {
                let page = self.jobs(kind, asked, from).await?;
                for (name, state) in page.jobs {
                    let name = name.ok_or_else(|| refusal::incomplete(kind.list_action(), "a name"))?;
                    let (id, state) = (kind.id(&name), state.unwrap_or_else(|| asked.to_owned()));
                    items.retain(|known| known.resource.id != id);
                    items.extend(item(kind.resource(), id, state, |state| job_phase(kind, state)));
                }
                from = page.next.filter(|next| !next.is_empty());
                if from.is_none() {
                    break;
                }
            }
        }
        Ok(items)
    }
}

impl Switch for Jobs {
    const PART: Part = Part::Jobs;

    /// What is under way, whatever starts others first: executions of pipelines, then the jobs that make jobs, then the
    /// others. Whoever stops in this order stops nothing that is started again, and what is started meanwhile is seen.
    async fn look(&self) -> Result<Vec<Item>, Problems> {
        let mut problems = Problems::default();
        let mut items = problems.keep(self.executions().await).unwrap_or_default();
        let kinds = stream::iter(JobKind::ALL).map(|kind| self.under_way(kind));
        for jobs in kinds.buffered(CALLS_AT_ONCE).collect::<Vec<_>>().await {
            items.extend(problems.keep(jobs).unwrap_or_default());
        }
        problems.into_result().map(|()| items)
    }

    async fn turn_off(&self, item: &Item, now: Timestamp) -> Result<Turned, CallError> {
        let Some(target) = Target::of(&item.resource) else {
            return Ok(Turned::Refused(format!("`{}` is neither a job nor an execution", item.resource.id)));
        };
        let told = match target {
            Target::Job(kind, name) => self.stop_job(kind, name).await,
            Target::Execution(id) => self.stop_execution(id, now).await,
        };
        match told {
            Ok(()) => Ok(Turned::Told),
            Err(problem) if problem.says_unknown() => Ok(Turned::Gone),
            Err(problem) if problem.kind == CallErrorKind::Invalid => {
                refusal::settle(Order::Off, problem, self.stands(target).await?)
            }
            Err(problem) => Err(problem),
        }
    }

    async fn turn_on(&self, item: &TurnedOff) -> Result<Turned, CallError> {
        Ok(Turned::Refused(format!("a {} that was stopped has ended for good", item.resource.kind)))
    }
}

/// What is told to stop.
#[derive(Clone, Copy, Debug)]
enum Target<'a> {
    /// The job of this kind and name.
    Job(JobKind, &'a str),
    /// The execution of this id.
    Execution(&'a str),
}

impl<'a> Target<'a> {
    fn of(resource: &'a Resource) -> Option<Self> {
        if resource.kind == EXECUTION {
            return Some(Self::Execution(&resource.id));
        }
        JobKind::of_resource(&resource.kind).map(|kind| Self::Job(kind, kind.name(&resource.id)))
    }
}

/// What is under way; none of what has ended, which is off for good.
fn item(kind: &str, id: String, state: String, phase_of: impl Fn(&str) -> Phase) -> Option<Item> {
    let phase = phase_of(&state);
    let resource = Resource { kind: kind.to_owned(), id };
    (phase != Phase::Off).then_some(Item { resource, phase, state, finishes: true, memo: None })
}

/// Where a job in this state stands.
fn job_phase(kind: JobKind, state: &str) -> Phase {
    match state {
        "InProgress" => Phase::On,
        "Stopping" | "Deleting" => Phase::TurningOff,
        "Completed" | "Failed" | "Stopped" | "DeleteFailed" => Phase::Off,
        // It may run: better told to stop in vain than overlooked.
        _ => {
            tracing::warn!(
                resource.kind = kind.resource(),
                resource.state = state,
                "state is unknown and counts as on"
            );
            Phase::On
        }
    }
}

/// The partition of AWS that a Region is in, as ARNs name it.
fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests;
