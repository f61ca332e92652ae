//! Start, answers, memory and packages of every function, beside a function without an SDK; the watch of Athena also
//! beside a Python twin of the same sweep.

use std::collections::BTreeSet;
use std::time::Duration;

use guardrail::Service;
use serde_json::{Value, json};
use stage::deploy::sample_event;
use stage::{Hub, Sandbox, SandboxOptions, Stage};
use workload_simulator::QuerySpec;

use crate::process::{End, Process, Program};
use crate::programs::Programs;
use crate::report::{Check, Part, Rows, median, memory, size, time, times};
use crate::tally::{Counts, Tally};
use crate::{Fault, micros};

/// The account in which all of it happens.
const ACCOUNT: &str = "200000000001";

/// Warm answers of each process.
const WARM: u32 = 10;

/// Every other function beside the watch of Athena, with the event that it is started with. A watch sweeps a sandbox in
/// which nothing of its service runs, and reconcile one that has no window; all others are given an event that they
/// ignore or refuse, with one call at most, so that their start is all that is measured.
const OTHERS: [(&str, &str); 14] = [
    ("athena-enforce", "other-account"),
    ("emr-watch", "sweep"),
    ("emr-enforce", "other-account"),
    ("sagemaker-watch", "sweep"),
    ("sagemaker-enforce", "other-account"),
    ("glue-watch", "sweep"),
    ("glue-enforce", "other-account"),
    ("availability-reconcile", "sweep"),
    ("availability-step", "verify"),
    ("availability-update", "validate"),
    ("console-feed", "malformed-finding"),
    ("console-command", "faults"),
    ("spend-meter", "malformed-action"),
    ("spend-enforce", "malformed"),
];

/// What a package may weigh, zipped; that of the watch of Athena less, because it starts most often.
const PACKAGE: u64 = 6_000_000;
const ATHENA_WATCH_PACKAGE: u64 = 3_000_000;

/// What was measured of one program, over all rounds.
#[derive(Debug, Default)]
struct Samples {
    ready: Vec<Duration>,
    first: Vec<Duration>,
    warm: Vec<Duration>,
    /// The processor time until the first answer, and for a warm one.
    computed_first: Vec<Duration>,
    computed_warm: Vec<Duration>,
    peak_kib: Vec<u64>,
}

impl Samples {
    fn take(&mut self, program: &Program, endpoint: &str, event: &Value, warm: u32) -> Result<End, Fault> {
        let mut process = Process::start(program, ACCOUNT, endpoint, event)?;
        self.ready.push(process.ready);
        self.first.push(process.first);
        let mut computed = process.computed()?;
        self.computed_first.push(computed);
        for _ in 0..warm {
            self.warm.push(process.answer(event)?);
            let before = std::mem::replace(&mut computed, process.computed()?);
            self.computed_warm.push(computed.saturating_sub(before));
        }
        let end = process.end()?;
        self.peak_kib.push(end.peak_kib);
        Ok(end)
    }

    fn figures(&self) -> Value {
        json!({
            "ready_us": micros(median(&self.ready)),
            "first_answer_us": micros(median(&self.first)),
            "warm_answer_us": micros(median(&self.warm)),
            "computed_until_first_answer_us": micros(median(&self.computed_first)),
            "computed_for_warm_answer_us": micros(median(&self.computed_warm)),
            "peak_kib": median(&self.peak_kib),
            "rounds": self.ready.len(),
        })
    }
}

