//! Aurora's clusters and RDS's instances, which are stopped when the sandbox closes and started when it opens.
//!
//! RDS starts by itself what has been stopped for seven days. To a look this is a database that is on; whoever compares
//! that with what should be has it stopped again.
//!
//! Not everything can be stopped. RDS is asked all the same, since its rules change; when it refuses, what the database
//! is tells whether that is for good.
//! <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-cluster-stop-start.html>,
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_StopInstance.html>

use aws_sdk_rds::Client;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_rds::types::{DbCluster, DbInstance};
use futures_util::future;
use guardrail::Resource;
use jiff::Timestamp;
use lambda::{Aws, CallError, CallErrorKind, Problems};
use serde_json::json;

use crate::part::{Item, Part, Phase, Switch, Turned, TurnedOff};

/// The IAM actions that a look needs.
pub const LOOK_ACTIONS: &[&str] = &[DESCRIBE_DB_CLUSTERS, DESCRIBE_DB_INSTANCES];

/// The IAM actions that stopping and starting need beside.
pub const TURN_ACTIONS: &[&str] = &[STOP_DB_CLUSTER, STOP_DB_INSTANCE, START_DB_CLUSTER, START_DB_INSTANCE];

/// What clusters are called: Aurora's, and those of RDS with two readable standbys.
pub const CLUSTER: &str = "db-cluster";

/// What instances that are in no cluster are called.
pub const INSTANCE: &str = "db-instance";

const DESCRIBE_DB_CLUSTERS: &str = "rds:DescribeDBClusters";
const DESCRIBE_DB_INSTANCES: &str = "rds:DescribeDBInstances";
const STOP_DB_CLUSTER: &str = "rds:StopDBCluster";
const STOP_DB_INSTANCE: &str = "rds:StopDBInstance";
const START_DB_CLUSTER: &str = "rds:StartDBCluster";
const START_DB_INSTANCE: &str = "rds:StartDBInstance";

/// Engines of other services whose clusters and instances RDS lists among its own.
const OTHERS: [&str; 2] = ["docdb", "neptune"];

/// RDS's databases.
#[derive(Clone, Debug)]
pub struct Rds {
    client: Client,
}

impl Rds {
    /// The databases of this account.
    pub fn new(aws: &Aws) -> Self {
        let config = aws_sdk_rds::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config) }
    }

    /// All clusters, or the one with this id.
    async fn clusters(&self, id: Option<&str>) -> Result<Vec<Database>, Refusal> {
        let describe = self.client.describe_db_clusters().set_db_cluster_identifier(id.map(str::to_owned));
        let clusters: Result<Vec<_>, _> = describe.into_paginator().items().send().collect().await;
        let clusters = clusters.map_err(|error| Refusal::of(DESCRIBE_DB_CLUSTERS, &error))?;
        Ok(clusters.into_iter().filter_map(Database::cluster).collect())
    }

    /// All instances that are in no cluster, or the one with this id.
    async fn instances(&self, id: Option<&str>) -> Result<Vec<Database>, Refusal> {
        let describe = self.client.describe_db_instances().set_db_instance_identifier(id.map(str::to_owned));
        let instances: Result<Vec<_>, _> = describe.into_paginator().items().send().collect().await;
        let instances = instances.map_err(|error| Refusal::of(DESCRIBE_DB_INSTANCES, &error))?;
        Ok(instances.into_iter().filter_map(Database::instance).collect())
    }

    /// One database as it is now; `None` when it is gone.
    async fn database(&self, resource: &Resource) -> Result<Option<Database>, CallError> {
        let found = match resource.kind.as_str() {
            CLUSTER => self.clusters(Some(&resource.id)).await,
            _ => self.instances(Some(&resource.id)).await,
        };
        match found {
            Ok(databases) => Ok(databases.into_iter().next()),
            Err(refusal) if refusal.is_gone() => Ok(None),
            Err(refusal) => Err(refusal.problem),
        }
    }

    async fn stop(&self, Resource { kind, id }: &Resource) -> Result<(), Refusal> {
        if kind == CLUSTER {
            let stop = self.client.stop_db_cluster().db_cluster_identifier(id).send().await;
            stop.map(drop).map_err(|error| Refusal::of(STOP_DB_CLUSTER, &error))
        } else {
            let stop = self.client.stop_db_instance().db_instance_identifier(id).send().await;
            stop.map(drop).map_err(|error| Refusal::of(STOP_DB_INSTANCE, &error))
        }
    }

    async fn start(&self, Resource { kind, id }: &Resource) -> Result<(), Refusal> {
        if kind == CLUSTER {
            let start = self.client.start_db_cluster().db_cluster_identifier(id).send().await;
            start.map(drop).map_err(|error| Refusal::of(START_DB_CLUSTER, &error))
        } else {
            let start = self.client.start_db_instance().db_instance_identifier(id).send().await;
            start.map(drop).map_err(|error| Refusal::of(START_DB_INSTANCE, &error))
        }
    }
}

