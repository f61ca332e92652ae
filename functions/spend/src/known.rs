//! What the console knows of the sandboxes.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use guardrail::event::read_naming_fields;
use guardrail::{Heartbeat, Registered, Sandbox};
use jiff::Timestamp;
use lambda::batch::{self, Item};
use lambda::{Aws, CallError, CallErrorKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a lock's row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockRow {
    /// Whether the lock holds the sandbox closed.
    pub held: bool,
    /// The id of the event that said so, such as `availability/locked/command/<id>`.
    pub id: String,
    /// When that came about: the moment of the command.
    pub at: Timestamp,
}

/// The console's table, which is only read.
pub trait Console {
    /// Every sandbox that has given a sign of life, and the last heartbeat of each of its functions.
    fn heartbeats(&self) -> impl Future<Output = Result<Vec<Heartbeat>, CallError>>;

    /// What the lock of this name is in a sandbox; none where it was never set.
    fn lock(&self, sandbox: &Sandbox, name: &str) -> impl Future<Output = Result<Option<LockRow>, CallError>>;

    /// The window documents in force in these sandboxes, by account; a sandbox without a window is not among them. Of
    /// an account with several windows it is that of the first Region.
    fn windows(&self, sandboxes: &[Sandbox]) -> impl Future<Output = Result<BTreeMap<String, Value>, CallError>>;
}

/// A sandbox as the hub knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The account's sandboxes, one in each Region that it has one in; never empty, by Region.
    pub sandboxes: Vec<Sandbox>,
    /// The business unit that pays for it, where the register tells.
    pub business_unit: Option<String>,
    /// When one of them last gave a sign of life.
    pub seen_at: Option<Timestamp>,
}

/// The sandboxes that the hub knows, by account: those that give signs of life, and those that the register names. The
/// hub itself is none.
///
/// A sandbox that only the register names has the Region and the name that stand there, or else the hub's Region and
/// its account for a name.
pub fn known(
    heartbeats: &[Heartbeat],
    register: &BTreeMap<String, Registered>,
    hub: &Sandbox,
) -> BTreeMap<String, Known> {
    // By account and Region, with the name that the last sign of life told.
    let mut seen: BTreeMap<&str, BTreeMap<&str, (Timestamp, &Sandbox)>> = BTreeMap::new();
    for heartbeat in heartbeats {
        let (sandbox, at) = (&heartbeat.header.sandbox, heartbeat.header.occurred_at);
        let last = seen.entry(&sandbox.account).or_default().entry(&sandbox.region).or_insert((at, sandbox));
        // Of two signs of one moment the greater name, so that their order makes no difference.
        if (at, &sandbox.alias) > (last.0, &last.1.alias) {
            *last = (at, sandbox);
        }
    }
    let accounts: BTreeSet<&str> = seen.keys().copied().chain(register.keys().map(String::as_str)).collect();
    let others = accounts.into_iter().filter(|account| *account != hub.account);
    let known = others.map(|account| {
        let registered = register.get(account);
        let told = |word: fn(&Registered) -> &Option<String>| registered.and_then(|entry| word(entry).clone());
        let (sandboxes, seen_at) = match seen.get(account) {
            Some(regions) => {
                let sandboxes = regions.values().map(|(_, sandbox)| (*sandbox).clone()).collect();
                (sandboxes, regions.values().map(|(at, _)| *at).max())
            }
            None => {
                let region = told(|entry| &entry.region).unwrap_or_else(|| hub.region.clone());
                let alias = told(|entry| &entry.alias).unwrap_or_else(|| account.to_owned());
                (vec![Sandbox { account: account.to_owned(), region, alias }], None)
            }
        };
        let business_unit = registered.map(|entry| entry.business_unit.clone());
        (account.to_owned(), Known { sandboxes, business_unit, seen_at })
    });
    known.collect()
}

/// The console's table in DynamoDB. What stands where is told in the manual of the console's rows and commands.
#[derive(Clone, Debug)]
pub struct ConsoleReader {
    client: Client,
    table: String,
}

const QUERY: &str = "dynamodb:Query";
const GET: &str = "dynamodb:GetItem";

/// Where signs of life and of trouble stand.
const HEALTH: &str = "health";

/// Where commands stand, as they were asked for.
const COMMAND: &str = "command";

/// What the id of a window's row begins with; then follows the id of the command that asked for the window.
const WINDOW_UPDATED: &str = "availability/window_updated/command/";

impl ConsoleReader {
    /// The IAM actions that its use needs.
    pub const ACTIONS: &[&str] = &[QUERY, GET, batch::READ];

