//! What ran in the sandboxes, hour by hour, as the gauges in their watches' signs of life tell.
//!
//! A gauge says how much there is of what a service is paid by (`lambda::watch`, `gauges`). Every sweep samples the
//! last sign of life of each watch. It speaks for the time since the sweep before, and no longer than twelve minutes
//! after it was given: then nothing is known. What is not known is never taken for nothing; the time that is known
//! stands beside every amount.
//!
//! | page | what |
//! |---|---|
//! | `spend/usage/last` | [`Last`]: where the sampling stands |
//! | `spend/usage/<hour>` | [`Hour`]: what ran in that hour in every sandbox |
//!
//! Whoever keeps the pages writes [`LAST`] before those of hours. A crash in between leaves time of which nothing is
//! known; the other way round, time would count twice.

use std::collections::BTreeMap;

use guardrail::{Amount, Heartbeat, Sandbox, Service};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The page of [`Last`].
pub const LAST: &str = "spend/usage/last";

/// How long the pages of hours are kept: longer than AWS takes to close a month's bill.
pub const KEPT: SignedDuration = SignedDuration::from_hours(40 * 24);

/// How long after a sign of life its gauges speak, in seconds. A watch that sweeps every five minutes gives one every
/// five or ten, since a second within five minutes is not due, and the schedule may be late by one.
const SPEAKS_AFTER: i64 = 12 * 60;

/// How long before a sign of life its gauges speak, in seconds, where sweeps of the hub were missed.
const SPEAKS_BEFORE: i64 = 30 * 60;

/// The seconds of an hour.
const HOUR: i64 = 60 * 60;

/// What a service is paid by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Meter {
    /// The bytes that queries scan.
    Athena,
    /// The instances of clusters.
    Emr,
    /// The instances of jobs, notebook instances, applications and endpoints.
    SageMaker,
    /// The data processing units of sessions and job runs.
    Glue,
}

impl Meter {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Athena, Self::Emr, Self::SageMaker, Self::Glue];

    /// The service that is paid by it.
    pub const fn service(self) -> Service {
        match self {
            Self::Athena => Service::Athena,
            Self::Emr => Service::Emr,
            Self::SageMaker => Service::SageMaker,
            Self::Glue => Service::Glue,
        }
    }

    /// What a service is paid by, as far as its watch tells.
    pub fn of(service: Service) -> Option<Self> {
        Self::ALL.into_iter().find(|meter| meter.service() == service)
    }

    /// The gauge that tells it.
    const fn gauge(self) -> &'static str {
        match self {
            Self::Athena => "bytes_scanned_today",
            Self::Emr | Self::SageMaker => "instances",
            Self::Glue => "dpus",
        }
    }

    fn of_watch(function: &str) -> Option<Self> {
        let service = function.strip_suffix("-watch")?;
        Self::ALL.into_iter().find(|meter| meter.service().as_str() == service)
    }
}

/// How much of a service was used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// How much of what it is paid by: bytes for Athena, otherwise units times the seconds that they ran.
    #[serde(default, skip_serializing_if = "Amount::is_zero")]
    pub amount: Amount,
    /// The resources that ran, times the seconds that they did.
    #[serde(default, skip_serializing_if = "Amount::is_zero")]
    pub running: Amount,
    /// The time of which this is known.
    pub seen: SignedDuration,
}

impl Used {
    fn add(&mut self, more: &Self) {
        self.amount += &more.amount;
        self.running += &more.running;
        self.seen = self.seen.saturating_add(more.seen);
    }
}

/// What was used in an hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hour {
    /// By sandbox, as `<account>/<region>`. One that is not here was not seen.
    pub sandboxes: BTreeMap<String, BTreeMap<Meter, Used>>,
}

impl Hour {
    /// Adds what was used besides.
    pub fn add(&mut self, more: &Self) {
        for (sandbox, meters) in &more.sandboxes {
            for (meter, used) in meters {
                self.used(sandbox, *meter).add(used);
            }
        }
    }

    fn used(&mut self, sandbox: &str, meter: Meter) -> &mut Used {
        self.sandboxes.entry(sandbox.to_owned()).or_default().entry(meter).or_default()
    }
}

/// Hours by their beginnings.
pub type Hours = BTreeMap<Timestamp, Hour>;

/// Where the sampling stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// When the gauges were last sampled.
    sampled_at: Option<Timestamp>,
    /// The counters of bytes that begin again each day, by sandbox.
    counters: BTreeMap<String, Counter>,
}

/// What a counter said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Counter {
    told_at: Timestamp,
    bytes: u64,
}

/// The page of an hour, by any moment of it.
pub fn page(hour: Timestamp) -> String {
    format!("spend/usage/{}", hour.strftime("%Y-%m-%dT%H"))
}

