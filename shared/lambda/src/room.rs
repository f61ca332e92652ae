//! What a room brings: how its service is seen, and how what runs there is stopped.
//!
//! Everything else is the same for every service and stands in [`crate::watch`] and [`crate::enforce`]. A room turns
//! what AWS says into observations and knows nothing of limits; whether something is a breach is judged in one place.

use std::collections::{BTreeMap, BTreeSet};

use guardrail::config::Configuration;
use guardrail::{ActionKind, Guardrail, Measure, Mode, Observation, Policy, Resource, ScopeKind, Scopes, Service};
use jiff::Timestamp;

use crate::trigger::Envelope;
use crate::{CallError, Problems};

/// What is worth looking at: nothing that every guardrail is switched off for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    configuration: &'a Configuration,
    service: Service,
}

impl<'a> Wanted<'a> {
    /// What this service's guardrails want to see under this configuration.
    pub fn new(service: Service, configuration: &'a Configuration) -> Self {
        Self { configuration, service }
    }

    /// The guardrails of the service that are on for at least one scope.
    pub fn guardrails(&self) -> impl Iterator<Item = &'static Guardrail> {
        let policies = self.configuration.of_service(self.service);
        let policies = policies.filter(|policy| policy.mode.values().any(|mode| *mode != Mode::Off));
        policies.map(|policy| policy.guardrail)
    }

    /// Whether any guardrail that is on measures resources of this kind.
    pub fn kind(&self, resource_kind: &str) -> bool {
        self.guardrails().any(|guardrail| guardrail.measures(resource_kind))
    }

    /// Whether any guardrail that measures resources of this kind is on for this scope, such as one workgroup.
    pub fn within(&self, resource_kind: &str, scope: ScopeKind, name: &str) -> bool {
        let scopes = Scopes::from([(scope, name.to_owned())]);
        let policies = self.configuration.of_service(self.service);
        let mut measuring = policies.filter(|policy| policy.guardrail.measures(resource_kind));
        measuring.any(|policy| *policy.mode.of(&scopes) != Mode::Off)
    }

    /// Whether a guardrail that is on measures this of resources of this kind, such as the vCPUs of a cluster: reason
    /// to make the calls that only tell this.
    pub fn reading(&self, resource_kind: &str, measures: &[Measure]) -> bool {
        self.guardrails().any(|guardrail| guardrail.measures(resource_kind) && measures.contains(&guardrail.measure))
    }

    /// Whether anything depends on tags: a limit of an owner, an exemption by owner. Reading tags costs calls where a
    /// list does not bring them.
    pub fn tags(&self) -> bool {
        self.configuration.asks_for_tags(self.service.guardrails())
    }
}

/// What a look saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// The active resources.
    pub observations: Vec<Observation>,
    /// The kinds of resources that were seen wholly: no active one is missing. Only their conditions are known to have
    /// ended when they are not found again. (What is beyond the cap of a part is beyond that of the whole, so a part may
    /// be counted too.)
    pub whole: BTreeSet<&'static str>,
    /// Ids of resources that were asked for and could not be read this time.
    pub unseen: BTreeSet<String>,
    /// How many there were of what, for the sign of life.
    pub saw: BTreeMap<&'static str, u64>,
    /// What could not be seen.
    pub problems: Problems,
}

/// Sees a service, and cannot change it.
pub trait Sight {
    /// The service.
    const SERVICE: Service;

    /// Looks at everything that is wanted, as far as there is time until `deadline`. What fails is noted in
    /// [`Seen::problems`] and the rest is seen all the same.
    fn sweep(&mut self, wanted: Wanted<'_>, now: Timestamp, deadline: Timestamp) -> impl Future<Output = Seen>;

    /// Looks at the resource that a service event names, and at what it is counted with where that costs a call or
    /// two. An event that says nothing (malformed, or of something that has ended) sees nothing; a malformed one is
    /// logged.
    fn signal(&mut self, event: &Envelope, wanted: Wanted<'_>, now: Timestamp) -> impl Future<Output = Seen>;

    /// Looks again at resources seen before; those that have ended are not among the observations.
    fn again(&mut self, resources: &[Resource], wanted: Wanted<'_>, now: Timestamp) -> impl Future<Output = Seen>;
}

/// What became of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is active, and stands among the observations.
    Active,
    /// It has been told to end and is ending; its state in the service's word.
    Ending(String),
    /// It has ended; its state in the service's word.
    Ended(String),
    /// The service does not know it.
    Unknown,
}

/// What an enforce sees before and after it acts.
#[derive(Debug, Default)]
pub struct Look {
    /// What became of each resource asked for, by id.
    pub found: BTreeMap<String, Found>,
    /// Those that are active, and everything that they are counted with where that was asked for.
    pub observations: Vec<Observation>,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acted {
    /// The service has taken it. What was done, where that is more than was asked for, and why.
    Told {
        /// What was done.
        action: ActionKind,
        /// Why something else was done than what the guardrail says; empty when it was not.
        note: String,
    },
    /// It cannot be done, and trying again would not help: why.
    Refused(String),
}

impl Acted {
    /// The order was taken as it was given.
    pub fn told(action: ActionKind) -> Self {
        Self::Told { action, note: String::new() }
    }
}

/// Stops what runs in a service, and can do nothing else there.
pub trait Act {
    /// The service.
    const SERVICE: Service;

    /// Looks at these resources afresh, as far as this guardrail measures them; before a count is judged again,
    /// `with_peers`, also at everything that they are counted with.
    ///
    /// # Errors
    /// When they cannot be seen.
    fn look(
        &mut self,
        policy: &Policy,
        resources: &[Resource],
        with_peers: bool,
        now: Timestamp,
    ) -> impl Future<Output = Result<Look, CallError>>;

    /// Does what the guardrail does to these resources; gives what became of each, in their order. `attempt` counts
    /// from 0: a second one may be less gentle. Acting on what has already ended is not an error.
    fn act(
        &mut self,
        policy: &Policy,
        resources: &[Resource],
        attempt: u32,
    ) -> impl Future<Output = Vec<Result<Acted, CallError>>>;

    /// How often an order is given, each time less gently, before it counts as failed.
    fn attempts(&self, _action: ActionKind) -> u32 {
        1
    }
}
