//! Applications of Studio: deleted when the sandbox closes, made anew under the same names when it opens. The files of
//! their spaces and homes stay.
//!
//! All types are treated alike. A `JupyterServer` on the `system` instance costs nothing by itself, but whoever has it
//! open works on with its execution role, however well the user's own role is blocked.

use std::collections::BTreeMap;

use aws_sdk_sagemaker::Client;
use aws_sdk_sagemaker::primitives::DateTime;
use aws_sdk_sagemaker::types::{AppDetails, AppInstanceType, AppType, ResourceSpec};
use futures_util::stream::{self, StreamExt};
use guardrail::Resource;
use jiff::Timestamp;
use lambda::{Aws, CallError, CallErrorKind, Problems};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::jobs::refusal::{self, Order};
use crate::part::{Item, Part, Phase, Switch, Turned, TurnedOff};

/// How many applications a page holds at most; without asking, SageMaker gives ten.
const PAGE: i32 = 100;

/// Calls under way at once.
const CALLS_AT_ONCE: usize = 4;

/// The kind of resource that an application is.
const APP: &str = "app";

/// The state in which an application stays on the list for a day after it was deleted.
const DELETED: &str = "Deleted";

const LIST: &str = "sagemaker:ListApps";
const DESCRIBE: &str = "sagemaker:DescribeApp";
const DELETE: &str = "sagemaker:DeleteApp";
const CREATE: &str = "sagemaker:CreateApp";

/// The applications in all domains of this account.
#[derive(Clone, Debug)]
pub struct Studio {
    client: Client,
}

/// Names an application in a call that takes the names as deleting does.
macro_rules! named {
    ($call:expr, $app:expr) => {
        $call
            .domain_id(&$app.domain_id)
            .set_space_name($app.space_name.clone())
            .set_user_profile_name($app.user_profile_name.clone())
            .app_type(AppType::from($app.app_type.as_str()))
            .app_name(&$app.app_name)
    };
}

impl Studio {
    /// The IAM actions that looking needs.
    pub const LOOK_ACTIONS: &[&str] = &[LIST, DESCRIBE];

    /// The IAM actions that turning off and on needs besides.
    pub const TURN_ACTIONS: &[&str] = &[DELETE, CREATE];

    /// Over a client made from this.
    pub fn new(aws: &Aws) -> Self {
        let config = aws_sdk_sagemaker::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config) }
    }

    /// The applications of all domains by id, but those that were deleted.
    async fn apps(&self) -> Result<BTreeMap<String, Seen>, CallError> {
        let mut apps: BTreeMap<String, Seen> = BTreeMap::new();
        let mut from = None;
        loop {
            let list = self.client.list_apps().max_results(PAGE).set_next_token(from).send();
            let page = list.await.map_err(|error| CallError::of(LIST, &error))?;
            for details in page.apps.unwrap_or_default() {
                let app = Seen::of(details).ok_or_else(|| refusal::incomplete(LIST, "a name or a state"))?;
                if app.state == DELETED {
                    continue;
                }
                let id = app.app.id();
                if apps.get(&id).is_none_or(|known| app.comes_before(known)) {
                    apps.insert(id, app);
                }
            }
            from = page.next_token.filter(|next| !next.is_empty());
            if from.is_none() {
                return Ok(apps);
            }
        }
    }

    /// What an application runs on, where the list does not tell; `None` where it is gone.
    async fn completed(&self, mut seen: Seen) -> Result<Option<Seen>, CallError> {
        if seen.app.resource_spec.is_some() || !matches!(seen.phase, Phase::On | Phase::TurningOn) {
            return Ok(Some(seen));
        }
        match named!(self.client.describe_app(), seen.app).send().await {
            Ok(answer) => {
                seen.app.resource_spec = answer.resource_spec.map(Spec::of);
                Ok(Some(seen))
            }
            Err(error) => refusal::missing_or(CallError::of(DESCRIBE, &error)).map(|()| None),
        }
    }

    /// Where an application stands now; `None` where it does not exist.
    async fn stands(&self, app: &App) -> Result<Option<Phase>, CallError> {
        match named!(self.client.describe_app(), app).send().await {
            Ok(answer) => {
                let state = answer.status.ok_or_else(|| refusal::incomplete(DESCRIBE, "a state"))?;
                Ok((state.as_str() != DELETED).then(|| phase_of(state.as_str())))
            }
            Err(error) => refusal::missing_or(CallError::of(DESCRIBE, &error)).map(|()| None),
        }
    }
}

