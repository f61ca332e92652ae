//! Where a sandbox stands against its budget: which levels are reached, which of them anew, and which wait for a lock.
//!
//! Pure. A level is found once in a period. Raising the budget clears the levels that are not reached any more;
//! reached again, they are found again, in an episode of their own. A restatement that takes spend below a level and
//! back does not clear it. What a period has cost is held against the budget that was in force while it lasted, also
//! when the figures come after its end; of periods of several kinds, such as a month and its quarter, against the kind
//! that was the last.

use std::collections::{BTreeMap, BTreeSet};

use guardrail::budget::Period;
use guardrail::catalogue::SPEND_BUDGET;
use guardrail::config::parameter_word;
use guardrail::spending::BudgetStanding;
use guardrail::{
    Amount, Belt, Budget, Finding, Level, Measure, Mode, Money, Observation, Policy, Quantity, ScopeKind, Scopes,
    Severity, judge,
};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::figures::{Account, Judged, Reached};
use crate::known::Known;

/// How long after its end a period is still judged: by then AWS has closed the bill.
const CLOSED_AFTER: i64 = 62;

/// What is asked of a sandbox's account.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The account.
    pub account: &'a str,
    /// What the hub knows of it.
    pub known: &'a Known,
    /// The policy of budgets in force.
    pub policy: &'a Policy,
}

/// A period of a budget, and what was spent in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The period.
    pub period: Period,
    /// The budget that holds for it.
    pub budget: Budget,
    /// Whether somebody has set it.
    pub budget_is_set: bool,
    /// What the cost export says.
    pub reported: Money,
    /// The same with the estimate of what was spent since; only in the period that lasts.
    pub estimated: Option<Money>,
}

/// Why a sandbox is not held to a budget.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unheld {
    /// Its months are billed in several currencies.
    #[error("the months of its budget's period are billed in several currencies")]
    Currencies,
    /// Its budget is in another currency than its bill.
    #[error("its budget is {budget}, and its bill is in {billed}")]
    OtherCurrency {
        /// The budget.
        budget: Budget,
        /// What its bill is in.
        billed: guardrail::Currency,
    },
}

