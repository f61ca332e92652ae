//! The catalogue: every guardrail, in one typed table.
//!
//! Docs, default parameters, the operator's command and the tests are driven from it. Adding a guardrail starts here;
//! `ARCHITECTURE.md` has the steps.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Mode, Quantity};

/// Whether a guardrail stops a thing from being done, or measures and stops a thing that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Measured, reported, and stopped past its limit.
    Detective,
}

/// The AWS service that a guardrail governs; also the room under `functions/` and the step in parameter names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Amazon Athena.
    Athena,
}

impl Service {
    /// The lower-case name used in parameters, folders and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Athena => "athena",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is measured of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The time since the resource was asked for, waiting included.
    ElapsedTime,
}

/// What is done about a breach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// The resource is told to stop; what it has cost so far stays spent.
    Stop,
}

impl ActionKind {
    /// The lower-case name used in ids and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
        }
    }
}

/// One rule of the catalogue.
#[derive(Debug)]
pub struct Guardrail {
    /// Stable id, used in parameters, events and docs. Never reused, never renamed.
    pub id: &'static str,
    /// Preventive or detective.
    pub kind: Kind,
    /// The service governed.
    pub service: Service,
    /// What kind of resource is measured, in the service's own word.
    pub resource: &'static str,
    /// What a limit may be set for beside the whole sandbox, in the service's own word.
    pub scope: &'static str,
    /// What is measured.
    pub measure: Measure,
    /// One line: what the guardrail does.
    pub title: &'static str,
    /// Why it exists.
    pub why: &'static str,
    /// The limit when no parameter says otherwise.
    pub default_limit: Quantity,
    /// The smallest limit that is obeyed.
    pub least_limit: Quantity,
    /// The greatest limit that is obeyed: past it the guardrail could never be reached, which would switch it off.
    pub greatest_limit: Quantity,
    /// Percentages of the limit at which a finding is made.
    pub default_levels: &'static [u16],
    /// The mode when no parameter says otherwise.
    pub default_mode: Mode,
    /// How many resources one run may act on when no parameter says otherwise.
    pub default_max_actions: u32,
    /// What is done about a breach.
    pub action: ActionKind,
}

/// The longest an Athena query can live: the ceiling of the DDL query timeout quota, 600 minutes. (DML: 240.)
///
/// <https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>
pub const LONGEST_ATHENA_QUERY: Quantity = Quantity::minutes(600);

/// How long an Athena query may run.
pub static ATHENA_QUERY_RUNTIME: Guardrail = Guardrail {
    id: "athena-query-runtime",
    kind: Kind::Detective,
    service: Service::Athena,
    resource: "query",
    scope: "workgroup",
    measure: Measure::ElapsedTime,
    title: "Athena queries run no longer than their workgroup's limit",
    why: "Athena bills what a query scans, and a query that runs for hours scans terabytes: one forgotten join costs a month's budget.",
    default_limit: Quantity::minutes(30),
    least_limit: Quantity::Duration(jiff::SignedDuration::from_secs(1)),
    greatest_limit: LONGEST_ATHENA_QUERY,
    default_levels: &[75, 95, 100],
    default_mode: Mode::Observe,
    default_max_actions: 20,
    action: ActionKind::Stop,
};

/// Every guardrail there is.
pub static CATALOGUE: &[&Guardrail] = &[&ATHENA_QUERY_RUNTIME];

/// The guardrail with this id.
pub fn find(id: &str) -> Option<&'static Guardrail> {
    CATALOGUE.iter().copied().find(|guardrail| guardrail.id == id)
}

impl Guardrail {
    /// The start of its parameters' names: `/sandbox-guardrails/<service>/<guardrail>`.
    pub fn parameter_path(&self) -> String {
        format!("{}/{}/{}", crate::config::ROOT, self.service, self.id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Levels;

    #[test]
    fn every_entry_is_sound() {
        let mut ids = BTreeSet::new();
        for guardrail in CATALOGUE {
            assert!(ids.insert(guardrail.id), "`{}` stands twice", guardrail.id);
            assert!(guardrail.id.starts_with(guardrail.service.as_str()), "`{}` names its service", guardrail.id);
            assert!(Levels::new(guardrail.default_levels).is_some(), "`{}` has sound levels", guardrail.id);
            assert!(guardrail.least_limit.base_units() > 0, "`{}` refuses zero", guardrail.id);
            assert!(
                (guardrail.least_limit..=guardrail.greatest_limit).contains(&guardrail.default_limit),
                "`{}` obeys its own default",
                guardrail.id
            );
            assert!(guardrail.default_max_actions > 0, "`{}` may act", guardrail.id);
            assert_eq!(guardrail.default_mode, Mode::Observe, "`{}` starts by observing", guardrail.id);
            assert_eq!(find(guardrail.id).map(|found| found.id), Some(guardrail.id));
        }
    }
}
