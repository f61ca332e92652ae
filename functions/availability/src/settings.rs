//! What the functions are told besides what every function of a sandbox is: the hub, the workflows, the schedules.

use lambda::settings::Environment;

use crate::schedules::Place;

/// The hub's account: its roles are never locked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubSettings {
    /// The account id.
    pub account: String,
}

impl HubSettings {
    /// The environment keys read.
    pub const KEYS: &[&str] = &["HUB_ACCOUNT"];

    /// Reads them.
    pub fn read<F: Fn(&str) -> Option<String>>(environment: &mut Environment<F>) -> Option<Self> {
        environment.text("HUB_ACCOUNT").map(|account| Self { account })
    }
}

/// The workflows that reconcile starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowSettings {
    /// The ARN of the state machine that closes.
    pub stop: String,
    /// The ARN of the state machine that opens.
    pub start: String,
}

impl WorkflowSettings {
    /// The environment keys read.
    pub const KEYS: &[&str] = &["STOP_WORKFLOW", "START_WORKFLOW"];

    /// Reads them.
    pub fn read<F: Fn(&str) -> Option<String>>(environment: &mut Environment<F>) -> Option<Self> {
        let (stop, start) = (environment.text("STOP_WORKFLOW"), environment.text("START_WORKFLOW"));
        Some(Self { stop: stop?, start: start? })
    }
}

/// Where schedules are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleSettings {
    /// Their place.
    pub place: Place,
}

impl ScheduleSettings {
    /// The environment keys read.
    pub const KEYS: &[&str] = &["SCHEDULE_GROUP", "SCHEDULE_ROLE", "RECONCILE_FUNCTION"];

    /// Reads them.
    pub fn read<F: Fn(&str) -> Option<String>>(environment: &mut Environment<F>) -> Option<Self> {
        let group = environment.text("SCHEDULE_GROUP");
        let role = environment.text("SCHEDULE_ROLE");
        let function = environment.text("RECONCILE_FUNCTION");
        Some(Self { place: Place { group: group?, role: role?, function: function? } })
    }
}
