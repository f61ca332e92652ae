//! What becomes of clusters and steps under every kind of interference.

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn at(count: u64) -> Timestamp {
    NOW + secs(count)
}

/// A cluster that bootstraps at 5 s, is up at 10 s and takes 2 s to end.
fn plan(steps: Vec<StepPlan>) -> Plan {
    Plan {
        created_at: NOW,
        bootstrapping_at: at(5),
        ready_at: at(10),
        terminating_takes: secs(2),
        keep_alive: true,
        concurrency: 1,
        auto_termination: Setting::new(None),
        protected: Setting::new(false),
        ends: Vec::new(),
        steps,
    }
}

fn step(created_at: u64, runs_for: impl Into<Option<u64>>) -> StepPlan {
    StepPlan {
        created_at: at(created_at),
        runs_for: runs_for.into().map(secs),
        outcome: StepOutcome::Completes,
        action_on_failure: ActionOnFailure::Continue,
        ignores_interrupt: false,
        cancel_takes: Duration::ZERO,
        cancels: Vec::new(),
        finished_at: None,
    }
}

fn failing(created_at: u64, runs_for: u64, action_on_failure: ActionOnFailure) -> StepPlan {
    StepPlan { outcome: StepOutcome::Fails, action_on_failure, ..step(created_at, runs_for) }
}

fn cancelled(plan: StepPlan, cancel_at: u64, how: Cancellation) -> StepPlan {
    StepPlan { cancels: vec![(at(cancel_at), how)], ..plan }
}

fn second(instant: Timestamp) -> i64 {
    instant.as_second()
}

/// A life as text: the cluster's states and each step's, with the second they began in.
fn told(plan: &Plan) -> Vec<String> {
    let life = live(plan);
    let own = life.states.iter().map(|(at, state, _)| format!("{} {}", second(*at), state.as_str()));
    let steps = life.steps.iter().map(|states| {
        states.iter().map(|(at, state)| format!("{} {}", second(*at), state.as_str())).collect::<Vec<_>>().join(", ")
    });
    std::iter::once(own.collect::<Vec<_>>().join(", ")).chain(steps).collect()
}

fn check(plan: Plan, expected: &[&str]) {
    assert_eq!(told(&plan), expected, "{plan:?}");
}

const UP: &str = "0 STARTING, 5 BOOTSTRAPPING";

#[test]
fn steps_take_turns() {
    check(plan(vec![]), &[&format!("{UP}, 10 WAITING")]);
    check(
        plan(vec![step(0, 5), step(20, 5), step(22, 5)]),
        &[
            &format!("{UP}, 10 RUNNING, 15 WAITING, 20 RUNNING, 30 WAITING"),
            "0 PENDING, 10 RUNNING, 15 COMPLETED",
            "20 PENDING, 20 RUNNING, 25 COMPLETED",
            "22 PENDING, 25 RUNNING, 30 COMPLETED",
        ],
    );
    check(
        Plan { concurrency: 2, ..plan(vec![step(20, 10), step(20, 5), step(20, 1)]) },
        &[
            &format!("{UP}, 10 WAITING, 20 RUNNING, 30 WAITING"),
            "20 PENDING, 20 RUNNING, 30 COMPLETED",
            "20 PENDING, 20 RUNNING, 25 COMPLETED",
            "20 PENDING, 25 RUNNING, 26 COMPLETED",
        ],
    );
    check(plan(vec![step(20, 0)]), &[&format!("{UP}, 10 WAITING"), "20 PENDING, 20 RUNNING, 20 COMPLETED"]);
    check(
        Plan { bootstrapping_at: NOW, ready_at: NOW, ..plan(vec![step(0, None)]) },
        &["0 STARTING, 0 RUNNING", "0 PENDING, 0 RUNNING"],
    );
}

#[test]
fn steps_added_in_the_past_have_had_their_turn_by_age() {
    check(
        plan(vec![step(30, None), step(20, 5)]),
        &[
            &format!("{UP}, 10 WAITING, 20 RUNNING, 25 WAITING, 30 RUNNING"),
            "30 PENDING, 30 RUNNING",
            "20 PENDING, 20 RUNNING, 25 COMPLETED",
        ],
    );
}

