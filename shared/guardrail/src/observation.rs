//! What AWS says about one resource now.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Resource;
use crate::{Measure, Quantity};

/// What limits and modes may be set for beside the whole sandbox. The more specific comes first and wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeKind {
    /// One sandbox of all, by its account: for what is set in the hub.
    Sandbox,
    /// The sandboxes of one business unit: for what is set in the hub.
    BusinessUnit,
    /// Whoever the tag `owner` names.
    Owner,
    /// A Glue job.
    Job,
    /// A SageMaker pipeline.
    Pipeline,
    /// An EMR cluster.
    Cluster,
    /// An Athena workgroup.
    Workgroup,
    /// The tag `cluster-template`: the product that the cluster was made from.
    Template,
    /// The tag `user-type`: what kind of user the resource was made for.
    UserType,
}

impl ScopeKind {
    /// The word used in parameters' names and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::BusinessUnit => "business-unit",
            Self::Owner => "owner",
            Self::Job => "job",
            Self::Pipeline => "pipeline",
            Self::Cluster => "cluster",
            Self::Workgroup => "workgroup",
            Self::Template => "template",
            Self::UserType => "user-type",
        }
    }

    /// The tag that says it, where a tag does.
    pub const fn tag(self) -> Option<&'static str> {
        match self {
            Self::Owner => Some("owner"),
            Self::Template => Some("cluster-template"),
            Self::UserType => Some("user-type"),
            Self::Sandbox | Self::BusinessUnit | Self::Job | Self::Pipeline | Self::Cluster | Self::Workgroup => None,
        }
    }
}

impl fmt::Display for ScopeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The scopes that a resource is in.
pub type Scopes = BTreeMap<ScopeKind, String>;

/// One reading of a resource; its unit goes with the [`Measure`] it is filed under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The moment from which a time is measured.
    Since(Timestamp),
    /// A size.
    Amount(Quantity),
    /// What is set or used, in the service's own words.
    Words(BTreeSet<String>),
}

/// What AWS says about one resource now. Resources in a terminal state are not observed, nor are those that have been
/// told to end and are ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The resource.
    pub resource: Resource,
    /// The scopes it is in.
    pub scopes: Scopes,
    /// Who started it, where the service itself says so.
    pub owner: Option<String>,
    /// Its state in the service's own word.
    pub state: String,
    /// When it was asked for, or last turned on; for an Athena query its submission, so that time in the queue counts.
    pub started_at: Timestamp,
    /// What else was read of it. A guardrail whose reading is not there does not concern the resource now.
    pub readings: BTreeMap<Measure, Reading>,
}

impl Observation {
    /// A resource of this kind and id.
    pub fn new(kind: &str, id: impl Into<String>, state: impl Into<String>, started_at: Timestamp) -> Self {
        Self {
            resource: Resource { kind: kind.to_owned(), id: id.into() },
            scopes: Scopes::new(),
            owner: None,
            state: state.into(),
            started_at,
            readings: BTreeMap::new(),
        }
    }

    /// The same in a scope, where its name is known.
    #[must_use]
    pub fn within(mut self, kind: ScopeKind, name: Option<&str>) -> Self {
        self.scopes.extend(name.map(|name| (kind, name.to_owned())));
        self
    }

    /// The same with what its tags say: its owner, its template, its user type.
    #[must_use]
    pub fn tagged<'a>(mut self, tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        const TAGS: [ScopeKind; 3] = [ScopeKind::Owner, ScopeKind::Template, ScopeKind::UserType];
        for (key, value) in tags {
            let Some(kind) = TAGS.into_iter().find(|kind| kind.tag() == Some(key)) else { continue };
            if kind == ScopeKind::Owner {
                self.owner = Some(value.to_owned());
            }
            self.scopes.insert(kind, value.to_owned());
        }
        self
    }

    /// The same, measured from this moment.
    #[must_use]
    pub fn since(mut self, measure: Measure, moment: Timestamp) -> Self {
        self.readings.insert(measure, Reading::Since(moment));
        self
    }

    /// The same with a size.
    #[must_use]
    pub fn amount(mut self, measure: Measure, amount: Quantity) -> Self {
        self.readings.insert(measure, Reading::Amount(amount));
        self
    }

    /// The same with words.
    #[must_use]
    pub fn words<W: Into<String>>(mut self, measure: Measure, words: impl IntoIterator<Item = W>) -> Self {
        self.readings.insert(measure, Reading::Words(words.into_iter().map(Into::into).collect()));
        self
    }

    /// The moment from which this time is measured, if the resource is in that condition.
    pub fn moment(&self, measure: Measure) -> Option<Timestamp> {
        match (measure, self.readings.get(&measure)) {
            (_, Some(Reading::Since(moment))) => Some(*moment),
            (Measure::ElapsedTime | Measure::UpTime, None) => Some(self.started_at),
            _ => None,
        }
    }
}
