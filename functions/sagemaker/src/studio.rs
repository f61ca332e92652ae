//! Studio: its applications, spaces and domains. The ports, and what SageMaker answers.

use aws_sdk_sagemaker::types::{AppDetails, AppType, DomainDetails, SpaceDetails};
use jiff::Timestamp;
use lambda::CallError;
use lambda::aws::instant;

use crate::client::{PAGE, SageMakerClient, judgeable};
use crate::line::Page;

pub(crate) mod look;

/// The kind of resource that an application is.
pub(crate) const APP: &str = "app";

/// The kind of resource that a space is.
pub(crate) const SPACE: &str = "space";

/// The kind of resource that a domain is.
pub(crate) const DOMAIN: &str = "domain";

pub(crate) const LIST_APPS: &str = "sagemaker:ListApps";
pub(crate) const DELETE_APP: &str = "sagemaker:DeleteApp";
pub(crate) const LIST_SPACES: &str = "sagemaker:ListSpaces";
pub(crate) const LIST_DOMAINS: &str = "sagemaker:ListDomains";
pub(crate) const DESCRIBE_DOMAIN: &str = "sagemaker:DescribeDomain";

/// Whose an application is. Its ARN does not tell which of the two, and deleting it asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppOwner {
    /// A user profile's.
    UserProfile(String),
    /// A space's.
    Space(String),
}

impl AppOwner {
    /// The name.
    pub fn name(&self) -> &str {
        match self {
            Self::UserProfile(name) | Self::Space(name) => name,
        }
    }
}

/// An application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// The domain's id.
    pub domain: String,
    /// Whose it is.
    pub owner: AppOwner,
    /// Its ARN.
    pub arn: String,
    /// Its type, such as `JupyterLab`.
    pub app_type: String,
    /// Its name.
    pub name: String,
    /// Its state in SageMaker's words.
    pub state: String,
    /// When it was made, which is when it was turned on.
    pub created_at: Timestamp,
}

impl App {
    /// Its id: `<domain>/<user profile or space>/<type>/<name>`.
    pub fn id(&self) -> String {
        format!("{}/{}/{}/{}", self.domain, self.owner.name(), self.app_type, self.name)
    }
}

/// A space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// Its ARN.
    pub arn: String,
    /// The domain's id.
    pub domain: String,
    /// Its name.
    pub name: String,
    /// Its state in SageMaker's words.
    pub state: String,
    /// The user profile that owns it.
    pub owner: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Space {
    /// Its id: `<domain>/<space>`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.domain, self.name)
    }
}

/// A domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Its id.
    pub id: String,
    /// Its state in SageMaker's words.
    pub state: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub changed_at: Option<Timestamp>,
}

/// Sees Studio.
pub trait Studio {
    /// A page of the applications of all domains, or of one. Those deleted within a day are among them.
    fn apps(&self, domain: Option<&str>, from: Option<String>) -> impl Future<Output = Result<Page<App>, CallError>>;

    /// A page of the spaces of all domains.
    fn spaces(&self, from: Option<String>) -> impl Future<Output = Result<Page<Space>, CallError>>;

    /// A page of all domains.
    fn domains(&self, from: Option<String>) -> impl Future<Output = Result<Page<Domain>, CallError>>;

    /// Which network a domain's applications use: `VpcOnly` or `PublicInternetOnly`.
    fn network(&self, domain: &str) -> impl Future<Output = Result<Option<String>, CallError>>;
}

/// Deletes applications.
pub trait DeleteApps: Studio {
    /// Deletes an application. The files of its space stay.
    fn delete_app(&self, app: &App) -> impl Future<Output = Result<(), CallError>>;
}

impl Studio for SageMakerClient {
    async fn apps(&self, domain: Option<&str>, from: Option<String>) -> Result<Page<App>, CallError> {
        let list = self.sdk.list_apps().set_domain_id_equals(domain.map(str::to_owned)).max_results(PAGE);
        let page = list.set_next_token(from).send().await.map_err(|error| CallError::of(LIST_APPS, &error))?;
        Ok(Page::new(
            page.apps.unwrap_or_default().into_iter().filter_map(|seen| judgeable(APP, self.app(seen))),
            page.next_token,
        ))
    }

    async fn spaces(&self, from: Option<String>) -> Result<Page<Space>, CallError> {
        let list = self.sdk.list_spaces().max_results(PAGE).set_next_token(from).send();
        let page = list.await.map_err(|error| CallError::of(LIST_SPACES, &error))?;
        Ok(Page::new(
            page.spaces.unwrap_or_default().into_iter().filter_map(|seen| judgeable(SPACE, self.space(seen))),
            page.next_token,
        ))
    }

    async fn domains(&self, from: Option<String>) -> Result<Page<Domain>, CallError> {
        let list = self.sdk.list_domains().max_results(PAGE).set_next_token(from).send();
        let page = list.await.map_err(|error| CallError::of(LIST_DOMAINS, &error))?;
        Ok(Page::new(
            page.domains.unwrap_or_default().into_iter().filter_map(|seen| judgeable(DOMAIN, domain(seen))),
            page.next_token,
        ))
    }

    async fn network(&self, domain: &str) -> Result<Option<String>, CallError> {
        let describe = self.sdk.describe_domain().domain_id(domain).send();
        let answer = describe.await.map_err(|error| CallError::of(DESCRIBE_DOMAIN, &error))?;
        Ok(answer.app_network_access_type.map(|network| network.as_str().to_owned()))
    }
}

impl DeleteApps for SageMakerClient {
    async fn delete_app(&self, app: &App) -> Result<(), CallError> {
        let delete = self
            .sdk
            .delete_app()
            .domain_id(&app.domain)
            .app_type(AppType::from(app.app_type.as_str()))
            .app_name(&app.name);
        let delete = match &app.owner {
            AppOwner::UserProfile(name) => delete.user_profile_name(name),
            AppOwner::Space(name) => delete.space_name(name),
        };
        delete.send().await.map(drop).map_err(|error| CallError::of(DELETE_APP, &error))
    }
}

/// The lists of applications and spaces leave out their ARNs, which only their tags are asked by.
impl SageMakerClient {
    fn app(&self, details: AppDetails) -> Option<App> {
        let owner = match (details.space_name, details.user_profile_name) {
            (Some(space), _) => AppOwner::Space(space),
            (None, Some(profile)) => AppOwner::UserProfile(profile),
            (None, None) => return None,
        };
        let mut app = App {
            domain: details.domain_id?,
            owner,
            arn: String::new(),
            app_type: details.app_type?.as_str().to_owned(),
            name: details.app_name?,
            state: details.status?.as_str().to_owned(),
            created_at: details.creation_time.and_then(instant)?,
        };
        app.arn = self.arn(&format!("app/{}", app.id()));
        Some(app)
    }

    fn space(&self, details: SpaceDetails) -> Option<Space> {
        let (domain, name) = (details.domain_id?, details.space_name?);
        Some(Space {
            arn: self.arn(&format!("space/{domain}/{name}")),
            domain,
            name,
            state: details.status?.as_str().to_owned(),
            owner: details.ownership_settings_summary.and_then(|ownership| ownership.owner_user_profile_name),
            created_at: details.creation_time.and_then(instant)?,
        })
    }
}

fn domain(details: DomainDetails) -> Option<Domain> {
    Some(Domain {
        id: details.domain_id?,
        state: details.status?.as_str().to_owned(),
        created_at: details.creation_time.and_then(instant)?,
        changed_at: details.last_modified_time.and_then(instant),
    })
}

#[cfg(test)]
mod tests;
