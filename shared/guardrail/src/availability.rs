//! What is told of a sandbox's availability, and the hub's commands that change it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::{Header, Sandbox};

/// Where a sandbox stands between open and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Users have access.
    Open,
    /// Users have no access any more, or are losing it; services are being turned off.
    Closing,
    /// Users have no access, and everything that closes is off.
    Closed,
    /// Services are being turned on; users have no access yet.
    Opening,
}

impl Availability {
    /// The name it has in events, such as `closed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closing => "closing",
            Self::Closed => "closed",
            Self::Opening => "opening",
        }
    }
}

/// What happened to a sandbox's availability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It will close at `at`: time to save work, or to ask for an extension.
    ClosingSoon,
    /// The closing that was announced for `at` will not come.
    ClosingCalledOff,
    /// The stop workflow began.
    Closing,
    /// One part is closed, and that was verified.
    PartClosed,
    /// Users have no access, and everything that closes is off.
    Closed,
    /// The start workflow began.
    Opening,
    /// One part is open again: what closing had turned off is on.
    PartOpened,
    /// Users have access again.
    Opened,
    /// A start was asked for while the sandbox is locked: nothing was done.
    Refused,
    /// A workflow could not finish. It is begun again at the next reconcile.
    Failed,
    /// A lock holds the sandbox closed, whatever its window says.
    Locked,
    /// A lock was released; the sandbox opens when no other is left and its window says so.
    LockReleased,
    /// Another window is in force.
    WindowUpdated,
}

impl Change {
    /// The name it has in events, such as `closing_soon`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClosingSoon => "closing_soon",
            Self::ClosingCalledOff => "closing_called_off",
            Self::Closing => "closing",
            Self::PartClosed => "part_closed",
            Self::Closed => "closed",
            Self::Opening => "opening",
            Self::PartOpened => "part_opened",
            Self::Opened => "opened",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Locked => "locked",
            Self::LockReleased => "lock_released",
            Self::WindowUpdated => "window_updated",
        }
    }
}

/// `Sandbox Availability Change`: what happened, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AvailabilityChange {
    /// What every detail begins with.
    #[serde(flatten)]
    pub header: Header,
    /// What happened.
    pub change: Change,
    /// Where the sandbox stands now.
    pub state: Availability,
    /// The moment that the change speaks of: when it closes, or closed, or the next change is due.
    pub at: Option<Timestamp>,
    /// Why: the reason of the lock, extension, closure or command, or the entry of the window such as `open[0]`.
    pub reason: Option<String>,
    /// Who asked for it, where somebody did.
    pub requested_by: Option<String>,
    /// The lock that was set or released, such as `budget`.
    pub lock: Option<String>,
    /// The part that it is about, such as `notebooks`; none for the sandbox as a whole.
    pub part: Option<String>,
    /// What was turned off or on in the part, as `kind/id`, 100 at most.
    pub resources: Vec<String>,
    /// What was left as it is, as `kind/id: why`, 100 at most.
    pub refused: Vec<String>,
    /// The workflow's execution that did it.
    pub execution: Option<String>,
    /// All of this in one sentence.
    pub message: String,
}

/// `Availability Update Requested`: the hub asks for another window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AvailabilityUpdateRequested {
    /// What every detail begins with. Of two commands the one that occurred later counts.
    #[serde(flatten)]
    pub header: Header,
    /// Who asks.
    pub requested_by: String,
    /// The window document, as `window.json` describes it; null takes the window away, and the sandbox is always open.
    pub window: Value,
}

/// `Sandbox Lock Requested`: the hub closes the sandbox at once and keeps it closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SandboxLockRequested {
    /// What every detail begins with.
    #[serde(flatten)]
    pub header: Header,
    /// The lock's name, such as `budget`. A sandbox may be held by several; it opens when all are released.
    pub lock: String,
    /// Why.
    pub reason: String,
    /// Who asks: a person, or a function such as `spend-meter`.
    pub requested_by: String,
}

/// `Sandbox Lock Released`: the hub takes a lock away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SandboxLockReleased {
    /// What every detail begins with.
    #[serde(flatten)]
    pub header: Header,
    /// The name of the lock that is released.
    pub lock: String,
    /// Why it may go.
    pub reason: String,
    /// Who answers for that.
    pub requested_by: String,
}

/// What the workflows stop and start are started with. Both are told to everybody, so that it is known why a sandbox
/// closed or opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkflowInput {
    /// Why, as the end of a sentence.
    pub reason: Option<String>,
    /// Who asks for it.
    pub requested_by: Option<String>,
}

impl AvailabilityChange {
    /// A change of the sandbox as a whole, for now without a reason and without any resources. `fact` makes the id
    /// unique: the turn of the workflow, the moment of the closing, the id of the command.
    pub fn new(sandbox: &Sandbox, change: Change, fact: &str, state: Availability, now: Timestamp) -> Self {
        let id = format!("availability/{}/{fact}", change.as_str());
        Self {
            header: Header::new(id, sandbox, now),
            change,
            state,
            at: None,
            reason: None,
            requested_by: None,
            lock: None,
            part: None,
            resources: Vec::new(),
            refused: Vec::new(),
            execution: None,
            message: String::new(),
        }
    }
}
