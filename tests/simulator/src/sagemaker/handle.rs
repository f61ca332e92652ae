//! Amazon SageMaker AI from the tests' side: start workloads, look at them, end them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::app::AppSpec;
use super::endpoint::EndpointSpec;
use super::job::{JobKind, JobSpec};
use super::model::ModelPackageSpec;
use super::notebook::NotebookSpec;
use super::pipeline::ExecutionSpec;
use super::studio::{DomainSpec, SpaceSpec};
use super::workload::{WorkloadKind, WorkloadView};
use super::{SageMaker, Tags};
use crate::accounts::Place;
use crate::clock;
use crate::world::World;

/// The Amazon SageMaker AI of one account in one Region. Nothing done here counts as a call or meets a fault.
#[derive(Debug, Clone)]
pub struct SageMakerHandle {
    world: World,
    place: Place,
}

impl SageMakerHandle {
    pub(crate) fn new(world: World, place: Place) -> SageMakerHandle {
        SageMakerHandle { world, place }
    }

    /// The pipeline, as its ARN; it is created, `age` ago and with these tags, when it does not exist.
    pub fn pipeline(&self, name: &str, age: Duration, tags: Tags) -> String {
        self.sagemaker(|sagemaker, now| sagemaker.ensure_pipeline(name, clock::before(now, age), &tags).to_string())
    }

    /// Starts an execution and answers its ARN. A pipeline that does not exist is created.
    pub fn start_execution(&self, spec: ExecutionSpec) -> String {
        self.sagemaker(|sagemaker, now| sagemaker.start_execution(&spec, None, now).to_string())
    }

    /// Makes up `count` pipelines, each with one execution that succeeded within a second: the first `recent` of them
    /// ran `recent_age` ago, the others `old_age` ago. They announce nothing. Answers the pipelines' names.
    pub fn seed_pipelines(&self, count: usize, recent: usize, recent_age: Duration, old_age: Duration) -> Vec<String> {
        self.sagemaker(|sagemaker, now| sagemaker.seed_pipelines(count, recent, [recent_age, old_age], now))
    }

    /// Starts a job and answers its ARN.
    pub fn start_job(&self, spec: JobSpec) -> String {
        self.sagemaker(|sagemaker, now| sagemaker.start_job(&spec, now).to_string())
    }

    /// Makes up `count` jobs that have ended, and answers their names, newest first: the newest was created
    /// `newest_age` ago, each other one `spacing` before the one that follows. Every tenth failed. They announce
    /// nothing.
    pub fn seed_jobs(&self, kind: JobKind, count: usize, spacing: Duration, newest_age: Duration) -> Vec<String> {
        self.sagemaker(|sagemaker, now| sagemaker.seed_jobs(kind, count, [spacing, newest_age], now))
    }

    /// Puts a notebook instance in service and answers its ARN.
    pub fn start_notebook(&self, spec: NotebookSpec) -> String {
        self.sagemaker(|sagemaker, now| sagemaker.start_notebook(&spec, now).to_string())
    }

    /// Creates a domain and answers its id.
    pub fn create_domain(&self, spec: DomainSpec) -> String {
        self.sagemaker(|sagemaker, now| sagemaker.create_domain(&spec, now))
    }

    /// Creates a space and answers its ARN. A domain that does not exist is created.
    pub fn create_space(&self, spec: SpaceSpec) -> String {
        self.sagemaker(|sagemaker, now| sagemaker.create_space(&spec, now).to_string())
    }

    /// Deletes a space with its apps, as its owner would, and answers whether it was there.
    pub fn delete_space(&self, domain: &str, name: &str) -> bool {
        self.sagemaker(|sagemaker, _| sagemaker.delete_space(domain, name))
    }

    /// Deletes a user profile with its apps, as an administrator would; it comes back with an app that is started here.
    pub fn delete_user_profile(&self, domain: &str, name: &str) {
        self.sagemaker(|sagemaker, _| sagemaker.delete_user_profile(domain, name));
    }

    /// Starts an app and answers its ARN. A space or domain that does not exist is created.
    pub fn start_app(&self, spec: AppSpec) -> String {
        self.sagemaker(|sagemaker, now| sagemaker.start_app(&spec, now).to_string())
    }

    /// Creates an endpoint and answers its ARN.
    pub fn start_endpoint(&self, spec: EndpointSpec) -> String {
        self.sagemaker(|sagemaker, now| sagemaker.start_endpoint(&spec, now).to_string())
    }

    /// Registers a model package and answers its ARN. A group that does not exist is created.
    pub fn register_model(&self, spec: ModelPackageSpec) -> String {
        self.sagemaker(|sagemaker, now| sagemaker.register_model(&spec, now).to_string())
    }

    /// The execution, job, notebook, app or endpoint of that ARN, in whatever state.
    pub fn workload(&self, arn: &str) -> Option<WorkloadView> {
        self.sagemaker(|sagemaker, now| sagemaker.workloads.get(arn).map(|workload| workload.view(now)))
    }

    /// The state of the execution, job, notebook, app or endpoint of that ARN.
    pub fn state(&self, arn: &str) -> Option<String> {
        self.workload(arn).map(|workload| workload.state)
    }

    /// Everything of these kinds, by ARN, with its state, what has ended too: two of these, taken before and after,
    /// tell what is on again and what is not.
    pub fn states(&self, kinds: &[WorkloadKind]) -> BTreeMap<String, String> {
        self.sagemaker(|sagemaker, now| {
            let workloads = sagemaker.workloads.values().map(|workload| workload.view(now));
            let wanted = workloads.filter(|workload| kinds.contains(&workload.kind));
            wanted.map(|workload| (workload.arn, workload.state)).collect()
        })
    }

    /// All workloads that have not ended, newest first.
    pub fn active(&self) -> Vec<WorkloadView> {
        let mut views: Vec<WorkloadView> = self.sagemaker(|sagemaker, now| {
            let active = sagemaker.workloads.values().filter(|workload| workload.is_active(now));
            active.map(|workload| workload.view(now)).collect()
        });
        views.sort_by(|one, other| (other.created_at, &other.arn).cmp(&(one.created_at, &one.arn)));
        views
    }

    /// Ends the workload now and answers what it has become: an execution or a job ends the way it would have ended
    /// (one that runs until it is stopped succeeds), a notebook is stopped, an app is deleted. What has ended, and an
    /// endpoint in service, stays as it is.
    pub fn finish(&self, arn: &str) -> Option<WorkloadView> {
        self.sagemaker(|sagemaker, now| {
            sagemaker.interfere(arn, |workload| {
                workload.finish(now);
                workload.view(now)
            })
        })
    }

    fn sagemaker<T>(&self, look: impl FnOnce(&mut SageMaker, Timestamp) -> T) -> T {
        self.world.with(&self.place, |sandbox, now| look(&mut sandbox.sagemaker, now))
    }
}
