//! Whatever dies, fails or is refused in between: in the end the console has what the ledger has.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;
use crate::fakes::condition;
use crate::fakes::interrupted::{Interrupted, Mortality};

/// How many different queries and clusters there are.
const QUERIES: u8 = 6;
const CLUSTERS: u8 = 3;

/// What a run sees: queries past their limit and clusters in a wrong condition, by number.
#[derive(Clone, Debug, Default)]
struct Sight {
    queries: Vec<u8>,
    clusters: Vec<u8>,
}

impl Sight {
    fn everything() -> Self {
        Self { queries: (0..QUERIES).collect(), clusters: (0..CLUSTERS).collect() }
    }

    /// The findings of it, the last ones held back.
    fn findings(&self, let_through: usize, now: Timestamp) -> Vec<Finding> {
        let queries = self.queries.iter().map(|query| breach(&format!("q{query}"), now));
        let findings = queries.chain(self.clusters.iter().map(|cluster| condition(&format!("c{cluster}"), now)));
        let held_back = |(index, mut finding): (usize, Finding)| {
            finding.held_back = index >= let_through;
            finding
        };
        findings.enumerate().map(held_back).collect()
    }
}

/// What happens next. Of two runs, a sweep and a signal, the one named acts.
#[derive(Clone, Debug)]
enum Step {
    /// A run reports what it sees, the last ones held back.
    Report { run: usize, sight: Sight, let_through: usize },
    /// A run that saw everything ends the conditions of all clusters but these.
    End { run: usize, but: Vec<u8> },
    /// A run repairs.
    Repair { run: usize },
    /// Time passes.
    Pass { seconds: i64 },
    /// The next so many writes to the ledger fail.
    LedgerFails { times: usize },
    /// The bus refuses what is said of these queries until it is told otherwise.
    BusRefuses { queries: Vec<u8> },
    /// Whoever acts next dies after so many steps.
    Crash { steps: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let some = |of: u8| btree_set(0..of, 0..usize::from(of)).prop_map(|some| some.into_iter().collect::<Vec<_>>());
    let sight = (some(QUERIES), some(CLUSTERS)).prop_map(|(queries, clusters)| Sight { queries, clusters });
    prop_oneof![
        4 => (0_usize..2, sight, 0_usize..10)
            .prop_map(|(run, sight, let_through)| Step::Report { run, sight, let_through }),
        1 => (0_usize..2, some(CLUSTERS)).prop_map(|(run, but)| Step::End { run, but }),
        2 => (0_usize..2).prop_map(|run| Step::Repair { run }),
        3 => (1_i64..90).prop_map(|seconds| Step::Pass { seconds }),
        1 => (0_usize..8).prop_map(|times| Step::LedgerFails { times }),
        1 => some(QUERIES).prop_map(|queries| Step::BusRefuses { queries }),
        2 => (0_u32..24).prop_map(|steps| Step::Crash { steps }),
    ]
}

type Run = Outbox<Interrupted<FakeLedger, Mortality>, Interrupted<FakeBus, Mortality>>;

/// Two runs over one ledger and one bus, and what may befall them.
struct World {
    ledger: FakeLedger,
    bus: FakeBus,
    steps: Rc<Cell<Option<u32>>>,
    now: i64,
    runs: [Run; 2],
    /// How often the conditions of clusters may have ended.
    ends: usize,
}

impl World {
    fn new() -> Self {
        let (ledger, bus, steps) = (FakeLedger::default(), FakeBus::default(), Rc::default());
        let runs = [Self::run(&ledger, &bus, &steps), Self::run(&ledger, &bus, &steps)];
        Self { ledger, bus, steps, now: START, runs, ends: 0 }
    }

    fn run(ledger: &FakeLedger, bus: &FakeBus, steps: &Rc<Cell<Option<u32>>>) -> Run {
        let interruption = Mortality(Rc::clone(steps));
        let ledger = Interrupted { inner: ledger.clone(), interruption: interruption.clone() };
        Outbox::new(ledger, Interrupted { inner: bus.clone(), interruption })
    }

