//! A service in memory, and a sandbox with a watch and an enforce around it.
//!
//! It goes by the guardrails of EMR, which between them count, time, size and read words, terminate, cancel in two
//! attempts and put settings right. What it holds are observations; how it is read from AWS is each room's own business.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use guardrail::{
    Action, ActionKind, Event, Finding, Measure, Observation, Policy, Reading, Resource, Sandbox, Service,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{FakeBus, FakeLedger, FakeParameters, FakeTrail, ManualClock, failed};
use crate::aws::CallCounter;
use crate::enforce::Enforce;
use crate::room::{Act, Acted, Found, Look, Seen, Sight, Wanted};
use crate::settings::WatchSettings;
use crate::trigger::Envelope;
use crate::watch::Watch;
use crate::{CallError, CallErrorKind, Clock, Invocation, Outbox, Owners, Parameters};

/// The call by which the service is seen.
pub const SEE: &str = "elasticmapreduce:ListClusters";

/// The call by which it is given orders.
pub const ORDER: &str = "elasticmapreduce:TerminateJobFlows";

/// The kinds of resources there are.
const KINDS: [&str; 3] = ["cluster", "step", "pending step"];

/// How the service takes orders. By default each is obeyed at once.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// How long after an order its effect comes.
    pub delay: SignedDuration,
    /// The first attempt that has an effect.
    pub from_attempt: u32,
    /// Whether nothing can be read any more of what was given an order, but that it is active.
    pub unread_after: bool,
    /// Refuses every order, saying this.
    pub refuses: Option<String>,
    /// Does something else, and says why.
    pub instead: Option<(ActionKind, String)>,
}

/// A resource that the service holds.
#[derive(Clone, Debug)]
struct Held {
    observation: Observation,
    /// The orders it was given, by attempt.
    told: Vec<u32>,
    /// When it obeys.
    ending_from: Option<Timestamp>,
    put_right: Option<(Timestamp, Measure, Reading)>,
    /// When it ends by itself.
    ended_from: Option<Timestamp>,
}

/// After some calls of an operation that succeed, some fail.
#[derive(Clone, Copy, Debug)]
struct Fault {
    operation: &'static str,
    kind: CallErrorKind,
    after: usize,
    times: usize,
}

/// A shared service.
#[derive(Clone, Debug)]
pub struct FakeService {
    clock: ManualClock,
    held: Rc<RefCell<BTreeMap<String, Held>>>,
    hidden: Rc<RefCell<BTreeSet<String>>>,
    unread: Rc<RefCell<BTreeSet<String>>>,
    partly: Rc<RefCell<BTreeSet<&'static str>>>,
    faults: Rc<RefCell<Vec<Fault>>>,
    manners: Rc<RefCell<Manners>>,
    sweep_takes: Rc<Cell<SignedDuration>>,
}

impl FakeService {
    /// A service that holds nothing yet.
    pub fn new(clock: &ManualClock) -> Self {
        Self {
            clock: clock.clone(),
            held: Rc::default(),
            hidden: Rc::default(),
            unread: Rc::default(),
            partly: Rc::default(),
            faults: Rc::default(),
            manners: Rc::default(),
            sweep_takes: Rc::default(),
        }
    }

    /// Holds this from now on, in place of what has its id.
    pub fn hold(&self, observation: Observation) {
        let held = Held {
            observation: observation.clone(),
            told: Vec::new(),
            ending_from: None,
            put_right: None,
            ended_from: None,
        };
        self.held.borrow_mut().insert(observation.resource.id, held);
    }

    /// Holds a cluster that was started so many seconds ago.
    pub fn cluster(&self, id: &str, age: i64) {
        let started_at = self.clock.now() - SignedDuration::from_secs(age);
        self.hold(Observation::new("cluster", id, "RUNNING", started_at));
    }

    /// Changes what is seen of a resource.
    pub fn change(&self, id: &str, change: impl FnOnce(Observation) -> Observation) {
        if let Some(held) = self.held.borrow_mut().get_mut(id) {
            held.observation = change(held.observation.clone());
        }
    }

    /// Ends a resource now, as it would by itself.
    pub fn end(&self, id: &str) {
        self.end_at(id, self.clock.now());
    }

    /// Ends a resource at this moment.
    pub fn end_at(&self, id: &str, moment: Timestamp) {
        if let Some(held) = self.held.borrow_mut().get_mut(id) {
            held.ended_from = Some(moment);
        }
    }

