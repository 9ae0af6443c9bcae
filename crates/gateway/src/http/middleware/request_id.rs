use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use redact::Redactor;
use uuid::Uuid;

use crate::error::Problem;

use crate::http::problem;
use crate::http::state::AppState;

pub(in crate::http) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_REQUEST_ID_CHARS: usize = 128;

/// The name of a request in every answer, log line and record.
#[derive(Clone, Debug)]
pub(in crate::http) struct RequestId(pub(in crate::http) String);

impl RequestId {
    /// The caller's own if it is 1–128 visible characters and no secret, else a new UUIDv7: it stands in
    /// every line of the log, and goes to where a secret does not.
    fn of(headers: &HeaderMap, redactor: &Redactor) -> Self {
        let given = headers
            .get(&X_REQUEST_ID)
            .and_then(|value| value.to_str().ok());
        let usable = given.filter(|id| {
            (1..=MAX_REQUEST_ID_CHARS).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_graphic())
                && redactor.redact(id).findings.is_empty()
        });
        usable.map_or_else(Self::new, |id| Self(id.to_owned()))
    }

    fn new() -> Self {
        Self(Uuid::now_v7().to_string())
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts
            .extensions
            .get::<Self>()
            .cloned()
            .unwrap_or_else(Self::new))
    }
}

/// Names the request, answers with the name, renders the problem if the answer is one, and logs its head.
pub(in crate::http) async fn assign(
    State(state): State<Arc<AppState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let id = RequestId::of(request.headers(), &state.redactor);
    let method = request.method().clone();
    // The pattern, not the path: what a caller wrote there may be content.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(X_REQUEST_ID.clone(), value);
    }
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        *response.body_mut() = problem::document(problem, &id.0, &state.redactor)
            .to_string()
            .into();
    }
    let status = response.status();
    let code = problem.map(|problem| problem.code.as_str());
    let duration_ms = begun.elapsed().as_secs_f64() * 1e3;
    if code.is_some() {
        tracing::info!(request_id = %id.0, %method, route, status = status.as_u16(), code, duration_ms, "request refused");
    } else {
        tracing::debug!(request_id = %id.0, %method, route, status = status.as_u16(), duration_ms, "request answered");
    }
    response
}
