//! At the level that locks, the sandbox closes and stays closed until somebody releases it; and how that is explained.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use stage::running::{REGION, binaries, wait_for};
use stage::{Sandbox, allowed};

use super::{AT_MOST, ENFORCE, Metered, bill, line, month};
use crate::availability::always_open;

const RECONCILE: &str = "sandbox-guardrails-availability-reconcile";

/// What changes spend-enforce leaves no other lock on its way.
static LOCKS: Mutex<()> = Mutex::new(());

/// The row of the budget's lock, once it stands so.
fn lock(bill: &Metered, sandbox: &Sandbox, status: &str) -> serde_json::Map<String, Value> {
    bill.await_row(&sandbox.account.id, "lock/budget", |row| row["status"] == status)
}

fn await_state(bill: &Metered, sandbox: &Sandbox, state: &str) {
    bill.await_row(&sandbox.account.id, "availability", |row| row["state"] == state);
}

/// How often the sandbox has told that a lock was set.
fn times_locked(bill: &Metered, sandbox: &Sandbox) -> usize {
    bill.rows(&sandbox.account.id, "availability/locked/").len()
}

/// What `guardrails spend explain` says of the sandbox's rows, as `aws dynamodb query` prints them.
fn explained(bill: &Metered, sandbox: &Sandbox, options: &[&str]) -> String {
    let query = json!({
        "TableName": "sandbox-guardrails-console",
        "KeyConditionExpression": "pk = :sandbox",
        "ExpressionAttributeValues": {":sandbox": {"S": format!("{}/{REGION}", sandbox.account.id)}},
    });
    let rows = bill.hub.account.json("dynamodb", "DynamoDB_20120810.Query", &query).unwrap().to_string();
    let mut command = Command::new(binaries().unwrap().join("guardrails"));
    command
        .args(["spend", "explain"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut explain = command.spawn().unwrap();
    explain.stdin.take().unwrap().write_all(rows.as_bytes()).unwrap();
    let answer = explain.wait_with_output().unwrap();
    let said = String::from_utf8(answer.stdout).unwrap();
    assert!(answer.status.success(), "{said}{}", String::from_utf8_lossy(&answer.stderr));
    said
}

#[test]
fn the_level_that_locks_closes_the_sandbox_and_only_its_release_opens_it() {
    let bill = bill();
    let _locks = LOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    let sandbox = bill.sandbox("forecast", &[("limit", "1000.00 USD/month"), ("mode", "enforce")]);
    let id = &sandbox.account.id;
    let users = sandbox.account.user_role("analyst", "/sandbox-users/", &[]).unwrap();
    let may_act = || {
        let user = sandbox.account.assume(&users).unwrap();
        allowed(user.json("athena", "AmazonAthena.ListWorkGroups", &json!({}))).unwrap()
    };
    assert!(may_act());
    let month = month(0);
    let lines = |cost: &str| {
        let rest = line(id, month, "ElasticMapReduce", "150.2").by("dora@bank");
        vec![line(id, month, "AmazonSageMaker", cost).by("cleo@bank"), rest]
    };

    bill.bills(id, month, lines("1900"), "2050.2");
    let row = lock(bill, &sandbox, "held");
    let why = "`forecast` has spent 2050.20 USD of its budget of 1000.00 USD/month (200 % reached), most of it on \
               AmazonSageMaker: 1900.00";
    assert_eq!((&row["reason"], &row["requested_by"]), (&json!(why), &json!("spend-enforce")));
    await_state(bill, &sandbox, "closed");
    assert!(!may_act());
    bill.await_levels(id, &[50, 75, 100, 150, 200]);
    let episode = bill.findings(id)[0].episode.unwrap();
    let action = bill.await_row(id, &format!("action/spend-budget/{id}/200/{episode}/lock"), |_| true);
    assert_eq!((&action["outcome"], &action["action"]), (&json!("done"), &json!("lock")), "{action:?}");

    // Neither its window opens it, nor cost data that lands.
    bill.hub.request_window(&sandbox, "command/open", &always_open()).unwrap();
    let answer = bill.await_row(id, "command/open/answer", |_| true);
    assert_eq!(answer["status"], "accepted", "{answer:?}");
    bill.bills(id, month, lines("1950"), "2100.2");
    let reconciled = sandbox.account.invoke(RECONCILE, &json!({"reconcile": "on demand"})).unwrap();
    assert_eq!((&reconciled["desired"], &reconciled["started"]), (&json!("closed"), &Value::Null), "{reconciled}");
    assert_eq!(times_locked(bill, &sandbox), 1);
    let said = explained(bill, &sandbox, &[]);
    for part in ["locked", "200 %", "AmazonSageMaker", "cleo@bank", "how it opens again", "release"] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }

    let reason = "reviewed with the owner";
    let release = json!({
        "command": "release", "lock": "budget", "sandboxes": [id], "requested_by": "jo@bank.example", "reason": reason,
    });
    bill.command(&release);
    await_state(bill, &sandbox, "open");
    assert!(may_act());
    let row = lock(bill, &sandbox, "released");
    assert_eq!((&row["reason"], &row["requested_by"]), (&json!(reason), &json!("jo@bank.example")));
    // Still over 200 %, and cost data lands: the level was found and acted on, and somebody has looked since.
    bill.bills(id, month, lines("2000"), "2150.2");
    let _ = bill.look();
    assert_eq!(times_locked(bill, &sandbox), 1);
    assert!(may_act());

    // Of a greater budget the level is another one, which locks anew; an even greater one opens nothing.
    bill.budget(id, "4000.00 USD/month");
    bill.await_spend(id, month, |told| told.budget.as_ref().is_some_and(|budget| budget.percent == 53));
    bill.bills(id, month, lines("8000"), "8150.2");
    lock(bill, &sandbox, "held");
    await_state(bill, &sandbox, "closed");
    assert_eq!(times_locked(bill, &sandbox), 2);
    let starts = sandbox.workflows("start").unwrap().len();
    bill.budget(id, "90000.00 USD/month");
    bill.await_spend(id, month, |told| told.budget.as_ref().is_some_and(|budget| budget.percent == 9));
    let reconciled = sandbox.account.invoke(RECONCILE, &json!({"reconcile": "on demand"})).unwrap();
    assert_eq!(reconciled["desired"], "closed", "{reconciled}");
    assert_eq!(sandbox.workflows("start").unwrap().len(), starts);
    assert!(!may_act());
    let said: Value = serde_json::from_str(&explained(bill, &sandbox, &["--json"])).unwrap();
    assert_eq!((&said["locked"], &said["budget"]["set_for"]), (&json!(true), &json!("sandbox")), "{said}");
    assert_eq!(said["budget"]["budget"], "4000.00 USD/month", "{said}");
    assert_eq!(said["budget"]["changed_to"], "90000.00 USD/month", "{said}");
}

#[test]
fn a_lock_whose_sender_was_killed_is_set_and_told_once() {
    let bill = bill();
    let _locks = LOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    let sandbox = bill.sandbox("churn", &[("limit", "100.00 USD/month"), ("mode", "enforce")]);
    let id = &sandbox.account.id;
    sandbox.account.user_role("analyst", "/sandbox-users/", &[]).unwrap();
    // The sandbox obeys and cannot say so, and spend-enforce is killed while it waits for that.
    let role = sandbox.account.role_of(RECONCILE).unwrap();
    let policy = sandbox.account.policy(&role, "availability-reconcile").unwrap();
    sandbox.account.take_action_away(&role, "availability-reconcile", "events:PutEvents").unwrap();
    bill.hub.account.allow_seconds(ENFORCE, 5).unwrap();
    let month = month(0);
    bill.bills(id, month, vec![line(id, month, "AWSGlue", "250")], "250");
    wait_for("the lock in the sandbox", AT_MOST, || {
        let ledger = sandbox.ledger().unwrap();
        let locked = |id: &Value| id.as_str().is_some_and(|id| id.starts_with("availability/locked/command/budget-"));
        ledger.iter().any(|entry| locked(&entry["id"])).then_some(())
    })
    .unwrap();
    let killed = format!("{}/{REGION}/spend-enforce/failure", bill.hub.account.id);
    let row = wait_for("spend-enforce to be killed", AT_MOST, || bill.row_at("health", &killed));
    let row = row.unwrap_or_else(|error| panic!("{error}; {}", bill.what_is(id)));
    assert!(row["message"].as_str().unwrap().contains("timed out"), "{row:?}");
    assert!(bill.row(id, "lock/budget").is_none());
    sandbox.account.put_policy(&role, "availability-reconcile", &policy).unwrap();
    bill.hub.account.allow_seconds(ENFORCE, 120).unwrap();

    // The sandbox tells what it could not tell before, and whoever asks for the lock again finds it set.
    let held = wait_for("the sandbox to tell of its lock", AT_MOST, || {
        // Every watch publishes what anybody has left unpublished.
        sandbox.sweep().unwrap();
        bill.row(id, "lock/budget").filter(|row| row["status"] == "held")
    });
    held.unwrap_or_else(|error| panic!("{error}; {}", bill.what_is(id)));
    let finding = bill.findings(id).into_iter().find(|finding| finding.level.percent == 200).unwrap();
    let mut event = stage::deploy::sample_event("spend-enforce", "breach").unwrap();
    event["detail"] = serde_json::to_value(&finding).unwrap();
    for _ in 0..2 {
        bill.hub.account.invoke(ENFORCE, &event).unwrap();
    }
    let action = format!("action/{}/lock", finding.header.id);
    bill.await_row(id, &action, |row| row["outcome"] == "done");
    assert_eq!(bill.rows(id, "action/spend-budget/").len(), 1);
    assert_eq!(times_locked(bill, &sandbox), 1);
    await_state(bill, &sandbox, "closed");
    assert_eq!(sandbox.workflows("stop").unwrap().len(), 1, "{}", bill.what_is(id));
}
