//! How jobs are looked at with as few calls as there can be.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use guardrail::{Measure, Observation, Quantity};
use lambda::room::Found;

use super::{Choices, Instances, Job, JobKind, Jobs};
use crate::line::{CALLS_AT_ONCE, Line};
use crate::look::Sighting;
use crate::{gpus, life};

/// What is remembered of jobs: those in progress, by id, and the kinds that were seen wholly.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    active: BTreeMap<String, Known>,
    whole: BTreeSet<JobKind>,
}

#[derive(Debug)]
struct Known {
    job: Job,
    /// What a call by itself tells, and nothing changes.
    instances: Option<Choices>,
}

impl Memory {
    /// Looks at the jobs of these kinds, with their instances where those are wanted.
    pub(crate) async fn sweep<P: Jobs>(
        &mut self,
        port: &P,
        line: &Line,
        kinds: &[JobKind],
        instances: bool,
    ) -> Sighting {
        let mut sighting = Sighting::default();
        let lists = stream::iter(kinds).map(|kind| async move {
            (*kind, line.pages(kind.list_action(), |from| port.in_progress(*kind, from)).await)
        });
        let lists: Vec<_> = lists.buffer_unordered(CALLS_AT_ONCE).collect().await;
        self.active.retain(|_, known| kinds.contains(&known.job.kind));
        self.whole.retain(|kind| kinds.contains(kind));
        for (kind, listed) in lists {
            let ids: BTreeSet<String> = listed.items.iter().map(Job::id).collect();
            listed.items.into_iter().for_each(|job| self.learn(job, None));
            let gone = self.active.iter().filter(|(id, known)| known.job.kind == kind && !ids.contains(*id));
            let gone: Vec<String> = gone.map(|(id, _)| id.clone()).collect();
            match listed.problem {
                Some(problem) => {
                    self.whole.remove(&kind);
                    sighting.problems.push(problem);
                    sighting.unseen.extend(gone);
                }
                None => {
                    self.whole.insert(kind);
                    gone.iter().for_each(|id| drop(self.active.remove(id)));
                }
            }
        }
        if instances {
            self.ask_for_instances(port, line, &mut sighting).await;
            self.warn_of_unknown_gpus();
        }
        sighting.saw.insert("jobs", self.active.len() as u64);
        self.observe(&mut sighting);
        sighting.whole.extend(self.whole.iter().map(|kind| kind.resource()));
        sighting
    }

    /// Looks at the job that an event names. The others are left to the sweep: as they were seen last they may have
    /// ended, and what has ended is no finding.
    pub(crate) async fn signal<P: Jobs>(&mut self, port: &P, line: &Line, kind: JobKind, name: &str) -> Sighting {
        self.again(port, line, &[(kind, &kind.id(name))]).await
    }

    /// Looks at these jobs one by one.
    pub(crate) async fn again<P: Jobs>(&mut self, port: &P, line: &Line, jobs: &[(JobKind, &str)]) -> Sighting {
        let mut sighting = Sighting::default();
        let looks = stream::iter(jobs).map(|(kind, id)| async move {
            (*kind, *id, line.call(kind.describe_action(), port.job(*kind, kind.name(id))).await)
        });
        for (kind, id, described) in looks.buffer_unordered(CALLS_AT_ONCE).collect::<Vec<_>>().await {
            let found = match described {
                Ok(Some(described)) => {
                    let found = life::found(kind.resource(), &described.job.state);
                    self.learn(described.job, Some(described.instances));
                    found
                }
                Ok(None) => Found::Unknown,
                Err(problem) if problem.says_unknown() => Found::Unknown,
                Err(problem) => {
                    sighting.problems.push(problem);
                    sighting.unseen.insert(id.to_owned());
                    continue;
                }
            };
            match self.active.get(id).filter(|_| found == Found::Active) {
                Some(known) => sighting.see(known.observation(), Some(&known.job.arn)),
                None => drop(self.active.remove(id)),
            }
            sighting.found.insert(id.to_owned(), found);
        }
        sighting
    }

