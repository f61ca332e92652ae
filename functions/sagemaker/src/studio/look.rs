//! How Studio is looked at with as few calls as there can be.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use guardrail::{Measure, Observation};
use jiff::{SignedDuration, Timestamp};
use lambda::room::Found;

use super::{
    APP, App, AppOwner, DESCRIBE_DOMAIN, DOMAIN, Domain, LIST_APPS, LIST_DOMAINS, LIST_SPACES, SPACE, Space, Studio,
};
use crate::life;
use crate::line::{CALLS_AT_ONCE, Line};
use crate::look::{SLOW, Sighting};

/// How long a domain's settings are remembered where nothing says that it was changed.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);

/// What is remembered of applications: those that are up, by id.
#[derive(Debug, Default)]
pub(crate) struct Apps {
    active: BTreeMap<String, App>,
}

impl Apps {
    /// Looks at the applications of all domains, or of one.
    pub(crate) async fn sweep<P: Studio>(&mut self, port: &P, line: &Line, domain: Option<&str>) -> Sighting {
        let mut sighting = Sighting::default();
        let listed = line.pages(LIST_APPS, |from| port.apps(domain, from)).await;
        let is_asked = |app: &App| domain.is_none_or(|domain| app.domain == domain);
        let before: BTreeMap<String, App> = self.active.extract_if(.., |_, app| is_asked(app)).collect();
        for app in listed.items {
            let id = app.id();
            let found = life::found(APP, &app.state);
            if found == Found::Active {
                self.learn(app);
                sighting.found.insert(id, Found::Active);
            } else if !self.active.contains_key(&id) {
                // One that was deleted may stand beside its successor of the same name.
                sighting.found.insert(id, found);
            }
        }
        match listed.problem {
            Some(problem) => {
                sighting.problems.push(problem);
                let unread: Vec<_> = before.into_iter().filter(|(id, _)| !sighting.found.contains_key(id)).collect();
                sighting.unseen.extend(unread.iter().map(|(id, _)| id.clone()));
                self.active.extend(unread);
            }
            None if domain.is_none() => drop(sighting.whole.insert(APP)),
            None => {}
        }
        for (id, app) in self.active.iter().filter(|(_, app)| is_asked(app)) {
            if !sighting.unseen.contains(id) {
                sighting.see(observation_of(app), Some(&app.arn));
            }
        }
        sighting.saw.insert("apps", sighting.observations.len() as u64);
        sighting
    }

    /// Looks at these applications, with one list for each of their domains.
    pub(crate) async fn again<P: Studio>(&mut self, port: &P, line: &Line, ids: &[&str]) -> Sighting {
        let mut sighting = Sighting::default();
        let domains: BTreeSet<&str> = ids.iter().map(|id| id.split('/').next().unwrap_or_default()).collect();
        for domain in domains {
            let mut seen = self.sweep(port, line, Some(domain)).await;
            for id in ids.iter().filter(|id| id.split('/').next() == Some(domain)) {
                if seen.found.contains_key(*id) {
                    continue;
                }
                if seen.problems.is_empty() {
                    seen.found.insert((*id).to_owned(), Found::Unknown);
                } else {
                    seen.unseen.insert((*id).to_owned());
                }
            }
            sighting.merge(seen);
        }
        sighting.only(ids);
        sighting
    }

    /// The application of this id, as it was seen last.
    pub(crate) fn get(&self, id: &str) -> Option<&App> {
        self.active.get(id)
    }

    /// A space and a user profile of one name may have applications of one id. The one that has been up longest stands
    /// for both until it is gone.
    fn learn(&mut self, app: App) {
        let known = self.active.entry(app.id()).or_insert_with(|| app.clone());
        if app.created_at < known.created_at {
            *known = app;
        }
    }
}

fn observation_of(app: &App) -> Observation {
    let mut observation = Observation::new(APP, app.id(), app.state.as_str(), app.created_at);
    if let AppOwner::UserProfile(name) = &app.owner {
        observation.owner = Some(name.clone());
    }
    observation
}

