//! How EMR is seen with as few calls as there can be.
//!
//! One paged list tells which clusters are active, in which state and since when; one list of steps for each of them
//! tells the rest that changes by itself. What seldom changes (tags, release, instances, policies) is read when a
//! cluster is new, and then remembered for a while.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use guardrail::{Measure, Resource, Service};
use jiff::{SignedDuration, Timestamp};
use lambda::room::{Seen, Sight, Wanted};
use lambda::trigger::Envelope;
use lambda::{CallError, CallErrorKind};
use serde::Deserialize;

use crate::clusters::{Cluster, ClusterPhase, Clusters, LIST_CLUSTERS, Step};
use crate::read::{
    CALLS_AT_ONCE, CLUSTER, Known, PENDING_STEP, Read, Reader, STEP, Said, Wants, by_cluster, patiently,
    step_observation, steps_by_id,
};

/// What a sweep keeps back of its time, to judge and to report what it saw.
const TO_REPORT: SignedDuration = SignedDuration::from_secs(10);

const CLUSTER_CHANGE: &str = "EMR Cluster State Change";
const STEP_CHANGE: &str = "EMR Step Status Change";

/// Amazon EMR, as one function sees it and acts on it.
#[derive(Debug)]
pub struct Emr<P> {
    pub(crate) port: P,
    /// What is known of each cluster that was active when it was last seen.
    pub(crate) memory: BTreeMap<String, Known>,
}

impl<P> Emr<P> {
    /// EMR behind this port; nothing is known yet.
    pub fn new(port: P) -> Self {
        Self { port, memory: BTreeMap::new() }
    }

    fn with_known(&self, clusters: Vec<Cluster>) -> Vec<(Cluster, Known)> {
        let with_known = |cluster: Cluster| {
            let known = self.memory.get(&cluster.id).cloned().unwrap_or_default();
            (cluster, known)
        };
        clusters.into_iter().map(with_known).collect()
    }
}

/// The fields of `EMR Cluster State Change` and of `EMR Step Status Change` that are used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    cluster_id: String,
    state: String,
}

/// What a look has seen so far.
#[derive(Debug, Default)]
struct Looking {
    seen: Seen,
    said: Said,
    /// Whether something was left out, of clusters and of steps.
    clusters_left_out: bool,
    steps_left_out: bool,
}

impl Looking {
    /// Notes a problem, once where it is the same for many clusters.
    fn problem(&mut self, problem: CallError) {
        if self.said.first(&problem.to_string()) {
            self.seen.problems.push(problem);
        }
    }

    fn count(&mut self, of: &'static str, more: usize) {
        *self.seen.saw.entry(of).or_default() += u64::try_from(more).unwrap_or(u64::MAX);
    }

    /// Takes in what was read of one cluster.
    fn take(&mut self, read: Read, wants: &Wants) {
        if read.is_gone() {
            return;
        }
        let id = &read.cluster.id;
        if read.cluster.phase == ClusterPhase::Unknown {
            self.said.strange_state(CLUSTER, &read.cluster.state);
        }
        if !read.problems.is_empty() {
            self.seen.unseen.insert(id.clone());
        }
        if wants.clusters {
            match read.observation(wants, &mut self.said) {
                Some(seen) => self.seen.observations.push(seen),
                None => {
                    tracing::warn!(cluster.id = id, "cluster could not be read wholly and is not judged");
                    self.clusters_left_out = true;
                    self.seen.unseen.insert(id.clone());
                }
            }
        }
        self.take_steps(id, read.steps.as_deref(), &read.known, wants);
        for problem in read.problems {
            self.problem(problem);
        }
    }

    /// Takes in the active steps of one cluster; `None` when they were not read.
    fn take_steps(&mut self, cluster: &str, steps: Option<&[Step]>, known: &Known, wants: &Wants) {
        if !wants.steps && !wants.pending_steps {
            return;
        }
        let Some(steps) = steps.filter(|_| !wants.tags || known.details().is_some()) else {
            self.steps_left_out = true;
            return;
        };
        for step in steps.iter().filter(|step| step.is_active()) {
            let Some(seen) = step_observation(cluster, step, known, &mut self.said) else {
                let id = format!("{cluster}/{}", step.id);
                tracing::warn!(step.id = id, "step says no time and cannot be judged yet");
                self.steps_left_out = true;
                self.seen.unseen.insert(id);
                continue;
            };
            let (of, wanted) = if seen.resource.kind == STEP {
                ("steps", wants.steps)
            } else {
                ("pending steps", wants.pending_steps)
            };
            self.count(of, usize::from(wanted));
            self.seen.observations.extend(wanted.then_some(seen));
        }
    }

