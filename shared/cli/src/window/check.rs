//! `guardrails window check`: whether a window document will be accepted, and what daylight saving makes of it.

use std::collections::BTreeMap;
use std::io::Read;

use clap::Args;
use clap::builder::styling::{AnsiColor, Style};
use comfy_table::{Cell, Color};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::Serialize;
use window::{Cause, Fault, Faults, Skipped, State, Transition, Window};

use super::clock::{Change, Occurrence};
use super::{Entries, local, read, unseen_calendar, verb};
use crate::answer::{Answer, Exit, Failure, Input, Look, label, lines, pad, printable};

const EXAMPLES: &str = "\
Examples:
  guardrails window check window.json
  guardrails window check window.json --json | jq -r '.faults[].path'

A valid document is summed up: what it holds, whether the sandbox is open, and
what daylight saving does to it, which is no fault:
  periods within the next ten years that do not occur, because they are skipped
  openings and closings within the next two years whose time is skipped, so that
  they move, or comes twice
`guardrails window --help` tells the rules.

Exit codes:
  0  the document is valid
  1  it has faults, and would be refused
  2  the file could not be checked: unreadable, not JSON";

/// Name every fault of a window document, or say what a valid one means
///
/// All faults are named at once, each with its place in the document. An update with any of them changes nothing.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Check {
    /// A window document; `-` reads standard input
    file: Input,

    /// Print one JSON object with the verdict, every fault, and what daylight saving does
    #[arg(long)]
    json: bool,

    /// Look ahead from this instant instead of from now, such as `2027-01-31T00:00:00Z`
    #[arg(long, value_name = "INSTANT")]
    at: Option<Timestamp>,
}

impl Check {
    pub(crate) fn run(&self, now: Timestamp, stdin: impl Read, look: Look) -> Result<Answer, Failure> {
        let at = self.at.unwrap_or(now);
        let (answer, notes) = match read(&self.file, stdin)? {
            Ok(window) => {
                let verdict = Valid::of(&window, at);
                let answer = match self.json {
                    true => Answer::json(&verdict, Exit::Good),
                    false => Answer::new(verdict.text(&window, look), Exit::Good),
                };
                (answer, unseen_calendar(&window).into_iter().collect())
            }
            Err(faults) => {
                let answer = match self.json {
                    true => Answer::json(&Refused { at, valid: false, faults: &faults.0 }, Exit::Bad),
                    false => Answer::new(refusal(&faults, look), Exit::Bad),
                };
                (answer, Vec::new())
            }
        };
        Ok(Answer { notes, ..answer })
    }
}

/// How far ahead periods are looked for that do not occur: clocks change twice a year at most, and most periods that
/// are skipped are those of one Sunday.
const SKIPPED_YEARS: i16 = 10;
/// How far ahead edges are looked for that daylight saving decides about.
const EDGES_YEARS: i16 = 2;

/// A document with faults. Fields are added, never renamed: scripts read them.
#[derive(Debug, Serialize)]
struct Refused<'a> {
    at: Timestamp,
    valid: bool,
    faults: &'a [Fault],
}

/// A document without faults. Fields are added, never renamed: scripts read them.
#[derive(Debug, Serialize)]
struct Valid {
    /// The instant from which it looks ahead.
    at: Timestamp,
    valid: bool,
    faults: [Fault; 0],
    time_zone: String,
    /// The number of entries of each kind.
    open: usize,
    closed_dates: usize,
    extensions: usize,
    closures: usize,
    calendar: Option<String>,
    /// The state at that instant, without the calendar.
    state: State,
    /// When it changes next; `None` for never.
    next: Option<Transition>,
    /// The periods that do not occur, for [`SKIPPED_YEARS`].
    skipped: Vec<Skipped>,
    /// The transitions that daylight saving decides about, for [`EDGES_YEARS`].
    edges: Vec<Edge>,
}

/// A transition whose local time is skipped or comes twice.
#[derive(Debug, Serialize)]
struct Edge {
    #[serde(flatten)]
    transition: Transition,
    /// What happens to it, in one phrase.
    told: String,
}

impl Valid {
    fn of(window: &Window, at: Timestamp) -> Self {
        let entries = Entries::of(window);
        let today = window.time_zone().to_datetime(at).date();
        let in_years = |years: i16| today.saturating_add(years.years());
        let until = window.time_zone().to_timestamp(in_years(EDGES_YEARS).at(0, 0, 0, 0)).unwrap_or(at);
        // Near each change of the clock, because a document may have very many transitions and few of these.
        let near = |change: Change| {
            let length = change.after.duration_since(change.before).abs();
            let around = [change.at.saturating_sub(length), change.at.saturating_add(length)];
            let [from, to] = around.map(|end| end.unwrap_or(change.at));
            window.transitions(from.max(at), to).filter(|edge| matches!(edge.cause, Cause::Gap | Cause::Fold))
        };
        let edges = Change::between(window.time_zone(), at, until).into_iter().flat_map(near);
        Self {
            at,
            valid: true,
            faults: [],
            time_zone: window.zone_name().to_owned(),
            open: entries.open.len(),
            closed_dates: entries.closed_dates.len(),
            extensions: entries.extensions.len(),
            closures: entries.closures.len(),
            calendar: window.calendar().map(str::to_owned),
            state: window.state_at(at),
            next: window.next_transition(at),
            skipped: window.skipped(today, in_years(SKIPPED_YEARS)).collect(),
            edges: edges.map(|transition| Edge::of(transition, window)).collect(),
        }
    }

