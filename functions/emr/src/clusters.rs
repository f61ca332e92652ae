//! EMR's clusters and their steps, as the guardrails see them.

use std::collections::BTreeMap;

use aws_sdk_emr::Client;
use aws_sdk_emr::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_emr::types::{
    AutoTerminationPolicy, CancelStepsRequestStatus, Cluster as Described, ClusterState, ClusterStatus,
    InstanceCollectionType, InstanceGroup, InstanceGroupState, InstanceState, StepCancellationOption, StepState,
    StepSummary,
};
use jiff::{SignedDuration, Timestamp};
use lambda::aws::instant;
use lambda::{Aws, CallError, CallErrorKind};

/// How many clusters `TerminateJobFlows` takes at most.
/// <https://docs.aws.amazon.com/emr/latest/APIReference/API_TerminateJobFlows.html>
pub const TERMINATED_AT_ONCE: usize = 10;

/// How many steps `ListSteps` takes by id at most.
/// <https://docs.aws.amazon.com/emr/latest/APIReference/API_ListSteps.html>
pub const STEPS_BY_ID: usize = 10;

/// How many steps `CancelSteps` takes at most.
/// <https://docs.aws.amazon.com/emr/latest/APIReference/API_CancelSteps.html>
pub const CANCELLED_AT_ONCE: usize = 256;

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its id, `j-…`.
    pub id: String,
    /// Its state in EMR's word.
    pub state: String,
    /// What that state means.
    pub phase: ClusterPhase,
    /// When it was asked for.
    pub created_at: Option<Timestamp>,
    /// When it was first ready to run steps.
    pub ready_at: Option<Timestamp>,
}

/// What a cluster's state means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterPhase {
    /// It starts or works.
    Busy,
    /// It is up and has no step to run.
    Waiting,
    /// A state that this version does not know. It counts as active.
    Unknown,
    /// It has been told to end and is ending.
    Ending,
    /// It has ended.
    Ended,
}

impl Cluster {
    /// Whether it is neither ending nor ended.
    pub fn is_active(&self) -> bool {
        !matches!(self.phase, ClusterPhase::Ending | ClusterPhase::Ended)
    }
}

/// A page of clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The clusters.
    pub clusters: Vec<Cluster>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// What seldom changes while a cluster lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// Its release label, such as `emr-7.1.0`; of clusters older than releases their `ami-…`.
    pub release: Option<String>,
    /// Whether it has a security configuration.
    pub has_security_configuration: bool,
    /// Whether it ends by itself after its last step.
    pub ends_after_last_step: bool,
    /// How its instances are kept.
    pub kept_in: Collection,
}

/// How a cluster's instances are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collection {
    /// In groups of one instance type each.
    #[default]
    Groups,
    /// In fleets, which mix instance types.
    Fleets,
}

/// How many instances of each type run. A type that is still on its way stands with none.
pub type Instances = BTreeMap<String, u64>;

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its id, `s-…`.
    pub id: String,
    /// Its state in EMR's word.
    pub state: String,
    /// What that state means.
    pub phase: StepPhase,
    /// When it was added to its cluster.
    pub created_at: Option<Timestamp>,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Step {
    /// Whether it is neither ending nor ended.
    pub fn is_active(&self) -> bool {
        !matches!(self.phase, StepPhase::Ending | StepPhase::Ended)
    }
}

/// What a step's state means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepPhase {
    /// It waits for its turn.
    Pending,
    /// It runs.
    Running,
    /// A state that this version does not know. It counts as running.
    Unknown,
    /// It has been told to end and is ending.
    Ending,
    /// It has ended.
    Ended,
}

/// The newest steps of a cluster, whatever their state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newest {
    /// As many as one page holds.
    pub steps: Vec<Step>,
    /// Whether there are older ones.
    pub more: bool,
}

/// What became of an order to terminate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Termination {
    /// EMR has taken it.
    Told,
    /// One of the clusters has termination protection. EMR says neither which, nor what became of the others.
    Protected,
}

