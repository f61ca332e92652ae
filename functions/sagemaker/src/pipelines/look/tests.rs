//! Pipelines against a SageMaker in memory: what is seen, and with how few calls.

use guardrail::ScopeKind;
use lambda::CallErrorKind;
use lambda::fakes::block_on;

use super::*;
use crate::fakes::{FakeSageMaker, ids, minutes, now};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn sweep(memory: &mut Memory, sagemaker: &FakeSageMaker, at: Timestamp) -> Sighting {
    block_on(memory.sweep(sagemaker, &Line::open(), true, at))
}

fn executions(sighting: &Sighting) -> Vec<&str> {
    ids(sighting.observations.iter().filter(|seen| seen.resource.kind == EXECUTION))
}

#[track_caller]
fn check_calls(sagemaker: &FakeSageMaker, expected: &[(&'static str, usize)]) {
    assert_eq!(sagemaker.calls(), expected.iter().copied().collect());
}

#[test]
fn only_pipelines_that_can_have_active_executions_are_read() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    for name in ["Never", "LongAgo", "Done", "Runs"] {
        sagemaker.pipeline(name);
    }
    sagemaker.execution("LongAgo", "old", DAY * 29, "Succeeded");
    sagemaker.execution("Done", "done", DAY, "Succeeded");
    let runs = sagemaker.execution("Runs", "e1", minutes(10), "Executing");
    sagemaker.execution("Runs", "e0", minutes(20), "Stopping");

    let seen = sweep(&mut memory, &sagemaker, now());
    assert_eq!(executions(&seen), [runs.as_str()]);
    assert_eq!(seen.whole, BTreeSet::from([PIPELINE, EXECUTION]));
    let pipelines = seen.observations.iter().filter(|seen| seen.resource.kind == PIPELINE);
    assert_eq!(ids(pipelines), ["pipeline/Done", "pipeline/LongAgo", "pipeline/Never", "pipeline/Runs"]);
    let execution = seen.observations.iter().find(|seen| seen.resource.kind == EXECUTION).unwrap();
    assert_eq!(execution.scopes.get(&ScopeKind::Pipeline).map(String::as_str), Some("Runs"));
    assert_eq!(execution.owner.as_deref(), Some("starter of runs/execution/e1"));
    assert_eq!((execution.state.as_str(), execution.started_at), ("Executing", now() - minutes(10)));
    check_calls(&sagemaker, &[(LIST_PIPELINES, 1), (LIST_EXECUTIONS, 2), (DESCRIBE_EXECUTION, 1)]);

    // Warm: what runs is read again, what was done or begins is told by the list of pipelines.
    let later = now() + minutes(1);
    assert_eq!(executions(&sweep(&mut memory, &sagemaker, later)), [runs.as_str()]);
    check_calls(&sagemaker, &[(LIST_PIPELINES, 1), (LIST_EXECUTIONS, 1)]);

    let new = sagemaker.execution("Never", "e1", minutes(0), "Executing");
    sagemaker.execution_is(&runs, "Succeeded");
    assert_eq!(executions(&sweep(&mut memory, &sagemaker, later)), [new.as_str()]);
    check_calls(&sagemaker, &[(LIST_PIPELINES, 1), (LIST_EXECUTIONS, 2), (DESCRIBE_EXECUTION, 1)]);

    sagemaker.remove_pipeline("Never");
    assert_eq!(executions(&sweep(&mut memory, &sagemaker, later)), [""; 0]);
    check_calls(&sagemaker, &[(LIST_PIPELINES, 1)]);
    assert_eq!(memory.pipelines.len(), 3);
}

#[test]
fn a_cold_sweep_reads_no_deeper_than_an_execution_can_live() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    sagemaker.pipeline("Hourly");
    // Every hour for a year: 672 of them are within the 28 days, which the seventh page leaves.
    for hour in 0..24 * 365 {
        let age = SignedDuration::from_hours(hour) + minutes(1);
        sagemaker.execution("Hourly", &format!("e{hour}"), age, "Succeeded");
    }
    sagemaker.execution_is("hourly/execution/e671", "Executing");
    sagemaker.execution_is("hourly/execution/e300", "Executing");
    let seen = sweep(&mut memory, &sagemaker, now());
    assert_eq!(executions(&seen), ["hourly/execution/e300", "hourly/execution/e671"]);
    check_calls(&sagemaker, &[(LIST_PIPELINES, 1), (LIST_EXECUTIONS, 7), (DESCRIBE_EXECUTION, 2)]);

    // Warm: the newest page, and the old ones by themselves, not the pages between.
    let seen = sweep(&mut memory, &sagemaker, now() + minutes(1));
    assert_eq!(executions(&seen), ["hourly/execution/e300", "hourly/execution/e671"]);
    check_calls(&sagemaker, &[(LIST_PIPELINES, 1), (LIST_EXECUTIONS, 1), (DESCRIBE_EXECUTION, 2)]);

    sagemaker.execution_is("hourly/execution/e671", "Stopped");
    let seen = sweep(&mut memory, &sagemaker, now() + minutes(2));
    assert_eq!(executions(&seen), ["hourly/execution/e300"]);
}

