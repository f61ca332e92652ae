//! One AWS account on the stage, spoken to over plain HTTP.
//!
//! MiniStack takes an account's id as its access key, and the signatures of the tests are taken for good, so no SDK is
//! needed here, and none is compiled for it.

mod buckets;
mod databases;
mod roles;
mod schedules;
mod workflows;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::{Map, Value, json};

use crate::StageError;

pub use workflows::{Execution, Occurrence};

/// An account, as its root or as a session of one of its roles.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id, 12 digits.
    pub id: String,
    /// The Region.
    pub region: String,
    endpoint: String,
    caller: Caller,
    http: Client,
}

/// Who calls.
#[derive(Clone, Debug)]
enum Caller {
    /// The root of the account; its id is the access key.
    Root,
    /// A session of a role.
    Session {
        /// Its access key.
        key: String,
        /// Its token, which tells that the key is one's own.
        token: String,
    },
}

impl Account {
    /// The account with this id behind `endpoint`.
    pub fn new(id: &str, region: &str, endpoint: &str) -> Self {
        // CloudFormation answers a create when everything is made; nothing on the stage takes longer than this.
        let http = Client::builder().timeout(Duration::from_secs(60)).build().unwrap_or_default();
        Self { id: id.to_owned(), region: region.to_owned(), endpoint: endpoint.to_owned(), caller: Caller::Root, http }
    }

    fn sign(&self, request: RequestBuilder, service: &str) -> RequestBuilder {
        let (key, request) = match &self.caller {
            Caller::Root => (&self.id, request),
            Caller::Session { key, token } => (key, request.header("X-Amz-Security-Token", token)),
        };
        let credential = format!("{key}/20260101/{}/{service}/aws4_request", self.region);
        request.header(
            "Authorization",
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00"),
        )
    }

    fn send(&self, request: RequestBuilder, what: &str) -> Result<Response, StageError> {
        let failed = |message: String| StageError::Call { what: what.to_owned(), message };
        let response = request.send().map_err(|error| failed(error.to_string()))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        Err(failed(format!("{status}: {}", response.text().unwrap_or_default())))
    }

    /// Calls an operation of a service that speaks AWS JSON, such as `AmazonSSM.PutParameter`.
    ///
    /// # Errors
    /// With AWS's answer when the call is refused.
    pub fn json(&self, service: &str, target: &str, body: &Value) -> Result<Value, StageError> {
        let version = if service == "dynamodb" { "1.0" } else { "1.1" };
        let request = self.http.post(&self.endpoint).header("X-Amz-Target", target);
        let request =
            request.header("Content-Type", format!("application/x-amz-json-{version}")).body(body.to_string());
        let response = self.send(self.sign(request, service), target)?;
        let text = response.text().unwrap_or_default();
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Sets a parameter.
    ///
    /// # Errors
    /// When it is refused.
    pub fn put_parameter(&self, name: &str, value: &str) -> Result<(), StageError> {
        let body = json!({"Name": name, "Value": value, "Type": "String", "Overwrite": true});
        self.json("ssm", "AmazonSSM.PutParameter", &body).map(drop)
    }

    /// Puts one event on a bus.
    ///
    /// # Errors
    /// When it is refused.
    pub fn put_event(&self, bus: &str, source: &str, detail_type: &str, detail: &Value) -> Result<(), StageError> {
        let entry =
            json!({"EventBusName": bus, "Source": source, "DetailType": detail_type, "Detail": detail.to_string()});
        let answer = self.json("events", "AWSEvents.PutEvents", &json!({"Entries": [entry]}))?;
        match answer["FailedEntryCount"].as_u64() {
            Some(0) => Ok(()),
            _ => Err(StageError::Call { what: "AWSEvents.PutEvents".to_owned(), message: answer.to_string() }),
        }
    }

    /// All items of a table, with plain JSON values in place of typed attributes.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn items(&self, table: &str) -> Result<Vec<Map<String, Value>>, StageError> {
        let mut items = Vec::new();
        let mut from = Value::Null;
        loop {
            let mut body = json!({"TableName": table, "ConsistentRead": true});
            if !from.is_null() {
                body["ExclusiveStartKey"] = from;
            }
            let page = self.json("dynamodb", "DynamoDB_20120810.Scan", &body)?;
            items.extend(page["Items"].as_array().into_iter().flatten().filter_map(plain));
            from = page["LastEvaluatedKey"].clone();
            if from.is_null() {
                return Ok(items);
            }
        }
    }

