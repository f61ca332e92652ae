//! How Athena is seen, with as few calls as there can be.
//!
//! What a sweep costs grows with what is new and what is active, never with history:
//! - Histories are paged newest first and only as far as a page that ends with an id already known; a cold function pages
//!   back to the horizon: the longest a query can live, or the beginning of the day whose bytes are counted.
//! - Active queries are remembered and asked about again; queries that have ended never are.
//! - Settings of workgroups are read again every quarter of an hour.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join;
use futures_util::stream::{self, StreamExt};
use guardrail::catalogue::LONGEST_ATHENA_QUERY;
use guardrail::{Measure, Observation, Quantity, Resource, ScopeKind, Service};
use jiff::{SignedDuration, Timestamp};
use lambda::room::{Seen, Sight, Wanted};
use lambda::trigger::Envelope;
use lambda::{CallError, CallErrorKind, Clock, Problems};
use serde::Deserialize;

use crate::queries::{BATCH, Batch, Page, Queries, Query, Workgroup};

/// Calls of one kind under way at once: enough to hide latency, well inside Athena's default quotas.
const CALLS_AT_ONCE: usize = 4;

/// How many ids are remembered for each workgroup: several pages, so that a page always ends with one.
const REMEMBERED: usize = 10 * BATCH;

/// How long a workgroup's settings are taken as read; they are set by hand and seldom.
const SETTINGS_READ: SignedDuration = SignedDuration::from_mins(15);

/// Sees Athena.
#[derive(Debug)]
pub struct Observer<Q, C> {
    queries: Q,
    clock: C,
    memory: Memory,
    /// The settings of each workgroup, and when they were read.
    settings: BTreeMap<String, (Timestamp, Workgroup)>,
}

impl<Q: Queries, C: Clock> Observer<Q, C> {
    /// One that has seen nothing yet.
    pub fn new(queries: Q, clock: C) -> Self {
        Self { queries, clock, memory: Memory::default(), settings: BTreeMap::new() }
    }
}

/// The fields of `Athena Query State Change` that are used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StateChange {
    query_execution_id: String,
    current_state: String,
}

impl<Q: Queries, C: Clock> Sight for Observer<Q, C> {
    const SERVICE: Service = Service::Athena;

    async fn sweep(&mut self, wanted: Wanted<'_>, now: Timestamp, deadline: Timestamp) -> Seen {
        let mut seen = Seen::default();
        let Some(names) = seen.problems.keep(self.queries.workgroups().await) else { return seen };
        let daily = wanted.reading("workgroup", &[Measure::DailyBytesScanned]);
        let watched = |name: &&String| daily || wanted.within("query", ScopeKind::Workgroup, name);
        let watched: Vec<String> = names.iter().filter(watched).cloned().collect();
        let reach = Reach { deadline, ..if daily { Reach::of_day(now) } else { Reach::of_active(now) } };
        let Self { queries, clock, memory, settings } = self;
        let histories = histories(queries, memory, &watched, reach, clock);
        let read_settings = async {
            if !wanted.reading("workgroup", &[Measure::WorkgroupConfiguration, Measure::ScanCutoff]) {
                return Ok(());
            }
            read_settings(queries, settings, &names, now).await
        };
        let (look, read) = join(histories, read_settings).await;
        let listed = look.problems.is_empty();
        seen.problems.keep(look.problems.into_result());
        let settings_read = seen.problems.keep(read).is_some();
        seen.whole.extend(listed.then_some("query"));
        seen.whole.extend((listed && settings_read).then_some("workgroup"));
        seen.saw = BTreeMap::from([("workgroups", watched.len() as u64), ("new", look.new as u64)]);
        seen.observations = self.memory.active(&watched).map(Observation::from).collect();
        seen.observations.extend(self.settings.values().map(|(_, workgroup)| Observation::from(workgroup)));
        if daily {
            seen.observations.extend(watched.iter().filter_map(|name| self.memory.day_of(name, now)));
        }
        seen
    }

    async fn signal(&mut self, event: &Envelope, wanted: Wanted<'_>, now: Timestamp) -> Seen {
        let mut seen = Seen::default();
        let change: StateChange = match serde_json::from_value(event.detail.clone()) {
            Ok(change) => change,
            Err(error) => {
                tracing::warn!(event.detail_type = event.detail_type, %error, "event is malformed and was ignored");
                return seen;
            }
        };
        if !matches!(change.current_state.as_str(), "QUEUED" | "RUNNING") || !wanted.kind("query") {
            return seen;
        }
        let ids = std::slice::from_ref(&change.query_execution_id);
        let Some(batch) = seen.problems.keep(self.queries.get(ids).await) else { return seen };
        if !batch.unprocessed.is_empty() {
            seen.problems.push(unprocessed(&batch.unprocessed));
        } else if batch.queries.is_empty() {
            tracing::warn!(query.id = change.query_execution_id, "event names a query that Athena does not know");
        }
        seen.observations = active(&batch);
        self.memory.learn(batch, now);
        seen
    }

