//! `POST /chat`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::chat::Call;
use crate::chat::request::ChatRequest;
use crate::error::{ErrorCode, Problem};
use crate::run::{RunEvent, RunFollower};

use super::negotiate::{Accepted, AnswerForm, check_content_type};
use super::request_id::RequestId;
use super::{Face, problem, sse};

/// A body that is not here after this time will not come.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) async fn answer(
    State(face): State<Arc<Face>>,
    request_id: RequestId,
    request: Request<Body>,
) -> Response {
    match handle(&face, &request_id, request).await {
        Ok(response) => response,
        Err(problem) => problem::response(&problem, &request_id),
    }
}

async fn handle(
    face: &Face,
    request_id: &RequestId,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let settings = face.chat.settings();
    let call = Call::new(request_id.0.clone(), settings.timeout);
    let accepted = Accepted::of(request.headers()).check()?;
    check_content_type(request.headers())?;
    let body = read_body(request, face.settings.max_body_bytes).await?;
    let request = ChatRequest::parse(&body, settings)?;
    let form = accepted.form(request.stream, settings.stream_enabled)?;
    drop(body);
    let follower = face.chat.start(request, call);
    match form {
        AnswerForm::Stream => stream(follower, request_id).await,
        AnswerForm::Json => whole(follower).await,
    }
}

async fn read_body(request: Request<Body>, limit_bytes: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            ErrorCode::BodyTooLarge,
            format!("The body may have at most {limit_bytes} bytes (PORTCULLIS_MAX_BODY_BYTES)."),
        )
    };
    if declared_length(request.headers()).is_some_and(|length| length > limit_bytes) {
        return Err(too_large());
    }
    match timeout(
        BODY_TIMEOUT,
        Limited::new(request.into_body(), limit_bytes).collect(),
    )
    .await
    {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(ErrorCode::ClientGone, "The body broke off.")),
        Err(_) => Err(Problem::new(
            ErrorCode::RequestTimeout,
            format!(
                "The body did not arrive within {} s.",
                BODY_TIMEOUT.as_secs()
            ),
        )),
    }
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Waits for the first event, so that an early failure keeps its HTTP status; but not longer than a
/// proxy would wait for a sign of life.
async fn stream(mut follower: RunFollower, request_id: &RequestId) -> Result<Response, Problem> {
    let first = match timeout(sse::HEARTBEAT, follower.next()).await {
        Ok(Some(event)) => match event.event {
            RunEvent::Failed { problem } => return Err(problem),
            _ => Some(event),
        },
        Ok(None) | Err(_) => None,
    };
    Ok(sse::response(first, follower, request_id.0.clone()))
}

async fn whole(mut follower: RunFollower) -> Result<Response, Problem> {
    let mut answer = String::new();
    while let Some(event) = follower.next().await {
        match event.event {
            RunEvent::Delta { text } => answer.push_str(&text),
            RunEvent::Start { .. } | RunEvent::Item { .. } => {}
            RunEvent::Done { meta } => return Ok(json_answer(&answer, &meta)),
            RunEvent::Failed { problem } => return Err(problem),
        }
    }
    Err(Problem::new(
        ErrorCode::Internal,
        "The call ended without an outcome.",
    ))
}

fn json_answer(answer: &str, meta: &Value) -> Response {
    let mut response = Json(json!({ "answer": answer, "meta": meta })).into_response();
    response.headers_mut().insert(
        http::header::CACHE_CONTROL,
        http::HeaderValue::from_static("no-store"),
    );
    response
}
