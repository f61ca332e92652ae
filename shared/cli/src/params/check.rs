//! `guardrails params check`: whether what stands in Parameter Store will be obeyed.
//!
//! The judgement is that of the running guardrails: the same [`Parameter::parse`], the same [`Configuration`]. Only
//! what cannot happen in Parameter Store, or should not, is decided here: a value that is no text, and a setting that
//! is given twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;

use clap::Args;
use clap::builder::styling::{AnsiColor, Style};
use comfy_table::{Cell, Color};
use guardrail::config::{EXEMPTIONS, Fault, Parameter, Rejected};
use guardrail::{Configuration, Guardrail, catalogue};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::answer::{Answer, Exit, Failure, Input, Look, label, lines, printable};

const EXAMPLES: &str = r#"Examples:
  guardrails params check params.json

  What stands in Parameter Store now:
    aws ssm get-parameters-by-path --path /sandbox-guardrails --recursive |
      jq '[.Parameters[] | {(.Name): .Value}] | add // {}' |
      guardrails params check -

  A file looks like this:
    {
      "/sandbox-guardrails/athena/athena-query-runtime/limit": "30m",
      "/sandbox-guardrails/athena/athena-query-runtime/limit/etl": "2h",
      "/sandbox-guardrails/athena/athena-query-runtime/mode": "enforce"
    }

Exit codes:
  0  every parameter will be obeyed
  1  at least one will not, or is an exemption that has expired
  2  the file could not be checked: unreadable, not JSON, not an object"#;

/// Name every value that will not be obeyed, what is in force instead, and every expired exemption
///
/// A bad value never switches a guardrail off. A running guardrail that remembers the last good value of the same
/// parameter keeps to that one. What is shown as in force is what applies without: for a scope the sandbox's own
/// setting, for the sandbox the catalogue's default.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Check {
    /// A JSON object of parameter names and values, all of them strings; `-` reads standard input
    file: Input,

    /// Print one JSON object with the verdict and every bad parameter
    #[arg(long)]
    json: bool,

    /// Check as of this instant instead of now, such as `2027-01-31T00:00:00Z`; exemptions expire
    #[arg(long, value_name = "INSTANT")]
    at: Option<Timestamp>,
}

impl Check {
    pub(crate) fn run(&self, now: Timestamp, stdin: impl Read, look: Look) -> Result<Answer, Failure> {
        let document = Document::read(&self.file, stdin)?;
        let verdict = check(&document, self.at.unwrap_or(now));
        let exit = if verdict.bad.is_empty() && verdict.expired.is_empty() { Exit::Good } else { Exit::Bad };
        Ok(match self.json {
            true => Answer::json(&verdict, exit),
            false => Answer::new(verdict.text(look), exit),
        })
    }
}

/// The members of a JSON object in the order of the file. No map, because a map would hide a name that is given twice.
#[derive(Debug)]
struct Document(Vec<(String, Value)>);

