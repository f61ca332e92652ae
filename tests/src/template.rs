//! The SAM templates as data: YAML with CloudFormation's short forms, read into JSON with the long ones.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use serde_norway::Value as Yaml;

use crate::StageError;

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Reads `infra/<name>.yaml`.
///
/// # Errors
/// When it is not YAML.
pub fn read(name: &str) -> Result<Value, StageError> {
    let path = repository().join("infra").join(format!("{name}.yaml"));
    let fault = |message: String| StageError::Template { path: path.clone(), message };
    let text = std::fs::read_to_string(&path).map_err(|error| fault(error.to_string()))?;
    let yaml: Yaml = serde_norway::from_str(&text).map_err(|error| fault(error.to_string()))?;
    long_form(yaml).ok_or_else(|| fault("it has a key that is no text".to_owned()))
}

/// `!Ref x` becomes `{"Ref": x}`, `!Sub x` becomes `{"Fn::Sub": x}`, and so on.
fn long_form(yaml: Yaml) -> Option<Value> {
    Some(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::Number(number) => serde_json::to_value(&number).ok()?,
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(long_form).collect::<Option<_>>()?),
        Yaml::Mapping(map) => {
            let entries = map.into_iter().map(|(key, value)| Some((key.as_str()?.to_owned(), long_form(value)?)));
            Value::Object(entries.collect::<Option<Map<_, _>>>()?)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let value = long_form(tagged.value)?;
            match tag.trim_start_matches('!') {
                "Ref" => json!({"Ref": value}),
                "Condition" => json!({"Condition": value}),
                // `!GetAtt A.b` names the attribute behind the first dot.
                "GetAtt" => match value.as_str().and_then(|text| text.split_once('.')) {
                    Some((resource, attribute)) => json!({"Fn::GetAtt": [resource, attribute]}),
                    None => json!({"Fn::GetAtt": value}),
                },
                function => json!({format!("Fn::{function}"): value}),
            }
        }
    })
}

/// The functions of a template: logical id and properties of each, with the binary it is built from.
pub fn functions(template: &Value) -> Vec<(&str, &str, &Value)> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    resources
        .filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function")
        .filter_map(|(id, resource)| {
            let binary = resource["Metadata"]["BuildProperties"]["Binary"].as_str()?;
            Some((id.as_str(), binary, &resource["Properties"]))
        })
        .collect()
}

/// The state machines of a template: logical id of each, and the path of its definition below `infra/`.
pub fn workflows(template: &Value) -> Vec<(&str, &str)> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    resources
        .filter(|(_, resource)| resource["Type"] == "AWS::Serverless::StateMachine")
        .filter_map(|(id, resource)| Some((id.as_str(), resource["Properties"]["DefinitionUri"].as_str()?)))
        .collect()
}

/// Does what `sam build` and `sam package` do, and nothing else: each function's code comes from where its binary's
/// package was uploaded, and each state machine's definition from where its file was, under the path that it has.
pub fn packaged(mut template: Value, bucket: &str, key_of: impl Fn(&str) -> String) -> Value {
    for resource in template["Resources"].as_object_mut().into_iter().flat_map(|resources| resources.values_mut()) {
        let binary = resource["Metadata"]["BuildProperties"]["Binary"].as_str().map(&key_of);
        let definition = resource["Properties"]["DefinitionUri"].as_str().map(str::to_owned);
        if let Some(key) = binary {
            resource["Properties"]["CodeUri"] = Value::String(format!("s3://{bucket}/{key}"));
        } else if let Some(key) = definition {
            resource["Properties"]["DefinitionUri"] = Value::String(format!("s3://{bucket}/{key}"));
        }
    }
    template
}

/// The template cut to these resources and those that they need, whichever way they name them: with `Ref`, `GetAtt`,
/// `Sub` or `DependsOn`, or through what `Globals` gives every function. Outputs that name others go too.
///
/// What only names a resource, such as a policy of a bus or a rule, is not needed by it: list it among the roots.
pub fn only(mut template: Value, roots: &[&str]) -> Value {
    let Some(resources) = template["Resources"].as_object() else { return template };
    let mut kept = BTreeSet::new();
    let mut open: Vec<String> = roots.iter().map(|root| (*root).to_owned()).collect();
    while let Some(id) = open.pop() {
        let Some(resource) = resources.get(&id) else { continue };
        open.extend(named(resource));
        if resource["Type"] == "AWS::Serverless::Function" {
            open.extend(named(&template["Globals"]));
        }
        kept.insert(id);
        open.retain(|id| !kept.contains(id));
    }
    let stays = |value: &Value| named(value).iter().all(|id| kept.contains(id) || !resources.contains_key(id));
    let outputs = template["Outputs"].as_object().into_iter().flatten().filter(|(_, output)| stays(output));
    let outputs: Map<String, Value> = outputs.map(|(name, output)| (name.clone(), output.clone())).collect();
    if let Some(resources) = template["Resources"].as_object_mut() {
        resources.retain(|id, _| kept.contains(id));
    }
    if let Some(template) = template.as_object_mut() {
        template.remove("Outputs");
        if !outputs.is_empty() {
            template.insert("Outputs".to_owned(), outputs.into());
        }
    }
    template
}