    /// What the document holds, what daylight saving does to it, and a last line with the verdict.
    fn text(&self, window: &Window, look: Look) -> String {
        let zone = window.time_zone();
        let mut table = look.table();
        let next = self.next.as_ref().map_or("and never changes".to_owned(), |next| {
            let by = next.source.as_deref().map(|source| format!(" ({source})")).unwrap_or_default();
            format!("{} {}{by}", verb(next.state), local(zone, next.at))
        });
        let count = |one: &str, many: &str, count| match count {
            0 => "none".to_owned(),
            1 => format!("1 {one}"),
            count => format!("{count} {many}"),
        };
        let calendar = self.calendar.clone().unwrap_or_else(|| "none".to_owned());
        let state = format!("{} at {}, {next}", self.state, local(zone, self.at));
        for (name, value) in [
            ("time zone", self.time_zone.clone()),
            ("open", count("rule", "rules", self.open)),
            ("closed dates", count("entry", "entries", self.closed_dates)),
            ("extensions", count("entry", "entries", self.extensions)),
            ("closures", count("entry", "entries", self.closures)),
            ("calendar", calendar),
            ("state", state),
        ] {
            table.add_row([label(name), Cell::new(printable(&value))]);
        }
        pad(&mut table, (0, 2));
        let mut text = lines(&table) + "\n";
        text += &self.not_occurring(look);
        text += &self.by_daylight_saving(look);
        let good = look.paint(AnsiColor::Green.on_default().bold(), "good");
        let rest = match self.skipped.len() {
            0 => "",
            _ => ", but not every period occurs",
        };
        text + &format!("{good}: the document is valid{rest}\n")
    }

    /// The dates on which periods do not occur, for each entry.
    fn not_occurring(&self, look: Look) -> String {
        if self.skipped.is_empty() {
            return String::new();
        }
        let mut dates: BTreeMap<&str, Vec<Date>> = BTreeMap::new();
        for skipped in &self.skipped {
            dates.entry(&skipped.source).or_default().push(skipped.date);
        }
        let mut table = look.table();
        for (source, dates) in dates {
            let dates: Vec<_> = dates.iter().map(Date::to_string).collect();
            table.add_row([Cell::new(source), Cell::new(dates.join(", ")).fg(Color::Yellow)]);
        }
        pad(&mut table, (2, 0));
        let heading = format!("Does not occur, because the clock skips all of it (next {SKIPPED_YEARS} years)");
        format!("{}\n{}\n", look.paint(Style::new().bold(), heading), lines(&table))
    }

    /// The transitions that daylight saving decides about.
    fn by_daylight_saving(&self, look: Look) -> String {
        if self.edges.is_empty() {
            return String::new();
        }
        let mut table = look.table();
        for Edge { transition, told } in &self.edges {
            let source = transition.source.as_deref().unwrap_or_default();
            table.add_row([Cell::new(source), Cell::new(told).fg(Color::Yellow)]);
        }
        pad(&mut table, (2, 0));
        let heading = format!("Decided by daylight saving (next {EDGES_YEARS} years)");
        format!("{}\n{}\n", look.paint(Style::new().bold(), heading), lines(&table))
    }
}

impl Edge {
    fn of(transition: Transition, window: &Window) -> Self {
        let (zone, at) = (window.time_zone(), transition.at);
        let (when, verb) = (local(zone, at), verb(transition.state));
        // The change of the clock that moves an edge is at the very instant to which it moves.
        let near = at.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(at);
        let past = at.saturating_add(SignedDuration::from_secs(1)).unwrap_or(at);
        let change = Change::between(zone, near, past).into_iter().find(|change| change.at == at);
        let why = match (transition.cause, Occurrence::of(zone, at), change) {
            (Cause::Fold, Some(occurrence), _) => format!(", the {occurrence} of two"),
            (Cause::Gap, _, Some(change)) => format!(": {}", change.told()),
            _ => String::new(),
        };
        Self { transition, told: format!("{verb} {when}{why}") }
    }
}

/// The faults for people: a block for each, and a last line that counts.
fn refusal(Faults(faults): &Faults, look: Look) -> String {
    let block = |Fault { path, message }: &Fault| {
        let path = if path.is_empty() { "(the document)" } else { path };
        let path = look.paint(Style::new().bold(), printable(path));
        let message = look.paint(AnsiColor::Red.on_default(), printable(message));
        format!("{path}\n  {message}\n\n")
    };
    let blocks: String = faults.iter().map(block).collect();
    let bad = look.paint(AnsiColor::Red.on_default().bold(), "bad");
    let counted = match faults.len() {
        1 => "1 fault".to_owned(),
        count => format!("{count} faults"),
    };
    format!("{blocks}{bad}: {counted}, the document would be refused\n")
}
