//! One interactive session's life, told by instants: when it was created, is ready, was told to stop, and what its
//! statements do.
//!
//! Its state at any moment follows from them, idleness included, so nothing has to happen for a session to time out.
//! Glue documents no event of a session, so there is none.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::directive::{self, ARGUMENT};
use super::size::{Size, decimal};
use super::statement::{Statement, StatementSpec, StatementView};
use super::{members_of, minutes, minutes_of, texts_of};
use crate::athena::Outcome;
use crate::clock;
use crate::input::Input;
use crate::protocol::AwsError;

/// How long a session lives at most unless it says otherwise: two days, which is Glue's maximum too.
const TIMEOUT: Duration = Duration::from_secs(2_880 * 60);
/// The members of a request that only come back in the answers.
const ECHOED: [(&str, usize); 4] =
    [("Description", 2_048), ("SecurityConfiguration", 255), ("GlueVersion", 255), ("SessionType", 64)];

/// The states of a session, as Glue writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SessionState {
    /// Gets its workers.
    Provisioning,
    /// Takes statements, and costs whether or not there are any.
    Ready,
    /// Got no workers.
    Failed,
    /// Ended by itself, after being idle or alive for too long.
    Timeout,
    /// Was told to stop, and has not yet.
    Stopping,
    /// Was told to stop.
    Stopped,
}

impl SessionState {
    /// Whether a session in this state has ended.
    pub fn is_terminal(self) -> bool {
        matches!(self, SessionState::Failed | SessionState::Timeout | SessionState::Stopped)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            SessionState::Provisioning => "PROVISIONING",
            SessionState::Ready => "READY",
            SessionState::Failed => "FAILED",
            SessionState::Timeout => "TIMEOUT",
            SessionState::Stopping => "STOPPING",
            SessionState::Stopped => "STOPPED",
        }
    }
}

/// A session to be created, possibly in the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionSpec {
    /// Its id; made up when not given.
    pub id: Option<String>,
    /// The ARN of its role; Glue's usual one when not given.
    pub role: Option<String>,
    /// How long ago it was created.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub age: Duration,
    /// How long it takes to be ready.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub provisioning: Duration,
    /// How long ago its last statement ended; it has been idle since it was ready when neither this nor statements are
    /// given.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub idle_for: Option<Duration>,
    /// Its statements, oldest first.
    pub statements: Vec<StatementSpec>,
    /// The type of its workers.
    pub worker_type: String,
    /// The number of its workers.
    pub number_of_workers: u32,
    /// How long it lives at most; Glue's 48 hours when not given. The API shows whole minutes.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub timeout: Option<Duration>,
    /// How long it may be idle; as long as it lives when not given. The API shows whole minutes.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub idle_timeout: Option<Duration>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether it becomes ready or fails instead.
    pub outcome: Outcome,
    /// How long it goes on after it was told to stop; longer than a test lasts is a session that cannot be stopped.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub stopping_takes: Duration,
    /// What the API says in place of its state until it is told to stop or ends.
    pub raw_state: Option<String>,
    /// Who creates it, for CloudTrail; the account's root when not given.
    pub started_by: Option<String>,
}

impl Default for SessionSpec {
    /// A session of two `G.1X` workers, created and ready now, idle until it is stopped or times out.
    fn default() -> SessionSpec {
        SessionSpec {
            id: None,
            role: None,
            age: Duration::ZERO,
            provisioning: Duration::ZERO,
            idle_for: None,
            statements: Vec::new(),
            worker_type: "G.1X".to_owned(),
            number_of_workers: 2,
            timeout: None,
            idle_timeout: None,
            tags: BTreeMap::new(),
            outcome: Outcome::Succeeds,
            stopping_takes: Duration::ZERO,
            raw_state: None,
            started_by: None,
        }
    }
}

/// What can be seen of a session now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// Its state.
    pub state: SessionState,
    /// Its state in the words of the API, which may be none that Glue documents.
    pub shown_state: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// Since when it has had nothing to do, if that is so.
    pub idle_since: Option<Timestamp>,
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
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// How many statements it was given.
    pub statements: usize,
}

/// What a session is, apart from its life: in a request's words, so that it can be answered as it came.
#[derive(Debug)]
pub(super) struct Definition {
    size: Size,
    role: String,
    echo: Map<String, Value>,
}

