//! What availability is billed for: reconcile every quarter of an hour, and two workflows a working day.
//!
//! Two sandboxes are alike. In the first the stage's Step Functions closes and opens, and its history tells how many
//! states are entered. In the second the same steps are asked of a process of their own each, which is what is measured:
//! hours lie between two workflows, and the parts of one are dealt with at once, so most steps have to start one.

use std::time::Duration;

use serde_json::{Value, json};
use stage::deploy::sample_event;
use stage::running::wait_for;
use stage::{Sandbox, SandboxOptions, Stage};

use super::bill::{Invocation, Item, Line, Prices};
use super::prices::{Availability, Month};
use super::{Warm, answers, entry_bytes, log_bytes, memory_of};
use crate::Fault;
use crate::process::Process;
use crate::programs::Programs;
use crate::scene::Scene;
use crate::start::{alone, ask};
use crate::tally::Tally;
use crate::windows::ONLY;

/// The sandbox whose workflows are followed, and the one whose steps are measured.
const FOLLOWED: &str = "200000000305";
const MEASURED: &str = "200000000306";

/// How many roles the users have.
const USERS: u64 = 8;

/// How long a workflow may take on the stage.
const PATIENCE: Duration = Duration::from_secs(300);

/// How often a step is asked for again while something is still turning.
const ROUNDS: usize = 20;

/// States that each look at what is still turning enters: the task, the choice, the wait.
const TRANSITIONS_OF_A_ROUND: u64 = 3;

/// The start and the end of an execution, in case that they are charged: AWS's page counts steps and names neither.
const ENDS: u64 = 2;

/// How often a step that stays awake looks.
const SECONDS_BETWEEN_LOOKS: u64 = 2;

/// Writes to the index that a change takes until it is told: it enters it and leaves it.
const WRITES_TO_THE_INDEX: u64 = 2;

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    /// Of reconcile, in MB.
    pub(super) reconcile_memory: u64,
    /// Of a step, in MB.
    pub(super) step_memory: u64,
    /// Reconcile while the sandbox is open, and while it is closed.
    pub(super) open: Warm,
    pub(super) closed: Warm,
    /// The steps of one closing and one opening.
    pub(super) closing: Vec<Invocation>,
    pub(super) opening: Vec<Invocation>,
    /// What one closing and one opening are charged for, without looking again at what is still turning.
    pub(super) transitions: u64,
    /// The largest entry in the ledger.
    pub(super) entry_bytes: u64,
}

impl Measured {
    pub(super) fn figures(&self) -> Value {
        let all = |steps: &[Invocation]| steps.iter().map(Invocation::figures).collect::<Vec<_>>();
        json!({
            "open": {"cold": self.open.cold.figures(), "warm": self.open.warm.figures()},
            "closed": {"cold": self.closed.cold.figures(), "warm": self.closed.warm.figures()},
            "closing": all(&self.closing), "opening": all(&self.opening), "transitions": self.transitions,
            "entry_bytes": self.entry_bytes,
        })
    }
}

/// What these steps take together.
pub(super) fn together<'a>(steps: impl IntoIterator<Item = &'a Invocation>) -> Invocation {
    let mut all = Invocation::default();
    for step in steps {
        all.waited += step.waited;
        all.computed += step.computed;
        all.log_bytes += step.log_bytes;
        for (operation, count) in &step.calls {
            *all.calls.entry(operation.clone()).or_default() += count;
        }
    }
    all
}

