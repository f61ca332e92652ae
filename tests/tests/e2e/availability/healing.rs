//! Healing: whatever went wrong with a workflow, or came on while the sandbox was closed, reconcile puts right.

use std::time::Duration;

use serde_json::Value;
use stage::running::wait_for;
use workload_simulator::{CalendarEvent, NotebookSpec};

use super::scene::Scene;
use super::{
    AT_MOST, always_open, await_state, ended, extended, in_maintenance, in_zone, local, may_act, reconcile, set_window,
    users_role,
};

#[test]
fn a_workflow_that_was_killed_half_way_is_begun_again() {
    let scene = Scene::small();
    let sandbox = &scene.sandbox;
    let notebook = |name: &str, stopping_takes: Duration| {
        let name = name.to_owned();
        sandbox.sagemaker.start_notebook(NotebookSpec { name, stopping_takes, ..NotebookSpec::default() })
    };
    let slow = notebook("slow", Duration::from_secs(15));
    set_window(sandbox, "close", &in_maintenance());
    wait_for("the slow notebook to be told", AT_MOST, || (sandbox.sagemaker.state(&slow)? == "Stopping").then_some(()))
        .unwrap();
    let killed = sandbox.workflows("stop").unwrap()[0].arn.clone();
    sandbox.account.stop_execution(&killed).unwrap();
    assert_eq!(sandbox.account.execution(&killed).unwrap().status, "ABORTED");
    // What users switch on meanwhile is found as well.
    let late = notebook("late", Duration::ZERO);
    assert_eq!(super::row(sandbox, "availability").unwrap()["state"], "closing");

    let healing = reconcile(sandbox)["started"].as_str().unwrap().to_owned();
    assert_eq!(ended(sandbox, &healing).status, "SUCCEEDED");
    let row = await_state(sandbox, "closed");
    assert_eq!(row["execution"], healing.as_str());
    scene.is_dark();

    // Nothing that the killed one had recorded is forgotten.
    set_window(sandbox, "open", &always_open());
    await_state(sandbox, "open");
    for arn in [&slow, &late] {
        assert_eq!(sandbox.sagemaker.state(arn).unwrap(), "InService");
    }
    assert_eq!(scene.notebook_state(), "InService");
}

#[test]
fn an_opening_that_was_killed_half_way_is_begun_again() {
    let scene = Scene::small();
    let sandbox = &scene.sandbox;
    let slow = sandbox.sagemaker.start_notebook(NotebookSpec {
        name: "slow".to_owned(),
        starting_takes: Duration::from_secs(15),
        ..NotebookSpec::default()
    });
    set_window(sandbox, "close", &in_maintenance());
    await_state(sandbox, "closed");
    set_window(sandbox, "open", &always_open());
    wait_for("the slow notebook to be told", AT_MOST, || (sandbox.sagemaker.state(&slow)? == "Pending").then_some(()))
        .unwrap();
    sandbox.account.stop_execution(&sandbox.workflows("start").unwrap()[0].arn).unwrap();
    assert!(!may_act(&scene.signs_in()));

    let healing = reconcile(sandbox)["started"].as_str().unwrap().to_owned();
    assert_eq!(ended(sandbox, &healing).status, "SUCCEEDED");
    await_state(sandbox, "open");
    assert_eq!(sandbox.sagemaker.state(&slow).unwrap(), "InService");
    assert_eq!(scene.notebook_state(), "InService");
    assert!(may_act(&scene.signs_in()));
}

