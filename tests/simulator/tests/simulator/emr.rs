//! EMR's operations: what they answer, what they refuse, and in which order they list.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use workload_simulator::{
    ActionOnFailure, ClusterSpec, ClusterState, EmrHandle, EventFaults, InstanceRole, InstanceSpec, Simulator,
    StepOutcome, StepSpec, StepState,
};

use crate::bus::with_bus;
use crate::support::{ACCOUNT, Client, OTHER, REGION, eventually, start};

const INVALID: &str = "InvalidRequestException";
const VALIDATION: &str = "ValidationException";

fn emr_of(simulator: &Simulator) -> EmrHandle {
    simulator.world().account(ACCOUNT, REGION).emr()
}

fn client_of(simulator: &Simulator) -> Client {
    Client::new(simulator).service("ElasticMapReduce")
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A cluster that is up the moment it is asked for and ends the moment it is told to.
fn quick() -> ClusterSpec {
    ClusterSpec { starting_takes: Duration::ZERO, terminating_takes: Duration::ZERO, ..ClusterSpec::default() }
}

fn step_of(cluster: &str) -> StepSpec {
    StepSpec { cluster: cluster.to_owned(), ..StepSpec::default() }
}

fn ids(output: &Value, list: &str) -> Vec<String> {
    output[list].as_array().unwrap().iter().map(|entry| entry["Id"].as_str().unwrap().to_owned()).collect()
}

async fn cluster_state(client: &Client, id: &str) -> String {
    let output = client.ok("DescribeCluster", json!({ "ClusterId": id })).await;
    output["Cluster"]["Status"]["State"].as_str().unwrap().to_owned()
}

async fn cancel(client: &Client, cluster: &str, steps: &[&str], option: &str) -> Vec<String> {
    let input = json!({ "ClusterId": cluster, "StepIds": steps, "StepCancellationOption": option });
    let output = client.ok("CancelSteps", input).await;
    let answers = output["CancelStepsInfoList"].as_array().unwrap();
    answers.iter().map(|answer| answer["Status"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_cluster_started_in_the_past_has_run_since_then() {
    let simulator = start();
    let emr = emr_of(&simulator);
    let id = emr.start(ClusterSpec {
        name: "adhoc".to_owned(),
        age: secs(7_200),
        release: "emr-6.15.0".to_owned(),
        instances: vec![
            InstanceSpec::new(InstanceRole::Master, "m5.xlarge", 1),
            InstanceSpec::new(InstanceRole::Core, "r5.8xlarge", 6),
        ],
        tags: BTreeMap::from([("owner".to_owned(), "anna".to_owned())]),
        security_configuration: Some("encrypted".to_owned()),
        auto_termination: Some(secs(86_400)),
        termination_protected: true,
        step_concurrency: 3,
        starting_takes: secs(60),
        ..ClusterSpec::default()
    });
    let client = client_of(&simulator);
    let output = client.ok("DescribeCluster", json!({ "ClusterId": id })).await;
    let cluster = &output["Cluster"];
    let view = emr.cluster(&id).unwrap();
    assert_eq!((&cluster["Status"]["State"], view.state), (&json!("WAITING"), ClusterState::Waiting));
    assert_eq!(view.ready_at, Some(view.created_at + secs(60)));
    let created = cluster["Status"]["Timeline"]["CreationDateTime"].as_f64().unwrap();
    assert_eq!(format!("{created:.3}").replace('.', ""), view.created_at.as_millisecond().to_string());
    assert!(cluster["Status"]["Timeline"].get("EndDateTime").is_none());
    assert_eq!(cluster["Tags"], json!([{ "Key": "owner", "Value": "anna" }]));
    assert_eq!((&cluster["SecurityConfiguration"], &cluster["StepConcurrencyLevel"]), (&json!("encrypted"), &json!(3)));
    assert_eq!((&cluster["TerminationProtected"], &cluster["AutoTerminate"]), (&json!(true), &json!(false)));
    assert_eq!(cluster["InstanceCollectionType"], "INSTANCE_GROUP");
    let policy = client.ok("GetAutoTerminationPolicy", json!({ "ClusterId": id })).await;
    assert_eq!(policy, json!({ "AutoTerminationPolicy": { "IdleTimeout": 86_400 } }));
    let groups = client.ok("ListInstanceGroups", json!({ "ClusterId": id })).await;
    assert_eq!(groups["InstanceGroups"][1]["InstanceType"], "r5.8xlarge");
    assert_eq!(groups["InstanceGroups"][1]["RunningInstanceCount"], 6);
    let refused = client.refused("ListInstanceFleets", json!({ "ClusterId": id })).await;
    assert_eq!(refused.0, INVALID);

    let bare = emr.start(ClusterSpec { fleets: true, ..quick() });
    let output = client.ok("DescribeCluster", json!({ "ClusterId": bare })).await;
    assert!(output["Cluster"].get("SecurityConfiguration").is_none());
    let fleets = client.ok("ListInstanceFleets", json!({ "ClusterId": bare })).await;
    assert_eq!(fleets["InstanceFleets"][1]["ProvisionedOnDemandCapacity"], 2);
    let (code, message) = client.refused("ListInstanceGroups", json!({ "ClusterId": bare })).await;
    assert_eq!(code, INVALID);
    assert_eq!(
        message,
        "Instance fleets and instance groups are mutually exclusive. The EMR cluster specified in the request uses \
         instance fleets. The ListInstanceGroups operation does not support clusters that use instance fleets. Use the \
         ListInstanceFleets operation instead."
    );
}

#[tokio::test]
async fn clusters_pass_through_their_states_in_real_time() {
    let simulator = start();
    let client = client_of(&simulator);
    let spec = ClusterSpec { starting_takes: Duration::from_millis(200), ..ClusterSpec::default() };
    let id = emr_of(&simulator).start(ClusterSpec { terminating_takes: Duration::from_millis(200), ..spec });
    let step = StepSpec { runs_for: Some(Duration::from_millis(100)), ..step_of(&id) };
    emr_of(&simulator).add_step(step).unwrap();
    let mut seen: Vec<String> = Vec::new();
    while seen.last().map(String::as_str) != Some("TERMINATED") {
        let state = cluster_state(&client, &id).await;
        if state == "WAITING" {
            assert_eq!(client.ok("TerminateJobFlows", json!({ "JobFlowIds": [id] })).await, Value::Null);
        }
        if seen.last() != Some(&state) {
            seen.push(state);
        }
    }
    assert_eq!(seen, ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING", "TERMINATED"]);
    let view = emr_of(&simulator).cluster(&id).unwrap();
    assert_eq!((view.reason.as_deref(), view.terminate_calls), (Some("USER_REQUEST"), 1));
    assert_eq!(emr_of(&simulator).active(), []);
}

#[tokio::test]
async fn one_protected_cluster_spares_them_all() {
    let simulator = start();
    let (client, emr) = (client_of(&simulator), emr_of(&simulator));
    let open = emr.start(quick());
    let guarded = emr.start(ClusterSpec { termination_protected: true, ..quick() });
    let both = json!({ "JobFlowIds": [open, guarded] });
    let message = "Could not shut down one or more job flows since they are termination protected.";
    assert_eq!(client.refused("TerminateJobFlows", both.clone()).await, (VALIDATION.to_owned(), message.to_owned()));
    assert_eq!(emr.active().len(), 2);
    let unprotect = json!({ "JobFlowIds": [guarded], "TerminationProtected": false });
    assert_eq!(client.ok("SetTerminationProtection", unprotect.clone()).await, Value::Null);
    client.ok("TerminateJobFlows", both.clone()).await;
    client.ok("TerminateJobFlows", both).await;
    let view = emr.cluster(&open).unwrap();
    assert_eq!((view.state, view.terminate_calls), (ClusterState::Terminated, 3));
    assert!(client.refused("SetTerminationProtection", unprotect).await.1.ends_with("may not be modified."));
    let calls: Vec<_> = simulator.world().calls().stops().into_iter().map(|stop| (stop.id, stop.outcome)).collect();
    assert_eq!(calls.len(), 6);
    assert_eq!(calls[..2], [(open.clone(), VALIDATION.to_owned()), (guarded.clone(), VALIDATION.to_owned())]);
    assert_eq!(calls[2..4], [(open, "ok".to_owned()), (guarded, "ok".to_owned())]);

    let unknown = client.refused("TerminateJobFlows", json!({ "JobFlowIds": ["j-NONE"] })).await;
    assert_eq!(unknown, (VALIDATION.to_owned(), "Specified job flow ID not valid.".to_owned()));
    let eleven = client.refused("TerminateJobFlows", json!({ "JobFlowIds": vec!["j-NONE"; 11] })).await;
    assert!(eleven.1.ends_with("less than or equal to 10"), "{eleven:?}");
    let unknown = client.refused("DescribeCluster", json!({ "ClusterId": "j-NONE" })).await;
    assert_eq!(unknown, (INVALID.to_owned(), "Cluster id 'j-NONE' is not valid.".to_owned()));
    let theirs = Client::of(&simulator, OTHER).service("ElasticMapReduce");
    assert_eq!(theirs.ok("ListClusters", json!({})).await, json!({ "Clusters": [] }));
}

#[tokio::test]
async fn a_step_is_cancelled_as_its_release_and_its_nature_allow() {
    let simulator = start();
    let (client, emr) = (client_of(&simulator), emr_of(&simulator));
    let cluster = emr.start(ClusterSpec { age: secs(3_600), ..quick() });
    let stubborn = emr.add_step(StepSpec { age: secs(1_800), ignores_interrupt: true, ..step_of(&cluster) }).unwrap();
    let waiting = emr.add_step(step_of(&cluster)).unwrap();
    let view = emr.step(&stubborn).unwrap();
    assert_eq!((view.state, view.started_at), (StepState::Running, Some(view.created_at)));
    assert_eq!(
        cancel(&client, &cluster, &[&stubborn, &waiting, "s-NONE"], "SEND_INTERRUPT").await,
        ["SUBMITTED", "SUBMITTED", "FAILED"]
    );
    assert_eq!(emr.step(&stubborn).unwrap().state, StepState::Running);
    assert_eq!(emr.step(&waiting).unwrap().state, StepState::Cancelled);
    assert_eq!(cancel(&client, &cluster, &[&stubborn], "TERMINATE_PROCESS").await, ["SUBMITTED"]);
    assert_eq!(cancel(&client, &cluster, &[&stubborn], "TERMINATE_PROCESS").await, ["FAILED"]);
    let view = emr.step(&stubborn).unwrap();
    assert_eq!((view.state, view.cancel_calls), (StepState::Cancelled, 3));
    assert_eq!(simulator.world().calls().stops().iter().filter(|stop| stop.id == stubborn).count(), 3);

    let old = emr.start(ClusterSpec { release: "emr-5.27.0".to_owned(), ..quick() });
    let (running, waiting) = (emr.add_step(step_of(&old)).unwrap(), emr.add_step(step_of(&old)).unwrap());
    assert_eq!(cancel(&client, &old, &[&running, &waiting], "TERMINATE_PROCESS").await, ["FAILED", "SUBMITTED"]);
    assert_eq!(emr.step(&running).unwrap().state, StepState::Running);
    let unknown = client.refused("CancelSteps", json!({ "ClusterId": "j-NONE", "StepIds": [running] })).await;
    assert_eq!(unknown.0, INVALID);
}

#[tokio::test]
async fn a_step_that_takes_its_time_to_obey_is_about_to_end() {
    let simulator = start();
    let (client, emr) = (client_of(&simulator), emr_of(&simulator));
    let cluster = emr.start(quick());
    let spec = StepSpec { cancel_takes: Duration::from_millis(100), ..step_of(&cluster) };
    let step = emr.add_step(spec).unwrap();
    cancel(&client, &cluster, &[&step], "SEND_INTERRUPT").await;
    assert_eq!(emr.step(&step).unwrap().state, StepState::CancelPending);
    eventually("cancelled", || emr.step(&step).filter(|step| step.state == StepState::Cancelled)).await;
    assert_eq!(emr.cluster(&cluster).unwrap().state, ClusterState::Waiting);
}

#[tokio::test]
async fn steps_are_listed_newest_first_unless_some_are_asked_for() {
    let simulator = start();
    let (client, emr) = (client_of(&simulator), emr_of(&simulator));
    let cluster = emr.start(ClusterSpec { age: secs(3_600), step_concurrency: 60, ..quick() });
    let old = emr.add_step(StepSpec { age: secs(1_800), runs_for: Some(secs(60)), ..step_of(&cluster) }).unwrap();
    let mut added: Vec<String> = (0..59).map(|_| emr.add_step(step_of(&cluster)).unwrap()).collect();
    added.insert(0, old.clone());
    let first = client.ok("ListSteps", json!({ "ClusterId": cluster })).await;
    // A step that comes between two pages must neither shift nor repeat what follows.
    emr.add_step(step_of(&cluster)).unwrap();
    let second = client.ok("ListSteps", json!({ "ClusterId": cluster, "Marker": first["Marker"] })).await;
    let listed: Vec<String> = ids(&first, "Steps").into_iter().chain(ids(&second, "Steps")).collect();
    added.reverse();
    assert_eq!((listed, ids(&first, "Steps").len()), (added.clone(), 50));
    assert!(second.get("Marker").is_none());

    let list = async |filter: Value| {
        let mut input = json!({ "ClusterId": cluster });
        input.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        ids(&client.ok("ListSteps", input).await, "Steps")
    };
    assert_eq!(list(json!({ "StepStates": ["COMPLETED"] })).await, std::slice::from_ref(&old));
    let oldest_first = list(json!({ "StepStates": ["RUNNING"] })).await;
    assert_eq!(oldest_first[..2], [added[58].clone(), added[57].clone()]);
    assert_eq!(list(json!({ "StepIds": [added[0], old] })).await, [old, added[0].clone()]);
    for (input, code) in [
        (json!({ "ClusterId": cluster, "Marker": "nonsense" }), INVALID),
        (json!({ "ClusterId": emr.start(quick()), "Marker": first["Marker"] }), INVALID),
        (json!({ "ClusterId": "j-NONE" }), INVALID),
        (json!({ "ClusterId": cluster, "StepStates": ["LOST"] }), VALIDATION),
        (json!({ "ClusterId": cluster, "StepIds": vec!["s-1"; 11] }), VALIDATION),
    ] {
        assert_eq!(client.refused("ListSteps", input.clone()).await.0, code, "{input}");
    }
}

#[tokio::test]
async fn clusters_are_listed_newest_first_by_state_and_by_age() {
    let simulator = start();
    let (client, emr) = (client_of(&simulator), emr_of(&simulator));
    let seeded = emr.seed_history(120, secs(60), secs(60));
    let running = emr.start(ClusterSpec { age: secs(90), ..quick() });
    emr.start(ClusterSpec { age: secs(61 * 24 * 3_600), runs_for: Some(secs(60)), ..quick() });
    let mut listed = Vec::new();
    let mut input = json!({ "ClusterStates": ["TERMINATED", "TERMINATED_WITH_ERRORS"] });
    loop {
        let page = client.ok("ListClusters", input.clone()).await;
        listed.extend(ids(&page, "Clusters"));
        emr.seed_history(1, secs(1), secs(1));
        match page.get("Marker") {
            Some(marker) => input["Marker"] = marker.clone(),
            None => break,
        }
    }
    assert_eq!(listed, seeded);
    let active = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING"];
    let output = client.ok("ListClusters", json!({ "ClusterStates": active })).await;
    assert_eq!(ids(&output, "Clusters"), [running]);
    let created = |id: &str| emr.cluster(id).unwrap().created_at.as_millisecond();
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of today fit a float")]
    let seconds = |millis: i64| millis as f64 / 1_000.0;
    let window =
        json!({ "CreatedAfter": seconds(created(&seeded[12])), "CreatedBefore": seconds(created(&seeded[10])) });
    assert_eq!(ids(&client.ok("ListClusters", window).await, "Clusters"), seeded[10..=12]);
    assert_eq!(client.refused("ListClusters", json!({ "Marker": "nonsense" })).await.0, INVALID);
    assert_eq!(client.refused("ListClusters", json!({ "ClusterStates": ["LOST"] })).await.0, VALIDATION);
}

#[tokio::test]
async fn an_idle_cluster_obeys_its_policy() {
    let simulator = start();
    let (client, emr) = (client_of(&simulator), emr_of(&simulator));
    let idle =
        emr.start(ClusterSpec { age: Duration::from_millis(59_700), auto_termination: Some(secs(60)), ..quick() });
    let busy = emr.start(ClusterSpec { age: secs(120), auto_termination: Some(secs(180)), ..quick() });
    let step = emr.add_step(StepSpec { age: secs(60), ..step_of(&busy) }).unwrap();
    assert_eq!(emr.cluster(&idle).unwrap().state, ClusterState::Waiting);
    eventually("ended", || emr.cluster(&idle).filter(|cluster| cluster.state == ClusterState::Terminated)).await;
    assert_eq!(emr.cluster(&busy).unwrap().state, ClusterState::Running);
    assert_eq!(emr.finish_step(&step).unwrap().state, StepState::Completed);
    assert_eq!(emr.cluster(&busy).unwrap().state, ClusterState::Waiting);

    let put = |timeout: i64| json!({ "ClusterId": busy, "AutoTerminationPolicy": { "IdleTimeout": timeout } });
    assert_eq!(client.ok("PutAutoTerminationPolicy", put(60)).await, json!({}));
    assert_eq!(emr.cluster(&busy).unwrap().auto_termination, Some(secs(60)));
    for timeout in [59, 604_801] {
        assert_eq!(client.refused("PutAutoTerminationPolicy", put(timeout)).await.0, VALIDATION);
    }
    client.ok("RemoveAutoTerminationPolicy", json!({ "ClusterId": busy })).await;
    assert_eq!(client.ok("GetAutoTerminationPolicy", json!({ "ClusterId": busy })).await, json!({}));
    let old = emr.start(ClusterSpec { release: "emr-6.0.0".to_owned(), ..quick() });
    let policy = json!({ "ClusterId": old, "AutoTerminationPolicy": { "IdleTimeout": 60 } });
    assert_eq!(client.refused("PutAutoTerminationPolicy", policy).await.0, VALIDATION);
}

#[tokio::test]
async fn a_state_nobody_knows_can_be_told() {
    let simulator = start();
    let (client, emr) = (client_of(&simulator), emr_of(&simulator));
    let cluster = emr.start(ClusterSpec { raw_state: Some("HIBERNATING".to_owned()), ..quick() });
    let step = emr.add_step(StepSpec { raw_state: Some("STALLED".to_owned()), ..step_of(&cluster) }).unwrap();
    let listed = client.ok("ListClusters", json!({ "ClusterStates": ["RUNNING"] })).await;
    assert_eq!(listed["Clusters"][0]["Status"]["State"], "HIBERNATING");
    let input = json!({ "ClusterId": cluster, "StepStates": ["RUNNING"] });
    assert_eq!(client.ok("ListSteps", input).await["Steps"][0]["Status"]["State"], "STALLED");
    client.ok("TerminateJobFlows", json!({ "JobFlowIds": [cluster] })).await;
    assert_eq!(cluster_state(&client, &cluster).await, "TERMINATED");
    let output = client.ok("DescribeStep", json!({ "ClusterId": cluster, "StepId": step })).await;
    assert_eq!(output["Step"]["Status"]["State"], "CANCELLED");
}

#[tokio::test]
async fn a_cluster_is_asked_for_with_steps_and_ends_after_them() {
    let simulator = start();
    let (client, emr) = (client_of(&simulator), emr_of(&simulator));
    let step = |name: &str, directive: &str| {
        json!({
            "Name": name, "ActionOnFailure": "CONTINUE",
            "HadoopJarStep": { "Jar": "command-runner.jar", "Args": ["spark-submit", directive] },
        })
    };
    let input = json!({
        "Name": "nightly", "ReleaseLabel": "emr-7.5.0",
        "Instances": { "MasterInstanceType": "m5.xlarge", "SlaveInstanceType": "m5.xlarge", "InstanceCount": 3 },
        "Steps": [step("one", "simulate: run 50ms"), step("two", "simulate: run 50ms, fail")],
    });
    let run = client.ok("RunJobFlow", input).await;
    let id = run["JobFlowId"].as_str().unwrap();
    let ended = eventually("ended", || emr.cluster(id).filter(|cluster| cluster.state.is_terminal())).await;
    assert_eq!((ended.state, ended.reason.as_deref()), (ClusterState::Terminated, Some("ALL_STEPS_COMPLETED")));
    let states: Vec<StepState> = ended.steps.iter().map(|step| emr.step(step).unwrap().state).collect();
    assert_eq!(states, [StepState::Completed, StepState::Failed]);
    let late = client.refused("AddJobFlowSteps", json!({ "JobFlowId": id, "Steps": [step("late", "")] })).await;
    assert!(late.1.ends_with("may not be modified."), "{late:?}");
    assert_eq!(emr.add_step(step_of(id)), None);
    assert_eq!(emr.add_step(step_of("j-NONE")), None);
}

#[tokio::test]
async fn tests_start_many_and_end_them_through_the_handle() {
    let simulator = start();
    let emr = emr_of(&simulator);
    let many = emr.start_many(3, &ClusterSpec { termination_protected: true, ..quick() });
    let failing = StepSpec {
        outcome: StepOutcome::Fails,
        action_on_failure: ActionOnFailure::TerminateCluster,
        ..step_of(&many[0])
    };
    let step = emr.add_step(failing).unwrap();
    assert_eq!(emr.active_steps().len(), 1);
    assert_eq!(emr.finish_step(&step).unwrap().state, StepState::Failed);
    assert_eq!(emr.active().len(), 3);
    assert_eq!(emr.finish(&many[0]).unwrap().state, ClusterState::Terminated);
    let left: Vec<String> = emr.active().into_iter().map(|cluster| cluster.id).collect();
    assert_eq!(left, [many[2].clone(), many[1].clone()]);
    assert_eq!((emr.finish("j-NONE"), emr.finish_step("s-NONE")), (None, None));
    assert_eq!(simulator.world().calls().all(), []);
}

#[tokio::test]
async fn changes_are_announced_in_amazons_words() {
    let (bus, simulator) = with_bus(EventFaults::default()).await;
    let emr = emr_of(&simulator);
    emr.seed_history(20, secs(60), secs(60));
    emr.start(ClusterSpec { age: secs(60), ..quick() });
    let id = emr.start(ClusterSpec { name: "adhoc".to_owned(), starting_takes: Duration::from_millis(50), ..quick() });
    bus.wait_for(2).await;
    let step = emr.add_step(StepSpec { runs_for: Some(Duration::from_millis(50)), ..step_of(&id) }).unwrap();
    bus.wait_for(7).await;
    let stopped = emr.add_step(StepSpec { name: "long".to_owned(), ..step_of(&id) }).unwrap();
    bus.wait_for(10).await;
    let client = client_of(&simulator);
    cancel(&client, &id, &[&stopped], "SEND_INTERRUPT").await;
    bus.wait_for(12).await;
    client.ok("TerminateJobFlows", json!({ "JobFlowIds": [id] })).await;
    let details = bus.wait_for(13).await;

    let entries = bus.entries();
    let told: Vec<(String, String)> = entries
        .iter()
        .zip(&details)
        .map(|(entry, detail)| {
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (word(&entry["DetailType"]).split(' ').nth(1).unwrap().to_owned(), word(&detail["state"]))
        })
        .collect();
    let told: Vec<String> = told.into_iter().map(|(subject, state)| format!("{subject} {state}")).collect();
    assert_eq!(
        told,
        [
            "Cluster STARTING",
            "Cluster WAITING",
            "Cluster RUNNING",
            "Step PENDING",
            "Step RUNNING",
            "Cluster WAITING",
            "Step COMPLETED",
            "Cluster RUNNING",
            "Step PENDING",
            "Step RUNNING",
            "Cluster WAITING",
            "Step CANCELLED",
            "Cluster TERMINATED",
        ]
    );
    assert!(entries.iter().all(|entry| entry["Source"] == "aws.emr" && entry["Resources"] == json!([])));
    let when = emr.cluster(&id).unwrap().ended_at.unwrap().strftime("%Y-%m-%d %H:%M UTC").to_string();
    assert_eq!(
        details[12],
        json!({
            "severity": "INFO",
            "stateChangeReason": r#"{"code":"USER_REQUEST","message":"Terminated by user request"}"#,
            "name": "adhoc",
            "clusterId": id,
            "state": "TERMINATED",
            "message":
                format!("Amazon EMR Cluster {id} (adhoc) has terminated at {when} with a reason of USER_REQUEST."),
        })
    );
    assert_eq!(details[0]["stateChangeReason"], r#"{"code":""}"#);
    let when = emr.step(&step).unwrap().ended_at.unwrap().strftime("%Y-%m-%d %H:%M UTC").to_string();
    let begun = emr.step(&step).unwrap().started_at.unwrap().strftime("%Y-%m-%d %H:%M UTC").to_string();
    assert_eq!(
        details[6],
        json!({
            "severity": "INFO",
            "actionOnFailure": "CONTINUE",
            "stepId": step,
            "name": "step",
            "clusterId": id,
            "state": "COMPLETED",
            "message": format!(
                "Step {step} (step) in Amazon EMR cluster {id} (adhoc) completed execution at {when}. The step \
                 started running at {begun} and took 0 minutes to complete."
            ),
        })
    );
    assert_eq!((&details[11]["severity"], &details[11]["stepId"]), (&json!("WARN"), &json!(stopped)));
}

#[tokio::test]
async fn a_bench_arranges_and_watches_over_http() {
    let simulator = start();
    let client = client_of(&simulator);
    let base = format!("accounts/{ACCOUNT}/{REGION}/emr");
    let spec = json!({
        "name": "adhoc", "age": "28m", "tags": { "owner": "anna" }, "auto_termination": "1h", "terminating_takes": "0s",
        "instances": [{ "role": "MASTER", "instance_type": "m5.xlarge", "count": 1 }],
    });
    let (status, started) = client.control("POST", &format!("{base}/clusters"), Some(spec)).await;
    assert_eq!(status, 201);
    let id = started["id"].as_str().unwrap();
    let step = json!({ "cluster": id, "age": "20m", "action_on_failure": "CANCEL_AND_WAIT", "outcome": "fails" });
    let (status, added) = client.control("POST", &format!("{base}/steps"), Some(step)).await;
    assert_eq!(status, 201);
    let step = added["id"].as_str().unwrap();
    let (_, active) = client.control("GET", &format!("{base}/clusters"), None).await;
    assert_eq!((&active["clusters"][0]["id"], &active["clusters"][0]["state"]), (&json!(id), &json!("RUNNING")));
    let (_, active) = client.control("GET", &format!("{base}/steps"), None).await;
    assert_eq!(active["steps"][0]["id"], step);
    let (_, health) = client.control("GET", "health", None).await;
    assert_eq!(health["active_workloads"], 2);
    let (_, finished) = client.control("POST", &format!("{base}/steps/{step}/finish"), None).await;
    assert_eq!(finished["state"], "FAILED");
    assert_eq!(client.control("GET", &format!("{base}/steps/{step}"), None).await.1, finished);
    let (_, finished) = client.control("POST", &format!("{base}/clusters/{id}/finish"), None).await;
    assert_eq!((&finished["state"], &finished["auto_termination"]), (&json!("TERMINATED"), &json!("1h")));
    assert_eq!(client.control("GET", &format!("{base}/clusters/{id}"), None).await.1, finished);
    let history = json!({ "count": 12, "spacing": "5m", "newest_age": "1h" });
    let (status, seeded) = client.control("POST", &format!("{base}/history"), Some(history)).await;
    assert_eq!((status, seeded["ids"].as_array().unwrap().len()), (201, 12));
    let orphan = client.control("POST", &format!("{base}/steps"), Some(json!({ "cluster": id }))).await;
    assert_eq!(orphan, (404, json!({ "error": format!("there is no cluster that takes steps `{id}`") })));
    assert_eq!(client.control("GET", &format!("{base}/clusters/none"), None).await.0, 404);
    assert_eq!(client.control("POST", &format!("{base}/clusters"), Some(json!({ "agee": "5m" }))).await.0, 422);
}
