//! Samples: a resource of each kind measured past its limit, so that what the pages show was really judged.

use guardrail::catalogue::Bounds;
use guardrail::measure::MeasureKind;
use guardrail::{
    Amount, Belt, Budget, Finding, Guardrail, Measure, Mode, Money, Observation, Per, Policy, Quantity, Sandbox,
    ScopeKind, judge,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A kind of resource, as its service describes one of it.
pub(super) struct Sample {
    /// What the guardrails call it.
    pub(super) kind: &'static str,
    /// The id of one.
    id: &'static str,
    /// The state it is in, in the service's word.
    state: &'static str,
    /// From when on it is measured, and what makes one older than another.
    pub(super) since: &'static str,
}

const fn sample(kind: &'static str, id: &'static str, state: &'static str, since: &'static str) -> Sample {
    Sample { kind, id, state, since }
}

/// The account of the sandbox, and that of the hub.
const ACCOUNT: &str = "111122223333";
const HUB: &str = "999988887777";

/// The kinds of resources that the guardrails of the catalogue measure.
const SAMPLES: &[Sample] = &[
    sample("query", "8f0c9c1e-6f4b-4a53-9f43-0c3d2c8a5b1e", "RUNNING", "its submission"),
    sample("workgroup", "etl", "ENABLED", "its creation"),
    sample("cluster", "j-1KQ3WYV2ZP8LN", "WAITING", "its creation"),
    sample("step", "j-1KQ3WYV2ZP8LN/s-2V5QX7Q1M3K9T", "RUNNING", "the moment it began to run"),
    sample("pending step", "j-1KQ3WYV2ZP8LN/s-2V5QX7Q1M3K9T", "PENDING", "its creation"),
    sample("pipeline", "pipeline/churn", "Active", "its creation"),
    sample("pipeline execution", "churn/execution/4fl1cwz0ihzd", "Executing", "its start"),
    sample("training job", "training-job/churn-xgboost-261121", "InProgress", "its creation"),
    sample("processing job", "processing-job/features-261121", "InProgress", "its creation"),
    sample("transform job", "transform-job/score-customers", "InProgress", "its creation"),
    sample("tuning job", "hyper-parameter-tuning-job/churn-261121", "InProgress", "its creation"),
    sample("automl job", "automl-job/churn-autopilot", "InProgress", "its creation"),
    sample("notebook instance", "ana-scratch", "InService", "its last start"),
    sample("app", "d-k2x8ah4rlf3w/ana/JupyterLab/default", "InService", "its creation"),
    sample("space", "d-k2x8ah4rlf3w/ana-trials", "InService", "its creation"),
    sample("endpoint", "endpoint/churn-trial", "InService", "its creation"),
    sample("domain", "d-k2x8ah4rlf3w", "InService", "its creation"),
    sample("model package group", "churn", "Approved", "its creation"),
    sample("model package", "churn/7", "Approved", "its creation"),
    sample("session", "glue-studio-5b1e0c3d2c8a", "READY", "its creation"),
    sample("job run", "load-orders/jr_a8f1c6", "RUNNING", "its start"),
    sample("sandbox", ACCOUNT, "billed", "the beginning of its budget's period"),
    sample("export", "cost-exports/cur/sandboxes", "delivered", "its last delivery"),
    sample("exemption", "year-end", "expired", "its expiry"),
];

/// Words that the default patterns of a guardrail do not allow.
const FOREIGN: &[(&str, &str)] = &[
    ("emr-instance-types", "p4d.24xlarge"),
    ("emr-release", "emr-5.27.1"),
    ("sagemaker-job-instance-types", "ml.p5.48xlarge"),
];

/// How far past its limit a time is.
const PAST: SignedDuration = SignedDuration::from_secs(90);

/// What is told where a table above lacks a row.
const HERE: &str = "tests/src/generated/samples.rs";

/// The sample of a kind of resource.
///
/// # Errors
/// When there is none.
pub(super) fn of_kind(kind: &str) -> Result<&'static Sample, String> {
    let sample = SAMPLES.iter().find(|sample| sample.kind == kind);
    sample.ok_or_else(|| format!("`SAMPLES` in {HERE} needs a row for the resource `{kind}`"))
}

