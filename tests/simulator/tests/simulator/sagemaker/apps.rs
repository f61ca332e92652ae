//! Studio's apps that are created over the API: anew, again after their deletion, and not at all.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use workload_simulator::{AppSpec, AppType, DomainSpec, SpaceSpec};

use super::{VALIDATION, client_of, millis, sagemaker_of, secs, texts};
use crate::support::{eventually, start};

fn app(domain: &str, owner: (&str, &str), app_type: &str) -> Value {
    json!({ "DomainId": domain, owner.0: owner.1, "AppType": app_type, "AppName": "default" })
}

fn with(mut input: Value, member: &str, value: Value) -> Value {
    input[member] = value;
    input
}

#[tokio::test]
async fn what_was_deleted_is_created_again_as_it_was() {
    let simulator = start();
    let (client, sagemaker) = (client_of(&simulator), sagemaker_of(&simulator));
    let domain = sagemaker.create_domain(DomainSpec::default());
    let image = "arn:aws:sagemaker:eu-west-1:111111111111:image/analytics";
    let arn = sagemaker.start_app(AppSpec {
        space: Some("lab".to_owned()),
        age: secs(9 * 3_600),
        pending: millis(200),
        instance_type: "ml.g5.xlarge".to_owned(),
        resources: BTreeMap::from([("SageMakerImageArn".to_owned(), image.to_owned())]),
        tags: BTreeMap::from([("owner".to_owned(), "alice".to_owned())]),
        ..AppSpec::default()
    });
    let named = app(&domain, ("SpaceName", "lab"), "JupyterLab");
    let before = client.ok("DescribeApp", named.clone()).await;
    assert_eq!(before["Status"], "InService");
    assert_eq!(before["ResourceSpec"], json!({ "InstanceType": "ml.g5.xlarge", "SageMakerImageArn": image }));
    let listed = client.ok("ListApps", json!({})).await;
    assert_eq!(listed["Apps"][0]["ResourceSpec"], before["ResourceSpec"]);

    let again = with(named.clone(), "ResourceSpec", before["ResourceSpec"].clone());
    let (code, message) = client.refused("CreateApp", again.clone()).await;
    assert_eq!((code.as_str(), message), ("ResourceInUse", format!("App {arn} already exists.")));
    client.ok("DeleteApp", named.clone()).await;
    assert_eq!(client.ok("CreateApp", again.clone()).await, json!({ "AppArn": arn }));
    assert_eq!(sagemaker.state(&arn).as_deref(), Some("Pending"));
    assert_eq!(client.refused("CreateApp", again).await.0, "ResourceInUse");
    eventually("it is in service", || sagemaker.state(&arn).filter(|state| state == "InService")).await;
    // Within 24 hours it is the same app to SageMaker: its creation time and its tags are what they were.
    assert_eq!(client.ok("DescribeApp", named).await, before);
    let tags = client.ok("ListTags", json!({ "ResourceArn": arn })).await;
    assert_eq!(tags["Tags"][0]["Value"], "alice");
    let view = sagemaker.workload(&arn).unwrap();
    assert_eq!((view.stop_calls, sagemaker.active().len()), (1, 1));
    assert!(view.state_since >= view.stopped_at.unwrap() + millis(200));
}

#[tokio::test]
async fn an_app_that_never_was_is_created_with_what_there_is_to_fall_back_on() {
    let simulator = start();
    let (client, sagemaker) = (client_of(&simulator), sagemaker_of(&simulator));
    let domain = sagemaker.create_domain(DomainSpec::default());
    for (app_type, instance) in [("JupyterLab", "ml.t3.medium"), ("JupyterServer", "system"), ("Canvas", "system")] {
        let named = app(&domain, ("UserProfileName", "alice"), app_type);
        let answer = client.ok("CreateApp", named.clone()).await;
        assert!(answer["AppArn"].as_str().unwrap().ends_with(&format!("alice/{}/default", app_type.to_lowercase())));
        let seen = client.ok("DescribeApp", named).await;
        assert_eq!(seen["ResourceSpec"], json!({ "InstanceType": instance }));
        assert_eq!(seen["Status"], "Pending");
    }
    let kernel = app(&domain, ("UserProfileName", "alice"), "KernelGateway");
    assert_eq!(client.refused("CreateApp", kernel.clone()).await.0, VALIDATION);
    client.ok("CreateApp", with(kernel, "ResourceSpec", json!({ "InstanceType": "ml.m5.large" }))).await;
    assert_eq!(sagemaker.active().len(), 4);
}

