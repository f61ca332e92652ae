//! The guardrails of SageMaker.

use super::{ActionKind, Amount, Bounds, COMMON, Guardrail, Service};
use crate::{Measure, ScopeKind};

const COMMON_HERE: Guardrail =
    Guardrail { service: Service::SageMaker, scopes: &[ScopeKind::UserType, ScopeKind::Owner], ..COMMON };

/// The kinds of jobs, as their resources are called.
const JOBS: &[&str] = &["training job", "processing job", "transform job", "tuning job", "automl job"];

/// SageMaker's own ceiling for a training job, 28 days; nothing it starts lives longer.
/// <https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html>
const LONGEST_JOB: Amount = Amount::days(28);

const EXECUTIONS: Guardrail = Guardrail {
    resources: &["pipeline execution"],
    scopes: &[ScopeKind::Pipeline],
    action: ActionKind::StopExecution,
    ..COMMON_HERE
};

static PIPELINE_COUNT: Guardrail = Guardrail {
    id: "sagemaker-pipeline-count",
    resources: &["pipeline"],
    scopes: &[],
    measure: Measure::Count,
    title: "The sandbox has no more pipelines than its limit",
    why: "Pipelines cost nothing while they do not run, but hundreds of them come from a script that makes a new one each time, and nobody \
          knows which is in use. Nothing is deleted; it reports.",
    default_limit: Amount::Count(200),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(10_000)),
    default_levels: &[80, 100],
    ..COMMON_HERE
};

static CONCURRENT_EXECUTIONS: Guardrail = Guardrail {
    id: "sagemaker-concurrent-executions",
    scopes: &[],
    measure: Measure::Count,
    title: "No more pipeline executions run at once than the sandbox's limit",
    why: "Each execution starts jobs of its own; a schedule that overtakes itself doubles the cost with every round. The oldest stay.",
    default_limit: Amount::Count(20),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(1_000)),
    default_levels: &[80, 100],
    ..EXECUTIONS
};

static PIPELINE_CONCURRENT_EXECUTIONS: Guardrail = Guardrail {
    id: "sagemaker-pipeline-concurrent-executions",
    measure: Measure::Count,
    counted_in: Some(ScopeKind::Pipeline),
    title: "A pipeline runs no more executions at once than its limit",
    why: "A pipeline that is started again before it has ended is most often a trigger gone wrong: a storm. The oldest executions stay.",
    default_limit: Amount::Count(5),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(200)),
    default_levels: &[80, 100],
    ..EXECUTIONS
};

static EXECUTION_RUNTIME: Guardrail = Guardrail {
    id: "sagemaker-execution-runtime",
    measure: Measure::ElapsedTime,
    title: "Pipeline executions run no longer than their pipeline's limit",
    why: "An execution waits for its slowest step, and retries can keep it alive for weeks.",
    default_limit: Amount::hours(12),
    bounds: Bounds::Between(Amount::seconds(1), LONGEST_JOB),
    ..EXECUTIONS
};

const JOB_RUNTIME: Guardrail = Guardrail {
    measure: Measure::ElapsedTime,
    why: "A job bills every second of every instance it holds, from its creation to its end; one that does not converge runs to its stopping \
          condition, which is a day unless its author chose better.",
    default_limit: Amount::hours(24),
    bounds: Bounds::Between(Amount::seconds(1), LONGEST_JOB),
    action: ActionKind::StopJob,
    ..COMMON_HERE
};

static TRAINING_RUNTIME: Guardrail = Guardrail {
    id: "sagemaker-training-runtime",
    resources: &["training job"],
    title: "Training jobs run no longer than their limit",
    ..JOB_RUNTIME
};

static PROCESSING_RUNTIME: Guardrail = Guardrail {
    id: "sagemaker-processing-runtime",
    resources: &["processing job"],
    title: "Processing jobs run no longer than their limit",
    default_limit: Amount::hours(12),
    ..JOB_RUNTIME
};

static TRANSFORM_RUNTIME: Guardrail = Guardrail {
    id: "sagemaker-transform-runtime",
    resources: &["transform job"],
    title: "Batch transform jobs run no longer than their limit",
    default_limit: Amount::hours(12),
    ..JOB_RUNTIME
};

static TUNING_RUNTIME: Guardrail = Guardrail {
    id: "sagemaker-tuning-runtime",
    resources: &["tuning job"],
    title: "Hyperparameter tuning jobs run no longer than their limit",
    ..JOB_RUNTIME
};

static AUTOML_RUNTIME: Guardrail = Guardrail {
    id: "sagemaker-automl-runtime",
    resources: &["automl job"],
    title: "AutoML jobs run no longer than their limit",
    ..JOB_RUNTIME
};

