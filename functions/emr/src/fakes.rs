//! EMR in memory, for the tests of this room: clusters and steps with state, faults, and a count of calls.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use guardrail::{Configuration, Resource};
use jiff::{SignedDuration, Timestamp};
use lambda::fakes::failed;
use lambda::{CallError, CallErrorKind};

use crate::clusters::{
    CANCELLED_AT_ONCE, Cancellation, Cluster, ClusterPhase, Clusters, Collection, Details, Instances, Newest, Page,
    STEPS_BY_ID, Step, StepPhase, StopClusters, TERMINATED_AT_ONCE, Termination,
};

/// The moment of the tests.
pub(crate) const NOW: &str = "2026-11-21T12:00:00Z";

/// So many minutes before the moment of the tests.
pub(crate) fn ago(minutes: i64) -> Timestamp {
    NOW.parse::<Timestamp>().unwrap() - SignedDuration::from_mins(minutes)
}

/// What is in force under these parameters of EMR, `<guardrail>/<setting>`, and exemptions.
pub(crate) fn configuration(parameters: &[(&str, &str)]) -> Configuration {
    let named = |(name, value): &(&str, &str)| {
        let service = if name.starts_with("exemptions/") { "" } else { "emr/" };
        (format!("/sandbox-guardrails/{service}{name}"), (*value).to_owned())
    };
    let parameters: Vec<(String, String)> = parameters.iter().map(named).collect();
    let (read, faults) = Configuration::read(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    assert!(faults.is_empty(), "{faults:?}");
    read
}

pub(crate) fn resource(kind: &str, id: &str) -> Resource {
    Resource { kind: kind.to_owned(), id: id.to_owned() }
}

/// A cluster as the fake keeps it.
#[derive(Clone)]
pub(crate) struct FakeCluster {
    pub(crate) cluster: Cluster,
    pub(crate) details: Details,
    pub(crate) instances: Instances,
    pub(crate) has_policy: bool,
    pub(crate) takes_policy: bool,
    pub(crate) protected: bool,
    /// The newest first, as EMR lists them.
    pub(crate) steps: Vec<Step>,
    pub(crate) refuses_to_cancel: bool,
}

impl FakeCluster {
    pub(crate) fn tag(&mut self, key: &str, value: &str) {
        self.details.tags.push((key.to_owned(), value.to_owned()));
    }

    /// Adds a step in this state, created and started so many minutes ago; one that has ended did so after a minute.
    pub(crate) fn step(&mut self, id: &str, state: &str, minutes: i64) {
        let phase = match state {
            "PENDING" => StepPhase::Pending,
            "RUNNING" => StepPhase::Running,
            "CANCEL_PENDING" => StepPhase::Ending,
            "COMPLETED" | "CANCELLED" | "FAILED" | "INTERRUPTED" => StepPhase::Ended,
            _ => StepPhase::Unknown,
        };
        let step = Step {
            id: id.to_owned(),
            state: state.to_owned(),
            phase,
            created_at: Some(ago(minutes)),
            started_at: (phase != StepPhase::Pending).then(|| ago(minutes)),
            ended_at: (phase == StepPhase::Ended).then(|| ago(minutes - 1)),
        };
        self.steps.insert(0, step);
    }

    fn become_state(&mut self, state: &str) {
        state.clone_into(&mut self.cluster.state);
        self.cluster.phase = match state {
            "STARTING" | "BOOTSTRAPPING" | "RUNNING" => ClusterPhase::Busy,
            "WAITING" => ClusterPhase::Waiting,
            "TERMINATING" => ClusterPhase::Ending,
            "TERMINATED" | "TERMINATED_WITH_ERRORS" => ClusterPhase::Ended,
            _ => ClusterPhase::Unknown,
        };
    }
}

/// The next `times` calls of an operation for a cluster (or any) fail.
struct Fault {
    operation: &'static str,
    cluster: Option<&'static str>,
    kind: CallErrorKind,
    times: usize,
}

/// A shared EMR.
#[derive(Clone, Default)]
pub(crate) struct FakeEmr {
    clusters: Rc<RefCell<BTreeMap<String, FakeCluster>>>,
    calls: Rc<RefCell<BTreeMap<&'static str, usize>>>,
    faults: Rc<RefCell<Vec<Fault>>>,
    latency: Rc<Cell<Duration>>,
    under_way: Rc<Cell<usize>>,
    most_at_once: Rc<Cell<usize>>,
}

impl FakeEmr {
    /// How many clusters a page of the list holds here.
    pub(crate) const PAGE: usize = 3;

    /// A cluster in this state, made and ready two hours ago, with two `m5.xlarge` in a group, release 7.1 and no policy.
    pub(crate) fn cluster(&self, id: &str, state: &str, shape: impl FnOnce(&mut FakeCluster)) {
        let mut cluster = FakeCluster {
            cluster: Cluster {
                id: id.to_owned(),
                state: String::new(),
                phase: ClusterPhase::Busy,
                created_at: Some(ago(120)),
                ready_at: Some(ago(120)),
            },
            details: Details { release: Some("emr-7.1.0".to_owned()), ..Details::default() },
            instances: Instances::from([("m5.xlarge".to_owned(), 2)]),
            has_policy: false,
            takes_policy: true,
            protected: false,
            steps: Vec::new(),
            refuses_to_cancel: false,
        };
        cluster.become_state(state);
        shape(&mut cluster);
        self.clusters.borrow_mut().insert(id.to_owned(), cluster);
    }

    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut FakeCluster)) {
        change(self.clusters.borrow_mut().get_mut(id).unwrap());
    }

    pub(crate) fn become_state(&self, id: &str, state: &str) {
        self.change(id, |cluster| cluster.become_state(state));
    }

    pub(crate) fn state(&self, id: &str) -> String {
        self.clusters.borrow()[id].cluster.state.clone()
    }

    pub(crate) fn step_state(&self, cluster: &str, id: &str) -> String {
        let clusters = self.clusters.borrow();
        clusters[cluster].steps.iter().find(|step| step.id == id).unwrap().state.clone()
    }

    pub(crate) fn has_policy(&self, id: &str) -> bool {
        self.clusters.borrow()[id].has_policy
    }

    pub(crate) fn fail(
        &self,
        operation: &'static str,
        cluster: Option<&'static str>,
        kind: CallErrorKind,
        times: usize,
    ) {
        self.faults.borrow_mut().push(Fault { operation, cluster, kind, times });
    }

    pub(crate) fn latency(&self, latency: Duration) {
        self.latency.set(latency);
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.most_at_once.get()
    }

    /// The calls made since the last time this was asked.
    pub(crate) fn calls(&self) -> BTreeMap<&'static str, usize> {
        self.calls.take()
    }

    /// One call about a cluster, or about all with an empty id.
    async fn call(&self, operation: &'static str, cluster: &str) -> Result<(), CallError> {
        *self.calls.borrow_mut().entry(operation).or_default() += 1;
        self.under_way.set(self.under_way.get() + 1);
        self.most_at_once.set(self.most_at_once.get().max(self.under_way.get()));
        tokio::time::sleep(self.latency.get().max(Duration::from_millis(1))).await;
        self.under_way.set(self.under_way.get() - 1);
        let mut faults = self.faults.borrow_mut();
        let hit = faults.iter_mut().find(|fault| {
            fault.operation == operation && fault.times > 0 && fault.cluster.is_none_or(|of| of == cluster)
        });
        if let Some(fault) = hit {
            fault.times -= 1;
            return Err(failed(operation, fault.kind));
        }
        if !cluster.is_empty() && !self.clusters.borrow().contains_key(cluster) {
            return Err(failed(operation, CallErrorKind::Missing));
        }
        Ok(())
    }

    fn read<T>(&self, cluster: &str, read: impl FnOnce(&FakeCluster) -> T) -> T {
        read(&self.clusters.borrow()[cluster])
    }
}

