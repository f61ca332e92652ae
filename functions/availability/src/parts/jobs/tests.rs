//! What SageMaker answers about jobs and executions of pipelines, recorded, and what it comes to.

use aws_sdk_sagemaker::types::{
    AutoMlJobStatus, HyperParameterTuningJobStatus, PipelineExecutionStatus, ProcessingJobStatus, TrainingJobStatus,
    TransformJobStatus,
};
use lambda::fakes::replay::{Answer, Replay, Request};
use lambda::fakes::{at, block_on};
use serde_json::{Value, json};

use super::*;

const ARN: &str = "arn:aws:sagemaker:eu-west-1:111111111111:pipeline/churn";

/// A day, in seconds.
const DAY: i64 = 86_400;

/// How many lists of jobs a look reads: two states of each kind.
const LISTS: usize = 10;

fn jobs(answers: impl IntoIterator<Item = Answer>) -> (Jobs, Replay) {
    let (replay, aws) = Replay::of(answers);
    (Jobs::new(&aws, "111111111111"), replay)
}

/// What the operations and members of a kind are called.
fn stem(kind: JobKind) -> &'static str {
    match kind {
        JobKind::AutoMl => "AutoMLJob",
        JobKind::Tuning => "HyperParameterTuningJob",
        JobKind::Training => "TrainingJob",
        JobKind::Processing => "ProcessingJob",
        JobKind::Transform => "TransformJob",
    }
}

fn describe(kind: JobKind) -> String {
    let version = if kind == JobKind::AutoMl { "V2" } else { "" };
    format!("Describe{}{version}", stem(kind))
}

fn states(kind: JobKind) -> &'static [&'static str] {
    match kind {
        JobKind::AutoMl => AutoMlJobStatus::values(),
        JobKind::Tuning => HyperParameterTuningJobStatus::values(),
        JobKind::Training => TrainingJobStatus::values(),
        JobKind::Processing => ProcessingJobStatus::values(),
        JobKind::Transform => TransformJobStatus::values(),
    }
}

/// Where a job or an execution in this state stands.
fn of_mine(state: &str) -> Phase {
    match state {
        "InProgress" | "Executing" | "Paused" => Phase::On,
        "Stopping" | "Deleting" => Phase::TurningOff,
        "Completed" | "Failed" | "Stopped" | "DeleteFailed" | "Succeeded" | "CompletedWithFailures" => Phase::Off,
        other => panic!("`{other}` is new: say where it stands"),
    }
}

/// A page of a list of jobs.
fn page(kind: JobKind, jobs: &[(&str, &str)], next: Option<&str>) -> Answer {
    let stem = stem(kind);
    let jobs: Vec<Value> =
        jobs.iter().map(|(name, state)| json!({format!("{stem}Name"): name, format!("{stem}Status"): state})).collect();
    Answer::ok(&json!({format!("{stem}Summaries"): jobs, "NextToken": next}))
}

fn empty() -> Answer {
    Answer::ok(&json!({}))
}

fn denied() -> Answer {
    Answer::error(400, "AccessDeniedException", &Value::Null)
}

fn refused(message: &str) -> Answer {
    Answer::error(400, "ValidationException", &json!({"message": message}))
}

fn pipelines(pipelines: &[(&str, Option<i64>)]) -> Answer {
    let summary = |(name, last): &(&str, Option<i64>)| {
        json!({
            "PipelineArn": format!("arn:aws:sagemaker:eu-west-1:111111111111:pipeline/{}", name.to_ascii_lowercase()),
            "PipelineName": name, "LastExecutionTime": last,
        })
    };
    let summaries: Vec<Value> = pipelines.iter().map(summary).collect();
    Answer::ok(&json!({"PipelineSummaries": summaries}))
}

fn executions(executions: &[(&str, &str, i64)], next: Option<&str>) -> Answer {
    let summary = |(id, state, start): &(&str, &str, i64)| {
        json!({
            "PipelineExecutionArn": format!("{ARN}/execution/{id}"), "PipelineExecutionStatus": state,
            "StartTime": start,
        })
    };
    let summaries: Vec<Value> = executions.iter().map(summary).collect();
    Answer::ok(&json!({"PipelineExecutionSummaries": summaries, "NextToken": next}))
}

fn seen(kind: &str, id: &str, state: &str) -> Item {
    let resource = Resource { kind: kind.to_owned(), id: id.to_owned() };
    Item { resource, phase: of_mine(state), state: state.to_owned(), finishes: true, memo: None }
}