    /// Marks steps as wholly seen, unless something was left out.
    fn steps_are_whole(&mut self, wants: &Wants) {
        if !self.steps_left_out {
            self.seen.whole.extend(wants.steps.then_some(STEP));
            self.seen.whole.extend(wants.pending_steps.then_some(PENDING_STEP));
        }
    }

    fn clusters_are_whole(&mut self, wants: &Wants) {
        if wants.clusters && !self.clusters_left_out {
            self.seen.whole.insert(CLUSTER);
        }
    }
}

/// Every active cluster, and the problem where the list was not read to its end.
pub(crate) async fn active<P: Clusters>(port: &P) -> (Vec<Cluster>, Result<(), CallError>) {
    let (mut clusters, mut from) = (Vec::new(), None);
    loop {
        match patiently(|| port.active(from.as_deref())).await {
            Ok(page) => {
                clusters.extend(page.clusters);
                from = page.next;
                if from.is_none() {
                    return (clusters, Ok(()));
                }
            }
            Err(problem) => return (clusters, Err(problem)),
        }
    }
}

impl<P: Clusters> Sight for Emr<P> {
    const SERVICE: Service = Service::Emr;

    async fn sweep(&mut self, wanted: Wanted<'_>, now: Timestamp, deadline: Timestamp) -> Seen {
        let wants = Wants::of(wanted);
        let mut looking = Looking::default();
        let left = Duration::try_from(deadline.duration_since(now) - TO_REPORT).unwrap_or_default();
        if tokio::time::timeout(left, self.everything(&wants, now, &mut looking)).await.is_err() {
            looking.problem(CallError {
                operation: LIST_CLUSTERS,
                kind: CallErrorKind::Unavailable,
                message: "not all clusters were looked at in time".to_owned(),
            });
        }
        looking.seen
    }

    async fn signal(&mut self, event: &Envelope, wanted: Wanted<'_>, now: Timestamp) -> Seen {
        let wants = Wants::of(wanted);
        let mut looking = Looking::default();
        let Some(Change { cluster_id, state }) = read(event) else { return looking.seen };
        // EMR tells of these states; what has ended, or is about to, says nothing.
        match (event.detail_type.as_str(), state.as_str()) {
            (CLUSTER_CHANGE, "STARTING" | "RUNNING" | "WAITING") if wants.clusters => {
                self.one_cluster(&cluster_id, &wants, now, &mut looking).await;
            }
            (STEP_CHANGE, "PENDING") if wants.pending_steps => {
                self.steps_of(&cluster_id, &wants, now, &mut looking).await;
            }
            (STEP_CHANGE, "RUNNING") if wants.steps => {
                self.steps_of(&cluster_id, &wants, now, &mut looking).await;
            }
            _ => {}
        }
        looking.seen
    }

    async fn again(&mut self, resources: &[Resource], wanted: Wanted<'_>, now: Timestamp) -> Seen {
        let wants = Wants::of(wanted);
        let mut looking = Looking::default();
        let of_kind = |kind: &'static str| {
            resources.iter().filter(move |resource| resource.kind == kind).map(|resource| resource.id.as_str())
        };
        let clusters: Vec<&str> = of_kind(CLUSTER).collect();
        if !clusters.is_empty() {
            self.clusters_again(&clusters, &wants.to_time(), now, &mut looking).await;
        }
        let steps = by_cluster(of_kind(STEP).chain(of_kind(PENDING_STEP)));
        for (cluster, ids) in &steps {
            self.steps_again(cluster, ids, &wants, now, &mut looking).await;
        }
        looking.seen
    }
}

/// Reads what an event says; a malformed one is logged and says nothing.
fn read(event: &Envelope) -> Option<Change> {
    let malformed = |error: &serde_json::Error| {
        tracing::warn!(event.detail_type = event.detail_type, %error, "event is malformed and was ignored");
    };
    serde_json::from_value(event.detail.clone()).inspect_err(malformed).ok()
}

impl<P: Clusters> Emr<P> {
    /// Looks at every active cluster.
    async fn everything(&mut self, wants: &Wants, now: Timestamp, looking: &mut Looking) {
        if wants.nothing() {
            return;
        }
        let (clusters, listed) = active(&self.port).await;
        looking.count("clusters", clusters.len());
        if listed.is_ok() {
            self.memory.retain(|id, _| clusters.iter().any(|cluster| cluster.id == *id));
        }
        let clusters = self.with_known(clusters);
        self.read(clusters, wants, now, looking).await;
        match listed {
            Ok(()) => {
                looking.clusters_are_whole(wants);
                looking.steps_are_whole(wants);
            }
            Err(problem) => looking.problem(problem),
        }
    }

