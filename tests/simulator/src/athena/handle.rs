//! Athena from the tests' side: arrange queries, look at them, end them.

use std::sync::Arc;
use std::time::Duration;

use super::Athena;
use super::query::{Echo, Outcome, QuerySpec, QueryState, QueryView};
use super::workgroup::{Workgroup, WorkgroupState, WorkgroupView};
use crate::accounts::Place;
use crate::world::World;

/// How long each query of a made-up history ran.
const HISTORIC_RUN: Duration = Duration::from_secs(1);
/// The least there is between two instants.
const INSTANT: Duration = Duration::from_millis(1);

/// The Athena of one account in one Region. Nothing done here counts as a call or meets a fault.
#[derive(Debug, Clone)]
pub struct AthenaHandle {
    world: World,
    place: Place,
}

impl AthenaHandle {
    pub(crate) fn new(world: World, place: Place) -> AthenaHandle {
        AthenaHandle { world, place }
    }

    /// The workgroup; it is created, enabled and with a place for results, when it does not exist.
    pub fn workgroup(&self, name: &str) -> WorkgroupView {
        self.athena(|athena, now| athena.ensure(name, now).view())
    }

    /// The workgroup, if it exists.
    pub fn find_workgroup(&self, name: &str) -> Option<WorkgroupView> {
        self.athena(|athena, _| athena.workgroups.get(name).map(Workgroup::view))
    }

    /// All workgroups, by name.
    pub fn workgroups(&self) -> Vec<WorkgroupView> {
        self.athena(|athena, _| athena.workgroups.values().map(Workgroup::view).collect())
    }

    /// Enables or disables the workgroup; it is created when it does not exist.
    pub fn set_workgroup_state(&self, name: &str, state: WorkgroupState) -> WorkgroupView {
        self.athena(|athena, now| {
            let workgroup = athena.ensure(name, now);
            workgroup.state = state;
            workgroup.view()
        })
    }

    /// Says whether the workgroup's settings override those of a request, and how many bytes a query may read before it
    /// is cut off; the workgroup is created when it does not exist. Running queries keep the cutoff they started with.
    pub fn configure_workgroup(&self, name: &str, enforced: bool, cutoff: Option<u64>) -> WorkgroupView {
        self.athena(|athena, now| {
            let workgroup = athena.ensure(name, now);
            workgroup.limit(enforced, cutoff);
            workgroup.view()
        })
    }

    /// Starts a query, in a disabled workgroup too, and answers its id. A workgroup that does not exist is created.
    pub fn start(&self, spec: QuerySpec) -> String {
        self.athena(|athena, now| {
            let output = athena.results.as_str().into();
            athena.submit(&spec, output, Echo::default(), now).to_string()
        })
    }

    /// Makes up `count` queries that have ended, and answers their ids, newest first: the newest was submitted
    /// `newest_age` ago, each other one `spacing` before the one that follows. Every tenth failed. They announce
    /// nothing.
    pub fn seed_history(&self, workgroup: &str, count: usize, spacing: Duration, newest_age: Duration) -> Vec<String> {
        self.athena(|athena, now| {
            let output: Arc<str> = athena.results.as_str().into();
            let mut age = newest_age.saturating_add(spacing.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)));
            let mut ids: Vec<String> = (0..count)
                .map(|index| {
                    age = age.saturating_sub(spacing);
                    // However young, it ended before now: what ends now would still be announced.
                    let submitted = age.max(INSTANT);
                    let spec = QuerySpec {
                        workgroup: workgroup.to_owned(),
                        age: submitted,
                        runs_for: Some(HISTORIC_RUN.min(submitted.saturating_sub(INSTANT))),
                        outcome: if index % 10 == 9 { Outcome::Fails } else { Outcome::Succeeds },
                        ..QuerySpec::default()
                    };
                    athena.submit(&spec, Arc::clone(&output), Echo::default(), now).to_string()
                })
                .collect();
            ids.reverse();
            ids
        })
    }

    /// The query, in whatever state.
    pub fn query(&self, id: &str) -> Option<QueryView> {
        self.athena(|athena, now| athena.query(id, now).ok().map(|query| query.view(now)))
    }

    /// The query's state.
    pub fn state(&self, id: &str) -> Option<QueryState> {
        self.query(id).map(|query| query.state)
    }

    /// The queued and running queries of all workgroups, newest first.
    pub fn active(&self) -> Vec<QueryView> {
        let mut views: Vec<QueryView> = self.athena(|athena, now| {
            athena.queries.values().filter(|query| query.is_active(now)).map(|query| query.view(now)).collect()
        });
        views.sort_by(|one, other| (other.submitted_at, &other.id).cmp(&(one.submitted_at, &one.id)));
        views
    }

    /// Ends the query now, the way it would have ended (a query that runs until it is stopped succeeds), and answers
    /// what it has become; a query that has ended stays as it is.
    pub fn finish(&self, id: &str) -> Option<QueryView> {
        self.athena(|athena, now| {
            athena.interfere(id, now, |query| query.finish(now)).ok()?;
            athena.query(id, now).ok().map(|query| query.view(now))
        })
    }

    fn athena<T>(&self, look: impl FnOnce(&mut Athena, jiff::Timestamp) -> T) -> T {
        self.world.with(&self.place, |sandbox, now| look(&mut sandbox.athena, now))
    }
}

impl Athena {
    fn ensure(&mut self, name: &str, now: jiff::Timestamp) -> &mut Workgroup {
        self.workgroups.entry(name.to_owned()).or_insert_with(|| Workgroup::with_results(name, &self.results, now))
    }
}
