//! What a sandbox remembers of its availability, between one run and the next: where it stands, its window, its locks,
//! and what closing turned off.
//!
//! Each is one page, an item of the ledger's table under `availability/…`, written only over the version that was read.
//! So of two runs that change the same page at once one begins again from what the other wrote, and nothing is lost.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::AttributeValue;
use guardrail::Resource;
use guardrail::availability::Availability;
use guardrail::closing::Part;
use jiff::Timestamp;
use lambda::{Aws, CallError, CallErrorKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::part::TurnedOff;

/// One thing that is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Page {
    /// [`Standing`].
    Standing,
    /// [`WindowInForce`].
    Window,
    /// [`Locks`].
    Locks,
    /// [`Notice`].
    Notice,
    /// [`Record`] of this part.
    Part(Part),
}

impl Page {
    /// The id of its item in the ledger's table.
    pub fn id(self) -> String {
        match self {
            Self::Standing => "availability/standing".to_owned(),
            Self::Window => "availability/window".to_owned(),
            Self::Locks => "availability/locks".to_owned(),
            Self::Notice => "availability/notice".to_owned(),
            Self::Part(part) => format!("availability/part/{part}"),
        }
    }
}

/// Which way a workflow takes the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workflow {
    /// Towards closed.
    Stop,
    /// Towards open.
    Start,
}

impl Workflow {
    /// The name it has in payloads and in the names of executions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
        }
    }
}

/// Where the sandbox stands, and the workflow that was asked for last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Where it stands.
    pub state: Availability,
    /// Which way it was last asked to go.
    pub workflow: Workflow,
    /// Counts the workflows. Only the steps of the last one do anything.
    pub turn: u64,
    /// The ARN of the last workflow's execution.
    pub execution: String,
    /// When that execution was asked for.
    pub asked_at: Timestamp,
    /// When the sandbox began to go this way: what may finish is given its grace time from here, also when the
    /// workflow has to be begun again.
    pub began_at: Timestamp,
    /// Why.
    pub reason: Option<String>,
    /// Who asked for it, where somebody did.
    pub requested_by: Option<String>,
    /// What went wrong with the last workflow; it is begun again.
    pub failure: Option<String>,
}

impl Standing {
    /// Where a sandbox stands of which this is known: one of which nothing is was never closed.
    pub fn state_of(standing: Option<&Self>) -> Availability {
        standing.map_or(Availability::Open, |standing| standing.state)
    }
}

/// The window in force, and the command that set it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowInForce {
    /// The document; none after a window was taken away.
    pub document: Option<Value>,
    /// The id of the command.
    pub command: String,
    /// When the command was given: an older one does not replace it.
    pub occurred_at: Timestamp,
    /// Who gave it.
    pub requested_by: String,
}

/// The sandbox's locks by name, released ones included, so that a late command does not bring one back.
pub type Locks = BTreeMap<String, Lock>;

/// One lock, as its newest command left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Whether it holds the sandbox closed.
    pub held: bool,
    /// Why it was requested, or released.
    pub reason: String,
    /// Who did.
    pub requested_by: String,
    /// When that command was given.
    pub occurred_at: Timestamp,
}

/// The closing that users were warned of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// When it is to come; none once it was called off.
    pub closes_at: Option<Timestamp>,
    /// How many closings were called off so far: one that comes after all is announced anew.
    #[serde(default)]
    pub called_off: u32,
}

/// What closing turned off in one part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What opening turns on again. Written before it is turned off, and taken out when it is on.
    pub turned_off: Vec<TurnedOff>,
    /// The turn that last dealt with the part.
    pub turn: u64,
    /// When that turn first did.
    pub since: Option<Timestamp>,
    /// What that turn has told to go off or on.
    pub told: Vec<Resource>,
    /// What that turn has left as it is, and why.
    pub refused: Vec<(Resource, String)>,
    /// The closing, by the moment it began, in which the part was seen closed. What comes on after that was not the
    /// users' doing: it is turned off and not recorded.
    #[serde(default)]
    pub closed_in: Option<Timestamp>,
}

/// A page as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// What stands on it.
    pub content: Value,
    /// Its version, which grows with each writing.
    pub version: u64,
}

/// Reads and writes pages.
pub trait Book {
    /// The page as it stands, all writing before included; `None` when it was never written.
    fn read(&self, page: Page) -> impl Future<Output = Result<Option<Read>, CallError>>;

    /// Writes the page over this version, 0 where there is none; `false` when another version stands there.
    fn write(&self, page: Page, content: &Value, over: u64) -> impl Future<Output = Result<bool, CallError>>;
}

