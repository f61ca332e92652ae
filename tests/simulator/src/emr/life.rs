//! What becomes of a cluster and its steps, worked out from what was asked of them and when.
//!
//! [`live`] plays a [`Plan`] from its first instant to its last, so nothing has to happen for a cluster to make
//! progress: its state at any moment is looked up. Whoever interferes writes it into the plan and has it played again;
//! because the plan keeps every instant, what lies before the interference comes out the same.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::spec::{ActionOnFailure, ClusterState, StepOutcome, StepState};
use crate::clock;

/// A setting and since when it has had which value; the first is there from the beginning.
#[derive(Debug)]
pub(super) struct Setting<T> {
    first: T,
    changes: Vec<(Timestamp, T)>,
}

impl<T: Copy> Setting<T> {
    pub(super) fn new(first: T) -> Setting<T> {
        Setting { first, changes: Vec::new() }
    }

    pub(super) fn set(&mut self, now: Timestamp, value: T) {
        self.changes.push((now, value));
    }

    pub(super) fn at(&self, instant: Timestamp) -> T {
        self.since(instant).1
    }

    /// The value at an instant, and since when.
    fn since(&self, instant: Timestamp) -> (Timestamp, T) {
        let changes = self.changes.iter().rev();
        changes.copied().find(|(at, _)| *at <= instant).unwrap_or((Timestamp::MIN, self.first))
    }
}

/// How a running step is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cancellation {
    /// It may ignore this.
    Interrupt,
    /// It cannot ignore this.
    Kill,
}

/// Why a cluster is in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Nothing,
    RunsSteps,
    Ready,
    User,
    Idle,
    StepsCompleted,
    StepFailed,
    InstanceFailed,
}

impl Reason {
    /// EMR's code. A policy's termination has none of its own in the model; the nearest is that all is done.
    pub(super) fn code(self) -> Option<&'static str> {
        match self {
            Reason::Nothing | Reason::RunsSteps | Reason::Ready => None,
            Reason::User => Some("USER_REQUEST"),
            Reason::Idle | Reason::StepsCompleted => Some("ALL_STEPS_COMPLETED"),
            Reason::StepFailed => Some("STEP_FAILURE"),
            Reason::InstanceFailed => Some("INSTANCE_FAILURE"),
        }
    }

    pub(super) fn message(self) -> Option<&'static str> {
        match self {
            Reason::Nothing => None,
            Reason::RunsSteps => Some("Running step"),
            Reason::Ready => Some("Cluster ready to run steps."),
            Reason::User => Some("Terminated by user request"),
            Reason::Idle => Some("Cluster was idle for the time of its auto-termination policy"),
            Reason::StepsCompleted => Some("Steps completed"),
            Reason::StepFailed => Some("Shut down as step failed"),
            Reason::InstanceFailed => Some("The master failed"),
        }
    }

    fn is_error(self) -> bool {
        matches!(self, Reason::StepFailed | Reason::InstanceFailed)
    }
}

/// What was asked of a cluster, and when.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) created_at: Timestamp,
    pub(super) bootstrapping_at: Timestamp,
    pub(super) ready_at: Timestamp,
    pub(super) terminating_takes: Duration,
    pub(super) keep_alive: bool,
    pub(super) concurrency: usize,
    pub(super) auto_termination: Setting<Option<Duration>>,
    pub(super) protected: Setting<bool>,
    /// The ends it was given from outside; the first counts.
    pub(super) ends: Vec<(Timestamp, Reason)>,
    pub(super) steps: Vec<StepPlan>,
}

/// What was asked of a step, and when.
#[derive(Debug)]
pub(super) struct StepPlan {
    pub(super) created_at: Timestamp,
    pub(super) runs_for: Option<Duration>,
    pub(super) outcome: StepOutcome,
    pub(super) action_on_failure: ActionOnFailure,
    pub(super) ignores_interrupt: bool,
    pub(super) cancel_takes: Duration,
    pub(super) cancels: Vec<(Timestamp, Cancellation)>,
    /// When somebody made it end as it would have ended.
    pub(super) finished_at: Option<Timestamp>,
}

/// Everything that becomes of a cluster as things stand.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// The cluster's states, oldest first.
    pub(super) states: Vec<(Timestamp, ClusterState, Reason)>,
    /// The states of each step, in the order of the plan.
    pub(super) steps: Vec<Vec<(Timestamp, StepState)>>,
}

impl Life {
    pub(super) fn state(&self, now: Timestamp) -> (ClusterState, Reason) {
        let past = self.states.iter().take_while(|(at, _, _)| *at <= now);
        past.last().map_or((ClusterState::Starting, Reason::Nothing), |(_, state, reason)| (*state, *reason))
    }

    /// When the cluster came into a state that `matches`, if it has by `now`.
    pub(super) fn reached(&self, now: Timestamp, matches: impl Fn(ClusterState) -> bool) -> Option<Timestamp> {
        self.states.iter().find(|(at, state, _)| *at <= now && matches(*state)).map(|(at, _, _)| *at)
    }

