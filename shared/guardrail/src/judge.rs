//! The one judgement: observations held against a policy.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::event::{Finding, Header, Resource, Sandbox};
use crate::{Measure, Mode, Policy, Quantity};

/// What AWS says about one resource now. Resources in a terminal state are not observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The resource.
    pub resource: Resource,
    /// Its scope, such as an Athena workgroup.
    pub scope: Option<String>,
    /// Who started it, where that is known.
    pub owner: Option<String>,
    /// Its state in the service's own word.
    pub state: String,
    /// When it was asked for; for an Athena query its submission, so that time in the queue counts.
    pub started_at: Timestamp,
}

impl Observation {
    /// The measurement at `now`. A start in the future, which is a clock that differs, measures zero.
    pub fn measure(&self, measure: Measure, now: Timestamp) -> Quantity {
        match measure {
            Measure::ElapsedTime => Quantity::Duration(now.duration_since(self.started_at).max(SignedDuration::ZERO)),
        }
    }
}

/// The safety belt: one run asks for at most `max_actions` actions, whatever it sees.
///
/// It lasts as long as the run, so that the looks of a vigil share it. A resource that was let through once stays so.
#[derive(Debug)]
pub struct Belt {
    max_actions: usize,
    let_through: BTreeSet<String>,
}

impl Belt {
    /// A belt for one run.
    pub fn new(max_actions: u32) -> Self {
        Self { max_actions: usize::try_from(max_actions).unwrap_or(usize::MAX), let_through: BTreeSet::new() }
    }

    fn holds_back(&mut self, resource: &Resource) -> bool {
        if self.let_through.contains(&resource.id) {
            return false;
        }
        if self.let_through.len() < self.max_actions {
            self.let_through.insert(resource.id.clone());
            return false;
        }
        true
    }
}

/// Holds observations against a policy: a finding for every level that is reached, the worst resources first.
///
/// The order of the observations does not matter. A guardrail whose mode is off for a scope finds nothing there.
/// Breaches past the belt are findings too, marked as held back.
pub fn judge(
    policy: &Policy,
    observations: &[Observation],
    sandbox: &Sandbox,
    now: Timestamp,
    belt: &mut Belt,
) -> Vec<Finding> {
    let guardrail = policy.guardrail;
    let mut findings = Vec::new();
    for observation in observations {
        let scope = observation.scope.as_deref();
        let (limit, mode) = (policy.limit.of(scope), policy.mode.of(scope));
        if mode == Mode::Off {
            continue;
        }
        let measured = observation.measure(guardrail.measure, now);
        let exemption = policy.exempt(observation, now);
        for level in policy.levels.iter().rev().filter(|level| level.reached(measured, limit)) {
            let id = Finding::id_of(guardrail, &observation.resource, level);
            findings.push(Finding {
                header: Header::new(id, sandbox, now),
                guardrail: guardrail.id.to_owned(),
                service: guardrail.service,
                resource: observation.resource.clone(),
                scope: observation.scope.clone(),
                owner: observation.owner.clone(),
                state: observation.state.clone(),
                started_at: observation.started_at,
                measure: guardrail.measure,
                level,
                limit,
                measured,
                mode,
                exemption: exemption.map(str::to_owned),
                held_back: false,
                message: String::new(),
            });
        }
    }
    findings.sort_by_cached_key(|finding| {
        (Reverse(over(finding)), finding.resource.id.clone(), Reverse(finding.level.percent))
    });
    for finding in &mut findings {
        finding.held_back = finding.wants_action() && belt.holds_back(&finding.resource);
        finding.message = describe(finding);
    }
    findings
}

/// How far past its limit a finding is, in its smallest unit: what "worst first" means.
fn over(finding: &Finding) -> i128 {
    finding.measured.base_units() - finding.limit.base_units()
}

fn describe(finding: &Finding) -> String {
    let Finding { resource, measured, limit, level, .. } = finding;
    let scope = finding.scope.as_ref().map(|scope| format!(" in `{scope}`")).unwrap_or_default();
    let subject = format!("{} `{}`{scope}", resource.kind, resource.id);
    let reached = format!("has run {} of the {limit} allowed ({} % reached)", measured.brief(), level.percent);
    let consequence = match (&finding.exemption, finding.mode) {
        _ if level.percent < 100 => String::new(),
        (Some(exemption), _) => format!("; exempt by `{exemption}`, not acted on"),
        (None, Mode::Off | Mode::Observe) => "; observed only".to_owned(),
        (None, Mode::Enforce) if finding.held_back => {
            "; held back to the next run, this one has asked for all the actions it may".to_owned()
        }
        (None, Mode::Enforce) => "; to be acted on".to_owned(),
    };
    format!("{subject} {reached}{consequence}")
}

/// The instant at which this observation becomes a breach that is acted on, or `None` when it never will:
/// the mode does not enforce, an exemption covers it.
///
/// Notices are not worth waiting for, so the levels below the limit do not count.
pub fn acts_at(policy: &Policy, observation: &Observation, now: Timestamp) -> Option<Timestamp> {
    let scope = observation.scope.as_deref();
    if policy.mode.of(scope) != Mode::Enforce || policy.exempt(observation, now).is_some() {
        return None;
    }
    match (policy.guardrail.measure, policy.limit.of(scope)) {
        (Measure::ElapsedTime, Quantity::Duration(limit)) => observation.started_at.checked_add(limit).ok(),
    }
}
