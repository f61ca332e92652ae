//! How long queries run past their limit until they are told to stop: with the vigil, and at the same time without.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stage::deploy::EVERY_MINUTE;
use stage::{Sandbox, SandboxOptions, Stage};
use workload_simulator::{QuerySpec, QueryView};

use crate::report::{Check, Part, Rows, percentile, time};
use crate::{Fault, micros};

const HUB: &str = "999999999999";
const QUERIES: u32 = 50;
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// From the start of the queries until the first reaches its limit: more than one sweep apart, so that a sweep sees it
/// before, as one does of every query with a limit over a minute.
const LEAD: Duration = Duration::from_secs(65);

/// The limits are reached evenly over one sweep interval, so that every moment between two sweeps is met.
const STAGGER: Duration = Duration::from_secs(60);

/// How long is waited after the last limit: a sweep interval and what a sweep takes at the most.
const PATIENCE: Duration = Duration::from_secs(90);

/// One sandbox and its queries.
struct Trial {
    name: &'static str,
    sandbox: Sandbox,
    queries: Vec<String>,
}

impl Trial {
    fn views(&self) -> Vec<QueryView> {
        self.queries.iter().filter_map(|id| self.sandbox.athena.query(id)).collect()
    }

    fn stopped(&self) -> usize {
        self.views().iter().filter(|view| view.stopped_at.is_some()).count()
    }
}

/// Measures it.
pub(crate) fn measure(stage: &Stage, progress: impl Fn(&str)) -> Result<Part, Fault> {
    let accounts = ["200000000201", "200000000202"];
    let hub = stage.deploy_hub(HUB, &accounts)?;
    let mut trials = Vec::new();
    for ((account, name), vigil) in accounts.into_iter().zip(["with the vigil", "without the vigil"]).zip([true, false])
    {
        let options = SandboxOptions { vigil, sweeps: EVERY_MINUTE, ..SandboxOptions::default() };
        let sandbox = stage.deploy_sandbox(account, &name.replace(' ', "-"), &hub, &options)?;
        // The belt of 20 actions a run would hold back part of what comes due in one minute here, as it should.
        let belt = "/sandbox-guardrails/athena/athena-query-runtime/max_actions";
        sandbox.account.put_parameter(belt, "100")?;
        trials.push(Trial { name, sandbox, queries: Vec::new() });
    }
    for trial in &mut trials {
        let ages = (0..QUERIES).map(|n| LIMIT - LEAD - STAGGER * n / QUERIES);
        let specs = ages.map(|age| QuerySpec { workgroup: "etl".to_owned(), age, ..QuerySpec::default() });
        trial.queries = specs.map(|spec| trial.sandbox.athena.start(spec)).collect();
    }
    wait(&trials, progress);

    let mut table = Rows::new(["50 queries over one minute", "told to stop", "p50", "p99", "max"]);
    let (mut checks, mut figures) = (Vec::new(), Vec::new());
    for (trial, aim) in trials.iter().zip([Duration::from_secs(2), Duration::from_secs(65)]) {
        let views = trial.views();
        let overruns: Vec<Duration> = views.iter().filter_map(overrun).collect();
        let early = views.iter().filter(|view| view.stopped_at.is_some() && overrun(view).is_none()).count();
        let calls: u32 = views.iter().map(|view| view.stop_calls).sum();
        let [p50, p99, max] = [50, 99, 100].map(|percent| percentile(&overruns, percent));
        let stopped = trial.stopped();
        table.push([trial.name.to_owned(), format!("{stopped} of {QUERIES}"), time(p50), time(p99), time(max)]);
        checks.push(Check::aim(
            format!("{}, p99 of limit to StopQueryExecution", trial.name),
            time(p99),
            format!("≤ {} s", aim.as_secs()),
            p99 <= aim && u32::try_from(stopped).is_ok_and(|stopped| stopped == QUERIES),
        ));
        checks.push(Check::promise(
            format!("{}, calls of StopQueryExecution", trial.name),
            u64::from(calls),
            u64::from(QUERIES),
        ));
        checks.push(Check::promise(format!("{}, stopped before their limit", trial.name), early as u64, 0));
        figures.push(json!({
            "sandbox": trial.name, "stopped": stopped, "stop_calls": calls,
            "p50_us": micros(p50), "p99_us": micros(p99), "max_us": micros(max),
        }));
        if stopped == 0 {
            return Err(Fault::new(format!("{}: no query was told to stop", trial.name)));
        }
    }
    Ok(Part {
        title: "Overrun, from the limit to StopQueryExecution",
        notes: vec![
            "two sandboxes at the same time, deployed from the template, hub included: one sweep a minute, limit 30 min, \
             mode enforce; the schedule's seconds are whatever they are"
                .to_owned(),
            "the queries were submitted in the past and no signal told of them: sweeps alone saw them, which is the \
             worse case for the vigil"
                .to_owned(),
            "max_actions is set to 100 in both, because 50 breaches in one minute would meet the belt of 20 a run".to_owned(),
            "percentiles are nearest ranks, so p99 of 50 is the greatest; the stop counts when Athena answered it".to_owned(),
        ],
        tables: vec![table],
        checks,
        figures: Value::Array(figures),
    })
}

fn wait(trials: &[Trial], progress: impl Fn(&str)) {
    let (began, last) = (Instant::now(), LEAD + STAGGER + PATIENCE);
    let mut said = None;
    while began.elapsed() < last && trials.iter().any(|trial| trial.stopped() < trial.queries.len()) {
        let tens = began.elapsed().as_secs() / 10;
        if said != Some(tens) {
            let counts: Vec<String> =
                trials.iter().map(|trial| format!("{} {} of {QUERIES}", trial.name, trial.stopped())).collect();
            let due = LEAD.saturating_sub(began.elapsed()).as_secs();
            let due = if due > 0 { format!("the first is due in {due} s") } else { "due one by one".to_owned() };
            progress(&format!("overrun: {due}; told to stop: {}", counts.join(", ")));
            said = Some(tens);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    // The last enforces still verify and report; ended with the stage they would only leave warnings.
    std::thread::sleep(Duration::from_secs(2));
}

/// From the limit to the stop; none when it was not stopped, or before its limit.
fn overrun(view: &QueryView) -> Option<Duration> {
    let ran = Duration::try_from(view.stopped_at?.duration_since(view.submitted_at)).ok()?;
    ran.checked_sub(LIMIT)
}
