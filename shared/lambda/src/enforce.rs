//! The enforce of any service: takes a breach, looks again, judges again, and only then acts.
//!
//! A finding is a request to look, never an order: one that is stale, repeated or forged stops nothing. The ledger makes
//! each action exclusive, and says afterwards what was done or why not. Where many are beyond one cap, whoever comes
//! first deals with all that have been asked for, so that a storm costs few calls.

use std::time::Duration;

use guardrail::catalogue;
use guardrail::judge::{Assessment, LIMIT, assess};
use guardrail::measure::{EpisodeOf, MeasureKind};
use guardrail::{
    Action, ActionKind, Event, Finding, Guardrail, Header, Mode, Outcome, Policy, Quantity, Resource, Sandbox,
};
use jiff::Timestamp;
use serde::Deserialize;

use crate::bus::Bus;
use crate::ledger::{Claim, Ledger};
use crate::parameters::{ParameterStore, Parameters};
use crate::room::{Act, Acted, Found, Look};
use crate::{CallError, CallErrorKind, Clock, Handler, Invocation, Outbox, Problems, trigger};

/// How long what was told to end is watched until it does, or is seen ending.
const VERIFY_FOR: Duration = Duration::from_secs(20);
const FIRST_LOOK_AFTER: Duration = Duration::from_millis(100);

/// An enforce.
#[derive(Debug)]
pub struct Enforce<A, P, L, B, C> {
    /// The service.
    pub act: A,
    /// What is configured.
    pub parameters: Parameters<P>,
    /// Where actions go.
    pub outbox: Outbox<L, B>,
    /// The clock.
    pub clock: C,
    /// The sandbox.
    pub sandbox: Sandbox,
}

/// The fields of a `Guardrail Finding` that are used: which resource to look at. Nothing else in it is believed; a wrong
/// episode only names another request to look at the same resource.
#[derive(Debug, Deserialize)]
struct Breach {
    id: String,
    guardrail: String,
    resource: Resource,
    episode: Option<Timestamp>,
}

/// An action that this run has the exclusive right to, and what is known of it.
struct Order {
    resource: Resource,
    finding: String,
    action: String,
    /// How the last try ended.
    before: Option<Outcome>,
    /// Who started the resource, as far as its finding says.
    owner: Option<String>,
}

/// How it was decided, before it is written down.
struct Decision {
    outcome: Outcome,
    reason: String,
    /// What was done, or would have been.
    action: ActionKind,
    scope: Option<String>,
    owner: Option<String>,
    limit: Option<Quantity>,
    measured: Option<Quantity>,
}

impl Decision {
    fn new(guardrail: &Guardrail, outcome: Outcome, reason: String) -> Self {
        let action = guardrail.action;
        Self { outcome, reason, action, scope: None, owner: None, limit: None, measured: None }
    }

    /// The same when it has taken effect: what was done, and why more than was asked for.
    fn carried_out(mut self, kind: &str, note: &str) -> Self {
        self.reason = format!("the {kind} was {}: {}", done(self.action), self.reason);
        if !note.is_empty() {
            self.reason = format!("{}; {note}", self.reason);
        }
        self
    }
}

impl<A, P, L, B, C> Handler for Enforce<A, P, L, B, C>
where
    A: Act,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    C: Clock,
{
    type Answer = ();

    async fn handle(&mut self, invocation: Invocation) -> Result<(), Problems> {
        match self.read(&invocation) {
            Some((guardrail, breach)) => self.enforce(guardrail, &breach, &invocation).await,
            None => Ok(()),
        }
    }
}

