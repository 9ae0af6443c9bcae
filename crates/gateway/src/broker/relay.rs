//! Streams a provider's answer to the child, metering it on the way.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::time::{Instant, Sleep};
use tokio_util::task::TaskTracker;

use super::call::millis;
use super::failure::{Cause, ProviderFailure, code};
use super::grants::LiveTurn;
use super::meter::{Meter, Metered, Terminal};
use crate::logging::RECORD;

pub(super) type AnswerBody = UnsyncBoxBody<Bytes, StreamAborted>;

/// A provider's event stream. Dropping it cancels the call: the connection is closed.
pub(super) type EventStream = Pin<Box<dyn Stream<Item = Result<Bytes, ProviderFailure>> + Send>>;

/// For what a provider sends after the terminal event: the end of its chunked encoding. Reading it gives
/// the connection back to the pool, and so saves the next turn a TCP and a TLS handshake.
const TAIL_TIMEOUT: Duration = Duration::from_secs(1);

/// After an `error` event, for an end of the answer that it did not prevent.
pub(super) const ERROR_TIMEOUT: Duration = Duration::from_secs(2);

/// Pieces of a stream that are taken in one turn of the executor without anything to pass on.
const MAX_PIECES_AT_ONCE: usize = 32;

/// The turn ended while its answer was on the way: the child's connection is closed.
#[derive(Debug, thiserror::Error)]
#[error("the turn has ended")]
pub(super) struct StreamAborted;

/// The body of an answer to a child.
///
/// It has no task and no queue of its own: the child's connection polls the provider's, so that an event
/// is on its way in the poll that received its end, and a child that goes away cancels the call by dropping
/// this. A failure is recorded before the bytes that show it to the child.
pub(super) struct Relay {
    /// `None` once the stream has ended.
    upstream: Option<EventStream>,
    meter: Meter,
    turn: Arc<LiveTurn>,
    turn_ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Since an `error` event.
    giving_up: Option<Pin<Box<Sleep>>>,
    tracker: TaskTracker,
    record: Record,
}

impl Relay {
    pub(super) fn new(
        upstream: EventStream,
        turn: Arc<LiveTurn>,
        tracker: TaskTracker,
        started: Instant,
    ) -> Self {
        Self {
            upstream: Some(upstream),
            meter: Meter::default(),
            turn_ended: Box::pin(turn.ended()),
            giving_up: None,
            record: Record::new(started, turn.grant.turn_id.clone()),
            turn,
            tracker,
        }
    }

    pub(super) fn into_response(self) -> Response<AnswerBody> {
        let mut response = Response::new(self.boxed_unsync());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// What of a piece is for the child.
    fn pass(&mut self, piece: &Bytes) -> Bytes {
        self.record.count(piece);
        let Metered { bytes, terminal } = self.meter.feed(piece);
        if let Some(terminal) = terminal {
            self.settle(terminal);
            self.drain_tail();
        } else if self.meter.pending_error().is_some() && self.giving_up.is_none() {
            self.giving_up = Some(Box::pin(tokio::time::sleep(ERROR_TIMEOUT)));
        }
        bytes
    }

    /// The provider has closed its stream, or the connection broke. The child's stream ends in order,
    /// so that everything before the end reaches it: without a terminal event no client takes it for
    /// whole, and a broken connection is what the CLI would try again.
    fn end(&mut self, broken: Option<ProviderFailure>) -> Bytes {
        self.upstream = None;
        let Metered { bytes, terminal } = self.meter.finish();
        if let Some(terminal) = terminal {
            self.settle(terminal);
            return bytes;
        }
        let (cause, code) = if self.meter.saw_event() {
            (Cause::BadAnswer, code::STREAM_CUT)
        } else {
            (Cause::WrongAddress, code::NOT_AN_EVENT_STREAM)
        };
        self.fail(broken.unwrap_or_else(|| ProviderFailure::own(cause, code)));
        Bytes::new()
    }

    fn settle(&mut self, terminal: Terminal) {
        self.record.usage = terminal.usage;
        self.turn.add_usage(terminal.usage);
        match terminal.outcome {
            Err(failure) => self.fail(failure),
            Ok(finish) => {
                self.turn.end_answer(finish);
                self.record.outcome = "completed";
            }
        }
    }

    fn fail(&mut self, failure: ProviderFailure) {
        self.record.outcome = failure.class().as_str();
        self.record.code = failure.code;
        self.turn.fail(failure);
    }

    /// Ends the child's stream now; the provider's is read to its end beside it.
    fn drain_tail(&mut self) {
        let Some(mut upstream) = self.upstream.take() else {
            return;
        };
        self.tracker
            .spawn(tokio::time::timeout(TAIL_TIMEOUT, async move {
                while let Some(Ok(_)) = upstream.next().await {}
            }));
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = StreamAborted;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamAborted>>> {
        let this = self.get_mut();
        if this.upstream.is_some() && this.turn_ended.as_mut().poll(context).is_ready() {
            this.upstream = None;
            this.record.outcome = "turn_ended";
            return Poll::Ready(Some(Err(StreamAborted)));
        }
        for _ in 0..MAX_PIECES_AT_ONCE {
            let Some(upstream) = &mut this.upstream else {
                return Poll::Ready(None);
            };
            let bytes = match upstream.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(piece))) => this.pass(&piece),
                Poll::Ready(Some(Err(failure))) => this.end(Some(failure)),
                Poll::Ready(None) => this.end(None),
                Poll::Pending => {
                    let giving_up = this.giving_up.as_mut();
                    if giving_up.is_none_or(|sleep| sleep.as_mut().poll(context).is_pending()) {
                        return Poll::Pending;
                    }
                    this.end(None)
                }
            };
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
        // Others have their turn.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.upstream.is_none()
    }
}

/// What is logged of a call, on every path: when the relay is dropped, the call is over.
struct Record {
    started: Instant,
    turn_id: String,
    first_byte: Option<Duration>,
    response_bytes: usize,
    usage: super::Usage,
    outcome: &'static str,
    code: Option<&'static str>,
}

impl Record {
    fn new(started: Instant, turn_id: String) -> Self {
        Self {
            started,
            turn_id,
            first_byte: None,
            response_bytes: 0,
            usage: super::Usage::default(),
            outcome: "child_gone",
            code: None,
        }
    }

    fn count(&mut self, chunk: &Bytes) {
        self.first_byte
            .get_or_insert_with(|| self.started.elapsed());
        self.response_bytes += chunk.len();
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        tracing::info!(
            target: RECORD,
            turn_id = self.turn_id,
            outcome = self.outcome,
            code = self.code,
            first_byte_ms = self.first_byte.map(millis),
            duration_ms = millis(self.started.elapsed()),
            response_bytes = self.response_bytes,
            input_tokens = self.usage.input_tokens,
            output_tokens = self.usage.output_tokens,
            "model call ended"
        );
    }
}
