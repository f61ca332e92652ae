//! One and the same month in each of the exports, and in each form that a column may have: the answer is the same.

use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterVersion;
use spend::{Dimensions, Question, Summary, UsageKey};

use crate::table::{Form, Held, Table, Writing, question, sum, sum_one, told};

/// The lines of the month: account, service, owner, hour, kind, cost, amount, unit.
const LINES: [[&str; 8]; 7] = [
    ["111122223333", "AmazonEC2", "alice", "2026-11-01T00", "Usage", "0.0104", "1", "Hrs"],
    ["111122223333", "AmazonEC2", "alice", "2026-11-01T01", "Usage", "0.0000000181", "1", "Hrs"],
    ["111122223333", "AmazonEC2", "zoë 🚀", "2026-11-02T23", "Usage", "12.5", "0.25", "Hrs"],
    ["111122223333", "AmazonS3", "", "2026-11-02T23", "Usage", "", "", ""],
    ["444455556666", "AmazonAthena", "bob", "2026-11-30T22", "Usage", "5", "1", "Terabytes"],
    ["444455556666", "AmazonAthena", "", "2026-11-30T23", "Credit", "-2.75", "", ""],
    ["444455556666", "AWSSupportBusiness", "", "2026-11-01T00", "Tax", "0.3", "", ""],
];

const ANSWER: [&str; 6] = [
    "111122223333 AmazonEC2 alice 2026-11-01 0.0104000181",
    "111122223333 AmazonEC2 zoë 🚀 2026-11-02 12.5",
    "111122223333 AmazonS3 - 2026-11-02 0",
    "444455556666 AWSSupportBusiness - 2026-11-01 0.3",
    "444455556666 AmazonAthena - 2026-11-30 -2.75",
    "444455556666 AmazonAthena bob 2026-11-30 5",
];

/// Names of the columns, in this order: month, account, service, owner, start, end, kind, cost, amount, unit, currency.
const LEGACY_CSV: [&str; 11] = [
    "bill/BillingPeriodStartDate",
    "lineItem/UsageAccountId",
    "lineItem/ProductCode",
    "resourceTags/user:owner",
    "lineItem/UsageStartDate",
    "lineItem/UsageEndDate",
    "lineItem/LineItemType",
    "lineItem/UnblendedCost",
    "lineItem/UsageAmount",
    "pricing/unit",
    "lineItem/CurrencyCode",
];
const LEGACY_PARQUET: [&str; 11] = [
    "bill_billing_period_start_date",
    "line_item_usage_account_id",
    "line_item_product_code",
    "resource_tags_user_owner",
    "line_item_usage_start_date",
    "line_item_usage_end_date",
    "line_item_line_item_type",
    "line_item_unblended_cost",
    "line_item_usage_amount",
    "pricing_unit",
    "line_item_currency_code",
];
const FOCUS: [&str; 11] = [
    "BillingPeriodStart",
    "SubAccountId",
    "ServiceName",
    "Tags",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeCategory",
    "BilledCost",
    "ConsumedQuantity",
    "ConsumedUnit",
    "BillingCurrency",
];

