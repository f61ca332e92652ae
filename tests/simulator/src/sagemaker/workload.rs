//! What runs: pipeline executions, jobs, notebooks, apps and endpoints, each a life told by instants.
//!
//! Its state at any moment follows from them, so nothing has to happen for a workload to make progress.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::app::App;
use super::endpoint::Endpoint;
use super::job::{Job, JobKind};
use super::listing::Listed;
use super::names::{Maker, Names};
use super::notebook::Notebook;
use super::pipeline::Execution;
use crate::clock;
use crate::events::ServiceEvent;

/// A state as AWS writes it, or as a spec made it up.
pub(super) type State = Cow<'static, str>;

/// What kind of workload it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadKind {
    /// One run of a pipeline.
    PipelineExecution,
    /// A training job.
    TrainingJob,
    /// A processing job.
    ProcessingJob,
    /// A batch transform job.
    TransformJob,
    /// A hyperparameter tuning job.
    HyperParameterTuningJob,
    /// An Autopilot job.
    AutoMlJob,
    /// A notebook instance.
    NotebookInstance,
    /// A Studio app.
    App,
    /// An inference endpoint.
    Endpoint,
}

/// What can be seen of a workload now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkloadView {
    /// Its ARN.
    pub arn: String,
    /// Its name as the API takes it: a job's or notebook's name, an execution's display name.
    pub name: String,
    /// What kind of workload it is.
    pub kind: WorkloadKind,
    /// Its state, as AWS writes it.
    pub state: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// Since when it is in its state.
    pub state_since: Timestamp,
    /// When it was first told to stop, if it was while it could still obey.
    pub stopped_at: Option<Timestamp>,
    /// How often it was told to stop, after its end too.
    pub stop_calls: u32,
    /// Who started it: `None` is the account's root.
    pub started_by: Option<String>,
}

/// Anything that runs.
#[derive(Debug)]
pub(super) struct Workload {
    pub(super) arn: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) created_at: Timestamp,
    pub(super) maker: Maker,
    pub(super) life: Life,
    pub(super) body: Body,
}

/// What the kinds of workload have of their own.
#[derive(Debug)]
pub(super) enum Body {
    Execution(Execution),
    Job(Job),
    Notebook(Notebook),
    App(App),
    Endpoint(Endpoint),
}

impl Workload {
    pub(super) fn kind(&self) -> WorkloadKind {
        match &self.body {
            Body::Execution(_) => WorkloadKind::PipelineExecution,
            Body::Job(job) => match job.kind {
                JobKind::Training => WorkloadKind::TrainingJob,
                JobKind::Processing => WorkloadKind::ProcessingJob,
                JobKind::Transform => WorkloadKind::TransformJob,
                JobKind::HyperParameterTuning => WorkloadKind::HyperParameterTuningJob,
                JobKind::AutoMl => WorkloadKind::AutoMlJob,
            },
            Body::Notebook(_) => WorkloadKind::NotebookInstance,
            Body::App(_) => WorkloadKind::App,
            Body::Endpoint(_) => WorkloadKind::Endpoint,
        }
    }

    pub(super) fn state(&self, now: Timestamp) -> &str {
        self.life.state(now)
    }

    pub(super) fn is_active(&self, now: Timestamp) -> bool {
        !is_terminal(self.state(now))
    }

    /// When the next change comes that has to be announced; apps announce nothing.
    pub(super) fn next_change(&self) -> Option<Timestamp> {
        if matches!(self.body, Body::App(_)) { None } else { self.life.next_change() }
    }

    /// The event of the next change that has not been announced, and of just that one.
    pub(super) fn announce(&mut self, names: &Names, tags: &serde_json::Value) -> Option<ServiceEvent> {
        let change = self.life.take_change()?;
        match &self.body {
            Body::Execution(execution) => Some(execution.event(self, &change)),
            Body::Job(job) => job.event(self, &change, names, tags),
            Body::Notebook(notebook) => Some(notebook.event(self, &change, names, tags)),
            Body::Endpoint(endpoint) => Some(endpoint.event(self, &change, tags)),
            Body::App(_) => None,
        }
    }

    /// Ends it now: an execution or a job the way it would have ended, well when it would have run until it was
    /// stopped; a notebook stops and an app is deleted. An endpoint that is in service stays.
    pub(super) fn finish(&mut self, now: Timestamp) {
        let end = match &self.body {
            Body::Execution(_) => Some("Succeeded"),
            Body::Job(_) => Some("Completed"),
            Body::Notebook(_) => Some("Stopped"),
            Body::App(_) => Some("Deleted"),
            Body::Endpoint(_) => None,
        };
        if self.is_active(now) {
            self.life.finish(now, end);
        }
    }

