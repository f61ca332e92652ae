//! What SageMaker answers about pipelines, recorded, and what we take it for.

use std::iter::repeat_n;

use lambda::CallErrorKind;
use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::{Value, json};

use super::*;

const ARN: &str = "arn:aws:sagemaker:eu-west-1:111111111111:pipeline/churn";

fn sagemaker(answers: impl IntoIterator<Item = Answer>) -> (SageMakerClient, Replay) {
    let (replay, aws) = Replay::of(answers);
    (SageMakerClient::new(&aws, "111111111111"), replay)
}

fn request(operation: &str, body: Value) -> (String, Value) {
    (operation.to_owned(), body)
}

fn at(instant: &str) -> Timestamp {
    instant.parse().unwrap()
}

#[test]
fn pipelines_are_listed_a_hundred_at_a_time() {
    let (sagemaker, replay) = sagemaker([
        Answer::ok(&json!({
            "PipelineSummaries": [
                {
                    "PipelineArn": ARN, "PipelineName": "Churn", "PipelineDisplayName": "Churn",
                    "RoleArn": "arn:aws:iam::111111111111:role/pipelines", "CreationTime": 1_763_719_200.123,
                    "LastModifiedTime": 1_763_719_200.123, "LastExecutionTime": 1_763_719_260.5,
                },
                {"PipelineArn": ARN},
            ],
            "NextToken": "page-2",
        })),
        Answer::ok(&json!({"PipelineSummaries": [
            {"PipelineArn": ARN.replace("churn", "new"), "PipelineName": "new", "CreationTime": 1_763_719_200.123},
        ]})),
    ]);
    let first = block_on(sagemaker.pipelines(None)).unwrap();
    let churn = Pipeline {
        key: "churn".to_owned(),
        name: "Churn".to_owned(),
        created_at: at("2025-11-21T10:00:00.123Z"),
        last_execution: Some(at("2025-11-21T10:01:00.5Z")),
    };
    // What has no name or no time cannot be judged.
    assert_eq!(first, Page { items: vec![churn], next: Some("page-2".to_owned()) });
    let second = block_on(sagemaker.pipelines(first.next)).unwrap();
    assert_eq!(second.items.first().map(|pipeline| pipeline.last_execution), Some(None));
    assert_eq!(second.next, None);
    assert_eq!(
        replay.requests(),
        [
            request("ListPipelines", json!({"MaxResults": 100})),
            request("ListPipelines", json!({"MaxResults": 100, "NextToken": "page-2"})),
        ]
    );
}

