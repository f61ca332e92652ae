//! The apps of SageMaker Studio, which run for a user profile or in a space until somebody deletes them.
//!
//! What is not documented is taken to be as follows: an app in the state `Failed` may be created again, one that is
//! there or being deleted is `ResourceInUse`, and a domain, space or user profile that does not exist is a validation
//! error, since the model of `CreateApp` lists no other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::listing::{Request, Rules, list};
use super::names::Maker;
use super::studio::{SpaceSpec, domain_id};
use super::workload::{Body, Life, State, Workload};
use super::{NOTHING, SageMaker, Tags, add, invalid, lower_camel, not_found, trail_tags};
use crate::clock;
use crate::cloudtrail::lower_camel_keys;
use crate::input::Input;
use crate::protocol::AwsError;

const LIST_APPS: Rules = Rules { member: "Apps", ..Rules::PLAIN };
/// How long a deleted app is remembered: one that is created again within that time is the same one to SageMaker
/// (<https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeApp.html>).
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);
/// The instance of an app that names none.
const USUAL_INSTANCE: &str = "ml.t3.medium";
/// How long an app is pending at least that was created over the API: nobody sees it in service at once.
const MOMENT: Duration = Duration::from_millis(100);
/// The members of `ResourceSpec`, with the most letters of each.
const RESOURCES: [(&str, usize); 6] = [
    ("InstanceType", 64),
    ("SageMakerImageArn", 256),
    ("SageMakerImageVersionArn", 256),
    ("SageMakerImageVersionAlias", 128),
    ("LifecycleConfigArn", 256),
    ("TrainingPlanArn", 2_048),
];

/// An app, possibly running since long ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppSpec {
    /// The domain it is in; the first there is, or a new one, unless given.
    pub domain: Option<String>,
    /// The user profile it belongs to, when it is not in a space; `default` unless given.
    pub user_profile: Option<String>,
    /// The space it is in; created when it does not exist.
    pub space: Option<String>,
    /// What kind of app it is.
    pub app_type: AppType,
    /// Its name. It takes the place of one of the same owner, type and name.
    pub name: String,
    /// How long ago it was created.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub age: Duration,
    /// How long it is pending before it is in service, whenever it is started.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub pending: Duration,
    /// How long ago it was deleted, if it was.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub deleted: Option<Duration>,
    /// The type of its instance.
    pub instance_type: String,
    /// The other members of its `ResourceSpec`, such as `SageMakerImageArn`.
    pub resources: BTreeMap<String, String>,
    /// How long it is being deleted.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub deleting_takes: Duration,
    /// Its tags.
    pub tags: Tags,
    /// A state to show instead of `InService`, known to AWS or not.
    pub raw_state: Option<String>,
    /// The IAM principal that created it, an ARN or the plain name of a user; the account's root when not given.
    pub started_by: Option<String>,
}

impl Default for AppSpec {
    /// The JupyterLab `default` of the user profile `default`, in service from now on.
    fn default() -> AppSpec {
        AppSpec {
            domain: None,
            user_profile: None,
            space: None,
            app_type: AppType::JupyterLab,
            name: "default".to_owned(),
            age: Duration::ZERO,
            pending: Duration::ZERO,
            deleted: None,
            instance_type: USUAL_INSTANCE.to_owned(),
            resources: BTreeMap::new(),
            deleting_takes: Duration::ZERO,
            tags: Tags::new(),
            raw_state: None,
            started_by: None,
        }
    }
}

/// The kinds of app, as SageMaker writes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AppType {
    /// The editor called Canvas.
    Canvas,
    /// The editor called Code Editor.
    CodeEditor,
    /// A JupyterLab of its own.
    #[default]
    JupyterLab,
    /// The server of Studio Classic.
    JupyterServer,
    /// A kernel of Studio Classic.
    KernelGateway,
}

impl AppType {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            AppType::Canvas => "Canvas",
            AppType::CodeEditor => "CodeEditor",
            AppType::JupyterLab => "JupyterLab",
            AppType::JupyterServer => "JupyterServer",
            AppType::KernelGateway => "KernelGateway",
        }
    }
}

/// All kinds of app there are, the ones nobody starts here among them.
const APP_TYPES: [&str; 9] = [
    "JupyterServer",
    "KernelGateway",
    "DetailedProfiler",
    "TensorBoard",
    "CodeEditor",
    "JupyterLab",
    "RStudioServerPro",
    "RSessionGateway",
    "Canvas",
];

