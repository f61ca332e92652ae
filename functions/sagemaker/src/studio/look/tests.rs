//! Studio against a SageMaker in memory: what is seen, and with how few calls.

use guardrail::Reading;
use lambda::CallErrorKind;
use lambda::fakes::block_on;

use super::*;
use crate::fakes::{FakeSageMaker, ago, ids, minutes, now};

fn profile(name: &str) -> AppOwner {
    AppOwner::UserProfile(name.to_owned())
}

fn space(name: &str) -> AppOwner {
    AppOwner::Space(name.to_owned())
}

fn sweep(apps: &mut Apps, sagemaker: &FakeSageMaker) -> Sighting {
    block_on(apps.sweep(sagemaker, &Line::open(), None))
}

#[test]
fn one_list_sees_the_applications_of_all_domains() {
    let (sagemaker, mut apps) = (FakeSageMaker::default(), Apps::default());
    let up = sagemaker.app("d-1", profile("ana"), minutes(30), "InService");
    let starting = sagemaker.app("d-2", space("lab"), minutes(1), "Pending");
    let strange = sagemaker.app("d-2", space("odd"), minutes(1), "Frozen");
    for state in ["Deleting", "Deleted", "Failed"] {
        sagemaker.app("d-1", space(state), minutes(30), state);
    }
    let seen = sweep(&mut apps, &sagemaker);
    assert_eq!(ids(&seen.observations), [up.as_str(), starting.as_str(), strange.as_str()]);
    assert_eq!(seen.whole, BTreeSet::from([APP]));
    let owners: Vec<_> = seen.observations.iter().map(|seen| seen.owner.as_deref()).collect();
    assert_eq!(owners, [Some("ana"), None, None]);
    assert_eq!(seen.observations.first().map(|seen| seen.started_at), Some(ago(minutes(30))));
    assert_eq!(sagemaker.calls(), BTreeMap::from([(LIST_APPS, 1)]));

    sagemaker.fail(LIST_APPS, None, CallErrorKind::Denied, 1);
    let seen = sweep(&mut apps, &sagemaker);
    assert_eq!((seen.observations.len(), seen.whole.len(), seen.problems.len()), (0, 0, 1));
    assert_eq!(seen.unseen, BTreeSet::from([up, starting, strange]));
    assert_eq!(sweep(&mut apps, &sagemaker).observations.len(), 3);
}

#[test]
fn an_application_that_was_deleted_stands_beside_its_successor() {
    let (sagemaker, mut apps) = (FakeSageMaker::default(), Apps::default());
    for states in [["Deleted", "InService"], ["InService", "Deleted"]] {
        let id = sagemaker.app("d-1", space(states[0]), minutes(30), states[0]);
        sagemaker.app("d-1", space(states[0]), minutes(1), states[1]);
        let seen = block_on(apps.again(&sagemaker, &Line::open(), &[&id]));
        assert_eq!(seen.found, BTreeMap::from([(id.clone(), Found::Active)]));
        assert_eq!(ids(&seen.observations), [id.as_str()]);
    }
}

#[test]
fn of_two_applications_of_one_id_the_one_that_was_up_first_counts() {
    let (sagemaker, mut apps) = (FakeSageMaker::default(), Apps::default());
    let id = sagemaker.app("d-1", profile("lab"), minutes(5), "InService");
    assert_eq!(sagemaker.app("d-1", space("lab"), minutes(30), "InService"), id);
    let seen = sweep(&mut apps, &sagemaker);
    assert_eq!(seen.observations.iter().map(|seen| seen.started_at).collect::<Vec<_>>(), [ago(minutes(30))]);
    assert_eq!(apps.get(&id).map(|app| &app.owner), Some(&space("lab")));
}

