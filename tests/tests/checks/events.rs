//! Sample events: each reaches its function by a rule or a schedule, or is kept from it, as this table says.

use guardrail::catalogue::{self, ActionKind};
use guardrail::event::SOURCE;
use serde_json::{Value, json};

use crate::code::{Function, functions};
use crate::pattern::{in_account, matches};
use crate::template::{Template, reference};
use crate::{agree, differences, tree};

/// How a sample reaches its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A rule delivers it.
    Rule,
    /// The schedule of this name sends it.
    Schedule(&'static str),
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
    ("console-feed", "action", Way::Rule),
    ("console-feed", "configuration-rejected", Way::Rule),
    ("console-feed", "finding", Way::Rule),
    ("console-feed", "forged-account", Way::Rule),
    ("console-feed", "function-failed", Way::Rule),
    ("console-feed", "health-check", Way::Schedule("console-feed-health-check")),
    ("console-feed", "heartbeat", Way::Rule),
    ("console-feed", "malformed-finding", Way::Rule),
];

/// What a sandbox says, as the hub's feed gets it: the samples that show each detail type once.
pub(crate) const REPORTED: &[&str] = &["action", "configuration-rejected", "finding", "function-failed", "heartbeat"];

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
    rules.map(|rule| in_account(&rule.properties["Pattern"], account_of(function))).collect()
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
                Way::Schedule(_) | Way::None => 0,
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
fn each_breach_wakes_the_enforce_of_its_service_if_it_is_to_be_acted_on() {
    let enforces = functions().into_iter().filter(|function| function.name.ends_with("-enforce"));
    let enforces: Vec<(&str, Vec<Value>)> = enforces.map(|function| (function.name, patterns(&function))).collect();
    let woken = |event: &Value| -> Vec<&str> {
        let wakes = |patterns: &Vec<Value>| patterns.iter().any(|pattern| matches(pattern, event).unwrap());
        enforces.iter().filter(|(_, patterns)| wakes(patterns)).map(|(name, _)| *name).collect()
    };
    let mut faults = Vec::new();
    for guardrail in catalogue::all() {
        let finding = |severity: &str, held_back: bool| {
            json!({
                "source": SOURCE, "detail-type": "Guardrail Finding", "account": SANDBOX,
                "detail": {
                    "service": guardrail.service, "guardrail": guardrail.id, "action": guardrail.action,
                    "level": {"severity": severity}, "held_back": held_back
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
    let forward = in_account(sandbox.at("/Resources/ForwardToHub/Properties/EventPattern"), SANDBOX);
    let feed = functions().into_iter().find(|function| function.name == console::feed::FUNCTION).unwrap();
    let report = patterns(&feed);
    let mut taken = Vec::new();
    let mut faults = Vec::new();
    for name in REPORTED {
        let place = format!("events/{}/{name}.json", feed.name);
        let event = tree::json(&place);
        taken.push(event["detail-type"].as_str().unwrap_or_default().to_owned());
        if !matches(&forward, &event).unwrap() {
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
        ("the samples in REPORTED", &taken),
    ));
    agree(faults);
}

#[test]
fn what_the_hub_commands_is_neither_sent_back_nor_taken_for_a_report() {
    let sandbox = Template::sandbox();
    let forward = in_account(sandbox.at("/Resources/ForwardToHub/Properties/EventPattern"), SANDBOX);
    let commands = sandbox.at("/Resources/GuardrailBusTakesCommandsFromHub/Properties/Statement/Condition");
    let commands = commands["StringEquals"]["events:detail-type"].as_array().unwrap();
    let patterns: Vec<(&str, Value)> = functions()
        .iter()
        .flat_map(|function| patterns(function).into_iter().map(|pattern| (function.name, pattern)))
        .collect();
    let faults = commands.iter().flat_map(|command| {
        let event = json!({"source": SOURCE, "detail-type": command, "account": HUB, "detail": {}});
        let taken = patterns.iter().filter(|(_, pattern)| matches(pattern, &event).unwrap());
        let mut faults: Vec<String> =
            taken.map(|(function, _)| format!("`{function}` takes {command}, and does nothing with it")).collect();
        if matches(&forward, &event).unwrap() {
            faults.push(format!("`ForwardToHub` sends the hub's own {command} back to it"));
        }
        faults
    });
    agree(faults.collect::<Vec<_>>());
}
