//! The order in which things were changed, across services, and what was on before and after.

use std::time::Duration;

use serde_json::json;
use workload_simulator::{
    AppSpec, ChangeCall, ClusterSpec, ClusterState, FaultRule, JobRunSpec, JobRunState, NotebookSpec, ServiceName,
    SessionSpec, SessionState, WorkgroupState, WorkloadKind,
};

use crate::support::{ACCOUNT, Client, OTHER, REGION, start};

fn told(changes: &[ChangeCall]) -> Vec<(&str, &str, bool, &str)> {
    changes
        .iter()
        .map(|change| (change.operation.as_str(), change.id.as_str(), change.stops, change.outcome.as_str()))
        .collect()
}

#[tokio::test]
async fn changes_are_told_in_the_order_in_which_they_were_asked_for() {
    let simulator = start();
    let world = simulator.world();
    let account = world.account(ACCOUNT, REGION);
    let (sagemaker, emr, glue) = (account.sagemaker(), account.emr(), account.glue());
    let app = sagemaker.start_app(AppSpec { space: Some("Lab".to_owned()), ..AppSpec::default() });
    sagemaker.start_notebook(NotebookSpec { name: "nb".to_owned(), stopped: true, ..NotebookSpec::default() });
    let (age, terminating_takes) = (Duration::from_secs(3_600), Duration::ZERO);
    let cluster = emr.start(ClusterSpec { age, terminating_takes, ..ClusterSpec::default() });
    let session = glue.start_session(SessionSpec::default());
    let run = glue.start_run(JobRunSpec::default());
    assert_eq!(world.calls().changes(), []);

    let client = Client::new(&simulator);
    let [sagemaker_api, emr_api, glue_api] =
        ["SageMaker", "ElasticMapReduce", "AWSGlue"].map(|prefix| client.clone().service(prefix));
    client.ok("UpdateWorkGroup", json!({ "WorkGroup": "primary", "State": "DISABLED" })).await;
    let domain = app.split('/').nth(1).unwrap();
    let named = json!({ "DomainId": domain, "SpaceName": "Lab", "AppType": "JupyterLab", "AppName": "default" });
    sagemaker_api.ok("DeleteApp", named.clone()).await;
    emr_api.ok("TerminateJobFlows", json!({ "JobFlowIds": [cluster] })).await;
    glue_api.ok("StopSession", json!({ "Id": session })).await;
    glue_api.ok("BatchStopJobRun", json!({ "JobName": "etl", "JobRunIds": [run, "jr_none"] })).await;
    world.faults().add(FaultRule::throttling("StartNotebookInstance").times(1));
    sagemaker_api.refused("StartNotebookInstance", json!({ "NotebookInstanceName": "nb" })).await;
    sagemaker_api.ok("CreateApp", named).await;
    // Who only looks changes nothing.
    client.ok("ListWorkGroups", json!({})).await;
    Client::of(&simulator, OTHER).ok("UpdateWorkGroup", json!({ "WorkGroup": "primary" })).await;

    let lab = format!("{domain}/Lab/JupyterLab/default");
    let changes = world.calls().changes_by(ACCOUNT);
    let expected = [
        ("UpdateWorkGroup", "primary", false, "ok"),
        ("DeleteApp", &lab, true, "ok"),
        ("TerminateJobFlows", &cluster, true, "ok"),
        ("StopSession", &session, true, "ok"),
        ("BatchStopJobRun", &run, true, "ok"),
        ("BatchStopJobRun", "jr_none", true, "ok"),
        ("StartNotebookInstance", "nb", false, "ThrottlingException"),
        ("CreateApp", &lab, false, "ok"),
    ];
    assert_eq!(told(&changes), expected);
    assert!(changes.is_sorted_by_key(|change| change.arrived_at));
    assert!(changes.iter().all(|change| change.arrived_at <= change.at && change.region == REGION));
    assert_eq!(changes[0].service, ServiceName::Athena);
    assert_eq!((world.calls().changes().len(), world.calls().stops().len()), (9, 5));

    assert_eq!(account.athena().workgroups()[0].state, WorkgroupState::Disabled);
    assert_eq!(emr.state(&cluster), Some(ClusterState::Terminated));
    assert_eq!(glue.session_state(&session), Some(SessionState::Stopped));
    assert_eq!(glue.run_state(&run), Some(JobRunState::Stopped));
    assert_eq!((emr.state("none"), glue.run_state("none")), (None, None));
    world.calls().reset();
    assert_eq!(world.calls().changes(), []);
}

/// What was asked for first comes first, however late it is answered.
#[tokio::test]
async fn a_late_answer_does_not_change_the_order() {
    let simulator = start();
    let world = simulator.world();
    let (client, athena) = (Client::new(&simulator), world.account(ACCOUNT, REGION).athena());
    athena.workgroup("etl");
    world.faults().add(FaultRule::delay("UpdateWorkGroup", Duration::from_millis(200)).times(1));
    let disable = |name: &str| client.call("UpdateWorkGroup", json!({ "WorkGroup": name, "State": "DISABLED" }));
    let other = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        disable("etl").await
    };
    futures_util::future::join(disable("primary"), other).await;
    let changes = world.calls().changes();
    assert_eq!([changes[0].id.as_str(), changes[1].id.as_str()], ["primary", "etl"]);
    assert!(changes[0].at > changes[1].at);
}

#[tokio::test]
async fn states_before_and_after_tell_what_is_on_again() {
    let simulator = start();
    let sagemaker = simulator.world().account(ACCOUNT, REGION).sagemaker();
    let api = Client::new(&simulator).service("SageMaker");
    let notebook = |name: &str, stopped| NotebookSpec { name: name.to_owned(), stopped, ..NotebookSpec::default() };
    let on = sagemaker.start_notebook(notebook("on", false));
    let off = sagemaker.start_notebook(notebook("off", true));
    let app = sagemaker.start_app(AppSpec::default());
    let kinds = [WorkloadKind::NotebookInstance, WorkloadKind::App];
    let before = sagemaker.states(&kinds);
    let state = |text: &str| Some(text.to_owned());
    assert_eq!((sagemaker.state(&on), sagemaker.state(&off)), (state("InService"), state("Stopped")));
    assert_eq!((before.len(), sagemaker.states(&[WorkloadKind::App]).len()), (3, 1));
    api.ok("StopNotebookInstance", json!({ "NotebookInstanceName": "on" })).await;
    sagemaker.finish(&app);
    let closed: Vec<_> = sagemaker.states(&kinds).into_values().collect();
    assert_eq!(closed, ["Deleted", "Stopped", "Stopped"]);
    api.ok("StartNotebookInstance", json!({ "NotebookInstanceName": "on" })).await;
    assert_ne!(sagemaker.states(&kinds), before);
    assert_eq!((sagemaker.state(&on), sagemaker.state("none")), (state("InService"), None));
}
