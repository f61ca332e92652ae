//! EMR in the tests' words: what to start, and what can be seen of it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The states of a cluster, as EMR writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClusterState {
    /// Its instances are asked for.
    Starting,
    /// Its instances are set up.
    Bootstrapping,
    /// A step runs.
    Running,
    /// It is up and no step runs; what was submitted past the step API may run all the same.
    Waiting,
    /// It shuts down.
    Terminating,
    /// It has ended.
    Terminated,
    /// It has ended badly.
    TerminatedWithErrors,
}

impl ClusterState {
    /// Whether a cluster in this state has ended.
    pub fn is_terminal(self) -> bool {
        matches!(self, ClusterState::Terminated | ClusterState::TerminatedWithErrors)
    }

    pub(super) const ALL: [ClusterState; 7] = [
        ClusterState::Starting,
        ClusterState::Bootstrapping,
        ClusterState::Running,
        ClusterState::Waiting,
        ClusterState::Terminating,
        ClusterState::Terminated,
        ClusterState::TerminatedWithErrors,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            ClusterState::Starting => "STARTING",
            ClusterState::Bootstrapping => "BOOTSTRAPPING",
            ClusterState::Running => "RUNNING",
            ClusterState::Waiting => "WAITING",
            ClusterState::Terminating => "TERMINATING",
            ClusterState::Terminated => "TERMINATED",
            ClusterState::TerminatedWithErrors => "TERMINATED_WITH_ERRORS",
        }
    }
}

/// The states of a step, as EMR writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StepState {
    /// Waits for its turn.
    Pending,
    /// Runs, has been told to end, and is about to.
    CancelPending,
    /// Runs.
    Running,
    /// Ended well.
    Completed,
    /// Was cancelled, by somebody or because its cluster was terminated.
    Cancelled,
    /// Ended badly.
    Failed,
    /// Was cut off because its cluster broke.
    Interrupted,
}

impl StepState {
    /// Whether a step in this state has ended.
    pub fn is_terminal(self) -> bool {
        !matches!(self, StepState::Pending | StepState::CancelPending | StepState::Running)
    }

    pub(super) const ALL: [StepState; 7] = [
        StepState::Pending,
        StepState::CancelPending,
        StepState::Running,
        StepState::Completed,
        StepState::Cancelled,
        StepState::Failed,
        StepState::Interrupted,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            StepState::Pending => "PENDING",
            StepState::CancelPending => "CANCEL_PENDING",
            StepState::Running => "RUNNING",
            StepState::Completed => "COMPLETED",
            StepState::Cancelled => "CANCELLED",
            StepState::Failed => "FAILED",
            StepState::Interrupted => "INTERRUPTED",
        }
    }
}

/// What instances do in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum InstanceRole {
    /// Coordinates.
    Master,
    /// Computes and stores.
    Core,
    /// Computes only.
    Task,
}

impl InstanceRole {
    pub(super) const ALL: [InstanceRole; 3] = [InstanceRole::Master, InstanceRole::Core, InstanceRole::Task];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            InstanceRole::Master => "MASTER",
            InstanceRole::Core => "CORE",
            InstanceRole::Task => "TASK",
        }
    }
}

/// Some instances of a cluster, all of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceSpec {
    /// What they do.
    pub role: InstanceRole,
    /// Their EC2 type.
    pub instance_type: String,
    /// How many there are.
    pub count: u32,
    /// Whether they are spot instances.
    #[serde(default)]
    pub spot: bool,
}

impl InstanceSpec {
    /// On-demand instances.
    pub fn new(role: InstanceRole, instance_type: &str, count: u32) -> InstanceSpec {
        InstanceSpec { role, instance_type: instance_type.to_owned(), count, spot: false }
    }
}

/// A cluster to be started, possibly in the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterSpec {
    /// Its name.
    pub name: String,
    /// How long ago it was asked for.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub age: Duration,
    /// Its release label.
    pub release: String,
    /// The applications installed on it.
    pub applications: Vec<String>,
    /// Its instances.
    pub instances: Vec<InstanceSpec>,
    /// Whether they are instance fleets, one for each role, rather than instance groups, one for each entry.
    pub fleets: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The name of its security configuration.
    pub security_configuration: Option<String>,
    /// The idle time after which it ends by itself, which makes its auto-termination policy.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub auto_termination: Option<Duration>,
    /// Whether it is protected against termination.
    pub termination_protected: bool,
    /// How many of its steps may run at once.
    pub step_concurrency: usize,
    /// Whether it stays when it has no step left.
    pub keep_alive: bool,
    /// How long it takes until it is up; for the second half of that it is bootstrapping.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub starting_takes: Duration,
    /// How long it takes to shut down; longer than a test lasts is a cluster that does not end.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub terminating_takes: Duration,
    /// How long after it was asked for its user terminates it; it stays when not given.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub runs_for: Option<Duration>,
    /// Whether it breaks then rather than being terminated.
    pub fails: bool,
    /// A state the API tells in place of the true one as long as the cluster has not ended. Lists still filter by the
    /// true one.
    pub raw_state: Option<String>,
    /// Who started it: an ARN, a session name, or `studio:<profile>`; the account's root when not given.
    pub started_by: Option<String>,
}

