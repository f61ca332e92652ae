//! The story of `make demo`: a day in a sandbox in a minute and a half, and whether every promise was kept.

use std::io::Write;
use std::time::Duration;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{Cell, CellAlignment, Color, Table};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::SignedDuration;
use owo_colors::{OwoColorize, Style};
use serde_json::json;
use workload_simulator::{QuerySpec, QueryState};

use crate::timeline::{Timeline, now, seconds, wants_colour};
use crate::{Hub, Options, Sandbox, SandboxOptions, Stage, StageError};

/// The hub's account in the story.
pub const HUB: &str = "999999999999";
/// The sandbox's account in the story.
pub const SANDBOX: &str = "111111111111";

/// The whole story after the build, the deployment included.
const AT_MOST: SignedDuration = SignedDuration::from_secs(90);

/// How far past its limit a query may be when a run was on vigil for it.
const OVERRUN_AT_MOST: SignedDuration = SignedDuration::from_secs(2);

/// A sweep at each full minute.
const EVERY_FULL_MINUTE: &str = "cron(* * * * ? *)";

/// What is to become of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Promise {
    /// Found at these levels, and left alone.
    Found,
    /// Stopped within two seconds of its limit.
    StoppedAtLimit,
    /// Over its limit when it is first seen, or made so by a changed limit; stopped.
    Stopped,
    /// Over its limit and spared, with this outcome on record.
    Spared(&'static str),
    /// Ends by itself before its limit; never touched.
    EndsInTime,
}

struct Part {
    name: &'static str,
    workgroup: &'static str,
    limit: SignedDuration,
    /// How long it has run when the story begins.
    age: SignedDuration,
    ends_after: Option<SignedDuration>,
    levels: &'static [u64],
    promise: Promise,
}

const fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

const fn secs(secs: i64) -> SignedDuration {
    SignedDuration::from_secs(secs)
}

fn parts() -> Vec<Part> {
    let part = |name, workgroup, limit, age, levels, promise| Part {
        name,
        workgroup,
        limit,
        age,
        ends_after: None,
        levels,
        promise,
    };
    let just_in_time = minutes(30) - secs(14);
    vec![
        part("monthly-report", "adhoc", minutes(30), minutes(12), &[], Promise::Found),
        part("nightly-load", "etl", minutes(120), minutes(95), &[75], Promise::Found),
        part("customer-join", "etl", minutes(120), minutes(116), &[75, 95], Promise::Found),
        part("forgotten-join", "adhoc", minutes(30), minutes(31), &[75, 95, 100], Promise::Stopped),
        part("cross-join", "adhoc", minutes(30), minutes(30) - secs(12), &[75, 95, 100], Promise::StoppedAtLimit),
        part("full-scan", "etl", minutes(120), minutes(120) - secs(20), &[75, 95, 100], Promise::StoppedAtLimit),
        part("quick-test", "short", secs(15), secs(0), &[75, 95, 100], Promise::StoppedAtLimit),
        Part {
            ends_after: Some(minutes(30) - secs(1)),
            ..part("just-in-time", "adhoc", minutes(30), just_in_time, &[75, 95], Promise::EndsInTime)
        },
        part("year-end-audit", "audit", minutes(30), minutes(45), &[75, 95, 100], Promise::Spared("exempt")),
        part("model-features", "science", minutes(30), minutes(45), &[75, 95, 100], Promise::Spared("observed_only")),
        part("backfill", "weekly", minutes(120), minutes(80), &[75, 95, 100], Promise::Stopped),
    ]
}

