//! Glue's control routes, under `/_simulator/accounts/{account}/{region}/glue`; the crate's front page lists them.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{GlueHandle, GlueJobSpec, JobRunSpec, SessionSpec, StatementSpec};
use crate::control::{Refusal, account_of, found};
use crate::world::World;

pub(crate) fn routes() -> Router<World> {
    Router::new()
        .route("/sessions", get(active_sessions).post(start_session))
        .route("/sessions/{id}", get(one_session))
        .route("/sessions/{id}/finish", post(finish_session))
        .route("/sessions/{id}/statements", get(statements).post(start_statement))
        .route("/sessions/{id}/statements/{number}/finish", post(finish_statement))
        .route("/jobs", post(define_job))
        .route("/jobs/{name}", get(one_job))
        .route("/runs", get(active_runs).post(start_run))
        .route("/runs/{id}", get(one_run))
        .route("/runs/{id}/finish", post(finish_run))
        .route("/history/sessions", post(seed_sessions))
        .route("/history/jobs", post(seed_jobs))
        .route("/history/runs", post(seed_runs))
}

type Place = Path<(String, String)>;
type Named = Path<(String, String, String)>;

fn glue_of(world: &World, account: &str, region: &str) -> Result<GlueHandle, Refusal> {
    Ok(account_of(world, account, region)?.glue())
}

async fn active_sessions(State(world): State<World>, Path((account, region)): Place) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!({ "sessions": glue_of(&world, &account, &region)?.active_sessions() })))
}

async fn start_session(
    State(world): State<World>,
    Path((account, region)): Place,
    Json(spec): Json<SessionSpec>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let id = glue_of(&world, &account, &region)?.start_session(spec);
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
}

async fn one_session(
    State(world): State<World>,
    Path((account, region, id)): Named,
) -> Result<impl IntoResponse, Refusal> {
    found("session", &id, glue_of(&world, &account, &region)?.session(&id))
}

async fn finish_session(
    State(world): State<World>,
    Path((account, region, id)): Named,
) -> Result<impl IntoResponse, Refusal> {
    found("session", &id, glue_of(&world, &account, &region)?.finish_session(&id))
}

async fn statements(State(world): State<World>, Path((account, region, id)): Named) -> Result<Json<Value>, Refusal> {
    let statements = glue_of(&world, &account, &region)?.statements(&id);
    found("session", &id, statements.map(|statements| json!({ "statements": statements })))
}

async fn start_statement(
    State(world): State<World>,
    Path((account, region, id)): Named,
    Json(spec): Json<StatementSpec>,
) -> Result<impl IntoResponse, Refusal> {
    let number = glue_of(&world, &account, &region)?.start_statement(&id, spec);
    let answer = found("session", &id, number.map(|number| json!({ "id": number })))?;
    Ok((StatusCode::CREATED, answer))
}

async fn finish_statement(
    State(world): State<World>,
    Path((account, region, id, number)): Path<(String, String, String, u32)>,
) -> Result<impl IntoResponse, Refusal> {
    let view = glue_of(&world, &account, &region)?.finish_statement(&id, number);
    found("statement", &format!("{id}/{number}"), view)
}

async fn define_job(
    State(world): State<World>,
    Path((account, region)): Place,
    Json(spec): Json<GlueJobSpec>,
) -> Result<impl IntoResponse, Refusal> {
    Ok((StatusCode::CREATED, Json(glue_of(&world, &account, &region)?.define_job(spec))))
}

async fn one_job(
    State(world): State<World>,
    Path((account, region, name)): Named,
) -> Result<impl IntoResponse, Refusal> {
    found("job", &name, glue_of(&world, &account, &region)?.job(&name))
}

async fn active_runs(State(world): State<World>, Path((account, region)): Place) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!({ "runs": glue_of(&world, &account, &region)?.active_runs() })))
}

async fn start_run(
    State(world): State<World>,
    Path((account, region)): Place,
    Json(spec): Json<JobRunSpec>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let id = glue_of(&world, &account, &region)?.start_run(spec);
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
}

async fn one_run(State(world): State<World>, Path((account, region, id)): Named) -> Result<impl IntoResponse, Refusal> {
    found("job run", &id, glue_of(&world, &account, &region)?.run(&id))
}

async fn finish_run(
    State(world): State<World>,
    Path((account, region, id)): Named,
) -> Result<impl IntoResponse, Refusal> {
    found("job run", &id, glue_of(&world, &account, &region)?.finish_run(&id))
}

/// A past to be made up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct History {
    count: usize,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::required")]
    spacing: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::required")]
    newest_age: Duration,
}

async fn seed_sessions(
    State(world): State<World>,
    Path((account, region)): Place,
    Json(past): Json<History>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let glue = glue_of(&world, &account, &region)?;
    let ids = glue.seed_sessions(past.count, past.spacing, past.newest_age);
    Ok((StatusCode::CREATED, Json(json!({ "ids": ids }))))
}

/// The past of many jobs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobsHistory {
    count: usize,
    runs: usize,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::required")]
    spacing: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::required")]
    newest_age: Duration,
}

async fn seed_jobs(
    State(world): State<World>,
    Path((account, region)): Place,
    Json(past): Json<JobsHistory>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let glue = glue_of(&world, &account, &region)?;
    let names = glue.seed_jobs(past.count, past.runs, past.spacing, past.newest_age);
    Ok((StatusCode::CREATED, Json(json!({ "names": names }))))
}

/// The past of one job.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunsHistory {
    job: String,
    count: usize,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::required")]
    spacing: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::required")]
    newest_age: Duration,
}

async fn seed_runs(
    State(world): State<World>,
    Path((account, region)): Place,
    Json(past): Json<RunsHistory>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let glue = glue_of(&world, &account, &region)?;
    let ids = glue.seed_runs(&past.job, past.count, past.spacing, past.newest_age);
    Ok((StatusCode::CREATED, Json(json!({ "ids": ids }))))
}
