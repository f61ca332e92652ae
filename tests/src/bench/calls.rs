//! What a sweep over a long history asks Athena: counted by the simulator, with and without AWS's request rates.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use stage::{Sandbox, SandboxOptions, Stage};
use workload_simulator::QuerySpec;

use crate::report::{Check, Part, Rows, time};
use crate::start::alone;
use crate::{Fault, micros};

/// What each call to Athena takes on the stage that holds AWS's request rates.
pub(crate) const LATENCY: Duration = Duration::from_millis(50);

/// How many ids are on a page, and in a batch.
const PAGE: u64 = 50;

/// The longest a query can live. The watch looks as far back, and to the beginning of the day whose bytes it counts.
const LONGEST_QUERY: Duration = Duration::from_secs(10 * 3_600);
const DAY: i64 = 24 * 3_600;

/// Ten thousand queries in three workgroups, the active ones among them.
const WORKGROUPS: [(&str, u64); 3] = [("primary", 2_000), ("etl", 5_000), ("adhoc", 3_000)];
const ALL: u64 = 10_000;
const ACTIVE: u64 = 40;
const NEW: u64 = 30;

/// One sweep: the calls it made, and how long it took.
#[derive(Clone, Copy, Debug, Default)]
struct Sweep {
    lists: u64,
    gets: u64,
    took: Duration,
}

/// Measures it on `stage`, and on `held`, where AWS's request rates are in force.
pub(crate) fn measure(stage: &Stage, held: &Stage, progress: impl Fn(&str)) -> Result<Part, Fault> {
    let mut table = Rows::new([
        "10,000 queries, 40 active",
        "request rates",
        "cold: list + get",
        "took",
        "warm: list + get",
        "took",
        "30 new: list + get",
        "took",
    ]);
    let (mut checks, mut figures) = (Vec::new(), Vec::new());
    for (number, (stage, rates)) in [(1, (stage, "none")), (3, (held, "AWS's, 50 ms a call"))] {
        let within = Duration::from_secs(9 * 3_600 + 1_800);
        for (account, name, span) in
            [(number, "all within 10 h", within), (number + 1, "over 7 days", Duration::from_secs(7 * 86_400))]
        {
            progress(&format!("calls: history {name}, request rates {rates}"));
            let sandbox = prepare(stage, &format!("2000000001{account:02}"), span)?;
            let cold = sweep(stage, &sandbox)?;
            let warm = sweep(stage, &sandbox)?;
            for n in 1..=NEW {
                start(&sandbox, Duration::from_millis(100 * n));
            }
            let new = sweep(stage, &sandbox)?;

            let calls = |sweep: Sweep| format!("{} + {}", sweep.lists, sweep.gets);
            table.push([
                name.to_owned(),
                rates.to_owned(),
                calls(cold),
                time(cold.took),
                calls(warm),
                time(warm.took),
                calls(new),
                time(new.took),
            ]);
            let what = |promise: &str| format!("{name}: {promise}");
            let workgroups = WORKGROUPS.len() as u64;
            // Throttled calls are made again and count again.
            if rates == "none" {
                checks.push(Check::promise(
                    what("cold, lists and gets, 2 × ⌈10,000/50⌉"),
                    cold.lists + cold.gets,
                    2 * ALL.div_ceil(PAGE),
                ));
                let (lists, gets) = to_the_horizon(span, horizon());
                checks.push(Check::promise(what("cold, lists only back to the horizon"), cold.lists, lists));
                checks.push(Check::promise(what("cold, gets only back to the horizon"), cold.gets, gets));
                checks.push(Check::promise(what("warm, lists, 1 a workgroup"), warm.lists, workgroups));
                checks.push(Check::promise(what("warm, gets, ⌈40/50⌉"), warm.gets, ACTIVE.div_ceil(PAGE)));
                checks.push(Check::promise(what("30 new, lists, 1 a workgroup"), new.lists, workgroups));
                checks.push(Check::promise(
                    what("30 new, gets, ⌈(30 + 40)/50⌉"),
                    new.gets,
                    (NEW + ACTIVE).div_ceil(PAGE),
                ));
            }
            figures.push(json!({
                "history": name, "rates": rates, "cold": of(cold), "warm": of(warm), "with_30_new": of(new),
            }));
        }
    }
    Ok(Part {
        title: "Calls of a sweep over 10,000 queries",
        notes: vec![
            "three workgroups (2,000, 5,000 and 3,000 queries); each sweep lists the workgroups with one call more"
                .to_owned(),
            "list + get are ListQueryExecutions and BatchGetQueryExecution as the simulator counts them, throttled ones \
             included; took is the whole invocation on the stage, the start of a cold process included"
                .to_owned(),
            "the promises are held where nothing is throttled; AWS's request rates are the documented defaults: 5 lists \
             a second after a burst of 10, 20 gets after 40"
                .to_owned(),
        ],
        tables: vec![table],
        checks,
        figures: Value::Array(figures),
    })
}

