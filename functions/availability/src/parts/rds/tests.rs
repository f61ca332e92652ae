//! What RDS answers, recorded, and what we take it for: whose databases they are, every state, what cannot be stopped.

use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::Value;

use super::*;

/// RDS over these answers.
fn rds(answers: impl IntoIterator<Item = Answer>) -> (Rds, Replay) {
    let (replay, aws) = Replay::of(answers);
    (Rds::new(&aws), replay)
}

/// What an operation answers.
fn result(operation: &str, body: &str) -> Answer {
    let xml = format!(
        "<{operation}Response xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><{operation}Result>{body}\
         </{operation}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{operation}Response>"
    );
    Answer::Http(200, xml)
}

/// A cluster with this beside.
fn cluster(id: &str, engine: &str, status: &str, rest: &str) -> String {
    format!(
        "<DBCluster><DBClusterIdentifier>{id}</DBClusterIdentifier><Engine>{engine}</Engine>\
         <Status>{status}</Status>{rest}</DBCluster>"
    )
}

/// An instance with this beside.
fn instance(id: &str, engine: &str, status: &str, rest: &str) -> String {
    format!(
        "<DBInstance><DBInstanceIdentifier>{id}</DBInstanceIdentifier><Engine>{engine}</Engine>\
         <DBInstanceStatus>{status}</DBInstanceStatus>{rest}</DBInstance>"
    )
}

fn clusters(clusters: &[String]) -> Answer {
    result("DescribeDBClusters", &format!("<DBClusters>{}</DBClusters>", clusters.concat()))
}

fn instances(instances: &[String]) -> Answer {
    result("DescribeDBInstances", &format!("<DBInstances>{}</DBInstances>", instances.concat()))
}

fn refusal(status: u16, code: &str) -> Answer {
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>as recorded</Message></Error>");
    Answer::Http(status, format!("<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"))
}

fn found(kind: &str, id: &str, state: &str, phase: Phase) -> Item {
    let resource = Resource { kind: kind.to_owned(), id: id.to_owned() };
    Item { resource, phase, state: state.to_owned(), finishes: false, memo: Some(json!({})) }
}

/// A look that gets these answers finds these, and sends these forms.
fn check_look(answers: impl IntoIterator<Item = Answer>, expected: &[Item]) -> Vec<String> {
    let (rds, replay) = rds(answers);
    assert_eq!(block_on(rds.look()), Ok(expected.to_vec()));
    replay.requests().into_iter().map(|(_, form)| form.as_str().unwrap().replace("&Version=2014-10-31", "")).collect()
}

#[test]
fn clusters_and_instances_are_read_page_by_page() {
    let page = |operation: &str, list: &str, body: &str| {
        result(operation, &format!("<Marker>page-2</Marker><{list}>{body}</{list}>"))
    };
    let forms = check_look(
        [
            page("DescribeDBClusters", "DBClusters", &cluster("a", "aurora-mysql", "available", "")),
            page("DescribeDBInstances", "DBInstances", &instance("c", "mysql", "starting", "")),
            clusters(&[cluster("b", "postgres", "stopped", "")]),
            instances(&[instance("d", "sqlserver-se", "stopping", "")]),
        ],
        &[
            found("db-cluster", "a", "available", Phase::On),
            found("db-cluster", "b", "stopped", Phase::Off),
            found("db-instance", "c", "starting", Phase::TurningOn),
            found("db-instance", "d", "stopping", Phase::TurningOff),
        ],
    );
    assert_eq!(
        forms,
        [
            "Action=DescribeDBClusters",
            "Action=DescribeDBInstances",
            "Action=DescribeDBClusters&Marker=page-2",
            "Action=DescribeDBInstances&Marker=page-2",
        ]
    );
}

#[test]
fn other_services_databases_and_instances_of_clusters_are_left_alone() {
    let member = "<DBClusterIdentifier>a</DBClusterIdentifier>";
    check_look(
        [
            clusters(&[cluster("n", "neptune", "available", ""), cluster("d", "docdb", "available", "")]),
            instances(&[
                instance("a-1", "aurora-mysql", "available", member),
                instance("n-1", "neptune", "available", "<DBClusterIdentifier>n</DBClusterIdentifier>"),
                instance("d-1", "docdb", "available", ""),
                instance("m", "mysql", "available", "<DBClusterIdentifier></DBClusterIdentifier>"),
            ]),
        ],
        &[found("db-instance", "m", "available", Phase::On)],
    );
}

