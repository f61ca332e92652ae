//! Who is known, and what the console's table is asked and answers, recorded.

use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::json;

use super::*;

const TABLE: &str = "sandbox-guardrails-console";

fn sandbox(account: &str, region: &str, alias: &str) -> Sandbox {
    Sandbox { account: account.to_owned(), region: region.to_owned(), alias: alias.to_owned() }
}

fn hub() -> Sandbox {
    sandbox("999999999999", "eu-central-1", "hub")
}

fn heartbeat_json(function: &str, sandbox: &Sandbox, at: &str) -> Value {
    json!({
        "schema_version": "1", "id": format!("heartbeat/{function}"), "sandbox": sandbox, "occurred_at": at,
        "function": function, "saw": {"instances": 3}, "took": "PT0.9S", "calls": 4,
    })
}

fn heartbeat(function: &str, sandbox: &Sandbox, at: &str) -> Heartbeat {
    serde_json::from_value(heartbeat_json(function, sandbox, at)).unwrap()
}

fn registered(entry: Value) -> Registered {
    serde_json::from_value(entry).unwrap()
}

#[test]
fn sandboxes_are_known_by_their_signs_of_life_and_by_the_register() {
    let marketing = sandbox("111111111111", "eu-west-1", "marketing");
    let renamed = sandbox("111111111111", "eu-west-1", "marketing-eu");
    let overseas = sandbox("111111111111", "us-east-1", "marketing-us");
    let heartbeats = [
        heartbeat("emr-watch", &renamed, "2026-11-20T09:31:00Z"),
        heartbeat("athena-watch", &marketing, "2026-11-20T09:30:00Z"),
        heartbeat("athena-watch", &overseas, "2026-11-20T09:29:00Z"),
        heartbeat("spend-meter", &hub(), "2026-11-20T09:31:00Z"),
    ];
    let register = BTreeMap::from([
        ("111111111111".to_owned(), registered(json!({"business_unit": "retail", "alias": "old", "region": "x"}))),
        ("222222222222".to_owned(), registered(json!({"business_unit": "risk"}))),
        (
            "333333333333".to_owned(),
            registered(json!({"business_unit": "risk", "alias": "fraud", "region": "eu-north-1"})),
        ),
        ("999999999999".to_owned(), registered(json!({"business_unit": "it"}))),
    ]);
    let known = known(&heartbeats, &register, &hub());
    let unit = |unit: &str| Some(unit.to_owned());
    let silent = |sandbox| Known { sandboxes: vec![sandbox], business_unit: unit("risk"), seen_at: None };
    let expected = [
        (
            "111111111111",
            Known {
                sandboxes: vec![renamed, overseas],
                business_unit: unit("retail"),
                seen_at: Some("2026-11-20T09:31:00Z".parse().unwrap()),
            },
        ),
        ("222222222222", silent(sandbox("222222222222", "eu-central-1", "222222222222"))),
        ("333333333333", silent(sandbox("333333333333", "eu-north-1", "fraud"))),
    ];
    assert_eq!(known, expected.map(|(account, known)| (account.to_owned(), known)).into());
}

#[test]
fn the_order_of_signs_makes_no_difference() {
    let at = "2026-11-20T09:30:00Z";
    let mut heartbeats: Vec<_> =
        ["a", "b", "c"].map(|alias| heartbeat("athena-watch", &sandbox("111111111111", "eu-west-1", alias), at)).into();
    let first = known(&heartbeats, &BTreeMap::new(), &hub());
    heartbeats.reverse();
    assert_eq!(known(&heartbeats, &BTreeMap::new(), &hub()), first);
    assert_eq!(first["111111111111"].business_unit, None);
}

fn reader(answers: impl IntoIterator<Item = Answer>) -> (Replay, ConsoleReader) {
    let (replay, aws) = Replay::of(answers);
    (replay, ConsoleReader::new(&aws, TABLE))
}

fn sign(detail: &Value) -> Value {
    json!({"sk": {"S": "111111111111/eu-west-1/emr-watch/heartbeat"}, "detail": {"S": detail.to_string()}})
}

