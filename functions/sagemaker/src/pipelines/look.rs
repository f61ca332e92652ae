//! How pipelines and their executions are looked at with as few calls as there can be.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use guardrail::{Observation, ScopeKind};
use jiff::{SignedDuration, Timestamp};
use lambda::CallError;
use lambda::room::Found;

use super::{
    DESCRIBE_EXECUTION, DESCRIBE_PIPELINE, DescribedExecution, EXECUTION, Execution, LIST_EXECUTIONS, LIST_PIPELINES,
    PIPELINE, Pipelines,
};
use crate::life;
use crate::line::{CALLS_AT_ONCE, Line};
use crate::look::Sighting;

/// The longest that an execution can live, 672 hours: none that began earlier can still be active.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-feature-processor-quotas.html>
const LONGEST: SignedDuration = SignedDuration::from_hours(672);

/// What is remembered of pipelines, by the end of their ARNs.
///
/// SageMaker lists executions one pipeline at a time and all states together. So a pipeline's executions are read again
/// only when one has begun since, which the list of pipelines tells, or while some are active. An old execution that is
/// retried begins nothing; its event tells.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pipelines: BTreeMap<String, Known>,
    /// Whether all pipelines and all their executions were seen when last looked at.
    complete: bool,
}

#[derive(Debug)]
struct Known {
    name: String,
    /// When it was made; not known of one that only an event has named.
    created_at: Option<Timestamp>,
    last_execution: Option<Timestamp>,
    /// The latest execution's begin when all executions were last read.
    read_for: Option<Timestamp>,
    /// Begin of the newest execution read: what began before is known.
    newest: Option<Timestamp>,
    active: BTreeMap<String, Running>,
}

#[derive(Clone, Debug)]
struct Running {
    execution: Execution,
    owner: Owner,
}

/// Who started an execution: a call by itself tells.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    Unasked,
    Told(Option<String>),
}

/// What reading one pipeline's executions brought.
struct Read {
    key: String,
    /// Active executions by id.
    active: BTreeMap<String, Running>,
    newest: Option<Timestamp>,
    /// Whether the list was read as deep as it had to be.
    deep_enough: bool,
    /// Active ones that could not be read this time.
    unseen: Vec<String>,
    problems: Vec<CallError>,
}

impl Memory {
    /// Looks at all pipelines, and where `executions` are wanted at those that may have active ones.
    pub(crate) async fn sweep<P: Pipelines>(
        &mut self,
        port: &P,
        line: &Line,
        executions: bool,
        now: Timestamp,
    ) -> Sighting {
        let mut sighting = Sighting::default();
        let listed = line.pages(LIST_PIPELINES, |from| port.pipelines(from)).await;
        let keys: BTreeSet<String> = listed.items.iter().map(|pipeline| pipeline.key.clone()).collect();
        for pipeline in listed.items {
            let known = self.pipelines.entry(pipeline.key).or_insert_with(|| Known::named(pipeline.name));
            known.created_at = Some(pipeline.created_at);
            known.last_execution = pipeline.last_execution;
        }
        match listed.problem {
            Some(problem) => sighting.problems.push(problem),
            None => {
                self.pipelines.retain(|key, _| keys.contains(key));
                sighting.whole.insert(PIPELINE);
            }
        }
        sighting.saw.insert("pipelines", keys.len() as u64);
        for known in keys.iter().filter_map(|key| self.pipelines.get(key)) {
            let observation = known.created_at.map(|at| Observation::new(PIPELINE, known.id(), "Active", at));
            sighting.observations.extend(observation);
        }
        if executions {
            let horizon = now.checked_sub(LONGEST).unwrap_or(Timestamp::MIN);
            let due = self.pipelines.iter().filter(|(_, known)| known.is_due(horizon));
            let mut due: Vec<_> = due.map(|(key, known)| (known.urgency(), key.clone())).collect();
            due.sort_unstable_by(|a, b| b.cmp(a));
            let due: Vec<String> = due.into_iter().map(|(_, key)| key).collect();
            self.complete = self.read(port, line, &due, horizon, &mut sighting).await;
            self.complete &= sighting.whole.contains(PIPELINE);
            self.observe(self.pipelines.keys(), &mut sighting);
            sighting.whole.extend(self.complete.then_some(EXECUTION));
        }
        sighting
    }

    /// Looks at the execution that an event names, and, where that costs little because most is known already, at what
    /// its pipeline runs beside it, so that they can be counted. Executions of other pipelines are left to the sweep: as
    /// they were seen last they may have ended, and what has ended is no finding.
    pub(crate) async fn signal<P: Pipelines>(&mut self, port: &P, line: &Line, id: &str, now: Timestamp) -> Sighting {
        if !self.complete {
            return self.again(port, line, &[id]).await;
        }
        let mut sighting = self.beside(port, line, &[id], now).await;
        if !sighting.observations.iter().any(|seen| seen.resource.id == id) && !sighting.unseen.contains(id) {
            // An event may be ahead of the list.
            sighting.merge(self.again(port, line, &[id]).await);
        }
        sighting
    }

