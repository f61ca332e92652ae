//! What SageMaker answers about jobs, recorded, and what we take it for.

use lambda::CallErrorKind;
use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::{Value, json};

use super::*;
use crate::client::SageMakerClient;

fn sagemaker(answers: impl IntoIterator<Item = Answer>) -> (SageMakerClient, Replay) {
    let (replay, aws) = Replay::of(answers);
    (SageMakerClient::new(&aws, "111111111111"), replay)
}

/// What the operations and members of a kind are called.
fn words(kind: JobKind) -> (&'static str, &'static str, &'static str) {
    match kind {
        JobKind::Training => ("TrainingJob", "TrainingJobSummaries", "DescribeTrainingJob"),
        JobKind::Processing => ("ProcessingJob", "ProcessingJobSummaries", "DescribeProcessingJob"),
        JobKind::Transform => ("TransformJob", "TransformJobSummaries", "DescribeTransformJob"),
        JobKind::Tuning => {
            ("HyperParameterTuningJob", "HyperParameterTuningJobSummaries", "DescribeHyperParameterTuningJob")
        }
        JobKind::AutoMl => ("AutoMLJob", "AutoMLJobSummaries", "DescribeAutoMLJobV2"),
    }
}

fn arn(kind: JobKind) -> String {
    format!("arn:aws:sagemaker:eu-west-1:111111111111:{}/fit", kind.prefix())
}

/// A job as SageMaker sends it.
fn sent(kind: JobKind, state: &str) -> Value {
    let (stem, ..) = words(kind);
    json!({
        format!("{stem}Name"): "Fit", format!("{stem}Arn"): arn(kind), format!("{stem}Status"): state,
        "CreationTime": 1_763_719_200.123, "LastModifiedTime": 1_763_719_300.0,
    })
}

fn job(kind: JobKind, state: &str) -> Job {
    let created_at = "2025-11-21T10:00:00.123Z".parse().unwrap();
    Job { kind, name: "Fit".to_owned(), arn: arn(kind), state: state.to_owned(), created_at }
}

#[test]
fn jobs_in_progress_are_listed_a_hundred_at_a_time() {
    for kind in JobKind::ALL {
        let (stem, summaries, _) = words(kind);
        let nameless = json!({format!("{stem}Status"): "InProgress"});
        let (sagemaker, replay) = sagemaker([
            Answer::ok(&json!({summaries: [sent(kind, "InProgress"), nameless], "NextToken": "page-2"})),
            Answer::ok(&json!({summaries: []})),
        ]);
        let first = block_on(sagemaker.in_progress(kind, None)).unwrap();
        assert_eq!(first, Page { items: vec![job(kind, "InProgress")], next: Some("page-2".to_owned()) });
        assert_eq!(block_on(sagemaker.in_progress(kind, first.next)), Ok(Page { items: vec![], next: None }));
        let list = format!("List{stem}s");
        assert_eq!(kind.list_action(), format!("sagemaker:{list}"));
        assert_eq!(
            replay.requests(),
            [
                (list.clone(), json!({"StatusEquals": "InProgress", "MaxResults": 100})),
                (list, json!({"StatusEquals": "InProgress", "MaxResults": 100, "NextToken": "page-2"})),
            ]
        );
    }
}

/// A job of which SageMaker says this beside its name and state holds these instances.
#[track_caller]
fn check_instances(kind: JobKind, rest: &Value, expected: &[&[(&str, u64)]]) {
    let (stem, _, describe) = words(kind);
    let mut answer = sent(kind, "Paused");
    answer.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    let (sagemaker, replay) = sagemaker([Answer::ok(&answer)]);
    let described = block_on(sagemaker.job(kind, "Fit")).unwrap().unwrap();
    // A state that came after us is kept as it is.
    assert_eq!(described.job, job(kind, "Paused"));
    let instances = described
        .instances
        .iter()
        .map(|choice| choice.iter().map(|held| (held.instance_type.as_str(), held.count)).collect::<Vec<_>>());
    assert_eq!(instances.collect::<Vec<_>>(), expected, "{rest}");
    assert_eq!(replay.requests(), [(describe.to_owned(), json!({format!("{stem}Name"): "Fit"}))]);
}