impl Subject<'_> {
    /// The scopes that settings for it may have.
    pub fn scopes(&self) -> Scopes {
        let unit = self.known.business_unit.clone().map(|unit| (ScopeKind::BusinessUnit, unit));
        [(ScopeKind::Sandbox, self.account.to_owned())].into_iter().chain(unit).collect()
    }

    /// The budget in force.
    pub fn budget(&self) -> Option<&Budget> {
        match self.policy.limit.of(&self.scopes()) {
            Quantity::Budget(budget) => Some(budget),
            _ => None,
        }
    }

    /// Whether somebody has set it.
    pub fn is_set(&self) -> bool {
        self.policy.limit_is_set_for(&self.scopes())
    }

    /// For whom the budget in force was set.
    pub fn set_for(&self) -> &'static str {
        match self.policy.limit.with_scope(&self.scopes()).0 {
            Some((kind, _)) => kind.as_str(),
            None => "all",
        }
    }

    /// The periods to judge, and what was spent in each: the one that lasts on this day, and those that ended not long
    /// ago and were judged while they lasted.
    ///
    /// # Errors
    /// When amounts cannot be compared.
    pub fn spent(&self, account: &Account, estimate: Option<&Amount>, today: Date) -> Result<Vec<Spent>, Unheld> {
        let Some(budget) = self.budget() else { return Ok(Vec::new()) };
        let ended = account.periods.values().filter(|judged| judged.is_awaited(today));
        // What of an ended period cannot be compared was told while it lasted, and does not keep the next from being
        // held.
        let ended = ended.filter_map(|judged| {
            account.held_against(judged.period(), &judged.budget, judged.budget_is_set).ok().flatten()
        });
        let mut all: Vec<Spent> = ended.collect();
        if let Some(mut lasting) = account.held_against(budget.per.period(today), budget, self.is_set())? {
            let Money { amount, currency } = &lasting.reported;
            lasting.estimated = estimate.map(|more| Money::new(amount.clone() + more.clone(), *currency));
            all.push(lasting);
        }
        Ok(all)
    }

    /// The findings of what was spent in a period, as the policy has them.
    pub fn judge(&self, spent: &Spent, now: Timestamp, belt: &mut Belt) -> Vec<Finding> {
        let Some(sandbox) = self.known.sandboxes.first() else { return Vec::new() };
        // The period's own budget holds, whoever it was set for; levels and mode are those in force.
        let mut policy = self.policy.clone();
        policy.limit.scopes.clear();
        policy.limit.sandbox = Quantity::Budget(spent.budget.clone());
        policy.limit_is_set = spent.budget_is_set;
        let mut observation = Observation::new("sandbox", self.account, "billed", spent.period.begins_at());
        observation.scopes = self.scopes();
        let mut observation = observation.amount(Measure::Spend, Quantity::Money(spent.reported.clone()));
        if let Some(estimated) = &spent.estimated {
            observation = observation.amount(Measure::EstimatedSpend, Quantity::Money(estimated.clone()));
        }
        judge(&policy, &[observation], sandbox, now, belt)
    }

    /// The period of its budget that lasts on this day.
    pub fn lasting(&self, today: Date) -> Option<Period> {
        self.budget().map(|budget| budget.per.period(today))
    }

    /// What was spent in percent of the budget, rounded down.
    pub fn percent(&self, spent: &Spent) -> i64 {
        let hundredfold = &spent.reported.amount * &Amount::from(100);
        hundredfold.divided_by(&spent.budget.money.amount).unwrap_or_default().whole()
    }

    /// Whether it can be told of a level that it is not reached: not while nobody looks, nor of one that acts by an
    /// estimate where there is none.
    fn tells_of(&self, percent: u16, spent: &Spent) -> bool {
        let rung = self.policy.levels.of(&self.scopes()).rung(Level { percent, severity: Severity::Breach });
        self.mode() != Mode::Off && (!rung.estimated || spent.estimated.is_some())
    }

    /// Where it stands, as it is told.
    pub fn standing(&self, spent: &Spent, account: &Account) -> BudgetStanding {
        let Spent { period, budget, reported, .. } = spent;
        let levels = account.judged(*period).into_iter().flat_map(|judged| &judged.levels);
        BudgetStanding {
            budget: budget.clone(),
            set_for: self.set_for().to_owned(),
            from: period.from,
            until: period.until,
            reported: reported.amount.clone(),
            percent: self.percent(spent),
            level: levels.filter(|(_, reached)| reached.standing).map(|(percent, _)| *percent).max(),
            mode: self.mode(),
        }
    }

    /// The parameter that the budget in force stands in.
    pub fn parameter(&self) -> String {
        let path = SPEND_BUDGET.parameter_path();
        match self.policy.limit.with_scope(&self.scopes()).0 {
            Some((ScopeKind::Sandbox, scope)) => format!("{path}/limit/{scope}"),
            Some((kind, scope)) => format!("{path}/limit/{kind}/{}", parameter_word(scope)),
            None => format!("{path}/limit"),
        }
    }

    /// The mode in force.
    pub fn mode(&self) -> Mode {
        *self.policy.mode.of(&self.scopes())
    }
}

impl Account {
    /// What the months of a period cost, as far as figures are there: nothing in a period that has just begun, and
    /// none where there are no figures at all.
    ///
    /// # Errors
    /// When they are in several currencies.
    pub fn spent_in(&self, period: Period) -> Result<Option<Money>, Unheld> {
        let mut spent: Option<Money> = None;
        let nothing = || Some(Money::new(Amount::zero(), self.months.values().next_back()?.currency));
        for month in self.months.iter().filter(|(month, _)| period.contains(**month)).map(|(_, month)| month) {
            match &mut spent {
                None => spent = Some(Money::new(month.total.clone(), month.currency)),
                Some(spent) if spent.currency == month.currency => spent.amount += &month.total,
                Some(_) => return Err(Unheld::Currencies),
            }
        }
        Ok(spent.or_else(nothing))
    }

    /// What was spent in a period that this budget is for; none where there are no figures at all.
    fn held_against(&self, period: Period, budget: &Budget, budget_is_set: bool) -> Result<Option<Spent>, Unheld> {
        let Some(reported) = self.spent_in(period)? else { return Ok(None) };
        if reported.currency != budget.money.currency {
            return Err(Unheld::OtherCurrency { budget: budget.clone(), billed: reported.currency });
        }
        Ok(Some(Spent { period, budget: budget.clone(), budget_is_set, reported, estimated: None }))
    }

