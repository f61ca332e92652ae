//! What fired a watch: the schedule or a service event.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde_json::Value;

/// An event as it comes from a bus or a schedule.
pub type Envelope = EventBridgeEvent<Value>;

/// The two triggers of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The schedule: look at everything.
    Sweep,
    /// A service event: look at the resource it names.
    Signal(Box<Envelope>),
}

impl Trigger {
    /// Reads what fired a watch; `None` for an event that is not an EventBridge envelope, which is logged.
    pub fn read(event: &Value) -> Option<Self> {
        let envelope = envelope(event)?;
        // EventBridge rules send `aws.events`, EventBridge Scheduler `aws.scheduler`.
        let scheduled = matches!(envelope.source.as_str(), "aws.scheduler" | "aws.events");
        Some(if scheduled { Self::Sweep } else { Self::Signal(Box::new(envelope)) })
    }
}

/// Reads an EventBridge envelope; `None` for anything else, which is logged and not tried again.
pub fn envelope(event: &Value) -> Option<Envelope> {
    serde_json::from_value(event.clone())
        .inspect_err(|error| tracing::warn!(%error, "event is malformed and was ignored"))
        .ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schedules_sweep_and_service_events_signal() {
        let event = |source: &str, detail: Value| json!({"source": source, "detail-type": "x", "detail": detail});
        assert_eq!(Trigger::read(&event("aws.scheduler", json!("{}"))), Some(Trigger::Sweep));
        assert_eq!(Trigger::read(&event("aws.events", json!({}))), Some(Trigger::Sweep));
        assert!(matches!(Trigger::read(&event("aws.athena", json!({"a": 1}))), Some(Trigger::Signal(_))));
    }

    #[test]
    fn anything_else_is_ignored() {
        for event in
            [json!(null), json!({}), json!([1]), json!("x"), json!({"source": 1, "detail-type": [], "detail": {}})]
        {
            assert_eq!(Trigger::read(&event), None, "{event}");
        }
    }
}
