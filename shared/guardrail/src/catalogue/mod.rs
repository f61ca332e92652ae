//! The catalogue: every guardrail, in one typed table.
//!
//! Docs, default settings, the operator's command and the tests are driven from it. Adding a guardrail starts here;
//! `ARCHITECTURE.md` has the steps. The entries stand by service.

mod athena;
mod emr;
mod exemptions;
mod glue;
mod sagemaker;
mod spend;

use std::fmt;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::athena::{ATHENA_QUERY_RUNTIME, LONGEST_ATHENA_QUERY};
pub use self::exemptions::EXEMPTION_EXPIRED;
pub use self::spend::SPEND_BUDGET;
use crate::{Budget, Currency, Measure, Mode, Money, Per, Quantity, ScopeKind};

/// Whether a guardrail stops a thing from being done, or measures and stops a thing that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Measured, reported, and stopped past its limit.
    Detective,
}

/// The AWS service that a guardrail governs; also the room under `functions/` and the step in parameter names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Amazon Athena.
    Athena,
    /// Amazon EMR on EC2.
    Emr,
    /// Amazon SageMaker AI.
    SageMaker,
    /// AWS Glue.
    Glue,
    /// No service of AWS: what is spent on all of them, as the hub's cost export tells.
    Spend,
    /// No service of AWS: the exemptions from the guardrails, which every watch looks after.
    Exemptions,
}

impl Service {
    /// The services that have a room with a watch and an enforce.
    pub const GOVERNED: [Self; 4] = [Self::Athena, Self::Emr, Self::SageMaker, Self::Glue];

    /// The lower-case name used in parameters, folders and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Athena => "athena",
            Self::Emr => "emr",
            Self::SageMaker => "sagemaker",
            Self::Glue => "glue",
            Self::Spend => "spend",
            Self::Exemptions => "exemptions",
        }
    }

    /// The name that AWS gives it.
    pub const fn full_name(self) -> &'static str {
        match self {
            Self::Athena => "Amazon Athena",
            Self::Emr => "Amazon EMR",
            Self::SageMaker => "Amazon SageMaker AI",
            Self::Glue => "AWS Glue",
            Self::Spend => "Spend",
            Self::Exemptions => "Exemptions",
        }
    }

    /// Its guardrails, in the order of the catalogue.
    pub fn guardrails(self) -> impl Iterator<Item = &'static Guardrail> {
        all().filter(move |guardrail| guardrail.service == self)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is done about a breach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// A query is told to stop; what it has cost so far stays spent.
    Stop,
    /// A cluster is terminated, with what is on its disks.
    Terminate,
    /// A step is cancelled, by an interrupt first and by force if that does not help.
    CancelStep,
    /// A pipeline execution is stopped.
    StopExecution,
    /// A job, or a run of one, is stopped.
    StopJob,
    /// A notebook instance is stopped; its volume stays.
    StopNotebook,
    /// An application of Studio is deleted; the files of its space stay.
    DeleteApp,
    /// An interactive session is stopped.
    StopSession,
    /// A policy is put where there was none.
    PutPolicy,
    /// The sandbox is closed, and stays closed until somebody releases it.
    Lock,
    /// Nothing but the finding itself.
    Report,
}

impl ActionKind {
    /// The lower-case name used in ids and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Terminate => "terminate",
            Self::CancelStep => "cancel_step",
            Self::StopExecution => "stop_execution",
            Self::StopJob => "stop_job",
            Self::StopNotebook => "stop_notebook",
            Self::DeleteApp => "delete_app",
            Self::StopSession => "stop_session",
            Self::PutPolicy => "put_policy",
            Self::Lock => "lock",
            Self::Report => "report",
        }
    }
}

/// An amount in the catalogue's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// A span of time.
    Time(SignedDuration),
    /// A number of things.
    Count(u64),
    /// A number of bytes.
    Bytes(u64),
    /// A budget of whole US dollars a month.
    DollarsAMonth(u32),
    /// Words or patterns of words.
    Words(&'static [&'static str]),
}

impl Amount {
    const fn seconds(seconds: i64) -> Self {
        Self::Time(SignedDuration::from_secs(seconds))
    }

    const fn minutes(minutes: i64) -> Self {
        Self::Time(SignedDuration::from_mins(minutes))
    }

    const fn hours(hours: i64) -> Self {
        Self::Time(SignedDuration::from_hours(hours))
    }

    const fn days(days: i64) -> Self {
        Self::hours(24 * days)
    }

    const fn gigabytes(gigabytes: u64) -> Self {
        Self::Bytes(gigabytes * 1_000_000_000)
    }

    /// The same as a quantity.
    pub fn quantity(self) -> Quantity {
        match self {
            Self::Time(duration) => Quantity::Duration(duration),
            Self::Count(count) => Quantity::Count(count),
            Self::Bytes(bytes) => Quantity::Bytes(bytes),
            Self::DollarsAMonth(dollars) => {
                let money = Money::new(i64::from(dollars).into(), Currency::USD);
                Quantity::Budget(Budget::new(money, Per::Month))
            }
            Self::Words(words) => Quantity::words(words.iter().copied()),
        }
    }
}