/// The bill of availability for a month.
pub(super) fn lines(prices: Prices<'_>, month: &Month, of: &Measured) -> Result<Vec<Line>, Fault> {
    let here = &month.availability;
    let closed_sweeps = here.sweeps.saturating_sub(here.sweeps_open);
    let wakes = here.days * here.wakes_a_day;
    // What wakes it at its moment comes hours after another, and finds the sandbox open or about to be.
    let runs = [
        (&of.open.cold, here.sweeps_open / here.one_cold_in + wakes, Item::ColdSweeps),
        (&of.open.warm, here.sweeps_open - here.sweeps_open / here.one_cold_in, Item::Sweeps),
        (&of.closed.cold, closed_sweeps / here.one_cold_in, Item::ColdSweeps),
        (&of.closed.warm, closed_sweeps - closed_sweeps / here.one_cold_in, Item::Sweeps),
    ];
    let reconcile = |wanted: Item| {
        let milliseconds = runs.iter().filter(|(_, _, item)| *item == wanted);
        let milliseconds = milliseconds.map(|(run, times, _)| times * run.milliseconds(of.reconcile_memory)).sum();
        prices.awake(wanted, milliseconds, of.reconcile_memory)
    };
    let day = together(of.closing.iter().chain(&of.opening));
    let rounds = here.days * here.rounds();
    let in_all = |per: &dyn Fn(&Invocation) -> u64| {
        runs.iter().map(|(run, times, _)| times * per(run)).sum::<u64>() + here.days * per(&day)
    };
    let steps = here.days * (of.closing.len() + of.opening.len()) as u64;
    let step_milliseconds: u64 =
        of.closing.iter().chain(&of.opening).map(|step| step.milliseconds(of.step_memory)).sum();
    let events = in_all(&|run| run.calls("PutEvents")) + here.days * here.warnings_a_day;
    // A step that is called again reads where the sandbox stands, and again with every look that it takes, and the part's
    // record twice; it takes and gives back the right to deal with the part; the record has not changed and is not written.
    let looks = here.awake_seconds / SECONDS_BETWEEN_LOOKS;
    let reads = in_all(&|run| run.calls("GetItem")) + (3 + looks) * rounds;
    // A warning is noted, entered, and marked as told.
    let entries = in_all(&|run| run.calls("PutItem") + run.calls("UpdateItem"));
    let entries = entries + 2 * rounds + 3 * here.days * here.warnings_a_day;
    let writes = (entries + WRITES_TO_THE_INDEX * events) * of.entry_bytes.div_ceil(1_024);
    let schedules = here.sweeps + wakes;
    Ok(vec![
        prices.counted(Item::Invocations, schedules + steps + rounds, "lambda_request")?,
        reconcile(Item::Sweeps)?,
        reconcile(Item::ColdSweeps)?,
        prices.awake(Item::Steps, here.days * step_milliseconds, of.step_memory)?,
        prices.awake(Item::Turning, rounds * here.awake_seconds * 1_000, of.step_memory)?,
        prices.counted(
            Item::Transitions,
            here.days * of.transitions + TRANSITIONS_OF_A_ROUND * rounds,
            "state_transition",
        )?,
        prices.counted(Item::Writes, writes, "dynamodb_write")?,
        prices.counted(Item::Reads, reads, "dynamodb_read")?,
        prices.counted(Item::Events, events, "custom_event")?,
        prices.counted(Item::EventsToHub, events, "cross_account_event")?,
        // A moment in the window's zone cannot be a rule.
        prices.counted(
            Item::Schedules,
            if month.scheduled_by_rules { wakes } else { schedules },
            "schedule_invocation",
        )?,
        prices.counted(Item::Logs, in_all(&|run| run.log_bytes), "log_byte")?,
    ])
}

/// Measures it; each call goes through `tally`.
pub(super) fn measure(stage: &Stage, programs: &Programs, tally: &Tally) -> Result<Measured, Fault> {
    let followed = prepare(stage, FOLLOWED)?;
    let transitions = transitions(&followed, "stop")? + transitions(&followed, "start")?;

    let sandbox = prepare(stage, MEASURED)?;
    set_window(&sandbox, &[("00:00", "23:59")], "2026-01-01T00:00:00Z")?;
    let open = reconciled(programs, tally, "open")?;
    let closing = played(programs, tally, "stop")?;
    set_window(&sandbox, &[("00:00", "00:01")], "2026-01-02T00:00:00Z")?;
    let closed = reconciled(programs, tally, "closed")?;
    let opening = played(programs, tally, "start")?;
    Ok(Measured {
        reconcile_memory: memory_of("availability-reconcile")?,
        step_memory: memory_of("availability-step")?,
        open,
        closed,
        closing,
        opening,
        transitions,
        entry_bytes: entry_bytes(&sandbox)?,
    })
}

/// What is in the sandboxes, in words.
pub(super) fn in_words() -> String {
    format!("{USERS} roles of users, an Aurora cluster, and all of that above in one")
}

/// A sandbox with all of it.
fn prepare(stage: &Stage, account: &str) -> Result<Sandbox, Fault> {
    let sandbox = alone(stage, account, &SandboxOptions { only: ONLY, ..SandboxOptions::default() })?;
    ask(&sandbox);
    Scene::USUAL.iter().for_each(|scene| scene.set(&sandbox));
    for user in 1..=USERS {
        sandbox.account.user_role(&format!("user-{user}"), "/sandbox-users/", &[])?;
    }
    sandbox.account.create_cluster("orders")?;
    Ok(sandbox)
}

/// Lets a workflow run on the stage; gives the state transitions that AWS charges for, those left out of looks at what
/// is still turning, which AWS's services take longer for than the stage's.
fn transitions(sandbox: &Sandbox, workflow: &str) -> Result<u64, Fault> {
    let machine = format!("sandbox-guardrails-{workflow}");
    let arn = sandbox.account.start_execution(&machine, &json!({"reason": "bench"}))?;
    let ended = wait_for(&format!("the workflow {workflow}"), PATIENCE, || {
        std::thread::sleep(Duration::from_millis(250));
        sandbox.account.execution(&arn).ok().filter(|execution| !execution.runs())
    })?;
    if ended.status != "SUCCEEDED" {
        return Err(Fault(format!("the workflow {workflow} ended as {}: {:?}", ended.status, ended.cause)));
    }
    let history = sandbox.account.history(&arn)?;
    let count = |kind: &str| history.iter().filter(|seen| seen.kind.ends_with(kind)).count() as u64;
    let waits = history.iter().filter(|seen| seen.kind == "WaitStateEntered").filter(|seen| {
        // The wait until IAM has told everybody is part of every closing.
        seen.state.as_deref() != Some("WaitForIam")
    });
    let retries = count("TaskScheduled").saturating_sub(count("TaskStateEntered"));
    Ok(count("StateEntered") + retries + ENDS - TRANSITIONS_OF_A_ROUND * waits.count() as u64)
}

