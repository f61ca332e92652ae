//! Runs that race for the same storm, in every order that chance finds, and runs that die in the middle of it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::fakes::interrupted::{Interrupted, Mortality, Turns, interleave};

/// What chance decides of a storm.
#[derive(Clone, Debug)]
struct Storm {
    /// How many clusters stay.
    cap: usize,
    max_actions: u32,
    /// How old each cluster is; equal ages are told apart by their ids.
    ages: Vec<i64>,
    /// Clusters that come while the storm is dealt with.
    newcomers: usize,
    /// Which of the runs gets a finding, and whether it is delivered twice.
    deliveries: Vec<(usize, bool)>,
    /// Whose step is next.
    turns: Vec<usize>,
    /// How late the effect of an order comes.
    delay: SignedDuration,
}

fn storm() -> impl Strategy<Value = Storm> {
    let chances = (vec((0_usize..2, any::<bool>()), 30), vec(0_usize..2, 0..400), 0_i64..300);
    (1_usize..5, 1_u32..8, vec(0_i64..40, 1..12), 0_usize..3, chances).prop_map(
        |(cap, max_actions, ages, newcomers, (deliveries, turns, delay))| Storm {
            cap,
            max_actions,
            ages,
            newcomers,
            deliveries,
            turns,
            delay: SignedDuration::from_millis(delay),
        },
    )
}

impl Storm {
    fn stage(&self) -> Stage {
        let (cap, max_actions) = (self.cap.to_string(), self.max_actions.to_string());
        let stage = Stage::new(&[
            ("emr-cluster-count/limit", &cap),
            ("emr-cluster-count/mode", "enforce"),
            ("emr-cluster-count/max_actions", &max_actions),
        ]);
        for (number, age) in self.ages.iter().enumerate() {
            stage.service().cluster(&format!("c{number:02}"), *age);
        }
        stage.service().behave(Manners { delay: self.delay, ..Manners::default() });
        stage
    }

    /// The oldest up to the cap; newcomers are never among them, unless there is room.
    fn stay(&self) -> BTreeSet<String> {
        let mut clusters: Vec<_> =
            self.ages.iter().enumerate().map(|(number, age)| (-age, format!("c{number:02}"))).collect();
        clusters.sort();
        let newcomers = (0..self.newcomers).map(|number| format!("new-{number}"));
        clusters.into_iter().map(|(_, id)| id).chain(newcomers).take(self.cap).collect()
    }

    /// Lets two runs, each with the findings delivered to it, take turns.
    fn race(&self, stage: &Stage, breaches: &[Finding]) {
        let run = |run: usize| {
            let act = Interrupted { inner: stage.service().clone(), interruption: Turns };
            let ledger = Interrupted { inner: stage.sandbox.ledger.clone(), interruption: Turns };
            let mut function = stage.sandbox.enforce_through(act, ledger);
            let delivered_to = self.deliveries.iter().cycle();
            let mine = breaches.iter().zip(delivered_to).filter(move |(_, (to, twice))| *to == run || *twice);
            let events: Vec<_> = mine.map(|(breach, _)| delivered(breach)).collect();
            async move {
                let mut ended = Vec::new();
                for event in events {
                    ended.push(function.handle(stage.sandbox.invocation(event)).await);
                }
                ended
            }
        };
        let ended = interleave([run(0), run(1)], &self.turns).into_iter().flatten();
        assert!(ended.into_iter().all(|ended| ended.is_ok()));
    }
}

proptest! {
    #[test]
    fn however_two_runs_take_turns_exactly_the_oldest_stay_and_each_other_is_told_once(storm in storm()) {
        let stage = storm.stage();
        for round in 0..30 {
            let breaches = stage.sweep();
            if breaches.is_empty() {
                break;
            }
            storm.race(&stage, &breaches);
            if round < storm.newcomers {
                stage.service().cluster(&format!("new-{round}"), 0);
            }
            stage.sandbox.pass(60);
        }
        // Newcomers come with a round, and there are rounds only while somebody is beyond the cap.
        let stay: BTreeSet<String> = stage.service().active().into_iter().collect();
        let mut expected = storm.stay();
        expected.retain(|id| stay.contains(id) || !id.starts_with("new-"));
        prop_assert_eq!(&stay, &expected);
        for (cluster, attempts) in stage.told() {
            prop_assert!(!expected.contains(&cluster), "{} was to stay", cluster);
            prop_assert_eq!(attempts, vec![0], "{} was told more than once", cluster);
        }
        let actions = stage.sandbox.actions();
        let acted_on: BTreeSet<_> = actions.iter().map(|action| action.resource.id.clone()).collect();
        prop_assert_eq!(actions.len(), acted_on.len(), "one event for each");
        prop_assert_eq!(acted_on, stage.service().told().into_keys().collect::<BTreeSet<_>>());
        prop_assert!(actions.iter().all(|action| action.outcome == Outcome::Done));
    }

    #[test]
    fn one_run_never_tells_more_than_it_may(storm in storm()) {
        let stage = storm.stage();
        for breach in stage.sweep() {
            let before = stage.told().len();
            stage.enforce(&breach).unwrap();
            prop_assert!(stage.told().len() - before <= usize::try_from(storm.max_actions).unwrap());
        }
    }
}

#[test]
fn a_run_that_dies_anywhere_is_made_good_by_the_next_sweep() {
    let storm = Storm {
        cap: 2,
        max_actions: 20,
        ages: vec![50, 40, 30, 20, 10],
        newcomers: 0,
        deliveries: vec![(0, false)],
        turns: vec![],
        delay: SignedDuration::ZERO,
    };
    for steps in 0.. {
        let stage = storm.stage();
        let breaches = stage.sweep();
        let left = Rc::new(Cell::new(Some(steps)));
        let interruption = Mortality(Rc::clone(&left));
        let act = Interrupted { inner: stage.service().clone(), interruption: interruption.clone() };
        let ledger = Interrupted { inner: stage.sandbox.ledger.clone(), interruption };
        let mut function = stage.sandbox.enforce_through(act, ledger);
        let run = function.handle(stage.sandbox.invocation(delivered(&breaches[0])));
        // Nothing here takes time, so what is not done within a second never will be.
        let died = block_on(async { tokio::time::timeout(Duration::from_secs(1), run).await.is_err() });
        for _ in 0..5 {
            stage.sandbox.pass(60);
            for breach in stage.sweep() {
                stage.enforce(&breach).unwrap();
            }
        }
        assert_eq!(stage.service().active(), ["c00", "c01"], "died after {steps} steps");
        assert_eq!(stage.service().told().into_keys().collect::<Vec<_>>(), ["c02", "c03", "c04"]);
        assert!(stage.sandbox.ledger.ids().iter().all(|(_, pending)| !pending), "died after {steps} steps");
        if !died {
            assert!(steps > 20, "a batch of three takes more steps than {steps}");
            break;
        }
    }
}
