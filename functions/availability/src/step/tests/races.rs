//! Workflows that are killed anywhere and run beside each other: they end in what was asked for last, and nothing that
//! was on before is forgotten.

use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use lambda::fakes::interrupted::{Interruption, Turns, interleave};
use proptest::prelude::*;

use super::*;
use crate::fakes::FakeStep;

/// Between any two calls it is somebody else's turn, and now and then a run is killed.
#[derive(Clone, Debug, Default)]
struct Fate {
    /// After how many calls the next runs are killed; when there are no more, nobody is.
    deaths: Rc<std::cell::RefCell<VecDeque<u32>>>,
    dead: Rc<Cell<bool>>,
}

impl Interruption for Fate {
    async fn befall(&self) {
        let is_due = match self.deaths.borrow_mut().front_mut() {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        if is_due {
            self.deaths.borrow_mut().pop_front();
            self.dead.set(true);
            std::future::pending::<()>().await;
        }
        Turns.befall().await;
    }
}

/// One workflow as Step Functions runs it: every step in its order, tried again when it is killed or fails.
struct Execution {
    sandbox: FakeSandbox,
    workflow: Workflow,
    name: String,
    asked_at: Timestamp,
    fate: Fate,
}

impl Execution {
    fn new(sandbox: &FakeSandbox, workflow: Workflow, asked_at: Timestamp, deaths: &[u32]) -> Self {
        let fate =
            Fate { deaths: Rc::new(deaths.iter().copied().collect::<VecDeque<_>>().into()), dead: Rc::default() };
        Self { sandbox: sandbox.clone(), workflow, name: asked_at.to_string(), asked_at, fate }
    }

