//! AWS CloudTrail: who created what, as `LookupEvents` tells it.

mod handle;
mod identity;
mod routes;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use handle::CloudTrailHandle;
pub(crate) use routes::routes;

use crate::accounts::Place;
use crate::clock;
use crate::input::{self, Input};
use crate::protocol::AwsError;
use crate::quotas::Quota;

/// How long `LookupEvents` looks back.
const HISTORY: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// The most events of one page.
const PAGE: i64 = 50;
/// The attributes by which events may be looked up.
const ATTRIBUTES: [&str; 8] =
    ["EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName", "EventSource", "AccessKeyId"];
/// The resource a call creates: the call, the resource's type, and where its name is in the request or the answer.
const RESOURCES: [(&str, &str, &str); 8] = [
    ("RunJobFlow", "AWS::EMR::Cluster", "/jobFlowId"),
    ("AddJobFlowSteps", "AWS::EMR::Cluster", "/jobFlowId"),
    ("CreateNotebookInstance", "AWS::SageMaker::NotebookInstance", "/notebookInstanceName"),
    ("CreateTrainingJob", "AWS::SageMaker::TrainingJob", "/trainingJobName"),
    ("CreateEndpoint", "AWS::SageMaker::Endpoint", "/endpointName"),
    ("CreateApp", "AWS::SageMaker::App", "/appName"),
    ("StartJobRun", "AWS::Glue::Job", "/jobName"),
    ("CreateSession", "AWS::Glue::Session", "/id"),
];

/// A call that created something, as CloudTrail is told of it by the service that was called.
#[derive(Debug, Clone)]
pub(crate) struct Creation {
    /// Such as `athena.amazonaws.com`.
    pub(crate) event_source: &'static str,
    /// Such as `StartQueryExecution`.
    pub(crate) event_name: &'static str,
    /// When the call was made.
    pub(crate) at: Timestamp,
    /// Who made it: `None` is the account's root, an ARN is taken as it is, `studio:<profile>` is a SageMaker Studio
    /// user, any other name is a session of the role in which people work.
    pub(crate) by: Option<String>,
    /// The event's `requestParameters`.
    pub(crate) request: Value,
    /// The event's `responseElements`.
    pub(crate) response: Value,
}

/// The value with every key as CloudTrail writes it: `JobFlowId` is `jobFlowId`.
pub(crate) fn lower_camel_keys(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (input::lower_camel(name), lower_camel_keys(value))).collect()
        }
        Value::Array(items) => items.iter().map(lower_camel_keys).collect(),
        other => other.clone(),
    }
}

/// The CloudTrail of one account in one Region.
#[derive(Debug)]
pub(crate) struct CloudTrail {
    place: Place,
    /// The events by their time; the second part of the key keeps those of one millisecond in order.
    events: BTreeMap<(Timestamp, u64), Event>,
    recorded: u64,
    delivery_delay: Duration,
}

/// An event with what it is looked up by.
#[derive(Debug)]
struct Event {
    id: String,
    creation: Creation,
    username: String,
    resources: Vec<(&'static str, String)>,
}

impl CloudTrail {
    /// Two lookups a second, as AWS documents it.
    pub(crate) const QUOTAS: &'static [Quota] = &[Quota { operation: "LookupEvents", per_second: 2, burst: 2 }];

    pub(crate) fn new(place: &Place) -> CloudTrail {
        CloudTrail { place: place.clone(), events: BTreeMap::new(), recorded: 0, delivery_delay: Duration::ZERO }
    }

    pub(crate) fn record(&mut self, creation: Creation) {
        self.recorded += 1;
        let resources = RESOURCES
            .iter()
            .filter(|(call, _, _)| *call == creation.event_name)
            .filter_map(|(_, kind, pointer)| {
                let name = creation.request.pointer(pointer).or_else(|| creation.response.pointer(pointer))?;
                Some((*kind, name.as_str()?.to_owned()))
            })
            .collect();
        let event = Event {
            id: Uuid::new_v4().to_string(),
            username: identity::of(creation.by.as_deref(), &self.place).username,
            resources,
            creation,
        };
        self.events.insert((event.creation.at, self.recorded), event);
    }

