//! Faults, rates and delays as a client meets them.

use std::time::{Duration, Instant};

use serde_json::json;
use workload_simulator::{FaultRule, Settings, Simulator};

use crate::support::{ACCOUNT, Client, OTHER, athena_of, start};

#[tokio::test]
async fn a_rule_refuses_the_calls_it_names_and_no_others() {
    let simulator = start();
    let client = Client::new(&simulator);
    simulator.world().faults().add(FaultRule::throttling("ListQueryExecutions").of_account(ACCOUNT).times(2));
    simulator.world().faults().add(FaultRule::error("GetWorkGroup", "InternalServerException", 500).nth(2));
    for _ in 0..2 {
        let refused = client.refused("ListQueryExecutions", json!({})).await;
        assert_eq!(refused, ("ThrottlingException".to_owned(), "Rate exceeded".to_owned()));
    }
    client.ok("ListQueryExecutions", json!({})).await;
    Client::of(&simulator, OTHER).ok("ListQueryExecutions", json!({})).await;
    let primary = json!({ "WorkGroup": "primary" });
    client.ok("GetWorkGroup", primary.clone()).await;
    assert_eq!(client.call("GetWorkGroup", primary.clone()).await.status, 500);
    client.ok("GetWorkGroup", primary).await;

    let calls = simulator.world().calls().clone();
    assert_eq!(calls.count("ListQueryExecutions"), 4);
    assert_eq!(calls.count_by(ACCOUNT, "ListQueryExecutions"), 3);
    let ours =
        calls.all().into_iter().find(|count| count.account == ACCOUNT && count.operation == "ListQueryExecutions");
    let outcomes: Vec<_> = ours.unwrap().outcomes.into_iter().collect();
    assert_eq!(outcomes, [("ThrottlingException".to_owned(), 2), ("ok".to_owned(), 1)]);
    calls.reset();
    assert_eq!(calls.all(), []);
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_work_was_done() {
    let simulator = start();
    let client = Client::new(&simulator);
    let id = client.start("SELECT 1").await;
    simulator.world().faults().add(FaultRule::lost_answer("StopQueryExecution").times(1));
    let stop = json!({ "QueryExecutionId": id });
    assert_eq!(client.refused("StopQueryExecution", stop.clone()).await.0, "InternalServerException");
    assert_eq!(client.state(&id).await, "CANCELLED");
    client.ok("StopQueryExecution", stop).await;
    let view = athena_of(&simulator).query(&id).unwrap();
    assert_eq!((view.stop_calls, view.stopped_at), (2, view.completed_at));
    let outcomes: Vec<_> = simulator.world().calls().stops().into_iter().map(|stop| stop.outcome).collect();
    assert_eq!(outcomes, ["InternalServerException", "ok"]);
}

#[tokio::test]
async fn calls_can_be_held_back() {
    let simulator = Simulator::start(Settings { latency: Duration::from_millis(30), ..Settings::default() }).unwrap();
    let client = Client::new(&simulator);
    simulator.world().faults().add(FaultRule::delay("GetWorkGroup", Duration::from_millis(50)));
    for (operation, input, least) in
        [("ListWorkGroups", json!({}), 30), ("GetWorkGroup", json!({ "WorkGroup": "primary" }), 80)]
    {
        let start = Instant::now();
        client.ok(operation, input).await;
        assert!(start.elapsed() >= Duration::from_millis(least), "{operation}");
    }
}

#[tokio::test]
async fn rates_hold_per_account_and_operation() {
    let simulator = Simulator::start(Settings { rate_limits: true, ..Settings::default() }).unwrap();
    let client = Client::new(&simulator);
    let answers = futures_util::future::join_all((0..40).map(|_| client.call("ListQueryExecutions", json!({})))).await;
    let granted = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((10..15).contains(&granted), "{granted}");
    let throttled = answers.iter().find(|answer| answer.status != 200).unwrap();
    assert_eq!(throttled.body, json!({ "__type": "ThrottlingException", "message": "Rate exceeded" }));
    client.ok("ListWorkGroups", json!({})).await;
    Client::of(&simulator, OTHER).ok("ListQueryExecutions", json!({})).await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    client.ok("ListQueryExecutions", json!({})).await;
}