/// Which limits are obeyed. One that could never be reached would switch the guardrail off, which only `mode` may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounds {
    /// From the least to the greatest.
    Between(Amount, Amount),
    /// Some of these words: always the first, which is as it should be, and never all of them. The other way round a
    /// setting would be put from right into wrong.
    SomeOf(&'static [&'static str]),
    /// Patterns with `*` and `?`, none of which matches everything.
    Patterns,
    /// Budgets that can be held to.
    Budget,
}

impl Bounds {
    /// Whether a limit is within them.
    pub fn hold(self, limit: &Quantity) -> bool {
        match (self, limit) {
            (Self::Between(least, greatest), limit) => (least.quantity()..=greatest.quantity()).contains(limit),
            (Self::SomeOf(known), Quantity::Words(words)) => {
                let right = known.first().is_some_and(|right| words.contains(*right));
                right && words.len() < known.len() && words.iter().all(|word| known.contains(&word.as_str()))
            }
            (Self::Patterns, Quantity::Words(patterns)) => {
                // Instance types and releases have letters and a dot. A pattern without is a slip, and as an only limit
                // would make everything a breach, or it matches everything.
                let sound = |pattern: &String| pattern.contains('.') && pattern.chars().any(char::is_alphabetic);
                patterns.len() <= 100 && patterns.iter().all(sound)
            }
            (Self::Budget, Quantity::Budget(budget)) => budget.is_sound(),
            (Self::SomeOf(_) | Self::Patterns | Self::Budget, _) => false,
        }
    }

    /// What is expected, for messages; `like` is any limit of the same kind.
    pub fn expected(self, like: &Quantity) -> String {
        match self {
            Self::Between(least, greatest) => {
                format!("{}, from {} to {}", like.syntax(), least.quantity(), greatest.quantity())
            }
            Self::SomeOf([right, _]) => format!("`{right}` and nothing else"),
            Self::SomeOf(known) => {
                let known = known.join("`, `");
                format!("{} among `{known}`, the first among them and not all", like.syntax())
            }
            Self::Budget => like.syntax().to_owned(),
            Self::Patterns => {
                format!("{}, at most 100 patterns such as `{like}`, each with a letter and a dot", like.syntax())
            }
        }
    }
}

/// A setting that only some guardrails have, a parameter of its own beside `limit` and `mode`.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    /// The last step of the parameter's name.
    pub name: &'static str,
    /// What it decides.
    pub what: &'static str,
    /// What is chosen when no parameter says otherwise.
    pub default: &'static str,
    /// What can be chosen.
    pub among: Among,
}

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// One of these words.
    Words(&'static [&'static str]),
    /// A time from the first to the second.
    Times(SignedDuration, SignedDuration),
}

impl Choice {
    /// Whether this can be chosen.
    pub fn takes(&self, value: &str) -> bool {
        match self.among {
            Among::Words(words) => words.contains(&value),
            Among::Times(least, greatest) => {
                value.parse::<SignedDuration>().is_ok_and(|time| (least..=greatest).contains(&time))
            }
        }
    }

    /// What can be chosen, for messages.
    pub fn expected(&self) -> String {
        match self.among {
            Among::Words(words) => format!("`{}`", words.join("` or `")),
            Among::Times(least, greatest) => format!("a duration from {least:#} to {greatest:#}"),
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
    /// What kinds of resources are measured, in the service's own words.
    pub resources: &'static [&'static str],
    /// What a limit or mode may be set for beside the whole sandbox. The first needs not be named in a parameter.
    pub scopes: &'static [ScopeKind],
    /// What is measured.
    pub measure: Measure,
    /// For a count: what they are counted in, where that is not the sandbox.
    pub counted_in: Option<ScopeKind>,
    /// One line: what the guardrail does.
    pub title: &'static str,
    /// Why it exists, and what to know of it.
    pub why: &'static str,
    /// The limit when no parameter says otherwise.
    pub default_limit: Amount,
    /// The limits that are obeyed.
    pub bounds: Bounds,
    /// Percentages of the limit at which a finding is made.
    pub default_levels: &'static [u16],
    /// Those of them at which the action is done, where it is not done at the limit itself.
    pub locks_at: &'static [u16],
    /// The mode when no parameter says otherwise.
    pub default_mode: Mode,
    /// How many resources one run may act on when no parameter says otherwise.
    pub default_max_actions: u32,
    /// What is done about a breach.
    pub action: ActionKind,
    /// Settings that only this guardrail has.
    pub choices: &'static [Choice],
}

/// What the entries have in common.
const COMMON: Guardrail = Guardrail {
    id: "",
    kind: Kind::Detective,
    service: Service::Athena,
    resources: &[],
    scopes: &[],
    measure: Measure::ElapsedTime,
    counted_in: None,
    title: "",
    why: "",
    default_limit: Amount::Count(0),
    bounds: Bounds::Patterns,
    default_levels: &[75, 95, 100],
    locks_at: &[],
    default_mode: Mode::Observe,
    default_max_actions: 20,
    action: ActionKind::Report,
    choices: &[],
};

/// Every guardrail there is, by service.
pub static CATALOGUE: &[&[&Guardrail]] = &[
    athena::GUARDRAILS,
    emr::GUARDRAILS,
    sagemaker::GUARDRAILS,
    glue::GUARDRAILS,
    spend::GUARDRAILS,
    exemptions::GUARDRAILS,
];

/// Every guardrail there is, in the order of the catalogue.
pub fn all() -> impl Iterator<Item = &'static Guardrail> {
    CATALOGUE.iter().copied().flatten().copied()
}

