//! Systems Manager's control routes, under `/_simulator/accounts/{account}/{region}/ssm`; the crate's front page lists
//! them.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::CalendarSpec;
use crate::control::{Refusal, account_of, found};
use crate::world::World;

pub(crate) fn routes() -> Router<World> {
    Router::new()
        .route("/calendars", post(set_calendar))
        .route("/calendars/{name}", get(calendar).delete(delete_calendar))
}

async fn set_calendar(
    State(world): State<World>,
    Path((account, region)): Path<(String, String)>,
    Json(spec): Json<CalendarSpec>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let name = spec.name.clone();
    account_of(&world, &account, &region)?.ssm().set_calendar(spec);
    Ok((StatusCode::CREATED, Json(json!({ "name": name }))))
}

type Named = Path<(String, String, String)>;

async fn calendar(
    State(world): State<World>,
    Path((account, region, name)): Named,
) -> Result<impl IntoResponse, Refusal> {
    let state = account_of(&world, &account, &region)?.ssm().state(&name);
    found("calendar", &name, state.map(|state| json!({ "state": state })))
}

async fn delete_calendar(
    State(world): State<World>,
    Path((account, region, name)): Named,
) -> Result<impl IntoResponse, Refusal> {
    let deleted = account_of(&world, &account, &region)?.ssm().delete_calendar(&name);
    found("calendar", &name, deleted.then(|| json!({})))
}
