//! What SageMaker answers about notebook instances, recorded, and what we take it for.

use lambda::CallErrorKind;
use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::{Value, json};

use super::*;

fn sagemaker(answers: impl IntoIterator<Item = Answer>) -> (SageMakerClient, Replay) {
    let (replay, aws) = Replay::of(answers);
    (SageMakerClient::new(&aws, "111111111111"), replay)
}

fn sent(state: &str) -> Value {
    json!({
        "NotebookInstanceName": "Ana", "NotebookInstanceStatus": state, "InstanceType": "ml.t3.medium",
        "NotebookInstanceArn": "arn:aws:sagemaker:eu-west-1:111111111111:notebook-instance/ana",
        "CreationTime": 1_763_000_000.0, "LastModifiedTime": 1_763_719_200.123,
    })
}

fn notebook(state: &str) -> Notebook {
    Notebook {
        name: "Ana".to_owned(),
        arn: "arn:aws:sagemaker:eu-west-1:111111111111:notebook-instance/ana".to_owned(),
        state: state.to_owned(),
        changed_at: "2025-11-21T10:00:00.123Z".parse().unwrap(),
    }
}

#[test]
fn notebooks_are_listed_a_hundred_at_a_time() {
    let (sagemaker, replay) = sagemaker([
        Answer::error(400, "ThrottlingException", &Value::Null),
        Answer::ok(&json!({"NotebookInstances": [sent("InService"), {"NotebookInstanceName": "x"}], "NextToken": "2"})),
        Answer::ok(&json!({"NotebookInstances": [sent("Hibernating")]})),
    ]);
    let first = block_on(sagemaker.notebooks(None)).unwrap();
    assert_eq!(first, Page { items: vec![notebook("InService")], next: Some("2".to_owned()) });
    assert_eq!(block_on(sagemaker.notebooks(first.next)).unwrap().items, [notebook("Hibernating")]);
    let bodies: Vec<Value> = replay.requests().into_iter().map(|(_, body)| body).collect();
    assert_eq!(
        bodies,
        [json!({"MaxResults": 100}), json!({"MaxResults": 100}), json!({"MaxResults": 100, "NextToken": "2"})]
    );
}

#[test]
fn a_notebook_tells_what_its_users_may_do() {
    let mut described = sent("InService");
    described["DirectInternetAccess"] = json!("Enabled");
    described["RootAccess"] = json!("Disabled");
    let (sagemaker, replay) = sagemaker([Answer::ok(&described), Answer::ok(&sent("Pending")), Answer::ok(&json!({}))]);
    let access = Access { internet: Some("Enabled".to_owned()), root: Some("Disabled".to_owned()) };
    assert_eq!(block_on(sagemaker.notebook("Ana")), Ok(Some((notebook("InService"), access))));
    let nothing = Access { internet: None, root: None };
    assert_eq!(block_on(sagemaker.notebook("Ana")), Ok(Some((notebook("Pending"), nothing))));
    assert_eq!(block_on(sagemaker.notebook("Ana")), Ok(None));
    assert_eq!(
        replay.requests().first(),
        Some(&("DescribeNotebookInstance".to_owned(), json!({"NotebookInstanceName": "Ana"})))
    );
}

#[test]
fn a_notebook_is_told_to_stop() {
    let (sagemaker, replay) = sagemaker([Answer::ok(&json!({}))]);
    assert_eq!(block_on(sagemaker.stop_notebook("Ana")), Ok(()));
    assert_eq!(replay.requests(), [("StopNotebookInstance".to_owned(), json!({"NotebookInstanceName": "Ana"}))]);
}

#[test]
fn every_call_fails_under_its_own_name() {
    type Call = fn(&SageMakerClient) -> Result<(), CallError>;
    let calls: [(&str, Call); 3] = [
        ("sagemaker:ListNotebookInstances", |sagemaker| block_on(sagemaker.notebooks(None)).map(drop)),
        ("sagemaker:DescribeNotebookInstance", |sagemaker| block_on(sagemaker.notebook("Ana")).map(drop)),
        ("sagemaker:StopNotebookInstance", |sagemaker| block_on(sagemaker.stop_notebook("Ana"))),
    ];
    for (operation, call) in calls {
        let (sagemaker, _) = sagemaker([Answer::error(400, "AccessDeniedException", &Value::Null)]);
        let error = call(&sagemaker).unwrap_err();
        assert_eq!((error.operation, error.kind), (operation, CallErrorKind::Denied));
        assert!(SageMakerClient::ENFORCE_ACTIONS.contains(&operation));
    }
}
