//! Jobs against a SageMaker in memory: what is seen, and with how few calls.

use guardrail::Reading;
use lambda::CallErrorKind;
use lambda::fakes::block_on;

use super::*;
use crate::fakes::{FakeSageMaker, ids, minutes};

const TRAINING: JobKind = JobKind::Training;

fn sweep(memory: &mut Memory, sagemaker: &FakeSageMaker, instances: bool) -> Sighting {
    block_on(memory.sweep(sagemaker, &Line::open(), &JobKind::ALL, instances))
}

fn lists() -> BTreeMap<&'static str, usize> {
    JobKind::ALL.into_iter().map(|kind| (kind.list_action(), 1)).collect()
}

#[test]
fn all_kinds_are_listed_and_each_job_is_asked_about_once() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    for kind in JobKind::ALL {
        for number in 0..40 {
            sagemaker.job(kind, &format!("{number:02}"), minutes(5), &[("ml.g5.12xlarge", 2)]);
        }
    }
    let seen = sweep(&mut memory, &sagemaker, true);
    assert_eq!(seen.observations.len(), 200);
    assert_eq!(seen.whole.len(), 5);
    let mut calls = sagemaker.calls();
    // AutoML jobs have no instances to tell.
    let described = JobKind::ALL.into_iter().filter(|kind| kind.tells_instances());
    assert_eq!(described.map(|kind| calls.remove(kind.describe_action())).collect::<Vec<_>>(), [Some(40); 4]);
    assert_eq!(calls, lists());

    assert_eq!(sweep(&mut memory, &sagemaker, true).observations.len(), 200);
    assert_eq!(sagemaker.calls(), lists());

    sagemaker.job_is("training-job/00", "Completed");
    assert_eq!(sweep(&mut memory, &sagemaker, true).observations.len(), 199);
    assert_eq!((sagemaker.calls(), memory.active.len()), (lists(), 199));
}

#[test]
fn instances_are_not_asked_for_where_nobody_wants_them() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    sagemaker.job(TRAINING, "fit", minutes(5), &[("ml.g5.xlarge", 1)]);
    let seen = sweep(&mut memory, &sagemaker, false);
    assert!(seen.observations.iter().all(|seen| seen.readings.is_empty()));
    assert_eq!(sagemaker.calls(), lists());
}

/// A job with these instances has these readings.
#[track_caller]
fn check_readings(instances: &[(&str, u64)], types: &[&str], gpus: Option<u64>) {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    sagemaker.job(TRAINING, "fit", minutes(5), instances);
    let seen = sweep(&mut memory, &sagemaker, true);
    let readings = &seen.observations.first().unwrap().readings;
    let words = types.iter().map(|word| (*word).to_owned()).collect();
    assert_eq!(readings.get(&Measure::InstanceTypes), (!types.is_empty()).then_some(&Reading::Words(words)));
    let gpus = gpus.map(|gpus| Reading::Amount(Quantity::Count(gpus)));
    assert_eq!(readings.get(&Measure::Gpus), gpus.as_ref());
    let count = Reading::Amount(Quantity::Count(instances.iter().map(|(_, count)| count).sum()));
    assert_eq!(readings.get(&Measure::Instances), (!types.is_empty()).then_some(&count));
}

#[test]
fn gpus_are_those_of_all_instances() {
    check_readings(&[("ml.m5.xlarge", 10)], &["ml.m5.xlarge"], Some(0));
    check_readings(&[("ml.g5.12xlarge", 2)], &["ml.g5.12xlarge"], Some(8));
    check_readings(&[("ml.p4d.24xlarge", 2), ("ml.m5.xlarge", 1)], &["ml.m5.xlarge", "ml.p4d.24xlarge"], Some(16));
    check_readings(&[], &[], None);
    // A type that came after us is held against the allowed types, and its GPUs cannot be counted.
    check_readings(&[("ml.p9.48xlarge", 2), ("ml.g5.xlarge", 1)], &["ml.g5.xlarge", "ml.p9.48xlarge"], None);
}

#[test]
fn a_kind_that_cannot_be_listed_hides_no_other() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    let fit = sagemaker.job(TRAINING, "fit", minutes(5), &[]);
    let prepare = sagemaker.job(JobKind::Processing, "prepare", minutes(5), &[]);
    sweep(&mut memory, &sagemaker, false);
    sagemaker.fail(TRAINING.list_action(), None, CallErrorKind::Denied, 1);
    let seen = sweep(&mut memory, &sagemaker, false);
    assert_eq!(ids(&seen.observations), [prepare.as_str()]);
    assert_eq!(seen.unseen, BTreeSet::from([fit]));
    assert!(!seen.whole.contains("training job") && seen.whole.contains("processing job"));
    assert_eq!(seen.problems.len(), 1);
    assert_eq!(sweep(&mut memory, &sagemaker, false).observations.len(), 2);
}

#[test]
fn a_job_that_cannot_be_asked_about_is_seen_and_asked_again() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    sagemaker.job(TRAINING, "fit", minutes(5), &[("ml.g5.xlarge", 1)]);
    sagemaker.fail(TRAINING.describe_action(), None, CallErrorKind::Throttled, 1);
    let seen = sweep(&mut memory, &sagemaker, true);
    assert_eq!((seen.observations.len(), seen.problems.len()), (1, 1));
    assert!(!seen.whole.contains("training job"), "its condition is not known to have ended");
    let seen = sweep(&mut memory, &sagemaker, true);
    assert_eq!(seen.observations.first().map(|seen| seen.readings.len()), Some(3));
    assert!(seen.whole.contains("training job"));
}

#[test]
fn a_job_that_ends_between_two_calls_is_not_seen() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    sagemaker.job(TRAINING, "fit", minutes(5), &[("ml.g5.xlarge", 1)]);
    let gone = lambda::CallError {
        operation: TRAINING.describe_action(),
        kind: CallErrorKind::Invalid,
        message: "ValidationException: Requested resource not found.".to_owned(),
    };
    sagemaker.fail_with(TRAINING.describe_action(), None, gone, 1);
    let seen = sweep(&mut memory, &sagemaker, true);
    assert_eq!((seen.observations.len(), seen.problems.len()), (0, 0));
}

#[test]
fn a_signal_looks_at_one_job_and_at_no_other() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    sagemaker.job(JobKind::Processing, "prepare", minutes(5), &[]);
    let line = Line::open();
    let cold = sagemaker.job(TRAINING, "cold", minutes(1), &[("ml.g5.xlarge", 1)]);
    let seen = block_on(memory.signal(&sagemaker, &line, TRAINING, "cold"));
    assert_eq!((ids(&seen.observations), seen.whole.is_empty()), (vec![cold.as_str()], true));
    sweep(&mut memory, &sagemaker, false);
    sagemaker.calls();

    sagemaker.job(TRAINING, "warm", minutes(0), &[]);
    let seen = block_on(memory.signal(&sagemaker, &line, TRAINING, "warm"));
    assert_eq!((ids(&seen.observations), seen.whole.is_empty()), (vec!["training-job/warm"], true));
    assert_eq!(sagemaker.calls(), BTreeMap::from([(TRAINING.describe_action(), 1)]));

    // What has ended by now, or is not known, is no reason to look at anything.
    sagemaker.job_is(&cold, "Stopping");
    for name in ["cold", "none"] {
        assert!(block_on(memory.signal(&sagemaker, &line, TRAINING, name)).observations.is_empty());
    }
    assert_eq!(memory.active.len(), 2);
}
