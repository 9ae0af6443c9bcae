//! `GET /skills`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Face;

/// The skills that the caller may call.
pub(super) async fn list(State(face): State<Arc<Face>>) -> Json<Value> {
    Json(json!({ "skills": face.skills.offers() }))
}
