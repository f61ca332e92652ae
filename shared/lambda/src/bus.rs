//! The buses: what is published goes there, in batches, each entry until it is accepted.
//!
//! A function of a sandbox publishes to its own guardrail bus ([`Bus`]). The hub sends commands to the guardrail buses of
//! the sandboxes ([`Buses`]), each entry naming another bus.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use aws_config::Region;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use guardrail::Event;
use guardrail::event::SOURCE;
use tokio::time::{Instant, sleep, timeout_at};

use crate::problems::kind_of;
use crate::{Aws, CallError, CallErrorKind};

/// Entries in one `PutEvents`. <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>
const BATCH: usize = 10;

/// What the entries of one `PutEvents` must stay below together, in bytes.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size>
///
/// AWS says 256 KB in some places and 1 MB in newer ones; the smaller holds everywhere and is far more than we need.
const BATCH_BYTES: usize = 256 * 1024;

/// How often a function puts entries that were not accepted to its own bus.
const ATTEMPTS: u32 = 4;

/// The pause before what was not accepted is put again: it doubles from the first to the longest, and is cut by chance
/// to between a half and the whole, so that those who were throttled together do not come back together.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Takes events.
pub trait Bus {
    /// Publishes events; those that were not accepted in the end come back, with why.
    fn publish(&self, events: &[Event]) -> impl Future<Output = Vec<(usize, CallError)>>;
}

/// Takes events for the buses of other accounts.
pub trait Buses {
    /// Publishes each event to the bus whose ARN stands beside it, all of them buses of `region`. What is throttled or
    /// finds the service unavailable is put again as long as `within` lasts. Events that were not accepted in the end
    /// come back, with why; one whose answer did not come in time may have been accepted all the same.
    fn publish_to(
        &self,
        region: &str,
        events: &[(String, Event)],
        within: Duration,
    ) -> impl Future<Output = Vec<(usize, CallError)>>;
}

/// The bus in EventBridge.
#[derive(Clone, Debug)]
pub struct EventBus {
    client: Client,
    name: String,
}

/// The buses of the sandboxes in EventBridge.
#[derive(Clone, Debug)]
pub struct EventBuses {
    aws: Aws,
}

impl EventBus {
    /// The IAM actions it needs.
    pub const ACTIONS: &[&str] = &[PUT_EVENTS];

    /// A client for the bus of this name.
    pub fn new(aws: &Aws, name: impl Into<String>) -> Self {
        let config = aws_sdk_eventbridge::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config), name: name.into() }
    }
}

impl EventBuses {
    /// The IAM actions that they need.
    pub const ACTIONS: &[&str] = &[PUT_EVENTS];

    /// What their clients are made from.
    pub fn new(aws: &Aws) -> Self {
        Self { aws: aws.clone() }
    }
}

impl Bus for EventBus {
    async fn publish(&self, events: &[Event]) -> Vec<(usize, CallError)> {
        put_all(&self.client, events.iter().map(|event| (self.name.as_str(), event)), Patience::Attempts(ATTEMPTS))
            .await
    }
}

impl Buses for EventBuses {
    async fn publish_to(&self, region: &str, events: &[(String, Event)], within: Duration) -> Vec<(usize, CallError)> {
        // A bus is reached through the endpoint of its own Region: only rules carry events from one to another.
        let config = aws_sdk_eventbridge::config::Builder::from(self.aws.config());
        let config = config.region(Region::new(region.to_owned())).interceptor(self.aws.calls());
        let client = Client::from_conf(config.build());
        let patience = Patience::Until(Instant::now() + within);
        put_all(&client, events.iter().map(|(bus, event)| (bus.as_str(), event)), patience).await
    }
}

/// How long what may still be accepted is put again.
#[derive(Clone, Copy)]
enum Patience {
    /// So many times in all. A call that failed is not repeated, after all the attempts that the SDK made of it: whoever
    /// publishes here comes again with the next sweep.
    Attempts(u32),
    /// Until then, failed calls too, because nobody comes again unasked.
    Until(Instant),
}

impl Patience {
    /// Whether to go on after so many attempts and this pause.
    fn lasts(self, attempts: u32, pause: Duration) -> bool {
        match self {
            Self::Attempts(most) => attempts < most,
            Self::Until(end) => Instant::now() + pause < end,
        }
    }

    /// The result of a call that is begun and ends in time.
    async fn wait_for<T>(self, call: impl Future<Output = T>) -> Option<T> {
        match self {
            Self::Attempts(_) => Some(call.await),
            Self::Until(end) if Instant::now() < end => timeout_at(end, call).await.ok(),
            Self::Until(_) => None,
        }
    }
}

