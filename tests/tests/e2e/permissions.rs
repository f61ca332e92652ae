//! Each role holds exactly what its function needs: with one action less, the function fails and says which.

use std::time::Duration;

use serde_json::json;
use stage::deploy::sample_event;
use stage::{Sandbox, SandboxOptions};

use crate::{minutes, query, sandbox};

/// A sandbox in which every call is made: a wrong parameter makes it read histories.
fn demanding() -> Sandbox {
    let sandbox = sandbox(&SandboxOptions::default());
    sandbox.account.put_parameter("/sandbox-guardrails/athena/athena-query-runtime/limit", "never").unwrap();
    sandbox
}

fn check(sandbox: &Sandbox, binary: &str, actions: &[&[&str]], run: impl Fn(&str) -> Result<(), stage::StageError>) {
    let function = format!("sandbox-guardrails-{binary}");
    let role = sandbox.account.role_of(&function).unwrap();
    let policy = sandbox.account.policy(&role, binary).unwrap();
    let over = || query(sandbox, "adhoc", minutes(31) + Duration::from_secs(1));
    run(&over()).unwrap();
    for action in actions.iter().copied().flatten() {
        sandbox.account.take_action_away(&role, binary, action).unwrap();
        // A function that has just started has everything still to read.
        sandbox.account.restart(&function).unwrap();
        let error = run(&over()).expect_err(action).to_string();
        assert!(error.contains("AccessDenied") && error.contains(action), "without `{action}`: {error}");
        sandbox.account.put_policy(&role, binary, &policy).unwrap();
    }
    run(&over()).unwrap();
}

#[test]
fn the_watch_fails_without_any_one_of_its_actions() {
    let sandbox = demanding();
    check(&sandbox, "athena-watch", athena::watch::ACTIONS, |_| sandbox.sweep());
}

#[test]
fn the_enforce_fails_without_any_one_of_its_actions() {
    let sandbox = demanding();
    check(&sandbox, "athena-enforce", athena::enforce::ACTIONS, |id| {
        let mut event = sample_event("athena-enforce", "breach").unwrap();
        event["account"] = json!(sandbox.account.id);
        event["detail"]["resource"]["id"] = json!(id);
        sandbox.enforce(&event)
    });
}
