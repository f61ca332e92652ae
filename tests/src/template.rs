//! The SAM templates as data: YAML with CloudFormation's short forms, read into JSON with the long ones.

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

/// Does what `sam build` and `sam package` do, and nothing else: each function's code comes from where its binary's
/// package was uploaded.
pub fn packaged(mut template: Value, bucket: &str, key_of: impl Fn(&str) -> String) -> Value {
    for resource in template["Resources"].as_object_mut().into_iter().flat_map(|resources| resources.values_mut()) {
        let Some(binary) = resource["Metadata"]["BuildProperties"]["Binary"].as_str().map(str::to_owned) else {
            continue;
        };
        resource["Properties"]["CodeUri"] = Value::String(format!("s3://{bucket}/{}", key_of(&binary)));
    }
    template
}
