//! Budgets are parameters of the hub: a budget that is asked for is written there, and what was asked for last stands.
//!
//! | `pk` | `sk` | what | kept |
//! |---|---|---|---|
//! | `budget` | `all`, `business-unit/<unit>`, `sandbox/<account>` | the command that the budget was last set by: by whom, when and why | until the next |
//!
//! The row is written before the parameters, and only over an older command: a late repetition never overrules a newer
//! one. Whether a budget is obeyed, and what it finds, is for `spend-meter`, which hears of each parameter that changes.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::types::ParameterType;
use guardrail::Sandbox;
use jiff::Timestamp;
use lambda::bus::Buses;
use lambda::{Aws, CallError, Clock};
use serde::Serialize;

use super::asked::{Asked, Budget, BudgetOf, Change};
use super::deliveries::{Command, Deliveries, Delivery, Status};
use super::{AFTERWARDS, Answer, SENDING, Sender};
use crate::table::Signs;

/// Sets budgets.
pub trait Budgets {
    /// Gives a parameter this value; `why` is kept beside it.
    fn set(&self, name: &str, value: &str, why: &str) -> impl Future<Output = Result<(), CallError>>;

    /// Takes a parameter away; one that is not there is away.
    fn take_away(&self, name: &str) -> impl Future<Output = Result<(), CallError>>;
}

/// The budgets in Parameter Store.
#[derive(Clone, Debug)]
pub struct BudgetParameters(Client);

const PUT: &str = "ssm:PutParameter";
const DELETE: &str = "ssm:DeleteParameter";

/// Letters of a parameter's description.
/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html>
const LONGEST_DESCRIPTION: usize = 1024;

impl BudgetParameters {
    /// The IAM actions that its use needs.
    pub const ACTIONS: &[&str] = &[PUT, DELETE];

    /// A client.
    pub fn new(aws: &Aws) -> Self {
        let config = aws_sdk_ssm::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self(Client::from_conf(config))
    }
}

impl Budgets for BudgetParameters {
    async fn set(&self, name: &str, value: &str, why: &str) -> Result<(), CallError> {
        let put = self
            .0
            .put_parameter()
            .name(name)
            .value(value)
            .r#type(ParameterType::String)
            .overwrite(true)
            .description(why.chars().take(LONGEST_DESCRIPTION).collect::<String>());
        put.send().await.map(drop).map_err(|error| CallError::of(PUT, &error))
    }

    async fn take_away(&self, name: &str) -> Result<(), CallError> {
        match self.0.delete_parameter().name(name).send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(error)) if error.err().is_parameter_not_found() => Ok(()),
            Err(error) => Err(CallError::of(DELETE, &error)),
        }
    }
}

/// A parameter that could not be set or taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unset {
    /// Its full name.
    pub parameter: String,
    /// Why.
    pub why: String,
}

impl<S: Signs, D: Deliveries, B: Buses, P: Budgets, C: Clock> Sender<S, D, B, P, C> {
    /// Sets a budget, as this command that was first asked for at `command.asked_at`.
    pub(super) async fn set_budget(
        &self,
        asked: &Asked,
        budget: &Budget,
        command: &Command,
        deadline: Timestamp,
    ) -> Result<Answer, CallError> {
        let sandboxes = match &budget.of {
            BudgetOf::Accounts(accounts) => self.named(accounts, self.region_of(asked), command.asked_at).await?,
            BudgetOf::All | BudgetOf::BusinessUnit(_) => Vec::new(),
        };
        let delivery = |sandbox: &Sandbox, status| Delivery::of_budget(command, budget, sandbox, status);
        let pending: Vec<Delivery> = sandboxes.iter().map(|to| delivery(to, Status::Pending)).collect();
        self.deliveries.note(&pending).await?;

        let end = self.clock.now().checked_add(SENDING).unwrap_or(deadline);
        let end = end.min(deadline.checked_sub(AFTERWARDS).unwrap_or(deadline));
        let (mut set, mut failed, mut outcomes) = (0, Vec::new(), Vec::new());
        for (whose, changes) in budget.changes() {
            let already = failed.len();
            if self.deliveries.stands(&whose, command, budget).await? {
                for change in changes {
                    match self.change(&change, command, budget, end).await {
                        Ok(()) => set += 1,
                        Err(why) => failed.push(Unset { parameter: change.name, why }),
                    }
                }
            } else {
                let why = "a newer command has set this budget".to_owned();
                failed
                    .extend(changes.into_iter().map(|Change { name, .. }| Unset { parameter: name, why: why.clone() }));
            }
            let whys: Vec<&str> = failed.iter().skip(already).map(|unset: &Unset| unset.why.as_str()).collect();
            let status = if whys.is_empty() { Status::Sent(self.clock.now()) } else { Status::Failed(whys.join("; ")) };
            let of = sandboxes.iter().find(|sandbox| whose == format!("sandbox/{}", sandbox.account));
            outcomes.extend(of.map(|sandbox| delivery(sandbox, status)));
        }
        self.deliveries.note(&outcomes).await?;
        tracing::info!(
            command.id,
            command.requested_by,
            budget.set = set,
            budget.failed = failed.len(),
            "budget was set"
        );
        Ok(Answer::Set { accepted: true, id: command.id.clone(), set, failed })
    }

    /// Changes one parameter; tells why it could not.
    async fn change(&self, change: &Change, command: &Command, budget: &Budget, end: Timestamp) -> Result<(), String> {
        if self.clock.now() >= end {
            return Err("the time was up; ask again under the command's id".to_owned());
        }
        let Command { id, requested_by, .. } = command;
        let changed = match &change.value {
            Some(value) => {
                let why = format!("{requested_by}: {} (command {id})", budget.reason);
                self.budgets.set(&change.name, value, &why).await
            }
            None => self.budgets.take_away(&change.name).await,
        };
        changed.map_err(|error| {
            tracing::warn!(parameter.name = change.name, why = %error, "parameter was not changed");
            error.to_string()
        })
    }
}

#[cfg(test)]
mod tests;
