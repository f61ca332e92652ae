//! What there is to draw of a day: its hours, its periods, and what is special about it.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use window::{Skipped, State, Window};

use super::super::clock::{Change, Occurrence, Stretch, around, span, stretches};
use super::super::simulate::hours;
use super::super::{ClosedDate, Entries, OneOff};
use super::dates;

/// The days of a month.
pub(super) struct Month {
    pub(super) days: Vec<Day>,
}

/// A local date.
pub(super) struct Day {
    pub(super) date: Date,
    pub(super) hours: [Hour; 24],
    /// The times it is open, in order.
    pub(super) periods: Vec<Period>,
    pub(super) notes: Vec<Note>,
    /// How long it lasts: not always 24 hours.
    pub(super) length: SignedDuration,
    /// How long it is open.
    pub(super) open: SignedDuration,
}

/// An hour of the clock. One that comes twice is the sum of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hour {
    Open,
    /// Open for its first half exactly.
    FirstHalf,
    /// Open for its second half exactly.
    SecondHalf,
    /// Open for any other part of it.
    Part,
    Closed,
    /// The clock does not show it on this day.
    Skipped,
}

/// A time that the sandbox is open; an end is missing where it lies on another day.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) opens: Option<String>,
    pub(super) closes: Option<String>,
}

/// Something special about a day.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) kind: Kind,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Holiday,
    Extension,
    Closure,
    Clock,
}

/// A span of instants in one state and with one offset, as the clock shows it.
struct Piece {
    from: DateTime,
    to: DateTime,
    state: State,
}

impl Month {
    /// The month that begins with this date.
    pub(super) fn of(window: &Window, first: Date) -> Self {
        let (zone, last) = (window.time_zone(), first.last_of_month());
        let (from, to) = around(first, last);
        let spans = spans(window, from, to);
        let stretches = stretches(zone, from, to);
        let pieces: Vec<_> = stretches.iter().flat_map(|stretch| pieces(&spans, *stretch)).collect();
        let changes = Change::between(zone, from, to);
        let entries = Entries::of(window);
        let skipped: Vec<_> = window.skipped(first, last).collect();
        let day = |date| {
            let of_day: Vec<_> = pieces.iter().filter_map(|piece| piece.on(date)).collect();
            let total = |state: Option<State>| {
                let counted = of_day.iter().filter(|piece| state.is_none_or(|state| piece.state == state));
                counted.fold(SignedDuration::ZERO, |sum, piece| sum.saturating_add(piece.length()))
            };
            let length = total(None);
            let mut notes = entries.notes(date);
            notes.extend(clock(date, length, &changes));
            notes.extend(skipped.iter().filter(|skipped| skipped.date == date).map(not_occurring));
            Day {
                date,
                hours: std::array::from_fn(|hour| Hour::of(hour, date, &of_day)),
                periods: periods(date, &spans, zone),
                notes,
                length,
                open: total(Some(State::Open)),
            }
        };
        Self { days: dates(first).map(day).collect() }
    }
}

/// A span of instants in one state.
#[derive(Clone, Copy)]
struct Span {
    from: Timestamp,
    to: Timestamp,
    state: State,
}

/// The states from one instant to another, in order and without a hole.
fn spans(window: &Window, from: Timestamp, to: Timestamp) -> Vec<Span> {
    let first = Span { from, to, state: window.state_at(from) };
    window.transitions(from, to).filter(|transition| transition.at > from).fold(vec![first], |mut spans, transition| {
        if let Some(last) = spans.last_mut() {
            last.to = transition.at;
        }
        spans.push(Span { from: transition.at, to, state: transition.state });
        spans
    })
}

/// What the clock shows of each state while its offset does not change.
fn pieces(spans: &[Span], stretch: Stretch) -> impl Iterator<Item = Piece> {
    spans.iter().filter_map(move |span| {
        let (from, to) = (span.from.max(stretch.from), span.to.min(stretch.to));
        let reading = |at| stretch.offset.to_datetime(at);
        (from < to).then(|| Piece { from: reading(from), to: reading(to), state: span.state })
    })
}

impl Piece {
    /// The part of it that lies on a date.
    fn on(&self, date: Date) -> Option<Self> {
        let midnight = date.to_datetime(Time::midnight());
        self.within(midnight, midnight.saturating_add(SignedDuration::from_hours(24)))
    }

    fn within(&self, from: DateTime, to: DateTime) -> Option<Self> {
        let (from, to) = (self.from.max(from), self.to.min(to));
        (from < to).then_some(Self { from, to, state: self.state })
    }

    fn length(&self) -> SignedDuration {
        self.to.duration_since(self.from)
    }
}

