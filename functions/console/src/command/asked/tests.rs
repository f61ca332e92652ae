//! What may be asked for, and every fault of what may not.

use super::*;

fn sample(name: &str) -> Value {
    let path = format!("{}/../../events/console-command/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The faults of what is asked for, each with its place.
fn faults(asked: &Value) -> Vec<String> {
    let faults = Asked::read(asked).err().unwrap_or_default();
    faults.iter().map(Fault::to_string).collect()
}

/// The sample with another value at a key, or without the key.
fn changed(name: &str, key: &str, value: Option<Value>) -> Value {
    let mut asked = sample(name);
    let fields = asked.as_object_mut().unwrap();
    match value {
        Some(value) => drop(fields.insert(key.to_owned(), value)),
        None => drop(fields.remove(key)),
    }
    asked
}

#[test]
fn samples_are_read() {
    let accounts = |ids: &[&str]| Addressees::Accounts(ids.iter().map(|id| (*id).to_owned()).collect());
    let update = Asked::read(&sample("availability-update")).unwrap();
    let window = Task::Update(sample("availability-update")["window"].clone());
    assert_eq!(update.order, Order::ToSandboxes(window, Addressees::All));
    assert_eq!(update.requested_by, "jo@bank.example");
    let removed = Order::ToSandboxes(Task::Update(Value::Null), accounts(&["111111111111"]));
    assert_eq!(Asked::read(&sample("window-removed")).unwrap().order, removed);
    let (lock, reason) = ("budget".to_owned(), "spend is at 200 % of the budget".to_owned());
    let again = Asked::read(&sample("again")).unwrap();
    let task = Task::Lock { lock: lock.clone(), reason };
    assert_eq!(again.order, Order::ToSandboxes(task, accounts(&["111111111111"])));
    assert_eq!(again.id.as_deref(), Some("7d0c1a52-4c1e-4d57-9a60-0f3b2c5e8a11"));
    assert_eq!(again.region.as_deref(), Some("eu-west-1"));
    let release = Asked::read(&sample("release")).unwrap();
    let task = Task::Release { lock, reason: "the budget was raised".to_owned() };
    assert_eq!(release.order, Order::ToSandboxes(task, accounts(&["111111111111", "222222222222"])));
}

#[test]
fn a_command_says_what_and_who_but_not_where() {
    let (lock, again) = (Asked::read(&sample("lock")).unwrap(), Asked::read(&sample("again")).unwrap());
    assert_eq!(lock.what(), again.what());
    let elsewhere = Asked::read(&changed("lock", "sandboxes", Some(json!("all")))).unwrap();
    assert_eq!(lock.what(), elsewhere.what());
    for (key, value) in [("command", "release"), ("lock", "audit"), ("reason", "other"), ("requested_by", "jo")] {
        let other = Asked::read(&changed("lock", key, Some(json!(value)))).unwrap();
        assert_ne!(lock.what(), other.what(), "{key}");
    }
    let (update, removed) = (sample("availability-update"), sample("window-removed"));
    assert_ne!(Asked::read(&update).unwrap().what(), Asked::read(&removed).unwrap().what());
}

#[test]
fn every_fault_is_named_at_once() {
    let named = faults(&sample("faults"));
    let places = ["window.", "`sandboxes[0]`: is `11111111111`", "`requested_by`: is ` `", "`sandbox`: is unknown"];
    for place in places {
        assert!(named.iter().any(|fault| fault.contains(place)), "{place} in {named:#?}");
    }
    let everything_is_missing = ["`command`: is missing", "`sandboxes`: is missing", "`requested_by`: is missing"];
    assert_eq!(faults(&json!({})), everything_is_missing);
    assert_eq!(
        faults(&json!({"command": "lock", "window": null, "id": "a/b", "region": 7})),
        [
            "`lock`: is missing",
            "`reason`: is missing",
            "`sandboxes`: is missing",
            "`requested_by`: is missing",
            "`id`: is `a/b`, expected 1 to 64 of the letters a to z and A to Z, digits, `-` and `_`",
            "`region`: is `7`, expected a Region such as `eu-west-1`",
            "`window`: is unknown, expected `command`, `lock`, `reason`, `sandboxes`, `requested_by`, `id`, `region`",
        ]
    );
}

#[test]
fn a_field_holds_what_it_should() {
    let refused = |name: &str, key: &str, value: Value, why: &str| {
        let found = faults(&changed(name, key, Some(value.clone())));
        assert_eq!(found, [format!("`{key}`: is {why}")], "{value}");
    };
    let accepted = |name: &str, key: &str, value: Value| {
        assert_eq!(faults(&changed(name, key, Some(value.clone()))), [""; 0], "{key}: {value}");
    };
    // Commands.
    let commands = "expected `availability_update`, `lock`, `release` or `budget`";
    refused("lock", "command", json!("unlock"), &format!("`unlock`, {commands}"));
    refused("lock", "command", json!(null), &format!("`null`, {commands}"));
    // Sandboxes.
    let list = "expected `all`, or a list of account ids that is not empty";
    refused("lock", "sandboxes", json!("ALL"), &format!("`ALL`, {list}"));
    refused("lock", "sandboxes", json!([]), &format!("`[]`, {list}"));
    refused("lock", "sandboxes", json!({"all": true}), &format!("`{{\"all\":true}}`, {list}"));
    for (account, shown) in [
        (json!("11111111111"), "11111111111"),
        (json!("1111111111111"), "1111111111111"),
        (json!("11111111111a"), "11111111111a"),
        (json!(111_111_111_111_u64), "111111111111"),
        (json!(null), "null"),
    ] {
        let found = faults(&changed("lock", "sandboxes", Some(json!(["222222222222", account]))));
        assert_eq!(found, [format!("`sandboxes[1]`: is `{shown}`, expected an account id of 12 digits, as text")]);
    }
    let twice = faults(&changed("lock", "sandboxes", Some(json!(["222222222222", "222222222222"]))));
    assert_eq!(twice, ["`sandboxes[1]`: is `222222222222`, which was named before"]);
    // Texts: exactly as long as they may be, and one more.
    for key in ["reason", "requested_by"] {
        accepted("lock", key, json!("ü".repeat(200)));
        let expected = "expected text of 1 to 200 characters";
        refused("lock", key, json!("ü".repeat(201)), &format!("`{}`, {expected}", "ü".repeat(200)));
        refused("lock", key, json!(""), &format!("``, {expected}"));
        refused("lock", key, json!(["jo"]), &format!("`[\"jo\"]`, {expected}"));
    }
    let lock = "expected 1 to 64 of the letters a to z, digits and `-`, such as `budget`";
    accepted("lock", "lock", json!("b".repeat(64)));
    for wrong in ["", "Budget", "bud_get", "bud/get", "büdget"] {
        refused("lock", "lock", json!(wrong), &format!("`{wrong}`, {lock}"));
    }
    refused("lock", "lock", json!("b".repeat(65)), &format!("`{}`, {lock}", "b".repeat(65)));
    // Names and Regions.
    for id in ["a", "A_b-9", &"x".repeat(64)] {
        accepted("lock", "id", json!(id));
    }
    let names = "expected 1 to 64 of the letters a to z and A to Z, digits, `-` and `_`";
    for wrong in ["", "a b", "command/1", "#1"] {
        refused("lock", "id", json!(wrong), &format!("`{wrong}`, {names}"));
    }
    for region in ["eu-west-1", "us-gov-west-1", "ap-southeast-12", "cn-north-1"] {
        accepted("lock", "region", json!(region));
    }
    for wrong in ["", "eu", "eu-1", "eu-west", "EU-west-1", "eu--1", "evil.example/eu-west-1", "eu-west-1.evil"] {
        refused("lock", "region", json!(wrong), &format!("`{wrong}`, expected a Region such as `eu-west-1`"));
    }
    // A window that is not there is a slip; to take it away is said with null.
    assert_eq!(faults(&changed("availability-update", "window", None)), ["`window`: is missing"]);
    accepted("availability-update", "window", json!(null));
    let foreign = "is unknown, expected `command`, `window`, `sandboxes`, `requested_by`, `id`, `region`";
    assert_eq!(faults(&changed("availability-update", "lock", Some(json!("budget")))), [format!("`lock`: {foreign}")]);
    for wrong in [json!(null), json!([]), json!("lock"), json!(7)] {
        let shown = shortened(&wrong);
        assert_eq!(faults(&wrong), [format!("it is `{shown}`, expected a command")]);
    }
}