/// What an app has of its own.
#[derive(Debug)]
pub(super) struct App {
    domain: String,
    owner: Owner,
    app_type: &'static str,
    /// The shape `ResourceSpec`.
    resources: Map<String, Value>,
    pending: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Owner {
    UserProfile(String),
    Space(String),
}

impl Owner {
    fn name(&self) -> &str {
        match self {
            Owner::UserProfile(name) | Owner::Space(name) => name,
        }
    }

    /// The input member that names such an owner.
    fn member(&self) -> &'static str {
        match self {
            Owner::UserProfile(_) => "UserProfileName",
            Owner::Space(_) => "SpaceName",
        }
    }
}

impl App {
    /// The members a list and a description have in common.
    fn summarise(&self, workload: &Workload, now: Timestamp) -> Value {
        json!({
            "DomainId": self.domain,
            self.owner.member(): self.owner.name(),
            "AppType": self.app_type,
            "AppName": *workload.name,
            "Status": workload.state(now),
            "CreationTime": clock::epoch_seconds(workload.created_at),
            "ResourceSpec": self.resources,
        })
    }
}

impl SageMaker {
    pub(super) fn list_apps(&self, request: Request<'_>) -> Result<Value, AwsError> {
        let Request { input, now, .. } = request;
        let domain = input.text("DomainIdEquals", 0..=63)?;
        let profile = input.text("UserProfileNameEquals", 0..=63)?;
        let space = input.text("SpaceNameEquals", 0..=63)?;
        if profile.is_some() && space.is_some() {
            return Err(invalid("Only one of UserProfileNameEquals and SpaceNameEquals may be given."));
        }
        let is_listed = |workload: &&Workload| match &workload.body {
            Body::App(app) => {
                let owner = |wanted: Option<&str>, of: &dyn Fn(&Owner) -> bool| {
                    wanted.is_none_or(|wanted| of(&app.owner) && app.owner.name() == wanted)
                };
                domain.is_none_or(|domain| app.domain == domain)
                    && owner(profile, &|owner| matches!(owner, Owner::UserProfile(_)))
                    && owner(space, &|owner| matches!(owner, Owner::Space(_)))
                    && !is_forgotten(workload, now)
            }
            _ => false,
        };
        list(&LIST_APPS, request, self.under("app/").filter(is_listed), |workload| match &workload.body {
            Body::App(app) => app.summarise(workload, now),
            _ => Value::Null,
        })
    }

    pub(super) fn describe_app(&self, request: Request<'_>) -> Result<Value, AwsError> {
        let workload = self.app(request)?;
        let Body::App(app) = &workload.body else { return Err(no_app(&workload.arn)) };
        let mut output = app.summarise(workload, request.now);
        add(&mut output, "AppArn", Some(&*workload.arn));
        Ok(output)
    }

    pub(super) fn delete_app(&mut self, request: Request<'_>) -> Result<Value, AwsError> {
        let app = self.app(request)?;
        let (arn, state) = (Arc::clone(&app.arn), app.state(request.now).to_owned());
        let gone = matches!(state.as_str(), "Deleting" | "Deleted");
        self.interfere(&arn, |app| {
            if gone {
                app.life.stop_in_vain();
            } else {
                app.life.stop(request.now, "Deleting", "Deleted");
            }
        });
        match state.as_str() {
            "Deleted" => Err(invalid(&format!("App {arn} has already been deleted."))),
            "Deleting" => Err(in_use(&format!("App {arn} is being deleted."))),
            _ => Ok(NOTHING),
        }
    }

