//! Where a sandbox stands between open and closed, as one look at its rows tells.
//!
//! | `sk` | what a page reads from it | written by the changes | kept |
//! |---|---|---|---|
//! | `availability` | the state, since when (`occurred_at`) and why | `closing`, `closed`, `opening`, `opened`, `failed` | until the next |
//! | `closing` | the closing that users are warned of (`at`), unless it was called off or is past | `closing_soon`, `closing_called_off` | 400 days |
//! | `window` | the window in force: since when, who asked for it | `window_updated` | until the next |
//! | `lock/<name>` | whether the lock holds (`status` is `held`), why, since when and who asked | `locked`, `lock_released` | until the next; released, 400 days |
//!
//! A sandbox without the row `availability` has never been closed, so it is open. Every change also has a row of its own
//! on the sandbox's timeline, those of single parts nothing else: a part that closes does not say that the sandbox did.
//! A lock that holds, the window and the state never expire; those of a sandbox that is dissolved are for somebody to
//! delete.

use guardrail::availability::{AvailabilityChange, Change};

use super::{Attribute, Kept, REPORTS_KEPT, instant, text, word};

/// What a change says of where the sandbox stands: sort key, how long it is kept, attributes.
pub(super) fn of(change: &AvailabilityChange) -> Option<(String, Kept, Vec<Attribute>)> {
    if change.part.is_some() {
        return None;
    }
    let mut said = attributes_of(change);
    let (sk, kept) = match change.change {
        Change::Closing | Change::Closed | Change::Opening | Change::Opened | Change::Failed => {
            ("availability".to_owned(), Kept::UntilTheNext)
        }
        Change::ClosingSoon | Change::ClosingCalledOff => ("closing".to_owned(), REPORTS_KEPT),
        Change::WindowUpdated => ("window".to_owned(), Kept::UntilTheNext),
        Change::Locked | Change::LockReleased => {
            let lock = change.lock.as_deref()?;
            let (status, kept) = match change.change {
                Change::Locked => ("held", Kept::UntilTheNext),
                _ => ("released", REPORTS_KEPT),
            };
            said.push(("status", text(status)));
            (format!("lock/{lock}"), kept)
        }
        // Nothing was done, or only to a part.
        Change::Refused | Change::PartClosed | Change::PartOpened => return None,
    };
    Some((sk, kept, said))
}

/// What people and pages read of a change by name.
pub(super) fn attributes_of(change: &AvailabilityChange) -> Vec<Attribute> {
    vec![
        ("change", word(change.change)),
        ("state", word(change.state)),
        ("at", change.at.and_then(instant)),
        ("reason", change.reason.as_deref().and_then(text)),
        ("requested_by", change.requested_by.as_deref().and_then(text)),
        ("part", change.part.as_deref().and_then(text)),
        ("lock", change.lock.as_deref().and_then(text)),
        ("execution", change.execution.as_deref().and_then(text)),
        ("message", text(&change.message)),
    ]
}
