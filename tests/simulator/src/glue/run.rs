//! One job run's life, told by instants: when it was started, leaves the queue, runs, was told to stop and ends.
//!
//! Its state at any moment follows from them, its timeout included, so nothing has to happen for a run to make
//! progress.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::size::Size;
use super::{members_of, minutes_of};
use crate::athena::Outcome;
use crate::clock;
use crate::events::ServiceEvent;

/// The error of every run that fails.
const FAILURE: &str = "Command failed with exit code 1";

/// The states of a job run that occur here, as Glue writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum JobRunState {
    /// Waits in its job's queue.
    Waiting,
    /// Gets its workers.
    Starting,
    /// Runs.
    Running,
    /// Was told to stop, and has not yet.
    Stopping,
    /// Was told to stop.
    Stopped,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Ran longer than it was allowed to.
    Timeout,
}

impl JobRunState {
    /// Whether a run in this state has ended.
    pub fn is_terminal(self) -> bool {
        use JobRunState::{Failed, Stopped, Succeeded, Timeout};
        matches!(self, Stopped | Succeeded | Failed | Timeout)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            JobRunState::Waiting => "WAITING",
            JobRunState::Starting => "STARTING",
            JobRunState::Running => "RUNNING",
            JobRunState::Stopping => "STOPPING",
            JobRunState::Stopped => "STOPPED",
            JobRunState::Succeeded => "SUCCEEDED",
            JobRunState::Failed => "FAILED",
            JobRunState::Timeout => "TIMEOUT",
        }
    }
}

/// A job run to be started, possibly in the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobRunSpec {
    /// The job it is a run of; created when it does not exist.
    pub job: String,
    /// How long ago it was started.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub age: Duration,
    /// How long it waits in the job's queue.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub waiting: Duration,
    /// How long it takes from there until it runs.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub starting: Duration,
    /// How long it runs; until it is stopped or times out when not given.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub runs_for: Option<Duration>,
    /// How it ends.
    pub outcome: Outcome,
    /// How long it may run; as long as the job says when not given. The API shows whole minutes.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub timeout: Option<Duration>,
    /// After which time Glue tells that the run is still there; as the job says when not given. The API shows whole
    /// minutes.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub notify_delay_after: Option<Duration>,
    /// The type of its workers; the job's when not given.
    pub worker_type: Option<String>,
    /// The number of its workers; the job's when not given.
    pub number_of_workers: Option<u32>,
    /// Tags to be added to the job's: runs have none.
    pub tags: BTreeMap<String, String>,
    /// How long it goes on after it was told to stop; longer than a test lasts is a run that cannot be stopped.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub stopping_takes: Duration,
    /// What the API says in place of its state until it is told to stop or ends.
    pub raw_state: Option<String>,
    /// Who starts it, for CloudTrail; the account's root when not given.
    pub started_by: Option<String>,
}

impl Default for JobRunSpec {
    /// A run of the job `etl` that runs from now until it is stopped or times out.
    fn default() -> JobRunSpec {
        JobRunSpec {
            job: "etl".to_owned(),
            age: Duration::ZERO,
            waiting: Duration::ZERO,
            starting: Duration::ZERO,
            runs_for: None,
            outcome: Outcome::Succeeds,
            timeout: None,
            notify_delay_after: None,
            worker_type: None,
            number_of_workers: None,
            tags: BTreeMap::new(),
            stopping_takes: Duration::ZERO,
            raw_state: None,
            started_by: None,
        }
    }
}

/// What can be seen of a job run now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobRunView {
    /// Its id.
    pub id: String,
    /// Its job.
    pub job: String,
    /// Its state.
    pub state: JobRunState,
    /// Its state in the words of the API, which may be none that Glue documents.
    pub shown_state: String,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it began to run, if it has.
    pub running_at: Option<Timestamp>,
    /// When it was told to stop, if it was while it could obey.
    pub stopped_at: Option<Timestamp>,
    /// When it ended, if it has.
    pub completed_at: Option<Timestamp>,
    /// How often it was told to stop, in vain too.
    pub stop_calls: u32,
    /// The type of its workers, if it was given by workers.
    pub worker_type: Option<String>,
    /// The number of its workers, if it was given by workers.
    pub number_of_workers: Option<u32>,
}

/// What a run takes over from its job and its request, and what only comes back in the answers.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) id: Arc<str>,
    pub(super) job: Arc<str>,
    pub(super) size: Size,
    pub(super) timeout: Duration,
    pub(super) notify_after: Option<Duration>,
    /// The run it repeats.
    pub(super) previous: Option<(Arc<str>, u32)>,
    pub(super) echo: Map<String, Value>,
}

#[derive(Debug)]
pub(super) struct JobRun {
    pub(super) terms: Terms,
    started_at: Timestamp,
    leaves_queue_at: Timestamp,
    running_at: Timestamp,
    end: End,
    outcome: Outcome,
    stopping_takes: Duration,
    stopped_at: Option<Timestamp>,
    stop_calls: u32,
    raw_state: Option<String>,
    /// How many of the changes up to now have been announced.
    announced: usize,
}

