//! `guardrails spend summarise`, as an operator runs it.

use std::fs;

use serde_json::{Value, json};

use super::exports::{Exports, LINE, Line};
use super::{parts, run};

/// A month of three accounts, with lines of every kind.
const NOVEMBER: [Line; 8] = [
    LINE,
    Line { day: "2026-11-04", cost: "0.0000000181", ..LINE },
    Line { account: "222233334444", service: "AmazonAthena", owner: "jo@bank.example", cost: "1.81E-8", ..LINE },
    Line { account: "222233334444", service: "ElasticMapReduce", owner: "jo@bank.example", cost: "1204.1", ..LINE },
    Line { account: "222233334444", service: "AWSGlue", owner: "", cost: "17", day: "2026-11-30", ..LINE },
    Line { account: "333344445555", service: "AmazonS3", owner: "", kind: "Tax", cost: "3.25", ..LINE },
    Line { account: "333344445555", service: "AmazonS3", kind: "Credit", cost: "-20", ..LINE },
    Line { account: "333344445555", service: "AmazonS3", owner: "", cost: "", ..LINE },
];

/// Sums up files; gives what is printed when that went well.
fn summarise(files: &[&str], options: &[&str]) -> String {
    let (code, out, err) = run(&[&["spend", "summarise"], files, options].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""), "{files:?} {options:?}");
    out
}

fn json_of(files: &[&str], options: &[&str]) -> Value {
    serde_json::from_str(&summarise(files, &[options, &["--json"]].concat())).unwrap()
}

