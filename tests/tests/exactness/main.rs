//! The cost reader and an independent one agree to the last digit, on exports of every format that AWS delivers.
//!
//! `tests/stage/exports.py` writes the exports anew for each run, with every type of charge and what goes wrong for a
//! careless reader; `tests/stage/export_sums.py` reads the same files with pyarrow and Python's `decimal`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod command;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use guardrail::money::Amount;
use serde::Deserialize;
use spend::{Category, Charges, Dimensions, FileSource, Key, Question, Source, Summary, Usage, UsageKey, summarise};
use stage::running::python;
use stage::template::repository;

/// An export, and what the independent reader makes of it.
#[derive(Debug, Deserialize)]
struct Export {
    name: String,
    files: Vec<PathBuf>,
    lines: u64,
    currency: String,
    months: BTreeSet<String>,
    covered_until: String,
    questions: Vec<Asked>,
}

/// A question and its answers, by what they are sums of: the parts of the key, then the sum.
#[derive(Debug, Deserialize)]
struct Asked {
    charges: String,
    exclude: Vec<String>,
    answers: BTreeMap<String, Vec<Vec<String>>>,
}

/// Parts of a key, as text.
type Parts = Vec<String>;

/// What of a key a sum is told apart by.
type PartsOf = fn(&Key) -> Parts;

const NOTHING: Dimensions = Dimensions { account: false, service: false, owner: false, day: false };
const ALL: Dimensions = Dimensions { account: true, service: true, owner: true, day: true };

/// What a question can ask for the sums of, and the parts of a key then.
const SUMS: [(&str, Dimensions, PartsOf); 6] = [
    ("all", ALL, |key| vec![key.account.clone(), key.service.clone(), key.owner.clone(), day(key)]),
    ("account", Dimensions { account: true, ..NOTHING }, |key| vec![key.account.clone()]),
    ("service", Dimensions { service: true, ..NOTHING }, |key| vec![key.service.clone()]),
    ("owner", Dimensions { owner: true, ..NOTHING }, |key| vec![key.owner.clone()]),
    ("day", Dimensions { day: true, ..NOTHING }, |key| vec![day(key)]),
    ("total", NOTHING, |_| Vec::new()),
];

fn day(key: &Key) -> String {
    key.day.map(|day| day.to_string()).unwrap_or_default()
}

static EXPORTS: LazyLock<(PathBuf, Vec<Export>)> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("exports");
    let _ = std::fs::remove_dir_all(&folder);
    let generator = repository().join("tests/stage/exports.py");
    let status = Command::new(python().unwrap()).arg("-B").arg(generator).arg(&folder).status().unwrap();
    assert!(status.success(), "the generator of exports failed");
    let exports = std::fs::read(folder.join("exports.json")).unwrap();
    (folder, serde_json::from_slice(&exports).unwrap())
});

/// Holds the reader to the answers for every export whose name begins so.
#[track_caller]
fn check(prefix: &str) {
    let (folder, exports) = &*EXPORTS;
    let chosen: Vec<&Export> = exports.iter().filter(|export| export.name.starts_with(prefix)).collect();
    assert!(!chosen.is_empty(), "no export begins with `{prefix}`");
    let faults: Vec<String> = chosen.into_iter().flat_map(|export| disagreements(folder, export)).collect();
    assert!(faults.is_empty(), "{} disagreement(s):\n{}", faults.len(), faults[..faults.len().min(20)].join("\n"));
}

