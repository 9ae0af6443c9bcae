//! `POST /chat`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::timeout;

use crate::access::caller::Caller;
use crate::calls::call::Call;
use crate::calls::request::Parsed;
use crate::calls::result::CallResult;
use crate::calls::run::{RunEvent, RunFollower};
use crate::error::{ErrorCode, Problem};

use crate::http::negotiate::{Accepted, AnswerForm, check_content_type};
use crate::http::request_info::RequestInfo;
use crate::http::state::AppState;
use crate::http::{problem, sse};

pub(in crate::http) async fn answer(
    State(state): State<Arc<AppState>>,
    Extension(info): Extension<RequestInfo>,
    Extension(caller): Extension<Caller>,
    request: http::Request<Body>,
) -> Response {
    match handle(&state, &info, caller, request).await {
        Ok(response) => response,
        Err(problem) => problem::response(problem),
    }
}

async fn handle(
    state: &Arc<AppState>,
    info: &RequestInfo,
    caller: Caller,
    request: http::Request<Body>,
) -> Result<Response, Problem> {
    let settings = &state.chat_settings;
    let call = Call::new(info.record.clone(), caller, settings.timeout);
    let accepted = Accepted::of(request.headers()).check()?;
    check_content_type(request.headers())?;
    let reading = state
        .bodies
        .read(request, info.client.network(), settings.timeout);
    let body = reading.await?;
    let reader = Arc::clone(state);
    let scopes = call.caller.scopes.clone();
    let parsing = state.parsing.run(body, call.deadline, move |bytes| {
        let takes = |skill: &str, name: &str| reader.skills.takes(skill, name, &scopes);
        let allowed = &reader.chat_settings.allowed_models;
        Parsed::read(bytes, &scopes.models(allowed), takes)
    });
    let Parsed {
        request,
        stream: asked,
    } = parsing.await?;
    let form = accepted.form(asked, settings.stream_enabled)?;
    let follower = state.calls.start(request, call);
    match form {
        AnswerForm::Stream => stream(state, follower, info).await,
        AnswerForm::Json => whole(follower).await,
    }
}

/// Waits for the first event, so that an early failure keeps its HTTP status; but not longer than a
/// proxy would wait for a sign of life.
async fn stream(
    state: &AppState,
    mut follower: RunFollower,
    info: &RequestInfo,
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
        info.id().to_owned(),
        redactor,
    ))
}

/// The JSON form of what a call has come to.
#[derive(Serialize)]
struct Whole {
    /// Of a chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    #[serde(flatten)]
    result: CallResult,
}

async fn whole(mut follower: RunFollower) -> Result<Response, Problem> {
    let mut answer = String::new();
    while let Some(event) = follower.next().await {
        match event.event {
            RunEvent::Delta { text } => answer.push_str(&text),
            RunEvent::Start { .. } | RunEvent::Item { .. } => {}
            RunEvent::Done(result) => {
                let answer = match result {
                    CallResult::Chat(_) => Some(answer),
                    CallResult::Tool(_) => None,
                };
                return Ok(json(&Whole { answer, result }));
            }
            RunEvent::Failed { problem } => return Err(problem),
        }
    }
    Err(Problem::new(
        ErrorCode::Internal,
        "The call ended without an outcome.",
    ))
}

fn json(answer: &Whole) -> Response {
    let mut response = Json(answer).into_response();
    response.headers_mut().insert(
        http::header::CACHE_CONTROL,
        http::HeaderValue::from_static("no-store"),
    );
    response
}
