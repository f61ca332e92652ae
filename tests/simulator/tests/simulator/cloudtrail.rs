//! CloudTrail: who created what, as `LookupEvents` tells it.

use std::time::Duration;

use serde_json::{Value, json};
use workload_simulator::{ClusterSpec, QuerySpec, Simulator, StepSpec};

use crate::support::{ACCOUNT, Client, OTHER, REGION, start};

const PREFIX: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101";

fn trail(simulator: &Simulator) -> Client {
    Client::new(simulator).service(PREFIX)
}

async fn lookup(client: &Client, key: &str, value: &str) -> Vec<Value> {
    let input = json!({ "LookupAttributes": [{ "AttributeKey": key, "AttributeValue": value }] });
    client.ok("LookupEvents", input).await["Events"].as_array().unwrap().clone()
}

fn record(event: &Value) -> Value {
    serde_json::from_str(event["CloudTrailEvent"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn it_tells_who_created_what_and_when() {
    let simulator = start();
    let client = trail(&simulator);
    let account = simulator.world().account(ACCOUNT, REGION);
    let age = Duration::from_secs(600);
    let by = |name: &str| Some(name.to_owned());
    let query = account.athena().start(QuerySpec { age, started_by: by("anna"), ..QuerySpec::default() });
    let cluster = account.emr().start(ClusterSpec { age, started_by: by("studio:bob"), ..ClusterSpec::default() });
    let spec = StepSpec {
        cluster: cluster.clone(),
        started_by: by("arn:aws:iam::111111111111:user/carl"),
        ..StepSpec::default()
    };
    let step = account.emr().add_step(spec).unwrap();

    let events = lookup(&client, "Username", "anna").await;
    let event = record(&events[0]);
    assert_eq!(events.len(), 1);
    assert_eq!(
        (&event["eventName"], &event["eventSource"]),
        (&json!("StartQueryExecution"), &json!("athena.amazonaws.com"))
    );
    assert_eq!(event["responseElements"], json!({ "queryExecutionId": query }));
    assert_eq!(event["requestParameters"]["queryString"], "***OMITTED***");
    assert_eq!(event["userIdentity"]["arn"], "arn:aws:sts::111111111111:assumed-role/DataScientist/anna");
    assert_eq!((&event["recipientAccountId"], &event["awsRegion"]), (&json!(ACCOUNT), &json!(REGION)));
    let submitted = account.athena().query(&query).unwrap().submitted_at;
    assert_eq!(event["eventTime"], submitted.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    assert_eq!(events[0]["EventTime"], submitted.as_second());

    let events = lookup(&client, "ResourceName", &cluster).await;
    let names: Vec<&Value> = events.iter().map(|event| &event["EventName"]).collect();
    assert_eq!(names, ["AddJobFlowSteps", "RunJobFlow"]);
    let (added, run) = (record(&events[0]), record(&events[1]));
    assert_eq!(
        (&added["userIdentity"]["type"], &added["userIdentity"]["userName"]),
        (&json!("IAMUser"), &json!("carl"))
    );
    assert_eq!(added["responseElements"], json!({ "stepIds": [step] }));
    assert_eq!(run["responseElements"]["jobFlowId"], cluster.as_str());
    assert_eq!(run["requestParameters"]["instances"]["instanceGroups"][1]["instanceCount"], 2);
    assert_eq!(run["userIdentity"]["sessionContext"]["sourceIdentity"], "bob");
    assert_eq!(events[1]["Resources"], json!([{ "ResourceType": "AWS::EMR::Cluster", "ResourceName": cluster }]));

    assert_eq!(lookup(&client, "EventName", "RunJobFlow").await.len(), 1);
    assert_eq!(lookup(&client, "EventId", events[0]["EventId"].as_str().unwrap()).await, [events[0].clone()]);
    assert_eq!(lookup(&client, "EventSource", "elasticmapreduce.amazonaws.com").await.len(), 2);
    let strangers = Client::of(&simulator, OTHER).service(PREFIX);
    assert_eq!(strangers.ok("LookupEvents", json!({})).await, json!({ "Events": [] }));
}

#[tokio::test]
async fn calls_of_the_api_are_the_roots() {
    let simulator = start();
    let input = json!({
        "Name": "adhoc", "ReleaseLabel": "emr-7.5.0", "Tags": [{ "Key": "Cost-Centre", "Value": "X 1" }],
        "Instances": { "MasterInstanceType": "m5.xlarge", "KeepJobFlowAliveWhenNoSteps": true },
    });
    let output = Client::new(&simulator).service("ElasticMapReduce").ok("RunJobFlow", input).await;
    Client::new(&simulator).start("SELECT 1").await;
    let events = trail(&simulator).ok("LookupEvents", json!({})).await;
    assert_eq!(
        (&events["Events"][0]["EventName"], &events["Events"][0]["Username"]),
        (&json!("StartQueryExecution"), &json!("root"))
    );
    let run = record(&events["Events"][1]);
    assert_eq!(run["userIdentity"]["type"], "Root");
    assert_eq!(run["requestParameters"]["tags"], json!([{ "key": "Cost-Centre", "value": "X 1" }]));
    assert_eq!(run["requestParameters"]["instances"]["masterInstanceType"], "m5.xlarge");
    assert_eq!(
        run["responseElements"],
        json!({ "jobFlowId": output["JobFlowId"], "clusterArn": output["ClusterArn"] })
    );
}

#[tokio::test]
async fn events_come_late_and_are_kept_for_ninety_days() {
    let simulator = start();
    let client = trail(&simulator);
    let account = simulator.world().account(ACCOUNT, REGION);
    let days = |count: u64| Duration::from_secs(count * 24 * 3_600);
    let start = |age: Duration| {
        account.athena().start(QuerySpec { age, runs_for: Some(Duration::ZERO), ..QuerySpec::default() })
    };
    for age in [days(91), days(89), Duration::from_secs(600), Duration::ZERO] {
        start(age);
    }
    let seen = async || client.ok("LookupEvents", json!({})).await["Events"].as_array().unwrap().len();
    assert_eq!(seen().await, 3);
    account.cloudtrail().set_delivery_delay(Duration::from_secs(300));
    assert_eq!(seen().await, 2);
    account.cloudtrail().set_delivery_delay(Duration::from_millis(20));
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(seen().await, 3);
    assert_eq!(account.cloudtrail().count(), 4);
}

#[tokio::test]
async fn pages_do_not_shift_and_wrong_questions_are_refused() {
    let simulator = start();
    let client = trail(&simulator);
    let athena = simulator.world().account(ACCOUNT, REGION).athena();
    athena.seed_history("primary", 70, Duration::from_secs(1), Duration::from_secs(60));
    let first = client.ok("LookupEvents", json!({})).await;
    athena.start(QuerySpec::default());
    let second = client.ok("LookupEvents", json!({ "NextToken": first["NextToken"] })).await;
    let times: Vec<i64> = [&first, &second]
        .iter()
        .flat_map(|page| page["Events"].as_array().unwrap())
        .map(|event| event["EventTime"].as_i64().unwrap())
        .collect();
    assert_eq!(times.len(), 70);
    assert!(times.is_sorted_by(|newer, older| newer >= older));
    assert!(second.get("NextToken").is_none());

    let both = ["Username", "EventId"].map(|key| json!({ "AttributeKey": key, "AttributeValue": "a" }));
    for (input, code) in [
        (json!({ "LookupAttributes": both }), "InvalidLookupAttributesException"),
        (json!({ "LookupAttributes": [{ "AttributeKey": "Colour", "AttributeValue": "b" }] }), "ValidationException"),
        (json!({ "MaxResults": 51 }), "InvalidMaxResultsException"),
        (json!({ "NextToken": "nonsense" }), "InvalidNextTokenException"),
        (json!({ "StartTime": 2, "EndTime": 1 }), "InvalidTimeRangeException"),
        (json!({ "StartTime": "today" }), "SerializationException"),
    ] {
        assert_eq!(client.refused("LookupEvents", input.clone()).await.0, code, "{input}");
    }
}
