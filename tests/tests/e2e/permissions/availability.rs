//! What the roles of the functions of availability need.
//!
//! Each run is one step, on a book that says whose turn it is, so that no workflow has to be played up to there.

use std::time::Duration;

use availability::{reconcile, step, update};
use jiff::SignedDuration;
use serde_json::{Value, json};
use stage::deploy::sample_event;
use stage::running::wait_for;
use stage::timeline::now;
use stage::{Sandbox, SandboxOptions};
use workload_simulator::{
    AppSpec, ClusterSpec, ExecutionSpec, FaultError, FaultRule, JobKind, JobRunSpec, JobSpec, NotebookSpec, QuerySpec,
    SessionSpec,
};

use super::{Run, check, unique};
use crate::stage;

const JOBS: [JobKind; 5] =
    [JobKind::Training, JobKind::Processing, JobKind::Transform, JobKind::HyperParameterTuning, JobKind::AutoMl];

const STOPS_OF_JOBS: [&str; 6] = [
    "StopTrainingJob",
    "StopProcessingJob",
    "StopTransformJob",
    "StopHyperParameterTuningJob",
    "StopAutoMLJob",
    "StopPipelineExecution",
];

const DOMAIN: &str = "d-analytics";

/// A sandbox with settings that make every call of looking needed: the users' roles are told by a tag, termination
/// protection is lifted, and a setting that is none has a history to look in.
fn demanding() -> Sandbox {
    let name = |name: &str| format!("/sandbox-guardrails/availability/{name}");
    let options = SandboxOptions::default()
        .with(&name("user_roles"), "tag:access=sandbox")
        .with(&name("termination_protection"), "lift")
        .with(&name("grace"), "1h")
        .with(&name("grace"), "never");
    let sandbox = crate::sandbox(&options);
    open_role(&sandbox);
    sandbox
}

/// A user's role that nothing has closed.
fn open_role(sandbox: &Sandbox) {
    let _ = sandbox.account.user_role("analyst", "/", &[("access", "sandbox")]);
    for policy in ["sandbox-guardrails-closed", "sandbox-guardrails-revoked-sessions"] {
        let _ = sandbox.account.remove_policy("analyst", policy);
    }
}

/// Writes a page of the book, whatever stands there.
fn write(sandbox: &Sandbox, page: &str, content: &Value) {
    let text = |text: &str| json!({"S": text});
    let item = json!({
        "id": text(&format!("availability/{page}")),
        "content": text(&content.to_string()),
        "version": {"N": "1"},
    });
    let put = json!({"TableName": "sandbox-guardrails-ledger", "Item": item});
    sandbox.account.json("dynamodb", "DynamoDB_20120810.PutItem", &put).unwrap();
}

/// A standing that nobody has had before, so that what is told of it is news; gives its turn.
fn stands(sandbox: &Sandbox, state: &str, workflow: &str, execution: &str) -> u64 {
    let turn: u64 = unique("turn").rsplit('-').next().unwrap().parse().unwrap();
    let turn = turn + 1;
    let now = now().to_string();
    let standing = json!({
        "state": state, "workflow": workflow, "turn": turn, "execution": execution, "asked_at": now, "began_at": now,
        "reason": null, "requested_by": null, "failure": null,
    });
    write(sandbox, "standing", &standing);
    turn
}

/// The step that closes a part, which nothing is recorded of.
fn closes(sandbox: &Sandbox, part: &str) -> Value {
    dealing(sandbox, "stop", part, &json!([]))
}

/// The step that opens a part, of which this is recorded.
fn opens(sandbox: &Sandbox, part: &str, kind: &str, id: &str, memo: &Value) -> Value {
    dealing(sandbox, "start", part, &json!([{"resource": {"kind": kind, "id": id}, "memo": memo}]))
}

fn dealing(sandbox: &Sandbox, workflow: &str, part: &str, turned_off: &Value) -> Value {
    let state = if workflow == "stop" { "closing" } else { "opening" };
    let turn = stands(sandbox, state, workflow, "by-hand");
    let since = now().to_string();
    let record = json!({"turned_off": turned_off, "turn": turn, "since": since, "told": [], "refused": []});
    write(sandbox, &format!("part/{part}"), &record);
    json!({"step": "part", "workflow": workflow, "execution": "by-hand", "turn": turn, "part": part})
}

