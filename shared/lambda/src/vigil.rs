//! The vigil: a run that stays awake until something reaches its limit.
//!
//! The schedule sweeps once a minute and is itself precise to a minute only. What will become a breach before the sweep
//! after the next is therefore waited for: the run sleeps to that very moment, looks again at just the resources due,
//! and sleeps to the next one. A run that dies on vigil loses nothing, since the next sweep sees the same.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::settings::WatchSettings;
use crate::{Clock, Problems};

/// How soon a look that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Something to keep watch over.
pub trait Due {
    /// When the next resource reaches the level that acts, if any will.
    fn next(&self) -> Option<Timestamp>;

    /// Looks at the resources due at `now`. Those that were dealt with must not be due any more.
    fn look(&mut self, now: Timestamp) -> impl Future<Output = Result<(), Problems>>;
}

/// Until when a run that began at `start` keeps vigil: two sweep intervals, since a sweep may come up to one late,
/// and never past its deadline.
pub fn horizon(settings: &WatchSettings, start: Timestamp, deadline: Timestamp) -> Timestamp {
    let interval = if settings.vigil { settings.sweep_interval * 2 } else { SignedDuration::ZERO };
    start.checked_add(interval).map_or(deadline, |horizon| horizon.min(deadline))
}

/// Keeps vigil until `horizon`, or until nothing is due before it.
///
/// # Errors
/// When a look still fails at the horizon; until then it is tried again. At once when a permission is missing.
pub async fn keep(clock: &impl Clock, due: &mut impl Due, horizon: Timestamp) -> Result<(), Problems> {
    let mut last = Ok(());
    while let Some(next) = due.next().filter(|next| *next <= horizon) {
        if last.is_err() {
            clock.sleep(RETRY).await;
        }
        clock.sleep_until(next).await;
        let now = clock.now();
        if now > horizon {
            break;
        }
        last = due.look(now).await;
        if last.as_ref().is_err_and(Problems::denied) {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::ManualClock;
    use crate::{CallError, CallErrorKind};

    struct Queue {
        due: Vec<i64>,
        looks: Vec<i64>,
        failures: usize,
        kind: CallErrorKind,
    }

    impl Due for Queue {
        fn next(&self) -> Option<Timestamp> {
            self.due.iter().min().map(|second| Timestamp::from_second(*second).unwrap())
        }

        async fn look(&mut self, now: Timestamp) -> Result<(), Problems> {
            self.looks.push(now.as_second());
            if self.failures > 0 {
                self.failures -= 1;
                let kind = self.kind;
                return Err(
                    CallError { operation: "athena:BatchGetQueryExecution", kind, message: String::new() }.into()
                );
            }
            self.due.retain(|second| *second > now.as_second());
            Ok(())
        }
    }

    fn check(due: &[i64], failures: usize, horizon: i64, looks: &[i64]) -> Result<(), Problems> {
        check_failing(CallErrorKind::Throttled, due, failures, horizon, looks)
    }

    fn check_failing(
        kind: CallErrorKind,
        due: &[i64],
        failures: usize,
        horizon: i64,
        looks: &[i64],
    ) -> Result<(), Problems> {
        let clock = ManualClock::at("1970-01-01T00:01:40Z");
        let mut queue = Queue { due: due.to_vec(), looks: vec![], failures, kind };
        let kept = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(keep(
            &clock,
            &mut queue,
            Timestamp::from_second(horizon).unwrap(),
        ));
        assert_eq!(queue.looks, looks, "due {due:?}");
        kept
    }

    #[test]
    fn it_looks_at_each_moment_and_not_past_its_horizon() {
        check(&[], 0, 160, &[]).unwrap();
        check(&[130, 110, 130, 160, 161], 0, 160, &[110, 130, 160]).unwrap();
        check(&[90], 0, 160, &[100]).unwrap();
        check(&[110], 0, 100, &[]).unwrap();
    }

    #[test]
    fn a_failed_look_is_tried_again_until_the_horizon() {
        check(&[110], 2, 160, &[110, 111, 112]).unwrap();
        check(&[110], 99, 112, &[110, 111, 112]).unwrap_err();
    }

    #[test]
    fn a_missing_permission_ends_it_at_once() {
        check_failing(CallErrorKind::Denied, &[110, 120], 99, 160, &[110]).unwrap_err();
    }

    #[test]
    fn the_horizon_is_two_intervals_within_the_deadline() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let settings = |vigil| WatchSettings { sweep_interval: SignedDuration::from_secs(60), vigil };
        assert_eq!(horizon(&settings(true), at(1000), at(5000)), at(1120));
        assert_eq!(horizon(&settings(true), at(1000), at(1100)), at(1100));
        assert_eq!(horizon(&settings(false), at(1000), at(5000)), at(1000));
    }
}
