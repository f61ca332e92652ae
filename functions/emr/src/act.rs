//! How clusters and steps are stopped, after one more look at them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use guardrail::{ActionKind, Policy, Resource, Service};
use jiff::{SignedDuration, Timestamp};
use lambda::room::{Act, Acted, Found, Look};
use lambda::{CallError, CallErrorKind};

use crate::clusters::{
    CANCEL_STEPS, CANCELLED_AT_ONCE, Cancellation, Cluster, ClusterPhase, Step, StepPhase, StopClusters,
    TERMINATED_AT_ONCE, Termination,
};
use crate::look::{Emr, active};
use crate::read::{
    CALLS_AT_ONCE, CLUSTER, Known, PENDING_STEP, Read, Reader, STEP, Said, Wants, by_cluster, step_observation,
    steps_by_id,
};
use crate::release::Release;

/// Why a step of a release before 5.28 goes on.
const TOO_OLD: &str = "the release cannot cancel a running step";

type Outcome = Result<Acted, CallError>;

/// What became of each thing, by its id.
type Outcomes = BTreeMap<String, Outcome>;

impl<P: StopClusters> Act for Emr<P> {
    const SERVICE: Service = Service::Emr;

    async fn look(
        &mut self,
        policy: &Policy,
        resources: &[Resource],
        with_peers: bool,
        now: Timestamp,
    ) -> Result<Look, CallError> {
        // What an earlier look knew may have changed since.
        self.memory.clear();
        let wants = Wants::by(policy);
        let of_kind = |kind: &'static str| {
            let measured = resources.iter().filter(move |resource| resource.kind == kind);
            measured.filter(|_| policy.guardrail.measures(kind)).map(|resource| resource.id.as_str())
        };
        let mut look = Look::default();
        let clusters: Vec<&str> = of_kind(CLUSTER).collect();
        if with_peers && !clusters.is_empty() {
            self.look_at_all_clusters(&clusters, &wants, now, &mut look).await?;
        } else {
            self.look_at_clusters(&clusters, &wants, now, &mut look).await?;
        }
        for (cluster, ids) in by_cluster(of_kind(STEP)) {
            self.look_at_steps(&cluster, &ids, now, &mut look).await?;
        }
        for (cluster, ids) in by_cluster(of_kind(PENDING_STEP)) {
            self.look_at_pending_steps(&cluster, &ids, with_peers.then_some(&wants), now, &mut look).await?;
        }
        for resource in resources {
            look.found.entry(resource.id.clone()).or_insert(Found::Unknown);
        }
        Ok(look)
    }

    async fn act(&mut self, policy: &Policy, resources: &[Resource], attempt: u32) -> Vec<Outcome> {
        let ids: Vec<&str> = resources.iter().map(|resource| resource.id.as_str()).collect();
        let outcomes = match policy.guardrail.action {
            ActionKind::Terminate => self.terminate(policy, ids.iter().copied().map(str::to_owned).collect()).await,
            ActionKind::CancelStep => self.cancel_steps(policy, &ids, attempt).await,
            ActionKind::PutPolicy => self.put_policies(policy, &ids).await,
            _ => Outcomes::new(),
        };
        let nothing_to_do = || Ok(Acted::Refused("this is nothing that can be done to it in EMR".to_owned()));
        ids.into_iter().map(|id| outcomes.get(id).cloned().unwrap_or_else(nothing_to_do)).collect()
    }

    fn attempts(&self, action: ActionKind) -> u32 {
        // A step is interrupted first and killed then.
        if action == ActionKind::CancelStep { 2 } else { 1 }
    }
}

/// How a look found a cluster.
fn found_cluster(cluster: &Cluster) -> Found {
    match cluster.phase {
        ClusterPhase::Busy | ClusterPhase::Waiting | ClusterPhase::Unknown => Found::Active,
        ClusterPhase::Ending => Found::Ending(cluster.state.clone()),
        ClusterPhase::Ended => Found::Ended(cluster.state.clone()),
    }
}

/// How a look found a step that ran.
fn found_step(step: &Step) -> Found {
    match step.phase {
        StepPhase::Running | StepPhase::Unknown => Found::Active,
        StepPhase::Ending => Found::Ending(step.state.clone()),
        StepPhase::Ended => Found::Ended(step.state.clone()),
        StepPhase::Pending => Found::Unknown,
    }
}

