//! What the states of each kind of resource mean: active, ending, ended. A state that this version does not know counts
//! as active: better judged in vain than overlooked.

use std::collections::BTreeSet;

use guardrail::Observation;
use lambda::room::Found;

/// The states of a kind of resource, in SageMaker's own words.
struct Life {
    active: &'static [&'static str],
    ending: &'static [&'static str],
    ended: &'static [&'static str],
}

const EXECUTION: Life = Life {
    active: &["Executing"],
    ending: &["Stopping"],
    ended: &["Stopped", "Failed", "Succeeded", "CompletedWithFailures"],
};

const JOB: Life = Life {
    active: &["InProgress"],
    ending: &["Stopping", "Deleting"],
    ended: &["Completed", "Failed", "Stopped", "DeleteFailed"],
};

const NOTEBOOK: Life = Life {
    active: &["InService", "Pending", "InMaintenance", "PendingMaintenance"],
    ending: &["Stopping", "Deleting"],
    // Only a stopped instance can be updated, and it holds nothing while it is.
    ended: &["Stopped", "Failed", "Updating"],
};

const APP: Life = Life { active: &["InService", "Pending"], ending: &["Deleting"], ended: &["Deleted", "Failed"] };

/// What is there until it is deleted: even one that failed counts, because nothing but deleting it makes it go.
const KEPT: Life = Life {
    active: &[
        "Approved",
        "Creating",
        "Delete_Failed",
        "Failed",
        "InService",
        "OutOfService",
        "Pending",
        "RollingBack",
        "SystemUpdating",
        "UpdateRollbackFailed",
        "Update_Failed",
        "Updating",
        "Active",
    ],
    ending: &["Deleting"],
    ended: &["Deleted"],
};

fn of(kind: &str) -> &'static Life {
    match kind {
        "pipeline execution" => &EXECUTION,
        "training job" | "processing job" | "transform job" | "tuning job" | "automl job" => &JOB,
        "notebook instance" => &NOTEBOOK,
        "app" => &APP,
        _ => &KEPT,
    }
}

/// What became of a resource of this kind that is in this state.
pub(crate) fn found(kind: &str, state: &str) -> Found {
    let life = of(kind);
    if life.ending.contains(&state) {
        Found::Ending(state.to_owned())
    } else if life.ended.contains(&state) {
        Found::Ended(state.to_owned())
    } else {
        Found::Active
    }
}

/// Whether a resource of this kind that is in this state is active.
pub(crate) fn is_active(kind: &str, state: &str) -> bool {
    found(kind, state) == Found::Active
}

/// Logs the states that this version does not know, each once.
pub(crate) fn warn_of_unknown<'a>(observations: impl IntoIterator<Item = &'a Observation>) {
    let unknown = observations.into_iter().map(|seen| (seen.resource.kind.as_str(), seen.state.as_str()));
    let unknown: BTreeSet<_> = unknown.filter(|(kind, state)| !of(kind).active.contains(state)).collect();
    for (kind, state) in unknown {
        tracing::warn!(resource.kind = kind, resource.state = state, "state is unknown and counts as active");
    }
}
