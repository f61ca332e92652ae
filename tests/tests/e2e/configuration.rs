//! Bad configuration is named at the hub, never obeyed, and never switches a guardrail off.

use stage::SandboxOptions;

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
    put(
        "/sandbox-guardrails/exemptions/old",
        r#"{"scope":"*","owner":"jo","reason":"x","expires":"2020-01-01T00:00:00Z"}"#,
    );
    put("/sandbox-guardrails/exemptions/incomplete", r#"{"scope":"*"}"#);
    sandbox.sweep().unwrap();
    sandbox.await_outcome(&over, "done").unwrap();
    for (name, in_force) in [
        (format!("{PATH}/limit"), "10m"),
        (format!("{PATH}/mode"), "enforce"),
        (format!("{PATH}/levels"), "75,95,100"),
        (format!("{PATH}/limit/etl"), "10m"),
        ("/sandbox-guardrails/exemptions/old".to_owned(), "no exemption"),
        ("/sandbox-guardrails/exemptions/incomplete".to_owned(), "no exemption"),
    ] {
        let version = if name.contains("/limit/") || name.contains("exemptions") { 1 } else { 2 };
        let row = hub_row(&sandbox, &format!("configuration{name}/{version}"));
        let detail = row["detail"].as_str().unwrap();
        assert!(detail.contains(&format!(r#""in_force":"{in_force}""#)), "{name}: {detail}");
    }
}