    pub(super) fn create_app(&mut self, request: Request<'_>) -> Result<Value, AwsError> {
        let (input, now) = (request.input, request.now);
        let named = self.named(request)?;
        if !is_name(named.name) {
            return Err(input.unmatched("AppName", "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"));
        }
        let resources = resources_of(input, named.app_type)?;
        let tags = input.objects("Tags", 0..=50)?.unwrap_or_default();
        let tags = tags.into_iter().map(|tag| {
            let (key, value) = (tag.required_text("Key", 1..=128)?, tag.required_text("Value", 0..=256)?);
            Ok((key.to_owned(), value.to_owned()))
        });
        let tags = tags.collect::<Result<Tags, AwsError>>()?;
        self.exists(named.domain, &named.owner)?;

        let arn = Arc::clone(&named.arn);
        let former = self.workloads.get(&arn).filter(|app| !is_forgotten(app, now));
        match former.map(|app| app.state(now)) {
            None | Some("Deleted" | "Failed") => {}
            Some("Deleting") => return Err(in_use(&format!("App {arn} is being deleted."))),
            Some(_) => return Err(in_use(&format!("App {arn} already exists."))),
        }
        let known = former.is_some();
        let trailed = json!({
            "domainId": named.domain,
            lower_camel(named.owner.member()): named.owner.name(),
            "appType": named.app_type,
            "appName": named.name,
            "resourceSpec": lower_camel_keys(&Value::Object(resources.clone())),
            "tags": trail_tags(&tags),
        });
        self.note("CreateApp", now, None, trailed, ("AppArn", &arn));
        if known {
            self.interfere(&arn, |workload| {
                let Body::App(app) = &mut workload.body else { return };
                // A profile and a space of one name share their apps' ARNs.
                app.owner = named.owner;
                app.resources = resources;
                let ready_at = clock::after(now, app.pending.max(MOMENT));
                workload.life.turn(now, [(now, "Pending".into()), (ready_at, "InService".into())]);
            });
            self.tags.entry(Arc::clone(&arn)).or_default().extend(tags);
        } else {
            let (domain, app_type) = (named.domain.to_owned(), named.app_type);
            let app = App { domain, owner: named.owner, app_type, resources, pending: MOMENT };
            let states = vec![(now, "Pending".into()), (clock::after(now, MOMENT), "InService".into())];
            self.tags.insert(Arc::clone(&arn), tags);
            self.begin(Workload {
                arn: Arc::clone(&arn),
                name: named.name.into(),
                created_at: now,
                maker: Maker::default(),
                life: Life::new(states, Duration::ZERO, now),
                body: Body::App(app),
            });
        }
        Ok(json!({ "AppArn": *arn }))
    }

    /// The app a request names, if there is or was one.
    fn app(&self, request: Request<'_>) -> Result<&Workload, AwsError> {
        let named = self.named(request)?;
        self.workloads
            .get(&named.arn)
            .filter(|workload| matches!(&workload.body, Body::App(app) if app.owner == named.owner))
            .filter(|workload| !is_forgotten(workload, request.now))
            .ok_or_else(|| no_app(&named.arn))
    }

