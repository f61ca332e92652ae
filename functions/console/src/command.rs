//! `console-command`: sends commands to sandboxes: another window, a lock, the release of a lock. Another budget it sets
//! itself, in the hub ([`budget`]).
//!
//! Everything that is asked for is checked first, and every fault named at once; nothing happens if there is any. Then
//! the command and what it means for each sandbox are entered in the console's table, and only then is it sent, straight
//! to each sandbox's bus. A command has an id: that of the request, or one that is given. Asking again under the same id
//! sends to the sandboxes that were not reached yet, and to no other; asking for something else under it is a fault.
//!
//! | `pk` | `sk` | what | kept |
//! |---|---|---|---|
//! | `command` | `<id>` | what was asked for, by whom and when; the whole of it in `detail` | 400 days |
//! | `<account>/<region>` | `command/<id>` | whether it was sent to this sandbox, or its budget set: `status` is `pending`, `sent` or `failed`, with `why` | 400 days |
//!
//! What the sandbox makes of it comes back as events, and the feed writes it to the row `command/<id>/answer` beside
//! ([`crate::row`]). The event bears the moment at which the command was first asked for, however often it is sent, so
//! that a late repetition never overrules a newer command.

pub mod asked;
pub mod budget;
pub mod deliveries;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use guardrail::{Event, Sandbox};
use jiff::{SignedDuration, Timestamp};
use lambda::bus::{Buses, EventBuses};
use lambda::settings::Environment;
use lambda::{CallError, Clock, Handler, Invocation, Problems};
use serde::Serialize;
use window::Fault;

use self::asked::{Addressees, Asked, Order, Task};
use self::budget::{BudgetParameters, Budgets, Unset};
use self::deliveries::{Command, CommandTable, Deliveries, Delivery, Status};
use crate::health::sandboxes;
use crate::hub::Hub;
use crate::table::{ConsoleTable, Signs};

/// The IAM actions that the function may call; a test holds its role to exactly these.
pub const ACTIONS: &[&[&str]] =
    &[ConsoleTable::READS, CommandTable::ACTIONS, EventBuses::ACTIONS, BudgetParameters::ACTIONS];

/// The name of the function, its binary and its folder of events.
pub const FUNCTION: &str = "console-command";

/// How long sending may take in all, and what is left for the writes after it.
const SENDING: SignedDuration = SignedDuration::from_secs(60);
const AFTERWARDS: SignedDuration = SignedDuration::from_secs(25);

/// Sandboxes that are sent to and noted together. Each event holds the whole window, and the function has 128 MB; a
/// sandbox whose bus does not answer holds up no more than its own part.
const TOGETHER: usize = 50;

/// Sends commands, and sets budgets.
#[derive(Debug)]
pub struct Sender<S, D, B, P, C> {
    /// Who has reported.
    pub signs: S,
    /// What was asked for and what was sent.
    pub deliveries: D,
    /// The sandboxes' buses.
    pub buses: B,
    /// The hub's budgets.
    pub budgets: P,
    /// The time while it sends.
    pub clock: C,
    /// Where sandboxes are.
    pub settings: CommandSettings,
}

/// What the function is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSettings {
    /// The name of the console's table.
    pub table: String,
    /// The AWS partition of hub and sandboxes, such as `aws`.
    pub partition: String,
    /// The name of the guardrail bus, which is the same in every account.
    pub bus: String,
    /// Where the hub is.
    pub hub: Hub,
}

impl CommandSettings {
    /// The environment keys read, beside Lambda's own; a test holds the template to them.
    pub const KEYS: &[&str] = &["CONSOLE_TABLE", "PARTITION", "GUARDRAIL_BUS", "HUB_ACCOUNT"];

    /// Reads them.
    pub fn read<F: Fn(&str) -> Option<String>>(environment: &mut Environment<F>) -> Option<Self> {
        let table = environment.text("CONSOLE_TABLE");
        let partition = environment.text("PARTITION");
        let bus = environment.text("GUARDRAIL_BUS");
        let hub = Hub::read(environment);
        Some(Self { table: table?, partition: partition?, bus: bus?, hub: hub? })
    }
}

