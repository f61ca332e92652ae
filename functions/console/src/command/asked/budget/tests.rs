//! Which budgets may be asked for, which parameters they are, and every fault of those that may not.

use window::Fault;

use super::*;
use crate::command::asked::{Asked, Order};

fn sample(name: &str) -> Value {
    let path = format!("{}/../../events/console-command/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The sample of a sandbox's budget with other values at these keys, or without them.
fn changed(keys: &[(&str, Option<Value>)]) -> Value {
    let mut asked = sample("budget");
    for (key, value) in keys {
        match value {
            Some(value) => asked[key] = value.clone(),
            None => drop(asked.as_object_mut().unwrap().remove(*key)),
        }
    }
    asked
}

fn budget(asked: &Value) -> Budget {
    match Asked::read(asked).unwrap().order {
        Order::Budget(budget) => budget,
        order => panic!("{order:?}"),
    }
}

fn faults(asked: &Value) -> Vec<String> {
    let faults = Asked::read(asked).err().unwrap_or_default();
    faults.iter().map(Fault::to_string).collect()
}

/// The parameters that a budget sets, one by one; those that it takes away have no value.
fn check(asked: &Value, expected: &[(&str, &str, Option<&str>)]) {
    const PATH: &str = "/sandbox-guardrails/spend/spend-budget/";
    let changes = budget(asked).changes();
    let changes = changes.iter().flat_map(|(whose, changes)| changes.iter().map(move |change| (whose, change)));
    let changes = changes
        .map(|(whose, Change { name, value })| (whose.as_str(), name.strip_prefix(PATH).unwrap(), value.as_deref()));
    assert_eq!(changes.collect::<Vec<_>>(), expected);
}

#[test]
fn a_budget_is_the_parameters_that_it_is_read_from() {
    let whose = "sandbox/111111111111";
    check(
        &sample("budget"),
        &[
            (whose, "levels/111111111111", Some("50,75,100,150,200:lock")),
            (whose, "limit/111111111111", Some("1500.00 USD/month")),
            (whose, "mode/111111111111", Some("enforce")),
        ],
    );
    let unit = ("business-unit/retail", "limit/business-unit/retail", Some("18000 USD/quarter"));
    check(&sample("budget-of-unit"), &[unit]);
    check(
        &sample("budget-taken-away"),
        &[
            (whose, "levels/111111111111", None),
            (whose, "limit/111111111111", None),
            (whose, "mode/111111111111", None),
        ],
    );
    let rest = [("levels", None), ("mode", None)];
    let of = |key: &'static str, value: Value| {
        let other = if key == "sandboxes" { vec![] } else { vec![("sandboxes", None)] };
        changed(&[&rest[..], &other, &[(key, Some(value))]].concat())
    };
    let limit = Some("1500.00 USD/month");
    check(&of("sandboxes", json!("all")), &[("all", "limit", limit)]);
    // A parameter's name has no blanks; the unit is found under this one.
    let unit = ("business-unit/Retail-Banking", "limit/business-unit/Retail-Banking", limit);
    check(&of("business_unit", json!("Retail Banking")), &[unit]);
    check(
        &of("sandboxes", json!(["222222222222", "111111111111"])),
        &[(whose, "limit/111111111111", limit), ("sandbox/222222222222", "limit/222222222222", limit)],
    );
}

#[test]
fn every_parameter_that_is_written_is_one_that_is_read() {
    for name in ["budget", "budget-of-unit"] {
        for Change { name, value } in budget(&sample(name)).changes().into_values().flatten() {
            assert!(matches!(Parameter::parse(&name, &value.unwrap()), Ok(Parameter::Setting(..))), "{name}");
        }
    }
}

#[test]
fn a_budget_says_what_and_who_but_not_of_which_sandboxes() {
    let what = |asked: &Value| Asked::read(asked).unwrap().what();
    let first = sample("budget");
    assert_eq!(what(&first), what(&changed(&[("sandboxes", Some(json!("all")))])));
    for (key, value) in [
        ("limit", json!("1500 USD/year")),
        ("limit", json!(null)),
        ("mode", json!("observe")),
        ("levels", json!("100")),
        ("reason", json!("other")),
        ("requested_by", json!("jo")),
    ] {
        assert_ne!(what(&first), what(&changed(&[(key, Some(value))])), "{key}");
    }
    assert_ne!(what(&first), what(&changed(&[("mode", None)])));
    let of = |unit: &str| what(&changed(&[("sandboxes", None), ("business_unit", Some(json!(unit)))]));
    assert_ne!(of("retail"), of("cards"));
}

#[test]
fn every_fault_is_named_at_once() {
    let found = faults(&sample("budget-faults"));
    let begins = [
        "`limit`: is `1500 dollars`, expected null, or an amount, its currency and what it is for",
        "`levels`: is `50,75:lock,100`, expected null, or 1 to 10 whole percentages of the budget",
        "`mode`: is `stop`, expected null, or `off`, `observe` or `enforce`",
        "`reason`: is ``, expected text",
        "`sandboxes`: stands beside `business_unit`, expected either it or `business_unit`",
        "`lock`: is unknown, expected `command`, `limit`, `levels`, `mode`, `reason`, `business_unit`, `sandboxes`",
    ];
    assert_eq!(found.len(), begins.len(), "{found:#?}");
    for (found, begins) in found.iter().zip(begins) {
        assert!(found.starts_with(begins), "{found}");
    }
    assert_eq!(
        faults(&json!({"command": "budget"})),
        [
            "`limit`: is missing, and so are `levels` and `mode`; one of them is to be set",
            "`reason`: is missing",
            "`sandboxes`: is missing, expected either it or `business_unit`",
            "`requested_by`: is missing",
        ]
    );
}

#[test]
fn a_budget_holds_what_it_should() {
    let accepted = |key: &str, value: Value| {
        assert_eq!(faults(&changed(&[(key, Some(value.clone()))])), [""; 0], "{key}: {value}");
    };
    let refused = |key: &str, value: Value| {
        let found = faults(&changed(&[(key, Some(value.clone()))]));
        assert!(matches!(found.as_slice(), [one] if one.starts_with(&format!("`{key}`: "))), "{value}: {found:?}");
    };
    for limit in ["1500 USD", "0.000001 EUR/total", " 4500.00 USD/quarter "] {
        accepted("limit", json!(limit));
    }
    for limit in ["0 USD", "-1 USD", "1500", "1500 USD/week", "0.0000001 USD", "", "1500 usd"] {
        refused("limit", json!(limit));
    }
    refused("limit", json!(1500));
    refused("limit", json!({"amount": "1500"}));
    accepted("levels", json!("90:estimated,100,200:lock:estimated"));
    for levels in ["200:lock", "100,50", "100:close", "75:lock,100"] {
        refused("levels", json!(levels));
    }
    for mode in ["off", "observe", "enforce"] {
        accepted("mode", json!(mode));
    }
    refused("mode", json!(true));
    // A name of 128 letters and one of 129, and exactly as many sandboxes as can be and one more.
    let of_unit = |unit: Value| faults(&changed(&[("sandboxes", None), ("business_unit", Some(unit))]));
    assert_eq!(of_unit(json!("ü".repeat(128))), [""; 0]);
    for unit in [json!("ü".repeat(129)), json!(""), json!(" retail"), json!(7)] {
        let found = of_unit(unit.clone());
        assert!(matches!(found.as_slice(), [one] if one.starts_with("`business_unit`: is")), "{unit}: {found:?}");
    }
    let accounts = |count: usize| json!((0..count).map(|number| format!("{number:012}")).collect::<Vec<_>>());
    accepted("sandboxes", accounts(30));
    let many = faults(&changed(&[("sandboxes", Some(accounts(31)))]));
    assert_eq!(many, ["`sandboxes`: are 31, expected 30 at most, or their `business_unit`"]);
}