/// The next call of an operation takes effect and is refused all the same, as one is that came twice.
fn refused_too_late(sandbox: &Sandbox, operation: &str, code: &str) {
    let error = FaultError { code: code.to_owned(), status: 400, message: "too late".to_owned(), takes_effect: true };
    let operation = Some(operation.to_owned());
    let rule = FaultRule { operation, error: Some(error), ..FaultRule::default() };
    stage().world().faults().add(rule.of_account(&sandbox.account.id).times(1));
}

fn notebook(sandbox: &Sandbox, stopped: bool) -> String {
    let name = unique("notebook");
    sandbox.sagemaker.start_notebook(NotebookSpec { name: name.clone(), stopped, ..NotebookSpec::default() });
    name
}

fn app(sandbox: &Sandbox) -> String {
    let space = unique("space");
    let spec = AppSpec { domain: Some(DOMAIN.to_owned()), space: Some(space.clone()), ..AppSpec::default() };
    sandbox.sagemaker.start_app(spec);
    space
}

fn jobs(sandbox: &Sandbox) {
    for kind in JOBS {
        sandbox.sagemaker.start_job(JobSpec { kind, ..JobSpec::default() });
    }
    sandbox.sagemaker.start_execution(ExecutionSpec::default());
}

fn await_database(sandbox: &Sandbox, name: &str, status: &str) {
    wait_for(&format!("`{name}` to be {status}"), Duration::from_secs(20), || {
        let account = &sandbox.account;
        let seen = account.cluster_status(name).or_else(|_| account.database_status(name)).ok()?;
        (seen == status).then_some(())
    })
    .unwrap();
}

/// The actions of the step that are SageMaker's, or the others: half of them each.
fn of_step(sagemakers: bool) -> Vec<&'static str> {
    step::ACTIONS.concat().into_iter().filter(|action| action.starts_with("sagemaker:") == sagemakers).collect()
}

#[test]
fn the_step_fails_without_any_one_of_its_actions_of_sagemaker() {
    let runs = [
        Run::new(&["sagemaker:ListApps", "sagemaker:DeleteApp"], |sandbox| {
            app(sandbox);
            closes(sandbox, "studio")
        }),
        Run::new(&["sagemaker:DescribeApp"], |sandbox| {
            app(sandbox);
            refused_too_late(sandbox, "DeleteApp", "ValidationException");
            closes(sandbox, "studio")
        }),
        Run::new(&["sagemaker:CreateApp"], |sandbox| {
            let space = app(sandbox);
            sandbox.sagemaker.active().iter().for_each(|seen| drop(sandbox.sagemaker.finish(&seen.arn)));
            let memo = json!({
                "DomainId": DOMAIN, "SpaceName": space, "AppType": "JupyterLab", "AppName": "default",
                "ResourceSpec": {"InstanceType": "ml.t3.medium"},
            });
            opens(sandbox, "studio", "app", &format!("{DOMAIN}/{space}/JupyterLab/default"), &memo)
        }),
        Run::new(&["sagemaker:ListNotebookInstances", "sagemaker:StopNotebookInstance"], |sandbox| {
            notebook(sandbox, false);
            closes(sandbox, "notebooks")
        }),
        Run::new(&["sagemaker:DescribeNotebookInstance"], |sandbox| {
            notebook(sandbox, false);
            refused_too_late(sandbox, "StopNotebookInstance", "ValidationException");
            closes(sandbox, "notebooks")
        }),
        Run::new(&["sagemaker:StartNotebookInstance"], |sandbox| {
            let name = notebook(sandbox, true);
            opens(sandbox, "notebooks", "notebook instance", &name, &json!({}))
        }),
        Run::new(
            &[
                "sagemaker:ListPipelines",
                "sagemaker:ListPipelineExecutions",
                "sagemaker:ListAutoMLJobs",
                "sagemaker:ListHyperParameterTuningJobs",
                "sagemaker:ListTrainingJobs",
                "sagemaker:ListProcessingJobs",
                "sagemaker:ListTransformJobs",
                "sagemaker:StopPipelineExecution",
                "sagemaker:StopAutoMLJob",
                "sagemaker:StopHyperParameterTuningJob",
                "sagemaker:StopTrainingJob",
                "sagemaker:StopProcessingJob",
                "sagemaker:StopTransformJob",
            ],
            |sandbox| {
                jobs(sandbox);
                closes(sandbox, "jobs")
            },
        ),
        Run::new(
            &[
                "sagemaker:DescribePipelineExecution",
                "sagemaker:DescribeAutoMLJobV2",
                "sagemaker:DescribeHyperParameterTuningJob",
                "sagemaker:DescribeTrainingJob",
                "sagemaker:DescribeProcessingJob",
                "sagemaker:DescribeTransformJob",
            ],
            |sandbox| {
                jobs(sandbox);
                for operation in STOPS_OF_JOBS {
                    refused_too_late(sandbox, operation, "ValidationException");
                }
                closes(sandbox, "jobs")
            },
        ),
    ];
    check(&demanding(), "availability-step", &[&of_step(true)], &runs);
}

