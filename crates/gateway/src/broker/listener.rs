//! Accepts connections of children and serves HTTP/1.1 on them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::call::{self, Gate};

/// Connections at once. The CLI opens one for each model call and closes it with the turn (measured on
/// 0.169.0), so this is many times the turns that run at once; beyond it the kernel's queue waits.
const MAX_CONNECTIONS: usize = 256;

/// For the head of a request, and for an idle connection. A child is on the same machine and sends its
/// head in one piece.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two attempts to accept when the system is out of descriptors: freeing one takes a turn's end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves one listener until `shutdown`; connections end with it.
pub(super) async fn serve(
    listener: TcpListener,
    gate: Arc<Gate>,
    tracker: TaskTracker,
    shutdown: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            } => accepted,
        };
        match accepted {
            (Ok(place), Ok((stream, _))) => {
                let connection = connection(stream, Arc::clone(&gate));
                let shutdown = shutdown.clone();
                tracker.spawn(async move {
                    tokio::select! {
                        biased;
                        () = shutdown.cancelled() => {}
                        () = connection => {}
                    }
                    drop(place);
                });
            }
            (_, Err(error)) => {
                tracing::warn!(%error, "the broker cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            // The semaphore is never closed.
            (Err(_), Ok(_)) => return,
        }
    }
}

async fn connection(stream: TcpStream, gate: Arc<Gate>) {
    // Each event leaves at once: a delta that waits for an acknowledgement is a late delta.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot switch off Nagle's algorithm");
    }
    let service = service_fn(|request| {
        let gate = Arc::clone(&gate);
        async move { Ok::<_, Infallible>(call::answer(&gate, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        // A child that goes away mid-stream ends here: it is how a turn is interrupted.
        tracing::debug!(%error, "a child's connection ended early");
    }
}
