//! What is delivered reads as it was written.

use std::num::NonZeroUsize;

use guardrail::Amount;
use spend::{Charges, Dimensions, FileSource, Manifest, Question, Source, Summary};
use stage::exports::Delivery;

use crate::{MARKETING, NOVEMBER, RETAIL, lines};

/// What the reader of cost exports makes of the files of a delivery; `name` tells this reading from others.
pub(crate) fn read(delivery: &Delivery, question: &Question, name: &str) -> Summary {
    let folder = std::env::temp_dir().join(format!("stage-exports-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let written = delivery.files().unwrap().into_iter().map(|(key, content)| {
        let path = folder.join(key.rsplit('/').next().unwrap());
        std::fs::write(&path, content).unwrap();
        FileSource::open(&path).unwrap()
    });
    let files: Vec<FileSource> = written.collect();
    let files: Vec<&dyn Source> = files.iter().map(|file| file as &dyn Source).collect();
    let summary = spend::summarise(&files, question, NonZeroUsize::MIN, &|_| ()).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    summary
}

/// What is asked of an export: by account and owner, and what was used.
pub(crate) fn question(charges: Charges) -> Question {
    Question {
        charges,
        exclude: [].into(),
        by: Dimensions { account: true, owner: true, ..Dimensions::default() },
        owner_tag: "owner".to_owned(),
        usage: true,
    }
}

#[test]
fn parquet_and_csv_files_read_as_the_lines_that_were_given() {
    let parquet = Delivery::new(NOVEMBER, "first", lines(NOVEMBER)).in_files(2);
    let csv = parquet.clone().as_csv();
    let (parquet, csv) =
        (read(&parquet, &question(Charges::Unblended), "parquet"), read(&csv, &question(Charges::Unblended), "csv"));
    assert_eq!(parquet, csv);
    let of = |account: &str, owner: &str| {
        let found = parquet.sums.iter().find(|(key, _)| key.account == account && key.owner == owner);
        found.map(|(_, amount)| amount.clone())
    };
    let amount = |text: &str| text.parse::<Amount>().ok();
    assert_eq!(of(MARKETING, "ann"), amount("10.1"));
    assert_eq!(of(MARKETING, "O\"Brien, \u{e9}"), amount("20.2"));
    assert_eq!(of(MARKETING, ""), amount("0.00000001810000000004"));
    assert_eq!(of(RETAIL, "ann"), amount("-12345.678901234567"));
    assert_eq!(parquet.lines, 5);
    assert_eq!(parquet.months.into_iter().collect::<Vec<_>>(), [NOVEMBER]);
    assert_eq!(parquet.covered_until.unwrap().to_string(), "2026-11-02T00:00:00Z", "a tax covers nothing");
}

#[test]
fn the_manifest_names_the_files_and_the_version() {
    let delivery = Delivery::new(NOVEMBER, "restated", lines(NOVEMBER)).in_files(2);
    let (key, content) = delivery.manifest();
    let manifest = Manifest::parse(&content, &key).unwrap();
    assert_eq!(manifest.version.as_deref(), Some("restated"));
    assert_eq!(manifest.month, Some(NOVEMBER));
    assert_eq!(manifest.bucket.as_deref(), Some(stage::exports::BUCKET));
    let keys: Vec<String> = delivery.files().unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(manifest.files, keys);
}
