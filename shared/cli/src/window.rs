//! `guardrails window`: what a window document means, before it is put to work.
//!
//! The judgement is that of the running functions: the same [`window::Window`]. What stands here reads files and tells
//! people what it says.

pub(crate) mod calendar;
pub(crate) mod check;
mod clock;
pub(crate) mod simulate;

use std::io::Read;

use clap::Subcommand;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;
use window::{Faults, State};

use crate::answer::{Failure, Input};

const EXAMPLES: &str = r#"Examples:
  guardrails window check window.json
  guardrails window simulate window.json --from 2027-03-22 --to 2027-03-29
  guardrails window calendar window.json --month 2027-03

A window document:
  {
    "time_zone": "Europe/Madrid",
    "open": [
      { "days": ["mon", "tue", "wed"], "from": "08:00", "to": "20:00" },
      { "days": ["sat"], "from": "22:00", "to": "06:00" }
    ],
    "closed_dates": ["2026-12-25", { "from": "2026-12-30", "to": "2027-01-02" }],
    "extensions": [
      { "from": "2026-11-23T20:00", "until": "2026-11-23T22:00", "reason": "audit" }
    ],
    "closures": [
      { "from": "2026-11-24T12:00", "until": "2026-11-24T13:00", "reason": "repair" }
    ],
    "calendar": "name or ARN of an SSM Change Calendar"
  }

  Only `time_zone`, an IANA name, and `open` are mandatory.
  All times are local times of that zone; `24:00` is the end of a day.
  `to` before `from` is on the next day; the period belongs to the day it opens.
  A closed date lasts from midnight to midnight, both ends of a range included.
  Where several entries speak of one moment, closures come first, then
  extensions, then closed dates and the calendar, then open rules.

Daylight saving:
  A time that the clock skips moves forward to the first instant that exists.
  Of a time that comes twice, a period takes both: it begins at the first and ends
  at the second.
  A period that lies wholly in skipped hours does not occur."#;

/// See when a window document opens and closes a sandbox, and check it
///
/// A window document says when a sandbox is open. What is said of it here is what the functions in the sandbox will
/// do, except for what they alone can see: locks, and the SSM Change Calendar that the document may name.
#[derive(Debug, Subcommand)]
#[command(arg_required_else_help = true, after_long_help = EXAMPLES)]
pub(crate) enum Window {
    Check(check::Check),
    Simulate(simulate::Simulate),
    Calendar(calendar::Calendar),
}

/// Reads a document: the window that it describes, or everything that is wrong with it.
fn read(input: &Input, stdin: impl Read) -> Result<Result<window::Window, Faults>, Failure> {
    let bytes = input.read(stdin)?;
    // What is no JSON at all is told as everywhere in this command, by its line. It is parsed again below, because the
    // document has to be read from its text: a JSON value hides keys that are given twice.
    serde_json::from_slice::<Value>(&bytes).map_err(|error| Failure::json(input, &error))?;
    Ok(window::Window::parse(&String::from_utf8_lossy(&bytes)))
}

/// Reads a document that has to be valid to be spoken of.
fn read_valid(input: &Input, stdin: impl Read) -> Result<window::Window, Failure> {
    read(input, stdin)?.map_err(|faults| Failure::Document { input: input.clone(), faults })
}

/// What to say of a document that names an SSM Change Calendar.
fn unseen_calendar(window: &window::Window) -> Option<String> {
    let calendar = window.calendar()?;
    Some(format!("the SSM Change Calendar `{calendar}` cannot be seen from here; it may close what a rule opens"))
}

/// The years that a document can speak of.
const YEARS: std::ops::RangeInclusive<i16> = 2000..=2100;

/// Reads a date as documents write it.
fn date(text: &str) -> Result<Date, String> {
    let date: Option<Date> = text.parse().ok();
    // The parser knows more ways to write a date, and takes the time of day away from what is more than one.
    let date = date.filter(|date| date.to_string() == text).ok_or("expected a date such as `2027-03-28`")?;
    let end = Date::constant(2101, 1, 1);
    match YEARS.contains(&date.year()) || date == end {
        true => Ok(date),
        false => Err(format!("expected a year from {} to {}", YEARS.start(), YEARS.end())),
    }
}

/// When, as people read it in a zone: `Sun 2027-03-28 03:00 +02:00`.
fn local(zone: &TimeZone, at: Timestamp) -> String {
    at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M %:z").to_string()
}

/// What a sandbox does to reach a state.
fn verb(state: State) -> &'static str {
    match state {
        State::Open => "opens",
        State::Closed => "closes",
    }
}

/// What stands in a document, to be counted and shown; what it means is the window's affair.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entries {
    open: Vec<Value>,
    closed_dates: Vec<ClosedDate>,
    extensions: Vec<OneOff>,
    closures: Vec<OneOff>,
}

/// A date, or a range of them with both its ends.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum ClosedDate {
    One(Date),
    Range { from: Date, to: Date },
}

/// An extension or a closure, in local time.
#[derive(Debug, Deserialize)]
struct OneOff {
    from: DateTime,
    until: DateTime,
    reason: String,
}

impl Entries {
    fn of(window: &window::Window) -> Self {
        // A window is made of a valid document only, and every valid document has this shape.
        serde_json::from_value(window.to_json()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_in_one_way() {
        for good in ["2000-01-01", "2027-03-28", "2100-12-31", "2101-01-01"] {
            assert_eq!(date(good).unwrap().to_string(), good);
        }
        for bad in ["", "2027-3-28", "20270328", "2027-02-29", "2027-03-28T10:00", "28.3.2027", " 2027-03-28", "soon"] {
            assert_eq!(date(bad).unwrap_err(), "expected a date such as `2027-03-28`", "`{bad}`");
        }
        for far in ["1999-12-31", "2101-01-02", "9999-12-31"] {
            assert_eq!(date(far).unwrap_err(), "expected a year from 2000 to 2100", "`{far}`");
        }
    }
}
