//! SageMaker's operations: what they answer, what they refuse, and in which order they list.

mod apps;
mod events;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use workload_simulator::{
    AppSpec, DomainSpec, EndpointSpec, ExecutionSpec, InstanceGroup, JobKind, JobSpec, ModelApproval, ModelPackageSpec,
    NotebookSpec, SageMakerHandle, Settings, Simulator, SpaceSpec, WorkloadKind,
};

use crate::support::{ACCOUNT, Client, OTHER, REGION, start, token};

const VALIDATION: &str = "ValidationException";
const ROUTES: &str = "accounts/111111111111/eu-west-1/sagemaker";
const JOBS: [(JobKind, &str, &str); 5] = [
    (JobKind::Training, "TrainingJob", "DescribeTrainingJob"),
    (JobKind::Processing, "ProcessingJob", "DescribeProcessingJob"),
    (JobKind::Transform, "TransformJob", "DescribeTransformJob"),
    (JobKind::HyperParameterTuning, "HyperParameterTuningJob", "DescribeHyperParameterTuningJob"),
    (JobKind::AutoMl, "AutoMLJob", "DescribeAutoMLJobV2"),
];

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn sagemaker_of(simulator: &Simulator) -> SageMakerHandle {
    simulator.world().account(ACCOUNT, REGION).sagemaker()
}

fn client_of(simulator: &Simulator) -> Client {
    Client::new(simulator).service("SageMaker")
}

fn texts(output: &Value, list: &str, member: &str) -> Vec<String> {
    let items = output[list].as_array().unwrap();
    items.iter().map(|item| item[member].as_str().unwrap().to_owned()).collect()
}

/// All pages of a list, and how many entries each had.
async fn all(
    client: &Client,
    operation: &str,
    mut input: Value,
    list: &str,
    member: &str,
) -> (Vec<String>, Vec<usize>) {
    let (mut names, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let page = client.ok(operation, input.clone()).await;
        let shown = texts(&page, list, member);
        sizes.push(shown.len());
        names.extend(shown);
        match page.get("NextToken") {
            Some(next) => input["NextToken"] = next.clone(),
            None => return (names, sizes),
        }
    }
}

#[tokio::test]
async fn an_execution_started_in_the_past_runs_until_it_is_stopped() {
    let simulator = start();
    let (client, sagemaker) = (client_of(&simulator), sagemaker_of(&simulator));
    let arn = sagemaker.start_execution(ExecutionSpec {
        pipeline: "Churn".to_owned(),
        age: secs(3_600),
        stopping_takes: millis(150),
        started_by: Some("arn:aws:sts::111111111111:assumed-role/Analyst/alice".to_owned()),
        user_profile: Some("alice".to_owned()),
        ..ExecutionSpec::default()
    });
    assert!(arn.starts_with("arn:aws:sagemaker:eu-west-1:111111111111:pipeline/churn/execution/"), "{arn}");
    let describe = || client.ok("DescribePipelineExecution", json!({ "PipelineExecutionArn": arn }));
    let seen = describe().await;
    assert_eq!(seen["PipelineExecutionStatus"], "Executing");
    assert_eq!(seen["CreatedBy"]["UserProfileName"], "alice");
    let identity = &seen["CreatedBy"]["IamIdentity"];
    assert_eq!(identity["Arn"], "arn:aws:sts::111111111111:assumed-role/Analyst/alice");
    assert!(identity["PrincipalId"].as_str().unwrap().ends_with(":alice"));

    let once = token();
    let stop = |token: &str| json!({ "PipelineExecutionArn": arn, "ClientRequestToken": token });
    let answer = client.ok("StopPipelineExecution", stop(&once)).await;
    assert_eq!(answer["PipelineExecutionArn"], *arn);
    assert_eq!(describe().await["PipelineExecutionStatus"], "Stopping");
    // The same request again is the same stop; another one is refused.
    client.ok("StopPipelineExecution", stop(&once)).await;
    let refusal = client.refused("StopPipelineExecution", stop(&token())).await;
    assert_eq!(refusal, (VALIDATION.to_owned(), "Only pipelines with 'Executing' status can be stopped".to_owned()));
    tokio::time::sleep(millis(160)).await;
    assert_eq!(describe().await["PipelineExecutionStatus"], "Stopped");
    let view = sagemaker.workload(&arn).unwrap();
    assert_eq!((view.kind, view.stop_calls), (WorkloadKind::PipelineExecution, 2));
    assert_eq!(view.state_since, view.stopped_at.unwrap() + millis(150));
    assert_eq!(simulator.world().calls().stops().len(), 3);
    assert!(simulator.world().calls().stops().iter().all(|stop| stop.id == arn));

    let short = client.refused("StopPipelineExecution", stop("short")).await;
    assert!(short.0 == VALIDATION && short.1.contains("greater than or equal to 32"), "{short:?}");
    let none = json!({ "PipelineExecutionArn": arn });
    assert!(client.refused("StopPipelineExecution", none).await.1.contains("'clientRequestToken'"));
    let unknown = json!({ "PipelineExecutionArn": format!("{arn}x"), "ClientRequestToken": token() });
    assert_eq!(client.refused("StopPipelineExecution", unknown).await.0, "ResourceNotFound");
    let malformed = json!({ "PipelineExecutionArn": "churn" });
    assert_eq!(client.refused("DescribePipelineExecution", malformed).await.0, VALIDATION);
}

