//! What the states of Glue's sessions and job runs mean for the guardrails.

/// How far a resource is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It waits, starts or runs.
    Active,
    /// It has been told to end and is ending.
    Ending,
    /// It has ended.
    Ended,
}

/// A state in Glue's own word, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Glue's word.
    pub name: String,
    /// What it means. A word that this version does not know counts as active: better judged in vain than overlooked.
    pub phase: Phase,
    /// Whether this version knows the word.
    pub known: bool,
}

impl State {
    /// Looks a word up in a table of states.
    pub(crate) fn read(name: &str, table: &[(&str, Phase)]) -> Self {
        let phase = table.iter().find(|(known, _)| *known == name).map(|(_, phase)| *phase);
        Self { name: name.to_owned(), phase: phase.unwrap_or(Phase::Active), known: phase.is_some() }
    }
}