#[test]
fn the_step_fails_without_any_one_of_its_other_actions() {
    let runs = [
        Run::new(&[], |sandbox| {
            open_role(sandbox);
            closes(sandbox, "access")
        }),
        Run::new(&["iam:DeleteRolePolicy"], |sandbox| {
            open_role(sandbox);
            let closed = json!({"Version": "2012-10-17", "Statement": [
                {"Sid": "SandboxIsClosed", "Effect": "Deny", "Action": "*", "Resource": "*"},
            ]});
            sandbox.account.put_policy("analyst", "sandbox-guardrails-closed", &closed).unwrap();
            opens(sandbox, "access", "role", "analyst", &json!({}))
        }),
        Run::new(
            &[
                "elasticmapreduce:ListClusters",
                "elasticmapreduce:TerminateJobFlows",
                "elasticmapreduce:SetTerminationProtection",
            ],
            |sandbox| {
                sandbox.emr.start(ClusterSpec { termination_protected: true, ..ClusterSpec::default() });
                closes(sandbox, "emr")
            },
        ),
        Run::new(&["elasticmapreduce:DescribeCluster"], |sandbox| {
            sandbox.emr.start(ClusterSpec::default());
            refused_too_late(sandbox, "TerminateJobFlows", "InvalidRequestException");
            closes(sandbox, "emr")
        }),
        Run::new(
            &[
                "athena:ListWorkGroups",
                "athena:ListQueryExecutions",
                "athena:BatchGetQueryExecution",
                "athena:UpdateWorkGroup",
                "athena:StopQueryExecution",
            ],
            |sandbox| {
                sandbox.athena.start(QuerySpec { workgroup: unique("workgroup"), ..QuerySpec::default() });
                closes(sandbox, "athena")
            },
        ),
        Run::new(
            &["glue:ListSessions", "glue:ListJobs", "glue:GetJobRuns", "glue:StopSession", "glue:BatchStopJobRun"],
            |sandbox| {
                sandbox.glue.start_session(SessionSpec::default());
                sandbox.glue.start_run(JobRunSpec::default());
                closes(sandbox, "glue")
            },
        ),
        Run::new(&["glue:GetSession", "glue:GetJobRun"], |sandbox| {
            sandbox.glue.start_session(SessionSpec::default());
            sandbox.glue.start_run(JobRunSpec::default());
            refused_too_late(sandbox, "StopSession", "IllegalSessionStateException");
            refused_too_late(sandbox, "BatchStopJobRun", "InvalidInputException");
            closes(sandbox, "glue")
        }),
        Run::new(
            &["rds:DescribeDBClusters", "rds:DescribeDBInstances", "rds:StopDBCluster", "rds:StopDBInstance"],
            |sandbox| {
                sandbox.account.create_cluster(&unique("cluster")).unwrap();
                sandbox.account.create_database(&unique("database")).unwrap();
                closes(sandbox, "rds")
            },
        ),
        Run::new(&["rds:StartDBCluster"], |sandbox| {
            let name = unique("cluster");
            sandbox.account.create_cluster(&name).unwrap();
            sandbox.account.stop_cluster(&name).unwrap();
            await_database(sandbox, &name, "stopped");
            opens(sandbox, "rds", "db-cluster", &name, &json!({}))
        }),
        Run::new(&["rds:StartDBInstance"], |sandbox| {
            let name = unique("database");
            sandbox.account.create_database(&name).unwrap();
            sandbox.account.stop_database(&name).unwrap();
            await_database(sandbox, &name, "stopped");
            opens(sandbox, "rds", "db-instance", &name, &json!({}))
        }),
    ];
    check(&demanding(), "availability-step", &[&of_step(false)], &runs);
}

