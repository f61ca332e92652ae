//! In-memory stand-ins for this room's ports, and a hub in which its two functions run over them. For tests only.

pub(crate) mod console;
pub(crate) mod exports;
mod interrupted;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use guardrail::event::SOURCE;
use guardrail::{Action, ConfigurationRejected, Event, Finding, Header, Heartbeat, Sandbox, SandboxSpend};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use lambda::fakes::interrupted::{Interrupted, Interruption, Mortality};
use lambda::fakes::pages::Pages;
use lambda::fakes::{FakeLedger, FakeParameters, ManualClock, block_on, failed};
use lambda::{CallError, CallErrorKind, Clock, Handler, Invocation, Outbox, Parameters, Problems};
use serde_json::{Value, json};
use spend::Charges;

use self::console::{FakeBuses, FakeConsole, HubBus};
use self::exports::{FakeExports, FakeQueries};
use self::interrupted::InterruptedBuses;
use crate::deliveries::{Counted, Kind, Reader};
use crate::enforce::Enforce;
use crate::figures::{Account, Figures, account_page, figures_page};
use crate::meter::Meter;

/// The accounts of the sandboxes in these tests, and of one that the hub does not know.
pub(crate) const RETAIL: &str = "111111111111";
pub(crate) const TRADING: &str = "222222222222";
pub(crate) const STRANGER: &str = "333333333333";

/// Faults of calls, by operation: so many succeed, then so many fail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Rc<RefCell<BTreeMap<&'static str, (u32, u32)>>>);

impl Faults {
    /// Lets the next `times` calls of an operation fail, after so many that do not.
    pub(crate) fn fail(&self, operation: &'static str, after: u32, times: u32) {
        self.0.borrow_mut().insert(operation, (after, times));
    }

    pub(crate) fn call(&self, operation: &'static str) -> Result<(), CallError> {
        match self.0.borrow_mut().get_mut(operation) {
            Some((after @ 1.., _)) => *after -= 1,
            Some((_, left @ 1..)) => {
                *left -= 1;
                return Err(failed(operation, CallErrorKind::Unavailable));
            }
            _ => {}
        }
        Ok(())
    }
}

/// The hub and what reports to it, and functions that have just started in it.
#[derive(Clone, Debug)]
pub(crate) struct FakeHub {
    pub(crate) clock: ManualClock,
    pub(crate) exports: FakeExports,
    pub(crate) queries: FakeQueries,
    pub(crate) console: FakeConsole,
    pub(crate) buses: FakeBuses,
    pub(crate) book: Pages,
    pub(crate) parameters: FakeParameters,
    pub(crate) ledger: FakeLedger,
    pub(crate) bus: HubBus,
    /// How deliveries come.
    pub(crate) kind: Rc<Cell<Kind>>,
    /// Which charges count.
    pub(crate) charges: Rc<Cell<Charges>>,
    /// Deliveries of more bytes are asked of Athena.
    pub(crate) athena_above: Rc<Cell<u64>>,
    runs: Rc<Cell<u32>>,
}

/// A meter between whose calls something happens.
pub(crate) type FakeMeter<I> = Meter<
    Interrupted<FakeExports, I>,
    Interrupted<FakeQueries, I>,
    Interrupted<FakeConsole, I>,
    Interrupted<Pages, I>,
    FakeParameters,
    Interrupted<FakeLedger, I>,
    Interrupted<HubBus, I>,
    ManualClock,
>;

/// An enforce between whose calls something happens.
pub(crate) type FakeEnforce<I> = Enforce<
    Interrupted<FakeConsole, I>,
    Interrupted<Pages, I>,
    FakeParameters,
    Interrupted<FakeLedger, I>,
    Interrupted<HubBus, I>,
    InterruptedBuses<I>,
    ManualClock,
>;

/// The sandbox of an account in the Region of the hub.
pub(crate) fn sandbox(account: &str) -> Sandbox {
    let alias = match account {
        RETAIL => "retail",
        TRADING => "trading",
        account => account,
    };
    Sandbox { account: account.to_owned(), region: "eu-west-1".to_owned(), alias: alias.to_owned() }
}

