//! AWS JSON 1.1: which operation a request names, how an error looks, how an answer is sent.
//!
//! Where AWS's documentation is silent the wording follows answers captured from the live service
//! (<https://github.com/aoyagikouhei/athena-local/tree/main/docs/dev/measurements>): `Message` in modelled errors, an
//! `ErrorCode` beside `AthenaErrorCode`, validation texts that name the member in lower camel case, and bare
//! `UnknownOperationException` and `SerializationException`. One thing is added: the live Athena sends no
//! `x-amzn-ErrorType` header, other services do, and here every error carries it.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The media type of the protocol; the live service does not recognise an operation under any other.
pub(crate) const MEDIA_TYPE: &str = "application/x-amz-json-1.1";

/// A service the simulator speaks for.
///
/// Another service is one more variant here, one module that implements the crate's `Service`, and one field in its
/// `Sandbox`; accounts, faults, rates, the call log and events come with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ServiceName {
    /// Amazon Athena, `X-Amz-Target: AmazonAthena.<Operation>`.
    Athena,
    /// AWS CloudTrail.
    CloudTrail,
    /// Amazon EMR on EC2.
    Emr,
    /// AWS Glue.
    Glue,
    /// Amazon SageMaker AI.
    SageMaker,
    /// AWS Systems Manager: change calendars, and nothing else of it.
    Ssm,
}

impl ServiceName {
    /// The service and operation a request's `X-Amz-Target` names.
    pub(crate) fn of_target(headers: &HeaderMap) -> Result<(ServiceName, String), AwsError> {
        let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
        // CloudTrail's prefix has dots of its own.
        let (prefix, operation) = target.rsplit_once('.').ok_or_else(AwsError::unknown_operation)?;
        let service = match prefix {
            "AmazonAthena" => ServiceName::Athena,
            // Some SDKs send the whole of the model's prefix, others its last part; AWS takes both.
            "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101" | "CloudTrail_20131101" => ServiceName::CloudTrail,
            "ElasticMapReduce" => ServiceName::Emr,
            "AWSGlue" => ServiceName::Glue,
            "SageMaker" => ServiceName::SageMaker,
            "AmazonSSM" => ServiceName::Ssm,
            _ => return Err(AwsError::unknown_operation()),
        };
        Ok((service, operation.to_owned()))
    }
}

/// An error in the words of AWS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} ({status})")]
pub(crate) struct AwsError {
    pub(crate) status: u16,
    pub(crate) code: String,
    members: Map<String, Value>,
}

impl AwsError {
    /// An error of the service's own model; `members` are those of the error's shape.
    pub(crate) fn modelled(status: u16, code: &str, message: &str, members: &[(&str, &str)]) -> AwsError {
        let mut map: Map<String, Value> =
            members.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        map.insert("Message".to_owned(), Value::from(message));
        AwsError { status, code: code.to_owned(), members: map }
    }

    /// An error of what stands before every service (signatures, permissions, rates), whose message is lower case.
    pub(crate) fn front(status: u16, code: &str, message: &str) -> AwsError {
        let members = Map::from_iter([("message".to_owned(), Value::from(message))]);
        AwsError { status, code: code.to_owned(), members }
    }

    /// What AWS answers to an operation it does not know: no message at all.
    pub(crate) fn unknown_operation() -> AwsError {
        AwsError { status: 400, code: "UnknownOperationException".to_owned(), members: Map::new() }
    }

    /// A body that is not what the model says, told in the words of AWS's JSON reader; without words for broken JSON.
    pub(crate) fn serialization(message: Option<&str>) -> AwsError {
        let members = message.map(|message| ("Message".to_owned(), Value::from(message))).into_iter().collect();
        AwsError { status: 400, code: "SerializationException".to_owned(), members }
    }
}

/// The request's input, which is always a JSON object.
pub(crate) fn input_of(body: &[u8]) -> Result<Map<String, Value>, AwsError> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(input)) => Ok(input),
        Ok(Value::Array(_)) => Err(AwsError::serialization(Some("Start of list found where not expected"))),
        Ok(_) | Err(_) => Err(AwsError::serialization(None)),
    }
}

/// Whether the request says that it speaks this protocol.
pub(crate) fn speaks_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes() == MEDIA_TYPE.as_bytes())
}

/// The answer to a call; null is that of an operation without an output, which is an empty body.
pub(crate) fn respond(outcome: &Result<Value, AwsError>) -> Response {
    match outcome {
        Ok(Value::Null) => response(200, MEDIA_TYPE, String::new(), None),
        Ok(output) => response(200, MEDIA_TYPE, output.to_string(), None),
        Err(error) => {
            let mut body = json!({ "__type": error.code });
            if let Value::Object(body) = &mut body {
                body.extend(error.members.clone());
            }
            response(error.status, MEDIA_TYPE, body.to_string(), Some(&error.code))
        }
    }
}

/// The answer to a request that does not speak the protocol, XML as the live service gives it.
pub(crate) fn respond_not_json() -> Response {
    response(404, "application/xml", "<UnknownOperationException/>\n".to_owned(), None)
}

fn response(status: u16, media_type: &'static str, body: String, error: Option<&str>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    if let Some(Ok(code)) = error.map(HeaderValue::from_str) {
        headers.insert("x-amzn-errortype", code);
    }
    response
}
