//! A plain client: signs as an account, speaks JSON 1.1 with any service (Athena unless told otherwise), answers status
//! and body.

use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use workload_simulator::{AthenaHandle, Settings, Simulator};

pub(crate) const ACCOUNT: &str = "111111111111";
pub(crate) const OTHER: &str = "222222222222";
pub(crate) const REGION: &str = "eu-west-1";

pub(crate) fn start() -> Simulator {
    Simulator::start(Settings::default()).unwrap()
}

pub(crate) fn athena_of(simulator: &Simulator) -> AthenaHandle {
    simulator.world().account(ACCOUNT, REGION).athena()
}

#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    account: String,
    service: &'static str,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn new(simulator: &Simulator) -> Client {
        Client::of(simulator, ACCOUNT)
    }

    pub(crate) fn of(simulator: &Simulator, account: &str) -> Client {
        let (url, account) = (simulator.url(), account.to_owned());
        Client { http: reqwest::Client::new(), url, account, service: "AmazonAthena" }
    }

    /// The same client, calling another service: what stands before the operation in `X-Amz-Target`.
    pub(crate) fn service(self, prefix: &'static str) -> Client {
        Client { service: prefix, ..self }
    }

    pub(crate) async fn call(&self, operation: &str, input: Value) -> Answer {
        self.send(&format!("{}.{operation}", self.service), input.to_string()).await
    }

    pub(crate) async fn send(&self, target: &str, body: String) -> Answer {
        let scope = format!("{}/20261101/{REGION}/service/aws4_request", self.account);
        let response = self
            .http
            .post(&self.url)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", target)
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
            .body(body)
            .send()
            .await
            .unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // An operation without an output answers with an empty body.
        let body = response.bytes().await.unwrap();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        Answer { status, headers, body }
    }

    /// The output of a call that has to succeed.
    pub(crate) async fn ok(&self, operation: &str, input: Value) -> Value {
        let answer = self.call(operation, input).await;
        assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
        answer.body
    }

    /// Code and message of a call that has to be refused.
    pub(crate) async fn refused(&self, operation: &str, input: Value) -> (String, String) {
        let answer = self.call(operation, input).await;
        assert_ne!(answer.status, 200, "{operation}: {}", answer.body);
        let text = |key: &str| answer.body[key].as_str().map(str::to_owned);
        (text("__type").unwrap(), text("Message").or_else(|| text("message")).unwrap_or_default())
    }

    /// Starts a query and answers its id.
    pub(crate) async fn start(&self, sql: &str) -> String {
        let input = json!({ "QueryString": sql, "ClientRequestToken": token() });
        self.ok("StartQueryExecution", input).await["QueryExecutionId"].as_str().unwrap().to_owned()
    }

    /// The state of a query as the API tells it.
    pub(crate) async fn state(&self, id: &str) -> String {
        let output = self.ok("GetQueryExecution", json!({ "QueryExecutionId": id })).await;
        output["QueryExecution"]["Status"]["State"].as_str().unwrap().to_owned()
    }

    /// A request to a route under `/_simulator/`.
    pub(crate) async fn control(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let method = method.parse().unwrap();
        let mut request = self.http.request(method, format!("{}/_simulator/{path}", self.url));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }
}

/// A token no other call uses.
pub(crate) fn token() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Waits until `look` finds what it looks for, for ten seconds at most.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "gave up waiting: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
