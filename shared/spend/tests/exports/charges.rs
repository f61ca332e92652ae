//! What a line costs under each setting, and which lines are left out.

use spend::{Category, Charges, Dimensions, Question};

use crate::table::{Form, Table, Writing, question, sum_one};

/// A line of each kind. Every cost is told apart by its digits.
fn lines() -> Table {
    let names = [
        "line_item_line_item_type",
        "line_item_product_code",
        "reservation_reservation_a_r_n",
        "line_item_unblended_cost",
        "line_item_net_unblended_cost",
        "savings_plan_savings_plan_effective_cost",
        "savings_plan_net_savings_plan_effective_cost",
        "savings_plan_total_commitment_to_date",
        "savings_plan_used_commitment",
        "reservation_effective_cost",
        "reservation_net_effective_cost",
        "reservation_unused_amortized_upfront_fee_for_billing_period",
        "reservation_net_unused_amortized_upfront_fee_for_billing_period",
        "reservation_unused_recurring_fee",
        "reservation_net_unused_recurring_fee",
        "line_item_currency_code",
        "bill_billing_period_start_date",
    ];
    let mut table = Table::new(&names.map(|name| (name, Form::Text)));
    let kinds = [
        ("Usage", "AmazonEC2", ""),
        ("DiscountedUsage", "AmazonEC2", "arn:r"),
        ("SavingsPlanCoveredUsage", "AmazonEC2", ""),
        ("SavingsPlanNegation", "AmazonEC2", ""),
        ("SavingsPlanUpfrontFee", "ComputeSavingsPlans", ""),
        ("SavingsPlanRecurringFee", "ComputeSavingsPlans", ""),
        ("RIFee", "AmazonEC2", "arn:r"),
        ("Fee", "AmazonEC2", "arn:r"),
        ("Fee", "Marketplace", ""),
        ("Fee", "AWSSupportBusiness", "NULL"),
        ("Usage", "OCBPremiumSupport", ""),
        ("Tax", "AmazonEC2", ""),
        ("Credit", "AmazonEC2", ""),
        ("Refund", "AmazonEC2", ""),
        ("EdpDiscount", "AmazonEC2", ""),
        ("PrivateRateDiscount", "AmazonEC2", ""),
        ("SomethingNew", "AmazonEC2", ""),
    ];
    for (kind, service, arn) in kinds {
        let numbers = ["100", "90", "7", "6", "50", "20", "8", "7.5", "3", "2.5", "0.3", "0.25"];
        let cells = [&[kind, service, arn], &numbers[..], &["USD", "2026-11-01T00:00:00Z"]].concat();
        table = table.line(&cells);
    }
    table
}

fn by_service(charges: Charges, exclude: &[Category]) -> Question {
    let by = Dimensions { service: true, ..Default::default() };
    Question { charges, exclude: exclude.iter().copied().collect(), by, ..question() }
}

/// The total of the line of one kind, which is found by leaving all others out of the table.
fn cost(kind: &str, arn: bool, charges: Charges) -> String {
    let mut table = lines();
    let has_arn = |cell: &Option<String>| cell.as_deref().is_some_and(|arn| arn != "NULL");
    table.lines.retain(|line| line[0].as_deref() == Some(kind) && has_arn(&line[2]) == arn);
    table.lines.truncate(1);
    assert_eq!(table.lines.len(), 1, "{kind}");
    let csv = sum_one("csv", table.csv(), &by_service(charges, &[])).unwrap().total().to_string();
    let parquet = sum_one("parquet", table.parquet(Writing::default()), &by_service(charges, &[])).unwrap();
    assert_eq!(parquet.total().to_string(), csv);
    csv
}

