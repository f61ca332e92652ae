//! Looks at job runs.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use guardrail::ScopeKind;
use jiff::{SignedDuration, Timestamp};
use lambda::{CallError, Clock};

use super::{CALLS_AT_ONCE, Sighting, Time, Wants, observe};
use crate::client::Tags;
use crate::runs::{JOB_RUN, JobRuns, RUNS_IN_PAGE, Run, RunId, unread};
use crate::state::Phase;

/// How long after its start a run can still be active: a timeout is at most seven days, and the time that a run waits
/// for resources before does not count against it.
/// <https://docs.aws.amazon.com/glue/latest/webapi/API_JobRun.html>
const LONGEST_RUN: SignedDuration = SignedDuration::from_hours(8 * 24);

/// How long a quiet job is left alone at most. Beside those that are due a sixth is asked each sweep, the longest left
/// alone first, so that the calls are spread.
pub(crate) const QUIET: SignedDuration = SignedDuration::from_mins(6);

/// Of how many quiet jobs one is asked each sweep.
const QUIET_TURNS: usize = 6;

/// How far behind the last sweep a run's start is still read: clocks differ, and lists follow late.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

/// How many runs are read first of a job that was listed before: in a minute few are new.
const NEWEST: i32 = 25;

/// How many active runs of one job are looked up one by one before another page is read instead.
const ONE_BY_ONE: usize = 10;

/// What is known of jobs.
#[derive(Debug, Default)]
pub(crate) struct Memory(BTreeMap<String, Job>);

#[derive(Debug)]
struct Job {
    /// When its runs were last read back to what was known.
    listed_at: Timestamp,
    /// Whether it had no run then that could still be active.
    quiet: bool,
    /// Ids of its runs that were active when last seen.
    active: BTreeSet<String>,
    tags: Option<Tags>,
}

impl Memory {
    /// How many jobs there are.
    pub(crate) fn jobs(&self) -> usize {
        self.0.len()
    }

    /// Has a job asked at the next sweep.
    pub(crate) fn wake(&mut self, job: &str) {
        if let Some(job) = self.0.get_mut(job) {
            job.quiet = false;
        }
    }

    /// Has tags read anew.
    pub(crate) fn forget_tags(&mut self) {
        self.0.values_mut().for_each(|job| job.tags = None);
    }

    /// The jobs to ask: all but the quiet ones, and of those whose turn it is.
    fn due(&self, jobs: BTreeSet<String>, quiet_for: SignedDuration, now: Timestamp) -> Vec<String> {
        let is_quiet = |job: &String| self.0.get(job).filter(|known| known.quiet).map(|known| known.listed_at);
        let mut quiet: Vec<_> = jobs.iter().filter_map(|job| Some((is_quiet(job)?, job.clone()))).collect();
        quiet.sort();
        let turn = quiet.len().div_ceil(QUIET_TURNS);
        let due = quiet
            .into_iter()
            .enumerate()
            .filter(|(place, (listed_at, _))| *place < turn || now.duration_since(*listed_at) >= quiet_for);
        let due: Vec<String> = due.map(|(_, (_, job))| job).collect();
        jobs.into_iter().filter(|job| is_quiet(job).is_none()).chain(due).collect()
    }
}

