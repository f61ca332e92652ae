//! Athena in memory, for the tests of this room: histories, states, faults and a count of calls.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use guardrail::Sandbox;
use jiff::{SignedDuration, Timestamp};
use lambda::fakes::{ManualClock, failed};
use lambda::{CallError, CallErrorKind, Clock};

use crate::queries::{BATCH, Batch, Page, Queries, Query, StopQueries, Workgroup};

pub(crate) const LIMIT: &str = "/sandbox-guardrails/athena/athena-query-runtime/limit";
pub(crate) const MODE: &str = "/sandbox-guardrails/athena/athena-query-runtime/mode";

/// The sandbox that the samples under `events/` come from.
pub(crate) fn sandbox() -> Sandbox {
    Sandbox { account: "111111111111".into(), region: "eu-west-1".into(), alias: "marketing".into() }
}

/// A shared Athena.
#[derive(Clone)]
pub(crate) struct FakeAthena {
    clock: ManualClock,
    state: Rc<RefCell<State>>,
    /// How many calls of each kind were made.
    pub(crate) calls: Rc<RefCell<BTreeMap<&'static str, usize>>>,
    faults: Rc<RefCell<Vec<Fault>>>,
    ignores_stop: Rc<Cell<bool>>,
    /// Workgroups whose settings are loose: neither enforced nor with a cutoff.
    loose: Rc<RefCell<BTreeSet<String>>>,
}

/// The next `times` calls of an operation fail.
struct Fault {
    operation: &'static str,
    kind: CallErrorKind,
    times: usize,
}

#[derive(Default)]
struct State {
    /// Queries by workgroup, oldest first.
    workgroups: BTreeMap<String, Vec<FakeQuery>>,
}

#[derive(Clone)]
struct FakeQuery {
    id: String,
    submitted_at: Timestamp,
    ends_at: Option<Timestamp>,
    stops: usize,
    state: &'static str,
    scanned: u64,
}

impl FakeAthena {
    pub(crate) fn new(clock: &ManualClock) -> Self {
        Self {
            clock: clock.clone(),
            state: Rc::default(),
            calls: Rc::default(),
            faults: Rc::default(),
            ignores_stop: Rc::default(),
            loose: Rc::default(),
        }
    }

    pub(crate) fn workgroup(&self, name: &str) {
        self.state.borrow_mut().workgroups.entry(name.to_owned()).or_default();
    }

    /// Loosens or tightens a workgroup's settings.
    pub(crate) fn loosen(&self, workgroup: &str, loose: bool) {
        let mut all = self.loose.borrow_mut();
        if loose {
            all.insert(workgroup.to_owned())
        } else {
            all.remove(workgroup)
        };
    }

    /// A query submitted `age` seconds ago that ends `ends_in` seconds from now, or never.
    pub(crate) fn query(&self, workgroup: &str, id: &str, age: i64, ends_in: Option<i64>) {
        let now = self.clock.now();
        let query = FakeQuery {
            id: id.to_owned(),
            submitted_at: now - SignedDuration::from_secs(age),
            ends_at: ends_in.map(|seconds| now + SignedDuration::from_secs(seconds)),
            stops: 0,
            state: "RUNNING",
            scanned: 0,
        };
        let mut state = self.state.borrow_mut();
        let queries = state.workgroups.entry(workgroup.to_owned()).or_default();
        let place = queries.partition_point(|other| other.submitted_at <= query.submitted_at);
        queries.insert(place, query);
    }

    /// Lets a query wait in the queue.
    pub(crate) fn queued(&self, id: &str) {
        let mut state = self.state.borrow_mut();
        let queries = state.workgroups.values_mut().flatten().filter(|query| query.id == id);
        queries.for_each(|query| query.state = "QUEUED");
    }

    /// Lets a query have scanned this much.
    pub(crate) fn scanned(&self, id: &str, bytes: u64) {
        let mut state = self.state.borrow_mut();
        let queries = state.workgroups.values_mut().flatten().filter(|query| query.id == id);
        queries.for_each(|query| query.scanned = bytes);
    }

