//! What Parameter Store says, as a [`Policy`] for each guardrail, and what it says wrongly, as [`Rejected`].
//!
//! The names are a contract: `/sandbox-guardrails/<service>/<guardrail>/` followed by `limit`, `limit/<scope>`, `mode`,
//! `mode/<scope>`, `levels` or `max_actions`; exemptions are `/sandbox-guardrails/exemptions/<name>`.
//!
//! A value that does not parse is never obeyed and never switches a guardrail off. The edge looks for the last good
//! value of the same parameter and adds it with [`Configuration::obey`]; without one, what applies is what would apply
//! if the parameter were not there: for a scope the sandbox's own setting, for the sandbox the catalogue's default.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::{CATALOGUE, Guardrail};
use crate::exemption::EXEMPTION_SYNTAX;
use crate::level::LEVELS_SYNTAX;
use crate::{Exemption, Levels, Observation, Quantity};

/// Where every parameter of the guardrails lives.
pub const ROOT: &str = "/sandbox-guardrails";

/// Where exemptions live.
pub const EXEMPTIONS: &str = "/sandbox-guardrails/exemptions";

/// Whether a guardrail looks, reports, acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing is looked at and nothing is found.
    Off,
    /// Findings, no action.
    Observe,
    /// Findings, and breaches are acted on.
    Enforce,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        })
    }
}

/// A setting that may differ by scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scoped<T> {
    /// For the sandbox.
    pub sandbox: T,
    /// For single scopes.
    pub scopes: BTreeMap<String, T>,
}

impl<T: Copy> Scoped<T> {
    fn new(sandbox: T) -> Self {
        Self { sandbox, scopes: BTreeMap::new() }
    }

    /// What is in force for this scope.
    pub fn of(&self, scope: Option<&str>) -> T {
        scope.and_then(|scope| self.scopes.get(scope)).copied().unwrap_or(self.sandbox)
    }

    fn set(&mut self, scope: Option<String>, value: T) {
        match scope {
            Some(scope) => drop(self.scopes.insert(scope, value)),
            None => self.sandbox = value,
        }
    }
}

/// The settings in force for one guardrail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The rule itself.
    pub guardrail: &'static Guardrail,
    /// The limit.
    pub limit: Scoped<Quantity>,
    /// Percentages of the limit that are findings.
    pub levels: Levels,
    /// Off, observe or enforce.
    pub mode: Scoped<Mode>,
    /// How many resources one run may act on.
    pub max_actions: u32,
    /// The exemptions that concern this guardrail, by name.
    pub exemptions: BTreeMap<String, Exemption>,
}

impl PartialEq for Guardrail {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}
impl Eq for Guardrail {}

impl Policy {
    /// The catalogue's own settings.
    pub fn default_of(guardrail: &'static Guardrail) -> Self {
        Self {
            guardrail,
            limit: Scoped::new(guardrail.default_limit),
            levels: guardrail.levels(),
            mode: Scoped::new(guardrail.default_mode),
            max_actions: guardrail.default_max_actions,
            exemptions: BTreeMap::new(),
        }
    }

    /// The name of the exemption that covers this observation at `now`, if any.
    pub fn exempt(&self, observation: &Observation, now: Timestamp) -> Option<&str> {
        self.exemptions
            .iter()
            .find(|(_, exemption)| exemption.honoured_at(now) && exemption.matches(observation))
            .map(|(name, _)| name.as_str())
    }
}

/// One well-formed parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// A setting of one guardrail, for the sandbox or for one scope.
    Setting(&'static Guardrail, Option<String>, Setting),
    /// A named exemption.
    Exemption(String, Exemption),
}

/// The value of a guardrail's parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `limit`, `limit/<scope>`.
    Limit(Quantity),
    /// `mode`, `mode/<scope>`.
    Mode(Mode),
    /// `levels`.
    Levels(Levels),
    /// `max_actions`.
    MaxActions(u32),
}

/// Why a parameter is not obeyed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The name is none that a guardrail reads.
    #[error("no guardrail reads this name; expected {expected}")]
    Name {
        /// What was expected instead.
        expected: String,
    },
    /// The value does not parse or is out of range.
    #[error("expected {expected}")]
    Value {
        /// What was expected instead.
        expected: String,
    },
}

impl Fault {
    fn value(expected: impl Into<String>) -> Self {
        Self::Value { expected: expected.into() }
    }

