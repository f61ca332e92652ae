//! In-memory stand-ins for this room's ports, and a sandbox in which its three functions run over them. For tests only.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use futures_util::FutureExt;
use guardrail::availability::{AvailabilityChange, WorkflowInput};
use guardrail::closing::{Closing, Part};
use guardrail::{ConfigurationRejected, Event, Resource};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lambda::fakes::interrupted::{Interrupted, Interruption, Mortality};
use lambda::fakes::pages::Pages;
use lambda::fakes::service::sandbox;
use lambda::fakes::{FakeBus, FakeLedger, FakeParameters, ManualClock, failed};
use lambda::{CallError, CallErrorKind, Clock, Handler, Invocation, Outbox, Parameters, Problems};
use serde_json::{Value, json};
use window::Calendar;

use crate::board::{Board, Switchboard};
use crate::book::Workflow;
use crate::calendar::Calendars;
use crate::part::{Item, Phase, Turned, TurnedOff};
use crate::reconcile::Reconcile;
use crate::schedules::{Schedules, Wake};
use crate::step::Step;
use crate::update::Update;
use crate::workflows::Workflows;

/// How a thing takes orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Obeys {
    /// At once.
    #[default]
    AtOnce,
    /// It is turning until it was looked at so often.
    AfterLooks(u32),
    /// It takes them and stays as it is.
    Never,
    /// Not at all, and says this.
    Refuses(&'static str),
    /// Never again: it is gone when the order comes.
    Vanishes,
}

/// Something in a part.
#[derive(Clone, Debug)]
struct Thing {
    item: Item,
    obeys: Obeys,
    looks_left: u32,
}

/// A fault of calls: so many succeed, then so many fail.
#[derive(Clone, Copy, Debug)]
struct Fault {
    kind: CallErrorKind,
    after: u32,
    times: u32,
}

/// The parts of a sandbox. What is in them is named `part/id`, such as `studio/a`. Jobs, clusters, queries and sessions
/// end for good; the rest can be turned on again.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeBoard {
    things: Rc<RefCell<BTreeMap<(Part, String), Thing>>>,
    orders: Rc<RefCell<Vec<String>>>,
    faults: Rc<RefCell<BTreeMap<String, Fault>>>,
    looks: Rc<RefCell<Vec<Part>>>,
}

impl FakeBoard {
    /// Puts a thing into a part, in this phase.
    pub(crate) fn put(&self, name: &str, phase: Phase) {
        let (part, id) = parse(name);
        let ends = matches!(part, Part::Jobs | Part::Emr | Part::Glue);
        let item = Item {
            resource: resource(part, &id),
            phase,
            state: format!("{phase:?}"),
            finishes: ends,
            memo: (!ends).then(|| json!({"of": id})),
        };
        // What is turning stays so until it was looked at once.
        let thing = Thing { item, obeys: Obeys::default(), looks_left: 1 };
        self.things.borrow_mut().insert((part, id), thing);
    }

    /// Puts several things that are on.
    pub(crate) fn put_on(&self, names: &[&str]) {
        for name in names {
            self.put(name, Phase::On);
        }
    }

    /// From now on the thing takes orders like this.
    pub(crate) fn behave(&self, name: &str, obeys: Obeys) {
        self.change(name, |thing| thing.obeys = obeys);
    }

    /// Lets the next `times` orders to this thing fail, after so many were taken. For a part's name alone: looks at it.
    pub(crate) fn fail(&self, name: &str, kind: CallErrorKind, after: u32, times: u32) {
        self.faults.borrow_mut().insert(name.to_owned(), Fault { kind, after, times });
    }

    /// Deletes a thing.
    pub(crate) fn delete(&self, name: &str) {
        self.things.borrow_mut().remove(&parse(name));
    }

    /// Everything that is on, by name.
    pub(crate) fn on(&self) -> Vec<String> {
        self.in_phase(Phase::On)
    }

    /// Everything that could be on again and is off, by name.
    pub(crate) fn off(&self) -> Vec<String> {
        self.in_phase(Phase::Off)
    }

    /// Everything that is on its way up, by name.
    pub(crate) fn turning_on(&self) -> Vec<String> {
        self.in_phase(Phase::TurningOn)
    }

    /// The orders that reached a service, such as `off studio/a`, and takes them off the list.
    pub(crate) fn take_orders(&self) -> Vec<String> {
        std::mem::take(&mut *self.orders.borrow_mut())
    }

    /// Which parts were looked at, each once, and forgets it.
    pub(crate) fn take_looks(&self) -> BTreeSet<Part> {
        std::mem::take(&mut *self.looks.borrow_mut()).into_iter().collect()
    }

