//! `availability-step`: one step of the workflows stop and start.
//!
//! The workflows say in which order parts are dealt with and what is tried again; here stands what each step does. All
//! of them may be repeated at any point:
//!
//! - Only the workflow that was asked for last has the *turn*. A step of any other ends with `superseded` and does
//!   nothing, also half-way, so that stop and start at once end in what was asked for last.
//! - What closing is about to turn off is recorded before it is told to. What opening turned on is taken out of the
//!   record when it is on. So a crash in between forgets nothing, and opening touches nothing that users had off.
//! - `done` means verified: the service itself showed that it is so.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use guardrail::availability::{Availability, WorkflowInput};
use guardrail::closing::{Closing, Manner, Part};
use guardrail::{Resource, Sandbox};
use jiff::{SignedDuration, Timestamp};
use lambda::bus::{Bus, EventBus};
use lambda::ledger::{Claim, Ledger, LedgerTable};
use lambda::parameters::{ParameterStore, ParameterStoreClient};
use lambda::{CallError, CallErrorKind, Clock, Handler, Invocation, Outbox, Parameters, Problems};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::board::Switchboard;
use crate::book::{self, Book, BookTable, Locks, Page, Record, Standing, Workflow};
use crate::desired::held;
use crate::part::Turned;
use crate::parts::jobs::Jobs;
use crate::parts::notebooks::Notebooks;
use crate::parts::studio::Studio;
use crate::parts::{access, athena, emr, glue, rds};
use crate::told;

mod orders;

use self::orders::{Order, Wait, plan};

/// The name of the function, its binary and its folder of events.
pub const FUNCTION: &str = "availability-step";

/// The IAM actions that the function may call; a test holds its role to exactly these.
pub const ACTIONS: &[&[&str]] = &[
    access::LOOK_ACTIONS,
    access::TURN_ACTIONS,
    Studio::LOOK_ACTIONS,
    Studio::TURN_ACTIONS,
    Notebooks::LOOK_ACTIONS,
    Notebooks::TURN_ACTIONS,
    Jobs::LOOK_ACTIONS,
    Jobs::TURN_ACTIONS,
    emr::LOOK_ACTIONS,
    emr::TURN_ACTIONS,
    athena::LOOK_ACTIONS,
    athena::TURN_ACTIONS,
    glue::LOOK_ACTIONS,
    glue::TURN_ACTIONS,
    rds::LOOK_ACTIONS,
    rds::TURN_ACTIONS,
    BookTable::ACTIONS,
    ParameterStoreClient::ACTIONS,
    LedgerTable::ENFORCE_ACTIONS,
    EventBus::ACTIONS,
];

/// How long a call that told something stays to see it take effect; what takes longer is looked at again by the workflow.
const STAYS: SignedDuration = SignedDuration::from_secs(20);

/// How often it looks meanwhile.
const LOOKS_EVERY: Duration = Duration::from_secs(2);

/// After how many seconds the workflow calls again for what takes longer.
const AGAIN_AFTER: i64 = 45;

/// The same while another run deals with the part.
const BUSY_AGAIN_AFTER: i64 = 3;

/// The longest that the workflow waits before it looks again at what may finish, so that it closes soon after it has.
const LONGEST_WAIT: i64 = 300;

/// How long a part may take, beyond any grace time, before it counts as failed. Databases take up to half an hour.
const PATIENCE: SignedDuration = SignedDuration::from_mins(45);

/// Orders under way at once.
const ORDERS_AT_ONCE: usize = 4;

/// One step, as the workflow asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum Input {
    /// The workflow begins: it takes the turn, if nobody has asked for another since.
    Begin {
        /// Which workflow.
        workflow: Workflow,
        /// Its execution's ARN.
        execution: String,
        /// When that was asked for.
        asked_at: Timestamp,
        /// What it was started with.
        input: WorkflowInput,
    },
    /// One part is closed or opened.
    Part {
        /// Which workflow.
        workflow: Workflow,
        /// Its execution's ARN.
        execution: String,
        /// Its turn.
        turn: u64,
        /// The part.
        part: Part,
    },
    /// One part is looked at again, some time after.
    Verify {
        /// Which workflow.
        workflow: Workflow,
        /// Its execution's ARN.
        execution: String,
        /// Its turn.
        turn: u64,
        /// The part.
        part: Part,
    },
    /// The workflow has been through all parts.
    End {
        /// Which workflow.
        workflow: Workflow,
        /// Its execution's ARN.
        execution: String,
        /// Its turn.
        turn: u64,
        /// What became of each part.
        results: Vec<PartResult>,
    },
    /// A step failed for good.
    Fail {
        /// Which workflow.
        workflow: Workflow,
        /// Its execution's ARN.
        execution: String,
        /// What Step Functions says of it.
        error: Value,
    },
}

