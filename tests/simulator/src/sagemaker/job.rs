//! The five kinds of job, which differ in their words more than in what happens to them.

mod describe;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::listing::{BY_NAME, Order, Request, Rules, Status, list};
use super::names::{Maker, Names, lower_camel};
use super::workload::{Body, Change, Life, State, Workload, is_terminal};
use super::{NOTHING, SageMaker, Tags, add, invalid, not_found, trail_tags};
use crate::clock;
use crate::events::ServiceEvent;
use crate::protocol::AwsError;

/// The kinds of job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobKind {
    /// Training.
    #[default]
    Training,
    /// Processing.
    Processing,
    /// Batch transform.
    Transform,
    /// Hyperparameter tuning.
    HyperParameterTuning,
    /// Autopilot.
    AutoMl,
}

const KINDS: [JobKind; 5] =
    [JobKind::Training, JobKind::Processing, JobKind::Transform, JobKind::HyperParameterTuning, JobKind::AutoMl];

/// The words of one kind.
#[derive(Debug)]
struct Words {
    /// What members and operations are made of: `TrainingJob`.
    stem: &'static str,
    /// What stands before `StartTime` and `EndTime`.
    times: &'static str,
    /// What stands before the name in an ARN.
    path: &'static str,
    /// What messages call it.
    noun: &'static str,
    /// The operation that describes it.
    describe: &'static str,
    /// The operation that creates it.
    create: &'static str,
    /// The longest name.
    name_length: usize,
    /// The event of its state changes; AWS sends none for Autopilot jobs.
    detail_type: Option<&'static str>,
    rules: Rules,
}

const TRAINING: Words = Words {
    stem: "TrainingJob",
    times: "Training",
    path: "training-job",
    noun: "training job",
    describe: "DescribeTrainingJob",
    create: "CreateTrainingJob",
    name_length: 63,
    detail_type: Some("SageMaker Training Job State Change"),
    // Its documentation calls ascending the default, and most current first what happens.
    rules: Rules { member: "TrainingJobSummaries", status: Status::FiltersPages, ..Rules::USUAL },
};
const PROCESSING: Words = Words {
    stem: "ProcessingJob",
    times: "Processing",
    path: "processing-job",
    noun: "processing job",
    describe: "DescribeProcessingJob",
    create: "CreateProcessingJob",
    name_length: 63,
    detail_type: Some("SageMaker Processing Job State Change"),
    rules: Rules { member: "ProcessingJobSummaries", order: Order::Ascending, ..Rules::USUAL },
};
const TRANSFORM: Words = Words {
    stem: "TransformJob",
    times: "Transform",
    path: "transform-job",
    noun: "transform job",
    describe: "DescribeTransformJob",
    create: "CreateTransformJob",
    name_length: 63,
    detail_type: Some("SageMaker Transform Job State Change"),
    rules: Rules { member: "TransformJobSummaries", ..Rules::USUAL },
};
const HYPER_PARAMETER_TUNING: Words = Words {
    stem: "HyperParameterTuningJob",
    times: "HyperParameterTuning",
    path: "hyper-parameter-tuning-job",
    noun: "hyperparameter tuning job",
    describe: "DescribeHyperParameterTuningJob",
    create: "CreateHyperParameterTuningJob",
    name_length: 32,
    detail_type: Some("SageMaker HyperParameter Tuning Job State Change"),
    rules: Rules {
        member: "HyperParameterTuningJobSummaries",
        sorts: BY_NAME,
        order: Order::Ascending,
        ..Rules::USUAL
    },
};
const AUTO_ML: Words = Words {
    stem: "AutoMLJob",
    times: "",
    path: "automl-job",
    noun: "AutoML job",
    describe: "DescribeAutoMLJobV2",
    create: "CreateAutoMLJobV2",
    name_length: 32,
    detail_type: None,
    rules: Rules { member: "AutoMLJobSummaries", sorts: BY_NAME, ..Rules::USUAL },
};

impl JobKind {
    fn words(self) -> &'static Words {
        match self {
            JobKind::Training => &TRAINING,
            JobKind::Processing => &PROCESSING,
            JobKind::Transform => &TRANSFORM,
            JobKind::HyperParameterTuning => &HYPER_PARAMETER_TUNING,
            JobKind::AutoMl => &AUTO_ML,
        }
    }

    /// What precedes the names of such jobs in their ARNs.
    fn path(self, name: &str) -> String {
        format!("{}/{name}", self.words().path)
    }

    /// What the live service says of a job it does not know, which depends on the operation too. For Autopilot jobs no
    /// text is known; theirs is that of processing jobs under the error of their model.
    fn unknown(self, verb: Verb, name: &str) -> AwsError {
        match (self, verb) {
            (JobKind::Training, _) => invalid("Requested resource not found."),
            (JobKind::HyperParameterTuning, _) => {
                not_found(&format!("Amazon SageMaker can't find a tuning job called {name}. Type another name."))
            }
            (JobKind::AutoMl, _) => not_found(&format!("Could not find requested job with name: {name}")),
            (_, Verb::Stop) => invalid(&format!("Could not find job to update with name: {name}")),
            (_, _) => invalid(&format!("Could not find requested job with name: {name}")),
        }
    }
}

