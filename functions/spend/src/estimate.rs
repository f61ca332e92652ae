//! What a sandbox has spent since the last cost data, from what ran in it and what that cost before.
//!
//! What a service is paid by is measured ([`crate::usage`]) and priced as the export says that it cost in the last
//! seven full days it covers: this account's cost for a unit or, where it had none, the organisation's. All other cost
//! counts at its mean of those days, and so does the time in which nobody could see what ran. Every part says so in a
//! sentence.
//!
//! The error is learned: what was estimated for each day is kept until the export covers it, and the estimate may be as
//! far off as nine of ten days were.

use std::collections::{BTreeMap, BTreeSet};

use guardrail::spending::Estimate;
use guardrail::{Amount, Currency, Money};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::figures::{Account, EstimateError, Figures};
use crate::usage::{Hours, Meter, Used, hour_of, used};

/// The days that prices and means are of, at most.
const LEARNS_FROM: i64 = 7;

/// The days whose hours are looked at, at most. What is older counts at its mean.
const LOOKS_BACK: i64 = 10;

/// How many days' errors are remembered.
const REMEMBERS: usize = 60;

/// How many days' errors tell a bound.
const FEWEST: usize = 5;

/// The decimals of an estimate.
const DECIMALS: u8 = 6;

/// From when on not seeing a service is worth a sentence, in seconds.
const WORTH_TELLING: i64 = 30 * 60;

/// The seconds of an hour and of a day.
const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;

/// How people and exports speak of what a meter counts.
struct Words {
    /// The service, for a sentence.
    name: &'static str,
    /// The unit of price, for a sentence.
    unit: &'static str,
    /// What exports call the service: product codes in cost and usage reports, names in FOCUS.
    services: &'static [&'static str],
    /// The same of services that are used through this one only, so that their cost is part of its price.
    through: &'static [&'static str],
    /// What exports call the unit, in any case.
    units: &'static [&'static str],
    /// How much of what the meter counts is one unit.
    scale: i64,
}

const HOURS: &[&str] = &["hrs", "hours", "hour", "instance-hours"];

impl Meter {
    /// The codes and units are those of AWS's price list (`AmazonAthena` in `Terabytes`, `AWSGlue` in `DPU-Hour`, the
    /// others in `Hrs`), FOCUS's names its service names.
    fn words(self) -> Words {
        match self {
            Self::Athena => Words {
                name: "Athena",
                unit: "TB",
                services: &["AmazonAthena", "Amazon Athena"],
                through: &[],
                units: &["terabytes", "tb"],
                // AWS's own calculator takes 10 MB for 0.0000095367 TB: its terabytes are binary.
                scale: 1 << 40,
            },
            Self::Emr => Words {
                name: "EMR",
                unit: "instance-hours",
                services: &["ElasticMapReduce", "Amazon Elastic MapReduce", "Amazon EMR"],
                // Nothing in a sandbox has instances of EC2 but clusters.
                through: &["AmazonEC2", "Amazon Elastic Compute Cloud"],
                units: HOURS,
                scale: HOUR,
            },
            Self::SageMaker => Words {
                name: "SageMaker",
                unit: "instance-hours",
                services: &["AmazonSageMaker", "Amazon SageMaker", "Amazon SageMaker AI"],
                through: &[],
                units: HOURS,
                scale: HOUR,
            },
            Self::Glue => Words {
                name: "Glue",
                unit: "DPU-hours",
                services: &["AWSGlue", "AWS Glue"],
                through: &[],
                units: &["dpu-hour", "dpu-hours"],
                scale: HOUR,
            },
        }
    }

    /// Whether a service is priced by what is measured: of the others an export's usage need not be kept.
    pub(crate) fn prices(service: &str) -> bool {
        Self::ALL.into_iter().any(|meter| meter.words().services.contains(&service))
    }

    /// The unit of price, for a sentence.
    pub(crate) fn unit(self) -> &'static str {
        self.words().unit
    }

    /// What was counted, in units of price.
    pub(crate) fn units(self, amount: &Amount) -> Amount {
        amount.divided_by(&Amount::from(self.words().scale)).unwrap_or_default()
    }
}