/// What whoever asked is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// Nothing was done.
    Refused {
        /// Always `false`.
        accepted: bool,
        /// Every fault of what was asked for.
        faults: Vec<Fault>,
    },
    /// It was sent to those who could be reached.
    Accepted {
        /// Always `true`.
        accepted: bool,
        /// The command's id.
        id: String,
        /// For how many sandboxes it is.
        sandboxes: usize,
        /// How many of them it has been sent to, now or when it was asked for before.
        sent: usize,
        /// The others. They are tried again when it is asked for again under this id.
        failed: Vec<Unreached>,
    },
    /// A budget was set.
    Set {
        /// Always `true`.
        accepted: bool,
        /// The command's id.
        id: String,
        /// How many parameters are as they are to be.
        set: usize,
        /// The others. They are tried again when it is asked for again under this id.
        failed: Vec<Unset>,
    },
}

/// A sandbox that a command could not be sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreached {
    /// Its account.
    pub account: String,
    /// Its Region.
    pub region: String,
    /// Why.
    pub why: String,
}

impl<S: Signs, D: Deliveries, B: Buses, P: Budgets, C: Clock> Handler for Sender<S, D, B, P, C> {
    type Answer = Answer;

    /// Sends a command. Sandboxes that could not be reached are part of the answer and no failure; a table that cannot
    /// be read or written is one, and asking again under the same id then goes on where it ended.
    async fn handle(&mut self, invocation: Invocation) -> Result<Answer, Problems> {
        let asked = match Asked::read(&invocation.event) {
            Ok(asked) => asked,
            Err(faults) => return Ok(refused(faults)),
        };
        // What comes again after a failure has the id of the request that failed.
        let of_request = || invocation.id.split('/').next().unwrap_or_default().to_owned();
        let command = Command {
            id: asked.id.clone().unwrap_or_else(of_request),
            what: asked.what(),
            requested_by: asked.requested_by.clone(),
            asked_at: invocation.now,
        };
        match &asked.order {
            Order::ToSandboxes(task, to) => self.command(&asked, task, to, command, invocation.deadline).await,
            Order::Budget(budget) => match self.deliveries.begin(&command).await? {
                Some(known) if known.what != command.what => Ok(taken(&command)),
                known => {
                    let asked_at = known.map_or(command.asked_at, |known| known.asked_at);
                    let command = Command { asked_at, ..command };
                    Ok(self.set_budget(&asked, budget, &command, invocation.deadline).await?)
                }
            },
        }
    }
}

fn refused(faults: Vec<Fault>) -> Answer {
    Answer::Refused { accepted: false, faults }
}

/// What is told of a command whose id is that of another.
fn taken(command: &Command) -> Answer {
    let message = format!("is `{}`, under which something else was asked for before", command.id);
    refused(vec![Fault { path: "id".to_owned(), message }])
}

impl<S: Signs, D: Deliveries, B: Buses, P: Budgets, C: Clock> Sender<S, D, B, P, C> {
    /// Sends sandboxes what they are to do.
    async fn command(
        &self,
        asked: &Asked,
        task: &Task,
        to: &Addressees,
        command: Command,
        deadline: Timestamp,
    ) -> Result<Answer, Problems> {
        let region = self.region_of(asked);
        let addressees = match to {
            Addressees::All => self.known(region, command.asked_at).await?,
            Addressees::Accounts(accounts) => self.named(accounts, region, command.asked_at).await?,
        };
        if addressees.is_empty() {
            let message = format!("is `all`, and no sandbox of `{region}` has given a sign of life");
            return Ok(refused(vec![Fault { path: "sandboxes".to_owned(), message }]));
        }
        let (asked_at, reached) = match self.deliveries.begin(&command).await? {
            None => (command.asked_at, BTreeSet::new()),
            Some(known) if known.what == command.what => {
                (known.asked_at, self.deliveries.reached(&command.id, &addressees).await?)
            }
            Some(_) => return Ok(taken(&command)),
        };
        let count = addressees.len();
        let open: Vec<Sandbox> = addressees.into_iter().filter(|to| !reached.contains(&to.account)).collect();
        let event = |sandbox: &Sandbox| task.event(&command.id, &command.requested_by, sandbox, asked_at);
        let failed = self.send(&open, event, deadline).await?;
        let sent = count - failed.len();
        tracing::info!(
            command.id,
            command.requested_by,
            command.sandboxes = count,
            command.sent = sent,
            command.failed = failed.len(),
            "command was sent"
        );
        Ok(Answer::Accepted { accepted: true, id: command.id, sandboxes: count, sent, failed })
    }

