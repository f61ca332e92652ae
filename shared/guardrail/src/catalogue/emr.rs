//! The guardrails of EMR.

use jiff::SignedDuration;

use super::{ActionKind, Among, Amount, Bounds, COMMON, Choice, Guardrail, Service};
use crate::{Measure, ScopeKind};

const CLUSTERS: Guardrail = Guardrail {
    service: Service::Emr,
    resources: &["cluster"],
    scopes: &[ScopeKind::Template, ScopeKind::UserType, ScopeKind::Owner],
    ..COMMON
};

const STEPS: Guardrail = Guardrail { resources: &["step"], ..CLUSTERS };

/// Whether a cluster's termination protection is lifted to terminate it.
const PROTECTION: Choice = Choice {
    name: "termination_protection",
    what: "whether termination protection is lifted to terminate a cluster (`lift`), or keeps it alive (`respect`)",
    default: "respect",
    among: Among::Words(&["respect", "lift"]),
};

static CLUSTER_COUNT: Guardrail = Guardrail {
    id: "emr-cluster-count",
    measure: Measure::Count,
    title: "No more clusters run at once than the sandbox's limit",
    why: "Clusters are the dearest thing a sandbox can start. The oldest stay, the newest beyond the limit are terminated. Clusters of a \
          scope with a limit of its own are counted by themselves.",
    default_limit: Amount::Count(5),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(500)),
    default_levels: &[80, 100],
    action: ActionKind::Terminate,
    choices: &[PROTECTION],
    ..CLUSTERS
};

static CLUSTER_AGE: Guardrail = Guardrail {
    id: "emr-cluster-age",
    measure: Measure::ElapsedTime,
    title: "Clusters live no longer than their limit",
    why: "A cluster that was made for an afternoon and runs for a month costs a month. What must run on belongs into an exemption.",
    default_limit: Amount::hours(24),
    bounds: Bounds::Between(Amount::seconds(1), Amount::days(90)),
    action: ActionKind::Terminate,
    choices: &[PROTECTION],
    ..CLUSTERS
};

static CLUSTER_IDLE_TIME: Guardrail = Guardrail {
    id: "emr-cluster-idle-time",
    measure: Measure::IdleTime,
    title: "Clusters that do nothing are terminated",
    why: "A cluster is idle while it is WAITING and no step has run: measured from the end of its last step, or from when it was ready. Work \
          that comes through YARN or a notebook is no step and is not seen: give such clusters a template with a longer limit.",
    default_limit: Amount::hours(1),
    bounds: Bounds::Between(Amount::seconds(1), Amount::days(7)),
    action: ActionKind::Terminate,
    choices: &[PROTECTION],
    ..CLUSTERS
};

static STEP_RUNTIME: Guardrail = Guardrail {
    id: "emr-step-runtime",
    measure: Measure::ElapsedTime,
    title: "Steps run no longer than their limit",
    why: "A stuck step keeps its whole cluster busy and billed. It is interrupted first and ended by force if it goes on. Releases before \
          5.28 cannot cancel a step that runs; `escalate` says what is done then.",
    default_limit: Amount::hours(6),
    bounds: Bounds::Between(Amount::seconds(1), Amount::days(30)),
    action: ActionKind::CancelStep,
    choices: &[
        Choice {
            name: "escalate",
            what: "what is done when a running step cannot be cancelled: nothing but the report, or the cluster is terminated",
            default: "report",
            among: Among::Words(&["report", "terminate"]),
        },
        PROTECTION,
    ],
    ..STEPS
};

static PENDING_STEPS: Guardrail = Guardrail {
    id: "emr-pending-steps",
    resources: &["pending step"],
    scopes: &[ScopeKind::Cluster],
    measure: Measure::Count,
    counted_in: Some(ScopeKind::Cluster),
    title: "No more steps wait on a cluster than its limit",
    why: "A script that adds steps in a loop keeps a cluster alive for days. The oldest steps stay, the newest beyond the limit are cancelled.",
    default_limit: Amount::Count(50),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(256)),
    default_levels: &[80, 100],
    action: ActionKind::CancelStep,
    ..STEPS
};