/// What the operations do with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    List,
    Describe,
    Stop,
}

impl Verb {
    /// What an operation does, and to which kind of job.
    pub(super) fn of(operation: &str) -> Option<(Verb, JobKind)> {
        KINDS.into_iter().find_map(|kind| {
            let words = kind.words();
            let stem = |verb: &str, end: &str| {
                operation.strip_prefix(verb).and_then(|rest| rest.strip_suffix(end)) == Some(words.stem)
            };
            let verb = if operation == words.describe {
                Verb::Describe
            } else if stem("List", "s") {
                Verb::List
            } else if stem("Stop", "") {
                Verb::Stop
            } else {
                return None;
            };
            Some((verb, kind))
        })
    }
}

/// A group of instances of a heterogeneous training cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceGroup {
    /// Its name.
    pub name: String,
    /// The type of its instances.
    pub instance_type: String,
    /// How many there are.
    pub instance_count: u32,
}

/// A job to be started, possibly in the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobSpec {
    /// What kind of job it is.
    pub kind: JobKind,
    /// Its name; made up unless given. It takes the place of one of the same kind and name.
    pub name: Option<String>,
    /// How long ago it was created.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub age: Duration,
    /// How long it runs; until it is stopped when not given.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub runs_for: Option<Duration>,
    /// Whether it ends badly.
    pub fails: bool,
    /// How long it goes on after it was told to stop; training jobs get 120 s from the live service.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub stopping_takes: Duration,
    /// The type of its instances; an Autopilot job does not tell.
    pub instance_type: String,
    /// How many instances it has.
    pub instance_count: u32,
    /// The groups of a heterogeneous training cluster, in place of type and number.
    pub instance_groups: Vec<InstanceGroup>,
    /// Its tags.
    pub tags: Tags,
    /// A state to show instead of `InProgress`, known to AWS or not.
    pub raw_state: Option<String>,
    /// The IAM principal that created it, an ARN or the plain name of a user; the account's root when not given.
    pub started_by: Option<String>,
}

impl Default for JobSpec {
    /// A training job on one `ml.m5.xlarge` that starts now and runs until it is stopped.
    fn default() -> JobSpec {
        JobSpec {
            kind: JobKind::Training,
            name: None,
            age: Duration::ZERO,
            runs_for: None,
            fails: false,
            stopping_takes: Duration::ZERO,
            instance_type: "ml.m5.xlarge".to_owned(),
            instance_count: 1,
            instance_groups: Vec::new(),
            tags: Tags::new(),
            raw_state: None,
            started_by: None,
        }
    }
}

/// What a job has of its own.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) kind: JobKind,
    instance_type: String,
    instance_count: u32,
    instance_groups: Vec<InstanceGroup>,
}

/// Why every job that fails does.
const FAILURE: &str = "AlgorithmError: ExecuteUserScriptError: ExitCode 1";

impl Job {
    /// <https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html>: the description of
    /// the job, with its tags as a map. The samples there write the times in three ways; what arrives are epoch
    /// milliseconds as numbers.
    pub(super) fn event(
        &self,
        workload: &Workload,
        change: &Change,
        names: &Names,
        tags: &Value,
    ) -> Option<ServiceEvent> {
        let words = self.kind.words();
        let mut detail = self.describe(workload, &change.to, change.at, names, |at| at.as_millisecond().into());
        // The documented event of a processing job is the only one without tags.
        add(&mut detail, "Tags", (self.kind != JobKind::Processing).then(|| tags.clone()));
        Some(ServiceEvent {
            source: "aws.sagemaker",
            detail_type: words.detail_type?,
            at: change.at,
            resources: vec![workload.arn.to_string()],
            detail,
        })
    }

    fn summarise(&self, workload: &Workload, now: Timestamp) -> Value {
        let words = self.kind.words();
        let (state, since) = (workload.state(now), workload.life.since(now));
        let member = |end: &str| format!("{}{end}", words.stem);
        let mut summary = json!({
            member("Name"): *workload.name,
            member("Arn"): *workload.arn,
            member("Status"): state,
            "CreationTime": clock::epoch_seconds(workload.created_at),
            "LastModifiedTime": clock::epoch_seconds(since),
        });
        let end = format!("{}EndTime", words.times);
        add(&mut summary, &end, is_terminal(state).then(|| clock::epoch_seconds(since)));
        let failure = (state == "Failed").then_some(FAILURE);
        match self.kind {
            JobKind::Training => add(&mut summary, "SecondaryStatus", Some(describe::secondary(state, "Training"))),
            JobKind::HyperParameterTuning => {
                add(&mut summary, "Strategy", Some("Bayesian"));
                add(&mut summary, "ResourceLimits", Some(describe::resource_limits()));
                describe::add_counters(&mut summary, state);
            }
            JobKind::AutoMl => {
                let secondary = describe::secondary(state, "ModelTuning");
                add(&mut summary, "AutoMLJobSecondaryStatus", Some(secondary));
                add(&mut summary, "FailureReason", failure);
            }
            JobKind::Processing | JobKind::Transform => add(&mut summary, "FailureReason", failure),
        }
        summary
    }
}