    /// Looks at these executions one by one.
    pub(crate) async fn again<P: Pipelines>(&mut self, port: &P, line: &Line, ids: &[&str]) -> Sighting {
        let mut sighting = Sighting::default();
        let looks =
            stream::iter(ids).map(|id| async move { (*id, line.call(DESCRIBE_EXECUTION, port.execution(id)).await) });
        for (id, described) in looks.buffer_unordered(CALLS_AT_ONCE).collect::<Vec<_>>().await {
            let described = match described {
                Ok(described) => described,
                Err(problem) if problem.says_unknown() => None,
                Err(problem) => {
                    sighting.problems.push(problem);
                    sighting.unseen.insert(id.to_owned());
                    continue;
                }
            };
            let key = key_of(id).to_owned();
            let found = described.as_ref().map_or(Found::Unknown, |d| life::found(EXECUTION, &d.execution.state));
            if let Some(described) = described.filter(|_| found == Found::Active) {
                if !self.name(port, line, &key, &mut sighting).await {
                    sighting.unseen.insert(id.to_owned());
                    continue;
                }
                if let Some(known) = self.pipelines.get_mut(&key) {
                    known.learn(Running::from(described));
                    sighting.observations.extend(known.observation(id));
                }
            } else if let Some(known) = self.pipelines.get_mut(&key) {
                known.active.remove(id);
            }
            sighting.found.insert(id.to_owned(), found);
        }
        sighting
    }

    /// Looks at everything that the pipelines of these executions run.
    pub(crate) async fn beside<P: Pipelines>(
        &mut self,
        port: &P,
        line: &Line,
        ids: &[&str],
        now: Timestamp,
    ) -> Sighting {
        let mut sighting = Sighting::default();
        let keys: BTreeSet<String> = ids.iter().map(|id| key_of(id).to_owned()).collect();
        let mut named = Vec::new();
        for key in keys {
            if self.name(port, line, &key, &mut sighting).await {
                named.push(key);
            }
        }
        let horizon = now.checked_sub(LONGEST).unwrap_or(Timestamp::MIN);
        self.read(port, line, &named, horizon, &mut sighting).await;
        self.observe(&named, &mut sighting);
        sighting
    }

    /// Reads the executions of these pipelines: of one that was read before only what is new and what was active. Gives
    /// whether all could be read.
    async fn read<P: Pipelines>(
        &mut self,
        port: &P,
        line: &Line,
        keys: &[String],
        horizon: Timestamp,
        sighting: &mut Sighting,
    ) -> bool {
        let due = keys.iter().filter_map(|key| Some((key, self.pipelines.get(key)?)));
        let due: Vec<_> = due.map(|(key, known)| (key, known, known.newest.unwrap_or(horizon))).collect();
        let reads = stream::iter(due).map(|(key, known, until)| read(port, line, key, known, until));
        let reads: Vec<Read> = reads.buffer_unordered(CALLS_AT_ONCE).collect().await;
        let all_read = reads.iter().all(|read| read.problems.is_empty());
        reads.into_iter().for_each(|read| self.learn(read, sighting));
        all_read
    }

    fn learn(&mut self, read: Read, sighting: &mut Sighting) {
        let Some(known) = self.pipelines.get_mut(&read.key) else { return };
        let mut before = std::mem::take(&mut known.active);
        for id in &read.unseen {
            known.active.extend(before.remove_entry(id));
        }
        for (id, running) in read.active {
            known.active.extend(before.remove_entry(&id));
            known.learn(running);
        }
        if read.deep_enough {
            known.read_for = known.last_execution;
            known.newest = known.newest.max(read.newest);
        }
        sighting.unseen.extend(read.unseen);
        sighting.problems.extend(read.problems);
    }

    /// Makes sure that the pipeline's name is known, which its ARN says in lower case only.
    async fn name<P: Pipelines>(&mut self, port: &P, line: &Line, key: &str, sighting: &mut Sighting) -> bool {
        if self.pipelines.contains_key(key) {
            return true;
        }
        let name = match line.call(DESCRIBE_PIPELINE, port.pipeline_name(key)).await {
            Ok(name) => name.unwrap_or_else(|| key.to_owned()),
            // A pipeline that was deleted leaves its executions behind for a while.
            Err(problem) if problem.says_unknown() => key.to_owned(),
            Err(problem) => {
                sighting.problems.push(problem);
                return false;
            }
        };
        self.pipelines.insert(key.to_owned(), Known::named(name));
        true
    }

    /// Adds the active executions of these pipelines, but those that could not be read this time.
    fn observe<'a>(&self, keys: impl IntoIterator<Item = &'a String>, sighting: &mut Sighting) {
        let known = keys.into_iter().filter_map(|key| self.pipelines.get(key));
        let active = known.flat_map(|known| known.active.keys().map(move |id| (known, id)));
        let active = active.filter(|(_, id)| !sighting.unseen.contains(*id));
        let observations: Vec<_> = active.filter_map(|(known, id)| known.observation(id)).collect();
        sighting.saw.insert("executions", observations.len() as u64);
        sighting.observations.extend(observations);
    }
}

