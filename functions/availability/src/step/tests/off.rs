//! Closing a part: what is turned off, what is recorded, what is waited for, and what is left.

use guardrail::availability::Change;
use lambda::fakes::interrupted::Interruption;
use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::fakes::now;

const STOP: Workflow = Workflow::Stop;

fn stop(sandbox: &FakeSandbox, part: Part) -> Result<Value, Problems> {
    let turn = standing(sandbox).turn;
    sandbox.step(about("part", STOP, turn, part))
}

fn answered(outcome: &str, part: Part, wait: i64) -> Result<Value, Problems> {
    Ok(json!({"outcome": outcome, "part": part, "wait": wait}))
}

#[test]
fn what_is_on_is_recorded_and_turned_off_and_what_users_had_off_is_neither() {
    let sandbox = sandbox();
    sandbox.board.put_on(&["studio/a", "studio/b", "notebooks/n", "jobs/j"]);
    sandbox.board.put("studio/c", Phase::Off);
    begin(&sandbox, STOP);
    assert_eq!(stop(&sandbox, Part::Studio), answered("done", Part::Studio, 0));
    assert_eq!(sandbox.board.take_orders(), ["off studio/a", "off studio/b"]);
    assert_eq!(recorded(&sandbox, Part::Studio), ["a", "b"]);
    assert_eq!(sandbox.board.on(), ["notebooks/n", "jobs/j"], "no other part is touched");
    let told = sandbox.changes().pop().unwrap();
    assert_eq!((told.change, told.part.as_deref()), (Change::PartClosed, Some("studio")));
    assert_eq!((told.message.as_str(), told.state), ("`studio` is closed: 2 apps turned off", Availability::Closing));
    assert_eq!(told.resources, ["app/a", "app/b"]);

    assert_eq!(stop(&sandbox, Part::Jobs), answered("done", Part::Jobs, 0));
    assert_eq!(recorded(&sandbox, Part::Jobs), [""; 0], "what has ended for good cannot be turned on again");
    assert_eq!(sandbox.changes().pop().unwrap().resources, ["job/j"]);
}

#[test]
fn a_part_that_is_off_is_done_at_once_and_again() {
    let sandbox = sandbox();
    sandbox.board.put("rds/d", Phase::Off);
    begin(&sandbox, STOP);
    for _ in 0..2 {
        assert_eq!(stop(&sandbox, Part::Rds), answered("done", Part::Rds, 0));
    }
    assert_eq!(sandbox.board.take_orders(), [""; 0]);
    assert_eq!(sandbox.told(), ["the sandbox is closing: it is time", "`rds` is closed: nothing was on"]);
}

/// A database takes orders like this: what does closing answer, how often must it be asked again, and is it recorded?
fn check(obeys: Obeys, outcome: Result<u32, CallErrorKind>, is_recorded: bool, told: &str) {
    let sandbox = sandbox();
    sandbox.board.put_on(&["rds/d", "rds/e"]);
    sandbox.board.behave("rds/d", obeys.clone());
    let turn = begin(&sandbox, STOP);
    let finished = finish(&sandbox, STOP, turn, Part::Rds).map_err(|problems| problems.into_first().unwrap().kind);
    assert_eq!(finished, outcome, "{obeys:?}");
    assert_eq!(recorded(&sandbox, Part::Rds).contains(&"d".to_owned()), is_recorded, "{obeys:?}");
    assert!(sandbox.board.off().contains(&"rds/e".to_owned()), "{obeys:?}: the others are turned off");
    assert_eq!(sandbox.told().last().unwrap(), told, "{obeys:?}");
}

#[test]
fn orders_are_followed_until_they_show() {
    let closed = "`rds` is closed: 2 databases turned off";
    check(Obeys::AtOnce, Ok(0), true, closed);
    check(Obeys::AfterLooks(0), Ok(0), true, closed);
    check(Obeys::AfterLooks(9), Ok(0), true, closed);
    check(Obeys::AfterLooks(60), Ok(51), true, closed);
    check(
        Obeys::Refuses("it has a replica"),
        Ok(0),
        false,
        "`rds` is closed: 1 database turned off; 1 database left as they are",
    );
    check(Obeys::Never, Err(CallErrorKind::NotVerified), true, "the sandbox is closing: it is time");
    // What is gone needs not be turned on, which is found when it is tried.
    check(Obeys::Vanishes, Ok(0), true, "`rds` is closed: 1 database turned off");
}

