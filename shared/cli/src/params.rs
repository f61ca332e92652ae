//! `guardrails params`: whether what stands in Parameter Store will be obeyed.
//!
//! The judgement is that of the running guardrails: the same [`Parameter::parse`], the same [`Configuration`]. Only
//! what cannot happen in Parameter Store is decided here: a value that is no text, and a name that is given twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;

use clap::builder::styling::{AnsiColor, Style};
use clap::{Args, Subcommand};
use comfy_table::{Cell, Color};
use guardrail::Configuration;
use guardrail::config::{EXEMPTIONS, Fault, Parameter, Rejected};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;

use crate::answer::{Answer, Exit, Failure, Input, Look, label, lines, printable};

/// Check the parameters that steer the guardrails
#[derive(Debug, Subcommand)]
#[command(arg_required_else_help = true, after_long_help = "Example:\n  guardrails params check params.json")]
pub(crate) enum Params {
    Check(Check),
}

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
  1  at least one will not
  2  the file could not be checked: unreadable, not JSON, not an object"#;

/// Name every value that will not be obeyed, and what is in force instead
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
        let exit = if verdict.bad.is_empty() { Exit::Good } else { Exit::Bad };
        Ok(match self.json {
            true => Answer::json(&verdict, exit),
            false => Answer { text: verdict.text(look), exit },
        })
    }
}

/// The members of a JSON object in the order of the file. No map, because a map would hide a name that is given twice.
#[derive(Debug)]
struct Document(Vec<(String, Value)>);

impl Document {
    fn read(input: &Input, stdin: impl Read) -> Result<Self, Failure> {
        let bytes = input.read(stdin)?;
        // Windows tools put a byte order mark in front of UTF-8.
        let json = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        serde_json::from_slice(json).map_err(|error| {
            let (input, line, column) = (input.clone(), error.line().max(1), error.column().max(1));
            let position = format!(" at line {} column {}", error.line(), error.column());
            let problem = error.to_string().replace(&position, "");
            match error.classify() {
                Category::Data => Failure::Shape { input, line, column, problem },
                Category::Syntax | Category::Eof | Category::Io => Failure::Syntax { input, line, column, problem },
            }
        })
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
        *times.entry(name.as_str()).or_insert(0) += 1;
    }

