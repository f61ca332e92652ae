//! Tags: what SageMaker answers, recorded, and how they are put to what was seen.

use guardrail::ScopeKind;
use lambda::CallErrorKind;
use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::{Value, json};

use super::*;
use crate::fakes::{FakeSageMaker, ids, minutes, now};

#[test]
fn tags_are_read_page_by_page() {
    let arn = "arn:aws:sagemaker:eu-west-1:111111111111:training-job/fit";
    let (replay, aws) = Replay::of([
        Answer::error(400, "ThrottlingException", &Value::Null),
        Answer::ok(&json!({"Tags": [{"Key": "owner", "Value": "ana"}, {"Key": "odd"}], "NextToken": "2"})),
    ]);
    let page = block_on(SageMakerClient::new(&aws, "111111111111").tags(arn, None)).unwrap();
    assert_eq!(page, Page { items: vec![("owner".to_owned(), "ana".to_owned())], next: Some("2".to_owned()) });
    let last = replay.requests().pop();
    assert_eq!(last, Some(("ListTags".to_owned(), json!({"ResourceArn": arn, "MaxResults": 100}))));
    let (_, aws) = Replay::of([Answer::error(400, "AccessDeniedException", &Value::Null)]);
    let error = block_on(SageMakerClient::new(&aws, "111111111111").tags(arn, None)).unwrap_err();
    assert_eq!((error.operation, error.kind), (LIST_TAGS, CallErrorKind::Denied));
}

/// Two jobs and an execution, seen.
fn seen() -> Sighting {
    let mut sighting = Sighting::default();
    for name in ["fit", "tune"] {
        let observation = Observation::new("training job", format!("training-job/{name}"), "InProgress", now());
        sighting.see(observation, Some(&format!("arn:aws:sagemaker:eu-west-1:111111111111:training-job/{name}")));
    }
    sighting.see(Observation::new("pipeline execution", "p/execution/e", "Executing", now()), None);
    sighting.whole.extend(["training job", "pipeline execution"]);
    sighting
}

#[test]
fn tags_are_read_once_an_hour() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    sagemaker.tag("training-job/fit", "owner", "ana");
    sagemaker.tag("training-job/fit", "user-type", "analyst");
    for (after, calls) in [(0, 2), (1, 0), (59, 0), (60, 2)] {
        let mut sighting = seen();
        block_on(memory.put(&sagemaker, &Line::open(), &mut sighting, now() + minutes(after)));
        assert_eq!(sagemaker.calls().values().sum::<usize>(), calls, "after {after} minutes");
        assert_eq!(sighting.observations.len(), 3);
        let fit = sighting.observations.first().unwrap();
        assert_eq!(fit.owner.as_deref(), Some("ana"));
        assert_eq!(fit.scopes.get(&ScopeKind::UserType).map(String::as_str), Some("analyst"));
    }
    memory.forget();
    block_on(memory.put(&sagemaker, &Line::open(), &mut seen(), now() + minutes(61)));
    assert_eq!(sagemaker.calls().get(LIST_TAGS), Some(&2));
}

#[test]
fn what_has_tags_that_cannot_be_read_is_not_judged() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    let arn = "arn:aws:sagemaker:eu-west-1:111111111111:training-job/fit";
    sagemaker.fail(LIST_TAGS, Some(arn), CallErrorKind::Throttled, 1);
    let mut sighting = seen();
    block_on(memory.put(&sagemaker, &Line::open(), &mut sighting, now()));
    assert_eq!(ids(&sighting.observations), ["p/execution/e", "training-job/tune"]);
    assert!(sighting.unseen.contains("training-job/fit"));
    assert_eq!(sighting.whole.into_iter().collect::<Vec<_>>(), ["pipeline execution"]);
    assert_eq!(sighting.problems.len(), 1);
}
