//! The ledger: the sandbox's own table of findings and actions.
//!
//! One item for each id. It de-duplicates (a condition on the id), makes actions exclusive (a claim with a lease), holds
//! the outbox (`outbox = pending` until an event is published, `unowned` while a finding's owner is still looked for; a
//! sparse index lists just those), remembers when conditions began (episodes), and is the audit trail.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemOutput;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use guardrail::{Event, Finding};
use jiff::{SignedDuration, Timestamp};

use crate::{Aws, CallError, CallErrorKind};

/// How long entries are kept: thirteen months, so that a year can be compared with the one before.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 400);

/// What became of a new entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is new, and pending until it is published.
    New,
    /// The id was there already, with this event.
    Known(Box<Event>),
}

/// The exclusive right to deal with something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// With what.
    pub id: &'a str,
    /// Who takes it: unique to a run, so that a run whose answer was lost knows its own claim again.
    pub holder: &'a str,
    /// Until when.
    pub until: Timestamp,
}

/// Findings, actions, claims.
pub trait Ledger {
    /// Enters an event as pending if its id is new; otherwise tells what is there.
    fn record(&self, event: &Event, now: Timestamp) -> impl Future<Output = Result<Recorded, CallError>>;

    /// Enters an event as pending over an older one of its id, and ends any claim on it. A newer one stays.
    fn supersede(&self, event: &Event, now: Timestamp) -> impl Future<Output = Result<(), CallError>>;

    /// Notes that this state of the event was published. A finding whose owner may still be told is kept at hand.
    fn published(&self, event: &Event, now: Timestamp) -> impl Future<Output = Result<(), CallError>>;

    /// Events entered before `before` and not published since. One that cannot be read back is an error by itself,
    /// so that it does not keep the others from being published.
    fn pending(&self, before: Timestamp) -> impl Future<Output = Result<Vec<Result<Event, CallError>>, CallError>>;

    /// The event with this id.
    fn find(&self, id: &str) -> impl Future<Output = Result<Option<Event>, CallError>>;

    /// Takes the exclusive right to deal with an id; `false` when somebody else has it at `now`.
    fn claim(&self, claim: &Claim<'_>, now: Timestamp) -> impl Future<Output = Result<bool, CallError>>;

    /// Gives a claim back, so that whoever comes next need not wait for its end.
    fn release(&self, claim: &Claim<'_>) -> impl Future<Output = Result<(), CallError>>;

    /// The moment that a condition began, which is `now` unless it was seen since `seen_since`; it counts as seen now.
    fn episode(
        &self,
        condition: &str,
        seen_since: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<Timestamp, CallError>>;

    /// Notes that a condition is over: when it comes back, that is another episode.
    fn end_episode(&self, condition: &str) -> impl Future<Output = Result<(), CallError>>;

    /// Published findings whose owner is still looked for.
    fn unowned(&self) -> impl Future<Output = Result<Vec<Finding>, CallError>>;

    /// Notes that nobody will tell who owns this finding's resource.
    fn give_up_owner(&self, finding: &str) -> impl Future<Output = Result<(), CallError>>;
}

/// The ledger's table in DynamoDB.
#[derive(Clone, Debug)]
pub struct LedgerTable {
    client: Client,
    table: String,
}

impl LedgerTable {
    /// The IAM actions that a watch's use of it needs: it records, publishes and repairs.
    pub const WATCH_ACTIONS: &[&str] = &["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query"];

    /// The IAM actions that an enforce's use of it needs: it claims, looks up and supersedes.
    pub const ENFORCE_ACTIONS: &[&str] = &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"];

    /// A client for this table.
    pub fn new(aws: &Aws, table: impl Into<String>) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config), table: table.into() }
    }

