//! Bodies of requests: bounded each, and bounded together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::{ErrorCode, Problem};

/// A body that is not here after this time will not come.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Bodies that may be in memory at once, in multiples of the largest one: a caller's text is held
/// before its call is admitted, and a thousand connections may each bring one.
const LARGEST_BODIES_AT_ONCE: usize = 16;

/// The budget is counted in pieces of this size, of which a semaphore can hold enough.
const PIECE_BYTES: usize = 1024;

/// The room for bodies that are being read or parsed.
#[derive(Debug)]
pub struct BodyBudget {
    limit_bytes: usize,
    pieces: Arc<Semaphore>,
}

/// A body, and the room that it takes until it is dropped.
pub(super) struct HeldBody {
    pub(super) bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl BodyBudget {
    /// `limit_bytes` is the size of the largest body.
    pub fn new(limit_bytes: usize) -> Self {
        let pieces = pieces(limit_bytes) as usize * LARGEST_BODIES_AT_ONCE;
        Self {
            limit_bytes,
            pieces: Arc::new(Semaphore::new(pieces)),
        }
    }

    /// Reads a body, in no more time than `call_timeout` or what any body gets.
    pub(super) async fn read(
        &self,
        request: Request<Body>,
        call_timeout: Duration,
    ) -> Result<HeldBody, Problem> {
        let declared = declared_length(request.headers());
        if declared.is_some_and(|length| length > self.limit_bytes) {
            return Err(self.too_large());
        }
        let reserved = pieces(declared.unwrap_or(self.limit_bytes));
        let room = Arc::clone(&self.pieces).try_acquire_many_owned(reserved);
        let room = room.map_err(|_| {
            Problem::new(
                ErrorCode::Overloaded,
                "Too many large requests are arriving at once. Try again in a few seconds.",
            )
        })?;
        let limit = BODY_TIMEOUT.min(call_timeout);
        let body = Limited::new(request.into_body(), self.limit_bytes).collect();
        match timeout(limit, body).await {
            Ok(Ok(body)) => Ok(HeldBody {
                bytes: body.to_bytes(),
                _room: room,
            }),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(self.too_large()),
            Ok(Err(_)) => Err(Problem::new(ErrorCode::ClientGone, "The body broke off.")),
            Err(_) => Err(Problem::new(
                ErrorCode::RequestTimeout,
                format!("The body did not arrive within {} s.", limit.as_secs()),
            )),
        }
    }

    fn too_large(&self) -> Problem {
        Problem::new(
            ErrorCode::BodyTooLarge,
            format!(
                "The body may have at most {} bytes (PORTCULLIS_MAX_BODY_BYTES).",
                self.limit_bytes
            ),
        )
    }
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Rounded up, so that the smallest body takes room too.
fn pieces(bytes: usize) -> u32 {
    u32::try_from(bytes / PIECE_BYTES + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(length: usize) -> Request<Body> {
        Request::builder()
            .header(CONTENT_LENGTH, length)
            .body(Body::from(vec![b'x'; length]))
            .unwrap()
    }

    #[tokio::test]
    async fn bodies_have_a_bound_together_and_give_their_room_back() {
        const LIMIT_BYTES: usize = 64 * 1024;
        let budget = BodyBudget::new(LIMIT_BYTES);
        let mut held = Vec::new();
        let refused = loop {
            match budget.read(request(LIMIT_BYTES), BODY_TIMEOUT).await {
                Ok(body) => held.push(body),
                Err(problem) => break problem,
            }
        };
        assert_eq!(refused.code, ErrorCode::Overloaded);
        assert_eq!(held.len(), LARGEST_BODIES_AT_ONCE);
        assert_eq!(held[0].bytes.len(), LIMIT_BYTES);
        held.pop();
        assert!(budget.read(request(10), BODY_TIMEOUT).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_gets_no_more_time_than_its_call() {
        let budget = BodyBudget::new(1024);
        let endless =
            Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let begun = tokio::time::Instant::now();
        let refused = budget
            .read(Request::new(endless), Duration::from_secs(5))
            .await;
        assert_eq!(refused.err().unwrap().code, ErrorCode::RequestTimeout);
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
    }
}
