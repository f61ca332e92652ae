//! Events: on the account's bus at the moment they happen, in AWS's words, and as badly delivered as asked for.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use workload_simulator::{EventFaults, EventStats, QuerySpec};

use crate::bus::{Bus, with_bus};
use crate::support::{Client, REGION, athena_of, eventually};

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The sequence numbers of one query's events in the order of their arrival.
fn numbers(bus: &Bus, id: &str) -> Vec<String> {
    let ours = bus.details().into_iter().filter(|detail| detail["queryExecutionId"] == id);
    ours.map(|detail| detail["sequenceNumber"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_state_change_is_announced_when_it_happens() {
    let (bus, simulator) = with_bus(EventFaults::default()).await;
    let id = Client::new(&simulator).start("SELECT 1 -- simulate: queue 100ms, run 100ms, fail").await;
    let details = bus.wait_for(3).await;
    let common = |state: &str, number: &str| {
        json!({
            "versionId": "0", "currentState": state, "statementType": "DML", "queryExecutionId": id,
            "workgroupName": "primary", "sequenceNumber": number,
        })
    };
    let mut running = common("RUNNING", "2");
    running["previousState"] = json!("QUEUED");
    let mut failed = common("FAILED", "3");
    failed["previousState"] = json!("RUNNING");
    failed["athenaError"] = json!({
        "errorCategory": 2.0, "errorType": 1301.0, "retryable": false,
        "errorMessage": "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.default.missing' does not exist",
    });
    assert_eq!(details, [common("QUEUED", "1"), running, failed]);

    let received = bus.0.lock().unwrap();
    let view = athena_of(&simulator).query(&id).unwrap();
    let (authorization, last) = received.events.last().unwrap();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=111111111111/"), "{authorization}");
    assert!(authorization.contains(&format!("/{REGION}/events/aws4_request, ")), "{authorization}");
    assert_eq!((&last["Source"], &last["DetailType"]), (&json!("aws.athena"), &json!("Athena Query State Change")));
    assert_eq!((&last["Resources"], &last["EventBusName"]), (&json!([]), &json!("default")));
    let ended = view.completed_at.unwrap().as_millisecond().to_string();
    assert_eq!(format!("{:.3}", last["Time"].as_f64().unwrap()).replace('.', ""), ended);
    assert_eq!(simulator.world().events().stats(), EventStats { happened: 3, delivered: 3, ..EventStats::default() });
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test measures how late an event is")]
async fn an_event_is_not_late_and_the_past_is_silent() {
    let (bus, simulator) = with_bus(EventFaults::default()).await;
    let athena = athena_of(&simulator);
    athena.seed_history("primary", 100, millis(10), millis(10));
    athena.start(QuerySpec { age: millis(60_000), ..QuerySpec::default() });
    let id = athena.start(QuerySpec { age: millis(60_000), runs_for: Some(millis(60_300)), ..QuerySpec::default() });
    let details = bus.wait_for(1).await;
    let late = Timestamp::now().duration_since(athena.query(&id).unwrap().completed_at.unwrap());
    assert_eq!(details.len(), 1);
    assert_eq!((&details[0]["currentState"], &details[0]["sequenceNumber"]), (&json!("SUCCEEDED"), &json!("3")));
    assert!(late.as_millis() < 250, "{late:?}");
}

#[tokio::test]
async fn a_stop_is_announced_and_the_end_it_replaces_is_not() {
    let (bus, simulator) = with_bus(EventFaults::default()).await;
    let client = Client::new(&simulator);
    let id = client.start("SELECT 1 -- simulate: run 300ms").await;
    bus.wait_for(2).await;
    client.ok("StopQueryExecution", json!({ "QueryExecutionId": id })).await;
    let details = bus.wait_for(3).await;
    assert_eq!((&details[2]["currentState"], &details[2]["previousState"]), (&json!("CANCELLED"), &json!("RUNNING")));
    tokio::time::sleep(millis(400)).await;
    assert_eq!(bus.details().len(), 3);
}

#[tokio::test]
async fn deliveries_are_tried_again_entry_by_entry() {
    let (bus, simulator) = with_bus(EventFaults::default()).await;
    bus.0.lock().unwrap().refuse_requests = 1;
    bus.0.lock().unwrap().refuse_entries = 1;
    let id = Client::new(&simulator).start("SELECT 1 -- simulate: run 10ms").await;
    bus.wait_for(3).await;
    let mut numbers = numbers(&bus, &id);
    numbers.sort();
    assert_eq!(numbers, ["1", "2", "3"]);
    let stats =
        eventually("all counted", || Some(simulator.world().events().stats()).filter(|stats| stats.delivered == 3))
            .await;
    assert_eq!((stats.failed, stats.retried > 0), (0, true));
}

#[tokio::test]
async fn a_delivery_is_given_up_in_the_end() {
    let (bus, simulator) = with_bus(EventFaults::default()).await;
    bus.0.lock().unwrap().refuse_requests = 4;
    athena_of(&simulator).start(QuerySpec { queue: millis(60_000), ..QuerySpec::default() });
    let stats =
        eventually("given up", || Some(simulator.world().events().stats()).filter(|stats| stats.failed > 0)).await;
    assert_eq!(stats, EventStats { happened: 1, retried: 3, failed: 1, ..EventStats::default() });
    assert_eq!(bus.details(), Vec::<Value>::new());
}

#[tokio::test]
async fn events_are_doubled_reversed_and_lost_on_purpose() {
    let sql = "SELECT 1 -- simulate: run 10ms";
    let faults = EventFaults { copies: 2, reorder_within: millis(200), ..EventFaults::default() };
    let (bus, simulator) = with_bus(faults).await;
    let id = Client::new(&simulator).start(sql).await;
    bus.wait_for(6).await;
    assert_eq!(numbers(&bus, &id), ["3", "3", "2", "2", "1", "1"]);

    simulator.world().events().set_faults(EventFaults { lose_every: 2, ..EventFaults::default() });
    let id = Client::new(&simulator).start(sql).await;
    let stats = eventually("six happened", || {
        Some(simulator.world().events().stats()).filter(|stats| stats.happened == 6 && stats.delivered == 7)
    })
    .await;
    // The fourth and the sixth of all are lost: the first and the third of this query.
    assert_eq!(stats.lost, 2);
    assert_eq!(numbers(&bus, &id), ["2"]);
}

#[tokio::test]
async fn without_a_bus_events_are_only_counted() {
    let simulator = crate::support::start();
    Client::new(&simulator).start("SELECT 1 -- simulate: run 10ms").await;
    let stats =
        eventually("counted", || Some(simulator.world().events().stats()).filter(|stats| stats.happened == 3)).await;
    assert_eq!(stats.delivered, 0);
}
