//! EMR's operations on clusters and steps that exist: what they answer and what they refuse.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::cluster::Cluster;
use super::life::{Cancellation, Reason};
use super::spec::{ClusterState, StepState};
use super::{Emr, create, invalid, no_cluster, no_job_flow, not_modifiable, refused, release};
use crate::input::Input;
use crate::protocol::AwsError;

/// The most entries of one page.
const PAGE: usize = 50;
/// The most instances of one page; AWS documents none.
const INSTANCES_PAGE: usize = 500;
/// The states an instance can be listed by.
const INSTANCE_STATES: &[&str] = &["AWAITING_FULFILLMENT", "PROVISIONING", "BOOTSTRAPPING", "RUNNING", "TERMINATED"];
/// The most clusters one call terminates.
const TERMINATIONS: usize = 10;
/// The most steps one call cancels.
const CANCELLATIONS: usize = 256;
/// The most steps by which a list can be asked for.
const STEP_IDS: usize = 10;

impl Emr {
    pub(super) fn list_clusters(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let states = input.choices("ClusterStates", &ClusterState::ALL.map(ClusterState::as_str))?;
        let after = input.instant("CreatedAfter")?;
        let before = input.instant("CreatedBefore")?;
        let last = input.text("Marker", 0..=usize::MAX)?.map(|marker| position(marker, "")).transpose()?;
        let matches = |cluster: &&Cluster| {
            let (created_at, _) = cluster.key();
            last.is_none_or(|last| cluster.key() < last)
                && after.is_none_or(|after| created_at >= after)
                && before.is_none_or(|before| created_at <= before)
                && states
                    .as_ref()
                    .is_none_or(|states| states.is_empty() || states.contains(&cluster.state(now).as_str()))
        };
        let mut rest = self.newest_first(now).filter(matches);
        let shown: Vec<&Cluster> = rest.by_ref().take(PAGE).collect();
        let clusters: Vec<Value> = shown.iter().map(|cluster| cluster.summarise(&self.place, now)).collect();
        let more = shown.last().filter(|_| rest.next().is_some());
        Ok(page("Clusters", clusters, more.map(|last| marker(last.key(), ""))))
    }

    pub(super) fn describe_cluster(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        Ok(json!({ "Cluster": self.named(input, now)?.describe(&self.place, now) }))
    }

    pub(super) fn list_instance_groups(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let cluster = self.named(input, now)?;
        if cluster.spec.fleets {
            return Err(wrong_collection("FLEET", "fleets", "ListInstanceGroups", "ListInstanceFleets"));
        }
        Ok(json!({ "InstanceGroups": cluster.groups(now) }))
    }

    pub(super) fn list_instance_fleets(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let cluster = self.named(input, now)?;
        if !cluster.spec.fleets {
            return Err(wrong_collection("GROUP", "groups", "ListInstanceFleets", "ListInstanceGroups"));
        }
        Ok(json!({ "InstanceFleets": cluster.fleets(now) }))
    }

    pub(super) fn list_instances(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let cluster = self.named(input, now)?;
        let states = input.choices("InstanceStates", INSTANCE_STATES)?.unwrap_or_default();
        let mut instances = cluster.instances(now);
        instances.retain(|(state, _)| states.is_empty() || states.contains(state));
        let last = input.text("Marker", 0..=usize::MAX)?.map(|marker| position(marker, &cluster.id)).transpose()?;
        let seen = last.map_or(0, |(_, last)| usize::try_from(last).unwrap_or(usize::MAX));
        let mut rest = instances.into_iter().map(|(_, instance)| instance).skip(seen);
        let shown: Vec<Value> = rest.by_ref().take(INSTANCES_PAGE).collect();
        let next = u64::try_from(seen.saturating_add(shown.len())).unwrap_or(u64::MAX);
        let more = rest.next().map(|_| marker((now, next), &cluster.id));
        Ok(page("Instances", shown, more))
    }

    /// There are none; the AWS CLI asks for them whenever it describes a cluster.
    pub(super) fn list_bootstrap_actions(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        self.named(input, now)?;
        Ok(json!({ "BootstrapActions": [] }))
    }

