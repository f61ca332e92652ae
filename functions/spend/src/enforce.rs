//! `spend-enforce`: locks a sandbox that has reached a level of its budget that locks.
//!
//! The finding is a request to look: figures, budget and mode are read and judged again, and only what is found again
//! is locked. The command is the same however often it is sent, so a sandbox obeys it once, and not after somebody has
//! released the lock. Then it waits until the console knows that the lock holds. What is not seen to hold has failed,
//! and the meter asks for it again.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use guardrail::budget::Period;
use guardrail::catalogue::SPEND_BUDGET;
use guardrail::{Action, ActionKind, Belt, Event, Finding, Header, Mode, Outcome, Sandbox};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lambda::book::{Book, BookTable, ReadAll};
use lambda::bus::{Bus, Buses, EventBus, EventBuses};
use lambda::ledger::{Claim, Ledger, LedgerTable};
use lambda::parameters::{ParameterStore, ParameterStoreClient};
use lambda::{CallError, CallErrorKind, Clock, Handler, Invocation, Outbox, Parameters, Problems};
use serde_json::Value;

use crate::figures::{Account, Asked, Reached, change_account};
use crate::known::{Console, ConsoleReader, Known, LockRow, known};
use crate::picture::{self, Picture};
use crate::standing::{Spent, Subject};
use crate::told;

/// The name of the function, its binary and its folder of events.
pub const FUNCTION: &str = "spend-enforce";

/// The IAM actions that the function may call; a test holds its role to exactly these.
pub const ACTIONS: &[&[&str]] = &[
    ConsoleReader::ACTIONS,
    BookTable::ACTIONS,
    BookTable::READ_ALL,
    ParameterStoreClient::ACTIONS,
    LedgerTable::ENFORCE_ACTIONS,
    EventBus::ACTIONS,
    EventBuses::ACTIONS,
];

/// How long sending a command may take.
const SENDING: Duration = Duration::from_secs(20);

/// How long the console is asked whether the lock holds, and how often.
const VERIFY_FOR: SignedDuration = SignedDuration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The function over its ports.
#[derive(Debug)]
pub struct Enforce<N, K, P, L, B, S, C> {
    /// What the console knows of the sandboxes.
    pub console: N,
    /// What is remembered.
    pub book: K,
    /// The budgets in force, and the register.
    pub parameters: Parameters<P>,
    /// Where the outcome is told.
    pub outbox: Outbox<L, B>,
    /// The sandboxes' buses.
    pub buses: S,
    /// The time.
    pub clock: C,
    /// The hub itself.
    pub hub: Sandbox,
    /// The AWS partition of hub and sandboxes, such as `aws`.
    pub partition: String,
    /// The name of the guardrail bus, which is the same in every account.
    pub bus: String,
}

impl<N, K, P, L, B, S, C> Handler for Enforce<N, K, P, L, B, S, C>
where
    N: Console,
    K: Book + ReadAll,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    S: Buses,
    C: Clock,
{
    type Answer = ();

    async fn handle(&mut self, invocation: Invocation) -> Result<(), Problems> {
        let Some(finding) = asked(&invocation.event) else { return Ok(()) };
        let action = Action::id_of(&finding.header.id, ActionKind::Lock);
        let claim = Claim { id: &action, holder: &invocation.id, until: invocation.deadline };
        if !self.outbox.ledger().claim(&claim, self.clock.now()).await? {
            tracing::info!(finding.id = finding.header.id, "another run deals with it");
            return Ok(());
        }
        let (dealt, mut problems) = match self.deal(&finding).await {
            Ok(dealt) => (dealt, Problems::default()),
            Err(problems) => {
                let reason = format!("the sandbox could not be locked and will be tried again: {problems}");
                (Some(Dealt { outcome: Outcome::Failed, reason, finding: None, locked: None }), problems)
            }
        };
        if let Some(dealt) = dealt {
            problems.keep(self.conclude(&finding, dealt).await);
        }
        problems.keep(self.outbox.ledger().release(&claim).await);
        problems.into_result()
    }
}

/// The finding in an event; none where it asks for nothing that is done here, which is logged.
fn asked(event: &Value) -> Option<Finding> {
    let envelope = lambda::trigger::envelope(event)?;
    match Event::from_detail(&envelope.detail_type, envelope.detail) {
        Ok(Event::Finding(finding)) if is_ours(&finding) && finding.wants_action() => Some(finding),
        Ok(event) => {
            tracing::warn!(event.id = event.header().id, "event asks for no lock and was ignored");
            None
        }
        Err(error) => {
            tracing::warn!(%error, "finding is malformed and was ignored");
            None
        }
    }
}

/// Whether it is a finding of a budget, under the id that such a one has.
fn is_ours(finding: &Finding) -> bool {
    let id = Finding::id_of(&SPEND_BUDGET, &finding.resource, finding.level, finding.episode);
    finding.guardrail == SPEND_BUDGET.id && finding.header.id == id
}