    /// A client for the table of this name.
    pub fn new(aws: &Aws, table: impl Into<String>) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config), table: table.into() }
    }

    async fn read(&self, keys: BTreeSet<(String, String)>, attribute: &str) -> Result<Vec<Item>, CallError> {
        let keys = keys.into_iter().map(|(pk, sk)| key(pk, sk)).collect();
        batch::read(&self.client, &self.table, keys, &["pk", "sk", attribute]).await
    }
}

impl Console for ConsoleReader {
    async fn heartbeats(&self) -> Result<Vec<Heartbeat>, CallError> {
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :health")
            .filter_expression("detail_type = :heartbeat")
            .projection_expression("sk, detail")
            .expression_attribute_values(":health", AttributeValue::S(HEALTH.to_owned()))
            .expression_attribute_values(":heartbeat", AttributeValue::S("Guardrail Heartbeat".to_owned()))
            .into_paginator()
            .items()
            .send();
        let items: Result<Vec<Item>, _> = items.collect().await;
        let items = items.map_err(|error| CallError::of(QUERY, &error))?;
        // To leave one out that cannot be read could leave a whole sandbox out, so it is an error.
        items.iter().map(|item| detail_of(QUERY, item)).collect()
    }

    async fn lock(&self, sandbox: &Sandbox, name: &str) -> Result<Option<LockRow>, CallError> {
        let key = key(place_of(sandbox), format!("lock/{name}"));
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key)).consistent_read(true).send().await;
        let Some(item) = get.map_err(|error| CallError::of(GET, &error))?.item else { return Ok(None) };
        let at = item.get("occurred_at").and_then(|at| at.as_n().ok()?.parse().ok());
        let at = at.and_then(|at| Timestamp::from_millisecond(at).ok());
        match (text(&item, "status"), text(&item, "id"), at) {
            (Some(status @ ("held" | "released")), Some(id), Some(at)) => {
                Ok(Some(LockRow { held: status == "held", id: id.to_owned(), at }))
            }
            _ => Err(unreadable(GET, &item, "it has no id or no time, or does not say whether the lock is held")),
        }
    }

    async fn windows(&self, sandboxes: &[Sandbox]) -> Result<BTreeMap<String, Value>, CallError> {
        let keys = sandboxes.iter().map(|sandbox| (place_of(sandbox), "window".to_owned())).collect();
        let mut rows = self.read(keys, "id").await?;
        rows.sort_by(|one, other| text(one, "pk").cmp(&text(other, "pk")));
        let mut commands: BTreeMap<String, String> = BTreeMap::new();
        for row in &rows {
            let account = text(row, "pk").and_then(|place| place.split('/').next()).unwrap_or_default();
            let id = text(row, "id").unwrap_or_default();
            let command = id.strip_prefix(WINDOW_UPDATED).unwrap_or(id);
            commands.entry(account.to_owned()).or_insert_with(|| command.to_owned());
        }
        let keys = commands.values().map(|command| (COMMAND.to_owned(), command.clone())).collect();
        let mut windows: BTreeMap<String, Option<Value>> = BTreeMap::new();
        for row in self.read(keys, "detail").await? {
            let Asked { window } = detail_of(batch::READ, &row)?;
            windows.insert(text(&row, "sk").unwrap_or_default().to_owned(), window);
        }
        let in_force = commands.into_iter().filter_map(|(account, command)| match windows.get(&command) {
            Some(window) => Some((account, window.clone()?)),
            None => {
                // It was given elsewhere, or so long ago that the console has forgotten it.
                tracing::warn!(sandbox.account = account, command, "command of a window is not known to the console");
                None
            }
        });
        Ok(in_force.collect())
    }
}

/// The field that is used of a command for another window; null takes the window away.
#[derive(Deserialize)]
struct Asked {
    window: Option<Value>,
}

/// The partition key of what stands about a sandbox.
fn place_of(sandbox: &Sandbox) -> String {
    format!("{}/{}", sandbox.account, sandbox.region)
}

fn key(pk: String, sk: String) -> Item {
    [("pk".to_owned(), AttributeValue::S(pk)), ("sk".to_owned(), AttributeValue::S(sk))].into()
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
}

fn detail_of<T: DeserializeOwned>(operation: &'static str, item: &Item) -> Result<T, CallError> {
    let read = serde_json::from_str(text(item, "detail").unwrap_or_default());
    let read = read.and_then(|detail: Value| read_naming_fields(&detail));
    read.map_err(|error| unreadable(operation, item, &error.to_string()))
}

/// A row that cannot be read was written by somebody else, or by a newer version.
fn unreadable(operation: &'static str, item: &Item, problem: &str) -> CallError {
    let message = format!("row `{}` of the console: {problem}", text(item, "sk").unwrap_or("unknown"));
    CallError { operation, kind: CallErrorKind::Invalid, message }
}

#[cfg(test)]
mod tests;
