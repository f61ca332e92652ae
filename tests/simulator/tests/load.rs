//! Speed: a bench of hundreds of accounts must measure the functions, not the simulator.
//!
//! It has a binary of its own because cargo runs those one after another, so nothing else competes for the machine.

use std::time::{Duration, Instant};

use serde_json::json;
use workload_simulator::{Settings, Simulator};

const CALLS: usize = 2_000;

#[tokio::test]
async fn a_call_takes_less_than_a_millisecond_with_a_long_history() {
    let simulator = Simulator::start(Settings::default()).unwrap();
    let athena = simulator.world().account("111111111111", "eu-west-1").athena();
    let minute = Duration::from_secs(60);
    let start = Instant::now();
    let history = athena.seed_history("primary", 10_000, minute, minute);
    let seeding = start.elapsed();
    assert_eq!(history.len(), 10_000);

    let client = reqwest::Client::new();
    let mut times = Vec::with_capacity(CALLS);
    for (call, id) in history.iter().take(CALLS).enumerate() {
        let (operation, input) = if call % 2 == 0 {
            ("ListQueryExecutions", json!({}))
        } else {
            ("GetQueryExecution", json!({ "QueryExecutionId": id }))
        };
        let start = Instant::now();
        let answer = client
            .post(simulator.url())
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("AmazonAthena.{operation}"))
            .header("x-stage-account", "111111111111")
            .header("x-stage-region", "eu-west-1")
            .body(input.to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{operation}");
        answer.bytes().await.unwrap();
        times.push(start.elapsed());
    }
    times.sort();
    let (median, slow) = (times[CALLS / 2], times[CALLS * 99 / 100]);
    println!("10,000 queries seeded in {seeding:?}; a call takes {median:?}, one in a hundred more than {slow:?}");
    assert!(seeding < Duration::from_secs(2), "seeding took {seeding:?}");
    assert!(median < Duration::from_millis(1), "a call takes {median:?}");
}