#[test]
fn a_cancelled_step_ends_if_it_obeys() {
    let interrupt = |plan: StepPlan| cancelled(plan, 25, Cancellation::Interrupt);
    let running = format!("{UP}, 10 WAITING, 20 RUNNING, 25 WAITING");
    check(plan(vec![interrupt(step(20, None))]), &[&running, "20 PENDING, 20 RUNNING, 25 CANCELLED"]);
    check(
        plan(vec![step(20, None), interrupt(step(21, None))]),
        &[&format!("{UP}, 10 WAITING, 20 RUNNING"), "20 PENDING, 20 RUNNING", "21 PENDING, 25 CANCELLED"],
    );
    let stubborn = || StepPlan { ignores_interrupt: true, ..step(20, None) };
    check(plan(vec![interrupt(stubborn())]), &[&format!("{UP}, 10 WAITING, 20 RUNNING"), "20 PENDING, 20 RUNNING"]);
    check(
        plan(vec![cancelled(stubborn(), 25, Cancellation::Kill)]),
        &[&running, "20 PENDING, 20 RUNNING, 25 CANCELLED"],
    );
    let slow = |runs_for: Option<u64>| StepPlan { cancel_takes: secs(5), ..step(20, runs_for) };
    check(
        plan(vec![interrupt(slow(None))]),
        &[
            &format!("{UP}, 10 WAITING, 20 RUNNING, 30 WAITING"),
            "20 PENDING, 20 RUNNING, 25 CANCEL_PENDING, 30 CANCELLED",
        ],
    );
    check(
        plan(vec![interrupt(slow(Some(7)))]),
        &[
            &format!("{UP}, 10 WAITING, 20 RUNNING, 27 WAITING"),
            "20 PENDING, 20 RUNNING, 25 CANCEL_PENDING, 27 COMPLETED",
        ],
    );
    check(plan(vec![interrupt(step(20, 5))]), &[&running, "20 PENDING, 20 RUNNING, 25 COMPLETED"]);
}

#[test]
fn a_failure_does_what_it_was_told_to() {
    let with = |action| plan(vec![failing(20, 5, action), step(21, 5)]);
    check(
        with(ActionOnFailure::Continue),
        &[
            &format!("{UP}, 10 WAITING, 20 RUNNING, 30 WAITING"),
            "20 PENDING, 20 RUNNING, 25 FAILED",
            "21 PENDING, 25 RUNNING, 30 COMPLETED",
        ],
    );
    let waits = [
        &format!("{UP}, 10 WAITING, 20 RUNNING, 25 WAITING"),
        "20 PENDING, 20 RUNNING, 25 FAILED",
        "21 PENDING, 25 CANCELLED",
    ];
    check(with(ActionOnFailure::CancelAndWait), &waits);
    check(Plan { protected: Setting::new(true), ..with(ActionOnFailure::TerminateCluster) }, &waits);
    check(
        with(ActionOnFailure::TerminateCluster),
        &[
            &format!("{UP}, 10 WAITING, 20 RUNNING, 25 TERMINATING, 27 TERMINATED_WITH_ERRORS"),
            "20 PENDING, 20 RUNNING, 25 FAILED",
            "21 PENDING, 25 CANCELLED",
        ],
    );
}

#[test]
fn a_cluster_ends_once_and_its_steps_with_it() {
    let steps = || vec![step(20, None), step(21, 5), step(40, 5)];
    let ends = |ends: &[(u64, Reason)]| Plan {
        ends: ends.iter().map(|(end, reason)| (at(*end), *reason)).collect(),
        ..plan(steps())
    };
    check(
        ends(&[(30, Reason::User), (31, Reason::InstanceFailed)]),
        &[
            &format!("{UP}, 10 WAITING, 20 RUNNING, 30 TERMINATING, 32 TERMINATED"),
            "20 PENDING, 20 RUNNING, 30 CANCELLED",
            "21 PENDING, 30 CANCELLED",
            "40 PENDING, 40 CANCELLED",
        ],
    );
    check(
        ends(&[(30, Reason::InstanceFailed)]),
        &[
            &format!("{UP}, 10 WAITING, 20 RUNNING, 30 TERMINATING, 32 TERMINATED_WITH_ERRORS"),
            "20 PENDING, 20 RUNNING, 30 INTERRUPTED",
            "21 PENDING, 30 CANCELLED",
            "40 PENDING, 40 CANCELLED",
        ],
    );
    check(Plan { ends: vec![(at(7), Reason::User)], ..plan(vec![]) }, &[&format!("{UP}, 7 TERMINATING, 9 TERMINATED")]);
    check(
        Plan { ends: vec![(at(30), Reason::User)], terminating_takes: Duration::ZERO, ..plan(vec![]) },
        &[&format!("{UP}, 10 WAITING, 30 TERMINATING, 30 TERMINATED")],
    );
}

