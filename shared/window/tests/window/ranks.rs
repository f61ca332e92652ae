//! What a document means where no clock is turned: rules, ranks, merging, and why the state changes.

use jiff::Timestamp;
use window::{Calendar, Cause, State, Verdict, Window};

use crate::{EVERY_DAY, EXAMPLE, changes, midnight};

/// The changes of a document in the zone of Madrid, from one midnight to another.
fn check(document: &str, from: &str, to: &str, expected: &[&str]) {
    let text = document.replacen('{', r#"{ "time_zone": "Europe/Madrid", "#, 1);
    let window = Window::parse(&text).unwrap();
    assert_eq!(changes(&window, from, to), expected, "{document}");
}

#[test]
fn the_example() {
    let window = Window::parse(EXAMPLE).unwrap();
    assert_eq!(
        changes(&window, "2026-11-20", "2026-11-26"),
        [
            "2026-11-20T08:00+01:00 open rule open[0]",
            "2026-11-20T20:00+01:00 closed rule open[0]",
            "2026-11-21T22:00+01:00 open rule open[1]",
            "2026-11-22T06:00+01:00 closed rule open[1]",
            "2026-11-23T08:00+01:00 open rule open[0]",
            "2026-11-23T22:00+01:00 closed extension extensions[0]",
            "2026-11-24T08:00+01:00 open rule open[0]",
            "2026-11-24T12:00+01:00 closed closure closures[0]",
            "2026-11-24T13:00+01:00 open closure closures[0]",
            "2026-11-24T20:00+01:00 closed rule open[0]",
            "2026-11-25T08:00+01:00 open rule open[0]",
            "2026-11-25T20:00+01:00 closed rule open[0]",
        ]
    );
    assert_eq!(
        changes(&window, "2026-12-24", "2027-01-05"),
        [
            "2026-12-24T08:00+01:00 open rule open[0]",
            "2026-12-24T20:00+01:00 closed rule open[0]",
            "2026-12-26T22:00+01:00 open rule open[1]",
            "2026-12-27T06:00+01:00 closed rule open[1]",
            "2026-12-28T08:00+01:00 open rule open[0]",
            "2026-12-28T20:00+01:00 closed rule open[0]",
            "2026-12-29T08:00+01:00 open rule open[0]",
            "2026-12-29T20:00+01:00 closed rule open[0]",
            // The night of Saturday 2 January is cut by the closed date, and goes on when that ends.
            "2027-01-03T00:00+01:00 open holiday closed_dates[1]",
            "2027-01-03T06:00+01:00 closed rule open[1]",
            "2027-01-04T08:00+01:00 open rule open[0]",
            "2027-01-04T20:00+01:00 closed rule open[0]",
        ]
    );
}

#[test]
fn rules_make_windows() {
    // Overnight belongs to the day on which it opens; 2027-01-04 is a Monday.
    check(
        r#"{ "open": [{ "days": ["mon"], "from": "22:00", "to": "06:00" }] }"#,
        "2027-01-04",
        "2027-01-12",
        &[
            "2027-01-04T22:00+01:00 open rule open[0]",
            "2027-01-05T06:00+01:00 closed rule open[0]",
            "2027-01-11T22:00+01:00 open rule open[0]",
        ],
    );
    // The night of a Sunday runs into Monday.
    check(
        r#"{ "open": [{ "days": ["sun"], "from": "23:59", "to": "23:58" }] }"#,
        "2027-01-03",
        "2027-01-06",
        &["2027-01-03T23:59+01:00 open rule open[0]", "2027-01-04T23:58+01:00 closed rule open[0]"],
    );
    // Midnight as an end may be written both ways.
    for to in ["24:00", "00:00"] {
        check(
            &format!(r#"{{ "open": [{{ "days": ["mon"], "from": "18:00", "to": "{to}" }}] }}"#),
            "2027-01-04",
            "2027-01-06",
            &["2027-01-04T18:00+01:00 open rule open[0]", "2027-01-05T00:00+01:00 closed rule open[0]"],
        );
    }
    // A whole day, and the next one touching it.
    check(
        r#"{ "open": [{ "days": ["mon", "tue"], "from": "00:00", "to": "24:00" }] }"#,
        "2027-01-04",
        "2027-01-10",
        &["2027-01-04T00:00+01:00 open rule open[0]", "2027-01-06T00:00+01:00 closed rule open[0]"],
    );
    // Several in a day; those that touch or overlap are one, whatever their order.
    check(
        r#"{ "open": [{ "days": ["mon"], "from": "14:00", "to": "18:00" },
            { "days": ["mon"], "from": "08:00", "to": "12:00" },
            { "days": ["mon"], "from": "12:00", "to": "13:00" }, { "days": ["mon"], "from": "17:00", "to": "19:00" },
            { "days": ["mon"], "from": "15:00", "to": "16:00" }] }"#,
        "2027-01-04",
        "2027-01-05",
        &[
            "2027-01-04T08:00+01:00 open rule open[1]",
            "2027-01-04T13:00+01:00 closed rule open[2]",
            "2027-01-04T14:00+01:00 open rule open[0]",
            "2027-01-04T19:00+01:00 closed rule open[3]",
        ],
    );
    // Of two with the same edge the first is named.
    check(
        r#"{ "open": [{ "days": ["mon"], "from": "08:00", "to": "10:00" },
            { "days": ["mon"], "from": "08:00", "to": "10:00" }] }"#,
        "2027-01-04",
        "2027-01-05",
        &["2027-01-04T08:00+01:00 open rule open[0]", "2027-01-04T10:00+01:00 closed rule open[0]"],
    );
}

