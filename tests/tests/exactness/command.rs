//! `guardrails spend summarise` prints the same, to the last digit.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use stage::running::binaries;

use crate::{EXPORTS, Export, Parts};

/// What the command prints with `--json`.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Printed {
    currency: String,
    period: String,
    total: String,
    rows: Vec<Row>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    key: String,
    amount: String,
}

/// What is asked for of every export: which charges, without which lines, by what.
const ASKED: [(&str, &[&str], &str); 6] = [
    ("unblended", &[], "account"),
    ("unblended", &[], "service"),
    ("unblended", &[], "owner"),
    ("unblended", &[], "day"),
    ("amortized", &["credit", "refund", "tax"], "account"),
    ("net_amortized", &["tax", "credit", "refund", "support", "fee", "discount"], "day"),
];

#[test]
fn the_command_prints_the_same() {
    let (folder, exports) = &*EXPORTS;
    for export in exports {
        for (charges, exclude, by) in ASKED {
            let printed = printed(folder, export, charges, exclude, by);
            assert_eq!(printed, expected(export, charges, exclude, by), "{}, {charges} by {by}", export.name);
        }
    }
}

#[track_caller]
fn printed(folder: &Path, export: &Export, charges: &str, exclude: &[&str], by: &str) -> Printed {
    let mut command = Command::new(binaries().unwrap().join("guardrails"));
    command.current_dir(folder).args(["spend", "summarise", "--json", "--charges", charges, "--by", by]);
    if !exclude.is_empty() {
        command.args(["--exclude", &exclude.join(",")]);
    }
    let output = command.args(&export.files).output();
    let output = output.unwrap_or_else(|error| panic!("{error}: `make prepare` builds the command"));
    assert!(output.status.success(), "{}: {}", export.name, String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The same out of the independent reader's answers.
fn expected(export: &Export, charges: &str, exclude: &[&str], by: &str) -> Printed {
    let asked = export.questions.iter().find(|asked| asked.charges == charges && asked.exclude == exclude).unwrap();
    let months: Vec<&str> = export.months.iter().map(|month| month.strip_suffix("-01").unwrap()).collect();
    let row = |parts: &Parts| Row { key: parts[0].clone(), amount: parts[1].clone() };
    Printed {
        currency: export.currency.clone(),
        period: [months.first(), months.last()].map(|month| *month.unwrap()).join("/"),
        total: asked.answers["total"][0][0].clone(),
        rows: asked.answers[by].iter().map(row).collect(),
    }
}
