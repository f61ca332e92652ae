//! Jobs of all kinds: the port. What SageMaker answers for each kind stands in `jobs/client.rs`.

use jiff::Timestamp;
use lambda::CallError;

use crate::line::Page;

mod client;
pub(crate) mod look;

/// The kinds of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobKind {
    /// Trains a model.
    Training,
    /// Prepares data or evaluates a model.
    Processing,
    /// Asks a model about a batch.
    Transform,
    /// Looks for the best hyperparameters with training jobs of its own.
    Tuning,
    /// Looks for the best model with jobs of its own.
    AutoMl,
}

impl JobKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Training, Self::Processing, Self::Transform, Self::Tuning, Self::AutoMl];

    /// What its resources are called.
    pub const fn resource(self) -> &'static str {
        match self {
            Self::Training => "training job",
            Self::Processing => "processing job",
            Self::Transform => "transform job",
            Self::Tuning => "tuning job",
            Self::AutoMl => "automl job",
        }
    }

    /// The kind whose resources are called so.
    pub fn of_resource(resource: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.resource() == resource)
    }

    /// What the ends of its ARNs begin with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Training => "training-job",
            Self::Processing => "processing-job",
            Self::Transform => "transform-job",
            Self::Tuning => "hyper-parameter-tuning-job",
            Self::AutoMl => "automl-job",
        }
    }

    /// The id of the job of this name: `training-job/<name>`.
    pub fn id(self, name: &str) -> String {
        format!("{}/{name}", self.prefix())
    }

    /// The name in such an id.
    pub fn name(self, id: &str) -> &str {
        id.strip_prefix(self.prefix()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(id)
    }

    /// Whether its description tells the instances. AutoML does not choose them; the jobs it makes tell theirs.
    pub const fn tells_instances(self) -> bool {
        !matches!(self, Self::AutoMl)
    }

    pub(crate) const fn list_action(self) -> &'static str {
        match self {
            Self::Training => "sagemaker:ListTrainingJobs",
            Self::Processing => "sagemaker:ListProcessingJobs",
            Self::Transform => "sagemaker:ListTransformJobs",
            Self::Tuning => "sagemaker:ListHyperParameterTuningJobs",
            Self::AutoMl => "sagemaker:ListAutoMLJobs",
        }
    }

    pub(crate) const fn describe_action(self) -> &'static str {
        match self {
            Self::Training => "sagemaker:DescribeTrainingJob",
            Self::Processing => "sagemaker:DescribeProcessingJob",
            Self::Transform => "sagemaker:DescribeTransformJob",
            Self::Tuning => "sagemaker:DescribeHyperParameterTuningJob",
            Self::AutoMl => "sagemaker:DescribeAutoMLJobV2",
        }
    }

    pub(crate) const fn stop_action(self) -> &'static str {
        match self {
            Self::Training => "sagemaker:StopTrainingJob",
            Self::Processing => "sagemaker:StopProcessingJob",
            Self::Transform => "sagemaker:StopTransformJob",
            Self::Tuning => "sagemaker:StopHyperParameterTuningJob",
            Self::AutoMl => "sagemaker:StopAutoMLJob",
        }
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its kind.
    pub kind: JobKind,
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its state in SageMaker's words.
    pub state: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Job {
    /// Its id: `training-job/<name>`.
    pub fn id(&self) -> String {
        self.kind.id(&self.name)
    }
}

/// Instances of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instances {
    /// The type, such as `ml.g5.xlarge`.
    pub instance_type: String,
    /// How many.
    pub count: u64,
}

/// The instances that a job holds at once. Where SageMaker chooses between several, each choice is one of the list.
pub type Choices = Vec<Vec<Instances>>;

/// A job, asked about by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedJob {
    /// The job.
    pub job: Job,
    /// Its instances, empty where it does not tell.
    pub instances: Choices,
}

/// Sees jobs.
pub trait Jobs {
    /// A page of the jobs of a kind that are in progress.
    fn in_progress(&self, kind: JobKind, from: Option<String>) -> impl Future<Output = Result<Page<Job>, CallError>>;

    /// A job by its name.
    fn job(&self, kind: JobKind, name: &str) -> impl Future<Output = Result<Option<DescribedJob>, CallError>>;
}

/// Stops jobs.
pub trait StopJobs: Jobs {
    /// Tells a job to stop.
    fn stop_job(&self, kind: JobKind, name: &str) -> impl Future<Output = Result<(), CallError>>;
}

#[cfg(test)]
mod tests;
