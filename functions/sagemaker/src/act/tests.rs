//! Stopping things in a SageMaker in memory: what an enforce sees before it acts, and what becomes of its orders.

use guardrail::catalogue;
use guardrail::judge::assess;
use guardrail::{Configuration, Guardrail};
use lambda::fakes::block_on;

use super::*;
use crate::fakes::{FakeSageMaker, configured, ids, minutes, now, operations};
use crate::studio::AppOwner;

fn policy(id: &str, parameters: &[(&str, &str)]) -> Policy {
    let guardrail: &'static Guardrail = catalogue::find(id).unwrap();
    configured(parameters).policy(guardrail)
}

fn resource(kind: &str, id: &str) -> Resource {
    Resource { kind: kind.to_owned(), id: id.to_owned() }
}

fn look(sagemaker: &FakeSageMaker, policy: &Policy, resources: &[Resource], with_peers: bool) -> Look {
    block_on(SageMaker::new(sagemaker.clone()).look(policy, resources, with_peers, now())).unwrap()
}

/// What becomes of the order that this guardrail gives about this, after a look.
fn act(sagemaker: &FakeSageMaker, guardrail: &str, resource: &Resource) -> Result<Acted, CallError> {
    let (policy, mut this) = (policy(guardrail, &[]), SageMaker::new(sagemaker.clone()));
    let resources = std::slice::from_ref(resource);
    block_on(async {
        this.look(&policy, resources, false, now()).await?;
        this.act(&policy, resources, 0).await.pop().unwrap()
    })
}

#[test]
fn each_kind_of_thing_is_stopped_in_its_own_way() {
    let sagemaker = FakeSageMaker::default();
    sagemaker.pipeline("Churn");
    let execution = sagemaker.execution("Churn", "e1", minutes(30), "Executing");
    sagemaker.notebook("ana", minutes(30), "InService");
    let app = sagemaker.app("d-1", AppOwner::Space("lab".to_owned()), minutes(30), "InService");
    let mut expected = Vec::new();
    let mut check = |guardrail: &str, kind: &str, id: &str, action: ActionKind| {
        let resource = resource(kind, id);
        assert_eq!(act(&sagemaker, guardrail, &resource), Ok(Acted::told(action)));
        expected.push(id.to_owned());
        assert_eq!(sagemaker.stopped(), expected);
        // It is seen to be ending.
        let seen = look(&sagemaker, &policy(guardrail, &[]), &[resource], false);
        assert!(matches!(seen.found.get(id), Some(Found::Ending(_))), "{kind}: {:?}", seen.found);
        assert!(seen.observations.is_empty());
    };
    check("sagemaker-execution-runtime", EXECUTION, &execution, ActionKind::StopExecution);
    for (kind, guardrail) in [
        (JobKind::Training, "sagemaker-training-runtime"),
        (JobKind::Processing, "sagemaker-processing-runtime"),
        (JobKind::Transform, "sagemaker-transform-runtime"),
        (JobKind::Tuning, "sagemaker-tuning-runtime"),
        (JobKind::AutoMl, "sagemaker-automl-runtime"),
    ] {
        let id = sagemaker.job(kind, "Fit", minutes(30), &[]);
        check(guardrail, kind.resource(), &id, ActionKind::StopJob);
    }
    check("sagemaker-notebook-uptime", NOTEBOOK, "ana", ActionKind::StopNotebook);
    check("sagemaker-app-uptime", APP, &app, ActionKind::DeleteApp);
    let called = sagemaker.calls();
    let declared = crate::client::SageMakerClient::ENFORCE_ACTIONS;
    assert!(operations(&called).iter().all(|operation| declared.contains(operation)), "{called:?}");
}

#[test]
fn an_application_is_deleted_as_whose_it_is() {
    let sagemaker = FakeSageMaker::default();
    let (space, profile) = (AppOwner::Space("lab".to_owned()), AppOwner::UserProfile("lab".to_owned()));
    sagemaker.app("d-1", profile.clone(), minutes(5), "InService");
    let id = sagemaker.app("d-1", space.clone(), minutes(30), "InService");
    let app = resource(APP, &id);
    let states =
        |states: [&str; 2]| vec![(profile.clone(), states[0].to_owned()), (space.clone(), states[1].to_owned())];
    assert_eq!(act(&sagemaker, "sagemaker-app-uptime", &app), Ok(Acted::told(ActionKind::DeleteApp)));
    assert_eq!(sagemaker.apps_now(), states(["InService", "Deleting"]), "the one that was up first");
    assert_eq!(act(&sagemaker, "sagemaker-app-uptime", &app), Ok(Acted::told(ActionKind::DeleteApp)));
    assert_eq!(sagemaker.apps_now(), states(["Deleting", "Deleting"]));
}

