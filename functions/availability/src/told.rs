//! How changes of availability are told, in one sentence each.

use std::collections::BTreeMap;

use guardrail::availability::{Availability, AvailabilityChange, Change};
use guardrail::closing::Part;
use guardrail::{Resource, Sandbox};
use jiff::{RoundMode, SignedDuration, SignedDurationRound, Timestamp, Unit};

use crate::book::{Lock, Record, Standing, WindowInForce, Workflow};
use crate::desired::Desired;

/// Resources named in one event at most; the sentence says how many there were.
const NAMED: usize = 100;

/// A workflow begins.
pub(crate) fn begins(sandbox: &Sandbox, standing: &Standing, now: Timestamp) -> AvailabilityChange {
    let (change, verb) = match standing.workflow {
        Workflow::Stop => (Change::Closing, "is closing"),
        Workflow::Start => (Change::Opening, "is opening"),
    };
    let message = sentence(&format!("the sandbox {verb}"), standing);
    of_workflow(sandbox, change, standing, message, now)
}

/// A workflow has come to its end.
pub(crate) fn ends(sandbox: &Sandbox, standing: &Standing, now: Timestamp) -> AvailabilityChange {
    let (change, verb) = match standing.workflow {
        Workflow::Stop => (Change::Closed, "is closed"),
        Workflow::Start => (Change::Opened, "is open"),
    };
    let message = sentence(&format!("the sandbox {verb}"), standing);
    of_workflow(sandbox, change, standing, message, now)
}

/// A workflow could not finish.
pub(crate) fn fails(sandbox: &Sandbox, standing: &Standing, failure: &str, now: Timestamp) -> AvailabilityChange {
    let goal = if standing.workflow == Workflow::Stop { "closed" } else { "open" };
    let message = format!("the sandbox could not be brought to {goal}: {failure}; it is tried again");
    of_workflow(sandbox, Change::Failed, standing, message, now)
}

/// One part has come where the workflow takes it.
pub(crate) fn part(
    sandbox: &Sandbox,
    standing: &Standing,
    part: Part,
    record: &Record,
    now: Timestamp,
) -> AvailabilityChange {
    let (change, verb, done, nothing) = match standing.workflow {
        Workflow::Stop => (Change::PartClosed, "closed", "turned off", "nothing was on"),
        Workflow::Start => (Change::PartOpened, "open", "turned on", "nothing had been turned off"),
    };
    let what = match record.told.as_slice() {
        [] => nothing.to_owned(),
        told => format!("{} {done}", counted(told.iter())),
    };
    let left = match record.refused.as_slice() {
        [] => String::new(),
        refused => format!("; {} left as they are", counted(refused.iter().map(|(resource, _)| resource))),
    };
    let message = format!("`{part}` is {verb}: {what}{left}");
    let mut told =
        AvailabilityChange::new(sandbox, change, &format!("{:06}/{part}", standing.turn), standing.state, now);
    told.part = Some(part.as_str().to_owned());
    told.resources = record.told.iter().take(NAMED).map(name).collect();
    let refused = record.refused.iter().take(NAMED).map(|(resource, why)| format!("{}: {why}", name(resource)));
    told.refused = refused.collect();
    told.reason.clone_from(&standing.reason);
    told.requested_by.clone_from(&standing.requested_by);
    told.execution = Some(standing.execution.clone());
    told.message = message;
    told
}

/// A start was asked for while the sandbox is locked.
pub(crate) fn refused(
    sandbox: &Sandbox,
    execution: &str,
    locked: &Desired,
    state: Availability,
    now: Timestamp,
) -> AvailabilityChange {
    let fact = execution.rsplit(':').next().unwrap_or(execution);
    let mut told = AvailabilityChange::new(sandbox, Change::Refused, fact, state, now);
    told.message = format!("the sandbox stays closed: {}; release the lock to open it", locked.why);
    told.reason = Some(locked.why.clone());
    told.requested_by.clone_from(&locked.requested_by);
    told.execution = Some(execution.to_owned());
    told
}

