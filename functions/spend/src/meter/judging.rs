//! How every known sandbox is held against its budget, and what is found besides: sandboxes without one, and cost data
//! that does not come any more.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use guardrail::catalogue::{self, SPEND_BUDGET};
use guardrail::{Amount, Belt, ConfigurationRejected, Finding, Header, Measure, Observation, Policy, judge};
use jiff::Timestamp;
use jiff::civil::Date;
use lambda::book::{self, Book, ReadAll};
use lambda::bus::Bus;
use lambda::ledger::Ledger;
use lambda::parameters::ParameterStore;
use lambda::{CallError, Clock, Problems};

use super::{AT_ONCE, Meter, Run};
use crate::exports::Exports;
use crate::figures::{Account, DELIVERIES, Deliveries, change_account};
use crate::known::Console;
use crate::picture::Picture;
use crate::queries::Queries;
use crate::standing::{Subject, Unheld};

const BUDGET_SET: &str = "spend-budget-set";
const DATA_AGE: &str = "spend-data-age";

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
    /// Holds every known sandbox against its budget and reports what is found; gives how many findings are open.
    /// Without a picture, nothing is estimated, and levels that act by estimate stay as they are.
    pub(super) async fn judge_all(
        &mut self,
        run: &Run,
        accounts: &BTreeMap<String, Account>,
        picture: Option<&Picture>,
    ) -> Result<usize, Problems> {
        let mut problems = Problems::default();
        let policy = run.in_force.configuration.policy(&SPEND_BUDGET);
        let now = self.clock.now();
        let estimate = |id: &str, account: &Account| {
            let known = run.known.get(id)?;
            let began = Subject { account: id, known, policy: &policy }.lasting(run.today)?.begins_at();
            picture?.estimate(known, id, account, began, now).map(|estimate| estimate.amount)
        };
        let estimates = accounts.iter().filter_map(|(id, account)| Some((id.clone(), estimate(id, account)?)));
        let estimates: BTreeMap<String, Amount> = estimates.collect();
        let held_back = held_back(run, &policy, accounts, &estimates, now);
        let judged: Vec<_> = stream::iter(accounts)
            .map(|(id, account)| {
                let days = picture.zip(run.known.get(id)).map(|(picture, known)| picture.days(known, id, account, now));
                let order = Order { estimate: estimates.get(id), days, held_back: held_back.contains(id) };
                let judging = self.judge_one(run, &policy, (id, account), order, now);
                async move { (id, judging.await) }
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let (mut open, mut unset, mut unseen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (id, judged) in judged {
            match problems.keep(judged) {
                Some(judged) => {
                    open.extend(judged.open);
                    unset.extend(judged.unset);
                }
                None => drop(unseen.insert(id.clone())),
            }
        }
        open.sort_by(|a, b| a.header.id.cmp(&b.header.id));
        let count = open.len();
        let reported = self.outbox.report(open.clone(), now).await;
        if problems.keep(reported).is_some() {
            problems.keep(self.note_told(&open).await);
        }
        if picture.is_some() {
            problems.keep(self.judge_unset(run, unset, &unseen, now).await);
        }
        problems.into_result().map(|()| count)
    }

    async fn judge_one(
        &self,
        run: &Run,
        policy: &Policy,
        (account, remembered): (&str, &Account),
        order: Order<'_>,
        now: Timestamp,
    ) -> Result<JudgedOne, CallError> {
        let Some(known) = run.known.get(account) else { return Ok(JudgedOne::default()) };
        let Order { estimate, days, held_back } = order;
        let subject = Subject { account, known, policy };
        let judge = |account: &mut Account| {
            if let Some(days) = &days {
                account.estimated_days.clone_from(days);
            }
            let spent = subject.spent(account, estimate, run.today)?;
            let mut open = Vec::new();
            for spent in &spent {
                let mut belt = Belt::new(if held_back { 0 } else { u32::MAX });
                let mut findings = subject.judge(spent, now, &mut belt);
                account.enter(&subject, spent, &mut findings, run.today, now);
                let is_open = |finding: &Finding| {
                    let reached = account.reached(spent.period, finding.level.percent);
                    reached.is_some_and(|reached| reached.is_open(finding))
                };
                open.extend(findings.into_iter().filter(is_open));
            }
            Ok(open)
        };
        // Where nothing changes, the page need not be read again that was read with all the others.
        let mut after = remembered.clone();
        let judged = match judge(&mut after) {
            judged if after == *remembered => judged,
            _ => change_account(&self.book, account, judge).await?,
        };
        match judged {
            Ok(open) => {
                let unset = (!subject.is_set()).then(|| Unset { account: account.to_owned(), other: None });
                Ok(JudgedOne { open, unset })
            }
            Err(unheld) => {
                tracing::error!(account, why = %unheld, "sandbox is not held to its budget");
                Ok(JudgedOne {
                    open: Vec::new(),
                    unset: Some(Unset { account: account.to_owned(), other: Some(unheld) }),
                })
            }
        }
    }

    /// Notes of findings that they were told, so that a sweep need not ask the ledger.
    async fn note_told(&self, told: &[Finding]) -> Result<(), Problems> {
        let mut by_account: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
        for finding in told.iter().filter(|finding| !finding.held_back) {
            by_account.entry(&finding.resource.id).or_default().push(finding);
        }
        let noted = stream::iter(by_account).map(|(account, told)| {
            change_account(&self.book, account, move |account| {
                for finding in &told {
                    account.note_told(finding);
                }
            })
        });
        let noted: Vec<_> = noted.buffer_unordered(AT_ONCE).collect().await;
        let mut problems = Problems::default();
        for noted in noted {
            problems.keep(noted);
        }
        problems.into_result()
    }

    /// Finds sandboxes without a budget, and budgets in another currency than the bill. What is unseen lasts.
    async fn judge_unset(
        &mut self,
        run: &Run,
        unset: Vec<Unset>,
        unseen: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let configuration = &run.in_force.configuration;
        let Some(guardrail) = catalogue::find(BUDGET_SET) else { return Ok(()) };
        let policy = configuration.policy(guardrail);
        let mut belt = Belt::new(policy.max_actions);
        let mut findings = Vec::new();
        for Unset { account, other } in unset {
            let Some(known) = run.known.get(&account) else { continue };
            let Some(sandbox) = known.sandboxes.first() else { continue };
            let mut observation = Observation::new("sandbox", &account, "billed", now);
            observation.scopes = Subject { account: &account, known, policy: &policy }.scopes();
            let observation = observation.words(Measure::BudgetSet, ["missing"]);
            findings.extend(judge(&policy, &[observation], sandbox, now, &mut belt));
            if let Some(Unheld::OtherCurrency { budget, billed }) = other {
                let subject = Subject { account: &account, known, policy: &configuration.policy(&SPEND_BUDGET) };
                let parameter = subject.parameter();
                // The parameter is the hub's own, and for nobody else does the console believe it.
                let event = ConfigurationRejected {
                    header: Header::new(format!("configuration{parameter}/{budget}"), &self.hub, now),
                    parameter,
                    value: budget.to_string(),
                    expected: format!("a budget in {billed}, the currency of the bill"),
                    in_force: "no budget".to_owned(),
                };
                problems.keep(self.outbox.tell_once(event, now).await);
            }
        }
        let found: BTreeSet<String> = findings.iter().map(|finding| finding.header.id.clone()).collect();
        problems.keep(self.outbox.end_episodes(&[BUDGET_SET], &found, unseen).await);
        problems.keep(self.outbox.report(findings, now).await);
        problems.into_result()
    }

    /// Finds cost data that does not come any more.
    pub(super) async fn judge_data_age(&mut self, run: &Run) -> Result<(), Problems> {
        let now = self.clock.now();
        let Some(guardrail) = catalogue::find(DATA_AGE) else { return Ok(()) };
        let last = book::change(&self.book, DELIVERIES, |deliveries: Option<Deliveries>| {
            let mut deliveries = deliveries.unwrap_or_default();
            let last = deliveries.last_delivered().or(deliveries.first_looked_at);
            let first_look = deliveries.first_looked_at.is_none();
            deliveries.first_looked_at.get_or_insert(now);
            (first_look.then_some(deliveries), last.unwrap_or(now))
        });
        let last = last.await?;
        let policy = run.in_force.configuration.policy(guardrail);
        let export = Observation::new("export", &self.export, "delivered", last).since(Measure::DataAge, last);
        let mut belt = Belt::new(policy.max_actions);
        self.outbox.report(judge(&policy, &[export], &self.hub, now, &mut belt), now).await.map(drop)
    }
}

/// A sandbox that is not held to a budget.
struct Unset {
    account: String,
    /// Why, where somebody has set one.
    other: Option<Unheld>,
}

/// What is judged of one account.
struct Order<'a> {
    /// What was spent since its figures.
    estimate: Option<&'a Amount>,
    /// The estimates of days whose cost is not known yet, where they were made anew.
    days: Option<BTreeMap<Date, Amount>>,
    /// Whether a lock waits for the next run.
    held_back: bool,
}

#[derive(Default)]
struct JudgedOne {
    open: Vec<Finding>,
    unset: Option<Unset>,
}

/// The accounts whose lock waits for the next run, because this one has asked for as many as it may: those that are
/// the least over.
fn held_back(
    run: &Run,
    policy: &Policy,
    accounts: &BTreeMap<String, Account>,
    estimates: &BTreeMap<String, Amount>,
    now: Timestamp,
) -> BTreeSet<String> {
    let mut asking: Vec<(i64, &String)> = Vec::new();
    for (id, account) in accounts {
        let Some(known) = run.known.get(id) else { continue };
        let subject = Subject { account: id, known, policy };
        let mut account = account.clone();
        let Ok(spent) = subject.spent(&account, estimates.get(id), run.today) else { continue };
        for spent in &spent {
            let mut findings = subject.judge(spent, now, &mut Belt::new(u32::MAX));
            account.enter(&subject, spent, &mut findings, run.today, now);
            let asks = findings.iter().any(|finding| {
                let reached = account.reached(spent.period, finding.level.percent);
                finding.wants_action() && reached.is_some_and(|reached| reached.is_open(finding))
            });
            if asks {
                asking.push((subject.percent(spent), id));
            }
        }
    }
    asking.sort_by(|a, b| b.cmp(a));
    asking.dedup_by(|a, b| a.1 == b.1);
    let most = usize::try_from(policy.max_actions).unwrap_or(usize::MAX);
    asking.into_iter().skip(most).map(|(_, id)| id.clone()).collect()
}
