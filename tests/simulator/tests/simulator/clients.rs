//! AWS's own clients: boto3 with every answer held against the published models, and the AWS CLI as a person uses it.
//!
//! `STAGE_PYTHON` names the interpreter of a virtual environment with `boto3` and `awscli`.

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use workload_simulator::{ClusterSpec, QueryState, Simulator};

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
fn every_answer_is_of_the_published_models() {
    let simulator = start();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/validate.py");
    // Without -B the interpreter would leave its bytecode beside the scripts.
    let arguments = ["-B", script, "--url", &simulator.url(), "--account", ACCOUNT, "--region", REGION];
    let output = run(Command::new(python()).args(arguments));
    println!("{}", text(&output.stdout));
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

fn aws(simulator: &Simulator, arguments: &[&str]) -> Output {
    run(Command::new(python())
        .args(["-m", "awscli", "--region", REGION, "--endpoint-url", &simulator.url(), "--output", "json"])
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
    let started = answer(&simulator, &["athena", "start-query-execution", "--query-string", sql]);
    let id = started["QueryExecutionId"].as_str().unwrap();
    let listed = answer(&simulator, &["athena", "list-query-executions"]);
    assert_eq!(listed, json!({ "QueryExecutionIds": [id] }));
    let query = answer(&simulator, &["athena", "get-query-execution", "--query-execution-id", id]);
    assert_eq!(query["QueryExecution"]["Status"]["State"], "RUNNING");
    assert_eq!(answer(&simulator, &["athena", "stop-query-execution", "--query-execution-id", id]), Value::Null);
    let query = answer(&simulator, &["athena", "get-query-execution", "--query-execution-id", id]);
    assert_eq!(query["QueryExecution"]["Status"]["State"], "CANCELLED");
    assert_eq!(athena_of(&simulator).query(id).unwrap().state, QueryState::Cancelled);

    let refused = aws(&simulator, &["athena", "stop-query-execution", "--query-execution-id", "unknown"]);
    assert!(!refused.status.success());
    let expected = "An error occurred (InvalidRequestException) when calling the StopQueryExecution operation: \
                    QueryExecution unknown was not found";
    assert!(text(&refused.stderr).contains(expected), "{}", text(&refused.stderr));
}

#[test]
fn the_aws_cli_runs_a_cluster_cancels_its_step_and_finds_out_who_started_it() {
    let simulator = start();
    let emr = simulator.world().account(ACCOUNT, REGION).emr();
    let cluster = emr.start(ClusterSpec {
        age: Duration::from_secs(3_600),
        started_by: Some("anna".to_owned()),
        ..ClusterSpec::default()
    });
    let steps = "Type=CUSTOM_JAR,Jar=command-runner.jar,Name=long,ActionOnFailure=CONTINUE,Args=[sleep,1h]";
    let added = answer(&simulator, &["emr", "add-steps", "--cluster-id", &cluster, "--steps", steps]);
    let step = added["StepIds"][0].as_str().unwrap();
    let listed = answer(&simulator, &["emr", "list-steps", "--cluster-id", &cluster, "--step-states", "RUNNING"]);
    assert_eq!(listed["Steps"][0]["Id"], step);
    let cancelled = answer(&simulator, &["emr", "cancel-steps", "--cluster-id", &cluster, "--step-ids", step]);
    assert_eq!(cancelled["CancelStepsInfoList"], json!([{ "StepId": step, "Status": "SUBMITTED" }]));
    assert_eq!(answer(&simulator, &["emr", "list-clusters", "--active"])["Clusters"][0]["Status"]["State"], "WAITING");
    let described = answer(&simulator, &["emr", "describe-cluster", "--cluster-id", &cluster]);
    assert_eq!(described["Cluster"]["InstanceGroups"].as_array().unwrap().len(), 2);
    assert_eq!(answer(&simulator, &["emr", "terminate-clusters", "--cluster-ids", &cluster]), Value::Null);

    let attribute = format!("AttributeKey=ResourceName,AttributeValue={cluster}");
    let found = answer(&simulator, &["cloudtrail", "lookup-events", "--lookup-attributes", &attribute]);
    assert_eq!(found["Events"][1]["Username"], "anna");
}