/// A lock was requested or released by this command.
pub(crate) fn lock(
    sandbox: &Sandbox,
    name: &str,
    lock: &Lock,
    command: &str,
    state: Availability,
) -> AvailabilityChange {
    let Lock { held, reason, requested_by, occurred_at } = lock;
    let (change, verb) = match held {
        true => (Change::Locked, "set"),
        false => (Change::LockReleased, "released"),
    };
    let mut told = AvailabilityChange::new(sandbox, change, command, state, *occurred_at);
    told.message = format!("lock `{name}` was {verb} by {requested_by}: {reason}");
    told.reason = Some(reason.clone());
    told.requested_by = Some(requested_by.clone());
    told.lock = Some(name.to_owned());
    told
}

/// Users are warned.
pub(crate) fn closing_soon(
    sandbox: &Sandbox,
    closes_at: Timestamp,
    warning: SignedDuration,
    local: &str,
    called_off: u32,
    now: Timestamp,
) -> AvailabilityChange {
    let fact = anew(format!("{closes_at}/{warning:#}"), called_off);
    let mut told = AvailabilityChange::new(sandbox, Change::ClosingSoon, &fact, Availability::Open, now);
    let left = closes_at.duration_since(now);
    let minutes = SignedDurationRound::new().smallest(Unit::Minute).mode(RoundMode::Ceil);
    let left = left.round(minutes).unwrap_or(left);
    told.message = format!("the sandbox closes in {left:#}, at {local}: save your work, or ask for an extension");
    told.at = Some(closes_at);
    told
}

/// A closing that users were warned of will not come.
pub(crate) fn closing_called_off(
    sandbox: &Sandbox,
    closes_at: Timestamp,
    local: &str,
    next: Option<Timestamp>,
    called_off: u32,
    now: Timestamp,
) -> AvailabilityChange {
    let fact = anew(closes_at.to_string(), called_off);
    let mut told = AvailabilityChange::new(sandbox, Change::ClosingCalledOff, &fact, Availability::Open, now);
    told.message = format!("the sandbox does not close at {local}");
    told.at = next;
    told
}

/// What is told of a closing after others were called off is another fact, even about the same moment.
fn anew(fact: String, called_off: u32) -> String {
    if called_off == 0 { fact } else { format!("{fact}/{called_off}") }
}

/// Another window is in force.
pub(crate) fn window_updated(
    sandbox: &Sandbox,
    window: &WindowInForce,
    state: Availability,
    now: Timestamp,
) -> AvailabilityChange {
    let mut told = AvailabilityChange::new(sandbox, Change::WindowUpdated, &window.command, state, now);
    told.message = match &window.document {
        Some(_) => format!("another window is in force, by {}", window.requested_by),
        None => format!("the window was taken away by {}: the sandbox is always open", window.requested_by),
    };
    told.requested_by = Some(window.requested_by.clone());
    told
}

fn of_workflow(
    sandbox: &Sandbox,
    change: Change,
    standing: &Standing,
    message: String,
    now: Timestamp,
) -> AvailabilityChange {
    // Six digits, so that ids sort as the workflows came.
    let mut told = AvailabilityChange::new(sandbox, change, &format!("{:06}", standing.turn), standing.state, now);
    told.reason.clone_from(&standing.reason);
    told.requested_by.clone_from(&standing.requested_by);
    told.execution = Some(standing.execution.clone());
    told.message = message;
    told
}

fn sentence(what: &str, standing: &Standing) -> String {
    match (&standing.reason, &standing.requested_by) {
        (Some(reason), Some(who)) => format!("{what}: {reason} (asked for by {who})"),
        (Some(reason), None) => format!("{what}: {reason}"),
        (None, Some(who)) => format!("{what}, asked for by {who}"),
        (None, None) => format!("{what}, as its workflow was started by hand"),
    }
}

/// How many there are of each kind: "2 workgroups, 1 query".
fn counted<'a>(resources: impl Iterator<Item = &'a Resource>) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for resource in resources {
        *kinds.entry(resource.kind.as_str()).or_default() += 1;
    }
    let counts: Vec<String> =
        kinds.into_iter().map(|(kind, count)| format!("{count} {}", several(kind, count))).collect();
    counts.join(", ")
}

/// The kind's name for so many: queries, clusters.
fn several(kind: &str, count: usize) -> String {
    match kind.strip_suffix('y') {
        _ if count == 1 => kind.to_owned(),
        Some(stem) => format!("{stem}ies"),
        None => format!("{kind}s"),
    }
}

fn name(resource: &Resource) -> String {
    format!("{}/{}", resource.kind, resource.id)
}

#[cfg(test)]
mod tests;