#[tokio::test]
async fn executions_are_started_over_the_api_once_for_each_token() {
    let simulator = start();
    let (client, sagemaker) = (client_of(&simulator), sagemaker_of(&simulator));
    let once = token();
    let input = json!({ "PipelineName": "Churn", "ClientRequestToken": once });
    let refusal = client.refused("StartPipelineExecution", input.clone()).await;
    assert_eq!(refusal.0, "ResourceNotFound");
    let pipeline = sagemaker.pipeline("Churn", secs(60), BTreeMap::new());
    let first = client.ok("StartPipelineExecution", input.clone()).await;
    assert_eq!(client.ok("StartPipelineExecution", input).await, first);
    let by_arn = json!({ "PipelineName": pipeline, "ClientRequestToken": token() });
    client.ok("StartPipelineExecution", by_arn).await;
    let listed = client.ok("ListPipelineExecutions", json!({ "PipelineName": "Churn" })).await;
    assert_eq!(listed["PipelineExecutionSummaries"].as_array().unwrap().len(), 2);
    sagemaker.pipeline("other", secs(60), BTreeMap::new());
    let elsewhere = json!({ "PipelineName": "other", "ClientRequestToken": once });
    assert_eq!(client.refused("StartPipelineExecution", elsewhere).await.0, "ConflictException");
}

#[tokio::test]
async fn two_thousand_pipelines_are_read_in_twenty_quick_pages() {
    let simulator = start();
    let (client, sagemaker) = (client_of(&simulator), sagemaker_of(&simulator));
    let names = sagemaker.seed_pipelines(2_000, 50, secs(600), secs(90 * 86_400));
    let begin = Instant::now();
    let input = json!({ "MaxResults": 100 });
    let (listed, sizes) = all(&client, "ListPipelines", input, "PipelineSummaries", "PipelineName").await;
    assert!(begin.elapsed() < secs(2), "{:?}", begin.elapsed());
    assert_eq!(sizes, [100; 20]);
    assert_eq!(listed.iter().collect::<std::collections::BTreeSet<_>>().len(), 2_000);

    let page = client.ok("ListPipelines", json!({ "PipelineNamePrefix": "pipeline-0004", "SortBy": "Name" })).await;
    assert_eq!(page["PipelineSummaries"].as_array().unwrap().len(), 10);
    assert_eq!(page["PipelineSummaries"][0]["PipelineName"], "pipeline-00049");
    let age =
        |pipeline: &Value| pipeline["LastExecutionTime"].as_f64().unwrap() - pipeline["CreationTime"].as_f64().unwrap();
    assert!((age(&page["PipelineSummaries"][0]) - 3_600.0).abs() < 0.01);
    let day_ago = json!({ "CreatedAfter": simulator_now() - 86_400.0, "MaxResults": 100 });
    let (recent, _) = all(&client, "ListPipelines", day_ago, "PipelineSummaries", "PipelineName").await;
    assert_eq!(recent.len(), 50);
    let last = client.ok("ListPipelineExecutions", json!({ "PipelineName": names[0] })).await;
    assert_eq!(last["PipelineExecutionSummaries"][0]["PipelineExecutionStatus"], "Succeeded");
    assert_eq!(sagemaker.active(), []);
}