    /// What was expected instead.
    pub fn expected(&self) -> &str {
        match self {
            Self::Name { expected } | Self::Value { expected } => expected,
        }
    }
}

/// A parameter that is not obeyed, and what is in force instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// The parameter's full name.
    pub parameter: String,
    /// Its value as it stands, shortened to 200 characters.
    pub value: String,
    /// What was expected.
    pub expected: String,
    /// The value in force instead.
    pub in_force: String,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parameter, value, expected, in_force } = self;
        write!(f, "`{parameter}`: `{value}` is not obeyed: expected {expected}; in force: {in_force}")
    }
}

const SETTINGS: &str = "`limit`, `limit/<scope>`, `mode`, `mode/<scope>`, `levels` or `max_actions`";

impl Parameter {
    /// Reads one parameter by its full name and its value.
    pub fn parse(name: &str, value: &str) -> Result<Self, Fault> {
        let unknown = |expected: String| Fault::Name { expected };
        let path = name.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('/'));
        let path = path.ok_or_else(|| unknown(format!("a name under `{ROOT}/`")))?;
        match path.split('/').collect::<Vec<_>>().as_slice() {
            ["exemptions", name] if !name.is_empty() => Exemption::parse(value)
                .map(|exemption| Self::Exemption((*name).to_owned(), exemption))
                .map_err(|problem| Fault::value(format!("{EXEMPTION_SYNTAX}; {problem}"))),
            [service, id, setting @ ..] => {
                let guardrail = CATALOGUE.iter().find(|g| g.service.as_str() == *service && g.id == *id);
                let guardrail = guardrail.ok_or_else(|| unknown(known_guardrails()))?;
                let (setting, scope) = match setting {
                    ["limit"] => (guardrail.parse_limit(value)?, None),
                    ["limit", scope] if !scope.is_empty() => (guardrail.parse_limit(value)?, Some(*scope)),
                    ["mode"] => (parse_mode(value)?, None),
                    ["mode", scope] if !scope.is_empty() => (parse_mode(value)?, Some(*scope)),
                    ["levels"] => {
                        let levels = Levels::parse(value).ok_or_else(|| Fault::value(LEVELS_SYNTAX))?;
                        (Setting::Levels(levels), None)
                    }
                    ["max_actions"] => (parse_max_actions(value)?, None),
                    _ => return Err(unknown(format!("{SETTINGS} under `{}/`", guardrail.parameter_path()))),
                };
                Ok(Self::Setting(guardrail, scope.map(str::to_owned), setting))
            }
            _ => Err(unknown(known_guardrails())),
        }
    }
}

fn known_guardrails() -> String {
    let paths: Vec<_> = CATALOGUE.iter().map(|guardrail| format!("`{}/`", guardrail.parameter_path())).collect();
    format!("a name under one of {}, or `{EXEMPTIONS}/<name>`", paths.join(", "))
}

fn parse_mode(value: &str) -> Result<Setting, Fault> {
    let mode = match value.trim() {
        "off" => Mode::Off,
        "observe" => Mode::Observe,
        "enforce" => Mode::Enforce,
        _ => return Err(Fault::value("`off`, `observe` or `enforce`")),
    };
    Ok(Setting::Mode(mode))
}

/// The belt is never zero, which would switch enforcement off, and never so wide that it holds nothing.
fn parse_max_actions(value: &str) -> Result<Setting, Fault> {
    match value.trim().parse() {
        Ok(max_actions @ 1..=1000) => Ok(Setting::MaxActions(max_actions)),
        _ => Err(Fault::value("a whole number from 1 to 1000")),
    }
}

impl Guardrail {
    fn levels(&self) -> Levels {
        Levels::new(self.default_levels).unwrap_or_default()
    }

    fn parse_limit(&self, value: &str) -> Result<Setting, Fault> {
        let Self { least_limit, greatest_limit, .. } = self;
        let limit =
            self.default_limit.parse_like(value).filter(|limit| (least_limit..=greatest_limit).contains(&limit));
        limit.map(Setting::Limit).ok_or_else(|| {
            Fault::value(format!("{}, from {least_limit} to {greatest_limit}", self.default_limit.syntax()))
        })
    }
}

/// Everything in force: a policy for each guardrail of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    policies: BTreeMap<&'static str, Policy>,
    exemptions: BTreeMap<String, Exemption>,
}

