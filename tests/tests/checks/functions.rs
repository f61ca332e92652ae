//! Functions in the templates: names, binaries, environment, logs, failures, rules, schedules, and the one alarm.

use guardrail::Service;
use guardrail::closing::AVAILABILITY;
use serde_json::Value;

use crate::code::{functions, pascal_case};
use crate::template::{Template, arn, id_of_arn, list, reference};
use crate::{agree, differences, tree};

fn binary(function: &Value) -> &str {
    function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap_or_default()
}

#[test]
fn every_function_is_built_from_a_binary_of_its_package_and_bears_its_name() {
    let mut faults = Vec::new();
    let mut deployed = Vec::new();
    for template in Template::all() {
        for (id, function) in template.functions() {
            let binary = binary(function);
            deployed.push(binary.to_owned());
            let place = format!("`{id}` in {}", template.path());
            let mut expect = |what: &str, expected: &str, found: &Value| {
                if found != expected {
                    faults.push(format!("{place}: {what} is {found}, expected `{expected}`"));
                }
            };
            expect("its logical id", &pascal_case(binary), &Value::from(id));
            let properties = &function["Properties"];
            expect("`FunctionName`", &format!("sandbox-guardrails-{binary}"), &properties["FunctionName"]);
            expect("`BuildMethod`", "rust-cargolambda", &function["Metadata"]["BuildMethod"]);
            let code = tree::resolve("infra", properties["CodeUri"].as_str().unwrap_or_default());
            match tree::packages().iter().find(|package| package.folder == code) {
                None => faults.push(format!("{place}: `CodeUri` is the folder `{code}`, where there is no package")),
                Some(package) if !package.binaries.iter().any(|known| known == binary) => {
                    faults.push(format!("{place}: package `{}` has no binary `{binary}`", package.name));
                }
                Some(_) => {}
            }
        }
    }
    for function in functions() {
        let id = function.logical_id();
        if !function.template.functions().any(|(known, _)| known == id) {
            faults.push(format!("`{}` is in no template; it belongs into {}", function.name, function.template.path()));
        }
        let folder = format!("events/{}", function.name);
        if !tree::exists(&folder) || tree::list(&folder).is_empty() {
            faults.push(format!("`{}` has no sample event in {folder}/", function.name));
        }
    }
    let known = functions();
    let known = known.iter().map(|function| function.name);
    faults.extend(differences(("the templates", &deployed), ("`functions()` in tests/tests/checks/code.rs", known)));
    agree(faults);
}

#[test]
fn every_function_is_told_exactly_what_it_reads() {
    let faults = functions().into_iter().flat_map(|function| {
        let (template, id) = (&function.template, function.logical_id());
        let variables = ["/Globals/Function".to_owned(), format!("/Resources/{id}/Properties")]
            .into_iter()
            .filter_map(|place| template.at(&format!("{place}/Environment/Variables")).as_object())
            .flat_map(|variables| variables.keys());
        let place = format!("the environment of `{id}` in {}", template.path());
        differences((&place, variables), (&format!("the settings that `{}` reads", function.name), function.keys()))
    });
    agree(faults);
}

#[test]
fn every_function_logs_into_a_group_of_its_own_for_a_time() {
    let mut faults = Vec::new();
    for template in Template::all() {
        let groups: Vec<(&str, &Value)> = template.resources("AWS::Logs::LogGroup").collect();
        for (id, function) in template.functions() {
            let place = format!("`{id}` in {}", template.path());
            let group = format!("{id}LogGroup");
            if function["Properties"]["LoggingConfig"]["LogGroup"] != reference(&group) {
                faults.push(format!("{place} does not log to `{group}`: set `LoggingConfig.LogGroup: !Ref {group}`"));
            }
            match groups.iter().find(|(known, _)| *known == group) {
                None => faults.push(format!("{place} has no log group `{group}`; Lambda would keep its logs for ever")),
                Some((_, log)) => {
                    if log["LogGroupName"] != format!("/aws/lambda/sandbox-guardrails-{}", binary(function)) {
                        faults.push(format!("`{group}` in {} is not named after the function", template.path()));
                    }
                    if log["RetentionInDays"] != reference("LogRetentionDays") {
                        faults.push(format!("`{group}` in {} does not end after LogRetentionDays", template.path()));
                    }
                }
            }
        }
        if groups.len() != template.functions().count() {
            faults.push(format!("{} has log groups that no function uses", template.path()));
        }
    }
    agree(faults);
}

