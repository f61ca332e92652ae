//! `athena-watch`: sees every query that is queued or running, judges it, reports. It changes nothing in Athena.
//!
//! A sweep looks at everything, a signal at the query it names; both end in the same `judge`. What a sweep costs grows
//! with what is new and what is active, never with history:
//! - Histories are paged newest first and only as far as a page that ends with an id already known; a cold function
//!   pages back to the horizon, the longest a query can live.
//! - Active queries are remembered and asked about again; queries that have ended never are.

mod look;

use std::collections::BTreeMap;

use guardrail::catalogue::ATHENA_QUERY_RUNTIME;
use guardrail::judge::acts_at;
use guardrail::{Belt, ConfigurationRejected, Header, Heartbeat, Mode, Observation, Policy, Sandbox, judge};
use jiff::{SignedDuration, Timestamp};
use lambda::aws::CallCounter;
use lambda::bus::Bus;
use lambda::ledger::Ledger;
use lambda::parameters::{InForce, ParameterStore, Parameters};
use lambda::settings::WatchSettings;
use lambda::trigger::Envelope;
use lambda::vigil::{self, Due};
use lambda::{Clock, Handler, Invocation, Outbox, Problems, Trigger};
use serde::Deserialize;

pub use self::look::Memory;
use crate::queries::{BATCH, Queries};

/// The IAM actions that the function may call; a test holds its role to exactly these.
pub const ACTIONS: &[&[&str]] = &[
    crate::queries::Athena::WATCH_ACTIONS,
    lambda::parameters::ParameterStoreClient::ACTIONS,
    lambda::ledger::LedgerTable::WATCH_ACTIONS,
    lambda::bus::EventBus::ACTIONS,
];

/// The name of the function, its binary and its folder of events.
pub const FUNCTION: &str = "athena-watch";

/// How often the function gives a sign of life.
const HEARTBEAT_PERIOD: SignedDuration = SignedDuration::from_mins(5);

/// The watch.
#[derive(Debug)]
pub struct Watch<Q, P, L, B, C> {
    /// Athena.
    pub queries: Q,
    /// What is configured.
    pub parameters: Parameters<P>,
    /// Where findings go.
    pub outbox: Outbox<L, B>,
    /// The clock.
    pub clock: C,
    /// Counts the calls made, for the heartbeat.
    pub calls: CallCounter,
    /// The sandbox.
    pub sandbox: Sandbox,
    /// The schedule and the vigil.
    pub settings: WatchSettings,
    /// What a warm function knows.
    pub memory: Memory,
}

/// The fields of `Athena Query State Change` that are used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StateChange {
    query_execution_id: String,
    current_state: String,
}

impl<Q, P, L, B, C> Handler for Watch<Q, P, L, B, C>
where
    Q: Queries,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    C: Clock,
{
    async fn handle(&mut self, invocation: Invocation) -> Result<(), Problems> {
        match Trigger::read(&invocation.event) {
            Some(Trigger::Sweep) => self.sweep(&invocation).await,
            // A parameter changed: everything is looked at with what is in force now.
            Some(Trigger::Signal(envelope)) if envelope.source == "aws.ssm" => {
                self.parameters.expire();
                self.sweep(&invocation).await
            }
            Some(Trigger::Signal(envelope)) => self.signal(*envelope, &invocation).await,
            None => Ok(()),
        }
    }
}

