//! CloudTrail's control routes, under `/_simulator/accounts/{account}/{region}/cloudtrail`.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::put;
use axum::{Json, Router};
use serde::Deserialize;

use crate::control::{Refusal, account_of};
use crate::world::World;

pub(crate) fn routes() -> Router<World> {
    Router::new().route("/delivery", put(set_delivery))
}

/// How late events are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Delivery {
    #[serde(with = "jiff::fmt::serde::unsigned_duration::required")]
    delay: Duration,
}

async fn set_delivery(
    State(world): State<World>,
    Path((account, region)): Path<(String, String)>,
    Json(delivery): Json<Delivery>,
) -> Result<StatusCode, Refusal> {
    account_of(&world, &account, &region)?.cloudtrail().set_delivery_delay(delivery.delay);
    Ok(StatusCode::NO_CONTENT)
}
