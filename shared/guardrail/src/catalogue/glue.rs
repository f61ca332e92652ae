//! The guardrails of Glue.

use super::{ActionKind, Amount, Bounds, COMMON, Guardrail, Service};
use crate::{Measure, ScopeKind};

const SESSIONS: Guardrail = Guardrail {
    service: Service::Glue,
    resources: &["session"],
    scopes: &[ScopeKind::UserType, ScopeKind::Owner],
    action: ActionKind::StopSession,
    ..COMMON
};

const JOB_RUNS: Guardrail =
    Guardrail { resources: &["job run"], scopes: &[ScopeKind::Job], action: ActionKind::StopJob, ..SESSIONS };

static SESSION_AGE: Guardrail = Guardrail {
    id: "glue-session-age",
    measure: Measure::ElapsedTime,
    title: "Interactive sessions live no longer than their limit",
    why: "A session bills its DPUs from the moment it is ready until it is stopped, whether a statement runs or not.",
    default_limit: Amount::hours(8),
    bounds: Bounds::Between(Amount::seconds(1), Amount::days(7)),
    ..SESSIONS
};

static SESSION_IDLE_TIME: Guardrail = Guardrail {
    id: "glue-session-idle-time",
    measure: Measure::IdleTime,
    title: "Interactive sessions that do nothing are stopped",
    why: "A session's own idle timeout is two days unless its author chose better. Measured from the end of its last statement, or from its \
          creation while there was none.",
    default_limit: Amount::hours(1),
    bounds: Bounds::Between(Amount::seconds(1), Amount::days(7)),
    ..SESSIONS
};

static SESSION_COUNT: Guardrail = Guardrail {
    id: "glue-session-count",
    measure: Measure::Count,
    title: "No more interactive sessions are open at once than the sandbox's limit",
    why: "Every notebook opens a session of its own, and most are left open. The oldest stay.",
    default_limit: Amount::Count(10),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(1_000)),
    default_levels: &[80, 100],
    ..SESSIONS
};

static SESSION_DPUS: Guardrail = Guardrail {
    id: "glue-session-dpus",
    measure: Measure::Dpus,
    title: "An interactive session has no more DPUs than its limit",
    why: "People explore on small samples; a session with a hundred DPUs is most often a copied cell.",
    default_limit: Amount::Count(20),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(10_000)),
    default_levels: &[100],
    ..SESSIONS
};

static JOB_RUNTIME: Guardrail = Guardrail {
    id: "glue-job-runtime",
    measure: Measure::ElapsedTime,
    title: "Job runs last no longer than their job's limit",
    why: "A job's own timeout is two days unless its author chose better, and a job that waits for a lock bills like one that works.",
    default_limit: Amount::hours(8),
    bounds: Bounds::Between(Amount::seconds(1), Amount::days(7)),
    ..JOB_RUNS
};

static CONCURRENT_JOB_RUNS: Guardrail = Guardrail {
    id: "glue-concurrent-job-runs",
    scopes: &[],
    measure: Measure::Count,
    title: "No more job runs are under way at once than the sandbox's limit",
    why: "A trigger gone wrong starts a run for every file of a bucket. The oldest runs stay.",
    default_limit: Amount::Count(20),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(2_000)),
    default_levels: &[80, 100],
    ..JOB_RUNS
};

static JOB_DPUS: Guardrail = Guardrail {
    id: "glue-job-dpus",
    measure: Measure::Dpus,
    title: "A job run has no more DPUs than its job's limit",
    why: "Twice the DPUs is twice the price of a minute and rarely half the minutes.",
    default_limit: Amount::Count(50),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(10_000)),
    default_levels: &[100],
    ..JOB_RUNS
};

pub(super) static GUARDRAILS: &[&Guardrail] =
    &[&SESSION_AGE, &SESSION_IDLE_TIME, &SESSION_COUNT, &SESSION_DPUS, &JOB_RUNTIME, &CONCURRENT_JOB_RUNS, &JOB_DPUS];
