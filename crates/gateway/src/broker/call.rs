//! One model call: who asks, what for, and the answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use redact::Redactor;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::grants::{Grants, LiveTurn};
use super::provider::{Provider, TurnState};
use super::refusal::Refusal;
use super::relay::{AnswerBody, Relay};
use super::request::LeanRequest;

/// Largest request of a child. A caller's body is at most 4 MiB (`PORTCULLIS_MAX_BODY_BYTES`), and the
/// CLI's JSON escapes no more than the caller had to; the rest is for instructions, history, tool
/// definitions and what tools put out.
const MAX_REQUEST_BYTES: usize = 8 * 1024 * 1024;

/// For the body of a request, from a process on the same machine that has it in memory.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What every call needs, on whichever listener it came in.
pub(super) struct Gate {
    pub(super) provider: Provider,
    pub(super) redactor: Redactor,
    pub(super) grants: Arc<Grants>,
    pub(super) tracker: TaskTracker,
}

pub(super) async fn answer(gate: &Gate, request: Request<Incoming>) -> Response<AnswerBody> {
    let turn = match admit(gate, &request) {
        Ok(turn) => turn,
        Err(refusal) => {
            tracing::info!(code = refusal.code(), "the broker turned a request away");
            return refusal.into_response();
        }
    };
    let started = Instant::now();
    match model_call(gate, &turn, request, started).await {
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
    gate: &Gate,
    turn: &Arc<LiveTurn>,
    request: Request<Incoming>,
    started: Instant,
) -> Result<Response<AnswerBody>, Refusal> {
    if request.headers().contains_key(CONTENT_ENCODING) {
        return Err(Refusal::Compressed);
    }
    let body = read_body(request).await?;
    let mut lean = LeanRequest::rebuild(&body, &turn.grant)?;
    drop(body);
    turn.add_redactions(&lean.redact(&gate.redactor)?);
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

async fn read_body(request: Request<Incoming>) -> Result<Bytes, Refusal> {
    let declared = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let declared = declared.and_then(|value| value.parse::<u64>().ok());
    if declared.is_some_and(|length| length > MAX_REQUEST_BYTES as u64) {
        return Err(Refusal::TooLarge);
    }
    let body = Limited::new(request.into_body(), MAX_REQUEST_BYTES);
    match tokio::time::timeout(BODY_TIMEOUT, body.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        Ok(Err(_)) => Err(Refusal::Malformed),
        Err(_) => Err(Refusal::SlowBody),
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