#[test]
fn a_job_tells_its_instances() {
    let two = json!({"InstanceType": "ml.g5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 30});
    let both: &[&[(&str, u64)]] = &[&[("ml.g5.xlarge", 2)]];
    check_instances(JobKind::Training, &json!({"ResourceConfig": two}), both);
    check_instances(JobKind::Processing, &json!({"ProcessingResources": {"ClusterConfig": two}}), both);
    check_instances(JobKind::Transform, &json!({"TransformResources": two}), both);
    check_instances(JobKind::Training, &json!({}), &[]);
    check_instances(JobKind::Processing, &json!({}), &[]);
    check_instances(JobKind::Transform, &json!({}), &[]);
    check_instances(JobKind::Tuning, &json!({}), &[]);
    // AutoML does not choose instances.
    check_instances(JobKind::AutoMl, &json!({}), &[]);
}

#[test]
fn groups_of_instances_are_held_together_and_preferences_one_at_a_time() {
    let one = |instance_type: &str, count: i32| json!({"InstanceType": instance_type, "InstanceCount": count});
    let groups = json!({"InstanceGroups": [
        {"InstanceGroupName": "a", "InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
        {"InstanceGroupName": "b", "InstanceType": "ml.p4d.24xlarge", "InstanceCount": 2},
    ]});
    check_instances(
        JobKind::Training,
        &json!({"ResourceConfig": groups}),
        &[&[("ml.m5.xlarge", 1), ("ml.p4d.24xlarge", 2)]],
    );
    let mut preferred = json!({"InstancePreferences": [one("ml.g5.xlarge", 4), one("ml.p5.48xlarge", 1)]});
    let each: &[&[(&str, u64)]] = &[&[("ml.g5.xlarge", 4)], &[("ml.p5.48xlarge", 1)]];
    check_instances(JobKind::Training, &json!({"ResourceConfig": preferred}), each);
    check_instances(JobKind::Processing, &json!({"ProcessingResources": {"ClusterConfig": preferred}}), each);
    preferred["SelectedInstanceType"] = json!("ml.g5.xlarge");
    preferred["SelectedInstanceCount"] = json!(4);
    check_instances(JobKind::Training, &json!({"ResourceConfig": preferred}), &[&[("ml.g5.xlarge", 4)]]);
}

#[test]
fn a_tuning_job_holds_as_much_as_it_may_run_at_once() {
    let limits = json!({"MaxNumberOfTrainingJobs": 50, "MaxParallelTrainingJobs": 3});
    let config = json!({"Strategy": "Bayesian", "ResourceLimits": limits});
    let fixed = json!({"ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 2}});
    check_instances(
        JobKind::Tuning,
        &json!({"HyperParameterTuningJobConfig": config, "TrainingJobDefinition": fixed}),
        &[&[("ml.g5.xlarge", 6)]],
    );
    let flexible = json!({"HyperParameterTuningResourceConfig": {"InstanceConfigs": [
        {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
    ]}});
    check_instances(
        JobKind::Tuning,
        &json!({"HyperParameterTuningJobConfig": config, "TrainingJobDefinitions": [fixed, flexible]}),
        &[&[("ml.g5.xlarge", 6)], &[("ml.m5.xlarge", 3)], &[("ml.p3.2xlarge", 3)]],
    );
}

#[test]
fn a_job_is_told_to_stop() {
    for kind in JobKind::ALL {
        let (stem, ..) = words(kind);
        let (sagemaker, replay) = sagemaker([Answer::ok(&json!({}))]);
        assert_eq!(block_on(sagemaker.stop_job(kind, "Fit")), Ok(()));
        assert_eq!(replay.requests(), [(format!("Stop{stem}"), json!({format!("{stem}Name"): "Fit"}))]);
    }
}

#[test]
fn every_call_fails_under_its_own_name() {
    type Call = fn(&SageMakerClient, JobKind) -> Result<(), CallError>;
    type Operation = fn(JobKind) -> &'static str;
    let calls: [(Operation, Call); 3] = [
        (JobKind::list_action, |sagemaker, kind| block_on(sagemaker.in_progress(kind, None)).map(drop)),
        (JobKind::describe_action, |sagemaker, kind| block_on(sagemaker.job(kind, "fit")).map(drop)),
        (JobKind::stop_action, |sagemaker, kind| block_on(sagemaker.stop_job(kind, "fit"))),
    ];
    let failures = [("AccessDeniedException", CallErrorKind::Denied), ("ResourceNotFound", CallErrorKind::Missing)];
    for kind in JobKind::ALL {
        for (operation, call) in calls {
            for (code, expected) in failures {
                let (sagemaker, _) = sagemaker([Answer::error(400, code, &Value::Null)]);
                let error = call(&sagemaker, kind).unwrap_err();
                assert_eq!((error.operation, error.kind), (operation(kind), expected));
            }
            assert!(SageMakerClient::ENFORCE_ACTIONS.contains(&operation(kind)), "{kind:?}");
        }
    }
}

#[test]
fn ids_and_names_lead_to_each_other() {
    for kind in JobKind::ALL {
        assert_eq!(kind.name(&kind.id("Fit")), "Fit");
        assert_eq!(JobKind::of_resource(kind.resource()), Some(kind));
    }
    assert_eq!(JobKind::Training.id("Fit"), "training-job/Fit");
    assert_eq!(JobKind::of_resource("app"), None);
}

#[test]
fn a_job_that_was_throttled_once_is_seen() {
    let throttled = Answer::error(400, "ThrottlingException", &Value::Null);
    let answer = json!({"TrainingJobSummaries": [sent(JobKind::Training, "InProgress")]});
    let (sagemaker, replay) = sagemaker([throttled, Answer::ok(&answer)]);
    assert_eq!(block_on(sagemaker.in_progress(JobKind::Training, None)).map(|page| page.items.len()), Ok(1));
    assert_eq!(replay.requests().len(), 2);
}
