//! What every request passes on its way to a route, in one list.

mod authenticate;
mod cross_origin;
mod finalize_response;
mod framing;
mod host_and_origin;
mod load_shedding;
mod rate_limit_headers;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};

use super::state::AppState;

/// Of the routes that are for known callers alone.
pub(super) fn authenticated(
    routes: Router<Arc<AppState>>,
    state: &Arc<AppState>,
) -> Router<Arc<AppState>> {
    let state = Arc::clone(state);
    routes.route_layer(from_fn_with_state(state, authenticate::authenticate))
}

/// A request passes the last layer first, and its answer passes it last.
pub(super) fn wrap(routes: Router<Arc<AppState>>, state: &Arc<AppState>) -> Router<Arc<AppState>> {
    let state = || Arc::clone(state);
    routes
        .layer(from_fn_with_state(
            state(),
            host_and_origin::check_host_and_origin,
        ))
        .layer(from_fn(framing::check_transfer_encoding))
        .layer(from_fn(load_shedding::shed_load))
        .layer(from_fn_with_state(
            state(),
            finalize_response::finalize_response,
        ))
}