    /// The newest step first; when only some are asked for AWS does not reverse their order.
    pub(super) fn list_steps(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let cluster = self.named(input, now)?;
        let states = input.choices("StepStates", &StepState::ALL.map(StepState::as_str))?.unwrap_or_default();
        let ids = input.texts("StepIds", 0..=STEP_IDS)?.unwrap_or_default();
        let owner = &*cluster.id;
        let last = input.text("Marker", 0..=usize::MAX)?.map(|marker| position(marker, owner)).transpose()?;
        let mut order: Vec<usize> = (0..cluster.steps.len()).collect();
        order.sort_by_key(|index| cluster.plan.steps.get(*index).map(|step| step.created_at));
        if states.is_empty() && ids.is_empty() {
            order.reverse();
        }
        let key = |index: usize| (now, u64::try_from(index).unwrap_or(u64::MAX));
        let seen = last.map_or(0, |(_, last)| {
            order.iter().position(|index| key(*index).1 == last).map_or(0, |position| position + 1)
        });
        let mut rest = order.into_iter().skip(seen).filter(|index| {
            let id = cluster.steps.get(*index).map(|step| &*step.id);
            (states.is_empty() || states.contains(&cluster.step_state(*index, now).as_str()))
                && (ids.is_empty() || id.is_some_and(|id| ids.contains(&id)))
        });
        let shown: Vec<usize> = rest.by_ref().take(PAGE).collect();
        let steps = shown.iter().filter_map(|index| cluster.describe_step(*index, now)).collect();
        let more = shown.last().filter(|_| rest.next().is_some());
        Ok(page("Steps", steps, more.map(|last| marker(key(*last), owner))))
    }

    pub(super) fn describe_step(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let cluster = self.named(input, now)?;
        let id = input.required_text("StepId", 0..=256)?;
        let index = cluster.steps.iter().position(|step| &*step.id == id);
        let step = index.and_then(|index| cluster.describe_step(index, now));
        let step = step.ok_or_else(|| refused("NoSuchStep", &format!("Step id '{id}' is not valid.")))?;
        Ok(json!({ "Step": step }))
    }

    /// Answers for each step; what it answers is that the request was taken, not that the step has ended.
    pub(super) fn cancel_steps(&mut self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let id = Arc::clone(&self.named(input, now)?.id);
        let name = "StepIds";
        let step_ids = input.texts(name, 0..=CANCELLATIONS)?.ok_or_else(|| input.missing(name))?;
        let how = match input.choice("StepCancellationOption", &["SEND_INTERRUPT", "TERMINATE_PROCESS"])? {
            Some("TERMINATE_PROCESS") => Cancellation::Kill,
            _ => Cancellation::Interrupt,
        };
        let mut answers = Vec::new();
        self.interfere(&id, now, |cluster| {
            for step_id in step_ids {
                let outcome = cancel_step(cluster, step_id, how, now);
                answers.push(match outcome {
                    Ok(()) => json!({ "StepId": step_id, "Status": "SUBMITTED" }),
                    Err(reason) => json!({ "StepId": step_id, "Status": "FAILED", "Reason": reason }),
                });
            }
        });
        Ok(json!({ "CancelStepsInfoList": answers }))
    }

    /// All of them or, when one is protected, none.
    pub(super) fn terminate_job_flows(&mut self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let ids = self.job_flows(input, 0..=TERMINATIONS, now)?;
        let protects = |id: &str| {
            self.cluster(id, now).is_some_and(|cluster| cluster.takes_work(now) && cluster.plan.protected.at(now))
        };
        let refused = ids.iter().any(|id| protects(id));
        for id in &ids {
            self.interfere(id, now, |cluster| {
                cluster.terminate_calls += 1;
                if !refused {
                    cluster.plan.ends.push((now, Reason::User));
                }
            });
        }
        if refused {
            let message = "Could not shut down one or more job flows since they are termination protected.";
            return Err(invalid(message));
        }
        Ok(Value::Null)
    }

    pub(super) fn set_termination_protection(&mut self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let ids = self.job_flows(input, 0..=usize::MAX, now)?;
        let name = "TerminationProtected";
        let protected = input.flag(name)?.ok_or_else(|| input.missing(name))?;
        if ids.iter().any(|id| self.cluster(id, now).is_some_and(|cluster| !cluster.takes_work(now))) {
            return Err(not_modifiable());
        }
        for id in &ids {
            self.interfere(id, now, |cluster| cluster.plan.protected.set(now, protected));
        }
        Ok(Value::Null)
    }

    pub(super) fn get_auto_termination_policy(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let timeout = self.named(input, now)?.auto_termination(now);
        Ok(timeout.map_or_else(
            || json!({}),
            |timeout| json!({ "AutoTerminationPolicy": { "IdleTimeout": timeout.as_secs() } }),
        ))
    }

