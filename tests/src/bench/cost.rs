//! The cost of one sandbox-month, from measured durations, calls and log lines and the dated prices in `prices.toml`.

mod availability;
mod bill;
mod prices;

use std::time::Duration;

use serde_json::{Map, Value, json};
use stage::deploy::sample_event;
use stage::{Sandbox, SandboxOptions, Stage, template};
use workload_simulator::{ClusterSpec, ExecutionSpec, QuerySpec, SessionSpec};

use crate::Fault;
use crate::cost::bill::{Invocation, Item, Line, Measured, Prices};
use crate::cost::prices::{Money, Month, Table};
use crate::process::{Process, Program};
use crate::programs::Programs;
use crate::report::{Check, Part, Rows, median, time};
use crate::scene::Scene;
use crate::start::{alone, empty_ledger, prepare};
use crate::tally::Tally;

const ARM64: &str = "lambda_gb_second_arm64";
const X86_64: &str = "lambda_gb_second_x86_64";

/// How often each kind of invocation is measured.
const ANSWERS: u32 = 15;

/// How often a stop is measured, each with a process of its own.
const STOPS: u32 = 3;

/// What CloudWatch Logs counts for each line beside its text.
const BYTES_A_LINE: u64 = 26;

const HOUR: Duration = Duration::from_secs(3_600);

/// One service in the sandbox that is measured.
struct Room {
    service: &'static str,
    account: &'static str,
    watch: &'static str,
    enforce: &'static str,
    sandbox: Sandbox,
}

/// Everything that was measured.
#[derive(Clone, Debug)]
struct Everything {
    services: Vec<Measured>,
    availability: availability::Measured,
}

impl Everything {
    /// The bill of each service and that of availability, by name.
    fn bills(&self, prices: Prices<'_>, month: &Month) -> Result<Vec<(&'static str, Vec<Line>)>, Fault> {
        let mut bills = Vec::new();
        for service in &self.services {
            bills.push((service.service, bill::lines(prices, month, service)?));
        }
        bills.push(("availability", availability::lines(prices, month, &self.availability)?));
        Ok(bills)
    }
}

/// Measures what is billed and prices it.
pub(crate) fn measure(stage: &Stage, programs: &Programs, progress: impl Fn(&str)) -> Result<Part, Fault> {
    let table = Table::read()?;
    let tally = || Tally::start(stage.endpoint(), Duration::from_millis(table.month.call_milliseconds));
    let mut services = Vec::new();
    for room in rooms(stage)? {
        progress(&format!("cost: {}", room.service));
        services.push(room.measured(programs, &tally()?)?);
    }
    progress("cost: availability");
    let all = Everything { services, availability: availability::measure(stage, programs, &tally()?)? };
    let total = |month: &Month, all: &Everything, gb_second: &str| -> Result<Money, Fault> {
        let bills = all.bills(Prices { table: &table, gb_second }, month)?;
        Ok(bills.iter().flat_map(|(_, lines)| lines).map(|line| line.cost).sum())
    };
    let (arm64, x86_64) = (total(&table.month, &all, ARM64)?, total(&table.month, &all, X86_64)?);
    let checks = [("arm64", arm64), ("x86_64", x86_64)].map(|(architecture, total)| {
        let expected = format!("≤ {}", table.target_usd.text());
        Check::aim(format!("one sandbox-month, {architecture}"), total.text(), expected, total <= table.target_usd)
    });

    let mut what_if = Rows::new(["what would cost less, arm64", "USD", "less by"]);
    let mut changed = |what: String, changes: &[Change]| -> Result<(), Fault> {
        let (mut month, mut all) = (table.month.clone(), all.clone());
        changes.iter().for_each(|(_, change)| change(&mut month, &mut all));
        let changed = total(&month, &all, ARM64)?;
        let sign = if changed > arm64 { "-" } else { "" };
        what_if.push([what, changed.text(), format!("{sign}{}", Money(arm64.0.abs_diff(changed.0)).text())]);
        Ok(())
    };
    for change in CHANGES {
        changed(change.0.to_owned(), &[change])?;
    }
    changed(format!("the first {UNNOTICED} of these together"), &CHANGES[..UNNOTICED])?;
    let mut figures: Map<String, Value> = all
        .services
        .iter()
        .map(|of| {
            let figures = json!({
                "cold": of.cold.figures(), "sweep": of.sweep.figures(), "signal": of.signal.figures(),
                "stop": of.stop.figures(), "finding_bytes": of.finding_bytes,
            });
            (of.service.to_owned(), figures)
        })
        .collect();
    figures.insert("availability".to_owned(), all.availability.figures());
    Ok(Part {
        title: "Cost of one sandbox-month",
        notes: notes(&table),
        figures: json!({
            "sum_picodollars": {"arm64": arm64.0.to_string(), "x86_64": x86_64.0.to_string()}, "measured": figures,
        }),
        tables: vec![bill(&table, &all, arm64)?, what_if, basis(&all), sources(&table)],
        checks: checks.into(),
    })
}

