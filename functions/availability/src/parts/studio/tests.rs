//! What SageMaker answers about applications of Studio, recorded, and what it comes to.

use aws_sdk_sagemaker::types::AppStatus;
use lambda::fakes::replay::{Answer, Replay, Request};
use lambda::fakes::{at, block_on};

use super::*;

const SPACE: (&str, &str) = ("SpaceName", "lab");
const PROFILE: (&str, &str) = ("UserProfileName", "ana");

fn studio(answers: impl IntoIterator<Item = Answer>) -> (Studio, Replay) {
    let (replay, aws) = Replay::of(answers);
    (Studio::new(&aws), replay)
}

fn spec() -> Value {
    json!({"InstanceType": "ml.g5.xlarge", "SageMakerImageArn": "arn:image", "LifecycleConfigArn": "arn:lifecycle"})
}

/// What names an application.
fn names((owner, name): (&str, &str)) -> Value {
    json!({"DomainId": "d-1", owner: name, "AppType": "JupyterLab", "AppName": "default"})
}

/// The same with more members.
fn with(mut base: Value, rest: &Value) -> Value {
    base.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    base
}

/// An application as the list shows it.
fn sent(owner: (&str, &str), state: &str, created_at: u32) -> Value {
    with(names(owner), &json!({"Status": state, "CreationTime": created_at, "ResourceSpec": spec()}))
}

fn memo(owner: (&str, &str)) -> Value {
    with(names(owner), &json!({"ResourceSpec": spec()}))
}

fn item(owner: (&str, &str), phase: Phase, state: &str) -> Item {
    let id = format!("d-1/{}/JupyterLab/default", owner.1);
    let resource = Resource { kind: "app".to_owned(), id };
    Item { resource, phase, state: state.to_owned(), finishes: false, memo: Some(memo(owner)) }
}

fn turned_off(memo: Value) -> TurnedOff {
    TurnedOff { resource: item(SPACE, Phase::Off, "Deleted").resource, memo }
}

fn listed(apps: &[Value]) -> Answer {
    Answer::ok(&json!({"Apps": apps}))
}

fn described(state: &str) -> Answer {
    Answer::ok(&json!({"Status": state}))
}

fn refused(code: &str, message: &str) -> Answer {
    Answer::error(400, code, &json!({"message": message}))
}

fn denied() -> Answer {
    Answer::error(400, "AccessDeniedException", &Value::Null)
}

fn request(operation: &str, body: Value) -> Request {
    (operation.to_owned(), body)
}

#[test]
fn every_state_has_its_phase() {
    let of_mine = |state: &str| match state {
        "InService" | "Hibernating" => Some(Phase::On),
        "Pending" => Some(Phase::TurningOn),
        "Deleting" => Some(Phase::TurningOff),
        "Failed" => Some(Phase::Off),
        // It has gone; the list goes on showing it for a day.
        "Deleted" => None,
        other => panic!("`{other}` is new: say where it stands"),
    };
    for state in AppStatus::values().iter().copied().chain(["Hibernating"]) {
        for owner in [SPACE, PROFILE] {
            let (studio, replay) = studio([listed(&[sent(owner, state, 1)])]);
            let expected = of_mine(state).map(|phase| item(owner, phase, state)).into_iter().collect();
            assert_eq!(block_on(studio.look()), Ok(expected), "{state}");
            assert_eq!(replay.requests(), [request("ListApps", json!({"MaxResults": 100}))], "one call sees all");
        }
    }
}

#[test]
fn all_pages_are_looked_at() {
    let (studio, replay) = studio([
        Answer::error(400, "ThrottlingException", &Value::Null),
        Answer::ok(&json!({"Apps": [sent(SPACE, "InService", 1)], "NextToken": "2"})),
        Answer::ok(&json!({"Apps": [sent(PROFILE, "Pending", 1)], "NextToken": ""})),
    ]);
    let both = vec![item(PROFILE, Phase::TurningOn, "Pending"), item(SPACE, Phase::On, "InService")];
    assert_eq!(block_on(studio.look()), Ok(both));
    assert_eq!(replay.requests().pop(), Some(request("ListApps", json!({"MaxResults": 100, "NextToken": "2"}))));
}

