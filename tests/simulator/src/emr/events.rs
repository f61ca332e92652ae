//! EMR's events in the words of
//! <https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-manage-cloudwatch-events.html>.

use jiff::Timestamp;
use serde_json::json;

use super::cluster::{Change, Cluster};
use super::life::Reason;
use super::spec::{ClusterState, StepState};
use crate::clock;
use crate::events::ServiceEvent;

/// Whether a change has an event: some states exist in the API only.
pub(super) fn has_one(change: Change) -> bool {
    match change {
        Change::Cluster(state, _) => !matches!(state, ClusterState::Bootstrapping | ClusterState::Terminating),
        Change::Step(_, state) => !matches!(state, StepState::CancelPending | StepState::Interrupted),
    }
}

/// The event of a change.
pub(super) fn of(cluster: &Cluster, at: Timestamp, change: Change) -> Option<ServiceEvent> {
    let (detail_type, detail) = match change {
        Change::Cluster(state, reason) => ("EMR Cluster State Change", cluster_detail(cluster, at, state, reason)),
        Change::Step(index, state) => ("EMR Step Status Change", step_detail(cluster, index, at, state)?),
    };
    Some(ServiceEvent { source: "aws.emr", detail_type, at, resources: Vec::new(), detail })
}

fn cluster_detail(cluster: &Cluster, at: Timestamp, state: ClusterState, reason: Reason) -> serde_json::Value {
    let (id, name, when) = (&cluster.id, &cluster.spec.name, minute(at));
    let code = reason.code().unwrap_or_default();
    let message = match state {
        ClusterState::Starting => {
            format!("Amazon EMR cluster {id} ({name}) was requested at {when} and is being created.")
        }
        ClusterState::Running => format!("Amazon EMR cluster {id} ({name}) began running steps at {when}."),
        ClusterState::TerminatedWithErrors => {
            format!("Amazon EMR Cluster {id} ({name}) has terminated with errors at {when} with a reason of {code}.")
        }
        ClusterState::Terminated => {
            format!("Amazon EMR Cluster {id} ({name}) has terminated at {when} with a reason of {code}.")
        }
        ClusterState::Waiting | ClusterState::Bootstrapping | ClusterState::Terminating => {
            format!("Amazon EMR cluster {id} ({name}) was created at {when} and is ready for use.")
        }
    };
    // A reason without a code is an empty code, and the whole is JSON within a text.
    let reason = match reason.code().and(reason.message()) {
        Some(message) => json!({ "code": code, "message": message }),
        None => json!({ "code": "" }),
    };
    json!({
        "severity": if state == ClusterState::TerminatedWithErrors { "CRITICAL" } else { "INFO" },
        "stateChangeReason": reason.to_string(),
        "name": name,
        "clusterId": **id,
        "state": state.as_str(),
        "message": message,
    })
}

fn step_detail(cluster: &Cluster, index: usize, at: Timestamp, state: StepState) -> Option<serde_json::Value> {
    let (step, plan) = (cluster.steps.get(index)?, cluster.plan.steps.get(index)?);
    let (id, name, when) = (&step.id, &step.name, minute(at));
    let place = format!("Amazon EMR cluster {} ({})", cluster.id, cluster.spec.name);
    let [_, started_at, _] = cluster.step_times(index, at);
    let started_at = started_at.unwrap_or(at);
    let (severity, message) = match state {
        StepState::Pending | StepState::CancelPending => {
            ("INFO", format!("Step {id} ({name}) was added to {place} at {when} and is pending execution."))
        }
        StepState::Running => ("INFO", format!("Step {id} ({name}) in {place} started running at {when}.")),
        StepState::Completed => (
            "INFO",
            format!(
                "Step {id} ({name}) in {place} completed execution at {when}. The step started running at {} and took \
                 {} minutes to complete.",
                minute(started_at),
                clock::between(started_at, at).as_secs() / 60
            ),
        ),
        StepState::Cancelled => ("WARN", format!("Step {id} ({name}) in {place} was cancelled at {when}.")),
        StepState::Failed | StepState::Interrupted => {
            ("ERROR", format!("Step {id} ({name}) in {place} failed at {when}."))
        }
    };
    Some(json!({
        "severity": severity,
        "actionOnFailure": plan.action_on_failure.as_str(),
        "stepId": **id,
        "name": name,
        "clusterId": *cluster.id,
        "state": state.as_str(),
        "message": message,
    }))
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
