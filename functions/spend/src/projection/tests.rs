//! Projections: what an open hour costs, how many are left, and when nothing can be said.

use guardrail::Per;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn moment(time: &str) -> Timestamp {
    format!("2026-{time}Z").parse().unwrap()
}

fn date(day: &str) -> Date {
    format!("2026-{day}").parse().unwrap()
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

/// Open from eight to eight on weekdays, but for these closed dates and with these extensions.
fn weekdays(closed: &[&str], extensions: &[(&str, &str)]) -> Window {
    let closed: Vec<String> = closed.iter().map(|day| format!("2026-{day}")).collect();
    let extensions: Vec<_> = extensions
        .iter()
        .map(
            |(from, until)| json!({"from": format!("2026-{from}"), "until": format!("2026-{until}"), "reason": "late"}),
        )
        .collect();
    let window = json!({
        "time_zone": "Etc/UTC",
        "open": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "20:00"}],
        "closed_dates": closed,
        "extensions": extensions,
    });
    Window::from_json(&window).unwrap()
}

/// Each of these days cost as much.
fn costs(days: &[&str], each: &str) -> BTreeMap<Date, Amount> {
    days.iter().map(|day| (date(day), amount(each))).collect()
}

/// A month that cost 500 until the morning of Saturday, 21 November, and 24 on each of its last five working days.
fn november<'a>(spent: &'a Amount, days: &'a BTreeMap<Date, Amount>, window: Option<&'a Window>) -> Outlook<'a> {
    Outlook {
        currency: Currency::USD,
        period: Per::Month.period(date("11-21")),
        spent,
        days,
        covered_until: moment("11-21T04:00:00"),
        now: moment("11-21T06:00:00"),
        window,
        locked: false,
    }
}

const WEEK: [&str; 5] = ["11-16", "11-17", "11-18", "11-19", "11-20"];

