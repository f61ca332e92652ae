//! SageMaker in memory, for the tests of this room: what there is, its tags, faults, and a count of calls.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use guardrail::{Configuration, Observation};
use jiff::{SignedDuration, Timestamp};
use lambda::fakes::failed;
use lambda::{CallError, CallErrorKind};

use crate::endpoints::{Endpoint, Endpoints, LIST_ENDPOINTS};
use crate::jobs::{Choices, DescribedJob, Instances, Job, JobKind, Jobs, StopJobs};
use crate::line::Page;
use crate::models::{DESCRIBE_PACKAGE, LIST_PACKAGES, Models, Package, Provenance};
use crate::notebooks::{Access, DESCRIBE_NOTEBOOK, LIST_NOTEBOOKS, Notebook, Notebooks, STOP_NOTEBOOK, StopNotebooks};
use crate::pipelines::{
    DESCRIBE_EXECUTION, DESCRIBE_PIPELINE, DescribedExecution, Execution, LIST_EXECUTIONS, LIST_PIPELINES, Pipeline,
    Pipelines, STOP_EXECUTION, StopExecutions,
};
use crate::studio::{
    App, AppOwner, DELETE_APP, DESCRIBE_DOMAIN, DeleteApps, Domain, LIST_APPS, LIST_DOMAINS, LIST_SPACES, Space, Studio,
};
use crate::tags::{LIST_TAGS, Tag, Tags};

/// How many things a page holds.
const PAGE: usize = 100;

/// When the tests begin.
pub(crate) fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// So long before the tests begin.
pub(crate) fn ago(span: SignedDuration) -> Timestamp {
    now() - span
}

pub(crate) fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// The configuration that these parameters make.
pub(crate) fn configured(parameters: &[(&str, &str)]) -> Configuration {
    let (configuration, faults) = Configuration::read(parameters.iter().copied());
    assert!(faults.is_empty(), "{faults:?}");
    configuration
}

/// Every guardrail that measures none of these kinds, switched off.
pub(crate) fn only(kinds: &[&str]) -> Configuration {
    let others = guardrail::Service::SageMaker
        .guardrails()
        .filter(|guardrail| !kinds.iter().any(|kind| guardrail.measures(kind)));
    let names: Vec<String> = others.map(|guardrail| format!("{}/mode", guardrail.parameter_path())).collect();
    configured(&names.iter().map(|name| (name.as_str(), "off")).collect::<Vec<_>>())
}

/// Their ids, in order.
pub(crate) fn ids<'a>(observations: impl IntoIterator<Item = &'a Observation>) -> Vec<&'a str> {
    let mut ids: Vec<_> = observations.into_iter().map(|seen| seen.resource.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

/// A shared SageMaker.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeSageMaker {
    state: Rc<RefCell<State>>,
    /// How many calls of each kind were made.
    calls: Rc<RefCell<BTreeMap<&'static str, usize>>>,
    faults: Rc<RefCell<Vec<Fault>>>,
    latency: Rc<Cell<Duration>>,
    under_way: Rc<Cell<usize>>,
    most_under_way: Rc<Cell<usize>>,
}

/// The next `times` calls of an operation about this fail.
#[derive(Debug)]
struct Fault {
    operation: &'static str,
    about: Option<String>,
    problem: CallError,
    times: usize,
}

#[derive(Debug, Default)]
struct State {
    pipelines: Vec<Pipeline>,
    executions: Vec<FakeExecution>,
    jobs: BTreeMap<String, DescribedJob>,
    notebooks: BTreeMap<String, (Notebook, Access)>,
    apps: Vec<App>,
    spaces: Vec<Space>,
    domains: BTreeMap<String, (Domain, Option<String>)>,
    endpoints: Vec<Endpoint>,
    packages: BTreeMap<String, (Package, Provenance)>,
    tags: BTreeMap<String, Vec<Tag>>,
    /// What was told to stop, in order.
    stopped: Vec<String>,
}

#[derive(Clone, Debug)]
struct FakeExecution {
    execution: Execution,
    created_by: Option<String>,
}

