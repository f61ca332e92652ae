//! Bad configuration is named at the hub, never obeyed, and never switches a guardrail off.

use serde_json::json;
use stage::SandboxOptions;
use stage::deploy::sample_event;

use crate::{hub_row, minutes, query, sandbox};

const PATH: &str = "/sandbox-guardrails/athena/athena-query-runtime";

#[test]
fn a_bad_value_is_named_and_the_last_good_one_stays_in_force() {
    let sandbox = sandbox(&SandboxOptions { limit: "10m".to_owned(), ..SandboxOptions::default() });
    let over = query(&sandbox, "adhoc", minutes(11));
    let put = |name: &str, value: &str| sandbox.account.put_parameter(name, value).unwrap();
    put(&format!("{PATH}/limit"), "never");
    put(&format!("{PATH}/mode"), "enfroce");
    put(&format!("{PATH}/levels"), "95,75");
    put(&format!("{PATH}/limit/etl"), "0s");
    put("/sandbox-guardrails/exemptions/incomplete", r#"{"scope":"*"}"#);
    sandbox.sweep().unwrap();
    sandbox.await_outcome(&over, "done").unwrap();
    for (name, in_force) in [
        (format!("{PATH}/limit"), "10m"),
        (format!("{PATH}/mode"), "enforce"),
        (format!("{PATH}/levels"), "75,95,100"),
        (format!("{PATH}/limit/etl"), "10m"),
        ("/sandbox-guardrails/exemptions/incomplete".to_owned(), "no exemption"),
    ] {
        let version = if name.ends_with("/limit") || name.ends_with("/mode") { 2 } else { 1 };
        let row = hub_row(&sandbox, &format!("configuration{name}/{version}"));
        let detail = row["detail"].as_str().unwrap();
        assert!(detail.contains(&format!(r#""in_force":"{in_force}""#)), "{name}: {detail}");
    }
}

#[test]
fn bad_values_of_every_kind_of_parameter_are_named_and_not_obeyed() {
    let sandbox = sandbox(&SandboxOptions::default());
    let cases = [
        ("emr", "emr-cluster-count/limit", "0", "5"),
        ("emr", "emr-cluster-count/limit/user-type/intern", "some", "5"),
        ("emr", "emr-instance-types/limit", "m5.*,*", ""),
        ("emr", "emr-auto-termination/limit", "set,missing", "set"),
        ("emr", "emr-auto-termination/idle_timeout", "10s", "1h"),
        ("emr", "emr-step-runtime/escalate", "explode", "report"),
        ("emr", "emr-security-configuration/mode", "enforce", "observe"),
        ("sagemaker", "sagemaker-domain-network/limit", "VPC", "VpcOnly"),
        ("sagemaker", "sagemaker-training-runtime/limit", "29d", "24h"),
        ("glue", "glue-job-dpus/limit", "-1", "50"),
        ("athena", "athena-query-bytes-scanned/limit", "1 byte", "1.0 TB"),
    ];
    for (service, name, value, _) in cases {
        sandbox.account.put_parameter(&format!("/sandbox-guardrails/{service}/{name}"), value).unwrap();
    }
    for service in ["athena", "emr", "sagemaker", "glue"] {
        sandbox.send(&format!("{service}-watch"), "sweep").unwrap();
    }
    for (service, name, value, in_force) in cases {
        let row = hub_row(&sandbox, &format!("configuration/sandbox-guardrails/{service}/{name}/1"));
        assert_eq!(row["value"], value, "{name}");
        if !in_force.is_empty() {
            assert_eq!(row["in_force"], in_force, "{name}");
        }
    }
}

#[test]
fn events_that_are_malformed_or_of_unknown_states_and_kinds_are_never_fatal() {
    let sandbox = sandbox(&SandboxOptions::default());
    for service in ["emr", "sagemaker", "glue"] {
        for function in [format!("{service}-watch"), format!("{service}-enforce")] {
            let mut event = sample_event(&function, "malformed").unwrap();
            event["account"] = json!(sandbox.account.id);
            sandbox.invoke(&function, &event).unwrap();
            sandbox.invoke(&function, &json!({"detail": {}})).unwrap();
            sandbox.invoke(&function, &json!(null)).unwrap();
        }
    }
    assert!(sandbox.ledger().unwrap().is_empty());
}