/// Looks at every active run of every job that is not quiet, and of those that were left alone for `quiet_for`.
pub(crate) async fn all<P: JobRuns, C: Clock>(
    port: &P,
    memory: &mut Memory,
    wants: Wants,
    quiet_for: SignedDuration,
    now: Timestamp,
    time: &Time<'_, C>,
) -> Sighting {
    let mut sighting = Sighting::default();
    let mut jobs = BTreeSet::new();
    let mut from = None;
    loop {
        match time.spend_on("glue:ListJobs", port.jobs(from.as_deref())).await {
            Ok(page) => {
                jobs.extend(page.jobs);
                from = page.next;
                if from.is_none() {
                    memory.0.retain(|job, _| jobs.contains(job));
                    break;
                }
            }
            Err(problem) => {
                sighting.fail(problem);
                sighting.incomplete = true;
                jobs.extend(memory.0.keys().cloned());
                break;
            }
        }
    }

    let due = memory.due(jobs, quiet_for, now);
    let listings = stream::iter(due).map(|job| {
        let known = memory.0.get(&job);
        list(port, job, known, now, time)
    });
    let listings: Vec<_> = listings.buffer_unordered(CALLS_AT_ONCE).collect().await;

    let mut runs = Vec::new();
    for Listing { job, runs: found, unread: missed, unmet, newest, gone, problems } in listings {
        let whole = problems.is_empty();
        problems.into_iter().for_each(|problem| sighting.fail(problem));
        sighting.incomplete |= !whole;
        sighting.miss(missed.iter().chain(&unmet).map(RunId::to_string));
        if gone {
            memory.0.remove(&job);
            continue;
        }
        let active = found.iter().filter(|run| run.state.phase == Phase::Active).map(|run| run.id.run.clone());
        let active: BTreeSet<String> = active.chain(unmet.into_iter().map(|id| id.run)).collect();
        match memory.0.get_mut(&job) {
            Some(known) if !whole => known.active.extend(active),
            // Nothing older is known, so the next sweep begins with this job anew.
            None if !whole => {}
            known => {
                let quiet = active.is_empty() && newest.is_none_or(|newest| newest < horizon(now));
                let tags = known.and_then(|known| known.tags.take());
                memory.0.insert(job, Job { listed_at: now, quiet, active, tags });
            }
        }
        runs.extend(found);
    }
    look_into(port, memory, runs, wants, time, &mut sighting).await;
    sighting
}

/// Looks at these runs.
pub(crate) async fn each<P: JobRuns, C: Clock>(
    port: &P,
    memory: &mut Memory,
    ids: &[RunId],
    wants: Wants,
    time: &Time<'_, C>,
) -> Sighting {
    let (mut sighting, mut runs) = (Sighting::default(), Vec::new());
    let answers = stream::iter(ids).map(|id| async move { (id, port.run(id).await) });
    let answers: Vec<_> = answers.buffer_unordered(CALLS_AT_ONCE).collect().await;
    for (id, answer) in answers {
        match answer {
            Ok(Some(run)) => runs.push(run),
            Ok(None) => {}
            Err(problem) => {
                sighting.fail(problem);
                sighting.miss([id.to_string()]);
            }
        }
    }
    look_into(port, memory, runs, wants, time, &mut sighting).await;
    sighting
}

/// Reads the tags of these runs' jobs where they are wanted, and observes those that are active.
async fn look_into<P: JobRuns, C: Clock>(
    port: &P,
    memory: &mut Memory,
    runs: Vec<Run>,
    wants: Wants,
    time: &Time<'_, C>,
    sighting: &mut Sighting,
) {
    let mut active = Vec::new();
    for run in runs {
        sighting.meet(JOB_RUN, run.id.to_string(), &run.state, &run.capacity);
        if run.state.phase == Phase::Active {
            active.push(run);
        }
    }
    let mut tags: BTreeMap<String, Tags> = BTreeMap::new();
    if wants.tags {
        let jobs: BTreeSet<&str> = active.iter().map(|run| run.id.job.as_str()).collect();
        let known = |job: &str| memory.0.get(job).and_then(|known| known.tags.clone());
        let (read, unread): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| known(job).is_some());
        tags.extend(read.into_iter().filter_map(|job| Some((job.to_owned(), known(job)?))));
        let answers = stream::iter(unread)
            .map(|job| async move { (job, time.spend_on("glue:GetTags", port.job_tags(job)).await) });
        let answers: Vec<_> = answers.buffer_unordered(CALLS_AT_ONCE).collect().await;
        for (job, answer) in answers {
            match answer {
                Ok(read) => {
                    if let Some(known) = memory.0.get_mut(job) {
                        known.tags = Some(read.clone());
                    }
                    tags.insert(job.to_owned(), read);
                }
                Err(problem) => sighting.fail(problem),
            }
        }
    }
    for Run { id, state, started_at, capacity } in active {
        match tags.get(&id.job) {
            // Without its job's tags it would be held against the limit of somebody else.
            None if wants.tags => sighting.miss([id.to_string()]),
            of_job => {
                let observation = observe(JOB_RUN, &id.to_string(), &state, started_at, &capacity, of_job);
                sighting.observations.push(observation.within(ScopeKind::Job, Some(&id.job)));
            }
        }
    }
}

