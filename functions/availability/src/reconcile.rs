//! `availability-reconcile`: compares what should be with what is, and starts the workflow that is missing.
//!
//! It is woken by the next opening, closing or warning, by every lock and by every new window, and every 15 minutes
//! besides. Whatever woke it, it looks at the whole: a schedule that daylight saving skipped, an event that was lost, a
//! workflow that was killed half-way, a database that AWS started again after seven days, a role that was made while
//! the sandbox was closed. It changes nothing of these itself.

use guardrail::availability::{Availability, SandboxLockReleased, SandboxLockRequested, WorkflowInput};
use guardrail::closing::{Closing, Manner, Part};
use guardrail::{Event, Header, Sandbox};
use jiff::Timestamp;
use lambda::bus::{Bus, EventBus};
use lambda::ledger::{Ledger, LedgerTable};
use lambda::parameters::{ParameterStore, ParameterStoreClient};
use lambda::{CallError, CallErrorKind, Clock, Handler, Invocation, Outbox, Parameters, Problems};
use serde_json::{Value, json};
use window::{Calendar, State, Window};

use crate::board::Board;
use crate::book::{self, Book, BookTable, Lock, Locks, Notice, Page, Record, Standing, WindowInForce, Workflow};
use crate::calendar::{Calendars, ChangeCalendars};
use crate::command;
use crate::desired::{Desired, desired, held};
use crate::part::Phase;
use crate::parts::jobs::Jobs;
use crate::parts::notebooks::Notebooks;
use crate::parts::studio::Studio;
use crate::parts::{access, athena, emr, glue, rds};
use crate::plan::{Plan, plan};
use crate::schedules::{Scheduler, Schedules, set_schedules};
use crate::told;
use crate::workflows::{StateMachines, Workflows};

/// The name of the function, its binary and its folder of events.
pub const FUNCTION: &str = "availability-reconcile";

/// The IAM actions that the function may call; a test holds its role to exactly these.
pub const ACTIONS: &[&[&str]] = &[
    access::LOOK_ACTIONS,
    Studio::LOOK_ACTIONS,
    Notebooks::LOOK_ACTIONS,
    Jobs::LOOK_ACTIONS,
    emr::LOOK_ACTIONS,
    athena::LOOK_ACTIONS,
    glue::LOOK_ACTIONS,
    rds::LOOK_ACTIONS,
    StateMachines::ACTIONS,
    Scheduler::ACTIONS,
    ChangeCalendars::ACTIONS,
    BookTable::ACTIONS,
    ParameterStoreClient::ACTIONS,
    LedgerTable::ENFORCE_ACTIONS,
    EventBus::ACTIONS,
];

/// The function over its ports.
#[derive(Debug)]
pub struct Reconcile<S, K, W, H, G, P, L, B, C> {
    /// The parts, which it only looks at.
    pub board: S,
    /// What is remembered.
    pub book: K,
    /// The workflows.
    pub workflows: W,
    /// The schedules that wake it.
    pub schedules: H,
    /// The calendar that a window may name.
    pub calendars: G,
    /// The settings in force.
    pub parameters: Parameters<P>,
    /// Where changes are told.
    pub outbox: Outbox<L, B>,
    /// The time.
    pub clock: C,
    /// Where it runs.
    pub sandbox: Sandbox,
}

impl<S, K, W, H, G, P, L, B, C> Handler for Reconcile<S, K, W, H, G, P, L, B, C>
where
    S: Board,
    K: Book,
    W: Workflows,
    H: Schedules,
    G: Calendars,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    C: Clock,
{
    type Answer = Value;

    async fn handle(&mut self, invocation: Invocation) -> Result<Value, Problems> {
        // A lock is entered before anything else can go wrong; whatever else woke us is only a reason to look.
        let mut problems = Problems::default();
        if let Some(command) = command(&invocation.event, &self.sandbox) {
            problems.keep(self.enter(command).await);
        }
        let answer = problems.keep(self.reconcile().await);
        problems.into_result().map(|()| answer.unwrap_or_default())
    }
}

/// A lock is requested or released.
struct LockCommand {
    header: Header,
    name: String,
    lock: Lock,
}

/// The command in an event; none in any other.
fn command(event: &Value, sandbox: &Sandbox) -> Option<LockCommand> {
    // Most of what wakes reconcile is no event of the bus, or one that it only looks at the sandbox for.
    event.get("detail-type")?.as_str().filter(|detail_type| detail_type.starts_with("Sandbox Lock"))?;
    let (header, name, held, reason, requested_by) = match command::read(event, sandbox)? {
        Event::SandboxLockRequested(SandboxLockRequested { header, lock, reason, requested_by }) => {
            (header, lock, true, reason, requested_by)
        }
        Event::SandboxLockReleased(SandboxLockReleased { header, lock, reason, requested_by }) => {
            (header, lock, false, reason, requested_by)
        }
        _ => return None,
    };
    let lock = Lock { held, reason, requested_by, occurred_at: header.occurred_at };
    Some(LockCommand { header, name, lock })
}

