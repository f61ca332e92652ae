//! The answer: exact sums.

use std::collections::BTreeMap;

use guardrail::money::{Amount, Currency};
use jiff::Timestamp;
use jiff::civil::Date;

/// What a sum is of. A dimension that was not asked for, and one that a line does not tell, is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The account that used it.
    pub account: String,
    /// The service, as the export names it.
    pub service: String,
    /// The value of the owner's tag.
    pub owner: String,
    /// The day, in UTC.
    pub day: Option<Date>,
}

/// What usage is summed by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsageKey {
    /// The account that used it.
    pub account: String,
    /// The service, as the export names it.
    pub service: String,
    /// The unit in which it is priced, as the export names it, such as `Hrs`, `DPU-Hour`, `Terabytes`.
    pub unit: String,
    /// The day, in UTC.
    pub day: Date,
}

/// How much was used, and what it cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How much, in the unit.
    pub amount: Amount,
    /// What these lines cost.
    pub cost: Amount,
}

/// What was spent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The currency of every line; none where there is no line.
    pub currency: Option<Currency>,
    /// The billing months that lines belong to, as their first days.
    pub months: std::collections::BTreeSet<Date>,
    /// The sums.
    pub sums: BTreeMap<Key, Amount>,
    /// The usage, where it was asked for: lines of usage only.
    pub usage: BTreeMap<UsageKey, Usage>,
    /// The end of the latest usage that a line speaks of: up to here the export knows what was used.
    pub covered_until: Option<Timestamp>,
    /// How many lines were read, those left out included.
    pub lines: u64,
}

impl Summary {
    /// The sum of everything.
    pub fn total(&self) -> Amount {
        self.sums.values().cloned().sum()
    }
}
