//! `guardrails window simulate`: every time that a sandbox opens or closes, and why.

use std::io::Read;

use clap::Args;
use clap::builder::styling::{AnsiColor, Style};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::Serialize;
use window::{Cause, Skipped, State, Transition, Window};

use super::clock::{first_instant, span};
use super::{date, local, read_valid, unseen_calendar};
use crate::answer::{Answer, Exit, Failure, Input, Look, printable};

const EXAMPLES: &str = "\
Examples:
  guardrails window simulate window.json --from 2027-03-22 --to 2027-03-29
  guardrails window simulate window.json --from 2027-01-01 --to 2028-01-01 \\
    --json | jq -r '[.local, .offset, .state, .cause] | @tsv'

A line of `--json`, one for each transition:
  at      the instant, in UTC
  state   `open` or `closed`, from this instant on
  cause   `initial` in the first line, then `rule`, `holiday`, `extension` or
          `closure`, as the entry is; or, where daylight saving decides about
          this very moment, `gap` (the time of the entry is skipped, so that it
          moved forward) or `fold` (it comes twice)
  local   what the clock shows in the document's zone
  offset  its offset from UTC
  source  the entry that makes the change, such as `open[0]`; not in the first line
  reason  the reason that an extension or a closure gives

What daylight saving makes of a document is told by `guardrails window --help`.

Exit codes:
  0  the transitions are printed
  2  nothing can be printed: usage, an unreadable file, not JSON, a faulty document";

/// Print every time that a sandbox opens and closes, and why
///
/// The first line is the state at the start, and the last transition is before the end: what changes at the very
/// first instant is in the first line already, what changes at the last one is not shown. Both dates begin at
/// midnight of the document's zone, or at the first instant that they have where midnight is skipped.
///
/// A period that does not occur, because the clock skips all of it, is noted in its place; with `--json` on standard
/// error.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Simulate {
    /// A window document; `-` reads standard input
    file: Input,

    /// The date that begins the time, such as `2027-03-22`
    #[arg(long, value_name = "DATE", value_parser = date)]
    from: Date,

    /// The date that ends it and is not part of it any more
    #[arg(long, value_name = "DATE", value_parser = date)]
    to: Date,

    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl Simulate {
    pub(crate) fn run(&self, stdin: impl Read, look: Look) -> Result<Answer, Failure> {
        if self.to < self.from {
            return Err(Failure::Reversed { from: self.from, to: self.to });
        }
        let window = read_valid(&self.file, stdin)?;
        let simulation = Simulation::new(&window, self.from, self.to);
        let mut notes: Vec<String> = unseen_calendar(&window).into_iter().collect();
        let text = match self.json {
            true => {
                notes.extend(simulation.skipped.iter().map(not_occurring));
                simulation.json()
            }
            false => simulation.text(look),
        };
        Ok(Answer { text, notes, exit: Exit::Good })
    }
}

/// What happens from one date to another.
struct Simulation<'a> {
    zone: &'a TimeZone,
    zone_name: &'a str,
    /// The first is the state at the start.
    transitions: Vec<Transition>,
    end: Timestamp,
    skipped: Vec<Skipped>,
}

impl<'a> Simulation<'a> {
    fn new(window: &'a Window, from: Date, to: Date) -> Self {
        let zone = window.time_zone();
        let [start, end] = [from, to].map(|date| first_instant(zone, date.to_datetime(Time::midnight())));
        let state = window.state_at(start);
        let initial = Transition { at: start, state, cause: Cause::Initial, source: None, reason: None };
        let later = window.transitions(start, end).filter(|transition| transition.at > start);
        let transitions = std::iter::once(initial).chain(later).collect();
        let skipped = match to.checked_sub(1.day()) {
            Ok(last) if from <= last => window.skipped(from, last).collect(),
            _ => Vec::new(),
        };
        Self { zone, zone_name: window.zone_name(), transitions, end, skipped }
    }

