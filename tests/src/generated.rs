//! What is generated from the code: the JSON Schemas of the events, the table of guardrails in `README.md`, and the
//! guardrails and permissions on the page of each service, the settings of availability.
//!
//! `make generate` writes them (`src/bin/generate.rs`), and a test compares what is committed.

mod pages;
mod samples;

use std::collections::BTreeSet;

use guardrail::event::SCHEMA_VERSION;
use guardrail::{Guardrail, Quantity, Service};
use serde_json::Value;

pub use self::pages::{calls, parameter_names};
use crate::template;

/// The folder of the schemas.
pub const SCHEMAS: &str = "events/schemas";

/// A document with generated blocks, each between two lines that name it: `<!-- catalogue -->`, `<!-- /catalogue -->`.
pub struct Document {
    /// Its path from the root of the repository.
    pub path: String,
    /// The name and the contents of each block.
    pub blocks: Vec<(&'static str, String)>,
}

/// The JSON Schemas of the events, by file name under [`SCHEMAS`].
pub fn schemas() -> Vec<(&'static str, Value)> {
    let all = guardrail::event::schemas().into_iter().chain([("window.json", window::schema())]);
    let schemas = all.map(|(file, mut schema)| {
        let name = file.trim_end_matches(".json");
        schema.insert("$id".to_owned(), format!("urn:sandbox-guardrails:schema:{name}:{SCHEMA_VERSION}").into());
        schema.insert("title".to_owned(), title(name).into());
        let mut schema = schema.to_value();
        durations(&mut schema);
        // The order of the keys depends on features of serde_json that other packages of a build switch on.
        schema.sort_all_objects();
        (file, schema)
    });
    schemas.collect()
}

/// Durations as they are written: in hours, minutes, seconds and fractions of a second.
///
/// Our types say `"format": "duration"`, which to JSON Schema is RFC 3339's and has no fractions.
fn durations(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            if keywords.get("format").is_some_and(|format| format == "duration") {
                keywords.remove("format");
                keywords.insert("pattern".to_owned(), DURATION.into());
            }
            keywords.values_mut().for_each(durations);
        }
        Value::Array(items) => items.iter_mut().for_each(durations),
        _ => {}
    }
}

/// ISO 8601, as far as it is used: `PT30M`, `PT1H0.25S`.
const DURATION: &str = r"^-?PT(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]{1,9})?S)?$";

