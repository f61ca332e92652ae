//! Looks at sessions and job runs with as few calls as there can be.
//!
//! What a sweep costs grows with what is open, never with history:
//! - One paged list brings all sessions whole. The statements of those that are ready are read from the page on at
//!   which the last sweep ended, and only where idle time is wanted.
//! - Jobs are listed by name, and each job's newest runs are read back to the last sweep; runs that were active then
//!   and lie further back are looked up one by one. A function that has just started reads back to the longest that a
//!   run can live.
//! - A job without a run in all that time is quiet. Quiet jobs are asked in turn, a sixth of them each sweep, so that
//!   the first run of one is seen within six minutes instead of one. Until then it is missing in the count of runs,
//!   which can therefore be told late and never too high. AWS tells of a run's start only when the job asks for it
//!   (`NotifyDelayAfter`); then, and when a run has ended, the job is asked at the next sweep.
//! - Tags are read only where something depends on them, and once for each session and job.

pub(crate) mod runs;
pub(crate) mod sessions;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join;
use guardrail::{Measure, Observation, Quantity, Resource, Service};
use jiff::Timestamp;
use lambda::room::{Seen, Sight, Wanted};
use lambda::trigger::Envelope;
use lambda::{CallError, CallErrorKind, Clock};
use serde::Deserialize;

use crate::capacity::Capacity;
use crate::client::Tags;
use crate::runs::{JOB_RUN, JobRuns, Run, RunId};
use crate::sessions::{SESSION, Sessions};
use crate::state::{Phase, State};

/// Calls of one kind under way at once. AWS does not tell Glue's rates; a few at a time stay below what it was seen to
/// throttle.
const CALLS_AT_ONCE: usize = 4;

/// Glue, as the guardrails see it.
#[derive(Debug)]
pub struct Glue<P, C> {
    pub(crate) port: P,
    pub(crate) clock: C,
    pub(crate) sessions: sessions::Memory,
    pub(crate) runs: runs::Memory,
}

impl<P, C> Glue<P, C> {
    /// Glue through this port, by this clock.
    pub fn new(port: P, clock: C) -> Self {
        Self { port, clock, sessions: sessions::Memory::default(), runs: runs::Memory::default() }
    }
}

/// What is worth the calls that only tell this.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wants {
    /// Since when sessions have been idle.
    pub(crate) idle_time: bool,
    /// Tags.
    pub(crate) tags: bool,
}

impl Wants {
    fn of(wanted: Wanted<'_>) -> Self {
        Self { idle_time: wanted.reading(SESSION, &[Measure::IdleTime]), tags: wanted.tags() }
    }
}

/// The time that a look has.
#[derive(Debug)]
pub(crate) struct Time<'a, C> {
    pub(crate) clock: &'a C,
    pub(crate) deadline: Timestamp,
}

impl<C: Clock> Time<'_, C> {
    /// Makes a call, unless there is no time left for it.
    async fn spend_on<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        if self.clock.now() < self.deadline {
            return call.await;
        }
        let message = "not everything was read in the time there was".to_owned();
        Err(CallError { operation, kind: CallErrorKind::Unavailable, message })
    }
}

/// What a look at sessions, or at job runs, saw.
#[derive(Debug, Default)]
pub(crate) struct Sighting {
    /// The active resources.
    pub(crate) observations: Vec<Observation>,
    /// The states of the resources that were met; a look at everything leaves out what has ended.
    pub(crate) states: BTreeMap<String, State>,
    /// Ids of resources that could not be read, or not wholly.
    pub(crate) unseen: BTreeSet<String>,
    /// Whether any active resource may be missing.
    pub(crate) incomplete: bool,
    /// What went wrong, each only once.
    pub(crate) problems: Vec<CallError>,
    /// Words of Glue that this version does not know.
    unknown: BTreeSet<(&'static str, String)>,
}

impl Sighting {
    /// Notes a problem.
    fn fail(&mut self, problem: CallError) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Notes that these could not be read.
    fn miss(&mut self, ids: impl IntoIterator<Item = String>) {
        let before = self.unseen.len();
        self.unseen.extend(ids);
        self.incomplete |= self.unseen.len() > before;
    }

    /// Notes what this resource's state is, and words that this version does not know: once for each look.
    fn meet(&mut self, kind: &'static str, id: String, state: &State, capacity: &Capacity) {
        if !state.known {
            self.warn("state", kind, &state.name);
        }
        if let Some(worker_type) = capacity.unknown_worker_type.as_ref().filter(|_| state.phase == Phase::Active) {
            self.warn("worker type", kind, worker_type);
        }
        self.states.insert(id, state.clone());
    }

    fn warn(&mut self, what: &'static str, kind: &'static str, word: &str) {
        if self.unknown.insert((what, word.to_owned())) {
            tracing::warn!(what, resource.kind = kind, word, "Glue has a word that this version does not know");
        }
    }