/// A window that is closed at all times.
fn closed() -> Value {
    json!({"time_zone": "UTC", "open": []})
}

/// A window that is open for so many more hours, as far as its calendar says nothing else.
fn open_for(hours: i64) -> Value {
    let local = |hours: i64| (now() + SignedDuration::from_hours(hours)).strftime("%Y-%m-%dT%H:%M").to_string();
    let extension = json!({"from": local(-24), "until": local(hours), "reason": "quarter end"});
    json!({"time_zone": "UTC", "open": [], "calendar": "holidays", "extensions": [extension]})
}

/// The change to a window, as the workflow update passes it on.
fn change(document: &Value) -> Value {
    let (command, occurred_at) = (format!("command/{}", unique("window")), now().to_string());
    json!({"document": document, "command": command, "occurred_at": occurred_at, "requested_by": "jo@bank.example"})
}

fn no_schedules(sandbox: &Sandbox) {
    for wake in ["opens", "closes", "warns"] {
        let _ = sandbox.account.delete_schedule("sandbox-guardrails", &format!("availability-{wake}"));
    }
}

/// As a schedule wakes reconcile, in an open sandbox with this window.
fn wakes_open(sandbox: &Sandbox, document: &Value) -> Value {
    stands(sandbox, "open", "start", "by-hand");
    write(sandbox, "window", &change(document));
    json!({"reconcile": "availability-warns"})
}

/// The same in one that should be closed, and is or is about to be.
fn wakes_closed(sandbox: &Sandbox, state: &str, execution: &str) -> Value {
    stands(sandbox, state, "stop", execution);
    write(sandbox, "window", &change(&closed()));
    json!({"reconcile": "availability-closes"})
}

#[test]
fn reconcile_fails_without_any_one_of_its_actions() {
    let sandbox = demanding();
    // The workflows that it starts are to do nothing here.
    for role in sandbox.account.roles("/sandbox-guardrails/").unwrap() {
        for workflow in ["Stop", "Start"].into_iter().filter(|name| role.contains(&format!("{name}WorkflowRole"))) {
            sandbox.account.remove_policy(&role, &workflow.to_lowercase()).unwrap();
        }
    }
    sandbox.ssm.close_during("holidays", Vec::new());
    jobs(&sandbox);
    sandbox.glue.start_run(JobRunSpec::default());
    sandbox.athena.start(QuerySpec::default());
    let runs = [
        // Looked through for what came on, which is the user's role at least.
        Run::new(&[], |sandbox| wakes_closed(sandbox, "closed", "by-hand")),
        Run::new(&["states:DescribeExecution"], |sandbox| {
            let account = &sandbox.account.id;
            let execution = format!("arn:aws:states:eu-west-1:{account}:execution:sandbox-guardrails-stop:stop-1");
            wakes_closed(sandbox, "closing", &execution)
        }),
        Run::new(
            &["ssm:GetCalendarState", "scheduler:GetSchedule", "scheduler:CreateSchedule", "iam:PassRole"],
            |sandbox| {
                no_schedules(sandbox);
                wakes_open(sandbox, &open_for(3))
            },
        ),
        Run::new(&["scheduler:UpdateSchedule"], |sandbox| {
            no_schedules(sandbox);
            sandbox.invoke("availability-reconcile", &wakes_open(sandbox, &open_for(3))).unwrap();
            wakes_open(sandbox, &open_for(5))
        }),
        Run::new(&["scheduler:DeleteSchedule"], |sandbox| {
            no_schedules(sandbox);
            sandbox.invoke("availability-reconcile", &wakes_open(sandbox, &open_for(3))).unwrap();
            wakes_open(sandbox, &Value::Null)
        }),
        // Each lock is news.
        Run::new(&["events:PutEvents", "dynamodb:PutItem", "dynamodb:UpdateItem"], |sandbox| {
            wakes_open(sandbox, &Value::Null);
            let mut event = sample_event("availability-reconcile", "lock-released").unwrap();
            event["detail"]["id"] = json!(format!("command/{}", unique("release")));
            event["detail"]["sandbox"]["account"] = json!(sandbox.account.id);
            event["detail"]["occurred_at"] = json!(now().to_string());
            event
        }),
    ];
    // It describes apps whose resources the list leaves out, as AWS's model of the answer allows. The stage's tells them
    // always; that the call is made and allowed shows with the step.
    let shown: Vec<&str> = reconcile::ACTIONS.concat();
    let shown: Vec<&str> = shown.into_iter().filter(|action| *action != "sagemaker:DescribeApp").collect();
    check(&sandbox, "availability-reconcile", &[&shown], &runs);
}

