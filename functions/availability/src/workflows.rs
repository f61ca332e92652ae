//! Step Functions: starting the workflows stop and start, and asking whether one still runs.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::ExecutionStatus;
use guardrail::availability::WorkflowInput;
use lambda::{Aws, CallError, CallErrorKind};

use crate::book::Workflow;

/// Starts workflows and looks after them.
pub trait Workflows {
    /// Starts a workflow under this name; gives the execution's ARN. A name that was used already starts nothing.
    ///
    /// # Errors
    /// When it could not be started.
    fn start(
        &self,
        workflow: Workflow,
        name: &str,
        input: &WorkflowInput,
    ) -> impl Future<Output = Result<String, CallError>>;

    /// Whether an execution is still under way.
    ///
    /// # Errors
    /// When that cannot be told.
    fn runs(&self, execution: &str) -> impl Future<Output = Result<bool, CallError>>;
}

/// Step Functions.
#[derive(Clone, Debug)]
pub struct StateMachines {
    client: Client,
    stop: String,
    start: String,
}

const START: &str = "states:StartExecution";
const DESCRIBE: &str = "states:DescribeExecution";

impl StateMachines {
    /// The IAM actions it needs.
    pub const ACTIONS: &[&str] = &[START, DESCRIBE];

    /// The workflows with these state machines' ARNs.
    pub fn new(aws: &Aws, stop: impl Into<String>, start: impl Into<String>) -> Self {
        let config = aws_sdk_sfn::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config), stop: stop.into(), start: start.into() }
    }
}

impl Workflows for StateMachines {
    async fn start(&self, workflow: Workflow, name: &str, input: &WorkflowInput) -> Result<String, CallError> {
        let machine = match workflow {
            Workflow::Stop => &self.stop,
            Workflow::Start => &self.start,
        };
        let input = serde_json::to_string(input).map_err(|error| CallError {
            operation: START,
            kind: CallErrorKind::Invalid,
            message: error.to_string(),
        })?;
        match self.client.start_execution().state_machine_arn(machine).name(name).input(input).send().await {
            Ok(started) => Ok(started.execution_arn),
            // Another run of reconcile saw the same and was first.
            Err(error) if error.as_service_error().is_some_and(|error| error.is_execution_already_exists()) => {
                Ok(format!("{}:{name}", machine.replacen(":stateMachine:", ":execution:", 1)))
            }
            Err(error) => Err(CallError::of(START, &error)),
        }
    }

    async fn runs(&self, execution: &str) -> Result<bool, CallError> {
        match self.client.describe_execution().execution_arn(execution).send().await {
            Ok(described) => Ok(matches!(described.status, ExecutionStatus::Running | ExecutionStatus::PendingRedrive)),
            // Step Functions forgets executions after 90 days.
            Err(error) if error.as_service_error().is_some_and(|error| error.is_execution_does_not_exist()) => {
                Ok(false)
            }
            Err(error) => Err(CallError::of(DESCRIBE, &error)),
        }
    }
}

#[cfg(test)]
mod tests;