/// What a part of a template names: resources, parameters and pseudo parameters alike.
fn named(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match value {
        Value::Array(items) => items.iter().flat_map(named).collect(),
        Value::Object(members) => members
            .iter()
            .flat_map(|(member, value)| match (member.as_str(), value) {
                ("Ref", Value::String(id)) => vec![id.clone()],
                ("DependsOn", Value::String(id)) => vec![id.clone()],
                ("DependsOn", Value::Array(ids)) => ids.iter().filter_map(text).collect(),
                ("Fn::GetAtt", Value::Array(path)) => path.first().and_then(text).into_iter().collect(),
                ("Fn::Sub", Value::String(text)) => placeholders(text),
                ("Fn::Sub", Value::Array(parts)) => {
                    let text = parts.first().and_then(Value::as_str).unwrap_or_default();
                    parts.iter().flat_map(named).chain(placeholders(text)).collect()
                }
                _ => named(value),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// What a text for `Sub` names: `${Id}` and `${Id.Attribute}`, but not `${!literally}`.
fn placeholders(text: &str) -> Vec<String> {
    let inside = text.split("${").skip(1).filter_map(|rest| rest.split('}').next());
    inside.filter(|name| !name.starts_with('!')).filter_map(|name| name.split('.').next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Value {
        json!({
            "Globals": {"Function": {"Environment": {"Variables": {"LEDGER": {"Ref": "Ledger"}}}}},
            "Resources": {
                "Watch": {"Type": "AWS::Serverless::Function", "Metadata": {"BuildProperties": {"Binary": "watch"}},
                    "Properties": {"Role": {"Fn::GetAtt": ["WatchRole", "Arn"]}}},
                "WatchRole": {"Type": "AWS::IAM::Role",
                    "Properties": {"Resource": {"Fn::Sub": "arn:${AWS::Partition}:${Bus.Arn}/${!Other}/*"}}},
                "Bus": {"Type": "AWS::Events::EventBus", "DependsOn": ["Queue"]},
                "BusPolicy": {"Type": "AWS::Events::EventBusPolicy", "Properties": {"EventBusName": {"Ref": "Bus"}}},
                "Queue": {"Type": "AWS::SQS::Queue"},
                "Ledger": {"Type": "AWS::DynamoDB::Table"},
                "Other": {"Type": "AWS::SQS::Queue"},
                "Stop": {"Type": "AWS::Serverless::StateMachine", "Properties": {
                    "DefinitionUri": "workflows/stop.asl.json",
                    "DefinitionSubstitutions": {"Queue": {"Fn::Sub": ["${name}", {"name": {"Ref": "Queue"}}]}},
                }},
            },
            "Outputs": {"Bus": {"Value": {"Ref": "Bus"}}, "Other": {"Value": {"Ref": "Other"}}},
        })
    }

    fn check(roots: &[&str], resources: &[&str], outputs: &[&str]) {
        let cut = only(template(), roots);
        // As sets, because the order of keys depends on features of serde_json that other packages switch on.
        let names = |section: &str| -> BTreeSet<String> {
            cut[section].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
        };
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(names("Resources"), set(resources), "{roots:?}");
        assert_eq!(names("Outputs"), set(outputs), "{roots:?}");
    }

    #[test]
    fn only_what_is_needed_stays() {
        check(&[], &[], &[]);
        check(&["Other"], &["Other"], &["Other"]);
        check(&["WatchRole"], &["Bus", "Queue", "WatchRole"], &["Bus"]);
        check(&["Watch"], &["Bus", "Ledger", "Queue", "Watch", "WatchRole"], &["Bus"]);
        check(&["BusPolicy"], &["Bus", "BusPolicy", "Queue"], &["Bus"]);
        check(&["Stop"], &["Queue", "Stop"], &[]);
        check(&["Missing"], &[], &[]);
    }

    #[test]
    fn code_and_definitions_come_from_the_bucket() {
        let template = template();
        assert_eq!(workflows(&template), [("Stop", "workflows/stop.asl.json")]);
        let packaged = packaged(template, "packages", |binary| format!("{binary}.zip"));
        let at = |pointer: &str| packaged.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(at("/Resources/Watch/Properties/CodeUri"), "s3://packages/watch.zip");
        assert_eq!(at("/Resources/Stop/Properties/DefinitionUri"), "s3://packages/workflows/stop.asl.json");
        assert_eq!(at("/Resources/Queue/Properties"), Value::Null);
    }
}