impl Definition {
    /// The definition of a session that a test creates.
    pub(super) fn of_spec(spec: &SessionSpec, role: String) -> Definition {
        let command = json!({ "Name": "glueetl", "PythonVersion": "3" });
        let echo = [("Command", command), ("GlueVersion", json!("5.0"))];
        Definition {
            size: Size::of_workers(&spec.worker_type, spec.number_of_workers),
            role: spec.role.clone().unwrap_or(role),
            echo: echo.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }

    /// What `CreateSession` asks for, and how the session is to behave.
    pub(super) fn read(input: Input<'_>) -> Result<(Definition, SessionSpec), AwsError> {
        let id = input.required_text("Id", 1..=255)?;
        let role = input.required_text("Role", 20..=2_048)?;
        if !(role.starts_with("arn:aws") && role.split_once(":role/").is_some_and(|(_, name)| !name.is_empty())) {
            return Err(input.unmatched("Role", "arn:aws[^:]*:iam::[0-9]*:role/.+"));
        }
        let command = input.object("Command")?.ok_or_else(|| input.missing("Command"))?;
        command.text("Name", 1..=255)?;
        command.text("PythonVersion", 0..=usize::MAX)?;
        let mut echo = Map::new();
        for (name, length) in ECHOED {
            if let Some(text) = input.text(name, 0..=length)? {
                echo.insert(name.to_owned(), text.into());
            }
        }
        let arguments = texts_of(input, "DefaultArguments", 75)?.unwrap_or_default();
        input.object("Connections")?;
        for name in ["Command", "DefaultArguments", "Connections"] {
            echo.extend(input.member(name).map(|value| (name.to_owned(), value.clone())));
        }
        let directive = arguments.get(ARGUMENT).map(|text| directive::read(text)).unwrap_or_default();
        let spec = SessionSpec {
            id: Some(id.to_owned()),
            age: directive.age,
            provisioning: directive.start,
            timeout: minutes(input, "Timeout")?,
            idle_timeout: minutes(input, "IdleTimeout")?,
            tags: texts_of(input, "Tags", 50)?.unwrap_or_default(),
            outcome: directive.outcome,
            stopping_takes: directive.stop,
            ..SessionSpec::default()
        };
        let size = Size::read(input)?.unwrap_or_default();
        Ok((Definition { size, role: role.to_owned(), echo }, spec))
    }
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) tags: BTreeMap<String, String>,
    definition: Definition,
    created_at: Timestamp,
    ready_at: Timestamp,
    outcome: Outcome,
    timeout: Duration,
    idle_timeout: Duration,
    statements: Vec<Statement>,
    stopping_takes: Duration,
    stopped_at: Option<Timestamp>,
    stop_calls: u32,
    raw_state: Option<String>,
}

/// How and when a session ends as things stand.
#[derive(Debug, Clone, Copy)]
struct End {
    at: Timestamp,
    state: SessionState,
}

impl Session {
    /// A session that lives as `spec` says, seen from `now`.
    pub(super) fn new(id: String, definition: Definition, spec: &SessionSpec, now: Timestamp) -> Session {
        let created_at = clock::before(now, spec.age);
        let timeout = spec.timeout.unwrap_or(TIMEOUT);
        let mut statements: Vec<Statement> =
            spec.statements.iter().map(|statement| Statement::new(statement, now)).collect();
        if let Some(idle_for) = spec.idle_for {
            let ended = StatementSpec {
                age: idle_for.min(spec.age.saturating_sub(spec.provisioning)),
                runs_for: Some(Duration::ZERO),
                ..StatementSpec::default()
            };
            statements.push(Statement::new(&ended, now));
        }
        Session {
            id,
            tags: spec.tags.clone(),
            definition,
            created_at,
            ready_at: clock::after(created_at, spec.provisioning),
            outcome: spec.outcome,
            timeout,
            idle_timeout: spec.idle_timeout.unwrap_or(timeout),
            statements,
            stopping_takes: spec.stopping_takes,
            stopped_at: None,
            stop_calls: 0,
            raw_state: spec.raw_state.clone(),
        }
    }

    pub(super) fn created_at(&self) -> Timestamp {
        self.created_at
    }

    pub(super) fn is_active(&self, now: Timestamp) -> bool {
        now < self.end().at
    }

    pub(super) fn state(&self, now: Timestamp) -> SessionState {
        let end = self.end();
        if end.at <= now {
            end.state
        } else if self.stopped_at.is_some() {
            SessionState::Stopping
        } else if now < self.ready_at {
            SessionState::Provisioning
        } else {
            SessionState::Ready
        }
    }

    /// The state in the words of the API.
    fn shown_state(&self, now: Timestamp) -> &str {
        match (self.state(now), &self.raw_state) {
            (SessionState::Provisioning | SessionState::Ready, Some(raw)) => raw,
            (state, _) => state.as_str(),
        }
    }