/// What is projected of a changed November.
#[track_caller]
fn check(change: impl FnOnce(&mut Outlook<'_>), window: Option<&Window>, expected: Option<(&str, &str)>) {
    let (spent, days) = (amount("500"), costs(&WEEK, "24"));
    let mut outlook = november(&spent, &days, window);
    change(&mut outlook);
    let expected = expected.map(|(total, basis)| Projection { amount: amount(total), basis: basis.to_owned() });
    assert_eq!(outlook.projection(), expected);
}

#[test]
fn open_hours_that_are_left_cost_as_much_as_those_before() {
    check(
        |_| {},
        Some(&weekdays(&[], &[])),
        Some((
            "644",
            "500.00 USD so far, and 2.00 USD for each of the 72.0 open hours until the end of 2026-11-30, as in the 7 days before 2026-11-21",
        )),
    );
    check(
        |_| {},
        Some(&weekdays(&["11-20", "11-27"], &[("11-21T08:00", "11-21T11:00")])),
        Some((
            "657.5",
            "500.00 USD so far, and 2.50 USD for each of the 63.0 open hours until the end of 2026-11-30, as in the 7 days before 2026-11-21",
        )),
    );
}

#[test]
fn without_a_window_it_is_always_open() {
    check(
        |_| {},
        None,
        Some((
            "667.142857",
            "500.00 USD so far, and 0.7143 USD for each of the 234.0 hours until the end of 2026-11-30, as in the 7 days before 2026-11-21",
        )),
    );
}

#[test]
fn days_that_were_all_closed_cost_by_the_hour() {
    let holidays = weekdays(&WEEK, &[]);
    check(
        |_| {},
        Some(&holidays),
        Some((
            "667.142857",
            "500.00 USD so far, and 0.7143 USD for each of the 234.0 hours until the end of 2026-11-30, as in the 7 days before 2026-11-21",
        )),
    );
}

#[test]
fn a_locked_sandbox_spends_nothing_more() {
    let basis = "500.00 USD so far, and nothing more while the sandbox is locked";
    check(|outlook| outlook.locked = true, None, Some(("500", basis)));
}

#[test]
fn only_a_period_that_ends_is_projected() {
    check(|outlook| outlook.period = Per::Total.period(date("11-21")), None, None);
    check(
        |outlook| outlook.period = Per::Quarter.period(date("11-21")),
        Some(&weekdays(&["12-24", "12-25"], &[])),
        Some((
            "1148",
            "500.00 USD so far, and 2.00 USD for each of the 324.0 open hours until the end of 2026-12-31, as in the 7 days before 2026-11-21",
        )),
    );
    // One that has ended costs what it cost.
    check(
        |outlook| outlook.period = Per::Month.period(date("10-01")),
        None,
        Some((
            "500",
            "500.00 USD so far, and 0.7143 USD for each of the 0.0 hours until the end of 2026-10-31, as in the 7 days before 2026-11-21",
        )),
    );
}

/// The total of a month in which 10 is spent, always open, where days of both months cost as much.
#[track_caller]
fn check_days(covered_until: &str, now: &str, first: &str, expected: Option<(&str, &str)>) {
    let october = (24..=31).map(|day| format!("10-{day}"));
    let all: Vec<String> = october.chain((1..=9).map(|day| format!("11-0{day}"))).collect();
    let mut days = costs(&all.iter().map(String::as_str).collect::<Vec<_>>(), "24");
    // November is dearer.
    days.range_mut(date("11-01")..).for_each(|(_, cost)| *cost = amount("48"));
    days.retain(|day, _| *day >= date(first) && *day <= covered_until_day(covered_until));
    let spent = amount("10");
    let outlook = Outlook { covered_until: moment(covered_until), now: moment(now), ..november(&spent, &days, None) };
    let projection = outlook.projection();
    let as_in = |basis: &str| basis.rsplit_once(", as in the ").map(|(_, days)| days.to_owned()).unwrap();
    let told = projection.map(|told| (told.amount.to_string(), as_in(&told.basis)));
    assert_eq!(told, expected.map(|(total, days)| (total.to_owned(), days.to_owned())));
}

fn covered_until_day(covered_until: &str) -> Date {
    date(covered_until.split('T').next().unwrap())
}

#[test]
fn a_period_that_has_just_begun_is_told_by_its_own_days() {
    check_days("11-09T05:00:00", "11-10T00:00:00", "10-24", Some(("1018", "7 days before 2026-11-09")));
    check_days("11-03T05:00:00", "11-04T00:00:00", "10-24", Some(("1306", "2 days before 2026-11-03")));
    check_days("11-02T05:00:00", "11-02T12:00:00", "10-24", Some(("1378", "1 day before 2026-11-02")));
    // None of its days is known yet: the days before it tell.
    check_days("11-01T05:00:00", "11-01T12:00:00", "10-24", Some(("718", "7 days before 2026-11-01")));
    check_days("10-31T20:00:00", "11-01T12:00:00", "10-24", Some(("718", "7 days before 2026-10-31")));
    check_days("11-01T05:00:00", "11-01T12:00:00", "11-01", None);
    check_days("11-01T05:00:00", "11-01T12:00:00", "11-08", None);
}

proptest! {
    /// Whoever is open longer spends no less, and closing spends no more.
    #[test]
    fn more_open_hours_cost_no_less(
        day in 0_i32..9,
        begins in 0_i8..20,
        lasts in 1_i8..4,
        closed in 0_usize..6,
        cost in 0_i64..10_000,
    ) {
        let left = ["11-23", "11-24", "11-25", "11-26", "11-27", "11-30"];
        let day = date("11-22").checked_add(jiff::Span::new().days(day)).unwrap().strftime("%m-%d").to_string();
        let extension = (format!("{day}T{begins:02}:00"), format!("{day}T{:02}:00", begins + lasts));
        let extension = [(extension.0.as_str(), extension.1.as_str())];
        let (spent, days) = (amount("500"), costs(&WEEK, &cost.to_string()));
        let of = |window: &Window| november(&spent, &days, Some(window)).projection().unwrap().amount;
        let (usual, longer) = (of(&weekdays(&[], &[])), of(&weekdays(&[], &extension)));
        let shorter = of(&weekdays(&left[..closed], &[]));
        prop_assert!(spent <= shorter && shorter <= usual && usual <= longer);
        // Each hour of the six days costs the same.
        let whole = usual - spent.clone();
        let part = &whole * &Amount::from(6 - i64::try_from(closed).unwrap());
        prop_assert!((&(shorter - spent.clone()) * &Amount::from(6) - part).abs() <= amount("0.00001"));
    }
}
