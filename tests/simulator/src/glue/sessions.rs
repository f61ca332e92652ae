//! The operations on interactive sessions and their statements.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::directive;
use super::paging::{Page, newest_first};
use super::session::{Definition, Session, SessionSpec, SessionState};
use super::statement::{StatementSpec, StatementView};
use super::{PAGE_LIMIT, SOURCE, error, has_tags, invalid, not_found, texts_of};
use crate::accounts::Place;
use crate::clock;
use crate::cloudtrail::Creation;
use crate::input::Input;
use crate::protocol::AwsError;

fn session_not_found(id: &str) -> AwsError {
    not_found(&format!("Session {id} not found"))
}

/// All sessions of one account in one Region.
#[derive(Debug)]
pub(super) struct Sessions {
    /// The role of a session that names none.
    role: String,
    /// By creation, newest first.
    listed: BTreeMap<String, Session>,
    keys: HashMap<String, String>,
    /// How many there have been, so that those of one millisecond keep their order.
    count: u64,
    pub(super) created: Vec<Creation>,
}

impl Sessions {
    pub(super) fn new(place: &Place) -> Sessions {
        Sessions {
            role: super::default_role(place),
            listed: BTreeMap::new(),
            keys: HashMap::new(),
            count: 0,
            created: Vec::new(),
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<&Session> {
        self.keys.get(id).and_then(|key| self.listed.get(key))
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Session> {
        self.keys.get(id).and_then(|key| self.listed.get_mut(key))
    }

    /// All sessions, newest first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Session> {
        self.listed.values()
    }

    /// Creates a session of a test's making, in place of one of the same id, and answers its id.
    pub(super) fn start(&mut self, spec: &SessionSpec, now: Timestamp) -> String {
        let definition = Definition::of_spec(spec, self.role.clone());
        self.add(definition, spec, now)
    }

    fn add(&mut self, definition: Definition, spec: &SessionSpec, now: Timestamp) -> String {
        let id = spec.id.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
        let session = Session::new(id.clone(), definition, spec, now);
        self.count += 1;
        let key = newest_first(session.created_at(), self.count);
        if let Some(former) = self.keys.insert(id.clone(), key.clone()) {
            self.listed.remove(&former);
        }
        let (request, response) = session.creation();
        self.record("CreateSession", session.created_at(), spec.started_by.as_ref(), request, response);
        for (number, statement) in (0..).zip(&spec.statements) {
            self.record_statement(&id, number, statement, now);
        }
        self.listed.insert(key, session);
        id
    }

    /// Submits a statement, whatever the session's state, and answers its number.
    pub(super) fn submit(&mut self, id: &str, spec: &StatementSpec, now: Timestamp) -> Option<u32> {
        let number = self.get_mut(id)?.submit(spec, now);
        self.record_statement(id, number, spec, now);
        Some(number)
    }

    fn record_statement(&mut self, id: &str, number: u32, spec: &StatementSpec, now: Timestamp) {
        // The code may hold anything, so CloudTrail does not show it.
        let request = json!({ "sessionId": id, "code": "***" });
        let at = clock::before(now, spec.age);
        self.record("RunStatement", at, spec.started_by.as_ref(), request, json!({ "id": number }));
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

    pub(super) fn list_sessions(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let tags = texts_of(input, "Tags", 50)?.unwrap_or_default();
        let page = Page::read(input, PAGE_LIMIT, "sessions", &self.listed, |session| has_tags(&session.tags, &tags))?;
        let ids: Vec<&str> = page.entries.iter().map(|session| session.id.as_str()).collect();
        let sessions: Vec<Value> = page.entries.iter().map(|session| session.describe(now)).collect();
        let output = json!({ "Ids": ids, "Sessions": sessions });
        Ok(page.give_token(output))
    }

    pub(super) fn get_session(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let id = input.required_text("Id", 1..=255)?;
        let session = self.get(id).ok_or_else(|| session_not_found(id))?;
        Ok(json!({ "Session": session.describe(now) }))
    }

    pub(super) fn create_session(&mut self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let (definition, spec) = Definition::read(input)?;
        if let Some(id) = spec.id.as_deref().filter(|id| self.keys.contains_key(*id)) {
            return Err(error("AlreadyExistsException", &format!("Session already created, sessionId={id}")));
        }
        let id = self.add(definition, &spec, now);
        let session = self.get(&id).ok_or_else(|| session_not_found(&id))?;
        Ok(json!({ "Session": session.describe(now) }))
    }

    pub(super) fn stop_session(&mut self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let id = input.required_text("Id", 1..=255)?;
        let session = self.get_mut(id).ok_or_else(|| session_not_found(id))?;
        session.stop(now).map_err(|state| {
            error("IllegalSessionStateException", &format!("Session is in {} status", state.as_str()))
        })?;
        Ok(json!({ "Id": id }))
    }

    /// Statements can be seen while there is a session to ask, and not before or after.
    pub(super) fn list_statements(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let id = input.required_text("SessionId", 1..=255)?;
        let session = self.get(id).ok_or_else(|| session_not_found(id))?;
        if session.state(now) != SessionState::Ready {
            let message = "Session unavailable, fail to call ReplServer.";
            return Err(error("IllegalSessionStateException", message));
        }
        let statements: BTreeMap<String, StatementView> =
            session.statements(now).into_iter().map(|view| (format!("{:010}", view.id), view)).collect();
        let page = Page::read(input, PAGE_LIMIT, &format!("statements of {id}"), &statements, |_| true)?;
        let shown: Vec<Value> = page.entries.iter().map(|view| view.describe()).collect();
        Ok(page.give_token(json!({ "Statements": shown })))
    }

    pub(super) fn run_statement(&mut self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let id = input.required_text("SessionId", 1..=255)?;
        let code = input.required_text("Code", 0..=68_000)?;
        let state = self.get(id).ok_or_else(|| session_not_found(id))?.state(now);
        if state != SessionState::Ready {
            let message = format!("Session is not ready, session_id={id}, status={}", state.as_str());
            return Err(invalid(&message));
        }
        let directive = directive::in_code(code);
        let spec = StatementSpec {
            code: code.to_owned(),
            age: directive.age,
            runs_for: directive.run,
            outcome: directive.outcome,
            started_by: None,
        };
        Ok(json!({ "Id": self.submit(id, &spec, now) }))
    }
}