#[test]
fn what_has_gone_or_ended_is_found_so() {
    let sagemaker = FakeSageMaker::default();
    let ended = sagemaker.job(JobKind::Training, "ended", minutes(30), &[]);
    sagemaker.job_is(&ended, "Completed");
    let asked = [resource("training job", &ended), resource("training job", "training-job/none")];
    let seen = look(&sagemaker, &policy("sagemaker-training-runtime", &[]), &asked, false);
    assert_eq!(seen.found.get(&ended), Some(&Found::Ended("Completed".to_owned())));
    assert_eq!(seen.found.get("training-job/none"), Some(&Found::Unknown));
    assert!(seen.observations.is_empty());
}

/// An order that SageMaker answers so ends so.
#[track_caller]
fn check_refusal(kind: CallErrorKind, sentence: &str, ends: impl Fn(&Result<Acted, CallError>) -> bool) {
    let sagemaker = FakeSageMaker::default();
    sagemaker.notebook("ana", minutes(30), "InService");
    let problem = CallError { operation: "sagemaker:StopNotebookInstance", kind, message: sentence.to_owned() };
    sagemaker.fail_with("sagemaker:StopNotebookInstance", None, problem, 1);
    let ended = act(&sagemaker, "sagemaker-notebook-uptime", &resource(NOTEBOOK, "ana"));
    assert!(ends(&ended), "{sentence}: {ended:?}");
    assert!(sagemaker.stopped().is_empty());
}

#[test]
fn an_order_that_comes_too_late_is_no_failure_and_one_that_comes_too_early_is() {
    let told = |ended: &Result<Acted, CallError>| *ended == Ok(Acted::told(ActionKind::StopNotebook));
    check_refusal(CallErrorKind::Missing, "ResourceNotFound: RecordNotFound", told);
    check_refusal(CallErrorKind::Invalid, "ValidationException: RecordNotFound", told);
    check_refusal(CallErrorKind::Invalid, "ValidationException: Status (Stopping) not in ([InService]).", told);
    let again = |ended: &Result<Acted, CallError>| ended.is_err();
    check_refusal(CallErrorKind::Invalid, "ValidationException: Status (Pending) not in ([InService]).", again);
    check_refusal(CallErrorKind::Invalid, "ConflictException: somebody else is changing it", again);
    check_refusal(CallErrorKind::Throttled, "ThrottlingException: Rate exceeded", again);
    check_refusal(CallErrorKind::Denied, "AccessDeniedException: no", again);
    let refused =
        |ended: &Result<Acted, CallError>| matches!(ended, Ok(Acted::Refused(why)) if why.contains("is not valid"));
    check_refusal(CallErrorKind::Invalid, "ValidationException: it is not valid", refused);
}

#[test]
fn orders_keep_their_order() {
    let sagemaker = FakeSageMaker::default();
    let jobs: Vec<String> =
        (0..20).map(|number| sagemaker.job(JobKind::Training, &format!("j{number:02}"), minutes(30), &[])).collect();
    let refused = CallError {
        operation: "sagemaker:StopTrainingJob",
        kind: CallErrorKind::Invalid,
        message: "ValidationException: no".to_owned(),
    };
    sagemaker.fail_with("sagemaker:StopTrainingJob", Some("j07"), refused, 1);
    let resources: Vec<Resource> = jobs.iter().map(|id| resource("training job", id)).collect();
    let policy = policy("sagemaker-training-runtime", &[]);
    let acted = block_on(SageMaker::new(sagemaker).act(&policy, &resources, 0));
    let refused: Vec<usize> = acted
        .iter()
        .enumerate()
        .filter(|(_, acted)| matches!(acted, Ok(Acted::Refused(_))))
        .map(|(place, _)| place)
        .collect();
    assert_eq!((acted.len(), refused), (20, vec![7]));
}

/// What is over this count, in this account, by the enforce's own look.
fn beyond(sagemaker: &FakeSageMaker, policy: &Policy, asked: &Resource) -> Vec<String> {
    let seen = look(sagemaker, policy, std::slice::from_ref(asked), true);
    let assessments = assess(policy, &seen.observations, now());
    let breaches = assessments.iter().filter(|assessment| assessment.breach).map(|assessment| assessment.observation);
    ids(breaches).into_iter().map(str::to_owned).collect()
}

#[test]
fn a_count_is_counted_again_before_anything_is_stopped() {
    let sagemaker = FakeSageMaker::default();
    for (name, executions) in [("Storm", 4), ("Calm", 2)] {
        sagemaker.pipeline(name);
        for number in 0..executions {
            sagemaker.execution(name, &format!("e{number}"), minutes(number), "Executing");
        }
    }
    let newest = resource(EXECUTION, "storm/execution/e0");
    let limit = ("/sandbox-guardrails/sagemaker/sagemaker-pipeline-concurrent-executions/limit/Storm", "3");
    let of_pipeline = policy("sagemaker-pipeline-concurrent-executions", &[limit]);
    assert_eq!(beyond(&sagemaker, &of_pipeline, &newest), ["storm/execution/e0"]);
    // Only the pipeline that is meant is read: its name, its list, and who started each.
    assert_eq!(sagemaker.calls().values().sum::<usize>(), 1 + 1 + 4);

    let limit = ("/sandbox-guardrails/sagemaker/sagemaker-concurrent-executions/limit", "5");
    let of_sandbox = policy("sagemaker-concurrent-executions", &[limit]);
    let newest_of_all = beyond(&sagemaker, &of_sandbox, &newest);
    assert_eq!(newest_of_all.len(), 1);
    sagemaker.execution_is("storm/execution/e3", "Succeeded");
    assert_eq!(beyond(&sagemaker, &of_sandbox, &newest), [""; 0]);
    assert_eq!(beyond(&sagemaker, &of_pipeline, &newest), [""; 0]);
}

