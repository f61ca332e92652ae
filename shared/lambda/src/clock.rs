//! The clock, so that whoever waits can be told the time by a test.

use std::time::Duration;

use jiff::Timestamp;

/// Tells the time and waits.
pub trait Clock: Clone {
    /// The time now, in milliseconds: what events and the ledger carry.
    fn now(&self) -> Timestamp;

    /// Returns when `instant` has come; at once when it is past.
    fn sleep_until(&self, instant: Timestamp) -> impl Future<Output = ()>;

    /// Returns after `duration`.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        let until = self.now().checked_add(duration).unwrap_or(Timestamp::MAX);
        self.sleep_until(until)
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the edge that reads the clock")]
    fn now(&self) -> Timestamp {
        to_milliseconds(Timestamp::now())
    }

    async fn sleep_until(&self, instant: Timestamp) {
        // The loop is for clocks that are set while we sleep, and for timers that fire a moment early.
        while let Ok(left) = Duration::try_from(instant.duration_since(self.now())) {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

/// Drops what is below a millisecond.
pub fn to_milliseconds(instant: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(instant.as_millisecond()).unwrap_or(instant)
}