impl Document {
    fn read(input: &Input, stdin: impl Read) -> Result<Self, Failure> {
        let bytes = input.read(stdin)?;
        serde_json::from_slice(&bytes).map_err(|error| Failure::json(input, &error))
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Document;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object of parameter names and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Document(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// What was found.
#[derive(Debug, Serialize)]
struct Verdict {
    /// The instant as of which exemptions were checked.
    at: Timestamp,
    /// How many parameters were checked.
    checked: usize,
    /// Those that will not be obeyed, in the order of the file.
    bad: Vec<Bad>,
    /// The exemptions that are well written and not honoured any more, by name.
    expired: Vec<Expired>,
}

/// An exemption that has expired: what it covered is judged like anything else again.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Expired {
    parameter: String,
    expired_at: Timestamp,
    owner: String,
    reason: String,
}

/// One parameter that will not be obeyed.
#[derive(Debug, Serialize)]
struct Bad {
    #[serde(flatten)]
    rejected: Rejected,
    /// Where the value in force comes from, where there is one: [`CATALOGUE`], or a good parameter of the same file.
    in_force_from: Option<String>,
    /// Whether the value goes on past what is shown of it.
    #[serde(skip)]
    shortened: bool,
}

/// The source of defaults. No parameter has this name: theirs begin with a slash.
const CATALOGUE: &str = "catalogue";

/// Holds every member against what the guardrails read, as of `now`.
fn check(Document(members): &Document, now: Timestamp) -> Verdict {
    let mut times = BTreeMap::new();
    for (name, _) in members {
        *times.entry(shortest(name)).or_insert(0) += 1;
    }

    let mut configuration = Configuration::default();
    let mut obeyed = BTreeSet::new();
    let mut checked = Vec::new();
    for (name, value) in members {
        let fault = match parse(name, value) {
            Ok(parameter) => match times.get(&shortest(name)) {
                // Which of several values a reader takes is its own affair, so none of them can be relied on.
                Some(times @ 2..) => {
                    Some(Fault::Value { expected: format!("each setting once; this one stands {times} times") })
                }
                _ => {
                    configuration.obey(parameter);
                    obeyed.insert(name.as_str());
                    None
                }
            },
            Err(fault) => Some(fault),
        };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        checked.push((name.as_str(), text, fault));
    }

    let mut bad = Vec::new();
    for (name, text, fault) in checked {
        let in_force_from = source(name, fault.as_ref(), &obeyed);
        let faults = fault.map(|fault| (name.to_owned(), fault)).into_iter().collect();
        let rejected = configuration.rejected([(name, text.as_str())], &faults, now);
        bad.extend(rejected.into_iter().next().map(|rejected| {
            let shortened = rejected.value.len() < text.len();
            Bad { rejected, in_force_from, shortened }
        }));
    }
    let expired = configuration.expired(now).map(|(name, exemption)| Expired {
        parameter: format!("{EXEMPTIONS}/{name}"),
        expired_at: exemption.expires,
        owner: exemption.owner.clone(),
        reason: exemption.reason.clone(),
    });
    Verdict { at: now, checked: members.len(), bad, expired: expired.collect() }
}

/// The guardrail that a setting's name begins with, and the steps that follow.
fn steps(name: &str) -> Option<(&'static Guardrail, Vec<&str>)> {
    catalogue::all().find_map(|guardrail| {
        let rest = name.strip_prefix(&guardrail.parameter_path())?.strip_prefix('/')?;
        Some((guardrail, rest.split('/').collect()))
    })
}

/// The shortest name of the same setting: the first kind of a guardrail's scopes need not be named, so that
/// `limit/workgroup/etl` is `limit/etl`.
fn shortest(name: &str) -> String {
    if let Some((guardrail, steps)) = steps(name)
        && let [setting, kind, scope] = steps.as_slice()
        && guardrail.scopes.first().is_some_and(|first| first.as_str() == *kind)
    {
        return format!("{}/{setting}/{scope}", guardrail.parameter_path());
    }
    name.to_owned()
}

/// Reads one member. Parameter Store holds text and nothing else, so any other value is a fault, whatever it says.
fn parse(name: &str, value: &Value) -> Result<Parameter, Fault> {
    let kind = match value {
        Value::String(text) => return Parameter::parse(name, text),
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let text = value.to_string();
    let expected = match Parameter::parse(name, &text) {
        Ok(_) => format!("a string, not {kind}: `{}`", Value::String(text)),
        Err(Fault::Value { expected }) => format!("a string, not {kind}: {expected}"),
        Err(unknown @ Fault::Name { .. }) => return Err(unknown),
    };
    Err(Fault::Value { expected })
}

/// Where the value comes from that is in force instead of a bad setting: for a scope the sandbox's own setting if that
/// is good, else the catalogue. Unknown names and exemptions have none.
fn source(name: &str, fault: Option<&Fault>, obeyed: &BTreeSet<&str>) -> Option<String> {
    if matches!(fault, Some(Fault::Name { .. })) {
        return None;
    }
    let (guardrail, steps) = steps(name)?;
    let of_sandbox = format!("{}/{}", guardrail.parameter_path(), steps.first()?);
    Some(if obeyed.contains(of_sandbox.as_str()) { of_sandbox } else { CATALOGUE.to_owned() })
}

impl Verdict {
    /// The verdict for people: a block for each bad parameter and each expired exemption, and a last line that counts.
    fn text(&self, look: Look) -> String {
        let bad = self.bad.iter().map(|bad| bad.text(look) + "\n");
        let blocks: String = bad.chain(self.expired.iter().map(|expired| expired.text(look) + "\n")).collect();
        let parameters = |count| if count == 1 { "1 parameter".to_owned() } else { format!("{count} parameters") };
        let expired = match self.expired.len() {
            1 => "1 exemption has expired".to_owned(),
            count => format!("{count} exemptions have expired"),
        };
        let good = look.paint(AnsiColor::Green.on_default().bold(), "good");
        let bad = look.paint(AnsiColor::Red.on_default().bold(), "bad");
        let last = match (self.checked, self.bad.len(), self.expired.len()) {
            (0, ..) => format!("{good}: no parameter is set, the catalogue's defaults are in force"),
            (1, 0, 0) => format!("{good}: 1 parameter checked, it will be obeyed"),
            (checked, 0, 0) => format!("{good}: {checked} parameters checked, all will be obeyed"),
            (checked, 0, _) => format!("{bad}: {} checked, {expired}", parameters(checked)),
            (checked, count, 0) => format!("{bad}: {count} of {} checked will not be obeyed", parameters(checked)),
            (checked, count, _) => {
                format!("{bad}: {count} of {} checked will not be obeyed, {expired}", parameters(checked))
            }
        };
        format!("{blocks}{last}\n")
    }
}

impl Expired {
    fn text(&self, look: Look) -> String {
        let Self { parameter, expired_at, owner, reason } = self;
        let expired = Cell::new(format!("{expired_at}, it is not honoured any more")).fg(Color::Yellow);
        let [owner, reason] = [owner, reason].map(|text| Cell::new(printable(text)));
        block(look, parameter, [("expired", expired), ("owner", owner), ("reason", reason)])
    }
}

impl Bad {
    fn text(&self, look: Look) -> String {
        let Self { rejected: Rejected { parameter, value, expected, in_force }, in_force_from, shortened } = self;
        let value = match value.as_str() {
            "" => "nothing, it is empty".to_owned(),
            value if *shortened => format!("`{value}`, and so on"),
            value => format!("`{value}`"),
        };
        let in_force = match in_force_from.as_deref() {
            None => in_force.clone(),
            Some(CATALOGUE) => format!("`{in_force}`, the catalogue's default"),
            Some(parameter) => format!("`{in_force}`, as `{parameter}` says"),
        };
        let cell = |text: &str| Cell::new(printable(text));
        let in_force_cell = match in_force_from {
            Some(_) => cell(&in_force).fg(Color::Green),
            None => cell(&in_force),
        };
        let value = cell(&value).fg(Color::Red);
        let parameter = if parameter.is_empty() { "(a name that is empty)" } else { parameter };
        block(look, parameter, [("value", value), ("expected", cell(expected)), ("in force", in_force_cell)])
    }
}

/// A parameter's name, and below it what is to be said of it.
fn block(look: Look, parameter: &str, rows: [(&str, Cell); 3]) -> String {
    let mut table = look.table();
    for (name, cell) in rows {
        table.add_row([label(name), cell]);
    }
    for (column, padding) in table.column_iter_mut().zip([(2, 2), (0, 0)]) {
        column.set_padding(padding);
    }
    format!("{}\n{}", look.paint(Style::new().bold(), printable(parameter)), lines(&table))
}

#[cfg(test)]
mod tests;
