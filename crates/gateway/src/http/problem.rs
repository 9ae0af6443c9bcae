//! The one place that renders a [`Problem`]: as a document, or as the data of an `error` frame.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::error::{ErrorCode, Problem};

use super::request_id::RequestId;

/// OpenAI's SDKs retry a 5xx by themselves unless this says no.
static X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Travels with the response to the request log.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProblemCode(pub(super) ErrorCode);

/// The RFC 9457 document.
pub(super) fn document(problem: &Problem, request_id: &str) -> Value {
    let mut document = json!({
        "type": format!("urn:portcullis:problem:{}", problem.code.as_str()),
        "title": problem.code.title(),
        "status": problem.code.status(),
        "detail": problem.detail,
        "code": problem.code.as_str(),
        "request_id": request_id,
    });
    if !problem.errors.is_empty() {
        document["errors"] = json!(problem.errors);
    }
    if let Some(timeout) = problem.timeout {
        document["meta"] = json!({ "timeout_sec": timeout.as_secs() });
    }
    document
}

pub(super) fn response(problem: &Problem, request_id: &RequestId) -> Response {
    let status =
        StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = document(problem, &request_id.0).to_string();
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    if let Some(wait) = problem.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    if problem.codex_started {
        headers.insert(X_SHOULD_RETRY.clone(), HeaderValue::from_static("false"));
    }
    response.extensions_mut().insert(ProblemCode(problem.code));
    response
}

pub(super) async fn not_found(request_id: RequestId) -> Response {
    let problem = Problem::new(
        ErrorCode::NotFound,
        "No such path. Ask with POST /chat; GET / says what there is.",
    );
    response(&problem, &request_id)
}

pub(super) async fn method_not_allowed(request_id: RequestId) -> Response {
    let problem = Problem::new(
        ErrorCode::MethodNotAllowed,
        "This path takes another method; the Allow header names it.",
    );
    response(&problem, &request_id)
}
