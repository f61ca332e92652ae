//! What travels on the guardrail bus, as types; their JSON Schemas stand in `events/schemas/`.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::availability::{
    AvailabilityChange, AvailabilityUpdateRequested, SandboxLockReleased, SandboxLockRequested, WorkflowInput,
};
use crate::config::Rejected;
use crate::measure::EpisodeOf;
use crate::spending::SandboxSpend;
use crate::{ActionKind, Guardrail, Level, Measure, Mode, Quantity, Service, owner};

/// The `source` of every event that the guardrails put.
pub const SOURCE: &str = "sandbox.guardrails";

/// The version of the details below. It grows when a field changes its meaning or goes; added fields keep it.
pub const SCHEMA_VERSION: &str = "1";

/// The account and Region under guard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sandbox {
    /// The AWS account id, 12 digits.
    pub account: String,
    /// The AWS Region.
    pub region: String,
    /// The name people use for it.
    pub alias: String,
}

/// What every detail begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Header {
    /// The version of the detail's shape.
    pub schema_version: String,
    /// Deterministic: the same fact always has the same id, so a repeat shows once.
    pub id: String,
    /// Where it happened.
    pub sandbox: Sandbox,
    /// When this state of it came about; of two events with one id the later one counts.
    pub occurred_at: Timestamp,
}

impl Header {
    /// A header of the present schema version.
    pub fn new(id: impl Into<String>, sandbox: &Sandbox, occurred_at: Timestamp) -> Self {
        Self { schema_version: SCHEMA_VERSION.to_owned(), id: id.into(), sandbox: sandbox.clone(), occurred_at }
    }
}

/// The thing that a guardrail measures.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Resource {
    /// Its kind in the service's own word, such as `query`.
    pub kind: String,
    /// Its id in the service.
    pub id: String,
}

/// An observation at or over a level: exactly one for each guardrail, resource, level and episode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What every detail begins with.
    #[serde(flatten)]
    pub header: Header,
    /// The guardrail's id.
    pub guardrail: String,
    /// The service governed.
    pub service: Service,
    /// What is over the level.
    pub resource: Resource,
    /// Its scope, such as an Athena workgroup.
    pub scope: Option<String>,
    /// Who started it, where that is known; it may follow in a later event of the same id.
    pub owner: Option<String>,
    /// The ARN of the principal that started it, where CloudTrail told.
    pub principal: Option<String>,
    /// Its state in the service's own word when it was seen.
    pub state: String,
    /// When it was asked for, or last turned on.
    pub started_at: Timestamp,
    /// What was measured.
    pub measure: Measure,
    /// The level reached.
    pub level: Level,
    /// The moment that the condition began, where it can clear and come back; part of the id.
    pub episode: Option<Timestamp>,
    /// The limit in force.
    pub limit: Quantity,
    /// The measurement.
    pub measured: Quantity,
    /// The mode in force.
    pub mode: Mode,
    /// What is done about a breach.
    pub action: ActionKind,
    /// The exemption that keeps it from being acted on, by name.
    pub exemption: Option<String>,
    /// Whether a breach waits for the next run because this one has already asked for `max_actions` actions.
    pub held_back: bool,
    /// All of this in one sentence.
    pub message: String,
}

impl Finding {
    /// The id of the finding of this guardrail, resource, level and episode.
    pub fn id_of(guardrail: &Guardrail, resource: &Resource, level: Level, episode: Option<Timestamp>) -> String {
        let episode = episode.map(|began| format!("/{began}")).unwrap_or_default();
        format!("{}/{}/{}{episode}", guardrail.id, resource.id, level.percent)
    }

    /// Whether the moment that its condition began is still to be looked up, because only the ledger remembers it.
    pub fn waits_for_episode(&self) -> bool {
        // A count that nears its limit is a condition of what is counted; beyond it, of each resource.
        let of_group = self.measure == Measure::Count && self.level.percent < 100;
        self.episode.is_none() && (of_group || self.measure.episode() == EpisodeOf::FirstSeen)
    }

    /// Puts it into the episode that began at this moment.
    pub fn begin_at(&mut self, began: Timestamp) {
        self.episode = Some(began);
        self.header.id = format!("{}/{began}", self.header.id);
    }

    /// Whether the enforce function will act on it, if it sees the same.
    pub fn wants_action(&self) -> bool {
        self.action != ActionKind::Report
            && self.level.severity == crate::Severity::Breach
            && self.mode == Mode::Enforce
            && self.exemption.is_none()
    }
}

