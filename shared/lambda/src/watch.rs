//! The watch of any service: sees what runs there, judges it, reports. It changes nothing in the service.
//!
//! A sweep looks at everything, a signal at the resource it names; both end in the same judgement. Then the run stays
//! awake for what becomes a breach before the sweep after the next ([`crate::vigil`]).

use std::collections::{BTreeMap, BTreeSet};

use guardrail::judge::acts_at;
use guardrail::measure::MeasureKind;
use guardrail::{
    Belt, Configuration, Finding, Guardrail, Header, Heartbeat, Measure, Observation, Policy, Resource, Sandbox,
    Service, judge,
};
use jiff::{SignedDuration, Timestamp};

use crate::aws::CallCounter;
use crate::bus::Bus;
use crate::ledger::Ledger;
use crate::owners::{Owners, Trail};
use crate::parameters::{InForce, ParameterStore, Parameters};
use crate::room::{Seen, Sight, Wanted};
use crate::settings::WatchSettings;
use crate::trigger::Envelope;
use crate::vigil::{self, Due};
use crate::{Clock, Handler, Invocation, Outbox, Problems, Trigger};

mod gauges;

/// How often the function gives a sign of life.
const HEARTBEAT_PERIOD: SignedDuration = SignedDuration::from_mins(5);

/// How many resources a vigil looks at again with one look.
const LOOKED_AT_AGAIN: usize = 50;

/// A watch.
#[derive(Debug)]
pub struct Watch<S, P, L, B, T, C> {
    /// The name of the function, for its sign of life.
    pub function: &'static str,
    /// The service.
    pub sight: S,
    /// What is configured.
    pub parameters: Parameters<P>,
    /// Where findings go.
    pub outbox: Outbox<L, B>,
    /// Who started what was found.
    pub owners: Owners<T>,
    /// The clock.
    pub clock: C,
    /// Counts the calls made, for the heartbeat.
    pub calls: CallCounter,
    /// The sandbox.
    pub sandbox: Sandbox,
    /// The schedule and the vigil.
    pub settings: WatchSettings,
}

/// The belts of one run, one for each guardrail.
#[derive(Debug, Default)]
struct Belts(BTreeMap<&'static str, Belt>);

impl Belts {
    /// Holds observations against each of these policies, under the belt of each.
    fn judge<'a>(
        &mut self,
        policies: impl IntoIterator<Item = &'a Policy>,
        observations: &[Observation],
        sandbox: &Sandbox,
        now: Timestamp,
    ) -> Vec<Finding> {
        let judge = |policy: &'a Policy| {
            let belt = self.0.entry(policy.guardrail.id).or_insert_with(|| Belt::new(policy.max_actions));
            judge(policy, observations, sandbox, now, belt)
        };
        policies.into_iter().flat_map(judge).collect()
    }
}

impl<S, P, L, B, T, C> Handler for Watch<S, P, L, B, T, C>
where
    S: Sight,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    T: Trail,
    C: Clock,
{
    type Answer = ();

    async fn handle(&mut self, invocation: Invocation) -> Result<(), Problems> {
        match Trigger::read(&invocation.event) {
            Some(Trigger::Sweep) => self.sweep(&invocation).await,
            // A parameter changed: everything is looked at with what is in force now.
            Some(Trigger::Signal(envelope)) if envelope.source == "aws.ssm" => {
                self.parameters.expire();
                self.sweep(&invocation).await
            }
            Some(Trigger::Signal(envelope)) => self.signal(&envelope, &invocation).await,
            None => Ok(()),
        }
    }
}

