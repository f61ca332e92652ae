//! AWS's own request rates, per account and operation: a token bucket that refuses with `ThrottlingException`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::accounts::Place;
use crate::clock;
use crate::protocol::{AwsError, ServiceName};

/// How often an operation may be called: `per_second` in the long run, `burst` at once after a pause.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    pub(crate) operation: &'static str,
    pub(crate) per_second: u64,
    pub(crate) burst: u64,
}

/// The buckets of every account and operation called so far.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    buckets: Mutex<HashMap<(Place, ServiceName, &'static str), Bucket>>,
}

/// A thousand drops are one call, so that a refill of a few milliseconds is not rounded away.
#[derive(Debug)]
struct Bucket {
    drops: u64,
    at: Timestamp,
}

const DROPS: u64 = 1_000;

impl Quotas {
    /// Takes one call out of its bucket.
    pub(crate) fn take(
        &self,
        place: &Place,
        service: ServiceName,
        quota: &Quota,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let full = quota.burst * DROPS;
        let bucket =
            buckets.entry((place.clone(), service, quota.operation)).or_insert_with(|| Bucket { drops: full, at: now });
        // One call a second is a thousand drops a second, which is one drop a millisecond.
        let refill = clock::millis(clock::between(bucket.at, now)).saturating_mul(quota.per_second);
        bucket.drops = bucket.drops.saturating_add(refill).min(full);
        bucket.at = now;
        match bucket.drops.checked_sub(DROPS) {
            Some(rest) => {
                bucket.drops = rest;
                Ok(())
            }
            None => Err(AwsError::front(400, "ThrottlingException", "Rate exceeded")),
        }
    }

    pub(crate) fn reset(&self) {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let quotas = Quotas::default();
        let place = Place { account: "111111111111".into(), region: "eu-west-1".into() };
        let quota = Quota { operation: "ListQueryExecutions", per_second: 5, burst: 10 };
        let start = Timestamp::UNIX_EPOCH;
        let granted = |at: Timestamp| {
            (0..100).take_while(|_| quotas.take(&place, ServiceName::Athena, &quota, at).is_ok()).count()
        };
        assert_eq!(granted(start), 10);
        assert_eq!(granted(start), 0);
        assert_eq!(granted(start + Duration::from_millis(199)), 0);
        assert_eq!(granted(start + Duration::from_millis(200)), 1);
        assert_eq!(granted(start + Duration::from_millis(1_200)), 5);
        assert_eq!(granted(start + Duration::from_secs(60)), 10);
    }
}
