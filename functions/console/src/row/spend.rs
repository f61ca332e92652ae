//! What a sandbox has spent in a month, as one look at its row tells.
//!
//! The row `spend/<month>` of the sandbox has in `detail` everything that was told: services, owners, days, what the
//! estimate, the projection and the savings are made from. The row of the sandbox under the partition key
//! `spend/<month>` has the same attributes and of the details what is said in one number: one query for a month shows
//! what every business unit and every sandbox spends, and is small.
//!
//! Amounts are text, exactly as they were told, in `currency`: a number of DynamoDB has 38 digits at the most.

use guardrail::{Amount, SandboxSpend};
use serde_json::Value;

use super::{Attribute, Cell, instant, number, text};

/// What there may be many of in the details.
const AT_LENGTH: &[&str] = &["services", "owners", "days"];

/// What people and pages read of a sandbox's spend by name.
pub(super) fn attributes_of(spend: &SandboxSpend) -> Vec<Attribute> {
    let estimate = spend.estimate.as_ref();
    let standing = spend.budget.as_ref();
    vec![
        ("month", text(&spend.month.strftime("%Y-%m").to_string())),
        ("business_unit", spend.business_unit.as_deref().and_then(text)),
        ("currency", text(spend.currency.as_str())),
        ("reported", exact(&spend.reported)),
        ("covered_until", instant(spend.covered_until)),
        ("estimated", estimate.and_then(|estimate| exact(&estimate.amount))),
        ("error", estimate.and_then(|estimate| exact(estimate.error.as_ref()?))),
        ("projection", spend.projection.as_ref().and_then(|projection| exact(&projection.amount))),
        ("budget", standing.and_then(|standing| text(&standing.budget.to_string()))),
        ("percent", standing.and_then(|standing| number(standing.percent))),
        ("level", standing.and_then(|standing| number(standing.level?))),
        ("saved", exact(&spend.savings.total)),
        ("message", text(&spend.message)),
    ]
}

/// An amount with all its digits.
fn exact(amount: &Amount) -> Option<Cell> {
    Some(Cell::Text(amount.to_string()))
}

/// The details without what there may be many of.
pub(super) fn in_brief(detail: &Value) -> String {
    let mut brief = detail.clone();
    if let Value::Object(fields) = &mut brief {
        fields.retain(|key, _| !AT_LENGTH.contains(&key.as_str()));
        if let Some(Value::Object(estimate)) = fields.get_mut("estimate") {
            estimate.remove("basis");
        }
        if let Some(Value::Object(savings)) = fields.get_mut("savings") {
            savings.remove("greatest");
        }
    }
    brief.to_string()
}
