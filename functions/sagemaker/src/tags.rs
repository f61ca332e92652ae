//! Tags: the port, what SageMaker answers, and how they are put to what was seen.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use guardrail::Observation;
use jiff::{SignedDuration, Timestamp};
use lambda::CallError;

use crate::client::{PAGE, SageMakerClient};
use crate::line::{CALLS_AT_ONCE, Line, Page};
use crate::look::Sighting;

pub(crate) const LIST_TAGS: &str = "sagemaker:ListTags";

/// How long tags are remembered. An enforce reads them afresh, so what acts on a new tag acts at once.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);

/// A tag: its key and its value.
pub type Tag = (String, String);

/// Sees tags.
pub trait Tags {
    /// A page of the tags of what has this ARN.
    fn tags(&self, arn: &str, from: Option<String>) -> impl Future<Output = Result<Page<Tag>, CallError>>;
}

impl Tags for SageMakerClient {
    async fn tags(&self, arn: &str, from: Option<String>) -> Result<Page<Tag>, CallError> {
        let list = self.sdk.list_tags().resource_arn(arn).max_results(PAGE).set_next_token(from).send();
        let page = list.await.map_err(|error| CallError::of(LIST_TAGS, &error))?;
        let tags = page.tags.unwrap_or_default().into_iter();
        Ok(Page::new(tags.filter_map(|tag| Some((tag.key?, tag.value?))), page.next_token))
    }
}

/// What is remembered of tags, by ARN, with when they were read.
#[derive(Debug, Default)]
pub(crate) struct Memory(BTreeMap<String, (Vec<Tag>, Timestamp)>);

impl Memory {
    /// Puts their tags to what was seen. What has tags that cannot be read is not judged: its limit may be another.
    pub(crate) async fn put<P: Tags>(&mut self, port: &P, line: &Line, sighting: &mut Sighting, now: Timestamp) {
        self.0.retain(|_, (_, read_at)| now.duration_since(*read_at) < REMEMBERED);
        let unread = sighting.arns.values().filter(|arn| !self.0.contains_key(*arn)).cloned();
        let reads = stream::iter(unread.collect::<Vec<_>>()).map(|arn| async move {
            let listed = line.pages(LIST_TAGS, |from| port.tags(&arn, from)).await;
            (arn, listed)
        });
        for (arn, listed) in reads.buffer_unordered(CALLS_AT_ONCE).collect::<Vec<_>>().await {
            match listed.problem {
                None => drop(self.0.insert(arn, (listed.items, now))),
                // It has gone since it was listed.
                Some(problem) if problem.says_unknown() => drop(self.0.insert(arn, (Vec::new(), now))),
                Some(problem) => sighting.problems.push(problem),
            }
        }
        for seen in std::mem::take(&mut sighting.observations) {
            match sighting.arns.get(&seen.resource).map(|arn| self.0.get(arn)) {
                None => sighting.observations.push(seen),
                Some(Some((tags, _))) => sighting.observations.push(tagged(seen, tags)),
                Some(None) => {
                    sighting.whole.retain(|kind| *kind != seen.resource.kind);
                    sighting.unseen.insert(seen.resource.id);
                }
            }
        }
    }

    /// Forgets all, so that the next look reads afresh.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}

fn tagged(seen: Observation, tags: &[Tag]) -> Observation {
    seen.tagged(tags.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

#[cfg(test)]
mod tests;
