//! `availability-update`: the steps of the workflow update, by which the hub sets another window.
//!
//! Everything is validated first, and every fault named at once; nothing changes if there is any. Then the schedules
//! are set and the window is stored, in this order: a schedule only wakes reconcile, which judges by what is stored, so
//! whichever of the two fails, the sandbox goes by one window or the other and never by half of each.

use guardrail::availability::{AvailabilityChange, AvailabilityUpdateRequested, Change};
use guardrail::closing::AVAILABILITY;
use guardrail::config::ROOT;
use guardrail::{ConfigurationRejected, Event, Header, Sandbox};
use lambda::bus::{Bus, EventBus};
use lambda::ledger::{Ledger, LedgerTable};
use lambda::parameters::{ParameterStore, ParameterStoreClient};
use lambda::{CallError, CallErrorKind, Clock, Handler, Invocation, Outbox, Parameters, Problems};
use serde::Deserialize;
use serde_json::{Value, json};
use window::{Calendar, Window};

use crate::book::{self, Book, BookTable, Locks, Page, WindowInForce};
use crate::command;
use crate::desired::desired;
use crate::plan::plan;
use crate::schedules::{Scheduler, Schedules, set_schedules};
use crate::step::sentence_of;
use crate::told;

/// The name of the function, its binary and its folder of events.
pub const FUNCTION: &str = "availability-update";

/// The IAM actions that the function may call; a test holds its role to exactly these.
pub const ACTIONS: &[&[&str]] = &[
    Scheduler::ACTIONS,
    BookTable::ACTIONS,
    ParameterStoreClient::ACTIONS,
    LedgerTable::ENFORCE_ACTIONS,
    EventBus::ACTIONS,
];

/// One step, as the workflow asks for it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum Input {
    /// Reads the command and names every fault in it.
    Validate {
        /// The workflow's execution.
        execution: String,
        /// What the workflow was started with: the event `Availability Update Requested`.
        event: Value,
    },
    /// Sets the schedules to what lies ahead.
    Schedules {
        /// The workflow's execution.
        execution: String,
        /// What `validate` answered.
        change: WindowInForce,
    },
    /// Puts the window in force.
    Store {
        /// The workflow's execution.
        execution: String,
        /// What `validate` answered.
        change: WindowInForce,
    },
    /// Tells that it is.
    Report {
        /// The workflow's execution.
        execution: String,
        /// What `validate` answered.
        change: WindowInForce,
    },
    /// A step failed for good.
    Fail {
        /// The workflow's execution.
        execution: String,
        /// What Step Functions says of it.
        error: Value,
    },
}

/// The function over its ports.
#[derive(Debug)]
pub struct Update<K, H, P, L, B, C> {
    /// What is remembered.
    pub book: K,
    /// The schedules that wake reconcile.
    pub schedules: H,
    /// The settings in force.
    pub parameters: Parameters<P>,
    /// Where changes are told.
    pub outbox: Outbox<L, B>,
    /// The time.
    pub clock: C,
    /// Where it runs.
    pub sandbox: Sandbox,
}

impl<K, H, P, L, B, C> Handler for Update<K, H, P, L, B, C>
where
    K: Book,
    H: Schedules,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    C: Clock,
{
    type Answer = Value;

    async fn handle(&mut self, invocation: Invocation) -> Result<Value, Problems> {
        let input = guardrail::event::read_naming_fields(&invocation.event);
        match input.map_err(|error| invalid(format!("the step is none: {error}")))? {
            Input::Validate { event, .. } => self.validate(event).await,
            Input::Schedules { change, .. } => self.schedules(&change).await,
            Input::Store { change, .. } => self.store(change).await,
            Input::Report { change, .. } => self.report(&change).await,
            Input::Fail { execution, error } => self.fail(&execution, &error).await,
        }
    }
}

