//! Workflows: every state machine calls what its role may call and nothing else, sends what the functions read, keeps the
//! order of closing and opening, and ends each failure where it has been reported. A linter looks at them in `tools.rs`.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::code::{Function, functions};
use crate::schemas::is_malformed;
use crate::template::{Template, arn, id_of_arn, list, reference};
use crate::{agree, differences, tree};

/// What a Task calls. Nothing but functions of ours, each of which answers when it is done.
const INVOKE: &str = "arn:${Partition}:states:::lambda:invoke";

/// Attempts in all that a passing fault is given: a step that fails three times goes on at the fourth.
const ATTEMPTS: u64 = 4;

/// Where a failure is reported, and where it ends.
const REPORT: &str = "ReportFailure";
const FAILED: &str = "Failed";

/// A workflow: what the template says of it, and its states.
pub(crate) struct Workflow {
    /// Its name in files, such as `stop`.
    pub(crate) name: String,
    /// Its logical id.
    pub(crate) id: String,
    /// Its properties in the template.
    properties: Value,
    /// Its definition, as it is stored.
    definition: Value,
}

/// A state of a workflow.
#[derive(Clone, Copy)]
pub(crate) struct State<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What it is.
    pub(crate) body: &'a Value,
    /// Whether it is in the workflow itself, not inside a Map.
    outermost: bool,
}

/// The workflows of a sandbox.
pub(crate) fn workflows() -> Vec<Workflow> {
    let sandbox = Template::sandbox();
    let workflows = sandbox.resources("AWS::Serverless::StateMachine").map(|(id, properties)| {
        let file = properties["DefinitionUri"].as_str().unwrap_or_default();
        let name = file.rsplit('/').next().unwrap_or_default().trim_end_matches(".asl.json");
        let definition = tree::json(&format!("infra/{file}"));
        Workflow { name: name.to_owned(), id: id.to_owned(), properties: properties.clone(), definition }
    });
    workflows.collect()
}

impl Workflow {
    /// Where it is kept.
    fn path(&self) -> String {
        format!("infra/workflows/{}.asl.json", self.name)
    }

    /// All its states, those inside of Maps too.
    pub(crate) fn states(&self) -> Vec<State<'_>> {
        fn below(definition: &Value, outermost: bool) -> Vec<State<'_>> {
            let states = definition["States"].as_object().into_iter().flatten();
            let states = states.flat_map(|(name, body)| {
                let own = State { name, body, outermost };
                std::iter::once(own).chain(below(&body["ItemProcessor"], false)).collect::<Vec<_>>()
            });
            states.collect()
        }
        below(&self.definition, true)
    }

    /// The states that call a function.
    pub(crate) fn tasks(&self) -> Vec<State<'_>> {
        self.states().into_iter().filter(|state| state.body["Type"] == "Task").collect()
    }

    /// The function that a Task calls, by what the template puts in for its placeholder.
    pub(crate) fn called<'a>(&self, task: State<'_>, functions: &'a [Function]) -> Option<&'a Function> {
        let placeholder = task.body["Parameters"]["FunctionName"].as_str()?;
        let name = placeholder.strip_prefix("${")?.strip_suffix('}')?;
        let id = id_of_arn(&self.properties["DefinitionSubstitutions"][name])?;
        functions.iter().find(|function| function.logical_id() == id)
    }

    /// The states that can be reached from its beginning, without going through one of these.
    fn reached_without(&self, avoided: &[&str]) -> BTreeSet<String> {
        let mut ahead = vec![self.definition["StartAt"].as_str().unwrap_or_default().to_owned()];
        let mut reached = BTreeSet::new();
        while let Some(name) = ahead.pop() {
            if !avoided.contains(&name.as_str()) && reached.insert(name.clone()) {
                ahead.extend(follow(&self.definition["States"][&name]).into_iter().map(|(_, next)| next.to_owned()));
            }
        }
        reached
    }
}

