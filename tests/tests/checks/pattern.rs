//! The part of EventBridge's pattern matching that our rules use: lists of exact values, `prefix`, `wildcard`,
//! `anything-but`, `$or`.
//!
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html>
//!
//! Anything else, such as `suffix`, is an error: a check must not pass because it did not understand the rule.

use serde_json::{Map, Value};
use stage::exports::{BUCKET, PREFIX};

use crate::template::{hub_account, reference};

/// Whether an event matches a pattern.
pub(crate) fn matches(pattern: &Value, event: &Value) -> Result<bool, String> {
    let Value::Object(pattern) = pattern else { return Err(format!("a pattern is an object, not {pattern}")) };
    let nothing = Map::new();
    let members = event.as_object().unwrap_or(&nothing);
    // Every key is looked at, also after one that does not match, so that an operator is found with any event.
    pattern.iter().try_fold(true, |so_far, (key, expected)| {
        if key == "$or" {
            return Ok(so_far & either(expected, event)?);
        }
        if key.starts_with('$') {
            return Err(unknown(key));
        }
        let found = members.get(key).unwrap_or(&Value::Null);
        let fits = match expected {
            Value::Array(allowed) => any(allowed, found)?,
            nested => matches(nested, found)?,
        };
        // An absent field matches nothing, not even `null`.
        Ok(so_far && fits && members.contains_key(key))
    })
}

/// Whether an event matches one of several patterns, each of which is looked at.
fn either(patterns: &Value, event: &Value) -> Result<bool, String> {
    let Value::Array(patterns) = patterns else { return Err(format!("`$or` takes a list, not {patterns}")) };
    patterns.iter().try_fold(false, |so_far, pattern| Ok(so_far | matches(pattern, event)?))
}

/// Whether a value, or one of its items where it is a list, fits one of those allowed.
fn any(allowed: &[Value], found: &Value) -> Result<bool, String> {
    let found = match found {
        Value::Array(items) => items.iter().collect(),
        found => vec![found],
    };
    allowed.iter().try_fold(false, |so_far, allowed| {
        let fits = match allowed {
            Value::Object(operator) => match operator.iter().collect::<Vec<_>>().as_slice() {
                [(name, Value::String(prefix))] if *name == "prefix" => {
                    found.iter().any(|found| found.as_str().is_some_and(|text| text.starts_with(prefix)))
                }
                [(name, Value::String(wildcard))] if *name == "wildcard" => {
                    found.iter().any(|found| found.as_str().is_some_and(|text| fits_wildcard(wildcard, text)))
                }
                [(name, Value::Array(others))] if *name == "anything-but" && others.iter().all(Value::is_string) => {
                    found.iter().any(|found| !others.contains(found))
                }
                _ => return Err(unknown(allowed)),
            },
            exact => found.contains(&exact),
        };
        Ok(so_far || fits)
    })
}

/// Whether a text is the wildcard's, in which each `*` stands for any letters.
fn fits_wildcard(wildcard: &str, text: &str) -> bool {
    match wildcard.split_once('*') {
        None => wildcard == text,
        Some((begin, rest)) => {
            let Some(text) = text.strip_prefix(begin) else { return false };
            (0..=text.len()).any(|at| text.get(at..).is_some_and(|text| fits_wildcard(rest, text)))
        }
    }
}

fn unknown(operator: impl std::fmt::Display) -> String {
    format!("`{operator}` is an operator that tests/tests/checks/pattern.rs does not know")
}

/// A pattern with the account put in for `!Ref AWS::AccountId`, and the hub's for where the template takes it from its
/// bus; with the cost export of the stage, and where there is a choice what the template's defaults choose.
pub(crate) fn in_account(pattern: &Value, account: &str, hub: &str) -> Value {
    match pattern {
        id if *id == reference("AWS::AccountId") => account.into(),
        id if *id == hub_account() => hub.into(),
        bucket if *bucket == reference("ExportBucket") => BUCKET.into(),
        Value::Object(map) if map.contains_key("Fn::If") => in_account(&map["Fn::If"][1], account, hub),
        Value::Object(map) if map.contains_key("Fn::Sub") => {
            map["Fn::Sub"].as_str().unwrap_or_default().replace("${ExportPrefix}", PREFIX).into()
        }
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), in_account(value, account, hub))).collect(),
        Value::Array(items) => items.iter().map(|item| in_account(item, account, hub)).collect(),
        other => other.clone(),
    }
}

