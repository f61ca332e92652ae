//! The routes under `/_simulator/`: for people at a prompt, and for benches in other languages.
//!
//! The crate's front page lists them; those of one service are in its module. They answer JSON, are not counted as
//! calls, and meet no faults.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Value, json};

use crate::accounts::is_account;
use crate::events::EventFaults;
use crate::faults::FaultRule;
use crate::world::{Account, World};
use crate::{athena, cloudtrail, emr, glue, sagemaker, ssm};

pub(crate) fn routes(world: World) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/calls", get(calls).delete(forget_calls))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/events", get(events).put(set_events))
        .route("/reset", post(reset))
        .nest("/accounts/{account}/{region}/athena", athena::routes())
        .nest("/accounts/{account}/{region}/cloudtrail", cloudtrail::routes())
        .nest("/accounts/{account}/{region}/emr", emr::routes())
        .nest("/accounts/{account}/{region}/glue", glue::routes())
        .nest("/accounts/{account}/{region}/sagemaker", sagemaker::routes())
        .nest("/accounts/{account}/{region}/ssm", ssm::routes())
        .with_state(world)
}

/// A request that cannot be carried out, said in one sentence.
#[derive(Debug)]
pub(crate) struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// The account and Region a path names.
pub(crate) fn account_of(world: &World, account: &str, region: &str) -> Result<Account, Refusal> {
    if is_account(account) {
        Ok(world.account(account, region))
    } else {
        Err(Refusal(StatusCode::BAD_REQUEST, format!("expected an account id of twelve digits, found `{account}`")))
    }
}

/// What was looked for, or that there is none.
pub(crate) fn found<T: Serialize>(what: &str, name: &str, value: Option<T>) -> Result<Json<T>, Refusal> {
    value.map(Json).ok_or_else(|| Refusal(StatusCode::NOT_FOUND, format!("there is no {what} `{name}`")))
}

async fn health(State(world): State<World>) -> Json<Value> {
    let (accounts, active) = world.size();
    Json(json!({ "status": "ok", "accounts": accounts, "active_workloads": active }))
}

async fn calls(State(world): State<World>) -> Json<Value> {
    Json(json!({ "calls": world.calls().all(), "stops": world.calls().stops(), "changes": world.calls().changes() }))
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
