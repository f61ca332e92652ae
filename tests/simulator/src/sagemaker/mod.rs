//! Amazon SageMaker AI: pipelines and their executions, the five kinds of job, notebooks, Studio, endpoints and the
//! model registry, with the checks, texts and order of the live service.
//!
//! Where AWS documents no wording, it follows messages people and clients quote from the live service; its
//! validation errors are in no operation's model and have a lower-case `message`.

mod app;
mod endpoint;
mod handle;
mod job;
mod listing;
mod model;
mod names;
mod notebook;
mod pipeline;
mod routes;
mod studio;
mod workload;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

pub use app::{AppSpec, AppType};
pub use endpoint::EndpointSpec;
pub use handle::SageMakerHandle;
pub use job::{InstanceGroup, JobKind, JobSpec};
pub use model::{ModelApproval, ModelPackageSpec};
pub use notebook::NotebookSpec;
pub use pipeline::ExecutionSpec;
pub(crate) use routes::routes;
pub use studio::{DomainSpec, SpaceSpec};
pub use workload::{WorkloadKind, WorkloadView};

use crate::accounts::Place;
use crate::cloudtrail::Creation;
use crate::events::ServiceEvent;
use crate::protocol::AwsError;
use crate::quotas::Quota;
use crate::world::{Change, Service};
use job::Verb;
use listing::Request;
use model::{ModelPackage, ModelPackageGroup};
use names::{Names, lower_camel};
use pipeline::{Pipeline, Tokens};
use studio::{Domain, Space};
use workload::Workload;

/// What CloudTrail calls the service.
const EVENT_SOURCE: &str = "sagemaker.amazonaws.com";

/// The members that name an app, of which one owner is missing.
const APP: [&str; 5] = ["DomainId", "UserProfileName", "SpaceName", "AppType", "AppName"];

/// SageMaker's error for a request it cannot accept. No model lists it.
fn invalid(message: &str) -> AwsError {
    AwsError::front(400, "ValidationException", message)
}

/// The answer of an operation that has none.
const NOTHING: Value = Value::Null;

fn not_found(message: &str) -> AwsError {
    AwsError::modelled(400, "ResourceNotFound", message, &[])
}

/// Tags as a spec gives them.
pub(super) type Tags = BTreeMap<String, String>;

/// The Amazon SageMaker AI of one account in one Region.
#[derive(Debug)]
pub(crate) struct SageMaker {
    names: Names,
    pipelines: BTreeMap<Arc<str>, Pipeline>,
    /// Everything that runs, by ARN: what is of one kind, or of one pipeline, has a prefix in common.
    workloads: BTreeMap<Arc<str>, Workload>,
    domains: BTreeMap<Arc<str>, Domain>,
    spaces: BTreeMap<Arc<str>, Space>,
    deleted_profiles: BTreeSet<Arc<str>>,
    groups: BTreeMap<Arc<str>, ModelPackageGroup>,
    packages: BTreeMap<Arc<str>, ModelPackage>,
    /// The tags of everything that can have some.
    tags: BTreeMap<Arc<str>, Tags>,
    tokens: Tokens,
    /// Workloads by the next change that has to be announced.
    due: BTreeSet<(Timestamp, Arc<str>)>,
    created: Vec<Creation>,
}

