//! What is measured and what it is held against: one amount with its unit, or a set of words.

use std::collections::BTreeSet;
use std::fmt;

use bytesize::ByteSize;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

    /// The amount in its smallest unit (nanoseconds, single things, bytes, how many words), so that percentages are
    /// computed without rounding.
    pub fn base_units(&self) -> i128 {
        match self {
            Self::Duration(duration) => duration.as_nanos(),
            Self::Count(count) => i128::from(*count),
            Self::Bytes(bytes) => i128::from(*bytes),
            Self::Words(words) => i128::try_from(words.len()).unwrap_or(i128::MAX),
        }
    }

    /// The amount as a sentence gives it: a duration of a second or more in whole seconds.
    #[must_use]
    pub fn brief(&self) -> Self {
        match self {
            Self::Duration(duration) if duration.as_secs() > 0 => {
                Self::Duration(SignedDuration::from_secs(duration.as_secs()))
            }
            other => other.clone(),
        }
    }

    /// Reads the same kind of quantity as `self` from a parameter's text; `None` when the text is none.
    ///
    /// Durations are `30m`, `2h`, `1h 30m` or ISO 8601 `PT30M`; counts are whole numbers; bytes are `500 MB`, `2TB`,
    /// `1 GiB` or a whole number; words stand between commas.
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
            Self::Words(words) => f.write_str(&words.iter().map(String::as_str).collect::<Vec<_>>().join(",")),
        }
    }
}
