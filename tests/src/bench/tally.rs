//! A proxy in front of the stage that counts a process's calls by operation, can make each take longer, and knows how
//! long the process waited for the stage.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::Fault;
use crate::server::Server;

/// Calls by operation, as IAM names them without the service.
pub(crate) type Counts = BTreeMap<String, u64>;

/// What a process asked of the stage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) calls: Counts,
    /// The time in which at least one call was under way.
    pub(crate) waited: Duration,
    under_way: u32,
    since: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Tally {
    server: Server,
    asked: Arc<Mutex<Asked>>,
}

#[derive(Clone)]
struct Shared {
    endpoint: String,
    latency: Duration,
    http: reqwest::Client,
    asked: Arc<Mutex<Asked>>,
}

impl Tally {
    /// Forwards to `endpoint`, each call `latency` later.
    pub(crate) fn start(endpoint: &str, latency: Duration) -> Result<Self, Fault> {
        let asked = Arc::<Mutex<Asked>>::default();
        let (endpoint, http) = (endpoint.to_owned(), reqwest::Client::new());
        let shared = Shared { endpoint, latency, http, asked: Arc::clone(&asked) };
        Ok(Self { server: Server::start(Router::new().fallback(forward).with_state(shared))?, asked })
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// What was asked since this was last taken.
    pub(crate) fn take(&self) -> Asked {
        std::mem::take(&mut *locked(&self.asked))
    }
}

fn locked(asked: &Mutex<Asked>) -> MutexGuard<'_, Asked> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Asked {
    fn begin(&mut self, operation: &str) {
        *self.calls.entry(operation.to_owned()).or_default() += 1;
        self.under_way += 1;
        self.since.get_or_insert_with(Instant::now);
    }

    fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
        if self.under_way == 0
            && let Some(since) = self.since.take()
        {
            self.waited += since.elapsed();
        }
    }
}

/// The operation of a call in any of AWS's protocols: JSON names it in a header, Query in the form; for REST the method
/// and the first part of the path stand for it.
fn operation(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> String {
    if let Some(target) = headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        return target.rsplit('.').next().unwrap_or(target).to_owned();
    }
    let form = std::str::from_utf8(body).unwrap_or_default();
    match form.split('&').find_map(|field| field.strip_prefix("Action=")) {
        Some(action) => action.to_owned(),
        None => format!("{method} {}", uri.path().split('/').nth(1).unwrap_or_default()),
    }
}

async fn forward(State(shared): State<Shared>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    locked(&shared.asked).begin(&operation(&method, &uri, &headers, &body));
    tokio::time::sleep(shared.latency).await;
    let place = uri.path_and_query().map_or("/", |place| place.as_str());
    let mut request = shared.http.request(method, format!("{}{place}", shared.endpoint)).body(body);
    for name in ["authorization", "content-type", "x-amz-date", "x-amz-security-token", "x-amz-target"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let answer = async {
        let answer = request.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        // The last names the error where the body does not.
        let told = ["content-type", "x-amzn-errortype"].map(|name| Some((name, headers.get(name)?.clone())));
        Ok::<_, reqwest::Error>((status, told, answer.bytes().await?))
    };
    let answer = answer.await;
    locked(&shared.asked).end();
    match answer {
        Ok((status, told, body)) => {
            let mut response = (status, body).into_response();
            response
                .headers_mut()
                .extend(told.into_iter().flatten().map(|(name, value)| (HeaderName::from_static(name), value)));
            response
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn operations_are_named_in_every_protocol() {
        let check = |uri: &str, target: Option<&'static str>, body: &str, expected: &str| {
            let headers =
                target.map(|target| (HeaderName::from_static("x-amz-target"), HeaderValue::from_static(target)));
            let uri = uri.parse().unwrap();
            let found = operation(&Method::GET, &uri, &headers.into_iter().collect(), body.as_bytes());
            assert_eq!(found, expected);
        };
        check("/", Some("DynamoDB_20120810.GetItem"), "{}", "GetItem");
        check("/", None, "Action=ListRoles&Version=2010-05-08", "ListRoles");
        check("/schedules/availability-opens?groupName=g", None, "", "GET schedules");
    }
}
