//! The register of sandboxes: what the hub is told of an account that its own reports do not tell.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The step of a parameter's name behind `spend`.
pub const SANDBOXES: &str = "sandboxes";

/// How to write an entry, for messages.
pub const REGISTERED_SYNTAX: &str = "JSON with `business_unit`, and optionally `alias` and `region`, none of them empty, such as \
     `{\"business_unit\": \"retail\", \"alias\": \"retail-forecast\"}`";

/// What stands under `/sandbox-guardrails/spend/sandboxes/<account>` in the hub's Parameter Store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// The business unit that pays for it; its budget holds where the sandbox has none of its own.
    pub business_unit: String,
    /// The name people use for it, where its own reports have not told yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Its Region, where its own reports have not told yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

impl Registered {
    /// Reads an entry; none where it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let entry: Self = serde_json::from_str(text).ok()?;
        let told = |word: &String| !word.trim().is_empty() && word.len() <= 128;
        let sound = told(&entry.business_unit) && entry.alias.iter().chain(&entry.region).all(told);
        sound.then_some(entry)
    }
}

/// Whether a text is the id of an account.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