#[expect(clippy::disallowed_methods, reason = "the test asks for what is younger than a day")]
fn simulator_now() -> f64 {
    jiff::Timestamp::now().as_duration().as_secs_f64()
}

#[tokio::test]
async fn pages_do_not_shift_and_tokens_are_for_their_list() {
    let simulator = start();
    let (client, sagemaker) = (client_of(&simulator), sagemaker_of(&simulator));
    let spec = |age: u64| ExecutionSpec { age: secs(age), ..ExecutionSpec::default() };
    let arns: Vec<String> = (0..25).map(|age| sagemaker.start_execution(spec(age * 60 + 60))).collect();
    let (list, member) = ("PipelineExecutionSummaries", "PipelineExecutionArn");
    let mut listed = Vec::new();
    let mut input = json!({ "PipelineName": "pipeline" });
    let mut tokens = Vec::new();
    loop {
        let page = client.ok("ListPipelineExecutions", input.clone()).await;
        listed.extend(texts(&page, list, member));
        // One that starts between two pages must neither shift nor repeat what follows.
        sagemaker.start_execution(spec(0));
        match page.get("NextToken") {
            Some(next) => {
                tokens.push(next.clone());
                input["NextToken"] = next.clone();
            }
            None => break,
        }
    }
    assert_eq!((listed, tokens.len()), (arns, 2));
    let oldest = json!({ "PipelineName": "pipeline", "SortOrder": "Ascending", "MaxResults": 1 });
    assert_eq!(
        texts(&client.ok("ListPipelineExecutions", oldest).await, list, member),
        [sagemaker.active()[27].arn.clone()]
    );
    for input in [
        json!({ "PipelineName": "pipeline", "NextToken": tokens[0], "SortOrder": "Ascending" }),
        json!({ "PipelineName": "pipeline", "NextToken": "nonsense" }),
        json!({ "PipelineName": "pipeline", "MaxResults": 101 }),
        json!({ "PipelineName": "pipeline", "MaxResults": 0 }),
        json!({ "PipelineName": "pipeline", "SortBy": "Age" }),
    ] {
        assert_eq!(client.refused("ListPipelineExecutions", input.clone()).await.0, VALIDATION, "{input}");
    }
    let text = json!({ "PipelineName": "pipeline", "CreatedAfter": "yesterday" });
    assert_eq!(client.refused("ListPipelineExecutions", text).await.0, "SerializationException");
    let unknown = client.refused("ListPipelineExecutions", json!({ "PipelineName": "none" })).await;
    assert_eq!(unknown.0, "ResourceNotFound");
    assert!(unknown.1.contains("pipeline/none' does not exist."), "{unknown:?}");
}

