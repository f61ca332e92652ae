//! Lambda's Runtime API, as much of it as one function's process needs: it hands out invocations and notes when what
//! happened.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::Fault;
use crate::server::Server;

/// How long a function has for an invocation, as the template gives it.
const TIMEOUT: Duration = Duration::from_secs(180);

/// What a function's process did.
#[derive(Debug)]
pub(crate) enum Happening {
    /// It asked for an invocation.
    Ready,
    /// It answered one, with this.
    Answered(String),
    /// It reported an error, of an invocation or of its start.
    Failed(String),
}

/// A Runtime API for one process.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    server: Server,
    happenings: mpsc::Receiver<(Instant, Happening)>,
    invocations: UnboundedSender<String>,
}

#[derive(Clone)]
struct Shared {
    happened: mpsc::Sender<(Instant, Happening)>,
    invocations: Arc<Mutex<UnboundedReceiver<String>>>,
}

impl RuntimeApi {
    pub(crate) fn start() -> Result<Self, Fault> {
        let (happened, happenings) = mpsc::channel();
        let (invocations, waiting) = unbounded_channel();
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
            .route("/2018-06-01/runtime/init/error", post(failed))
            .with_state(Shared { happened, invocations: Arc::new(Mutex::new(waiting)) });
        Ok(Self { server: Server::start(routes)?, happenings, invocations })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Hands an event to the process, at once or when it asks.
    pub(crate) fn invoke(&self, event: &serde_json::Value) {
        // Nobody takes it any more only when the server has ended, and then nothing happens any more either.
        let _ = self.invocations.send(event.to_string());
    }

    /// What happened next, and when.
    pub(crate) fn next(&self) -> Result<(Instant, Happening), Fault> {
        self.happenings.recv_timeout(TIMEOUT).map_err(|_| Fault::new("a function neither answered nor failed in time"))
    }
}

async fn next(State(shared): State<Shared>) -> Response {
    let _ = shared.happened.send((Instant::now(), Happening::Ready));
    let Some(event) = shared.invocations.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("Content-Type", "application/json".to_owned()),
        ("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned()),
        ("Lambda-Runtime-Deadline-Ms", deadline().to_string()),
        ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:111111111111:function:bench".to_owned()),
        ("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0".to_owned()),
    ];
    (headers, event).into_response()
}

#[expect(clippy::disallowed_methods, reason = "the bench plays Lambda, which tells functions the time")]
fn deadline() -> i64 {
    let deadline = Timestamp::now().checked_add(TIMEOUT).unwrap_or(Timestamp::MAX);
    deadline.as_millisecond()
}

async fn answered(State(shared): State<Shared>, answer: Bytes) -> StatusCode {
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let _ = shared.happened.send((Instant::now(), Happening::Answered(answer)));
    StatusCode::ACCEPTED
}

async fn failed(State(shared): State<Shared>, error: Bytes) -> StatusCode {
    let error = String::from_utf8_lossy(&error).into_owned();
    let _ = shared.happened.send((Instant::now(), Happening::Failed(error)));
    StatusCode::ACCEPTED
}