#[test]
fn each_kind_of_line_costs_by_the_formulas_of_aws() {
    // Unblended, net unblended, amortized, net amortized.
    let table = [
        ("Usage", false, ["100", "90", "100", "90"]),
        ("DiscountedUsage", true, ["100", "90", "8", "7.5"]),
        ("SavingsPlanCoveredUsage", false, ["100", "90", "7", "6"]),
        ("SavingsPlanNegation", false, ["100", "90", "0", "0"]),
        ("SavingsPlanUpfrontFee", false, ["100", "90", "0", "0"]),
        // AWS has no figures after discounts for what is left of a commitment.
        ("SavingsPlanRecurringFee", false, ["100", "90", "30", "30"]),
        ("RIFee", true, ["100", "90", "3.3", "2.75"]),
        ("Fee", true, ["100", "90", "0", "0"]),
        ("Fee", false, ["100", "90", "100", "90"]),
        ("Tax", false, ["100", "90", "100", "90"]),
        ("Credit", false, ["100", "90", "100", "90"]),
        ("Refund", false, ["100", "90", "100", "90"]),
        ("EdpDiscount", false, ["100", "90", "100", "90"]),
        ("SomethingNew", false, ["100", "90", "100", "90"]),
    ];
    for (kind, arn, costs) in table {
        for (charges, expected) in Charges::ALL.into_iter().zip(costs) {
            assert_eq!(cost(kind, arn, charges), expected, "{kind} {charges}");
        }
    }
}

#[test]
fn each_category_leaves_out_its_lines() {
    // How many of the seventeen lines of 100 are left.
    let table: [(&[Category], i64); 9] = [
        (&[], 17),
        (&[Category::Tax], 16),
        (&[Category::Credit], 16),
        (&[Category::Refund], 16),
        (&[Category::Support], 15),
        (&[Category::Fee], 11),
        (&[Category::Discount], 15),
        // A fee for support is of both.
        (&[Category::Fee, Category::Support], 10),
        (&Category::ALL, 5),
    ];
    for (exclude, left) in table {
        let question = by_service(Charges::Unblended, exclude);
        let summary = sum_one("csv", lines().csv(), &question).unwrap();
        assert_eq!(summary.total().to_string(), (left * 100).to_string(), "{exclude:?}");
        assert_eq!(summary.lines, 17, "{exclude:?}");
        let parquet = sum_one("parquet", lines().parquet(Writing::default()), &question).unwrap();
        assert_eq!(parquet.sums, summary.sums, "{exclude:?}");
    }
}

#[test]
fn what_has_only_lines_that_are_left_out_is_not_told() {
    let question = by_service(Charges::Unblended, &[Category::Support]);
    let summary = sum_one("csv", lines().csv(), &question).unwrap();
    let services: Vec<_> = summary.sums.keys().map(|key| key.service.as_str()).collect();
    assert_eq!(services, ["AmazonEC2", "ComputeSavingsPlans", "Marketplace"]);
}

#[test]
fn columns_of_commitments_may_be_absent_unless_a_line_needs_them() {
    let without = |column: &str, kind: &str| {
        let mut table = lines();
        table.lines.retain(|line| line[0].as_deref() == Some(kind));
        let index = table.columns.iter().position(|(name, _)| name == column).unwrap();
        table.columns.remove(index);
        table.lines.iter_mut().for_each(|line| drop(line.remove(index)));
        let question = by_service(Charges::Amortized, &[]);
        let csv = sum_one("x", table.csv(), &question);
        let parquet = sum_one("x", table.parquet(Writing::default()), &question);
        assert_eq!(csv.is_ok(), parquet.is_ok());
        csv.map(|summary| summary.total().to_string()).map_err(|fault| fault.to_string())
    };
    let missing = |column: &str| Err(format!("`x`, column `{column}`: the column is missing: {column}"));
    let table = [
        ("savings_plan_savings_plan_effective_cost", "SavingsPlanCoveredUsage"),
        ("savings_plan_total_commitment_to_date", "SavingsPlanRecurringFee"),
        ("savings_plan_used_commitment", "SavingsPlanRecurringFee"),
        ("reservation_effective_cost", "DiscountedUsage"),
        ("reservation_unused_amortized_upfront_fee_for_billing_period", "RIFee"),
        ("reservation_unused_recurring_fee", "RIFee"),
        ("reservation_reservation_a_r_n", "Fee"),
    ];
    for (column, kind) in table {
        assert_eq!(without(column, kind), missing(column));
        assert_eq!(without(column, "Tax"), Ok("100".to_owned()));
    }
}

