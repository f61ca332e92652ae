//! What Parameter Store says, as a [`Policy`] for each guardrail, and what it says wrongly, as [`Rejected`].
//!
//! The names are a contract: `/sandbox-guardrails/<service>/<guardrail>/` followed by `limit`, `limit/<scope>`, `mode`,
//! `mode/<scope>`, `levels`, `levels/<scope>`, `max_actions` or a [`Choice`] of that guardrail; exemptions are
//! `/sandbox-guardrails/exemptions/<name>`; settings of [`closing`] are below `/sandbox-guardrails/availability/`; in the
//! hub `/sandbox-guardrails/spend/sandboxes/<account>` tells what it cannot know of a sandbox ([`Registered`]). Where a guardrail knows several kinds of scopes, the first is written
//! `limit/<scope>` and each `limit/<kind>/<scope>`.
//!
//! A value that does not parse is never obeyed and never switches a guardrail off. The edge looks for the last good
//! value of the same parameter and adds it with [`Configuration::obey`]; without one, what applies is what would apply
//! if the parameter were not there: for a scope the sandbox's own setting, for the sandbox the catalogue's default.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::{self, Choice, Guardrail};
use crate::closing::{self, AVAILABILITY, Closing};
use crate::exemption::EXEMPTION_SYNTAX;
use crate::level::{BUDGET_LEVELS_SYNTAX, LEVELS_SYNTAX};
use crate::measure::MeasureKind;
use crate::observation::Scopes;
use crate::register::{REGISTERED_SYNTAX, Registered, SANDBOXES, is_account};
use crate::{Exemption, Levels, Observation, Quantity, ScopeKind, Service};

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
    /// For single scopes, under the word that stands for the scope in a parameter's name.
    pub scopes: BTreeMap<(ScopeKind, String), T>,
}

/// For which scope a setting was made; `None` is the sandbox.
pub type LimitOf = Option<(ScopeKind, String)>;

impl<T> Scoped<T> {
    fn new(sandbox: T) -> Self {
        Self { sandbox, scopes: BTreeMap::new() }
    }

    /// What is in force for a resource in these scopes: the setting of the most specific scope that has one.
    pub fn of(&self, scopes: &Scopes) -> &T {
        self.with_scope(scopes).1
    }

    /// The same, and the scope that the setting was made for.
    pub fn with_scope(&self, scopes: &Scopes) -> (Option<(ScopeKind, &str)>, &T) {
        let set = scopes.iter().find_map(|(kind, scope)| {
            let ((kind, scope), value) = self.scopes.get_key_value(&(*kind, parameter_word(scope)))?;
            Some((Some((*kind, scope.as_str())), value))
        });
        set.unwrap_or((None, &self.sandbox))
    }

    /// Every value in force somewhere: the sandbox's and those of single scopes.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.sandbox).chain(self.scopes.values())
    }

    /// What is set for this scope, or else for the sandbox.
    fn set_for(&self, scope: Option<&(ScopeKind, String)>) -> &T {
        scope.and_then(|scope| self.scopes.get(scope)).unwrap_or(&self.sandbox)
    }

    fn set(&mut self, scope: LimitOf, value: T) {
        match scope {
            Some(scope) => drop(self.scopes.insert(scope, value)),
            None => self.sandbox = value,
        }
    }
}

/// The word that stands for a scope in a parameter's name: letters that Parameter Store does not take are `-`, so
/// that `ana@bank.example` is `ana-bank.example`.
pub fn parameter_word(scope: &str) -> String {
    scope.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' }).collect()
}