fn disagreements(folder: &Path, export: &Export) -> Vec<String> {
    let files: Vec<FileSource> =
        export.files.iter().map(|file| FileSource::open(&folder.join(file)).unwrap()).collect();
    let files: Vec<&dyn Source> = files.iter().map(|file| file as &dyn Source).collect();
    let mut faults = Vec::new();
    for (number, asked) in export.questions.iter().enumerate() {
        let mut question = Question {
            charges: asked.charges.parse().unwrap(),
            exclude: asked.exclude.iter().map(|category| category.parse().unwrap()).collect(),
            by: ALL,
            owner_tag: "owner".to_owned(),
            usage: true,
        };
        let threads = NonZeroUsize::new(1 + number % 3).unwrap();
        let what = format!("{}, {} without {:?}", export.name, asked.charges, asked.exclude);
        let found = match summarise(&files, &question, threads, &|_| {}) {
            Ok(found) => found,
            Err(fault) => {
                faults.push(format!("{what}: {fault}"));
                continue;
            }
        };
        faults.extend(facts(&what, &found, export));
        for (name, usage) in
            [("used", used(&found, |usage| &usage.amount)), ("cost of use", used(&found, |usage| &usage.cost))]
        {
            let expected = asked.answers.get(name).into_iter();
            faults.extend(expected.flat_map(|expected| differences(&format!("{what}, {name}"), &usage, expected)));
        }
        for (name, by, parts) in SUMS {
            let Some(expected) = asked.answers.get(name) else { continue };
            faults.extend(differences(&format!("{what}, added up by {name}"), &added_up(&found, parts), expected));
            // How lines are told apart has nothing to do with which are left out.
            if asked.exclude.is_empty() {
                question.by = by;
                let found = summarise(&files, &question, threads, &|_| {}).unwrap();
                faults.extend(differences(&format!("{what}, asked by {name}"), &added_up(&found, parts), expected));
            }
        }
    }
    faults
}

/// The sums by these parts of their keys.
fn added_up(found: &Summary, parts: PartsOf) -> BTreeMap<Parts, Amount> {
    let mut sums: BTreeMap<Parts, Amount> = BTreeMap::new();
    for (key, amount) in &found.sums {
        *sums.entry(parts(key)).or_default() += amount;
    }
    sums
}

/// What was used, or what it cost, by account, service, unit and day.
fn used(found: &Summary, of: fn(&Usage) -> &Amount) -> BTreeMap<Parts, Amount> {
    let row = |(key, usage): (&UsageKey, &Usage)| {
        let parts = vec![key.account.clone(), key.service.clone(), key.unit.clone(), key.day.to_string()];
        (parts, of(usage).clone())
    };
    found.usage.iter().map(row).collect()
}

/// How sums differ from those expected, of which each row is the parts of the key and then the amount.
fn differences(what: &str, found: &BTreeMap<Parts, Amount>, expected: &[Parts]) -> Vec<String> {
    let with_amount = |(parts, amount): (&Parts, &Amount)| [parts.as_slice(), &[amount.to_string()]].concat();
    let found: BTreeSet<Parts> = found.iter().map(with_amount).collect();
    let expected: BTreeSet<Parts> = expected.iter().cloned().collect();
    let extra = found.difference(&expected).map(|row| format!("{what}: has {row:?}"));
    extra.chain(expected.difference(&found).map(|row| format!("{what}: lacks {row:?}"))).collect()
}

/// What the reader says of an export besides sums.
fn facts(what: &str, found: &Summary, export: &Export) -> Vec<String> {
    let months: BTreeSet<String> = found.months.iter().map(ToString::to_string).collect();
    let told = [
        ("lines", found.lines.to_string(), export.lines.to_string()),
        ("currency", found.currency.map(|code| code.to_string()).unwrap_or_default(), export.currency.clone()),
        ("months", format!("{months:?}"), format!("{:?}", export.months)),
        (
            "covered until",
            found.covered_until.map(|until| until.to_string()).unwrap_or_default(),
            export.covered_until.clone(),
        ),
    ];
    let wrong = told.into_iter().filter(|(_, found, expected)| found != expected);
    wrong.map(|(fact, found, expected)| format!("{what}, {fact}: {found}, expected {expected}")).collect()
}

#[test]
fn cur_2_0_in_parquet() {
    check("cur2-parquet");
}

#[test]
fn cur_2_0_in_csv() {
    check("cur2-csv");
}

#[test]
fn legacy_cur() {
    check("legacy");
}

#[test]
fn focus() {
    check("focus");
}

#[test]
fn every_charge_and_category_is_asked_for() {
    let (_, exports) = &*EXPORTS;
    for export in exports {
        let charges: BTreeSet<&str> = export.questions.iter().map(|asked| asked.charges.as_str()).collect();
        assert_eq!(charges, Charges::ALL.map(Charges::as_str).into(), "{}", export.name);
        let left_out: BTreeSet<&str> =
            export.questions.iter().flat_map(|asked| &asked.exclude).map(String::as_str).collect();
        assert_eq!(left_out, Category::ALL.map(Category::as_str).into(), "{}", export.name);
    }
}
