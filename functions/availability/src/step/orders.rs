//! What a step does next in a part, from what the part looks like and what is recorded of it. Pure.

use guardrail::Resource;
use guardrail::closing::{Closing, Part};
use jiff::Timestamp;
use serde_json::Value;

use crate::book::{Record, Standing, Workflow};
use crate::part::{Item, Phase, TurnedOff};

/// What a step is to do next in a part.
pub(super) struct Plan {
    /// What is to be recorded as turned off, now.
    pub(super) turned_off: Vec<TurnedOff>,
    /// What is to be told.
    pub(super) orders: Vec<Order>,
    /// What is still to come about, when nothing more is to be told.
    pub(super) waits_for: Option<Wait>,
}

/// One order to a service.
pub(super) enum Order {
    /// Turn it off.
    Off(Item),
    /// Turn it on again.
    On(TurnedOff),
}

impl Order {
    /// What it is about.
    pub(super) fn resource(&self) -> Resource {
        match self {
            Self::Off(item) => item.resource.clone(),
            Self::On(item) => item.resource.clone(),
        }
    }
}

/// What is waited for.
pub(super) enum Wait {
    /// For what was told, or is turning.
    Effect,
    /// For what may finish until then.
    Until(Timestamp),
}

/// What the workflow that has the turn does in a part that looks like this.
pub(super) fn plan(
    items: &[Item],
    record: &Record,
    standing: &Standing,
    closing: &Closing,
    part: Part,
    now: Timestamp,
) -> Plan {
    match standing.workflow {
        Workflow::Stop => plan_off(items, record, standing, closing, part, now),
        Workflow::Start => plan_on(items, record, part),
    }
}

/// What closing does in a part that looks like this.
fn plan_off(
    items: &[Item],
    record: &Record,
    standing: &Standing,
    closing: &Closing,
    part: Part,
    now: Timestamp,
) -> Plan {
    let grace_ends = standing.began_at.checked_add(closing.grace(part)).unwrap_or(Timestamp::MAX);
    let may_finish = |item: &Item| item.finishes && now < grace_ends;
    let concerned = || items.iter().filter(|item| !record.leaves(&item.resource));
    let on: Vec<&Item> = concerned().filter(|item| item.phase == Phase::On && !may_finish(item)).collect();
    let mut turned_off = record.turned_off.clone();
    // What AWS or somebody else turned on while users were out is not theirs to find on again.
    let users_were_in = record.closed_in != Some(standing.began_at);
    for item in on.iter().filter(|_| users_were_in) {
        if let Some(memo) = &item.memo
            && !turned_off.iter().any(|known| known.resource == item.resource)
        {
            turned_off.push(TurnedOff { resource: item.resource.clone(), memo: memo.clone() });
        }
    }
    let turning = concerned().any(|item| matches!(item.phase, Phase::TurningOff | Phase::TurningOn));
    let finishing = concerned().any(|item| item.phase == Phase::On && may_finish(item));
    let waits_for = match (on.is_empty() && !turning, finishing) {
        (false, _) => Some(Wait::Effect),
        (true, true) => Some(Wait::Until(grace_ends)),
        (true, false) => None,
    };
    Plan { turned_off, orders: on.into_iter().cloned().map(Order::Off).collect(), waits_for }
}

/// What opening does in a part that looks like this: it turns on what is recorded, and nothing else.
///
/// What seems to be on is told all the same, once: closing may have told it to go off a moment ago, and a list that is
/// a little behind does not show that yet.
fn plan_on(items: &[Item], record: &Record, part: Part) -> Plan {
    let mut turned_off = record.turned_off.clone();
    if part == Part::Access {
        // Only closing puts its policy on a role, so a role that has it was closed, recorded or not.
        for item in items.iter().filter(|item| item.phase != Phase::On) {
            if !turned_off.iter().any(|known| known.resource == item.resource) {
                let memo = item.memo.clone().unwrap_or(Value::Null);
                turned_off.push(TurnedOff { resource: item.resource.clone(), memo });
            }
        }
    }
    let phase = |item: &TurnedOff| items.iter().find(|seen| seen.resource == item.resource).map(|seen| seen.phase);
    turned_off.retain(|item| phase(item) != Some(Phase::On) || !record.told.contains(&item.resource));
    let turning = turned_off.iter().any(|item| matches!(phase(item), Some(Phase::TurningOn | Phase::TurningOff)));
    let still = turned_off.iter().filter(|item| matches!(phase(item), Some(Phase::Off | Phase::On) | None));
    let orders: Vec<Order> = still.cloned().map(Order::On).collect();
    let waits_for = (turning || !orders.is_empty()).then_some(Wait::Effect);
    Plan { turned_off, orders, waits_for }
}
