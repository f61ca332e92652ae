//! What Parameter Store answers, recorded, and what is in force when it answers well, wrongly or not at all.

use guardrail::catalogue::ATHENA_QUERY_RUNTIME;
use guardrail::{Mode, Quantity, ScopeKind, Scopes, Service};
use serde_json::{Value, json};

use super::*;
use crate::CallErrorKind;
use crate::fakes::replay::{Answer, Replay};
use crate::fakes::{FakeParameters, at, block_on};

const LIMIT: &str = "/sandbox-guardrails/athena/athena-query-runtime/limit";
const MODE: &str = "/sandbox-guardrails/athena/athena-query-runtime/mode";

fn limit(in_force: &InForce, scope: &str) -> Quantity {
    in_force.configuration.policy(&ATHENA_QUERY_RUNTIME).limit.of(&workgroup(scope)).clone()
}

fn workgroup(name: &str) -> Scopes {
    Scopes::from([(ScopeKind::Workgroup, name.to_owned())])
}

#[test]
fn a_warm_function_reads_again_within_the_minute() {
    let store = FakeParameters::default();
    store.put(LIMIT, "10m");
    let mut parameters = Parameters::new(store.clone(), Service::Athena);
    let read = |parameters: &mut Parameters<FakeParameters>, second| {
        limit(&block_on(parameters.current(at(second))).unwrap(), "etl")
    };
    assert_eq!(read(&mut parameters, 0), Quantity::minutes(10));
    store.put(LIMIT, "20m");
    assert_eq!(read(&mut parameters, 54), Quantity::minutes(10));
    assert_eq!(read(&mut parameters, 55), Quantity::minutes(20));
}

#[test]
fn a_bad_value_leaves_the_last_good_one_in_force_across_cold_starts() {
    let store = FakeParameters::default();
    for (name, value) in [(MODE, "enforce"), (MODE, "enfroce"), (MODE, ""), (LIMIT, "0")] {
        store.put(name, value);
    }
    let in_force = block_on(Parameters::new(store, Service::Athena).current(at(0))).unwrap();
    assert_eq!(in_force.configuration.policy(&ATHENA_QUERY_RUNTIME).mode.sandbox, Mode::Enforce);
    let named: Vec<_> =
        in_force.rejected.iter().map(|(r, v)| (r.parameter.as_str(), r.in_force.as_str(), *v)).collect();
    assert_eq!(named, [(LIMIT, "30m", 1), (MODE, "enforce", 3)]);
}

#[test]
fn what_cannot_be_read_fails_and_the_last_known_stays_at_hand() {
    let store = FakeParameters::default();
    store.put(LIMIT, "10m");
    let mut parameters = Parameters::new(store.clone(), Service::Athena);
    block_on(parameters.current(at(0))).unwrap();
    store.deny();
    block_on(parameters.current(at(60))).unwrap_err();
    assert_eq!(limit(parameters.last_known().unwrap(), "etl"), Quantity::minutes(10));
}

/// A parameter as Parameter Store sends it.
fn parameter(name: &str, value: &str, version: i64) -> Value {
    json!({
        "Name": name, "Type": "String", "Value": value, "Version": version, "DataType": "text",
        "ARN": format!("arn:aws:ssm:eu-west-1:111111111111:parameter{name}"), "LastModifiedDate": 1_763_719_200.123,
    })
}

#[test]
fn parameters_below_a_path_are_read_page_by_page() {
    let path = "/sandbox-guardrails/athena";
    let name = |scope| format!("{LIMIT}/workgroup-{scope}");
    let page = |scopes: std::ops::Range<i64>| -> Vec<Value> {
        scopes.map(|scope| parameter(&name(scope), "10m", scope + 1)).collect()
    };
    let (replay, aws) = Replay::of([
        Answer::ok(&json!({"Parameters": page(0..10), "NextToken": "AAEAAQ"})),
        // A page may be empty and still not be the last.
        Answer::ok(&json!({"Parameters": [], "NextToken": "AAEAAg"})),
        Answer::ok(&json!({"Parameters": page(10..12)})),
    ]);
    let stored = block_on(ParameterStoreClient::new(&aws).below(path)).unwrap();
    let expected = (0..12).map(|scope| Stored { name: name(scope), value: "10m".to_owned(), version: scope + 1 });
    assert_eq!(stored, expected.collect::<Vec<_>>());
    let request = |body| ("GetParametersByPath".to_owned(), body);
    assert_eq!(
        replay.requests(),
        [
            request(json!({"Path": path, "Recursive": true})),
            request(json!({"Path": path, "Recursive": true, "NextToken": "AAEAAQ"})),
            request(json!({"Path": path, "Recursive": true, "NextToken": "AAEAAg"})),
        ]
    );
}

#[test]
fn a_path_with_nothing_below_it_is_empty() {
    let (_, aws) = Replay::of([Answer::ok(&json!({"Parameters": []}))]);
    assert_eq!(block_on(ParameterStoreClient::new(&aws).below("/sandbox-guardrails/athena")), Ok(vec![]));
}

#[test]
fn a_history_comes_oldest_first_and_is_turned_round() {
    let version = |value: &str, version| parameter(LIMIT, value, version);
    let (replay, aws) = Replay::of([
        Answer::ok(&json!({"Parameters": [version("10m", 9), version("20m", 10)], "NextToken": "AAEAAQ"})),
        Answer::ok(&json!({"Parameters": [version("", 11), version("soon", 12)]})),
    ]);
    let history = block_on(ParameterStoreClient::new(&aws).history(LIMIT)).unwrap();
    assert_eq!(history, ["soon", "", "20m", "10m"]);
    let request = |body| ("GetParameterHistory".to_owned(), body);
    assert_eq!(
        replay.requests(),
        [request(json!({"Name": LIMIT})), request(json!({"Name": LIMIT, "NextToken": "AAEAAQ"}))]
    );
}

#[test]
fn a_failed_page_fails_the_whole() {
    let (_, aws) = Replay::of([
        Answer::ok(&json!({"Parameters": [parameter(LIMIT, "10m", 1)], "NextToken": "AAEAAQ"})),
        Answer::error(400, "AccessDeniedException", &Value::Null),
    ]);
    let error = block_on(ParameterStoreClient::new(&aws).below("/sandbox-guardrails/athena")).unwrap_err();
    assert_eq!((error.operation, error.kind), ("ssm:GetParametersByPath", CallErrorKind::Denied));
}
