//! Schemas: what is committed is what the types say, and the samples are what the schemas say.

use std::collections::BTreeMap;

use guardrail::event::{Event, SOURCE};
use guardrail::{Exemption, Registered};
use jsonschema::Validator;
use serde_json::{Value, json};
use stage::generated::{SCHEMAS, page, schemas, services};
use window::Window;

use crate::{agree, differences, tree};

/// The schemas of what is no event: what stands in parameters, in a command, and what workflows are started with.
const NO_EVENTS: &[&str] = &["Exemption", "Registered Sandbox", "Window", "Workflow Input"];

/// Whether a sample is meant not to be what its detail type says: its name tells.
pub(crate) fn is_malformed(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with("malformed"))
}

/// Validators by title, which is the detail type.
fn validators() -> BTreeMap<String, Validator> {
    let validator = |schema: Value| {
        let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
        (schema["title"].as_str().unwrap().to_owned(), validator)
    };
    schemas().into_iter().map(|(_, schema)| validator(schema)).collect()
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let generated = schemas();
    let expected = generated.iter().map(|(file, _)| *file);
    let mut faults =
        differences((SCHEMAS, tree::list(SCHEMAS)), ("the types in shared/guardrail/src/event.rs", expected));
    for (file, schema) in &generated {
        let path = format!("{SCHEMAS}/{file}");
        if tree::exists(&path) && tree::read(&path) != format!("{schema:#}\n") {
            faults.push(format!("{path} is not what the types say"));
        }
    }
    assert!(faults.is_empty(), "run `make generate` and commit what it writes:\n  - {}", faults.join("\n  - "));
}

#[test]
fn every_schema_says_what_it_is() {
    let mut ids = Vec::new();
    for (file, schema) in schemas() {
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{file}");
        let id = schema["$id"].as_str().unwrap_or_default().to_owned();
        assert!(id.starts_with("urn:sandbox-guardrails:schema:") && !ids.contains(&id), "{file}: {id}");
        assert!(
            schema["title"].is_string() && schema["description"].is_string(),
            "{file} has a title and a description"
        );
        ids.push(id);
    }
}

#[test]
fn samples_of_our_events_are_what_schema_and_type_say() {
    let validators = validators();
    let mut faults = Vec::new();
    let mut shown = Vec::new();
    for path in tree::files_under("events").into_iter().filter(|path| !path.starts_with(SCHEMAS)) {
        let event = tree::json(&path);
        if event["source"] != SOURCE {
            continue;
        }
        let (kind, detail) = (event["detail-type"].as_str().unwrap_or_default(), &event["detail"]);
        let Some(validator) = validators.get(kind) else {
            faults.push(format!("{path}: there is no schema for `{kind}`"));
            continue;
        };
        let by_schema = validator.validate(detail).map_err(|error| format!("{}: {error}", error.instance_path()));
        let by_type = Event::from_detail(kind, detail.clone());
        if is_malformed(&path) {
            if by_schema.is_ok() || by_type.is_ok() {
                faults.push(format!(
                    "{path} is meant to be malformed: by its schema {by_schema:?}, by its type {by_type:?}"
                ));
            }
            continue;
        }
        shown.push(kind.to_owned());
        if let Err(error) = by_schema {
            faults.push(format!("{path} is not what its schema says: {error}"));
        }
        match by_type {
            Err(error) => faults.push(format!("{path} cannot be read: {error}")),
            Ok(read) => {
                let written = serde_json::to_value(&read).unwrap();
                if written != *detail {
                    faults.push(format!("{path} is written back as {written}"));
                }
                if read.detail_type() != kind {
                    faults.push(format!("{path} is written back as a `{}`", read.detail_type()));
                }
            }
        }
    }
    let published = validators.keys().filter(|title| !NO_EVENTS.contains(&title.as_str()));
    faults.extend(differences(("the schemas", published), ("the samples under events/", &shown)));
    agree(faults);
}