impl<A, P, L, B, C> Enforce<A, P, L, B, C>
where
    A: Act,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    C: Clock,
{
    /// Reads the breach; anything else is logged and not tried again.
    fn read(&self, invocation: &Invocation) -> Option<(&'static Guardrail, Breach)> {
        let envelope = trigger::envelope(&invocation.event)?;
        if envelope.account.as_ref() != Some(&self.sandbox.account) {
            tracing::warn!(event.account = envelope.account, "finding of another account was ignored");
            return None;
        }
        let breach: Breach = serde_json::from_value(envelope.detail)
            .inspect_err(|error| tracing::warn!(%error, "finding is malformed and was ignored"))
            .ok()?;
        let ours = |guardrail: &&Guardrail| guardrail.service == A::SERVICE && guardrail.acts();
        let Some(guardrail) = catalogue::find(&breach.guardrail).filter(ours) else {
            tracing::warn!(guardrail = breach.guardrail, "finding of an unknown guardrail was ignored");
            return None;
        };
        if !guardrail.measures(&breach.resource.kind) {
            tracing::info!(resource.kind = breach.resource.kind, "finding of what is not acted on was ignored");
            return None;
        }
        Some((guardrail, breach))
    }

    async fn enforce(
        &mut self,
        guardrail: &'static Guardrail,
        breach: &Breach,
        invocation: &Invocation,
    ) -> Result<(), Problems> {
        // One action for each resource and episode, whichever level or forged id asks for it.
        let finding = Finding::id_of(guardrail, &breach.resource, LIMIT, breach.episode);
        let Some(order) = self.take(guardrail, &breach.resource, finding, invocation).await? else {
            return Ok(());
        };
        let mut problems = Problems::default();
        for Dealt { order, decision, problem } in self.deal(guardrail, order, invocation).await {
            tracing::info!(
                resource.id = order.resource.id,
                finding.id = breach.id,
                action.outcome = ?decision.outcome,
                reason = decision.reason,
                "breach was dealt with"
            );
            if !is_news(order.before, decision.outcome) {
                // What is on record already is not told again; writing it would have given the claim back.
                let claim = Claim { id: &order.action, holder: &invocation.id, until: invocation.deadline };
                problems.keep(self.outbox.ledger().release(&claim).await);
            } else {
                let now = self.clock.now();
                problems.keep(self.outbox.tell(self.event(guardrail, order, decision, now), now).await);
            }
            if let Some(problem) = problem {
                problems.push(problem);
            }
        }
        problems.into_result()
    }

    fn event(&self, guardrail: &Guardrail, order: Order, decision: Decision, now: Timestamp) -> Action {
        Action {
            header: Header::new(order.action, &self.sandbox, now),
            finding: order.finding,
            guardrail: guardrail.id.to_owned(),
            service: guardrail.service,
            resource: order.resource,
            scope: decision.scope,
            owner: order.owner.or(decision.owner),
            action: decision.action,
            outcome: decision.outcome,
            reason: decision.reason,
            limit: decision.limit,
            measured: decision.measured,
        }
    }

    /// Takes the exclusive right to the action that a finding asks for; `None` when somebody else has it, or when it is
    /// done.
    async fn take(
        &mut self,
        guardrail: &Guardrail,
        resource: &Resource,
        finding: String,
        invocation: &Invocation,
    ) -> Result<Option<Order>, CallError> {
        let action = Action::id_of(&finding, guardrail.action);
        let claim = Claim { id: &action, holder: &invocation.id, until: invocation.deadline };
        if !self.outbox.ledger().claim(&claim, self.clock.now()).await? {
            // Whoever holds it either finishes, or fails and is tried again, or dies and the next sweep asks again.
            tracing::info!(action.id = action, "another run is dealing with this breach");
            return Ok(None);
        }
        let before = match self.outbox.ledger().find(&action).await? {
            Some(Event::Action(before)) => Some(before.outcome),
            _ => None,
        };
        // A condition can be back before anybody has seen that it was gone, and is then in the same episode; anything else
        // that comes back has another beginning, and so another id.
        if is_settled(before) && guardrail.measure.episode() != EpisodeOf::FirstSeen {
            return Ok(None);
        }
        let owner = match self.outbox.ledger().find(&finding).await? {
            Some(Event::Finding(finding)) => finding.owner,
            _ => None,
        };
        Ok(Some(Order { resource: resource.clone(), finding, action, before, owner }))
    }

    /// Looks again, judges again, and acts on what is still a breach.
    async fn deal(&mut self, guardrail: &'static Guardrail, order: Order, invocation: &Invocation) -> Vec<Dealt> {
        let policy = match self.parameters.fresh(self.clock.now()).await {
            Ok(in_force) => in_force.configuration.policy(guardrail),
            Err(problem) => return vec![Dealt::failed(order, guardrail, problem)],
        };
        let counts = guardrail.measure.kind() == MeasureKind::Count;
        if counts && !policy.enforces() {
            // Counting everything again would cost many calls to say that nothing is done.
            let reason = format!("the mode is `{}`", policy.mode.sandbox);
            let decision = Decision::new(guardrail, Outcome::ObservedOnly, reason);
            return vec![Dealt { order, decision, problem: None }];
        }
        let resource = std::slice::from_ref(&order.resource);
        let look = match self.act.look(&policy, resource, counts, self.clock.now()).await {
            Ok(look) => look,
            Err(problem) => return vec![Dealt::failed(order, guardrail, problem)],
        };
        let now = self.clock.now();
        let assessments = assess(&policy, &look.observations, now);
        let decision = decide(&policy, &look, &assessments, &order.resource, now);
        if decision.outcome != Outcome::Done {
            return vec![Dealt { order, decision, problem: None }];
        }
        let mut orders = vec![(order, decision)];
        let mut dealt = Vec::new();
        if counts {
            match self.take_others(&policy, &assessments, &orders, invocation).await {
                Ok(others) => orders.extend(others.into_iter().map(|order| {
                    let decision = decide(&policy, &look, &assessments, &order.resource, now);
                    (order, decision)
                })),
                // The others have findings of their own, which are dealt with when their turn comes.
                Err(problem) => tracing::warn!(%problem, "others beyond the cap were left to their own findings"),
            }
        }
        for attempt in 0..self.act.attempts(guardrail.action) {
            orders = self.try_once(&policy, orders, attempt, &mut dealt).await;
            if orders.is_empty() {
                break;
            }
        }
        dealt.extend(orders.into_iter().map(|(order, decision)| {
            let Resource { kind, id } = &order.resource;
            let missed = match decision.action {
                ActionKind::PutPolicy => "was given a policy and does not have it",
                _ => "was told to end and has not",
            };
            let message = format!("{kind} `{id}` {missed} after {} s", VERIFY_FOR.as_secs());
            let problem = CallError { operation: decision.action.as_str(), kind: CallErrorKind::Unavailable, message };
            Dealt::failed(order, guardrail, problem)
        }));
        dealt
    }

    /// Takes the other breaches of a count that actions have been asked for, up to what one run may act on.
    async fn take_others(
        &mut self,
        policy: &Policy,
        assessments: &[Assessment<'_>],
        taken: &[(Order, Decision)],
        invocation: &Invocation,
    ) -> Result<Vec<Order>, CallError> {
        let most = usize::try_from(policy.max_actions).unwrap_or(usize::MAX).saturating_sub(taken.len());
        let mut others = Vec::new();
        for breach in assessments.iter().filter(|assessment| to_be_acted_on(assessment)).rev() {
            let resource = &breach.observation.resource;
            if others.len() == most {
                break;
            }
            if taken.iter().any(|(order, _)| order.resource == *resource) {
                continue;
            }
            // Nothing is acted on that no finding has asked for: the belt of the watch holds here too.
            let finding = breach.breach_id(policy);
            let asked = match self.outbox.ledger().find(&finding).await? {
                Some(Event::Finding(finding)) => finding.wants_action() && !finding.held_back,
                _ => false,
            };
            if asked && let Some(order) = self.take(policy.guardrail, resource, finding, invocation).await? {
                others.push(order);
            }
        }
        Ok(others)
    }

    /// Gives the orders once and sees whether they take effect; gives back those that have not.
    async fn try_once(
        &mut self,
        policy: &Policy,
        orders: Vec<(Order, Decision)>,
        attempt: u32,
        dealt: &mut Vec<Dealt>,
    ) -> Vec<(Order, Decision)> {
        let resources: Vec<Resource> = orders.iter().map(|(order, _)| order.resource.clone()).collect();
        let answers = self.act.act(policy, &resources, attempt).await.into_iter();
        // An order that a room leaves without an answer was not taken, for all that is known.
        let unanswered = || {
            let (operation, message) = (policy.guardrail.action.as_str(), "the order was not answered".to_owned());
            Err(CallError { operation, kind: CallErrorKind::Invalid, message })
        };
        let mut told = Vec::new();
        for ((order, decision), answer) in orders.into_iter().zip(answers.chain(std::iter::repeat_with(unanswered))) {
            match answer {
                Ok(Acted::Told { action, note }) => told.push((order, Decision { action, ..decision }, note)),
                Ok(Acted::Refused(reason)) => {
                    let (outcome, reason) = (Outcome::Refused, format!("{reason}; {}", decision.reason));
                    dealt.push(Dealt { order, decision: Decision { outcome, reason, ..decision }, problem: None });
                }
                Err(problem) => dealt.push(Dealt::failed(order, policy.guardrail, problem)),
            }
        }
        let give_up = self.clock.now().checked_add(VERIFY_FOR).unwrap_or(Timestamp::MAX);
        let mut pause = FIRST_LOOK_AFTER;
        while !told.is_empty() && self.clock.now() < give_up {
            self.clock.sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
            let resources: Vec<Resource> = told.iter().map(|(order, ..)| order.resource.clone()).collect();
            let now = self.clock.now();
            let look = match self.act.look(policy, &resources, false, now).await {
                Ok(look) => look,
                // A missing permission does not come with waiting.
                Err(problem) if problem.kind == CallErrorKind::Denied => {
                    for (order, ..) in told.drain(..) {
                        dealt.push(Dealt::failed(order, policy.guardrail, problem.clone()));
                    }
                    break;
                }
                Err(problem) => {
                    tracing::warn!(%problem, "what was told to end could not be looked at and will be again");
                    continue;
                }
            };
            let assessments = assess(policy, &look.observations, now);
            let (ended, still): (Vec<_>, Vec<_>) =
                told.into_iter().partition(|(order, ..)| took_effect(policy, &look, &assessments, &order.resource));
            dealt.extend(ended.into_iter().map(|(order, decision, note)| {
                let decision = decision.carried_out(&order.resource.kind, &note);
                Dealt { order, decision, problem: None }
            }));
            told = still;
        }
        told.into_iter().map(|(order, decision, _)| (order, decision)).collect()
    }
}

/// An order, and how it ended.
struct Dealt {
    order: Order,
    decision: Decision,
    /// What failed, so that the invocation does too and is tried again.
    problem: Option<CallError>,
}

impl Dealt {
    fn failed(order: Order, guardrail: &Guardrail, problem: CallError) -> Self {
        let Resource { kind, .. } = &order.resource;
        let reason = format!("the {kind} could not be {} and will be tried again: {problem}", done(guardrail.action));
        let decision = Decision::new(guardrail, Outcome::Failed, reason);
        Self { order, decision, problem: Some(problem) }
    }
}

/// Whether nothing was left to do when it was last dealt with.
fn is_settled(before: Option<Outcome>) -> bool {
    matches!(before, Some(Outcome::Done | Outcome::AlreadyGone))
}

/// Whether this outcome is to be told after that one. What was done stays on record when a late request finds nothing
/// left to do; that it had to be done again is news.
fn is_news(before: Option<Outcome>, outcome: Outcome) -> bool {
    match is_settled(before) {
        true => matches!(outcome, Outcome::Done | Outcome::Failed),
        false => before != Some(outcome),
    }
}

fn to_be_acted_on(assessment: &Assessment<'_>) -> bool {
    assessment.breach && assessment.exemption.is_none() && assessment.mode == Mode::Enforce
}

/// Whether what was told to end is ending, or what was wrong with it has been put right.
fn took_effect(policy: &Policy, look: &Look, assessments: &[Assessment<'_>], resource: &Resource) -> bool {
    match look.found.get(&resource.id) {
        Some(Found::Active) => {
            // Only a setting is put right on what lives on, and has to be read again to be so. Everything else has to
            // end: a count can fall because others have ended, and a reading can be missing for a while.
            let right = |seen: &Assessment<'_>| seen.observation.resource == *resource && !seen.breach;
            policy.guardrail.action == ActionKind::PutPolicy && assessments.iter().any(right)
        }
        Some(Found::Ending(_) | Found::Ended(_) | Found::Unknown) | None => true,
    }
}

/// What is to be done about this resource now; [`Outcome::Done`] means that it is to be acted on.
fn decide(
    policy: &Policy,
    look: &Look,
    assessments: &[Assessment<'_>],
    resource: &Resource,
    now: Timestamp,
) -> Decision {
    let guardrail = policy.guardrail;
    let kind = &resource.kind;
    let refused = |reason: String| Decision::new(guardrail, Outcome::Refused, reason);
    let observation = look.observations.iter().find(|observation| observation.resource == *resource);
    match look.found.get(&resource.id) {
        // What a resource is counted with was not asked for by itself; being observed, it is active.
        None if observation.is_some() => {}
        None | Some(Found::Unknown) => {
            return refused(format!("{} does not know this {kind}", guardrail.service.full_name()));
        }
        Some(Found::Ended(state)) => {
            let reason = format!("the {kind} has already ended: {state}");
            return Decision::new(guardrail, Outcome::AlreadyGone, reason);
        }
        Some(Found::Ending(state)) => {
            let reason = format!("the {kind} is already ending: {state}");
            return Decision::new(guardrail, Outcome::AlreadyGone, reason);
        }
        Some(Found::Active) => {}
    }
    let Some(assessment) = assessments.iter().find(|assessment| assessment.observation.resource == *resource) else {
        // Nothing to hold against the limit: switched off, exempt from a count, or not in that condition any more.
        let Some(observation) = observation else { return refused(format!("nothing is measured of this {kind} now")) };
        let mode = policy.mode.of(&observation.scopes);
        return match policy.exempt(observation, now) {
            Some(exemption) => {
                let reason = format!("exemption `{exemption}` covers the {kind}");
                Decision::new(guardrail, Outcome::Exempt, reason)
            }
            None if *mode == Mode::Off => {
                Decision::new(guardrail, Outcome::ObservedOnly, format!("the mode is `{mode}`"))
            }
            None => refused(format!("nothing is measured of this {kind} now")),
        };
    };
    let sentence = format!("it {}", assessment.sentence(policy));
    let (outcome, reason) = match (assessment.breach, assessment.exemption, assessment.mode) {
        (false, ..) => (Outcome::Refused, format!("the {kind} is within its limit: {sentence}")),
        (true, Some(exemption), _) => {
            (Outcome::Exempt, format!("exemption `{exemption}` covers the {kind}; {sentence}"))
        }
        // What was done is said when it has been.
        (true, None, Mode::Enforce) => (Outcome::Done, sentence),
        (true, None, mode) => (Outcome::ObservedOnly, format!("the mode is `{mode}`; {sentence}")),
    };
    let observation = assessment.observation;
    Decision {
        outcome,
        reason,
        action: guardrail.action,
        scope: guardrail.scopes.iter().find_map(|kind| observation.scopes.get(kind)).cloned(),
        owner: observation.owner.clone(),
        limit: Some(assessment.limit.clone()),
        measured: Some(assessment.measured.clone()),
    }
}

/// What is said to have been done.
fn done(action: ActionKind) -> &'static str {
    match action {
        ActionKind::Stop
        | ActionKind::StopExecution
        | ActionKind::StopJob
        | ActionKind::StopNotebook
        | ActionKind::StopSession => "stopped",
        ActionKind::Terminate => "terminated",
        ActionKind::CancelStep => "cancelled",
        ActionKind::DeleteApp => "deleted",
        ActionKind::PutPolicy => "given a policy",
        ActionKind::Lock => "locked",
        ActionKind::Report => "reported",
    }
}

#[cfg(test)]
mod tests;
