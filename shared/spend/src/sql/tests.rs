//! The SQL for each kind of table, and what is made of answers as Athena writes them.

use std::collections::BTreeMap;

use jiff::civil::date;

use super::*;
use crate::question::{Category, Charges, Dimensions};
use crate::summary::{Key, Usage, UsageKey};

/// A table with these columns, of text unless they say otherwise.
fn table(columns: &str) -> Table {
    let column = |column: &str| {
        let (name, kind) = column.split_once(' ').unwrap_or((column, "string"));
        Column { name: name.to_owned(), kind: kind.to_owned() }
    };
    let columns = columns.lines().map(str::trim).filter(|line| !line.is_empty()).map(column).collect();
    Table { database: "costs".to_owned(), name: "export".to_owned(), columns }
}

const LEGACY: &str = "bill_billing_period_start_date timestamp
    line_item_usage_account_id
    line_item_line_item_type
    line_item_usage_start_date timestamp
    line_item_usage_end_date timestamp
    line_item_product_code
    line_item_currency_code
    line_item_unblended_cost double
    line_item_net_unblended_cost double
    line_item_usage_amount double
    pricing_unit
    resource_tags_user_cost_owner
    year
    month";

const CUR: &str = "bill_billing_period_start_date timestamp
    line_item_usage_account_id
    line_item_line_item_type
    line_item_usage_start_date timestamp
    line_item_usage_end_date timestamp
    line_item_product_code
    line_item_currency_code
    line_item_unblended_cost double
    line_item_usage_amount double
    pricing_unit
    reservation_effective_cost double
    reservation_reservation_a_r_n
    reservation_unused_amortized_upfront_fee_for_billing_period double
    reservation_unused_recurring_fee double
    savings_plan_savings_plan_effective_cost double
    savings_plan_total_commitment_to_date double
    savings_plan_used_commitment double
    resource_tags map<string,string>
    billing_period";

const FOCUS: &str = "billedcost double
    effectivecost double
    billingcurrency
    billingperiodstart timestamp
    chargecategory
    chargeclass
    chargeperiodstart timestamp
    chargeperiodend timestamp
    consumedquantity double
    consumedunit
    servicename
    subaccountid
    tags map<string,string>
    billing_period";

fn question(charges: Charges) -> Question {
    Question {
        charges,
        exclude: [Category::Tax].into(),
        by: Dimensions { account: true, service: true, owner: true, day: true },
        owner_tag: "CostOwner".to_owned(),
        usage: true,
    }
}

fn ask(columns: &str, charges: Charges) -> Result<Statement, Fault> {
    Statement::of(&table(columns), &question(charges), date(2026, 7, 1))
}

#[test]
fn the_statement_adds_up_what_the_question_does_not_tell_apart() {
    insta::assert_snapshot!("legacy", ask(LEGACY, Charges::NetUnblended).unwrap().sql);
    insta::assert_snapshot!("cur", ask(CUR, Charges::Amortized).unwrap().sql);
    insta::assert_snapshot!("focus", ask(FOCUS, Charges::Amortized).unwrap().sql);
    let json = CUR.replace("map<string,string>", "string");
    insta::assert_snapshot!("cur-json-tags", ask(&json, Charges::Unblended).unwrap().sql);
    let mut small = question(Charges::Unblended);
    (small.usage, small.by) = (false, Dimensions::default());
    small.exclude.clear();
    let sql = Statement::of(&table(CUR), &small, date(2026, 11, 1)).unwrap().sql;
    insta::assert_snapshot!("cur-total", sql);
}

#[test]
fn a_column_that_the_charges_need_is_missed_before_anything_is_asked() {
    let check = |columns: &str, charges: Charges, expected: &str| {
        assert_eq!(ask(columns, charges).unwrap_err().to_string(), expected);
    };
    let missing = "`table costs.export`, column `line_item_net_unblended_cost`: the column is missing: \
                   line_item_net_unblended_cost";
    check(CUR, Charges::NetUnblended, missing);
    let unknown = "`table costs.export`: it is no cost export that is known: its columns begin with `a`, `b`";
    check("a\nb", Charges::Unblended, unknown);
}

