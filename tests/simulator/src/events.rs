//! The services' own events: put on the default bus of the account they happen in, the moment they happen.
//!
//! A background task sleeps exactly until the next state change of any workload, so nothing is polled. Each account
//! and Region has its own courier, so one slow delivery holds up no other account and the order within one is kept.
//! AWS gives none of these guarantees (delivery is best effort, at least once and unordered); [`EventFaults`] takes
//! them away again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use crate::accounts::Place;
use crate::clock;
use crate::protocol::MEDIA_TYPE;
use crate::world::World;

/// How often a delivery is tried before the event counts as failed, with a doubling pause in between.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The most entries one `PutEvents` takes.
const ENTRIES: usize = 10;

/// How deliveries go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventFaults {
    /// How many times each event is delivered; 1 is once, 2 is a duplicate of each.
    pub copies: u32,
    /// Every how manyth event is lost; 0 loses none, 1 loses all.
    pub lose_every: u32,
    /// Events that happen within this time of one another arrive newest first; zero keeps their order.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub reorder_within: Duration,
}

impl Default for EventFaults {
    fn default() -> EventFaults {
        EventFaults { copies: 1, lose_every: 0, reorder_within: Duration::ZERO }
    }
}

/// What became of the events so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EventStats {
    /// State changes that happened.
    pub happened: u64,
    /// Deliveries the bus took; duplicates count.
    pub delivered: u64,
    /// Events lost on purpose.
    pub lost: u64,
    /// Deliveries tried again.
    pub retried: u64,
    /// Deliveries given up.
    pub failed: u64,
}

/// The events of every account. Clones share their counts and their faults.
#[derive(Debug, Clone)]
pub struct Events(Arc<Mutex<Ledger>>);

#[derive(Debug)]
struct Ledger {
    stats: EventStats,
    faults: EventFaults,
    faults_at_start: EventFaults,
    bus: Option<String>,
}

impl Events {
    pub(crate) fn new(faults: EventFaults, bus: Option<String>) -> Events {
        Events(Arc::new(Mutex::new(Ledger { stats: EventStats::default(), faults, faults_at_start: faults, bus })))
    }

    /// Delivers to this endpoint (`AWSEvents.PutEvents`, plain HTTP) from now on: the bus and the simulator each need the
    /// other's address, so one of the two learns it late.
    pub fn deliver_to(&self, endpoint: &str) {
        self.ledger(|ledger| ledger.bus = Some(endpoint.to_owned()));
    }

    fn bus(&self) -> Option<String> {
        self.ledger(|ledger| ledger.bus.clone())
    }

    /// What became of the events so far.
    pub fn stats(&self) -> EventStats {
        self.ledger(|ledger| ledger.stats)
    }

    /// How deliveries go wrong now.
    pub fn faults(&self) -> EventFaults {
        self.ledger(|ledger| ledger.faults)
    }

    /// Makes deliveries go wrong this way from now on.
    pub fn set_faults(&self, faults: EventFaults) {
        self.ledger(|ledger| ledger.faults = faults);
    }

    pub(crate) fn reset(&self) {
        self.ledger(|ledger| {
            ledger.stats = EventStats::default();
            ledger.faults = ledger.faults_at_start;
        });
    }

    /// Counts a state change; says whether its event is to be delivered at all.
    fn happened(&self) -> bool {
        self.ledger(|ledger| {
            ledger.stats.happened += 1;
            let lost = match u64::from(ledger.faults.lose_every) {
                0 => false,
                every => ledger.stats.happened % every == 0,
            };
            ledger.stats.lost += u64::from(lost);
            !lost
        })
    }

    fn count(&self, what: impl FnOnce(&mut EventStats)) {
        self.ledger(|ledger| what(&mut ledger.stats));
    }

