//! What is stopped, when, and what is spared.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use stage::SandboxOptions;
use stage::deploy::sample_event;
use stage::running::{REGION, python};
use workload_simulator::{QuerySpec, QueryState};

use crate::{hub_row, levels, minutes, query, sandbox, stage, view};

#[test]
fn over_the_limit_is_stopped_and_verified_and_everything_else_is_spared() {
    let sandbox = sandbox(&SandboxOptions::default());
    sandbox.limit("etl", "2h").unwrap();
    sandbox.mode("watched", "observe").unwrap();
    let exemption =
        json!({"scope": "audit", "owner": "jo@bank", "reason": "year end", "expires": "2100-01-01T00:00:00Z"});
    sandbox.account.put_parameter("/sandbox-guardrails/exemptions/year-end", &exemption.to_string()).unwrap();
    let over = query(&sandbox, "adhoc", minutes(31));
    let below = query(&sandbox, "adhoc", minutes(20));
    let own_limit = query(&sandbox, "etl", minutes(60));
    let observed = query(&sandbox, "watched", minutes(60));
    let exempt = query(&sandbox, "audit", minutes(60));
    sandbox.sweep().unwrap();
    sandbox.await_outcome(&over, "done").unwrap();
    sandbox.await_outcome(&observed, "observed_only").unwrap();
    sandbox.await_outcome(&exempt, "exempt").unwrap();

    assert_eq!(view(&sandbox, &over).state, QueryState::Cancelled);
    for spared in [&below, &own_limit, &observed, &exempt] {
        assert_eq!((view(&sandbox, spared).state, view(&sandbox, spared).stop_calls), (QueryState::Running, 0));
    }
    let action = hub_row(&sandbox, &format!("action/athena-query-runtime/{over}/100/stop"));
    assert_eq!(action["outcome"], "done");
    assert!(stage().world().calls().stops().iter().filter(|stop| stop.id == over).count() == 1);
}

#[test]
fn a_vigil_stops_at_the_limit_and_not_what_ends_just_in_time() {
    let sandbox = sandbox(&SandboxOptions::default());
    let age = minutes(30) - Duration::from_secs(6);
    let over = query(&sandbox, "adhoc", age);
    let in_time = sandbox.athena.start(QuerySpec {
        workgroup: "adhoc".to_owned(),
        age,
        runs_for: Some(minutes(30) - Duration::from_secs(1)),
        ..QuerySpec::default()
    });
    sandbox.sweep().unwrap();
    sandbox.await_outcome(&over, "done").unwrap();
    let seen = view(&sandbox, &over);
    let ran = seen.stopped_at.unwrap().duration_since(seen.submitted_at);
    assert!(ran >= jiff::SignedDuration::from_mins(30), "never before its limit: {ran}");
    assert_eq!((view(&sandbox, &in_time).state, view(&sandbox, &in_time).stop_calls), (QueryState::Succeeded, 0));
    assert_eq!(levels(&sandbox, &in_time), [75, 95]);
}

#[test]
fn a_lowered_limit_breaches_at_the_next_look() {
    let sandbox = sandbox(&SandboxOptions::default());
    let id = query(&sandbox, "adhoc", minutes(10));
    sandbox.limit("adhoc", "5m").unwrap();
    sandbox.sweep().unwrap();
    sandbox.await_outcome(&id, "done").unwrap();
}

#[test]
fn duplicate_and_stale_and_forged_breaches_stop_nothing_more() {
    let sandbox = sandbox(&SandboxOptions::default());
    let over = query(&sandbox, "adhoc", minutes(31));
    let below = query(&sandbox, "adhoc", minutes(1));
    let ended = query(&sandbox, "adhoc", minutes(31));
    sandbox.athena.finish(&ended);
    let breach = |id: &str| {
        let mut event = sample_event("athena-enforce", "breach").unwrap();
        event["account"] = json!(sandbox.account.id);
        event["detail"]["id"] = json!(format!("athena-query-runtime/{id}/100"));
        event["detail"]["resource"]["id"] = json!(id);
        event
    };
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| sandbox.enforce(&breach(&over)).unwrap());
        }
    });
    for id in [over.as_str(), &below, &ended, "11111111-2222-4333-8444-555555555555"] {
        sandbox.enforce(&breach(id)).unwrap();
    }
    let mut foreign = breach(&below);
    foreign["account"] = json!("123456789012");
    sandbox.enforce(&foreign).unwrap();
    sandbox.enforce(&json!({"detail": {}})).unwrap();

    assert_eq!(view(&sandbox, &over).stop_calls, 1);
    assert_eq!(view(&sandbox, &below).stop_calls, 0);
    let outcomes = [(over.as_str(), "done"), (&below, "refused"), (&ended, "already_gone")];
    for (id, outcome) in outcomes {
        assert_eq!(sandbox.outcome(id).as_deref(), Some(outcome));
    }
}

#[test]
fn users_of_the_sandbox_cannot_put_to_the_bus() {
    let sandbox = sandbox(&SandboxOptions::default());
    let (key, secret) = sandbox.account.user("ana").unwrap();
    let put = |bus: &str| {
        let entry = json!([{"EventBusName": bus, "Source": "sandbox.guardrails", "DetailType": "Guardrail Finding", "Detail": "{}"}]);
        let aws = python().unwrap().with_file_name("aws");
        let put = Command::new(aws)
            .args(["events", "put-events", "--endpoint-url", stage().endpoint(), "--entries", &entry.to_string()])
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", &key)
            .env("AWS_SECRET_ACCESS_KEY", &secret)
            .env("AWS_DEFAULT_REGION", REGION)
            .output()
            .unwrap();
        (put.status.success(), String::from_utf8_lossy(&put.stderr).into_owned())
    };
    let (accepted, error) = put("default");
    assert!(accepted, "the user may put events in general: {error}");
    let (accepted, error) = put("sandbox-guardrails");
    assert!(!accepted && error.contains("AccessDenied"), "{error}");
}
