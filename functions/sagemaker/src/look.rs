//! How the watch sees SageMaker: everything in a sweep, or what an event names.
//!
//! Each area looks after itself; here they are joined, in one line for all their calls.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join3, join5};
use guardrail::{Measure, Observation, Resource, Service};
use jiff::{SignedDuration, Timestamp};
use lambda::room::{Found, Seen, Sight, Wanted};
use lambda::trigger::Envelope;
use lambda::{CallError, CallErrorKind, Problems};

use crate::endpoints::{self, ENDPOINT, Endpoints};
use crate::jobs::{self, JobKind, Jobs};
use crate::life;
use crate::line::Line;
use crate::models::{self, GROUP, Models, PACKAGE};
use crate::notebooks::{self, NOTEBOOK, Notebooks};
use crate::pipelines::{self, EXECUTION, PIPELINE, Pipelines};
use crate::studio::{self, APP, DOMAIN, SPACE, Studio};
use crate::tags::{self, Tags};

mod signal;

use signal::Named;

/// How long what moves slowly is remembered.
pub(crate) const SLOW: Fresh = Fresh(SignedDuration::from_mins(30));

/// How long something is fresh.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fresh(SignedDuration);

impl Fresh {
    /// Whether what was seen then still holds.
    pub(crate) fn holds(self, seen_at: Option<Timestamp>, now: Timestamp) -> bool {
        seen_at.is_some_and(|seen_at| now.duration_since(seen_at) < self.0)
    }
}

/// Everything that can be seen of SageMaker.
pub trait Sees: Pipelines + Jobs + Notebooks + Studio + Endpoints + Models + Tags {}

impl<P: Pipelines + Jobs + Notebooks + Studio + Endpoints + Models + Tags> Sees for P {}

/// SageMaker as it is seen through a port, with what is remembered of it.
#[derive(Debug)]
pub struct SageMaker<P> {
    pub(crate) port: P,
    pub(crate) pipelines: pipelines::look::Memory,
    pub(crate) jobs: jobs::look::Memory,
    pub(crate) notebooks: notebooks::look::Memory,
    pub(crate) apps: studio::look::Apps,
    spaces: studio::look::Spaces,
    domains: studio::look::Domains,
    models: models::look::Memory,
    pub(crate) tags: tags::Memory,
}

impl<P> SageMaker<P> {
    /// Nothing is remembered yet.
    pub fn new(port: P) -> Self {
        Self {
            port,
            pipelines: pipelines::look::Memory::default(),
            jobs: jobs::look::Memory::default(),
            notebooks: notebooks::look::Memory::default(),
            apps: studio::look::Apps::default(),
            spaces: studio::look::Spaces::default(),
            domains: studio::look::Domains::default(),
            models: models::look::Memory::default(),
            tags: tags::Memory::default(),
        }
    }
}

/// What one look saw.
#[derive(Debug, Default)]
pub(crate) struct Sighting {
    pub(crate) observations: Vec<Observation>,
    /// The ARNs of what has tags of its own.
    pub(crate) arns: BTreeMap<Resource, String>,
    pub(crate) whole: BTreeSet<&'static str>,
    pub(crate) unseen: BTreeSet<String>,
    pub(crate) saw: BTreeMap<&'static str, u64>,
    /// What became of the resources that were asked for by id.
    pub(crate) found: BTreeMap<String, Found>,
    pub(crate) problems: Vec<CallError>,
}

impl Sighting {
    /// Adds something active, with its ARN where its tags matter.
    pub(crate) fn see(&mut self, observation: Observation, arn: Option<&str>) {
        if let Some(arn) = arn {
            self.arns.insert(observation.resource.clone(), arn.to_owned());
        }
        self.observations.push(observation);
    }

    /// Adds what another look saw elsewhere.
    pub(crate) fn merge(&mut self, other: Self) {
        self.observations.extend(other.observations);
        self.arns.extend(other.arns);
        self.whole.extend(other.whole);
        self.unseen.extend(other.unseen);
        self.saw.extend(other.saw);
        self.found.extend(other.found);
        self.problems.extend(other.problems);
    }

    /// Leaves out what was not asked for.
    pub(crate) fn only(&mut self, ids: &[&str]) {
        self.observations.retain(|seen| ids.contains(&seen.resource.id.as_str()));
        self.arns.retain(|resource, _| ids.contains(&resource.id.as_str()));
        self.unseen.retain(|id| ids.contains(&id.as_str()));
        self.found.retain(|id, _| ids.contains(&id.as_str()));
        self.whole.clear();
    }

    fn into_seen(self) -> Seen {
        life::warn_of_unknown(&self.observations);
        Seen {
            observations: self.observations,
            whole: self.whole,
            unseen: self.unseen,
            saw: self.saw,
            problems: summed_up(self.problems),
        }
    }
}