/// What became of a part, as the workflow collects it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PartResult {
    /// The part.
    pub part: Part,
    /// `done`, `superseded` or `failed`.
    pub outcome: String,
    /// What Step Functions says of a failure.
    #[serde(default)]
    pub error: Value,
}

/// The function over its ports.
#[derive(Debug)]
pub struct Step<S, K, P, L, B, C> {
    /// The parts.
    pub switchboard: S,
    /// What is remembered.
    pub book: K,
    /// The settings in force.
    pub parameters: Parameters<P>,
    /// Where changes are told, and claims are held.
    pub outbox: Outbox<L, B>,
    /// The time.
    pub clock: C,
    /// Where it runs.
    pub sandbox: Sandbox,
}

impl<S, K, P, L, B, C> Handler for Step<S, K, P, L, B, C>
where
    S: Switchboard,
    K: Book,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    C: Clock,
{
    type Answer = Value;

    async fn handle(&mut self, invocation: Invocation) -> Result<Value, Problems> {
        let input = guardrail::event::read_naming_fields(&invocation.event);
        match input.map_err(|error| invalid(format!("the step is none: {error}")))? {
            Input::Begin { workflow, execution, asked_at, input } => {
                self.begin(workflow, &execution, asked_at, input).await
            }
            Input::Part { turn, part, .. } => self.part(turn, part, &invocation).await,
            Input::Verify { turn, part, .. } => self.verify(turn, part).await,
            Input::End { turn, results, .. } => self.end(turn, &results).await,
            Input::Fail { execution, error, .. } => self.fail(&execution, &error).await,
        }
    }
}

