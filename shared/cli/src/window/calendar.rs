//! `guardrails window calendar`: a month, drawn in the terminal.
//!
//! Each day is a bar of 24 hours, the times it opens and closes, and what is special about it. [`day`] says what there
//! is to draw; here it is laid out, to be read without colour too.

mod day;

use std::io::Read;

use clap::Args;
use clap::builder::styling::{AnsiColor, Style};
use jiff::civil::{Date, Weekday};
use jiff::{SignedDuration, ToSpan};
use window::{State, Window};

use self::day::{Day, Hour, Kind, Month, Note};
use super::simulate::{hours, style_of};
use super::{YEARS, read_valid, unseen_calendar};
use crate::answer::{Answer, Exit, Failure, Input, Look, printable};

const EXAMPLES: &str = "\
Examples:
  guardrails window calendar window.json --month 2027-03
  guardrails window calendar - --month 2027-03 < window.json

How to read a day:
  08:00–20:00        open from 08:00 to 20:00
  –06:00, 22:00–     open across the midnight before, and the one after
  –02:30 (second)    open until the second of two times 02:30

Exit codes:
  0  the month is drawn
  2  nothing can be drawn: usage, an unreadable file, not JSON, a faulty document";

/// Draw a month: when the sandbox is open on each day, and why
///
/// Each day, from Monday to Sunday, is a bar of 24 hours of local time, with the times at which the sandbox opens and
/// closes, and its holidays, extensions and closures. Where the clock is set forward or back, the length of the day
/// is told, and skipped hours are left blank.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Calendar {
    /// A window document; `-` reads standard input
    file: Input,

    /// The month, such as `2027-03`
    #[arg(long, value_name = "MONTH", value_parser = month)]
    month: Date,
}

impl Calendar {
    pub(crate) fn run(&self, stdin: impl Read, look: Look) -> Result<Answer, Failure> {
        let window = read_valid(&self.file, stdin)?;
        let notes = unseen_calendar(&window).into_iter().collect();
        Ok(Answer { text: draw(&window, self.month, look), notes, exit: Exit::Good })
    }
}

/// Reads a month, as its first day.
fn month(text: &str) -> Result<Date, String> {
    let first: Option<Date> = format!("{text}-01").parse().ok();
    let first = first.filter(|first| first.strftime("%Y-%m").to_string() == text);
    let first = first.ok_or("expected a month such as `2027-03`")?;
    match YEARS.contains(&first.year()) {
        true => Ok(first),
        false => Err(format!("expected a year from {} to {}", YEARS.start(), YEARS.end())),
    }
}

/// What a terminal shows in one line, and a page that this is pasted to.
const WIDTH: usize = 80;
/// Before the bar: `Mon  1` and two blanks.
const LABEL: usize = 8;
/// The bar and the two blanks behind it.
const BAR: usize = 26;
/// Short times and the two blanks behind them, so that the notes of most months are one column.
const TIMES: usize = 16;
/// Less room than this beside the bar is not worth wrapping for: longer lines stand out.
const LEAST: usize = 24;

fn draw(window: &Window, first: Date, look: Look) -> String {
    let month = Month::of(window, first);
    let heading = look.paint(Style::new().bold(), first.strftime("%B %Y"));
    let mut text = format!("{heading} in {}, {}\n\n", window.zone_name(), share(&month));
    let axis = format!("{:LABEL$}0     6     12    18    24", "");
    text += &(look.paint(Style::new().dimmed(), axis) + "\n");
    for day in &month.days {
        if day.date.weekday() == Weekday::Monday && day.date != first {
            text += "\n";
        }
        text += &row(day, look);
    }
    text + "\n" + &legend(&month, look) + "\n"
}