#[test]
fn higher_ranks_decide() {
    let rule = r#""open": [{ "days": ["mon"], "from": "08:00", "to": "20:00" }]"#;
    let extension = r#""extensions": [{ "from": "2027-01-04T06:00", "until": "2027-01-04T22:00", "reason": "late" }]"#;
    let closure = r#""closures": [{ "from": "2027-01-04T07:00", "until": "2027-01-04T21:00", "reason": "repair" }]"#;
    let closed = r#""closed_dates": ["2027-01-04"]"#;
    let day = |entries: &[&str], expected: &[&str]| {
        check(&format!("{{ {} }}", entries.join(", ")), "2027-01-04", "2027-01-05", expected);
    };
    // A closed date closes what a rule opens, and nothing else does.
    day(&[rule, closed], &[]);
    day(
        &[rule, r#""closed_dates": ["2027-01-05"]"#],
        &["2027-01-04T08:00+01:00 open rule open[0]", "2027-01-04T20:00+01:00 closed rule open[0]"],
    );
    // An extension opens on a closed date, and around a rule.
    let extended = [
        "2027-01-04T06:00+01:00 open extension extensions[0]",
        "2027-01-04T22:00+01:00 closed extension extensions[0]",
    ];
    day(&[rule, closed, extension], &extended);
    day(&[rule, extension], &extended);
    day(&[r#""open": []"#, extension], &extended);
    // A closure closes all of them.
    let cut = [
        "2027-01-04T06:00+01:00 open extension extensions[0]",
        "2027-01-04T07:00+01:00 closed closure closures[0]",
        "2027-01-04T21:00+01:00 open closure closures[0]",
        "2027-01-04T22:00+01:00 closed extension extensions[0]",
    ];
    day(&[rule, closed, extension, closure], &cut);
    day(&[r#""open": []"#, extension, closure], &cut);
    day(&[rule, closure], &[]);
    // Of edges at one instant the highest rank is the cause.
    day(
        &[
            rule,
            r#""closures": [{ "from": "2027-01-04T20:00", "until": "2027-01-04T21:00", "reason": "repair" }]"#,
            r#""extensions": [{ "from": "2027-01-04T19:00", "until": "2027-01-04T20:00", "reason": "late" },
                { "from": "2027-01-04T21:00", "until": "2027-01-04T22:00", "reason": "late" }]"#,
        ],
        &[
            "2027-01-04T08:00+01:00 open rule open[0]",
            "2027-01-04T20:00+01:00 closed closure closures[0]",
            "2027-01-04T21:00+01:00 open closure closures[0]",
            "2027-01-04T22:00+01:00 closed extension extensions[1]",
        ],
    );
    // A closed date cuts a rule that never closes.
    check(
        &format!(r#"{{ "open": [{{ "days": {EVERY_DAY}, "from": "00:00", "to": "24:00" }}], {closed} }}"#),
        "2027-01-01",
        "2027-02-01",
        &[
            "2027-01-04T00:00+01:00 closed holiday closed_dates[0]",
            "2027-01-05T00:00+01:00 open holiday closed_dates[0]",
        ],
    );
}

#[test]
fn a_verdict_names_what_decides() {
    let window = Window::parse(
        r#"{ "time_zone": "Europe/Madrid",
            "open": [{ "days": ["mon"], "from": "08:00", "to": "20:00" },
                { "days": ["mon"], "from": "09:00", "to": "20:00" }],
            "closed_dates": ["2027-01-11"],
            "extensions": [{ "from": "2027-01-11T10:00", "until": "2027-01-11T14:00", "reason": "release" }],
            "closures": [{ "from": "2027-01-11T12:00", "until": "2027-01-11T13:00", "reason": "repair" }],
            "calendar": "holidays" }"#,
    )
    .unwrap();
    assert_eq!(window.calendar(), Some("holidays"));
    let open = |cause, source: &str| (State::Open, cause, Some(source.to_owned()));
    let closed = |cause, source: &str| (State::Closed, cause, Some(source.to_owned()));
    let shut = (State::Closed, Cause::Rule, None);
    // Without a calendar or while it says `OPEN`, and while it says `CLOSED`.
    for (local, without, with) in [
        ("2027-01-04T07:59", shut.clone(), closed(Cause::Holiday, "calendar")),
        ("2027-01-04T08:00", open(Cause::Rule, "open[0]"), closed(Cause::Holiday, "calendar")),
        ("2027-01-04T19:59", open(Cause::Rule, "open[0]"), closed(Cause::Holiday, "calendar")),
        ("2027-01-04T20:00", shut, closed(Cause::Holiday, "calendar")),
        ("2027-01-11T09:59", closed(Cause::Holiday, "closed_dates[0]"), closed(Cause::Holiday, "closed_dates[0]")),
        ("2027-01-11T10:00", open(Cause::Extension, "extensions[0]"), open(Cause::Extension, "extensions[0]")),
        ("2027-01-11T12:00", closed(Cause::Closure, "closures[0]"), closed(Cause::Closure, "closures[0]")),
        ("2027-01-11T13:00", open(Cause::Extension, "extensions[0]"), open(Cause::Extension, "extensions[0]")),
        ("2027-01-11T14:00", closed(Cause::Holiday, "closed_dates[0]"), closed(Cause::Holiday, "closed_dates[0]")),
    ] {
        let at = window.time_zone().to_timestamp(local.parse().unwrap()).unwrap();
        for (calendar, (state, cause, source)) in
            [(Calendar::None, &without), (Calendar::Open, &without), (Calendar::Closed, &with)]
        {
            let reason = match cause {
                Cause::Extension => Some("release".to_owned()),
                Cause::Closure => Some("repair".to_owned()),
                _ => None,
            };
            let expected = Verdict { state: *state, cause: *cause, source: source.clone(), reason };
            assert_eq!(window.verdict_at(at, calendar), expected, "{local} {calendar:?}");
        }
        assert_eq!(window.state_at(at), without.0, "{local}");
    }
}

#[test]
fn the_next_change_is_found_however_far_it_is() {
    let check = |open: &str, rest: &str, expected: Option<&str>| {
        let window = Window::parse(&format!(r#"{{ "time_zone": "Europe/Madrid", "open": {open}{rest} }}"#)).unwrap();
        let next = window.next_transition(midnight(&window, "2027-01-04"));
        let next = next.map(|change| crate::line(&window, &change));
        assert_eq!(next.as_deref(), expected, "{open}{rest}");
    };
    let always = format!(r#"[{{ "days": {EVERY_DAY}, "from": "00:00", "to": "24:00" }}]"#);
    let pieces = format!(
        r#"[{{ "days": {EVERY_DAY}, "from": "12:00", "to": "11:00" }},
            {{ "days": {EVERY_DAY}, "from": "11:00", "to": "12:00" }}]"#
    );
    let far = r#", "closures": [{ "from": "2100-12-31T23:00", "until": "2100-12-31T23:59", "reason": "the end" }]"#;
    let century = r#", "closed_dates": [{ "from": "2000-01-01", "to": "2100-12-31" }]"#;
    for open in [always.as_str(), pieces.as_str()] {
        check(open, "", None);
        check(open, far, Some("2100-12-31T23:00+01:00 closed closure closures[0]"));
        check(open, century, Some("2101-01-01T00:00+01:00 open holiday closed_dates[0]"));
    }
    check("[]", "", None);
    check("[]", century, None);
    check("[]", far, None);
    // Strictly after: the midnight asked about is itself a change.
    let monday = r#"[{ "days": ["mon"], "from": "00:00", "to": "01:00" }]"#;
    check(monday, "", Some("2027-01-04T01:00+01:00 closed rule open[0]"));
    check(monday, century, Some("2101-01-03T00:00+01:00 open rule open[0]"));
}

#[test]
fn any_instant_has_a_state() {
    let window = Window::parse(EXAMPLE).unwrap();
    for at in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        let state = window.state_at(at);
        assert_eq!(state, window.verdict_at(at, Calendar::None).state);
        assert!(window.next_transition(at).is_none_or(|change| change.at > at && change.state != state));
        assert_eq!(window.transitions(at, at).count(), 0);
    }
}
