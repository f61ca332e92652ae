//! Budgets: an amount of money, and the time it is for.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::money::{Amount, Money};

/// How to write a budget, for messages.
pub const BUDGET_SYNTAX: &str = "an amount, its currency and what it is for, such as `1500.00 USD` or `1500.00 USD/month`, `4500 USD/quarter`, `18000 USD/year`, `50000 USD/total`; more than 0, with 6 decimals at most";

/// What a budget is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// A calendar month.
    #[default]
    Month,
    /// A quarter of the calendar year.
    Quarter,
    /// A calendar year.
    Year,
    /// Everything, from the beginning on.
    Total,
}

/// The days that a budget is for, in UTC as AWS bills them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    /// The first day; none where everything counts.
    pub from: Option<Date>,
    /// The first day that does not count any more; none where there is no end.
    pub until: Option<Date>,
}

/// An amount of money, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Budget {
    /// How much.
    pub money: Money,
    /// What for.
    pub per: Per,
}

impl Per {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Month, Self::Quarter, Self::Year, Self::Total];

    /// The word used in parameters and events, such as `month`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
            Self::Total => "total",
        }
    }

    /// The period that a day falls into.
    pub fn period(self, day: Date) -> Period {
        let (months, from) = match self {
            Self::Month => (1, day.first_of_month()),
            Self::Quarter => {
                let into = (day.month() - 1) % 3;
                (3, day.first_of_month().saturating_sub(i64::from(into).months()))
            }
            Self::Year => (12, day.first_of_year()),
            Self::Total => return Period { from: None, until: None },
        };
        Period { from: Some(from), until: from.checked_add(months.months()).ok() }
    }
}

impl Period {
    /// Whether a day counts.
    pub fn contains(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day < until)
    }

    /// The moment it begins; the beginning of time where everything counts.
    pub fn begins_at(&self) -> Timestamp {
        self.from.and_then(start_of).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The moment it ends, if it does.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.until.and_then(start_of)
    }
}

/// The moment at which a day begins in UTC.
fn start_of(day: Date) -> Option<Timestamp> {
    day.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// In words: `November 2026`, `the third quarter of 2026` as `July to September 2026`, `2026`, `everything`.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(from), Some(until)) = (self.from, self.until) else { return f.write_str("everything so far") };
        let last = until.yesterday().unwrap_or(until);
        if (from.month(), from.year()) == (last.month(), last.year()) {
            write!(f, "{}", from.strftime("%B %Y"))
        } else if from == from.first_of_year() && last == last.last_of_year() {
            write!(f, "{}", from.year())
        } else {
            write!(f, "{} to {}", from.strftime("%B"), last.strftime("%B %Y"))
        }
    }
}

impl Budget {
    /// A budget.
    pub fn new(money: Money, per: Per) -> Self {
        Self { money, per }
    }

    /// Whether it can be held to: more than nothing, and written by somebody who did not slip.
    pub fn is_sound(&self) -> bool {
        let amount = &self.money.amount;
        let greatest = Amount::new(1, -12);
        *amount > Amount::zero() && *amount <= greatest && amount.rounded(6) == *amount
    }
}

/// The form used in parameters: `1500.00 USD/month`.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.money, self.per.as_str())
    }
}

/// A text that is no budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {BUDGET_SYNTAX}")]
pub struct NotABudget;

impl FromStr for Budget {
    type Err = NotABudget;

    fn from_str(text: &str) -> Result<Self, NotABudget> {
        let (money, per) = match text.split_once('/') {
            Some((money, per)) => (money, Per::ALL.into_iter().find(|known| known.as_str() == per.trim())),
            None => (text, Some(Per::default())),
        };
        let money = money.parse().map_err(|_| NotABudget)?;
        Ok(Self { money, per: per.ok_or(NotABudget)? })
    }
}

impl Serialize for Budget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Budget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Budget {
    fn schema_name() -> Cow<'static, str> {
        "Budget".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An exact amount, its currency and what it is for.",
            "type": "string",
            "pattern": r"^[0-9]+\.[0-9]{2,} [A-Z]{3}/(month|quarter|year|total)$",
        })
    }
}

#[cfg(test)]
mod tests;
