//! The accept loop: a place for each connection, time limits for what it may wait, and a drain.

mod connections;
mod socket;
mod watched_body;
mod write_timeout;

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use redact::Redactor;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::request_info::RequestInfo;

use connections::{Connections, End, Place};
use socket::{Socket, peer_left};
use watched_body::{RequestBody, ResponseBody};
use write_timeout::WriteTimeout;

pub use connections::ConnectionLimits;
pub(crate) use connections::PROBE_RESERVE;

/// A client that takes nothing of its answer for this long is not there any more.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// After a failed accept, as when the descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What open connections get to finish their last answer once the turns have ended.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// What one that is asked to close between two requests gets.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// Of what a connection has received and not yet used, and of what it has still to send. Also the most
/// that the head of a request may have.
const BUFFER_BYTES: usize = 64 * 1024;

/// What every connection is served with.
#[derive(Clone)]
pub struct Service {
    pub router: Router,
    /// For what callers choose and get back, or the log.
    pub redactor: Redactor,
}

/// Serves on `listener` until `closing`, then lets each connection finish the answer it is giving, for a
/// short time.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    limits: ConnectionLimits,
    tracker: &TaskTracker,
    closing: CancellationToken,
) {
    let connections = Connections::new(limits);
    let cut = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &connections) => accepted,
            () = closing.cancelled() => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = connections.enter(address) else {
            tracing::warn!(%address, "a connection was closed: its address has as many as it may");
            continue;
        };
        let connection = connection(stream, address, place, service.clone(), closing.clone());
        tracker.spawn(cut.clone().run_until_cancelled_owned(connection));
    }
    drop(listener);
    if timeout(LAST_ANSWERS, connections.ended()).await.is_err() {
        tracing::warn!("some connections were closed in the middle of an answer");
    }
    cut.cancel();
}

async fn accept(
    listener: &TcpListener,
    connections: &Connections,
) -> io::Result<(TcpStream, IpAddr)> {
    connections.room().await;
    let (stream, address) = listener.accept().await?;
    // A token is a small packet; it must not wait for the next one.
    stream.set_nodelay(true)?;
    Ok((stream, address.ip()))
}

/// Serves one connection to its end.
async fn connection(
    stream: TcpStream,
    address: IpAddr,
    place: Place,
    service: Service,
    closing: CancellationToken,
) {
    let (stream, place) = (Arc::new(stream), Arc::new(place));
    let socket = Socket::new(Arc::clone(&stream), Arc::clone(&place));
    let socket = TokioIo::new(WriteTimeout::new(socket, WRITE_LIMIT));
    let answer = service_fn(|request| service.answer(request, address, &place));
    let mut http = http1::Builder::new();
    // The time of a head is measured by the place, apart from the time between two requests.
    http.timer(TokioTimer::new())
        .header_read_timeout(None::<Duration>)
        .max_buf_size(BUFFER_BYTES);
    let mut served = pin!(http.serve_connection(socket, answer));
    let end = tokio::select! {
        // What can be answered is, before anyone looks whether the client is still there.
        biased;
        // A connection that breaks is its client's affair; the call's own record says so.
        _ = &mut served => return,
        () = left(&stream, &place) => return,
        () = closing.cancelled() => End::Idle,
        end = place.must_end() => end,
    };
    if end == End::Head {
        return;
    }
    served.as_mut().graceful_shutdown();
    loop {
        tokio::select! {
            biased;
            _ = &mut served => return,
            () = left(&stream, &place) => return,
            () = sleep(LAST_BYTES) => {}
        }
        // Its next request may have been on the way.
        if !place.has_request() {
            return;
        }
    }
}

/// Returns when the client has gone and no part of a body is still to be read. So a call that was sent whole
/// starts, and its record says what it was.
async fn left(stream: &TcpStream, place: &Place) {
    peer_left(stream).await;
    place.no_body_comes().await;
}

impl Service {
    /// hyper may drop the future before its first poll, when the client has already gone. So the record is
    /// made here, outside of the future: every request whose head was read has one.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        place: &Arc<Place>,
    ) -> impl Future<Output = Result<Response<ResponseBody<Body>>, Infallible>> + use<> {
        let is_crowded = place.request_begun(!request.body().is_end_stream());
        let info = RequestInfo::new(&request, peer, is_crowded, &self.redactor);
        let place = Arc::clone(place);
        let mut request = request.map(|body| Body::new(RequestBody::new(body, Arc::clone(&place))));
        request.extensions_mut().insert(info);
        let answering = self.router.clone().oneshot(request);
        async move {
            let response = answering.await?;
            Ok(response.map(|body| ResponseBody::new(body, place)))
        }
    }
}