const PUT_EVENTS: &str = "events:PutEvents";

/// An event on its way: where it stood among those to publish, and how large AWS takes it for.
struct Entry {
    index: usize,
    bytes: usize,
    request: PutEventsRequestEntry,
}

impl Entry {
    fn new(index: usize, bus: &str, event: &Event) -> Result<Self, CallError> {
        let invalid = |message| CallError { operation: PUT_EVENTS, kind: CallErrorKind::Invalid, message };
        let id = &event.header().id;
        let detail = serde_json::to_string(event).map_err(|error| invalid(format!("event `{id}`: {error}")))?;
        // What AWS counts: the bytes of these three, and of a time and resources, which we do not give.
        let bytes = SOURCE.len() + event.detail_type().len() + detail.len();
        if bytes >= BATCH_BYTES {
            return Err(invalid(format!("event `{id}` has {bytes} bytes, must have less than {BATCH_BYTES}")));
        }
        let request = PutEventsRequestEntry::builder()
            .event_bus_name(bus)
            .source(SOURCE)
            .detail_type(event.detail_type())
            .detail(detail)
            .build();
        Ok(Self { index, bytes, request })
    }
}

/// Puts events round after round, until every entry is accepted, refused for good or patience ends; tells which were not
/// accepted, by index.
async fn put_all<'a>(
    client: &Client,
    events: impl Iterator<Item = (&'a str, &'a Event)>,
    patience: Patience,
) -> Vec<(usize, CallError)> {
    let mut failed = Vec::new();
    let mut waiting = Vec::new();
    for (index, (bus, event)) in events.enumerate() {
        match Entry::new(index, bus, event) {
            Ok(entry) => waiting.push(entry),
            Err(error) => failed.push((index, error)),
        }
    }
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        let mut again = Vec::new();
        for batch in batches(waiting) {
            for (entry, refusal) in put(client, batch, patience).await {
                match refusal {
                    Refusal::ForNow(error) if !patience.lasts(attempt, pause) => failed.push((entry.index, error)),
                    Refusal::ForNow(_) => again.push(entry),
                    Refusal::ForGood(error) => failed.push((entry.index, error)),
                }
            }
        }
        if again.is_empty() {
            break;
        }
        waiting = again;
        sleep(by_chance(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    failed
}

/// Why an entry was not accepted.
enum Refusal {
    /// It may be accepted when it is put again.
    ForNow(CallError),
    /// It will be refused again.
    ForGood(CallError),
}

/// Puts one batch once; gives back what was not accepted.
async fn put(client: &Client, batch: Vec<Entry>, patience: Patience) -> Vec<(Entry, Refusal)> {
    let entries = batch.iter().map(|entry| entry.request.clone()).collect();
    let call = client.put_events().set_entries(Some(entries)).send();
    let answer = match patience.wait_for(call).await {
        Some(Ok(answer)) => answer,
        Some(Err(error)) => {
            let error = CallError::of(PUT_EVENTS, &error);
            let refusal = |error: CallError| match patience {
                Patience::Until(_) if may_pass(&error) => Refusal::ForNow(error),
                Patience::Until(_) | Patience::Attempts(_) => Refusal::ForGood(error),
            };
            return batch.into_iter().map(|entry| (entry, refusal(error.clone()))).collect();
        }
        None => {
            let message = "it was not answered in the time that there was".to_owned();
            let error = CallError { operation: PUT_EVENTS, kind: CallErrorKind::Unavailable, message };
            return batch.into_iter().map(|entry| (entry, Refusal::ForGood(error.clone()))).collect();
        }
    };
    // Answers stand in the order of the entries; one that is missing counts as refused.
    let mut answers = answer.entries().iter();
    let refused = batch.into_iter().filter_map(|entry| {
        let error = accepted(answers.next()).err()?;
        let refusal = if may_pass(&error) { Refusal::ForNow(error) } else { Refusal::ForGood(error) };
        Some((entry, refusal))
    });
    refused.collect()
}

fn may_pass(error: &CallError) -> bool {
    matches!(error.kind, CallErrorKind::Throttled | CallErrorKind::Unavailable)
}

/// Between a half and the whole of a pause. The standard library's only source of chance seeds its hash maps.
fn by_chance(pause: Duration) -> Duration {
    let [chance, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
    pause / 2 + pause / 2 * u32::from(chance) / 255
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

#[cfg(test)]
mod tests;