/// The hub itself.
pub(crate) fn hub() -> Sandbox {
    Sandbox { account: "999999999999".to_owned(), region: "eu-west-1".to_owned(), alias: "hub".to_owned() }
}

/// The event of the schedule.
pub(crate) fn sweep() -> Value {
    json!({"source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": {}})
}

/// The event of something that landed under this key.
pub(crate) fn object_created(key: &str) -> Value {
    let detail = json!({"bucket": {"name": "cost-exports"}, "object": {"key": key}});
    json!({"source": "aws.s3", "detail-type": "Object Created", "account": "999999999999", "detail": detail})
}

/// The event of a changed budget.
pub(crate) fn parameter_changed() -> Value {
    let detail = json!({"operation": "Update", "name": "/sandbox-guardrails/spend/spend-budget/limit"});
    json!({"source": "aws.ssm", "detail-type": "Parameter Store Change", "account": "999999999999", "detail": detail})
}

/// An event as it comes from the hub's bus, put there by this account.
pub(crate) fn told_by(account: &str, event: impl Into<Event>) -> Value {
    let event = event.into();
    json!({"source": SOURCE, "detail-type": event.detail_type(), "account": account, "detail": event})
}

impl FakeHub {
    /// A hub at this instant, that two sandboxes report to and nothing was delivered to.
    pub(crate) fn at(instant: &str) -> Self {
        let clock = ManualClock::at(instant);
        let exports = FakeExports::new(clock.clone());
        let console = FakeConsole::default();
        let hub = Self {
            queries: FakeQueries { exports: exports.clone(), asked: Rc::default(), faults: Faults::default() },
            exports,
            buses: FakeBuses { console: console.clone(), sent: Rc::default(), refusing: Rc::default() },
            console,
            book: Pages::default(),
            parameters: FakeParameters::default(),
            ledger: FakeLedger::default(),
            bus: HubBus::default(),
            kind: Rc::new(Cell::new(Kind::Manifest)),
            charges: Rc::default(),
            athena_above: Rc::new(Cell::new(u64::MAX)),
            runs: Rc::default(),
            clock,
        };
        hub.report(sandbox(RETAIL));
        hub.report(sandbox(TRADING));
        hub
    }

    /// A sandbox gives a sign of life.
    pub(crate) fn report(&self, sandbox: Sandbox) {
        self.console.heartbeats.borrow_mut().push(Heartbeat {
            header: Header::new("heartbeat/emr-watch", &sandbox, self.clock.now()),
            function: "emr-watch".to_owned(),
            saw: BTreeMap::new(),
            took: SignedDuration::from_secs(1),
            calls: 3,
        });
    }

    /// Puts a setting of budgets, such as `limit/business-unit/retail`.
    pub(crate) fn put(&self, setting: &str, value: &str) {
        self.parameters.put(&format!("/sandbox-guardrails/spend/spend-budget/{setting}"), value);
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
        Invocation { id: format!("request-{run}/{now}"), event, now, deadline: now + SignedDuration::from_mins(10) }
    }

    /// A meter that has just started, between whose calls something happens.
    pub(crate) fn meter_through<I: Interruption + Clone>(&self, interruption: &I) -> FakeMeter<I> {
        let counted = Counted { charges: self.charges.get(), exclude: BTreeSet::new(), owner_tag: "owner".to_owned() };
        Meter {
            reader: Reader {
                exports: interrupted(&self.exports, interruption),
                queries: interrupted(&self.queries, interruption),
                kind: self.kind.get(),
                counted,
                athena_above: self.athena_above.get(),
            },
            console: interrupted(&self.console, interruption),
            book: interrupted(&self.book, interruption),
            parameters: Parameters::new(self.parameters.clone(), "spend"),
            outbox: Outbox::new(interrupted(&self.ledger, interruption), interrupted(&self.bus, interruption)),
            clock: self.clock.clone(),
            calls: lambda::aws::CallCounter::default(),
            hub: hub(),
            export: "exports/costs".to_owned(),
        }
    }