/// What reading a job's runs brought.
#[derive(Debug)]
struct Listing {
    job: String,
    /// Its runs that have not ended.
    runs: Vec<Run>,
    /// Runs that came without what they are judged by.
    unread: Vec<RunId>,
    /// Runs that were active before and could not be read this time.
    unmet: Vec<RunId>,
    /// When the newest was started.
    newest: Option<Timestamp>,
    /// Whether Glue does not know the job (any more).
    gone: bool,
    problems: Vec<CallError>,
}

/// The start before which no run is still active.
fn horizon(now: Timestamp) -> Timestamp {
    now.checked_sub(LONGEST_RUN).unwrap_or(Timestamp::MIN)
}

/// Reads a job's runs from the newest back to what is known, and those that were active and lie further back.
async fn list<P: JobRuns, C: Clock>(
    port: &P,
    job: String,
    known: Option<&Job>,
    now: Timestamp,
    time: &Time<'_, C>,
) -> Listing {
    const GET: &str = "glue:GetJobRuns";
    let horizon = horizon(now);
    let since = known.and_then(|known| known.listed_at.checked_sub(OVERLAP).ok()).unwrap_or(horizon).max(horizon);
    let mut unmet = known.map(|known| known.active.clone()).unwrap_or_default();
    let (mut runs, mut missed, mut newest) = (Vec::new(), Vec::new(), None);
    let (mut gone, mut problems) = (false, Vec::new());

    let few = known.is_some() && unmet.len() <= ONE_BY_ONE;
    let (mut at_most, mut from) = (if few { NEWEST } else { RUNS_IN_PAGE }, None::<String>);
    loop {
        let page = match time.spend_on(GET, port.runs(&job, at_most, from.as_deref())).await {
            Ok(Some(page)) => page,
            Ok(None) => {
                gone = true;
                break;
            }
            Err(problem) => {
                problems.push(problem);
                break;
            }
        };
        newest = newest.max(page.runs.iter().map(|run| run.started_at).max());
        unmet.retain(|unmet| page.runs.iter().all(|run| run.id.run != *unmet));
        let known_from_here = page.runs.last().is_some_and(|oldest| {
            oldest.started_at < horizon || (oldest.started_at < since && unmet.len() <= ONE_BY_ONE)
        });
        runs.extend(page.runs.into_iter().filter(|run| run.state.phase != Phase::Ended));
        missed.extend(page.unread);
        match page.next {
            Some(next) if !known_from_here => (from, at_most) = (Some(next), RUNS_IN_PAGE),
            _ => break,
        }
    }
    if !missed.is_empty() {
        problems.push(unread(GET, &missed));
    }

    let ids = unmet.into_iter().map(|run| RunId { job: job.clone(), run });
    let mut unmet: Vec<RunId> = ids.filter(|_| !gone).collect();
    if problems.is_empty() {
        let mut unread = Vec::new();
        for id in unmet {
            match time.spend_on("glue:GetJobRun", port.run(&id)).await {
                Ok(run) => runs.extend(run.filter(|run| run.state.phase != Phase::Ended)),
                Err(problem) => {
                    problems.push(problem);
                    unread.push(id);
                }
            }
        }
        unmet = unread;
    }
    Listing { job, runs, unread: missed, unmet, newest, gone, problems }
}