/// How a look found a step that waited. When it runs, its waiting has ended.
fn found_pending_step(step: &Step) -> Found {
    match step.phase {
        StepPhase::Pending => Found::Active,
        StepPhase::Ending => Found::Ending(step.state.clone()),
        StepPhase::Running | StepPhase::Unknown | StepPhase::Ended => Found::Ended(step.state.clone()),
    }
}

/// The same, or `None` for what EMR does not know.
fn if_known<T>(answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answer {
        Ok(known) => Ok(Some(known)),
        Err(error) if error.kind == CallErrorKind::Missing => Ok(None),
        Err(error) => Err(error),
    }
}

impl<P: StopClusters> Emr<P> {
    /// Looks at clusters one by one, with what is measured of them.
    async fn look_at_clusters(
        &mut self,
        ids: &[&str],
        wants: &Wants,
        now: Timestamp,
        look: &mut Look,
    ) -> Result<(), CallError> {
        let reader = Reader { port: &self.port, wants, now };
        let looks = stream::iter(ids).map(|id| async move {
            let Some((cluster, details)) = if_known(reader.port.describe(id).await)? else {
                return Ok(((*id).to_owned(), Found::Unknown, None));
            };
            let found = found_cluster(&cluster);
            if found != Found::Active {
                return Ok((cluster.id, found, None));
            }
            let mut read = reader.read(cluster, Known::described(details, now)).await;
            match read.problems.pop() {
                Some(problem) => Err(problem),
                None => Ok((read.cluster.id.clone(), found, Some(read))),
            }
        });
        let looks: Vec<Result<_, CallError>> = looks.buffer_unordered(CALLS_AT_ONCE).collect().await;
        let mut said = Said::default();
        for seen in looks {
            let (id, found, read): (String, Found, Option<Read>) = seen?;
            look.observations.extend(read.and_then(|read| read.observation(wants, &mut said)));
            look.found.insert(id, found);
        }
        Ok(())
    }

    /// Looks at every active cluster, as they are counted together.
    async fn look_at_all_clusters(
        &mut self,
        ids: &[&str],
        wants: &Wants,
        now: Timestamp,
        look: &mut Look,
    ) -> Result<(), CallError> {
        let (clusters, listed) = active(&self.port).await;
        listed?;
        let reader = Reader { port: &self.port, wants, now };
        let reads = stream::iter(clusters).map(|cluster| reader.read(cluster, Known::default()));
        let reads: Vec<Read> = reads.buffer_unordered(CALLS_AT_ONCE).collect().await;
        let mut said = Said::default();
        for mut read in reads.into_iter().filter(|read| !read.is_gone()) {
            if let Some(problem) = read.problems.pop() {
                return Err(problem);
            }
            look.observations.extend(read.observation(wants, &mut said));
            look.found.insert(read.cluster.id, Found::Active);
        }
        look.found.retain(|id, _| ids.contains(&id.as_str()));
        let others: Vec<&str> = ids.iter().copied().filter(|id| !look.found.contains_key(*id)).collect();
        self.look_at_clusters(&others, wants, now, look).await
    }

    /// Looks at steps of one cluster. A step ends with its cluster.
    async fn look_at_steps(
        &mut self,
        cluster: &str,
        ids: &[String],
        now: Timestamp,
        look: &mut Look,
    ) -> Result<(), CallError> {
        let Some((described, details)) = if_known(self.port.describe(cluster).await)? else { return Ok(()) };
        let known = Known::described(details, now);
        self.memory.insert(cluster.to_owned(), known.clone());
        let mut said = Said::default();
        for step in steps_by_id(&self.port, cluster, ids).await? {
            let found = match found_step(&step) {
                Found::Active => found_cluster(&described),
                found => found,
            };
            if found == Found::Active {
                look.observations.extend(step_observation(cluster, &step, &known, &mut said));
            }
            look.found.insert(format!("{cluster}/{}", step.id), found);
        }
        Ok(())
    }

    /// Looks at pending steps of one cluster; where they are to be counted, at all of them and at what that `wants`.
    async fn look_at_pending_steps(
        &mut self,
        cluster: &str,
        ids: &[String],
        wants: Option<&Wants>,
        now: Timestamp,
        look: &mut Look,
    ) -> Result<(), CallError> {
        let (mut known, mut peers) = (Known::default(), Vec::new());
        if let Some(wants) = wants {
            let described = Reader { port: &self.port, wants, now }.details(cluster, &mut known).await;
            if if_known(described)?.is_none() {
                return Ok(());
            }
            peers = if_known(self.port.active_steps(cluster).await)?.unwrap_or_default();
        }
        let listed = |id: &&String| peers.iter().any(|step| step.id == **id);
        let others: Vec<String> = ids.iter().filter(|id| !listed(id)).cloned().collect();
        let others = steps_by_id(&self.port, cluster, &others).await?;
        let mut said = Said::default();
        for step in peers.iter().chain(&others) {
            let found = found_pending_step(step);
            if found == Found::Active {
                look.observations.extend(step_observation(cluster, step, &known, &mut said));
            }
            if ids.contains(&step.id) {
                look.found.insert(format!("{cluster}/{}", step.id), found);
            }
        }
        Ok(())
    }

