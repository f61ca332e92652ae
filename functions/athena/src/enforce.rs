//! `athena-enforce`: takes a breach, looks again, judges again, and only then stops the query.
//!
//! A finding is a request to look, never an order: one that is stale, repeated or forged stops nothing. The ledger makes
//! each stop exclusive, and says afterwards what was done or why not.

use std::time::Duration;

use guardrail::catalogue::{self, ATHENA_QUERY_RUNTIME};
use guardrail::{
    Action, ActionKind, Event, Finding, Header, Level, Mode, Observation, Outcome, Policy, Quantity, Resource, Sandbox,
    Severity,
};
use jiff::Timestamp;
use lambda::bus::Bus;
use lambda::ledger::{Claim, Ledger};
use lambda::parameters::{ParameterStore, Parameters};
use lambda::{CallError, CallErrorKind, Clock, Handler, Invocation, Outbox, Problems, trigger};
use serde::Deserialize;

use crate::queries::{Query, StopQueries};

/// The IAM actions that the function may call; a test holds its role to exactly these.
pub const ACTIONS: &[&[&str]] = &[
    crate::queries::Athena::ENFORCE_ACTIONS,
    lambda::parameters::ParameterStoreClient::ACTIONS,
    lambda::ledger::LedgerTable::ENFORCE_ACTIONS,
    lambda::bus::EventBus::ACTIONS,
];

/// The name of the function, its binary and its folder of events.
pub const FUNCTION: &str = "athena-enforce";

/// How long a stopped query is watched until it has ended. Athena cancels within a second or two.
const VERIFY_FOR: Duration = Duration::from_secs(20);
const FIRST_LOOK_AFTER: Duration = Duration::from_millis(100);

/// The enforce.
#[derive(Debug)]
pub struct Enforce<Q, P, L, B, C> {
    /// Athena.
    pub queries: Q,
    /// What is configured.
    pub parameters: Parameters<P>,
    /// Where actions go.
    pub outbox: Outbox<L, B>,
    /// The clock.
    pub clock: C,
    /// The sandbox.
    pub sandbox: Sandbox,
}

/// The fields of a `Guardrail Finding` that are used: which query to look at. Nothing else in it is believed.
#[derive(Debug, Deserialize)]
struct Breach {
    id: String,
    guardrail: String,
    resource: Resource,
}

/// How it was decided, before it is written down.
struct Decision {
    outcome: Outcome,
    reason: String,
    scope: Option<String>,
    limit: Option<Quantity>,
    measured: Option<Quantity>,
}

impl<Q, P, L, B, C> Handler for Enforce<Q, P, L, B, C>
where
    Q: StopQueries,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    C: Clock,
{
    async fn handle(&mut self, invocation: Invocation) -> Result<(), Problems> {
        match self.read(&invocation) {
            Some(breach) => self.enforce(&breach, &invocation).await,
            None => Ok(()),
        }
    }
}

