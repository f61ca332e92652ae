//! Athena's operations: what they answer, what they refuse, and in which order they list.

use std::time::Duration;

use serde_json::{Value, json};
use workload_simulator::{Outcome, QuerySpec, QueryState, WorkgroupState};

use crate::support::{ACCOUNT, Client, OTHER, athena_of, start, token};

const INVALID: &str = "InvalidRequestException";

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn ids(output: &Value) -> Vec<String> {
    let ids = output["QueryExecutionIds"].as_array().unwrap();
    ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_query_started_in_the_past_has_run_since_then() {
    let simulator = start();
    let client = Client::new(&simulator);
    let id = client.start("SELECT 1 -- simulate: age 28m, queue 30s").await;
    let output = client.ok("GetQueryExecution", json!({ "QueryExecutionId": id })).await;
    let query = &output["QueryExecution"];
    assert_eq!(query["Status"]["State"], "RUNNING");
    assert_eq!(query["StatementType"], "DML");
    assert_eq!(query["WorkGroup"], "primary");
    let statistic = |name: &str| query["Statistics"][name].as_u64().unwrap();
    assert_eq!(statistic("QueryQueueTimeInMillis"), 30_000);
    let engine = statistic("EngineExecutionTimeInMillis");
    assert!((1_650_000..1_660_000).contains(&engine), "{engine}");
    assert_eq!(statistic("TotalExecutionTimeInMillis"), engine + 30_000);
    assert_eq!(statistic("DataScannedInBytes"), engine * 100_000);
    assert!(query["Status"].get("CompletionDateTime").is_none());
    let view = athena_of(&simulator).query(&id).unwrap();
    let submitted = query["Status"]["SubmissionDateTime"].as_f64().unwrap();
    assert_eq!(format!("{submitted:.3}").replace('.', ""), view.submitted_at.as_millisecond().to_string());
}

#[tokio::test]
async fn queries_pass_through_their_states_in_real_time() {
    let simulator = start();
    let client = Client::new(&simulator);
    let id = client.start("SELECT 1 -- simulate: queue 300ms, run 300ms, fail").await;
    let mut seen = Vec::new();
    while seen.last().map(String::as_str) != Some("FAILED") {
        let state = client.state(&id).await;
        if seen.last() != Some(&state) {
            seen.push(state);
        }
    }
    assert_eq!(seen, ["QUEUED", "RUNNING", "FAILED"]);
    let output = client.ok("GetQueryExecution", json!({ "QueryExecutionId": id })).await;
    let status = &output["QueryExecution"]["Status"];
    assert_eq!(status["AthenaError"]["ErrorCategory"], 2);
    assert_eq!(status["AthenaError"]["ErrorMessage"], status["StateChangeReason"]);
    let view = athena_of(&simulator).query(&id).unwrap();
    assert_eq!(view.started_at, Some(view.submitted_at + Duration::from_millis(300)));
    assert_eq!(view.completed_at, Some(view.submitted_at + Duration::from_millis(600)));
}

#[tokio::test]
async fn stopping_is_idempotent_and_written_down() {
    let simulator = start();
    let client = Client::new(&simulator);
    let id = client.start("SELECT 1").await;
    for _ in 0..2 {
        assert_eq!(client.ok("StopQueryExecution", json!({ "QueryExecutionId": id })).await, json!({}));
    }
    let output = client.ok("GetQueryExecution", json!({ "QueryExecutionId": id })).await;
    let status = &output["QueryExecution"]["Status"];
    assert_eq!(
        (&status["State"], &status["StateChangeReason"]),
        (&json!("CANCELLED"), &json!("Query cancelled by user"))
    );
    let view = athena_of(&simulator).query(&id).unwrap();
    assert_eq!(view.stop_calls, 2);
    assert_eq!(view.stopped_at, view.completed_at);
    let stops = simulator.world().calls().stops();
    assert_eq!(stops.len(), 2);
    assert!(stops.iter().all(|stop| stop.id == id && stop.outcome == "ok" && stop.account == ACCOUNT));
    assert!(stops[0].at >= view.stopped_at.unwrap());

    let (code, message) = client.refused("StopQueryExecution", json!({ "QueryExecutionId": "unknown" })).await;
    assert_eq!((code.as_str(), message.as_str()), (INVALID, "QueryExecution unknown was not found"));
}

#[tokio::test]
async fn a_query_may_take_its_time_to_obey() {
    let simulator = start();
    let client = Client::new(&simulator);
    let id = client.start("SELECT 1 -- simulate: cancel 200ms").await;
    client.ok("StopQueryExecution", json!({ "QueryExecutionId": id })).await;
    assert_eq!(client.state(&id).await, "RUNNING");
    let view = athena_of(&simulator).query(&id).unwrap();
    tokio::time::sleep(Duration::from_millis(210)).await;
    assert_eq!(client.state(&id).await, "CANCELLED");
    let stopped = view.stopped_at.unwrap();
    assert_eq!(athena_of(&simulator).query(&id).unwrap().completed_at, Some(stopped + Duration::from_millis(200)));
}

#[tokio::test]
async fn lists_are_newest_first_and_pages_do_not_shift() {
    let simulator = start();
    let client = Client::new(&simulator);
    let athena = athena_of(&simulator);
    let history = athena.seed_history("primary", 120, secs(60), secs(60));
    let old = athena.start(QuerySpec { age: secs(46 * 24 * 3_600), ..QuerySpec::default() });
    let elsewhere = athena.start(QuerySpec { workgroup: "etl".to_owned(), ..QuerySpec::default() });

    let mut listed = Vec::new();
    let mut input = json!({});
    let mut pages = 0;
    loop {
        let page = client.ok("ListQueryExecutions", input).await;
        listed.extend(ids(&page));
        pages += 1;
        // A query that starts between two pages must neither shift nor repeat what follows.
        athena.start(QuerySpec::default());
        match page.get("NextToken") {
            Some(token) => input = json!({ "NextToken": token }),
            None => break,
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(listed, history);
    assert!(!listed.contains(&old) && !listed.contains(&elsewhere));
    assert_eq!(ids(&client.ok("ListQueryExecutions", json!({ "WorkGroup": "etl" })).await), [elsewhere]);
    assert_eq!(ids(&client.ok("ListQueryExecutions", json!({ "MaxResults": 7 })).await).len(), 7);

    let token = client.ok("ListQueryExecutions", json!({ "MaxResults": 7 })).await["NextToken"].clone();
    for input in [
        json!({ "WorkGroup": "unknown" }),
        json!({ "MaxResults": 51 }),
        json!({ "MaxResults": -1 }),
        json!({ "NextToken": "nonsense" }),
        json!({ "NextToken": token, "WorkGroup": "etl" }),
    ] {
        assert_eq!(client.refused("ListQueryExecutions", input.clone()).await.0, INVALID, "{input}");
    }
}

#[tokio::test]
async fn a_batch_has_at_most_fifty_ids_and_names_those_it_does_not_know() {
    let simulator = start();
    let client = Client::new(&simulator);
    let history = athena_of(&simulator).seed_history("primary", 51, secs(1), secs(1));
    let batch = |ids: &[String]| json!({ "QueryExecutionIds": ids });
    let output = client.ok("BatchGetQueryExecution", batch(&history[..50])).await;
    assert_eq!(output["QueryExecutions"].as_array().unwrap().len(), 50);
    assert_eq!(client.refused("BatchGetQueryExecution", batch(&history)).await.0, INVALID);
    assert_eq!(client.refused("BatchGetQueryExecution", batch(&[])).await.0, INVALID);
    assert_eq!(client.refused("BatchGetQueryExecution", json!({})).await.0, INVALID);
    let output = client.ok("BatchGetQueryExecution", batch(&[history[0].clone(), "unknown".to_owned()])).await;
    assert_eq!(output["QueryExecutions"][0]["QueryExecutionId"], history[0].as_str());
    assert_eq!(output["UnprocessedQueryExecutionIds"][0]["QueryExecutionId"], "unknown");
}

#[tokio::test]
async fn a_token_starts_one_query() {
    let simulator = start();
    let client = Client::new(&simulator);
    let input = json!({ "QueryString": "SELECT 1", "ClientRequestToken": token() });
    let with = |member: &str, value: Value| {
        let mut changed = input.clone();
        changed[member] = value;
        changed
    };
    let first = client.ok("StartQueryExecution", input.clone()).await;
    assert_eq!(client.ok("StartQueryExecution", input.clone()).await, first);
    client.ok("StopQueryExecution", first.clone()).await;
    assert_eq!(client.ok("StartQueryExecution", input.clone()).await, first);
    let mismatch = (INVALID.to_owned(), "Idempotent parameters do not match".to_owned());
    assert_eq!(client.refused("StartQueryExecution", with("QueryString", json!("SELECT 2"))).await, mismatch);
    let database = json!({ "Database": "other" });
    assert_eq!(client.refused("StartQueryExecution", with("QueryExecutionContext", database)).await, mismatch);
    assert_eq!(client.ok("StartQueryExecution", with("ExecutionParameters", json!(["1"]))).await, first);
    let short = client.refused("StartQueryExecution", with("ClientRequestToken", json!("short"))).await;
    assert!(short.1.ends_with("greater than or equal to 32"), "{short:?}");
    let missing = client.refused("StartQueryExecution", json!({ "QueryString": "SELECT 1" })).await;
    assert_eq!(missing, (INVALID.to_owned(), "clientRequestToken is null or empty".to_owned()));
}

#[tokio::test]
async fn a_disabled_workgroup_refuses_new_queries_and_leaves_running_ones() {
    let simulator = start();
    let client = Client::new(&simulator);
    let athena = athena_of(&simulator);
    athena.workgroup("etl");
    let start = || json!({ "QueryString": "SELECT 1", "WorkGroup": "etl", "ClientRequestToken": token() });
    let id = client.ok("StartQueryExecution", start()).await["QueryExecutionId"].as_str().unwrap().to_owned();
    client.ok("UpdateWorkGroup", json!({ "WorkGroup": "etl", "State": "DISABLED" })).await;
    let disabled = (INVALID.to_owned(), "WorkGroup is disabled.".to_owned());
    assert_eq!(client.refused("StartQueryExecution", start()).await, disabled);
    assert_eq!(client.state(&id).await, "RUNNING");
    let states: Vec<_> = athena.workgroups().into_iter().map(|group| (group.name, group.state)).collect();
    assert_eq!(states, [("etl".to_owned(), WorkgroupState::Disabled), ("primary".to_owned(), WorkgroupState::Enabled)]);
    let listed = client.ok("ListWorkGroups", json!({})).await;
    assert_eq!(
        (&listed["WorkGroups"][0]["State"], &listed["WorkGroups"][1]["State"]),
        (&json!("DISABLED"), &json!("ENABLED"))
    );
    // What is disabled can be stopped in, and disabled once more.
    client.ok("UpdateWorkGroup", json!({ "WorkGroup": "etl", "State": "DISABLED" })).await;
    client.ok("StopQueryExecution", json!({ "QueryExecutionId": id })).await;
    assert_eq!(athena.state(&id), Some(QueryState::Cancelled));
    athena.set_workgroup_state("etl", WorkgroupState::Enabled);
    client.ok("StartQueryExecution", start()).await;
    let unknown = json!({ "QueryString": "SELECT 1", "WorkGroup": "unknown", "ClientRequestToken": token() });
    assert_eq!(
        client.refused("StartQueryExecution", unknown).await,
        (INVALID.to_owned(), "WorkGroup is not found.".to_owned())
    );
}

#[tokio::test]
async fn a_workgroups_cutoff_ends_a_query_that_reads_too_much() {
    let simulator = start();
    let client = Client::new(&simulator);
    let create = json!({ "Name": "small", "Configuration": {
        "BytesScannedCutoffPerQuery": 10_000_000,
        "EnforceWorkGroupConfiguration": true,
        "ResultConfiguration": { "OutputLocation": "s3://results/" },
    } });
    client.ok("CreateWorkGroup", create).await;
    let start = json!({ "QueryString": "SELECT 1", "WorkGroup": "small", "ClientRequestToken": token() });
    let id = client.ok("StartQueryExecution", start).await["QueryExecutionId"].as_str().unwrap().to_owned();
    tokio::time::sleep(Duration::from_millis(120)).await;
    let output = client.ok("GetQueryExecution", json!({ "QueryExecutionId": id })).await;
    assert_eq!(output["QueryExecution"]["Status"]["State"], "CANCELLED");
    assert_eq!(output["QueryExecution"]["Status"]["StateChangeReason"], "Bytes scanned limit was exceeded");
    assert_eq!(output["QueryExecution"]["Statistics"]["DataScannedInBytes"], 10_000_000);
}

#[tokio::test]
async fn a_workgroup_is_configured_through_the_handle() {
    let simulator = start();
    let (client, athena) = (Client::new(&simulator), athena_of(&simulator));
    let configuration = async || {
        let output = client.ok("GetWorkGroup", json!({ "WorkGroup": "etl" })).await;
        let configuration = &output["WorkGroup"]["Configuration"];
        (
            configuration["EnforceWorkGroupConfiguration"].clone(),
            configuration.get("BytesScannedCutoffPerQuery").cloned(),
        )
    };
    let view = athena.configure_workgroup("etl", true, Some(10_000_000));
    assert_eq!((view.enforced, view.bytes_scanned_cutoff_per_query), (true, Some(10_000_000)));
    assert_eq!(configuration().await, (json!(true), Some(json!(10_000_000))));
    let start = QuerySpec { workgroup: "etl".to_owned(), age: secs(60), ..QuerySpec::default() };
    let cut = athena.start(start.clone());
    athena.configure_workgroup("etl", false, None);
    assert_eq!(configuration().await, (json!(false), None));
    assert_eq!(athena.query(&cut).unwrap().state, QueryState::Cancelled);
    let free = athena.start(start);
    assert_eq!(athena.query(&free).unwrap().state, QueryState::Running);
    let limits = json!({ "enforced": true, "cutoff": 20_000_000 });
    let path = format!("accounts/{ACCOUNT}/eu-west-1/athena/workgroups/etl/limits");
    assert_eq!(client.control("PUT", &path, Some(limits)).await.1["bytes_scanned_cutoff_per_query"], 20_000_000);
}

#[tokio::test]
async fn what_a_query_reads_and_waits_grows() {
    let simulator = start();
    let client = Client::new(&simulator);
    let athena = athena_of(&simulator);
    let running = athena.start(QuerySpec { age: secs(10), scan_rate: 1_000_000_000, ..QuerySpec::default() });
    let queued = athena.start(QuerySpec { age: secs(10), queue: secs(60), ..QuerySpec::default() });
    let statistic = async |id: &str, name: &str| {
        let output = client.ok("GetQueryExecution", json!({ "QueryExecutionId": id })).await;
        output["QueryExecution"]["Statistics"][name].as_u64().unwrap()
    };
    let read = statistic(&running, "DataScannedInBytes").await;
    assert!((10_000_000_000..11_000_000_000).contains(&read), "{read}");
    let waited = statistic(&queued, "QueryQueueTimeInMillis").await;
    assert!((10_000..11_000).contains(&waited), "{waited}");
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(statistic(&running, "DataScannedInBytes").await >= read + 10_000_000);
    assert!(statistic(&queued, "QueryQueueTimeInMillis").await >= waited + 10);
    assert_eq!(statistic(&queued, "DataScannedInBytes").await, 0);
    assert_eq!(statistic(&running, "QueryQueueTimeInMillis").await, 0);
}

#[tokio::test]
async fn workgroups_are_created_changed_listed_and_deleted() {
    let simulator = start();
    let client = Client::new(&simulator);
    let create = |name: &str| json!({ "Name": name, "Description": "ours" });
    client.ok("CreateWorkGroup", create("etl")).await;
    assert_eq!(client.refused("CreateWorkGroup", create("etl")).await.1, "WorkGroup is already created");
    assert_eq!(client.refused("CreateWorkGroup", create("not legal")).await.0, INVALID);
    let no_place = json!({ "QueryString": "SELECT 1", "WorkGroup": "etl", "ClientRequestToken": token() });
    assert!(
        client.refused("StartQueryExecution", no_place.clone()).await.1.starts_with("No output location provided.")
    );

    let update = |updates: Value| json!({ "WorkGroup": "etl", "ConfigurationUpdates": updates });
    client
        .ok(
            "UpdateWorkGroup",
            update(json!({
                "BytesScannedCutoffPerQuery": 20_000_000,
                "EnforceWorkGroupConfiguration": true,
                "ResultConfigurationUpdates": { "OutputLocation": "s3://results/" },
            })),
        )
        .await;
    let view = athena_of(&simulator).find_workgroup("etl").unwrap();
    assert_eq!((view.bytes_scanned_cutoff_per_query, view.enforced), (Some(20_000_000), true));
    client.ok("UpdateWorkGroup", update(json!({ "RemoveBytesScannedCutoffPerQuery": true }))).await;
    assert_eq!(athena_of(&simulator).find_workgroup("etl").unwrap().bytes_scanned_cutoff_per_query, None);
    let small = client.refused("UpdateWorkGroup", update(json!({ "BytesScannedCutoffPerQuery": 9_999_999 }))).await;
    assert!(small.1.contains("'bytesScannedCutoffPerQuery'"), "{small:?}");
    assert_eq!(client.refused("UpdateWorkGroup", json!({ "WorkGroup": "etl", "State": "OFF" })).await.0, INVALID);

    client.ok("StartQueryExecution", no_place).await;
    assert_eq!(client.refused("DeleteWorkGroup", json!({ "WorkGroup": "etl" })).await.1, "WorkGroup is not empty");
    client.ok("DeleteWorkGroup", json!({ "WorkGroup": "etl", "RecursiveDeleteOption": true })).await;
    assert_eq!(client.refused("GetWorkGroup", json!({ "WorkGroup": "etl" })).await.1, "WorkGroup is not found.");
    assert_eq!(client.refused("DeleteWorkGroup", json!({ "WorkGroup": "primary" })).await.0, INVALID);

    for number in 0..70 {
        client.ok("CreateWorkGroup", create(&format!("group-{number:02}"))).await;
    }
    let first = client.ok("ListWorkGroups", json!({})).await;
    let second = client.ok("ListWorkGroups", json!({ "NextToken": first["NextToken"] })).await;
    let pages = [&first, &second].map(|page| page["WorkGroups"].as_array().unwrap().len());
    assert_eq!(pages, [50, 21]);
    assert_eq!(second["WorkGroups"][20]["Name"], "primary");
    assert!(second.get("NextToken").is_none());
}

#[tokio::test]
async fn accounts_do_not_see_one_another() {
    let simulator = start();
    let (ours, theirs) = (Client::new(&simulator), Client::of(&simulator, OTHER));
    let id = ours.start("SELECT 1").await;
    assert_eq!(theirs.refused("GetQueryExecution", json!({ "QueryExecutionId": id })).await.0, INVALID);
    assert_eq!(ids(&theirs.ok("ListQueryExecutions", json!({})).await), Vec::<String>::new());
    let nobody = Client::of(&simulator, "AKIAEXAMPLE").call("ListWorkGroups", json!({})).await;
    assert_eq!(nobody.status, 403);
    assert_eq!(nobody.body["__type"], "UnrecognizedClientException");
    assert_eq!(nobody.headers["x-amzn-errortype"], "UnrecognizedClientException");
    assert!(nobody.headers.contains_key("x-amzn-requestid"));
}

#[tokio::test]
async fn requests_that_are_not_of_the_protocol_are_refused_as_aws_does() {
    let simulator = start();
    let client = Client::new(&simulator);
    let check = async |target: &str, body: &str, expected: Value| {
        let answer = client.send(target, body.to_owned()).await;
        assert_eq!((answer.status, &answer.body), (400, &expected), "{target} {body}");
    };
    let unknown = json!({ "__type": "UnknownOperationException" });
    check("AmazonAthena.GetQueryResults", "{}", unknown.clone()).await;
    check("ListWorkGroups", "{}", unknown.clone()).await;
    check("AmazonNowhere.ListWorkGroups", "{}", unknown).await;
    check("AmazonAthena.ListWorkGroups", "{", json!({ "__type": "SerializationException" })).await;
    check("AmazonAthena.ListWorkGroups", "", json!({ "__type": "SerializationException" })).await;
    let kind = |message: &str| json!({ "__type": "SerializationException", "Message": message });
    check("AmazonAthena.ListWorkGroups", "[]", kind("Start of list found where not expected")).await;
    let text = kind("STRING_VALUE can not be converted to an Integer");
    check("AmazonAthena.ListWorkGroups", r#"{"MaxResults": "1"}"#, text).await;
    let list = kind("Expected list or null");
    check("AmazonAthena.BatchGetQueryExecution", r#"{"QueryExecutionIds": "1"}"#, list).await;
    let missing = "1 validation error detected: Value null at 'queryExecutionId' failed to satisfy constraint: \
                   Member must not be null";
    assert_eq!(client.refused("GetQueryExecution", json!({})).await, (INVALID.to_owned(), missing.to_owned()));
}

#[tokio::test]
async fn tests_start_finish_and_look_at_queries_through_the_handle() {
    let simulator = start();
    let athena = athena_of(&simulator);
    let older = athena.start(QuerySpec { age: secs(60), ..QuerySpec::default() });
    let queued = athena.start(QuerySpec {
        queue: secs(60),
        outcome: Outcome::Fails,
        runs_for: Some(secs(60)),
        ..QuerySpec::default()
    });
    let states: Vec<_> = athena.active().into_iter().map(|query| (query.id, query.state)).collect();
    assert_eq!(states, [(queued.clone(), QueryState::Queued), (older.clone(), QueryState::Running)]);
    assert_eq!(athena.finish(&older).unwrap().state, QueryState::Succeeded);
    assert_eq!(athena.finish(&queued).unwrap().state, QueryState::Failed);
    assert_eq!(athena.finish(&queued).unwrap().state, QueryState::Failed);
    assert_eq!(athena.active(), []);
    assert_eq!(athena.finish("unknown"), None);
    simulator.world().reset();
    assert_eq!(athena.query(&older), None);
}