/// How a running step is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// It is interrupted and may clean up.
    Interrupt,
    /// Its process is killed.
    Kill,
}

/// Sees clusters. What EMR does not know fails as [`CallErrorKind::Missing`].
pub trait Clusters {
    /// A page of the active clusters, newest first.
    fn active(&self, from: Option<&str>) -> impl Future<Output = Result<Page, CallError>>;

    /// A cluster by id, which EMR knows for two months after its end.
    fn describe(&self, cluster: &str) -> impl Future<Output = Result<(Cluster, Details), CallError>>;

    /// All steps of a cluster that are pending, running or being cancelled.
    fn active_steps(&self, cluster: &str) -> impl Future<Output = Result<Vec<Step>, CallError>>;

    /// The newest steps of a cluster.
    fn newest_steps(&self, cluster: &str) -> impl Future<Output = Result<Newest, CallError>>;

    /// At most [`STEPS_BY_ID`] steps by id. One unknown id fails the whole.
    fn steps(&self, cluster: &str, ids: &[String]) -> impl Future<Output = Result<Vec<Step>, CallError>>;

    /// A cluster's instances.
    fn instances(&self, cluster: &str, kept_in: Collection) -> impl Future<Output = Result<Instances, CallError>>;

    /// Whether a cluster has an auto-termination policy.
    fn has_auto_termination(&self, cluster: &str) -> impl Future<Output = Result<bool, CallError>>;
}

/// Stops clusters and steps. What has ended fails as [`CallErrorKind::Missing`].
pub trait StopClusters: Clusters {
    /// Terminates at most [`TERMINATED_AT_ONCE`] clusters.
    fn terminate(&self, clusters: &[String]) -> impl Future<Output = Result<Termination, CallError>>;

    /// Lifts the termination protection of clusters.
    fn lift_protection(&self, clusters: &[String]) -> impl Future<Output = Result<(), CallError>>;

    /// Cancels at most [`CANCELLED_AT_ONCE`] steps of one cluster; gives those that EMR does not cancel, with its
    /// reason. `how` is for steps that run.
    fn cancel(
        &self,
        cluster: &str,
        steps: &[String],
        how: Option<Cancellation>,
    ) -> impl Future<Output = Result<BTreeMap<String, String>, CallError>>;

    /// Lets a cluster end by itself when it has been idle for so long.
    fn put_auto_termination(&self, cluster: &str, idle: SignedDuration) -> impl Future<Output = Result<(), CallError>>;
}

/// Amazon EMR.
#[derive(Clone, Debug)]
pub struct ElasticMapReduce(Client);

impl ElasticMapReduce {
    /// The IAM actions that a watch needs.
    pub const WATCH_ACTIONS: &[&str] = &[
        LIST_CLUSTERS,
        DESCRIBE_CLUSTER,
        LIST_STEPS,
        LIST_INSTANCE_GROUPS,
        LIST_INSTANCES,
        GET_AUTO_TERMINATION_POLICY,
    ];

    /// The IAM actions that an enforce needs.
    pub const ENFORCE_ACTIONS: &[&str] = &[
        LIST_CLUSTERS,
        DESCRIBE_CLUSTER,
        LIST_STEPS,
        LIST_INSTANCE_GROUPS,
        LIST_INSTANCES,
        GET_AUTO_TERMINATION_POLICY,
        TERMINATE_JOB_FLOWS,
        SET_TERMINATION_PROTECTION,
        CANCEL_STEPS,
        PUT_AUTO_TERMINATION_POLICY,
    ];

    /// A client.
    pub fn new(aws: &Aws) -> Self {
        let config = aws_sdk_emr::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self(Client::from_conf(config))
    }
}

