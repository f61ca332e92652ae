//! In-memory stand-ins for the ports, with state to assert on and faults to inject. For tests only.
//!
//! What stands behind the ports, AWS itself, is stood in for by [`replay`].

pub mod replay;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use guardrail::catalogue::ATHENA_QUERY_RUNTIME;
use guardrail::{Belt, Event, Finding, Levels, Mode, Observation, Policy, Quantity, Resource, Sandbox, judge};
use jiff::{SignedDuration, Timestamp};

use crate::bus::Bus;
use crate::ledger::{Claim, Ledger, Recorded};
use crate::parameters::{ParameterStore, Stored};
use crate::{CallError, CallErrorKind, Clock};

/// The instant `second` seconds after the epoch.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or_default()
}

/// Runs a future to its end on this thread. Its timers take no real time: when all wait, the next one is due at once.
#[expect(clippy::expect_used, reason = "a runtime without I/O cannot fail to build")]
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

/// A failed call of this kind.
pub fn failed(operation: &'static str, kind: CallErrorKind) -> CallError {
    CallError { operation, kind, message: "injected by a test".to_owned() }
}

/// The breach of a query that was submitted at the epoch and has run past its limit at `now`, to be acted on.
#[expect(clippy::expect_used, reason = "a query over its limit is found")]
pub fn breach(query: &str, now: Timestamp) -> Finding {
    let mut policy = Policy::default_of(&ATHENA_QUERY_RUNTIME);
    policy.levels = Levels::default();
    policy.limit.sandbox = Quantity::Duration(SignedDuration::from_secs(1));
    policy.mode.sandbox = Mode::Enforce;
    let observation = Observation {
        resource: Resource { kind: "query".to_owned(), id: query.to_owned() },
        scope: Some("etl".to_owned()),
        owner: None,
        state: "RUNNING".to_owned(),
        started_at: Timestamp::UNIX_EPOCH,
    };
    let sandbox = Sandbox { account: "111111111111".into(), region: "eu-west-1".into(), alias: "marketing".into() };
    judge(&policy, &[observation], &sandbox, now, &mut Belt::new(1)).pop().expect("a finding")
}

/// A clock that jumps to whatever is waited for.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: Rc<Cell<Timestamp>>,
    step: Rc<Cell<SignedDuration>>,
}

impl ManualClock {
    /// A clock that stands at this instant.
    pub fn at(instant: &str) -> Self {
        Self::from(instant.parse::<Timestamp>().unwrap_or_default())
    }

    /// Sets it.
    pub fn set(&self, now: Timestamp) {
        self.now.set(now);
    }

    /// Lets time pass by this much each time somebody looks at the clock.
    pub fn step_by(&self, step: SignedDuration) {
        self.step.set(step);
    }
}

impl From<Timestamp> for ManualClock {
    fn from(now: Timestamp) -> Self {
        Self { now: Rc::new(Cell::new(now)), step: Rc::default() }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.now.set(self.now.get() + self.step.get());
        self.now.get()
    }

    async fn sleep_until(&self, instant: Timestamp) {
        self.now.set(instant.max(self.now.get()));
    }
}

/// A parameter store with history.
#[derive(Clone, Debug, Default)]
pub struct FakeParameters {
    versions: Rc<RefCell<BTreeMap<String, Vec<String>>>>,
    denied: Rc<Cell<bool>>,
}

impl FakeParameters {
    /// Puts a new version of a parameter.
    pub fn put(&self, name: &str, value: &str) {
        self.versions.borrow_mut().entry(name.to_owned()).or_default().push(value.to_owned());
    }

    /// Denies every call from now on.
    pub fn deny(&self) {
        self.denied.set(true);
    }

    fn check(&self) -> Result<(), CallError> {
        if self.denied.get() { Err(failed("ssm:GetParametersByPath", CallErrorKind::Denied)) } else { Ok(()) }
    }
}

impl ParameterStore for FakeParameters {
    async fn below(&self, path: &str) -> Result<Vec<Stored>, CallError> {
        self.check()?;
        let versions = self.versions.borrow();
        let below = versions.iter().filter(|(name, _)| name.starts_with(&format!("{path}/")));
        Ok(below
            .map(|(name, values)| Stored {
                name: name.clone(),
                value: values.last().cloned().unwrap_or_default(),
                version: i64::try_from(values.len()).unwrap_or_default(),
            })
            .collect())
    }

    async fn history(&self, name: &str) -> Result<Vec<String>, CallError> {
        self.check()?;
        Ok(self.versions.borrow().get(name).map(|values| values.iter().rev().cloned().collect()).unwrap_or_default())
    }
}

/// A ledger in memory.
#[derive(Clone, Debug, Default)]
pub struct FakeLedger {
    /// Every entry by id.
    pub entries: Rc<RefCell<BTreeMap<String, Entry>>>,
    claims: Rc<RefCell<BTreeMap<String, (String, Timestamp)>>>,
    failures: Rc<Cell<usize>>,
    corrupt: Rc<RefCell<BTreeSet<String>>>,
}

