//! Connections to the provider: how they are made, and what is known of each while it lives.
//!
//! What a client of HTTP does not tell is counted below it, in the bytes themselves: whether a connection
//! has been used before, whether a byte has come since, and how much a provider sends in all, with
//! interim answers, heads and chunk sizes.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower::Service;

use super::start_error::BrokerStartError;

/// For name, connection, proxy and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An idle connection, or one whose answer is slow, is asked for a sign of life this often; after three
/// without an answer it is dead.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 3;

/// All that may come before an answer: its head, and any number of interim ones.
const MAX_HEAD_BYTES: u64 = 256 * 1024;

/// All that may come of one answer. A delta of a token is about 250 bytes on the wire, so this is some
/// 500,000 tokens.
const MAX_ANSWER_BYTES: u64 = 128 * 1024 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

type Direct = HttpsConnector<HttpConnector>;
type Socket = MaybeHttpsStream<MaybeHttpsStream<TokioIo<TcpStream>>>;

/// Makes connections: straight, or through a proxy.
#[derive(Clone)]
pub(super) struct Connector {
    direct: Direct,
    tls: Arc<ClientConfig>,
    proxy: Option<Intercept>,
}

impl Connector {
    /// For the way to `provider`.
    pub(super) fn new(
        provider: &Uri,
        ca_file: Option<&Path>,
        proxy: Option<Intercept>,
    ) -> Result<Self, BrokerStartError> {
        let mut on_the_way = std::iter::once(provider).chain(proxy.as_ref().map(Intercept::uri));
        let is_plain = on_the_way.all(|uri| uri.scheme() == Some(&Scheme::HTTP));
        let tls = Arc::new(client_config(ca_file, is_plain)?);
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // Each event leaves and arrives at once: a request that waits for an acknowledgement is late.
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        Ok(Self {
            direct: HttpsConnector::from((tcp, Arc::clone(&tls))),
            tls,
            proxy,
        })
    }

    /// What a proxy that is told the whole address wants to know; one that makes a tunnel is told while
    /// the connection is made.
    pub(super) fn proxy_authorization(&self, uri: &Uri) -> Option<HeaderValue> {
        let is_told = uri.scheme() == Some(&Scheme::HTTP);
        let proxy = self.proxy.as_ref().filter(|_| is_told)?;
        proxy.basic_auth().cloned()
    }
}

/// Trusts what the system trusts, and the operator's file.
fn client_config(ca_file: Option<&Path>, is_plain: bool) -> Result<ClientConfig, BrokerStartError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(BrokerStartError::Tls)?;
    if is_plain {
        // A machine without root certificates may still talk to a model on its own network.
        let none = rustls::RootCertStore::empty();
        return Ok(builder.with_root_certificates(none).with_no_client_auth());
    }
    let verifier = match ca_file {
        None => Verifier::new(provider).map_err(BrokerStartError::Tls)?,
        Some(path) => {
            let format = || BrokerStartError::CaFormat {
                path: path.to_owned(),
            };
            let pem = std::fs::read(path).map_err(|source| BrokerStartError::CaFile {
                path: path.to_owned(),
                source,
            })?;
            let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
            let roots = roots.ok().filter(|roots| !roots.is_empty());
            let roots = roots.ok_or_else(format)?;
            Verifier::new_with_extra_roots(roots, provider).map_err(|_| format())?
        }
    };
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Watched>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Watched>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.direct.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let mut direct = self.direct.clone();
        let tls = Arc::clone(&self.tls);
        let proxy = self.proxy.clone();
        let connecting = async move {
            let Some(proxy) = proxy else {
                let socket = MaybeHttpsStream::Http(direct.call(uri).await?);
                return Ok(Watched::open(socket, false));
            };
            if uri.scheme() == Some(&Scheme::HTTP) {
                let socket = MaybeHttpsStream::Http(direct.call(proxy.uri().clone()).await?);
                return Ok(Watched::open(socket, true));
            }
            let mut tunnel = Tunnel::new(proxy.uri().clone(), direct);
            if let Some(authorization) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(authorization.clone());
            }
            let socket = HttpsConnector::from((tunnel, tls)).call(uri).await?;
            Ok(Watched::open(socket, false))
        };
        Box::pin(async move {
            match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}

/// What has come over one connection.
#[derive(Clone, Debug)]
pub(super) struct Traffic(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    read: AtomicU64,
    /// Up to where reading may go on.
    limit: AtomicU64,
    /// What had been read when the last whole answer was over; 0 until there was one.
    at_rest: AtomicU64,
}

impl Traffic {
    fn new() -> Self {
        Self(Arc::new(Counters {
            read: AtomicU64::new(0),
            limit: AtomicU64::new(MAX_HEAD_BYTES),
            at_rest: AtomicU64::new(0),
        }))
    }

    /// The head of an answer has come.
    pub(super) fn begin_answer(&self) {
        self.allow(MAX_ANSWER_BYTES);
    }

    /// An answer is over: the connection may be used for the next.
    pub(super) fn rest(&self) {
        let read = self.0.read.load(Ordering::Acquire);
        self.0.at_rest.store(read, Ordering::Release);
        self.allow(MAX_HEAD_BYTES);
    }

    /// Whether the connection was used before and nothing has come since: then the provider has closed it
    /// while the request was on the way, and has not run it.
    pub(super) fn ended_at_rest(&self) -> bool {
        let at_rest = self.0.at_rest.load(Ordering::Acquire);
        at_rest > 0 && at_rest == self.0.read.load(Ordering::Acquire)
    }

    fn allow(&self, more: u64) {
        let read = self.0.read.load(Ordering::Acquire);
        self.0
            .limit
            .store(read.saturating_add(more), Ordering::Release);
    }

    fn count(&self, read: usize) -> io::Result<()> {
        let read = u64::try_from(read).unwrap_or(u64::MAX);
        let before = self.0.read.fetch_add(read, Ordering::AcqRel);
        if before.saturating_add(read) > self.0.limit.load(Ordering::Acquire) {
            return Err(io::Error::other(TooMuch));
        }
        Ok(())
    }
}

/// The provider has sent more than any answer is long.
#[derive(Debug, thiserror::Error)]
#[error("the provider sent too much")]
pub(super) struct TooMuch;

/// A connection whose bytes are counted.
pub(super) struct Watched {
    socket: TokioIo<Socket>,
    traffic: Traffic,
    is_proxied: bool,
}

impl Watched {
    fn open(socket: Socket, is_proxied: bool) -> TokioIo<Self> {
        TokioIo::new(Self {
            socket: TokioIo::new(socket),
            traffic: Traffic::new(),
            is_proxied,
        })
    }
}

impl Connection for Watched {
    fn connected(&self) -> Connected {
        let connected = self.socket.inner().connected();
        connected.extra(self.traffic.clone()).proxy(self.is_proxied)
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        Poll::Ready(self.traffic.count(buffer.filled().len() - before))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, bytes)
    }
}
