//! AWS Glue from the tests' side: arrange sessions, statements and job runs, look at them, end them.

use std::time::Duration;

use jiff::Timestamp;

use super::Glue;
use super::job::{GlueJobSpec, GlueJobView, Job};
use super::jobs::{Asked, Jobs};
use super::run::{JobRunSpec, JobRunState, JobRunView};
use super::session::{SessionSpec, SessionState, SessionView};
use super::statement::{StatementSpec, StatementView};
use crate::accounts::Place;
use crate::athena::Outcome;
use crate::world::World;

/// How long each run and session of a made-up past lasted.
const HISTORIC_RUN: Duration = Duration::from_secs(1);
/// The least there is between two instants.
const INSTANT: Duration = Duration::from_millis(1);

/// The AWS Glue of one account in one Region. Nothing done here counts as a call or meets a fault.
#[derive(Debug, Clone)]
pub struct GlueHandle {
    world: World,
    place: Place,
}

impl GlueHandle {
    pub(crate) fn new(world: World, place: Place) -> GlueHandle {
        GlueHandle { world, place }
    }

    /// Creates a session, in place of one of the same id, and answers its id.
    pub fn start_session(&self, spec: SessionSpec) -> String {
        self.glue(|glue, now| glue.sessions.start(&spec, now))
    }

    /// The session, in whatever state.
    pub fn session(&self, id: &str) -> Option<SessionView> {
        self.glue(|glue, now| glue.sessions.get(id).map(|session| session.view(now)))
    }

    /// The session's state.
    pub fn session_state(&self, id: &str) -> Option<SessionState> {
        self.session(id).map(|session| session.state)
    }

    /// The sessions that have not ended, newest first.
    pub fn active_sessions(&self) -> Vec<SessionView> {
        self.glue(|glue, now| {
            let active = glue.sessions.all().filter(|session| session.is_active(now));
            active.map(|session| session.view(now)).collect()
        })
    }

    /// Ends the session now, as if it had been told to stop and had obeyed, and answers what it has become; a session
    /// that has ended stays as it is.
    pub fn finish_session(&self, id: &str) -> Option<SessionView> {
        self.glue(|glue, now| {
            let session = glue.sessions.get_mut(id)?;
            session.finish(now);
            Some(session.view(now))
        })
    }

    /// Submits a statement, whatever the session's state, and answers its number; nothing without the session.
    pub fn start_statement(&self, session: &str, spec: StatementSpec) -> Option<u32> {
        self.glue(|glue, now| glue.sessions.submit(session, &spec, now))
    }

    /// The statements of a session, oldest first; nothing without the session.
    pub fn statements(&self, session: &str) -> Option<Vec<StatementView>> {
        self.glue(|glue, now| glue.sessions.get(session).map(|session| session.statements(now)))
    }

    /// Ends a running statement now, with its outcome, and answers what it has become; any other stays as it is.
    pub fn finish_statement(&self, session: &str, number: u32) -> Option<StatementView> {
        self.glue(|glue, now| {
            let session = glue.sessions.get_mut(session)?;
            session.finish_statement(number, now);
            session.statements(now).into_iter().find(|view| view.id == number)
        })
    }

    /// Makes up `count` sessions that have ended, and answers their ids, newest first: the newest was created
    /// `newest_age` ago, each other one `spacing` before the one that follows.
    pub fn seed_sessions(&self, count: usize, spacing: Duration, newest_age: Duration) -> Vec<String> {
        self.glue(|glue, now| {
            let ids = ages(count, spacing, newest_age).map(|age| {
                let spec = SessionSpec { age, idle_timeout: Some(lasted(age)), ..SessionSpec::default() };
                glue.sessions.start(&spec, now)
            });
            newest_first(ids.collect())
        })
    }

    /// Defines a job, in place of one of the same name, whose runs it keeps.
    pub fn define_job(&self, spec: GlueJobSpec) -> GlueJobView {
        self.glue(|glue, now| glue.jobs.define(&spec, now).view())
    }

    /// The job, if it exists.
    pub fn job(&self, name: &str) -> Option<GlueJobView> {
        self.glue(|glue, _| glue.jobs.job(name).map(Job::view))
    }

