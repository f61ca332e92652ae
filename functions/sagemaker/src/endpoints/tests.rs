//! What SageMaker answers about endpoints, recorded, and what is seen of them.

use lambda::CallErrorKind;
use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::*;
use crate::fakes::{FakeSageMaker, ago, ids, minutes};

#[test]
fn endpoints_are_listed_a_hundred_at_a_time() {
    let endpoint = json!({
        "EndpointName": "Churn", "EndpointArn": "arn:aws:sagemaker:eu-west-1:111111111111:endpoint/churn",
        "EndpointStatus": "InService", "CreationTime": 1_763_719_200.123, "LastModifiedTime": 1_763_719_300.0,
    });
    let (replay, aws) = Replay::of([
        Answer::error(400, "ThrottlingException", &Value::Null),
        Answer::ok(&json!({"Endpoints": [endpoint, {"EndpointName": "x"}], "NextToken": "2"})),
        Answer::ok(&json!({"Endpoints": []})),
    ]);
    let sagemaker = SageMakerClient::new(&aws, "111111111111");
    let page = block_on(sagemaker.endpoints(None)).unwrap();
    let churn = Endpoint {
        name: "Churn".to_owned(),
        arn: "arn:aws:sagemaker:eu-west-1:111111111111:endpoint/churn".to_owned(),
        state: "InService".to_owned(),
        created_at: "2025-11-21T10:00:00.123Z".parse().unwrap(),
    };
    assert_eq!(page, Page { items: vec![churn], next: Some("2".to_owned()) });
    assert_eq!(block_on(sagemaker.endpoints(page.next)), Ok(Page { items: vec![], next: None }));
    let last = replay.requests().pop();
    assert_eq!(last, Some(("ListEndpoints".to_owned(), json!({"MaxResults": 100, "NextToken": "2"}))));

    let (_, aws) = Replay::of([Answer::error(400, "AccessDeniedException", &Value::Null)]);
    let error = block_on(SageMakerClient::new(&aws, "111111111111").endpoints(None)).unwrap_err();
    assert_eq!((error.operation, error.kind), ("sagemaker:ListEndpoints", CallErrorKind::Denied));
}

#[test]
fn every_endpoint_counts_until_it_is_deleted() {
    let sagemaker = FakeSageMaker::default();
    for state in ["InService", "Creating", "OutOfService", "Failed", "Deleting", "Sleeping"] {
        sagemaker.endpoint(state, minutes(30), state);
    }
    let seen = block_on(sweep(&sagemaker, &Line::open()));
    let expected =
        ["endpoint/Creating", "endpoint/Failed", "endpoint/InService", "endpoint/OutOfService", "endpoint/Sleeping"];
    assert_eq!(ids(&seen.observations), expected);
    assert_eq!(seen.observations.first().map(|seen| seen.started_at), Some(ago(minutes(30))));
    assert_eq!(seen.whole, BTreeSet::from([ENDPOINT]));
    sagemaker.fail(LIST_ENDPOINTS, None, CallErrorKind::Denied, 1);
    let seen = block_on(sweep(&sagemaker, &Line::open()));
    assert_eq!((seen.observations.len(), seen.whole.len(), seen.problems.len()), (0, 0, 1));
}
