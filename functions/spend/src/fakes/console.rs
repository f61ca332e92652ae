//! The console, the sandboxes that tell it whether they are locked, and the buses in memory.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use guardrail::{Event, Header, Heartbeat, Sandbox};
use jiff::Timestamp;
use lambda::bus::{Bus, Buses};
use lambda::fakes::{FakeBus, failed};
use lambda::{CallError, CallErrorKind};
use serde_json::Value;

use super::Faults;
use crate::known::{Console, LockRow};

/// How a sandbox takes the command to lock itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Obeys {
    /// At once.
    #[default]
    AtOnce,
    /// The console knows it when it was asked so often.
    AfterLooks(u32),
    /// Never.
    Never,
}

/// A place that a lock is known for: `<account>/<region>`.
fn place(sandbox: &Sandbox) -> String {
    format!("{}/{}", sandbox.account, sandbox.region)
}

/// What the console knows, and the sandboxes that tell it whether they are locked.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeConsole {
    pub(crate) heartbeats: Rc<RefCell<Vec<Heartbeat>>>,
    pub(crate) windows: Rc<RefCell<BTreeMap<String, Value>>>,
    /// The lock `budget` of each sandbox, by `<account>/<region>`.
    pub(crate) locks: Rc<RefCell<BTreeMap<String, LockRow>>>,
    obeys: Rc<RefCell<BTreeMap<String, Obeys>>>,
    /// What the console will be told, after so many looks.
    coming: Rc<RefCell<BTreeMap<String, (u32, LockRow)>>>,
    /// How often a lock was looked at.
    pub(crate) looks: Rc<Cell<u32>>,
    /// Of `dynamodb:Query` and `dynamodb:GetItem`.
    pub(crate) faults: Faults,
}

impl FakeConsole {
    /// From now on the sandbox takes commands like this.
    pub(crate) fn behave(&self, sandbox: &Sandbox, obeys: Obeys) {
        self.obeys.borrow_mut().insert(place(sandbox), obeys);
    }

    /// Somebody locks or releases a sandbox by hand, now.
    pub(crate) fn command(&self, sandbox: &Sandbox, held: bool, at: Timestamp) {
        self.take(place(sandbox), LockRow { held, id: format!("availability/by-hand/{at}"), at });
    }

    /// The sandboxes that are locked.
    pub(crate) fn locked(&self) -> Vec<String> {
        let locks = self.locks.borrow();
        locks.iter().filter(|(_, row)| row.held).map(|(place, _)| place.clone()).collect()
    }

    /// A sandbox obeys the command that was given last.
    fn take(&self, place: String, row: LockRow) {
        let mut locks = self.locks.borrow_mut();
        if locks.get(&place).is_none_or(|known| known.at < row.at) {
            locks.insert(place, row);
        }
    }

    fn obey(&self, event: &Event) {
        let Event::SandboxLockRequested(command) = event else { panic!("{event:?} is no lock") };
        assert_eq!(command.lock, "budget");
        let Header { id, sandbox, occurred_at, .. } = &command.header;
        let row = LockRow { held: true, id: format!("availability/locked/{id}"), at: *occurred_at };
        match self.obeys.borrow().get(&place(sandbox)).copied().unwrap_or_default() {
            Obeys::AtOnce => self.take(place(sandbox), row),
            Obeys::AfterLooks(looks) => drop(self.coming.borrow_mut().insert(place(sandbox), (looks, row))),
            Obeys::Never => {}
        }
    }
}

impl Console for FakeConsole {
    async fn heartbeats(&self) -> Result<Vec<Heartbeat>, CallError> {
        self.faults.call("dynamodb:Query")?;
        Ok(self.heartbeats.borrow().clone())
    }

    async fn lock(&self, sandbox: &Sandbox, name: &str) -> Result<Option<LockRow>, CallError> {
        self.faults.call("dynamodb:GetItem")?;
        assert_eq!(name, "budget");
        self.looks.set(self.looks.get() + 1);
        let mut coming = self.coming.borrow_mut();
        match coming.get_mut(&place(sandbox)) {
            Some((left @ 1.., _)) => *left -= 1,
            Some(_) => {
                let (_, row) = coming.remove(&place(sandbox)).expect("a row");
                self.take(place(sandbox), row);
            }
            None => {}
        }
        Ok(self.locks.borrow().get(&place(sandbox)).cloned())
    }

    async fn windows(&self, sandboxes: &[Sandbox]) -> Result<BTreeMap<String, Value>, CallError> {
        let windows = self.windows.borrow();
        let known = sandboxes.iter().filter_map(|sandbox| windows.get_key_value(&sandbox.account));
        Ok(known.map(|(account, window)| (account.clone(), window.clone())).collect())
    }
}

/// The hub's bus, which is throttled now and then.
#[derive(Clone, Debug, Default)]
pub(crate) struct HubBus {
    taken: FakeBus,
    refusals: Rc<Cell<u32>>,
}

impl HubBus {
    /// Refuses the next entries, so many.
    pub(crate) fn refuse(&self, times: u32) {
        self.refusals.set(times);
    }

    /// Everything that was taken, in order.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.taken.events.borrow().clone()
    }

    /// Everything that was taken since this was last asked.
    pub(crate) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.taken.events.borrow_mut())
    }
}

impl Bus for HubBus {
    async fn publish(&self, events: &[Event]) -> Vec<(usize, CallError)> {
        let mut refused = Vec::new();
        for (index, event) in events.iter().enumerate() {
            match self.refusals.get() {
                0 => drop(self.taken.publish(std::slice::from_ref(event)).await),
                left => {
                    self.refusals.set(left - 1);
                    refused.push((index, failed("events:PutEvents", CallErrorKind::Throttled)));
                }
            }
        }
        refused
    }
}

/// The buses of the sandboxes.
#[derive(Clone, Debug)]
pub(crate) struct FakeBuses {
    pub(crate) console: FakeConsole,
    /// What was sent: the Region, the bus, the command.
    pub(crate) sent: Rc<RefCell<Vec<(String, String, Event)>>>,
    /// The Regions that take nothing.
    pub(crate) refusing: Rc<RefCell<BTreeSet<String>>>,
}

impl Buses for FakeBuses {
    async fn publish_to(&self, region: &str, events: &[(String, Event)], _: Duration) -> Vec<(usize, CallError)> {
        let mut refused = Vec::new();
        for (index, (bus, event)) in events.iter().enumerate() {
            if self.refusing.borrow().contains(region) {
                refused.push((index, failed("events:PutEvents", CallErrorKind::Throttled)));
                continue;
            }
            self.sent.borrow_mut().push((region.to_owned(), bus.clone(), event.clone()));
            self.console.obey(event);
        }
        refused
    }
}
