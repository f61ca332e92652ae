//! What is told beside findings: every sandbox's spend, and what actions have saved; and the samples that both need.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use guardrail::catalogue::SPEND_BUDGET;
use guardrail::spending::Savings;
use guardrail::{Action, Amount, Event, Heartbeat, Outcome, Per, Sandbox};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use lambda::book::{self, Book, ReadAll};
use lambda::bus::Bus;
use lambda::ledger::Ledger;
use lambda::parameters::ParameterStore;
use lambda::trigger::Envelope;
use lambda::{CallError, Clock, Problems};
use serde_json::Value;
use window::Window;

use super::{AT_ONCE, Meter, Run};
use crate::exports::Exports;
use crate::figures::{Account, Figures, change_account};
use crate::known::Console;
use crate::picture::Picture;
use crate::projection::Outlook;
use crate::queries::Queries;
use crate::savings::{self, Saved};
use crate::standing::Subject;
use crate::told::{self, Besides};
use crate::usage;

/// The page of actions whose savings are still to be estimated.
const ACTIONS_PAGE: &str = "spend/actions";

/// Actions that wait; more at once is a storm whose savings would be a guess.
const MOST_ACTIONS: usize = 500;

impl<E, Q, N, K, P, L, B, C> Meter<E, Q, N, K, P, L, B, C>
where
    E: Exports,
    Q: Queries,
    N: Console,
    K: Book + ReadAll,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    C: Clock,
{
    /// Samples what runs, as the last heartbeats tell it.
    pub(super) async fn sample(&self, heartbeats: &[Heartbeat]) -> Result<(), Problems> {
        let now = self.clock.now();
        // First what was seen last, then what that adds: a crash in between leaves time unseen, which estimates say,
        // where the other order would count it twice.
        let added = book::change(&self.book, usage::LAST, |last: Option<usage::Last>| {
            let (last, added) = usage::sample(&last.unwrap_or_default(), heartbeats, now);
            (Some(last), added)
        });
        let mut problems = Problems::default();
        for (hour, more) in added.await? {
            let until = hour.checked_add(usage::KEPT).unwrap_or(Timestamp::MAX);
            let add = |before: Option<usage::Hour>| {
                let mut hour = before.unwrap_or_default();
                hour.add(&more);
                (Some(hour), ())
            };
            problems.keep(book::change_until(&self.book, usage::page(hour), until, add).await);
        }
        problems.into_result()
    }

    /// Tells what every sandbox has spent, where that is news.
    pub(super) async fn tell_all(
        &mut self,
        run: &Run,
        accounts: &BTreeMap<String, Account>,
        picture: &Picture,
    ) -> Result<(), Problems> {
        let mut problems = Problems::default();
        problems.keep(self.estimate_savings(run, accounts, picture).await);
        let sandboxes: Vec<_> = run.known.values().filter_map(|known| known.sandboxes.first().cloned()).collect();
        let windows = problems.keep(self.console.windows(&sandboxes).await).unwrap_or_default();
        for (id, account) in accounts {
            let told = self.tell_one(run, id, account, picture, windows.get(id)).await;
            problems.keep(told);
        }
        problems.into_result()
    }

    async fn tell_one(
        &mut self,
        run: &Run,
        id: &str,
        account: &Account,
        picture: &Picture,
        window: Option<&Value>,
    ) -> Result<(), Problems> {
        let (Some(known), Some(figures)) = (run.known.get(id), picture.figures.get(id)) else { return Ok(()) };
        let Some(sandbox) = known.sandboxes.first() else { return Ok(()) };
        let now = self.clock.now();
        let policy = run.in_force.configuration.policy(&SPEND_BUDGET);
        let subject = Subject { account: id, known, policy: &policy };
        let spent = subject.spent(account, None, run.today).unwrap_or_default();
        let days: BTreeMap<Date, Amount> = figures.values().flat_map(Figures::days).collect();
        let mut problems = Problems::default();
        for (month, figures) in figures {
            let lasts = Per::Month.period(*month).contains(run.today);
            let of_month = spent.iter().find(|spent| spent.period.contains(*month)).filter(|spent| spent.budget_is_set);
            let mut besides = Besides {
                business_unit: known.business_unit.clone(),
                savings: self.savings(id, *month).await?,
                budget: of_month.map(|spent| subject.standing(spent, account)),
                ..Besides::default()
            };
            if lasts {
                let began = Per::Month.period(*month).begins_at();
                besides.estimate = picture.estimate(known, id, account, began, now);
                if let Some(spent) = of_month {
                    let since = picture.estimate(known, id, account, spent.period.begins_at(), now);
                    let since = since.map(|estimate| estimate.amount).unwrap_or_default();
                    let locked = account.asks_for_lock() && self.is_locked(sandbox).await?;
                    let window = window.and_then(|document| Window::from_json(document).ok());
                    let outlook = Outlook {
                        currency: figures.currency,
                        period: spent.period,
                        spent: &(spent.reported.amount.clone() + since),
                        days: &days,
                        covered_until: picture.covered_until(),
                        now,
                        window: window.as_ref(),
                        locked,
                    };
                    besides.projection = outlook.projection();
                }
            }
            let event = told::spend(sandbox, *month, figures, besides, now);
            let digest = told::digest(&event);
            if account.told.get(month) == Some(&digest) {
                continue;
            }
            if problems.keep(self.outbox.tell(event, now).await).is_some() {
                let noted = change_account(&self.book, id, |account| {
                    account.told.insert(*month, digest);
                });
                problems.keep(noted.await);
            }
        }
        problems.into_result()
    }

    async fn is_locked(&self, sandbox: &Sandbox) -> Result<bool, CallError> {
        Ok(self.console.lock(sandbox, told::LOCK).await?.is_some_and(|lock| lock.held))
    }

    async fn savings(&self, account: &str, month: Date) -> Result<Savings, CallError> {
        let saved: Option<Saved> = book::read(&self.book, savings::page(account, month)).await?;
        Ok(saved.unwrap_or_default().savings)
    }

    /// Notes an action that took effect: what it saved is estimated with the next whole picture.
    pub(super) async fn note_action(&self, envelope: &Envelope) -> Result<(), Problems> {
        let action = match Event::from_detail(&envelope.detail_type, envelope.detail.clone()) {
            Ok(Event::Action(action)) if action.outcome == Outcome::Done => action,
            Ok(_) => return Ok(()),
            Err(error) => {
                tracing::warn!(%error, "action is malformed and was ignored");
                return Ok(());
            }
        };
        if envelope.account.as_ref() != Some(&action.header.sandbox.account) {
            tracing::warn!(action.id = action.header.id, "action speaks for another sandbox and was ignored");
            return Ok(());
        }
        let noted = book::change(&self.book, ACTIONS_PAGE, |actions: Option<Vec<Action>>| {
            let mut actions = actions.unwrap_or_default();
            let known = actions.iter().any(|known| known.header == action.header);
            let room = actions.len() < MOST_ACTIONS;
            if known || !room {
                return (None, room);
            }
            actions.push(action.clone());
            (Some(actions), true)
        });
        if !noted.await? {
            tracing::warn!(action.id = action.header.id, "too many actions wait; what this one saved is not estimated");
        }
        Ok(())
    }

    /// Estimates what noted actions saved, each once.
    async fn estimate_savings(
        &self,
        run: &Run,
        accounts: &BTreeMap<String, Account>,
        picture: &Picture,
    ) -> Result<(), Problems> {
        let actions: Vec<Action> = book::read(&self.book, ACTIONS_PAGE).await?.unwrap_or_default();
        if actions.is_empty() {
            return Ok(());
        }
        let estimated: Vec<_> = stream::iter(&actions)
            .map(|action| async move {
                let id = &action.header.sandbox.account;
                let facts = run
                    .known
                    .get(id)
                    .zip(accounts.get(id))
                    .and_then(|(known, account)| picture.facts(known, id, account));
                if let Some(saving) = facts.and_then(|facts| savings::saving(action, &facts)) {
                    let month = action.header.occurred_at.to_zoned(TimeZone::UTC).date().first_of_month();
                    book::change(&self.book, savings::page(id, month), |saved: Option<Saved>| {
                        let mut saved = saved.unwrap_or_default();
                        let is_new = saved.add(saving.clone());
                        (is_new.then_some(saved), ())
                    })
                    .await?;
                }
                Ok::<_, CallError>(action.header.id.clone())
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut problems = Problems::default();
        let done: BTreeSet<String> = estimated.into_iter().filter_map(|done| problems.keep(done)).collect();
        let rest = book::change(&self.book, ACTIONS_PAGE, |actions: Option<Vec<Action>>| {
            let mut actions = actions.unwrap_or_default();
            actions.retain(|action| !done.contains(&action.header.id));
            (Some(actions), ())
        });
        problems.keep(rest.await);
        problems.into_result()
    }
}