/// A cluster and an instance in this state are in this phase.
fn check_state(state: &str, phase: Phase) {
    check_look(
        [clusters(&[cluster("a", "aurora", state, "")]), instances(&[instance("b", "mariadb", state, "")])],
        &[found(CLUSTER, "a", state, phase), found(INSTANCE, "b", state, phase)],
    );
}

#[test]
fn every_state_has_its_phase_and_an_unknown_one_is_on() {
    for state in ["available", "storage-config-upgrade", "storage-initialization", "storage-optimization"] {
        check_state(state, Phase::On);
    }
    for state in ["incompatible-option-group", "incompatible-parameters", "restore-error", "storage-full"] {
        check_state(state, Phase::On);
    }
    for state in ["stopping", "deleting", "delete-precheck"] {
        check_state(state, Phase::TurningOff);
    }
    for state in ["stopped", "cloning-failed", "failed", "migration-failed", "insufficient-capacity"] {
        check_state(state, Phase::Off);
    }
    for state in ["inaccessible-encryption-credentials", "inaccessible-encryption-credentials-recoverable"] {
        check_state(state, Phase::Off);
    }
    for state in ["incompatible-create", "incompatible-network", "incompatible-restore"] {
        check_state(state, Phase::Off);
    }
    for state in ["starting", "creating", "backing-up", "backtracking", "modifying", "rebooting", "renaming"] {
        check_state(state, Phase::TurningOn);
    }
    for state in ["failing-over", "maintenance", "migrating", "promoting", "resetting-master-credentials"] {
        check_state(state, Phase::TurningOn);
    }
    for state in ["configuring-enhanced-monitoring", "configuring-iam-database-auth", "configuring-log-exports"] {
        check_state(state, Phase::TurningOn);
    }
    for state in ["converting-to-vpc", "moving-to-vpc", "update-iam-db-auth", "upgrading"] {
        check_state(state, Phase::TurningOn);
    }
    check_state("hibernating", Phase::On);
}

/// A look that gets these answers fails with this.
fn check_failure(answers: impl IntoIterator<Item = Answer>, operation: &str) {
    let (rds, _) = rds(answers);
    let problem = block_on(rds.look()).unwrap_err().into_first().unwrap();
    assert_eq!((problem.operation, problem.kind), (operation, CallErrorKind::Denied), "{problem}");
}

#[test]
fn what_is_not_seen_wholly_is_not_seen_at_all() {
    let denied = || refusal(403, "AccessDenied");
    check_failure([denied(), instances(&[])], DESCRIBE_DB_CLUSTERS);
    check_failure([clusters(&[cluster("a", "aurora", "available", "")]), denied()], DESCRIBE_DB_INSTANCES);
}

/// Turning something off that gets these answers ends so. The first answer is to the order, the second to the look.
fn check_off(kind: &str, answers: &[Answer], expected: Result<Turned, CallErrorKind>) {
    let (rds, replay) = rds(answers.to_vec());
    let outcome = block_on(rds.turn_off(&found(kind, "a", "available", Phase::On), Timestamp::UNIX_EPOCH));
    assert_eq!(outcome.map_err(|problem| problem.kind), expected, "{answers:?}");
    assert_eq!(replay.requests().len(), answers.len(), "{answers:?}");
}

/// Turning something on that gets these answers ends so.
fn check_on(kind: &str, answers: &[Answer], expected: Result<Turned, CallErrorKind>) {
    let (rds, replay) = rds(answers.to_vec());
    let item = TurnedOff { resource: found(kind, "a", "", Phase::Off).resource, memo: json!({}) };
    let outcome = block_on(rds.turn_on(&item));
    assert_eq!(outcome.map_err(|problem| problem.kind), expected, "{answers:?}");
    assert_eq!(replay.requests().len(), answers.len(), "{answers:?}");
}

fn refused(why: &str) -> Result<Turned, CallErrorKind> {
    Ok(Turned::Refused(why.to_owned()))
}

