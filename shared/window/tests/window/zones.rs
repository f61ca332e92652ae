//! Every zone that is compiled in, at each turn of its clock from 2000 to 2037: windows before, across, inside and
//! after the hours that are skipped or repeated, overnight ones and whole days too.
//!
//! What is right is said by [`Clock`], which knows nothing but what the clock reads at each minute: a start is the
//! first minute at which it reads that time, an end the last one, and what it never reads is the first minute at which
//! it reads more.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use window::{Cause, State, Window};

use crate::EVERY_DAY;

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

/// How many minutes before and after a turn every single minute is looked at.
const CLOSE: i64 = 3 * HOUR;

#[test]
fn windows_open_and_close_once_at_each_turn_of_each_clock() {
    let zones = zones();
    let turns: Vec<(&Zone, usize)> =
        zones.iter().flat_map(|zone| (1..zone.offsets.len()).map(move |turn| (zone, turn))).collect();
    assert!(zones.len() > 150 && turns.len() > 5_000, "{} zones with {} turns", zones.len(), turns.len());
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((zone, turn)) = turns.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let clock = zone.clock(*turn);
                    each_window_by_itself(&clock, *turn);
                    a_closed_date(&clock);
                    windows_at_once(&clock, *turn);
                }
            });
        }
    });
}

/// Each window opens and closes once, at its minutes and for its cause; or it does not occur, and is named.
///
/// To be quick, each turn takes two thirds of the shapes; the others it takes in [`windows_at_once`].
fn each_window_by_itself(clock: &Clock<'_>, turn: usize) {
    for (index, (from, to)) in clock.shapes().into_iter().enumerate().filter(|(index, _)| index % 3 != turn % 3) {
        let form = Form::of(from, to, index + turn);
        let window = Form::document(clock.zone, &[(from, to, form)]);
        let (start, end) = (clock.start(from), clock.end(to));
        assert!(start <= end, "a negative length: {}", window.to_json());
        let expected = [
            (clock.instant(start), State::Open, clock.cause(from, form)),
            (clock.instant(end), State::Closed, clock.cause(to, form)),
        ];
        let occurs = start < end;
        let changes: Vec<_> = window
            .transitions(clock.instant(0), clock.instant(clock.readings.len()))
            .map(|change| (change.at, change.state, change.cause))
            .collect();
        assert_eq!(changes, if occurs { &expected[..] } else { &[] }, "{}", window.to_json());

        let date = civil(from).date();
        let skipped: Vec<_> = window.skipped(date, date).map(|skipped| (skipped.from, skipped.to)).collect();
        let expected = [(civil(from), civil(to))];
        assert_eq!(skipped, if occurs { &[] } else { &expected[..] }, "{}", window.to_json());
    }
}

/// A closed date closes once and opens once; or it does not occur, as 30 December 2011 did not in Apia.
fn a_closed_date(clock: &Clock<'_>) {
    let midnight = clock.turn.0.div_euclid(DAY) * DAY;
    let (start, end) = (clock.start(midnight), clock.end(midnight + DAY));
    let always = json!([{ "days": days(), "from": "00:00", "to": "24:00" }]);
    let date = civil(midnight).date();
    let window = json!({ "time_zone": clock.zone, "open": always, "closed_dates": [date.to_string()] });
    let window = Window::from_json(&window).unwrap();
    let changes: Vec<_> = window
        .transitions(clock.instant(0), clock.instant(clock.readings.len()))
        .map(|change| (change.at, change.state))
        .collect();
    let expected = [(clock.instant(start), State::Closed), (clock.instant(end), State::Open)];
    let occurs = start < end;
    assert_eq!(changes, if occurs { &expected[..] } else { &[] }, "{}", window.to_json());
    // A date that is skipped is skipped for the rule and for the closed date.
    assert_eq!(window.skipped(date, date).count(), if occurs { 0 } else { 2 }, "{}", window.to_json());
}

