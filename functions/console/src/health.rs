//! The health of the sandboxes: who is silent, who is failing, and the one metric behind the one alarm.
//!
//! A function is known here from its first sign on, and forgotten seven days after its last. It is
//! - **failing** while its last failure is newer than its last heartbeat and no older than the silence that is allowed.
//!   A watch that recovers is well with its next heartbeat. An enforce sends none: it fails alone, for good, after all
//!   retries, with a breach that was not acted on, and is well again when no further failure follows.
//! - **silent** when its last heartbeat is older than the silence that is allowed.
//!
//! The hub's own functions give signs too, and the alarm is for them as well: while one of them is not well, the hub
//! counts as one more sandbox that is not. They are swept every 15 minutes where watches are every five at the least, so
//! they may be silent three times as long.
//!
//! Heartbeats and measurements both come about every five minutes, so one hiccup of a watch is seldom in more than the
//! one measurement that the alarm forgives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use guardrail::Sandbox;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::hub::Hub;
use crate::row::{Cell, SIGNS_KEPT};

/// The names under which the metrics travel; a test holds the alarm to them.
pub const NAMESPACE: &str = "SandboxGuardrails";
/// How many sandboxes, the hub included, have a function that is silent or failing: the metric of the alarm.
pub const SANDBOXES_UNHEALTHY: &str = "SandboxesUnhealthy";
/// How many sandboxes are known, the hub not among them.
pub const SANDBOXES_SEEN: &str = "SandboxesSeen";

/// How many times as long as others the hub's own functions may be silent.
const PATIENCE_WITH_HUB: i32 = 3;

/// A function of a sandbox, or of the hub.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SandboxFunction {
    /// The sandbox's account.
    pub account: String,
    /// The sandbox's Region.
    pub region: String,
    /// The function, such as `athena-watch`.
    pub function: String,
}

/// A sign of life or of trouble: the last of its kind of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// Who gave it.
    pub by: SandboxFunction,
    /// When.
    pub at: Timestamp,
    /// What it says.
    pub kind: SignKind,
}

/// What a sign says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignKind {
    /// The function is alive.
    Heartbeat {
        /// The name people use for its sandbox.
        alias: String,
    },
    /// The function failed for good.
    Failure {
        /// The type of the error and its message.
        error: String,
    },
}

impl Sign {
    /// The attributes of a row that make a sign.
    pub const ATTRIBUTES: &[&str] = &["account", "region", "alias", "function", "error_type", "message", "occurred_at"];

    /// Reads a sign from a row.
    ///
    /// # Errors
    /// The name of the attribute that is missing.
    pub fn read(row: &BTreeMap<String, Cell>) -> Result<Self, &'static str> {
        let text = |name: &'static str| match row.get(name) {
            Some(Cell::Text(text)) => Ok(text.clone()),
            _ => Err(name),
        };
        let at = match row.get("occurred_at") {
            Some(Cell::Number(at)) => Timestamp::from_millisecond(*at).ok(),
            _ => None,
        };
        Ok(Self {
            by: SandboxFunction { account: text("account")?, region: text("region")?, function: text("function")? },
            at: at.ok_or("occurred_at")?,
            kind: match text("error_type") {
                Ok(error) => SignKind::Failure { error: format!("{error}: {}", text("message")?) },
                Err(_) => SignKind::Heartbeat { alias: text("alias")? },
            },
        })
    }
}

/// What is wrong with a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ailment {
    /// It has given no heartbeat.
    Silent {
        /// Since when.
        since: Timestamp,
    },
    /// It fails.
    Failing {
        /// When it did last.
        at: Timestamp,
        /// The type of the error and its message.
        error: String,
    },
}

impl fmt::Display for Ailment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent { since } => write!(f, "it has been silent since {since}"),
            Self::Failing { at, error } => write!(f, "it failed at {at}: {error}"),
        }
    }
}

/// A function that is not well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unhealthy {
    /// The function.
    pub function: SandboxFunction,
    /// The name people use for its sandbox, once a heartbeat has told it.
    pub alias: Option<String>,
    /// What is wrong with it.
    pub ailment: Ailment,
}

/// The health of all sandboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// How many sandboxes are known, the hub not among them.
    pub sandboxes: usize,
    /// The functions that are not well, in order of account, Region and name.
    pub unhealthy: Vec<Unhealthy>,
}

#[derive(Default)]
struct LastSigns<'a> {
    heartbeat: Option<Timestamp>,
    failure: Option<(Timestamp, &'a str)>,
}

