//! Glue's interactive sessions, as the guardrails see them.

use aws_sdk_glue::types::{self, SessionType, StatementState};
use jiff::Timestamp;
use lambda::aws::instant;
use lambda::{CallError, CallErrorKind};

use crate::capacity::Capacity;
use crate::client::{GlueClient, Tags};
use crate::state::{Phase, State};

/// What the resources are called in the catalogue.
pub const SESSION: &str = "session";

/// The state in which a session waits for statements.
const READY: &str = "READY";

const STATES: &[(&str, Phase)] = &[
    ("PROVISIONING", Phase::Active),
    (READY, Phase::Active),
    ("STOPPING", Phase::Ending),
    ("STOPPED", Phase::Ended),
    ("FAILED", Phase::Ended),
    ("TIMEOUT", Phase::Ended),
];

/// How many sessions a page holds at most: as many as Glue allows.
const PAGE: i32 = 1_000;

/// An interactive session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id, chosen by whoever created it.
    pub id: String,
    /// Its state.
    pub state: State,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its DPUs.
    pub capacity: Capacity,
    /// Whether all that is done in it is a statement that Glue lists. Spark Connect talks past Glue.
    pub by_statements: bool,
}

impl Session {
    /// Whether its statements tell since when it has done nothing.
    pub fn can_be_idle(&self) -> bool {
        self.state.name == READY && self.by_statements
    }
}

/// A page of sessions, those that have ended among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<Session>,
    /// Ids of sessions that came without what they are judged by.
    pub unread: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// A statement that was run in a session, or waits to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its number; statements are numbered in the order in which they came.
    pub id: i32,
    /// Whether it waits, runs or is being cancelled. A state that this version does not know counts as such.
    pub under_way: bool,
    /// When it ended, or began where only that is known; nothing for one that was cancelled before it began.
    pub ended_at: Option<Timestamp>,
}

/// A page of a session's statements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatementPage {
    /// The statements.
    pub statements: Vec<Statement>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// Sees sessions.
pub trait Sessions {
    /// A page of all sessions there are and were.
    fn sessions(&self, from: Option<&str>) -> impl Future<Output = Result<SessionPage, CallError>>;

    /// One session; `None` when Glue does not know it.
    fn session(&self, id: &str) -> impl Future<Output = Result<Option<Session>, CallError>>;

    /// A page of a session's statements; `None` when the session is gone or no longer answers for them.
    fn statements(
        &self,
        session: &str,
        from: Option<&str>,
    ) -> impl Future<Output = Result<Option<StatementPage>, CallError>>;

    /// A session's tags.
    fn session_tags(&self, id: &str) -> impl Future<Output = Result<Tags, CallError>>;
}

/// Stops sessions.
pub trait StopSessions: Sessions {
    /// Tells Glue to stop a session.
    fn stop_session(&self, id: &str) -> impl Future<Output = Result<(), CallError>>;
}

impl Sessions for GlueClient {
    async fn sessions(&self, from: Option<&str>) -> Result<SessionPage, CallError> {
        let list = self.client.list_sessions().max_results(PAGE).set_next_token(from.map(str::to_owned)).send();
        let answer = list.await.map_err(|error| CallError::of("glue:ListSessions", &error))?;
        let mut page = SessionPage { next: answer.next_token, ..SessionPage::default() };
        for session in answer.sessions.unwrap_or_default() {
            let id = session.id.clone();
            match read(session) {
                Some(session) => page.sessions.push(session),
                None => page.unread.extend(id),
            }
        }
        Ok(page)
    }

    async fn session(&self, id: &str) -> Result<Option<Session>, CallError> {
        const GET: &str = "glue:GetSession";
        match self.client.get_session().id(id).send().await.map_err(|error| CallError::of(GET, &error)) {
            Ok(answer) => answer.session.and_then(read).map(Some).ok_or_else(|| unread(GET, &[id.to_owned()])),
            Err(error) if error.kind == CallErrorKind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn statements(&self, session: &str, from: Option<&str>) -> Result<Option<StatementPage>, CallError> {
        let list = self.client.list_statements().session_id(session).set_next_token(from.map(str::to_owned)).send();
        match list.await {
            Ok(answer) => Ok(Some(StatementPage {
                statements: answer.statements.unwrap_or_default().iter().map(read_statement).collect(),
                next: answer.next_token,
            })),
            Err(error) => match error.as_service_error() {
                Some(gone) if gone.is_entity_not_found_exception() || gone.is_illegal_session_state_exception() => {
                    Ok(None)
                }
                _ => Err(CallError::of("glue:ListStatements", &error)),
            },
        }
    }

    async fn session_tags(&self, id: &str) -> Result<Tags, CallError> {
        self.tags(&format!("session/{id}")).await
    }
}

impl StopSessions for GlueClient {
    async fn stop_session(&self, id: &str) -> Result<(), CallError> {
        let stop = self.client.stop_session().id(id).send();
        stop.await.map(drop).map_err(|error| CallError::of("glue:StopSession", &error))
    }
}

/// The problem of sessions that came without what they are judged by.
pub(crate) fn unread(operation: &'static str, ids: &[String]) -> CallError {
    CallError {
        operation,
        kind: CallErrorKind::Unavailable,
        message: format!(
            "{} sessions came without state or creation time, `{}` among them",
            ids.len(),
            ids.first().map_or("", String::as_str)
        ),
    }
}

fn read(session: types::Session) -> Option<Session> {
    let worker_type = session.worker_type.as_ref().map(types::WorkerType::as_str);
    Some(Session {
        capacity: Capacity::read(worker_type, session.number_of_workers, session.max_capacity),
        id: session.id?,
        state: State::read(session.status?.as_str(), STATES),
        created_at: instant(session.created_on?)?,
        by_statements: session.session_type.is_none_or(|kind| kind == SessionType::Livy),
    })
}

fn read_statement(statement: &types::Statement) -> Statement {
    let ended =
        matches!(statement.state, Some(StatementState::Available | StatementState::Cancelled | StatementState::Error));
    let ended_at = || read_number(statement.completed_on).or_else(|| read_number(statement.started_on));
    Statement { id: statement.id, under_way: !ended, ended_at: ended.then(ended_at).flatten() }
}

/// Reads an instant that Glue sends as a whole number. AWS says "unix time" and not in which unit: seconds stay below
/// this bound until the year 5138, milliseconds were above it by 1973. Zero is none.
fn read_number(number: i64) -> Option<Timestamp> {
    const MILLISECONDS: i64 = 100_000_000_000;
    match number {
        ..=0 => None,
        1..MILLISECONDS => Timestamp::from_second(number).ok(),
        MILLISECONDS.. => Timestamp::from_millisecond(number).ok(),
    }
}

#[cfg(test)]
mod tests;