    /// Terminates clusters, as many with one call as EMR takes.
    async fn terminate(&self, policy: &Policy, clusters: BTreeSet<String>) -> Outcomes {
        let lifts = policy.choice("termination_protection") == "lift";
        let clusters: Vec<String> = clusters.into_iter().collect();
        let batches = stream::iter(clusters.chunks(TERMINATED_AT_ONCE)).map(|batch| async move {
            let outcome = self.terminate_together(batch, lifts).await;
            let spoiled = match &outcome {
                Ok(Acted::Told { .. }) => false,
                Ok(Acted::Refused(_)) => true,
                Err(error) => matches!(error.kind, CallErrorKind::Missing | CallErrorKind::Invalid),
            };
            if !spoiled || batch.len() == 1 {
                return batch.iter().map(|id| (id.clone(), outcome.clone())).collect::<Outcomes>();
            }
            // One that is protected, has ended or is unknown spoils the whole call: each by itself, the others go.
            let mut outcomes = Outcomes::new();
            for id in batch {
                outcomes.insert(id.clone(), self.terminate_together(std::slice::from_ref(id), lifts).await);
            }
            outcomes
        });
        batches.buffer_unordered(CALLS_AT_ONCE).collect::<Vec<_>>().await.into_iter().flatten().collect()
    }

    async fn terminate_together(&self, clusters: &[String], lifts: bool) -> Outcome {
        if lifts {
            let lifted = self.port.lift_protection(clusters).await;
            // One that has ended needs no lift, and of several it must be found which one it is.
            if let Err(error) = lifted {
                return if error.kind == CallErrorKind::Missing && clusters.len() == 1 {
                    Ok(Acted::told(ActionKind::Terminate))
                } else {
                    Err(error)
                };
            }
        }
        match self.port.terminate(clusters).await {
            Ok(Termination::Told) => Ok(Acted::told(ActionKind::Terminate)),
            Ok(Termination::Protected) if lifts => Ok(Acted::Refused(
                "the cluster has termination protection, which did not go when it was lifted".to_owned(),
            )),
            Ok(Termination::Protected) => Ok(Acted::Refused(
                "the cluster has termination protection, and `termination_protection` is `respect`".to_owned(),
            )),
            Err(error) if error.kind == CallErrorKind::Missing && clusters.len() == 1 => {
                Ok(Acted::told(ActionKind::Terminate))
            }
            Err(error) => Err(error),
        }
    }

    /// Cancels steps, cluster by cluster.
    async fn cancel_steps(&self, policy: &Policy, ids: &[&str], attempt: u32) -> Outcomes {
        let running = policy.guardrail.measures(STEP);
        let how = if attempt == 0 { Cancellation::Interrupt } else { Cancellation::Kill };
        let mut outcomes = Outcomes::new();
        let mut stuck: BTreeMap<String, Stuck> = BTreeMap::new();
        for (cluster, steps) in by_cluster(ids.iter().copied()) {
            let of_step = |step: &String| format!("{cluster}/{step}");
            if running && self.knows_release_without_cancel(&cluster) {
                stuck.insert(cluster.clone(), Stuck { steps, why: TOO_OLD.to_owned() });
                continue;
            }
            for batch in steps.chunks(CANCELLED_AT_ONCE) {
                let refused = match self.cancel_together(&cluster, batch, running.then_some(how)).await {
                    Ok(refused) => refused,
                    Err(error) => {
                        outcomes.extend(batch.iter().map(|step| (of_step(step), Err(error.clone()))));
                        continue;
                    }
                };
                let told = batch.iter().filter(|step| !refused.contains_key(*step));
                outcomes.extend(told.map(|step| (of_step(step), Ok(Acted::told(ActionKind::CancelStep)))));
                for (step, why) in refused {
                    if running {
                        let why = format!("EMR refused to cancel it (`{why}`)");
                        let of_cluster = stuck.entry(cluster.clone()).or_insert_with(|| Stuck { steps: vec![], why });
                        of_cluster.steps.push(step);
                    } else {
                        // A step that waits can always be cancelled, so this passes.
                        let message = format!("EMR did not cancel the pending step: {why}");
                        let error = CallError { operation: CANCEL_STEPS, kind: CallErrorKind::Unavailable, message };
                        outcomes.insert(of_step(&step), Err(error));
                    }
                }
            }
        }
        outcomes.extend(self.escalate(policy, stuck).await);
        outcomes
    }

