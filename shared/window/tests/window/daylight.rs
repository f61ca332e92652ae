//! Days on which clocks are turned, and what this project does beside what other schedulers do: README.md's tables.

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use window::{Cause, State, Transition, Window};

use crate::{EXAMPLE, changes};

const README: &str = include_str!("../../README.md");

/// The rows of the table below a heading, without its two head rows.
fn table(first_cell: &str) -> Vec<Vec<&'static str>> {
    let rows = README.lines().skip_while(|line| !line.starts_with(&format!("| {first_cell} |")));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// The window of a rule on the weekday of a date, and its changes within a day and a half from that date's midnight.
fn of_rule(zone: &str, date: &str, from: &str, to: &str) -> (Window, Vec<Transition>) {
    let date: Date = date.parse().unwrap();
    let day = date.strftime("%a").to_string().to_lowercase();
    let document = json!({ "time_zone": zone, "open": [{ "days": [day], "from": from, "to": to }] });
    let window = Window::from_json(&document).unwrap();
    // The midnight itself may be skipped or repeated, so the rule's are all changes of days around it.
    let noon = window.time_zone().to_timestamp(date.at(12, 0, 0, 0)).unwrap();
    let day = SignedDuration::from_hours(36);
    let changes = window.transitions(noon - day, noon + day).collect();
    (window, changes)
}

fn clock(window: &Window, at: Timestamp, format: &str) -> String {
    at.to_zoned(window.time_zone().clone()).strftime(format).to_string()
}

#[test]
fn the_days_on_which_clocks_are_turned() {
    let rows = table("zone");
    assert!(rows.len() > 10);
    for row in rows {
        let [zone, date, rule, opens, closes] = row[..] else { panic!("{row:?}") };
        let (from, to) = rule.split_once('–').unwrap();
        let (window, changes) = of_rule(zone, date, from, to);
        let told = |state| match changes.iter().filter(|change| change.state == state).collect::<Vec<_>>()[..] {
            [] => "does not occur".to_owned(),
            [change] => {
                let cause = if change.cause == Cause::Rule { String::new() } else { format!(" ({})", change.cause) };
                clock(&window, change.at, "%H:%M %:z") + &cause
            }
            _ => panic!("more than one change to {state}: {row:?}"),
        };
        assert_eq!((told(State::Open).as_str(), told(State::Closed).as_str()), (opens, closes), "{row:?}");

        let date: Date = date.parse().unwrap();
        let skipped: Vec<_> = window.skipped(date, date).map(|skipped| (skipped.source, skipped.date)).collect();
        let named = if changes.is_empty() { vec![("open[0]".to_owned(), date)] } else { Vec::new() };
        assert_eq!(skipped, named, "{row:?}");
    }
}

#[test]
fn what_this_project_does_beside_others() {
    let (window, skipped_start) = of_rule("Europe/Madrid", "2027-03-28", "02:00", "20:00");
    let start = clock(&window, skipped_start[0].at, "%H:%M");
    assert_eq!((skipped_start.len(), skipped_start[0].cause), (2, Cause::Gap));

    // What missed its moment asks for the state, which is what the moment made it.
    let late = window.state_at(skipped_start[0].at + SignedDuration::from_hours(1));

    let (window, repeated) = of_rule("Europe/Madrid", "2027-10-31", "02:15", "02:45");
    let [first, last] = &repeated[..] else { panic!("{repeated:?}") };
    assert_eq!(last.at.duration_since(first.at), SignedDuration::from_mins(90));
    let edges = [first, last].map(|change| clock(&window, change.at, "%H:%M"));

    let (_, overnight) = of_rule("Europe/Madrid", "2027-01-09", "22:00", "06:00");
    assert_eq!(overnight.iter().map(|change| change.state).collect::<Vec<_>>(), [State::Open, State::Closed]);
    assert!(overnight.iter().all(|change| change.source.as_deref() == Some("open[0]")));

    let expected = [
        [
            "opens at 02:00 on the day 02:00 does not exist",
            "never that day",
            "the window is lost",
            "skipped",
            &format!("opens at {start}, the first instant after the gap"),
        ],
        [
            "edge inside the repeated hour",
            "acts twice",
            "stop, start, stop again",
            "once",
            &format!("once: opens at the first {}, closes at the last {}", edges[0], edges[1]),
        ],
        [
            "window 22:00–06:00",
            "two unrelated edges",
            "refused",
            "two schedules",
            "one window, of the day on which it opens",
        ],
        [
            "the run was missed by an hour",
            "lost until tomorrow",
            "caught up",
            "no catch-up",
            &format!("caught up: an hour later it is still to be {late}"),
        ],
    ];
    assert_eq!(table("Case"), expected);
}

#[test]
fn the_example_of_the_page_is_a_window() {
    let text = README.split("```").find_map(|part| part.strip_prefix("json\n")).unwrap();
    let window = Window::parse(text).unwrap();
    let mut example = Window::parse(EXAMPLE).unwrap().to_json();
    example["calendar"] = json!("holidays");
    assert_eq!(window.to_json(), example);
}

/// The changes on a date of documents with more than a rule.
fn check(document: &str, from: &str, to: &str, expected: &[&str]) {
    assert_eq!(changes(&Window::parse(document).unwrap(), from, to), expected, "{document}");
}

