//! The rows: for each guardrail, resources as their service describes them, in the order of the catalogue.

use guardrail::{Measure, Observation, Quantity, ScopeKind};
use jiff::{SignedDuration, Timestamp};

use crate::{Row, Twin, noon};

pub(crate) const ROWS: &[&[Row]] = &[ATHENA, EMR, SAGEMAKER, GLUE, SPEND, EXEMPTIONS];

/// The nth moment after noon, for things that are counted.
fn nth(n: u64) -> Timestamp {
    noon() + SignedDuration::from_secs(60 * i64::try_from(n).unwrap())
}

/// The tags of whatever a data scientist makes.
fn of_ana(observation: Observation) -> Observation {
    observation.tagged([("owner", "ana@bank.example"), ("user-type", "data-scientist"), ("cost-center", "4711")])
}

fn query(state: &str, submitted: Timestamp) -> Observation {
    query_of("8f0c9c1e-6f4b-4a53-9f43-0c3d2c8a5b1e", state, submitted)
}

fn query_of(id: &str, state: &str, submitted: Timestamp) -> Observation {
    Observation::new("query", id, state, submitted).within(ScopeKind::Workgroup, Some("etl"))
}

fn workgroup() -> Observation {
    Observation::new("workgroup", "etl", "ENABLED", noon()).within(ScopeKind::Workgroup, Some("etl"))
}

const ATHENA: &[Row] = &[
    Row { id: "athena-query-runtime", twin: Twin::Time(|since| query("RUNNING", since)) },
    Row {
        id: "athena-query-queue-time",
        twin: Twin::Time(|since| query("QUEUED", since).since(Measure::QueueTime, since)),
    },
    Row {
        id: "athena-query-bytes-scanned",
        twin: Twin::Size(|bytes| vec![query("RUNNING", noon()).amount(Measure::BytesScanned, bytes)]),
    },
    Row {
        id: "athena-concurrent-queries",
        twin: Twin::Count(|n| query_of(&format!("8f0c9c1e-6f4b-4a53-9f43-0c3d2c8a{n:04x}"), "QUEUED", nth(n))),
    },
    Row {
        id: "athena-workgroup-daily-bytes",
        twin: Twin::Size(|bytes| vec![workgroup().amount(Measure::DailyBytesScanned, bytes)]),
    },
    Row {
        id: "athena-workgroup-configuration",
        twin: Twin::Words {
            of: |words| vec![workgroup().words(Measure::WorkgroupConfiguration, words.iter().copied())],
            allowed: &["enforced"],
            foreign: &["not enforced"],
        },
    },
    Row {
        id: "athena-workgroup-cutoff",
        twin: Twin::Words {
            of: |words| vec![workgroup().words(Measure::ScanCutoff, words.iter().copied())],
            allowed: &["set"],
            foreign: &["missing"],
        },
    },
];

fn cluster(id: &str, state: &str, created: Timestamp) -> Observation {
    of_ana(Observation::new("cluster", id, state, created)).tagged([("cluster-template", "spark-small")])
}

/// A cluster that runs a step.
fn running(measure: Measure, amount: Quantity) -> Vec<Observation> {
    vec![cluster("j-1KQ3WYV2ZP8LN", "RUNNING", noon()).amount(measure, amount)]
}

/// A cluster that comes up, when most of what it is can be read already.
fn starting(measure: Measure, words: &[&str]) -> Vec<Observation> {
    vec![cluster("j-1KQ3WYV2ZP8LN", "STARTING", noon()).words(measure, words.iter().copied())]
}

