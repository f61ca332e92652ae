//! How one cluster is read: only what is wanted, and nothing that is known already.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use guardrail::{Measure, Observation, Policy, Quantity, ScopeKind};
use jiff::{SignedDuration, Timestamp};
use lambda::room::Wanted;
use lambda::{CallError, CallErrorKind};

use crate::clusters::{Cluster, ClusterPhase, Clusters, Details, Instances, STEPS_BY_ID, Step, StepPhase};
use crate::release::Release;
use crate::vcpus;

/// The kinds of resources, in the words of the catalogue.
pub(crate) const CLUSTER: &str = "cluster";
pub(crate) const STEP: &str = "step";
pub(crate) const PENDING_STEP: &str = "pending step";

/// Calls under way at once. EMR's rates are low and shared with everything else in the account.
pub(crate) const CALLS_AT_ONCE: usize = 2;

/// How often, and after which pause, a call that was refused for its haste is made again, beyond the SDK's own retries.
const PATIENCE: usize = 10;
const PAUSE: Duration = Duration::from_secs(1);

/// How long details are believed: a cluster lives and dies with most of them, but tags can be changed.
const DETAILS_FOR: SignedDuration = SignedDuration::from_hours(1);

/// How long the number of instances is believed.
const INSTANCES_FOR: SignedDuration = SignedDuration::from_mins(5);

/// How long an auto-termination policy is believed to be there still. One that is missing is looked for each time,
/// because it is about to be put.
const POLICY_FOR: SignedDuration = SignedDuration::from_mins(15);

/// What is worth reading.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wants {
    /// Clusters themselves.
    pub(crate) clusters: bool,
    /// Steps that run.
    pub(crate) steps: bool,
    /// Steps that wait.
    pub(crate) pending_steps: bool,
    /// Tags, because a limit or an exemption depends on them.
    pub(crate) tags: bool,
    /// What is measured of clusters.
    pub(crate) readings: BTreeSet<Measure>,
}

impl Wants {
    /// What a watch wants to see.
    pub(crate) fn of(wanted: Wanted<'_>) -> Self {
        let clusters = wanted.guardrails().filter(|guardrail| guardrail.measures(CLUSTER));
        Self {
            clusters: wanted.kind(CLUSTER),
            steps: wanted.kind(STEP),
            pending_steps: wanted.kind(PENDING_STEP),
            tags: wanted.tags(),
            readings: clusters.map(|guardrail| guardrail.measure).collect(),
        }
    }

    /// What is needed to judge one guardrail again.
    pub(crate) fn by(policy: &Policy) -> Self {
        let guardrail = policy.guardrail;
        let of_clusters = guardrail.measures(CLUSTER).then_some(guardrail.measure);
        Self {
            clusters: guardrail.measures(CLUSTER),
            steps: guardrail.measures(STEP),
            pending_steps: guardrail.measures(PENDING_STEP),
            tags: policy.asks_for_tags(),
            readings: of_clusters.into_iter().collect(),
        }
    }

    /// The same without steps, but for what they tell of a cluster.
    pub(crate) fn without_steps(&self) -> Self {
        Self { steps: false, pending_steps: false, ..self.clone() }
    }

    /// No more of clusters than is needed to count them.
    pub(crate) fn to_count(&self) -> Self {
        Self { clusters: self.clusters, tags: self.tags, ..Self::default() }
    }

    /// No more of clusters than what grows with time.
    pub(crate) fn to_time(&self) -> Self {
        let readings = self.readings.intersection(&BTreeSet::from([Measure::IdleTime])).copied().collect();
        Self { readings, ..self.without_steps() }
    }

    pub(crate) fn nothing(&self) -> bool {
        !self.clusters && !self.steps && !self.pending_steps
    }

    pub(crate) fn reading(&self, measure: Measure) -> bool {
        self.readings.contains(&measure)
    }

    fn instances(&self) -> bool {
        [Measure::Instances, Measure::Vcpus, Measure::InstanceTypes].iter().any(|measure| self.reading(*measure))
    }

