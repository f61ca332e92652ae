//! A budget that is asked for: whose, and what is to be set of it.
//!
//! Budgets are parameters of the hub, so what is asked for is checked with what reads those: a value that is written is
//! one that is obeyed. A budget can be that of a sandbox, that of a business unit for its sandboxes that have none of
//! their own, or that of all for the rest. What is not named stays as it is, and null takes it away.

use std::collections::{BTreeMap, BTreeSet};

use guardrail::ScopeKind;
use guardrail::catalogue::SPEND_BUDGET;
use guardrail::config::{Parameter, parameter_word};
use serde_json::{Value, json};

use super::{Addressees, Reader, fault};

/// What can be set, in the order that a command has it.
const SETTINGS: [&str; 3] = ["limit", "levels", "mode"];

/// Sandboxes of one command. Each takes up to three parameters, of which Parameter Store writes some three a second; for
/// more there is the budget of their business unit.
const MOST_SANDBOXES: usize = 30;

/// Letters of a business unit's name, as in the register of sandboxes.
const LONGEST_UNIT: usize = 128;

/// Another budget, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Whose.
    pub of: BudgetOf,
    /// What is to be set, by name; none is to be taken away.
    pub settings: BTreeMap<&'static str, Option<String>>,
    /// Why.
    pub reason: String,
}

/// Whose a budget is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BudgetOf {
    /// That of every sandbox for which there is no other.
    All,
    /// That of the sandboxes of this business unit that have none of their own.
    BusinessUnit(String),
    /// That of each of these accounts.
    Accounts(BTreeSet<String>),
}

/// A parameter that is to be set or taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its full name.
    pub name: String,
    /// Its value; none is to be taken away.
    pub value: Option<String>,
}

impl Budget {
    /// What is asked for, but not of which sandboxes.
    pub(super) fn what(&self) -> Value {
        let mut what = json!({"command": "budget", "reason": self.reason});
        if let Value::Object(fields) = &mut what {
            fields.extend(self.settings.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
            if let BudgetOf::BusinessUnit(unit) = &self.of {
                fields.insert("business_unit".to_owned(), json!(unit));
            }
        }
        what
    }

    /// The parameters to change, by whose budget they are: `all`, `business-unit/retail`, `sandbox/111122223333`.
    pub fn changes(&self) -> BTreeMap<String, Vec<Change>> {
        let of = |scope: Option<(ScopeKind, &str)>| {
            let of_scope = |(kind, scope): (ScopeKind, &str)| format!("{}/{}", kind.as_str(), parameter_word(scope));
            let whose = scope.map_or_else(|| "all".to_owned(), of_scope);
            let change = |(setting, value): (&&str, &Option<String>)| Change {
                name: parameter(setting, scope),
                value: value.clone(),
            };
            (whose, self.settings.iter().map(change).collect())
        };
        match &self.of {
            BudgetOf::All => BTreeMap::from([of(None)]),
            BudgetOf::BusinessUnit(unit) => BTreeMap::from([of(Some((ScopeKind::BusinessUnit, unit)))]),
            BudgetOf::Accounts(accounts) => {
                accounts.iter().map(|account| of(Some((ScopeKind::Sandbox, account)))).collect()
            }
        }
    }
}

/// The name of the parameter that a setting of a budget is.
fn parameter(setting: &str, scope: Option<(ScopeKind, &str)>) -> String {
    let path = SPEND_BUDGET.parameter_path();
    match scope {
        None => format!("{path}/{setting}"),
        // The first kind of scope that a guardrail knows goes without its name.
        Some((kind, scope)) if SPEND_BUDGET.scopes.first() == Some(&kind) => {
            format!("{path}/{setting}/{}", parameter_word(scope))
        }
        Some((kind, scope)) => format!("{path}/{setting}/{}/{}", kind.as_str(), parameter_word(scope)),
    }
}

/// Reads the fields of a budget.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Budget> {
    let given: Vec<&'static str> =
        SETTINGS.into_iter().filter(|setting| reader.fields.contains_key(*setting)).collect();
    reader.known.extend(SETTINGS);
    if given.is_empty() {
        reader.faults.push(fault("limit", "is missing, and so are `levels` and `mode`; one of them is to be set"));
    }
    let settings = given.into_iter().map(|name| Some((name, setting(reader, name)?)));
    let settings: Vec<Option<_>> = settings.collect();
    let reason = reader.sentence("reason");
    let of = whose(reader);
    let settings: Option<BTreeMap<_, _>> = settings.into_iter().collect();
    Some(Budget { of: of?, settings: settings.filter(|settings| !settings.is_empty())?, reason: reason? })
}

/// The value of a setting; null is none.
fn setting(reader: &mut Reader<'_>, name: &'static str) -> Option<Option<String>> {
    let value = reader.fields.get(name)?.clone();
    if value.is_null() {
        return Some(None);
    }
    let text = value.as_str().map(str::trim);
    match Parameter::parse(&parameter(name, None), text.unwrap_or_default()) {
        Ok(_) => Some(text.map(str::to_owned)),
        Err(wrong) => {
            reader.expected(name, &value, &format!("null, or {}", wrong.expected()));
            None
        }
    }
}

/// Whose budget it is: of the sandboxes, or of the business unit.
fn whose(reader: &mut Reader<'_>) -> Option<BudgetOf> {
    let unit =
        reader.optional("business_unit", "the name of a business unit, as text of 1 to 128 characters", |text| {
            !text.trim().is_empty() && text.trim() == text && text.chars().count() <= LONGEST_UNIT
        });
    match (reader.fields.contains_key("business_unit"), reader.fields.contains_key("sandboxes")) {
        (true, false) => {
            reader.known.push("sandboxes");
            unit.map(BudgetOf::BusinessUnit)
        }
        (false, true) => match reader.sandboxes()? {
            Addressees::All => Some(BudgetOf::All),
            Addressees::Accounts(accounts) if accounts.len() <= MOST_SANDBOXES => Some(BudgetOf::Accounts(accounts)),
            Addressees::Accounts(accounts) => {
                let count = accounts.len();
                let message = format!("are {count}, expected {MOST_SANDBOXES} at most, or their `business_unit`");
                reader.faults.push(fault("sandboxes", message));
                None
            }
        },
        (given, _) => {
            reader.known.push("sandboxes");
            let message = if given { "stands beside `business_unit`" } else { "is missing" };
            reader.faults.push(fault("sandboxes", format!("{message}, expected either it or `business_unit`")));
            None
        }
    }
}

#[cfg(test)]
mod tests;