/// What the export says of the last full days it covers: of an account, or of several together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// How many days these are; of several accounts together the most that one has.
    days: i64,
    /// What was spent in all.
    total: Amount,
    /// What was used, in units of price, and what that cost. What was not used is not here.
    metered: BTreeMap<Meter, Metered>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Metered {
    units: Amount,
    cost: Amount,
}

impl Recent {
    /// The last full days, seven at most, before the moment up to which the export knows what was used, out of the
    /// figures of the months that they lie in. Days before the first of these months are not known.
    pub fn of<'a>(figures: impl IntoIterator<Item = &'a Figures>, covered_until: Timestamp) -> Self {
        let figures: Vec<&Figures> = figures.into_iter().collect();
        let days = figures.iter().flat_map(|figures| figures.services.values()).flat_map(BTreeMap::keys);
        let first = days.min().copied();
        let Some(days) = full_days(first, covered_until) else { return Self::default() };
        let mut services: BTreeMap<&str, Amount> = BTreeMap::new();
        for (service, costs) in figures.iter().flat_map(|figures| &figures.services) {
            let costs = costs.range(days.from..days.until).map(|(_, cost)| cost.clone());
            *services.entry(service).or_default() += &costs.sum();
        }
        let mut recent = Self { days: days.count(), total: services.values().cloned().sum(), metered: BTreeMap::new() };
        for meter in Meter::ALL {
            let words = meter.words();
            let mut metered = Metered::default();
            let usage = figures.iter().flat_map(|figures| &figures.usage);
            for usage in usage.filter(|usage| days.contains(usage.day) && words.speak_of(&usage.service, &usage.unit)) {
                metered.units += &usage.amount;
                metered.cost += &usage.cost;
            }
            if metered.units > Amount::zero() {
                let through = words.through.iter().filter_map(|service| services.get(service));
                metered.cost += &through.cloned().sum();
                recent.metered.insert(meter, metered);
            }
        }
        recent
    }

    /// The same and another account's, in the same currency.
    pub fn add(&mut self, other: &Self) {
        self.days = self.days.max(other.days);
        self.total += &other.total;
        for (meter, more) in &other.metered {
            let metered = self.metered.entry(*meter).or_default();
            metered.units += &more.units;
            metered.cost += &more.cost;
        }
    }

    /// What one unit cost.
    fn price(&self, meter: Meter) -> Option<Amount> {
        let metered = self.metered.get(&meter)?;
        metered.cost.divided_by(&metered.units)
    }

    /// What a meter counted cost in an hour, on average.
    fn mean(&self, meter: Meter) -> Amount {
        let cost = self.metered.get(&meter).map(|metered| metered.cost.clone()).unwrap_or_default();
        cost.divided_by(&Amount::from(self.days * 24)).unwrap_or_default()
    }

    /// What everything that no meter counted cost in a day, on average.
    fn rest(&self) -> Amount {
        let metered: Amount = self.metered.values().map(|metered| metered.cost.clone()).sum();
        (self.total.clone() - metered).divided_by(&Amount::from(self.days)).unwrap_or_default()
    }
}

impl Words {
    fn speak_of(&self, service: &str, unit: &str) -> bool {
        self.services.contains(&service) && self.units.iter().any(|known| known.eq_ignore_ascii_case(unit))
    }
}

/// Days, the last of which does not count any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Days {
    pub(crate) from: Date,
    pub(crate) until: Date,
}

impl Days {
    pub(crate) fn contains(self, day: Date) -> bool {
        (self.from..self.until).contains(&day)
    }

    pub(crate) fn count(self) -> i64 {
        self.from.until(self.until).map(|span| i64::from(span.get_days())).unwrap_or_default()
    }
}

/// The last full days that the export covers, of the months from that of the first day known; none where none is full.
pub(crate) fn full_days(first: Option<Date>, covered_until: Timestamp) -> Option<Days> {
    let until = day_of(covered_until);
    let from = until.saturating_sub(LEARNS_FROM.days()).max(first?.first_of_month());
    (from < until).then_some(Days { from, until })
}

/// The day of a moment, in UTC as AWS bills.
pub(crate) fn day_of(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::UTC).date()
}