    pub(super) fn put_auto_termination_policy(&mut self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let cluster = self.named(input, now)?;
        let timeout = create::read_policy(input, &cluster.spec.release)?;
        let timeout = timeout.ok_or_else(|| input.missing("AutoTerminationPolicy"))?;
        let id = Arc::clone(&cluster.id);
        self.set_auto_termination(&id, Some(timeout), now)
    }

    pub(super) fn remove_auto_termination_policy(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
    ) -> Result<Value, AwsError> {
        let id = Arc::clone(&self.named(input, now)?.id);
        self.set_auto_termination(&id, None, now)
    }

    fn set_auto_termination(&mut self, id: &str, timeout: Option<Duration>, now: Timestamp) -> Result<Value, AwsError> {
        if self.cluster(id, now).is_some_and(|cluster| !cluster.takes_work(now)) {
            return Err(not_modifiable());
        }
        self.interfere(id, now, |cluster| cluster.plan.auto_termination.set(now, timeout));
        Ok(json!({}))
    }

    /// The cluster `ClusterId` names.
    fn named(&self, input: Input<'_>, now: Timestamp) -> Result<&Cluster, AwsError> {
        let id = input.required_text("ClusterId", 0..=256)?;
        self.cluster(id, now).ok_or_else(|| no_cluster(id))
    }

    /// The clusters `JobFlowIds` names, all of which there must be.
    fn job_flows(
        &self,
        input: Input<'_>,
        length: RangeInclusive<usize>,
        now: Timestamp,
    ) -> Result<Vec<String>, AwsError> {
        let name = "JobFlowIds";
        let ids = input.texts(name, length)?.ok_or_else(|| input.missing(name))?;
        if ids.iter().any(|id| self.cluster(id, now).is_none()) {
            return Err(no_job_flow());
        }
        Ok(ids.into_iter().map(str::to_owned).collect())
    }
}

/// Tells a step to end, or says why it cannot be told.
fn cancel_step(cluster: &mut Cluster, id: &str, how: Cancellation, now: Timestamp) -> Result<(), &'static str> {
    let index = cluster.steps.iter().position(|step| &*step.id == id).ok_or("Step is not valid for the cluster.")?;
    let state = cluster.step_state(index, now);
    if let Some(step) = cluster.steps.get_mut(index) {
        step.cancel_calls += 1;
    }
    let release = &cluster.spec.release;
    if state.is_terminal() {
        return Err("Step has already ended.");
    }
    if state == StepState::Pending && !release::cancels_pending_steps(release) {
        return Err("Cancelling steps is not supported on this release.");
    }
    if state != StepState::Pending && !release::cancels_running_steps(release) {
        return Err("Cancelling running steps is not supported on this release.");
    }
    if let Some(plan) = cluster.plan.steps.get_mut(index) {
        plan.cancels.push((now, how));
    }
    Ok(())
}

/// EMR's error for a list of the kind of instances a cluster does not have.
fn wrong_collection(kind: &str, has: &str, asked: &str, instead: &str) -> AwsError {
    refused(
        &format!("API_DOES_NOT_SUPPORT_INSTANCE_{kind}_CLUSTERS"),
        &format!(
            "Instance fleets and instance groups are mutually exclusive. The EMR cluster specified in the request uses \
             instance {has}. The {asked} operation does not support clusters that use instance {has}. Use the \
             {instead} operation instead."
        ),
    )
}

fn page(name: &str, entries: Vec<Value>, marker: Option<String>) -> Value {
    let mut output = Map::from_iter([(name.to_owned(), Value::from(entries))]);
    output.extend(marker.map(|marker| ("Marker".to_owned(), marker.into())));
    Value::Object(output)
}

/// A marker names the last entry shown, and whose list it is.
fn marker((at, number): (Timestamp, u64), owner: &str) -> String {
    format!("{:016x}{number:016x}{owner}", at.as_millisecond())
}

fn position(marker: &str, owner: &str) -> Result<(Timestamp, u64), AwsError> {
    let part = |from: usize| marker.get(from..from + 16).and_then(|hex| u64::from_str_radix(hex, 16).ok());
    let at = part(0).and_then(|millis| i64::try_from(millis).ok()).and_then(|at| Timestamp::from_millisecond(at).ok());
    match (at, part(16)) {
        (Some(at), Some(number)) if marker.get(32..) == Some(owner) => Ok((at, number)),
        _ => Err(refused("InvalidMarker", &format!("Marker '{marker}' is not valid."))),
    }
}
