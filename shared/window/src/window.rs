//! A window: whether a sandbox is open at an instant, and when that changes.

use std::borrow::Borrow;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::document::Document;
use crate::layer::{Dated, Period, Weekly};
use crate::tree::Node;
use crate::zone::{Edge, Gap, Reading, Zone, earlier};
use crate::{Calendar, Cause, Fault, Faults, Skipped, State, Transition, Verdict};

/// A valid window document, resolved against its zone.
///
/// All periods are half-open: the state at an edge is the new one.
#[derive(Clone, Debug)]
pub struct Window {
    document: Value,
    zone: Zone,
    calendar: Option<String>,
    /// What has dates, by rank: closures, extensions, closed dates.
    dated: [Dated; 3],
    /// The lowest rank.
    rules: Weekly,
}

impl Window {
    /// Whether the sandbox is open at an instant, as far as the document says: without its calendar and without locks.
    pub fn state_at(&self, instant: Timestamp) -> State {
        self.state(&self.zone.reading(instant))
    }

    /// What is in force at an instant and why. `calendar` is what the SSM Change Calendar says at that instant.
    ///
    /// Of entries of the same rank that cover the instant, the first of the document is named.
    pub fn verdict_at(&self, instant: Timestamp, calendar: Calendar) -> Verdict {
        let reading = self.zone.reading(instant);
        for layer in &self.dated {
            let decisive = layer.entries.iter().zip(0..).find(|(period, _)| period.covers(&reading));
            if let Some((period, index)) = decisive {
                let source = Some(path(layer.key, index));
                return Verdict { state: layer.state, cause: layer.cause, source, reason: period.reason.clone() };
            }
        }
        if calendar == Calendar::Closed {
            let source = Some("calendar".to_owned());
            return Verdict { state: State::Closed, cause: Cause::Holiday, source, reason: None };
        }
        let periods = self.rules_near(&reading, &reading).filter(|(_, period)| period.covers(&reading));
        match periods.map(|(index, _)| index).min() {
            Some(index) => {
                Verdict { state: State::Open, cause: Cause::Rule, source: Some(path("open", index)), reason: None }
            }
            None => Verdict { state: State::Closed, cause: Cause::Rule, source: None, reason: None },
        }
    }

    /// The changes of state with `from <= at < to`, in order, found one at a time as they are asked for. Edges at which
    /// the state stays what it was are none. The calendar and locks are not known here.
    pub fn transitions(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Transition> + '_ {
        self.changes(earlier(from).unwrap_or(from)).take_while(move |change| change.at < to)
    }

    /// The first change of state after an instant; none when the state stays for ever what it is.
    pub fn next_transition(&self, after: Timestamp) -> Option<Transition> {
        self.changes(after).next()
    }