impl Switch for Studio {
    const PART: Part = Part::Studio;

    /// One item for each id. A space and a user profile of one name may have applications of one id; one stands for both
    /// until it is off, the other after it.
    async fn look(&self) -> Result<Vec<Item>, Problems> {
        let apps = self.apps().await?;
        let completed = stream::iter(apps.into_values()).map(|seen| self.completed(seen));
        let completed: Vec<_> = completed.buffered(CALLS_AT_ONCE).collect().await;
        let mut problems = Problems::default();
        let items: Vec<Item> = completed.into_iter().filter_map(|seen| problems.keep(seen)?).map(Item::from).collect();
        problems.into_result().map(|()| items)
    }

    async fn turn_off(&self, item: &Item, _now: Timestamp) -> Result<Turned, CallError> {
        let Some(app) = item.memo.as_ref().and_then(App::recalled) else { return Ok(forgotten(&item.resource)) };
        let problem = match named!(self.client.delete_app(), app).send().await {
            Ok(_) => return Ok(Turned::Told),
            Err(error) => CallError::of(DELETE, &error),
        };
        if problem.says_unknown() {
            Ok(Turned::Gone)
        } else if problem.kind == CallErrorKind::Invalid {
            refusal::settle(Order::Off, problem, self.stands(&app).await?)
        } else {
            Err(problem)
        }
    }

    async fn turn_on(&self, item: &TurnedOff) -> Result<Turned, CallError> {
        let Some(app) = App::recalled(&item.memo) else { return Ok(forgotten(&item.resource)) };
        let create = named!(self.client.create_app(), app).set_resource_spec(app.resource_spec.clone().map(Spec::sent));
        let problem = match create.send().await {
            Ok(_) => return Ok(Turned::Told),
            Err(error) => CallError::of(CREATE, &error),
        };
        if problem.says_unknown() {
            // Not the application is missed, which is to be made, but what it was made in or from.
            Ok(if names_what_it_is_made_from(&problem) { refusal::no(&problem) } else { Turned::Gone })
        } else if problem.kind == CallErrorKind::Invalid {
            refusal::settle(Order::On, problem, Some(self.stands(&app).await?.unwrap_or(Phase::Off)))
        } else {
            Err(problem)
        }
    }
}

/// Whether it is an image or a lifecycle configuration that SageMaker does not know, rather than the space, the user
/// profile or the domain.
fn names_what_it_is_made_from(problem: &CallError) -> bool {
    let sentence = problem.message.to_ascii_lowercase();
    ["image", "lifecycle"].iter().any(|word| sentence.contains(word))
}

fn forgotten(resource: &Resource) -> Turned {
    Turned::Refused(format!("what is known of `{}` does not name its domain, its owner and its type", resource.id))
}

/// An application as the list shows it.
#[derive(Clone, Debug)]
struct Seen {
    app: App,
    phase: Phase,
    state: String,
    created_at: Option<DateTime>,
}

