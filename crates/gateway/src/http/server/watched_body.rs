//! Bodies that tell how far their request is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::connections::Exchange;
use super::streams;

/// The server asks for more than this only when the client has taken most of what it has.
const PIECE_BYTES: usize = 16 * 1024;

/// Says when more of a request has been read, and when all of it.
pub(in crate::http) struct RequestBody<B> {
    body: B,
    exchange: Arc<Exchange>,
}

/// Says when a request has been answered: the server drops the body then.
pub(in crate::http) struct ResponseBody<B> {
    body: B,
    /// Of the body's last frame, still to be given.
    rest: Bytes,
    _answering: Answering,
}

/// Ends the exchange when it is dropped, with the answer or before there is one.
pub(in crate::http) struct Answering(pub(in crate::http) Arc<Exchange>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<B> RequestBody<B> {
    pub(in crate::http) fn new(body: B, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange }
    }
}

impl<B> ResponseBody<B> {
    pub(in crate::http) fn new(body: B, answering: Answering) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            _answering: answering,
        }
    }

    /// The next piece of what is left.
    fn piece(&mut self) -> Frame<Bytes> {
        streams::more_was_given();
        let length = self.rest.len().min(PIECE_BYTES);
        Frame::data(self.rest.split_to(length))
    }
}

impl<B: Body + Unpin> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() {
            self.exchange.body_read();
        } else {
            self.exchange.body_progressed();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        streams::more_is_asked_for();
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece())));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context)?);
        Poll::Ready(frame.map(|frame| {
            Ok(match frame.into_data() {
                Ok(data) => {
                    self.rest = data;
                    self.piece()
                }
                Err(trailers) => trailers,
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
