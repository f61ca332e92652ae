//! What can go wrong with a call to AWS, in the few kinds that callers branch on.

use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// The kinds of failed calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallErrorKind {
    /// The thing asked about does not exist (any more).
    Missing,
    /// AWS refused the request as malformed.
    Invalid,
    /// An order was taken, and its effect does not show yet.
    NotVerified,
    /// Still throttled after all retries.
    Throttled,
    /// A timeout, a lost connection or a fault of the service, after all retries.
    Unavailable,
    /// The role lacks a permission: the guardrail cannot see or act.
    Denied,
}

impl CallErrorKind {
    /// The stable name used as Lambda's `errorType`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "Missing",
            Self::Invalid => "Invalid",
            Self::NotVerified => "NotVerified",
            Self::Throttled => "Throttled",
            Self::Unavailable => "Unavailable",
            Self::Denied => "AccessDenied",
        }
    }
}

/// A call that failed for good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{operation}` failed ({}): {message}", kind.as_str())]
pub struct CallError {
    /// The IAM action of the call, such as `athena:ListWorkGroups`.
    pub operation: &'static str,
    /// What kind of failure it was.
    pub kind: CallErrorKind,
    /// What AWS said.
    pub message: String,
}

impl CallError {
    /// Sorts an SDK error into our kinds.
    pub fn of<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let Some(service_error) = error.as_service_error() else {
            let message = std::error::Error::source(error).map_or_else(|| error.to_string(), chain);
            return Self { operation, kind: CallErrorKind::Unavailable, message };
        };
        let code = service_error.code().unwrap_or("unknown");
        let status = error.raw_response().map_or(0, |response| response.status().as_u16());
        let message = format!("{code}: {}", service_error.message().unwrap_or("no message"));
        Self { operation, kind: kind_of(code, status), message }
    }

    /// Whether the service does not know the thing asked about, also where only the sentence says so: SageMaker has one
    /// error for most of what it refuses, `ValidationException`.
    pub fn says_unknown(&self) -> bool {
        let sentence = self.message.to_ascii_lowercase();
        self.kind == CallErrorKind::Missing
            || self.kind == CallErrorKind::Invalid && UNKNOWN.iter().any(|words| sentence.contains(words))
    }
}

/// How SageMaker says that it does not know something.
const UNKNOWN: [&str; 4] = ["not found", "could not find", "does not exist", "recordnotfound"];

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

/// The kind of failure that a code and an HTTP status of AWS mean.
pub(crate) fn kind_of(code: &str, status: u16) -> CallErrorKind {
    let has = |part: &str| code.contains(part);
    let credentials = has("UnrecognizedClient") || has("ExpiredToken") || has("InvalidToken") || has("ClientToken");
    if credentials || has("AccessDenied") || has("Unauthorized") || has("NotAuthorized") {
        CallErrorKind::Denied
    } else if has("Throttl") || has("TooManyRequests") || has("LimitExceeded") || has("ThroughputExceeded") {
        CallErrorKind::Throttled
    } else if has("NotFound") {
        CallErrorKind::Missing
    } else if has("Timeout") {
        // Glue says so of its own delay with the status of a wrong request.
        CallErrorKind::Unavailable
    } else if (400..500).contains(&status) {
        CallErrorKind::Invalid
    } else {
        CallErrorKind::Unavailable
    }
}

/// What went wrong in one run. One bad resource never stops the rest: problems are collected, the rest is done, and the
/// run fails at its end if there were any.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<CallError>);

impl Problems {
    /// Notes a problem.
    pub fn push(&mut self, problem: CallError) {
        self.0.push(problem);
    }

    /// Keeps the value of a call, or notes what went wrong with it.
    pub fn keep<T, E: Into<Self>>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.0.extend(error.into().0)).ok()
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fails with the problems, if there were any.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// The first problem, if there were any.
    pub fn into_first(self) -> Option<CallError> {
        self.0.into_iter().next()
    }

    /// Whether there are problems, all of this kind.
    pub fn all(&self, kind: CallErrorKind) -> bool {
        !self.0.is_empty() && self.0.iter().all(|problem| problem.kind == kind)
    }

    /// Whether a permission is missing among them, which trying again does not change.
    pub fn denied(&self) -> bool {
        self.0.iter().any(|problem| problem.kind == CallErrorKind::Denied)
    }

    /// The stable name of the worst problem, for Lambda's `errorType`.
    pub fn worst(&self) -> &'static str {
        self.0.iter().map(|problem| problem.kind).max().map_or("None", CallErrorKind::as_str)
    }
}

impl From<CallError> for Problems {
    fn from(problem: CallError) -> Self {
        Self(vec![problem])
    }
}

impl From<Vec<CallError>> for Problems {
    fn from(problems: Vec<CallError>) -> Self {
        Self(problems)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems: Vec<_> = self.0.iter().map(CallError::to_string).collect();
        f.write_str(&problems.join("; "))
    }
}

#[cfg(test)]
mod tests;