impl<S, P, L, B, T, C> Watch<S, P, L, B, T, C>
where
    S: Sight,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    T: Trail,
    C: Clock,
{
    async fn sweep(&mut self, invocation: &Invocation) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let calls_before = self.calls.count();
        let in_force = self.in_force(&mut problems).await?;
        let wanted = Wanted::new(S::SERVICE, &in_force.configuration);
        let begun_at = self.clock.now();
        let sight = self.sight.sweep(wanted, begun_at, invocation.deadline);
        let (mut seen, repaired) = futures_util::future::join(sight, self.outbox.repair(begun_at)).await;
        problems.keep(repaired);
        problems.keep(std::mem::take(&mut seen.problems).into_result());

        let now = self.clock.now();
        let mut belts = Belts::default();
        let exemptions = expired_exemptions(&in_force.configuration, now);
        let mut findings = self.judge(&in_force.configuration, &seen, now, &mut belts);
        let of_exemptions = in_force.configuration.of_service(Service::Exemptions);
        findings.extend(belts.judge(of_exemptions, &exemptions, &self.sandbox, now));
        problems.keep(self.end_episodes(&seen, &findings).await);
        let reported = problems.keep(self.report(findings, now).await).unwrap_or_default();
        problems.keep(self.outbox.tell_rejected(in_force.rejected, &self.sandbox, now).await);
        let took = self.clock.now().duration_since(invocation.now);
        let calls = self.calls.count() - calls_before;
        tracing::info!(
            active = seen.observations.len(),
            saw = ?seen.saw,
            findings.new = reported,
            calls,
            took_ms = u64::try_from(took.as_millis()).unwrap_or_default(),
            "sweep was completed"
        );
        // A sign of life says "all well", so there is none when something could not be seen.
        if problems.is_empty() {
            let (active, findings) = (seen.observations.len() as u64, reported as u64);
            let gauges = gauges::gauges(wanted, S::SERVICE, &seen, begun_at, now);
            let saw = seen.saw.into_iter().chain(gauges).chain([("active", active), ("findings", findings)]);
            let heartbeat = Heartbeat {
                header: Header::new(format!("heartbeat/{}", self.function), &self.sandbox, now),
                function: self.function.to_owned(),
                saw: saw.map(|(name, count)| (name.to_owned(), count)).collect(),
                took,
                calls,
            };
            problems.keep(self.outbox.pulse(heartbeat, now, HEARTBEAT_PERIOD).await);
        }
        problems.keep(self.keep_vigil(&in_force.configuration, seen.observations, now, belts, invocation).await);
        problems.keep(self.owners.find(&mut self.outbox, &self.clock, invocation.deadline).await);
        problems.into_result()
    }

    async fn signal(&mut self, envelope: &Envelope, invocation: &Invocation) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let in_force = self.in_force(&mut problems).await?;
        let wanted = Wanted::new(S::SERVICE, &in_force.configuration);
        let mut seen = self.sight.signal(envelope, wanted, self.clock.now()).await;
        problems.keep(std::mem::take(&mut seen.problems).into_result());
        let now = self.clock.now();
        let mut belts = Belts::default();
        let findings = self.judge(&in_force.configuration, &seen, now, &mut belts);
        problems.keep(self.report(findings, now).await);
        problems.keep(self.keep_vigil(&in_force.configuration, seen.observations, now, belts, invocation).await);
        problems.into_result()
    }

    /// Holds what was seen against every guardrail of the service.
    fn judge(&self, configuration: &Configuration, seen: &Seen, now: Timestamp, belts: &mut Belts) -> Vec<Finding> {
        belts.judge(configuration.of_service(S::SERVICE), &seen.observations, &self.sandbox, now)
    }

    async fn report(&mut self, findings: Vec<Finding>, now: Timestamp) -> Result<usize, Problems> {
        let reported = self.outbox.report(findings, now).await;
        if reported.as_ref().is_ok_and(|new| *new > 0) {
            self.owners.expect_some();
        }
        reported
    }

    /// Ends the episodes of conditions that were not found although everything was seen.
    async fn end_episodes(&mut self, seen: &Seen, findings: &[Finding]) -> Result<(), Problems> {
        let whole = S::SERVICE.guardrails().filter(|guardrail| was_seen_wholly(guardrail, seen));
        let whole: Vec<&str> = whole.map(|guardrail| guardrail.id).collect();
        let found = findings.iter().filter(|finding| finding.waits_for_episode());
        let found: BTreeSet<String> = found.map(|finding| finding.header.id.clone()).collect();
        self.outbox.end_episodes(&whole, &found, &seen.unseen).await
    }

    /// What is in force. When it cannot be read, a warm function goes on with what it knew and fails at its end; a cold
    /// one knows no limit to hold anything against, and fails at once.
    async fn in_force(&mut self, problems: &mut Problems) -> Result<InForce, Problems> {
        match self.parameters.current(self.clock.now()).await {
            Ok(in_force) => Ok(in_force),
            Err(problem) => match self.parameters.last_known() {
                Some(known) => {
                    problems.push(problem);
                    Ok(known.clone())
                }
                None => Err(problem.into()),
            },
        }
    }

    /// Stays awake for what becomes a breach before the sweep after the next; what was one already when it was judged
    /// has been reported. Reporting takes time, so a limit may have passed since.
    async fn keep_vigil(
        &mut self,
        configuration: &Configuration,
        seen: Vec<Observation>,
        judged_at: Timestamp,
        belts: Belts,
        invocation: &Invocation,
    ) -> Result<(), Problems> {
        if !self.settings.vigil {
            return Ok(());
        }
        let horizon = vigil::horizon(&self.settings, self.clock.now(), invocation.deadline);
        let due = seen.iter().filter_map(|seen| {
            let due = next_due(configuration.of_service(S::SERVICE), seen, judged_at)?;
            (due <= horizon).then(|| (seen.resource.clone(), due))
        });
        let due: BTreeMap<_, _> = due.collect();
        if let Some(next) = due.values().min() {
            tracing::info!(due = due.len(), next = %next, "vigil was begun");
        }
        let clock = self.clock.clone();
        vigil::keep(&clock, &mut Waiting { watch: self, due, belts }, horizon).await
    }
}