/// How and when the run ends as things stand.
#[derive(Debug, Clone, Copy)]
struct End {
    at: Timestamp,
    state: JobRunState,
}

fn state_after(outcome: Outcome) -> JobRunState {
    match outcome {
        Outcome::Succeeds => JobRunState::Succeeded,
        Outcome::Fails => JobRunState::Failed,
    }
}

impl JobRun {
    /// A run that lives as `spec` says, seen from `now`.
    pub(super) fn new(terms: Terms, spec: &JobRunSpec, now: Timestamp) -> JobRun {
        let started_at = clock::before(now, spec.age);
        let leaves_queue_at = clock::after(started_at, spec.waiting);
        let running_at = clock::after(leaves_queue_at, spec.starting);
        let own = spec
            .runs_for
            .map(|runs_for| End { at: clock::after(running_at, runs_for), state: state_after(spec.outcome) });
        let limit = End { at: clock::after(running_at, terms.timeout), state: JobRunState::Timeout };
        let mut run = JobRun {
            terms,
            started_at,
            leaves_queue_at,
            running_at,
            // On a tie its own end comes first.
            end: own.filter(|own| own.at <= limit.at).unwrap_or(limit),
            outcome: spec.outcome,
            stopping_takes: spec.stopping_takes,
            stopped_at: None,
            stop_calls: 0,
            raw_state: spec.raw_state.clone(),
            announced: 0,
        };
        // What happened before anybody was looking is not announced.
        run.announced = run.changes().iter().filter(|(at, _)| *at < now).count();
        run
    }

    pub(super) fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// How many runs it repeats.
    pub(super) fn attempt(&self) -> u32 {
        self.terms.previous.as_ref().map_or(0, |(_, attempt)| attempt + 1)
    }

    pub(super) fn is_active(&self, now: Timestamp) -> bool {
        now < self.end.at
    }

    /// Whether it takes one of its job's concurrent runs; one in the queue does not.
    pub(super) fn is_concurrent(&self, now: Timestamp) -> bool {
        self.is_active(now) && self.leaves_queue_at <= now
    }

    pub(super) fn state(&self, now: Timestamp) -> JobRunState {
        if self.end.at <= now {
            self.end.state
        } else if self.stopped_at.is_some_and(|at| at <= now) {
            JobRunState::Stopping
        } else if now < self.leaves_queue_at {
            JobRunState::Waiting
        } else if now < self.running_at {
            JobRunState::Starting
        } else {
            JobRunState::Running
        }
    }

    /// The state in the words of the API.
    fn shown_state(&self, now: Timestamp) -> &str {
        match (self.state(now), &self.raw_state) {
            (JobRunState::Waiting | JobRunState::Starting | JobRunState::Running, Some(raw)) => raw,
            (state, _) => state.as_str(),
        }
    }

    /// When it began to run, if it came to that before it ended or was told to stop.
    fn ran_at(&self) -> Option<Timestamp> {
        Some(self.running_at).filter(|at| *at <= self.end.at && self.stopped_at.is_none_or(|stopped| *at < stopped))
    }

    /// Tells the run to stop; answers the state in which it cannot be told. It ends by itself if that comes first.
    pub(super) fn stop(&mut self, now: Timestamp) -> Result<(), JobRunState> {
        self.stop_calls += 1;
        match self.state(now) {
            JobRunState::Waiting | JobRunState::Starting | JobRunState::Running => {
                self.stopped_at = Some(now);
                let at = clock::after(now, self.stopping_takes);
                if at < self.end.at {
                    self.end = End { at, state: JobRunState::Stopped };
                }
                Ok(())
            }
            state => Err(state),
        }
    }

    /// Ends the run now, with its outcome; one that was told to stop has stopped.
    pub(super) fn finish(&mut self, now: Timestamp) {
        if !self.is_active(now) {
            return;
        }
        // It must have run to end by itself.
        self.leaves_queue_at = self.leaves_queue_at.min(now);
        self.running_at = self.running_at.min(now);
        let state = if self.stopped_at.is_some() { JobRunState::Stopped } else { state_after(self.outcome) };
        self.end = End { at: now, state };
    }

    /// What Glue tells of the run: that it is in a state past its delay, once for each, and how it ended.
    fn changes(&self) -> Vec<(Timestamp, JobRunState)> {
        let mut changes = Vec::new();
        if let Some(delay) = self.terms.notify_after {
            let due = clock::after(self.started_at, delay);
            let entered = [Some(self.leaves_queue_at), Some(self.running_at), self.stopped_at];
            let mut looks: Vec<Timestamp> = entered.into_iter().flatten().filter(|at| *at > due).collect();
            looks.push(due);
            looks.sort_unstable();
            for at in looks.into_iter().filter(|at| *at < self.end.at) {
                let state = self.state(at);
                if state != JobRunState::Waiting && changes.iter().all(|(_, told)| *told != state) {
                    changes.push((at, state));
                }
            }
        }
        changes.push((self.end.at, self.end.state));
        changes
    }