fn prepare(stage: &Stage, account: &str, span: Duration) -> Result<Sandbox, Fault> {
    let options = SandboxOptions { mode: "observe", ..SandboxOptions::default() };
    // 70 queries at once are no finding here: whoever is told of a breach looks again, and that would be counted too.
    let options = options.with("/sandbox-guardrails/athena/athena-concurrent-queries/limit", "200");
    let sandbox = alone(stage, account, &options)?;
    for (workgroup, count) in WORKGROUPS {
        let ended = count - if workgroup == "primary" { ACTIVE } else { 0 };
        let count = usize::try_from(ended).unwrap_or_default();
        sandbox.athena.seed_history(workgroup, count, spacing(span, ended), spacing(span, ended));
    }
    for n in 1..=ACTIVE {
        start(&sandbox, Duration::from_secs(n));
    }
    Ok(sandbox)
}

/// Starts a query in the past, of which no signal tells.
fn start(sandbox: &Sandbox, age: Duration) {
    sandbox.athena.start(QuerySpec { age, ..QuerySpec::default() });
}

fn spacing(span: Duration, count: u64) -> Duration {
    span / u32::try_from(count).unwrap_or(u32::MAX)
}

/// How far back the watch looks at this time of the day.
#[expect(clippy::disallowed_methods, reason = "the real functions that are measured go by the real time")]
fn horizon() -> Duration {
    let today = Timestamp::now().as_second().rem_euclid(DAY);
    LONGEST_QUERY.max(Duration::from_secs(today.unsigned_abs()))
}

/// The lists and gets of a watch that stops at the first page with a query beyond the horizon: while a page is looked up
/// the next one is listed already.
fn to_the_horizon(span: Duration, horizon: Duration) -> (u64, u64) {
    let pages = WORKGROUPS.map(|(_, count)| {
        if span <= horizon {
            return (count.div_ceil(PAGE), count.div_ceil(PAGE));
        }
        let young = u64::try_from(horizon.as_nanos() / spacing(span, count).as_nanos()).unwrap_or(count) + ACTIVE;
        (young / PAGE + 2, young / PAGE + 1)
    });
    pages.iter().fold((0, 0), |(lists, gets), (list, get)| (lists + list, gets + get))
}

fn sweep(stage: &Stage, sandbox: &Sandbox) -> Result<Sweep, Fault> {
    let calls = |operation: &str| stage.world().calls().count_by(&sandbox.account.id, operation);
    let counts = || (calls("ListQueryExecutions"), calls("BatchGetQueryExecution"));
    let (before, began) = (counts(), Instant::now());
    sandbox.sweep()?;
    let (after, took) = (counts(), began.elapsed());
    Ok(Sweep { lists: after.0 - before.0, gets: after.1 - before.1, took })
}

fn of(sweep: Sweep) -> Value {
    json!({"lists": sweep.lists, "gets": sweep.gets, "took_us": micros(sweep.took)})
}
