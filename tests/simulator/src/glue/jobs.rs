//! The operations on jobs and their runs.
//!
//! Job run queuing is not simulated: a run past its job's limit is refused, whatever it says about queuing. A run that
//! waits in a queue is one that a test has started so. A request's `AllocatedCapacity`, long deprecated, is not looked
//! at.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::directive::{self, ARGUMENT};
use super::job::{GlueJobSpec, Job};
use super::paging::{Page, newest_first};
use super::run::{JobRun, JobRunSpec, Terms};
use super::size::Size;
use super::{PAGE_LIMIT, SOURCE, error, has_tags, invalid, minutes, not_found, texts_of};
use crate::accounts::Place;
use crate::cloudtrail::Creation;
use crate::events::ServiceEvent;
use crate::input::Input;
use crate::protocol::AwsError;

/// The most runs one page shows, and the most one request stops.
const RUN_PAGE_LIMIT: i64 = 200;
const STOPS_LIMIT: usize = 25;

fn job_not_found(name: &str) -> AwsError {
    not_found(&format!("Job {name} not found."))
}

fn run_not_found(id: &str) -> AwsError {
    not_found(&format!("Job run {id} not found."))
}

/// All jobs of one account in one Region, and their runs.
#[derive(Debug)]
pub(super) struct Jobs {
    /// The role of every job.
    role: String,
    jobs: BTreeMap<String, Job>,
    runs: HashMap<Arc<str>, JobRun>,
    /// How many runs there have been, so that those of one millisecond keep their order.
    count: u64,
    /// Runs by the next change that has to be announced.
    due: BTreeSet<(Timestamp, Arc<str>)>,
    pub(super) created: Vec<Creation>,
}

/// What a request for a run says beside what the simulator makes of it.
#[derive(Debug, Default)]
pub(super) struct Asked {
    size: Option<Size>,
    notify_after: Option<Duration>,
    previous: Option<(Arc<str>, u32)>,
    echo: Map<String, Value>,
}

impl Jobs {
    pub(super) fn new(place: &Place) -> Jobs {
        Jobs {
            role: super::default_role(place),
            jobs: BTreeMap::new(),
            runs: HashMap::new(),
            count: 0,
            due: BTreeSet::new(),
            created: Vec::new(),
        }
    }

    pub(super) fn job(&self, name: &str) -> Option<&Job> {
        self.jobs.get(name)
    }