    pub(crate) fn call(
        &mut self,
        operation: &str,
        input: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Value, AwsError> {
        match operation {
            "LookupEvents" => self.lookup_events(Input::new(input, invalid), now),
            _ => Err(AwsError::unknown_operation()),
        }
    }

    fn count(&self) -> usize {
        self.events.len()
    }

    fn lookup_events(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let page = input.integer("MaxResults", i64::MIN..=i64::MAX)?.unwrap_or(PAGE);
        if !(1..=PAGE).contains(&page) {
            let message =
                format!("A maximum results value of {page} is invalid. Specify a value between 1 and {PAGE}.");
            return Err(refused("InvalidMaxResultsException", &message));
        }
        let page = usize::try_from(page).unwrap_or_default();
        let (start, end) = (input.instant("StartTime")?, input.instant("EndTime")?);
        if let (Some(start), Some(end)) = (start, end)
            && start > end
        {
            let message = "The start time must be before the end time.";
            return Err(refused("InvalidTimeRangeException", message));
        }
        let attribute = attribute(input)?;
        let token = input.text("NextToken", 0..=usize::MAX)?;
        let before = token.map(position).transpose()?.unwrap_or((Timestamp::MAX, u64::MAX));

        let oldest = start.unwrap_or(Timestamp::MIN).max(clock::before(now, HISTORY));
        let newest = end.unwrap_or(Timestamp::MAX).min(clock::before(now, self.delivery_delay));
        let matches = |key: &(Timestamp, u64), event: &Event| {
            let wanted = attribute.is_none_or(|(name, value)| event.matches(name, value));
            wanted && key.0 >= oldest && key.0 <= newest
        };
        let mut rest = self.events.range(..before).rev().filter(|(key, event)| matches(key, event));
        let shown: Vec<_> = rest.by_ref().take(page).collect();
        let events: Vec<Value> = shown.iter().map(|(_, event)| event.describe(&self.place)).collect();
        let mut output = json!({ "Events": events });
        if let (Some((last, _)), Some(_), Value::Object(output)) = (shown.last(), rest.next(), &mut output) {
            output.insert("NextToken".to_owned(), token_for(**last).into());
        }
        Ok(output)
    }
}

impl Event {
    fn matches(&self, attribute: &str, value: &str) -> bool {
        match attribute {
            "EventId" => self.id == value,
            "EventName" => self.creation.event_name == value,
            "EventSource" => self.creation.event_source == value,
            "Username" => self.username == value,
            "ReadOnly" => value == "false",
            "ResourceType" => self.resources.iter().any(|(kind, _)| *kind == value),
            "ResourceName" => self.resources.iter().any(|(_, name)| name == value),
            // Nobody here signs with a key.
            _ => false,
        }
    }

    /// The shape `Event`.
    fn describe(&self, place: &Place) -> Value {
        let creation = &self.creation;
        let resources: Vec<Value> =
            self.resources.iter().map(|(kind, name)| json!({ "ResourceType": kind, "ResourceName": name })).collect();
        // Only here, because it is the larger part of an event and most events are never looked up.
        let record = json!({
            "eventVersion": "1.11",
            "userIdentity": identity::of(creation.by.as_deref(), place).user_identity,
            "eventTime": creation.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "eventSource": creation.event_source,
            "eventName": creation.event_name,
            "awsRegion": place.region,
            "sourceIPAddress": "198.51.100.7",
            "userAgent": "workload-simulator",
            "requestParameters": creation.request,
            "responseElements": creation.response,
            "requestID": self.id,
            "eventID": self.id,
            "readOnly": false,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": place.account,
            "eventCategory": "Management",
        });
        json!({
            "EventId": self.id,
            "EventName": creation.event_name,
            "ReadOnly": "false",
            // The event's time has no fraction, in the list as in the record.
            "EventTime": creation.at.as_second(),
            "EventSource": creation.event_source,
            "Username": self.username,
            "Resources": resources,
            "CloudTrailEvent": record.to_string(),
        })
    }
}

fn attribute<'a>(input: Input<'a>) -> Result<Option<(&'static str, &'a str)>, AwsError> {
    let attributes = input.objects("LookupAttributes", 0..=usize::MAX)?.unwrap_or_default();
    match attributes.as_slice() {
        [] => Ok(None),
        [attribute] => {
            let name = "AttributeKey";
            let key = attribute.choice(name, &ATTRIBUTES)?.ok_or_else(|| attribute.missing(name))?;
            Ok(Some((key, attribute.required_text("AttributeValue", 1..=2_000)?)))
        }
        _ => Err(refused("InvalidLookupAttributesException", "You can only specify one lookup attribute.")),
    }
}

fn invalid(message: &str) -> AwsError {
    AwsError::front(400, "ValidationException", message)
}

fn refused(code: &str, message: &str) -> AwsError {
    AwsError::modelled(400, code, message, &[])
}

/// A page token names the last event shown.
fn token_for((at, number): (Timestamp, u64)) -> String {
    format!("{:016x}{number:016x}", at.as_millisecond())
}

fn position(token: &str) -> Result<(Timestamp, u64), AwsError> {
    let part = |index: usize| token.get(index * 16..(index + 1) * 16).and_then(|hex| u64::from_str_radix(hex, 16).ok());
    let at = part(0).and_then(|millis| i64::try_from(millis).ok()).and_then(|at| Timestamp::from_millisecond(at).ok());
    match (at, part(1)) {
        (Some(at), Some(number)) if token.len() == 32 => Ok((at, number)),
        _ => Err(refused("InvalidNextTokenException", "Invalid NextToken.")),
    }
}
