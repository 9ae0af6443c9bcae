//! The accept loop: a place for each connection, time limits for what it may wait, and a drain.

mod connections;
mod limits;
mod socket;
mod streams;
mod transport;
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
use http::{Request, Response, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use ipnet::IpNet;
use redact::Redactor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::forwarded::client_address;
use super::request_info::RequestInfo;
use crate::client_address::ClientAddress;

use connections::{Connections, End, Place};
use socket::{Socket, peer_left};
use streams::Streams;
use watched_body::{Answering, RequestBody, ResponseBody};
use write_timeout::WriteTimeout;

pub(crate) use connections::PROBE_RESERVE;
pub use limits::ConnectionLimits;
pub use transport::Transport;

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
const BUFFER_BYTES: u32 = 64 * 1024;

/// Requests at once on one connection of HTTP/2. Those of one address have a limit of their own.
const MAX_STREAMS: u32 = 100;

/// What a connection of HTTP/2 may have received and not yet used, of all its requests.
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;

/// An HTTP/2 client that says nothing is asked for a sign of life this often.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// What every connection is served with.
#[derive(Clone)]
pub struct Service {
    pub transport: Transport,
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
    let trusted_proxies: Arc<[IpNet]> = limits.trusted_proxies.clone().into();
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
        let Some(place) = connections.enter(ClientAddress::new(address)) else {
            tracing::warn!(%address, "a connection was closed: its address has as many as it may");
            continue;
        };
        let connection = Connection {
            stream: Arc::new(stream),
            address,
            place: Arc::new(place),
            service: service.clone(),
            trusted_proxies: Arc::clone(&trusted_proxies),
            tasks: tracker.clone(),
            closing: closing.clone(),
        };
        tracker.spawn(cut.clone().run_until_cancelled_owned(connection.serve()));
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

/// One client's connection.
struct Connection {
    stream: Arc<TcpStream>,
    address: IpAddr,
    place: Arc<Place>,
    service: Service,
    trusted_proxies: Arc<[IpNet]>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Connection {
    /// Serves it to its end.
    async fn serve(self) {
        let socket = Socket::new(Arc::clone(&self.stream), Arc::clone(&self.place));
        let socket = WriteTimeout::new(socket, WRITE_LIMIT);
        let connection = CancellationToken::new();
        let _streams_end = connection.clone().drop_guard();
        let http = http(Streams::new(&self.tasks, connection, WRITE_LIMIT));
        match &self.service.transport {
            Transport::Plain => self.serve_http(socket, http.http1_only()).await,
            Transport::PlainWithHttp2 => self.serve_http(socket, http).await,
            Transport::Tls(certificates) => {
                let handshake = TlsAcceptor::from(certificates.current()).accept(socket);
                let shaken = tokio::select! {
                    biased;
                    shaken = handshake => shaken,
                    // It is a part of the wait for the first head, with its time limit, and ends when
                    // others need the place.
                    _ = self.place.must_end() => return,
                    () = self.closing.cancelled() => return,
                };
                let socket = match shaken {
                    Ok(socket) => socket,
                    Err(error) => {
                        tracing::debug!(address = %self.address, %error, "a TLS handshake failed");
                        return;
                    }
                };
                let http = if socket.get_ref().1.alpn_protocol() == Some(b"h2") {
                    http.http2_only()
                } else {
                    http.http1_only()
                };
                self.serve_http(socket, http).await;
            }
        }
    }

    async fn serve_http<S>(&self, socket: S, http: auto::Builder<Streams>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (stream, place) = (&self.stream, &self.place);
        let answer = service_fn(|request: Request<_>| {
            let headers = request.headers();
            let client = client_address(self.address, headers, &self.trusted_proxies);
            self.service.answer(request, client, place)
        });
        let mut served = pin!(http.serve_connection(TokioIo::new(socket), answer));
        let end = tokio::select! {
            // What can be answered is, before anyone looks whether the client is still there.
            biased;
            // A connection that breaks is its client's affair; the call's own record says so.
            _ = &mut served => return,
            () = left(stream, place) => return,
            () = self.closing.cancelled() => End::Idle,
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
                () = left(stream, place) => return,
                () = sleep(LAST_BYTES) => {}
            }
            // Its next request may have been on the way.
            if !place.has_request() {
                return;
            }
        }
    }
}

/// Both versions of HTTP, with the limits of each.
fn http(streams: Streams) -> auto::Builder<Streams> {
    let mut http = auto::Builder::new(streams);
    // The time of a head is measured by the place, apart from the time between two requests.
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None::<Duration>)
        .max_buf_size(BUFFER_BYTES as usize);
    // The library's own limits hold against floods of resets, settings, pings and continuations.
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(BUFFER_BYTES)
        .max_send_buf_size(BUFFER_BYTES as usize)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .initial_stream_window_size(BUFFER_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(WRITE_LIMIT);
    http
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
        client: ClientAddress,
        place: &Arc<Place>,
    ) -> impl Future<Output = Result<Response<ResponseBody<Body>>, Infallible>> + use<> {
        let has_body = !request.body().is_end_stream();
        let speaks_http2 = request.version() == Version::HTTP_2;
        let exchange = place.begin_request(client, has_body, speaks_http2);
        let answering = Answering(Arc::clone(&exchange));
        let info = RequestInfo::new(&request, client, exchange.is_overloaded, &self.redactor);
        let mut request = request.map(|body| Body::new(RequestBody::new(body, exchange)));
        request.extensions_mut().insert(info);
        let response = self.router.clone().oneshot(request);
        async move {
            let response = response.await?;
            Ok(response.map(|body| ResponseBody::new(body, answering)))
        }
    }
}
