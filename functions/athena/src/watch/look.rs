//! How a sweep looks at everything with as few calls as there can be.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join;
use futures_util::stream::{self, StreamExt};
use guardrail::Quantity;
use guardrail::catalogue::LONGEST_ATHENA_QUERY;
use jiff::{SignedDuration, Timestamp};
use lambda::{CallError, CallErrorKind, Clock, Problems};

use crate::queries::{BATCH, Batch, Page, Queries, Query};

/// Calls of one kind under way at once: enough to hide latency, well inside Athena's default quotas.
const CALLS_AT_ONCE: usize = 4;

/// How many ids are remembered for each workgroup: several pages, so that a page always ends with one.
const REMEMBERED: usize = 10 * BATCH;

/// How long after its submission a query can still be active.
const HORIZON: SignedDuration = match LONGEST_ATHENA_QUERY {
    Quantity::Duration(longest) => longest,
};

/// What a warm function knows.
#[derive(Debug, Default)]
pub struct Memory {
    /// For each workgroup the newest ids of its history. They are known up to there: nothing older is new.
    known: BTreeMap<String, BTreeSet<String>>,
    /// Queries that were active when last seen.
    pub(super) active: BTreeMap<String, Query>,
    /// Ids that were listed and not yet looked up, because a call failed, and since when.
    unresolved: BTreeMap<String, Timestamp>,
}

impl Memory {
    /// Takes in what Athena says of some queries.
    pub(super) fn learn(&mut self, batch: Batch, now: Timestamp) {
        for query in batch.queries {
            self.unresolved.remove(&query.id);
            if query.ended {
                self.active.remove(&query.id);
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

    fn postpone(&mut self, id: String, now: Timestamp) {
        if !self.active.contains_key(&id) {
            self.unresolved.entry(id).or_insert(now);
        }
    }
}

/// What a look at everything saw, beside what it taught the memory.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) workgroups: usize,
    pub(super) new: usize,
    pub(super) problems: Problems,
}

/// Looks at every active query of every workgroup that is `watched`.
///
/// Histories are listed and active queries looked up at the same time; what is new is looked up in full batches across
/// workgroups. What fails is noted and asked again at the next sweep.
pub(super) async fn everything<Q: Queries>(
    queries: &Q,
    memory: &mut Memory,
    watched: impl Fn(&str) -> bool,
    clock: &impl Clock,
    deadline: Timestamp,
) -> Look {
    let mut look = Look::default();
    let Some(workgroups) = look.problems.keep(queries.workgroups().await) else {
        return look;
    };
    let workgroups: Vec<String> = workgroups.into_iter().filter(|workgroup| watched(workgroup)).collect();
    look.workgroups = workgroups.len();
    memory.known.retain(|workgroup, _| workgroups.contains(workgroup));

    let now = clock.now();
    let horizon = now.checked_sub(HORIZON).unwrap_or(Timestamp::MIN);
    memory.unresolved.retain(|_, since| *since >= horizon);
    let mut waiting: Vec<String> = memory.active.keys().chain(memory.unresolved.keys()).cloned().collect();
    let rest = waiting.split_off(waiting.len() - waiting.len() % BATCH);

    let nothing = BTreeSet::new();
    let listings = stream::iter(&workgroups).map(|workgroup| {
        let known = memory.known.get(workgroup).unwrap_or(&nothing);
        list_new(queries, workgroup, known, horizon, || clock.now() >= deadline)
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

/// The problem of ids that Athena could not look up.
pub(super) fn unprocessed(ids: &[String]) -> CallError {
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