const EMR: &[Row] = &[
    Row {
        id: "emr-cluster-count",
        twin: Twin::Count(|n| cluster(&format!("j-1KQ3WYV2ZP{n:03}"), "BOOTSTRAPPING", nth(n))),
    },
    Row { id: "emr-cluster-age", twin: Twin::Time(|since| cluster("j-1KQ3WYV2ZP8LN", "WAITING", since)) },
    Row {
        id: "emr-cluster-idle-time",
        twin: Twin::Time(|since| {
            let created = since - SignedDuration::from_hours(3);
            cluster("j-1KQ3WYV2ZP8LN", "WAITING", created).since(Measure::IdleTime, since)
        }),
    },
    Row {
        id: "emr-step-runtime",
        twin: Twin::Time(|since| {
            let step = Observation::new("step", "j-1KQ3WYV2ZP8LN/s-2V5QX7Q1M3K9T", "RUNNING", since);
            of_ana(step).tagged([("cluster-template", "spark-small")])
        }),
    },
    Row {
        id: "emr-pending-steps",
        twin: Twin::Count(|n| {
            let id = format!("j-1KQ3WYV2ZP8LN/s-2V5QX7Q1M{n:04}");
            Observation::new("pending step", id, "PENDING", nth(n)).within(ScopeKind::Cluster, Some("j-1KQ3WYV2ZP8LN"))
        }),
    },
    Row { id: "emr-cluster-instances", twin: Twin::Size(|count| running(Measure::Instances, count)) },
    Row { id: "emr-cluster-vcpus", twin: Twin::Size(|count| running(Measure::Vcpus, count)) },
    Row {
        id: "emr-instance-types",
        twin: Twin::Words {
            of: |words| starting(Measure::InstanceTypes, words),
            allowed: &["m5.xlarge", "r6g.4xlarge"],
            foreign: &["p4d.24xlarge", "m5zn.large", "r5b.xlarge"],
        },
    },
    Row {
        id: "emr-release",
        twin: Twin::Words {
            of: |words| starting(Measure::Release, words),
            allowed: &["emr-7.9.0", "emr-6.15.0", "emr-5.36.2"],
            foreign: &["emr-5.27.1", "emr-4.9.6", "emr-5.3.0"],
        },
    },
    Row {
        id: "emr-auto-termination",
        twin: Twin::Words {
            of: |words| starting(Measure::AutoTermination, words),
            allowed: &["set"],
            foreign: &["missing"],
        },
    },
    Row {
        id: "emr-security-configuration",
        twin: Twin::Words {
            of: |words| starting(Measure::SecurityConfiguration, words),
            allowed: &["set"],
            foreign: &["missing"],
        },
    },
];

/// A domain of Studio.
const DOMAIN: &str = "d-k2x8ah4rlf3w";

fn sagemaker(kind: &str, id: &str, state: &str, since: Timestamp) -> Observation {
    of_ana(Observation::new(kind, id, state, since))
}

fn pipeline(n: u64) -> Observation {
    let name = format!("churn-{n:03}");
    Observation::new("pipeline", &name, "Active", nth(n)).within(ScopeKind::Pipeline, Some(&name))
}

fn execution(id: &str, since: Timestamp) -> Observation {
    let id = format!("churn/execution/{id}");
    Observation::new("pipeline execution", id, "Executing", since).within(ScopeKind::Pipeline, Some("churn"))
}

/// The kinds of jobs, each with an id as its ARN ends.
const JOBS: [(&str, &str); 5] = [
    ("training job", "training-job/pipelines-4fl1cwz0ihzd-Train-9QxV2"),
    ("processing job", "processing-job/features-2026-11-21-12-00-00-417"),
    ("transform job", "transform-job/score-customers"),
    ("tuning job", "hyper-parameter-tuning-job/churn-xgboost-261121"),
    ("automl job", "automl-job/churn-autopilot"),
];

fn job((kind, id): (&str, &str), since: Timestamp) -> Observation {
    sagemaker(kind, id, "InProgress", since)
}

/// One of each kind of jobs.
fn jobs() -> impl Iterator<Item = Observation> {
    JOBS.into_iter().map(|of| job(of, noon()))
}

fn notebook() -> Observation {
    sagemaker("notebook instance", "ana-scratch", "InService", noon())
}