    async fn put(&self, event: &Event, now: Timestamp, condition: &str) -> Result<Recorded, CallError> {
        const PUT: &str = "dynamodb:PutItem";
        let header = event.header();
        let detail = serde_json::to_string(event).map_err(|error| corrupt(PUT, &header.id, &error))?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("id", text(&header.id))
            .item("detail_type", text(event.detail_type()))
            .item("detail", text(&detail))
            .item("occurred_at", milliseconds(header.occurred_at))
            .item("recorded_at", milliseconds(now))
            .item("outbox", text("pending"))
            .item("expires_at", expiry(now))
            .condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match condition.contains(":occurred_at") {
            true => put.expression_attribute_values(":occurred_at", milliseconds(header.occurred_at)),
            false => put,
        };
        match put.send().await {
            Ok(_) => Ok(Recorded::New),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                let error = error.into_err();
                let item = match &error {
                    aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed) => {
                        failed.item()
                    }
                    _ => None,
                };
                match item.map(|item| event_of(PUT, item)).transpose()?.flatten() {
                    // Our own write, whose answer was lost before the SDK tried again.
                    Some(known) if known == *event => Ok(Recorded::New),
                    Some(known) => Ok(Recorded::Known(Box::new(known))),
                    // An item without an event is a bare claim; whatever holds it will write the event itself.
                    None => Ok(Recorded::Known(Box::new(event.clone()))),
                }
            }
            Err(error) => Err(CallError::of(PUT, &error)),
        }
    }
}

impl LedgerTable {
    fn update(&self, id: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("id", text(id))
    }

    /// The events that wait in the outbox for this, entered before `before`.
    async fn outbox(&self, waits_for: &str, before: Timestamp) -> Result<Vec<Result<Event, CallError>>, CallError> {
        const QUERY: &str = "dynamodb:Query";
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("outbox")
            .key_condition_expression("outbox = :waits_for AND recorded_at < :before")
            .expression_attribute_values(":waits_for", text(waits_for))
            .expression_attribute_values(":before", milliseconds(before))
            .into_paginator()
            .items()
            .send();
        let items: Result<Vec<_>, _> = items.collect().await;
        let items = items.map_err(|error| CallError::of(QUERY, &error))?;
        Ok(items.iter().filter_map(|item| event_of(QUERY, item).transpose()).collect())
    }
}

impl Ledger for LedgerTable {
    async fn record(&self, event: &Event, now: Timestamp) -> Result<Recorded, CallError> {
        self.put(event, now, "attribute_not_exists(id)").await
    }

    async fn supersede(&self, event: &Event, now: Timestamp) -> Result<(), CallError> {
        self.put(event, now, "attribute_not_exists(occurred_at) OR occurred_at < :occurred_at").await.map(drop)
    }

    async fn published(&self, event: &Event, now: Timestamp) -> Result<(), CallError> {
        let header = event.header();
        let update = self
            .update(&header.id)
            .condition_expression("occurred_at = :occurred_at")
            .expression_attribute_values(":now", milliseconds(now))
            .expression_attribute_values(":occurred_at", milliseconds(header.occurred_at));
        let update = if event.awaits_owner() {
            update
                .update_expression("SET outbox = :unowned, published_at = :now")
                .expression_attribute_values(":unowned", text("unowned"))
        } else {
            update.update_expression("REMOVE outbox SET published_at = :now")
        };
        conditionally(update).await.map(drop)
    }

    async fn pending(&self, before: Timestamp) -> Result<Vec<Result<Event, CallError>>, CallError> {
        self.outbox("pending", before).await
    }

    async fn find(&self, id: &str) -> Result<Option<Event>, CallError> {
        const GET: &str = "dynamodb:GetItem";
        let found =
            self.client.get_item().table_name(&self.table).key("id", text(id)).consistent_read(true).send().await;
        let found = found.map_err(|error| CallError::of(GET, &error))?;
        found.item().map_or(Ok(None), |item| event_of(GET, item))
    }

    async fn claim(&self, claim: &Claim<'_>, now: Timestamp) -> Result<bool, CallError> {
        let update = self
            .update(claim.id)
            .update_expression("SET claimed_until = :until, claimed_by = :holder, expires_at = :expires_at")
            .condition_expression(
                "attribute_not_exists(claimed_until) OR claimed_until <= :now OR claimed_by = :holder",
            )
            .expression_attribute_values(":now", milliseconds(now))
            .expression_attribute_values(":until", milliseconds(claim.until))
            .expression_attribute_values(":holder", text(claim.holder))
            .expression_attribute_values(":expires_at", expiry(now));
        conditionally(update).await.map(|taken| taken.is_some())
    }

    async fn release(&self, claim: &Claim<'_>) -> Result<(), CallError> {
        let update = self
            .update(claim.id)
            .update_expression("REMOVE claimed_until, claimed_by")
            .condition_expression("claimed_by = :holder")
            .expression_attribute_values(":holder", text(claim.holder));
        conditionally(update).await.map(drop)
    }

