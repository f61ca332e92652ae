//! What the guardrails' actions saved, by estimate.
//!
//! Nobody knows how long something would have gone on that was stopped. It is assumed that
//!
//! | measured was | it would have gone on for |
//! |---|---|
//! | how long it ran, was up or was idle | as long again, a day at most |
//! | how many bytes it scanned | as many bytes again |
//! | anything else: a number, a size, words | one hour |
//!
//! An hour of it is priced by the units of what the service is paid by: those that were measured, or as many as a
//! resource of the service had on average while samples saw this account, or else the organisation. A unit has the
//! price that estimates take ([`mod@crate::estimate`]). Where one of these is not known, nothing is said. Nor is
//! anything said of what does not end something that is paid for by itself: steps run on a cluster that goes on,
//! pipeline executions start jobs of any size, and a query that waits costs nothing.

use std::collections::VecDeque;

use guardrail::spending::{Saving, Savings};
use guardrail::{Action, ActionKind, Amount, Measure, Outcome, Quantity, catalogue};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::estimate::{Facts, brief};
use crate::usage::{Meter, Used, used};

/// The longest that something is assumed to have gone on.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// How long something is assumed to have gone on of which no time was measured.
const OTHERWISE: SignedDuration = SignedDuration::from_hours(1);

/// The decimals of a saving.
const DECIMALS: u8 = 6;

/// The savings that are told one by one.
const GREATEST: usize = 20;

/// The actions that are remembered as counted. An event that comes again comes within a day.
const REMEMBERED: usize = 1_000;

/// The page of what an account's actions of a month saved: [`Saved`].
pub fn page(account: &str, month: Date) -> String {
    format!("spend/savings/{account}/{}", month.strftime("%Y-%m"))
}

/// What an account's actions of a month saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// What is told.
    pub savings: Savings,
    /// The ids of the last actions that were counted, the newest last.
    counted: VecDeque<String>,
}

impl Saved {
    /// Counts what an action saved; not when it was counted before.
    pub fn add(&mut self, saving: Saving) -> bool {
        if self.counted.contains(&saving.action) {
            return false;
        }
        self.counted.push_back(saving.action.clone());
        if self.counted.len() > REMEMBERED {
            self.counted.pop_front();
        }
        let Savings { total, actions, greatest } = &mut self.savings;
        *total += &saving.amount;
        *actions = actions.saturating_add(1);
        greatest.push(saving);
        greatest.sort_by(|a, b| b.amount.cmp(&a.amount).then_with(|| a.action.cmp(&b.action)));
        greatest.truncate(GREATEST);
        true
    }
}

/// What an action saved; none where it saved nothing, and where nothing can be said.
pub fn saving(action: &Action, facts: &Facts<'_>) -> Option<Saving> {
    if action.outcome != Outcome::Done || !ends_what_is_paid_for(action.action) {
        return None;
    }
    let meter = Meter::of(action.service)?;
    let measure = catalogue::find(&action.guardrail)?.measure;
    let (counted, assumed) = assume(meter, measure, action.measured.as_ref(), facts)?;
    let price = facts.price(meter)?;
    let units = meter.units(&counted);
    let amount = (&units * &price.amount).rounded(DECIMALS);
    let (units, unit, money) = (brief(&units), meter.unit(), facts.money(&price.amount, 4));
    let basis = format!("{assumed}: {units} {unit} at {money}, learned from {}", price.of);
    (amount > Amount::zero()).then(|| Saving { action: action.header.id.clone(), amount, basis })
}

fn ends_what_is_paid_for(action: ActionKind) -> bool {
    match action {
        ActionKind::Stop
        | ActionKind::Terminate
        | ActionKind::StopJob
        | ActionKind::StopNotebook
        | ActionKind::DeleteApp
        | ActionKind::StopSession => true,
        ActionKind::CancelStep
        | ActionKind::StopExecution
        | ActionKind::PutPolicy
        | ActionKind::Lock
        | ActionKind::Report => false,
    }
}

/// How much more would have been counted, and why.
fn assume(meter: Meter, measure: Measure, measured: Option<&Quantity>, facts: &Facts<'_>) -> Option<(Amount, String)> {
    let time = match (measure, measured?) {
        (Measure::QueueTime, _) => return None,
        (Measure::BytesScanned, Quantity::Bytes(bytes)) => {
            return Some((Amount::new(i128::from(*bytes), 0), "it would have scanned as many bytes again".to_owned()));
        }
        (_, Quantity::Duration(measured)) => (*measured).clamp(SignedDuration::ZERO, LONGEST),
        _ => OTHERWISE,
    };
    let (a_second, like) = match (measure, measured) {
        // What was measured is what the service is paid by.
        (Measure::Instances | Measure::Dpus, Some(Quantity::Count(count))) => {
            (Amount::new(i128::from(*count), 0), "it was")
        }
        _ => average(meter, facts)?,
    };
    let time = SignedDuration::from_secs(time.as_secs());
    let assumed = format!("it would have gone on for {time:#} as {like}");
    Some((&a_second * &Amount::from(time.as_secs()), assumed))
}

/// What a resource of the service has counted in a second, on average; and whose.
fn average(meter: Meter, facts: &Facts<'_>) -> Option<(Amount, &'static str)> {
    let of = |account: Option<&str>| {
        let Used { amount, running, .. } =
            used(facts.hours, account, Timestamp::MIN, Timestamp::MAX).remove(&meter).unwrap_or_default();
        amount.divided_by(&running)
    };
    let own = of(Some(facts.account)).map(|average| (average, "those of this account do"));
    own.or_else(|| of(None).map(|average| (average, "those of the organisation do")))
}

#[cfg(test)]
mod tests;