    fn json(&self) -> String {
        let line = |transition| {
            // Only maps with keys that are not text cannot be JSON.
            serde_json::to_string(&Line::of(transition, self.zone)).unwrap_or_default() + "\n"
        };
        self.transitions.iter().map(line).collect()
    }

    /// A line for each transition, a note where a period would have been, and a last line that sums up.
    fn text(&self, look: Look) -> String {
        let heading = format!("{:27}  {:20}  {:6}  {:9}  entry", "local time", "UTC", "state", "cause");
        let mut text = look.paint(Style::new().dimmed(), heading) + "\n";
        let mut skipped = self.skipped.iter().peekable();
        let note = |skipped| {
            look.paint(AnsiColor::Yellow.on_default(), format_args!("note: {}", not_occurring(skipped))) + "\n"
        };
        for transition in &self.transitions {
            let before = |skipped: &&Skipped| first_instant(self.zone, skipped.from) < transition.at;
            while let Some(skipped) = skipped.next_if(before) {
                text += &note(skipped);
            }
            text += &self.line(transition, look);
        }
        text.extend(skipped.map(note));
        text + "\n" + &self.sum() + "\n"
    }

    fn line(&self, Transition { at, state, cause, source, reason }: &Transition, look: Look) -> String {
        let local = local(self.zone, *at);
        let state = look.paint(style_of(*state), format_args!("{state:6}"));
        let cause = match cause {
            Cause::Gap | Cause::Fold => look.paint(AnsiColor::Yellow.on_default(), format_args!("{cause:9}")),
            _ => format!("{cause:9}"),
        };
        let reason = reason.as_deref().map(|reason| format!(": {}", printable(reason))).unwrap_or_default();
        let entry = source.as_deref().unwrap_or_default();
        format!("{local:27}  {at:20}  {state}  {cause}  {entry}{reason}").trim_end().to_owned() + "\n"
    }

    /// How long it is open, and how often that changes.
    fn sum(&self) -> String {
        let ends = self.transitions.iter().skip(1).map(|transition| transition.at).chain([self.end]);
        let spans = self.transitions.iter().zip(ends);
        let open = spans.filter(|(transition, _)| transition.state == State::Open);
        let open = open.map(|(transition, end)| end.duration_since(transition.at));
        let open = open.fold(SignedDuration::ZERO, SignedDuration::saturating_add);
        let all = self.transitions.first().map_or(SignedDuration::ZERO, |first| self.end.duration_since(first.at));
        let transitions = match self.transitions.len().saturating_sub(1) {
            1 => "1 transition".to_owned(),
            count => format!("{count} transitions"),
        };
        format!("open {} of {} in {}, {transitions}", hours(open), hours(all), self.zone_name)
    }
}

/// One transition as JSON. Fields are added, never renamed: scripts read them.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    transition: &'a Transition,
    local: String,
    offset: String,
}

impl<'a> Line<'a> {
    fn of(transition: &'a Transition, zone: &TimeZone) -> Self {
        let local = transition.at.to_zoned(zone.clone());
        Self { transition, local: local.datetime().to_string(), offset: local.strftime("%:z").to_string() }
    }
}

/// Why a period is missing.
fn not_occurring(skipped: &Skipped) -> String {
    let Skipped { source, date, from, to, gap_from, gap_to } = skipped;
    let (period, gap) = (span(*from, *to), span(*gap_from, *gap_to));
    format!("`{source}` does not occur on {date}: {period} lies in {gap}, which the clock skips")
}

/// How a state is told from the other by colour.
pub(super) fn style_of(state: State) -> Style {
    match state {
        State::Open => AnsiColor::Green.on_default(),
        State::Closed => Style::new().dimmed(),
    }
}

/// A duration of hours and minutes, and not of days: some days have 23 hours.
pub(super) fn hours(duration: SignedDuration) -> String {
    match (duration.as_hours(), duration.as_mins() % 60) {
        (hours, 0) => format!("{hours}h"),
        (hours, minutes) => format!("{hours}h {minutes}m"),
    }
}