    fn in_phase(&self, phase: Phase) -> Vec<String> {
        let things = self.things.borrow();
        let listed = things.iter().filter(|(_, thing)| thing.item.phase == phase && is_listed(thing));
        listed.map(|((part, id), _)| format!("{part}/{id}")).collect()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Thing)) {
        self.things.borrow_mut().get_mut(&parse(name)).map(change).unwrap_or_else(|| panic!("no `{name}`"));
    }

    fn call(&self, name: &str, operation: &'static str) -> Result<(), CallError> {
        let mut faults = self.faults.borrow_mut();
        match faults.get_mut(name) {
            Some(fault) if fault.after > 0 => fault.after -= 1,
            Some(fault) if fault.times > 0 => {
                fault.times -= 1;
                return Err(failed(operation, fault.kind));
            }
            _ => {}
        }
        Ok(())
    }

    fn order(&self, name: &str, to: Phase) -> Result<Turned, CallError> {
        self.call(name, "sagemaker:StopNotebookInstance")?;
        let mut things = self.things.borrow_mut();
        let vanishes = |thing: &Thing| thing.obeys == Obeys::Vanishes;
        if things.get(&parse(name)).is_some_and(vanishes) {
            things.remove(&parse(name));
        }
        let Some(thing) = things.get_mut(&parse(name)) else { return Ok(Turned::Gone) };
        self.orders.borrow_mut().push(format!("{} {name}", if to == Phase::On { "on" } else { "off" }));
        let turning = if to == Phase::On { Phase::TurningOn } else { Phase::TurningOff };
        match thing.obeys {
            Obeys::Refuses(why) => return Ok(Turned::Refused(why.to_owned())),
            // As services do, it refuses while it turns the other way; what knows of it waits.
            _ if thing.item.phase != turning && matches!(thing.item.phase, Phase::TurningOn | Phase::TurningOff) => {
                return Err(failed("sagemaker:StopNotebookInstance", CallErrorKind::Invalid));
            }
            Obeys::AfterLooks(looks) if thing.item.phase != to && thing.item.phase != turning => {
                thing.looks_left = looks;
                thing.item.phase = turning;
            }
            Obeys::AtOnce => thing.item.phase = to,
            Obeys::AfterLooks(_) | Obeys::Never | Obeys::Vanishes => {}
        }
        Ok(Turned::Told)
    }
}

impl Board for FakeBoard {
    async fn look(&self, part: Part, _closing: &Closing) -> Result<Vec<Item>, Problems> {
        self.looks.borrow_mut().push(part);
        self.call(part.as_str(), "iam:ListRoles")?;
        let mut things = self.things.borrow_mut();
        let of_part = things.iter_mut().filter(|((of, _), _)| *of == part);
        let items = of_part.filter_map(|(_, thing)| {
            let turned = match thing.item.phase {
                Phase::TurningOn => Phase::On,
                Phase::TurningOff => Phase::Off,
                phase => phase,
            };
            match thing.looks_left {
                0 => thing.item.phase = turned,
                left => thing.looks_left = left - 1,
            }
            is_listed(thing).then(|| thing.item.clone())
        });
        Ok(items.collect())
    }
}

impl Switchboard for FakeBoard {
    async fn turn_off(&self, part: Part, _: &Closing, item: &Item, _: Timestamp) -> Result<Turned, CallError> {
        self.order(&format!("{part}/{}", item.resource.id), Phase::Off)
    }

    async fn turn_on(&self, part: Part, _: &Closing, item: &TurnedOff) -> Result<Turned, CallError> {
        let name = format!("{part}/{}", item.resource.id);
        assert_eq!(item.memo, json!({"of": item.resource.id}), "`{name}` is turned on by what it was like");
        self.order(&name, Phase::On)
    }
}

impl<I: Interruption> Board for Interrupted<FakeBoard, I> {
    async fn look(&self, part: Part, closing: &Closing) -> Result<Vec<Item>, Problems> {
        self.interruption.befall().await;
        let seen = self.inner.look(part, closing).await;
        self.interruption.befall().await;
        seen
    }
}

impl<I: Interruption> Switchboard for Interrupted<FakeBoard, I> {
    async fn turn_off(&self, part: Part, closing: &Closing, item: &Item, now: Timestamp) -> Result<Turned, CallError> {
        self.interruption.befall().await;
        let turned = self.inner.turn_off(part, closing, item, now).await;
        self.interruption.befall().await;
        turned
    }

    async fn turn_on(&self, part: Part, closing: &Closing, item: &TurnedOff) -> Result<Turned, CallError> {
        self.interruption.befall().await;
        let turned = self.inner.turn_on(part, closing, item).await;
        self.interruption.befall().await;
        turned
    }
}

