//! The guardrail bus: what is published goes there, in batches, each entry until it is accepted.

use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use guardrail::Event;
use guardrail::event::SOURCE;

use crate::problems::kind_of;
use crate::{Aws, CallError, CallErrorKind};

/// Entries in one `PutEvents`. <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>
const BATCH: usize = 10;

/// What the entries of one `PutEvents` must stay below together, in bytes.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size>
///
/// AWS says 256 KB in some places and 1 MB in newer ones; the smaller holds everywhere and is far more than we need.
const BATCH_BYTES: usize = 256 * 1024;

/// How often entries that were not accepted are put again, with a pause that doubles from the first.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Takes events.
pub trait Bus {
    /// Publishes events; those that were not accepted in the end come back, with why.
    fn publish(&self, events: &[Event]) -> impl Future<Output = Vec<(usize, CallError)>>;
}

/// The bus in EventBridge.
#[derive(Clone, Debug)]
pub struct EventBus {
    client: Client,
    name: String,
}

impl EventBus {
    /// The IAM actions it needs.
    pub const ACTIONS: &[&str] = &["events:PutEvents"];

    /// A client for the bus of this name.
    pub fn new(aws: &Aws, name: impl Into<String>) -> Self {
        let config = aws_sdk_eventbridge::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config), name: name.into() }
    }

    fn entry(&self, index: usize, event: &Event) -> Result<Entry, CallError> {
        let invalid = |message| CallError { operation: PUT_EVENTS, kind: CallErrorKind::Invalid, message };
        let id = &event.header().id;
        let detail = serde_json::to_string(event).map_err(|error| invalid(format!("event `{id}`: {error}")))?;
        // What AWS counts: the bytes of these three, and of a time and resources, which we do not give.
        let bytes = SOURCE.len() + event.detail_type().len() + detail.len();
        if bytes >= BATCH_BYTES {
            return Err(invalid(format!("event `{id}` has {bytes} bytes, must have less than {BATCH_BYTES}")));
        }
        let request = PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE)
            .detail_type(event.detail_type())
            .detail(detail)
            .build();
        Ok(Entry { index, bytes, request })
    }

    /// Puts one batch until every entry is accepted, refused for good or attempts run out; tells which were not
    /// accepted, by index.
    async fn put(&self, mut waiting: Vec<Entry>) -> Vec<(usize, CallError)> {
        let mut failed = Vec::new();
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let entries = waiting.iter().map(|entry| entry.request.clone()).collect();
            let answer = match self.client.put_events().set_entries(Some(entries)).send().await {
                Ok(answer) => answer,
                Err(error) => {
                    let error = CallError::of(PUT_EVENTS, &error);
                    failed.extend(waiting.iter().map(|entry| (entry.index, error.clone())));
                    break;
                }
            };
            // Answers stand in the order of the entries; one that is missing counts as refused.
            let mut answers = answer.entries().iter();
            let mut again = Vec::new();
            for entry in waiting {
                let Err(error) = accepted(answers.next()) else { continue };
                let retryable = matches!(error.kind, CallErrorKind::Throttled | CallErrorKind::Unavailable);
                if retryable && attempt < ATTEMPTS {
                    again.push(entry);
                } else {
                    failed.push((entry.index, error));
                }
            }
            if again.is_empty() {
                break;
            }
            waiting = again;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        failed
    }
}

const PUT_EVENTS: &str = "events:PutEvents";

/// An event on its way: where it stood among those to publish, and how large AWS takes it for.
struct Entry {
    index: usize,
    bytes: usize,
    request: PutEventsRequestEntry,
}

/// Cuts entries into batches that AWS takes, in order.
fn batches(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut batches: Vec<Vec<Entry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH && bytes + entry.bytes < BATCH_BYTES => {
                bytes += entry.bytes;
                batch.push(entry);
            }
            _ => {
                bytes = entry.bytes;
                batches.push(vec![entry]);
            }
        }
    }
    batches
}

/// Whether an entry was accepted. Throttling and faults of the service may pass; any other refusal will be repeated.
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html>
fn accepted(answer: Option<&PutEventsResultEntry>) -> Result<(), CallError> {
    let (kind, message) = match answer.map(|answer| (answer.error_code(), answer.error_message())) {
        Some((None, _)) => return Ok(()),
        Some((Some(code), message)) => {
            let status = if code.starts_with("Internal") { 500 } else { 400 };
            (kind_of(code, status), format!("{code}: {}", message.unwrap_or("no message")))
        }
        None => (CallErrorKind::Unavailable, "the entry was not answered".to_owned()),
    };
    Err(CallError { operation: PUT_EVENTS, kind, message })
}

impl Bus for EventBus {
    async fn publish(&self, events: &[Event]) -> Vec<(usize, CallError)> {
        let mut failed = Vec::new();
        let mut entries = Vec::new();
        for (index, event) in events.iter().enumerate() {
            match self.entry(index, event) {
                Ok(entry) => entries.push(entry),
                Err(error) => failed.push((index, error)),
            }
        }
        for batch in batches(entries) {
            failed.extend(self.put(batch).await);
        }
        failed
    }
}

#[cfg(test)]
mod tests;