#[test]
fn a_storm_is_read_by_the_page() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    sagemaker.pipeline("Storm");
    for number in 0..250 {
        sagemaker.execution("Storm", &format!("e{number:03}"), minutes(number), "Executing");
    }
    assert_eq!(executions(&sweep(&mut memory, &sagemaker, now())).len(), 250);
    check_calls(&sagemaker, &[(LIST_PIPELINES, 1), (LIST_EXECUTIONS, 3), (DESCRIBE_EXECUTION, 250)]);
    assert_eq!(executions(&sweep(&mut memory, &sagemaker, now())).len(), 250);
    check_calls(&sagemaker, &[(LIST_PIPELINES, 1), (LIST_EXECUTIONS, 3)]);
}

#[test]
fn one_pipeline_that_cannot_be_read_is_read_again_and_hides_no_other() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    for name in ["Bad", "Good"] {
        sagemaker.pipeline(name);
        sagemaker.execution(name, "e1", minutes(5), "Executing");
    }
    sagemaker.fail(LIST_EXECUTIONS, Some("Bad"), CallErrorKind::Unavailable, 1);
    let seen = sweep(&mut memory, &sagemaker, now());
    assert_eq!(executions(&seen), ["good/execution/e1"]);
    assert_eq!(seen.problems.len(), 1);
    assert!(!seen.whole.contains(EXECUTION), "not all executions were seen");
    assert!(seen.whole.contains(PIPELINE));

    let seen = sweep(&mut memory, &sagemaker, now() + minutes(1));
    assert_eq!(executions(&seen), ["bad/execution/e1", "good/execution/e1"]);
    assert!(seen.whole.contains(EXECUTION));

    // Known before, not read now: neither judged nor forgotten.
    sagemaker.fail(LIST_EXECUTIONS, Some("Bad"), CallErrorKind::Unavailable, 1);
    let seen = sweep(&mut memory, &sagemaker, now() + minutes(2));
    assert_eq!(executions(&seen), ["good/execution/e1"]);
    assert_eq!(seen.unseen, BTreeSet::from(["bad/execution/e1".to_owned()]));
    assert_eq!(executions(&sweep(&mut memory, &sagemaker, now() + minutes(3))).len(), 2);
}

#[test]
fn a_list_of_pipelines_that_breaks_off_forgets_nothing() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    for number in 0..150 {
        sagemaker.pipeline(&format!("p{number:03}"));
    }
    let far = sagemaker.execution("p140", "e1", minutes(5), "Executing");
    assert_eq!(executions(&sweep(&mut memory, &sagemaker, now())), [far.as_str()]);
    sagemaker.fail(LIST_PIPELINES, Some("100"), CallErrorKind::Throttled, 1);
    let seen = sweep(&mut memory, &sagemaker, now() + minutes(1));
    assert_eq!(executions(&seen), [far.as_str()]);
    assert_eq!((seen.problems.len(), seen.whole.is_empty()), (1, true));
}