pub(crate) const LIST_CLUSTERS: &str = "elasticmapreduce:ListClusters";
const DESCRIBE_CLUSTER: &str = "elasticmapreduce:DescribeCluster";
const LIST_STEPS: &str = "elasticmapreduce:ListSteps";
const LIST_INSTANCE_GROUPS: &str = "elasticmapreduce:ListInstanceGroups";
const LIST_INSTANCES: &str = "elasticmapreduce:ListInstances";
const GET_AUTO_TERMINATION_POLICY: &str = "elasticmapreduce:GetAutoTerminationPolicy";
const TERMINATE_JOB_FLOWS: &str = "elasticmapreduce:TerminateJobFlows";
const SET_TERMINATION_PROTECTION: &str = "elasticmapreduce:SetTerminationProtection";
pub(crate) const CANCEL_STEPS: &str = "elasticmapreduce:CancelSteps";
const PUT_AUTO_TERMINATION_POLICY: &str = "elasticmapreduce:PutAutoTerminationPolicy";

impl Clusters for ElasticMapReduce {
    async fn active(&self, from: Option<&str>) -> Result<Page, CallError> {
        let states =
            [ClusterState::Starting, ClusterState::Bootstrapping, ClusterState::Running, ClusterState::Waiting];
        let list = self.0.list_clusters().set_cluster_states(Some(states.to_vec())).set_marker(from.map(str::to_owned));
        let page = list.send().await.map_err(|error| failed(LIST_CLUSTERS, &error))?;
        let clusters = page.clusters.unwrap_or_default();
        let clusters = clusters.into_iter().filter_map(|cluster| Some(cluster_of(cluster.id?, cluster.status)));
        Ok(Page { clusters: clusters.collect(), next: page.marker })
    }

    async fn describe(&self, cluster: &str) -> Result<(Cluster, Details), CallError> {
        let answer = self.0.describe_cluster().cluster_id(cluster).send().await;
        let mut described = answer.map_err(|error| failed(DESCRIBE_CLUSTER, &error))?.cluster.ok_or_else(|| {
            let message = format!("EMR answered without the cluster `{cluster}`");
            CallError { operation: DESCRIBE_CLUSTER, kind: CallErrorKind::Unavailable, message }
        })?;
        Ok((cluster_of(cluster.to_owned(), described.status.take()), details_of(described)))
    }

    async fn active_steps(&self, cluster: &str) -> Result<Vec<Step>, CallError> {
        let states = vec![StepState::Pending, StepState::Running, StepState::CancelPending];
        let list = self.0.list_steps().cluster_id(cluster).set_step_states(Some(states));
        let steps: Result<Vec<_>, _> = list.into_paginator().items().send().collect().await;
        Ok(steps_of(steps.map_err(|error| failed(LIST_STEPS, &error))?))
    }

    async fn newest_steps(&self, cluster: &str) -> Result<Newest, CallError> {
        let page = self.0.list_steps().cluster_id(cluster).send().await;
        let page = page.map_err(|error| failed(LIST_STEPS, &error))?;
        Ok(Newest { steps: steps_of(page.steps.unwrap_or_default()), more: page.marker.is_some() })
    }

    async fn steps(&self, cluster: &str, ids: &[String]) -> Result<Vec<Step>, CallError> {
        let list = self.0.list_steps().cluster_id(cluster).set_step_ids(Some(ids.to_vec())).send().await;
        Ok(steps_of(list.map_err(|error| failed(LIST_STEPS, &error))?.steps.unwrap_or_default()))
    }

