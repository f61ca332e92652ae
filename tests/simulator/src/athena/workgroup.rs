//! A workgroup: whether it takes queries, what it allows them, and its history of queries.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::invalid;
use crate::clock;
use crate::input::Input;
use crate::protocol::AwsError;

/// The least `BytesScannedCutoffPerQuery` can be: 10 MB.
const LEAST_CUTOFF: i64 = 10_000_000;
/// The members of `WorkGroupConfiguration` that are yes or no.
const FLAGS: [&str; 4] = [
    "EnforceWorkGroupConfiguration",
    "PublishCloudWatchMetricsEnabled",
    "RequesterPaysEnabled",
    "EnableMinimumEncryptionConfiguration",
];
/// The members that are kept and answered as they came.
const KEPT: [&str; 4] = [
    "MonitoringConfiguration",
    "EngineConfiguration",
    "CustomerContentEncryptionConfiguration",
    "QueryResultsS3AccessGrantsConfiguration",
];
/// The members of `ResultConfiguration`, each removed by the update's `Remove…`.
const RESULT_MEMBERS: [&str; 4] =
    ["OutputLocation", "EncryptionConfiguration", "ExpectedBucketOwner", "AclConfiguration"];

/// Whether a workgroup takes queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum WorkgroupState {
    /// It does.
    Enabled,
    /// It refuses new ones; those that run go on.
    Disabled,
}

impl WorkgroupState {
    fn as_str(self) -> &'static str {
        match self {
            WorkgroupState::Enabled => "ENABLED",
            WorkgroupState::Disabled => "DISABLED",
        }
    }
}

/// What can be seen of a workgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkgroupView {
    /// Its name.
    pub name: String,
    /// Whether it takes queries.
    pub state: WorkgroupState,
    /// How many bytes a query may read before it is cut off.
    pub bytes_scanned_cutoff_per_query: Option<u64>,
    /// Whether its settings override those of a request.
    pub enforced: bool,
    /// How many queries its history holds.
    pub queries: usize,
}

#[derive(Debug)]
pub(super) struct Workgroup {
    pub(super) name: Arc<str>,
    pub(super) state: WorkgroupState,
    description: String,
    created_at: Timestamp,
    configuration: Map<String, Value>,
    /// Its queries by submission; the second part of the key keeps those of the same millisecond in order.
    pub(super) history: BTreeMap<(Timestamp, u64), Arc<str>>,
}

impl Workgroup {
    /// A workgroup with the settings the service gives when none are asked for.
    pub(super) fn new(name: &str, now: Timestamp) -> Workgroup {
        let mut configuration: Map<String, Value> =
            FLAGS.iter().map(|flag| ((*flag).to_owned(), Value::Bool(false))).collect();
        configuration.insert("ResultConfiguration".to_owned(), json!({}));
        configuration.insert("EngineVersion".to_owned(), engine_version("AUTO"));
        Workgroup {
            name: Arc::from(name),
            state: WorkgroupState::Enabled,
            description: String::new(),
            created_at: now,
            configuration,
            history: BTreeMap::new(),
        }
    }

    /// The same, with a place for results, so that a query needs to name none.
    pub(super) fn with_results(name: &str, output: &str, now: Timestamp) -> Workgroup {
        let mut workgroup = Workgroup::new(name, now);
        workgroup.configuration.insert("ResultConfiguration".to_owned(), json!({ "OutputLocation": output }));
        workgroup
    }

    /// Applies what `CreateWorkGroup` asks for.
    pub(super) fn configure(&mut self, input: Input<'_>) -> Result<(), AwsError> {
        self.describe_as(input)?;
        if let Some(configuration) = input.object("Configuration")? {
            self.set(configuration)?;
            for nested in ["ResultConfiguration", "ManagedQueryResultsConfiguration", "IdentityCenterConfiguration"] {
                if configuration.object(nested)?.is_some()
                    && let Some(value) = configuration.member(nested)
                {
                    self.configuration.insert(nested.to_owned(), value.clone());
                }
            }
        }
        Ok(())
    }

    /// Applies what `UpdateWorkGroup` asks for.
    pub(super) fn update(&mut self, input: Input<'_>) -> Result<(), AwsError> {
        self.describe_as(input)?;
        self.state = match input.text("State", 1..=usize::MAX)? {
            None => self.state,
            Some("ENABLED") => WorkgroupState::Enabled,
            Some("DISABLED") => WorkgroupState::Disabled,
            Some(_) => {
                let message = "1 validation error detected: Value at 'state' failed to satisfy constraint: \
                               Member must satisfy enum value set: [DISABLED, ENABLED]";
                return Err(invalid(message));
            }
        };
        let Some(updates) = input.object("ConfigurationUpdates")? else {
            return Ok(());
        };
        self.set(updates)?;
        if updates.flag("RemoveBytesScannedCutoffPerQuery")? == Some(true) {
            self.configuration.remove("BytesScannedCutoffPerQuery");
        }
        if updates.flag("RemoveCustomerContentEncryptionConfiguration")? == Some(true) {
            self.configuration.remove("CustomerContentEncryptionConfiguration");
        }
        if let Some(results) = updates.object("ResultConfigurationUpdates")? {
            self.merge("ResultConfiguration", results, &RESULT_MEMBERS)?;
        }
        if let Some(managed) = updates.object("ManagedQueryResultsConfigurationUpdates")? {
            self.merge("ManagedQueryResultsConfiguration", managed, &["Enabled", "EncryptionConfiguration"])?;
        }
        Ok(())
    }