impl Known {
    fn named(name: String) -> Self {
        Self { name, created_at: None, last_execution: None, read_for: None, newest: None, active: BTreeMap::new() }
    }

    fn id(&self) -> String {
        format!("pipeline/{}", self.name)
    }

    /// Whether an execution has begun that was not read, and can still be active.
    fn is_unread(&self, horizon: Timestamp) -> bool {
        self.last_execution.is_some_and(|last| last >= horizon) && self.last_execution != self.read_for
    }

    fn is_due(&self, horizon: Timestamp) -> bool {
        !self.active.is_empty() || self.is_unread(horizon)
    }

    /// What runs comes first, then what ran last: where there is no time for all, the rest is read at the next sweep.
    fn urgency(&self) -> (bool, Option<Timestamp>) {
        (!self.active.is_empty(), self.last_execution)
    }

    /// Takes in an active execution. Its begin is the list's, and who started it is asked once.
    fn learn(&mut self, running: Running) {
        match self.active.get_mut(&running.execution.id) {
            Some(known) => {
                known.execution.state = running.execution.state;
                if known.owner == Owner::Unasked {
                    known.owner = running.owner;
                }
            }
            None => drop(self.active.insert(running.execution.id.clone(), running)),
        }
    }

    fn observation(&self, id: &str) -> Option<Observation> {
        let Running { execution, owner } = self.active.get(id)?;
        let mut observation = Observation::new(EXECUTION, id, execution.state.as_str(), execution.started_at)
            .within(ScopeKind::Pipeline, Some(&self.name));
        if let Owner::Told(owner) = owner {
            observation.owner.clone_from(owner);
        }
        Some(observation)
    }
}

impl From<DescribedExecution> for Running {
    fn from(described: DescribedExecution) -> Self {
        Self { execution: described.execution, owner: Owner::Told(described.created_by) }
    }
}

/// What an execution's id says of its pipeline.
pub(crate) fn key_of(id: &str) -> &str {
    id.split_once("/execution/").map_or(id, |(key, _)| key)
}

/// Reads a pipeline's executions, newest first, to those that began before `until`. Active ones that are remembered and
/// lie deeper are asked about by themselves: one may have run for weeks while thousands came and went. So are those of
/// which nobody has asked yet who started them.
async fn read<P: Pipelines>(port: &P, line: &Line, key: &str, known: &Known, until: Timestamp) -> Read {
    let mut read = Read {
        key: key.to_owned(),
        active: BTreeMap::new(),
        newest: None,
        deep_enough: false,
        unseen: Vec::new(),
        problems: Vec::new(),
    };
    let mut awaited: BTreeSet<String> = known.active.keys().cloned().collect();
    let mut from = None;
    while !read.deep_enough {
        let page = match line.call(LIST_EXECUTIONS, port.executions(&known.name, from)).await {
            Ok(page) => page,
            Err(problem) => {
                read.problems.push(problem);
                read.unseen.extend(std::mem::take(&mut awaited));
                break;
            }
        };
        let awaited_before = awaited.len();
        let last = page.items.last().map(|execution| execution.started_at);
        for execution in page.items {
            awaited.remove(&execution.id);
            read.newest = read.newest.max(Some(execution.started_at));
            if life::is_active(EXECUTION, &execution.state) {
                read.active.insert(execution.id.clone(), Running { execution, owner: Owner::Unasked });
            }
        }
        // Where active ones lie close together the next page may hold several for the price of one.
        let many_to_come = awaited.len() > 1 && awaited.len() < awaited_before;
        read.deep_enough = last.is_some_and(|last| last < until) && !many_to_come;
        if page.next.is_none() {
            // What is not on the whole list has gone.
            awaited.clear();
            read.deep_enough = true;
        }
        from = page.next;
    }
    let is_unasked = |id: &&String| known.active.get(*id).is_none_or(|running| running.owner == Owner::Unasked);
    let asked: Vec<String> = read.active.keys().filter(is_unasked).cloned().chain(awaited).collect();
    let asked = stream::iter(asked).map(|id| async move {
        let described = line.call(DESCRIBE_EXECUTION, port.execution(&id)).await;
        (id, described)
    });
    for (id, described) in asked.buffer_unordered(CALLS_AT_ONCE).collect::<Vec<_>>().await {
        match described {
            Ok(Some(described)) if life::is_active(EXECUTION, &described.execution.state) => {
                let listed = read.active.remove(&id).map(|running| running.execution.started_at);
                let mut running = Running::from(described);
                running.execution.started_at = listed.unwrap_or(running.execution.started_at);
                read.active.insert(id, running);
            }
            // It has ended since it was listed.
            Ok(_) => drop(read.active.remove(&id)),
            Err(problem) if problem.says_unknown() => drop(read.active.remove(&id)),
            Err(problem) => {
                read.problems.push(problem);
                if !read.active.contains_key(&id) {
                    read.unseen.push(id);
                }
            }
        }
    }
    read
}

#[cfg(test)]
mod tests;