/// How an action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It took effect, and that was verified.
    Done,
    /// There was nothing left to act on.
    AlreadyGone,
    /// The mode is `observe`: nothing was done.
    ObservedOnly,
    /// An exemption covers it: nothing was done.
    Exempt,
    /// Judged again, it was not a breach: nothing was done.
    Refused,
    /// It was tried and did not take effect; it is tried again.
    Failed,
}

/// What was done about a breach, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Action {
    /// What every detail begins with.
    #[serde(flatten)]
    pub header: Header,
    /// The id of the finding that asked for it.
    pub finding: String,
    /// The guardrail's id.
    pub guardrail: String,
    /// The service governed.
    pub service: Service,
    /// What was acted on.
    pub resource: Resource,
    /// Its scope, such as an Athena workgroup.
    pub scope: Option<String>,
    /// Who started it, where that is known.
    pub owner: Option<String>,
    /// What was done, or would have been.
    pub action: ActionKind,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it ended so, in one sentence.
    pub reason: String,
    /// The limit in force when it was judged again.
    pub limit: Option<Quantity>,
    /// The measurement when it was judged again.
    pub measured: Option<Quantity>,
}

impl Action {
    /// The id of the action that this finding asks for.
    pub fn id_of(finding: &str, action: ActionKind) -> String {
        format!("{finding}/{}", action.as_str())
    }
}

/// A sign of life: what a watch saw, how long it took, what it asked of AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Heartbeat {
    /// What every detail begins with.
    #[serde(flatten)]
    pub header: Header,
    /// The function that is alive, such as `athena-watch`.
    pub function: String,
    /// What it saw in this sweep: counts by the service's own words, and gauges of what the service is paid by.
    pub saw: BTreeMap<String, u64>,
    /// How long the sweep took, without any vigil after it.
    pub took: SignedDuration,
    /// How many calls it made to AWS, retries included.
    pub calls: u64,
}

/// A parameter that is not obeyed, and what is in force instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigurationRejected {
    /// What every detail begins with.
    #[serde(flatten)]
    pub header: Header,
    /// The parameter's full name.
    pub parameter: String,
    /// Its value as it stands, shortened to 200 characters.
    pub value: String,
    /// What was expected.
    pub expected: String,
    /// The value in force instead.
    pub in_force: String,
}

impl ConfigurationRejected {
    /// The event for this rejection. Its id carries the parameter's version: one event for each wrong value.
    pub fn new(rejected: Rejected, version: i64, sandbox: &Sandbox, now: Timestamp) -> Self {
        let Rejected { parameter, value, expected, in_force } = rejected;
        let header = Header::new(format!("configuration{parameter}/{version}"), sandbox, now);
        Self { header, parameter, value, expected, in_force }
    }
}

/// Any event of the guardrail bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Event {
    /// `Guardrail Finding`.
    Finding(Finding),
    /// `Guardrail Action`.
    Action(Action),
    /// `Guardrail Heartbeat`.
    Heartbeat(Heartbeat),
    /// `Configuration Rejected`.
    ConfigurationRejected(ConfigurationRejected),
    /// `Sandbox Availability Change`.
    AvailabilityChange(AvailabilityChange),
    /// `Sandbox Spend`, which is much larger than the others.
    SandboxSpend(Box<SandboxSpend>),
    /// The command `Availability Update Requested`.
    AvailabilityUpdateRequested(AvailabilityUpdateRequested),
    /// The command `Sandbox Lock Requested`.
    SandboxLockRequested(SandboxLockRequested),
    /// The command `Sandbox Lock Released`.
    SandboxLockReleased(SandboxLockReleased),
}

