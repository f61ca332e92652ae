//! What bursts in the story: clusters over their cap, a step that is stuck, and executions of a pipeline like a storm.

use std::collections::BTreeMap;
use std::time::Duration;

use comfy_table::{Cell, Table};
use serde_json::Value;
use workload_simulator::{ClusterSpec, ExecutionSpec, StepOutcome, StepSpec, StepState};

use super::{Row, mark, table};
use crate::{Sandbox, StageError};

/// What Parameter Store says about them before the sandbox is deployed.
pub(super) const PARAMETERS: [(&str, &str); 6] = [
    ("/sandbox-guardrails/emr/emr-cluster-count/limit", "3"),
    ("/sandbox-guardrails/emr/emr-cluster-count/mode", "enforce"),
    ("/sandbox-guardrails/emr/emr-step-runtime/limit", "10m"),
    ("/sandbox-guardrails/emr/emr-step-runtime/mode", "enforce"),
    ("/sandbox-guardrails/sagemaker/sagemaker-pipeline-concurrent-executions/limit", "3"),
    ("/sandbox-guardrails/sagemaker/sagemaker-pipeline-concurrent-executions/mode", "enforce"),
];

const CLUSTER_COUNT: &str = "emr-cluster-count";
const STEP_RUNTIME: &str = "emr-step-runtime";
const CONCURRENT_EXECUTIONS: &str = "sagemaker-pipeline-concurrent-executions";

/// Who takes part, by the ids of the services.
pub(super) struct Cast {
    /// Clusters within the cap, and beyond it.
    clusters: (Vec<String>, Vec<String>),
    step: String,
    /// Executions within the cap, and beyond it, by their ARNs.
    executions: (Vec<String>, Vec<String>),
}

/// Begins what is there already: two clusters, a step that has run too long on one of them, an execution.
pub(super) fn begin(sandbox: &Sandbox, names: &mut BTreeMap<String, String>) -> Cast {
    let cluster = |name: &str, minutes: u64| {
        let age = Duration::from_secs(60 * minutes);
        sandbox.emr.start(ClusterSpec { age, ..tidy(name, "jo") })
    };
    let clusters: Vec<String> = [("churn-model", 50), ("forecast", 40)]
        .into_iter()
        .map(|(name, minutes)| named(names, cluster(name, minutes), name))
        .collect();
    let host = clusters.first().cloned().unwrap_or_default();
    let step = sandbox.emr.add_step(StepSpec {
        cluster: host.clone(),
        name: "stuck-load".to_owned(),
        age: Duration::from_secs(11 * 60),
        runs_for: None,
        outcome: StepOutcome::default(),
        ignores_interrupt: true,
        started_by: Some("jo".to_owned()),
        ..StepSpec::default()
    });
    let step = format!("{host}/{}", step.unwrap_or_default());
    names.insert(step.clone(), "`stuck-load`".to_owned());
    let first = execution(sandbox, names, "retrain-0", Duration::from_secs(20 * 60));
    Cast { clusters: (clusters, Vec::new()), step, executions: (vec![first], Vec::new()) }
}

