//! What a budget's period will cost in all, if things go on as they do while the sandbox is open.

use std::collections::BTreeMap;

use guardrail::budget::Period;
use guardrail::spending::Projection;
use guardrail::{Amount, Currency, Money};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use window::{State, Window};

use crate::estimate::{Days, brief, counted, full_days, start_of};

/// The decimals of a projection.
const DECIMALS: u8 = 6;

/// What a projection is made from.
#[derive(Clone, Copy, Debug)]
pub struct Outlook<'a> {
    /// The currency.
    pub currency: Currency,
    /// The budget's period.
    pub period: Period,
    /// What was spent in it so far: what the export says, and what was spent since by estimate.
    pub spent: &'a Amount,
    /// What each day cost, as the export says; of the period and of the month before.
    pub days: &'a BTreeMap<Date, Amount>,
    /// Up to when the export knows what was used.
    pub covered_until: Timestamp,
    /// The moment that it is made.
    pub now: Timestamp,
    /// When the sandbox is open; always, where there is no window. Its calendar is not asked.
    pub window: Option<&'a Window>,
    /// Whether the sandbox is locked.
    pub locked: bool,
}

impl Outlook<'_> {
    /// What the period will cost: what was spent so far, and as much for each open hour that is left as open hours cost
    /// in the last seven full days that the export covers, or in those of the period if they are fewer. Where no hour
    /// of those days was open, all hours count. A locked sandbox spends nothing more. None for a period without an end,
    /// and where the export covers no full day.
    pub fn projection(&self) -> Option<Projection> {
        let (ends_at, last) = (self.period.ends_at()?, self.period.until?.yesterday().ok()?);
        let so_far = format!("{} so far", self.money(self.spent, 2));
        if self.locked {
            let basis = format!("{so_far}, and nothing more while the sandbox is locked");
            return Some(Projection { amount: self.spent.rounded(DECIMALS), basis });
        }
        let days = self.learns_from()?;
        let cost: Amount = self.days.range(days.from..days.until).map(|(_, cost)| cost.clone()).sum();
        let open = |from, until| self.open(self.window, from, until);
        let (learnt, left, which) = match open(start_of(days.from), start_of(days.until)) {
            SignedDuration::ZERO => {
                let all = |from, until| self.open(None, from, until);
                (all(start_of(days.from), start_of(days.until)), all(self.now, ends_at), "hours")
            }
            learnt => (learnt, open(self.now, ends_at), if self.window.is_some() { "open hours" } else { "hours" }),
        };
        let seconds = |time: SignedDuration| Amount::from(time.as_secs());
        let more = (&cost * &seconds(left)).divided_by(&seconds(learnt))?;
        let rate = (&cost * &Amount::from(60 * 60)).divided_by(&seconds(learnt))?;
        let basis = format!(
            "{so_far}, and {} for each of the {} {which} until the end of {last}, as in the {} before {}",
            self.money(&rate, 4),
            brief(&seconds(left).divided_by(&Amount::from(60 * 60))?),
            counted(days.count(), "day"),
            days.until,
        );
        Some(Projection { amount: (self.spent.clone() + more).rounded(DECIMALS), basis })
    }

    /// The days whose cost tells what an hour costs.
    fn learns_from(&self) -> Option<Days> {
        let days = full_days(self.days.keys().next().copied(), self.covered_until)?;
        // A period that has just begun tells nothing yet.
        let within = self.period.from.map(|from| Days { from: days.from.max(from), ..days });
        Some(within.filter(|within| within.from < within.until).unwrap_or(days))
    }

    /// How long the sandbox is open between two moments.
    fn open(&self, window: Option<&Window>, from: Timestamp, until: Timestamp) -> SignedDuration {
        let Some(window) = window.filter(|_| from < until) else {
            return until.duration_since(from).max(SignedDuration::ZERO);
        };
        let (mut since, mut state, mut open) = (from, window.state_at(from), SignedDuration::ZERO);
        let changes = window.transitions(from, until).map(|change| (change.at, change.state));
        for (at, next) in changes.chain([(until, State::Closed)]) {
            if state == State::Open {
                open = open.saturating_add(at.duration_since(since));
            }
            (since, state) = (at, next);
        }
        open
    }

    fn money(&self, amount: &Amount, decimals: u8) -> Money {
        Money::new(amount.rounded(decimals), self.currency)
    }
}

#[cfg(test)]
mod tests;