#[test]
fn what_is_told_is_stopped_and_started_by_its_id() {
    let check = |kind: &str, off: &str, on: &str| {
        let (rds, replay) = rds([result(off, ""), result(on, "")]);
        let item = found(kind, "a", "available", Phase::On);
        assert_eq!(block_on(rds.turn_off(&item, Timestamp::UNIX_EPOCH)), Ok(Turned::Told));
        let item = TurnedOff { resource: item.resource, memo: json!({}) };
        assert_eq!(block_on(rds.turn_on(&item)), Ok(Turned::Told));
        let name = if kind == CLUSTER { "DBClusterIdentifier" } else { "DBInstanceIdentifier" };
        let form =
            |action: &str| (action.to_owned(), Value::from(format!("Action={action}&Version=2014-10-31&{name}=a")));
        assert_eq!(replay.requests(), [form(off), form(on)]);
    };
    check(CLUSTER, "StopDBCluster", "StartDBCluster");
    check(INSTANCE, "StopDBInstance", "StartDBInstance");
}

#[test]
fn stopping_looks_again_when_it_is_refused() {
    let state = || refusal(400, "InvalidDBInstanceState");
    let now = |state: &str| instances(&[instance("a", "mysql", state, "")]);
    check_off(INSTANCE, &[refusal(404, "DBInstanceNotFound")], Ok(Turned::Gone));
    check_off(INSTANCE, &[state(), refusal(404, "DBInstanceNotFound")], Ok(Turned::Gone));
    check_off(INSTANCE, &[state(), now("stopped")], Ok(Turned::Told));
    check_off(INSTANCE, &[state(), now("stopping")], Ok(Turned::Told));
    check_off(INSTANCE, &[state(), now("deleting")], Ok(Turned::Told));
    check_off(INSTANCE, &[state(), now("backing-up")], Err(CallErrorKind::Invalid));
    check_off(INSTANCE, &[state(), now("available")], Err(CallErrorKind::Invalid));
    check_off(INSTANCE, &[state(), now("storage-optimization")], Err(CallErrorKind::Invalid));
    check_off(
        INSTANCE,
        &[state(), now("storage-full")],
        refused("a database in state `storage-full` cannot be stopped"),
    );
    let why = "RDS does not stop it (`InvalidParameterCombination: as recorded`)";
    check_off(INSTANCE, &[refusal(400, "InvalidParameterCombination"), now("available")], refused(why));
    check_off(INSTANCE, &[refusal(403, "AccessDenied")], Err(CallErrorKind::Denied));
    check_off(INSTANCE, &[state(), refusal(403, "AccessDenied")], Err(CallErrorKind::Denied));
    check_off(CLUSTER, &[refusal(404, "DBClusterNotFoundFault")], Ok(Turned::Gone));
    let now =
        |state: &str| clusters(&[cluster("a", "aurora-postgresql", state, "<EngineMode>provisioned</EngineMode>")]);
    let state = || refusal(400, "InvalidDBClusterStateFault");
    check_off(CLUSTER, &[state(), now("stopped")], Ok(Turned::Told));
    check_off(CLUSTER, &[state(), now("upgrading")], Err(CallErrorKind::Invalid));
    // An instance of the cluster is not ready to be stopped.
    check_off(CLUSTER, &[refusal(400, "InvalidDBInstanceState"), now("available")], Err(CallErrorKind::Invalid));
}

/// A cluster with this beside that RDS does not stop is refused because it is this.
fn check_cluster(engine: &str, rest: &str, what: &str) {
    let now = clusters(&[cluster("a", engine, "available", rest)]);
    check_off(
        CLUSTER,
        &[refusal(400, "InvalidDBClusterStateFault"), now],
        refused(&format!("{what} cannot be stopped")),
    );
}

/// An instance with this beside that RDS does not stop is refused because it is this.
fn check_instance(engine: &str, rest: &str, what: &str) {
    let now = instances(&[instance("a", engine, "available", rest)]);
    check_off(INSTANCE, &[refusal(400, "InvalidDBInstanceState"), now], refused(&format!("{what} cannot be stopped")));
}