    /// Somebody else has told a resource to end.
    pub fn give_order(&self, id: &str) {
        if let Some(held) = self.held.borrow_mut().get_mut(id) {
            held.ending_from = Some(self.clock.now());
        }
    }

    /// Forgets what was put right of a resource: somebody has put it wrong again.
    pub fn let_go(&self, id: &str) {
        if let Some(held) = self.held.borrow_mut().get_mut(id) {
            held.put_right = None;
        }
    }

    /// Forgets a resource, as services do some time after it has ended.
    pub fn forget(&self, id: &str) {
        self.held.borrow_mut().remove(id);
    }

    /// Hides these resources from sweeps; what was hidden before shows again.
    pub fn hide(&self, ids: impl IntoIterator<Item = String>) {
        *self.hidden.borrow_mut() = ids.into_iter().collect();
    }

    /// Lets sweeps say of these resources that they could not be read; of all others that they could.
    pub fn leave_unread(&self, ids: impl IntoIterator<Item = String>) {
        *self.unread.borrow_mut() = ids.into_iter().collect();
    }

    /// Says of these kinds that they are not seen wholly; of all others that they are.
    pub fn show_partly(&self, kinds: impl IntoIterator<Item = &'static str>) {
        *self.partly.borrow_mut() = kinds.into_iter().collect();
    }

    /// Lets the next `times` calls of [`SEE`] or [`ORDER`] fail.
    pub fn fail(&self, operation: &'static str, kind: CallErrorKind, times: usize) {
        self.fail_later(operation, kind, 0, times);
    }

    /// Lets `times` calls fail when `after` more have succeeded.
    pub fn fail_later(&self, operation: &'static str, kind: CallErrorKind, after: usize, times: usize) {
        self.faults.borrow_mut().push(Fault { operation, kind, after, times });
    }

    /// Takes orders like this from now on.
    pub fn behave(&self, manners: Manners) {
        *self.manners.borrow_mut() = manners;
    }

    /// Lets every sweep take so long.
    pub fn slow_down(&self, sweep_takes: SignedDuration) {
        self.sweep_takes.set(sweep_takes);
    }

    /// What was given orders, with the attempt of each.
    pub fn told(&self) -> BTreeMap<String, Vec<u32>> {
        let held = self.held.borrow();
        let told = held.iter().filter(|(_, held)| !held.told.is_empty());
        told.map(|(id, held)| (id.clone(), held.told.clone())).collect()
    }

    /// What is active now.
    pub fn active(&self) -> Vec<String> {
        let held = self.held.borrow();
        held.iter().filter(|(_, held)| self.found(held) == Found::Active).map(|(id, _)| id.clone()).collect()
    }