#[test]
fn values_match_exactly_or_by_prefix_at_any_depth() {
    use serde_json::json;
    let check = |pattern: Value, event: Value, expected: bool| {
        assert_eq!(matches(&pattern, &event), Ok(expected), "{pattern} and {event}");
    };
    check(json!({}), json!({"a": 1}), true);
    check(json!({"a": ["x", "y"]}), json!({"a": "y", "b": 1}), true);
    check(json!({"a": ["x"]}), json!({"a": "X"}), false);
    check(json!({"a": ["x"]}), json!({}), false);
    check(json!({"a": [false]}), json!({"a": false}), true);
    check(json!({"a": [false]}), json!({"a": "false"}), false);
    check(json!({"a": [null]}), json!({"a": null}), true);
    check(json!({"a": [null]}), json!({}), false);
    check(json!({"a": ["x"]}), json!({"a": ["w", "x"]}), true);
    check(json!({"a": [{"prefix": "x/"}, "z"]}), json!({"a": "x/y"}), true);
    check(json!({"a": [{"prefix": "x/"}, "z"]}), json!({"a": "z"}), true);
    check(json!({"a": [{"prefix": "x/"}, "z"]}), json!({"a": "y/x/"}), false);
    check(json!({"a": [{"prefix": "x/"}]}), json!({"a": 1}), false);
    check(json!({"a": {"b": {"c": [1]}}}), json!({"a": {"b": {"c": 1}}}), true);
    check(json!({"a": {"b": [1]}}), json!({"a": 1}), false);
    check(json!({"a": [1], "b": [2]}), json!({"a": 1, "b": 3}), false);
    check(json!({"a": [{"wildcard": "x/*.gz"}]}), json!({"a": "x/y/z.gz"}), true);
    check(json!({"a": [{"wildcard": "x/*.gz"}]}), json!({"a": "x/y.gz/z"}), false);
    check(json!({"a": [{"wildcard": "x/*.gz"}]}), json!({"a": "w/x/y.gz"}), false);
    check(json!({"a": [{"wildcard": "x/*/y*"}]}), json!({"a": "x/a/b/y"}), true);
    check(json!({"a": [{"wildcard": "x"}]}), json!({"a": "xy"}), false);
    check(json!({"a": [{"anything-but": ["x", "y"]}]}), json!({"a": "z"}), true);
    check(json!({"a": [{"anything-but": ["x", "y"]}]}), json!({"a": "y"}), false);
    check(json!({"a": [{"anything-but": ["x", "y"]}]}), json!({}), false);
    let either = json!({"a": [1], "$or": [{"b": [2]}, {"c": [3]}]});
    check(either.clone(), json!({"a": 1, "b": 2}), true);
    check(either.clone(), json!({"a": 1, "c": 3}), true);
    check(either.clone(), json!({"a": 1, "b": 3, "c": 2}), false);
    check(either, json!({"a": 0, "b": 2}), false);
}

#[test]
fn an_operator_is_an_error_whatever_the_event() {
    use serde_json::json;
    for pattern in [
        json!({"z": ["no"], "a": [{"suffix": "x"}]}),
        json!({"a": ["x", {"prefix": "x", "suffix": "x"}]}),
        json!({"a": [{"prefix": {"equals-ignore-case": "x"}}]}),
        json!({"$or": {"a": [1]}}),
        json!({"$or": [{"a": ["x"]}, {"a": [{"suffix": "x"}]}]}),
        json!({"$and": [{"a": [1]}]}),
        json!({"a": [{"anything-but": "y"}]}),
        json!({"a": [{"anything-but": [{"prefix": "y"}]}]}),
        json!({"a": {"b": [{"exists": true}]}}),
        json!("x"),
        json!({"a": "x"}),
    ] {
        assert!(matches(&pattern, &json!({"a": "x"})).is_err(), "{pattern}");
    }
}