/// The states that may come after a state, each with what leads to it: its `Next`, a `Choice`, a `Catch`, its `Default`.
fn follow(state: &Value) -> Vec<(&'static str, &str)> {
    let of = |field: &'static str| {
        let items = list(&state[field]).into_iter().filter_map(|item| item["Next"].as_str());
        items.map(move |next| (field, next)).collect::<Vec<_>>()
    };
    let own = ["Next", "Default"].into_iter().filter_map(|field| Some((field, state[field].as_str()?)));
    own.chain(of("Choices")).chain(of("Catch")).collect()
}

/// The placeholders in a definition.
fn placeholders(definition: &str) -> BTreeSet<String> {
    let parts = definition.split("${").skip(1);
    parts.filter_map(|part| part.split_once('}')).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn the_template_has_the_workflows_that_there_are_and_fills_in_all_they_need() {
    let (workflows, sandbox) = (workflows(), Template::sandbox());
    let files = tree::list("infra/workflows");
    let listed = workflows.iter().map(|workflow| format!("{}.asl.json", workflow.name));
    let mut faults = differences(("infra/workflows/", files), ("the state machines in infra/sandbox.yaml", listed));
    for workflow in &workflows {
        let Workflow { id, name, properties, .. } = workflow;
        let mut expect = |property: &str, expected: Value| {
            if properties[property] != expected {
                faults.push(format!("`{id}` in {}: `{property}` is not {expected}", sandbox.path()));
            }
        };
        expect("Name", format!("sandbox-guardrails-{name}").into());
        expect("Role", arn(&format!("{id}Role")));
        expect("Type", "STANDARD".into());
        let given = properties["DefinitionSubstitutions"].as_object().cloned().unwrap_or_default();
        for (placeholder, value) in &given {
            let expected = if placeholder == "Partition" { reference("AWS::Partition") } else { arn(placeholder) };
            if *value != expected {
                faults.push(format!("`{id}` in {}: `{placeholder}` is not {expected}", sandbox.path()));
            }
        }
        let used = placeholders(&tree::read(&workflow.path()));
        let place = format!("the substitutions of `{id}` in {}", sandbox.path());
        faults.extend(differences((&place, given.keys()), (&workflow.path(), used)));
    }
    agree(faults);
}

#[test]
fn the_role_of_a_workflow_may_call_what_the_workflow_calls_and_nothing_else() {
    let (sandbox, functions) = (Template::sandbox(), functions());
    let faults = workflows().into_iter().flat_map(|workflow| {
        let role = format!("{}Role", workflow.id);
        let place = format!("`{role}` in {}", sandbox.path());
        let statements = sandbox.at(&format!("/Resources/{role}/Properties/Policies/0/PolicyDocument/Statement"));
        let mut faults = Vec::new();
        let mut may = Vec::new();
        for statement in list(statements) {
            if statement["Effect"] != "Allow" || list(&statement["Action"]) != ["lambda:InvokeFunction"] {
                faults.push(format!("{place} has a statement that is not leave to call functions"));
            }
            may.extend(list(&statement["Resource"]).into_iter().map(|it| id_of_arn(it).unwrap_or("something else")));
        }
        let calls = workflow.tasks().into_iter().map(|task| match workflow.called(task, &functions) {
            Some(function) => function.logical_id(),
            None => format!("what `{}` calls, which is no function of ours", task.name),
        });
        faults.extend(differences((&place, may), (&workflow.path(), calls)));
        let lent = sandbox.at(&format!("/Resources/{role}/Properties/AssumeRolePolicyDocument/Statement/0"));
        let machine = format!(
            "arn:${{AWS::Partition}}:states:${{AWS::Region}}:${{AWS::AccountId}}:stateMachine:sandbox-guardrails-{}",
            workflow.name
        );
        if lent["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::Sub"] != machine {
            faults.push(format!("{place} is not lent to its workflow alone"));
        }
        faults
    });
    agree(faults.collect::<Vec<_>>());
}

#[test]
fn every_task_is_tried_again_and_outlives_its_function() {
    let functions = functions();
    let mut faults = Vec::new();
    for workflow in workflows() {
        for task in workflow.tasks() {
            let place = format!("`{}` in {}", task.name, workflow.path());
            let Some(function) = workflow.called(task, &functions) else {
                faults.push(format!("{place} calls no function of ours"));
                continue;
            };
            if task.body["Resource"] != INVOKE {
                faults.push(format!("{place} is not `{INVOKE}`"));
            }
            let properties = function.template.at(&format!("/Resources/{}/Properties", function.logical_id()));
            let (timeout, takes) = (task.body["TimeoutSeconds"].as_u64(), properties["Timeout"].as_u64());
            if timeout <= takes || timeout > takes.map(|takes| takes + 10) {
                faults.push(format!("{place} times out after {timeout:?} s, its function after {takes:?} s"));
            }
            // The last rule is the one for whatever passes by itself. Step Functions wants it last, and alone.
            let rules = list(&task.body["Retry"]);
            let last = rules.last().copied().unwrap_or(&Value::Null);
            if list(&last["ErrorEquals"]) != ["States.ALL"] {
                faults.push(format!("{place} is not tried again whatever the error is"));
            }
            if last["MaxAttempts"].as_u64().is_none_or(|retries| retries + 1 < ATTEMPTS) {
                faults.push(format!("{place} is not tried {ATTEMPTS} times"));
            }
            let spread = |rule: &&&Value| {
                rule["BackoffRate"].as_f64().is_some_and(|rate| rate > 1.0)
                    && rule["JitterStrategy"] == "FULL"
                    && rule["MaxDelaySeconds"].is_u64()
            };
            if !rules.iter().all(|rule| spread(&rule)) {
                faults.push(format!("{place} is tried again without backoff, jitter or a longest delay"));
            }
        }
    }
    agree(faults);
}

#[test]
fn every_failure_is_reported_before_it_ends() {
    let mut faults = Vec::new();
    for workflow in workflows() {
        let path = workflow.path();
        for state in workflow.states() {
            let place = format!("`{}` in {path}", state.name);
            let kind = state.body["Type"].as_str().unwrap_or_default();
            let caught = list(&state.body["Catch"]);
            if ["Task", "Map", "Parallel"].contains(&kind) && !caught.iter().any(|rule| catches_all(rule)) {
                faults.push(format!("{place} does not catch every error"));
            }
            for rule in caught {
                let next = rule["Next"].as_str().unwrap_or_default();
                let expected = match (state.outermost, state.name) {
                    (true, REPORT) => FAILED,
                    (true, _) => REPORT,
                    // A part that fails keeps none of the others back; the end of the workflow hears of it.
                    (false, _) => "PartFailed",
                };
                if next != expected {
                    faults.push(format!("{place} leads an error to `{next}`, expected `{expected}`"));
                }
            }
            // Only a step that has reported the failure itself ends in it: the report, and the end of the workflow.
            for (field, next) in follow(state.body) {
                let reported = state.name == REPORT || (state.name, field) == ("HowItEnded", "Choices");
                if next == FAILED && !reported {
                    faults.push(format!("{place} ends in `{FAILED}` without a report"));
                }
            }
            if kind == "Fail" && state.name != FAILED {
                faults.push(format!("{place} is another way to fail than `{FAILED}`"));
            }
            // A Choice has no Catch: an answer that it does not know would end the workflow unreported.
            if kind == "Choice" && state.body["Default"].is_null() {
                faults.push(format!("{place} has no `Default`"));
            }
        }
        let state = |name: &str| &workflow.definition["States"][name];
        if state(REPORT)["Parameters"]["Payload"]["step"] != "fail" || state(FAILED)["Type"] != "Fail" {
            faults.push(format!("{path} does not report a failure and end with it"));
        }
        if workflow.definition["TimeoutSeconds"].as_u64().is_none() {
            faults.push(format!("{path} has no `TimeoutSeconds`; it could run for a year"));
        }
    }
    agree(faults);
}

fn catches_all(rule: &Value) -> bool {
    list(&rule["ErrorEquals"]) == ["States.ALL"]
}

#[test]
fn users_are_kept_out_before_services_close_and_let_in_after_they_open() {
    let workflows = workflows();
    let check = |name: &str, first: &str, then: &str| {
        let workflow = workflows.iter().find(|workflow| workflow.name == name).unwrap();
        assert!(workflow.reached_without(&[]).contains(then), "{} gets to `{then}`", workflow.path());
        let sooner = workflow.reached_without(&[first]);
        assert!(!sooner.contains(then), "{} gets to `{then}` without `{first}`", workflow.path());
    };
    check("stop", "BlockAccess", "VerifyAccess");
    check("stop", "VerifyAccess", "CloseParts");
    check("stop", "CloseParts", "Closed");
    check("stop", "End", "Closed");
    check("start", "OpenParts", "RestoreAccess");
    check("start", "RestoreAccess", "VerifyAccess");
    check("start", "VerifyAccess", "Opened");
    check("start", "End", "Opened");
    check("update", "Validate", "UpdateSchedules");
    check("update", "UpdateSchedules", "StoreWindow");
    check("update", "StoreWindow", "Reconcile");
    check("update", "Reconcile", "Report");
    check("update", "Report", "Updated");
}

/// What a Task sends: the members that are written out, and the names of all.
pub(crate) fn payload<'a>(task: State<'a>) -> (Map<String, Value>, BTreeSet<&'a str>) {
    let members = task.body["Parameters"]["Payload"].as_object().into_iter().flatten();
    let mut written = Map::new();
    let mut names = BTreeSet::new();
    for (name, value) in members {
        match name.strip_suffix(".$") {
            Some(name) => drop(names.insert(name)),
            None => {
                written.insert(name.clone(), value.clone());
                names.insert(name.as_str());
            }
        }
    }
    (written, names)
}

