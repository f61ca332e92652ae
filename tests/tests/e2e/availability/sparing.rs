//! What closing leaves alone: roles that are never the users', jobs that may finish, parts that a setting excepts.

use std::time::Duration;

use serde_json::json;
use stage::SandboxOptions;
use stage::running::wait_for;
use workload_simulator::{ClusterSpec, JobKind, JobSpec};

use super::scene::Scene;
use super::{AT_MOST, USERS, always_open, await_state, change, ended, in_maintenance, may_act, run, set_window};
use crate::{HUB, minutes, stage};

/// The options with these settings of closing.
fn settings(settings: &[(&str, &str)]) -> SandboxOptions {
    settings.iter().fold(SandboxOptions::default(), |options, (name, value)| {
        options.with(&format!("/sandbox-guardrails/availability/{name}"), value)
    })
}

#[test]
fn break_glass_and_hub_roles_and_our_own_are_never_touched() {
    let scene = Scene::bare(&SandboxOptions::default());
    let account = &scene.sandbox.account;
    let break_glass = account.user_role("ops-break-glass-1", USERS, &[]).unwrap();
    let elsewhere = account.user_role("pipeline", "/service/", &[]).unwrap();
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"AWS": format!("arn:aws:iam::{HUB}:root")},
        "Action": "sts:AssumeRole",
    }]});
    let hubs = [
        ("Action", "CreateRole"),
        ("RoleName", "auditor"),
        ("Path", USERS),
        ("AssumeRolePolicyDocument", &trust.to_string()),
    ];
    account.query("iam", "2010-05-08", &hubs).unwrap();
    let own = account.roles("/sandbox-guardrails/").unwrap();
    assert!(own.len() > 10, "{own:?}");

    assert_eq!(run(&scene.sandbox, "stop").status, "SUCCEEDED");
    assert!(!may_act(&scene.signs_in()));
    for role in [&break_glass, &elsewhere] {
        assert!(may_act(&account.assume(role).unwrap()), "{role}");
    }
    for role in own.iter().map(String::as_str).chain(["auditor", "ops-break-glass-1", "pipeline"]) {
        let policies = account.policies(role).unwrap();
        let ours = policies.keys().filter(|name| name.starts_with("sandbox-guardrails-"));
        assert_eq!(ours.collect::<Vec<_>>(), Vec::<&String>::new(), "{role}");
    }
    // Nor could they be: the role of the function is denied it.
    let step = account.role_of("sandbox-guardrails-availability-step").unwrap();
    let policy = account.policy(&step, "availability-step").unwrap();
    let denied =
        policy["Statement"].as_array().unwrap().iter().find(|statement| statement["Effect"] == "Deny").unwrap();
    assert!(denied["Resource"].to_string().contains("role/sandbox-guardrails/*"), "{denied}");
}

#[test]
fn the_users_roles_may_be_told_by_a_tag() {
    let scene = Scene::bare(&settings(&[("user_roles", "tag:access=sandbox")]));
    let account = &scene.sandbox.account;
    let tagged = account.user_role("tagged", "/anywhere/", &[("access", "sandbox")]).unwrap();
    let other = account.user_role("other", "/anywhere/", &[("access", "none")]).unwrap();
    assert_eq!(run(&scene.sandbox, "stop").status, "SUCCEEDED");
    assert!(!may_act(&account.assume(&tagged).unwrap()));
    assert!(may_act(&account.assume(&other).unwrap()));
    assert!(may_act(&scene.user), "the path is no longer what tells");
}