    fn details(&self) -> bool {
        let described = [Measure::Release, Measure::SecurityConfiguration, Measure::AutoTermination];
        self.tags || self.instances() || described.iter().any(|measure| self.reading(*measure))
    }
}

/// What is known of a cluster, with when it was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    details: Option<(Timestamp, Details)>,
    /// With whether the cluster was ready: its instances come up until then.
    instances: Option<(Timestamp, bool, Instances)>,
    auto_termination: Option<(Timestamp, bool)>,
}

impl Known {
    /// A cluster that was described at this moment.
    pub(crate) fn described(details: Details, now: Timestamp) -> Self {
        Self { details: Some((now, details)), ..Self::default() }
    }

    pub(crate) fn details(&self) -> Option<&Details> {
        self.details.as_ref().map(|(_, details)| details)
    }

    fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        let tags = self.details().map(|details| details.tags.as_slice()).unwrap_or_default();
        tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    fn release(&self) -> Option<Release> {
        Release::of(self.details()?.release.as_deref()?)
    }
}

fn is_fresh(read_at: Timestamp, lasts: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(read_at) < lasts
}

/// What was read of a cluster.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) cluster: Cluster,
    pub(crate) known: Known,
    /// Its active steps, where they were wanted and could be read.
    pub(crate) steps: Option<Vec<Step>>,
    idle_since: Option<Timestamp>,
    pub(crate) problems: Vec<CallError>,
}

impl Read {
    /// Whether EMR knows the cluster no longer.
    pub(crate) fn is_gone(&self) -> bool {
        self.problems.iter().any(|problem| problem.kind == CallErrorKind::Missing)
    }

    /// The cluster as it is judged; `None` when it cannot be, because what its limits depend on was not read.
    pub(crate) fn observation(&self, wants: &Wants, said: &mut Said) -> Option<Observation> {
        if wants.tags && self.known.details.is_none() {
            return None;
        }
        let Cluster { id, state, created_at, .. } = &self.cluster;
        let mut seen = Observation::new(CLUSTER, id, state, (*created_at)?).tagged(self.known.tags());
        if let Some(idle_since) = self.idle_since {
            seen = seen.since(Measure::IdleTime, idle_since);
        }
        if let Some(details) = self.known.details() {
            if let Some(release) = details.release.as_ref().filter(|_| wants.reading(Measure::Release)) {
                seen = seen.words(Measure::Release, [release]);
            }
            if wants.reading(Measure::SecurityConfiguration) {
                seen = seen.words(Measure::SecurityConfiguration, [set(details.has_security_configuration)]);
            }
        }
        if let Some((_, has_policy)) = self.known.auto_termination.filter(|_| wants.reading(Measure::AutoTermination)) {
            seen = seen.words(Measure::AutoTermination, [set(has_policy)]);
        }
        if let Some((_, _, instances)) = self.known.instances.as_ref().filter(|_| wants.instances()) {
            seen = seen.amount(Measure::Instances, Quantity::Count(instances.values().sum()));
            seen = seen.words(Measure::InstanceTypes, instances.keys());
            if let Some(vcpus) = vcpus_of(instances, said) {
                seen = seen.amount(Measure::Vcpus, Quantity::Count(vcpus));
            }
        }
        Some(seen)
    }
}

fn set(is_set: bool) -> &'static str {
    if is_set { "set" } else { "missing" }
}