#[test]
fn the_sums_are_a_table_for_people() {
    let exports = Exports::new();
    let november = exports.csv_gz("november.csv.gz", &NOVEMBER);
    let table = |options: &[&str]| summarise(&[&november], options);
    insta::assert_snapshot!(table(&[]), @r#"
    unblended cost by account in 2026-11

    account                   USD    share
    222233334444  1221.1000000181  100.3 %
    111122223333    12.5000000181    1.0 %
    333344445555   -16.75           -1.4 %
    total         1216.8500000362

    left out  nothing
    lines     8
    files     1
    "#);
    insta::assert_snapshot!(table(&["--by", "service", "--exclude", "tax,credit", "--charges", "net_unblended"]), @r#"
    net unblended cost by service in 2026-11

    service            USD   share
    AmazonSageMaker   3.00  33.3 %
    AWSGlue           1.50  16.7 %
    AmazonAthena      1.50  16.7 %
    AmazonS3          1.50  16.7 %
    ElasticMapReduce  1.50  16.7 %
    total             9.00

    left out  tax, credit
    lines     8
    files     1
    "#);
    insta::assert_snapshot!(table(&["--by", "day"]), @r#"
    unblended cost by day in 2026-11

    day                     USD   share
    2026-11-03  1199.8500000181  98.6 %
    2026-11-04     0.0000000181   0.0 %
    2026-11-30    17.00           1.4 %
    total       1216.8500000362

    left out  nothing
    lines     8
    files     1
    "#);
    insta::assert_snapshot!(table(&["--by", "owner", "--exclude", "credit", "--exclude", "tax"]), @r#"
    unblended cost by owner in 2026-11

    owner                         USD   share
    jo@bank.example   1204.1000000181  97.6 %
    (no owner)          17.00           1.4 %
    ana@bank.example    12.5000000181   1.0 %
    total             1233.6000000362

    left out  tax, credit
    lines     8
    files     1
    "#);
    for by in ["account", "service", "day", "owner"] {
        let table = table(&["--by", by]);
        assert!(table.lines().all(|line| line.chars().count() <= 80 && !line.contains('\u{1b}')), "{table}");
    }
}

#[test]
fn the_sums_are_exact_for_machines() {
    let exports = Exports::new();
    let november = exports.csv("november.csv", &NOVEMBER);
    insta::assert_snapshot!(summarise(&[&november], &["--json"]), @r#"
    {
      "currency": "USD",
      "period": "2026-11",
      "total": "1216.8500000362",
      "rows": [
        {
          "key": "111122223333",
          "amount": "12.5000000181"
        },
        {
          "key": "222233334444",
          "amount": "1221.1000000181"
        },
        {
          "key": "333344445555",
          "amount": "-16.75"
        }
      ]
    }
    "#);
    let check = |options: &[&str], total: &str, rows: &[(&str, &str)]| {
        let rows: Vec<_> = rows.iter().map(|(key, amount)| json!({ "key": key, "amount": amount })).collect();
        let expected = json!({ "currency": "USD", "period": "2026-11", "total": total, "rows": rows });
        assert_eq!(json_of(&[&november], options), expected, "{options:?}");
    };
    check(
        &["--by", "service"],
        "1216.8500000362",
        &[
            ("AWSGlue", "17"),
            ("AmazonAthena", "0.0000000181"),
            ("AmazonS3", "-16.75"),
            ("AmazonSageMaker", "12.5000000181"),
            ("ElasticMapReduce", "1204.1"),
        ],
    );
    check(
        &["--by", "day", "--exclude", "credit"],
        "1236.8500000362",
        &[("2026-11-03", "1219.8500000181"), ("2026-11-04", "0.0000000181"), ("2026-11-30", "17")],
    );
    check(
        &["--by", "owner", "--exclude", "tax,credit"],
        "1233.6000000362",
        &[("", "17"), ("ana@bank.example", "12.5000000181"), ("jo@bank.example", "1204.1000000181")],
    );
    check(
        &["--by", "owner", "--owner-tag", "team", "--exclude", "tax,credit"],
        "1233.6000000362",
        &[("", "1233.6000000362")],
    );
}

#[test]
fn files_of_any_format_are_summed_up_together() {
    let exports = Exports::new();
    let october = [Line { day: "2026-10-31", cost: "0.1", ..LINE }, Line { day: "2026-10-31", cost: "0.2", ..LINE }];
    let files = [
        exports.parquet("a.snappy.parquet", &october),
        exports.csv_gz("b.csv.gz", &NOVEMBER),
        exports.csv("c.csv", &[LINE]),
    ];
    let [a, b, c] = files.each_ref().map(String::as_str);
    let told = json_of(&[a, b, c], &["--by", "day"]);
    assert_eq!((&told["period"], &told["total"]), (&json!("2026-10/2026-11"), &json!("1229.6500000362")));
    assert_eq!(
        told["rows"][0],
        json!({ "key": "2026-10-31", "amount": "0.3" }),
        "binary numbers count as they are written"
    );
    assert!(summarise(&[a, b, c], &[]).starts_with("unblended cost by account in 2026-10 to 2026-11\n"));
}

#[test]
fn a_folder_is_what_lies_below_it() {
    let exports = Exports::new();
    exports.csv("export/data/BILLING_PERIOD=2026-10/a.csv", &[Line { day: "2026-10-05", ..LINE }]);
    exports.csv("export/data/BILLING_PERIOD=2026-11/a.csv", &[LINE]);
    exports.file("export/metadata/BILLING_PERIOD=2026-11/a-Manifest.json", b"{}");
    let told = json_of(&[&exports.named("export")], &[]);
    assert_eq!((&told["period"], &told["total"]), (&json!("2026-10/2026-11"), &json!("25")));

    exports.csv("twice/2026-11/0a1b/a.csv", &[LINE]);
    exports.csv("twice/2026-11/9f8e/a.csv", &[LINE]);
    let folder = exports.named("twice");
    let places = format!("`{folder}/2026-11/0a1b` and `{folder}/2026-11/9f8e`");
    refused(
        &[&folder],
        &format!(
            "`{folder}/2026-11` may hold several deliveries of one month, each of which restates the whole month: \
             {places}; name the one that counts"
        ),
    );
    fs::create_dir(exports.path("empty")).unwrap();
    let empty = exports.named("empty");
    refused(&[&empty], &format!("`{empty}` holds no file that ends with `.parquet`, `.csv.gz` or `.csv`"));
}

#[test]
fn without_a_line_there_is_neither_currency_nor_period() {
    let exports = Exports::new();
    let empty = exports.csv("empty.csv", &[]);
    assert_eq!(json_of(&[&empty], &[]), json!({ "currency": null, "period": null, "total": "0", "rows": [] }));
    insta::assert_snapshot!(summarise(&[&empty], &["--exclude", "tax"]), @r#"
    unblended cost by account

    left out  tax
    lines     0
    files     1
    "#);
}

#[test]
fn decimals_that_nobody_reads_are_rounded_and_that_is_said() {
    let exports = Exports::new();
    let fine = exports.csv("fine.csv", &[LINE, Line { cost: "0.123456789055", account: "222233334444", ..LINE }]);
    insta::assert_snapshot!(summarise(&[&fine], &[]), @r#"
    unblended cost by account in 2026-11

    account                 USD   share
    111122223333  12.50          99.0 %
    222233334444   0.1234567891   1.0 %
    total         12.6234567891

    left out  nothing
    lines     2
    files     1
    rounded   to 10 decimals; `--json` prints every one
    "#);
    assert_eq!(json_of(&[&fine], &[])["total"], "12.623456789055");
}

#[test]
fn a_total_below_nothing_has_no_shares() {
    let exports = Exports::new();
    let refund =
        exports.csv("refund.csv", &[LINE, Line { kind: "Refund", cost: "-14.5", account: "222233334444", ..LINE }]);
    insta::assert_snapshot!(summarise(&[&refund], &[]), @r#"
    unblended cost by account in 2026-11

    account          USD  share
    111122223333   12.50      –
    222233334444  -14.50      –
    total          -2.00

    left out  nothing
    lines     2
    files     1
    "#);
}

/// Files that cannot be summed up: exit code 2, nothing printed, and one line that begins so.
fn refused(files: &[&str], begins: &str) {
    for options in [&[][..], &["--json"]] {
        let (code, out, err) = run(&[&["spend", "summarise"], files, options].concat());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{files:?}");
        assert!(err.starts_with(&format!("error: {begins}")) && err.lines().count() == 1, "`{begins}` begins {err}");
    }
}

#[test]
fn what_cannot_be_summed_up_is_told_by_file_column_and_place() {
    let exports = Exports::new();
    let good = exports.csv("good.csv", &NOVEMBER);
    let missing = exports.named("missing.csv");
    refused(&[&good, &missing], &format!("cannot read `{missing}`: "));
    refused(&[&good, &good], &format!("`{good}` is given twice, and would count twice"));
    let (folder, other) = (exports.named("."), format!("{}/./good.csv", exports.named(".")));
    refused(&[&folder, &other], &format!("`{other}` is given twice, and would count twice"));

    let notes = exports.file("notes.csv", b"day,spent\n2026-11-03,12\n");
    refused(&[&notes], &format!("`{notes}`, line 1: it is no cost export that is known: "));
    let incomplete = exports.csv_without("lineItem/UnblendedCost", "incomplete.csv", &NOVEMBER);
    refused(
        &[&good, &incomplete],
        &format!("`{incomplete}`, column `lineItem/UnblendedCost`, line 1: the column is missing"),
    );
    let wrong = exports.csv("wrong.csv", &[LINE, Line { cost: "12,5", ..LINE }]);
    refused(&[&wrong], &format!("`{wrong}`"));
    let words = exports.csv("words.csv", &[LINE, Line { cost: "lots", ..LINE }]);
    refused(&[&words], &format!("`{words}`, column `lineItem/UnblendedCost`, line 3: `lots` is not what"));
    let euro = exports.csv("euro.csv", &[Line { currency: "EUR", ..LINE }]);
    refused(&[&good, &euro], "`");

    let whole = exports.parquet("whole.parquet", &NOVEMBER[..4]);
    let bytes = fs::read(&whole).unwrap();
    let half = exports.file("half.parquet", &bytes[..bytes.len() / 2]);
    refused(&[&half], &format!("`{half}`"));
    let packed = fs::read(exports.csv_gz("packed.csv.gz", &NOVEMBER)).unwrap();
    let cut = exports.file("cut.csv.gz", &packed[..packed.len() - 12]);
    refused(&[&cut], &format!("`{cut}`"));
}

#[test]
fn a_pipe_is_no_file_of_an_export() {
    let mut command = super::guardrails(&["spend", "summarise", "/dev/stdin"]);
    command.stdin(std::process::Stdio::piped());
    let (code, out, err) = parts(command.output().unwrap());
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.starts_with("error: cannot read `/dev/stdin`: "), "{err}");
}
