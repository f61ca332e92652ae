//! The routes under `/_simulator/`: for people at a prompt, and for benches in other languages.
//!
//! The crate's front page lists them. They answer JSON, are not counted as calls, and meet no faults.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::accounts::is_account;
use crate::athena::{AthenaHandle, QuerySpec};
use crate::events::EventFaults;
use crate::faults::FaultRule;
use crate::world::World;

pub(crate) fn routes(world: World) -> Router {
    let athena = Router::new()
        .route("/queries", get(active_queries).post(start_query))
        .route("/queries/{id}", get(one_query))
        .route("/queries/{id}/finish", post(finish_query))
        .route("/history", post(seed_history))
        .route("/workgroups/{name}", get(workgroup).put(ensure_workgroup));
    Router::new()
        .route("/health", get(health))
        .route("/calls", get(calls).delete(forget_calls))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/events", get(events).put(set_events))
        .route("/reset", post(reset))
        .nest("/accounts/{account}/{region}/athena", athena)
        .with_state(world)
}

/// A request that cannot be carried out, said in one sentence.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

fn athena_of(world: &World, account: &str, region: &str) -> Result<AthenaHandle, Refusal> {
    if is_account(account) {
        Ok(world.account(account, region).athena())
    } else {
        Err(Refusal(StatusCode::BAD_REQUEST, format!("expected an account id of twelve digits, found `{account}`")))
    }
}

fn found<T: Serialize>(what: &str, name: &str, value: Option<T>) -> Result<Json<T>, Refusal> {
    value.map(Json).ok_or_else(|| Refusal(StatusCode::NOT_FOUND, format!("there is no {what} `{name}`")))
}

async fn health(State(world): State<World>) -> Json<Value> {
    let (accounts, active) = world.size();
    Json(json!({ "status": "ok", "accounts": accounts, "active_workloads": active }))
}

async fn calls(State(world): State<World>) -> Json<Value> {
    Json(json!({ "calls": world.calls().all(), "stops": world.calls().stops() }))
}

async fn forget_calls(State(world): State<World>) -> StatusCode {
    world.calls().reset();
    StatusCode::NO_CONTENT
}

async fn faults(State(world): State<World>) -> Json<Value> {
    Json(json!({ "faults": world.faults().all() }))
}

async fn add_fault(State(world): State<World>, Json(rule): Json<FaultRule>) -> StatusCode {
    world.faults().add(rule);
    StatusCode::CREATED
}

async fn clear_faults(State(world): State<World>) -> StatusCode {
    world.faults().clear();
    StatusCode::NO_CONTENT
}

async fn events(State(world): State<World>) -> Json<Value> {
    Json(json!({ "stats": world.events().stats(), "faults": world.events().faults() }))
}

async fn set_events(State(world): State<World>, Json(faults): Json<EventFaults>) -> StatusCode {
    world.events().set_faults(faults);
    StatusCode::NO_CONTENT
}

async fn reset(State(world): State<World>) -> StatusCode {
    world.reset();
    StatusCode::NO_CONTENT
}

async fn active_queries(
    State(world): State<World>,
    Path((account, region)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!({ "queries": athena_of(&world, &account, &region)?.active() })))
}

async fn start_query(
    State(world): State<World>,
    Path((account, region)): Path<(String, String)>,
    Json(spec): Json<QuerySpec>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let id = athena_of(&world, &account, &region)?.start(spec);
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
}

async fn one_query(
    State(world): State<World>,
    Path((account, region, id)): Path<(String, String, String)>,
) -> Result<impl IntoResponse, Refusal> {
    found("query", &id, athena_of(&world, &account, &region)?.query(&id))
}

async fn finish_query(
    State(world): State<World>,
    Path((account, region, id)): Path<(String, String, String)>,
) -> Result<impl IntoResponse, Refusal> {
    found("query", &id, athena_of(&world, &account, &region)?.finish(&id))
}

/// A past to be made up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct History {
    #[serde(default = "crate::athena::primary")]
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
    let athena = athena_of(&world, &account, &region)?;
    let ids = athena.seed_history(&history.workgroup, history.count, history.spacing, history.newest_age);
    Ok((StatusCode::CREATED, Json(json!({ "ids": ids }))))
}

async fn workgroup(
    State(world): State<World>,
    Path((account, region, name)): Path<(String, String, String)>,
) -> Result<impl IntoResponse, Refusal> {
    found("workgroup", &name, athena_of(&world, &account, &region)?.find_workgroup(&name))
}

async fn ensure_workgroup(
    State(world): State<World>,
    Path((account, region, name)): Path<(String, String, String)>,
) -> Result<impl IntoResponse, Refusal> {
    Ok(Json(athena_of(&world, &account, &region)?.workgroup(&name)))
}