#[test]
fn a_function_that_fails_for_good_tells_somebody() {
    // On the bus, which in a sandbox brings it to the hub. The console's functions tell a queue: the bus would bring the
    // feed's own failure back to it.
    let console = console::feed::FUNCTION.split('-').next().unwrap();
    let faults = Template::all().into_iter().flat_map(|template| {
        let in_hub = template.path() == Template::hub().path();
        let fails_silently = |(id, function): (&str, &Value)| {
            let (kind, destination) = match in_hub {
                true if binary(function).starts_with(console) => ("SQS", "DeadLetters"),
                true => ("EventBridge", "HubBus"),
                false => ("EventBridge", "GuardrailBus"),
            };
            let on_failure = template.property(function, "/EventInvokeConfig/DestinationConfig/OnFailure");
            let tells = on_failure["Type"] == kind && on_failure["Destination"] == arn(destination);
            (!tells).then(|| format!("`{id}` in {}: `OnFailure` is not `{destination}`", template.path()))
        };
        template.functions().filter_map(fails_silently).collect::<Vec<_>>()
    });
    agree(faults);
}

#[test]
fn every_governed_service_has_a_watch_and_an_enforce() {
    let names = Service::GOVERNED.iter().flat_map(|service| [format!("{service}-watch"), format!("{service}-enforce")]);
    let sandbox = Template::sandbox();
    let deployed = sandbox.functions().map(|(_, function)| binary(function));
    let deployed = deployed.filter(|binary| !binary.starts_with(AVAILABILITY));
    agree(differences(("infra/sandbox.yaml", deployed), ("`Service::GOVERNED`", names)));
}

#[test]
fn a_watch_is_swept_as_often_as_it_is_told_and_outlives_its_vigil() {
    let sandbox = Template::sandbox();
    let default = |parameter: &Value| {
        let name = parameter["Ref"].as_str().unwrap_or_default();
        sandbox.at(&format!("/Parameters/{name}/Default")).clone()
    };
    let schedules = sandbox.schedules();
    let mut faults = Vec::new();
    for (id, function) in sandbox.functions().filter(|(_, function)| binary(function).ends_with("-watch")) {
        let place = format!("`{id}` in {}", sandbox.path());
        let interval = default(sandbox.property(function, "/Environment/Variables/SWEEP_INTERVAL"));
        let interval = interval.as_u64().unwrap_or_default();
        let expected = match interval / 60 {
            1 => "rate(1 minute)".to_owned(),
            minutes => format!("rate({minutes} minutes)"),
        };
        let sweep = schedules.iter().find(|schedule| schedule.id == format!("{id}Sweep"));
        let rate = sweep.map(|sweep| default(&sweep.properties["ScheduleExpression"])).unwrap_or_default();
        if rate != expected {
            faults.push(format!("{place} is swept at {rate}, but told that it is every {interval} s"));
        }
        // A vigil covers two intervals (`vigil::horizon`) and begins after the sweep.
        let timeout = sandbox.property(function, "/Timeout").as_u64().unwrap_or_default();
        if timeout <= 2 * interval {
            faults.push(format!("{place} ends after {timeout} s, before a vigil of two intervals of {interval} s"));
        }
    }
    agree(faults);
}

