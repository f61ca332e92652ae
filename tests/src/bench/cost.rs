//! The cost of one sandbox-month, from measured durations, calls and log lines and the dated prices in `prices.toml`.

mod bill;
mod prices;

use std::time::Duration;

use serde_json::{Map, Value, json};
use stage::deploy::sample_event;
use stage::{Sandbox, SandboxOptions, Stage, template};
use workload_simulator::{ClusterSpec, ExecutionSpec, QuerySpec, SessionSpec};

use crate::Fault;
use crate::cost::bill::{Invocation, Measured, lines};
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

/// Measures what is billed and prices it.
pub(crate) fn measure(stage: &Stage, programs: &Programs, progress: impl Fn(&str)) -> Result<Part, Fault> {
    let table = Table::read()?;
    let mut all = Vec::new();
    for room in rooms(stage)? {
        progress(&format!("cost: {}", room.service));
        let tally = Tally::start(stage.endpoint(), Duration::from_millis(table.month.call_milliseconds))?;
        all.push(room.measured(programs, &tally)?);
    }
    let total = |month: &Month, all: &[Measured], gb_second: &str| -> Result<Money, Fault> {
        let bills: Result<Vec<_>, _> = all.iter().map(|of| lines(&table, month, of, gb_second)).collect();
        Ok(bills?.iter().flatten().map(|line| line.cost).sum())
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
    let figures: Map<String, Value> = all
        .iter()
        .map(|of| {
            let figures = json!({
                "cold": of.cold.figures(), "sweep": of.sweep.figures(), "signal": of.signal.figures(),
                "stop": of.stop.figures(), "finding_bytes": of.finding_bytes,
            });
            (of.service.to_owned(), figures)
        })
        .collect();
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
type Change = (&'static str, fn(&mut Month, &mut [Measured]));

/// What would cost less.
const CHANGES: [Change; 6] = [
    ("a sign of life every 15 minutes instead of 5", |month, _| month.heartbeats /= 3),
    ("schedules as rules of EventBridge, which are not charged", |month, _| month.scheduled_by_rules = true),
    ("vigil for one sweep interval and 90 s instead of two intervals, but for Athena", |month, _| {
        let others = month.services.iter_mut().filter(|(service, _)| *service != "athena");
        others.for_each(|(_, here)| here.vigil_seconds = here.vigil_seconds / 2 + 90);
    }),
    ("sagemaker-watch with 128 MB", |_, all| all.iter_mut().for_each(|of| of.watch_memory = 128)),
    ("Athena swept every 2 minutes instead of 1", |month, _| sweep_half_as_often(month, |service| service == "athena")),
    ("the others swept every 10 minutes instead of 5", |month, _| {
        sweep_half_as_often(month, |service| service != "athena");
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

fn bill(table: &Table, all: &[Measured], total: Money) -> Result<Rows, Fault> {
    let services: Vec<&str> = all.iter().map(|of| of.service).collect();
    let head = ["one sandbox and month in USD, arm64"].into_iter().chain(services).chain(["sum", "of all"]);
    let mut rows = Rows { columns: head.map(str::to_owned).collect(), rows: Vec::new() };
    let bills: Result<Vec<_>, _> = all.iter().map(|of| lines(table, &table.month, of, ARM64)).collect();
    let bills = bills?;
    let mut push = |what: &str, costs: Vec<Money>| {
        let sum: Money = costs.iter().copied().sum();
        let share = format!("{} %", sum.0 * 100 / total.0.max(1));
        let costs = costs.into_iter().chain([sum]).map(Money::text);
        rows.rows.push([what.to_owned()].into_iter().chain(costs).chain([share]).collect());
    };
    for (number, line) in bills.first().into_iter().flatten().enumerate() {
        push(line.what, bills.iter().filter_map(|bill| bill.get(number)).map(|line| line.cost).collect());
    }
    push("sum", bills.iter().map(|bill| bill.iter().map(|line| line.cost).sum()).collect());
    Ok(rows)
}

fn basis(all: &[Measured]) -> Rows {
    let mut basis = Rows::new(["measured", "memory", "takes", "waits", "computes", "calls", "log"]);
    for of in all {
        let (watch, enforce) = (of.watch_memory, of.enforce_memory);
        for (what, memory, invocation) in [
            ("a cold sweep", watch, &of.cold),
            ("a warm sweep", watch, &of.sweep),
            ("a warm signal", watch, &of.signal),
            ("a stop, cold", enforce, &of.stop),
        ] {
            basis.push([
                format!("{}, {what}", of.service),
                format!("{memory} MB"),
                time(invocation.takes(memory)),
                time(invocation.waited),
                time(invocation.computed),
                invocation.calls.values().sum::<u64>().to_string(),
                format!("{} B", invocation.log_bytes),
            ]);
        }
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
    let month = &table.month;
    let usual = Scene::USUAL.map(|scene| scene.in_words()).join("; ");
    let mut notes = vec![
        format!(
            "list prices of {} read on {}, no free tier deducted (tests/bench/prices.toml); they are confirmed by the pages \
             named and were not compared with AWS's own",
            table.region, table.read_on
        ),
        format!("measured in a sandbox with 240 queries, 40 of them active; {usual}"),
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
        let [cold, sweep_warm] = self.warm(&watch, tally, &sweep, &sweep)?;
        let [_, signal] = self.warm(&watch, tally, &sweep, &self.signal()?)?;
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

    /// Measures a cold sweep, and warm answers to `event` of the same process.
    fn warm(&self, program: &Program, tally: &Tally, sweep: &Value, event: &Value) -> Result<[Invocation; 2], Fault> {
        tally.take();
        let mut process = Process::start(program, self.account, &tally.endpoint(), sweep)?;
        let asked = tally.take();
        let mut cold =
            Invocation { waited: asked.waited, computed: process.computed()?, calls: asked.calls, log_bytes: 0 };
        let (mut waited, mut computed, mut warm) = (Vec::new(), Vec::new(), Invocation::default());
        for _ in 0..ANSWERS {
            let before = process.computed()?;
            process.answer(event)?;
            let asked = tally.take();
            waited.push(asked.waited);
            computed.push(process.computed()?.saturating_sub(before));
            warm.calls = asked.calls;
        }
        (warm.waited, warm.computed) = (median(&waited), median(&computed));
        let log = process.end()?.log;
        let bytes = |line: &str| line.len() as u64 + BYTES_A_LINE;
        let first = log.lines().position(|line| line.contains("sweep was completed")).unwrap_or_default() + 1;
        cold.log_bytes = log.lines().take(first).map(bytes).sum();
        warm.log_bytes = log.lines().skip(first).map(bytes).sum::<u64>() / u64::from(ANSWERS);
        Ok([cold, warm])
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
            stop.log_bytes = process.end()?.log.lines().map(|line| line.len() as u64 + BYTES_A_LINE).sum();
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
