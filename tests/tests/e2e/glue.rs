//! Glue: sessions and job runs over their limits.

use stage::{Sandbox, SandboxOptions};
use workload_simulator::{JobRunSpec, SessionSpec};

use crate::{actions, enforcing, findings, minutes, outcome, path, sandbox};

fn sweep(sandbox: &Sandbox) {
    sandbox.send("glue-watch", "sweep").unwrap();
}

#[test]
fn old_and_idle_sessions_are_stopped_once_and_others_are_not() {
    let sandbox = enforcing(&[("glue-session-age", "2h"), ("glue-session-idle-time", "30m")]);
    let session = |age: u64, idle: u64| {
        sandbox.glue.start_session(SessionSpec {
            age: minutes(age),
            idle_for: Some(minutes(idle)),
            ..SessionSpec::default()
        })
    };
    let (old, idle, busy) = (session(130, 1), session(60, 45), session(60, 5));
    sweep(&sandbox);
    let action = outcome(&sandbox, "glue-session-age", &old, "done");
    assert_eq!(action["action"], "stop_session");
    outcome(&sandbox, "glue-session-idle-time", &idle, "done");
    sweep(&sandbox);
    let stops = [&old, &idle, &busy].map(|id| sandbox.glue.session(id).unwrap().stop_calls);
    assert_eq!(stops, [1, 1, 0]);
    assert!(sandbox.glue.session(&old).unwrap().stopped_at.is_some());
    assert!(actions(&sandbox, "glue-session-age", &busy).is_empty());
}

#[test]
fn the_newest_sessions_beyond_the_cap_are_stopped() {
    let sandbox = enforcing(&[("glue-session-count", "2")]);
    let ids: Vec<String> = (0..4)
        .map(|n| sandbox.glue.start_session(SessionSpec { age: minutes(40 - n), ..SessionSpec::default() }))
        .collect();
    sweep(&sandbox);
    for id in ids.iter().skip(2) {
        outcome(&sandbox, "glue-session-count", id, "done");
    }
    for id in ids.iter().take(2) {
        assert_eq!(sandbox.glue.session(id).unwrap().stop_calls, 0);
    }
}

#[test]
fn a_long_job_run_is_stopped_once_and_a_job_with_a_limit_of_its_own_is_not() {
    let sandbox = enforcing(&[("glue-job-runtime", "1h")]);
    sandbox.account.put_parameter(&format!("{}/limit/nightly", path("glue-job-runtime")), "6h").unwrap();
    let run = |job: &str| {
        let id = sandbox.glue.start_run(JobRunSpec { job: job.to_owned(), age: minutes(90), ..JobRunSpec::default() });
        (format!("{job}/{id}"), id)
    };
    let ((adhoc, adhoc_id), (_, nightly_id)) = (run("adhoc"), run("nightly"));
    sweep(&sandbox);
    let action = outcome(&sandbox, "glue-job-runtime", &adhoc, "done");
    assert_eq!(action["action"], "stop_job");
    sweep(&sandbox);
    assert_eq!(sandbox.glue.run(&adhoc_id).unwrap().stop_calls, 1);
    assert_eq!(sandbox.glue.run(&nightly_id).unwrap().stop_calls, 0);
}

#[test]
fn many_runs_and_large_ones_are_found() {
    let sandbox = sandbox(
        &SandboxOptions::default()
            .with(&format!("{}/limit", path("glue-concurrent-job-runs")), "2")
            .with(&format!("{}/limit", path("glue-job-dpus")), "10")
            .with(&format!("{}/limit", path("glue-session-dpus")), "10"),
    );
    let runs: Vec<String> = (0..3_u32)
        .map(|n| {
            sandbox.glue.start_run(JobRunSpec {
                job: format!("job-{n}"),
                age: minutes(u64::from(30 - n)),
                number_of_workers: Some(10 + n),
                worker_type: Some("G.1X".to_owned()),
                ..JobRunSpec::default()
            })
        })
        .collect();
    let session = sandbox.glue.start_session(SessionSpec {
        age: minutes(5),
        worker_type: "G.2X".to_owned(),
        number_of_workers: 6,
        ..SessionSpec::default()
    });
    sweep(&sandbox);
    let breaches = |guardrail: &str| -> Vec<String> {
        let found = findings(&sandbox, guardrail).into_iter().filter(|(_, finding)| finding["level"]["percent"] == 100);
        found.map(|(_, finding)| finding["resource"]["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(breaches("glue-concurrent-job-runs"), [format!("job-2/{}", runs[2])]);
    let mut large = breaches("glue-job-dpus");
    large.sort();
    assert_eq!(large, [format!("job-1/{}", runs[1]), format!("job-2/{}", runs[2])], "ten are allowed");
    assert_eq!(breaches("glue-session-dpus"), [session]);
}