/// The breach of a guardrail's default limit, in the strictest mode that it knows, as it is published.
///
/// # Errors
/// When a table of samples lacks a row.
pub(super) fn breach(guardrail: &'static Guardrail) -> Result<Finding, String> {
    let mut policy = Policy::default_of(guardrail);
    policy.mode.sandbox = if guardrail.acts() { Mode::Enforce } else { Mode::Observe };
    // As if somebody had set the budget: one that nobody has set locks nothing.
    policy.limit_is_set = true;
    let now = noon();
    // What is wrong with the export is found of the hub itself.
    let (account, alias) = if guardrail.measures("export") { (HUB, "hub") } else { (ACCOUNT, "marketing") };
    let sandbox = Sandbox { account: account.into(), region: "eu-central-1".into(), alias: alias.into() };
    let found = judge(&policy, &observations(guardrail, now)?, &sandbox, now, &mut Belt::new(policy.max_actions));
    let acts_at = guardrail.locks_at.first().copied().unwrap_or(100);
    let breach = found.into_iter().find(|finding| finding.level.percent == acts_at);
    let mut breach = breach.ok_or_else(|| format!("the sample of `{}` in {HERE} is no breach", guardrail.id))?;
    if breach.waits_for_episode() {
        // The ledger remembers when the condition began: here at this first sight.
        breach.begin_at(now);
    }
    Ok(breach)
}

/// When everything is judged: 2026-11-21T12:00:00Z.
fn noon() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(498_684)
}

/// Resources past the default limit.
fn observations(guardrail: &'static Guardrail, now: Timestamp) -> Result<Vec<Observation>, String> {
    let [kind, ..] = guardrail.resources else { return Err(format!("`{}` measures nothing", guardrail.id)) };
    let sample = of_kind(kind)?;
    let measure = guardrail.measure;
    let hours_ago = |hours| now - SignedDuration::from_hours(hours);
    let observe = |id: String, started_at| {
        let state = if measure == Measure::QueueTime { "QUEUED" } else { sample.state };
        within(guardrail, Observation::new(kind, id, state, started_at))
    };
    let one = |started_at| observe(sample.id.to_owned(), started_at);
    Ok(match (measure.kind(), guardrail.default_limit.quantity()) {
        (MeasureKind::Time, Quantity::Duration(limit)) => {
            let since = now - limit - PAST;
            vec![match measure {
                Measure::ElapsedTime | Measure::UpTime => one(since),
                Measure::QueueTime => one(since).since(measure, since),
                _ => one(since - SignedDuration::from_hours(3)).since(measure, since),
            }]
        }
        (MeasureKind::Count, Quantity::Count(limit)) => {
            let older = (0..limit).map(|n| observe(format!("{}-{n}", sample.id), hours_ago(2)));
            older.chain([one(hours_ago(1))]).collect()
        }
        (MeasureKind::Size, Quantity::Count(limit)) => {
            vec![one(hours_ago(1)).amount(measure, Quantity::Count(limit + limit.div_ceil(4)))]
        }
        (MeasureKind::Size, Quantity::Bytes(limit)) => {
            let began = if measure == Measure::DailyBytesScanned { hours_ago(12) } else { hours_ago(1) };
            vec![one(began).amount(measure, Quantity::Bytes(limit + limit / 4))]
        }
        (MeasureKind::Money, Quantity::Budget(Budget { money, .. })) => {
            let began = Per::Month.period(now.to_zoned(TimeZone::UTC).date()).begins_at();
            let spent = &money.amount * &Amount::new(2_079, 3);
            vec![
                observe(sample.id.to_owned(), began)
                    .amount(measure, Quantity::Money(Money::new(spent, money.currency))),
            ]
        }
        (MeasureKind::Words, Quantity::Words(allowed)) => {
            let foreign = match guardrail.bounds {
                Bounds::SomeOf(known) => known.iter().copied().find(|word| !allowed.contains(*word)),
                _ => FOREIGN.iter().find(|(id, _)| *id == guardrail.id).map(|(_, word)| *word),
            };
            let foreign = foreign.ok_or_else(|| format!("`FOREIGN` in {HERE} needs a row for `{}`", guardrail.id))?;
            vec![one(hours_ago(1)).words(measure, [foreign])]
        }
        (kind, limit) => return Err(format!("`{}`: a limit of {limit} is none of {kind:?}", guardrail.id)),
    })
}

/// The same in the scopes that the guardrail knows.
fn within(guardrail: &Guardrail, mut observation: Observation) -> Observation {
    if guardrail.measure == Measure::Validity {
        // Whoever answers for the exemption.
        observation.owner = Some("jo@bank.example".to_owned());
    }
    guardrail.scopes.iter().fold(observation, |observation, kind| match kind {
        ScopeKind::Owner => observation.tagged([("owner", "ana@bank.example")]),
        ScopeKind::Template => observation.tagged([("cluster-template", "spark-small")]),
        ScopeKind::UserType => observation.tagged([("user-type", "data-scientist")]),
        ScopeKind::Workgroup => observation.within(*kind, Some("etl")),
        ScopeKind::Job => observation.within(*kind, Some("load-orders")),
        ScopeKind::Pipeline => observation.within(*kind, Some("churn")),
        ScopeKind::Cluster => observation.within(*kind, Some("j-1KQ3WYV2ZP8LN")),
        ScopeKind::Sandbox => observation.within(*kind, Some(ACCOUNT)),
        ScopeKind::BusinessUnit => observation.within(*kind, Some("retail")),
    })
}
