//! EMR's control routes, under `/_simulator/accounts/{account}/{region}/emr`; the crate's front page lists them.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ClusterSpec, EmrHandle, StepSpec};
use crate::control::{Refusal, account_of, found};
use crate::world::World;

pub(crate) fn routes() -> Router<World> {
    Router::new()
        .route("/clusters", get(active_clusters).post(start_cluster))
        .route("/clusters/{id}", get(one_cluster))
        .route("/clusters/{id}/finish", post(finish_cluster))
        .route("/steps", get(active_steps).post(add_step))
        .route("/steps/{id}", get(one_step))
        .route("/steps/{id}/finish", post(finish_step))
        .route("/history", post(seed_history))
}

fn emr_of(world: &World, account: &str, region: &str) -> Result<EmrHandle, Refusal> {
    Ok(account_of(world, account, region)?.emr())
}

async fn active_clusters(
    State(world): State<World>,
    Path((account, region)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!({ "clusters": emr_of(&world, &account, &region)?.active() })))
}

async fn start_cluster(
    State(world): State<World>,
    Path((account, region)): Path<(String, String)>,
    Json(spec): Json<ClusterSpec>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let id = emr_of(&world, &account, &region)?.start(spec);
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
}

async fn one_cluster(
    State(world): State<World>,
    Path((account, region, id)): Path<(String, String, String)>,
) -> Result<impl IntoResponse, Refusal> {
    found("cluster", &id, emr_of(&world, &account, &region)?.cluster(&id))
}

async fn finish_cluster(
    State(world): State<World>,
    Path((account, region, id)): Path<(String, String, String)>,
) -> Result<impl IntoResponse, Refusal> {
    found("cluster", &id, emr_of(&world, &account, &region)?.finish(&id))
}

async fn active_steps(
    State(world): State<World>,
    Path((account, region)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!({ "steps": emr_of(&world, &account, &region)?.active_steps() })))
}

async fn add_step(
    State(world): State<World>,
    Path((account, region)): Path<(String, String)>,
    Json(spec): Json<StepSpec>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let cluster = spec.cluster.clone();
    let id = found("cluster that takes steps", &cluster, emr_of(&world, &account, &region)?.add_step(spec))?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id.0 }))))
}

async fn one_step(
    State(world): State<World>,
    Path((account, region, id)): Path<(String, String, String)>,
) -> Result<impl IntoResponse, Refusal> {
    found("step", &id, emr_of(&world, &account, &region)?.step(&id))
}

async fn finish_step(
    State(world): State<World>,
    Path((account, region, id)): Path<(String, String, String)>,
) -> Result<impl IntoResponse, Refusal> {
    found("step", &id, emr_of(&world, &account, &region)?.finish_step(&id))
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

async fn seed_history(
    State(world): State<World>,
    Path((account, region)): Path<(String, String)>,
    Json(history): Json<History>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let emr = emr_of(&world, &account, &region)?;
    let ids = emr.seed_history(history.count, history.spacing, history.newest_age);
    Ok((StatusCode::CREATED, Json(json!({ "ids": ids }))))
}
