//! How the clock of a zone runs: without a change for a stretch, then on with another offset.
//!
//! A local date is not always 24 hours, nor always in one piece, nor always there. Whoever counts along instants and
//! reads the clock on each stretch is right about all of that without knowing why clocks change.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// Further from the same reading in UTC than any offset there is, so that what a local date holds lies within.
const FAR: SignedDuration = SignedDuration::from_hours(26);

/// A span of instants in which the offset of the zone does not change: `from` is in it, `to` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) offset: Offset,
}

/// The stretches from one instant to another, in order and without a hole.
pub(super) fn stretches(zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    let changes = zone.following(from).map(|change| change.timestamp()).take_while(|at| *at < to);
    for at in std::iter::once(from).chain(changes) {
        let offset = zone.to_offset(at);
        match stretches.last_mut() {
            // Only the name of the time has changed, or whether it is called summer time.
            Some(last) if last.offset == offset => continue,
            Some(last) => last.to = at,
            None => {}
        }
        stretches.push(Stretch { from: at, to, offset });
    }
    stretches
}

/// Instants before the first date and after the last one, whatever the zone.
pub(super) fn around(first: Date, last: Date) -> (Timestamp, Timestamp) {
    let from = first.to_datetime(Time::midnight()).saturating_sub(FAR);
    let to = last.to_datetime(Time::MAX).saturating_add(FAR);
    // An instant that is too far to be told is as good as the last one that can be.
    let at = |reading, else_at| Offset::UTC.to_timestamp(reading).unwrap_or(else_at);
    (at(from, Timestamp::MIN), at(to, Timestamp::MAX))
}

/// The first instant at which the clock of the zone shows this time, or one past it where it skips that.
pub(super) fn first_instant(zone: &TimeZone, reading: DateTime) -> Timestamp {
    let (from, to) = around(reading.date(), reading.date());
    let reached = stretches(zone, from, to).into_iter().find_map(|stretch| {
        let at = stretch.offset.to_timestamp(reading).ok()?;
        (at < stretch.to).then(|| at.max(stretch.from))
    });
    reached.unwrap_or(to)
}

/// A time of day of which there are two, because the clock is set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occurrence {
    First,
    Second,
}

impl Occurrence {
    /// Which of the two this instant is; `None` where the clock shows its time only once.
    pub(super) fn of(zone: &TimeZone, at: Timestamp) -> Option<Self> {
        let offset = zone.to_offset(at);
        match zone.to_ambiguous_timestamp(offset.to_datetime(at)).offset() {
            AmbiguousOffset::Fold { before, .. } if before == offset => Some(Self::First),
            AmbiguousOffset::Fold { .. } => Some(Self::Second),
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => None,
        }
    }
}

impl fmt::Display for Occurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Second => "second",
        })
    }
}

/// A change of the clock: what it showed until then, and what it shows from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) at: Timestamp,
    pub(super) before: DateTime,
    pub(super) after: DateTime,
}

impl Change {
    /// The changes between two instants, in order.
    pub(super) fn between(zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Self> {
        let stretches = stretches(zone, from, to);
        let after = stretches.iter().skip(1);
        let change = |(before, after): (&Stretch, &Stretch)| Self {
            at: after.from,
            before: before.offset.to_datetime(after.from),
            after: after.offset.to_datetime(after.from),
        };
        stretches.iter().zip(after).map(change).collect()
    }

    /// What people have to know of it: which times do not exist, or exist twice.
    pub(super) fn told(&self) -> String {
        let Self { before, after, .. } = self;
        match before < after {
            true => format!("{} is skipped", span(*before, *after)),
            false => format!("{} comes twice", span(*after, *before)),
        }
    }
}

/// Two local times, with the dates where they are not the same or where a whole day lies between.
pub(super) fn span(from: DateTime, to: DateTime) -> String {
    let [from_time, to_time] = [from, to].map(|reading| reading.strftime("%H:%M"));
    let midnight = to.time() == Time::midnight() && from.date().tomorrow().is_ok_and(|next| next == to.date());
    match (from.date() == to.date(), midnight) {
        (true, _) => format!("{from_time}–{to_time}"),
        (false, true) => format!("{from_time}–24:00"),
        (false, false) => format!("{} {from_time} to {} {to_time}", from.date(), to.date()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    #[test]
    fn a_date_begins_at_its_first_instant() {
        for (name, date, expected) in [
            ("UTC", date(2027, 3, 28), "2027-03-28T00:00:00Z"),
            ("Europe/Madrid", date(2027, 3, 28), "2027-03-27T23:00:00Z"),
            ("Europe/Madrid", date(2027, 10, 31), "2027-10-30T22:00:00Z"),
            // Midnight is skipped: the date begins at 01:00.
            ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00:00Z"),
            // 23:00 of the day before comes twice, midnight once.
            ("America/Sao_Paulo", date(2018, 2, 18), "2018-02-18T03:00:00Z"),
            // At 00:01 back to 23:01: midnight comes twice, and the first counts.
            ("America/St_Johns", date(2010, 11, 7), "2010-11-07T02:30:00Z"),
            // The whole day is skipped: it would begin where the next one does.
            ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00:00Z"),
            ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00:00Z"),
        ] {
            let midnight = date.to_datetime(Time::midnight());
            assert_eq!(first_instant(&zone(name), midnight).to_string(), expected, "{name} {date}");
        }
    }

    #[test]
    fn a_change_is_told_by_the_times_that_it_skips_or_repeats() {
        for (name, first, expected) in [
            ("Europe/Madrid", date(2027, 3, 28), &["02:00–03:00 is skipped"][..]),
            ("Europe/Madrid", date(2027, 10, 31), &["02:00–03:00 comes twice"]),
            ("Europe/Madrid", date(2027, 6, 1), &[]),
            ("America/Sao_Paulo", date(2018, 11, 4), &["00:00–01:00 is skipped"]),
            ("America/Sao_Paulo", date(2018, 2, 17), &["23:00–24:00 comes twice"]),
            ("Australia/Lord_Howe", date(2027, 10, 3), &["02:00–02:30 is skipped"]),
            ("Australia/Lord_Howe", date(2027, 4, 4), &["01:30–02:00 comes twice"]),
            ("Pacific/Apia", date(2011, 12, 30), &["00:00–24:00 is skipped"]),
        ] {
            let (from, to) = around(first, first);
            let told: Vec<_> = Change::between(&zone(name), from, to).iter().map(Change::told).collect();
            assert_eq!(told, expected, "{name} {first}");
        }
    }

    #[test]
    fn only_repeated_times_have_two_occurrences() {
        for (at, expected) in [
            ("2027-10-30T23:59:59Z", None),
            ("2027-10-31T00:00:00Z", Some(Occurrence::First)),
            ("2027-10-31T00:59:59Z", Some(Occurrence::First)),
            ("2027-10-31T01:00:00Z", Some(Occurrence::Second)),
            ("2027-10-31T01:59:59Z", Some(Occurrence::Second)),
            ("2027-10-31T02:00:00Z", None),
        ] {
            assert_eq!(Occurrence::of(&zone("Europe/Madrid"), at.parse().unwrap()), expected, "{at}");
        }
    }
}
