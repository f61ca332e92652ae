//! A sweep of a sandbox in which far too much runs, at AWS's request rates: its time, its memory, and its calls against
//! the least that there can be.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use stage::Stage;
use stage::deploy::sample_event;

use crate::process::Process;
use crate::programs::Programs;
use crate::report::{Check, Part, Rows, memory, time};
use crate::scene::Scene;
use crate::start::alone;
use crate::tally::Counts;
use crate::{Fault, micros};

/// What a sweep may take, in seconds, and its process may hold, in MiB: of SageMaker as the issue asks that brought
/// these services, of the others until the next sweep and as their functions have.
fn at_most(scene: &Scene) -> (u64, u64) {
    match scene {
        Scene::SageMaker(_) => (30, 256),
        Scene::Emr(_) | Scene::Glue(_) => (300, 128),
    }
}

/// After such a pause every operation can be called in a burst again, as it can after the five minutes between two
/// sweeps.
const RECOVERED: Duration = Duration::from_secs(10);

/// What the service was asked.
#[derive(Debug, Default)]
struct Asked {
    calls: Counts,
    /// Calls among them that were refused for their haste.
    throttled: Counts,
}

/// A cold sweep and a warm one of the same process.
struct Trial {
    scene: Scene,
    cold: Sweep,
    warm: Sweep,
    peak_kib: u64,
}

#[derive(Debug)]
struct Sweep {
    took: Duration,
    computed: Duration,
    asked: Asked,
}

/// Measures it on `held`, where AWS's request rates are in force.
pub(crate) fn measure(held: &Stage, programs: &Programs, progress: impl Fn(&str)) -> Result<Part, Fault> {
    let mut summary =
        Rows::new(["a sweep of", "took", "processor", "least calls", "calls", "throttled", "peak memory"]);
    let (mut tables, mut checks, mut figures, mut faults) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (number, scene) in (1..).zip(Scene::LARGE) {
        progress(&format!("sweep: {}", scene.in_words()));
        let what = |promise: &str| format!("{}: {promise}", scene.watch());
        let trial = match trial(held, programs, scene, &format!("2000000004{number:02}")) {
            Ok(trial) => trial,
            Err(fault) => {
                checks.push(Check::failed(what("a cold sweep and a warm one")));
                faults.push(format!("not measured: {fault}"));
                continue;
            }
        };
        let least = scene.least();
        tables.push(table_of(&trial));
        let (seconds, mebibytes) = at_most(&scene);
        for (how, sweep, least) in [("cold", &trial.cold, &least.cold), ("warm", &trial.warm, &least.warm)] {
            let (calls, throttled, least) = (sum(&sweep.asked.calls), sum(&sweep.asked.throttled), sum(least));
            summary.push([
                format!("{}, {how}", scene.in_words()),
                time(sweep.took),
                time(sweep.computed),
                least.to_string(),
                calls.to_string(),
                throttled.to_string(),
                memory(trial.peak_kib),
            ]);
            let at_most = least + least / 10;
            let met = sweep.took <= Duration::from_secs(seconds);
            checks.push(Check::aim(what(&format!("{how}, took")), time(sweep.took), format!("≤ {seconds} s"), met));
            checks.push(Check::promise(what(&format!("{how}, calls answered")), calls - throttled, at_most));
            let met = calls <= at_most;
            checks.push(Check::aim(
                what(&format!("{how}, calls, throttled ones included")),
                calls.to_string(),
                format!("≤ {at_most}"),
                met,
            ));
        }
        checks.push(Check::aim(
            what("peak memory"),
            memory(trial.peak_kib),
            format!("≤ {mebibytes} MiB"),
            trial.peak_kib <= mebibytes * 1_024,
        ));
        figures.push(json!({
            "function": scene.watch(), "scene": scene.in_words(), "peak_kib": trial.peak_kib,
            "cold": of(&trial.cold), "warm": of(&trial.warm), "least": {"cold": least.cold, "warm": least.warm},
        }));
    }
    tables.insert(0, summary);
    Ok(Part {
        title: "A sweep of a sandbox in which far too much runs",
        notes: faults.into_iter().chain(notes()).collect(),
        tables,
        checks,
        figures: Value::Array(figures),
    })
}