/// The settings in force for one guardrail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The rule itself.
    pub guardrail: &'static Guardrail,
    /// The limit.
    pub limit: Scoped<Quantity>,
    /// Whether somebody has set the limit for the sandbox, so that it is not the catalogue's.
    pub limit_is_set: bool,
    /// Percentages of the limit that are findings.
    pub levels: Scoped<Levels>,
    /// Off, observe or enforce.
    pub mode: Scoped<Mode>,
    /// How many resources one run may act on.
    pub max_actions: u32,
    /// What was chosen for this guardrail's own settings, by name; what was not is at its default.
    pub choices: BTreeMap<&'static str, String>,
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
            limit: Scoped::new(guardrail.default_limit.quantity()),
            limit_is_set: false,
            levels: Scoped::new(guardrail.levels()),
            mode: Scoped::new(guardrail.default_mode),
            max_actions: guardrail.default_max_actions,
            choices: BTreeMap::new(),
            exemptions: BTreeMap::new(),
        }
    }

    /// What is in force for one of the guardrail's own settings; empty for a name that it does not have.
    pub fn choice(&self, name: &str) -> &str {
        let default = || self.guardrail.choices.iter().find(|choice| choice.name == name).map(|choice| choice.default);
        self.choices.get(name).map(String::as_str).or_else(default).unwrap_or_default()
    }

    /// Whether somebody has set the limit for a resource in these scopes, so that it is not the catalogue's.
    pub fn limit_is_set_for(&self, scopes: &Scopes) -> bool {
        self.limit_is_set || self.limit.with_scope(scopes).0.is_some()
    }

    /// Whether breaches are acted on in any scope at all.
    pub fn enforces(&self) -> bool {
        self.mode.values().any(|mode| *mode == Mode::Enforce)
    }

    /// Whether any setting or exemption depends on tags: on an owner, a template, a user type.
    pub fn asks_for_tags(&self) -> bool {
        let mut scopes = self.limit.scopes.keys().chain(self.mode.scopes.keys()).chain(self.levels.scopes.keys());
        let of_tags = |exemption: &Exemption| exemption.resource_owner.is_some() || exemption.scope.is_some();
        scopes.any(|(kind, _)| kind.tag().is_some()) || self.exemptions.values().any(of_tags)
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
    Setting(&'static Guardrail, LimitOf, Setting),
    /// A named exemption.
    Exemption(String, Exemption),
    /// A setting of how the sandbox closes.
    Closing(closing::Setting),
    /// What the hub is told of the sandbox of this account.
    Registered(String, Registered),
}

/// The value of a guardrail's parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `limit`, `limit/<scope>`.
    Limit(Quantity),
    /// `mode`, `mode/<scope>`.
    Mode(Mode),
    /// `levels`, `levels/<scope>`.
    Levels(Levels),
    /// `max_actions`.
    MaxActions(u32),
    /// A setting that only this guardrail has.
    Choice(&'static Choice, String),
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
            ["spend", SANDBOXES, account] if is_account(account) => match Registered::parse(value) {
                Some(entry) => Ok(Self::Registered((*account).to_owned(), entry)),
                None => Err(Fault::value(REGISTERED_SYNTAX)),
            },
            [AVAILABILITY, setting @ ..] => closing::Setting::parse(setting, value).map(Self::Closing),
            [service, id, setting @ ..] => {
                let guardrail = catalogue::all().find(|g| g.service.as_str() == *service && g.id == *id);
                let guardrail = guardrail.ok_or_else(|| unknown(known_guardrails()))?;
                let misnamed = || unknown(format!("{} under `{}/`", guardrail.settings(), guardrail.parameter_path()));
                let (name, scope) = match setting {
                    [name @ ("limit" | "mode" | "levels"), scope @ ..] => {
                        (*name, guardrail.scope_of(scope).ok_or_else(misnamed)?)
                    }
                    [name] => (*name, None),
                    _ => return Err(misnamed()),
                };
                let setting = match name {
                    "limit" => guardrail.parse_limit(value)?,
                    "mode" => guardrail.parse_mode(value)?,
                    "levels" => guardrail.parse_levels(value)?,
                    "max_actions" => parse_max_actions(value)?,
                    name => {
                        let choice = guardrail.choices.iter().find(|choice| choice.name == name);
                        let choice = choice.ok_or_else(misnamed)?;
                        let value = value.trim();
                        if !choice.takes(value) {
                            return Err(Fault::value(choice.expected()));
                        }
                        Setting::Choice(choice, value.to_owned())
                    }
                };
                Ok(Self::Setting(guardrail, scope, setting))
            }
            _ => Err(unknown(known_guardrails())),
        }
    }
}

