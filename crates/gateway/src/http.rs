//! The HTTP face: routes, and what every request passes on its way to them. No business rule here.

pub mod accept;
mod body;
mod body_room;
mod chat;
mod connections;
mod cross_origin;
mod crowding;
mod framing;
mod guardrails;
mod health;
mod index;
mod negotiate;
mod parsing;
mod problem;
mod request_id;
mod skills;
mod socket;
mod sse;
mod watched_body;
mod write_timeout;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use redact::Redactor;

use crate::chat::Chat;
use crate::config::ServerSettings;
use crate::health::Health;
use crate::skills::Skills;

pub use body::{Bodies, BodyLimits};
pub use connections::ConnectionLimits;
pub(crate) use connections::PROBE_RESERVE;
pub use parsing::Parsing;

/// What the handlers reach.
pub struct Face {
    pub chat: Chat,
    pub skills: Skills,
    pub health: Health,
    pub settings: ServerSettings,
    /// For what callers choose and get back, or the log.
    pub redactor: Redactor,
    pub bodies: Bodies,
    pub parsing: Parsing,
}

/// The whole public surface. The layers run from the last line up: a request gets its id first.
pub fn router(face: Arc<Face>) -> Router {
    Router::new()
        .route("/", get(index::show))
        .route("/chat", post(chat::answer))
        .route("/skills", get(skills::list))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::not_found)
        .layer(from_fn_with_state(
            Arc::clone(&face),
            guardrails::check_host_and_origin,
        ))
        .layer(from_fn(framing::check_transfer_encoding))
        .layer(from_fn(crowding::keep_reserve))
        .layer(from_fn_with_state(Arc::clone(&face), request_id::assign))
        .with_state(face)
}
