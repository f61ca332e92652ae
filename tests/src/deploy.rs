//! Deploys the unmodified templates: a hub, and sandboxes that report to it.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Map, Value, json};
use workload_simulator::{AthenaHandle, EmrHandle, GlueHandle, SageMakerHandle, SsmHandle};

use crate::running::{PACKAGES, REGION, binaries, package, wait_for};
use crate::{Account, Stage, StageError, exports, template};

const CONSOLE: &str = "sandbox-guardrails-console";
const LIMIT: &str = "/sandbox-guardrails/athena/athena-query-runtime/limit";
const MODE: &str = "/sandbox-guardrails/athena/athena-query-runtime/mode";

/// A deployed hub.
#[derive(Clone, Debug)]
pub struct Hub {
    /// Its account.
    pub account: Account,
}

/// A deployed sandbox.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// Its account.
    pub account: Account,
    /// Its alias.
    pub alias: String,
    /// Its Athena, in the simulator.
    pub athena: AthenaHandle,
    /// Its EMR, in the simulator.
    pub emr: EmrHandle,
    /// Its SageMaker, in the simulator.
    pub sagemaker: SageMakerHandle,
    /// Its Glue, in the simulator.
    pub glue: GlueHandle,
    /// Its change calendars, in the simulator.
    pub ssm: SsmHandle,
}

/// How a hub is deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HubOptions {
    parameters: Vec<(String, String)>,
    settings: Vec<(String, String)>,
}

impl HubOptions {
    /// The same with one more parameter in Parameter Store, such as `/sandbox-guardrails/spend/spend-budget/limit`.
    #[must_use]
    pub fn with(mut self, parameter: &str, value: &str) -> Self {
        self.parameters.push((parameter.to_owned(), value.to_owned()));
        self
    }

    /// The same with another value of a parameter of the template, such as `AthenaAboveMb`.
    #[must_use]
    pub fn set(mut self, setting: &str, value: &str) -> Self {
        self.settings.push((setting.to_owned(), value.to_owned()));
        self
    }
}

/// How a sandbox is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxOptions {
    /// The mode of `athena-query-runtime`.
    pub mode: &'static str,
    /// The limit of a query's run time.
    pub limit: String,
    /// Whether watches keep vigil.
    pub vigil: bool,
    /// The schedule of Athena's sweeps.
    pub sweeps: &'static str,
    /// The schedule of the sweeps of EMR, SageMaker and Glue.
    pub workload_sweeps: &'static str,
    /// What else Parameter Store says when the sandbox is deployed: names and values.
    pub parameters: Vec<(String, String)>,
    /// The logical ids of the only resources that are deployed, besides those that they need; all if there are none.
    pub only: &'static [&'static str],
}

impl Default for SandboxOptions {
    /// Queries enforced at thirty minutes, the rest as the catalogue says, on vigil, and with no sweep but those that a
    /// test asks for.
    fn default() -> Self {
        Self {
            mode: "enforce",
            limit: "30m".to_owned(),
            vigil: true,
            sweeps: NO_SWEEPS,
            workload_sweeps: NO_SWEEPS,
            parameters: Vec::new(),
            only: &[],
        }
    }
}

impl SandboxOptions {
    /// The same with one more parameter, such as `/sandbox-guardrails/emr/emr-cluster-age/mode`.
    #[must_use]
    pub fn with(mut self, parameter: &str, value: &str) -> Self {
        self.parameters.push((parameter.to_owned(), value.to_owned()));
        self
    }
}

/// A schedule that does not fire while anybody looks.
pub const NO_SWEEPS: &str = "rate(365 days)";

/// The schedule that the template has by default for Athena.
pub const EVERY_MINUTE: &str = "rate(1 minute)";

impl Stage {
    /// Deploys `infra/hub.yaml` into an account, open to the sandboxes named, as the template is by default.
    ///
    /// # Errors
    /// When the deployment fails.
    pub fn deploy_hub(&self, id: &str, sandboxes: &[&str]) -> Result<Hub, StageError> {
        self.deploy_hub_with(id, sandboxes, &HubOptions::default())
    }

    /// Makes an account a hub without a stack yet: it has the bucket of the cost export, and an Athena of its own with
    /// a table over it; see [`exports`].
    ///
    /// # Errors
    /// When the account is a hub already.
    pub fn hub_account(&self, id: &str) -> Result<Hub, StageError> {
        let account = self.account(id);
        self.ask(Method::POST, "/_stage/hub", Some(&json!({"account": id})))?;
        exports::prepare(&account)?;
        Ok(Hub { account })
    }