impl Health {
    /// Judges the signs at `now`; a heartbeat of a sandbox may be up to `silence` old.
    pub fn of(signs: &[Sign], silence: SignedDuration, hub: &Hub, now: Timestamp) -> Self {
        let of_hub = |function: &SandboxFunction| hub.is(&function.account, &function.region);
        let mut functions: BTreeMap<&SandboxFunction, LastSigns<'_>> = BTreeMap::new();
        let mut aliases = BTreeMap::new();
        for sign in signs.iter().filter(|sign| counts(sign, now)) {
            let last = functions.entry(&sign.by).or_default();
            match &sign.kind {
                SignKind::Heartbeat { alias } => {
                    last.heartbeat = Some(sign.at);
                    aliases.insert(sandbox(&sign.by), alias);
                }
                SignKind::Failure { error } => last.failure = Some((sign.at, error)),
            }
        }
        let unhealthy = functions.iter().filter_map(|(function, last)| {
            let silence = if of_hub(function) { silence * PATIENCE_WITH_HUB } else { silence };
            Some(Unhealthy {
                function: (*function).clone(),
                alias: aliases.get(&sandbox(function)).map(|alias| (*alias).clone()),
                ailment: ailment_of(last, silence, now)?,
            })
        });
        let unhealthy = unhealthy.collect();
        let sandboxes = functions.keys().filter(|function| !of_hub(function)).map(|function| sandbox(function));
        let sandboxes = sandboxes.collect::<BTreeSet<_>>();
        Self { sandboxes: sandboxes.len(), unhealthy }
    }

    /// How many sandboxes have a function that is not well; the hub counts as one.
    pub fn sandboxes_unhealthy(&self) -> usize {
        let sandboxes = self.unhealthy.iter().map(|unhealthy| sandbox(&unhealthy.function));
        sandboxes.collect::<BTreeSet<_>>().len()
    }

    /// The line of the log that CloudWatch takes the metrics from.
    ///
    /// The one empty set of dimensions makes one metric for all sandboxes.
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
    pub fn metrics(&self, now: Timestamp) -> String {
        let metric = |name| json!({"Name": name, "Unit": "Count"});
        let directive = json!({
            "Namespace": NAMESPACE,
            "Dimensions": [[]],
            "Metrics": [metric(SANDBOXES_UNHEALTHY), metric(SANDBOXES_SEEN)],
        });
        let line = json!({
            "_aws": {"Timestamp": now.as_millisecond(), "CloudWatchMetrics": [directive]},
            SANDBOXES_UNHEALTHY: self.sandboxes_unhealthy(),
            SANDBOXES_SEEN: self.sandboxes,
        });
        line.to_string()
    }
}

/// The sandboxes that the signs come from, in order of account and Region. One whose name no heartbeat has told goes by
/// its account. The hub is none of them: nothing that closes a sandbox may ever be sent to it.
pub fn sandboxes(signs: &[Sign], hub: &Hub, now: Timestamp) -> Vec<Sandbox> {
    let mut aliases = BTreeMap::new();
    let of_sandbox = |sign: &&Sign| !hub.is(&sign.by.account, &sign.by.region);
    for sign in signs.iter().filter(of_sandbox).filter(|sign| counts(sign, now)) {
        let alias = aliases.entry(sandbox(&sign.by)).or_insert(&sign.by.account);
        if let SignKind::Heartbeat { alias: told } = &sign.kind {
            *alias = told;
        }
    }
    let sandboxes = aliases.into_iter().map(|((account, region), alias)| Sandbox {
        account: account.to_owned(),
        region: region.to_owned(),
        alias: alias.clone(),
    });
    sandboxes.collect()
}

/// Whether a sign is not forgotten yet: DynamoDB may take days to delete what has expired.
fn counts(sign: &Sign, now: Timestamp) -> bool {
    now.duration_since(sign.at) < SIGNS_KEPT
}

fn sandbox(function: &SandboxFunction) -> (&str, &str) {
    (&function.account, &function.region)
}

fn ailment_of(last: &LastSigns<'_>, silence: SignedDuration, now: Timestamp) -> Option<Ailment> {
    let too_old = |at| now.duration_since(at) > silence;
    if let Some((at, error)) = last.failure
        && last.heartbeat.is_none_or(|heartbeat| heartbeat < at)
        && !too_old(at)
    {
        return Some(Ailment::Failing { at, error: error.to_owned() });
    }
    let since = last.heartbeat.filter(|heartbeat| too_old(*heartbeat))?;
    Some(Ailment::Silent { since })
}

#[cfg(test)]
mod tests;
