//! Whether a sandbox should be open now, and why: its locks, then its window.

use jiff::Timestamp;
use window::{Calendar, Cause, State, Window};

use crate::book::Locks;

/// What should be, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Open or closed.
    pub state: State,
    /// Why, as the end of a sentence: "lock `budget`: 210 % of the budget is spent".
    pub why: String,
    /// Who asked for it, where somebody did.
    pub requested_by: Option<String>,
}

/// What should be at `now`. A lock is above all; then the window decides; without a window a sandbox is open.
pub fn desired(locks: &Locks, window: Option<&Window>, calendar: Calendar, now: Timestamp) -> Desired {
    if let Some(locked) = held(locks) {
        return locked;
    }
    let Some(window) = window else {
        return Desired { state: State::Open, why: "it has no window and no lock".to_owned(), requested_by: None };
    };
    let verdict = window.verdict_at(now, calendar);
    let entry = verdict.source.map(|source| format!("`{source}`")).unwrap_or_default();
    let why = match (verdict.cause, verdict.reason) {
        (Cause::Extension, Some(reason)) => format!("extension {entry}: {reason}"),
        (Cause::Closure, Some(reason)) => format!("closure {entry}: {reason}"),
        (Cause::Holiday, _) if entry == "`calendar`" => "its calendar says closed".to_owned(),
        (Cause::Holiday, _) => format!("closed date {entry}"),
        _ if entry.is_empty() => "no rule of its window opens it now".to_owned(),
        _ => format!("rule {entry} of its window"),
    };
    Desired { state: verdict.state, why, requested_by: None }
}

/// What the locks want: closed, if any is held. The reasons of all that are stand in the order of their names.
pub fn held(locks: &Locks) -> Option<Desired> {
    let held: Vec<_> = locks.iter().filter(|(_, lock)| lock.held).collect();
    let (_, first) = held.first()?;
    let why: Vec<String> = held.iter().map(|(name, lock)| format!("lock `{name}`: {}", lock.reason)).collect();
    Some(Desired { state: State::Closed, why: why.join("; "), requested_by: Some(first.requested_by.clone()) })
}

#[cfg(test)]
mod tests;