    pub(super) fn view(&self, now: Timestamp) -> WorkloadView {
        WorkloadView {
            arn: self.arn.to_string(),
            name: self.name.to_string(),
            kind: self.kind(),
            state: self.state(now).to_owned(),
            created_at: self.created_at,
            state_since: self.life.since(now),
            stopped_at: self.life.stopped_at,
            stop_calls: self.life.stop_calls,
            started_by: self.maker.by.clone(),
        }
    }
}

impl Listed for Workload {
    fn id(&self) -> &str {
        &self.arn
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn status(&self, now: Timestamp) -> &str {
        self.state(now)
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn modified_at(&self, now: Timestamp) -> Timestamp {
        self.life.since(now)
    }
}

/// Whether nothing follows a state by itself, of whatever kind of workload.
pub(super) fn is_terminal(state: &str) -> bool {
    matches!(state, "Succeeded" | "Completed" | "Failed" | "Stopped" | "Deleted")
}

/// One change of state.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) at: Timestamp,
    pub(super) from: Option<State>,
    pub(super) to: State,
}

/// The states a workload went through and will go through as things stand, each with the instant it began.
#[derive(Debug)]
pub(super) struct Life {
    /// Oldest first; never empty.
    states: Vec<(Timestamp, State)>,
    /// How many of the states have been announced.
    announced: usize,
    /// How long it goes on after it was told to stop.
    stopping_takes: Duration,
    stopped_at: Option<Timestamp>,
    stop_calls: u32,
}

impl Life {
    /// A life seen from `now`: what happened before anybody was looking is not announced.
    pub(super) fn new(states: Vec<(Timestamp, State)>, stopping_takes: Duration, now: Timestamp) -> Life {
        let announced = states.iter().take_while(|(at, _)| *at < now).count();
        Life { states, announced, stopping_takes, stopped_at: None, stop_calls: 0 }
    }

    /// The life of what runs from `starts_at`, for a time or until it is stopped.
    pub(super) fn running(
        starts_at: Timestamp,
        state: State,
        runs_for: Option<Duration>,
        end: &'static str,
    ) -> Vec<(Timestamp, State)> {
        let end = runs_for.map(|runs_for| (clock::after(starts_at, runs_for), end.into()));
        [Some((starts_at, state)), end].into_iter().flatten().collect()
    }

    fn current(&self, now: Timestamp) -> Option<&(Timestamp, State)> {
        self.states.iter().take_while(|(at, _)| *at <= now).last().or(self.states.first())
    }

    pub(super) fn state(&self, now: Timestamp) -> &str {
        self.current(now).map_or("", |(_, state)| state)
    }

    /// When the present state began.
    pub(super) fn since(&self, now: Timestamp) -> Timestamp {
        self.current(now).map_or(now, |(at, _)| *at)
    }

    /// Obeys an order to stop: it stops by and by, whatever would have come next.
    pub(super) fn stop(&mut self, now: Timestamp, stopping: &'static str, stopped: &'static str) {
        self.stop_calls += 1;
        self.stopped_at.get_or_insert(now);
        let end = (clock::after(now, self.stopping_takes), stopped.into());
        self.turn(now, [(now, stopping.into()), end]);
    }

    /// Counts an order to stop that changes nothing.
    pub(super) fn stop_in_vain(&mut self) {
        self.stop_calls += 1;
    }

    /// Goes on otherwise from `now`.
    pub(super) fn turn(&mut self, now: Timestamp, states: impl IntoIterator<Item = (Timestamp, State)>) {
        self.states.retain(|(at, _)| *at <= now);
        self.states.extend(states);
    }

    /// Comes to its last state now, or to `end` when it would have stayed in its present one.
    fn finish(&mut self, now: Timestamp, end: Option<&'static str>) {
        let last = self.states.last().filter(|(at, _)| *at > now).map(|(_, state)| state.clone());
        if let Some(state) = last.or(end.map(State::from)) {
            self.turn(now, [(now, state)]);
        }
    }

    fn next_change(&self) -> Option<Timestamp> {
        self.states.get(self.announced).map(|(at, _)| *at)
    }

    fn take_change(&mut self) -> Option<Change> {
        let (at, to) = self.states.get(self.announced)?.clone();
        let before = self.announced.checked_sub(1).and_then(|index| self.states.get(index));
        let from = before.map(|(_, state)| state.clone());
        self.announced += 1;
        Some(Change { at, from, to })
    }
}