/// Tells the story; gives whether every promise was kept.
///
/// # Errors
/// When the stage does not hold.
pub fn tell() -> Result<bool, StageError> {
    let began = now();
    let colour = wants_colour();
    let (stage, hub, sandbox) = raise(0)?;
    let opened = now();
    let mut timeline = Timeline::new(std::io::stdout(), colour, Some(opened));
    let said = |error: std::io::Error| StageError::Call { what: "the timeline".to_owned(), message: error.to_string() };
    let operator = Style::new().bold();

    headline(colour, "the story: one sandbox, six workgroups, eleven queries").map_err(said)?;
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
            "limits: 30m, `etl` and `weekly` 2h, `short` 15s; `science` observes; `audit` is exempt",
        )
        .map_err(said)?;

    let begin = |part| {
        let id = start(&sandbox, &part);
        (part, id)
    };
    let cast: Vec<(Part, String)> = parts().into_iter().map(begin).collect();
    for (part, id) in &cast {
        timeline.names.insert(id.clone(), format!("`{}`", part.name));
        let age = if part.age.is_zero() { "starts".to_owned() } else { format!("has run {:#}", part.age) };
        let what = format!("`{}` in `{}` {age}, its limit is {:#}", part.name, part.workgroup, part.limit);
        timeline.line(now(), "query", Style::new().dimmed(), &what).map_err(said)?;
    }
    // Nobody waits for the schedule here: an operator may sweep at any time, as `make invoke` does.
    timeline
        .line(now(), "operator", operator, "asks for a sweep; the schedule sweeps at each full minute")
        .map_err(said)?;
    sandbox.watch_unattended("sweep")?;

    let mut lowered = false;
    while now().duration_since(began) < AT_MOST {
        timeline.follow(&hub)?;
        if !lowered && now().duration_since(opened) > secs(5) {
            lowered = true;
            timeline
                .line(now(), "operator", operator, "lowers the limit of `weekly` to 1h while `backfill` runs")
                .map_err(said)?;
            sandbox.limit("weekly", "1h")?;
        }
        if lowered && cast.iter().all(|(part, id)| verdict(&hub, &sandbox, part, id).settled) {
            break;
        }
        std::thread::sleep(Duration::from_millis(150));
    }
    timeline.follow(&hub)?;
    let took = now().duration_since(began);
    let kept = summary(&hub, &sandbox, &cast, took, colour).map_err(said)?;
    drop(stage);
    Ok(kept)
}

