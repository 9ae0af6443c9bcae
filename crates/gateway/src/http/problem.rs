//! The one place that renders a [`Problem`]: as a document, or as the data of an `error` frame. What it
//! says passes the redactor: a pointer holds the caller's own keys, and a detail may hold a value.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use redact::Redactor;
use serde_json::{Value, json};

use crate::error::{ErrorCode, FieldError, Problem};

/// OpenAI's SDKs retry a 5xx by themselves unless this says no.
static X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The RFC 9457 document.
pub(super) fn document(problem: &Problem, request_id: &str, redactor: &Redactor) -> Value {
    let redacted = |text: &str| redactor.redact(text).text;
    let mut document = json!({
        "type": format!("urn:portcullis:problem:{}", problem.code.as_str()),
        "title": problem.code.title(),
        "status": problem.code.status(),
        "detail": redacted(&problem.detail),
        "code": problem.code.as_str(),
        "request_id": request_id,
    });
    if !problem.errors.is_empty() {
        let errors = problem.errors.iter().map(|error| FieldError {
            pointer: redacted(&error.pointer),
            detail: redacted(&error.detail),
        });
        document["errors"] = json!(errors.collect::<Vec<_>>());
    }
    if let Some(state) = &problem.exceeded {
        document["limit"] = json!({
            "subject": state.subject,
            "name": state.limit,
            "quota": state.quota,
            "remaining": state.remaining,
        });
    }
    if let Some(timeout) = problem.timeout {
        document["meta"] = json!({ "timeout_sec": timeout.as_secs() });
    }
    if let Some(reason) = problem.finish_reason {
        document["meta"]["finish_reason"] = json!(reason);
    }
    document
}

/// Without its body, which the layer makes that names requests.
pub(super) fn response(problem: Problem) -> Response {
    let status =
        StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = status.into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    if let Some(wait) = problem.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    let challenge = match problem.code {
        ErrorCode::Unauthenticated => Some("Bearer realm=\"portcullis\""),
        ErrorCode::Forbidden => Some("Bearer realm=\"portcullis\", error=\"insufficient_scope\""),
        _ => None,
    };
    if let Some(challenge) = challenge {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    // A budget is used up for longer than any client would wait.
    if problem.codex_started || problem.code == ErrorCode::BudgetExhausted {
        headers.insert(X_SHOULD_RETRY.clone(), HeaderValue::from_static("false"));
    }
    response.extensions_mut().insert(problem);
    response
}

pub(super) async fn not_found() -> Response {
    response(Problem::new(
        ErrorCode::NotFound,
        "No such path. Ask with POST /chat; GET / says what there is.",
    ))
}

pub(super) async fn method_not_allowed() -> Response {
    response(Problem::new(
        ErrorCode::MethodNotAllowed,
        "This path takes another method; the Allow header names it.",
    ))
}
