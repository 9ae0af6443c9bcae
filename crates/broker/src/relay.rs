//! Streams a provider's answer to the child, metering it on the way.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, Sleep};
use tokio_util::task::TaskTracker;

use super::answer_body::{AnswerBody, StreamAborted};
use super::event_stream::EventStream;
use super::failure::{Cause, ProviderFailure, code};
use super::grants::LiveTurn;
use super::meter::{Meter, Metered, Terminal};
use super::open_call::OpenCall;
use super::record::Record;

/// For what a provider sends after the terminal event: the end of its chunked encoding. Reading it gives
/// the connection back to the pool, and so saves the next turn a TCP and a TLS handshake.
const TAIL_TIMEOUT: Duration = Duration::from_secs(1);

/// After an `error` event, for an end of the answer that it did not prevent.
pub(super) const ERROR_TIMEOUT: Duration = Duration::from_secs(2);

/// Pieces of a stream that are taken in one turn of the executor without anything to pass on.
const MAX_PIECES_AT_ONCE: usize = 32;

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
    call: Arc<OpenCall>,
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
        call: Arc<OpenCall>,
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
            call,
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
        let so_far = self.record.response_bytes;
        if !self.call.count(so_far, self.meter.events_read()) {
            self.turn.run_out_of_budget();
            return self.end(Some(ProviderFailure::own(
                Cause::BadAnswer,
                code::ANSWER_TOO_LARGE,
            )));
        }
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
        // A call whose usage nobody has said stays open, and counts by its size.
        if let Some(usage) = terminal.usage {
            self.record.usage = usage;
            self.turn.end_call(&self.call, usage);
        }
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
