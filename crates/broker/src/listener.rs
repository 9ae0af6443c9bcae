//! Accepts connections of children and serves HTTP/1.1 on them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::HeaderValue;
use http::header::CONNECTION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::call::{self, BrokerState};
use super::memory_budget::ChildMemoryBudget;

/// Connections at once, for each turn that the clients of a listener may run, and beside them. The CLI
/// opens one for each model call and closes it with the turn (measured on 0.169.0); beyond this the
/// kernel's queue waits.
const CONNECTIONS_PER_TURN: usize = 2;
const SPARE_CONNECTIONS: usize = 4;

/// Requests that are refused on one connection before it is closed. The CLI gives up after the first.
const MAX_REFUSED: u32 = 4;

/// Of a head, and of what is read ahead of a body.
const MAX_BUFFER_BYTES: usize = 64 * 1024;

/// For the head of a request, and for an idle connection. A child is on the same machine and sends its
/// head in one piece.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two attempts to accept when the system is out of descriptors: freeing one takes a turn's end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves one listener until `shutdown`; connections end with it.
pub(super) async fn serve(
    listener: TcpListener,
    state: Arc<BrokerState>,
    turns: usize,
    shutdown: CancellationToken,
) {
    let connections = turns.saturating_mul(CONNECTIONS_PER_TURN) + SPARE_CONNECTIONS;
    let connection_slots = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
    let child = state.memory_budget.for_child(turns);
    let tracker = state.tracker.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            accepted = async {
                let slot = Arc::clone(&connection_slots).acquire_owned().await;
                (slot, listener.accept().await)
            } => accepted,
        };
        match accepted {
            (Ok(slot), Ok((stream, _))) => {
                let connection = connection(stream, Arc::clone(&state), Arc::clone(&child));
                let shutdown = shutdown.clone();
                tracker.spawn(async move {
                    tokio::select! {
                        biased;
                        () = shutdown.cancelled() => {}
                        () = connection => {}
                    }
                    drop(slot);
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

async fn connection(stream: TcpStream, state: Arc<BrokerState>, child: Arc<ChildMemoryBudget>) {
    // Each event leaves at once: a delta that waits for an acknowledgement is a late delta.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot switch off Nagle's algorithm");
    }
    let refused = AtomicU32::new(0);
    let service = service_fn(async |request| {
        let mut response = call::answer(&state, &child, request).await;
        if !response.status().is_success()
            && refused.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_REFUSED
        {
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok::<_, Infallible>(response)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        // A child that goes away mid-stream ends here: it is how a turn is interrupted.
        tracing::debug!(%error, "a child's connection ended early");
    }
}
