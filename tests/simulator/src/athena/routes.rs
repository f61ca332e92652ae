//! Athena's control routes, under `/_simulator/accounts/{account}/{region}/athena`.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::QuerySpec;
use crate::control::{Refusal, account_of, found};
use crate::world::World;

pub(crate) fn routes() -> Router<World> {
    Router::new()
        .route("/queries", get(active_queries).post(start_query))
        .route("/queries/{id}", get(one_query))
        .route("/queries/{id}/finish", post(finish_query))
        .route("/history", post(seed_history))
        .route("/workgroups", get(workgroups))
        .route("/workgroups/{name}", get(workgroup).put(ensure_workgroup))
        .route("/workgroups/{name}/limits", put(limit_workgroup))
}

async fn active_queries(
    State(world): State<World>,
    Path((account, region)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!({ "queries": account_of(&world, &account, &region)?.athena().active() })))
}

async fn start_query(
    State(world): State<World>,
    Path((account, region)): Path<(String, String)>,
    Json(spec): Json<QuerySpec>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let id = account_of(&world, &account, &region)?.athena().start(spec);
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
}

async fn one_query(
    State(world): State<World>,
    Path((account, region, id)): Path<(String, String, String)>,
) -> Result<impl IntoResponse, Refusal> {
    found("query", &id, account_of(&world, &account, &region)?.athena().query(&id))
}

async fn finish_query(
    State(world): State<World>,
    Path((account, region, id)): Path<(String, String, String)>,
) -> Result<impl IntoResponse, Refusal> {
    found("query", &id, account_of(&world, &account, &region)?.athena().finish(&id))
}

/// A past to be made up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct History {
    #[serde(default = "super::primary")]
    workgroup: String,
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
    let athena = account_of(&world, &account, &region)?.athena();
    let ids = athena.seed_history(&history.workgroup, history.count, history.spacing, history.newest_age);
    Ok((StatusCode::CREATED, Json(json!({ "ids": ids }))))
}

async fn workgroups(
    State(world): State<World>,
    Path((account, region)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!({ "workgroups": account_of(&world, &account, &region)?.athena().workgroups() })))
}

async fn workgroup(
    State(world): State<World>,
    Path((account, region, name)): Path<(String, String, String)>,
) -> Result<impl IntoResponse, Refusal> {
    found("workgroup", &name, account_of(&world, &account, &region)?.athena().find_workgroup(&name))
}

async fn ensure_workgroup(
    State(world): State<World>,
    Path((account, region, name)): Path<(String, String, String)>,
) -> Result<impl IntoResponse, Refusal> {
    Ok(Json(account_of(&world, &account, &region)?.athena().workgroup(&name)))
}

/// What limits the queries of a workgroup.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    enforced: bool,
    cutoff: Option<u64>,
}

async fn limit_workgroup(
    State(world): State<World>,
    Path((account, region, name)): Path<(String, String, String)>,
    Json(limits): Json<Limits>,
) -> Result<impl IntoResponse, Refusal> {
    let athena = account_of(&world, &account, &region)?.athena();
    Ok(Json(athena.configure_workgroup(&name, limits.enforced, limits.cutoff)))
}
