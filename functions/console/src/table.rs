//! The console's table: rows go in, and signs of life and of trouble come out.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda::{Aws, CallError, CallErrorKind};

use crate::health::Sign;
use crate::row::{Cell, HEALTH, Row};

/// Keeps rows.
pub trait Table {
    /// Writes a row unless the same or a newer state of it is there; tells whether it was written.
    fn upsert(&self, row: &Row) -> impl Future<Output = Result<bool, CallError>>;
}

/// Knows who has reported.
pub trait Signs {
    /// Every sign of life and of trouble of every sandbox.
    fn signs(&self) -> impl Future<Output = Result<Vec<Sign>, CallError>>;
}

/// The table in DynamoDB.
#[derive(Clone, Debug)]
pub struct ConsoleTable {
    client: Client,
    name: String,
}

const UPDATE: &str = "dynamodb:UpdateItem";
const QUERY: &str = "dynamodb:Query";

/// Newest state wins; see [`Row::detail`] for two of one instant.
const IS_NEWER: &str = "attribute_not_exists(#occurred_at) OR #occurred_at < :occurred_at \
                        OR (#occurred_at = :occurred_at AND #detail < :detail)";

impl ConsoleTable {
    /// The IAM actions that keeping rows needs.
    pub const KEEPS: &[&str] = &[UPDATE];

    /// The IAM actions that reading the signs needs.
    pub const READS: &[&str] = &[QUERY];

    /// A client for the table of this name.
    pub fn new(aws: &Aws, name: impl Into<String>) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config), name: name.into() }
    }

    /// Wraps a client, for tests against recorded answers.
    #[cfg(test)]
    fn from_client(client: Client) -> Self {
        Self { client, name: "sandbox-guardrails-console".to_owned() }
    }
}

impl Table for ConsoleTable {
    async fn upsert(&self, row: &Row) -> Result<bool, CallError> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("pk", AttributeValue::S(row.pk.clone()))
            .key("sk", AttributeValue::S(row.sk.clone()))
            .condition_expression(IS_NEWER);
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        for (name, cell) in row.attributes() {
            // Names go by placeholders, because many are words that DynamoDB keeps for itself.
            update = update.expression_attribute_names(format!("#{name}"), name);
            match cell {
                Some(cell) => {
                    set.push(format!("#{name} = :{name}"));
                    update = update.expression_attribute_values(format!(":{name}"), value_of(cell));
                }
                None => remove.push(format!("#{name}")),
            }
        }
        let mut expression = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            expression.push_str(&format!(" REMOVE {}", remove.join(", ")));
        }
        match update.update_expression(expression).send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => Ok(false),
            Err(error) => Err(CallError::of(UPDATE, &error)),
        }
    }
}

impl Signs for ConsoleTable {
    async fn signs(&self) -> Result<Vec<Sign>, CallError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :health")
            .expression_attribute_values(":health", AttributeValue::S(HEALTH.to_owned()));
        let mut read = vec!["sk".to_owned()];
        for name in Sign::ATTRIBUTES {
            query = query.expression_attribute_names(format!("#{name}"), *name);
            read.push(format!("#{name}"));
        }
        let items = query.projection_expression(read.join(", ")).into_paginator().items().send();
        let items: Result<Vec<_>, _> = items.collect().await;
        let items = items.map_err(|error| CallError::of(QUERY, &error))?;
        items.iter().map(sign_of).collect()
    }
}

/// A value as DynamoDB takes it.
pub(crate) fn value_of(cell: Cell) -> AttributeValue {
    match cell {
        Cell::Text(text) => AttributeValue::S(text),
        Cell::Number(number) => AttributeValue::N(number.to_string()),
    }
}

/// A row that cannot be read was written by somebody else. To leave it out could hide a silent sandbox, so it is an error.
fn sign_of(item: &HashMap<String, AttributeValue>) -> Result<Sign, CallError> {
    let cells = item.iter().filter_map(|(name, value)| {
        let cell = match value {
            AttributeValue::S(text) => Cell::Text(text.clone()),
            AttributeValue::N(number) => Cell::Number(number.parse().ok()?),
            _ => return None,
        };
        Some((name.clone(), cell))
    });
    let cells: BTreeMap<String, Cell> = cells.collect();
    Sign::read(&cells).map_err(|missing| {
        let row = item.get("sk").and_then(|sk| sk.as_s().ok()).map_or("unknown", String::as_str);
        let message = format!("row `{row}` of `{HEALTH}` has no valid `{missing}`");
        CallError { operation: QUERY, kind: CallErrorKind::Invalid, message }
    })
}

#[cfg(test)]
mod tests;
