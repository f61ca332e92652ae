//! Notebook instances: stopped when the sandbox closes, started again when it opens. Their volumes stay as they are.

use aws_sdk_sagemaker::Client;
use guardrail::Resource;
use jiff::Timestamp;
use lambda::{Aws, CallError, CallErrorKind, Problems};
use serde_json::json;

use super::jobs::refusal::{self, Order};
use crate::part::{Item, Part, Phase, Switch, Turned, TurnedOff};

/// How many instances a page holds at most; without asking, SageMaker gives ten.
const PAGE: i32 = 100;

/// The kind of resource that a notebook instance is.
const NOTEBOOK: &str = "notebook instance";

const LIST: &str = "sagemaker:ListNotebookInstances";
const DESCRIBE: &str = "sagemaker:DescribeNotebookInstance";
const STOP: &str = "sagemaker:StopNotebookInstance";
const START: &str = "sagemaker:StartNotebookInstance";

/// The notebook instances of this account.
#[derive(Clone, Debug)]
pub struct Notebooks {
    client: Client,
}

impl Notebooks {
    /// The IAM actions that looking needs.
    pub const LOOK_ACTIONS: &[&str] = &[LIST];

    /// The IAM actions that turning off and on needs besides.
    pub const TURN_ACTIONS: &[&str] = &[DESCRIBE, STOP, START];

    /// Over a client made from this.
    pub fn new(aws: &Aws) -> Self {
        let config = aws_sdk_sagemaker::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config) }
    }

    /// Where an instance stands now; `None` where it does not exist.
    async fn stands(&self, name: &str) -> Result<Option<Phase>, CallError> {
        match self.client.describe_notebook_instance().notebook_instance_name(name).send().await {
            Ok(answer) => {
                let state = answer.notebook_instance_status.ok_or_else(|| refusal::incomplete(DESCRIBE, "a state"))?;
                Ok(Some(phase_of(state.as_str())))
            }
            Err(error) => refusal::missing_or(CallError::of(DESCRIBE, &error)).map(|()| None),
        }
    }

    /// What became of an order that was answered so.
    async fn ordered(&self, order: Order, name: &str, answer: Result<(), CallError>) -> Result<Turned, CallError> {
        match answer {
            Ok(()) => Ok(Turned::Told),
            Err(problem) if problem.says_unknown() => Ok(Turned::Gone),
            Err(problem) if problem.kind == CallErrorKind::Invalid => {
                refusal::settle(order, problem, self.stands(name).await?)
            }
            Err(problem) => Err(problem),
        }
    }
}

impl Switch for Notebooks {
    const PART: Part = Part::Notebooks;

    async fn look(&self) -> Result<Vec<Item>, Problems> {
        let mut items = Vec::new();
        let mut from = None;
        loop {
            let list = self.client.list_notebook_instances().max_results(PAGE).set_next_token(from).send();
            let page = list.await.map_err(|error| CallError::of(LIST, &error))?;
            for seen in page.notebook_instances.unwrap_or_default() {
                let (Some(name), Some(state)) = (seen.notebook_instance_name, seen.notebook_instance_status) else {
                    return Err(refusal::incomplete(LIST, "a name or a state").into());
                };
                items.push(item(name, state.as_str()));
            }
            from = page.next_token.filter(|next| !next.is_empty());
            if from.is_none() {
                return Ok(items);
            }
        }
    }

    async fn turn_off(&self, item: &Item, _now: Timestamp) -> Result<Turned, CallError> {
        let name = &item.resource.id;
        let stop = self.client.stop_notebook_instance().notebook_instance_name(name).send().await;
        self.ordered(Order::Off, name, stop.map(drop).map_err(|error| CallError::of(STOP, &error))).await
    }

    async fn turn_on(&self, item: &TurnedOff) -> Result<Turned, CallError> {
        let name = &item.resource.id;
        let start = self.client.start_notebook_instance().notebook_instance_name(name).send().await;
        self.ordered(Order::On, name, start.map(drop).map_err(|error| CallError::of(START, &error))).await
    }
}

fn item(name: String, state: &str) -> Item {
    Item {
        resource: Resource { kind: NOTEBOOK.to_owned(), id: name },
        phase: phase_of(state),
        state: state.to_owned(),
        finishes: false,
        // Starting asks for nothing but the name. One that is being deleted is never started again.
        memo: (state != "Deleting").then(|| json!({})),
    }
}

/// Where an instance in this state stands.
///
/// Only a stopped instance can be updated, it holds nothing while it is, and it is stopped afterwards; so `Updating` is
/// off. While it lasts SageMaker refuses to start it, and the order is tried again.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/nbi-update.html>
fn phase_of(state: &str) -> Phase {
    match state {
        // Maintenance is done on an instance that is up.
        "InService" | "InMaintenance" | "PendingMaintenance" => Phase::On,
        "Pending" => Phase::TurningOn,
        "Stopping" | "Deleting" => Phase::TurningOff,
        "Stopped" | "Failed" | "Updating" => Phase::Off,
        // It may hold an instance: better told to stop in vain than overlooked.
        _ => {
            tracing::warn!(resource.kind = NOTEBOOK, resource.state = state, "state is unknown and counts as on");
            Phase::On
        }
    }
}

#[cfg(test)]
mod tests;