fn known_guardrails() -> String {
    format!(
        "a name under `{ROOT}/<service>/<guardrail>/` of a guardrail of the catalogue, a setting under \
         `{ROOT}/{AVAILABILITY}/`, `{ROOT}/spend/{SANDBOXES}/<account>`, or `{EXEMPTIONS}/<name>`"
    )
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
        Levels::new(self.default_levels).unwrap_or_default().locking_at(self.locks_at)
    }

    /// The names that follow a guardrail's path, for messages.
    fn settings(&self) -> String {
        let mut settings = ["`limit`", "`mode`", "`levels`"].map(str::to_owned).to_vec();
        if !self.scopes.is_empty() {
            settings.extend(["`limit/<scope>`", "`mode/<scope>`", "`levels/<scope>`"].map(str::to_owned));
        }
        settings.push("`max_actions`".to_owned());
        settings.extend(self.choices.iter().map(|choice| format!("`{}`", choice.name)));
        settings.join(", ")
    }

    /// The scope that the last steps of a parameter's name mean; `None` when they mean none that the guardrail knows.
    fn scope_of(&self, steps: &[&str]) -> Option<LimitOf> {
        // A scope in other letters than Parameter Store's would be taken for set, and never be found.
        let named = |scope: &str| !scope.is_empty() && parameter_word(scope) == scope;
        match steps {
            [] => Some(None),
            [scope] if named(scope) => self.scopes.first().map(|kind| Some((*kind, (*scope).to_owned()))),
            [kind, scope] if named(scope) => {
                let kind = self.scopes.iter().find(|known| known.as_str() == *kind);
                kind.map(|kind| Some((*kind, (*scope).to_owned())))
            }
            _ => None,
        }
    }

    fn parse_limit(&self, value: &str) -> Result<Setting, Fault> {
        let default = self.default_limit.quantity();
        let limit = default.parse_like(value).filter(|limit| self.bounds.hold(limit));
        limit.map(Setting::Limit).ok_or_else(|| Fault::value(self.bounds.expected(&default)))
    }

    fn parse_levels(&self, value: &str) -> Result<Setting, Fault> {
        let (levels, syntax) = match self.measure.kind() {
            MeasureKind::Money => (Levels::parse_of_budget(value), BUDGET_LEVELS_SYNTAX),
            _ => (Levels::parse(value), LEVELS_SYNTAX),
        };
        levels.map(Setting::Levels).ok_or_else(|| Fault::value(syntax))
    }

    fn parse_mode(&self, value: &str) -> Result<Setting, Fault> {
        match value.trim() {
            "off" => Ok(Setting::Mode(Mode::Off)),
            "observe" => Ok(Setting::Mode(Mode::Observe)),
            "enforce" if self.acts() => Ok(Setting::Mode(Mode::Enforce)),
            _ if self.acts() => Err(Fault::value("`off`, `observe` or `enforce`")),
            _ => Err(Fault::value("`off` or `observe`, since this guardrail only reports")),
        }
    }
}

/// Everything in force: a policy for each guardrail of the catalogue, and how the sandbox closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    policies: BTreeMap<&'static str, Policy>,
    exemptions: BTreeMap<String, Exemption>,
    closing: Closing,
    registered: BTreeMap<String, Registered>,
}

