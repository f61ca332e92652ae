//! EMR from the tests' side: arrange clusters and steps, look at them, end them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::cluster::{Cluster, Echo, Step};
use super::life::{Reason, StepPlan};
use super::spec::{ClusterSpec, ClusterState, ClusterView, StepSpec, StepView};
use super::{Emr, create};
use crate::accounts::Place;
use crate::clock;
use crate::world::World;

/// How long each cluster of a made-up history lived.
const HISTORIC_RUN: Duration = Duration::from_secs(60);
/// The least there is between two instants.
const INSTANT: Duration = Duration::from_millis(1);

/// The EMR of one account in one Region. Nothing done here counts as a call or meets a fault.
#[derive(Debug, Clone)]
pub struct EmrHandle {
    world: World,
    place: Place,
}

impl EmrHandle {
    pub(crate) fn new(world: World, place: Place) -> EmrHandle {
        EmrHandle { world, place }
    }

    /// Starts a cluster and answers its id.
    pub fn start(&self, spec: ClusterSpec) -> String {
        self.emr(|emr, now| emr.arrange(spec, now).to_string())
    }

    /// Starts `count` clusters that are all alike, and answers their ids.
    pub fn start_many(&self, count: usize, spec: &ClusterSpec) -> Vec<String> {
        self.emr(|emr, now| (0..count).map(|_| emr.arrange(spec.clone(), now).to_string()).collect())
    }

    /// Makes up `count` clusters that have ended, and answers their ids, newest first: the newest was asked for
    /// `newest_age` ago, each other one `spacing` before the one that follows. Every tenth broke. They announce
    /// nothing.
    pub fn seed_history(&self, count: usize, spacing: Duration, newest_age: Duration) -> Vec<String> {
        self.emr(|emr, now| {
            // The oldest first, as they came.
            let mut ids: Vec<String> = (0..count)
                .rev()
                .map(|index| {
                    let before = spacing.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX));
                    // However young, it ended before now: what ends now would still be announced.
                    let age = newest_age.saturating_add(before).max(INSTANT);
                    let lived = HISTORIC_RUN.min(age.saturating_sub(INSTANT));
                    let spec = ClusterSpec {
                        age,
                        starting_takes: Duration::ZERO,
                        terminating_takes: Duration::ZERO,
                        runs_for: Some(lived),
                        fails: index % 10 == 9,
                        ..ClusterSpec::default()
                    };
                    emr.arrange(spec, now).to_string()
                })
                .collect();
            ids.reverse();
            ids
        })
    }

    /// Adds a step and answers its id; none when its cluster is unknown or takes no more steps.
    pub fn add_step(&self, spec: StepSpec) -> Option<String> {
        self.emr(|emr, now| emr.arrange_step(&spec, now))
    }

    /// The cluster, in whatever state.
    pub fn cluster(&self, id: &str) -> Option<ClusterView> {
        self.emr(|emr, now| emr.cluster(id, now).map(|cluster| cluster.view(now)))
    }

    /// The cluster's state.
    pub fn state(&self, id: &str) -> Option<ClusterState> {
        self.cluster(id).map(|cluster| cluster.state)
    }

    /// The step, in whatever state.
    pub fn step(&self, id: &str) -> Option<StepView> {
        self.emr(|emr, now| {
            let (cluster, index) = emr.step(id)?;
            cluster.step_view(index, now)
        })
    }

    /// The clusters that have not ended, newest first.
    pub fn active(&self) -> Vec<ClusterView> {
        self.emr(|emr, now| {
            let clusters = emr.newest_first(now).filter(|cluster| !cluster.state(now).is_terminal());
            clusters.map(|cluster| cluster.view(now)).collect()
        })
    }

    /// The steps that have not ended, of all clusters, those of the newest cluster first.
    pub fn active_steps(&self) -> Vec<StepView> {
        self.emr(|emr, now| {
            let steps = emr
                .newest_first(now)
                .flat_map(|cluster| (0..cluster.steps.len()).filter_map(move |index| cluster.step_view(index, now)));
            steps.filter(|step| !step.state.is_terminal()).collect()
        })
    }

    /// Lets the cluster be terminated by its user now, protected or not, and answers what it has become.
    pub fn finish(&self, id: &str) -> Option<ClusterView> {
        self.emr(|emr, now| {
            emr.interfere(id, now, |cluster| cluster.plan.ends.push((now, Reason::User)));
            emr.cluster(id, now).map(|cluster| cluster.view(now))
        })
    }

    /// Ends the step now, the way it would have ended, and answers what it has become; a step that has ended stays as
    /// it is.
    pub fn finish_step(&self, id: &str) -> Option<StepView> {
        self.emr(|emr, now| {
            let (cluster, index) = emr.step(id)?;
            let owner = Arc::clone(&cluster.id);
            emr.interfere(&owner, now, |cluster| {
                if let Some(step) = cluster.plan.steps.get_mut(index) {
                    step.finished_at.get_or_insert(now);
                }
            });
            emr.cluster(&owner, now).and_then(|cluster| cluster.step_view(index, now))
        })
    }

    fn emr<T>(&self, look: impl FnOnce(&mut Emr, Timestamp) -> T) -> T {
        self.world.with(&self.place, |sandbox, now| look(&mut sandbox.emr, now))
    }
}

impl Emr {
    fn arrange(&mut self, spec: ClusterSpec, now: Timestamp) -> Arc<str> {
        let request = create::request_for(&spec);
        self.launch(spec, Vec::new(), Echo::default(), request, now).0
    }

    fn arrange_step(&mut self, spec: &StepSpec, now: Timestamp) -> Option<String> {
        let cluster = self.cluster(&spec.cluster, now).filter(|cluster| cluster.takes_work(now))?;
        let created_at = clock::before(now, spec.age).max(cluster.key().0);
        let (step, plan) = (Step::new(spec), StepPlan::new(spec, created_at));
        let id = step.id.to_string();
        let request = json!({
            "jobFlowId": spec.cluster,
            "steps": [{
                "name": spec.name,
                "actionOnFailure": spec.action_on_failure.as_str(),
                "hadoopJarStep": { "jar": step.jar, "args": spec.args },
            }],
        });
        self.add_steps(&spec.cluster, vec![(step, plan)], request, spec.started_by.clone(), now);
        Some(id)
    }

    /// The cluster a step belongs to, and its place there.
    fn step(&self, id: &str) -> Option<(&Cluster, usize)> {
        self.clusters.values().find_map(|cluster| {
            let index = cluster.steps.iter().position(|step| &*step.id == id)?;
            Some((cluster, index))
        })
    }
}