impl Default for ClusterSpec {
    /// A cluster of one master and two cores that starts now, is up at once, and stays.
    fn default() -> ClusterSpec {
        ClusterSpec {
            name: "cluster".to_owned(),
            age: Duration::ZERO,
            release: "emr-7.5.0".to_owned(),
            applications: vec!["Spark".to_owned()],
            instances: vec![
                InstanceSpec::new(InstanceRole::Master, "m5.xlarge", 1),
                InstanceSpec::new(InstanceRole::Core, "m5.xlarge", 2),
            ],
            fleets: false,
            tags: BTreeMap::new(),
            security_configuration: None,
            auto_termination: None,
            termination_protected: false,
            step_concurrency: 1,
            keep_alive: true,
            starting_takes: Duration::from_millis(100),
            terminating_takes: Duration::from_millis(100),
            runs_for: None,
            fails: false,
            raw_state: None,
            started_by: None,
        }
    }
}

/// How a step ends when nobody cancels it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepOutcome {
    /// In `COMPLETED`.
    #[default]
    Completes,
    /// In `FAILED`.
    Fails,
}

/// What a step's failure does to its cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ActionOnFailure {
    /// Nothing: the next step has its turn.
    #[default]
    Continue,
    /// Cancels the steps that wait.
    CancelAndWait,
    /// Ends the cluster, unless it is protected.
    TerminateCluster,
}

impl ActionOnFailure {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            ActionOnFailure::Continue => "CONTINUE",
            ActionOnFailure::CancelAndWait => "CANCEL_AND_WAIT",
            ActionOnFailure::TerminateCluster => "TERMINATE_CLUSTER",
        }
    }
}

/// A step to be added to a cluster, possibly in the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StepSpec {
    /// The id of the cluster.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// How long ago it was added; not longer ago than its cluster was asked for.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub age: Duration,
    /// How long it runs; until it is cancelled or its cluster ends when not given.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub runs_for: Option<Duration>,
    /// How it ends.
    pub outcome: StepOutcome,
    /// What its failure does to the cluster.
    pub action_on_failure: ActionOnFailure,
    /// Whether `SEND_INTERRUPT` leaves it running, so that only `TERMINATE_PROCESS` ends it.
    pub ignores_interrupt: bool,
    /// How long it goes on, as `CANCEL_PENDING`, after it was told to end in a way it obeys.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub cancel_takes: Duration,
    /// Its arguments.
    pub args: Vec<String>,
    /// A state the API tells in place of the true one as long as the step has not ended. Lists still filter by the
    /// true one.
    pub raw_state: Option<String>,
    /// Who added it: an ARN, a session name, or `studio:<profile>`; the account's root when not given.
    pub started_by: Option<String>,
}

impl Default for StepSpec {
    /// A step that is added now and runs until it is cancelled.
    fn default() -> StepSpec {
        StepSpec {
            cluster: String::new(),
            name: "step".to_owned(),
            age: Duration::ZERO,
            runs_for: None,
            outcome: StepOutcome::Completes,
            action_on_failure: ActionOnFailure::Continue,
            ignores_interrupt: false,
            cancel_takes: Duration::ZERO,
            args: vec!["spark-submit".to_owned()],
            raw_state: None,
            started_by: None,
        }
    }
}

/// What can be seen of a cluster now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: ClusterState,
    /// Why it is in that state, in one of EMR's codes, where there is one.
    pub reason: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was up, if it has been.
    pub ready_at: Option<Timestamp>,
    /// When it ended, if it has.
    pub ended_at: Option<Timestamp>,
    /// Whether it is protected against termination.
    pub termination_protected: bool,
    /// The idle time of its auto-termination policy, if it has one.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub auto_termination: Option<Duration>,
    /// How often it was told to terminate, refused calls and calls after its end too.
    pub terminate_calls: u32,
    /// The ids of its steps, oldest first.
    pub steps: Vec<String>,
}

/// What can be seen of a step now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepView {
    /// Its id.
    pub id: String,
    /// The id of its cluster.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: StepState,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it began to run, if it has.
    pub started_at: Option<Timestamp>,
    /// When it ended, if it has.
    pub ended_at: Option<Timestamp>,
    /// How often it was told to end, calls that were not obeyed and calls after its end too.
    pub cancel_calls: u32,
}
