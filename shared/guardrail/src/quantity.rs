//! What is measured and what it is held against: one amount with its unit.

use std::fmt;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A measured or configured amount. The unit is part of the value, so a limit is never a bare number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// A span of time; ISO 8601 in JSON (`PT30M`).
    Duration(SignedDuration),
}

impl Quantity {
    /// A duration of whole minutes, for tables.
    pub const fn minutes(minutes: i64) -> Self {
        Self::Duration(SignedDuration::from_mins(minutes))
    }

    /// The amount in its smallest unit (nanoseconds), so that percentages are computed without rounding.
    pub fn base_units(self) -> i128 {
        match self {
            Self::Duration(duration) => duration.as_nanos(),
        }
    }

    /// The amount as a sentence gives it: a duration of a second or more in whole seconds.
    pub fn brief(self) -> Self {
        match self {
            Self::Duration(duration) if duration.as_secs() > 0 => {
                Self::Duration(SignedDuration::from_secs(duration.as_secs()))
            }
            other => other,
        }
    }

    /// Reads the same kind of quantity as `self` from a parameter's text.
    ///
    /// Durations are `30m`, `2h`, `1h 30m` or ISO 8601 `PT30M`. Returns `None` when the text is none of these.
    pub fn parse_like(self, text: &str) -> Option<Self> {
        match self {
            Self::Duration(_) => text.trim().parse().ok().map(Self::Duration),
        }
    }

    /// How to write this kind of quantity in a parameter, for messages.
    pub fn syntax(self) -> &'static str {
        match self {
            Self::Duration(_) => "a duration such as `30m`, `2h` or `PT30M`",
        }
    }
}

/// The form used in parameters and in sentences: `1h 30m`.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration(duration) => write!(f, "{duration:#}"),
        }
    }
}