/// How it ended.
struct Dealt {
    outcome: Outcome,
    reason: String,
    /// The finding, as it was judged again.
    finding: Option<Finding>,
    /// The period whose lock was seen to hold, or to have been released since.
    locked: Option<Period>,
}

impl Dealt {
    fn refused(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Refused, reason: reason.into(), finding: None, locked: None }
    }

    fn spared(outcome: Outcome, reason: impl Into<String>, finding: Option<Finding>) -> Self {
        Self { outcome, reason: reason.into(), finding, locked: None }
    }
}

/// What was judged again.
struct Again<'a> {
    known: &'a Known,
    finding: Finding,
    reached: Reached,
    spent: Spent,
    picture: Picture,
}

impl<N, K, P, L, B, S, C> Enforce<N, K, P, L, B, S, C>
where
    N: Console,
    K: Book + ReadAll,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    S: Buses,
    C: Clock,
{
    /// Looks and judges again, and locks; none where that was settled before.
    async fn deal(&mut self, asked: &Finding) -> Result<Option<Dealt>, Problems> {
        let now = self.clock.now();
        let in_force = self.parameters.fresh(now).await?;
        let known = known(&self.console.heartbeats().await?, in_force.configuration.registered(), &self.hub);
        let id = &asked.resource.id;
        let Some(sandbox) = known.get(id) else {
            return Ok(Some(Dealt::refused(format!("`{id}` is no sandbox that the hub knows"))));
        };
        let policy = in_force.configuration.policy(&SPEND_BUDGET);
        let subject = Subject { account: id, known: sandbox, policy: &policy };
        if subject.mode() == Mode::Off {
            return Ok(Some(Dealt::spared(Outcome::ObservedOnly, "the mode is `off`", None)));
        }
        let again = match self.judge_again(&subject, asked, &known, now).await? {
            Ok(again) => again,
            Err(reason) => return Ok(Some(Dealt::refused(reason))),
        };
        if again.reached.settled_at.is_some() {
            tracing::info!(finding.id = asked.header.id, "lock was settled before");
            return Ok(None);
        }
        let (outcome, why) = match (&again.finding.exemption, again.finding.mode) {
            (Some(exemption), _) => (Outcome::Exempt, format!("exemption `{exemption}` covers the sandbox")),
            (None, mode @ (Mode::Observe | Mode::Off)) => (Outcome::ObservedOnly, format!("the mode is `{mode}`")),
            (None, Mode::Enforce) if again.finding.action != ActionKind::Lock => {
                (Outcome::Refused, "the level does not lock any more".to_owned())
            }
            (None, Mode::Enforce) => return self.lock(id, again).await.map(Some),
        };
        Ok(Some(Dealt::spared(outcome, why, Some(again.finding))))
    }

    /// Finds what was found before; otherwise says why it is not found again.
    async fn judge_again<'a>(
        &self,
        subject: &Subject<'a>,
        asked: &Finding,
        known: &BTreeMap<String, Known>,
        now: Timestamp,
    ) -> Result<Result<Again<'a>, String>, CallError> {
        let id = subject.account;
        let accounts = picture::accounts(&self.book, known.keys()).await?;
        let Some(account) = accounts.get(id) else { return Ok(Err(format!("`{id}` has no figures"))) };
        let today = now.to_zoned(TimeZone::UTC).date();
        let picture = Picture::read(&self.book, &accounts, today, now).await?;
        let began = subject.lasting(today).map(|period| period.begins_at()).unwrap_or(Timestamp::UNIX_EPOCH);
        let estimate = picture.estimate(subject.known, id, account, began, now).map(|estimate| estimate.amount);
        let spent = match subject.spent(account, estimate.as_ref(), today) {
            Ok(spent) => spent,
            Err(unheld) => return Ok(Err(unheld.to_string())),
        };
        let percent = asked.level.percent;
        let of = |spent: &Spent| {
            let reached = account.reached(spent.period, percent)?;
            (Some(reached.episode) == asked.episode).then(|| reached.clone())
        };
        let Some((spent, reached)) = spent.into_iter().find_map(|spent| of(&spent).map(|reached| (spent, reached)))
        else {
            return Ok(Err("its budget's period is over, or the level was cleared by another budget".to_owned()));
        };
        let mut account: Account = account.clone();
        let mut findings = subject.judge(&spent, now, &mut Belt::new(u32::MAX));
        account.enter(subject, &spent, &mut findings, today, now);
        let found = findings.into_iter().find(|finding| finding.header.id == asked.header.id);
        Ok(match found {
            Some(finding) => Ok(Again { known: subject.known, finding, reached, spent, picture }),
            None => {
                let reported = &spent.reported;
                let budget = &spent.budget;
                Err(format!("judged again, {} of {budget} do not reach {percent} %", reported.brief()))
            }
        })
    }

    /// Sends the lock to every Region of the account, and waits until it is seen to hold in each.
    async fn lock(&self, id: &str, again: Again<'_>) -> Result<Dealt, Problems> {
        let Again { known, finding, spent, picture, .. } = again;
        let (now, percent) = (self.clock.now(), finding.level.percent);
        let Some(first) = known.sandboxes.first() else { return Ok(Dealt::refused("it has no sandbox")) };
        let in_period =
            picture.figures.get(id).into_iter().flatten().filter(|(month, _)| spent.period.contains(**month));
        let reason = told::reason(&finding, first, in_period.map(|(_, figures)| figures));
        // Noted before it is sent, so that whatever becomes of this run, the next one sends the same.
        let asked = change_account(&self.book, id, |account| {
            let reached = account.reached_mut(spent.period, percent)?;
            Some(reached.asked.get_or_insert_with(|| Asked { at: now, reason: reason.clone() }).clone())
        });
        let Some(asked) = asked.await? else { return Ok(Dealt::refused("the level was cleared meanwhile")) };
        // A Region that does not answer does not leave the others open.
        let locking = known.sandboxes.iter().map(|sandbox| self.lock_one(&finding, sandbox, &asked));
        let (mut released, mut problems) = (false, Problems::default());
        for locked in join_all(locking).await {
            released |= problems.keep(locked).unwrap_or_default();
        }
        problems.into_result()?;
        let what = if released { "the lock was released since it was asked for" } else { "the sandbox is locked" };
        Ok(Dealt {
            outcome: Outcome::Done,
            reason: format!("{what}: {}", asked.reason),
            finding: Some(finding),
            locked: Some(spent.period),
        })
    }

    /// Locks one sandbox of the account; gives whether somebody has released the lock since it was asked for.
    async fn lock_one(&self, finding: &Finding, sandbox: &Sandbox, asked: &Asked) -> Result<bool, CallError> {
        // A sandbox obeys the command that was given last: ours, or one that was given since and makes ours void.
        let standing = |row: Option<LockRow>| row.filter(|row| row.at >= asked.at).map(|row| !row.held);
        if let Some(released) = standing(self.console.lock(sandbox, told::LOCK).await?) {
            return Ok(released);
        }
        let Self { partition, bus, .. } = self;
        let bus = format!("arn:{partition}:events:{}:{}:event-bus/{bus}", sandbox.region, sandbox.account);
        let command = told::lock(finding, sandbox, &asked.reason, asked.at);
        let refused = self.buses.publish_to(&sandbox.region, &[(bus, command.into())], SENDING).await;
        if let Some((_, error)) = refused.into_iter().next() {
            return Err(error);
        }
        tracing::info!(sandbox.account, sandbox.region, sandbox.alias, command.at = %asked.at, "lock was sent");
        let give_up = self.clock.now().checked_add(VERIFY_FOR).unwrap_or(Timestamp::MAX);
        while self.clock.now() < give_up {
            self.clock.sleep(LOOK_EVERY).await;
            if let Some(released) = standing(self.console.lock(sandbox, told::LOCK).await?) {
                return Ok(released);
            }
        }
        let message = format!("`{}` has not said that it is locked; it is asked again", sandbox.alias);
        Err(CallError { operation: "events:PutEvents", kind: CallErrorKind::NotVerified, message })
    }

    /// Tells how it ended. What is settled is noted when it was told: otherwise nobody would ask again and tell it
    /// then.
    async fn conclude(&mut self, asked: &Finding, dealt: Dealt) -> Result<(), Problems> {
        let locked = dealt.locked;
        self.tell(asked, dealt).await?;
        let Some(period) = locked else { return Ok(()) };
        let settled_at = self.clock.now();
        let settled = change_account(&self.book, &asked.resource.id, |account| {
            if let Some(reached) = account.reached_mut(period, asked.level.percent) {
                reached.settled_at = Some(settled_at);
            }
        });
        Ok(settled.await?)
    }

    async fn tell(&mut self, asked: &Finding, dealt: Dealt) -> Result<(), Problems> {
        let Dealt { outcome, reason, finding, .. } = dealt;
        let now = self.clock.now();
        let id = Action::id_of(&asked.header.id, ActionKind::Lock);
        let judged = finding.as_ref().unwrap_or(asked);
        let action = Action {
            header: Header::new(id, &asked.header.sandbox, now),
            finding: asked.header.id.clone(),
            guardrail: asked.guardrail.clone(),
            service: asked.service,
            resource: asked.resource.clone(),
            scope: asked.scope.clone(),
            owner: None,
            action: ActionKind::Lock,
            outcome,
            reason,
            limit: Some(judged.limit.clone()),
            measured: finding.as_ref().map(|finding| finding.measured.clone()),
        };
        tracing::info!(action.id = action.header.id, action.outcome = ?outcome, "lock was dealt with");
        self.outbox.tell(action, now).await
    }
}

#[cfg(test)]
mod tests;
