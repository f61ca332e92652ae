//! The story's last chapter: the bill arrives. One sandbox passes 75 % of its budget; the next passes 200 %, closes by
//! itself, and stays closed until somebody releases it.

use std::collections::BTreeSet;
use std::time::Duration;

use comfy_table::{Cell, Table};
use guardrail::spending::SandboxSpend;
use jiff::tz::TimeZone;
use owo_colors::Style;
use serde_json::{Value, json};

use super::{Row, mark, table};
use crate::exports::{Delivery, Line};
use crate::running::wait_for;
use crate::timeline::{Timeline, now};
use crate::{Hub, Sandbox, StageError};

/// The longest that any one thing of it may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// The function that operators send commands with.
const COMMAND: &str = "sandbox-guardrails-console-command";

/// One promise of the chapter.
struct Verdict {
    what: &'static str,
    became: String,
    kept: bool,
}

/// What became of it all.
pub(super) struct Chapter(Vec<Verdict>);

/// Plays it, telling what reaches the hub. `first` and `second` are of one business unit, which has a budget.
///
/// # Errors
/// When the stage does not hold, or something does not come about in time.
pub(super) fn play<W: std::io::Write>(
    hub: &Hub,
    first: &Sandbox,
    second: &Sandbox,
    timeline: &mut Timeline<W>,
) -> Result<Chapter, StageError> {
    let operator = Style::new().bold();
    second.account.user_role("data-scientist", "/sandbox-users/", &[])?;
    let said = |error: std::io::Error| StageError::Call { what: "the timeline".to_owned(), message: error.to_string() };
    for sandbox in [first, second] {
        let entry = json!({"business_unit": "analytics", "alias": sandbox.alias}).to_string();
        let name = format!("/sandbox-guardrails/spend/sandboxes/{}", sandbox.account.id);
        hub.account.put_parameter(&name, &entry)?;
        timeline.names.insert(sandbox.account.id.clone(), format!("`{}`", sandbox.alias));
    }
    let what = "gives each sandbox of `analytics` a budget of 1000 USD a month, enforced";
    timeline.line(now(), "operator", operator, what).map_err(said)?;
    let budget = json!({
        "command": "budget", "business_unit": "analytics", "limit": "1000.00 USD/month", "mode": "enforce",
        "requested_by": "fin-data-ops@bank", "reason": "planning of the year",
    });
    accepted(&hub.account.invoke(COMMAND, &budget)?)?;

    timeline.line(now(), "AWS", operator, "delivers the cost export of the month, its manifest last").map_err(said)?;
    let today = now().to_zoned(TimeZone::UTC).date();
    let bill = |sandbox: &Sandbox, service: &str, owner: &str, cost: &str| {
        Line::new(&sandbox.account.id, service, today, cost).by(owner)
    };
    let lines = vec![
        bill(first, "AmazonAthena", "ana@bank", "512.25"),
        bill(first, "AWSGlue", "ben@bank", "250.10"),
        bill(second, "AmazonSageMaker", "cleo@bank", "1874.3000000001"),
        bill(second, "ElasticMapReduce", "cleo@bank", "150.2"),
    ];
    hub.deliver(&Delivery::new(today, "first-delivery", lines))?;
    let levels = until(hub, first, timeline, "the level of 75 %", |rows| {
        let levels = levels_of(rows);
        levels.contains(&75).then_some(levels)
    })?;
    let told = until(hub, first, timeline, "what was spent", spend)?;
    let warned = Verdict {
        what: "`marketing` spends 762.35 of 1000 USD",
        became: format!("reported at 50 and 75 %, by service and owner: {} USD", told.reported.with_decimals(2)),
        kept: levels == [50, 75].into() && told.reported.to_string() == "762.35" && told.owners.len() == 2,
    };
    until(hub, second, timeline, "the lock to close the sandbox", |rows| stands(rows, "closed"))?;
    let rows = hub.rows(second)?;
    let held = lock_is(&rows, "held");
    let locked = Verdict {
        what: "`forecast` spends 2024.50 of 1000 USD",
        became: "found at each level, locked at 200 %, and closed".to_owned(),
        kept: held
            && reason(&rows).ends_with("most of it on AmazonSageMaker: 1874.30")
            && levels_of(&rows) == [50, 75, 100, 150, 200].into(),
    };

    let what = "raises its budget to 2500 USD; the sandbox stays closed until it is released";
    timeline.line(now(), "operator", operator, what).map_err(said)?;
    let raise = json!({
        "command": "budget", "sandboxes": [second.account.id], "limit": "2500.00 USD/month",
        "requested_by": "fin-data-ops@bank", "reason": "the forecast was agreed",
    });
    accepted(&hub.account.invoke(COMMAND, &raise)?)?;
    until(hub, second, timeline, "the greater budget to be in force", |rows| {
        let standing = spend(rows)?.budget?;
        (standing.percent < 100).then_some(())
    })?;
    let still = lock_is(&hub.rows(second)?, "held");
    timeline.line(now(), "operator", operator, "releases the lock, with a name and a reason").map_err(said)?;
    let release = json!({
        "command": "release", "lock": "budget", "sandboxes": [second.account.id],
        "requested_by": "fin-data-ops@bank", "reason": "reviewed with the owner; the budget was raised",
    });
    accepted(&hub.account.invoke(COMMAND, &release)?)?;
    until(hub, second, timeline, "the sandbox to open", |rows| stands(rows, "open"))?;
    let released = Verdict {
        what: "a greater budget, and then a release",
        became: if still { "the budget alone opened nothing; the release did" } else { "the budget alone OPENED it" }
            .to_owned(),
        kept: still && lock_is(&hub.rows(second)?, "released"),
    };
    Ok(Chapter(vec![warned, locked, released]))
}

