//! AWS's own clients: boto3 with every answer held against the published model, and the AWS CLI as a person uses it.
//!
//! `STAGE_PYTHON` names the interpreter of a virtual environment with `boto3` and `awscli`.

use std::process::{Command, Output};

use serde_json::{Value, json};
use workload_simulator::{QueryState, Simulator};

use crate::support::{ACCOUNT, REGION, athena_of, start};

#[expect(clippy::disallowed_methods, reason = "which interpreter has the clients is known outside only")]
fn python() -> String {
    std::env::var("STAGE_PYTHON")
        .expect("STAGE_PYTHON is not set: name the python of a virtual environment with boto3 and awscli")
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("could not run {command:?}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_answer_is_of_the_published_model() {
    let simulator = start();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/validate.py");
    let output =
        run(Command::new(python()).args([script, "--url", &simulator.url(), "--account", ACCOUNT, "--region", REGION]));
    println!("{}", text(&output.stdout));
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

fn aws(simulator: &Simulator, arguments: &[&str]) -> Output {
    run(Command::new(python())
        .args(["-m", "awscli", "--region", REGION, "--endpoint-url", &simulator.url(), "--output", "json", "athena"])
        .args(arguments)
        .env("AWS_ACCESS_KEY_ID", ACCOUNT)
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_PROFILE"))
}

fn answer(simulator: &Simulator, arguments: &[&str]) -> Value {
    let output = aws(simulator, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

#[test]
fn the_aws_cli_starts_lists_looks_at_and_stops_a_query() {
    let simulator = start();
    let sql = "SELECT 1 -- simulate: age 28m, queue 5s";
    let started = answer(&simulator, &["start-query-execution", "--query-string", sql]);
    let id = started["QueryExecutionId"].as_str().unwrap();
    let listed = answer(&simulator, &["list-query-executions"]);
    assert_eq!(listed, json!({ "QueryExecutionIds": [id] }));
    let query = answer(&simulator, &["get-query-execution", "--query-execution-id", id]);
    assert_eq!(query["QueryExecution"]["Status"]["State"], "RUNNING");
    assert_eq!(answer(&simulator, &["stop-query-execution", "--query-execution-id", id]), Value::Null);
    let query = answer(&simulator, &["get-query-execution", "--query-execution-id", id]);
    assert_eq!(query["QueryExecution"]["Status"]["State"], "CANCELLED");
    assert_eq!(athena_of(&simulator).query(id).unwrap().state, QueryState::Cancelled);

    let refused = aws(&simulator, &["stop-query-execution", "--query-execution-id", "unknown"]);
    assert!(!refused.status.success());
    let expected = "An error occurred (InvalidRequestException) when calling the StopQueryExecution operation: \
                    QueryExecution unknown was not found";
    assert!(text(&refused.stderr).contains(expected), "{}", text(&refused.stderr));
}