    /// Reads these clusters and takes in each as it comes.
    async fn read(&mut self, clusters: Vec<(Cluster, Known)>, wants: &Wants, now: Timestamp, looking: &mut Looking) {
        let Self { port, memory } = self;
        let reader = Reader { port: &*port, wants, now };
        let reads = stream::iter(clusters).map(|(cluster, known)| reader.read(cluster, known));
        let mut reads = pin!(reads.buffer_unordered(CALLS_AT_ONCE));
        while let Some(read) = reads.next().await {
            if read.is_gone() {
                memory.remove(&read.cluster.id);
            } else {
                memory.insert(read.cluster.id.clone(), read.known.clone());
            }
            looking.take(read, wants);
        }
    }

    /// Looks at one cluster, and at the others as far as they are counted with it.
    async fn one_cluster(&mut self, id: &str, wants: &Wants, now: Timestamp, looking: &mut Looking) {
        let (clusters, listed) = active(&self.port).await;
        let (named, others): (Vec<_>, Vec<_>) =
            self.with_known(clusters).into_iter().partition(|(cluster, _)| cluster.id == id);
        if named.is_empty() {
            tracing::info!(cluster.id = id, "event names a cluster that is not active");
        }
        self.read(named, &wants.without_steps(), now, looking).await;
        match listed {
            Ok(()) if wants.reading(Measure::Count) => {
                self.read(others, &wants.to_count(), now, looking).await;
                looking.clusters_are_whole(wants);
            }
            Ok(()) => {}
            Err(problem) => looking.problem(problem),
        }
    }

    /// Looks at the steps of one cluster, as they are counted by cluster.
    async fn steps_of(&mut self, cluster: &str, wants: &Wants, now: Timestamp, looking: &mut Looking) {
        let Some(known) = self.known_with_tags(cluster, wants, now, looking).await else { return };
        match patiently(|| self.port.active_steps(cluster)).await {
            Ok(steps) => looking.take_steps(cluster, Some(&steps), &known, wants),
            Err(error) if error.kind == CallErrorKind::Missing => {
                tracing::info!(cluster.id = cluster, "event names a cluster that EMR does not know");
            }
            Err(problem) => looking.problem(problem),
        }
    }

    async fn clusters_again(&mut self, ids: &[&str], wants: &Wants, now: Timestamp, looking: &mut Looking) {
        let (mut clusters, listed) = active(&self.port).await;
        clusters.retain(|cluster| ids.contains(&cluster.id.as_str()));
        if let Err(problem) = listed {
            let missing = ids.iter().filter(|id| !clusters.iter().any(|cluster| cluster.id == **id));
            looking.seen.unseen.extend(missing.map(|id| (*id).to_owned()));
            looking.problem(problem);
        }
        let clusters = self.with_known(clusters);
        self.read(clusters, wants, now, looking).await;
    }

    async fn steps_again(
        &mut self,
        cluster: &str,
        ids: &[String],
        wants: &Wants,
        now: Timestamp,
        looking: &mut Looking,
    ) {
        let unseen = ids.iter().map(|id| format!("{cluster}/{id}"));
        let Some(known) = self.known_with_tags(cluster, wants, now, looking).await else {
            looking.seen.unseen.extend(unseen);
            return;
        };
        match steps_by_id(&self.port, cluster, ids).await {
            Ok(steps) => looking.take_steps(cluster, Some(&steps), &known, wants),
            Err(problem) => {
                looking.seen.unseen.extend(unseen);
                looking.problem(problem);
            }
        }
    }

    /// What is known of a cluster whose steps are looked at, its tags among it where they matter; `None` when those
    /// could not be read.
    async fn known_with_tags(
        &mut self,
        cluster: &str,
        wants: &Wants,
        now: Timestamp,
        looking: &mut Looking,
    ) -> Option<Known> {
        let mut known = self.memory.get(cluster).cloned().unwrap_or_default();
        if wants.tags {
            let described = Reader { port: &self.port, wants, now }.details(cluster, &mut known).await;
            if let Err(problem) = described {
                if problem.kind != CallErrorKind::Missing {
                    looking.problem(problem);
                }
                return None;
            }
            self.memory.insert(cluster.to_owned(), known.clone());
        }
        Some(known)
    }
}

#[cfg(test)]
mod tests;
