//! What was asked for and what was sent to each sandbox, in the console's table.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, PutRequest, ReturnValuesOnConditionCheckFailure, WriteRequest,
};
use guardrail::{Event, Sandbox};
use jiff::{SignedDuration, Timestamp};
use lambda::{Aws, CallError, CallErrorKind};
use serde_json::Value;

use super::asked::{Budget, BudgetOf};
use crate::row::{Attribute, Cell, instant, text};
use crate::table::value_of;

/// Where commands stand.
pub const COMMAND: &str = "command";

/// Where it stands by whom each budget was last set.
pub const BUDGET: &str = "budget";

/// What happened to a sandbox whose budget was set, where else the type of the event stands that was sent.
const BUDGET_SET: &str = "Budget Set";

/// How long commands and deliveries are kept: thirteen months, as everything that happened in a sandbox.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 400);

/// Rows of one `BatchWriteItem` and of one `BatchGetItem`.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>
const WRITTEN_TOGETHER: usize = 25;
const READ_TOGETHER: usize = 100;

/// How often rows that DynamoDB did not get to are asked for, with a pause that doubles from the first.
const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A command, for any number of sandboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its id.
    pub id: String,
    /// What was asked for.
    pub what: Value,
    /// Who asked.
    pub requested_by: String,
    /// When it was first asked for.
    pub asked_at: Timestamp,
}

/// A command that is known already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What was asked for.
    pub what: Value,
    /// When it was first asked for.
    pub asked_at: Timestamp,
}

/// What became of a command on its way to one sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The sandbox.
    pub sandbox: Sandbox,
    /// Whether it was sent.
    pub status: Status,
    id: String,
    named: Vec<Attribute>,
}

/// Whether a command was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is to be.
    Pending,
    /// It was, then.
    Sent(Timestamp),
    /// It could not be, for this reason.
    Failed(String),
}

/// Remembers what was asked for and what was sent.
pub trait Deliveries {
    /// Enters a command if its id is new; otherwise tells what stands under it.
    fn begin(&self, command: &Command) -> impl Future<Output = Result<Option<Known>, CallError>>;

    /// The accounts of those among these sandboxes that the command of this id was sent to.
    fn reached(&self, id: &str, among: &[Sandbox]) -> impl Future<Output = Result<BTreeSet<String>, CallError>>;

    /// Notes where deliveries stand, over what was noted of them before.
    fn note(&self, deliveries: &[Delivery]) -> impl Future<Output = Result<(), CallError>>;

    /// Enters a command as the one that a budget is set by, unless a newer one is; tells whether it stands. Whose budget
    /// is said as in [`Budget::changes`].
    fn stands(&self, whose: &str, command: &Command, budget: &Budget) -> impl Future<Output = Result<bool, CallError>>;
}

impl Status {
    fn attributes(&self) -> [Attribute; 3] {
        let (word, why, sent_at) = match self {
            Self::Pending => ("pending", None, None),
            Self::Sent(at) => ("sent", None, Some(*at)),
            Self::Failed(why) => ("failed", Some(why), None),
        };
        [("status", text(word)), ("why", why.and_then(|why| text(why))), ("sent_at", sent_at.and_then(instant))]
    }
}

impl Delivery {
    /// Where the delivery of this command's event stands.
    pub fn of(event: &Event, status: Status) -> Self {
        let header = event.header();
        let (lock, reason, requested_by) = match event {
            Event::SandboxLockRequested(asked) => (Some(&asked.lock), Some(&asked.reason), Some(&asked.requested_by)),
            Event::SandboxLockReleased(asked) => (Some(&asked.lock), Some(&asked.reason), Some(&asked.requested_by)),
            Event::AvailabilityUpdateRequested(asked) => (None, None, Some(&asked.requested_by)),
            _ => (None, None, None),
        };
        let optional = |value: Option<&String>| value.and_then(|value| text(value));
        let mut named = vec![
            ("detail_type", text(event.detail_type())),
            ("id", text(&header.id)),
            ("command", text(header.id.trim_start_matches("command/"))),
            ("account", text(&header.sandbox.account)),
            ("region", text(&header.sandbox.region)),
            ("alias", text(&header.sandbox.alias)),
            ("lock", optional(lock)),
            ("reason", optional(reason)),
            ("requested_by", optional(requested_by)),
            ("occurred_at", instant(header.occurred_at)),
            ("expires_at", expiry(header.occurred_at)),
        ];
        named.extend(status.attributes());
        Self { sandbox: header.sandbox.clone(), status, id: header.id.clone(), named }
    }

