//! Stops queries, and can do nothing else in Athena.

use guardrail::{ActionKind, Observation, Policy, Resource, Service};
use jiff::{SignedDuration, Timestamp};
use lambda::room::{Act, Acted, Found, Look};
use lambda::{CallError, Clock};

use crate::observe::{self, Memory, Reach};
use crate::queries::StopQueries;

/// How long a look at what a query is counted with may take, of the minute that an enforce has.
const PATIENCE: SignedDuration = SignedDuration::from_secs(20);

/// Stops queries.
#[derive(Debug)]
pub struct Stopper<Q, C> {
    queries: Q,
    clock: C,
    memory: Memory,
}

impl<Q: StopQueries, C: Clock> Stopper<Q, C> {
    /// One that has seen nothing yet.
    pub fn new(queries: Q, clock: C) -> Self {
        Self { queries, clock, memory: Memory::default() }
    }

    /// The active queries of these workgroups.
    async fn peers(&mut self, workgroups: &[String], now: Timestamp) -> Result<Vec<Observation>, CallError> {
        let reach = Reach { deadline: now.checked_add(PATIENCE).unwrap_or(now), ..Reach::of_active(now) };
        let look = observe::histories(&self.queries, &mut self.memory, workgroups, reach, &self.clock).await;
        match look.problems.into_first() {
            Some(problem) => Err(problem),
            None => Ok(self.memory.active(workgroups).map(Observation::from).collect()),
        }
    }
}

impl<Q: StopQueries, C: Clock> Act for Stopper<Q, C> {
    const SERVICE: Service = Service::Athena;

    async fn look(
        &mut self,
        _policy: &Policy,
        resources: &[Resource],
        with_peers: bool,
        now: Timestamp,
    ) -> Result<Look, CallError> {
        let ids: Vec<String> = resources.iter().map(|resource| resource.id.clone()).collect();
        let batch = observe::look_up_all(&self.queries, &ids).await?;
        if !batch.unprocessed.is_empty() {
            return Err(observe::unprocessed(&batch.unprocessed));
        }
        let mut look = Look::default();
        look.found.extend(batch.missing.into_iter().map(|id| (id, Found::Unknown)));
        let mut workgroups = Vec::new();
        for query in &batch.queries {
            let found = if query.ended { Found::Ended(query.state.clone()) } else { Found::Active };
            look.found.insert(query.id.clone(), found);
            if !query.ended {
                look.observations.push(query.into());
                workgroups.push(query.workgroup.clone());
            }
        }
        if with_peers {
            workgroups.sort();
            workgroups.dedup();
            look.observations = self.peers(&workgroups, now).await?;
        }
        Ok(look)
    }

    async fn act(&mut self, _policy: &Policy, resources: &[Resource], _attempt: u32) -> Vec<Result<Acted, CallError>> {
        let mut answers = Vec::new();
        for query in resources {
            answers.push(self.queries.stop(&query.id).await.map(|()| Acted::told(ActionKind::Stop)));
        }
        answers
    }
}
