//! The body of a child's request, charged to the memory budget as it arrives.

use std::time::Duration;

use bytes::BytesMut;
use http::Request;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::memory_budget::MemoryReservation;
use super::refusal::Refusal;

/// Largest request of a child. A caller's body is at most 4 MiB (`PORTCULLIS_MAX_BODY_BYTES`), and the
/// CLI's JSON escapes no more than the caller had to; the rest is for instructions, history, tool
/// definitions and what tools put out.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The first reservation. Each later one doubles the total.
const FIRST_BYTES: usize = 16 * 1024;

/// For a whole body, from a process on the same machine that has it in memory.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a body. What it declares to be costs nothing; what has come is charged to `reservation`.
pub(super) async fn read(
    request: Request<Incoming>,
    reservation: &mut MemoryReservation,
) -> Result<BytesMut, Refusal> {
    let declared = request.headers().get(CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > MAX_BYTES as u64) {
        return Err(Refusal::TooLarge);
    }
    let reading = collect(request.into_body(), reservation);
    match tokio::time::timeout(TIMEOUT, reading).await {
        Ok(read) => read,
        Err(_) => Err(Refusal::SlowBody),
    }
}

async fn collect(
    mut body: Incoming,
    reservation: &mut MemoryReservation,
) -> Result<BytesMut, Refusal> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::Malformed)?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        let length = whole.len() + piece.len();
        if length > MAX_BYTES {
            return Err(Refusal::TooLarge);
        }
        let capacity = whole.capacity();
        if length > capacity {
            let wanted = length.max(2 * capacity).clamp(FIRST_BYTES, MAX_BYTES);
            reservation.grow(wanted - capacity).await?;
            whole.reserve(wanted - whole.len());
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}
