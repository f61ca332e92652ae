//! The templates, as the other checks ask for them: rules and schedules in one form, whether SAM or we write them out.

use serde_json::{Value, json};
use stage::template;

/// A template under `infra/`.
pub(crate) struct Template {
    /// The side that it deploys.
    side: &'static str,
    body: Value,
}

/// A rule or a schedule: what sets it off and where it sends.
pub(crate) struct Trigger<'a> {
    /// Its logical id; SAM makes one of the function's and the event's.
    pub(crate) id: String,
    /// The function that it belongs to, for what stands under a function's `Events`.
    pub(crate) function: Option<&'a str>,
    /// Its properties.
    pub(crate) properties: &'a Value,
    /// Its targets, each with retry policy and dead-letter queue.
    pub(crate) targets: Vec<&'a Value>,
}

impl Template {
    /// `infra/sandbox.yaml`.
    pub(crate) fn sandbox() -> Self {
        Self::read("sandbox")
    }

    /// `infra/hub.yaml`.
    pub(crate) fn hub() -> Self {
        Self::read("hub")
    }

    /// Both.
    pub(crate) fn all() -> [Self; 2] {
        [Self::sandbox(), Self::hub()]
    }

    fn read(side: &'static str) -> Self {
        Self { side, body: template::read(side).unwrap() }
    }

    /// Its path.
    pub(crate) fn path(&self) -> String {
        format!("infra/{}.yaml", self.side)
    }

    /// A section, such as `Parameters`: names and contents.
    pub(crate) fn section(&self, name: &str) -> impl Iterator<Item = (&str, &Value)> {
        self.body[name].as_object().into_iter().flatten().map(|(id, content)| (id.as_str(), content))
    }

    /// The value at a JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The resources of a type: logical id and properties.
    pub(crate) fn resources(&self, kind: &str) -> impl Iterator<Item = (&str, &Value)> {
        let of_kind = move |(_, resource): &(&str, &Value)| resource["Type"] == kind;
        self.section("Resources").filter(of_kind).map(|(id, resource)| (id, &resource["Properties"]))
    }

    /// The functions: logical id and the whole resource.
    pub(crate) fn functions(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.section("Resources").filter(|(_, resource)| resource["Type"] == FUNCTION)
    }

    /// A property of a function: its own, or else what `Globals` gives to every function.
    pub(crate) fn property<'a>(&'a self, function: &'a Value, pointer: &str) -> &'a Value {
        let own = function["Properties"].pointer(pointer);
        own.unwrap_or_else(|| self.at(&format!("/Globals/Function{pointer}")))
    }

    /// The rules.
    pub(crate) fn rules(&self) -> Vec<Trigger<'_>> {
        let written_out = self.resources("AWS::Events::Rule").map(|(id, properties)| Trigger {
            id: id.to_owned(),
            function: None,
            properties,
            targets: properties["Targets"].as_array().into_iter().flatten().collect(),
        });
        written_out.chain(self.events_of_functions("EventBridgeRule")).collect()
    }

    /// The schedules.
    pub(crate) fn schedules(&self) -> Vec<Trigger<'_>> {
        let written_out = self.resources("AWS::Scheduler::Schedule").map(|(id, properties)| Trigger {
            id: id.to_owned(),
            function: None,
            properties,
            targets: vec![&properties["Target"]],
        });
        written_out.chain(self.events_of_functions("ScheduleV2")).collect()
    }

    fn events_of_functions(&self, kind: &'static str) -> impl Iterator<Item = Trigger<'_>> {
        self.functions().flat_map(move |(function, resource)| {
            let events = resource["Properties"]["Events"].as_object().into_iter().flatten();
            events.filter(move |(_, event)| event["Type"] == kind).map(move |(event, body)| Trigger {
                id: format!("{function}{event}"),
                function: Some(function),
                properties: &body["Properties"],
                targets: vec![&body["Properties"]],
            })
        })
    }
}

const FUNCTION: &str = "AWS::Serverless::Function";

/// `!Ref id`.
pub(crate) fn reference(id: &str) -> Value {
    json!({ "Ref": id })
}

/// `!GetAtt id.Arn`.
pub(crate) fn arn(id: &str) -> Value {
    json!({ "Fn::GetAtt": [id, "Arn"] })
}

/// The hub's account id, as the template of a sandbox takes it from the ARN of the hub's bus.
pub(crate) fn hub_account() -> Value {
    json!({ "Fn::Select": [4, { "Fn::Split": [":", reference("HubBusArn")] }] })
}

/// The logical id in `!GetAtt id.Arn`.
pub(crate) fn id_of_arn(value: &Value) -> Option<&str> {
    let attribute = value["Fn::GetAtt"].as_array()?;
    (attribute.get(1)? == "Arn").then(|| attribute.first()?.as_str())?
}

/// A value that is one item or a list of them, as a list. What is there under a condition counts as there.
pub(crate) fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(held).collect(),
        item => vec![held(item)],
    }
}

/// What `!If` gives where its condition holds; any other value as it is.
fn held(value: &Value) -> &Value {
    match &value["Fn::If"] {
        Value::Array(branches) => branches.get(1).unwrap_or(value),
        _ => value,
    }
}
