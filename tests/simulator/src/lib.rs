//! A stand-in for the AWS services the guardrails govern, because no emulator reproduces what matters here: workloads
//! that run for a while, cost, end, and obey or ignore a stop.
//!
//! It is one small HTTP server that speaks AWS JSON 1.1. Whose call it is comes from the headers `x-stage-account` and
//! `x-stage-region` (set by the stage's launcher on calls it has authorised), else from the credential scope of the
//! signature when the access key is a twelve-digit account id. All state is kept per account and Region. Workloads
//! run in real time, and may have been started in the past: a test of a 30-minute limit starts a query that has
//! already run for 29 minutes and 58 seconds.
//!
//! ```no_run
//! use std::time::Duration;
//! use workload_simulator::{FaultRule, QuerySpec, QueryState, Settings, Simulator};
//!
//! let simulator = Simulator::start(Settings::default())?;
//! let athena = simulator.world().account("111111111111", "eu-west-1").athena();
//! let id = athena.start(QuerySpec { age: Duration::from_secs(29 * 60 + 58), ..QuerySpec::default() });
//! simulator.world().faults().add(FaultRule::throttling("StopQueryExecution").times(1));
//! // … run what is under test against `simulator.url()` …
//! assert_eq!(athena.query(&id).map(|query| query.state), Some(QueryState::Cancelled));
//! assert_eq!(simulator.world().calls().stops().len(), 2);
//! # Ok::<(), workload_simulator::StartError>(())
//! ```
//!
//! # What Athena does here
//!
//! `ListWorkGroups`, `GetWorkGroup`, `CreateWorkGroup`, `UpdateWorkGroup`, `DeleteWorkGroup`, `StartQueryExecution`,
//! `GetQueryExecution`, `BatchGetQueryExecution`, `ListQueryExecutions`, `StopQueryExecution`; no SQL is executed.
//! By hand, a comment in the SQL says how the query behaves: `-- simulate: age 28m, queue 5s, run 2m, fail, cancel 3s`.
//!
//! # What EMR does here
//!
//! `ListClusters`, `DescribeCluster`, `ListInstanceGroups`, `ListInstanceFleets`, `ListInstances`,
//! `ListBootstrapActions`, `ListSteps`, `DescribeStep`, `CancelSteps`, `TerminateJobFlows`, `SetTerminationProtection`, `GetAutoTerminationPolicy`,
//! `PutAutoTerminationPolicy`, `RemoveAutoTerminationPolicy`, `RunJobFlow`, `AddJobFlowSteps`; no step does anything.
//! By hand, an argument of a step says how it behaves: `simulate: run 2m, fail, ignore-interrupt, cancel 3s`.
//!
//! # What Glue does here
//!
//! `ListSessions`, `GetSession`, `CreateSession`, `StopSession`, `ListStatements`, `RunStatement`, `ListJobs`,
//! `GetJobs`, `GetJobRuns`, `GetJobRun`, `StartJobRun`, `BatchStopJobRun`, `GetTags`; no code is executed. By hand, a
//! session says how it behaves in its default argument `--simulate`, a job run in its argument of that name, and a
//! statement in a comment of its code: `# simulate: run 2m, fail`.
//!
//! # What SageMaker does here
//!
//! `ListPipelines`, `ListPipelineExecutions`, `DescribePipelineExecution`, `StartPipelineExecution`,
//! `StopPipelineExecution`, `ListTrainingJobs`, `DescribeTrainingJob`, `StopTrainingJob`, `ListProcessingJobs`,
//! `DescribeProcessingJob`, `StopProcessingJob`, `ListTransformJobs`, `DescribeTransformJob`, `StopTransformJob`,
//! `ListHyperParameterTuningJobs`, `DescribeHyperParameterTuningJob`, `StopHyperParameterTuningJob`, `ListAutoMLJobs`,
//! `DescribeAutoMLJobV2`, `StopAutoMLJob`, `ListNotebookInstances`, `DescribeNotebookInstance`, `StopNotebookInstance`,
//! `StartNotebookInstance`, `ListApps`, `DescribeApp`, `CreateApp`, `DeleteApp`, `ListSpaces`, `DescribeSpace`,
//! `ListEndpoints`, `DescribeEndpoint`, `ListDomains`, `DescribeDomain`, `ListModelPackageGroups`, `ListModelPackages`,
//! `DescribeModelPackage`, `ListTags`; nothing is trained. What cannot be started over the API is started through the
//! handle or the routes.
//!
//! # What CloudTrail does here
//!
//! `LookupEvents` over the calls that created a workload, be it through the API (then it was the account's root) or
//! through a handle. A specification's `started_by` says who made the call: an ARN, `studio:<profile>` for a SageMaker
//! Studio user whose profile is the source identity, or the name of a session of the role `DataScientist`.
//!
//! # What Systems Manager does here
//!
//! `GetCalendarState` over the change calendars that a test sets, and the event of each of their transitions.
//!
//! # Routes for tests and people
//!
//! All answer JSON; durations are text such as `90s`, `28m` or `PT28M`, instants are RFC 3339.
//!
//! | route | what it does |
//! |---|---|
//! | `GET /_simulator/health` | `{"status": "ok", "accounts": 2, "active_workloads": 7}` |
//! | `GET /_simulator/calls` | `{"calls": [`[`CallCount`]`…], "stops": [`[`ChangeCall`]`…], "changes": [`[`ChangeCall`]`…]}` |
//! | `DELETE /_simulator/calls` | forgets them |
//! | `GET /_simulator/faults` | `{"faults": [`[`FaultInForce`]`…]}` |
//! | `POST /_simulator/faults` | puts one [`FaultRule`] in force |
//! | `DELETE /_simulator/faults` | lifts all |
//! | `GET /_simulator/events` | `{"stats": `[`EventStats`]`, "faults": `[`EventFaults`]`}` |
//! | `PUT /_simulator/events` | makes deliveries go wrong as an [`EventFaults`] says |
//! | `POST /_simulator/reset` | back to the first moment: no accounts, faults, calls or counts |
//!
//! Athena, where `…` is `/_simulator/accounts/{account}/{region}/athena`:
//!
//! | route | what it does |
//! |---|---|
//! | `GET …/queries` | `{"queries": [`[`QueryView`]`…]}`, the queued and running ones, newest first |
//! | `POST …/queries` | starts a query as a [`QuerySpec`] says: `{"id": "…"}` |
//! | `GET …/queries/{id}` | one [`QueryView`], in whatever state |
//! | `POST …/queries/{id}/finish` | ends it now, with its outcome |
//! | `POST …/history` | `{"workgroup": "primary", "count": 10000, "spacing": "5s", "newest_age": "1h"}` makes up finished queries: `{"ids": […]}`, newest first |
//! | `GET …/workgroups/{name}` | one [`WorkgroupView`] |
//! | `PUT …/workgroups/{name}` | the same, created when it does not exist |
//! | `GET …/workgroups` | `{"workgroups": [`[`WorkgroupView`]`…]}`, by name |
//! | `PUT …/workgroups/{name}/limits` | `{"enforced": true, "cutoff": 10000000}` sets what limits its queries: the same |
//!
//! CloudTrail, where `…` is `/_simulator/accounts/{account}/{region}/cloudtrail`:
//!
//! | route | what it does |
//! |---|---|
//! | `PUT …/delivery` | `{"delay": "5m"}` lets events be seen only that long after they happened |
//!
//! EMR, where `…` is `/_simulator/accounts/{account}/{region}/emr`:
//!
//! | route | what it does |
//! |---|---|
//! | `GET …/clusters` | `{"clusters": [`[`ClusterView`]`…]}`, those that have not ended, newest first |
//! | `POST …/clusters` | starts a cluster as a [`ClusterSpec`] says: `{"id": "…"}` |
//! | `GET …/clusters/{id}` | one [`ClusterView`], in whatever state |
//! | `POST …/clusters/{id}/finish` | lets its user terminate it now, protected or not |
//! | `GET …/steps` | `{"steps": [`[`StepView`]`…]}`, those that have not ended |
//! | `POST …/steps` | adds a step as a [`StepSpec`] says: `{"id": "…"}` |
//! | `GET …/steps/{id}` | one [`StepView`], in whatever state |
//! | `POST …/steps/{id}/finish` | ends it now, with its outcome |
//! | `POST …/history` | `{"count": 120, "spacing": "5m", "newest_age": "1h"}` makes up ended clusters: `{"ids": […]}`, newest first |
//!
//! Glue, where `…` is `/_simulator/accounts/{account}/{region}/glue`:
//!
//! | route | what it does |
//! |---|---|
//! | `GET …/sessions` | `{"sessions": [`[`SessionView`]`…]}`, those that have not ended, newest first |
//! | `POST …/sessions` | creates a session as a [`SessionSpec`] says: `{"id": "…"}` |
//! | `GET …/sessions/{id}` | one [`SessionView`], in whatever state |
//! | `POST …/sessions/{id}/finish` | ends it now, as if it had been told to stop |
//! | `GET …/sessions/{id}/statements` | `{"statements": [`[`StatementView`]`…]}`, oldest first |
//! | `POST …/sessions/{id}/statements` | submits a statement as a [`StatementSpec`] says: `{"id": 0}` |
//! | `POST …/sessions/{id}/statements/{number}/finish` | ends it now, with its outcome |
//! | `POST …/jobs` | defines a job as a [`GlueJobSpec`] says, and answers its [`GlueJobView`] |
//! | `GET …/jobs/{name}` | one [`GlueJobView`] |
//! | `GET …/runs` | `{"runs": [`[`JobRunView`]`…]}`, those of all jobs that have not ended, newest first |
//! | `POST …/runs` | starts a run as a [`JobRunSpec`] says: `{"id": "jr_…"}` |
//! | `GET …/runs/{id}` | one [`JobRunView`], in whatever state |
//! | `POST …/runs/{id}/finish` | ends it now, with its outcome |
//! | `POST …/history/sessions` | `{"count": 500, "spacing": "5m", "newest_age": "1h"}` makes up ended sessions: `{"ids": […]}`, newest first |
//! | `POST …/history/jobs` | `{"count": 200, "runs": 50, "spacing": "5m", "newest_age": "1h"}` makes up jobs with ended runs: `{"names": […]}` |
//! | `POST …/history/runs` | `{"job": "etl", "count": 500, "spacing": "5m", "newest_age": "1h"}` makes up ended runs of one job: `{"ids": […]}`, newest first |
//!
//! SageMaker, where `…` is `/_simulator/accounts/{account}/{region}/sagemaker`:
//!
//! | route | what it does |
//! |---|---|
//! | `GET …/workloads` | `{"workloads": [`[`WorkloadView`]`…]}`, what has not ended, newest first |
//! | `GET …/workloads/{arn}` | one of them, in whatever state |
//! | `POST …/finish` | `{"arn": "…"}` ends it now: its [`WorkloadView`] |
//! | `POST …/executions` | starts one as an [`ExecutionSpec`] says: `{"arn": "…"}` |
//! | `POST …/jobs` | the same with a [`JobSpec`] |
//! | `POST …/notebooks` | the same with a [`NotebookSpec`] |
//! | `POST …/apps` | the same with an [`AppSpec`] |
//! | `POST …/spaces` | the same with a [`SpaceSpec`] |
//! | `POST …/endpoints` | the same with an [`EndpointSpec`] |
//! | `POST …/models` | the same with a [`ModelPackageSpec`] |
//! | `POST …/domains` | creates one as a [`DomainSpec`] says: `{"id": "…"}` |
//! | `POST …/pipelines` | `{"count": 2000, "recent": 50, "recent_age": "1h", "old_age": "2400h"}` makes up pipelines that ran once: `{"names": […]}` |
//! | `POST …/history` | `{"kind": "training", "count": 500, "spacing": "5s", "newest_age": "1h"}` makes up finished jobs: `{"names": […]}`, newest first |
//!
//! Systems Manager, where `…` is `/_simulator/accounts/{account}/{region}/ssm`:
//!
//! | route | what it does |
//! |---|---|
//! | `POST …/calendars` | sets one as a [`CalendarSpec`] says: `{"name": "…"}` |
//! | `GET …/calendars/{name}` | `{"state": "OPEN"}`, a [`CalendarState`] |
//! | `DELETE …/calendars/{name}` | it is gone |