/// How often a change is begun again because somebody else changed the page meanwhile.
const CHANGES: usize = 8;

/// What stands on a page.
///
/// # Errors
/// When it cannot be read, or is not what it should be.
pub async fn read<T: DeserializeOwned>(book: &impl Book, page: Page) -> Result<Option<T>, CallError> {
    let read = book.read(page).await?;
    read.map(|read| parse(page, read.content)).transpose()
}

/// Where the sandbox stands.
///
/// # Errors
/// When that cannot be read.
pub async fn state(book: &impl Book) -> Result<Availability, CallError> {
    Ok(Standing::state_of(read(book, Page::Standing).await?.as_ref()))
}

/// Changes a page; gives what `change` gave beside the new content. `change` sees what stands there and may be called
/// again, when somebody else changed the page meanwhile; `None` as the new content leaves the page as it is.
///
/// # Errors
/// When it cannot be read or written, or others change it all the time.
pub async fn change<T, R>(
    book: &impl Book,
    page: Page,
    mut change: impl FnMut(Option<T>) -> (Option<T>, R),
) -> Result<R, CallError>
where
    T: Serialize + DeserializeOwned,
{
    for _ in 0..CHANGES {
        let read = book.read(page).await?;
        let over = read.as_ref().map_or(0, |read| read.version);
        let (new, answer) = change(read.map(|read| parse(page, read.content)).transpose()?);
        let Some(new) = new else { return Ok(answer) };
        let content = serde_json::to_value(new).map_err(|error| unreadable(page, &error.to_string()))?;
        if book.write(page, &content, over).await? {
            return Ok(answer);
        }
    }
    let message = format!("`{}` is changed by others all the time", page.id());
    Err(CallError { operation: PUT, kind: CallErrorKind::Unavailable, message })
}

fn parse<T: DeserializeOwned>(page: Page, content: Value) -> Result<T, CallError> {
    guardrail::event::read_naming_fields(&content).map_err(|error| unreadable(page, &error.to_string()))
}

fn unreadable(page: Page, problem: &str) -> CallError {
    let message = format!("ledger entry `{}`: {problem}", page.id());
    CallError { operation: GET, kind: CallErrorKind::Invalid, message }
}

const GET: &str = "dynamodb:GetItem";
const PUT: &str = "dynamodb:PutItem";

/// The pages in the ledger's table.
#[derive(Clone, Debug)]
pub struct BookTable {
    client: Client,
    table: String,
}

impl BookTable {
    /// The IAM actions it needs.
    pub const ACTIONS: &[&str] = &[GET, PUT];

    /// The pages in this table.
    pub fn new(aws: &Aws, table: impl Into<String>) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config), table: table.into() }
    }
}

impl Book for BookTable {
    async fn read(&self, page: Page) -> Result<Option<Read>, CallError> {
        let id = AttributeValue::S(page.id());
        let item = self.client.get_item().table_name(&self.table).key("id", id).consistent_read(true).send().await;
        let Some(item) = item.map_err(|error| CallError::of(GET, &error))?.item else { return Ok(None) };
        let content = item.get("content").and_then(|content| content.as_s().ok());
        let version = item.get("version").and_then(|version| version.as_n().ok()).and_then(|text| text.parse().ok());
        let content = content.and_then(|content| serde_json::from_str(content).ok());
        match (content, version) {
            (Some(content), Some(version)) => Ok(Some(Read { content, version })),
            _ => Err(unreadable(page, "it has no content or no version")),
        }
    }

    async fn write(&self, page: Page, content: &Value, over: u64) -> Result<bool, CallError> {
        // Without an expiry: a sandbox may be closed for longer than the audit trail is kept.
        let written = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("id", AttributeValue::S(page.id()))
            .item("content", AttributeValue::S(content.to_string()))
            .item("version", AttributeValue::N((over + 1).to_string()))
            .condition_expression(if over == 0 { "attribute_not_exists(id)" } else { "version = :over" });
        let written = match over {
            0 => written,
            over => written.expression_attribute_values(":over", AttributeValue::N(over.to_string())),
        };
        match written.send().await {
            Ok(_) => Ok(true),
            // Our own writing, whose answer was lost before the SDK tried again, is found to be another's version: the
            // change begins again from it, which does no harm, because every change may be made twice.
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => Ok(false),
            Err(error) => Err(CallError::of(PUT, &error)),
        }
    }
}

#[cfg(test)]
mod tests;
