//! Glue in memory, for the tests of this room: sessions, statements, jobs, runs, tags, faults and a count of calls.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use guardrail::config::Configuration;
use guardrail::{Policy, Resource, Service};
use jiff::{SignedDuration, Timestamp};
use lambda::fakes::{ManualClock, failed};
use lambda::room::Wanted;
use lambda::{CallError, CallErrorKind, Clock};

use crate::capacity::Capacity;
use crate::client::Tags;
use crate::look::Glue;
use crate::runs::{BATCH, JOB_RUN, JobPage, JobRuns, Run, RunId, RunPage, StopJobRuns};
use crate::sessions::{SESSION, Session, SessionPage, Sessions, Statement, StatementPage, StopSessions};
use crate::state::{Phase, State};

/// When the tests play.
pub(crate) const NOON: &str = "2026-11-21T12:00:00Z";

/// How many sessions, statements or jobs a page of the fake holds.
const PAGE: usize = 3;

/// A shared Glue.
#[derive(Clone)]
pub(crate) struct FakeGlue {
    clock: ManualClock,
    state: Rc<RefCell<Account>>,
    calls: Rc<RefCell<BTreeMap<&'static str, usize>>>,
    faults: Rc<RefCell<Vec<Fault>>>,
    /// Whether it takes orders and does nothing.
    pub(crate) ignores_stop: Rc<Cell<bool>>,
    /// Whether it refuses orders.
    pub(crate) refuses_stop: Rc<Cell<bool>>,
}

/// The next `times` calls of an operation about something of this name fail; of anything, if the name is empty.
struct Fault {
    operation: &'static str,
    about: String,
    kind: CallErrorKind,
    times: usize,
}

#[derive(Default)]
struct Account {
    sessions: BTreeMap<String, FakeSession>,
    /// Runs by job, newest first.
    jobs: BTreeMap<String, Vec<Run>>,
    tags: BTreeMap<String, Tags>,
}

struct FakeSession {
    session: Session,
    statements: Vec<Statement>,
}

fn phase(state: &str) -> Phase {
    match state {
        "STOPPING" => Phase::Ending,
        "STOPPED" | "FAILED" | "TIMEOUT" | "SUCCEEDED" => Phase::Ended,
        _ => Phase::Active,
    }
}

fn state(name: &str) -> State {
    State { name: name.to_owned(), phase: phase(name), known: name != "DREAMING" }
}