    /// The Region of the sandboxes that a command is for.
    fn region_of<'a>(&'a self, asked: &'a Asked) -> &'a str {
        asked.region.as_ref().unwrap_or(&self.settings.hub.region)
    }

    /// The sandboxes of a Region that have given a sign of life.
    async fn known(&self, region: &str, now: Timestamp) -> Result<Vec<Sandbox>, CallError> {
        let signs = self.signs.signs().await?;
        let known = sandboxes(&signs, &self.settings.hub, now).into_iter();
        Ok(known.filter(|sandbox| sandbox.region == region).collect())
    }

    /// The sandboxes of these accounts in a Region, by the names that their signs of life tell.
    async fn named(
        &self,
        accounts: &BTreeSet<String>,
        region: &str,
        now: Timestamp,
    ) -> Result<Vec<Sandbox>, CallError> {
        let known = self.known(region, now).await?.into_iter();
        let mut known: BTreeMap<_, _> = known.map(|known| (known.account.clone(), known)).collect();
        let named = accounts.iter().map(|account| {
            known.remove(account).unwrap_or_else(|| Sandbox {
                account: account.clone(),
                region: region.to_owned(),
                alias: account.clone(),
            })
        });
        Ok(named.collect())
    }

    /// Sends each of these sandboxes its event; gives back those that could not be reached.
    async fn send(
        &self,
        sandboxes: &[Sandbox],
        event: impl Fn(&Sandbox) -> Event,
        deadline: Timestamp,
    ) -> Result<Vec<Unreached>, CallError> {
        // Before the first is sent, so that whatever becomes of this run, the table tells whom it owes a command.
        for part in sandboxes.chunks(TOGETHER) {
            let pending: Vec<Delivery> = part.iter().map(|to| Delivery::of(&event(to), Status::Pending)).collect();
            self.deliveries.note(&pending).await?;
        }
        let end = self.clock.now().checked_add(SENDING).unwrap_or(deadline);
        let end = end.min(deadline.checked_sub(AFTERWARDS).unwrap_or(deadline));
        let mut unreached = Vec::new();
        let parts = sandboxes.chunks(TOGETHER);
        for (done, part) in parts.clone().enumerate() {
            let left = Duration::try_from(end.duration_since(self.clock.now())).unwrap_or_default();
            let within = left / u32::try_from(parts.len() - done).unwrap_or(u32::MAX);
            let events: Vec<(String, Event)> = part.iter().map(|to| (self.bus_of(to), event(to))).collect();
            let region = part.first().map_or(self.settings.hub.region.as_str(), |sandbox| sandbox.region.as_str());
            let failed: BTreeMap<usize, CallError> =
                self.buses.publish_to(region, &events, within).await.into_iter().collect();
            let at = self.clock.now();
            let mut outcomes = Vec::new();
            for (index, (_, event)) in events.iter().enumerate() {
                let status = match failed.get(&index) {
                    None => Status::Sent(at),
                    Some(error) => {
                        let Sandbox { account, region, alias } = &event.header().sandbox;
                        let why = error.to_string();
                        tracing::warn!(
                            sandbox.account = account,
                            sandbox.region = region,
                            sandbox.alias = alias,
                            why,
                            "sandbox was not reached"
                        );
                        unreached.push(Unreached {
                            account: account.clone(),
                            region: region.clone(),
                            why: why.clone(),
                        });
                        Status::Failed(why)
                    }
                };
                outcomes.push(Delivery::of(event, status));
            }
            self.deliveries.note(&outcomes).await?;
        }
        Ok(unreached)
    }

    /// The ARN of a sandbox's guardrail bus.
    fn bus_of(&self, sandbox: &Sandbox) -> String {
        let CommandSettings { partition, bus, .. } = &self.settings;
        format!("arn:{partition}:events:{}:{}:event-bus/{bus}", sandbox.region, sandbox.account)
    }
}

#[cfg(test)]
mod tests;