fn execution(id: &str, state: &str) -> Item {
    seen("pipeline execution", &format!("churn/execution/{id}"), state)
}

fn request(operation: &str, body: Value) -> Request {
    (operation.to_owned(), body)
}

#[test]
fn jobs_under_way_are_seen_on_all_pages_of_both_lists() {
    for kind in JobKind::ALL {
        let (jobs, replay) = jobs([
            Answer::error(400, "ThrottlingException", &Value::Null),
            page(kind, &[("Fit", "InProgress")], Some("2")),
            page(kind, &[("late", "InProgress"), ("over", "Completed")], Some("")),
            // It began to stop after it was listed as in progress.
            page(kind, &[("late", "Stopping")], None),
        ]);
        let expected = [("Fit", "InProgress"), ("late", "Stopping")];
        let expected = expected.map(|(name, state)| seen(kind.resource(), &kind.id(name), state));
        assert_eq!(block_on(jobs.under_way(kind)), Ok(expected.to_vec()));
        let list = format!("List{}s", stem(kind));
        assert_eq!(kind.list_action(), format!("sagemaker:{list}"));
        let first = json!({"StatusEquals": "InProgress", "MaxResults": 100});
        let mut second = first.clone();
        second["NextToken"] = json!("2");
        let third = json!({"StatusEquals": "Stopping", "MaxResults": 100});
        assert_eq!(replay.requests(), [first.clone(), first, second, third].map(|body| request(&list, body)));
    }
}

#[test]
fn every_state_has_its_phase() {
    for kind in JobKind::ALL {
        for state in states(kind).iter().copied().chain(["Paused"]) {
            assert_eq!(job_phase(kind, state), of_mine(state));
            let (jobs, _) = jobs([page(kind, &[("fit", state)], None), empty()]);
            let expected = (of_mine(state) != Phase::Off).then(|| seen(kind.resource(), &kind.id("fit"), state));
            assert_eq!(block_on(jobs.under_way(kind)), Ok(expected.into_iter().collect()), "{state}");
        }
    }
    for state in PipelineExecutionStatus::values().iter().copied().chain(["Paused"]) {
        let (jobs, _) = jobs([pipelines(&[("Churn", Some(0))]), executions(&[("e1", state, 0)], None)]);
        let expected = (of_mine(state) != Phase::Off).then(|| execution("e1", state));
        assert_eq!(block_on(jobs.executions()), Ok(expected.into_iter().collect()), "{state}");
    }
}

#[test]
fn what_starts_others_comes_first() {
    let lists = JobKind::ALL.into_iter().flat_map(|kind| [page(kind, &[("fit", "InProgress")], None), empty()]);
    let head = [pipelines(&[("Churn", Some(0))]), executions(&[("e1", "Executing", 0)], None)];
    let (jobs, replay) = jobs(head.into_iter().chain(lists));
    let items = block_on(jobs.look()).unwrap();
    let ids: Vec<&str> = items.iter().map(|item| item.resource.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "churn/execution/e1",
            "automl-job/fit",
            "hyper-parameter-tuning-job/fit",
            "training-job/fit",
            "processing-job/fit",
            "transform-job/fit",
        ]
    );
    assert_eq!(replay.requests().len(), 2 + LISTS);
}

