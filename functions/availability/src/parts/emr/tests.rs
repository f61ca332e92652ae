//! What EMR answers, recorded, and what we take it for: pages, states, protection, orders that come too late.

use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::{Value, json};

use super::*;

/// EMR over these answers.
fn emr(lift_protection: bool, answers: impl IntoIterator<Item = Answer>) -> (Emr, Replay) {
    let (replay, aws) = Replay::of(answers);
    (Emr::new(&aws, lift_protection), replay)
}

fn summary(id: &str, state: &str) -> Value {
    json!({"Id": id, "Name": "nightly", "Status": {"State": state}})
}

fn cluster(id: &str, state: &str, phase: Phase, finishes: bool) -> Item {
    let resource = Resource { kind: "cluster".to_owned(), id: id.to_owned() };
    Item { resource, phase, state: state.to_owned(), finishes, memo: None }
}

#[test]
fn clusters_that_have_not_ended_are_listed_page_by_page() {
    let (emr, replay) = emr(
        false,
        [
            Answer::ok(&json!({"Clusters": [summary("j-1", "WAITING"), {"Id": "j-2"}], "Marker": "page-2"})),
            Answer::ok(&json!({"Clusters": [summary("j-3", "RUNNING")]})),
        ],
    );
    let found = vec![
        cluster("j-1", "WAITING", Phase::On, false),
        cluster("j-2", "none", Phase::On, true),
        cluster("j-3", "RUNNING", Phase::On, true),
    ];
    assert_eq!(block_on(emr.look()), Ok(found));
    let states = json!(["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING"]);
    assert_eq!(
        replay.requests(),
        [
            ("ListClusters".to_owned(), json!({"ClusterStates": states})),
            ("ListClusters".to_owned(), json!({"ClusterStates": states, "Marker": "page-2"})),
        ]
    );
}

/// A cluster in this state is found so, or not at all.
fn check_state(state: &str, expected: Option<(Phase, bool)>) {
    let (emr, _) = emr(false, [Answer::ok(&json!({"Clusters": [summary("j-1", state)]}))]);
    let expected: Vec<Item> = expected.into_iter().map(|(phase, ends)| cluster("j-1", state, phase, ends)).collect();
    assert_eq!(block_on(emr.look()), Ok(expected), "{state}");
}

#[test]
fn every_state_has_its_phase_and_an_unknown_one_is_on() {
    check_state("STARTING", Some((Phase::On, true)));
    check_state("BOOTSTRAPPING", Some((Phase::On, true)));
    check_state("RUNNING", Some((Phase::On, true)));
    check_state("WAITING", Some((Phase::On, false)));
    check_state("TERMINATING", Some((Phase::TurningOff, true)));
    check_state("TERMINATED", None);
    check_state("TERMINATED_WITH_ERRORS", None);
    check_state("RESIZING", Some((Phase::On, true)));
}

#[test]
fn a_list_that_is_denied_is_no_empty_list() {
    let page = Answer::ok(&json!({"Clusters": [], "Marker": "page-2"}));
    let (emr, _) = emr(false, [page, Answer::error(400, "AccessDeniedException", &Value::Null)]);
    let problem = block_on(emr.look()).unwrap_err().into_first().unwrap();
    assert_eq!((problem.operation, problem.kind), (LIST_CLUSTERS, CallErrorKind::Denied));
}

/// EMR refuses with this sentence.
fn refusal(sentence: &str) -> Answer {
    Answer::error(400, "ValidationException", &json!({"message": sentence}))
}

fn protected() -> Answer {
    refusal("Could not shut down one or more job flows since they are termination protected.")
}

fn described(state: &str) -> Answer {
    Answer::ok(&json!({"Cluster": {"Id": "j-1", "Status": {"State": state}}}))
}

/// Terminating a cluster that gets these answers makes these calls and ends so.
fn check_off(lift: bool, answers: &[Answer], calls: &[&str], expected: Result<Turned, CallErrorKind>) {
    let (emr, replay) = emr(lift, answers.to_vec());
    let item = cluster("j-1", "RUNNING", Phase::On, true);
    let outcome = block_on(emr.turn_off(&item, Timestamp::UNIX_EPOCH)).map_err(|problem| problem.kind);
    assert_eq!(outcome, expected, "{answers:?}");
    let made: Vec<String> = replay.requests().into_iter().map(|(operation, _)| operation).collect();
    assert_eq!(made, calls, "{answers:?}");
}

fn refused(why: &str) -> Result<Turned, CallErrorKind> {
    Ok(Turned::Refused(why.to_owned()))
}

#[test]
fn a_cluster_is_terminated_once() {
    let (terminate, describe) = ("TerminateJobFlows", "DescribeCluster");
    let late = refusal("A job flow that is shutting down, terminated, or finished may not be modified.");
    check_off(false, &[Answer::ok(&json!({}))], &[terminate], Ok(Turned::Told));
    for state in ["TERMINATING", "TERMINATED", "TERMINATED_WITH_ERRORS"] {
        check_off(false, &[late.clone(), described(state)], &[terminate, describe], Ok(Turned::Told));
    }
    let unknown = refusal("Specified job flow ID does not exist.");
    let gone = [unknown.clone(), refusal("Cluster id 'j-1' is not valid.")];
    check_off(false, &gone, &[terminate, describe], Ok(Turned::Gone));
    check_off(false, &[unknown, described("RUNNING")], &[terminate, describe], Err(CallErrorKind::Invalid));
    let denied = Answer::error(400, "AccessDeniedException", &Value::Null);
    check_off(false, std::slice::from_ref(&denied), &[terminate], Err(CallErrorKind::Denied));
    check_off(false, &[late, denied], &[terminate, describe], Err(CallErrorKind::Denied));
}

#[test]
fn protection_is_respected_or_lifted() {
    let (terminate, lift) = ("TerminateJobFlows", "SetTerminationProtection");
    let taken = || Answer::ok(&json!({}));
    let respected = refused("the cluster has termination protection, which is respected");
    check_off(false, &[protected()], &[terminate], respected);
    check_off(true, &[taken()], &[terminate], Ok(Turned::Told));
    check_off(true, &[protected(), taken(), taken()], &[terminate, lift, terminate], Ok(Turned::Told));
    let stays = refused("the cluster has termination protection, which did not go when lifted");
    check_off(true, &[protected(), taken(), protected()], &[terminate, lift, terminate], stays);
    let denied = Answer::error(400, "AccessDeniedException", &Value::Null);
    check_off(true, &[protected(), denied], &[terminate, lift], Err(CallErrorKind::Denied));
}

#[test]
fn a_terminated_cluster_is_not_started() {
    let (emr, replay) = emr(false, []);
    let resource = cluster("j-1", "", Phase::Off, false).resource;
    let outcome = block_on(emr.turn_on(&TurnedOff { resource, memo: Value::Null }));
    assert_eq!(outcome, Ok(Turned::Refused("a cluster that was terminated cannot be started again".to_owned())));
    assert_eq!(replay.requests(), []);
}