impl Chapter {
    /// What became of it as a table, and whether every promise about it was kept.
    pub(super) fn summary(&self, colour: bool) -> (Table, bool) {
        let mut table = table(["the bill", "became", "promise"]);
        for Verdict { what, became, kept } in &self.0 {
            table.add_row([Cell::new(what), Cell::new(became), mark(*kept, colour)]);
        }
        (table, self.0.iter().all(|verdict| verdict.kept))
    }
}

/// Follows what reaches the hub until a sandbox's rows show something.
fn until<W: std::io::Write, T>(
    hub: &Hub,
    sandbox: &Sandbox,
    timeline: &mut Timeline<W>,
    what: &str,
    mut look: impl FnMut(&[Row]) -> Option<T>,
) -> Result<T, StageError> {
    let found = wait_for(what, PATIENCE, || {
        let _ = timeline.follow(hub);
        look(&hub.rows(sandbox).ok()?)
    })?;
    timeline.follow(hub)?;
    Ok(found)
}

/// A command that was refused says why.
fn accepted(answer: &Value) -> Result<(), StageError> {
    match answer.get("accepted") {
        Some(Value::Bool(true)) => Ok(()),
        _ => Err(StageError::Call { what: COMMAND.to_owned(), message: answer.to_string() }),
    }
}

/// The levels of the budget that were found.
fn levels_of(rows: &[Row]) -> BTreeSet<u64> {
    let found = rows.iter().filter(|row| key(row).starts_with("finding/spend-budget/"));
    found.filter_map(|row| row.get("level")?.as_u64()).collect()
}

/// What was spent, as told last.
fn spend(rows: &[Row]) -> Option<SandboxSpend> {
    let row = rows.iter().find(|row| key(row).starts_with("spend/"))?;
    serde_json::from_str(row.get("detail")?.as_str()?).ok()
}

fn lock_is(rows: &[Row], status: &str) -> bool {
    let lock = rows.iter().find(|row| key(row) == "lock/budget");
    lock.is_some_and(|row| row.get("status").and_then(Value::as_str) == Some(status))
}

fn reason(rows: &[Row]) -> String {
    let lock = rows.iter().find(|row| key(row) == "lock/budget");
    lock.and_then(|row| row.get("reason")?.as_str()).unwrap_or_default().to_owned()
}

/// Whether the sandbox stands so, as its row says.
fn stands(rows: &[Row], state: &str) -> Option<()> {
    let row = rows.iter().find(|row| key(row) == "availability")?;
    (row.get("state").and_then(Value::as_str) == Some(state)).then_some(())
}

fn key(row: &Row) -> &str {
    row.get("sk").and_then(Value::as_str).unwrap_or_default()
}