/// Several windows are open for the union of their minutes, and each way to ask gives the same answer at each minute.
fn windows_at_once(clock: &Clock<'_>, turn: usize) {
    let shapes = clock.shapes().into_iter().enumerate().filter(|(index, _)| index % 3 == turn % 3);
    let windows: Vec<_> = shapes.map(|(index, (from, to))| (from, to, Form::of(from, to, index))).collect();
    let window = Form::document(clock.zone, &windows);
    let mut open = vec![false; clock.readings.len()];
    for (from, to, _) in &windows {
        let (start, end) = (clock.start(*from), clock.end(*to));
        open[start..end.max(start)].fill(true);
    }

    let state = |open| if open { State::Open } else { State::Closed };
    let changes: Vec<_> = window.transitions(clock.instant(0), clock.instant(open.len())).collect();
    let edges = (1..open.len()).filter(|minute| open[minute - 1] != open[*minute]);
    let edges: Vec<_> = edges.map(|minute| (clock.instant(minute), state(open[minute]))).collect();
    let told: Vec<_> = changes.iter().map(|change| (change.at, change.state)).collect();
    assert_eq!(told, edges, "{}", window.to_json());

    let length = |from: Timestamp, to: Timestamp| to.duration_since(from).as_mins();
    let told = changes.chunks(2).map(|pair| length(pair[0].at, pair[1].at)).sum::<i64>();
    assert_eq!(told, i64::try_from(open.iter().filter(|open| **open).count()).unwrap(), "{}", window.to_json());

    let middle = open.len() / 2;
    let close = usize::try_from(CLOSE).unwrap();
    let first = clock.instant(middle - close);
    let mut changes = window.transitions(first, clock.instant(middle + close)).peekable();
    let mut now = window.state_at(first);
    for (minute, open) in open.iter().enumerate().take(middle + close).skip(middle - close) {
        let at = clock.instant(minute);
        if let Some(change) = changes.next_if(|change| change.at <= at) {
            now = change.state;
        }
        assert_eq!(window.state_at(at), state(*open), "{at}: {}", window.to_json());
        assert_eq!(now, state(*open), "transitions, {at}: {}", window.to_json());
    }
    assert!(changes.next().is_none());
}

/// A zone and its offsets, in minutes: each with the minute from which it holds.
struct Zone {
    name: String,
    offsets: Vec<(i64, i64)>,
}

/// All zones that are compiled in, one of those that turn their clocks at the same instants by the same hours.
fn zones() -> Vec<Zone> {
    let [first, last]: [Timestamp; 2] = ["2000-01-01T00:00:00Z", "2038-01-01T00:00:00Z"].map(|at| at.parse().unwrap());
    let minutes = |seconds: i64| {
        assert_eq!(seconds % 60, 0, "a clock of this century is turned at a full minute, by full minutes");
        seconds / 60
    };
    let database = TimeZoneDatabase::bundled();
    let mut zones = BTreeMap::new();
    for name in database.available() {
        let zone: TimeZone = database.get(name.as_str()).unwrap();
        let turns = zone.following(first).take_while(|turn| turn.timestamp() < last);
        let turns = turns.map(|turn| (minutes(turn.timestamp().as_second()), minutes(turn.offset().seconds().into())));
        let mut offsets = vec![(i64::MIN, minutes(zone.to_offset(first).seconds().into()))];
        offsets.extend(turns);
        // Turns are what is tested, so none may be missing.
        let mut held = offsets.clone().into_iter().peekable();
        let mut holds = held.next();
        for minute in (minutes(first.as_second())..minutes(last.as_second())).step_by(7 * 24 * 60) {
            while let Some(turn) = held.next_if(|(from, _)| *from <= minute) {
                holds = Some(turn);
            }
            let offset = zone.to_offset(Timestamp::from_second(minute * 60).unwrap());
            assert_eq!(holds.unwrap().1, minutes(offset.seconds().into()), "{name:?} at minute {minute}");
        }
        // Some turns change nothing but the name of the time.
        offsets.dedup_by_key(|(_, offset)| *offset);
        zones.entry(offsets).or_insert(name.as_str().to_owned());
    }
    zones.into_iter().map(|(offsets, name)| Zone { name, offsets }).collect()
}

impl Zone {
    /// The clock around one of its turns.
    fn clock(&self, turn: usize) -> Clock<'_> {
        let (at, after) = self.offsets[turn];
        let before = self.offsets[turn - 1].1;
        let around = 30 * HOUR + (after - before).abs();
        let mut holds = 0;
        let readings = (at - around..at + around).map(|minute| {
            while self.offsets.get(holds + 1).is_some_and(|(from, _)| *from <= minute) {
                holds += 1;
            }
            minute + self.offsets[holds].1
        });
        let turn = (at + before.min(after), at + before.max(after));
        Clock { zone: &self.name, first: at - around, readings: readings.collect(), turn }
    }
}