    /// The periods that would begin on the dates from `from` to `to`, both included, and do not occur because the zone
    /// skips all of them; by the hours skipped, then in the order open rules, closed dates, extensions, closures.
    pub fn skipped(&self, from: Date, to: Date) -> impl Iterator<Item = Skipped> + '_ {
        let midnight = |date| DateTime::from_parts(date, Time::midnight());
        let start = self.zone.start_of(midnight(from)).unwrap_or(Timestamp::MIN);
        let end = self.zone.end_of(midnight(to.tomorrow().unwrap_or(to))).unwrap_or(Timestamp::MAX);
        let gaps = self.zone.gaps(start).take_while(move |gap| gap.at <= end);
        gaps.flat_map(|gap| self.skipped_by(gap)).filter(move |skipped| from <= skipped.date && skipped.date <= to)
    }

    /// Reads JSON text. Text that is no JSON is one fault, without a path and with its line and column.
    pub fn parse(text: &str) -> Result<Self, Faults> {
        let malformed = |error: serde_json::Error| {
            Faults(vec![Fault { path: String::new(), message: format!("the document is no JSON: {error}") }])
        };
        let node: Node = serde_json::from_str(text).map_err(malformed)?;
        let document = Document::read(&node)?;
        Ok(Self::new(document, serde_json::from_str(text).map_err(malformed)?))
    }

    /// Reads a JSON value. A value has forgotten keys that were there twice and may have forgotten their order; use
    /// [`Window::parse`] where the text is at hand.
    pub fn from_json(value: &Value) -> Result<Self, Faults> {
        let unreadable =
            |error: serde_json::Error| Faults(vec![Fault { path: String::new(), message: error.to_string() }]);
        let node: Node = serde::Deserialize::deserialize(value).map_err(unreadable)?;
        Ok(Self::new(Document::read(&node)?, value.clone()))
    }

    /// The document as it was given.
    pub fn to_json(&self) -> Value {
        self.document.clone()
    }

    /// The time zone of the document.
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone.time_zone
    }

    /// The name of the time zone, as the document and the IANA database write it.
    pub fn zone_name(&self) -> &str {
        &self.zone.name
    }

    /// Name or ARN of the SSM Change Calendar that the document names.
    pub fn calendar(&self) -> Option<&str> {
        self.calendar.as_deref()
    }

    fn new(document: Document, json: Value) -> Self {
        Self {
            document: json,
            zone: document.zone,
            calendar: document.calendar,
            dated: [
                Dated::new("closures", State::Closed, Cause::Closure, document.closures),
                Dated::new("extensions", State::Open, Cause::Extension, document.extensions),
                Dated::new("closed_dates", State::Closed, Cause::Holiday, document.closed_dates),
            ],
            rules: Weekly::new(document.rules),
        }
    }

    fn state(&self, reading: &Reading) -> State {
        match self.dated.iter().find(|layer| layer.covers(reading)) {
            Some(layer) => layer.state,
            None if self.rules.covers(reading) => State::Open,
            None => State::Closed,
        }
    }

    /// The changes after an instant.
    fn changes(&self, after: Timestamp) -> impl Iterator<Item = Transition> + '_ {
        let mut last = after;
        let mut reading = self.zone.reading(after);
        let mut state = self.state(&reading);
        std::iter::from_fn(move || {
            loop {
                last = self.next_edge(&reading).filter(|edge| last < *edge)?;
                reading = self.zone.reading(last);
                let now = self.state(&reading);
                if now != state {
                    state = now;
                    return Some(self.change(last, &reading, state));
                }
            }
        })
    }

    /// The next instant at which the state can change. What a higher rank decides, no edge of a lower one changes.
    fn next_edge(&self, reading: &Reading) -> Option<Timestamp> {
        let start_of = |local| self.zone.start_of(local);
        let end_of = |local| self.zone.end_of(local);
        let mut next: Option<Timestamp> = None;
        for layer in &self.dated {
            let decides = layer.covers(reading);
            let edge = if decides {
                layer.next_end(reading).and_then(end_of)
            } else {
                layer.next_start(reading).and_then(start_of)
            };
            next = next.into_iter().chain(edge).min();
            if decides {
                return next;
            }
        }
        let edge = if self.rules.constant {
            None
        } else if self.rules.covers(reading) {
            self.rules.next_end(reading).and_then(end_of)
        } else {
            self.rules.next_start(reading).and_then(start_of)
        };
        next.into_iter().chain(edge).min()
    }

    /// The change to `state` at an instant, with the entry of the highest rank that has its edge there. There always is
    /// one: one rank decides before and one after, and of these the higher is what begins or ends.
    fn change(&self, at: Timestamp, now: &Reading, state: State) -> Transition {
        let before = self.zone.reading(earlier(at).unwrap_or(at));
        let dated = self.dated.iter().find_map(|layer| {
            let entries = layer.entries.iter().zip(0..).map(|(period, index)| (index, period));
            let (edge, index) = self.edge_at(entries, &before, now, layer.state == state)?;
            let reason = layer.entries.get(index).and_then(|period| period.reason.clone());
            Some((cause(edge, layer.cause), Some(path(layer.key, index)), reason))
        });
        let (cause, source, reason) = dated.unwrap_or_else(|| {
            match self.edge_at(self.rules_near(&before, now), &before, now, state == State::Open) {
                Some((edge, index)) => (cause(edge, Cause::Rule), Some(path("open", index)), None),
                None => (Cause::Rule, None, None),
            }
        });
        Transition { at, state, cause, source, reason }
    }

    /// The edge, and its entry, of those that begin (or end) between two readings. One that lies there by itself
    /// explains more than one that a gap or a fold brought there.
    fn edge_at(
        &self,
        entries: impl Iterator<Item = (usize, impl Borrow<Period>)>,
        before: &Reading,
        now: &Reading,
        begins: bool,
    ) -> Option<(Edge, usize)> {
        entries
            .filter(|(_, period)| period.borrow().covers(now) == begins)
            .filter_map(|(index, period)| Some((self.zone.edge(period.borrow().edge(before, now)?), index)))
            .min_by_key(|(edge, index)| (*edge != Edge::Plain, *index))
    }

    /// The periods of rules that may be running at one of two readings, each with the place of its rule.
    fn rules_near(&self, before: &Reading, now: &Reading) -> impl Iterator<Item = (usize, Period)> + '_ {
        // A period runs into the next day at most.
        let first = before.ended.date().yesterday().unwrap_or(Date::MIN);
        dates(first, now.begun.date()).flat_map(|date| {
            self.rules.rules.iter().zip(0..).filter_map(move |(rule, index)| Some((index, rule.on(date)?)))
        })
    }

    /// The periods that lie wholly in skipped hours.
    fn skipped_by(&self, gap: Gap) -> Vec<Skipped> {
        let within = |period: &Period| gap.from <= period.from && period.to <= gap.to;
        let skipped = |source: String, period: &Period| Skipped {
            source,
            date: period.from.date(),
            from: period.from,
            to: period.to,
            gap_from: gap.from,
            gap_to: gap.to,
        };
        let rules = self.rules.rules.iter().zip(0..).flat_map(|(rule, index)| {
            dates(gap.from.date(), gap.to.date())
                .filter_map(|date| rule.on(date))
                .filter(within)
                .map(move |period| skipped(path("open", index), &period))
        });
        let dated = self.dated.iter().rev().flat_map(|layer| {
            let entries = layer.entries.iter().zip(0..).filter(|(period, _)| within(period));
            entries.map(|(period, index)| skipped(path(layer.key, index), period))
        });
        rules.chain(dated).collect()
    }
}

fn cause(edge: Edge, plain: Cause) -> Cause {
    match edge {
        Edge::Plain => plain,
        Edge::Gap => Cause::Gap,
        Edge::Fold => Cause::Fold,
    }
}

/// The dates from one to another, both included.
fn dates(first: Date, last: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(first), |date| date.tomorrow().ok()).take_while(move |date| *date <= last)
}

fn path(key: &str, index: usize) -> String {
    format!("{key}[{index}]")
}
