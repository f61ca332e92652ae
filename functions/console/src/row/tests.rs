//! Which event becomes which row, and which becomes none and why.

use serde_json::json;

use super::*;

const NOW: &str = "2026-11-20T09:35:00Z";

fn sample(name: &str) -> Value {
    let path = format!("{}/../../events/console-feed/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn rows_of(event: Value) -> Result<Vec<Row>, Ignored> {
    let hub = Hub { account: "999999999999".to_owned(), region: "eu-west-1".to_owned() };
    Row::all_of(&serde_json::from_value(event).unwrap(), &hub, NOW.parse().unwrap())
}

/// The row of the event itself, which is the first.
fn row_of(event: Value) -> Result<Row, Ignored> {
    rows_of(event).map(|rows| rows[0].clone())
}

fn changed(name: &str, at: &str, value: Value) -> Value {
    let mut event = sample(name);
    *event.pointer_mut(at).unwrap() = value;
    event
}

fn attribute(row: &Row, name: &str) -> Option<Cell> {
    row.attributes().find(|(of, _)| *of == name).unwrap().1
}

#[test]
fn each_event_has_its_place() {
    const QUERY: &str = "athena-query-runtime/8a4c2f10-5d3e-4b6a-9c71-2e0f6b7d1a35/100";
    const BUDGET: &str = "spend-budget/111111111111/200/2026-11-01T00:00:00Z";
    const DAY: i64 = 24 * 60 * 60;
    let parameter = "configuration/sandbox-guardrails/athena/athena-query-runtime/limit/etl/4";
    for (name, pk, sk, days) in [
        ("finding", "111111111111/eu-west-1", format!("finding/{QUERY}"), 400),
        ("action", "111111111111/eu-west-1", format!("action/{QUERY}/stop"), 400),
        ("configuration-rejected", "111111111111/eu-west-1", parameter.to_owned(), 400),
        ("heartbeat", "health", "111111111111/eu-west-1/athena-watch/heartbeat".to_owned(), 7),
        ("function-failed", "health", "111111111111/eu-west-1/athena-watch/failure".to_owned(), 7),
        ("spend", "111111111111/eu-west-1", "spend/2026-11".to_owned(), 400),
        ("spend-finding", "111111111111/eu-west-1", format!("finding/{BUDGET}"), 400),
        ("spend-action", "111111111111/eu-west-1", format!("action/{BUDGET}/lock"), 400),
    ] {
        let row = row_of(sample(name)).unwrap();
        assert_eq!((row.pk.as_str(), &row.sk), (pk, &sk), "{name}");
        let expires_at = row.occurred_at.as_second() + days * DAY;
        assert_eq!(attribute(&row, "expires_at"), Some(Cell::Number(expires_at)), "{name}");
        let occurred_at = row.occurred_at.as_millisecond();
        assert_eq!(attribute(&row, "occurred_at"), Some(Cell::Number(occurred_at)), "{name}");
    }
}

#[test]
fn an_event_that_says_several_things_has_a_row_for_each() {
    let check = |name: &str, expected: &[&str]| {
        let rows = rows_of(sample(name)).unwrap();
        let places: Vec<&str> = rows.iter().map(|row| row.sk.as_str()).collect();
        assert_eq!(places, expected, "{name}");
        assert!(rows.iter().all(|row| row.pk == "111111111111/eu-west-1" && row.detail == rows[0].detail), "{name}");
        let mut alone = places.clone();
        alone.dedup();
        assert_eq!(alone, places, "no two of an event meet in one place");
    };
    check("availability-change", &["availability/closed/000012", "availability"]);
    check("part-closed", &["availability/part_closed/000012/notebooks"]);
    check("closing-soon", &["availability/closing_soon/2026-11-20T10:00:00Z/30m", "closing"]);
    let (locked, released) =
        ("command/7d0c1a52-4c1e-4d57-9a60-0f3b2c5e8a11", "command/e2b9f7c4-90ad-4f0b-b1f5-6c1d7a3e2b48");
    let (of_locked, of_released) = (format!("{locked}/answer"), format!("{released}/answer"));
    check("sandbox-locked", &[&format!("availability/locked/{locked}"), "lock/budget", &of_locked]);
    check("lock-released", &[&format!("availability/lock_released/{released}"), "lock/budget", &of_released]);
    let updated = "command/3f6a9e10-2b7d-4c88-8e15-d9c04b7a6f22";
    let of_updated = format!("{updated}/answer");
    check("window-updated", &[&format!("availability/window_updated/{updated}"), "window", &of_updated]);
    check("window-rejected", &[&format!("configuration/availability/window/{updated}"), &of_updated]);
}

#[test]
fn every_attribute_is_named_once() {
    let reports = ["finding", "action", "configuration-rejected", "heartbeat", "function-failed"];
    let others = ["availability-change", "sandbox-locked", "window-updated", "window-rejected", "spend"];
    for name in reports.iter().chain(&others) {
        for row in rows_of(sample(name)).unwrap() {
            let mut names: Vec<_> = row.attributes().map(|(name, _)| name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{name}: {}", row.sk);
        }
    }
}

#[test]
fn what_is_spent_stands_with_the_sandbox_in_full_and_with_the_month_in_brief() {
    let rows = rows_of(sample("spend")).unwrap();
    let [full, brief] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((full.pk.as_str(), full.sk.as_str()), ("111111111111/eu-west-1", "spend/2026-11"));
    assert_eq!((brief.pk.as_str(), brief.sk.as_str()), ("spend/2026-11", "111111111111/eu-west-1"));
    assert_eq!(serde_json::from_str::<Value>(&full.detail).unwrap(), sample("spend")["detail"]);
    let brief: Value = serde_json::from_str(&brief.detail).unwrap();
    for at_length in ["/services", "/owners", "/days", "/estimate/basis", "/savings/greatest"] {
        assert_eq!(brief.pointer(at_length), None, "{at_length}");
    }
    for told in ["/reported", "/estimate/amount", "/projection/basis", "/budget/percent", "/savings/total", "/message"]
    {
        assert_eq!(brief.pointer(told), sample("spend")["detail"].pointer(told), "{told}");
    }
}

#[test]
fn what_is_not_known_of_spend_is_not_in_its_row() {
    for (at, names) in [
        ("estimate", &["estimated", "error"][..]),
        ("projection", &["projection"]),
        ("budget", &["budget", "percent", "level"]),
        ("business_unit", &["business_unit"]),
    ] {
        let row = row_of(changed("spend", &format!("/detail/{at}"), json!(null))).unwrap();
        for name in names {
            assert!(attribute(&row_of(sample("spend")).unwrap(), name).is_some(), "{name}");
            assert_eq!(attribute(&row, name), None, "{name} without {at}");
        }
    }
    // More digits than any number of DynamoDB has.
    let exact = format!("{}.{}", "9".repeat(30), "1".repeat(20));
    let row = row_of(changed("spend", "/detail/reported", json!(exact))).unwrap();
    assert_eq!(attribute(&row, "reported"), Some(Cell::Text(exact)));
}

#[test]
fn what_is_spent_is_for_the_hub_to_tell_and_nothing_else_of_others_is() {
    let check = |name: &str, account: &str, region: &str, expected: Result<(), &str>| {
        let mut event = sample(name);
        event["account"] = json!(account);
        event["region"] = json!(region);
        let found = row_of(event).map(drop).map_err(|ignored| ignored.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{name} from {account}/{region}");
    };
    let (hub, here) = ("999999999999", "eu-west-1");
    for name in ["spend", "spend-finding", "spend-action"] {
        check(name, hub, here, Ok(()));
        for (account, region) in [("111111111111", here), ("222222222222", here), (hub, "us-east-2")] {
            let why = "it tells what is spent, which is for the hub to tell, and comes from";
            check(name, account, region, Err(&format!("{why} `{account}/{region}`")));
        }
    }
    for name in ["finding", "action", "heartbeat", "configuration-rejected", "sandbox-locked", "function-failed"] {
        check(name, "111111111111", here, Ok(()));
        let why = "it speaks for `111111111111/eu-west-1` and comes from `999999999999/eu-west-1`";
        check(name, hub, here, Err(why));
    }
}

#[test]
fn what_holds_until_the_next_does_not_expire() {
    for (name, holds) in [
        ("availability-change", true),
        ("closing-soon", false),
        ("window-updated", true),
        ("sandbox-locked", true),
        ("lock-released", false),
    ] {
        let rows = rows_of(sample(name)).unwrap();
        assert!(attribute(&rows[0], "expires_at").is_some(), "the timeline of {name}");
        assert_eq!(attribute(&rows[1], "expires_at").is_none(), holds, "{name}");
    }
}

#[test]
fn commands_are_not_reports() {
    for (detail_type, detail) in [
        ("Availability Update Requested", json!({"window": null})),
        ("Sandbox Lock Requested", json!({"lock": "budget", "reason": "spent"})),
        ("Sandbox Lock Released", json!({"lock": "budget", "reason": "raised"})),
    ] {
        let mut event = sample("finding");
        let header = ["schema_version", "id", "sandbox", "occurred_at"];
        let mut asked: serde_json::Map<String, Value> =
            header.iter().map(|key| ((*key).to_owned(), event["detail"][key].clone())).collect();
        asked.insert("requested_by".to_owned(), json!("jo"));
        asked.extend(detail.as_object().unwrap().clone());
        event["detail-type"] = json!(detail_type);
        event["detail"] = Value::Object(asked);
        let ignored = row_of(event).unwrap_err().to_string();
        assert_eq!(ignored, format!("`{detail_type}` is a command and reports nothing"));
    }
}

#[test]
fn reports_are_kept_whole_with_fields_that_only_a_newer_version_knows() {
    let mut event = sample("finding");
    event["detail"]["cost"] = json!({"usd": "3.10"});
    let row = row_of(event.clone()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&row.detail).unwrap(), event["detail"]);
}

#[test]
fn long_texts_are_shortened_in_attributes_only() {
    let row = row_of(changed("action", "/detail/reason", json!("ü".repeat(2000)))).unwrap();
    assert_eq!(attribute(&row, "reason"), Some(Cell::Text("ü".repeat(1000))));
    assert!(row.detail.contains(&"ü".repeat(2000)));
}

#[test]
fn what_is_absent_is_taken_out_of_the_row() {
    let row = row_of(changed("action", "/detail/scope", json!(null))).unwrap();
    assert_eq!(attribute(&row, "scope"), None);
    assert_eq!(attribute(&row, "owner"), None);
    assert_eq!(attribute(&row, "limit"), Some(Cell::Text("30m".to_owned())));
}

#[test]
fn a_finding_names_its_owner_and_its_episode_where_it_has_them() {
    let row = row_of(sample("finding")).unwrap();
    for name in ["owner", "principal", "episode"] {
        assert_eq!(attribute(&row, name), None, "{name}");
    }
    let arn = "arn:aws:sts::111111111111:assumed-role/DataScientist/ana";
    for (name, value, cell) in [
        ("owner", json!("ana"), Cell::Text("ana".to_owned())),
        ("principal", json!(arn), Cell::Text(arn.to_owned())),
        ("episode", json!("2026-11-20T09:00:00Z"), Cell::Number(1_795_165_200_000)),
    ] {
        let row = row_of(changed("finding", &format!("/detail/{name}"), value)).unwrap();
        assert_eq!(attribute(&row, name), Some(cell), "{name}");
    }
}

#[test]
fn a_failure_says_what_lambda_knows() {
    let check = |payload: Value, error_type: &str, message: &str| {
        let row = row_of(changed("function-failed", "/detail/responsePayload", payload.clone())).unwrap();
        assert_eq!(attribute(&row, "error_type"), Some(Cell::Text(error_type.to_owned())), "{payload}");
        assert_eq!(attribute(&row, "message"), Some(Cell::Text(message.to_owned())), "{payload}");
        assert_eq!(attribute(&row, "function"), Some(Cell::Text("athena-watch".to_owned())));
        assert!(!row.detail.contains("Payload"), "payloads are not kept: {}", row.detail);
    };
    check(json!({"errorType": "Throttled", "errorMessage": "slow down"}), "Throttled", "slow down");
    let ended = "RequestId: 4b1d Process exited before completing request";
    check(json!({"errorMessage": ended}), "RetriesExhausted", ended);
    for nothing in [json!(null), json!("boom"), json!({})] {
        check(nothing, "RetriesExhausted", "the function gave no message");
    }
    let mut never_ran = sample("function-failed");
    let detail = never_ran["detail"].as_object_mut().unwrap();
    detail.remove("responsePayload");
    detail.remove("responseContext");
    never_ran["detail"]["requestContext"]["condition"] = json!("EventAgeExceeded");
    let row = row_of(never_ran).unwrap();
    assert_eq!(attribute(&row, "error_type"), Some(Cell::Text("EventAgeExceeded".to_owned())));
}

#[test]
fn a_function_goes_by_its_name_with_or_without_a_version() {
    for version in ["", ":$LATEST", ":7", ":live"] {
        let arn = format!("arn:aws:lambda:eu-west-1:111111111111:function:sandbox-guardrails-athena-enforce{version}");
        let row = row_of(changed("function-failed", "/detail/requestContext/functionArn", json!(arn))).unwrap();
        assert_eq!(row.sk, "111111111111/eu-west-1/athena-enforce/failure");
    }
}

#[test]
fn anything_else_becomes_no_row_and_says_why() {
    let check = |name: &str, at: &str, value: Value, why: &str| {
        let ignored = row_of(changed(name, at, value)).expect_err(why);
        assert_eq!(ignored.to_string(), why, "{name} with another {at}");
    };
    // The envelope: who says what.
    check(
        "finding",
        "/account",
        json!("222222222222"),
        "it speaks for `111111111111/eu-west-1` and comes from `222222222222/eu-west-1`",
    );
    check(
        "heartbeat",
        "/region",
        json!("eu-central-1"),
        "it speaks for `111111111111/eu-west-1` and comes from `111111111111/eu-central-1`",
    );
    check(
        "function-failed",
        "/account",
        json!("222222222222"),
        "it speaks for `111111111111/eu-west-1` and comes from `222222222222/eu-west-1`",
    );
    check("action", "/account", json!(null), "it speaks for `111111111111/eu-west-1` and comes from `nowhere`");
    check("finding", "/detail-type", json!("Guardrail Rumour"), "unknown detail type `Guardrail Rumour`");
    check("finding", "/source", json!("lambda"), "unknown detail type `Guardrail Finding` of source `lambda`");
    let of_ours = "unknown detail type `Lambda Function Invocation Result - Failure`";
    check("function-failed", "/source", json!("sandbox.guardrails"), of_ours);

    // The detail: every fault names its field.
    check("finding", "/detail", json!("none"), "invalid type: string \"none\", expected struct Header");
    check("finding", "/detail/id", json!(7), "`id`: invalid type: integer `7`, expected a string");
    check("action", "/detail/sandbox", json!({"account": "1"}), "`sandbox`: missing field `region`");
    check(
        "action",
        "/detail/outcome",
        json!("maybe"),
        "`outcome`: unknown variant `maybe`, expected one of `done`, `already_gone`, `observed_only`, `exempt`, \
         `refused`, `failed`",
    );
    check(
        "finding",
        "/detail/limit/duration",
        json!(1800),
        "`limit.duration`: invalid type: integer `1800`, expected a signed duration string",
    );
    check("heartbeat", "/detail/calls", json!(-1), "`calls`: invalid value: integer `-1`, expected u64");
    check("configuration-rejected", "/detail/value", json!(0), "`value`: invalid type: integer `0`, expected a string");
    check(
        "function-failed",
        "/detail/requestContext",
        json!({"requestId": "a"}),
        "`requestContext`: missing field `functionArn`",
    );
    for arn in ["athena-watch", "arn:aws:lambda:eu-west-1:111111111111:function:payroll", ""] {
        let why = format!("`{arn}` is not a function of the guardrails");
        check("function-failed", "/detail/requestContext/functionArn", json!(arn), &why);
    }

    // What would harm the table.
    check("finding", "/detail/id", json!("x".repeat(1017)), "`id` makes a key of 1025 bytes, which is too long");
    for (name, at) in [("finding", "/detail/occurred_at"), ("function-failed", "/detail/timestamp")] {
        check(
            name,
            at,
            json!("2026-11-20T09:40:00.001Z"),
            "it is dated `2026-11-20T09:40:00.001Z`, which is in the future",
        );
        row_of(changed(name, at, json!("2026-11-20T09:40:00Z"))).unwrap();
    }
    row_of(changed("finding", "/detail/id", json!("x".repeat(1016)))).unwrap();
}