/// Puts a window into force that is open between these hours every day, as the hub would at `at`.
fn set_window(sandbox: &Sandbox, hours: &[(&str, &str)], at: &str) -> Result<(), Fault> {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let open: Vec<Value> = hours.iter().map(|(from, to)| json!({"days": days, "from": from, "to": to})).collect();
    let document = json!({"time_zone": "Europe/Madrid", "open": open});
    let change = json!({"document": document, "command": at, "occurred_at": at, "requested_by": "bench"});
    let step = json!({"step": "store", "execution": "bench", "change": change});
    Ok(sandbox.invoke("availability-update", &step)?)
}

/// Measures reconcile, cold and warm, and fails where it does not find the sandbox in this state and content with it.
fn reconciled(programs: &Programs, tally: &Tally, state: &str) -> Result<Warm, Fault> {
    let program = programs.ours("availability-reconcile", MEASURED);
    let sweep = sample_event("availability-reconcile", "sweep")?;
    let (measured, answer) = answers(&program, MEASURED, tally, [&sweep, &sweep], "sandbox was reconciled")?;
    if answer["state"] != state || answer["desired"] != state || !answer["started"].is_null() {
        return Err(Fault(format!("reconcile was to find the sandbox {state} and answered {answer}")));
    }
    Ok(measured)
}

/// Asks the function for the steps of a workflow, as the workflow does, and measures each.
fn played(programs: &Programs, tally: &Tally, workflow: &str) -> Result<Vec<Invocation>, Fault> {
    let mut steps = Vec::new();
    let mut step = |mut payload: Value| -> Result<Value, Fault> {
        payload["workflow"] = json!(workflow);
        payload["execution"] = json!(format!("bench:{workflow}"));
        let program = programs.ours("availability-step", MEASURED);
        for round in 0..ROUNDS {
            tally.take();
            let process = Process::start(&program, MEASURED, &tally.endpoint(), &payload)?;
            let asked = tally.take();
            let (computed, answer) = (process.computed()?, process.answer.clone());
            // Between two looks at whether it took effect, a step sleeps: that is neither a call nor computed.
            let waited = process.first.saturating_sub(computed).max(asked.waited);
            let log_bytes = log_bytes(process.end()?.log.lines());
            if round == 0 {
                steps.push(Invocation { waited, computed, calls: asked.calls, log_bytes });
            }
            if answer["outcome"] != "pending" {
                return Ok(answer);
            }
        }
        Err(Fault(format!("{payload} does not come to its end")))
    };
    let asked_at = if workflow == "stop" { "2026-01-01T20:00:00Z" } else { "2026-01-02T08:00:00Z" };
    let begun = step(json!({"step": "begin", "asked_at": asked_at, "input": {"reason": "bench"}}))?;
    let turn = &begun["turn"];
    let access = |step: &str| json!({"step": step, "turn": turn, "part": "access"});
    let mut results = Vec::new();
    if workflow == "stop" {
        step(access("part"))?;
        step(access("verify"))?;
    }
    for part in begun["parts"].as_array().into_iter().flatten() {
        let answer = step(json!({"step": "part", "turn": turn, "part": part}))?;
        results.push(json!({"part": part, "outcome": answer["outcome"]}));
    }
    if workflow == "start" {
        step(access("part"))?;
        step(access("verify"))?;
    }
    let ended = step(json!({"step": "end", "turn": turn, "results": results}))?;
    if ended["outcome"] != "done" {
        return Err(Fault(format!("the steps of {workflow} ended with {ended} after {results:?}")));
    }
    Ok(steps)
}

impl Availability {
    /// How often a step looks again at what is still turning off or on, in one day.
    fn rounds(&self) -> u64 {
        let round = (self.awake_seconds + self.pause_seconds).max(1);
        self.closing_takes.iter().chain(&self.opening_takes).map(|seconds| seconds.div_ceil(round)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::prices::Table;

    #[test]
    fn the_price_table_holds_what_is_billed() {
        let table = Table::read().unwrap();
        let prices = Prices { table: &table, gb_second: "lambda_gb_second_arm64" };
        assert_eq!(lines(prices, &table.month, &Measured::default()).unwrap().len(), 12);
    }

    #[test]
    fn what_takes_longer_than_a_round_is_looked_at_again() {
        let mut month = Table::read().unwrap().month.availability;
        (month.awake_seconds, month.pause_seconds) = (20, 30);
        (month.closing_takes, month.opening_takes) = (vec![50, 51], vec![600]);
        assert_eq!(month.rounds(), 1 + 2 + 12);
    }
}