/// One problem for all calls of an operation that failed in the same way: where one of two thousand pipelines cannot be
/// read, often none can.
fn summed_up(problems: Vec<CallError>) -> Problems {
    let mut groups: BTreeMap<(&'static str, CallErrorKind), (CallError, usize)> = BTreeMap::new();
    for problem in problems {
        groups.entry((problem.operation, problem.kind)).or_insert((problem, 0)).1 += 1;
    }
    let mut summed_up = Problems::default();
    for (mut problem, count) in groups.into_values() {
        if count > 1 {
            problem.message = format!("{} (and {} more of the kind)", problem.message, count - 1);
        }
        summed_up.push(problem);
    }
    summed_up
}

impl<P: Sees> Sight for SageMaker<P> {
    const SERVICE: Service = Service::SageMaker;

    async fn sweep(&mut self, wanted: Wanted<'_>, now: Timestamp, deadline: Timestamp) -> Seen {
        let line = &Line::until(now, deadline);
        let Self { port, pipelines, jobs, notebooks, apps, spaces, domains, models, tags } = self;
        let port = &*port;
        let kinds: Vec<JobKind> = JobKind::ALL.into_iter().filter(|kind| wanted.kind(kind.resource())).collect();
        let instances = wants_instances(&wanted);
        let access = wanted.reading(NOTEBOOK, &[Measure::InternetAccess, Measure::RootAccess]);
        let executions = wanted.kind(EXECUTION);
        let seen = join5(
            when(executions || wanted.kind(PIPELINE), pipelines.sweep(port, line, executions, now)),
            when(!kinds.is_empty(), jobs.sweep(port, line, &kinds, instances)),
            when(wanted.kind(NOTEBOOK), notebooks.sweep(port, line, access)),
            when(wanted.kind(APP), apps.sweep(port, line, None)),
            join3(
                when(wanted.kind(SPACE), spaces.sweep(port, line, now)),
                when(wanted.kind(DOMAIN), domains.sweep(port, line, now)),
                when(wanted.kind(PACKAGE) || wanted.kind(GROUP), models.sweep(port, line, now)),
            ),
        );
        let endpoints = when(wanted.kind(ENDPOINT), endpoints::sweep(port, line));
        let ((one, two, three, four, (five, six, seven)), eight) = futures_util::future::join(seen, endpoints).await;
        let mut sighting = Sighting::default();
        for seen in [one, two, three, four, five, six, seven, eight] {
            sighting.merge(seen);
        }
        if wanted.tags() {
            tags.put(port, line, &mut sighting, now).await;
        }
        sighting.into_seen()
    }

    async fn signal(&mut self, event: &Envelope, wanted: Wanted<'_>, now: Timestamp) -> Seen {
        let line = Line::open();
        let mut sighting = match signal::read(event).filter(|named| wanted.kind(named.resource_kind())) {
            None => Sighting::default(),
            Some(Named::Execution(id)) => self.pipelines.signal(&self.port, &line, &id, now).await,
            Some(Named::Job(kind, name)) => self.jobs.signal(&self.port, &line, kind, &name).await,
            Some(Named::Notebook(name)) => self.notebooks.again(&self.port, &line, &[&name]).await,
            Some(Named::Endpoint) => endpoints::sweep(&self.port, &line).await,
        };
        if wanted.tags() {
            self.tags.put(&self.port, &line, &mut sighting, now).await;
        }
        sighting.into_seen()
    }

    async fn again(&mut self, resources: &[Resource], wanted: Wanted<'_>, now: Timestamp) -> Seen {
        let line = Line::open();
        let mut sighting = self.one_by_one(&line, resources, now).await;
        if wanted.tags() {
            self.tags.put(&self.port, &line, &mut sighting, now).await;
        }
        sighting.into_seen()
    }
}

impl<P: Sees> SageMaker<P> {
    /// Looks at these resources, and only at them.
    pub(crate) async fn one_by_one(&mut self, line: &Line, resources: &[Resource], now: Timestamp) -> Sighting {
        let Self { port, pipelines, jobs, notebooks, apps, spaces, domains, models, .. } = self;
        let port = &*port;
        let of = |kind: &str| -> Vec<&str> {
            resources.iter().filter(|resource| resource.kind == kind).map(|resource| resource.id.as_str()).collect()
        };
        let of_jobs =
            resources.iter().filter_map(|asked| Some((JobKind::of_resource(&asked.kind)?, asked.id.as_str())));
        let (executions, of_jobs, of_notebooks, of_apps) =
            (of(EXECUTION), of_jobs.collect::<Vec<_>>(), of(NOTEBOOK), of(APP));
        let has = |kinds: &[&str]| resources.iter().any(|resource| kinds.contains(&resource.kind.as_str()));
        let (one, two, three, four, (five, six, seven)) = join5(
            when(!executions.is_empty(), pipelines.again(port, line, &executions)),
            when(!of_jobs.is_empty(), jobs.again(port, line, &of_jobs)),
            when(!of_notebooks.is_empty(), notebooks.again(port, line, &of_notebooks)),
            when(!of_apps.is_empty(), apps.again(port, line, &of_apps)),
            // What is only reported moves slowly, and one list tells of all.
            join3(
                when(has(&[SPACE]), spaces.sweep(port, line, now)),
                when(has(&[DOMAIN]), domains.sweep(port, line, now)),
                when(has(&[PACKAGE, GROUP]), models.sweep(port, line, now)),
            ),
        )
        .await;
        let mut sighting = Sighting::default();
        for seen in [one, two, three, four, five, six, seven] {
            sighting.merge(seen);
        }
        sighting.merge(when(has(&[ENDPOINT]), endpoints::sweep(port, line)).await);
        let ids: Vec<&str> = resources.iter().map(|resource| resource.id.as_str()).collect();
        sighting.only(&ids);
        sighting
    }
}

/// Whether a guardrail that is on asks for the instances of any kind of job.
fn wants_instances(wanted: &Wanted<'_>) -> bool {
    let kinds = JobKind::ALL.into_iter();
    kinds.map(JobKind::resource).any(|kind| wanted.reading(kind, &[Measure::InstanceTypes, Measure::Gpus]))
}

/// Looks, if that is wanted.
async fn when(wanted: bool, look: impl Future<Output = Sighting>) -> Sighting {
    if wanted { look.await } else { Sighting::default() }
}

#[cfg(test)]
mod tests;
