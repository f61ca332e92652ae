//! Opening a part: exactly what closing turned off is turned on.

use guardrail::availability::Change;

use super::*;

const START: Workflow = Workflow::Start;

/// A sandbox that was closed with these things on.
fn closed(on: &[&str]) -> FakeSandbox {
    let sandbox = sandbox();
    sandbox.board.put_on(on);
    run(&sandbox, Workflow::Stop);
    assert_eq!(sandbox.board.on(), [""; 0]);
    sandbox.board.take_orders();
    sandbox.pass(36_000);
    sandbox
}

fn start(sandbox: &FakeSandbox, part: Part) -> Result<Value, Problems> {
    sandbox.step(about("part", START, standing(sandbox).turn, part))
}

fn done(part: Part) -> Result<Value, Problems> {
    Ok(json!({"outcome": "done", "part": part, "wait": 0}))
}

#[test]
fn exactly_what_was_on_is_on_again_and_what_users_had_off_stays_off() {
    let sandbox = sandbox();
    let on = ["access/ana", "studio/a", "notebooks/n", "athena/etl", "rds/d"];
    sandbox.board.put_on(&on);
    sandbox.board.put_on(&["jobs/j", "emr/c", "glue/g"]);
    for name in ["studio/b", "notebooks/m", "athena/old", "rds/e"] {
        sandbox.board.put(name, Phase::Off);
    }
    let off = sandbox.board.off();
    for _ in 0..3 {
        run(&sandbox, Workflow::Stop);
        assert_eq!(sandbox.board.on(), [""; 0]);
        run(&sandbox, Workflow::Stop);
        run(&sandbox, START);
        assert_eq!((sandbox.board.on(), sandbox.board.off()), (on.map(str::to_owned).to_vec(), off.clone()));
        run(&sandbox, START);
        assert_eq!((sandbox.board.on(), sandbox.board.off()), (on.map(str::to_owned).to_vec(), off.clone()));
    }
    for part in Part::ALL {
        assert_eq!(recorded(&sandbox, part), [""; 0], "{part}: what is on again is not recorded any more");
    }
}

#[test]
fn what_was_turned_on_is_told() {
    let sandbox = closed(&["rds/d", "rds/e"]);
    sandbox.board.behave("rds/e", Obeys::Refuses("its version is not supported any more"));
    begin(&sandbox, START);
    assert_eq!(start(&sandbox, Part::Rds), done(Part::Rds));
    let told = sandbox.changes().pop().unwrap();
    assert_eq!((told.change, told.state), (Change::PartOpened, Availability::Opening));
    assert_eq!(told.message, "`rds` is open: 1 database turned on; 1 database left as they are");
    assert_eq!(told.resources, ["database/d"]);
    assert_eq!(told.refused, ["database/e: its version is not supported any more"]);
    assert_eq!(start(&sandbox, Part::Rds), done(Part::Rds));
    assert_eq!(sandbox.board.take_orders(), ["on rds/d", "on rds/e"], "nothing is told twice");
}

/// A notebook is on, the sandbox is closed, something happens, and it is opened: which orders are given, what is left,
/// and is it on?
fn check(change: impl FnOnce(&FakeSandbox), orders: &[&str], refused: &[&str], is_on: bool) {
    let sandbox = closed(&["notebooks/n"]);
    change(&sandbox);
    let turn = begin(&sandbox, START);
    finish(&sandbox, START, turn, Part::Notebooks).unwrap();
    assert_eq!(sandbox.board.take_orders(), orders);
    assert_eq!(sandbox.changes().pop().unwrap().refused, refused);
    assert_eq!(sandbox.board.on().contains(&"notebooks/n".to_owned()), is_on);
    assert_eq!(recorded(&sandbox, Part::Notebooks), [""; 0]);
}

