//! What is generated from the code: the JSON Schemas of the events, and the table of guardrails in `README.md`.
//!
//! `make generate` writes them (`src/bin/generate.rs`), and a test compares what is committed.

use guardrail::catalogue;
use guardrail::event::SCHEMA_VERSION;
use serde_json::Value;

/// The folder of the schemas.
pub const SCHEMAS: &str = "events/schemas";

/// Between these two lines of `README.md` stands the table of guardrails.
pub const CATALOGUE_MARKERS: [&str; 2] = ["<!-- catalogue -->", "<!-- /catalogue -->"];

/// The JSON Schemas of the events, by file name under [`SCHEMAS`].
pub fn schemas() -> Vec<(&'static str, Value)> {
    let schemas = guardrail::event::schemas().into_iter().map(|(file, mut schema)| {
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

/// The table of guardrails, as Markdown.
pub fn catalogue() -> String {
    let mut table = String::from(
        "| guardrail | service | what it holds | limit | levels | at a breach | mode |\n|---|---|---|---|---|---|---|\n",
    );
    for guardrail in catalogue::all() {
        let levels: Vec<String> = guardrail.default_levels.iter().map(u16::to_string).collect();
        table += &format!(
            "| `{}` | {} | {} | {} | {} % | {} | {} |\n",
            guardrail.id,
            guardrail.service,
            guardrail.title,
            guardrail.default_limit.quantity(),
            levels.join(", "),
            guardrail.action.as_str(),
            guardrail.default_mode,
        );
    }
    table
}

/// `README.md` with the table of guardrails between its markers; `None` where it has no markers.
pub fn with_catalogue(readme: &str) -> Option<String> {
    let [begin, end] = CATALOGUE_MARKERS;
    let (before, rest) = readme.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}\n{}{end}{after}", catalogue()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_put_between_its_markers_and_nowhere_else() {
        let readme = "before\n<!-- catalogue -->\nold\n<!-- /catalogue -->\nafter\n";
        let written = with_catalogue(readme).unwrap();
        assert!(written.starts_with("before\n<!-- catalogue -->\n| guardrail |"), "{written}");
        assert!(written.ends_with(" |\n<!-- /catalogue -->\nafter\n"), "{written}");
        assert_eq!(with_catalogue(&written), Some(written));
        assert_eq!(with_catalogue("no markers"), None);
        assert_eq!(with_catalogue("<!-- /catalogue --> the wrong way round <!-- catalogue -->"), None);
    }
}