fn vcpus_of(instances: &Instances, said: &mut Said) -> Option<u64> {
    let running = instances.iter().filter(|(_, running)| **running > 0);
    let vcpus = running.map(|(instance_type, running)| {
        let vcpus = vcpus::of(instance_type);
        if vcpus.is_none() && said.first(instance_type) {
            tracing::warn!(instance.r#type = instance_type, "instance type is unknown, its vCPUs were not counted");
        }
        vcpus?.checked_mul(*running)
    });
    // Every type is looked at, so that each unknown one is logged.
    let vcpus: Vec<Option<u64>> = vcpus.collect();
    vcpus.into_iter().sum()
}

/// What was said in this run: it is not said for each resource again.
#[derive(Debug, Default)]
pub(crate) struct Said(BTreeSet<String>);

impl Said {
    pub(crate) fn first(&mut self, what: &str) -> bool {
        self.0.insert(what.to_owned())
    }

    /// Logs a state that this version does not know.
    pub(crate) fn strange_state(&mut self, kind: &'static str, state: &str) {
        if self.first(&format!("{kind} {state}")) {
            tracing::warn!(resource.kind = kind, state, "state is unknown and counts as active");
        }
    }
}

/// A step as it is judged, of the kind that its state makes it; `None` for one that has ended or says no time.
pub(crate) fn step_observation(cluster: &str, step: &Step, known: &Known, said: &mut Said) -> Option<Observation> {
    let id = format!("{cluster}/{}", step.id);
    let seen = match step.phase {
        StepPhase::Pending => {
            Observation::new(PENDING_STEP, id, &step.state, step.created_at?).within(ScopeKind::Cluster, Some(cluster))
        }
        StepPhase::Running | StepPhase::Unknown => {
            if step.phase == StepPhase::Unknown {
                said.strange_state(STEP, &step.state);
            }
            Observation::new(STEP, id, &step.state, step.started_at.or(step.created_at)?)
        }
        StepPhase::Ending | StepPhase::Ended => return None,
    };
    Some(seen.tagged(known.tags()))
}

/// Reads clusters.
#[derive(Debug)]
pub(crate) struct Reader<'a, P> {
    pub(crate) port: &'a P,
    pub(crate) wants: &'a Wants,
    pub(crate) now: Timestamp,
}

impl<P> Clone for Reader<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Reader<'_, P> {}

impl<P: Clusters> Reader<'_, P> {
    /// What is wanted of a cluster. What fails is noted, and the rest is read all the same.
    pub(crate) async fn read(self, cluster: Cluster, known: Known) -> Read {
        let mut read = Read { cluster, known, steps: None, idle_since: None, problems: Vec::new() };
        let details = self.details(&read.cluster.id, &mut read.known).await;
        read.problems.extend(details.err());
        let settled = [self.instances(&mut read).await, self.auto_termination(&mut read).await];
        read.problems.extend(settled.into_iter().filter_map(Result::err));
        let steps = self.steps(&mut read).await;
        read.problems.extend(steps.err());
        read
    }

    /// Describes a cluster, unless that was done or nobody needs it.
    pub(crate) async fn details(self, cluster: &str, known: &mut Known) -> Result<(), CallError> {
        let fresh = known.details.as_ref().is_some_and(|(read_at, _)| is_fresh(*read_at, DETAILS_FOR, self.now));
        if self.wants.details() && !fresh {
            let (_, details) = patiently(|| self.port.describe(cluster)).await?;
            known.details = Some((self.now, details));
        }
        Ok(())
    }

    async fn instances(self, read: &mut Read) -> Result<(), CallError> {
        let is_ready = read.cluster.ready_at.is_some();
        let fresh = read.known.instances.as_ref().is_some_and(|(read_at, was_ready, _)| {
            is_fresh(*read_at, INSTANCES_FOR, self.now) && *was_ready == is_ready
        });
        if let Some(details) = read.known.details().filter(|_| self.wants.instances() && !fresh) {
            let instances = patiently(|| self.port.instances(&read.cluster.id, details.kept_in)).await?;
            read.known.instances = Some((self.now, is_ready, instances));
        }
        Ok(())
    }

    /// A cluster that ends after its last step needs no policy to end when it is idle, and one whose release knows no
    /// policy is not held to have one.
    async fn auto_termination(self, read: &mut Read) -> Result<(), CallError> {
        let known = read.known.auto_termination;
        let fresh = known.is_some_and(|(read_at, has_policy)| has_policy && is_fresh(read_at, POLICY_FOR, self.now));
        let Some(details) = read.known.details().filter(|_| self.wants.reading(Measure::AutoTermination) && !fresh)
        else {
            return Ok(());
        };
        let has_policy = if details.ends_after_last_step {
            true
        } else if read.known.release().is_some_and(Release::has_auto_termination) {
            match patiently(|| self.port.has_auto_termination(&read.cluster.id)).await {
                Ok(has_policy) => has_policy,
                // The release can have a policy, so what EMR refuses to tell is not there.
                Err(error) if error.kind == CallErrorKind::Invalid => false,
                Err(error) => return Err(error),
            }
        } else {
            return Ok(());
        };
        read.known.auto_termination = Some((self.now, has_policy));
        Ok(())
    }

    /// Reads the active steps and, of a cluster that waits, since when it is idle: both stand among its newest steps,
    /// so that a step that came and went between two looks is not missed and costs no call.
    async fn steps(self, read: &mut Read) -> Result<(), CallError> {
        let cluster = &read.cluster;
        if cluster.phase == ClusterPhase::Waiting && self.wants.reading(Measure::IdleTime) {
            let newest = patiently(|| self.port.newest_steps(&cluster.id)).await?;
            let (ended, active): (Vec<Step>, Vec<Step>) =
                newest.steps.into_iter().partition(|step| step.phase == StepPhase::Ended);
            if active.is_empty() {
                let last_end = ended.iter().filter_map(|step| step.ended_at).max();
                read.idle_since = cluster.ready_at.max(last_end);
            } else if newest.more {
                read.steps = Some(patiently(|| self.port.active_steps(&cluster.id)).await?);
                return Ok(());
            }
            read.steps = Some(active);
        } else if self.wants.steps || self.wants.pending_steps {
            read.steps = Some(patiently(|| self.port.active_steps(&cluster.id)).await?);
        }
        Ok(())
    }
}

