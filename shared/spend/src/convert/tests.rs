//! Times in all the ways that they are written, and names.

use super::{Days, Names};

#[test]
fn times_are_read_in_all_the_ways_that_they_are_written() {
    let table = [
        ("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z"),
        ("2026-11-01T13:59:58.000Z", "2026-11-01T13:59:58Z"),
        ("2026-11-01T13:59:58.25Z", "2026-11-01T13:59:58.25Z"),
        ("2026-11-01 13:59:58.000", "2026-11-01T13:59:58Z"),
        ("2026-11-01 13:59:58 UTC", ""),
        ("2026-11-01T13:59:58", "2026-11-01T13:59:58Z"),
        ("2026-11-01T00:30:00+01:00", "2026-10-31T23:30:00Z"),
        ("2026-11-01", "2026-11-01T00:00:00Z"),
        ("2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("2026-02-29T00:00:00Z", ""),
        ("2026-11-31T00:00:00Z", ""),
        ("2026-12-31T23:59:59Z", "2026-12-31T23:59:59Z"),
        ("2026-11-00T00:00:00Z", ""),
        ("2026-11-01T24:00:00Z", ""),
        ("1999-12-31T23:59:59Z", ""),
        ("2000-01-01T00:00:00Z", "2000-01-01T00:00:00Z"),
        ("2099-12-31T23:59:59Z", "2099-12-31T23:59:59Z"),
        ("2100-01-01T00:00:00Z", ""),
        ("yesterday", ""),
    ];
    let mut days = Days::default();
    for (text, expected) in table {
        match days.read(text.as_bytes()) {
            Err(wrong) => assert_eq!(expected, "", "{wrong:?}"),
            Ok(moment) => {
                let read = jiff::Timestamp::from_microsecond(moment.micros).unwrap();
                assert_eq!(read.to_string(), expected, "{text}");
                assert_eq!(days.date(moment.day).unwrap().to_string(), expected.split('T').next().unwrap());
            }
        }
    }
    assert_eq!(days.read(b"").unwrap().day, 0);
    assert_eq!(days.read(b"NULL").unwrap().day, 0);
    assert_eq!(days.date(0), None);
}

#[test]
fn every_day_of_the_century_is_itself() {
    let mut days = Days::default();
    let mut date = jiff::civil::date(2000, 1, 1);
    let mut count = 0;
    while date.year() < 2100 {
        let moment = days.read(format!("{date}T12:00:00Z").as_bytes()).unwrap();
        assert_eq!(days.date(moment.day), Some(date));
        count += 1;
        date = date.tomorrow().unwrap();
    }
    assert_eq!((count, days.len()), (36_525, 36_526));
}

#[test]
fn names_have_a_number_each() {
    let mut names = Names::default();
    let ids = ["", "a", "b", "a", "", "zoë"].map(|name| names.id(name.as_bytes()).unwrap());
    assert_eq!(ids, [0, 1, 2, 1, 0, 3]);
    assert_eq!(names.id_of("b"), 2);
    assert_eq!((names.get(3), names.get(9), names.len()), ("zoë", "", 4));
    names.id(b"\xff").unwrap_err();
}