fn cur_2(names: [&'static str; 11]) -> [&'static str; 11] {
    names.map(|name| if name == "resource_tags_user_owner" { "resource_tags" } else { name })
}

/// The month under these names. An owner stands for itself, or among other tags under this key.
fn month(names: [&str; 11], owner_key: Option<&str>) -> Table {
    let forms = names.map(|name| match name {
        "resource_tags" | "Tags" => Form::Map,
        _ => Form::Text,
    });
    let columns: Vec<_> = names.into_iter().zip(forms).collect();
    // Columns that nobody asks for stand before and behind.
    let mut table =
        Table::new(&[&[("identity_line_item_id", Form::Text)], &columns[..], &[("zz", Form::Text)]].concat());
    for [account, service, owner, hour, kind, cost, amount, unit] in LINES {
        let (day, hour) = hour.split_once('T').unwrap();
        let (start, end) = (format!("{day}T{hour}:00:00Z"), format!("{day}T{hour}:59:59Z"));
        let owner = match owner_key {
            Some(key) if !owner.is_empty() => format!("user_team=red;{key}={owner};user_empty=-"),
            Some(_) => "user_team=alice".to_owned(),
            None => owner.to_owned(),
        };
        let cells = ["2026-11-01T00:00:00Z", account, service, &owner, &start, &end, kind, cost, amount, unit, "USD"];
        table = table.line(&[&["id,\"1\""], &cells[..], &["z"]].concat());
    }
    table
}

fn all(usage: bool) -> Question {
    Question { usage, ..question() }
}

fn check(what: &str, summary: &Summary) {
    assert_eq!(told(summary), ANSWER, "{what}");
    assert_eq!(summary.currency.unwrap().as_str(), "USD", "{what}");
    assert_eq!(summary.months.iter().map(ToString::to_string).collect::<Vec<_>>(), ["2026-11-01"], "{what}");
    // The hour of the credit is later, and no usage.
    assert_eq!(summary.covered_until.unwrap().to_string(), "2026-11-30T22:59:59Z", "{what}");
    assert_eq!(summary.lines, 7, "{what}");
    assert_eq!(summary.total().to_string(), "15.0604000181", "{what}");
    let usage: Vec<_> = summary
        .usage
        .iter()
        .map(|(UsageKey { account, service, unit, day }, usage)| {
            format!("{account} {service} {unit} {day} {} {}", usage.amount, usage.cost)
        })
        .collect();
    let expected = [
        "111122223333 AmazonEC2 Hrs 2026-11-01 2 0.0104000181",
        "111122223333 AmazonEC2 Hrs 2026-11-02 0.25 12.5",
        "111122223333 AmazonS3  2026-11-02 0 0",
        "444455556666 AmazonAthena Terabytes 2026-11-30 1 5",
    ];
    assert_eq!(usage, expected, "{what}");
}

#[test]
fn every_export_gives_the_same_answer() {
    let legacy_csv = month(LEGACY_CSV, None);
    let legacy_parquet = month(LEGACY_PARQUET, None);
    let second = month(cur_2(LEGACY_PARQUET), Some("user_owner"));
    let focus = |key| {
        let mut focus = month(FOCUS, Some(key));
        focus.columns.push(("ChargeClass".to_owned(), Form::Text));
        focus.lines.iter_mut().for_each(|line| line.push(None));
        focus
    };
    let written = |table: &Table| table.parquet(Writing::default());
    let cases: [(&str, Vec<u8>); 12] = [
        ("legacy, CSV", legacy_csv.csv().into()),
        ("legacy, CSV.gz", legacy_csv.csv_gz()),
        ("legacy, Parquet", written(&legacy_parquet)),
        ("CUR 2.0, CSV", second.csv().into()),
        ("CUR 2.0, CSV.gz", second.csv_gz()),
        ("CUR 2.0, Parquet", written(&second)),
        ("CUR 2.0, a column of the tag alone", month(LEGACY_PARQUET, None).csv_gz()),
        ("CUR 2.0, tags as JSON in Parquet", written(&json_tags(second.clone()))),
        ("FOCUS, CSV", focus("owner").csv().into()),
        ("FOCUS, CSV.gz", focus("user:owner").csv_gz()),
        ("FOCUS, Parquet", written(&focus("owner"))),
        ("FOCUS, keys as in CUR", written(&focus("user_owner"))),
    ];
    for (what, bytes) in cases {
        let summary = sum_one(what, bytes, &all(true)).unwrap_or_else(|fault| panic!("{fault}"));
        check(what, &summary);
    }
}

/// With the column of all tags as text.
fn json_tags(mut table: Table) -> Table {
    let csv = table.csv();
    let index = table.columns.iter().position(|(_, form)| *form == Form::Map).unwrap();
    table.columns[index].1 = Form::Text;
    for (line, text) in table.lines.iter_mut().zip(csv.lines().skip(1)) {
        let from = text.find("\"{").unwrap() + 1;
        let to = text.find("}\"").unwrap() + 1;
        line[index] = Some(text.get(from..to).unwrap().replace("\"\"", "\""));
    }
    table
}

#[test]
fn every_form_of_a_column_gives_the_same_answer() {
    let base = month(cur_2(LEGACY_PARQUET), Some("user_owner"));
    let costs = [
        Form::Text,
        Form::Double,
        Form::Int64 { scale: 10 },
        Form::DecimalBytes { scale: 12 },
        Form::DecimalFixed { scale: 18 },
    ];
    let times = [Form::Text, Form::Millis, Form::Micros, Form::Nanos, Form::Int96];
    for (cost, time) in costs.into_iter().zip(times) {
        let table = base
            .clone()
            .with_form("line_item_unblended_cost", cost)
            .with_form(
                "line_item_usage_amount",
                if cost == Form::Text { Form::Double } else { Form::Int32 { scale: 2 } },
            )
            .with_form("bill_billing_period_start_date", time)
            .with_form("line_item_usage_start_date", time)
            .with_form("line_item_usage_end_date", time);
        let codecs = [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::ZSTD(ZstdLevel::default()),
        ];
        for compression in codecs {
            for (dictionary, version, group, page) in [
                (true, WriterVersion::PARQUET_1_0, 1000, 300),
                (false, WriterVersion::PARQUET_1_0, 3, 2),
                (true, WriterVersion::PARQUET_2_0, 2, 1),
                // Without dictionaries the newer writer uses encodings by differences.
                (false, WriterVersion::PARQUET_2_0, 1000, 300),
            ] {
                let writing = Writing { compression, dictionary, version, group, page };
                let what = format!("{cost:?} {time:?} {writing:?}");
                let summary =
                    sum_one(&what, table.parquet(writing), &all(true)).unwrap_or_else(|fault| panic!("{fault}"));
                check(&what, &summary);
            }
        }
    }
}

#[test]
fn long_columns_are_read_across_pages_and_row_groups() {
    let mut table = Table::new(&[
        ("line_item_usage_account_id", Form::Text),
        ("line_item_unblended_cost", Form::Double),
        ("line_item_currency_code", Form::Text),
        ("bill_billing_period_start_date", Form::Micros),
        ("line_item_line_item_type", Form::Text),
        ("resource_tags", Form::Map),
    ]);
    for line in 0..20_000 {
        let account = format!("{:012}", line % 700);
        // Some lines have no cost, in runs and alone.
        let cost = if line % 13 == 0 || line % 1000 < 200 { String::new() } else { format!("0.{:04}", line % 5000) };
        let tags = match line % 5 {
            0 => String::new(),
            1 => format!("user_other=x{line};user_owner=o{}", line % 300),
            2 => "user_owner=-".to_owned(),
            3 => format!("user_owner=o{}", line % 3),
            _ => "other=y".to_owned(),
        };
        table = table.line(&[&account, &cost, "USD", "2026-11-01T00:00:00Z", "Usage", &tags]);
    }
    let by = Dimensions { account: true, owner: true, ..Default::default() };
    let question = Question { by, ..question() };
    let expected = sum_one("csv", table.csv(), &question).unwrap();
    assert_eq!(expected.lines, 20_000);
    assert!(expected.sums.len() > 1000, "{}", expected.sums.len());
    for dictionary in [true, false] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for (group, page) in [(20_000, 20_000), (7001, 990), (1500, 64)] {
                let writing = Writing { dictionary, version, group, page, ..Writing::default() };
                let parquet = sum_one("parquet", table.parquet(writing), &question).unwrap();
                assert_eq!(parquet, expected, "{writing:?}");
            }
        }
    }
}