    async fn again(&mut self, resources: &[Resource], _wanted: Wanted<'_>, now: Timestamp) -> Seen {
        let mut seen = Seen::default();
        let ids: Vec<String> = resources.iter().map(|resource| resource.id.clone()).collect();
        for looked_up in look_up(&self.queries, &ids).await {
            match looked_up {
                Ok(batch) => {
                    if !batch.unprocessed.is_empty() {
                        seen.problems.push(unprocessed(&batch.unprocessed));
                    }
                    seen.unseen.extend(batch.unprocessed.iter().cloned());
                    seen.observations.extend(active(&batch));
                    self.memory.learn(batch, now);
                }
                Err((ids, problem)) => {
                    seen.problems.push(problem);
                    seen.unseen.extend(ids);
                }
            }
        }
        seen
    }
}

fn active(batch: &Batch) -> Vec<Observation> {
    batch.queries.iter().filter(|query| !query.ended).map(Observation::from).collect()
}

/// Reads the settings of workgroups that were not read lately; those that have gone are forgotten.
async fn read_settings<Q: Queries>(
    queries: &Q,
    settings: &mut BTreeMap<String, (Timestamp, Workgroup)>,
    names: &[String],
    now: Timestamp,
) -> Result<(), Problems> {
    settings.retain(|name, _| names.contains(name));
    let fresh = |(read_at, _): &(Timestamp, Workgroup)| now.duration_since(*read_at) < SETTINGS_READ;
    let due: Vec<&String> = names.iter().filter(|name| !settings.get(*name).is_some_and(fresh)).collect();
    let read: Vec<_> = stream::iter(due)
        .map(|name| async move { (name, queries.workgroup(name).await) })
        .buffer_unordered(CALLS_AT_ONCE)
        .collect()
        .await;
    let mut problems = Problems::default();
    for (name, workgroup) in read {
        match problems.keep(workgroup) {
            Some(Some(workgroup)) => drop(settings.insert(name.clone(), (now, workgroup))),
            Some(None) => drop(settings.remove(name)),
            None => {}
        }
    }
    problems.into_result()
}

/// How far back histories are read, and until when there is time for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    /// Nothing submitted before this matters.
    pub(crate) horizon: Timestamp,
    /// When the reading must have ended.
    pub(crate) deadline: Timestamp,
}

impl Reach {
    /// As far back as a query can still be active.
    pub(crate) fn of_active(now: Timestamp) -> Self {
        let horizon = now.checked_sub(LONGEST_ATHENA_QUERY).unwrap_or(Timestamp::MIN);
        Self { horizon, deadline: Timestamp::MAX }
    }

    /// As far back, and to the beginning of the day.
    fn of_day(now: Timestamp) -> Self {
        let Self { horizon, deadline } = Self::of_active(now);
        Self { horizon: horizon.min(midnight(now)), deadline }
    }
}

/// The beginning of the day, in UTC.
fn midnight(now: Timestamp) -> Timestamp {
    const DAY: i64 = 24 * 60 * 60;
    Timestamp::from_second(now.as_second() - now.as_second().rem_euclid(DAY)).unwrap_or(now)
}

/// What a warm function knows.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// For each workgroup the newest ids of its history. They are known up to there: nothing older is new.
    known: BTreeMap<String, BTreeSet<String>>,
    /// How far back the histories have been read.
    reached: Option<Timestamp>,
    /// Queries that were active when last seen.
    active: BTreeMap<String, Query>,
    /// Ids that were listed and not yet looked up, because a call failed, and since when.
    unresolved: BTreeMap<String, Timestamp>,
    /// What the queries that have ended scanned, of this day's.
    day: Day,
}

/// What was scanned on one day by queries that have ended.
#[derive(Debug, Default)]
struct Day {
    began: Timestamp,
    /// By workgroup: the bytes, and the queries counted.
    workgroups: BTreeMap<String, (u64, BTreeSet<String>)>,
}