#[tokio::test]
async fn an_app_is_remembered_for_a_day_after_its_deletion() {
    let simulator = start();
    let (client, sagemaker) = (client_of(&simulator), sagemaker_of(&simulator));
    let domain = sagemaker.create_domain(DomainSpec::default());
    for (app_type, hours) in [(AppType::CodeEditor, 23), (AppType::JupyterLab, 25)] {
        let deleted = Some(secs(hours * 3_600));
        sagemaker.start_app(AppSpec { app_type, age: secs(40 * 3_600), deleted, ..AppSpec::default() });
    }
    let listed = client.ok("ListApps", json!({})).await;
    assert_eq!(texts(&listed, "Apps", "AppType"), ["CodeEditor"]);
    assert_eq!(texts(&listed, "Apps", "Status"), ["Deleted"]);
    let lab = app(&domain, ("UserProfileName", "default"), "JupyterLab");
    assert_eq!(client.refused("DescribeApp", lab.clone()).await.0, "ResourceNotFound");
    assert_eq!(client.refused("DeleteApp", lab.clone()).await.0, "ResourceNotFound");
    let editor = app(&domain, ("UserProfileName", "default"), "CodeEditor");
    let old = client.ok("DescribeApp", editor.clone()).await["CreationTime"].as_f64().unwrap();
    client.ok("CreateApp", lab.clone()).await;
    client.ok("CreateApp", editor.clone()).await;
    let new = client.ok("DescribeApp", lab).await["CreationTime"].as_f64().unwrap();
    assert!((new - old - 40.0 * 3_600.0).abs() < 10.0, "{old} {new}");
    assert!((client.ok("DescribeApp", editor).await["CreationTime"].as_f64().unwrap() - old).abs() < 0.001);
}

#[tokio::test]
async fn an_app_of_nobody_or_on_its_way_is_not_created() {
    let simulator = start();
    let (client, sagemaker) = (client_of(&simulator), sagemaker_of(&simulator));
    let domain = sagemaker.create_domain(DomainSpec::default());
    sagemaker.create_space(SpaceSpec { name: "lab".to_owned(), ..SpaceSpec::default() });
    let lab = app(&domain, ("SpaceName", "lab"), "JupyterLab");
    let own = app(&domain, ("UserProfileName", "alice"), "JupyterLab");
    let deleting_takes = secs(60);
    sagemaker.start_app(AppSpec { space: Some("lab".to_owned()), deleting_takes, ..AppSpec::default() });
    sagemaker.start_app(AppSpec { user_profile: Some("alice".to_owned()), ..AppSpec::default() });
    client.ok("DeleteApp", lab.clone()).await;
    let (code, message) = client.refused("CreateApp", lab.clone()).await;
    assert!(code == "ResourceInUse" && message.ends_with("is being deleted."), "{message}");

    assert!(sagemaker.delete_space(&domain, "lab") && !sagemaker.delete_space(&domain, "lab"));
    sagemaker.delete_user_profile(&domain, "alice");
    assert_eq!(sagemaker.active(), []);
    for input in [
        lab.clone(),
        own.clone(),
        with(own.clone(), "DomainId", json!("d-none")),
        with(own.clone(), "SpaceName", json!("lab")),
        with(own.clone(), "AppName", json!("-")),
        with(own.clone(), "AppType", json!("Emacs")),
        app(&domain, ("Nobody", "alice"), "JupyterLab"),
    ] {
        assert_eq!(client.refused("CreateApp", input.clone()).await.0, VALIDATION, "{input}");
        assert_eq!(sagemaker.active(), []);
    }
    let failed = Some("Failed".to_owned());
    sagemaker.start_app(AppSpec { user_profile: Some("alice".to_owned()), raw_state: failed, ..AppSpec::default() });
    client.ok("CreateApp", own).await;
    assert_eq!(sagemaker.active().len(), 1);
}
