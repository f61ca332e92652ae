//! What SageMaker answers about model packages, recorded, and what we take it for.

use lambda::CallErrorKind;
use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::{Value, json};

use super::*;

const ARN: &str = "arn:aws:sagemaker:eu-west-1:111111111111:model-package/churn/3";

fn sagemaker(answers: impl IntoIterator<Item = Answer>) -> (SageMakerClient, Replay) {
    let (replay, aws) = Replay::of(answers);
    (SageMakerClient::new(&aws, "111111111111"), replay)
}

#[test]
fn approved_versions_of_all_groups_are_listed_at_once() {
    let (sagemaker, replay) = sagemaker([Answer::ok(&json!({
        "ModelPackageSummaryList": [
            {
                "ModelPackageGroupName": "Churn", "ModelPackageVersion": 3, "ModelPackageArn": ARN,
                "CreationTime": 1_763_719_200.123, "ModelPackageStatus": "Completed", "ModelApprovalStatus": "Approved",
            },
            {"ModelPackageName": "unversioned", "ModelPackageArn": ARN},
        ],
        "NextToken": "2",
    }))]);
    let churn = Package {
        id: "churn/3".to_owned(),
        group: "Churn".to_owned(),
        created_at: "2025-11-21T10:00:00.123Z".parse().unwrap(),
    };
    assert_eq!(block_on(sagemaker.approved(None)), Ok(Page { items: vec![churn], next: Some("2".to_owned()) }));
    let body = json!({"ModelPackageType": "Versioned", "ModelApprovalStatus": "Approved", "MaxResults": 100});
    assert_eq!(replay.requests(), [("ListModelPackages".to_owned(), body)]);
}

#[test]
fn a_package_tells_who_registered_and_who_approved_it() {
    let (sagemaker, replay) = sagemaker([
        Answer::ok(&json!({
            "ModelPackageGroupName": "Churn", "ModelPackageArn": ARN, "CreationTime": 1_763_719_200.123,
            "LastModifiedTime": 1_763_719_260.5, "ModelApprovalStatus": "Approved",
            "CreatedBy": {
                "UserProfileArn": "arn:aws:sagemaker:eu-west-1:111111111111:user-profile/d-1/ana",
                "UserProfileName": "ana",
                "IamIdentity": {
                    "Arn": "arn:aws:sts::111111111111:assumed-role/Studio/SageMaker", "PrincipalId": "AROA:SageMaker",
                },
            },
            "LastModifiedBy": {"IamIdentity": {"Arn": "arn:aws:iam::111111111111:user/eve", "SourceIdentity": ""}},
        })),
        Answer::ok(&json!({"ModelPackageArn": ARN, "LastModifiedBy": {}})),
    ]);
    let provenance = Provenance {
        changed_at: Some("2025-11-21T10:01:00.5Z".parse().unwrap()),
        registered_by: Person {
            source_identity: None,
            user_profile: Some("arn:aws:sagemaker:eu-west-1:111111111111:user-profile/d-1/ana".to_owned()),
            principal: Some("AROA:SageMaker".to_owned()),
        },
        changed_by: Person { principal: Some("arn:aws:iam::111111111111:user/eve".to_owned()), ..Person::default() },
    };
    assert_eq!(block_on(sagemaker.provenance("churn/3")), Ok(provenance));
    assert_eq!(block_on(sagemaker.provenance("churn/3")), Ok(Provenance::default()));
    assert_eq!(replay.requests().first(), Some(&("DescribeModelPackage".to_owned(), json!({"ModelPackageName": ARN}))));
}

#[test]
fn people_are_compared_by_what_tells_them_apart_best() {
    let person = |source: &str, profile: &str, principal: &str| {
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Person { source_identity: known(source), user_profile: known(profile), principal: known(principal) }
    };
    for (one, other, same) in [
        (person("", "", "AROA:ana"), person("", "", "AROA:ana"), Some(true)),
        (person("", "", "AROA:ana"), person("", "", "AROA:jo"), Some(false)),
        // Two profiles in Studio share one role.
        (person("", "ana", "AROA:SageMaker"), person("", "jo", "AROA:SageMaker"), Some(false)),
        // One person in two roles.
        (person("ana@example.com", "", "AROA:ana"), person("ana@example.com", "", "AROB:ana"), Some(true)),
        (person("ana@example.com", "", "AROA:x"), person("jo@example.com", "", "AROA:x"), Some(false)),
        // Nothing that is known of both.
        (person("", "ana", ""), person("", "", "AROA:ana"), None),
        (Person::default(), Person::default(), None),
    ] {
        assert_eq!(one.is(&other), same, "{one:?} and {other:?}");
        assert_eq!(other.is(&one), same);
    }
}

#[test]
fn every_call_fails_under_its_own_name() {
    type Call = fn(&SageMakerClient) -> Result<(), CallError>;
    let calls: [(&str, Call); 2] = [
        ("sagemaker:ListModelPackages", |sagemaker| block_on(sagemaker.approved(None)).map(drop)),
        ("sagemaker:DescribeModelPackage", |sagemaker| block_on(sagemaker.provenance("churn/3")).map(drop)),
    ];
    for (operation, call) in calls {
        let (sagemaker, _) = sagemaker([Answer::error(400, "AccessDeniedException", &Value::Null)]);
        let error = call(&sagemaker).unwrap_err();
        assert_eq!((error.operation, error.kind), (operation, CallErrorKind::Denied));
        assert!(SageMakerClient::WATCH_ACTIONS.contains(&operation));
    }
}