#[tokio::test]
async fn each_kind_of_job_runs_stops_and_is_refused_afterwards() {
    let simulator = start();
    let (client, sagemaker) = (client_of(&simulator), sagemaker_of(&simulator));
    for (kind, stem, describe) in JOBS {
        let (name, status) = (format!("{stem}Name"), format!("{stem}Status"));
        let arn = sagemaker.start_job(JobSpec {
            kind,
            name: Some("Nightly".to_owned()),
            age: secs(7_200),
            stopping_takes: millis(100),
            tags: BTreeMap::from([("owner".to_owned(), "alice".to_owned())]),
            ..JobSpec::default()
        });
        let input = json!({ name.as_str(): "Nightly" });
        let seen = client.ok(describe, input.clone()).await;
        assert_eq!((&seen[&status], &seen[&name]), (&json!("InProgress"), &json!("Nightly")), "{stem}");
        let list = format!("List{stem}s");
        let running = client.ok(&list, json!({ "StatusEquals": "InProgress" })).await;
        assert_eq!(texts(&running, &format!("{stem}Summaries"), &name), ["Nightly"]);
        let tags = client.ok("ListTags", json!({ "ResourceArn": arn })).await;
        assert_eq!(tags["Tags"], json!([{ "Key": "owner", "Value": "alice" }]));

        let stop = format!("Stop{stem}");
        client.ok(&stop, input.clone()).await;
        client.ok(&stop, input.clone()).await;
        assert_eq!(client.ok(describe, input.clone()).await[&status], "Stopping", "{stem}");
        tokio::time::sleep(millis(110)).await;
        assert_eq!(client.ok(describe, input.clone()).await[&status], "Stopped", "{stem}");
        let (code, message) = client.refused(&stop, input.clone()).await;
        assert_eq!(code, VALIDATION);
        assert!(message.ends_with("job is in status Stopped."), "{message}");
        let view = sagemaker.workload(&arn).unwrap();
        assert_eq!((view.stop_calls, view.state.as_str()), (3, "Stopped"));
        let none = client.ok(&list, json!({ "StatusEquals": "InProgress" })).await;
        assert_eq!(none[format!("{stem}Summaries")], json!([]));
    }
    assert_eq!(simulator.world().calls().stops().len(), 15);
}

#[tokio::test]
async fn a_job_that_is_not_there_is_refused_in_each_kinds_own_way() {
    let simulator = start();
    let client = client_of(&simulator);
    for (stem, describe, refusals) in [
        ("TrainingJob", "DescribeTrainingJob", [(VALIDATION, "Requested resource not found.")].repeat(2)),
        (
            "TransformJob",
            "DescribeTransformJob",
            vec![
                (VALIDATION, "Could not find requested job with name: none"),
                (VALIDATION, "Could not find job to update with name: none"),
            ],
        ),
        (
            "HyperParameterTuningJob",
            "DescribeHyperParameterTuningJob",
            [("ResourceNotFound", "Amazon SageMaker can't find a tuning job called none. Type another name.")]
                .repeat(2),
        ),
    ] {
        let input = json!({ format!("{stem}Name"): "none" });
        for (operation, (code, message)) in [describe, &format!("Stop{stem}")].into_iter().zip(refusals) {
            let refusal = client.refused(operation, input.clone()).await;
            assert_eq!(refusal, (code.to_owned(), message.to_owned()), "{operation}");
        }
    }
}

#[tokio::test]
async fn jobs_tell_what_they_run_on() {
    let simulator = start();
    let (client, sagemaker) = (client_of(&simulator), sagemaker_of(&simulator));
    let spec = |kind| JobSpec {
        kind,
        name: Some("big".to_owned()),
        instance_type: "ml.p4d.24xlarge".to_owned(),
        instance_count: 8,
        ..JobSpec::default()
    };
    for (kind, stem, path) in [
        (JobKind::Training, "TrainingJob", "/ResourceConfig"),
        (JobKind::Processing, "ProcessingJob", "/ProcessingResources/ClusterConfig"),
        (JobKind::Transform, "TransformJob", "/TransformResources"),
        (JobKind::HyperParameterTuning, "HyperParameterTuningJob", "/TrainingJobDefinition/ResourceConfig"),
    ] {
        sagemaker.start_job(spec(kind));
        let seen = client.ok(&format!("Describe{stem}"), json!({ format!("{stem}Name"): "big" })).await;
        let resources = seen.pointer(path).unwrap();
        assert_eq!((&resources["InstanceType"], &resources["InstanceCount"]), (&json!("ml.p4d.24xlarge"), &json!(8)));
    }
    let group = |name: &str, count| InstanceGroup {
        name: name.to_owned(),
        instance_type: "ml.g5.xlarge".to_owned(),
        instance_count: count,
    };
    let mixed = JobSpec { instance_groups: vec![group("data", 2), group("model", 4)], ..spec(JobKind::Training) };
    sagemaker.start_job(mixed);
    let seen = client.ok("DescribeTrainingJob", json!({ "TrainingJobName": "big" })).await;
    assert_eq!(seen["ResourceConfig"].get("InstanceType"), None);
    assert_eq!(seen["ResourceConfig"]["InstanceGroups"][1]["InstanceCount"], 4);
}