#[test]
fn executions_are_listed_newest_first() {
    let execution = |id: &str, state: &str| {
        json!({
            "PipelineExecutionArn": format!("{ARN}/execution/{id}"), "PipelineExecutionStatus": state,
            "StartTime": 1_763_719_200.123, "PipelineExecutionDisplayName": "execution-1",
        })
    };
    let states = ["Executing", "Stopping", "Succeeded", "Halted"];
    let listed: Vec<_> = states.iter().map(|state| execution(&state.to_ascii_lowercase(), state)).collect();
    let (sagemaker, replay) = sagemaker([Answer::ok(&json!({"PipelineExecutionSummaries": listed, "NextToken": ""}))]);
    let page = block_on(sagemaker.executions("Churn", None)).unwrap();
    let seen: Vec<_> = page.items.iter().map(|seen| (seen.id.as_str(), seen.state.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("churn/execution/executing", "Executing"),
            ("churn/execution/stopping", "Stopping"),
            ("churn/execution/succeeded", "Succeeded"),
            // A state that came after us is kept as it is.
            ("churn/execution/halted", "Halted"),
        ]
    );
    assert_eq!(page.items.first().map(|seen| seen.started_at), Some(at("2025-11-21T10:00:00.123Z")));
    assert_eq!(page.next, None);
    let body = json!({"PipelineName": "Churn", "SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 100});
    assert_eq!(replay.requests(), [request("ListPipelineExecutions", body)]);
}

/// Somebody whom SageMaker describes so goes by this name.
#[track_caller]
fn check_owner(created_by: &Value, owner: Option<&str>) {
    let (sagemaker, replay) = sagemaker([Answer::ok(&json!({
        "PipelineArn": ARN, "PipelineExecutionArn": format!("{ARN}/execution/e1"),
        "PipelineExecutionStatus": "Executing", "CreationTime": 1_763_719_200.123,
        "LastModifiedTime": 1_763_719_900.0, "CreatedBy": created_by,
    }))]);
    let described = block_on(sagemaker.execution("churn/execution/e1")).unwrap().unwrap();
    assert_eq!(described.created_by.as_deref(), owner, "{created_by}");
    assert_eq!(described.execution.started_at, at("2025-11-21T10:00:00.123Z"));
    let body = json!({"PipelineExecutionArn": format!("{ARN}/execution/e1")});
    assert_eq!(replay.requests(), [request("DescribePipelineExecution", body)]);
}

#[test]
fn whoever_started_an_execution_is_named_as_people_know_them() {
    let identity =
        json!({"Arn": "arn:aws:sts::111111111111:assumed-role/Studio/SageMaker", "PrincipalId": "AROA:SageMaker"});
    let mut signed_in = identity.clone();
    signed_in["SourceIdentity"] = json!("ana@example.com");
    check_owner(&json!({"UserProfileName": "ana", "DomainId": "d-1", "IamIdentity": identity}), Some("ana"));
    check_owner(&json!({"IamIdentity": signed_in}), Some("ana@example.com"));
    check_owner(&json!({"IamIdentity": identity}), Some("SageMaker"));
    check_owner(&json!({}), None);
    check_owner(&Value::Null, None);
}

#[test]
fn an_execution_is_told_to_stop_under_the_same_token_always() {
    let answer = || Answer::ok(&json!({"PipelineExecutionArn": format!("{ARN}/execution/e1")}));
    let (sagemaker, replay) = sagemaker([answer(), answer()]);
    for _ in 0..2 {
        assert_eq!(block_on(sagemaker.stop_execution("churn/execution/e1")), Ok(()));
    }
    let token = "sandbox-guardrails-stop-pipeline-execution-e1";
    assert!((32..=128).contains(&token.len()));
    let body = json!({"PipelineExecutionArn": format!("{ARN}/execution/e1"), "ClientRequestToken": token});
    assert_eq!(
        replay.requests(),
        [request("StopPipelineExecution", body.clone()), request("StopPipelineExecution", body)]
    );
    assert_eq!(request_token(&format!("p/execution/{}", "x".repeat(200))).len(), 128);
}

#[test]
fn a_pipelines_name_is_asked_by_its_arn() {
    let (sagemaker, replay) = sagemaker([Answer::ok(&json!({"PipelineArn": ARN, "PipelineName": "Churn"}))]);
    assert_eq!(block_on(sagemaker.pipeline_name("churn")), Ok(Some("Churn".to_owned())));
    assert_eq!(replay.requests(), [request("DescribePipeline", json!({"PipelineName": ARN}))]);
}

#[test]
fn a_call_that_is_throttled_once_succeeds() {
    let throttled = || Answer::error(400, "ThrottlingException", &Value::Null);
    let (sagemaker, replay) = sagemaker([throttled(), Answer::ok(&json!({"PipelineSummaries": []}))]);
    assert_eq!(block_on(sagemaker.pipelines(None)).map(|page| page.items), Ok(vec![]));
    assert_eq!(replay.requests().len(), 2);
}

/// Every operation that gets this answer fails as this kind, under its own name.
fn check_failure(code: &str, kind: CallErrorKind) {
    type Call = fn(&SageMakerClient) -> Result<(), CallError>;
    let calls: [(&str, Call); 5] = [
        ("sagemaker:ListPipelines", |sagemaker| block_on(sagemaker.pipelines(None)).map(drop)),
        ("sagemaker:DescribePipeline", |sagemaker| block_on(sagemaker.pipeline_name("churn")).map(drop)),
        ("sagemaker:ListPipelineExecutions", |sagemaker| block_on(sagemaker.executions("Churn", None)).map(drop)),
        ("sagemaker:DescribePipelineExecution", |sagemaker| {
            block_on(sagemaker.execution("churn/execution/e1")).map(drop)
        }),
        ("sagemaker:StopPipelineExecution", |sagemaker| block_on(sagemaker.stop_execution("churn/execution/e1"))),
    ];
    for (operation, call) in calls {
        let (sagemaker, _) = sagemaker([Answer::error(400, code, &Value::Null)]);
        let error = call(&sagemaker).unwrap_err();
        assert_eq!((error.operation, error.kind), (operation, kind), "{code}: {error}");
        let known = [SageMakerClient::WATCH_ACTIONS, SageMakerClient::ENFORCE_ACTIONS].concat();
        assert!(known.contains(&operation), "`{operation}` is declared");
    }
}

#[test]
fn failures_have_a_kind() {
    check_failure("AccessDeniedException", CallErrorKind::Denied);
    check_failure("ResourceNotFound", CallErrorKind::Missing);
    check_failure("ValidationException", CallErrorKind::Invalid);
}

/// All clients of a process share what the SDK allows for retries, so that tests which use it up are few.
#[test]
fn what_fails_at_each_attempt_fails_for_good() {
    for (answer, kind) in [
        (Answer::error(400, "ThrottlingException", &Value::Null), CallErrorKind::Throttled),
        (Answer::error(500, "InternalFailure", &Value::Null), CallErrorKind::Unavailable),
        (Answer::Lost, CallErrorKind::Unavailable),
        (Answer::Silence, CallErrorKind::Unavailable),
    ] {
        let (sagemaker, _) = sagemaker(repeat_n(answer.clone(), 6));
        let error = block_on(sagemaker.pipelines(None)).unwrap_err();
        assert_eq!((error.operation, error.kind), ("sagemaker:ListPipelines", kind), "{answer:?}");
    }
}
