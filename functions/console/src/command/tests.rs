//! Commands from what is asked for to what each sandbox gets, whatever fails in between.

mod budgets;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use guardrail::event::Header;
use lambda::CallErrorKind;
use lambda::fakes::{ManualClock, block_on, failed};
use serde_json::{Value, json};

use super::asked::Budget;
use super::deliveries::Known;
use super::*;
use crate::health::{SandboxFunction, Sign, SignKind};
use crate::hub::Hub as Home;

const NOW: &str = "2026-11-20T09:35:00Z";

fn sample(name: &str) -> Value {
    let path = format!("{}/../../events/console-command/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The hub in memory: who has reported, what the table says of commands, what the buses took.
#[derive(Clone, Debug, Default)]
struct Hub {
    signs: Rc<RefCell<Vec<Sign>>>,
    commands: Rc<RefCell<BTreeMap<String, Known>>>,
    /// The status of each delivery, by account and id.
    deliveries: Rc<RefCell<BTreeMap<(String, String), Status>>>,
    events: Rc<RefCell<Vec<(String, Event)>>>,
    /// The accounts whose buses refuse.
    refusing: Rc<RefCell<BTreeSet<String>>>,
    /// How much time each call to the buses had.
    patience: Rc<RefCell<Vec<Duration>>>,
    /// The hub's parameters, each with why it was set last.
    parameters: Rc<RefCell<BTreeMap<String, (String, String)>>>,
    /// Whose budgets were set when.
    budgets: Rc<RefCell<BTreeMap<String, Timestamp>>>,
    /// The call that fails, and how many of its kind succeed before.
    failing: Rc<Cell<Option<(&'static str, usize)>>>,
}

impl Hub {
    /// A hub that this many sandboxes have reported to.
    fn of(sandboxes: usize) -> Self {
        let hub = Self::default();
        hub.signs.borrow_mut().extend((0..sandboxes).map(|number| heartbeat(number, "eu-west-1", NOW)));
        hub
    }

    fn call(&self, operation: &'static str) -> Result<(), CallError> {
        match self.failing.get() {
            Some((of, 0)) if of == operation => Err(failed(operation, CallErrorKind::Throttled)),
            Some((of, left)) if of == operation => {
                self.failing.set(Some((of, left - 1)));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Asks for something as the request of this id, at this time.
    fn ask_at(&self, asked: &Value, request: &str, now: &str) -> Result<Answer, Problems> {
        let now: Timestamp = now.parse().unwrap();
        let mut sender = Sender {
            signs: self.clone(),
            deliveries: self.clone(),
            buses: self.clone(),
            budgets: self.clone(),
            clock: ManualClock::from(now),
            settings: CommandSettings {
                table: "console".to_owned(),
                partition: "aws".to_owned(),
                bus: "sandbox-guardrails".to_owned(),
                hub: Home { account: "999999999999".to_owned(), region: "eu-west-1".to_owned() },
            },
        };
        let deadline = now + SignedDuration::from_secs(115);
        let id = format!("{request}/{now}");
        block_on(sender.handle(Invocation { id, event: asked.clone(), now, deadline }))
    }

    fn ask(&self, asked: &Value, request: &str) -> Result<Answer, Problems> {
        self.ask_at(asked, request, NOW)
    }

    /// The accounts that got an event, in order.
    fn reached(&self) -> Vec<String> {
        self.events.borrow().iter().map(|(_, event)| event.header().sandbox.account.clone()).collect()
    }

    fn status(&self, number: usize, id: &str) -> Option<Status> {
        self.deliveries.borrow().get(&(account(number), format!("command/{id}"))).cloned()
    }
}

impl Signs for Hub {
    async fn signs(&self) -> Result<Vec<Sign>, CallError> {
        self.call("dynamodb:Query")?;
        Ok(self.signs.borrow().clone())
    }
}

impl Deliveries for Hub {
    async fn begin(&self, command: &Command) -> Result<Option<Known>, CallError> {
        self.call("dynamodb:PutItem")?;
        let known = Known { what: command.what.clone(), asked_at: command.asked_at };
        let mut commands = self.commands.borrow_mut();
        if let Some(stands) = commands.get(&command.id) {
            return Ok(Some(stands.clone()));
        }
        commands.insert(command.id.clone(), known);
        Ok(None)
    }

    async fn reached(&self, id: &str, among: &[Sandbox]) -> Result<BTreeSet<String>, CallError> {
        self.call("dynamodb:BatchGetItem")?;
        let deliveries = self.deliveries.borrow();
        let sent = |sandbox: &&Sandbox| {
            let status = deliveries.get(&(sandbox.account.clone(), format!("command/{id}")));
            matches!(status, Some(Status::Sent(_)))
        };
        Ok(among.iter().filter(sent).map(|sandbox| sandbox.account.clone()).collect())
    }

    async fn stands(&self, whose: &str, command: &Command, _: &Budget) -> Result<bool, CallError> {
        self.call("dynamodb:PutItem")?;
        let mut budgets = self.budgets.borrow_mut();
        let stands = budgets.get(whose).is_none_or(|at| *at <= command.asked_at);
        if stands {
            budgets.insert(whose.to_owned(), command.asked_at);
        }
        Ok(stands)
    }

    async fn note(&self, deliveries: &[Delivery]) -> Result<(), CallError> {
        self.call("dynamodb:BatchWriteItem")?;
        for delivery in deliveries {
            let place = (delivery.sandbox.account.clone(), delivery.id().to_owned());
            self.deliveries.borrow_mut().insert(place, delivery.status.clone());
        }
        Ok(())
    }
}

impl Budgets for Hub {
    async fn set(&self, name: &str, value: &str, why: &str) -> Result<(), CallError> {
        self.call("ssm:PutParameter")?;
        self.parameters.borrow_mut().insert(name.to_owned(), (value.to_owned(), why.to_owned()));
        Ok(())
    }

    async fn take_away(&self, name: &str) -> Result<(), CallError> {
        self.call("ssm:DeleteParameter")?;
        self.parameters.borrow_mut().remove(name);
        Ok(())
    }
}

impl Buses for Hub {
    async fn publish_to(&self, _: &str, events: &[(String, Event)], within: Duration) -> Vec<(usize, CallError)> {
        self.patience.borrow_mut().push(within);
        let mut refused = Vec::new();
        for (index, (bus, event)) in events.iter().enumerate() {
            let Header { id, sandbox, .. } = event.header();
            let noted = self.deliveries.borrow().get(&(sandbox.account.clone(), id.clone())).cloned();
            assert_eq!(noted, Some(Status::Pending), "what is sent was noted before");
            if self.refusing.borrow().contains(&sandbox.account) {
                refused.push((index, failed("events:PutEvents", CallErrorKind::Throttled)));
            } else {
                self.events.borrow_mut().push((bus.clone(), event.clone()));
            }
        }
        refused
    }
}

fn account(number: usize) -> String {
    format!("{number:012}")
}

fn heartbeat(number: usize, region: &str, at: &str) -> Sign {
    let by =
        SandboxFunction { account: account(number), region: region.to_owned(), function: "athena-watch".to_owned() };
    Sign { by, at: at.parse().unwrap(), kind: SignKind::Heartbeat { alias: format!("alias-{number}") } }
}

/// The sample of a lock, for every sandbox.
fn lock_all() -> Value {
    let mut asked = sample("lock");
    asked["sandboxes"] = json!("all");
    asked
}

fn accepted(id: &str, sandboxes: usize, sent: usize, failed: Vec<Unreached>) -> Answer {
    Answer::Accepted { accepted: true, id: id.to_owned(), sandboxes, sent, failed }
}

/// What an operator gets who asked a sandbox that is throttled.
fn throttled(number: usize) -> Unreached {
    let why = "`events:PutEvents` failed (Throttled): injected by a test".to_owned();
    Unreached { account: account(number), region: "eu-west-1".to_owned(), why }
}

#[test]
fn every_sandbox_gets_its_event_on_its_own_bus() {
    let check = |name: &str, detail_type: &str, expected: Value| {
        let hub = Hub::of(2);
        let mut asked = sample(name);
        asked["sandboxes"] = json!("all");
        assert_eq!(hub.ask(&asked, "r-1").unwrap(), accepted("r-1", 2, 2, vec![]), "{name}");
        for (number, (bus, event)) in hub.events.borrow().iter().enumerate() {
            let account = account(number);
            assert_eq!(*bus, format!("arn:aws:events:eu-west-1:{account}:event-bus/sandbox-guardrails"));
            assert_eq!(event.detail_type(), detail_type);
            let mut detail = json!({
                "schema_version": "1", "id": "command/r-1", "occurred_at": NOW,
                "sandbox": {"account": account, "region": "eu-west-1", "alias": format!("alias-{number}")}
            });
            detail.as_object_mut().unwrap().extend(expected.as_object().unwrap().clone());
            assert_eq!(serde_json::to_value(event).unwrap(), detail);
        }
        assert_eq!(hub.status(1, "r-1"), Some(Status::Sent(NOW.parse().unwrap())));
    };
    let window = sample("availability-update")["window"].clone();
    let update = json!({"requested_by": "jo@bank.example", "window": window});
    check("availability-update", "Availability Update Requested", update);
    let removed = json!({"requested_by": "jo@bank.example", "window": null});
    check("window-removed", "Availability Update Requested", removed);
    let lock = json!({"requested_by": "spend-meter", "lock": "budget", "reason": "spend is at 200 % of the budget"});
    check("lock", "Sandbox Lock Requested", lock);
    let release = json!({"requested_by": "jo@bank.example", "lock": "budget", "reason": "the budget was raised"});
    check("release", "Sandbox Lock Released", release);
}

#[test]
fn all_are_those_of_the_region_that_gave_a_sign_of_life() {
    let hub = Hub::of(2);
    hub.signs.borrow_mut().push(heartbeat(7, "us-east-2", NOW));
    hub.signs.borrow_mut().push(heartbeat(8, "eu-west-1", "2026-11-13T09:35:00Z"));
    // The hub's own functions give signs of life too, and nothing may ever close the hub.
    hub.signs.borrow_mut().push(heartbeat(999_999_999_999, "eu-west-1", NOW));
    assert_eq!(hub.ask(&lock_all(), "r-1").unwrap(), accepted("r-1", 2, 2, vec![]));
    assert_eq!(hub.reached(), [account(0), account(1)]);
    let mut elsewhere = lock_all();
    elsewhere["region"] = json!("us-east-2");
    assert_eq!(hub.ask(&elsewhere, "r-2").unwrap(), accepted("r-2", 1, 1, vec![]));
    let (bus, _) = hub.events.borrow().last().unwrap().clone();
    assert_eq!(bus, "arn:aws:events:us-east-2:000000000007:event-bus/sandbox-guardrails");
    elsewhere["region"] = json!("us-west-1");
    let message = "is `all`, and no sandbox of `us-west-1` has given a sign of life".to_owned();
    assert_eq!(hub.ask(&elsewhere, "r-3").unwrap(), refused(vec![Fault { path: "sandboxes".to_owned(), message }]));
}

#[test]
fn a_sandbox_that_is_named_gets_it_known_or_not() {
    let hub = Hub::of(1);
    let mut asked = sample("lock");
    asked["sandboxes"] = json!([account(5), account(0)]);
    assert_eq!(hub.ask(&asked, "r-1").unwrap(), accepted("r-1", 2, 2, vec![]));
    let events = hub.events.borrow();
    let aliases: Vec<_> = events.iter().map(|(_, event)| event.header().sandbox.alias.as_str()).collect();
    assert_eq!(aliases, ["alias-0", account(5).as_str()]);
}

#[test]
fn nothing_happens_if_there_is_any_fault() {
    let hub = Hub::of(3);
    let mut asked = lock_all();
    asked["requested_by"] = json!("");
    let Answer::Refused { accepted: false, faults } = hub.ask(&asked, "r-1").unwrap() else { panic!("a fault") };
    assert_eq!(faults.len(), 1);
    assert!(hub.commands.borrow().is_empty() && hub.deliveries.borrow().is_empty() && hub.reached().is_empty());
    let answer = serde_json::to_value(refused(faults)).unwrap();
    let fault = json!({"path": "requested_by", "message": "is ``, expected text of 1 to 200 characters"});
    assert_eq!(answer, json!({"accepted": false, "faults": [fault]}));
}

#[test]
fn asking_again_reaches_those_who_were_not_reached_and_no_one_else() {
    let hub = Hub::of(120);
    hub.refusing.borrow_mut().extend([3, 77].map(account));
    let first = hub.ask(&lock_all(), "r-1").unwrap();
    assert_eq!(first, accepted("r-1", 120, 118, vec![throttled(3), throttled(77)]));
    assert_eq!(hub.status(77, "r-1"), Some(Status::Failed(throttled(77).why)));
    let answer = serde_json::to_value(&first).unwrap();
    assert_eq!(answer["failed"][0], json!({"account": account(3), "region": "eu-west-1", "why": throttled(3).why}));

    hub.refusing.borrow_mut().remove(&account(3));
    hub.events.borrow_mut().clear();
    let mut again = lock_all();
    again["id"] = json!("r-1");
    let later = "2026-11-20T10:00:00Z";
    assert_eq!(hub.ask_at(&again, "r-9", later).unwrap(), accepted("r-1", 120, 119, vec![throttled(77)]));
    assert_eq!(hub.reached(), [account(3)]);
    // The event is the one that it would have been: what was commanded in the meantime is newer.
    assert_eq!(hub.events.borrow()[0].1.header().occurred_at, NOW.parse().unwrap());

    hub.refusing.borrow_mut().clear();
    hub.events.borrow_mut().clear();
    assert_eq!(hub.ask_at(&again, "r-10", later).unwrap(), accepted("r-1", 120, 120, vec![]));
    assert_eq!(hub.ask_at(&again, "r-11", later).unwrap(), accepted("r-1", 120, 120, vec![]));
    assert_eq!(hub.reached(), [account(77)]);
}

#[test]
fn something_else_under_an_id_that_is_taken_is_a_fault() {
    let hub = Hub::of(1);
    hub.ask(&lock_all(), "r-1").unwrap();
    let mut other = lock_all();
    other["id"] = json!("r-1");
    other["reason"] = json!("another");
    let message = "is `r-1`, under which something else was asked for before".to_owned();
    assert_eq!(hub.ask(&other, "r-2").unwrap(), refused(vec![Fault { path: "id".to_owned(), message }]));
    assert_eq!(hub.reached().len(), 1);
}

#[test]
fn whatever_call_fails_nothing_is_lost_and_the_same_request_goes_on() {
    // What comes again after a failure is the same request: Lambda tries it twice more.
    for operation in ["dynamodb:Query", "dynamodb:PutItem", "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"] {
        for succeed in 0..8 {
            let hub = Hub::of(120);
            hub.failing.set(Some((operation, succeed)));
            let first = hub.ask(&lock_all(), "r-1");
            let ended = hub.failing.get() == Some((operation, 0)) && first.is_err();
            assert_eq!(first.is_ok(), !ended, "{operation} after {succeed}");
            // Whoever got an event stands in the table, at least as pending.
            let reached = hub.reached();
            assert!(
                reached.iter().all(|account| {
                    hub.deliveries.borrow().contains_key(&(account.clone(), "command/r-1".to_owned()))
                })
            );
            hub.failing.set(None);
            assert_eq!(hub.ask(&lock_all(), "r-1").unwrap(), accepted("r-1", 120, 120, vec![]));
            let all: BTreeSet<_> = hub.reached().into_iter().collect();
            assert_eq!(all.len(), 120, "{operation} after {succeed}");
            let ids: BTreeSet<_> = hub.events.borrow().iter().map(|(_, event)| event.header().id.clone()).collect();
            assert_eq!(ids.len(), 1, "whoever gets it twice gets the same");
        }
    }
}

#[test]
fn all_parts_have_their_share_of_the_time() {
    let hub = Hub::of(250);
    hub.ask(&lock_all(), "r-1").unwrap();
    let shares: Vec<_> = hub.patience.borrow().iter().map(Duration::as_secs).collect();
    // The clock of this test stands still: each part may take what is left, divided by those to come.
    assert_eq!(shares, [12, 15, 20, 30, 60]);
    assert_eq!(hub.reached().len(), 250);
}

#[test]
fn settings_are_read_and_every_fault_is_named() {
    let read = |set: bool| {
        let mut environment = Environment::new(|key: &str| set.then(|| key.to_lowercase()));
        let settings = CommandSettings::read(&mut environment);
        environment.finish(settings).map_err(|faults| faults.to_string())
    };
    let expected = CommandSettings {
        table: "console_table".to_owned(),
        partition: "partition".to_owned(),
        bus: "guardrail_bus".to_owned(),
        hub: Home { account: "hub_account".to_owned(), region: "aws_region".to_owned() },
    };
    assert_eq!(read(true), Ok(expected));
    let missing = ["CONSOLE_TABLE", "PARTITION", "GUARDRAIL_BUS", "HUB_ACCOUNT", "AWS_REGION"];
    let missing = missing.map(|key| format!("`{key}` is missing"));
    assert_eq!(read(false), Err(format!("the environment is not as expected: {}", missing.join("; "))));
}
