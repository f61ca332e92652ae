//! A statement of a session: what it is, and what can be seen of it.
//!
//! A session runs its statements one after another, so when one runs follows from all before it; the session works
//! that out.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::athena::Outcome;
use crate::clock;

/// The states of a statement that occur here, as Glue writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StatementState {
    /// Waits for those before it, or for the session to be ready.
    Waiting,
    /// Runs.
    Running,
    /// Ended well; its output is there.
    Available,
    /// Ended with its session.
    Cancelled,
    /// Ended badly.
    Error,
}

impl StatementState {
    fn as_str(self) -> &'static str {
        match self {
            StatementState::Waiting => "WAITING",
            StatementState::Running => "RUNNING",
            StatementState::Available => "AVAILABLE",
            StatementState::Cancelled => "CANCELLED",
            StatementState::Error => "ERROR",
        }
    }
}

/// A statement to be submitted, possibly in the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StatementSpec {
    /// Its code, which is not executed.
    pub code: String,
    /// How long ago it was submitted.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub age: Duration,
    /// How long it runs; until its session ends when not given.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub runs_for: Option<Duration>,
    /// How it ends.
    pub outcome: Outcome,
    /// Who submits it, for CloudTrail; the account's root when not given.
    pub started_by: Option<String>,
}

impl Default for StatementSpec {
    /// A statement submitted now that runs until its session ends.
    fn default() -> StatementSpec {
        StatementSpec {
            code: "spark.range(10).count()".to_owned(),
            age: Duration::ZERO,
            runs_for: None,
            outcome: Outcome::Succeeds,
            started_by: None,
        }
    }
}

/// What can be seen of a statement now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatementView {
    /// Its number in its session.
    pub id: u32,
    /// Its code.
    pub code: String,
    /// Its state.
    pub state: StatementState,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When it began to run, if it has.
    pub started_at: Option<Timestamp>,
    /// When it ended, if it has.
    pub completed_at: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Statement {
    pub(super) code: String,
    pub(super) submitted_at: Timestamp,
    pub(super) runs_for: Option<Duration>,
    pub(super) outcome: Outcome,
}

impl Statement {
    pub(super) fn new(spec: &StatementSpec, now: Timestamp) -> Statement {
        Statement {
            code: spec.code.clone(),
            submitted_at: clock::before(now, spec.age),
            runs_for: spec.runs_for,
            outcome: spec.outcome,
        }
    }

    /// What is seen at `now`, given when it runs if nobody interferes (`starts_at` to `ends_at`) and when its session
    /// ends.
    pub(super) fn view(
        &self,
        id: u32,
        starts_at: Timestamp,
        ends_at: Timestamp,
        session_ends_at: Timestamp,
        now: Timestamp,
    ) -> StatementView {
        let seen = now.min(session_ends_at);
        let cut = session_ends_at <= now;
        let state = match self.outcome {
            Outcome::Succeeds if ends_at <= seen => StatementState::Available,
            Outcome::Fails if ends_at <= seen => StatementState::Error,
            Outcome::Succeeds | Outcome::Fails if cut => StatementState::Cancelled,
            Outcome::Succeeds | Outcome::Fails if starts_at <= seen => StatementState::Running,
            Outcome::Succeeds | Outcome::Fails => StatementState::Waiting,
        };
        let completed_at = match state {
            StatementState::Waiting | StatementState::Running => None,
            StatementState::Available | StatementState::Error => Some(ends_at),
            StatementState::Cancelled => Some(session_ends_at),
        };
        StatementView {
            id,
            code: self.code.clone(),
            state,
            submitted_at: self.submitted_at,
            started_at: Some(starts_at).filter(|at| *at <= seen),
            completed_at,
        }
    }
}

impl StatementView {
    /// The shape `Statement`: its times are epoch milliseconds, and 0 while there is none.
    pub(super) fn describe(&self) -> Value {
        let millis = |at: Option<Timestamp>| at.map_or(0, Timestamp::as_millisecond);
        let progress = if self.completed_at.is_some() { 1.0 } else { 0.0 };
        let mut statement = json!({
            "Id": self.id,
            "Code": self.code,
            "State": self.state.as_str(),
            "Progress": progress,
            "StartedOn": millis(self.started_at),
            "CompletedOn": millis(self.completed_at),
        });
        let output = match self.state {
            StatementState::Available => json!({
                "Data": { "TextPlain": "10" },
                "ExecutionCount": self.id,
                "Status": self.state.as_str(),
            }),
            StatementState::Error => json!({
                "ExecutionCount": self.id,
                "Status": self.state.as_str(),
                "ErrorName": "NameError",
                "ErrorValue": "name 'missing' is not defined",
                "Traceback": ["Traceback (most recent call last):\n", "NameError: name 'missing' is not defined\n"],
            }),
            StatementState::Waiting | StatementState::Running | StatementState::Cancelled => return statement,
        };
        if let Value::Object(statement) = &mut statement {
            statement.insert("Output".to_owned(), output);
        }
        statement
    }
}
