//! Failures of AWS, from the HTTP answer through the SDK and its retries to the kind that callers branch on.

use std::iter::repeat_n;

use serde_json::Value;

use super::*;
use crate::fakes::block_on;
use crate::fakes::replay::{Answer, Replay};
use crate::parameters::{ParameterStore, ParameterStoreClient};

#[test]
fn codes_are_sorted_into_kinds() {
    for (code, status, kind) in [
        ("AccessDeniedException", 400, CallErrorKind::Denied),
        ("UnrecognizedClientException", 403, CallErrorKind::Denied),
        ("ExpiredTokenException", 403, CallErrorKind::Denied),
        ("InvalidClientTokenId", 403, CallErrorKind::Denied),
        ("ThrottlingException", 400, CallErrorKind::Throttled),
        ("TooManyRequestsException", 429, CallErrorKind::Throttled),
        ("RequestLimitExceeded", 503, CallErrorKind::Throttled),
        ("ProvisionedThroughputExceededException", 400, CallErrorKind::Throttled),
        ("ResourceNotFoundException", 400, CallErrorKind::Missing),
        ("ParameterNotFound", 400, CallErrorKind::Missing),
        ("InvalidRequestException", 400, CallErrorKind::Invalid),
        // A token of a page, not of a session.
        ("InvalidNextToken", 400, CallErrorKind::Invalid),
        ("InternalServerException", 500, CallErrorKind::Unavailable),
    ] {
        assert_eq!(kind_of(code, status), kind, "{code}");
    }
}

/// A call that gets this answer to every attempt fails as this kind, after so many attempts, saying this.
fn check(answer: Answer, kind: CallErrorKind, attempts: usize, says: &str) {
    let (replay, aws) = Replay::of(repeat_n(answer.clone(), attempts));
    let error = block_on(ParameterStoreClient::new(&aws).history("limit")).unwrap_err();
    assert_eq!(error.kind, kind, "{answer:?}: {error}");
    assert!(error.message.contains(says), "{answer:?}: {error}");
    assert_eq!(replay.requests().len(), attempts, "{answer:?}");
    assert_eq!(aws.calls().count(), u64::try_from(attempts).unwrap(), "{answer:?}");
}

#[test]
fn a_failed_call_is_retried_if_that_may_help_and_has_a_kind() {
    let error = |status, code| Answer::error(status, code, &Value::Null);
    check(error(400, "AccessDeniedException"), CallErrorKind::Denied, 1, "AccessDeniedException: as recorded");
    check(error(400, "ParameterNotFound"), CallErrorKind::Missing, 1, "ParameterNotFound: as recorded");
    check(error(400, "ValidationException"), CallErrorKind::Invalid, 1, "ValidationException: as recorded");
    check(error(400, "ThrottlingException"), CallErrorKind::Throttled, 6, "ThrottlingException: as recorded");
    check(error(500, "InternalServerError"), CallErrorKind::Unavailable, 6, "InternalServerError: as recorded");
    // A load balancer's page instead of the service's JSON.
    check(Answer::Http(503, "<html/>".to_owned()), CallErrorKind::Unavailable, 6, "");
    check(Answer::Lost, CallErrorKind::Unavailable, 6, "connection reset by peer");
    // Each attempt is given ten seconds, the call forty in all.
    check(Answer::Silence, CallErrorKind::Unavailable, 4, "timeout");
    check(Answer::Http(200, "<html/>".to_owned()), CallErrorKind::Unavailable, 1, "");
}

#[test]
fn a_run_fails_with_its_worst_problem() {
    let error = |kind| CallError { operation: "athena:ListWorkGroups", kind, message: String::new() };
    let mut problems = Problems::default();
    assert_eq!(problems.keep::<_, CallError>(Ok(1)), Some(1));
    assert!(problems.is_empty());
    assert_eq!(problems.keep::<(), _>(Err(error(CallErrorKind::Throttled))), None);
    problems.push(error(CallErrorKind::Denied));
    assert_eq!(problems.worst(), "AccessDenied");
    assert!(problems.into_result().is_err());
}
