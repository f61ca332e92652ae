//! Workflows that are run twice, or against each other: the sandbox ends in the state asked for last.

use serde_json::json;

use super::scene::Scene;
use super::{await_state, ended, may_act, what_is};

#[test]
fn the_sandbox_ends_in_the_state_asked_for_last() {
    let scene = Scene::small();
    let sandbox = &scene.sandbox;
    let cases = [
        (["stop", "stop"], "closed"),
        (["stop", "start"], "open"),
        (["start", "stop"], "closed"),
        (["start", "start"], "open"),
        (["start", "stop"], "closed"),
        (["stop", "start"], "open"),
    ];
    for (asked, state) in cases {
        let executions = asked.map(|workflow| sandbox.begin(workflow, &json!({})).unwrap());
        for execution in executions {
            assert_eq!(ended(sandbox, &execution).status, "SUCCEEDED", "{asked:?}: {}", what_is(sandbox));
        }
        await_state(sandbox, state);
        let notebook = if state == "open" { "InService" } else { "Stopped" };
        assert_eq!(scene.notebook_state(), notebook, "{asked:?}: {}", what_is(sandbox));
        assert_eq!(may_act(&scene.signs_in()), state == "open", "{asked:?}");
    }
}

#[test]
fn a_workflow_that_is_superseded_half_way_does_nothing_more() {
    let scene = Scene::full();
    let sandbox = &scene.sandbox;
    let before = scene.states();
    let stop = sandbox.begin("stop", &json!({})).unwrap();
    // In the middle of turning things off.
    super::wait_for("the first part to be closed", super::AT_MOST, || {
        (!super::told(sandbox, "part_closed/000001/athena").is_empty()).then_some(())
    })
    .unwrap();
    let start = sandbox.begin("start", &json!({})).unwrap();
    for execution in [stop, start] {
        assert_eq!(ended(sandbox, &execution).status, "SUCCEEDED", "{}", what_is(sandbox));
    }
    await_state(sandbox, "open");
    assert_eq!(scene.states(), before, "{}", what_is(sandbox));
    assert!(may_act(&scene.signs_in()));
}
