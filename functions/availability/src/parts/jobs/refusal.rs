//! What SageMaker means when it refuses an order, for all parts that are SageMaker's.
//!
//! It has one error for most of it, `ValidationException`. The sentence tells what is unknown; where the thing stands
//! now, looked at again, tells whether the order is needed at all.

use lambda::{CallError, CallErrorKind};

use crate::part::{Phase, Turned};

/// The words of a refusal that is about the state something is in, and passes with it.
const PASSING: [&str; 4] = ["status", "state", "conflictexception", "resourceinuse"];

/// What was ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::parts) enum Order {
    /// To turn something off.
    Off,
    /// To turn something on.
    On,
}

/// What an order that was refused comes to, where the thing `stands` so now; `None` where it does not exist.
///
/// # Errors
/// With the refusal, where the order may be taken later.
pub(in crate::parts) fn settle(order: Order, refused: CallError, stands: Option<Phase>) -> Result<Turned, CallError> {
    let Some(stands) = stands else { return Ok(Turned::Gone) };
    match (order, stands) {
        (Order::Off, Phase::Off | Phase::TurningOff) | (Order::On, Phase::On | Phase::TurningOn) => Ok(Turned::Told),
        (Order::Off, Phase::TurningOn) | (Order::On, Phase::TurningOff) => Err(refused),
        // It stands as if it could be ordered, so it has come to stand so since, or something beside it is in the way.
        (Order::Off, Phase::On) | (Order::On, Phase::Off) if is_passing(&refused) => Err(refused),
        (Order::Off, Phase::On) | (Order::On, Phase::Off) => Ok(no(&refused)),
    }
}

/// A refusal that trying again does not change.
pub(in crate::parts) fn no(refused: &CallError) -> Turned {
    Turned::Refused(format!("SageMaker refuses it: {}", refused.message))
}

/// Nothing where the thing asked about is not known, else the problem.
pub(in crate::parts) fn missing_or(problem: CallError) -> Result<(), CallError> {
    if problem.says_unknown() { Ok(()) } else { Err(problem) }
}

/// The answer of a call that leaves out what nothing can be told without. To pass over it would let something that runs
/// pass for off.
pub(in crate::parts) fn incomplete(operation: &'static str, what: &str) -> CallError {
    CallError { operation, kind: CallErrorKind::Unavailable, message: format!("the answer leaves out {what}") }
}

fn is_passing(refused: &CallError) -> bool {
    let sentence = refused.message.to_ascii_lowercase();
    let mut words = sentence.split(|c: char| !c.is_ascii_alphabetic());
    words.any(|word| PASSING.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: &str) -> CallError {
        let message = format!("ValidationException: {message}");
        CallError { operation: "sagemaker:StopNotebookInstance", kind: CallErrorKind::Invalid, message }
    }

    #[test]
    fn the_sentence_tells_what_is_unknown_and_what_passes() {
        for (sentence, missing, passing) in [
            ("RecordNotFound", true, false),
            ("Requested resource not found.", true, false),
            ("Could not find job to update with name: fit", true, false),
            ("Space arn:aws:sagemaker:…:space/d-1/lab does not exist.", true, false),
            ("Status (Pending) not in ([InService]). Unable to transition to (Stopping) for …", false, true),
            ("Only pipelines with 'Executing' status can be stopped", false, true),
            ("The space is not in the InService state", false, true),
            ("1 validation error detected: the statement failed to satisfy constraint", false, false),
        ] {
            let problem = refused(sentence);
            assert_eq!((problem.says_unknown(), is_passing(&problem)), (missing, passing), "{sentence}");
        }
        let mut denied = refused("RecordNotFound");
        denied.kind = CallErrorKind::Denied;
        assert!(!denied.says_unknown(), "what may not be seen is not missing");
    }

    #[test]
    fn where_it_stands_tells_whether_a_refused_order_was_needed() {
        let (again, never) = (refused("Status (Pending) not in ([InService])"), refused("no such thing"));
        let said = Ok(Turned::Refused("SageMaker refuses it: ValidationException: no such thing".to_owned()));
        let told = || Ok(Turned::Told);
        // (where it stands, told off and passing, told off and not passing, told on and passing, told on and not passing)
        for (stands, expected) in [
            (None, [Ok(Turned::Gone), Ok(Turned::Gone), Ok(Turned::Gone), Ok(Turned::Gone)]),
            (Some(Phase::On), [Err(again.clone()), said.clone(), told(), told()]),
            (Some(Phase::TurningOn), [Err(again.clone()), Err(never.clone()), told(), told()]),
            (Some(Phase::TurningOff), [told(), told(), Err(again.clone()), Err(never.clone())]),
            (Some(Phase::Off), [told(), told(), Err(again.clone()), said]),
        ] {
            let orders = [(Order::Off, &again), (Order::Off, &never), (Order::On, &again), (Order::On, &never)];
            let settled = orders.map(|(order, refused)| settle(order, refused.clone(), stands));
            assert_eq!(settled, expected, "{stands:?}");
        }
    }
}
