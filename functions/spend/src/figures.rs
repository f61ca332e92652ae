//! What is remembered of a sandbox's spend, between one run and the next, as pages of the table.
//!
//! | page | what |
//! |---|---|
//! | `spend/deliveries` | [`Deliveries`]: what landed, and the delivery in force for each month |
//! | `spend/figures/<account>/<month>` | [`Figures`]: what the account spent in the month |
//! | `spend/account/<account>` | [`Account`]: its months' totals, the levels reached, how well it was estimated |
//! | `spend/usage/…` | what ran in every sandbox: see [`crate::usage`] |
//! | `spend/savings/<account>/<month>` | what the actions of the month saved: see [`crate::savings`] |

use std::collections::{BTreeMap, BTreeSet};

use guardrail::{Amount, Budget, Currency};
use jiff::Timestamp;
use jiff::civil::Date;
use lambda::CallError;
use lambda::book::{self, Book};
use serde::{Deserialize, Serialize};

/// What has landed of the cost export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliveries {
    /// What was dealt with, by key.
    pub seen: BTreeMap<String, Seen>,
    /// The delivery in force for each month, by its first day.
    pub months: BTreeMap<Date, Delivery>,
    /// When the bucket was first looked at.
    pub first_looked_at: Option<Timestamp>,
}

/// Something that landed and was dealt with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What tells this content from others under the key.
    pub etag: String,
    /// When it landed.
    pub delivered_at: Timestamp,
    /// Which charges were counted, and how: another setting is another reading.
    pub counted: String,
    /// Why it could not be read; the figures before it stay in force.
    pub fault: Option<String>,
}

/// The delivery that is in force for a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The key that it landed under.
    pub key: String,
    /// What tells it from other deliveries.
    pub version: String,
    /// When it landed.
    pub delivered_at: Timestamp,
    /// Which charges were counted, and how.
    pub counted: String,
    /// The sandboxes that had figures in it, by account; none any more when it landed long ago.
    pub accounts: BTreeSet<String>,
    /// Up to when it knows what was used; none where it has no line of usage.
    pub covered_until: Option<Timestamp>,
}

/// What an account spent in a month, as one delivery says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// The version of the delivery.
    pub version: String,
    /// When it landed. Figures of a later one take the place of these.
    pub delivered_at: Timestamp,
    /// The currency.
    pub currency: Currency,
    /// Up to when the export knows what was used.
    pub covered_until: Timestamp,
    /// By service and day.
    pub services: BTreeMap<String, BTreeMap<Date, Amount>>,
    /// By owner.
    pub owners: BTreeMap<String, Amount>,
    /// How much of what was used, for what services are priced by.
    pub usage: Vec<DayUsage>,
}

/// How much of a service an account used in a day, and what that cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayUsage {
    /// The service.
    pub service: String,
    /// The unit, as the export names it.
    pub unit: String,
    /// The day.
    pub day: Date,
    /// How much.
    pub amount: Amount,
    /// What it cost.
    pub cost: Amount,
}

impl Figures {
    /// What was spent in all.
    pub fn total(&self) -> Amount {
        self.services.values().flat_map(BTreeMap::values).cloned().sum()
    }

    /// What was spent on each day.
    pub fn days(&self) -> BTreeMap<Date, Amount> {
        let mut days: BTreeMap<Date, Amount> = BTreeMap::new();
        for (day, amount) in self.services.values().flatten() {
            *days.entry(*day).or_default() += amount;
        }
        days
    }
}

/// What is remembered of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What each month cost, by its first day.
    pub months: BTreeMap<Date, MonthTotal>,
    /// What was made of each period of its budget, by the period's days, such as `2026-11-01/2026-12-01`.
    pub periods: BTreeMap<String, Judged>,
    /// How estimates of days compared with what the days cost in the end, the newest last; 60 at most.
    pub errors: Vec<EstimateError>,
    /// What was estimated for days whose cost is not known yet.
    pub estimated_days: BTreeMap<Date, Amount>,
    /// What was last told of each month, as a digest of everything but the time.
    pub told: BTreeMap<Date, u64>,
}

/// What a month cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonthTotal {
    /// How much.
    pub total: Amount,
    /// In what.
    pub currency: Currency,
}

/// What was made of a period of a budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The first day of the period; none where everything counts.
    pub from: Option<Date>,
    /// The budget that was in force when the period was last judged while it lasted. What arrives later is held against
    /// it, and not against what somebody has set since.
    pub budget: Budget,
    /// Whether somebody had set it.
    pub budget_is_set: bool,
    /// Whether a budget of other periods, such as of quarters instead of months, took this one's place before it ended.
    pub replaced: bool,
    /// The levels that were reached, by percentage.
    pub levels: BTreeMap<u16, Reached>,
}

/// A level that was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// The budget it was last found to be a level of.
    pub budget: Budget,
    /// The moment that the finding's id carries: the beginning of the period, or when another budget had cleared the
    /// level before it was reached again, or when it was reached if another period has the beginning and the level too.
    pub episode: Timestamp,
    /// Whether it is reached. One that another budget has cleared is remembered for the moment of its next episode.
    pub standing: bool,
    /// Whether its finding was told.
    pub told: bool,
    /// The lock that was asked for.
    pub asked: Option<Asked>,
    /// When the lock was seen to hold, or to have been released since it was asked for.
    pub settled_at: Option<Timestamp>,
}

/// A lock that was asked for. The command says the same, however often it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// When it was first asked for.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// How the estimate of a day compared with what it cost in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EstimateError {
    /// The day.
    pub day: Date,
    /// What was estimated.
    pub estimated: Amount,
    /// What it cost.
    pub actual: Amount,
}

/// The page of what has landed.
pub const DELIVERIES: &str = "spend/deliveries";

/// The page of what is remembered of an account.
pub fn account_page(account: &str) -> String {
    format!("spend/account/{account}")
}

/// The page of an account's figures of a month.
pub fn figures_page(account: &str, month: Date) -> String {
    format!("spend/figures/{account}/{}", month.strftime("%Y-%m"))
}

/// Changes what is remembered of an account, if the change makes a difference; gives what `change` gave.
///
/// # Errors
/// When the page cannot be read or written.
pub async fn change_account<R>(
    book: &impl Book,
    account: &str,
    mut change: impl FnMut(&mut Account) -> R,
) -> Result<R, CallError> {
    let changed = book::change(book, account_page(account), |before: Option<Account>| {
        let before = before.unwrap_or_default();
        let mut after = before.clone();
        let answer = change(&mut after);
        ((after != before).then_some(after), answer)
    });
    changed.await
}