impl<S, K, W, H, G, P, L, B, C> Reconcile<S, K, W, H, G, P, L, B, C>
where
    S: Board,
    K: Book,
    W: Workflows,
    H: Schedules,
    G: Calendars,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    C: Clock,
{
    /// Enters a lock's command, unless a newer one of the same lock is known.
    async fn enter(&mut self, command: LockCommand) -> Result<(), Problems> {
        let LockCommand { header, name, lock } = command;
        let is_newest = book::change(&self.book, Page::Locks, |locks: Option<Locks>| {
            let mut locks = locks.unwrap_or_default();
            if let Some(known) = locks.get(&name).filter(|known| known.occurred_at >= lock.occurred_at) {
                // The same again is told again, under its id, in case that it was not told before.
                return (None, *known == lock);
            }
            locks.insert(name.clone(), lock.clone());
            (Some(locks), true)
        });
        if !is_newest.await? {
            tracing::warn!(command.id = header.id, "lock command is older than what is known and was ignored");
            return Ok(());
        }
        let state = book::state(&self.book).await?;
        let told = told::lock(&self.sandbox, &name, &lock, &header.id, state);
        self.outbox.tell_once(told, self.clock.now()).await
    }

    async fn reconcile(&mut self) -> Result<Value, Problems> {
        let (locks, in_force, standing, notice) = futures_util::future::try_join4(
            book::read::<Locks>(&self.book, Page::Locks),
            book::read::<WindowInForce>(&self.book, Page::Window),
            book::read::<Standing>(&self.book, Page::Standing),
            book::read::<Notice>(&self.book, Page::Notice),
        )
        .await?;
        if locks.is_none() && in_force.is_none() && standing.is_none() {
            // Nobody ever said when this sandbox is open: there is nothing to hold it to, and no call to be made.
            return Ok(json!({"outcome": "no window"}));
        }
        let mut problems = Problems::default();
        let locks = locks.unwrap_or_default();
        let closing = self.closing(&mut problems).await?;
        let readable = problems.keep(read_window(in_force));
        let window = readable.as_ref().and_then(Option::as_ref);
        let calendar = match window.and_then(Window::calendar) {
            Some(name) => problems.keep(self.calendars.state(name).await),
            None => Some(Calendar::None),
        };
        let now = self.clock.now();
        // What cannot be read has no opinion: a lock holds all the same, and nothing else changes.
        let wanted = match (&readable, calendar) {
            (Some(_), Some(calendar)) => Some(desired(&locks, window, calendar, now)),
            _ => held(&locks),
        };
        let started = match &wanted {
            Some(wanted) => {
                let started = self.bring_about(wanted, standing.as_ref(), &closing, now, &mut problems).await;
                problems.keep(started).flatten()
            }
            None => None,
        };
        let plan = plan(window, wanted.as_ref(), &closing.warnings, now);
        problems.keep(self.warn(window, &plan, notice, now).await);
        if readable.is_some() {
            problems.keep(set_schedules(&self.schedules, window, &plan).await);
        }
        let state = Standing::state_of(standing.as_ref());
        let (desired, why) = wanted.map(|wanted| (wanted.state, wanted.why)).unzip();
        tracing::info!(state = state.as_str(), ?desired, started = started.as_deref(), "sandbox was reconciled");
        problems
            .into_result()
            .map(|()| json!({"outcome": "done", "state": state, "desired": desired, "why": why, "started": started}))
    }

    async fn closing(&mut self, problems: &mut Problems) -> Result<Closing, Problems> {
        let in_force = self.parameters.fresh(self.clock.now()).await?;
        problems.keep(self.outbox.tell_rejected(in_force.rejected, &self.sandbox, self.clock.now()).await);
        Ok(in_force.configuration.closing().clone())
    }

    /// Starts the workflow that brings about what should be, if it is missing; gives its execution.
    async fn bring_about(
        &self,
        wanted: &Desired,
        standing: Option<&Standing>,
        closing: &Closing,
        now: Timestamp,
        problems: &mut Problems,
    ) -> Result<Option<String>, Problems> {
        let Some(missing) = self.missing(wanted, standing, closing, problems).await? else { return Ok(None) };
        let (workflow, why) = missing;
        let turn = standing.map_or(0, |standing| standing.turn) + 1;
        // Two runs that see the same in the same minute start one execution.
        let minute = now.strftime("%Y%m%dT%H%M");
        let name = format!("{}-{turn}-{minute}", workflow.as_str());
        let input = WorkflowInput { reason: Some(why), requested_by: wanted.requested_by.clone() };
        Ok(Some(self.workflows.start(workflow, &name, &input).await?))
    }

    /// The workflow that is missing, and why. What it could not see is noted among the problems.
    async fn missing(
        &self,
        wanted: &Desired,
        standing: Option<&Standing>,
        closing: &Closing,
        problems: &mut Problems,
    ) -> Result<Option<(Workflow, String)>, Problems> {
        let state = Standing::state_of(standing);
        let (workflow, under_way, there) = match wanted.state {
            State::Closed => (Workflow::Stop, Availability::Closing, Availability::Closed),
            State::Open => (Workflow::Start, Availability::Opening, Availability::Open),
        };
        let because = || Some((workflow, wanted.why.clone()));
        let Some(standing) = standing else {
            return match wanted.state {
                State::Closed => Ok(because()),
                State::Open => self.still_shut(closing).await.map(|shut| shut.then(because).flatten()),
            };
        };
        if state == under_way {
            // A failure that was reported ends its execution in a moment.
            let runs = self.workflows.runs(&standing.execution).await?;
            return Ok(if runs { None } else { because() });
        }
        if state != there {
            return Ok(because());
        }
        if let Some(failure) = &standing.failure {
            return Ok(Some((workflow, format!("{}; before, {failure}", wanted.why))));
        }
        match wanted.state {
            State::Open => self.still_shut(closing).await.map(|shut| shut.then(because).flatten()),
            State::Closed => {
                let on = self.still_on(closing, problems).await;
                Ok((!on.is_empty()).then(|| (workflow, format!("{}; found on: {}", wanted.why, on.join(", ")))))
            }
        }
    }

    /// Whether a user's role is blocked although the sandbox is open.
    async fn still_shut(&self, closing: &Closing) -> Result<bool, Problems> {
        match self.board.look(Part::Access, closing).await {
            Ok(items) => Ok(items.iter().any(|item| item.phase != Phase::On)),
            // No role to look at is told when the sandbox closes; while it is open nobody is locked out.
            Err(problems) if problems.all(CallErrorKind::Missing) => Ok(false),
            Err(problems) => Err(problems),
        }
    }

    /// What is on although the sandbox is closed, as far as closing does not leave it. A part that cannot be seen is
    /// noted among the problems and hides none of the others.
    async fn still_on(&self, closing: &Closing, problems: &mut Problems) -> Vec<String> {
        let mut on = Vec::new();
        for part in Part::ALL.into_iter().filter(|part| closing.manner(*part) != Manner::Leave) {
            let record = problems.keep(book::read::<Record>(&self.book, Page::Part(part)).await);
            let items = problems.keep(self.board.look(part, closing).await);
            let (Some(record), Some(items)) = (record, items) else { continue };
            let record = record.unwrap_or_default();
            let still_on = items.into_iter().filter(|item| matches!(item.phase, Phase::On | Phase::TurningOn));
            let still_on = still_on.filter(|item| !record.leaves(&item.resource));
            on.extend(still_on.map(|item| format!("{} `{}`", item.resource.kind, item.resource.id)).take(5));
        }
        on
    }

    /// Warns users of a closing that is near, once for each warning, and tells them when it will not come after all.
    async fn warn(
        &mut self,
        window: Option<&Window>,
        plan: &Plan,
        notice: Option<Notice>,
        now: Timestamp,
    ) -> Result<(), Problems> {
        let local = |at: Timestamp| match window {
            Some(window) => at.to_zoned(window.time_zone().clone()).strftime("%H:%M (%Z)").to_string(),
            None => at.strftime("%H:%M UTC").to_string(),
        };
        if let Some(Notice { closes_at: Some(closes_at), called_off }) = notice
            && closes_at > now
            && plan.stays_open_past(closes_at)
        {
            let (at, next) = (local(closes_at), plan.closes_at);
            let told = told::closing_called_off(&self.sandbox, closes_at, &at, next, called_off, now);
            self.outbox.tell_once(told, now).await?;
            let none = Notice { closes_at: None, called_off: called_off.saturating_add(1) };
            book::change(&self.book, Page::Notice, |_: Option<Notice>| (Some(none.clone()), ())).await?;
        }
        let (Some(warning), Some(closes_at)) = (plan.warning_due, plan.closes_at) else { return Ok(()) };
        // Noted first: a warning that was told and is not known of could not be called off.
        let called_off = book::change(&self.book, Page::Notice, |noted: Option<Notice>| {
            let called_off = noted.as_ref().map_or(0, |noted| noted.called_off);
            let is_noted = noted.is_some_and(|noted| noted.closes_at == Some(closes_at));
            ((!is_noted).then_some(Notice { closes_at: Some(closes_at), called_off }), called_off)
        });
        let called_off = called_off.await?;
        let told = told::closing_soon(&self.sandbox, closes_at, warning, &local(closes_at), called_off, now);
        self.outbox.tell_once(told, now).await
    }
}

/// The window in force, if there is one.
fn read_window(in_force: Option<WindowInForce>) -> Result<Option<Window>, CallError> {
    let Some(document) = in_force.and_then(|in_force| in_force.document) else { return Ok(None) };
    // It was valid when it was stored. A later version of the time zone database may know its zone no more.
    Window::from_json(&document).map(Some).map_err(|faults| CallError {
        operation: FUNCTION,
        kind: CallErrorKind::Invalid,
        message: format!("the window in force cannot be read: {faults}"),
    })
}

#[cfg(test)]
mod tests;
