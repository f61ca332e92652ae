//! What happens when calls fail: nothing is lost, nothing is stopped twice, and what cannot be seen is said loudly.

use std::time::Duration;

use serde_json::{Map, Value};
use stage::SandboxOptions;
use stage::deploy::sample_event;
use stage::running::wait_for;
use workload_simulator::{FaultRule, QuerySpec};

use crate::{hub_row, levels, minutes, query, sandbox, stage, view};

#[test]
fn throttling_of_any_call_delays_and_loses_nothing() {
    let sandbox = sandbox(&SandboxOptions::default());
    let id = query(&sandbox, "adhoc", minutes(31));
    for operation in ["ListWorkGroups", "ListQueryExecutions", "BatchGetQueryExecution", "StopQueryExecution"] {
        stage().world().faults().add(FaultRule::throttling(operation).of_account(&sandbox.account.id).times(2));
    }
    sandbox.sweep().unwrap();
    sandbox.await_outcome(&id, "done").unwrap();
    assert_eq!(levels(&sandbox, &id), [75, 95, 100]);
}

#[test]
fn a_stop_whose_answer_is_lost_is_verified_and_told_once() {
    let sandbox = sandbox(&SandboxOptions::default());
    let id = query(&sandbox, "adhoc", minutes(31));
    stage().world().faults().add(FaultRule::lost_answer("StopQueryExecution").of_account(&sandbox.account.id).times(1));
    sandbox.sweep().unwrap();
    sandbox.await_outcome(&id, "done").unwrap();
    hub_row(&sandbox, &format!("action/athena-query-runtime/{id}/100/stop"));
}

#[test]
fn a_query_that_obeys_late_is_watched_until_it_has_ended() {
    let sandbox = sandbox(&SandboxOptions::default());
    let id = sandbox.athena.start(QuerySpec {
        workgroup: "adhoc".to_owned(),
        age: minutes(31),
        cancel_takes: Duration::from_secs(3),
        ..QuerySpec::default()
    });
    sandbox.sweep().unwrap();
    sandbox.await_outcome(&id, "done").unwrap();
    assert!(view(&sandbox, &id).completed_at.is_some(), "done means that it has ended");
}

#[test]
fn denied_on_a_list_fails_loudly_and_shows_at_the_hub() {
    let sandbox = sandbox(&SandboxOptions::default());
    query(&sandbox, "adhoc", minutes(31));
    stage()
        .world()
        .faults()
        .add(FaultRule::error("ListQueryExecutions", "AccessDeniedException", 400).of_account(&sandbox.account.id));
    let error = sandbox.sweep().unwrap_err().to_string();
    assert!(error.contains("AccessDenied") && error.contains("athena:ListQueryExecutions"), "{error}");
    // As the schedule does it: nobody waits for the answer, so Lambda reports the failure to the bus.
    sandbox.watch_unattended("sweep").unwrap();
    let row = wait_for("the failure at the hub", Duration::from_secs(30), || {
        let rows = crate::hub().rows(&sandbox).ok()?;
        rows.into_iter().find(|row| row.values().any(|value| value == "AccessDenied"))
    });
    row.unwrap();

    // The hub's own check measures it, and names the sandbox.
    let hub = &crate::hub().account;
    hub.invoke("sandbox-guardrails-console-feed", &sample_event("console-feed", "health-check").unwrap()).unwrap();
    wait_for("the sandbox among the unhealthy", Duration::from_secs(10), || {
        let lines = hub.log("sandbox-guardrails-console-feed").ok()?;
        let measured = lines.iter().any(|line| {
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            line["SandboxesUnhealthy"].as_u64().is_some_and(|unhealthy| unhealthy > 0)
        });
        let named = lines.iter().any(|line| line.contains("is not well") && line.contains(&sandbox.account.id));
        (measured && named).then_some(())
    })
    .unwrap();
}

#[test]
fn what_a_crash_left_unpublished_is_published_by_a_later_sweep() {
    let sandbox = sandbox(&SandboxOptions { mode: "observe", ..SandboxOptions::default() });
    let id = query(&sandbox, "adhoc", minutes(23));
    let role = sandbox.account.role_of("sandbox-guardrails-athena-watch").unwrap();
    let policy = sandbox.account.policy(&role, "athena-watch").unwrap();
    // Between the ledger and the bus: the entry is written and cannot be published.
    sandbox.account.take_action_away(&role, "athena-watch", "events:PutEvents").unwrap();
    sandbox.sweep().unwrap_err();
    let pending = |sandbox: &stage::Sandbox| {
        let pending = |entry: &Map<String, Value>| entry.get("outbox").is_some_and(|outbox| outbox == "pending");
        let of_queries = |entry: &Map<String, Value>| entry["id"].as_str().unwrap().starts_with("athena-query-runtime");
        sandbox.ledger().unwrap().into_iter().filter(|entry| pending(entry) && of_queries(entry)).count()
    };
    assert_eq!(pending(&sandbox), 1);
    sandbox.account.put_policy(&role, "athena-watch", &policy).unwrap();
    wait_for("the repair", Duration::from_secs(40), || {
        sandbox.sweep().unwrap();
        (pending(&sandbox) == 0).then_some(())
    })
    .unwrap();
    hub_row(&sandbox, &format!("finding/athena-query-runtime/{id}/75"));
}

#[test]
fn malformed_and_unknown_events_are_warned_about_and_not_tried_again() {
    let sandbox = sandbox(&SandboxOptions::default());
    for sample in ["malformed", "query-unknown", "query-succeeded"] {
        sandbox.watch(sample).unwrap();
    }
    let findings = sandbox.ledger().unwrap();
    assert!(findings.is_empty(), "{findings:?}");
}