/// Runs to its end what never waits: no clock of a test takes any time, and whoever is killed is not run by this.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("nothing to wait for")
}

fn parse(name: &str) -> (Part, String) {
    let (part, id) = name.split_once('/').unwrap_or_else(|| panic!("`{name}` is no `part/id`"));
    (Part::ALL.into_iter().find(|known| known.as_str() == part).expect("a part"), id.to_owned())
}

/// What has ended for good is not listed.
fn is_listed(thing: &Thing) -> bool {
    thing.item.phase != Phase::Off || thing.item.memo.is_some()
}

/// The thing with this id in a part.
pub(crate) fn resource(part: Part, id: &str) -> Resource {
    let kind = match part {
        Part::Access => "role",
        Part::Studio => "app",
        Part::Notebooks => "notebook instance",
        Part::Jobs => "job",
        Part::Emr => "cluster",
        Part::Athena => "workgroup",
        Part::Glue => "session",
        Part::Rds => "database",
    };
    Resource { kind: kind.to_owned(), id: id.to_owned() }
}

/// Schedules in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeSchedules {
    /// When each fires, and in which zone it is told.
    pub(crate) set: Rc<RefCell<BTreeMap<Wake, (Timestamp, String)>>>,
    failing: Rc<RefCell<BTreeSet<Wake>>>,
}

impl FakeSchedules {
    /// Lets every call about this schedule fail from now on.
    pub(crate) fn fail(&self, wake: Wake) {
        self.failing.borrow_mut().insert(wake);
    }

    /// What is set, as `availability-opens 2026-11-23T07:00:00Z Europe/Madrid`.
    pub(crate) fn told(&self) -> Vec<String> {
        let set = self.set.borrow();
        set.iter().map(|(wake, (at, zone))| format!("{} {at} {zone}", wake.name())).collect()
    }
}

impl Schedules for FakeSchedules {
    async fn set(&self, wake: Wake, at: Option<Timestamp>, zone: &TimeZone) -> Result<(), CallError> {
        if self.failing.borrow().contains(&wake) {
            return Err(failed("scheduler:GetSchedule", CallErrorKind::Throttled));
        }
        let mut set = self.set.borrow_mut();
        match at {
            Some(at) => set.insert(wake, (at, zone.iana_name().unwrap_or("?").to_owned())),
            None => set.remove(&wake),
        };
        Ok(())
    }
}

/// Workflows in memory. They are started and do nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeWorkflows {
    /// The executions by ARN, with what each was started with.
    pub(crate) started: Rc<RefCell<BTreeMap<String, WorkflowInput>>>,
    running: Rc<RefCell<BTreeSet<String>>>,
    failing: Rc<Cell<bool>>,
}

impl FakeWorkflows {
    /// An execution is under way that somebody else started.
    pub(crate) fn run(&self, execution: &str) {
        self.running.borrow_mut().insert(execution.to_owned());
    }

    /// Lets every call fail from now on.
    pub(crate) fn fail(&self) {
        self.failing.set(true);
    }

    fn call(&self, operation: &'static str) -> Result<(), CallError> {
        if self.failing.get() { Err(failed(operation, CallErrorKind::Denied)) } else { Ok(()) }
    }
}

impl Workflows for FakeWorkflows {
    async fn start(&self, workflow: Workflow, name: &str, input: &WorkflowInput) -> Result<String, CallError> {
        self.call("states:StartExecution")?;
        let arn = execution(workflow, name);
        if self.started.borrow_mut().insert(arn.clone(), input.clone()).is_none() {
            self.run(&arn);
        }
        Ok(arn)
    }

    async fn runs(&self, execution: &str) -> Result<bool, CallError> {
        self.call("states:DescribeExecution")?;
        Ok(self.running.borrow().contains(execution))
    }
}

/// The ARN of an execution.
pub(crate) fn execution(workflow: Workflow, name: &str) -> String {
    let machine = workflow.as_str();
    format!("arn:aws:states:eu-west-1:111111111111:execution:sandbox-guardrails-{machine}:{name}")
}

/// Calendars in memory; one that is not there is missing.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeCalendars(pub(crate) Rc<RefCell<BTreeMap<String, Calendar>>>);

impl Calendars for FakeCalendars {
    async fn state(&self, name: &str) -> Result<Calendar, CallError> {
        let known = self.0.borrow().get(name).copied();
        known.ok_or_else(|| failed("ssm:GetCalendarState", CallErrorKind::Invalid))
    }
}

