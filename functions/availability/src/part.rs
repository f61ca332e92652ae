//! The parts of a sandbox that are closed and opened, each by itself, and what every one of them can do.
//!
//! A part knows its service and nothing of windows, locks or workflows. It says what is on ([`Switch::look`]), and turns
//! single things off and on; order, records, retries and verification are the same for all and stand in [`crate::step`].

use guardrail::Resource;
pub use guardrail::closing::Part;
use jiff::Timestamp;
use lambda::{CallError, Problems};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where something stands between on and off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It runs, or can be used.
    On,
    /// It has been told to end, or ends by itself.
    TurningOff,
    /// It does not run and costs nothing more than its storage.
    Off,
    /// It is on its way up. What cannot be turned off in this phase is waited for.
    TurningOn,
}

/// One thing in a part, as its service shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub resource: Resource,
    /// Where it stands.
    pub phase: Phase,
    /// Its state in the service's own word.
    pub state: String,
    /// Whether it comes to an end by itself, as a job does and a notebook does not. Only such things can be let finish.
    pub finishes: bool,
    /// What turning it on again needs to know; none for what ends for good, such as a job.
    pub memo: Option<Value>,
}

/// Something that closing turned off, as it is recorded until opening turns it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnedOff {
    /// What it is.
    pub resource: Resource,
    /// What turning it on again needs to know.
    pub memo: Value,
}

/// What became of an order to turn something off or on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turned {
    /// The service has taken it, or it is as it should be already.
    Told,
    /// It does not exist any more.
    Gone,
    /// It cannot be done, and trying again would not help: why, in one clause.
    Refused(String),
}

/// A part's service: what is on in it, and how single things are turned off and on.
pub trait Switch {
    /// The part.
    const PART: Part;

    /// Everything that is not off for good: what is on or turning, and what is off and could be turned on.
    ///
    /// # Errors
    /// What could not be seen. A part that is not seen wholly is not seen at all: it must never pass for closed.
    fn look(&self) -> impl Future<Output = Result<Vec<Item>, Problems>>;

    /// Turns something off, as of `now`. Idempotent.
    ///
    /// # Errors
    /// When the call failed and trying again may help.
    fn turn_off(&self, item: &Item, now: Timestamp) -> impl Future<Output = Result<Turned, CallError>>;

    /// Turns on again what was turned off. Idempotent: what is on or on its way already is [`Turned::Told`].
    ///
    /// # Errors
    /// When the call failed and trying again may help.
    fn turn_on(&self, item: &TurnedOff) -> impl Future<Output = Result<Turned, CallError>>;
}