    /// One try of a step; nothing when it was killed, by fate or by Lambda at its deadline, or failed.
    async fn attempt(&self, event: Value) -> Option<Value> {
        let mut step: FakeStep<Fate> = self.sandbox.step_through(&self.fate);
        let invocation = self.sandbox.invocation(event);
        let deadline = invocation.deadline;
        let mut run = pin!(step.handle(invocation));
        std::future::poll_fn(|context| {
            if self.sandbox.clock.now() >= deadline {
                return Poll::Ready(None);
            }
            match run.as_mut().poll(context) {
                Poll::Ready(answer) => Poll::Ready(answer.ok()),
                Poll::Pending if self.fate.dead.replace(false) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    async fn step(&self, event: Value) -> Value {
        for _ in 0..500 {
            match self.attempt(event.clone()).await {
                Some(answer) if answer["outcome"] == "pending" => {}
                Some(answer) => return answer,
                None => {}
            }
            // Time passes while it waits, for everybody.
            self.sandbox.pass(1);
            Turns.befall().await;
        }
        panic!("`{event}` has no end");
    }

    /// All of it; gives whether it came to its end with the turn.
    async fn run(self) -> bool {
        let execution = execution(self.workflow, &self.name);
        let (workflow, asked_at) = (self.workflow, self.asked_at);
        let begins = json!({
            "step": "begin", "workflow": workflow, "execution": execution, "asked_at": asked_at, "input": {}
        });
        let begun = self.step(begins).await;
        let Some(turn) = begun["turn"].as_u64().filter(|_| begun["outcome"] == "begun") else { return false };
        let about = |step: &str, part| about(step, workflow, turn, part);
        let services = [Part::Studio, Part::Jobs, Part::Rds];
        if workflow == Workflow::Stop {
            self.step(about("part", Part::Access)).await;
            self.step(about("verify", Part::Access)).await;
        }
        for part in services {
            self.step(about("part", part)).await;
        }
        if workflow == Workflow::Start {
            self.step(about("part", Part::Access)).await;
            self.step(about("verify", Part::Access)).await;
        }
        let ended = json!({"step": "end", "workflow": workflow, "execution": execution, "turn": turn, "results": []});
        self.step(ended).await["outcome"] == "done"
    }
}

/// A thing that may be anywhere and take its time.
fn thing() -> impl Strategy<Value = (Phase, Obeys)> {
    let phase = prop_oneof![Just(Phase::On), Just(Phase::Off), Just(Phase::TurningOn), Just(Phase::TurningOff)];
    let obeys = prop_oneof![Just(Obeys::AtOnce), (0_u32..12).prop_map(Obeys::AfterLooks)];
    (phase, obeys)
}

const THINGS: [&str; 8] = ["access/ana", "access/jo", "studio/a", "studio/b", "jobs/j", "jobs/k", "rds/d", "rds/e"];

/// An open sandbox with these things, and what is or comes up in it that can be turned on again.
fn open(things: &[(Phase, Obeys)]) -> (FakeSandbox, Vec<String>) {
    let sandbox = sandbox();
    let mut on = Vec::new();
    for (name, (phase, obeys)) in THINGS.iter().zip(things) {
        // Nobody but us closes a role.
        let phase = if name.starts_with("access") { Phase::On } else { *phase };
        sandbox.board.put(name, phase);
        sandbox.board.behave(name, obeys.clone());
        if matches!(phase, Phase::On | Phase::TurningOn) && !name.starts_with("jobs") {
            on.push((*name).to_owned());
        }
    }
    (sandbox, on)
}

fn workflow() -> impl Strategy<Value = Workflow> {
    prop_oneof![Just(Workflow::Stop), Just(Workflow::Start)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn workflows_at_once_end_in_what_was_asked_for_last(
        things in proptest::collection::vec(thing(), THINGS.len()),
        asked in proptest::collection::vec((workflow(), 0_i64..4, proptest::collection::vec(0_u32..40, 0..4)), 1..4),
        turns in proptest::collection::vec((0_usize..4, 1_usize..200), 0..20),
        last in workflow(),
    ) {
        let (sandbox, on) = open(&things);
        let began = sandbox.clock.now();
        let after = |seconds| began + SignedDuration::from_secs(seconds);
        // The sandbox is closed before anything is opened, or there is nothing to open.
        prop_assert!(lambda::fakes::block_on(Execution::new(&sandbox, Workflow::Stop, after(-1), &[]).run()));
        sandbox.clock.set(began.max(sandbox.clock.now()));
        let mut executions: Vec<Execution> = asked
            .iter()
            .map(|(workflow, seconds, deaths)| Execution::new(&sandbox, *workflow, after(*seconds), deaths))
            .collect();
        executions.push(Execution::new(&sandbox, last, after(10), &[3, 11, 20]));
        // Each goes on for a while, so that some are far when others begin.
        let turns: Vec<usize> = turns.into_iter().flat_map(|(who, calls)| std::iter::repeat_n(who, calls)).collect();
        let ended = interleave(executions.into_iter().map(Execution::run), &turns);
        prop_assert_eq!(ended.last(), Some(&true), "the last always comes to its end");

        let state = standing(&sandbox).state;
        match last {
            Workflow::Stop => {
                prop_assert_eq!(state, Availability::Closed);
                prop_assert_eq!([sandbox.board.on(), sandbox.board.turning_on()].concat(), Vec::<String>::new());
                // And nothing is forgotten: it opens as it was.
                run(&sandbox, Workflow::Start);
            }
            Workflow::Start => prop_assert_eq!(state, Availability::Open),
        }
        let mut now_on = sandbox.board.on();
        now_on.retain(|name| !name.starts_with("jobs"));
        prop_assert_eq!(now_on, on);
    }
}

/// Whether a thing is on, on its way up, or recorded to be turned on again.
fn is_known(sandbox: &FakeSandbox, name: &str) -> bool {
    let up = [sandbox.board.on(), sandbox.board.turning_on()].concat();
    let (part, id) = name.split_once('/').unwrap();
    let part = Part::ALL.into_iter().find(|known| known.as_str() == part).unwrap();
    up.iter().any(|on| on == name) || recorded(sandbox, part).iter().any(|known| known == id)
}

/// A closing and an opening, each killed once after so many calls and then tried again: at each death everything that
/// was on is on or recorded, and both end as if nobody had died. Gives whether anybody did.
fn check(deaths: u32) -> bool {
    let things = [
        (Phase::On, Obeys::AtOnce),
        (Phase::On, Obeys::AfterLooks(2)),
        (Phase::On, Obeys::AtOnce),
        (Phase::Off, Obeys::AtOnce),
        (Phase::On, Obeys::AtOnce),
        (Phase::On, Obeys::AfterLooks(2)),
        (Phase::On, Obeys::AfterLooks(3)),
        (Phase::TurningOn, Obeys::AtOnce),
    ];
    let (sandbox, on) = open(&things);
    let mut died = false;
    for workflow in [Workflow::Stop, Workflow::Start] {
        sandbox.pass(1);
        let execution = Execution::new(&sandbox, workflow, sandbox.clock.now(), &[deaths]);
        let fate = execution.fate.clone();
        let mut run = pin!(execution.run());
        let mut alive = true;
        let ended = lambda::fakes::block_on(std::future::poll_fn(|context| {
            let polled = run.as_mut().poll(context);
            if alive && fate.deaths.borrow().is_empty() {
                alive = false;
                for name in &on {
                    assert!(is_known(&sandbox, name), "`{name}` would be forgotten, {deaths} {workflow:?}");
                }
            }
            polled
        }));
        assert!(ended);
        died |= fate.deaths.borrow().is_empty();
        if workflow == Workflow::Stop {
            assert_eq!([sandbox.board.on(), sandbox.board.turning_on()].concat(), [""; 0], "{deaths}");
        }
    }
    assert_eq!(sandbox.board.on(), on, "{deaths}");
    let changes = sandbox.ledger.ids();
    let ids: Vec<&str> = changes.iter().map(|(id, _)| id.as_str()).collect();
    let each = |change: &str| ids.iter().filter(|id| id.starts_with(&format!("availability/{change}/"))).count();
    let counts = ["closing", "part_closed", "closed", "opening", "part_opened", "opened", "failed"].map(each);
    assert_eq!(counts, [1, 4, 1, 1, 4, 1, 0], "{deaths}: everything is told");
    died
}

#[test]
fn whoever_is_killed_at_any_call_forgets_nothing_and_goes_on() {
    let mut deaths = 0;
    while check(deaths) {
        deaths += 1;
    }
    assert!(deaths > 150, "a workflow makes more calls than {deaths}");
}
