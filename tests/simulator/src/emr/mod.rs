//! Amazon EMR: its operations on clusters and steps, with the checks, texts and order of the live service.
//!
//! Where neither documentation nor recorded answers give AWS's wording (why a step could not be cancelled, a malformed
//! marker, an unknown step, a policy on an old release), the text is ours; the codes are of the published model.

mod cluster;
mod create;
mod directive;
mod events;
mod handle;
mod life;
mod operations;
mod release;
mod routes;
mod spec;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use handle::EmrHandle;
pub(crate) use routes::routes;
pub use spec::{
    ActionOnFailure, ClusterSpec, ClusterState, ClusterView, InstanceRole, InstanceSpec, StepOutcome, StepSpec,
    StepState, StepView,
};

use crate::accounts::Place;
use crate::clock;
use crate::cloudtrail::Creation;
use crate::events::ServiceEvent;
use crate::input::Input;
use crate::protocol::AwsError;
use crate::quotas::Quota;
use crate::world::{Change, Service};
use cluster::{Cluster, Echo, Step};
use life::StepPlan;

/// How long EMR remembers a cluster that has ended.
const HISTORY: Duration = Duration::from_secs(60 * 24 * 60 * 60);
/// CloudTrail's name of the service.
const EVENT_SOURCE: &str = "elasticmapreduce.amazonaws.com";

/// What EMR answers to a request that breaks a rule of its model, and to one about job flows, as clusters were called.
fn invalid(message: &str) -> AwsError {
    AwsError::front(400, "ValidationException", message)
}

/// EMR's own error for a request about clusters and steps.
fn refused(code: &str, message: &str) -> AwsError {
    AwsError::modelled(400, "InvalidRequestException", message, &[("ErrorCode", code)])
}

fn no_cluster(id: &str) -> AwsError {
    refused("NoSuchCluster", &format!("Cluster id '{id}' is not valid."))
}

fn no_job_flow() -> AwsError {
    invalid("Specified job flow ID not valid.")
}

fn not_modifiable() -> AwsError {
    invalid("A job flow that is shutting down, terminated, or finished may not be modified.")
}

/// An id as EMR makes them: a prefix and thirteen capitals and digits.
fn new_id(prefix: &str) -> String {
    let mut rest = Uuid::new_v4().as_u128();
    let mut id = format!("{prefix}-");
    for _ in 0..13 {
        // The remainder is below the radix, so there is a digit for it.
        let digit = u32::try_from(rest % 36).ok().and_then(|digit| char::from_digit(digit, 36)).unwrap_or('0');
        id.push(digit.to_ascii_uppercase());
        rest /= 36;
    }
    id
}

/// The EMR of one account in one Region.
#[derive(Debug)]
pub(crate) struct Emr {
    place: Place,
    clusters: HashMap<Arc<str>, Cluster>,
    /// The clusters by the instant they were asked for.
    order: BTreeMap<(Timestamp, u64), Arc<str>>,
    /// The next change of each cluster that has not been announced.
    due: BTreeSet<(Timestamp, Arc<str>)>,
    created: Vec<Creation>,
    launched: u64,
}

