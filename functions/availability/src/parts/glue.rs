//! Glue's interactive sessions and job runs, which end for good when the sandbox closes.
//!
//! Jobs and their triggers stay as they are: a run that a schedule starts while the sandbox is closed is seen by the
//! next look. Glue protects nothing against being stopped, so nothing is refused for good.

use aws_sdk_glue::Client;
use aws_sdk_glue::types::{JobRun, JobRunState, Session, SessionStatus};
use futures_util::future;
use futures_util::stream::{self, StreamExt};
use guardrail::Resource;
use jiff::{SignedDuration, Timestamp};
use lambda::aws::instant;
use lambda::{Aws, CallError, CallErrorKind, Clock, Problems};

use crate::part::{Item, Part, Phase, Switch, Turned, TurnedOff};

/// The IAM actions that a look needs.
pub const LOOK_ACTIONS: &[&str] = &[LIST_SESSIONS, LIST_JOBS, GET_JOB_RUNS];

/// The IAM actions that stopping needs beside.
pub const TURN_ACTIONS: &[&str] = &[STOP_SESSION, GET_SESSION, BATCH_STOP_JOB_RUN, GET_JOB_RUN];

/// What sessions are called.
pub const SESSION: &str = "session";

/// What job runs are called. Their ids are `<job>/<run>`, as runs are only found under their job.
pub const JOB_RUN: &str = "job run";

const LIST_SESSIONS: &str = "glue:ListSessions";
const LIST_JOBS: &str = "glue:ListJobs";
const GET_JOB_RUNS: &str = "glue:GetJobRuns";
const STOP_SESSION: &str = "glue:StopSession";
const GET_SESSION: &str = "glue:GetSession";
const BATCH_STOP_JOB_RUN: &str = "glue:BatchStopJobRun";
const GET_JOB_RUN: &str = "glue:GetJobRun";

/// How many sessions or names of jobs a page holds: as many as Glue allows.
const PAGE: i32 = 1_000;

/// How many runs of a job a page holds: as many as Glue allows.
const RUNS_IN_PAGE: i32 = 200;

/// Calls under way at once.
const CALLS_AT_ONCE: usize = 4;

/// How long after its start a run can still be active: a timeout is at most seven days, and the time that a run waits
/// for resources before does not count against it.
/// <https://docs.aws.amazon.com/glue/latest/webapi/API_JobRun.html>
const LONGEST_RUN: SignedDuration = SignedDuration::from_hours(8 * 24);

/// Glue's sessions and job runs.
#[derive(Clone, Debug)]
pub struct Glue<C> {
    client: Client,
    clock: C,
}

impl<C: Clock> Glue<C> {
    /// The sessions and job runs of this account. The clock tells how far back a run can still be active.
    pub fn new(aws: &Aws, clock: C) -> Self {
        let config = aws_sdk_glue::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config), clock }
    }

    /// The sessions that have not ended. Glue lists the others too.
    async fn sessions(&self) -> Result<Vec<Item>, Problems> {
        let pages = self.client.list_sessions().max_results(PAGE).into_paginator().send();
        let pages: Result<Vec<_>, _> = pages.collect().await;
        let pages = pages.map_err(|error| CallError::of(LIST_SESSIONS, &error))?;
        let sessions = pages.into_iter().flat_map(|page| page.sessions.unwrap_or_default());
        Ok(sessions.filter_map(session_item).collect())
    }

    /// The runs of all jobs that have not ended.
    async fn runs(&self) -> Result<Vec<Item>, Problems> {
        let pages = self.client.list_jobs().max_results(PAGE).into_paginator().send();
        let pages: Result<Vec<_>, _> = pages.collect().await;
        let pages = pages.map_err(|error| CallError::of(LIST_JOBS, &error))?;
        let jobs = pages.into_iter().flat_map(|page| page.job_names.unwrap_or_default());
        let runs: Vec<_> = stream::iter(jobs)
            .map(|job| async move { self.runs_of(&job).await })
            .buffered(CALLS_AT_ONCE)
            .collect()
            .await;
        let mut problems = Problems::default();
        let items = runs.into_iter().filter_map(|runs| problems.keep(runs)).flatten().collect();
        problems.into_result().map(|()| items)
    }

    /// The runs of one job that have not ended. They come newest first and cannot be narrowed to a state: they are read
    /// back to where none can be active any more.
    async fn runs_of(&self, job: &str) -> Result<Vec<Item>, CallError> {
        let horizon = self.clock.now().checked_sub(LONGEST_RUN).unwrap_or(Timestamp::MIN);
        let (mut items, mut from) = (Vec::new(), None);
        loop {
            let get = self.client.get_job_runs().job_name(job).max_results(RUNS_IN_PAGE).set_next_token(from).send();
            let page = match get.await.map_err(|error| CallError::of(GET_JOB_RUNS, &error)) {
                Ok(page) => page,
                // The job was deleted since it was listed.
                Err(problem) if problem.kind == CallErrorKind::Missing => return Ok(items),
                Err(problem) => return Err(problem),
            };
            let runs = page.job_runs.unwrap_or_default();
            let started_at = |run: &JobRun| run.started_on.and_then(instant);
            let past_horizon = runs.iter().any(|run| started_at(run).is_some_and(|at| at < horizon));
            items.extend(runs.into_iter().filter_map(|run| run_item(job, run)));
            from = page.next_token.filter(|token| !token.is_empty() && !past_horizon);
            if from.is_none() {
                return Ok(items);
            }
        }
    }

    async fn stop_session(&self, id: &str) -> Result<Turned, CallError> {
        let stop = self.client.stop_session().id(id).send().await;
        let problem = match stop.map_err(|error| CallError::of(STOP_SESSION, &error)) {
            Ok(_) => return Ok(Turned::Told),
            Err(problem) => problem,
        };
        if !may_be_late(&problem) {
            return Err(problem);
        }
        let get = self.client.get_session().id(id).send().await;
        match get.map_err(|error| CallError::of(GET_SESSION, &error)) {
            Ok(answer) => settle(answer.session.and_then(session_item), problem),
            Err(error) if error.kind == CallErrorKind::Missing => Ok(Turned::Gone),
            Err(error) => Err(error),
        }
    }

    async fn stop_run(&self, job: &str, run: &str) -> Result<Turned, CallError> {
        let stop = self.client.batch_stop_job_run().job_name(job).job_run_ids(run).send().await;
        let problem = match stop.map_err(|error| CallError::of(BATCH_STOP_JOB_RUN, &error)) {
            // The batch is of one, so an error in it is about this run.
            Ok(answer) => match answer.errors.unwrap_or_default().into_iter().next() {
                None => return Ok(Turned::Told),
                Some(refusal) => {
                    let detail = refusal.error_detail.map(|detail| (detail.error_code, detail.error_message)).unzip();
                    let text = |text: Option<Option<String>>| text.flatten().unwrap_or_default();
                    let message = format!("{}: {}", text(detail.0), text(detail.1));
                    CallError { operation: BATCH_STOP_JOB_RUN, kind: CallErrorKind::Invalid, message }
                }
            },
            Err(problem) => problem,
        };
        if !may_be_late(&problem) {
            return Err(problem);
        }
        let get = self.client.get_job_run().job_name(job).run_id(run).send().await;
        match get.map_err(|error| CallError::of(GET_JOB_RUN, &error)) {
            Ok(answer) => settle(answer.job_run.and_then(|run| run_item(job, run)), problem),
            Err(error) if error.kind == CallErrorKind::Missing => Ok(Turned::Gone),
            Err(error) => Err(error),
        }
    }
}

