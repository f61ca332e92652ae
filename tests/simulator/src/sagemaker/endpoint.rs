//! Inference endpoints.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::listing::{Request, Rules, list};
use super::names::Maker;
use super::workload::{Body, Change, Life, State, Workload};
use super::{SageMaker, Tags, add, invalid, trail_tags};
use crate::clock;
use crate::events::ServiceEvent;
use crate::protocol::AwsError;

const LIST_ENDPOINTS: Rules = Rules { member: "Endpoints", ..Rules::USUAL };

/// An endpoint, possibly created long ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndpointSpec {
    /// Its name. It takes the place of one of the same name.
    pub name: String,
    /// How long ago it was created.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub age: Duration,
    /// How long it is being created before it is in service.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub creating: Duration,
    /// How many instances serve it.
    pub instance_count: u32,
    /// Its tags.
    pub tags: Tags,
    /// A state to show instead of `InService`, known to AWS or not.
    pub raw_state: Option<String>,
    /// The IAM principal that created it, an ARN or the plain name of a user; the account's root when not given.
    pub started_by: Option<String>,
}

impl Default for EndpointSpec {
    /// `endpoint` on one instance, in service from now on.
    fn default() -> EndpointSpec {
        EndpointSpec {
            name: "endpoint".to_owned(),
            age: Duration::ZERO,
            creating: Duration::ZERO,
            instance_count: 1,
            tags: Tags::new(),
            raw_state: None,
            started_by: None,
        }
    }
}

/// What an endpoint has of its own.
#[derive(Debug)]
pub(super) struct Endpoint {
    instance_count: u32,
}

impl Endpoint {
    /// <https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html#eventbridge-endpoint>:
    /// the state in capitals, unlike the API's.
    pub(super) fn event(&self, workload: &Workload, change: &Change, tags: &Value) -> ServiceEvent {
        let detail = json!({
            "EndpointName": *workload.name,
            "EndpointArn": *workload.arn,
            "EndpointConfigName": *workload.name,
            "ProductionVariants": self.variants(),
            "EndpointStatus": screaming(&change.to),
            "CreationTime": workload.created_at.as_millisecond(),
            "LastModifiedTime": change.at.as_millisecond(),
            "Tags": tags,
        });
        ServiceEvent {
            source: "aws.sagemaker",
            detail_type: "SageMaker Endpoint State Change",
            at: change.at,
            resources: vec![workload.arn.to_string()],
            detail,
        }
    }

    fn variants(&self) -> Value {
        json!([{
            "VariantName": "AllTraffic",
            "CurrentWeight": 1.0,
            "DesiredWeight": 1.0,
            "CurrentInstanceCount": self.instance_count,
            "DesiredInstanceCount": self.instance_count,
        }])
    }
}

/// `InService` as the events of endpoints write it: `IN_SERVICE`.
fn screaming(state: &str) -> String {
    let mut text = String::new();
    for letter in state.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_uppercase());
    }
    text
}

impl SageMaker {
    pub(super) fn list_endpoints(&self, request: Request<'_>) -> Result<Value, AwsError> {
        list(&LIST_ENDPOINTS, request, self.under("endpoint/"), |workload| summarise(workload, request.now))
    }

    pub(super) fn describe_endpoint(&self, request: Request<'_>) -> Result<Value, AwsError> {
        let name = request.input.required_text("EndpointName", 0..=63)?;
        let arn = self.names.arn(&format!("endpoint/{name}"));
        let workload =
            self.workloads.get(&arn).ok_or_else(|| invalid(&format!("Could not find endpoint \"{arn}\".")))?;
        let mut output = summarise(workload, request.now);
        add(&mut output, "EndpointConfigName", Some(&*workload.name));
        // An endpoint that is being created shows no variants yet.
        if let Body::Endpoint(endpoint) = &workload.body {
            let variants = (workload.state(request.now) != "Creating").then(|| endpoint.variants());
            add(&mut output, "ProductionVariants", variants);
        }
        Ok(output)
    }

    /// Creates an endpoint as `spec` says.
    pub(super) fn start_endpoint(&mut self, spec: &EndpointSpec, now: Timestamp) -> Arc<str> {
        let arn = self.names.arn(&format!("endpoint/{}", spec.name));
        let created_at = clock::before(now, spec.age);
        let request = json!({
            "endpointName": spec.name,
            "endpointConfigName": spec.name,
            "tags": trail_tags(&spec.tags),
        });
        self.note("CreateEndpoint", created_at, spec.started_by.as_deref(), request, ("EndpointArn", &arn));
        self.tags.insert(Arc::clone(&arn), spec.tags.clone());
        let state = spec.raw_state.clone().map_or(State::Borrowed("InService"), State::Owned);
        let states = vec![(created_at, "Creating".into()), (clock::after(created_at, spec.creating), state)];
        self.begin(Workload {
            arn,
            name: spec.name.as_str().into(),
            created_at,
            maker: Maker { by: spec.started_by.clone(), ..Maker::default() },
            life: Life::new(states, Duration::ZERO, now),
            body: Body::Endpoint(Endpoint { instance_count: spec.instance_count }),
        })
    }
}

fn summarise(workload: &Workload, now: Timestamp) -> Value {
    json!({
        "EndpointName": *workload.name,
        "EndpointArn": *workload.arn,
        "EndpointStatus": workload.state(now),
        "CreationTime": clock::epoch_seconds(workload.created_at),
        "LastModifiedTime": clock::epoch_seconds(workload.life.since(now)),
    })
}