#[tokio::test]
async fn the_list_of_training_jobs_filters_its_pages_after_cutting_them() {
    let simulator = start();
    let (client, sagemaker) = (client_of(&simulator), sagemaker_of(&simulator));
    sagemaker.seed_jobs(JobKind::Training, 250, secs(60), secs(60));
    sagemaker.seed_jobs(JobKind::Transform, 250, secs(60), secs(60));
    for kind in [JobKind::Training, JobKind::Transform] {
        let (name, age) = (Some("long-runner".to_owned()), secs(86_400));
        sagemaker.start_job(JobSpec { kind, name, age, ..JobSpec::default() });
    }
    let input = json!({ "StatusEquals": "InProgress", "MaxResults": 100 });
    let (names, sizes) =
        all(&client, "ListTrainingJobs", input.clone(), "TrainingJobSummaries", "TrainingJobName").await;
    assert_eq!((names, sizes), (vec!["long-runner".to_owned()], vec![0, 0, 1]));
    let (names, sizes) = all(&client, "ListTransformJobs", input, "TransformJobSummaries", "TransformJobName").await;
    assert_eq!((names, sizes), (vec!["long-runner".to_owned()], vec![1]));

    let failed = json!({ "StatusEquals": "Failed", "MaxResults": 100, "NameContains": "seeded" });
    let (names, _) = all(&client, "ListTransformJobs", failed, "TransformJobSummaries", "TransformJobName").await;
    assert_eq!((names.len(), names[0].as_str()), (25, "seeded-000009"));
    let (names, _) = all(
        &client,
        "ListTransformJobs",
        json!({ "SortBy": "Name", "SortOrder": "Ascending", "MaxResults": 2, "NameContains": "00024" }),
        "TransformJobSummaries",
        "TransformJobName",
    )
    .await;
    assert_eq!(names.first().map(String::as_str), Some("seeded-000024"));
}

#[tokio::test]
async fn an_unknown_state_is_shown_as_it_is() {
    let simulator = start();
    let (client, sagemaker) = (client_of(&simulator), sagemaker_of(&simulator));
    let raw_state = Some("Hibernating".to_owned());
    let job = sagemaker.start_job(JobSpec {
        name: Some("odd".to_owned()),
        raw_state: raw_state.clone(),
        ..JobSpec::default()
    });
    let seen = client.ok("DescribeTrainingJob", json!({ "TrainingJobName": "odd" })).await;
    assert_eq!(seen["TrainingJobStatus"], "Hibernating");
    sagemaker.start_execution(ExecutionSpec { raw_state: raw_state.clone(), ..ExecutionSpec::default() });
    sagemaker.start_notebook(NotebookSpec { raw_state: raw_state.clone(), ..NotebookSpec::default() });
    sagemaker.start_app(AppSpec { raw_state: raw_state.clone(), ..AppSpec::default() });
    sagemaker.start_endpoint(EndpointSpec { raw_state, ..EndpointSpec::default() });
    assert!(sagemaker.active().iter().all(|view| view.state == "Hibernating"));
    assert_eq!(sagemaker.active().len(), 5);
    client.ok("StopTrainingJob", json!({ "TrainingJobName": "odd" })).await;
    assert_eq!(sagemaker.workload(&job).unwrap().state, "Stopped");
}

