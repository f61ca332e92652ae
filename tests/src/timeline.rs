//! What reaches the hub, as lines of a timeline: for the demo, and for whoever plays with a stage by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};

use guardrail::availability::{AvailabilityChange, Change};
use guardrail::{Action, ActionKind, ConfigurationRejected, Finding, Outcome, Resource, SandboxSpend, Severity};
use jiff::{SignedDuration, Timestamp};
use owo_colors::{OwoColorize, Style};
use serde_json::{Map, Value};

use crate::{Hub, StageError};

/// Writes lines with the time since the story began, or with the time of day where there is no story.
#[derive(Debug)]
pub struct Timeline<W> {
    out: W,
    colour: bool,
    began: Option<Timestamp>,
    /// What each resource is called in the story, by id.
    pub names: BTreeMap<String, String>,
    shown: BTreeSet<(String, Option<u64>)>,
    /// The resources whose owner was told.
    owned: BTreeSet<String>,
}

/// Whether standard output is a terminal that wants colours.
pub fn wants_colour() -> bool {
    #[expect(clippy::disallowed_methods, reason = "NO_COLOR is how a user says so, see https://no-color.org")]
    let refused = std::env::var("NO_COLOR").is_ok_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !refused
}

/// The machine's clock.
#[expect(clippy::disallowed_methods, reason = "the stage runs in real time")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

impl<W: Write> Timeline<W> {
    /// A timeline of what happens from `began` on, or of whatever happens.
    pub fn new(out: W, colour: bool, began: Option<Timestamp>) -> Self {
        Self { out, colour, began, names: BTreeMap::new(), shown: BTreeSet::new(), owned: BTreeSet::new() }
    }

