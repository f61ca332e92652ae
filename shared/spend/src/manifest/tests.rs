//! Manifests as the exports write them, and what is wrong with others.

use super::Manifest;

const SECOND: &str = r#"{
  "executionId": "8e0c2b4a-3c37-4c3a-9d0e-3f9c7a2f8b11",
  "exportArn": "arn:aws:bcm-data-exports:us-east-1:999999999999:export/cur2-1a2b",
  "columns": [{ "name": "line_item_unblended_cost", "type": "double" }],
  "dataFiles": [
    "s3://costs/exports/cur2/data/BILLING_PERIOD=2026-11/cur2-00001.snappy.parquet",
    "s3://costs/exports/cur2/data/BILLING_PERIOD=2026-11/cur2-00002.snappy.parquet"
  ],
  "additionalOutputFiles": []
}"#;

const LEGACY: &str = r#"{
  "assemblyId": "20261121T081502Z",
  "account": "999999999999",
  "columns": [{ "category": "lineItem", "name": "UnblendedCost", "type": "OptionalBigDecimal" }],
  "charset": "UTF-8",
  "compression": "GZIP",
  "contentType": "text/csv",
  "reportId": "0d5a",
  "reportName": "hourly",
  "billingPeriod": { "start": "20261101T000000.000Z", "end": "20261201T000000.000Z" },
  "bucket": "costs",
  "reportKeys": ["reports/hourly/20261101-20261201/20261121T081502Z/hourly-1.csv.gz"],
  "additionalArtifactKeys": []
}"#;

fn read(json: &str, key: &str) -> Manifest {
    Manifest::parse(json.as_bytes(), key).unwrap()
}

#[test]
fn manifests_of_every_export_are_read() {
    let second = read(SECOND, "exports/cur2/metadata/BILLING_PERIOD=2026-11/cur2-Manifest.json");
    assert_eq!(second.version.unwrap(), "8e0c2b4a-3c37-4c3a-9d0e-3f9c7a2f8b11");
    assert_eq!(second.month.unwrap().to_string(), "2026-11-01");
    assert_eq!(second.bucket.unwrap(), "costs");
    assert_eq!(second.files[1], "exports/cur2/data/BILLING_PERIOD=2026-11/cur2-00002.snappy.parquet");
    let legacy = read(LEGACY, "reports/hourly/20261101-20261201/hourly-Manifest.json");
    assert_eq!(legacy.version.unwrap(), "20261121T081502Z");
    assert_eq!(legacy.month.unwrap().to_string(), "2026-11-01");
    assert_eq!(legacy.bucket.unwrap(), "costs");
    assert_eq!(legacy.files, ["reports/hourly/20261101-20261201/20261121T081502Z/hourly-1.csv.gz"]);
}

#[test]
fn the_month_is_that_of_the_key_where_the_manifest_does_not_say() {
    let table = [
        ("a/metadata/BILLING_PERIOD=2026-11/x-Manifest.json", Some("2026-11-01")),
        ("a/metadata/billing_period=2026-02/x-Manifest.json", Some("2026-02-01")),
        ("a/20261101-20261201/x-Manifest.json", Some("2026-11-01")),
        ("a-b/c/x-Manifest.json", None),
        ("a/BILLING_PERIOD=soon/x-Manifest.json", None),
    ];
    for (key, expected) in table {
        let manifest = read(r#"{"dataFiles": []}"#, key);
        assert_eq!(manifest.month.map(|month| month.to_string()).as_deref(), expected, "{key}");
        assert_eq!((manifest.version, manifest.bucket, manifest.files.len()), (None, None, 0));
    }
    let said = read(r#"{"dataFiles": [], "billingPeriod": {"start": "2026-12-01T00:00:00.000Z"}}"#, table[0].0);
    assert_eq!(said.month.unwrap().to_string(), "2026-12-01");
}

#[test]
fn what_is_wrong_with_a_manifest_is_told() {
    let table = [
        (
            "",
            "`m`: it is no cost export that is known: \
             a manifest is a JSON object: EOF while parsing a value at line 1 column 0",
        ),
        (
            "[]",
            "`m`: it is no cost export that is known: \
             a manifest is a JSON object: invalid type: sequence, expected a map at line 1 column 0",
        ),
        ("{}", "`m`, column `dataFiles` or `reportKeys`: the column is missing: dataFiles` or `reportKeys"),
        (
            r#"{"dataFiles": "x"}"#,
            "`m`, column `dataFiles`: `\"x\"` is not what the column should hold: expected a list of files",
        ),
        (
            r#"{"reportKeys": [5]}"#,
            "`m`, column `reportKeys`: `5` is not what the column should hold: expected the name of a file",
        ),
        (
            r#"{"dataFiles": ["s3://bucket"]}"#,
            "`m`, column `dataFiles`: `\"s3://bucket\"` is not what the column should hold: \
             expected an address such as `s3://bucket/key`",
        ),
        (
            r#"{"dataFiles": ["s3://one/a", "s3://two/b"]}"#,
            "`m`, column `dataFiles`: `\"s3://two/b\"` is not what the column should hold: \
             expected a file in the same bucket as the others",
        ),
        (
            r#"{"reportKeys": [], "billingPeriod": {"start": "soon"}}"#,
            "`m`, column `billingPeriod`: `\"soon\"` is not what the column should hold: \
             expected the beginning of a month such as `20261101T000000.000Z`",
        ),
    ];
    for (json, expected) in table {
        assert_eq!(Manifest::parse(json.as_bytes(), "m").unwrap_err().to_string(), expected);
    }
}