impl Switch for Rds {
    const PART: Part = Part::Rds;

    async fn look(&self) -> Result<Vec<Item>, Problems> {
        let (clusters, instances) = future::join(self.clusters(None), self.instances(None)).await;
        let mut problems = Problems::default();
        let found = [clusters, instances].into_iter().map(|found| found.map_err(|refusal| refusal.problem));
        let found: Vec<Vec<Database>> = found.filter_map(|databases| problems.keep(databases)).collect();
        problems.into_result().map(|()| found.into_iter().flatten().map(Item::from).collect())
    }

    async fn turn_off(&self, item: &Item, _now: Timestamp) -> Result<Turned, CallError> {
        let refusal = match self.stop(&item.resource).await {
            Ok(()) => return Ok(Turned::Told),
            Err(refusal) if refusal.is_gone() => return Ok(Turned::Gone),
            Err(refusal) if !refusal.is_of_request() => return Err(refusal.problem),
            Err(refusal) => refusal,
        };
        let Some(database) = self.database(&item.resource).await? else { return Ok(Turned::Gone) };
        match (database.phase, database.keeps_on) {
            (Phase::Off | Phase::TurningOff, _) => Ok(Turned::Told),
            // It can be stopped when what is done to it is done.
            (Phase::TurningOn, _) => Err(refusal.problem),
            (Phase::On, Some(why)) => Ok(Turned::Refused(format!("{why} cannot be stopped"))),
            (Phase::On, None) if STUCK.contains(&database.state.as_str()) => {
                Ok(Turned::Refused(format!("a database in state `{}` cannot be stopped", database.state)))
            }
            // It may have come to this state since it refused, or an instance of the cluster is in another.
            (Phase::On, None) if refusal.is_of_state() => Err(refusal.problem),
            (Phase::On, None) => Ok(Turned::Refused(refusal.said("stop"))),
        }
    }

    async fn turn_on(&self, item: &TurnedOff) -> Result<Turned, CallError> {
        let refusal = match self.start(&item.resource).await {
            Ok(()) => return Ok(Turned::Told),
            Err(refusal) if refusal.is_gone() => return Ok(Turned::Gone),
            Err(refusal) if !refusal.is_of_request() => return Err(refusal.problem),
            Err(refusal) => refusal,
        };
        let Some(database) = self.database(&item.resource).await? else { return Ok(Turned::Gone) };
        match (database.phase, database.state.as_str()) {
            (Phase::On | Phase::TurningOn, _) => Ok(Turned::Told),
            (Phase::TurningOff, DELETING | DELETE_PRECHECK) => Ok(Turned::Gone),
            (Phase::TurningOff, _) => Err(refusal.problem),
            (Phase::Off, STOPPED) if refusal.is_of_state() || refusal.is_of_capacity() => Err(refusal.problem),
            (Phase::Off, STOPPED) => Ok(Turned::Refused(refusal.said("start"))),
            (Phase::Off, state) => Ok(Turned::Refused(format!("a database in state `{state}` cannot be started"))),
        }
    }
}

/// A cluster, or an instance that is in none.
#[derive(Debug)]
struct Database {
    resource: Resource,
    state: String,
    phase: Phase,
    /// What it is, if RDS does not stop such.
    keeps_on: Option<&'static str>,
}

impl Database {
    /// A cluster, unless it is another service's.
    fn cluster(cluster: DbCluster) -> Option<Self> {
        let engine = cluster.engine.as_deref().unwrap_or_default();
        let mode = cluster.engine_mode.as_deref().unwrap_or_default();
        let is_global = cluster.global_cluster_identifier.as_ref().is_some_and(|id| !id.is_empty());
        let is_replica = cluster.replication_source_identifier.as_ref().is_some_and(|id| !id.is_empty());
        let has_replica = cluster.read_replica_identifiers.as_ref().is_some_and(|ids| !ids.is_empty());
        let keeps_on = match mode {
            "serverless" => Some("an Aurora Serverless v1 cluster"),
            "multimaster" => Some("an Aurora multi-master cluster"),
            _ if is_global || mode == "global" => Some("a cluster of an Aurora global database"),
            _ if is_replica || has_replica => Some("a cluster that replicates another, or is replicated,"),
            // <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/multi-az-db-clusters-concepts.Limitations.html>
            _ if !engine.starts_with("aurora") => Some("a Multi-AZ DB cluster"),
            _ => None,
        };
        Self::of(CLUSTER, cluster.db_cluster_identifier?, engine, cluster.status, keeps_on)
    }