impl<S, K, P, L, B, C> Step<S, K, P, L, B, C>
where
    S: Switchboard,
    K: Book,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    C: Clock,
{
    async fn begin(
        &mut self,
        workflow: Workflow,
        execution: &str,
        asked_at: Timestamp,
        input: WorkflowInput,
    ) -> Result<Value, Problems> {
        let now = self.clock.now();
        if workflow == Workflow::Start
            && let Some(locked) = held(&book::read::<Locks>(&self.book, Page::Locks).await?.unwrap_or_default())
        {
            let state = book::state(&self.book).await?;
            let told = told::refused(&self.sandbox, execution, &locked, state, now);
            self.outbox.tell_once(told, now).await?;
            return Ok(json!({"outcome": "refused", "turn": 0, "parts": []}));
        }
        let begun = book::change(&self.book, Page::Standing, |standing: Option<Standing>| {
            takes_turn(standing, workflow, execution, asked_at, &input)
        });
        let Some(standing) = begun.await? else {
            return Ok(json!({"outcome": "superseded", "turn": 0, "parts": []}));
        };
        self.outbox.tell_once(told::begins(&self.sandbox, &standing, now), now).await?;
        let closing = self.closing().await?;
        // What was turned off is turned on again whatever the settings say by then.
        let concerned = |part: &Part| workflow == Workflow::Start || closing.manner(*part) != Manner::Leave;
        let parts: Vec<Part> = Part::services().filter(concerned).collect();
        Ok(json!({"outcome": "begun", "turn": standing.turn, "parts": parts}))
    }

    async fn part(&mut self, turn: u64, part: Part, invocation: &Invocation) -> Result<Value, Problems> {
        // One run at a time deals with a part, so that a record is never written from two sides.
        let lease = format!("{}/lease", Page::Part(part));
        let claim = Claim { id: &lease, holder: &invocation.id, until: invocation.deadline };
        if !self.outbox.ledger().claim(&claim, self.clock.now()).await? {
            return Ok(pending(part, BUSY_AGAIN_AFTER));
        }
        let dealt = self.deal_with(turn, part, invocation.deadline).await;
        let released = self.outbox.ledger().release(&claim).await;
        let answer = dealt?;
        released?;
        Ok(answer)
    }

    async fn deal_with(&mut self, turn: u64, part: Part, deadline: Timestamp) -> Result<Value, Problems> {
        let Some(standing) = self.turn(turn).await? else { return Ok(superseded(part)) };
        let closing = self.closing().await?;
        let began = self.clock.now();
        let mut record = self.record(part, turn, began).await?;
        let stays_until = began.checked_add(STAYS).unwrap_or(deadline).min(deadline);
        let mut told: BTreeSet<Resource> = BTreeSet::new();
        loop {
            let items = self.switchboard.look(part, &closing).await?;
            let now = self.clock.now();
            let plan = plan(&items, &record, &standing, &closing, part, now);
            if record.turned_off != plan.turned_off {
                record.turned_off.clone_from(&plan.turned_off);
                self.remember(part, &record).await?;
            }
            let orders: Vec<Order> = plan.orders.into_iter().filter(|order| told.insert(order.resource())).collect();
            if orders.is_empty() && plan.waits_for.is_none() {
                if standing.workflow == Workflow::Stop && record.closed_in != Some(standing.began_at) {
                    record.closed_in = Some(standing.began_at);
                    self.remember(part, &record).await?;
                }
                return self.is_done(part, &standing, &record).await;
            }
            // What has the turn now may lose it while this looks and waits.
            if self.turn(turn).await?.is_none() {
                return Ok(superseded(part));
            }
            let gave_orders = !orders.is_empty();
            self.give(part, &closing, orders, &mut record).await?;
            let now = self.clock.now();
            match plan.waits_for {
                Some(Wait::Until(moment)) if !gave_orders => {
                    let left = moment.duration_since(now).as_secs() + 1;
                    return Ok(pending(part, left.clamp(1, LONGEST_WAIT)));
                }
                // Whoever has told nothing has nothing to stay for: a workflow waits for less than a function that sleeps.
                _ if told.is_empty() || now >= stays_until => {
                    // Also where nothing was told: patience counts from what is remembered.
                    self.remember(part, &record).await?;
                    self.has_patience(part, &standing, &closing, &record, now)?;
                    return Ok(pending(part, AGAIN_AFTER));
                }
                _ => self.clock.sleep(LOOKS_EVERY).await,
            }
        }
    }

    /// Gives orders, notes in the record what was told and what is refused for good.
    async fn give(
        &mut self,
        part: Part,
        closing: &Closing,
        orders: Vec<Order>,
        record: &mut Record,
    ) -> Result<(), Problems> {
        if orders.is_empty() {
            return Ok(());
        }
        let (switchboard, now) = (&self.switchboard, self.clock.now());
        let given: Vec<_> = stream::iter(orders)
            .map(|order| async move {
                let turned = match &order {
                    Order::Off(item) => switchboard.turn_off(part, closing, item, now).await,
                    Order::On(item) => switchboard.turn_on(part, closing, item).await,
                };
                (order, turned)
            })
            .buffered(ORDERS_AT_ONCE)
            .collect()
            .await;
        let mut problems = Problems::default();
        for (order, turned) in given {
            let resource = order.resource();
            match problems.keep(turned) {
                None => {}
                Some(Turned::Told) => record.told.push(resource),
                Some(Turned::Gone) => {
                    if matches!(order, Order::On(_)) {
                        record.forget(&resource, "it does not exist any more");
                    }
                }
                // A role that cannot be closed leaves the sandbox open, whatever else is off. It is not noted as left,
                // or the next try would pass over it.
                Some(Turned::Refused(why)) if part == Part::Access => {
                    problems.push(invalid(format!("role `{}`: {why}", resource.id)));
                }
                Some(Turned::Refused(why)) => record.forget(&resource, &why),
            }
        }
        record.told.sort();
        record.told.dedup();
        problems.keep(self.remember(part, record).await);
        problems.into_result()
    }

    async fn is_done(&mut self, part: Part, standing: &Standing, record: &Record) -> Result<Value, Problems> {
        let now = self.clock.now();
        self.outbox.tell_once(told::part(&self.sandbox, standing, part, record, now), now).await?;
        tracing::info!(
            part = part.as_str(),
            workflow = standing.workflow.as_str(),
            told = record.told.len(),
            refused = record.refused.len(),
            "part was dealt with"
        );
        Ok(json!({"outcome": "done", "part": part, "wait": 0}))
    }

    /// Fails when a part takes longer than anything in it should.
    fn has_patience(
        &self,
        part: Part,
        standing: &Standing,
        closing: &Closing,
        record: &Record,
        now: Timestamp,
    ) -> Result<(), CallError> {
        let grace = if standing.workflow == Workflow::Stop { closing.grace(part) } else { SignedDuration::ZERO };
        let took = record.since.map_or(SignedDuration::ZERO, |since| now.duration_since(since));
        if took < PATIENCE.saturating_add(grace) {
            return Ok(());
        }
        Err(not_verified(format!("{part} has not come where it was told to go in {:#}", minutes(took))))
    }

    async fn verify(&mut self, turn: u64, part: Part) -> Result<Value, Problems> {
        let Some(standing) = self.turn(turn).await? else { return Ok(superseded(part)) };
        let closing = self.closing().await?;
        let record = self.record(part, turn, self.clock.now()).await?;
        let items = self.switchboard.look(part, &closing).await?;
        let plan = plan(&items, &record, &standing, &closing, part, self.clock.now());
        if plan.orders.is_empty() && plan.waits_for.is_none() {
            return Ok(json!({"outcome": "done", "part": part, "wait": 0}));
        }
        let not_so: Vec<String> = plan.orders.iter().map(|order| format!("`{}`", order.resource().id)).collect();
        let wanted = if standing.workflow == Workflow::Stop { "off" } else { "on" };
        Err(not_verified(format!("{part} is not {wanted} wholly: {}", not_so.join(", "))).into())
    }

    async fn end(&mut self, turn: u64, results: &[PartResult]) -> Result<Value, Problems> {
        let now = self.clock.now();
        let failed: Vec<String> =
            results.iter().filter(|result| result.outcome == "failed").map(PartResult::failure).collect();
        let failure = (!failed.is_empty()).then(|| failed.join("; "));
        let ended = book::change(&self.book, Page::Standing, |standing: Option<Standing>| {
            let Some(mut standing) = standing.filter(|standing| standing.turn == turn) else { return (None, None) };
            standing.failure.clone_from(&failure);
            match (standing.workflow, &failure) {
                (Workflow::Stop, None) => standing.state = Availability::Closed,
                // Users are not kept out because a part of the sandbox does not come up.
                (Workflow::Start, _) => standing.state = Availability::Open,
                (Workflow::Stop, Some(_)) => {}
            }
            (Some(standing.clone()), Some(standing))
        });
        let Some(standing) = ended.await? else { return Ok(json!({"outcome": "superseded"})) };
        if let Some(failure) = &failure {
            self.outbox.tell(told::fails(&self.sandbox, &standing, failure, now), now).await?;
            return Ok(json!({"outcome": "failed"}));
        }
        self.outbox.tell_once(told::ends(&self.sandbox, &standing, now), now).await?;
        Ok(json!({"outcome": "done"}))
    }

    async fn fail(&mut self, execution: &str, error: &Value) -> Result<Value, Problems> {
        let (now, failure) = (self.clock.now(), sentence_of(error));
        let failed = book::change(&self.book, Page::Standing, |standing: Option<Standing>| {
            let Some(mut standing) = standing.filter(|standing| standing.execution == execution) else {
                return (None, None);
            };
            standing.failure = Some(failure.clone());
            (Some(standing.clone()), Some(standing))
        });
        let Some(standing) = failed.await? else { return Ok(json!({"outcome": "superseded"})) };
        self.outbox.tell(told::fails(&self.sandbox, &standing, &failure, now), now).await?;
        Ok(json!({"outcome": "failed"}))
    }

    /// Where the sandbox stands, if this turn is the last that was asked for.
    async fn turn(&self, turn: u64) -> Result<Option<Standing>, CallError> {
        let standing: Option<Standing> = book::read(&self.book, Page::Standing).await?;
        Ok(standing.filter(|standing| standing.turn == turn))
    }

    async fn closing(&mut self) -> Result<Closing, CallError> {
        Ok(self.parameters.current(self.clock.now()).await?.configuration.closing().clone())
    }

    /// The part's record, for this turn.
    async fn record(&self, part: Part, turn: u64, now: Timestamp) -> Result<Record, CallError> {
        let record: Record = book::read(&self.book, Page::Part(part)).await?.unwrap_or_default();
        if record.turn == turn {
            return Ok(record);
        }
        let Record { turned_off, closed_in, .. } = record;
        Ok(Record { turned_off, closed_in, turn, since: Some(now), ..Record::default() })
    }

    async fn remember(&self, part: Part, record: &Record) -> Result<(), CallError> {
        let changed = |known: Option<Record>| ((known.as_ref() != Some(record)).then(|| record.clone()), ());
        book::change(&self.book, Page::Part(part), changed).await
    }
}