#[test]
fn nothing_that_is_sent_is_lost() {
    let mut faults = Vec::new();
    for template in Template::all() {
        let (rules, schedules) = (template.rules(), template.schedules());
        for trigger in rules.iter().chain(&schedules) {
            let place = format!("`{}` in {}", trigger.id, template.path());
            if trigger.targets.is_empty() {
                faults.push(format!("{place} has no target"));
            }
            for target in &trigger.targets {
                let retry = &target["RetryPolicy"];
                if retry["MaximumEventAgeInSeconds"].is_null() || retry["MaximumRetryAttempts"].is_null() {
                    faults.push(format!("{place} does not say for how long and how often it tries: set `RetryPolicy`"));
                }
                if target["DeadLetterConfig"]["Arn"] != arn("DeadLetters") {
                    faults
                        .push(format!("{place} loses what it cannot deliver: set `DeadLetterConfig` to `DeadLetters`"));
                }
            }
        }
        // Every way in is one that these checks know.
        let events =
            template.functions().flat_map(|(_, function)| function["Properties"]["Events"].as_object()).flatten();
        for (event, body) in events {
            if !["EventBridgeRule", "ScheduleV2"].iter().any(|known| body["Type"] == *known) {
                faults.push(format!(
                    "event `{event}` in {} is of a type that tests/tests/checks/template.rs does not know",
                    template.path()
                ));
            }
        }
        // EventBridge may only send to the queue for the rules that the queue's policy names. Schedules use their role.
        let allowed = template.at("/Resources/DeadLettersPolicy/Properties/PolicyDocument/Statement/0");
        let allowed = list(&allowed["Condition"]["ArnEquals"]["aws:SourceArn"]);
        let allowed = allowed.into_iter().map(|source| id_of_arn(source).unwrap_or("something without an ARN"));
        let place = format!("`DeadLettersPolicy` in {}", template.path());
        faults.extend(differences((&place, allowed), ("the template's rules", rules.iter().map(|rule| &rule.id))));
    }
    agree(faults);
}

#[test]
fn the_one_alarm_is_at_the_hub_and_watches_what_the_feed_measures() {
    let billed = ["AWS::CloudWatch::", "AWS::Logs::MetricFilter"];
    let sandbox = Template::sandbox();
    let mut faults: Vec<String> = sandbox
        .section("Resources")
        .filter(|(_, resource)| {
            billed.iter().any(|kind| resource["Type"].as_str().is_some_and(|t| t.starts_with(kind)))
        })
        .map(|(id, _)| format!("`{id}` in {}: a sandbox has no alarm and no metric of its own", sandbox.path()))
        .collect();

    let hub = Template::hub();
    let alarms: Vec<(&str, &Value)> = hub.resources("AWS::CloudWatch::Alarm").collect();
    match alarms.as_slice() {
        [(id, alarm)] => {
            let mut expect = |property: &str, expected: Value| {
                if alarm[property] != expected {
                    faults.push(format!(
                        "`{id}` in {}: `{property}` is {}, expected {expected}",
                        hub.path(),
                        alarm[property]
                    ));
                }
            };
            expect("Namespace", console::health::NAMESPACE.into());
            expect("MetricName", console::health::SANDBOXES_UNHEALTHY.into());
            expect("TreatMissingData", "breaching".into());
            // The metric comes with every health check, so each period has exactly one measurement.
            let minutes = alarm["Period"].as_u64().unwrap_or_default() / 60;
            let check = hub.schedules().into_iter().find(|schedule| schedule.id == "ConsoleFeedHealthCheck");
            let rate = check.map(|check| check.properties["ScheduleExpression"].clone()).unwrap_or_default();
            if rate != format!("rate({minutes} minutes)") {
                faults.push(format!(
                    "the health check in {} runs at {rate}, but the alarm's period is {minutes} minutes",
                    hub.path()
                ));
            }
        }
        alarms => faults.push(format!("{} has {} alarms, expected one", hub.path(), alarms.len())),
    }
    agree(faults);
}