    /// Where a sandbox's budget stands that this command sets.
    pub fn of_budget(command: &Command, budget: &Budget, sandbox: &Sandbox, status: Status) -> Self {
        let id = format!("command/{}", command.id);
        let mut named = vec![
            ("detail_type", text(BUDGET_SET)),
            ("id", text(&id)),
            ("command", text(&command.id)),
            ("account", text(&sandbox.account)),
            ("region", text(&sandbox.region)),
            ("alias", text(&sandbox.alias)),
        ];
        named.extend(budget_attributes(command, budget));
        named.extend(status.attributes());
        named.push(("expires_at", expiry(command.asked_at)));
        Self { sandbox: sandbox.clone(), status, id, named }
    }

    /// The id of the command's event, which is the sort key.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// The commands and deliveries in DynamoDB.
#[derive(Clone, Debug)]
pub struct CommandTable {
    client: Client,
    name: String,
}

const PUT: &str = "dynamodb:PutItem";
const WRITE: &str = "dynamodb:BatchWriteItem";
const READ: &str = "dynamodb:BatchGetItem";

type Item = HashMap<String, AttributeValue>;

impl CommandTable {
    /// The IAM actions that its use needs.
    pub const ACTIONS: &[&str] = &[PUT, WRITE, READ];

    /// A client for the table of this name.
    pub fn new(aws: &Aws, name: impl Into<String>) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config), name: name.into() }
    }

    async fn write(&self, mut waiting: Vec<WriteRequest>) -> Result<(), CallError> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..ATTEMPTS {
            let answer = self.client.batch_write_item().request_items(&self.name, waiting).send().await;
            let answer = answer.map_err(|error| CallError::of(WRITE, &error))?;
            let left = answer.unprocessed_items.and_then(|mut tables| tables.remove(&self.name));
            waiting = left.unwrap_or_default();
            if waiting.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(throttled(WRITE, waiting.len()))
    }

    async fn read(&self, mut waiting: Vec<Item>) -> Result<Vec<Item>, CallError> {
        let mut found = Vec::new();
        let mut pause = FIRST_PAUSE;
        for _ in 0..ATTEMPTS {
            let wanted = KeysAndAttributes::builder()
                .set_keys(Some(waiting))
                .projection_expression("#account, #status")
                .expression_attribute_names("#account", "account")
                .expression_attribute_names("#status", "status")
                // What a run before this one wrote a moment ago counts.
                .consistent_read(true)
                .build()
                .map_err(|error| invalid(READ, error.to_string()))?;
            let answer = self.client.batch_get_item().request_items(&self.name, wanted).send().await;
            let mut answer = answer.map_err(|error| CallError::of(READ, &error))?;
            found.extend(answer.responses.as_mut().and_then(|tables| tables.remove(&self.name)).unwrap_or_default());
            let left = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.name));
            waiting = left.map(|left| left.keys).unwrap_or_default();
            if waiting.is_empty() {
                return Ok(found);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(throttled(READ, waiting.len()))
    }
}

