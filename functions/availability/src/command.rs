//! The hub's commands, as a sandbox takes them from its bus.

use guardrail::{Event, Sandbox};
use serde_json::Value;

/// What an event of the bus says; none where it is malformed or meant for another sandbox, which is logged.
pub(crate) fn read(event: &Value, sandbox: &Sandbox) -> Option<Event> {
    let envelope = lambda::trigger::envelope(event)?;
    let command = Event::from_detail(&envelope.detail_type, envelope.detail)
        .inspect_err(|error| tracing::warn!(%error, "command is malformed and was ignored"))
        .ok()?;
    let header = command.header();
    if (&header.sandbox.account, &header.sandbox.region) != (&sandbox.account, &sandbox.region) {
        tracing::warn!(command.id = header.id, "command is for another sandbox and was ignored");
        return None;
    }
    Some(command)
}