impl Event {
    /// The `detail-type` it travels under.
    pub fn detail_type(&self) -> &'static str {
        match self {
            Self::Finding(_) => "Guardrail Finding",
            Self::Action(_) => "Guardrail Action",
            Self::Heartbeat(_) => "Guardrail Heartbeat",
            Self::ConfigurationRejected(_) => "Configuration Rejected",
            Self::AvailabilityChange(_) => "Sandbox Availability Change",
            Self::SandboxSpend(_) => "Sandbox Spend",
            Self::AvailabilityUpdateRequested(_) => "Availability Update Requested",
            Self::SandboxLockRequested(_) => "Sandbox Lock Requested",
            Self::SandboxLockReleased(_) => "Sandbox Lock Released",
        }
    }

    /// What every detail begins with.
    pub fn header(&self) -> &Header {
        match self {
            Self::Finding(finding) => &finding.header,
            Self::Action(action) => &action.header,
            Self::Heartbeat(heartbeat) => &heartbeat.header,
            Self::ConfigurationRejected(rejected) => &rejected.header,
            Self::AvailabilityChange(change) => &change.header,
            Self::SandboxSpend(spend) => &spend.header,
            Self::AvailabilityUpdateRequested(command) => &command.header,
            Self::SandboxLockRequested(command) => &command.header,
            Self::SandboxLockReleased(command) => &command.header,
        }
    }

    /// Whether it is a finding whose owner CloudTrail may still tell.
    pub fn awaits_owner(&self) -> bool {
        match self {
            Self::Finding(finding) => finding.owner.is_none() && owner::created_by(&finding.resource.kind).is_some(),
            _ => false,
        }
    }

    /// Reads a detail by its detail type. The error says which field is wrong, or that the detail type is unknown.
    pub fn from_detail(detail_type: &str, detail: Value) -> Result<Self, serde_json::Error> {
        match detail_type {
            "Guardrail Finding" => read(&detail).map(Self::Finding),
            "Guardrail Action" => read(&detail).map(Self::Action),
            "Guardrail Heartbeat" => read(&detail).map(Self::Heartbeat),
            "Configuration Rejected" => read(&detail).map(Self::ConfigurationRejected),
            "Sandbox Availability Change" => read(&detail).map(Self::AvailabilityChange),
            "Sandbox Spend" => read(&detail).map(Box::new).map(Self::SandboxSpend),
            "Availability Update Requested" => read(&detail).map(Self::AvailabilityUpdateRequested),
            "Sandbox Lock Requested" => read(&detail).map(Self::SandboxLockRequested),
            "Sandbox Lock Released" => read(&detail).map(Self::SandboxLockReleased),
            other => Err(serde_json::Error::custom(format!("unknown detail type `{other}`"))),
        }
    }
}

fn read<T: DeserializeOwned>(detail: &Value) -> Result<T, serde_json::Error> {
    // The header is read by itself first, because serde loses the path of what is flattened.
    read_naming_fields::<Header>(detail)?;
    read_naming_fields(detail)
}

/// Reads JSON as `T`; the error names the path of the field that is wrong.
pub fn read_naming_fields<T: DeserializeOwned>(json: &Value) -> Result<T, serde_json::Error> {
    serde_path_to_error::deserialize(json).map_err(|error| match error.path().to_string().as_str() {
        "." => error.into_inner(),
        path => serde_json::Error::custom(format!("`{path}`: {}", error.inner())),
    })
}

macro_rules! from {
    ($($kind:ident),*) => {$(
        impl From<$kind> for Event {
            fn from(event: $kind) -> Self {
                Self::$kind(event)
            }
        }
    )*};
}
from!(
    Finding,
    Action,
    Heartbeat,
    ConfigurationRejected,
    AvailabilityChange,
    AvailabilityUpdateRequested,
    SandboxLockRequested,
    SandboxLockReleased
);

impl From<SandboxSpend> for Event {
    fn from(event: SandboxSpend) -> Self {
        Self::SandboxSpend(Box::new(event))
    }
}

/// The JSON Schema of each detail, and of other JSON that people write, by file name under `events/schemas/`.
pub fn schemas() -> Vec<(&'static str, schemars::Schema)> {
    vec![
        ("guardrail-finding.json", schemars::schema_for!(Finding)),
        ("guardrail-action.json", schemars::schema_for!(Action)),
        ("guardrail-heartbeat.json", schemars::schema_for!(Heartbeat)),
        ("configuration-rejected.json", schemars::schema_for!(ConfigurationRejected)),
        ("sandbox-availability-change.json", schemars::schema_for!(AvailabilityChange)),
        ("sandbox-spend.json", schemars::schema_for!(SandboxSpend)),
        ("availability-update-requested.json", schemars::schema_for!(AvailabilityUpdateRequested)),
        ("sandbox-lock-requested.json", schemars::schema_for!(SandboxLockRequested)),
        ("sandbox-lock-released.json", schemars::schema_for!(SandboxLockReleased)),
        ("workflow-input.json", schemars::schema_for!(WorkflowInput)),
        ("registered-sandbox.json", schemars::schema_for!(crate::Registered)),
        ("exemption.json", schemars::schema_for!(crate::Exemption)),
    ]
}