    /// Gives active queries this state.
    pub(crate) fn active_state(&self, active: &'static str) {
        self.state.borrow_mut().workgroups.values_mut().flatten().for_each(|query| query.state = active);
    }

    /// Lets the next `times` calls of an operation fail.
    pub(crate) fn fail(&self, operation: &'static str, kind: CallErrorKind, times: usize) {
        self.faults.borrow_mut().push(Fault { operation, kind, times });
    }

    pub(crate) fn ignore_stop(&self) {
        self.ignores_stop.set(true);
    }

    pub(crate) fn stops(&self, id: &str) -> usize {
        self.state.borrow().workgroups.values().flatten().filter(|query| query.id == id).map(|query| query.stops).sum()
    }

    pub(crate) fn count(&self, operation: &str) -> usize {
        self.calls.borrow().get(operation).copied().unwrap_or_default()
    }

    fn call(&self, operation: &'static str) -> Result<(), CallError> {
        *self.calls.borrow_mut().entry(operation).or_default() += 1;
        let mut faults = self.faults.borrow_mut();
        match faults.iter_mut().find(|fault| fault.operation == operation && fault.times > 0) {
            Some(fault) => {
                fault.times -= 1;
                Err(failed(operation, fault.kind))
            }
            None => Ok(()),
        }
    }
}

impl Queries for FakeAthena {
    async fn workgroups(&self) -> Result<Vec<String>, CallError> {
        self.call("athena:ListWorkGroups")?;
        Ok(self.state.borrow().workgroups.keys().cloned().collect())
    }

    async fn workgroup(&self, name: &str) -> Result<Option<Workgroup>, CallError> {
        self.call("athena:GetWorkGroup")?;
        let there = self.state.borrow().workgroups.contains_key(name);
        Ok(there.then(|| Workgroup {
            name: name.to_owned(),
            state: "ENABLED".to_owned(),
            created_at: None,
            enforced: !self.loose.borrow().contains(name),
            cutoff: (!self.loose.borrow().contains(name)).then_some(10_000_000),
        }))
    }

    async fn list(&self, workgroup: &str, from: Option<&str>) -> Result<Page, CallError> {
        self.call("athena:ListQueryExecutions")?;
        let start: usize = from.map_or(0, |from| from.parse().unwrap());
        let state = self.state.borrow();
        let ids: Vec<_> = state.workgroups[workgroup].iter().rev().map(|query| query.id.clone()).collect();
        let end = ids.len().min(start + BATCH);
        Ok(Page { ids: ids[start..end].to_vec(), next: (end < ids.len()).then(|| end.to_string()) })
    }

    async fn get(&self, ids: &[String]) -> Result<Batch, CallError> {
        assert!((1..=BATCH).contains(&ids.len()), "Athena takes 1 to {BATCH} ids, not {}", ids.len());
        self.call("athena:BatchGetQueryExecution")?;
        let now = self.clock.now();
        let mut batch = Batch::default();
        for id in ids {
            let state = self.state.borrow();
            let found =
                state.workgroups.iter().find_map(|(w, queries)| Some((w, queries.iter().find(|q| q.id == *id)?)));
            match found {
                Some((workgroup, query)) => {
                    let ended = query.ends_at.is_some_and(|ends_at| ends_at <= now);
                    batch.queries.push(Query {
                        id: id.clone(),
                        workgroup: workgroup.clone(),
                        state: if ended { "SUCCEEDED" } else { query.state }.to_owned(),
                        ended,
                        submitted_at: query.submitted_at,
                        scanned: Some(query.scanned),
                    });
                }
                None => batch.missing.push(id.clone()),
            }
        }
        Ok(batch)
    }
}

impl StopQueries for FakeAthena {
    async fn stop(&self, id: &str) -> Result<(), CallError> {
        self.call("athena:StopQueryExecution")?;
        let now = self.clock.now();
        for query in self.state.borrow_mut().workgroups.values_mut().flatten().filter(|query| query.id == id) {
            query.stops += 1;
            if !self.ignores_stop.get() {
                query.ends_at.get_or_insert(now);
            }
        }
        Ok(())
    }
}
