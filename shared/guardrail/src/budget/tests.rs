//! Budgets are read as they are written, and every day falls into one period of each kind.

use super::*;

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

#[test]
fn budgets_are_read_and_written() {
    for (text, written) in [
        ("1500.00 USD", "1500.00 USD/month"),
        ("1500 USD/month", "1500.00 USD/month"),
        (" 4500.5 EUR / quarter ", "4500.50 EUR/quarter"),
        ("18000 USD/year", "18000.00 USD/year"),
        ("50000.125 USD/total", "50000.125 USD/total"),
    ] {
        let budget: Budget = text.parse().unwrap();
        assert_eq!(budget.to_string(), written, "{text}");
        assert_eq!(written.parse::<Budget>().unwrap(), budget, "{text}");
        assert!(budget.is_sound(), "{text}");
    }
    for bad in ["", "1500", "USD", "1500 USD/week", "1500 USD/", "1500 USD month", "1500,00 USD", "1500 usd"] {
        assert!(bad.parse::<Budget>().is_err(), "{bad}");
    }
    for unsound in ["0 USD", "-5 USD/year", "0.0000001 USD", "1e13 USD"] {
        assert!(!unsound.parse::<Budget>().unwrap().is_sound(), "{unsound}");
    }
}

#[test]
fn every_day_falls_into_one_period() {
    for (day, per, from, until, name) in [
        ("2026-11-21", Per::Month, "2026-11-01", "2026-12-01", "November 2026"),
        ("2026-12-31", Per::Month, "2026-12-01", "2027-01-01", "December 2026"),
        ("2028-02-29", Per::Month, "2028-02-01", "2028-03-01", "February 2028"),
        ("2026-01-31", Per::Quarter, "2026-01-01", "2026-04-01", "January to March 2026"),
        ("2026-09-30", Per::Quarter, "2026-07-01", "2026-10-01", "July to September 2026"),
        ("2026-12-01", Per::Quarter, "2026-10-01", "2027-01-01", "October to December 2026"),
        ("2026-06-15", Per::Year, "2026-01-01", "2027-01-01", "2026"),
    ] {
        let period = per.period(date(day));
        assert_eq!(period, Period { from: Some(date(from)), until: Some(date(until)) }, "{day} {per:?}");
        assert!(period.contains(date(day)) && period.contains(date(from)) && !period.contains(date(until)));
        assert_eq!(period.to_string(), name);
        assert_eq!(period.begins_at().to_string(), format!("{from}T00:00:00Z"));
        assert_eq!(period.ends_at().unwrap().to_string(), format!("{until}T00:00:00Z"));
    }
    let total = Per::Total.period(date("2026-11-21"));
    assert!(total.contains(Date::MIN) && total.contains(Date::MAX));
    assert_eq!((total.begins_at(), total.ends_at()), (Timestamp::UNIX_EPOCH, None));
}
