//! Warnings: users hear of a closing before it comes, and when it does not come after all.

use jiff::Timestamp;
use serde_json::Value;
use stage::SandboxOptions;

use super::{ZONE, always_open, change, extended, in_zone, reconcile, set_window, told, wait_for_row};

#[test]
fn a_closing_is_announced_once_and_called_off_by_an_extension_in_time() {
    let sandbox = crate::sandbox(&SandboxOptions::default());
    set_window(&sandbox, "today", &extended(20));
    let row = wait_for_row(&sandbox, "closing", |_| true);
    assert_eq!((&row["change"], &row["state"]), (&"closing_soon".into(), &"open".into()));
    let at = Timestamp::from_millisecond(row["at"].as_i64().unwrap()).unwrap();
    let message = row["message"].as_str().unwrap();
    let clock = in_zone(at, ZONE).strftime("%H:%M").to_string();
    assert!(message.contains(&clock) && message.contains("save your work"), "{message}");
    let key = format!("closing_soon/{at}/30m");
    let first = change(&sandbox, &key);

    // The one of five minutes ahead is still to come.
    let schedule = sandbox.account.schedule("sandbox-guardrails", "availability-warns").unwrap();
    let due = in_zone(at, ZONE).checked_sub(jiff::SignedDuration::from_mins(5)).unwrap();
    assert_eq!(schedule["ScheduleExpression"], format!("at({})", due.strftime("%Y-%m-%dT%H:%M:%S")));
    reconcile(&sandbox);
    assert_eq!(told(&sandbox, "closing_soon").len(), 1);
    assert_eq!(change(&sandbox, &key)["occurred_at"], first["occurred_at"], "it is told once");

    set_window(&sandbox, "longer", &extended(24 * 60));
    let row = change(&sandbox, &format!("closing_called_off/{at}"));
    assert_eq!(row["message"], format!("the sandbox does not close at {clock} ({})", in_zone(at, ZONE).strftime("%Z")));
    wait_for_row(&sandbox, "closing", |row| row["change"] == "closing_called_off");
    assert_eq!(reconcile(&sandbox)["started"], Value::Null);
    assert_eq!(told(&sandbox, "closing_").len(), 2);
}

#[test]
fn warnings_are_a_setting_and_a_sandbox_that_is_always_open_has_none() {
    let none = SandboxOptions::default().with("/sandbox-guardrails/availability/warnings", "none");
    let sandbox = crate::sandbox(&none);
    set_window(&sandbox, "today", &extended(20));
    sandbox.account.schedule("sandbox-guardrails", "availability-closes").unwrap();
    sandbox.account.schedule("sandbox-guardrails", "availability-warns").unwrap_err();
    set_window(&sandbox, "always", &always_open());
    sandbox.account.schedule("sandbox-guardrails", "availability-closes").unwrap_err();
    assert_eq!(told(&sandbox, "closing"), Vec::<String>::new());
}
