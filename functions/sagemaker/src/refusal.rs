//! What SageMaker means when it refuses a call.
//!
//! It has one error for most of it, `ValidationException`; only the sentence tells a job that is unknown from one that
//! has ended.

use lambda::{CallError, CallErrorKind};

/// The states of what needs no stopping any more, as they stand beside the word `status` or `state`.
const OVER: [&str; 8] =
    ["completed", "completedwithfailures", "deleted", "deleting", "failed", "stopped", "stopping", "succeeded"];

/// Whether the thing to be stopped has ended, or is ending: `the training job is in status Stopped.`, or
/// `Status (Stopping) not in ([InService]).`
pub(crate) fn is_over(problem: &CallError) -> bool {
    let sentence = problem.message.to_ascii_lowercase();
    let words: Vec<&str> = sentence.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).collect();
    let is_state = |word: &&str| matches!(*word, "status" | "state");
    let names_over = words.windows(2).any(|pair| match pair {
        [first, second] => is_state(first) && OVER.contains(second) || is_state(second) && OVER.contains(first),
        _ => false,
    });
    problem.kind == CallErrorKind::Invalid && (names_over || words.contains(&"already"))
}

/// Whether a later order may be taken: the thing is still starting, or somebody else is changing it.
pub(crate) fn is_passing(problem: &CallError) -> bool {
    let passing = ["ConflictException", "ResourceInUse", "(Pending)", "Pending state", "status Pending"];
    problem.kind == CallErrorKind::Invalid && passing.iter().any(|words| problem.message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: &str) -> CallError {
        let kind = CallErrorKind::Invalid;
        CallError { operation: "sagemaker:StopTrainingJob", kind, message: format!("ValidationException: {message}") }
    }

    #[test]
    fn the_sentence_tells_what_is_over_from_what_is_unknown_and_what_is_refused() {
        // (the sentence, missing, over, passing)
        for (sentence, missing, over, passing) in [
            ("Requested resource not found.", true, false, false),
            ("Could not find processing job 'arn:aws:sagemaker:…'.", true, false, false),
            ("The request was rejected because the training job is in status Stopped.", false, true, false),
            ("The request was rejected because the processing job is in status Stopping.", false, true, false),
            ("Pipeline execution is in Succeeded state and cannot be stopped", false, true, false),
            ("The pipeline execution has already been stopped.", false, true, false),
            ("Status (Stopped) not in ([InService]). Unable to transition to (Stopping) for …", false, true, false),
            ("Status (Pending) not in ([InService]). Unable to transition to (Stopping) for …", false, false, true),
            (
                "1 validation error detected: Value at 'trainingJobName' failed to satisfy constraint",
                false,
                false,
                false,
            ),
        ] {
            let problem = refused(sentence);
            assert_eq!(
                (problem.says_unknown(), is_over(&problem), is_passing(&problem)),
                (missing, over, passing),
                "{sentence}"
            );
        }
        let mut denied = refused("the job is in status Stopped");
        denied.kind = CallErrorKind::Denied;
        assert!(!is_over(&denied) && !denied.says_unknown() && !is_passing(&denied));
    }
}