fn notes() -> [String; 6] {
    [
        "the release binaries against the simulator at 50 ms a call and AWS's request rates; SageMaker's and Glue's are not \
         published, the simulator's are careful guesses, EMR's is one call a second of each after a burst of 10",
        "a call that was throttled is made again and counts again; the limits are raised so that nothing is a finding: what \
         is measured is seeing",
        "the least: each page of each list; for a function that has just started one list for each pipeline that ran within \
         the 28 days that an execution can last, and one description of everything whose owner, instances or settings no \
         list tells; afterwards only what can have changed",
        "Glue tells of no run that was started, so of the jobs that did not run lately a sixth is part of the least",
        "cold is from the start of the process; warm is the next sweep of the same process, when the rates have recovered",
        "a function of 256 MB has a seventh of a processor, one of 128 MB a fourteenth; what it computes overlaps with its \
         waiting where the rates hold it back",
    ]
    .map(str::to_owned)
}

fn trial(held: &Stage, programs: &Programs, scene: Scene, account: &str) -> Result<Trial, Fault> {
    let sandbox = alone(held, account, &scene.options())?;
    scene.set(&sandbox);
    let sweep = sample_event(scene.watch(), "sweep")?;
    let mut process = Process::start(&programs.ours(scene.watch(), account), account, held.endpoint(), &sweep)?;
    let cold = Sweep { took: process.first, computed: process.computed()?, asked: asked(held, account) };
    std::thread::sleep(RECOVERED);
    let took = process.answer(&sweep)?;
    let computed = process.computed()?.saturating_sub(cold.computed);
    let warm = Sweep { took, computed, asked: since(&cold.asked, asked(held, account)) };
    let end = process.end()?;
    let seen: Vec<u64> = end.log.lines().filter_map(active_in).collect();
    if seen != [scene.active(); 2] {
        return Err(Fault(format!("{}: {} are active, and seen were {seen:?}", scene.watch(), scene.active())));
    }
    if !sandbox.ledger()?.iter().all(|entry| entry.contains_key("claimed_until")) {
        return Err(Fault(format!("{}: something is a finding that should be within its limit", scene.watch())));
    }
    Ok(Trial { scene, cold, warm, peak_kib: end.peak_kib })
}

/// What a line of the log says was active, if it is the one that ends a sweep.
fn active_in(line: &str) -> Option<u64> {
    let line: Value = serde_json::from_str(line).ok()?;
    line["active"].as_u64().filter(|_| line["message"] == "sweep was completed")
}

/// What an account has asked so far.
fn asked(stage: &Stage, account: &str) -> Asked {
    let mut asked = Asked::default();
    for count in stage.world().calls().all().into_iter().filter(|count| count.account == account) {
        let throttled = count.outcomes.get("ThrottlingException").copied().unwrap_or_default();
        asked.throttled.insert(count.operation.clone(), throttled);
        asked.calls.insert(count.operation, count.total);
    }
    asked
}

fn since(before: &Asked, now: Asked) -> Asked {
    let less = |now: Counts, before: &Counts| {
        let less = now.into_iter().map(|(call, count)| {
            let before = of_call(before, &call);
            (call, count - before)
        });
        less.filter(|(_, count)| *count > 0).collect()
    };
    Asked { calls: less(now.calls, &before.calls), throttled: less(now.throttled, &before.throttled) }
}

fn of_call(counts: &Counts, call: &str) -> u64 {
    counts.get(call).copied().unwrap_or_default()
}

fn sum(counts: &Counts) -> u64 {
    counts.values().sum()
}

fn table_of(trial: &Trial) -> Rows {
    let least = trial.scene.least();
    let title = format!("calls of {}", trial.scene.watch());
    let mut table = Rows::new([title.as_str(), "least cold", "cold", "throttled", "least warm", "warm", "throttled"]);
    let (cold, warm) = (&trial.cold.asked, &trial.warm.asked);
    let all = [&least.cold, &cold.calls, &cold.throttled, &least.warm, &warm.calls, &warm.throttled];
    let calls: BTreeSet<&String> = all.iter().flat_map(|counts| counts.keys()).collect();
    for call in calls {
        let counts = all.iter().map(|counts| of_call(counts, call).to_string());
        table.rows.push([call.clone()].into_iter().chain(counts).collect());
    }
    let sums = all.iter().map(|counts| sum(counts).to_string());
    table.rows.push(["all".to_owned()].into_iter().chain(sums).collect());
    table
}

fn of(sweep: &Sweep) -> Value {
    let Sweep { took, computed, asked } = sweep;
    json!({
        "took_us": micros(*took), "computed_us": micros(*computed), "calls": asked.calls, "throttled": asked.throttled,
    })
}
