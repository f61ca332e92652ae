//! The run loop: one invocation after the other, each with the time it began and the time it must end.

use std::fmt;
use std::sync::Arc;

use guardrail::catalogue::CATALOGUE;
use jiff::{SignedDuration, Timestamp};
pub use lambda_runtime::Error;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{Clock, Problems, SystemClock};

/// One invocation, as a handler gets it.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Unique to this run: when Lambda tries an event again, that is another run.
    pub id: String,
    /// The event as it came.
    pub event: Value,
    /// When the invocation began.
    pub now: Timestamp,
    /// When Lambda ends it, less a margin to finish in order.
    pub deadline: Timestamp,
}

/// What is kept back from Lambda's own deadline for the last writes.
const MARGIN: SignedDuration = SignedDuration::from_secs(5);

/// What a function does with an invocation.
pub trait Handler {
    /// What whoever called is answered; a function that only reacts to events answers nothing.
    type Answer: Serialize;

    /// Handles it. A malformed event is a warning in the log and a success, since trying it again cannot help.
    fn handle(&mut self, invocation: Invocation) -> impl Future<Output = Result<Self::Answer, Problems>>;
}

/// A failed invocation, reported to Lambda with a stable type. The runtime logs its debug form, and nobody else logs it.
struct Failed(Problems);

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run failed ({}): {}", self.0.worst(), self.0)
    }
}

impl From<Failed> for Diagnostic {
    fn from(Failed(problems): Failed) -> Self {
        Self { error_type: problems.worst().to_owned(), error_message: problems.to_string() }
    }
}

/// Serves invocations until Lambda ends the process.
///
/// # Errors
/// When the runtime API cannot be reached.
pub async fn run<H: Handler>(handler: H) -> Result<(), Error> {
    tracing::debug!(guardrails = CATALOGUE.len(), "function was started");
    // Lambda sends one invocation at a time, so the lock is never waited for.
    let handler = Arc::new(Mutex::new(handler));
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let handler = Arc::clone(&handler);
        async move {
            let now = SystemClock.now();
            let invocation = Invocation {
                id: format!("{}/{now}", event.context.request_id),
                event: event.payload,
                now,
                deadline: deadline_of(event.context.deadline),
            };
            // Boxed, because the compiler follows unboxed futures through every layer of the SDK at once.
            let mut handler = handler.lock().await;
            Box::pin(handler.handle(invocation)).await.map_err(Failed)
        }
    }))
    .await
}

fn deadline_of(milliseconds: u64) -> Timestamp {
    let deadline = i64::try_from(milliseconds).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    deadline.and_then(|deadline| deadline.checked_sub(MARGIN).ok()).unwrap_or(Timestamp::MAX)
}