const SAGEMAKER: &[Row] = &[
    Row { id: "sagemaker-pipeline-count", twin: Twin::Count(pipeline) },
    Row {
        id: "sagemaker-concurrent-executions",
        twin: Twin::Count(|n| execution(&format!("4fl1cwz0{n:04x}"), nth(n))),
    },
    Row {
        id: "sagemaker-pipeline-concurrent-executions",
        twin: Twin::Count(|n| execution(&format!("4fl1cwz0{n:04x}"), nth(n))),
    },
    Row { id: "sagemaker-execution-runtime", twin: Twin::Time(|since| execution("4fl1cwz0ihzd", since)) },
    Row { id: "sagemaker-training-runtime", twin: Twin::Time(|since| job(JOBS[0], since)) },
    Row { id: "sagemaker-processing-runtime", twin: Twin::Time(|since| job(JOBS[1], since)) },
    Row { id: "sagemaker-transform-runtime", twin: Twin::Time(|since| job(JOBS[2], since)) },
    Row { id: "sagemaker-tuning-runtime", twin: Twin::Time(|since| job(JOBS[3], since)) },
    Row { id: "sagemaker-automl-runtime", twin: Twin::Time(|since| job(JOBS[4], since)) },
    Row {
        id: "sagemaker-concurrent-jobs",
        twin: Twin::Count(|n| {
            let (kind, id) = JOBS[usize::try_from(n).unwrap() % JOBS.len()];
            job((kind, &format!("{id}-{n:03}")), nth(n))
        }),
    },
    Row {
        id: "sagemaker-job-instance-types",
        twin: Twin::Words {
            of: |words| jobs().map(|job| job.words(Measure::InstanceTypes, words.iter().copied())).collect(),
            allowed: &["ml.m5.xlarge", "ml.g5.12xlarge"],
            foreign: &["ml.p5.48xlarge", "ml.g5n.xlarge", "m5.xlarge"],
        },
    },
    Row {
        id: "sagemaker-job-gpus",
        twin: Twin::Size(|count| jobs().map(|job| job.amount(Measure::Gpus, count.clone())).collect()),
    },
    Row {
        id: "sagemaker-notebook-uptime",
        twin: Twin::Time(|since| {
            let made = since - SignedDuration::from_hours(24 * 30);
            sagemaker("notebook instance", "ana-scratch", "InService", made).since(Measure::UpTime, since)
        }),
    },
    Row {
        id: "sagemaker-notebook-count",
        twin: Twin::Count(|n| sagemaker("notebook instance", &format!("scratch-{n:02}"), "InService", nth(n))),
    },
    Row {
        id: "sagemaker-notebook-internet",
        twin: Twin::Words {
            of: |words| vec![notebook().words(Measure::InternetAccess, words.iter().copied())],
            allowed: &["Disabled"],
            foreign: &["Enabled"],
        },
    },
    Row {
        id: "sagemaker-notebook-root-access",
        twin: Twin::Words {
            of: |words| vec![notebook().words(Measure::RootAccess, words.iter().copied())],
            allowed: &["Disabled"],
            foreign: &["Enabled"],
        },
    },
    Row {
        id: "sagemaker-app-uptime",
        twin: Twin::Time(|since| sagemaker("app", &format!("{DOMAIN}/ana/JupyterLab/default"), "InService", since)),
    },
    Row {
        id: "sagemaker-app-count",
        twin: Twin::Count(|n| {
            sagemaker("app", &format!("{DOMAIN}/user-{n:02}/JupyterLab/default"), "InService", nth(n))
        }),
    },
    Row {
        id: "sagemaker-space-age",
        twin: Twin::Time(|since| sagemaker("space", &format!("{DOMAIN}/ana-trials"), "InService", since)),
    },
    Row {
        id: "sagemaker-space-count",
        twin: Twin::Count(|n| sagemaker("space", &format!("{DOMAIN}/trials-{n:02}"), "InService", nth(n))),
    },
    Row {
        id: "sagemaker-endpoint-age",
        twin: Twin::Time(|since| sagemaker("endpoint", "churn-trial", "InService", since)),
    },
    Row {
        id: "sagemaker-endpoint-count",
        twin: Twin::Count(|n| sagemaker("endpoint", &format!("churn-trial-{n}"), "Creating", nth(n))),
    },
    Row {
        id: "sagemaker-domain-network",
        twin: Twin::Words {
            of: |words| {
                let domain = Observation::new("domain", DOMAIN, "InService", noon());
                vec![domain.words(Measure::NetworkAccess, words.iter().copied())]
            },
            allowed: &["VpcOnly"],
            foreign: &["PublicInternetOnly"],
        },
    },
    Row {
        id: "sagemaker-stale-models",
        twin: Twin::Time(|since| {
            let made = since - SignedDuration::from_hours(24 * 100);
            Observation::new("model package group", "churn", "Completed", made).since(Measure::ApprovalAge, since)
        }),
    },
    Row {
        id: "sagemaker-self-approval",
        twin: Twin::Words {
            of: |words| {
                let package = Observation::new("model package", "churn/7", "Approved", noon());
                vec![package.words(Measure::Approver, words.iter().copied())]
            },
            allowed: &["somebody else"],
            foreign: &["who registered it"],
        },
    },
];