#[test]
fn of_several_with_one_id_what_runs_stands_for_all_then_the_oldest() {
    let space = ("SpaceName", "ana");
    for (seen, expected) in [
        ([sent(PROFILE, "Deleted", 1), sent(PROFILE, "InService", 2)], (PROFILE, "InService")),
        ([sent(PROFILE, "Deleting", 1), sent(space, "InService", 2)], (space, "InService")),
        ([sent(PROFILE, "Pending", 1), sent(space, "InService", 2)], (space, "InService")),
        ([sent(PROFILE, "Failed", 1), sent(space, "Deleting", 2)], (space, "Deleting")),
        ([sent(PROFILE, "InService", 2), sent(space, "InService", 1)], (space, "InService")),
    ] {
        let (first, last) = (seen.clone(), seen.into_iter().rev().collect::<Vec<_>>());
        for apps in [first.to_vec(), last] {
            let (studio, _) = studio([listed(&apps)]);
            let items = block_on(studio.look()).unwrap();
            let seen: Vec<_> = items.iter().map(|item| (item.memo.clone(), item.state.as_str())).collect();
            assert_eq!(seen, [(Some(memo(expected.0)), expected.1)]);
        }
    }
}

#[test]
fn what_an_application_runs_on_is_asked_where_the_list_does_not_tell() {
    let bare = |state: &str| {
        let mut app = sent(SPACE, state, 1);
        app.as_object_mut().unwrap().remove("ResourceSpec");
        app
    };
    let mut nothing = item(SPACE, Phase::On, "InService");
    nothing.memo = Some(names(SPACE));
    for (answer, expected) in [
        (
            Answer::ok(&json!({"Status": "InService", "ResourceSpec": spec()})),
            Ok(vec![item(SPACE, Phase::On, "InService")]),
        ),
        (described("InService"), Ok(vec![nothing])),
        (refused("ResourceNotFound", "App does not exist"), Ok(vec![])),
        (denied(), Err(CallErrorKind::Denied)),
    ] {
        let (studio, replay) = studio([listed(&[bare("InService")]), answer]);
        let items = block_on(studio.look()).map_err(|problems| problems.into_first().unwrap().kind);
        assert_eq!(items, expected);
        assert_eq!(replay.requests().pop(), Some(request("DescribeApp", names(SPACE))));
    }
    // What is going or gone is not deleted any more, so there is nothing to remember.
    let (studio, replay) = studio([listed(&[bare("Deleting")])]);
    assert_eq!(block_on(studio.look()).map(|items| items.len()), Ok(1));
    assert_eq!(replay.requests().len(), 1);
}

#[test]
fn what_is_not_seen_wholly_never_passes_for_closed() {
    let page = || Answer::ok(&json!({"Apps": [sent(SPACE, "Deleted", 1)], "NextToken": "2"}));
    let ownerless = json!({"DomainId": "d-1", "AppType": "JupyterLab", "AppName": "x", "Status": "InService"});
    for (answers, kind) in [
        (vec![denied()], CallErrorKind::Denied),
        (vec![page(), denied()], CallErrorKind::Denied),
        (vec![listed(&[ownerless])], CallErrorKind::Unavailable),
    ] {
        let (studio, _) = studio(answers);
        let problem = block_on(studio.look()).unwrap_err().into_first().unwrap();
        assert_eq!((problem.operation, problem.kind), ("sagemaker:ListApps", kind));
    }
}

/// What an order comes to that is answered so, and the requests that were made.
fn turned(order: Order, answers: impl IntoIterator<Item = Answer>) -> (Result<Turned, CallErrorKind>, Vec<Request>) {
    let (studio, replay) = studio(answers);
    let turned = match order {
        Order::Off => block_on(studio.turn_off(&item(SPACE, Phase::On, "InService"), at(0))),
        Order::On => block_on(studio.turn_on(&turned_off(memo(SPACE)))),
    };
    (turned.map_err(|problem| problem.kind), replay.requests())
}

#[test]
fn an_application_is_deleted_and_made_anew_as_it_was() {
    for owner in [SPACE, PROFILE] {
        let (studio, replay) = studio([Answer::ok(&json!({})), Answer::ok(&json!({"AppArn": "arn"}))]);
        assert_eq!(block_on(studio.turn_off(&item(owner, Phase::On, "InService"), at(0))), Ok(Turned::Told));
        assert_eq!(block_on(studio.turn_on(&turned_off(memo(owner)))), Ok(Turned::Told));
        assert_eq!(replay.requests(), [request("DeleteApp", names(owner)), request("CreateApp", memo(owner))]);
    }
    // All that it may run on comes back; what nothing was told of is left to the domain's settings.
    let full = json!({
        "InstanceType": "ml.new.xlarge", "SageMakerImageArn": "arn:image", "SageMakerImageVersionArn": "arn:version",
        "SageMakerImageVersionAlias": "1", "LifecycleConfigArn": "arn:lifecycle", "TrainingPlanArn": "arn:plan",
    });
    for memo in [with(names(SPACE), &json!({"ResourceSpec": full})), names(SPACE)] {
        let (studio, replay) = studio([Answer::ok(&json!({}))]);
        assert_eq!(block_on(studio.turn_on(&turned_off(memo.clone()))), Ok(Turned::Told));
        assert_eq!(replay.requests(), [request("CreateApp", memo)]);
    }
}

