//! `GET /skills`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use serde_json::{Value, json};

use crate::access::caller::Caller;
use crate::http::state::AppState;

/// The skills that the caller may call.
pub(in crate::http) async fn list(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
) -> Json<Value> {
    Json(json!({ "skills": state.skills.offers(&caller.scopes) }))
}