    /// Deploys `infra/hub.yaml` into a new [`Self::hub_account`], open to the sandboxes named.
    ///
    /// # Errors
    /// When the deployment fails.
    pub fn deploy_hub_with(&self, id: &str, sandboxes: &[&str], options: &HubOptions) -> Result<Hub, StageError> {
        let hub = self.hub_account(id)?;
        // Before the stack is there, as for a sandbox.
        for (parameter, value) in &options.parameters {
            hub.account.put_parameter(parameter, value)?;
        }
        let settings = options.settings.iter().map(|(setting, value)| (setting.as_str(), value.clone()));
        let parameters: Vec<_> = [("SandboxAccountIds", sandboxes.join(","))]
            .into_iter()
            .chain(exports::SETTINGS.iter().map(|(setting, value)| (*setting, (*value).to_owned())))
            .chain(settings)
            .collect();
        self.deploy("hub", &[], &hub.account, &parameters)?;
        Ok(hub)
    }

    /// Deploys `infra/sandbox.yaml` into an account, reporting to `hub`.
    ///
    /// # Errors
    /// When the deployment fails.
    pub fn deploy_sandbox(
        &self,
        id: &str,
        alias: &str,
        hub: &Hub,
        options: &SandboxOptions,
    ) -> Result<Sandbox, StageError> {
        let account = self.account(id);
        // Before the stack is there, so that no function starts with anything else in force or is woken by the change.
        account.put_parameter(LIMIT, &options.limit)?;
        account.put_parameter(MODE, options.mode)?;
        for (parameter, value) in &options.parameters {
            account.put_parameter(parameter, value)?;
        }
        let bus = format!("arn:aws:events:{REGION}:{}:event-bus/sandbox-guardrails", hub.account.id);
        let parameters = [
            ("SandboxAlias", alias.to_owned()),
            ("HubBusArn", bus),
            ("SweepSchedule", options.sweeps.to_owned()),
            ("WorkloadSweepSchedule", options.workload_sweeps.to_owned()),
            ("Vigil", if options.vigil { "on" } else { "off" }.to_owned()),
        ];
        self.deploy("sandbox", options.only, &account, &parameters)?;
        let services = self.world().account(id, REGION);
        Ok(Sandbox {
            account,
            alias: alias.to_owned(),
            athena: services.athena(),
            emr: services.emr(),
            sagemaker: services.sagemaker(),
            glue: services.glue(),
            ssm: services.ssm(),
        })
    }

    fn deploy(
        &self,
        name: &str,
        only: &[&str],
        account: &Account,
        parameters: &[(&str, String)],
    ) -> Result<(), StageError> {
        let template = template::read(name)?;
        let template = if only.is_empty() { template } else { template::only(template, only) };
        let binaries = binaries()?;
        for (_, binary, _) in template::functions(&template) {
            self.upload(&format!("{binary}.zip"), || package(&binaries.join(binary)))?;
        }
        for (_, definition) in template::workflows(&template) {
            let path = template::repository().join("infra").join(definition);
            let missing =
                |error: std::io::Error| StageError::Template { path: path.clone(), message: error.to_string() };
            self.upload(definition, || std::fs::read(&path).map_err(missing))?;
        }
        let template = template::packaged(template, PACKAGES, |binary| format!("{binary}.zip"));
        let architecture = ("Architecture", "x86_64".to_owned());
        let unprotected = ("DeletionProtection", "off".to_owned());
        let parameters = parameters.iter().cloned().chain([architecture, unprotected]);
        let parameters: BTreeMap<_, _> = parameters.map(|(key, value)| (key.to_owned(), value)).collect();
        // CloudFormation takes 51,200 bytes with the request and a million from a bucket:
        // https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
        let key = format!("templates/{name}-{}.json", only.join("-"));
        self.upload(&key, || Ok(template.to_string().into_bytes()))?;
        let url = format!("{}/{PACKAGES}/{key}", self.endpoint());
        account.create_stack("sandbox-guardrails", &url, &parameters)
    }
}

impl Hub {
    /// Every row of the console's table.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn table(&self) -> Result<Vec<Map<String, Value>>, StageError> {
        self.account.items(CONSOLE)
    }

    /// The row of the console's table about a sandbox with this sort key, such as `availability`, once there is one.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn row(&self, sandbox: &Sandbox, sort_key: &str) -> Result<Option<Map<String, Value>>, StageError> {
        let place = format!("{}/{REGION}", sandbox.account.id);
        self.account.item(CONSOLE, &[("pk", &place), ("sk", sort_key)])
    }

    /// The rows of the console's table that concern a sandbox.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn rows(&self, sandbox: &Sandbox) -> Result<Vec<Map<String, Value>>, StageError> {
        let rows = self.table()?;
        let place = format!("{}/{REGION}", sandbox.account.id);
        Ok(rows
            .into_iter()
            .filter(|row| row.values().any(|value| value.as_str().is_some_and(|v| v.contains(&place))))
            .collect())
    }
}

