//! The whole public surface, one file for each route.

mod chat;
mod health;
mod index;
mod skills;
mod usage;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::middleware;
use super::problem;
use super::request_info::CHAT;
use super::state::AppState;

pub fn router(state: Arc<AppState>) -> Router {
    let for_callers = Router::new()
        .route(CHAT, post(chat::answer))
        .route("/skills", get(skills::list))
        .route("/usage", get(usage::show));
    let routes = middleware::authenticated(for_callers, &state)
        .route("/", get(index::show))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::not_found);
    middleware::wrap(routes, &state).with_state(state)
}