/// `guardrail-finding` becomes `Guardrail Finding`, which is the detail type of the event.
fn title(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The services in the order of the catalogue; the exemptions last.
pub fn services() -> impl Iterator<Item = Service> {
    Service::GOVERNED.into_iter().chain([Service::Spend, Service::Exemptions])
}

/// The functions of a service: the one that only looks, and the one that acts. None looks after exemptions alone.
pub fn functions(service: Service) -> Option<[String; 2]> {
    match service {
        Service::Exemptions => None,
        // What is spent is metered, in the hub.
        Service::Spend => Some(["meter", "enforce"].map(|role| format!("{service}-{role}"))),
        service => Some(["watch", "enforce"].map(|role| format!("{service}-{role}"))),
    }
}

/// The page of a service, from the root of the repository.
pub fn page(service: Service) -> String {
    match service {
        Service::Exemptions => "shared/guardrail/README.md".to_owned(),
        service => format!("functions/{service}/README.md"),
    }
}

/// Every document with generated blocks.
///
/// # Errors
/// When a guardrail has no sample, or the template cannot be read.
pub fn documents() -> Result<Vec<Document>, String> {
    let read = |template| template::read(template).map_err(|error| error.to_string());
    let (sandbox, hub) = (read("sandbox")?, read("hub")?);
    let readme = Document { path: "README.md".to_owned(), blocks: vec![("catalogue", catalogue())] };
    let pages = services().map(|service| {
        let mut blocks = vec![("guardrails", pages::guardrails(service)?)];
        if let Some(functions) = functions(service) {
            let template = if service == Service::Spend { &hub } else { &sandbox };
            let actions = functions.each_ref().map(|function| allowed(template, function));
            blocks.push(("permissions", permissions(&functions, &actions)));
        }
        Ok(Document { path: page(service), blocks })
    });
    let availability =
        Document { path: "functions/availability/README.md".to_owned(), blocks: vec![("settings", settings())] };
    [Ok(readme), Ok(availability)].into_iter().chain(pages).collect()
}

/// How a sandbox closes: every setting, what it takes and its default.
fn settings() -> String {
    let rows = guardrail::closing::Setting::all().into_iter();
    let rows = rows.map(|(name, takes, default)| format!("| `{name}` | {takes} | `{default}` |\n"));
    format!("| parameter | takes | default |\n|---|---|---|\n{}", rows.collect::<String>())
}

/// The actions that a function's role allows in the template, which a check holds to the `ACTIONS` beside its code.
/// Writing its log is left out: every function may.
fn allowed(template: &Value, function: &str) -> BTreeSet<String> {
    let id: String = title(function).split(' ').collect();
    let role = &template["Resources"][format!("{id}Role")]["Properties"];
    let statements = |policy: &Value| policy["PolicyDocument"]["Statement"].as_array().cloned().unwrap_or_default();
    let statements = role["Policies"].as_array().into_iter().flatten().flat_map(statements);
    // What stands under a condition is allowed where the condition holds.
    let statements = statements.map(|statement| match &statement["Fn::If"][1] {
        Value::Null => statement,
        held => held.clone(),
    });
    let actions = statements.flat_map(|statement| match &statement["Action"] {
        Value::Array(actions) => actions.clone(),
        action => vec![action.clone()],
    });
    let actions = actions.filter_map(|action| action.as_str().map(str::to_owned));
    actions.filter(|action| !action.starts_with("logs:")).collect()
}

/// Who may call what, as a table: what is in the service itself first.
pub fn permissions(functions: &[String; 2], [looks, acts]: &[BTreeSet<String>; 2]) -> String {
    const OF_ALL: [&str; 4] = ["cloudtrail:", "dynamodb:", "events:", "ssm:"];
    let shared = |action: &&String| OF_ALL.iter().any(|prefix| action.starts_with(prefix));
    let mut actions: Vec<&String> = looks.union(acts).collect();
    actions.sort_by_key(|action| (shared(action), *action));
    let mark = |held: bool| if held { " yes |" } else { " |" };
    let rows = actions
        .into_iter()
        .map(|action| format!("| `{action}` |{}{}\n", mark(looks.contains(action)), mark(acts.contains(action))));
    let [looking, acting] = functions;
    format!("| may call | `{looking}` | `{acting}` |\n|---|---|---|\n{}", rows.collect::<String>())
}

/// The guardrails in one table for each service, as Markdown.
pub fn catalogue() -> String {
    let tables: Vec<String> = services().map(table).collect();
    tables.join("\n")
}

fn table(service: Service) -> String {
    let page = page(service);
    let rows = service.guardrails().map(|guardrail| {
        let Guardrail { id, title, action, .. } = guardrail;
        format!("| `{id}` | {title} | {} | {} |\n", brief(guardrail), action.as_str())
    });
    let heading = format!("**[{}]({page})**", service.full_name());
    format!(
        "{heading}\n\n| guardrail | what it holds | limit | at a breach |\n|---|---|---|---|\n{}",
        rows.collect::<String>()
    )
}

/// The default limit in a few words; a long list of patterns by its length.
fn brief(guardrail: &Guardrail) -> String {
    match guardrail.default_limit.quantity() {
        Quantity::Words(words) if words.len() > 3 => format!("{} patterns", words.len()),
        Quantity::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(", ")
        }
        Quantity::Duration(limit) if limit.as_hours() % 24 == 0 && limit.as_hours() > 48 => {
            format!("{} days", limit.as_hours() / 24)
        }
        limit => match guardrail.counted_in {
            Some(kind) => format!("{limit} in a {kind}"),
            None => limit.to_string(),
        },
    }
}

/// A document's text with each block between its markers.
///
/// # Errors
/// When it has no place for a block, or one for a block that there is not.
pub fn filled(document: &Document, text: &str) -> Result<String, String> {
    let path = &document.path;
    let mut text = text.to_owned();
    for (name, block) in &document.blocks {
        let [begin, end] = [format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n")];
        let parts = text.split_once(&begin).and_then(|(before, rest)| {
            let (_, after) = rest.split_once(&end)?;
            Some((before, after))
        });
        let (before, after) = parts.ok_or_else(|| {
            let [begin, end] = [begin.trim_end(), end.trim_end()];
            format!("{path} needs the lines `{begin}` and `{end}`, with what is generated to go between them")
        })?;
        text = format!("{before}{begin}{block}{end}{after}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let blocks = vec![("a", "new\n".to_owned()), ("b", "other\n".to_owned())];
        let document = Document { path: "README.md".to_owned(), blocks };
        let written = filled(&document, text).ok();
        assert_eq!(written.as_deref(), expected);
        if let Some(written) = written {
            assert_eq!(filled(&document, &written).ok().as_deref(), expected, "written twice it is the same");
        }
    }

    #[test]
    fn blocks_are_put_between_their_markers_and_nowhere_else() {
        check(
            "before\n<!-- a -->\nold\n<!-- /a -->\nbetween\n<!-- b -->\n<!-- /b -->\nafter\n",
            Some("before\n<!-- a -->\nnew\n<!-- /a -->\nbetween\n<!-- b -->\nother\n<!-- /b -->\nafter\n"),
        );
        check("no markers\n", None);
        check("<!-- a -->\nold\n<!-- /a -->\nno place for the other\n", None);
        check("<!-- /a -->\nthe wrong way round\n<!-- a -->\n<!-- b -->\n<!-- /b -->\n", None);
    }

    #[test]
    fn permissions_begin_with_the_service_itself() {
        let watch = BTreeSet::from(["events:PutEvents".to_owned(), "glue:ListJobs".to_owned()]);
        let enforce = BTreeSet::from(["glue:StopSession".to_owned()]);
        let table = permissions(&functions(Service::Glue).unwrap(), &[watch, enforce]);
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            ["| `glue:ListJobs` | yes | |", "| `glue:StopSession` | | yes |", "| `events:PutEvents` | yes | |"]
        );
    }
}
