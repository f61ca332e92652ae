//! Gauges: how much there is now of what a service is paid by, told with the sign of life.
//!
//! | gauge | what | told of |
//! |---|---|---|
//! | `running` | resources that are paid for while they run | all services |
//! | `instances` | their instances | EMR, SageMaker |
//! | `dpus` | their data processing units | Glue |
//! | `bytes_scanned_today` | bytes that queries have scanned since the day began, in UTC | Athena |
//!
//! The hub samples them to estimate what a sandbox has spent since the last cost data. AWS is asked nothing for them:
//! they are made of what was seen anyway. What was not seen wholly, or not read because its guardrails are off, has no
//! gauge, which nobody can take for zero.

use std::collections::BTreeMap;

use guardrail::{Measure, Observation, Quantity, Reading, Service};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::room::{Seen, Wanted};

/// What a service is paid by.
struct Paid {
    /// The kinds of resources that are paid for while they run. What only starts others that are seen by themselves (a
    /// pipeline execution, a tuning job), and what runs on another (a step), is paid for by those.
    kinds: &'static [&'static str],
    /// The kinds that are one unit each, or at least one as an endpoint is: SageMaker does not list its instances.
    single: &'static [&'static str],
    /// The unit, and the measure that says how many units each of the others is.
    unit: Option<(&'static str, Measure)>,
}

impl Paid {
    fn of(service: Service) -> Self {
        let (kinds, single, unit): (&[_], &[_], _) = match service {
            Service::Athena => (&["query"], &[], None),
            Service::Emr => (&["cluster"], &[], Some(("instances", Measure::Instances))),
            Service::SageMaker => (
                &["training job", "processing job", "transform job", "notebook instance", "app", "endpoint"],
                &["notebook instance", "app", "endpoint"],
                Some(("instances", Measure::Instances)),
            ),
            Service::Glue => (&["session", "job run"], &[], Some(("dpus", Measure::Dpus))),
            Service::Spend | Service::Exemptions => (&[], &[], None),
        };
        Self { kinds, single, unit }
    }

    /// How many units a resource is; none where that was not read.
    fn units(&self, measure: Measure, resource: &Observation) -> Option<u64> {
        if self.single.contains(&resource.resource.kind.as_str()) { Some(1) } else { amount(resource, measure) }
    }
}

/// The gauges of a sweep that was begun at `begun_at` and is told of at `now`.
pub(super) fn gauges(
    wanted: Wanted<'_>,
    service: Service,
    seen: &Seen,
    begun_at: Timestamp,
    now: Timestamp,
) -> BTreeMap<&'static str, u64> {
    let mut gauges = BTreeMap::new();
    let paid = Paid::of(service);
    if !paid.kinds.is_empty() && paid.kinds.iter().all(|kind| seen.whole.contains(kind)) {
        let running = seen.observations.iter().filter(|seen| paid.kinds.contains(&seen.resource.kind.as_str()));
        gauges.insert("running", running.clone().count() as u64);
        if let Some((unit, measure)) = paid.unit {
            let units: Option<u64> = running.map(|resource| paid.units(measure, resource)).sum();
            gauges.extend(units.map(|units| (unit, units)));
        }
    }
    let counted = wanted.guardrails().find(|guardrail| guardrail.measure == Measure::DailyBytesScanned);
    // What a sweep across midnight has counted is yesterday's, and would be taken for today's.
    let same_day = day(begun_at) == day(now);
    if counted.is_some_and(|guardrail| guardrail.resources.iter().all(|kind| seen.whole.contains(kind))) && same_day {
        let scanned = seen.observations.iter().filter_map(|seen| amount(seen, Measure::DailyBytesScanned));
        gauges.insert("bytes_scanned_today", scanned.fold(0, u64::saturating_add));
    }
    gauges
}

fn amount(seen: &Observation, measure: Measure) -> Option<u64> {
    match seen.readings.get(&measure) {
        Some(Reading::Amount(Quantity::Count(amount) | Quantity::Bytes(amount))) => Some(*amount),
        _ => None,
    }
}

fn day(moment: Timestamp) -> jiff::civil::Date {
    moment.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests;