    /// The same and what another look saw.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.observations.extend(other.observations);
        self.states.extend(other.states);
        self.unseen.extend(other.unseen);
        self.incomplete |= other.incomplete;
        other.problems.into_iter().for_each(|problem| self.fail(problem));
        self.unknown.extend(other.unknown);
        self
    }
}

impl From<Sighting> for Seen {
    fn from(sighting: Sighting) -> Self {
        let Sighting { observations, unseen, problems, .. } = sighting;
        Self { observations, unseen, problems: problems.into(), ..Self::default() }
    }
}

/// An active resource with its size and what its tags say.
fn observe(
    kind: &str,
    id: &str,
    state: &State,
    since: Timestamp,
    capacity: &Capacity,
    tags: Option<&Tags>,
) -> Observation {
    let tags = tags.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
    let observation = Observation::new(kind, id, state.name.as_str(), since).tagged(tags);
    match capacity.dpus {
        Some(dpus) => observation.amount(Measure::Dpus, Quantity::Count(dpus)),
        None => observation,
    }
}

/// The fields of `Glue Job Run Status` and `Glue Job State Change` that are used.
/// <https://docs.aws.amazon.com/glue/latest/dg/automating-awsglue-with-cloudwatch-events.html>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobEvent {
    job_name: String,
    job_run_id: String,
    state: String,
}

impl<P: Sessions + JobRuns, C: Clock> Glue<P, C> {
    /// Looks at these resources, each by itself. A resource that Glue does not know has no state.
    pub(crate) async fn each(&mut self, resources: &[Resource], wants: Wants, deadline: Timestamp) -> Sighting {
        let time = Time { clock: &self.clock, deadline };
        let ids: Vec<&str> = resources.iter().filter(|of| of.kind == SESSION).map(|of| of.id.as_str()).collect();
        let runs: Vec<RunId> = resources.iter().filter_map(RunId::of).collect();
        let (sessions, runs) = join(
            sessions::each(&self.port, &mut self.sessions, &ids, wants, &time),
            runs::each(&self.port, &mut self.runs, &runs, wants, &time),
        )
        .await;
        sessions.and(runs)
    }
}

impl<P: Sessions + JobRuns, C: Clock> Sight for Glue<P, C> {
    const SERVICE: Service = Service::Glue;

    async fn sweep(&mut self, wanted: Wanted<'_>, now: Timestamp, deadline: Timestamp) -> Seen {
        let wants = Wants::of(wanted);
        let (port, time) = (&self.port, Time { clock: &self.clock, deadline });
        let (sessions, runs) = (&mut self.sessions, &mut self.runs);
        let sessions = async {
            match wanted.kind(SESSION) {
                true => Some(sessions::all(port, sessions, wants, &time).await),
                false => None,
            }
        };
        let runs = async {
            match wanted.kind(JOB_RUN) {
                true => Some(runs::all(port, runs, wants, runs::QUIET, now, &time).await),
                false => None,
            }
        };
        let (sessions, runs) = join(sessions, runs).await;

        let mut seen = Seen::default();
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let mut looks = Vec::new();
        if let Some(look) = sessions {
            looks.push((SESSION, "sessions", look));
        }
        if let Some(look) = runs {
            seen.saw.insert("jobs", count(self.runs.jobs()));
            looks.push((JOB_RUN, "job runs", look));
        }
        for (kind, word, look) in looks {
            seen.saw.insert(word, count(look.observations.len()));
            if !look.incomplete {
                seen.whole.insert(kind);
            }
            seen.observations.extend(look.observations);
            seen.unseen.extend(look.unseen);
            look.problems.into_iter().for_each(|problem| seen.problems.push(problem));
        }
        seen
    }

    async fn signal(&mut self, event: &Envelope, wanted: Wanted<'_>, _now: Timestamp) -> Seen {
        if !matches!(event.detail_type.as_str(), "Glue Job Run Status" | "Glue Job State Change") {
            tracing::warn!(event.detail_type, "event is none that this function knows and was ignored");
            return Seen::default();
        }
        let JobEvent { job_name: job, job_run_id: run, state } = match JobEvent::deserialize(&event.detail) {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(%error, event.detail_type, "event is malformed and was ignored");
                return Seen::default();
            }
        };
        self.runs.wake(&job);
        if !wanted.kind(JOB_RUN) || Run::has_ended_in(&state) {
            return Seen::default();
        }
        let id = RunId { job, run };
        let resource = Resource { kind: JOB_RUN.to_owned(), id: id.to_string() };
        self.each(&[resource], Wants::of(wanted), Timestamp::MAX).await.into()
    }

    async fn again(&mut self, resources: &[Resource], wanted: Wanted<'_>, _now: Timestamp) -> Seen {
        self.each(resources, Wants::of(wanted), Timestamp::MAX).await.into()
    }
}

#[cfg(test)]
mod tests;
