//! The story of `make demo`: a day in a sandbox in two minutes, and whether every promise was kept.

mod budgets;
mod queries;
mod storms;
mod windows;

use std::io::Write;
use std::time::Duration;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{Cell, Color, Table};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::SignedDuration;
use owo_colors::{OwoColorize, Style};
use serde_json::{Map, Value, json};

use crate::timeline::{Timeline, now, seconds, wants_colour};
use crate::{Hub, Options, Sandbox, SandboxOptions, Stage, StageError};

/// The hub's account in the story.
pub const HUB: &str = "999999999999";
/// The sandbox's account in the story.
pub const SANDBOX: &str = "111111111111";
/// The account of the sandbox that spends too much.
const SPENDER: &str = "222222222222";

/// The whole story after the build, the deployment included.
const AT_MOST: SignedDuration = SignedDuration::from_secs(120);

/// When the operator lowers a limit, and when everything bursts.
const LOWERED_AFTER: SignedDuration = SignedDuration::from_secs(5);
const BURST_AFTER: SignedDuration = SignedDuration::from_secs(8);

/// A sweep at each full minute.
const EVERY_FULL_MINUTE: &str = "cron(* * * * ? *)";

/// A row of the hub's table.
type Row = Map<String, Value>;

/// Tells the story; gives whether every promise was kept.
///
/// # Errors
/// When the stage does not hold.
pub fn tell() -> Result<bool, StageError> {
    let began = now();
    let colour = wants_colour();
    let (stage, hub, sandbox) = raise(0)?;
    let spender = step("deploying infra/sandbox.yaml into account 222222222222", || {
        stage.deploy_sandbox(SPENDER, "forecast", &hub, &SandboxOptions::default())
    })?;
    let opened = now();
    let mut timeline = Timeline::new(std::io::stdout(), colour, Some(opened));
    let said = |error: std::io::Error| StageError::Call { what: "the timeline".to_owned(), message: error.to_string() };
    let operator = Style::new().bold();

    headline(
        colour,
        "the story: one sandbox, eleven queries, five clusters, a stuck step, a storm of pipeline executions; \
         how it closes and opens; and what the bill does to it and to another",
    )
    .map_err(said)?;
    sandbox.limit("weekly", "2h")?;
    sandbox.limit("etl", "2h")?;
    sandbox.limit("short", "15s")?;
    sandbox.mode("science", "observe")?;
    let exemption =
        json!({"scope": "audit", "owner": "jo@bank", "reason": "year end", "expires": "2100-01-01T00:00:00Z"});
    sandbox.account.put_parameter("/sandbox-guardrails/exemptions/year-end", &exemption.to_string())?;
    timeline
        .line(
            now(),
            "operator",
            operator,
            "queries 30m, `etl` and `weekly` 2h, `short` 15s; `science` observes; `audit` is exempt; \
             3 clusters; steps 10m; 3 executions of a pipeline",
        )
        .map_err(said)?;

    queries::tidy_workgroups(&sandbox);
    let begin = |part| {
        let id = queries::start(&sandbox, &part);
        (part, id)
    };
    let cast: Vec<(queries::Part, String)> = queries::parts().into_iter().map(begin).collect();
    let mut storm = storms::begin(&sandbox, &mut timeline.names);
    for (part, id) in &cast {
        timeline.names.insert(id.clone(), format!("`{}`", part.name));
        let age = if part.age.is_zero() { "starts".to_owned() } else { format!("has run {:#}", part.age) };
        let what = format!("`{}` in `{}` {age}, its limit is {:#}", part.name, part.workgroup, part.limit);
        timeline.line(now(), "query", Style::new().dimmed(), &what).map_err(said)?;
    }
    // Nobody waits for the schedule here: an operator may sweep at any time, as `make invoke` does.
    timeline
        .line(now(), "operator", operator, "asks for a sweep of everything; the schedule sweeps at each full minute")
        .map_err(said)?;
    sandbox.watch_unattended("sweep")?;
    storms::sweep(&sandbox)?;

    let (mut lowered, mut burst) = (false, false);
    while now().duration_since(began) < AT_MOST {
        timeline.follow(&hub)?;
        if !lowered && now().duration_since(opened) > LOWERED_AFTER {
            lowered = true;
            timeline
                .line(now(), "operator", operator, "lowers the limit of `weekly` to 1h while `backfill` runs")
                .map_err(said)?;
            sandbox.limit("weekly", "1h")?;
        }
        if !burst && now().duration_since(opened) > BURST_AFTER {
            burst = true;
            timeline
                .line(
                    now(),
                    "users",
                    operator,
                    "start three more clusters at once, and six more executions of `retrain`",
                )
                .map_err(said)?;
            storms::burst(&sandbox, &mut storm, &mut timeline.names);
        }
        let rows = hub.rows(&sandbox).unwrap_or_default();
        if burst && queries::settled(&rows, &sandbox, &cast) && storms::settled(&rows, &sandbox, &storm) {
            break;
        }
        std::thread::sleep(Duration::from_millis(150));
    }
    timeline.follow(&hub)?;
    let rows = hub.rows(&sandbox)?;
    let (queries, storms) =
        (queries::summary(&rows, &sandbox, &cast, colour), storms::summary(&rows, &sandbox, &storm, colour));
    let windows = windows::play(&hub, &sandbox, &mut timeline)?;
    let budgets = budgets::play(&hub, &sandbox, &spender, &mut timeline)?;
    let took = now().duration_since(began);
    let tables = [queries, storms, windows.summary(colour), budgets.summary(colour)];
    let kept = summary(tables, took, colour).map_err(said)?;
    drop(stage);
    Ok(kept)
}

