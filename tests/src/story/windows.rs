//! How the story ends: the sandbox closes by its window, users first, and an extension opens it again as it was.

use std::time::Duration;

use comfy_table::{Cell, Table};
use guardrail::availability::AvailabilityChange;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan, Zoned};
use owo_colors::Style;
use serde_json::{Value, json};
use workload_simulator::NotebookSpec;

use super::{Row, mark, table};
use crate::account::allowed;
use crate::running::wait_for;
use crate::timeline::{Timeline, now};
use crate::{Hub, Sandbox, StageError};

/// Where the sandbox's people work.
const ZONE: &str = "Europe/Madrid";

/// The longest that any one thing of it may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One promise of the chapter: what was asked for, what became of it, whether that was promised.
struct Verdict {
    asked: &'static str,
    became: String,
    kept: bool,
}

/// What became of it all.
pub(super) struct Chapter(Vec<Verdict>);

/// Plays it, telling what reaches the hub.
///
/// # Errors
/// When the stage does not hold, or something does not come about in time.
pub(super) fn play<W: std::io::Write>(
    hub: &Hub,
    sandbox: &Sandbox,
    timeline: &mut Timeline<W>,
) -> Result<Chapter, StageError> {
    let operator = Style::new().bold();
    let said = |error: std::io::Error| StageError::Call { what: "the timeline".to_owned(), message: error.to_string() };
    let today = now().to_zoned(zone()?);
    let role = sandbox.account.user_role("data-scientist", "/sandbox-users/", &[])?;
    let on = notebook(sandbox, "exploration", false);
    let off = notebook(sandbox, "old-report", true);
    sandbox.account.create_cluster("features")?;
    let session = sandbox.account.assume(&role)?;

    let what = "asks for a window in zone `Europe/Madird` that closes at `25:00`";
    timeline.line(now(), "operator", operator, what).map_err(said)?;
    // Far enough away that midnight, or a clock that changes, makes no difference to the story.
    let later = today.checked_add(3.days()).unwrap_or_else(|_| today.clone());
    let rule = |to: &str| json!({"days": [day(&later)], "from": "08:00", "to": to});
    let faulty = json!({"time_zone": "Europe/Madird", "open": [rule("25:00")]});
    hub.request_window(sandbox, "command/story-1", &faulty)?;
    let rejected = until(hub, sandbox, timeline, "the refusal of a window with faults", |rows| {
        let rejected = rows.iter().find(|row| key(row).starts_with("configuration/availability/window"))?;
        Some(rejected.get("expected")?.as_str()?.to_owned())
    })?;
    let both = rejected.contains("time_zone") && rejected.contains("open[0].to");
    let refused = Verdict {
        asked: "a window with two faults",
        became: if both { "refused, both named; nothing changed" } else { "NOT refused with both named" }.to_owned(),
        kept: both && allowed(workgroups(&session))?,
    };

    timeline.line(now(), "operator", operator, "asks for a window that is closed today").map_err(said)?;
    let closed = json!({"time_zone": ZONE, "open": [rule("20:00")]});
    hub.request_window(sandbox, "command/story-2", &closed)?;
    until(hub, sandbox, timeline, "the sandbox to close", |rows| stands(rows, "closed"))?;
    let rows = hub.rows(sandbox)?;
    let (access, others) = parts(&rows);
    let first = access.is_some_and(|access| others.iter().all(|other| access < *other));
    let shut = !allowed(workgroups(&session))?;
    let stopped = state(sandbox, &on) == "Stopped" && sandbox.account.cluster_status("features")? == "stopped";
    let closing = Verdict {
        asked: "a window that is closed today",
        became: format!(
            "access {} {} services, which {} off",
            if shut { "blocked" } else { "NOT blocked" },
            if first { "before" } else { "NOT before" },
            if stopped { "are" } else { "are NOT" },
        ),
        kept: first && shut && stopped,
    };

    timeline.line(now(), "operator", operator, "extends it by two hours from now on").map_err(said)?;
    let local = |at: &Zoned| at.strftime("%Y-%m-%dT%H:%M").to_string();
    let until_when = today.checked_add(SignedDuration::from_hours(2)).unwrap_or_else(|_| today.clone());
    let extension = json!({"from": local(&today), "until": local(&until_when), "reason": "quarter end"});
    let extended = json!({"time_zone": ZONE, "open": [rule("20:00")], "extensions": [extension]});
    hub.request_window(sandbox, "command/story-3", &extended)?;
    until(hub, sandbox, timeline, "the sandbox to open", |rows| stands(rows, "open"))?;
    let session = sandbox.account.assume(&role)?;
    let inside = allowed(workgroups(&session))?;
    let again = state(sandbox, &on) == "InService" && sandbox.account.cluster_status("features")? == "available";
    let untouched = state(sandbox, &off) == "Stopped";
    let opening = Verdict {
        asked: "an extension of two hours",
        became: format!(
            "users {} in again; what was on {} on, what was off {} off",
            if inside { "are" } else { "are NOT" },
            if again { "is" } else { "is NOT" },
            if untouched { "is" } else { "is NOT" },
        ),
        kept: inside && again && untouched,
    };
    Ok(Chapter(vec![refused, closing, opening]))
}