impl<Q, P, L, B, C> Enforce<Q, P, L, B, C>
where
    Q: StopQueries,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    C: Clock,
{
    /// Reads the breach; anything else is logged and not tried again.
    fn read(&self, invocation: &Invocation) -> Option<Breach> {
        let envelope = trigger::envelope(&invocation.event)?;
        if envelope.account.as_ref() != Some(&self.sandbox.account) {
            tracing::warn!(event.account = envelope.account, "finding of another account was ignored");
            return None;
        }
        let breach: Breach = serde_json::from_value(envelope.detail)
            .inspect_err(|error| tracing::warn!(%error, "finding is malformed and was ignored"))
            .ok()?;
        if catalogue::find(&breach.guardrail) != Some(&ATHENA_QUERY_RUNTIME) {
            tracing::warn!(guardrail = breach.guardrail, "finding of an unknown guardrail was ignored");
            return None;
        }
        Some(breach)
    }

    async fn enforce(&mut self, breach: &Breach, invocation: &Invocation) -> Result<(), Problems> {
        // One action for each query, whichever level or forged id asks for it.
        let limit_level = Level { percent: 100, severity: Severity::Breach };
        let finding = Finding::id_of(&ATHENA_QUERY_RUNTIME, &breach.resource, limit_level);
        let action = Action::id_of(&finding, ActionKind::Stop);
        let claim = Claim { id: &action, holder: &invocation.id, until: invocation.deadline };
        if !self.outbox.ledger().claim(&claim, self.clock.now()).await? {
            // Whoever holds it either finishes, or fails and is tried again, or dies and the next sweep asks again.
            tracing::info!(action.id = action, "another run is dealing with this breach");
            return Ok(());
        }
        let before = match self.outbox.ledger().find(&action).await? {
            Some(Event::Action(before)) => Some(before.outcome),
            _ => None,
        };
        if matches!(before, Some(Outcome::Done | Outcome::AlreadyGone)) {
            return Ok(());
        }
        let (decision, failed) = match self.decide_and_act(&breach.resource).await {
            Ok(decision) => (decision, None),
            Err(problem) => {
                let reason = format!("the query could not be stopped and will be tried again: {problem}");
                let decision = Decision { outcome: Outcome::Failed, reason, scope: None, limit: None, measured: None };
                (decision, Some(problem))
            }
        };
        tracing::info!(
            query.id = breach.resource.id,
            finding.id = breach.id,
            action.outcome = ?decision.outcome,
            reason = decision.reason,
            "breach was dealt with"
        );
        let mut problems = Problems::default();
        if before != Some(decision.outcome) {
            let now = self.clock.now();
            let event = Action {
                header: Header::new(action, &self.sandbox, now),
                finding,
                guardrail: ATHENA_QUERY_RUNTIME.id.to_owned(),
                service: ATHENA_QUERY_RUNTIME.service,
                resource: Resource { kind: "query".to_owned(), id: breach.resource.id.clone() },
                scope: decision.scope,
                owner: None,
                action: ATHENA_QUERY_RUNTIME.action,
                outcome: decision.outcome,
                reason: decision.reason,
                limit: decision.limit,
                measured: decision.measured,
            };
            problems.keep(self.outbox.tell(event, now).await);
        }
        if let Some(problem) = failed {
            problems.push(problem);
        }
        problems.into_result()
    }

    /// Looks again, judges again, and stops the query if it is over its limit.
    async fn decide_and_act(&mut self, resource: &Resource) -> Result<Decision, CallError> {
        let in_force = self.parameters.fresh(self.clock.now()).await?;
        let policy = in_force.configuration.policy(&ATHENA_QUERY_RUNTIME);
        let Some(query) = self.look(&resource.id).await? else {
            let reason = "Athena does not know this query".to_owned();
            return Ok(Decision { outcome: Outcome::Refused, reason, scope: None, limit: None, measured: None });
        };
        let decision = decide(&policy, &query, self.clock.now());
        if decision.outcome != Outcome::Done {
            return Ok(decision);
        }
        self.queries.stop(&query.id).await?;
        self.verify(&query.id).await?;
        Ok(decision)
    }

    async fn look(&self, id: &str) -> Result<Option<Query>, CallError> {
        let batch = self.queries.get(&[id.to_owned()]).await?;
        if batch.unprocessed.is_empty() {
            return Ok(batch.queries.into_iter().next());
        }
        let message = format!("query `{id}` was not processed");
        Err(CallError { operation: "athena:BatchGetQueryExecution", kind: CallErrorKind::Unavailable, message })
    }

    async fn verify(&self, id: &str) -> Result<(), CallError> {
        let give_up = self.clock.now().checked_add(VERIFY_FOR).unwrap_or(Timestamp::MAX);
        let mut pause = FIRST_LOOK_AFTER;
        while self.clock.now() < give_up {
            self.clock.sleep(pause).await;
            if self.look(id).await?.is_none_or(|query| query.ended) {
                return Ok(());
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
        let message = format!("query `{id}` was told to stop and has not ended after {} s", VERIFY_FOR.as_secs());
        Err(CallError { operation: "athena:StopQueryExecution", kind: CallErrorKind::Unavailable, message })
    }
}

/// What is to be done about this query now; [`Outcome::Done`] means that it is to be stopped.
fn decide(policy: &Policy, query: &Query, now: Timestamp) -> Decision {
    let observation = Observation::from(query);
    let scope = Some(query.workgroup.as_str());
    let limit = policy.limit.of(scope);
    let measured = observation.measure(policy.guardrail.measure, now);
    let ran = format!("it has run {} of the {limit} allowed", measured.brief());
    let (outcome, reason) = if query.ended {
        (Outcome::AlreadyGone, format!("the query has already ended: {}", query.state))
    } else if measured.base_units() < limit.base_units() {
        (Outcome::Refused, format!("the query is below its limit: {ran}"))
    } else if let Some(exemption) = policy.exempt(&observation, now) {
        (Outcome::Exempt, format!("exemption `{exemption}` covers the query; {ran}"))
    } else if policy.mode.of(scope) != Mode::Enforce {
        (Outcome::ObservedOnly, format!("the mode is `{}`; {ran}", policy.mode.of(scope)))
    } else {
        (Outcome::Done, format!("the query was stopped: {ran}"))
    };
    Decision {
        outcome,
        reason,
        scope: Some(query.workgroup.clone()),
        limit: Some(limit),
        measured: (!query.ended).then_some(measured),
    }
}

#[cfg(test)]
mod tests;