/// Something that could be done otherwise, and what the month and the measurements would then be.
type Change = (&'static str, fn(&mut Month, &mut Everything));

/// What would cost less.
const CHANGES: [Change; 8] = [
    ("a sign of life every 15 minutes instead of 5", |month, _| month.heartbeats /= 3),
    ("schedules as rules of EventBridge, which are not charged", |month, _| month.scheduled_by_rules = true),
    ("vigil for one sweep interval and 90 s instead of two intervals, but for Athena", |month, _| {
        let others = month.services.iter_mut().filter(|(service, _)| *service != "athena");
        others.for_each(|(_, here)| here.vigil_seconds = here.vigil_seconds / 2 + 90);
    }),
    ("sagemaker-watch with 128 MB", |_, all| all.services.iter_mut().for_each(|of| of.watch_memory = 128)),
    ("Athena swept every 2 minutes instead of 1", |month, _| sweep_half_as_often(month, |service| service == "athena")),
    ("the others swept every 10 minutes instead of 5", |month, _| {
        sweep_half_as_often(month, |service| service != "athena");
    }),
    ("what turns off or on looked at once every 2 minutes", |month, _| {
        (month.availability.awake_seconds, month.availability.pause_seconds) = (2, 118);
    }),
    ("availability compared every 30 minutes instead of 15", |month, _| {
        month.availability.sweeps /= 2;
        month.availability.sweeps_open /= 2;
    }),
];

/// How many of them, from the first, lose nothing that users of a sandbox would notice.
const UNNOTICED: usize = 4;

/// The vigil then has to last twice as long.
fn sweep_half_as_often(month: &mut Month, which: fn(&str) -> bool) {
    for (_, here) in month.services.iter_mut().filter(|(service, _)| which(service)) {
        here.sweeps /= 2;
        here.vigil_seconds *= 2;
    }
}

fn bill(table: &Table, all: &Everything, total: Money) -> Result<Rows, Fault> {
    let bills = all.bills(Prices { table, gb_second: ARM64 }, &table.month)?;
    let names = bills.iter().map(|(name, _)| *name);
    let head = ["one sandbox and month in USD, arm64"].into_iter().chain(names).chain(["sum", "of all"]);
    let mut rows = Rows { columns: head.map(str::to_owned).collect(), rows: Vec::new() };
    let mut push = |what: &str, costs: Vec<Option<Money>>| {
        let sum: Money = costs.iter().copied().flatten().sum();
        let share = format!("{} %", sum.0 * 100 / total.0.max(1));
        let costs = costs.into_iter().chain([Some(sum)]).map(|cost| cost.map_or("–".to_owned(), Money::text));
        rows.rows.push([what.to_owned()].into_iter().chain(costs).chain([share]).collect());
    };
    for item in Item::ALL {
        let of_item = |lines: &[Line]| lines.iter().find(|line| line.item == item).map(|line| line.cost);
        push(item.text(), bills.iter().map(|(_, lines)| of_item(lines)).collect());
    }
    push("sum", bills.iter().map(|(_, lines)| Some(lines.iter().map(|line| line.cost).sum())).collect());
    Ok(rows)
}

fn basis(all: &Everything) -> Rows {
    let mut basis = Rows::new(["measured", "memory", "takes", "waits", "computes", "calls", "log"]);
    let mut push = |what: String, memory: u64, invocation: &Invocation| {
        basis.push([
            what,
            format!("{memory} MB"),
            time(invocation.takes(memory)),
            time(invocation.waited),
            time(invocation.computed),
            invocation.calls.values().sum::<u64>().to_string(),
            format!("{} B", invocation.log_bytes),
        ]);
    };
    for of in &all.services {
        push(format!("{}, a cold sweep", of.service), of.watch_memory, &of.cold);
        push(format!("{}, a warm sweep", of.service), of.watch_memory, &of.sweep);
        push(format!("{}, a warm signal", of.service), of.watch_memory, &of.signal);
        push(format!("{}, a stop, cold", of.service), of.enforce_memory, &of.stop);
    }
    let of = &all.availability;
    for (what, sweeps) in [("open", &of.open), ("closed", &of.closed)] {
        push(format!("availability, {what}, a cold sweep"), of.reconcile_memory, &sweeps.cold);
        push(format!("availability, {what}, a warm sweep"), of.reconcile_memory, &sweeps.warm);
    }
    for (what, steps) in [("closing", &of.closing), ("opening", &of.opening)] {
        let what = format!("availability, the {} steps of {what}, each cold", steps.len());
        push(what, of.step_memory, &availability::together(steps));
    }
    basis
}

fn sources(table: &Table) -> Rows {
    let mut sources = Rows::new(["list price", "USD", "per", "AWS's page", "confirmed by", "free, not deducted"]);
    for (name, price) in &table.prices {
        sources.push([
            name.clone(),
            price.usd.exactly(),
            price.per.to_string(),
            bare(&price.page),
            bare(&price.confirmed_by),
            price.free.clone(),
        ]);
    }
    sources
}

fn notes(table: &Table) -> Vec<String> {
    let (month, availability) = (&table.month, &table.month.availability);
    let usual = Scene::USUAL.map(|scene| scene.in_words()).join("; ");
    let mut notes = vec![
        format!(
            "list prices of {} read on {}, no free tier deducted (tests/bench/prices.toml); they are confirmed by the pages \
             named and were not compared with AWS's own",
            table.region, table.read_on
        ),
        format!("measured in a sandbox with 240 queries, 40 of them active; {usual}"),
        format!("of availability in one with {}", availability::in_words()),
        format!(
            "every call to AWS takes {} ms more than on the stage; what a process computes takes as many times longer as \
             its memory brings less of a processor",
            month.call_milliseconds
        ),
        "free and therefore not listed: standard parameters, the services' own calls, CloudTrail's LookupEvents, events of \
         AWS's services"
            .to_owned(),
    ];
    notes.extend(month.services.iter().map(|(service, here)| {
        format!(
            "assumed for {service}: {} sweeps, {} signals, {} resources that run into their limit, with {} s of vigil, 3 \
             findings and a stop each",
            here.sweeps, here.signals, here.at_limit, here.vigil_seconds
        )
    }));
    notes.push(format!(
        "assumed for availability: {} sweeps, {} of them while it is open, one in {} cold; {} days with a closing, an \
         opening, {} wakes and {} warnings; what takes long takes {:?} s to turn off and {:?} s to turn on, and is looked at \
         for {} s, then again after {} s",
        availability.sweeps,
        availability.sweeps_open,
        availability.one_cold_in,
        availability.days,
        availability.wakes_a_day,
        availability.warnings_a_day,
        availability.closing_takes,
        availability.opening_takes,
        availability.awake_seconds,
        availability.pause_seconds,
    ));
    notes.push(
        "state transitions are the states that the history of a real execution on the stage names, its retries, its start \
         and its end; the hub's commands for another window are too few to show"
            .to_owned(),
    );
    notes
}

/// A sandbox for each service.
fn rooms(stage: &Stage) -> Result<Vec<Room>, Fault> {
    let account = "200000000301";
    let sandbox = prepare(stage, account, &SandboxOptions::default())?;
    let (watch, enforce) = ("athena-watch", "athena-enforce");
    let mut rooms = vec![Room { service: "athena", account, watch, enforce, sandbox }];
    for (scene, account) in Scene::USUAL.into_iter().zip(["200000000302", "200000000303", "200000000304"]) {
        let (enforce, guardrail) = match scene {
            Scene::Emr(_) => ("emr-enforce", "emr-cluster-age"),
            Scene::SageMaker(_) => ("sagemaker-enforce", "sagemaker-execution-runtime"),
            Scene::Glue(_) => ("glue-enforce", "glue-session-age"),
        };
        let mode = format!("/sandbox-guardrails/{}/{guardrail}/mode", scene.service());
        let sandbox = alone(stage, account, &scene.options().with(&mode, "enforce"))?;
        scene.set(&sandbox);
        rooms.push(Room { service: scene.service(), account, watch: scene.watch(), enforce, sandbox });
    }
    Ok(rooms)
}

impl Room {
    fn measured(&self, programs: &Programs, tally: &Tally) -> Result<Measured, Fault> {
        let watch = programs.ours(self.watch, self.account);
        let sweep = sample_event(self.watch, "sweep")?;
        let completed = "sweep was completed";
        let (Warm { cold, warm: sweep_warm }, _) = answers(&watch, self.account, tally, [&sweep, &sweep], completed)?;
        let (Warm { warm: signal, .. }, _) =
            answers(&watch, self.account, tally, [&sweep, &self.signal()?], completed)?;
        Ok(Measured {
            service: self.service,
            watch_memory: memory_of(self.watch)?,
            enforce_memory: memory_of(self.enforce)?,
            cold,
            sweep: sweep_warm,
            signal,
            finding_bytes: entry_bytes(&self.sandbox)?,
            stop: self.stop(&programs.ours(self.enforce, self.account), tally)?,
        })
    }

    /// An event of something that runs in the sandbox.
    fn signal(&self) -> Result<Value, Fault> {
        let none = || Fault(format!("nothing of {} runs", self.service));
        let sample = |name| sample_event(self.watch, name);
        Ok(match self.service {
            "athena" => {
                let mut event = sample("query-running")?;
                let id = self.sandbox.athena.active().first().map(|query| query.id.clone());
                event["detail"]["queryExecutionId"] = json!(id.ok_or_else(none)?);
                event
            }
            "emr" => {
                let mut event = sample("cluster-running")?;
                let id = self.sandbox.emr.active().first().map(|cluster| cluster.id.clone());
                event["detail"]["clusterId"] = json!(id.ok_or_else(none)?);
                event
            }
            "sagemaker" => {
                let mut event = sample("training-job-in-progress")?;
                event["detail"]["TrainingJobName"] = json!("job-0");
                event
            }
            _ => {
                let mut event = sample("run-running")?;
                let run = self.sandbox.glue.active_runs().into_iter().next().ok_or_else(none)?;
                event["detail"]["jobName"] = json!(run.job);
                event["detail"]["jobRunId"] = json!(run.id);
                event
            }
        })
    }

    /// Starts something that is past its limit. Gives its guardrail, its id, and what is done about it.
    fn overdue(&self, number: u32) -> (&'static str, String, &'static str) {
        let sandbox = &self.sandbox;
        match self.service {
            "athena" => {
                let age = Duration::from_secs(31 * 60);
                let id = sandbox.athena.start(QuerySpec { age, ..QuerySpec::default() });
                ("athena-query-runtime", id, "stop")
            }
            "emr" => {
                let id = sandbox.emr.start(ClusterSpec { age: 25 * HOUR, ..ClusterSpec::default() });
                ("emr-cluster-age", id, "terminate")
            }
            "sagemaker" => {
                let pipeline = "nightly".to_owned();
                let spec = ExecutionSpec { pipeline, age: 13 * HOUR, ..ExecutionSpec::default() };
                let arn = sandbox.sagemaker.start_execution(spec);
                let id = arn.split_once(":pipeline/").map_or(arn.as_str(), |(_, id)| id);
                ("sagemaker-execution-runtime", id.to_owned(), "stop_execution")
            }
            _ => {
                let id = Some(format!("overdue-{number}"));
                let id = sandbox.glue.start_session(SessionSpec { id, age: 9 * HOUR, ..SessionSpec::default() });
                ("glue-session-age", id, "stop_session")
            }
        }
    }

    /// Measures what it takes to stop something, from the start of the process.
    fn stop(&self, program: &Program, tally: &Tally) -> Result<Invocation, Fault> {
        let (mut waited, mut computed, mut stop) = (Vec::new(), Vec::new(), Invocation::default());
        for number in 0..STOPS {
            let (guardrail, id, action) = self.overdue(number);
            let finding = format!("{guardrail}/{id}/100");
            let mut breach = sample_event(self.enforce, "breach")?;
            breach["account"] = json!(self.account);
            breach["detail"]["sandbox"]["account"] = json!(self.account);
            breach["detail"]["id"] = json!(finding);
            breach["detail"]["resource"]["id"] = json!(id);
            tally.take();
            let process = Process::start(program, self.account, &tally.endpoint(), &breach)?;
            let asked = tally.take();
            computed.push(process.computed()?);
            // Between two looks at whether it took effect, an enforce sleeps: that is neither a call nor computed.
            waited.push(process.first.saturating_sub(process.computed()?).max(asked.waited));
            stop.calls = asked.calls;
            stop.log_bytes = log_bytes(process.end()?.log.lines());
            let outcome = self.sandbox.outcome_of(&format!("{finding}/{action}"));
            if outcome.as_deref() != Some("done") {
                return Err(Fault(format!("the breach `{finding}` that was to be measured ended as {outcome:?}")));
            }
        }
        empty_ledger(&self.sandbox)?;
        (stop.waited, stop.computed) = (median(&waited), median(&computed));
        Ok(stop)
    }
}

/// The first answer of a process, and those that follow.
#[derive(Clone, Debug, Default)]
struct Warm {
    cold: Invocation,
    warm: Invocation,
}

/// Measures the answer to the first event, from the start of the process, and those of the same process to the second;
/// gives the last answer too. `ends` is in the line that ends the log of an invocation.
fn answers(
    program: &Program,
    account: &str,
    tally: &Tally,
    [first, then]: [&Value; 2],
    ends: &str,
) -> Result<(Warm, Value), Fault> {
    tally.take();
    let mut process = Process::start(program, account, &tally.endpoint(), first)?;
    let asked = tally.take();
    let mut cold = Invocation { waited: asked.waited, computed: process.computed()?, calls: asked.calls, log_bytes: 0 };
    let (mut waited, mut computed, mut warm) = (Vec::new(), Vec::new(), Invocation::default());
    for _ in 0..ANSWERS {
        let before = process.computed()?;
        process.answer(then)?;
        let asked = tally.take();
        waited.push(asked.waited);
        computed.push(process.computed()?.saturating_sub(before));
        warm.calls = asked.calls;
    }
    (warm.waited, warm.computed) = (median(&waited), median(&computed));
    let answer = process.answer.clone();
    let log = process.end()?.log;
    let of_first = log.lines().position(|line| line.contains(ends)).unwrap_or_default() + 1;
    cold.log_bytes = log_bytes(log.lines().take(of_first));
    warm.log_bytes = log_bytes(log.lines().skip(of_first)) / u64::from(ANSWERS);
    Ok((Warm { cold, warm }, answer))
}

/// What CloudWatch Logs bills for these lines.
fn log_bytes<'a>(lines: impl Iterator<Item = &'a str>) -> u64 {
    lines.map(|line| line.len() as u64 + BYTES_A_LINE).sum()
}

/// How much memory the template gives a function, in MB.
fn memory_of(function: &str) -> Result<u64, Fault> {
    let template = template::read("sandbox")?;
    let functions = template::functions(&template);
    let own = functions.iter().find(|(_, binary, _)| *binary == function);
    let own = own.and_then(|(_, _, properties)| properties["MemorySize"].as_u64());
    let of_all = template["Globals"]["Function"]["MemorySize"].as_u64();
    own.or(of_all).ok_or_else(|| Fault(format!("the template does not say how much memory `{function}` has")))
}

/// How large DynamoDB takes the largest entry of the ledger for: names and values of its attributes.
fn entry_bytes(sandbox: &Sandbox) -> Result<u64, Fault> {
    let bytes = |entry: &Map<String, Value>| -> usize {
        entry.iter().map(|(name, value)| name.len() + value.as_str().map_or(8, str::len)).sum()
    };
    Ok(sandbox.ledger()?.iter().map(bytes).max().unwrap_or_default() as u64)
}

fn bare(url: &str) -> String {
    url.trim_start_matches("https://").trim_end_matches('/').to_owned()
}
