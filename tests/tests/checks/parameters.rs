//! Parameters: those of the templates explain themselves, and those in Parameter Store are nobody's but the operators'.

use serde_json::Value;

use spend::{Category, Charges};

use crate::template::{Template, list};
use crate::{agree, differences};

#[test]
fn every_parameter_of_a_template_is_described_labelled_and_grouped() {
    let faults = Template::all().into_iter().flat_map(|template| {
        let described = |(name, parameter): (&str, &Value)| {
            let text = parameter["Description"].as_str().unwrap_or_default();
            (!text.ends_with('.')).then(|| format!("`{name}` in {} has no sentence as `Description`", template.path()))
        };
        let mut faults: Vec<String> = template.section("Parameters").filter_map(described).collect();
        let names = || template.section("Parameters").map(|(name, _)| name);
        let interface = template.at("/Metadata/AWS::CloudFormation::Interface");
        let labels = interface["ParameterLabels"].as_object().into_iter().flat_map(|labels| labels.keys());
        let groups = list(&interface["ParameterGroups"]).into_iter();
        let grouped = groups.flat_map(|group| list(&group["Parameters"])).filter_map(Value::as_str);
        let place = format!("the parameters of {}", template.path());
        faults.extend(differences((&place, names()), ("its `ParameterLabels`", labels)));
        faults.extend(differences((&place, names()), ("its `ParameterGroups`", grouped)));
        faults
    });
    agree(faults);
}

#[test]
fn what_is_new_runs_on_arm_and_is_protected_a_sandbox_keeps_vigil_and_a_hub_meters_no_spend() {
    let (sandbox, hub) = (Template::sandbox(), Template::hub());
    let expected = [
        (&sandbox, "Vigil", "on"),
        (&sandbox, "Architecture", "arm64"),
        (&sandbox, "DeletionProtection", "on"),
        (&hub, "ExportBucket", ""),
        (&hub, "Exclude", "none"),
        (&hub, "Architecture", "arm64"),
        (&hub, "DeletionProtection", "on"),
    ];
    agree(expected.into_iter().filter_map(|(template, parameter, default)| {
        let found = template.at(&format!("/Parameters/{parameter}/Default"));
        (found != default)
            .then(|| format!("`{parameter}` in {} is {found} by default, expected `{default}`", template.path()))
    }));
}

#[test]
fn no_deployment_sets_a_limit_or_a_mode() {
    // A stack that owned a parameter would take it away, or put its own value back, when it changes. The defaults are the
    // catalogue's, whose own tests say that every guardrail begins by observing.
    let faults = Template::all().into_iter().flat_map(|template| {
        let stored = template.resources("AWS::SSM::Parameter").map(|(id, _)| id.to_owned()).collect::<Vec<_>>();
        let fault = move |id| format!("`{id}` in {} belongs to whoever operates the sandbox", template.path());
        stored.into_iter().map(fault)
    });
    agree(faults);
}

/// A parameter of one of the templates takes these values and refuses those.
#[track_caller]
fn check(parameter: &str, takes: &[&str], refuses: &[&str]) {
    let templates = Template::all();
    let place = format!("/Parameters/{parameter}/AllowedPattern");
    let pattern = templates.iter().map(|template| template.at(&place)).find(|pattern| pattern.is_string()).unwrap();
    let pattern = fancy_regex::Regex::new(pattern.as_str().unwrap()).unwrap();
    let expected = takes.iter().map(|value| (value, true)).chain(refuses.iter().map(|value| (value, false)));
    agree(
        expected
            .filter(|(value, taken)| pattern.is_match(value).unwrap() != *taken)
            .map(|(value, taken)| format!("`{parameter}` = `{value}` is {}", if taken { "refused" } else { "taken" })),
    );
}

#[test]
fn a_sweep_is_a_rate_or_a_cron() {
    for parameter in ["SweepSchedule", "WorkloadSweepSchedule"] {
        check(
            parameter,
            &["rate(1 minute)", "rate(5 minutes)", "rate(365 days)", "cron(* * * * ? *)"],
            &["", "5 minutes", "rate()", "rate(5 minutes", "at(2026-11-21T12:00:00)", "rate(1 minute) "],
        );
    }
}

#[test]
fn the_users_roles_are_under_a_path() {
    check(
        "UserRolePath",
        &["/", "/sandbox-users/", "/people/data.science/"],
        &["", "sandbox-users", "/sandbox-users", "sandbox-users/", "//", "/*/", "/a b/"],
    );
}

#[test]
fn the_export_is_a_bucket_and_folders_in_it() {
    check("ExportBucket", &["", "cost-exports", "a.b-c"], &["Cost", "a", "-exports", "exports/cur"]);
    check("ExportPrefix", &["", "cur/", "cur/sandboxes/"], &["cur", "/", "/cur/", "cur//", "cur/*/", "c?r/", "a b/"]);
    check("OwnerTag", &["owner", "user:owner", "Cost Centre"], &["", "owner*"]);
}

#[test]
fn the_charges_that_the_hub_offers_are_those_that_the_reader_knows() {
    let hub = Template::hub();
    let offered = list(hub.at("/Parameters/Charges/AllowedValues")).into_iter().filter_map(Value::as_str);
    agree(differences(("`Charges` in infra/hub.yaml", offered), ("`Charges`", Charges::ALL.map(Charges::as_str))));
    let categories = Category::ALL.map(Category::as_str);
    let all = categories.join(",");
    let takes: Vec<&str> = categories.iter().copied().chain(["none", &all]).collect();
    check("Exclude", &takes, &["", "none,tax", "tax,", "tax, credit", "taxes"]);
    let deliveries = list(hub.at("/Parameters/ExportDelivery/AllowedValues"));
    assert_eq!(deliveries, ["manifest", "single-file"]);
}

#[test]
fn the_hub_is_named_by_the_arn_of_its_bus() {
    check(
        "HubBusArn",
        &[
            "arn:aws:events:eu-central-1:111122223333:event-bus/sandbox-guardrails",
            "arn:aws-cn:events:cn-north-1:111122223333:event-bus/sandbox-guardrails",
        ],
        &[
            "",
            "sandbox-guardrails",
            "arn:aws:events:eu-central-1:1111:event-bus/sandbox-guardrails",
            "arn:aws:sqs:eu-central-1:111122223333:sandbox-guardrails",
            "arn:aws:events:eu-central-1:111122223333:rule/sandbox-guardrails",
        ],
    );
}
