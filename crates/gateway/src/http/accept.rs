//! The accept loop: bounded connections, a time limit for a request's head, and a drain.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::write_timeout::WriteTimeout;

/// Connections at once; the next one waits in the kernel's queue. Each costs a descriptor and some
/// kilobytes, and most of them wait for a model.
const MAX_CONNECTIONS: usize = 1024;

/// A client that takes nothing of its answer for this long is not there any more.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// After a failed accept, as when the descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What open connections get to finish their last answer once the turns have ended.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Serves `router` on `listener` until `closing`, then lets each connection finish the answer it is
/// giving, for a short time.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    header_timeout: Duration,
    tracker: &TaskTracker,
    closing: CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(header_timeout);
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = closing.cancelled() => break,
        };
        let Accepted {
            stream,
            peer,
            place,
        } = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        let stream = WriteTimeout::new(stream, WRITE_LIMIT);
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tracker.spawn(async move {
            tokio::select! {
                // What can be answered is, before anyone looks whether the client is still there.
                biased;
                // A connection that breaks is its client's affair; the call's own record says so.
                _ = connection => {}
                () = peer.left() => {}
            }
            drop(place);
        });
    }
    drop(listener);
    if timeout(LAST_ANSWERS, connections.shutdown()).await.is_err() {
        tracing::warn!("some connections were closed in the middle of an answer");
    }
}

struct Accepted {
    stream: TcpStream,
    peer: Peer,
    place: OwnedSemaphorePermit,
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<Accepted> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // A token is a small packet; it must not wait for the next one.
    stream.set_nodelay(true)?;
    Ok(Accepted {
        peer: Peer::of(&stream)?,
        stream,
        place,
    })
}

/// Watches for the end of the other side, beside hyper: that looks for it only while it has read
/// nothing beyond the request, so that one line break after the body would hide a client's departure.
struct Peer {
    stream: TcpStream,
}

impl Peer {
    /// Costs the connection a second descriptor: readiness is kept for each one apart, and what is
    /// cleared here must not be missed there.
    fn of(stream: &TcpStream) -> io::Result<Self> {
        let descriptor = stream.as_fd().try_clone_to_owned()?;
        Ok(Self {
            stream: TcpStream::from_std(descriptor.into())?,
        })
    }

    async fn left(&self) {
        while let Ok(ready) = self.stream.ready(Interest::READABLE).await {
            if ready.is_read_closed() {
                return;
            }
            // Only bytes, and not ours to read: the next change wakes us again.
            let _ = self.stream.try_io(Interest::READABLE, || {
                Err::<(), _>(io::ErrorKind::WouldBlock.into())
            });
        }
    }
}
