//! What is measured and what it is held against: one amount with its unit, or a set of words.

use std::collections::BTreeSet;
use std::fmt;

use bytesize::ByteSize;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::budget::BUDGET_SYNTAX;
use crate::{Budget, Money};

/// A measured or configured amount. The unit is part of the value, so a limit is never a bare number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// A span of time; ISO 8601 in JSON (`PT30M`).
    Duration(SignedDuration),
    /// A number of things: clusters, instances, vCPUs, GPUs, DPUs.
    Count(u64),
    /// A number of bytes.
    Bytes(u64),
    /// An amount of money, exactly.
    Money(Money),
    /// An amount of money, and what it is for.
    Budget(Budget),
    /// Words: as a limit the patterns that are allowed, as a measurement those found that are not.
    Words(BTreeSet<String>),
}

impl Quantity {
    /// A duration of whole minutes.
    pub const fn minutes(minutes: i64) -> Self {
        Self::Duration(SignedDuration::from_mins(minutes))
    }

    /// Words from a table.
    pub fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Words(words.into_iter().map(str::to_owned).collect())
    }

    /// The amount in its smallest unit (nanoseconds, single things, bytes, billionths of a currency, how many words), so
    /// that percentages are computed without rounding.
    pub fn base_units(&self) -> i128 {
        match self {
            Self::Duration(duration) => duration.as_nanos(),
            Self::Count(count) => i128::from(*count),
            Self::Bytes(bytes) => i128::from(*bytes),
            Self::Money(money) | Self::Budget(Budget { money, .. }) => money.base_units(),
            Self::Words(words) => i128::try_from(words.len()).unwrap_or(i128::MAX),
        }
    }

    /// The amount as a sentence gives it: a duration of a second or more in whole seconds, money to the cent.
    #[must_use]
    pub fn brief(&self) -> Self {
        match self {
            Self::Duration(duration) if duration.as_secs() > 0 => {
                Self::Duration(SignedDuration::from_secs(duration.as_secs()))
            }
            Self::Money(money) => Self::Money(money.brief()),
            other => other.clone(),
        }
    }

    /// Reads the same kind of quantity as `self` from a parameter's text; `None` when the text is none.
    ///
    /// Durations are `30m`, `2h`, `1h 30m` or ISO 8601 `PT30M`; counts are whole numbers; bytes are `500 MB`, `2TB`,
    /// `1 GiB` or a whole number; money is `1500.00 USD`, a budget
    /// `1500.00 USD/month`; words stand between commas.
    pub fn parse_like(&self, text: &str) -> Option<Self> {
        let text = text.trim();
        match self {
            Self::Duration(_) => text.parse().ok().map(Self::Duration),
            Self::Count(_) => text.parse().ok().map(Self::Count),
            // A sign or an exponent is more likely a slip than what was meant.
            Self::Bytes(_) if text.starts_with(|first: char| first.is_ascii_digit()) => {
                text.parse().ok().map(|ByteSize(bytes)| Self::Bytes(bytes))
            }
            Self::Bytes(_) => None,
            Self::Money(_) => text.parse().ok().map(Self::Money),
            Self::Budget(_) => text.parse().ok().map(Self::Budget),
            Self::Words(_) => {
                let words: BTreeSet<String> = text.split(',').map(|word| word.trim().to_owned()).collect();
                words.iter().all(|word| !word.is_empty()).then_some(Self::Words(words))
            }
        }
    }

    /// How to write this kind of quantity in a parameter, for messages.
    pub fn syntax(&self) -> &'static str {
        match self {
            Self::Duration(_) => "a duration such as `30m`, `2h` or `PT30M`",
            Self::Count(_) => "a whole number such as `5`",
            Self::Bytes(_) => "a number of bytes such as `500 MB`, `2 TB` or `1 GiB`",
            Self::Money(_) => "an amount and its currency such as `1500.00 USD`",
            Self::Budget(_) => BUDGET_SYNTAX,
            Self::Words(_) => "words between commas",
        }
    }
}

/// The form used in parameters and in sentences: `1h 30m`, `5`, `10.0 GB`, `m5.*,r5.*`.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration(duration) => write!(f, "{duration:#}"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Bytes(bytes) => write!(f, "{}", ByteSize(*bytes).display().si()),
            Self::Money(money) => write!(f, "{money}"),
            Self::Budget(budget) => write!(f, "{budget}"),
            Self::Words(words) => f.write_str(&words.iter().map(String::as_str).collect::<Vec<_>>().join(",")),
        }
    }
}