#[test]
fn applications_looked_at_again_cost_one_list_for_each_domain() {
    let (sagemaker, mut apps) = (FakeSageMaker::default(), Apps::default());
    let up = sagemaker.app("d-1", profile("ana"), minutes(30), "InService");
    let ending = sagemaker.app("d-1", profile("jo"), minutes(30), "Deleting");
    let elsewhere = sagemaker.app("d-2", space("lab"), minutes(30), "InService");
    sweep(&mut apps, &sagemaker);
    sagemaker.calls();
    let none = "d-1/nobody/JupyterLab/default";
    let seen = block_on(apps.again(&sagemaker, &Line::open(), &[&up, &ending, none]));
    let expected = [
        (up.clone(), Found::Active),
        (ending, Found::Ending("Deleting".to_owned())),
        (none.to_owned(), Found::Unknown),
    ];
    assert_eq!(seen.found, expected.into_iter().collect());
    assert_eq!(ids(&seen.observations), [up.as_str()]);
    assert_eq!(sagemaker.calls(), BTreeMap::from([(LIST_APPS, 1)]));
    assert!(apps.get(&elsewhere).is_some(), "what was not asked about is still known");

    sagemaker.fail(LIST_APPS, None, CallErrorKind::Unavailable, 1);
    let seen = block_on(apps.again(&sagemaker, &Line::open(), &[&up, none]));
    assert_eq!((seen.found.len(), seen.unseen), (0, BTreeSet::from([up, none.to_owned()])));
}

#[test]
fn spaces_are_looked_at_every_half_hour() {
    let (sagemaker, mut spaces) = (FakeSageMaker::default(), Spaces::default());
    sagemaker.space("d-1", "lab", minutes(30));
    let line = Line::open();
    sagemaker.fail(LIST_SPACES, None, CallErrorKind::Throttled, 1);
    let seen = block_on(spaces.sweep(&sagemaker, &line, now()));
    assert_eq!((seen.problems.len(), seen.whole.len()), (1, 0));
    for (after, calls) in [(0, 1), (1, 0), (29, 0), (30, 1), (31, 0)] {
        sagemaker.calls();
        let seen = block_on(spaces.sweep(&sagemaker, &line, now() + minutes(after)));
        assert_eq!(ids(&seen.observations), ["d-1/lab"]);
        assert_eq!(seen.observations.first().and_then(|seen| seen.owner.as_deref()), Some("ana"));
        assert_eq!(seen.whole, BTreeSet::from([SPACE]));
        assert_eq!(sagemaker.calls().values().sum::<usize>(), calls, "after {after} minutes");
    }
}

#[test]
fn a_domain_is_asked_about_when_it_was_changed_or_an_hour_has_passed() {
    let (sagemaker, mut domains) = (FakeSageMaker::default(), Domains::default());
    sagemaker.domain("d-1", "VpcOnly", minutes(600));
    sagemaker.domain("d-2", "PublicInternetOnly", minutes(600));
    let mut look = |after: i64| {
        let seen = block_on(domains.sweep(&sagemaker, &Line::open(), now() + minutes(after)));
        assert_eq!(seen.whole, BTreeSet::from([DOMAIN]));
        let networks = seen.observations.iter().map(|seen| seen.readings.get(&Measure::NetworkAccess).cloned());
        let networks = networks.map(|words| match words {
            Some(Reading::Words(words)) => words.into_iter().next(),
            _ => None,
        });
        let networks: Vec<_> = networks.collect();
        let calls = sagemaker.calls();
        let asked = |operation| calls.get(operation).copied().unwrap_or_default();
        (networks, asked(LIST_DOMAINS), asked(DESCRIBE_DOMAIN))
    };
    let both = vec![Some("VpcOnly".to_owned()), Some("PublicInternetOnly".to_owned())];
    assert_eq!(look(0), (both.clone(), 1, 2));
    assert_eq!(look(1), (both.clone(), 0, 0));
    assert_eq!(look(30), (both, 1, 0));
    sagemaker.domain("d-2", "VpcOnly", minutes(-40));
    let vpc = vec![Some("VpcOnly".to_owned()); 2];
    assert_eq!(look(60), (vpc.clone(), 1, 2));
    assert_eq!(look(90), (vpc, 1, 0));
}

#[test]
fn a_domain_that_cannot_be_asked_about_is_asked_again_at_the_next_sweep() {
    let (sagemaker, mut domains) = (FakeSageMaker::default(), Domains::default());
    sagemaker.domain("d-1", "VpcOnly", minutes(600));
    sagemaker.fail(DESCRIBE_DOMAIN, None, CallErrorKind::Unavailable, 1);
    let seen = block_on(domains.sweep(&sagemaker, &Line::open(), now()));
    assert_eq!((seen.problems.len(), seen.whole.len(), seen.observations.len()), (1, 0, 1));
    let seen = block_on(domains.sweep(&sagemaker, &Line::open(), now() + minutes(1)));
    assert_eq!((seen.problems.len(), seen.whole.len()), (0, 1));
}
