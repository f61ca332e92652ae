//! SageMaker's events: which there are, and what they say.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use workload_simulator::{AppSpec, EndpointSpec, EventFaults, ExecutionSpec, JobSpec, NotebookSpec};

use super::{JOBS, client_of, millis, sagemaker_of, secs};
use crate::bus::with_bus;
use crate::support::token;

#[tokio::test]
async fn an_execution_announces_its_states() {
    let (bus, simulator) = with_bus(EventFaults::default()).await;
    let sagemaker = sagemaker_of(&simulator);
    sagemaker.seed_pipelines(10, 5, millis(5), secs(60));
    let arn = sagemaker.start_execution(ExecutionSpec {
        display_name: Some("monday".to_owned()),
        runs_for: Some(millis(60_000)),
        ..ExecutionSpec::default()
    });
    bus.wait_for(1).await;
    let input = json!({ "PipelineExecutionArn": arn, "ClientRequestToken": token() });
    client_of(&simulator).ok("StopPipelineExecution", input).await;
    let details = bus.wait_for(3).await;
    let started = &details[0]["executionStartTime"];
    assert!(started.as_str().unwrap().ends_with('Z'));
    let pipeline = "arn:aws:sagemaker:eu-west-1:111111111111:pipeline/pipeline";
    let expected = |state: &str, from: Option<&str>| {
        let mut detail = json!({
            "pipelineArn": pipeline,
            "pipelineExecutionArn": arn,
            "pipelineExecutionDisplayName": "monday",
            "currentPipelineExecutionStatus": state,
            "executionStartTime": started,
        });
        if let Some(from) = from {
            detail["previousPipelineExecutionStatus"] = json!(from);
        }
        detail
    };
    assert_eq!(details[..2], [expected("Executing", None), expected("Stopping", Some("Executing"))]);
    let mut stopped = expected("Stopped", Some("Stopping"));
    stopped["executionEndTime"] = details[2]["executionEndTime"].clone();
    assert_eq!(details[2], stopped);
    assert!(details[2]["executionEndTime"].is_string());
    let entry = &bus.entries()[0];
    assert_eq!(entry["Source"], "aws.sagemaker");
    assert_eq!(entry["DetailType"], "SageMaker Model Building Pipeline Execution Status Change");
    assert_eq!(entry["Resources"], json!([pipeline, arn]));
}

#[tokio::test]
async fn jobs_notebooks_and_endpoints_announce_theirs_and_others_nothing() {
    let (bus, simulator) = with_bus(EventFaults::default()).await;
    let sagemaker = sagemaker_of(&simulator);
    let tags = BTreeMap::from([("owner".to_owned(), "alice".to_owned())]);
    for (kind, ..) in JOBS {
        let (name, tags) = (Some("nightly".to_owned()), tags.clone());
        sagemaker.start_job(JobSpec {
            kind,
            name,
            tags,
            runs_for: Some(millis(50)),
            fails: true,
            ..JobSpec::default()
        });
    }
    sagemaker.start_app(AppSpec::default());
    sagemaker.start_notebook(NotebookSpec { tags, ..NotebookSpec::default() });
    sagemaker.start_endpoint(EndpointSpec::default());
    let details = bus.wait_for(11).await;
    tokio::time::sleep(millis(100)).await;
    assert_eq!(bus.details().len(), 11);
    let entries = bus.entries();
    let of = |kind: &str| -> Vec<Value> {
        let kind = format!("SageMaker {kind} State Change");
        let matching = entries.iter().zip(&details).filter(|(entry, _)| entry["DetailType"] == *kind);
        matching.map(|(_, detail)| detail.clone()).collect()
    };
    for (kind, stem) in [
        ("Training Job", "TrainingJob"),
        ("Processing Job", "ProcessingJob"),
        ("Transform Job", "TransformJob"),
        ("HyperParameter Tuning Job", "HyperParameterTuningJob"),
    ] {
        let events = of(kind);
        let states: Vec<&Value> = events.iter().map(|event| &event[format!("{stem}Status")]).collect();
        assert_eq!(states, ["InProgress", "Failed"], "{kind}");
        assert_eq!(events[0].get("FailureReason"), None);
        assert!(events[1]["FailureReason"].is_string());
        assert!(events[1]["CreationTime"].as_i64().unwrap() > 1_700_000_000_000, "{kind}: epoch milliseconds");
        let tagged = (stem != "ProcessingJob").then(|| json!({ "owner": "alice" }));
        assert_eq!(events[1].get("Tags"), tagged.as_ref(), "{kind}");
    }
    let notebook = &of("Notebook Instance")[0];
    assert_eq!(notebook["NotebookInstanceStatus"], "InService");
    assert_eq!(notebook["Tags"], json!({ "owner": "alice" }));
    let endpoint: Vec<Value> = of("Endpoint").iter().map(|event| event["EndpointStatus"].clone()).collect();
    assert_eq!(endpoint, ["CREATING", "IN_SERVICE"]);
}