impl Service for SageMaker {
    /// AWS documents no request rates for SageMaker's control plane, so these are guesses on the careful side. They let
    /// one caller who waits 50 ms for each answer (20 calls a second) read all 20 pages of 2,000 pipelines in one go
    /// and ask about single things without end, and throttle one who fans out: 10 lists, 20 descriptions and 5 changes
    /// a second for each operation, and twice that at once.
    const QUOTAS: &'static [Quota] = &[
        lists("ListPipelines"),
        reads("DescribePipeline"),
        reads("ListPipelineExecutions"),
        reads("DescribePipelineExecution"),
        changes("StartPipelineExecution"),
        changes("StopPipelineExecution"),
        lists("ListTrainingJobs"),
        reads("DescribeTrainingJob"),
        changes("StopTrainingJob"),
        lists("ListProcessingJobs"),
        reads("DescribeProcessingJob"),
        changes("StopProcessingJob"),
        lists("ListTransformJobs"),
        reads("DescribeTransformJob"),
        changes("StopTransformJob"),
        lists("ListHyperParameterTuningJobs"),
        reads("DescribeHyperParameterTuningJob"),
        changes("StopHyperParameterTuningJob"),
        lists("ListAutoMLJobs"),
        reads("DescribeAutoMLJobV2"),
        changes("StopAutoMLJob"),
        lists("ListNotebookInstances"),
        reads("DescribeNotebookInstance"),
        changes("StopNotebookInstance"),
        changes("StartNotebookInstance"),
        lists("ListApps"),
        reads("DescribeApp"),
        changes("CreateApp"),
        changes("DeleteApp"),
        lists("ListSpaces"),
        reads("DescribeSpace"),
        lists("ListEndpoints"),
        reads("DescribeEndpoint"),
        lists("ListDomains"),
        reads("DescribeDomain"),
        lists("ListModelPackageGroups"),
        lists("ListModelPackages"),
        reads("DescribeModelPackage"),
        reads("ListTags"),
    ];
    const STOPS: &'static [Change] = &[
        ("StopPipelineExecution", &["PipelineExecutionArn"]),
        ("StopTrainingJob", &["TrainingJobName"]),
        ("StopProcessingJob", &["ProcessingJobName"]),
        ("StopTransformJob", &["TransformJobName"]),
        ("StopHyperParameterTuningJob", &["HyperParameterTuningJobName"]),
        ("StopAutoMLJob", &["AutoMLJobName"]),
        ("StopNotebookInstance", &["NotebookInstanceName"]),
        ("DeleteApp", &APP),
    ];
    const CHANGES: &'static [Change] = &[
        ("StartPipelineExecution", &["PipelineName"]),
        ("StartNotebookInstance", &["NotebookInstanceName"]),
        ("CreateApp", &APP),
    ];

    fn call(&mut self, operation: &str, input: &Map<String, Value>, now: Timestamp) -> Result<Value, AwsError> {
        let request = Request::new(operation, input, now);
        match operation {
            "ListPipelines" => self.list_pipelines(request),
            "DescribePipeline" => self.describe_pipeline(request),
            "ListPipelineExecutions" => self.list_pipeline_executions(request),
            "DescribePipelineExecution" => self.describe_pipeline_execution(request),
            "StartPipelineExecution" => self.start_pipeline_execution(request),
            "StopPipelineExecution" => self.stop_pipeline_execution(request),
            "ListNotebookInstances" => self.list_notebook_instances(request),
            "DescribeNotebookInstance" => self.describe_notebook_instance(request),
            "StopNotebookInstance" => self.stop_notebook_instance(request),
            "StartNotebookInstance" => self.start_notebook_instance(request),
            "ListApps" => self.list_apps(request),
            "DescribeApp" => self.describe_app(request),
            "CreateApp" => self.create_app(request),
            "DeleteApp" => self.delete_app(request),
            "ListSpaces" => self.list_spaces(request),
            "DescribeSpace" => self.describe_space(request),
            "ListDomains" => self.list_domains(request),
            "DescribeDomain" => self.describe_domain(request),
            "ListEndpoints" => self.list_endpoints(request),
            "DescribeEndpoint" => self.describe_endpoint(request),
            "ListModelPackageGroups" => self.list_model_package_groups(request),
            "ListModelPackages" => self.list_model_packages(request),
            "DescribeModelPackage" => self.describe_model_package(request),
            "ListTags" => self.list_tags(request),
            _ => match Verb::of(operation).ok_or_else(AwsError::unknown_operation)? {
                (Verb::List, kind) => self.list_jobs(kind, request),
                (Verb::Describe, kind) => self.describe_job(kind, request),
                (Verb::Stop, kind) => self.stop_job(kind, request),
            },
        }
    }

    fn announce(&mut self, now: Timestamp) -> Vec<ServiceEvent> {
        let mut events = Vec::new();
        while let Some((at, arn)) = self.due.pop_first() {
            if at > now {
                self.due.insert((at, arn));
                break;
            }
            let tags = json!(self.tags.get(&arn).cloned().unwrap_or_default());
            if let Some(workload) = self.workloads.get_mut(&arn) {
                // Just this change: the workload's next one takes its turn among those of the others.
                events.extend(workload.announce(&self.names, &tags));
                self.due.extend(workload.next_change().map(|next| (next, arn)));
            }
        }
        events
    }

    fn next_change(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    fn active(&self, now: Timestamp) -> usize {
        self.workloads.values().filter(|workload| workload.is_active(now)).count()
    }

    fn take_created(&mut self) -> Vec<Creation> {
        std::mem::take(&mut self.created)
    }
}

