//! Amazon SageMaker AI itself: the one adapter behind the ports of this room. What it answers for each area stands
//! beside the area's port.

use aws_sdk_sagemaker::Client;
use lambda::Aws;

/// How many things a page holds at most; without asking, SageMaker gives ten.
pub(crate) const PAGE: i32 = 100;

/// Amazon SageMaker AI.
#[derive(Clone, Debug)]
pub struct SageMakerClient {
    pub(crate) sdk: Client,
    /// What the ARNs of everything in it begin with.
    arns: String,
}

impl SageMakerClient {
    /// The IAM actions that a watch needs.
    pub const WATCH_ACTIONS: &[&str] = &[
        "sagemaker:ListPipelines",
        "sagemaker:DescribePipeline",
        "sagemaker:ListPipelineExecutions",
        "sagemaker:DescribePipelineExecution",
        "sagemaker:ListTrainingJobs",
        "sagemaker:DescribeTrainingJob",
        "sagemaker:ListProcessingJobs",
        "sagemaker:DescribeProcessingJob",
        "sagemaker:ListTransformJobs",
        "sagemaker:DescribeTransformJob",
        "sagemaker:ListHyperParameterTuningJobs",
        "sagemaker:DescribeHyperParameterTuningJob",
        "sagemaker:ListAutoMLJobs",
        "sagemaker:DescribeAutoMLJobV2",
        "sagemaker:ListNotebookInstances",
        "sagemaker:DescribeNotebookInstance",
        "sagemaker:ListApps",
        "sagemaker:ListSpaces",
        "sagemaker:ListDomains",
        "sagemaker:DescribeDomain",
        "sagemaker:ListEndpoints",
        "sagemaker:ListModelPackages",
        "sagemaker:DescribeModelPackage",
        "sagemaker:ListTags",
    ];

    /// The IAM actions that an enforce needs: to see what it may stop, and to stop it.
    pub const ENFORCE_ACTIONS: &[&str] = &[
        "sagemaker:ListPipelines",
        "sagemaker:DescribePipeline",
        "sagemaker:ListPipelineExecutions",
        "sagemaker:DescribePipelineExecution",
        "sagemaker:StopPipelineExecution",
        "sagemaker:ListTrainingJobs",
        "sagemaker:DescribeTrainingJob",
        "sagemaker:StopTrainingJob",
        "sagemaker:ListProcessingJobs",
        "sagemaker:DescribeProcessingJob",
        "sagemaker:StopProcessingJob",
        "sagemaker:ListTransformJobs",
        "sagemaker:DescribeTransformJob",
        "sagemaker:StopTransformJob",
        "sagemaker:ListHyperParameterTuningJobs",
        "sagemaker:DescribeHyperParameterTuningJob",
        "sagemaker:StopHyperParameterTuningJob",
        "sagemaker:ListAutoMLJobs",
        "sagemaker:DescribeAutoMLJobV2",
        "sagemaker:StopAutoMLJob",
        "sagemaker:ListNotebookInstances",
        "sagemaker:DescribeNotebookInstance",
        "sagemaker:StopNotebookInstance",
        "sagemaker:ListApps",
        "sagemaker:DeleteApp",
        "sagemaker:ListTags",
    ];

    /// A client for the SageMaker of this account.
    pub fn new(aws: &Aws, account: &str) -> Self {
        let config = aws_sdk_sagemaker::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        let region = aws.config().region().map(|region| region.as_ref().to_owned()).unwrap_or_default();
        let partition = match region.as_str() {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        Self { sdk: Client::from_conf(config), arns: format!("arn:{partition}:sagemaker:{region}:{account}:") }
    }

    /// The ARN that ends so.
    pub(crate) fn arn(&self, tail: &str) -> String {
        format!("{}{tail}", self.arns)
    }
}

/// What was made of one thing on a list; one of which SageMaker left out what it is judged by is logged.
pub(crate) fn judgeable<T>(kind: &'static str, item: Option<T>) -> Option<T> {
    if item.is_none() {
        tracing::warn!(resource.kind = kind, "answer leaves out a name, a state or a time and was ignored");
    }
    item
}