/// The moment at which a day begins in UTC.
pub(crate) fn start_of(day: Date) -> Timestamp {
    day.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

/// What an estimate is made from.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The account.
    pub account: &'a str,
    /// How many sandboxes it has, one in each Region.
    pub sandboxes: usize,
    /// The currency of its bill.
    pub currency: Currency,
    /// What the export says of its last days.
    pub own: &'a Recent,
    /// What it says of the last days of all accounts with this currency.
    pub organisation: &'a Recent,
    /// What ran: the hours from [`looks_back`] on.
    pub hours: &'a Hours,
    /// How far off earlier estimates were.
    pub errors: &'a [EstimateError],
}

/// The first moment whose hour an estimate looks at: the beginning of the day of which the export does not know all
/// yet, and not more than ten days ago.
pub fn looks_back(covered_until: Timestamp, now: Timestamp) -> Timestamp {
    start_of(day_of(covered_until).max(day_of(now).saturating_sub(LOOKS_BACK.days())))
}

/// What a unit costs.
#[derive(Clone, Debug)]
pub(crate) struct Price {
    pub(crate) amount: Amount,
    /// Whose cost it was learned from, for a sentence.
    pub(crate) of: String,
}

impl Facts<'_> {
    /// What was spent from one moment on, which may be any after the export's last usage, until another; none where
    /// there is no time in between. It begins with the hour of the first moment, and is to six decimals.
    pub fn estimate(&self, since: Timestamp, until: Timestamp) -> Option<Estimate> {
        let since = hour_of(since);
        if since >= until {
            return None;
        }
        let (amount, mut basis) = self.spent(since, until);
        if basis.is_empty() {
            basis.push("nothing ran that costs, and nothing else cost anything in the days before".to_owned());
        }
        Some(Estimate {
            error: bound(self.errors, &amount),
            learned_from: u32::try_from(self.errors.len()).unwrap_or(u32::MAX),
            amount,
            since,
            until,
            basis,
        })
    }

    /// What was spent on each day that has ended and that the export does not cover wholly.
    pub fn days(&self, covered_until: Timestamp, now: Timestamp) -> BTreeMap<Date, Amount> {
        let first = day_of(looks_back(covered_until, now));
        let days = std::iter::successors(Some(first), |day| day.tomorrow().ok()).take_while(|day| *day < day_of(now));
        days.map(|day| (day, self.spent(start_of(day), start_of(day.tomorrow().unwrap_or(day))).0)).collect()
    }

    /// What a unit costs, as it did in this account or else in the organisation.
    pub(crate) fn price(&self, meter: Meter) -> Option<Price> {
        let of = |whose: &str, recent: &Recent| format!("{whose} last {}", counted(recent.days, "day"));
        let own = self.own.price(meter).map(|amount| Price { amount, of: of("this account's", self.own) });
        own.or_else(|| {
            let amount = self.organisation.price(meter)?;
            Some(Price { amount, of: of("the organisation's", self.organisation) })
        })
    }

    fn spent(&self, since: Timestamp, until: Timestamp) -> (Amount, Vec<String>) {
        let elapsed = until.duration_since(since).as_secs();
        let ran = used(self.hours, Some(self.account), since, until);
        let (mut total, mut basis) = (Amount::zero(), Vec::new());
        for meter in Meter::ALL {
            let used = ran.get(&meter).cloned().unwrap_or_default();
            for (amount, sentence) in
                [self.measured(meter, &used), self.unseen(meter, &used, elapsed)].into_iter().flatten()
            {
                total += &amount;
                basis.extend(sentence);
            }
        }
        let rest = self.own.rest();
        if !rest.is_zero() {
            let days = Amount::from(elapsed).divided_by(&Amount::from(DAY)).unwrap_or_default();
            total += &(&rest * &days);
            basis.push(format!("the rest: {} a day for {} days", self.money(&rest, 2), brief(&days)));
        }
        (total.rounded(DECIMALS), basis)
    }

    /// What was measured.
    fn measured(&self, meter: Meter, used: &Used) -> Option<(Amount, Option<String>)> {
        let units = meter.units(&used.amount);
        if units.is_zero() {
            return None;
        }
        let Words { name, unit, through, .. } = meter.words();
        let ran = format!("{name}: {} {unit}", brief(&units));
        let Some(price) = self.price(meter) else {
            return Some((Amount::zero(), Some(format!("{ran}, whose price nobody has paid yet: not counted"))));
        };
        let with = if through.is_empty() { "" } else { " with what EC2 cost" };
        let sentence = format!("{ran} at {}, learned from {}{with}", self.money(&price.amount, 4), price.of);
        Some((&units * &price.amount, Some(sentence)))
    }

    /// What was not seen.
    fn unseen(&self, meter: Meter, used: &Used, elapsed: i64) -> Option<(Amount, Option<String>)> {
        let sandboxes = i64::try_from(self.sandboxes.max(1)).unwrap_or(i64::MAX);
        let unseen = elapsed.saturating_mul(sandboxes).saturating_sub(used.seen.as_secs()).max(0) / sandboxes;
        let hours = Amount::from(unseen).divided_by(&Amount::from(HOUR))?;
        let mean = self.own.mean(meter);
        let sentence = (unseen >= WORTH_TELLING).then(|| {
            let unseen = format!("{} was not seen for {} hours", meter.words().name, brief(&hours));
            match mean.is_zero() {
                true => format!("{unseen}; it cost nothing in the days before"),
                false => format!("{unseen}, taken at its mean of {} an hour", self.money(&mean, 4)),
            }
        });
        (unseen > 0).then(|| (&hours * &mean, sentence))
    }

    /// Money for a sentence.
    pub(crate) fn money(&self, amount: &Amount, decimals: u8) -> Money {
        Money::new(amount.rounded(decimals), self.currency)
    }
}