impl SageMaker {
    pub(super) fn list_jobs(&self, kind: JobKind, request: Request<'_>) -> Result<Value, AwsError> {
        list(&kind.words().rules, request, self.under(&kind.path("")), |workload| match &workload.body {
            Body::Job(job) => job.summarise(workload, request.now),
            _ => Value::Null,
        })
    }

    pub(super) fn describe_job(&self, kind: JobKind, request: Request<'_>) -> Result<Value, AwsError> {
        let (name, workload) = self.job(kind, request)?;
        let Some((workload, Body::Job(job))) = workload.map(|workload| (workload, &workload.body)) else {
            return Err(kind.unknown(Verb::Describe, name));
        };
        let (state, since) = (workload.state(request.now), workload.life.since(request.now));
        Ok(job.describe(workload, state, since, &self.names, clock::epoch_seconds))
    }

    /// Stops what has not ended; a job that is stopping already goes on doing so.
    pub(super) fn stop_job(&mut self, kind: JobKind, request: Request<'_>) -> Result<Value, AwsError> {
        let (name, workload) = self.job(kind, request)?;
        let Some(workload) = workload else { return Err(kind.unknown(Verb::Stop, name)) };
        let (arn, state) = (Arc::clone(&workload.arn), workload.state(request.now).to_owned());
        let going = !is_terminal(&state);
        self.interfere(&arn, |job| {
            if going && state != "Stopping" {
                job.life.stop(request.now, "Stopping", "Stopped");
            } else {
                job.life.stop_in_vain();
            }
        });
        if going {
            Ok(NOTHING)
        } else {
            let noun = kind.words().noun;
            Err(invalid(&format!("The request was rejected because the {noun} is in status {state}.")))
        }
    }

    /// The name a request gives, and the job of that name if there is one.
    fn job<'a>(&self, kind: JobKind, request: Request<'a>) -> Result<(&'a str, Option<&Workload>), AwsError> {
        let words = kind.words();
        let name = request.input.required_text(&format!("{}Name", words.stem), 1..=words.name_length)?;
        Ok((name, self.workloads.get(&self.names.arn(&kind.path(name)))))
    }

    /// Starts a job as `spec` says.
    pub(super) fn start_job(&mut self, spec: &JobSpec, now: Timestamp) -> Arc<str> {
        let words = spec.kind.words();
        let name = spec.name.clone().unwrap_or_else(|| {
            let made_up = format!("job-{}", Uuid::new_v4().simple());
            made_up.chars().take(words.name_length).collect()
        });
        let arn = self.names.arn(&spec.kind.path(&name));
        let created_at = clock::before(now, spec.age);
        let job = Job {
            kind: spec.kind,
            instance_type: spec.instance_type.clone(),
            instance_count: spec.instance_count,
            instance_groups: spec.instance_groups.clone(),
        };
        let mut request = json!({
            lower_camel(&format!("{}Name", words.stem)): name,
            "roleArn": self.names.role(),
            "tags": trail_tags(&spec.tags),
        });
        if let Some((member, resources)) = job.resources() {
            add(&mut request, &lower_camel(member), Some(describe::lower_camel_keys(&resources)));
        }
        let answer = format!("{}Arn", words.stem);
        self.note(words.create, created_at, spec.started_by.as_deref(), request, (&answer, &arn));
        self.tags.insert(Arc::clone(&arn), spec.tags.clone());
        let state = spec.raw_state.clone().map_or(State::Borrowed("InProgress"), State::Owned);
        let end = if spec.fails { "Failed" } else { "Completed" };
        self.begin(Workload {
            arn,
            name: name.into(),
            created_at,
            maker: Maker { by: spec.started_by.clone(), ..Maker::default() },
            life: Life::new(Life::running(created_at, state, spec.runs_for, end), spec.stopping_takes, now),
            body: Body::Job(job),
        })
    }

    /// Makes up `count` jobs that have ended, newest first: the newest was created `newest_age` ago, each other one
    /// `spacing` before the one that follows. Every tenth failed. Answers their names.
    pub(super) fn seed_jobs(
        &mut self,
        kind: JobKind,
        count: usize,
        [spacing, newest_age]: [Duration; 2],
        now: Timestamp,
    ) -> Vec<String> {
        let least = Duration::from_millis(1);
        (0..count)
            .map(|index| {
                let before = spacing.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX));
                // However young, it ended before now: what ends now would still be announced.
                let age = newest_age.saturating_add(before).max(least);
                let name = format!("seeded-{index:06}");
                let runs_for = Some(Duration::from_secs(1).min(age.saturating_sub(least)));
                let fails = index % 10 == 9;
                let spec = JobSpec { kind, name: Some(name.clone()), age, runs_for, fails, ..JobSpec::default() };
                self.start_job(&spec, now);
                name
            })
            .collect()
    }
}
