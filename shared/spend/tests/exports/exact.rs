//! Sums to the last digit, of any numbers in any form: what is compared with adds big decimals one by one.

use guardrail::money::Amount;
use parquet::file::properties::WriterVersion;
use proptest::prelude::*;
use spend::{Dimensions, Question};

use crate::table::{Form, Table, Writing, question, sum_one};

fn costs(form: Form, costs: &[String]) -> Table {
    let mut table = Table::new(&[
        ("line_item_unblended_cost", form),
        ("line_item_currency_code", Form::Text),
        ("bill_billing_period_start_date", Form::Text),
    ]);
    for cost in costs {
        table = table.line(&[cost, "USD", "2026-11-01T00:00:00Z"]);
    }
    table
}

fn total() -> Question {
    Question { by: Dimensions::default(), ..question() }
}

fn exact(costs: &[String]) -> Amount {
    costs.iter().map(|cost| cost.parse::<Amount>().unwrap()).sum()
}

/// Decimals as they are written: plain or with an exponent, of any length.
fn decimal() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (any::<i32>(), 0_u32..12).prop_map(|(digits, scale)| plain(i128::from(digits), scale)),
        2 => (any::<i64>(), 0_u32..30).prop_map(|(digits, scale)| plain(i128::from(digits), scale)),
        1 => (any::<i128>(), 0_u32..60).prop_map(|(digits, scale)| plain(digits, scale)),
        2 => (any::<i32>(), -30_i32..30).prop_map(|(digits, exponent)| format!("{digits}E{exponent}")),
        1 => (1_u32..100, 1_i32..20).prop_map(|(digits, exponent)| format!("+{digits}.5e-{exponent:02}")),
    ]
}

fn plain(digits: i128, scale: u32) -> String {
    Amount::new(digits, i64::from(scale)).to_string()
}

/// Doubles as costs are, and any others that are numbers of a sane size.
fn double() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (any::<i32>(), 0_i32..11).prop_map(|(digits, scale)| f64::from(digits) / 10_f64.powi(scale)),
        4 => (0.0..1000.0_f64, 0.0..1.0_f64).prop_map(|(amount, rate)| amount * rate),
        2 => any::<u64>().prop_map(any_double),
    ]
}

/// Any double of a size that money may have. From 10¹³ on some lie in the middle between two forms that are equally
/// short; there the standard library does not choose the even one, as all others do.
fn any_double(bits: u64) -> f64 {
    let sign_and_digits = bits & !(0x7ff << 52);
    f64::from_bits(sign_and_digits | (1023 - 200 + (bits >> 52) % 240) << 52)
}

/// A double's shortest decimal form by the standard library, which Python's `repr` gives as well.
fn shortest(double: f64) -> String {
    format!("{double:e}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn texts_are_summed_exactly(costs_of in prop::collection::vec(decimal(), 1..60)) {
        let expected = exact(&costs_of);
        let table = costs(Form::Text, &costs_of);
        prop_assert_eq!(sum_one("csv", table.csv_gz(), &total()).unwrap().total(), expected.clone());
        let parquet = table.parquet(Writing { group: 17, page: 5, ..Writing::default() });
        prop_assert_eq!(sum_one("parquet", parquet, &total()).unwrap().total(), expected);
    }

    #[test]
    fn doubles_count_by_their_shortest_form(doubles in prop::collection::vec(double(), 1..60), dictionary: bool) {
        let texts: Vec<_> = doubles.into_iter().map(shortest).collect();
        let expected = exact(&texts);
        let table = costs(Form::Double, &texts);
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let parquet = table.parquet(Writing { dictionary, version, group: 23, page: 7, ..Writing::default() });
            prop_assert_eq!(sum_one("parquet", parquet, &total()).unwrap().total(), expected.clone());
        }
    }

    #[test]
    fn decimals_are_summed_exactly(
        digits in prop::collection::vec(-(10_i128.pow(37))..10_i128.pow(37), 1..40),
        scale in 0_i32..38,
    ) {
        let texts: Vec<_> = digits.iter().map(|digits| plain(*digits, scale as u32)).collect();
        let expected = exact(&texts);
        for form in [Form::DecimalFixed { scale }, Form::DecimalBytes { scale }] {
            let parquet = costs(form, &texts).parquet(Writing { group: 11, ..Writing::default() });
            prop_assert_eq!(sum_one("parquet", parquet, &total()).unwrap().total(), expected.clone());
        }
    }
}

#[test]
fn sums_beyond_what_fits_are_exact_as_well() {
    let costs_of: Vec<String> = (0..500).map(|_| "999999999999.9999999999".to_owned()).collect();
    let table = costs(Form::Text, &costs_of);
    let expected = exact(&costs_of);
    assert_eq!(sum_one("csv", table.csv(), &total()).unwrap().total(), expected);
    let parquet = table.parquet(Writing { group: 100, ..Writing::default() });
    assert_eq!(sum_one("parquet", parquet, &total()).unwrap().total(), expected);
    assert_eq!(expected.to_string(), "499999999999999.99999995");
}

#[test]
fn nothing_and_null_are_nothing() {
    let costs_of = ["1.81E-8", "", "NULL", "null", "0", "-0", "0.0000000019"].map(str::to_owned);
    let expected = "0.00000002";
    assert_eq!(sum_one("csv", costs(Form::Text, &costs_of).csv(), &total()).unwrap().total().to_string(), expected);
    let parquet = costs(Form::Text, &costs_of).parquet(Writing::default());
    let summary = sum_one("parquet", parquet, &total()).unwrap();
    assert_eq!((summary.total().to_string().as_str(), summary.lines), (expected, 7));
}