/// A number for a sentence: to one decimal, or to three below one.
pub(crate) fn brief(amount: &Amount) -> String {
    let decimals = if amount.abs() < Amount::from(1) { 3 } else { 1 };
    amount.rounded(decimals).with_decimals(1)
}

/// A number of things for a sentence.
pub(crate) fn counted(number: i64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// How far off an estimate may be, either way: the 90th percentile, by nearest rank, of how far earlier ones were off,
/// as a share of themselves. A day that cost something where nothing was estimated is further off than any share. None
/// where that is the percentile, and where fewer than five days are known.
fn bound(errors: &[EstimateError], estimate: &Amount) -> Option<Amount> {
    if errors.len() < FEWEST {
        return None;
    }
    // A share that cannot be told is greater than every other: `false` sorts before `true`.
    let mut shares: Vec<(bool, Amount)> = errors.iter().map(EstimateError::share).collect();
    shares.sort();
    let rank = (shares.len() * 9).div_ceil(10);
    let (untold, share) = shares.into_iter().nth(rank - 1)?;
    (!untold).then(|| (&share * &estimate.abs()).rounded(DECIMALS))
}

impl EstimateError {
    /// How far off it was, as a share of itself; whether that cannot be told.
    fn share(&self) -> (bool, Amount) {
        let off = (self.actual.clone() - self.estimated.clone()).abs();
        match off.divided_by(&self.estimated.abs()) {
            Some(share) => (false, share),
            None => (!off.is_zero(), Amount::zero()),
        }
    }
}

/// Learns what days cost, from the figures of one month or several: estimates of their days that the export now covers
/// wholly are compared with it, and what is known of earlier ones is put right where the figures say otherwise now. The
/// 60 newest days are remembered.
pub fn learn<'a>(account: &mut Account, figures: impl IntoIterator<Item = &'a Figures>, covered_until: Timestamp) {
    let mut costs: BTreeMap<Date, Amount> = BTreeMap::new();
    for (day, cost) in figures.into_iter().flat_map(Figures::days) {
        *costs.entry(day).or_default() += &cost;
    }
    let months: BTreeSet<Date> = costs.keys().map(|day| day.first_of_month()).collect();
    let cost_of = |day: &Date| {
        let known = months.contains(&day.first_of_month());
        known.then(|| costs.get(day).cloned().unwrap_or_default())
    };
    let covered = day_of(covered_until);
    account.estimated_days.retain(|day, estimated| {
        let Some(actual) = cost_of(day).filter(|_| *day < covered) else { return true };
        account.errors.retain(|error| error.day != *day);
        account.errors.push(EstimateError { day: *day, estimated: estimated.clone(), actual });
        false
    });
    for error in &mut account.errors {
        if let Some(actual) = cost_of(&error.day) {
            error.actual = actual;
        }
    }
    account.errors.sort_by_key(|error| error.day);
    let forgotten = account.errors.len().saturating_sub(REMEMBERS);
    account.errors.drain(..forgotten);
}

#[cfg(test)]
mod tests;