    /// Writes one line of an instant: who, in a colour, and what.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn line(&mut self, at: Timestamp, who: &str, style: Style, what: &str) -> std::io::Result<()> {
        let offset = match self.began {
            Some(began) => seconds(at.duration_since(began)),
            None => at.strftime("%H:%M:%SZ").to_string(),
        };
        if self.colour {
            writeln!(self.out, "{} {} {what}", format!("{offset:>7}").dimmed(), format!("{who:<9}").style(style))?;
        } else {
            writeln!(self.out, "{offset:>7} {who:<9} {what}")?;
        }
        self.out.flush()
    }

    /// Shows the rows of the hub's table that are new, oldest first.
    ///
    /// # Errors
    /// When the table cannot be read or the output is closed.
    pub fn follow(&mut self, hub: &Hub) -> Result<(), StageError> {
        let closed =
            |error: std::io::Error| StageError::Call { what: "the timeline".to_owned(), message: error.to_string() };
        let mut rows = hub.table()?;
        rows.retain(|row| {
            let part = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
            let key = format!("{}/{}", part("pk"), part("sk"));
            // Each sandbox's spend stands a second time among those of all.
            let told = key.ends_with("/heartbeat") || key.starts_with("spend/");
            !told && self.shown.insert((key, row.get("occurred_at").and_then(Value::as_u64)))
        });
        let text =
            |row: &Map<String, Value>, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let moment = |row: &Map<String, Value>| (row.get("occurred_at").and_then(Value::as_u64), text(row, "resource"));
        let level = |row: &Map<String, Value>| row.get("level").and_then(Value::as_u64);
        rows.sort_by_key(|row| (moment(row), std::cmp::Reverse(level(row))));
        // One look may find several levels of a resource at once; its highest says it all.
        rows.dedup_by(|next, first| level(next).is_some() && level(first).is_some() && moment(next) == moment(first));
        for row in rows {
            if let Some((at, who, style, what)) = self.tell(&row) {
                self.line(at, who, style, &what).map_err(closed)?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, row: &Map<String, Value>) -> Option<(Timestamp, &'static str, Style, String)> {
        let detail = row.get("detail")?.as_str()?;
        let named = |text: &str| {
            self.names.iter().fold(text.to_owned(), |text, (id, name)| text.replace(&format!("`{id}`"), name))
        };
        let prefix = row.get("sk")?.as_str()?.split('/').next()?;
        Some(match prefix {
            "finding" => {
                let finding: Finding = serde_json::from_str(detail).ok()?;
                let (who, style) = match finding.level.severity {
                    Severity::Notice => ("notice", Style::new().blue()),
                    Severity::Warning => ("warning", Style::new().yellow()),
                    Severity::Breach => ("breach", Style::new().red().bold()),
                };
                match finding.owner.filter(|_| finding.principal.is_some()) {
                    // A later event of the same finding, which says who it was; each level of it says the same.
                    Some(owner) => {
                        let Resource { kind, id } = finding.resource;
                        let what = named(&format!("{kind} `{id}` was started by {owner}"));
                        if !self.owned.insert(id) {
                            return None;
                        }
                        (finding.header.occurred_at, "owner", Style::new().dimmed(), what)
                    }
                    None => (finding.header.occurred_at, who, style, named(&finding.message)),
                }
            }
            "action" => {
                let action: Action = serde_json::from_str(detail).ok()?;
                let (who, style) = match action.outcome {
                    Outcome::Done if action.action == ActionKind::Lock => ("locked", Style::new().green().bold()),
                    Outcome::Done => ("stopped", Style::new().green().bold()),
                    Outcome::AlreadyGone => ("gone", Style::new().cyan()),
                    Outcome::ObservedOnly => ("observed", Style::new().cyan()),
                    Outcome::Exempt => ("exempt", Style::new().cyan()),
                    Outcome::Refused => ("refused", Style::new().cyan()),
                    Outcome::Failed => ("failed", Style::new().red().bold()),
                };
                let what = format!("{}: {}", named(&format!("`{}`", action.resource.id)), action.reason);
                (action.header.occurred_at, who, style, what)
            }
            "configuration" => {
                let rejected: ConfigurationRejected = serde_json::from_str(detail).ok()?;
                let ConfigurationRejected { parameter, value, expected, in_force, .. } = rejected;
                let what = format!("`{parameter}` is `{value}`, expected {expected}; in force: {in_force}");
                (rejected.header.occurred_at, "rejected", Style::new().magenta().bold(), what)
            }
            "availability" => {
                let told: AvailabilityChange = serde_json::from_str(detail).ok().filter(|_| happened(row))?;
                let (who, style) = style_of(told.change);
                (told.header.occurred_at, who, style, named(&told.message))
            }
            "spend" => {
                let told: SandboxSpend = serde_json::from_str(detail).ok()?;
                (told.header.occurred_at, "spend", Style::new().blue(), named(&told.message))
            }
            // Where the sandbox stands now is what was told last, and commands are told by what became of them.
            "closing" | "window" | "lock" | "command" => return None,
            // A command as it was asked for.
            _ if row.get("pk")?.as_str()? == "command" => return None,
            // A function that failed: its row is of the health partition.
            _ => {
                let detail: Value = serde_json::from_str(detail).ok()?;
                let at = row.get("occurred_at")?.as_i64().and_then(|ms| Timestamp::from_millisecond(ms).ok())?;
                (at, "failure", Style::new().red().bold(), detail.to_string())
            }
        })
    }
}

/// Whether a row of availability is what happened, and not where the sandbox stands.
fn happened(row: &Map<String, Value>) -> bool {
    row.get("sk").and_then(Value::as_str).is_some_and(|key| key.contains('/'))
}

fn style_of(change: Change) -> (&'static str, Style) {
    match change {
        Change::ClosingSoon => ("warning", Style::new().yellow()),
        Change::ClosingCalledOff => ("warning", Style::new().green()),
        Change::Closing => ("closing", Style::new().yellow().bold()),
        Change::PartClosed => ("off", Style::new().dimmed()),
        Change::Closed => ("closed", Style::new().red().bold()),
        Change::Opening => ("opening", Style::new().yellow().bold()),
        Change::PartOpened => ("on", Style::new().dimmed()),
        Change::Opened => ("open", Style::new().green().bold()),
        Change::Refused => ("refused", Style::new().cyan()),
        Change::Failed => ("failed", Style::new().red().bold()),
        Change::Locked | Change::LockReleased => ("lock", Style::new().magenta().bold()),
        Change::WindowUpdated => ("window", Style::new().blue()),
    }
}

/// A duration in seconds with one decimal, such as `+12.3s`.
pub fn seconds(duration: SignedDuration) -> String {
    let tenths = duration.as_millis().abs() / 100;
    let sign = if duration.is_negative() { '-' } else { '+' };
    format!("{sign}{}.{}s", tenths / 10, tenths % 10)
}