/// Starts a stage with a hub and a sandbox, telling what is being done.
///
/// # Errors
/// When a part of it does not start.
pub fn raise(port: u16) -> Result<(Stage, Hub, Sandbox), StageError> {
    // Workflows wait for IAM and for what they told to take effect; a tenth of that is enough here.
    let options = Options { auth: true, port, wait_scale: Some(0.1), ..Options::default() };
    let stage = step("raising the stage", || Stage::start(options))?;
    let hub =
        step("deploying infra/hub.yaml into account 999999999999", || stage.deploy_hub(HUB, &[SANDBOX, SPENDER]))?;
    let options =
        SandboxOptions { sweeps: EVERY_FULL_MINUTE, workload_sweeps: EVERY_FULL_MINUTE, ..SandboxOptions::default() };
    let options = storms::PARAMETERS.iter().fold(options, |options, (name, value)| options.with(name, value));
    let sandbox = step("deploying infra/sandbox.yaml into account 111111111111", || {
        stage.deploy_sandbox(SANDBOX, "marketing", &hub, &options)
    })?;
    Ok((stage, hub, sandbox))
}

/// Does a step with a sign that it is being done, and how long it took.
fn step<T>(what: &str, run: impl FnOnce() -> Result<T, StageError>) -> Result<T, StageError> {
    let began = now();
    let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(80));
    let result = run();
    spinner.finish_and_clear();
    let mut out = std::io::stdout();
    let mark = if result.is_ok() { "done" } else { "FAILED" };
    // A closed output is noticed by whoever writes the next line.
    let _ = writeln!(out, "{mark}: {what} ({})", seconds(now().duration_since(began)).trim_start_matches('+'));
    result
}

fn headline(colour: bool, text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    match colour {
        true => writeln!(out, "\n{}", text.bold()),
        false => writeln!(out, "\n{text}"),
    }
}

/// A table with these columns.
fn table<const N: usize>(columns: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(columns);
    table
}

/// Whether a promise was kept, as a cell.
fn mark(kept: bool, colour: bool) -> Cell {
    match (kept, colour) {
        (true, true) => Cell::new("kept").fg(Color::Green),
        (false, true) => Cell::new("BROKEN").fg(Color::Red),
        (kept, false) => Cell::new(if kept { "kept" } else { "BROKEN" }),
    }
}

fn summary<const N: usize>(tables: [(Table, bool); N], took: SignedDuration, colour: bool) -> std::io::Result<bool> {
    headline(colour, "what was found, stopped and spared")?;
    let mut out = std::io::stdout();
    let mut all_kept = took <= AT_MOST;
    for (table, kept) in tables {
        all_kept &= kept;
        writeln!(out, "{table}")?;
    }
    let verdict = if all_kept { "every promise was kept" } else { "a promise was BROKEN" };
    let took = seconds(took);
    writeln!(out, "{verdict}; the story took {} s of at most {} s", took.trim_matches(['+', 's']), AT_MOST.as_secs())?;
    Ok(all_kept)
}