#[test]
fn what_came_on_while_the_sandbox_is_closed_is_turned_off_again() {
    let scene = Scene::full();
    let sandbox = &scene.sandbox;
    let before = scene.states();
    set_window(sandbox, "close", &in_maintenance());
    await_state(sandbox, "closed");
    assert_eq!(reconcile(sandbox)["started"], Value::Null, "there is nothing to be done");

    let heals = |found: &[&str]| {
        let started = reconcile(sandbox)["started"].as_str().unwrap().to_owned();
        assert_eq!(ended(sandbox, &started).status, "SUCCEEDED");
        let reason = sandbox.account.execution(&started).unwrap().input["reason"].as_str().unwrap().to_owned();
        for found in found {
            assert!(reason.contains(found), "`{found}` in `{reason}`");
        }
        scene.is_dark();
    };
    // As AWS does it by itself after seven days, and with what users had stopped too.
    for database in ["orders", "archive"] {
        sandbox.account.start_database(database).unwrap();
        scene.await_database(database, "available");
    }
    sandbox.account.start_cluster("ledger").unwrap();
    wait_for("the cluster to be available", AT_MOST, || {
        (sandbox.account.cluster_status("ledger").ok()? == "available").then_some(())
    })
    .unwrap();
    heals(&["db-instance `orders`", "db-cluster `ledger`"]);

    let late = sandbox.account.assume(&users_role(sandbox, "latecomer")).unwrap();
    assert!(may_act(&late));
    heals(&["role `latecomer`"]);
    assert!(!may_act(&late));
    // An administrator who takes the policy away has opened nothing for long.
    sandbox.account.remove_policy("analyst", "sandbox-guardrails-closed").unwrap();
    heals(&["role `analyst`"]);

    set_window(sandbox, "open", &always_open());
    await_state(sandbox, "open");
    assert_eq!(scene.states(), before, "what AWS started is off again, what users had on is on");
    assert!(may_act(&sandbox.account.assume(&users_role(sandbox, "newcomer")).unwrap()));
}

#[test]
fn the_window_closes_the_sandbox_by_itself_at_its_time() {
    let scene = Scene::small();
    let sandbox = &scene.sandbox;
    // At a full minute, the next or the one after it.
    let second = in_zone(stage::timeline::now(), super::ZONE).second();
    let minutes_left = if second < 30 { 1 } else { 2 };
    let closes = local(minutes_left);
    set_window(sandbox, "today", &extended(minutes_left));
    assert!(may_act(&scene.user));
    let schedule = sandbox.account.schedule("sandbox-guardrails", "availability-closes").unwrap();
    assert_eq!(schedule["ScheduleExpression"], format!("at({closes}:00)"));
    let row = await_state(sandbox, "closed");
    assert_eq!(row["reason"], "no rule of its window opens it now");
    scene.is_dark();
}

#[test]
fn a_calendar_closes_the_sandbox_and_opens_it_again() {
    let scene = Scene::small();
    let sandbox = &scene.sandbox;
    sandbox.ssm.close_during("holidays", Vec::new());
    let mut window = always_open();
    window["calendar"] = "holidays".into();
    set_window(sandbox, "calendar", &window);
    assert_eq!(reconcile(sandbox)["desired"], "open");

    let second = |from_now: i64| {
        let second = stage::timeline::now().as_second() + from_now;
        jiff::Timestamp::from_second(second).unwrap()
    };
    let closed = |from: i64, until: i64| {
        sandbox.ssm.close_during("holidays", vec![CalendarEvent { from: second(from), until: second(until) }]);
    };
    closed(2, 24 * 60 * 60);
    let row = await_state(sandbox, "closed");
    assert_eq!(row["reason"], "its calendar says closed");
    scene.is_dark();
    closed(-60, 2);
    await_state(sandbox, "open");
    assert!(may_act(&scene.signs_in()));

    // A calendar that cannot be read closes nothing and opens nothing, and is said loudly.
    sandbox.ssm.delete_calendar("holidays");
    let error = sandbox.invoke("availability-reconcile", &serde_json::json!({"reconcile": "on demand"})).unwrap_err();
    assert!(error.to_string().contains("ssm:GetCalendarState"), "{error}");
    assert!(may_act(&scene.signs_in()));
    assert_eq!(sandbox.workflows("stop").unwrap().len(), 1);
}