    /// An enforce that has just started, between whose calls something happens.
    pub(crate) fn enforce_through<I: Interruption + Clone>(&self, interruption: &I) -> FakeEnforce<I> {
        Enforce {
            console: interrupted(&self.console, interruption),
            book: interrupted(&self.book, interruption),
            parameters: Parameters::new(self.parameters.clone(), "spend"),
            outbox: Outbox::new(interrupted(&self.ledger, interruption), interrupted(&self.bus, interruption)),
            buses: InterruptedBuses { inner: self.buses.clone(), interruption: interruption.clone() },
            clock: self.clock.clone(),
            hub: hub(),
            partition: "aws".to_owned(),
            bus: "sandbox-guardrails".to_owned(),
        }
    }

    /// What a meter that has just started makes of an event.
    pub(crate) fn meter(&self, event: Value) -> Result<(), Problems> {
        block_on(self.meter_through(&Mortality::default()).handle(self.invocation(event)))
    }

    /// A sweep of a meter that has just started.
    pub(crate) fn sweep(&self) -> Result<(), Problems> {
        self.meter(sweep())
    }

    /// A sweep five minutes later that must go well.
    pub(crate) fn next_sweep(&self) {
        self.pass(300);
        self.sweep().unwrap();
    }

    /// Something lands under this key, and its event comes.
    pub(crate) fn landed(&self, key: &str) -> Result<(), Problems> {
        self.meter(object_created(key))
    }

    /// What an enforce that has just started makes of a finding.
    pub(crate) fn enforce(&self, finding: &Finding) -> Result<(), Problems> {
        let event = told_by("999999999999", finding.clone());
        block_on(self.enforce_through(&Mortality::default()).handle(self.invocation(event)))
    }

    /// The findings of a guardrail told so far, in order.
    pub(crate) fn findings(&self, guardrail: &str) -> Vec<Finding> {
        let events = self.bus.events().into_iter();
        let findings = events.filter_map(|event| if let Event::Finding(told) = event { Some(told) } else { None });
        findings.filter(|finding| finding.guardrail == guardrail).collect()
    }

    /// The levels of budgets told so far, in order, as `retail 75`.
    pub(crate) fn levels(&self) -> Vec<String> {
        let told = self.findings("spend-budget").into_iter();
        told.map(|told| format!("{} {}", told.header.sandbox.alias, told.level.percent)).collect()
    }

    /// What was told of spend so far, in order.
    pub(crate) fn spends(&self) -> Vec<SandboxSpend> {
        let events = self.bus.events().into_iter();
        events.filter_map(|event| if let Event::SandboxSpend(told) = event { Some(*told) } else { None }).collect()
    }

    /// The actions told so far, in order.
    pub(crate) fn actions(&self) -> Vec<Action> {
        let events = self.bus.events().into_iter();
        events.filter_map(|event| if let Event::Action(told) = event { Some(told) } else { None }).collect()
    }

    /// The rejections told so far, in order.
    pub(crate) fn rejected(&self) -> Vec<ConfigurationRejected> {
        let events = self.bus.events().into_iter();
        let rejected = |event| if let Event::ConfigurationRejected(told) = event { Some(told) } else { None };
        events.filter_map(rejected).collect()
    }

    /// How many signs of life were given.
    pub(crate) fn heartbeats(&self) -> usize {
        self.bus.events().iter().filter(|event| matches!(event, Event::Heartbeat(_))).count()
    }

    /// What is remembered of an account.
    pub(crate) fn account(&self, account: &str) -> Account {
        self.book.get(account_page(account)).unwrap_or_default()
    }

    /// An account's figures of a month.
    pub(crate) fn figures(&self, account: &str, month: &str) -> Option<Figures> {
        self.book.get(figures_page(account, day(&format!("{month}-01"))))
    }

    /// What a month cost in an account, as the figures in force say.
    pub(crate) fn total(&self, account: &str, month: &str) -> String {
        self.figures(account, month).map_or_else(|| "unknown".to_owned(), |figures| figures.total().to_string())
    }
}

/// A day.
pub(crate) fn day(text: &str) -> Date {
    text.parse().expect("a day")
}

/// A moment.
pub(crate) fn moment(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

fn interrupted<T: Clone, I: Clone>(inner: &T, interruption: &I) -> Interrupted<T, I> {
    Interrupted { inner: inner.clone(), interruption: interruption.clone() }
}