impl Deliveries for CommandTable {
    async fn begin(&self, command: &Command) -> Result<Option<Known>, CallError> {
        let what = |key: &str| command.what.get(key).and_then(Value::as_str).and_then(text);
        let named = [
            ("id", text(&command.id)),
            ("command", what("command")),
            ("lock", what("lock")),
            ("business_unit", what("business_unit")),
            ("limit", what("limit")),
            ("levels", what("levels")),
            ("mode", what("mode")),
            ("reason", what("reason")),
            ("requested_by", text(&command.requested_by)),
            ("occurred_at", instant(command.asked_at)),
            ("expires_at", expiry(command.asked_at)),
            ("detail", Some(Cell::Text(command.what.to_string()))),
        ];
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item(COMMAND.to_owned(), command.id.clone(), named)))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(None),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                let stands = match error.err() {
                    PutItemError::ConditionalCheckFailedException(failed) => failed.item(),
                    _ => None,
                };
                let known = stands.and_then(known);
                known.map(Some).ok_or_else(|| invalid(PUT, format!("command `{}` cannot be read back", command.id)))
            }
            Err(error) => Err(CallError::of(PUT, &error)),
        }
    }

    async fn reached(&self, id: &str, among: &[Sandbox]) -> Result<BTreeSet<String>, CallError> {
        let mut reached = BTreeSet::new();
        for part in among.chunks(READ_TOGETHER) {
            let keys = part.iter().map(|sandbox| item(place_of(sandbox), format!("command/{id}"), [])).collect();
            let sent = self.read(keys).await?.into_iter().filter_map(|mut row| {
                let sent = row.get("status").and_then(|status| status.as_s().ok()).is_some_and(|word| word == "sent");
                row.remove("account").filter(|_| sent).and_then(|account| match account {
                    AttributeValue::S(account) => Some(account),
                    _ => None,
                })
            });
            reached.extend(sent);
        }
        Ok(reached)
    }

    async fn stands(&self, whose: &str, command: &Command, budget: &Budget) -> Result<bool, CallError> {
        let mut named = vec![("id", text(&command.id))];
        if let BudgetOf::BusinessUnit(unit) = &budget.of {
            named.push(("business_unit", text(unit)));
        }
        named.extend(budget_attributes(command, budget));
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item(BUDGET.to_owned(), whose.to_owned(), named)))
            // The same command, which bears the same moment, may come again.
            .condition_expression("attribute_not_exists(pk) OR occurred_at <= :asked_at")
            .expression_attribute_values(":asked_at", AttributeValue::N(command.asked_at.as_millisecond().to_string()));
        match put.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => Ok(false),
            Err(error) => Err(CallError::of(PUT, &error)),
        }
    }

    async fn note(&self, deliveries: &[Delivery]) -> Result<(), CallError> {
        for part in deliveries.chunks(WRITTEN_TOGETHER) {
            let requests = part.iter().map(|delivery| {
                let row = item(place_of(&delivery.sandbox), delivery.id.clone(), delivery.named.iter().cloned());
                let put = PutRequest::builder().set_item(Some(row)).build();
                put.map(|put| WriteRequest::builder().put_request(put).build())
            });
            let requests: Result<Vec<_>, _> = requests.collect();
            self.write(requests.map_err(|error| invalid(WRITE, error.to_string()))?).await?;
        }
        Ok(())
    }
}

/// What a command sets of a budget, by whom, when and why. What it takes away has the word `none`.
fn budget_attributes(command: &Command, budget: &Budget) -> Vec<Attribute> {
    let setting = |(name, value): (&&'static str, &Option<String>)| (*name, text(value.as_deref().unwrap_or("none")));
    let said = [
        ("reason", text(&budget.reason)),
        ("requested_by", text(&command.requested_by)),
        ("occurred_at", instant(command.asked_at)),
    ];
    budget.settings.iter().map(setting).chain(said).collect()
}

/// The partition key of what stands about a sandbox.
fn place_of(sandbox: &Sandbox) -> String {
    format!("{}/{}", sandbox.account, sandbox.region)
}

fn item(pk: String, sk: String, named: impl IntoIterator<Item = Attribute>) -> Item {
    let named = named.into_iter().filter_map(|(name, cell)| Some((name.to_owned(), value_of(cell?))));
    let keys = [("pk".to_owned(), AttributeValue::S(pk)), ("sk".to_owned(), AttributeValue::S(sk))];
    keys.into_iter().chain(named).collect()
}

fn known(item: &Item) -> Option<Known> {
    let asked_at = item.get("occurred_at")?.as_n().ok()?.parse().ok()?;
    Some(Known {
        what: serde_json::from_str(item.get("detail")?.as_s().ok()?).ok()?,
        asked_at: Timestamp::from_millisecond(asked_at).ok()?,
    })
}

/// When DynamoDB deletes the row, in seconds as its time to live wants them.
fn expiry(asked_at: Timestamp) -> Option<Cell> {
    Some(Cell::Number(asked_at.as_second().saturating_add(KEPT.as_secs())))
}

fn throttled(operation: &'static str, left: usize) -> CallError {
    let message = format!("DynamoDB did not get to {left} rows");
    CallError { operation, kind: CallErrorKind::Throttled, message }
}

fn invalid(operation: &'static str, message: String) -> CallError {
    CallError { operation, kind: CallErrorKind::Invalid, message }
}

#[cfg(test)]
mod tests;
