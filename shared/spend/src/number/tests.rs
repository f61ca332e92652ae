//! The edges of the fixed point, and the doubles that are hard to write shortly.

use guardrail::money::Amount;

use super::{Number, Numbers, Sums};
use crate::convert::{Convert, Raw};

/// The sum of nothing but this number.
fn amount(number: Number) -> Amount {
    let mut numbers = Numbers::default();
    let value = numbers.entry(number);
    let mut sums = Sums::default();
    sums.grow(1);
    sums.add(0, value, &numbers);
    sums.amount(0)
}

#[test]
fn doubles_count_as_python_prints_them() {
    // The right side is what `repr` gives in Python 3.11.
    let table = [
        (0.1, "0.1"),
        (-0.0, "0"),
        (1.81e-8, "1.81e-08"),
        (0.0000166667, "1.66667e-05"),
        (0.1 + 0.2, "0.30000000000000004"),
        (2.675, "2.675"),
        (1.0 / 3.0, "0.3333333333333333"),
        (123_456_789.123_456_79, "123456789.12345679"),
        (999_999_999_999_999.9, "999999999999999.9"),
        (9_007_199_254_740_993.0, "9007199254740992.0"),
        // In the middle between two forms of seventeen digits: the even one.
        (4_264_852_500_312_921.0 / 4.0, "1066213125078230.2"),
        (1e23, "1e+23"),
        (1.180_591_620_717_411_3e21, "1.1805916207174113e+21"),
        (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        (5e-324, "5e-324"),
        (1.234_567_890_123_456_7e-9, "1.2345678901234566e-09"),
        (1.234_567_890_123_456_7e-11, "1.2345678901234567e-11"),
    ];
    for (double, python) in table {
        let expected: Amount = python.parse().unwrap();
        assert_eq!(amount(Number::from_double(double).unwrap()), expected, "{python}");
        assert_eq!(amount(Number::from_double(-double).unwrap()), -expected, "-{python}");
    }
    for double in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        Number::from_double(double).unwrap_err();
    }
}

#[test]
fn texts_are_read_as_decimals() {
    for text in
        ["1", "-1.5", "+2", ".5", "5.", "1.81E-8", "1e3", "1E+3", "00012.500", "9".repeat(60).as_str(), "1e-400"]
    {
        let expected: Amount = text.parse().unwrap();
        assert_eq!(amount(Number::from_text(text.as_bytes()).unwrap().unwrap()), expected, "{text}");
    }
    for text in ["", "NULL", "null"] {
        assert_eq!(Number::from_text(text.as_bytes()).unwrap(), None, "{text}");
    }
    for text in
        ["-", ".", "e5", "1e", "1e+", "1.2.3", "1 ", " 1", "0x1", "1_000", "NaN", "inf", "1e1000000000", "--1", "1e5.5"]
    {
        Number::from_text(text.as_bytes()).unwrap_err();
    }
}

#[test]
fn numbers_fit_or_are_odd() {
    let fits = |digits, decimals| matches!(Number::from_decimal(digits, decimals), Number::Fixed(_));
    let table = [
        (1, 26, true),
        (1, 27, false),
        // Zeros at the end are no decimals.
        (10, 27, true),
        (0, 400, true),
        (100_000_000_000, 0, true),
        (1_000_000_000_000, 0, false),
        (i128::MIN, 38, false),
        (i128::MAX, 400, false),
        (1, -400, false),
    ];
    for (digits, decimals, expected) in table {
        assert_eq!(fits(digits, decimals), expected, "{digits} {decimals}");
        assert_eq!(amount(Number::from_decimal(digits, decimals)), Amount::new(digits, i64::from(decimals)));
    }
}

#[test]
fn sums_are_exact_across_the_edge_of_the_fixed_point() {
    let mut numbers = Numbers::default();
    let large: Vec<i128> = (0..40).map(|_| numbers.convert(Raw::Decimal(1_234_567_890_123, 0)).unwrap()).collect();
    let odd = numbers.convert(Raw::Text(b"0.0000000000000000000000000001")).unwrap();
    let (mut sums, mut others) = (Sums::default(), Sums::default());
    sums.grow(2);
    others.grow(1);
    for &value in &large {
        sums.add(0, value, &numbers);
        others.add(0, value, &numbers);
        sums.subtract(1, value, &numbers);
    }
    sums.add(0, odd, &numbers);
    sums.subtract(1, odd, &numbers);
    // A slot that is not there takes nothing.
    sums.add(2, odd, &numbers);
    assert_eq!(sums.amount(0).to_string(), "49382715604920.0000000000000000000000000001");
    assert_eq!(sums.amount(1), -sums.amount(0));
    sums.absorb(0, &others, 0);
    assert_eq!(sums.amount(0).to_string(), "98765431209840.0000000000000000000000000001");
}
