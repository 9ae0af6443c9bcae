//! Who gets in: a bounded number of turns at once, a bounded queue before them, a bounded wait.

pub mod caps;

use std::sync::Arc;

use runner::Deadline;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use crate::config::LimitSettings;
use crate::error::{ErrorCode, Problem};

/// Admits calls to the work. It holds no text and knows nothing of HTTP.
#[derive(Clone, Debug)]
pub struct Guard {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    limits: LimitSettings,
    draining: CancellationToken,
}

/// The right to run one turn; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    _turn: OwnedSemaphorePermit,
}

impl Guard {
    /// `draining` is cancelled when the gateway begins to shut down.
    pub fn new(limits: LimitSettings, draining: CancellationToken) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(limits.max_concurrent_turns)),
            places: Arc::new(Semaphore::new(limits.queue_depth)),
            limits,
            draining,
        }
    }

    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// A permit, at once or after a wait in the queue: no longer than the queue allows, nor than the
    /// call has time.
    pub async fn admit(&self, deadline: Deadline) -> Result<Permit, Problem> {
        if self.is_draining() {
            return Err(draining());
        }
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return Ok(Permit { _turn: turn });
        }
        let Ok(_place) = self.places.try_acquire() else {
            return Err(Problem::new(
                ErrorCode::Overloaded,
                format!(
                    "All {} turns are taken and {} calls wait already. Try again later.",
                    self.limits.max_concurrent_turns, self.limits.queue_depth
                ),
            ));
        };
        let until = deadline.min_after(self.limits.queue_wait);
        tokio::select! {
            outcome = timeout_at(until.instant(), Arc::clone(&self.turns).acquire_owned()) => {
                match outcome {
                    Ok(Ok(turn)) => Ok(Permit { _turn: turn }),
                    Ok(Err(_)) | Err(_) => Err(Problem::new(
                        ErrorCode::Overloaded,
                        format!(
                            "All {} turns stayed taken for {} s. Try again later.",
                            self.limits.max_concurrent_turns,
                            self.limits.queue_wait.as_secs()
                        ),
                    )),
                }
            }
            () = self.draining.cancelled() => Err(draining()),
        }
    }
}

pub fn draining() -> Problem {
    Problem::new(
        ErrorCode::Draining,
        "The gateway is shutting down and takes no new work. Try again in a few seconds.",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn guard(turns: usize, depth: usize, draining: &CancellationToken) -> Guard {
        let limits = LimitSettings {
            max_concurrent_turns: turns,
            queue_depth: depth,
            queue_wait: Duration::from_secs(10),
        };
        Guard::new(limits, draining.clone())
    }

    fn in_a_minute() -> Deadline {
        Deadline::after(Duration::from_mins(1))
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_for_a_place_and_no_longer_than_allowed() {
        let guard = guard(1, 1, &CancellationToken::new());
        let first = guard.admit(in_a_minute()).await.unwrap();
        let begun = tokio::time::Instant::now();
        let refused = guard.admit(in_a_minute()).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Overloaded);
        assert_eq!(begun.elapsed(), Duration::from_secs(10));

        let waiting = guard.admit(in_a_minute());
        let (second, ()) = tokio::join!(waiting, async { drop(first) });
        assert!(second.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_refuses_at_once() {
        let guard = guard(1, 0, &CancellationToken::new());
        let _first = guard.admit(in_a_minute()).await.unwrap();
        let begun = tokio::time::Instant::now();
        let refused = guard.admit(in_a_minute()).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Overloaded);
        assert!(refused.retry_after.is_some());
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn draining_refuses_new_calls_and_those_that_wait() {
        let token = CancellationToken::new();
        let guard = guard(1, 1, &token);
        let _first = guard.admit(in_a_minute()).await.unwrap();
        let (waiting, ()) = tokio::join!(guard.admit(in_a_minute()), async { token.cancel() });
        assert_eq!(waiting.unwrap_err().code, ErrorCode::Draining);
        assert_eq!(
            guard.admit(in_a_minute()).await.unwrap_err().code,
            ErrorCode::Draining
        );
    }
}
