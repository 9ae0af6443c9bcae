//! One model call: who asks, what for, and the answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::header::{AUTHORIZATION, CONTENT_ENCODING};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use redact::{Counts, Redactor};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::body;
use super::grants::{Grants, LiveTurn};
use super::provider::{Provider, TurnState};
use super::refusal::Refusal;
use super::relay::{AnswerBody, Relay};
use super::request::LeanRequest;
use super::room::{ChildRoom, Room};

/// A larger body is taken apart in a thread of its own; up to here that takes less than a millisecond.
const MAX_LIGHT_BYTES: usize = 256 * 1024;

/// What every call needs, on whichever listener it came in.
pub(super) struct Gate {
    pub(super) provider: Provider,
    pub(super) redactor: Redactor,
    pub(super) grants: Arc<Grants>,
    pub(super) tracker: TaskTracker,
    pub(super) room: Room,
}

pub(super) async fn answer(
    gate: &Arc<Gate>,
    child: &ChildRoom,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let turn = match admit(gate, &request) {
        Ok(turn) => turn,
        Err(refusal) => {
            tracing::info!(code = refusal.code(), "the broker turned a request away");
            return refusal.into_response();
        }
    };
    let started = Instant::now();
    match model_call(gate, child, &turn, request, started).await {
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
                duration_ms = millis(started.elapsed()),
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
fn admit(gate: &Gate, request: &Request<Incoming>) -> Result<Arc<LiveTurn>, Refusal> {
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
        .and_then(|(_, credential)| gate.grants.find(credential.trim()))
        .ok_or(Refusal::Unauthenticated)
}

async fn model_call(
    gate: &Arc<Gate>,
    child: &ChildRoom,
    turn: &Arc<LiveTurn>,
    request: Request<Incoming>,
    started: Instant,
) -> Result<Response<AnswerBody>, Refusal> {
    if request.headers().contains_key(CONTENT_ENCODING) {
        return Err(Refusal::Compressed);
    }
    let mut place = child.place();
    let body = body::read(request, &mut place).await?;
    let (lean, redactions) = rebuild(gate, turn, body).await?;
    turn.add_redactions(&redactions);
    let call = turn.begin_call().ok_or(Refusal::TooManyCalls)?;

    let state = TurnState {
        deadline: turn.grant.deadline,
        is_first_call: call == 1,
    };
    let stream = tokio::select! {
        biased;
        () = turn.ended() => return Err(Refusal::TurnEnded),
        answer = gate.provider.respond(&lean, &state) => answer.map_err(Refusal::Provider)?,
    };
    tracing::debug!(
        turn_id = turn.grant.turn_id,
        call,
        head_ms = millis(started.elapsed()),
        "model call is answered"
    );
    Ok(Relay::new(stream, Arc::clone(turn), gate.tracker.clone(), started).into_response())
}

async fn rebuild(
    gate: &Arc<Gate>,
    turn: &Arc<LiveTurn>,
    body: BytesMut,
) -> Result<(LeanRequest, Counts), Refusal> {
    if body.len() <= MAX_LIGHT_BYTES {
        return LeanRequest::rebuild(&body, &turn.grant, &gate.redactor);
    }
    let turn_of_work = gate.room.heavy_work().await;
    let (gate_of_work, turn) = (Arc::clone(gate), Arc::clone(turn));
    let working = gate.tracker.spawn_blocking(move || {
        let _until_done = turn_of_work;
        LeanRequest::rebuild(&body, &turn.grant, &gate_of_work.redactor)
    });
    working.await.unwrap_or(Err(Refusal::Malformed))
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
