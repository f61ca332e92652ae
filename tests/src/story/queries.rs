//! The queries of the story: what each is to become, and what became of it.

use std::collections::BTreeSet;
use std::time::Duration;

use comfy_table::{Cell, CellAlignment, Table};
use jiff::SignedDuration;
use workload_simulator::{QuerySpec, QueryState};

use super::{Row, mark, table};
use crate::Sandbox;

/// How far past its limit a query may be when a run was on vigil for it.
const OVERRUN_AT_MOST: SignedDuration = SignedDuration::from_secs(2);

/// What is to become of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
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

pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) workgroup: &'static str,
    pub(super) limit: SignedDuration,
    /// How long it has run when the story begins.
    pub(super) age: SignedDuration,
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

pub(super) fn parts() -> Vec<Part> {
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

/// Sets the workgroups up so that nothing is to be found about them, only about their queries.
pub(super) fn tidy_workgroups(sandbox: &Sandbox) {
    const PETABYTE: u64 = 1_000_000_000_000_000;
    let workgroups: BTreeSet<&str> = parts().iter().map(|part| part.workgroup).chain(["primary"]).collect();
    for workgroup in workgroups {
        sandbox.athena.configure_workgroup(workgroup, true, Some(PETABYTE));
    }
}

pub(super) fn start(sandbox: &Sandbox, part: &Part) -> String {
    let duration = |duration: SignedDuration| Duration::try_from(duration).unwrap_or_default();
    sandbox.athena.start(QuerySpec {
        started_by: Some("ana".to_owned()),
        workgroup: part.workgroup.to_owned(),
        age: duration(part.age),
        runs_for: part.ends_after.map(duration),
        ..QuerySpec::default()
    })
}

/// How a query of the story stands.
struct Verdict {
    found: Vec<u64>,
    became: String,
    overrun: Option<SignedDuration>,
    kept: bool,
}

fn verdict(rows: &[Row], sandbox: &Sandbox, part: &Part, id: &str) -> Verdict {
    let keys: Vec<&str> = rows.iter().filter_map(|row| row.get("sk")?.as_str()).collect();
    let prefix = format!("finding/athena-query-runtime/{id}/");
    let mut found: Vec<u64> = keys.iter().filter_map(|key| key.strip_prefix(&prefix)?.parse().ok()).collect();
    found.sort_unstable();
    let action = format!("action/athena-query-runtime/{id}/100/stop");
    let outcome = rows.iter().find(|row| row.get("sk").is_some_and(|key| *key == action.as_str()));
    let outcome = outcome.and_then(|row| row.get("outcome")?.as_str()).map(str::to_owned);

    let Some(seen) = sandbox.athena.query(id) else {
        return Verdict { found, became: "unknown".to_owned(), overrun: None, kept: false };
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
    Verdict { found, became, overrun: overrun.filter(|_| part.promise == Promise::StoppedAtLimit), kept }
}

/// Whether nothing more is expected of any of them.
pub(super) fn settled(rows: &[Row], sandbox: &Sandbox, cast: &[(Part, String)]) -> bool {
    cast.iter().all(|(part, id)| verdict(rows, sandbox, part, id).kept)
}

/// The queries as a table, and whether every promise about them was kept.
pub(super) fn summary(rows: &[Row], sandbox: &Sandbox, cast: &[(Part, String)], colour: bool) -> (Table, bool) {
    let mut table = table(["query", "workgroup", "limit", "found at %", "became", "past its limit", "promise"]);
    let mut all_kept = true;
    for (part, id) in cast {
        let Verdict { found, became, overrun, kept } = verdict(rows, sandbox, part, id);
        all_kept &= kept;
        let found: Vec<String> = found.iter().map(u64::to_string).collect();
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
            mark(kept, colour),
        ]);
    }
    (table, all_kept)
}

/// A duration in seconds with two decimals, such as `+0.05s`.
fn hundredths(duration: SignedDuration) -> String {
    let hundredths = duration.as_millis().abs() / 10;
    let sign = if duration.is_negative() { '-' } else { '+' };
    format!("{sign}{}.{:02}s", hundredths / 100, hundredths % 100)
}
