//! Bodies that tell their connection's place how far a request is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};

use super::connections::Place;

/// Says when more of a request has been read, and when all of it.
pub(in crate::http) struct RequestBody<B> {
    body: B,
    place: Arc<Place>,
}

/// Says when a request has been answered: the server drops the body then.
pub(in crate::http) struct ResponseBody<B> {
    body: B,
    place: Arc<Place>,
}

impl<B> RequestBody<B> {
    pub(in crate::http) fn new(body: B, place: Arc<Place>) -> Self {
        Self { body, place }
    }
}

impl<B> ResponseBody<B> {
    pub(in crate::http) fn new(body: B, place: Arc<Place>) -> Self {
        Self { body, place }
    }
}

impl<B> Drop for ResponseBody<B> {
    fn drop(&mut self) {
        self.place.answered();
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
            self.place.body_read();
        } else {
            self.place.body_progressed();
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

impl<B: Body + Unpin> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
