//! In-memory stand-ins for the ports, with state to assert on and faults to inject. For tests only.
//!
//! What stands behind the ports, AWS itself, is stood in for by [`replay`]; a whole service with a sandbox around it by
//! [`service`].

pub mod interrupted;
pub mod pages;
pub mod replay;
pub mod service;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use guardrail::catalogue::{self, ATHENA_QUERY_RUNTIME};
use guardrail::{Belt, Event, Finding, Levels, Measure, Mode, Observation, Policy, Quantity, ScopeKind, judge};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::bus::Bus;
use crate::ledger::{Claim, Ledger, Recorded};
use crate::owners::{Records, Trail};
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
    policy.levels.sandbox = Levels::default();
    policy.limit.sandbox = Quantity::Duration(SignedDuration::from_secs(1));
    policy.mode.sandbox = Mode::Enforce;
    let observation =
        Observation::new("query", query, "RUNNING", Timestamp::UNIX_EPOCH).within(ScopeKind::Workgroup, Some("etl"));
    judge(&policy, &[observation], &service::sandbox(), now, &mut Belt::new(1)).pop().expect("a finding")
}

/// The condition of a cluster that has a wrong instance type at `now`, to be acted on. Its episode is not yet told.
#[expect(clippy::expect_used, reason = "the guardrail is in the catalogue, and a wrong instance type is found")]
pub fn condition(cluster: &str, now: Timestamp) -> Finding {
    let mut policy = Policy::default_of(catalogue::find("emr-instance-types").expect("a guardrail"));
    policy.mode.sandbox = Mode::Enforce;
    let observation = Observation::new("cluster", cluster, "RUNNING", Timestamp::UNIX_EPOCH)
        .words(Measure::InstanceTypes, ["p4d.24xlarge"]);
    judge(&policy, &[observation], &service::sandbox(), now, &mut Belt::new(1)).pop().expect("a finding")
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
    episodes: Rc<RefCell<BTreeMap<String, Episode>>>,
    failures: Rc<Cell<usize>>,
    corrupt: Rc<RefCell<BTreeSet<String>>>,
}

/// A condition of the [`FakeLedger`].
#[derive(Clone, Copy, Debug)]
struct Episode {
    began: Timestamp,
    /// When it was last seen; nothing when it has ended.
    seen: Option<Timestamp>,
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
    /// Whether its owner is still looked for.
    pub unowned: bool,
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
        let entry = Entry { event: event.clone(), recorded_at: now, pending: true, unowned: false };
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
        if let Some(entry) = self.entries.borrow_mut().get_mut(&event.header().id)
            && entry.event.header().occurred_at == event.header().occurred_at
        {
            entry.pending = false;
            entry.unowned = event.awaits_owner();
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

    async fn release(&self, claim: &Claim<'_>) -> Result<(), CallError> {
        self.write()?;
        let held = |(holder, _): &mut (String, Timestamp)| holder == claim.holder;
        let mut claims = self.claims.borrow_mut();
        if claims.get_mut(claim.id).is_some_and(held) {
            claims.remove(claim.id);
        }
        Ok(())
    }

    async fn episode(&self, condition: &str, seen_since: Timestamp, now: Timestamp) -> Result<Timestamp, CallError> {
        self.write()?;
        let mut episodes = self.episodes.borrow_mut();
        let known = episodes.get(condition).filter(|known| known.seen.is_some_and(|seen| seen >= seen_since));
        let began = known.map_or(now, |known| known.began);
        episodes.insert(condition.to_owned(), Episode { began, seen: Some(now) });
        Ok(began)
    }

    async fn end_episode(&self, condition: &str) -> Result<(), CallError> {
        self.write()?;
        if let Some(episode) = self.episodes.borrow_mut().get_mut(condition) {
            episode.seen = None;
        }
        Ok(())
    }

    async fn unowned(&self) -> Result<Vec<Finding>, CallError> {
        let entries = self.entries.borrow();
        let unowned = entries.values().filter(|entry| entry.unowned && !entry.pending);
        let readable = unowned.filter_map(|entry| self.read(entry).ok());
        Ok(readable.filter_map(|event| if let Event::Finding(f) = event { Some(f) } else { None }).collect())
    }

    async fn give_up_owner(&self, finding: &str) -> Result<(), CallError> {
        self.write()?;
        if let Some(entry) = self.entries.borrow_mut().get_mut(finding) {
            entry.unowned = false;
        }
        Ok(())
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

/// A CloudTrail that knows of these calls, and gives at most 50 of them, the newest first.
#[derive(Clone, Debug, Default)]
pub struct FakeTrail {
    records: Rc<RefCell<Vec<(Timestamp, Value)>>>,
    /// The names of the calls that were asked for, in order.
    pub lookups: Rc<RefCell<Vec<String>>>,
    failure: Rc<Cell<Option<CallErrorKind>>>,
}

impl FakeTrail {
    /// Delivers the record of a call made at this time.
    pub fn deliver(&self, at: Timestamp, record: Value) {
        self.records.borrow_mut().push((at, record));
    }

    /// Lets every lookup fail like this from now on, or none.
    pub fn fail(&self, kind: Option<CallErrorKind>) {
        self.failure.set(kind);
    }
}

impl Trail for FakeTrail {
    async fn calls(&self, event_name: &str, from: Timestamp, until: Timestamp) -> Result<Records, CallError> {
        self.lookups.borrow_mut().push(event_name.to_owned());
        if let Some(kind) = self.failure.get() {
            return Err(failed("cloudtrail:LookupEvents", kind));
        }
        let records = self.records.borrow();
        let wanted =
            records.iter().filter(|(at, record)| (from..=until).contains(at) && record["eventName"] == event_name);
        let mut wanted: Vec<_> = wanted.collect();
        wanted.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let records = wanted.iter().take(50).map(|(_, record)| record.clone()).collect();
        Ok(Records { records, more: wanted.len() > 50 })
    }
}
