//! `GET /livez` and `GET /readyz`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::health::Outcome;

use crate::http::state::AppState;

/// The process runs and answers. Says nothing of whether it should be sent work.
pub(in crate::http) async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Whether work should be sent here: every check by its name, 503 if one fails. A check that is only
/// degraded is not `ok`, and no reason to send the work elsewhere.
pub(in crate::http) async fn ready(State(state): State<Arc<AppState>>) -> Response {
    let checks = state.health.checks();
    let is_ready = checks.iter().all(|check| check.outcome != Outcome::Failed);
    let checks: Map<String, Value> = checks
        .into_iter()
        .map(|check| {
            (
                check.name.to_owned(),
                json!({ "ok": check.outcome == Outcome::Passed, "detail": check.detail }),
            )
        })
        .collect();
    let (status, word) = if is_ready {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    (status, Json(json!({ "status": word, "checks": checks }))).into_response()
}