/// Makes a call that reads, again each second while EMR refuses it for its haste: it allows about one call a second of
/// each kind, far fewer than a sandbox with many clusters takes. Whoever calls knows how much time there is.
pub(crate) async fn patiently<T, F>(call: impl Fn() -> F) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>>,
{
    for _ in 0..PATIENCE {
        match call().await {
            Err(error) if error.kind == CallErrorKind::Throttled => tokio::time::sleep(PAUSE).await,
            answer => return answer,
        }
    }
    call().await
}

/// Steps of a cluster by id. Those that EMR does not know are left out.
pub(crate) async fn steps_by_id<P: Clusters>(port: &P, cluster: &str, ids: &[String]) -> Result<Vec<Step>, CallError> {
    let batches = stream::iter(ids.chunks(STEPS_BY_ID)).map(|batch| async move {
        match port.steps(cluster, batch).await {
            // One unknown id spoils the batch, so each is asked for by itself.
            Err(error) if error.kind == CallErrorKind::Missing && batch.len() > 1 => {
                let mut known = Vec::new();
                for id in batch {
                    match port.steps(cluster, std::slice::from_ref(id)).await {
                        Ok(steps) => known.extend(steps),
                        Err(error) if error.kind == CallErrorKind::Missing => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(known)
            }
            Err(error) if error.kind == CallErrorKind::Missing => Ok(Vec::new()),
            steps => steps,
        }
    });
    let batches: Vec<Result<Vec<Step>, CallError>> = batches.buffer_unordered(CALLS_AT_ONCE).collect().await;
    let steps: Result<Vec<Vec<Step>>, CallError> = batches.into_iter().collect();
    Ok(steps?.into_iter().flatten().collect())
}

/// The ids of steps by their cluster, from resource ids `<cluster>/<step>`. What is no such id names nothing.
pub(crate) fn by_cluster<'a>(ids: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, Vec<String>> {
    let mut steps: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (cluster, step) in ids.into_iter().filter_map(|id| id.split_once('/')) {
        steps.entry(cluster.to_owned()).or_default().push(step.to_owned());
    }
    steps
}