impl Seen {
    fn of(details: AppDetails) -> Option<Self> {
        let (space_name, user_profile_name) = match (details.space_name, details.user_profile_name) {
            (Some(space), _) => (Some(space), None),
            (None, Some(profile)) => (None, Some(profile)),
            (None, None) => return None,
        };
        let state = details.status?.as_str().to_owned();
        let app = App {
            domain_id: details.domain_id?,
            space_name,
            user_profile_name,
            app_type: details.app_type?.as_str().to_owned(),
            app_name: details.app_name?,
            resource_spec: details.resource_spec.map(Spec::of),
        };
        Some(Self { app, phase: phase_of(&state), state, created_at: details.creation_time })
    }

    /// Whether this one stands for both of one id: what runs before what does not, then the older one.
    fn comes_before(&self, other: &Self) -> bool {
        let rank = |phase| match phase {
            Phase::On => 0,
            Phase::TurningOn => 1,
            Phase::TurningOff => 2,
            Phase::Off => 3,
        };
        (rank(self.phase), self.created_at) < (rank(other.phase), other.created_at)
    }
}

impl From<Seen> for Item {
    fn from(seen: Seen) -> Self {
        Self {
            resource: Resource { kind: APP.to_owned(), id: seen.app.id() },
            phase: seen.phase,
            state: seen.state,
            finishes: false,
            memo: Some(json!(seen.app)),
        }
    }
}

/// What names an application, and what it is made from: all that making it anew asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct App {
    domain_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    space_name: Option<String>,
    /// Whose it is, where it is not in a space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_profile_name: Option<String>,
    app_type: String,
    app_name: String,
    /// None where SageMaker tells nothing; it then takes what is set for the user profile or the domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource_spec: Option<Spec>,
}

impl App {
    /// The one of which this was remembered.
    fn recalled(memo: &Value) -> Option<Self> {
        Self::deserialize(memo).ok().filter(|app| app.owner().is_some())
    }

    /// Its id: `<domain>/<user profile or space>/<type>/<name>`.
    fn id(&self) -> String {
        format!("{}/{}/{}/{}", self.domain_id, self.owner().unwrap_or_default(), self.app_type, self.app_name)
    }

    fn owner(&self) -> Option<&str> {
        self.space_name.as_deref().or(self.user_profile_name.as_deref())
    }
}

/// What an application runs on. The version of the image goes before the image where both are told.
/// <https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceSpec.html>
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instance_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sage_maker_image_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sage_maker_image_version_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sage_maker_image_version_alias: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lifecycle_config_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    training_plan_arn: Option<String>,
}

impl Spec {
    fn of(told: ResourceSpec) -> Self {
        Self {
            instance_type: told.instance_type.map(|instance_type| instance_type.as_str().to_owned()),
            sage_maker_image_arn: told.sage_maker_image_arn,
            sage_maker_image_version_arn: told.sage_maker_image_version_arn,
            sage_maker_image_version_alias: told.sage_maker_image_version_alias,
            lifecycle_config_arn: told.lifecycle_config_arn,
            training_plan_arn: told.training_plan_arn,
        }
    }

    fn sent(self) -> ResourceSpec {
        ResourceSpec::builder()
            .set_instance_type(self.instance_type.as_deref().map(AppInstanceType::from))
            .set_sage_maker_image_arn(self.sage_maker_image_arn)
            .set_sage_maker_image_version_arn(self.sage_maker_image_version_arn)
            .set_sage_maker_image_version_alias(self.sage_maker_image_version_alias)
            .set_lifecycle_config_arn(self.lifecycle_config_arn)
            .set_training_plan_arn(self.training_plan_arn)
            .build()
    }
}

/// Where an application in this state stands.
fn phase_of(state: &str) -> Phase {
    match state {
        "InService" => Phase::On,
        "Pending" => Phase::TurningOn,
        "Deleting" => Phase::TurningOff,
        DELETED | "Failed" => Phase::Off,
        // It may hold an instance: better deleted in vain than overlooked.
        _ => {
            tracing::warn!(resource.kind = APP, resource.state = state, "state is unknown and counts as on");
            Phase::On
        }
    }
}

#[cfg(test)]
mod tests;
