//! How the enforce stops what runs in SageMaker: executions, jobs, notebook instances and applications of Studio.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use guardrail::{ActionKind, Policy, Resource, ScopeKind, Service};
use jiff::Timestamp;
use lambda::room::{Act, Acted, Found, Look};
use lambda::{CallError, CallErrorKind};

use crate::jobs::{JobKind, StopJobs};
use crate::line::{CALLS_AT_ONCE, Line};
use crate::look::{SageMaker, Sees, Sighting};
use crate::notebooks::{NOTEBOOK, StopNotebooks};
use crate::pipelines::{EXECUTION, StopExecutions};
use crate::refusal;
use crate::studio::{APP, DeleteApps};

/// Everything that can be seen of SageMaker, and what can be stopped there.
pub trait Stops: Sees + StopExecutions + StopJobs + StopNotebooks + DeleteApps {}

impl<P: Sees + StopExecutions + StopJobs + StopNotebooks + DeleteApps> Stops for P {}

impl<P: Stops> Act for SageMaker<P> {
    const SERVICE: Service = Service::SageMaker;

    async fn look(
        &mut self,
        policy: &Policy,
        resources: &[Resource],
        with_peers: bool,
        now: Timestamp,
    ) -> Result<Look, CallError> {
        let line = Line::open();
        self.tags.forget();
        let counted = if with_peers { self.peers(&line, policy, resources, now).await } else { Sighting::default() };
        // What stands on a list is active; only of the rest a call by itself tells what became of it.
        let is_listed = |resource: &&Resource| counted.observations.iter().any(|seen| seen.resource == **resource);
        let (listed, others): (Vec<&Resource>, Vec<&Resource>) = resources.iter().partition(is_listed);
        let mut found: BTreeMap<String, Found> =
            listed.iter().map(|resource| (resource.id.clone(), Found::Active)).collect();
        let others: Vec<Resource> = others.into_iter().cloned().collect();
        let mut sighting = self.one_by_one(&line, &others, now).await;
        sighting.merge(counted);
        if policy.asks_for_tags() {
            self.tags.put(&self.port, &line, &mut sighting, now).await;
        }
        if let Some(problem) = sighting.problems.into_iter().next() {
            return Err(problem);
        }
        for resource in &others {
            let became = sighting.found.remove(&resource.id).unwrap_or(Found::Unknown);
            found.insert(resource.id.clone(), became);
        }
        Ok(Look { found, observations: sighting.observations })
    }

    async fn act(&mut self, policy: &Policy, resources: &[Resource], _attempt: u32) -> Vec<Result<Acted, CallError>> {
        let (this, action) = (&*self, policy.guardrail.action);
        let orders = stream::iter(resources).map(|resource| this.stop(action, resource));
        orders.buffered(CALLS_AT_ONCE).collect().await
    }
}

impl<P: Stops> SageMaker<P> {
    /// Lists afresh everything that these are counted with.
    async fn peers(&mut self, line: &Line, policy: &Policy, resources: &[Resource], now: Timestamp) -> Sighting {
        let kinds: Vec<JobKind> =
            policy.guardrail.resources.iter().filter_map(|kind| JobKind::of_resource(kind)).collect();
        if !kinds.is_empty() {
            return self.jobs.sweep(&self.port, line, &kinds, false).await;
        }
        let ids: Vec<&str> = resources.iter().map(|resource| resource.id.as_str()).collect();
        match policy.guardrail.resources {
            [EXECUTION] if policy.guardrail.counted_in == Some(ScopeKind::Pipeline) => {
                self.pipelines.beside(&self.port, line, &ids, now).await
            }
            [EXECUTION] => self.pipelines.sweep(&self.port, line, true, now).await,
            [NOTEBOOK] => self.notebooks.sweep(&self.port, line, false).await,
            [APP] => self.apps.sweep(&self.port, line, None).await,
            _ => Sighting::default(),
        }
    }

    async fn stop(&self, action: ActionKind, resource: &Resource) -> Result<Acted, CallError> {
        let Resource { kind, id } = resource;
        let told = match action {
            ActionKind::StopExecution => self.port.stop_execution(id).await,
            ActionKind::StopJob => match JobKind::of_resource(kind) {
                Some(kind) => self.port.stop_job(kind, kind.name(id)).await,
                None => return Ok(Acted::Refused(format!("a {kind} is no job"))),
            },
            ActionKind::StopNotebook => self.port.stop_notebook(id).await,
            ActionKind::DeleteApp => match self.apps.get(id) {
                Some(app) => self.port.delete_app(app).await,
                // What was looked at and is up is remembered; this has ended.
                None => Ok(()),
            },
            other => return Ok(Acted::Refused(format!("`{}` is nothing that is done in SageMaker", other.as_str()))),
        };
        match told {
            Ok(()) => Ok(Acted::told(action)),
            Err(problem) if problem.says_unknown() || refusal::is_over(&problem) => Ok(Acted::told(action)),
            Err(problem) if problem.kind == CallErrorKind::Invalid && !refusal::is_passing(&problem) => {
                Ok(Acted::Refused(format!("SageMaker refuses it: {}", problem.message)))
            }
            Err(problem) => Err(problem),
        }
    }
}

#[cfg(test)]
mod tests;