#[test]
fn what_changed_meanwhile_is_taken_as_it_is() {
    let order = ["on notebooks/n"];
    check(|_| {}, &order, &[], true);
    check(|sandbox| sandbox.board.behave("notebooks/n", Obeys::AfterLooks(30)), &order, &[], true);
    check(
        |sandbox| sandbox.board.delete("notebooks/n"),
        &[],
        &["notebook instance/n: it does not exist any more"],
        false,
    );
    let gone = "notebook instance/n: it does not exist any more";
    check(|sandbox| sandbox.board.behave("notebooks/n", Obeys::Vanishes), &[], &[gone], false);
    // A list may be behind: what seems to be on may have been told to go off a moment ago.
    check(|sandbox| sandbox.board.put("notebooks/n", Phase::On), &order, &[], true);
    check(|sandbox| sandbox.board.put("notebooks/n", Phase::TurningOn), &order, &[], true);
    check(|sandbox| sandbox.board.put("notebooks/n", Phase::TurningOff), &order, &[], true);
    check(|sandbox| sandbox.put("notebooks", "leave"), &order, &[], true);
    check(|sandbox| sandbox.board.put("notebooks/m", Phase::Off), &order, &[], true);
    let fails = |sandbox: &FakeSandbox| sandbox.board.fail("studio/n", CallErrorKind::Throttled, 0, 1);
    check(fails, &order, &[], true);
}

#[test]
fn one_that_does_not_come_up_ends_in_an_error_and_stays_recorded() {
    let sandbox = closed(&["rds/d", "rds/e"]);
    sandbox.board.behave("rds/d", Obeys::Never);
    let turn = begin(&sandbox, START);
    let problems = finish(&sandbox, START, turn, Part::Rds).unwrap_err();
    assert!(problems.all(CallErrorKind::NotVerified), "{problems}");
    assert_eq!((sandbox.board.on(), recorded(&sandbox, Part::Rds)), (vec!["rds/e".to_owned()], vec!["d".to_owned()]));
}

#[test]
fn a_call_that_fails_is_made_again_by_the_next_try() {
    let sandbox = closed(&["studio/a", "studio/b"]);
    sandbox.board.fail("studio/a", CallErrorKind::Unavailable, 0, 3);
    begin(&sandbox, START);
    for _ in 0..3 {
        assert_eq!(problem(start(&sandbox, Part::Studio)).0, CallErrorKind::Unavailable);
    }
    assert_eq!(start(&sandbox, Part::Studio), done(Part::Studio));
    assert_eq!(sandbox.board.on(), ["studio/a", "studio/b"]);
}

#[test]
fn a_role_that_closing_blocked_is_opened_although_nothing_is_recorded_of_it() {
    let sandbox = sandbox();
    sandbox.board.put("access/ana", Phase::Off);
    sandbox.board.put("access/jo", Phase::On);
    begin(&sandbox, START);
    assert_eq!(start(&sandbox, Part::Access), done(Part::Access));
    assert_eq!(sandbox.board.take_orders(), ["on access/ana"]);
    assert_eq!(recorded(&sandbox, Part::Access), [""; 0]);
}

#[test]
fn a_start_that_closing_interrupts_loses_nothing() {
    let sandbox = closed(&["notebooks/a", "notebooks/b", "notebooks/c"]);
    sandbox.board.behave("notebooks/b", Obeys::AfterLooks(1_000));
    sandbox.board.fail("notebooks/c", CallErrorKind::Unavailable, 0, 1);
    begin(&sandbox, START);
    start(&sandbox, Part::Notebooks).unwrap_err();
    assert_eq!(sandbox.board.on(), ["notebooks/a"], "one is up, one on its way, one was not told");
    sandbox.board.behave("notebooks/b", Obeys::AtOnce);
    sandbox.board.put("notebooks/b", Phase::TurningOn);
    run(&sandbox, Workflow::Stop);
    assert_eq!(sandbox.board.on(), [""; 0]);
    assert_eq!(recorded(&sandbox, Part::Notebooks).len(), 3);
    run(&sandbox, START);
    assert_eq!(sandbox.board.on(), ["notebooks/a", "notebooks/b", "notebooks/c"]);
}

#[test]
fn a_thing_is_never_turned_on_for_a_workflow_without_the_turn() {
    let sandbox = closed(&["studio/a"]);
    let turn = begin(&sandbox, START);
    begin(&sandbox, Workflow::Stop);
    let answer = sandbox.step(about("part", START, turn, Part::Studio));
    assert_eq!(answer, Ok(json!({"outcome": "superseded", "part": "studio", "wait": 0})));
    assert_eq!(sandbox.board.take_orders(), [""; 0]);
    assert_eq!(recorded(&sandbox, Part::Studio), ["a"]);
}
