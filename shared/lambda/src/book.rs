//! What functions remember between one run and the next, beside the ledger's events: pages, each a JSON document.
//!
//! A page is an item of the ledger's table, written only over the version that was read. So of two runs that change the
//! same page at once one begins again from what the other wrote, and nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::batch::{self, Item};
use crate::{Aws, CallError, CallErrorKind};

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
    fn read(&self, page: &str) -> impl Future<Output = Result<Option<Read>, CallError>>;

    /// Writes the page over this version, 0 where there is none; `false` when another version stands there. It is
    /// forgotten some time after `until`, and kept for ever without.
    fn write(
        &self,
        page: &str,
        content: &Value,
        over: u64,
        until: Option<Timestamp>,
    ) -> impl Future<Output = Result<bool, CallError>>;
}

/// Reads many pages at once.
pub trait ReadAll: Book {
    /// The pages as they stand, all writing before included; those that were never written are not among them.
    fn read_all(&self, pages: &BTreeSet<String>) -> impl Future<Output = Result<BTreeMap<String, Read>, CallError>>;
}

/// How often a change is begun again because somebody else changed the page meanwhile.
const CHANGES: usize = 8;

/// What stands on a page.
///
/// # Errors
/// When it cannot be read, or is not what it should be.
pub async fn read<T: DeserializeOwned>(book: &impl Book, page: impl fmt::Display) -> Result<Option<T>, CallError> {
    let page = page.to_string();
    let read = book.read(&page).await?;
    read.map(|read| parse(&page, read.content)).transpose()
}

/// What stands on pages, by page; those that were never written are not among them.
///
/// # Errors
/// When one cannot be read, or is not what it should be.
pub async fn read_all<T: DeserializeOwned>(
    book: &impl ReadAll,
    pages: &BTreeSet<String>,
) -> Result<BTreeMap<String, T>, CallError> {
    let read = book.read_all(pages).await?;
    read.into_iter().map(|(page, read)| parse(&page, read.content).map(|content| (page, content))).collect()
}

/// Changes a page that is kept for ever; gives what `change` gave beside the new content. `change` sees what stands
/// there and may be called again, when somebody else changed the page meanwhile; `None` as the new content leaves the
/// page as it is.
///
/// # Errors
/// When it cannot be read or written, or others change it all the time.
pub async fn change<T, R>(
    book: &impl Book,
    page: impl fmt::Display,
    change: impl FnMut(Option<T>) -> (Option<T>, R),
) -> Result<R, CallError>
where
    T: Serialize + DeserializeOwned,
{
    change_kept(book, page, None, change).await
}

/// Changes a page as [`change`] does; it is forgotten some time after `until`.
///
/// # Errors
/// As with [`change`].
pub async fn change_until<T, R>(
    book: &impl Book,
    page: impl fmt::Display,
    until: Timestamp,
    change: impl FnMut(Option<T>) -> (Option<T>, R),
) -> Result<R, CallError>
where
    T: Serialize + DeserializeOwned,
{
    change_kept(book, page, Some(until), change).await
}

async fn change_kept<T, R>(
    book: &impl Book,
    page: impl fmt::Display,
    until: Option<Timestamp>,
    mut change: impl FnMut(Option<T>) -> (Option<T>, R),
) -> Result<R, CallError>
where
    T: Serialize + DeserializeOwned,
{
    let page = page.to_string();
    for _ in 0..CHANGES {
        let read = book.read(&page).await?;
        let over = read.as_ref().map_or(0, |read| read.version);
        let (new, answer) = change(read.map(|read| parse(&page, read.content)).transpose()?);
        let Some(new) = new else { return Ok(answer) };
        let content = serde_json::to_value(new).map_err(|error| unreadable(GET, &page, &error.to_string()))?;
        if book.write(&page, &content, over, until).await? {
            return Ok(answer);
        }
    }
    let message = format!("`{page}` is changed by others all the time");
    Err(CallError { operation: PUT, kind: CallErrorKind::Unavailable, message })
}

fn parse<T: DeserializeOwned>(page: &str, content: Value) -> Result<T, CallError> {
    guardrail::event::read_naming_fields(&content).map_err(|error| unreadable(GET, page, &error.to_string()))
}

fn unreadable(operation: &'static str, page: &str, problem: &str) -> CallError {
    let message = format!("ledger entry `{page}`: {problem}");
    CallError { operation, kind: CallErrorKind::Invalid, message }
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
    /// The IAM actions that reading and writing pages needs.
    pub const ACTIONS: &[&str] = &[GET, PUT];

    /// The IAM actions that reading many at once needs besides.
    pub const READ_ALL: &[&str] = &[batch::READ];

    /// The pages in this table.
    pub fn new(aws: &Aws, table: impl Into<String>) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config), table: table.into() }
    }
}

impl Book for BookTable {
    async fn read(&self, page: &str) -> Result<Option<Read>, CallError> {
        let id = AttributeValue::S(page.to_owned());
        let item = self.client.get_item().table_name(&self.table).key("id", id).consistent_read(true).send().await;
        let item = item.map_err(|error| CallError::of(GET, &error))?.item;
        item.map(|item| page_in(&item).ok_or_else(|| unreadable(GET, page, INCOMPLETE))).transpose()
    }

    async fn write(&self, page: &str, content: &Value, over: u64, until: Option<Timestamp>) -> Result<bool, CallError> {
        let written = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("id", AttributeValue::S(page.to_owned()))
            .item("content", AttributeValue::S(content.to_string()))
            .item("version", AttributeValue::N((over + 1).to_string()))
            .condition_expression(if over == 0 { "attribute_not_exists(id)" } else { "version = :over" });
        let written = match over {
            0 => written,
            over => written.expression_attribute_values(":over", AttributeValue::N(over.to_string())),
        };
        let written = match until {
            // In seconds, as DynamoDB's time to live wants them.
            Some(until) => written.item("expires_at", AttributeValue::N(until.as_second().to_string())),
            None => written,
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

impl ReadAll for BookTable {
    async fn read_all(&self, pages: &BTreeSet<String>) -> Result<BTreeMap<String, Read>, CallError> {
        let key = |page: &String| Item::from([("id".to_owned(), AttributeValue::S(page.clone()))]);
        let keys = pages.iter().map(key).collect();
        let items = batch::read(&self.client, &self.table, keys, &["id", "content", "version"]).await?;
        let read = items.iter().map(|item| {
            let page = item.get("id").and_then(|id| id.as_s().ok()).map_or("unknown", String::as_str);
            let read = page_in(item).ok_or_else(|| unreadable(batch::READ, page, INCOMPLETE))?;
            Ok((page.to_owned(), read))
        });
        read.collect()
    }
}

/// The page in an item; none in one that is no page.
fn page_in(item: &Item) -> Option<Read> {
    Some(Read {
        content: serde_json::from_str(item.get("content")?.as_s().ok()?).ok()?,
        version: item.get("version")?.as_n().ok()?.parse().ok()?,
    })
}

const INCOMPLETE: &str = "it has no content or no version";

#[cfg(test)]
mod tests;