#[test]
fn names_of_tables_and_tags_are_only_names() {
    let mut strange = table(CUR);
    strange.name = "a\"b".to_owned();
    let mut asked = question(Charges::Unblended);
    asked.owner_tag = "it's".to_owned();
    let sql = Statement::of(&strange, &asked, date(2026, 7, 1)).unwrap().sql;
    assert!(sql.contains(r#""costs"."a""b""#), "{sql}");
    assert!(sql.contains("element_at(\"resource_tags\", 'user:it''s')"), "{sql}");
}

/// What a query gave.
struct Answer(String);

impl Answer {
    /// These lines below the names of their columns.
    fn of(lines: &[&str]) -> Self {
        const HEADER: &str = concat!(
            r#""line_item_unblended_cost","line_item_currency_code","bill_billing_period_start_date","#,
            r#""line_item_line_item_type","line_item_usage_start_date","line_item_usage_end_date","#,
            r#""line_item_usage_account_id","line_item_product_code","pricing_unit","line_item_usage_amount","#,
            r#""resource_tags_user_cost_owner","lines""#,
        );
        Self([&[HEADER], lines].concat().join("\n") + "\n")
    }
}

impl Source for Answer {
    fn name(&self) -> &str {
        "s3://results/1.csv"
    }

    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn bytes(&self, range: Range<u64>) -> io::Result<Bytes> {
        let range = range.start as usize..range.end as usize;
        Ok(Bytes::copy_from_slice(&self.0.as_bytes()[range]))
    }

    fn stream(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self.0.as_bytes()))
    }
}

#[test]
fn an_answer_is_read_as_every_export() {
    let answer = Answer::of(&[
        concat!(
            r#""1.250000000000000000","USD","2026-07-01","Usage","2026-07-02 22:00:00","2026-07-02 23:00:00","#,
            r#""111111111111","AmazonAthena","Terabytes","0.250000000000000000","Ana ""the"" first","40""#,
        ),
        concat!(
            r#""-0.500000000000000000","USD","2026-07-01","Credit","2026-07-02 00:00:00",,"#,
            r#""111111111111","AmazonAthena","",,"","2""#,
        ),
        concat!(
            r#""7.000000000000000000","USD","2026-07-01","Tax","2026-07-01 00:00:00",,"#,
            r#""111111111111","AmazonAthena","",,"","1""#,
        ),
    ]);
    let summary = ask(CUR, Charges::Unblended).unwrap().read(&answer).unwrap();
    let key = |owner: &str| Key {
        account: "111111111111".to_owned(),
        service: "AmazonAthena".to_owned(),
        owner: owner.to_owned(),
        day: Some(date(2026, 7, 2)),
    };
    let amount = |text: &str| text.parse().unwrap();
    let sums = BTreeMap::from([(key("Ana \"the\" first"), amount("1.25")), (key(""), amount("-0.5"))]);
    let used = UsageKey {
        account: "111111111111".to_owned(),
        service: "AmazonAthena".to_owned(),
        unit: "Terabytes".to_owned(),
        day: date(2026, 7, 2),
    };
    let expected = Summary {
        currency: Some("USD".parse().unwrap()),
        months: [date(2026, 7, 1)].into(),
        sums,
        usage: BTreeMap::from([(used, Usage { amount: amount("0.25"), cost: amount("1.25") })]),
        covered_until: Some("2026-07-02T23:00:00Z".parse().unwrap()),
        lines: 43,
    };
    assert_eq!(summary, expected);
}

#[test]
fn an_answer_that_is_wrong_is_told_of_the_table() {
    let check = |lines: &[&str], expected: &str| {
        let read = ask(CUR, Charges::Unblended).unwrap().read(&Answer::of(lines));
        assert_eq!(read.unwrap_err().to_string(), expected);
    };
    let empty = "`table costs.export`: it cannot be read: it has no lines of 2026-07; are its partitions known?";
    check(&[], empty);
    let line = r#""1","USD","2026-07-01","Usage","2026-07-02 22:00:00",,"1","AmazonS3","GB","1","","1""#;
    let currencies = "`table costs.export`, column `line_item_currency_code`: the currency is `EUR` where it was \
                      `USD`; amounts of several currencies cannot be added";
    check(&[line, &line.replace("USD", "EUR")], currencies);
    let uncounted = "`table costs.export`: it is truncated or damaged: a count of lines is no number";
    check(&[&line.replace(r#""","1""#, r#""","one""#)], uncounted);
}