impl FakeSageMaker {
    /// A pipeline; its ARN is in lower case.
    pub(crate) fn pipeline(&self, name: &str) {
        let key = name.to_ascii_lowercase();
        let created_at = ago(SignedDuration::from_hours(24 * 400));
        let pipeline = Pipeline { key, name: name.to_owned(), created_at, last_execution: None };
        self.state.borrow_mut().pipelines.push(pipeline);
    }

    /// An execution that began so long ago; gives its id.
    pub(crate) fn execution(&self, pipeline: &str, id: &str, age: SignedDuration, state: &str) -> String {
        let id = format!("{}/execution/{id}", pipeline.to_ascii_lowercase());
        let started_at = ago(age);
        let execution = Execution { id: id.clone(), state: state.to_owned(), started_at };
        let execution = FakeExecution { execution, created_by: Some(format!("starter of {id}")) };
        let mut held = self.state.borrow_mut();
        let known = held.pipelines.iter_mut().find(|known| known.name == pipeline).unwrap();
        known.last_execution = known.last_execution.max(Some(started_at));
        let place = held.executions.partition_point(|other| other.execution.started_at >= started_at);
        held.executions.insert(place, execution);
        id
    }

    pub(crate) fn remove_pipeline(&self, name: &str) {
        let mut state = self.state.borrow_mut();
        state.pipelines.retain(|pipeline| pipeline.name != name);
        state.executions.retain(|held| !held.execution.id.starts_with(&format!("{}/", name.to_ascii_lowercase())));
    }

    /// Gives an execution another state.
    pub(crate) fn execution_is(&self, id: &str, state: &str) {
        let mut held = self.state.borrow_mut();
        let held = held.executions.iter_mut().find(|held| held.execution.id == id).unwrap();
        held.execution.state = state.to_owned();
    }

    /// A job that was made so long ago; gives its id.
    pub(crate) fn job(&self, kind: JobKind, name: &str, age: SignedDuration, instances: &[(&str, u64)]) -> String {
        let arn = format!("arn:aws:sagemaker:eu-west-1:111111111111:{}/{}", kind.prefix(), name.to_ascii_lowercase());
        let job = Job { kind, name: name.to_owned(), arn, state: "InProgress".to_owned(), created_at: ago(age) };
        let held = instances
            .iter()
            .map(|(instance_type, count)| Instances { instance_type: (*instance_type).to_owned(), count: *count });
        let held: Vec<_> = held.collect();
        let instances: Choices = if held.is_empty() { vec![] } else { vec![held] };
        let id = job.id();
        self.state.borrow_mut().jobs.insert(id.clone(), DescribedJob { job, instances });
        id
    }

    /// Gives a job another state.
    pub(crate) fn job_is(&self, id: &str, state: &str) {
        self.state.borrow_mut().jobs.get_mut(id).unwrap().job.state = state.to_owned();
    }

    /// A notebook instance that was changed so long ago.
    pub(crate) fn notebook(&self, name: &str, age: SignedDuration, state: &str) {
        let arn = format!("arn:aws:sagemaker:eu-west-1:111111111111:notebook-instance/{}", name.to_ascii_lowercase());
        let notebook = Notebook { name: name.to_owned(), arn, state: state.to_owned(), changed_at: ago(age) };
        let access = Access { internet: Some("Enabled".to_owned()), root: Some("Disabled".to_owned()) };
        self.state.borrow_mut().notebooks.insert(name.to_owned(), (notebook, access));
    }

    /// An application that was made so long ago; gives its id.
    pub(crate) fn app(&self, domain: &str, owner: AppOwner, age: SignedDuration, state: &str) -> String {
        let mut app = App {
            domain: domain.to_owned(),
            owner,
            arn: String::new(),
            app_type: "JupyterLab".to_owned(),
            name: "default".to_owned(),
            state: state.to_owned(),
            created_at: ago(age),
        };
        app.arn = format!("arn:aws:sagemaker:eu-west-1:111111111111:app/{}", app.id());
        let id = app.id();
        self.state.borrow_mut().apps.push(app);
        id
    }