impl Chapter {
    /// What became of it as a table, and whether every promise about it was kept.
    pub(super) fn summary(&self, colour: bool) -> (Table, bool) {
        let mut table = table(["asked of the sandbox", "became", "promise"]);
        for Verdict { asked, became, kept } in &self.0 {
            table.add_row([Cell::new(asked), Cell::new(became), mark(*kept, colour)]);
        }
        (table, self.0.iter().all(|verdict| verdict.kept))
    }
}

/// Follows what reaches the hub until it shows something.
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

/// Whether the sandbox stands so, as its row says.
fn stands(rows: &[Row], state: &str) -> Option<()> {
    let row = rows.iter().find(|row| key(row) == "availability")?;
    (row.get("state").and_then(Value::as_str) == Some(state)).then_some(())
}

/// When access was closed, and when each other part was.
fn parts(rows: &[Row]) -> (Option<jiff::Timestamp>, Vec<jiff::Timestamp>) {
    let closed = rows.iter().filter(|row| key(row).starts_with("availability/part_closed/"));
    let told: Vec<AvailabilityChange> =
        closed.filter_map(|row| serde_json::from_str(row.get("detail")?.as_str()?).ok()).collect();
    let (access, others): (Vec<_>, Vec<_>) = told.iter().partition(|told| told.part.as_deref() == Some("access"));
    (access.first().map(|told| told.header.occurred_at), others.iter().map(|told| told.header.occurred_at).collect())
}

fn key(row: &Row) -> &str {
    row.get("sk").and_then(Value::as_str).unwrap_or_default()
}

fn workgroups(session: &crate::Account) -> Result<Value, StageError> {
    session.json("athena", "AmazonAthena.ListWorkGroups", &json!({}))
}

fn notebook(sandbox: &Sandbox, name: &str, stopped: bool) -> String {
    sandbox.sagemaker.start_notebook(NotebookSpec { name: name.to_owned(), stopped, ..NotebookSpec::default() })
}

fn state(sandbox: &Sandbox, arn: &str) -> String {
    sandbox.sagemaker.state(arn).unwrap_or_default()
}

fn zone() -> Result<TimeZone, StageError> {
    TimeZone::get(ZONE).map_err(|error| StageError::Call { what: format!("zone `{ZONE}`"), message: error.to_string() })
}

/// The day of the week as windows write it.
fn day(date: &Zoned) -> &'static str {
    match date.weekday() {
        Weekday::Monday => "mon",
        Weekday::Tuesday => "tue",
        Weekday::Wednesday => "wed",
        Weekday::Thursday => "thu",
        Weekday::Friday => "fri",
        Weekday::Saturday => "sat",
        Weekday::Sunday => "sun",
    }
}