#[test]
fn the_heartbeats_of_every_page_are_read() {
    let marketing = sandbox("111111111111", "eu-west-1", "marketing");
    let beat = |function: &str| heartbeat_json(function, &marketing, "2026-11-20T09:30:00Z");
    let last = json!({"pk": {"S": "health"}, "sk": {"S": "x"}});
    let (replay, console) = reader([
        Answer::ok(&json!({"Items": [sign(&beat("athena-watch"))], "LastEvaluatedKey": last})),
        Answer::error(400, "ProvisionedThroughputExceededException", &Value::Null),
        Answer::ok(&json!({"Items": [sign(&beat("emr-watch"))]})),
    ]);
    let functions: Vec<String> =
        block_on(console.heartbeats()).unwrap().into_iter().map(|heartbeat| heartbeat.function).collect();
    assert_eq!(functions, ["athena-watch", "emr-watch"]);
    let requests = replay.requests();
    let asked = json!({
        "TableName": TABLE, "KeyConditionExpression": "pk = :health", "FilterExpression": "detail_type = :heartbeat",
        "ProjectionExpression": "sk, detail",
        "ExpressionAttributeValues": {":health": {"S": "health"}, ":heartbeat": {"S": "Guardrail Heartbeat"}},
    });
    assert_eq!(requests[0], ("Query".to_owned(), asked));
    assert_eq!((requests.len(), &requests[2].1["ExclusiveStartKey"]), (3, &last));
}

#[test]
fn a_sign_that_cannot_be_read_leaves_nobody_out_in_silence() {
    let check = |answer: Answer, kind: CallErrorKind, message: &str| {
        let error = block_on(reader([answer]).1.heartbeats()).unwrap_err();
        assert_eq!((error.operation, error.kind), (QUERY, kind));
        assert!(error.message.starts_with(message), "{}", error.message);
    };
    let spoilt = Answer::ok(&json!({"Items": [sign(&json!({"function": "emr-watch"}))]}));
    let row = "row `111111111111/eu-west-1/emr-watch/heartbeat` of the console: ";
    check(spoilt, CallErrorKind::Invalid, row);
    check(Answer::ok(&json!({"Items": [{"sk": {"S": "a"}}]})), CallErrorKind::Invalid, "row `a` of the console: ");
    check(Answer::error(400, "AccessDeniedException", &Value::Null), CallErrorKind::Denied, "AccessDenied");
}

#[test]
fn a_lock_is_held_released_or_was_never_set() {
    let row = |status: &str| {
        json!({"Item": {
            "pk": {"S": "x"}, "sk": {"S": "lock/budget"}, "status": {"S": status},
            "id": {"S": "availability/locked/command/c-1"}, "occurred_at": {"N": "1795167065600"},
        }})
    };
    let lock = |held| {
        let at = "2026-11-20T09:31:05.6Z".parse().unwrap();
        Ok(Some(LockRow { held, id: "availability/locked/command/c-1".to_owned(), at }))
    };
    let timeless = json!({"Item": {"sk": {"S": "lock/budget"}, "status": {"S": "held"}, "id": {"S": "x"}}});
    for (answer, expected) in [
        (json!({}), Ok(None)),
        (row("held"), lock(true)),
        (row("released"), lock(false)),
        (row("open"), Err(CallErrorKind::Invalid)),
        (timeless, Err(CallErrorKind::Invalid)),
        (json!({"Item": {"sk": {"S": "lock/budget"}, "status": {"S": "held"}}}), Err(CallErrorKind::Invalid)),
    ] {
        let (replay, console) = reader([Answer::ok(&answer)]);
        let read = block_on(console.lock(&sandbox("111111111111", "eu-west-1", "marketing"), "budget"));
        assert_eq!(read.map_err(|error| error.kind), expected, "{answer}");
        let key = json!({"pk": {"S": "111111111111/eu-west-1"}, "sk": {"S": "lock/budget"}});
        let asked = json!({"TableName": TABLE, "Key": key, "ConsistentRead": true});
        assert_eq!(replay.requests(), [("GetItem".to_owned(), asked)]);
    }
    let denied = reader([Answer::error(400, "AccessDeniedException", &Value::Null)]).1;
    let error = block_on(denied.lock(&hub(), "budget")).unwrap_err();
    assert_eq!((error.operation, error.kind), (GET, CallErrorKind::Denied));
}

