//! Sample events: each reaches its function by a rule or a schedule, or is kept from it, as this table says.

use guardrail::Service;
use guardrail::catalogue::{self, ActionKind};
use guardrail::event::SOURCE;
use serde_json::{Value, json};

use crate::code::{Function, WAKES, functions};
use crate::pattern::{in_account, matches};
use crate::template::{Template, reference};
use crate::workflows::{Workflow, sends, workflows};
use crate::{agree, differences, tree};

/// How a sample reaches its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A rule delivers it.
    Rule,
    /// The schedule of this name sends it.
    Schedule(&'static str),
    /// A schedule that the functions make at run time sends it.
    Wake,
    /// A step of this workflow sends it.
    Workflow(&'static str),
    /// A rule starts this workflow with it, whose steps call the function.
    Starts(&'static str),
    /// People, the page and other functions invoke the function with it.
    Invoked,
    /// No rule delivers it; the function must know what to do all the same.
    None,
}

/// Every sample: its function, its name, and how it gets there.
const SAMPLES: &[(&str, &str, Way)] = &[
    ("athena-watch", "limit-changed", Way::Rule),
    ("athena-watch", "malformed", Way::Rule),
    ("athena-watch", "query-queued", Way::Rule),
    ("athena-watch", "query-running", Way::Rule),
    ("athena-watch", "query-succeeded", Way::None),
    ("athena-watch", "query-unknown", Way::Rule),
    ("athena-watch", "sweep", Way::Schedule("athena-watch-sweep")),
    ("athena-enforce", "breach", Way::Rule),
    ("athena-enforce", "forged", Way::Rule),
    ("athena-enforce", "held-back", Way::None),
    ("athena-enforce", "malformed", Way::Rule),
    ("athena-enforce", "other-account", Way::None),
    ("athena-enforce", "unknown-guardrail", Way::Rule),
    ("athena-enforce", "warning", Way::None),
    ("emr-watch", "cluster-running", Way::None),
    ("emr-watch", "cluster-starting", Way::Rule),
    ("emr-watch", "cluster-terminated", Way::None),
    ("emr-watch", "cluster-waiting", Way::None),
    ("emr-watch", "limit-changed", Way::Rule),
    ("emr-watch", "malformed", Way::Rule),
    ("emr-watch", "step-completed", Way::None),
    ("emr-watch", "step-pending", Way::None),
    ("emr-watch", "step-running", Way::Rule),
    ("emr-watch", "sweep", Way::Schedule("emr-watch-sweep")),
    ("emr-enforce", "breach", Way::Rule),
    ("emr-enforce", "count-breach", Way::Rule),
    ("emr-enforce", "malformed", Way::Rule),
    ("emr-enforce", "other-account", Way::None),
    ("emr-enforce", "step-breach", Way::Rule),
    ("emr-enforce", "unknown-guardrail", Way::Rule),
    ("sagemaker-watch", "endpoint-deleting", Way::None),
    ("sagemaker-watch", "endpoint-in-service", Way::Rule),
    ("sagemaker-watch", "execution-executing", Way::Rule),
    ("sagemaker-watch", "execution-succeeded", Way::None),
    ("sagemaker-watch", "execution-unknown", Way::Rule),
    ("sagemaker-watch", "limit-changed", Way::Rule),
    ("sagemaker-watch", "malformed", Way::Rule),
    ("sagemaker-watch", "notebook-in-service", Way::Rule),
    ("sagemaker-watch", "notebook-stopped", Way::None),
    ("sagemaker-watch", "processing-job-in-progress", Way::Rule),
    ("sagemaker-watch", "step-status", Way::None),
    ("sagemaker-watch", "sweep", Way::Schedule("sagemaker-watch-sweep")),
    ("sagemaker-watch", "training-job-completed", Way::None),
    ("sagemaker-watch", "training-job-in-progress", Way::Rule),
    ("sagemaker-watch", "transform-job-in-progress", Way::Rule),
    ("sagemaker-watch", "tuning-job-in-progress", Way::Rule),
    ("sagemaker-enforce", "breach", Way::Rule),
    ("sagemaker-enforce", "malformed", Way::Rule),
    ("sagemaker-enforce", "other-account", Way::None),
    ("sagemaker-enforce", "unknown-guardrail", Way::Rule),
    ("glue-watch", "limit-changed", Way::Rule),
    ("glue-watch", "malformed", Way::Rule),
    ("glue-watch", "run-running", Way::Rule),
    ("glue-watch", "run-starting", Way::Rule),
    ("glue-watch", "run-stopping", Way::None),
    ("glue-watch", "run-succeeded", Way::None),
    ("glue-watch", "run-unknown", Way::Rule),
    ("glue-watch", "sweep", Way::Schedule("glue-watch-sweep")),
    ("glue-enforce", "breach", Way::Rule),
    ("glue-enforce", "malformed", Way::Rule),
    ("glue-enforce", "other-account", Way::None),
    ("glue-enforce", "run-breach", Way::Rule),
    ("glue-enforce", "unknown-guardrail", Way::Rule),
    ("availability-step", "access", Way::Workflow("stop")),
    ("availability-step", "access-start", Way::Workflow("start")),
    ("availability-step", "begin", Way::Workflow("stop")),
    ("availability-step", "begin-by-hand", Way::Workflow("stop")),
    ("availability-step", "begin-start", Way::Workflow("start")),
    ("availability-step", "end", Way::Workflow("stop")),
    ("availability-step", "end-failed", Way::Workflow("start")),
    ("availability-step", "fail", Way::Workflow("stop")),
    ("availability-step", "fail-start", Way::Workflow("start")),
    ("availability-step", "malformed", Way::None),
    ("availability-step", "part", Way::Workflow("stop")),
    ("availability-step", "part-start", Way::Workflow("start")),
    ("availability-step", "verify", Way::Workflow("stop")),
    ("availability-step", "verify-start", Way::Workflow("start")),
    ("availability-update", "fail", Way::Workflow("update")),
    ("availability-update", "report", Way::Workflow("update")),
    ("availability-update", "requested", Way::Starts("update")),
    ("availability-update", "schedules", Way::Workflow("update")),
    ("availability-update", "store", Way::Workflow("update")),
    ("availability-update", "two-faults", Way::Workflow("update")),
    ("availability-update", "validate", Way::Workflow("update")),
    ("availability-update", "window", Way::None),
    ("availability-update", "window-taken-away", Way::Workflow("update")),
    ("availability-reconcile", "calendar-closed", Way::Rule),
    ("availability-reconcile", "closes", Way::Wake),
    ("availability-reconcile", "forged-release", Way::None),
    ("availability-reconcile", "lock-released", Way::Rule),
    ("availability-reconcile", "lock-requested", Way::Rule),
    ("availability-reconcile", "malformed-lock", Way::Rule),
    ("availability-reconcile", "opens", Way::Wake),
    ("availability-reconcile", "sweep", Way::Schedule("availability-reconcile-sweep")),
    ("availability-reconcile", "warns", Way::Wake),
    ("availability-reconcile", "window-updated", Way::Workflow("update")),
    ("console-command", "again", Way::Invoked),
    ("console-command", "availability-update", Way::Invoked),
    ("console-command", "budget", Way::Invoked),
    ("console-command", "budget-faults", Way::Invoked),
    ("console-command", "budget-of-unit", Way::Invoked),
    ("console-command", "budget-taken-away", Way::Invoked),
    ("console-command", "faults", Way::Invoked),
    ("console-command", "lock", Way::Invoked),
    ("console-command", "release", Way::Invoked),
    ("console-command", "window-removed", Way::Invoked),
    ("console-feed", "action", Way::Rule),
    ("console-feed", "availability-change", Way::Rule),
    ("console-feed", "closing-soon", Way::Rule),
    ("console-feed", "configuration-rejected", Way::Rule),
    ("console-feed", "finding", Way::Rule),
    ("console-feed", "forged-account", Way::Rule),
    ("console-feed", "forged-spend", Way::Rule),
    ("console-feed", "function-failed", Way::Rule),
    ("console-feed", "health-check", Way::Schedule("console-feed-health-check")),
    ("console-feed", "heartbeat", Way::Rule),
    ("console-feed", "lock-released", Way::Rule),
    ("console-feed", "malformed-finding", Way::Rule),
    ("console-feed", "part-closed", Way::Rule),
    ("console-feed", "sandbox-locked", Way::Rule),
    ("console-feed", "spend", Way::Rule),
    ("console-feed", "spend-action", Way::Rule),
    ("console-feed", "spend-finding", Way::Rule),
    ("console-feed", "window-rejected", Way::Rule),
    ("console-feed", "window-updated", Way::Rule),
    ("spend-meter", "action-done", Way::Rule),
    ("spend-meter", "action-failed", Way::None),
    ("spend-meter", "budget-changed", Way::Rule),
    ("spend-meter", "export-delivered", Way::Rule),
    ("spend-meter", "file-landed", Way::None),
    ("spend-meter", "malformed-action", Way::Rule),
    ("spend-meter", "other-bucket", Way::None),
    ("spend-meter", "other-export", Way::None),
    ("spend-meter", "sandbox-registered", Way::Rule),
    ("spend-meter", "sweep", Way::Schedule("spend-meter-sweep")),
    ("spend-enforce", "breach", Way::Rule),
    ("spend-enforce", "exempt", Way::None),
    ("spend-enforce", "held-back", Way::None),
    ("spend-enforce", "malformed", Way::Rule),
    ("spend-enforce", "observed", Way::None),
    ("spend-enforce", "other-account", Way::None),
    ("spend-enforce", "reported", Way::None),
    ("spend-enforce", "unknown-guardrail", Way::Rule),
];

/// What a sandbox says, as the hub's feed gets it: the samples that show each detail type once.
pub(crate) const REPORTED: &[&str] =
    &["action", "availability-change", "configuration-rejected", "finding", "function-failed", "heartbeat"];

/// What the hub's own functions say of a sandbox, in types that no sandbox uses.
const OF_HUB: &[&str] = &["spend"];

/// The accounts of the samples.
const SANDBOX: &str = "111111111111";
const HUB: &str = "999999999999";

fn account_of(function: &Function) -> &'static str {
    if function.template.path() == Template::hub().path() { HUB } else { SANDBOX }
}

/// The patterns of the rules that start a function, as they are in its account.
fn patterns(function: &Function) -> Vec<Value> {
    let id = function.logical_id();
    let rules = function.template.rules().into_iter().filter(|rule| rule.function == Some(&id));
    rules.map(|rule| in_account(&rule.properties["Pattern"], account_of(function), HUB)).collect()
}

/// The patterns of the rules that start a workflow of a sandbox.
fn starts(workflow: &Workflow) -> Vec<Value> {
    let sandbox = Template::sandbox();
    let rules = sandbox.rules();
    let rules = rules.iter().filter(|rule| rule.targets.iter().any(|target| target["Arn"] == reference(&workflow.id)));
    rules.map(|rule| in_account(&rule.properties["EventPattern"], SANDBOX, HUB)).collect()
}

#[test]
fn the_table_of_samples_is_whole() {
    let folders = functions().into_iter().map(|function| function.name);
    let files = folders.flat_map(|folder| tree::files_under(&format!("events/{folder}")));
    let listed = SAMPLES.iter().map(|(function, name, _)| format!("events/{function}/{name}.json"));
    agree(differences(("the events folder", files), ("SAMPLES in tests/tests/checks/events.rs", listed)));
}

#[test]
fn each_sample_reaches_its_function_as_it_should() {
    let mut faults = Vec::new();
    for function in functions() {
        let patterns = patterns(&function);
        for (_, name, way) in SAMPLES.iter().filter(|(of, ..)| *of == function.name) {
            let place = format!("events/{}/{name}.json", function.name);
            let event = tree::json(&place);
            let delivered = patterns.iter().filter(|pattern| matches(pattern, &event).unwrap()).count();
            let by = match way {
                Way::Rule => 1,
                _ => 0,
            };
            if delivered != by {
                faults.push(format!("{place} matches {delivered} rules of `{}`, expected {by}", function.logical_id()));
            }
            if let Way::Schedule(name) = way {
                let arn =
                    format!("arn:aws:scheduler:eu-west-1:{}:schedule/sandbox-guardrails/{name}", account_of(&function));
                if event["source"] != "aws.scheduler" || event["resources"] != json!([arn]) {
                    faults.push(format!(
                        "{place} is not what EventBridge Scheduler sends: `resources` should be `{arn}`"
                    ));
                }
                let schedules = function.template.schedules();
                let known = schedules.iter().any(|schedule| {
                    schedule.properties["Name"] == *name
                        && schedule.properties["GroupName"] == reference("ScheduleGroup")
                        && schedule.function == Some(&function.logical_id())
                });
                if !known {
                    faults.push(format!(
                        "{} has no schedule `{name}` for `{}`",
                        function.template.path(),
                        function.logical_id()
                    ));
                }
            }
        }
    }
    agree(faults);
}

#[test]
fn each_sample_of_a_workflow_is_what_it_sends_or_what_starts_it() {
    let (functions, workflows) = (functions(), workflows());
    let find = |name: &str| workflows.iter().find(|workflow| workflow.name == name).unwrap();
    let faults = SAMPLES.iter().filter_map(|(of, name, way)| {
        let place = format!("events/{of}/{name}.json");
        let event = tree::json(&place);
        match way {
            Way::Workflow(workflow) => {
                let workflow = find(workflow);
                let mut tasks = workflow.tasks().into_iter();
                let sent = tasks.any(|task| {
                    workflow.called(task, &functions).is_some_and(|function| function.name == *of)
                        && sends(task, &event)
                });
                (!sent).then(|| format!("{place} is nothing that a step of `{}` sends", workflow.name))
            }
            Way::Starts(workflow) => {
                let started = starts(find(workflow)).iter().filter(|pattern| matches(pattern, &event).unwrap()).count();
                (started != 1).then(|| format!("{place} matches {started} rules that start `{workflow}`, expected 1"))
            }
            Way::Wake => {
                let wakes = WAKES.into_iter().any(|wake| event == json!({ "reconcile": wake.name() }));
                (!wakes).then(|| format!("{place} is nothing that a schedule of functions/availability sends"))
            }
            Way::Rule | Way::Schedule(_) | Way::Invoked | Way::None => None,
        }
    });
    agree(faults);
}

#[test]
fn each_breach_wakes_the_enforce_of_its_service_if_it_is_to_be_acted_on() {
    let enforces = functions().into_iter().filter(|function| function.name.ends_with("-enforce"));
    let enforces: Vec<(&str, Vec<Value>)> = enforces.map(|function| (function.name, patterns(&function))).collect();
    let woken = |event: &Value| -> Vec<&str> {
        let wakes = |patterns: &Vec<Value>| patterns.iter().any(|pattern| matches(pattern, event).unwrap());
        enforces.iter().filter(|(_, patterns)| wakes(patterns)).map(|(name, _)| *name).collect()
    };
    let mut faults = Vec::new();
    for guardrail in catalogue::all() {
        // What is spent is found in the hub.
        let account = if guardrail.service == Service::Spend { HUB } else { SANDBOX };
        let finding = |severity: &str, held_back: bool| {
            json!({
                "source": SOURCE, "detail-type": "Guardrail Finding", "account": account,
                "detail": {
                    "service": guardrail.service, "guardrail": guardrail.id, "action": guardrail.action,
                    "level": {"severity": severity}, "held_back": held_back, "mode": "enforce", "exemption": null
                }
            })
        };
        let enforce = format!("{}-enforce", guardrail.service);
        let expected = if guardrail.action == ActionKind::Report { vec![] } else { vec![enforce.as_str()] };
        let breach = finding("breach", false);
        if woken(&breach) != expected {
            faults.push(format!("a breach of `{}` wakes {:?}, expected {expected:?}", guardrail.id, woken(&breach)));
        }
        for event in [finding("warning", false), finding("notice", false), finding("breach", true)] {
            if !woken(&event).is_empty() {
                faults.push(format!("{event} wakes {:?}, and there is nothing to act on", woken(&event)));
            }
        }
    }
    agree(faults);
}

#[test]
fn everything_that_a_sandbox_says_reaches_the_hub() {
    let sandbox = Template::sandbox();
    let forward = in_account(sandbox.at("/Resources/ForwardToHub/Properties/EventPattern"), SANDBOX, HUB);
    let feed = functions().into_iter().find(|function| function.name == console::feed::FUNCTION).unwrap();
    let report = patterns(&feed);
    let mut taken = Vec::new();
    let mut faults = Vec::new();
    for name in REPORTED.iter().chain(OF_HUB) {
        let place = format!("events/{}/{name}.json", feed.name);
        let event = tree::json(&place);
        taken.push(event["detail-type"].as_str().unwrap_or_default().to_owned());
        if REPORTED.contains(name) && !matches(&forward, &event).unwrap() {
            faults.push(format!("`ForwardToHub` in infra/sandbox.yaml does not forward {place}"));
        }
        if !report.iter().any(|pattern| matches(pattern, &event).unwrap()) {
            faults.push(format!("no rule of `ConsoleFeed` in infra/hub.yaml takes {place}"));
        }
    }
    let listed =
        report.iter().flat_map(|pattern| pattern["detail-type"].as_array()).flatten().filter_map(Value::as_str);
    faults.extend(differences(
        ("the rules of `ConsoleFeed` in infra/hub.yaml", listed),
        ("the samples in REPORTED and OF_HUB", &taken),
    ));
    agree(faults);
}

#[test]
fn a_file_that_is_an_export_by_itself_wakes_the_meter_where_exports_come_so() {
    let hub = Template::hub();
    let rules = hub.rules();
    let export = rules.iter().find(|rule| rule.id == "SpendMeterExport").unwrap();
    let mut pattern = export.properties["Pattern"].clone();
    let key = &mut pattern["detail"]["object"]["key"];
    *key = key["Fn::If"][2].clone();
    let pattern = in_account(&pattern, HUB, HUB);
    for (name, expected) in [("file-landed", true), ("export-delivered", false), ("other-bucket", false)] {
        let event = tree::json(&format!("events/spend-meter/{name}.json"));
        assert_eq!(matches(&pattern, &event), Ok(expected), "{name}");
    }
    for suffix in hub_spend::deliveries::Kind::SingleFile.suffixes() {
        let mut event = tree::json("events/spend-meter/file-landed.json");
        event["detail"]["object"]["key"] = json!(format!("{}2026/11{suffix}", stage::exports::PREFIX));
        assert_eq!(matches(&pattern, &event), Ok(true), "{suffix}");
    }
}

/// Who obeys which of the hub's commands: a function, or the workflow of this name.
const OBEYED: &[(&str, &str)] = &[
    ("Availability Update Requested", "update"),
    ("Sandbox Lock Requested", "availability-reconcile"),
    ("Sandbox Lock Released", "availability-reconcile"),
];

#[test]
fn what_the_hub_commands_is_obeyed_once_and_from_nobody_else_and_is_not_sent_back() {
    let sandbox = Template::sandbox();
    let forward = in_account(sandbox.at("/Resources/ForwardToHub/Properties/EventPattern"), SANDBOX, HUB);
    let commands = sandbox.at("/Resources/GuardrailBusTakesCommandsFromHub/Properties/Statement/Condition");
    let commands = commands["StringEquals"]["events:detail-type"].as_array().unwrap();
    let functions = functions();
    let mut patterns: Vec<(String, Vec<Value>)> =
        functions.iter().map(|function| (function.name.to_owned(), patterns(function))).collect();
    patterns.extend(workflows().iter().map(|workflow| (workflow.name.clone(), starts(workflow))));
    let mut faults = Vec::new();
    for command in commands {
        let from = |account: &str| json!({"source": SOURCE, "detail-type": command, "account": account, "detail": {}});
        let who = |event: &Value| -> Vec<&str> {
            let takes = |patterns: &Vec<Value>| patterns.iter().any(|pattern| matches(pattern, event).unwrap());
            patterns.iter().filter(|(_, patterns)| takes(patterns)).map(|(name, _)| name.as_str()).collect()
        };
        let obey: Vec<&str> = OBEYED.iter().filter(|(known, _)| command == known).map(|(_, by)| *by).collect();
        if who(&from(HUB)) != obey {
            faults.push(format!("{command} is taken by {:?}, expected {obey:?}", who(&from(HUB))));
        }
        for event in [from(SANDBOX), from("222222222222")] {
            if !who(&event).is_empty() {
                faults.push(format!("{command} of account {} is obeyed by {:?}", event["account"], who(&event)));
            }
        }
        if matches(&forward, &from(HUB)).unwrap() {
            faults.push(format!("`ForwardToHub` sends the hub's own {command} back to it"));
        }
    }
    agree(faults);
}