impl<K, H, P, L, B, C> Update<K, H, P, L, B, C>
where
    K: Book,
    H: Schedules,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    C: Clock,
{
    async fn validate(&mut self, event: Value) -> Result<Value, Problems> {
        let answer = |outcome: &str| Ok(json!({"outcome": outcome, "change": null}));
        let Some(command) = command(&event, &self.sandbox) else { return answer("ignored") };
        let AvailabilityUpdateRequested { header, requested_by, window } = command;
        let in_force: Option<WindowInForce> = book::read(&self.book, Page::Window).await?;
        let document = (!window.is_null()).then_some(window);
        if let Some(newer) = in_force.as_ref().filter(|known| known.occurred_at > header.occurred_at) {
            let expected = format!("a command newer than {}, when the one in force was given", newer.occurred_at);
            let rejected = self.rejected(&header, document.as_ref(), &expected, in_force.as_ref());
            self.outbox.tell_once(rejected, self.clock.now()).await?;
            return answer("stale");
        }
        if let Some(Err(faults)) = document.as_ref().map(Window::from_json) {
            let rejected = self.rejected(&header, document.as_ref(), &faults.to_string(), in_force.as_ref());
            self.outbox.tell_once(rejected, self.clock.now()).await?;
            return answer("refused");
        }
        let Header { id, occurred_at, .. } = header;
        let change = WindowInForce { document, command: id, occurred_at, requested_by };
        Ok(json!({"outcome": "valid", "change": change}))
    }

    fn rejected(
        &self,
        command: &Header,
        document: Option<&Value>,
        faults: &str,
        in_force: Option<&WindowInForce>,
    ) -> ConfigurationRejected {
        let in_force = match in_force.and_then(|known| Some((known, known.document.as_ref()?))) {
            Some((known, _)) => format!("the window of {}, set by {}", known.occurred_at, known.requested_by),
            None => "no window: the sandbox is open unless it is locked".to_owned(),
        };
        let id = format!("configuration/{AVAILABILITY}/window/{}", command.id);
        ConfigurationRejected {
            header: Header::new(id, &self.sandbox, self.clock.now()),
            parameter: format!("{ROOT}/{AVAILABILITY}/window"),
            value: document.map(Value::to_string).unwrap_or_default().chars().take(200).collect(),
            expected: faults.to_owned(),
            in_force,
        }
    }

    async fn schedules(&mut self, change: &WindowInForce) -> Result<Value, Problems> {
        let window = window_of(change)?;
        let now = self.clock.now();
        let in_force = self.parameters.current(now).await?;
        let locks: Locks = book::read(&self.book, Page::Locks).await?.unwrap_or_default();
        let wanted = desired(&locks, window.as_ref(), Calendar::None, now);
        let plan = plan(window.as_ref(), Some(&wanted), &in_force.configuration.closing().warnings, now);
        set_schedules(&self.schedules, window.as_ref(), &plan).await?;
        Ok(json!({"outcome": "done"}))
    }

    async fn store(&mut self, change: WindowInForce) -> Result<Value, Problems> {
        let outcome = book::change(&self.book, Page::Window, |known: Option<WindowInForce>| match known {
            Some(known) if known.occurred_at > change.occurred_at => (None, "stale"),
            Some(known) if known == change => (None, "done"),
            _ => (Some(change.clone()), "done"),
        });
        Ok(json!({"outcome": outcome.await?}))
    }

    async fn report(&mut self, change: &WindowInForce) -> Result<Value, Problems> {
        let (now, state) = (self.clock.now(), book::state(&self.book).await?);
        self.outbox.tell_once(told::window_updated(&self.sandbox, change, state, now), now).await?;
        Ok(json!({"outcome": "done"}))
    }

    async fn fail(&mut self, execution: &str, error: &Value) -> Result<Value, Problems> {
        let (now, state) = (self.clock.now(), book::state(&self.book).await?);
        let name = execution.rsplit(':').next().unwrap_or(execution);
        let mut told = AvailabilityChange::new(&self.sandbox, Change::Failed, &format!("update/{name}"), state, now);
        told.message =
            format!("the change of the window could not be finished: {}; ask for it again", sentence_of(error));
        told.execution = Some(execution.to_owned());
        self.outbox.tell_once(told, now).await?;
        Ok(json!({"outcome": "failed"}))
    }
}

/// The command in an event; none in any other, which is logged.
fn command(event: &Value, sandbox: &Sandbox) -> Option<AvailabilityUpdateRequested> {
    match command::read(event, sandbox)? {
        Event::AvailabilityUpdateRequested(command) => Some(command),
        other => {
            tracing::warn!(command.id = other.header().id, "event is no command for another window and was ignored");
            None
        }
    }
}

fn window_of(change: &WindowInForce) -> Result<Option<Window>, CallError> {
    change.document.as_ref().map(Window::from_json).transpose().map_err(|faults| invalid(faults.to_string()))
}

fn invalid(message: String) -> CallError {
    CallError { operation: FUNCTION, kind: CallErrorKind::Invalid, message }
}

#[cfg(test)]
mod tests;