/// Starts a stage with a hub and a sandbox, telling what is being done.
///
/// # Errors
/// When a part of it does not start.
pub fn raise(port: u16) -> Result<(Stage, Hub, Sandbox), StageError> {
    let stage = step("raising the stage", || Stage::start(Options { auth: true, port, ..Options::default() }))?;
    let hub = step("deploying infra/hub.yaml into account 999999999999", || stage.deploy_hub(HUB, &[SANDBOX]))?;
    let options = SandboxOptions { sweeps: EVERY_FULL_MINUTE, ..SandboxOptions::default() };
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

fn start(sandbox: &Sandbox, part: &Part) -> String {
    let duration = |duration: SignedDuration| Duration::try_from(duration).unwrap_or_default();
    sandbox.athena.start(QuerySpec {
        workgroup: part.workgroup.to_owned(),
        age: duration(part.age),
        runs_for: part.ends_after.map(duration),
        ..QuerySpec::default()
    })
}

/// How a part of the story stands.
struct Verdict {
    found: Vec<u64>,
    became: String,
    overrun: Option<SignedDuration>,
    kept: bool,
    /// Whether nothing more is expected of it.
    settled: bool,
}

fn verdict(hub: &Hub, sandbox: &Sandbox, part: &Part, id: &str) -> Verdict {
    let rows = hub.rows(sandbox).unwrap_or_default();
    let keys: Vec<&str> = rows.iter().filter_map(|row| row.get("sk")?.as_str()).collect();
    let prefix = format!("finding/athena-query-runtime/{id}/");
    let mut found: Vec<u64> = keys.iter().filter_map(|key| key.strip_prefix(&prefix)?.parse().ok()).collect();
    found.sort_unstable();
    let action = format!("action/athena-query-runtime/{id}/100/stop");
    let outcome = rows.iter().find(|row| row.get("sk").is_some_and(|key| *key == action.as_str()));
    let outcome = outcome.and_then(|row| row.get("outcome")?.as_str()).map(str::to_owned);

    let Some(seen) = sandbox.athena.query(id) else {
        return Verdict { found, became: "unknown".to_owned(), overrun: None, kept: false, settled: false };
    };
    let overrun = seen.stopped_at.map(|stopped| stopped.duration_since(seen.submitted_at) - part.limit);
    let (became, as_promised) = match part.promise {
        Promise::Found => ("left running".to_owned(), seen.state == QueryState::Running && outcome.is_none()),
        Promise::Stopped | Promise::StoppedAtLimit => {
            let in_time = part.promise == Promise::Stopped
                || overrun.is_some_and(|overrun| !overrun.is_negative() && overrun <= OVERRUN_AT_MOST);
            let stopped = seen.state == QueryState::Cancelled && seen.stop_calls == 1 && in_time;
            ("stopped".to_owned(), stopped && outcome.as_deref() == Some("done"))
        }
        Promise::Spared(expected) => {
            let spared = seen.state == QueryState::Running && seen.stop_calls == 0;
            (format!("spared, {}", expected.replace('_', " ")), spared && outcome.as_deref() == Some(expected))
        }
        Promise::EndsInTime => {
            let ended = seen.state == QueryState::Succeeded && seen.stop_calls == 0 && outcome.is_none();
            ("ended by itself".to_owned(), ended)
        }
    };
    let kept = as_promised && found == part.levels;
    let became = if as_promised { became } else { format!("{:?} ({})", seen.state, outcome.unwrap_or_default()) };
    Verdict { found, became, overrun: overrun.filter(|_| part.promise == Promise::StoppedAtLimit), kept, settled: kept }
}

fn summary(
    hub: &Hub,
    sandbox: &Sandbox,
    cast: &[(Part, String)],
    took: SignedDuration,
    colour: bool,
) -> std::io::Result<bool> {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["query", "workgroup", "limit", "found at %", "became", "past its limit", "promise"]);
    let mut all_kept = took <= AT_MOST;
    for (part, id) in cast {
        let Verdict { found, became, overrun, kept, .. } = verdict(hub, sandbox, part, id);
        all_kept &= kept;
        let found: Vec<String> = found.iter().map(u64::to_string).collect();
        let mark = match (kept, colour) {
            (true, true) => Cell::new("kept").fg(Color::Green),
            (false, true) => Cell::new("BROKEN").fg(Color::Red),
            (kept, false) => Cell::new(if kept { "kept" } else { "BROKEN" }),
        };
        let overrun = match (overrun, part.promise) {
            (Some(overrun), _) => hundredths(overrun),
            (None, Promise::Stopped) => "was over when seen".to_owned(),
            (None, _) => String::new(),
        };
        table.add_row([
            Cell::new(part.name),
            Cell::new(part.workgroup),
            Cell::new(format!("{:#}", part.limit)),
            Cell::new(found.join(" ")),
            Cell::new(became),
            Cell::new(overrun).set_alignment(CellAlignment::Right),
            mark,
        ]);
    }
    headline(colour, "what was found, stopped and spared")?;
    let mut out = std::io::stdout();
    writeln!(out, "{table}")?;
    let verdict = if all_kept { "every promise was kept" } else { "a promise was BROKEN" };
    let took = seconds(took);
    writeln!(out, "{verdict}; the story took {} s of at most {} s", took.trim_matches(['+', 's']), AT_MOST.as_secs())?;
    Ok(all_kept)
}

/// A duration in seconds with two decimals, such as `+0.05s`.
fn hundredths(duration: SignedDuration) -> String {
    let hundredths = duration.as_millis().abs() / 10;
    let sign = if duration.is_negative() { '-' } else { '+' };
    format!("{sign}{}.{:02}s", hundredths / 100, hundredths % 100)
}
