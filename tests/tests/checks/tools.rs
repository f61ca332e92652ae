//! What other tools find: cfn-lint in the templates, statelint in the workflows, typos in everything that is written.

use std::path::PathBuf;
use std::process::Command;

use stage::running::python;
use stage::template::repository;
use stage::workflow;

use crate::{agree, tree};

/// A tool of the Python environment that the Makefile makes; it lies beside its Python.
#[track_caller]
fn tool(name: &str) -> Command {
    let python = python().unwrap_or_else(|error| panic!("{error}"));
    let tool: PathBuf = python.with_file_name(name);
    assert!(tool.exists(), "{name} is not in the Python environment: run `make prepare`");
    let mut command = Command::new(tool);
    command.current_dir(repository());
    command
}

#[track_caller]
fn finds_nothing(mut command: Command) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn cfn_lint_finds_nothing_in_the_templates() {
    let mut command = tool("cfn-lint");
    // Informational findings too. The Region settles which properties a service has there.
    command.args(["--include-checks", "I", "--regions", "us-east-1", "--", "infra/hub.yaml", "infra/sandbox.yaml"]);
    finds_nothing(command);
}

#[test]
fn statelint_finds_nothing_in_the_workflows() {
    let faults = tree::files_under("infra/workflows").into_iter().flat_map(|path| {
        let found = workflow::lint(&tree::read(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        found.into_iter().map(move |message| format!("{path}: {message}"))
    });
    agree(faults);
}

#[test]
fn nothing_is_misspelt() {
    finds_nothing(tool("typos"));
}
