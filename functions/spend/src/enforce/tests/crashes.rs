//! Runs that die anywhere or race each other: the sandbox is locked by one command, and that is told.

use std::cell::Cell;
use std::rc::Rc;

use lambda::fakes::interrupted::{Turns, interleave};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The commands that were sent, each once.
fn commands(hub: &FakeHub) -> BTreeSet<String> {
    sent(hub).into_iter().map(|(.., command)| serde_json::to_string(&command).unwrap()).collect()
}

/// In the end the sandbox is locked by one command, and the last that was told is that.
fn is_done(hub: &FakeHub) {
    assert_eq!(commands(hub).len(), 1);
    assert_eq!(hub.console.locked(), [format!("{RETAIL}/eu-west-1")]);
    let action = hub.actions().pop().unwrap();
    assert_eq!((action.outcome, action.reason.as_str()), (Outcome::Done, LOCKED));
    assert!(settled(hub));
    let waiting: Vec<_> = hub.ledger.ids().into_iter().filter(|(_, pending)| *pending).collect();
    assert_eq!(waiting, []);
}

#[test]
fn a_run_that_dies_anywhere_is_made_good_by_the_next_sweep() {
    for steps in 0.. {
        let hub = stage();
        let left = Rc::new(Cell::new(Some(steps)));
        let mut enforce = hub.enforce_through(&Mortality(Rc::clone(&left)));
        let run = enforce.handle(hub.invocation(told_by("999999999999", breach(&hub))));
        // Nothing here takes time, so what is not done within a second never will be.
        let lived = block_on(async { tokio::time::timeout(Duration::from_secs(1), run).await.is_ok() });
        // The next run takes over what the dead one held when that one's time is over.
        for _ in 0..3 {
            hub.pass(600);
            let before = hub.findings("spend-budget").len();
            hub.sweep().unwrap();
            let asked = hub.findings("spend-budget").split_off(before);
            for finding in asked.into_iter().filter(Finding::wants_action) {
                hub.enforce(&finding).unwrap();
            }
        }
        is_done(&hub);
        assert!(sent(&hub).len() <= 2, "after {steps} steps");
        if lived {
            assert_eq!((sent(&hub).len(), outcomes(&hub)), (1, vec![Outcome::Done]));
            assert!(steps > 20, "{steps} steps are few");
            break;
        }
    }
}

#[test]
fn what_the_bus_refuses_is_told_once_it_takes_it() {
    for refusals in 1..3 {
        let hub = stage();
        hub.bus.refuse(refusals);
        hub.enforce(&breach(&hub)).unwrap_err();
        hub.bus.refuse(0);
        for _ in 0..2 {
            let before = hub.findings("spend-budget").len();
            hub.next_sweep();
            let asked = hub.findings("spend-budget").split_off(before);
            for finding in asked.into_iter().filter(Finding::wants_action) {
                hub.enforce(&finding).unwrap();
            }
        }
        is_done(&hub);
        assert_eq!(sent(&hub).len(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_two_runs_take_turns_one_command_is_sent_once(turns in vec(0_usize..2, 0..200), looks in 0_u32..5) {
        let hub = stage();
        hub.console.behave(&sandbox(RETAIL), Obeys::AfterLooks(looks));
        let finding = breach(&hub);
        let runs = (0..2).map(|_| {
            let mut enforce = hub.enforce_through(&Turns);
            let invocation = hub.invocation(told_by("999999999999", finding.clone()));
            async move { enforce.handle(invocation).await }
        });
        let ended = interleave(runs, &turns);
        prop_assert!(ended.iter().all(Result::is_ok), "{:?}", ended);
        prop_assert_eq!((sent(&hub).len(), outcomes(&hub)), (1, vec![Outcome::Done]));
        is_done(&hub);
    }
}