impl Clusters for FakeEmr {
    async fn active(&self, from: Option<&str>) -> Result<Page, CallError> {
        self.call("ListClusters", "").await?;
        let start: usize = from.map_or(0, |from| from.parse().unwrap());
        let clusters = self.clusters.borrow();
        let active = clusters.values().map(|cluster| cluster.cluster.clone()).filter(Cluster::is_active);
        let active: Vec<Cluster> = active.collect();
        let end = active.len().min(start + Self::PAGE);
        Ok(Page { clusters: active[start..end].to_vec(), next: (end < active.len()).then(|| end.to_string()) })
    }

    async fn describe(&self, cluster: &str) -> Result<(Cluster, Details), CallError> {
        self.call("DescribeCluster", cluster).await?;
        Ok(self.read(cluster, |cluster| (cluster.cluster.clone(), cluster.details.clone())))
    }

    async fn active_steps(&self, cluster: &str) -> Result<Vec<Step>, CallError> {
        self.call("ListSteps", cluster).await?;
        let listed = |step: &&Step| step.phase != StepPhase::Ended;
        Ok(self.read(cluster, |cluster| cluster.steps.iter().filter(listed).cloned().collect()))
    }

    async fn newest_steps(&self, cluster: &str) -> Result<Newest, CallError> {
        self.call("ListSteps", cluster).await?;
        Ok(self.read(cluster, |cluster| Newest {
            steps: cluster.steps.iter().take(Self::PAGE).cloned().collect(),
            more: cluster.steps.len() > Self::PAGE,
        }))
    }

