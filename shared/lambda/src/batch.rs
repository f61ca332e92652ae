//! Many items of a DynamoDB table, read together until all of them are.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

use crate::{CallError, CallErrorKind};

/// The IAM action that it needs.
pub const READ: &str = "dynamodb:BatchGetItem";

/// Items of one call. <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>
const TOGETHER: usize = 100;

/// How often in a row DynamoDB may get to none of the items asked for, with a pause that doubles from the first.
const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// An item, or the key of one: values by attribute.
pub type Item = HashMap<String, AttributeValue>;

/// The items with these keys, each key named once, in no order; those that are not there are left out. All writing
/// before is included. Only these attributes are read.
///
/// # Errors
/// When a call fails for good, or DynamoDB does not get to some of the items.
pub async fn read(client: &Client, table: &str, keys: Vec<Item>, attributes: &[&str]) -> Result<Vec<Item>, CallError> {
    let mut found = Vec::new();
    let mut waiting = keys;
    let (mut pause, mut attempts) = (FIRST_PAUSE, 0);
    while !waiting.is_empty() {
        let later = waiting.split_off(waiting.len().min(TOGETHER));
        // Names go by placeholders, because many are words that DynamoDB keeps for itself.
        let projection: Vec<_> = attributes.iter().map(|name| format!("#{name}")).collect();
        let names = attributes.iter().map(|name| (format!("#{name}"), (*name).to_owned())).collect();
        let asked = waiting.len();
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(waiting))
            .projection_expression(projection.join(", "))
            .set_expression_attribute_names(Some(names))
            .consistent_read(true)
            .build()
            .map_err(|error| CallError { operation: READ, kind: CallErrorKind::Invalid, message: error.to_string() })?;
        let answer = client.batch_get_item().request_items(table, wanted).send().await;
        let mut answer = answer.map_err(|error| CallError::of(READ, &error))?;
        found.extend(answer.responses.as_mut().and_then(|tables| tables.remove(table)).unwrap_or_default());
        let left = answer.unprocessed_keys.and_then(|mut tables| tables.remove(table));
        waiting = left.map(|left| left.keys).unwrap_or_default();
        if waiting.len() < asked {
            // Items that are large fill an answer before all are in it, which is no reason to wait.
            (pause, attempts) = (FIRST_PAUSE, 0);
        } else {
            attempts += 1;
            if attempts == ATTEMPTS {
                let message = format!("DynamoDB did not get to {} items", waiting.len() + later.len());
                return Err(CallError { operation: READ, kind: CallErrorKind::Throttled, message });
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        waiting.extend(later);
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
