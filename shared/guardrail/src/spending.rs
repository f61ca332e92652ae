//! What is told of a sandbox's spend.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Header;
use crate::{Amount, Budget, Currency, Mode};

/// `Sandbox Spend`: what a sandbox has spent in a billing month, and where it stands against its budget.
///
/// Amounts are exact and in `currency`. The id is that of the sandbox's month, so a later delivery of the month takes the
/// place of an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SandboxSpend {
    /// What every detail begins with.
    #[serde(flatten)]
    pub header: Header,
    /// The first day of the billing month.
    pub month: Date,
    /// The business unit that pays for it, where the register tells.
    pub business_unit: Option<String>,
    /// The currency of the bill.
    pub currency: Currency,
    /// What was spent in the month, as the cost export says.
    pub reported: Amount,
    /// Up to when the cost export knows what was used.
    pub covered_until: Timestamp,
    /// The delivery of the export that says so.
    pub export: String,
    /// What was spent since, by estimate; only for the month that lasts.
    pub estimate: Option<Estimate>,
    /// What the budget's period will cost in all if things go on as they do; only for the month that lasts.
    pub projection: Option<Projection>,
    /// Where it stands against its budget; none where nobody has set one, or in another currency.
    pub budget: Option<BudgetStanding>,
    /// By service, as the export names it, the most expensive first; 50 at most.
    pub services: Vec<Share>,
    /// By owner, as the tag says, the most expensive first; 50 at most. What has no owner stands under an empty name.
    pub owners: Vec<Share>,
    /// By day.
    pub days: BTreeMap<Date, Amount>,
    /// What the guardrails' actions of the month saved, by estimate.
    pub savings: Savings,
    /// All of this in one sentence.
    pub message: String,
}

/// What a part of the spend is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// The service or the owner.
    pub name: String,
    /// How much.
    pub amount: Amount,
}

/// What was spent since the cost export's last usage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// How much.
    pub amount: Amount,
    /// How far from the truth it may be, either way, as earlier estimates were; none as long as too few are known.
    pub error: Option<Amount>,
    /// How many days' estimates the error was learned from.
    pub learned_from: u32,
    /// From when on it counts.
    pub since: Timestamp,
    /// Until when it counts.
    pub until: Timestamp,
    /// What it was made from, one sentence for each part.
    pub basis: Vec<String>,
}

/// What a period will cost in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Projection {
    /// How much.
    pub amount: Amount,
    /// What it was made from, as a sentence.
    pub basis: String,
}

/// Where a sandbox stands against its budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetStanding {
    /// The budget.
    pub budget: Budget,
    /// For whom it was set: `sandbox`, `business-unit` or `all`.
    pub set_for: String,
    /// The first day of its period; none where everything counts.
    pub from: Option<Date>,
    /// The first day after its period; none where there is no end.
    pub until: Option<Date>,
    /// What was spent in the period, as the cost export says.
    pub reported: Amount,
    /// The same in percent of the budget, rounded down.
    pub percent: i64,
    /// The highest level that is reached, in percent.
    pub level: Option<u16>,
    /// Whether the sandbox is locked at levels that lock.
    pub mode: Mode,
}

/// What actions saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Savings {
    /// In all, by estimate.
    pub total: Amount,
    /// How many actions it was estimated for; the others could not be told, or were of another kind.
    pub actions: u32,
    /// The greatest, 20 at most.
    pub greatest: Vec<Saving>,
}

/// What one action saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Saving {
    /// The action's id.
    pub action: String,
    /// How much.
    pub amount: Amount,
    /// How it was estimated, as a sentence.
    pub basis: String,
}

impl SandboxSpend {
    /// The id of what is told of a sandbox's month.
    pub fn id_of(month: Date) -> String {
        format!("spend/{}", month.strftime("%Y-%m"))
    }
}
