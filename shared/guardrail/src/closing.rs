//! How a sandbox is closed: which roles are its users', what becomes of what still runs, how early users are warned.
//!
//! When it is closed is said by its window (`shared/window`) and by locks. These settings are parameters below
//! `/sandbox-guardrails/availability/`, read and replaced by their last good value like those of the guardrails.

use std::collections::BTreeMap;
use std::fmt;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::config::{Fault, ROOT};

/// The step of a parameter's name behind the root.
pub const AVAILABILITY: &str = "availability";

/// The longest that anything may be let finish: a workflow waits for it, and a night is over by then.
const LONGEST_GRACE: SignedDuration = SignedDuration::from_hours(24);

/// The earliest warning.
const EARLIEST_WARNING: SignedDuration = SignedDuration::from_hours(24);

/// What closes and opens by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The users' way in: their roles.
    Access,
    /// Studio applications.
    Studio,
    /// Notebook instances.
    Notebooks,
    /// SageMaker jobs of all kinds, and pipeline executions.
    Jobs,
    /// EMR clusters.
    Emr,
    /// Athena workgroups, and the queries that run in them.
    Athena,
    /// Glue interactive sessions and job runs.
    Glue,
    /// Aurora clusters and RDS instances.
    Rds,
}

impl Part {
    /// All of them, user access first.
    pub const ALL: [Self; 8] =
        [Self::Access, Self::Studio, Self::Notebooks, Self::Jobs, Self::Emr, Self::Athena, Self::Glue, Self::Rds];

    /// All but user access, which workflows deal with before or after the others.
    pub fn services() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|part| *part != Self::Access)
    }

    /// The name it has in parameters, events and workflows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Studio => "studio",
            Self::Notebooks => "notebooks",
            Self::Jobs => "jobs",
            Self::Emr => "emr",
            Self::Athena => "athena",
            Self::Glue => "glue",
            Self::Rds => "rds",
        }
    }

    /// Whether something in it comes to an end by itself, and can be let finish.
    pub const fn finishes(self) -> bool {
        matches!(self, Self::Jobs | Self::Emr | Self::Athena | Self::Glue)
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == name)
    }

    fn manners(self) -> &'static str {
        match self {
            Self::Access => "`stop`, since a sandbox is closed when its users have no access",
            part if part.finishes() => "`stop`, `finish` or `leave`",
            _ => "`stop` or `leave`, since nothing in it ends by itself",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What becomes of what runs in a part when the sandbox closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// It is turned off.
    #[default]
    Stop,
    /// What ends by itself may do so until the grace time is over; the rest is turned off.
    Finish,
    /// It is left as it is.
    Leave,
}

impl Manner {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Finish => "finish",
            Self::Leave => "leave",
        }
    }
}

/// Which roles are the users'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserRoles {
    /// Those whose path begins so, such as `/sandbox-users/`.
    Path(String),
    /// Those with this tag.
    Tag {
        /// The tag's key.
        key: String,
        /// Its value.
        value: String,
    },
}

impl fmt::Display for UserRoles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            Self::Tag { key, value } => write!(f, "tag:{key}={value}"),
        }
    }
}

const USER_ROLES: &str =
    "the path of the users' roles, such as `/sandbox-users/`, or a tag of theirs, such as `tag:access=sandbox`";

/// Everything that is set of closing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The roles that lose access.
    pub user_roles: UserRoles,
    /// Patterns of the names of roles that never do, such as break-glass roles.
    pub spared_roles: Vec<String>,
    /// How long before a closing users are warned, the earliest first.
    pub warnings: Vec<SignedDuration>,
    /// Whether EMR's termination protection is lifted where a cluster is terminated.
    pub lifts_protection: bool,
    manners: BTreeMap<Part, Manner>,
    grace: SignedDuration,
    graces: BTreeMap<Part, SignedDuration>,
}

impl Default for Closing {
    fn default() -> Self {
        Self {
            user_roles: UserRoles::Path("/sandbox-users/".to_owned()),
            spared_roles: vec!["*break-glass*".to_owned()],
            warnings: vec![SignedDuration::from_mins(30), SignedDuration::from_mins(5)],
            lifts_protection: false,
            manners: BTreeMap::new(),
            grace: SignedDuration::from_hours(1),
            graces: BTreeMap::new(),
        }
    }
}