impl Default for Configuration {
    /// The catalogue's defaults.
    fn default() -> Self {
        let policies = catalogue::all().map(|guardrail| (guardrail.id, Policy::default_of(guardrail))).collect();
        Self { policies, exemptions: BTreeMap::new(), closing: Closing::default(), registered: BTreeMap::new() }
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
            Parameter::Closing(setting) => self.closing.obey(setting),
            Parameter::Registered(account, entry) => drop(self.registered.insert(account, entry)),
            Parameter::Exemption(name, exemption) => {
                for policy in self.policies.values_mut().filter(|policy| exemption.concerns(policy.guardrail)) {
                    policy.exemptions.insert(name.clone(), exemption.clone());
                }
                self.exemptions.insert(name, exemption);
            }
            Parameter::Setting(guardrail, scope, setting) => {
                let policy = self.policies.entry(guardrail.id).or_insert_with(|| Policy::default_of(guardrail));
                match setting {
                    Setting::Limit(limit) => {
                        policy.limit_is_set |= scope.is_none();
                        policy.limit.set(scope, limit);
                    }
                    Setting::Mode(mode) => policy.mode.set(scope, mode),
                    Setting::Levels(levels) => policy.levels.set(scope, levels),
                    Setting::MaxActions(max_actions) => policy.max_actions = max_actions,
                    Setting::Choice(choice, value) => drop(policy.choices.insert(choice.name, value)),
                }
            }
        }
    }

    /// What is in force for this guardrail.
    pub fn policy(&self, guardrail: &'static Guardrail) -> Policy {
        self.policies.get(guardrail.id).cloned().unwrap_or_else(|| Policy::default_of(guardrail))
    }

    /// What is in force for each guardrail of this service.
    pub fn of_service(&self, service: Service) -> impl Iterator<Item = &Policy> {
        self.policies.values().filter(move |policy| policy.guardrail.service == service)
    }

    /// How the sandbox closes.
    pub fn closing(&self) -> &Closing {
        &self.closing
    }

    /// What the hub was told of sandboxes, by account.
    pub fn registered(&self) -> &BTreeMap<String, Registered> {
        &self.registered
    }

    /// The exemptions that have expired by `now`, by name. They are not honoured.
    pub fn expired(&self, now: Timestamp) -> impl Iterator<Item = (&str, &Exemption)> {
        let all = self.exemptions.iter().map(|(name, exemption)| (name.as_str(), exemption));
        all.filter(move |(_, exemption)| !exemption.honoured_at(now))
    }

    /// Whether any setting or exemption of these guardrails depends on tags: on an owner, a template, a user type.
    pub fn asks_for_tags(&self, guardrails: impl IntoIterator<Item = &'static Guardrail>) -> bool {
        guardrails.into_iter().filter_map(|guardrail| self.policies.get(guardrail.id)).any(Policy::asks_for_tags)
    }

    /// Everything in `values` that is not obeyed: the faults found when reading it.
    ///
    /// Call it when the last good values, if any, have been added, so that it names what is really in force at `now`.
    pub fn rejected<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a str, &'a str)>,
        faults: &BTreeMap<String, Fault>,
        now: Timestamp,
    ) -> Vec<Rejected> {
        let reject = |(name, value): (&str, &str)| {
            let fault = faults.get(name)?;
            let in_force = match fault {
                Fault::Name { .. } => "nothing, the name is unknown".to_owned(),
                Fault::Value { .. } => self.in_force(name, now),
            };
            let (expected, value) = (fault.expected().to_owned(), value.chars().take(200).collect());
            Some(Rejected { parameter: name.to_owned(), value, expected, in_force })
        };
        values.into_iter().filter_map(reject).collect()
    }

    /// The value in force where the well-named parameter `name` would say it, in the form a parameter has.
    fn in_force(&self, name: &str, now: Timestamp) -> String {
        if let Some(name) = name.strip_prefix(EXEMPTIONS).and_then(|rest| rest.strip_prefix('/'))
            && !name.contains('/')
        {
            let exemption = self.exemptions.get(name).filter(|exemption| exemption.honoured_at(now));
            return match exemption.and_then(|exemption| serde_json::to_string(exemption).ok()) {
                Some(json) => format!("the last good exemption, {json}"),
                None => "no exemption".to_owned(),
            };
        }
        if let Some(account) = name.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix("/spend/sandboxes/")) {
            let entry = self.registered.get(account).and_then(|entry| serde_json::to_string(entry).ok());
            return entry.map_or_else(|| "no entry".to_owned(), |json| format!("the last good entry, {json}"));
        }
        if let Some(setting) = name.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('/'))
            && let Some(setting) = setting.strip_prefix(AVAILABILITY).and_then(|rest| rest.strip_prefix('/'))
        {
            return self.closing.in_force(&setting.split('/').collect::<Vec<_>>());
        }
        let of_policy = |policy: &Policy| {
            let setting = name.strip_prefix(policy.guardrail.parameter_path().as_str())?.strip_prefix('/')?;
            let mut steps = setting.split('/');
            let setting = steps.next()?;
            let scope = policy.guardrail.scope_of(&steps.collect::<Vec<_>>()).flatten();
            Some(match setting {
                "limit" => policy.limit.set_for(scope.as_ref()).to_string(),
                "mode" => policy.mode.set_for(scope.as_ref()).to_string(),
                "levels" => policy.levels.set_for(scope.as_ref()).to_string(),
                "max_actions" => policy.max_actions.to_string(),
                choice => policy.choice(choice).to_owned(),
            })
        };
        self.policies.values().find_map(of_policy).unwrap_or_default()
    }
}
