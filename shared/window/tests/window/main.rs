//! Windows: their faults, ranks and edges by tables, daylight saving in every zone, and properties of any document.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod daylight;
mod faults;
mod random;
mod ranks;
mod zones;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use window::{Transition, Window};

/// The example of issue 4, but for its calendar.
const EXAMPLE: &str = r#"{
  "time_zone": "Europe/Madrid",
  "open": [
    { "days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "20:00" },
    { "days": ["sat"], "from": "22:00", "to": "06:00" }
  ],
  "closed_dates": ["2026-12-25", { "from": "2026-12-30", "to": "2027-01-02" }],
  "extensions": [{ "from": "2026-11-23T20:00", "until": "2026-11-23T22:00", "reason": "quarter end" }],
  "closures": [{ "from": "2026-11-24T12:00", "until": "2026-11-24T13:00", "reason": "maintenance" }]
}"#;

const EVERY_DAY: &str = r#"["mon","tue","wed","thu","fri","sat","sun"]"#;

/// The instant at which a date begins; no zone of these tables turns its clock at that midnight, but in a gap.
fn midnight(window: &Window, date: &str) -> Timestamp {
    let date: Date = date.parse().unwrap();
    window.time_zone().to_timestamp(DateTime::from_parts(date, Time::midnight())).unwrap()
}

/// The changes from the midnight of a date to that of another, as `2026-11-23T20:00+01:00 open rule open[0]`.
fn changes(window: &Window, from: &str, to: &str) -> Vec<String> {
    let changes = window.transitions(midnight(window, from), midnight(window, to));
    changes.map(|change| line(window, &change)).collect()
}

fn line(window: &Window, change: &Transition) -> String {
    let local = change.at.to_zoned(window.time_zone().clone()).strftime("%Y-%m-%dT%H:%M%:z").to_string();
    let source = change.source.as_deref().unwrap_or("-");
    format!("{local} {} {} {source}", change.state, change.cause)
}