fn was_seen_wholly(guardrail: &Guardrail, seen: &Seen) -> bool {
    guardrail.resources.iter().all(|kind| seen.whole.contains(kind))
}

/// The next instant after `now` at which a guardrail would act on this.
fn next_due<'a>(policies: impl Iterator<Item = &'a Policy>, seen: &Observation, now: Timestamp) -> Option<Timestamp> {
    policies.filter_map(|policy| acts_at(policy, seen, now)).filter(|due| *due > now).min()
}

/// Exemptions that have expired, as observations: they are no longer honoured, which somebody should know.
fn expired_exemptions(configuration: &Configuration, now: Timestamp) -> Vec<Observation> {
    let expired = configuration.expired(now).map(|(name, exemption)| {
        let mut seen = Observation::new("exemption", name, "expired", exemption.expires);
        seen.owner = Some(exemption.owner.clone());
        seen.words(Measure::Validity, ["expired"])
    });
    expired.collect()
}

/// The resources that a vigil waits for, with the moment each reaches a limit.
struct Waiting<'a, S, P, L, B, T, C> {
    watch: &'a mut Watch<S, P, L, B, T, C>,
    due: BTreeMap<Resource, Timestamp>,
    belts: Belts,
}

impl<S, P, L, B, T, C> Due for Waiting<'_, S, P, L, B, T, C>
where
    S: Sight,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    T: Trail,
    C: Clock,
{
    fn next(&self) -> Option<Timestamp> {
        self.due.values().min().copied()
    }

    async fn look(&mut self, now: Timestamp) -> Result<(), Problems> {
        let due = self.due.iter().filter(|(_, due)| **due <= now).map(|(resource, _)| resource.clone());
        let resources: Vec<Resource> = due.take(LOOKED_AT_AGAIN).collect();
        let mut problems = Problems::default();
        let in_force = self.watch.in_force(&mut problems).await?;
        let wanted = Wanted::new(S::SERVICE, &in_force.configuration);
        let seen = self.watch.sight.again(&resources, wanted, now).await;
        let now = self.watch.clock.now();
        // Only what grows with time is waited for; everything else is left to the sweep, which sees it whole.
        let policies = || in_force.configuration.of_service(S::SERVICE);
        let timed = || policies().filter(|policy| policy.guardrail.measure.kind() == MeasureKind::Time);
        let findings = self.belts.judge(timed(), &seen.observations, &self.watch.sandbox, now);
        self.watch.report(findings, now).await?;
        for resource in resources.iter().filter(|resource| !seen.unseen.contains(&resource.id)) {
            // A limit that was raised meanwhile moves the moment; otherwise it was reported or has ended.
            let observation = seen.observations.iter().find(|seen| seen.resource == *resource);
            match observation.and_then(|seen| next_due(timed(), seen, now)) {
                Some(due) => drop(self.due.insert(resource.clone(), due)),
                None => drop(self.due.remove(resource)),
            }
        }
        problems.keep(seen.problems.into_result());
        problems.into_result()
    }
}

#[cfg(test)]
mod tests;