    /// Lets a run do something. One that dies is followed by one that remembers nothing.
    async fn act<R>(&mut self, run: usize, doing: impl AsyncFnOnce(&mut Run, Timestamp) -> Result<R, Problems>) {
        // Every act has a moment of its own, as it has by any clock.
        self.now += 1;
        let done = doing(&mut self.runs[run], at(self.now));
        // Nothing here takes time, so what is not done within a second never will be.
        if tokio::time::timeout(Duration::from_secs(1), done).await.is_err() {
            self.runs[run] = Self::run(&self.ledger, &self.bus, &self.steps);
            self.steps.set(None);
        }
    }

    async fn report(&mut self, run: usize, sight: &Sight, let_through: usize) {
        let sight = sight.clone();
        self.act(run, async move |outbox, now| outbox.report(sight.findings(let_through, now), now).await).await;
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Report { run, sight, let_through } => self.report(*run, sight, *let_through).await,
            Step::End { run, but } => {
                self.ends += 1;
                let found = Sight { queries: vec![], clusters: but.clone() }.findings(0, at(self.now));
                let found = found.into_iter().map(|finding| finding.header.id).collect();
                self.act(*run, async |outbox, _| {
                    outbox.end_episodes(&["emr-instance-types"], &found, &BTreeSet::new()).await
                })
                .await;
            }
            Step::Repair { run } => self.act(*run, async |outbox, now| outbox.repair(now).await).await,
            Step::Pass { seconds } => self.now += seconds,
            Step::LedgerFails { times } => self.ledger.fail_next(*times),
            Step::BusRefuses { queries } => {
                let ids: Vec<_> = queries.iter().map(|query| id(&format!("q{query}"))).collect();
                self.bus.refuse(&ids.iter().map(String::as_str).collect::<Vec<_>>());
            }
            Step::Crash { steps } => self.steps.set(Some(*steps)),
        }
    }

    /// Faults end, and the next sweep comes.
    async fn heal_and_repair(&mut self) {
        self.steps.set(None);
        self.ledger.fail_next(0);
        self.bus.refuse(&[]);
        self.now += 60;
        self.act(0, async |outbox, now| outbox.repair(now).await).await;
    }

    /// What a consumer has that upserts by id and lets the newest state win.
    fn consumed(&self) -> BTreeMap<String, Event> {
        let mut consumed: BTreeMap<String, Event> = BTreeMap::new();
        for event in self.bus.events.borrow().iter() {
            let header = event.header();
            if consumed.get(&header.id).is_none_or(|known| known.header().occurred_at <= header.occurred_at) {
                consumed.insert(header.id.clone(), event.clone());
            }
        }
        consumed
    }

    /// What the ledger has, and the ids of it that are still pending.
    fn recorded(&self) -> (BTreeMap<String, Event>, Vec<String>) {
        let entries = self.ledger.entries.borrow();
        let pending = entries.iter().filter(|(_, entry)| entry.pending).map(|(id, _)| id.clone()).collect();
        (entries.iter().map(|(id, entry)| (id.clone(), entry.event.clone())).collect(), pending)
    }
}

proptest! {
    #[test]
    fn whatever_fails_the_console_ends_up_with_what_the_ledger_has(steps in vec(step(), 0..40)) {
        block_on(async {
            let mut world = World::new();
            for step in &steps {
                world.take(step).await;
            }
            world.heal_and_repair().await;
            prop_assert_eq!(world.recorded(), (world.consumed(), vec![]), "after a repair");

            world.report(0, &Sight::everything(), usize::MAX).await;
            let consumed = world.consumed();
            prop_assert_eq!(world.recorded(), (consumed.clone(), vec![]), "after a report");
            for query in 0..QUERIES {
                prop_assert!(consumed.contains_key(&id(&format!("q{query}"))), "query {}", query);
            }
            // Never two hours pass here without a look, so an episode is over only when a run has said so.
            for cluster in 0..CLUSTERS {
                let of_cluster = condition(&format!("c{cluster}"), at(START)).header.id;
                let episodes = consumed.keys().filter(|id| id.starts_with(&format!("{of_cluster}/"))).count();
                prop_assert!((1..=1 + world.ends).contains(&episodes), "{} episodes of {}", episodes, of_cluster);
            }
            let others = consumed.keys().filter(|id| !id.starts_with("emr-instance-types/")).count();
            prop_assert_eq!(others, usize::from(QUERIES));
            Ok(())
        })?;
    }
}