impl Memory {
    /// Takes in what Athena says of some queries.
    pub(crate) fn learn(&mut self, batch: Batch, now: Timestamp) {
        if self.day.began != midnight(now) {
            self.day = Day { began: midnight(now), ..Day::default() };
        }
        for query in batch.queries {
            self.unresolved.remove(&query.id);
            if query.ended {
                self.active.remove(&query.id);
                self.count(query);
            } else {
                self.active.insert(query.id.clone(), query);
            }
        }
        for id in batch.missing {
            self.unresolved.remove(&id);
            self.active.remove(&id);
        }
        for id in batch.unprocessed {
            self.postpone(id, now);
        }
    }

    fn count(&mut self, query: Query) {
        if query.submitted_at >= self.day.began {
            let (bytes, counted) = self.day.workgroups.entry(query.workgroup).or_default();
            if counted.insert(query.id) {
                *bytes = bytes.saturating_add(query.scanned.unwrap_or_default());
            }
        }
    }

    fn postpone(&mut self, id: String, now: Timestamp) {
        if !self.active.contains_key(&id) {
            self.unresolved.entry(id).or_insert(now);
        }
    }

    /// The active queries of these workgroups.
    pub(crate) fn active<'a>(&'a self, workgroups: &'a [String]) -> impl Iterator<Item = &'a Query> {
        self.active.values().filter(|query| workgroups.contains(&query.workgroup))
    }

    /// What a workgroup has scanned today, if it has had any query.
    fn day_of(&self, workgroup: &str, now: Timestamp) -> Option<Observation> {
        let began = midnight(now);
        let ended = self.day.workgroups.get(workgroup).filter(|_| self.day.began == began).map(|(bytes, _)| *bytes);
        let active = self.active.values().filter(|query| query.workgroup == workgroup && query.submitted_at >= began);
        let active = active.map(|query| query.scanned.unwrap_or_default()).reduce(u64::saturating_add);
        let bytes = ended.into_iter().chain(active).reduce(u64::saturating_add)?;
        let seen = Observation::new("workgroup", workgroup, "ENABLED", began);
        Some(
            seen.within(ScopeKind::Workgroup, Some(workgroup))
                .amount(Measure::DailyBytesScanned, Quantity::Bytes(bytes)),
        )
    }
}

/// What a look at histories saw, beside what it taught the memory.
#[derive(Debug, Default)]
pub(crate) struct Histories {
    new: usize,
    pub(crate) problems: Problems,
}

/// Looks at every active query of these workgroups, and at those that have ended since `reach`.
///
/// Histories are listed and active queries looked up at the same time; what is new is looked up in full batches across
/// workgroups. What fails is noted and asked again at the next sweep.
pub(crate) async fn histories<Q: Queries>(
    queries: &Q,
    memory: &mut Memory,
    workgroups: &[String],
    reach: Reach,
    clock: &impl Clock,
) -> Histories {
    let mut look = Histories::default();
    memory.known.retain(|workgroup, _| workgroups.contains(workgroup));
    if memory.reached.is_none_or(|reached| reach.horizon < reached) {
        memory.known.clear();
        memory.reached = Some(reach.horizon);
    }

    memory.unresolved.retain(|_, since| *since >= reach.horizon);
    let active = memory.active.values().filter(|query| workgroups.contains(&query.workgroup)).map(|query| &query.id);
    let mut waiting: Vec<String> = active.chain(memory.unresolved.keys()).cloned().collect();
    let rest = waiting.split_off(waiting.len() - waiting.len() % BATCH);

    let nothing = BTreeSet::new();
    let listings = stream::iter(workgroups).map(|workgroup| {
        let known = memory.known.get(workgroup).unwrap_or(&nothing);
        list_new(queries, workgroup, known, reach.horizon, || clock.now() >= reach.deadline)
    });
    let listings = listings.buffer_unordered(CALLS_AT_ONCE).collect::<Vec<_>>();
    let (listings, mut batches) = join(listings, look_up(queries, &waiting)).await;

    let mut fresh: BTreeSet<String> = rest.into_iter().collect();
    let mut seen = Vec::new();
    for listing in listings {
        look.new += listing.fresh.len() + listing.batches.iter().map(|batch| batch.queries.len()).sum::<usize>();
        fresh.extend(listing.fresh);
        batches.extend(listing.batches.into_iter().map(Ok));
        match listing.problem {
            // What is known ends where the listing broke off, so the next sweep pages from the top again.
            Some(problem) => look.problems.push(problem),
            None => seen.push((listing.workgroup.to_owned(), listing.seen)),
        }
    }
    batches.extend(look_up(queries, &fresh.into_iter().collect::<Vec<_>>()).await);

    let now = clock.now();
    for batch in batches {
        match batch {
            Ok(batch) => {
                if !batch.unprocessed.is_empty() {
                    look.problems.push(unprocessed(&batch.unprocessed));
                }
                memory.learn(batch, now);
            }
            Err((ids, problem)) => {
                look.problems.push(problem);
                ids.into_iter().for_each(|id| memory.postpone(id, now));
            }
        }
    }
    for (workgroup, seen) in seen {
        memory.known.insert(workgroup, seen.into_iter().take(REMEMBERED).collect());
    }
    look
}