static CLUSTER_INSTANCES: Guardrail = Guardrail {
    id: "emr-cluster-instances",
    measure: Measure::Instances,
    title: "A cluster has no more instances than its limit",
    why: "The cost of a cluster is the number of its instances times the hours it lives. Counted are those that run, of all groups or fleets.",
    default_limit: Amount::Count(20),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(4_000)),
    default_levels: &[100],
    action: ActionKind::Terminate,
    choices: &[PROTECTION],
    ..CLUSTERS
};

static CLUSTER_VCPUS: Guardrail = Guardrail {
    id: "emr-cluster-vcpus",
    measure: Measure::Vcpus,
    title: "A cluster has no more vCPUs than its limit",
    why: "Ten large instances cost more than forty small ones, so the number of instances alone holds little.",
    default_limit: Amount::Count(320),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(100_000)),
    default_levels: &[100],
    action: ActionKind::Terminate,
    choices: &[PROTECTION],
    ..CLUSTERS
};

static INSTANCE_TYPES: Guardrail = Guardrail {
    id: "emr-instance-types",
    measure: Measure::InstanceTypes,
    title: "Clusters use allowed instance types only",
    why: "One cluster of large graphics instances costs in a day what a sandbox may spend in a month.",
    default_limit: Amount::Words(&[
        "m5.*", "m5a.*", "m5d.*", "m6g.*", "m6i.*", "m7g.*", "m7i.*", "c5.*", "c6g.*", "c6i.*", "r5.*", "r6g.*",
        "r6i.*",
    ]),
    bounds: Bounds::Patterns,
    default_levels: &[100],
    action: ActionKind::Terminate,
    choices: &[PROTECTION],
    ..CLUSTERS
};

static RELEASE: Guardrail = Guardrail {
    id: "emr-release",
    measure: Measure::Release,
    title: "Clusters use allowed releases only",
    why: "Old releases get no security fixes, and before 5.28 a running step cannot be cancelled.",
    default_limit: Amount::Words(&["emr-6.*", "emr-7.*", "emr-5.3?.*"]),
    bounds: Bounds::Patterns,
    default_levels: &[100],
    ..CLUSTERS
};

static AUTO_TERMINATION: Guardrail = Guardrail {
    id: "emr-auto-termination",
    measure: Measure::AutoTermination,
    title: "Clusters end by themselves when they are idle",
    why: "An auto-termination policy is held by EMR itself, which sees the work on YARN that no list of steps shows. Where it is missing, one \
          is put.",
    default_limit: Amount::Words(&["set"]),
    bounds: Bounds::SomeOf(&["set", "missing"]),
    default_levels: &[100],
    action: ActionKind::PutPolicy,
    choices: &[Choice {
        name: "idle_timeout",
        what: "the idle time of the policy that is put",
        default: "1h",
        among: Among::Times(SignedDuration::from_secs(60), SignedDuration::from_hours(7 * 24)),
    }],
    ..CLUSTERS
};

static SECURITY_CONFIGURATION: Guardrail = Guardrail {
    id: "emr-security-configuration",
    measure: Measure::SecurityConfiguration,
    title: "Clusters have a security configuration",
    why: "Without one, data on the cluster's disks and between its nodes is not encrypted. It cannot be added to a running cluster, so this \
          reports.",
    default_limit: Amount::Words(&["set"]),
    bounds: Bounds::SomeOf(&["set", "missing"]),
    default_levels: &[100],
    ..CLUSTERS
};

pub(super) static GUARDRAILS: &[&Guardrail] = &[
    &CLUSTER_COUNT,
    &CLUSTER_AGE,
    &CLUSTER_IDLE_TIME,
    &STEP_RUNTIME,
    &PENDING_STEPS,
    &CLUSTER_INSTANCES,
    &CLUSTER_VCPUS,
    &INSTANCE_TYPES,
    &RELEASE,
    &AUTO_TERMINATION,
    &SECURITY_CONFIGURATION,
];