impl Hour {
    fn of(hour: usize, date: Date, pieces: &[Piece]) -> Self {
        /// How much of half an hour is open.
        #[derive(PartialEq, Eq)]
        enum Half {
            All,
            Some,
            None,
            Skipped,
        }
        let half = |start: i64| {
            let from = date.to_datetime(Time::midnight()).saturating_add(SignedDuration::from_mins(start));
            let to = from.saturating_add(SignedDuration::from_mins(30));
            let states: Vec<_> = pieces.iter().filter_map(|piece| piece.within(from, to)).map(|p| p.state).collect();
            match (states.contains(&State::Open), states.contains(&State::Closed)) {
                (true, true) => Half::Some,
                (true, false) => Half::All,
                (false, true) => Half::None,
                (false, false) => Half::Skipped,
            }
        };
        let start = i64::try_from(hour).unwrap_or_default() * 60;
        match (half(start), half(start + 30)) {
            (Half::Skipped, Half::Skipped) => Self::Skipped,
            (Half::Some, _) | (_, Half::Some) => Self::Part,
            (Half::All, Half::All) => Self::Open,
            (Half::All, _) => Self::FirstHalf,
            (_, Half::All) => Self::SecondHalf,
            (Half::None | Half::Skipped, Half::None | Half::Skipped) => Self::Closed,
        }
    }
}

/// The periods that touch a date, with the ends that lie on it.
fn periods(date: Date, spans: &[Span], zone: &TimeZone) -> Vec<Period> {
    let on_clock = |at: Timestamp| zone.to_datetime(at);
    let told = |at| {
        let time = on_clock(at).strftime("%H:%M").to_string();
        Occurrence::of(zone, at).map_or(time.clone(), |occurrence| format!("{time} ({occurrence})"))
    };
    let open = spans.iter().filter(|span| span.state == State::Open);
    let touching = open.filter_map(|span| {
        // The last instant is a part of the period, its end is not: what ends at midnight ends on the day before.
        let last = span.to.as_nanosecond().checked_sub(1).and_then(|at| Timestamp::from_nanosecond(at).ok())?;
        let (first, last) = (on_clock(span.from).date(), on_clock(last).date());
        (first <= date && date <= last).then(|| Period {
            opens: (first == date).then(|| told(span.from)),
            closes: (last == date)
                .then(|| if on_clock(span.to).date() == date { told(span.to) } else { "24:00".to_owned() }),
        })
    });
    touching.collect()
}

impl Entries {
    /// What the document says of a single date.
    fn notes(&self, date: Date) -> Vec<Note> {
        let holiday = self.closed_dates.iter().any(|closed| match *closed {
            ClosedDate::One(one) => one == date,
            ClosedDate::Range { from, to } => from <= date && date <= to,
        });
        let holiday = holiday.then(|| Note { kind: Kind::Holiday, text: "holiday".to_owned() });
        let of = |kind, name, entries: &[OneOff]| {
            let notes = entries.iter().filter_map(|entry| Some((entry.on(date)?, &entry.reason)));
            let notes = notes.map(|(when, reason)| Note { kind, text: format!("{name} {when}: {reason}") });
            notes.collect::<Vec<_>>()
        };
        let extensions = of(Kind::Extension, "extension", &self.extensions);
        let closures = of(Kind::Closure, "closure", &self.closures);
        holiday.into_iter().chain(extensions).chain(closures).collect()
    }
}

impl OneOff {
    /// The part of it on a date, written as the times are.
    fn on(&self, date: Date) -> Option<String> {
        let midnight = date.to_datetime(Time::midnight());
        let next = midnight.saturating_add(SignedDuration::from_hours(24));
        if self.from >= next || self.until <= midnight {
            return None;
        }
        let time = |reading: DateTime| reading.strftime("%H:%M").to_string();
        let from = if self.from >= midnight { time(self.from) } else { String::new() };
        let until = match self.until {
            until if until == next => "24:00".to_owned(),
            until if until < next => time(until),
            _ => String::new(),
        };
        Some(if from.is_empty() && until.is_empty() { "all day".to_owned() } else { format!("{from}–{until}") })
    }
}

/// What the clock does on a date, and how long that makes it.
fn clock(date: Date, length: SignedDuration, changes: &[Change]) -> Option<Note> {
    let text = if length.is_zero() {
        "no such day: the clock skips it".to_owned()
    } else {
        let midnight = date.to_datetime(Time::midnight());
        let told = |change: &&Change| {
            let (from, to) = (change.before.min(change.after), change.before.max(change.after));
            from.date() <= date && midnight < to
        };
        let told: Vec<_> = changes.iter().filter(told).map(Change::told).collect();
        (!told.is_empty()).then(|| format!("{}: {}", hours(length), told.join(", ")))?
    };
    Some(Note { kind: Kind::Clock, text })
}

/// A period that is missing on the day.
fn not_occurring(Skipped { source, from, to, .. }: &Skipped) -> Note {
    Note { kind: Kind::Clock, text: format!("{source} does not occur: {}", span(*from, *to)) }
}