    /// Starts a run, past its job's limit too, and answers its id. A job that does not exist is defined.
    pub fn start_run(&self, spec: JobRunSpec) -> String {
        self.glue(|glue, now| glue.jobs.start(&spec, Asked::default(), now).to_string())
    }

    /// The run, in whatever state.
    pub fn run(&self, id: &str) -> Option<JobRunView> {
        self.glue(|glue, now| glue.jobs.run(id).map(|run| run.view(now)))
    }

    /// The run's state.
    pub fn run_state(&self, id: &str) -> Option<JobRunState> {
        self.run(id).map(|run| run.state)
    }

    /// The runs of all jobs that have not ended, newest first.
    pub fn active_runs(&self) -> Vec<JobRunView> {
        let mut views: Vec<JobRunView> = self.glue(|glue, now| {
            let active = glue.jobs.runs().filter(|run| run.is_active(now));
            active.map(|run| run.view(now)).collect()
        });
        views.sort_by(|one, other| (other.started_at, &other.id).cmp(&(one.started_at, &one.id)));
        views
    }

    /// Ends the run now, with its outcome, and answers what it has become; one that was told to stop has stopped, one
    /// that has ended stays as it is.
    pub fn finish_run(&self, id: &str) -> Option<JobRunView> {
        self.glue(|glue, now| {
            glue.jobs.interfere(id, |run| run.finish(now))?;
            glue.jobs.run(id).map(|run| run.view(now))
        })
    }

    /// Makes up `count` runs of a job that have ended, and answers their ids, newest first: the newest was started
    /// `newest_age` ago, each other one `spacing` before the one that follows. Every tenth failed. They announce
    /// nothing.
    pub fn seed_runs(&self, job: &str, count: usize, spacing: Duration, newest_age: Duration) -> Vec<String> {
        self.glue(|glue, now| seed(&mut glue.jobs, job, count, spacing, newest_age, now))
    }

    /// Makes up `count` jobs with `runs` runs each, as [`GlueHandle::seed_runs`] does, and answers their names in the
    /// order in which they are listed.
    pub fn seed_jobs(&self, count: usize, runs: usize, spacing: Duration, newest_age: Duration) -> Vec<String> {
        self.glue(|glue, now| {
            let names = (0..count).map(|index| {
                let name = format!("job-{index:06}");
                glue.jobs.define(&GlueJobSpec { name: name.clone(), ..GlueJobSpec::default() }, now);
                seed(&mut glue.jobs, &name, runs, spacing, newest_age, now);
                name
            });
            names.collect()
        })
    }

    fn glue<T>(&self, look: impl FnOnce(&mut Glue, Timestamp) -> T) -> T {
        self.world.with(&self.place, |sandbox, now| look(&mut sandbox.glue, now))
    }
}

fn seed(
    jobs: &mut Jobs,
    job: &str,
    count: usize,
    spacing: Duration,
    newest_age: Duration,
    now: Timestamp,
) -> Vec<String> {
    let ids = ages(count, spacing, newest_age).enumerate().map(|(index, age)| {
        let spec = JobRunSpec {
            job: job.to_owned(),
            age,
            runs_for: Some(lasted(age)),
            outcome: if index % 10 == 9 { Outcome::Fails } else { Outcome::Succeeds },
            ..JobRunSpec::default()
        };
        jobs.start(&spec, Asked::default(), now).to_string()
    });
    newest_first(ids.collect())
}

/// The ages of a made-up past, oldest first. However young, each lies before now: what happens now would still be
/// announced.
fn ages(count: usize, spacing: Duration, newest_age: Duration) -> impl Iterator<Item = Duration> {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    (0..count).rev().map(move |index| newest_age.saturating_add(spacing.saturating_mul(index)).max(INSTANT))
}

/// How long something of a made-up past lasted, so that it has ended.
fn lasted(age: Duration) -> Duration {
    HISTORIC_RUN.min(age.saturating_sub(INSTANT))
}

fn newest_first(mut oldest_first: Vec<String>) -> Vec<String> {
    oldest_first.reverse();
    oldest_first
}
