//! EMR's clusters, which end for good when the sandbox closes.
//!
//! A cluster cannot be stopped and started again: it is terminated, or let finish while it works. One that waits for
//! work never finishes.

use aws_sdk_emr::Client;
use aws_sdk_emr::error::SdkError;
use aws_sdk_emr::operation::terminate_job_flows::TerminateJobFlowsError;
use aws_sdk_emr::types::{ClusterState, ClusterSummary};
use guardrail::Resource;
use jiff::Timestamp;
use lambda::{Aws, CallError, CallErrorKind, Problems};

use crate::part::{Item, Part, Phase, Switch, Turned, TurnedOff};

/// The IAM actions that a look needs.
pub const LOOK_ACTIONS: &[&str] = &[LIST_CLUSTERS];

/// The IAM actions that terminating needs beside.
pub const TURN_ACTIONS: &[&str] = &[TERMINATE_JOB_FLOWS, SET_TERMINATION_PROTECTION, DESCRIBE_CLUSTER];

/// What the resources are called.
pub const CLUSTER: &str = "cluster";

const LIST_CLUSTERS: &str = "elasticmapreduce:ListClusters";
const DESCRIBE_CLUSTER: &str = "elasticmapreduce:DescribeCluster";
const TERMINATE_JOB_FLOWS: &str = "elasticmapreduce:TerminateJobFlows";
const SET_TERMINATION_PROTECTION: &str = "elasticmapreduce:SetTerminationProtection";

/// The states of clusters that have not ended. EMR lists those that have for two months, many pages of them.
const LISTED: [ClusterState; 5] = [
    ClusterState::Starting,
    ClusterState::Bootstrapping,
    ClusterState::Running,
    ClusterState::Waiting,
    ClusterState::Terminating,
];

/// EMR's clusters.
#[derive(Clone, Debug)]
pub struct Emr {
    client: Client,
    lift_protection: bool,
}

impl Emr {
    /// The clusters of this account. Termination protection is lifted to terminate a cluster if `lift_protection` says
    /// so, and otherwise keeps it alive.
    pub fn new(aws: &Aws, lift_protection: bool) -> Self {
        let config = aws_sdk_emr::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config), lift_protection }
    }

    /// Tells EMR to terminate a cluster.
    async fn terminate(&self, cluster: &str) -> Result<(), SdkError<TerminateJobFlowsError>> {
        self.client.terminate_job_flows().job_flow_ids(cluster).send().await.map(drop)
    }

    /// Lifts a cluster's termination protection and tells EMR to terminate it, if that may be.
    async fn terminate_protected(&self, cluster: &str) -> Result<Turned, CallError> {
        if !self.lift_protection {
            let why = "the cluster has termination protection, which is respected";
            return Ok(Turned::Refused(why.to_owned()));
        }
        let lift = self.client.set_termination_protection().job_flow_ids(cluster).termination_protected(false);
        lift.send().await.map_err(|error| CallError::of(SET_TERMINATION_PROTECTION, &error))?;
        match self.terminate(cluster).await.map_err(|error| CallError::of(TERMINATE_JOB_FLOWS, &error)) {
            Ok(()) => Ok(Turned::Told),
            Err(problem) if is_protected(&problem) => {
                Ok(Turned::Refused("the cluster has termination protection, which did not go when lifted".to_owned()))
            }
            Err(problem) => Err(problem),
        }
    }

    /// Whether an order that was refused came too late. EMR has no code that says so; the state does.
    async fn settle(&self, cluster: &str, problem: CallError) -> Result<Turned, CallError> {
        let described = self.client.describe_cluster().cluster_id(cluster).send().await;
        let described = match described.map_err(|error| CallError::of(DESCRIBE_CLUSTER, &error)) {
            Ok(answer) => answer.cluster,
            // "Cluster id 'j-1' is not valid."
            Err(error) if error.kind == CallErrorKind::Invalid && error.message.contains("is not valid") => {
                return Ok(Turned::Gone);
            }
            Err(error) => return Err(error),
        };
        match described.and_then(|cluster| cluster.status).and_then(|status| status.state) {
            Some(ClusterState::Terminating | ClusterState::Terminated | ClusterState::TerminatedWithErrors) => {
                Ok(Turned::Told)
            }
            _ => Err(problem),
        }
    }
}

impl Switch for Emr {
    const PART: Part = Part::Emr;

    async fn look(&self) -> Result<Vec<Item>, Problems> {
        let list = self.client.list_clusters().set_cluster_states(Some(LISTED.to_vec()));
        let clusters: Result<Vec<_>, _> = list.into_paginator().items().send().collect().await;
        let clusters = clusters.map_err(|error| CallError::of(LIST_CLUSTERS, &error))?;
        Ok(clusters.into_iter().filter_map(item).collect())
    }

    async fn turn_off(&self, item: &Item, _now: Timestamp) -> Result<Turned, CallError> {
        let cluster = &item.resource.id;
        match self.terminate(cluster).await.map_err(|error| CallError::of(TERMINATE_JOB_FLOWS, &error)) {
            Ok(()) => Ok(Turned::Told),
            Err(problem) if is_protected(&problem) => self.terminate_protected(cluster).await,
            Err(problem) if matches!(problem.kind, CallErrorKind::Invalid | CallErrorKind::Missing) => {
                self.settle(cluster, problem).await
            }
            Err(problem) => Err(problem),
        }
    }

    async fn turn_on(&self, _item: &TurnedOff) -> Result<Turned, CallError> {
        Ok(Turned::Refused("a cluster that was terminated cannot be started again".to_owned()))
    }
}

/// "Could not shut down one or more job flows since they are termination protected."
fn is_protected(problem: &CallError) -> bool {
    problem.message.contains("termination protected")
}

/// A cluster, unless it has ended.
fn item(cluster: ClusterSummary) -> Option<Item> {
    let id = cluster.id?;
    let state = cluster.status.and_then(|status| status.state);
    let phase = match &state {
        Some(ClusterState::Starting | ClusterState::Bootstrapping | ClusterState::Running | ClusterState::Waiting) => {
            Phase::On
        }
        Some(ClusterState::Terminating) => Phase::TurningOff,
        Some(ClusterState::Terminated | ClusterState::TerminatedWithErrors) => return None,
        _ => {
            // Better terminated in vain than overlooked at work.
            tracing::warn!(cluster.id = id, cluster.state = ?state, "cluster is in an unknown state and counts as on");
            Phase::On
        }
    };
    Some(Item {
        resource: Resource { kind: CLUSTER.to_owned(), id },
        phase,
        finishes: state != Some(ClusterState::Waiting),
        state: state.map_or_else(|| "none".to_owned(), |state| state.as_str().to_owned()),
        memo: None,
    })
}

#[cfg(test)]
mod tests;