    /// The item of a table with this key, with plain JSON values in place of typed attributes; none if there is none.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn item(&self, table: &str, key: &[(&str, &str)]) -> Result<Option<Map<String, Value>>, StageError> {
        let key: Map<String, Value> = key.iter().map(|(name, text)| ((*name).to_owned(), json!({"S": text}))).collect();
        let body = json!({"TableName": table, "Key": key, "ConsistentRead": true});
        let answer = self.json("dynamodb", "DynamoDB_20120810.GetItem", &body)?;
        Ok(plain(&answer["Item"]))
    }

    /// Creates a stack from the template at a URL of S3, and waits until it stands.
    ///
    /// # Errors
    /// With the reason of the first resource that failed.
    pub fn create_stack(
        &self,
        name: &str,
        template_url: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<(), StageError> {
        let mut form = vec![
            ("Action".to_owned(), "CreateStack".to_owned()),
            ("Version".to_owned(), "2010-05-15".to_owned()),
            ("StackName".to_owned(), name.to_owned()),
            ("TemplateURL".to_owned(), template_url.to_owned()),
            ("Capabilities.member.1".to_owned(), "CAPABILITY_IAM".to_owned()),
            ("Capabilities.member.2".to_owned(), "CAPABILITY_AUTO_EXPAND".to_owned()),
        ];
        for (index, (key, value)) in parameters.iter().enumerate() {
            form.push((format!("Parameters.member.{}.ParameterKey", index + 1), key.clone()));
            form.push((format!("Parameters.member.{}.ParameterValue", index + 1), value.clone()));
        }
        self.cloudformation(&form)?;
        let describe = [
            ("Action".to_owned(), "DescribeStackEvents".to_owned()),
            ("Version".to_owned(), "2010-05-15".to_owned()),
            ("StackName".to_owned(), name.to_owned()),
        ];
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            let events = self.cloudformation(&describe)?;
            if events.contains("<ResourceStatus>CREATE_FAILED<")
                || events.contains("<ResourceStatus>ROLLBACK_COMPLETE<")
            {
                return Err(StageError::Call { what: format!("stack `{name}`"), message: events });
            }
            let stack_stands = events.split("<member>").any(|event| {
                event.contains("<ResourceType>AWS::CloudFormation::Stack<")
                    && event.contains("<ResourceStatus>CREATE_COMPLETE<")
            });
            if stack_stands {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(StageError::Call { what: format!("stack `{name}`"), message: "it did not stand after 60 s".to_owned() })
    }

    fn cloudformation(&self, form: &[(String, String)]) -> Result<String, StageError> {
        self.text(self.sign(self.http.post(&self.endpoint).form(form), "cloudformation"), "cloudformation")
    }

    /// Calls an operation of a service that speaks Query, such as `ListRoles` of `iam`; gives the answer's XML.
    ///
    /// # Errors
    /// With AWS's answer when the call is refused.
    pub fn query(&self, service: &str, version: &str, form: &[(&str, &str)]) -> Result<String, StageError> {
        let form: Vec<_> = form.iter().copied().chain([("Version", version)]).collect();
        self.text(self.sign(self.http.post(&self.endpoint).form(&form), service), service)
    }

    fn text(&self, request: RequestBuilder, what: &str) -> Result<String, StageError> {
        let response = self.send(request, what)?;
        response.text().map_err(|error| StageError::Call { what: what.to_owned(), message: error.to_string() })
    }

    /// The lines that a function has logged.
    ///
    /// # Errors
    /// When there is no such log.
    pub fn log(&self, function: &str) -> Result<Vec<String>, StageError> {
        let body = json!({"logGroupName": format!("/aws/lambda/{function}")});
        let answer = self.json("logs", "Logs_20140328.FilterLogEvents", &body)?;
        let messages = answer["events"].as_array().into_iter().flatten().filter_map(|event| event["message"].as_str());
        Ok(messages.flat_map(str::lines).map(str::to_owned).collect())
    }

    /// Ends a function's warm processes, as a change of its configuration does.
    ///
    /// # Errors
    /// When there is no such function.
    pub fn restart(&self, function: &str) -> Result<(), StageError> {
        self.configure(function, &json!({"MemorySize": 128}))
    }

    /// Lets a function run for so many seconds at most, and ends its warm processes.
    ///
    /// # Errors
    /// When there is no such function.
    pub fn allow_seconds(&self, function: &str, seconds: u32) -> Result<(), StageError> {
        self.configure(function, &json!({"Timeout": seconds}))
    }

    /// Sets variables of a function's environment beside those it has, and ends its warm processes.
    ///
    /// # Errors
    /// When there is no such function.
    pub fn set_environment(&self, function: &str, variables: &[(&str, &str)]) -> Result<(), StageError> {
        let url = format!("{}/2015-03-31/functions/{function}/configuration", self.endpoint);
        let answer = self.send(self.sign(self.http.get(url), "lambda"), "lambda:GetFunctionConfiguration")?;
        let answer: Value = answer.json().unwrap_or_default();
        let mut environment = answer["Environment"].clone();
        for (name, value) in variables {
            environment["Variables"][*name] = json!(value);
        }
        self.configure(function, &json!({"Environment": environment}))
    }

    fn configure(&self, function: &str, change: &Value) -> Result<(), StageError> {
        let url = format!("{}/2015-03-31/functions/{function}/configuration", self.endpoint);
        let request = self.http.put(url).body(change.to_string());
        self.send(self.sign(request, "lambda"), "lambda:UpdateFunctionConfiguration").map(drop)
    }

    /// Invokes a function and waits for its answer.
    ///
    /// # Errors
    /// With what the function reported when it fails.
    pub fn invoke(&self, function: &str, event: &Value) -> Result<Value, StageError> {
        let response = self.send(self.invocation(function, event), function)?;
        let failed = response.headers().contains_key("X-Amz-Function-Error");
        let answer: Value = response.json().unwrap_or_default();
        if failed {
            return Err(StageError::Call { what: function.to_owned(), message: answer.to_string() });
        }
        Ok(answer)
    }

    /// Hands a function an event as schedules and rules do, without waiting for what becomes of it.
    ///
    /// # Errors
    /// When the function does not take it.
    pub fn invoke_unattended(&self, function: &str, event: &Value) -> Result<(), StageError> {
        self.send(self.invocation(function, event).header("X-Amz-Invocation-Type", "Event"), function).map(drop)
    }

    fn invocation(&self, function: &str, event: &Value) -> RequestBuilder {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.endpoint);
        // A watch on vigil answers after minutes.
        self.sign(self.http.post(url).timeout(Duration::from_secs(200)).body(event.to_string()), "lambda")
    }
}

/// Whether a call was allowed, where the only question is that: another refusal than "access denied" stays an error.
///
/// # Errors
/// With any other error than that.
pub fn allowed<T>(answer: Result<T, StageError>) -> Result<bool, StageError> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.is_access_denied() => Ok(false),
        Err(error) => Err(error),
    }
}

/// The contents of every element with this name in an answer of a Query service.
fn elements<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).filter_map(|rest| rest.split(&close).next()).collect()
}

/// The content of the first element with this name, empty if there is none.
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    elements(xml, name).into_iter().next().unwrap_or_default()
}

/// The plain value of a DynamoDB item.
fn plain(item: &Value) -> Option<Map<String, Value>> {
    let plain = |(key, typed): (&String, &Value)| {
        let (kind, value) = typed.as_object()?.iter().next()?;
        let value = match kind.as_str() {
            "N" => serde_json::from_str(value.as_str()?).ok()?,
            _ => value.clone(),
        };
        Some((key.clone(), value))
    };
    Some(item.as_object()?.iter().filter_map(plain).collect())
}
