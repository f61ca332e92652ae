//! Exemptions: by resource, owner, workgroup and template, each until it expires and not a moment longer.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stage::Sandbox;
use workload_simulator::ClusterSpec;

use crate::{enforcing, findings, minutes, outcome, query, view};

fn exempt(sandbox: &Sandbox, name: &str, patterns: &Value, expires: &str) {
    let mut exemption = json!({"owner": "jo@bank.example", "reason": "year end", "expires": expires});
    exemption.as_object_mut().unwrap().extend(patterns.as_object().unwrap().clone());
    let path = format!("/sandbox-guardrails/exemptions/{name}");
    sandbox.account.put_parameter(&path, &exemption.to_string()).unwrap();
}

#[test]
fn clusters_are_spared_by_id_owner_and_template_and_named_when_they_are() {
    let sandbox = enforcing(&[("emr-cluster-age", "1h")]);
    let cluster = |tags: &[(&str, &str)]| {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>();
        sandbox.emr.start(ClusterSpec { age: minutes(61), tags, ..ClusterSpec::default() })
    };
    let by_id = cluster(&[]);
    let by_owner = cluster(&[("owner", "ana@bank.example")]);
    let by_template = cluster(&[("cluster-template", "regulatory")]);
    let none = cluster(&[("owner", "sam@bank.example"), ("cluster-template", "adhoc")]);
    exempt(&sandbox, "by-id", &json!({"resource": by_id}), "2100-01-01T00:00:00Z");
    exempt(&sandbox, "by-owner", &json!({"resource_owner": "ana@*"}), "2100-01-01T00:00:00Z");
    exempt(&sandbox, "by-template", &json!({"scope": "regul*"}), "2100-01-01T00:00:00Z");
    sandbox.send("emr-watch", "sweep").unwrap();
    outcome(&sandbox, "emr-cluster-age", &none, "done");
    for (id, exemption) in [(&by_id, "by-id"), (&by_owner, "by-owner"), (&by_template, "by-template")] {
        let spared = outcome(&sandbox, "emr-cluster-age", id, "exempt");
        assert!(spared["reason"].as_str().unwrap().contains(&format!("`{exemption}`")), "{spared}");
        assert_eq!(sandbox.emr.cluster(id).unwrap().terminate_calls, 0);
    }
}

#[test]
fn an_expired_exemption_is_a_finding_and_spares_nobody() {
    let sandbox = enforcing(&[]);
    exempt(&sandbox, "old", &json!({"scope": "audit"}), "2026-01-31T00:00:00Z");
    exempt(&sandbox, "good", &json!({"scope": "audit-2"}), "2100-01-01T00:00:00Z");
    let (over, spared) = (query(&sandbox, "audit", minutes(31)), query(&sandbox, "audit-2", minutes(31)));
    sandbox.sweep().unwrap();
    sandbox.await_outcome(&over, "done").unwrap();
    sandbox.await_outcome(&spared, "exempt").unwrap();
    assert_eq!(view(&sandbox, &spared).stop_calls, 0);
    let expired = findings(&sandbox, "exemption-expired");
    let [(id, finding)] = expired.as_slice() else { panic!("{expired:?}") };
    assert_eq!(id, "old/100/2026-01-31T00:00:00Z");
    assert_eq!(finding["owner"], "jo@bank.example", "whoever answers for it is asked");
    // The other watches see the same exemptions and tell nothing twice.
    sandbox.send("glue-watch", "sweep").unwrap();
    assert_eq!(findings(&sandbox, "exemption-expired").len(), 1);
}
