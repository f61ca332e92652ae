//! Amounts are read and written exactly, and compared exactly with percentages.

use super::*;
use crate::{Level, Quantity, Severity};

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

#[test]
fn amounts_are_written_without_exponent_and_idle_zeros() {
    for (text, written) in [
        ("0", "0"),
        ("-0.00", "0"),
        ("1500.00", "1500"),
        ("1.81E-8", "0.0000000181"),
        ("1.5e3", "1500"),
        ("-12.50", "-12.5"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
    ] {
        assert_eq!(amount(text).to_string(), written, "{text}");
        assert_eq!(serde_json::to_value(amount(text)).unwrap(), written, "{text}");
        assert_eq!(amount(written), amount(text), "{text}");
    }
    for bad in ["", "NULL", "1,5", "0x1", "1e", "1e1000000000", "-", "12 USD", "NaN", "inf"] {
        assert!(bad.parse::<Amount>().is_err(), "{bad}");
    }
}

#[test]
fn money_has_two_decimals_or_more() {
    for (text, written) in [
        ("1500 USD", "1500.00 USD"),
        (" 0.5  EUR ", "0.50 EUR"),
        ("-3.125 JPY", "-3.125 JPY"),
        ("1e3 USD", "1000.00 USD"),
    ] {
        assert_eq!(text.parse::<Money>().unwrap().to_string(), written, "{text}");
    }
    for bad in ["1500", "1500USD", "1500 usd", "1500 US", "USD 1500", "1.500,00 EUR", "$15", ""] {
        assert!(bad.parse::<Money>().is_err(), "{bad}");
    }
}

#[test]
fn a_level_of_a_budget_is_reached_to_the_last_digit() {
    let limit = Quantity::Money("1333.33 USD".parse().unwrap());
    let level = Level { percent: 75, severity: Severity::Notice };
    let reached = |text: &str| level.reached(&Quantity::Money(text.parse().unwrap()), &limit);
    // 75 % of 1333.33 are 999.9975.
    assert!(reached("999.9975 USD"));
    assert!(reached("999.99750000000000000001 USD"));
    assert!(!reached("999.99749999999999999999 USD"));
    assert!(!reached("-5000 USD"));
    assert!(reached("1e60 USD"));
}

#[test]
fn quotients_are_rounded_and_never_by_zero() {
    assert_eq!(amount("1").divided_by(&amount("3")).unwrap().to_string(), "0.333333333333");
    assert_eq!(amount("2").divided_by(&amount("3")).unwrap().to_string(), "0.666666666667");
    assert_eq!(amount("1").divided_by(&Amount::zero()), None);
    assert_eq!(amount("2.345").rounded(2).to_string(), "2.34");
    assert_eq!((&amount("0.000000001") * &amount("0.000000003")).to_string(), "0.000000000000000003");
}
