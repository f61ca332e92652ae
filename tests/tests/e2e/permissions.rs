//! Each role holds exactly what its function needs: with one action less, the function fails and says which.

mod athena;
mod availability;
mod emr;
mod glue;
mod sagemaker;
mod spend;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stage::deploy::sample_event;
use stage::{Sandbox, SandboxOptions};

use crate::path;

/// How far from its limit is what a vigil is to wait for: far enough to be within it when the sweep sees it.
const SOON: Duration = Duration::from_secs(5);

/// One run of a function.
struct Run {
    /// The actions that this run shows to be needed. Those that no run claims are needed by every run, and the first one
    /// shows them.
    needs: &'static [&'static str],
    /// Arranges what makes them needed, anew for each run, and gives the event that the function is invoked with.
    event: fn(&Sandbox) -> Value,
    /// How many seconds it may take.
    seconds: u32,
}

impl Run {
    const fn new(needs: &'static [&'static str], event: fn(&Sandbox) -> Value) -> Self {
        Self { needs, event, seconds: 120 }
    }

    /// A run that shows what only a vigil needs. What a vigil cannot look at it tries again until its time is up, so it
    /// has little; of that the function keeps five seconds for its end.
    const fn on_vigil(needs: &'static [&'static str], event: fn(&Sandbox) -> Value) -> Self {
        Self { needs, event, seconds: 13 }
    }
}

/// Sees that every run succeeds with the role as it is deployed, and fails without any one of the actions it needs.
fn check(sandbox: &Sandbox, binary: &str, actions: &[&[&str]], runs: &[Run]) {
    let declared: BTreeSet<&str> = actions.iter().copied().flatten().copied().collect();
    let claimed: BTreeSet<&str> = runs.iter().flat_map(|run| run.needs).copied().collect();
    assert!(claimed.is_subset(&declared), "not declared: {:?}", claimed.difference(&declared));

    let function = format!("sandbox-guardrails-{binary}");
    let role = sandbox.account.role_of(&function).unwrap();
    let policy = sandbox.account.policy(&role, binary).unwrap();
    let invoke = |run: &Run| {
        // A function that has just started has everything still to read.
        sandbox.account.allow_seconds(&function, run.seconds).unwrap();
        sandbox.invoke(binary, &(run.event)(sandbox))
    };
    for run in runs {
        invoke(run).unwrap_or_else(|error| panic!("with all of its actions, for {:?}: {error}", run.needs));
    }
    for action in declared {
        let run = runs.iter().find(|run| run.needs.contains(&action)).unwrap_or(&runs[0]);
        sandbox.account.take_action_away(&role, binary, action).unwrap();
        let error = invoke(run).expect_err(action).to_string();
        assert!(error.contains("AccessDenied") && error.contains(action), "without `{action}`: {error}");
        sandbox.account.put_policy(&role, binary, &policy).unwrap();
    }
    invoke(&runs[0]).unwrap();
}

/// A sandbox where these guardrails are enforced under these limits, and where the limit of the first one for interns is
/// none: tags have to be read to tell who is an intern, and a history to find the last limit that was one.
fn demanding(limits: &[(&str, &str)]) -> SandboxOptions {
    let options = SandboxOptions { vigil: false, ..SandboxOptions::default() };
    let options = limits.iter().fold(options, |options, (guardrail, limit)| {
        let path = path(guardrail);
        options.with(&format!("{path}/limit"), limit).with(&format!("{path}/mode"), "enforce")
    });
    let (guardrail, good) = limits[0];
    let of_interns = format!("{}/limit/user-type/intern", path(guardrail));
    options.with(&of_interns, good).with(&of_interns, "never")
}

/// The sample event of a sweep.
fn sweep(binary: &str) -> Value {
    sample_event(binary, "sweep").unwrap()
}

/// The breach of a guardrail by a resource, of the first kind that the guardrail measures.
fn breach(sandbox: &Sandbox, guardrail: &str, id: &str) -> Value {
    let guardrail = guardrail::catalogue::find(guardrail).unwrap();
    let mut event = sample_event(&format!("{}-enforce", guardrail.service), "breach").unwrap();
    event["account"] = json!(sandbox.account.id);
    event["detail"]["guardrail"] = json!(guardrail.id);
    event["detail"]["resource"] = json!({"kind": guardrail.resources[0], "id": id});
    event
}

/// A name that nothing else has.
fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{stem}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