#[test]
fn what_is_refused_is_told_with_its_reason_and_not_asked_again() {
    let sandbox = sandbox();
    sandbox.board.put_on(&["rds/d"]);
    sandbox.board.behave("rds/d", Obeys::Refuses("it has a replica"));
    begin(&sandbox, STOP);
    for _ in 0..2 {
        assert_eq!(stop(&sandbox, Part::Rds), answered("done", Part::Rds, 0));
    }
    assert_eq!(sandbox.board.take_orders(), ["off rds/d"]);
    let told = sandbox.changes().pop().unwrap();
    assert_eq!((told.refused, told.resources), (vec!["database/d: it has a replica".to_owned()], vec![]));
    begin(&sandbox, STOP);
    stop(&sandbox, Part::Rds).unwrap();
    assert_eq!(sandbox.board.take_orders(), ["off rds/d"], "the next closing asks afresh");
}

#[test]
fn patience_ends_45_minutes_after_the_part_was_begun_with_also_when_nothing_was_told() {
    for (phase, obeys) in [(Phase::On, Obeys::Never), (Phase::TurningOn, Obeys::AtOnce)] {
        let sandbox = sandbox();
        begin(&sandbox, STOP);
        let began = sandbox.clock.now();
        let message = loop {
            // A database that is forever starting: it is so anew whenever it is looked at.
            sandbox.board.put("rds/d", phase);
            sandbox.board.behave("rds/d", if phase == Phase::TurningOn { Obeys::Never } else { obeys.clone() });
            match stop(&sandbox, Part::Rds) {
                Ok(answer) if answer["outcome"] == "pending" => sandbox.pass(AGAIN_AFTER),
                other => break problem(other),
            }
            assert!(sandbox.clock.now() < began + SignedDuration::from_hours(2), "{phase:?}");
        };
        let took = sandbox.clock.now().duration_since(began);
        assert!((45..47).contains(&took.as_mins()), "{took:#}");
        assert_eq!(message, (CallErrorKind::NotVerified, "rds has not come where it was told to go in 45m".to_owned()));
    }
}

#[test]
fn what_comes_on_while_the_sandbox_is_closed_is_turned_off_and_not_recorded() {
    let sandbox = sandbox();
    sandbox.board.put_on(&["notebooks/a", "notebooks/b"]);
    begin(&sandbox, STOP);
    stop(&sandbox, Part::Notebooks).unwrap();
    // AWS starts one again, and somebody makes another.
    sandbox.board.put_on(&["notebooks/b", "notebooks/c"]);
    sandbox.board.take_orders();
    begin(&sandbox, STOP);
    stop(&sandbox, Part::Notebooks).unwrap();
    assert_eq!(sandbox.board.take_orders(), ["off notebooks/b", "off notebooks/c"]);
    assert_eq!(recorded(&sandbox, Part::Notebooks), ["a", "b"], "users did not have the other on");
    assert_eq!(sandbox.changes().pop().unwrap().resources, ["notebook instance/b", "notebook instance/c"]);
}

#[test]
fn what_is_turning_is_waited_for() {
    let sandbox = sandbox();
    sandbox.board.put("rds/starting", Phase::TurningOn);
    sandbox.board.put("notebooks/stopping", Phase::TurningOff);
    let turn = begin(&sandbox, STOP);
    for part in [Part::Rds, Part::Notebooks] {
        assert_eq!(stop(&sandbox, part), answered("pending", part, 45), "there is nothing to stay for");
        finish(&sandbox, STOP, turn, part).unwrap();
    }
    assert_eq!(sandbox.board.off(), ["notebooks/stopping", "rds/starting"]);
    assert_eq!(sandbox.board.take_orders(), ["off rds/starting"]);
    assert_eq!(recorded(&sandbox, Part::Rds), ["starting"]);
    assert_eq!(recorded(&sandbox, Part::Notebooks), [""; 0], "what its user was stopping stays off");
}

#[test]
fn one_that_fails_holds_up_none_of_the_others_and_is_told_again() {
    let sandbox = sandbox();
    sandbox.board.put_on(&["athena/a", "athena/b", "athena/c"]);
    sandbox.board.fail("athena/b", CallErrorKind::Throttled, 0, 1);
    begin(&sandbox, STOP);
    assert_eq!(problem(stop(&sandbox, Part::Athena)).0, CallErrorKind::Throttled);
    assert_eq!(sandbox.board.take_orders(), ["off athena/a", "off athena/c"]);
    assert_eq!(stop(&sandbox, Part::Athena), answered("done", Part::Athena, 0), "the next try is not kept out");
    assert_eq!(sandbox.board.take_orders(), ["off athena/b"]);
    assert_eq!(recorded(&sandbox, Part::Athena), ["a", "b", "c"]);
    assert_eq!(sandbox.changes().pop().unwrap().resources.len(), 3, "told are all that this turn turned off");
}

