//! Exemptions: a resource, scope or owner that a guardrail reports but does not act on, for a reason and a time.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::{Guardrail, Observation};

/// How to write an exemption, for messages.
pub const EXEMPTION_SYNTAX: &str = "JSON with `owner`, `reason`, `expires` (an instant such as `2027-01-31T00:00:00Z`), at least \
     one pattern of `resource`, `scope`, `resource_owner`, and optionally `guardrails` (a list of id patterns)";

/// An exemption as it stands in Parameter Store, under `/sandbox-guardrails/exemptions/<name>`.
///
/// Patterns take `*` and `?`. All patterns given must match. `owner`, `reason` and `expires` are mandatory: somebody
/// answers for it, and it ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exemption {
    /// Which guardrails it concerns, as patterns of ids; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrails: Option<Vec<String>>,
    /// Pattern of the resource's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Pattern of one of the resource's scopes, such as an Athena workgroup or the template of a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Pattern of who owns the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_owner: Option<String>,
    /// Who answers for the exemption.
    pub owner: String,
    /// Why it was given.
    pub reason: String,
    /// The instant from which it is no longer honoured.
    pub expires: Timestamp,
}

impl Exemption {
    /// Reads an exemption; the error says in one phrase what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let exemption: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for (field, value) in [("owner", &exemption.owner), ("reason", &exemption.reason)] {
            if value.trim().is_empty() {
                return Err(format!("`{field}` is empty"));
            }
        }
        let patterns = [&exemption.resource, &exemption.scope, &exemption.resource_owner];
        if patterns.iter().all(|pattern| pattern.is_none()) {
            return Err("it names no `resource`, `scope` or `resource_owner`".to_owned());
        }
        if patterns.into_iter().flatten().any(|pattern| pattern.trim().is_empty()) {
            return Err("a pattern is empty".to_owned());
        }
        Ok(exemption)
    }

    /// Whether it concerns this guardrail at all.
    pub fn concerns(&self, guardrail: &Guardrail) -> bool {
        self.guardrails.as_ref().is_none_or(|ids| ids.iter().any(|id| WildMatch::new(id).matches(guardrail.id)))
    }

    /// Whether it is still honoured at `now`.
    pub fn honoured_at(&self, now: Timestamp) -> bool {
        now < self.expires
    }

    /// Whether its patterns match this observation. A pattern of something the observation does not know never matches.
    pub fn matches(&self, observation: &Observation) -> bool {
        let matches = |pattern: &Option<String>, value: Option<&str>| {
            pattern.as_ref().is_none_or(|pattern| value.is_some_and(|value| WildMatch::new(pattern).matches(value)))
        };
        matches(&self.resource, Some(&observation.resource.id))
            && self.scope.as_ref().is_none_or(|pattern| {
                let pattern = WildMatch::new(pattern);
                observation.scopes.values().any(|scope| pattern.matches(scope))
            })
            && matches(&self.resource_owner, observation.owner.as_deref())
    }
}
