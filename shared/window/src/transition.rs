//! What is told of a window: its state, when and why that changes, and what does not occur.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A moment at which the state changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transition {
    /// The first instant of the new state.
    pub at: Timestamp,
    /// The new state.
    pub state: State,
    /// Why it changes.
    pub cause: Cause,
    /// Path of the entry whose edge this is, such as `open[0]` or `closed_dates[1]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The reason that an extension or closure gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is in force at an instant, and the entry that decides it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether the sandbox is open.
    pub state: State,
    /// What kind of entry decides: `closure`, `extension`, `holiday` (a closed date or the calendar) or `rule`.
    pub cause: Cause,
    /// Path of the entry that decides, `calendar` for the calendar; none when it is closed because no rule opens it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The reason that an extension or closure gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A period that does not occur, because all of it lies in hours that its zone skips.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Path of the entry, such as `open[1]`.
    pub source: String,
    /// The date on which it would begin.
    pub date: Date,
    /// When it would begin, in local time.
    pub from: DateTime,
    /// When it would end, in local time.
    pub to: DateTime,
    /// The first local time that the zone skips.
    pub gap_from: DateTime,
    /// The first local time after the skipped ones.
    pub gap_to: DateTime,
}

/// Whether a sandbox is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// People work in it.
    Open,
    /// Nobody gets in and nothing is left running.
    Closed,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "open",
            Self::Closed => "closed",
        })
    }
}

/// Why the state changes, or is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// It was so when somebody began to look. Only those who list transitions say so, never a [`Transition`] itself.
    Initial,
    /// An open rule begins or ends.
    Rule,
    /// A closed date begins or ends, or the calendar says closed.
    Holiday,
    /// An extension begins or ends.
    Extension,
    /// A closure begins or ends.
    Closure,
    /// The edge of an entry lies in hours that the zone skips, and moved to the first instant after them.
    Gap,
    /// The edge of an entry lies in hours that the zone repeats: a start is the first occurrence, an end the last.
    Fold,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Initial => "initial",
            Self::Rule => "rule",
            Self::Holiday => "holiday",
            Self::Extension => "extension",
            Self::Closure => "closure",
            Self::Gap => "gap",
            Self::Fold => "fold",
        })
    }
}

/// What an SSM Change Calendar says. It has the rank of closed dates: it may close what a rule opens, and no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calendar {
    /// There is none, or nobody asked it.
    #[default]
    None,
    /// It says `OPEN`: the rules apply.
    Open,
    /// It says `CLOSED`: it closes what the rules open.
    Closed,
}
