//! Parameters: what is obeyed, what is rejected, and what is then in force.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use guardrail::catalogue::ATHENA_QUERY_RUNTIME;
use guardrail::{Configuration, Mode, Quantity};
use jiff::Timestamp;
use proptest::prelude::*;

const PATH: &str = "/sandbox-guardrails/athena/athena-query-runtime";

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// Reads one parameter, and gives the message of its rejection.
fn rejection(name: &str, value: &str) -> Option<String> {
    let name = if name.starts_with('/') { name.to_owned() } else { format!("{PATH}/{name}") };
    let values = [(name.as_str(), value)];
    let (configuration, faults) = Configuration::read(values);
    let mut rejected = configuration.rejected(values, &faults, now());
    assert!(rejected.len() <= 1);
    rejected.pop().map(|rejected| rejected.to_string())
}

fn check(name: &str, value: &str, parts: &[&str]) {
    let message = rejection(name, value);
    if parts.is_empty() {
        assert_eq!(message, None, "`{name}` = `{value}` is obeyed");
        return;
    }
    let message = message.unwrap_or_else(|| panic!("`{name}` = `{value}` is rejected"));
    for part in [name, value].iter().chain(parts) {
        assert!(message.contains(part), "`{part}` is named in: {message}");
    }
}

#[test]
fn limits_are_durations_within_what_the_guardrail_can_hold() {
    for good in ["30m", "2h", "1h 30m", "1h30m", "PT30M", "90s", "600m", "1s", " 10m "] {
        check("limit", good, &[]);
        check("limit/etl", good, &[]);
    }
    for bad in [
        "",
        "  ",
        "soon",
        "30",
        "0",
        "0s",
        "-5m",
        "30m ago",
        "999h",
        "601m",
        "0.5s",
        "1d",
        "PT",
        "1e9h",
        "99999999999999999999h",
    ] {
        check("limit", bad, &["a duration such as `30m`, `2h` or `PT30M`, from 1s to 10h", "in force: 30m"]);
        check("limit/etl", bad, &["in force: 30m"]);
    }
}

#[test]
fn modes_levels_and_the_belt_are_checked() {
    for good in ["off", "observe", "enforce", " enforce "] {
        check("mode", good, &[]);
        check("mode/etl", good, &[]);
    }
    for bad in ["", "on", "Enforce", "enfroce", "dry-run"] {
        check("mode", bad, &["`off`, `observe` or `enforce`", "in force: observe"]);
    }
    check("levels", "50,75,100,150", &[]);
    for bad in ["", "95,75,100", "75,95", "0,100", "a,b"] {
        check("levels", bad, &["ascending", "in force: 75,95,100"]);
    }
    check("max_actions", "5", &[]);
    for bad in ["0", "-1", "1001", "many", "unlimited", ""] {
        check("max_actions", bad, &["from 1 to 1000", "in force: 20"]);
    }
}

#[test]
fn unknown_names_are_named() {
    let unknown = &["in force: nothing, the name is unknown"];
    check("limti", "30m", &[unknown[0], "`limit`, `limit/<scope>`, `mode`"]);
    check("limit/", "30m", unknown);
    check("levels/etl", "75,100", unknown);
    check("limit/etl/more", "30m", unknown);
    check("/sandbox-guardrails/athena/athena-query-rutime/limit", "30m", &[unknown[0], PATH]);
    check("/sandbox-guardrails/emr/athena-query-runtime/limit", "30m", unknown);
    check("/sandbox-guardrails/", "30m", unknown);
    check("/elsewhere/limit", "30m", &[unknown[0], "a name under `/sandbox-guardrails/`"]);
}

#[test]
fn exemptions_are_whole_and_end() {
    let name = "/sandbox-guardrails/exemptions/year-end";
    let whole = r#"{"scope":"etl","owner":"jo@bank","reason":"year end","expires":"2027-01-31T00:00:00Z"}"#;
    check(name, whole, &[]);
    check(name, &whole.replace("2027", "2026"), &["it expired at 2026-01-31T00:00:00Z", "in force: no exemption"]);
    for (from, to, problem) in [
        (r#""owner":"jo@bank","#, "", "missing field `owner`"),
        (r#""reason":"year end","#, "", "missing field `reason`"),
        (r#","expires":"2027-01-31T00:00:00Z""#, "", "missing field `expires`"),
        ("year end", " ", "`reason` is empty"),
        (r#""scope":"etl","#, "", "it names no `resource`, `scope` or `resource_owner`"),
        (r#""scope":"etl""#, r#""scope":"""#, "a pattern is empty"),
        (r#""scope""#, r#""scpoe""#, "unknown field `scpoe`"),
        ("2027-01-31T00:00:00Z", "soon", "failed to parse"),
        ("{", "", ""),
    ] {
        check(
            name,
            &whole.replace(from, to),
            &["JSON with `owner`, `reason`, `expires`", problem, "in force: no exemption"],
        );
    }
}

#[test]
fn a_bad_scope_leaves_the_sandboxs_own_setting_in_force() {
    let values = [
        (format!("{PATH}/limit"), "10m"),
        (format!("{PATH}/limit/etl"), "2hh"),
        (format!("{PATH}/mode"), "enforce"),
        (format!("{PATH}/mode/etl"), "?"),
    ];
    let values = || values.iter().map(|(name, value)| (name.as_str(), *value));
    let (configuration, faults) = Configuration::read(values());
    let policy = configuration.policy(&ATHENA_QUERY_RUNTIME);
    assert_eq!(policy.limit.of(Some("etl")), Quantity::minutes(10));
    assert_eq!(policy.mode.of(Some("etl")), Mode::Enforce);
    let in_force: Vec<_> = configuration.rejected(values(), &faults, now()).into_iter().map(|r| r.in_force).collect();
    assert_eq!(in_force, ["10m", "enforce"]);
}

proptest! {
    /// Whatever stands in a parameter, reading it never panics, and a guardrail never goes off by it.
    #[test]
    fn no_value_switches_a_guardrail_off(
        name in prop::sample::select(vec!["limit", "limit/etl", "mode/etl", "mode", "levels", "max_actions", "x"]),
        value in "(?s).{0,40}",
    ) {
        let name = format!("{PATH}/{name}");
        let values = [(name.as_str(), value.as_str())];
        let (configuration, _) = Configuration::read(values);
        let policy = configuration.policy(&ATHENA_QUERY_RUNTIME);
        let limit = policy.limit.of(Some("etl"));
        prop_assert!(limit >= policy.guardrail.least_limit && limit <= policy.guardrail.greatest_limit);
        prop_assert!(policy.mode.of(Some("etl")) != Mode::Off || value.trim() == "off");
        prop_assert!(policy.levels.percents().contains(&100));
        prop_assert!((1..=1000).contains(&policy.max_actions));
    }
}
