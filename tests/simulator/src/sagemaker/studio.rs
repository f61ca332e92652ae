//! SageMaker Studio: domains, the spaces in them, and the apps that run for a user profile or in a space.
//!
//! A user profile is just a name here: no operation asks about it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::listing::{Listed, Request, Rules, Sort, list, one_of};
use super::names::Maker;
use super::workload::{Body, Life, State, Workload};
use super::{NOTHING, SageMaker, Tags, add, invalid, not_found, trail_tags};
use crate::clock;
use crate::input::Input;
use crate::protocol::AwsError;

const LIST_DOMAINS: Rules = Rules { member: "Domains", ..Rules::PLAIN };
const LIST_SPACES: Rules = Rules {
    member: "Spaces",
    name_contains: Some("SpaceNameContains"),
    sorts: &[("CreationTime", Sort::CreationTime), ("LastModifiedTime", Sort::LastModifiedTime)],
    ..Rules::PLAIN
};
const LIST_APPS: Rules = Rules { member: "Apps", ..Rules::PLAIN };
/// How long a deleted app is still listed
/// (<https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeApp.html>).
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// A domain, possibly created long ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DomainSpec {
    /// Its id, such as `d-abcdefghijkl`; made up unless given. It takes the place of one of the same id.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// How long ago it was created.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub age: Duration,
    /// Whether its apps reach the Internet through the VPC only.
    pub vpc_only: bool,
    /// Its tags.
    pub tags: Tags,
    /// The IAM principal that created it, an ARN or the plain name of a user; the account's root when not given.
    pub started_by: Option<String>,
}

impl Default for DomainSpec {
    /// `studio`, created now, with what AWS gives when nobody says: the Internet.
    fn default() -> DomainSpec {
        DomainSpec {
            id: None,
            name: "studio".to_owned(),
            age: Duration::ZERO,
            vpc_only: false,
            tags: Tags::new(),
            started_by: None,
        }
    }
}

/// A space, possibly created long ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpaceSpec {
    /// The domain it is in; the first there is, or a new one, unless given.
    pub domain: Option<String>,
    /// Its name. It takes the place of one of the same name.
    pub name: String,
    /// The user profile that owns it; a space of the whole domain has none.
    pub owner: Option<String>,
    /// What runs in it.
    pub app_type: AppType,
    /// How long ago it was created.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub age: Duration,
    /// Its tags.
    pub tags: Tags,
    /// The IAM principal that created it, an ARN or the plain name of a user; the account's root when not given.
    pub started_by: Option<String>,
}

impl Default for SpaceSpec {
    /// `space`, for JupyterLab, of the whole domain, created now.
    fn default() -> SpaceSpec {
        SpaceSpec {
            domain: None,
            name: "space".to_owned(),
            owner: None,
            app_type: AppType::JupyterLab,
            age: Duration::ZERO,
            tags: Tags::new(),
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
    fn as_str(self) -> &'static str {
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
    /// How long it is pending before it is in service.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub pending: Duration,
    /// The type of its instance.
    pub instance_type: String,
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
            instance_type: "ml.t3.medium".to_owned(),
            deleting_takes: Duration::ZERO,
            tags: Tags::new(),
            raw_state: None,
            started_by: None,
        }
    }
}

/// A domain or a space: what is listed, and no more than that happens to it.
#[derive(Debug)]
pub(super) struct Domain {
    arn: Arc<str>,
    id: String,
    name: String,
    created_at: Timestamp,
    vpc_only: bool,
}

#[derive(Debug)]
pub(super) struct Space {
    arn: Arc<str>,
    domain: String,
    name: String,
    owner: Option<String>,
    app_type: AppType,
    created_at: Timestamp,
}

impl Listed for Domain {
    fn id(&self) -> &str {
        &self.arn
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn status(&self, _now: Timestamp) -> &'static str {
        "InService"
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn modified_at(&self, _now: Timestamp) -> Timestamp {
        self.created_at
    }
}

impl Listed for Space {
    fn id(&self) -> &str {
        &self.arn
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn status(&self, _now: Timestamp) -> &'static str {
        "InService"
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn modified_at(&self, _now: Timestamp) -> Timestamp {
        self.created_at
    }
}

impl Space {
    /// Who may use it: `Private` needs an owner.
    fn sharing(&self) -> &'static str {
        if self.owner.is_some() { "Private" } else { "Shared" }
    }

    /// The members a list and a description have in common.
    fn summarise(&self) -> Value {
        json!({
            "DomainId": self.domain,
            "SpaceName": self.name,
            "SpaceDisplayName": self.name,
            "Status": "InService",
            "CreationTime": clock::epoch_seconds(self.created_at),
            "LastModifiedTime": clock::epoch_seconds(self.created_at),
        })
    }
}

/// What an app has of its own.
#[derive(Debug)]
pub(super) struct App {
    domain: String,
    owner: Owner,
    app_type: AppType,
    instance_type: String,
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
            "AppType": self.app_type.as_str(),
            "AppName": *workload.name,
            "Status": workload.state(now),
            "CreationTime": clock::epoch_seconds(workload.created_at),
            "ResourceSpec": { "InstanceType": self.instance_type },
        })
    }
}