    /// When the next change comes that has not been announced.
    pub(super) fn next_change(&self) -> Option<Timestamp> {
        self.changes().get(self.announced).map(|(at, _)| *at)
    }

    /// The events of the changes up to `now` that have not been announced.
    pub(super) fn announce(&mut self, now: Timestamp) -> Vec<ServiceEvent> {
        let changes: Vec<_> = self.changes().into_iter().take_while(|(at, _)| *at <= now).collect();
        let events = changes.iter().skip(self.announced).map(|(at, state)| self.event(*at, *state)).collect();
        self.announced = changes.len();
        events
    }

    /// One change in the words of <https://docs.aws.amazon.com/AmazonCloudWatch/latest/events/EventTypes.html>.
    fn event(&self, at: Timestamp, state: JobRunState) -> ServiceEvent {
        let (job, id) = (&*self.terms.job, &*self.terms.id);
        let (severity, message) = match state {
            JobRunState::Succeeded => ("INFO", "Job run succeeded".to_owned()),
            JobRunState::Stopped => ("INFO", "Job run stopped".to_owned()),
            JobRunState::Timeout => ("WARN", "Job run timed out".to_owned()),
            JobRunState::Failed => {
                ("ERROR", format!("JobName:{job} and JobRunId:{id} failed to execute with exception {FAILURE}"))
            }
            JobRunState::Waiting | JobRunState::Starting | JobRunState::Running | JobRunState::Stopping => {
                ("INFO", format!("Job is in {} state", state.as_str()))
            }
        };
        let mut detail = members_of(json!({
            "jobName": job,
            "severity": severity,
            "state": state.as_str(),
            "jobRunId": id,
            "message": message,
        }));
        let detail_type = if state.is_terminal() {
            "Glue Job State Change"
        } else {
            let delay = f64::from(u32::try_from(minutes_of(self.terms.notify_after.unwrap_or_default())).unwrap_or(0));
            detail.insert("notificationCondition".to_owned(), json!({ "NotifyDelayAfter": delay }));
            let started_on = self.started_at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
            detail.insert("startedOn".to_owned(), started_on.into());
            "Glue Job Run Status"
        };
        ServiceEvent { source: "aws.glue", detail_type, at, resources: Vec::new(), detail: detail.into() }
    }

    pub(super) fn view(&self, now: Timestamp) -> JobRunView {
        let workers = self.terms.size.workers.as_ref();
        JobRunView {
            id: self.terms.id.to_string(),
            job: self.terms.job.to_string(),
            state: self.state(now),
            shown_state: self.shown_state(now).to_owned(),
            started_at: self.started_at,
            running_at: self.ran_at().filter(|at| *at <= now),
            stopped_at: self.stopped_at,
            completed_at: Some(self.end.at).filter(|at| *at <= now),
            stop_calls: self.stop_calls,
            worker_type: workers.map(|(worker_type, _)| worker_type.clone()),
            number_of_workers: workers.map(|(_, number)| *number),
        }
    }

    /// The shape `JobRun`.
    pub(super) fn describe(&self, now: Timestamp) -> Value {
        let state = self.state(now);
        let seen = now.min(self.end.at);
        let changed_at = [Some(self.leaves_queue_at), self.ran_at(), self.stopped_at, Some(self.end.at)]
            .into_iter()
            .flatten()
            .filter(|at| *at <= seen)
            .fold(self.started_at, Timestamp::max);
        let mut run = members_of(json!({
            "Id": *self.terms.id,
            "Attempt": self.attempt(),
            "JobName": *self.terms.job,
            "JobMode": "SCRIPT",
            "JobRunQueuingEnabled": self.started_at < self.leaves_queue_at,
            "StartedOn": clock::epoch_seconds(self.started_at),
            "LastModifiedOn": clock::epoch_seconds(changed_at),
            "JobRunState": self.shown_state(now),
            "PredecessorRuns": [],
            "AllocatedCapacity": self.terms.size.allocated_capacity(),
            "ExecutionTime": self.ran_at().map_or(0, |at| clock::between(at, seen).as_secs()),
            "Timeout": minutes_of(self.terms.timeout),
            "LogGroupName": "/aws-glue/jobs",
            "GlueVersion": "5.0",
            "ExecutionClass": "STANDARD",
        }));
        run.extend(self.terms.echo.clone());
        self.terms.size.describe(&mut run);
        if let Some(delay) = self.terms.notify_after {
            run.insert("NotificationProperty".to_owned(), json!({ "NotifyDelayAfter": minutes_of(delay) }));
        }
        if let Some((previous, _)) = &self.terms.previous {
            run.insert("PreviousRunId".to_owned(), (**previous).into());
        }
        if state.is_terminal() {
            run.insert("CompletedOn".to_owned(), clock::epoch_seconds(self.end.at));
        }
        match state {
            JobRunState::Failed => run.insert("ErrorMessage".to_owned(), FAILURE.into()),
            JobRunState::Timeout => run.insert("ErrorMessage".to_owned(), "Job run timed out".into()),
            _ => None,
        };
        run.into()
    }
}