/// A step of the workflow update.
fn updates(step: &str, document: &Value) -> Value {
    json!({"step": step, "execution": "by-hand", "change": change(document)})
}

#[test]
fn the_update_fails_without_any_one_of_its_actions() {
    let runs = [
        Run::new(&[], |_| updates("store", &open_for(3))),
        Run::new(&["events:PutEvents", "dynamodb:UpdateItem"], |_| updates("report", &open_for(3))),
        Run::new(
            &[
                "scheduler:GetSchedule",
                "scheduler:CreateSchedule",
                "iam:PassRole",
                "ssm:GetParametersByPath",
                "ssm:GetParameterHistory",
            ],
            |sandbox| {
                no_schedules(sandbox);
                updates("schedules", &open_for(3))
            },
        ),
        Run::new(&["scheduler:UpdateSchedule"], |sandbox| {
            no_schedules(sandbox);
            sandbox.invoke("availability-update", &updates("schedules", &open_for(3))).unwrap();
            updates("schedules", &open_for(5))
        }),
        Run::new(&["scheduler:DeleteSchedule"], |sandbox| {
            no_schedules(sandbox);
            sandbox.invoke("availability-update", &updates("schedules", &open_for(3))).unwrap();
            updates("schedules", &Value::Null)
        }),
    ];
    check(&demanding(), "availability-update", update::ACTIONS, &runs);
}

#[test]
fn the_workflows_fail_without_their_only_action() {
    let sandbox = demanding();
    let action = "lambda:InvokeFunction";
    let roles = sandbox.account.roles("/sandbox-guardrails/").unwrap();
    for (workflow, logical_id) in
        [("stop", "StopWorkflowRole"), ("start", "StartWorkflowRole"), ("update", "UpdateWorkflowRole")]
    {
        let role = roles.iter().find(|role| role.contains(logical_id)).unwrap();
        let policy = sandbox.account.policy(role, workflow).unwrap();
        assert_eq!(policy["Statement"].as_array().unwrap().len(), 1, "{policy}");
        sandbox.account.remove_policy(role, workflow).unwrap();
        let run = || {
            let execution = sandbox.begin(workflow, &json!({})).unwrap();
            sandbox.await_end(&execution, Duration::from_secs(60)).unwrap()
        };
        let failed = run();
        assert_eq!(failed.status, "FAILED", "{failed:?}");
        let history = sandbox.account.history(&failed.arn).unwrap();
        let said =
            history.iter().any(|seen| seen.details["cause"].as_str().is_some_and(|cause| cause.contains(action)));
        assert!(said, "{history:#?}");
        sandbox.account.put_policy(role, workflow, &policy).unwrap();
        assert_eq!(run().status, "SUCCEEDED");
    }
}
