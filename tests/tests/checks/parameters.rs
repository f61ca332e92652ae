//! Parameters: those of the templates explain themselves, and those in Parameter Store begin as the catalogue says.

use guardrail::catalogue;
use guardrail::config::{Parameter, Setting};
use guardrail::{Guardrail, Levels};
use serde_json::Value;

use crate::agree;
use crate::code::pascal_case;
use crate::differences;
use crate::template::{Template, list};

/// The settings of a guardrail that the sandbox's template gives a starting value.
const SETTINGS: &[&str] = &["limit", "levels", "mode"];

/// The template's parameter for a setting: `AthenaQueryRuntimeLimit`.
fn parameter_of(guardrail: &Guardrail, setting: &str) -> String {
    pascal_case(guardrail.id) + &pascal_case(setting)
}

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
fn a_new_sandbox_observes_keeps_vigil_and_runs_on_arm() {
    let (sandbox, hub) = (Template::sandbox(), Template::hub());
    let expected = [
        (&sandbox, "AthenaQueryRuntimeMode", "observe"),
        (&sandbox, "Vigil", "on"),
        (&sandbox, "Architecture", "arm64"),
        (&sandbox, "DeletionProtection", "on"),
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
fn parameter_store_begins_with_the_defaults_of_the_catalogue() {
    let sandbox = Template::sandbox();
    let mut faults = Vec::new();
    for guardrail in catalogue::all() {
        for setting in SETTINGS {
            let parameter = parameter_of(guardrail, setting);
            let name = format!("{}/{setting}", guardrail.parameter_path());
            let stored = sandbox.at(&format!("/Resources/{parameter}Parameter/Properties"));
            if stored["Name"] != name || stored["Value"] != crate::template::reference(&parameter) {
                faults.push(format!(
                    "`{parameter}Parameter` in infra/sandbox.yaml does not put `{parameter}` into `{name}`"
                ));
            }
            let default = sandbox.at(&format!("/Parameters/{parameter}/Default")).as_str().unwrap_or_default();
            let expected = match *setting {
                "limit" => Setting::Limit(guardrail.default_limit.quantity()),
                "levels" => Setting::Levels(Levels::new(guardrail.default_levels).unwrap()),
                _ => Setting::Mode(guardrail.default_mode),
            };
            match Parameter::parse(&name, default) {
                Ok(Parameter::Setting(_, None, found)) if found == expected => {}
                found => faults.push(format!(
                    "`{parameter}` in infra/sandbox.yaml is {found:?} by default, the catalogue says {expected:?}"
                )),
            }
        }
    }
    let names = catalogue::all()
        .flat_map(|guardrail| SETTINGS.iter().map(|setting| parameter_of(guardrail, setting) + "Parameter"));
    let stored = sandbox.resources("AWS::SSM::Parameter").map(|(id, _)| id);
    faults.extend(differences(("infra/sandbox.yaml", stored), ("what the catalogue needs", names.collect::<Vec<_>>())));
    agree(faults);
}

/// What becomes of a value that somebody gives to the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is deployed and obeyed.
    Obeyed,
    /// CloudFormation refuses to deploy it.
    Refused,
    /// CloudFormation refuses it, though Parameter Store may hold it: the template asks for the plainer form.
    RefusedThoughGood,
    /// It is deployed and then rejected by the functions, since a pattern cannot say what is wrong with it.
    Rejected,
}

/// Holds what the template takes, and what the code obeys, against a table.
fn check(setting: &str, fates: &[(Fate, &[&str])]) {
    let sandbox = Template::sandbox();
    let mut faults = Vec::new();
    for guardrail in catalogue::all() {
        let parameter = parameter_of(guardrail, setting);
        let definition = sandbox.at(&format!("/Parameters/{parameter}"));
        let pattern = definition["AllowedPattern"].as_str().map(|pattern| fancy_regex::Regex::new(pattern).unwrap());
        let takes = |value: &str| match &pattern {
            Some(pattern) => pattern.is_match(value).unwrap(),
            None => list(&definition["AllowedValues"]).contains(&&Value::from(value)),
        };
        let name = format!("{}/{setting}", guardrail.parameter_path());
        for (expected, values) in fates {
            for value in *values {
                let found = match (takes(value), Parameter::parse(&name, value).is_ok()) {
                    (true, true) => Fate::Obeyed,
                    (true, false) => Fate::Rejected,
                    (false, true) => Fate::RefusedThoughGood,
                    (false, false) => Fate::Refused,
                };
                if found != *expected {
                    faults.push(format!("`{parameter}` = `{value}` is {found:?}, expected {expected:?}"));
                }
            }
        }
    }
    agree(faults);
}

#[test]
fn the_template_takes_no_limit_that_is_empty_zero_or_negative() {
    check(
        "limit",
        &[
            (Fate::Obeyed, &["30m", "2h", "90s", "1s", "600m", "PT30M", "PT1H30M", "PT90S", "030m"]),
            (Fate::RefusedThoughGood, &["1h30m", "1h 30m", " 30m "]),
            (Fate::Rejected, &["601m", "11h", "PT11H", "999999h"]),
            (
                Fate::Refused,
                &[
                    "", " ", "0", "0s", "00m", "PT0S", "PT0H0M", "PT", "-5m", "-PT5M", "PT-5M", "30", "soon", "1d",
                    "30m ago", "0.5s",
                ],
            ),
        ],
    );
}

#[test]
fn the_template_takes_no_levels_that_are_empty_zero_negative_or_without_the_limit() {
    check(
        "levels",
        &[
            (Fate::Obeyed, &["75,95,100", "100", "50,100,150", "1,2,3,4,5,6,7,8,9,100"]),
            (Fate::RefusedThoughGood, &["75, 95, 100", "100,1000"]),
            (Fate::Rejected, &["95,75,100", "75,75,100", "100,75"]),
            (
                Fate::Refused,
                &[
                    "",
                    "0",
                    "0,100",
                    "-5,100",
                    "75,95",
                    "100,",
                    ",100",
                    "75,,100",
                    "75;100",
                    "75%,100",
                    "1000",
                    "a",
                    "1,2,3,4,5,6,7,8,9,10,100",
                ],
            ),
        ],
    );
}

#[test]
fn the_template_takes_the_modes_that_there_are() {
    check(
        "mode",
        &[
            (Fate::Obeyed, &["off", "observe", "enforce"]),
            (Fate::Refused, &["", "on", "Enforce", "enfroce", "dry-run"]),
        ],
    );
}