    /// Enters the levels that were found in a period of the subject's, and puts each finding into its episode. Levels
    /// that are not reached any more are cleared when they were those of another budget.
    pub fn enter(
        &mut self,
        subject: &Subject<'_>,
        spent: &Spent,
        findings: &mut [Finding],
        today: Date,
        now: Timestamp,
    ) {
        let lasts = spent.period.contains(today);
        if lasts {
            let lasting = self.periods.values_mut().filter(|judged| judged.period().contains(today));
            lasting.for_each(|judged| judged.replaced = true);
        }
        // A year, its first quarter and its first month begin at the same moment, and ids tell periods apart by
        // nothing else: a level has its first episode at the beginning only where no other such period has the level,
        // and no episode at a moment at which it has one in another period.
        let begins_at = spent.period.begins_at();
        let mut taken: BTreeSet<(u16, Timestamp)> = BTreeSet::new();
        for judged in self.periods.values().filter(|judged| judged.period() != spent.period) {
            let begin = judged.period().begins_at();
            taken.extend(
                judged.levels.iter().flat_map(|(percent, level)| [(*percent, begin), (*percent, level.episode)]),
            );
        }
        let moments =
            || std::iter::successors(Some(now), |moment| moment.checked_add(SignedDuration::from_secs(1)).ok());
        let free = |percent| moments().find(|moment| !taken.contains(&(percent, *moment))).unwrap_or(now);
        let judged = self.periods.entry(key_of(spent.period)).or_insert_with(|| Judged {
            from: spent.period.from,
            budget: spent.budget.clone(),
            budget_is_set: spent.budget_is_set,
            replaced: false,
            levels: BTreeMap::new(),
        });
        if lasts {
            judged.budget = spent.budget.clone();
            judged.budget_is_set = spent.budget_is_set;
            judged.replaced = false;
        }
        for (percent, reached) in &mut judged.levels {
            let found = findings.iter().any(|finding| finding.level.percent == *percent);
            let other = reached.budget != spent.budget;
            if reached.standing && !found && other && subject.tells_of(*percent, spent) {
                reached.standing = false;
                reached.episode = free(*percent);
            }
        }
        for finding in findings {
            let percent = finding.level.percent;
            let begin = |episode| Reached {
                budget: spent.budget.clone(),
                episode,
                standing: true,
                told: false,
                asked: None,
                settled_at: None,
            };
            let reached = judged.levels.entry(percent).or_insert_with(|| {
                begin(if taken.contains(&(percent, begins_at)) { free(percent) } else { begins_at })
            });
            if reached.standing {
                reached.budget = spent.budget.clone();
            } else {
                *reached = begin(reached.episode);
            }
            finding.episode = Some(reached.episode);
            finding.header.id = Finding::id_of(&SPEND_BUDGET, &finding.resource, finding.level, finding.episode);
        }
    }

    /// Notes that a finding was told, whichever period it is of.
    pub fn note_told(&mut self, finding: &Finding) {
        let levels = self.periods.values_mut().filter_map(|judged| judged.levels.get_mut(&finding.level.percent));
        for reached in levels.filter(|reached| Some(reached.episode) == finding.episode) {
            reached.told = true;
        }
    }

    /// What was made of a period.
    pub fn judged(&self, period: Period) -> Option<&Judged> {
        self.periods.get(&key_of(period))
    }

    /// What was made of a level in a period.
    pub fn reached(&self, period: Period, percent: u16) -> Option<&Reached> {
        self.judged(period)?.levels.get(&percent)
    }

    /// The same, to be changed.
    pub fn reached_mut(&mut self, period: Period, percent: u16) -> Option<&mut Reached> {
        self.periods.get_mut(&key_of(period))?.levels.get_mut(&percent)
    }

    /// Whether a lock was ever asked for.
    pub fn asks_for_lock(&self) -> bool {
        self.periods.values().flat_map(|judged| judged.levels.values()).any(|reached| reached.asked.is_some())
    }
}

/// The key of a period among all that an account was judged in.
fn key_of(period: Period) -> String {
    let day = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
    format!("{}/{}", day(period.from), day(period.until))
}

impl Judged {
    /// The period.
    fn period(&self) -> Period {
        self.budget.per.period(self.from.unwrap_or(Date::MIN))
    }

    /// Whether it has ended, and not so long ago that its figures are final.
    fn is_awaited(&self, today: Date) -> bool {
        let ended = self.period().until.filter(|until| *until <= today && !self.replaced);
        let ago = ended.and_then(|until| until.until(today).ok());
        ago.is_some_and(|ago| i64::from(ago.get_days()) <= CLOSED_AFTER)
    }
}

impl Reached {
    /// Whether its finding is still to be told: for the first time, or again because nobody has seen it settled.
    pub fn is_open(&self, finding: &Finding) -> bool {
        !self.told || finding.wants_action() && self.settled_at.is_none()
    }
}

#[cfg(test)]
mod tests;