static CONCURRENT_JOBS: Guardrail = Guardrail {
    id: "sagemaker-concurrent-jobs",
    resources: JOBS,
    measure: Measure::Count,
    title: "No more jobs of all kinds run at once than the sandbox's limit",
    why: "A loop that starts a job for each row of a table is found here before its bill is. The oldest jobs stay.",
    default_limit: Amount::Count(20),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(2_000)),
    default_levels: &[80, 100],
    action: ActionKind::StopJob,
    ..COMMON_HERE
};

static JOB_INSTANCE_TYPES: Guardrail = Guardrail {
    id: "sagemaker-job-instance-types",
    resources: JOBS,
    measure: Measure::InstanceTypes,
    title: "Jobs use allowed instance types only",
    why: "The dearest instance of SageMaker costs four hundred times the cheapest, and both are one word in a notebook.",
    default_limit: Amount::Words(&[
        "ml.m5.*",
        "ml.m6i.*",
        "ml.m7i.*",
        "ml.c5.*",
        "ml.c6i.*",
        "ml.r5.*",
        "ml.t3.*",
        "ml.g4dn.*",
        "ml.g5.*",
    ]),
    bounds: Bounds::Patterns,
    default_levels: &[100],
    action: ActionKind::StopJob,
    ..COMMON_HERE
};

static JOB_GPUS: Guardrail = Guardrail {
    id: "sagemaker-job-gpus",
    resources: JOBS,
    measure: Measure::Gpus,
    title: "A job holds no more GPUs than its limit",
    why: "An allowed instance type times a large number of instances is still a large bill; GPUs are what makes it so.",
    default_limit: Amount::Count(8),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(10_000)),
    default_levels: &[100],
    action: ActionKind::StopJob,
    ..COMMON_HERE
};

const NOTEBOOKS: Guardrail =
    Guardrail { resources: &["notebook instance"], action: ActionKind::StopNotebook, ..COMMON_HERE };

static NOTEBOOK_UPTIME: Guardrail = Guardrail {
    id: "sagemaker-notebook-uptime",
    measure: Measure::UpTime,
    title: "Notebook instances are up no longer than their limit",
    why: "A notebook instance bills until somebody stops it, nights and weekends included. Stopping keeps its volume. The time is counted from \
          its last start.",
    default_limit: Amount::hours(12),
    bounds: Bounds::Between(Amount::seconds(1), Amount::days(90)),
    ..NOTEBOOKS
};

static NOTEBOOK_COUNT: Guardrail = Guardrail {
    id: "sagemaker-notebook-count",
    measure: Measure::Count,
    title: "No more notebook instances are up at once than the sandbox's limit",
    why: "One for each person is plenty. Those that have been up longest stay, the newest beyond the limit are stopped.",
    default_limit: Amount::Count(10),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(1_000)),
    default_levels: &[80, 100],
    ..NOTEBOOKS
};

static NOTEBOOK_INTERNET: Guardrail = Guardrail {
    id: "sagemaker-notebook-internet",
    measure: Measure::InternetAccess,
    title: "Notebook instances reach the internet through the account's network only",
    why: "Direct internet access goes past every control that the account's network has. It is chosen when an instance is made and cannot be \
          changed, so this reports.",
    default_limit: Amount::Words(&["Disabled"]),
    bounds: Bounds::SomeOf(&["Disabled", "Enabled"]),
    default_levels: &[100],
    action: ActionKind::Report,
    ..NOTEBOOKS
};

static NOTEBOOK_ROOT: Guardrail = Guardrail {
    id: "sagemaker-notebook-root-access",
    measure: Measure::RootAccess,
    title: "Users of notebook instances are not root",
    why: "Root can switch off what watches the instance, and read what other users of it left behind.",
    default_limit: Amount::Words(&["Disabled"]),
    bounds: Bounds::SomeOf(&["Disabled", "Enabled"]),
    default_levels: &[100],
    action: ActionKind::Report,
    ..NOTEBOOKS
};

const APPS: Guardrail = Guardrail { resources: &["app"], action: ActionKind::DeleteApp, ..COMMON_HERE };

static APP_UPTIME: Guardrail = Guardrail {
    id: "sagemaker-app-uptime",
    measure: Measure::UpTime,
    title: "Studio applications are up no longer than their limit",
    why: "Closing the browser does not stop a Studio application, and its instance bills on. Deleting it keeps the files of its space.",
    default_limit: Amount::hours(12),
    bounds: Bounds::Between(Amount::seconds(1), Amount::days(90)),
    ..APPS
};

static APP_COUNT: Guardrail = Guardrail {
    id: "sagemaker-app-count",
    measure: Measure::Count,
    title: "No more Studio applications are up at once than the sandbox's limit",
    why: "Every application has an instance of its own. Those that have been up longest stay.",
    default_limit: Amount::Count(30),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(5_000)),
    default_levels: &[80, 100],
    ..APPS
};

