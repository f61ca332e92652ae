//! What SageMaker answers about Studio, recorded, and what we take it for.

use lambda::CallErrorKind;
use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::{Value, json};

use super::*;

fn sagemaker(answers: impl IntoIterator<Item = Answer>) -> (SageMakerClient, Replay) {
    let (replay, aws) = Replay::of(answers);
    (SageMakerClient::new(&aws, "111111111111"), replay)
}

fn at(instant: &str) -> Timestamp {
    instant.parse().unwrap()
}

fn app_of(owner: AppOwner) -> App {
    App {
        domain: "d-1".to_owned(),
        arn: format!("arn:aws:sagemaker:eu-west-1:111111111111:app/d-1/{}/JupyterLab/default", owner.name()),
        owner,
        app_type: "JupyterLab".to_owned(),
        name: "default".to_owned(),
        state: "InService".to_owned(),
        created_at: at("2025-11-21T10:00:00.123Z"),
    }
}

#[test]
fn applications_are_a_space_s_or_a_user_profile_s() {
    let app = |owner: &str, name: &str| {
        json!({
            "DomainId": "d-1", owner: name, "AppType": "JupyterLab", "AppName": "default", "Status": "InService",
            "CreationTime": 1_763_719_200.123, "ResourceSpec": {"InstanceType": "ml.t3.medium"},
        })
    };
    let (sagemaker, replay) = sagemaker([
        Answer::error(400, "ThrottlingException", &Value::Null),
        Answer::ok(&json!({"Apps": [app("SpaceName", "lab"), app("Nobody", "x")], "NextToken": "2"})),
        Answer::ok(&json!({"Apps": [app("UserProfileName", "ana")]})),
    ]);
    let first = block_on(sagemaker.apps(None, None)).unwrap();
    assert_eq!(first.items, [app_of(AppOwner::Space("lab".to_owned()))]);
    let second = block_on(sagemaker.apps(Some("d-1"), first.next)).unwrap();
    assert_eq!(second, Page { items: vec![app_of(AppOwner::UserProfile("ana".to_owned()))], next: None });
    assert_eq!(second.items.first().map(App::id).as_deref(), Some("d-1/ana/JupyterLab/default"));
    let bodies: Vec<Value> = replay.requests().into_iter().map(|(_, body)| body).collect();
    assert_eq!(
        bodies,
        [
            json!({"MaxResults": 100}),
            json!({"MaxResults": 100}),
            json!({"MaxResults": 100, "DomainIdEquals": "d-1", "NextToken": "2"}),
        ]
    );
}

#[test]
fn an_application_is_deleted_as_whose_it_is() {
    for (owner, member) in
        [(AppOwner::Space("lab".to_owned()), "SpaceName"), (AppOwner::UserProfile("lab".to_owned()), "UserProfileName")]
    {
        let (sagemaker, replay) = sagemaker([Answer::ok(&json!({}))]);
        assert_eq!(block_on(sagemaker.delete_app(&app_of(owner))), Ok(()));
        let body = json!({"DomainId": "d-1", member: "lab", "AppType": "JupyterLab", "AppName": "default"});
        assert_eq!(replay.requests(), [("DeleteApp".to_owned(), body)]);
    }
}

#[test]
fn spaces_say_who_owns_them() {
    let mut space = json!({
        "DomainId": "d-1", "SpaceName": "lab", "Status": "Update_Failed", "CreationTime": 1_763_719_200.123,
        "OwnershipSettingsSummary": {"OwnerUserProfileName": "ana"},
    });
    let owned = space.clone();
    space.as_object_mut().unwrap().remove("OwnershipSettingsSummary");
    let (sagemaker, replay) = sagemaker([Answer::ok(&json!({"Spaces": [owned, space, {"SpaceName": "x"}]}))]);
    let page = block_on(sagemaker.spaces(None)).unwrap();
    let owners: Vec<_> = page.items.iter().map(|space| (space.id(), space.owner.as_deref())).collect();
    assert_eq!(owners, [("d-1/lab".to_owned(), Some("ana")), ("d-1/lab".to_owned(), None)]);
    assert_eq!(page.items.first().map(|space| space.state.as_str()), Some("Update_Failed"));
    assert_eq!(replay.requests(), [("ListSpaces".to_owned(), json!({"MaxResults": 100}))]);
}

#[test]
fn domains_say_which_network_they_use() {
    let (sagemaker, replay) = sagemaker([
        Answer::ok(&json!({"Domains": [{
            "DomainArn": "arn:aws:sagemaker:eu-west-1:111111111111:domain/d-1", "DomainId": "d-1", "DomainName": "lab",
            "Status": "InService", "CreationTime": 1_763_719_200.123, "LastModifiedTime": 1_763_719_260.5,
        }]})),
        Answer::ok(&json!({"DomainId": "d-1", "AppNetworkAccessType": "PublicInternetOnly"})),
        Answer::ok(&json!({"DomainId": "d-1", "AppNetworkAccessType": "SomewhereElse"})),
        Answer::ok(&json!({"DomainId": "d-1"})),
    ]);
    let domain = Domain {
        id: "d-1".to_owned(),
        state: "InService".to_owned(),
        created_at: at("2025-11-21T10:00:00.123Z"),
        changed_at: Some(at("2025-11-21T10:01:00.5Z")),
    };
    assert_eq!(block_on(sagemaker.domains(None)), Ok(Page { items: vec![domain], next: None }));
    for network in [Some("PublicInternetOnly"), Some("SomewhereElse"), None] {
        assert_eq!(block_on(sagemaker.network("d-1")), Ok(network.map(str::to_owned)));
    }
    assert_eq!(replay.requests().get(1), Some(&("DescribeDomain".to_owned(), json!({"DomainId": "d-1"}))));
}

#[test]
fn every_call_fails_under_its_own_name() {
    type Call = fn(&SageMakerClient) -> Result<(), CallError>;
    let calls: [(&str, Call); 5] = [
        ("sagemaker:ListApps", |sagemaker| block_on(sagemaker.apps(None, None)).map(drop)),
        ("sagemaker:ListSpaces", |sagemaker| block_on(sagemaker.spaces(None)).map(drop)),
        ("sagemaker:ListDomains", |sagemaker| block_on(sagemaker.domains(None)).map(drop)),
        ("sagemaker:DescribeDomain", |sagemaker| block_on(sagemaker.network("d-1")).map(drop)),
        ("sagemaker:DeleteApp", |sagemaker| block_on(sagemaker.delete_app(&app_of(AppOwner::Space("lab".to_owned()))))),
    ];
    for (operation, call) in calls {
        let (sagemaker, _) = sagemaker([Answer::error(400, "AccessDeniedException", &Value::Null)]);
        let error = call(&sagemaker).unwrap_err();
        assert_eq!((error.operation, error.kind), (operation, CallErrorKind::Denied));
        let known = [SageMakerClient::WATCH_ACTIONS, SageMakerClient::ENFORCE_ACTIONS].concat();
        assert!(known.contains(&operation), "`{operation}` is declared");
    }
}
