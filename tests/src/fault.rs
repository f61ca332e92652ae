//! Faults of the services that MiniStack plays: every n-th call of an operation is refused. `tests/stage/faults.py`
//! says how; the services of the workload simulator have faults of their own as well.

use serde::{Deserialize, Serialize};

use crate::{Stage, StageError};

/// Which calls are refused, how, and how many were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The service as IAM names it, such as `scheduler`, or `*`.
    pub service: String,
    /// The operation, such as `CreateSchedule`, or `*`.
    pub operation: String,
    /// How many calls there are for one that is refused; 1 refuses each.
    pub one_in: u32,
    /// The error's code.
    pub error: String,
    /// The answer's HTTP status.
    pub status: u16,
    /// `functions`, or `everyone` to refuse the test's own calls too.
    pub callers: String,
    /// The calls that it was about.
    #[serde(skip_serializing)]
    pub matched: u32,
    /// Those of them that were refused.
    #[serde(skip_serializing)]
    pub refused: u32,
}

impl Fault {
    /// Every function's call of an operation is throttled, once in so many.
    pub fn throttling(service: &str, operation: &str, one_in: u32) -> Self {
        Self {
            service: service.to_owned(),
            operation: operation.to_owned(),
            one_in,
            error: "ThrottlingException".to_owned(),
            status: 400,
            callers: "functions".to_owned(),
            matched: 0,
            refused: 0,
        }
    }

    /// The same for every call, the test's own too.
    #[must_use]
    pub fn of_everyone(mut self) -> Self {
        self.callers = "everyone".to_owned();
        self
    }

    /// The same with another error: its code, and the HTTP status.
    #[must_use]
    pub fn with(mut self, error: &str, status: u16) -> Self {
        self.error = error.to_owned();
        self.status = status;
        self
    }
}

impl Stage {
    /// Lets calls fail from now on, besides those that do already.
    ///
    /// # Errors
    /// When the fault could never occur.
    pub fn throttle(&self, fault: &Fault) -> Result<(), StageError> {
        self.faults_by(reqwest::Method::POST, Some(fault)).map(drop)
    }

    /// The faults that there are, with how often each was met.
    ///
    /// # Errors
    /// When the stage does not answer.
    pub fn faults(&self) -> Result<Vec<Fault>, StageError> {
        self.faults_by(reqwest::Method::GET, None)
    }

    /// Ends all faults; gives them, with how often each was met.
    ///
    /// # Errors
    /// When the stage does not answer.
    pub fn end_faults(&self) -> Result<Vec<Fault>, StageError> {
        self.faults_by(reqwest::Method::DELETE, None)
    }

    fn faults_by(&self, method: reqwest::Method, fault: Option<&Fault>) -> Result<Vec<Fault>, StageError> {
        let body = fault.map(serde_json::to_value).transpose().ok().flatten();
        let answer = self.ask(method, "/_stage/faults", body.as_ref())?;
        serde_json::from_value(answer)
            .map_err(|error| StageError::Call { what: "faults".to_owned(), message: error.to_string() })
    }
}
