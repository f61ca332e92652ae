//! Notebook instances: in service until somebody stops them.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::listing::{BY_NAME, Request, Rules, list};
use super::names::{Maker, Names};
use super::workload::{Body, Change, Life, State, Workload};
use super::{NOTHING, SageMaker, Tags, add, invalid, trail_tags};
use crate::clock;
use crate::events::ServiceEvent;
use crate::input::Input;
use crate::protocol::AwsError;

const LIST_NOTEBOOKS: Rules = Rules { member: "NotebookInstances", sorts: BY_NAME, ..Rules::USUAL };
/// Where all notebooks are attached, whether or not they have a way of their own to the Internet.
const SUBNET: &str = "subnet-0123456789abcdef0";
/// Gigabytes of storage.
const VOLUME: u32 = 5;

/// A notebook instance, possibly in service since long ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotebookSpec {
    /// Its name. It takes the place of one of the same name.
    pub name: String,
    /// How long ago it was last started, or stopped when it is `stopped`.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub age: Duration,
    /// How long ago it was created; as long ago as it was last started when not given.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub created: Option<Duration>,
    /// Whether it stands still.
    pub stopped: bool,
    /// The type of its instance.
    pub instance_type: String,
    /// Whether it reaches the Internet directly.
    pub internet: bool,
    /// Whether its users are root on it.
    pub root: bool,
    /// Its tags.
    pub tags: Tags,
    /// How long it goes on after it was told to stop.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub stopping_takes: Duration,
    /// How long it is pending after it was told to start.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub starting_takes: Duration,
    /// A state to show instead, known to AWS or not.
    pub raw_state: Option<String>,
    /// The IAM principal that created it, an ARN or the plain name of a user; the account's root when not given.
    pub started_by: Option<String>,
}

impl Default for NotebookSpec {
    /// `notebook`, in service from now on, with what AWS gives when nobody says: the Internet and root.
    fn default() -> NotebookSpec {
        NotebookSpec {
            name: "notebook".to_owned(),
            age: Duration::ZERO,
            created: None,
            stopped: false,
            instance_type: "ml.t3.medium".to_owned(),
            internet: true,
            root: true,
            tags: Tags::new(),
            stopping_takes: Duration::ZERO,
            starting_takes: Duration::ZERO,
            raw_state: None,
            started_by: None,
        }
    }
}

/// What a notebook has of its own.
#[derive(Debug)]
pub(super) struct Notebook {
    instance_type: String,
    internet: bool,
    root: bool,
    starting_takes: Duration,
}

impl Notebook {
    fn internet(&self) -> &'static str {
        enabled(self.internet)
    }

    /// The event is in no documentation; so it arrives, its times epoch milliseconds.
    pub(super) fn event(&self, workload: &Workload, change: &Change, names: &Names, tags: &Value) -> ServiceEvent {
        let detail = json!({
            "NotebookInstanceArn": *workload.arn,
            "NotebookInstanceName": *workload.name,
            "NotebookInstanceStatus": change.to,
            "InstanceType": self.instance_type,
            "SubnetId": SUBNET,
            "RoleArn": names.role(),
            "LastModifiedTime": change.at.as_millisecond(),
            "CreationTime": workload.created_at.as_millisecond(),
            "DirectInternetAccess": self.internet(),
            "Tags": tags,
        });
        ServiceEvent {
            source: "aws.sagemaker",
            detail_type: "SageMaker Notebook Instance State Change",
            at: change.at,
            resources: vec![workload.arn.to_string()],
            detail,
        }
    }
}

fn enabled(yes: bool) -> &'static str {
    if yes { "Enabled" } else { "Disabled" }
}

impl SageMaker {
    pub(super) fn list_notebook_instances(&self, request: Request<'_>) -> Result<Value, AwsError> {
        list(&LIST_NOTEBOOKS, request, self.under("notebook-instance/"), |workload| {
            self.summarise_notebook(workload, request)
        })
    }

    /// The members a list and a description have in common.
    fn summarise_notebook(&self, workload: &Workload, request: Request<'_>) -> Value {
        let mut summary = json!({
            "NotebookInstanceName": *workload.name,
            "NotebookInstanceArn": *workload.arn,
            "NotebookInstanceStatus": workload.state(request.now),
            "Url": self.names.host(&workload.name, "notebook"),
            "CreationTime": clock::epoch_seconds(workload.created_at),
            "LastModifiedTime": clock::epoch_seconds(workload.life.since(request.now)),
        });
        if let Body::Notebook(notebook) = &workload.body {
            add(&mut summary, "InstanceType", Some(notebook.instance_type.as_str()));
        }
        summary
    }