    /// The states of all applications.
    pub(crate) fn apps_now(&self) -> Vec<(AppOwner, String)> {
        self.state.borrow().apps.iter().map(|app| (app.owner.clone(), app.state.clone())).collect()
    }

    pub(crate) fn space(&self, domain: &str, name: &str, age: SignedDuration) {
        self.state.borrow_mut().spaces.push(Space {
            arn: format!("arn:aws:sagemaker:eu-west-1:111111111111:space/{domain}/{name}"),
            domain: domain.to_owned(),
            name: name.to_owned(),
            state: "InService".to_owned(),
            owner: Some("ana".to_owned()),
            created_at: ago(age),
        });
    }

    /// A domain whose applications use this network, changed so long ago.
    pub(crate) fn domain(&self, id: &str, network: &str, changed: SignedDuration) {
        let created_at = ago(SignedDuration::from_hours(24 * 100));
        let changed_at = Some(ago(changed));
        let domain = Domain { id: id.to_owned(), state: "InService".to_owned(), created_at, changed_at };
        self.state.borrow_mut().domains.insert(id.to_owned(), (domain, Some(network.to_owned())));
    }

    pub(crate) fn endpoint(&self, name: &str, age: SignedDuration, state: &str) {
        self.state.borrow_mut().endpoints.push(Endpoint {
            name: name.to_owned(),
            arn: format!("arn:aws:sagemaker:eu-west-1:111111111111:endpoint/{name}"),
            state: state.to_owned(),
            created_at: ago(age),
        });
    }

    /// An approved version of a group.
    pub(crate) fn package(&self, group: &str, version: u32, age: SignedDuration, provenance: Provenance) {
        let id = format!("{group}/{version}");
        let package = Package { id: id.clone(), group: group.to_owned(), created_at: ago(age) };
        self.state.borrow_mut().packages.insert(id, (package, provenance));
    }

    pub(crate) fn remove_package(&self, id: &str) {
        self.state.borrow_mut().packages.remove(id);
    }

    /// Tags what has an ARN that ends so.
    pub(crate) fn tag(&self, tail: &str, key: &str, value: &str) {
        let arn = format!("arn:aws:sagemaker:eu-west-1:111111111111:{tail}");
        self.state.borrow_mut().tags.entry(arn).or_default().push((key.to_owned(), value.to_owned()));
    }

    /// Lets the next `times` calls of an operation fail, all of them or those about something.
    pub(crate) fn fail(&self, operation: &'static str, about: Option<&str>, kind: CallErrorKind, times: usize) {
        self.fail_with(operation, about, failed(operation, kind), times);
    }

    pub(crate) fn fail_with(&self, operation: &'static str, about: Option<&str>, problem: CallError, times: usize) {
        self.faults.borrow_mut().push(Fault { operation, about: about.map(str::to_owned), problem, times });
    }

    /// Lets each call take so long.
    pub(crate) fn take(&self, latency: Duration) {
        self.latency.set(latency);
    }

    /// The calls since this was asked last, by operation.
    pub(crate) fn calls(&self) -> BTreeMap<&'static str, usize> {
        self.calls.take()
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.most_under_way.get()
    }

    /// What was told to stop, in order.
    pub(crate) fn stopped(&self) -> Vec<String> {
        self.state.borrow().stopped.clone()
    }

    async fn call(&self, operation: &'static str, about: &str) -> Result<(), CallError> {
        *self.calls.borrow_mut().entry(operation).or_default() += 1;
        self.under_way.set(self.under_way.get() + 1);
        self.most_under_way.set(self.most_under_way.get().max(self.under_way.get()));
        tokio::time::sleep(self.latency.get()).await;
        self.under_way.set(self.under_way.get() - 1);
        let mut faults = self.faults.borrow_mut();
        let is_meant = |fault: &&mut Fault| {
            fault.operation == operation && fault.times > 0 && fault.about.as_deref().is_none_or(|named| named == about)
        };
        match faults.iter_mut().find(is_meant) {
            Some(fault) => {
                fault.times -= 1;
                Err(fault.problem.clone())
            }
            None => Ok(()),
        }
    }

    /// Notes that this was told to stop.
    fn stop(&self, id: &str) {
        self.state.borrow_mut().stopped.push(id.to_owned());
    }
}