    async fn instances(&self, cluster: &str, kept_in: Collection) -> Result<Instances, CallError> {
        match kept_in {
            Collection::Groups => {
                let groups = self.0.list_instance_groups().cluster_id(cluster).into_paginator().items().send();
                let groups: Result<Vec<_>, _> = groups.collect().await;
                Ok(in_groups(groups.map_err(|error| failed(LIST_INSTANCE_GROUPS, &error))?))
            }
            // A fleet gives its size in units of capacity, which say nothing of how many instances of which type there
            // are; the instances themselves do.
            Collection::Fleets => {
                let states = vec![InstanceState::Provisioning, InstanceState::Bootstrapping, InstanceState::Running];
                let list = self.0.list_instances().cluster_id(cluster).set_instance_states(Some(states));
                let listed: Result<Vec<_>, _> = list.into_paginator().items().send().collect().await;
                let mut instances = Instances::new();
                for instance in listed.map_err(|error| failed(LIST_INSTANCES, &error))? {
                    let Some(instance_type) = instance.instance_type else { continue };
                    let state = instance.status.and_then(|status| status.state);
                    *instances.entry(instance_type).or_default() += u64::from(state == Some(InstanceState::Running));
                }
                Ok(instances)
            }
        }
    }

    async fn has_auto_termination(&self, cluster: &str) -> Result<bool, CallError> {
        let answer = self.0.get_auto_termination_policy().cluster_id(cluster).send().await;
        let answer = answer.map_err(|error| failed(GET_AUTO_TERMINATION_POLICY, &error))?;
        Ok(answer.auto_termination_policy.is_some_and(|policy| policy.idle_timeout.is_some()))
    }
}

impl StopClusters for ElasticMapReduce {
    async fn terminate(&self, clusters: &[String]) -> Result<Termination, CallError> {
        let answer = self.0.terminate_job_flows().set_job_flow_ids(Some(clusters.to_vec())).send().await;
        match answer.map_err(|error| failed(TERMINATE_JOB_FLOWS, &error)) {
            Ok(_) => Ok(Termination::Told),
            // "Could not shut down one or more job flows since they are termination protected."
            Err(error) if error.message.contains("termination protected") => Ok(Termination::Protected),
            Err(error) => Err(error),
        }
    }

    async fn lift_protection(&self, clusters: &[String]) -> Result<(), CallError> {
        let lift = self.0.set_termination_protection().set_job_flow_ids(Some(clusters.to_vec()));
        let answer = lift.termination_protected(false).send().await;
        answer.map(drop).map_err(|error| failed(SET_TERMINATION_PROTECTION, &error))
    }

    async fn cancel(
        &self,
        cluster: &str,
        steps: &[String],
        how: Option<Cancellation>,
    ) -> Result<BTreeMap<String, String>, CallError> {
        let how = how.map(|how| match how {
            Cancellation::Interrupt => StepCancellationOption::SendInterrupt,
            Cancellation::Kill => StepCancellationOption::TerminateProcess,
        });
        let cancel = self.0.cancel_steps().cluster_id(cluster).set_step_ids(Some(steps.to_vec()));
        let answer = cancel.set_step_cancellation_option(how).send().await;
        let answers = answer.map_err(|error| failed(CANCEL_STEPS, &error))?.cancel_steps_info_list.unwrap_or_default();
        let refused = answers.into_iter().filter(|step| step.status == Some(CancelStepsRequestStatus::Failed));
        Ok(refused.filter_map(|step| Some((step.step_id?, step.reason.unwrap_or_default()))).collect())
    }

    async fn put_auto_termination(&self, cluster: &str, idle: SignedDuration) -> Result<(), CallError> {
        let policy = AutoTerminationPolicy::builder().idle_timeout(idle.as_secs()).build();
        let put = self.0.put_auto_termination_policy().cluster_id(cluster).auto_termination_policy(policy);
        put.send().await.map(drop).map_err(|error| failed(PUT_AUTO_TERMINATION_POLICY, &error))
    }
}

/// EMR has no code of its own for what it does not know or what has ended, only sentences:
/// "Cluster id 'j-1' is not valid.", "Specified job flow ID does not exist.",
/// "A job flow that is shutting down, terminated, or finished may not be modified."
fn failed<E>(operation: &'static str, error: &SdkError<E>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let mut error = CallError::of(operation, error);
    let says = |part: &str| error.message.contains(part);
    let unknown = says("does not exist") || (says("is not valid") && (says("luster id") || says("tep id")));
    let ended = says("shutting down") && says("may not be modified");
    if error.kind == CallErrorKind::Invalid && (unknown || ended) {
        error.kind = CallErrorKind::Missing;
    }
    error
}

