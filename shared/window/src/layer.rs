//! The periods of a document, by rank: what covers a moment, and which edge comes next.
//!
//! Everything is compared in local time, against a [`Reading`]. That is exact, because what has begun and what has
//! ended only ever grow with time: periods that touch or overlap in local time do so in real time, in every zone.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time, Weekday};

use crate::zone::Reading;
use crate::{Cause, State};

const DAY: i64 = 24 * 60;
const WEEK: i64 = 7 * DAY;

/// A stretch of local time, and the reason that its entry gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) from: DateTime,
    pub(crate) to: DateTime,
    pub(crate) reason: Option<String>,
}

impl Period {
    /// Whether it is running. One that lies wholly in skipped hours never is.
    pub(crate) fn covers(&self, reading: &Reading) -> bool {
        self.from <= reading.begun && reading.ended < self.to
    }

    /// The edge that makes it running or not running from one reading to a later one.
    pub(crate) fn edge(&self, before: &Reading, now: &Reading) -> Option<DateTime> {
        match (self.covers(before), self.covers(now)) {
            (false, true) => Some(self.from),
            (true, false) => Some(self.to),
            _ => None,
        }
    }
}

/// Periods with dates, all of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Dated {
    /// The key of the document that they stand under.
    pub(crate) key: &'static str,
    /// What they make of a sandbox.
    pub(crate) state: State,
    pub(crate) cause: Cause,
    /// As they stand in the document.
    pub(crate) entries: Vec<Period>,
    /// The union of them, in order, apart from each other.
    union: Vec<(DateTime, DateTime)>,
}

impl Dated {
    pub(crate) fn new(key: &'static str, state: State, cause: Cause, entries: Vec<Period>) -> Self {
        let union = union(entries.iter().map(|period| (period.from, period.to)).collect());
        Self { key, state, cause, entries, union }
    }

    pub(crate) fn covers(&self, reading: &Reading) -> bool {
        self.running(reading).is_some_and(|(from, _)| *from <= reading.begun)
    }

    /// The next end.
    pub(crate) fn next_end(&self, reading: &Reading) -> Option<DateTime> {
        self.running(reading).map(|(_, to)| *to)
    }

    /// The next start.
    pub(crate) fn next_start(&self, reading: &Reading) -> Option<DateTime> {
        self.union.get(self.union.partition_point(|(from, _)| *from <= reading.begun)).map(|(from, _)| *from)
    }

    /// The first that has not ended, whether it has begun or not.
    fn running(&self, reading: &Reading) -> Option<&(DateTime, DateTime)> {
        self.union.get(self.union.partition_point(|(_, to)| *to <= reading.ended))
    }
}

/// A rule: a period of each week, on some days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) days: Vec<Weekday>,
    pub(crate) from: Time,
    /// Not after `from`: on the next day.
    pub(crate) to: Time,
}

impl Rule {
    /// Its period that opens on a date.
    pub(crate) fn on(&self, date: Date) -> Option<Period> {
        if !self.days.contains(&date.weekday()) {
            return None;
        }
        let last = if self.to <= self.from { date.tomorrow().ok()? } else { date };
        let (from, to) = (DateTime::from_parts(date, self.from), DateTime::from_parts(last, self.to));
        Some(Period { from, to, reason: None })
    }

    /// Its period in minutes of its opening day, and of the next past 24 hours.
    fn minutes(&self) -> (i64, i64) {
        let (from, to) = (minute(self.from), minute(self.to));
        (from, if to <= from { to.saturating_add(DAY) } else { to })
    }
}

/// All rules.
#[derive(Clone, Debug)]
pub(crate) struct Weekly {
    /// As they stand in the document.
    pub(crate) rules: Vec<Rule>,
    /// For each opening day from Monday on, the union of their periods.
    days: [Vec<(i64, i64)>; 7],
    /// Whether they say the same at every time of the week.
    pub(crate) constant: bool,
}

