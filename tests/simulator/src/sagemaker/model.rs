//! The model registry: who registered a model, and who approved it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::listing::{Listed, Request, Rules, Sort, list, one_of};
use super::names::Maker;
use super::{SageMaker, Tags, add, invalid, trail_tags};
use crate::clock;
use crate::protocol::AwsError;

const SORTS: &[(&str, Sort)] = &[("CreationTime", Sort::CreationTime), ("Name", Sort::Name)];
const LIST_GROUPS: Rules = Rules {
    member: "ModelPackageGroupSummaryList",
    created: ["CreationTimeAfter", "CreationTimeBefore"],
    name_contains: Some("NameContains"),
    sorts: SORTS,
    ..Rules::PLAIN
};
const LIST_PACKAGES: Rules = Rules { member: "ModelPackageSummaryList", ..LIST_GROUPS };

/// Whether a model may be used, as SageMaker writes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ModelApproval {
    /// Nobody has decided.
    #[default]
    PendingManualApproval,
    /// It may.
    Approved,
    /// It may not.
    Rejected,
}

impl ModelApproval {
    fn as_str(self) -> &'static str {
        match self {
            ModelApproval::PendingManualApproval => "PendingManualApproval",
            ModelApproval::Approved => "Approved",
            ModelApproval::Rejected => "Rejected",
        }
    }
}

/// A model package, possibly registered long ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelPackageSpec {
    /// The group it is a version of, created when it does not exist; without one the package is unversioned.
    pub group: Option<String>,
    /// The name of an unversioned package. It takes the place of one of the same name.
    pub name: String,
    /// How long ago it was registered.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub age: Duration,
    /// What was decided about it.
    pub approval: ModelApproval,
    /// How long ago that was decided; when it was registered when not given.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub approval_age: Option<Duration>,
    /// The IAM principal that registered it, an ARN or the plain name of a user; the account's root when not given.
    pub registered_by: Option<String>,
    /// The source identity of the session that registered it.
    pub registered_as: Option<String>,
    /// The IAM principal that decided about it; whoever registered it when not given.
    pub approved_by: Option<String>,
    /// The source identity of the session that decided about it.
    pub approved_as: Option<String>,
    /// An approval status to show instead, known to AWS or not.
    pub raw_state: Option<String>,
    /// Its tags, when it is unversioned, else those of the group it creates.
    pub tags: Tags,
}

impl Default for ModelPackageSpec {
    /// A version in the group `models`, registered now, about which nobody has decided.
    fn default() -> ModelPackageSpec {
        ModelPackageSpec {
            group: Some("models".to_owned()),
            name: "model".to_owned(),
            age: Duration::ZERO,
            approval: ModelApproval::PendingManualApproval,
            approval_age: None,
            registered_by: None,
            registered_as: None,
            approved_by: None,
            approved_as: None,
            raw_state: None,
            tags: Tags::new(),
        }
    }
}

#[derive(Debug)]
pub(super) struct ModelPackageGroup {
    arn: Arc<str>,
    name: String,
    created_at: Timestamp,
    /// How many versions there have been.
    versions: u32,
}

#[derive(Debug)]
pub(super) struct ModelPackage {
    arn: Arc<str>,
    /// Its own name, or the group's.
    name: String,
    version: Option<u32>,
    created_at: Timestamp,
    registered: Maker,
    approval: String,
    /// When and by whom it was last changed, if it was.
    changed: Option<(Timestamp, Maker)>,
}

impl Listed for ModelPackageGroup {
    fn id(&self) -> &str {
        &self.arn
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn status(&self, _now: Timestamp) -> &'static str {
        "Completed"
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn modified_at(&self, _now: Timestamp) -> Timestamp {
        self.created_at
    }
}

impl Listed for ModelPackage {
    fn id(&self) -> &str {
        &self.arn
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn status(&self, _now: Timestamp) -> &'static str {
        "Completed"
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn modified_at(&self, _now: Timestamp) -> Timestamp {
        self.changed.as_ref().map_or(self.created_at, |(at, _)| *at)
    }
}

impl ModelPackage {
    /// The members a list and a description have in common.
    fn summarise(&self) -> Value {
        let mut summary = json!({
            "ModelPackageName": self.name,
            "ModelPackageArn": *self.arn,
            "CreationTime": clock::epoch_seconds(self.created_at),
            "ModelPackageStatus": "Completed",
            "ModelApprovalStatus": self.approval,
        });
        add(&mut summary, "ModelPackageVersion", self.version);
        add(&mut summary, "ModelPackageGroupName", self.version.map(|_| self.name.as_str()));
        summary
    }
}

impl SageMaker {
    pub(super) fn list_model_package_groups(&self, request: Request<'_>) -> Result<Value, AwsError> {
        list(&LIST_GROUPS, request, self.groups.values(), |group| {
            json!({
                "ModelPackageGroupName": group.name,
                "ModelPackageGroupArn": *group.arn,
                "CreationTime": clock::epoch_seconds(group.created_at),
                "ModelPackageGroupStatus": "Completed",
            })
        })
    }

