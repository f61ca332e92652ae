//! Models against a SageMaker in memory: what is seen, and with how few calls.

use std::collections::BTreeSet;

use guardrail::Reading;
use jiff::SignedDuration;
use lambda::CallErrorKind;
use lambda::fakes::block_on;

use super::*;
use crate::fakes::{FakeSageMaker, ago, ids, minutes, now};
use crate::models::Person;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn person(name: &str) -> Person {
    Person { principal: Some(name.to_owned()), ..Person::default() }
}

fn approved(by: &str, age: SignedDuration) -> Provenance {
    Provenance { changed_at: Some(ago(age)), registered_by: person("ana"), changed_by: person(by) }
}

fn sweep(memory: &mut Memory, sagemaker: &FakeSageMaker, after: i64) -> Sighting {
    block_on(memory.sweep(sagemaker, &Line::open(), now() + minutes(after)))
}

fn of<'a>(sighting: &'a Sighting, id: &str) -> &'a Observation {
    sighting.observations.iter().find(|seen| seen.resource.id == id).unwrap()
}

#[test]
fn an_approval_is_by_somebody_else_or_not() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    sagemaker.package("g", 1, DAY * 9, approved("jo", DAY));
    sagemaker.package("g", 2, DAY * 9, approved("ana", DAY));
    // Registered as approved.
    sagemaker.package("g", 3, DAY * 9, Provenance { registered_by: person("ana"), ..Provenance::default() });
    sagemaker.package("g", 4, DAY * 9, Provenance { changed_at: Some(ago(DAY)), ..Provenance::default() });
    let seen = sweep(&mut memory, &sagemaker, 0);
    for (id, words) in [
        ("g/1", Some("somebody else")),
        ("g/2", Some("who registered it")),
        ("g/3", Some("who registered it")),
        ("g/4", None),
    ] {
        let words = words.map(|word| Reading::Words(BTreeSet::from([word.to_owned()])));
        assert_eq!(of(&seen, id).readings.get(&Measure::Approver), words.as_ref(), "{id}");
    }
}

#[test]
fn a_group_is_as_old_as_its_latest_approval() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    sagemaker.package("churn", 1, DAY * 500, approved("jo", DAY * 20));
    sagemaker.package("churn", 2, DAY * 400, approved("jo", DAY * 390));
    sagemaker.package("fraud", 1, DAY * 50, Provenance::default());
    let seen = sweep(&mut memory, &sagemaker, 0);
    assert_eq!(of(&seen, "churn").moment(Measure::ApprovalAge), Some(ago(DAY * 20)));
    assert_eq!(of(&seen, "churn").started_at, ago(DAY * 500));
    assert_eq!(of(&seen, "fraud").moment(Measure::ApprovalAge), Some(ago(DAY * 50)));
    assert_eq!(seen.whole, BTreeSet::from([GROUP, PACKAGE]));
}

#[test]
fn each_package_is_asked_about_once_and_all_are_listed_every_half_hour() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    for version in 0..150 {
        sagemaker.package("churn", version, DAY, approved("jo", DAY));
    }
    let seen = sweep(&mut memory, &sagemaker, 0);
    assert_eq!(seen.observations.len(), 151);
    assert_eq!(sagemaker.calls(), BTreeMap::from([(LIST_PACKAGES, 2), (DESCRIBE_PACKAGE, 150)]));
    sagemaker.package("churn", 150, DAY, approved("jo", DAY));
    sagemaker.remove_package("churn/0");
    assert_eq!(sweep(&mut memory, &sagemaker, 29).observations.len(), 151);
    assert_eq!(sagemaker.calls(), BTreeMap::new());
    let seen = sweep(&mut memory, &sagemaker, 30);
    assert!(!ids(&seen.observations).contains(&"churn/0"));
    assert_eq!(sagemaker.calls(), BTreeMap::from([(LIST_PACKAGES, 2), (DESCRIBE_PACKAGE, 1)]));
}

#[test]
fn what_cannot_be_asked_about_is_asked_again_at_the_next_sweep() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    sagemaker.package("churn", 1, DAY, approved("jo", DAY));
    sagemaker.package("churn", 2, DAY, approved("jo", DAY));
    sagemaker.package("fraud", 1, DAY, approved("jo", DAY));
    sagemaker.fail(DESCRIBE_PACKAGE, Some("churn/2"), CallErrorKind::Unavailable, 1);
    let seen = sweep(&mut memory, &sagemaker, 0);
    // Whether version 2 is the latest approval is not known.
    assert_eq!(ids(&seen.observations), ["churn/1", "fraud", "fraud/1"]);
    assert_eq!((seen.whole.len(), seen.problems.len()), (0, 1));
    sagemaker.calls();
    assert_eq!(sweep(&mut memory, &sagemaker, 1).observations.len(), 5);
    assert_eq!(sagemaker.calls(), BTreeMap::from([(LIST_PACKAGES, 1), (DESCRIBE_PACKAGE, 1)]));
    sagemaker.fail(LIST_PACKAGES, None, CallErrorKind::Denied, 1);
    let seen = sweep(&mut memory, &sagemaker, 31);
    assert_eq!((seen.observations.len(), seen.whole.len(), seen.problems.len()), (5, 0, 1));
}