#[tokio::test]
async fn notebooks_stop_and_start_from_the_states_aws_allows() {
    let simulator = start();
    let (client, sagemaker) = (client_of(&simulator), sagemaker_of(&simulator));
    let arn = sagemaker.start_notebook(NotebookSpec {
        name: "Lab".to_owned(),
        age: secs(6 * 3_600),
        created: Some(secs(30 * 86_400)),
        internet: false,
        root: false,
        stopping_takes: millis(100),
        starting_takes: millis(100),
        ..NotebookSpec::default()
    });
    assert_eq!(arn, "arn:aws:sagemaker:eu-west-1:111111111111:notebook-instance/lab");
    let input = json!({ "NotebookInstanceName": "Lab" });
    let seen = client.ok("DescribeNotebookInstance", input.clone()).await;
    assert_eq!((&seen["DirectInternetAccess"], &seen["RootAccess"]), (&json!("Disabled"), &json!("Disabled")));
    let since = seen["LastModifiedTime"].as_f64().unwrap() - seen["CreationTime"].as_f64().unwrap();
    assert!((since - 86_400.0 * 29.75).abs() < 0.01, "{since}");

    client.ok("StopNotebookInstance", input.clone()).await;
    let refusal = client.refused("StopNotebookInstance", input.clone()).await;
    let message = format!(
        "Status (Stopping) not in ([InService]). Unable to transition to (Stopping) for Notebook Instance ({arn})."
    );
    assert_eq!(refusal, (VALIDATION.to_owned(), message));
    assert_eq!(client.refused("StartNotebookInstance", input.clone()).await.0, VALIDATION);
    tokio::time::sleep(millis(110)).await;
    client.ok("StartNotebookInstance", input.clone()).await;
    let pending = client.ok("ListNotebookInstances", json!({ "StatusEquals": "Pending" })).await;
    assert_eq!(texts(&pending, "NotebookInstances", "NotebookInstanceName"), ["Lab"]);
    tokio::time::sleep(millis(110)).await;
    assert_eq!(client.ok("DescribeNotebookInstance", input).await["NotebookInstanceStatus"], "InService");
    assert_eq!(sagemaker.finish(&arn).unwrap().state, "Stopped");
    let none = client.refused("DescribeNotebookInstance", json!({ "NotebookInstanceName": "none" })).await;
    assert_eq!(none, (VALIDATION.to_owned(), "RecordNotFound".to_owned()));
}

#[tokio::test]
async fn apps_belong_to_a_profile_or_a_space_and_are_listed_a_while_after_their_deletion() {
    let simulator = start();
    let (client, sagemaker) = (client_of(&simulator), sagemaker_of(&simulator));
    let domain = sagemaker.create_domain(DomainSpec { vpc_only: true, age: secs(90), ..DomainSpec::default() });
    let owner = Some("alice".to_owned());
    sagemaker.create_space(SpaceSpec { name: "lab".to_owned(), owner, age: secs(60), ..SpaceSpec::default() });
    let own = AppSpec { user_profile: Some("alice".to_owned()), age: secs(3_600), ..AppSpec::default() };
    let of_profile = sagemaker.start_app(own);
    let space = Some("lab".to_owned());
    sagemaker.start_app(AppSpec { space, age: secs(60), deleting_takes: millis(100), ..AppSpec::default() });
    sagemaker.start_app(AppSpec { space: Some("common".to_owned()), pending: secs(60), ..AppSpec::default() });

    let seen = client.ok("DescribeDomain", json!({ "DomainId": domain })).await;
    assert_eq!(seen["AppNetworkAccessType"], "VpcOnly");
    let spaces = client.ok("ListSpaces", json!({ "DomainIdEquals": domain })).await;
    assert_eq!(texts(&spaces, "Spaces", "SpaceName"), ["lab", "common"]);
    assert_eq!(spaces["Spaces"][0]["OwnershipSettingsSummary"]["OwnerUserProfileName"], "alice");
    let apps = client.ok("ListApps", json!({ "DomainIdEquals": domain })).await;
    assert_eq!(texts(&apps, "Apps", "Status"), ["InService", "InService", "Pending"]);
    let mine = client.ok("ListApps", json!({ "UserProfileNameEquals": "alice" })).await;
    assert_eq!(mine["Apps"].as_array().unwrap().len(), 1);
    assert_eq!(mine["Apps"][0]["ResourceSpec"]["InstanceType"], "ml.t3.medium");

    let app = |owner: &str, name: &str| json!({ "DomainId": domain, owner: name, "AppType": "JupyterLab", "AppName": "default" });
    client.ok("DeleteApp", app("SpaceName", "lab")).await;
    assert_eq!(client.refused("DeleteApp", app("SpaceName", "lab")).await.0, "ResourceInUse");
    assert_eq!(client.ok("DescribeApp", app("SpaceName", "lab")).await["Status"], "Deleting");
    tokio::time::sleep(millis(110)).await;
    let deleted = client.ok("ListApps", json!({ "SpaceNameEquals": "lab" })).await;
    assert_eq!(texts(&deleted, "Apps", "Status"), ["Deleted"]);
    let (code, message) = client.refused("DeleteApp", app("SpaceName", "lab")).await;
    assert!(code == VALIDATION && message.contains("has already been deleted"), "{message}");
    assert_eq!(client.refused("DescribeApp", app("UserProfileName", "lab")).await.0, "ResourceNotFound");
    let nobody = json!({ "DomainId": domain, "AppType": "JupyterLab", "AppName": "default" });
    let (_, message) = client.refused("DescribeApp", nobody).await;
    assert_eq!(message, "Either UserProfileName or SpaceName must be passed for DescribeApp operation.");
    assert_eq!(sagemaker.finish(&of_profile).unwrap().state, "Deleted");
    assert_eq!(simulator.world().calls().stops().len(), 3);
}