impl Record {
    /// Notes that a thing stays as it is, and need not be turned on again.
    fn forget(&mut self, resource: &Resource, why: &str) {
        self.turned_off.retain(|item| item.resource != *resource);
        if !self.leaves(resource) {
            self.refused.push((resource.clone(), why.to_owned()));
        }
    }

    /// Whether the thing stays as it is.
    pub(crate) fn leaves(&self, resource: &Resource) -> bool {
        self.refused.iter().any(|(refused, _)| refused == resource)
    }
}

impl PartResult {
    fn failure(&self) -> String {
        format!("{}: {}", self.part, sentence_of(&self.error))
    }
}

/// Takes the turn for a workflow, unless another was asked for later. Gives the new standing twice: to be written, and
/// to go on with; both are none where the turn is not taken, the first where it was taken already.
fn takes_turn(
    standing: Option<Standing>,
    workflow: Workflow,
    execution: &str,
    asked_at: Timestamp,
    input: &WorkflowInput,
) -> (Option<Standing>, Option<Standing>) {
    let state = match workflow {
        Workflow::Stop => Availability::Closing,
        Workflow::Start => Availability::Opening,
    };
    let same_way = standing.as_ref().filter(|standing| standing.workflow == workflow);
    let began_at = same_way.map_or(asked_at, |standing| standing.began_at);
    let turn = match standing {
        Some(standing) if standing.execution == execution => return (None, Some(standing)),
        Some(standing) if standing.asked_at > asked_at => return (None, None),
        Some(standing) => standing.turn + 1,
        None => 1,
    };
    let WorkflowInput { reason, requested_by } = input.clone();
    let execution = execution.to_owned();
    let standing =
        Standing { state, workflow, turn, execution, asked_at, began_at, reason, requested_by, failure: None };
    (Some(standing.clone()), Some(standing))
}

fn pending(part: Part, wait: i64) -> Value {
    json!({"outcome": "pending", "part": part, "wait": wait})
}

fn superseded(part: Part) -> Value {
    json!({"outcome": "superseded", "part": part, "wait": 0})
}

/// What Step Functions says of an error, as a sentence: its `Cause` is Lambda's answer, JSON inside a string.
pub(crate) fn sentence_of(error: &Value) -> String {
    let cause = error["Cause"].as_str().unwrap_or_default();
    let message = serde_json::from_str::<Value>(cause).ok();
    let message = message.as_ref().and_then(|cause| cause["errorMessage"].as_str()).unwrap_or(cause);
    let name = error["Error"].as_str().unwrap_or("unknown error");
    if message.is_empty() { name.to_owned() } else { message.to_owned() }
}

fn minutes(span: SignedDuration) -> SignedDuration {
    SignedDuration::from_mins(span.as_mins())
}

fn invalid(message: String) -> CallError {
    CallError { operation: FUNCTION, kind: CallErrorKind::Invalid, message }
}

fn not_verified(message: String) -> CallError {
    CallError { operation: FUNCTION, kind: CallErrorKind::NotVerified, message }
}

#[cfg(test)]
mod tests;
