//! One model call: who asks, what for, and the answer.

use std::sync::Arc;

use bytes::BytesMut;
use http::header::{AUTHORIZATION, CONTENT_ENCODING};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use redact::{Counts, Redactor};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::answer_body::AnswerBody;
use crate::body;
use crate::grants::{Grants, LiveTurn};
use crate::memory_budget::{ChildMemoryBudget, MemoryBudget};
use crate::providers::{Provider, TurnState};
use crate::refusal::Refusal;
use crate::relay::Relay;
use crate::request::LeanRequest;
use crate::usage::Usage;

/// A larger body is taken apart in a thread of its own; up to here that takes less than a millisecond.
const MAX_LIGHT_BYTES: usize = 256 * 1024;

/// What every call needs, on whichever listener it came in.
pub(super) struct BrokerState {
    pub(super) provider: Provider,
    pub(super) redactor: Redactor,
    pub(super) grants: Arc<Grants>,
    pub(super) tracker: TaskTracker,
    pub(super) memory_budget: MemoryBudget,
}

pub(super) async fn answer(
    state: &Arc<BrokerState>,
    child: &ChildMemoryBudget,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let turn = match admit(state, &request) {
        Ok(turn) => turn,
        Err(refusal) => {
            tracing::info!(code = refusal.code(), "the broker turned a request away");
            return refusal.into_response();
        }
    };
    let started = Instant::now();
    match model_call(state, child, &turn, request, started).await {
        Ok(response) => response,
        Err(refusal) => {
            let failure = refusal.failure();
            tracing::info!(
                turn_id = turn.grant.turn_id,
                tenant = turn.grant.tenant,
                code = refusal.code(),
                class = failure.as_ref().map(|failure| failure.class().as_str()),
                provider_status = failure.as_ref().and_then(|failure| failure.status),
                provider_code = failure.as_ref().and_then(|failure| failure.code),
                duration_ms = started.elapsed().as_millis(),
                "model call refused"
            );
            // Before the answer leaves: the turn's owner looks here when the CLI reports the turn failed.
            if let Some(failure) = failure {
                turn.fail(failure);
            }
            refusal.into_response()
        }
    }
}

/// Decides from the head alone, so that nobody without a credential gets a byte of body read.
fn admit(state: &BrokerState, request: &Request<Incoming>) -> Result<Arc<LiveTurn>, Refusal> {
    if request.uri().path() != "/v1/responses" {
        return Err(Refusal::UnknownPath);
    }
    if request.method() != Method::POST {
        return Err(Refusal::MethodNotAllowed);
    }
    request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .and_then(|(_, credential)| state.grants.find(credential.trim()))
        .ok_or(Refusal::Unauthenticated)
}

async fn model_call(
    state: &Arc<BrokerState>,
    child: &ChildMemoryBudget,
    turn: &Arc<LiveTurn>,
    request: Request<Incoming>,
    started: Instant,
) -> Result<Response<AnswerBody>, Refusal> {
    if request.headers().contains_key(CONTENT_ENCODING) {
        return Err(Refusal::Compressed);
    }
    let mut reservation = child.reserve();
    let body = body::read(request, &mut reservation).await?;
    let (mut lean, redactions) = rebuild(state, turn, body).await?;
    turn.add_redactions(&redactions);
    let call = turn.begin_call(lean.input_tokens())?;
    lean.limit_output(call.max_output_tokens());

    let turn_state = TurnState {
        deadline: turn.grant.deadline,
        is_first_call: call.number == 1,
    };
    let stream = tokio::select! {
        biased;
        () = turn.ended() => return Err(Refusal::TurnEnded),
        answer = state.provider.respond(&lean, &turn_state) => answer.map_err(|failure| {
            turn.end_call(&call, Usage::default());
            Refusal::Provider(failure)
        })?,
    };
    tracing::debug!(
        turn_id = turn.grant.turn_id,
        call = call.number,
        head_ms = started.elapsed().as_millis(),
        "model call is answered"
    );
    let relay = Relay::new(
        stream,
        Arc::clone(turn),
        call,
        state.tracker.clone(),
        started,
    );
    Ok(relay.into_response())
}

async fn rebuild(
    state: &Arc<BrokerState>,
    turn: &Arc<LiveTurn>,
    body: BytesMut,
) -> Result<(LeanRequest, Counts), Refusal> {
    if body.len() <= MAX_LIGHT_BYTES {
        return LeanRequest::rebuild(&body, &turn.grant, &state.redactor);
    }
    let permit = state.memory_budget.parse_permit().await;
    let (shared, turn) = (Arc::clone(state), Arc::clone(turn));
    let working = state.tracker.spawn_blocking(move || {
        let _held = permit;
        LeanRequest::rebuild(&body, &turn.grant, &shared.redactor)
    });
    working.await.unwrap_or(Err(Refusal::Malformed))
}
