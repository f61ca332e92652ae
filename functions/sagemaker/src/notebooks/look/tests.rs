//! Notebook instances against a SageMaker in memory: what is seen, and with how few calls.

use guardrail::Reading;
use lambda::CallErrorKind;
use lambda::fakes::block_on;

use super::*;
use crate::fakes::{FakeSageMaker, ago, ids, minutes};

fn sweep(memory: &mut Memory, sagemaker: &FakeSageMaker) -> Sighting {
    block_on(memory.sweep(sagemaker, &Line::open(), true))
}

#[test]
fn notebooks_that_are_up_are_seen_and_asked_about_once() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    let states = ["InService", "Pending", "Stopping", "Stopped", "Failed", "Deleting", "Updating", "Hibernating"];
    for state in states {
        sagemaker.notebook(state, minutes(30), state);
    }
    let seen = sweep(&mut memory, &sagemaker);
    assert_eq!(ids(&seen.observations), ["Hibernating", "InService", "Pending"]);
    assert_eq!(seen.whole, BTreeSet::from([NOTEBOOK]));
    let up = seen.observations.iter().find(|seen| seen.state == "InService").unwrap();
    assert_eq!(up.started_at, ago(minutes(30)));
    let word = |word: &str| Some(Reading::Words(BTreeSet::from([word.to_owned()])));
    assert_eq!(up.readings.get(&Measure::InternetAccess).cloned(), word("Enabled"));
    assert_eq!(up.readings.get(&Measure::RootAccess).cloned(), word("Disabled"));
    assert_eq!(sagemaker.calls(), BTreeMap::from([(LIST_NOTEBOOKS, 1), (DESCRIBE_NOTEBOOK, 3)]));

    assert_eq!(sweep(&mut memory, &sagemaker).observations.len(), 3);
    assert_eq!(sagemaker.calls(), BTreeMap::from([(LIST_NOTEBOOKS, 1)]));

    // It was stopped, changed and started again.
    sagemaker.notebook("InService", minutes(1), "InService");
    sagemaker.notebook("Pending", minutes(1), "Stopped");
    assert_eq!(ids(&sweep(&mut memory, &sagemaker).observations), ["Hibernating", "InService"]);
    assert_eq!(sagemaker.calls(), BTreeMap::from([(LIST_NOTEBOOKS, 1), (DESCRIBE_NOTEBOOK, 1)]));
}

#[test]
fn what_cannot_be_seen_is_said() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    sagemaker.notebook("ana", minutes(30), "InService");
    sagemaker.fail(DESCRIBE_NOTEBOOK, None, CallErrorKind::Throttled, 1);
    let seen = sweep(&mut memory, &sagemaker);
    assert_eq!((ids(&seen.observations), seen.problems.len(), seen.whole.len()), (vec!["ana"], 1, 0));
    assert_eq!(sweep(&mut memory, &sagemaker).whole, BTreeSet::from([NOTEBOOK]));
    sagemaker.fail(LIST_NOTEBOOKS, None, CallErrorKind::Denied, 1);
    let seen = sweep(&mut memory, &sagemaker);
    assert_eq!((seen.observations.len(), seen.problems.len(), seen.whole.len()), (0, 1, 0));
    assert_eq!(seen.unseen, BTreeSet::from(["ana".to_owned()]));
}

#[test]
fn notebooks_looked_at_again_are_found_or_not() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    for state in ["InService", "Stopping", "Stopped"] {
        sagemaker.notebook(state, minutes(30), state);
    }
    let seen = block_on(memory.again(&sagemaker, &Line::open(), &["InService", "Stopping", "Stopped", "none"]));
    let expected = [
        ("InService", Found::Active),
        ("Stopping", Found::Ending("Stopping".to_owned())),
        ("Stopped", Found::Ended("Stopped".to_owned())),
        ("none", Found::Unknown),
    ];
    assert_eq!(seen.found, expected.into_iter().map(|(name, found)| (name.to_owned(), found)).collect());
    assert_eq!(ids(&seen.observations), ["InService"]);
}
