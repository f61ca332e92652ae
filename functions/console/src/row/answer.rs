//! What a sandbox answers to a command of the hub, found in the events that say what became of it.
//!
//! The event of the answer bears the id of the command's own, `command/<id>`, in its id: a change as
//! `availability/window_updated/command/<id>`, a rejection as `configuration/availability/window/command/<id>`. The
//! answer has a row of its own, `command/<id>/answer`, right behind the row `command/<id>` that says how the command was
//! sent: so the one is written by nobody but who sends, the other by nothing but what came back, and one query for what
//! begins with `command/<id>` shows both. A lock's command that a newer one has overtaken is
//! not answered.

use guardrail::Event;
use guardrail::availability::Change;

use super::{Attribute, text};

/// The answer in an event: sort key and attributes.
pub(super) fn in_event(event: &Event) -> Option<(String, Vec<Attribute>)> {
    let (facts, status, why, by) = match event {
        Event::AvailabilityChange(change) => {
            let answers = matches!(change.change, Change::WindowUpdated | Change::Locked | Change::LockReleased);
            if !answers {
                return None;
            }
            let facts = format!("availability/{}/", change.change.as_str());
            (facts, "accepted", change.message.clone(), change.requested_by.as_deref())
        }
        Event::ConfigurationRejected(rejected) => {
            ("configuration/availability/window/".to_owned(), "rejected", rejected.expected.clone(), None)
        }
        _ => return None,
    };
    let fact = event.header().id.strip_prefix(&facts)?;
    let id = fact.strip_prefix("command/").filter(|id| !id.is_empty())?;
    let said =
        vec![("command", text(id)), ("status", text(status)), ("why", text(&why)), ("requested_by", by.and_then(text))];
    Some((format!("command/{id}/answer"), said))
}