const SPACES: Guardrail = Guardrail { resources: &["space"], action: ActionKind::Report, ..COMMON_HERE };

static SPACE_AGE: Guardrail = Guardrail {
    id: "sagemaker-space-age",
    measure: Measure::ElapsedTime,
    title: "Studio spaces are kept no longer than their limit",
    why: "A space keeps its volume, and bills for it, after its application is gone. It holds people's files, so nothing is deleted; it reports.",
    default_limit: Amount::days(180),
    bounds: Bounds::Between(Amount::seconds(1), Amount::days(1_000)),
    ..SPACES
};

static SPACE_COUNT: Guardrail = Guardrail {
    id: "sagemaker-space-count",
    measure: Measure::Count,
    title: "The sandbox has no more Studio spaces than its limit",
    why: "Each space has a volume of its own, and nobody remembers the second one. Nothing is deleted; it reports.",
    default_limit: Amount::Count(60),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(10_000)),
    default_levels: &[80, 100],
    ..SPACES
};

const ENDPOINTS: Guardrail = Guardrail { resources: &["endpoint"], action: ActionKind::Report, ..COMMON_HERE };

static ENDPOINT_AGE: Guardrail = Guardrail {
    id: "sagemaker-endpoint-age",
    measure: Measure::ElapsedTime,
    title: "Endpoints live no longer than their limit",
    why: "An endpoint holds its instances whether anybody asks it or not; in a sandbox it is a trial that should end. Somebody may depend on \
          it, so it reports.",
    default_limit: Amount::days(7),
    bounds: Bounds::Between(Amount::seconds(1), Amount::days(1_000)),
    ..ENDPOINTS
};

static ENDPOINT_COUNT: Guardrail = Guardrail {
    id: "sagemaker-endpoint-count",
    measure: Measure::Count,
    title: "The sandbox has no more endpoints than its limit",
    why: "Endpoints are made by a line of a tutorial and forgotten by the next.",
    default_limit: Amount::Count(5),
    bounds: Bounds::Between(Amount::Count(1), Amount::Count(1_000)),
    default_levels: &[80, 100],
    ..ENDPOINTS
};

static DOMAIN_NETWORK: Guardrail = Guardrail {
    id: "sagemaker-domain-network",
    resources: &["domain"],
    scopes: &[],
    measure: Measure::NetworkAccess,
    title: "Studio domains are in the account's network only",
    why: "A domain with `PublicInternetOnly` gives every application a way out that no firewall of the account sees.",
    default_limit: Amount::Words(&["VpcOnly"]),
    bounds: Bounds::SomeOf(&["VpcOnly", "PublicInternetOnly"]),
    default_levels: &[100],
    ..COMMON_HERE
};

static STALE_MODELS: Guardrail = Guardrail {
    id: "sagemaker-stale-models",
    resources: &["model package group"],
    scopes: &[],
    measure: Measure::ApprovalAge,
    title: "Every group of models has a version that was approved within the limit",
    why: "A model that nobody has approved again for a year was trained on a world that is gone. Groups without any approved version are not \
          in use and are not measured.",
    default_limit: Amount::days(365),
    bounds: Bounds::Between(Amount::seconds(1), Amount::days(3_650)),
    default_levels: &[90, 100],
    ..COMMON_HERE
};

static SELF_APPROVAL: Guardrail = Guardrail {
    id: "sagemaker-self-approval",
    resources: &["model package"],
    scopes: &[],
    measure: Measure::Approver,
    title: "Model packages are approved by somebody other than who registered them",
    why: "Four eyes: a model that decides about customers is not approved by whoever built it.",
    default_limit: Amount::Words(&["somebody else"]),
    bounds: Bounds::SomeOf(&["somebody else", "who registered it"]),
    default_levels: &[100],
    ..COMMON_HERE
};

pub(super) static GUARDRAILS: &[&Guardrail] = &[
    &PIPELINE_COUNT,
    &CONCURRENT_EXECUTIONS,
    &PIPELINE_CONCURRENT_EXECUTIONS,
    &EXECUTION_RUNTIME,
    &TRAINING_RUNTIME,
    &PROCESSING_RUNTIME,
    &TRANSFORM_RUNTIME,
    &TUNING_RUNTIME,
    &AUTOML_RUNTIME,
    &CONCURRENT_JOBS,
    &JOB_INSTANCE_TYPES,
    &JOB_GPUS,
    &NOTEBOOK_UPTIME,
    &NOTEBOOK_COUNT,
    &NOTEBOOK_INTERNET,
    &NOTEBOOK_ROOT,
    &APP_UPTIME,
    &APP_COUNT,
    &SPACE_AGE,
    &SPACE_COUNT,
    &ENDPOINT_AGE,
    &ENDPOINT_COUNT,
    &DOMAIN_NETWORK,
    &STALE_MODELS,
    &SELF_APPROVAL,
];