/// The guardrail with this id.
pub fn find(id: &str) -> Option<&'static Guardrail> {
    all().find(|guardrail| guardrail.id == id)
}

impl Guardrail {
    /// The start of its parameters' names: `/sandbox-guardrails/<service>/<guardrail>`.
    pub fn parameter_path(&self) -> String {
        format!("{}/{}/{}", crate::config::ROOT, self.service, self.id)
    }

    /// Whether it measures resources of this kind.
    pub fn measures(&self, resource_kind: &str) -> bool {
        self.resources.contains(&resource_kind)
    }

    /// Whether anything but the finding comes of a breach.
    pub fn acts(&self) -> bool {
        self.action != ActionKind::Report
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::measure::MeasureKind;
    use crate::{Levels, Policy};

    #[test]
    fn every_entry_is_sound() {
        let mut ids = BTreeSet::new();
        for guardrail in all() {
            let id = guardrail.id;
            assert!(ids.insert(id), "`{id}` stands twice");
            assert!(id.starts_with(guardrail.service.as_str().trim_end_matches('s')), "`{id}` names its service");
            assert!(Levels::new(guardrail.default_levels).is_some(), "`{id}` has sound levels");
            assert!(!guardrail.resources.is_empty(), "`{id}` measures something");
            assert!(guardrail.default_max_actions > 0, "`{id}` may act");
            assert_eq!(guardrail.default_mode, Mode::Observe, "`{id}` starts by observing");
            assert_eq!(find(id).map(|found| found.id), Some(id));
            for text in [guardrail.title, guardrail.why] {
                assert!(text.len() > 20 && text.trim() == text, "`{id}` says what it is and why");
            }

            let limit = guardrail.default_limit.quantity();
            assert!(guardrail.bounds.hold(&limit), "`{id}` obeys its own default");
            assert_eq!(limit.parse_like(&limit.to_string()), Some(limit.clone()), "`{id}`: its default can be written");
            let kind = guardrail.measure.kind();
            let fits = match limit {
                Quantity::Duration(_) => kind == MeasureKind::Time,
                Quantity::Count(_) => matches!(kind, MeasureKind::Count | MeasureKind::Size),
                Quantity::Bytes(_) => kind == MeasureKind::Size,
                Quantity::Budget(_) | Quantity::Money(_) => kind == MeasureKind::Money,
                Quantity::Words(_) => kind == MeasureKind::Words,
            };
            assert!(fits, "`{id}`: a limit of {limit} fits what is measured");
            if let Bounds::Between(least, _) = guardrail.bounds {
                assert!(least.quantity().base_units() > 0, "`{id}` refuses zero");
            }
            if kind == MeasureKind::Words {
                assert_eq!(guardrail.default_levels, [100], "`{id}`: words are allowed or not");
            }
            assert!(guardrail.counted_in.is_none() || kind == MeasureKind::Count, "`{id}` counts what it counts in");
            if let Some(group) = guardrail.counted_in {
                assert_eq!(guardrail.scopes, [group], "`{id}`: one group has one limit");
            }
            let locks = guardrail.locks_at.iter().all(|percent| guardrail.default_levels.contains(percent));
            assert!(locks && guardrail.locks_at.is_empty() == (kind != MeasureKind::Money), "`{id}` locks at levels");
            for choice in guardrail.choices {
                assert!(choice.takes(choice.default), "`{id}` takes its own `{}`", choice.name);
            }
            assert_eq!(Policy::default_of(guardrail).limit.sandbox, limit);
        }
        for service in Service::GOVERNED {
            assert!(service.guardrails().next().is_some(), "`{service}` has guardrails");
        }
    }

    #[test]
    fn what_would_switch_a_guardrail_off_is_out_of_bounds() {
        let words = |text: &str| Quantity::words([]).parse_like(text).unwrap_or(Quantity::Count(0));
        let good = ["m5.*", "m5.*,r5.xlarge", "*.xlarge", "emr-5.3?.*"];
        let bad = ["*", "m5.*,*", "?*", "*.*", "-1", "30m", "enforce", "1.5"];
        for (text, held) in good.map(|text| (text, true)).into_iter().chain(bad.map(|text| (text, false))) {
            assert_eq!(Bounds::Patterns.hold(&words(text)), held, "{text}");
        }
        let network = Bounds::SomeOf(&["VpcOnly", "PublicInternetOnly"]);
        for (text, held) in [("VpcOnly", true), ("VpcOnly,PublicInternetOnly", false), ("vpconly", false), ("", false)]
        {
            assert_eq!(network.hold(&words(text)), held, "{text}");
        }
    }
}