#[test]
fn files_of_several_exports_and_months_are_summed_together() {
    let other_month = {
        let mut table = month(LEGACY_CSV, None);
        for line in &mut table.lines {
            for cell in line.iter_mut().flatten() {
                *cell = cell.replace("2026-11", "2026-12");
            }
        }
        table
    };
    let files = [
        Held::new("one.csv", month(LEGACY_CSV, None).csv()),
        Held::new("two.parquet", month(cur_2(LEGACY_PARQUET), Some("user_owner")).parquet(Writing::default())),
        Held::new("three.csv.gz", other_month.csv_gz()),
    ];
    let summary = sum(&files, &question()).unwrap();
    assert_eq!(summary.lines, 21);
    assert_eq!(summary.total().to_string(), "45.1812000543");
    assert_eq!(summary.months.len(), 2);
    assert_eq!(summary.sums.len(), 12);
}

#[test]
fn what_is_not_asked_for_is_summed_over_and_need_not_be_there() {
    let table = Table::new(&[
        ("line_item_unblended_cost", Form::Double),
        ("line_item_currency_code", Form::Text),
        ("bill_billing_period_start_date", Form::Millis),
    ])
    .line(&["1.5", "EUR", "2026-11-01T00:00:00Z"])
    .line(&["-0.25", "EUR", "2026-11-01T00:00:00Z"]);
    let question = Question { by: Dimensions::default(), ..question() };
    let summary = sum_one("few", table.parquet(Writing::default()), &question).unwrap();
    assert_eq!(told(&summary), ["- - - - 1.25"]);
    assert_eq!(summary.covered_until, None);
}

#[test]
fn a_file_without_lines_is_no_fault() {
    let mut table = month(LEGACY_CSV, None);
    table.lines.clear();
    for bytes in [table.csv().into_bytes(), table.csv_gz()] {
        let summary = sum_one("header", bytes, &question()).unwrap();
        assert_eq!((summary.lines, summary.sums.len(), summary.currency), (0, 0, None));
    }
    assert_eq!(sum(&[], &question()).unwrap(), Summary::default());
}

#[test]
fn progress_ends_with_all_bytes() {
    let csv = month(LEGACY_CSV, None).csv_gz();
    let parquet = month(LEGACY_PARQUET, None).parquet(Writing::default());
    let files = [Held::new("a", csv.clone()), Held::new("b", parquet)];
    let told = std::sync::atomic::AtomicU64::new(0);
    let sources: Vec<&dyn spend::Source> = files.iter().map(|file| file as &dyn spend::Source).collect();
    spend::summarise(&sources, &question(), std::num::NonZeroUsize::MIN, &|bytes| {
        told.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
    })
    .unwrap();
    let all: usize = files.iter().map(|file| file.bytes.len()).sum();
    let told = told.into_inner() as usize;
    // The footer of Parquet is not told of.
    assert!(told > csv.len() && told < all, "{told} of {all}");
}
