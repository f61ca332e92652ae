//! What the roles of Glue's functions need.

use std::time::Duration;

use serde_json::json;
use stage::deploy::sample_event;
use stage::{Sandbox, SandboxOptions};
use workload_simulator::{JobRunSpec, SessionSpec};

use super::{Run, SOON, breach, check, demanding, sweep};
use crate::{minutes, sandbox};

fn session(sandbox: &Sandbox, age: Duration) -> String {
    sandbox.glue.start_session(SessionSpec { age, ..SessionSpec::default() })
}

/// A run over its limit.
fn job_run(sandbox: &Sandbox) -> String {
    sandbox.glue.start_run(JobRunSpec { job: "etl".to_owned(), age: minutes(61), ..JobRunSpec::default() })
}

#[test]
fn the_watch_of_glue_fails_without_any_one_of_its_actions() {
    let options = demanding(&[("glue-session-age", "1h")]);
    let sandbox = sandbox(&SandboxOptions { vigil: true, ..options });
    session(&sandbox, minutes(10));
    job_run(&sandbox);
    let runs = [
        Run::new(&[], |sandbox| {
            session(sandbox, minutes(61));
            sweep("glue-watch")
        }),
        // Of a run that an event names only that run is read.
        Run::new(&["glue:GetJobRun"], |sandbox| {
            let mut event = sample_event("glue-watch", "run-running").unwrap();
            event["account"] = json!(sandbox.account.id);
            event["detail"]["jobName"] = json!("etl");
            event["detail"]["jobRunId"] = json!(job_run(sandbox));
            event
        }),
        // A session announces nothing, so that it is read by itself only when a vigil has waited for it.
        Run::on_vigil(&["glue:GetSession"], |sandbox| {
            session(sandbox, minutes(60) - SOON);
            sweep("glue-watch")
        }),
        Run::new(glue::client::GlueClient::WATCH_ACTIONS, |_| sweep("glue-watch")),
    ];
    check(&sandbox, "glue-watch", glue::watch::ACTIONS, &runs);
}

#[test]
fn the_enforce_of_glue_fails_without_any_one_of_its_actions() {
    let sandbox = sandbox(&demanding(&[
        ("glue-session-age", "1h"),
        ("glue-session-idle-time", "30m"),
        ("glue-session-count", "1"),
        ("glue-job-runtime", "1h"),
        ("glue-concurrent-job-runs", "1"),
    ]));
    // The oldest of each, which a count keeps.
    session(&sandbox, minutes(90));
    sandbox.glue.start_run(JobRunSpec { job: "etl".to_owned(), age: minutes(90), ..JobRunSpec::default() });
    let runs = [
        Run::new(&["glue:GetSession", "glue:GetTags", "glue:StopSession"], |sandbox| {
            breach(sandbox, "glue-session-age", &session(sandbox, minutes(61)))
        }),
        Run::new(&["glue:ListStatements"], |sandbox| {
            breach(sandbox, "glue-session-idle-time", &session(sandbox, minutes(61)))
        }),
        Run::new(&["glue:ListSessions"], |sandbox| {
            breach(sandbox, "glue-session-count", &session(sandbox, minutes(61)))
        }),
        Run::new(&["glue:GetJobRun", "glue:BatchStopJobRun"], |sandbox| {
            breach(sandbox, "glue-job-runtime", &format!("etl/{}", job_run(sandbox)))
        }),
        Run::new(&["glue:ListJobs", "glue:GetJobRuns"], |sandbox| {
            breach(sandbox, "glue-concurrent-job-runs", &format!("etl/{}", job_run(sandbox)))
        }),
    ];
    check(&sandbox, "glue-enforce", glue::enforce::ACTIONS, &runs);
}