const fn lists(operation: &'static str) -> Quota {
    Quota { operation, per_second: 10, burst: 20 }
}

const fn reads(operation: &'static str) -> Quota {
    Quota { operation, per_second: 20, burst: 40 }
}

const fn changes(operation: &'static str) -> Quota {
    Quota { operation, per_second: 5, burst: 10 }
}

impl SageMaker {
    pub(crate) fn new(place: &Place) -> SageMaker {
        SageMaker {
            names: Names::new(place),
            pipelines: BTreeMap::new(),
            workloads: BTreeMap::new(),
            domains: BTreeMap::new(),
            spaces: BTreeMap::new(),
            deleted_profiles: BTreeSet::new(),
            groups: BTreeMap::new(),
            packages: BTreeMap::new(),
            tags: BTreeMap::new(),
            tokens: HashMap::new(),
            due: BTreeSet::new(),
            created: Vec::new(),
        }
    }

    /// Takes a workload on, in the place of one of the same ARN.
    fn begin(&mut self, workload: Workload) -> Arc<str> {
        let arn = Arc::clone(&workload.arn);
        let next = workload.next_change();
        if let Some(at) = self.workloads.insert(Arc::clone(&arn), workload).and_then(|former| former.next_change()) {
            self.due.remove(&(at, Arc::clone(&arn)));
        }
        self.due.extend(next.map(|at| (at, Arc::clone(&arn))));
        arn
    }

    /// Changes a workload and puts it where its next change belongs.
    fn interfere<T>(&mut self, arn: &str, act: impl FnOnce(&mut Workload) -> T) -> Option<T> {
        let workload = self.workloads.get_mut(arn)?;
        let before = workload.next_change();
        let answer = act(workload);
        let (after, arn) = (workload.next_change(), Arc::clone(&workload.arn));
        if before != after {
            before.map(|at| self.due.remove(&(at, Arc::clone(&arn))));
            self.due.extend(after.map(|at| (at, arn)));
        }
        Some(answer)
    }

    /// Everything that runs whose ARN begins with the ARN of `path`.
    fn under(&self, path: &str) -> impl Iterator<Item = &Workload> + use<'_> {
        let prefix = self.names.arn(path);
        let from = (Bound::Included(Arc::clone(&prefix)), Bound::Unbounded);
        self.workloads
            .range::<Arc<str>, _>(from)
            .take_while(move |(arn, _)| arn.starts_with(&*prefix))
            .map(|(_, workload)| workload)
    }

    /// Lets CloudTrail know of a creation, whose answer was the ARN in the member it is named after.
    fn note(&mut self, what: &'static str, at: Timestamp, by: Option<&str>, request: Value, arn: (&str, &str)) {
        self.created.push(Creation {
            event_source: EVENT_SOURCE,
            event_name: what,
            at,
            by: by.map(str::to_owned),
            request,
            response: json!({ lower_camel(arn.0): arn.1 }),
        });
    }

    fn list_tags(&self, request: Request<'_>) -> Result<Value, AwsError> {
        let arn = request.input.required_text("ResourceArn", 0..=256)?;
        request.input.integer("MaxResults", 50..=i64::from(i32::MAX))?;
        // A resource has 50 tags at most, and a page has no fewer: there is never a second one.
        let tags =
            self.tags.get(arn.to_lowercase().as_str()).ok_or_else(|| invalid("Requested resource not found."))?;
        Ok(json!({ "Tags": tag_list(tags) }))
    }
}

/// Tags as the API lists them.
fn tag_list(tags: &Tags) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}

/// Tags as CloudTrail writes them.
fn trail_tags(tags: &Tags) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

/// Adds a member to an object, unless there is nothing to add.
fn add(object: &mut Value, member: &str, value: Option<impl Into<Value>>) {
    if let (Value::Object(object), Some(value)) = (object, value) {
        object.insert(member.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests;