    pub(super) fn step(&self, index: usize) -> &[(Timestamp, StepState)] {
        self.steps.get(index).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Plays a plan to its end.
pub(super) fn live(plan: &Plan) -> Life {
    let mut play = Play {
        plan,
        life: Life { states: Vec::new(), steps: plan.steps.iter().map(|_| Vec::new()).collect() },
        agenda: BTreeSet::from([plan.created_at, plan.bootstrapping_at, plan.ready_at]),
        progress: plan.steps.iter().map(|_| Progress::default()).collect(),
        phase: Phase::Starting,
        idle_since: None,
    };
    play.agenda.extend(plan.ends.iter().map(|(at, _)| *at));
    play.agenda.extend(plan.auto_termination.changes.iter().map(|(at, _)| *at));
    for step in &plan.steps {
        play.agenda.insert(step.created_at);
        play.agenda.extend(step.cancels.iter().map(|(at, _)| *at));
        play.agenda.extend(step.finished_at);
    }
    while let Some(instant) = play.agenda.pop_first() {
        play.pass(instant);
    }
    play.life
}

/// Where a step stands while its plan is played.
#[derive(Debug, Default)]
struct Progress {
    ends_at: Option<Timestamp>,
    obeys_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Up,
    Terminating { until: Timestamp, reason: Reason },
    Over,
}

#[derive(Debug)]
struct Play<'a> {
    plan: &'a Plan,
    life: Life,
    /// The instants at which something may happen.
    agenda: BTreeSet<Timestamp>,
    progress: Vec<Progress>,
    phase: Phase,
    idle_since: Option<Timestamp>,
}

impl Play<'_> {
    /// Everything that happens at one instant.
    fn pass(&mut self, now: Timestamp) {
        if now < self.plan.created_at {
            return;
        }
        self.begin(now);
        for index in 0..self.plan.steps.len() {
            self.arrive(index, now);
            self.end_step(index, now);
            self.cancel_step(index, now);
        }
        self.end_from_outside(now);
        self.start_steps(now);
        self.rest(now);
        self.end(now);
    }

    /// The cluster's way to its first work.
    fn begin(&mut self, now: Timestamp) {
        if self.phase != Phase::Starting {
            return;
        }
        if self.life.states.is_empty() {
            self.life.states.push((now, ClusterState::Starting, Reason::Nothing));
        }
        if now >= self.plan.ready_at {
            self.phase = Phase::Up;
        } else if now >= self.plan.bootstrapping_at {
            self.enter(now, ClusterState::Bootstrapping, Reason::Nothing);
        }
    }

    fn arrive(&mut self, index: usize, now: Timestamp) {
        let due = self.plan.steps.get(index).is_some_and(|step| step.created_at <= now);
        if due && self.state_of(index).is_none() {
            self.record(index, now, StepState::Pending);
            if !matches!(self.phase, Phase::Starting | Phase::Up) {
                self.record(index, now, StepState::Cancelled);
            }
        }
    }

    /// A step's own end, or the one it was given.
    fn end_step(&mut self, index: usize, now: Timestamp) {
        let (Some(step), Some(progress)) = (self.plan.steps.get(index), self.progress.get(index)) else { return };
        let own = progress.ends_at.is_some_and(|ends_at| ends_at <= now);
        let given = step.finished_at == Some(now);
        match self.state_of(index) {
            // It must have run to end by itself.
            Some(StepState::Pending) if given => self.record(index, now, StepState::Running),
            Some(StepState::Running | StepState::CancelPending) if own || given => {}
            _ => return,
        }
        if step.outcome == StepOutcome::Completes {
            self.record(index, now, StepState::Completed);
            return;
        }
        self.record(index, now, StepState::Failed);
        let spared = self.plan.protected.at(now);
        match step.action_on_failure {
            ActionOnFailure::Continue => {}
            ActionOnFailure::TerminateCluster if !spared => self.terminate(now, Reason::StepFailed),
            ActionOnFailure::CancelAndWait | ActionOnFailure::TerminateCluster => {
                self.sweep(now, StepState::Cancelled, |state| state == StepState::Pending);
            }
        }
    }

    fn cancel_step(&mut self, index: usize, now: Timestamp) {
        let Some(step) = self.plan.steps.get(index) else { return };
        for (_, how) in step.cancels.iter().filter(|(at, _)| *at == now) {
            match self.state_of(index) {
                Some(StepState::Pending) => self.record(index, now, StepState::Cancelled),
                Some(StepState::Running) if !step.ignores_interrupt || *how == Cancellation::Kill => {
                    let obeys_at = clock::after(now, step.cancel_takes);
                    if obeys_at > now {
                        self.record(index, now, StepState::CancelPending);
                        self.agenda.insert(obeys_at);
                    }
                    if let Some(progress) = self.progress.get_mut(index) {
                        progress.obeys_at = Some(obeys_at);
                    }
                }
                _ => {}
            }
        }
        let obeys = self.progress.get(index).and_then(|progress| progress.obeys_at).is_some_and(|at| at <= now);
        if obeys && self.state_of(index).is_some_and(|state| !state.is_terminal()) {
            self.record(index, now, StepState::Cancelled);
        }
    }

