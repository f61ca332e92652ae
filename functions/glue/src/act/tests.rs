//! Looks before and after an action, and the orders themselves, over a Glue in memory.

use guardrail::ActionKind;
use lambda::fakes::{ManualClock, block_on};

use super::*;
use crate::fakes::{FakeGlue, policy, run, session};

fn look(
    fake: &FakeGlue,
    glue: &mut Glue<FakeGlue, ManualClock>,
    policy: &Policy,
    resources: &[Resource],
) -> Result<Look, CallError> {
    let now = fake.now();
    let with_peers = policy.guardrail.measure == Measure::Count;
    block_on(glue.look(policy, resources, with_peers, now))
}

fn ids(look: &Look) -> Vec<&str> {
    let mut ids: Vec<_> = look.observations.iter().map(|seen| seen.resource.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

fn told(action: ActionKind) -> Result<Acted, CallError> {
    Ok(Acted::told(action))
}

#[test]
fn a_look_tells_what_became_of_each_resource() {
    let (fake, mut glue) = FakeGlue::new();
    for state in ["READY", "STOPPING", "STOPPED"] {
        fake.session_is(state, 600, state);
        fake.run_is("clicks", state, 600, state);
    }
    let (ending, ended) = (Found::Ending("STOPPING".into()), Found::Ended("STOPPED".into()));
    let found = look(
        &fake,
        &mut glue,
        &policy("glue-session-age", &[]),
        &["READY", "STOPPING", "STOPPED", "gone"].map(session),
    );
    let found = found.unwrap();
    assert_eq!(ids(&found), ["READY"]);
    let expected =
        [("READY", Found::Active), ("STOPPED", ended.clone()), ("STOPPING", ending.clone()), ("gone", Found::Unknown)];
    assert_eq!(found.found, expected.map(|(id, found)| (id.to_owned(), found)).into());
    assert_eq!(fake.take_calls(), [("glue:GetSession", 4)]);

    let resources = ["clicks/READY", "clicks/STOPPING", "clicks/STOPPED", "gone/jr_1", "nonsense"].map(run);
    let found = look(&fake, &mut glue, &policy("glue-job-dpus", &[]), &resources).unwrap();
    assert_eq!(ids(&found), ["clicks/READY"]);
    let expected = [
        ("clicks/READY", Found::Active),
        ("clicks/STOPPED", ended),
        ("clicks/STOPPING", ending),
        ("gone/jr_1", Found::Unknown),
        ("nonsense", Found::Unknown),
    ];
    assert_eq!(found.found, expected.map(|(id, found)| (id.to_owned(), found)).into());
    assert_eq!(fake.take_calls(), [("glue:GetJobRun", 4)]);
}

#[test]
fn a_look_reads_what_the_guardrail_measures_and_tags_afresh() {
    let (fake, mut glue) = FakeGlue::new();
    fake.session_is("ana", 600, "READY");
    fake.statement("ana", Some(90));
    let idle = policy("glue-session-idle-time", &[]);
    let seen = look(&fake, &mut glue, &idle, &[session("ana")]).unwrap();
    assert_eq!(seen.observations[0].moment(Measure::IdleTime), Some(fake.ago(90)));
    assert_eq!(fake.take_calls(), [("glue:GetSession", 1), ("glue:ListStatements", 1)]);

    let exemption =
        r#"{"resource_owner": "ana", "owner": "ops", "reason": "audit", "expires": "2027-01-01T00:00:00Z"}"#;
    for (parameter, value) in [("exemptions/audit", exemption), ("glue/glue-session-age/limit/owner/ana", "3h")] {
        let age = policy("glue-session-age", &[(parameter, value)]);
        for owner in ["ben", "ana"] {
            fake.tag("ana", "owner", owner);
            let seen = look(&fake, &mut glue, &age, &[session("ana")]).unwrap();
            assert_eq!(seen.observations[0].owner.as_deref(), Some(owner));
        }
        assert_eq!(fake.take_calls(), [("glue:GetSession", 2), ("glue:GetTags", 2)]);
    }
}

#[test]
fn an_exemption_by_owner_is_held_against_the_tags_of_now() {
    let (fake, mut glue) = FakeGlue::new();
    fake.run_is("clicks", "jr_1", 600, "RUNNING");
    let exemption =
        r#"{"resource_owner": "ana", "owner": "ops", "reason": "audit", "expires": "2027-01-01T00:00:00Z"}"#;
    let concurrent = policy("glue-concurrent-job-runs", &[("exemptions/audit", exemption)]);
    for (owner, exempt) in [("ben", None), ("ana", Some("audit"))] {
        fake.tag("clicks", "owner", owner);
        let seen = look(&fake, &mut glue, &concurrent, &[run("clicks/jr_1")]).unwrap();
        assert_eq!(concurrent.exempt(&seen.observations[0], fake.now()), exempt);
    }
}

#[test]
fn for_a_count_everything_counted_together_is_seen() {
    let (fake, mut glue) = FakeGlue::new();
    for number in 0..5 {
        fake.session_is(&format!("s{number}"), 600 - number, "READY");
        fake.run_is(&format!("j{number}"), "jr_1", 600 - number, "RUNNING");
    }
    fake.session_is("ended", 5, "STOPPED");
    let found = look(&fake, &mut glue, &policy("glue-session-count", &[]), &["s4", "ended"].map(session)).unwrap();
    assert_eq!(ids(&found), ["s0", "s1", "s2", "s3", "s4"]);
    assert_eq!(found.found["s4"], Found::Active);
    assert_eq!(found.found["ended"], Found::Ended("STOPPED".into()));
    assert_eq!(fake.take_calls(), [("glue:GetSession", 1), ("glue:ListSessions", 2)]);

    let concurrent = policy("glue-concurrent-job-runs", &[]);
    let found = look(&fake, &mut glue, &concurrent, &[run("j4/jr_1")]).unwrap();
    assert_eq!(ids(&found), ["j0/jr_1", "j1/jr_1", "j2/jr_1", "j3/jr_1", "j4/jr_1"]);
    assert_eq!(found.found["j4/jr_1"], Found::Active);
    assert_eq!(fake.take_calls(), [("glue:GetJobRuns", 5), ("glue:ListJobs", 2)]);

    // A quiet job counts again after a minute, also where it is not the one asked about.
    fake.job("j5");
    look(&fake, &mut glue, &concurrent, &[run("j4/jr_1")]).unwrap();
    fake.run_is("j5", "jr_1", 0, "RUNNING");
    fake.pass(1);
    assert_eq!(ids(&look(&fake, &mut glue, &concurrent, &[run("j4/jr_1")]).unwrap()).len(), 6);
}

#[test]
fn what_cannot_be_seen_fails_the_look() {
    let check = |guardrail: &str, operation: &'static str, resource: Resource| {
        let (fake, mut glue) = FakeGlue::new();
        fake.session_is("ana", 600, "READY");
        fake.run_is("clicks", "jr_1", 600, "RUNNING");
        fake.fail(operation, "", CallErrorKind::Denied, 1);
        let error = look(&fake, &mut glue, &policy(guardrail, &[]), &[resource]).unwrap_err();
        assert_eq!((error.operation, error.kind), (operation, CallErrorKind::Denied), "{guardrail}");
    };
    check("glue-session-age", "glue:GetSession", session("ana"));
    check("glue-session-idle-time", "glue:ListStatements", session("ana"));
    check("glue-session-count", "glue:ListSessions", session("ana"));
    check("glue-job-runtime", "glue:GetJobRun", run("clicks/jr_1"));
    check("glue-concurrent-job-runs", "glue:ListJobs", run("clicks/jr_1"));
    check("glue-concurrent-job-runs", "glue:GetJobRuns", run("clicks/jr_1"));
}

#[test]
fn sessions_are_stopped_and_what_has_ended_is_no_error() {
    let (fake, mut glue) = FakeGlue::new();
    for id in ["ana", "ben"] {
        fake.session_is(id, 600, "READY");
    }
    fake.session_is("stopped", 600, "STOPPED");
    fake.session_is("stopping", 600, "STOPPING");
    fake.fail("glue:StopSession", "ben", CallErrorKind::Throttled, 1);
    let resources = ["ana", "ben", "stopped", "stopping", "gone"].map(session);
    let acted = block_on(glue.act(&policy("glue-session-age", &[]), &resources, 0));
    let stopped = told(ActionKind::StopSession);
    assert_eq!(acted[0], stopped);
    assert_eq!(acted[1].as_ref().unwrap_err().kind, CallErrorKind::Throttled);
    assert_eq!(acted[2..], [stopped.clone(), stopped.clone(), stopped]);
    assert_eq!(fake.state_of(&resources[0]), "STOPPING");
    assert_eq!(fake.state_of(&resources[1]), "READY");
    // Only an order that may have come too late is worth a look.
    assert_eq!(fake.take_calls(), [("glue:GetSession", 3), ("glue:StopSession", 5)]);
}

#[test]
fn runs_are_stopped_by_job_and_in_batches() {
    let (fake, mut glue) = FakeGlue::new();
    (0..30).for_each(|number| fake.run_is("clicks", &format!("jr_{number:02}"), 600, "RUNNING"));
    fake.run_is("visits", "jr_1", 600, "WAITING");
    fake.run_is("visits", "jr_2", 600, "SUCCEEDED");
    let mut resources: Vec<_> = (0..30).map(|number| run(&format!("clicks/jr_{number:02}"))).collect();
    resources.extend(["visits/jr_1", "visits/jr_2", "gone/jr_3"].map(run));
    let acted = block_on(glue.act(&policy("glue-concurrent-job-runs", &[]), &resources, 0));
    assert_eq!(acted, vec![told(ActionKind::StopJob); 33]);
    assert!(resources[..31].iter().all(|resource| fake.state_of(resource) == "STOPPING"));
    assert_eq!(fake.take_calls(), [("glue:BatchStopJobRun", 4), ("glue:GetJobRun", 2)]);
}

#[test]
fn an_order_that_is_not_taken_while_the_resource_is_active_is_an_error() {
    let (fake, mut glue) = FakeGlue::new();
    fake.session_is("ana", 1, "PROVISIONING");
    for id in ["jr_1", "jr_2"] {
        fake.run_is("clicks", id, 600, "RUNNING");
    }
    fake.refuses_stop.set(true);
    let resources = [session("ana"), run("clicks/jr_1"), run("clicks/jr_2")];
    let acted = block_on(glue.act(&policy("glue-session-age", &[]), &resources[..1], 0));
    assert_eq!(acted[0].as_ref().unwrap_err().kind, CallErrorKind::Invalid);
    // One run that cannot be looked at does not hide what became of the other.
    fake.fail("glue:GetJobRun", "clicks/jr_1", CallErrorKind::Unavailable, 1);
    let acted = block_on(glue.act(&policy("glue-job-runtime", &[]), &resources[1..], 0));
    assert_eq!(acted.iter().filter(|acted| acted.is_err()).count(), 2);

    fake.refuses_stop.set(false);
    fake.fail("glue:BatchStopJobRun", "clicks", CallErrorKind::Denied, 1);
    let acted = block_on(glue.act(&policy("glue-job-runtime", &[]), &resources[1..], 0));
    assert!(acted.iter().all(|acted| acted.as_ref().is_err_and(|error| error.kind == CallErrorKind::Denied)));
}

#[test]
fn an_order_that_has_no_effect_is_seen_by_the_next_look() {
    let (fake, mut glue) = FakeGlue::new();
    fake.session_is("ana", 600, "READY");
    fake.ignores_stop.set(true);
    let age = policy("glue-session-age", &[]);
    assert_eq!(block_on(glue.act(&age, &[session("ana")], 0)), [told(ActionKind::StopSession)]);
    assert_eq!(look(&fake, &mut glue, &age, &[session("ana")]).unwrap().found["ana"], Found::Active);
    fake.ignores_stop.set(false);
    assert_eq!(block_on(glue.act(&age, &[session("ana")], 0)), [told(ActionKind::StopSession)]);
    let found = look(&fake, &mut glue, &age, &[session("ana")]).unwrap();
    assert_eq!((found.found["ana"].clone(), ids(&found).len()), (Found::Ending("STOPPING".into()), 0));
}

#[test]
fn what_names_no_run_is_refused() {
    let (fake, mut glue) = FakeGlue::new();
    let acted = block_on(glue.act(&policy("glue-job-runtime", &[]), &[run("nonsense")], 0));
    assert_eq!(acted, [Ok(Acted::Refused("`nonsense` names no job run".to_owned()))]);
    assert_eq!(fake.take_calls(), []);
}