/// Looks up any number of ids.
///
/// # Errors
/// When a call fails.
pub(crate) async fn look_up_all<Q: Queries>(queries: &Q, ids: &[String]) -> Result<Batch, CallError> {
    let mut all = Batch::default();
    for looked_up in look_up(queries, ids).await {
        let batch = looked_up.map_err(|(_, problem)| problem)?;
        all.queries.extend(batch.queries);
        all.missing.extend(batch.missing);
        all.unprocessed.extend(batch.unprocessed);
    }
    Ok(all)
}

/// The problem of ids that Athena could not look up.
pub(crate) fn unprocessed(ids: &[String]) -> CallError {
    CallError {
        operation: "athena:BatchGetQueryExecution",
        kind: CallErrorKind::Unavailable,
        message: format!(
            "{} queries were not processed, `{}` among them",
            ids.len(),
            ids.first().map_or("", String::as_str)
        ),
    }
}

type LookedUp = Result<Batch, (Vec<String>, CallError)>;

async fn look_up<Q: Queries>(queries: &Q, ids: &[String]) -> Vec<LookedUp> {
    stream::iter(ids.chunks(BATCH))
        .map(|ids| async move { queries.get(ids).await.map_err(|problem| (ids.to_vec(), problem)) })
        .buffer_unordered(CALLS_AT_ONCE)
        .collect()
        .await
}

/// What listing one workgroup brought.
struct Listing<'a> {
    workgroup: &'a str,
    /// Every id listed, newest first.
    seen: Vec<String>,
    /// New ids not looked up yet.
    fresh: Vec<String>,
    /// New queries that were looked up on the way, to find the horizon.
    batches: Vec<Batch>,
    problem: Option<CallError>,
}

/// Pages a workgroup's history from the newest to what is known, or to the horizon.
async fn list_new<'a, Q: Queries>(
    queries: &Q,
    workgroup: &'a str,
    known: &BTreeSet<String>,
    horizon: Timestamp,
    out_of_time: impl Fn() -> bool,
) -> Listing<'a> {
    let mut listing = Listing { workgroup, seen: Vec::new(), fresh: Vec::new(), batches: Vec::new(), problem: None };
    let mut page = queries.list(workgroup, None).await;
    loop {
        let Page { ids, next } = match page {
            Ok(page) => page,
            Err(problem) => {
                listing.problem = Some(problem);
                return listing;
            }
        };
        // Ids of one moment may change places, so a page is known by its last id and still searched for new ones.
        let reaches_known = ids.last().is_some_and(|last| known.contains(last));
        let fresh: Vec<String> = ids.iter().filter(|id| !known.contains(*id)).cloned().collect();
        let all_new = fresh.len() == ids.len() && !ids.is_empty();
        listing.seen.extend(ids);
        let Some(next) = next.filter(|_| !reaches_known) else {
            listing.fresh.extend(fresh);
            return listing;
        };
        if out_of_time() {
            listing.fresh.extend(fresh);
            listing.problem = Some(CallError {
                operation: "athena:ListQueryExecutions",
                kind: CallErrorKind::Unavailable,
                message: format!("the history of workgroup `{workgroup}` was not read to its horizon in time"),
            });
            return listing;
        }
        if !all_new {
            listing.fresh.extend(fresh);
            page = queries.list(workgroup, Some(&next)).await;
            continue;
        }
        // A page that is all new may lie before or behind the horizon: looking it up tells, while the next is listed.
        let (batch, following) = join(queries.get(&fresh), queries.list(workgroup, Some(&next))).await;
        match batch {
            Ok(batch) => {
                let past_horizon = batch.queries.iter().any(|query| query.submitted_at < horizon);
                listing.batches.push(batch);
                if past_horizon {
                    return listing;
                }
            }
            Err(problem) => {
                listing.fresh.extend(fresh);
                listing.problem = Some(problem);
                return listing;
            }
        }
        page = following;
    }
}