    pub(super) fn describe_notebook_instance(&self, request: Request<'_>) -> Result<Value, AwsError> {
        let workload = self.notebook(request.input)?;
        let mut output = self.summarise_notebook(workload, request);
        if let Body::Notebook(notebook) = &workload.body {
            add(&mut output, "DirectInternetAccess", Some(notebook.internet()));
            add(&mut output, "RootAccess", Some(enabled(notebook.root)));
        }
        add(&mut output, "SubnetId", Some(SUBNET));
        add(&mut output, "RoleArn", Some(self.names.role()));
        add(&mut output, "VolumeSizeInGB", Some(VOLUME));
        add(&mut output, "PlatformIdentifier", Some("notebook-al2023-v1"));
        Ok(output)
    }

    pub(super) fn stop_notebook_instance(&mut self, request: Request<'_>) -> Result<Value, AwsError> {
        let (arn, state) = self.notebook_state(request)?;
        let obeys = state == "InService";
        self.interfere(&arn, |notebook| {
            if obeys {
                notebook.life.stop(request.now, "Stopping", "Stopped");
            } else {
                notebook.life.stop_in_vain();
            }
        });
        if obeys { Ok(NOTHING) } else { Err(no_way(&arn, &state, "InService", "Stopping")) }
    }

    pub(super) fn start_notebook_instance(&mut self, request: Request<'_>) -> Result<Value, AwsError> {
        let (arn, state) = self.notebook_state(request)?;
        if !matches!(state.as_str(), "Stopped" | "Failed") {
            return Err(no_way(&arn, &state, "Stopped, Failed", "Pending"));
        }
        self.interfere(&arn, |workload| {
            let Body::Notebook(notebook) = &workload.body else { return };
            let ready_at = clock::after(request.now, notebook.starting_takes);
            workload.life.turn(request.now, [(request.now, "Pending".into()), (ready_at, "InService".into())]);
        });
        Ok(NOTHING)
    }

    fn notebook_state(&self, request: Request<'_>) -> Result<(Arc<str>, String), AwsError> {
        let notebook = self.notebook(request.input)?;
        Ok((Arc::clone(&notebook.arn), notebook.state(request.now).to_owned()))
    }

    fn notebook(&self, input: Input<'_>) -> Result<&Workload, AwsError> {
        let name = input.required_text("NotebookInstanceName", 0..=63)?;
        let arn = self.names.arn(&format!("notebook-instance/{name}"));
        self.workloads.get(&arn).ok_or_else(|| invalid("RecordNotFound"))
    }

    /// Puts a notebook in service, or where else `spec` says.
    pub(super) fn start_notebook(&mut self, spec: &NotebookSpec, now: jiff::Timestamp) -> Arc<str> {
        let arn = self.names.arn(&format!("notebook-instance/{}", spec.name));
        let since = clock::before(now, spec.age);
        let created_at = clock::before(now, spec.created.unwrap_or(spec.age).max(spec.age));
        let request = json!({
            "notebookInstanceName": spec.name,
            "instanceType": spec.instance_type,
            "directInternetAccess": enabled(spec.internet),
            "rootAccess": enabled(spec.root),
            "roleArn": self.names.role(),
            "tags": trail_tags(&spec.tags),
        });
        let by = spec.started_by.as_deref();
        self.note("CreateNotebookInstance", created_at, by, request, ("NotebookInstanceArn", &arn));
        self.tags.insert(Arc::clone(&arn), spec.tags.clone());
        let state = if spec.stopped { "Stopped" } else { "InService" };
        let state = spec.raw_state.clone().map_or(State::Borrowed(state), State::Owned);
        self.begin(Workload {
            arn,
            name: spec.name.as_str().into(),
            created_at,
            maker: Maker { by: spec.started_by.clone(), ..Maker::default() },
            life: Life::new(vec![(since, state)], spec.stopping_takes, now),
            body: Body::Notebook(Notebook {
                instance_type: spec.instance_type.clone(),
                internet: spec.internet,
                root: spec.root,
                starting_takes: spec.starting_takes,
            }),
        })
    }
}

fn no_way(arn: &str, from: &str, wanted: &str, to: &str) -> AwsError {
    invalid(&format!(
        "Status ({from}) not in ([{wanted}]). Unable to transition to ({to}) for Notebook Instance ({arn})."
    ))
}