impl FakeGlue {
    pub(crate) fn new() -> (Self, Glue<Self, ManualClock>) {
        let clock = ManualClock::at(NOON);
        let fake = Self {
            clock: clock.clone(),
            state: Rc::default(),
            calls: Rc::default(),
            faults: Rc::default(),
            ignores_stop: Rc::default(),
            refuses_stop: Rc::default(),
        };
        (fake.clone(), Glue::new(fake, clock))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The moment this many minutes ago.
    pub(crate) fn ago(&self, minutes: i64) -> Timestamp {
        self.now() - SignedDuration::from_mins(minutes)
    }

    pub(crate) fn pass(&self, minutes: i64) {
        self.clock.set(self.now() + SignedDuration::from_mins(minutes));
    }

    /// Lets time pass by this much each time somebody looks at the clock.
    pub(crate) fn hurry(&self, step: SignedDuration) {
        self.clock.step_by(step);
    }

    /// A session that was created some minutes ago, or the new state of one that there is.
    pub(crate) fn session_is(&self, id: &str, minutes: i64, name: &str) {
        let created_at = self.ago(minutes);
        let mut account = self.state.borrow_mut();
        let fake = account.sessions.entry(id.to_owned()).or_insert_with(|| FakeSession {
            session: Session {
                id: id.to_owned(),
                state: state(name),
                created_at,
                capacity: Capacity { dpus: Some(5), unknown_worker_type: None },
                by_statements: true,
            },
            statements: Vec::new(),
        });
        fake.session.state = state(name);
    }

    /// Has a session work past Glue's statements.
    pub(crate) fn connect(&self, id: &str) {
        self.state.borrow_mut().sessions.get_mut(id).unwrap().session.by_statements = false;
    }

    /// Runs a statement in a session: under way, or ended some minutes ago.
    pub(crate) fn statement(&self, session: &str, ended: Option<i64>) {
        let ended_at = ended.map(|minutes| self.ago(minutes));
        let mut account = self.state.borrow_mut();
        let statements = &mut account.sessions.get_mut(session).unwrap().statements;
        let id = i32::try_from(statements.len()).unwrap();
        statements.push(Statement { id, under_way: ended.is_none(), ended_at });
    }

    /// Ends the statements of a session that are under way.
    pub(crate) fn finish_statements(&self, session: &str) {
        let now = self.now();
        let mut account = self.state.borrow_mut();
        let statements = &mut account.sessions.get_mut(session).unwrap().statements;
        for statement in statements.iter_mut().filter(|statement| statement.under_way) {
            (statement.under_way, statement.ended_at) = (false, Some(now));
        }
    }

    /// Lists a session's statements newest first.
    pub(crate) fn turn_statements(&self, session: &str) {
        self.state.borrow_mut().sessions.get_mut(session).unwrap().statements.reverse();
    }

    pub(crate) fn job(&self, job: &str) {
        self.state.borrow_mut().jobs.entry(job.to_owned()).or_default();
    }

    pub(crate) fn delete_job(&self, job: &str) {
        self.state.borrow_mut().jobs.remove(job);
    }

    /// A run that was started some minutes ago, or the new state of one that there is.
    pub(crate) fn run_is(&self, job: &str, run: &str, minutes: i64, name: &str) {
        let started_at = self.ago(minutes);
        let mut account = self.state.borrow_mut();
        let runs = account.jobs.entry(job.to_owned()).or_default();
        if let Some(known) = runs.iter_mut().find(|known| known.id.run == run) {
            known.state = state(name);
            return;
        }
        let place = runs.partition_point(|other| other.started_at > started_at);
        let id = RunId { job: job.to_owned(), run: run.to_owned() };
        let capacity = Capacity { dpus: Some(10), unknown_worker_type: None };
        runs.insert(place, Run { id, state: state(name), started_at, capacity });
    }

    /// Tags a session or a job.
    pub(crate) fn tag(&self, name: &str, key: &str, value: &str) {
        self.state.borrow_mut().tags.entry(name.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
    }

    /// Lets the next `times` calls of an operation fail that are about something of this name, or about anything.
    pub(crate) fn fail(&self, operation: &'static str, about: &str, kind: CallErrorKind, times: usize) {
        self.faults.borrow_mut().push(Fault { operation, about: about.to_owned(), kind, times });
    }

    /// The calls that were made since this was last asked.
    pub(crate) fn take_calls(&self) -> Vec<(&'static str, usize)> {
        self.calls.take().into_iter().collect()
    }

    /// The state of a session or a job run.
    pub(crate) fn state_of(&self, resource: &Resource) -> String {
        let account = self.state.borrow();
        match RunId::of(resource) {
            Some(id) => account.jobs[&id.job].iter().find(|run| run.id == id).unwrap().state.name.clone(),
            None => account.sessions[&resource.id].session.state.name.clone(),
        }
    }

    fn call(&self, operation: &'static str, about: &str) -> Result<(), CallError> {
        *self.calls.borrow_mut().entry(operation).or_default() += 1;
        let mut faults = self.faults.borrow_mut();
        let concerns = |fault: &&mut Fault| {
            fault.operation == operation && fault.times > 0 && (fault.about.is_empty() || fault.about == about)
        };
        match faults.iter_mut().find(concerns) {
            Some(fault) => {
                fault.times -= 1;
                Err(failed(operation, fault.kind))
            }
            None => Ok(()),
        }
    }
}

/// A page that begins at `from`, and where the next one begins.
fn page<T: Clone>(all: &[T], size: usize, from: Option<&str>) -> (Vec<T>, Option<String>) {
    let start: usize = from.map_or(0, |from| from.parse().unwrap());
    let end = all.len().min(start + size);
    (all[start..end].to_vec(), (end < all.len()).then(|| end.to_string()))
}

impl Sessions for FakeGlue {
    async fn sessions(&self, from: Option<&str>) -> Result<SessionPage, CallError> {
        self.call("glue:ListSessions", "")?;
        let all: Vec<_> = self.state.borrow().sessions.values().map(|fake| fake.session.clone()).collect();
        let (sessions, next) = page(&all, PAGE, from);
        Ok(SessionPage { sessions, unread: Vec::new(), next })
    }

    async fn session(&self, id: &str) -> Result<Option<Session>, CallError> {
        self.call("glue:GetSession", id)?;
        Ok(self.state.borrow().sessions.get(id).map(|fake| fake.session.clone()))
    }

    async fn statements(&self, session: &str, from: Option<&str>) -> Result<Option<StatementPage>, CallError> {
        self.call("glue:ListStatements", session)?;
        let account = self.state.borrow();
        let Some(fake) = account.sessions.get(session).filter(|fake| fake.session.state.name == "READY") else {
            return Ok(None);
        };
        let (statements, next) = page(&fake.statements, PAGE, from);
        Ok(Some(StatementPage { statements, next }))
    }

    async fn session_tags(&self, id: &str) -> Result<Tags, CallError> {
        self.call("glue:GetTags", id)?;
        Ok(self.state.borrow().tags.get(id).cloned().unwrap_or_default())
    }
}

impl StopSessions for FakeGlue {
    async fn stop_session(&self, id: &str) -> Result<(), CallError> {
        self.call("glue:StopSession", id)?;
        let mut account = self.state.borrow_mut();
        match account.sessions.get_mut(id) {
            Some(fake) if fake.session.state.phase == Phase::Active && !self.refuses_stop.get() => {
                if !self.ignores_stop.get() {
                    fake.session.state = state("STOPPING");
                }
                Ok(())
            }
            _ => Err(failed("glue:StopSession", CallErrorKind::Invalid)),
        }
    }
}

impl JobRuns for FakeGlue {
    async fn jobs(&self, from: Option<&str>) -> Result<JobPage, CallError> {
        self.call("glue:ListJobs", "")?;
        let all: Vec<_> = self.state.borrow().jobs.keys().cloned().collect();
        let (jobs, next) = page(&all, PAGE, from);
        Ok(JobPage { jobs, next })
    }

    async fn runs(&self, job: &str, at_most: i32, from: Option<&str>) -> Result<Option<RunPage>, CallError> {
        self.call("glue:GetJobRuns", job)?;
        let account = self.state.borrow();
        let Some(all) = account.jobs.get(job) else { return Ok(None) };
        let (runs, next) = page(all, usize::try_from(at_most).unwrap(), from);
        Ok(Some(RunPage { runs, unread: Vec::new(), next }))
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, CallError> {
        self.call("glue:GetJobRun", &id.to_string())?;
        let account = self.state.borrow();
        Ok(account.jobs.get(&id.job).and_then(|runs| runs.iter().find(|run| run.id == *id)).cloned())
    }

    async fn job_tags(&self, job: &str) -> Result<Tags, CallError> {
        self.call("glue:GetTags", job)?;
        Ok(self.state.borrow().tags.get(job).cloned().unwrap_or_default())
    }
}

impl StopJobRuns for FakeGlue {
    async fn stop_runs(&self, job: &str, runs: &[String]) -> Result<BTreeMap<String, CallError>, CallError> {
        assert!((1..=BATCH).contains(&runs.len()), "Glue takes 1 to {BATCH} runs, not {}", runs.len());
        self.call("glue:BatchStopJobRun", job)?;
        let mut account = self.state.borrow_mut();
        let mut refused = BTreeMap::new();
        for id in runs {
            let known = account.jobs.get_mut(job).and_then(|runs| runs.iter_mut().find(|run| run.id.run == *id));
            match known {
                Some(run) if run.state.phase == Phase::Active && !self.refuses_stop.get() => {
                    if !self.ignores_stop.get() {
                        run.state = state("STOPPING");
                    }
                }
                _ => {
                    refused.insert(id.clone(), failed("glue:BatchStopJobRun", CallErrorKind::Invalid));
                }
            }
        }
        Ok(refused)
    }
}

/// A configuration of these parameters, by what follows `/sandbox-guardrails/`.
pub(crate) fn configuration(parameters: &[(&str, &str)]) -> Configuration {
    let named: Vec<_> =
        parameters.iter().map(|(name, value)| (format!("/sandbox-guardrails/{name}"), *value)).collect();
    let (configuration, faults) = Configuration::read(named.iter().map(|(name, value)| (name.as_str(), *value)));
    assert!(faults.is_empty(), "{faults:?}");
    configuration
}

/// The policy of a guardrail under these parameters.
pub(crate) fn policy(guardrail: &str, parameters: &[(&str, &str)]) -> Policy {
    configuration(parameters).policy(guardrail::catalogue::find(guardrail).unwrap())
}

/// What Glue's guardrails want to see.
pub(crate) fn wanted(configuration: &Configuration) -> Wanted<'_> {
    Wanted::new(Service::Glue, configuration)
}

pub(crate) fn session(id: &str) -> Resource {
    Resource { kind: SESSION.to_owned(), id: id.to_owned() }
}

pub(crate) fn run(id: &str) -> Resource {
    Resource { kind: JOB_RUN.to_owned(), id: id.to_owned() }
}
