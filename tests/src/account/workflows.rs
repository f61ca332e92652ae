//! State machines of an account: their executions, and what happened in them.

use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};

use super::Account;
use crate::StageError;

/// An execution of a state machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, `ABORTED` or `TIMED_OUT`.
    pub status: String,
    /// What it was given; null in a list, which does not tell.
    pub input: Value,
    /// What it gave; null while it runs, when it failed, and in a list.
    pub output: Value,
    /// The name of the error that it failed with.
    pub error: Option<String>,
    /// What was said of that error.
    pub cause: Option<String>,
}

impl Execution {
    /// Whether it goes on.
    pub fn runs(&self) -> bool {
        self.status == "RUNNING"
    }

    fn from(answer: &Value) -> Self {
        let text = |member: &str| answer[member].as_str().map(str::to_owned);
        let document = |member: &str| serde_json::from_str(answer[member].as_str().unwrap_or_default());
        let status = text("status").unwrap_or_default();
        let output = if status == "SUCCEEDED" { document("output").unwrap_or_default() } else { Value::Null };
        Self {
            arn: text("executionArn").unwrap_or_default(),
            name: text("name").unwrap_or_default(),
            input: document("input").unwrap_or_default(),
            output,
            error: text("error"),
            cause: text("cause"),
            status,
        }
    }
}

/// Something that happened in an execution.
#[derive(Clone, Debug, PartialEq)]
pub struct Occurrence {
    /// When.
    pub at: Timestamp,
    /// What, such as `TaskStateEntered`.
    pub kind: String,
    /// The state that was entered or left.
    pub state: Option<String>,
    /// What else is known: input, output, error, cause.
    pub details: Value,
}

impl Account {
    /// Starts a state machine; gives the execution's ARN.
    ///
    /// # Errors
    /// When it is refused.
    pub fn start_execution(&self, machine: &str, input: &Value) -> Result<String, StageError> {
        let body = json!({"stateMachineArn": self.machine(machine), "input": input.to_string()});
        let answer = self.states("StartExecution", &body)?;
        Ok(answer["executionArn"].as_str().unwrap_or_default().to_owned())
    }

    /// Ends an execution half-way.
    ///
    /// # Errors
    /// When it has ended.
    pub fn stop_execution(&self, arn: &str) -> Result<(), StageError> {
        let body = json!({"executionArn": arn, "error": "Killed", "cause": "the test ended it"});
        self.states("StopExecution", &body).map(drop)
    }

    /// An execution, as it is now.
    ///
    /// # Errors
    /// When there is no such execution.
    pub fn execution(&self, arn: &str) -> Result<Execution, StageError> {
        self.states("DescribeExecution", &json!({"executionArn": arn})).map(|answer| Execution::from(&answer))
    }

    /// The executions of a state machine, the latest first.
    ///
    /// # Errors
    /// When there is no such machine.
    pub fn executions(&self, machine: &str) -> Result<Vec<Execution>, StageError> {
        let listed = self.pages("ListExecutions", json!({"stateMachineArn": self.machine(machine)}), "executions")?;
        Ok(listed.iter().map(Execution::from).collect())
    }

    /// What happened in an execution, in order, the states inside of Maps included.
    ///
    /// # Errors
    /// When there is no such execution.
    pub fn history(&self, arn: &str) -> Result<Vec<Occurrence>, StageError> {
        let events = self.pages("GetExecutionHistory", json!({"executionArn": arn, "maxResults": 1000}), "events")?;
        let occurrence = |event: &Value| {
            let members = event.as_object().into_iter().flatten();
            let mut details =
                members.filter(|(member, _)| member.ends_with("EventDetails")).map(|(_, details)| details);
            let details = details.next().cloned().unwrap_or_default();
            // Seconds with a fraction, which is of milliseconds.
            let since_epoch = SignedDuration::try_from_secs_f64(event["timestamp"].as_f64().unwrap_or_default());
            let since_epoch = since_epoch.and_then(|since| since.round(Unit::Millisecond));
            Occurrence {
                at: since_epoch.and_then(Timestamp::from_duration).unwrap_or_default(),
                kind: event["type"].as_str().unwrap_or_default().to_owned(),
                state: details["name"].as_str().map(str::to_owned),
                details,
            }
        };
        Ok(events.iter().map(occurrence).collect())
    }

    fn pages(&self, operation: &str, mut request: Value, member: &str) -> Result<Vec<Value>, StageError> {
        let mut items = Vec::new();
        loop {
            let page = self.states(operation, &request)?;
            items.extend(page[member].as_array().cloned().unwrap_or_default());
            request["nextToken"] = page["nextToken"].clone();
            if request["nextToken"].is_null() {
                return Ok(items);
            }
        }
    }

    fn machine(&self, name: &str) -> String {
        format!("arn:aws:states:{}:{}:stateMachine:{name}", self.region, self.id)
    }

    fn states(&self, operation: &str, body: &Value) -> Result<Value, StageError> {
        self.json("states", &format!("AWSStepFunctions.{operation}"), body)
    }
}
