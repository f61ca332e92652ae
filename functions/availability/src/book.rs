//! What a sandbox remembers of its availability, between one run and the next: where it stands, its window, its locks,
//! and what closing turned off.
//!
//! Each is one page, an item of the ledger's table under `availability/…`, and kept for ever: a sandbox may be closed for
//! longer than the audit trail is kept.

use std::collections::BTreeMap;
use std::fmt;

use guardrail::Resource;
use guardrail::availability::Availability;
use guardrail::closing::Part;
use jiff::Timestamp;
use lambda::CallError;
pub use lambda::book::{Book, BookTable, change, read};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::part::TurnedOff;

/// One thing that is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Page {
    /// [`Standing`].
    Standing,
    /// [`WindowInForce`].
    Window,
    /// [`Locks`].
    Locks,
    /// [`Notice`].
    Notice,
    /// [`Record`] of this part.
    Part(Part),
}

/// The id of its item in the ledger's table.
impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standing => f.write_str("availability/standing"),
            Self::Window => f.write_str("availability/window"),
            Self::Locks => f.write_str("availability/locks"),
            Self::Notice => f.write_str("availability/notice"),
            Self::Part(part) => write!(f, "availability/part/{part}"),
        }
    }
}

/// Which way a workflow takes the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workflow {
    /// Towards closed.
    Stop,
    /// Towards open.
    Start,
}

impl Workflow {
    /// The name it has in payloads and in the names of executions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
        }
    }
}

/// Where the sandbox stands, and the workflow that was asked for last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Where it stands.
    pub state: Availability,
    /// Which way it was last asked to go.
    pub workflow: Workflow,
    /// Counts the workflows. Only the steps of the last one do anything.
    pub turn: u64,
    /// The ARN of the last workflow's execution.
    pub execution: String,
    /// When that execution was asked for.
    pub asked_at: Timestamp,
    /// When the sandbox began to go this way: what may finish is given its grace time from here, also when the
    /// workflow has to be begun again.
    pub began_at: Timestamp,
    /// Why.
    pub reason: Option<String>,
    /// Who asked for it, where somebody did.
    pub requested_by: Option<String>,
    /// What went wrong with the last workflow; it is begun again.
    pub failure: Option<String>,
}

impl Standing {
    /// Where a sandbox stands of which this is known: one of which nothing is was never closed.
    pub fn state_of(standing: Option<&Self>) -> Availability {
        standing.map_or(Availability::Open, |standing| standing.state)
    }
}

/// The window in force, and the command that set it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowInForce {
    /// The document; none after a window was taken away.
    pub document: Option<Value>,
    /// The id of the command.
    pub command: String,
    /// When the command was given: an older one does not replace it.
    pub occurred_at: Timestamp,
    /// Who gave it.
    pub requested_by: String,
}

/// The sandbox's locks by name, released ones included, so that a late command does not bring one back.
pub type Locks = BTreeMap<String, Lock>;

/// One lock, as its newest command left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Whether it holds the sandbox closed.
    pub held: bool,
    /// Why it was requested, or released.
    pub reason: String,
    /// Who did.
    pub requested_by: String,
    /// When that command was given.
    pub occurred_at: Timestamp,
}

/// The closing that users were warned of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// When it is to come; none once it was called off.
    pub closes_at: Option<Timestamp>,
    /// How many closings were called off so far: one that comes after all is announced anew.
    #[serde(default)]
    pub called_off: u32,
}

/// What closing turned off in one part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What opening turns on again. Written before it is turned off, and taken out when it is on.
    pub turned_off: Vec<TurnedOff>,
    /// The turn that last dealt with the part.
    pub turn: u64,
    /// When that turn first did.
    pub since: Option<Timestamp>,
    /// What that turn has told to go off or on.
    pub told: Vec<Resource>,
    /// What that turn has left as it is, and why.
    pub refused: Vec<(Resource, String)>,
    /// The closing, by the moment it began, in which the part was seen closed. What comes on after that was not the
    /// users' doing: it is turned off and not recorded.
    #[serde(default)]
    pub closed_in: Option<Timestamp>,
}

/// Where the sandbox stands.
///
/// # Errors
/// When that cannot be read.
pub async fn state(book: &impl Book) -> Result<Availability, CallError> {
    Ok(Standing::state_of(read(book, Page::Standing).await?.as_ref()))
}

#[cfg(test)]
mod tests;
