//! SageMaker Studio: domains, and the spaces in them.
//!
//! A user profile is just a name here: no operation asks about it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::app::AppType;
use super::listing::{Listed, Request, Rules, Sort, list};
use super::{SageMaker, Tags, add, not_found, trail_tags};
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
    pub(super) fn ensure_domain(&mut self, id: Option<&str>, now: Timestamp) -> String {
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
}

fn network(vpc_only: bool) -> &'static str {
    if vpc_only { "VpcOnly" } else { "PublicInternetOnly" }
}

pub(super) fn domain_id<'a>(input: Input<'a>) -> Result<&'a str, AwsError> {
    let id = input.required_text("DomainId", 0..=63)?;
    let legal =
        |id: &str| id.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
    match id.strip_prefix("d-") {
        Some(rest) if legal(rest) => Ok(id),
        _ => Err(input.unmatched("DomainId", "d-(-*[a-z0-9]){1,61}")),
    }
}
