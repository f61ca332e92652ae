//! The line that all calls to SageMaker stand in: only so many are under way at once, none of a kind follow each other
//! too fast, and none begins too late.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use lambda::{CallError, CallErrorKind};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Calls under way at once, of all kinds together: enough to hide their latency.
pub(crate) const CALLS_AT_ONCE: usize = 8;

/// How fast calls of one operation follow each other: so many at once, then one in each interval.
///
/// AWS publishes no rates for SageMaker's lists and descriptions. A call that is refused for its haste is a call too,
/// and takes from what the account's users may call, so the pace is a modest one: about ten lists, twenty descriptions
/// and five orders a second. Where an account is allowed less, the SDK's retries slow down further.
struct Pace {
    at_once: u32,
    interval: Duration,
}

impl Pace {
    fn of(operation: &str) -> Self {
        let (at_once, interval) = match operation.strip_prefix("sagemaker:").unwrap_or_default() {
            // One call for each pipeline: it reads one thing, as a description does.
            "ListPipelineExecutions" => (36, 52),
            name if name.starts_with("List") => (18, 105),
            name if name.starts_with("Describe") => (36, 52),
            _ => (9, 210),
        };
        Self { at_once, interval: Duration::from_millis(interval) }
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    pub(crate) fn new(items: impl IntoIterator<Item = T>, next: Option<String>) -> Self {
        Self { items: items.into_iter().collect(), next: next.filter(|next| !next.is_empty()) }
    }
}

/// What was read of a list.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    /// Why it was not read to its end.
    pub(crate) problem: Option<CallError>,
}

/// The line of one run.
#[derive(Debug)]
pub(crate) struct Line {
    permits: Semaphore,
    until: Option<Instant>,
    /// For each operation the moment at which all calls so far would have had their turn, one in each interval.
    turns: RefCell<BTreeMap<&'static str, Instant>>,
}

impl Line {
    /// A line of calls that begin and end before the deadline.
    pub(crate) fn until(now: Timestamp, deadline: Timestamp) -> Self {
        let left = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
        Self { until: Instant::now().checked_add(left), ..Self::open() }
    }

    /// A line without a deadline, for the few calls of a signal or an enforce; each has its own timeout.
    pub(crate) fn open() -> Self {
        Self { permits: Semaphore::new(CALLS_AT_ONCE), until: None, turns: RefCell::default() }
    }

    /// Makes a call when its turn has come. `operation` is its IAM action.
    pub(crate) async fn call<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let too_late = || CallError {
            operation,
            kind: CallErrorKind::Unavailable,
            message: "the time of this run was up before everything was seen".to_owned(),
        };
        let turn = self.turn(operation);
        if self.until.is_some_and(|until| until <= turn) {
            return Err(too_late());
        }
        sleep_until(turn).await;
        let _permit = self.permits.acquire().await;
        match self.until {
            None => call.await,
            Some(until) if until <= Instant::now() => Err(too_late()),
            Some(until) => timeout_at(until, call).await.unwrap_or_else(|_| Err(too_late())),
        }
    }

    /// When the next call of this operation has its turn.
    fn turn(&self, operation: &'static str) -> Instant {
        let (now, Pace { at_once, interval }) = (Instant::now(), Pace::of(operation));
        let mut turns = self.turns.borrow_mut();
        let next = turns.entry(operation).or_insert(now);
        *next = (*next).max(now) + interval;
        next.checked_sub(interval * at_once).unwrap_or(now).max(now)
    }

    /// Reads a list page by page to its end, or to the first page that fails.
    pub(crate) async fn pages<T, F>(&self, operation: &'static str, list: impl Fn(Option<String>) -> F) -> Listed<T>
    where
        F: Future<Output = Result<Page<T>, CallError>>,
    {
        let mut listed = Listed { items: Vec::new(), problem: None };
        let mut from = None;
        loop {
            match self.call(operation, list(from)).await {
                Ok(page) => {
                    listed.items.extend(page.items);
                    let Some(next) = page.next else { return listed };
                    from = Some(next);
                }
                Err(problem) => {
                    listed.problem = Some(problem);
                    return listed;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use jiff::SignedDuration;
    use lambda::fakes::block_on;

    use super::*;

    /// So many calls of an operation begin within so many milliseconds.
    #[track_caller]
    fn check_pace(operation: &'static str, calls: usize, milliseconds: u128) {
        let took = block_on(async {
            let (line, began) = (Line::open(), Instant::now());
            join_all((0..calls).map(|_| line.call(operation, async { Ok(()) }))).await;
            began.elapsed()
        });
        assert_eq!(took.as_millis(), milliseconds, "{operation}");
    }

    #[test]
    fn calls_of_an_operation_keep_their_pace() {
        check_pace("sagemaker:ListApps", 18, 0);
        check_pace("sagemaker:ListApps", 28, 10 * 105);
        check_pace("sagemaker:DescribeDomain", 36, 0);
        check_pace("sagemaker:DescribeDomain", 46, 10 * 52);
        check_pace("sagemaker:StopTrainingJob", 20, 11 * 210);
    }

    #[test]
    fn calls_of_different_operations_do_not_wait_for_each_other() {
        block_on(async {
            let (line, began) = (Line::open(), Instant::now());
            for operation in ["sagemaker:ListApps", "sagemaker:ListSpaces"] {
                join_all((0..18).map(|_| line.call(operation, async { Ok(()) }))).await;
            }
            assert!(began.elapsed().is_zero());
        });
    }

    #[test]
    fn a_call_that_would_not_end_in_time_is_not_waited_for() {
        block_on(async {
            let now = Timestamp::UNIX_EPOCH;
            let line = Line::until(now, now + SignedDuration::from_secs(5));
            let never = line.call::<()>("sagemaker:ListApps", std::future::pending()).await;
            assert_eq!(never.map_err(|problem| problem.kind), Err(CallErrorKind::Unavailable));
            let late = line.call("sagemaker:ListApps", async { Ok(()) }).await;
            assert_eq!(late.map_err(|problem| problem.operation), Err("sagemaker:ListApps"));
        });
    }
}