/// A sandbox, and functions that have just started in it.
#[derive(Clone, Debug)]
pub(crate) struct FakeSandbox {
    pub(crate) clock: ManualClock,
    pub(crate) board: FakeBoard,
    pub(crate) book: Pages,
    pub(crate) workflows: FakeWorkflows,
    pub(crate) schedules: FakeSchedules,
    pub(crate) calendars: FakeCalendars,
    pub(crate) parameters: FakeParameters,
    pub(crate) ledger: FakeLedger,
    pub(crate) bus: FakeBus,
    runs: Rc<Cell<u32>>,
}

/// A step between whose calls something happens.
pub(crate) type FakeStep<I> = Step<
    Interrupted<FakeBoard, I>,
    Interrupted<Pages, I>,
    FakeParameters,
    Interrupted<FakeLedger, I>,
    Interrupted<FakeBus, I>,
    ManualClock,
>;

impl FakeSandbox {
    /// An empty sandbox at this instant.
    pub(crate) fn at(instant: &str) -> Self {
        Self {
            clock: ManualClock::at(instant),
            board: FakeBoard::default(),
            book: Pages::default(),
            workflows: FakeWorkflows::default(),
            schedules: FakeSchedules::default(),
            calendars: FakeCalendars::default(),
            parameters: FakeParameters::default(),
            ledger: FakeLedger::default(),
            bus: FakeBus::default(),
            runs: Rc::default(),
        }
    }

    /// Puts a setting of closing, such as `grace/jobs`.
    pub(crate) fn put(&self, setting: &str, value: &str) {
        self.parameters.put(&format!("/sandbox-guardrails/availability/{setting}"), value);
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_secs(seconds));
    }

    /// An invocation with this event, now, with an id of its own.
    pub(crate) fn invocation(&self, event: Value) -> Invocation {
        let run = self.runs.get();
        self.runs.set(run + 1);
        let now = self.clock.now();
        Invocation { id: format!("run-{run}"), event, now, deadline: now + SignedDuration::from_secs(85) }
    }

    /// What `availability-step` answers.
    pub(crate) fn step(&self, event: Value) -> Result<Value, Problems> {
        now(self.step_through(&Mortality::default()).handle(self.invocation(event)))
    }

    /// What `availability-reconcile` answers.
    pub(crate) fn reconcile(&self, event: Value) -> Result<Value, Problems> {
        let mut reconcile = Reconcile {
            board: self.board.clone(),
            book: self.book.clone(),
            workflows: self.workflows.clone(),
            schedules: self.schedules.clone(),
            calendars: self.calendars.clone(),
            parameters: Parameters::new(self.parameters.clone(), "availability"),
            outbox: Outbox::new(self.ledger.clone(), self.bus.clone()),
            clock: self.clock.clone(),
            sandbox: sandbox(),
        };
        now(reconcile.handle(self.invocation(event)))
    }

    /// What `availability-update` answers.
    pub(crate) fn update(&self, event: Value) -> Result<Value, Problems> {
        let mut update = Update {
            book: self.book.clone(),
            schedules: self.schedules.clone(),
            parameters: Parameters::new(self.parameters.clone(), "availability"),
            outbox: Outbox::new(self.ledger.clone(), self.bus.clone()),
            clock: self.clock.clone(),
            sandbox: sandbox(),
        };
        now(update.handle(self.invocation(event)))
    }

    /// An `availability-step` between whose calls something happens.
    pub(crate) fn step_through<I: Interruption + Clone>(&self, interruption: &I) -> FakeStep<I> {
        Step {
            switchboard: interrupted(self.board.clone(), interruption),
            book: interrupted(self.book.clone(), interruption),
            parameters: Parameters::new(self.parameters.clone(), "availability"),
            outbox: Outbox::new(
                interrupted(self.ledger.clone(), interruption),
                interrupted(self.bus.clone(), interruption),
            ),
            clock: self.clock.clone(),
            sandbox: sandbox(),
        }
    }

    /// The changes told so far, in order.
    pub(crate) fn changes(&self) -> Vec<AvailabilityChange> {
        let events = self.bus.events.borrow();
        let change =
            |event: &Event| if let Event::AvailabilityChange(told) = event { Some(told.clone()) } else { None };
        events.iter().filter_map(change).collect()
    }

    /// The sentences of the changes told so far, in order.
    pub(crate) fn told(&self) -> Vec<String> {
        self.changes().into_iter().map(|told| told.message).collect()
    }

    /// The rejections told so far, in order.
    pub(crate) fn rejected(&self) -> Vec<ConfigurationRejected> {
        let events = self.bus.events.borrow();
        let rejected =
            |event: &Event| if let Event::ConfigurationRejected(told) = event { Some(told.clone()) } else { None };
        events.iter().filter_map(rejected).collect()
    }
}

fn interrupted<T, I: Clone>(inner: T, interruption: &I) -> Interrupted<T, I> {
    Interrupted { inner, interruption: interruption.clone() }
}