    /// When each statement runs if nobody interferes: one after the other, as they were submitted.
    fn schedule(&self) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        self.statements.iter().scan(self.ready_at, |free_at, statement| {
            let starts_at = statement.submitted_at.max(*free_at);
            let ends_at = statement.runs_for.map_or(Timestamp::MAX, |runs_for| clock::after(starts_at, runs_for));
            *free_at = ends_at;
            Some((starts_at, ends_at))
        })
    }

    /// When the last statement has ended: from then on it is idle.
    fn free_at(&self) -> Timestamp {
        self.schedule().last().map_or(self.ready_at, |(_, ends_at)| ends_at)
    }

    /// How it ends: by itself, unless a stop takes effect before.
    fn end(&self) -> End {
        let own = match self.outcome {
            Outcome::Fails => End { at: self.ready_at, state: SessionState::Failed },
            Outcome::Succeeds => {
                let idle = clock::after(self.free_at(), self.idle_timeout);
                let at = idle.min(clock::after(self.created_at, self.timeout));
                End { at, state: SessionState::Timeout }
            }
        };
        let stopped = self.stopped_at.map(|at| clock::after(at, self.stopping_takes)).filter(|at| *at < own.at);
        stopped.map_or(own, |at| End { at, state: SessionState::Stopped })
    }

    /// Tells the session to stop; answers the state in which it cannot be told.
    pub(super) fn stop(&mut self, now: Timestamp) -> Result<(), SessionState> {
        self.stop_calls += 1;
        match self.state(now) {
            SessionState::Provisioning | SessionState::Ready => {
                self.stopped_at = Some(now);
                Ok(())
            }
            state => Err(state),
        }
    }

    /// Ends the session now, as if it had been told to stop; one that has ended stays as it is.
    pub(super) fn finish(&mut self, now: Timestamp) {
        if self.is_active(now) {
            self.stopped_at = Some(now);
            self.stopping_takes = Duration::ZERO;
        }
    }

    /// Takes a statement on and answers its number.
    pub(super) fn submit(&mut self, spec: &StatementSpec, now: Timestamp) -> u32 {
        let number = u32::try_from(self.statements.len()).unwrap_or(u32::MAX);
        self.statements.push(Statement::new(spec, now));
        number
    }

    /// Ends a running statement now, with its outcome.
    pub(super) fn finish_statement(&mut self, number: u32, now: Timestamp) {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let times = self.schedule().nth(index);
        if let (Some((starts_at, ends_at)), Some(statement)) = (times, self.statements.get_mut(index))
            && starts_at <= now
            && now < ends_at
        {
            statement.runs_for = Some(clock::between(starts_at, now));
        }
    }

    /// What can be seen of its statements, oldest first.
    pub(super) fn statements(&self, now: Timestamp) -> Vec<StatementView> {
        let session_ends_at = self.end().at;
        let numbered = (0..).zip(self.statements.iter().zip(self.schedule()));
        numbered
            .map(|(number, (statement, (starts_at, ends_at)))| {
                statement.view(number, starts_at, ends_at, session_ends_at, now)
            })
            .collect()
    }

    /// Its creation as CloudTrail shows it: what was asked and what was answered.
    pub(super) fn creation(&self) -> (Value, Value) {
        let mut request = members_of(json!({
            "id": self.id,
            "role": self.definition.role,
            "idleTimeout": minutes_of(self.idle_timeout),
            "tags": self.tags,
        }));
        if let Some((worker_type, number)) = &self.definition.size.workers {
            request.insert("workerType".to_owned(), worker_type.as_str().into());
            request.insert("numberOfWorkers".to_owned(), (*number).into());
        }
        let state = SessionState::Provisioning.as_str();
        let response = json!({ "session": { "id": self.id, "status": state, "role": self.definition.role } });
        (request.into(), response)
    }

    pub(super) fn view(&self, now: Timestamp) -> SessionView {
        let end = self.end();
        let workers = self.definition.size.workers.as_ref();
        SessionView {
            id: self.id.clone(),
            state: self.state(now),
            shown_state: self.shown_state(now).to_owned(),
            created_at: self.created_at,
            idle_since: Some(self.free_at()).filter(|at| *at <= now && now < end.at),
            stopped_at: self.stopped_at,
            completed_at: Some(end.at).filter(|at| *at <= now),
            stop_calls: self.stop_calls,
            worker_type: workers.map(|(worker_type, _)| worker_type.clone()),
            number_of_workers: workers.map(|(_, number)| *number),
            tags: self.tags.clone(),
            statements: self.statements.len(),
        }
    }

    /// The shape `Session`.
    pub(super) fn describe(&self, now: Timestamp) -> Value {
        let end = self.end();
        let ran = clock::between(self.ready_at.min(now), end.at.min(now));
        let mut session = members_of(json!({
            "Id": self.id,
            "CreatedOn": clock::epoch_seconds(self.created_at),
            "Status": self.shown_state(now),
            "Role": self.definition.role,
            "Progress": 0.0,
            "ExecutionTime": decimal(clock::millis(ran), 3),
            "DPUSeconds": self.definition.size.dpu_seconds(ran),
            "IdleTimeout": minutes_of(self.idle_timeout),
        }));
        session.extend(self.definition.echo.clone());
        self.definition.size.describe(&mut session);
        if end.at <= now {
            session.insert("CompletedOn".to_owned(), clock::epoch_seconds(end.at));
            if end.state == SessionState::Failed {
                session.insert("ErrorMessage".to_owned(), "Not enough capacity available for the session.".into());
            }
        }
        session.into()
    }
}
