//! How a query started with the AWS CLI says what it wants to be: a comment in its SQL.
//!
//! `-- simulate: age 28m, queue 5s, run 2m, fail, cancel 3s`; every part may be missing, and what is not understood is
//! ignored, as any comment is.

use std::time::Duration;

use jiff::SignedDuration;

use super::query::{Outcome, QuerySpec};

const MARK: &str = "-- simulate:";

/// The behaviour a query's SQL asks for.
pub(super) fn read(sql: &str) -> QuerySpec {
    let mut spec = QuerySpec::default();
    let directive = sql.split_once(MARK).and_then(|(_, rest)| rest.lines().next()).unwrap_or_default();
    for part in directive.split(',') {
        let (word, value) = part.trim().split_once(char::is_whitespace).unwrap_or((part.trim(), ""));
        match (word, duration(value)) {
            ("age", Some(age)) => spec.age = age,
            ("queue", Some(queue)) => spec.queue = queue,
            ("run", Some(run)) => spec.runs_for = Some(run),
            ("cancel", Some(takes)) => spec.cancel_takes = takes,
            ("fail", _) => spec.outcome = Outcome::Fails,
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

    fn check(sql: &str, expected: QuerySpec) {
        assert_eq!(read(sql), expected, "{sql}");
    }

    #[test]
    fn a_directive_says_how_a_query_behaves() {
        let secs = Duration::from_secs;
        let plain = QuerySpec::default;
        check("SELECT 1", plain());
        check("SELECT 1 -- simulate: age 28m", QuerySpec { age: secs(28 * 60), ..plain() });
        check(
            "-- simulate: age 1h 30m, queue 5s , run PT2M, fail,cancel 3s\nSELECT 1",
            QuerySpec {
                age: secs(5_400),
                queue: secs(5),
                runs_for: Some(secs(120)),
                outcome: Outcome::Fails,
                cancel_takes: secs(3),
                ..plain()
            },
        );
        check(
            "SELECT 1 -- simulate: age soon, walk 3m, run -2m, , fail\n, queue 5s",
            QuerySpec { outcome: Outcome::Fails, ..plain() },
        );
    }
}