    fn call(&self, operation: &'static str) -> Result<(), CallError> {
        let mut faults = self.faults.borrow_mut();
        match faults.iter_mut().find(|fault| fault.operation == operation && fault.times > 0) {
            Some(fault) if fault.after == 0 => {
                fault.times -= 1;
                Err(failed(operation, fault.kind))
            }
            Some(fault) => {
                fault.after -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn found(&self, held: &Held) -> Found {
        let now = self.clock.now();
        if held.ended_from.is_some_and(|from| from <= now) {
            Found::Ended("TERMINATED".to_owned())
        } else if held.ending_from.is_some_and(|from| from <= now) {
            Found::Ending("TERMINATING".to_owned())
        } else {
            Found::Active
        }
    }

    /// The active resources among these, as they are seen now.
    fn observations(&self, of: impl Fn(&Resource) -> bool) -> Vec<Observation> {
        let held = self.held.borrow();
        let active = held.values().filter(|held| of(&held.observation.resource) && self.found(held) == Found::Active);
        let seen = active.map(|held| {
            let mut seen = held.observation.clone();
            if let Some((from, measure, reading)) = &held.put_right
                && *from <= self.clock.now()
            {
                seen.readings.insert(*measure, reading.clone());
            }
            seen
        });
        seen.collect()
    }

    fn obey(&self, policy: &Policy, resource: &Resource, attempt: u32) -> Result<Acted, CallError> {
        self.call(ORDER)?;
        let manners = self.manners.borrow();
        if let Some(reason) = &manners.refuses {
            return Ok(Acted::Refused(reason.clone()));
        }
        let (action, note) = manners.instead.clone().unwrap_or((policy.guardrail.action, String::new()));
        if let Some(held) = self.held.borrow_mut().get_mut(&resource.id) {
            held.told.push(attempt);
            if manners.unread_after {
                held.observation.readings.clear();
            }
            let from = self.clock.now().checked_add(manners.delay).unwrap_or(Timestamp::MAX);
            match policy.limit.of(&held.observation.scopes) {
                _ if attempt < manners.from_attempt => {}
                guardrail::Quantity::Words(allowed) if action == ActionKind::PutPolicy => {
                    held.put_right = Some((from, policy.guardrail.measure, Reading::Words(allowed.clone())));
                }
                _ => held.ending_from = Some(held.ending_from.map_or(from, |before| before.min(from))),
            }
        }
        Ok(Acted::Told { action, note })
    }
}

impl Sight for FakeService {
    const SERVICE: Service = Service::Emr;

    async fn sweep(&mut self, wanted: Wanted<'_>, _now: Timestamp, _deadline: Timestamp) -> Seen {
        self.clock.set(self.clock.now() + self.sweep_takes.get());
        let mut seen = Seen::default();
        if let Err(problem) = self.call(SEE) {
            seen.problems.push(problem);
            return seen;
        }
        let (hidden, unread) = (self.hidden.borrow(), self.unread.borrow());
        let shows = |id: &String| !hidden.contains(id) && !unread.contains(id);
        seen.observations = self.observations(|resource| wanted.kind(&resource.kind) && shows(&resource.id));
        seen.unseen.clone_from(&unread);
        let partly = self.partly.borrow();
        seen.whole = KINDS.into_iter().filter(|kind| wanted.kind(kind) && !partly.contains(kind)).collect();
        for kind in KINDS {
            let count = seen.observations.iter().filter(|seen| seen.resource.kind == kind).count();
            seen.saw.insert(kind, u64::try_from(count).unwrap_or(u64::MAX));
        }
        seen
    }

    async fn signal(&mut self, event: &Envelope, wanted: Wanted<'_>, _now: Timestamp) -> Seen {
        let mut seen = Seen::default();
        if let Err(problem) = self.call(SEE) {
            seen.problems.push(problem);
            return seen;
        }
        let ids = event.detail.get("ids").and_then(Value::as_array);
        let named = |resource: &Resource| ids.is_some_and(|ids| ids.contains(&json!(resource.id)));
        seen.observations = self.observations(|resource| wanted.kind(&resource.kind) && named(resource));
        seen
    }

    async fn again(&mut self, resources: &[Resource], _wanted: Wanted<'_>, _now: Timestamp) -> Seen {
        let mut seen = Seen::default();
        if let Err(problem) = self.call(SEE) {
            seen.problems.push(problem);
            seen.unseen.extend(resources.iter().map(|resource| resource.id.clone()));
            return seen;
        }
        seen.observations = self.observations(|resource| resources.contains(resource));
        seen
    }
}

impl Act for FakeService {
    const SERVICE: Service = Service::Emr;

    async fn look(
        &mut self,
        policy: &Policy,
        resources: &[Resource],
        with_peers: bool,
        _now: Timestamp,
    ) -> Result<Look, CallError> {
        self.call(SEE)?;
        let held = self.held.borrow();
        let found = resources.iter().map(|resource| {
            let held = held.get(&resource.id).filter(|held| held.observation.resource == *resource);
            (resource.id.clone(), held.map_or(Found::Unknown, |held| self.found(held)))
        });
        let peer = |resource: &Resource| with_peers && policy.guardrail.measures(&resource.kind);
        let observations = self.observations(|resource| resources.contains(resource) || peer(resource));
        Ok(Look { found: found.collect(), observations })
    }

    async fn act(&mut self, policy: &Policy, resources: &[Resource], attempt: u32) -> Vec<Result<Acted, CallError>> {
        resources.iter().map(|resource| self.obey(policy, resource, attempt)).collect()
    }

    fn attempts(&self, action: ActionKind) -> u32 {
        // As in EMR, a step is interrupted first and killed then.
        if action == ActionKind::CancelStep { 2 } else { 1 }
    }
}

/// A watch of the fake service.
pub type FakeWatch = Watch<FakeService, FakeParameters, FakeLedger, FakeBus, FakeTrail, ManualClock>;

/// An enforce of the fake service, over this ledger and acting through this.
pub type FakeEnforce<A = FakeService, L = FakeLedger> = Enforce<A, FakeParameters, L, FakeBus, ManualClock>;

/// A sandbox with a fake service in it, and functions that may look after it.
#[derive(Clone, Debug)]
pub struct FakeSandbox {
    /// The clock.
    pub clock: ManualClock,
    /// The service.
    pub service: FakeService,
    /// Its parameters.
    pub parameters: FakeParameters,
    /// Its ledger.
    pub ledger: FakeLedger,
    /// Its bus.
    pub bus: FakeBus,
    /// Its trail.
    pub trail: FakeTrail,
    runs: Rc<Cell<u32>>,
}

impl FakeSandbox {
    /// An empty sandbox at this instant.
    pub fn at(instant: &str) -> Self {
        let clock = ManualClock::at(instant);
        Self {
            service: FakeService::new(&clock),
            clock,
            parameters: FakeParameters::default(),
            ledger: FakeLedger::default(),
            bus: FakeBus::default(),
            trail: FakeTrail::default(),
            runs: Rc::default(),
        }
    }

    /// Puts a parameter of a guardrail, such as `emr-cluster-count/limit`.
    pub fn put(&self, setting: &str, value: &str) {
        self.parameters.put(&format!("/sandbox-guardrails/emr/{setting}"), value);
    }

    /// Lets time pass.
    pub fn pass(&self, seconds: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_secs(seconds));
    }

    /// A watch that has just started: it remembers nothing.
    pub fn watch(&self, vigil: bool) -> FakeWatch {
        Watch {
            function: "emr-watch",
            sight: self.service.clone(),
            parameters: Parameters::new(self.parameters.clone(), Service::Emr),
            outbox: Outbox::new(self.ledger.clone(), self.bus.clone()),
            owners: Owners::new(self.trail.clone(), Service::Emr),
            clock: self.clock.clone(),
            calls: CallCounter::default(),
            sandbox: sandbox(),
            settings: WatchSettings { sweep_interval: SignedDuration::from_secs(60), vigil },
        }
    }

    /// An enforce that has just started.
    pub fn enforce(&self) -> FakeEnforce {
        self.enforce_through(self.service.clone(), self.ledger.clone())
    }

    /// An enforce that has just started and acts through these.
    pub fn enforce_through<A: Act, L: crate::ledger::Ledger>(&self, act: A, ledger: L) -> FakeEnforce<A, L> {
        Enforce {
            act,
            parameters: Parameters::new(self.parameters.clone(), Service::Emr),
            outbox: Outbox::new(ledger, self.bus.clone()),
            clock: self.clock.clone(),
            sandbox: sandbox(),
        }
    }

    /// An invocation with this event, now, with an id of its own.
    pub fn invocation(&self, event: Value) -> Invocation {
        let run = self.runs.get();
        self.runs.set(run + 1);
        let now = self.clock.now();
        let deadline = now.checked_add(SignedDuration::from_secs(175)).unwrap_or(now);
        Invocation { id: format!("run-{run}"), event, now, deadline }
    }

    /// The findings published so far, in order.
    pub fn findings(&self) -> Vec<Finding> {
        let events = self.bus.events.borrow();
        let findings =
            events.iter().filter_map(|event| if let Event::Finding(f) = event { Some(f.clone()) } else { None });
        findings.collect()
    }

    /// The actions published so far, in order.
    pub fn actions(&self) -> Vec<Action> {
        let events = self.bus.events.borrow();
        let actions =
            events.iter().filter_map(|event| if let Event::Action(a) = event { Some(a.clone()) } else { None });
        actions.collect()
    }
}

/// The sandbox's name in events.
pub fn sandbox() -> Sandbox {
    Sandbox { account: "111111111111".into(), region: "eu-west-1".into(), alias: "marketing".into() }
}

/// The event that makes a watch sweep.
pub fn sweep() -> Value {
    json!({"source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": {}})
}

/// The event by which the service names some resources.
pub fn signal(ids: &[&str]) -> Value {
    json!({"source": "aws.emr", "detail-type": "EMR Cluster State Change", "detail": {"ids": ids}})
}

/// A finding as it comes from the guardrail bus.
pub fn delivered(finding: &Finding) -> Value {
    json!({
        "source": guardrail::event::SOURCE,
        "detail-type": "Guardrail Finding",
        "account": finding.header.sandbox.account,
        "detail": finding,
    })
}
