//! Docs: the catalogue is in them and is implemented and tested; what they tell people to type or to open exists; the
//! example of how to add a guardrail is one that was added so.

use std::collections::BTreeSet;

use guardrail::measure::MeasureKind;
use guardrail::{ActionKind, Exemption, Guardrail, Measure, Registered, Service, catalogue};
use serde_json::Value;
use stage::generated::{self, calls, documents, filled, page, permissions, services};

use crate::code::functions;
use crate::template::Template;
use crate::{agree, differences, tree};

/// The documents that tell people what to type or to open.
fn docs() -> Vec<String> {
    let named = ["README.md", "ARCHITECTURE.md", "infra/README.md"].map(str::to_owned);
    named.into_iter().chain(services().map(page)).collect()
}

/// What stands in a document as code: the lines of its blocks, and what is between backticks.
fn code_of(document: &str) -> Vec<String> {
    let mut code = Vec::new();
    for (index, part) in document.split("```").enumerate() {
        if index % 2 == 1 {
            // The first line is the block's language.
            code.extend(part.lines().skip(1).map(str::to_owned));
        } else {
            code.extend(part.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    code
}

/// The make targets that a piece of code names: `make test`, `make invoke FN=…`, `FOO=bar make demo`.
fn make_targets(code: &str) -> Vec<&str> {
    let command = code.split(" #").next().unwrap_or_default();
    let words: Vec<&str> = command.split_whitespace().collect();
    let calls = words.iter().enumerate().filter(|(_, word)| **word == "make");
    let targets = calls.flat_map(|(at, _)| {
        let arguments = words[at + 1..].iter().take_while(|word| !["&&", ";", "|"].contains(word));
        arguments.filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-'))
    });
    targets.copied().collect()
}

#[test]
fn code_and_targets_are_found_in_documents() {
    let document = "Type `make test`, or:\n```sh\nmake invoke FN=a EVENT=b   # make sense\nA=1 make up && make down\n```\nSee `tests/`.";
    let code = code_of(document);
    let targets: Vec<&str> = code.iter().flat_map(|code| make_targets(code)).collect();
    assert_eq!(targets, ["test", "invoke", "up", "down"]);
    assert!(code.contains(&"tests/".to_owned()));
}

#[test]
fn what_is_generated_into_documents_is_what_the_code_says() {
    let faults = documents().unwrap().into_iter().filter_map(|document| {
        let (path, text) = (&document.path, tree::read(&document.path));
        match filled(&document, &text) {
            Ok(written) if written == text => None,
            Ok(_) => Some(format!("{path} is not what the code says: run `make generate` and commit what it writes")),
            Err(fault) => Some(fault),
        }
    });
    agree(faults);
}

#[test]
fn every_guardrail_stands_on_the_page_of_its_service_and_nothing_else_does() {
    let faults = services().flat_map(|service| {
        let path = page(service);
        let text = tree::read(&path);
        let heads = text.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
        let ids = service.guardrails().map(|guardrail| guardrail.id);
        differences((&path, heads), (&format!("the catalogue of `{service}`"), ids))
    });
    agree(faults);
}

#[test]
fn the_permissions_on_a_page_are_those_that_the_code_declares() {
    let functions = functions();
    let declared = |name: &String| -> BTreeSet<String> {
        let function = functions.iter().filter(|function| function.name == name);
        function.flat_map(|function| function.actions()).map(str::to_owned).collect()
    };
    let faults = services().filter_map(|service| {
        let names = generated::functions(service)?;
        let (table, path) = (permissions(&names, &names.each_ref().map(declared)), page(service));
        (!tree::read(&path).contains(&table)).then(|| format!("{path} has not the table of permissions\n{table}"))
    });
    agree(faults);
}

#[test]
fn the_exemptions_shown_are_exemptions() {
    let mut faults = Vec::new();
    for path in ["README.md", "shared/guardrail/README.md"] {
        let text = tree::read(path);
        let blocks = text.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
        let exemptions: Vec<&str> = blocks.filter(|block| block.contains("\"expires\"")).collect();
        if exemptions.is_empty() {
            faults.push(format!("{path} does not show how an exemption is written"));
        }
        let bad = exemptions.into_iter().filter_map(|block| Some((block, Exemption::parse(block).err()?)));
        faults.extend(bad.map(|(block, fault)| format!("{path} shows {block}: {fault}")));
    }
    agree(faults);
}

#[test]
fn the_entries_of_the_register_that_are_shown_are_entries() {
    let path = page(Service::Spend);
    let text = tree::read(&path);
    let code = code_of(&text);
    let entries: Vec<&String> = code.iter().filter(|code| code.starts_with("{\"business_unit\"")).collect();
    assert!(!entries.is_empty(), "{path} shows how a sandbox is registered");
    agree(
        entries
            .into_iter()
            .filter(|entry| Registered::parse(entry).is_none())
            .map(|entry| format!("{path} shows {entry}, which is no entry")),
    );
}

#[test]
fn the_makefile_builds_every_function() {
    let makefile = tree::read("Makefile");
    let list = |name: &str| {
        let value = makefile.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(":="));
        value.unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let rooms = tree::packages().iter().filter(|package| package.is_under("functions")).map(|package| &package.name);
    agree(differences(("`ROOMS` in the Makefile", list("ROOMS")), ("the packages under functions/", rooms)));
}

/// What the folders hold of code that is not only there for tests.
fn code_under(folder: &str) -> String {
    let is_code = |path: &String| {
        path.ends_with(".rs") && !path.contains("/tests/") && !path.ends_with("tests.rs") && !path.contains("/fakes")
    };
    tree::files_under(folder).into_iter().filter(is_code).map(|path| tree::read(&path)).collect()
}

/// Where what a guardrail measures is observed.
fn room_of(service: Service) -> String {
    match service {
        Service::Exemptions => "shared/lambda/src".to_owned(),
        service => format!("functions/{service}/src"),
    }
}

/// What is not implemented of a guardrail.
fn unimplemented(guardrail: &Guardrail) -> Vec<String> {
    let Guardrail { id, service, measure, .. } = guardrail;
    let (room, functions) = (room_of(*service), functions());
    let code = code_under(&room);
    let mut faults = Vec::new();
    for kind in guardrail.resources.iter().filter(|kind| !code.contains(&format!("\"{kind}\""))) {
        faults.push(format!("`{id}`: nothing under {room} observes a `{kind}`"));
    }
    // How long something has lived, and how many there are, is told by when it began, which every observation says.
    let told = matches!(measure, Measure::ElapsedTime | Measure::UpTime) || measure.kind() == MeasureKind::Count;
    if !told && !code.contains(&format!("Measure::{measure:?}")) {
        faults.push(format!("`{id}`: nothing under {room} reads `Measure::{measure:?}`"));
    }
    let Some(names) = generated::functions(*service) else { return faults };
    for name in &names {
        let main = format!("functions/{service}/src/bin/{name}.rs");
        if !functions.iter().any(|function| function.name == name) {
            faults.push(format!("`{id}`: no function `{name}`"));
        } else if !tree::read(&main).contains(&format!("Service::{service:?}")) {
            faults.push(format!("`{id}`: {main} does not read the parameters of `Service::{service:?}`"));
        }
    }
    let [_, enforce] = names;
    let enforce = functions.iter().find(|function| function.name == enforce);
    for (action, _) in calls(guardrail) {
        if !enforce.is_some_and(|function| function.actions().any(|declared| declared == action)) {
            faults.push(format!("`{id}`: its page says that it acts by `{action}`, which the enforce may not"));
        }
        // Events are put by what the rooms share; a room says which.
        let called = if guardrail.action == ActionKind::Lock { "SandboxLockRequested" } else { action.as_str() };
        if guardrail.acts() && !code.contains(called) {
            faults.push(format!("`{id}`: nothing under {room} calls `{action}`"));
        }
    }
    faults
}

#[test]
fn every_guardrail_is_implemented_tested_and_documented() {
    let rows: String = tree::files_under("shared/guardrail/tests/rows").iter().map(|path| tree::read(path)).collect();
    let end_to_end: String = tree::files_under("tests/tests/e2e").iter().map(|path| tree::read(path)).collect();
    let readme = tree::read("README.md");
    let mut faults = Vec::new();
    for guardrail in catalogue::all() {
        let (id, service, action) = (guardrail.id, guardrail.service, guardrail.action);
        faults.extend(unimplemented(guardrail));
        if !rows.contains(&format!("\"{id}\"")) {
            faults.push(format!("`{id}`: no row under shared/guardrail/tests/rows has its twins"));
        }
        // What is done about it is the same for all guardrails of the service that do it.
        let mut alike = service.guardrails().filter(|other| other.action == action);
        if !alike.any(|alike| end_to_end.contains(alike.id)) {
            let action = action.as_str();
            faults.push(format!(
                "`{id}`: no test under tests/tests/e2e names it or another of {service} that does `{action}`"
            ));
        }
        for (path, text) in [("README.md", &readme), (page(service).as_str(), &tree::read(&page(service)))] {
            if !text.contains(&format!("`{id}`")) {
                faults.push(format!("`{id}`: {path} does not name it"));
            }
        }
    }
    agree(faults);
}

/// The blocks of Rust in a document, each with the file that the last path before it names.
fn examples(document: &str) -> Vec<(String, String)> {
    let mut examples = Vec::new();
    let mut before = "";
    for (index, part) in document.split("```").enumerate() {
        match part.strip_prefix("rust\n").filter(|_| index % 2 == 1) {
            Some(block) => {
                let named = code_of(before).into_iter().rfind(|code| code.ends_with(".rs"));
                examples.push((named.unwrap_or_default(), block.to_owned()));
            }
            None => before = part,
        }
    }
    examples
}

#[test]
fn the_example_of_a_new_guardrail_is_one_that_was_added_so() {
    let document = "Add to `a/b.rs`:\n```rust\nstatic A: u8 = 1;\n```\nthen\n```sh\nmake test\n```\n";
    assert_eq!(examples(document), [("a/b.rs".to_owned(), "static A: u8 = 1;\n".to_owned())]);

    let mut faults = Vec::new();
    let examples = examples(&tree::read("ARCHITECTURE.md"));
    assert!(examples.len() >= 2, "ARCHITECTURE.md shows a catalogue entry and the row of its twins");
    for (path, block) in &examples {
        if !tree::exists(path) {
            faults.push(format!("ARCHITECTURE.md names no file, or none that is there, before\n{block}"));
        } else if !tree::read(path).contains(block) {
            faults.push(format!("{path} does not hold, letter for letter, what ARCHITECTURE.md shows of it:\n{block}"));
        }
    }
    // An entry that is driven by the tests as every entry is, and that no other code knows of.
    let id = examples.iter().find_map(|(_, block)| block.split("id: \"").nth(1)?.split('"').next());
    let entry = id.and_then(catalogue::find).unwrap_or_else(|| panic!("the example {id:?} is in the catalogue"));
    let shown = examples.iter().filter(|(_, block)| block.contains(&format!("\"{}\"", entry.id)));
    let shown: Vec<&str> = shown.map(|(path, _)| path.as_str()).collect();
    assert_eq!(shown.len(), 2, "`{}` is shown as an entry and as a row", entry.id);
    let is_test = |path: &String| path.contains("/tests/") || path.ends_with("tests.rs");
    let code = ["functions", "shared", "tests"].into_iter().flat_map(tree::files_under);
    let code = code.filter(|path| path.ends_with(".rs") && !is_test(path) && !shown.contains(&path.as_str()));
    let others = code.filter(|path| tree::read(path).contains(entry.id));
    faults.extend(
        others.map(|path| format!("{path} names `{}`, which ARCHITECTURE.md says that no code needs", entry.id)),
    );
    agree(faults);
}

#[test]
fn what_the_documents_tell_people_to_type_exists() {
    let makefile = tree::read("Makefile");
    let targets: Vec<&str> = makefile.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    let targets: Vec<&str> = targets.iter().flat_map(|names| names.split(' ')).collect();
    let code = tree::sources(&["rs", "py", "toml", "yaml", "md"]);
    let documents = docs().into_iter().chain(code).chain(["deny.toml".to_owned(), "CHANGELOG.md".to_owned()]);
    let faults = documents.filter(|path| path != "tests/tests/checks/docs.rs").flat_map(|path| {
        let text = tree::read(&path);
        let named = code_of(&text);
        let missing = named.iter().flat_map(|code| make_targets(code)).filter(|target| !targets.contains(target));
        missing
            .map(|target| format!("{path} names `make {target}`, which the Makefile does not have"))
            .collect::<Vec<_>>()
    });
    agree(faults);
}

#[test]
fn what_the_documents_tell_people_to_open_exists() {
    let folders = ["functions/", "shared/", "infra/", "events/", "tests/", ".ci/"];
    let faults = docs().into_iter().flat_map(|document| {
        let code = code_of(&tree::read(&document));
        let words = code.iter().flat_map(|code| code.split_whitespace()).map(str::to_owned);
        let paths = words.filter(|word| folders.iter().any(|folder| word.starts_with(folder)));
        // A path with a place to fill in, or that stands for several, names none.
        let paths = paths.filter(|path| !path.contains(['<', '*', '{', '…', '$']));
        let paths: Vec<String> = paths.collect();
        paths
            .into_iter()
            .filter(|path| !tree::exists(path))
            .map(move |path| format!("{document} names `{path}`, which is not there"))
    });
    agree(faults.collect::<Vec<_>>());
}

/// The anchor that a heading has: its letters, blanks as hyphens.
fn anchor(heading: &str) -> String {
    let letters = heading.trim_start_matches('#').trim().to_lowercase();
    let letters = letters.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    letters.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn the_links_of_the_documents_lead_somewhere() {
    assert_eq!(anchor("### `emr-cluster-age`"), "emr-cluster-age");
    assert_eq!(anchor("## Add a guardrail"), "add-a-guardrail");
    let mut faults = Vec::new();
    for document in docs() {
        let text = tree::read(&document);
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("https://")) {
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let path = if path.is_empty() { document.clone() } else { tree::resolve(folder, path) };
            let path = path.trim_start_matches('/');
            let leads = tree::exists(path)
                && (fragment.is_empty()
                    || tree::read(path).lines().any(|line| line.starts_with('#') && anchor(line) == fragment));
            if !leads {
                faults.push(format!("{document} has a link to `{link}`, which is not there"));
            }
        }
    }
    agree(faults);
}

#[test]
fn the_tables_of_parameters_are_those_of_the_templates() {
    let readme = tree::read("infra/README.md");
    let mut faults = Vec::new();
    for template in Template::all() {
        let heading = format!("## Parameters of {}", template.path().trim_start_matches("infra/"));
        let section = readme.split(&heading).nth(1).unwrap_or_default().split("\n## ").next().unwrap_or_default();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        for (name, parameter) in template.section("Parameters") {
            let default = match &parameter["Default"] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                number => number.to_string(),
            };
            let default = if default.is_empty() { "| |".to_owned() } else { format!("| `{default}` |") };
            let row = format!("| `{name}` {default}");
            if !rows.iter().any(|line| line.starts_with(&row)) {
                faults.push(format!("infra/README.md, {heading}: there is no row that begins with {row}"));
            }
        }
        if rows.len() != template.section("Parameters").count() {
            faults.push(format!("infra/README.md, {heading}: a row is of no parameter"));
        }
    }
    agree(faults);
}