impl SageMaker {
    pub(super) fn list_domains(&self, request: Request<'_>) -> Result<Value, AwsError> {
        list(&LIST_DOMAINS, request, self.domains.values(), |domain| {
            json!({
                "DomainArn": *domain.arn,
                "DomainId": domain.id,
                "DomainName": domain.name,
                "Status": "InService",
                "CreationTime": clock::epoch_seconds(domain.created_at),
                "LastModifiedTime": clock::epoch_seconds(domain.created_at),
                "Url": format!("https://{}", self.names.host(&domain.id, "studio")),
            })
        })
    }

    pub(super) fn describe_domain(&self, request: Request<'_>) -> Result<Value, AwsError> {
        let arn = self.names.arn(&format!("domain/{}", domain_id(request.input)?));
        let domain = self.domains.get(&arn).ok_or_else(|| not_found(&format!("Domain {arn} does not exist.")))?;
        Ok(json!({
            "DomainArn": *domain.arn,
            "DomainId": domain.id,
            "DomainName": domain.name,
            "Status": "InService",
            "CreationTime": clock::epoch_seconds(domain.created_at),
            "LastModifiedTime": clock::epoch_seconds(domain.created_at),
            "AuthMode": "IAM",
            "AppNetworkAccessType": network(domain.vpc_only),
            "DefaultUserSettings": { "ExecutionRole": self.names.role() },
            "VpcId": "vpc-0123456789abcdef0",
            "SubnetIds": ["subnet-0123456789abcdef0"],
            "Url": format!("https://{}", self.names.host(&domain.id, "studio")),
        }))
    }

    pub(super) fn list_spaces(&self, request: Request<'_>) -> Result<Value, AwsError> {
        let domain = request.input.text("DomainIdEquals", 0..=63)?;
        let spaces = self.spaces.values().filter(|space| domain.is_none_or(|domain| space.domain == domain));
        list(&LIST_SPACES, request, spaces, |space| {
            let mut summary = space.summarise();
            let owner = space.owner.as_ref().map(|owner| json!({ "OwnerUserProfileName": owner }));
            add(&mut summary, "SpaceSettingsSummary", Some(json!({ "AppType": space.app_type.as_str() })));
            add(&mut summary, "SpaceSharingSettingsSummary", Some(json!({ "SharingType": space.sharing() })));
            add(&mut summary, "OwnershipSettingsSummary", owner);
            summary
        })
    }

