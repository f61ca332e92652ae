//! Who started a resource, out of what CloudTrail says about the call that created it.
//!
//! What a service says itself (a tag, a `CreatedBy`) comes first and needs none of this. CloudTrail delivers minutes
//! late and best effort, so the owner may follow in a later event of the same finding, and may never come.

use serde_json::Value;

use crate::event::Resource;

/// Who made a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// What people know them by: the source identity (in Studio the user profile's name), else the session's or the
    /// user's name, else the ARN.
    pub name: String,
    /// The ARN of the principal, where there is one.
    pub principal: Option<String>,
}

/// The CloudTrail event of the call that creates a resource of this kind; `None` where no call does, or where the
/// service itself always says who it was.
pub fn created_by(resource_kind: &str) -> Option<&'static str> {
    Some(match resource_kind {
        "query" => "StartQueryExecution",
        "workgroup" => "CreateWorkGroup",
        "cluster" => "RunJobFlow",
        "step" | "pending step" => "AddJobFlowSteps",
        "pipeline" => "CreatePipeline",
        "pipeline execution" => "StartPipelineExecution",
        "training job" => "CreateTrainingJob",
        "processing job" => "CreateProcessingJob",
        "transform job" => "CreateTransformJob",
        "tuning job" => "CreateHyperParameterTuningJob",
        "automl job" => "CreateAutoMLJobV2",
        "notebook instance" => "StartNotebookInstance",
        "app" => "CreateApp",
        "space" => "CreateSpace",
        "endpoint" => "CreateEndpoint",
        "domain" => "CreateDomain",
        "session" => "CreateSession",
        "job run" => "StartJobRun",
        _ => return None,
    })
}

/// Who made the call that a CloudTrail record tells of, if it created this resource: the record must be of the call
/// that does, and its response (or, where that says nothing, its request) must name the resource's id.
pub fn owner_in(record: &Value, resource: &Resource) -> Option<Owner> {
    let at = |key: &str| record.get(key).unwrap_or(&Value::Null);
    if at("eventName").as_str() != created_by(&resource.kind) || at("errorCode").is_string() {
        return None;
    }
    // A step's id here begins with its cluster's, a job run's with its job's; the service names the rest alone.
    let id = match resource.kind.as_str() {
        "step" | "pending step" | "job run" => resource.id.rsplit('/').next().unwrap_or_default(),
        _ => &resource.id,
    };
    let response = at("responseElements");
    let names = if response.is_null() { mentions(at("requestParameters"), id) } else { mentions(response, id) };
    names.then(|| identity(at("userIdentity"))).flatten()
}

/// Whether a text somewhere in this JSON is the id, or an ARN that ends with it; some services write names small there.
fn mentions(json: &Value, id: &str) -> bool {
    match json {
        Value::String(text) => {
            let (text, id) = (text.to_ascii_lowercase(), id.to_ascii_lowercase());
            text.strip_suffix(&id).is_some_and(|rest| rest.is_empty() || rest.ends_with(['/', ':']))
        }
        Value::Array(items) => items.iter().any(|item| mentions(item, id)),
        Value::Object(members) => members.values().any(|member| mentions(member, id)),
        _ => false,
    }
}

fn identity(user: &Value) -> Option<Owner> {
    let text = |pointer: &str| user.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let principal = text("/arn").or_else(|| text("/principalId")).or_else(|| text("/invokedBy"));
    let source = text("/sessionContext/sourceIdentity").or_else(|| text("/sourceIdentity"));
    // The last step of an assumed role's ARN is the session's name, of a user's the user's.
    let short = || text("/userName").or_else(|| principal?.rsplit('/').next());
    let name = source.or_else(short)?;
    Some(Owner { name: name.to_owned(), principal: principal.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(kind: &str, id: &str) -> Resource {
        Resource { kind: kind.to_owned(), id: id.to_owned() }
    }

    fn record(name: &str, identity: Value, request: Value, response: Value) -> Value {
        json!({"eventName": name, "userIdentity": identity, "requestParameters": request, "responseElements": response})
    }

    fn studio() -> Value {
        json!({
            "type": "AssumedRole",
            "arn": "arn:aws:sts::111111111111:assumed-role/StudioExecution/SageMaker",
            "sessionContext": {"sourceIdentity": "ana"}
        })
    }

    #[track_caller]
    fn check(kind: &str, id: &str, record: &Value, expected: Option<(&str, Option<&str>)>) {
        let found = owner_in(record, &resource(kind, id));
        let found = found.as_ref().map(|owner| (owner.name.as_str(), owner.principal.as_deref()));
        assert_eq!(found, expected, "{kind} `{id}`");
    }

    #[test]
    fn the_call_that_created_it_names_the_owner() {
        let session = json!({"type": "AssumedRole", "arn": "arn:aws:sts::111111111111:assumed-role/DataScientist/jo"});
        let jo = Some(("jo", Some("arn:aws:sts::111111111111:assumed-role/DataScientist/jo")));
        let run = |identity: &Value| record("RunJobFlow", identity.clone(), json!({}), json!({"jobFlowId": "j-1"}));
        check("cluster", "j-1", &run(&session), jo);
        let ana = Some(("ana", Some("arn:aws:sts::111111111111:assumed-role/StudioExecution/SageMaker")));
        check("cluster", "j-1", &run(&studio()), ana);
        let user = json!({"type": "IAMUser", "userName": "eve", "arn": "arn:aws:iam::111111111111:user/people/eve"});
        check("cluster", "j-1", &run(&user), Some(("eve", Some("arn:aws:iam::111111111111:user/people/eve"))));
        let service = json!({"type": "AWSService", "invokedBy": "scheduler.amazonaws.com"});
        check("cluster", "j-1", &run(&service), Some(("scheduler.amazonaws.com", Some("scheduler.amazonaws.com"))));
        check("cluster", "j-1", &run(&json!({})), None);

        let step = record("AddJobFlowSteps", session.clone(), json!({}), json!({"stepIds": ["s-0", "s-1"]}));
        check("step", "j-1/s-1", &step, jo);
        let arn = "arn:aws:sagemaker:eu-west-1:111111111111:training-job/fit";
        let job = record("CreateTrainingJob", session.clone(), json!({}), json!({"trainingJobArn": arn}));
        check("training job", "training-job/fit", &job, jo);
        check("training job", "training-job/it", &job, None);
        check("training job", "training-job/Fit", &job, jo);
        // The answer to StartNotebookInstance is empty; its request names the instance.
        let start = record("StartNotebookInstance", session, json!({"notebookInstanceName": "nb"}), Value::Null);
        check("notebook instance", "nb", &start, jo);
    }

    #[test]
    fn another_call_or_another_resource_names_nobody() {
        let run = record("RunJobFlow", studio(), json!({}), json!({"jobFlowId": "j-1"}));
        check("cluster", "j-2", &run, None);
        check("query", "j-1", &run, None);
        check("model package", "j-1", &run, None);
        let mut refused = run;
        refused["errorCode"] = json!("AccessDenied");
        check("cluster", "j-1", &refused, None);
        for nonsense in [json!(null), json!([]), json!("x"), json!({"eventName": 3})] {
            check("cluster", "j-1", &nonsense, None);
        }
    }
}