#[tokio::test]
async fn the_registry_tells_who_registered_and_who_approved() {
    let simulator = start();
    let (client, sagemaker) = (client_of(&simulator), sagemaker_of(&simulator));
    let arn = sagemaker.register_model(ModelPackageSpec {
        age: secs(7_200),
        approval: ModelApproval::Approved,
        approval_age: Some(secs(60)),
        registered_by: Some("alice".to_owned()),
        approved_by: Some("arn:aws:sts::111111111111:assumed-role/Approver/bob".to_owned()),
        approved_as: Some("bob@bank.example".to_owned()),
        ..ModelPackageSpec::default()
    });
    let waiting = sagemaker.register_model(ModelPackageSpec::default());
    let name = "loose".to_owned();
    sagemaker.register_model(ModelPackageSpec { group: None, name, ..ModelPackageSpec::default() });
    let seen = client.ok("DescribeModelPackage", json!({ "ModelPackageName": arn })).await;
    assert_eq!((&seen["ModelPackageVersion"], &seen["ModelApprovalStatus"]), (&json!(1), &json!("Approved")));
    assert_eq!(seen["CreatedBy"]["IamIdentity"]["Arn"], "arn:aws:iam::111111111111:user/alice");
    assert_eq!(seen["LastModifiedBy"]["IamIdentity"]["SourceIdentity"], "bob@bank.example");
    assert!(seen["LastModifiedTime"].as_f64().unwrap() > seen["CreationTime"].as_f64().unwrap());
    let undecided = client.ok("DescribeModelPackage", json!({ "ModelPackageName": waiting })).await;
    assert_eq!(undecided.get("LastModifiedBy"), None);

    let list = |input: Value| client.ok("ListModelPackages", input);
    let (member, name) = ("ModelPackageSummaryList", "ModelPackageArn");
    assert_eq!(texts(&list(json!({})).await, member, "ModelPackageName"), ["loose"]);
    let versioned = list(json!({ "ModelPackageType": "Versioned" })).await;
    assert_eq!(texts(&versioned, member, name), [arn.clone(), waiting.clone()]);
    let newest = list(json!({ "ModelPackageGroupName": "models", "SortOrder": "Descending" })).await;
    assert_eq!(texts(&newest, member, name), [waiting, arn.clone()]);
    let approved = list(json!({ "ModelPackageType": "Both", "ModelApprovalStatus": "Approved" })).await;
    assert_eq!(texts(&approved, member, name), [arn]);
    let groups = client.ok("ListModelPackageGroups", json!({})).await;
    assert_eq!(texts(&groups, "ModelPackageGroupSummaryList", "ModelPackageGroupName"), ["models"]);
    assert_eq!(client.refused("ListModelPackages", json!({ "ModelPackageGroupName": "none" })).await.0, VALIDATION);
}