impl Closing {
    /// What becomes of what runs in this part.
    pub fn manner(&self, part: Part) -> Manner {
        self.manners.get(&part).copied().unwrap_or_default()
    }

    /// How long after the closing began what ends by itself in this part may go on; zero where it is stopped.
    pub fn grace(&self, part: Part) -> SignedDuration {
        match self.manner(part) {
            Manner::Finish => self.graces.get(&part).copied().unwrap_or(self.grace),
            Manner::Stop | Manner::Leave => SignedDuration::ZERO,
        }
    }

    /// Whether a role of this name is never touched.
    pub fn spares(&self, role: &str) -> bool {
        self.spared_roles.iter().any(|pattern| WildMatch::new(pattern).matches(role))
    }

    /// Puts one setting in force.
    pub fn obey(&mut self, setting: Setting) {
        match setting {
            Setting::UserRoles(roles) => self.user_roles = roles,
            Setting::SparedRoles(patterns) => self.spared_roles = patterns,
            Setting::Warnings(warnings) => self.warnings = warnings,
            Setting::LiftsProtection(lifts) => self.lifts_protection = lifts,
            Setting::Manner(part, manner) => drop(self.manners.insert(part, manner)),
            Setting::Grace(None, grace) => self.grace = grace,
            Setting::Grace(Some(part), grace) => drop(self.graces.insert(part, grace)),
        }
    }

    /// What is in force where the setting of this name, given by its steps, would say it, in the form it has.
    pub(crate) fn in_force(&self, steps: &[&str]) -> String {
        match steps {
            ["user_roles"] => self.user_roles.to_string(),
            ["spared_roles"] => self.spared_roles.join(","),
            ["warnings"] if self.warnings.is_empty() => "none".to_owned(),
            ["warnings"] => self.warnings.iter().map(|warning| format!("{warning:#}")).collect::<Vec<_>>().join(","),
            ["termination_protection"] if self.lifts_protection => "lift".to_owned(),
            ["termination_protection"] => "respect".to_owned(),
            ["grace"] => format!("{:#}", self.grace),
            ["grace", part] => {
                let own = Part::of(part).and_then(|part| self.graces.get(&part));
                format!("{:#}", own.unwrap_or(&self.grace))
            }
            [part] => Part::of(part).map(|part| self.manner(part).as_str().to_owned()).unwrap_or_default(),
            _ => String::new(),
        }
    }
}

/// One setting of closing, well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `user_roles`.
    UserRoles(UserRoles),
    /// `spared_roles`.
    SparedRoles(Vec<String>),
    /// `warnings`.
    Warnings(Vec<SignedDuration>),
    /// `termination_protection`.
    LiftsProtection(bool),
    /// `<part>`.
    Manner(Part, Manner),
    /// `grace`, `grace/<part>`.
    Grace(Option<Part>, SignedDuration),
}

impl Setting {
    /// Every name a setting may have behind `availability/`, with what it takes and its default.
    pub fn all() -> Vec<(String, String, String)> {
        let default = Closing::default();
        let mut names: Vec<String> =
            ["user_roles", "spared_roles", "warnings", "termination_protection", "grace"].map(str::to_owned).to_vec();
        names.extend(Part::ALL.map(|part| part.as_str().to_owned()));
        names.extend(Part::ALL.into_iter().filter(|part| part.finishes()).map(|part| format!("grace/{part}")));
        let described = names.into_iter().map(|name| {
            let steps: Vec<&str> = name.split('/').collect();
            let (expected, value) = (expected(&steps).unwrap_or_default(), default.in_force(&steps));
            (name.clone(), expected, value)
        });
        described.collect()
    }

    /// Reads one setting by the steps of its name behind `availability/`, and its value.
    pub(crate) fn parse(steps: &[&str], value: &str) -> Result<Self, Fault> {
        let Some(expected) = expected(steps) else {
            let names: Vec<String> = Self::all().into_iter().map(|(name, ..)| format!("`{name}`")).collect();
            let expected = format!("{} under `{}/{AVAILABILITY}/`", names.join(", "), ROOT);
            return Err(Fault::Name { expected });
        };
        read(steps, value.trim()).ok_or(Fault::Value { expected })
    }
}

