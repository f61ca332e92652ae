//! What a day is made of where clocks change, and that a month can be read everywhere.

use jiff::civil::date;
use serde_json::{Value, json};

use super::*;

fn window(zone: &str, times: &[(&str, &str)]) -> Window {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let rule = |(from, to): &(&str, &str)| json!({ "days": days, "from": from, "to": to });
    let open: Vec<_> = times.iter().map(rule).collect();
    Window::from_json(&json!({ "time_zone": zone, "open": open })).unwrap()
}

/// One day of a window: its length and open time in minutes, its bar, its times and its notes.
fn check(zone: &str, open: &[(&str, &str)], on: Date, expected: (i64, i64, &str, &str, &[&str])) {
    let month = Month::of(&window(zone, open), on.first_of_month());
    assert_eq!(month.days.len(), usize::from(on.days_in_month().unsigned_abs()));
    let day = month.days.iter().find(|day| day.date == on).unwrap();
    let bar: String = day.hours.iter().map(|hour| glyph(*hour, Look::default())).collect();
    let notes: Vec<_> = day.notes.iter().map(|note| note.text.as_str()).collect();
    let told = (day.length.as_mins(), day.open.as_mins(), bar.as_str(), &*times(day), notes.as_slice());
    assert_eq!(told, expected, "{zone} {on}");
}

#[test]
fn a_day_is_drawn_as_its_clock_runs() {
    let hours = 60;
    let plain = date(2027, 3, 1);
    check("UTC", &[], plain, (24 * hours, 0, "························", "closed", &[]));
    let all_day = (24 * hours, 24 * hours, "████████████████████████", "all day", &[][..]);
    check("UTC", &[("00:00", "24:00")], plain, all_day);
    let overnight = "██████················██";
    check("UTC", &[("22:00", "06:00")], plain, (24 * hours, 8 * hours, overnight, "–06:00, 22:00–", &[]));
    let halves = "········▐███▌··▒········";
    let times = "08:30–12:30, 15:10–15:20";
    check("UTC", &[("08:30", "12:30"), ("15:10", "15:20")], plain, (1440, 250, halves, times, &[]));

    let madrid = "Europe/Madrid";
    let open = [("01:00", "04:00"), ("02:15", "02:45")];
    let notes = ["23h: 02:00–03:00 is skipped", "open[1] does not occur: 02:15–02:45"];
    let spring = (23 * hours, 2 * hours, "·█ █····················", "01:00–04:00", &notes[..]);
    check(madrid, &open, date(2027, 3, 28), spring);
    let notes = ["25h: 02:00–03:00 comes twice"];
    let autumn = (25 * hours, 4 * hours, "·███····················", "01:00–04:00", &notes[..]);
    check(madrid, &open, date(2027, 10, 31), autumn);
    let edges = (25 * hours, 75, "··▒·····················", "02:15 (first)–02:30 (second)", &notes[..]);
    check(madrid, &[("02:15", "02:30")], date(2027, 10, 31), edges);

    let none = (
        0,
        0,
        "                        ",
        "",
        &["no such day: the clock skips it", "open[0] does not occur: 08:00–20:00"][..],
    );
    check("Pacific/Apia", &[("08:00", "20:00")], date(2011, 12, 30), none);
    let midnight =
        (23 * hours, 5 * hours, " █████··················", "01:00–06:00", &["23h: 00:00–01:00 is skipped"][..]);
    check("America/Sao_Paulo", &[("00:00", "06:00")], date(2018, 11, 4), midnight);
    let until = (24 * hours, 4 * hours, "····················████", "20:00–24:00", &[][..]);
    check("America/Sao_Paulo", &[("20:00", "24:00")], date(2018, 11, 3), until);
    let half =
        (23 * hours + 30, 90, "··▐█····················", "02:30–04:00", &["23h 30m: 02:00–02:30 is skipped"][..]);
    check("Australia/Lord_Howe", &[("02:15", "04:00")], date(2027, 10, 3), half);
    let twice = (
        24 * hours + 30,
        60,
        "·▐······················",
        "01:30 (first)–02:00",
        &["24h 30m: 01:30–02:00 comes twice"][..],
    );
    check("Australia/Lord_Howe", &[("01:30", "02:00")], date(2027, 4, 4), twice);
}

/// A document with as much to say of a day as there can be.
fn crowded() -> Window {
    let one_off = |reason: &str| json!([{ "from": "2027-03-27T20:00", "until": "2027-03-29T02:00", "reason": reason }]);
    let mut document: Value =
        window("Europe/Madrid", &[("02:15", "02:45"), ("07:05", "09:55"), ("10:30", "12:00")]).to_json();
    document["extensions"] =
        one_off("the end of the quarter with all of its reports and everything that belongs to it");
    document["closures"] = one_off("maintenance of whatever has to be maintained, which is rather more than expected");
    document["closed_dates"] = json!(["2027-03-28", { "from": "2027-03-01", "to": "2027-03-07" }]);
    Window::from_json(&document).unwrap()
}

#[test]
fn a_month_fits_80_columns_and_weeks_begin_on_monday() {
    let documents = [crowded(), window("UTC", &[]), window("Pacific/Apia", &[("00:00", "24:00"), ("08:00", "20:00")])];
    for document in documents {
        for month in ["2027-02", "2027-03", "2011-12", "2100-12"] {
            let text = draw(&document, super::month(month).unwrap(), Look::default());
            for line in text.lines() {
                assert!(line.chars().count() <= WIDTH, "`{line}` fits");
                assert_eq!(line.trim_end(), line, "`{line}` ends where it ends");
            }
            let lines: Vec<_> = text.lines().collect();
            let mondays = lines.windows(2).filter(|pair| pair[1].starts_with("Mon"));
            assert!(mondays.clone().count() >= 4);
            assert!(mondays.skip(1).all(|pair| pair[0].is_empty()), "{text}");
        }
    }
}

#[test]
fn a_terminal_adds_colour_and_room_and_nothing_else() {
    let first = date(2027, 3, 1);
    let plain = draw(&crowded(), first, Look { colour: false, width: Some(120) });
    let coloured = draw(&crowded(), first, Look { colour: true, width: Some(120) });
    assert!(!plain.contains('\u{1b}') && coloured.contains("\u{1b}[32m"));
    let mut stripped = String::new();
    for (index, part) in coloured.split('\u{1b}').enumerate() {
        stripped += if index == 0 { part } else { part.split_once('m').unwrap().1 };
    }
    assert_eq!(stripped, plain);
    assert!(plain.lines().count() < draw(&crowded(), first, Look::default()).lines().count(), "notes wrap less");
}

#[test]
fn a_month_is_written_in_one_way() {
    for good in ["2000-01", "2027-03", "2100-12"] {
        assert_eq!(month(good).unwrap().to_string(), format!("{good}-01"));
    }
    for bad in ["", "2027", "2027-13", "2027-3", "2027-03-01", "March 2027"] {
        assert_eq!(month(bad).unwrap_err(), "expected a month such as `2027-03`", "`{bad}`");
    }
    for far in ["1999-12", "2101-01"] {
        assert_eq!(month(far).unwrap_err(), "expected a year from 2000 to 2100", "`{far}`");
    }
}
