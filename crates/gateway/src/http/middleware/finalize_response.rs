use std::sync::Arc;

use axum::extract::{Extension, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;

use super::rate_limit_headers;
use crate::error::Problem;
use crate::http::problem;
use crate::http::request_info::{RequestInfo, X_REQUEST_ID};
use crate::http::state::AppState;

/// Names the request in its answer, renders a problem as its document, and records the answer.
pub(in crate::http) async fn finalize_response(
    State(state): State<Arc<AppState>>,
    Extension(info): Extension<RequestInfo>,
    request: Request,
    next: Next,
) -> Response {
    // The pattern, not the path: what a caller wrote there may be content.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    info.record.facts().route = Some(route);
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(info.id()) {
        response.headers_mut().insert(X_REQUEST_ID.clone(), value);
    }
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        *response.body_mut() = problem::document(problem, info.id(), &state.redactor)
            .to_string()
            .into();
    }
    let exceeded = problem
        .as_ref()
        .and_then(|problem| problem.exceeded.as_deref().copied());
    rate_limit_headers::add(
        response.headers_mut(),
        &info.record.facts().limits,
        exceeded,
    );
    info.record.answered(response.status().as_u16(), problem);
    response
}