/// Whether a sample is what a Task sends: its members have these names, and those that are written out are the same.
pub(crate) fn sends(task: State<'_>, sample: &Value) -> bool {
    let (written, names) = payload(task);
    let members = sample.as_object();
    members.is_some_and(|members| members.keys().map(String::as_str).collect::<BTreeSet<_>>() == names)
        && written.iter().all(|(name, value)| sample[name] == *value)
}

#[test]
fn every_payload_is_shown_by_a_sample_that_its_function_reads() {
    fn reads<T: DeserializeOwned>(sample: &Value) -> Result<(), String> {
        guardrail::event::read_naming_fields::<T>(sample).map(drop).map_err(|error| error.to_string())
    }
    let functions = functions();
    let mut faults = Vec::new();
    for workflow in workflows() {
        for task in workflow.tasks() {
            let place = format!("`{}` in {}", task.name, workflow.path());
            let Some(function) = workflow.called(task, &functions) else { continue };
            let folder = format!("events/{}", function.name);
            let samples = tree::files_under(&folder).into_iter().map(|path| (tree::json(&path), path));
            let samples: Vec<(Value, String)> = samples.filter(|(sample, _)| sends(task, sample)).collect();
            if samples.is_empty() {
                faults.push(format!("{place} sends what no sample in {folder}/ shows"));
            }
            for (sample, path) in samples {
                let read = match function.name {
                    availability::step::FUNCTION => reads::<availability::step::Input>(&sample),
                    availability::update::FUNCTION => reads::<availability::update::Input>(&sample),
                    // Whatever wakes reconcile, it compares what should be with what is.
                    _ => Ok(()),
                };
                match (read, is_malformed(&path)) {
                    (Err(error), false) => faults.push(format!("{path}, which {place} sends, cannot be read: {error}")),
                    (Ok(()), true) => faults.push(format!("{path} is meant to be malformed, and can be read")),
                    _ => {}
                }
            }
        }
    }
    agree(faults);
}
