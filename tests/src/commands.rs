//! What an operator asks of a sandbox from the hub, and the workflows that come of it.

use std::time::Duration;

use guardrail::Header;
use guardrail::availability::{AvailabilityUpdateRequested, SandboxLockReleased, SandboxLockRequested};
use serde::Serialize;
use serde_json::Value;

use crate::running::{REGION, wait_for};
use crate::timeline::now;
use crate::{Account, Execution, Hub, Sandbox, StageError};

/// Who asks, in every command of the stage.
const OPERATOR: &str = "jo@bank.example";

impl Hub {
    /// Asks for another window, or with null for none. `id` tells the command from others.
    ///
    /// # Errors
    /// When the sandbox's bus does not take it.
    pub fn request_window(&self, sandbox: &Sandbox, id: &str, window: &Value) -> Result<(), StageError> {
        let header = sandbox.header(id);
        let detail = AvailabilityUpdateRequested { header, requested_by: OPERATOR.to_owned(), window: window.clone() };
        send(&self.account, sandbox, "Availability Update Requested", &detail)
    }

    /// Asks for a lock, such as `budget`.
    ///
    /// # Errors
    /// When the sandbox's bus does not take it.
    pub fn request_lock(&self, sandbox: &Sandbox, id: &str, lock: &str, reason: &str) -> Result<(), StageError> {
        let (lock, reason) = (lock.to_owned(), reason.to_owned());
        let detail =
            SandboxLockRequested { header: sandbox.header(id), lock, reason, requested_by: OPERATOR.to_owned() };
        send(&self.account, sandbox, "Sandbox Lock Requested", &detail)
    }

    /// Takes a lock away.
    ///
    /// # Errors
    /// When the sandbox's bus does not take it.
    pub fn release_lock(&self, sandbox: &Sandbox, id: &str, lock: &str, reason: &str) -> Result<(), StageError> {
        let (lock, reason) = (lock.to_owned(), reason.to_owned());
        let detail =
            SandboxLockReleased { header: sandbox.header(id), lock, reason, requested_by: OPERATOR.to_owned() };
        send(&self.account, sandbox, "Sandbox Lock Released", &detail)
    }
}

/// Puts a command onto a sandbox's bus, as whoever `caller` is; the policy of the bus lets only the hub do so.
///
/// # Errors
/// When the bus does not take it.
pub fn send(caller: &Account, sandbox: &Sandbox, kind: &str, detail: &impl Serialize) -> Result<(), StageError> {
    let bus = format!("arn:aws:events:{REGION}:{}:event-bus/sandbox-guardrails", sandbox.account.id);
    let detail = serde_json::to_value(detail)
        .map_err(|error| StageError::Call { what: kind.to_owned(), message: error.to_string() })?;
    caller.put_event(&bus, "sandbox.guardrails", kind, &detail)
}

impl Sandbox {
    /// What the detail of an event about this sandbox begins with.
    pub fn header(&self, id: &str) -> Header {
        let account = self.account.id.clone();
        let sandbox = guardrail::Sandbox { account, region: REGION.to_owned(), alias: self.alias.clone() };
        Header::new(id, &sandbox, now())
    }

    /// Starts a workflow, such as `stop`; gives the execution's ARN.
    ///
    /// # Errors
    /// When it is refused.
    pub fn begin(&self, workflow: &str, input: &Value) -> Result<String, StageError> {
        self.account.start_execution(&machine(workflow), input)
    }

    /// The executions of a workflow, the latest first.
    ///
    /// # Errors
    /// When there is no such workflow.
    pub fn workflows(&self, workflow: &str) -> Result<Vec<Execution>, StageError> {
        self.account.executions(&machine(workflow))
    }

    /// Waits until an execution has ended.
    ///
    /// # Errors
    /// When it has not after `at_most`.
    pub fn await_end(&self, execution: &str, at_most: Duration) -> Result<Execution, StageError> {
        wait_for(&format!("the end of `{execution}`"), at_most, || {
            self.account.execution(execution).ok().filter(|seen| !seen.runs())
        })
    }

    /// Waits until no execution of any workflow goes on.
    ///
    /// # Errors
    /// When one still does after `at_most`.
    pub fn await_rest(&self, at_most: Duration) -> Result<(), StageError> {
        wait_for("the workflows to end", at_most, || {
            let mut all = ["stop", "start", "update"].into_iter().map(|workflow| self.workflows(workflow));
            all.all(|listed| listed.is_ok_and(|listed| !listed.iter().any(Execution::runs))).then_some(())
        })
    }
}

/// The name of a workflow's state machine.
fn machine(workflow: &str) -> String {
    format!("sandbox-guardrails-{workflow}")
}