fn cluster_of(id: String, status: Option<ClusterStatus>) -> Cluster {
    let (state, timeline) = status.map_or((None, None), |status| (status.state, status.timeline));
    let phase = match state {
        Some(ClusterState::Starting | ClusterState::Bootstrapping | ClusterState::Running) => ClusterPhase::Busy,
        Some(ClusterState::Waiting) => ClusterPhase::Waiting,
        Some(ClusterState::Terminating) => ClusterPhase::Ending,
        Some(ClusterState::Terminated | ClusterState::TerminatedWithErrors) => ClusterPhase::Ended,
        _ => ClusterPhase::Unknown,
    };
    let (created_at, ready_at) = timeline.map_or((None, None), |t| (t.creation_date_time, t.ready_date_time));
    let state = state.map_or_else(|| "none".to_owned(), |state| state.as_str().to_owned());
    Cluster { id, state, phase, created_at: created_at.and_then(instant), ready_at: ready_at.and_then(instant) }
}

fn details_of(cluster: Described) -> Details {
    let tags = cluster.tags.unwrap_or_default().into_iter();
    let ami = cluster.running_ami_version.map(|version| format!("ami-{version}"));
    Details {
        tags: tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect(),
        release: cluster.release_label.or(ami),
        has_security_configuration: cluster.security_configuration.is_some_and(|name| !name.is_empty()),
        ends_after_last_step: cluster.auto_terminate.unwrap_or_default(),
        kept_in: match cluster.instance_collection_type {
            // Clusters older than fleets do not say it.
            None | Some(InstanceCollectionType::InstanceGroup) => Collection::Groups,
            Some(_) => Collection::Fleets,
        },
    }
}

fn steps_of(steps: Vec<StepSummary>) -> Vec<Step> {
    let step = |step: StepSummary| {
        let (state, timeline) = step.status.map_or((None, None), |status| (status.state, status.timeline));
        let phase = match state {
            Some(StepState::Pending) => StepPhase::Pending,
            Some(StepState::Running) => StepPhase::Running,
            Some(StepState::CancelPending) => StepPhase::Ending,
            Some(StepState::Completed | StepState::Cancelled | StepState::Failed | StepState::Interrupted) => {
                StepPhase::Ended
            }
            _ => StepPhase::Unknown,
        };
        let created_at = timeline.as_ref().and_then(|timeline| timeline.creation_date_time);
        let started_at = timeline.as_ref().and_then(|timeline| timeline.start_date_time);
        Some(Step {
            id: step.id?,
            state: state.map_or_else(|| "none".to_owned(), |state| state.as_str().to_owned()),
            phase,
            created_at: created_at.and_then(instant),
            started_at: started_at.and_then(instant),
            ended_at: timeline.and_then(|timeline| timeline.end_date_time).and_then(instant),
        })
    };
    steps.into_iter().filter_map(step).collect()
}

/// A group that was resized to nothing, or has ended, uses no instance type any more.
fn in_groups(groups: Vec<InstanceGroup>) -> Instances {
    let mut instances = Instances::new();
    for group in groups {
        let Some(instance_type) = group.instance_type else { continue };
        let count = |count: Option<i32>| u64::try_from(count.unwrap_or_default()).unwrap_or_default();
        let (running, requested) = (count(group.running_instance_count), count(group.requested_instance_count));
        let ending = matches!(
            group.status.and_then(|status| status.state),
            Some(
                InstanceGroupState::ShuttingDown
                    | InstanceGroupState::Terminating
                    | InstanceGroupState::Terminated
                    | InstanceGroupState::Ended
            )
        );
        if running > 0 || (requested > 0 && !ending) {
            *instances.entry(instance_type).or_default() += running;
        }
    }
    instances
}

#[cfg(test)]
mod tests;
