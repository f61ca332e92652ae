//! How approved models are looked at with as few calls as there can be.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use guardrail::{Measure, Observation};
use jiff::Timestamp;

use super::{DESCRIBE_PACKAGE, GROUP, LIST_PACKAGES, Models, PACKAGE, Package, Provenance};
use crate::line::{CALLS_AT_ONCE, Line};
use crate::look::{SLOW, Sighting};

/// The state of what is looked at.
const APPROVED: &str = "Approved";

/// What is remembered of approved model packages, by id. They come and go slowly, so they are looked at now and then,
/// and each is asked about once: what is changed after its approval is no longer about its approval.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    known: BTreeMap<String, Known>,
    seen_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Known {
    package: Package,
    provenance: Option<Provenance>,
}

impl Memory {
    /// Looks at all approved model packages, where the last look is long past.
    pub(crate) async fn sweep<P: Models>(&mut self, port: &P, line: &Line, now: Timestamp) -> Sighting {
        let mut sighting = Sighting::default();
        if !SLOW.holds(self.seen_at, now) {
            self.read(port, line, now, &mut sighting).await;
        }
        sighting.saw.insert("models", self.known.len() as u64);
        sighting.observations.extend(self.known.values().filter_map(Known::observation));
        sighting.observations.extend(self.groups());
        if self.seen_at.is_some() {
            sighting.whole.extend([PACKAGE, GROUP]);
        }
        sighting
    }

    async fn read<P: Models>(&mut self, port: &P, line: &Line, now: Timestamp, sighting: &mut Sighting) {
        let listed = line.pages(LIST_PACKAGES, |from| port.approved(from)).await;
        let mut before = std::mem::take(&mut self.known);
        for package in listed.items {
            let provenance = before.remove(&package.id).and_then(|known| known.provenance);
            self.known.insert(package.id.clone(), Known { package, provenance });
        }
        if listed.problem.is_some() {
            // What was not listed may be there still; what is known of it is not asked again.
            self.known.extend(before);
        }
        let unasked = self.known.iter().filter(|(_, known)| known.provenance.is_none());
        let unasked: Vec<String> = unasked.map(|(id, _)| id.clone()).collect();
        let asked = stream::iter(unasked).map(|id| async move {
            let provenance = line.call(DESCRIBE_PACKAGE, port.provenance(&id)).await;
            (id, provenance)
        });
        let asked: Vec<_> = asked.buffer_unordered(CALLS_AT_ONCE).collect().await;
        self.seen_at = (listed.problem.is_none() && asked.iter().all(|(_, asked)| asked.is_ok())).then_some(now);
        sighting.problems.extend(listed.problem);
        for (id, provenance) in asked {
            match provenance {
                Ok(provenance) => {
                    if let Some(known) = self.known.get_mut(&id) {
                        known.provenance = Some(provenance);
                    }
                }
                Err(problem) => sighting.problems.push(problem),
            }
        }
    }

    /// The groups, each measured from its latest approval. One of which an approval could not be asked about is left
    /// out: that may be the latest.
    fn groups(&self) -> impl Iterator<Item = Observation> {
        let mut groups: BTreeMap<&str, Vec<&Known>> = BTreeMap::new();
        for known in self.known.values() {
            groups.entry(&known.package.group).or_default().push(known);
        }
        groups.into_iter().filter_map(|(group, versions)| {
            let approvals: Option<Vec<Timestamp>> = versions.iter().map(|known| known.approved_at()).collect();
            let first = versions.iter().map(|known| known.package.created_at).min()?;
            let latest = approvals?.into_iter().max()?;
            Some(Observation::new(GROUP, group, APPROVED, first).since(Measure::ApprovalAge, latest))
        })
    }
}

impl Known {
    fn approved_at(&self) -> Option<Timestamp> {
        Some(self.provenance.as_ref()?.changed_at.unwrap_or(self.package.created_at))
    }

    fn observation(&self) -> Option<Observation> {
        let Provenance { changed_at, registered_by, changed_by } = self.provenance.as_ref()?;
        let observation = Observation::new(PACKAGE, &self.package.id, APPROVED, self.package.created_at);
        // What is approved and was never changed was approved by registering it.
        let by_registrar = if changed_at.is_none() { Some(true) } else { registered_by.is(changed_by) };
        Some(match by_registrar {
            Some(true) => observation.words(Measure::Approver, ["who registered it"]),
            Some(false) => observation.words(Measure::Approver, ["somebody else"]),
            None => observation,
        })
    }
}

#[cfg(test)]
mod tests;
