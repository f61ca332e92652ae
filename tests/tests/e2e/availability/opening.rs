//! Opening: exactly what closing turned off is on again, and then users come back.

use super::scene::Scene;
use super::{
    Without, always_open, await_state, change, ended, in_maintenance, may_act, moment, reconcile, run, set_window, told,
};
use crate::stage;

#[test]
fn exactly_what_was_on_is_on_again_before_users_come_back() {
    let scene = Scene::full();
    let sandbox = &scene.sandbox;
    let before = scene.states();
    set_window(sandbox, "close", &in_maintenance());
    await_state(sandbox, "closed");
    assert_ne!(scene.states(), before);
    let closed_changes = stage().world().calls().changes_by(&sandbox.account.id).len();

    set_window(sandbox, "open", &always_open());
    await_state(sandbox, "open");
    assert_eq!(scene.states(), before);
    assert!(may_act(&scene.signs_in()), "a new session");
    assert!(!may_act(&scene.user), "a session from before the closing stays revoked");
    let policies = sandbox.account.policies("analyst").unwrap();
    assert_eq!(policies.keys().collect::<Vec<_>>(), ["all", "sandbox-guardrails-revoked-sessions"]);

    // Services first.
    let execution = &sandbox.workflows("start").unwrap()[0];
    assert_eq!(ended(sandbox, &execution.arn).status, "SUCCEEDED");
    let history = sandbox.account.history(&execution.arn).unwrap();
    let restores = moment(&history, "StateEntered", "RestoreAccess");
    let changes = stage().world().calls().changes_by(&sandbox.account.id);
    let opened = &changes[closed_changes..];
    assert!(!opened.is_empty() && opened.iter().all(|change| change.at < restores), "{restores}: {opened:?}");
    let order = told(sandbox, "");
    assert_eq!(order.last().unwrap(), "availability/opened/000002");
    let place = |key: &str| order.iter().position(|told| told.ends_with(key));
    assert_eq!(place("part_opened/000002/access"), Some(order.len() - 2), "{order:?}");

    // An app is made from what it was made from.
    let app = serde_json::json!({
        "DomainId": "d-analytics", "SpaceName": "churn", "AppType": "JupyterLab", "AppName": "default",
    });
    let app = sandbox.account.json("sagemaker", "SageMaker.DescribeApp", &app).unwrap();
    assert_eq!(app["ResourceSpec"]["InstanceType"], "ml.m5.large");
    // The record is used up: closing and opening again does the same, no less and no more.
    run(sandbox, "stop");
    scene.is_dark();
    run(sandbox, "start");
    assert_eq!(scene.states(), before);
}

#[test]
fn what_does_not_come_up_is_reported_and_keeps_nobody_out() {
    let scene = Scene::small();
    let sandbox = &scene.sandbox;
    set_window(sandbox, "close", &in_maintenance());
    await_state(sandbox, "closed");
    let without = Without::of(sandbox, "sagemaker:StartNotebookInstance");
    set_window(sandbox, "open", &always_open());
    let row = change(sandbox, "failed/000002");
    assert_eq!(row["state"], "open");
    assert!(row["message"].as_str().unwrap().contains("notebooks"), "{row:?}");
    assert!(may_act(&scene.signs_in()));
    assert_eq!(scene.notebook_state(), "Stopped");
    ended(sandbox, &sandbox.workflows("start").unwrap()[0].arn);

    // It is tried again when it can be.
    without.give_back();
    let started = reconcile(sandbox)["started"].as_str().unwrap().to_owned();
    assert_eq!(ended(sandbox, &started).status, "SUCCEEDED");
    assert_eq!(scene.notebook_state(), "InService");
}