/// What the clock of a zone reads, minute by minute. Local times are minutes since 1970, read as if they were UTC.
struct Clock<'z> {
    zone: &'z str,
    /// The first minute.
    first: i64,
    readings: Vec<i64>,
    /// The local times that are skipped or repeated at the turn in the middle.
    turn: (i64, i64),
}

impl Clock<'_> {
    /// The minute of a start.
    fn start(&self, from: i64) -> usize {
        self.read(from).map_or_else(|| self.beyond(from), |(first, _)| first)
    }

    /// The minute of an end.
    fn end(&self, to: i64) -> usize {
        self.read(to).map_or_else(|| self.beyond(to), |(_, last)| last)
    }

    fn cause(&self, edge: i64, form: Form) -> Cause {
        match (self.read(edge), form) {
            (None, _) => Cause::Gap,
            (Some((first, last)), _) if first != last => Cause::Fold,
            (Some(_), Form::Rule) => Cause::Rule,
            (Some(_), Form::Extension) => Cause::Extension,
        }
    }

    /// The first and the last minute at which the clock reads this.
    fn read(&self, local: i64) -> Option<(usize, usize)> {
        // The clock is turned by as much as this at most, so it cannot be read farther away than that.
        let near = usize::try_from(local - self.readings[0]).unwrap();
        let turned = usize::try_from(self.turn.1 - self.turn.0).unwrap();
        let minutes = near.saturating_sub(turned)..(near + turned + 1).min(self.readings.len());
        let mut read = minutes.filter(|minute| self.readings[*minute] == local);
        read.next().map(|first| (first, read.next_back().unwrap_or(first)))
    }

    /// The first minute at which the clock reads more.
    fn beyond(&self, skipped: i64) -> usize {
        self.readings.iter().position(|reading| skipped < *reading).unwrap()
    }

    fn instant(&self, minute: usize) -> Timestamp {
        Timestamp::from_second((self.first + i64::try_from(minute).unwrap()) * 60).unwrap()
    }

    /// Windows around the turn, each from one local time to another.
    fn shapes(&self) -> Vec<(i64, i64)> {
        let (low, high) = self.turn;
        let third = ((high - low) / 3).max(1);
        vec![
            (low - 90, low - 30),
            (low - 60, low),
            (low - 60, low + third),
            (low - 60, high),
            (low - 30, high + 30),
            (low, low + third),
            (low, high),
            (low, high + 60),
            (low + third, high - third),
            (low + third, high),
            (low + third, high + 60),
            (high - third, high + 1),
            (high, high + 45),
            (high + 20, high + 80),
            (low + third - 20 * HOUR, low + third),
            (low + third, low + third + 20 * HOUR),
            (low - DAY / 2, low + DAY / 2 - 1),
        ]
    }
}

/// What a window is written as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Rule,
    Extension,
}

impl Form {
    /// One form or the other; a rule is shorter than a day.
    fn of(from: i64, to: i64, turn: usize) -> Self {
        if turn.is_multiple_of(2) && to - from < DAY { Self::Rule } else { Self::Extension }
    }

    fn document(zone: &str, windows: &[(i64, i64, Self)]) -> Window {
        let written = |form: Self, write: fn(i64, i64) -> Value| -> Vec<Value> {
            windows.iter().filter(|window| window.2 == form).map(|(from, to, _)| write(*from, *to)).collect()
        };
        let rules = written(Self::Rule, |from, to| {
            let day = civil(from).strftime("%a").to_string().to_lowercase();
            json!({ "days": [day], "from": civil(from).strftime("%H:%M").to_string(),
                "to": civil(to).strftime("%H:%M").to_string() })
        });
        let extensions = written(Self::Extension, |from, to| {
            json!({ "from": civil(from).strftime("%Y-%m-%dT%H:%M").to_string(),
                "until": civil(to).strftime("%Y-%m-%dT%H:%M").to_string(), "reason": "why" })
        });
        let document = json!({ "time_zone": zone, "open": rules, "extensions": extensions });
        Window::from_json(&document).unwrap()
    }
}

fn civil(minutes: i64) -> DateTime {
    Offset::UTC.to_datetime(Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes))
}

fn days() -> Value {
    serde_json::from_str(EVERY_DAY).unwrap()
}