    fn learn(&mut self, job: Job, instances: Option<Choices>) {
        let id = job.id();
        let remembered = self.active.remove(&id).and_then(|known| known.instances);
        self.active.insert(id, Known { job, instances: instances.or(remembered) });
    }

    /// Asks for the instances of which nobody has asked yet. A kind of which they cannot be told is not seen wholly.
    async fn ask_for_instances<P: Jobs>(&mut self, port: &P, line: &Line, sighting: &mut Sighting) {
        let unasked =
            self.active.values().filter(|known| known.instances.is_none() && known.job.kind.tells_instances());
        let unasked = unasked.map(|known| &known.job).filter(|job| !sighting.unseen.contains(&job.id()));
        let unasked: Vec<Job> = unasked.cloned().collect();
        let looks = stream::iter(unasked).map(|job| async move {
            let described = line.call(job.kind.describe_action(), port.job(job.kind, &job.name)).await;
            (job, described)
        });
        for (job, described) in looks.buffer_unordered(CALLS_AT_ONCE).collect::<Vec<_>>().await {
            match described {
                Ok(Some(described)) if life::is_active(job.kind.resource(), &described.job.state) => {
                    self.learn(described.job, Some(described.instances));
                }
                Ok(_) => drop(self.active.remove(&job.id())),
                Err(problem) if problem.says_unknown() => drop(self.active.remove(&job.id())),
                Err(problem) => {
                    self.whole.remove(&job.kind);
                    sighting.problems.push(problem);
                }
            }
        }
    }

    /// Logs the types whose GPUs nobody can tell, each once: their jobs are not held against a limit of GPUs.
    fn warn_of_unknown_gpus(&self) {
        let types = self.active.values().flat_map(|known| known.instances.iter().flatten().flatten());
        let types: BTreeSet<&str> = types.map(|held| held.instance_type.as_str()).collect();
        for instance_type in types.into_iter().filter(|instance_type| gpus::of(instance_type).is_none()) {
            tracing::warn!(instance.r#type = instance_type, "instance type is unknown and its GPUs are not counted");
        }
    }

    fn observe(&self, sighting: &mut Sighting) {
        for (id, known) in &self.active {
            if !sighting.unseen.contains(id) {
                sighting.see(known.observation(), Some(&known.job.arn));
            }
        }
    }
}

impl Known {
    fn observation(&self) -> Observation {
        let Job { kind, state, created_at, .. } = &self.job;
        let observation = Observation::new(kind.resource(), self.job.id(), state.as_str(), *created_at);
        let Some(choices) = self.instances.as_ref().filter(|choices| !choices.is_empty()) else { return observation };
        let types = choices.iter().flatten().map(|held| held.instance_type.clone());
        // No limit is set on how many there are, but the job is paid for by them.
        let count = |choice: &Vec<Instances>| choice.iter().fold(0_u64, |sum, held| sum.saturating_add(held.count));
        let instances = Quantity::Count(choices.iter().map(count).max().unwrap_or_default());
        let observation = observation.words(Measure::InstanceTypes, types).amount(Measure::Instances, instances);
        match gpus_of(choices) {
            Some(gpus) => observation.amount(Measure::Gpus, Quantity::Count(gpus)),
            None => observation,
        }
    }
}

/// The GPUs of the largest choice; `None` where a type of a GPU family is not known.
fn gpus_of(choices: &Choices) -> Option<u64> {
    let of_choice = |choice: &Vec<Instances>| {
        choice.iter().try_fold(0_u64, |sum, held| {
            Some(sum.saturating_add(gpus::of(&held.instance_type)?.saturating_mul(held.count)))
        })
    };
    choices.iter().map(of_choice).collect::<Option<Vec<_>>>()?.into_iter().max()
}

#[cfg(test)]
mod tests;