    async fn episode(&self, condition: &str, seen_since: Timestamp, now: Timestamp) -> Result<Timestamp, CallError> {
        let began = |output: &UpdateItemOutput| {
            let began = output.attributes()?.get("began_at")?.as_n().ok()?;
            Timestamp::from_millisecond(began.parse().ok()?).ok()
        };
        // It lasts, or it begins; between the two somebody else may have found that it began.
        for _ in 0..2 {
            let lasts = self
                .update(condition)
                .update_expression("SET seen_at = :now, expires_at = :expires_at")
                .condition_expression("seen_at >= :seen_since")
                .expression_attribute_values(":now", milliseconds(now))
                .expression_attribute_values(":seen_since", milliseconds(seen_since))
                .expression_attribute_values(":expires_at", expiry(now))
                .return_values(ReturnValue::AllNew);
            if let Some(began) = conditionally(lasts).await?.as_ref().and_then(began) {
                return Ok(began);
            }
            let begins = self
                .update(condition)
                .update_expression("SET began_at = :now, seen_at = :now, expires_at = :expires_at")
                .condition_expression("attribute_not_exists(seen_at) OR seen_at < :seen_since")
                .expression_attribute_values(":now", milliseconds(now))
                .expression_attribute_values(":seen_since", milliseconds(seen_since))
                .expression_attribute_values(":expires_at", expiry(now))
                .return_values(ReturnValue::AllNew);
            if let Some(began) = conditionally(begins).await?.as_ref().and_then(began) {
                return Ok(began);
            }
        }
        let message = format!("the episode of `{condition}` could not be read");
        Err(CallError { operation: "dynamodb:UpdateItem", kind: CallErrorKind::Invalid, message })
    }

    async fn end_episode(&self, condition: &str) -> Result<(), CallError> {
        // Only what is there ends; an update would otherwise make an empty item.
        let ends =
            self.update(condition).update_expression("REMOVE seen_at").condition_expression("attribute_exists(id)");
        conditionally(ends).await.map(drop)
    }

    async fn unowned(&self) -> Result<Vec<Finding>, CallError> {
        let entries = self.outbox("unowned", Timestamp::MAX).await?;
        // One that cannot be read back is told by whoever repairs the outbox, not by whoever looks for owners.
        let findings = entries.into_iter().filter_map(|entry| match entry {
            Ok(Event::Finding(finding)) => Some(finding),
            _ => None,
        });
        Ok(findings.collect())
    }

    async fn give_up_owner(&self, finding: &str) -> Result<(), CallError> {
        let update = self
            .update(finding)
            .update_expression("REMOVE outbox")
            .condition_expression("outbox = :unowned")
            .expression_attribute_values(":unowned", text("unowned"));
        conditionally(update).await.map(drop)
    }
}

/// Sends an update; `None` when its condition does not hold, which is an answer and no failure.
async fn conditionally(update: UpdateItemFluentBuilder) -> Result<Option<UpdateItemOutput>, CallError> {
    match update.send().await {
        Ok(output) => Ok(Some(output)),
        Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => Ok(None),
        Err(error) => Err(CallError::of("dynamodb:UpdateItem", &error)),
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn milliseconds(instant: Timestamp) -> AttributeValue {
    AttributeValue::N(instant.as_millisecond().to_string())
}

/// When DynamoDB deletes the entry, in seconds as its time to live wants them.
fn expiry(now: Timestamp) -> AttributeValue {
    AttributeValue::N((now.as_second() + KEPT.as_secs()).to_string())
}

/// The event in an item; `None` for an item that is only a claim.
fn event_of(operation: &'static str, item: &HashMap<String, AttributeValue>) -> Result<Option<Event>, CallError> {
    let get = |key: &str| item.get(key).and_then(|value| value.as_s().ok());
    let (Some(detail_type), Some(detail)) = (get("detail_type"), get("detail")) else {
        return Ok(None);
    };
    let id = get("id").map_or("unknown", String::as_str);
    let detail = serde_json::from_str(detail).map_err(|error| corrupt(operation, id, &error))?;
    let event = Event::from_detail(detail_type, detail).map_err(|error| corrupt(operation, id, &error))?;
    Ok(Some(event))
}

/// An entry that cannot be written or read back as an event: somebody else wrote to the ledger, or a newer version did.
fn corrupt(operation: &'static str, id: &str, error: &serde_json::Error) -> CallError {
    CallError { operation, kind: CallErrorKind::Invalid, message: format!("ledger entry `{id}`: {error}") }
}

#[cfg(test)]
mod tests;
