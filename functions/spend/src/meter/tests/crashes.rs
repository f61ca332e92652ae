//! Runs that die anywhere, are throttled, or race each other: in the end everything is known and told, and nothing
//! twice.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::Poll;
use std::time::Duration;

use lambda::fakes::interrupted::{Turns, interleave};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The lines of two deliveries of November: in the second, one has spent more and the other nothing any more.
const FIRST: [Line<'static>; 2] =
    [(RETAIL, "AmazonSageMaker", "jo", "2026-11-09", "760"), (TRADING, "AmazonAthena", "ana", "2026-11-09", "100")];
const SECOND: [Line<'static>; 1] = [(RETAIL, "AmazonSageMaker", "jo", "2026-11-09", "1500.5")];

/// A hub to which the first delivery has come, and the second lands.
fn second_lands() -> (FakeHub, String) {
    let hub = stage();
    hub.pass(60);
    hub.exports.deliver("2026-10", "closing", &[spent_before(TRADING, "50")]);
    deliver(&hub, "run-1", &FIRST);
    hub.pass(60);
    hub.exports.deliver("2026-10", "closed", &[spent_before(TRADING, "51")]);
    let key = hub.exports.deliver("2026-11", "run-2", &SECOND);
    (hub, key)
}

/// Sweeps until nothing is left to do: within the hour, in which the whole is told again only where it has to be.
fn until_quiet(hub: &FakeHub) {
    for _ in 0..2 {
        hub.next_sweep();
    }
}

/// What is known and told in the end, but for what depends on when: of findings their ids, with the state of each; of
/// spend the figures.
#[derive(Debug, PartialEq, Eq)]
struct End {
    findings: BTreeMap<String, String>,
    spends: BTreeMap<(String, String), (String, String)>,
    figures: Vec<Option<Figures>>,
    levels: Vec<(String, u16, bool, bool)>,
}

impl End {
    fn of(hub: &FakeHub) -> Self {
        let told = hub.findings("spend-budget").into_iter();
        let spends = hub.spends().into_iter().map(|told| {
            let key = (told.header.sandbox.alias.clone(), told.header.id.clone());
            (key, (told.reported.to_string(), told.export))
        });
        let months = ["2026-10", "2026-11"];
        let accounts = [RETAIL, TRADING];
        let figures = accounts.iter().flat_map(|account| months.map(|month| hub.figures(account, month)));
        let levels = accounts.iter().flat_map(|account| {
            let periods = hub.account(account).periods.into_iter();
            periods.flat_map(|(period, judged)| {
                let levels = judged.levels.into_iter();
                levels.map(move |(percent, level)| (period.clone(), percent, level.standing, level.told))
            })
        });
        Self {
            findings: told.map(|told| (told.header.id, told.message)).collect(),
            spends: spends.collect(),
            figures: figures.collect(),
            levels: levels.collect(),
        }
    }
}

/// How often each finding was told.
fn counts(hub: &FakeHub) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for found in hub.findings("spend-budget") {
        *counts.entry(found.header.id).or_default() += 1;
    }
    counts
}

/// The end when nothing comes in between.
static UNDISTURBED: LazyLock<End> = LazyLock::new(|| {
    let (hub, key) = second_lands();
    hub.landed(&key).unwrap();
    until_quiet(&hub);
    let end = End::of(&hub);
    assert_eq!(counts(&hub).values().copied().collect::<Vec<_>>(), [1; 4], "{:?}", counts(&hub));
    assert_eq!(end.spends.len(), 3);
    assert_eq!(hub.total(TRADING, "2026-11"), "0");
    end
});

/// Nothing is pending any more.
fn nothing_waits(hub: &FakeHub) {
    let waiting: Vec<String> = hub.ledger.ids().into_iter().filter(|(_, pending)| *pending).map(|(id, _)| id).collect();
    assert_eq!(waiting, [""; 0]);
}

#[test]
fn a_run_that_dies_anywhere_is_made_good() {
    for embedded in [true, false] {
        for steps in 0.. {
            let (hub, key) = second_lands();
            hub.athena_above.set(if embedded { u64::MAX } else { 0 });
            let left = Rc::new(Cell::new(Some(steps)));
            let mut meter = hub.meter_through(&Mortality(Rc::clone(&left)));
            let run = meter.handle(hub.invocation(object_created(&key)));
            // Nothing here takes time, so what is not done within a second never will be.
            let lived = block_on(async { tokio::time::timeout(Duration::from_secs(1), run).await.is_ok() });
            // The next run may take over what the dead one held when that one's time is over.
            hub.pass(600);
            until_quiet(&hub);
            assert_eq!(End::of(&hub), *UNDISTURBED, "after {steps} steps");
            nothing_waits(&hub);
            // Whoever dies between putting an event and noting that leaves it to be put again.
            let most = if lived { 1 } else { 2 };
            let counts = counts(&hub);
            assert!(counts.values().all(|count| *count <= most), "after {steps} steps: {counts:?}");
            for found in hub.findings("spend-budget") {
                let same = hub.findings("spend-budget").into_iter().filter(|other| other.header.id == found.header.id);
                assert!(same.into_iter().all(|other| other == found), "the same again is the same");
            }
            if lived {
                assert!(steps > 60, "{steps} steps are few");
                break;
            }
        }
    }
}

#[test]
fn what_the_bus_refuses_is_told_once_it_takes_it() {
    for refusals in 1..12 {
        let (hub, key) = second_lands();
        hub.bus.refuse(refusals);
        let refused = hub.landed(&key).is_err();
        hub.bus.refuse(0);
        assert!(refused);
        until_quiet(&hub);
        assert_eq!(End::of(&hub), *UNDISTURBED, "{refusals} refusals");
        assert!(counts(&hub).values().all(|count| *count == 1), "{refusals} refusals");
        nothing_waits(&hub);
    }
}

#[test]
fn whatever_fails_once_is_made_good() {
    let faults: [(&str, Fault); 4] = [
        ("reading pages", |hub, fails| hub.book.fail(fails, false)),
        ("writing pages", |hub, fails| hub.book.fail(false, fails)),
        ("the ledger", |hub, fails| hub.ledger.fail_next(usize::from(fails))),
        ("the bus", |hub, fails| hub.bus.refuse(u32::from(fails))),
    ];
    for (what, fault) in faults {
        for steps in 0.. {
            let (hub, key) = second_lands();
            let flaky = Flaky::new(&hub, fault);
            flaky.left.set(Some(steps));
            let failed = block_on(hub.meter_through(&flaky).handle(hub.invocation(object_created(&key)))).is_err();
            let over = flaky.left.get().is_some();
            fault(&hub, false);
            // The next run may take over what this one could not give back when its time is over.
            hub.pass(600);
            until_quiet(&hub);
            assert_eq!(End::of(&hub), *UNDISTURBED, "{what}, after {steps} steps; failed: {failed}");
            nothing_waits(&hub);
            if over {
                assert!(steps > 60, "{steps} steps are few");
                break;
            }
        }
    }
}

#[test]
fn pages_that_others_change_meanwhile_are_changed_all_the_same() {
    for conflicts in 1..8 {
        let (hub, key) = second_lands();
        hub.book.conflict(conflicts);
        hub.landed(&key).unwrap();
        until_quiet(&hub);
        assert_eq!(End::of(&hub), *UNDISTURBED, "{conflicts} conflicts");
    }
}

/// After each step it is somebody else's turn, and who is mortal dies after so many.
#[derive(Clone, Debug, Default)]
struct Fate {
    mortality: Mortality,
    dead: Rc<Cell<bool>>,
}

impl Interruption for Fate {
    async fn befall(&self) {
        self.dead.set(self.mortality.0.get() == Some(0));
        self.mortality.befall().await;
        Turns.befall().await;
    }
}

/// Lets runs, each with its event and its fate, take turns. Who lives ends well.
fn race(hub: &FakeHub, runs: Vec<(serde_json::Value, Fate)>, turns: &[usize]) {
    let runs = runs.into_iter().map(|(event, fate)| {
        let mut meter = hub.meter_through(&fate);
        let invocation = hub.invocation(event);
        async move {
            let mut run = pin!(meter.handle(invocation));
            let lives = poll_fn(|context| match run.as_mut().poll(context) {
                Poll::Pending if fate.dead.get() => Poll::Ready(Ok(())),
                polled => polled,
            });
            lives.await
        }
    });
    let ended = interleave(runs, turns);
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_runs_take_turns_a_delivery_is_read_once_and_each_finding_told_once(
        turns in vec(0_usize..3, 0..600),
        sweeps in 0_usize..3,
    ) {
        let (hub, key) = second_lands();
        hub.athena_above.set(0);
        let before = hub.spends().len();
        let events = (0..3).map(|run| if run < sweeps { sweep() } else { object_created(&key) });
        race(&hub, events.map(|event| (event, Fate::default())).collect(), &turns);
        prop_assert_eq!(hub.queries.asked.borrow().len(), 2, "one for each month");
        let told: Vec<String> = hub.spends().split_off(before).into_iter().map(|told| told.export).collect();
        prop_assert!(told.iter().all(|export| export == "run-2" || export == "closed"), "{:?} are superseded", told);
        until_quiet(&hub);
        prop_assert_eq!(hub.queries.asked.borrow().len(), 2);
        let counts = counts(&hub);
        prop_assert!(counts.values().all(|count| *count == 1), "{:?}", counts);
        prop_assert_eq!(&End::of(&hub), &*UNDISTURBED);
    }

    #[test]
    fn a_run_that_dies_beside_one_that_tells_the_whole_is_made_good_within_the_hour(
        turns in vec(0_usize..2, 0..600),
        steps in 0_u32..300,
    ) {
        let (hub, key) = second_lands();
        hub.athena_above.set(0);
        hub.clock.set(moment("2026-11-10T07:01:00Z"));
        let mortal = Fate { mortality: Mortality(Rc::new(Cell::new(Some(steps)))), ..Fate::default() };
        race(&hub, vec![(object_created(&key), mortal), (sweep(), Fate::default())], &turns);
        hub.pass(600);
        until_quiet(&hub);
        prop_assert_eq!(&End::of(&hub), &*UNDISTURBED);
        nothing_waits(&hub);
    }
}