/// One entry of the [`FakeLedger`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The event.
    pub event: Event,
    /// When it was entered.
    pub recorded_at: Timestamp,
    /// Whether it waits to be published.
    pub pending: bool,
}

impl FakeLedger {
    /// Lets the next `count` calls that write fail.
    pub fn fail_next(&self, count: usize) {
        self.failures.set(count);
    }

    /// Spoils an entry: it can no longer be read back.
    pub fn corrupt(&self, id: &str) {
        self.corrupt.borrow_mut().insert(id.to_owned());
    }

    /// The ids entered, with whether each is pending.
    pub fn ids(&self) -> Vec<(String, bool)> {
        self.entries.borrow().iter().map(|(id, entry)| (id.clone(), entry.pending)).collect()
    }

    fn write(&self) -> Result<(), CallError> {
        match self.failures.get() {
            0 => Ok(()),
            left => {
                self.failures.set(left - 1);
                Err(failed("dynamodb:PutItem", CallErrorKind::Throttled))
            }
        }
    }

    fn read(&self, entry: &Entry) -> Result<Event, CallError> {
        match self.corrupt.borrow().contains(&entry.event.header().id) {
            true => Err(failed("dynamodb:Query", CallErrorKind::Invalid)),
            false => Ok(entry.event.clone()),
        }
    }

    fn enter(&self, event: &Event, now: Timestamp) {
        self.corrupt.borrow_mut().remove(&event.header().id);
        let entry = Entry { event: event.clone(), recorded_at: now, pending: true };
        self.entries.borrow_mut().insert(event.header().id.clone(), entry);
        self.claims.borrow_mut().remove(&event.header().id);
    }
}

impl Ledger for FakeLedger {
    async fn record(&self, event: &Event, now: Timestamp) -> Result<Recorded, CallError> {
        self.write()?;
        if let Some(entry) = self.entries.borrow().get(&event.header().id) {
            return Ok(Recorded::Known(Box::new(self.read(entry)?)));
        }
        self.enter(event, now);
        Ok(Recorded::New)
    }

    async fn supersede(&self, event: &Event, now: Timestamp) -> Result<(), CallError> {
        self.write()?;
        let newer = |entry: &Entry| entry.event.header().occurred_at >= event.header().occurred_at;
        if !self.entries.borrow().get(&event.header().id).is_some_and(newer) {
            self.enter(event, now);
        }
        Ok(())
    }

    async fn published(&self, event: &Event, _now: Timestamp) -> Result<(), CallError> {
        self.write()?;
        if let Some(entry) = self.entries.borrow_mut().get_mut(&event.header().id) {
            entry.pending &= entry.event.header().occurred_at != event.header().occurred_at;
        }
        Ok(())
    }

    async fn pending(&self, before: Timestamp) -> Result<Vec<Result<Event, CallError>>, CallError> {
        let entries = self.entries.borrow();
        let stranded = entries.values().filter(|entry| entry.pending && entry.recorded_at < before);
        Ok(stranded.map(|entry| self.read(entry)).collect())
    }

    async fn find(&self, id: &str) -> Result<Option<Event>, CallError> {
        self.entries.borrow().get(id).map(|entry| self.read(entry)).transpose()
    }

    async fn claim(&self, claim: &Claim<'_>, now: Timestamp) -> Result<bool, CallError> {
        self.write()?;
        let mut claims = self.claims.borrow_mut();
        if claims.get(claim.id).is_some_and(|(holder, until)| *until > now && holder != claim.holder) {
            return Ok(false);
        }
        claims.insert(claim.id.to_owned(), (claim.holder.to_owned(), claim.until));
        Ok(true)
    }
}

/// A bus that keeps what was put, in order.
#[derive(Clone, Debug, Default)]
pub struct FakeBus {
    /// What was accepted.
    pub events: Rc<RefCell<Vec<Event>>>,
    refused: Rc<RefCell<BTreeSet<String>>>,
}

impl FakeBus {
    /// Refuses events with these ids from now on.
    pub fn refuse(&self, ids: &[&str]) {
        *self.refused.borrow_mut() = ids.iter().map(|id| (*id).to_owned()).collect();
    }

    /// The ids accepted, in order.
    pub fn ids(&self) -> Vec<String> {
        self.events.borrow().iter().map(|event| event.header().id.clone()).collect()
    }
}

impl Bus for FakeBus {
    async fn publish(&self, events: &[Event]) -> Vec<(usize, CallError)> {
        let mut failures = Vec::new();
        for (index, event) in events.iter().enumerate() {
            if self.refused.borrow().contains(&event.header().id) {
                failures.push((index, failed("events:PutEvents", CallErrorKind::Unavailable)));
            } else {
                self.events.borrow_mut().push(event.clone());
            }
        }
        failures
    }
}