fn page<T: Clone>(items: &[T], from: Option<String>) -> Page<T> {
    let start: usize = from.map_or(0, |from| from.parse().unwrap());
    let end = items.len().min(start + PAGE);
    Page { items: items[start..end].to_vec(), next: (end < items.len()).then(|| end.to_string()) }
}

fn missing(operation: &'static str) -> CallError {
    let message = "ValidationException: Requested resource not found.".to_owned();
    CallError { operation, kind: CallErrorKind::Invalid, message }
}

impl Pipelines for FakeSageMaker {
    async fn pipelines(&self, from: Option<String>) -> Result<Page<Pipeline>, CallError> {
        self.call(LIST_PIPELINES, from.as_deref().unwrap_or_default()).await?;
        Ok(page(&self.state.borrow().pipelines, from))
    }

    async fn pipeline_name(&self, key: &str) -> Result<Option<String>, CallError> {
        self.call(DESCRIBE_PIPELINE, key).await?;
        let state = self.state.borrow();
        let pipeline = state.pipelines.iter().find(|pipeline| pipeline.key == key);
        pipeline.map(|pipeline| Some(pipeline.name.clone())).ok_or_else(|| missing(DESCRIBE_PIPELINE))
    }

    async fn executions(&self, pipeline: &str, from: Option<String>) -> Result<Page<Execution>, CallError> {
        self.call(LIST_EXECUTIONS, pipeline).await?;
        let state = self.state.borrow();
        if !state.pipelines.iter().any(|known| known.name == pipeline) {
            return Err(missing(LIST_EXECUTIONS));
        }
        let prefix = format!("{}/execution/", pipeline.to_ascii_lowercase());
        let executions = state.executions.iter().map(|held| &held.execution);
        let executions: Vec<_> = executions.filter(|execution| execution.id.starts_with(&prefix)).cloned().collect();
        Ok(page(&executions, from))
    }

    async fn execution(&self, id: &str) -> Result<Option<DescribedExecution>, CallError> {
        self.call(DESCRIBE_EXECUTION, id).await?;
        let state = self.state.borrow();
        let held = state.executions.iter().find(|held| held.execution.id == id);
        let held = held.cloned().ok_or_else(|| missing(DESCRIBE_EXECUTION))?;
        Ok(Some(DescribedExecution { execution: held.execution, created_by: held.created_by }))
    }
}

impl StopExecutions for FakeSageMaker {
    async fn stop_execution(&self, id: &str) -> Result<(), CallError> {
        self.call(STOP_EXECUTION, id).await?;
        self.stop(id);
        self.execution_is(id, "Stopping");
        Ok(())
    }
}

impl Jobs for FakeSageMaker {
    async fn in_progress(&self, kind: JobKind, from: Option<String>) -> Result<Page<Job>, CallError> {
        self.call(kind.list_action(), from.as_deref().unwrap_or_default()).await?;
        let state = self.state.borrow();
        let jobs = state.jobs.values().map(|held| &held.job);
        let jobs: Vec<_> = jobs.filter(|job| job.kind == kind && job.state == "InProgress").cloned().collect();
        Ok(page(&jobs, from))
    }

    async fn job(&self, kind: JobKind, name: &str) -> Result<Option<DescribedJob>, CallError> {
        self.call(kind.describe_action(), name).await?;
        let held = self.state.borrow().jobs.get(&kind.id(name)).cloned();
        held.map(Some).ok_or_else(|| missing(kind.describe_action()))
    }
}

impl StopJobs for FakeSageMaker {
    async fn stop_job(&self, kind: JobKind, name: &str) -> Result<(), CallError> {
        self.call(kind.stop_action(), name).await?;
        self.stop(&kind.id(name));
        self.job_is(&kind.id(name), "Stopping");
        Ok(())
    }
}