impl Default for Configuration {
    /// The catalogue's defaults.
    fn default() -> Self {
        let policies = CATALOGUE.iter().map(|guardrail| (guardrail.id, Policy::default_of(guardrail))).collect();
        Self { policies, exemptions: BTreeMap::new() }
    }
}

impl Configuration {
    /// Reads parameters as (name, value). Gives what is in force from the good ones, and the bad ones by name.
    pub fn read<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> (Self, BTreeMap<String, Fault>) {
        let mut configuration = Self::default();
        let mut faults = BTreeMap::new();
        for (name, value) in values {
            match Parameter::parse(name, value) {
                Ok(parameter) => configuration.obey(parameter),
                Err(fault) => drop(faults.insert(name.to_owned(), fault)),
            }
        }
        (configuration, faults)
    }

    /// Puts one well-formed parameter in force.
    pub fn obey(&mut self, parameter: Parameter) {
        match parameter {
            Parameter::Exemption(name, exemption) => {
                for policy in self.policies.values_mut().filter(|policy| exemption.concerns(policy.guardrail)) {
                    policy.exemptions.insert(name.clone(), exemption.clone());
                }
                self.exemptions.insert(name, exemption);
            }
            Parameter::Setting(guardrail, scope, setting) => {
                let policy = self.policies.entry(guardrail.id).or_insert_with(|| Policy::default_of(guardrail));
                match setting {
                    Setting::Limit(limit) => policy.limit.set(scope, limit),
                    Setting::Mode(mode) => policy.mode.set(scope, mode),
                    Setting::Levels(levels) => policy.levels = levels,
                    Setting::MaxActions(max_actions) => policy.max_actions = max_actions,
                }
            }
        }
    }

    /// What is in force for this guardrail.
    pub fn policy(&self, guardrail: &'static Guardrail) -> Policy {
        self.policies.get(guardrail.id).cloned().unwrap_or_else(|| Policy::default_of(guardrail))
    }

    /// Everything in `values` that is not obeyed at `now`: the faults found when reading it, and expired exemptions.
    ///
    /// Call it when the last good values, if any, have been added, so that it names what is really in force.
    pub fn rejected<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a str, &'a str)>,
        faults: &BTreeMap<String, Fault>,
        now: Timestamp,
    ) -> Vec<Rejected> {
        let expired = |name: &str| {
            let name = name.strip_prefix(EXEMPTIONS)?.strip_prefix('/')?;
            self.exemptions.get(name).filter(|exemption| !exemption.honoured_at(now))
        };
        let reject = |(name, value): (&str, &str)| {
            let expected = match (faults.get(name), expired(name)) {
                (Some(fault), _) => fault.expected().to_owned(),
                (None, Some(exemption)) => format!("an `expires` in the future; it expired at {}", exemption.expires),
                (None, None) => return None,
            };
            let in_force = match faults.get(name) {
                Some(Fault::Name { .. }) => "nothing, the name is unknown".to_owned(),
                _ => self.in_force(name, now),
            };
            Some(Rejected { parameter: name.to_owned(), value: value.chars().take(200).collect(), expected, in_force })
        };
        values.into_iter().filter_map(reject).collect()
    }

    /// The value in force where the well-named parameter `name` would say it, in the form a parameter has.
    fn in_force(&self, name: &str, now: Timestamp) -> String {
        if let Some(name) = name.strip_prefix(EXEMPTIONS).and_then(|rest| rest.strip_prefix('/')) {
            let exemption = self.exemptions.get(name).filter(|exemption| exemption.honoured_at(now));
            return match exemption.and_then(|exemption| serde_json::to_string(exemption).ok()) {
                Some(json) => format!("the last good exemption, {json}"),
                None => "no exemption".to_owned(),
            };
        }
        let of_policy = |policy: &Policy| {
            let setting = name.strip_prefix(policy.guardrail.parameter_path().as_str())?.strip_prefix('/')?;
            let (setting, scope) = match setting.split_once('/') {
                Some((setting, scope)) => (setting, Some(scope)),
                None => (setting, None),
            };
            Some(match setting {
                "limit" => policy.limit.of(scope).to_string(),
                "mode" => policy.mode.of(scope).to_string(),
                "levels" => policy.levels.to_string(),
                _ => policy.max_actions.to_string(),
            })
        };
        self.policies.values().find_map(of_policy).unwrap_or_default()
    }
}
