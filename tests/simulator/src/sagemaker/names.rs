//! How SageMaker names things, and the people who made them.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::listing::digest;
use crate::accounts::Place;

/// Makes the names of one account in one Region.
#[derive(Debug)]
pub(super) struct Names {
    account: String,
    region: String,
}

impl Names {
    pub(super) fn new(place: &Place) -> Names {
        Names { account: place.account.clone(), region: place.region.clone() }
    }

    /// The ARN of what is at `path`. SageMaker writes its ARNs in lower case, whatever the name was: who takes a name
    /// from an ARN has another name (notebook `BasicNotebook` is `…:notebook-instance/basicnotebook`).
    pub(super) fn arn(&self, path: &str) -> Arc<str> {
        format!("arn:aws:sagemaker:{}:{}:{}", self.region, self.account, path.to_lowercase()).into()
    }

    /// The role everything here runs under.
    pub(super) fn role(&self) -> String {
        format!("arn:aws:iam::{}:role/service-role/AmazonSageMaker-ExecutionRole", self.account)
    }

    /// The image everything here runs.
    pub(super) fn image(&self) -> String {
        format!("{}.dkr.ecr.{}.amazonaws.com/analytics:latest", self.account, self.region)
    }

    /// A place in the bucket SageMaker proposes.
    pub(super) fn bucket(&self, folder: &str) -> String {
        format!("s3://sagemaker-{}-{}/{folder}", self.region, self.account)
    }

    /// Where a notebook or a domain is opened.
    pub(super) fn host(&self, label: &str, kind: &str) -> String {
        format!("{}.{kind}.{}.sagemaker.aws", label.to_lowercase(), self.region)
    }

    /// The shape `UserContext`: the principal, and the Studio user when it was one.
    pub(super) fn user_context(&self, maker: &Maker) -> Value {
        let mut context = Map::new();
        if let Some((domain, profile)) = &maker.profile {
            let arn = self.arn(&format!("user-profile/{domain}/{profile}"));
            context.insert("UserProfileArn".to_owned(), (*arn).into());
            context.insert("UserProfileName".to_owned(), profile.as_str().into());
            context.insert("DomainId".to_owned(), domain.as_str().into());
        }
        context.insert("IamIdentity".to_owned(), self.identity(maker));
        Value::Object(context)
    }

    fn identity(&self, maker: &Maker) -> Value {
        let arn = match maker.by.as_deref() {
            None => format!("arn:aws:iam::{}:root", self.account),
            Some(arn) if arn.starts_with("arn:") => arn.to_owned(),
            Some(name) => format!("arn:aws:iam::{}:user/{name}", self.account),
        };
        let principal = match arn.split_once(":assumed-role/") {
            // All sessions of a role share the role's id.
            Some((_, session)) => {
                let (role, session) = session.split_once('/').unwrap_or((session, ""));
                format!("AROA{:016X}:{session}", digest(&role))
            }
            None if maker.by.is_none() => self.account.clone(),
            None => format!("AIDA{:016X}", digest(&arn)),
        };
        let mut identity = json!({ "Arn": arn, "PrincipalId": principal });
        if let (Some(source), Value::Object(identity)) = (&maker.source_identity, &mut identity) {
            identity.insert("SourceIdentity".to_owned(), source.as_str().into());
        }
        identity
    }
}

/// Who made or changed something.
#[derive(Debug, Clone, Default)]
pub(super) struct Maker {
    /// An IAM ARN or the plain name of a user; the account's root when there is none.
    pub(super) by: Option<String>,
    /// The source identity of the session, if it has one.
    pub(super) source_identity: Option<String>,
    /// The Studio user as domain and profile, if it was one.
    pub(super) profile: Option<(String, String)>,
}

/// `TrainingJobName` as CloudTrail writes it: `trainingJobName`.
pub(super) fn lower_camel(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