/// A day: its bar, and beside it its times and notes. A single note stands behind the times where there is room, else
/// notes stand below them.
fn row(day: &Day, look: Look) -> String {
    let room = look.width.map_or(WIDTH, usize::from).saturating_sub(LABEL + BAR).max(LEAST);
    let mut beside = wrap(&times(day), room);
    match (beside.as_mut_slice(), day.notes.as_slice()) {
        ([times], [note]) if times.chars().count().max(TIMES - 2) + 2 + note.text.chars().count() <= room => {
            *times = format!("{times:0$}  {1}", TIMES - 2, tell(note, room, look).concat());
        }
        (_, notes) => beside.extend(notes.iter().flat_map(|note| tell(note, room, look))),
    }
    let bar: String = day.hours.iter().map(|hour| glyph(*hour, look)).collect();
    let mut text = format!("{}  {bar}", label(day.date, look));
    let between = format!("\n{:1$}", "", LABEL + BAR - 2);
    text += &beside.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join(&between);
    text.trim_end().to_owned() + "\n"
}

/// How much of the month the sandbox is open.
fn share(month: &Month) -> String {
    let sum = |of: fn(&Day) -> SignedDuration| {
        hours(month.days.iter().map(of).fold(SignedDuration::ZERO, SignedDuration::saturating_add))
    };
    format!("open {} of {}", sum(|day| day.open), sum(|day| day.length))
}

/// `Mon  1`; what is not a working day in most places stands back.
fn label(date: Date, look: Look) -> String {
    let style = match date.weekday() {
        Weekday::Saturday | Weekday::Sunday => Style::new().dimmed(),
        _ => Style::new(),
    };
    look.paint(style, date.strftime("%a %e"))
}

fn glyph(hour: Hour, look: Look) -> String {
    let open = style_of(State::Open);
    match hour {
        Hour::Open => look.paint(open, '█'),
        Hour::FirstHalf => look.paint(open, '▌'),
        Hour::SecondHalf => look.paint(open, '▐'),
        Hour::Part => look.paint(open, '▒'),
        Hour::Closed => look.paint(style_of(State::Closed), '·'),
        Hour::Skipped => " ".to_owned(),
    }
}

/// What the glyphs of this month say.
fn legend(month: &Month, look: Look) -> String {
    let has = |wanted: &[Hour]| month.days.iter().flat_map(|day| day.hours).any(|hour| wanted.contains(&hour));
    let entry = |hours: &[Hour], told: &str| {
        let glyphs: String = hours.iter().map(|hour| glyph(*hour, look)).collect();
        has(hours).then(|| format!("{glyphs} {told}"))
    };
    let entries = [
        entry(&[Hour::Open], "open"),
        entry(&[Hour::Closed], "closed"),
        entry(&[Hour::FirstHalf, Hour::SecondHalf], "half the hour"),
        entry(&[Hour::Part], "a part of it"),
        has(&[Hour::Skipped]).then(|| "blank: skipped".to_owned()),
    ];
    entries.into_iter().flatten().collect::<Vec<_>>().join("   ")
}

/// The times at which it opens and closes: `–06:00, 22:00–`.
fn times(day: &Day) -> String {
    if day.length.is_zero() {
        return String::new();
    }
    let period = |period: &day::Period| match (&period.opens, &period.closes) {
        (None, None) => "all day".to_owned(),
        (opens, closes) => format!("{}–{}", opens.as_deref().unwrap_or(""), closes.as_deref().unwrap_or("")),
    };
    match day.periods.as_slice() {
        [] => "closed".to_owned(),
        periods => periods.iter().map(period).collect::<Vec<_>>().join(", "),
    }
}

/// The lines of a note.
fn tell(note: &Note, room: usize, look: Look) -> Vec<String> {
    let colour = match note.kind {
        Kind::Holiday => AnsiColor::Magenta,
        Kind::Extension => AnsiColor::Cyan,
        Kind::Closure => AnsiColor::Red,
        Kind::Clock => AnsiColor::Yellow,
    };
    wrap(&printable(&note.text), room).into_iter().map(|line| look.paint(colour.on_default(), line)).collect()
}

/// The words of a text in lines of this width; a word that is longer has a line for itself.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The dates of the month that begins with this one.
fn dates(first: Date) -> impl Iterator<Item = Date> {
    first.series(1.day()).take_while(move |date| date.month() == first.month() && date.year() == first.year())
}

#[cfg(test)]
mod tests;