    /// An instance, unless it is a cluster's, with which it is stopped, or another service's.
    fn instance(instance: DbInstance) -> Option<Self> {
        if instance.db_cluster_identifier.is_some_and(|cluster| !cluster.is_empty()) {
            return None;
        }
        let engine = instance.engine.as_deref().unwrap_or_default();
        let source = instance.read_replica_source_db_instance_identifier;
        let source = source.or(instance.read_replica_source_db_cluster_identifier);
        let replicas = instance.read_replica_db_instance_identifiers.unwrap_or_default();
        let clusters = instance.read_replica_db_cluster_identifiers.unwrap_or_default();
        let keeps_on = if source.is_some_and(|source| !source.is_empty()) {
            Some("a read replica")
        } else if !replicas.is_empty() || !clusters.is_empty() {
            Some("an instance that has a read replica")
        } else if engine.contains("sqlserver") && instance.multi_az == Some(true) {
            Some("an instance of SQL Server in Multi-AZ")
        } else {
            None
        };
        Self::of(INSTANCE, instance.db_instance_identifier?, engine, instance.db_instance_status, keeps_on)
    }

    fn of(kind: &str, id: String, engine: &str, state: Option<String>, keeps_on: Option<&'static str>) -> Option<Self> {
        if OTHERS.contains(&engine) {
            return None;
        }
        let state = state.unwrap_or_else(|| "none".to_owned());
        let phase = phase_of(&state).unwrap_or_else(|| {
            // Better stopped in vain than overlooked at work.
            tracing::warn!(database.id = id, database.state = state, "database is in an unknown state: it is on");
            Phase::On
        });
        Some(Self { resource: Resource { kind: kind.to_owned(), id }, state, phase, keeps_on })
    }
}

impl From<Database> for Item {
    fn from(database: Database) -> Self {
        Self {
            resource: database.resource,
            phase: database.phase,
            state: database.state,
            finishes: false,
            memo: Some(json!({})),
        }
    }
}

const STOPPED: &str = "stopped";
const DELETING: &str = "deleting";
const DELETE_PRECHECK: &str = "delete-precheck";

/// States in which a database is billed, cannot be stopped, and stays until somebody repairs it.
const STUCK: [&str; 4] = ["incompatible-option-group", "incompatible-parameters", "restore-error", "storage-full"];

/// What the state of a cluster or an instance means; nothing for one that this version does not know.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/accessing-monitoring.html>,
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html>
fn phase_of(state: &str) -> Option<Phase> {
    match state {
        // Storage is made ready in the background, for a day and more, while the database works as ever.
        "available" | "storage-config-upgrade" | "storage-initialization" | "storage-optimization" => Some(Phase::On),
        stuck if STUCK.contains(&stuck) => Some(Phase::On),
        "stopping" | DELETING | DELETE_PRECHECK => Some(Phase::TurningOff),
        // What runs no instance: AWS bills at most its storage.
        STOPPED
        | "cloning-failed"
        | "failed"
        | "inaccessible-encryption-credentials"
        | "inaccessible-encryption-credentials-recoverable"
        | "incompatible-create"
        | "incompatible-network"
        | "incompatible-restore"
        | "insufficient-capacity"
        | "migration-failed" => Some(Phase::Off),
        // What is under way cannot be stopped, and becomes available by itself.
        "backing-up"
        | "backtracking"
        | "configuring-enhanced-monitoring"
        | "configuring-iam-database-auth"
        | "configuring-log-exports"
        | "converting-to-vpc"
        | "creating"
        | "failing-over"
        | "maintenance"
        | "migrating"
        | "modifying"
        | "moving-to-vpc"
        | "promoting"
        | "rebooting"
        | "renaming"
        | "resetting-master-credentials"
        | "starting"
        | "update-iam-db-auth"
        | "upgrading" => Some(Phase::TurningOn),
        _ => None,
    }
}

/// An order that RDS did not take.
struct Refusal {
    code: String,
    problem: CallError,
}

impl Refusal {
    fn of<E>(operation: &'static str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
        Self { code: code.to_owned(), problem: CallError::of(operation, error) }
    }

    /// Whether the database does not exist. That something around it does not is no such thing.
    fn is_gone(&self) -> bool {
        matches!(self.code.as_str(), "DBClusterNotFoundFault" | "DBInstanceNotFound" | "DBInstanceNotFoundFault")
    }

    /// Whether it is about what was asked, not about the call.
    fn is_of_request(&self) -> bool {
        matches!(self.problem.kind, CallErrorKind::Invalid | CallErrorKind::Missing)
    }

    /// Whether it is about the state that something is in: `InvalidDBInstanceState`, `InvalidDBClusterStateFault`.
    fn is_of_state(&self) -> bool {
        self.code.starts_with("InvalidDB") && self.code.contains("State")
    }

    /// Whether AWS has no such instance to give at the moment.
    fn is_of_capacity(&self) -> bool {
        self.code.contains("InsufficientDBInstanceCapacity")
    }

    /// The refusal as a clause.
    fn said(&self, order: &str) -> String {
        format!("RDS does not {order} it (`{}`)", self.problem.message)
    }
}

#[cfg(test)]
mod tests;