    fn describe_as(&mut self, input: Input<'_>) -> Result<(), AwsError> {
        if let Some(description) = input.text("Description", 0..=1_024)? {
            self.description = description.to_owned();
        }
        Ok(())
    }

    /// The members that creation and update have in common.
    fn set(&mut self, configuration: Input<'_>) -> Result<(), AwsError> {
        for flag in FLAGS {
            if let Some(value) = configuration.flag(flag)? {
                self.configuration.insert(flag.to_owned(), value.into());
            }
        }
        if let Some(cutoff) = configuration.integer("BytesScannedCutoffPerQuery", LEAST_CUTOFF..=i64::MAX)? {
            self.configuration.insert("BytesScannedCutoffPerQuery".to_owned(), cutoff.into());
        }
        for (name, length) in [("AdditionalConfiguration", 1..=128), ("ExecutionRole", 20..=2_048)] {
            if let Some(text) = configuration.text(name, length)? {
                self.configuration.insert(name.to_owned(), text.into());
            }
        }
        if let Some(version) = configuration.object("EngineVersion")? {
            let selected = version.text("SelectedEngineVersion", 1..=128)?.unwrap_or("AUTO");
            self.configuration.insert("EngineVersion".to_owned(), engine_version(selected));
        }
        for name in KEPT {
            if configuration.object(name)?.is_some()
                && let Some(value) = configuration.member(name)
            {
                self.configuration.insert(name.to_owned(), value.clone());
            }
        }
        Ok(())
    }

    /// Takes over the members that are given and drops those whose `Remove…` is set.
    fn merge(&mut self, name: &str, updates: Input<'_>, members: &[&str]) -> Result<(), AwsError> {
        let nested = self.configuration.entry(name).or_insert_with(|| json!({}));
        let Value::Object(nested) = nested else { return Ok(()) };
        for member in members {
            if let Some(value) = updates.member(member) {
                nested.insert((*member).to_owned(), value.clone());
            }
            if updates.flag(&format!("Remove{member}"))? == Some(true) {
                nested.remove(*member);
            }
        }
        Ok(())
    }

    /// Sets what limits a query, without the API's checks.
    pub(super) fn limit(&mut self, enforced: bool, cutoff: Option<u64>) {
        self.configuration.insert("EnforceWorkGroupConfiguration".to_owned(), enforced.into());
        self.configuration.remove("BytesScannedCutoffPerQuery");
        self.configuration.extend(cutoff.map(|cutoff| ("BytesScannedCutoffPerQuery".to_owned(), cutoff.into())));
    }

    pub(super) fn cutoff(&self) -> Option<u64> {
        self.configuration.get("BytesScannedCutoffPerQuery").and_then(Value::as_u64)
    }

    pub(super) fn enforced(&self) -> bool {
        self.configuration.get("EnforceWorkGroupConfiguration").and_then(Value::as_bool).unwrap_or_default()
    }

    pub(super) fn output_location(&self) -> Option<&str> {
        self.configuration.get("ResultConfiguration")?.get("OutputLocation")?.as_str()
    }

    pub(super) fn view(&self) -> WorkgroupView {
        WorkgroupView {
            name: self.name.to_string(),
            state: self.state,
            bytes_scanned_cutoff_per_query: self.cutoff(),
            enforced: self.enforced(),
            queries: self.history.len(),
        }
    }

    /// The shape `WorkGroup`; without a description the member is left out.
    pub(super) fn describe(&self) -> Value {
        let mut workgroup = json!({
            "Name": *self.name,
            "State": self.state.as_str(),
            "Configuration": self.configuration,
            "CreationTime": clock::epoch_seconds(self.created_at),
        });
        if let Value::Object(workgroup) = &mut workgroup
            && !self.description.is_empty()
        {
            workgroup.insert("Description".to_owned(), self.description.as_str().into());
        }
        workgroup
    }

    /// The shape `WorkGroupSummary`; without a description the member is empty.
    pub(super) fn summarise(&self) -> Value {
        json!({
            "Name": *self.name,
            "State": self.state.as_str(),
            "Description": self.description,
            "CreationTime": clock::epoch_seconds(self.created_at),
            "EngineVersion": self.configuration.get("EngineVersion"),
        })
    }
}

/// The shape `EngineVersion`; `AUTO` is version 3 today.
pub(super) fn engine_version(selected: &str) -> Value {
    let effective = if selected == "AUTO" { "Athena engine version 3" } else { selected };
    json!({ "SelectedEngineVersion": selected, "EffectiveEngineVersion": effective })
}