#[test]
fn jobs_of_all_kinds_notebooks_and_applications_are_counted_too() {
    let sagemaker = FakeSageMaker::default();
    for (kind, age) in JobKind::ALL.into_iter().zip([5, 4, 3, 2, 1]) {
        sagemaker.job(kind, "fit", minutes(age), &[]);
    }
    for (name, age) in [("ana", 9), ("jo", 1)] {
        sagemaker.notebook(name, minutes(age), "InService");
        sagemaker.app("d-1", AppOwner::UserProfile(name.to_owned()), minutes(age), "InService");
    }
    for (guardrail, limit, kind, id) in [
        ("sagemaker-concurrent-jobs", "4", "automl job", "automl-job/fit"),
        ("sagemaker-notebook-count", "1", NOTEBOOK, "jo"),
        ("sagemaker-app-count", "1", APP, "d-1/jo/JupyterLab/default"),
    ] {
        let limit_of = format!("/sandbox-guardrails/sagemaker/{guardrail}/limit");
        let policy = policy(guardrail, &[(&limit_of, limit)]);
        assert_eq!(beyond(&sagemaker, &policy, &resource(kind, id)), [id]);
    }
}

#[test]
fn tags_are_read_afresh_before_anything_is_stopped() {
    let sagemaker = FakeSageMaker::default();
    let job = resource("training job", &sagemaker.job(JobKind::Training, "fit", minutes(30), &[]));
    let limit = ("/sandbox-guardrails/sagemaker/sagemaker-training-runtime/limit/owner/ana", "2h");
    let policy = policy("sagemaker-training-runtime", &[limit]);
    let mut this = SageMaker::new(sagemaker.clone());
    let mut owner = || {
        let seen = block_on(this.look(&policy, std::slice::from_ref(&job), false, now())).unwrap();
        seen.observations.first().and_then(|seen| seen.owner.clone())
    };
    assert_eq!(owner(), None);
    sagemaker.tag("training-job/fit", "owner", "ana");
    assert_eq!(owner().as_deref(), Some("ana"));
}

#[test]
fn what_cannot_be_seen_is_not_acted_on() {
    let sagemaker = FakeSageMaker::default();
    let id = sagemaker.job(JobKind::Training, "fit", minutes(30), &[]);
    let asked = [resource("training job", &id)];
    for (operation, guardrail, with_peers) in [
        ("sagemaker:DescribeTrainingJob", "sagemaker-training-runtime", false),
        ("sagemaker:ListTransformJobs", "sagemaker-concurrent-jobs", true),
    ] {
        sagemaker.fail(operation, None, CallErrorKind::Denied, 1);
        let policy = Configuration::default().policy(catalogue::find(guardrail).unwrap());
        let problem = block_on(SageMaker::new(sagemaker.clone()).look(&policy, &asked, with_peers, now())).unwrap_err();
        assert_eq!((problem.operation, problem.kind), (operation, CallErrorKind::Denied));
    }
    assert!(sagemaker.stopped().is_empty());
}

#[test]
fn the_samples_are_what_they_say() {
    let sample = |name: &str| {
        let path = format!("{}/../../events/sagemaker-enforce/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let event: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let account = event["account"].as_str().unwrap().to_owned();
        (account, guardrail::Event::from_detail(event["detail-type"].as_str().unwrap(), event["detail"].clone()))
    };
    let finding = |name: &str| match sample(name) {
        (account, Ok(guardrail::Event::Finding(finding))) => (account == finding.header.sandbox.account, finding),
        (_, other) => panic!("{name}: {other:?}"),
    };
    let (own, breach) = finding("breach");
    assert!(own && breach.wants_action());
    let guardrail = catalogue::find(&breach.guardrail).unwrap();
    let id = guardrail::Finding::id_of(guardrail, &breach.resource, breach.level, breach.episode);
    assert_eq!((breach.header.id, breach.measure, breach.action), (id, guardrail.measure, guardrail.action));
    assert!(!finding("other-account").0);
    assert!(catalogue::find(&finding("unknown-guardrail").1.guardrail).is_none());
    assert!(sample("malformed").1.unwrap_err().to_string().contains("resource"));
}