/// The beginnings of the hours that have a part between two moments.
pub fn hours(from: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> {
    let hours =
        std::iter::successors(Some(hour_of(from)), |hour| hour.checked_add(SignedDuration::from_secs(HOUR)).ok());
    hours.take_while(move |hour| *hour < until)
}

/// The beginning of a moment's hour.
pub fn hour_of(moment: Timestamp) -> Timestamp {
    at(moment.as_second() - moment.as_second().rem_euclid(HOUR))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(if second < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// Samples the last signs of life, in whole seconds. Gives where the sampling stands then, and what is to be added to
/// each hour. What is no watch's sign of life says nothing; of several by one watch the newest counts.
pub fn sample(last: &Last, heartbeats: &[Heartbeat], now: Timestamp) -> (Last, Hours) {
    let now = at(now.as_second());
    if last.sampled_at.is_some_and(|sampled_at| now <= sampled_at) {
        return (last.clone(), Hours::new());
    }
    let mut newest: BTreeMap<(String, Meter), &Heartbeat> = BTreeMap::new();
    for heartbeat in heartbeats {
        let Some(meter) = Meter::of_watch(&heartbeat.function) else { continue };
        let held = newest.entry((sandbox_key(&heartbeat.header.sandbox), meter)).or_insert(heartbeat);
        *held = newer(held, heartbeat);
    }
    let mut hours = Hours::new();
    let mut counters = last.counters.clone();
    for ((sandbox, meter), heartbeat) in newest {
        let Some(value) = heartbeat.saw.get(meter.gauge()).copied() else { continue };
        let told_at = at(heartbeat.header.occurred_at.as_second()).min(now);
        let mut told = Told { hours: &mut hours, sandbox: &sandbox, meter, running: running(heartbeat) };
        if meter == Meter::Athena {
            let counter = Counter { told_at, bytes: value };
            if told.counted(counters.get(&sandbox), counter) {
                counters.insert(sandbox, counter);
            }
        } else {
            told.gauged(last.sampled_at, told_at, now, value);
        }
    }
    // What a counter said on another day than today or yesterday is of no use.
    counters.retain(|_, counter| now.duration_since(counter.told_at) < SignedDuration::from_hours(48));
    (Last { sampled_at: Some(now), counters }, hours)
}

/// The newer of two signs of life. Of two of one moment it is the same in any order.
fn newer<'a>(one: &'a Heartbeat, other: &'a Heartbeat) -> &'a Heartbeat {
    std::cmp::max_by_key(one, other, |heartbeat| (heartbeat.header.occurred_at, &heartbeat.saw))
}

fn sandbox_key(sandbox: &Sandbox) -> String {
    format!("{}/{}", sandbox.account, sandbox.region)
}

fn running(heartbeat: &Heartbeat) -> u64 {
    heartbeat.saw.get("running").copied().unwrap_or_default()
}

/// What one watch told, to be put into hours.
struct Told<'a> {
    hours: &'a mut Hours,
    sandbox: &'a str,
    meter: Meter,
    running: u64,
}

impl Told<'_> {
    /// A gauge that was told at this moment, where those before it were sampled at another.
    fn gauged(&mut self, sampled_at: Option<Timestamp>, told_at: Timestamp, now: Timestamp, value: u64) {
        let told_at = told_at.as_second();
        let from = sampled_at.map_or(told_at, Timestamp::as_second).max(told_at - SPEAKS_BEFORE);
        let until = now.as_second().min(told_at.saturating_add(SPEAKS_AFTER));
        self.spread(from, until, |_, seconds| Amount::new(i128::from(value) * i128::from(seconds), 0));
    }

    /// A counter after what it said before, spread evenly over the time in between; gives whether it says anything new.
    /// One that began again since, at midnight, says all that was scanned since then, and nothing of the time before.
    fn counted(&mut self, before: Option<&Counter>, counter: Counter) -> bool {
        let until = counter.told_at.as_second();
        let midnight = until - until.rem_euclid(24 * HOUR);
        let before = before.filter(|before| before.told_at.as_second() >= midnight);
        let (from, already) = before.map_or((midnight, 0), |before| (before.told_at.as_second(), before.bytes));
        if before.is_some() && until <= from {
            return false;
        }
        let bytes = i128::from(counter.bytes.saturating_sub(already));
        let so_far = |second: i64| bytes * i128::from(second - from) / i128::from((until - from).max(1));
        self.spread(from, until, |begins, seconds| Amount::new(so_far(begins + seconds) - so_far(begins), 0));
        true
    }

    /// Adds to each hour between two moments what is used from a moment on for so many seconds.
    fn spread(&mut self, from: i64, until: i64, used: impl Fn(i64, i64) -> Amount) {
        let mut begins = from;
        while begins < until {
            let hour = begins - begins.rem_euclid(HOUR);
            let ends = until.min(hour + HOUR);
            let seconds = ends - begins;
            let more = Used {
                amount: used(begins, seconds),
                running: Amount::new(i128::from(self.running) * i128::from(seconds), 0),
                seen: SignedDuration::from_secs(seconds),
            };
            self.hours.entry(at(hour)).or_default().used(self.sandbox, self.meter).add(&more);
            begins = ends;
        }
    }
}

/// What was used in the hours from one moment on until another, in one account or in all: the hour of the first moment
/// counts whole.
pub fn used(hours: &Hours, account: Option<&str>, from: Timestamp, until: Timestamp) -> BTreeMap<Meter, Used> {
    let prefix = account.map(|account| format!("{account}/")).unwrap_or_default();
    let from = hour_of(from);
    let mut sum: BTreeMap<Meter, Used> = BTreeMap::new();
    if from < until {
        for hour in hours.range(from..until).map(|(_, hour)| hour) {
            let of_account =
                hour.sandboxes.range(prefix.clone()..).take_while(|(sandbox, _)| sandbox.starts_with(&prefix));
            for (meter, used) in of_account.flat_map(|(_, meters)| meters) {
                sum.entry(*meter).or_default().add(used);
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests;
