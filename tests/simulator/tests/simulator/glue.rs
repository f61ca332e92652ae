//! Glue's operations: what they answer, what they refuse, and in which order they list.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use workload_simulator::{
    EventFaults, GlueHandle, GlueJobSpec, JobRunSpec, JobRunState, Outcome, SessionSpec, SessionState, Simulator,
    StatementSpec, StatementState,
};

use crate::bus::with_bus;
use crate::support::{ACCOUNT, Client, OTHER, REGION, eventually, start};

const INVALID: &str = "InvalidInputException";
const UNKNOWN: &str = "EntityNotFoundException";
const ROUTES: &str = "accounts/111111111111/eu-west-1/glue";

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn minutes(count: u64) -> Duration {
    secs(count * 60)
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn glue_of(simulator: &Simulator) -> GlueHandle {
    simulator.world().account(ACCOUNT, REGION).glue()
}

fn client_of(simulator: &Simulator) -> Client {
    Client::new(simulator).service("AWSGlue")
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn members(list: &Value, name: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|entry| entry[name].as_str().unwrap().to_owned()).collect()
}

async fn session(client: &Client, id: &str) -> Value {
    client.ok("GetSession", json!({ "Id": id })).await["Session"].clone()
}

async fn run(client: &Client, job: &str, id: &str) -> Value {
    client.ok("GetJobRun", json!({ "JobName": job, "RunId": id })).await["JobRun"].clone()
}

/// All pages of a list, as the answers that make them up.
async fn pages(client: &Client, operation: &str, mut input: Value) -> Vec<Value> {
    let mut pages = Vec::new();
    loop {
        let page = client.ok(operation, input.clone()).await;
        input["NextToken"] = page["NextToken"].clone();
        let last = page.get("NextToken").is_none();
        pages.push(page);
        if last {
            return pages;
        }
    }
}

#[tokio::test]
async fn a_session_started_in_the_past_has_cost_since_then() {
    let simulator = start();
    let (client, glue) = (client_of(&simulator), glue_of(&simulator));
    let id = glue.start_session(SessionSpec {
        age: minutes(28),
        provisioning: secs(30),
        worker_type: "G.2X".to_owned(),
        number_of_workers: 5,
        idle_timeout: Some(minutes(45)),
        ..SessionSpec::default()
    });
    let seen = session(&client, &id).await;
    assert_eq!((&seen["Id"], &seen["Status"]), (&json!(id), &json!("READY")));
    assert_eq!((&seen["WorkerType"], &seen["NumberOfWorkers"]), (&json!("G.2X"), &json!(5)));
    assert_eq!((&seen["MaxCapacity"], &seen["IdleTimeout"]), (&json!(10.0), &json!(45)));
    let ran = seen["ExecutionTime"].as_f64().unwrap();
    assert!((1_650.0..1_660.0).contains(&ran), "{ran}");
    assert!((seen["DPUSeconds"].as_f64().unwrap() - ran * 10.0).abs() < 0.01);
    assert!(seen.get("CompletedOn").is_none());
    let view = glue.session(&id).unwrap();
    assert_eq!(view.idle_since, Some(view.created_at + secs(30)));
}

#[tokio::test]
async fn a_session_passes_through_its_states_in_real_time() {
    let simulator = start();
    let (client, glue) = (client_of(&simulator), glue_of(&simulator));
    let role = "arn:aws:iam::111111111111:role/analyst";
    let create = json!({
        "Id": "nb", "Role": role, "Command": { "Name": "glueetl", "PythonVersion": "3" },
        "WorkerType": "G.1X", "NumberOfWorkers": 3, "IdleTimeout": 60, "Tags": { "owner": "ann" },
        "DefaultArguments": { "--simulate": "start 300ms, stop 300ms" },
    });
    let created = client.ok("CreateSession", create.clone()).await;
    assert_eq!((&created["Session"]["Status"], &created["Session"]["Role"]), (&json!("PROVISIONING"), &json!(role)));
    assert_eq!(client.refused("CreateSession", create).await.0, "AlreadyExistsException");
    let mut seen: Vec<String> = Vec::new();
    while seen.last().map(String::as_str) != Some("STOPPED") {
        let state = session(&client, "nb").await["Status"].as_str().unwrap().to_owned();
        if seen.last() == Some(&state) {
            continue;
        }
        if state == "READY" {
            let statement = json!({ "SessionId": "nb", "Code": "1 # simulate: run 1h" });
            assert_eq!(client.ok("RunStatement", statement).await, json!({ "Id": 0 }));
            assert_eq!(client.ok("StopSession", json!({ "Id": "nb" })).await, json!({ "Id": "nb" }));
        }
        seen.push(state);
    }
    assert_eq!(seen, ["PROVISIONING", "READY", "STOPPING", "STOPPED"]);
    assert!(session(&client, "nb").await["CompletedOn"].is_number());
    let view = glue.session("nb").unwrap();
    assert_eq!(view.completed_at, Some(view.stopped_at.unwrap() + millis(300)));
    let statement = &glue.statements("nb").unwrap()[0];
    assert_eq!((statement.state, statement.completed_at), (StatementState::Cancelled, view.completed_at));
}

#[tokio::test]
async fn a_session_is_stopped_once_and_asked_only_while_it_is_ready() {
    let simulator = start();
    let (client, glue) = (client_of(&simulator), glue_of(&simulator));
    let hour = minutes(60);
    let early = glue.start_session(SessionSpec { provisioning: hour, stopping_takes: hour, ..SessionSpec::default() });
    let ready = glue.start_session(SessionSpec::default());
    let refused_in = async |id: &str, state: &str| {
        let statement = json!({ "SessionId": id, "Code": "1" });
        let message = format!("Session is not ready, session_id={id}, status={state}");
        assert_eq!(client.refused("RunStatement", statement).await, (INVALID.to_owned(), message));
        let refused = client.refused("ListStatements", json!({ "SessionId": id })).await;
        assert_eq!(refused.0, "IllegalSessionStateException");
    };
    refused_in(&early, "PROVISIONING").await;
    for (id, state) in [(&early, "STOPPING"), (&ready, "STOPPED")] {
        client.ok("StopSession", json!({ "Id": id })).await;
        assert_eq!(session(&client, id).await["Status"], state);
        refused_in(id, state).await;
        let again = client.refused("StopSession", json!({ "Id": id })).await;
        assert_eq!(again, ("IllegalSessionStateException".to_owned(), format!("Session is in {state} status")));
        assert_eq!(glue.session(id).unwrap().stop_calls, 2);
    }
    let stops = simulator.world().calls().stops();
    assert_eq!(stops.iter().map(|stop| &stop.id).collect::<Vec<_>>(), [&early, &early, &ready, &ready]);
    assert_eq!(stops[1].outcome, "IllegalSessionStateException");
}

#[tokio::test]
async fn an_idle_session_times_out_and_a_busy_one_does_not() {
    let simulator = start();
    let (client, glue) = (client_of(&simulator), glue_of(&simulator));
    let idle = |idle_for, idle_timeout| SessionSpec {
        age: minutes(60),
        idle_for: Some(idle_for),
        idle_timeout: Some(idle_timeout),
        ..SessionSpec::default()
    };
    let soon = glue.start_session(idle(minutes(30) - millis(500), minutes(30)));
    let gone = glue.start_session(idle(minutes(31), minutes(30)));
    let old = glue.start_session(SessionSpec { age: minutes(2_881), ..SessionSpec::default() });
    let failed = glue.start_session(SessionSpec { outcome: Outcome::Fails, age: secs(1), ..SessionSpec::default() });
    let busy = glue.start_session(SessionSpec {
        age: minutes(60),
        idle_timeout: Some(minutes(30)),
        statements: vec![
            StatementSpec { age: minutes(59), runs_for: Some(minutes(40)), ..StatementSpec::default() },
            StatementSpec { age: minutes(58), ..StatementSpec::default() },
            StatementSpec { age: minutes(1), ..StatementSpec::default() },
        ],
        ..SessionSpec::default()
    });
    assert_eq!(session(&client, &soon).await["Status"], "READY");
    for (id, state) in [(&gone, "TIMEOUT"), (&old, "TIMEOUT"), (&failed, "FAILED"), (&busy, "READY")] {
        assert_eq!(session(&client, id).await["Status"], state, "{id}");
    }
    let view = glue.session(&gone).unwrap();
    assert_eq!((view.idle_since, view.stopped_at), (None, None));
    assert_eq!(glue.session(&busy).unwrap().idle_since, None);
    let statements = client.ok("ListStatements", json!({ "SessionId": busy })).await["Statements"].clone();
    assert_eq!(members(&statements, "State"), ["AVAILABLE", "RUNNING", "WAITING"]);
    let began = glue.session(&busy).unwrap().created_at;
    let at = |minute| (began + minutes(minute)).as_millisecond();
    assert_eq!((&statements[0]["StartedOn"], &statements[0]["CompletedOn"]), (&json!(at(1)), &json!(at(41))));
    assert_eq!((&statements[1]["StartedOn"], &statements[1]["CompletedOn"]), (&json!(at(41)), &json!(0)));
    assert_eq!((&statements[2]["StartedOn"], &statements[2]["CompletedOn"]), (&json!(0), &json!(0)));

    assert_eq!(glue.finish_statement(&busy, 1).unwrap().state, StatementState::Available);
    assert_eq!(glue.statements(&busy).unwrap()[2].state, StatementState::Running);
    assert_eq!(glue.finish_session(&busy).unwrap().state, SessionState::Stopped);
    eventually("the idle session's end", || glue.session(&soon).filter(|view| view.state.is_terminal())).await;
    assert_eq!(session(&client, &soon).await["Status"], "TIMEOUT");
    assert!(glue.active_sessions().is_empty());
}

#[tokio::test]
async fn sessions_are_listed_newest_first_and_by_tags() {
    let simulator = start();
    let (client, glue) = (client_of(&simulator), glue_of(&simulator));
    let past = glue.seed_sessions(240, secs(60), secs(60));
    let tagged =
        glue.start_session(SessionSpec { tags: tags(&[("owner", "ann"), ("x", "y")]), ..SessionSpec::default() });
    let listed: Vec<String> =
        pages(&client, "ListSessions", json!({})).await.iter().flat_map(|page| texts(&page["Ids"])).collect();
    assert_eq!(listed[0], tagged);
    assert_eq!(listed[1..], past);
    let page = client.ok("ListSessions", json!({ "MaxResults": 7 })).await;
    assert_eq!((texts(&page["Ids"]).len(), members(&page["Sessions"], "Id")), (7, texts(&page["Ids"])));
    // A session that is created between two pages must neither shift nor repeat what follows.
    glue.start_session(SessionSpec::default());
    let next = client.ok("ListSessions", json!({ "MaxResults": 7, "NextToken": page["NextToken"] })).await;
    assert_eq!(texts(&next["Ids"]), past[6..13]);
    let owned = client.ok("ListSessions", json!({ "Tags": { "owner": "ann" } })).await;
    assert_eq!((texts(&owned["Ids"]), owned.get("NextToken")), (vec![tagged], None));
    assert_eq!(client.ok("ListSessions", json!({ "Tags": { "owner": "bob" } })).await["Ids"], json!([]));
    for input in [json!({ "MaxResults": 1_001 }), json!({ "MaxResults": 0 }), json!({ "NextToken": "nonsense" })] {
        assert_eq!(client.refused("ListSessions", input.clone()).await.0, INVALID, "{input}");
    }
    assert_eq!(client.refused("ListSessions", json!({ "Tags": { "a": 1 } })).await.0, "SerializationException");
    let token = page["NextToken"].clone();
    assert_eq!(client.refused("ListJobs", json!({ "NextToken": token })).await.0, INVALID);
    assert_eq!(Client::of(&simulator, OTHER).service("AWSGlue").ok("ListSessions", json!({})).await["Ids"], json!([]));
}

#[tokio::test]
async fn a_run_started_in_the_past_has_run_since_then() {
    let simulator = start();
    let (client, glue) = (client_of(&simulator), glue_of(&simulator));
    let id = glue.start_run(JobRunSpec {
        job: "nightly".to_owned(),
        age: minutes(28),
        waiting: secs(10),
        starting: secs(20),
        number_of_workers: Some(10),
        tags: tags(&[("owner", "ann")]),
        ..JobRunSpec::default()
    });
    let seen = run(&client, "nightly", &id).await;
    assert_eq!((&seen["JobRunState"], &seen["JobName"]), (&json!("RUNNING"), &json!("nightly")));
    assert_eq!((&seen["WorkerType"], &seen["NumberOfWorkers"]), (&json!("G.1X"), &json!(10)));
    assert_eq!((&seen["MaxCapacity"], &seen["AllocatedCapacity"]), (&json!(10.0), &json!(10)));
    assert_eq!((&seen["ExecutionTime"], &seen["Timeout"]), (&json!(1_650), &json!(480)));
    let arn = "arn:aws:glue:eu-west-1:111111111111:job/nightly";
    assert_eq!(client.ok("GetTags", json!({ "ResourceArn": arn })).await["Tags"], json!({ "owner": "ann" }));
    let names = client.ok("ListJobs", json!({ "Tags": { "owner": "ann" } })).await;
    assert_eq!(texts(&names["JobNames"]), ["nightly"]);
    for (age, state) in [(5, "WAITING"), (15, "STARTING"), (60, "SUCCEEDED")] {
        let spec = JobRunSpec {
            age: secs(age),
            waiting: secs(10),
            starting: secs(20),
            runs_for: Some(secs(20)),
            ..JobRunSpec::default()
        };
        let id = glue.start_run(spec);
        assert_eq!(run(&client, "etl", &id).await["JobRunState"], state);
    }
}

#[tokio::test]
async fn a_job_has_no_more_runs_at_once_than_it_allows() {
    let simulator = start();
    let (client, glue) = (client_of(&simulator), glue_of(&simulator));
    let input = json!({ "JobName": "etl", "WorkerType": "G.8X", "NumberOfWorkers": 2, "Timeout": 30,
                        "Arguments": { "--day": "2026-11-01" } });
    let unknown = client.refused("StartJobRun", input.clone()).await;
    assert_eq!(unknown.0, UNKNOWN);
    glue.define_job(GlueJobSpec { max_concurrent_runs: 2, ..GlueJobSpec::default() });
    let mut ids = Vec::new();
    for _ in 0..2 {
        let started = client.ok("StartJobRun", input.clone()).await;
        ids.push(started["JobRunId"].as_str().unwrap().to_owned());
    }
    let full = ("ConcurrentRunsExceededException".to_owned(), "Concurrent runs exceeded for etl".to_owned());
    assert_eq!(client.refused("StartJobRun", input.clone()).await, full);
    let seen = run(&client, "etl", &ids[0]).await;
    assert_eq!((&seen["MaxCapacity"], &seen["Timeout"], &seen["Attempt"]), (&json!(16.0), &json!(30), &json!(0)));
    assert_eq!(seen["Arguments"], json!({ "--day": "2026-11-01" }));
    assert_eq!(glue.finish_run(&ids[0]).unwrap().state, JobRunState::Succeeded);
    let again = client.ok("StartJobRun", json!({ "JobName": "etl", "JobRunId": ids[0] })).await;
    let again = run(&client, "etl", again["JobRunId"].as_str().unwrap()).await;
    assert_eq!((&again["PreviousRunId"], &again["Attempt"]), (&json!(ids[0]), &json!(1)));
    assert_eq!(again["MaxCapacity"], 2.0);
    // A test may start what the service would refuse.
    glue.start_run(JobRunSpec::default());
    assert_eq!(glue.active_runs().len(), 3);
    assert_eq!(glue.job("etl").unwrap().runs, 4);
}

#[tokio::test]
async fn runs_are_stopped_one_by_one() {
    let simulator = start();
    let (client, glue) = (client_of(&simulator), glue_of(&simulator));
    let slow = glue.start_run(JobRunSpec { stopping_takes: millis(500), ..JobRunSpec::default() });
    let quick = glue.start_run(JobRunSpec::default());
    let ended = glue.start_run(JobRunSpec { age: secs(60), runs_for: Some(secs(1)), ..JobRunSpec::default() });
    let other = glue.start_run(JobRunSpec { job: "other".to_owned(), ..JobRunSpec::default() });
    let output =
        client.ok("BatchStopJobRun", json!({ "JobName": "etl", "JobRunIds": [slow, quick, ended, other] })).await;
    assert_eq!(members(&output["SuccessfulSubmissions"], "JobRunId"), [slow.clone(), quick.clone()]);
    let errors = &output["Errors"];
    assert_eq!(members(errors, "JobRunId"), [ended, other.clone()]);
    assert_eq!(errors[0]["ErrorDetail"]["ErrorCode"], "JobRunInvalidStateTransitionException");
    assert_eq!(errors[1]["ErrorDetail"]["ErrorCode"], UNKNOWN);
    assert_eq!(run(&client, "etl", &slow).await["JobRunState"], "STOPPING");
    assert_eq!(run(&client, "etl", &quick).await["JobRunState"], "STOPPED");
    let view = eventually("the run's end", || glue.run(&slow).filter(|view| view.state.is_terminal())).await;
    assert_eq!((view.state, view.stop_calls), (JobRunState::Stopped, 1));
    assert_eq!(view.completed_at, Some(view.stopped_at.unwrap() + millis(500)));
    assert_eq!(glue.run(&other).unwrap().state, JobRunState::Running);
    for input in [
        json!({ "JobName": "etl" }),
        json!({ "JobName": "etl", "JobRunIds": [] }),
        json!({ "JobName": "etl", "JobRunIds": vec!["x"; 26] }),
    ] {
        assert_eq!(client.refused("BatchStopJobRun", input.clone()).await.0, INVALID, "{input}");
    }
}

#[tokio::test]
async fn jobs_and_their_runs_are_paged() {
    let simulator = start();
    let (client, glue) = (client_of(&simulator), glue_of(&simulator));
    let names = glue.seed_jobs(230, 3, minutes(10), minutes(5));
    let runs = glue.seed_runs(&names[3], 450, secs(60), millis(0));
    let listed: Vec<String> =
        pages(&client, "ListJobs", json!({})).await.iter().flat_map(|page| texts(&page["JobNames"])).collect();
    assert_eq!(listed, names);
    let jobs = pages(&client, "GetJobs", json!({ "MaxResults": 200 })).await;
    assert_eq!(jobs.iter().map(|page| members(&page["Jobs"], "Name").len()).collect::<Vec<_>>(), [200, 30]);
    let found = pages(&client, "GetJobRuns", json!({ "JobName": names[3], "MaxResults": 200 })).await;
    assert_eq!(found.iter().map(|page| members(&page["JobRuns"], "Id").len()).collect::<Vec<_>>(), [200, 200, 53]);
    let ids: Vec<String> = found.iter().flat_map(|page| members(&page["JobRuns"], "Id")).collect();
    assert_eq!(ids.iter().filter(|id| runs.contains(id)).cloned().collect::<Vec<_>>(), runs);
    let starts: Vec<f64> = found
        .iter()
        .flat_map(|page| page["JobRuns"].as_array().unwrap())
        .map(|run| run["StartedOn"].as_f64().unwrap())
        .collect();
    assert!(starts.is_sorted_by(|newer, older| newer >= older));
    let failed = found[0]["JobRuns"].as_array().unwrap().iter().filter(|run| run["JobRunState"] == "FAILED");
    assert_eq!(failed.count(), 20);
    assert!(glue.active_runs().is_empty());
    assert_eq!(client.refused("GetJobRuns", json!({ "JobName": names[3], "MaxResults": 201 })).await.0, INVALID);
    let token = found[0]["NextToken"].clone();
    assert_eq!(client.refused("GetJobRuns", json!({ "JobName": names[4], "NextToken": token })).await.0, INVALID);
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let simulator = start();
    let client = client_of(&simulator);
    let arn = |rest: &str| json!({ "ResourceArn": format!("arn:aws:glue:eu-west-1:{rest}") });
    for (operation, input) in [
        ("GetSession", json!({ "Id": "none" })),
        ("StopSession", json!({ "Id": "none" })),
        ("ListStatements", json!({ "SessionId": "none" })),
        ("RunStatement", json!({ "SessionId": "none", "Code": "1" })),
        ("GetJobRuns", json!({ "JobName": "none" })),
        ("GetJobRun", json!({ "JobName": "none", "RunId": "jr_1" })),
        ("GetTags", arn("111111111111:job/none")),
        ("GetTags", arn("222222222222:job/none")),
        ("GetTags", arn("111111111111:session/none")),
    ] {
        assert_eq!(client.refused(operation, input.clone()).await.0, UNKNOWN, "{operation} {input}");
    }
    for (operation, input) in [
        ("GetSession", json!({})),
        ("GetTags", json!({ "ResourceArn": "job/etl" })),
        ("CreateSession", json!({ "Id": "a", "Role": "analyst", "Command": {} })),
        ("CreateSession", json!({ "Id": "a", "Role": "arn:aws:iam::111111111111:role/x" })),
        ("StartJobRun", json!({ "JobName": "etl", "Timeout": 0 })),
        ("StartJobRun", json!({ "JobName": "etl", "ExecutionClass": "CHEAP" })),
    ] {
        assert_eq!(client.refused(operation, input.clone()).await.0, INVALID, "{operation} {input}");
    }
    assert_eq!(client.refused("DeleteSession", json!({ "Id": "none" })).await.0, "UnknownOperationException");
}

#[tokio::test]
async fn a_state_nobody_knows_is_shown_until_it_is_stopped() {
    let simulator = start();
    let (client, glue) = (client_of(&simulator), glue_of(&simulator));
    let raw = || Some("HIBERNATING".to_owned());
    let idle = glue.start_session(SessionSpec { raw_state: raw(), ..SessionSpec::default() });
    let running = glue.start_run(JobRunSpec { raw_state: raw(), ..JobRunSpec::default() });
    assert_eq!(session(&client, &idle).await["Status"], "HIBERNATING");
    assert_eq!(run(&client, "etl", &running).await["JobRunState"], "HIBERNATING");
    let view = glue.session(&idle).unwrap();
    assert_eq!((view.state, view.shown_state.as_str()), (SessionState::Ready, "HIBERNATING"));
    client.ok("StopSession", json!({ "Id": idle })).await;
    client.ok("BatchStopJobRun", json!({ "JobName": "etl", "JobRunIds": [running] })).await;
    assert_eq!(session(&client, &idle).await["Status"], "STOPPED");
    assert_eq!(run(&client, "etl", &running).await["JobRunState"], "STOPPED");
}

#[tokio::test]
async fn the_end_of_every_run_is_announced() {
    let (bus, simulator) = with_bus(EventFaults::default()).await;
    let (client, glue) = (client_of(&simulator), glue_of(&simulator));
    let quick = |outcome| JobRunSpec { runs_for: Some(millis(50)), outcome, ..JobRunSpec::default() };
    // What lies in the past is not announced.
    glue.seed_runs("etl", 20, secs(60), secs(60));
    let succeeds = glue.start_run(quick(Outcome::Succeeds));
    let fails = glue.start_run(quick(Outcome::Fails));
    let late = glue.start_run(JobRunSpec {
        age: minutes(10) - millis(50),
        timeout: Some(minutes(10)),
        ..JobRunSpec::default()
    });
    let stopped = glue.start_run(JobRunSpec::default());
    client.ok("BatchStopJobRun", json!({ "JobName": "etl", "JobRunIds": [stopped] })).await;
    let details = bus.wait_for(4).await;
    let expect = |id: &str, state: &str, severity: &str, message: &str| {
        let detail = json!({
            "jobName": "etl", "severity": severity, "state": state, "jobRunId": id, "message": message,
        });
        assert!(details.contains(&detail), "{detail} is not among {details:?}");
    };
    expect(&succeeds, "SUCCEEDED", "INFO", "Job run succeeded");
    expect(&late, "TIMEOUT", "WARN", "Job run timed out");
    expect(&stopped, "STOPPED", "INFO", "Job run stopped");
    let message =
        format!("JobName:etl and JobRunId:{fails} failed to execute with exception Command failed with exit code 1");
    expect(&fails, "FAILED", "ERROR", &message);
    for entry in bus.entries() {
        assert_eq!((&entry["Source"], &entry["DetailType"]), (&json!("aws.glue"), &json!("Glue Job State Change")));
        assert_eq!(entry["Resources"], json!([]));
    }
    assert_eq!(simulator.world().events().stats().happened, 4);
}

#[tokio::test]
async fn a_run_past_its_delay_is_announced_once_for_each_state() {
    let (bus, simulator) = with_bus(EventFaults::default()).await;
    let (client, glue) = (client_of(&simulator), glue_of(&simulator));
    let id = glue.start_run(JobRunSpec {
        age: minutes(1) - millis(100),
        starting: minutes(1),
        notify_delay_after: Some(minutes(1) - millis(50)),
        stopping_takes: millis(100),
        ..JobRunSpec::default()
    });
    // Past the threshold while it starts, then running; a stop brings it to its last state but one.
    bus.wait_for(2).await;
    client.ok("BatchStopJobRun", json!({ "JobName": "etl", "JobRunIds": [id] })).await;
    let details = bus.wait_for(4).await;
    assert_eq!(
        details.iter().map(|detail| detail["state"].as_str().unwrap()).collect::<Vec<_>>(),
        ["STARTING", "RUNNING", "STOPPING", "STOPPED"]
    );
    let started_on = glue.run(&id).unwrap().started_at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let expected = json!({
        "jobName": "etl", "severity": "INFO", "notificationCondition": { "NotifyDelayAfter": 1.0 },
        "state": "RUNNING", "jobRunId": id, "message": "Job is in RUNNING state", "startedOn": started_on,
    });
    assert_eq!(details[1], expected);
    let kinds: Vec<Value> = bus.entries().iter().map(|entry| entry["DetailType"].clone()).collect();
    assert_eq!(kinds, [["Glue Job Run Status"; 3].as_slice(), &["Glue Job State Change"]].concat());
}

#[tokio::test]
async fn a_bench_arranges_and_watches_over_http() {
    let simulator = start();
    let client = client_of(&simulator);
    let post = async |path: &str, body: Value| client.control("POST", &format!("{ROUTES}/{path}"), Some(body)).await;
    let get = async |path: &str| client.control("GET", &format!("{ROUTES}/{path}"), None).await;
    let spec =
        json!({ "id": "nb", "age": "2h", "idle_for": "50m", "idle_timeout": "PT1H", "tags": { "owner": "ann" } });
    assert_eq!(post("sessions", spec).await, (201, json!({ "id": "nb" })));
    assert_eq!(get("sessions").await.1["sessions"][0]["id"], "nb");
    assert_eq!(post("sessions/nb/statements", json!({ "runs_for": "1h" })).await, (201, json!({ "id": 1 })));
    assert_eq!(get("sessions/nb/statements").await.1["statements"][1]["state"], "RUNNING");
    assert_eq!(post("sessions/nb/statements/1/finish", json!(null)).await.1["state"], "AVAILABLE");
    assert_eq!(post("sessions/nb/finish", json!(null)).await.1["state"], "STOPPED");
    assert_eq!(get("sessions/nb").await.1["shown_state"], "STOPPED");

    let (status, job) = post("jobs", json!({ "name": "daily", "max_concurrent_runs": 3, "timeout": "2h" })).await;
    assert_eq!((status, &job["max_concurrent_runs"]), (201, &json!(3)));
    let (_, started) = post("runs", json!({ "job": "daily", "age": "28m", "outcome": "fails" })).await;
    let id = started["id"].as_str().unwrap();
    assert_eq!(get("runs").await.1["runs"][0]["id"], id);
    assert_eq!(client.control("GET", "health", None).await.1["active_workloads"], 1);
    assert_eq!(get(&format!("runs/{id}")).await.1["state"], "RUNNING");
    assert_eq!(post(&format!("runs/{id}/finish"), json!(null)).await.1["state"], "FAILED");
    let past = json!({ "count": 20, "spacing": "5m", "newest_age": "1h" });
    assert_eq!(post("history/sessions", past.clone()).await.1["ids"].as_array().unwrap().len(), 20);
    let with = |member: &str, value: Value| {
        let mut past = past.clone();
        past[member] = value;
        past
    };
    assert_eq!(post("history/jobs", with("runs", json!(2))).await.1["names"].as_array().unwrap().len(), 20);
    assert_eq!(post("history/runs", with("job", json!("daily"))).await.1["ids"].as_array().unwrap().len(), 20);
    assert_eq!(get("jobs/daily").await.1["runs"], 21);
    for path in ["sessions/none", "sessions/none/statements", "jobs/none", "runs/none"] {
        assert_eq!(get(path).await.0, 404, "{path}");
    }
    assert_eq!(post("runs", json!({ "agee": "5m" })).await.0, 422);
}
