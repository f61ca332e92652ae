//! Endpoints: the port, what SageMaker answers, and how they are looked at.

use aws_sdk_sagemaker::types::EndpointSummary;
use guardrail::Observation;
use jiff::Timestamp;
use lambda::CallError;
use lambda::aws::instant;

use crate::client::{PAGE, SageMakerClient, judgeable};
use crate::life;
use crate::line::{Line, Page};
use crate::look::Sighting;

/// The kind of resource that an endpoint is.
pub(crate) const ENDPOINT: &str = "endpoint";

pub(crate) const LIST_ENDPOINTS: &str = "sagemaker:ListEndpoints";

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its state in SageMaker's words.
    pub state: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Sees endpoints.
pub trait Endpoints {
    /// A page of all endpoints.
    fn endpoints(&self, from: Option<String>) -> impl Future<Output = Result<Page<Endpoint>, CallError>>;
}

impl Endpoints for SageMakerClient {
    async fn endpoints(&self, from: Option<String>) -> Result<Page<Endpoint>, CallError> {
        let list = self.sdk.list_endpoints().max_results(PAGE).set_next_token(from).send();
        let page = list.await.map_err(|error| CallError::of(LIST_ENDPOINTS, &error))?;
        Ok(Page::new(
            page.endpoints.unwrap_or_default().into_iter().filter_map(|seen| judgeable(ENDPOINT, endpoint(seen))),
            page.next_token,
        ))
    }
}

fn endpoint(summary: EndpointSummary) -> Option<Endpoint> {
    Some(Endpoint {
        name: summary.endpoint_name?,
        arn: summary.endpoint_arn?,
        state: summary.endpoint_status?.as_str().to_owned(),
        created_at: summary.creation_time.and_then(instant)?,
    })
}

/// Looks at all endpoints. One call sees a hundred, so nothing needs to be remembered.
pub(crate) async fn sweep<P: Endpoints>(port: &P, line: &Line) -> Sighting {
    let mut sighting = Sighting::default();
    let listed = line.pages(LIST_ENDPOINTS, |from| port.endpoints(from)).await;
    for Endpoint { name, arn, state, created_at } in listed.items {
        if life::is_active(ENDPOINT, &state) {
            sighting.see(Observation::new(ENDPOINT, format!("endpoint/{name}"), state, created_at), Some(&arn));
        }
    }
    sighting.saw.insert("endpoints", sighting.observations.len() as u64);
    sighting.whole.extend(listed.problem.is_none().then_some(ENDPOINT));
    sighting.problems.extend(listed.problem);
    sighting
}

#[cfg(test)]
mod tests;
