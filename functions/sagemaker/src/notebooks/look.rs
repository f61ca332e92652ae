//! How notebook instances are looked at with as few calls as there can be.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use guardrail::{Measure, Observation};
use lambda::room::Found;

use super::{Access, DESCRIBE_NOTEBOOK, LIST_NOTEBOOKS, NOTEBOOK, Notebook, Notebooks};
use crate::life;
use crate::line::{CALLS_AT_ONCE, Line};
use crate::look::Sighting;

/// What is remembered of notebook instances: those that are up, by name, and whether all were seen.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    active: BTreeMap<String, Known>,
    complete: bool,
}

#[derive(Debug)]
struct Known {
    notebook: Notebook,
    /// What a call by itself tells. It cannot change while the instance is up.
    access: Option<Access>,
}

impl Memory {
    /// Looks at all notebook instances, with their settings where those are wanted.
    pub(crate) async fn sweep<P: Notebooks>(&mut self, port: &P, line: &Line, access: bool) -> Sighting {
        let mut sighting = Sighting::default();
        let listed = line.pages(LIST_NOTEBOOKS, |from| port.notebooks(from)).await;
        sighting.saw.insert("notebooks", listed.items.len() as u64);
        let names: BTreeSet<String> = listed.items.iter().map(|notebook| notebook.name.clone()).collect();
        listed.items.into_iter().for_each(|notebook| self.learn(notebook, None));
        let gone: Vec<String> = self.active.keys().filter(|name| !names.contains(*name)).cloned().collect();
        self.complete = listed.problem.is_none();
        match listed.problem {
            Some(problem) => {
                sighting.problems.push(problem);
                sighting.unseen.extend(gone);
            }
            None => gone.iter().for_each(|name| drop(self.active.remove(name))),
        }
        if access {
            self.ask_for_access(port, line, &mut sighting).await;
        }
        self.observe(&mut sighting);
        sighting
    }

    /// Looks at these notebook instances one by one.
    pub(crate) async fn again<P: Notebooks>(&mut self, port: &P, line: &Line, names: &[&str]) -> Sighting {
        let mut sighting = Sighting::default();
        let looks = stream::iter(names)
            .map(|name| async move { (*name, line.call(DESCRIBE_NOTEBOOK, port.notebook(name)).await) });
        for (name, described) in looks.buffer_unordered(CALLS_AT_ONCE).collect::<Vec<_>>().await {
            let found = match described {
                Ok(Some((notebook, access))) => {
                    let found = life::found(NOTEBOOK, &notebook.state);
                    self.learn(notebook, Some(access));
                    found
                }
                Ok(None) => Found::Unknown,
                Err(problem) if problem.says_unknown() => Found::Unknown,
                Err(problem) => {
                    sighting.problems.push(problem);
                    sighting.unseen.insert(name.to_owned());
                    continue;
                }
            };
            match self.active.get(name).filter(|_| found == Found::Active) {
                Some(known) => sighting.see(known.observation(), Some(&known.notebook.arn)),
                None => drop(self.active.remove(name)),
            }
            sighting.found.insert(name.to_owned(), found);
        }
        sighting
    }

    /// Remembers an instance that is up, and its settings as long as it was not changed.
    fn learn(&mut self, notebook: Notebook, access: Option<Access>) {
        let remembered = self.active.remove(&notebook.name);
        if life::is_active(NOTEBOOK, &notebook.state) {
            let same = remembered.filter(|known| known.notebook.changed_at == notebook.changed_at);
            let access = access.or_else(|| same?.access);
            self.active.insert(notebook.name.clone(), Known { notebook, access });
        }
    }

    async fn ask_for_access<P: Notebooks>(&mut self, port: &P, line: &Line, sighting: &mut Sighting) {
        let unasked =
            self.active.iter().filter(|(name, known)| known.access.is_none() && !sighting.unseen.contains(*name));
        let unasked: Vec<String> = unasked.map(|(name, _)| name.clone()).collect();
        let unasked: Vec<&str> = unasked.iter().map(String::as_str).collect();
        let described = self.again(port, line, &unasked).await;
        // Without their settings they are not seen wholly, but they are seen.
        self.complete &= described.problems.is_empty();
        sighting.problems.extend(described.problems);
    }

    fn observe(&self, sighting: &mut Sighting) {
        for (name, known) in &self.active {
            if !sighting.unseen.contains(name) {
                sighting.see(known.observation(), Some(&known.notebook.arn));
            }
        }
        sighting.whole.extend(self.complete.then_some(NOTEBOOK));
    }
}

impl Known {
    fn observation(&self) -> Observation {
        let Notebook { name, state, changed_at, .. } = &self.notebook;
        let observation = Observation::new(NOTEBOOK, name, state.as_str(), *changed_at);
        let Some(Access { internet, root }) = &self.access else { return observation };
        let observation = match internet {
            Some(internet) => observation.words(Measure::InternetAccess, [internet]),
            None => observation,
        };
        match root {
            Some(root) => observation.words(Measure::RootAccess, [root]),
            None => observation,
        }
    }
}

#[cfg(test)]
mod tests;