#[test]
fn a_part_that_cannot_be_seen_or_recorded_is_not_touched() {
    let sandbox = sandbox();
    sandbox.board.put_on(&["studio/a"]);
    begin(&sandbox, STOP);
    sandbox.board.fail("studio", CallErrorKind::Denied, 0, 1);
    assert_eq!(problem(stop(&sandbox, Part::Studio)).0, CallErrorKind::Denied);
    for (reading, writing) in [(true, false), (false, true)] {
        sandbox.book.fail(reading, writing);
        assert_eq!(problem(stop(&sandbox, Part::Studio)).0, CallErrorKind::Unavailable);
    }
    sandbox.book.fail(false, false);
    sandbox.parameters.deny();
    assert_eq!(problem(stop(&sandbox, Part::Studio)).0, CallErrorKind::Denied);
    assert_eq!(sandbox.board.take_orders(), [""; 0]);
}

#[test]
fn jobs_may_finish_until_their_grace_time_is_over() {
    let sandbox = sandbox();
    sandbox.put("jobs", "finish");
    sandbox.put("grace/jobs", "10m");
    sandbox.board.put_on(&["jobs/a", "jobs/b"]);
    begin(&sandbox, STOP);
    let began = standing(&sandbox).began_at;
    assert_eq!(stop(&sandbox, Part::Jobs), answered("pending", Part::Jobs, 300));
    sandbox.board.delete("jobs/a");
    sandbox.clock.set(began + SignedDuration::from_secs(590));
    assert_eq!(stop(&sandbox, Part::Jobs), answered("pending", Part::Jobs, 11), "not a moment longer");
    sandbox.clock.set(began + SignedDuration::from_millis(599_999));
    assert_eq!(stop(&sandbox, Part::Jobs), answered("pending", Part::Jobs, 1));
    // Begun again, it is given no more time.
    begin(&sandbox, STOP);
    assert_eq!(stop(&sandbox, Part::Jobs), answered("done", Part::Jobs, 0));
    assert_eq!(sandbox.board.take_orders(), ["off jobs/b"]);
}

#[test]
fn at_the_end_of_the_grace_time_it_is_over_and_what_has_finished_is_not_waited_for() {
    for (left, orders) in [(0, vec!["off jobs/a"]), (1, vec![])] {
        let sandbox = sandbox();
        sandbox.put("jobs", "finish");
        sandbox.put("grace", "10m");
        sandbox.board.put_on(&["jobs/a"]);
        begin(&sandbox, STOP);
        sandbox.clock.set(standing(&sandbox).began_at + SignedDuration::from_secs(600 - left));
        stop(&sandbox, Part::Jobs).unwrap();
        assert_eq!(sandbox.board.take_orders(), orders);
        sandbox.board.delete("jobs/a");
        assert_eq!(stop(&sandbox, Part::Jobs), answered("done", Part::Jobs, 0));
    }
}

#[test]
fn grace_does_not_count_against_patience() {
    let sandbox = sandbox();
    sandbox.put("jobs", "finish");
    sandbox.put("grace", "3h");
    sandbox.board.put_on(&["jobs/a"]);
    sandbox.board.behave("jobs/a", Obeys::AfterLooks(20));
    let turn = begin(&sandbox, STOP);
    let rounds = finish(&sandbox, STOP, turn, Part::Jobs).unwrap();
    assert!((36..50).contains(&rounds), "{rounds}: every five minutes, and some while it ends");
    assert_eq!(sandbox.board.on(), [""; 0]);
}

#[test]
fn a_role_that_cannot_be_closed_fails_the_closing_however_often_it_is_tried() {
    let sandbox = sandbox();
    sandbox.board.put_on(&["access/ana", "access/sso"]);
    sandbox.board.behave("access/sso", Obeys::Refuses("AWS alone may change it"));
    let turn = begin(&sandbox, STOP);
    for _ in 0..3 {
        let expected = (CallErrorKind::Invalid, "role `sso`: AWS alone may change it".to_owned());
        assert_eq!(problem(stop(&sandbox, Part::Access)), expected);
        let verified = problem(sandbox.step(about("verify", STOP, turn, Part::Access)));
        assert_eq!(verified, (CallErrorKind::NotVerified, "access is not off wholly: `sso`".to_owned()));
    }
    assert_eq!(sandbox.board.off(), ["access/ana"]);
}