    pub(super) fn run(&self, id: &str) -> Option<&JobRun> {
        self.runs.get(id)
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &JobRun> {
        self.runs.values()
    }

    /// Defines a job, in place of one of the same name, whose runs it keeps.
    pub(super) fn define(&mut self, spec: &GlueJobSpec, now: Timestamp) -> &Job {
        let mut job = Job::new(spec, self.role.clone(), now);
        let (request, response) = job.creation();
        self.record("CreateJob", job.created_at(), spec.started_by.as_ref(), request, response);
        job.runs = self.jobs.remove(&spec.name).map(|former| former.runs).unwrap_or_default();
        self.jobs.entry(spec.name.clone()).or_insert(job)
    }

    /// Starts a run, past its job's limit too; a job that does not exist is defined.
    pub(super) fn start(&mut self, spec: &JobRunSpec, asked: Asked, now: Timestamp) -> Arc<str> {
        if !self.jobs.contains_key(&spec.job) {
            self.define(&GlueJobSpec::of_run(spec), now);
        }
        let id: Arc<str> = match &asked.previous {
            Some((previous, attempt)) => {
                let first = previous.split_once("_attempt_").map_or(&**previous, |(first, _)| first);
                format!("{first}_attempt_{}", attempt + 1).into()
            }
            None => format!("jr_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()).into(),
        };
        if let Some(job) = self.jobs.get_mut(&spec.job) {
            job.tags.extend(spec.tags.clone());
            let size = asked.size.or_else(|| size_of(spec, job)).unwrap_or_else(|| job.size.clone());
            let request = match &size.workers {
                Some((worker_type, number)) => {
                    json!({ "jobName": *job.name, "workerType": worker_type, "numberOfWorkers": number })
                }
                None => json!({ "jobName": *job.name }),
            };
            let terms = Terms {
                id: Arc::clone(&id),
                job: Arc::clone(&job.name),
                size,
                timeout: spec.timeout.unwrap_or(job.timeout),
                notify_after: spec.notify_delay_after.or(asked.notify_after).or(job.notify_after),
                previous: asked.previous,
                echo: asked.echo,
            };
            let run = JobRun::new(terms, spec, now);
            self.count += 1;
            job.runs.insert(newest_first(run.started_at(), self.count), Arc::clone(&id));
            let (at, by) = (run.started_at(), spec.started_by.as_ref());
            self.due.extend(run.next_change().map(|next| (next, Arc::clone(&id))));
            self.runs.insert(Arc::clone(&id), run);
            self.record("StartJobRun", at, by, request, json!({ "jobRunId": *id }));
        }
        id
    }

    fn record(
        &mut self,
        event_name: &'static str,
        at: Timestamp,
        by: Option<&String>,
        request: Value,
        response: Value,
    ) {
        self.created.push(Creation { event_source: SOURCE, event_name, at, by: by.cloned(), request, response });
    }

    /// Changes a run and puts it where its next change belongs; nothing comes of a run that does not exist.
    pub(super) fn interfere<T>(&mut self, id: &str, change: impl FnOnce(&mut JobRun) -> T) -> Option<T> {
        let run = self.runs.get_mut(id)?;
        if let Some(next) = run.next_change() {
            self.due.remove(&(next, Arc::clone(&run.terms.id)));
        }
        let answer = change(run);
        self.due.extend(run.next_change().map(|next| (next, Arc::clone(&run.terms.id))));
        Some(answer)
    }

    pub(super) fn announce(&mut self, now: Timestamp) -> Vec<ServiceEvent> {
        let mut events = Vec::new();
        while let Some((at, id)) = self.due.pop_first() {
            if at > now {
                self.due.insert((at, id));
                break;
            }
            if let Some(run) = self.runs.get_mut(&id) {
                // Just this change: the run's next one takes its turn among those of the other runs.
                events.extend(run.announce(at));
                self.due.extend(run.next_change().map(|next| (next, id)));
            }
        }
        events
    }

    pub(super) fn next_change(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(super) fn list_jobs(&self, input: Input<'_>) -> Result<Value, AwsError> {
        let tags = texts_of(input, "Tags", 50)?.unwrap_or_default();
        let page = Page::read(input, PAGE_LIMIT, "job names", &self.jobs, |job| has_tags(&job.tags, &tags))?;
        let names: Vec<&str> = page.entries.iter().map(|job| &*job.name).collect();
        let output = json!({ "JobNames": names });
        Ok(page.give_token(output))
    }

    pub(super) fn get_jobs(&self, input: Input<'_>) -> Result<Value, AwsError> {
        let page = Page::read(input, PAGE_LIMIT, "jobs", &self.jobs, |_| true)?;
        let jobs: Vec<Value> = page.entries.iter().map(|job| job.describe()).collect();
        Ok(page.give_token(json!({ "Jobs": jobs })))
    }

    pub(super) fn get_job_runs(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let name = input.required_text("JobName", 1..=255)?;
        let job = self.job(name).ok_or_else(|| job_not_found(name))?;
        let page = Page::read(input, RUN_PAGE_LIMIT, &format!("runs of {name}"), &job.runs, |_| true)?;
        let runs = page.entries.iter().filter_map(|id| self.runs.get(*id));
        let runs: Vec<Value> = runs.map(|run| run.describe(now)).collect();
        Ok(page.give_token(json!({ "JobRuns": runs })))
    }

    pub(super) fn get_job_run(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let name = input.required_text("JobName", 1..=255)?;
        let id = input.required_text("RunId", 1..=255)?;
        let run = self.run_of(name, id).ok_or_else(|| run_not_found(id))?;
        Ok(json!({ "JobRun": run.describe(now) }))
    }

    fn run_of(&self, job: &str, id: &str) -> Option<&JobRun> {
        self.runs.get(id).filter(|run| *run.terms.job == *job)
    }

    pub(super) fn start_job_run(&mut self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let name = input.required_text("JobName", 1..=255)?;
        let previous = input.text("JobRunId", 1..=255)?;
        let arguments = texts_of(input, "Arguments", usize::MAX)?.unwrap_or_default();
        let timeout = minutes(input, "Timeout")?;
        let notification = input.object("NotificationProperty")?;
        let notify_after = notification.map(|property| minutes(property, "NotifyDelayAfter")).transpose()?.flatten();
        let size = Size::read(input)?;
        let mut echo = Map::new();
        if let Some(queuing) = input.flag("JobRunQueuingEnabled")? {
            echo.insert("JobRunQueuingEnabled".to_owned(), queuing.into());
        }
        echo.insert("Arguments".to_owned(), json!(arguments));
        for (member, length) in [("SecurityConfiguration", 1..=255), ("ExecutionRoleSessionPolicy", 2..=2_048)] {
            if let Some(text) = input.text(member, length)? {
                echo.insert(member.to_owned(), text.into());
            }
        }
        if let Some(class) = input.text("ExecutionClass", 0..=16)? {
            if !matches!(class, "FLEX" | "STANDARD") {
                return Err(invalid(
                    "1 validation error detected: Value at 'executionClass' failed to satisfy constraint: \
                     Member must satisfy enum value set: [FLEX, STANDARD]",
                ));
            }
            echo.insert("ExecutionClass".to_owned(), class.into());
        }
        let Some(job) = self.job(name) else {
            return Err(not_found("Failed to start job run due to missing metadata"));
        };
        let concurrent = job.runs.values().filter_map(|id| self.runs.get(id)).filter(|run| run.is_concurrent(now));
        if concurrent.count() >= usize::try_from(job.max_concurrent_runs).unwrap_or(usize::MAX) {
            return Err(error("ConcurrentRunsExceededException", &format!("Concurrent runs exceeded for {name}")));
        }
        let previous = match previous {
            None => None,
            Some(id) => {
                let run = self.run_of(name, id).ok_or_else(|| run_not_found(id))?;
                Some((Arc::clone(&run.terms.id), run.attempt()))
            }
        };
        let directive = arguments.get(ARGUMENT).map(|text| directive::read(text)).unwrap_or_default();
        let spec = JobRunSpec {
            job: name.to_owned(),
            age: directive.age,
            starting: directive.start,
            runs_for: directive.run,
            outcome: directive.outcome,
            timeout,
            stopping_takes: directive.stop,
            ..JobRunSpec::default()
        };
        let id = self.start(&spec, Asked { size, notify_after, previous, echo }, now);
        Ok(json!({ "JobRunId": *id }))
    }

    /// Each run is stopped or refused on its own; AWS documents no codes for the refusals, so they are those of the
    /// exceptions Glue documents for the same faults.
    pub(super) fn batch_stop_job_run(&mut self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let name = input.required_text("JobName", 1..=255)?;
        let ids = input.texts("JobRunIds", 1..=STOPS_LIMIT)?.ok_or_else(|| input.missing("JobRunIds"))?;
        let (mut stopped, mut errors) = (Vec::new(), Vec::new());
        for id in ids {
            let known = self.run_of(name, id).is_some();
            let answer = if known { self.interfere(id, |run| run.stop(now)) } else { None };
            let fault = match answer {
                Some(Ok(())) => {
                    stopped.push(json!({ "JobName": name, "JobRunId": id }));
                    continue;
                }
                Some(Err(state)) => json!({
                    "ErrorCode": "JobRunInvalidStateTransitionException",
                    "ErrorMessage": format!("Job run {id} is in {} state and cannot be stopped.", state.as_str()),
                }),
                None => json!({
                    "ErrorCode": "EntityNotFoundException",
                    "ErrorMessage": format!("Job run {id} not found."),
                }),
            };
            errors.push(json!({ "JobName": name, "JobRunId": id, "ErrorDetail": fault }));
        }
        Ok(json!({ "SuccessfulSubmissions": stopped, "Errors": errors }))
    }
}

/// The size a test gives a run, in so far as it differs from the job's.
fn size_of(spec: &JobRunSpec, job: &Job) -> Option<Size> {
    if spec.worker_type.is_none() && spec.number_of_workers.is_none() {
        return None;
    }
    let (worker_type, number) = job.size.workers.clone()?;
    let worker_type = spec.worker_type.clone().unwrap_or(worker_type);
    Some(Size::of_workers(&worker_type, spec.number_of_workers.unwrap_or(number)))
}