    /// What a request calls an app, whether or not there is one.
    fn named<'a>(&self, request: Request<'a>) -> Result<Named<'a>, AwsError> {
        let input = request.input;
        let domain = domain_id(input)?;
        let profile = input.text("UserProfileName", 0..=63)?;
        let space = input.text("SpaceName", 0..=63)?;
        let app_type = input.choice("AppType", &APP_TYPES)?.ok_or_else(|| input.missing("AppType"))?;
        let name = input.required_text("AppName", 0..=63)?;
        let owner = match (profile, space) {
            (Some(profile), None) => Owner::UserProfile(profile.to_owned()),
            (None, Some(space)) => Owner::Space(space.to_owned()),
            _ => {
                return Err(invalid(&format!(
                    "Either UserProfileName or SpaceName must be passed for {} operation.",
                    request.operation
                )));
            }
        };
        let arn = self.names.arn(&format!("app/{domain}/{}/{app_type}/{name}", owner.name()));
        Ok(Named { arn, domain, owner, app_type, name })
    }

    /// Refuses what would belong to nobody. Of user profiles no more is known than which were deleted.
    fn exists(&self, domain: &str, owner: &Owner) -> Result<(), AwsError> {
        let refuse = |what: &str, arn: &str| Err(invalid(&format!("{what} {arn} does not exist.")));
        let arn = self.names.arn(&format!("domain/{domain}"));
        if !self.domains.contains_key(&arn) {
            return refuse("Domain", &arn);
        }
        match owner {
            Owner::Space(space) => {
                let arn = self.names.arn(&format!("space/{domain}/{space}"));
                if self.spaces.contains_key(&arn) { Ok(()) } else { refuse("Space", &arn) }
            }
            Owner::UserProfile(profile) => {
                let arn = self.names.arn(&format!("user-profile/{domain}/{profile}"));
                if self.deleted_profiles.contains(&arn) { refuse("UserProfile", &arn) } else { Ok(()) }
            }
        }
    }

    /// Deletes a space with its apps, and answers whether it was there.
    pub(super) fn delete_space(&mut self, domain: &str, name: &str) -> bool {
        self.forget_apps(domain, &Owner::Space(name.to_owned()));
        self.spaces.remove(&self.names.arn(&format!("space/{domain}/{name}"))).is_some()
    }

    /// Deletes a user profile with its apps.
    pub(super) fn delete_user_profile(&mut self, domain: &str, name: &str) {
        self.forget_apps(domain, &Owner::UserProfile(name.to_owned()));
        self.deleted_profiles.insert(self.names.arn(&format!("user-profile/{domain}/{name}")));
    }

    fn forget_apps(&mut self, domain: &str, owner: &Owner) {
        self.workloads.retain(
            |_, workload| !matches!(&workload.body, Body::App(app) if app.domain == domain && app.owner == *owner),
        );
    }

    /// Starts an app as `spec` says, and the space and domain it needs.
    pub(super) fn start_app(&mut self, spec: &AppSpec, now: Timestamp) -> Arc<str> {
        let domain = self.ensure_domain(spec.domain.as_deref(), now);
        let owner = match &spec.space {
            Some(space) => Owner::Space(space.clone()),
            None => Owner::UserProfile(spec.user_profile.clone().unwrap_or_else(|| "default".to_owned())),
        };
        if let Owner::Space(space) = &owner
            && !self.spaces.contains_key(&self.names.arn(&format!("space/{domain}/{space}")))
        {
            let (domain, name) = (Some(domain.clone()), space.clone());
            let (owner, app_type) = (spec.user_profile.clone(), spec.app_type);
            self.create_space(&SpaceSpec { domain, name, owner, app_type, ..SpaceSpec::default() }, now);
        }
        let kind = spec.app_type.as_str();
        let arn = self.names.arn(&format!("app/{domain}/{}/{kind}/{}", owner.name(), spec.name));
        if let Owner::UserProfile(profile) = &owner {
            self.deleted_profiles.remove(&self.names.arn(&format!("user-profile/{domain}/{profile}")));
        }
        let created_at = clock::before(now, spec.age.max(spec.deleted.unwrap_or_default()));
        let mut resources = Map::from_iter([("InstanceType".to_owned(), spec.instance_type.as_str().into())]);
        resources.extend(spec.resources.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
        let request = json!({
            "domainId": domain,
            lower_camel(owner.member()): owner.name(),
            "appType": kind,
            "appName": spec.name,
            "resourceSpec": lower_camel_keys(&Value::Object(resources.clone())),
            "tags": trail_tags(&spec.tags),
        });
        self.note("CreateApp", created_at, spec.started_by.as_deref(), request, ("AppArn", &arn));
        self.tags.insert(Arc::clone(&arn), spec.tags.clone());
        let state = spec.raw_state.clone().map_or(State::Borrowed("InService"), State::Owned);
        let mut states = vec![(created_at, "Pending".into()), (clock::after(created_at, spec.pending), state)];
        if let Some(deleted) = spec.deleted {
            let at = clock::before(now, deleted);
            states.retain(|(since, _)| *since <= at);
            states.push((at, "Deleted".into()));
        }
        self.begin(Workload {
            arn,
            name: spec.name.as_str().into(),
            created_at,
            maker: Maker { by: spec.started_by.clone(), ..Maker::default() },
            life: Life::new(states, spec.deleting_takes, now),
            body: Body::App(App { domain, owner, app_type: kind, resources, pending: spec.pending }),
        })
    }
}

/// An app as a request names it.
struct Named<'a> {
    arn: Arc<str>,
    domain: &'a str,
    owner: Owner,
    app_type: &'static str,
    name: &'a str,
}

/// The `ResourceSpec` of a new app. Only a kernel of Studio Classic has no instance to fall back on
/// (<https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateApp.html>).
fn resources_of(input: Input<'_>, app_type: &str) -> Result<Map<String, Value>, AwsError> {
    let mut resources = Map::new();
    if let Some(given) = input.object("ResourceSpec")? {
        for (name, length) in RESOURCES {
            resources.extend(given.text(name, 0..=length)?.map(|text| (name.to_owned(), text.into())));
        }
    }
    if !resources.contains_key("InstanceType") {
        let usual = match app_type {
            "KernelGateway" => return Err(invalid("InstanceType must be specified for a KernelGateway app.")),
            "JupyterLab" | "CodeEditor" => USUAL_INSTANCE,
            _ => "system",
        };
        resources.insert("InstanceType".to_owned(), usual.into());
    }
    Ok(resources)
}

/// Letters and digits, with hyphens between them.
fn is_name(name: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    !name.is_empty() && !name.starts_with('-') && !name.ends_with('-') && name.chars().all(inner)
}

/// Whether an app was deleted so long ago that SageMaker does not know it any more.
fn is_forgotten(workload: &Workload, now: Timestamp) -> bool {
    workload.state(now) == "Deleted" && clock::between(workload.life.since(now), now) > REMEMBERED
}

fn in_use(message: &str) -> AwsError {
    AwsError::modelled(400, "ResourceInUse", message, &[])
}

fn no_app(arn: &str) -> AwsError {
    not_found(&format!("App {arn} does not exist."))
}