fn batch(rows: &[Value]) -> Answer {
    Answer::ok(&json!({"Responses": {TABLE: rows}, "UnprocessedKeys": {}}))
}

fn window_row(account: &str, region: &str, command: &str) -> Value {
    let id = format!("availability/window_updated/command/{command}");
    json!({"pk": {"S": format!("{account}/{region}")}, "sk": {"S": "window"}, "id": {"S": id}})
}

fn command_row(id: &str, window: &Value) -> Value {
    let detail = json!({"command": "availability_update", "window": window, "requested_by": "jo"});
    json!({"pk": {"S": "command"}, "sk": {"S": id}, "detail": {"S": detail.to_string()}})
}

/// The keys that a batch asked for, as `pk sk`.
fn keys(body: &Value) -> Vec<String> {
    let keys = body["RequestItems"][TABLE]["Keys"].as_array().unwrap();
    keys.iter()
        .map(|key| format!("{} {}", key["pk"]["S"].as_str().unwrap(), key["sk"]["S"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_window_is_that_of_the_command_that_set_it() {
    let sandboxes = [
        sandbox("111111111111", "us-east-1", "a"),
        sandbox("111111111111", "eu-west-1", "a"),
        sandbox("222222222222", "eu-west-1", "b"),
        sandbox("333333333333", "eu-west-1", "c"),
        sandbox("444444444444", "eu-west-1", "d"),
        sandbox("555555555555", "eu-west-1", "e"),
    ];
    let window = json!({"zone": "Europe/Madrid"});
    let (replay, console) = reader([
        batch(&[
            window_row("111111111111", "us-east-1", "c-2"),
            window_row("111111111111", "eu-west-1", "c-1"),
            window_row("222222222222", "eu-west-1", "c-1"),
            window_row("333333333333", "eu-west-1", "c-null"),
            window_row("444444444444", "eu-west-1", "c-forgotten"),
        ]),
        batch(&[command_row("c-1", &window), command_row("c-null", &Value::Null)]),
    ]);
    let windows = block_on(console.windows(&sandboxes)).unwrap();
    let expected = [("111111111111", window.clone()), ("222222222222", window)];
    assert_eq!(windows, expected.map(|(account, window)| (account.to_owned(), window)).into());
    let requests = replay.requests();
    assert_eq!(keys(&requests[0].1).len(), sandboxes.len());
    assert_eq!(keys(&requests[1].1), ["command c-1", "command c-forgotten", "command c-null"], "each once");
}

#[test]
fn sandboxes_without_a_window_ask_for_no_command() {
    let (replay, console) = reader([batch(&[])]);
    assert_eq!(block_on(console.windows(&[hub()])), Ok(BTreeMap::new()));
    assert_eq!(replay.requests().len(), 1);
    let (replay, console) = reader([]);
    assert_eq!((block_on(console.windows(&[])), replay.requests().len()), (Ok(BTreeMap::new()), 0));
}

#[test]
fn a_window_that_cannot_be_read_is_an_error() {
    let check = |answers: Vec<Answer>, kind: CallErrorKind| {
        let error = block_on(reader(answers).1.windows(&[hub()])).unwrap_err();
        assert_eq!((error.operation, error.kind), ("dynamodb:BatchGetItem", kind));
    };
    check(vec![Answer::error(400, "AccessDeniedException", &Value::Null)], CallErrorKind::Denied);
    let spoilt = json!({"pk": {"S": "command"}, "sk": {"S": "c-1"}, "detail": {"S": "{"}});
    check(vec![batch(&[window_row("1", "r", "c-1")]), batch(&[spoilt])], CallErrorKind::Invalid);
}
