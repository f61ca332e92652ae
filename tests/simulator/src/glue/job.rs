//! A job: the definition its runs take their terms from, and their list.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::run::JobRunSpec;
use super::size::Size;
use super::{members_of, minutes_of};
use crate::clock;

/// How long a run may take unless somebody says otherwise: the default of Spark jobs of Glue 5.0 and later.
const TIMEOUT: Duration = Duration::from_secs(480 * 60);

/// A job to be defined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GlueJobSpec {
    /// Its name.
    pub name: String,
    /// How long ago it was created.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub age: Duration,
    /// The type of its runs' workers.
    pub worker_type: String,
    /// The number of its runs' workers.
    pub number_of_workers: u32,
    /// How long a run may take; 480 minutes when not given. The API shows whole minutes.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub timeout: Option<Duration>,
    /// How many runs there may be at once.
    pub max_concurrent_runs: u32,
    /// After which time Glue tells that a run is still there; never when not given. The API shows whole minutes.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub notify_delay_after: Option<Duration>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Who creates it, for CloudTrail; the account's root when not given.
    pub started_by: Option<String>,
}

impl Default for GlueJobSpec {
    /// The job `etl`, created now, of two `G.1X` workers and one run at a time.
    fn default() -> GlueJobSpec {
        GlueJobSpec {
            name: "etl".to_owned(),
            age: Duration::ZERO,
            worker_type: "G.1X".to_owned(),
            number_of_workers: 2,
            timeout: None,
            max_concurrent_runs: 1,
            notify_delay_after: None,
            tags: BTreeMap::new(),
            started_by: None,
        }
    }
}

impl GlueJobSpec {
    /// The job a run needs when there is none of that name.
    pub(super) fn of_run(run: &JobRunSpec) -> GlueJobSpec {
        let job = GlueJobSpec { name: run.job.clone(), age: run.age, ..GlueJobSpec::default() };
        GlueJobSpec {
            worker_type: run.worker_type.clone().unwrap_or(job.worker_type),
            number_of_workers: run.number_of_workers.unwrap_or(job.number_of_workers),
            tags: run.tags.clone(),
            started_by: run.started_by.clone(),
            ..job
        }
    }
}

/// What can be seen of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GlueJobView {
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// How many runs there may be at once.
    pub max_concurrent_runs: u32,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// How many runs it has had.
    pub runs: usize,
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) name: Arc<str>,
    pub(super) size: Size,
    pub(super) timeout: Duration,
    pub(super) max_concurrent_runs: u32,
    pub(super) notify_after: Option<Duration>,
    pub(super) tags: BTreeMap<String, String>,
    /// The ids of its runs, newest first.
    pub(super) runs: BTreeMap<String, Arc<str>>,
    role: String,
    created_at: Timestamp,
}

impl Job {
    pub(super) fn new(spec: &GlueJobSpec, role: String, now: Timestamp) -> Job {
        Job {
            name: spec.name.as_str().into(),
            size: Size::of_workers(&spec.worker_type, spec.number_of_workers),
            timeout: spec.timeout.unwrap_or(TIMEOUT),
            max_concurrent_runs: spec.max_concurrent_runs,
            notify_after: spec.notify_delay_after,
            tags: spec.tags.clone(),
            runs: BTreeMap::new(),
            role,
            created_at: clock::before(now, spec.age),
        }
    }

    pub(super) fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Its creation as CloudTrail shows it: what was asked and what was answered.
    pub(super) fn creation(&self) -> (Value, Value) {
        let mut request = members_of(json!({
            "name": *self.name,
            "role": self.role,
            "command": { "name": "glueetl", "scriptLocation": self.script() },
            "timeout": minutes_of(self.timeout),
            "executionProperty": { "maxConcurrentRuns": self.max_concurrent_runs },
            "tags": self.tags,
        }));
        if let Some((worker_type, number)) = &self.size.workers {
            request.insert("workerType".to_owned(), worker_type.as_str().into());
            request.insert("numberOfWorkers".to_owned(), (*number).into());
        }
        (request.into(), json!({ "name": *self.name }))
    }

    pub(super) fn view(&self) -> GlueJobView {
        GlueJobView {
            name: self.name.to_string(),
            created_at: self.created_at,
            max_concurrent_runs: self.max_concurrent_runs,
            tags: self.tags.clone(),
            runs: self.runs.len(),
        }
    }

    /// The shape `Job`.
    pub(super) fn describe(&self) -> Value {
        let mut job = members_of(json!({
            "Name": *self.name,
            "JobMode": "SCRIPT",
            "JobRunQueuingEnabled": false,
            "Role": self.role,
            "CreatedOn": clock::epoch_seconds(self.created_at),
            "LastModifiedOn": clock::epoch_seconds(self.created_at),
            "ExecutionProperty": { "MaxConcurrentRuns": self.max_concurrent_runs },
            "Command": { "Name": "glueetl", "ScriptLocation": self.script(), "PythonVersion": "3" },
            "DefaultArguments": { "--job-language": "python" },
            "MaxRetries": 0,
            "AllocatedCapacity": self.size.allocated_capacity(),
            "Timeout": minutes_of(self.timeout),
            "GlueVersion": "5.0",
            "ExecutionClass": "STANDARD",
        }));
        self.size.describe(&mut job);
        if let Some(delay) = self.notify_after {
            job.insert("NotificationProperty".to_owned(), json!({ "NotifyDelayAfter": minutes_of(delay) }));
        }
        job.into()
    }

    fn script(&self) -> String {
        format!("s3://aws-glue-scripts/{}.py", self.name)
    }
}