#[test]
fn a_cluster_that_does_not_stay_ends_after_its_last_step() {
    let short = |steps| Plan { keep_alive: false, ..plan(steps) };
    check(short(vec![]), &[&format!("{UP}, 10 TERMINATING, 12 TERMINATED")]);
    check(
        short(vec![step(0, 5)]),
        &[&format!("{UP}, 10 RUNNING, 15 TERMINATING, 17 TERMINATED"), "0 PENDING, 10 RUNNING, 15 COMPLETED"],
    );
}

#[test]
fn an_idle_cluster_ends_when_its_policy_says_so() {
    let policy = |seconds: u64| Plan { auto_termination: Setting::new(Some(secs(seconds))), ..plan(vec![step(20, 5)]) };
    let worked = "20 PENDING, 20 RUNNING, 25 COMPLETED";
    let ended =
        |end: u64| format!("{UP}, 10 WAITING, 20 RUNNING, 25 WAITING, {end} TERMINATING, {} TERMINATED", end + 2);
    check(policy(60), &[&ended(85), worked]);
    check(policy(5), &[&format!("{UP}, 10 WAITING, 15 TERMINATING, 17 TERMINATED"), "20 PENDING, 20 CANCELLED"]);
    // A policy that comes or changes while the cluster is idle counts from then on; one that goes counts no more.
    let mut late = plan(vec![step(20, 5)]);
    late.auto_termination.set(at(40), Some(secs(60)));
    check(late, &[&ended(100), worked]);
    let mut gone = policy(60);
    gone.auto_termination.set(at(84), None);
    check(gone, &[&format!("{UP}, 10 WAITING, 20 RUNNING, 25 WAITING"), worked]);
}

#[test]
fn a_step_is_made_to_end_as_it_would_have_ended() {
    let finished = |plan: StepPlan, end: u64| StepPlan { finished_at: Some(at(end)), ..plan };
    check(
        plan(vec![finished(step(20, None), 22), finished(failing(21, 9, ActionOnFailure::Continue), 30)]),
        &[
            &format!("{UP}, 10 WAITING, 20 RUNNING, 30 WAITING"),
            "20 PENDING, 20 RUNNING, 22 COMPLETED",
            "21 PENDING, 22 RUNNING, 30 FAILED",
        ],
    );
    check(
        plan(vec![step(20, None), finished(step(21, None), 25)]),
        &[&format!("{UP}, 10 WAITING, 20 RUNNING"), "20 PENDING, 20 RUNNING", "21 PENDING, 25 RUNNING, 25 COMPLETED"],
    );
}

#[test]
fn what_lies_before_an_interference_comes_out_the_same() {
    let mut one = plan(vec![step(20, 10), step(21, 10)]);
    let before = live(&one);
    one.ends.push((at(35), Reason::User));
    let after = live(&one);
    let early = |life: &Life| {
        let states: Vec<_> = life.states.iter().filter(|(when, _, _)| *when < at(35)).copied().collect();
        let steps: Vec<Vec<_>> = life
            .steps
            .iter()
            .map(|states| states.iter().filter(|(when, _)| *when < at(35)).copied().collect())
            .collect();
        (states, steps)
    };
    assert_eq!(early(&before), early(&after));
    assert_eq!(after.state(at(39)).0, ClusterState::Terminated);
    assert_eq!(before.state(at(39)).0, ClusterState::Running);
}
