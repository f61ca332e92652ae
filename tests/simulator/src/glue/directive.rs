//! How what is started over the API says what it wants to be, since the API has no words for it.
//!
//! A session says it in its default argument `--simulate`, a job run in its argument of that name, a statement in a
//! comment of its code: `# simulate: run 2m, fail`. The parts are `age 28m`, `start 30s`, `run 2m`, `stop 3s` and
//! `fail`; each may be missing, and what is not understood is ignored.

use std::time::Duration;

use jiff::SignedDuration;

use crate::athena::Outcome;

/// The argument of sessions and job runs.
pub(super) const ARGUMENT: &str = "--simulate";
/// What stands before the directive in a statement's code.
const MARK: &str = "# simulate:";

/// How a workload is to behave.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Directive {
    /// How long ago it began.
    pub(super) age: Duration,
    /// How long it takes to start.
    pub(super) start: Duration,
    /// How long it runs.
    pub(super) run: Option<Duration>,
    /// How long it goes on after it was told to stop.
    pub(super) stop: Duration,
    /// How it ends.
    pub(super) outcome: Outcome,
}

/// The behaviour a text asks for.
pub(super) fn read(text: &str) -> Directive {
    let mut directive = Directive::default();
    for part in text.split(',') {
        let (word, value) = part.trim().split_once(char::is_whitespace).unwrap_or((part.trim(), ""));
        match (word, duration(value)) {
            ("age", Some(age)) => directive.age = age,
            ("start", Some(start)) => directive.start = start,
            ("run", Some(run)) => directive.run = Some(run),
            ("stop", Some(stop)) => directive.stop = stop,
            ("fail", _) => directive.outcome = Outcome::Fails,
            _ => {}
        }
    }
    directive
}

/// The behaviour a statement's code asks for.
pub(super) fn in_code(code: &str) -> Directive {
    read(code.split_once(MARK).and_then(|(_, rest)| rest.lines().next()).unwrap_or_default())
}

fn duration(text: &str) -> Option<Duration> {
    text.trim().parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Directive) {
        assert_eq!(read(text), expected, "{text}");
    }

    #[test]
    fn a_directive_says_how_a_workload_behaves() {
        let secs = Duration::from_secs;
        let run = Some(secs(120));
        check("", Directive::default());
        check(
            "age 1h 30m, start 5s , run PT2M, fail,stop 3s",
            Directive { age: secs(5_400), start: secs(5), run, stop: secs(3), outcome: Outcome::Fails },
        );
        check("age soon, walk 3m, run -2m, ,", Directive::default());
        assert_eq!(in_code("spark.sql('x') # simulate: run 2m\n# run 3m"), Directive { run, ..Directive::default() });
        assert_eq!(in_code("print('run 2m')"), Directive::default());
    }
}
