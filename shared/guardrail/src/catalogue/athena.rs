//! The guardrails of Athena.

use super::{ActionKind, Amount, Bounds, COMMON, Guardrail, Service};
use crate::{Measure, ScopeKind};

/// The longest an Athena query can live: the ceiling of the DDL query timeout quota, 600 minutes. (DML: 240.)
///
/// <https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>
pub const LONGEST_ATHENA_QUERY: jiff::SignedDuration = jiff::SignedDuration::from_mins(600);

const BASE: Guardrail =
    Guardrail { service: Service::Athena, resources: &["query"], scopes: &[ScopeKind::Workgroup], ..COMMON };

/// How long an Athena query may run.
pub static ATHENA_QUERY_RUNTIME: Guardrail = Guardrail {
    id: "athena-query-runtime",
    measure: Measure::ElapsedTime,
    title: "Athena queries run no longer than their workgroup's limit",
    why: "Athena bills what a query scans, and a query that runs for hours scans terabytes: one forgotten join costs a month's budget. \
          The time in the queue counts.",
    default_limit: Amount::minutes(30),
    bounds: Bounds::Between(Amount::seconds(1), Amount::Time(LONGEST_ATHENA_QUERY)),
    action: ActionKind::Stop,
    ..BASE
};

static QUERY_QUEUE_TIME: Guardrail = Guardrail {
    id: "athena-query-queue-time",
    measure: Measure::QueueTime,
    title: "Athena queries wait in the queue no longer than their workgroup's limit",
    why: "A query that has waited for long belongs to a workgroup that has asked for more than its share; whoever waits has often asked \
          again already. Only queries that still wait are measured.",
    default_limit: Amount::minutes(15),
    bounds: Bounds::Between(Amount::seconds(1), Amount::Time(LONGEST_ATHENA_QUERY)),
    action: ActionKind::Stop,
    ..BASE
};

static QUERY_BYTES_SCANNED: Guardrail = Guardrail {
    id: "athena-query-bytes-scanned",
    measure: Measure::BytesScanned,
    title: "An Athena query scans no more than its workgroup's limit",
    why: "Athena bills each byte scanned. A workgroup's own cutoff does the same where it is set and enforced; this holds where it is not. \
          Athena counts while the query runs, so a sweep can be late by what is scanned in a minute.",
    default_limit: Amount::gigabytes(1_000),
    bounds: Bounds::Between(Amount::Bytes(10_000_000), Amount::gigabytes(1_000_000)),
    action: ActionKind::Stop,
    ..BASE
};

static CONCURRENT_QUERIES: Guardrail = Guardrail {
    id: "athena-concurrent-queries",
    measure: Measure::Count,
    counted_in: Some(ScopeKind::Workgroup),
    title: "A workgroup runs no more queries at once than its limit",
    why: "All workgroups of an account share one quota of queries at once; one script in a loop keeps everybody else waiting. The oldest \
          queries stay, the newest beyond the limit are stopped.",
    default_limit: Amount::Count(50),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(1_000)),
    default_levels: &[80, 100],
    action: ActionKind::Stop,
    ..BASE
};

static WORKGROUP_DAILY_BYTES: Guardrail = Guardrail {
    id: "athena-workgroup-daily-bytes",
    resources: &["workgroup"],
    measure: Measure::DailyBytesScanned,
    title: "A workgroup scans no more in a day than its limit",
    why: "A thousand small queries cost as much as one large one and pass every limit of a single query. Counted are the queries submitted \
          since midnight UTC, those that have ended included. It reports; what runs is held by the other guardrails.",
    default_limit: Amount::gigabytes(10_000),
    bounds: Bounds::Between(Amount::Bytes(10_000_000), Amount::gigabytes(10_000_000)),
    ..BASE
};

static WORKGROUP_CONFIGURATION: Guardrail = Guardrail {
    id: "athena-workgroup-configuration",
    resources: &["workgroup"],
    measure: Measure::WorkgroupConfiguration,
    title: "Workgroups hold their own settings against those of their clients",
    why: "Without `EnforceWorkGroupConfiguration` every client chooses where results go and how they are encrypted, and what the workgroup \
          says is a suggestion.",
    default_limit: Amount::Words(&["enforced"]),
    bounds: Bounds::SomeOf(&["enforced", "not enforced"]),
    default_levels: &[100],
    ..BASE
};

static WORKGROUP_CUTOFF: Guardrail = Guardrail {
    id: "athena-workgroup-cutoff",
    resources: &["workgroup"],
    measure: Measure::ScanCutoff,
    title: "Workgroups have a limit of bytes that a query may scan",
    why: "`BytesScannedCutoffPerQuery` is the only limit that Athena itself holds, to the byte and without delay.",
    default_limit: Amount::Words(&["set"]),
    bounds: Bounds::SomeOf(&["set", "missing"]),
    default_levels: &[100],
    ..BASE
};

pub(super) static GUARDRAILS: &[&Guardrail] = &[
    &ATHENA_QUERY_RUNTIME,
    &QUERY_QUEUE_TIME,
    &QUERY_BYTES_SCANNED,
    &CONCURRENT_QUERIES,
    &WORKGROUP_DAILY_BYTES,
    &WORKGROUP_CONFIGURATION,
    &WORKGROUP_CUTOFF,
];
