//! Athena over the export: the SQL that both engines speak, and results as Athena writes them.

use jiff::civil::date;
use serde_json::json;
use spend::sql::{Column, Statement, Table};
use spend::{Category, Charges, Dimensions, FileSource, Question};
use stage::exports::{DATABASE, Delivery, Line, TABLE};

use crate::files::{question, read};
use crate::{MARKETING, hub, lines, query};

const COST: &str = "sum(CAST(CAST(line_item_unblended_cost AS varchar) AS decimal(38, 18))) AS cost";

/// What a month cost by account, owner and day.
fn summed(month: &str) -> String {
    let sql = format!(
        "SELECT line_item_usage_account_id AS account, element_at(resource_tags, 'user_owner') AS owner, \
         CAST(substr(CAST(line_item_usage_start_date AS varchar), 1, 10) AS date) AS day, {COST} \
         FROM \"cost_exports\".\"sandboxes\" WHERE billing_period = '{month}' GROUP BY 1, 2, 3 ORDER BY 3, 1, 4"
    );
    query(&hub().account, &sql).unwrap()
}

#[test]
fn sums_are_exact_over_all_files_of_a_month() {
    let month = date(2026, 2, 1);
    hub().deliver(&Delivery::new(month, "first", lines(month)).in_files(3)).unwrap();
    let other = date(2026, 3, 1);
    hub().deliver(&Delivery::new(other, "first", lines(other))).unwrap();
    let expected = "\"account\",\"owner\",\"day\",\"cost\"
\"111122223333\",,\"2026-02-01\",\"0.000000018100000000\"
\"111122223333\",\"ann\",\"2026-02-01\",\"10.100000000000000000\"
\"111122223333\",\"O\"\"Brien, \u{e9}\",\"2026-02-01\",\"20.200000000000000000\"
\"111122223333\",,\"2026-02-02\",\"0.000000000000000000\"
\"444455556666\",\"ann\",\"2026-02-02\",\"-12345.678901234567000000\"
";
    assert_eq!(summed("2026-02"), expected);
}

#[test]
fn a_restatement_with_fewer_files_leaves_nothing_of_the_former() {
    let month = date(2026, 4, 1);
    hub().deliver(&Delivery::new(month, "first", lines(month)).in_files(3)).unwrap();
    let restated = vec![Line::new(MARKETING, "AWSGlue", month, "7.25")];
    hub().deliver(&Delivery::new(month, "second", restated)).unwrap();
    let expected =
        "\"account\",\"owner\",\"day\",\"cost\"\n\"111122223333\",,\"2026-04-01\",\"7.250000000000000000\"\n";
    assert_eq!(summed("2026-04"), expected);
}

#[test]
fn a_month_without_files_has_no_lines() {
    assert_eq!(summed("2025-12"), "\"account\",\"owner\",\"day\",\"cost\"\n");
}

/// The table as Athena describes it.
fn described() -> Table {
    let asked = json!({"CatalogName": "AwsDataCatalog", "DatabaseName": DATABASE, "TableName": TABLE});
    let answer = hub().account.json("athena", "AmazonAthena.GetTableMetadata", &asked).unwrap();
    let of = |member: &str| answer["TableMetadata"][member].as_array().unwrap().clone();
    let columns = of("Columns").into_iter().chain(of("PartitionKeys")).map(|column| {
        let text = |member: &str| column[member].as_str().unwrap().to_owned();
        Column { name: text("Name"), kind: text("Type") }
    });
    Table { database: DATABASE.to_owned(), name: TABLE.to_owned(), columns: columns.collect() }
}

#[test]
fn the_statement_of_a_question_is_answered_as_the_files_are_read() {
    let month = date(2026, 7, 1);
    let delivery = Delivery::new(month, "first", lines(month)).in_files(2);
    hub().deliver(&delivery).unwrap();
    let of =
        |charges| Question { by: Dimensions { service: true, day: true, ..question(charges).by }, ..question(charges) };
    let without_tax = Question { exclude: [Category::Tax].into(), ..of(Charges::Unblended) };
    for (number, question) in Charges::ALL.into_iter().map(of).chain([without_tax]).enumerate() {
        let statement = Statement::of(&described(), &question, month).unwrap();
        let answer = query(&hub().account, &statement.sql).unwrap();
        let path = std::env::temp_dir().join(format!("stage-exports-answer-{number}-{}.csv", std::process::id()));
        std::fs::write(&path, answer).unwrap();
        let answer = statement.read(&FileSource::open(&path).unwrap()).unwrap();
        std::fs::remove_file(path).unwrap();
        let mut expected = read(&delivery, &question, &format!("answer-{number}"));
        // What is less than the eighteenth decimal of a cost is rounded.
        expected.sums.values_mut().for_each(|amount| *amount = amount.rounded(18));
        assert_eq!(answer, expected, "{question:?}");
    }
}

#[test]
fn what_athena_refuses_the_stage_refuses() {
    let month = date(2026, 5, 1);
    hub().deliver(&Delivery::new(month, "first", lines(month))).unwrap();
    let table = "FROM cost_exports.sandboxes WHERE billing_period = '2026-05'";
    for (sql, reason) in [
        (format!("SELECT resource_tags['user_owner'] AS owner {table}"), "Key not present in map: user_owner"),
        ("SELECT 1 AS one FROM cost_exports.missing".to_owned(), "TABLE_NOT_FOUND"),
        ("SELECT 1 +".to_owned(), "syntax error"),
        (format!("SELECT CAST(line_item_product_code AS decimal(38, 18)) AS cost {table}"), "Could not convert"),
    ] {
        let refused = query(&hub().account, &sql).unwrap_err();
        assert!(refused.contains(reason), "{sql}: {refused}");
    }
}