fn session(id: &str, since: Timestamp) -> Observation {
    of_ana(Observation::new("session", id, "READY", since))
}

fn job_run(id: &str, since: Timestamp) -> Observation {
    Observation::new("job run", format!("load-orders/{id}"), "RUNNING", since)
        .within(ScopeKind::Job, Some("load-orders"))
}

const GLUE: &[Row] = &[
    Row { id: "glue-session-age", twin: Twin::Time(|since| session("glue-studio-5b1e0c3d2c8a", since)) },
    Row {
        id: "glue-session-idle-time",
        twin: Twin::Time(|since| {
            let opened = since - SignedDuration::from_mins(20);
            session("glue-studio-5b1e0c3d2c8a", opened).since(Measure::IdleTime, since)
        }),
    },
    Row { id: "glue-session-count", twin: Twin::Count(|n| session(&format!("glue-studio-5b1e0c3d2c{n:02x}"), nth(n))) },
    Row {
        id: "glue-session-dpus",
        twin: Twin::Size(|dpus| vec![session("glue-studio-5b1e0c3d2c8a", noon()).amount(Measure::Dpus, dpus)]),
    },
    Row { id: "glue-job-runtime", twin: Twin::Time(|since| job_run("jr_a8f1c6", since)) },
    Row { id: "glue-concurrent-job-runs", twin: Twin::Count(|n| job_run(&format!("jr_a8f1{n:02x}"), nth(n))) },
    Row {
        id: "glue-job-dpus",
        twin: Twin::Size(|dpus| vec![job_run("jr_a8f1c6", noon()).amount(Measure::Dpus, dpus)]),
    },
];

/// A sandbox as the hub knows it, from the beginning of the month that its budget is for.
fn sandbox() -> Observation {
    let began = "2026-11-01T00:00:00Z".parse().unwrap();
    Observation::new("sandbox", "111111111111", "billed", began)
        .within(ScopeKind::Sandbox, Some("111111111111"))
        .within(ScopeKind::BusinessUnit, Some("retail"))
}

const SPEND: &[Row] = &[
    Row { id: "spend-budget", twin: Twin::Money(|spent| sandbox().amount(Measure::Spend, spent)) },
    Row {
        id: "spend-budget-set",
        twin: Twin::Words {
            of: |words| vec![sandbox().words(Measure::BudgetSet, words.iter().copied())],
            allowed: &["set"],
            foreign: &["missing"],
        },
    },
    Row {
        id: "spend-data-age",
        twin: Twin::Time(|since| {
            Observation::new("export", "costs/daily", "delivered", since).since(Measure::DataAge, since)
        }),
    },
];

const EXEMPTIONS: &[Row] = &[Row {
    id: "exemption-expired",
    twin: Twin::Words {
        of: |words| {
            let exemption = Observation::new("exemption", "year-end", "expired", noon());
            vec![exemption.words(Measure::Validity, words.iter().copied())]
        },
        allowed: &["valid"],
        foreign: &["expired"],
    },
}];