fn expected(steps: &[&str]) -> Option<String> {
    Some(match steps {
        ["user_roles"] => USER_ROLES.to_owned(),
        ["spared_roles"] => {
            "patterns of role names between commas, such as `*break-glass*`; never all roles".to_owned()
        }
        ["warnings"] => {
            "`none`, or times before a closing between commas, such as `30m,5m`; each from 1m to 24h".to_owned()
        }
        ["termination_protection"] => "`respect` or `lift`".to_owned(),
        ["grace"] => "a duration up to 24h, such as `1h`".to_owned(),
        ["grace", part] if Part::of(part)?.finishes() => "a duration up to 24h, such as `1h`".to_owned(),
        [part] => Part::of(part)?.manners().to_owned(),
        _ => return None,
    })
}

fn read(steps: &[&str], value: &str) -> Option<Setting> {
    match steps {
        ["user_roles"] => user_roles(value).map(Setting::UserRoles),
        ["spared_roles"] => spared_roles(value).map(Setting::SparedRoles),
        ["warnings"] => warnings(value).map(Setting::Warnings),
        ["termination_protection"] => match value {
            "respect" => Some(Setting::LiftsProtection(false)),
            "lift" => Some(Setting::LiftsProtection(true)),
            _ => None,
        },
        ["grace"] => grace(value).map(|grace| Setting::Grace(None, grace)),
        ["grace", part] => Some(Setting::Grace(Some(Part::of(part)?), grace(value)?)),
        [part] => {
            let part = Part::of(part)?;
            let manner = [Manner::Stop, Manner::Finish, Manner::Leave].into_iter().find(|m| m.as_str() == value)?;
            let takes = match manner {
                Manner::Stop => true,
                Manner::Finish => part.finishes(),
                Manner::Leave => part != Part::Access,
            };
            takes.then_some(Setting::Manner(part, manner))
        }
        _ => None,
    }
}

/// A path begins and ends with a slash and is not `/` alone, which would be every role there is.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>
fn user_roles(value: &str) -> Option<UserRoles> {
    if let Some(tag) = value.strip_prefix("tag:") {
        let (key, value) = tag.split_once('=')?;
        let named = !key.is_empty() && key.chars().count() <= 128 && value.chars().count() <= 256;
        return named.then(|| UserRoles::Tag { key: key.to_owned(), value: value.to_owned() });
    }
    let printable = value.chars().all(|letter| letter.is_ascii_graphic());
    let path = value.len() > 2 && value.len() <= 512 && value.starts_with('/') && value.ends_with('/');
    let ours = value.starts_with("/sandbox-guardrails/") || value.starts_with("/aws-");
    (printable && path && !ours && !value.contains("//")).then(|| UserRoles::Path(value.to_owned()))
}

/// A pattern without a letter would spare every role, and a sandbox would never close.
fn spared_roles(value: &str) -> Option<Vec<String>> {
    let patterns: Vec<String> = value.split(',').map(|pattern| pattern.trim().to_owned()).collect();
    let good = |pattern: &String| pattern.chars().any(char::is_alphanumeric) && !pattern.contains(char::is_whitespace);
    patterns.iter().all(good).then_some(patterns)
}

fn warnings(value: &str) -> Option<Vec<SignedDuration>> {
    if value == "none" {
        return Some(Vec::new());
    }
    let mut warnings: Vec<SignedDuration> =
        value.split(',').map(|warning| warning.trim().parse().ok()).collect::<Option<_>>()?;
    warnings.sort_by(|a, b| b.cmp(a));
    warnings.dedup();
    let held = |warning: &SignedDuration| (SignedDuration::from_mins(1)..=EARLIEST_WARNING).contains(warning);
    warnings.iter().all(held).then_some(warnings)
}

fn grace(value: &str) -> Option<SignedDuration> {
    value.parse().ok().filter(|grace| (SignedDuration::ZERO..=LONGEST_GRACE).contains(grace))
}

#[cfg(test)]
mod tests;