/// Measures it.
pub(crate) fn measure(stage: &Stage, programs: &Programs, rounds: u32, progress: impl Fn(&str)) -> Result<Part, Fault> {
    let sandbox = prepare(stage, ACCOUNT, &query_runtime_alone())?;
    let sweep = sample_event("athena-watch", "sweep")?;
    let (floor, watch, twin) = (programs.floor(), programs.ours("athena-watch", ACCOUNT), programs.twin(ACCOUNT));
    let calls = [calls(stage, &sandbox, &watch, &sweep)?, calls(stage, &sandbox, &twin, &sweep)?];

    let [mut of_floor, mut of_watch, mut of_twin]: [Samples; 3] = Default::default();
    let mut others = Vec::new();
    for (name, event) in OTHERS {
        let program = if name.starts_with("console-") || name.starts_with("spend-") {
            programs.of_the_hub(name)
        } else {
            programs.ours(name, ACCOUNT)
        };
        let warm = if event == "sweep" { WARM } else { 0 };
        others.push((program, sample_event(name, event)?, warm, Samples::default()));
    }
    for round in 1..=rounds {
        progress(&format!("start: round {round} of {rounds}"));
        of_floor.take(&floor, stage.endpoint(), &sweep, WARM)?;
        for (program, samples) in [(&watch, &mut of_watch), (&twin, &mut of_twin)] {
            empty_ledger(&sandbox)?;
            samples.take(program, stage.endpoint(), &sweep, WARM)?;
        }
        for (program, event, warm, samples) in &mut others {
            samples.take(program, stage.endpoint(), event, *warm)?;
        }
    }

    let mut table = Rows::new([
        "medians",
        "start to ready",
        "first answer",
        "processor until then",
        "warm answer",
        "processor for it",
        "peak memory",
        "package",
    ]);
    let ours: Vec<(&str, &Samples)> = [("athena-watch", &of_watch)]
        .into_iter()
        .chain(others.iter().map(|(program, _, _, samples)| (program.name, samples)))
        .collect();
    table.push(row("bench-floor (Rust, no SDK)", &of_floor, size(programs.package("bench-floor")?)));
    let (mut packages, mut figures) = (json!({}), json!({}));
    for (name, samples) in &ours {
        let package = programs.package(name)?;
        packages[*name] = json!(package);
        figures[*name] = samples.figures();
        table.push(row(name, samples, size(package)));
    }
    let (with_sdk, without_sdk) = programs.twin_package()?;
    let package = format!("{} ({} B without boto3)", size(with_sdk), without_sdk);
    table.push(row("Python + boto3 twin of athena-watch", &of_twin, package));

    let first = (median(&of_twin.first).as_micros(), median(&of_watch.first).as_micros());
    let peak = (u128::from(median(&of_twin.peak_kib)), u128::from(median(&of_watch.peak_kib)));
    let computed = (median(&of_twin.computed_first).as_micros(), median(&of_watch.computed_first).as_micros());
    let mut checks = vec![
        Check::aim(
            "athena-watch, start to first answer, of the twin's",
            format!("1/{}", times(first.0, first.1)),
            "≤ 1/30",
            first.1 * 30 <= first.0,
        ),
        Check::aim(
            "athena-watch, processor time until then, of the twin's",
            format!("1/{}", times(computed.0, computed.1)),
            "≤ 1/30",
            computed.1 * 30 <= computed.0,
        ),
        Check::aim(
            "athena-watch, peak memory, of the twin's",
            format!("1/{}", times(peak.0, peak.1)),
            "≤ 1/5",
            peak.1 * 5 <= peak.0,
        ),
    ];
    let at_floor = median(&of_floor.ready).as_micros();
    for (name, samples) in &ours {
        let ready = median(&samples.ready).as_micros();
        let measured = format!("{} ×", times(ready, at_floor));
        checks.push(Check::aim(
            format!("{name}, start to ready, of the floor's"),
            measured,
            "≤ 2 ×",
            ready <= 2 * at_floor,
        ));
    }
    for (name, _) in &ours {
        let at_most = if *name == "athena-watch" { ATHENA_WATCH_PACKAGE } else { PACKAGE };
        let package = packages[*name].as_u64().unwrap_or_default();
        checks.push(Check::aim(
            format!("{name}, package"),
            size(package),
            format!("≤ {}", size(at_most)),
            package <= at_most,
        ));
    }
    packages["twin"] = json!(with_sdk);
    packages["twin_without_boto3"] = json!(without_sdk);
    Ok(Part {
        title: "Start, answers, memory and packages",
        notes: vec![
            format!(
                "{rounds} interleaved rounds of new processes with a clean environment on this machine, {WARM} warm \
                 answers each; AWS is the local stage over plain HTTP, so no answer holds network time"
            ),
            "first answer: a cold sweep over 240 queries in 3 workgroups and `primary`, 40 of them active, one of these \
             at 75 %: recorded, published and marked, with a heartbeat"
                .to_owned(),
            "both make the same calls, and the stage, a Python program on the same processors, needs as long for each; \
             processor time is the part of an answer that is not waiting for it"
                .to_owned(),
            "the other watches sweep a sandbox in which nothing of their service runs, and reconcile one without a window; \
             the others are only started: the first event is one that they ignore or refuse, with one call at most"
                .to_owned(),
            "packages are deflated zips; the twin's holds boto3, as AWS recommends, and not awslambdaric, which Lambda \
             brings; its libraries are run with their compiled files, which favours it"
                .to_owned(),
        ],
        figures: json!({
            "floor": of_floor.figures(), "twin": of_twin.figures(), "functions": figures, "package_bytes": packages,
            "calls": {"cold": calls[0].0, "warm": calls[0].1},
        }),
        tables: vec![table, table_of(&calls)?],
        checks,
    })
}

fn row(name: &str, samples: &Samples, package: String) -> [String; 8] {
    let warm = |times: &[Duration]| if times.is_empty() { "–".to_owned() } else { time(median(times)) };
    [
        name.to_owned(),
        time(median(&samples.ready)),
        time(median(&samples.first)),
        time(median(&samples.computed_first)),
        warm(&samples.warm),
        warm(&samples.computed_warm),
        memory(median(&samples.peak_kib)),
        package,
    ]
}