#[tokio::test]
async fn accounts_are_apart() {
    let simulator = start();
    let sagemaker = sagemaker_of(&simulator);
    sagemaker.start_endpoint(EndpointSpec { age: secs(60), creating: secs(30), ..EndpointSpec::default() });
    let endpoints = client_of(&simulator).ok("ListEndpoints", json!({ "StatusEquals": "InService" })).await;
    assert_eq!(texts(&endpoints, "Endpoints", "EndpointName"), ["endpoint"]);
    let stranger = Client::of(&simulator, OTHER).service("SageMaker");
    assert_eq!(stranger.ok("ListEndpoints", json!({})).await["Endpoints"], json!([]));
    let unknown = client_of(&simulator).refused("CreateTrainingJob", json!({})).await;
    assert_eq!(unknown.0, "UnknownOperationException");
}

#[tokio::test]
async fn twenty_pages_in_one_go_are_within_the_rates_and_a_crowd_is_not() {
    let settings = Settings { rate_limits: true, latency: millis(50), ..Settings::default() };
    let simulator = Simulator::start(settings).unwrap();
    let (client, sagemaker) = (client_of(&simulator), sagemaker_of(&simulator));
    sagemaker.seed_pipelines(2_000, 50, secs(600), secs(90 * 86_400));
    let input = json!({ "MaxResults": 100 });
    let (listed, _) = all(&client, "ListPipelines", input.clone(), "PipelineSummaries", "PipelineName").await;
    assert_eq!(listed.len(), 2_000);
    let crowd = (0..60).map(|_| client.call("ListPipelines", input.clone()));
    let answers = futures_util::future::join_all(crowd).await;
    let throttled = answers.iter().filter(|answer| answer.body["__type"] == "ThrottlingException");
    assert!(throttled.count() > 20);
}

#[tokio::test]
async fn a_bench_arranges_and_watches_over_http() {
    let simulator = start();
    let client = client_of(&simulator);
    let post = |route: &'static str, body: Value| {
        let client = client.clone();
        async move {
            let (status, answer) = client.control("POST", &format!("{ROUTES}/{route}"), Some(body.clone())).await;
            assert_eq!(status, 201, "{route} {body}: {answer}");
            answer
        }
    };
    let seed = json!({ "count": 30, "recent": 3, "recent_age": "1h", "old_age": "2400h" });
    assert_eq!(post("pipelines", seed).await["names"].as_array().unwrap().len(), 30);
    let past = json!({ "kind": "auto-ml", "count": 5, "spacing": "5s", "newest_age": "1h" });
    assert_eq!(post("history", past).await["names"][0], "seeded-000000");
    let execution = post("executions", json!({ "pipeline": "etl", "age": "28m", "fails": true })).await["arn"].clone();
    post("jobs", json!({ "kind": "hyper-parameter-tuning", "age": "3h", "instance_count": 4 })).await;
    post("notebooks", json!({ "name": "lab", "age": "9h", "tags": { "owner": "alice" } })).await;
    let domain = post("domains", json!({ "vpc_only": true })).await["id"].clone();
    post("spaces", json!({ "domain": domain, "name": "common" })).await;
    post("apps", json!({ "space": "common", "app_type": "CodeEditor" })).await;
    post("endpoints", json!({ "name": "score", "age": "48h" })).await;
    post("models", json!({ "approval": "Approved", "approved_by": "bob" })).await;

    let (_, active) = client.control("GET", &format!("{ROUTES}/workloads"), None).await;
    assert_eq!(active["workloads"].as_array().unwrap().len(), 5);
    let arn = execution.as_str().unwrap();
    let (status, view) = client.control("GET", &format!("{ROUTES}/workloads/{arn}"), None).await;
    assert_eq!((status, &view["kind"], &view["state"]), (200, &json!("pipeline-execution"), &json!("Executing")));
    let (_, ended) = client.control("POST", &format!("{ROUTES}/finish"), Some(json!({ "arn": arn }))).await;
    assert_eq!(ended["state"], "Succeeded");
    let (status, _) = client.control("GET", &format!("{ROUTES}/workloads/none"), None).await;
    assert_eq!(status, 404);
    let (status, _) = client.control("POST", &format!("{ROUTES}/jobs"), Some(json!({ "kynd": "training" }))).await;
    assert_eq!(status, 422);
}
