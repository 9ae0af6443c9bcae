//! `GET /skills`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::http::state::AppState;

/// The skills that the caller may call.
pub(in crate::http) async fn list(State(state): State<Arc<AppState>>) -> Json<Value> {
    Json(json!({ "skills": state.skills.offers() }))
}
