//! The routes under `/_simulator/`, as a bench in another language uses them.

use serde_json::json;

use crate::support::{Client, start};

const ATHENA: &str = "accounts/111111111111/eu-west-1/athena";

#[tokio::test]
async fn a_bench_arranges_and_watches_over_http() {
    let simulator = start();
    let client = Client::new(&simulator);
    let spec = json!({ "workgroup": "etl", "age": "28m", "queue": "PT5S", "runs_for": "1h", "outcome": "fails" });
    let (status, started) = client.control("POST", &format!("{ATHENA}/queries"), Some(spec)).await;
    assert_eq!(status, 201);
    let id = started["id"].as_str().unwrap();
    assert_eq!(client.state(id).await, "RUNNING");
    let (_, active) = client.control("GET", &format!("{ATHENA}/queries"), None).await;
    assert_eq!(active["queries"][0]["id"], id);
    let (_, health) = client.control("GET", "health", None).await;
    assert_eq!(health, json!({ "status": "ok", "accounts": 1, "active_workloads": 1 }));

    let (_, finished) = client.control("POST", &format!("{ATHENA}/queries/{id}/finish"), None).await;
    assert_eq!(finished["state"], "FAILED");
    client.ok("StopQueryExecution", json!({ "QueryExecutionId": id })).await;
    let (_, view) = client.control("GET", &format!("{ATHENA}/queries/{id}"), None).await;
    assert_eq!((&view["stop_calls"], &view["stopped_at"]), (&json!(1), &json!(null)));

    let history = json!({ "count": 120, "spacing": "5s", "newest_age": "1h" });
    let (status, seeded) = client.control("POST", &format!("{ATHENA}/history"), Some(history)).await;
    assert_eq!((status, seeded["ids"].as_array().unwrap().len()), (201, 120));
    let newest = client.ok("ListQueryExecutions", json!({ "MaxResults": 1 })).await;
    assert_eq!(newest["QueryExecutionIds"][0], seeded["ids"][0]);

    let (_, calls) = client.control("GET", "calls", None).await;
    assert_eq!(calls["calls"].as_array().unwrap().len(), 3);
    assert_eq!(calls["stops"][0]["id"], id);
    assert_eq!(client.control("DELETE", "calls", None).await.0, 204);
    assert_eq!(client.control("GET", "calls", None).await.1, json!({ "calls": [], "stops": [], "changes": [] }));

    let (status, group) = client.control("PUT", &format!("{ATHENA}/workgroups/adhoc"), None).await;
    assert_eq!((status, &group["state"]), (200, &json!("ENABLED")));
    assert_eq!(client.control("GET", &format!("{ATHENA}/workgroups/adhoc"), None).await.1, group);
    let (_, all) = client.control("GET", &format!("{ATHENA}/workgroups"), None).await;
    assert_eq!((&all["workgroups"][0], &all["workgroups"][2]["name"]), (&group, &json!("primary")));
}

#[tokio::test]
async fn faults_and_deliveries_are_set_over_http_and_reset() {
    let simulator = start();
    let client = Client::new(&simulator);
    let error = json!({ "code": "TooManyRequestsException" });
    let rule = json!({ "service": "athena", "operation": "ListWorkGroups", "every": 2, "error": error });
    assert_eq!(client.control("POST", "faults", Some(rule)).await.0, 201);
    client.ok("ListWorkGroups", json!({})).await;
    assert_eq!(client.refused("ListWorkGroups", json!({})).await.0, "TooManyRequestsException");
    let (_, faults) = client.control("GET", "faults", None).await;
    assert_eq!((&faults["faults"][0]["seen"], &faults["faults"][0]["hit"]), (&json!(2), &json!(1)));
    assert_eq!(client.control("DELETE", "faults", None).await.0, 204);
    client.ok("ListWorkGroups", json!({})).await;

    assert_eq!(client.control("PUT", "events", Some(json!({ "copies": 2 }))).await.0, 204);
    assert_eq!(client.control("GET", "events", None).await.1["faults"]["copies"], 2);
    client.start("SELECT 1").await;
    assert_eq!(client.control("POST", "reset", None).await.0, 204);
    assert_eq!(client.control("GET", "events", None).await.1["faults"]["copies"], 1);
    assert_eq!(client.control("GET", "health", None).await.1["accounts"], 0);
}

#[tokio::test]
async fn mistakes_are_told() {
    let simulator = start();
    let client = Client::new(&simulator);
    let short = client.control("GET", "accounts/12/eu-west-1/athena/queries", None).await;
    assert_eq!(short, (400, json!({ "error": "expected an account id of twelve digits, found `12`" })));
    let unknown = client.control("GET", &format!("{ATHENA}/queries/none"), None).await;
    assert_eq!(unknown, (404, json!({ "error": "there is no query `none`" })));
    assert_eq!(client.control("GET", &format!("{ATHENA}/workgroups/none"), None).await.0, 404);
    for spec in [json!({ "agee": "5m" }), json!({ "age": "-5m" }), json!({ "age": 300 })] {
        let (status, _) = client.control("POST", &format!("{ATHENA}/queries"), Some(spec.clone())).await;
        assert_eq!(status, 422, "{spec}");
    }
}