#[test]
fn edges_of_every_rank_move() {
    // A closed date begins at the first instant of its midnight: here midnight is skipped.
    let always = r#""open": [{ "days": ["mon","tue","wed","thu","fri","sat","sun"], "from": "00:00", "to": "24:00" }]"#;
    check(
        &format!(r#"{{ "time_zone": "America/Sao_Paulo", {always}, "closed_dates": ["2018-11-04"] }}"#),
        "2018-11-03",
        "2018-11-06",
        &["2018-11-04T01:00-02:00 closed gap closed_dates[0]", "2018-11-05T00:00-02:00 open holiday closed_dates[0]"],
    );
    // And ends at the last occurrence of the next: here midnight is repeated.
    check(
        &format!(r#"{{ "time_zone": "America/Havana", {always}, "closed_dates": ["2026-10-31"] }}"#),
        "2026-10-30",
        "2026-11-03",
        &["2026-10-31T00:00-04:00 closed holiday closed_dates[0]", "2026-11-01T00:00-05:00 open fold closed_dates[0]"],
    );
    check(
        r#"{ "time_zone": "Europe/Madrid", "open": [],
            "extensions": [{ "from": "2027-03-28T01:00", "until": "2027-03-28T02:30", "reason": "late" },
                { "from": "2027-10-31T02:30", "until": "2027-10-31T08:00", "reason": "early" }],
            "closures": [{ "from": "2027-10-31T03:00", "until": "2027-10-31T04:00", "reason": "repair" }] }"#,
        "2027-03-28",
        "2027-11-02",
        &[
            "2027-03-28T01:00+01:00 open extension extensions[0]",
            "2027-03-28T03:00+02:00 closed gap extensions[0]",
            "2027-10-31T02:30+02:00 open fold extensions[1]",
            "2027-10-31T03:00+01:00 closed closure closures[0]",
            "2027-10-31T04:00+01:00 open closure closures[0]",
            "2027-10-31T08:00+01:00 closed extension extensions[1]",
        ],
    );
}

#[test]
fn what_comes_together_in_a_gap_is_one() {
    // Both edges move to 03:00, where the second window begins: nothing closes.
    let rules =
        r#"{ "days": ["sun"], "from": "01:00", "to": "02:10" }, { "days": ["sun"], "from": "02:40", "to": "04:00" }"#;
    check(
        &format!(r#"{{ "time_zone": "Europe/Madrid", "open": [{rules}] }}"#),
        "2027-03-28",
        "2027-03-29",
        &["2027-03-28T01:00+01:00 open rule open[0]", "2027-03-28T04:00+02:00 closed rule open[1]"],
    );
    // Two windows of one repeated hour overlap, since the first ends at its last occurrence.
    let rules =
        r#"{ "days": ["sun"], "from": "02:00", "to": "02:10" }, { "days": ["sun"], "from": "02:40", "to": "02:50" }"#;
    check(
        &format!(r#"{{ "time_zone": "Europe/Madrid", "open": [{rules}] }}"#),
        "2027-10-31",
        "2027-11-01",
        &["2027-10-31T02:00+02:00 open fold open[0]", "2027-10-31T02:50+01:00 closed fold open[1]"],
    );
    // Of a rule whose edge moved there and one whose edge lies there, the second explains the change, in either order.
    for (rules, source) in [(["02:30", "03:00"], "open[1]"), (["03:00", "02:30"], "open[0]")] {
        let [first, second] = rules.map(|from| format!(r#"{{ "days": ["sun"], "from": "{from}", "to": "08:00" }}"#));
        check(
            &format!(r#"{{ "time_zone": "Europe/Madrid", "open": [{first}, {second}] }}"#),
            "2027-03-28",
            "2027-03-29",
            &[&format!("2027-03-28T03:00+02:00 open rule {source}"), "2027-03-28T08:00+02:00 closed rule open[0]"],
        );
    }
}

#[test]
fn skipped_periods_are_named_with_what_skips_them() {
    let window = Window::parse(
        r#"{ "time_zone": "Europe/Madrid",
            "open": [{ "days": ["sat", "sun"], "from": "02:00", "to": "03:00" },
                { "days": ["sun"], "from": "02:00", "to": "03:01" }],
            "closures": [{ "from": "2027-03-28T02:10", "until": "2027-03-28T02:20", "reason": "repair" }] }"#,
    )
    .unwrap();
    let day: Date = "2027-03-28".parse().unwrap();
    let told = |from: &str, to: &str| -> Vec<String> {
        let skipped = window.skipped(from.parse().unwrap(), to.parse().unwrap());
        skipped.map(|skipped| format!("{} {} {}", skipped.source, skipped.from, skipped.to)).collect()
    };
    let both =
        ["open[0] 2027-03-28T02:00:00 2027-03-28T03:00:00", "closures[0] 2027-03-28T02:10:00 2027-03-28T02:20:00"];
    assert_eq!(told("2027-01-01", "2027-12-31"), both);
    assert_eq!(told("2027-03-28", "2027-03-28"), both);
    assert!(told("2027-03-29", "2027-12-31").is_empty() && told("2027-01-01", "2027-03-27").is_empty());
    assert!(told("2027-12-31", "2027-01-01").is_empty());
    // One each year, up to the end of all dates of documents.
    assert_eq!(told("2000-01-01", "2100-12-31").len(), 101 + 1);
    let gap = window.skipped(day, day).next().map(|skipped| (skipped.gap_from, skipped.gap_to));
    let hour = |hour| DateTime::from_parts(day, Time::new(hour, 0, 0, 0).unwrap());
    assert_eq!(gap, Some((hour(2), hour(3))));
}
