//! `POST /chat`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::calls::call::Call;
use crate::calls::request::{Parsed, Request};
use crate::calls::run::{RunEvent, RunFollower};
use crate::error::{ErrorCode, Problem};

use crate::http::body::parsing::parse;
use crate::http::middleware::request_id::RequestId;
use crate::http::negotiate::{Accepted, AnswerForm, check_content_type};
use crate::http::server::PeerAddress;
use crate::http::state::AppState;
use crate::http::{problem, sse};

pub(in crate::http) async fn answer(
    State(state): State<Arc<AppState>>,
    Extension(PeerAddress(address)): Extension<PeerAddress>,
    request_id: RequestId,
    request: http::Request<Body>,
) -> Response {
    match handle(&state, address, &request_id, request).await {
        Ok(response) => response,
        Err(problem) => problem::response(problem),
    }
}

async fn handle(
    state: &Arc<AppState>,
    address: IpAddr,
    request_id: &RequestId,
    request: http::Request<Body>,
) -> Result<Response, Problem> {
    let settings = state.chat.settings();
    let call = Call::new(request_id.0.clone(), settings.timeout);
    let accepted = Accepted::of(request.headers()).check()?;
    check_content_type(request.headers())?;
    let body = state
        .bodies
        .read(request, address, settings.timeout)
        .await?;
    let Parsed {
        request,
        stream: asked,
    } = parse(state, body, &call).await?;
    let form = accepted.form(asked, settings.stream_enabled)?;
    let follower = match request {
        Request::Chat(request) => state.chat.start(request, call),
        Request::Tool(request) => state.skills.start(request, call),
    };
    match form {
        AnswerForm::Stream => stream(state, follower, request_id).await,
        AnswerForm::Json => whole(follower).await,
    }
}

/// Waits for the first event, so that an early failure keeps its HTTP status; but not longer than a
/// proxy would wait for a sign of life.
async fn stream(
    state: &AppState,
    mut follower: RunFollower,
    request_id: &RequestId,
) -> Result<Response, Problem> {
    let first = match timeout(sse::HEARTBEAT, follower.next()).await {
        Ok(Some(event)) => match event.event {
            RunEvent::Failed { problem } => return Err(problem),
            _ => Some(event),
        },
        Ok(None) | Err(_) => None,
    };
    let redactor = state.redactor.clone();
    Ok(sse::response(
        first,
        follower,
        request_id.0.clone(),
        redactor,
    ))
}

async fn whole(mut follower: RunFollower) -> Result<Response, Problem> {
    let mut answer = String::new();
    while let Some(event) = follower.next().await {
        match event.event {
            RunEvent::Delta { text } => answer.push_str(&text),
            RunEvent::Start { .. } | RunEvent::ToolStart { .. } | RunEvent::Item { .. } => {}
            RunEvent::Done { meta } => {
                return Ok(json_answer(json!({ "answer": answer, "meta": meta })));
            }
            RunEvent::ToolDone { tool_result, meta } => {
                let answer = json!({ "tool_result": tool_result, "meta": meta });
                return Ok(json_answer(answer));
            }
            RunEvent::Failed { problem } => return Err(problem),
        }
    }
    Err(Problem::new(
        ErrorCode::Internal,
        "The call ended without an outcome.",
    ))
}

fn json_answer(answer: Value) -> Response {
    let mut response = Json(answer).into_response();
    response.headers_mut().insert(
        http::header::CACHE_CONTROL,
        http::HeaderValue::from_static("no-store"),
    );
    response
}