    fn knows_release_without_cancel(&self, cluster: &str) -> bool {
        let details = self.memory.get(cluster).and_then(Known::details);
        let release = details.and_then(|details| Release::of(details.release.as_deref()?));
        release.is_some_and(|release| !release.cancels_running_steps())
    }

    /// Cancels steps of one cluster with one call; gives those that are still there and that EMR does not cancel, with
    /// its reason.
    async fn cancel_together(
        &self,
        cluster: &str,
        steps: &[String],
        how: Option<Cancellation>,
    ) -> Result<BTreeMap<String, String>, CallError> {
        let mut refused = match self.port.cancel(cluster, steps, how).await {
            Ok(refused) => refused,
            Err(error) if error.kind == CallErrorKind::Missing => return Ok(BTreeMap::new()),
            Err(error) if error.kind == CallErrorKind::Invalid => {
                steps.iter().map(|step| (step.clone(), error.message.clone())).collect()
            }
            Err(error) => return Err(error),
        };
        if !refused.is_empty() {
            // What has ended meanwhile is refused too.
            let ids: Vec<String> = refused.keys().cloned().collect();
            let found = if how.is_some() { found_step } else { found_pending_step };
            let still: Vec<Step> = steps_by_id(&self.port, cluster, &ids).await?;
            let still: BTreeSet<&String> =
                still.iter().filter(|step| found(step) == Found::Active).map(|step| &step.id).collect();
            refused.retain(|step, _| still.contains(step));
        }
        Ok(refused)
    }

    /// Does what was chosen about running steps that cannot be cancelled: terminates their clusters, or nothing.
    async fn escalate(&self, policy: &Policy, stuck: BTreeMap<String, Stuck>) -> Outcomes {
        let escalates = policy.choice("escalate") == "terminate";
        let terminated =
            if escalates { self.terminate(policy, stuck.keys().cloned().collect()).await } else { Outcomes::new() };
        let outcomes = stuck.into_iter().flat_map(|(cluster, Stuck { steps, why })| {
            let outcome = match terminated.get(&cluster) {
                Some(Ok(Acted::Told { action, .. })) => {
                    Ok(Acted::Told { action: *action, note: format!("{why}, and `escalate` is `terminate`") })
                }
                Some(Ok(Acted::Refused(reason))) => Ok(Acted::Refused(format!("{why}, and {reason}"))),
                Some(Err(error)) => Err(error.clone()),
                None => Ok(Acted::Refused(format!("{why}, and `escalate` is `report`"))),
            };
            steps.into_iter().map(move |step| (format!("{cluster}/{step}"), outcome.clone()))
        });
        outcomes.collect()
    }

    /// Lets clusters end by themselves when they are idle.
    async fn put_policies(&self, policy: &Policy, clusters: &[&str]) -> Outcomes {
        let chosen = policy.choice("idle_timeout");
        let Ok(idle) = chosen.parse::<SignedDuration>() else {
            let refused = || Ok(Acted::Refused(format!("`idle_timeout` is `{chosen}`, which is no duration")));
            return clusters.iter().map(|id| ((*id).to_owned(), refused())).collect();
        };
        let puts = stream::iter(clusters).map(|id| async move {
            let outcome = match self.port.put_auto_termination(id, idle).await {
                Ok(()) => Ok(Acted::told(ActionKind::PutPolicy)),
                Err(error) if error.kind == CallErrorKind::Missing => Ok(Acted::told(ActionKind::PutPolicy)),
                Err(error) if error.kind == CallErrorKind::Invalid => {
                    let message = error.message;
                    Ok(Acted::Refused(format!("EMR takes no auto-termination policy for the cluster (`{message}`)")))
                }
                Err(error) => Err(error),
            };
            ((*id).to_owned(), outcome)
        });
        puts.buffer_unordered(CALLS_AT_ONCE).collect().await
    }
}

/// Running steps of one cluster that cannot be cancelled.
struct Stuck {
    steps: Vec<String>,
    why: String,
}

#[cfg(test)]
mod tests;