impl Sandbox {
    /// Sends a sample event to a function, such as `sweep` to `emr-watch`, and waits until it is done; a vigil is part
    /// of it.
    ///
    /// # Errors
    /// With what the function reported when it fails.
    pub fn send(&self, function: &str, sample: &str) -> Result<(), StageError> {
        self.invoke(function, &sample_event(function, sample)?)
    }

    /// Sends a sample event to a function as the schedule would, without waiting for what becomes of it.
    ///
    /// # Errors
    /// When the function does not take it.
    pub fn send_unattended(&self, function: &str, sample: &str) -> Result<(), StageError> {
        self.account.invoke_unattended(&format!("sandbox-guardrails-{function}"), &sample_event(function, sample)?)
    }

    /// Sends an event to a function, and waits until it is done.
    ///
    /// # Errors
    /// With what the function reported when it fails.
    pub fn invoke(&self, function: &str, event: &Value) -> Result<(), StageError> {
        self.account.invoke(&format!("sandbox-guardrails-{function}"), event).map(drop)
    }

    /// Lets the watch of Athena sweep once, and waits until it has; a vigil is part of it.
    ///
    /// # Errors
    /// With what the watch reported when it fails.
    pub fn sweep(&self) -> Result<(), StageError> {
        self.watch("sweep")
    }

    /// Sends a sample event to the watch of Athena.
    ///
    /// # Errors
    /// With what the watch reported when it fails.
    pub fn watch(&self, sample: &str) -> Result<(), StageError> {
        self.send("athena-watch", sample)
    }

    /// Sends a sample event to the watch of Athena as the schedule would.
    ///
    /// # Errors
    /// When the function does not take it.
    pub fn watch_unattended(&self, sample: &str) -> Result<(), StageError> {
        self.send_unattended("athena-watch", sample)
    }

    /// Sends an event to the enforce of Athena.
    ///
    /// # Errors
    /// With what the enforce reported when it fails.
    pub fn enforce(&self, event: &Value) -> Result<(), StageError> {
        self.invoke("athena-enforce", event)
    }

    /// Sets a workgroup's limit.
    ///
    /// # Errors
    /// When it is refused.
    pub fn limit(&self, workgroup: &str, limit: &str) -> Result<(), StageError> {
        self.account.put_parameter(&format!("{LIMIT}/{workgroup}"), limit)
    }

    /// Sets a workgroup's mode.
    ///
    /// # Errors
    /// When it is refused.
    pub fn mode(&self, workgroup: &str, mode: &str) -> Result<(), StageError> {
        self.account.put_parameter(&format!("{MODE}/{workgroup}"), mode)
    }

    /// The ledger's entries.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn ledger(&self) -> Result<Vec<Map<String, Value>>, StageError> {
        self.account.items("sandbox-guardrails-ledger")
    }

    /// The outcome of the action on a query in the ledger, once there is one.
    pub fn outcome(&self, query: &str) -> Option<String> {
        self.outcome_of(&format!("athena-query-runtime/{query}/100/stop"))
    }

    /// The outcome of the action with this id in the ledger, once there is one.
    pub fn outcome_of(&self, action: &str) -> Option<String> {
        let entries = self.ledger().ok()?;
        let action = entries.iter().find(|entry| entry.get("id").and_then(Value::as_str) == Some(action))?;
        let detail: Value = serde_json::from_str(action.get("detail")?.as_str()?).ok()?;
        detail["outcome"].as_str().map(str::to_owned)
    }

    /// Waits until the action on a query has this outcome in the ledger.
    ///
    /// # Errors
    /// When it has not in half a minute.
    pub fn await_outcome(&self, query: &str, outcome: &str) -> Result<(), StageError> {
        let what = format!("outcome `{outcome}` of query `{query}`");
        wait_for(&what, Duration::from_secs(30), || self.outcome(query).filter(|seen| seen == outcome)).map(drop)
    }
}

/// A sample event under `events/`.
///
/// # Errors
/// When there is none of that name.
pub fn sample_event(function: &str, name: &str) -> Result<Value, StageError> {
    let path = template::repository().join("events").join(function).join(format!("{name}.json"));
    let fault = |message: String| StageError::Call { what: format!("sample `events/{function}/{name}.json`"), message };
    let text = std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| fault(error.to_string()))
}