    /// Lists unversioned packages when neither a group nor a type is named: a trap for whoever wants all.
    pub(super) fn list_model_packages(&self, request: Request<'_>) -> Result<Value, AwsError> {
        let input = request.input;
        let group = input.text("ModelPackageGroupName", 1..=170)?.map(|name| self.group_arn(name));
        if let Some(arn) = group.as_ref().filter(|arn| !self.groups.contains_key(*arn)) {
            return Err(invalid(&format!("ModelPackageGroup {arn} does not exist.")));
        }
        let approvals = ["Approved", "Rejected", "PendingManualApproval"];
        let approval = one_of(input, "ModelApprovalStatus", &approvals)?;
        let kind = one_of(input, "ModelPackageType", &["Versioned", "Unversioned", "Both"])?;
        let wanted = |package: &&ModelPackage| {
            let of_kind = match (&group, kind) {
                // The versions of a group are meant by naming it.
                (Some(group), _) => package.version.is_some() && self.group_arn(&package.name) == *group,
                (None, Some("Both")) => true,
                (None, Some("Versioned")) => package.version.is_some(),
                (None, _) => package.version.is_none(),
            };
            of_kind && approval.is_none_or(|approval| package.approval == approval)
        };
        list(&LIST_PACKAGES, request, self.packages.values().filter(wanted), ModelPackage::summarise)
    }

    pub(super) fn describe_model_package(&self, request: Request<'_>) -> Result<Value, AwsError> {
        let name = request.input.required_text("ModelPackageName", 1..=176)?;
        let arn = if name.starts_with("arn:") { name.into() } else { self.names.arn(&format!("model-package/{name}")) };
        let package = self.packages.get(&arn).ok_or_else(|| invalid(&format!("ModelPackage {arn} does not exist.")))?;
        let mut output = package.summarise();
        add(&mut output, "ModelPackageStatusDetails", Some(json!({ "ValidationStatuses": [] })));
        add(&mut output, "CertifyForMarketplace", Some(false));
        add(&mut output, "CreatedBy", Some(self.names.user_context(&package.registered)));
        if let Some((at, maker)) = &package.changed {
            add(&mut output, "LastModifiedTime", Some(clock::epoch_seconds(*at)));
            add(&mut output, "LastModifiedBy", Some(self.names.user_context(maker)));
        }
        Ok(output)
    }

    fn group_arn(&self, name: &str) -> Arc<str> {
        if name.starts_with("arn:") {
            name.to_lowercase().into()
        } else {
            self.names.arn(&format!("model-package-group/{name}"))
        }
    }

    /// Registers a model package as `spec` says, and the group it needs; answers its ARN.
    pub(super) fn register_model(&mut self, spec: &ModelPackageSpec, now: Timestamp) -> Arc<str> {
        let created_at = clock::before(now, spec.age);
        let version = spec.group.as_deref().map(|group| self.next_version(group, &spec.tags, created_at));
        let name = spec.group.as_ref().unwrap_or(&spec.name);
        let arn = match version {
            Some(version) => self.names.arn(&format!("model-package/{name}/{version}")),
            None => self.names.arn(&format!("model-package/{name}")),
        };
        let member = if version.is_some() { "modelPackageGroupName" } else { "modelPackageName" };
        let request = json!({ member: name, "modelApprovalStatus": ModelApproval::PendingManualApproval.as_str() });
        self.note("CreateModelPackage", created_at, spec.registered_by.as_deref(), request, ("ModelPackageArn", &arn));
        let tags = if version.is_some() { Tags::new() } else { spec.tags.clone() };
        self.tags.insert(Arc::clone(&arn), tags);
        let registered =
            Maker { by: spec.registered_by.clone(), source_identity: spec.registered_as.clone(), ..Maker::default() };
        let decided = spec.approval != ModelApproval::PendingManualApproval || spec.approval_age.is_some();
        let changed = decided.then(|| {
            let at = clock::before(now, spec.approval_age.unwrap_or(spec.age));
            let maker = match &spec.approved_by {
                None => registered.clone(),
                by => Maker { by: by.clone(), source_identity: spec.approved_as.clone(), ..Maker::default() },
            };
            (at, maker)
        });
        let approval = spec.raw_state.clone().unwrap_or_else(|| spec.approval.as_str().to_owned());
        let name = name.clone();
        let package = ModelPackage { arn: Arc::clone(&arn), name, version, created_at, registered, approval, changed };
        self.packages.insert(Arc::clone(&arn), package);
        arn
    }

    /// The number of the next version in a group, which exists from then on.
    fn next_version(&mut self, group: &str, tags: &Tags, created_at: Timestamp) -> u32 {
        let arn = self.group_arn(group);
        if !self.groups.contains_key(&arn) {
            let request = json!({ "modelPackageGroupName": group, "tags": trail_tags(tags) });
            self.note("CreateModelPackageGroup", created_at, None, request, ("ModelPackageGroupArn", &arn));
            self.tags.insert(Arc::clone(&arn), tags.clone());
        }
        let known = self.groups.entry(Arc::clone(&arn)).or_insert_with(|| ModelPackageGroup {
            arn,
            name: group.to_owned(),
            created_at,
            versions: 0,
        });
        known.versions += 1;
        known.versions
    }
}
