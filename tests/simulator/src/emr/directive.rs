//! How a step added with the AWS CLI says what it wants to be: an argument of its own.
//!
//! `simulate: run 2m, fail, ignore-interrupt, cancel 3s`; every part may be missing, and what is not understood is
//! ignored, as a job ignores arguments it does not know.

use std::time::Duration;

use jiff::SignedDuration;

use super::spec::{StepOutcome, StepSpec};

const MARK: &str = "simulate:";

/// The behaviour a step's arguments ask for.
pub(super) fn read(args: &[String]) -> StepSpec {
    let mut spec = StepSpec::default();
    let directive = args.iter().find_map(|arg| arg.trim().strip_prefix(MARK)).unwrap_or_default();
    for part in directive.split(',') {
        let (word, value) = part.trim().split_once(char::is_whitespace).unwrap_or((part.trim(), ""));
        match (word, duration(value)) {
            ("run", Some(run)) => spec.runs_for = Some(run),
            ("cancel", Some(takes)) => spec.cancel_takes = takes,
            ("fail", _) => spec.outcome = StepOutcome::Fails,
            ("ignore-interrupt", _) => spec.ignores_interrupt = true,
            _ => {}
        }
    }
    spec
}

fn duration(text: &str) -> Option<Duration> {
    text.trim().parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &[&str], expected: StepSpec) {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        assert_eq!(read(&args), expected, "{args:?}");
    }

    #[test]
    fn an_argument_says_how_a_step_behaves() {
        let plain = StepSpec::default;
        check(&["spark-submit", "job.py"], plain());
        check(
            &["spark-submit", "simulate: run 2m , fail,cancel 3s", "simulate: run 9m"],
            StepSpec {
                runs_for: Some(Duration::from_secs(120)),
                outcome: StepOutcome::Fails,
                cancel_takes: Duration::from_secs(3),
                ..plain()
            },
        );
        check(&["simulate: ignore-interrupt, run, walk 3m"], StepSpec { ignores_interrupt: true, ..plain() });
    }
}