    fn end_from_outside(&mut self, now: Timestamp) {
        if let Some((_, reason)) = self.plan.ends.iter().find(|(at, _)| *at == now) {
            self.terminate(now, *reason);
        }
    }

    /// Gives waiting steps their turn, oldest first.
    fn start_steps(&mut self, now: Timestamp) {
        if self.phase != Phase::Up {
            return;
        }
        let mut free = self.plan.concurrency.saturating_sub(self.running());
        let mut waiting: Vec<usize> =
            (0..self.plan.steps.len()).filter(|index| self.state_of(*index) == Some(StepState::Pending)).collect();
        waiting.sort_by_key(|index| self.plan.steps.get(*index).map(|step| step.created_at));
        for index in waiting {
            if free == 0 {
                break;
            }
            free -= 1;
            self.record(index, now, StepState::Running);
            let ends_at = self.plan.steps.get(index).and_then(|step| step.runs_for);
            let ends_at = ends_at.map(|runs_for| clock::after(now, runs_for));
            self.agenda.extend(ends_at);
            if let Some(progress) = self.progress.get_mut(index) {
                progress.ends_at = ends_at;
            }
        }
    }

    /// What a cluster that is up does between its steps: runs, waits, or ends by itself.
    fn rest(&mut self, now: Timestamp) {
        if self.phase != Phase::Up {
            return;
        }
        if self.running() > 0 {
            self.idle_since = None;
            self.enter(now, ClusterState::Running, Reason::RunsSteps);
            return;
        }
        if !self.plan.keep_alive {
            self.terminate(now, Reason::StepsCompleted);
            return;
        }
        self.enter(now, ClusterState::Waiting, Reason::Ready);
        let idle_since = *self.idle_since.get_or_insert(now);
        if let (since, Some(timeout)) = self.plan.auto_termination.since(now) {
            // A policy that comes while the cluster is idle counts from then on.
            let deadline = clock::after(idle_since.max(since), timeout);
            if deadline <= now {
                self.terminate(now, Reason::Idle);
            } else {
                self.agenda.insert(deadline);
            }
        }
    }

    fn end(&mut self, now: Timestamp) {
        if let Phase::Terminating { until, reason } = self.phase
            && until <= now
        {
            self.phase = Phase::Over;
            let state = if reason.is_error() { ClusterState::TerminatedWithErrors } else { ClusterState::Terminated };
            self.enter(now, state, reason);
        }
    }

    /// Begins to shut the cluster down; steps that have not ended do so at once.
    fn terminate(&mut self, now: Timestamp, reason: Reason) {
        if !matches!(self.phase, Phase::Starting | Phase::Up) {
            return;
        }
        let until = clock::after(now, self.plan.terminating_takes);
        self.phase = Phase::Terminating { until, reason };
        self.agenda.insert(until);
        self.enter(now, ClusterState::Terminating, reason);
        if reason == Reason::InstanceFailed {
            self.sweep(now, StepState::Interrupted, |state| state != StepState::Pending);
        }
        self.sweep(now, StepState::Cancelled, |_| true);
    }

    /// Ends every step that has not ended and whose state matches.
    fn sweep(&mut self, now: Timestamp, to: StepState, matches: impl Fn(StepState) -> bool) {
        for index in 0..self.plan.steps.len() {
            if self.state_of(index).is_some_and(|state| !state.is_terminal() && matches(state)) {
                self.record(index, now, to);
            }
        }
    }

    fn running(&self) -> usize {
        let runs = |index: &usize| matches!(self.state_of(*index), Some(StepState::Running | StepState::CancelPending));
        (0..self.plan.steps.len()).filter(runs).count()
    }

    fn state_of(&self, index: usize) -> Option<StepState> {
        self.life.step(index).last().map(|(_, state)| *state)
    }

    fn record(&mut self, index: usize, now: Timestamp, state: StepState) {
        if let Some(states) = self.life.steps.get_mut(index) {
            states.push((now, state));
        }
    }

    /// The cluster's next state; between running and waiting only the last of an instant counts.
    fn enter(&mut self, now: Timestamp, state: ClusterState, reason: Reason) {
        let passing = |state: ClusterState| matches!(state, ClusterState::Running | ClusterState::Waiting);
        if passing(state) && self.life.states.last().is_some_and(|(at, last, _)| *at == now && passing(*last)) {
            self.life.states.pop();
        }
        if self.life.states.last().is_none_or(|(_, last, _)| *last != state) {
            self.life.states.push((now, state, reason));
        }
    }
}

#[cfg(test)]
mod tests;
