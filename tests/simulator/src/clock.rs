//! The one place that reads the clock, and how an instant looks on the wire.
//!
//! Instants are whole milliseconds throughout, because that is what Athena shows: a query's times, its statistics
//! and the instant it was stopped then agree to the digit.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

/// The present instant, in whole milliseconds.
#[expect(clippy::disallowed_methods, reason = "the simulator is an edge: workloads age in real time")]
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// How long it is from `earlier` to `later`; nothing when `later` comes first.
pub(crate) fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(earlier.duration_until(later)).unwrap_or_default()
}

/// The instant `age` before `now`; the first there is when that is beyond the calendar.
pub(crate) fn before(now: Timestamp, age: Duration) -> Timestamp {
    now.checked_sub(age).unwrap_or(Timestamp::MIN)
}

/// The instant `wait` after `now`; the last there is when that is beyond the calendar.
pub(crate) fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// Milliseconds as the services count them.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The instant as JSON 1.1 carries it: epoch seconds with a fraction.
pub(crate) fn epoch_seconds(instant: Timestamp) -> Value {
    let millis = instant.as_millisecond();
    // Put together as text, so that no rounding of a division shows up in the answer.
    let text = format!("{}.{:03}", millis.div_euclid(1_000), millis.rem_euclid(1_000));
    text.parse::<f64>().map_or(Value::Null, Value::from)
}