#[test]
fn what_cannot_be_stopped_at_all_is_refused_by_what_it_is() {
    let aurora = "aurora-mysql";
    check_cluster(aurora, "<EngineMode>serverless</EngineMode>", "an Aurora Serverless v1 cluster");
    check_cluster(aurora, "<EngineMode>multimaster</EngineMode>", "an Aurora multi-master cluster");
    check_cluster(aurora, "<EngineMode>global</EngineMode>", "a cluster of an Aurora global database");
    let global = "<GlobalClusterIdentifier>world</GlobalClusterIdentifier>";
    check_cluster(aurora, global, "a cluster of an Aurora global database");
    let replicates = "a cluster that replicates another, or is replicated,";
    check_cluster(aurora, "<ReplicationSourceIdentifier>arn</ReplicationSourceIdentifier>", replicates);
    let replicas =
        "<ReadReplicaIdentifiers><ReadReplicaIdentifier>arn</ReadReplicaIdentifier></ReadReplicaIdentifiers>";
    check_cluster(aurora, replicas, replicates);
    check_cluster("postgres", "", "a Multi-AZ DB cluster");

    let source = "<ReadReplicaSourceDBInstanceIdentifier>b</ReadReplicaSourceDBInstanceIdentifier>";
    check_instance("mysql", source, "a read replica");
    let source = "<ReadReplicaSourceDBClusterIdentifier>b</ReadReplicaSourceDBClusterIdentifier>";
    check_instance("mysql", source, "a read replica");
    let replicas = "<ReadReplicaDBInstanceIdentifiers><ReadReplicaDBInstanceIdentifier>b\
        </ReadReplicaDBInstanceIdentifier></ReadReplicaDBInstanceIdentifiers>";
    check_instance("postgres", replicas, "an instance that has a read replica");
    let replicas = "<ReadReplicaDBClusterIdentifiers><ReadReplicaDBClusterIdentifier>b\
        </ReadReplicaDBClusterIdentifier></ReadReplicaDBClusterIdentifiers>";
    check_instance("postgres", replicas, "an instance that has a read replica");
    check_instance("sqlserver-ee", "<MultiAZ>true</MultiAZ>", "an instance of SQL Server in Multi-AZ");
}

#[test]
fn starting_looks_again_when_it_is_refused() {
    let state = || refusal(400, "InvalidDBInstanceState");
    let now = |state: &str| instances(&[instance("a", "mysql", state, "")]);
    check_on(INSTANCE, &[refusal(404, "DBInstanceNotFound")], Ok(Turned::Gone));
    check_on(INSTANCE, &[state(), now("available")], Ok(Turned::Told));
    check_on(INSTANCE, &[state(), now("starting")], Ok(Turned::Told));
    check_on(INSTANCE, &[state(), now("backing-up")], Ok(Turned::Told));
    check_on(INSTANCE, &[state(), now("stopping")], Err(CallErrorKind::Invalid));
    check_on(INSTANCE, &[state(), now("deleting")], Ok(Turned::Gone));
    check_on(INSTANCE, &[state(), now("stopped")], Err(CallErrorKind::Invalid));
    check_on(INSTANCE, &[state(), now("failed")], refused("a database in state `failed` cannot be started"));
    check_on(INSTANCE, &[refusal(400, "InsufficientDBInstanceCapacity"), now("stopped")], Err(CallErrorKind::Invalid));
    let why = "RDS does not start it (`KMSKeyNotAccessibleFault: as recorded`)";
    check_on(INSTANCE, &[refusal(400, "KMSKeyNotAccessibleFault"), now("stopped")], refused(why));
    // What is not found is around the database, which is there.
    let why = "RDS does not start it (`DBSubnetGroupNotFoundFault: as recorded`)";
    check_on(INSTANCE, &[refusal(404, "DBSubnetGroupNotFoundFault"), now("stopped")], refused(why));
    check_on(INSTANCE, &[refusal(403, "AccessDenied")], Err(CallErrorKind::Denied));
    let cluster = clusters(&[cluster("a", "aurora", "available", "")]);
    check_on(CLUSTER, &[refusal(400, "InvalidDBClusterStateFault"), cluster], Ok(Turned::Told));
}