    async fn steps(&self, cluster: &str, ids: &[String]) -> Result<Vec<Step>, CallError> {
        assert!((1..=STEPS_BY_ID).contains(&ids.len()), "EMR takes 1 to {STEPS_BY_ID} ids, not {}", ids.len());
        self.call("ListSteps", cluster).await?;
        let found: Option<Vec<Step>> = self.read(cluster, |cluster| {
            ids.iter().map(|id| cluster.steps.iter().find(|step| step.id == *id).cloned()).collect()
        });
        found.ok_or_else(|| failed("ListSteps", CallErrorKind::Missing))
    }

    async fn instances(&self, cluster: &str, kept_in: Collection) -> Result<Instances, CallError> {
        let operation = if kept_in == Collection::Groups { "ListInstanceGroups" } else { "ListInstances" };
        self.call(operation, cluster).await?;
        Ok(self.read(cluster, |cluster| cluster.instances.clone()))
    }

    async fn has_auto_termination(&self, cluster: &str) -> Result<bool, CallError> {
        self.call("GetAutoTerminationPolicy", cluster).await?;
        Ok(self.has_policy(cluster))
    }
}

impl StopClusters for FakeEmr {
    async fn terminate(&self, clusters: &[String]) -> Result<Termination, CallError> {
        assert!((1..=TERMINATED_AT_ONCE).contains(&clusters.len()));
        self.call("TerminateJobFlows", "").await?;
        let mut known = self.clusters.borrow_mut();
        if clusters.iter().any(|id| !known.contains_key(id)) {
            return Err(failed("TerminateJobFlows", CallErrorKind::Missing));
        }
        if clusters.iter().any(|id| known[id].protected && known[id].cluster.is_active()) {
            return Ok(Termination::Protected);
        }
        for id in clusters {
            let cluster = known.get_mut(id).unwrap();
            if cluster.cluster.is_active() {
                cluster.become_state("TERMINATING");
            }
        }
        Ok(Termination::Told)
    }

    async fn lift_protection(&self, clusters: &[String]) -> Result<(), CallError> {
        self.call("SetTerminationProtection", "").await?;
        let mut known = self.clusters.borrow_mut();
        if clusters.iter().any(|id| known.get(id).is_none_or(|cluster| !cluster.cluster.is_active())) {
            return Err(failed("SetTerminationProtection", CallErrorKind::Missing));
        }
        clusters.iter().for_each(|id| known.get_mut(id).unwrap().protected = false);
        Ok(())
    }

    async fn cancel(
        &self,
        cluster: &str,
        steps: &[String],
        how: Option<Cancellation>,
    ) -> Result<BTreeMap<String, String>, CallError> {
        assert!((1..=CANCELLED_AT_ONCE).contains(&steps.len()));
        self.call("CancelSteps", cluster).await?;
        let mut refused = BTreeMap::new();
        self.change(cluster, |cluster| {
            for step in cluster.steps.iter_mut().filter(|step| steps.contains(&step.id)) {
                let state = match (step.phase, how) {
                    _ if cluster.refuses_to_cancel || step.phase == StepPhase::Ended => {
                        refused.insert(step.id.clone(), "not now".to_owned());
                        continue;
                    }
                    // Whoever ignores an interrupt goes on as if there had been none.
                    (StepPhase::Running, Some(Cancellation::Interrupt) | None) if step.id.starts_with("s-deaf") => {
                        continue;
                    }
                    _ => "CANCELLED",
                };
                (step.state, step.phase) = (state.to_owned(), StepPhase::Ended);
            }
        });
        Ok(refused)
    }

    async fn put_auto_termination(&self, cluster: &str, _idle: SignedDuration) -> Result<(), CallError> {
        self.call("PutAutoTerminationPolicy", cluster).await?;
        if !self.read(cluster, |cluster| cluster.takes_policy) {
            return Err(failed("PutAutoTerminationPolicy", CallErrorKind::Invalid));
        }
        self.change(cluster, |cluster| cluster.has_policy = true);
        Ok(())
    }
}
