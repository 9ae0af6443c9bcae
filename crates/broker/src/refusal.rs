//! What a child is told when its model call is not answered.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::json;

use super::answer_body::AnswerBody;
use super::failure::{Cause, ProviderFailure};

/// Why a model call ends without a stream. One table gives status, code and words; none of them
/// quotes the request, and the provider's own words never get here.
///
/// The pinned CLI (0.169.0) was run against each of these statuses with its retries at 0: it fails the
/// turn after one request, within milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    UnknownPath,
    MethodNotAllowed,
    /// No credential, or one that is unknown, not issued yet, revoked or past its deadline.
    Unauthenticated,
    Compressed,
    TooLarge,
    /// The child, or all children together, hold more than their share of memory.
    MemoryBudgetExhausted,
    SlowBody,
    Malformed,
    NotStreaming,
    ModelNotGranted,
    /// An input item that is not text of the conversation.
    InputNotGranted,
    TooManyCalls,
    /// The turn has used the tokens that it may.
    OutOfBudget,
    /// The turn ended while its call was on the way.
    TurnEnded,
    Provider(ProviderFailure),
}

impl Refusal {
    fn row(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::UnknownPath => (
                StatusCode::NOT_FOUND,
                "unknown_path",
                "Only POST /v1/responses is served here.",
            ),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Only POST /v1/responses is served here.",
            ),
            Self::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                "invalid_credential",
                "No live credential of a turn.",
            ),
            Self::Compressed => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "compressed_request",
                "Request bodies must not be compressed.",
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "request_too_large",
                "The request is too large.",
            ),
            Self::MemoryBudgetExhausted => (
                StatusCode::BAD_REQUEST,
                "no_room",
                "There are too many large requests at once.",
            ),
            Self::SlowBody => (
                StatusCode::REQUEST_TIMEOUT,
                "slow_request",
                "The request did not arrive in time.",
            ),
            Self::Malformed => (
                StatusCode::BAD_REQUEST,
                "malformed_request",
                "Not a request of the Responses API.",
            ),
            Self::NotStreaming => (
                StatusCode::BAD_REQUEST,
                "not_streaming",
                "Only streamed responses are served here.",
            ),
            Self::ModelNotGranted => (
                StatusCode::FORBIDDEN,
                "model_not_granted",
                "The turn may not use this model.",
            ),
            Self::InputNotGranted => (
                StatusCode::BAD_REQUEST,
                "input_not_granted",
                "The turn may not send this input.",
            ),
            Self::TooManyCalls => (
                StatusCode::BAD_REQUEST,
                "too_many_model_calls",
                "The turn has used up its model calls.",
            ),
            Self::OutOfBudget => (
                StatusCode::BAD_REQUEST,
                "out_of_budget",
                "The turn has used the tokens that it may.",
            ),
            Self::TurnEnded => (StatusCode::BAD_REQUEST, "turn_ended", "The turn has ended."),
            Self::Provider(_) => (
                StatusCode::BAD_REQUEST,
                "provider_failed",
                "The model provider did not answer.",
            ),
        }
    }

    pub(super) fn code(&self) -> &'static str {
        self.row().1
    }

    /// What the turn's owner should read about it, if it is more than a consequence of its own end.
    pub(super) fn failure(&self) -> Option<ProviderFailure> {
        let cause = match self {
            Self::Provider(failure) => return Some(failure.clone()),
            Self::TurnEnded
            | Self::Unauthenticated
            | Self::UnknownPath
            | Self::MethodNotAllowed => None,
            Self::TooLarge => Some(Cause::TooLong),
            Self::MemoryBudgetExhausted => Some(Cause::MemoryBudgetExhausted),
            Self::ModelNotGranted => Some(Cause::ModelNotGranted),
            Self::TooManyCalls | Self::OutOfBudget => Some(Cause::TooManyCalls),
            Self::Compressed
            | Self::SlowBody
            | Self::Malformed
            | Self::NotStreaming
            | Self::InputNotGranted => Some(Cause::NotPassedOn),
        };
        cause.map(|cause| ProviderFailure::own(cause, self.code()))
    }

    /// The small error object of `OpenAI`'s API.
    pub(super) fn into_response(self) -> Response<AnswerBody> {
        let (status, code, message) = self.row();
        let error = json!({
            "error": {"message": message, "type": "portcullis", "code": code, "param": null}
        });
        let body = Full::new(Bytes::from(error.to_string())).map_err(|never| match never {});
        let mut response = Response::new(body.boxed_unsync());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}
