//! AWS as recorded: real clients, retries, timeouts and parsers over answers that a test lays down beforehand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::{Map, Value, json};

use crate::Aws;

/// What comes back for one attempt of a call.
#[derive(Clone, Debug)]
pub enum Answer {
    /// An HTTP status and a body as AWS sends it.
    Http(u16, String),
    /// The same with headers, for services that say there what others say in the body.
    Headed(u16, Vec<(&'static str, String)>, String),
    /// The connection breaks.
    Lost,
    /// Nothing, ever.
    Silence,
}

impl Answer {
    /// A success with this body.
    pub fn ok(body: &Value) -> Self {
        Self::Http(200, body.to_string())
    }

    /// An error of this type, with what else its body says.
    pub fn error(status: u16, code: &str, rest: &Value) -> Self {
        let mut body = json!({"__type": code, "message": "as recorded"});
        if let (Some(body), Some(rest)) = (body.as_object_mut(), rest.as_object()) {
            body.extend(rest.clone());
        }
        Self::Http(status, body.to_string())
    }
}

/// A request that was made: the operation's name in the service, and the body. For services that take forms, such as
/// IAM, that is the form as one string. What has no operation's name goes by its method and address, such as
/// `HEAD https://bucket.s3.eu-west-1.amazonaws.com/key`; without a body there are its conditions, if it has any.
pub type Request = (String, Value);

/// Answers attempts in turn and keeps what was asked. An attempt past the last answer is refused as invalid.
#[derive(Clone, Debug)]
pub struct Replay(Arc<Mutex<Tape>>);

#[derive(Debug)]
struct Tape {
    answers: VecDeque<Answer>,
    requests: Vec<Request>,
}

impl Replay {
    /// Lays down the answers, and gives what clients are made from to get them.
    pub fn of(answers: impl IntoIterator<Item = Answer>) -> (Self, Aws) {
        let tape = Tape { answers: answers.into_iter().collect(), requests: Vec::new() };
        let replay = Self(Arc::new(Mutex::new(tape)));
        let connector = SharedHttpConnector::new(replay.clone());
        (replay, Aws::through(http_client_fn(move |_, _| connector.clone())))
    }

    /// The requests so far, every attempt of each.
    pub fn requests(&self) -> Vec<Request> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).requests.clone()
    }
}

impl HttpConnector for Replay {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = read(&request);
        let mut tape = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tape.requests.push(request);
        let answer = tape.answers.pop_front();
        match answer.unwrap_or_else(|| Answer::error(400, "NothingRecorded", &Value::Null)) {
            Answer::Http(status, body) => HttpConnectorFuture::ready(response(status, Vec::new(), body)),
            Answer::Headed(status, headers, body) => HttpConnectorFuture::ready(response(status, headers, body)),
            Answer::Lost => HttpConnectorFuture::ready(Err(ConnectorError::io("connection reset by peer".into()))),
            Answer::Silence => HttpConnectorFuture::new(std::future::pending()),
        }
    }
}

fn response(status: u16, headers: Vec<(&'static str, String)>, body: String) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(status).map_err(|error| ConnectorError::user(error.into()))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in headers {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// What a request asks for: in a header and as JSON, as a form, or by its address alone.
fn read(request: &HttpRequest) -> Request {
    let body = request.body().bytes().unwrap_or_default();
    if let Some(form) = std::str::from_utf8(body).ok().filter(|body| body.starts_with("Action=")) {
        let action = form.split(['=', '&']).nth(1).unwrap_or_default();
        return (action.to_owned(), Value::from(form));
    }
    let asked = serde_json::from_slice(body).unwrap_or_default();
    let headers = request.headers();
    match headers.get("x-amz-target").and_then(|target| target.rsplit('.').next()) {
        Some(operation) => (operation.to_owned(), asked),
        None => {
            let conditions = ["range", "if-match"].into_iter().filter_map(|name| Some((name, headers.get(name)?)));
            let conditions: Map<_, _> = conditions.map(|(name, value)| (name.to_owned(), value.into())).collect();
            let asked = if body.is_empty() && !conditions.is_empty() { Value::Object(conditions) } else { asked };
            (format!("{} {}", request.method(), request.uri()), asked)
        }
    }
}