mod accounts;
mod athena;
mod calls;
mod clock;
mod cloudtrail;
mod control;
mod emr;
mod events;
mod faults;
mod glue;
mod input;
mod protocol;
mod quotas;
mod sagemaker;
mod server;
mod ssm;
mod world;

pub use athena::{
    AthenaHandle, Outcome, QuerySpec, QueryState, QueryView, StatementType, WorkgroupState, WorkgroupView,
};
pub use calls::{CallCount, Calls, ChangeCall};
pub use cloudtrail::CloudTrailHandle;
pub use emr::{
    ActionOnFailure, ClusterSpec, ClusterState, ClusterView, EmrHandle, InstanceRole, InstanceSpec, StepOutcome,
    StepSpec, StepState, StepView,
};
pub use events::{EventFaults, EventStats, Events};
pub use faults::{FaultError, FaultInForce, FaultRule, Faults};
pub use glue::{
    GlueHandle, GlueJobSpec, GlueJobView, JobRunSpec, JobRunState, JobRunView, SessionSpec, SessionState, SessionView,
    StatementSpec, StatementState, StatementView,
};
pub use protocol::ServiceName;
pub use sagemaker::{
    AppSpec, AppType, DomainSpec, EndpointSpec, ExecutionSpec, InstanceGroup, JobKind, JobSpec, ModelApproval,
    ModelPackageSpec, NotebookSpec, SageMakerHandle, SpaceSpec, WorkloadKind, WorkloadView,
};
pub use server::{Settings, Simulator, StartError};
pub use ssm::{CalendarEvent, CalendarKind, CalendarSpec, CalendarState, SsmHandle};
pub use world::{Account, World};
