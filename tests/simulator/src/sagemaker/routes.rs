//! SageMaker's control routes, under `/_simulator/accounts/{account}/{region}/sagemaker`; the crate's front page lists
//! them.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    AppSpec, DomainSpec, EndpointSpec, ExecutionSpec, JobKind, JobSpec, ModelPackageSpec, NotebookSpec,
    SageMakerHandle, SpaceSpec,
};
use crate::control::{Refusal, account_of, found};
use crate::world::World;

pub(crate) fn routes() -> Router<World> {
    Router::new()
        .route("/workloads", get(active))
        .route("/workloads/{*arn}", get(one))
        .route("/finish", post(finish))
        .route("/executions", starts("arn", |sagemaker, spec: ExecutionSpec| sagemaker.start_execution(spec).into()))
        .route("/jobs", starts("arn", |sagemaker, spec: JobSpec| sagemaker.start_job(spec).into()))
        .route("/notebooks", starts("arn", |sagemaker, spec: NotebookSpec| sagemaker.start_notebook(spec).into()))
        .route("/apps", starts("arn", |sagemaker, spec: AppSpec| sagemaker.start_app(spec).into()))
        .route("/spaces", starts("arn", |sagemaker, spec: SpaceSpec| sagemaker.create_space(spec).into()))
        .route("/endpoints", starts("arn", |sagemaker, spec: EndpointSpec| sagemaker.start_endpoint(spec).into()))
        .route("/models", starts("arn", |sagemaker, spec: ModelPackageSpec| sagemaker.register_model(spec).into()))
        .route("/domains", starts("id", |sagemaker, spec: DomainSpec| sagemaker.create_domain(spec).into()))
        .route(
            "/pipelines",
            starts("names", |sagemaker, seed: PipelineSeed| {
                sagemaker.seed_pipelines(seed.count, seed.recent, seed.recent_age, seed.old_age).into()
            }),
        )
        .route(
            "/history",
            starts("names", |sagemaker, past: History| {
                sagemaker.seed_jobs(past.kind, past.count, past.spacing, past.newest_age).into()
            }),
        )
}

/// Pipelines to be made up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PipelineSeed {
    count: usize,
    recent: usize,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::required")]
    recent_age: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::required")]
    old_age: Duration,
}

/// A past of jobs to be made up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct History {
    kind: JobKind,
    count: usize,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::required")]
    spacing: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::required")]
    newest_age: Duration,
}

/// What is to be ended.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    arn: String,
}

type Scope = Path<(String, String)>;

/// A route that starts something as its body says, and answers under `member` what came of it.
fn starts<S: DeserializeOwned + Send + 'static>(
    member: &'static str,
    start: fn(SageMakerHandle, S) -> Value,
) -> MethodRouter<World> {
    post(move |State(world): State<World>, Path((account, region)): Scope, Json(spec): Json<S>| async move {
        let sagemaker = account_of(&world, &account, &region)?.sagemaker();
        Ok::<_, Refusal>((StatusCode::CREATED, Json(json!({ member: start(sagemaker, spec) }))))
    })
}

async fn active(State(world): State<World>, Path((account, region)): Scope) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!({ "workloads": account_of(&world, &account, &region)?.sagemaker().active() })))
}

async fn one(
    State(world): State<World>,
    Path((account, region, arn)): Path<(String, String, String)>,
) -> Result<impl IntoResponse, Refusal> {
    found("workload", &arn, account_of(&world, &account, &region)?.sagemaker().workload(&arn))
}

async fn finish(
    State(world): State<World>,
    Path((account, region)): Scope,
    Json(Target { arn }): Json<Target>,
) -> Result<impl IntoResponse, Refusal> {
    found("workload", &arn, account_of(&world, &account, &region)?.sagemaker().finish(&arn))
}
