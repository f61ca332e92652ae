//! Runs of Glue's jobs, as the guardrails see them.

use std::collections::BTreeMap;

use aws_sdk_glue::types;
use guardrail::Resource;
use jiff::Timestamp;
use lambda::aws::instant;
use lambda::{CallError, CallErrorKind};

use crate::capacity::Capacity;
use crate::client::{GlueClient, Tags};
use crate::state::{Phase, State};

/// What the resources are called in the catalogue.
pub const JOB_RUN: &str = "job run";

/// How many runs `GetJobRuns` gives at most in a page.
pub const RUNS_IN_PAGE: i32 = 200;

/// How many runs `BatchStopJobRun` takes.
pub const BATCH: usize = 25;

/// How many names of jobs a page holds at most: as many as Glue allows.
const PAGE: i32 = 1_000;

const STATES: &[(&str, Phase)] = &[
    ("STARTING", Phase::Active),
    ("RUNNING", Phase::Active),
    ("WAITING", Phase::Active),
    ("STOPPING", Phase::Ending),
    ("STOPPED", Phase::Ended),
    ("SUCCEEDED", Phase::Ended),
    ("FAILED", Phase::Ended),
    ("TIMEOUT", Phase::Ended),
    ("ERROR", Phase::Ended),
    ("EXPIRED", Phase::Ended),
];

/// Which run it is: runs have ids of their own, but are only found under their job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId {
    /// The job's name.
    pub job: String,
    /// The run's id.
    pub run: String,
}

impl RunId {
    /// Reads `<job>/<run>`. A job's name may hold slashes, a run's id holds none.
    pub fn parse(text: &str) -> Option<Self> {
        let (job, run) = text.rsplit_once('/').filter(|(job, run)| !job.is_empty() && !run.is_empty())?;
        Some(Self { job: job.to_owned(), run: run.to_owned() })
    }

    /// The run that a resource is, if it is one.
    pub fn of(resource: &Resource) -> Option<Self> {
        Self::parse(&resource.id).filter(|_| resource.kind == JOB_RUN)
    }
}

/// `<job>/<run>`: the id under which the guardrails know it.
impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.job, self.run)
    }
}

/// A run of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which run it is.
    pub id: RunId,
    /// Its state.
    pub state: State,
    /// When it was started.
    pub started_at: Timestamp,
    /// Its DPUs.
    pub capacity: Capacity,
}

impl Run {
    /// Whether `state` is a terminal one in Glue's words.
    pub fn has_ended_in(state: &str) -> bool {
        State::read(state, STATES).phase == Phase::Ended
    }
}

/// A page of the names of all jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobPage {
    /// The names.
    pub jobs: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// A page of a job's runs, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunPage {
    /// The runs.
    pub runs: Vec<Run>,
    /// Runs that came without what they are judged by.
    pub unread: Vec<RunId>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// Sees job runs.
pub trait JobRuns {
    /// A page of the names of all jobs.
    fn jobs(&self, from: Option<&str>) -> impl Future<Output = Result<JobPage, CallError>>;

    /// A page of at most this many runs of a job, newest first; `None` when Glue does not know the job.
    fn runs(
        &self,
        job: &str,
        at_most: i32,
        from: Option<&str>,
    ) -> impl Future<Output = Result<Option<RunPage>, CallError>>;

    /// One run; `None` when Glue does not know it.
    fn run(&self, id: &RunId) -> impl Future<Output = Result<Option<Run>, CallError>>;

    /// A job's tags.
    fn job_tags(&self, job: &str) -> impl Future<Output = Result<Tags, CallError>>;
}

/// Stops job runs.
pub trait StopJobRuns: JobRuns {
    /// Tells Glue to stop at most [`BATCH`] runs of one job. Gives the runs for which it refused.
    fn stop_runs(
        &self,
        job: &str,
        runs: &[String],
    ) -> impl Future<Output = Result<BTreeMap<String, CallError>, CallError>>;
}

impl JobRuns for GlueClient {
    async fn jobs(&self, from: Option<&str>) -> Result<JobPage, CallError> {
        let list = self.client.list_jobs().max_results(PAGE).set_next_token(from.map(str::to_owned)).send();
        let answer = list.await.map_err(|error| CallError::of("glue:ListJobs", &error))?;
        Ok(JobPage { jobs: answer.job_names.unwrap_or_default(), next: answer.next_token })
    }

    async fn runs(&self, job: &str, at_most: i32, from: Option<&str>) -> Result<Option<RunPage>, CallError> {
        let get = self.client.get_job_runs().job_name(job).max_results(at_most);
        let get = get.set_next_token(from.map(str::to_owned)).send();
        let answer = match get.await.map_err(|error| CallError::of("glue:GetJobRuns", &error)) {
            Ok(answer) => answer,
            Err(error) if error.kind == CallErrorKind::Missing => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut page = RunPage { next: answer.next_token, ..RunPage::default() };
        for run in answer.job_runs.unwrap_or_default() {
            let id = run.id.clone().map(|run| RunId { job: job.to_owned(), run });
            match read(job, run) {
                Some(run) => page.runs.push(run),
                None => page.unread.extend(id),
            }
        }
        Ok(Some(page))
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, CallError> {
        const GET: &str = "glue:GetJobRun";
        let get = self.client.get_job_run().job_name(&id.job).run_id(&id.run).send();
        match get.await.map_err(|error| CallError::of(GET, &error)) {
            Ok(answer) => {
                let run = answer.job_run.and_then(|run| read(&id.job, run));
                run.map(Some).ok_or_else(|| unread(GET, std::slice::from_ref(id)))
            }
            Err(error) if error.kind == CallErrorKind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn job_tags(&self, job: &str) -> Result<Tags, CallError> {
        self.tags(&format!("job/{job}")).await
    }
}

impl StopJobRuns for GlueClient {
    async fn stop_runs(&self, job: &str, runs: &[String]) -> Result<BTreeMap<String, CallError>, CallError> {
        const STOP: &str = "glue:BatchStopJobRun";
        let stop = self.client.batch_stop_job_run().job_name(job).set_job_run_ids(Some(runs.to_vec())).send();
        let answer = stop.await.map_err(|error| CallError::of(STOP, &error))?;
        let refused = answer.errors.unwrap_or_default().into_iter().filter_map(|refusal| {
            let (code, said) = refusal.error_detail.map(|detail| (detail.error_code, detail.error_message)).unzip();
            let text = |text: Option<Option<String>>| text.flatten().unwrap_or_default();
            let message = format!("{}: {}", text(code), text(said));
            Some((refusal.job_run_id?, CallError { operation: STOP, kind: CallErrorKind::Invalid, message }))
        });
        Ok(refused.collect())
    }
}

/// The problem of runs that came without what they are judged by.
pub(crate) fn unread(operation: &'static str, ids: &[RunId]) -> CallError {
    CallError {
        operation,
        kind: CallErrorKind::Unavailable,
        message: format!(
            "{} job runs came without state or start, `{}` among them",
            ids.len(),
            ids.first().map_or_else(String::new, RunId::to_string)
        ),
    }
}

fn read(job: &str, run: types::JobRun) -> Option<Run> {
    let worker_type = run.worker_type.as_ref().map(types::WorkerType::as_str);
    Some(Run {
        capacity: Capacity::read(worker_type, run.number_of_workers, run.max_capacity),
        id: RunId { job: job.to_owned(), run: run.id? },
        state: State::read(run.job_run_state?.as_str(), STATES),
        started_at: instant(run.started_on?)?,
    })
}

#[cfg(test)]
mod tests;
