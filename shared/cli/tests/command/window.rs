//! `guardrails window`, as an operator runs it.

use serde_json::{Value, json};

use crate::{run, run_with};

/// The example of the issue, which is the sample of the update function too.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/availability-update/window.json");

/// Runs a subcommand of `guardrails window` on this document.
fn of(document: &Value, subcommand: &str, options: &[&str]) -> (Option<i32>, String, String) {
    let arguments = [&["window", subcommand, "-"], options].concat();
    run_with(document.to_string().as_bytes(), &arguments)
}

/// A window that is open at these times on every day.
fn daily(zone: &str, times: &[(&str, &str)]) -> Value {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let rule = |(from, to): &(&str, &str)| json!({ "days": days, "from": from, "to": to });
    json!({ "time_zone": zone, "open": times.iter().map(rule).collect::<Vec<_>>() })
}

#[test]
fn every_transition_is_a_line() {
    let span = ["--from", "2026-11-23", "--to", "2026-11-25"];
    let (code, out, err) = run(&[&["window", "simulate", SAMPLE], &span[..]].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(out, @r#"
    local time                   UTC                   state   cause      entry
    Mon 2026-11-23 00:00 +01:00  2026-11-22T23:00:00Z  closed  initial
    Mon 2026-11-23 08:00 +01:00  2026-11-23T07:00:00Z  open    rule       open[0]
    Mon 2026-11-23 22:00 +01:00  2026-11-23T21:00:00Z  closed  extension  extensions[0]: quarter end
    Tue 2026-11-24 08:00 +01:00  2026-11-24T07:00:00Z  open    rule       open[0]
    Tue 2026-11-24 12:00 +01:00  2026-11-24T11:00:00Z  closed  closure    closures[0]: maintenance
    Tue 2026-11-24 13:00 +01:00  2026-11-24T12:00:00Z  open    closure    closures[0]: maintenance
    Tue 2026-11-24 20:00 +01:00  2026-11-24T19:00:00Z  closed  rule       open[0]

    open 25h of 48h in Europe/Madrid, 6 transitions
    "#);

    let (code, out, err) = run(&[&["window", "simulate", SAMPLE, "--json"], &span[..]].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(out, @r#"
    {"at":"2026-11-22T23:00:00Z","state":"closed","cause":"initial","local":"2026-11-23T00:00:00","offset":"+01:00"}
    {"at":"2026-11-23T07:00:00Z","state":"open","cause":"rule","source":"open[0]","local":"2026-11-23T08:00:00","offset":"+01:00"}
    {"at":"2026-11-23T21:00:00Z","state":"closed","cause":"extension","source":"extensions[0]","reason":"quarter end","local":"2026-11-23T22:00:00","offset":"+01:00"}
    {"at":"2026-11-24T07:00:00Z","state":"open","cause":"rule","source":"open[0]","local":"2026-11-24T08:00:00","offset":"+01:00"}
    {"at":"2026-11-24T11:00:00Z","state":"closed","cause":"closure","source":"closures[0]","reason":"maintenance","local":"2026-11-24T12:00:00","offset":"+01:00"}
    {"at":"2026-11-24T12:00:00Z","state":"open","cause":"closure","source":"closures[0]","reason":"maintenance","local":"2026-11-24T13:00:00","offset":"+01:00"}
    {"at":"2026-11-24T19:00:00Z","state":"closed","cause":"rule","source":"open[0]","local":"2026-11-24T20:00:00","offset":"+01:00"}
    "#);
}

#[test]
fn a_period_that_does_not_occur_is_said_and_one_that_moves_too() {
    let document = daily("Europe/Madrid", &[("02:15", "02:45"), ("12:00", "14:00"), ("22:30", "02:10")]);
    let span = ["--from", "2027-03-27", "--to", "2027-03-29"];
    let (code, out, err) = of(&document, "simulate", &span);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(out, @r#"
    local time                   UTC                   state   cause      entry
    Sat 2027-03-27 00:00 +01:00  2027-03-26T23:00:00Z  open    initial
    Sat 2027-03-27 02:10 +01:00  2027-03-27T01:10:00Z  closed  rule       open[2]
    Sat 2027-03-27 02:15 +01:00  2027-03-27T01:15:00Z  open    rule       open[0]
    Sat 2027-03-27 02:45 +01:00  2027-03-27T01:45:00Z  closed  rule       open[0]
    Sat 2027-03-27 12:00 +01:00  2027-03-27T11:00:00Z  open    rule       open[1]
    Sat 2027-03-27 14:00 +01:00  2027-03-27T13:00:00Z  closed  rule       open[1]
    Sat 2027-03-27 22:30 +01:00  2027-03-27T21:30:00Z  open    rule       open[2]
    Sun 2027-03-28 03:00 +02:00  2027-03-28T01:00:00Z  closed  gap        open[2]
    note: `open[0]` does not occur on 2027-03-28: 02:15–02:45 lies in 02:00–03:00, which the clock skips
    Sun 2027-03-28 12:00 +02:00  2027-03-28T10:00:00Z  open    rule       open[1]
    Sun 2027-03-28 14:00 +02:00  2027-03-28T12:00:00Z  closed  rule       open[1]
    Sun 2027-03-28 22:30 +02:00  2027-03-28T20:30:00Z  open    rule       open[2]

    open 11h 40m of 47h in Europe/Madrid, 10 transitions
    "#);

    let (code, out, err) = of(&document, "simulate", &[&span[..], &["--json"]].concat());
    assert_eq!(code, Some(0));
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 11, "standard output has transitions only: {out}");
    insta::assert_snapshot!(err, @r#"
    note: `open[0]` does not occur on 2027-03-28: 02:15–02:45 lies in 02:00–03:00, which the clock skips
    "#);
}

/// Simulates one daily period from one date to another: `at state cause` of each line, and how many periods are noted
/// as not occurring.
fn check(zone: &str, period: (&str, &str), (from, to): (&str, &str), expected: &[&str], skipped: usize) {
    let (code, out, err) = of(&daily(zone, &[period]), "simulate", &["--from", from, "--to", to, "--json"]);
    assert_eq!(code, Some(0), "{err}");
    let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    let told: Vec<_> = lines.map(|line| ["at", "state", "cause"].map(|key| text(&line, key)).join(" ")).collect();
    assert_eq!(told, expected, "{zone} {period:?}");
    assert_eq!(err.lines().filter(|line| line.contains("does not occur")).count(), skipped, "{zone}: {err}");
}

#[test]
fn clocks_that_change_open_and_close_once() {
    let spring = ("2027-03-28", "2027-03-29");
    let initial = "2027-03-27T23:00:00Z closed initial";
    check(
        "Europe/Madrid",
        ("02:30", "08:00"),
        spring,
        &[initial, "2027-03-28T01:00:00Z open gap", "2027-03-28T06:00:00Z closed rule"],
        0,
    );
    check(
        "Europe/Madrid",
        ("01:00", "02:30"),
        spring,
        &[initial, "2027-03-28T00:00:00Z open rule", "2027-03-28T01:00:00Z closed gap"],
        0,
    );
    check("Europe/Madrid", ("02:00", "03:00"), spring, &[initial], 1);

    let autumn = ("2027-10-31", "2027-11-01");
    let initial = "2027-10-30T22:00:00Z closed initial";
    check(
        "Europe/Madrid",
        ("02:30", "08:00"),
        autumn,
        &[initial, "2027-10-31T00:30:00Z open fold", "2027-10-31T07:00:00Z closed rule"],
        0,
    );
    check(
        "Europe/Madrid",
        ("02:15", "02:30"),
        autumn,
        &[initial, "2027-10-31T00:15:00Z open fold", "2027-10-31T01:30:00Z closed fold"],
        0,
    );

    // The whole day is skipped: it begins where the next one does, and its period does not occur.
    check(
        "Pacific/Apia",
        ("08:00", "20:00"),
        ("2011-12-29", "2012-01-01"),
        &[
            "2011-12-29T10:00:00Z closed initial",
            "2011-12-29T18:00:00Z open rule",
            "2011-12-30T06:00:00Z closed rule",
            "2011-12-30T18:00:00Z open rule",
            "2011-12-31T06:00:00Z closed rule",
        ],
        1,
    );
    check(
        "Pacific/Apia",
        ("08:00", "20:00"),
        ("2011-12-30", "2011-12-31"),
        &["2011-12-30T10:00:00Z closed initial"],
        1,
    );
    // Midnight is skipped: the date begins at 01:00, which the first line shows already.
    check(
        "America/Sao_Paulo",
        ("00:00", "06:00"),
        ("2018-11-04", "2018-11-05"),
        &["2018-11-04T03:00:00Z open initial", "2018-11-04T08:00:00Z closed rule"],
        0,
    );
    check(
        "America/Sao_Paulo",
        ("20:00", "24:00"),
        ("2018-11-03", "2018-11-04"),
        &["2018-11-03T03:00:00Z closed initial", "2018-11-03T23:00:00Z open rule"],
        0,
    );
    // Half an hour is skipped, and half an hour comes twice.
    check(
        "Australia/Lord_Howe",
        ("02:15", "04:00"),
        ("2027-10-03", "2027-10-04"),
        &["2027-10-02T13:30:00Z closed initial", "2027-10-02T15:30:00Z open gap", "2027-10-02T17:00:00Z closed rule"],
        0,
    );
    check(
        "Australia/Lord_Howe",
        ("01:45", "01:50"),
        ("2027-04-04", "2027-04-05"),
        &["2027-04-03T13:00:00Z closed initial", "2027-04-03T14:45:00Z open fold", "2027-04-03T15:20:00Z closed fold"],
        0,
    );
}

#[test]
fn both_ends_of_the_time_are_told_in_the_first_line_or_not_at_all() {
    let midnight = ("00:00", "12:00");
    check(
        "UTC",
        midnight,
        ("2027-01-01", "2027-01-02"),
        &["2027-01-01T00:00:00Z open initial", "2027-01-01T12:00:00Z closed rule"],
        0,
    );
    check("UTC", midnight, ("2027-01-01", "2027-01-01"), &["2027-01-01T00:00:00Z open initial"], 0);
}

#[test]
fn a_month_is_drawn_by_day_and_hour() {
    let (code, out, err) = run(&["window", "calendar", SAMPLE, "--month", "2026-11"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    insta::assert_snapshot!("calendar", out);

    let mut document = daily("Europe/Madrid", &[("02:15", "02:45"), ("08:30", "13:00"), ("14:20", "19:00")]);
    document["extensions"] = json!([
        { "from": "2027-03-19T19:00", "until": "2027-03-21T02:00", "reason": "quarter end, with all of its reports" }
    ]);
    document["closures"] =
        json!([{ "from": "2027-03-20T12:00", "until": "2027-03-20T13:30", "reason": "maintenance" }]);
    document["closed_dates"] = json!(["2027-03-19", "2027-03-25", "2027-03-26"]);
    let (code, out, _) = of(&document, "calendar", &["--month", "2027-03"]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!("calendar_of_everything", out);
}

#[test]
fn a_valid_document_is_summed_up() {
    let at = ["--at", "2026-11-21T12:00:00Z"];
    let (code, out, err) = run(&[&["window", "check", SAMPLE], &at[..]].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(out, @r#"
    time zone     Europe/Madrid
    open          2 rules
    closed dates  2 entries
    extensions    1 entry
    closures      1 entry
    calendar      none
    state         closed at Sat 2026-11-21 13:00 +01:00, opens Sat 2026-11-21 22:00 +01:00 (open[1])

    good: the document is valid
    "#);

    let document = daily("Europe/Madrid", &[("02:15", "02:45"), ("22:30", "02:10")]);
    let (code, out, err) = of(&document, "check", &at);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(out, @r#"
    time zone     Europe/Madrid
    open          2 rules
    closed dates  none
    extensions    none
    closures      none
    calendar      none
    state         closed at Sat 2026-11-21 13:00 +01:00, opens Sat 2026-11-21 22:30 +01:00 (open[1])

    Does not occur, because the clock skips all of it (next 10 years)
      open[0]  2027-03-28, 2028-03-26, 2029-03-25, 2030-03-31, 2031-03-30, 2032-03-28, 2033-03-27, 2034-03-26, 2035-03-25, 2036-03-30

    Decided by daylight saving (next 2 years)
      open[1]  closes Sun 2027-03-28 03:00 +02:00: 02:00–03:00 is skipped
      open[0]  closes Sun 2027-10-31 02:45 +01:00, the second of two
      open[1]  closes Sun 2028-03-26 03:00 +02:00: 02:00–03:00 is skipped
      open[0]  closes Sun 2028-10-29 02:45 +01:00, the second of two

    good: the document is valid, but not every period occurs
    "#);

    let (code, out, _) = of(&daily("UTC", &[("00:00", "24:00")]), "check", &[&at[..], &["--json"]].concat());
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(out, @r#"
    {
      "at": "2026-11-21T12:00:00Z",
      "valid": true,
      "faults": [],
      "time_zone": "UTC",
      "open": 1,
      "closed_dates": 0,
      "extensions": 0,
      "closures": 0,
      "calendar": null,
      "state": "open",
      "next": null,
      "skipped": [],
      "edges": []
    }
    "#);
    assert_eq!(run(&["window", "check", SAMPLE]).0, Some(0), "the clock does not change the verdict");
}

#[test]
fn four_hundred_rules_are_a_document_like_any_other() {
    let rule = |n: usize| json!({ "days": ["sun"], "from": format!("{:02}:{:02}", n / 20, n % 20 * 3), "to": "23:00" });
    let document = json!({ "time_zone": "America/New_York", "open": (0..400).map(rule).collect::<Vec<_>>() });
    let (code, out, err) = of(&document, "check", &["--at", "2026-11-21T12:00:00Z", "--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let verdict: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&verdict["open"], &verdict["next"]["at"]), (&json!(400), &json!("2026-11-22T05:00:00Z")));
}

#[test]
fn every_fault_is_named() {
    let document = json!({
        "time_zone": "Europe/Madrit",
        "open": [
            { "days": ["mon"], "from": "25:00", "to": "20:00" },
            { "days": [], "from": "08:00", "to": "08:00" },
        ],
        "closed_dates": [{ "from": "2027-01-02", "to": "2026-12-30" }],
        "extensions": [{ "from": "2026-11-23T22:00", "until": "2026-11-23T20:00", "reason": "quarter end" }],
        "holidays": [],
    });
    let paths =
        ["time_zone", "open[0].from", "open[1].days", "open[1].to", "closed_dates[0].to", "extensions[0].until"];
    let (code, out, err) = of(&document, "check", &["--at", "2026-11-21T12:00:00Z", "--json"]);
    assert_eq!((code, err.as_str()), (Some(1), ""));
    let verdict: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&verdict["at"], &verdict["valid"]), (&json!("2026-11-21T12:00:00Z"), &json!(false)));
    let faults = verdict["faults"].as_array().unwrap();
    let mut named: Vec<_> = faults.iter().map(|fault| fault["path"].as_str().unwrap()).collect();
    named.sort_unstable();
    let mut expected = [&paths[..], &["holidays"]].concat();
    expected.sort_unstable();
    assert_eq!(named, expected);

    let (code, out, err) = of(&document, "check", &[]);
    assert_eq!((code, err.as_str()), (Some(1), ""));
    for fault in faults {
        let told = format!("{}\n  {}\n", fault["path"].as_str().unwrap(), fault["message"].as_str().unwrap());
        assert!(out.contains(&told), "{told} in {out}");
    }
    assert!(out.ends_with("\nbad: 7 faults, the document would be refused\n"), "{out}");

    for (subcommand, options) in
        [("simulate", &["--from", "2027-01-01", "--to", "2027-01-02"][..]), ("calendar", &["--month", "2027-01"])]
    {
        let (code, out, err) = of(&document, subcommand, options);
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(err.starts_with("error: standard input is no valid window document: it has 7 faults\n  `"), "{err}");
        for fault in faults {
            let told = format!("`{}`: {}\n", fault["path"].as_str().unwrap(), fault["message"].as_str().unwrap());
            assert!(err.contains(&told), "{told} in {err}");
        }
    }
}

#[test]
fn a_calendar_that_cannot_be_seen_is_said() {
    let mut document = daily("Europe/Madrid", &[("08:00", "20:00")]);
    document["calendar"] = json!("bank-holidays");
    for (subcommand, options) in [
        ("check", &[][..]),
        ("check", &["--json"]),
        ("simulate", &["--from", "2027-01-01", "--to", "2027-01-02"]),
        ("simulate", &["--from", "2027-01-01", "--to", "2027-01-02", "--json"]),
        ("calendar", &["--month", "2027-01"]),
    ] {
        let (code, _, err) = of(&document, subcommand, options);
        let note = "the SSM Change Calendar `bank-holidays` cannot be seen from here; it may close what a rule opens";
        assert_eq!((code, err), (Some(0), format!("note: {note}\n")), "{subcommand} {options:?}");
    }
}

#[test]
fn wrong_inputs_end_with_2_and_say_why() {
    let wrong = |arguments: &[&str], input: &str, expected: &str| {
        let (code, out, err) = run_with(input.as_bytes(), &[&["window"], arguments].concat());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
    };
    let document = daily("UTC", &[("08:00", "20:00")]).to_string();
    let simulate = |from: &'static str, to: &'static str| ["simulate", "-", "--from", from, "--to", to];
    wrong(&simulate("2027-01-02", "2027-01-01"), &document, "error: `--to 2027-01-01` is before `--from 2027-01-02`");
    for date in ["soon", "2027-02-29", "2027-3-1", "20270301", "2027-03-01T00:00", ""] {
        wrong(&simulate(date, "2028-01-01"), &document, "expected a date such as `2027-03-28`");
        wrong(&simulate("2000-01-01", date), &document, "expected a date such as `2027-03-28`");
    }
    wrong(&simulate("1999-12-31", "2028-01-01"), &document, "expected a year from 2000 to 2100");
    for month in ["march", "2027", "2027-13", "2027-3", "2027-03-01", ""] {
        wrong(&["calendar", "-", "--month", month], &document, "expected a month such as `2027-03`");
    }
    wrong(&["calendar", "-", "--month", "2101-01"], &document, "expected a year from 2000 to 2100");

    for arguments in
        [&["check", "-"][..], &simulate("2027-01-01", "2027-01-02"), &["calendar", "-", "--month", "2027-01"]]
    {
        wrong(arguments, "{\n  \"open\": [,]\n}", "error: standard input, line 2, column 12: not JSON: expected value");
        wrong(arguments, "", "error: standard input, line 1, column 1: not JSON: EOF while parsing a value");
    }
    wrong(&["check", "missing.json"], "", "error: cannot read `missing.json`: ");
}

#[test]
fn what_windows_tools_put_in_front_is_no_fault() {
    let document = format!("\u{feff}{}", daily("UTC", &[("08:00", "20:00")]));
    let (code, out, err) = run_with(document.as_bytes(), &["window", "check", "-"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
}