impl<Q, P, L, B, C> Watch<Q, P, L, B, C>
where
    Q: Queries,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    C: Clock,
{
    async fn sweep(&mut self, invocation: &Invocation) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let calls_before = self.calls.count();
        let in_force = self.in_force(&mut problems).await?;
        let policy = in_force.configuration.policy(&ATHENA_QUERY_RUNTIME);
        let watched = |workgroup: &str| policy.mode.of(Some(workgroup)) != Mode::Off;

        let now = self.clock.now();
        let look = look::everything(&self.queries, &mut self.memory, watched, &self.clock, invocation.deadline);
        let (look, repaired) = futures_util::future::join(look, self.outbox.repair(now)).await;
        problems.keep(repaired);
        problems.keep(look.problems.into_result());

        let now = self.clock.now();
        let mut belt = Belt::new(policy.max_actions);
        let active: Vec<Observation> = self.memory.active.values().map(Observation::from).collect();
        let findings = judge(&policy, &active, &self.sandbox, now, &mut belt);
        let reported = problems.keep(self.outbox.report(findings, now).await).unwrap_or_default();
        for (rejected, version) in in_force.rejected {
            tracing::warn!(parameter = rejected.parameter, in_force = rejected.in_force, "parameter is not obeyed");
            let event = ConfigurationRejected::new(rejected, version, &self.sandbox, now);
            problems.keep(self.outbox.tell_once(event, now).await);
        }
        let took = self.clock.now().duration_since(invocation.now);
        let calls = self.calls.count() - calls_before;
        tracing::info!(
            workgroups = look.workgroups,
            queries.active = active.len(),
            queries.new = look.new,
            findings.new = reported,
            calls,
            took_ms = u64::try_from(took.as_millis()).unwrap_or_default(),
            "sweep was completed"
        );
        // A sign of life says "all well", so there is none when something could not be seen.
        if problems.is_empty() {
            let saw =
                [("workgroups", look.workgroups), ("active", active.len()), ("new", look.new), ("findings", reported)];
            problems.keep(self.beat(saw, took, calls, now).await);
        }
        problems.keep(self.keep_vigil(&policy, active, now, belt, invocation).await);
        problems.into_result()
    }

    async fn signal(&mut self, envelope: Envelope, invocation: &Invocation) -> Result<(), Problems> {
        let change: StateChange = match serde_json::from_value(envelope.detail) {
            Ok(change) => change,
            Err(error) => {
                tracing::warn!(event.detail_type = envelope.detail_type, %error, "event is malformed and was ignored");
                return Ok(());
            }
        };
        if !matches!(change.current_state.as_str(), "QUEUED" | "RUNNING") {
            return Ok(());
        }
        let mut problems = Problems::default();
        let in_force = self.in_force(&mut problems).await?;
        let policy = in_force.configuration.policy(&ATHENA_QUERY_RUNTIME);
        let batch = self.queries.get(std::slice::from_ref(&change.query_execution_id)).await?;
        if batch.queries.is_empty() {
            tracing::warn!(query.id = change.query_execution_id, "event names a query that Athena does not know");
            return problems.into_result();
        }
        self.memory.learn(batch, self.clock.now());
        let now = self.clock.now();
        let seen: Vec<Observation> =
            self.memory.active.get(&change.query_execution_id).map(Observation::from).into_iter().collect();
        let mut belt = Belt::new(policy.max_actions);
        let findings = judge(&policy, &seen, &self.sandbox, now, &mut belt);
        problems.keep(self.outbox.report(findings, now).await);
        problems.keep(self.keep_vigil(&policy, seen, now, belt, invocation).await);
        problems.into_result()
    }

    /// What is in force. When it cannot be read, a warm function goes on with what it knew and fails at its end; a cold
    /// one knows no limit to hold anything against, and fails at once.
    async fn in_force(&mut self, problems: &mut Problems) -> Result<InForce, Problems> {
        match self.parameters.current(self.clock.now()).await {
            Ok(in_force) => Ok(in_force),
            Err(problem) => match self.parameters.last_known() {
                Some(known) => {
                    problems.push(problem);
                    Ok(known.clone())
                }
                None => Err(problem.into()),
            },
        }
    }

    async fn beat(
        &mut self,
        saw: [(&str, usize); 4],
        took: SignedDuration,
        calls: u64,
        now: Timestamp,
    ) -> Result<(), Problems> {
        let heartbeat = Heartbeat {
            header: Header::new(format!("heartbeat/{FUNCTION}"), &self.sandbox, now),
            function: FUNCTION.to_owned(),
            saw: saw.into_iter().map(|(name, count)| (name.to_owned(), count as u64)).collect(),
            took,
            calls,
        };
        self.outbox.pulse(heartbeat, now, HEARTBEAT_PERIOD).await.map(drop)
    }

    /// Stays awake for what becomes a breach before the sweep after the next; what was one already when it was judged
    /// has been reported. Reporting takes time, so a limit may have passed since.
    async fn keep_vigil(
        &mut self,
        policy: &Policy,
        seen: Vec<Observation>,
        judged_at: Timestamp,
        belt: Belt,
        invocation: &Invocation,
    ) -> Result<(), Problems> {
        if !self.settings.vigil {
            return Ok(());
        }
        let horizon = vigil::horizon(&self.settings, self.clock.now(), invocation.deadline);
        let due = seen.iter().filter_map(|seen| {
            let due = acts_at(policy, seen, judged_at).filter(|due| *due > judged_at)?;
            Some((seen.resource.id.clone(), due))
        });
        let due: BTreeMap<_, _> = due.filter(|(_, due)| *due <= horizon).collect();
        if let Some(next) = due.values().min() {
            tracing::info!(queries.due = due.len(), next = %next, "vigil was begun");
        }
        let clock = self.clock.clone();
        vigil::keep(&clock, &mut Waiting { watch: self, due, belt }, horizon).await
    }
}

/// The queries that a vigil waits for, with the moment each reaches its limit.
struct Waiting<'a, Q, P, L, B, C> {
    watch: &'a mut Watch<Q, P, L, B, C>,
    due: BTreeMap<String, Timestamp>,
    belt: Belt,
}

impl<Q, P, L, B, C> Due for Waiting<'_, Q, P, L, B, C>
where
    Q: Queries,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    C: Clock,
{
    fn next(&self) -> Option<Timestamp> {
        self.due.values().min().copied()
    }

    async fn look(&mut self, now: Timestamp) -> Result<(), Problems> {
        let ids: Vec<String> =
            self.due.iter().filter(|(_, due)| **due <= now).map(|(id, _)| id.clone()).take(BATCH).collect();
        let mut problems = Problems::default();
        let in_force = self.watch.in_force(&mut problems).await?;
        let policy = in_force.configuration.policy(&ATHENA_QUERY_RUNTIME);
        let batch = self.watch.queries.get(&ids).await?;
        let unprocessed = batch.unprocessed.clone();
        self.watch.memory.learn(batch, now);
        let now = self.watch.clock.now();
        let active: Vec<Observation> =
            ids.iter().filter_map(|id| self.watch.memory.active.get(id)).map(Observation::from).collect();
        let findings = judge(&policy, &active, &self.watch.sandbox, now, &mut self.belt);
        self.watch.outbox.report(findings, now).await?;
        for id in ids.iter().filter(|id| !unprocessed.contains(id)) {
            // A limit that was raised meanwhile moves the moment; otherwise the query was reported or has ended.
            let seen = active.iter().find(|seen| seen.resource.id == *id);
            match seen.and_then(|seen| acts_at(&policy, seen, now)).filter(|due| *due > now) {
                Some(due) => drop(self.due.insert(id.clone(), due)),
                None => drop(self.due.remove(id)),
            }
        }
        if !unprocessed.is_empty() {
            problems.push(look::unprocessed(&unprocessed));
        }
        problems.into_result()
    }
}

#[cfg(test)]
mod tests;