#[test]
fn an_order_that_is_refused_is_settled_by_a_second_look() {
    let later = Err(CallErrorKind::Invalid);
    let never = "1 validation error detected";
    let said = Ok(Turned::Refused(format!("SageMaker refuses it: ValidationException: {never}")));
    let gone = || refused("ResourceNotFound", "App does not exist");
    // (what a second look sees, what deleting and creating come to where the refusal may pass, where it may not)
    for (second, off, on) in [
        (described("InService"), [later.clone(), said.clone()], [Ok(Turned::Told), Ok(Turned::Told)]),
        (described("Pending"), [later.clone(), later.clone()], [Ok(Turned::Told), Ok(Turned::Told)]),
        (described("Deleting"), [Ok(Turned::Told), Ok(Turned::Told)], [later.clone(), later.clone()]),
        (described("Failed"), [Ok(Turned::Told), Ok(Turned::Told)], [later.clone(), said.clone()]),
        (described("Deleted"), [Ok(Turned::Gone), Ok(Turned::Gone)], [later.clone(), said.clone()]),
        (gone(), [Ok(Turned::Gone), Ok(Turned::Gone)], [later, said]),
        (
            denied(),
            [Err(CallErrorKind::Denied), Err(CallErrorKind::Denied)],
            [Err(CallErrorKind::Denied), Err(CallErrorKind::Denied)],
        ),
    ] {
        for (order, expected) in [(Order::Off, off), (Order::On, on)] {
            let refusals = [refused("ResourceInUse", "The app is in use"), refused("ValidationException", never)];
            for (refusal, expected) in refusals.into_iter().zip(expected) {
                let (turned, requests) = turned(order, [refusal, second.clone()]);
                assert_eq!(turned, expected, "{order:?} {second:?}");
                assert_eq!(requests.last(), Some(&request("DescribeApp", names(SPACE))));
            }
        }
    }
}

#[test]
fn what_is_missed_when_an_application_is_made_anew_tells_whether_it_is_gone() {
    let said = |message: &str| Ok(Turned::Refused(format!("SageMaker refuses it: {message}")));
    for (code, message, expected) in [
        ("ResourceNotFound", "Space lab does not exist", Ok(Turned::Gone)),
        ("ValidationException", "UserProfile ana does not exist", Ok(Turned::Gone)),
        ("ResourceNotFound", "Domain d-1 not found", Ok(Turned::Gone)),
        (
            "ResourceNotFound",
            "Image arn:image does not exist",
            said("ResourceNotFound: Image arn:image does not exist"),
        ),
        (
            "ValidationException",
            "StudioLifecycleConfig x does not exist",
            said("ValidationException: StudioLifecycleConfig x does not exist"),
        ),
    ] {
        let (turned, requests) = turned(Order::On, [refused(code, message)]);
        assert_eq!((turned, requests.len()), (expected, 1), "{message}");
    }
    let (turned, requests) = turned(Order::Off, [refused("ResourceNotFound", "App does not exist")]);
    assert_eq!((turned, requests.len()), (Ok(Turned::Gone), 1));
}

#[test]
fn an_order_that_fails_for_now_fails() {
    let quota = Answer::error(400, "ResourceLimitExceeded", &Value::Null);
    for (answer, kind) in [(denied(), CallErrorKind::Denied), (quota, CallErrorKind::Throttled)] {
        for order in [Order::Off, Order::On] {
            assert_eq!(turned(order, [answer.clone()]).0, Err(kind));
        }
    }
}

#[test]
fn what_does_not_name_an_application_is_refused_without_a_call() {
    let said = "what is known of `d-1/lab/JupyterLab/default` does not name its domain, its owner and its type";
    let expected = Ok(Turned::Refused(said.to_owned()));
    let ownerless = json!({"DomainId": "d-1", "AppType": "JupyterLab", "AppName": "default"});
    for memo in [Value::Null, json!({}), ownerless] {
        let (studio, replay) = studio([]);
        assert_eq!(block_on(studio.turn_on(&turned_off(memo.clone()))), expected);
        let seen = Item { memo: Some(memo), ..item(SPACE, Phase::On, "InService") };
        assert_eq!(block_on(studio.turn_off(&seen, at(0))), expected);
        assert_eq!(replay.requests(), []);
    }
}