#[test]
fn jobs_may_finish_until_their_grace_time_is_over() {
    let scene = Scene::bare(&settings(&[("jobs", "finish"), ("grace/jobs", "20s"), ("emr", "leave")]));
    let sandbox = &scene.sandbox;
    let job = |kind: JobKind, runs_for: Option<Duration>| {
        sandbox.sagemaker.start_job(JobSpec { kind, runs_for, ..JobSpec::default() })
    };
    let quick = job(JobKind::Processing, Some(Duration::from_secs(8)));
    let endless = job(JobKind::Training, None);
    let cluster = sandbox.emr.start(ClusterSpec { age: minutes(10), ..ClusterSpec::default() });
    set_window(sandbox, "close", &in_maintenance());
    let row = await_state(sandbox, "closed");
    assert_eq!(sandbox.sagemaker.workload(&quick).unwrap().stop_calls, 0, "it finished");
    assert_eq!(sandbox.sagemaker.state(&quick).unwrap(), "Completed");
    assert_eq!(sandbox.sagemaker.state(&endless).unwrap(), "Stopped");
    assert!(
        sandbox
            .emr
            .state(&cluster)
            .is_some_and(|state| !["Terminating", "Terminated"].contains(&format!("{state:?}").as_str()))
    );

    let closing = &sandbox.workflows("stop").unwrap()[0].arn;
    let began = sandbox.account.history(closing).unwrap()[0].at;
    let stops = stage().world().calls().changes_by(&sandbox.account.id);
    let stops: Vec<_> = stops.iter().filter(|change| change.operation == "StopTrainingJob").collect();
    assert_eq!(stops.len(), 1, "{stops:?}");
    let went_on = stops[0].arrived_at.duration_since(began);
    assert!(went_on.as_secs() >= 20, "it was stopped after {went_on:#}");
    assert!(row["occurred_at"].as_i64().unwrap() >= stops[0].arrived_at.as_millisecond());
}

#[test]
fn a_job_that_ends_within_its_grace_time_lets_the_sandbox_close_then() {
    let scene = Scene::bare(&settings(&[("jobs", "finish"), ("grace", "24h")]));
    let sandbox = &scene.sandbox;
    let job = sandbox.sagemaker.start_job(JobSpec::default());
    set_window(sandbox, "close", &in_maintenance());
    change(sandbox, "part_closed/000001/athena");
    assert!(!may_act(&scene.user), "users are out meanwhile");
    assert_eq!(super::row(sandbox, "availability").unwrap()["state"], "closing");
    sandbox.sagemaker.finish(&job);
    await_state(sandbox, "closed");
    assert_eq!(sandbox.sagemaker.workload(&job).unwrap().stop_calls, 0);
}

#[test]
fn termination_protection_is_respected_and_told_unless_it_is_to_be_lifted() {
    for (setting, survives) in [("respect", true), ("lift", false)] {
        let scene = Scene::bare(&settings(&[("termination_protection", setting)]));
        let sandbox = &scene.sandbox;
        let cluster =
            sandbox.emr.start(ClusterSpec { age: minutes(10), termination_protected: true, ..ClusterSpec::default() });
        set_window(sandbox, "close", &in_maintenance());
        await_state(sandbox, "closed");
        let active: Vec<String> = sandbox.emr.active().into_iter().map(|seen| seen.id).collect();
        assert_eq!(active.contains(&cluster), survives, "{setting}");
        let row = change(sandbox, "part_closed/000001/emr");
        let said = row["detail"].as_str().unwrap().contains("termination protection, which is respected");
        assert_eq!(said, survives, "{setting}: {row:?}");
        // What is left as it is is not taken for something that came on.
        assert_eq!(super::reconcile(sandbox)["started"], serde_json::Value::Null, "{setting}");
    }
}

#[test]
fn without_a_role_to_close_the_sandbox_does_not_pass_for_closed() {
    let sandbox = crate::sandbox(&SandboxOptions::default());
    set_window(&sandbox, "close", &in_maintenance());
    let row = change(&sandbox, "failed/000001");
    let message = row["message"].as_str().unwrap();
    assert!(message.contains("`user_roles` is `/sandbox-users/`"), "{message}");
    wait_for("the workflow to end", AT_MOST, || {
        let execution = sandbox.workflows("stop").unwrap()[0].arn.clone();
        (!sandbox.account.execution(&execution).unwrap().runs()).then_some(())
    })
    .unwrap();
    // As soon as there is one, it is closed; and an open sandbox needs none.
    let role = super::users_role(&sandbox, "analyst");
    let started = super::reconcile(&sandbox)["started"].as_str().unwrap().to_owned();
    assert_eq!(ended(&sandbox, &started).status, "SUCCEEDED");
    assert!(!may_act(&sandbox.account.assume(&role).unwrap()));
    set_window(&sandbox, "open", &always_open());
    await_state(&sandbox, "open");
}
