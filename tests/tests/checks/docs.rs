//! Docs: the catalogue is in them and is implemented and tested; what they tell people to type or to open exists.

use guardrail::Exemption;
use guardrail::catalogue;
use serde_json::Value;
use stage::generated::{CATALOGUE_MARKERS, with_catalogue};

use crate::code::functions;
use crate::template::Template;
use crate::{agree, differences, tree};

/// The documents that tell people what to type.
const DOCS: &[&str] = &["README.md", "ARCHITECTURE.md", "infra/README.md"];

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
fn the_readme_shows_the_catalogue() {
    let readme = tree::read("README.md");
    let [begin, end] = CATALOGUE_MARKERS;
    let written = with_catalogue(&readme);
    let written =
        written.unwrap_or_else(|| panic!("README.md needs the lines `{begin}` and `{end}`; then run `make generate`"));
    assert!(
        written == readme,
        "the table of guardrails in README.md is not the catalogue's: run `make generate` and commit it"
    );
}

#[test]
fn the_exemptions_shown_are_exemptions() {
    let readme = tree::read("README.md");
    let blocks: Vec<&str> = readme.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let exemptions = blocks.into_iter().filter(|block| block.contains("\"expires\""));
    let parsed: Vec<_> = exemptions.map(|block| (Exemption::parse(block), block)).collect();
    assert!(!parsed.is_empty(), "README.md shows how an exemption is written");
    agree(parsed.into_iter().filter_map(|(parsed, block)| Some(format!("README.md shows {block}: {}", parsed.err()?))));
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

#[test]
fn every_guardrail_is_implemented_tested_and_documented() {
    let functions = functions();
    let mut faults = Vec::new();
    for guardrail in catalogue::all() {
        let (id, service) = (guardrail.id, guardrail.service);
        for role in ["watch", "enforce"] {
            let name = format!("{service}-{role}");
            let main = format!("functions/{service}/src/bin/{name}.rs");
            if !functions.iter().any(|function| function.name == name) {
                faults.push(format!("`{id}`: no function `{name}`"));
            } else if !tree::read(&main).contains(&format!("Service::{service:?}")) {
                faults.push(format!("`{id}`: {main} does not read the parameters of `Service::{service:?}`"));
            }
        }
        let mentioned = |files: Vec<String>| files.iter().any(|path| tree::read(path).contains(id));
        let unit_tests = tree::files_under(&format!("functions/{service}/src"));
        if !mentioned(unit_tests.into_iter().filter(|path| path.ends_with("tests.rs")).collect()) {
            faults.push(format!("`{id}`: no test under functions/{service}/src names it"));
        }
        if !mentioned(tree::files_under("tests/tests/e2e")) {
            faults.push(format!("`{id}`: no end-to-end test under tests/tests/e2e names it"));
        }
        for document in ["README.md", "infra/README.md"] {
            if !mentioned(vec![document.to_owned()]) {
                faults.push(format!("`{id}`: {document} does not name it"));
            }
        }
    }
    agree(faults);
}

#[test]
fn what_the_documents_tell_people_to_type_exists() {
    let makefile = tree::read("Makefile");
    let targets: Vec<&str> = makefile.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    let targets: Vec<&str> = targets.iter().flat_map(|names| names.split(' ')).collect();
    let code = tree::sources(&["rs", "py", "toml", "yaml", "md"]);
    let documents = DOCS
        .iter()
        .map(|path| (*path).to_owned())
        .chain(code)
        .chain(["deny.toml".to_owned(), "CHANGELOG.md".to_owned()]);
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
    let faults = DOCS.iter().flat_map(|document| {
        let code = code_of(&tree::read(document));
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