    pub(super) fn describe_space(&self, request: Request<'_>) -> Result<Value, AwsError> {
        let domain = domain_id(request.input)?;
        let name = request.input.required_text("SpaceName", 0..=63)?;
        let arn = self.names.arn(&format!("space/{domain}/{name}"));
        let space = self.spaces.get(&arn).ok_or_else(|| not_found(&format!("Space {arn} does not exist.")))?;
        let mut output = space.summarise();
        let owner = space.owner.as_ref().map(|owner| json!({ "OwnerUserProfileName": owner }));
        add(&mut output, "SpaceArn", Some(&*space.arn));
        add(&mut output, "SpaceSettings", Some(json!({ "AppType": space.app_type.as_str() })));
        add(&mut output, "SpaceSharingSettings", Some(json!({ "SharingType": space.sharing() })));
        add(&mut output, "OwnershipSettings", owner);
        Ok(output)
    }

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
                let gone = clock::between(workload.life.since(now), now) > REMEMBERED;
                domain.is_none_or(|domain| app.domain == domain)
                    && owner(profile, &|owner| matches!(owner, Owner::UserProfile(_)))
                    && owner(space, &|owner| matches!(owner, Owner::Space(_)))
                    && !(workload.state(now) == "Deleted" && gone)
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
            "Deleting" => {
                let message = format!("App {arn} is being deleted.");
                Err(AwsError::modelled(400, "ResourceInUse", &message, &[]))
            }
            _ => Ok(NOTHING),
        }
    }

    /// The app a request names.
    fn app(&self, request: Request<'_>) -> Result<&Workload, AwsError> {
        let input = request.input;
        let domain = domain_id(input)?;
        let profile = input.text("UserProfileName", 0..=63)?;
        let space = input.text("SpaceName", 0..=63)?;
        let kind = one_of(input, "AppType", &APP_TYPES)?.ok_or_else(|| input.missing("AppType"))?;
        let name = input.required_text("AppName", 0..=63)?;
        let owner = match (profile, space) {
            (Some(owner), None) | (None, Some(owner)) => owner,
            _ => {
                return Err(invalid(&format!(
                    "Either UserProfileName or SpaceName must be passed for {} operation.",
                    request.operation
                )));
            }
        };
        let arn = self.names.arn(&format!("app/{domain}/{owner}/{kind}/{name}"));
        let named = |app: &App| app.owner.member() == if space.is_some() { "SpaceName" } else { "UserProfileName" };
        self.workloads
            .get(&arn)
            .filter(|workload| matches!(&workload.body, Body::App(app) if named(app)))
            .ok_or_else(|| no_app(&arn))
    }

    /// The id of the first domain; there is one from then on.
    pub(super) fn first_domain(&mut self, now: Timestamp) -> String {
        match self.domains.values().min_by_key(|domain| (domain.created_at, Arc::clone(&domain.arn))) {
            Some(domain) => domain.id.clone(),
            None => self.create_domain(&DomainSpec::default(), now),
        }
    }

    /// Creates a domain as `spec` says, and answers its id.
    pub(super) fn create_domain(&mut self, spec: &DomainSpec, now: Timestamp) -> String {
        let made_up = || Uuid::new_v4().simple().to_string().chars().take(12).collect::<String>();
        let id = spec.id.clone().unwrap_or_else(|| format!("d-{}", made_up()));
        let arn = self.names.arn(&format!("domain/{id}"));
        let created_at = clock::before(now, spec.age);
        let request = json!({
            "domainName": spec.name,
            "authMode": "IAM",
            "appNetworkAccessType": network(spec.vpc_only),
            "tags": trail_tags(&spec.tags),
        });
        self.note("CreateDomain", created_at, spec.started_by.as_deref(), request, ("DomainArn", &arn));
        self.tags.insert(Arc::clone(&arn), spec.tags.clone());
        let (name, vpc_only) = (spec.name.clone(), spec.vpc_only);
        let domain = Domain { arn: Arc::clone(&arn), id: id.clone(), name, created_at, vpc_only };
        self.domains.insert(arn, domain);
        id
    }

    /// The id of the domain a spec names, which exists from then on.
    fn ensure_domain(&mut self, id: Option<&str>, now: Timestamp) -> String {
        match id {
            None => self.first_domain(now),
            Some(id) if self.domains.contains_key(&self.names.arn(&format!("domain/{id}"))) => id.to_owned(),
            Some(id) => self.create_domain(&DomainSpec { id: Some(id.to_owned()), ..DomainSpec::default() }, now),
        }
    }

    /// Creates a space as `spec` says, and answers its ARN.
    pub(super) fn create_space(&mut self, spec: &SpaceSpec, now: Timestamp) -> Arc<str> {
        let domain = self.ensure_domain(spec.domain.as_deref(), now);
        let arn = self.names.arn(&format!("space/{domain}/{}", spec.name));
        let created_at = clock::before(now, spec.age);
        let mut request = json!({ "domainId": domain, "spaceName": spec.name, "tags": trail_tags(&spec.tags) });
        let owner = spec.owner.as_ref().map(|owner| json!({ "ownerUserProfileName": owner }));
        add(&mut request, "ownershipSettings", owner);
        self.note("CreateSpace", created_at, spec.started_by.as_deref(), request, ("SpaceArn", &arn));
        self.tags.insert(Arc::clone(&arn), spec.tags.clone());
        let (name, owner, app_type) = (spec.name.clone(), spec.owner.clone(), spec.app_type);
        let space = Space { arn: Arc::clone(&arn), domain, name, owner, app_type, created_at };
        self.spaces.insert(Arc::clone(&arn), space);
        arn
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
        let created_at = clock::before(now, spec.age);
        let request = json!({
            "domainId": domain,
            super::lower_camel(owner.member()): owner.name(),
            "appType": kind,
            "appName": spec.name,
            "resourceSpec": { "instanceType": spec.instance_type },
            "tags": trail_tags(&spec.tags),
        });
        self.note("CreateApp", created_at, spec.started_by.as_deref(), request, ("AppArn", &arn));
        self.tags.insert(Arc::clone(&arn), spec.tags.clone());
        let state = spec.raw_state.clone().map_or(State::Borrowed("InService"), State::Owned);
        let states = vec![(created_at, "Pending".into()), (clock::after(created_at, spec.pending), state)];
        self.begin(Workload {
            arn,
            name: spec.name.as_str().into(),
            created_at,
            maker: Maker { by: spec.started_by.clone(), ..Maker::default() },
            life: Life::new(states, spec.deleting_takes, now),
            body: Body::App(App { domain, owner, app_type: spec.app_type, instance_type: spec.instance_type.clone() }),
        })
    }
}

fn network(vpc_only: bool) -> &'static str {
    if vpc_only { "VpcOnly" } else { "PublicInternetOnly" }
}

fn domain_id<'a>(input: Input<'a>) -> Result<&'a str, AwsError> {
    let id = input.required_text("DomainId", 0..=63)?;
    let legal =
        |id: &str| id.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
    match id.strip_prefix("d-") {
        Some(rest) if legal(rest) => Ok(id),
        _ => Err(input.unmatched("DomainId", "d-(-*[a-z0-9]){1,61}")),
    }
}

fn no_app(arn: &str) -> AwsError {
    not_found(&format!("App {arn} does not exist."))
}