impl Service for Emr {
    /// AWS publishes a burst and a refill for each operation, and advises events over polling because they are low; the
    /// figures here are on the safe side of both, whole calls a second being the least this simulator counts.
    const QUOTAS: &'static [Quota] = &[
        Quota { operation: "ListClusters", per_second: 1, burst: 10 },
        Quota { operation: "DescribeCluster", per_second: 1, burst: 10 },
        Quota { operation: "ListInstanceGroups", per_second: 1, burst: 10 },
        Quota { operation: "ListInstanceFleets", per_second: 1, burst: 10 },
        Quota { operation: "ListInstances", per_second: 1, burst: 10 },
        Quota { operation: "ListBootstrapActions", per_second: 1, burst: 10 },
        Quota { operation: "ListSteps", per_second: 1, burst: 10 },
        Quota { operation: "DescribeStep", per_second: 1, burst: 10 },
        Quota { operation: "CancelSteps", per_second: 1, burst: 10 },
        Quota { operation: "TerminateJobFlows", per_second: 1, burst: 10 },
        Quota { operation: "SetTerminationProtection", per_second: 1, burst: 10 },
        Quota { operation: "GetAutoTerminationPolicy", per_second: 1, burst: 5 },
        Quota { operation: "PutAutoTerminationPolicy", per_second: 1, burst: 5 },
        Quota { operation: "RemoveAutoTerminationPolicy", per_second: 1, burst: 5 },
        Quota { operation: "RunJobFlow", per_second: 1, burst: 10 },
        Quota { operation: "AddJobFlowSteps", per_second: 1, burst: 10 },
    ];
    const STOPS: &'static [Change] = &[("TerminateJobFlows", &["JobFlowIds"]), ("CancelSteps", &["StepIds"])];
    const CHANGES: &'static [Change] = &[
        ("SetTerminationProtection", &["JobFlowIds"]),
        ("PutAutoTerminationPolicy", &["ClusterId"]),
        ("RemoveAutoTerminationPolicy", &["ClusterId"]),
        ("RunJobFlow", &["Name"]),
        ("AddJobFlowSteps", &["JobFlowId"]),
    ];

    fn call(&mut self, operation: &str, input: &Map<String, Value>, now: Timestamp) -> Result<Value, AwsError> {
        let input = Input::new(input, invalid);
        match operation {
            "ListClusters" => self.list_clusters(input, now),
            "DescribeCluster" => self.describe_cluster(input, now),
            "ListInstanceGroups" => self.list_instance_groups(input, now),
            "ListInstanceFleets" => self.list_instance_fleets(input, now),
            "ListInstances" => self.list_instances(input, now),
            "ListBootstrapActions" => self.list_bootstrap_actions(input, now),
            "ListSteps" => self.list_steps(input, now),
            "DescribeStep" => self.describe_step(input, now),
            "CancelSteps" => self.cancel_steps(input, now),
            "TerminateJobFlows" => self.terminate_job_flows(input, now),
            "SetTerminationProtection" => self.set_termination_protection(input, now),
            "GetAutoTerminationPolicy" => self.get_auto_termination_policy(input, now),
            "PutAutoTerminationPolicy" => self.put_auto_termination_policy(input, now),
            "RemoveAutoTerminationPolicy" => self.remove_auto_termination_policy(input, now),
            "RunJobFlow" => self.run_job_flow(input, now),
            "AddJobFlowSteps" => self.add_job_flow_steps(input, now),
            _ => Err(AwsError::unknown_operation()),
        }
    }

    fn announce(&mut self, now: Timestamp) -> Vec<ServiceEvent> {
        let mut events = Vec::new();
        while let Some((at, id)) = self.due.pop_first() {
            if at > now {
                self.due.insert((at, id));
                break;
            }
            if let Some(cluster) = self.clusters.get_mut(&id) {
                events.extend(cluster.announce(now));
                self.due.extend(cluster.next_change().map(|next| (next, id)));
            }
        }
        events.sort_by_key(|event| event.at);
        events
    }

    fn next_change(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Clusters and steps, since both are governed.
    fn active(&self, now: Timestamp) -> usize {
        let active = self.clusters.values().filter(|cluster| !cluster.state(now).is_terminal());
        active.map(|cluster| 1 + cluster.active_steps(now)).sum()
    }

    fn take_created(&mut self) -> Vec<Creation> {
        std::mem::take(&mut self.created)
    }
}

impl Emr {
    pub(crate) fn new(place: &Place) -> Emr {
        Emr {
            place: place.clone(),
            clusters: HashMap::new(),
            order: BTreeMap::new(),
            due: BTreeSet::new(),
            created: Vec::new(),
            launched: 0,
        }
    }

    /// Takes a cluster on, and answers its id and its ARN.
    fn launch(
        &mut self,
        spec: ClusterSpec,
        steps: Vec<(Step, StepPlan)>,
        echo: Echo,
        request: Value,
        now: Timestamp,
    ) -> (Arc<str>, String) {
        self.launched += 1;
        let by = spec.started_by.clone();
        let cluster = Cluster::new(self.launched, spec, steps, echo, now);
        let (id, arn) = (Arc::clone(&cluster.id), cluster.arn(&self.place));
        self.created.push(Creation {
            event_source: EVENT_SOURCE,
            event_name: "RunJobFlow",
            at: cluster.key().0,
            by,
            request,
            response: json!({ "jobFlowId": *id, "clusterArn": arn }),
        });
        self.order.insert(cluster.key(), Arc::clone(&id));
        self.due.extend(cluster.next_change().map(|next| (next, Arc::clone(&id))));
        self.clusters.insert(Arc::clone(&id), cluster);
        (id, arn)
    }

    /// Adds steps to a cluster that is there.
    fn add_steps(
        &mut self,
        id: &str,
        steps: Vec<(Step, StepPlan)>,
        request: Value,
        by: Option<String>,
        now: Timestamp,
    ) {
        let ids: Vec<&str> = steps.iter().map(|(step, _)| &*step.id).collect();
        self.created.push(Creation {
            event_source: EVENT_SOURCE,
            event_name: "AddJobFlowSteps",
            at: steps.iter().map(|(_, plan)| plan.created_at).min().unwrap_or(now),
            by,
            request,
            response: json!({ "stepIds": ids }),
        });
        self.interfere(id, now, |cluster| steps.into_iter().for_each(|(step, plan)| cluster.add_step(step, plan)));
    }

    /// The cluster, unless it is unknown or ended longer ago than EMR remembers.
    fn cluster(&self, id: &str, now: Timestamp) -> Option<&Cluster> {
        let cluster = self.clusters.get(id)?;
        cluster.ended_at(now).is_none_or(|ended_at| ended_at > clock::before(now, HISTORY)).then_some(cluster)
    }

    fn newest_first(&self, now: Timestamp) -> impl Iterator<Item = &Cluster> {
        self.order.values().rev().filter_map(move |id| self.cluster(id, now))
    }

    /// Changes a cluster and puts it where its next change belongs.
    fn interfere(&mut self, id: &str, now: Timestamp, change: impl FnOnce(&mut Cluster)) {
        if let Some(cluster) = self.clusters.get_mut(id) {
            if let Some(next) = cluster.next_change() {
                self.due.remove(&(next, Arc::clone(&cluster.id)));
            }
            cluster.interfere(now, change);
            self.due.extend(cluster.next_change().map(|next| (next, Arc::clone(&cluster.id))));
        }
    }
}
