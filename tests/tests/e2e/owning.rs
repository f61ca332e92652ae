//! Who started it: told by the service where it can, and by CloudTrail, which is late, where it cannot.

use std::time::Duration;

use serde_json::Value;
use stage::running::wait_for;
use stage::{Sandbox, SandboxOptions};
use workload_simulator::{ClusterSpec, QuerySpec};

use crate::{findings, hub_row, minutes, sandbox, stage};

fn owner(sandbox: &Sandbox, guardrail: &str, id: &str) -> Option<String> {
    let found = findings(sandbox, guardrail).into_iter().find(|(found, _)| found == id)?;
    found.1["owner"].as_str().map(str::to_owned)
}

#[test]
fn cloudtrail_names_who_submitted_a_query_in_a_later_event_of_the_same_finding() {
    let sandbox = sandbox(&SandboxOptions { mode: "observe", ..SandboxOptions::default() });
    let trail = stage().world().account(&sandbox.account.id, stage::running::REGION).cloudtrail();
    trail.set_delivery_delay(minutes(40));
    let start = |started_by: &str| {
        sandbox.athena.start(QuerySpec {
            workgroup: "adhoc".to_owned(),
            age: minutes(31),
            started_by: Some(started_by.to_owned()),
            ..QuerySpec::default()
        })
    };
    let (session, studio) = (start("jo"), start("studio:ana"));
    sandbox.sweep().unwrap();
    let id = |query: &str| format!("{query}/100");
    assert_eq!(owner(&sandbox, "athena-query-runtime", &id(&session)), None, "the finding did not wait for its owner");

    trail.set_delivery_delay(Duration::ZERO);
    // A function that has just started asks at once for what CloudTrail has told meanwhile.
    sandbox.account.restart("sandbox-guardrails-athena-watch").unwrap();
    sandbox.sweep().unwrap();
    for (query, name) in [(&session, "jo"), (&studio, "ana")] {
        assert_eq!(owner(&sandbox, "athena-query-runtime", &id(query)).as_deref(), Some(name));
        let key = format!("finding/athena-query-runtime/{query}/100");
        wait_for("the owner at the hub", Duration::from_secs(20), || {
            let row = hub_row(&sandbox, &key);
            (row.get("owner").and_then(Value::as_str) == Some(name)).then_some(())
        })
        .unwrap();
    }
}

#[test]
fn without_cloudtrail_findings_and_actions_are_as_prompt_as_ever() {
    let sandbox = sandbox(&SandboxOptions::default().with(&format!("{}/limit", crate::path("emr-cluster-age")), "1h"));
    stage().world().faults().add(
        workload_simulator::FaultRule::error("LookupEvents", "ThrottlingException", 400)
            .of_account(&sandbox.account.id),
    );
    let cluster = sandbox.emr.start(ClusterSpec { age: minutes(61), ..ClusterSpec::default() });
    sandbox.send("emr-watch", "sweep").unwrap();
    assert_eq!(owner(&sandbox, "emr-cluster-age", &format!("{cluster}/100")), None);
    assert!(findings(&sandbox, "emr-cluster-age").len() >= 3);
}
