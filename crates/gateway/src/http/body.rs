//! Bodies of requests: bounded each, bounded together, and no slower than a rate.

mod memory_budget;
pub(super) mod parsing;

use std::error::Error as _;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep_until};

use crate::error::{ErrorCode, Problem};

use memory_budget::{BodyMemoryBudget, BodyReservation};

/// A body that is not here after this time will not come.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Over what time the rate of a body is taken: long enough for a connection that loses packets.
const RATE_WINDOW: Duration = Duration::from_secs(5);

/// What every body may use without a reservation. The number of connections is limited, so this memory is
/// too: a small body is read however many large ones arrive.
const SMALL_BODY_BYTES: usize = 16 * 1024;

/// The larger ones that may be in memory at once, in multiples of the largest.
const LARGEST_BODIES_AT_ONCE: usize = 16;

/// What a body may have and how fast it must come.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    pub max_bytes: usize,
    pub min_bytes_per_sec: usize,
}

/// Reads bodies. What they share is charged for what has arrived of them, not for what they declare.
#[derive(Debug)]
pub struct Bodies {
    limits: BodyLimits,
    budget: Arc<BodyMemoryBudget>,
}

/// A body with its reservation of memory.
#[derive(Debug)]
pub(super) struct HeldBody {
    pub(super) bytes: Vec<u8>,
    _reservation: BodyReservation,
}

impl Bodies {
    pub fn new(limits: BodyLimits) -> Self {
        let budget_bytes = limits.max_bytes.saturating_mul(LARGEST_BODIES_AT_ONCE);
        Self {
            limits,
            budget: BodyMemoryBudget::new(budget_bytes),
        }
    }

    /// Reads a body from `address`, in no more time than `call_timeout` or what any body gets.
    pub(super) async fn read(
        &self,
        request: Request<Body>,
        address: IpAddr,
        call_timeout: Duration,
    ) -> Result<HeldBody, Problem> {
        let declared = declared_length(request.headers());
        if declared.is_some_and(|length| length > self.limits.max_bytes) {
            return Err(self.too_large());
        }
        let mut reading = Reading {
            most: declared.unwrap_or(self.limits.max_bytes),
            bytes: Vec::new(),
            reservation: self.budget.register(address),
        };
        let mut body = request.into_body();
        let mut pace = Pace::new(self.limits.min_bytes_per_sec, call_timeout);
        loop {
            let frame = tokio::select! {
                biased;
                frame = body.frame() => frame,
                () = reading.reservation.evicted() => return Err(evicted()),
                () = sleep_until(pace.next_look()) => {
                    pace.look()?;
                    continue;
                }
            };
            match frame.transpose().map_err(|error| broken_off(&error))? {
                Some(frame) => {
                    let data = frame.into_data().unwrap_or_default();
                    if data.len() > self.limits.max_bytes - reading.bytes.len() {
                        return Err(self.too_large());
                    }
                    pace.count(data.len());
                    reading.add(&data)?;
                }
                None => return Ok(reading.finish()),
            }
        }
    }

    fn too_large(&self) -> Problem {
        Problem::new(
            ErrorCode::BodyTooLarge,
            format!(
                "The body may have at most {} bytes (PORTCULLIS_MAX_BODY_BYTES).",
                self.limits.max_bytes
            ),
        )
    }
}

/// What has arrived.
struct Reading {
    /// More will not come.
    most: usize,
    bytes: Vec<u8>,
    reservation: BodyReservation,
}

impl Reading {
    /// The frames are copied: one of a single byte would keep the whole of the buffer that it came in.
    fn add(&mut self, data: &Bytes) -> Result<(), Problem> {
        let needed = self.bytes.len() + data.len();
        if needed > self.bytes.capacity() {
            let ahead = needed.saturating_add(needed / 2).max(SMALL_BODY_BYTES);
            let capacity = ahead.min(self.most).max(needed);
            let beyond_small = capacity.saturating_sub(SMALL_BODY_BYTES);
            self.reservation
                .grow_to(beyond_small)
                .map_err(|_| budget_exhausted())?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(data);
        self.reservation.progressed();
        Ok(())
    }

    fn finish(self) -> HeldBody {
        self.reservation.keep();
        HeldBody {
            bytes: self.bytes,
            _reservation: self.reservation,
        }
    }
}

/// Holds a body to its time and its rate.
struct Pace {
    limit: Duration,
    end: Instant,
    min_bytes_per_sec: usize,
    window_end: Instant,
    in_window: usize,
}

impl Pace {
    fn new(min_bytes_per_sec: usize, call_timeout: Duration) -> Self {
        let limit = BODY_TIMEOUT.min(call_timeout);
        let now = Instant::now();
        Self {
            limit,
            end: now + limit,
            min_bytes_per_sec,
            window_end: now + RATE_WINDOW,
            in_window: 0,
        }
    }

    fn next_look(&self) -> Instant {
        self.end.min(self.window_end)
    }

    fn count(&mut self, bytes: usize) {
        self.in_window += bytes;
    }

    fn look(&mut self) -> Result<(), Problem> {
        let too_late = |detail| Err(Problem::new(ErrorCode::RequestTimeout, detail));
        let now = Instant::now();
        if now >= self.end {
            return too_late(format!(
                "The body did not arrive within {} s.",
                self.limit.as_secs()
            ));
        }
        let window_sec = RATE_WINDOW.as_secs();
        let needed = self
            .min_bytes_per_sec
            .saturating_mul(usize::try_from(window_sec).unwrap_or(usize::MAX));
        if self.in_window < needed {
            return too_late(format!(
                "The body came too slowly: {} bytes in {window_sec} s, where {} bytes a second are expected (PORTCULLIS_MIN_BODY_RATE).",
                self.in_window, self.min_bytes_per_sec
            ));
        }
        self.window_end = now + RATE_WINDOW;
        self.in_window = 0;
        Ok(())
    }
}

fn budget_exhausted() -> Problem {
    Problem::new(
        ErrorCode::Overloaded,
        "Too many large requests are arriving at once. Try again in a few seconds.",
    )
}

fn evicted() -> Problem {
    Problem::new(
        ErrorCode::Overloaded,
        "Too many large requests are arriving at once, and this one gave way: it came slowly, or more came from this address than from others. Try again in a few seconds.",
    )
}

/// The connection broke, or what came over it is no body.
fn broken_off(error: &axum::Error) -> Problem {
    let mut cause = error.source();
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if let Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) = kind {
            return Problem::new(
                ErrorCode::MalformedRequest,
                "The body's chunks are not well formed (RFC 9112, section 7.1).",
            );
        }
        cause = error.source();
    }
    Problem::new(ErrorCode::ClientGone, "The body broke off.")
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
