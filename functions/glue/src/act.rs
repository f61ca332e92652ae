//! Stops sessions and job runs, and can do nothing else in Glue.
//!
//! Glue has no protection against being stopped, so nothing is ever refused for good: an order that it does not take
//! is one that comes too late, which is success, or one for the next attempt.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use guardrail::{Measure, Policy, Resource, Service};
use jiff::{SignedDuration, Timestamp};
use lambda::room::{Act, Acted, Found, Look};
use lambda::{CallError, CallErrorKind, Clock};

use crate::look::{Glue, Sighting, Time, Wants, runs, sessions};
use crate::runs::{BATCH, JOB_RUN, RunId, StopJobRuns};
use crate::sessions::{SESSION, StopSessions};
use crate::state::{Phase, State};

/// Orders under way at once.
const ORDERS_AT_ONCE: usize = 4;

/// How long a quiet job is left alone when runs are counted to act on them: no longer than a count should be old.
const QUIET: SignedDuration = SignedDuration::from_mins(1);

/// What became of one order.
type Ordered = Result<(), CallError>;

impl<P: StopSessions + StopJobRuns, C: Clock> Act for Glue<P, C> {
    const SERVICE: Service = Service::Glue;

    async fn look(
        &mut self,
        policy: &Policy,
        resources: &[Resource],
        with_peers: bool,
        now: Timestamp,
    ) -> Result<Look, CallError> {
        let (guardrail, deadline) = (policy.guardrail, Timestamp::MAX);
        let wants = Wants { idle_time: guardrail.measure == Measure::IdleTime, tags: policy.asks_for_tags() };
        self.sessions.forget_tags();
        self.runs.forget_tags();

        let mut sighting = Sighting::default();
        if with_peers {
            let time = Time { clock: &self.clock, deadline };
            if guardrail.measures(SESSION) {
                sighting = sighting.and(sessions::all(&self.port, &mut self.sessions, wants, &time).await);
            }
            if guardrail.measures(JOB_RUN) {
                sighting = sighting.and(runs::all(&self.port, &mut self.runs, wants, QUIET, now, &time).await);
            }
        }
        let unmet: Vec<Resource> =
            resources.iter().filter(|resource| !sighting.states.contains_key(&resource.id)).cloned().collect();
        let mut sighting = sighting.and(self.each(&unmet, wants, deadline).await);
        if let Some(problem) = sighting.problems.pop() {
            return Err(problem);
        }
        let found = |resource: &Resource| (resource.id.clone(), found(sighting.states.get(&resource.id)));
        Ok(Look { found: resources.iter().map(found).collect(), observations: sighting.observations })
    }

    async fn act(&mut self, policy: &Policy, resources: &[Resource], _attempt: u32) -> Vec<Result<Acted, CallError>> {
        let sessions = resources.iter().filter(|resource| resource.kind == SESSION);
        let mut ordered: BTreeMap<String, Ordered> = stream::iter(sessions)
            .map(|session| async { (session.id.clone(), stop_session(&self.port, &session.id).await) })
            .buffer_unordered(ORDERS_AT_ONCE)
            .collect()
            .await;

        let mut jobs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for RunId { job, run } in resources.iter().filter_map(RunId::of) {
            jobs.entry(job).or_default().push(run);
        }
        let batches = jobs.iter().flat_map(|(job, runs)| runs.chunks(BATCH).map(move |runs| (job, runs)));
        let batches: Vec<_> = stream::iter(batches)
            .map(|(job, runs)| stop_runs(&self.port, job, runs))
            .buffer_unordered(ORDERS_AT_ONCE)
            .collect()
            .await;
        ordered.extend(batches.into_iter().flatten());

        let acted = |resource: &Resource| match ordered.get(&resource.id) {
            Some(ordered) => ordered.clone().map(|()| Acted::told(policy.guardrail.action)),
            None => Ok(Acted::Refused(format!("`{}` names no {}", resource.id, resource.kind))),
        };
        resources.iter().map(acted).collect()
    }
}

/// Tells Glue to stop a session.
async fn stop_session<P: StopSessions>(port: &P, id: &str) -> Ordered {
    let Err(problem) = port.stop_session(id).await else { return Ok(()) };
    if !may_be_late(&problem) {
        return Err(problem);
    }
    settle(port.session(id).await.map(|session| session.map(|session| session.state)), problem)
}

/// Tells Glue to stop these runs of a job.
async fn stop_runs<P: StopJobRuns>(port: &P, job: &str, runs: &[String]) -> Vec<(String, Ordered)> {
    let answer = port.stop_runs(job, runs).await;
    let mut ordered = Vec::with_capacity(runs.len());
    for run in runs {
        let id = RunId { job: job.to_owned(), run: run.clone() };
        let problem = match &answer {
            Ok(refused) => refused.get(run).cloned(),
            Err(problem) => Some(problem.clone()),
        };
        let outcome = match problem {
            None => Ok(()),
            Some(problem) if !may_be_late(&problem) => Err(problem),
            Some(problem) => settle(port.run(&id).await.map(|run| run.map(|run| run.state)), problem),
        };
        ordered.push((id.to_string(), outcome));
    }
    ordered
}

/// Whether an order may have failed because there is nothing left to stop.
fn may_be_late(problem: &CallError) -> bool {
    matches!(problem.kind, CallErrorKind::Invalid | CallErrorKind::Missing)
}

/// Whether an order that was not taken came too late. AWS lists no codes that say so; the state does.
fn settle(state: Result<Option<State>, CallError>, problem: CallError) -> Ordered {
    match state {
        Ok(state) if state.as_ref().is_none_or(|state| state.phase != Phase::Active) => Ok(()),
        _ => Err(problem),
    }
}

fn found(state: Option<&State>) -> Found {
    match state {
        None => Found::Unknown,
        Some(State { phase: Phase::Active, .. }) => Found::Active,
        Some(State { phase: Phase::Ending, name, .. }) => Found::Ending(name.clone()),
        Some(State { phase: Phase::Ended, name, .. }) => Found::Ended(name.clone()),
    }
}

#[cfg(test)]
mod tests;