/// What is remembered of spaces. They come and go slowly, so they are looked at now and then.
#[derive(Debug, Default)]
pub(crate) struct Spaces {
    known: BTreeMap<String, Space>,
    seen_at: Option<Timestamp>,
}

impl Spaces {
    /// Looks at all spaces, where the last look is long past.
    pub(crate) async fn sweep<P: Studio>(&mut self, port: &P, line: &Line, now: Timestamp) -> Sighting {
        let mut sighting = Sighting::default();
        if !SLOW.holds(self.seen_at, now) {
            let listed = line.pages(LIST_SPACES, |from| port.spaces(from)).await;
            self.known = listed.items.into_iter().map(|space| (space.id(), space)).collect();
            self.seen_at = listed.problem.is_none().then_some(now);
            sighting.problems.extend(listed.problem);
        }
        for space in self.known.values().filter(|space| life::is_active(SPACE, &space.state)) {
            let mut observation = Observation::new(SPACE, space.id(), space.state.as_str(), space.created_at);
            observation.owner.clone_from(&space.owner);
            sighting.see(observation, Some(&space.arn));
        }
        sighting.saw.insert("spaces", sighting.observations.len() as u64);
        sighting.whole.extend(self.seen_at.map(|_| SPACE));
        sighting
    }
}

/// What is remembered of domains.
#[derive(Debug, Default)]
pub(crate) struct Domains {
    known: BTreeMap<String, KnownDomain>,
    seen_at: Option<Timestamp>,
}

#[derive(Debug)]
struct KnownDomain {
    domain: Domain,
    /// Which network its applications use, and when that was asked.
    network: Option<(Option<String>, Timestamp)>,
}

impl Domains {
    /// Looks at all domains, where the last look is long past.
    pub(crate) async fn sweep<P: Studio>(&mut self, port: &P, line: &Line, now: Timestamp) -> Sighting {
        let mut sighting = Sighting::default();
        if !SLOW.holds(self.seen_at, now) {
            self.read(port, line, now, &mut sighting).await;
        }
        for KnownDomain { domain, network } in self.known.values() {
            let observation = Observation::new(DOMAIN, &domain.id, domain.state.as_str(), domain.created_at);
            let network = network.as_ref().and_then(|(network, _)| network.as_deref());
            let observation = match network {
                Some(network) => observation.words(Measure::NetworkAccess, [network]),
                None => observation,
            };
            sighting.see(observation, None);
        }
        sighting.saw.insert("domains", self.known.len() as u64);
        sighting.whole.extend(self.seen_at.map(|_| DOMAIN));
        sighting
    }

    async fn read<P: Studio>(&mut self, port: &P, line: &Line, now: Timestamp, sighting: &mut Sighting) {
        let listed = line.pages(LIST_DOMAINS, |from| port.domains(from)).await;
        let mut before = std::mem::take(&mut self.known);
        for domain in listed.items.into_iter().filter(|domain| life::is_active(DOMAIN, &domain.state)) {
            let same = before.remove(&domain.id).filter(|known| known.domain.changed_at == domain.changed_at);
            let network = same.and_then(|known| known.network);
            let network = network.filter(|(_, asked_at)| now.duration_since(*asked_at) < REMEMBERED);
            self.known.insert(domain.id.clone(), KnownDomain { domain, network });
        }
        let unasked = self.known.values().filter(|known| known.network.is_none());
        let unasked: Vec<String> = unasked.map(|known| known.domain.id.clone()).collect();
        let asked = stream::iter(unasked).map(|id| async move {
            let network = line.call(DESCRIBE_DOMAIN, port.network(&id)).await;
            (id, network)
        });
        let asked: Vec<_> = asked.buffer_unordered(CALLS_AT_ONCE).collect().await;
        self.seen_at = (listed.problem.is_none() && asked.iter().all(|(_, asked)| asked.is_ok())).then_some(now);
        sighting.problems.extend(listed.problem);
        for (id, network) in asked {
            match network {
                Ok(network) => {
                    if let Some(known) = self.known.get_mut(&id) {
                        known.network = Some((network, now));
                    }
                }
                Err(problem) => sighting.problems.push(problem),
            }
        }
    }
}

#[cfg(test)]
mod tests;
