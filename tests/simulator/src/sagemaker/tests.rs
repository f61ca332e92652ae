//! What CloudTrail is told.

use std::time::Duration;

use super::*;
use crate::clock;

fn sagemaker() -> SageMaker {
    SageMaker::new(&Place { account: "111111111111".to_owned(), region: "eu-west-1".to_owned() })
}

#[test]
fn a_creation_is_told_as_cloudtrail_writes_it() {
    let (mut sagemaker, now) = (sagemaker(), clock::now());
    let spec = JobSpec {
        kind: JobKind::HyperParameterTuning,
        name: Some("Tune".to_owned()),
        age: Duration::from_secs(60),
        tags: Tags::from([("owner".to_owned(), "alice".to_owned())]),
        started_by: Some("alice".to_owned()),
        ..JobSpec::default()
    };
    let arn = sagemaker.start_job(&spec, now);
    let [creation] = <[Creation; 1]>::try_from(sagemaker.take_created()).unwrap();
    assert_eq!((creation.event_source, creation.event_name), (EVENT_SOURCE, "CreateHyperParameterTuningJob"));
    assert_eq!((creation.at, creation.by.as_deref()), (clock::before(now, spec.age), Some("alice")));
    assert_eq!(creation.request["hyperParameterTuningJobName"], "Tune");
    assert_eq!(creation.request["resourceConfig"]["instanceType"], "ml.m5.xlarge");
    assert_eq!(creation.request["tags"], json!([{ "key": "owner", "value": "alice" }]));
    assert_eq!(creation.response, json!({ "hyperParameterTuningJobArn": *arn }));
    assert!(sagemaker.take_created().is_empty());
}

#[test]
fn everything_created_is_told_with_what_it_needs() {
    fn check(start: fn(&mut SageMaker, Timestamp), expected: &[&str]) {
        let mut sagemaker = sagemaker();
        start(&mut sagemaker, clock::now());
        let told: Vec<&str> = sagemaker.take_created().iter().map(|creation| creation.event_name).collect();
        assert_eq!(told, expected);
    }
    check(
        |sagemaker, now| drop(sagemaker.start_execution(&ExecutionSpec::default(), None, now)),
        &["CreatePipeline", "StartPipelineExecution"],
    );
    check(
        |sagemaker, now| {
            let app = AppSpec { space: Some("lab".to_owned()), ..AppSpec::default() };
            sagemaker.start_app(&app, now);
            sagemaker.start_app(&app, now);
        },
        &["CreateDomain", "CreateSpace", "CreateApp", "CreateApp"],
    );
    check(|sagemaker, now| drop(sagemaker.start_notebook(&NotebookSpec::default(), now)), &["CreateNotebookInstance"]);
    check(|sagemaker, now| drop(sagemaker.start_endpoint(&EndpointSpec::default(), now)), &["CreateEndpoint"]);
    check(
        |sagemaker, now| drop(sagemaker.register_model(&ModelPackageSpec::default(), now)),
        &["CreateModelPackageGroup", "CreateModelPackage"],
    );
    for (kind, create) in [
        (JobKind::Training, "CreateTrainingJob"),
        (JobKind::Processing, "CreateProcessingJob"),
        (JobKind::Transform, "CreateTransformJob"),
        (JobKind::AutoMl, "CreateAutoMLJobV2"),
    ] {
        let mut sagemaker = sagemaker();
        sagemaker.start_job(&JobSpec { kind, ..JobSpec::default() }, clock::now());
        assert_eq!(sagemaker.take_created().first().map(|creation| creation.event_name), Some(create));
    }
}

#[test]
fn a_job_in_the_place_of_another_has_its_place_in_the_schedule_too() {
    let (mut sagemaker, now) = (sagemaker(), clock::now());
    let hour = Duration::from_secs(3_600);
    let spec = |runs_for| JobSpec { name: Some("nightly".to_owned()), runs_for, ..JobSpec::default() };
    sagemaker.start_job(&spec(Some(hour)), now);
    sagemaker.announce(now);
    assert_eq!(sagemaker.next_change(), Some(clock::after(now, hour)));
    sagemaker.start_job(&spec(None), now);
    assert_eq!(sagemaker.announce(now).len(), 1);
    assert_eq!(sagemaker.next_change(), None);
}
