//! What EMR answers, recorded, and what we take it for: pages, states, things it does not know, refusals, failures.

use std::iter::repeat_n;

use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::{Value, json};

use super::*;

const CREATED: &str = "2025-11-21T10:00:00.123Z";
const READY: &str = "2025-11-21T10:05:00.5Z";

/// EMR over these answers.
fn emr(answers: impl IntoIterator<Item = Answer>) -> (ElasticMapReduce, Replay) {
    let (replay, aws) = Replay::of(answers);
    (ElasticMapReduce::new(&aws), replay)
}

fn request(operation: &str, body: Value) -> (String, Value) {
    (operation.to_owned(), body)
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn at(instant: &str) -> Option<Timestamp> {
    Some(instant.parse().unwrap())
}

/// EMR refuses with this sentence.
fn refusal(code: &str, sentence: &str) -> Answer {
    Answer::error(400, code, &json!({"message": sentence}))
}

fn status(state: &str) -> Value {
    json!({
        "State": state,
        "StateChangeReason": {"Message": "Cluster ready to run steps."},
        "Timeline": {"CreationDateTime": 1_763_719_200.123, "ReadyDateTime": 1_763_719_500.5},
    })
}

fn summary(id: &str, state: &str) -> Value {
    json!({
        "Id": id, "Name": "nightly", "Status": status(state), "NormalizedInstanceHours": 24,
        "ClusterArn": format!("arn:aws:elasticmapreduce:eu-west-1:111111111111:cluster/{id}"),
    })
}

fn cluster(id: &str, state: &str, phase: ClusterPhase) -> Cluster {
    Cluster { id: id.to_owned(), state: state.to_owned(), phase, created_at: at(CREATED), ready_at: at(READY) }
}

#[test]
fn active_clusters_are_listed_page_by_page() {
    let (emr, replay) = emr([
        Answer::ok(&json!({"Clusters": [summary("j-1", "WAITING")], "Marker": "page-2"})),
        Answer::ok(&json!({"Clusters": [summary("j-2", "BOOTSTRAPPING")]})),
        Answer::ok(&json!({"Clusters": []})),
    ]);
    let first = block_on(emr.active(None)).unwrap();
    assert_eq!(first.clusters, [cluster("j-1", "WAITING", ClusterPhase::Waiting)]);
    let second = block_on(emr.active(first.next.as_deref())).unwrap();
    assert_eq!(second, Page { clusters: vec![cluster("j-2", "BOOTSTRAPPING", ClusterPhase::Busy)], next: None });
    assert_eq!(block_on(emr.active(None)), Ok(Page::default()));
    let states = json!(["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]);
    assert_eq!(
        replay.requests()[..2],
        [
            request("ListClusters", json!({"ClusterStates": states})),
            request("ListClusters", json!({"ClusterStates": states, "Marker": "page-2"})),
        ]
    );
}

#[test]
fn a_cluster_without_some_of_its_members_is_listed_all_the_same() {
    let (emr, _) = emr([Answer::ok(&json!({"Clusters": [{"Id": "j-1"}, {"Name": "nameless"}, {
        "Id": "j-2", "Status": {"State": "STARTING", "Timeline": {"CreationDateTime": 1_763_719_200.123}},
    }]}))]);
    let clusters = block_on(emr.active(None)).unwrap().clusters;
    let unready = Cluster { ready_at: None, ..cluster("j-2", "STARTING", ClusterPhase::Busy) };
    let bare = Cluster { created_at: None, ready_at: None, ..cluster("j-1", "none", ClusterPhase::Unknown) };
    assert_eq!(clusters, [bare, unready]);
}

/// A cluster in this state is in this phase.
fn check_state(state: &str, phase: ClusterPhase) {
    let (emr, _) = emr([Answer::ok(&json!({"Cluster": {"Id": "j-1", "Status": status(state)}}))]);
    assert_eq!(block_on(emr.describe("j-1")).unwrap().0, cluster("j-1", state, phase), "{state}");
}

#[test]
fn states_of_clusters_have_their_meaning() {
    check_state("STARTING", ClusterPhase::Busy);
    check_state("BOOTSTRAPPING", ClusterPhase::Busy);
    check_state("RUNNING", ClusterPhase::Busy);
    check_state("WAITING", ClusterPhase::Waiting);
    check_state("TERMINATING", ClusterPhase::Ending);
    check_state("TERMINATED", ClusterPhase::Ended);
    check_state("TERMINATED_WITH_ERRORS", ClusterPhase::Ended);
    // One that EMR may learn after us: better judged in vain than overlooked.
    check_state("RESIZING", ClusterPhase::Unknown);
}

/// What a description says beside id and status.
fn check_details(description: Value, expected: &Details) {
    let (emr, replay) = emr([Answer::ok(&json!({"Cluster": description}))]);
    assert_eq!(&block_on(emr.describe("j-1")).unwrap().1, expected, "{description}");
    assert_eq!(replay.requests(), [request("DescribeCluster", json!({"ClusterId": "j-1"}))]);
}

#[test]
fn a_description_tells_what_seldom_changes() {
    let full = json!({
        "Id": "j-1", "Name": "nightly", "Status": status("WAITING"), "InstanceCollectionType": "INSTANCE_FLEET",
        "ReleaseLabel": "emr-7.1.0", "AutoTerminate": true, "TerminationProtected": false, "VisibleToAllUsers": true,
        "Applications": [{"Name": "Spark", "Version": "3.5.0"}], "SecurityConfiguration": "encrypted",
        "Tags": [{"Key": "owner", "Value": "ana"}, {"Key": "bare"}], "ServiceRole": "EMR_DefaultRole",
    });
    check_details(
        full,
        &Details {
            tags: vec![("owner".to_owned(), "ana".to_owned()), ("bare".to_owned(), String::new())],
            release: Some("emr-7.1.0".to_owned()),
            has_security_configuration: true,
            ends_after_last_step: true,
            kept_in: Collection::Fleets,
        },
    );
    check_details(json!({"Id": "j-1"}), &Details::default());
    let old = json!({"Id": "j-1", "RunningAmiVersion": "3.11.0", "InstanceCollectionType": "INSTANCE_GROUP"});
    check_details(old, &Details { release: Some("ami-3.11.0".to_owned()), ..Details::default() });
    // Instances that are kept in a way that this version does not know can be listed one by one like a fleet's.
    let new = json!({"Id": "j-1", "InstanceCollectionType": "INSTANCE_SWARM"});
    check_details(new, &Details { kept_in: Collection::Fleets, ..Details::default() });
}

fn step_summary(id: &str, state: &str) -> Value {
    json!({
        "Id": id, "Name": "load", "ActionOnFailure": "CONTINUE", "Config": {"Jar": "command-runner.jar", "Args": []},
        "Status": {"State": state, "StateChangeReason": {}, "Timeline": {
            "CreationDateTime": 1_763_719_200.123, "StartDateTime": 1_763_719_500.5, "EndDateTime": 1_763_719_500.5,
        }},
    })
}

fn step(id: &str, state: &str, phase: StepPhase) -> Step {
    let (created_at, started_at) = (at(CREATED), at(READY));
    Step { id: id.to_owned(), state: state.to_owned(), phase, created_at, started_at, ended_at: started_at }
}

#[test]
fn active_steps_are_read_to_the_last_page() {
    let (emr, replay) = emr([
        Answer::ok(&json!({"Steps": [step_summary("s-2", "PENDING")], "Marker": "page-2"})),
        Answer::ok(&json!({"Steps": [step_summary("s-1", "RUNNING")]})),
    ]);
    let steps = [step("s-2", "PENDING", StepPhase::Pending), step("s-1", "RUNNING", StepPhase::Running)];
    assert_eq!(block_on(emr.active_steps("j-1")).unwrap(), steps);
    let states = json!(["PENDING", "RUNNING", "CANCEL_PENDING"]);
    assert_eq!(
        replay.requests(),
        [
            request("ListSteps", json!({"ClusterId": "j-1", "StepStates": states})),
            request("ListSteps", json!({"ClusterId": "j-1", "StepStates": states, "Marker": "page-2"})),
        ]
    );
}

#[test]
fn the_newest_steps_are_one_page_of_any_state() {
    let (emr, replay) = emr([
        Answer::ok(&json!({"Steps": [step_summary("s-1", "COMPLETED")], "Marker": "page-2"})),
        Answer::ok(&json!({"Steps": []})),
    ]);
    let steps = vec![step("s-1", "COMPLETED", StepPhase::Ended)];
    assert_eq!(block_on(emr.newest_steps("j-1")), Ok(Newest { steps, more: true }));
    assert_eq!(block_on(emr.newest_steps("j-1")), Ok(Newest::default()));
    assert_eq!(replay.requests()[0], request("ListSteps", json!({"ClusterId": "j-1"})));
}

/// A step in this state is in this phase.
fn check_step_state(state: &str, phase: StepPhase) {
    let (emr, replay) = emr([Answer::ok(&json!({"Steps": [step_summary("s-1", state)]}))]);
    assert_eq!(block_on(emr.steps("j-1", &ids(&["s-1"]))), Ok(vec![step("s-1", state, phase)]), "{state}");
    assert_eq!(replay.requests(), [request("ListSteps", json!({"ClusterId": "j-1", "StepIds": ["s-1"]}))]);
}

#[test]
fn states_of_steps_have_their_meaning() {
    check_step_state("PENDING", StepPhase::Pending);
    check_step_state("RUNNING", StepPhase::Running);
    check_step_state("CANCEL_PENDING", StepPhase::Ending);
    check_step_state("COMPLETED", StepPhase::Ended);
    check_step_state("CANCELLED", StepPhase::Ended);
    check_step_state("FAILED", StepPhase::Ended);
    check_step_state("INTERRUPTED", StepPhase::Ended);
    check_step_state("SUSPENDED", StepPhase::Unknown);
}

#[test]
fn a_step_without_its_times_is_listed_all_the_same() {
    let (emr, _) = emr([Answer::ok(&json!({"Steps": [{"Id": "s-1", "Status": {"State": "PENDING"}}, {"Id": "s-2"}]}))]);
    let bare = |id, state, phase| {
        let step = step(id, state, phase);
        Step { created_at: None, started_at: None, ended_at: None, ..step }
    };
    let steps = [bare("s-1", "PENDING", StepPhase::Pending), bare("s-2", "none", StepPhase::Unknown)];
    assert_eq!(block_on(emr.active_steps("j-1")).unwrap(), steps);
}

fn instances(counts: &[(&str, u64)]) -> Instances {
    counts.iter().map(|(instance_type, count)| ((*instance_type).to_owned(), *count)).collect()
}

#[test]
fn instances_of_groups_are_counted_by_type() {
    let group = |instance_type: &str, requested: i32, running: i32, state: &str| {
        json!({
            "Id": "ig-1", "Market": "ON_DEMAND", "InstanceGroupType": "CORE", "InstanceType": instance_type,
            "RequestedInstanceCount": requested, "RunningInstanceCount": running, "Status": {"State": state},
        })
    };
    let (emr, replay) = emr([
        Answer::ok(&json!({"InstanceGroups": [
            group("m5.xlarge", 1, 1, "RUNNING"), group("r5.2xlarge", 4, 3, "RESIZING"), group("g5.xlarge", 0, 0, "RUNNING"),
        ], "Marker": "page-2"})),
        Answer::ok(&json!({"InstanceGroups": [
            group("m5.xlarge", 2, 2, "SUSPENDED"), group("c5.xlarge", 5, 0, "PROVISIONING"),
            group("p3.2xlarge", 2, 0, "TERMINATED"), group("i3.xlarge", 0, 2, "SHUTTING_DOWN"),
        ]})),
    ]);
    let expected = instances(&[("c5.xlarge", 0), ("i3.xlarge", 2), ("m5.xlarge", 3), ("r5.2xlarge", 3)]);
    assert_eq!(block_on(emr.instances("j-1", Collection::Groups)), Ok(expected));
    assert_eq!(replay.requests()[0], request("ListInstanceGroups", json!({"ClusterId": "j-1"})));
}

#[test]
fn instances_of_fleets_are_counted_one_by_one() {
    let instance = |instance_type: &str, state: &str| json!({"Id": "ci-1", "InstanceFleetId": "if-1", "InstanceType": instance_type, "Status": {"State": state}});
    let (emr, replay) = emr([
        Answer::ok(&json!({"Instances": [instance("m5.xlarge", "RUNNING")], "Marker": "page-2"})),
        Answer::ok(&json!({"Instances": [
            instance("m5.xlarge", "RUNNING"), instance("r5.xlarge", "BOOTSTRAPPING"), {"Id": "ci-2"},
        ]})),
    ]);
    let expected = instances(&[("m5.xlarge", 2), ("r5.xlarge", 0)]);
    assert_eq!(block_on(emr.instances("j-1", Collection::Fleets)), Ok(expected));
    let body = json!({"ClusterId": "j-1", "InstanceStates": ["PROVISIONING", "BOOTSTRAPPING", "RUNNING"]});
    assert_eq!(replay.requests()[0], request("ListInstances", body));
}

#[test]
fn an_auto_termination_policy_is_there_or_not() {
    let (emr, replay) = emr([
        Answer::ok(&json!({"AutoTerminationPolicy": {"IdleTimeout": 3600}})),
        Answer::ok(&json!({})),
        Answer::ok(&json!({"AutoTerminationPolicy": {}})),
    ]);
    for expected in [true, false, false] {
        assert_eq!(block_on(emr.has_auto_termination("j-1")), Ok(expected));
    }
    assert_eq!(replay.requests()[0], request("GetAutoTerminationPolicy", json!({"ClusterId": "j-1"})));
}

#[test]
fn clusters_are_terminated_unless_one_is_protected() {
    let protected = "Could not shut down one or more job flows since they are termination protected.";
    let (emr, replay) = emr([Answer::ok(&json!({})), refusal("ValidationException", protected)]);
    assert_eq!(block_on(emr.terminate(&ids(&["j-1", "j-2"]))), Ok(Termination::Told));
    assert_eq!(block_on(emr.terminate(&ids(&["j-1"]))), Ok(Termination::Protected));
    assert_eq!(replay.requests()[0], request("TerminateJobFlows", json!({"JobFlowIds": ["j-1", "j-2"]})));
}

#[test]
fn protection_is_lifted() {
    let (emr, replay) = emr([Answer::ok(&json!({}))]);
    assert_eq!(block_on(emr.lift_protection(&ids(&["j-1"]))), Ok(()));
    let body = json!({"JobFlowIds": ["j-1"], "TerminationProtected": false});
    assert_eq!(replay.requests(), [request("SetTerminationProtection", body)]);
}

#[test]
fn steps_are_cancelled_and_those_that_are_not_have_a_reason() {
    let (emr, replay) = emr([
        Answer::ok(&json!({"CancelStepsInfoList": [
            {"StepId": "s-1", "Status": "SUBMITTED", "Reason": ""},
            {"StepId": "s-2", "Status": "FAILED", "Reason": "as recorded"},
            {"StepId": "s-3", "Status": "FAILED"},
        ]})),
        Answer::ok(&json!({})),
        Answer::ok(&json!({"CancelStepsInfoList": []})),
    ]);
    let refused = block_on(emr.cancel("j-1", &ids(&["s-1", "s-2", "s-3"]), Some(Cancellation::Interrupt)));
    let expected = [("s-2", "as recorded"), ("s-3", "")].map(|(step, why)| (step.to_owned(), why.to_owned()));
    assert_eq!(refused, Ok(BTreeMap::from(expected)));
    for how in [Some(Cancellation::Kill), None] {
        assert_eq!(block_on(emr.cancel("j-1", &ids(&["s-1"]), how)), Ok(BTreeMap::new()));
    }
    let body = |ids: Value| json!({"ClusterId": "j-1", "StepIds": ids});
    let mut interrupt = body(json!(["s-1", "s-2", "s-3"]));
    interrupt["StepCancellationOption"] = json!("SEND_INTERRUPT");
    let mut kill = body(json!(["s-1"]));
    kill["StepCancellationOption"] = json!("TERMINATE_PROCESS");
    assert_eq!(
        replay.requests(),
        [request("CancelSteps", interrupt), request("CancelSteps", kill), request("CancelSteps", body(json!(["s-1"])))]
    );
}

#[test]
fn a_policy_is_put_in_seconds() {
    let (emr, replay) = emr([Answer::ok(&json!({}))]);
    assert_eq!(block_on(emr.put_auto_termination("j-1", SignedDuration::from_mins(90))), Ok(()));
    let body = json!({"ClusterId": "j-1", "AutoTerminationPolicy": {"IdleTimeout": 5400}});
    assert_eq!(replay.requests(), [request("PutAutoTerminationPolicy", body)]);
}

type Call = fn(&ElasticMapReduce) -> Result<(), CallError>;

/// Every call, with its IAM action.
const CALLS: [(&str, Call); 12] = [
    (LIST_CLUSTERS, |emr| block_on(emr.active(None)).map(drop)),
    (DESCRIBE_CLUSTER, |emr| block_on(emr.describe("j-1")).map(drop)),
    (LIST_STEPS, |emr| block_on(emr.active_steps("j-1")).map(drop)),
    (LIST_STEPS, |emr| block_on(emr.newest_steps("j-1")).map(drop)),
    (LIST_STEPS, |emr| block_on(emr.steps("j-1", &ids(&["s-1"]))).map(drop)),
    (LIST_INSTANCE_GROUPS, |emr| block_on(emr.instances("j-1", Collection::Groups)).map(drop)),
    (LIST_INSTANCES, |emr| block_on(emr.instances("j-1", Collection::Fleets)).map(drop)),
    (GET_AUTO_TERMINATION_POLICY, |emr| block_on(emr.has_auto_termination("j-1")).map(drop)),
    (TERMINATE_JOB_FLOWS, |emr| block_on(emr.terminate(&ids(&["j-1"]))).map(drop)),
    (SET_TERMINATION_PROTECTION, |emr| block_on(emr.lift_protection(&ids(&["j-1"])))),
    (CANCEL_STEPS, |emr| block_on(emr.cancel("j-1", &ids(&["s-1"]), None)).map(drop)),
    (PUT_AUTO_TERMINATION_POLICY, |emr| block_on(emr.put_auto_termination("j-1", SignedDuration::from_hours(1)))),
];

/// Every operation that gets this answer to each attempt fails as this kind, under its own name.
fn check_failure(answer: &Answer, kind: CallErrorKind) {
    for (operation, call) in CALLS {
        let (emr, _) = emr(repeat_n(answer.clone(), 6));
        let error = call(&emr).unwrap_err();
        assert_eq!((error.operation, error.kind), (operation, kind), "{answer:?}: {error}");
    }
}

#[test]
fn failures_have_a_kind() {
    let error = |status, code| Answer::error(status, code, &Value::Null);
    check_failure(&error(400, "ThrottlingException"), CallErrorKind::Throttled);
    check_failure(&error(400, "AccessDeniedException"), CallErrorKind::Denied);
    check_failure(&error(400, "ValidationException"), CallErrorKind::Invalid);
    check_failure(&error(500, "InternalServerException"), CallErrorKind::Unavailable);
    check_failure(&Answer::Lost, CallErrorKind::Unavailable);
    check_failure(&Answer::Silence, CallErrorKind::Unavailable);
}

#[test]
fn what_emr_does_not_know_or_may_not_change_any_more_is_missing() {
    let missing = |code, sentence| check_failure(&refusal(code, sentence), CallErrorKind::Missing);
    missing("InvalidRequestException", "Cluster id 'j-1' is not valid.");
    missing("InvalidRequestException", "Step id 's-1' is not valid.");
    missing("ValidationException", "Specified job flow ID does not exist.");
    missing("ValidationException", "A job flow that is shutting down, terminated, or finished may not be modified.");
    // Nothing else that is wrong with a request is taken for that.
    check_failure(&refusal("InvalidRequestException", "Marker 'x' is not valid."), CallErrorKind::Invalid);
    check_failure(&refusal("AccessDeniedException", "Cluster id 'j-1' is not valid."), CallErrorKind::Denied);
}

#[test]
fn a_call_that_is_throttled_once_succeeds() {
    let throttled = Answer::error(400, "ThrottlingException", &json!({"message": "Rate exceeded"}));
    let (emr, replay) = emr([throttled, Answer::ok(&json!({"Clusters": []}))]);
    assert_eq!(block_on(emr.active(None)), Ok(Page::default()));
    assert_eq!(replay.requests().len(), 2);
}

#[test]
fn a_page_of_steps_that_fails_fails_the_whole() {
    let (emr, _) = emr([
        Answer::ok(&json!({"Steps": [step_summary("s-1", "RUNNING")], "Marker": "page-2"})),
        Answer::error(400, "AccessDeniedException", &Value::Null),
    ]);
    assert_eq!(block_on(emr.active_steps("j-1")).unwrap_err().kind, CallErrorKind::Denied);
}

#[test]
fn an_answer_without_its_cluster_is_asked_for_again() {
    let (emr, _) = emr([Answer::ok(&json!({}))]);
    assert_eq!(block_on(emr.describe("j-1")).unwrap_err().kind, CallErrorKind::Unavailable);
}

#[test]
fn the_declared_actions_are_those_of_the_calls() {
    let mut called: Vec<&str> = CALLS.iter().map(|(operation, _)| *operation).collect();
    called.dedup();
    assert_eq!(called, ElasticMapReduce::ENFORCE_ACTIONS);
    assert_eq!(called[..6], *ElasticMapReduce::WATCH_ACTIONS);
}