impl Notebooks for FakeSageMaker {
    async fn notebooks(&self, from: Option<String>) -> Result<Page<Notebook>, CallError> {
        self.call(LIST_NOTEBOOKS, from.as_deref().unwrap_or_default()).await?;
        let notebooks: Vec<_> = self.state.borrow().notebooks.values().map(|(notebook, _)| notebook.clone()).collect();
        Ok(page(&notebooks, from))
    }

    async fn notebook(&self, name: &str) -> Result<Option<(Notebook, Access)>, CallError> {
        self.call(DESCRIBE_NOTEBOOK, name).await?;
        let held = self.state.borrow().notebooks.get(name).cloned();
        held.map(Some).ok_or_else(|| missing(DESCRIBE_NOTEBOOK))
    }
}

impl StopNotebooks for FakeSageMaker {
    async fn stop_notebook(&self, name: &str) -> Result<(), CallError> {
        self.call(STOP_NOTEBOOK, name).await?;
        self.stop(name);
        self.notebook(name, SignedDuration::ZERO, "Stopping");
        Ok(())
    }
}

impl Studio for FakeSageMaker {
    async fn apps(&self, domain: Option<&str>, from: Option<String>) -> Result<Page<App>, CallError> {
        self.call(LIST_APPS, domain.unwrap_or_default()).await?;
        let state = self.state.borrow();
        let apps = state.apps.iter().filter(|app| domain.is_none_or(|domain| app.domain == domain));
        Ok(page(&apps.cloned().collect::<Vec<_>>(), from))
    }

    async fn spaces(&self, from: Option<String>) -> Result<Page<Space>, CallError> {
        self.call(LIST_SPACES, "").await?;
        Ok(page(&self.state.borrow().spaces, from))
    }

    async fn domains(&self, from: Option<String>) -> Result<Page<Domain>, CallError> {
        self.call(LIST_DOMAINS, "").await?;
        let domains: Vec<_> = self.state.borrow().domains.values().map(|(domain, _)| domain.clone()).collect();
        Ok(page(&domains, from))
    }

    async fn network(&self, domain: &str) -> Result<Option<String>, CallError> {
        self.call(DESCRIBE_DOMAIN, domain).await?;
        Ok(self.state.borrow().domains.get(domain).and_then(|(_, network)| network.clone()))
    }
}

impl DeleteApps for FakeSageMaker {
    async fn delete_app(&self, app: &App) -> Result<(), CallError> {
        self.call(DELETE_APP, &app.id()).await?;
        self.stop(&app.id());
        let mut state = self.state.borrow_mut();
        let meant = state.apps.iter_mut().find(|held| held.id() == app.id() && held.owner == app.owner);
        meant.ok_or_else(|| missing(DELETE_APP))?.state = "Deleting".to_owned();
        Ok(())
    }
}

impl Endpoints for FakeSageMaker {
    async fn endpoints(&self, from: Option<String>) -> Result<Page<Endpoint>, CallError> {
        self.call(LIST_ENDPOINTS, "").await?;
        Ok(page(&self.state.borrow().endpoints, from))
    }
}

impl Models for FakeSageMaker {
    async fn approved(&self, from: Option<String>) -> Result<Page<Package>, CallError> {
        self.call(LIST_PACKAGES, from.as_deref().unwrap_or_default()).await?;
        let packages: Vec<_> = self.state.borrow().packages.values().map(|(package, _)| package.clone()).collect();
        Ok(page(&packages, from))
    }

    async fn provenance(&self, id: &str) -> Result<Provenance, CallError> {
        self.call(DESCRIBE_PACKAGE, id).await?;
        let held = self.state.borrow().packages.get(id).map(|(_, provenance)| provenance.clone());
        held.ok_or_else(|| missing(DESCRIBE_PACKAGE))
    }
}

impl Tags for FakeSageMaker {
    async fn tags(&self, arn: &str, from: Option<String>) -> Result<Page<Tag>, CallError> {
        self.call(LIST_TAGS, arn).await?;
        Ok(page(&self.state.borrow().tags.get(arn).cloned().unwrap_or_default(), from))
    }
}

/// The operations that were called.
pub(crate) fn operations<'a>(calls: &BTreeMap<&'a str, usize>) -> BTreeSet<&'a str> {
    calls.keys().copied().collect()
}