/// Lets it burst: three clusters and six executions at once, of which one cluster and two executions fit.
pub(super) fn burst(sandbox: &Sandbox, cast: &mut Cast, names: &mut BTreeMap<String, String>) {
    for n in 1..=3 {
        let name = format!("experiment-{n}");
        let id = named(names, sandbox.emr.start(tidy(&name, "ana")), &name);
        // Clusters of one moment are told apart by their ids; these begin a moment apart.
        if n == 1 {
            cast.clusters.0.push(id)
        } else {
            cast.clusters.1.push(id)
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    for n in 1..=6 {
        let arn = execution(sandbox, names, &format!("retrain-{n}"), Duration::ZERO);
        if n <= 2 {
            cast.executions.0.push(arn)
        } else {
            cast.executions.1.push(arn)
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A cluster about which nothing is to be found but that there are too many.
fn tidy(name: &str, started_by: &str) -> ClusterSpec {
    ClusterSpec {
        name: name.to_owned(),
        started_by: Some(started_by.to_owned()),
        auto_termination: Some(Duration::from_secs(2 * 60 * 60)),
        security_configuration: Some("encrypted".to_owned()),
        ..ClusterSpec::default()
    }
}

fn execution(sandbox: &Sandbox, names: &mut BTreeMap<String, String>, name: &str, age: Duration) -> String {
    let spec = ExecutionSpec { pipeline: "retrain".to_owned(), age, ..ExecutionSpec::default() };
    let arn = sandbox.sagemaker.start_execution(spec);
    names.insert(of_pipeline(&arn), format!("`{name}`"));
    arn
}

fn named(names: &mut BTreeMap<String, String>, id: String, name: &str) -> String {
    names.insert(id.clone(), format!("`{name}`"));
    id
}

/// What an execution is called in findings: its ARN after `pipeline/`.
fn of_pipeline(arn: &str) -> String {
    arn.split_once(":pipeline/").map_or(arn, |(_, id)| id).to_owned()
}

/// One line of what became of a burst.
struct Verdict {
    what: &'static str,
    limit: &'static str,
    became: String,
    kept: bool,
}

fn verdicts(rows: &[Row], sandbox: &Sandbox, cast: &Cast) -> Vec<Verdict> {
    let done = |guardrail: &str, id: &str| outcome(rows, guardrail, id).as_deref() == Some("done");
    let untouched = |guardrail: &str, id: &str| outcome(rows, guardrail, id).is_none();

    let ended = |id: &String| {
        sandbox.emr.cluster(id).is_some_and(|cluster| cluster.terminate_calls == 1) && done(CLUSTER_COUNT, id)
    };
    let stays = |id: &String| {
        sandbox.emr.cluster(id).is_some_and(|cluster| cluster.terminate_calls == 0) && untouched(CLUSTER_COUNT, id)
    };
    let clusters = count(&cast.clusters, stays, ended, "terminated");

    let step = cast.step.split_once('/').and_then(|(_, id)| sandbox.emr.step(id));
    let forced = step.as_ref().is_some_and(|step| step.state == StepState::Cancelled && step.cancel_calls == 2);
    let step = match forced && done(STEP_RUNTIME, &cast.step) {
        true => ("interrupted, which it ignored; then ended by force".to_owned(), true),
        false => (step.map_or_else(String::new, |step| format!("{:?}", step.state)), false),
    };

    let stopped = |arn: &String| {
        let calls = sandbox.sagemaker.workload(arn).map_or(0, |execution| execution.stop_calls);
        calls == 1 && done(CONCURRENT_EXECUTIONS, &of_pipeline(arn))
    };
    let runs = |arn: &String| {
        let calls = sandbox.sagemaker.workload(arn).map_or(1, |execution| execution.stop_calls);
        calls == 0 && untouched(CONCURRENT_EXECUTIONS, &of_pipeline(arn))
    };
    let executions = count(&cast.executions, runs, stopped, "stopped");

    let verdict = |what, limit, (became, kept)| Verdict { what, limit, became, kept };
    vec![
        verdict("5 clusters in the sandbox", "3", clusters),
        verdict("step `stuck-load`, running for 11m", "10m", step),
        verdict("7 executions of pipeline `retrain`", "3", executions),
    ]
}

/// How many stay and how many have ended, and whether those are the ones that should.
fn count(
    (within, beyond): &(Vec<String>, Vec<String>),
    stays: impl Fn(&String) -> bool,
    ended: impl Fn(&String) -> bool,
    verb: &str,
) -> (String, bool) {
    let stay = within.iter().filter(|id| stays(id)).count();
    let gone = beyond.iter().filter(|id| ended(id)).count();
    let kept = stay == within.len() && gone == beyond.len();
    (format!("the {stay} oldest stay, the {gone} newest were {verb}"), kept)
}

/// The outcome of the action of this guardrail on this resource, in whatever episode, once the hub has it.
fn outcome(rows: &[Row], guardrail: &str, id: &str) -> Option<String> {
    let prefix = format!("action/{guardrail}/{id}/100");
    let action =
        rows.iter().find(|row| row.get("sk").and_then(Value::as_str).is_some_and(|sk| sk.starts_with(&prefix)))?;
    action.get("outcome")?.as_str().map(str::to_owned)
}

/// Whether nothing more is expected of any of them.
pub(super) fn settled(rows: &[Row], sandbox: &Sandbox, cast: &Cast) -> bool {
    verdicts(rows, sandbox, cast).iter().all(|verdict| verdict.kept)
}

/// What became of them as a table, and whether every promise about them was kept.
pub(super) fn summary(rows: &[Row], sandbox: &Sandbox, cast: &Cast, colour: bool) -> (Table, bool) {
    let mut table = table(["what", "limit", "became", "promise"]);
    let mut all_kept = true;
    for Verdict { what, limit, became, kept } in verdicts(rows, sandbox, cast) {
        all_kept &= kept;
        table.add_row([Cell::new(what), Cell::new(limit), Cell::new(became), mark(kept, colour)]);
    }
    (table, all_kept)
}

/// Asks the watches of EMR and SageMaker for a sweep, as the schedule would.
///
/// # Errors
/// When a function does not take it.
pub(super) fn sweep(sandbox: &Sandbox) -> Result<(), StageError> {
    sandbox.send_unattended("emr-watch", "sweep")?;
    sandbox.send_unattended("sagemaker-watch", "sweep")
}