#[test]
fn executions_are_read_as_deep_as_one_can_be_under_way() {
    let (now, horizon) = (100 * DAY, 72 * DAY);
    let (jobs, replay) = jobs([
        Answer::ok(&json!({"PipelineSummaries": [], "NextToken": "2"})),
        pipelines(&[("Churn", Some(now)), ("new", None), ("past", Some(horizon - 1)), ("edge", Some(horizon))]),
        executions(&[("e4", "Succeeded", now), ("e3", "Stopping", horizon)], Some("2")),
        executions(&[("e2", "Executing", horizon), ("e1", "Failed", horizon - 1)], Some("3")),
        executions(&[("e0", "Executing", horizon)], None),
    ]);
    let items = block_on(jobs.executions()).unwrap();
    let asked: Vec<Value> = replay.requests().into_iter().skip(2).map(|(_, body)| body).collect();
    let of = |pipeline: &str, next: Option<&str>| {
        let mut body =
            json!({"PipelineName": pipeline, "SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 100});
        next.into_iter().for_each(|next| body["NextToken"] = json!(next));
        body
    };
    // The third page of the first pipeline holds nothing that can be under way.
    assert_eq!(asked, [of("Churn", None), of("Churn", Some("2")), of("edge", None)]);
    assert_eq!(items, [execution("e3", "Stopping"), execution("e2", "Executing"), execution("e0", "Executing")]);
}

#[test]
fn a_pipeline_that_was_deleted_meanwhile_has_nothing_under_way() {
    let gone = Answer::error(400, "ResourceNotFound", &json!({"message": "Pipeline 'churn' does not exist."}));
    let (jobs, _) = jobs([pipelines(&[("Churn", Some(0))]), gone]);
    assert_eq!(block_on(jobs.executions()), Ok(vec![]));
}

#[test]
fn what_is_not_seen_wholly_never_passes_for_closed() {
    let churn = || pipelines(&[("Churn", Some(0))]);
    let second_page = || executions(&[("e1", "Succeeded", 0)], Some("2"));
    let nameless = Answer::ok(&json!({"AutoMLJobSummaries": [{"AutoMLJobStatus": "InProgress"}]}));
    let stateless =
        Answer::ok(&json!({"PipelineExecutionSummaries": [{"PipelineExecutionArn": format!("{ARN}/execution/e1")}]}));
    for (head, operation, kind) in [
        (vec![denied()], "sagemaker:ListPipelines", CallErrorKind::Denied),
        (vec![churn(), denied()], "sagemaker:ListPipelineExecutions", CallErrorKind::Denied),
        (vec![churn(), second_page(), denied()], "sagemaker:ListPipelineExecutions", CallErrorKind::Denied),
        (vec![churn(), stateless], "sagemaker:ListPipelineExecutions", CallErrorKind::Unavailable),
        (vec![empty(), denied()], "sagemaker:ListAutoMLJobs", CallErrorKind::Denied),
        (vec![empty(), empty(), denied()], "sagemaker:ListAutoMLJobs", CallErrorKind::Denied),
        (vec![empty(), nameless], "sagemaker:ListAutoMLJobs", CallErrorKind::Unavailable),
    ] {
        let (jobs, _) = jobs(head.into_iter().chain((0..LISTS).map(|_| empty())));
        let problem = block_on(jobs.look()).unwrap_err().into_first().unwrap();
        assert_eq!((problem.operation, problem.kind), (operation, kind));
    }
    // Every problem is told, not just the first.
    let (jobs, _) = jobs((0..=5).map(|_| denied()));
    let told = block_on(jobs.look()).unwrap_err().to_string();
    for operation in ["ListPipelines", "ListAutoMLJobs", "ListTrainingJobs", "ListTransformJobs"] {
        assert!(told.contains(&format!("`sagemaker:{operation}`")), "{told}");
    }
}

/// What stopping this comes to where SageMaker answers so, and the requests that were made.
fn stopped(item: &Item, answers: impl IntoIterator<Item = Answer>) -> (Result<Turned, CallErrorKind>, Vec<Request>) {
    let (jobs, replay) = jobs(answers);
    let turned = block_on(jobs.turn_off(item, at(7)));
    (turned.map_err(|problem| problem.kind), replay.requests())
}

#[test]
fn a_job_is_told_to_stop_by_its_name() {
    for kind in JobKind::ALL {
        let job = seen(kind.resource(), &kind.id("Fit"), "InProgress");
        let (turned, requests) = stopped(&job, [empty()]);
        assert_eq!(turned, Ok(Turned::Told));
        let (stem, name) = (stem(kind), json!({format!("{}Name", stem(kind)): "Fit"}));
        assert_eq!(requests, [request(&format!("Stop{stem}"), name.clone())]);

        // It has ended, or is stopping, since it was looked at.
        for state in states(kind) {
            let described = Answer::ok(&json!({format!("{stem}Name"): "Fit", format!("{stem}Status"): state}));
            let message = format!("The request was rejected because the job is in status {state}.");
            let (turned, requests) = stopped(&job, [refused(&message), described]);
            let expected = if of_mine(state) == Phase::On { Err(CallErrorKind::Invalid) } else { Ok(Turned::Told) };
            assert_eq!(turned, expected, "{state}");
            assert_eq!(requests.last(), Some(&request(&describe(kind), name.clone())));
        }
    }
}

#[test]
fn an_execution_is_told_to_stop_by_its_arn_under_a_token_of_the_closing() {
    let (turned, requests) = stopped(&execution("e1", "Executing"), [empty()]);
    assert_eq!(turned, Ok(Turned::Told));
    let (arn, token) = (format!("{ARN}/execution/e1"), "sandbox-guardrails-closing-1763719200-e1");
    let (jobs, replay) = jobs([empty()]);
    assert_eq!(block_on(jobs.turn_off(&execution("e1", "Executing"), at(1_763_719_200))), Ok(Turned::Told));
    let body = json!({"PipelineExecutionArn": arn, "ClientRequestToken": token});
    assert_eq!(replay.requests(), [request("StopPipelineExecution", body)]);
    assert_ne!(replay.requests(), requests, "an execution that was retried is stopped again by a later closing");
    assert!((32..=128).contains(&token.len()));

    for state in PipelineExecutionStatus::values() {
        let described = Answer::ok(&json!({"PipelineExecutionStatus": state}));
        let refusal = refused("Only pipelines with 'Executing' status can be stopped");
        let (turned, requests) = stopped(&execution("e1", "Executing"), [refusal, described]);
        let expected = if of_mine(state) == Phase::On { Err(CallErrorKind::Invalid) } else { Ok(Turned::Told) };
        assert_eq!(turned, expected, "{state}");
        let body = json!({"PipelineExecutionArn": format!("{ARN}/execution/e1")});
        assert_eq!(requests.last(), Some(&request("DescribePipelineExecution", body)));
    }
}

#[test]
fn an_order_is_missed_refused_or_fails() {
    let never = "1 validation error detected";
    let said = Turned::Refused(format!("SageMaker refuses it: ValidationException: {never}"));
    let unknown = || refused("Requested resource not found.");
    let conflict = Answer::error(400, "ConflictException", &Value::Null);
    let running = || Answer::ok(&json!({"TrainingJobStatus": "InProgress", "PipelineExecutionStatus": "Executing"}));
    for (answers, expected) in [
        (vec![unknown()], Ok(Turned::Gone)),
        (vec![Answer::error(400, "ResourceNotFound", &Value::Null)], Ok(Turned::Gone)),
        (vec![refused(never), running()], Ok(said)),
        (vec![refused(never), unknown()], Ok(Turned::Gone)),
        (vec![conflict, running()], Err(CallErrorKind::Invalid)),
        (vec![denied()], Err(CallErrorKind::Denied)),
        (vec![refused(never), denied()], Err(CallErrorKind::Denied)),
    ] {
        let training = seen("training job", "training-job/fit", "InProgress");
        for item in [training, execution("e1", "Executing")] {
            let (turned, requests) = stopped(&item, answers.clone());
            assert_eq!((turned, requests.len()), (expected.clone(), answers.len()), "{answers:?}");
        }
    }
}

#[test]
fn what_has_ended_stays_so_and_what_is_no_job_is_refused() {
    let (jobs, replay) = jobs([]);
    let job = seen("training job", "training-job/fit", "Stopped").resource;
    let turned = block_on(jobs.turn_on(&TurnedOff { resource: job, memo: Value::Null }));
    assert_eq!(turned, Ok(Turned::Refused("a training job that was stopped has ended for good".to_owned())));
    let turned = block_on(jobs.turn_off(&seen("app", "d-1/lab/JupyterLab/default", "Paused"), at(0)));
    assert_eq!(
        turned,
        Ok(Turned::Refused("`d-1/lab/JupyterLab/default` is neither a job nor an execution".to_owned()))
    );
    assert_eq!(replay.requests(), []);
}

#[test]
fn arns_name_the_partition_of_the_region() {
    for (region, expected) in [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")] {
        assert_eq!(partition(region), expected, "{region}");
    }
}

#[test]
fn every_call_is_declared() {
    for kind in JobKind::ALL {
        assert!(Jobs::LOOK_ACTIONS.contains(&kind.list_action()), "{kind:?}");
        for operation in [describe(kind), format!("Stop{}", stem(kind))] {
            assert!(Jobs::TURN_ACTIONS.contains(&format!("sagemaker:{operation}").as_str()), "{operation}");
        }
        assert_eq!(JobKind::of_resource(kind.resource()), Some(kind));
        assert_eq!(kind.name(&kind.id("Fit")), "Fit");
    }
}