#[test]
fn costs_after_discounts_that_nobody_gave_are_a_fault() {
    let mut table = lines();
    let index = table.columns.iter().position(|(name, _)| name == "line_item_net_unblended_cost").unwrap();
    table.lines.iter_mut().for_each(|line| line[index] = None);
    for bytes in [table.csv().into_bytes(), table.parquet(Writing::default())] {
        let fault = sum_one("x", bytes, &by_service(Charges::NetUnblended, &[])).unwrap_err();
        assert!(fault.to_string().contains("no line has a value"), "{fault}");
    }
}

/// FOCUS: a line of each category, with what was billed and what it effectively cost.
fn focus() -> Table {
    let names = [
        "ChargeCategory",
        "ChargeClass",
        "ServiceName",
        "BilledCost",
        "EffectiveCost",
        "BillingCurrency",
        "BillingPeriodStart",
    ];
    let mut table = Table::new(&names.map(|name| (name, Form::Text)));
    for (category, class, service) in [
        ("Usage", "", "Amazon Athena"),
        ("Usage", "Correction", "Amazon Athena"),
        ("Purchase", "", "Savings Plans for AWS Compute usage"),
        ("Tax", "", "Amazon Athena"),
        ("Credit", "", "Amazon Athena"),
        ("Adjustment", "", "Amazon Athena"),
        ("Usage", "", "AWS Support (Business)"),
    ] {
        table = table.line(&[category, class, service, "10", "9", "USD", "2026-11-01T00:00:00Z"]);
    }
    table
}

#[test]
fn focus_has_two_costs_and_its_own_categories() {
    for (charges, expected) in Charges::ALL.into_iter().zip(["70", "70", "63", "63"]) {
        let summary = sum_one("focus", focus().csv(), &by_service(charges, &[])).unwrap();
        assert_eq!(summary.total().to_string(), expected, "{charges}");
    }
    let table = [
        (Category::Tax, "60"),
        (Category::Credit, "60"),
        // What corrects an earlier bill, and what adjusts one.
        (Category::Refund, "50"),
        (Category::Support, "60"),
        (Category::Fee, "60"),
        // FOCUS has them in the costs already.
        (Category::Discount, "70"),
    ];
    for (category, expected) in table {
        let question = by_service(Charges::Unblended, &[category]);
        let csv = sum_one("focus", focus().csv(), &question).unwrap();
        assert_eq!(csv.total().to_string(), expected, "{category}");
        let parquet = sum_one("focus", focus().parquet(Writing::default()), &question).unwrap();
        assert_eq!(parquet.sums, csv.sums, "{category}");
    }
}

#[test]
fn usage_is_known_as_far_as_lines_of_a_day_at_most_tell() {
    let names = [
        "line_item_line_item_type",
        "line_item_usage_start_date",
        "line_item_usage_end_date",
        "line_item_unblended_cost",
        "line_item_currency_code",
        "bill_billing_period_start_date",
    ];
    let lines = [
        ("Usage", "2026-11-03T07:00:00Z", "2026-11-03T08:00:00Z"),
        ("SavingsPlanCoveredUsage", "2026-11-03T08:00:00Z", "2026-11-03T09:00:00Z"),
        // A fee runs to the end of the month, as usage does that is charged by the month.
        ("RIFee", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("Usage", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("Tax", "2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("Usage", "", "2026-11-09T00:00:00Z"),
        ("Usage", "2026-11-09T00:00:00Z", ""),
    ];
    let mut table = Table::new(&names.map(|name| (name, Form::Text)));
    for (kind, start, end) in lines {
        table = table.line(&[kind, start, end, "1", "USD", "2026-11-01T00:00:00Z"]);
    }
    let summary = sum_one("x", table.csv(), &by_nothing()).unwrap();
    assert_eq!(summary.covered_until.unwrap().to_string(), "2026-11-03T09:00:00Z");
    let table =
        table.line(&["Usage", "2026-11-04T00:00:00Z", "2026-11-05T00:00:00Z", "1", "USD", "2026-11-01T00:00:00Z"]);
    let summary = sum_one("x", table.parquet(Writing::default()), &by_nothing()).unwrap();
    assert_eq!(summary.covered_until.unwrap().to_string(), "2026-11-05T00:00:00Z");
}

fn by_nothing() -> Question {
    Question { by: Dimensions::default(), ..question() }
}