#[test]
fn who_started_an_execution_is_asked_until_it_is_told() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    sagemaker.pipeline("Runs");
    sagemaker.execution("Runs", "e1", minutes(5), "Executing");
    sagemaker.fail(DESCRIBE_EXECUTION, None, CallErrorKind::Unavailable, 1);
    let owner = |sighting: Sighting| {
        sighting.observations.into_iter().find(|seen| seen.resource.kind == EXECUTION).and_then(|seen| seen.owner)
    };
    let seen = sweep(&mut memory, &sagemaker, now());
    assert_eq!(seen.problems.len(), 1);
    assert_eq!(owner(seen), None);
    let seen = sweep(&mut memory, &sagemaker, now());
    assert_eq!(owner(seen).as_deref(), Some("starter of runs/execution/e1"));
}

#[test]
fn a_cold_signal_looks_at_the_execution_alone() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    sagemaker.pipeline("Runs");
    let (one, _) = (
        sagemaker.execution("Runs", "e1", minutes(5), "Executing"),
        sagemaker.execution("Runs", "e2", minutes(1), "Executing"),
    );
    let seen = block_on(memory.signal(&sagemaker, &Line::open(), &one, now()));
    assert_eq!(executions(&seen), [one.as_str()]);
    assert!(seen.whole.is_empty());
    let scope = seen.observations.first().and_then(|seen| seen.scopes.get(&ScopeKind::Pipeline));
    assert_eq!(scope.map(String::as_str), Some("Runs"), "its ARN says `runs`");
    check_calls(&sagemaker, &[(DESCRIBE_EXECUTION, 1), (DESCRIBE_PIPELINE, 1)]);

    // The sweep after it sees all the same.
    assert_eq!(executions(&sweep(&mut memory, &sagemaker, now())).len(), 2);
}

#[test]
fn a_warm_signal_looks_at_the_whole_pipeline_and_at_no_other() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    sagemaker.pipeline("Runs");
    sagemaker.pipeline("Other");
    sagemaker.execution("Runs", "e1", minutes(5), "Executing");
    sagemaker.execution("Other", "e1", minutes(5), "Executing");
    sweep(&mut memory, &sagemaker, now());
    sagemaker.calls();

    let new = sagemaker.execution("Runs", "e2", minutes(0), "Executing");
    let seen = block_on(memory.signal(&sagemaker, &Line::open(), &new, now()));
    assert_eq!(executions(&seen), ["runs/execution/e1", "runs/execution/e2"]);
    assert!(seen.whole.is_empty(), "what runs in other pipelines was not looked at");
    check_calls(&sagemaker, &[(LIST_EXECUTIONS, 1), (DESCRIBE_EXECUTION, 1)]);

    // One that cannot be read makes it a look at a part.
    sagemaker.fail(LIST_EXECUTIONS, None, CallErrorKind::Unavailable, 1);
    let seen = block_on(memory.signal(&sagemaker, &Line::open(), &new, now()));
    assert_eq!((seen.whole.is_empty(), seen.problems.len()), (true, 1));
}

#[test]
fn executions_looked_at_again_are_found_or_not() {
    let (sagemaker, mut memory) = (FakeSageMaker::default(), Memory::default());
    sagemaker.pipeline("Runs");
    let active = sagemaker.execution("Runs", "e1", minutes(5), "Executing");
    let ending = sagemaker.execution("Runs", "e2", minutes(4), "Stopping");
    let ended = sagemaker.execution("Runs", "e3", minutes(3), "CompletedWithFailures");
    let unknown = "runs/execution/none";
    let failing = sagemaker.execution("Runs", "e4", minutes(2), "Executing");
    sagemaker.fail(DESCRIBE_EXECUTION, Some(&failing), CallErrorKind::Unavailable, 1);
    let asked = [&*active, &*ending, &*ended, unknown, &*failing];
    let seen = block_on(memory.again(&sagemaker, &Line::open(), &asked));
    assert_eq!(executions(&seen), [active.as_str()]);
    let expected = [
        (active, Found::Active),
        (ending, Found::Ending("Stopping".to_owned())),
        (ended, Found::Ended("CompletedWithFailures".to_owned())),
        (unknown.to_owned(), Found::Unknown),
    ];
    assert_eq!(seen.found, expected.into_iter().collect());
    assert_eq!(seen.unseen, BTreeSet::from([failing]));
    assert_eq!(seen.problems.len(), 1);
}