#[test]
fn findings_on_the_pages_are_what_schema_and_type_say() {
    let validators = validators();
    let mut faults = Vec::new();
    for path in services().map(page) {
        let text = tree::read(&path);
        let blocks = text.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
        for block in blocks.filter(|block| block.contains("\"guardrail\":")) {
            let finding: Value = serde_json::from_str(block).unwrap_or_else(|error| panic!("{path}: {error}: {block}"));
            if let Err(error) = validators["Guardrail Finding"].validate(&finding) {
                faults.push(format!("{path}: {} is not what its schema says: {error}", finding["id"]));
            }
            let read = Event::from_detail("Guardrail Finding", finding.clone());
            let written = read.map(|read| serde_json::to_value(&read).unwrap());
            if written.as_ref().ok() != Some(&finding) {
                faults.push(format!("{path}: {} is read as {written:?}", finding["id"]));
            }
        }
    }
    agree(faults);
}

#[test]
fn the_schema_of_an_exemption_refuses_what_the_parser_refuses_of_its_shape() {
    let validators = validators();
    let good = json!({
        "scope": "etl",
        "owner": "data-platform@example.com",
        "reason": "the monthly close runs long",
        "expires": "2027-01-31T00:00:00Z",
    });
    let check = |change: fn(&mut Value), expected: bool| {
        let mut exemption = good.clone();
        change(&mut exemption);
        assert_eq!(Exemption::parse(&exemption.to_string()).is_ok(), expected, "the parser on {exemption}");
        assert_eq!(validators["Exemption"].is_valid(&exemption), expected, "the schema on {exemption}");
    };
    check(|_| {}, true);
    check(|exemption| exemption["guardrails"] = json!(["athena-*"]), true);
    check(|exemption| exemption["guardrails"] = json!("athena-*"), false);
    check(|exemption| exemption["expires"] = json!("next year"), false);
    check(|exemption| exemption["expiry"] = exemption["expires"].clone(), false);
    for mandatory in ["owner", "reason", "expires"] {
        let mut exemption = good.clone();
        exemption.as_object_mut().unwrap().remove(mandatory);
        assert!(Exemption::parse(&exemption.to_string()).is_err(), "the parser on {exemption}");
        assert!(!validators["Exemption"].is_valid(&exemption), "the schema on {exemption}");
    }
}

#[test]
fn the_schema_of_a_registered_sandbox_refuses_what_the_parser_refuses_of_its_shape() {
    let validators = validators();
    let check = |entry: Value, expected: bool| {
        assert_eq!(Registered::parse(&entry.to_string()).is_some(), expected, "the parser on {entry}");
        assert_eq!(validators["Registered Sandbox"].is_valid(&entry), expected, "the schema on {entry}");
    };
    check(json!({"business_unit": "retail"}), true);
    check(json!({"business_unit": "retail", "alias": "retail-forecast", "region": "eu-west-1"}), true);
    check(json!({"alias": "retail-forecast"}), false);
    check(json!({"business_unit": 7}), false);
    check(json!({"business_unit": "retail", "owner": "jo"}), false);
}

#[test]
fn the_windows_that_are_shown_are_windows_or_have_the_faults_that_they_are_named_for() {
    let schema = &validators()["Window"];
    let check = |path: &str, pointer: &str, faults: &[&str]| {
        let sample = tree::json(path);
        let window = sample.pointer(pointer).unwrap();
        let found = Window::from_json(window).err().map(|faults| faults.0).unwrap_or_default();
        let found: Vec<&str> = found.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(found, faults, "{path}");
        assert_eq!(schema.is_valid(window), faults.is_empty(), "{path}, by the schema");
    };
    let of_command = "/detail/window";
    let of_step = "/event/detail/window";
    check("events/availability-update/window.json", "", &[]);
    check("events/availability-update/requested.json", of_command, &[]);
    check("events/availability-update/validate.json", of_step, &[]);
    check("events/availability-update/two-faults.json", of_step, &["time_zone", "open[0].to"]);
    // The document by itself is what people edit; the command carries the very same.
    let command = tree::json("events/availability-update/requested.json");
    assert_eq!(command.pointer(of_command), Some(&tree::json("events/availability-update/window.json")));
}

#[test]
fn workflows_are_started_with_what_their_schema_says() {
    let validators = validators();
    let check = |path: &str| {
        let step = tree::json(path);
        let found = validators["Workflow Input"].validate(&step["input"]);
        assert!(found.is_ok(), "{path}: {found:?}");
    };
    check("events/availability-step/begin.json");
    check("events/availability-step/begin-start.json");
    check("events/availability-step/begin-by-hand.json");
}
