//! AWS Glue itself: the one adapter behind the ports of this room.

use std::collections::BTreeMap;

use aws_sdk_glue::Client;
use lambda::{Aws, CallError};

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// AWS Glue.
#[derive(Clone, Debug)]
pub struct GlueClient {
    pub(crate) client: Client,
    /// What the ARNs of everything in it begin with.
    arn: String,
}

impl GlueClient {
    /// The IAM actions that a watch needs.
    pub const WATCH_ACTIONS: &[&str] = &[
        "glue:ListSessions",
        "glue:GetSession",
        "glue:ListStatements",
        "glue:ListJobs",
        "glue:GetJobRuns",
        "glue:GetJobRun",
        "glue:GetTags",
    ];

    /// The IAM actions that an enforce needs.
    pub const ENFORCE_ACTIONS: &[&str] = &[
        "glue:ListSessions",
        "glue:GetSession",
        "glue:ListStatements",
        "glue:ListJobs",
        "glue:GetJobRuns",
        "glue:GetJobRun",
        "glue:GetTags",
        "glue:StopSession",
        "glue:BatchStopJobRun",
    ];

    /// A client for the Glue of this account.
    pub fn new(aws: &Aws, account: &str) -> Self {
        let config = aws_sdk_glue::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        let region = aws.config().region().map(|region| region.as_ref().to_owned()).unwrap_or_default();
        let arn = format!("arn:{}:glue:{region}:{account}:", partition(&region));
        Self { client: Client::from_conf(config), arn }
    }

    /// The tags of what has this ARN, of which only the end is given: `session/ana`.
    pub(crate) async fn tags(&self, resource: &str) -> Result<Tags, CallError> {
        let get = self.client.get_tags().resource_arn(format!("{}{resource}", self.arn)).send();
        let answer = get.await.map_err(|error| CallError::of("glue:GetTags", &error))?;
        Ok(answer.tags.unwrap_or_default().into_iter().collect())
    }
}

/// The partition of AWS that a Region is in, as ARNs name it.
fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_name_the_partition_of_the_region() {
        let check = |region: &str, expected: &str| assert_eq!(partition(region), expected, "{region}");
        check("eu-west-1", "aws");
        check("cn-north-1", "aws-cn");
        check("us-gov-west-1", "aws-us-gov");
    }
}