#[test]
fn another_run_that_deals_with_the_part_is_waited_for_until_its_time_is_up() {
    let sandbox = sandbox();
    sandbox.board.put_on(&["studio/a"]);
    begin(&sandbox, STOP);
    let until = sandbox.clock.now() + SignedDuration::from_secs(60);
    let claim = Claim { id: "availability/part/studio/lease", holder: "another", until };
    assert_eq!(now(sandbox.ledger.claim(&claim, sandbox.clock.now())), Ok(true));
    sandbox.board.take_looks();
    assert_eq!(stop(&sandbox, Part::Studio), answered("pending", Part::Studio, 3));
    assert!(sandbox.board.take_looks().is_empty());
    assert_eq!(stop(&sandbox, Part::Rds), answered("done", Part::Rds, 0), "other parts are free");
    sandbox.clock.set(until);
    assert_eq!(stop(&sandbox, Part::Studio), answered("done", Part::Studio, 0));
}

#[test]
fn a_step_ends_before_its_deadline() {
    let sandbox = sandbox();
    sandbox.board.put_on(&["rds/d"]);
    sandbox.board.behave("rds/d", Obeys::Never);
    let turn = begin(&sandbox, STOP);
    let mut invocation = sandbox.invocation(about("part", STOP, turn, Part::Rds));
    invocation.deadline = invocation.now + SignedDuration::from_secs(5);
    let mut step = sandbox.step_through(&Once::default());
    assert_eq!(now(step.handle(invocation.clone())), answered("pending", Part::Rds, AGAIN_AFTER));
    assert!(sandbox.clock.now() <= invocation.deadline + SignedDuration::from_secs(2));
}

/// Something that happens once, before a call.
#[derive(Clone, Default)]
struct Once {
    calls_left: Rc<Cell<u32>>,
    sandbox: Option<FakeSandbox>,
}

impl Interruption for Once {
    async fn befall(&self) {
        let left = self.calls_left.get();
        self.calls_left.set(left.saturating_sub(1));
        if left == 1
            && let Some(sandbox) = &self.sandbox
        {
            begin(sandbox, Workflow::Start);
        }
    }
}

#[test]
fn a_workflow_that_loses_the_turn_while_it_waits_ends() {
    let mut outcomes = Vec::new();
    loop {
        let sandbox = sandbox();
        sandbox.board.put_on(&["rds/d"]);
        sandbox.board.behave("rds/d", Obeys::Never);
        let turn = begin(&sandbox, STOP);
        let calls = Rc::new(Cell::new(u32::try_from(outcomes.len()).unwrap() + 1));
        let once = Once { calls_left: Rc::clone(&calls), sandbox: Some(sandbox.clone()) };
        let invocation = sandbox.invocation(about("part", STOP, turn, Part::Rds));
        let answer = now(sandbox.step_through(&once).handle(invocation)).unwrap();
        if calls.get() > 0 {
            break;
        }
        outcomes.push(answer["outcome"].as_str().unwrap().to_owned());
    }
    // Only after it has asked for the last time who has the turn, which it does at each look, may it go unnoticed.
    let unnoticed = outcomes.iter().filter(|outcome| *outcome == "pending").count();
    assert!(outcomes.len() > 40 && unnoticed < 12, "{unnoticed} of {}", outcomes.len());
    assert!(outcomes.iter().take(outcomes.len() - 12).all(|outcome| outcome == "superseded"));
}

#[test]
fn a_workflow_that_loses_the_turn_gives_no_further_orders() {
    let mut outcomes = BTreeSet::new();
    for calls in 1..60 {
        let sandbox = sandbox();
        sandbox.board.put_on(&["rds/d"]);
        sandbox.board.behave("rds/d", Obeys::AfterLooks(2));
        let turn = begin(&sandbox, STOP);
        let once = Once { calls_left: Rc::new(Cell::new(calls)), sandbox: Some(sandbox.clone()) };
        let step = about("part", STOP, turn, Part::Rds);
        let answer = now(sandbox.step_through(&once).handle(sandbox.invocation(step.clone()))).unwrap();
        outcomes.insert(answer["outcome"].as_str().unwrap().to_owned());
        if once.calls_left.get() > 0 {
            assert_eq!(answer["outcome"], "done", "nothing happened");
            break;
        }
        sandbox.board.take_orders();
        assert_eq!(sandbox.step(step), answered("superseded", Part::Rds, 0));
        assert_eq!(sandbox.board.take_orders(), [""; 0]);
        let start = standing(&sandbox).turn;
        finish(&sandbox, Workflow::Start, start, Part::Rds).unwrap();
        assert_eq!(sandbox.board.on(), ["rds/d"], "whenever it happened, {calls}");
    }
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), ["done", "superseded"]);
}