impl Weekly {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        let days = [
            Weekday::Monday,
            Weekday::Tuesday,
            Weekday::Wednesday,
            Weekday::Thursday,
            Weekday::Friday,
            Weekday::Saturday,
            Weekday::Sunday,
        ]
        .map(|day| union(rules.iter().filter(|rule| rule.days.contains(&day)).map(Rule::minutes).collect()));
        let week = days.iter().zip(0_i64..).flat_map(|(periods, day)| {
            let midnight = day.saturating_mul(DAY);
            periods.iter().map(move |(from, to)| (from.saturating_add(midnight), to.saturating_add(midnight)))
        });
        // What runs past Sunday is there again on Monday.
        let week = week.flat_map(|(from, to)| [(from, to), (from.saturating_sub(WEEK), to.saturating_sub(WEEK))]);
        let week = union(week.collect());
        let constant = week.is_empty() || week.iter().any(|(from, to)| *from <= 0 && WEEK <= *to);
        Self { rules, days, constant }
    }

    pub(crate) fn covers(&self, reading: &Reading) -> bool {
        // A period runs into the next day at most.
        std::iter::successors(reading.ended.date().yesterday().ok(), |date| date.tomorrow().ok())
            .take_while(|date| *date <= reading.begun.date())
            .any(|date| {
                let periods = self.on(date);
                let ended = minute_since(date, reading.ended);
                periods
                    .get(periods.partition_point(|(_, to)| *to <= ended))
                    .is_some_and(|(from, _)| *from <= minute_since(date, reading.begun))
            })
    }

    /// The next end of the periods of one opening day.
    pub(crate) fn next_end(&self, reading: &Reading) -> Option<DateTime> {
        let mut next = None;
        for date in dates(reading.ended.date().yesterday().ok()?) {
            if next.is_some_and(|end| end < DateTime::from_parts(date, Time::midnight())) {
                break;
            }
            let (periods, ended) = (self.on(date), minute_since(date, reading.ended));
            let first = periods.get(periods.partition_point(|(_, to)| *to <= ended));
            let end = first.and_then(|(_, to)| local(date, *to));
            next = next.into_iter().chain(end).min();
        }
        next
    }

    /// The next start.
    pub(crate) fn next_start(&self, reading: &Reading) -> Option<DateTime> {
        dates(reading.begun.date()).find_map(|date| {
            let (periods, begun) = (self.on(date), minute_since(date, reading.begun));
            let first = periods.get(periods.partition_point(|(from, _)| *from <= begun));
            first.and_then(|(from, _)| local(date, *from))
        })
    }

    /// The union of the periods that open on a date, in minutes of it.
    fn on(&self, date: Date) -> &[(i64, i64)] {
        let day = usize::try_from(date.weekday().to_monday_zero_offset()).ok();
        day.and_then(|day| self.days.get(day)).map_or(&[], Vec::as_slice)
    }
}

/// The dates of a week and a bit: from the day before to the same day of the next week.
fn dates(first: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(first), |date| date.tomorrow().ok()).take(9)
}

/// The minute of the day.
fn minute(time: Time) -> i64 {
    i64::from(time.hour()).saturating_mul(60).saturating_add(i64::from(time.minute()))
}

/// The whole minutes of local time since the midnight of a date; the clock reads no less, and less than one more.
fn minute_since(date: Date, local: DateTime) -> i64 {
    let days = if local.date() == date { 0 } else { local.date().duration_since(date).as_hours() / 24 };
    days.saturating_mul(DAY).saturating_add(minute(local.time()))
}

fn local(date: Date, minute: i64) -> Option<DateTime> {
    DateTime::from_parts(date, Time::midnight()).checked_add(SignedDuration::from_mins(minute)).ok()
}

/// Periods in order and apart from each other: those that touch or overlap are one.
fn union<T: Ord + Copy>(mut periods: Vec<(T, T)>) -> Vec<(T, T)> {
    periods.sort_unstable();
    let mut union: Vec<(T, T)> = Vec::with_capacity(periods.len());
    for (from, to) in periods {
        match union.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => union.push((from, to)),
        }
    }
    union
}