    fn ledger<T>(&self, look: impl FnOnce(&mut Ledger) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One event as a service words it; the bus adds the envelope.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServiceEvent {
    pub(crate) source: &'static str,
    pub(crate) detail_type: &'static str,
    pub(crate) at: Timestamp,
    pub(crate) resources: Vec<String>,
    pub(crate) detail: Value,
}

/// Announces state changes as they happen, for ever. Without a bus they are only counted.
pub(crate) async fn announce(world: World) {
    // The bus is on this machine; a proxy of the environment would not find it.
    let client = reqwest::Client::builder().no_proxy().build().unwrap_or_default();
    let mut couriers: HashMap<Place, mpsc::UnboundedSender<ServiceEvent>> = HashMap::new();
    loop {
        let now = clock::now();
        let (due, next) = world.announce(now);
        for (place, event) in due {
            if !world.events().happened() {
                continue;
            }
            let Some(bus) = world.events().bus() else { continue };
            let courier = couriers.entry(place).or_insert_with_key(|place| {
                let (sender, receiver) = mpsc::unbounded_channel();
                let courier =
                    Courier { place: place.clone(), bus, client: client.clone(), events: world.events().clone() };
                tokio::spawn(courier.run(receiver));
                sender
            });
            if courier.send(event).is_err() {
                warn!("event was dropped: its courier has ended");
            }
        }
        match next {
            Some(next) => tokio::select! {
                () = tokio::time::sleep(clock::between(now, next)) => {}
                () = world.changed() => {}
            },
            None => world.changed().await,
        }
    }
}

/// Delivers the events of one account and Region.
#[derive(Debug)]
struct Courier {
    place: Place,
    bus: String,
    client: reqwest::Client,
    events: Events,
}

impl Courier {
    async fn run(self, mut receiver: mpsc::UnboundedReceiver<ServiceEvent>) {
        while let Some(first) = receiver.recv().await {
            let faults = self.events.faults();
            tokio::time::sleep(faults.reorder_within).await;
            let mut batch = vec![first];
            while let Ok(event) = receiver.try_recv() {
                batch.push(event);
            }
            if !faults.reorder_within.is_zero() {
                // Newest first is out of order every time, which a shuffle of two or three events is not.
                batch.reverse();
            }
            let entries: Vec<Value> = batch
                .iter()
                .flat_map(|event| std::iter::repeat_n(entry(event), usize::try_from(faults.copies).unwrap_or(1)))
                .collect();
            for entries in entries.chunks(ENTRIES) {
                self.deliver(entries.to_vec()).await;
            }
        }
    }

    async fn deliver(&self, mut entries: Vec<Value>) {
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            let sent = entries.len();
            entries = self.put(entries).await;
            let delivered = sent.saturating_sub(entries.len());
            let left = u64::try_from(entries.len()).unwrap_or(u64::MAX);
            self.events.count(|stats| stats.delivered += u64::try_from(delivered).unwrap_or(u64::MAX));
            if entries.is_empty() {
                return;
            }
            if attempt == ATTEMPTS {
                warn!(account = %self.place.account, events = left, "events were given up");
                self.events.count(|stats| stats.failed += left);
                return;
            }
            self.events.count(|stats| stats.retried += left);
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// One `PutEvents`; answers the entries the bus did not take.
    async fn put(&self, entries: Vec<Value>) -> Vec<Value> {
        let now = clock::now();
        // The stage reads account and Region from the credential scope and looks at no signature.
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}/{}/events/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, \
             Signature={:064}",
            self.place.account,
            now.strftime("%Y%m%d"),
            self.place.region,
            0
        );
        let request = self
            .client
            .post(&self.bus)
            .header("content-type", MEDIA_TYPE)
            .header("x-amz-target", "AWSEvents.PutEvents")
            .header("x-amz-date", now.strftime("%Y%m%dT%H%M%SZ").to_string())
            .header("authorization", authorization)
            .body(json!({ "Entries": entries }).to_string());
        let answer = async { request.send().await?.error_for_status()?.json::<Value>().await }.await;
        match answer {
            Ok(answer) => refused(entries, &answer),
            Err(error) => {
                debug!(account = %self.place.account, %error, "bus was not reached");
                entries
            }
        }
    }
}

/// The entries for which the answer carries an error code, in their order.
fn refused(entries: Vec<Value>, answer: &Value) -> Vec<Value> {
    let results = answer.get("Entries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    entries
        .into_iter()
        .enumerate()
        .filter(|(index, _)| results.get(*index).is_none_or(|result| result.get("ErrorCode").is_some()))
        .map(|(_, entry)| entry)
        .collect()
}

fn entry(event: &ServiceEvent) -> Value {
    json!({
        "Source": event.source,
        "DetailType": event.detail_type,
        "Time": clock::epoch_seconds(event.at),
        "Resources": event.resources,
        "Detail": event.detail.to_string(),
        "EventBusName": "default",
    })
}
