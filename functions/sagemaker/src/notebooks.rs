//! Notebook instances: the port, and what SageMaker answers.

use aws_sdk_sagemaker::types::NotebookInstanceSummary;
use jiff::Timestamp;
use lambda::CallError;
use lambda::aws::instant;

use crate::client::{PAGE, SageMakerClient, judgeable};
use crate::line::Page;

pub(crate) mod look;

/// The kind of resource that a notebook instance is.
pub(crate) const NOTEBOOK: &str = "notebook instance";

pub(crate) const LIST_NOTEBOOKS: &str = "sagemaker:ListNotebookInstances";
pub(crate) const DESCRIBE_NOTEBOOK: &str = "sagemaker:DescribeNotebookInstance";
pub(crate) const STOP_NOTEBOOK: &str = "sagemaker:StopNotebookInstance";

/// A notebook instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notebook {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its state in SageMaker's words.
    pub state: String,
    /// When it was last changed; of one that is up, when it was last turned on.
    pub changed_at: Timestamp,
}

/// What is set for a notebook instance, in SageMaker's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Direct internet access, `Enabled` or `Disabled`.
    pub internet: Option<String>,
    /// Root access for its users, `Enabled` or `Disabled`.
    pub root: Option<String>,
}

/// Sees notebook instances.
pub trait Notebooks {
    /// A page of all notebook instances.
    fn notebooks(&self, from: Option<String>) -> impl Future<Output = Result<Page<Notebook>, CallError>>;

    /// A notebook instance by its name.
    fn notebook(&self, name: &str) -> impl Future<Output = Result<Option<(Notebook, Access)>, CallError>>;
}

/// Stops notebook instances.
pub trait StopNotebooks: Notebooks {
    /// Tells a notebook instance to stop.
    fn stop_notebook(&self, name: &str) -> impl Future<Output = Result<(), CallError>>;
}

impl Notebooks for SageMakerClient {
    async fn notebooks(&self, from: Option<String>) -> Result<Page<Notebook>, CallError> {
        let list = self.sdk.list_notebook_instances().max_results(PAGE).set_next_token(from).send();
        let page = list.await.map_err(|error| CallError::of(LIST_NOTEBOOKS, &error))?;
        Ok(Page::new(
            page.notebook_instances
                .unwrap_or_default()
                .into_iter()
                .filter_map(|seen| judgeable(NOTEBOOK, listed(seen))),
            page.next_token,
        ))
    }

    async fn notebook(&self, name: &str) -> Result<Option<(Notebook, Access)>, CallError> {
        let describe = self.sdk.describe_notebook_instance().notebook_instance_name(name).send();
        let answer = describe.await.map_err(|error| CallError::of(DESCRIBE_NOTEBOOK, &error))?;
        let access = Access {
            internet: answer.direct_internet_access.map(|access| access.as_str().to_owned()),
            root: answer.root_access.map(|access| access.as_str().to_owned()),
        };
        let notebook = || {
            Some(Notebook {
                name: answer.notebook_instance_name?,
                arn: answer.notebook_instance_arn?,
                state: answer.notebook_instance_status?.as_str().to_owned(),
                changed_at: answer.last_modified_time.and_then(instant)?,
            })
        };
        Ok(notebook().map(|notebook| (notebook, access)))
    }
}

impl StopNotebooks for SageMakerClient {
    async fn stop_notebook(&self, name: &str) -> Result<(), CallError> {
        let stop = self.sdk.stop_notebook_instance().notebook_instance_name(name).send();
        stop.await.map(drop).map_err(|error| CallError::of(STOP_NOTEBOOK, &error))
    }
}

fn listed(summary: NotebookInstanceSummary) -> Option<Notebook> {
    Some(Notebook {
        name: summary.notebook_instance_name?,
        arn: summary.notebook_instance_arn?,
        state: summary.notebook_instance_status?.as_str().to_owned(),
        changed_at: summary.last_modified_time.and_then(instant)?,
    })
}

#[cfg(test)]
mod tests;