/// Every guardrail of Athena but one is off: the twin does not have more.
fn query_runtime_alone() -> SandboxOptions {
    let others = Service::Athena.guardrails().filter(|guardrail| guardrail.id != "athena-query-runtime");
    others.fold(SandboxOptions::default(), |options, guardrail| {
        options.with(&format!("/sandbox-guardrails/athena/{}/mode", guardrail.id), "off")
    })
}

/// A sandbox without a hub, whose feed would run in the background and be measured with it.
pub(crate) fn alone(stage: &Stage, account: &str, options: &SandboxOptions) -> Result<Sandbox, Fault> {
    let hub = Hub { account: stage.account("999999999998") };
    let sandbox = stage.deploy_sandbox(account, "bench", &hub, options)?;
    let forward = json!({"Name": "forward-to-hub", "EventBusName": "sandbox-guardrails"});
    sandbox.account.json("events", "AWSEvents.DisableRule", &forward)?;
    Ok(sandbox)
}

/// A sandbox with 240 queries in three workgroups beside the empty `primary`: 200 have ended, 40 are active and one of
/// these is between 75 % and 95 % of its limit.
pub(crate) fn prepare(stage: &Stage, account: &str, options: &SandboxOptions) -> Result<Sandbox, Fault> {
    let sandbox = alone(stage, account, options)?;
    ask(&sandbox);
    Ok(sandbox)
}

/// Brings these queries about.
pub(crate) fn ask(sandbox: &Sandbox) {
    let minutes = |minutes: u32| Duration::from_secs(60) * minutes;
    for (workgroup, ended, active, at_notice) in [("etl", 100, 19, 1), ("adhoc", 60, 15, 0), ("reports", 40, 5, 0)] {
        sandbox.athena.seed_history(workgroup, ended, minutes(3), minutes(2));
        let ages = (1..=active).map(|n| Duration::from_secs(20) * n).chain((0..at_notice).map(|_| minutes(23)));
        for age in ages {
            sandbox.athena.start(QuerySpec { workgroup: workgroup.to_owned(), age, ..QuerySpec::default() });
        }
    }
}

/// Takes everything out of the ledger, so that the next process has the same to report as the one before.
pub(crate) fn empty_ledger(sandbox: &Sandbox) -> Result<(), Fault> {
    for entry in sandbox.ledger()? {
        let delete = json!({"TableName": "sandbox-guardrails-ledger", "Key": {"id": {"S": entry["id"]}}});
        sandbox.account.json("dynamodb", "DynamoDB_20120810.DeleteItem", &delete)?;
    }
    Ok(())
}

/// Counts the calls of a cold and of a warm sweep.
fn calls(stage: &Stage, sandbox: &Sandbox, program: &Program, sweep: &Value) -> Result<(Counts, Counts), Fault> {
    let tally = Tally::start(stage.endpoint(), Duration::ZERO)?;
    empty_ledger(sandbox)?;
    let mut process = Process::start(program, ACCOUNT, &tally.endpoint(), sweep)?;
    let cold = tally.take().calls;
    process.answer(sweep)?;
    Ok((cold, tally.take().calls))
}

/// The calls of the watch and of the twin. A twin that did not make the same would be no measure.
fn table_of([watch, twin]: &[(Counts, Counts); 2]) -> Result<Rows, Fault> {
    if watch != twin {
        return Err(Fault(format!("the twin does not make the calls of the watch: {watch:?} and {twin:?}")));
    }
    let (cold, warm) = watch;
    let mut table = Rows::new(["calls of one sweep, watch and twin alike", "cold", "warm"]);
    let operations: BTreeSet<&String> = cold.keys().chain(warm.keys()).collect();
    for operation in operations {
        let [cold, warm] = [cold, warm].map(|calls| calls.get(operation).copied().unwrap_or_default().to_string());
        table.push([operation.clone(), cold, warm]);
    }
    let [cold, warm] = [cold, warm].map(|calls| calls.values().sum::<u64>().to_string());
    table.push(["all".to_owned(), cold, warm]);
    Ok(table)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use stage::template;

    use super::*;

    #[test]
    fn every_function_is_measured() {
        let [sandbox, hub] = ["sandbox", "hub"].map(|name| template::read(name).unwrap());
        let functions: BTreeSet<&str> =
            [&sandbox, &hub].into_iter().flat_map(template::functions).map(|(_, binary, _)| binary).collect();
        let measured: BTreeSet<&str> = OTHERS.iter().map(|(name, _)| *name).chain(["athena-watch"]).collect();
        assert_eq!(measured, functions);
    }
}
