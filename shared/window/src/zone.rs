//! What the clocks of a zone read, and when: the rule for hours that are skipped or repeated, in one place.

use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

/// The zones that are compiled in. Those of the machine are never asked, so that all machines agree.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

const INSTANT: SignedDuration = SignedDuration::from_nanos(1);

/// A zone of the IANA database.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    pub(crate) name: String,
    pub(crate) time_zone: TimeZone,
}

impl Zone {
    /// The zone of this name, written exactly as the IANA database writes it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let time_zone = ZONES.get(name).ok()?;
        // The database looks names up without regard to case; AWS and other readers of the document do not.
        (time_zone.iana_name() == Some(name)).then(|| Self { name: name.to_owned(), time_zone })
    }

    /// The names of all zones.
    pub(crate) fn names() -> impl Iterator<Item = String> {
        ZONES.available().map(|name| name.as_str().to_owned())
    }

    /// What has begun and what has ended at an instant.
    pub(crate) fn reading(&self, instant: Timestamp) -> Reading {
        let offset = self.time_zone.to_offset(instant);
        let clock = offset.to_datetime(instant);
        let mut reading = Reading { begun: clock, ended: clock };
        let AmbiguousOffset::Fold { before, after } = self.time_zone.to_ambiguous_timestamp(clock).offset() else {
            return reading;
        };
        if offset == before {
            // The clock reads this for the first time. Whatever ends in the repeated hours ends at its last
            // occurrence, which is still to come.
            let first = self.turn(instant, after).and_then(|turn| just_before(after.to_datetime(turn)));
            reading.ended = first.unwrap_or(clock);
        } else {
            // The clock reads this for the second time. Whatever starts in the repeated hours has started already.
            let turn = before_turn(after, before, instant).and_then(|start| self.turn(start, after));
            reading.begun = turn.and_then(|turn| just_before(before.to_datetime(turn))).unwrap_or(clock);
        }
        reading
    }

    /// The instant of a start: its first occurrence, or the first instant after the hours that are skipped.
    /// None outside the years that can be represented.
    pub(crate) fn start_of(&self, local: DateTime) -> Option<Timestamp> {
        match self.time_zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok(),
            AmbiguousOffset::Gap { before, after } => {
                // With the offset before the gap, a skipped time comes out at or after the turn of the clock.
                let beyond = before.to_timestamp(local).ok()?;
                self.turn(before_turn(before, after, beyond)?, after)
            }
        }
    }

    /// The instant of an end: as for a start, but the last occurrence.
    pub(crate) fn end_of(&self, local: DateTime) -> Option<Timestamp> {
        match self.time_zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Fold { after, .. } => after.to_timestamp(local).ok(),
            _ => self.start_of(local),
        }
    }

    /// Whether the zone skips or repeats a local time.
    pub(crate) fn edge(&self, local: DateTime) -> Edge {
        match self.time_zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { .. } => Edge::Plain,
            AmbiguousOffset::Gap { .. } => Edge::Gap,
            AmbiguousOffset::Fold { .. } => Edge::Fold,
        }
    }

    /// The first instant after this one at which the clock is turned to an offset.
    ///
    /// Turns are always sought forwards. Backwards, jiff 0.2.43 misses the last turn of a zone's table where that is
    /// not one of its yearly rule, as that of 20 January 2019 in America/Metlakatla.
    fn turn(&self, after: Timestamp, offset: Offset) -> Option<Timestamp> {
        self.time_zone.following(after).find(|turn| turn.offset() == offset).map(|turn| turn.timestamp())
    }

    /// The local times that the zone skips, from the first to the first after them, at turns of the clock from an
    /// instant on.
    pub(crate) fn gaps(&self, from: Timestamp) -> impl Iterator<Item = Gap> + '_ {
        self.time_zone.following(earlier(from).unwrap_or(from)).filter_map(|turn| {
            let before = self.time_zone.to_offset(earlier(turn.timestamp())?);
            let (from, to) = (before.to_datetime(turn.timestamp()), turn.offset().to_datetime(turn.timestamp()));
            (from < to).then_some(Gap { at: turn.timestamp(), from, to })
        })
    }
}

/// What has begun and what has ended at an instant, by local time.
///
/// Outside repeated hours both are what the clock reads. This is the whole rule of edges: a start in a skipped hour has
/// come as soon as the clock reads more, which is the first instant after the gap, and so has an end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Starts up to this local time have come.
    pub(crate) begun: DateTime,
    /// Ends up to this local time have come.
    pub(crate) ended: DateTime,
}

/// How a zone reads a local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// Once.
    Plain,
    /// Never.
    Gap,
    /// Twice.
    Fold,
}

/// Local times that a zone skips.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    /// When the clock is turned.
    pub(crate) at: Timestamp,
    /// What it would have read.
    pub(crate) from: DateTime,
    /// What it reads instead.
    pub(crate) to: DateTime,
}

/// The instant before this one; none before the first.
pub(crate) fn earlier(instant: Timestamp) -> Option<Timestamp> {
    instant.checked_sub(INSTANT).ok()
}

/// The instant that is as long before this one as a clock is turned from the lesser offset to the greater: an instant
/// before the turn, where this one is less than that after it.
fn before_turn(lesser: Offset, greater: Offset, instant: Timestamp) -> Option<Timestamp> {
    instant.checked_sub(greater.duration_since(lesser)).ok()
}

fn just_before(local: DateTime) -> Option<DateTime> {
    local.checked_sub(INSTANT).ok()
}