impl<C: Clock> Switch for Glue<C> {
    const PART: Part = Part::Glue;

    async fn look(&self) -> Result<Vec<Item>, Problems> {
        let (sessions, runs) = future::join(self.sessions(), self.runs()).await;
        let mut problems = Problems::default();
        let items = [sessions, runs].into_iter().filter_map(|items| problems.keep(items)).flatten().collect();
        problems.into_result().map(|()| items)
    }

    async fn turn_off(&self, item: &Item, _now: Timestamp) -> Result<Turned, CallError> {
        let Resource { kind, id } = &item.resource;
        // A job's name may hold slashes, a run's id holds none.
        match (kind.as_str(), id.rsplit_once('/')) {
            (SESSION, _) => self.stop_session(id).await,
            (JOB_RUN, Some((job, run))) => self.stop_run(job, run).await,
            _ => Ok(Turned::Refused(format!("`{id}` names no {kind}"))),
        }
    }

    async fn turn_on(&self, item: &TurnedOff) -> Result<Turned, CallError> {
        Ok(Turned::Refused(format!("a {} that was stopped does not go on", item.resource.kind)))
    }
}

/// Whether an order may have failed because there is nothing left to stop.
fn may_be_late(problem: &CallError) -> bool {
    matches!(problem.kind, CallErrorKind::Invalid | CallErrorKind::Missing)
}

/// Whether an order that was not taken came too late. AWS lists no codes that say so; what is still there does.
fn settle(still: Option<Item>, problem: CallError) -> Result<Turned, CallError> {
    match still {
        Some(Item { phase: Phase::On, .. }) => Err(problem),
        _ => Ok(Turned::Told),
    }
}

/// A session, unless it has ended.
///
/// That it ends by itself after its idle timeout, two days by default, is not finishing: people work in it until then.
fn session_item(session: Session) -> Option<Item> {
    let id = session.id?;
    let phase = match &session.status {
        Some(SessionStatus::Provisioning | SessionStatus::Ready) => Phase::On,
        Some(SessionStatus::Stopping) => Phase::TurningOff,
        Some(SessionStatus::Stopped | SessionStatus::Failed | SessionStatus::Timeout) => return None,
        state => {
            // Better stopped in vain than overlooked at work.
            tracing::warn!(session.id = id, session.state = ?state, "session is in an unknown state and counts as on");
            Phase::On
        }
    };
    Some(Item {
        resource: Resource { kind: SESSION.to_owned(), id },
        phase,
        state: session.status.map_or_else(|| "none".to_owned(), |state| state.as_str().to_owned()),
        finishes: false,
        memo: None,
    })
}

/// A run of a job, unless it has ended.
fn run_item(job: &str, run: JobRun) -> Option<Item> {
    let id = format!("{job}/{}", run.id?);
    let phase = match &run.job_run_state {
        Some(JobRunState::Starting | JobRunState::Running | JobRunState::Waiting) => Phase::On,
        Some(JobRunState::Stopping) => Phase::TurningOff,
        Some(
            JobRunState::Stopped
            | JobRunState::Succeeded
            | JobRunState::Failed
            | JobRunState::Timeout
            | JobRunState::Error
            | JobRunState::Expired,
        ) => return None,
        state => {
            tracing::warn!(run.id = id, run.state = ?state, "job run is in an unknown state and counts as on");
            Phase::On
        }
    };
    Some(Item {
        resource: Resource { kind: JOB_RUN.to_owned(), id },
        phase,
        state: run.job_run_state.map_or_else(|| "none".to_owned(), |state| state.as_str().to_owned()),
        finishes: true,
        memo: None,
    })
}

#[cfg(test)]
mod tests;
