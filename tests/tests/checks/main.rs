//! Templates, code, samples, docs and layout agree, because these checks say so.
//!
//! Nothing is started here: what one part of the repository says is held against what another part says. A check
//! collects every disagreement before it fails, and names both sides and what to do.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a check that panics has failed"
)]

mod code;
mod docs;
mod events;
mod functions;
mod layout;
mod parameters;
mod pattern;
mod roles;
mod schemas;
mod template;
mod tools;
mod tree;
mod workflows;

use std::collections::BTreeSet;

/// Fails with every fault at once.
#[track_caller]
fn agree(faults: impl IntoIterator<Item = String>) {
    let faults: Vec<String> = faults.into_iter().collect();
    assert!(faults.is_empty(), "{} disagreement(s):\n  - {}\n", faults.len(), faults.join("\n  - "));
}

/// What stands on one side only, as faults. A side is what it is called and what stands there.
fn differences<A: AsRef<str>, B: AsRef<str>>(
    (left, ours): (&str, impl IntoIterator<Item = A>),
    (right, theirs): (&str, impl IntoIterator<Item = B>),
) -> Vec<String> {
    let ours: BTreeSet<String> = ours.into_iter().map(|item| item.as_ref().to_owned()).collect();
    let theirs: BTreeSet<String> = theirs.into_iter().map(|item| item.as_ref().to_owned()).collect();
    let missing = |item: &String, here: &str, there: &str| format!("`{item}` stands in {here}, but not in {there}");
    let left_only = ours.difference(&theirs).map(|item| missing(item, left, right));
    left_only.chain(theirs.difference(&ours).map(|item| missing(item, right, left))).collect()
}

#[test]
fn differences_are_told_from_both_sides() {
    let faults = differences(("the code", ["a", "b"]), ("the template", ["b", "c"]));
    assert_eq!(
        faults,
        ["`a` stands in the code, but not in the template", "`c` stands in the template, but not in the code"]
    );
}