    let mut configuration = Configuration::default();
    let mut obeyed = BTreeSet::new();
    let mut checked = Vec::new();
    for (name, value) in members {
        let fault = match parse(name, value) {
            Ok(parameter) => match times.get(name.as_str()) {
                // Which of several values a reader takes is its own affair, so none of them can be relied on.
                Some(times @ 2..) => {
                    Some(Fault::Value { expected: format!("each name once; this one stands {times} times") })
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
    Verdict { at: now, checked: members.len(), bad }
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
    if matches!(fault, Some(Fault::Name { .. })) || name.starts_with(EXEMPTIONS) {
        return None;
    }
    let (parent, _) = name.rsplit_once('/')?;
    Some(obeyed.get(parent).copied().unwrap_or(CATALOGUE).to_owned())
}

impl Verdict {
    /// The verdict for people: a block for each bad parameter, and a last line that counts.
    fn text(&self, look: Look) -> String {
        let blocks: String = self.bad.iter().map(|bad| bad.text(look) + "\n").collect();
        let parameters = |count| if count == 1 { "1 parameter".to_owned() } else { format!("{count} parameters") };
        let (good, bad) = (AnsiColor::Green.on_default().bold(), AnsiColor::Red.on_default().bold());
        let last = match (self.checked, self.bad.len()) {
            (0, _) => {
                format!("{}: no parameter is set, the catalogue's defaults are in force", look.paint(good, "good"))
            }
            (1, 0) => format!("{}: 1 parameter checked, it will be obeyed", look.paint(good, "good")),
            (checked, 0) => format!("{}: {checked} parameters checked, all will be obeyed", look.paint(good, "good")),
            (checked, count) => {
                format!("{}: {count} of {} checked will not be obeyed", look.paint(bad, "bad"), parameters(checked))
            }
        };
        format!("{blocks}{last}\n")
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
        let mut table = look.table();
        let cell = |text: &str| Cell::new(printable(text));
        let in_force_cell = match in_force_from {
            Some(_) => cell(&in_force).fg(Color::Green),
            None => cell(&in_force),
        };
        table.add_row([label("value"), cell(&value).fg(Color::Red)]);
        table.add_row([label("expected"), cell(expected)]);
        table.add_row([label("in force"), in_force_cell]);
        for (column, padding) in table.column_iter_mut().zip([(2, 2), (0, 0)]) {
            column.set_padding(padding);
        }
        let parameter = if parameter.is_empty() { "(a name that is empty)" } else { parameter };
        format!("{}\n{}", look.paint(Style::new().bold(), printable(parameter)), lines(&table))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const RUNTIME: &str = "/sandbox-guardrails/athena/athena-query-runtime";
    const NOW: &str = "2026-11-21T12:00:00Z";

    fn read(json: &str) -> Result<Document, Failure> {
        Document::read(&Input::Stdin, json.as_bytes())
    }

    fn verdict(json: &str) -> Verdict {
        super::check(&read(json).unwrap(), NOW.parse().unwrap())
    }

    /// An object of these members, written by hand because a map would drop what is given twice.
    fn object(members: &[(&str, &str)]) -> String {
        let members: Vec<_> = members.iter().map(|(name, json)| format!("{}: {json}", Value::from(*name))).collect();
        format!("{{{}}}", members.join(", "))
    }

    fn text(value: &str) -> String {
        Value::from(value).to_string()
    }

    /// One parameter by itself; `bad` is what was expected and what is in force, or `None` when it is obeyed.
    fn check(name: &str, json: &str, bad: Option<(&str, &str)>) {
        let verdict = verdict(&object(&[(name, json)]));
        assert_eq!(verdict.checked, 1);
        let found: Vec<_> = verdict
            .bad
            .iter()
            .map(|Bad { rejected, .. }| {
                assert_eq!(rejected.parameter, name);
                (rejected.expected.as_str(), rejected.in_force.as_str())
            })
            .collect();
        assert_eq!(found, bad.into_iter().collect::<Vec<_>>(), "`{name}`: {json}");
    }

    #[test]
    fn a_limit_is_a_duration_within_its_bounds() {
        let bad = Some(("a duration such as `30m`, `2h` or `PT30M`, from 1s to 10h", "30m"));
        for name in ["limit", "limit/etl"].map(|setting| format!("{RUNTIME}/{setting}")) {
            for good in ["1s", "45m", "2h", "1h 30m", "PT30M", "10h", " 30m "] {
                check(&name, &text(good), None);
            }
            for value in [
                "",
                " ",
                "0",
                "0m",
                "PT0S",
                "-30m",
                "-PT30M",
                "999ms",
                "10h 1s",
                "99999999999999999999h",
                "soon",
                "30",
                "30 %",
            ] {
                check(&name, &text(value), bad);
            }
        }
    }

    #[test]
    fn the_other_settings_too() {
        let bad = Some(("`off`, `observe` or `enforce`", "observe"));
        for name in ["mode", "mode/etl"].map(|setting| format!("{RUNTIME}/{setting}")) {
            for good in ["off", "observe", "enforce"] {
                check(&name, &text(good), None);
            }
            for value in ["", "on", "Enforce", "dry-run"] {
                check(&name, &text(value), bad);
            }
        }
        let name = format!("{RUNTIME}/levels");
        check(&name, &text("50,75,95,100,150"), None);
        for value in ["", "95,75,100", "75,75,100", "75,95", "0,100"] {
            check(&name, &text(value), Some((guardrail::level::LEVELS_SYNTAX, "75,95,100")));
        }
        let name = format!("{RUNTIME}/max_actions");
        check(&name, &text("5"), None);
        for value in ["", "0", "-1", "1001", "five"] {
            check(&name, &text(value), Some(("a whole number from 1 to 1000", "20")));
        }
    }

    #[test]
    fn a_name_that_nothing_reads_is_bad() {
        let unknown = "nothing, the name is unknown";
        for name in ["/other/limit", "limit", "", "/sandbox-guardrails", "/sandbox-guardrailsx/athena/limit"] {
            check(name, &text("30m"), Some(("a name under `/sandbox-guardrails/`", unknown)));
        }
        let settings =
            format!("`limit`, `limit/<scope>`, `mode`, `mode/<scope>`, `levels` or `max_actions` under `{RUNTIME}/`");
        for setting in ["", "limits", "limit/", "limit/a/b", "levels/etl", "max_actions/etl"] {
            check(&format!("{RUNTIME}/{setting}"), &text("30m"), Some((&settings, unknown)));
        }
        for name in
            ["athena/athena-query-runtimes/limit", "emr/athena-query-runtime/limit", "exemptions/", "exemptions/a/b"]
        {
            let verdict = verdict(&object(&[(&format!("/sandbox-guardrails/{name}"), &text("30m"))]));
            let expected: Vec<_> = verdict.bad.iter().map(|bad| bad.rejected.expected.as_str()).collect();
            assert!(
                matches!(expected.as_slice(), [one] if one.starts_with("a name under one of")),
                "`{name}`: {expected:?}"
            );
        }
    }

    #[test]
    fn an_exemption_is_complete_and_ends_in_the_future() {
        let name = "/sandbox-guardrails/exemptions/close";
        let whole = BTreeMap::from([
            ("scope", "finance"),
            ("owner", "ana@example.com"),
            ("reason", "quarter end"),
            ("expires", "2026-11-21T12:00:01Z"),
        ]);
        let exemption = |change: &dyn Fn(&mut BTreeMap<&str, &str>)| {
            let mut fields = whole.clone();
            change(&mut fields);
            text(&serde_json::to_string(&fields).unwrap())
        };
        check(name, &exemption(&|_| ()), None);
        let expired = "an `expires` in the future; it expired at 2026-11-21T12:00:00Z";
        check(name, &exemption(&|fields| _ = fields.insert("expires", NOW)), Some((expired, "no exemption")));

        let faulty = |json: &str, problem: &str| {
            let verdict = verdict(&object(&[(name, json)]));
            let [Bad { rejected, in_force_from: None, .. }] = verdict.bad.as_slice() else { panic!("{verdict:?}") };
            assert!(rejected.expected.contains(problem), "`{problem}` in {rejected}");
            assert_eq!(rejected.in_force, "no exemption");
        };
        for field in ["owner", "reason", "expires"] {
            faulty(&exemption(&|fields| _ = fields.remove(field)), &format!("`{field}`"));
        }
        faulty(&exemption(&|fields| _ = fields.insert("owner", " ")), "`owner` is empty");
        faulty(&exemption(&|fields| _ = fields.remove("scope")), "it names no `resource`, `scope` or `resource_owner`");
        faulty(&exemption(&|fields| _ = fields.insert("for", "ever")), "unknown field `for`");
        faulty(&text(""), "JSON with `owner`");
    }

    #[test]
    fn a_value_that_is_no_text_is_named_with_what_would_do() {
        let limit = format!("{RUNTIME}/limit");
        let duration = "a duration such as `30m`, `2h` or `PT30M`, from 1s to 10h";
        for (json, kind) in [
            ("30", "a number"),
            ("null", "null"),
            ("true", "a boolean"),
            ("[\"30m\"]", "an array"),
            ("{}", "an object"),
        ] {
            check(&limit, json, Some((&format!("a string, not {kind}: {duration}"), "30m")));
        }
        check(&format!("{RUNTIME}/max_actions"), "5", Some(("a string, not a number: `\"5\"`", "20")));
        let fields = r#"{"expires":"2027-01-05T00:00:00Z","owner":"ana","reason":"close","scope":"bi"}"#;
        let expected = format!("a string, not an object: `{}`", text(fields));
        check("/sandbox-guardrails/exemptions/close", fields, Some((&expected, "no exemption")));
        check("/other", "null", Some(("a name under `/sandbox-guardrails/`", "nothing, the name is unknown")));
    }

    #[test]
    fn what_is_in_force_comes_from_the_good_ones_of_the_same_file_in_any_order() {
        let (limit, etl) = (format!("{RUNTIME}/limit"), format!("{RUNTIME}/limit/etl"));
        let mut members = [(limit.as_str(), r#""2h""#), (etl.as_str(), r#""soon""#)];
        for _ in 0..2 {
            let verdict = verdict(&object(&members));
            let [Bad { rejected, in_force_from, .. }] = verdict.bad.as_slice() else { panic!("{verdict:?}") };
            assert_eq!((rejected.parameter.as_str(), rejected.in_force.as_str()), (etl.as_str(), "2h"));
            assert_eq!(in_force_from.as_deref(), Some(limit.as_str()));
            members.reverse();
        }
    }

    #[test]
    fn a_name_given_twice_hides_nothing() {
        let limit = format!("{RUNTIME}/limit");
        let bad = |values: [&str; 2]| {
            let verdict = verdict(&object(&values.map(|value| (limit.as_str(), value))));
            assert_eq!(verdict.checked, 2);
            assert!(verdict.bad.iter().all(|bad| bad.rejected.in_force == "30m"), "neither value is relied on");
            verdict.bad.into_iter().map(|bad| (bad.rejected.value, bad.rejected.expected)).collect::<Vec<_>>()
        };
        let twice = "each name once; this one stands 2 times".to_owned();
        let duration = "a duration such as `30m`, `2h` or `PT30M`, from 1s to 10h".to_owned();
        let [zero, hour] = ["0", "1h"].map(str::to_owned);
        assert_eq!(bad([r#""0""#, r#""1h""#]), [(zero.clone(), duration.clone()), (hour.clone(), twice.clone())]);
        assert_eq!(bad([r#""1h""#, r#""0""#]), [(hour.clone(), twice.clone()), (zero, duration)]);
        assert_eq!(bad([r#""1h""#, r#""1h""#]), [(hour.clone(), twice.clone()), (hour, twice)]);
    }

    #[test]
    fn what_is_no_object_is_a_failure_with_its_place() {
        for (json, message) in [
            ("", "standard input, line 1, column 1: not JSON: EOF while parsing a value"),
            ("{\n  \"a\" \"b\"\n}", "standard input, line 2, column 7: not JSON: expected `:`"),
            ("{\"a\": \"b\",}", "standard input, line 1, column 11: not JSON: trailing comma"),
            ("{} {}", "standard input, line 1, column 4: not JSON: trailing characters"),
            (
                "[]",
                "standard input, line 1, column 1: invalid type: sequence, expected a JSON object of parameter names and values",
            ),
            (
                "null",
                "standard input, line 1, column 4: invalid type: null, expected a JSON object of parameter names and values",
            ),
        ] {
            assert_eq!(read(json).unwrap_err().to_string(), message, "{json}");
        }
        assert!(read("\u{feff}{}").is_ok(), "a byte order mark is passed over");
    }

    #[test]
    fn the_example_of_the_help_is_good() {
        let start = EXAMPLES.find("    {\n").unwrap();
        let end = EXAMPLES.find("    }\n").unwrap() + "    }\n".len();
        let verdict = verdict(EXAMPLES.get(start..end).unwrap());
        assert!(verdict.checked > 1 && verdict.bad.is_empty(), "{verdict:?}");
    }

    #[test]
    fn people_read_a_block_for_each_bad_parameter_and_a_count() {
        let verdict = verdict(&object(&[
            (&format!("{RUNTIME}/mode"), r#""enforce""#),
            (&format!("{RUNTIME}/limit"), r#""\u001b[31m0""#),
            (&format!("{RUNTIME}/mode/etl"), r#""""#),
            (&format!("{RUNTIME}/levels"), &text(&"1,".repeat(101))),
        ]));
        let shown = verdict.text(Look::default());
        insta::assert_snapshot!(shown, @r#"
        /sandbox-guardrails/athena/athena-query-runtime/limit
          value     `\u{1b}[31m0`
          expected  a duration such as `30m`, `2h` or `PT30M`, from 1s to 10h
          in force  `30m`, the catalogue's default

        /sandbox-guardrails/athena/athena-query-runtime/mode/etl
          value     nothing, it is empty
          expected  `off`, `observe` or `enforce`
          in force  `enforce`, as `/sandbox-guardrails/athena/athena-query-runtime/mode` says

        /sandbox-guardrails/athena/athena-query-runtime/levels
          value     `1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,`, and so on
          expected  1 to 10 whole percentages of the limit, ascending, each from 1 to 1000, 100 among them, such as `75,95,100`
          in force  `75,95,100`, the catalogue's default

        bad: 3 of 4 parameters checked will not be obeyed
        "#);
        let coloured = verdict.text(Look { colour: true, width: None });
        assert!(coloured.contains("\u{1b}[1m") && !coloured.contains("\u{1b}[31m0"));
    }

    #[test]
    fn the_last_line_counts() {
        let last = |json: &str| verdict(json).text(Look::default());
        assert_eq!(last("{}"), "good: no parameter is set, the catalogue's defaults are in force\n");
        let mode = format!("{RUNTIME}/mode");
        assert_eq!(last(&object(&[(&mode, r#""off""#)])), "good: 1 parameter checked, it will be obeyed\n");
        let both = [(mode.as_str(), r#""off""#), ("/other", "1")];
        assert!(last(&object(&both)).ends_with("\nbad: 1 of 2 parameters checked will not be obeyed\n"));
    }
}
