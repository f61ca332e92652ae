//! Model packages that are approved: the port, and what SageMaker answers.

use aws_sdk_sagemaker::types::{ModelApprovalStatus, ModelPackageSummary, ModelPackageType, UserContext};
use jiff::Timestamp;
use lambda::CallError;
use lambda::aws::instant;

use crate::client::{PAGE, SageMakerClient, judgeable};
use crate::line::Page;

pub(crate) mod look;

/// The kind of resource that a model package is.
pub(crate) const PACKAGE: &str = "model package";

/// The kind of resource that a group of model packages is.
pub(crate) const GROUP: &str = "model package group";

pub(crate) const LIST_PACKAGES: &str = "sagemaker:ListModelPackages";
pub(crate) const DESCRIBE_PACKAGE: &str = "sagemaker:DescribeModelPackage";

/// A version of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its ARN after `:model-package/`: `<group>/<version>`.
    pub id: String,
    /// The name of its group.
    pub group: String,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// What a call by itself tells of a model package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// When it was last changed; of one that is approved, when it was approved. Nothing where it never was changed.
    pub changed_at: Option<Timestamp>,
    /// Who registered it.
    pub registered_by: Person,
    /// Who changed it last: who approved it.
    pub changed_by: Person,
}

/// What SageMaker knows of somebody. People share roles, so none of it is there always or tells everybody apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The identity that a role's session carries from where its user signed in.
    pub source_identity: Option<String>,
    /// The ARN of the user profile in Studio.
    pub user_profile: Option<String>,
    /// The principal's id, else its ARN.
    pub principal: Option<String>,
}

impl Person {
    /// Whether both are the same person, where SageMaker knows the same of both. What tells people apart best comes
    /// first: two people in Studio often work under one principal.
    pub fn is(&self, other: &Self) -> Option<bool> {
        let pairs = [
            (&self.source_identity, &other.source_identity),
            (&self.user_profile, &other.user_profile),
            (&self.principal, &other.principal),
        ];
        pairs.into_iter().find_map(|(one, other)| Some(one.as_ref()? == other.as_ref()?))
    }
}

/// Sees model packages.
pub trait Models {
    /// A page of the approved versions of all groups.
    fn approved(&self, from: Option<String>) -> impl Future<Output = Result<Page<Package>, CallError>>;

    /// Who registered and who approved a model package.
    fn provenance(&self, id: &str) -> impl Future<Output = Result<Provenance, CallError>>;
}

impl Models for SageMakerClient {
    async fn approved(&self, from: Option<String>) -> Result<Page<Package>, CallError> {
        let list = self
            .sdk
            .list_model_packages()
            .model_package_type(ModelPackageType::Versioned)
            .model_approval_status(ModelApprovalStatus::Approved)
            .max_results(PAGE)
            .set_next_token(from)
            .send();
        let page = list.await.map_err(|error| CallError::of(LIST_PACKAGES, &error))?;
        let packages = page.model_package_summary_list.unwrap_or_default();
        Ok(Page::new(packages.into_iter().filter_map(|seen| judgeable(PACKAGE, package(seen))), page.next_token))
    }

    async fn provenance(&self, id: &str) -> Result<Provenance, CallError> {
        let describe = self.sdk.describe_model_package().model_package_name(self.arn(&format!("model-package/{id}")));
        let answer = describe.send().await.map_err(|error| CallError::of(DESCRIBE_PACKAGE, &error))?;
        Ok(Provenance {
            changed_at: answer.last_modified_time.and_then(instant),
            registered_by: answer.created_by.map(person).unwrap_or_default(),
            changed_by: answer.last_modified_by.map(person).unwrap_or_default(),
        })
    }
}

fn package(summary: ModelPackageSummary) -> Option<Package> {
    let (_, id) = summary.model_package_arn.as_deref()?.split_once(":model-package/")?;
    Some(Package {
        id: id.to_owned(),
        group: summary.model_package_group_name?,
        created_at: summary.creation_time.and_then(instant)?,
    })
}

fn person(user: UserContext) -> Person {
    let known = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (principal, source_identity) = match user.iam_identity {
        Some(identity) => {
            (known(identity.principal_id).or_else(|| known(identity.arn)), known(identity.source_identity))
        }
        None => (None, None),
    };
    Person { source_identity, user_profile: known(user.user_profile_arn), principal }
}

#[cfg(test)]
mod tests;
