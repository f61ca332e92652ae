//! What is no window: each fault with its path, all of them at once, and the JSON Schema held to the parser.

use jiff::tz::TimeZoneDatabase;
use serde_json::{Value, json};
use window::{Window, schema};

use crate::EXAMPLE;

/// The faults of a document in which one key has another value.
fn faults(key: &str, value: &str) -> Vec<String> {
    let mut members = vec![(r"time_zone", r#""Europe/Madrid""#), ("open", "[]")];
    members.retain(|(name, _)| *name != key);
    members.push((key, value));
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    let text = format!("{{ {} }}", members.join(", "));
    let found = Window::parse(&text).map_or_else(|faults| faults.0, |_| Vec::new());
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    if let Err(again) = Window::from_json(&serde_json::from_str(&text).unwrap()) {
        assert_eq!(again.0.len(), found.len(), "{text}");
    }
    found
}

/// What must be among the faults of a document in which one key has another value; nothing means that it is valid.
fn check(key: &str, value: &str, expected: &str) {
    let found = faults(key, value);
    match expected {
        "" => assert!(found.is_empty(), "{key} {value}: {found:#?}"),
        _ => assert!(found.len() == 1 && found[0].starts_with(expected), "{key} {value}: {found:#?}"),
    }
}

#[test]
fn time_zones() {
    for (value, expected) in [
        (r#""UTC""#, ""),
        (r#""America/Argentina/ComodRivadavia""#, ""),
        (r#""Etc/GMT+12""#, ""),
        (r#""europe/madrid""#, "`time_zone`: `europe/madrid` is no time zone, did you mean `Europe/Madrid`?; expected"),
        (r#""Madrid""#, "`time_zone`: `Madrid` is no time zone, did you mean `Europe/Madrid`?"),
        (r#""Europe/Madird""#, "`time_zone`: `Europe/Madird` is no time zone, did you mean `Europe/Madrid`?"),
        (r#""Mars/Olympus_Mons""#, "`time_zone`: `Mars/Olympus_Mons` is no time zone; expected"),
        (r#""+01:00""#, "`time_zone`: `+01:00` is no time zone; expected"),
        (r#""CET-1CEST,M3.5.0,M10.5.0/3""#, "`time_zone`: `CET-1CEST,M3.5.0,M10.5.0/3` is no time zone; expected"),
        (r#""Etc/Unknown""#, "`time_zone`: `Etc/Unknown` is no time zone"),
        (r#""../../etc/passwd""#, "`time_zone`: `../../etc/passwd` is no time zone"),
        (r#""""#, "`time_zone`: `` is no time zone"),
        ("null", "`time_zone`: found `null`, expected a name of the IANA time zone database"),
        ("1", "`time_zone`: found `1`, expected"),
    ] {
        check("time_zone", value, expected);
    }
    for name in TimeZoneDatabase::bundled().available() {
        let window = Window::from_json(&json!({ "time_zone": name.as_str(), "open": [] })).unwrap();
        assert_eq!((window.zone_name(), window.time_zone().iana_name()), (name.as_str(), Some(name.as_str())));
    }
}

#[test]
fn rules() {
    let rule = |days: &str, from: &str, to: &str| format!(r#"[{{ "days": {days}, "from": {from}, "to": {to} }}]"#);
    let times = |from: &str, to: &str| rule(r#"["mon"]"#, &format!("\"{from}\""), &format!("\"{to}\""));
    let days = |days: &str| rule(days, r#""08:00""#, r#""20:00""#);
    let same = "is `from` too, expected another time; all day is `00:00` to `24:00`";
    for (value, expected) in [
        ("[]".to_owned(), ""),
        (times("08:00", "20:00"), ""),
        (times("00:00", "24:00"), ""),
        (times("00:01", "24:00"), ""),
        (times("00:01", "00:00"), ""),
        (times("00:00", "00:01"), ""),
        (times("23:59", "23:58"), ""),
        (times("00:00", "00:00"), &format!("`open[0].to`: `00:00` {same}")),
        (times("08:00", "08:00"), &format!("`open[0].to`: `08:00` {same}")),
        (times("24:00", "08:00"), "`open[0].from`: found `24:00`, expected a time `HH:MM` from `00:00` to `23:59`"),
        (times("25:00", "08:00"), "`open[0].from`: found `25:00`, expected a time"),
        (times("08:00", "24:01"), "`open[0].to`: found `24:01`, expected a time `HH:MM` from `00:00` to `24:00`"),
        (times("08:00", "25:00"), "`open[0].to`: found `25:00`, expected a time"),
        (times("08:60", "20:00"), "`open[0].from`: found `08:60`"),
        (times("8:00", "20:00"), "`open[0].from`: found `8:00`"),
        (times("08:00:00", "20:00"), "`open[0].from`: found `08:00:00`"),
        (times("08.00", "20:00"), "`open[0].from`: found `08.00`"),
        (times("+8:00", "20:00"), "`open[0].from`: found `+8:00`"),
        (times("08:00", "８:00"), "`open[0].to`: found `８:00`"),
        (times("", "20:00"), "`open[0].from`: found ``"),
        (rule(r#"["mon"]"#, "800", r#""20:00""#), "`open[0].from`: found `800`, expected a time"),
        (rule(r#"["mon"]"#, r#""08:00""#, "[]"), "`open[0].to`: found a list, expected a time"),
        (days("[]"), "`open[0].days`: is empty, expected at least one day"),
        (days(r#""mon""#), "`open[0].days`: found the text `mon`, expected a list of days"),
        (days(r#"["mon","mon"]"#), "`open[0].days[1]`: `mon` is there before, expected each day once"),
        (days(r#"["mon","Tue"]"#), "`open[0].days[1]`: found `Tue`, expected `mon`, `tue`"),
        (days(r#"["mon",2]"#), "`open[0].days[1]`: found `2`, expected `mon`"),
        (r#"[{ "days": ["mon"], "from": "08:00" }]"#.to_owned(), "`open[0].to`: missing, expected a time"),
        (r#"[[]]"#.to_owned(), "`open[0]`: found a list, expected a rule"),
        ("{}".to_owned(), "`open`: found an object, expected a list of rules"),
        ("null".to_owned(), "`open`: found `null`, expected a list of rules"),
        (
            r#"[{ "days": ["mon"], "form": "07:00", "from": "08:00", "to": "20:00" }]"#.to_owned(),
            "`open[0].form`: unknown key, did you mean `from`?",
        ),
        (
            r#"[{ "days": ["mon"], "from": "07:00", "from": "08:00", "to": "20:00" }]"#.to_owned(),
            "`open[0].from`: the key is there before, expected it once",
        ),
        (
            r#"[{ "days": ["mon"], "colour": "", "from": "08:00", "to": "20:00" }]"#.to_owned(),
            "`open[0].colour`: unknown key, expected `days`, `from`, `to`",
        ),
    ] {
        check("open", &value, expected);
    }
}

#[test]
fn closed_dates() {
    for (value, expected) in [
        ("[]", ""),
        (r#"["2000-01-01", "2100-12-31", "2028-02-29"]"#, ""),
        (r#"[{ "from": "2026-12-30", "to": "2026-12-30" }]"#, ""),
        (
            r#"["1999-12-31"]"#,
            "`closed_dates[0]`: found `1999-12-31`, expected a date `YYYY-MM-DD` of the years 2000 to 2100",
        ),
        (r#"["2101-01-01"]"#, "`closed_dates[0]`: found `2101-01-01`"),
        (r#"["2027-02-29"]"#, "`closed_dates[0]`: found `2027-02-29`"),
        (r#"["20270228"]"#, "`closed_dates[0]`: found `20270228`"),
        (r#"["2027-2-28"]"#, "`closed_dates[0]`: found `2027-2-28`"),
        (r#"["2027-02-28T00:00"]"#, "`closed_dates[0]`: found `2027-02-28T00:00`"),
        (r"[20270228]", "`closed_dates[0]`: found `20270228`, expected a date"),
        (
            r#"[{ "from": "2027-01-02", "to": "2026-12-30" }]"#,
            "`closed_dates[0].to`: `2026-12-30` is before `from`, which is `2027-01-02`",
        ),
        (r#"[{ "from": "2027-01-02", "until": "2027-12-30" }]"#, ""),
        (r#"[{ "to": "2027-12-30" }]"#, "`closed_dates[0].from`: missing, expected a date"),
        (r#""2027-02-28""#, "`closed_dates`: found the text `2027-02-28`, expected a list of dates"),
        ("null", "`closed_dates`: found `null`, expected a list of dates"),
    ] {
        if value.contains("until") {
            let found = faults("closed_dates", value);
            assert_eq!(
                found,
                [
                    "`closed_dates[0].until`: unknown key, expected `from`, `to`",
                    "`closed_dates[0].to`: missing, expected a date `YYYY-MM-DD` of the years 2000 to 2100",
                ]
            );
        } else {
            check("closed_dates", value, expected);
        }
    }
}

#[test]
fn extensions_and_closures() {
    let special = |from: &str, until: &str, reason: &str| {
        format!(r#"[{{ "from": "{from}", "until": "{until}", "reason": "{reason}" }}]"#)
    };
    let at = |from: &str, until: &str| special(from, until, "why");
    let why = |reason: &str| special("2027-01-04T08:00", "2027-01-04T09:00", reason);
    for (value, expected) in [
        (at("2027-01-04T08:00", "2027-01-04T08:01"), String::new()),
        (at("2000-01-01T00:00", "2100-12-31T23:59"), String::new()),
        (
            at("2027-01-04T08:00", "2027-01-04T08:00"),
            "until`: `2027-01-04T08:00` is not after `from`, which is `2027-".to_owned(),
        ),
        (at("2027-01-04T08:00", "2027-01-04T07:59"), "until`: `2027-01-04T07:59` is not after `from`".to_owned()),
        (
            at("2027-01-04T24:00", "2027-01-05T08:00"),
            "from`: found `2027-01-04T24:00`, expected a local time".to_owned(),
        ),
        (at("2027-01-04 08:00", "2027-01-05T08:00"), "from`: found `2027-01-04 08:00`".to_owned()),
        (at("2027-01-04T08:00Z", "2027-01-05T08:00"), "from`: found `2027-01-04T08:00Z`".to_owned()),
        (at("2027-01-04", "2027-01-05T08:00"), "from`: found `2027-01-04`".to_owned()),
        (at("1999-12-31T08:00", "2027-01-05T08:00"), "from`: found `1999-12-31T08:00`".to_owned()),
        (why(""), "reason`: is empty, expected a text of 1 to 200 characters".to_owned()),
        (why("  "), "reason`: is empty".to_owned()),
        (why(&"é".repeat(200)), String::new()),
        (why(&"é".repeat(201)), "reason`: has 201 characters, expected at most 200".to_owned()),
        (why(r"two\nlines"), "reason`: has a line break".to_owned()),
        (why(r"\u001b[31m"), "reason`: has a line break or another control character".to_owned()),
        (
            r#"[{ "from": "2027-01-04T08:00", "until": "2027-01-04T09:00" }]"#.to_owned(),
            "reason`: missing, expected a text".to_owned(),
        ),
    ] {
        for key in ["extensions", "closures"] {
            let expected = if expected.is_empty() { String::new() } else { format!("`{key}[0].{expected}") };
            check(key, &value, &expected);
        }
    }
}

#[test]
fn calendars_keys_and_documents() {
    check("calendar", r#""arn:aws:ssm:eu-west-1:111111111111:document/holidays""#, "");
    check("calendar", r#""""#, "`calendar`: is empty, expected the name of an SSM Change Calendar");
    check("calendar", "null", "`calendar`: found `null`, expected the name");
    check("timezone", r#""UTC""#, "`timezone`: unknown key, did you mean `time_zone`?");
    check("colour", r#""red""#, "`colour`: unknown key, expected `time_zone`, `open`, `closed_dates`");
    for (text, expected) in [
        ("", "the document is no JSON: EOF while parsing a value at line 1 column 0"),
        ("{ \"open\": [\n }", "the document is no JSON: expected value at line 2 column 2"),
        ("[]", "found a list, expected an object, a window document"),
        ("7", "found `7`, expected an object, a window document"),
        (
            r#"{ "open": [] }"#,
            "`time_zone`: missing, expected a name of the IANA time zone database such as `Europe/Madrid`",
        ),
        (r#"{ "time_zone": "UTC" }"#, "`open`: missing, expected a list of rules"),
    ] {
        let faults = Window::parse(text).unwrap_err();
        assert_eq!(faults.0.len(), 1, "{faults}");
        assert!(faults.to_string().starts_with(expected), "{text}: {faults}");
    }
    assert!(Window::parse(&"[".repeat(100_000)).is_err());
}

#[test]
fn a_list_has_at_most_a_thousand_entries() {
    let entries = [
        ("open", r#"{ "days": ["mon"], "from": "08:00", "to": "20:00" }"#),
        ("closed_dates", r#""2027-01-04""#),
        ("extensions", r#"{ "from": "2027-01-04T08:00", "until": "2027-01-04T09:00", "reason": "why" }"#),
        ("closures", r#"{ "from": "2027-01-04T08:00", "until": "2027-01-04T09:00", "reason": "why" }"#),
    ];
    for (key, entry) in entries {
        check(key, &format!("[{}]", vec![entry; 1_000].join(",")), "");
        let expected = format!("`{key}`: has 1001 entries, expected at most 1000");
        check(key, &format!("[{}]", vec![entry; 1_001].join(",")), &expected);
    }
}

#[test]
fn all_faults_of_a_document_come_at_once_in_its_order() {
    let faults = Window::parse(
        r#"{
          "open": [
            { "days": [], "from": "25:00", "to": "20:00" },
            { "from": "08:00", "to": "08:00", "days": ["mon", "monday", "mon"], "note": "?" },
            { "days": ["sat"], "from": "22:00", "until": "06:00" }
          ],
          "time_zone": "Europe/Madird",
          "closures": [{ "until": "2026-11-24T12:00", "from": "2026-11-24T13:00", "reason": " " }],
          "closed_dates": ["2026-02-30", { "from": "2027-01-02", "to": "2026-12-30" }, 25],
          "extensions": [{ "from": "2026-11-23T22:00", "until": "2026-11-23T20:00", "reason": "quarter end" }],
          "holidays": [],
          "calendar": 7,
          "calendar": "twice"
        }"#,
    )
    .unwrap_err();
    let lines: Vec<String> = faults.0.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
    assert_eq!(faults.to_string(), lines.join("; "));
}

#[test]
fn long_input_is_clipped_in_messages() {
    let found =
        faults("open", &format!(r#"[{{ "days": ["{}"], "from": "08:00", "to": "20:00" }}]"#, "x".repeat(5_000)));
    assert_eq!(found.len(), 1);
    assert!(found[0].len() < 250, "{found:?}");
}

#[test]
fn the_schema_says_what_the_parser_says() {
    let schema = schema().to_value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let example: Value = serde_json::from_str(EXAMPLE).unwrap();
    let with = |pointer: &str, value: Value| {
        let mut document = example.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        document
    };
    let mut without_zone = example.clone();
    without_zone.as_object_mut().unwrap().remove("time_zone");
    for (document, valid) in [
        (example.clone(), true),
        (json!({ "time_zone": "UTC", "open": [], "calendar": "holidays" }), true),
        (with("/open/0/to", json!("24:00")), true),
        (with("/open/0/from", json!("24:00")), false),
        (with("/open/0/from", json!("8:00")), false),
        (with("/open/0/days", json!([])), false),
        (with("/open/0/days", json!(["mon", "mon"])), false),
        (with("/open/0/days/0", json!("Mon")), false),
        (with("/open", json!({})), false),
        (with("/closed_dates/0", json!("1999-12-31")), false),
        (with("/closed_dates/1", json!({ "from": "2026-12-30" })), false),
        (with("/closed_dates/1/to", json!("2101-01-01")), false),
        (with("/extensions/0/until", json!("2026-11-23T24:00")), false),
        (with("/extensions/0/reason", json!("")), false),
        (with("/closures/0", json!({ "from": "2026-11-24T12:00", "until": "2026-11-24T13:00" })), false),
        (with("/closures/0/reason", json!("x".repeat(201))), false),
        (json!({ "time_zone": "UTC", "open": [], "calendar": "" }), false),
        (json!({ "time_zone": "UTC", "open": [], "colour": "red" }), false),
        (without_zone, false),
    ] {
        assert_eq!(Window::from_json(&document).is_ok(), valid, "parser: {document}");
        assert_eq!(validator.is_valid(&document), valid, "schema: {document}");
    }
}

#[test]
fn every_field_of_the_schema_is_described() {
    fn undescribed(path: &str, value: &Value, found: &mut Vec<String>) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                let path = format!("{path}.{name}");
                if property.get("title").is_none() || property.get("description").is_none() {
                    found.push(path.clone());
                }
                undescribed(&path, property, found);
            }
        }
        if let Some(items) = value.get("items") {
            undescribed(path, items, found);
            for branch in items.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
                undescribed(path, branch, found);
            }
        }
    }
    let mut found = Vec::new();
    undescribed("", &schema().to_value(), &mut found);
    assert_eq!(found, Vec::<String>::new());
}
